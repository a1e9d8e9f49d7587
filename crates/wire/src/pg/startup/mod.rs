//! The first packets of a connection, in both directions.
//!
//! Reads what a client sends before messages have types (SSLRequest, GSSENCRequest, CancelRequest, StartupMessage), and
//! writes the StartupMessage for the target. Never answers: that is the gateway's.
//! (<https://www.postgresql.org/docs/current/protocol-message-formats.html>)

mod options;
mod packet;

pub use options::{AjarSettings, OptionItem, Options};
pub use packet::{CancelKey, Packet, Progress, parse, ssl_reply};

use super::messages::OutgoingText;

/// The longest first packet, in bytes with its length field: PostgreSQL's `MAX_STARTUP_PACKET_LENGTH`.
pub const MAX_STARTUP: usize = 10_000;
/// The most start-up parameters that are taken.
pub const MAX_PARAMETERS: usize = 128;
/// The longest user or database name, in bytes.
pub const MAX_NAME: usize = 255;

/// Why a first packet is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartupError {
    /// The length field can't be.
    #[error("the start-up packet claims a length of {0}")]
    Length(u32),
    /// Bytes arrived behind an encryption request, before encryption (CVE-2021-23214).
    #[error("bytes arrived in the clear behind an encryption request")]
    BytesBehindRequest,
    /// Not protocol version 3.
    #[error("protocol version {major}.{minor} is not supported")]
    Version {
        /// Its major part.
        major: u16,
        /// Its minor part.
        minor: u16,
    },
    /// A CancelRequest of the wrong size.
    #[error("the cancel key is {0} bytes long")]
    CancelKey(usize),
    /// No terminator where one must be, or bytes behind the last.
    #[error("the start-up packet is not properly terminated")]
    Unterminated,
    /// A name or value isn't UTF-8.
    #[error("a start-up parameter is not UTF-8")]
    NotUtf8,
    /// A name came twice.
    #[error("the start-up parameter '{}' is given twice", super::inert(.0))]
    Duplicate(String),
    /// More than [`MAX_PARAMETERS`].
    #[error("more than {MAX_PARAMETERS} start-up parameters")]
    TooManyParameters,
    /// No user name.
    #[error("no user name")]
    NoUser,
    /// A user or database name holds a control or invisible character, or is too long.
    #[error("the {0} name holds characters that are not allowed, or is too long")]
    Name(&'static str),
    /// An option has no value.
    #[error("the option '{}' needs a value", super::inert(.0))]
    OptionValue(String),
    /// A setting of ours that doesn't exist.
    #[error("there is no setting '{}'; there are ajar.role, ajar.reason, ajar.for, ajar.ticket and ajar.scope", super::inert(.0))]
    UnknownSetting(String),
    /// What is to be sent doesn't fit into a packet, or holds a NUL.
    #[error("the start-up message for the target cannot be built: {0}")]
    Build(&'static str),
}

/// A protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 3.
    pub major: u16,
    /// 0 or 2; anything else is to be negotiated.
    pub minor: u16,
}

impl Version {
    /// Before PostgreSQL 18: cancel keys of four bytes.
    pub const V3_0: Self = Self { major: 3, minor: 0 };
    /// Since PostgreSQL 18: cancel keys of up to 256 bytes. The newest known here.
    pub const V3_2: Self = Self { major: 3, minor: 2 };
}

/// A StartupMessage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Startup {
    /// What the client asks for.
    pub version: Version,
    /// The user name: no control characters, at most [`MAX_NAME`] bytes.
    pub user: String,
    /// The database's name, by default the user's.
    pub database: String,
    /// Command-line style settings.
    pub options: Options,
    /// All others, in order, without `user`, `database`, `options` and protocol options.
    pub parameters: Vec<(String, String)>,
    /// Names that begin with `_pq_.`: protocol options, none of which is known here.
    pub protocol_options: Vec<String>,
}

impl Startup {
    /// Whether the client must be answered with NegotiateProtocolVersion ([`super::messages::negotiate_protocol_version`]),
    /// because it asks for a newer minor version or for protocol options.
    #[must_use]
    pub fn needs_negotiation(&self) -> bool {
        self.version > Version::V3_2 || !self.protocol_options.is_empty()
    }

    /// The version that is spoken with this client after a negotiation, if one is needed.
    #[must_use]
    pub fn spoken(&self) -> Version {
        if self.version < Version::V3_2 { Version::V3_0 } else { Version::V3_2 }
    }

    /// A start-up parameter's value. Names are compared like the server does: without regard to case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether a replication connection is asked for. Anything but a clear no counts as yes.
    #[must_use]
    pub fn wants_replication(&self) -> bool {
        self.parameter("replication").is_some_and(|v| !["false", "off", "no", "0"].iter().any(|no| v.eq_ignore_ascii_case(no)))
    }

    /// Takes our own settings out of the options and the parameters, and leaves the rest for the target. A later option
    /// beats an earlier one, a parameter beats an option: PostgreSQL's order.
    ///
    /// # Errors
    /// On an `ajar.` name that doesn't exist.
    pub fn take_ajar_settings(&mut self) -> Result<AjarSettings, StartupError> {
        let mut ours = AjarSettings::default();
        self.options.take_ours(&mut ours)?;
        let mut theirs = Vec::with_capacity(self.parameters.len());
        for (name, value) in std::mem::take(&mut self.parameters) {
            match ours.set(&name, value)? {
                None => {}
                Some(value) => theirs.push((name, value)),
            }
        }
        self.parameters = theirs;
        Ok(ours)
    }

    /// The StartupMessage for the target, in version 3.0: this one's parameters and options, under another user and
    /// database. A `replication` parameter and protocol options are left out.
    ///
    /// # Errors
    /// When a text holds a NUL, or the packet would be longer than [`MAX_STARTUP`].
    pub fn upstream(&self, user: &str, database: &str) -> Result<Vec<u8>, StartupError> {
        let mut out = vec![0, 0, 0, 0, 0, 3, 0, 0];
        let mut put = |name: &str, value: &str| -> Result<(), StartupError> {
            for text in [name, value] {
                if !out.put_cstr(text.as_bytes()) {
                    return Err(StartupError::Build("a text holds a NUL"));
                }
            }
            Ok(())
        };
        put("user", user)?;
        put("database", database)?;
        if !self.options.is_empty() {
            put("options", &self.options.to_string())?;
        }
        for (name, value) in self.parameters.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("replication")) {
            put(name, value)?;
        }
        out.push(0);
        let len = u32::try_from(out.len()).ok().filter(|_| out.len() <= MAX_STARTUP).ok_or(StartupError::Build("it is too long"))?;
        for (slot, byte) in out.iter_mut().zip(len.to_be_bytes()) {
            *slot = byte;
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
