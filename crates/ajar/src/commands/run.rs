//! Programs beside an open grant: with a URL and a token of their own in their environment, or behind a local port.

use std::path::PathBuf;
use std::time::Duration;

use ajar_api::model::{Doors, Grant, HttpDoor, Me, NewRequest, NewToken, Page, Resource, Token, TokenScope};
use ajar_core::port::Clock as _;
use ajar_core::secret::Secret;
use ajar_core::time::Timestamp;
use anyhow::Context;

use super::native::{SYSTEM, postgres_door, save_authority};
use crate::cli::{self, Wanted};
use crate::client::{Client, trusting};
use crate::clock::SystemClock;
use crate::exit::{Code, Failure};
use crate::output::say;

/// What somebody may use, until when, and as what.
pub(super) struct Open {
    resource: Resource,
    pub(super) role: String,
    grant: Grant,
}

/// Runs a command; its exit code is ours.
pub(super) async fn run(client: &Client, args: &cli::Run) -> Result<(), Failure> {
    let (program, rest) = args.command.split_first().ok_or_else(|| Failure::new(Code::Usage, "which command?"))?;
    let doors: Doors = client.get(&["doors"], &[]).await?;
    let me: Me = client.get(&["me"], &[]).await?;
    let mut opened = Vec::new();
    for with in &args.with {
        let (name, role) = with.split_once('/').map_or((with.as_str(), None), |(name, role)| (name, Some(role)));
        opened.push(open(client, name, role, &args.wanted).await?);
    }
    let token = token(client, "ajar run", &opened).await?;
    let mut command = tokio::process::Command::new(program);
    command.args(rest).kill_on_drop(true);
    for Open { resource, role, .. } in &opened {
        let prefix: String = resource.name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
        let (url, ca) = address(&doors, &me, resource)?;
        command.env(format!("{prefix}_URL"), url).env(format!("{prefix}_TOKEN"), token.token.as_str());
        command.env(format!("{prefix}_ROLE"), role);
        if let Some(ca) = ca {
            command.env(format!("{prefix}_CA_FILE"), ca);
        }
    }
    let ended = run_to_the_end(command, program).await;
    // The token was for this one call.
    if let Err(failure) = client.delete(&["tokens", &token.id]).await {
        say(&format!("the token of this call is good until {}: {}", token.expires_at, failure.message));
    }
    passed_on(ended?)
}

/// A child's end as our own.
pub(super) fn passed_on(status: std::process::ExitStatus) -> Result<(), Failure> {
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => Err(Failure::child(u8::try_from(code).unwrap_or(1))),
        None => {
            use std::os::unix::process::ExitStatusExt as _;
            Err(Failure::child(status.signal().and_then(|signal| u8::try_from(128 + signal).ok()).unwrap_or(1)))
        }
    }
}

async fn run_to_the_end(mut command: tokio::process::Command, program: &str) -> Result<std::process::ExitStatus, Failure> {
    let mut child = command.spawn().map_err(|error| Failure::new(Code::Error, format!("{program} could not be started: {error}")))?;
    // A terminal's Ctrl-C goes to the child as well, which decides what it means.
    let mut interrupts = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    loop {
        tokio::select! {
            ended = child.wait() => return Ok(ended?),
            _ = interrupts.recv() => {}
        }
    }
}

/// The grant that there is for a role on a resource, or a new one: asked for, and waited for.
pub(super) async fn open(client: &Client, name: &str, role: Option<&str>, wanted: &Wanted) -> Result<Open, Failure> {
    let found = resource(client, name).await?;
    if let Some(open) = fits(found, role) {
        return Ok(open);
    }
    let new = NewRequest {
        resource: name.to_owned(),
        role: role.map(str::to_owned),
        duration: wanted.wishes.duration.clone(),
        reason: wanted.wishes.reason.clone().unwrap_or_default(),
        ticket: wanted.wishes.ticket.clone(),
        scope: wanted.wishes.scope.clone(),
        ..NewRequest::default()
    };
    super::requests::approved(client, &new, wanted.wait.unwrap_or(Duration::from_secs(600))).await?;
    fits(resource(client, name).await?, role)
        .ok_or_else(|| Failure::new(Code::Over, format!("what was approved for {name} is not open")).hint("'ajar grants' shows why"))
}

pub(super) async fn resource(client: &Client, name: &str) -> Result<Resource, Failure> {
    let all: Page<Resource> = client.get(&["resources"], &[]).await?;
    all.items.into_iter().find(|r| r.name == name).ok_or_else(|| {
        Failure::new(Code::NotRequestable, format!("there is no resource '{name}', or it is not yours to see"))
            .hint("'ajar ls' shows what you can ask for")
    })
}

/// The open grant that ends last, of the role that is meant.
fn fits(resource: Resource, role: Option<&str>) -> Option<Open> {
    let role = role.or(resource.default_role.as_deref());
    let fitting = resource.open.iter().filter(|g| g.state == "open" && role.is_none_or(|role| g.role == role));
    let grant = fitting.max_by(|a, b| a.ends_at.cmp(&b.ends_at))?.clone();
    Some(Open { role: grant.role.clone(), grant, resource })
}

/// A token only to get in with, for as long as the last of the grants.
async fn token(client: &Client, label: &str, opened: &[Open]) -> Result<Token, Failure> {
    let ends = opened.iter().filter_map(|open| open.grant.ends_at.as_deref()?.parse::<Timestamp>().ok()).max();
    let left = ends.map(|end| end.since(SystemClock::new().now()).as_millis().div_ceil(60_000).max(1));
    let names: Vec<_> = opened.iter().map(|open| open.resource.name.as_str()).collect();
    let life = left.map(|minutes| format!("{minutes}m"));
    let new = NewToken { label: format!("{label} {}", names.join(" ")), scope: TokenScope::Connect, life };
    client.post(&["tokens"], &new).await
}

/// Where a resource is, as a URL, and the file with the authority that its certificate is by.
fn address(doors: &Doors, me: &Me, resource: &Resource) -> Result<(String, Option<PathBuf>), Failure> {
    if resource.kind == "postgres" {
        let door = postgres_door(doors)?;
        let ca = save_authority(door.ca_pem.as_deref())?.unwrap_or_else(|| SYSTEM.into());
        let (host, port, name, user) = (&door.host, door.port, &resource.name, me.name.replace('@', "%40"));
        let url = format!("postgresql://{user}@{host}:{port}/{name}?sslmode=verify-full&sslrootcert={}", ca.display());
        return Ok((url, Some(ca)));
    }
    let door = http_door(doors)?;
    Ok((format!("{}/{}", door.url, resource.name), save_authority(door.ca_pem.as_deref())?))
}

fn http_door(doors: &Doors) -> Result<&HttpDoor, Failure> {
    doors.http.as_ref().ok_or_else(|| Failure::new(Code::Error, "this server has no door for HTTP").hint("its ajar.toml needs [http]"))
}

/// Opens a local port on which an API is as if it were here: nobody who uses it needs a token.
pub(super) async fn proxy(client: &Client, args: &cli::Proxy) -> Result<(), Failure> {
    let doors: Doors = client.get(&["doors"], &[]).await?;
    let door = http_door(&doors)?.clone();
    let found = open(client, &args.resource, args.role.as_deref(), &args.wanted).await?;
    if found.resource.kind != "http" {
        let hint = format!("native clients go through the gateway itself: ajar setup pg, or ajar psql {}", args.resource);
        return Err(Failure::new(Code::Usage, format!("{} is of kind {}", args.resource, found.resource.kind)).hint(hint));
    }
    let token = token(client, "ajar proxy", std::slice::from_ref(&found)).await?;
    let listener = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, args.port)).await;
    let listener = listener.with_context(|| format!("cannot listen on port {}", args.port))?;
    let at = listener.local_addr()?;
    let mut http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    if let Some(pem) = &door.ca_pem {
        http = trusting(http, pem.as_bytes()).context("the gateway's authority is not PEM")?;
    }
    let behind = local::Behind {
        http: http.build().context("cannot make an HTTP client")?,
        url: format!("{}/{}", door.url, found.resource.name),
        prefix: format!("/{}", found.resource.name),
        role: found.role.clone(),
        token: Secret::new(token.token),
        port: at.port(),
    };
    say(&format!(
        "{} is at http://{at} as {} until {}; Ctrl-C ends it",
        found.resource.name,
        found.role,
        found.grant.ends_at.unwrap_or_default()
    ));
    let served = tokio::select! {
        served = local::serve(listener, behind) => served,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    if let Err(failure) = client.delete(&["tokens", &token.id]).await {
        say(&format!("its token is good until {}: {}", token.expires_at, failure.message));
    }
    Ok(served?)
}

mod local {
    //! The local port. INVARIANT: it gives what its user may to whoever asks it, so it answers only programs on this machine that mean
    //! it: no page in a browser, whatever name it calls it by.

    use std::sync::Arc;

    use ajar_core::secret::Secret;
    use axum::body::Body;
    use axum::extract::{Request, State};
    use axum::http::header::{CONNECTION, HOST, LOCATION, ORIGIN, TRANSFER_ENCODING};
    use axum::http::{HeaderMap, HeaderValue, StatusCode};
    use axum::response::{IntoResponse, Response};
    use tokio::net::TcpListener;

    pub(super) struct Behind {
        pub(super) http: reqwest::Client,
        /// Where it is.
        pub(super) url: String,
        /// What its own paths begin with there.
        pub(super) prefix: String,
        pub(super) role: String,
        pub(super) token: Secret,
        pub(super) port: u16,
    }

    pub(super) async fn serve(listener: TcpListener, behind: Behind) -> std::io::Result<()> {
        axum::serve(listener, axum::Router::new().fallback(pass).with_state(Arc::new(behind))).await
    }

    /// Whether a program here asks, and no page: neither from elsewhere, nor by a name that points here (rebinding).
    pub(super) fn is_meant(headers: &HeaderMap, port: u16) -> bool {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let here = ["127.0.0.1", "localhost"].iter().any(|name| host == format!("{name}:{port}"));
        here && !headers.contains_key(ORIGIN) && headers.get("sec-fetch-site").is_none_or(|site| site == "none")
    }

    async fn pass(State(behind): State<Arc<Behind>>, request: Request) -> Response {
        let (head, body) = request.into_parts();
        if !is_meant(&head.headers, behind.port) {
            return (StatusCode::FORBIDDEN, "this port is for programs on this machine, under 127.0.0.1 or localhost\n").into_response();
        }
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = head.headers;
        for name in [HOST, CONNECTION, TRANSFER_ENCODING] {
            headers.remove(name);
        }
        if let Ok(mut value) = HeaderValue::from_str(behind.token.expose()) {
            value.set_sensitive(true);
            headers.insert("ajar-token", value);
        }
        if let Ok(role) = HeaderValue::from_str(&behind.role) {
            headers.insert("ajar-role", role);
        }
        let sent = behind
            .http
            .request(head.method, format!("{}{path}", behind.url))
            .headers(headers)
            .body(reqwest::Body::wrap_stream(body.into_data_stream()))
            .send()
            .await;
        match sent {
            Ok(response) => {
                let (status, mut headers) = (response.status(), response.headers().clone());
                for name in [CONNECTION, TRANSFER_ENCODING] {
                    headers.remove(name);
                }
                let own =
                    headers.get(LOCATION).and_then(|l| l.to_str().ok()).and_then(|l| l.strip_prefix(&behind.prefix)).map(str::to_owned);
                if let Some(Ok(own)) = own.map(|own| HeaderValue::from_str(&own)) {
                    headers.insert(LOCATION, own);
                }
                let mut answer = Response::new(Body::from_stream(response.bytes_stream()));
                (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
                answer
            }
            Err(error) => (StatusCode::BAD_GATEWAY, format!("the gateway can't be asked: {}\n", error.without_url())).into_response(),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn w08_pages_in_a_browser_are_not_meant() {
            let asks = |all: &[(&'static str, &'static str)]| {
                let headers: HeaderMap = all.iter().map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v))).collect();
                is_meant(&headers, 8080)
            };
            assert!(asks(&[("host", "127.0.0.1:8080")]) && asks(&[("host", "localhost:8080"), ("accept", "*/*")]));
            assert!(asks(&[("host", "localhost:8080"), ("sec-fetch-site", "none")]));
            for (name, value) in [
                ("origin", "https://evil.example"),
                ("origin", "null"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-site", "same-origin"),
            ] {
                assert!(!asks(&[("host", "127.0.0.1:8080"), (name, value)]), "{name}: {value}");
            }
            assert!(!asks(&[("host", "evil.example:8080")]) && !asks(&[("host", "127.0.0.1:80")]) && !asks(&[]));
        }
    }
}
