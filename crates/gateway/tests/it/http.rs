//! The door for HTTP: what is passed on, what is refused, and the cut.

mod browsers;
mod certificates;
mod doorstep;
mod passing;
mod shown;
mod websockets;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use ajar_core::port::{CutReason, Order};
use ajar_core::resource::{HttpCredential, HttpRecord, HttpTarget, Kind, Resource, SecretSource, TargetTls, Upstream};
use ajar_core::session::EndReason;
use ajar_gateway::Limits;
use base64::Engine as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::client::TlsStream;

use crate::house::{House, Seen};

type Heads = Arc<Mutex<Vec<String>>>;

/// A house whose target is a server that notes what it is asked, and what it has got.
async fn house(limits: Limits) -> (House, Heads) {
    let header = |at| HttpCredential::Header { name: "authorization".into(), prefix: "Bearer ".into(), value: secret(at) };
    house_showing(header, limits).await
}

fn secret(_: SocketAddr) -> SecretSource {
    SecretSource::Env("X".into())
}

/// The same, whose target is shown something.
async fn house_showing(credential: impl FnOnce(SocketAddr) -> HttpCredential, limits: Limits) -> (House, Heads) {
    let mut tasks = JoinSet::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap();
    let (seen, heads) = (Arc::new(Mutex::new(Seen::default())), Heads::default());
    tasks.spawn(target(listener, Arc::clone(&heads), Arc::clone(&seen)));
    (House::around(resource(port, credential(port)), seen, tasks, limits).await, heads)
}

fn resource(at: SocketAddr, credential: HttpCredential) -> Resource {
    let allow = |all: &[&str]| all.iter().map(|allow| allow.parse().unwrap()).collect();
    Resource {
        name: "sample-api".parse().unwrap(),
        description: String::new(),
        labels: Default::default(),
        owners: Default::default(),
        default_role: Some("read".parse().unwrap()),
        role_descriptions: Default::default(),
        kind: Kind::Http(HttpTarget {
            upstream: Upstream { host: "127.0.0.1".into(), port: at.port(), base: "/v1".into() },
            tls: TargetTls::Off,
            hosts: vec!["api.example".into()],
            credential,
            record: HttpRecord { headers: true, bodies: 1_000, redact: vec!["card".into()] },
            roles: [("read".parse().unwrap(), allow(&["GET /**", "POST /orders/*/notes", "POST /upload"]))].into(),
        }),
    }
}

async fn target(listener: TcpListener, heads: Heads, seen: Arc<Mutex<Seen>>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((tcp, _)) = listener.accept().await else { return };
        let (heads, seen) = (Arc::clone(&heads), Arc::clone(&seen));
        connections.spawn(async move {
            let _: Option<()> = serve(tcp, &heads, &seen).await;
            seen.lock().unwrap().closed += 1;
        });
    }
}

/// One connection of the target, until it fails.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(tcp: S, heads: &Heads, seen: &Mutex<Seen>) -> Option<()> {
    let mut tcp = BufReader::new(tcp);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if tcp.read_line(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        heads.lock().unwrap().push(head.clone());
        let path = head.split(' ').nth(1)?.split('?').next()?.to_owned();
        let length: usize = head.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(0, |l| l.parse().unwrap());
        match path.as_str() {
            "/v1/stream" => {
                tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n").await.ok()?;
                loop {
                    tcp.write_all(b"a\r\ndata: tick\r\n").await.ok()?;
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
            "/v1/quiet" => {
                tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await.ok()?;
                // Until the gateway goes.
                drop(tcp.read(&mut [0; 1]).await);
                return None;
            }
            "/v1/upload" => loop {
                let mut buffer = [0; 4_096];
                let count = tcp.read(&mut buffer).await.ok()?;
                if count == 0 {
                    return None;
                }
                let mut seen = seen.lock().unwrap();
                seen.bytes += count as u64;
                seen.last = Some(SystemTime::now());
            },
            "/v1/socket" | "/v1/deaf" => {
                let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap_or_default();
                let accept = if path == "/v1/deaf" { "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned() } else { accept(key) };
                let head = format!("connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n");
                tcp.write_all(format!("HTTP/1.1 101 Switching Protocols\r\n{head}\r\n").as_bytes()).await.ok()?;
                loop {
                    let mut buffer = [0; 1_024];
                    let count = tcp.read(&mut buffer).await.ok()?;
                    if count == 0 {
                        return None;
                    }
                    tcp.write_all(&buffer[..count]).await.ok()?;
                }
            }
            "/token" => {
                let mut body = vec![0; length];
                tcp.read_exact(&mut body).await.ok()?;
                heads.lock().unwrap().push(format!("form: {}", String::from_utf8_lossy(&body)));
                let answer = json!({ "access_token": "from-the-server", "token_type": "bearer", "expires_in": 3_600 }).to_string();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
                tcp.write_all(head.as_bytes()).await.ok()?;
            }
            "/v1/refuses" => tcp.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").await.ok()?,
            "/v1/moved" => {
                let all = "HTTP/1.1 302 Found\r\nlocation: /v1/orders?x=1\r\nconnection: x-step\r\nx-step: 1\r\ncontent-length: 0\r\n\r\n";
                tcp.write_all(all.as_bytes()).await.ok()?;
            }
            _ => {
                let mut body = vec![0; length];
                tcp.read_exact(&mut body).await.ok()?;
                let answer = json!({ "path": path, "card": "4711", "got": body.len() }).to_string();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", answer.len());
                tcp.write_all(head.as_bytes()).await.ok()?;
                tcp.write_all(answer.as_bytes()).await.ok()?;
            }
        }
    }
}

/// What a server answers to a WebSocket's key (RFC 6455, 4.2.2).
fn accept(key: &str) -> String {
    let digest = Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
    base64::engine::general_purpose::STANDARD.encode(digest)
}

const GOOD: &str = "Host: door\r\nAjar-Token: good\r\n";

/// Sends this, and gives the status and the whole of the answer's head.
async fn head(tls: &mut TlsStream<TcpStream>, request: &str) -> (u16, String) {
    tls.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match tls.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    (status, head)
}

async fn ask(house: &House, request: &str) -> (u16, String, Value) {
    let mut tls = house.calls(&[b"http/1.1"]).await;
    let (status, head) = head(&mut tls, request).await;
    let length = head.to_lowercase().lines().find_map(|l| l.strip_prefix("content-length: ").map(|n| n.parse().unwrap())).unwrap_or(0);
    let mut body = vec![0; length];
    tls.read_exact(&mut body).await.unwrap();
    (status, head, serde_json::from_slice(&body).unwrap_or_default())
}

/// An authority for targets and for what they are shown, and the files of both.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    roots: Arc<RootCertStore>,
    files: TempDir,
}

impl Authority {
    /// Its own certificate is in `ca.pem`.
    fn new() -> Self {
        let files = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = ca.self_signed(&key).unwrap();
        std::fs::write(files.path().join("ca.pem"), own.pem()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(own.der().clone()).unwrap();
        Self { issuer: Issuer::new(ca, key), roots: Arc::new(roots), files }
    }

    fn at(&self, file: &str) -> String {
        self.files.path().join(file).to_str().unwrap().to_owned()
    }

    fn verify(&self) -> TargetTls {
        TargetTls::Verify { ca_file: self.at("ca.pem") }
    }

    /// A certificate for a name, and its key, PEM.
    fn certify(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// `localhost`, which speaks `protocols` and perhaps wants a certificate of ours.
    fn acceptor(&self, protocols: &[&[u8]], wants: bool) -> TlsAcceptor {
        let (chain, key) = self.certify("localhost");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
        let config = if wants {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), provider).build().unwrap();
            config.with_client_cert_verifier(verifier)
        } else {
            config.with_no_client_auth()
        };
        let chain = vec![rustls::pki_types::CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
        let mut config = config.with_single_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap();
        config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

fn lines(house: &House) -> Vec<Value> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(house.recordings.path()).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        all.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    all
}

#[tokio::test]
async fn l03_a_request_is_passed_on_with_what_only_the_target_sees_and_is_recorded() {
    let (mut house, heads) = house(Limits::default()).await;
    let body = "card=4711&note=hello";
    let post = format!(
        "POST /sample-api/orders/%37/notes?token=t0ken HTTP/1.1\r\n{GOOD}Content-Type: application/x-www-form-urlencoded\r\n\
         Authorization: Bearer theirs\r\nX-Forwarded-For: 10.0.0.1\r\nX-HTTP-Method-Override: DELETE\r\nConnection: X-Step\r\nX-Step: 1\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (status, head, answer) = ask(&house, &post).await;
    assert_eq!((status, &answer["path"], &answer["got"]), (200, &json!("/v1/orders/7/notes"), &json!(body.len())), "{head}");
    assert!(head.to_lowercase().contains("ajar-expires: 2"), "{head}");
    let seen = heads.lock().unwrap().pop().unwrap().to_lowercase();
    for there in [
        "post /v1/orders/7/notes?token=t0ken http/1.1",
        "authorization: bearer s3cret",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: door",
    ] {
        assert!(seen.contains(there), "{there}\n{seen}");
    }
    for gone in ["theirs", "10.0.0.1", "override", "x-step", "ajar-"] {
        assert!(!seen.contains(gone), "{gone}\n{seen}");
    }
    // By its own host name, and as somebody else says who they are.
    let (status, _, answer) = ask(&house, "GET /orders HTTP/1.1\r\nHost: API.example\r\nAjar-Token: good\r\n\r\n").await;
    assert_eq!((status, &answer["path"]), (200, &json!("/v1/orders")));
    let (status, head, _) = ask(&house, &format!("GET /sample-api/moved HTTP/1.1\r\n{GOOD}\r\n")).await;
    assert!(status == 302 && head.contains("/sample-api/orders?x=1") && !head.contains("x-step"), "{head}");
    for (request, wanted, code) in [
        ("GET /sample-api/orders HTTP/1.1\r\nHost: door\r\n\r\n".to_owned(), 401, "urn:ajar:sign_in"),
        ("GET /sample-api/orders HTTP/1.1\r\nHost: door\r\nAjar-Token: bad\r\n\r\n".to_owned(), 401, "urn:ajar:bad_credential"),
        (format!("DELETE /sample-api/orders/7 HTTP/1.1\r\n{GOOD}\r\n"), 403, "urn:ajar:not_in_role"),
        (format!("POST /sample-api/orders HTTP/1.1\r\n{GOOD}Content-Length: 0\r\n\r\n"), 403, "urn:ajar:not_in_role"),
        (format!("GET /sample-api/a/../orders HTTP/1.1\r\n{GOOD}\r\n"), 400, "urn:ajar:bad_request"),
    ] {
        let (status, head, problem) = ask(&house, &request).await;
        assert_eq!((status, problem["type"].as_str()), (wanted, Some(code)), "{request}\n{head}\n{problem}");
    }
    house.stop().await;
    let reports: Vec<_> = std::iter::from_fn(|| house.reports.try_recv().ok()).collect();
    assert!(reports.iter().all(|r| r.reason == EndReason::ServerStopped && r.recording.is_some()), "{reports:?}");
    let lines = lines(&house);
    let requests: Vec<&Value> = lines.iter().filter(|l| l["kind"] == "request").collect();
    let told = |path: &str, method: &str| {
        requests.iter().find(|l| l["path"] == path && l["method"] == method).copied().cloned().unwrap_or_default()
    };
    let post = told("/orders/7/notes", "POST");
    assert_eq!((&post["status"], &post["bytes_in"], &post["query"]), (&json!(200), &json!(body.len()), &json!("token=…")), "{post}");
    assert_eq!((&post["request_body"], &post["response_body"]["card"]), (&json!("card=…&note=hello"), &json!("…")), "{post}");
    assert_eq!(told("/orders/7", "DELETE")["outcome"], "refused");
    let all = format!("{lines:?}");
    for secret in ["s3cret", "theirs", "4711", "t0ken", "good"] {
        assert!(!all.contains(secret), "{secret} is in {all}");
    }
}

#[tokio::test]
async fn h02_framing_that_can_be_read_in_two_ways_reaches_no_target() {
    let (house, heads) = house(Limits::default()).await;
    let smuggled = "GET /sample-api/smuggled HTTP/1.1\r\nHost: door\r\nAjar-Token: good\r\n\r\n";
    for framing in [
        format!("Content-Length: 0\r\nContent-Length: {}\r\n\r\n{smuggled}", smuggled.len()),
        format!("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Content-Length: +5\r\n\r\nhello{smuggled}"),
        format!("Content-Length: 5\r\n folded: x\r\n\r\nhello{smuggled}"),
        format!("Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{smuggled}"),
        format!("Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n{smuggled}"),
    ] {
        let mut tls = house.calls(&[b"http/1.1"]).await;
        tls.write_all(format!("POST /sample-api/orders/7/notes HTTP/1.1\r\n{GOOD}{framing}").as_bytes()).await.unwrap();
        let mut all = Vec::new();
        drop(tokio::time::timeout(Duration::from_secs(3), tls.read_to_end(&mut all)).await);
        assert!(heads.lock().unwrap().iter().all(|head| !head.contains("smuggled")), "{framing}");
    }
    // Both at once: the one that counts is passed on alone.
    let both = format!(
        "POST /sample-api/orders/7/notes HTTP/1.1\r\n{GOOD}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    );
    let mut tls = house.calls(&[b"http/1.1"]).await;
    head(&mut tls, &both).await;
    for seen in heads.lock().unwrap().iter() {
        let framings = ["content-length", "transfer-encoding"].iter().filter(|name| seen.to_lowercase().contains(**name)).count();
        assert!(framings <= 1, "{seen}");
    }
}

#[tokio::test]
async fn h01_an_upgrade_that_is_refused_ends_its_connection() {
    let (house, heads) = house(Limits::default()).await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n";
    let mut tls = house.calls(&[b"http/1.1"]).await;
    let behind = format!("GET /sample-api/behind HTTP/1.1\r\n{GOOD}\r\n");
    let (status, first) = head(&mut tls, &format!("GET /sample-api/orders HTTP/1.1\r\n{GOOD}{upgrade}\r\n{behind}")).await;
    assert!(status == 200 && first.to_lowercase().contains("connection: close"), "{first}");
    let mut rest = Vec::new();
    tls.read_to_end(&mut rest).await.ok();
    assert!(!String::from_utf8_lossy(&rest).contains("HTTP/1.1"), "nothing else is answered on it");
    assert!(heads.lock().unwrap().iter().all(|head| !head.contains("behind")), "nor passed on");
    // One that is taken carries bytes both ways; other protocols are not asked for.
    let mut tls = house.calls(&[b"http/1.1"]).await;
    let (status, first) = head(&mut tls, &format!("GET /sample-api/socket HTTP/1.1\r\n{GOOD}{upgrade}\r\n")).await;
    assert_eq!(status, 101, "{first}");
    tls.write_all(b"ping").await.unwrap();
    let mut echo = [0; 4];
    tls.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"ping");
    let (status, ..) = ask(&house, &format!("GET /sample-api/orders HTTP/1.1\r\n{GOOD}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n")).await;
    assert_eq!(status, 200);
    assert!(!heads.lock().unwrap().last().unwrap().contains("h2c"));
}

/// Reads to the end; when the last byte came.
async fn drain(mut tls: TlsStream<TcpStream>) -> SystemTime {
    let (mut last, mut buffer) = (SystemTime::now(), [0; 4_096]);
    while let Ok(Ok(count)) = tokio::time::timeout(Duration::from_secs(10), tls.read(&mut buffer)).await {
        if count == 0 {
            return last;
        }
        last = SystemTime::now();
    }
    last
}

#[tokio::test]
async fn t04_i09_the_deadline_ends_streams_uploads_idle_answers_and_websockets_on_both_legs() {
    let (mut house, _) = house(Limits::default()).await;
    house.grants_last(Duration::from_millis(800));
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let get = |path: &str, more: &str| format!("GET /sample-api/{path} HTTP/1.1\r\n{GOOD}{more}\r\n");
    let (mut stream, mut quiet, mut socket, mut upload) =
        (house.calls(&[]).await, house.calls(&[]).await, house.calls(&[]).await, house.calls(&[]).await);
    assert_eq!(head(&mut stream, &get("stream", "")).await.0, 200);
    assert_eq!(head(&mut quiet, &get("quiet", "")).await.0, 200);
    assert_eq!(head(&mut socket, &get("socket", upgrade)).await.0, 101);
    upload.write_all(format!("POST /sample-api/upload HTTP/1.1\r\n{GOOD}Content-Length: 100000000\r\n\r\n").as_bytes()).await.unwrap();
    let sending = tokio::spawn(async move {
        while upload.write_all(&[7; 1_000]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await
        }
    });
    let (a, b, c) = tokio::join!(drain(stream), drain(quiet), drain(socket));
    let end = house.door.last.lock().unwrap().clone().unwrap().ends_at;
    let end = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(end.as_millis()).unwrap());
    let late = |at: SystemTime| at.duration_since(end).unwrap_or_default();
    assert!([a, b, c].into_iter().all(|at| late(at) < Duration::from_millis(50)), "{:?}", [late(a), late(b), late(c)]);
    let report = house.report().await;
    assert_eq!((report.reason, report.late_ms), (EndReason::Cut, Some(0)), "{report:?}");
    assert!(report.recording.as_ref().is_some_and(|r| r.entries == 4), "{report:?}");
    tokio::time::timeout(Duration::from_secs(5), sending).await.expect("the caller's leg is closed").unwrap();
    let (closed, last) = {
        let seen = house.seen.lock().unwrap();
        (seen.closed, seen.last)
    };
    assert!(last.is_some_and(|at| late(at) < Duration::from_millis(50)), "nothing reaches the target after the end");
    assert!(closed >= 3, "the target's legs are closed: {closed}");
    assert_eq!(lines(&house).iter().filter(|l| l["outcome"] == "cut").count(), 4);
}

#[tokio::test]
async fn i09_i07_an_order_cuts_at_once_and_an_extension_goes_on() {
    let (mut house, _) = house(Limits::default()).await;
    house.grants_last(Duration::from_millis(700));
    let mut stream = house.calls(&[]).await;
    assert_eq!(head(&mut stream, &format!("GET /sample-api/stream HTTP/1.1\r\n{GOOD}\r\n")).await.0, 200);
    let signed = house.door.extension(60_000, |_| {});
    house.order(Order::GoOn(Arc::new(signed)));
    let mut buffer = [0; 4_096];
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < Duration::from_millis(1_200) {
        assert!(stream.read(&mut buffer).await.unwrap() > 0, "the stream goes on past the first end");
    }
    house.order(Order::Cut(CutReason::Revoked));
    let ordered = SystemTime::now();
    let last = drain(stream).await;
    assert!(last.duration_since(ordered).unwrap_or_default() < Duration::from_millis(50));
    assert_eq!(house.report().await.reason, EndReason::Cut);
}

#[tokio::test]
async fn i09_who_waits_for_an_answer_hears_that_somebody_has_ended_the_session() {
    let (mut house, _) = house(Limits::default()).await;
    let half = format!("POST /sample-api/upload HTTP/1.1\r\n{GOOD}Content-Length: 1000\r\n\r\nhalf of it");
    let asking = ask(&house, &half);
    let ending = async {
        while house.seen.lock().unwrap().bytes == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        house.order(Order::Cut(CutReason::Killed));
    };
    let ((status, _, problem), ()) = tokio::join!(asking, ending);
    assert_eq!((status, &problem["type"]), (403, &json!("urn:ajar:killed")), "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|d| d.contains("goes on") && d.contains("ajar sessions")), "{problem}");
    assert_eq!(house.report().await.reason, EndReason::Killed);
    assert_eq!(lines(&house).iter().filter(|l| l["outcome"] == "cut").count(), 1);
}

#[tokio::test]
async fn p07_o01_who_does_not_say_who_they_are_is_cut_off() {
    let limits = Limits { start_up: Duration::from_millis(300), starting_per_address: 4, ..Limits::default() };
    let (house, _) = house(limits).await;
    let begun = tokio::time::Instant::now();
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(TcpStream::connect(house.http).await.unwrap());
    }
    let mut slow = house.calls(&[]).await;
    slow.write_all(b"GET /sample-api/orders HTTP/1.1\r\nHost: d").await.unwrap();
    // No more than these while nobody is known of them.
    let mut more = TcpStream::connect(house.http).await.unwrap();
    assert_eq!(more.read(&mut [0; 1]).await.unwrap_or(0), 0);
    let mut buffer = Vec::new();
    drop(slow.read_to_end(&mut buffer).await);
    for mut tcp in silent {
        assert_eq!(tcp.read(&mut [0; 1]).await.unwrap_or(0), 0);
    }
    assert!(begun.elapsed() < Duration::from_secs(3));
    // Who is known stays.
    let mut tls = house.calls(&[]).await;
    assert_eq!(head(&mut tls, &format!("GET /sample-api/stream HTTP/1.1\r\n{GOOD}\r\n")).await.0, 200);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(tls.read(&mut [0; 100]).await.unwrap() > 0);
}

/// A frame of HTTP/2 (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[tokio::test]
async fn h03_streams_that_are_opened_and_reset_end_their_connection() {
    let (house, heads) = house(Limits::default()).await;
    let mut tls = house.calls(&[b"h2"]).await;
    tls.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    tls.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    // GET https door/: static entries, and a literal authority.
    let get = [&[0x82, 0x87, 0x84, 0x41, 4][..], b"door"].concat();
    let (mut reader, mut writer) = tokio::io::split(tls);
    let flood = tokio::spawn(async move {
        for n in 0..100_000_u32 {
            let both = [frame(1, 5, n * 2 + 1, &get), frame(3, 0, n * 2 + 1, &8_u32.to_be_bytes())].concat();
            if writer.write_all(&both).await.is_err() {
                return n;
            }
        }
        100_000
    });
    let mut all = Vec::new();
    drop(tokio::time::timeout(Duration::from_secs(10), reader.read_to_end(&mut all)).await.expect("the connection ends"));
    assert!(flood.await.unwrap() < 50_000, "it is cut off on the way");
    assert!(heads.lock().unwrap().is_empty());
    // Others go on.
    assert_eq!(ask(&house, &format!("GET /sample-api/orders HTTP/1.1\r\n{GOOD}\r\n")).await.0, 200);
}

#[tokio::test]
async fn i13_what_cannot_be_recorded_is_not_opened() {
    let (mut house, heads) = house(Limits::default()).await;
    std::fs::remove_dir_all(house.recordings.path()).unwrap();
    let (status, head, problem) = ask(&house, &format!("GET /sample-api/orders HTTP/1.1\r\n{GOOD}\r\n")).await;
    assert_eq!((status, problem["type"].as_str()), (503, Some("urn:ajar:unavailable")), "{head}");
    assert!(heads.lock().unwrap().is_empty());
    assert_eq!(house.report().await.reason, EndReason::RecordingFailed);
}

#[tokio::test]
async fn a_token_from_an_authorisation_server_is_asked_for_once_and_again_when_it_is_refused() {
    let credential = |at: SocketAddr| HttpCredential::OAuth2 {
        token_url: format!("http://127.0.0.1:{}/token", at.port()),
        client_id: "the gateway".into(),
        client_secret: SecretSource::Env("X".into()),
        scopes: vec!["orders:read".into(), "b".into()],
    };
    let (house, heads) = house_showing(credential, Limits::default()).await;
    let get = |path: &str| format!("GET /sample-api/{path} HTTP/1.1\r\n{GOOD}\r\n");
    let (one, two) = (get("one"), get("two"));
    let (first, second) = tokio::join!(ask(&house, &one), ask(&house, &two));
    assert_eq!((first.0, second.0), (200, 200));
    let asked = || heads.lock().unwrap().iter().filter(|head| head.starts_with("POST /token ")).count();
    assert_eq!(asked(), 1, "of two who need it, one asks");
    let seen = heads.lock().unwrap().join("\n");
    // the+gateway:s3cret
    for there in [
        "authorization: Basic dGhlK2dhdGV3YXk6czNjcmV0",
        "form: grant_type=client_credentials&scope=orders%3Aread+b",
        "authorization: Bearer from-the-server",
    ] {
        assert!(seen.contains(there), "{there}\n{seen}");
    }
    assert_eq!(ask(&house, &get("refuses")).await.0, 401);
    assert_eq!((ask(&house, &get("three")).await.0, asked()), (200, 2));
}
