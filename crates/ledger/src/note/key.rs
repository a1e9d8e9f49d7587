//! Keys of notes and their text forms: `name+id+base64(0x01 ‖ public key)`, and with `PRIVATE+KEY+` in front for the secret one.

use std::fmt;
use std::str::FromStr;

use ajar_core::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Ed25519, in the registry of signature types.
const ED25519: u8 = 0x01;
const PRIVATE: &str = "PRIVATE+KEY+";
/// The longest name of a key, in bytes.
const MAX_NAME: usize = 255;
/// The longest text form of a key, in bytes.
const MAX_KEY: usize = 512;

/// A text or name that makes no key. Never shows the text: it may have been a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The name.
    #[error("a key's name has 1 to {MAX_NAME} bytes, no spaces, no control characters and no '+'")]
    Name,
    /// The form.
    #[error("not a key: expected name+id+base64, with PRIVATE+KEY+ in front of a secret one")]
    Form,
    /// The algorithm.
    #[error("the key is of a kind that is not known here: only Ed25519 (type 1) is")]
    Algorithm,
    /// The id is not the key's.
    #[error("the key's id doesn't fit its name and bytes: it was mistyped or changed")]
    Id,
}

/// A public key with its name: what a verifier trusts. Text form: `name+id+base64`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    key: VerifyingKey,
}

impl VerifierKey {
    /// A key from its 32 bytes (RFC 8032).
    ///
    /// # Errors
    /// When the name is none, or the bytes are no usable point.
    pub fn new(name: &str, public: &[u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(public).map_err(|_| KeyError::Form)?;
        if !is_name(name) {
            return Err(KeyError::Name);
        }
        // With a weak key, anybody can make a signature.
        if key.is_weak() {
            return Err(KeyError::Form);
        }
        Ok(Self::named(name, key))
    }

    fn named(name: &str, key: VerifyingKey) -> Self {
        Self { name: name.to_owned(), id: key_id(name, &key), key }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of `SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key)`.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its 32 bytes (RFC 8032).
    #[must_use]
    pub fn public(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    pub(super) fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|s| self.key.verify_strict(text, &s).is_ok())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [[ED25519].as_slice(), self.public()].concat();
        write!(f, "{}+{:08x}+{}", self.name, self.id, STANDARD.encode(bytes))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, id, bytes) = parts(text)?;
        let key = Self::new(name, &bytes)?;
        if key.id == id { Ok(key) } else { Err(KeyError::Id) }
    }
}

/// A secret key with its name. INVARIANT I17: `Debug` shows the public half only; the bytes are wiped when dropped.
#[derive(Clone)]
pub struct Signer {
    key: SigningKey,
    verifier: VerifierKey,
}

impl Signer {
    /// A key from the 32 random bytes that are its seed (RFC 8032).
    ///
    /// # Errors
    /// When the name is none.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        if !is_name(name) {
            return Err(KeyError::Name);
        }
        let key = SigningKey::from_bytes(seed);
        let verifier = VerifierKey::named(name, key.verifying_key());
        Ok(Self { key, verifier })
    }

    /// Reads `PRIVATE+KEY+name+id+base64`.
    ///
    /// # Errors
    /// When the text is no such key.
    pub fn from_text(text: &Secret) -> Result<Self, KeyError> {
        let (name, id, seed) = parts(text.expose().strip_prefix(PRIVATE).ok_or(KeyError::Form)?)?;
        let signer = Self::from_seed(name, &seed)?;
        if signer.verifier.id == id { Ok(signer) } else { Err(KeyError::Id) }
    }

    /// `PRIVATE+KEY+name+id+base64`.
    #[must_use]
    pub fn to_text(&self) -> Secret {
        let bytes = Zeroizing::new([[ED25519].as_slice(), self.key.as_bytes()].concat());
        let encoded = Zeroizing::new(STANDARD.encode(&*bytes));
        Secret::new(format!("{PRIVATE}{}+{:08x}+{}", self.verifier.name, self.verifier.id, *encoded))
    }

    /// The public half.
    #[must_use]
    pub fn verifier(&self) -> VerifierKey {
        self.verifier.clone()
    }

    pub(super) fn sign(&self, text: &[u8]) -> [u8; 64] {
        self.key.sign(text).to_bytes()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.verifier)
    }
}

/// Whether a key may be called so: not empty, no spaces, no plus; and, beyond the specification, short and without control characters.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME && !name.contains(|c: char| c == '+' || c.is_whitespace() || c.is_control())
}

/// The name, id and 32 bytes of either kind of key.
fn parts(text: &str) -> Result<(&str, u32, Zeroizing<[u8; 32]>), KeyError> {
    if text.len() > MAX_KEY {
        return Err(KeyError::Form);
    }
    let mut fields = text.splitn(3, '+');
    let (Some(name), Some(id), Some(encoded)) = (fields.next(), fields.next(), fields.next()) else { return Err(KeyError::Form) };
    if !is_name(name) {
        return Err(KeyError::Name);
    }
    if id.len() != 8 || !id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(KeyError::Form);
    }
    let id = u32::from_str_radix(id, 16).map_err(|_| KeyError::Form)?;
    let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| KeyError::Form)?);
    match bytes.split_first() {
        Some((&ED25519, key)) => Ok((name, id, Zeroizing::new(key.try_into().map_err(|_| KeyError::Form)?))),
        Some(_) => Err(KeyError::Algorithm),
        None => Err(KeyError::Form),
    }
}

fn key_id(name: &str, key: &VerifyingKey) -> u32 {
    let hash: [u8; 32] = Sha256::new().chain_update(name).chain_update([b'\n', ED25519]).chain_update(key.as_bytes()).finalize().into();
    let [a, b, c, d, ..] = hash;
    u32::from_be_bytes([a, b, c, d])
}
