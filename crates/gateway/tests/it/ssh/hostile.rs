//! Clients and hosts that don't play by the rules.

use russh::client;
use russh::keys::PrivateKeyWithHashAlg;
use russh::keys::PublicKeyOrCertificate;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

struct Trusting;

impl client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

async fn client(street: &Street) -> client::Handle<Trusting> {
    client::connect(Arc::new(client::Config::default()), street.house.ssh, Trusting).await.unwrap()
}

fn certificate(text: &str) -> russh::keys::Certificate {
    russh::keys::Certificate::from_openssh(text).unwrap()
}

#[tokio::test]
async fn s01_channels_before_authentication_come_to_nothing_and_the_connection_ends() {
    let street = Street::new(role()).await;
    let client = client(&street).await;
    // The library passes over it without a word; who doesn't say who they are is cut off when the time for that is over.
    let open = tokio::time::timeout(Duration::from_secs(20), client.channel_open_session()).await.expect("disconnected");
    assert!(open.is_err(), "a channel was opened");
    assert!(!street.host.log().contains("Connection from"), "{}", street.host.log());
}

#[tokio::test]
async fn s02_s08_a_certificate_counts_only_with_its_key_and_a_failure_before_makes_nobody_else() {
    let street = Street::new(role()).await;
    let good = keys::visitor(keys::VISITORS, |b| {
        b.valid_principal("ajar-visitor").unwrap().extension("ajar-resource", "orders-web-1").unwrap();
    });
    let mut client = client(&street).await;
    // Somebody else's key signs for it.
    let answer = client.authenticate_openssh_cert("root", Arc::new(keys::key(77)), certificate(&good)).await.unwrap();
    assert!(!answer.success());
    // The bare key, which no certificate speaks for here.
    let key = PrivateKeyWithHashAlg::new(Arc::new(keys::key(keys::DEV)), None);
    assert!(!client.authenticate_publickey("root", key).await.unwrap().success());
    // S8: what failed before makes nobody else of who comes in now.
    assert!(!client.authenticate_password("root", "bad").await.unwrap().success());
    assert!(client.authenticate_openssh_cert("root", Arc::new(keys::key(keys::DEV)), certificate(&good)).await.unwrap().success());
}

#[tokio::test]
async fn s04_certificates_that_are_not_for_the_door_do_not_open_it() {
    let street = Street::new(role()).await;
    let account = SshHost::account().unwrap();
    let bad = [
        keys::visitor(keys::USERS, |b| {
            b.valid_principal("ajar-visitor").unwrap();
        }),
        keys::visitor(keys::HOSTS, |b| {
            b.valid_principal("ajar-visitor").unwrap();
        }),
        keys::visitor(keys::DEV, |b| {
            b.valid_principal("ajar-visitor").unwrap();
        }),
        keys::visitor(keys::VISITORS, |b| {
            b.valid_principal(&account).unwrap();
        }),
        keys::visitor(keys::VISITORS, |b| {
            b.all_principals_valid().unwrap();
        }),
        keys::visitor(keys::VISITORS, |b| {
            b.valid_principal("ajar-visitor").unwrap().critical_option("force-command", "id").unwrap();
        }),
    ];
    for (n, bad) in bad.iter().enumerate() {
        let mut client = client(&street).await;
        let answer = client.authenticate_openssh_cert("root", Arc::new(keys::key(keys::DEV)), certificate(bad)).await.unwrap();
        assert!(!answer.success(), "{n}");
    }
    // And what opens the door opens no host: hosts trust another authority.
    let at = street.home.path().display();
    let line = format!(
        "ssh -F none -o IdentityFile={at}/key -o CertificateFile={at}/key-cert.pub -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile={at}/known -o BatchMode=yes -p {} {account}@127.0.0.1 id",
        street.host.port()
    );
    let out = street.shell(&line).await;
    assert!(!out.status.success() && text(&out.stderr).contains("Permission denied"), "{out:?}");
}

#[tokio::test]
async fn s03_without_strict_key_exchange_nobody_comes_in() {
    let street = Street::new(role()).await;
    let preferred = russh::Preferred { kex: vec![russh::kex::CURVE25519].into(), ..russh::Preferred::default() };
    let config = client::Config { preferred, ..client::Config::default() };
    let client = client::connect(Arc::new(config), street.house.ssh, Trusting).await;
    assert!(client.is_err());
}

#[tokio::test]
async fn s07_p07_giant_packets_and_slow_greetings_end() {
    let street = Street::new(role()).await;
    for said in [&b"SSH-2.0-x\r\n\xff\xff\xff\xff\x04\x14"[..], b"GET / HTTP/1.1\r\n\r\n", &[b'x'; 100_000], b"SSH-1.5-old\r\n"] {
        let mut tcp = TcpStream::connect(street.house.ssh).await.unwrap();
        drop(tcp.write_all(said).await);
        let mut all = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(15), tcp.read_to_end(&mut all)).await;
        assert!(ended.is_ok(), "{:?}", &said[..8]);
    }
}

#[tokio::test]
async fn a_host_that_is_not_the_host_gets_nothing() {
    // Known by another key; by an authority that did not sign it; by a name that its certificate doesn't have.
    let other = HostKey::Key(keys::public(99));
    for by in [vec![other], vec![HostKey::Authority(keys::public(99))]] {
        let street = Street::with(role(), |target| target.host_keys = by).await;
        let out = street.run("ssh", &["orders-web-1", "true"]).await;
        assert_eq!(out.status.code(), Some(255));
        assert!(text(&out.stderr).contains("it is not the host that it should be"), "{out:?}");
        assert!(!street.host.log().contains("Accepted"), "{}", street.host.log());
    }
    let street = Street::with(role(), |target| target.host = "localhost".into()).await;
    let out = street.run("ssh", &["orders-web-1", "true"]).await;
    assert!(text(&out.stderr).contains("it is not for this"), "{out:?}");
}

#[tokio::test]
async fn hosts_are_known_by_their_keys_and_opened_with_a_stored_key() {
    let mut street = Street::with(role(), |_| {}).await;
    let key = street.host.key().to_owned();
    std::fs::write(street.host.folder().join("authorized_keys"), keys::public(42)).unwrap();
    let stored = street.write("stored", keys::private(42).expose());
    let port = street.host.port();
    let certificate = keys::visitor(keys::VISITORS, |b| {
        b.valid_principal("ajar-visitor").unwrap().extension("ajar-resource", "orders-web-1").unwrap();
    });
    let other = Street::with(role(), |target| {
        target.port = port;
        target.host_keys = vec![HostKey::Key(key)];
        target.credential = SshCredential::Key(ajar_core::resource::SecretSource::File(stored.display().to_string()));
    })
    .await;
    other.write("key-cert.pub", &certificate);
    let out = other.run("ssh", &["orders-web-1", "echo in"]).await;
    assert_eq!(text(&out.stdout), "in\n", "{out:?} {}", street.host.log());
    let out = other.shell("ls $H").await;
    assert!(out.status.success());
    assert!(street.house.reports.try_recv().is_err());
}
