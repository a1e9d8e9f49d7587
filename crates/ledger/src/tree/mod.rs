//! The Merkle tree of RFC 6962 (and RFC 9162, which keeps its hashing): hashes, frontier, proofs.
//!
//! Never stores a leaf: callers hand hashes in and keep what they need for proofs.

mod frontier;
mod proof;
#[cfg(test)]
mod tests;
mod tiles;

use sha2::{Digest, Sha256};

pub use frontier::{Frontier, ParseFrontierError};
pub use proof::{ProofError, ProofPlan, consistency_plan, inclusion_plan, verify_consistency, verify_inclusion};
pub use tiles::{TILE, Tiles};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The largest tree: what a signed 64-bit integer holds, as databases store it.
pub const MAX_SIZE: u64 = i64::MAX as u64;

/// The hash of a leaf: `SHA-256(0x00 ‖ leaf)` (RFC 6962 section 2.1).
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(leaf);
    hash.finalize().into()
}

/// The hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)` (RFC 6962 section 2.1).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update([1]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

/// The root of the empty tree: `SHA-256("")`.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest(b"").into()
}

/// The root over leaf hashes, in order.
#[must_use]
pub fn root_from_leaf_hashes(hashes: impl IntoIterator<Item = Hash>) -> Hash {
    let mut frontier = Frontier::default();
    for hash in hashes {
        frontier.push(hash);
    }
    frontier.root()
}

/// A complete subtree: leaves `index << level .. (index + 1) << level`. Level 0 is a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Its height.
    pub level: u8,
    /// Its place among the nodes of its level, from 0.
    pub index: u64,
}
