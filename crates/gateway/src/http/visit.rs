//! One request under way: what is counted of it, and the line that it leaves in the recording when both its bodies are done.
//!
//! | field | is |
//! | --- | --- |
//! | `t`, `d` | when it came, in µs since the session's start; how long it took, in µs |
//! | `kind` | `request` |
//! | `method`, `path`, `query` | as they were passed on; values of the query that are to be left out are `…` |
//! | `status` | the target's answer; what was answered without it |
//! | `outcome` | left out when it completed; `refused`, `unreachable`, `broken`, `cut` |
//! | `bytes_in`, `bytes_out` | of the bodies |
//! | `request_headers`, `response_headers` | where the resource says so |
//! | `request_body`, `response_body` | their beginning, where the resource says so; what is to be left out is `…` |

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ajar_core::http::Path;
use ajar_core::port::Mono;
use ajar_core::resource::HttpRecord;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::Guest;
use super::room::{Entered, Room};

/// Which way a body goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// From the caller to the target.
    In,
    /// From the target to the caller.
    Out,
}

/// How a request came out, besides its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Outcome {
    Completed,
    /// The role does not allow it.
    Refused,
    /// The target could not be asked.
    Unreachable,
    /// One side broke it off.
    Broken,
    /// The session ended.
    Cut,
}

/// What one side has said so far.
#[derive(Debug, Default)]
struct Said {
    headers: Option<Map<String, Value>>,
    json: bool,
    form: bool,
    text: bool,
    body: Vec<u8>,
    cut_short: bool,
}

/// See the module.
pub(super) struct Visit {
    entered: Entered,
    begun: Mono,
    method: Method,
    path: Path,
    query: Option<String>,
    status: AtomicU16,
    outcome: AtomicU8,
    bytes: [AtomicU64; 2],
    said: [Mutex<Said>; 2],
    /// Among those that may be under way at once.
    _place: OwnedSemaphorePermit,
    /// The connection that it came over.
    guest: Arc<Guest>,
}

impl std::fmt::Debug for Visit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Visit({} {})", self.method, self.path)
    }
}

impl Visit {
    pub(super) fn new(
        entered: Entered,
        (method, path, query): (Method, Path, Option<String>),
        place: OwnedSemaphorePermit,
        guest: Arc<Guest>,
    ) -> Self {
        let begun = entered.now();
        Self {
            entered,
            begun,
            method,
            path,
            query,
            status: AtomicU16::new(0),
            outcome: AtomicU8::new(Outcome::Broken as u8),
            bytes: Default::default(),
            said: Default::default(),
            _place: place,
            guest,
        }
    }

    pub(super) fn room(&self) -> &Room {
        &self.entered
    }

    fn said(&self, side: Side) -> std::sync::MutexGuard<'_, Said> {
        let [inward, outward] = &self.said;
        let of = match side {
            Side::In => inward,
            Side::Out => outward,
        };
        of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, side: Side) -> &AtomicU64 {
        let [inward, outward] = &self.bytes;
        match side {
            Side::In => inward,
            Side::Out => outward,
        }
    }

    /// The headers of one side's message, as they came.
    pub(super) fn heads(&self, side: Side, headers: &HeaderMap) {
        let record = self.room().record();
        let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
        let mut said = self.said(side);
        said.json = kind.contains("json");
        said.form = kind.starts_with("application/x-www-form-urlencoded");
        said.text = said.json || said.form || kind.starts_with("text/") || kind.contains("xml");
        said.headers = record.headers.then(|| shown_headers(headers, record));
    }

    /// A piece of a body is passed on.
    pub(super) fn passed(&self, side: Side, data: &[u8], now: Mono) {
        let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.count(side).fetch_add(bytes, Ordering::Relaxed);
        self.room().passed(side, bytes, now);
        let most = usize::try_from(self.room().record().bodies).unwrap_or(0);
        if most > 0 {
            let mut said = self.said(side);
            let left = most.saturating_sub(said.body.len());
            said.cut_short |= data.len() > left;
            said.body.extend_from_slice(data.get(..left.min(data.len())).unwrap_or_default());
        }
    }

    /// How it came out.
    pub(super) fn came_to(&self, status: StatusCode, outcome: Outcome) {
        self.status.store(status.as_u16(), Ordering::Relaxed);
        self.outcome.store(outcome as u8, Ordering::Relaxed);
    }

    /// The session ended while a body was under way.
    pub(super) fn cut(&self, side: Side) {
        self.outcome.store(Outcome::Cut as u8, Ordering::Relaxed);
        if side == Side::Out {
            self.guest.cut.notify_one();
        }
    }

    fn line(&self) -> Vec<u8> {
        let micros = |nanos: u64| nanos / 1_000;
        let record = self.room().record();
        let mut line = Map::new();
        line.insert("t".into(), json!(micros(self.begun.0.saturating_sub(self.room().begun().0))));
        line.insert("d".into(), json!(micros(self.room().now().0.saturating_sub(self.begun.0))));
        line.insert("kind".into(), json!("request"));
        line.insert("method".into(), json!(self.method.as_str()));
        line.insert("path".into(), json!(self.path.as_str()));
        if let Some(query) = &self.query {
            line.insert("query".into(), json!(shown_pairs(query, record)));
        }
        match self.status.load(Ordering::Relaxed) {
            0 => {}
            status => drop(line.insert("status".into(), json!(status))),
        }
        let outcome = self.outcome.load(Ordering::Relaxed);
        let words =
            [(Outcome::Refused, "refused"), (Outcome::Unreachable, "unreachable"), (Outcome::Broken, "broken"), (Outcome::Cut, "cut")];
        if let Some((_, word)) = words.iter().find(|(of, _)| *of as u8 == outcome) {
            line.insert("outcome".into(), json!(word));
        }
        for (side, bytes, headers, body) in
            [(Side::In, "bytes_in", "request_headers", "request_body"), (Side::Out, "bytes_out", "response_headers", "response_body")]
        {
            line.insert(bytes.into(), json!(self.count(side).load(Ordering::Relaxed)));
            let mut said = self.said(side);
            if let Some(shown) = said.headers.take() {
                line.insert(headers.into(), Value::Object(shown));
            }
            if let Some(shown) = shown_body(&said, record) {
                line.insert(body.into(), shown);
            }
        }
        let mut out = Value::Object(line).to_string().into_bytes();
        out.push(b'\n');
        out
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.entered.lines.push(&self.line());
    }
}

/// What stands for what is left out.
const LEFT_OUT: &str = "…";
/// Headers that carry secrets.
const SECRET_HEADERS: [&str; 6] = ["authorization", "proxy-authorization", "cookie", "set-cookie", "ajar-token", "x-api-key"];
/// Names of fields that usually hold secrets.
const SECRET_NAMES: [&str; 12] = [
    "password",
    "passwd",
    "secret",
    "client_secret",
    "token",
    "access_token",
    "refresh_token",
    "id_token",
    "api_key",
    "apikey",
    "signature",
    "sig",
];

fn is_secret(name: &str, record: &HttpRecord) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.contains(&name.as_str()) || record.redact.contains(&name)
}

fn shown_headers(headers: &HeaderMap, record: &HttpRecord) -> Map<String, Value> {
    let mut shown: Map<String, Value> = Map::new();
    for (name, value) in headers {
        let secret = SECRET_HEADERS.contains(&name.as_str()) || value.is_sensitive() || is_secret(name.as_str(), record);
        let value = if secret { LEFT_OUT.to_owned() } else { String::from_utf8_lossy(value.as_bytes()).into_owned() };
        match shown.get_mut(name.as_str()) {
            Some(Value::String(before)) => {
                before.push_str(", ");
                before.push_str(&value);
            }
            Some(_) | None => drop(shown.insert(name.as_str().to_owned(), Value::String(value))),
        }
    }
    shown
}

/// `a=1&password=…`
fn shown_pairs(text: &str, record: &HttpRecord) -> String {
    let one = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if is_secret(&decoded(name), record) => format!("{name}={LEFT_OUT}"),
        Some(_) | None => pair.to_owned(),
    };
    text.split('&').map(one).collect::<Vec<_>>().join("&")
}

fn decoded(name: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        let mut rest = bytes.clone();
        let digits = (rest.next(), rest.next());
        let hex = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).and_then(|n| u8::try_from(n).ok());
        match (byte, hex(digits.0), hex(digits.1)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                bytes = rest;
            }
            (b'+', ..) => out.push(b' '),
            (other, ..) => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn shown_body(said: &Said, record: &HttpRecord) -> Option<Value> {
    if said.body.is_empty() {
        return None;
    }
    if !said.text {
        return Some(json!("(not text)"));
    }
    let text = String::from_utf8_lossy(&said.body);
    if said.json {
        // Of JSON that isn't whole it can't be known what is whose value.
        return Some(match serde_json::from_slice(&said.body) {
            Ok(value) if !said.cut_short => without_secrets(value, record),
            Ok(_) | Err(_) => json!("(JSON that is not whole)"),
        });
    }
    Some(Value::String(if said.form { shown_pairs(&text, record) } else { text.into_owned() }))
}

fn without_secrets(value: Value, record: &HttpRecord) -> Value {
    match value {
        Value::Object(fields) => {
            let clean = |(name, value): (String, Value)| {
                let value = if is_secret(&name, record) { json!(LEFT_OUT) } else { without_secrets(value, record) };
                (name, value)
            };
            Value::Object(fields.into_iter().map(clean).collect())
        }
        Value::Array(all) => Value::Array(all.into_iter().map(|value| without_secrets(value, record)).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> HttpRecord {
        HttpRecord { headers: true, bodies: 1_000, redact: vec!["card".into(), "x-session".into()] }
    }

    fn body(kind: fn(&mut Said), bytes: &[u8], cut_short: bool) -> Option<Value> {
        let mut said = Said { body: bytes.to_vec(), cut_short, ..Said::default() };
        kind(&mut said);
        shown_body(&said, &record())
    }

    #[test]
    fn l03_secrets_are_left_out_before_anything_is_written() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("Authorization", "Bearer s3cret"), ("Cookie", "a=s3cret"), ("X-Session", "s3cret"), ("Accept", "text/html")]
        {
            headers.append(hyper::header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        headers.append("accept", "a/b".parse().unwrap());
        let shown = Value::Object(shown_headers(&headers, &record())).to_string();
        assert!(!shown.contains("s3cret") && shown.contains("text/html, a/b"), "{shown}");
        assert_eq!(shown_pairs("a=1&TOKEN=s3cret&c%61rd=s3cret&b", &record()), "a=1&TOKEN=…&c%61rd=…&b");
        let json = |said: &mut Said| (said.json, said.text) = (true, true);
        let nested = br#"{"a":[{"Card":"s3cret","b":{"password":["s3cret"]}}],"c":1}"#;
        assert_eq!(body(json, nested, false), Some(json!({ "a": [{ "Card": "…", "b": { "password": "…" } }], "c": 1 })));
        assert_eq!(body(json, &nested[..20], true), Some(json!("(JSON that is not whole)")));
        let form = |said: &mut Said| (said.form, said.text) = (true, true);
        assert_eq!(body(form, b"card=s3cret&x=1", false), Some(json!("card=…&x=1")));
        assert_eq!(body(|_| {}, b"\x00\x01", false), Some(json!("(not text)")));
        assert_eq!(body(|said| said.text = true, b"plain\n", false), Some(json!("plain\n")));
    }
}
