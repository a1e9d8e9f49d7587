//! The sessions: what one principal does with one resource under one grant.
//!
//! Each has a keeper, which holds the deadline and the recording. INVARIANT I09: it needs nobody to end a session.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ajar_core::http::Path;
use ajar_core::id::PrincipalId;
use ajar_core::permit::{Claims, NoPermit, Permit};
use ajar_core::port::{Clock, CutReason, Mono, Opening};
use ajar_core::resource::{HttpRecord, HttpTarget, Kind, Resource};
use ajar_core::session::EndReason;
use ajar_core::time::Timestamp;
use tokio::sync::watch;

use super::upstream::Upstream;
use super::visit::Side;
use crate::cut::{Cut, Deadline, Due};
use crate::keeper::{Event, Keeper};
use crate::lines::Lines;
use crate::listener;
use crate::report::{Gauge, Owed, because};

/// After so long without a request a session is over.
const IDLE: Duration = Duration::from_secs(120);
/// How long requests that are cut may take to be noted.
const LAST_LINES: Duration = Duration::from_secs(2);
/// Those who come first to different sessions at once.
const KNOCKERS: usize = 64;

/// Whose session, with what, as what they asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) principal: PrincipalId,
    pub(super) resource: String,
    pub(super) role: Option<String>,
}

/// All that are open.
pub(super) struct Rooms {
    open: Mutex<HashMap<Key, Arc<Room>>>,
    /// Of those who come to one that isn't open yet, one knocks.
    knocking: Vec<tokio::sync::Mutex<()>>,
}

impl Default for Rooms {
    fn default() -> Self {
        Self { open: Mutex::default(), knocking: std::iter::repeat_with(tokio::sync::Mutex::default).take(KNOCKERS).collect() }
    }
}

impl Rooms {
    /// The session, if it is open, with one more request in it.
    pub(super) fn enter(&self, key: &Key) -> Option<Entered> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let room = open.get(key).filter(|room| !room.is_over())?;
        room.visits.fetch_add(1, Ordering::Relaxed);
        Some(Entered(Arc::clone(room)))
    }

    /// The turn to knock for a session.
    pub(super) async fn turn(&self, key: &Key) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let mut hash = DefaultHasher::new();
        key.hash(&mut hash);
        let index = usize::try_from(hash.finish() % KNOCKERS as u64).unwrap_or(0);
        Some(self.knocking.get(index)?.lock().await)
    }

    fn open(&self, room: &Arc<Room>) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(room.key.clone(), Arc::clone(room));
    }

    /// Nobody enters it any more; with `idle`, only if nobody is in it.
    fn close(&self, room: &Arc<Room>, idle: bool) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if idle && room.visits.load(Ordering::Relaxed) > 0 {
            return false;
        }
        if open.get(&room.key).is_some_and(|found| Arc::ptr_eq(found, room)) {
            open.remove(&room.key);
        }
        true
    }
}

/// A request's place in a session: nobody closes it for idleness meanwhile.
#[derive(Debug)]
pub(super) struct Entered(Arc<Room>);

impl std::ops::Deref for Entered {
    type Target = Room;
    fn deref(&self) -> &Room {
        &self.0
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.quiet.fetch_max(self.0.clock.mono().0, Ordering::Relaxed);
        self.0.visits.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One session.
pub(super) struct Room {
    key: Key,
    permit: Permit,
    resource: Arc<Resource>,
    pub(super) upstream: Arc<Upstream>,
    pub(super) deadline: Arc<Deadline>,
    pub(super) lines: Lines,
    over: watch::Receiver<Option<Over>>,
    clock: Arc<dyn Clock>,
    begun: Mono,
    visits: AtomicUsize,
    /// When the last request was over.
    quiet: AtomicU64,
    bytes: [AtomicU64; 2],
    /// When something was passed on last.
    last: AtomicU64,
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Room({:?})", self.key)
    }
}

/// What a session's requests are told when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// It is over, and so is what allowed it.
    Ended,
    /// Somebody who may has ended it.
    Killed,
}

/// Why a session can't be begun.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoRoom {
    #[error("the grant does not let you in: {0}")]
    Permit(#[from] NoPermit),
    #[error("the resource is no HTTP API")]
    OtherKind,
    #[error("the resource is not set up right")]
    Upstream(String),
    #[error("the session cannot be recorded")]
    Recording(#[from] std::io::Error),
}

impl Room {
    /// Begins a session, with one request in it. INVARIANT I13: what can't be recorded isn't opened.
    pub(super) async fn begin(shared: &listener::Shared, key: Key, opening: Opening, mut owed: Owed) -> Result<Entered, NoRoom> {
        let Opening { session, grant, access: _, resource, orders } = opening;
        owed.because(EndReason::FailedToOpen);
        let now = shared.clock.now();
        // INVARIANT I02: checked again right before anything is passed on.
        let permit = shared.verifier.permit(&grant, now)?;
        if permit.claims().resource != resource.name {
            return Err(NoRoom::OtherKind);
        }
        let upstream = shared.http.upstreams.of(&resource).map_err(NoRoom::Upstream)?;
        let cut = Cut::new(orders, shared, &permit);
        let recorder = match shared.archive.begin(session, permit.claims(), "http", now).await {
            Ok(recorder) => recorder,
            Err(error) => {
                tracing::error!(session.id = %session, %error, "a recording could not be begun: the session is refused");
                owed.because(EndReason::RecordingFailed);
                return Err(error.into());
            }
        };
        let (ending, over) = watch::channel(None);
        let begun = shared.clock.mono();
        let room = Arc::new(Self {
            key,
            permit,
            resource,
            upstream,
            deadline: cut.deadline(),
            lines: Lines::default(),
            over,
            clock: Arc::clone(&shared.clock),
            begun,
            visits: AtomicUsize::new(1),
            quiet: AtomicU64::new(begun.0),
            bytes: Default::default(),
            last: AtomicU64::new(begun.0),
        });
        shared.http.rooms.open(&room);
        let rooms = Arc::clone(&shared.http.rooms);
        shared.http.do_beside(Host { rooms, room: Arc::clone(&room), keeper: Keeper::new(cut, recorder), ending, owed }.keep());
        Ok(Entered(room))
    }

    /// What its grant allowed when it began.
    pub(super) fn claims(&self) -> &Claims {
        self.permit.claims()
    }

    /// Whether its role allows this.
    pub(super) fn allows(&self, method: &str, path: &Path) -> bool {
        let allow = self.target().and_then(|target| target.roles.get(&self.claims().role));
        allow.is_some_and(|allow| allow.iter().any(|allow| allow.allows(method, path)))
    }

    fn target(&self) -> Option<&HttpTarget> {
        match &self.resource.kind {
            Kind::Http(target) => Some(target),
            Kind::Postgres(_) | Kind::Ssh(_) => None,
        }
    }

    pub(super) fn record(&self) -> &HttpRecord {
        static NOTHING: HttpRecord = HttpRecord { headers: false, bodies: 0, redact: Vec::new() };
        self.target().map_or(&NOTHING, |target| &target.record)
    }

    /// When it will be cut.
    pub(super) fn until(&self) -> Timestamp {
        self.deadline.until()
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.borrow().is_some()
    }

    /// Whether somebody has ended it.
    pub(super) fn was_killed(&self) -> bool {
        *self.over.borrow() == Some(Over::Killed)
    }

    /// Waits until it is over.
    pub(super) fn over(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut over = self.over.clone();
        async move { drop(over.wait_for(Option::is_some).await) }
    }

    pub(super) fn now(&self) -> Mono {
        self.clock.mono()
    }

    pub(super) fn begun(&self) -> Mono {
        self.begun
    }

    pub(super) fn passed(&self, side: Side, bytes: u64, now: Mono) {
        let [inward, outward] = &self.bytes;
        let of = match side {
            Side::In => inward,
            Side::Out => outward,
        };
        of.fetch_add(bytes, Ordering::Relaxed);
        self.last.fetch_max(now.0, Ordering::Relaxed);
    }
}

/// Keeps one session.
struct Host {
    rooms: Arc<Rooms>,
    room: Arc<Room>,
    keeper: Keeper,
    ending: watch::Sender<Option<Over>>,
    owed: Owed,
}

/// Why a session ends.
enum End {
    Cut(CutReason),
    Idle,
    Recording(std::io::Error),
}

impl Host {
    async fn keep(mut self) {
        let live = Gauge::new("live");
        let end = self.watch().await;
        self.rooms.close(&self.room, false);
        let killed = matches!(end, End::Cut(CutReason::Killed));
        self.ending.send_replace(Some(if killed { Over::Killed } else { Over::Ended }));
        drop(live);
        self.owed.because(match &end {
            End::Cut(reason) => because(*reason),
            End::Idle => EndReason::ClientLeft,
            End::Recording(error) => {
                tracing::error!(grant.id = %self.keeper.cut.claims().grant, %error, "a recording failed: its session is closed");
                EndReason::RecordingFailed
            }
        });
        drop(tokio::time::timeout(LAST_LINES, self.last_lines()).await);
        self.keeper.take(&self.room.lines);
        let [inward, outward] = &self.room.bytes;
        self.owed.carried(inward.load(Ordering::Relaxed), outward.load(Ordering::Relaxed));
        if matches!(end, End::Cut(CutReason::Expired)) {
            self.owed.late_by(self.room.deadline.lateness_of(Mono(self.room.last.load(Ordering::Relaxed))));
        }
        metrics::counter!("ajar_gateway_requests_total").increment(self.keeper.entries());
        self.owed.complete(self.keeper.recorder()).await;
    }

    async fn watch(&mut self) -> End {
        let mut look = tokio::time::interval(IDLE / 8);
        loop {
            tokio::select! {
                biased;
                event = self.keeper.next(&self.room.lines) => match event {
                    Event::Due(Due::Cut(reason)) => return End::Cut(reason),
                    // Each answer says until when.
                    Event::Due(Due::Warning(_) | Due::Extended) => {}
                    Event::Unrecorded(error) => return End::Recording(error),
                },
                _ = look.tick() => {
                    let quiet = self.room.now().0.saturating_sub(self.room.quiet.load(Ordering::Relaxed));
                    if Duration::from_nanos(quiet) >= IDLE && self.rooms.close(&self.room, true) {
                        return End::Idle;
                    }
                }
            }
        }
    }

    /// Waits for what was under way.
    async fn last_lines(&mut self) {
        while self.room.visits.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
