//! When each open grant is over by the monotonic clock. INVARIANT I14: a wall clock that steps back must not keep it open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ajar_core::id::GrantId;
use ajar_core::port::Mono;
use ajar_core::time::{Span, Timestamp};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Spans(Mutex<Ends>);

#[derive(Debug, Default)]
struct Ends {
    of: BTreeMap<GrantId, End>,
    /// Those that the timer has not been told of yet, the next to end first: it looks often, and there may be many.
    in_order: BTreeSet<(Mono, GrantId)>,
}

/// A grant's end by both clocks.
#[derive(Debug, Clone, Copy)]
struct End {
    mono: Mono,
    wall: Timestamp,
}

impl Ends {
    fn remove(&mut self, grant: GrantId) {
        if let Some(end) = self.of.remove(&grant) {
            self.in_order.remove(&(end.mono, grant));
        }
    }

    fn begin(&mut self, grant: GrantId, end: End) {
        self.remove(grant);
        self.of.insert(grant, end);
        self.in_order.insert((end.mono, grant));
    }
}

fn later(mono: Mono, by: Span) -> Mono {
    Mono(mono.0.saturating_add(u64::try_from(Duration::from(by).as_nanos()).unwrap_or(u64::MAX)))
}

impl Spans {
    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A grant that ends at `wall` has so much time left.
    pub(crate) fn begin(&self, grant: GrantId, now: Mono, left: Span, wall: Timestamp) {
        self.ends().begin(grant, End { mono: later(now, left), wall });
    }

    /// The same for a grant that goes on from `from`: what it adds counts from that one's end, on each clock.
    pub(crate) fn go_on(&self, from: GrantId, grant: GrantId, now: Mono, left: Span, wall: Timestamp) {
        let mut ends = self.ends();
        let most = ends.of.get(&from).map_or(Mono(u64::MAX), |end| later(end.mono, wall.since(end.wall)));
        ends.begin(grant, End { mono: later(now, left).min(most), wall });
    }

    /// A grant is closing.
    pub(crate) fn end(&self, grant: GrantId) {
        self.ends().remove(grant);
    }

    /// Whether a grant's time is over.
    pub(crate) fn is_over(&self, grant: GrantId, now: Mono) -> bool {
        self.ends().of.get(&grant).is_some_and(|end| end.mono <= now)
    }

    /// The grants whose time is over, told once. They stay over until they are closing.
    pub(crate) fn over(&self, now: Mono) -> Vec<GrantId> {
        let mut ends = self.ends();
        let over: Vec<_> = ends.in_order.iter().take_while(|(end, _)| *end <= now).copied().collect();
        for told in &over {
            ends.in_order.remove(told);
        }
        over.into_iter().map(|(_, grant)| grant).collect()
    }

    /// How long until the next is over.
    pub(crate) fn next(&self, now: Mono) -> Option<Duration> {
        self.ends().in_order.first().map(|(end, _)| Duration::from_nanos(end.0.saturating_sub(now.0)))
    }
}
