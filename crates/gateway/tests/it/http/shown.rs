//! What targets are shown, and whom the gateway takes them for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ajar_core::resource::{HttpCredential, Kind, Resource, SecretSource, TargetTls};
use ajar_gateway::Limits;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{Authority, GOOD, Heads, ask, house_showing, resource, serve};
use crate::house::{House, Seen};

/// A target over TLS that wants a certificate, and notes whose it was shown before each request.
async fn target(ca: &Authority) -> (std::net::SocketAddr, JoinSet<()>, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap();
    let (heads, acceptor, mut tasks) = (Heads::default(), ca.acceptor(&[], true), JoinSet::new());
    let noted = Arc::clone(&heads);
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let (acceptor, noted) = (acceptor.clone(), Arc::clone(&noted));
            connections.spawn(async move {
                let Ok(tls) = acceptor.accept(tcp).await else { return };
                let shown = tls.get_ref().1.peer_certificates().unwrap()[0].clone();
                let (_, shown) = x509_parser::parse_x509_certificate(&shown).unwrap();
                noted.lock().unwrap().push(shown.subject().to_string());
                let _: Option<()> = serve(tls, &noted, &Mutex::new(Seen::default())).await;
            });
        }
    });
    (port, tasks, heads)
}

fn over_tls(mut resource: Resource, verify: TargetTls) -> Resource {
    if let Kind::Http(target) = &mut resource.kind {
        (target.tls, target.upstream.host) = (verify, "localhost".into());
    }
    resource
}

fn orders() -> String {
    format!("GET /sample-api/orders HTTP/1.1\r\n{GOOD}\r\n")
}

#[tokio::test]
async fn i02_a_target_over_tls_is_verified_and_is_shown_the_gateways_certificate() {
    let (ca, other) = (Authority::new(), Authority::new());
    let (chain, key) = ca.certify("the-gateway");
    for (file, pem) in [("client.pem", chain), ("client.key", key)] {
        std::fs::write(ca.at(file), pem).unwrap();
    }
    for (verify, shown, status) in [(ca.verify(), true, 200), (ca.verify(), false, 502), (other.verify(), true, 502)] {
        let (port, tasks, heads) = target(&ca).await;
        let credential = HttpCredential::Certificate { chain_file: ca.at("client.pem"), key: SecretSource::File(ca.at("client.key")) };
        let resource = over_tls(resource(port, if shown { credential } else { HttpCredential::None }), verify.clone());
        let house = House::around(resource, Arc::default(), tasks, Limits::default()).await;
        let (got, _, answer) = ask(&house, &orders()).await;
        let asked = heads.lock().unwrap().len();
        assert_eq!((got, asked > 0), (status, status == 200), "{verify:?} {shown} {answer}");
    }
}

#[tokio::test]
async fn i02_files_that_are_replaced_count_for_new_connections_within_seconds() {
    let (ca, other) = (Authority::new(), Authority::new());
    let write = |name: &str| {
        let (chain, key) = ca.certify(name);
        // For a moment the two don't fit: what was there before goes on counting.
        std::fs::write(ca.at("client.key"), key).unwrap();
        chain
    };
    std::fs::write(ca.at("client.pem"), write("the-first")).unwrap();
    let (port, tasks, heads) = target(&ca).await;
    let credential = HttpCredential::Certificate { chain_file: ca.at("client.pem"), key: SecretSource::File(ca.at("client.key")) };
    let house = House::around(over_tls(resource(port, credential), ca.verify()), Arc::default(), tasks, Limits::default()).await;
    let shown = || heads.lock().unwrap().iter().filter(|line| line.starts_with("CN=")).cloned().collect::<Vec<_>>();
    // Long enough for the files to be looked at again.
    let later = || house.clock.step_mono(Duration::from_secs(3));
    assert_eq!((ask(&house, &orders()).await.0, shown()), (200, vec!["CN=the-first".to_owned()]));
    let chain = write("the-second");
    later();
    assert_eq!((ask(&house, &orders()).await.0, shown().last().map(String::as_str)), (200, Some("CN=the-first")));
    std::fs::write(ca.at("client.pem"), chain).unwrap();
    later();
    // Each of the gateway's threads has its own connections: none shows the first any more.
    let before = shown().len();
    for _ in 0..8 {
        assert_eq!(ask(&house, &orders()).await.0, 200);
    }
    let after = shown().split_off(before);
    assert!(!after.is_empty() && after.iter().all(|shown| shown == "CN=the-second"), "{after:?}");
    // Nor is a target believed any more whose authority is gone from the file.
    std::fs::copy(other.at("ca.pem"), ca.at("ca.pem")).unwrap();
    later();
    for _ in 0..4 {
        assert_eq!(ask(&house, &orders()).await.0, 502);
    }
}

#[tokio::test]
async fn i17_a_name_and_a_password_are_shown_in_the_callers_place_and_read_again_when_they_are_refused() {
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("password").to_str().unwrap().to_owned();
    std::fs::write(&file, "pass:w0rd").unwrap();
    let password = SecretSource::File(file.clone());
    let (house, heads) = house_showing(|_| HttpCredential::Basic { user: "the gateway".into(), password }, Limits::default()).await;
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let own = basic("dev:ajar_good");
    let get = |path: &str| format!("GET /sample-api/{path} HTTP/1.1\r\nHost: door\r\nAuthorization: {own}\r\n\r\n");
    let last = || heads.lock().unwrap().last().cloned().unwrap_or_default();
    let (status, answer, _) = ask(&house, &get("orders")).await;
    assert_eq!(status, 200, "{answer}");
    let shown = format!("authorization: {}\r\n", basic("the gateway:pass:w0rd"));
    assert!(last().contains(&shown) && !last().contains(&own), "{}", last());
    assert!(!answer.contains(&basic("the gateway:pass:w0rd")));
    // Another one counts as soon as the target has refused the one that is kept.
    std::fs::write(&file, "changed").unwrap();
    assert_eq!(ask(&house, &get("refuses")).await.0, 401);
    assert!(last().contains(&shown));
    assert_eq!(ask(&house, &get("orders")).await.0, 200);
    assert!(last().contains(&basic("the gateway:changed")), "{}", last());
    // And after a while in any case.
    std::fs::write(&file, "changed again").unwrap();
    house.clock.step_mono(Duration::from_secs(11));
    assert_eq!(ask(&house, &get("orders")).await.0, 200);
    assert!(last().contains(&basic("the gateway:changed again")), "{}", last());
}
