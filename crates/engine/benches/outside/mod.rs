//! What an engine needs from outside, for benchmarks: the real clock, a seeded generator, targets on which nothing is done.

use std::sync::Mutex;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ajar_core::lease::{Intended, RevocationProof};
use ajar_core::port::{Clock, Connector, ConnectorError, Entropy, Finding, Found, LeaseSecret, Mono, Probe};
use ajar_core::resource::Resource;
use ajar_core::time::Timestamp;
use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

/// Targets on which nothing is ever done.
pub(crate) struct Nowhere;

#[async_trait]
impl Connector for Nowhere {
    async fn mint(&self, _: &Resource, _: &Intended, _: &LeaseSecret) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn prolong(&self, _: &Resource, _: &Intended) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn revoke(&self, _: &Resource, _: &Intended) -> Result<RevocationProof, ConnectorError> {
        Ok(gone())
    }

    async fn inspect(&self, _: &Resource) -> Result<Vec<Found>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn remove_unknown(&self, _: &Resource, _: &str) -> Result<RevocationProof, ConnectorError> {
        Ok(gone())
    }
}

#[async_trait]
impl Probe for Nowhere {
    async fn probe(&self, _: &Resource) -> Result<Vec<Finding>, ConnectorError> {
        Ok(Vec::new())
    }
}

fn gone() -> RevocationProof {
    RevocationProof { terminated: 0, owned: 0, findings: Vec::new(), asked: "?".into(), answer: "0".into() }
}

/// The clock and the dice.
pub(crate) struct Outside {
    begun: Instant,
    dice: Mutex<StdRng>,
}

impl Outside {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), dice: Mutex::new(StdRng::seed_from_u64(7)) }
    }
}

impl Clock for Outside {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap())
    }

    fn mono(&self) -> Mono {
        Mono(self.begun.elapsed().as_nanos().try_into().unwrap())
    }
}

impl Entropy for Outside {
    fn fill(&self, bytes: &mut [u8]) {
        self.dice.lock().unwrap().fill_bytes(bytes);
    }

    fn uuid(&self, now: Timestamp) -> Uuid {
        let mut random = [0; 10];
        self.fill(&mut random);
        uuid::Builder::from_unix_timestamp_millis(now.as_millis().try_into().unwrap(), &random).into_uuid()
    }
}
