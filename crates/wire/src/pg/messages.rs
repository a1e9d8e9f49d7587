//! Building messages: each function appends one whole message to a buffer.
//!
//! Never reads anything. Texts for people go through [`inert`] (I19); texts for the protocol lose their NULs.

use super::inert;
use super::startup::{CancelKey, Version};
use super::text::clip;

/// The longest text in an error or a notice, in bytes; longer ones are cut.
pub const MAX_TEXT: usize = 8_192;

/// Appending to a message under construction.
pub(crate) trait OutgoingText {
    /// Appends a NUL-terminated text; false, and nothing appended, when it holds a NUL itself.
    fn put_cstr(&mut self, text: &[u8]) -> bool;
    /// Appends a NUL-terminated text, up to a NUL of its own.
    fn put_cstr_cut(&mut self, text: &[u8]);
}

impl OutgoingText for Vec<u8> {
    fn put_cstr(&mut self, text: &[u8]) -> bool {
        if memchr::memchr(0, text).is_some() {
            return false;
        }
        self.extend_from_slice(text);
        self.push(0);
        true
    }

    fn put_cstr_cut(&mut self, text: &[u8]) {
        self.extend(text.iter().copied().take_while(|byte| *byte != 0));
        self.push(0);
    }
}

/// A message: type, length, and the body that `fill` appends.
fn message(out: &mut Vec<u8>, tag: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let start = out.len();
    out.extend([0; 4]);
    fill(out);
    // All bodies here are short; a length that doesn't fit can't come about.
    let len = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    if let Some(slot) = out.get_mut(start..start + 4) {
        slot.copy_from_slice(&len.to_be_bytes());
    }
}

/// How bad it is: the untranslated and the translated severity of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The command failed.
    Error,
    /// The connection ends.
    Fatal,
    /// For people to notice.
    Notice,
    /// Worse than a notice.
    Warning,
}

impl Severity {
    fn word(self) -> &'static [u8] {
        match self {
            Self::Error => b"ERROR",
            Self::Fatal => b"FATAL",
            Self::Notice => b"NOTICE",
            Self::Warning => b"WARNING",
        }
    }
}

/// An error or a notice in the making. Its texts may hold untrusted parts: they are made inert when it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report<'a> {
    /// How bad.
    pub severity: Severity,
    /// Five characters, `57P01` for instance.
    pub sqlstate: &'a str,
    /// One sentence.
    pub message: &'a str,
    /// More, if any.
    pub detail: Option<&'a str>,
    /// What to do next, if anything.
    pub hint: Option<&'a str>,
}

impl<'a> Report<'a> {
    /// With a message alone.
    #[must_use]
    pub fn new(severity: Severity, sqlstate: &'a str, message: &'a str) -> Self {
        Self { severity, sqlstate, message, detail: None, hint: None }
    }

    /// With a detail.
    #[must_use]
    pub fn detail(mut self, text: &'a str) -> Self {
        self.detail = Some(text);
        self
    }

    /// With a hint.
    #[must_use]
    pub fn hint(mut self, text: &'a str) -> Self {
        self.hint = Some(text);
        self
    }

    /// As an ErrorResponse.
    pub fn put_error(&self, out: &mut Vec<u8>) {
        self.put(out, b'E');
    }

    /// As a NoticeResponse. Before AuthenticationOk, libpq takes one for an error in the protocol.
    pub fn put_notice(&self, out: &mut Vec<u8>) {
        self.put(out, b'N');
    }

    fn put(&self, out: &mut Vec<u8>, tag: u8) {
        message(out, tag, |out| {
            for field in [b'S', b'V'] {
                out.push(field);
                out.put_cstr_cut(self.severity.word());
            }
            let texts = [(b'C', Some(self.sqlstate)), (b'M', Some(self.message)), (b'D', self.detail), (b'H', self.hint)];
            for (field, text) in texts {
                if let Some(text) = text {
                    out.push(field);
                    out.put_cstr_cut(clip(&inert(clip(text, MAX_TEXT)), MAX_TEXT).as_bytes());
                }
            }
            out.push(0);
        });
    }
}

/// Whether a transaction is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStatus {
    /// `I`: none.
    Idle,
    /// `T`: one is open.
    Open,
    /// `E`: one is open and has failed.
    Failed,
}

impl TransactionStatus {
    /// Reads the byte of a ReadyForQuery.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            b'I' => Some(Self::Idle),
            b'T' => Some(Self::Open),
            b'E' => Some(Self::Failed),
            _ => None,
        }
    }

    /// The byte of a ReadyForQuery.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::Open => b'T',
            Self::Failed => b'E',
        }
    }
}

// ---- to a client ----

/// AuthenticationOk.
pub fn authentication_ok(out: &mut Vec<u8>) {
    message(out, b'R', |out| out.extend(0u32.to_be_bytes()));
}

/// AuthenticationCleartextPassword: only ever inside TLS.
pub fn authentication_cleartext_password(out: &mut Vec<u8>) {
    message(out, b'R', |out| out.extend(3u32.to_be_bytes()));
}

/// ParameterStatus.
pub fn parameter_status(out: &mut Vec<u8>, name: &str, value: &str) {
    message(out, b'S', |out| {
        out.put_cstr_cut(name.as_bytes());
        out.put_cstr_cut(value.as_bytes());
    });
}

/// BackendKeyData. Before protocol 3.2 the secret must be four bytes.
pub fn backend_key_data(out: &mut Vec<u8>, key: &CancelKey) {
    message(out, b'K', |out| {
        out.extend(key.pid.to_be_bytes());
        out.extend(&key.secret);
    });
}

/// ReadyForQuery.
pub fn ready_for_query(out: &mut Vec<u8>, status: TransactionStatus) {
    message(out, b'Z', |out| out.push(status.byte()));
}

/// NegotiateProtocolVersion: the newest version that will be spoken, and the protocol options that aren't known.
pub fn negotiate_protocol_version(out: &mut Vec<u8>, version: Version, unknown_options: &[String]) {
    message(out, b'v', |out| {
        out.extend(version.major.to_be_bytes());
        out.extend(version.minor.to_be_bytes());
        out.extend(u32::try_from(unknown_options.len()).unwrap_or(0).to_be_bytes());
        for option in unknown_options {
            out.put_cstr_cut(option.as_bytes());
        }
    });
}

// ---- to a target ----

/// SSLRequest.
pub fn ssl_request(out: &mut Vec<u8>) {
    out.extend([0, 0, 0, 8, 4, 210, 22, 47]);
}

/// CancelRequest.
pub fn cancel_request(out: &mut Vec<u8>, key: &CancelKey) {
    let secret = key.secret.get(..CancelKey::MAX_SECRET).unwrap_or(&key.secret);
    let len = u32::try_from(12 + secret.len()).unwrap_or(u32::MAX);
    out.extend(len.to_be_bytes());
    out.extend([4, 210, 22, 46]);
    out.extend(key.pid.to_be_bytes());
    out.extend(secret);
}

/// PasswordMessage: what a client answers to a cleartext request.
pub fn password(out: &mut Vec<u8>, password: &str) {
    message(out, b'p', |out| out.put_cstr_cut(password.as_bytes()));
}

/// SASLInitialResponse.
pub fn sasl_initial_response(out: &mut Vec<u8>, mechanism: &str, data: &[u8]) {
    message(out, b'p', |out| {
        out.put_cstr_cut(mechanism.as_bytes());
        out.extend(u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend(data);
    });
}

/// SASLResponse.
pub fn sasl_response(out: &mut Vec<u8>, data: &[u8]) {
    message(out, b'p', |out| out.extend(data));
}

/// Flush: makes a server send the answers that it still holds back. It has no answer itself.
pub fn flush(out: &mut Vec<u8>) {
    message(out, b'H', |_| {});
}

/// Terminate.
pub fn terminate(out: &mut Vec<u8>) {
    message(out, b'X', |_| {});
}

/// Reads a client's PasswordMessage body: the text before its NUL.
///
/// # Errors
/// When it isn't one UTF-8 text with a NUL at its very end.
pub fn parse_password(body: &[u8]) -> Result<&str, super::WireError> {
    let malformed = |what| super::WireError::Malformed { tag: b'p', what };
    let (end, text) = body.split_last().ok_or(malformed("empty"))?;
    if *end != 0 || memchr::memchr(0, text).is_some() {
        return Err(malformed("not one terminated text"));
    }
    std::str::from_utf8(text).map_err(|_| malformed("not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::super::frame::{Frame, next};
    use super::*;

    fn one(bytes: &[u8]) -> Frame<'_> {
        let frame = next(bytes, 100_000).unwrap().unwrap();
        assert_eq!(frame.raw.len(), bytes.len());
        frame
    }

    #[test]
    fn i19_reports_carry_their_fields_and_nothing_active() {
        let mut out = Vec::new();
        Report::new(Severity::Fatal, "57P01", "cut\0 by\nHINT:  run evil")
            .detail("grant \x1b[31m")
            .hint("ajar request")
            .put_error(&mut out);
        let frame = one(&out);
        assert_eq!(frame.tag, b'E');
        assert_eq!(frame.body, b"SFATAL\0VFATAL\0C57P01\0Mcut by\\nHINT:  run evil\0Dgrant \\u{1b}[31m\0Hajar request\0\0");
    }

    #[test]
    fn endless_texts_are_cut() {
        let mut out = Vec::new();
        Report::new(Severity::Notice, "00000", &"\x1b".repeat(1_000_000)).put_notice(&mut out);
        assert!(one(&out).body.len() < MAX_TEXT + 100);
    }

    #[test]
    fn short_messages_are_what_the_protocol_says() {
        let mut out = Vec::new();
        authentication_ok(&mut out);
        authentication_cleartext_password(&mut out);
        ready_for_query(&mut out, TransactionStatus::Idle);
        terminate(&mut out);
        flush(&mut out);
        assert_eq!(out, b"R\0\0\0\x08\0\0\0\0R\0\0\0\x08\0\0\0\x03Z\0\0\0\x05IX\0\0\0\x04H\0\0\0\x04");
        out.clear();
        parameter_status(&mut out, "a", "b\0c");
        assert_eq!(out, b"S\0\0\0\x08a\0b\0");
        out.clear();
        negotiate_protocol_version(&mut out, Version::V3_2, &["_pq_.x".into()]);
        assert_eq!(out, b"v\0\0\0\x13\0\x03\0\x02\0\0\0\x01_pq_.x\0");
        out.clear();
        backend_key_data(&mut out, &CancelKey { pid: 1, secret: vec![2; 4] });
        assert_eq!(out, b"K\0\0\0\x0c\0\0\0\x01\x02\x02\x02\x02");
        out.clear();
        sasl_initial_response(&mut out, "SCRAM-SHA-256", b"n,,");
        assert_eq!(one(&out).body, b"SCRAM-SHA-256\0\0\0\0\x03n,,");
    }

    #[test]
    fn a_password_survives_and_odd_ones_are_refused() {
        let mut out = Vec::new();
        password(&mut out, "ajar_tök");
        assert_eq!(parse_password(one(&out).body), Ok("ajar_tök"));
        for body in [&b""[..], b"abc", b"a\0b\0", b"\xff\0"] {
            assert!(parse_password(body).is_err(), "{body:?}");
        }
    }
}
