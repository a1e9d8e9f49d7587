//! Inclusion and consistency proofs (RFC 6962 sections 2.1.1 and 2.1.2; verification as in RFC 9162 section 2.1).
//!
//! Making one is split in two, so that hashes may come from anywhere: a [`ProofPlan`] says which complete subtrees
//! are needed (O(log² n) of them), the caller fetches their hashes, and the plan folds them into the proof.

use std::ops::Range;

use super::{Hash, Node, empty_root, node_hash};

/// Why there is no proof, or why one doesn't hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf is beyond the tree.
    #[error("leaf {index} is not in a tree of {size}")]
    NoSuchLeaf {
        /// The leaf.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// The old tree is larger than the new one.
    #[error("a tree of {old} can't come before one of {new}")]
    NotEarlier {
        /// The old tree's size.
        old: u64,
        /// The new tree's size.
        new: u64,
    },
    /// Too few or too many hashes for these sizes.
    #[error("the proof has the wrong length for these sizes")]
    Length,
    /// The hashes lead elsewhere.
    #[error("the proof leads to another root")]
    Root,
}

/// Which hashes a proof takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofPlan {
    // Each element of the proof as the complete subtrees it consists of, left to right.
    elements: Vec<Vec<Node>>,
}

impl ProofPlan {
    fn of(ranges: impl Iterator<Item = Range<u64>>) -> Self {
        Self { elements: ranges.map(complete_subtrees).collect() }
    }

    /// The subtrees whose hashes are needed.
    pub fn nodes(&self) -> impl Iterator<Item = Node> {
        self.elements.iter().flatten().copied()
    }

    /// The proof, with hashes from `hash`.
    ///
    /// # Errors
    /// Whatever `hash` fails with.
    pub fn prove<E>(&self, mut hash: impl FnMut(Node) -> Result<Hash, E>) -> Result<Vec<Hash>, E> {
        let mut proof = Vec::with_capacity(self.elements.len());
        for element in &self.elements {
            let mut folded: Option<Hash> = None;
            for node in element.iter().rev() {
                let left = hash(*node)?;
                folded = Some(folded.map_or(left, |right| node_hash(&left, &right)));
            }
            proof.extend(folded);
        }
        Ok(proof)
    }
}

/// What it takes to prove that leaf `index` is in the tree of `size`.
///
/// # Errors
/// When there is no such leaf.
pub fn inclusion_plan(index: u64, size: u64) -> Result<ProofPlan, ProofError> {
    if index >= size {
        return Err(ProofError::NoSuchLeaf { index, size });
    }
    let (mut low, mut high) = (0, size);
    let mut siblings = Vec::new();
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            siblings.push(middle..high);
            high = middle;
        } else {
            siblings.push(low..middle);
            low = middle;
        }
    }
    Ok(ProofPlan::of(siblings.into_iter().rev()))
}

/// What it takes to prove that the tree of `new` leaves continues the tree of `old` leaves.
///
/// # Errors
/// When `old` is larger than `new`.
pub fn consistency_plan(old: u64, new: u64) -> Result<ProofPlan, ProofError> {
    if old > new {
        return Err(ProofError::NotEarlier { old, new });
    }
    let (mut low, mut high) = (0, new);
    let mut ranges = Vec::new();
    if old > 0 {
        while high != old {
            let middle = low + split(high - low);
            if old <= middle {
                ranges.push(middle..high);
                high = middle;
            } else {
                ranges.push(low..middle);
                low = middle;
            }
        }
        // The old tree is a complete subtree of the new one when `low` is still 0: its root is known then.
        if low > 0 {
            ranges.push(low..high);
        }
    }
    Ok(ProofPlan::of(ranges.into_iter().rev()))
}

/// Checks that a leaf is in the tree with this root (RFC 9162 section 2.1.3.2).
///
/// # Errors
/// When it isn't, or the proof doesn't show it.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::NoSuchLeaf { index, size });
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// A tree's size and root.
type Head<'a> = (u64, &'a Hash);

/// Checks that the tree `new` continues the tree `old` (RFC 9162 section 2.1.4.2). Each is (size, root).
///
/// # Errors
/// When it doesn't, or the proof doesn't show it.
pub fn verify_consistency(old: Head<'_>, new: Head<'_>, proof: &[Hash]) -> Result<(), ProofError> {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size > new_size {
        return Err(ProofError::NotEarlier { old: old_size, new: new_size });
    }
    if old_size == 0 || old_size == new_size {
        let holds = if old_size == new_size { old_root == new_root } else { *old_root == empty_root() };
        return match (proof.is_empty(), holds) {
            (false, _) => Err(ProofError::Length),
            (true, false) => Err(ProofError::Root),
            (true, true) => Ok(()),
        };
    }
    // A complete old tree is a node of the new one, and its root is left out of the proof.
    let (start, rest) = if old_size.is_power_of_two() { (old_root, proof) } else { proof.split_first().ok_or(ProofError::Length)? };
    let shift = (old_size - 1).trailing_ones();
    let (mut node, mut last) = ((old_size - 1) >> shift, (new_size - 1) >> shift);
    let (mut old_hash, mut new_hash) = (*start, *start);
    for sibling in rest {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    if old_hash == *old_root && new_hash == *new_root { Ok(()) } else { Err(ProofError::Root) }
}

/// The largest power of two below `n`, for `n` ≥ 2.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// A range of leaves that the tree has a node for, as complete subtrees from left to right.
fn complete_subtrees(range: Range<u64>) -> Vec<Node> {
    let mut start = range.start;
    let mut nodes = Vec::new();
    while start < range.end {
        // The start is aligned to a size at least as large as what is left.
        let level = (range.end - start).ilog2();
        nodes.push(Node { level: level as u8, index: start >> level });
        start += 1 << level;
    }
    nodes
}
