//! What passes in both directions: trailers, and bodies that wait to be asked for.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use ajar_core::resource::{HttpCredential, Kind, SecretSource};
use ajar_gateway::Limits;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{Authority, house, resource};
use crate::house::House;

/// A body in pieces, and fields behind it.
struct Pieces(std::vec::IntoIter<Frame<Bytes>>);

impl Pieces {
    fn new(pieces: &[&'static str], trailers: &[(&'static str, &'static str)]) -> Self {
        let data = pieces.iter().map(|piece| Frame::data(Bytes::from_static(piece.as_bytes())));
        let fields = trailers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect::<HeaderMap>();
        Self(data.chain([Frame::trailers(fields)]).collect::<Vec<_>>().into_iter())
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;
    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

/// Fields that count for something as headers, each of which would make somebody believe it.
const MISLEADING: [(&str, &str); 6] = [
    ("authorization", "Bearer theirs"),
    ("x-key", "theirs"),
    ("x-forwarded-for", "10.0.0.1"),
    ("content-length", "3"),
    ("set-cookie", "a=1"),
    ("ajar-token", "ajar_x"),
];
const NAMED: &str = "x-sum, authorization, x-key, x-forwarded-for, content-length, set-cookie, ajar-token";

fn shown(fields: Option<&HeaderMap>) -> Vec<String> {
    let mut all: Vec<String> = fields.into_iter().flatten().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    all.sort();
    all
}

type Got = Arc<Mutex<Vec<(String, Vec<String>)>>>;

/// A target that is hyper's: it notes bodies with what is behind them, and answers with the same.
async fn target(ca: &Authority, protocol: &'static [u8]) -> (SocketAddr, JoinSet<()>, Got) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap();
    let (got, acceptor, mut tasks) = (Got::default(), ca.acceptor(&[protocol], false), JoinSet::new());
    let noted = Arc::clone(&got);
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let (acceptor, noted) = (acceptor.clone(), Arc::clone(&noted));
            connections.spawn(async move {
                let Ok(tls) = acceptor.accept(tcp).await else { return };
                let service = service_fn(|request: Request<Incoming>| {
                    let noted = Arc::clone(&noted);
                    async move {
                        let whole = request.into_body().collect().await.unwrap();
                        let trailers = shown(whole.trailers());
                        noted.lock().unwrap().push((String::from_utf8(whole.to_bytes().to_vec()).unwrap(), trailers));
                        let body = Pieces::new(&["an ", "answer"], &[&[("x-sum", "42")][..], &MISLEADING].concat());
                        Ok::<_, Infallible>(Response::builder().header("trailer", NAMED).body(body).unwrap())
                    }
                });
                drop(auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(tls), service).await);
            });
        }
    });
    (port, tasks, got)
}

#[tokio::test]
async fn h02_trailers_pass_both_ways_and_carry_nothing_that_counts_as_a_header() {
    let ca = Authority::new();
    for (caller, target_speaks) in [(&b"http/1.1"[..], &b"http/1.1"[..]), (b"h2", b"h2"), (b"http/1.1", b"h2"), (b"h2", b"http/1.1")] {
        let (port, tasks, got) = target(&ca, target_speaks).await;
        let key = HttpCredential::Header { name: "x-key".into(), prefix: String::new(), value: SecretSource::Env("X".into()) };
        let mut resource = resource(port, key);
        if let Kind::Http(target) = &mut resource.kind {
            (target.tls, target.upstream.host) = (ca.verify(), "localhost".into());
        }
        let house = House::around(resource, Arc::default(), tasks, Limits::default()).await;
        let io = TokioIo::new(house.calls(&[caller]).await);
        let body = Pieces::new(&["a ", "request"], &[&[("x-sum", "17")][..], &MISLEADING].concat());
        let request = |uri: &str| {
            let request = Request::post(uri).header("ajar-token", "good").header("te", "trailers").header("trailer", NAMED);
            if caller == b"h2" { request } else { request.header("host", "door") }
        };
        let (path, mut tasks) = ("/sample-api/orders/7/notes", JoinSet::new());
        let response = if caller == b"h2" {
            let (mut send, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tasks.spawn(async { drop(connection.await) });
            send.send_request(request(&format!("https://door{path}")).body(body).unwrap()).await.unwrap()
        } else {
            let (mut send, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            tasks.spawn(async { drop(connection.await) });
            send.send_request(request(path).body(body).unwrap()).await.unwrap()
        };
        let ways = format!("{} to {}", String::from_utf8_lossy(caller), String::from_utf8_lossy(target_speaks));
        assert_eq!(response.status(), 200, "{ways}");
        let whole = response.into_body().collect().await.unwrap();
        assert_eq!(shown(whole.trailers()), ["x-sum: 42"], "{ways}");
        assert_eq!(whole.to_bytes(), "an answer", "{ways}");
        let got = got.lock().unwrap().pop().unwrap();
        assert_eq!(got, ("a request".to_owned(), vec!["x-sum: 17".to_owned()]), "{ways}");
    }
}

#[tokio::test]
async fn h02_a_body_that_waits_to_be_asked_for_is_asked_for_only_when_it_is_let_through() {
    let (house, heads) = house(Limits::default()).await;
    let files = tempfile::tempdir().unwrap();
    let at = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("ca.pem"), &house.authority).unwrap();
    std::fs::write(at("body"), "b".repeat(100_000)).unwrap();
    let curl = |path: &str, token: &str| {
        let mut curl = Command::new("curl");
        // Long enough that it could not pass for an answer.
        curl.args(["-sv", "--http1.1", "--expect100-timeout", "30", "--max-time", "20", "-H", "Expect: 100-continue"]);
        curl.args(["--resolve", &format!("localhost:{}:127.0.0.1", house.http.port()), "--cacert", &at("ca.pem")]);
        curl.args(["-H", &format!("Ajar-Token: {token}"), "--data-binary", &format!("@{}", at("body"))]);
        curl.arg(format!("https://localhost:{}/sample-api/{path}", house.http.port()));
        tokio::task::spawn_blocking(move || {
            let out = curl.output().unwrap();
            (String::from_utf8_lossy(&out.stdout).into_owned(), String::from_utf8_lossy(&out.stderr).into_owned())
        })
    };
    let begun = Instant::now();
    let (body, said) = curl("orders/7/notes", "good").await.unwrap();
    assert!(said.contains("< HTTP/1.1 100 Continue") && body.contains(r#""got":100000"#), "{body}{said}");
    let seen = heads.lock().unwrap().pop().unwrap().to_lowercase();
    assert!(!seen.contains("expect"), "what concerns one hop stays there: {seen}");
    for (path, token, status) in [("orders", "good", "403"), ("orders/7/notes", "bad", "401")] {
        let (body, said) = curl(path, token).await.unwrap();
        assert!(!said.contains("100 Continue") && said.contains(&format!("< HTTP/1.1 {status}")), "{body}{said}");
    }
    assert!(heads.lock().unwrap().is_empty());
    assert!(begun.elapsed() < Duration::from_secs(15));
}
