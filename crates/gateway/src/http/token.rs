//! Tokens from authorisation servers, for client credentials (RFC 6749, 4.4). One is kept until shortly before it expires.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ajar_core::port::Mono;
use ajar_core::resource::SecretSource;
use ajar_core::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Uri};
use serde::Deserialize;

use super::trust::{Made, Trust};
use super::upstream::{Connections, client, connector};
use crate::config::SecretResolver;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one is kept that doesn't say.
const KEPT: Duration = Duration::from_secs(60);
/// So long before it expires, another is asked for.
const EARLY: Duration = Duration::from_secs(30);
/// Bytes of an answer at the most.
const ANSWER: usize = 64 * 1024;

/// See the module.
pub(super) struct Tokens {
    url: Uri,
    id: String,
    secret: SecretSource,
    form: String,
    /// Who vouches for the server; nobody has to where it is on this machine.
    trust: Option<Arc<Trust>>,
    dial: Duration,
    client: Mutex<Option<(u64, Connections<Full<Bytes>>)>>,
    kept: Mutex<Option<(Mono, HeaderValue)>>,
    asking: tokio::sync::Mutex<()>,
}

#[derive(Deserialize)]
struct Given {
    access_token: String,
    token_type: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Tokens {
    pub(super) fn new(
        url: &str,
        id: &str,
        secret: SecretSource,
        scopes: &[String],
        (trust, dial): (Option<Arc<Trust>>, Duration),
    ) -> Result<Self, String> {
        let url: Uri = url.parse().map_err(|_| format!("'{url}' is no URL"))?;
        let scope = if scopes.is_empty() { String::new() } else { format!("&scope={}", encoded(&scopes.join(" "))) };
        Ok(Self {
            url,
            id: id.to_owned(),
            secret,
            form: format!("grant_type=client_credentials{scope}"),
            trust,
            dial,
            client: Mutex::default(),
            kept: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        })
    }

    fn kept(&self, now: Mono) -> Option<HeaderValue> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|(until, _)| now < *until).map(|(_, value)| value.clone())
    }

    /// The token, as a header's value. In words when there is none.
    pub(super) async fn current(&self, secrets: &SecretResolver, now: Mono) -> Result<HeaderValue, String> {
        if let Some(value) = self.kept(now) {
            return Ok(value);
        }
        // Of many who need one, one asks.
        let _turn = self.asking.lock().await;
        if let Some(value) = self.kept(now) {
            return Ok(value);
        }
        let asked = tokio::time::timeout(PATIENCE, self.ask(secrets, now)).await;
        let (value, lasts) = asked.map_err(|_| "the authorisation server does not answer".to_owned())??;
        let until = Mono(now.0.saturating_add(u64::try_from(lasts.as_nanos()).unwrap_or(u64::MAX)));
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((until, value.clone()));
        Ok(value)
    }

    pub(super) fn forget(&self) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Connections, made with what is in the files now.
    fn client(&self, now: Mono) -> Result<Connections<Full<Bytes>>, String> {
        let Made { id, config } = self.trust.as_ref().map(|trust| trust.made(now)).unwrap_or_default();
        let mut kept = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = kept.as_ref().filter(|(made, _)| *made == id) {
            return Ok(client.clone());
        }
        let client = client(connector(config.as_ref(), self.dial, false)?);
        *kept = Some((id, client.clone()));
        Ok(client)
    }

    async fn ask(&self, secrets: &SecretResolver, now: Mono) -> Result<(HeaderValue, Duration), String> {
        let failed = |why: &dyn std::fmt::Display| format!("the authorisation server gave no token: {why}");
        let secret = secrets(&self.secret)?;
        let pair = Secret::new(format!("{}:{}", encoded(&self.id), encoded(secret.expose())));
        let mut basic = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair.expose()))).map_err(|e| failed(&e))?;
        basic.set_sensitive(true);
        let request = Request::post(self.url.clone())
            .header(AUTHORIZATION, basic)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(Full::new(Bytes::from(self.form.clone())))
            .map_err(|e| failed(&e))?;
        let response = self.client(now)?.request(request).await.map_err(|e| failed(&e))?;
        let status = response.status();
        if !status.is_success() {
            return Err(failed(&status));
        }
        let body = Limited::new(response.into_body(), ANSWER).collect().await.map_err(|e| failed(&e))?.to_bytes();
        // What it says may hold the token: it is not told on.
        let given: Given = serde_json::from_slice(&body).map_err(|_| failed(&"its answer is not what RFC 6749 says"))?;
        if !given.token_type.eq_ignore_ascii_case("bearer") {
            return Err(failed(&"it is no bearer token"));
        }
        let token = Secret::new(format!("Bearer {}", given.access_token));
        let mut value = HeaderValue::from_str(token.expose()).map_err(|_| failed(&"it can't be in a header"))?;
        value.set_sensitive(true);
        let lasts = given.expires_in.map_or(KEPT, |seconds| Duration::from_secs(seconds).saturating_sub(EARLY));
        Ok((value, lasts))
    }
}

/// As a form has it.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
