//! HTTP APIs: a reverse proxy that knows its callers, shows targets what callers never see, and records requests.
//!
//! A *session* is what one principal does with one resource under one grant: its requests come over any number of connections, and it
//! ends with the grant, or when nothing was asked for a while.
//!
//! | module | owns |
//! | --- | --- |
//! | `ask` | what a request asks for, and of whom |
//! | `answer` | the walk of one request: known, let in, allowed, passed on |
//! | `enter` | browsers on their way in |
//! | `certificates` | certificates for APIs' own host names |
//! | `room` | the sessions |
//! | `visit` | one request under way: what is counted, and the line that it leaves |
//! | `body` | bodies in both directions, up to the cut |
//! | `headers` | what is passed on and what is not |
//! | `upstream` | connections to targets, and what they are shown |
//! | `trust` | what those are made with: authorities and certificates, as their files are now |
//! | `token` | tokens from authorisation servers |
//! | `upgrade` | WebSockets |
//! | `probe` | whether a target can be used |
//! | `problem` | what callers are told |

mod answer;
mod ask;
mod body;
mod certificates;
mod enter;
mod headers;
mod probe;
mod problem;
mod room;
mod token;
mod trust;
mod upgrade;
mod upstream;
mod visit;

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ajar_core::port::Clock;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::config::GatewayConfig;
use crate::listener;
use crate::places::Place;
use crate::tls::{self, Targets};

pub use probe::HttpProbe;

/// Bytes of a request's headers at the most.
const HEADERS: u32 = 64 * 1024;
/// What is read from or kept for one connection at the most.
const BUFFER: usize = 128 * 1024;
/// Requests that one HTTP/2 connection may have under way (H3).
const STREAMS: u32 = 128;
/// HTTP/2 streams that a client may open and reset before it is cut off (H3).
const RESETS: usize = 32;
/// What passed before a cut may take this long to reach the client.
const DRAIN: Duration = Duration::from_millis(5);
/// How long requests that are under way may take when the gateway stops.
const GOODBYE: Duration = Duration::from_secs(2);

/// Work that outlives the connection which began it.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What all sessions share.
pub(crate) struct Shared {
    tls: Arc<ServerConfig>,
    rooms: Arc<room::Rooms>,
    upstreams: upstream::Upstreams,
    public_url: String,
    beside: UnboundedSender<Task>,
}

impl Shared {
    /// In words when a certificate can't be used.
    pub(crate) fn new(
        mut tls: ServerConfig,
        config: &GatewayConfig,
        targets: Arc<Targets>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, UnboundedReceiver<Task>), String> {
        let (own, secrets) = (config.http_certificates.clone(), Arc::clone(&config.secrets));
        tls.cert_resolver = Arc::new(certificates::Certificates::new(own, tls.cert_resolver, secrets, clock)?);
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let (beside, tasks) = mpsc::unbounded_channel();
        let upstreams = upstream::Upstreams::new(targets, config);
        let public_url = config.public_url.clone();
        Ok((Self { tls: Arc::new(tls), rooms: Arc::default(), upstreams, public_url, beside }, tasks))
    }

    fn do_beside(&self, task: impl Future<Output = ()> + Send + 'static) {
        // Whoever does it is gone only when the gateway is.
        drop(self.beside.send(Box::pin(task)));
    }
}

/// Does what outlives connections, until nobody is left who could begin anything.
pub(crate) async fn beside(mut tasks: UnboundedReceiver<Task>) {
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            Some(ended) = running.join_next(), if !running.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a session's task failed; its end is reported all the same");
                }
            }
            task = tasks.recv() => match task {
                Some(task) => drop(running.spawn(task)),
                None => break,
            },
        }
    }
    while running.join_next().await.is_some() {}
}

/// One connection, as its requests see it.
struct Guest {
    address: IpAddr,
    /// The common name of its client certificate.
    certificate: Option<String>,
    /// Until somebody is known on it.
    starting: Mutex<Option<Place>>,
    known: Notify,
    /// A session was cut in the middle of an answer.
    cut: Notify,
}

impl Guest {
    /// Somebody has proven who they are.
    fn is_known(&self) {
        if self.starting.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            self.known.notify_one();
        }
    }
}

/// Serves one connection to its end.
pub(crate) async fn serve(shared: Arc<listener::Shared>, tcp: TcpStream, address: IpAddr, starting: Place) {
    let limit = shared.limits.start_up;
    let accepted = tokio::time::timeout(limit, TlsAcceptor::from(Arc::clone(&shared.http.tls)).accept(tcp)).await;
    let tls = match accepted {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => return tracing::debug!(%error, "a connection ended in the TLS handshake"),
        Err(_) => return tracing::debug!("a connection took too long for the TLS handshake"),
    };
    let certificate = tls.get_ref().1.peer_certificates().and_then(<[_]>::first).and_then(tls::common_name);
    let guest = Arc::new(Guest { address, certificate, starting: Mutex::new(Some(starting)), known: Notify::new(), cut: Notify::new() });
    let service = service_fn(|request| {
        let (shared, guest) = (Arc::clone(&shared), Arc::clone(&guest));
        async move { Ok::<_, Infallible>(answer::answer(&shared, &guest, request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limit).max_buf_size(BUFFER).max_headers(128);
    builder
        .http2()
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADERS)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(RESETS)
        .max_send_buf_size(BUFFER)
        .keep_alive_interval(Duration::from_secs(60));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(tls), service);
    tokio::pin!(connection);
    let mut signal = shared.signal.subscribe();
    let anonymous = tokio::time::sleep(limit);
    tokio::pin!(anonymous);
    let mut known = false;
    loop {
        tokio::select! {
            biased;
            // INVARIANT I09: what it has in its buffers goes no further.
            () = guest.cut.notified() => {
                drop(tokio::time::timeout(DRAIN, connection.as_mut()).await);
                return;
            }
            () = crate::cut::stopping(&mut signal) => {
                connection.as_mut().graceful_shutdown();
                drop(tokio::time::timeout(GOODBYE, connection.as_mut()).await);
                return;
            }
            () = guest.known.notified() => known = true,
            () = &mut anonymous, if !known => return tracing::debug!("a connection took too long to say who it is"),
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended");
                }
                return;
            }
        }
    }
}
