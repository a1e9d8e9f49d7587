//! What a request asks for, and of whom: read once, before anything else is done with it.

use std::time::Duration;

use ajar_core::http::Path;
use ajar_core::name::ResourceName;
use ajar_core::port::{Credential, Wishes};
use ajar_core::secret::Secret;
use ajar_core::time::Span;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::{Method, Request, StatusCode, Version};

use super::enter;
use super::problem::Problem;
use super::upgrade::{self, WebSocket};

/// What our tokens begin with.
const TOKEN: &str = "ajar_";
/// The longest that a request may wait for a decision.
const HOLD_MAX: Duration = Duration::from_secs(600);

/// One request, as far as we are concerned.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) credential: Option<Credential>,
    /// The name that came with the token.
    pub(super) claimed: Option<String>,
    /// Whether the `Authorization` was for us, and goes no further.
    pub(super) took_authorization: bool,
    /// What is decided on, and passed on.
    pub(super) method: Method,
    /// Whether it asks for a WebSocket, and in which way.
    pub(super) websocket: Option<WebSocket>,
    /// The host that was called, with its port.
    pub(super) host: String,
    pub(super) resource: String,
    /// What stands before the target's own paths in the caller's: the resource's name, or nothing.
    pub(super) prefix: String,
    pub(super) path: Path,
    pub(super) query: Option<String>,
    pub(super) wishes: Wishes,
    /// How long it waits for a decision.
    pub(super) hold: Duration,
    /// Whether a person looks at it in a browser.
    pub(super) html: bool,
    /// Whether somebody goes there in a browser, and it is not only a page that fetches something.
    pub(super) navigates: bool,
    /// Whether a page from elsewhere made a browser send it.
    from_elsewhere: bool,
    /// Whether it comes with the door's own cookie for nobody: another site's page made a browser send it.
    cookie_from_elsewhere: bool,
}

fn bad(what: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_request", what)
}

impl Ask {
    /// Reads a request's head. `at` says which resource has a host name.
    pub(super) fn of<B>(request: &Request<B>, at: impl Fn(&str) -> Option<ResourceName>) -> Result<Self, Problem> {
        let headers = request.headers();
        let called = called(request)?;
        let host = host_alone(&called).to_ascii_lowercase();
        let full = Path::parse(request.uri().path())
            .map_err(|why| bad("this path could be read in several ways").detail(why.to_string()).hint("send it in its plain form"))?;
        let query = request.uri().query().map(str::to_owned);
        let (resource, prefix, path) = match at(&host) {
            Some(name) => (name.to_string(), String::new(), full),
            None => {
                let (name, rest) = full.as_str().strip_prefix('/').and_then(|p| p.split_once('/').or(Some((p, "")))).unwrap_or_default();
                let path = Path::parse(&format!("/{rest}")).map_err(|why| bad(why.to_string()))?;
                (name.to_owned(), format!("/{name}"), path)
            }
        };
        let websocket = upgrade::asked(request);
        let method = if websocket.is_some() { Method::GET } else { request.method().clone() };
        if method == Method::CONNECT {
            return Err(bad("this door carries no connections to elsewhere"));
        }
        let (mut credential, claimed, took_authorization) = credential(headers)?;
        let wishes = headers.keys().any(|name| name.as_str().starts_with("ajar-"));
        let word = |name: &'static str| -> Result<Option<String>, Problem> {
            if !wishes {
                return Ok(None);
            }
            let value = one(headers, &HeaderName::from_static(name))?;
            value.map(|value| text(value).ok_or_else(|| bad(format!("the header {name} is not UTF-8")))).transpose()
        };
        let wishes = Wishes {
            role: word("ajar-role")?,
            reason: word("ajar-reason")?,
            duration: word("ajar-for")?,
            ticket: word("ajar-ticket")?,
            scope: word("ajar-scope")?,
        };
        let hold = match word("ajar-hold")? {
            None => Duration::ZERO,
            Some(text) => {
                let span: Span = text.parse().map_err(|_| bad("Ajar-Hold is a length of time").hint("Ajar-Hold: 60s"))?;
                Duration::from(span).min(HOLD_MAX)
            }
        };
        let html = headers.get(ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(|accept| accept.contains("text/html"));
        let from_elsewhere = from_elsewhere(headers, &called);
        let navigates = html && method == Method::GET && navigates(headers);
        let mut cookie_from_elsewhere = false;
        // Elsewhere, pages of several APIs would be of one origin, and each could use it for the others.
        if credential.is_none()
            && prefix.is_empty()
            && let Some(secret) = enter::cookie(headers)
        {
            if enter::is_own(headers, &called, navigates) {
                credential = Some(Credential::Entry { secret, host: host.clone() });
            } else {
                cookie_from_elsewhere = true;
            }
        }
        Ok(Self {
            credential,
            claimed,
            took_authorization,
            method,
            websocket,
            host: called,
            resource,
            prefix,
            path,
            query,
            wishes,
            hold,
            html,
            navigates,
            from_elsewhere,
            cookie_from_elsewhere,
        })
    }

    /// INVARIANT W8: what a browser sends by itself, a certificate or a name and password that it remembers, counts for nothing when another
    /// site's page made it do so. A token in a header of its own was put there by a program that has it.
    pub(super) fn is_forged(&self) -> bool {
        self.cookie_from_elsewhere || self.from_elsewhere && (self.credential.is_none() || self.claimed.is_some())
    }

    /// Whether a browser sends it by itself, or somebody who goes there by a link: neither means to ask for anything by it.
    pub(super) fn only_looks(&self) -> bool {
        self.navigates || matches!(self.credential, Some(Credential::Entry { .. }))
    }
}

/// Whether a browser says that somebody goes there: the page is to be shown by itself, not within another.
fn navigates(headers: &HeaderMap) -> bool {
    let says = |name, word: &str| headers.get(HeaderName::from_static(name)).is_some_and(|value| value.as_bytes() == word.as_bytes());
    says("sec-fetch-mode", "navigate") && says("sec-fetch-dest", "document")
}

/// What a browser says of the page behind a request.
fn from_elsewhere(headers: &HeaderMap, host: &str) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?").to_ascii_lowercase());
    let origin = text(&ORIGIN).is_some_and(|origin| origin != format!("https://{}", host.to_ascii_lowercase()));
    let site = text(&HeaderName::from_static("sec-fetch-site")).is_some_and(|site| site != "none" && site != "same-origin");
    // Somebody who follows a link to look at a page means it.
    let looks = text(&HeaderName::from_static("sec-fetch-mode")).is_some_and(|mode| mode == "navigate");
    origin || (site && !looks)
}

/// The host that was called, as it was: from the request's target, or from its one `Host`.
fn called<B>(request: &Request<B>) -> Result<String, Problem> {
    let said = one(request.headers(), &HOST)?.map(|host| host.to_str().map(str::to_owned)).transpose();
    let said = said.map_err(|_| bad("the header Host is not ASCII"))?;
    let target = request.uri().authority().map(ToString::to_string);
    match (target, said) {
        (Some(target), Some(said)) if !target.eq_ignore_ascii_case(&said) => Err(bad("the request names two hosts")),
        (Some(host), _) | (None, Some(host)) if !host.contains('@') => Ok(host),
        // HTTP/1.0 need not say.
        (None, None) if request.version() < Version::HTTP_11 => Ok(String::new()),
        (_, _) => Err(bad("the request names no host")),
    }
}

/// Without its port.
fn host_alone(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty() => name,
        Some(_) | None => host,
    }
}

/// A header that may be there once.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h hyper::header::HeaderValue>, Problem> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (found, None) => Ok(found),
        (_, Some(_)) => Err(bad(format!("the header {name} is there twice"))),
    }
}

fn text(value: &hyper::header::HeaderValue) -> Option<String> {
    std::str::from_utf8(value.as_bytes()).ok().map(str::to_owned)
}

/// A token of ours, from `Ajar-Token`, or from `Authorization` as bearer or as the password of a name. Anything else there is the
/// target's.
fn credential(headers: &HeaderMap) -> Result<(Option<Credential>, Option<String>, bool), Problem> {
    let token = |text: &str| Some(Credential::Token(Secret::new(text.to_owned())));
    if let Some(value) = one(headers, &HeaderName::from_static("ajar-token"))? {
        return Ok((value.to_str().ok().and_then(token), None, false));
    }
    let Some(value) = one(headers, &AUTHORIZATION)?.and_then(|value| value.to_str().ok()) else { return Ok((None, None, false)) };
    let Some((scheme, rest)) = value.split_once(' ') else { return Ok((None, None, false)) };
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") && rest.starts_with(TOKEN) {
        return Ok((token(rest), None, true));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some((name, password)) = decoded.as_deref().and_then(|pair| pair.split_once(':')).filter(|(_, p)| p.starts_with(TOKEN)) {
            return Ok((token(password), Some(name.to_owned()), true));
        }
    }
    Ok((None, None, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(uri: &str, headers: &[(&str, &str)]) -> Result<Ask, Problem> {
        let request = headers.iter().fold(Request::get(uri), |request, (name, value)| request.header(*name, *value)).body(()).unwrap();
        Ask::of(&request, |host| (host == "api.example").then(|| "sample-api".parse().unwrap()))
    }

    #[test]
    fn a_resource_is_named_by_host_or_by_the_first_segment() {
        let named = |uri, host| ask(uri, &[("host", host)]).map(|a| (a.resource, a.prefix, a.path.to_string(), a.query)).unwrap();
        assert_eq!(
            named("/orders/7?x=1", "API.example:8443"),
            ("sample-api".into(), String::new(), "/orders/7".into(), Some("x=1".into()))
        );
        assert_eq!(named("/sample-api/orders/", "door"), ("sample-api".into(), "/sample-api".into(), "/orders/".into(), None));
        assert_eq!(named("/sample-api", "door"), ("sample-api".into(), "/sample-api".into(), "/".into(), None));
        assert_eq!(named("/", "door"), (String::new(), "/".into(), "/".into(), None));
    }

    #[test]
    fn h02_requests_that_say_things_twice_are_refused() {
        assert!(ask("/a", &[]).is_err());
        assert!(ask("/a", &[("host", "a"), ("host", "b")]).is_err());
        assert!(ask("http://b/a", &[("host", "a")]).is_err());
        assert!(ask("/a/../b", &[("host", "a")]).is_err());
        assert!(ask("/a", &[("host", "x@a")]).is_err());
        assert!(ask("/a", &[("host", "a"), ("authorization", "Bearer ajar_x"), ("authorization", "Bearer ajar_y")]).is_err());
        assert!(ask("/a", &[("host", "a"), ("ajar-hold", "soon")]).is_err());
    }

    #[test]
    fn w08_a_page_from_elsewhere_sends_nothing_in_its_readers_name() {
        let basic = format!("Basic {}", STANDARD.encode("dev:ajar_x"));
        let forged = |more: &[(&str, &str)]| ask("/a", &[&[("host", "door:7443")], more].concat()).unwrap().is_forged();
        let own = ("authorization", basic.as_str());
        for page in
            [("origin", "https://evil.example"), ("origin", "null"), ("origin", "http://door:7443"), ("sec-fetch-site", "cross-site")]
        {
            assert!(forged(&[own, page]) && forged(&[page]), "{page:?}");
            assert!(!forged(&[("authorization", "Bearer ajar_x"), page]) && !forged(&[("ajar-token", "ajar_x"), page]), "{page:?}");
        }
        assert!(!forged(&[own]) && !forged(&[own, ("origin", "https://door:7443"), ("sec-fetch-site", "same-origin")]));
        assert!(!forged(&[own, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]));
    }

    #[test]
    fn a_token_is_found_where_clients_put_it() {
        let basic = format!("Basic {}", STANDARD.encode("dev:ajar_x"));
        let theirs = format!("Basic {}", STANDARD.encode("dev:theirs"));
        for (header, value, ours, claimed, took) in [
            ("authorization", "Bearer ajar_x", true, None, true),
            ("authorization", "bearer ajar_x", true, None, true),
            ("authorization", basic.as_str(), true, Some("dev"), true),
            ("authorization", theirs.as_str(), false, None, false),
            ("authorization", "Bearer theirs", false, None, false),
            ("ajar-token", "ajar_x", true, None, false),
        ] {
            let ask = ask("/a", &[("host", "a"), (header, value)]).unwrap();
            let found = matches!(&ask.credential, Some(Credential::Token(token)) if token.expose() == "ajar_x");
            assert_eq!((found, ask.claimed.as_deref(), ask.took_authorization), (ours, claimed, took), "{header}: {value}");
        }
    }
}
