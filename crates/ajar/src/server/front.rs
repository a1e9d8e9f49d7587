//! The API's connections: so many at once and from one address, each gone when it says nothing. Handshakes go on beside each other, and a slow
//! one keeps nobody waiting. Whatever comes here leaves descriptors to the doors (O1).

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ajar_gateway::Places;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a connection may say nothing: before a request's head is whole, and between two of them.
const SILENCE: Duration = Duration::from_secs(30);
/// Connections at once.
const AT_ONCE: usize = 2_048;
/// Of them, from one address; a proxy's are everybody's.
const FROM_ONE: usize = 256;
/// Requests at once on one connection.
const STREAMS: u32 = 64;
/// How long what is under way may take when the server stops: whoever listens to changes never leaves by themselves.
const GOODBYE: Duration = super::serve::GOODBYE;

/// Whose requests these are: the address at the other end, or, where that is a proxy's, the last that is none in what the proxy says of the way.
/// What others say of it is theirs to make up.
fn client(peer: SocketAddr, headers: &HeaderMap, proxies: &[IpAddr]) -> SocketAddr {
    let is_proxy = |at: IpAddr| proxies.contains(&at.to_canonical());
    if !is_proxy(peer.ip()) {
        return peer;
    }
    let said: Option<Vec<&str>> = headers.get_all("x-forwarded-for").iter().map(|value| value.to_str().ok()).collect();
    let way = said.unwrap_or_default().join(",");
    for hop in way.rsplit(',').map(str::trim) {
        // What can't be read was said by nobody whom we trust.
        let Some(at) = hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|at| at.ip())) else { return peer };
        if !is_proxy(at) {
            return SocketAddr::new(at, 0);
        }
    }
    peer
}

/// What each connection needs.
#[derive(Clone)]
struct Front {
    router: axum::Router,
    proxies: Arc<[IpAddr]>,
}

/// Serves until told to stop; then what is under way has a short while.
pub(super) async fn serve(
    tcp: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    proxies: &[IpAddr],
    router: axum::Router,
    stop: impl Future<Output = ()> + Send,
) {
    let closing = GracefulShutdown::new();
    let front = Front { router, proxies: proxies.iter().map(IpAddr::to_canonical).collect() };
    let (places, acceptor) = (Arc::new(Places::default()), tls.map(TlsAcceptor::from));
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = tcp.accept() => match accepted {
                Ok((stream, peer)) => {
                    let address = peer.ip().to_canonical();
                    let from_one = if front.proxies.contains(&address) { AT_ONCE } else { FROM_ONE };
                    let Some(place) = places.enter(address, AT_ONCE, from_one) else { continue };
                    let (front, acceptor, watcher) = (front.clone(), acceptor.clone(), closing.watcher());
                    connections.spawn(async move {
                        front.connection(stream, peer, acceptor, watcher).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(tcp);
    if tokio::time::timeout(GOODBYE, closing.shutdown()).await.is_err() {
        tracing::debug!("connections to the API are closed that did not end by themselves");
    }
    connections.shutdown().await;
}

impl Front {
    async fn connection(self, stream: TcpStream, peer: SocketAddr, acceptor: Option<TlsAcceptor>, watcher: Watcher) {
        let Some(acceptor) = acceptor else { return self.http1(stream, peer, watcher).await };
        let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else { return };
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            self.http2(stream, peer, watcher).await;
        } else {
            self.http1(stream, peer, watcher).await;
        }
    }

    async fn http1(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: SocketAddr, watcher: Watcher) {
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(SILENCE);
        said(watcher.watch(builder.serve_connection(TokioIo::new(stream), service_fn(move |request| self.answer(request, peer)))).await);
    }

    async fn http2(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: SocketAddr, watcher: Watcher) {
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).keep_alive_interval(SILENCE).keep_alive_timeout(SILENCE).max_concurrent_streams(STREAMS);
        said(watcher.watch(builder.serve_connection(TokioIo::new(stream), service_fn(move |request| self.answer(request, peer)))).await);
    }

    fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> impl Future<Output = Result<Response, Infallible>> + Send + use<> {
        let mut request = request.map(Body::new);
        let client = client(peer, request.headers(), &self.proxies);
        request.extensions_mut().insert(ConnectInfo(client));
        self.router.clone().call(request)
    }
}

fn said(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the API ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn o01_nobody_takes_all_places_and_all_together_not_all_descriptors() {
        let places = Arc::new(Places::default());
        let enter = |who: u8, from_one| places.enter(IpAddr::from([10, 0, 0, who]), AT_ONCE, from_one);
        let mut one: Vec<_> = std::iter::from_fn(|| enter(1, FROM_ONE)).collect();
        assert_eq!(one.len(), FROM_ONE);
        one.pop();
        assert!(enter(1, FROM_ONE).is_some(), "who left makes room");
        let proxy: Vec<_> = std::iter::from_fn(|| enter(2, AT_ONCE)).collect();
        assert_eq!(proxy.len(), AT_ONCE - (FROM_ONE - 1));
        assert!(enter(3, FROM_ONE).is_none());
    }

    #[test]
    fn w01_only_a_trusted_proxy_says_who_a_client_is() {
        let proxies = [at("127.0.0.1"), at("10.1.0.1")];
        let client = |peer: &str, way: &[&str]| {
            let mut headers = HeaderMap::new();
            for said in way {
                headers.append("x-forwarded-for", said.parse().unwrap());
            }
            super::client(SocketAddr::new(at(peer), 9), &headers, &proxies).ip()
        };
        assert_eq!(client("192.0.2.1", &["203.0.113.5"]), at("192.0.2.1"), "anybody can say so");
        assert_eq!(client("127.0.0.1", &["203.0.113.5"]), at("203.0.113.5"));
        assert_eq!(client("::ffff:127.0.0.1", &["203.0.113.5"]), at("203.0.113.5"));
        assert_eq!(client("127.0.0.1", &["1.2.3.4, 203.0.113.5, 10.1.0.1"]), at("203.0.113.5"), "what the client made up is left of it");
        assert_eq!(client("127.0.0.1", &["1.2.3.4", "203.0.113.5"]), at("203.0.113.5"), "several headers are one list");
        assert_eq!(client("127.0.0.1", &["[2001:db8::7]:4711"]), at("2001:db8::7"));
        for nothing in [&[][..], &["unknown"], &["203.0.113.5, what"], &["10.1.0.1"], &[""]] {
            assert_eq!(client("127.0.0.1", nothing), at("127.0.0.1"), "{nothing:?}");
        }
    }
}
