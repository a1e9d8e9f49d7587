//! The walk of one request: who is it, is there an open grant, does the role allow this, pass it on.

use std::sync::Arc;
use std::time::Duration;

use ajar_core::http::{Local, Path};
use ajar_core::port::{Admission, Held, HeldNotice, Identified, Knock, Opening, Otherwise, RefusalKind};
use ajar_core::session::EndReason;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONNECTION, HeaderMap, HeaderName, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode, Version};

use super::ask::Ask;
use super::body::{Answer, Carried};
use super::problem::Problem;
use super::room::{Entered, Key, NoRoom, Room};
use super::upgrade::{self, WebSocket};
use super::upstream::{Unsent, Upstream};
use super::visit::{Outcome, Side, Visit};
use super::{Guest, enter, headers};
use crate::listener;
use crate::report::{Gauge, Owed};

/// When the session ends: on each answer.
const EXPIRES: HeaderName = HeaderName::from_static("ajar-expires");

/// Answers a request.
pub(super) async fn answer(shared: &Arc<listener::Shared>, guest: &Arc<Guest>, request: Request<Incoming>) -> Response<Answer> {
    let version = request.version();
    let by_a_page = request.headers().contains_key("sec-fetch-mode");
    let mut response = answered(shared, guest, request).await;
    // The connection ends with the answer to what can't be understood.
    if version <= Version::HTTP_11 && response.status() == StatusCode::BAD_REQUEST {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    // A browser would ask for a name and a password by itself, and keep the page's script waiting.
    if by_a_page && response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"ajar\""));
    }
    response
}

async fn answered(shared: &Arc<listener::Shared>, guest: &Arc<Guest>, request: Request<Incoming>) -> Response<Answer> {
    let ask = match Ask::of(&request, |host| shared.door.resource_at(host)) {
        Ok(ask) => ask,
        Err(problem) => return problem.response(),
    };
    if let Some(answered) = enter::answer(shared, guest, &ask, request.headers()) {
        return answered.unwrap_or_else(Problem::response);
    }
    let html = ask.html;
    walk(shared, guest, ask, request).await.unwrap_or_else(|problem| if html { problem.page() } else { problem.response() })
}

async fn walk(
    shared: &Arc<listener::Shared>,
    guest: &Arc<Guest>,
    mut ask: Ask,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Problem> {
    let looks = ask.only_looks();
    let who = match identify(shared, guest, &mut ask).await {
        // Whatever there is or isn't here, somebody signs in first.
        Err(problem) if ask.navigates && problem.is_about_who() => {
            let to = Local { path: full_path(&ask), query: ask.query.clone() };
            return enter::begin(shared, &ask, request.headers(), Some(to));
        }
        identified => identified?,
    };
    guest.is_known();
    let key = Key { principal: who.principal, resource: ask.resource.clone(), role: ask.wishes.role.clone() };
    let entered = match shared.http.rooms.enter(&key) {
        Some(entered) => entered,
        None => let_in(shared, guest, &who, key, (&mut ask, looks)).await?,
    };
    if entered.deadline.check().is_none() {
        return Err(over(&entered));
    }
    let place = tokio::select! {
        biased;
        () = entered.over() => return Err(over(&entered)),
        place = entered.lines.place() => place.ok_or_else(|| over(&entered))?,
    };
    let what = (ask.method.clone(), ask.path.clone(), ask.query.clone());
    let visit = Arc::new(Visit::new(entered, what, place, Arc::clone(guest)));
    visit.heads(Side::In, request.headers());
    if !visit.room().allows(ask.method.as_str(), &ask.path) {
        visit.came_to(StatusCode::FORBIDDEN, Outcome::Refused);
        let claims = visit.room().claims();
        let title = format!("role {} on {} does not allow {} {}", claims.role, claims.resource, ask.method, ask.path);
        return Err(Problem::new(StatusCode::FORBIDDEN, "not_in_role", title)
            .hint(format!("'ajar ls' shows the roles of {}: name another with the header Ajar-Role", claims.resource)));
    }
    pass_on(shared, guest, &visit, &ask, request).await
}

/// The path that a browser asked for, whatever of it names the resource.
fn full_path(ask: &Ask) -> Path {
    Path::parse(&format!("{}{}", ask.prefix, ask.path)).unwrap_or_else(|_| ask.path.clone())
}

async fn identify(shared: &listener::Shared, guest: &Guest, ask: &mut Ask) -> Result<Identified, Problem> {
    if ask.is_forged() {
        return Err(Problem::new(StatusCode::FORBIDDEN, "from_elsewhere", "a page of another site asks this in your name")
            .hint("a program that means it sends a token: 'Authorization: Bearer ajar_…'"));
    }
    let certificate = || guest.certificate.clone().map(|common_name| ajar_core::port::Credential::Certificate { common_name });
    let Some(credential) = ask.credential.take().or_else(certificate) else {
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "sign_in", "say who you are").hint(
            "send a token: 'Authorization: Bearer ajar_…', or your name and the token as user and password; 'ajar login' issues one",
        ));
    };
    Ok(shared.door.identify(&credential, ask.claimed.as_deref(), guest.address).await?)
}

/// Begins the session, now or once the request for it is approved.
async fn let_in(
    shared: &Arc<listener::Shared>,
    guest: &Guest,
    who: &Identified,
    key: Key,
    (ask, looks): (&mut Ask, bool),
) -> Result<Entered, Problem> {
    let turn = shared.http.rooms.turn(&key).await;
    if let Some(entered) = shared.http.rooms.enter(&key) {
        return Ok(entered);
    }
    let role = ask.wishes.role.clone();
    let knock = Knock {
        resource: ask.resource.clone(),
        protocol: "http",
        wishes: std::mem::take(&mut ask.wishes),
        client: guest.address,
        otherwise: match (ask.hold.is_zero(), looks) {
            (false, _) => Otherwise::Hold,
            (true, true) => Otherwise::Look,
            (true, false) => Otherwise::Ask,
        },
    };
    let held = match shared.door.knock(who, knock).await? {
        Admission::Open(opening) => {
            let owed = Owed::new(opening.session, shared.reports.clone());
            return begin(shared, key, *opening, owed).await;
        }
        Admission::Asked(request) => return Err(Problem::pending(request, &shared.http.public_url, role.as_deref())),
        Admission::Unasked { resource, role } => {
            let link = enter::asking(shared, &resource, role.as_ref());
            return Err(Problem::unasked(&resource, role.as_ref(), link));
        }
        Admission::Held(held) => held,
    };
    drop(turn);
    let mut owed = Owed::new(held.session, shared.reports.clone());
    owed.because(EndReason::ClientLeft);
    let opening = wait(shared, held, ask.hold, &mut owed, role.as_deref()).await?;
    begin(shared, key, opening, owed).await
}

/// Waits for the decision, for as long as was said.
async fn wait(shared: &listener::Shared, mut held: Held, hold: Duration, owed: &mut Owed, role: Option<&str>) -> Result<Opening, Problem> {
    let _waiting = Gauge::new("held");
    let mut signal = shared.signal.subscribe();
    let patience = tokio::time::sleep(hold);
    tokio::pin!(patience);
    loop {
        tokio::select! {
            biased;
            () = crate::cut::stopping(&mut signal) => {
                owed.because(EndReason::ServerStopped);
                return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "Ajar is stopping").hint("try again in a moment"));
            }
            news = held.waiting.next() => match news {
                HeldNotice::Say(_) => {}
                HeldNotice::Open(opening) => return Ok(*opening),
                HeldNotice::Refused(refusal) => {
                    let failed = refusal.kind == RefusalKind::Unavailable;
                    owed.because(if failed { EndReason::FailedToOpen } else { EndReason::Refused });
                    return Err(refusal.into());
                }
            },
            () = &mut patience => return Err(Problem::pending(held.request, &shared.http.public_url, role)),
        }
    }
}

async fn begin(shared: &listener::Shared, key: Key, opening: Opening, owed: Owed) -> Result<Entered, Problem> {
    let resource = opening.resource.name.clone();
    Room::begin(shared, key, opening, owed).await.map_err(|why| {
        let unavailable = |title: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", title);
        match why {
            NoRoom::Permit(why) => Problem::new(StatusCode::FORBIDDEN, "expired", format!("the grant does not let you in: {why}")),
            NoRoom::Recording(_) => unavailable("this cannot be recorded, so it is not opened".into())
                .hint("your grant stays open; tell those who operate Ajar: its recordings' disk may be full"),
            NoRoom::OtherKind | NoRoom::Upstream(_) => {
                tracing::error!(resource.name = %resource, %why, why.detail = ?why, "an API could not be opened");
                unavailable(format!("{resource} can't be opened now"))
                    .hint(format!("your grant stays open: have somebody who operates Ajar run 'ajar doctor {resource}'"))
            }
        }
    })
}

/// The session is over: with its grant, or because somebody has ended it.
fn over(room: &Room) -> Problem {
    let claims = room.claims();
    if room.was_killed() {
        return Problem::new(StatusCode::FORBIDDEN, "killed", "this session was ended by somebody who may")
            .detail(format!("{} goes on; 'ajar sessions' says who ended the session, and why", claims.grant))
            .hint("ask again, after asking whoever ended it");
    }
    let span = claims.asked_again();
    Problem::new(StatusCode::FORBIDDEN, "expired", format!("{} is over", claims.grant))
        .hint(format!("to go on, ask again: ajar request {} --role {} --for {span} --reason '…'", claims.resource, claims.role))
}

/// Sends a request to the target, and brings its answer back.
async fn pass_on(
    shared: &listener::Shared,
    guest: &Arc<Guest>,
    visit: &Arc<Visit>,
    ask: &Ask,
    mut request: Request<Incoming>,
) -> Result<Response<Answer>, Problem> {
    let room = visit.room();
    let upstream = &room.upstream;
    let unreachable = |title: String| {
        visit.came_to(StatusCode::BAD_GATEWAY, Outcome::Unreachable);
        Problem::new(StatusCode::BAD_GATEWAY, "unreachable", title).hint(format!(
            "the grant stays open: try again, or have somebody who operates Ajar run 'ajar doctor {}'",
            room.claims().resource
        ))
    };
    let resource = &room.claims().resource;
    let shown = upstream.shows(shared.clock.mono()).await.map_err(|why| {
        tracing::error!(resource.name = %resource, %why, "what an API's target is to be shown can't be had");
        unreachable(format!("{resource} can't be asked now"))
    })?;
    let websocket = ask.websocket.map(|way| (way, hyper::upgrade::on(&mut request)));
    let mut to = headers::request(request.headers(), &upstream.host, guest.address, &ask.host);
    if ask.took_authorization {
        to.remove(AUTHORIZATION);
    }
    let key = match websocket {
        Some((WebSocket::Upgrade, _)) => {
            upgrade::mark(&mut to);
            None
        }
        Some((WebSocket::Stream, _)) => Some(upgrade::ask(&mut to, &*shared.entropy)),
        None => None,
    };
    // Last, so that nothing the caller said can take its place.
    if let Some((name, value)) = shown {
        to.insert(name, value);
    }
    let uri = upstream
        .uri(ask.path.as_str(), ask.query.as_deref())
        .map_err(|why| Problem::new(StatusCode::BAD_REQUEST, "bad_request", "this query can't be passed on").detail(why.to_string()))?;
    let method = ask.method.clone();
    let mut outgoing = Request::new(Carried::new(request.into_body(), Side::In, Arc::clone(visit)));
    (*outgoing.method_mut(), *outgoing.uri_mut(), *outgoing.headers_mut()) = (method, uri, to);
    let sent = async {
        match websocket {
            Some(_) => upstream.send_alone(outgoing, shared.clock.mono()).await,
            None => upstream.send(outgoing, shared.clock.mono()).await,
        }
    };
    let ended = room.over();
    let sent = tokio::select! {
        biased;
        () = ended => {
            visit.came_to(StatusCode::FORBIDDEN, Outcome::Cut);
            return Err(over(room));
        }
        sent = sent => sent,
    };
    let mut response = sent.map_err(|error| {
        if room.deadline.check().is_none() {
            visit.came_to(StatusCode::FORBIDDEN, Outcome::Cut);
            return over(room);
        }
        tracing::warn!(resource.name = %resource, %error, source = ?std::error::Error::source(&error), "an API did not answer");
        let word = if matches!(&error, Unsent::Failed(error) if error.is_connect()) { "can't be reached" } else { "did not answer" };
        unreachable(format!("{resource} {word}"))
    })?;
    visit.heads(Side::Out, response.headers());
    let status = response.status();
    if status == StatusCode::UNAUTHORIZED {
        upstream.was_refused();
    }
    let switched = status == StatusCode::SWITCHING_PROTOCOLS;
    let right = websocket.is_some() && upgrade::is_websocket(response.headers()) && upgrade::has_taken(response.headers(), key.as_ref());
    // By HTTP/2 any success would be one of the WebSocket.
    if switched && !right || status.is_success() && key.is_some() {
        visit.came_to(StatusCode::BAD_GATEWAY, Outcome::Unreachable);
        return Err(unreachable(format!("{resource} speaks another protocol than it was asked for")));
    }
    visit.came_to(status, Outcome::Completed);
    headers::response(response.headers_mut());
    point_back(response.headers_mut(), &ask.prefix, upstream);
    headers::keep_cookies_here(response.headers_mut(), &ask.prefix, &upstream.base);
    if let Ok(until) = HeaderValue::from_str(&room.until().to_string()) {
        response.headers_mut().insert(EXPIRES, until);
    }
    match websocket {
        Some((way, caller)) if switched => {
            let target = hyper::upgrade::on(&mut response);
            match way {
                WebSocket::Upgrade => upgrade::mark(response.headers_mut()),
                WebSocket::Stream => upgrade::answer(&mut response),
            }
            shared.http.do_beside(upgrade::carry(Arc::clone(visit), caller, target));
        }
        // INVARIANT H1.
        Some((WebSocket::Upgrade, _)) => drop(response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"))),
        // A stream of its own, which ends with the answer.
        Some((WebSocket::Stream, _)) | None => {}
    }
    let (head, body) = response.into_parts();
    let body = Carried::new(body, Side::Out, Arc::clone(visit)).together().await;
    Ok(Response::from_parts(head, Answer::Carried(body)))
}

/// A `Location` on the target becomes the caller's own.
fn point_back(headers: &mut HeaderMap, prefix: &str, upstream: &Upstream) {
    let Some(location) = headers.get(LOCATION).and_then(|v| v.to_str().ok()) else { return };
    let absolute = location.split_once("://").and_then(|(_, rest)| {
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        upstream.is_at(authority).then_some(path)
    });
    let path = match absolute {
        Some(path) => path,
        None if location.starts_with('/') && !location.starts_with("//") => location,
        None => return,
    };
    let Some(own) = path.strip_prefix(upstream.base.as_str()).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#'])) else {
        return;
    };
    if let Ok(value) = HeaderValue::from_str(&format!("{prefix}{own}")) {
        headers.insert(LOCATION, value);
    }
}
