//! The API over TLS: handshakes go on beside each other, and a slow one keeps nobody waiting.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at once.
const HANDSHAKES: usize = 512;

/// Accepts TCP connections and does their handshakes.
pub(super) struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    room: Arc<Semaphore>,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl TlsListener {
    pub(super) fn new(tcp: TcpListener, config: Arc<ServerConfig>) -> Self {
        let room = Arc::new(Semaphore::new(HANDSHAKES));
        Self { tcp, acceptor: TlsAcceptor::from(config), room, handshakes: JoinSet::new() }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                Some(done) = self.handshakes.join_next(), if !self.handshakes.is_empty() => {
                    if let Ok(Some(accepted)) = done {
                        return accepted;
                    }
                }
                accepted = self.tcp.accept() => match accepted {
                    Ok((tcp, peer)) => {
                        let Ok(turn) = Arc::clone(&self.room).try_acquire_owned() else { continue };
                        let acceptor = self.acceptor.clone();
                        self.handshakes.spawn(async move {
                            let done = tokio::time::timeout(HANDSHAKE, acceptor.accept(tcp)).await;
                            drop(turn);
                            Some((done.ok()?.ok()?, peer))
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}
