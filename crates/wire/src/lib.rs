//! Sans-IO protocol codecs and states: bytes in, events and bytes out.
//!
//! Owns what the protocols say and nothing of Ajar's own: no sockets, no clock, no randomness (nonces and instants are
//! arguments), and no memory that a peer can make grow without a limit. Every byte is hostile; nothing here can panic.

pub mod pg;
pub mod ssh;
