//! Lines of a recording on their way from whoever sees what happens, on whichever threads, to the session's keeper. It is woken for many at
//! once: waking another thread costs more than a request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::record::{BATCH, FULL};

/// Requests that one session may have under way.
const VISITS: usize = 1_024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Lines {
    waiting: Mutex<(Vec<u8>, u64)>,
    places: Arc<Semaphore>,
    some: Notify,
    many: Notify,
    room: Notify,
}

impl Default for Lines {
    fn default() -> Self {
        let places = Arc::new(Semaphore::new(VISITS));
        Self { waiting: Mutex::default(), places, some: Notify::new(), many: Notify::new(), room: Notify::new() }
    }
}

impl Lines {
    fn waiting(&self) -> MutexGuard<'_, (Vec<u8>, u64)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one request, whose line will be taken: waits while there is none, or the recording is behind.
    pub(crate) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        self.room().await;
        Some(place)
    }

    /// Waits while the recording is behind.
    pub(crate) async fn room(&self) {
        let full = || self.waiting().0.len() >= FULL;
        while full() {
            let room = self.room.notified();
            tokio::pin!(room);
            // Enrolled before it is looked again, so that no notice is missed.
            room.as_mut().enable();
            if full() {
                room.await;
            }
        }
    }

    /// Takes a line.
    pub(crate) fn push(&self, line: &[u8]) {
        let mut waiting = self.waiting();
        let before = waiting.0.len();
        waiting.0.extend_from_slice(line);
        waiting.1 += 1;
        let after = waiting.0.len();
        drop(waiting);
        if before == 0 {
            self.some.notify_one();
        }
        if before < BATCH && after >= BATCH {
            self.many.notify_one();
        }
    }

    /// All lines that wait, and how many they are.
    pub(crate) fn take(&self) -> (Vec<u8>, u64) {
        let taken = std::mem::take(&mut *self.waiting());
        self.room.notify_waiters();
        taken
    }

    /// Waits until there is something. Cancel-safe.
    pub(crate) async fn some(&self) {
        self.some.notified().await;
    }

    /// Waits until there is much. Cancel-safe.
    pub(crate) async fn many(&self) {
        self.many.notified().await;
    }
}
