//! SSH at the gateway: OpenSSH's own client and server on both sides, and hostile ones.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use ajar_core::resource::{Kind, Resource};
use ajar_core::session::EndReason;
use ajar_core::ssh::{Forward, HostKey, SshCredential, SshRecord, SshRole, SshTarget};
use ajar_gateway::Limits;
use ajar_sample::SshHost;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::house::House;
use crate::keys;

mod clients;
mod forwards;
mod hostile;
mod hosts;
mod window;

/// A gateway before a real host, and what a developer's client needs.
struct Street {
    house: House,
    host: SshHost,
    home: TempDir,
}

fn role() -> SshRole {
    SshRole { subsystems: vec!["sftp".into()], env: vec!["LC_*".into()], ..SshRole::of(vec![SshHost::account().unwrap()]) }
}

fn resource(target: SshTarget) -> Resource {
    Resource {
        name: "orders-web-1".parse().unwrap(),
        description: String::new(),
        labels: Default::default(),
        owners: Default::default(),
        default_role: Some("read".parse().unwrap()),
        role_descriptions: Default::default(),
        kind: Kind::Ssh(target),
    }
}

impl Street {
    async fn new(role: SshRole) -> Self {
        Self::with(role, |_| {}).await
    }

    async fn with(role: SshRole, change: impl FnOnce(&mut SshTarget)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let certify = |key: &str| {
            let names = vec!["127.0.0.1".to_owned()];
            let ask = ajar_core::port::SshCertify {
                public_key: key.to_owned(),
                subject: ajar_core::port::SshSubject::Host { names },
                key_id: "host".into(),
                serial: 0,
                valid_from: ajar_core::time::Timestamp::from_millis(0),
                valid_until: ajar_core::time::Timestamp::from_millis(4_000_000_000_000),
            };
            ajar_core::port::SshAuthority::certify(&keys::Authority, &ask).ok()
        };
        let host = SshHost::start(
            &home.path().join("host"),
            &keys::public(keys::USERS),
            certify,
            &format!("SetEnv SHLVL=2 HOME={}", home.path().display()),
        )
        .unwrap();
        let mut target = SshTarget {
            host: "127.0.0.1".into(),
            port: host.port(),
            host_keys: vec![HostKey::Ajar],
            credential: SshCredential::Certificate,
            record: SshRecord::default(),
            roles: [("read".parse().unwrap(), role)].into(),
        };
        change(&mut target);
        let house = House::around(resource(target), Default::default(), JoinSet::new(), Limits::default()).await;
        let street = Self { house, host, home };
        street.write("key", keys::private(keys::DEV).expose());
        let certificate = keys::visitor(keys::VISITORS, |b| {
            b.valid_principal("ajar-visitor").unwrap().extension("ajar-resource", "orders-web-1").unwrap();
        });
        street.write("key-cert.pub", &certificate);
        street.write("known", &format!("@cert-authority * {}\n", keys::public(keys::HOSTS)));
        let at = street.home.path().display();
        let config = format!(
            "Host *\n  HostName 127.0.0.1\n  Port {}\n  User {}\n  IdentityFile {at}/key\n  CertificateFile {at}/key-cert.pub\n  IdentitiesOnly yes\n  \
             IdentityAgent none\n  UserKnownHostsFile {at}/known\n  GlobalKnownHostsFile none\n  StrictHostKeyChecking yes\n  BatchMode yes\n  LogLevel ERROR\n",
            street.house.ssh.port(),
            SshHost::account().unwrap(),
        );
        street.write("config", &config);
        street
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.arg("-F").arg(self.at("config")).args(args).stdin(Stdio::null());
        command
    }

    async fn run(&self, program: &str, args: &[&str]) -> Output {
        let mut command = self.command(program, args);
        let run = tokio::task::spawn_blocking(move || command.output().unwrap());
        tokio::time::timeout(Duration::from_secs(60), run).await.expect("it takes too long").unwrap()
    }

    /// A line of a shell, with `$F` for the client's configuration, `$H` for a folder.
    async fn shell(&self, line: &str) -> Output {
        let mut command = Command::new("bash");
        command.args(["-c", line]).env("F", self.at("config")).env("H", self.home.path()).stdin(Stdio::null());
        let run = tokio::task::spawn_blocking(move || command.output().unwrap());
        tokio::time::timeout(Duration::from_secs(120), run).await.expect("it takes too long").unwrap()
    }

    async fn recording(&mut self) -> Vec<serde_json::Value> {
        let report = self.house.report().await;
        let path = self.house.recordings.path().join(format!("{}.ndjson", report.session));
        std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
