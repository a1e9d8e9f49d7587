//! A file that proves that one event is in the ledger, and what checks it: with the trusted key, and nothing else.
//!
//! One JSON object, in exactly this spelling (no spaces, keys in this order), perhaps with one newline at its end: whatever is
//! spelled otherwise could be read otherwise by somebody else.
//!
//! ```text
//! {"seq":…,"kind":"…","at":"…","event":"<the leaf's bytes>","leaf_hash":"<hex>","size":…,"root":"<hex>","path":["<hex>",…],
//!  "checkpoint":"<signed note>","key":"<verifier key>"}
//! ```
//!
//! Everything that it says beside the event, the path and the signature is there to be read, and must be what those say.

use serde::{Deserialize, Serialize};

use crate::checkpoint::{self, Checkpoint, CheckpointError};
use crate::note::VerifierKey;
use crate::tree::{Frontier, Hash, ProofError, ProofPlan, leaf_hash, verify_inclusion};

/// The longest file that is looked at: a leaf of 8 MiB, each byte of it escaped, and what stands around it.
pub const PROOF_MAX: usize = 6 * 8 * 1024 * 1024 + 64 * 1024;

/// That one event is in a ledger of some size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    /// Its sequence number.
    pub seq: u64,
    /// Its kind.
    pub kind: String,
    /// When it was decided.
    pub at: String,
    /// Its leaf: the exact bytes that were hashed.
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
    /// The key that checks it, as the server says. Whoever checks brings their own.
    pub key: String,
}

/// What a proof has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The event's sequence number.
    pub seq: u64,
    /// The event.
    pub event: String,
    /// What was signed.
    pub checkpoint: Checkpoint,
}

/// Why a file proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    /// It isn't one.
    #[error("this is not a proof: {0}")]
    Malformed(String),
    /// It is one, written otherwise than Ajar writes it.
    #[error("this is not spelled as Ajar spells it: it may have been reformatted; take it anew, as it comes")]
    Spelling,
    /// It is for another key than the trusted one.
    #[error("it is for the key {named}, which is not the one that you trust")]
    OtherKey {
        /// The key that it names.
        named: String,
    },
    /// The checkpoint does not count.
    #[error("its checkpoint does not count: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// It says something that is not so.
    #[error("its {0} is not what the signed checkpoint and the event say")]
    Differs(&'static str),
    /// The hashes lead elsewhere.
    #[error("the event is not in what was signed: {0}")]
    Inclusion(#[from] ProofError),
}

/// Of an event's envelope, what is read again.
#[derive(Deserialize)]
struct Head {
    seq: u64,
    kind: String,
    at: String,
}

impl InclusionProof {
    /// Puts a proof together, with the hashes that `plan` takes from `hash`.
    ///
    /// # Errors
    /// When the event can't be read, `hash` doesn't know a hash, the tree can't be signed, or what comes out would prove nothing: the hashes are not
    /// those of this tree.
    pub fn make(
        event: &str,
        plan: &ProofPlan,
        hash: impl FnMut(crate::tree::Node) -> Result<Hash, NotProven>,
        tree: &Frontier,
        signer: &crate::note::Signer,
    ) -> Result<Self, NotProven> {
        let head: Head = serde_json::from_str(event).map_err(|e| NotProven::Malformed(e.to_string()))?;
        let (leaf, root, path, key) = (leaf_hash(event.as_bytes()), tree.root(), plan.prove(hash)?, signer.verifier());
        verify_inclusion(&leaf, head.seq, tree.size(), &path, &root)?;
        Ok(Self {
            seq: head.seq,
            kind: head.kind,
            at: head.at,
            event: event.to_owned(),
            leaf_hash: hex::encode(leaf),
            size: tree.size(),
            root: hex::encode(root),
            path: path.iter().map(hex::encode).collect(),
            checkpoint: Checkpoint::of(&key, tree).sign(signer)?,
            key: key.to_string(),
        })
    }

    /// Checks it with the key that somebody trusts.
    ///
    /// # Errors
    /// When anything in it is not so.
    pub fn check(&self, trusted: &VerifierKey) -> Result<Proven, NotProven> {
        if self.key != trusted.to_string() {
            return Err(NotProven::OtherKey { named: self.key.clone() });
        }
        let signed = checkpoint::open(&self.checkpoint, trusted)?;
        let leaf = leaf_hash(self.event.as_bytes());
        let head: Head = serde_json::from_str(&self.event).map_err(|e| NotProven::Malformed(e.to_string()))?;
        let differs = [
            ("size", self.size == signed.size),
            ("root", self.root == hex::encode(signed.root)),
            ("leaf_hash", self.leaf_hash == hex::encode(leaf)),
            ("seq", self.seq == head.seq),
            ("kind", self.kind == head.kind),
            ("at", self.at == head.at),
        ];
        if let Some((what, _)) = differs.into_iter().find(|(_, same)| !same) {
            return Err(NotProven::Differs(what));
        }
        let path = self.path.iter().map(|text| one_hash(text)).collect::<Option<Vec<_>>>().ok_or(NotProven::Differs("path"))?;
        verify_inclusion(&leaf, self.seq, signed.size, &path, &signed.root)?;
        Ok(Proven { seq: self.seq, event: self.event.clone(), checkpoint: signed })
    }
}

/// A hash, in the one spelling that it has.
fn one_hash(text: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).ok()?;
    (hex::encode(hash) == text).then_some(hash)
}

/// Checks a file with the key that somebody trusts: that the event in it is in the ledger, as the trusted key has signed it.
///
/// # Errors
/// When it is not spelled as it should be, or anything in it is not so.
pub fn check(file: &[u8], trusted: &VerifierKey) -> Result<Proven, NotProven> {
    let malformed = |why: &dyn std::fmt::Display| NotProven::Malformed(why.to_string());
    if file.len() > PROOF_MAX {
        return Err(malformed(&"it is larger than any proof"));
    }
    let text = file.strip_suffix(b"\n").unwrap_or(file);
    let proof: InclusionProof = serde_json::from_slice(text).map_err(|e| malformed(&e))?;
    let proven = proof.check(trusted)?;
    if serde_json::to_vec(&proof).is_ok_and(|spelled| spelled == text) { Ok(proven) } else { Err(NotProven::Spelling) }
}
