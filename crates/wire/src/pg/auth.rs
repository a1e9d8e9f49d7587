//! Signing in to a target as a client: from the StartupMessage to the first ReadyForQuery.
//!
//! A struct per state, each owning only what the next message needs. SCRAM-SHA-256 is the only way in: a target that
//! asks for anything weaker, or lets us in without proving itself, is refused. Everything that a hostile target sends
//! is bounded (P3).

use super::frame::Frame;
use super::messages::{self, TransactionStatus};
use super::reader::Reader;
use super::scan::ErrorFields;
use super::scram::{self, AwaitServerFinal, AwaitServerFirst, ChannelBinding, ScramError, ScramKeys, ServerProven};
use super::startup::CancelKey;
use super::{ServerError, WireError};

/// The longest body of a message while signing in: what to give to [`super::frame::next`].
pub const MAX_MESSAGE: u32 = 30_000;
/// The most that is collected for the client, in bytes.
pub const MAX_FORWARD: usize = 65_536;
/// The most messages between AuthenticationOk and ReadyForQuery.
pub const MAX_MESSAGES: u32 = 512;

const OK: u32 = 0;
const SASL: u32 = 10;
const SASL_CONTINUE: u32 = 11;
const SASL_FINAL: u32 = 12;

/// Why signing in to the target failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The target says no.
    #[error("the target refused the connection")]
    Target(#[source] ServerError),
    /// It wants a way of signing in that isn't allowed (by its number: 3 cleartext, 5 MD5), or lets in without any (0).
    #[error("the target asks for authentication method {0} instead of SCRAM-SHA-256")]
    Method(u32),
    /// It offers SASL without a mechanism that is known.
    #[error("the target does not offer SCRAM-SHA-256")]
    Mechanism,
    /// The exchange failed.
    #[error("signing in by SCRAM failed")]
    Scram(#[from] ScramError),
    /// A message that can't come here, or is malformed.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// More messages or bytes than any target sends.
    #[error("the target sends too much while the connection starts")]
    TooMuch,
}

/// Where signing in stands.
#[derive(Debug)]
pub enum State {
    /// The StartupMessage is sent.
    Sasl(AwaitSasl),
    /// Our first SCRAM message is sent.
    Continue(AwaitContinue),
    /// Our final SCRAM message is sent.
    Final(AwaitFinal),
    /// The target has proven itself.
    Ok(AwaitOk),
    /// We are in; the target introduces itself.
    Ready(AwaitReady),
}

/// What a message led to.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// Read on.
    Wait(State),
    /// Send these bytes, then read on.
    Send(State, Vec<u8>),
    /// Done: what the target sends from here on is for the client.
    Done(SignedIn),
}

/// A target that is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// ParameterStatus and NoticeResponse messages, raw, for the client.
    pub forward: Vec<u8>,
    /// The key that cancels on the target, if it gave one. Not for the client.
    pub cancel_key: Option<CancelKey>,
    /// Of its first ReadyForQuery.
    pub status: TransactionStatus,
}

impl State {
    /// After the StartupMessage. The nonce must be fresh and random, at least [`scram::MIN_NONCE`] printable characters.
    #[must_use]
    pub fn begin(keys: ScramKeys, nonce: String, binding: ChannelBinding) -> Self {
        Self::Sasl(AwaitSasl { keys, nonce, binding })
    }

    /// Takes the target's next message.
    ///
    /// # Errors
    /// As [`AuthError`] says; the connection to the target must be closed.
    pub fn receive(self, frame: &Frame<'_>) -> Result<Step, AuthError> {
        if frame.tag == b'E' {
            return Err(AuthError::Target(ErrorFields::read(frame.body).to_owned()));
        }
        match self {
            Self::Sasl(state) => state.receive(frame),
            Self::Continue(state) => state.receive(frame),
            Self::Final(state) => state.receive(frame),
            Self::Ok(state) => state.receive(frame),
            Self::Ready(state) => state.receive(frame),
        }
    }
}

/// See [`State::Sasl`].
#[derive(Debug)]
pub struct AwaitSasl {
    keys: ScramKeys,
    nonce: String,
    binding: ChannelBinding,
}

impl AwaitSasl {
    fn receive(self, frame: &Frame<'_>) -> Result<Step, AuthError> {
        let mut mechanisms = Reader::new(authentication(frame, SASL)?);
        let (mut plain, mut plus) = (false, false);
        while let Some(name) = mechanisms.cstr().filter(|name| !name.is_empty()) {
            plain |= name == scram::SCRAM_SHA_256.as_bytes();
            plus |= name == scram::SCRAM_SHA_256_PLUS.as_bytes();
        }
        let bound = plus && self.binding != ChannelBinding::None;
        if !plain && !bound {
            return Err(AuthError::Mechanism);
        }
        let (state, first) = scram::begin(self.keys, &self.nonce, &self.binding, bound)?;
        let mut out = Vec::new();
        messages::sasl_initial_response(&mut out, if bound { scram::SCRAM_SHA_256_PLUS } else { scram::SCRAM_SHA_256 }, &first);
        Ok(Step::Send(State::Continue(AwaitContinue { scram: state }), out))
    }
}

/// See [`State::Continue`].
#[derive(Debug)]
pub struct AwaitContinue {
    scram: AwaitServerFirst,
}

impl AwaitContinue {
    fn receive(self, frame: &Frame<'_>) -> Result<Step, AuthError> {
        let (state, last) = self.scram.server_first(authentication(frame, SASL_CONTINUE)?)?;
        let mut out = Vec::new();
        messages::sasl_response(&mut out, &last);
        Ok(Step::Send(State::Final(AwaitFinal { scram: state }), out))
    }
}

/// See [`State::Final`].
#[derive(Debug)]
pub struct AwaitFinal {
    scram: AwaitServerFinal,
}

impl AwaitFinal {
    fn receive(self, frame: &Frame<'_>) -> Result<Step, AuthError> {
        let proven = self.scram.server_final(authentication(frame, SASL_FINAL)?)?;
        Ok(Step::Wait(State::Ok(AwaitOk { _proven: proven })))
    }
}

/// See [`State::Ok`].
#[derive(Debug)]
pub struct AwaitOk {
    _proven: ServerProven,
}

impl AwaitOk {
    fn receive(self, frame: &Frame<'_>) -> Result<Step, AuthError> {
        authentication(frame, OK)?;
        Ok(Step::Wait(State::Ready(AwaitReady { forward: Vec::new(), cancel_key: None, messages: 0 })))
    }
}

/// See [`State::Ready`].
#[derive(Debug)]
pub struct AwaitReady {
    forward: Vec<u8>,
    cancel_key: Option<CancelKey>,
    messages: u32,
}

impl AwaitReady {
    fn receive(mut self, frame: &Frame<'_>) -> Result<Step, AuthError> {
        let malformed = |what| AuthError::Wire(WireError::Malformed { tag: frame.tag, what });
        self.messages += 1;
        if self.messages > MAX_MESSAGES {
            return Err(AuthError::TooMuch);
        }
        match frame.tag {
            b'S' | b'N' => {
                if self.forward.len() + frame.raw.len() > MAX_FORWARD {
                    return Err(AuthError::TooMuch);
                }
                self.forward.extend_from_slice(frame.raw);
            }
            b'K' => {
                let mut body = Reader::new(frame.body);
                let pid = body.u32().ok_or_else(|| malformed("too short"))?;
                let key = CancelKey::new(pid, body.rest()).ok_or_else(|| malformed("the cancel key's length"))?;
                if self.cancel_key.replace(key).is_some() {
                    return Err(malformed("a second cancel key"));
                }
            }
            b'Z' => {
                let status = match frame.body {
                    [byte] => TransactionStatus::from_byte(*byte),
                    _ => None,
                };
                let status = status.ok_or_else(|| malformed("no such transaction status"))?;
                return Ok(Step::Done(SignedIn { forward: self.forward, cancel_key: self.cancel_key, status }));
            }
            tag => return Err(AuthError::Wire(WireError::NotAllowed { tag })),
        }
        Ok(Step::Wait(State::Ready(self)))
    }
}

/// The data of an Authentication message that must be of this kind.
fn authentication<'a>(frame: &Frame<'a>, expected: u32) -> Result<&'a [u8], AuthError> {
    if frame.tag != b'R' {
        return Err(AuthError::Wire(WireError::NotAllowed { tag: frame.tag }));
    }
    let mut body = Reader::new(frame.body);
    let method = body.u32().ok_or(WireError::Malformed { tag: b'R', what: "too short" })?;
    if method == expected { Ok(body.rest()) } else { Err(AuthError::Method(method)) }
}

#[cfg(test)]
mod tests;
