//! WebSockets (RFC 6455), asked for on a connection of their own or on a stream of an HTTP/2 connection (RFC 8441): after the handshake,
//! bytes in both directions up to the cut. Targets are asked by HTTP/1.1 in either case.
//!
//! INVARIANT H1: a connection on which an upgrade was asked for and refused is not used again, on either side.

use std::sync::Arc;

use ajar_core::port::Entropy;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::ext::Protocol;
use hyper::header::{CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use sha1::{Digest, Sha1};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use super::visit::{Outcome, Side, Visit};

const BUFFER: usize = 16 * 1024;
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// The ways in which a caller asks for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WebSocket {
    /// With the connection, which becomes one.
    Upgrade,
    /// With a stream of the connection.
    Stream,
}

/// Whether a request asks for a WebSocket.
pub(super) fn asked<B>(request: &Request<B>) -> Option<WebSocket> {
    let protocol = request.extensions().get::<Protocol>().map(Protocol::as_str);
    match (request.version(), request.method()) {
        (Version::HTTP_11, &Method::GET) if is_websocket(request.headers()) => Some(WebSocket::Upgrade),
        (Version::HTTP_2, &Method::CONNECT) if protocol == Some("websocket") => Some(WebSocket::Stream),
        (_, _) => None,
    }
}

/// Whether a message's headers name a WebSocket and nothing else.
pub(super) fn is_websocket(headers: &HeaderMap) -> bool {
    let says = |name, word: &str| {
        let mut all = headers.get_all(name).iter().filter_map(|v: &HeaderValue| v.to_str().ok()).flat_map(|v| v.split(','));
        all.any(|v| v.trim().eq_ignore_ascii_case(word))
    };
    let mut upgrades = headers.get_all(UPGRADE).iter();
    let one = upgrades.next().is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"websocket")) && upgrades.next().is_none();
    one && says(CONNECTION, "upgrade")
}

/// Says so, of a message whose headers of one hop were taken away.
pub(super) fn mark(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, WEBSOCKET);
}

/// Asks for one in the place of a caller who did so by HTTP/2, where no key is said. The key.
pub(super) fn ask(headers: &mut HeaderMap, entropy: &dyn Entropy) -> HeaderValue {
    let mut nonce = [0; 16];
    entropy.fill(&mut nonce);
    let key = HeaderValue::from_str(&STANDARD.encode(nonce)).unwrap_or(WEBSOCKET);
    mark(headers);
    headers.insert(SEC_WEBSOCKET_KEY, key.clone());
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    key
}

/// Whether a target that was asked with a key of ours has read it (RFC 6455, 4.1). A caller's own key the caller checks.
pub(super) fn has_taken(headers: &HeaderMap, key: Option<&HeaderValue>) -> bool {
    let wanted = |key: &HeaderValue| {
        let digest = Sha1::new().chain_update(key.as_bytes()).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
        STANDARD.encode(digest)
    };
    key.is_none_or(|key| headers.get(SEC_WEBSOCKET_ACCEPT).is_some_and(|accept| accept.as_bytes() == wanted(key).as_bytes()))
}

/// Says by HTTP/2 that it is one now.
pub(super) fn answer<B>(response: &mut Response<B>) {
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().remove(SEC_WEBSOCKET_ACCEPT);
}

/// Carries a WebSocket to its end.
pub(super) async fn carry(visit: Arc<Visit>, caller: OnUpgrade, target: OnUpgrade) {
    let (Ok(caller), Ok(target)) = tokio::join!(caller, target) else { return };
    let (from_caller, to_caller) = tokio::io::split(TokioIo::new(caller));
    let (from_target, to_target) = tokio::io::split(TokioIo::new(target));
    let both = async { tokio::join!(pump(Side::In, from_caller, to_target, &visit), pump(Side::Out, from_target, to_caller, &visit)) };
    let over = visit.room().over();
    tokio::select! {
        biased;
        () = over => visit.cut(Side::Out),
        (inward, outward) = both => {
            if inward && outward {
                visit.came_to(StatusCode::SWITCHING_PROTOCOLS, Outcome::Completed);
            }
        }
    }
}

/// One direction, until its end or the deadline. Whether it ended by itself.
async fn pump(side: Side, mut from: ReadHalf<TokioIo<Upgraded>>, mut to: WriteHalf<TokioIo<Upgraded>>, visit: &Visit) -> bool {
    let mut buffer = vec![0; BUFFER];
    loop {
        let Ok(count) = from.read(&mut buffer).await else { return false };
        let Some(now) = visit.room().deadline.check() else {
            visit.cut(Side::Out);
            return false;
        };
        let Some(data) = buffer.get(..count).filter(|data| !data.is_empty()) else {
            return to.shutdown().await.is_ok();
        };
        visit.passed(side, data, now);
        if to.write_all(data).await.is_err() {
            return false;
        }
    }
}
