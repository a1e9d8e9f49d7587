//! Brakes on those who try too often: so many at once, and so many more as time goes by.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use ajar_core::port::Mono;

/// Who is remembered; beyond it those are forgotten who have everything back.
const REMEMBERED: usize = 10_000;

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Mono,
}

/// What addresses of one place have in common: whoever has one IPv6 address has the others of its /64, too.
pub(crate) fn place(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
    }
}

/// Token buckets, one for each `K`.
#[derive(Debug)]
pub(crate) struct Brake<K> {
    burst: f64,
    per_second: f64,
    buckets: Mutex<BTreeMap<K, Bucket>>,
}

impl<K: Ord> Brake<K> {
    /// `burst` at once, and as many again within each `burst / per_minute` minutes.
    pub(crate) fn new(burst: u32, per_minute: u32) -> Self {
        Self { burst: f64::from(burst), per_second: f64::from(per_minute) / 60.0, buckets: Mutex::default() }
    }

    /// Takes one. `false` when there is none left.
    pub(crate) fn take(&self, key: K, now: Mono) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= REMEMBERED {
            buckets.retain(|_, b| self.refilled(*b, now) < self.burst);
        }
        if buckets.len() >= REMEMBERED {
            buckets.clear();
        }
        let bucket = buckets.entry(key).or_insert(Bucket { tokens: self.burst, at: now });
        let tokens = self.refilled(*bucket, now);
        *bucket = Bucket { tokens: (tokens - 1.0).max(0.0), at: now };
        tokens >= 1.0
    }

    fn refilled(&self, bucket: Bucket, now: Mono) -> f64 {
        let seconds = std::time::Duration::from_nanos(now.0.saturating_sub(bucket.at.0)).as_secs_f64();
        (bucket.tokens + seconds * self.per_second).min(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o02_addresses_of_one_network_are_one_place() {
        let place = |text: &str| super::place(text.parse().unwrap());
        assert_eq!(place("2001:db8:1:2:3:4:5:6"), place("2001:db8:1:2:ffff::1"));
        assert_ne!(place("2001:db8:1:2::1"), place("2001:db8:1:3::1"));
        assert_eq!(place("::ffff:192.0.2.7"), place("192.0.2.7"));
        assert_ne!(place("192.0.2.7"), place("192.0.2.8"));
    }

    #[test]
    fn who_tries_too_often_is_slowed_and_recovers() {
        let brake = Brake::new(20, 20);
        let at = |s: u64| Mono(s * 1_000_000_000);
        assert_eq!((0..100).filter(|_| brake.take("one", at(1))).count(), 20);
        assert!(brake.take("another", at(1)), "others are not slowed");
        assert!(brake.take("one", at(5)));
        assert!(!brake.take("one", at(5)));
    }
}
