//! Who is there: who has the stream of events open, or has used the API a short while ago. In memory only, and for showing only: nothing
//! is decided by it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ajar_core::id::PrincipalId;
use ajar_core::port::{Clock, Mono, Refusal, RefusalKind};
use ajar_core::time::Span;

use crate::engine::Engine;
use crate::people::Caller;
use crate::refusal::refusal;

/// Who used the API so recently is there.
const RECENTLY: Span = Span::from_secs(5 * 60);
/// Principals that are remembered; beyond it whoever was seen longest ago is forgotten.
const REMEMBERED: usize = 10_000;
/// Streams that somebody may have open at once: each tab has one, each watched session another.
const STREAMS_OF_ONE: u32 = 32;
/// Streams of everybody's: each is woken for every event.
const STREAMS: u32 = 4_096;

#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Mono,
    /// Streams of events that they have open.
    streams: u32,
}

impl Seen {
    fn is_there(self, now: Mono) -> bool {
        self.streams > 0 || now.0.saturating_sub(self.at.0) < RECENTLY.as_millis().saturating_mul(1_000_000)
    }
}

/// Who was seen when.
#[derive(Debug, Default)]
pub(crate) struct Presence(Mutex<BTreeMap<PrincipalId, Seen>>);

impl Presence {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<PrincipalId, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody opened a stream; whether there was room for it.
    fn open(&self, who: PrincipalId, now: Mono) -> bool {
        let (theirs, all) = {
            let seen = self.lock();
            (seen.get(&who).map_or(0, |s| s.streams), seen.values().map(|s| s.streams).sum::<u32>())
        };
        let room = theirs < STREAMS_OF_ONE && all < STREAMS;
        if room {
            self.see(who, 1, now);
        }
        room
    }

    /// Somebody did something, or opened `streams` streams.
    fn see(&self, who: PrincipalId, streams: u32, now: Mono) {
        let mut seen = self.lock();
        if seen.len() >= REMEMBERED && !seen.contains_key(&who) {
            seen.retain(|_, s| s.is_there(now));
            let oldest = || seen.iter().filter(|(_, s)| s.streams == 0).min_by_key(|(_, s)| s.at).map(|(id, _)| *id);
            if seen.len() >= REMEMBERED {
                match oldest() {
                    Some(oldest) => drop(seen.remove(&oldest)),
                    // All have a stream open: whoever comes on top of them is not shown.
                    None => return,
                }
            }
        }
        let entry = seen.entry(who).or_insert(Seen { at: now, streams: 0 });
        *entry = Seen { at: now, streams: entry.streams.saturating_add(streams) };
    }

    /// One of their streams ended. They are there for a while yet.
    fn leave(&self, who: PrincipalId, now: Mono) {
        if let Some(seen) = self.lock().get_mut(&who) {
            *seen = Seen { at: now, streams: seen.streams.saturating_sub(1) };
        }
    }

    /// Which of them are there, in the order in which they are asked about.
    fn online(&self, of: &[PrincipalId], now: Mono) -> Vec<PrincipalId> {
        let seen = self.lock();
        of.iter().filter(|id| seen.get(id).is_some_and(|s| s.is_there(now))).copied().collect()
    }
}

/// A stream of events or of a session that somebody has open: it ends with this.
pub struct Attending {
    presence: Arc<Presence>,
    clock: Arc<dyn Clock>,
    who: PrincipalId,
}

impl std::fmt::Debug for Attending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Attending({})", self.who)
    }
}

impl Drop for Attending {
    fn drop(&mut self) {
        self.presence.leave(self.who, self.clock.mono());
    }
}

impl Engine {
    /// The caller is there now: they use the API.
    pub fn seen(&self, caller: &Caller) {
        self.presence.see(caller.principal, 0, self.clock.mono());
    }

    /// The caller is there for as long as what comes back is kept: they have a stream open.
    ///
    /// # Errors
    /// When they, or all together, have too many open.
    pub fn attend(&self, caller: &Caller) -> Result<Attending, Refusal> {
        if self.presence.open(caller.principal, self.clock.mono()) {
            return Ok(Attending { presence: Arc::clone(&self.presence), clock: Arc::clone(&self.clock), who: caller.principal });
        }
        let hint = Some("close pages and watches that you don't look at".into());
        Err(refusal(RefusalKind::Unavailable, "too many streams are open at once", None, hint))
    }

    /// Which of these are there, in their order: who has the stream of events open, or used the API in the last five minutes.
    #[must_use]
    pub fn online(&self, of: &[PrincipalId]) -> Vec<PrincipalId> {
        self.presence.online(of, self.clock.mono())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn somebody(n: u128) -> PrincipalId {
        PrincipalId::new(Uuid::from_u128(n))
    }

    fn at(seconds: u64) -> Mono {
        Mono(seconds * 1_000_000_000)
    }

    #[test]
    fn somebody_is_there_for_five_minutes_after_they_did_something() {
        let (presence, all) = (Presence::default(), [somebody(2), somebody(1)]);
        assert!(presence.online(&all, at(0)).is_empty());
        presence.see(somebody(1), 0, at(1));
        assert_eq!(presence.online(&all, at(1)), [somebody(1)]);
        assert_eq!(presence.online(&all, at(300)), [somebody(1)]);
        assert!(presence.online(&all, at(301)).is_empty());
        presence.see(somebody(1), 0, at(400));
        presence.see(somebody(2), 0, at(500));
        assert_eq!(presence.online(&all, at(650)), [somebody(2), somebody(1)], "in the order in which they are asked about");
        assert!(presence.online(&[], at(650)).is_empty());
    }

    #[test]
    fn somebody_is_there_as_long_as_one_of_their_streams_is_open_and_a_while_yet() {
        let (presence, all) = (Presence::default(), [somebody(1)]);
        presence.see(somebody(1), 1, at(0));
        presence.see(somebody(1), 1, at(0));
        presence.leave(somebody(1), at(10));
        assert_eq!(presence.online(&all, at(100_000)), all);
        presence.leave(somebody(1), at(100_000));
        assert_eq!(presence.online(&all, at(100_299)), all);
        assert!(presence.online(&all, at(100_300)).is_empty());
        // One end too many counts for nothing.
        presence.leave(somebody(1), at(100_400));
        presence.see(somebody(1), 1, at(100_400));
        assert_eq!(presence.online(&all, at(200_000)), all);
    }

    #[test]
    fn o02_nobody_opens_streams_without_end_and_all_together_neither() {
        let presence = Presence::default();
        let opened = |who, most: u32| (0..most + 5).filter(|_| presence.open(somebody(who), at(0))).count();
        assert_eq!(opened(1, STREAMS_OF_ONE), STREAMS_OF_ONE as usize);
        presence.leave(somebody(1), at(1));
        assert!(presence.open(somebody(1), at(1)), "one that ended makes room");
        let others: usize = (2..500).map(|who| opened(who, STREAMS_OF_ONE)).sum();
        assert_eq!(others, (STREAMS - STREAMS_OF_ONE) as usize);
    }

    #[test]
    fn o02_it_remembers_so_many_and_who_has_a_stream_open_is_not_forgotten() {
        let presence = Presence::default();
        presence.see(somebody(0), 1, at(0));
        for n in 0..(REMEMBERED as u128 + 500) {
            presence.see(somebody(n + 1), 0, at(1 + u64::try_from(n).unwrap() / 1_000));
        }
        assert_eq!(presence.lock().len(), REMEMBERED);
        let newest = somebody(REMEMBERED as u128 + 500);
        assert_eq!(presence.online(&[somebody(0), somebody(1), newest], at(20)), [somebody(0), newest]);
    }
}
