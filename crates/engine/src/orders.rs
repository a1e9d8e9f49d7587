//! The orders that live sessions obey: one watch for each, changed the moment a grant's closing or extension is durable.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ajar_core::id::{GrantId, SessionId};
use ajar_core::permit::SignedGrant;
use ajar_core::port::{CutReason, Order, OrderFeed};
use ajar_core::time::Timestamp;
use async_trait::async_trait;
use tokio::sync::watch;

/// Everyone who has to hear of a cut.
#[derive(Debug, Default)]
pub(crate) struct Orders(Mutex<Enrolled>);

#[derive(Debug, Default)]
struct Enrolled {
    of: BTreeMap<GrantId, BTreeMap<SessionId, watch::Sender<Order>>>,
    /// Under which grant each session is: it may have moved on since it came.
    under: BTreeMap<SessionId, GrantId>,
}

/// One session's orders.
#[derive(Debug)]
pub(crate) struct Feed(watch::Receiver<Order>);

#[async_trait]
impl OrderFeed for Feed {
    fn current(&self) -> Order {
        self.0.borrow().clone()
    }

    async fn changed(&mut self) -> Order {
        match self.0.changed().await {
            Ok(()) => self.0.borrow_and_update().clone(),
            // The control plane is gone: the deadline already held counts.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Orders {
    fn lock(&self) -> MutexGuard<'_, Enrolled> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session under `grant` begins.
    pub(crate) fn enrol(&self, grant: GrantId, session: SessionId, until: Timestamp) -> Feed {
        let (sender, receiver) = watch::channel(Order::Until(until));
        let mut all = self.lock();
        all.of.entry(grant).or_default().insert(session, sender);
        all.under.insert(session, grant);
        Feed(receiver)
    }

    /// A session is over.
    pub(crate) fn dismiss(&self, session: SessionId) {
        let mut all = self.lock();
        let Some(grant) = all.under.remove(&session) else { return };
        if let Some(sessions) = all.of.get_mut(&grant) {
            sessions.remove(&session);
            if sessions.is_empty() {
                all.of.remove(&grant);
            }
        }
    }

    /// What is under `from` goes on under the grant that extends it, which each session checks for itself. What is cut stays so.
    pub(crate) fn go_on(&self, from: GrantId, signed: &Arc<SignedGrant>) {
        let to = signed.claims.grant;
        let mut all = self.lock();
        let moved = all.of.remove(&from).unwrap_or_default();
        for (session, sender) in &moved {
            sender.send_if_modified(|order| {
                let cut = matches!(order, Order::Cut(_));
                if !cut {
                    *order = Order::GoOn(Arc::clone(signed));
                }
                !cut
            });
            all.under.insert(*session, to);
        }
        if !moved.is_empty() {
            all.of.entry(to).or_default().extend(moved);
        }
    }

    /// Cut every session of `grant`, now.
    pub(crate) fn cut(&self, grant: GrantId, reason: CutReason) {
        for sender in self.lock().of.get(&grant).into_iter().flat_map(BTreeMap::values) {
            sender.send_replace(Order::Cut(reason));
        }
    }

    /// Cut this session, now.
    pub(crate) fn cut_one(&self, session: SessionId, reason: CutReason) {
        let all = self.lock();
        let sender = all.under.get(&session).and_then(|grant| all.of.get(grant)).and_then(|sessions| sessions.get(&session));
        if let Some(sender) = sender {
            sender.send_replace(Order::Cut(reason));
        }
    }

    /// Cut every session there is.
    pub(crate) fn cut_all(&self, reason: CutReason) {
        for sender in self.lock().of.values().flat_map(BTreeMap::values) {
            sender.send_replace(Order::Cut(reason));
        }
    }
}
