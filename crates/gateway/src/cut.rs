//! Until when a session may go on, and the order to cut it.
//!
//! INVARIANT I09: the deadline is held here and needs nobody. INVARIANT I14: it is kept on both clocks, and the earlier
//! counts. INVARIANT I07: no order moves it beyond the end of the signed grant. An order may hand over another signed grant that
//! extends it: that counts only when it verifies here, and is for the same principal, resource and role.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use ajar_core::permit::{Claims, GrantVerifier, Permit, SignedGrant};
use ajar_core::port::{Clock, CutReason, Mono, Order, OrderFeed};
use ajar_core::time::{Span, Timestamp};
use tokio::sync::watch;

use crate::listener::Shared;

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

/// Waits until the gateway stops. Cancel-safe.
pub(crate) async fn stopping(signal: &mut watch::Receiver<Signal>) {
    drop(signal.wait_for(|signal| signal.stopping).await);
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

    /// So much later than it was, and no later than `until`. INVARIANT I14: the time that the monotonic clock had left is what it adds to.
    fn add(&self, more: Span, until: Timestamp) {
        let most = self.mono.load(Ordering::Relaxed).saturating_add(more.as_millis().saturating_mul(1_000_000));
        self.set(until);
        self.mono.fetch_min(most, Ordering::Relaxed);
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

    /// The deadline, by the wall clock.
    pub(crate) fn until(&self) -> Timestamp {
        Timestamp::from_millis(self.wall.load(Ordering::Relaxed))
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
    /// Tell the client that it goes on, under the grant that its claims name now.
    Extended,
    /// Cut.
    Cut(CutReason),
}

/// Watches the orders, the clocks and the gateway's own stopping for one session.
pub(crate) struct Cut {
    orders: Box<dyn OrderFeed>,
    signal: watch::Receiver<Signal>,
    verifier: GrantVerifier,
    deadline: Arc<Deadline>,
    /// Of the grant in force. Its end is the latest that the deadline can be.
    claims: Claims,
    /// What is in force.
    until: Timestamp,
    /// Warn when this much is left.
    warning: Duration,
    /// Whether that is still to be done.
    warns: bool,
    /// Whether the client is still to be told that it goes on.
    extended: bool,
}

impl std::fmt::Debug for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cut({:?})", self.deadline)
    }
}

impl Cut {
    /// From the order in force on, under the grant of `permit`. Warns `warning` before the end, or less for a short grant.
    pub(crate) fn new(orders: Box<dyn OrderFeed>, shared: &Shared, permit: &Permit) -> Self {
        let claims = permit.claims().clone();
        let until = claims.ends_at;
        Self {
            orders,
            signal: shared.signal.subscribe(),
            verifier: shared.verifier.clone(),
            deadline: Arc::new(Deadline::new(Arc::clone(&shared.clock), until)),
            claims,
            until,
            warning: shared.limits.warning,
            warns: true,
            extended: false,
        }
    }

    /// What the grant in force allows.
    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
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
                let until = until.min(self.claims.ends_at);
                if until != self.until {
                    self.until = until;
                    self.deadline.set(until);
                }
            }
            Order::GoOn(signed) => self.go_on(&signed),
        }
        if self.deadline.check().is_none() {
            return Some(Due::Cut(CutReason::Expired));
        }
        if self.signal.borrow_and_update().stopping {
            return Some(Due::Cut(CutReason::ServerStopping));
        }
        None
    }

    /// Moves on to the grant that extends the one in force. INVARIANT A11: whoever can't sign for the control plane moves nothing. What is
    /// over does not go on: the deadline that is held counts first.
    fn go_on(&mut self, signed: &SignedGrant) {
        let held = &self.claims;
        if signed.claims.grant == held.grant || self.deadline.check().is_none() {
            return;
        }
        let permit = match self.verifier.permit(signed, self.deadline.clock.now()) {
            Ok(permit) => permit,
            Err(why) => {
                return tracing::warn!(grant.id = %held.grant, %why, "an extension does not verify: the session ends as it would have");
            }
        };
        let claims = permit.claims();
        let same = claims.principal == held.principal && claims.resource == held.resource && claims.role == held.role;
        if !same || claims.ends_at <= held.ends_at {
            return tracing::warn!(grant.id = %held.grant, "an extension is not for this session: it ends as it would have");
        }
        self.deadline.add(claims.ends_at.since(self.until), claims.ends_at);
        (self.until, self.claims) = (claims.ends_at, claims.clone());
        (self.warns, self.extended) = (true, true);
    }

    /// When to warn: early enough, but not as long as most of the grant is still to come.
    fn warning(&self) -> Duration {
        self.warning.min(Duration::from_millis(self.claims.ends_at.since(self.claims.starts_at).as_millis() / 4))
    }

    /// Waits for the next thing to do. Cancel-safe.
    pub(crate) async fn due(&mut self) -> Due {
        self.wait(true).await
    }

    /// Waits for the cut alone; what is to be told is still owed then. Cancel-safe.
    pub(crate) async fn reached(&mut self) -> CutReason {
        loop {
            if let Due::Cut(reason) = self.wait(false).await {
                return reason;
            }
        }
    }

    async fn wait(&mut self, tells: bool) -> Due {
        loop {
            if let Some(due) = self.now() {
                return due;
            }
            if tells && std::mem::take(&mut self.extended) {
                return Due::Extended;
            }
            let left = self.deadline.left();
            let warn = (tells && self.warns).then(|| self.warning());
            if warn.is_some_and(|warn| left <= warn) {
                self.warns = false;
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
