//! What gateways ask. INVARIANT I02: `go_live` is the one way in, whatever the protocol.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use ajar_core::event::{Event, Stream};
use ajar_core::grant::{Grant, GrantEvent};
use ajar_core::id::{GrantId, PrincipalId, RequestId, SessionId};
use ajar_core::name::{ResourceName, RoleName};
use ajar_core::port::{
    Access, Admission, Credential, Door, Entry, Held, HeldNotice, Identified, Knock, Opening, Otherwise, Refusal, RefusalKind,
    SessionReport, Waiting,
};
use ajar_core::request::{DeniedBecause, Request, RequestEvent};
use ajar_core::resource::Kind;
use ajar_core::sealed::Disclosure;
use ajar_core::secret::Secret;
use ajar_core::session::{Arrived, Ended, HeldFor, Live, Session, SessionEvent};
use ajar_core::world::{Decision, WorldError};
use async_trait::async_trait;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, oneshot};
use tracing::{Instrument, instrument};

use crate::engine::Engine;
use crate::filing::{Asker, Looked, NewRequest, Wanted, look, submit};
use crate::leases::Minted;
use crate::people::seal;
use crate::refusal::{denied, no_such, of, refusal, world_refusal};
use crate::sequencer::{Committed, Desk, Draft, Failed};

/// A connection that has been identified and checked, on its way in.
#[derive(Debug, Clone)]
struct Guest {
    who: Identified,
    arrived: Arrived,
    /// The client's address, sealed: kept with the first event that carries it.
    client: Disclosure,
}

#[async_trait]
impl Door for Engine {
    async fn identify(&self, credential: &Credential, claimed: Option<&str>, client: IpAddr) -> Result<Identified, Refusal> {
        let caller = match credential {
            Credential::Token(token) => self.authenticate(token),
            Credential::Certificate { common_name } => self.certified(common_name),
            Credential::Key { token } => self.keyed(*token),
            Credential::Entry { secret, host } => self.entered(secret, host),
        };
        let identified = caller.and_then(|caller| self.identified(caller, claimed));
        if identified.is_err() {
            tracing::warn!(client.address = %client, "somebody at the gateway could not prove who they are");
            metrics::counter!("ajar_gateway_refusals_total", "why" => "credential").increment(1);
        }
        identified
    }

    #[instrument(name = "knock", skip_all, fields(principal.id = %who.principal, protocol = knock.protocol))]
    async fn knock(&self, who: &Identified, knock: Knock) -> Result<Admission, Refusal> {
        let engine = self.me.upgrade().ok_or_else(|| crate::refusal::unavailable(&crate::Unavailable::Stopped))?;
        let news = self.feed.subscribe();
        let (guest, place) = self.place_for(who, knock).await?;
        match place {
            Place::Open(grant) => engine.go_in_now(&guest, grant).await,
            Place::Held { request, lines } => {
                let session = guest.arrived.id;
                let waiting = Box::new(Wait { engine, guest, request, news, lines: lines.into(), going_in: None, looked: false });
                Ok(Admission::Held(Held { session, request, waiting }))
            }
            Place::Unasked { resource, role } => Ok(Admission::Unasked { resource, role }),
            Place::Asked(request) => {
                let mut wait = Wait { engine, guest, request, news, lines: VecDeque::new(), going_in: None, looked: false };
                // It may have been denied as it was filed.
                match wait.look().await {
                    None | Some(News::Say(_)) => Ok(Admission::Asked(request)),
                    Some(News::Refused(refusal)) => Err(refusal),
                    Some(News::Open(grant)) => wait.engine.go_in_now(&wait.guest, grant).await,
                }
            }
        }
    }

    fn enter(&self, code: &Secret, begun: &str, authority: &str) -> Result<Entry, Refusal> {
        self.enter_with(code, begun, authority)
    }

    fn resource_at(&self, host: &str) -> Option<ResourceName> {
        self.rules().at_host(host).cloned()
    }

    #[instrument(name = "end a session", skip_all, fields(session.id = %report.session))]
    async fn ended(&self, report: SessionReport) {
        let session = report.session;
        loop {
            let report = report.clone();
            let done = self.sequencer.run(crate::engine::SYSTEM, Vec::new(), move |desk| {
                let grant = desk.world.session(session).and_then(Session::grant);
                let ended = Ended {
                    reason: report.reason,
                    recording: report.recording,
                    bytes_in: report.bytes_in,
                    bytes_out: report.bytes_out,
                    late_ms: report.late_ms,
                    at: desk.now,
                };
                Ok::<_, WorldError>((Draft::from(desk.world.session_end(session, ended)?), grant))
            });
            match done.await {
                Ok(grant) => {
                    if grant.is_some() {
                        self.orders.dismiss(session);
                    }
                    return;
                }
                // It never came to be, or is over already.
                Err(Failed::Refused(_)) => return,
                Err(Failed::Unavailable(why)) => {
                    if *self.stopping().borrow() {
                        return;
                    }
                    tracing::error!(session.id = %session, error = %why, "a session's end could not be recorded yet");
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                }
            }
        }
    }
}

enum Place {
    Open(GrantId),
    Asked(RequestId),
    Unasked { resource: ResourceName, role: Option<RoleName> },
    Held { request: RequestId, lines: Vec<String> },
}

impl Engine {
    /// Finds the open grant that fits, else the pending request, else files one.
    async fn place_for(&self, who: &Identified, knock: Knock) -> Result<(Guest, Place), Refusal> {
        let Knock { resource, protocol, wishes, client, otherwise } = knock;
        let new = NewRequest {
            resource,
            role: wishes.role,
            duration: wishes.duration,
            reason: wishes.reason.unwrap_or_default(),
            ticket: wishes.ticket,
            scope: wishes.scope,
            starts_at: None,
            emergency: false,
            also: Vec::new(),
            on_behalf_of: None,
        };
        let (counter, guest) = (self.counter(), who.clone());
        let done = self.sequencer.run(who.actor, Vec::new(), move |desk| {
            other_door(desk, guest.principal, &new.resource, protocol)?;
            let client = seal(desk.entropy, client.to_string());
            let arrived = |resource| Arrived {
                id: SessionId::new(desk.entropy.uuid(desk.now)),
                principal: guest.principal,
                resource,
                protocol: protocol.to_owned(),
                client: client.commitment,
                at: desk.now,
            };
            if let Some((grant, resource)) = open_grant(desk, guest.principal, &new.resource, new.role.as_deref()) {
                let guest = Guest { arrived: arrived(resource), who: guest, client };
                return Ok((Draft::default(), (guest, Placed::Open(grant))));
            }
            let asker = Asker::themselves(guest.principal, guest.actor);
            if otherwise == Otherwise::Look {
                let looked = look(desk, asker, &new)?;
                let resource = match &looked {
                    Looked::Pending(_, resource) | Looked::Possible { resource, .. } => resource.clone(),
                };
                return Ok((Draft::default(), (Guest { arrived: arrived(resource), who: guest, client }, Placed::Looked(looked))));
            }
            let wanted = Wanted::read(desk, asker, &new)?;
            let resource = wanted.asks.first().map(|ask| ask.resource.clone()).ok_or_else(|| no_such("such resource"))?;
            let arrived = arrived(resource);
            let (mut draft, submitted) = submit(desk, &counter, asker, wanted)?;
            let placed = match submitted.grants.first() {
                Some(grant) => Placed::Open(*grant),
                None if otherwise == Otherwise::Ask => Placed::Asked(submitted.request),
                None => {
                    let held = HeldFor { arrived: arrived.clone(), request: submitted.request };
                    draft.decision.extend(desk.world.session_hold(held));
                    draft.disclosures.push(client.clone());
                    Placed::Held { request: submitted.request, existing: submitted.existing }
                }
            };
            // A request that is denied as it is filed holds nobody: its wait ends at once with the reason.
            Ok((draft, (Guest { arrived, who: guest, client }, placed)))
        });
        let (guest, placed) = done.await.map_err(of::<Refusal>)?;
        let place = match placed {
            Placed::Open(grant) => Place::Open(grant),
            Placed::Asked(request) | Placed::Looked(Looked::Pending(request, _)) => Place::Asked(request),
            Placed::Looked(Looked::Possible { resource, role }) => Place::Unasked { resource, role },
            Placed::Held { request, existing } => Place::Held { request, lines: self.first_lines(request, existing, &guest.arrived).await },
        };
        Ok((guest, place))
    }

    /// What a held client is told first: that a request was filed, who was asked, and the link.
    async fn first_lines(&self, id: RequestId, existing: bool, arrived: &Arrived) -> Vec<String> {
        let verb = if existing { "is still waiting" } else { "was filed" };
        let mut lines = vec![format!("request {id} for {} {verb}; this connection is held until it is decided", arrived.resource)];
        let asked = self.sequencer.look(move |desk| match desk.world.request(id) {
            Some(Request::Pending(p)) => p.stage.as_ref().map(|s| s.asked.clone()).unwrap_or_default(),
            Some(_) | None => Vec::new(),
        });
        lines.extend(self.asked_line(&asked.await.unwrap_or_default()));
        lines.push(format!("link: {}/requests/{id}", self.config.public_url));
        lines
    }

    fn asked_line(&self, asked: &[PrincipalId]) -> Option<String> {
        Some(format!("asked: {}", self.some_names(asked)?))
    }

    /// Names for a line: the first of many; none of nobody.
    fn some_names(&self, asked: &[PrincipalId]) -> Option<String> {
        let mut names: Vec<_> = asked.iter().map(|id| self.people.name(*id)).collect();
        names.sort_unstable();
        names.truncate(8);
        let more = if asked.len() > 8 { format!(" and {} more", asked.len() - 8) } else { String::new() };
        (!names.is_empty()).then(|| format!("{}{more}", names.join(", ")))
    }

    async fn go_in_now(self: &Arc<Self>, guest: &Guest, grant: GrantId) -> Result<Admission, Refusal> {
        let stopped = |_| crate::refusal::unavailable(&crate::Unavailable::Stopped);
        Ok(Admission::Open(Box::new(self.go_in_detached(guest, grant, false).await.map_err(stopped)??)))
    }

    /// [`Engine::go_in`], carried through even when nobody waits for it any more: a half-made lease would block the next one.
    fn go_in_detached(self: &Arc<Self>, guest: &Guest, grant: GrantId, held: bool) -> oneshot::Receiver<Result<Opening, Refusal>> {
        let (done, opening) = oneshot::channel();
        let (engine, guest) = (Arc::clone(self), guest.clone());
        self.spawn(async move { drop(done.send(engine.go_in(&guest, grant, held).await)) }.in_current_span());
        opening
    }

    /// From an open grant to a live session: lease, then `session.live`, durable before a byte flows.
    #[instrument(name = "open", skip_all, fields(session.id = %guest.arrived.id, grant.id = %grant, resource.name = %guest.arrived.resource))]
    async fn go_in(self: &Arc<Self>, guest: &Guest, grant: GrantId, held: bool) -> Result<Opening, Refusal> {
        let started = self.clock.mono();
        let resource = self.rules().resource(&guest.arrived.resource).cloned().ok_or_else(|| no_such("such resource"))?;
        let (access, lease, resource) = match &resource.kind {
            Kind::Postgres(_) => {
                let Minted { lease, login, secret, resource } = self.lease_for(guest.who.actor, grant, &resource).await?;
                (Access::Login { lease, login, secret }, Some(lease), resource)
            }
            Kind::Http(_) | Kind::Ssh(_) => {
                self.redeem(guest.who.actor, grant).await?;
                (Access::Stored, None, resource)
            }
        };
        let guest = guest.clone();
        let orders = Arc::clone(&self.orders);
        let session = guest.arrived.id;
        // One that was held may have been ended meanwhile.
        let needs = if held { vec![Stream::Session(session)] } else { Vec::new() };
        let done = self.sequencer.run(guest.who.actor, needs, move |desk| {
            // It may have been extended meanwhile: who comes in goes on with it, as its lease has.
            let grant = desk.world.standing_grant(grant);
            if desk.shut(grant) || !desk.rules.enabled(guest.who.principal) {
                return Err(no_such("grant"));
            }
            let signed = desk.world.grant(grant).and_then(Grant::signed).cloned().ok_or_else(|| no_such("grant"))?;
            let role: RoleName = signed.claims.role.clone();
            let live = Live { arrived: guest.arrived.clone(), grant, lease, role, at: desk.now };
            let decision: Decision = desk.world.session_go_live(live).map_err(|e| {
                let ended = matches!(e, WorldError::NoSuch(Stream::Session(_)));
                if ended { ended_meanwhile() } else { world_refusal(&e) }
            })?;
            let feed = orders.enrol(grant, session, signed.claims.ends_at);
            Ok((Draft { disclosures: vec![guest.client], ..Draft::from(decision) }, (signed, feed)))
        });
        match done.await.map_err(of::<Refusal>) {
            Ok((signed, feed)) => {
                metrics::counter!("ajar_sessions_opened_total").increment(1);
                metrics::histogram!("ajar_time_to_open_seconds").record(self.since(started));
                Ok(Opening { session, grant: signed, access, resource, orders: Box::new(feed) })
            }
            Err(refusal) => {
                self.orders.dismiss(session);
                Err(refusal)
            }
        }
    }
}

enum Placed {
    Looked(Looked),
    Open(GrantId),
    Asked(RequestId),
    Held { request: RequestId, existing: bool },
}

/// Refuses what is of another kind than the protocol that a client speaks; who may not know of it hears what they always hear.
pub(crate) fn other_door(desk: &Desk<'_>, principal: PrincipalId, resource: &str, protocol: &str) -> Result<(), Refusal> {
    let found = resource.parse().ok().and_then(|name: ResourceName| desk.rules.resource(&name));
    let Some(other) = found.filter(|resource| resource.kind.word() != protocol) else { return Ok(()) };
    if desk.rules.offered(principal, &other.name).is_none() {
        return Err(no_such("such resource"));
    }
    let hint = match other.kind {
        Kind::Postgres(_) => format!("ajar psql {}", other.name),
        Kind::Ssh(_) => format!("ajar ssh {}", other.name),
        Kind::Http(_) => format!("ajar run --with {} -- COMMAND", other.name),
    };
    let message = format!("{} is of kind {}, and this is the door for {protocol}", other.name, other.kind.word());
    Err(refusal(RefusalKind::BadInput, message, None, Some(hint)))
}

/// The grant of `principal` that may be used for a resource: an open one of the role that was named, else the one that ends last, else
/// one that opens when it is first used.
pub(crate) fn open_grant(desk: &Desk<'_>, principal: PrincipalId, resource: &str, role: Option<&str>) -> Option<(GrantId, ResourceName)> {
    let resource: ResourceName = resource.parse().ok()?;
    let open = desk.world.open_grants(principal, &resource);
    let spent = |g: &Grant| matches!(g, Grant::Open(open) if open.used.is_some());
    let open = open.into_iter().filter(|g| !desk.shut(g.id()) && !spent(g) && g.due().is_some_and(|end| desk.now < end));
    let usable = open.chain(desk.world.redeemable_grants(principal, &resource, desk.now));
    let mut fits = usable.filter(|g| role.is_none_or(|role| g.parties().2.as_str() == role));
    fits.next().map(|grant| (grant.id(), resource))
}

/// A held connection's news.
struct Wait {
    engine: Arc<Engine>,
    guest: Guest,
    request: RequestId,
    news: broadcast::Receiver<Committed>,
    lines: VecDeque<String>,
    /// On the way in.
    going_in: Option<oneshot::Receiver<Result<Opening, Refusal>>>,
    /// Whether the request was looked at after subscribing, so that nothing is missed.
    looked: bool,
}

enum News {
    Say(String),
    Open(GrantId),
    Refused(Refusal),
}

#[async_trait]
impl Waiting for Wait {
    async fn next(&mut self) -> HeldNotice {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return HeldNotice::Say(line);
            }
            if let Some(going_in) = &mut self.going_in {
                return match going_in.await {
                    Ok(Ok(opening)) => HeldNotice::Open(Box::new(opening)),
                    Ok(Err(refusal)) => HeldNotice::Refused(refusal),
                    Err(_) => HeldNotice::Refused(crate::refusal::unavailable(&crate::Unavailable::Stopped)),
                };
            }
            let news = if self.looked { self.listen().await } else { self.look().await };
            match news {
                Some(News::Say(line)) => return HeldNotice::Say(line),
                Some(News::Refused(refusal)) => return HeldNotice::Refused(refusal),
                Some(News::Open(grant)) => self.going_in = Some(self.engine.go_in_detached(&self.guest, grant, true)),
                None => {}
            }
        }
    }
}

impl Wait {
    /// How the request stands.
    async fn look(&mut self) -> Option<News> {
        let (id, session) = (self.request, self.guest.arrived.id);
        let needs = vec![Stream::Request(id), Stream::Session(session)];
        let done = self.engine.sequencer.run(crate::engine::SYSTEM, needs, move |desk| {
            if desk.world.session(session).is_some_and(|s| matches!(s, Session::Ended(_))) {
                return Err(ended_meanwhile());
            }
            let usable = |g: &Grant| match g {
                Grant::Open(_) => true,
                Grant::Scheduled(s) => s.redeem_by.is_some() && s.opens_at <= desk.now,
                Grant::Closing(_) | Grant::Closed(_) | Grant::Failed(_) => false,
            };
            let grant = |id: &GrantId| Some(desk.world.standing_grant(*id)).filter(|id| desk.world.grant(*id).is_some_and(usable));
            let news = match desk.world.request(id) {
                Some(Request::Pending(_)) => None,
                Some(Request::Approved(s)) => {
                    Some(s.outcome.grants.iter().find_map(grant).map_or_else(|| News::Refused(over(id)), News::Open))
                }
                Some(Request::Denied(s)) => Some(News::Refused(denied(id, because(&s.outcome.because)))),
                Some(Request::Withdrawn(_)) => Some(News::Refused(denied(id, "it was withdrawn".into()))),
                Some(Request::Expired(_)) | None => Some(News::Refused(over(id))),
            };
            Ok::<_, Refusal>((Draft::default(), news))
        });
        self.looked = true;
        match done.await {
            Ok(news) => news,
            Err(failed) => Some(News::Refused(of(failed))),
        }
    }

    /// The next thing that becomes of the request.
    async fn listen(&mut self) -> Option<News> {
        match self.news.recv().await {
            Ok(committed) => {
                let (id, mut last) = (self.request, None);
                // What the first lines have said already.
                let filing = |e: &ajar_core::event::Envelope| matches!(e.event, Event::Request(RequestEvent::Filed(_)));
                if committed.events.iter().any(|e| e.stream == Stream::Request(id) && filing(e)) {
                    self.looked = false;
                    return None;
                }
                for envelope in committed.events.iter() {
                    match (&envelope.event, envelope.stream) {
                        (Event::Request(event), Stream::Request(request)) if request == id => last = self.told(event).or(last),
                        (Event::Grant(GrantEvent::Opened(o)), _) if o.signed.claims.request == id => {
                            last = Some(News::Open(o.signed.claims.grant))
                        }
                        (Event::Grant(GrantEvent::Scheduled(s)), _) if s.request == id && s.redeem_by.is_some() => {
                            last = Some(News::Open(s.id))
                        }
                        (Event::Session(SessionEvent::Killed(_)), Stream::Session(session)) if session == self.guest.arrived.id => {
                            return Some(News::Refused(ended_meanwhile()));
                        }
                        (
                            Event::Request(_)
                            | Event::Grant(_)
                            | Event::Lease(_)
                            | Event::Session(_)
                            | Event::Lock(_)
                            | Event::Delegation(_)
                            | Event::Preapproval(_)
                            | Event::Debt(_)
                            | Event::Principal(_)
                            | Event::Token(_)
                            | Event::Policy(_),
                            _,
                        ) => {}
                    }
                }
                last
            }
            Err(RecvError::Lagged(_)) => {
                self.looked = false;
                None
            }
            Err(RecvError::Closed) => Some(News::Refused(crate::refusal::unavailable(&crate::Unavailable::Stopped))),
        }
    }

    fn told(&self, event: &RequestEvent) -> Option<News> {
        match event {
            RequestEvent::Reviewed(review) => {
                let word = match review.verdict {
                    ajar_core::plan::Verdict::Approve => "approved",
                    ajar_core::plan::Verdict::Deny => "denied",
                };
                Some(News::Say(format!("{} {word} it", self.engine.people.name(review.reviewer))))
            }
            RequestEvent::StageEntered(entered) => self.engine.asked_line(&entered.asked).map(News::Say),
            RequestEvent::Reminded(r) => {
                let names = self.engine.some_names(&r.asked)?;
                Some(News::Say(format!("not decided yet: {names} {} reminded", if r.asked.len() == 1 { "was" } else { "were" })))
            }
            RequestEvent::StageEscalated(_) => Some(News::Say("nobody decided in time: more people are asked".into())),
            RequestEvent::StageSkipped(_) => Some(News::Say("nobody decided in time: the next stage decides".into())),
            RequestEvent::PlanTightened(_) => Some(News::Say("the rules have become stricter meanwhile: more is needed".into())),
            RequestEvent::Denied(d) => Some(News::Refused(denied(self.request, because(&d.because)))),
            RequestEvent::Withdrawn(_) => Some(News::Refused(denied(self.request, "it was withdrawn".into()))),
            RequestEvent::Expired(_) => Some(News::Refused(over(self.request))),
            RequestEvent::TakenBack(_) => Some(News::Say("an approval was taken back".into())),
            RequestEvent::Commented(comment) => {
                let by = self.engine.people.name(comment.by);
                Some(News::Say(format!("{by} has commented: {}/requests/{}", self.engine.config.public_url, self.request)))
            }
            RequestEvent::Seen(seen) => Some(News::Say(format!("{} is looking at it", self.engine.people.name(seen.by)))),
            RequestEvent::Filed(_) | RequestEvent::AutoReviewed(_) | RequestEvent::Approved(_) => None,
        }
    }
}

/// A denial's reason, in words.
pub(crate) fn because(because: &DeniedBecause) -> String {
    match because {
        DeniedBecause::Review(_) => "a reviewer said no".into(),
        DeniedBecause::Automatic(rule) => format!("rule {rule} denies it"),
        DeniedBecause::Rules => "the rules in force no longer allow it".into(),
        DeniedBecause::RequesterDisabled => "who asked is disabled".into(),
        DeniedBecause::NobodyCanDecide(stage) => format!("nobody can decide its stage {}: have an operator look at the rule", stage + 1),
        DeniedBecause::StageTimedOut(stage) => format!("nobody decided its stage {} in time", stage + 1),
        DeniedBecause::GrantOver => "the grant that it was to go on with is over".into(),
    }
}

/// Somebody has ended a connection that was held.
fn ended_meanwhile() -> Refusal {
    let hint = "'ajar sessions' says by whom, and why; what was asked for is as it was: 'ajar requests'";
    refusal(RefusalKind::Denied, "this connection was ended by somebody who may", None, Some(hint.into()))
}

fn over(id: RequestId) -> Refusal {
    refusal(
        RefusalKind::Expired,
        format!("request {id} is over"),
        Some("it was not decided in time, or its grant has ended".into()),
        Some(format!("file it again: ajar request --again {id}")),
    )
}
