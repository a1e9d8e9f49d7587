//! The orders that live sessions obey: one watch for each, changed the moment a grant's closing is durable.

use std::collections::BTreeMap;
use std::sync::Mutex;

use ajar_core::id::{GrantId, SessionId};
use ajar_core::port::{CutReason, Order, OrderFeed};
use ajar_core::time::Timestamp;
use async_trait::async_trait;
use tokio::sync::watch;

/// Everyone who has to hear of a cut.
#[derive(Debug, Default)]
pub(crate) struct Orders(Mutex<BTreeMap<GrantId, BTreeMap<SessionId, watch::Sender<Order>>>>);

/// One session's orders.
#[derive(Debug)]
pub(crate) struct Feed(watch::Receiver<Order>);

#[async_trait]
impl OrderFeed for Feed {
    fn current(&self) -> Order {
        *self.0.borrow()
    }

    async fn changed(&mut self) -> Order {
        match self.0.changed().await {
            Ok(()) => *self.0.borrow_and_update(),
            // The control plane is gone: the deadline already held counts.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Orders {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<GrantId, BTreeMap<SessionId, watch::Sender<Order>>>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A session under `grant` begins.
    pub(crate) fn enrol(&self, grant: GrantId, session: SessionId, until: Timestamp) -> Feed {
        let (sender, receiver) = watch::channel(Order::Until(until));
        self.lock().entry(grant).or_default().insert(session, sender);
        Feed(receiver)
    }

    /// A session is over.
    pub(crate) fn dismiss(&self, grant: GrantId, session: SessionId) {
        let mut all = self.lock();
        if let Some(sessions) = all.get_mut(&grant) {
            sessions.remove(&session);
            if sessions.is_empty() {
                all.remove(&grant);
            }
        }
    }

    /// Cut every session of `grant`, now.
    pub(crate) fn cut(&self, grant: GrantId, reason: CutReason) {
        for sender in self.lock().get(&grant).into_iter().flat_map(BTreeMap::values) {
            sender.send_replace(Order::Cut(reason));
        }
    }

    /// Cut every session there is.
    pub(crate) fn cut_all(&self, reason: CutReason) {
        for sender in self.lock().values().flat_map(BTreeMap::values) {
            sender.send_replace(Order::Cut(reason));
        }
    }
}
