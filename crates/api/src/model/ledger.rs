//! The ledger: how it stands, whether it is what was recorded, and one event's proof.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the ledger stands.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LedgerStatus {
    /// Events.
    pub size: u64,
    /// The root over them, hexadecimal.
    pub root: String,
    /// The last signed checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<LastCheckpoint>,
    /// What came of the last verification: of one that was asked for, or of the server's start, which reads everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
}

/// A signed checkpoint.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LastCheckpoint {
    /// Events that it signs.
    pub size: u64,
    /// When it was signed; absent when that was before the server's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The signed note.
    pub note: String,
}

/// What came of a verification in place.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Verified {
    /// When it ended.
    pub at: String,
    /// Events that were looked at.
    pub size: u64,
    /// Whether they are what was recorded and signed.
    pub ok: bool,
    /// The same in words; what differs, and where.
    pub words: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// That one event is in the ledger: a file that `ajar ledger prove` checks without a server. Its spelling counts: it is kept as it comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerProof {
    /// The event's sequence number.
    pub seq: u64,
    /// Its kind.
    pub kind: String,
    /// When it was decided.
    pub at: String,
    /// The exact bytes that were hashed: one line of JSON.
    pub event: String,
    /// Their hash, hexadecimal.
    pub leaf_hash: String,
    /// The events that the checkpoint signs.
    pub size: u64,
    /// Their root, hexadecimal.
    pub root: String,
    /// The hashes beside the way from the leaf to the root, from the leaf upwards, hexadecimal.
    pub path: Vec<String>,
    /// The signed note over size and root.
    pub checkpoint: String,
    /// The key that checks it. Whoever checks brings their own, kept apart from the server.
    pub key: String,
}
