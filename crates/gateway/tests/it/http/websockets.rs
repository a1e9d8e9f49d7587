//! WebSockets over HTTP/2 (RFC 8441), with hyper's client.

use std::time::{Duration, Instant};

use ajar_core::port::{CutReason, Order};
use ajar_core::session::EndReason;
use ajar_gateway::Limits;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::ext::Protocol;
use hyper::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::{house, lines};
use crate::house::House;

/// A connection that carries streams, once the door has said that some may be WebSockets.
async fn connected(house: &House, tasks: &mut JoinSet<()>) -> SendRequest<Empty<Bytes>> {
    let io = TokioIo::new(house.calls(&[b"h2"]).await);
    let (send, mut connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let begun = Instant::now();
    while !connection.is_extended_connect_protocol_enabled() {
        assert!(begun.elapsed() < Duration::from_secs(5), "the door says that it takes WebSockets on streams");
        drop(tokio::time::timeout(Duration::from_millis(5), &mut connection).await);
    }
    tasks.spawn(async { drop(connection.await) });
    send
}

fn connect(path: &str, protocol: Option<&'static str>) -> Request<Empty<Bytes>> {
    let request = Request::builder().method(Method::CONNECT).uri(format!("https://door/sample-api/{path}"));
    let request = request.header("ajar-token", "good").header("sec-websocket-version", "13").header("sec-websocket-protocol", "chat");
    let mut request = request.header("origin", "https://door").body(Empty::new()).unwrap();
    if let Some(protocol) = protocol {
        request.extensions_mut().insert(Protocol::from_static(protocol));
    }
    request
}

#[tokio::test]
async fn h01_i09_a_websocket_on_a_stream_is_carried_beside_others_and_cut() {
    let (mut house, heads) = house(Limits::default()).await;
    let mut tasks = JoinSet::new();
    let mut send = connected(&house, &mut tasks).await;
    let response = send.send_request(connect("socket", Some("websocket"))).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("sec-websocket-accept") && response.headers().contains_key("ajar-expires"));
    let asked = heads.lock().unwrap().pop().unwrap().to_lowercase();
    for there in [
        "get /v1/socket http/1.1\r\n",
        "upgrade: websocket\r\n",
        "connection: upgrade\r\n",
        "sec-websocket-key: ",
        "sec-websocket-protocol: chat\r\n",
    ] {
        assert!(asked.contains(there), "{there}\n{asked}");
    }
    let mut socket = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let mut echo = vec![0; 200_000];
    let sent: Vec<u8> = (0..echo.len()).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let (mut read, mut write) = tokio::io::split(&mut socket);
    let (_, read) = tokio::join!(async { write.write_all(&sent).await.unwrap() }, read.read_exact(&mut echo));
    assert!(read.is_ok() && echo == sent);
    // Other streams of the connection go their way meanwhile.
    let get = Request::get("https://door/sample-api/orders").header("ajar-token", "good").body(Empty::new()).unwrap();
    assert_eq!(send.send_request(get).await.unwrap().status(), 200);
    house.order(Order::Cut(CutReason::Revoked));
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut rest)).await;
    assert!(ended.is_ok() && rest.is_empty());
    assert_eq!(house.report().await.reason, EndReason::Cut);
    let lines = lines(&house);
    let socket = lines.iter().find(|line| line["path"] == "/socket").unwrap();
    assert_eq!((&socket["method"], &socket["status"], &socket["outcome"]), (&"GET".into(), &101.into(), &"cut".into()), "{socket}");
    assert_eq!((&socket["bytes_in"], &socket["bytes_out"]), (&200_000.into(), &200_000.into()));
}

#[tokio::test]
async fn h01_what_is_no_websocket_is_none_by_http_2_either() {
    let (house, heads) = house(Limits::default()).await;
    let mut tasks = JoinSet::new();
    let mut send = connected(&house, &mut tasks).await;
    // The target answers as if nothing had been asked for; refuses; takes it with a key that is not ours.
    for (path, status, code) in [("orders", 502, "unreachable"), ("refuses", 401, ""), ("deaf", 502, "unreachable")] {
        let response = send.send_request(connect(path, Some("websocket"))).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        let body = String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
        assert!(body.contains(code), "{path} {body}");
    }
    let asked = heads.lock().unwrap().len();
    // The role decides as it does of a GET; another protocol, or a tunnel to anywhere, is not asked for.
    for (path, protocol) in [("socket", Some("webtransport")), ("socket", None)] {
        let response = send.send_request(connect(path, protocol)).await.unwrap();
        assert_eq!(response.status(), 400, "{path} {protocol:?}");
    }
    // A page of another site has no WebSocket in its reader's name.
    let mut request = connect("socket", Some("websocket"));
    request.headers_mut().remove("ajar-token");
    request.headers_mut().insert("authorization", "Basic ZGV2OmFqYXJfZ29vZA==".parse().unwrap());
    request.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(send.send_request(request).await.unwrap().status(), 403);
    assert_eq!(heads.lock().unwrap().len(), asked);
}
