//! SCRAM keys per lease, so that a connection costs no password hashing.
//!
//! Kept until the grant's end, at most so many; wiped when forgotten.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ajar_core::id::LeaseId;
use ajar_core::port::LeaseSecret;
use ajar_core::time::Timestamp;
use ajar_wire::pg::scram::{ScramError, ScramKeys};

/// The most leases whose keys are kept.
const MAX: usize = 1_024;
/// The iteration count of the verifiers that the connector mints logins with.
const ITERATIONS: u32 = 4_096;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Keys(Mutex<HashMap<LeaseId, (Timestamp, ScramKeys)>>);

impl Keys {
    /// The keys of a lease, derived at its first use.
    pub(crate) async fn of(&self, lease: LeaseId, secret: &LeaseSecret, ends_at: Timestamp) -> Result<ScramKeys, ScramError> {
        if let Some((_, keys)) = self.lock().get(&lease) {
            return Ok(keys.clone());
        }
        let secret = secret.clone();
        let derive = move || ScramKeys::derive(secret.password.expose(), &secret.salt, ITERATIONS);
        // Stretching takes milliseconds: other sessions' cuts must not wait for it.
        let keys = tokio::task::spawn_blocking(derive).await.map_err(|_| ScramError::Parameters)??;
        let mut all = self.lock();
        if all.len() >= MAX {
            let first_to_end = all.iter().min_by_key(|(_, (ends_at, _))| *ends_at).map(|(lease, _)| *lease);
            first_to_end.and_then(|lease| all.remove(&lease));
        }
        all.insert(lease, (ends_at, keys.clone()));
        Ok(keys)
    }

    /// Forgets what is over.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.lock().retain(|_, (ends_at, _)| now < *ends_at);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<LeaseId, (Timestamp, ScramKeys)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
