//! What a session's recording says of its channels: a line for each thing that happens.

use std::io::Write;
use std::sync::Arc;

use ajar_core::port::{Clock, Mono};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::lines::Lines;

/// Lines on their way to the recording.
pub(super) struct Tape {
    pub(super) lines: Lines,
    clock: Arc<dyn Clock>,
    begun: Mono,
}

/// Which stream of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    In,
    Out,
    Err,
}

impl Stream {
    fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Err => "err",
        }
    }
}

impl Tape {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { lines: Lines::default(), begun: clock.mono(), clock }
    }

    /// Microseconds since the beginning.
    pub(super) fn now(&self) -> u64 {
        self.clock.mono().0.saturating_sub(self.begun.0) / 1_000
    }

    /// Something of a channel, or of the session when there is none.
    pub(super) fn event(&self, channel: Option<u32>, kind: &str, fields: Value) {
        let mut line = Map::new();
        line.insert("t".into(), self.now().into());
        line.extend(channel.map(|channel| ("ch".to_owned(), channel.into())));
        line.insert("kind".into(), kind.into());
        if let Value::Object(fields) = fields {
            line.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
        }
        let mut bytes = Value::Object(line).to_string().into_bytes();
        bytes.push(b'\n');
        self.lines.push(&bytes);
    }

    /// What Ajar itself told the client.
    pub(super) fn said(&self, channel: Option<u32>, text: &str) {
        self.event(channel, "said", json!({ "text": text.trim_end() }));
    }

    /// What was the beginning of a character, and stays one.
    pub(super) fn rest(&self, channel: u32, stream: Stream, tail: &[u8]) {
        if !tail.is_empty() {
            self.event(Some(channel), stream.word(), json!({ "b64": STANDARD.encode(tail) }));
        }
    }

    /// Bytes of a stream. Text is text, as far as it goes; `tail` holds the beginning of a character that isn't complete.
    pub(super) fn bytes(&self, channel: u32, stream: Stream, data: &[u8], tail: &mut Vec<u8>) {
        let whole;
        let data = if tail.is_empty() {
            data
        } else {
            whole = [std::mem::take(tail).as_slice(), data].concat();
            &whole
        };
        let (text, rest) = match std::str::from_utf8(data) {
            Ok(text) => (Some(text), &[][..]),
            Err(error) => {
                let (good, rest) = data.split_at_checked(error.valid_up_to()).unwrap_or((data, &[]));
                match (error.error_len(), std::str::from_utf8(good)) {
                    // Only the end is missing.
                    (None, Ok(text)) => (Some(text), rest),
                    (None | Some(_), _) => (None, &[][..]),
                }
            }
        };
        tail.extend_from_slice(rest);
        let mut line = Vec::with_capacity(data.len() + data.len() / 8 + 64);
        let head = write!(line, "{{\"t\":{},\"ch\":{channel},\"kind\":\"{}\",", self.now(), stream.word());
        let body = match text {
            Some("") => return,
            Some(text) => line.write_all(b"\"data\":").and_then(|()| Ok(serde_json::to_writer(&mut line, text)?)),
            None => write!(line, "\"b64\":\"{}\"", STANDARD.encode(data)),
        };
        // Writing into memory doesn't fail.
        if head.and(body).is_ok() {
            line.extend_from_slice(b"}\n");
            self.lines.push(&line);
        }
    }
}
