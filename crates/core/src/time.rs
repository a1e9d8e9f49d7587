//! Instants and lengths of time, in milliseconds. Nothing here reads a clock.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant: milliseconds since 1970-01-01T00:00:00Z. Text form is RFC 3339 in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Latest instant that RFC 3339 can write (year 9999).
    pub const MAX: Self = Self(253_402_207_200_000);
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// From milliseconds since the epoch, clamped to what RFC 3339 can write.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(0, Self::MAX.0))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// This instant, `span` later; saturates at [`Timestamp::MAX`].
    #[must_use]
    pub fn after(self, span: Span) -> Self {
        Self::from_millis(self.0.saturating_add(i64::try_from(span.0).unwrap_or(i64::MAX)))
    }

    /// This instant, `span` earlier; saturates at [`Timestamp::EPOCH`].
    #[must_use]
    pub fn before(self, span: Span) -> Self {
        Self::from_millis(self.0.saturating_sub(i64::try_from(span.0).unwrap_or(i64::MAX)))
    }

    /// How long from `earlier` to this instant; zero if it isn't earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Span {
        Span(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => Err(fmt::Error),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not an RFC 3339 instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an instant: write it like 2026-01-31T17:00:00Z, with a zone")]
pub struct ParseTimestampError;

impl FromStr for Timestamp {
    type Err = ParseTimestampError;
    fn from_str(text: &str) -> Result<Self, ParseTimestampError> {
        let parsed: jiff::Timestamp = text.parse().map_err(|_| ParseTimestampError)?;
        let millis = parsed.as_millisecond();
        if (0..=Self::MAX.0).contains(&millis) { Ok(Self(millis)) } else { Err(ParseTimestampError) }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A length of time in milliseconds, never negative. Text form: `90s`, `10m`, `1h30m`, `2d`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(u64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest that may be written: 366 days.
    pub const MAX: Self = Self::from_secs(366 * 24 * 3600);

    /// From milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// From seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// In milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        Self::from_millis(span.0)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
            let count = rest / size;
            rest %= size;
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a usable length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a length of time: write it like 30s, 10m, 1h30m or 2d; longer than nothing, at most 366d")]
pub struct ParseSpanError;

impl FromStr for Span {
    type Err = ParseSpanError;
    /// Zero, negative, fractional, overlong and unit-less texts are refused (T3).
    fn from_str(text: &str) -> Result<Self, ParseSpanError> {
        let mut total: u64 = 0;
        let mut rest = text.trim();
        if rest.len() > 32 {
            return Err(ParseSpanError);
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or(ParseSpanError)?;
            let (number, tail) = rest.split_at(digits);
            let unit_len = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
            let (unit, next) = tail.split_at(unit_len);
            let size: u64 = match unit {
                "ms" => 1,
                "s" => 1000,
                "m" | "min" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(ParseSpanError),
            };
            let part = number.parse::<u64>().ok().and_then(|n| n.checked_mul(size)).ok_or(ParseSpanError)?;
            total = total.checked_add(part).ok_or(ParseSpanError)?;
            rest = next;
        }
        if total == 0 || total > Self::MAX.0 { Err(ParseSpanError) } else { Ok(Self(total)) }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t03_a_span_is_longer_than_nothing_and_bounded() {
        for bad in ["", "0", "0s", "-5m", "10", "m", "1.5h", "99999999999999999999s", "367d", "1w", "5m-1s", "ⅷm"] {
            assert!(bad.parse::<Span>().is_err(), "{bad:?}");
        }
        assert_eq!("1h30m".parse::<Span>().unwrap(), Span::from_secs(5400));
        assert_eq!(Span::from_millis(93_784_005).to_string(), "1d2h3m4s5ms");
    }

    #[test]
    fn instants_round_trip_as_rfc_3339_in_milliseconds() {
        let t: Timestamp = "2026-11-24T01:00:00.25+01:00".parse().unwrap();
        assert_eq!(t.to_string(), "2026-11-24T00:00:00.250Z");
        assert_eq!(t.to_string().parse::<Timestamp>().unwrap(), t);
        assert!("2026-11-24T01:00:00".parse::<Timestamp>().is_err(), "a zone is required");
        assert_eq!(Timestamp::MAX.after(Span::MAX), Timestamp::MAX);
        assert!(Timestamp::MAX.to_string().parse::<Timestamp>().is_ok());
    }
}
