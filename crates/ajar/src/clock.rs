//! The one place where the system's time and randomness come in.

use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use ajar_core::port::{Clock, Entropy, Mono};
use ajar_core::time::Timestamp;
use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng};
use uuid::Uuid;

/// The system's clocks.
#[derive(Debug)]
pub(crate) struct SystemClock(Instant);

impl SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the shell's one clock")]
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the shell's one clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn mono(&self) -> Mono {
        Mono(u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// A cryptographic generator, seeded by the system.
pub(crate) struct SystemEntropy(Mutex<StdRng>);

impl std::fmt::Debug for SystemEntropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SystemEntropy")
    }
}

impl SystemEntropy {
    /// # Errors
    /// When the system has no randomness to give.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let rng = StdRng::try_from_rng(&mut SysRng).map_err(|e| anyhow::anyhow!("the system has no randomness: {e}"))?;
        Ok(Self(Mutex::new(rng)))
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(out);
    }

    fn uuid(&self, now: Timestamp) -> Uuid {
        let mut random = [0; 10];
        self.fill(&mut random);
        uuid::Builder::from_unix_timestamp_millis(u64::try_from(now.as_millis()).unwrap_or(0), &random).into_uuid()
    }
}
