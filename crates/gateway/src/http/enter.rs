//! Browsers on their way in: sent to where somebody signs in, back with a code, and known by a cookie from then on.
//!
//! INVARIANT W8: the cookie counts at the host name that one API has to itself, for what a page of that host does, and for somebody who
//! goes there. It is one of ours: no target sees it, and none can set it.

use std::sync::Arc;

use ajar_core::http::{ENTER, Local, encode};
use ajar_core::name::{ResourceName, RoleName};
use ajar_core::port::Entropy;
use ajar_core::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY, SET_COOKIE};
use hyper::{Method, Response, StatusCode};
use sha2::{Digest, Sha256};

use super::Guest;
use super::ask::Ask;
use super::body::Answer;
use super::problem::Problem;
use crate::listener;

/// What the names of all our cookies begin with, in lower case: this door's, and those of the API, which may be at the same host.
pub(super) const OURS: &str = "__host-ajar";
/// The cookie by which a browser is known.
const COOKIE_NAME: &str = "__Host-ajar-door";
/// The cookie of a browser that was sent to sign in.
const BEGUN_NAME: &str = "__Host-ajar-enter";
/// How long it may take there.
const BEGUN_LIFE: u32 = 900;
/// What is ours at a host of an API's own.
const RESERVED: &str = "/.ajar/";
/// Beyond so many bytes, where a browser wanted to go is forgotten.
const LONG: usize = 2_000;

/// The one cookie of ours that a browser may be known by.
pub(super) fn cookie(headers: &HeaderMap) -> Option<Secret> {
    one(headers, COOKIE_NAME).map(|value| Secret::new(value.to_owned()))
}

/// A cookie that is there once.
fn one<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    let mut found = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(found, _)| *found == name).map(|(_, value)| value);
    match (found.next(), found.next()) {
        (Some(value), None) => Some(value),
        (_, _) => None,
    }
}

/// Answers what is for us at the host of an API's own, if this is.
pub(super) fn answer(
    shared: &listener::Shared,
    guest: &Arc<Guest>,
    ask: &Ask,
    headers: &HeaderMap,
) -> Option<Result<Response<Answer>, Problem>> {
    if !ask.prefix.is_empty() || !format!("{}/", ask.path).starts_with(RESERVED) {
        return None;
    }
    if ask.path.as_str() != ENTER || ask.method != Method::GET {
        return Some(Err(Problem::new(StatusCode::NOT_FOUND, "no_such", "there is nothing here").hint("go to the API's own address")));
    }
    let here = Local { path: ask.path.clone(), query: ask.query.clone() };
    // INVARIANT: whatever it says, it is a path on this host.
    let to = here.value("to").and_then(|to| to.parse().ok());
    Some(match here.value("code") {
        Some(code) => take(shared, guest, ask, headers, (Secret::new(code), to)),
        None => begin(shared, ask, headers, to),
    })
}

/// Sends a browser that nobody is known of to where somebody signs in.
pub(super) fn begin(shared: &listener::Shared, ask: &Ask, headers: &HeaderMap, to: Option<Local>) -> Result<Response<Answer>, Problem> {
    let to = to.map(|to| to.to_string()).filter(|to| to.len() <= LONG).unwrap_or_else(|| format!("{}/", ask.prefix));
    let mut answer = if ask.prefix.is_empty() {
        // Another tab may be on its way already.
        let nonce = one(headers, BEGUN_NAME).filter(|nonce| nonce.len() == 43).map_or_else(|| fresh(&*shared.entropy), str::to_owned);
        let back = format!("https://{}{ENTER}?state={}&to={}", ask.host, begun(&nonce), encode(&to));
        let mut answer = sent_to(&entrance(shared, &back))?;
        set_cookie(&mut answer, BEGUN_NAME, &nonce, BEGUN_LIFE);
        answer
    } else {
        // Which host it should have asked at is for who is signed in to know.
        sent_to(&entrance(shared, &format!("https://{}{to}", ask.host)))?
    };
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

fn entrance(shared: &listener::Shared, to: &str) -> String {
    format!("{}/enter?to={}", shared.http.public_url.trim_end_matches('/'), encode(to))
}

/// A browser comes back with a code.
fn take(
    shared: &listener::Shared,
    guest: &Arc<Guest>,
    ask: &Ask,
    headers: &HeaderMap,
    (code, to): (Secret, Option<Local>),
) -> Result<Response<Answer>, Problem> {
    let nonce = one(headers, BEGUN_NAME).unwrap_or_default();
    let entry = shared.door.enter(&code, &begun(nonce), &ask.host)?;
    guest.is_known();
    let mut answer = sent_to(&to.map_or_else(|| "/".to_owned(), |to| to.to_string()))?;
    let seconds = entry.expires_at.since(shared.clock.now()).as_millis() / 1_000;
    set_cookie(&mut answer, COOKIE_NAME, entry.secret.expose(), u32::try_from(seconds).unwrap_or(u32::MAX));
    set_cookie(&mut answer, BEGUN_NAME, "", 0);
    // The code is in the address of this page only.
    answer.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

/// Where somebody who is signed in asks for what is not open.
pub(super) fn asking(shared: &listener::Shared, resource: &ResourceName, role: Option<&RoleName>) -> String {
    let role = role.map(|role| format!("&role={role}")).unwrap_or_default();
    format!("{}/new?resource={resource}{role}", shared.http.public_url.trim_end_matches('/'))
}

fn fresh(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What of a browser's nonce others may see.
fn begun(nonce: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::new().chain_update("ajar: a browser begins\n").chain_update(nonce).finalize())
}

fn sent_to(location: &str) -> Result<Response<Answer>, Problem> {
    let location = HeaderValue::from_str(location)
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "bad_request", "this address can't be gone back to"))?;
    let mut answer = Response::new(Answer::Words(Full::new(Bytes::new())));
    *answer.status_mut() = StatusCode::SEE_OTHER;
    answer.headers_mut().insert(LOCATION, location);
    Ok(answer)
}

fn set_cookie(answer: &mut Response<Answer>, name: &str, value: &str, seconds: u32) {
    let text = Secret::new(format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax"));
    if let Ok(mut value) = HeaderValue::from_str(text.expose()) {
        value.set_sensitive(true);
        answer.headers_mut().append(SET_COOKIE, value);
    }
}

/// Whether a request comes from a page of the host that it is for, or from somebody who goes there: else the cookie that a browser sends
/// with it counts for nothing. A browser that says neither is not believed.
pub(super) fn is_own(headers: &HeaderMap, host: &str, navigates: bool) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?").to_ascii_lowercase());
    let origin = text(&hyper::header::ORIGIN).map(|origin| origin == format!("https://{}", host.to_ascii_lowercase()));
    match (text(&HeaderName::from_static("sec-fetch-site")).as_deref(), origin) {
        (_, Some(false)) => false,
        (Some("same-origin" | "none"), _) => true,
        (Some(_), _) => navigates,
        (None, origin) => origin.is_some(),
    }
}
