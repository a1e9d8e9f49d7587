//! Time and randomness, injected.

use uuid::Uuid;

use crate::time::Timestamp;

/// A reading of the monotonic clock: nanoseconds since some start. It never goes back and never steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mono(pub u64);

/// The wall clock and the monotonic clock. INVARIANT I14: a deadline is kept by whichever reaches it first.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// The monotonic clock.
    fn mono(&self) -> Mono;
}

/// Cryptographic randomness and ids, from one seeded source.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `out` with random bytes.
    fn fill(&self, out: &mut [u8]);
    /// A random number.
    fn number(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_be_bytes(bytes)
    }
    /// A `UUIDv7` for the instant `now`.
    fn uuid(&self, now: Timestamp) -> Uuid;
}
