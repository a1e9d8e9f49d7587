//! The accept loop: limits before anybody is known, the clocks' watch, stopping.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ajar_core::permit::GrantVerifier;
use ajar_core::port::{Clock, Door, Entropy, SessionReport};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::config::{GatewayConfig, Limits, SecretResolver};
use crate::cut::Signal;
use crate::places::Places;
use crate::record::Archive;
use crate::ssh::Ssh;
use crate::tls::{self, Targets, TlsError};
use crate::workers::Workers;
use crate::{http, postgres};

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
    /// The SSH keys can't be used.
    #[error("the gateway's SSH keys can't be used: {0}")]
    Ssh(String),
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
    pub(crate) targets: Arc<Targets>,
    pub(crate) policy_dir: PathBuf,
    pub(crate) postgres: postgres::Shared,
    pub(crate) http: http::Shared,
    pub(crate) ssh: Option<Arc<Ssh>>,
    pub(crate) secrets: SecretResolver,
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
    doors: Vec<(Protocol, TcpListener, SocketAddr)>,
    workers: Workers,
    reports: UnboundedReceiver<SessionReport>,
    beside: UnboundedReceiver<http::Task>,
}

/// What is spoken at a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Postgres,
    Http,
    Ssh,
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
        let tls = tls::server(&config)?;
        let mut doors = Vec::new();
        let ssh = config.ssh.as_ref().map(|ssh| Ssh::new(ssh, &*entropy, clock.now())).transpose().map_err(GatewayError::Ssh)?;
        let wanted = [
            (Protocol::Postgres, Some(config.postgres)),
            (Protocol::Http, config.http),
            (Protocol::Ssh, config.ssh.as_ref().map(|ssh| ssh.listen)),
        ];
        for (protocol, address) in wanted {
            let Some(address) = address else { continue };
            let failed = |why| GatewayError::Listen { address, why };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            let address = listener.local_addr().map_err(failed)?;
            doors.push((protocol, listener, address));
        }
        let (to, reports) = mpsc::unbounded_channel();
        let targets = Arc::new(Targets::default());
        let (http, beside) =
            http::Shared::new(tls.clone(), &config, Arc::clone(&targets), Arc::clone(&clock)).map_err(TlsError::of_http)?;
        let shared = Shared {
            door,
            verifier,
            clock,
            entropy,
            targets,
            policy_dir: config.policy_dir,
            postgres: postgres::Shared::new(tls),
            http,
            ssh: ssh.map(Arc::new),
            secrets: config.secrets,
            archive: Archive::new(config.recordings, config.limits.record_every),
            signal: watch::Sender::new(Signal::default()),
            reports: to,
            limits: config.limits,
        };
        let shared = Arc::new(shared);
        let workers = Workers::start(&shared).map_err(GatewayError::Threads)?;
        Ok(Self { shared, doors, workers, reports, beside })
    }

    /// Where it listens for PostgreSQL's clients.
    #[must_use]
    pub fn postgres_addr(&self) -> Option<SocketAddr> {
        self.address(Protocol::Postgres)
    }

    /// Where it listens for HTTP's.
    #[must_use]
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.address(Protocol::Http)
    }

    /// Where it listens for SSH's.
    #[must_use]
    pub fn ssh_addr(&self) -> Option<SocketAddr> {
        self.address(Protocol::Ssh)
    }

    fn address(&self, of: Protocol) -> Option<SocketAddr> {
        self.doors.iter().find(|(protocol, ..)| *protocol == of).map(|(.., address)| *address)
    }

    /// Serves until `shutdown`; then cuts every session in words, and returns when the door knows the end of each.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) {
        let Self { shared, doors, workers, reports, beside } = self;
        let reporting = report(Arc::clone(&shared.door), reports);
        let all = async move {
            accept(&shared, doors, &workers, shutdown).await;
            shared.signal.send_modify(|signal| signal.stopping = true);
            workers.end().await;
            // With the last sender gone, reporting ends once everything is told.
            drop(shared);
        };
        tokio::join!(all, reporting, http::beside(beside));
    }
}

async fn accept(
    shared: &Arc<Shared>,
    doors: Vec<(Protocol, TcpListener, SocketAddr)>,
    workers: &Workers,
    shutdown: impl Future<Output = ()> + Send,
) {
    let doorstep = Arc::new(Places::default());
    let mut watch = ClockWatch::new(shared);
    let mut look = tokio::time::interval(WATCH);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tokio::pin!(shutdown);
    let (mut turn, count) = (0, doors.len().max(1));
    loop {
        // Every door has its turn, however busy another is.
        turn = (turn + 1) % count;
        let accepted = std::future::poll_fn(|cx| {
            let (before, after) = doors.split_at_checked(turn).unwrap_or_default();
            let mut from = after.iter().chain(before).map(|(protocol, listener, _)| listener.poll_accept(cx).map(|it| (*protocol, it)));
            from.find(std::task::Poll::is_ready).unwrap_or(std::task::Poll::Pending)
        });
        tokio::select! {
            biased;
            () = &mut shutdown => return,
            _ = look.tick() => watch.look(shared),
            accepted = accepted => match accepted {
                (protocol, Ok((tcp, peer))) => begin(shared, &doorstep, workers, (protocol, tcp), peer.ip()),
                (_, Err(error)) => {
                    // Out of descriptors, usually: the sessions at hand go on, and will give some back.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
}

/// How a socket behaves on both sides: no delay, and a peer that vanished without a word is noticed in two minutes.
pub(crate) fn settle(tcp: &TcpStream) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(10)).with_retries(6);
    socket2::SockRef::from(tcp).set_tcp_keepalive(&keepalive)
}

fn begin(shared: &Shared, doorstep: &Arc<Places>, workers: &Workers, (protocol, tcp): (Protocol, TcpStream), address: IpAddr) {
    let address = address.to_canonical();
    let room = if workers.carried() >= shared.limits.connections {
        None
    } else {
        doorstep.enter(address, shared.limits.starting, shared.limits.starting_per_address)
    };
    let Some(starting) = room else {
        metrics::counter!("ajar_gateway_rejections_total", "why" => "too_many").increment(1);
        return;
    };
    if let Err(error) = settle(&tcp).and_then(|()| workers.carry(protocol, tcp, address, starting)) {
        tracing::debug!(%error, "a connection was gone before it began");
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
        shared.postgres.keys.sweep(shared.clock.now());
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
