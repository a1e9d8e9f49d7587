//! The ledger looked into, in place: how it stands, whether it still is what was recorded, and the proof of one event.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ajar_core::port::{Leaf, Refusal, RefusalKind, StoreError};
use ajar_core::time::{Span, Timestamp};
use ajar_ledger::checkpoint::{self, Checkpoint};
use ajar_ledger::proof::{InclusionProof, NotProven};
use ajar_ledger::tree::{Frontier, Hash, Node, TILE, Tiles, inclusion_plan, leaf_hash};
use serde::Deserialize;

use crate::engine::Engine;
use crate::people::Caller;
use crate::refusal::{no_such, refusal};
use crate::sequencer::unavailable;

/// Events that are read and hashed at a time.
const PAGE: u32 = 1_000;
/// Hashes that are read at a time.
const HASHES: u64 = 20_000;

/// How the ledger stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerStatus {
    /// Events.
    pub size: u64,
    /// The root over them, hexadecimal.
    pub root: String,
    /// The last checkpoint.
    pub checkpoint: Option<LastCheckpoint>,
    /// What came of the last verification.
    pub verified: Option<Verified>,
}

/// The last signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastCheckpoint {
    /// Events that it signs.
    pub size: u64,
    /// When it was signed; unknown of one that an earlier process signed.
    pub at: Option<Timestamp>,
    /// The signed note.
    pub note: String,
}

/// What came of a verification in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// When it ended.
    pub at: Timestamp,
    /// Events that were looked at.
    pub size: u64,
    /// Whether they are what was recorded and signed.
    pub ok: bool,
    /// The same in words; what differs, and where.
    pub words: String,
    /// How long it took.
    pub took: Span,
}

/// What the engine keeps of the ledger besides its frontier.
#[derive(Debug)]
pub(crate) struct Kept {
    /// For proofs: as far as the last one, or the last checkpoint, went.
    tiles: tokio::sync::Mutex<Tiles>,
    /// One verification at a time.
    turn: tokio::sync::Mutex<()>,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    verified: Option<Verified>,
    /// Verifications that have ended.
    ended: u64,
    /// Size and instant of the last checkpoint that this process signed.
    signed: Option<(u64, Timestamp)>,
}

impl Kept {
    /// After a start that has read all events, and compared them with the last checkpoint.
    pub(crate) fn new(tiles: Tiles, at: Timestamp, took: Span) -> Self {
        let size = tiles.size();
        let words = format!("all {size} events were read when the server started, and are those that the last checkpoint signs");
        let last = Last { verified: Some(Verified { at, size, ok: true, words, took }), ..Last::default() };
        Self { tiles: tokio::sync::Mutex::new(tiles), turn: tokio::sync::Mutex::default(), last: Mutex::new(last) }
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn signed(&self, size: u64, at: Timestamp) {
        self.last().signed = Some((size, at));
    }

    /// Whether the last verification found something wrong, in words.
    pub(crate) fn wrong(&self) -> Option<String> {
        self.last().verified.as_ref().filter(|v| !v.ok).map(|v| v.words.clone())
    }
}

fn store(error: &StoreError) -> Refusal {
    Refusal::from(unavailable(error))
}

fn differs(why: impl Into<String>) -> Refusal {
    let hint = "'ajar ledger status --verify' says where it differs".to_owned();
    refusal(RefusalKind::Unavailable, "the ledger in the store is not what was recorded", Some(why.into()), Some(hint))
}

impl Engine {
    /// How the ledger stands: for auditors and operators.
    ///
    /// # Errors
    /// When the caller is neither, or the store can't be read.
    pub async fn ledger_status(&self, caller: &Caller) -> Result<LedgerStatus, Refusal> {
        self.auditor(caller)?;
        let note = self.store.checkpoint_latest().await.map_err(|e| store(&e))?;
        let frontier = self.frontier();
        let last = self.ledger.last();
        let checkpoint = note.and_then(|note| {
            let size = checkpoint::open(&note, &self.ledger_key.verifier()).ok()?.size;
            let at = last.signed.filter(|(signed, _)| *signed == size).map(|(_, at)| at);
            Some(LastCheckpoint { size, at, note })
        });
        Ok(LedgerStatus { size: frontier.size(), root: hex::encode(frontier.root()), checkpoint, verified: last.verified.clone() })
    }

    /// Reads all events again, and compares them with what this process knows of them and with the last checkpoint: for auditors and
    /// operators. One at a time: whoever asks meanwhile gets what comes of the one that runs.
    ///
    /// # Errors
    /// When the caller is neither, or the store can't be read to its end.
    pub async fn ledger_verify(&self, caller: &Caller) -> Result<Verified, Refusal> {
        self.auditor(caller)?;
        let ended = self.ledger.last().ended;
        let _turn = self.ledger.turn.lock().await;
        {
            let last = self.ledger.last();
            if let Some(verified) = last.verified.as_ref().filter(|_| last.ended != ended) {
                return Ok(verified.clone());
            }
        }
        let started = self.clock.mono();
        let (size, outcome) = self.walk().await?;
        let took = Span::from_millis((self.since(started) * 1_000.0) as u64);
        let (ok, words) = match outcome {
            Ok(words) => (true, words),
            Err(words) => {
                tracing::error!(ledger.size = size, found = %words, "the ledger is not what was recorded");
                metrics::counter!("ajar_ledger_verify_failures_total").increment(1);
                (false, words)
            }
        };
        let verified = Verified { at: self.clock.now(), size, ok, words, took };
        let mut last = self.ledger.last();
        last.verified = Some(verified.clone());
        last.ended += 1;
        Ok(verified)
    }

    /// The whole log once more, a page at a time, hashed beside everything else. How many events, and what came of it in words.
    async fn walk(&self) -> Result<(u64, Result<String, String>), Refusal> {
        let kept = self.ledger.tiles.lock().await.clone();
        // Read before the events are: what is decided meanwhile is not looked at.
        let frontier = self.frontier();
        let size = frontier.size();
        let signed = match self.store.checkpoint_latest().await.map_err(|e| store(&e))? {
            None => None,
            Some(note) => match checkpoint::open(&note, &self.ledger_key.verifier()) {
                Ok(signed) => Some(signed),
                Err(error) => return Ok((size, Err(format!("the last checkpoint does not count: {error}")))),
            },
        };
        let mut walk = Walk { tiles: Tiles::default(), kept, signed, size };
        let mut page = self.page(0, size).await?;
        while !page.0.is_empty() {
            let next = walk.tiles.size().saturating_add(page.0.len() as u64);
            let hashing = tokio::task::spawn_blocking(move || {
                let found = walk.take(&page.0, &page.1);
                (walk, found)
            });
            let (hashed, read) = tokio::join!(hashing, self.page(next, size));
            let stopped = |error: tokio::task::JoinError| store(&StoreError::Failed(error.to_string()));
            let (walked, found) = hashed.map_err(stopped)?;
            if let Err(wrong) = found {
                return Ok((size, Err(wrong)));
            }
            (walk, page) = (walked, read?);
        }
        Ok((size, walk.end(&frontier)))
    }

    /// Events from `from` on, before `size`, with the hashes that are stored with them.
    async fn page(&self, from: u64, size: u64) -> Result<(Vec<Leaf>, Vec<Hash>), Refusal> {
        let limit = u32::try_from(size.saturating_sub(from)).unwrap_or(PAGE).min(PAGE);
        if limit == 0 {
            return Ok((Vec::new(), Vec::new()));
        }
        let leaves = self.store.leaves(from, limit).await.map_err(|e| store(&e))?;
        let hashes = self.store.leaf_hashes(from, limit).await.map_err(|e| store(&e))?;
        Ok((leaves, hashes))
    }

    /// The proof of one event, against a checkpoint that is signed now: for auditors and operators.
    ///
    /// # Errors
    /// When the caller is neither, there is no such event, or the store's hashes are not those of the events that were recorded.
    pub async fn ledger_proof(&self, caller: &Caller, seq: u64) -> Result<InclusionProof, Refusal> {
        self.auditor(caller)?;
        let tiles = self.tiles().await?;
        let plan = inclusion_plan(seq, tiles.size()).map_err(|_| no_such("event"))?;
        let leaf = self.store.leaves(seq, 1).await.map_err(|e| store(&e))?.into_iter().next().filter(|leaf| leaf.seq == seq);
        let leaf = leaf.ok_or_else(|| differs(format!("event {seq} is not in the store any more")))?;
        let mut fetched = BTreeMap::new();
        for tile in Tiles::needs(&plan) {
            let limit = u32::try_from(TILE.min(tiles.size() - tile)).unwrap_or(u32::MAX);
            fetched.insert(tile, self.store.leaf_hashes(tile, limit).await.map_err(|e| store(&e))?);
        }
        let hash = |node: Node| tiles.hash(node, &fetched).ok_or(NotProven::Differs("tree"));
        // INVARIANT L01: what does not lead to the root that this process knows is not handed out.
        let made = InclusionProof::make(&leaf.bytes, &plan, hash, tiles.frontier(), &self.ledger_key);
        made.map_err(|error| {
            tracing::error!(ledger.seq = seq, error = %error, "an event can't be proven: what is stored of the ledger is not what was recorded");
            differs(error.to_string())
        })
    }

    /// What is kept of the tree, as it is now.
    async fn tiles(&self) -> Result<Tiles, Refusal> {
        let mut kept = self.ledger.tiles.lock().await;
        // Only ever larger than what is kept: that was taken from an earlier one.
        let frontier = self.frontier();
        if kept.size() == frontier.size() {
            return Ok(kept.clone());
        }
        let mut tiles = kept.clone();
        while tiles.size() < frontier.size() {
            let limit = u32::try_from(HASHES.min(frontier.size() - tiles.size())).unwrap_or(u32::MAX);
            let hashes = self.store.leaf_hashes(tiles.size(), limit).await.map_err(|e| store(&e))?;
            if hashes.is_empty() {
                return Err(differs("the ledger has fewer events than were recorded"));
            }
            hashes.into_iter().for_each(|hash| tiles.push(hash));
        }
        if tiles.frontier() != &frontier {
            return Err(differs("the hashes in the store are not those of the events that were recorded"));
        }
        *kept = tiles.clone();
        Ok(tiles)
    }

    /// Keeps up with what was recorded, so that a proof has little left to read.
    pub(crate) async fn tiles_keep_up(&self) {
        if let Err(error) = self.tiles().await {
            tracing::warn!(error = %error, "what proofs are made of could not be brought up to date");
        }
    }
}

/// Of an event's leaf, what is in columns of its own too.
#[derive(Deserialize)]
struct Head {
    seq: u64,
    stream: String,
    version: u64,
    kind: String,
    at: Timestamp,
}

/// A verification that is under way.
struct Walk {
    /// The tree of what was read so far.
    tiles: Tiles,
    /// What this process knows of it.
    kept: Tiles,
    signed: Option<Checkpoint>,
    /// Events that are to be read.
    size: u64,
}

impl Walk {
    /// The next events, with the hashes that are stored with them. What is wrong with them, in words.
    fn take(&mut self, leaves: &[Leaf], hashes: &[Hash]) -> Result<(), String> {
        for (i, leaf) in leaves.iter().enumerate() {
            let seq = self.tiles.size();
            if leaf.seq != seq {
                return Err(format!("event {seq} is missing"));
            }
            let hash = leaf_hash(leaf.bytes.as_bytes());
            if hashes.get(i) != Some(&hash) {
                return Err(format!("event {seq} was changed: its text is not what was hashed when it was recorded"));
            }
            let head: Head = serde_json::from_str(&leaf.bytes).map_err(|_| format!("event {seq} can't be read"))?;
            let columns = (leaf.seq, leaf.stream.to_string(), leaf.version, leaf.kind.as_str(), leaf.at);
            if columns != (head.seq, head.stream, head.version, head.kind.as_str(), head.at) {
                return Err(format!("event {seq} is filed in the store as something that it is not: searches may miss it"));
            }
            self.tiles.push(hash);
            self.compare()?;
        }
        Ok(())
    }

    /// Compares with what is known of the tree at the size that it has now.
    fn compare(&self) -> Result<(), String> {
        let size = self.tiles.size();
        if size.is_multiple_of(TILE) {
            let tile = Node { level: TILE.ilog2() as u8, index: size / TILE - 1 };
            if self.kept.node(tile).is_some() && self.kept.node(tile) != self.tiles.node(tile) {
                return Err(format!(
                    "at least one of the events {} to {} was changed since this server read or wrote it",
                    size - TILE,
                    size - 1
                ));
            }
        }
        match &self.signed {
            Some(signed) if signed.size == size && signed.root != self.tiles.frontier().root() => {
                Err(format!("at least one of the first {size} events is not what the last checkpoint signs"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Everything was read.
    fn end(&self, recorded: &Frontier) -> Result<String, String> {
        let (size, found) = (self.size, self.tiles.size());
        if found < size {
            return Err(format!("there are {found} events in the store, and {size} were recorded: the last {} are missing", size - found));
        }
        if self.tiles.frontier() != recorded {
            return Err("at least one event was changed since this server read or wrote it".to_owned());
        }
        match &self.signed {
            Some(signed) if signed.size > size => Err(format!("the last checkpoint signs {} events, and there are {size}", signed.size)),
            Some(signed) => {
                Ok(format!("all {size} events are what was recorded; the last checkpoint signs the first {} of them", signed.size))
            }
            None => Ok(format!("all {size} events are what was recorded; nothing is signed yet")),
        }
    }
}
