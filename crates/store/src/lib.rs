//! Where the log, its projections and its effects are kept: SQLite behind the core's `Store` port.
//!
//! Owns the statements, the migrations and the suite that every store has to pass. Never decides anything about access,
//! never reads a clock, and is, with the connectors, the only place that may depend on sqlx.

#[cfg(feature = "conformance")]
pub mod conformance;
mod sql;
mod sqlite;

pub use sqlite::{OpenOptions, SqliteStore, is_safe};
