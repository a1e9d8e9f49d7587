//! What is transferred inside an SSH session: SFTP and the older protocol of `scp`, read while they pass.
//!
//! | module | owns |
//! | --- | --- |
//! | [`sftp`] | the SFTP subsystem, version 3 with OpenSSH's extensions |
//! | [`scp`] | what `scp -t` and `scp -f` say over an exec channel, and telling their command lines |
//!
//! Both are observers: they are given each direction's bytes in the order in which a relay passes them, in chunks of any
//! size, and give back [`Event`]s. They never change a byte, never decide, and never fail a session: at what they can't
//! read they give one [`Event::Confused`], close their books, and ignore what follows. Contents are hashed as they flow;
//! what is kept is the heads of packets, questions without an answer and open files, all of them up to a limit.
//!
//! Of SSH itself only [`greeting`] is read: whether a peer offers strict key exchange.

pub mod greeting;
pub mod scp;
pub mod sftp;

mod event;
mod track;

pub use event::{Answer, Change, Confusion, Digest, Direction, Event, File, OpenFlags, Operation, Side, Transfer};

/// What is kept of a path, in bytes. Linux takes none of this length, so one that has it was cut.
pub const MAX_PATH: usize = 4_096;
/// What is kept of the text that comes with a refusal, in bytes.
pub const MAX_REASON: usize = 1_024;
