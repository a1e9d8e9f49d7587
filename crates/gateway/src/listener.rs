//! The accept loop: limits before anybody is known, the clocks' watch, stopping.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ajar_core::permit::GrantVerifier;
use ajar_core::port::{Clock, Door, Entropy, SessionReport};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::cancel::Cancels;
use crate::config::{GatewayConfig, Limits};
use crate::cut::Signal;
use crate::keys::Keys;
use crate::record::Archive;
use crate::stream::settle;
use crate::tls::{self, Targets, TlsError};
use crate::workers::Workers;

/// How often the two clocks are compared.
const WATCH: Duration = Duration::from_millis(250);
/// How far they may part between two looks before every session looks at its deadline again, in milliseconds.
const STEP: u64 = 500;
/// Reports that are on their way to the door at once.
const REPORTS: usize = 256;

/// Why a gateway can't start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The certificate, the key or an authority can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address can't be listened on.
    #[error("cannot listen on {address}: {why}; is something else running there?")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        why: std::io::Error,
    },
    /// The system gives no threads.
    #[error("cannot start the gateway's threads: {0}")]
    Threads(std::io::Error),
}

/// What all sessions share.
pub(crate) struct Shared {
    pub(crate) door: Arc<dyn Door>,
    pub(crate) verifier: GrantVerifier,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) limits: Limits,
    pub(crate) server_tls: Arc<ServerConfig>,
    pub(crate) targets: Targets,
    pub(crate) policy_dir: PathBuf,
    pub(crate) keys: Keys,
    pub(crate) cancels: Arc<Cancels>,
    pub(crate) archive: Archive,
    pub(crate) signal: watch::Sender<Signal>,
    pub(crate) reports: UnboundedSender<SessionReport>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// A gateway that listens.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    listener: TcpListener,
    workers: Workers,
    address: SocketAddr,
    reports: UnboundedReceiver<SessionReport>,
}

impl Gateway {
    /// Listens, but accepts nobody before [`Gateway::serve`].
    ///
    /// # Errors
    /// When the TLS files can't be used or the address can't be listened on.
    pub async fn bind(
        config: GatewayConfig,
        door: Arc<dyn Door>,
        verifier: GrantVerifier,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, GatewayError> {
        let server_tls = tls::server(&config)?;
        let failed = |why| GatewayError::Listen { address: config.listen, why };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (to, reports) = mpsc::unbounded_channel();
        let shared = Shared {
            door,
            verifier,
            clock,
            entropy,
            server_tls,
            targets: Targets::default(),
            policy_dir: config.policy_dir,
            keys: Keys::default(),
            cancels: Arc::new(Cancels::default()),
            archive: Archive::new(config.recordings, config.limits.record_every),
            signal: watch::Sender::new(Signal::default()),
            reports: to,
            limits: config.limits,
        };
        let shared = Arc::new(shared);
        let workers = Workers::start(&shared).map_err(GatewayError::Threads)?;
        Ok(Self { shared, listener, workers, address, reports })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`; then cuts every session in words, and returns when the door knows the end of each.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) {
        let Self { shared, listener, workers, reports, .. } = self;
        let reporting = report(Arc::clone(&shared.door), reports);
        let all = async move {
            accept(&shared, listener, &workers, shutdown).await;
            shared.signal.send_modify(|signal| signal.stopping = true);
            workers.end().await;
            // With the last sender gone, reporting ends once everything is told.
            drop(shared);
        };
        tokio::join!(all, reporting);
    }
}

async fn accept(shared: &Arc<Shared>, listener: TcpListener, workers: &Workers, shutdown: impl Future<Output = ()> + Send) {
    let doorstep = Arc::new(Doorstep::default());
    let mut watch = ClockWatch::new(shared);
    let mut look = tokio::time::interval(WATCH);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => return,
            _ = look.tick() => watch.look(shared),
            accepted = listener.accept() => match accepted {
                Ok((tcp, peer)) => begin(shared, &doorstep, workers, tcp, peer.ip()),
                Err(error) => {
                    // Out of descriptors, usually: the sessions at hand go on, and will give some back.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
}

fn begin(shared: &Shared, doorstep: &Arc<Doorstep>, workers: &Workers, tcp: TcpStream, address: IpAddr) {
    let address = address.to_canonical();
    let room = if workers.carried() >= shared.limits.connections { None } else { doorstep.enter(address, &shared.limits) };
    let Some(starting) = room else {
        metrics::counter!("ajar_gateway_rejections_total", "why" => "too_many").increment(1);
        return;
    };
    if let Err(error) = settle(&tcp).and_then(|()| workers.carry(tcp, address, starting)) {
        tracing::debug!(%error, "a connection was gone before it began");
    }
}

/// Connections of which it isn't known yet who they are (P7, O1).
#[derive(Debug, Default)]
struct Doorstep(Mutex<(usize, HashMap<IpAddr, usize>)>);

/// One of them.
#[derive(Debug)]
pub(crate) struct Starting {
    doorstep: Arc<Doorstep>,
    address: IpAddr,
}

impl Doorstep {
    fn enter(self: &Arc<Self>, address: IpAddr, limits: &Limits) -> Option<Starting> {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, each) = &mut *guard;
        let here = each.get(&address).copied().unwrap_or(0);
        if *all >= limits.starting || here >= limits.starting_per_address {
            return None;
        }
        *all += 1;
        each.insert(address, here + 1);
        Some(Starting { doorstep: Arc::clone(self), address })
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        let mut guard = self.doorstep.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, each) = &mut *guard;
        *all = all.saturating_sub(1);
        if let Some(here) = each.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                each.remove(&self.address);
            }
        }
    }
}

/// INVARIANT I14: when the wall clock steps, or the machine wakes from sleep, timers that are set don't know.
struct ClockWatch {
    wall: i64,
    mono: u64,
}

impl ClockWatch {
    fn new(shared: &Shared) -> Self {
        Self { wall: shared.clock.now().as_millis(), mono: shared.clock.mono().0 }
    }

    fn look(&mut self, shared: &Shared) {
        let before = std::mem::replace(self, Self::new(shared));
        let mono = i64::try_from(self.mono.saturating_sub(before.mono) / 1_000_000).unwrap_or(i64::MAX);
        if (self.wall - before.wall).abs_diff(mono) > STEP {
            tracing::warn!("the wall clock has stepped: every session looks at its deadline again");
            shared.signal.send_modify(|signal| signal.steps += 1);
        }
        shared.keys.sweep(shared.clock.now());
    }
}

/// Brings reports to the door until there are no more sessions that could send one.
async fn report(door: Arc<dyn Door>, mut reports: UnboundedReceiver<SessionReport>) {
    let mut telling = JoinSet::new();
    while let Some(report) = reports.recv().await {
        while telling.len() >= REPORTS {
            telling.join_next().await;
        }
        while telling.try_join_next().is_some() {}
        let door = Arc::clone(&door);
        telling.spawn(async move { door.ended(report).await });
    }
    while telling.join_next().await.is_some() {}
}
