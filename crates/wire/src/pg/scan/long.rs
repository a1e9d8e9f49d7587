//! A Query or Parse message that is longer than what is kept of it.

use sha2::{Digest, Sha256};

use super::super::WireError;
use super::frontend::{MAX_NAMES, StatementRef};

/// Takes the body piece by piece: keeps the head of the text, hashes all of it.
pub(super) struct LongStatement {
    tag: u8,
    capture: usize,
    name: Vec<u8>,
    head: Vec<u8>,
    total: u64,
    hash: Sha256,
    part: Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Name,
    Text,
    Behind,
}

impl std::fmt::Debug for LongStatement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LongStatement").field("total", &self.total).field("part", &self.part).finish_non_exhaustive()
    }
}

impl LongStatement {
    pub(super) fn new(tag: u8, capture: usize) -> Self {
        let part = if tag == b'P' { Part::Name } else { Part::Text };
        Self { tag, capture, name: Vec::new(), head: Vec::new(), total: 0, hash: Sha256::new(), part }
    }

    pub(super) fn is_parse(&self) -> bool {
        self.tag == b'P'
    }

    pub(super) fn piece(&mut self, mut bytes: &[u8]) -> Result<(), WireError> {
        while !bytes.is_empty() && (self.part != Part::Behind || self.tag == b'Q') {
            let end = memchr::memchr(0, bytes);
            let (now, later) = bytes.split_at_checked(end.unwrap_or(bytes.len())).unwrap_or((bytes, &[]));
            match self.part {
                Part::Name if self.name.len() + now.len() > MAX_NAMES => return Err(self.malformed("the name is too long")),
                Part::Name => self.name.extend_from_slice(now),
                Part::Text => {
                    self.hash.update(now);
                    self.total += now.len() as u64;
                    let room = self.capture.saturating_sub(self.head.len());
                    self.head.extend_from_slice(now.get(..room).unwrap_or(now));
                }
                Part::Behind => return Err(self.malformed("bytes behind the text")),
            }
            if end.is_some() {
                self.part = if self.part == Part::Name { Part::Text } else { Part::Behind };
            }
            bytes = later.get(1..).unwrap_or_default();
        }
        Ok(())
    }

    /// Name and text, at the end of the message.
    pub(super) fn finish(&self) -> Result<(&[u8], StatementRef<'_>), WireError> {
        if self.part != Part::Behind {
            return Err(self.malformed("no terminator"));
        }
        let sha256 = (self.total > self.head.len() as u64).then(|| self.hash.clone().finalize().into());
        Ok((&self.name, StatementRef { head: &self.head, total: self.total, sha256 }))
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.name.capacity() + self.head.capacity()
    }

    fn malformed(&self, what: &'static str) -> WireError {
        WireError::Malformed { tag: self.tag, what }
    }
}
