//! The whole log, read from the beginning.

use std::sync::Arc;

use ajar_core::event::Envelope;
use ajar_core::port::{Leaf, Store, StoreError};
use tokio::task::JoinSet;

use crate::engine::StartError;

/// Events that are read from the store at a time.
const PAGE: u32 = 5_000;

/// Pages of the log: the next one is read while the caller works on this one.
pub(crate) struct Log {
    store: Arc<dyn Store>,
    ahead: JoinSet<Result<Vec<Leaf>, StoreError>>,
}

impl Log {
    pub(crate) fn read(store: &Arc<dyn Store>) -> Self {
        let mut log = Self { store: Arc::clone(store), ahead: JoinSet::new() };
        log.read_from(0);
        log
    }

    fn read_from(&mut self, seq: u64) {
        let store = Arc::clone(&self.store);
        self.ahead.spawn(async move { store.leaves(seq, PAGE).await });
    }

    /// The next events, each with its leaf; none at the end.
    ///
    /// # Errors
    /// When the store or an event can't be read.
    pub(crate) async fn next(&mut self) -> Result<Vec<(Leaf, Envelope)>, StartError> {
        let Some(page) = self.ahead.join_next().await else { return Ok(Vec::new()) };
        let page = page.map_err(|error| StoreError::Failed(error.to_string()))??;
        if let Some(newest) = page.last() {
            self.read_from(newest.seq + 1);
        }
        let decoded = |leaf: Leaf| match Envelope::from_leaf(&leaf.bytes) {
            Ok(envelope) => Ok((leaf, envelope)),
            Err(source) => Err(StartError::Event { seq: leaf.seq, source }),
        };
        page.into_iter().map(decoded).collect()
    }
}
