//! Walking a relayed stream in place.
//!
//! A scanner is given each direction's bytes in order, in chunks of any size. It says where the last complete message
//! ends, so that the relay can hold a partial one back and put a notice or the last error in at a boundary, and it
//! surfaces the few messages that a recording needs. A row costs a look at its header. Nothing is copied but the bodies
//! of interesting messages that a chunk cuts in two, and those only up to a limit.
//!
//! Never decides what a message means for a session: that is [`super::statements`].

mod backend;
mod frontend;
mod long;
mod walk;

pub use backend::{BackendEvent, BackendScanner, ErrorFields};
pub use frontend::{FrontendEvent, FrontendScanner, StatementRef, Target};

/// How much of one statement's text is kept, in bytes. A longer one is kept up to here, with its length and SHA-256.
pub const MAX_STATEMENT_CAPTURE: usize = 1 << 20;

/// What a scan found out about where messages end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    /// Bytes of the chunk up to the end of the last message that is complete; 0 when none ends in this chunk.
    pub boundary: usize,
    /// Bytes that the message (or its header) under way still lacks; 0 when the chunk ends with a complete message.
    pub missing: u32,
}

#[cfg(test)]
mod tests;
