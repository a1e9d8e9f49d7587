//! Reading a first packet.

use std::fmt;

use super::super::reader::Reader;
use super::options::Options;
use super::{MAX_NAME, MAX_PARAMETERS, MAX_STARTUP, Startup, StartupError, Version};

const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;
const TLS_HANDSHAKE: u8 = 0x16;

/// How far reading has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are needed: this many in all, at the most [`MAX_STARTUP`].
    Incomplete {
        /// Bytes that the buffer must hold before it is worth asking again.
        need: usize,
    },
    /// A packet is there.
    Complete {
        /// What it is.
        packet: Packet,
        /// Its size in bytes; 0 for [`Packet::DirectTls`], whose bytes belong to the TLS library.
        size: usize,
    },
}

/// What a client begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// A TLS handshake without asking first (ALPN `postgresql`).
    DirectTls,
    /// Asks for TLS.
    SslRequest,
    /// Asks for GSSAPI encryption.
    GssEncRequest,
    /// Asks to cancel what another connection does.
    Cancel(CancelKey),
    /// Begins a session.
    Startup(Startup),
}

/// A connection's key for cancelling. The secret never shows in `Debug` (I17).
#[derive(Clone, PartialEq, Eq)]
pub struct CancelKey {
    /// The process id, as the server called it.
    pub pid: u32,
    /// 4 to 256 bytes.
    pub secret: Vec<u8>,
}

impl CancelKey {
    /// The shortest secret.
    pub const MIN_SECRET: usize = 4;
    /// The longest secret.
    pub const MAX_SECRET: usize = 256;

    /// Takes a secret that has a possible length.
    pub(crate) fn new(pid: u32, secret: &[u8]) -> Option<Self> {
        (Self::MIN_SECRET..=Self::MAX_SECRET).contains(&secret.len()).then(|| Self { pid, secret: secret.to_vec() })
    }
}

impl fmt::Debug for CancelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelKey").field("pid", &self.pid).field("secret", &"redacted").finish()
    }
}

/// Reads the first packet out of everything that has arrived so far.
///
/// # Errors
/// As [`StartupError`] says. An encryption request with anything behind it in the buffer is refused: nothing that came
/// in the clear may be taken for encrypted.
pub fn parse(buffer: &[u8]) -> Result<Progress, StartupError> {
    if buffer.first() == Some(&TLS_HANDSHAKE) {
        return Ok(Progress::Complete { packet: Packet::DirectTls, size: 0 });
    }
    let Some((len, rest)) = buffer.split_first_chunk::<4>() else { return Ok(Progress::Incomplete { need: 8 }) };
    let len = u32::from_be_bytes(*len);
    let size = usize::try_from(len).ok().filter(|n| (8..=MAX_STARTUP).contains(n)).ok_or(StartupError::Length(len))?;
    let Some(body) = rest.get(..size - 4) else { return Ok(Progress::Incomplete { need: size }) };
    let mut body = Reader::new(body);
    let code = body.u32().ok_or(StartupError::Length(len))?;
    let packet = match code {
        SSL_REQUEST | GSSENC_REQUEST => {
            if !body.is_empty() {
                return Err(StartupError::Length(len));
            }
            if buffer.len() > size {
                return Err(StartupError::BytesBehindRequest);
            }
            if code == SSL_REQUEST { Packet::SslRequest } else { Packet::GssEncRequest }
        }
        CANCEL_REQUEST => Packet::Cancel(cancel(body)?),
        version => Packet::Startup(startup(version, body)?),
    };
    Ok(Progress::Complete { packet, size })
}

fn cancel(mut body: Reader<'_>) -> Result<CancelKey, StartupError> {
    let pid = body.u32().ok_or(StartupError::CancelKey(0))?;
    let secret = body.rest();
    CancelKey::new(pid, secret).ok_or(StartupError::CancelKey(secret.len()))
}

fn startup(version: u32, mut body: Reader<'_>) -> Result<Startup, StartupError> {
    let [a, b, c, d] = version.to_be_bytes();
    let version = Version { major: u16::from_be_bytes([a, b]), minor: u16::from_be_bytes([c, d]) };
    if version.major != 3 {
        return Err(StartupError::Version { major: version.major, minor: version.minor });
    }
    let mut user = None;
    let mut database = None;
    let mut options = None;
    let mut parameters: Vec<(String, String)> = Vec::new();
    let mut protocol_options: Vec<String> = Vec::new();
    for count in 0.. {
        let name = text(&mut body)?;
        if name.is_empty() {
            break;
        }
        if count == MAX_PARAMETERS {
            return Err(StartupError::TooManyParameters);
        }
        let value = text(&mut body)?;
        let seen = match name {
            "user" => user.replace(value.to_owned()).is_some(),
            "database" => database.replace(value.to_owned()).is_some(),
            "options" => options.replace(Options::parse(value)?).is_some(),
            name if name.starts_with("_pq_.") => {
                let seen = protocol_options.iter().any(|n| n == name);
                protocol_options.push(name.to_owned());
                seen
            }
            name => {
                let seen = parameters.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
                parameters.push((name.to_owned(), value.to_owned()));
                seen
            }
        };
        if seen {
            return Err(StartupError::Duplicate(name.to_owned()));
        }
    }
    if !body.is_empty() {
        return Err(StartupError::Unterminated);
    }
    let user = user.filter(|u| !u.is_empty()).ok_or(StartupError::NoUser)?;
    let database = database.filter(|d| !d.is_empty()).unwrap_or_else(|| user.clone());
    for (what, name) in [("user", &user), ("database", &database)] {
        if name.len() > MAX_NAME || super::super::inert(name) != name.as_str() {
            return Err(StartupError::Name(what));
        }
    }
    Ok(Startup { version, user, database, options: options.unwrap_or_default(), parameters, protocol_options })
}

fn text<'a>(body: &mut Reader<'a>) -> Result<&'a str, StartupError> {
    std::str::from_utf8(body.cstr().ok_or(StartupError::Unterminated)?).map_err(|_| StartupError::NotUtf8)
}

/// A server's answer to SSLRequest, out of everything that it has sent so far: `Some(true)` to begin TLS, `Some(false)`
/// when it has none, `None` when nothing has come yet.
///
/// # Errors
/// When more than the one byte has come (CVE-2021-23222), or another byte.
pub fn ssl_reply(buffer: &[u8]) -> Result<Option<bool>, StartupError> {
    match buffer {
        [] => Ok(None),
        [b'S'] => Ok(Some(true)),
        [b'N'] => Ok(Some(false)),
        [b'S' | b'N', _, ..] => Err(StartupError::BytesBehindRequest),
        [_, ..] => Err(StartupError::Unterminated),
    }
}
