//! Until when a session may go on, and the order to cut it.
//!
//! INVARIANT I09: the deadline is held here and needs nobody. INVARIANT I14: it is kept on both clocks, and the earlier
//! counts. INVARIANT I07: no order moves it beyond the end of the signed grant.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use ajar_core::port::{Clock, CutReason, Mono, Order, OrderFeed};
use ajar_core::time::Timestamp;
use tokio::sync::watch;

/// Sessions end this much before the deadline rather than after it: timers tick in milliseconds.
pub(crate) const LEAD: Duration = Duration::from_millis(2);
const LEAD_MS: i64 = 2;

/// What concerns every session at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Signal {
    /// How often a clock was seen to have stepped.
    pub(crate) steps: u64,
    /// The gateway stops.
    pub(crate) stopping: bool,
}

/// A deadline on both clocks. Checked before each forward.
pub(crate) struct Deadline {
    clock: Arc<dyn Clock>,
    wall: AtomicI64,
    mono: AtomicU64,
}

impl std::fmt::Debug for Deadline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Deadline({})", self.wall.load(Ordering::Relaxed))
    }
}

impl Deadline {
    fn new(clock: Arc<dyn Clock>, until: Timestamp) -> Self {
        let deadline = Self { clock, wall: AtomicI64::new(0), mono: AtomicU64::new(0) };
        deadline.set(until);
        deadline
    }

    fn set(&self, until: Timestamp) {
        let left = until.since(self.clock.now()).as_millis().saturating_mul(1_000_000);
        self.wall.store(until.as_millis(), Ordering::Relaxed);
        self.mono.store(self.clock.mono().0.saturating_add(left), Ordering::Relaxed);
    }

    /// The monotonic clock, if there is time left to forward something; none when it is time to cut.
    #[inline]
    pub(crate) fn check(&self) -> Option<Mono> {
        let mono = self.clock.mono();
        let lead = LEAD.as_nanos() as u64;
        let in_time = mono.0.saturating_add(lead) < self.mono.load(Ordering::Relaxed)
            && self.clock.now().as_millis() + LEAD_MS < self.wall.load(Ordering::Relaxed);
        in_time.then_some(mono)
    }

    /// What is left until the deadline itself, by the clock that reaches it first.
    pub(crate) fn left(&self) -> Duration {
        let mono = self.mono.load(Ordering::Relaxed).saturating_sub(self.clock.mono().0);
        let wall = self.wall.load(Ordering::Relaxed).saturating_sub(self.clock.now().as_millis());
        Duration::from_nanos(mono).min(Duration::from_millis(u64::try_from(wall).unwrap_or(0)))
    }

    /// How long after the deadline this reading was.
    pub(crate) fn lateness_of(&self, at: Mono) -> Duration {
        Duration::from_nanos(at.0.saturating_sub(self.mono.load(Ordering::Relaxed)))
    }
}

/// What a session has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Tell the client that it ends in so many seconds.
    Warning(u64),
    /// Cut.
    Cut(CutReason),
}

/// Watches the orders, the clocks and the gateway's own stopping for one session.
pub(crate) struct Cut {
    orders: Box<dyn OrderFeed>,
    signal: watch::Receiver<Signal>,
    deadline: Arc<Deadline>,
    /// The end of the signed grant.
    cap: Timestamp,
    /// What is in force.
    until: Timestamp,
    /// Warn when this much is left; none once it is done.
    warn: Option<Duration>,
}

impl std::fmt::Debug for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cut({:?})", self.deadline)
    }
}

impl Cut {
    /// From the order in force on, for a grant that ends at `cap`.
    pub(crate) fn new(
        orders: Box<dyn OrderFeed>,
        signal: watch::Receiver<Signal>,
        clock: Arc<dyn Clock>,
        cap: Timestamp,
        warn: Duration,
    ) -> Self {
        let until = match orders.current() {
            Order::Until(until) => until.min(cap),
            Order::Cut(_) => cap,
        };
        Self { orders, signal, deadline: Arc::new(Deadline::new(clock, until)), cap, until, warn: Some(warn) }
    }

    /// The deadline, for checking before each forward.
    pub(crate) fn deadline(&self) -> Arc<Deadline> {
        Arc::clone(&self.deadline)
    }

    /// What is due now, if anything.
    fn now(&mut self) -> Option<Due> {
        match self.orders.current() {
            Order::Cut(reason) => return Some(Due::Cut(reason)),
            Order::Until(until) => {
                let until = until.min(self.cap);
                if until != self.until {
                    self.until = until;
                    self.deadline.set(until);
                }
            }
        }
        if self.deadline.check().is_none() {
            return Some(Due::Cut(CutReason::Expired));
        }
        if self.signal.borrow_and_update().stopping {
            return Some(Due::Cut(CutReason::ServerStopping));
        }
        None
    }

    /// Waits for the next thing to do. Cancel-safe.
    pub(crate) async fn due(&mut self) -> Due {
        self.wait(true).await
    }

    /// Waits for the cut alone; the warning is still owed then. Cancel-safe.
    pub(crate) async fn reached(&mut self) -> CutReason {
        loop {
            if let Due::Cut(reason) = self.wait(false).await {
                return reason;
            }
        }
    }

    async fn wait(&mut self, warns: bool) -> Due {
        loop {
            if let Some(due) = self.now() {
                return due;
            }
            let left = self.deadline.left();
            let warn = self.warn.filter(|_| warns);
            if warn.is_some_and(|warn| left <= warn) {
                self.warn = None;
                return Due::Warning(left.as_secs());
            }
            let sleep = match warn {
                Some(warn) => left.saturating_sub(warn),
                None => left.saturating_sub(LEAD),
            };
            tokio::select! {
                biased;
                _ = self.orders.changed() => {}
                stepped = self.signal.changed() => {
                    if stepped.is_err() {
                        return Due::Cut(CutReason::ServerStopping);
                    }
                }
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }
}
