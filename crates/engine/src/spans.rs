//! When each open grant is over by the monotonic clock. INVARIANT I14: a wall clock that steps back must not keep it open.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ajar_core::id::GrantId;
use ajar_core::port::Mono;
use ajar_core::time::Span;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Spans(Mutex<BTreeMap<GrantId, Mono>>);

impl Spans {
    fn ends(&self) -> MutexGuard<'_, BTreeMap<GrantId, Mono>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A grant has so much time left.
    pub(crate) fn begin(&self, grant: GrantId, now: Mono, left: Span) {
        let left = u64::try_from(Duration::from(left).as_nanos()).unwrap_or(u64::MAX);
        self.ends().insert(grant, Mono(now.0.saturating_add(left)));
    }

    /// A grant is closing.
    pub(crate) fn end(&self, grant: GrantId) {
        self.ends().remove(&grant);
    }

    /// Whether a grant's time is over.
    pub(crate) fn is_over(&self, grant: GrantId, now: Mono) -> bool {
        self.ends().get(&grant).is_some_and(|end| *end <= now)
    }

    /// Takes out the grants whose time is over.
    pub(crate) fn over(&self, now: Mono) -> Vec<GrantId> {
        self.ends().extract_if(.., |_, end| *end <= now).map(|(grant, _)| grant).collect()
    }

    /// How long until the next is over.
    pub(crate) fn next(&self, now: Mono) -> Option<Duration> {
        self.ends().values().min().map(|end| Duration::from_nanos(end.0.saturating_sub(now.0)))
    }
}
