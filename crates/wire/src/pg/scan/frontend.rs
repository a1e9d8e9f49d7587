//! What a client sends.

use sha2::{Digest, Sha256};

use super::super::WireError;
use super::super::frame::{Header, MAX_SMALL_BODY};
use super::super::reader::Reader;
use super::long::LongStatement;
use super::walk::{Plan, Side, Walker};
use super::{MAX_STATEMENT_CAPTURE, Scan};

/// The most bytes before the end of a Parse's or a Bind's names.
pub(super) const MAX_NAMES: usize = 20_000;

/// A client's message that a recording needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrontendEvent<'a> {
    /// Query: SQL to run at once.
    Query(StatementRef<'a>),
    /// Parse: SQL to prepare.
    Parse {
        /// The prepared statement's name; empty is the unnamed one.
        name: &'a [u8],
        /// Its text.
        text: StatementRef<'a>,
    },
    /// Bind: a portal out of a prepared statement.
    Bind {
        /// The portal's name.
        portal: &'a [u8],
        /// The prepared statement's name.
        statement: &'a [u8],
    },
    /// Describe.
    Describe,
    /// Execute: run a portal.
    Execute {
        /// The portal's name.
        portal: &'a [u8],
    },
    /// Close.
    Close {
        /// Which kind.
        target: Target,
        /// Its name.
        name: &'a [u8],
    },
    /// Sync.
    Sync,
    /// FunctionCall.
    FunctionCall {
        /// The function's object id.
        oid: u32,
    },
    /// CopyData messages since the last event.
    CopyData {
        /// How many.
        messages: u64,
        /// Bytes in their bodies.
        bytes: u64,
    },
    /// CopyDone.
    CopyDone,
    /// CopyFail.
    CopyFail,
    /// Terminate.
    Terminate,
}

/// A statement's text as it passes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementRef<'a> {
    /// The whole text, or its beginning.
    pub head: &'a [u8],
    /// The whole text's length in bytes.
    pub total: u64,
    /// The whole text's SHA-256, if it is longer than `head`.
    pub sha256: Option<[u8; 32]>,
}

/// What a Close closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A prepared statement.
    Statement,
    /// A portal.
    Portal,
}

/// Scans what a client sends once its session runs. Messages that belong to signing in are refused.
#[derive(Debug)]
pub struct FrontendScanner {
    walker: Walker,
    state: State,
}

#[derive(Debug)]
struct State {
    capture: usize,
    copy_messages: u64,
    copy_bytes: u64,
    long: Option<Box<LongStatement>>,
}

impl Default for FrontendScanner {
    fn default() -> Self {
        Self::new(MAX_STATEMENT_CAPTURE)
    }
}

impl FrontendScanner {
    /// With a limit on how much of a statement's text is kept, in bytes.
    #[must_use]
    pub fn new(capture: usize) -> Self {
        Self { walker: Walker::default(), state: State { capture, copy_messages: 0, copy_bytes: 0, long: None } }
    }

    /// Whether the stream stands between two messages.
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        self.walker.at_boundary()
    }

    /// Walks over the next chunk and gives each event to `sink`.
    ///
    /// # Errors
    /// When the client broke the protocol. The session must end; nothing more may be scanned.
    #[inline]
    pub fn scan(&mut self, chunk: &[u8], sink: &mut impl FnMut(FrontendEvent<'_>)) -> Result<Scan, WireError> {
        let mut side = Frontend { state: &mut self.state, sink };
        let scan = self.walker.walk(chunk, &mut side);
        side.emit_copy();
        scan
    }
}

#[cfg(test)]
impl FrontendScanner {
    /// Bytes that are kept between chunks.
    pub(super) fn memory(&self) -> usize {
        self.walker.memory() + self.state.long.as_ref().map_or(0, |long| long.memory())
    }
}

struct Frontend<'s, F> {
    state: &'s mut State,
    sink: &'s mut F,
}

impl<F: FnMut(FrontendEvent<'_>)> Frontend<'_, F> {
    fn emit_copy(&mut self) {
        if self.state.copy_messages > 0 {
            let (messages, bytes) = (std::mem::take(&mut self.state.copy_messages), std::mem::take(&mut self.state.copy_bytes));
            (self.sink)(FrontendEvent::CopyData { messages, bytes });
        }
    }

    fn emit(&mut self, event: FrontendEvent<'_>) {
        self.emit_copy();
        (self.sink)(event);
    }

    fn text<'a>(&self, text: &'a [u8]) -> StatementRef<'a> {
        match text.get(..self.state.capture) {
            Some(head) if head.len() < text.len() => {
                StatementRef { head, total: text.len() as u64, sha256: Some(Sha256::digest(text).into()) }
            }
            Some(_) | None => StatementRef { head: text, total: text.len() as u64, sha256: None },
        }
    }
}

impl<F: FnMut(FrontendEvent<'_>)> Side for Frontend<'_, F> {
    #[inline]
    fn is_bulk(tag: u8) -> bool {
        tag == b'd'
    }

    #[inline]
    fn bulk(&mut self, header: Header) {
        self.state.copy_messages += 1;
        self.state.copy_bytes += u64::from(header.len);
    }

    #[inline]
    fn plan(&self, header: Header) -> Result<Plan, WireError> {
        let Header { tag, len } = header;
        match tag {
            b'Q' | b'P' if len as usize > self.state.capture.saturating_add(MAX_NAMES) => Ok(Plan::Stream),
            b'Q' | b'P' => Ok(Plan::Keep(usize::MAX)),
            b'B' => Ok(Plan::Keep(MAX_NAMES)),
            b'F' => Ok(Plan::Keep(4)),
            b'C' | b'D' | b'E' | b'H' | b'S' | b'X' | b'c' | b'f' if len > MAX_SMALL_BODY => {
                Err(WireError::TooLong { tag, len, max: MAX_SMALL_BODY })
            }
            b'C' | b'D' | b'E' => Ok(Plan::Keep(usize::MAX)),
            b'H' | b'S' | b'X' | b'c' | b'f' => Ok(Plan::Keep(0)),
            _ => Err(WireError::NotAllowed { tag }),
        }
    }

    #[inline]
    fn complete(&mut self, header: Header, body: &[u8]) -> Result<(), WireError> {
        let malformed = |what| WireError::Malformed { tag: header.tag, what };
        let unterminated = || malformed("no terminator");
        let mut reader = Reader::new(body);
        let event = match header.tag {
            b'Q' => {
                let text = reader.cstr().ok_or_else(unterminated)?;
                if !reader.is_empty() {
                    return Err(malformed("bytes behind the text"));
                }
                FrontendEvent::Query(self.text(text))
            }
            b'P' => {
                let name = reader.cstr().ok_or_else(unterminated)?;
                let text = reader.cstr().ok_or_else(unterminated)?;
                FrontendEvent::Parse { name, text: self.text(text) }
            }
            b'B' => {
                let portal = reader.cstr().ok_or_else(unterminated)?;
                let statement = reader.cstr().ok_or_else(unterminated)?;
                FrontendEvent::Bind { portal, statement }
            }
            b'E' => FrontendEvent::Execute { portal: reader.cstr().ok_or_else(unterminated)? },
            b'D' => FrontendEvent::Describe,
            b'C' => {
                let target = match reader.u8() {
                    Some(b'S') => Target::Statement,
                    Some(b'P') => Target::Portal,
                    Some(_) | None => return Err(malformed("neither statement nor portal")),
                };
                FrontendEvent::Close { target, name: reader.cstr().ok_or_else(unterminated)? }
            }
            b'S' => FrontendEvent::Sync,
            b'F' => FrontendEvent::FunctionCall { oid: reader.u32().ok_or_else(|| malformed("too short"))? },
            b'c' => FrontendEvent::CopyDone,
            b'f' => FrontendEvent::CopyFail,
            b'X' => FrontendEvent::Terminate,
            _ => return Ok(()),
        };
        self.emit(event);
        Ok(())
    }

    fn begin(&mut self, header: Header) {
        self.state.long = Some(Box::new(LongStatement::new(header.tag, self.state.capture)));
    }

    fn piece(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        self.state.long.as_mut().map_or(Ok(()), |long| long.piece(bytes))
    }

    fn end(&mut self) -> Result<(), WireError> {
        let Some(long) = self.state.long.take() else { return Ok(()) };
        let (name, text) = long.finish()?;
        self.emit(if long.is_parse() { FrontendEvent::Parse { name, text } } else { FrontendEvent::Query(text) });
        Ok(())
    }
}
