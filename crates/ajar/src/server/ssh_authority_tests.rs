//! The certificates, as OpenSSH's own programs read them.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use ajar_core::id::TokenId;

use super::*;
use crate::clock::SystemEntropy;

struct Town {
    dir: tempfile::TempDir,
    authorities: SshAuthorities,
}

/// 2026-01-31T12:00:00.9Z.
const NOON: i64 = 1_769_860_800_900;

impl Town {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authorities = SshAuthorities::load_or_make(dir.path(), Arc::new(SystemEntropy::new().unwrap())).unwrap();
        Self { dir, authorities }
    }

    fn run(&self, args: &[&str]) -> (bool, String) {
        let out = Command::new("ssh-keygen").args(args).current_dir(self.dir.path()).env("TZ", "UTC").output().unwrap();
        (out.status.success(), String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr))
    }

    /// A new key's public line.
    fn key(&self, name: &str, kind: &[&str]) -> String {
        let (made, told) = self.run(&[&["-q", "-N", "", "-f", name, "-t"], kind].concat());
        assert!(made, "{told}");
        std::fs::read_to_string(self.dir.path().join(format!("{name}.pub"))).unwrap()
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// What ssh-keygen says of a certificate, without the first line (the file's name) and without indentation.
    fn shown(&self, certificate: &str) -> Vec<String> {
        self.write("shown-cert.pub", certificate.as_bytes());
        let (read, told) = self.run(&["-L", "-f", "shown-cert.pub"]);
        assert!(read, "{told}");
        told.lines().skip(1).map(|line| line.trim().to_owned()).collect()
    }

    fn ask(&self, public_key: String, subject: SshSubject) -> SshCertify {
        let valid_from = Timestamp::from_millis(NOON);
        let valid_until = valid_from.after(Span::from_secs(600));
        SshCertify { public_key, subject, key_id: "dev lease_1".into(), serial: 4711, valid_from, valid_until }
    }
}

fn login(login: &str) -> SshSubject {
    SshSubject::Login { login: login.into(), source: None, forwarding: SshForwarding::default() }
}

fn has(shown: &[String], line: &str) -> bool {
    shown.iter().any(|l| l == line)
}

#[test]
fn i07_a_login_is_certified_for_itself_and_its_address_to_the_second() {
    let town = Town::new();
    let key = town.key("dev", &["ed25519"]);
    let source: IpAddr = "::ffff:10.1.2.3".parse().unwrap();
    let forwarding = SshForwarding { agent: true, x11: false, ports: true };
    let subject = SshSubject::Login { login: "deploy".into(), source: Some(source), forwarding };
    let shown = town.shown(&town.authorities.certify(&town.ask(key.clone(), subject)).unwrap());
    assert!(has(&shown, "Type: ssh-ed25519-cert-v01@openssh.com user certificate"), "{shown:?}");
    assert!(has(&shown, "Key ID: \"dev lease_1\"") && has(&shown, "Serial: 4711"), "{shown:?}");
    // A minute earlier for clocks that differ; the second that has begun at the end is not given.
    assert!(has(&shown, "Valid: from 2026-01-31T11:59:00 to 2026-01-31T12:10:00"), "{shown:?}");
    let at = shown.iter().position(|l| l == "Principals:").unwrap();
    let rest = ["deploy", "Critical Options:", "source-address 10.1.2.3/32", "Extensions:"];
    assert_eq!(shown[at + 1..at + 5], rest);
    assert_eq!(shown[at + 5..], ["permit-agent-forwarding", "permit-port-forwarding", "permit-pty"]);
    let authority = &town.authorities.keys().users;
    town.write("users.pub", authority.as_bytes());
    let (_, fingerprint) = town.run(&["-l", "-f", "users.pub"]);
    let fingerprint = fingerprint.split_whitespace().nth(1).unwrap();
    assert!(shown.iter().any(|l| l.starts_with("Signing CA: ED25519") && l.contains(fingerprint)), "{shown:?} {fingerprint}");

    let bare = town.shown(&town.authorities.certify(&town.ask(key, login("root"))).unwrap());
    assert!(has(&bare, "Critical Options: (none)"), "{bare:?}");
    assert_eq!(bare.last().unwrap(), "permit-pty");
}

#[test]
fn s04_a_visitor_is_nobody_on_any_host() {
    let town = Town::new();
    let key = town.key("dev", &["ecdsa"]);
    let token: TokenId = "tok_01h455vb4pex5vsknk084sn02q".parse().unwrap();
    let subject = SshSubject::Visitor { token, resource: Some("orders-web-1".parse().unwrap()), role: Some("deploy".parse().unwrap()) };
    let certificate = town.authorities.certify(&town.ask(key.clone(), subject)).unwrap();
    let shown = town.shown(&certificate);
    assert!(has(&shown, "Key ID: \"tok_01h455vb4pex5vsknk084sn02q\""), "{shown:?}");
    let at = shown.iter().position(|l| l == "Principals:").unwrap();
    assert_eq!(shown[at + 1..at + 4], ["ajar-visitor", "Critical Options: (none)", "Extensions:"]);
    assert!(shown[at + 4].starts_with("ajar-resource") && shown[at + 5].starts_with("ajar-role"), "{shown:?}");
    assert_eq!(shown.len(), at + 6);
    let parsed = russh::keys::Certificate::from_openssh(&certificate).unwrap();
    let said: Vec<_> = parsed.extensions().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(said, [("ajar-resource", "orders-web-1"), ("ajar-role", "deploy")]);
    // Another authority signs it than those that hosts trust.
    let keys = town.authorities.keys();
    assert_eq!(parsed.signature_key(), PublicKey::from_openssh(&keys.visitors).unwrap().key_data());
    assert!(keys.visitors != keys.users && keys.users != keys.hosts && keys.hosts != keys.visitors);
    let subject = SshSubject::Visitor { token, resource: None, role: None };
    let shown = town.shown(&town.authorities.certify(&town.ask(key, subject)).unwrap());
    assert!(has(&shown, "Extensions: (none)"), "{shown:?}");
}

#[test]
fn s04_no_key_is_certified_that_is_weak_or_a_certificate() {
    let town = Town::new();
    let good = town.key("good", &["ed25519"]);
    let certificate = town.authorities.certify(&town.ask(good.clone(), login("deploy"))).unwrap();
    let dss = "ssh-dss AAAAB3NzaC1kc3MAAACBAJKa9kgpSUBLgPwgkRvYDayXIjigt36VZShchgKSNxjOXfuJpNP7BUZFJSqE1ZKvMcmMKah2V15a+aV8H5TnFYSUT+aq5BH2lSxx5cHQ/xrSMBobqjxQHQJshrHugnrBmXvhadWHZ8T/kV0agddRTuC/nY28RA2OOLFukEc2C/O7AAAAFQDMCEXIHwdtyxv0HDBHhN+N9pzedwAAAIB7zE3EQ8tHvEhoHZ3lc53qMCfow64rv5L0eim6hqC/cwzWHGFk9PXAHgXOZBMB9P2gCdiL1Vydru/6ib3EbzAGR21xhvxlrZQqtJ7jKql0ZbVCqzYijBwJCU2OAvaxjyTZwg5o87h1LqxU9RRFJTJerMCcnEy4X7iIIF2S8TLeswAAAIAxQ9/DLm7l3X438VFgdTKSOrrfgx5q5/sKXgauNTxaYfDEBlmWdFZme3+lB1gR0td9NMxH/ffntXd8ilB+9O8E87+K0Fi7aDWlToVbsvtyK/gLTwzg+qEjeHkbjN7yUltvhzzvLkJN7NodWx4ECNP9Kuxzxq711uoFOiC+pFjJhQ==";
    let bad = [
        (certificate.clone(), "a certificate itself"),
        (town.key("rsa", &["rsa", "-b", "2048"]), "3072"),
        (dss.to_owned(), "DSA"),
        (String::new(), "ssh-ed25519"),
        ("ssh-ed25519 AAAA".to_owned(), "ssh-ed25519"),
        (format!("{good}{good}"), "one line"),
        (format!("ssh-ed25519 {}", "A".repeat(20_000)), "one line"),
        (format!("command=\"id\" {good}"), "ssh-ed25519"),
    ];
    for (key, why) in bad {
        let error = town.authorities.certify(&town.ask(key.clone(), login("deploy"))).unwrap_err();
        assert!(matches!(&error, SshAuthorityError::Key(told) if told.contains(why)), "{key:.40}: {error}");
    }
    town.authorities.certify(&town.ask(town.key("rsa3", &["rsa", "-b", "3072"]), login("deploy"))).unwrap();
    for name in ["", "deploy,root", "deploy root", "*", "deploy\n", "-oProxyCommand"] {
        assert!(town.authorities.certify(&town.ask(good.clone(), login(name))).is_err(), "{name:?}");
    }
    for names in [vec![], vec![""], vec!["*"], vec!["web1,web2"], vec!["web?"], vec!["!web1"], vec!["web1", "*.example.org"]] {
        let subject = SshSubject::Host { names: names.iter().map(|name| (*name).to_owned()).collect() };
        assert!(town.authorities.certify(&town.ask(good.clone(), subject)).is_err(), "{names:?}");
    }
}

#[test]
fn i07_nothing_is_certified_for_no_time() {
    let town = Town::new();
    let key = town.key("dev", &["ed25519"]);
    for millis in [0, 99, -1, i64::MIN] {
        let ask = SshCertify { valid_until: Timestamp::from_millis(NOON.saturating_add(millis)), ..town.ask(key.clone(), login("deploy")) };
        assert!(town.authorities.certify(&ask).is_err(), "{millis}");
    }
}

#[test]
fn hosts_and_the_gateway_are_certified_by_name() {
    let town = Town::new();
    let key = town.key("host", &["ed25519"]);
    let subject = SshSubject::Host { names: vec!["Web-1.internal".into(), "10.0.0.7".into(), "2001:db8::7".into()] };
    let shown = town.shown(&town.authorities.certify(&town.ask(key, subject)).unwrap());
    assert!(has(&shown, "Type: ssh-ed25519-cert-v01@openssh.com host certificate"), "{shown:?}");
    let at = shown.iter().position(|l| l == "Principals:").unwrap();
    assert_eq!(shown[at + 1..], ["web-1.internal", "10.0.0.7", "2001:db8::7", "Critical Options: (none)", "Extensions: (none)"]);
    let gateway = PrivateKey::from_openssh(town.authorities.gateway_key().unwrap().expose()).unwrap();
    let subject = SshSubject::Host { names: vec!["ajar.example.org".into()] };
    let certificate = town.authorities.certify(&town.ask(line(gateway.public_key()).unwrap(), subject)).unwrap();
    let certificate = russh::keys::Certificate::from_openssh(&certificate).unwrap();
    assert_eq!(certificate.public_key(), gateway.public_key().key_data());
    assert_eq!(certificate.signature_key(), PublicKey::from_openssh(&town.authorities.keys().hosts).unwrap().key_data());
}

#[test]
fn i17_keys_are_made_once_and_are_the_servers_alone() {
    let town = Town::new();
    let keys = town.authorities.keys();
    for name in ["visitors", "users", "hosts", "gateway"] {
        let path = town.dir.path().join(format!("keys/ssh-{name}.key"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (read, told) = town.run(&["-y", "-P", "", "-f", path.to_str().unwrap()]);
        assert!(read && told.starts_with("ssh-ed25519 "), "{told}");
    }
    let again = || SshAuthorities::load_or_make(town.dir.path(), Arc::new(SystemEntropy::new().unwrap()));
    assert_eq!(again().unwrap().keys(), keys);
    assert!(!format!("{:?}", town.authorities).contains("PRIVATE"));
    let path = town.dir.path().join("keys/ssh-users.key");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(again().unwrap_err().to_string().contains("may be read by others"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n").unwrap();
    let told = format!("{:#}", again().unwrap_err());
    assert!(told.contains("is damaged") && !told.contains("canary"), "{told}");
}

#[test]
fn i11_openssh_reads_which_certificates_are_revoked() {
    let town = Town::new();
    let key = town.key("dev", &["ed25519"]);
    let certify = |serial: u64| {
        let ask = SshCertify { serial, ..town.ask(key.clone(), login("deploy")) };
        town.write(&format!("{serial}-cert.pub"), town.authorities.certify(&ask).unwrap().as_bytes());
        format!("{serial}-cert.pub")
    };
    let numbers = [1, 4711, u64::MAX >> 1, u64::MAX];
    let certificates = numbers.map(certify);
    let many: Vec<u64> = (0..20_000).map(|i| 1_000_000_007 * (i + 1)).collect();
    let revoked: [&[u64]; 5] = [&[], &[4711], &[1, u64::MAX], &numbers, &many];
    for serials in revoked {
        town.write("list.krl", &town.authorities.revocations(serials, 7, Timestamp::from_millis(NOON)));
        for (number, certificate) in numbers.iter().zip(&certificates) {
            let (good, told) = town.run(&["-Q", "-f", "list.krl", certificate]);
            assert_eq!(good, !serials.contains(number), "{told}");
            assert!(told.contains(if good { "ok" } else { "REVOKED" }), "{told}");
        }
    }
    let (read, told) = town.run(&["-Q", "-l", "-f", "list.krl"]);
    assert!(read && told.contains(&format!("serial: {}", many[19_999])), "{told:.200}");
    // Another authority's certificate with a number that is revoked is not.
    let token: TokenId = "tok_01h455vb4pex5vsknk084sn02q".parse().unwrap();
    let subject = SshSubject::Visitor { token, resource: None, role: None };
    town.write("visitor-cert.pub", town.authorities.certify(&town.ask(key.clone(), subject)).unwrap().as_bytes());
    town.write("list.krl", &town.authorities.revocations(&numbers, 7, Timestamp::from_millis(NOON)));
    let (good, told) = town.run(&["-Q", "-f", "list.krl", "visitor-cert.pub"]);
    assert!(good, "{told}");
}
