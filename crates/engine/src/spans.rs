//! When each open grant is over by the monotonic clock. INVARIANT I14: a wall clock that steps back must not keep it open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ajar_core::id::GrantId;
use ajar_core::port::Mono;
use ajar_core::time::Span;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Spans(Mutex<Ends>);

#[derive(Debug, Default)]
struct Ends {
    of: BTreeMap<GrantId, Mono>,
    /// The same, the next to end first: the timer looks often, and there may be many.
    in_order: BTreeSet<(Mono, GrantId)>,
}

impl Ends {
    fn remove(&mut self, grant: GrantId) {
        if let Some(end) = self.of.remove(&grant) {
            self.in_order.remove(&(end, grant));
        }
    }
}

impl Spans {
    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A grant has so much time left.
    pub(crate) fn begin(&self, grant: GrantId, now: Mono, left: Span) {
        let left = u64::try_from(Duration::from(left).as_nanos()).unwrap_or(u64::MAX);
        let end = Mono(now.0.saturating_add(left));
        let mut ends = self.ends();
        ends.remove(grant);
        ends.of.insert(grant, end);
        ends.in_order.insert((end, grant));
    }

    /// A grant is closing.
    pub(crate) fn end(&self, grant: GrantId) {
        self.ends().remove(grant);
    }

    /// Whether a grant's time is over.
    pub(crate) fn is_over(&self, grant: GrantId, now: Mono) -> bool {
        self.ends().of.get(&grant).is_some_and(|end| *end <= now)
    }

    /// Takes out the grants whose time is over.
    pub(crate) fn over(&self, now: Mono) -> Vec<GrantId> {
        let mut ends = self.ends();
        let over: Vec<_> = ends.in_order.iter().take_while(|(end, _)| *end <= now).map(|(_, grant)| *grant).collect();
        over.iter().for_each(|grant| ends.remove(*grant));
        over
    }

    /// How long until the next is over.
    pub(crate) fn next(&self, now: Mono) -> Option<Duration> {
        self.ends().in_order.first().map(|(end, _)| Duration::from_nanos(end.0.saturating_sub(now.0)))
    }
}
