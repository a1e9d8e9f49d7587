//! Salted commitments: what the ledger holds instead of a personal or sensitive value.
//!
//! The event carries `SHA-256("ajar/commitment/v1" ‖ salt ‖ value)`; the salt and the value are a
//! [`Disclosure`] that lives beside the ledger and can be erased (I18) without touching a leaf.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

const DOMAIN: &[u8] = b"ajar/commitment/v1";

/// A salted hash of a value. Text form: `c1_` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commitment([u8; 32]);

/// 32 random bytes from the injected source.
pub type Salt = [u8; 32];

/// The value behind a commitment, with what it takes to check it.
#[derive(Clone, PartialEq, Eq)]
pub struct Disclosure {
    /// What the event carries.
    pub commitment: Commitment,
    /// The salt.
    pub salt: Salt,
    /// The value.
    pub value: String,
}

impl fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Disclosure({})", self.commitment)
    }
}

impl Commitment {
    /// Commits to `value`.
    #[must_use]
    pub fn of(salt: &Salt, value: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(DOMAIN);
        hash.update(salt);
        hash.update(value.as_bytes());
        Self(hash.finalize().into())
    }

    /// The hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From a hash that was stored.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl Disclosure {
    /// Seals `value` with a fresh salt.
    #[must_use]
    pub fn seal(salt: Salt, value: String) -> Self {
        Self { commitment: Commitment::of(&salt, &value), salt, value }
    }

    /// Whether the value is the one committed to.
    #[must_use]
    pub fn holds(&self) -> bool {
        Commitment::of(&self.salt, &self.value) == self.commitment
    }
}

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("c1_")?;
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a commitment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a commitment: c1_ and 64 lower-case hexadecimal digits")]
pub struct ParseCommitmentError;

impl FromStr for Commitment {
    type Err = ParseCommitmentError;
    fn from_str(text: &str) -> Result<Self, ParseCommitmentError> {
        let hex = text.strip_prefix("c1_").filter(|h| h.len() == 64).ok_or(ParseCommitmentError)?;
        let mut out = [0u8; 32];
        let digit = |b: u8| match b {
            b'0'..=b'9' => Ok(b - b'0'),
            b'a'..=b'f' => Ok(b - b'a' + 10),
            _ => Err(ParseCommitmentError),
        };
        for (slot, pair) in out.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let [high, low] = pair else { return Err(ParseCommitmentError) };
            *slot = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(out))
    }
}

impl Serialize for Commitment {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Commitment {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i18_a_commitment_checks_its_value_and_nothing_else() {
        let sealed = Disclosure::seal([7; 32], "INC-7: fix stuck order".into());
        assert!(sealed.holds());
        assert_eq!(sealed.commitment.to_string().parse::<Commitment>().unwrap(), sealed.commitment);
        assert!(!Disclosure { value: "INC-8".into(), ..sealed.clone() }.holds());
        assert!(!Disclosure { salt: [8; 32], ..sealed }.holds());
        assert!("c1_00".parse::<Commitment>().is_err());
    }
}
