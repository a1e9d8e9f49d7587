//! One client's connection, as everything that works on it sees it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ajar_core::name::ResourceName;
use ajar_core::port::{Identified, Wishes};
use russh::server::Handle;
use russh::{ChannelId, ChannelWriteHalf, client};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::gate::Valve;
use super::lane::{Item, Lane, Side, What, to_client, to_host};
use super::room::Room;
use crate::listener::Shared;

/// Channels that one connection may have at once.
const CHANNELS: usize = 512;
/// Channels that nobody has adopted yet, of each side, and what they may have sent, in items.
const ORPHANS: (usize, usize) = (16, 256);

/// What the keeper of a connection is told.
pub(super) enum Call {
    /// The client has shaken hands: what it says is encrypted, and it is asked who it is.
    Shaken,
    /// The client has proven who it is.
    Known,
    /// A channel needs the host.
    Enter(Arc<Lane>),
    /// Something that belongs to the whole connection does.
    EnterAll,
    /// The reason that was asked for in a channel.
    Reason(String),
    /// The host has closed the connection.
    HostLeft,
}

/// Who the client is and what it wants.
#[derive(Debug, Clone)]
pub(super) struct Guest {
    pub(super) who: Identified,
    /// As whom on the host: what stands before the @.
    pub(super) login: String,
    pub(super) resource: Option<ResourceName>,
    pub(super) role: Option<String>,
}

/// How far a connection is.
#[derive(Clone)]
pub(super) enum Phase {
    /// Nothing has needed the host yet, or it was refused: the next that does asks again.
    Before {
        /// How often somebody was turned away.
        refused: u32,
    },
    /// Somebody knocks, or waits.
    Waiting,
    /// In.
    Open(Arc<Room>),
    /// Over.
    Over,
}

/// What came in channels that are open already, but not known as such.
type Orphans = HashMap<ChannelId, Vec<Item>>;

fn keep(orphans: &mut Orphans, id: ChannelId, item: Item) {
    if orphans.len() < ORPHANS.0 || orphans.contains_key(&id) {
        let items = orphans.entry(id).or_default();
        if items.len() < ORPHANS.1 {
            items.push(item);
        }
    }
}

struct Inner {
    client: Option<Handle>,
    guest: Option<Guest>,
    lanes: HashMap<ChannelId, Arc<Lane>>,
    by_host: HashMap<ChannelId, Arc<Lane>>,
    orphans: Orphans,
    /// The same for channels that are being opened towards the client, of which there are so many.
    opening: (usize, Orphans),
    next: u32,
    tasks: JoinSet<()>,
    /// Connections inside this one: they end by themselves when it does, and are waited for.
    inside: JoinSet<()>,
}

/// See the module.
pub(super) struct Line {
    pub(super) shared: Arc<Shared>,
    pub(super) address: IpAddr,
    /// The leg to the client.
    pub(super) valve: Arc<Valve>,
    /// The resource that a jump has named.
    pub(super) jumped_to: Option<ResourceName>,
    pub(super) calls: UnboundedSender<Call>,
    pub(super) phase: watch::Sender<Phase>,
    /// How often whoever knocked was turned away.
    refusals: AtomicU32,
    inner: Mutex<Inner>,
}

impl Line {
    pub(super) fn new(
        shared: Arc<Shared>,
        address: IpAddr,
        valve: Arc<Valve>,
        jumped_to: Option<ResourceName>,
        calls: UnboundedSender<Call>,
    ) -> Arc<Self> {
        let inner = Inner {
            client: None,
            guest: None,
            lanes: HashMap::new(),
            by_host: HashMap::new(),
            orphans: Orphans::new(),
            opening: (0, Orphans::new()),
            next: 0,
            tasks: JoinSet::new(),
            inside: JoinSet::new(),
        };
        let phase = watch::Sender::new(Phase::Before { refused: 0 });
        Arc::new(Self { shared, address, valve, jumped_to, calls, phase, refusals: AtomicU32::new(0), inner: Mutex::new(inner) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the keeper, which outlives everybody who calls it.
    pub(super) fn call(&self, call: Call) {
        drop(self.calls.send(call));
    }

    /// The library's end towards the client.
    pub(super) fn answers_with(&self, client: Handle) {
        self.inner().client = Some(client);
    }

    pub(super) fn client(&self) -> Option<Handle> {
        self.inner().client.clone()
    }

    pub(super) fn known(&self, guest: Guest) {
        self.inner().guest = Some(guest);
        self.call(Call::Known);
    }

    pub(super) fn guest(&self) -> Option<Guest> {
        self.inner().guest.clone()
    }

    /// Whoever knocked does not come in.
    pub(super) fn turned_away(&self) {
        self.phase.send_modify(|phase| {
            let times = self.refusals.fetch_add(1, Ordering::Relaxed) + 1;
            *phase = Phase::Before { refused: times };
        });
    }

    /// Whether somebody waits to come in.
    pub(super) fn is_held(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Waiting)
    }

    /// Runs beside; ends with the connection.
    pub(super) fn beside(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut inner = self.inner();
        while inner.tasks.try_join_next().is_some() {}
        inner.tasks.spawn(task);
    }

    /// Runs inside; isn't ended, but waited for.
    pub(super) fn inside(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut inner = self.inner();
        while inner.inside.try_join_next().is_some() {}
        inner.inside.spawn(task);
    }

    /// All that runs inside.
    pub(super) fn all_inside(&self) -> JoinSet<()> {
        std::mem::take(&mut self.inner().inside)
    }

    /// A new channel towards the client, unless there are too many.
    pub(super) fn open(&self, half: ChannelWriteHalf<russh::server::Msg>, client: Handle, what: Option<What>) -> Option<Arc<Lane>> {
        let mut inner = self.inner();
        if inner.lanes.len() >= CHANNELS {
            return None;
        }
        let (lane, items) = Lane::new(inner.next, half.id(), what);
        inner.next += 1;
        inner.lanes.insert(half.id(), Arc::clone(&lane));
        inner.tasks.spawn(to_client(Arc::clone(&lane), items, half, client));
        Some(lane)
    }

    pub(super) fn lane(&self, near: ChannelId) -> Option<Arc<Lane>> {
        self.inner().lanes.get(&near).cloned()
    }

    /// A channel is being opened towards the client: what it says in it is kept until [`Line::opened`].
    pub(super) fn opens(&self) {
        self.inner().opening.0 += 1;
    }

    /// It is open, as a lane; or it is not.
    pub(super) fn opened(&self, half: Option<ChannelWriteHalf<russh::server::Msg>>, client: Handle, what: What) -> Option<Arc<Lane>> {
        let near = half.as_ref().map(ChannelWriteHalf::id);
        let lane = half.and_then(|half| self.open(half, client, Some(what)));
        let mut inner = self.inner();
        let early = near.and_then(|near| inner.opening.1.remove(&near)).unwrap_or_default();
        inner.opening.0 = inner.opening.0.saturating_sub(1);
        if inner.opening.0 == 0 {
            inner.opening.1.clear();
        }
        if let Some(lane) = &lane {
            for item in early {
                if matches!(item, Item::Close) {
                    inner.lanes.remove(&lane.near);
                    lane.gone(Side::Client);
                }
                lane.far(item);
            }
        }
        lane
    }

    /// What the client says in a channel of which nothing is known: it may be one that is being opened.
    pub(super) fn client_says(&self, near: ChannelId, item: Item) {
        let mut inner = self.inner();
        match inner.lanes.get(&near) {
            Some(lane) => lane.far(item),
            None if inner.opening.0 > 0 => keep(&mut inner.opening.1, near, item),
            None => {}
        }
    }

    /// The client is done with a channel.
    pub(super) fn close(&self, near: ChannelId) -> Option<Arc<Lane>> {
        self.inner().lanes.remove(&near)
    }

    /// What the host says of a channel of its own, for the lane that it belongs to.
    pub(super) fn host_says(&self, far: ChannelId, item: Item) {
        let mut inner = self.inner();
        if let Some(lane) = inner.by_host.get(&far) {
            return lane.near(item);
        }
        keep(&mut inner.orphans, far, item);
    }

    /// The lane of a channel of the host's.
    pub(super) fn lane_of_host(&self, far: ChannelId) -> Option<Arc<Lane>> {
        self.inner().by_host.get(&far).cloned()
    }

    /// The host is done with a channel.
    pub(super) fn closed_by_host(&self, far: ChannelId) {
        let mut inner = self.inner();
        if let Some(lane) = inner.by_host.remove(&far) {
            lane.near(Item::Close);
            lane.gone(Side::Host);
        } else {
            drop(inner);
            self.host_says(far, Item::Close);
        }
    }

    /// A lane is open on the host too: what waits goes there, and what came already comes back.
    pub(super) fn connect(&self, lane: &Arc<Lane>, half: ChannelWriteHalf<client::Msg>) {
        let Some(items) = lane.for_host() else { return };
        let mut inner = self.inner();
        let early = inner.orphans.remove(&half.id()).unwrap_or_default();
        let closed = early.iter().any(|item| matches!(item, Item::Close));
        if !closed {
            inner.by_host.insert(half.id(), Arc::clone(lane));
        }
        for item in early {
            lane.near(item);
        }
        inner.tasks.spawn(to_host(Arc::clone(lane), items, half));
    }

    /// All channels, in order.
    pub(super) fn lanes(&self) -> Vec<Arc<Lane>> {
        let mut lanes: Vec<_> = self.inner().lanes.values().cloned().collect();
        lanes.sort_by_key(|lane| lane.number);
        lanes
    }

    /// What the client's certificate and environment ask for.
    pub(super) fn wishes(&self, guest: &Guest) -> Wishes {
        let mut wishes = Wishes { role: guest.role.clone(), ..Wishes::default() };
        for lane in self.lanes() {
            for (name, value) in &lane.asked().env {
                let slot = match name.as_str() {
                    "AJAR_ROLE" => &mut wishes.role,
                    "AJAR_REASON" => &mut wishes.reason,
                    "AJAR_FOR" => &mut wishes.duration,
                    "AJAR_TICKET" => &mut wishes.ticket,
                    "AJAR_SCOPE" => &mut wishes.scope,
                    _ => continue,
                };
                if !value.is_empty() {
                    slot.get_or_insert_with(|| value.clone());
                }
            }
        }
        wishes
    }

    /// Channels in which there is somebody to tell something.
    pub(super) fn listeners(&self) -> Vec<Arc<Lane>> {
        let hears = |lane: &Arc<Lane>| matches!(lane.asked().what, Some(What::Shell | What::Exec(_) | What::Subsystem(_)));
        self.lanes().into_iter().filter(hears).collect()
    }

    /// Says something to all of them.
    pub(super) fn say(&self, text: &str) {
        for lane in self.listeners() {
            lane.near(Item::Words(text.to_owned()));
        }
    }

    /// Ends everything that runs beside, and lets go of all channels.
    pub(super) fn end(&self, outcome: Option<&str>) {
        self.phase.send_replace(Phase::Over);
        let lanes = self.lanes();
        let mut inner = self.inner();
        inner.tasks.abort_all();
        inner.lanes.clear();
        let by_host = std::mem::take(&mut inner.by_host);
        inner.orphans.clear();
        inner.opening.1.clear();
        inner.client = None;
        drop(inner);
        for lane in lanes.into_iter().chain(by_host.into_values()) {
            lane.noted(outcome);
        }
    }
}
