//! What is kept of a tree so that a proof takes a thousandth of its leaves: the roots of all complete subtrees of 1,024 leaves and more,
//! 64 bytes for each 1,024 leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{Frontier, Hash, MAX_SIZE, Node, ProofPlan, root_from_leaf_hashes};

/// The height of the smallest subtrees that are kept.
const LEVEL: u8 = 10;
/// Leaves of one of those.
pub const TILE: u64 = 1 << LEVEL;

/// The roots of a tree's complete subtrees of [`TILE`] leaves and more.
#[derive(Debug, Clone, Default)]
pub struct Tiles {
    frontier: Frontier,
    /// By height above [`LEVEL`], then from left to right.
    levels: Vec<Vec<Hash>>,
}

impl Tiles {
    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The right edge of the tree as it is.
    #[must_use]
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let levels = &mut self.levels;
        self.frontier.push_with(leaf, |node, hash| {
            let Some(height) = node.level.checked_sub(LEVEL).map(usize::from) else { return };
            if levels.len() == height {
                levels.push(Vec::new());
            }
            // Nodes of one height are completed from left to right.
            if let Some(level) = levels.get_mut(height) {
                level.push(*hash);
            }
        });
    }

    /// The root of a complete subtree of [`TILE`] leaves or more; `None` of a smaller one, or one that is not there yet.
    #[must_use]
    pub fn node(&self, node: Node) -> Option<Hash> {
        let height = usize::from(node.level.checked_sub(LEVEL)?);
        self.levels.get(height)?.get(usize::try_from(node.index).ok()?).copied()
    }

    /// Where the tiles begin whose leaves a proof takes besides what is kept: two at the most.
    #[must_use]
    pub fn needs(plan: &ProofPlan) -> BTreeSet<u64> {
        plan.nodes().filter_map(Node::tile).collect()
    }

    /// The root of any complete subtree that a proof takes, given the leaf hashes of the tiles that it [needs](Self::needs), each from
    /// its beginning as far as the tree goes; `None` when they are not there.
    #[must_use]
    pub fn hash(&self, node: Node, leaves: &BTreeMap<u64, Vec<Hash>>) -> Option<Hash> {
        let Some(tile) = node.tile() else { return self.node(node) };
        let within = |leaf: u64| usize::try_from(leaf.checked_sub(tile)?).ok();
        let Range { start, end } = node.leaves();
        Some(root_from_leaf_hashes(leaves.get(&tile)?.get(within(start)?..within(end)?)?.iter().copied()))
    }
}

impl Node {
    /// The leaves below it.
    #[must_use]
    pub fn leaves(self) -> Range<u64> {
        let start = self.index.checked_shl(self.level.into()).unwrap_or(MAX_SIZE);
        start..start.saturating_add(1u64.checked_shl(self.level.into()).unwrap_or(MAX_SIZE))
    }

    /// Where the tile begins that it lies in; `None` of one that is a tile, or more.
    #[must_use]
    pub fn tile(self) -> Option<u64> {
        (self.level < LEVEL).then(|| self.leaves().start & !(TILE - 1))
    }
}
