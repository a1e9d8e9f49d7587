//! CancelRequests: ours in, the target's out.
//!
//! Clients get keys of our own making; only while their session lives does such a key lead to the target's key (P5).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ajar_core::port::Entropy;
use ajar_wire::pg::messages;
use ajar_wire::pg::startup::{CancelKey, Version};
use subtle::ConstantTimeEq;
use tokio::sync::Notify;

use super::dial::Route;

/// How long forwarding one may take.
const LIMIT: Duration = Duration::from_secs(5);

/// What a key leads to.
#[derive(Debug)]
enum Leads {
    /// A connection that waits: cancelling ends the wait.
    Waiting(Arc<Notify>),
    /// A live session on a target.
    Target(Arc<Route>, CancelKey),
    /// Nowhere (any more).
    Nowhere,
}

#[derive(Debug)]
struct Entry {
    secret: Vec<u8>,
    leads: Mutex<Leads>,
    /// One is being forwarded: others meanwhile say nothing new.
    busy: AtomicBool,
}

/// All keys that clients hold.
#[derive(Debug, Default)]
pub(crate) struct Cancels(Mutex<HashMap<u32, Arc<Entry>>>);

/// One session's key. It stops working when this is dropped.
#[derive(Debug)]
pub(crate) struct Registered {
    all: Arc<Cancels>,
    pid: u32,
    entry: Arc<Entry>,
}

impl Cancels {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Arc<Entry>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a key for a client that speaks `version`. `waiting` is notified when it is used before there is a target.
    pub(crate) fn register(self: &Arc<Self>, entropy: &dyn Entropy, version: Version, waiting: Arc<Notify>) -> Registered {
        let mut secret = vec![0; if version >= Version::V3_2 { 32 } else { 4 }];
        entropy.fill(&mut secret);
        let entry = Arc::new(Entry { secret, leads: Mutex::new(Leads::Waiting(waiting)), busy: AtomicBool::new(false) });
        let mut all = self.lock();
        loop {
            let mut pid = [0; 4];
            entropy.fill(&mut pid);
            // Clients read it as a signed number, and some show it.
            let pid = u32::from_be_bytes(pid) >> 1;
            if pid != 0 && !all.contains_key(&pid) {
                all.insert(pid, Arc::clone(&entry));
                return Registered { all: Arc::clone(self), pid, entry };
            }
        }
    }

    /// Obeys a CancelRequest, or ignores it: the client can't tell which.
    pub(crate) async fn obey(&self, key: &CancelKey) {
        let entry = self.lock().get(&key.pid).cloned();
        let Some(entry) = entry.filter(|entry| bool::from(entry.secret.ct_eq(&key.secret))) else {
            metrics::counter!("ajar_gateway_cancels_total", "outcome" => "ignored").increment(1);
            return;
        };
        if entry.busy.swap(true, Ordering::AcqRel) {
            return;
        }
        let target = match &*entry.leads() {
            Leads::Waiting(notify) => {
                notify.notify_one();
                None
            }
            Leads::Target(route, key) => Some((Arc::clone(route), key.clone())),
            Leads::Nowhere => None,
        };
        if let Some((route, key)) = target {
            let forwarded = tokio::time::timeout(LIMIT, forward(&route, &key)).await;
            let outcome = if matches!(forwarded, Ok(Ok(()))) { "forwarded" } else { "failed" };
            metrics::counter!("ajar_gateway_cancels_total", "outcome" => outcome).increment(1);
        }
        entry.busy.store(false, Ordering::Release);
    }
}

async fn forward(route: &Route, key: &CancelKey) -> std::io::Result<()> {
    let mut stream = route.connect().await.map_err(std::io::Error::other)?;
    let mut request = Vec::new();
    messages::cancel_request(&mut request, key);
    stream.write(&request).await?;
    // The target closes when it has passed the signal on; our client may rely on the order.
    let mut nothing = Vec::new();
    while stream.fill(&mut nothing).await? > 0 && nothing.len() < 1_024 {}
    Ok(())
}

impl Entry {
    fn leads(&self) -> std::sync::MutexGuard<'_, Leads> {
        self.leads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registered {
    /// The key for the client.
    pub(crate) fn key(&self) -> CancelKey {
        CancelKey { pid: self.pid, secret: self.entry.secret.clone() }
    }

    /// From now on it cancels on the target.
    pub(crate) fn lead_to(&self, route: Arc<Route>, target: Option<CancelKey>) {
        *self.entry.leads() = target.map_or(Leads::Nowhere, |key| Leads::Target(route, key));
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        *self.entry.leads() = Leads::Nowhere;
        self.all.lock().remove(&self.pid);
    }
}
