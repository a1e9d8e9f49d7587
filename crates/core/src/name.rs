//! Validated names. A name that exists as one of these types holds no quote, control character,
//! slash or space, whatever it is later put into.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that can't be a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a {what}: use 1 to {max} characters, starting with a lower-case letter or digit, then any of a-z 0-9 {extra}")]
pub struct InvalidName {
    what: &'static str,
    max: usize,
    extra: &'static str,
    text: String,
}

fn valid(text: &str, max: usize, extra: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= max && text.starts_with(plain) && text.chars().all(|c| plain(c) || (c != ' ' && extra.contains(c)))
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $what:literal, $max:literal, $extra:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name(Arc<str>);

            impl $name {
                /// The text.
                #[must_use]
                pub fn as_str(&self) -> &str { &self.0 }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(&self.0) }
            }

            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Debug::fmt(&self.0, f) }
            }

            impl AsRef<str> for $name {
                fn as_ref(&self) -> &str { &self.0 }
            }

            impl FromStr for $name {
                type Err = InvalidName;
                fn from_str(text: &str) -> Result<Self, InvalidName> {
                    if valid(text, $max, $extra) {
                        Ok(Self(text.into()))
                    } else {
                        Err(InvalidName { what: $what, max: $max, extra: $extra, text: text.chars().take(64).flat_map(char::escape_debug).collect() })
                    }
                }
            }

            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.serialize_str(&self.0) }
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

names! {
    /// A resource, as in `orders-db`.
    ResourceName = "resource name", 63, ". _ -";
    /// A role on a resource, as in `read`.
    RoleName = "role name", 63, ". _ -";
    /// A group of principals.
    GroupName = "group name", 63, ". _ -";
    /// A rule.
    RuleName = "rule name", 63, ". _ -";
    /// A schedule of who is on call.
    ScheduleName = "schedule name", 63, ". _ -";
    /// What a principal signs in as: `dev`, or an address such as `dev@example.org`.
    PrincipalName = "principal name", 63, ". _ - @ +";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p06_names_hold_nothing_that_could_be_quoted_or_escaped() {
        for bad in ["", "-a", "A", "a b", "a'b", "a\"b", "a;b", "a\u{0}b", "ä", "a\nb", "a/b", "../a", &"a".repeat(64)] {
            assert!(bad.parse::<ResourceName>().is_err(), "{bad:?}");
            assert!(bad.parse::<PrincipalName>().is_err(), "{bad:?}");
        }
        for good in ["orders-db", "0", "a.b_c-d"] {
            assert_eq!(good.parse::<ResourceName>().unwrap().as_str(), good);
        }
        assert!("dev+x@example.org".parse::<PrincipalName>().is_ok());
        assert!("dev@example".parse::<ResourceName>().is_err());
    }
}
