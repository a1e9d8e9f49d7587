//! WebSockets (RFC 6455): after the handshake, bytes in both directions up to the cut.
//!
//! INVARIANT H1: a connection on which an upgrade was asked for and refused is not used again, on either side.

use std::sync::Arc;

use hyper::header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Method, Request, StatusCode, Version};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use super::visit::{Outcome, Side, Visit};

const BUFFER: usize = 16 * 1024;
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// Whether a request asks for a WebSocket.
pub(super) fn is_asked<B>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_11 && request.method() == Method::GET && is_websocket(request.headers())
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

/// Carries a WebSocket to its end.
pub(super) async fn carry(visit: Arc<Visit>, caller: OnUpgrade, target: OnUpgrade) {
    let (Ok(caller), Ok(target)) = tokio::join!(caller, target) else { return };
    let (from_caller, to_caller) = tokio::io::split(TokioIo::new(caller));
    let (from_target, to_target) = tokio::io::split(TokioIo::new(target));
    let both = async { tokio::join!(pump(Side::In, from_caller, to_target, &visit), pump(Side::Out, from_target, to_caller, &visit)) };
    let over = visit.room().over();
    tokio::select! {
        biased;
        () = over => visit.cut(Side::In),
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
            visit.cut(Side::In);
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
