//! Ajar's ledger: what makes the event log tamper-evident, and what checks it offline (I16).
//!
//! A leaf is the exact bytes of an event's envelope. Leaves are hashed into a Merkle tree (RFC 6962), the
//! tree's root is signed from time to time as a checkpoint (C2SP tlog-checkpoint in a C2SP signed-note), and an
//! export holds leaves and checkpoint so that somebody who trusts neither the database nor its operator can
//! check them. `docs/ledger.md` describes the formats byte by byte.
//!
//! Nothing here knows a file, a socket, a clock or a source of randomness; readers and writers come in.
//! Salted commitments are [`ajar_core::sealed`]: the events carry them.
//!
//! | module | owns |
//! | --- | --- |
//! | [`tree`] | hashes, the frontier, inclusion and consistency proofs |
//! | [`note`] | signed text: keys, signing, opening |
//! | [`checkpoint`] | the signed size and root |
//! | [`export`] | the file for an auditor: writing it |
//! | [`proof`] | the file that proves one event: writing and checking it |
//! | [`verify`] | the file for an auditor: checking it |

pub mod checkpoint;
pub mod export;
pub mod note;
pub mod proof;
pub mod tree;
pub mod verify;
