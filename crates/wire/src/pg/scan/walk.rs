//! The walk over headers, the same for both directions.

use super::super::WireError;
use super::super::frame::Header;
use super::Scan;

/// A kept body's buffer is given back when it has grown beyond this.
const KEEP_BUFFER: usize = 1_024;

/// What a direction wants of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// This much of the body's beginning, at the end of the message.
    Keep(usize),
    /// The body piece by piece.
    Stream,
}

/// What a direction does with messages.
pub(super) trait Side {
    /// Whether messages of this type are only counted. Decided first, and must be cheap.
    fn is_bulk(tag: u8) -> bool;
    /// Counts one.
    fn bulk(&mut self, header: Header);
    /// What is wanted of the message, or why it is refused.
    fn plan(&self, header: Header) -> Result<Plan, WireError>;
    /// A message is complete; `body` is its whole body or the beginning that was wanted.
    fn complete(&mut self, header: Header, body: &[u8]) -> Result<(), WireError>;
    /// A message that comes piece by piece begins.
    fn begin(&mut self, header: Header);
    /// One of its pieces.
    fn piece(&mut self, bytes: &[u8]) -> Result<(), WireError>;
    /// It is complete.
    fn end(&mut self) -> Result<(), WireError>;
}

/// Where the walk stands between two chunks.
#[derive(Debug, Default)]
pub(super) struct Walker {
    head: [u8; Header::SIZE],
    /// Bytes of `head` that have arrived.
    have: usize,
    cut: Option<Cut>,
    kept: Vec<u8>,
}

/// A message that the end of a chunk has cut.
#[derive(Debug)]
struct Cut {
    header: Header,
    left: usize,
    /// None: only counted.
    plan: Option<Plan>,
}

impl Walker {
    pub(super) fn at_boundary(&self) -> bool {
        self.have == 0 && self.cut.is_none()
    }

    #[inline]
    pub(super) fn walk<S: Side>(&mut self, chunk: &[u8], side: &mut S) -> Result<Scan, WireError> {
        let mut rest = chunk;
        let mut boundary = 0;
        if !self.at_boundary() {
            rest = self.resume(rest, side)?;
            if !self.at_boundary() {
                return Ok(Scan { boundary, missing: self.missing() });
            }
            boundary = chunk.len() - rest.len();
        }
        while let Some((head, after)) = rest.split_first_chunk::<{ Header::SIZE }>() {
            let header = Header::parse(*head)?;
            if let Some((body, next)) = after.split_at_checked(header.len as usize) {
                if S::is_bulk(header.tag) {
                    side.bulk(header);
                } else {
                    whole(header, body, side)?;
                }
                rest = next;
                boundary = chunk.len() - rest.len();
            } else {
                self.cut(header, side)?;
                self.fill(after, side)?;
                return Ok(Scan { boundary, missing: self.missing() });
            }
        }
        self.stash(rest);
        Ok(Scan { boundary, missing: self.missing() })
    }

    /// Goes on with what the last chunk cut; gives back the bytes behind it.
    #[cold]
    fn resume<'a, S: Side>(&mut self, mut rest: &'a [u8], side: &mut S) -> Result<&'a [u8], WireError> {
        if self.cut.is_none() {
            rest = self.stash(rest);
            if self.have < Header::SIZE {
                return Ok(rest);
            }
            let header = Header::parse(self.head)?;
            self.have = 0;
            self.cut(header, side)?;
        }
        self.fill(rest, side)
    }

    /// Takes bytes for a header; gives back the bytes behind.
    fn stash<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let slots = self.head.get_mut(self.have..).unwrap_or_default();
        let take = slots.len().min(rest.len());
        for (slot, byte) in slots.iter_mut().zip(rest) {
            *slot = *byte;
        }
        self.have += take;
        rest.get(take..).unwrap_or_default()
    }

    /// A message begins whose end isn't there.
    fn cut<S: Side>(&mut self, header: Header, side: &mut S) -> Result<(), WireError> {
        let plan = if S::is_bulk(header.tag) { None } else { Some(side.plan(header)?) };
        if plan == Some(Plan::Stream) {
            side.begin(header);
        }
        self.cut = Some(Cut { header, left: header.len as usize, plan });
        Ok(())
    }

    /// Takes bytes for the message under way; gives back the bytes behind it.
    fn fill<'a, S: Side>(&mut self, rest: &'a [u8], side: &mut S) -> Result<&'a [u8], WireError> {
        let Some(cut) = &mut self.cut else { return Ok(rest) };
        let (bytes, rest) = rest.split_at_checked(cut.left).unwrap_or((rest, &[]));
        cut.left -= bytes.len();
        match cut.plan {
            None => {}
            Some(Plan::Keep(wanted)) => {
                let room = wanted.saturating_sub(self.kept.len());
                self.kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            }
            Some(Plan::Stream) => side.piece(bytes)?,
        }
        if cut.left > 0 {
            return Ok(rest);
        }
        let (header, plan) = (cut.header, cut.plan);
        self.cut = None;
        match plan {
            None => side.bulk(header),
            Some(Plan::Keep(_)) => {
                side.complete(header, &self.kept)?;
                self.kept.clear();
                self.kept.shrink_to(KEEP_BUFFER);
            }
            Some(Plan::Stream) => side.end()?,
        }
        Ok(rest)
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.kept.capacity()
    }

    fn missing(&self) -> u32 {
        let missing = match &self.cut {
            Some(cut) => cut.left,
            None if self.have > 0 => Header::SIZE - self.have,
            None => 0,
        };
        u32::try_from(missing).unwrap_or(u32::MAX)
    }
}

/// A message that lies within the chunk.
fn whole<S: Side>(header: Header, body: &[u8], side: &mut S) -> Result<(), WireError> {
    match side.plan(header)? {
        Plan::Keep(wanted) => side.complete(header, body.get(..wanted).unwrap_or(body)),
        Plan::Stream => {
            side.begin(header);
            side.piece(body)?;
            side.end()
        }
    }
}
