//! What a target sends.

use super::super::frame::Header;
use super::super::messages::TransactionStatus;
use super::super::reader::Reader;
use super::super::text::clip;
use super::super::{ServerError, WireError};
use super::Scan;
use super::walk::{Plan, Side, Walker};

/// The longest body of a message that libpq takes for a short one.
const MAX_SHORT: u32 = 30_000;
/// What is kept of a command tag: the server's own buffer is 64 bytes.
const MAX_COMMAND_TAG: usize = 256;
/// What is kept of an error.
const MAX_ERROR: usize = 16_384;
/// What is kept of an error's message.
const MAX_ERROR_TEXT: usize = 4_096;

/// A target's message that a recording needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendEvent<'a> {
    /// ParseComplete.
    ParseComplete,
    /// BindComplete.
    BindComplete,
    /// CloseComplete.
    CloseComplete,
    /// RowDescription.
    RowDescription,
    /// NoData.
    NoData,
    /// DataRows since the last event.
    Rows {
        /// How many.
        rows: u64,
        /// Bytes in their bodies.
        bytes: u64,
    },
    /// CopyData messages since the last event.
    CopyData {
        /// How many.
        messages: u64,
        /// Bytes in their bodies.
        bytes: u64,
    },
    /// CommandComplete.
    CommandComplete {
        /// `SELECT 5` and the like; untrusted.
        tag: &'a [u8],
    },
    /// EmptyQueryResponse.
    EmptyQuery,
    /// PortalSuspended.
    PortalSuspended,
    /// FunctionCallResponse.
    FunctionResult,
    /// ErrorResponse.
    Error(ErrorFields<'a>),
    /// CopyInResponse.
    CopyIn,
    /// CopyOutResponse.
    CopyOut,
    /// CopyBothResponse.
    CopyBoth,
    /// CopyDone.
    CopyDone,
    /// ReadyForQuery.
    ReadyForQuery(TransactionStatus),
}

/// Fields of an ErrorResponse as it passes by. Untrusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ErrorFields<'a> {
    /// Field V, or S where there is none.
    pub severity: &'a [u8],
    /// Field C.
    pub sqlstate: &'a [u8],
    /// Field M.
    pub message: &'a [u8],
}

impl<'a> ErrorFields<'a> {
    /// Reads a body, or as much of one as there is.
    pub(crate) fn read(body: &'a [u8]) -> Self {
        let mut fields = Self::default();
        let mut untranslated = false;
        let mut reader = Reader::new(body);
        while let Some(field) = reader.u8() {
            if field == 0 {
                break;
            }
            let (value, is_last) = reader.cstr().map_or((reader.rest(), true), |value| (value, false));
            match field {
                b'V' => {
                    fields.severity = value;
                    untranslated = true;
                }
                b'S' if !untranslated => fields.severity = value,
                b'C' => fields.sqlstate = value,
                b'M' => fields.message = value,
                _ => {}
            }
            if is_last {
                break;
            }
        }
        fields
    }

    /// A copy, bounded in size, with what isn't UTF-8 replaced.
    #[must_use]
    pub fn to_owned(&self) -> ServerError {
        let text = |bytes: &[u8], max| clip(&String::from_utf8_lossy(bytes.get(..max).unwrap_or(bytes)), max).to_owned();
        ServerError { severity: text(self.severity, 32), sqlstate: text(self.sqlstate, 5), message: text(self.message, MAX_ERROR_TEXT) }
    }
}

/// Scans what a target sends once a session runs. Messages that belong to signing in are refused: a target may not ask
/// the client for credentials.
#[derive(Debug, Default)]
pub struct BackendScanner {
    walker: Walker,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    rows: u64,
    row_bytes: u64,
    copies: u64,
    copy_bytes: u64,
}

impl BackendScanner {
    /// At the beginning of a stream: right behind the ReadyForQuery of the start-up.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the stream stands between two messages.
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        self.walker.at_boundary()
    }

    /// Walks over the next chunk and gives each event to `sink`.
    ///
    /// # Errors
    /// When the target broke the protocol. The session must end; nothing more may be scanned.
    #[inline]
    pub fn scan(&mut self, chunk: &[u8], sink: &mut impl FnMut(BackendEvent<'_>)) -> Result<Scan, WireError> {
        let mut side = Backend { counts: std::mem::take(&mut self.counts), sink };
        let scan = self.walker.walk(chunk, &mut side);
        side.emit_counts();
        scan
    }
}

struct Backend<'s, F> {
    counts: Counts,
    sink: &'s mut F,
}

impl<F: FnMut(BackendEvent<'_>)> Backend<'_, F> {
    #[inline]
    fn emit_counts(&mut self) {
        if self.counts.rows > 0 {
            let (rows, bytes) = (std::mem::take(&mut self.counts.rows), std::mem::take(&mut self.counts.row_bytes));
            (self.sink)(BackendEvent::Rows { rows, bytes });
        }
        if self.counts.copies > 0 {
            let (messages, bytes) = (std::mem::take(&mut self.counts.copies), std::mem::take(&mut self.counts.copy_bytes));
            (self.sink)(BackendEvent::CopyData { messages, bytes });
        }
    }
}

impl<F: FnMut(BackendEvent<'_>)> Side for Backend<'_, F> {
    #[inline]
    fn is_bulk(tag: u8) -> bool {
        tag | 0x20 == b'd'
    }

    #[inline]
    fn bulk(&mut self, header: Header) {
        if header.tag == b'D' {
            self.counts.rows += 1;
            self.counts.row_bytes += u64::from(header.len);
        } else {
            self.counts.copies += 1;
            self.counts.copy_bytes += u64::from(header.len);
        }
    }

    #[inline]
    fn plan(&self, header: Header) -> Result<Plan, WireError> {
        let Header { tag, len } = header;
        match tag {
            b'T' | b't' | b'N' | b'A' | b'V' => Ok(Plan::Keep(0)),
            b'E' => Ok(Plan::Keep(MAX_ERROR)),
            b'1' | b'2' | b'3' | b'n' | b's' | b'I' | b'c' if len != 0 => Err(WireError::Malformed { tag, what: "it has a body" }),
            b'1' | b'2' | b'3' | b'n' | b's' | b'I' | b'c' => Ok(Plan::Keep(0)),
            b'Z' if len != 1 => Err(WireError::Malformed { tag, what: "its body is not one byte" }),
            b'Z' => Ok(Plan::Keep(1)),
            b'C' | b'S' | b'G' | b'H' | b'W' if len > MAX_SHORT => Err(WireError::TooLong { tag, len, max: MAX_SHORT }),
            b'C' => Ok(Plan::Keep(MAX_COMMAND_TAG)),
            b'S' | b'G' | b'H' | b'W' => Ok(Plan::Keep(0)),
            _ => Err(WireError::NotAllowed { tag }),
        }
    }

    #[inline]
    fn complete(&mut self, header: Header, body: &[u8]) -> Result<(), WireError> {
        let event = match header.tag {
            b'1' => BackendEvent::ParseComplete,
            b'2' => BackendEvent::BindComplete,
            b'3' => BackendEvent::CloseComplete,
            b'T' => BackendEvent::RowDescription,
            b'n' => BackendEvent::NoData,
            b'C' => BackendEvent::CommandComplete { tag: Reader::new(body).cstr().unwrap_or(body) },
            b'I' => BackendEvent::EmptyQuery,
            b's' => BackendEvent::PortalSuspended,
            b'V' => BackendEvent::FunctionResult,
            b'E' => BackendEvent::Error(ErrorFields::read(body)),
            b'G' => BackendEvent::CopyIn,
            b'H' => BackendEvent::CopyOut,
            b'W' => BackendEvent::CopyBoth,
            b'c' => BackendEvent::CopyDone,
            b'Z' => {
                let status = body.first().copied().and_then(TransactionStatus::from_byte);
                BackendEvent::ReadyForQuery(status.ok_or(WireError::Malformed { tag: b'Z', what: "no such transaction status" })?)
            }
            _ => return Ok(()),
        };
        self.emit_counts();
        (self.sink)(event);
        Ok(())
    }

    // No message of a target is wanted piece by piece.
    fn begin(&mut self, _: Header) {}

    fn piece(&mut self, _: &[u8]) -> Result<(), WireError> {
        Ok(())
    }

    fn end(&mut self) -> Result<(), WireError> {
        Ok(())
    }
}
