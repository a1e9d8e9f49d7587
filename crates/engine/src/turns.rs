//! Turns at what keeps a core busy: so many at once, and of each person one. Whoever asks for much waits for themselves, not others for them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ajar_core::id::PrincipalId;
use ajar_core::port::{Refusal, RefusalKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::refusal::refusal;

/// At once, of everybody's.
const AT_ONCE: usize = 2;
/// Of one person's, waiting or under way.
const OF_ONE: usize = 8;

/// See the module.
#[derive(Debug)]
pub(crate) struct Turns {
    shared: Arc<Semaphore>,
    own: Mutex<BTreeMap<PrincipalId, Arc<Semaphore>>>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _own: OwnedSemaphorePermit,
    _shared: OwnedSemaphorePermit,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self { shared: Arc::new(Semaphore::new(AT_ONCE)), own: Mutex::default() }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// When so many of theirs wait already that no more will.
    pub(crate) async fn take(&self, who: PrincipalId) -> Result<Turn, Refusal> {
        let mine = {
            let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            own.retain(|_, turns| Arc::strong_count(turns) > 1);
            let mine = own.entry(who).or_insert_with(|| Arc::new(Semaphore::new(1)));
            // One count is the map's; each that waits and each that is under way has another.
            if Arc::strong_count(mine) > OF_ONE {
                return Err(too_many());
            }
            Arc::clone(mine)
        };
        let own = mine.acquire_owned().await.map_err(|_| too_many())?;
        let shared = Arc::clone(&self.shared).acquire_owned().await.map_err(|_| too_many())?;
        Ok(Turn { _own: own, _shared: shared })
    }
}

fn too_many() -> Refusal {
    refusal(RefusalKind::Unavailable, "too much of yours is looked for at once", None, Some("wait for an answer, then ask again".into()))
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use uuid::Uuid;

    use super::*;

    fn somebody(n: u128) -> PrincipalId {
        PrincipalId::new(Uuid::from_u128(n))
    }

    #[tokio::test]
    async fn o02_who_asks_for_much_waits_for_themselves_and_nobody_for_them() {
        let turns = Turns::new();
        let first = turns.take(somebody(1)).await.unwrap();
        let mut waiting: Vec<_> = (1..OF_ONE).map(|_| Box::pin(turns.take(somebody(1)))).collect();
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.iter_mut().all(|turn| turn.as_mut().poll(&mut context).is_pending()));
        assert_eq!(turns.take(somebody(1)).await.unwrap_err().kind, RefusalKind::Unavailable, "nor do they wait without end");
        let other = turns.take(somebody(2)).await.unwrap();
        // Two at once in all.
        let mut third = Box::pin(turns.take(somebody(3)));
        assert!(third.as_mut().poll(&mut context).is_pending());
        drop(other);
        assert!(matches!(third.as_mut().poll(&mut context), Poll::Ready(Ok(_))));
        drop(first);
        assert!(matches!(waiting[0].as_mut().poll(&mut context), Poll::Ready(Ok(_))));
        drop(waiting);
        drop(third);
        drop(turns.take(somebody(4)).await.unwrap());
        assert!(turns.own.lock().unwrap().len() <= 1, "nobody is remembered whose turn is over");
    }
}
