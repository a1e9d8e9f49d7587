//! What is asked of real hosts without anybody's key: whether they let in, and whether they refuse what is revoked.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use ajar_core::lease::{Intended, RevocationProof};
use ajar_core::port::{Clock, Connector, ConnectorError, Finding, Probe, Severity};
use ajar_core::resource::SecretSource;
use ajar_core::secret::Secret;
use ajar_core::ssh::CANARY;
use ajar_core::time::{Span, Timestamp};
use ajar_gateway::{SshHosts, SshHostsSetup};
use tempfile::TempDir;

use super::*;
use crate::house::{Counted, TestClock};

const SERIAL: u64 = 0x8000_0000_0000_0007;

/// A host, what asks it, and how it is told who is revoked.
struct Asked {
    folder: TempDir,
    host: SshHost,
    hosts: SshHosts,
    clock: Arc<TestClock>,
    target: SshTarget,
}

impl Asked {
    /// Trusting the certificates of this authority for users; `setting` more.
    fn trusting(users: u8, settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let krl = folder.path().join("krl");
        std::fs::write(&krl, "").unwrap();
        let settings = format!("LogLevel VERBOSE\nRevokedKeys {}\n{settings}", krl.display());
        let host = SshHost::start(&folder.path().join("host"), &keys::public(users), |_| None, &settings).unwrap();
        let clock = Arc::new(TestClock::default());
        let setup = SshHostsSetup {
            authority: Arc::new(keys::Authority),
            secrets: Arc::new(|source| match source {
                SecretSource::Env(name) if name == "KEY" => Ok(keys::private(keys::DEV)),
                SecretSource::Env(_) | SecretSource::File(_) => Ok(Secret::new("wrong".into())),
            }),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            entropy: Arc::new(Counted::default()),
        };
        let role = SshRole { direct: true, ..SshRole::of(vec![SshHost::account().unwrap()]) };
        let target = SshTarget {
            host: "127.0.0.1".into(),
            port: host.port(),
            host_keys: vec![HostKey::Key(host.key().into())],
            credential: SshCredential::Certificate,
            record: SshRecord::default(),
            roles: [("read".parse().unwrap(), role)].into(),
        };
        Self { folder, host, hosts: SshHosts::new(setup).unwrap(), clock, target }
    }

    fn new() -> Self {
        Self::trusting(keys::USERS, "")
    }

    /// The host's list is this from now on.
    fn list(&self, serials: &[u64]) {
        let spec = self.folder.path().join("spec");
        std::fs::write(&spec, serials.iter().map(|serial| format!("serial: {serial}\n")).collect::<String>()).unwrap();
        let (krl, users) = (self.folder.path().join("new"), self.folder.path().join("users.pub"));
        std::fs::write(&users, keys::public(keys::USERS)).unwrap();
        let made = Command::new("ssh-keygen").args(["-q", "-k", "-f"]).arg(&krl).arg("-s").arg(users).arg(spec).status().unwrap();
        assert!(made.success());
        std::fs::rename(krl, self.folder.path().join("krl")).unwrap();
    }

    fn resource(&self) -> Resource {
        super::resource(self.target.clone())
    }

    fn lease(&self, login: &str) -> Intended {
        let now = self.clock.now();
        Intended {
            id: "lease_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
            grant: "grant_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
            resource: "orders-web-1".parse().unwrap(),
            role: "read".parse().unwrap(),
            login: login.into(),
            valid_until: now.after(Span::from_secs(600)),
            files: None,
            serial: Some(SERIAL),
            at: now,
        }
    }

    async fn revoke(&self, lease: &Intended) -> Result<RevocationProof, ConnectorError> {
        // Nobody is asked too often.
        self.clock.step_mono(Duration::from_secs(60));
        self.hosts.revoke(&self.resource(), lease).await
    }

    async fn probe(&self) -> Vec<Finding> {
        self.clock.step_mono(Duration::from_secs(60));
        self.hosts.probe(&self.resource()).await.unwrap()
    }

    /// Nobody has signed in.
    fn nobody_came_in(&self) {
        let log = self.host.log();
        assert!(!log.contains("Accepted publickey"), "{log}");
    }
}

fn account() -> String {
    SshHost::account().unwrap()
}

fn still_there(answer: Result<RevocationProof, ConnectorError>) -> String {
    match answer {
        Err(ConnectorError::StillThere { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

fn found<'a>(findings: &'a [Finding], check: &str) -> (Severity, &'a str) {
    let one = findings.iter().find(|f| f.check.contains(check)).unwrap_or_else(|| panic!("no {check} in {findings:?}"));
    (one.severity, &one.result)
}

#[tokio::test]
async fn i11_r09_a_certificate_is_revoked_when_the_host_refuses_its_number_and_takes_another() {
    let asked = Asked::new();
    let lease = asked.lease(&account());
    asked.list(&[CANARY]);
    assert!(still_there(asked.revoke(&lease).await).contains("has not fetched the list"));
    // Another's number shows nothing of this one.
    asked.list(&[CANARY, SERIAL + 1]);
    assert!(still_there(asked.revoke(&lease).await).contains("has not fetched the list"));
    asked.list(&[CANARY, SERIAL]);
    let proof = asked.revoke(&lease).await.unwrap();
    assert!(proof.asked.contains(&SERIAL.to_string()) && proof.answer.contains("refuses"), "{proof:?}");
    assert!(proof.findings[0].contains("goes on until"), "{proof:?}");
    let log = asked.host.log();
    assert!(log.contains("revoked"), "{log}");
    // A host notes at this level whatever key is let in or has signed; here it has none.
    asked.nobody_came_in();
}

#[tokio::test]
async fn i11_a_host_that_refuses_everything_proves_nothing() {
    // It doesn't trust the authority.
    let asked = Asked::trusting(keys::HOSTS, "");
    asked.list(&[CANARY, SERIAL]);
    assert!(still_there(asked.revoke(&asked.lease(&account())).await).contains("shows nothing"));
    // The login is gone.
    let asked = Asked::new();
    asked.list(&[CANARY, SERIAL]);
    assert!(still_there(asked.revoke(&asked.lease("nobody-of-this-name")).await).contains("shows nothing"));
    // It hangs up when it has refused once, and says no more.
    let asked = Asked::trusting(keys::USERS, "MaxAuthTries 1");
    asked.list(&[CANARY, SERIAL]);
    let answer = asked.revoke(&asked.lease(&account())).await;
    assert!(matches!(answer, Err(ConnectorError::Unreachable { .. })), "{answer:?}");
    // It takes no keys.
    let asked = Asked::trusting(keys::USERS, "PubkeyAuthentication no\nKbdInteractiveAuthentication yes");
    let answer = asked.revoke(&asked.lease(&account())).await;
    assert!(answer.is_err(), "{answer:?}");
    asked.nobody_came_in();
}

#[tokio::test]
async fn i11_another_host_in_its_place_proves_nothing_and_none_is_asked_again() {
    let mut asked = Asked::new();
    asked.list(&[CANARY, SERIAL]);
    let lease = asked.lease(&account());
    asked.target.host_keys = vec![HostKey::Key(keys::public(keys::DEV))];
    let answer = asked.revoke(&lease).await;
    assert!(matches!(answer, Err(ConnectorError::Refused { .. })), "{answer:?}");
    assert_eq!(found(&asked.probe().await, "reach the host").0, Severity::Bad);
    asked.target.host_keys = vec![HostKey::Ajar];
    assert!(matches!(asked.revoke(&lease).await, Err(ConnectorError::Refused { .. })));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    asked.target.port = listener.local_addr().unwrap().port();
    drop(listener);
    let answer = asked.revoke(&lease).await;
    assert!(matches!(answer, Err(ConnectorError::Unreachable { .. })), "{answer:?}");
    let findings = asked.probe().await;
    assert_eq!((findings.len(), findings[0].severity), (1, Severity::Bad), "{findings:?}");
    asked.nobody_came_in();
}

#[tokio::test]
async fn i12_after_its_end_the_host_says_that_it_has_expired_and_in_the_end_nobody_is_asked() {
    let asked = Asked::new();
    let mut lease = asked.lease(&account());
    lease.at = lease.at.before(Span::from_secs(600));
    lease.valid_until = asked.clock.now().before(Span::from_secs(1));
    let proof = asked.revoke(&lease).await.unwrap();
    assert!(proof.answer.contains("refuses"), "{proof:?}");
    // By the host's clock it is good, whatever ours says.
    lease.valid_until = lease.valid_until.after(Span::from_secs(600));
    asked.clock.step(900_000);
    assert!(still_there(asked.revoke(&lease).await).contains("has not fetched"));
    // Longer than clocks differ, and the host is gone.
    let mut asked = asked;
    asked.target.port = 1;
    assert!(matches!(asked.revoke(&lease).await, Err(ConnectorError::Unreachable { .. })));
    asked.clock.step(3_600_000);
    let proof = asked.revoke(&lease).await.unwrap();
    assert!(proof.answer.contains("expired") && proof.asked.contains("was not asked"), "{proof:?}");
}

#[tokio::test]
async fn a_host_is_not_asked_so_often_that_it_turns_the_gateway_away() {
    let asked = Asked::new();
    let lease = asked.lease(&account());
    let mut why = Vec::new();
    for _ in 0..3 {
        why.push(still_there(asked.hosts.revoke(&asked.resource(), &lease).await));
    }
    assert!(why[1].contains("has not fetched") && why[2].contains("a moment ago"), "{why:?}");
    assert_eq!(asked.host.log().matches("Connection from").count(), 3, "one of them found out whether it answers");
    asked.clock.step_mono(Duration::from_secs(6));
    assert!(still_there(asked.hosts.revoke(&asked.resource(), &lease).await).contains("has not fetched"));
}

#[tokio::test]
async fn r06_the_probe_says_what_is_wrong_with_a_host_and_what_to_do() {
    let mut asked = Asked::new();
    let sign_in = format!("sign in as {}", account());
    // No list.
    let findings = asked.probe().await;
    assert_eq!(found(&findings, "reach the host").0, Severity::Good);
    assert!(matches!(found(&findings, "host key"), (Severity::Good, text) if text.contains("SHA256:")), "{findings:?}");
    assert!(matches!(found(&findings, "past the gateway"), (Severity::Warning, text) if text.contains("RevokedKeys")), "{findings:?}");
    assert_eq!(found(&findings, &sign_in).0, Severity::Good);
    // Truly signed in, with nothing opened.
    let log = asked.host.log();
    assert!(log.contains("Accepted publickey") && log.contains("ajar doctor") && !log.contains("Starting session"), "{log}");
    asked.list(&[CANARY]);
    let findings = asked.probe().await;
    assert!(matches!(found(&findings, "past the gateway"), (Severity::Good, text) if text.contains("how old")), "{findings:?}");
    // A further login, which is only offered.
    let role = SshRole::of(vec![account(), "nobody-of-this-name".into()]);
    asked.target.roles.insert("admin".parse().unwrap(), role);
    let findings = asked.probe().await;
    assert!(matches!(found(&findings, "offer to sign in"), (Severity::Warning, text) if text.contains("unix user")), "{findings:?}");
    // A key that the host doesn't know, and does.
    asked.target.credential = SshCredential::Key(SecretSource::Env("KEY".into()));
    let findings = asked.probe().await;
    assert!(matches!(found(&findings, &sign_in), (Severity::Bad, text) if text.contains("authorized_keys")), "{findings:?}");
    std::fs::write(asked.host.folder().join("authorized_keys"), keys::public(keys::DEV)).unwrap();
    assert_eq!(found(&asked.probe().await, &sign_in).0, Severity::Good);
    asked.target.credential = SshCredential::Key(SecretSource::Env("NONE".into()));
    assert!(matches!(found(&asked.probe().await, &sign_in), (Severity::Bad, text) if text.contains("mend it in the files")));
    // One that trusts another authority.
    let asked = Asked::trusting(keys::HOSTS, "");
    let findings = asked.probe().await;
    assert!(matches!(found(&findings, &sign_in), (Severity::Bad, text) if text.contains("TrustedUserCAKeys")), "{findings:?}");
    assert!(
        matches!(found(&findings, "past the gateway"), (Severity::Warning, text) if text.contains("TrustedUserCAKeys")),
        "{findings:?}"
    );
}

#[tokio::test]
async fn r06_a_host_known_by_certificate_says_until_when() {
    let street = Street::with(SshRole { direct: true, ..role() }, |_| {}).await;
    let mut asked = Asked::new();
    asked.target.port = street.host.port();
    asked.target.host_keys = vec![HostKey::Ajar];
    let findings = asked.probe().await;
    let (severity, text) = found(&findings, "host key");
    assert!(severity == Severity::Good && text.contains("Ajar's authority for hosts, good until 2096"), "{findings:?}");
    // A month before that, it is time for another one.
    let Some(seen) = Timestamp::from_millis(4_000_000_000_000).since(asked.clock.now()).as_millis().checked_sub(86_400_000) else { return };
    asked.clock.step(i64::try_from(seen).unwrap());
    let findings = asked.probe().await;
    assert!(matches!(found(&findings, "host key"), (Severity::Warning, text) if text.contains("have another one made")), "{findings:?}");
}

#[tokio::test]
async fn s03_a_host_without_strict_key_exchange_is_named() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut asked = Asked::new();
    asked.target.port = listener.local_addr().unwrap().port();
    let mut lists = vec!["curve25519-sha256", "ssh-ed25519"];
    lists.extend(["aes256-gcm@openssh.com", "aes256-gcm@openssh.com", "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", ""]);
    let mut packet = vec![20; 17];
    for list in lists {
        packet.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
        packet.extend(list.as_bytes());
    }
    packet.extend([0; 5]);
    let padding = 4 + (8 - (packet.len() + 5 + 4) % 8) % 8;
    let length = u32::try_from(packet.len() + 1 + padding).unwrap().to_be_bytes();
    let all = [&b"SSH-2.0-Old\r\n"[..], &length, &[u8::try_from(padding).unwrap()], &packet, &vec![0; padding]].concat();
    let old = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(&all).await.unwrap();
        drop(tcp.read_to_end(&mut Vec::new()).await);
    };
    let (findings, ()) = tokio::join!(asked.probe(), old);
    assert!(matches!(found(&findings, "reach the host"), (Severity::Bad, text) if text.contains("no strict key exchange")), "{findings:?}");
}
