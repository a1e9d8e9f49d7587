//! A brake on guessing passwords: so many tries a minute from one address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use ajar_core::port::{Mono, Refusal, RefusalKind};

use crate::refusal::refusal;

/// Tries that an address has at once.
const BURST: f64 = 20.0;
/// Tries that it gets back each second.
const REFILL: f64 = 20.0 / 60.0;
/// Addresses that are remembered; beyond it the fullest are forgotten.
const REMEMBERED: usize = 10_000;

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Mono,
}

/// Token buckets by address.
#[derive(Debug, Default)]
pub(crate) struct SignInLimit(Mutex<BTreeMap<IpAddr, Bucket>>);

impl SignInLimit {
    /// Takes one try.
    pub(crate) fn check(&self, client: IpAddr, now: Mono) -> Result<(), Refusal> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= REMEMBERED {
            buckets.retain(|_, b| refilled(*b, now) < BURST);
        }
        if buckets.len() >= REMEMBERED {
            buckets.clear();
        }
        let bucket = buckets.entry(client).or_insert(Bucket { tokens: BURST, at: now });
        let tokens = refilled(*bucket, now);
        *bucket = Bucket { tokens: (tokens - 1.0).max(0.0), at: now };
        if tokens >= 1.0 {
            return Ok(());
        }
        Err(refusal(RefusalKind::BadCredential, "too many sign-ins from this address", None, Some("wait a minute and try again".into())))
    }
}

fn refilled(bucket: Bucket, now: Mono) -> f64 {
    let seconds = std::time::Duration::from_nanos(now.0.saturating_sub(bucket.at.0)).as_secs_f64();
    (bucket.tokens + seconds * REFILL).min(BURST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_is_slowed_and_recovers() {
        let limit = SignInLimit::default();
        let client: IpAddr = "192.0.2.1".parse().unwrap();
        let at = |s: u64| Mono(s * 1_000_000_000);
        assert_eq!((0..100).filter(|_| limit.check(client, at(1)).is_ok()).count(), 20);
        assert!(limit.check("192.0.2.2".parse().unwrap(), at(1)).is_ok(), "others are not slowed");
        assert!(limit.check(client, at(5)).is_ok());
        assert!(limit.check(client, at(5)).is_err());
    }
}
