//! Typed ids with visible prefixes: the one registry of them.
//!
//! Text form is a TypeID: `<prefix>_<26 characters of Crockford base32>` over a `UUIDv7`
//! (<https://github.com/jetify-com/typeid/tree/main/spec>). Ids are made by the shell's injected
//! source and handed in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters in the text form behind the prefix.
const SUFFIX: usize = 26;

/// A text that is not an id of the expected type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a {expected} id: it looks like {expected}_01h455vb4pex5vsknk084sn02q")]
pub struct ParseIdError {
    expected: &'static str,
    text: String,
}

fn encode(uuid: Uuid) -> String {
    let mut value = uuid.as_u128();
    let mut out = [0u8; SUFFIX];
    for slot in out.iter_mut().rev() {
        let digit = usize::try_from(value & 31).unwrap_or(0);
        *slot = ALPHABET.get(digit).copied().unwrap_or(b'0');
        value >>= 5;
    }
    out.iter().map(|b| char::from(*b)).collect()
}

fn decode(text: &str) -> Option<Uuid> {
    if text.len() != SUFFIX || !text.starts_with(|c: char| c.is_ascii_digit() && c < '8') {
        return None;
    }
    let mut value: u128 = 0;
    for byte in text.bytes() {
        let digit = ALPHABET.iter().position(|a| *a == byte)?;
        value = (value << 5) | u128::try_from(digit).ok()?;
    }
    Some(Uuid::from_u128(value))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name(Uuid);

            impl $name {
                /// The visible prefix, without the underscore.
                pub const PREFIX: &'static str = $prefix;

                /// Wraps a `UUIDv7` from the injected source.
                #[must_use]
                pub fn new(uuid: Uuid) -> Self { Self(uuid) }

                /// The UUID inside.
                #[must_use]
                pub fn uuid(self) -> Uuid { self.0 }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, "{}_{}", $prefix, encode(self.0))
                }
            }

            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
            }

            impl FromStr for $name {
                type Err = ParseIdError;
                fn from_str(text: &str) -> Result<Self, ParseIdError> {
                    text.strip_prefix($prefix)
                        .and_then(|rest| rest.strip_prefix('_'))
                        .and_then(decode)
                        .map(Self)
                        .ok_or_else(|| ParseIdError { expected: $prefix, text: text.chars().take(64).collect() })
                }
            }

            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.collect_str(self) }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                    let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                    text.parse().map_err(serde::de::Error::custom)
                }
            }
        )*
    };
}

ids! {
    /// A request for access.
    RequestId = "req";
    /// A review of a request.
    ReviewId = "rev";
    /// An access window.
    GrantId = "grant";
    /// A credential on a target.
    LeaseId = "lease";
    /// A connection, held or live.
    SessionId = "sess";
    /// A user or workload. Names are personal and live beside the ledger; this id is what events carry.
    PrincipalId = "prin";
    /// A lock on a principal or a resource.
    LockId = "lock";
    /// Somebody who is asked instead of somebody else, for a time.
    DelegationId = "deleg";
    /// An approve that is given beforehand.
    PreapprovalId = "pre";
    /// A review that is owed for an emergency.
    DebtId = "debt";
    /// An API token.
    TokenId = "tok";
    /// A passkey of a principal's.
    PasskeyId = "pk";
    /// The command that caused events.
    CommandId = "cmd";
}

/// Where ids come from: the shell's injected source of `UUIDv7`s.
pub trait Ids {
    /// A fresh `UUIDv7`.
    fn uuid(&mut self) -> Uuid;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_follows_the_typeid_specification() {
        let uuid: Uuid = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert_eq!(RequestId::new(uuid).to_string(), "req_01h455vb4pex5vsknk084sn02q");
        assert_eq!("req_01h455vb4pex5vsknk084sn02q".parse::<RequestId>().unwrap().uuid(), uuid);
    }

    #[test]
    fn other_prefixes_lengths_and_overflow_are_refused() {
        for bad in [
            "grant_01h455vb4pex5vsknk084sn02q",
            "req_",
            "req_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "req_01H455VB4PEX5VSKNK084SN02Q",
            "req_01h455vb4pex5vsknk084sn02qq",
        ] {
            assert!(bad.parse::<RequestId>().is_err(), "{bad}");
        }
    }
}
