//! What can go wrong, by a seed: waits, errors, a full disk, a target that is down, clocks that step, and the crash.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ajar_core::id::GrantId;
use ajar_core::port::{Clock, Entropy, Mono};
use ajar_core::time::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use tokio::time::Instant;
use uuid::Uuid;

/// Where the wall clock begins.
const BEGINNING: i64 = 1_800_000_000_000;

/// The state of the world outside.
pub(crate) struct State {
    pub(crate) rng: StdRng,
    /// One in so many operations crashes the process; 0 for never.
    pub(crate) crash: u32,
    /// One in so many operations fails; 0 for never.
    pub(crate) fail: u32,
    pub(crate) disk_full: bool,
    pub(crate) target_down: bool,
    /// The process is dead: nothing that it does has an effect.
    pub(crate) crashed: bool,
    /// How far the wall clock was stepped, in milliseconds.
    pub(crate) step: i64,
    /// Virtual time that earlier lives of the process took.
    before: Duration,
    /// When this life began.
    begun: Option<Instant>,
    /// What happened, for whoever has to find out why.
    pub(crate) story: Vec<String>,
    /// What must not have happened.
    pub(crate) wrong: Vec<String>,
    /// When each grant that was opened is over, by the time that really passed.
    pub(crate) ends: BTreeMap<GrantId, Duration>,
    /// The same as the log has it.
    pub(crate) ends_at: BTreeMap<GrantId, Timestamp>,
}

/// Shared by the store, the target and the clocks.
pub(crate) struct Weather {
    state: Mutex<State>,
    gone: tokio::sync::Notify,
}

impl Weather {
    pub(crate) fn of(seed: u64) -> Self {
        let state = State {
            rng: StdRng::seed_from_u64(seed),
            crash: 0,
            fail: 0,
            disk_full: false,
            target_down: false,
            crashed: false,
            step: 0,
            before: Duration::ZERO,
            begun: None,
            story: Vec::new(),
            wrong: Vec::new(),
            ends: BTreeMap::new(),
            ends_at: BTreeMap::new(),
        };
        Self { state: Mutex::new(state), gone: tokio::sync::Notify::new() }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One in `n`.
    pub(crate) fn one_in(&self, n: u32) -> bool {
        n > 0 && self.state().rng.random_range(0..n) == 0
    }

    pub(crate) fn below(&self, n: u32) -> u32 {
        self.state().rng.random_range(0..n)
    }

    /// Time that really passed since the first life began.
    pub(crate) fn passed(&self) -> Duration {
        let state = self.state();
        state.before + state.begun.map_or(Duration::ZERO, |begun| begun.elapsed())
    }

    pub(crate) fn tell(&self, what: impl Into<String>) {
        let at = self.passed();
        self.state().story.push(format!("{at:>12.3?} {}", what.into()));
    }

    pub(crate) fn blame(&self, what: impl Into<String>) {
        let what = what.into();
        self.tell(format!("WRONG: {what}"));
        self.state().wrong.push(what);
    }

    /// A process begins.
    pub(crate) fn begin(&self) {
        let mut state = self.state();
        state.begun = Some(Instant::now());
        state.crashed = false;
    }

    /// The process is over.
    pub(crate) fn end(&self) {
        let passed = self.passed();
        let mut state = self.state();
        state.before = passed;
        state.begun = None;
    }

    /// The process is killed now.
    pub(crate) fn kill(&self) {
        self.tell("killed");
        self.state().crashed = true;
        self.gone.notify_one();
    }

    /// Waits for the crash.
    pub(crate) async fn crashed(&self) {
        self.gone.notified().await;
    }

    /// A step of something outside: takes some time, and may be the last thing that the process does.
    pub(crate) async fn step(&self, what: &str) {
        let (wild, wait, crash) = {
            let mut state = self.state();
            let wild = state.crash > 0 || state.fail > 0;
            (wild, state.rng.random_range(0..30), state.crash)
        };
        if wild {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            if !self.state().crashed && self.one_in(crash) {
                self.tell(format!("at {what}:"));
                self.kill();
            }
        }
        if self.state().crashed {
            std::future::pending::<()>().await;
        }
    }

    /// Whether this one fails.
    pub(crate) fn fails(&self) -> bool {
        let fail = self.state().fail;
        self.one_in(fail)
    }
}

impl Clock for Weather {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.passed().as_millis()).unwrap();
        Timestamp::from_millis(BEGINNING + passed + self.state().step)
    }

    fn mono(&self) -> Mono {
        // A process's own: it begins anew with each life.
        let begun = self.state().begun;
        Mono(begun.map_or(0, |begun| u64::try_from(begun.elapsed().as_nanos()).unwrap()))
    }
}

impl Entropy for Weather {
    fn fill(&self, out: &mut [u8]) {
        self.state().rng.fill_bytes(out);
    }

    fn uuid(&self, now: Timestamp) -> Uuid {
        let mut random = [0; 10];
        self.fill(&mut random);
        uuid::Builder::from_unix_timestamp_millis(u64::try_from(now.as_millis()).unwrap(), &random).into_uuid()
    }
}
