//! What the framing layer refuses, and the error that a server reports.

/// A peer broke the protocol: its session ends. Nothing was allocated for the offending message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The length field can't be: less than its own four bytes, or more than any message may have.
    #[error("message '{}' claims a length of {len}", tag.escape_ascii())]
    Length {
        /// The message's type byte.
        tag: u8,
        /// The length field as it arrived.
        len: u32,
    },
    /// Longer than a message of this type may be.
    #[error("message '{}' of {len} bytes is longer than the {max} allowed", tag.escape_ascii())]
    TooLong {
        /// The message's type byte.
        tag: u8,
        /// The body's length in bytes.
        len: u32,
        /// The most that is allowed.
        max: u32,
    },
    /// No such message, or not in this direction or phase.
    #[error("message '{}' is not allowed here", tag.escape_ascii())]
    NotAllowed {
        /// The message's type byte.
        tag: u8,
    },
    /// The body doesn't have the message's shape.
    #[error("message '{}' is malformed: {what}", tag.escape_ascii())]
    Malformed {
        /// The message's type byte.
        tag: u8,
        /// What is wrong.
        what: &'static str,
    },
}

/// The fields of an ErrorResponse that a record keeps. They come from a target: untrusted text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{severity} {sqlstate}: {message}")]
pub struct ServerError {
    /// `ERROR`, `FATAL` or `PANIC`, untranslated where the server says so.
    pub severity: String,
    /// Five characters.
    pub sqlstate: String,
    /// The primary message.
    pub message: String,
}

impl ServerError {
    /// Whether the server ends the connection with it.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        self.severity == "FATAL" || self.severity == "PANIC"
    }
}
