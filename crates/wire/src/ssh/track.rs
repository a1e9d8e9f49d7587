//! Hashing what passes, as long as it is in one piece.

use sha2::{Digest as _, Sha256};

use super::{Digest, Transfer};

/// One direction of one open file.
#[derive(Debug)]
pub(super) struct Track {
    /// None as soon as the content is in pieces.
    hash: Option<Box<Sha256>>,
    /// The offset that the hash has come to.
    hashed: u64,
    bytes: u64,
    failed: u64,
}

impl Track {
    pub(super) fn new() -> Self {
        Self { hash: Some(Box::default()), hashed: 0, bytes: 0, failed: 0 }
    }

    /// A piece begins at that offset.
    pub(super) fn begin(&mut self, offset: u64) {
        if offset != self.hashed {
            self.tear();
        }
    }

    /// Some of the piece.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
            self.hashed = self.hashed.saturating_add(bytes.len() as u64);
        }
    }

    /// So many bytes count as transferred.
    pub(super) fn count(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// A read or a write was refused.
    pub(super) fn fail(&mut self) {
        self.failed = self.failed.saturating_add(1);
    }

    /// The content is cut or extended to that length.
    pub(super) fn resize(&mut self, size: u64) {
        if size != self.hashed {
            self.tear();
        }
    }

    /// From here on the content is in pieces.
    pub(super) fn tear(&mut self) {
        self.hash = None;
    }

    /// The offset behind what was hashed; None when the content is in pieces.
    pub(super) fn end(&self) -> Option<u64> {
        self.hash.is_some().then_some(self.hashed)
    }

    pub(super) fn finish(self) -> Transfer {
        let Self { hash, hashed, bytes, failed } = self;
        let digest = match hash {
            Some(hash) if hashed == bytes => Digest::Whole(hash.finalize().into()),
            Some(_) | None => Digest::Pieces,
        };
        Transfer { bytes, digest, failed }
    }
}
