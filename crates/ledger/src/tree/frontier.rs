//! The right edge of the growing tree: enough to append and to know the root, in O(log n) memory.

use super::{Hash, MAX_SIZE, Node, empty_root, node_hash};

/// The roots of the complete subtrees that a tree of this size consists of, largest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    // One for each set bit of `size`, from the highest.
    peaks: Vec<Hash>,
}

/// Bytes that are not a frontier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a frontier: 8 bytes of size and 32 bytes for each of its set bits")]
pub struct ParseFrontierError;

impl Frontier {
    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf by its hash. Amortised O(1), at most O(log n).
    pub fn push(&mut self, leaf: Hash) {
        self.push_with(leaf, |_, _| {});
    }

    /// Appends a leaf by its hash, and hands out each node that it completes, itself (level 0) included: what a
    /// store keeps to make proofs later without hashing everything again.
    pub fn push_with(&mut self, leaf: Hash, mut completed: impl FnMut(Node, &Hash)) {
        let mut node = Node { level: 0, index: self.size };
        let mut hash = leaf;
        completed(node, &hash);
        // A right child completes its parent.
        while node.index & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
            node = Node { level: node.level + 1, index: node.index >> 1 };
            completed(node, &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root of the tree as it is.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.peaks.iter().rev().copied().reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root)
    }

    /// The size (8 bytes, big-endian), then the subtrees' roots, largest first.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.size.to_be_bytes().to_vec();
        out.extend(self.peaks.iter().flatten());
        out
    }

    /// Reads what [`Frontier::to_bytes`] made.
    ///
    /// # Errors
    /// When the length doesn't fit the size, or the size is beyond [`MAX_SIZE`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ParseFrontierError> {
        let (size, peaks) = bytes.split_first_chunk::<8>().ok_or(ParseFrontierError)?;
        let size = u64::from_be_bytes(*size);
        let (peaks, rest) = peaks.as_chunks::<32>();
        if size > MAX_SIZE || !rest.is_empty() || peaks.len() != size.count_ones() as usize {
            return Err(ParseFrontierError);
        }
        Ok(Self { size, peaks: peaks.to_vec() })
    }
}
