//! The PostgreSQL frontend/backend protocol, version 3
//! (<https://www.postgresql.org/docs/current/protocol.html>).
//!
//! | module | owns |
//! | --- | --- |
//! | [`startup`] | a connection's first packets, start-up options, the start-up message for the target |
//! | [`frame`] | the five bytes before each message, and whole messages out of a buffer |
//! | [`scan`] | walking a relayed stream in place: boundaries, and the messages that recording needs |
//! | [`statements`] | pairing both directions' events into statements |
//! | [`messages`] | building messages |
//! | [`scram`] | the client side of SCRAM-SHA-256, from keys |
//! | [`auth`] | signing in to a target as a client |

pub mod auth;
pub mod frame;
pub mod messages;
pub mod scan;
pub mod scram;
pub mod startup;
pub mod statements;

mod error;
mod reader;
mod text;

pub use error::{ServerError, WireError};
pub use text::inert;
