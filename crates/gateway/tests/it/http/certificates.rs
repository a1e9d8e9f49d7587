//! Certificates for host names that APIs have of their own.

use std::sync::Arc;
use std::time::Duration;

use ajar_gateway::{HttpCertificate, Limits};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::{Authority, GOOD, head, resource, secret};
use crate::house::House;
use ajar_core::resource::HttpCredential;

/// What somebody is shown who trusts this authority and asks for a name.
async fn shown(house: &House, ca: &Authority, name: &str) -> Result<CertificateDer<'static>, std::io::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(Arc::clone(&ca.roots)).with_no_client_auth());
    let tcp = TcpStream::connect(house.http).await.unwrap();
    let tls = TlsConnector::from(config).connect(ServerName::try_from(name.to_owned()).unwrap(), tcp).await?;
    Ok(tls.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned())
}

#[tokio::test]
async fn an_apis_own_host_is_shown_its_own_certificate_which_is_read_again_when_it_changes() {
    let ca = Authority::new();
    let write = |file: &str, name: &str| {
        let (chain, key) = ca.certify(name);
        std::fs::write(ca.at(&format!("{file}.key")), key).unwrap();
        std::fs::write(ca.at(&format!("{file}.pem")), chain).unwrap();
    };
    write("own", "api.example");
    write("star", "*.example.org");
    let of =
        |file: &str| HttpCertificate { chain_file: ca.at(&format!("{file}.pem")).into(), key_file: ca.at(&format!("{file}.key")).into() };
    let target = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, mut tasks) = (target.local_addr().unwrap(), JoinSet::new());
    tasks.spawn(super::target(target, super::Heads::default(), Arc::default()));
    let credential = HttpCredential::Header { name: "authorization".into(), prefix: String::new(), value: secret(at) };
    let house =
        House::with_certificates(resource(at, credential), Arc::default(), tasks, (Limits::default(), vec![of("own"), of("star")])).await;
    let first = shown(&house, &ca, "api.example").await.unwrap();
    let star = shown(&house, &ca, "any.example.org").await.unwrap();
    assert_ne!(first, star);
    // All others are shown the server's own, which is by another authority.
    for name in ["example.org", "a.b.example.org", "localhost"] {
        assert!(shown(&house, &ca, name).await.is_err(), "{name}");
    }
    let mut tls = house.calls(&[b"http/1.1"]).await;
    assert_eq!(head(&mut tls, &format!("GET /sample-api/orders HTTP/1.1\r\n{GOOD}\r\n")).await.0, 200);
    let later = || house.clock.step_mono(Duration::from_secs(3));
    write("own", "api.example");
    later();
    let second = shown(&house, &ca, "api.example").await.unwrap();
    assert_ne!(first, second);
    assert_eq!(shown(&house, &ca, "any.example.org").await.unwrap(), star);
    // Half of it, a key that doesn't fit, nothing: the one before goes on being shown.
    let whole = std::fs::read(ca.at("own.pem")).unwrap();
    let break_it: [&dyn Fn(); 3] = [
        &|| std::fs::write(ca.at("own.pem"), &whole[..100]).unwrap(),
        &|| assert!(std::fs::copy(ca.at("star.key"), ca.at("own.key")).unwrap() > 0),
        &|| std::fs::remove_file(ca.at("own.key")).unwrap(),
    ];
    for broken in break_it {
        broken();
        later();
        assert_eq!(shown(&house, &ca, "api.example").await.unwrap(), second);
    }
    write("own", "api.example");
    later();
    let third = shown(&house, &ca, "api.example").await.unwrap();
    assert!(third != second && third != first);
}
