//! The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677) from keys that were derived before, once per lease.
//!
//! No password and no stretching here at sign-in: a server that asks for another salt or iteration count than the keys'
//! own is refused, so none can make us hash (P3). Nonces come from the caller. The server must prove that it knows the
//! role's verifier.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The mechanism without channel binding.
pub const SCRAM_SHA_256: &str = "SCRAM-SHA-256";
/// The mechanism with channel binding.
pub const SCRAM_SHA_256_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// The longest message of a server that is read, in bytes.
pub const MAX_MESSAGE: usize = 1_024;
/// The shortest nonce of ours that is taken, in characters.
pub const MIN_NONCE: usize = 18;
/// The most iterations that keys are derived with.
pub const MAX_ITERATIONS: u32 = 1_000_000;
/// The longest salt, in bytes.
pub const MAX_SALT: usize = 64;

/// Why signing in by SCRAM failed. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// The password isn't printable ASCII (so that SASLprep would leave it as it is), or is empty.
    #[error("the password is not printable ASCII")]
    Password,
    /// A salt or an iteration count that keys can't be derived with.
    #[error("the salt or the iteration count is out of bounds")]
    Parameters,
    /// Our own nonce is too short, or holds what a nonce can't.
    #[error("the client's nonce is not usable")]
    ClientNonce,
    /// A server's message doesn't have its shape.
    #[error("the server's SCRAM message is malformed")]
    Malformed,
    /// The server's nonce doesn't extend ours.
    #[error("the server's nonce does not extend the client's")]
    ServerNonce,
    /// Another salt or iteration count than the keys'.
    #[error("the server asks for another salt or iteration count than the verifier it was given has")]
    Foreign,
    /// The server says that it failed.
    #[error("the server refused: {}", super::inert(.0))]
    Refused(String),
    /// The server doesn't know the verifier.
    #[error("the server could not prove that it knows the verifier")]
    ServerSignature,
}

/// What a password becomes for one salt and iteration count: enough to sign in as a client, to check the server, and to
/// write the verifier that a target stores. Wiped when dropped; `Debug` shows none of it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ScramKeys {
    client_key: [u8; 32],
    stored_key: [u8; 32],
    server_key: [u8; 32],
    salt: Vec<u8>,
    iterations: u32,
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramKeys(redacted)")
    }
}

impl ScramKeys {
    /// Derives the keys: `iterations` HMACs, so do it once.
    ///
    /// # Errors
    /// When the password isn't printable ASCII, or salt or iterations are empty or out of bounds.
    pub fn derive(password: &str, salt: &[u8], iterations: u32) -> Result<Self, ScramError> {
        if password.is_empty() || !password.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            return Err(ScramError::Password);
        }
        if salt.is_empty() || salt.len() > MAX_SALT || iterations == 0 || iterations > MAX_ITERATIONS {
            return Err(ScramError::Parameters);
        }
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, iterations, &mut salted);
        let client_key = hmac(&salted, &[b"Client Key"]);
        let server_key = hmac(&salted, &[b"Server Key"]);
        salted.zeroize();
        Ok(Self { client_key, stored_key: Sha256::digest(client_key).into(), server_key, salt: salt.to_vec(), iterations })
    }

    /// What PostgreSQL stores and takes in place of a password:
    /// `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`. Nobody can sign in with it alone.
    #[must_use]
    pub fn verifier(&self) -> String {
        let [salt, stored, server] = [&self.salt[..], &self.stored_key, &self.server_key].map(|bytes| BASE64.encode(bytes));
        format!("{SCRAM_SHA_256}${}:{salt}${stored}:{server}", self.iterations)
    }
}

/// What the connection under the exchange is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelBinding {
    /// No TLS, or none that could be bound.
    None,
    /// `tls-server-end-point` (RFC 5929): the hash of the server's certificate.
    TlsServerEndPoint(Vec<u8>),
}

impl ChannelBinding {
    /// The GSS header, and the data behind it, for a server that offers the mechanism with binding or doesn't.
    fn header(&self, bound: bool) -> (&'static str, &[u8]) {
        match self {
            Self::TlsServerEndPoint(hash) if bound => ("p=tls-server-end-point,,", hash),
            // "We could, but you didn't offer": a server that did offer it sees that somebody took it out.
            Self::TlsServerEndPoint(_) => ("y,,", &[]),
            Self::None => ("n,,", &[]),
        }
    }
}

/// Our first message is on its way; the server's first is expected.
#[derive(Debug)]
pub struct AwaitServerFirst {
    keys: ScramKeys,
    nonce: String,
    /// Base64 of header and binding data.
    binding: String,
}

/// Begins: gives the first message and the state that waits for the answer. `bound` chooses [`SCRAM_SHA_256_PLUS`]; it
/// needs binding data. The user name stays empty: PostgreSQL knows it from the start-up message.
///
/// # Errors
/// When the nonce is shorter than [`MIN_NONCE`], or holds a comma or anything but printable ASCII.
pub fn begin(keys: ScramKeys, nonce: &str, binding: &ChannelBinding, bound: bool) -> Result<(AwaitServerFirst, Vec<u8>), ScramError> {
    if nonce.len() < MIN_NONCE || !is_nonce(nonce) {
        return Err(ScramError::ClientNonce);
    }
    let (header, data) = binding.header(bound);
    let mut bound_to = header.as_bytes().to_vec();
    bound_to.extend_from_slice(data);
    let first = format!("{header}n=,r={nonce}").into_bytes();
    Ok((AwaitServerFirst { keys, nonce: nonce.to_owned(), binding: BASE64.encode(bound_to) }, first))
}

impl AwaitServerFirst {
    /// Takes the server's first message; gives the final one and the state that waits for the server's proof.
    ///
    /// # Errors
    /// When it is malformed, its nonce isn't an extension of ours, or its salt or iteration count isn't the keys' own.
    pub fn server_first(self, message: &[u8]) -> Result<(AwaitServerFinal, Vec<u8>), ScramError> {
        let server_first = text(message)?;
        let mut attributes = server_first.split(',');
        // A mandatory extension (`m=`) stands before the nonce: none is known, so the first must be the nonce.
        let nonce = attribute(attributes.next(), "r=")?;
        let salt = attribute(attributes.next(), "s=")?;
        let iterations = attribute(attributes.next(), "i=")?;
        if !is_nonce(nonce) || nonce.len() <= self.nonce.len() || !nonce.starts_with(&self.nonce) {
            return Err(ScramError::ServerNonce);
        }
        let salt = BASE64.decode(salt).map_err(|_| ScramError::Malformed)?;
        let iterations: u32 = iterations.parse().map_err(|_| ScramError::Malformed)?;
        if salt != self.keys.salt || iterations != self.keys.iterations {
            return Err(ScramError::Foreign);
        }
        let without_proof = format!("c={},r={nonce}", self.binding);
        let parts = [b"n=,r=", self.nonce.as_bytes(), b",", message, b",", without_proof.as_bytes()];
        let mut proof = hmac(&self.keys.stored_key, &parts);
        for (byte, key) in proof.iter_mut().zip(self.keys.client_key) {
            *byte ^= key;
        }
        let expected = hmac(&self.keys.server_key, &parts);
        let final_message = format!("{without_proof},p={}", BASE64.encode(proof)).into_bytes();
        Ok((AwaitServerFinal { expected }, final_message))
    }
}

/// Our final message is on its way; the server's proof is expected.
pub struct AwaitServerFinal {
    expected: [u8; 32],
}

impl fmt::Debug for AwaitServerFinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwaitServerFinal")
    }
}

/// The server has proven that it knows the verifier.
#[derive(Debug)]
pub struct ServerProven(());

impl AwaitServerFinal {
    /// Checks the server's signature, in constant time.
    ///
    /// # Errors
    /// When the server refuses, or its signature is wrong.
    pub fn server_final(self, message: &[u8]) -> Result<ServerProven, ScramError> {
        let mut attributes = text(message)?.split(',');
        let first = attributes.next();
        if let Ok(error) = attribute(first, "e=") {
            return Err(ScramError::Refused(error.to_owned()));
        }
        let signature = BASE64.decode(attribute(first, "v=")?).map_err(|_| ScramError::Malformed)?;
        if bool::from(signature.ct_eq(&self.expected)) { Ok(ServerProven(())) } else { Err(ScramError::ServerSignature) }
    }
}

fn text(message: &[u8]) -> Result<&str, ScramError> {
    if message.len() > MAX_MESSAGE {
        return Err(ScramError::Malformed);
    }
    std::str::from_utf8(message).map_err(|_| ScramError::Malformed)
}

fn attribute<'a>(part: Option<&'a str>, prefix: &str) -> Result<&'a str, ScramError> {
    part.and_then(|p| p.strip_prefix(prefix)).ok_or(ScramError::Malformed)
}

/// RFC 5802: printable ASCII without a comma.
fn is_nonce(text: &str) -> bool {
    text.bytes().all(|b| (0x21..0x7f).contains(&b) && b != b',')
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // RFC 2104: a short key is filled up with zeros to the block's size.
    let mut block = [0u8; 64];
    for (slot, byte) in block.iter_mut().zip(key) {
        *slot = *byte;
    }
    let mut mac = Hmac::<Sha256>::new(&block.into());
    block.zeroize();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;
