//! A PostgreSQL server of one's own.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio_postgres::{Client, NoTls};

use crate::{Programs, SampleError, free_port};

/// The superuser.
const SUPERUSER: &str = "postgres";
/// So often, and so many times, it is asked whether it answers.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS: usize = 1_200;

/// Starts `postgres`, and stops it at the end of the standard input, which is when our process ends, however it ends.
const SUPERVISOR: &str = "\"$1\" -D data -p \"$2\" -k \"$3\" >>log 2>&1 & pid=$!; \
    trap '' INT TERM HUP; \
    (read -r _; kill -INT $pid) <&3 & \
    wait $pid; if [ -e forget ]; then cd /; rm -rf \"$3\"; fi";

/// What a server is to be like.
#[derive(Debug, Clone)]
pub struct Options {
    /// A folder that isn't there yet. It is made, and removed when the server ends.
    pub folder: PathBuf,
    /// Of the superuser `postgres`.
    pub password: String,
    /// More lines for `postgresql.conf`.
    pub settings: String,
}

/// A server that runs.
#[derive(Debug)]
pub struct Postgres {
    programs: Programs,
    folder: PathBuf,
    password: String,
    port: u16,
    account: Option<(u32, u32)>,
    supervisor: Option<Child>,
}

impl Postgres {
    /// Makes a cluster and runs it on a free port of loopback, with TLS, passwords as SCRAM. As root, it is run as `postgres`
    /// or `nobody`.
    ///
    /// # Errors
    /// When the system or PostgreSQL refuse.
    pub async fn start(programs: Programs, options: Options) -> Result<Self, SampleError> {
        let Options { folder, password, settings } = options;
        let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(SampleError::io(format!("make {}", folder.display())))?;
        let mut server = Self { programs, folder, password, port: free_port()?, account: account()?, supervisor: None };
        std::fs::write(server.folder.join("forget"), "").map_err(SampleError::io("write into the sample's folder"))?;
        server.certificates()?;
        server.give(&server.folder.clone())?;
        server.make_cluster(&settings)?;
        server.run().await?;
        Ok(server)
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The authority of its certificate, which is for `localhost` and `127.0.0.1`.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// As libpq's connection string, for the superuser.
    #[must_use]
    pub fn superuser(&self, database: &str) -> String {
        let quoted = self.password.replace('\\', r"\\").replace('\'', r"\'");
        format!("host=127.0.0.1 port={} user={SUPERUSER} password='{quoted}' dbname={database}", self.port)
    }

    /// A connection as the superuser.
    ///
    /// # Errors
    /// When it refuses.
    pub async fn connect(&self, database: &str) -> Result<Client, SampleError> {
        let (client, connection) = tokio_postgres::connect(&self.superuser(database), NoTls).await?;
        // Ends when the client is dropped.
        #[expect(clippy::disallowed_methods, reason = "it ends with the client that is given back")]
        tokio::spawn(connection);
        Ok(client)
    }

    /// Runs it, again if it was stopped: same port, same data.
    ///
    /// # Errors
    /// When it doesn't come up.
    pub async fn run(&mut self) -> Result<(), SampleError> {
        let failed = || SampleError::io("start postgres");
        let postgres = self.programs.0.join("postgres");
        let mut command = self.command(Path::new("sh"));
        // The pipe is descriptor 3: a background process of a shell has no standard input of its own.
        let script = format!("exec 3<&0; {SUPERVISOR}");
        command.args(["-c", &script, "sh"]).arg(postgres).arg(self.port.to_string()).arg(&self.folder);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        self.supervisor = Some(command.spawn().map_err(failed())?);
        for _ in 0..LOOKS {
            if let Ok(client) = self.connect("postgres").await {
                // Not another that has taken the port.
                let its: String = client.query_one("SHOW data_directory", &[]).await?.get(0);
                return match std::fs::canonicalize(&self.folder).is_ok_and(|folder| folder.join("data") == Path::new(&its)) {
                    true => Ok(()),
                    false => {
                        Err(SampleError::Failed { program: "postgres", said: format!("port {} is taken by that in {its}", self.port) })
                    }
                };
            }
            if let Some(Ok(Some(_))) = self.supervisor.as_mut().map(Child::try_wait) {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let said = log.lines().rev().take(5).collect::<Vec<_>>().join(" | ");
        Err(SampleError::Failed { program: "postgres", said })
    }

    /// Stops it, and keeps its data for [`Postgres::run`].
    pub fn stop(&mut self) {
        self.end(false);
    }

    fn end(&mut self, forget: bool) {
        if !forget {
            drop(std::fs::remove_file(self.folder.join("forget")));
        }
        if let Some(mut supervisor) = self.supervisor.take() {
            drop(supervisor.stdin.take());
            drop(supervisor.wait());
        }
        if forget {
            drop(std::fs::remove_dir_all(&self.folder));
        } else {
            drop(std::fs::write(self.folder.join("forget"), ""));
        }
    }

    /// A program of PostgreSQL's, or a shell, run as the unprivileged account.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((uid, gid)) = self.account {
            command.uid(uid).gid(gid);
        }
        command.current_dir(&self.folder).env("LC_ALL", "C");
        command
    }

    fn make_cluster(&self, settings: &str) -> Result<(), SampleError> {
        let secret = self.folder.join("password");
        std::fs::write(&secret, &self.password).map_err(SampleError::io("write the sample's password"))?;
        self.give(&secret)?;
        let mut initdb = self.command(&self.programs.0.join("initdb"));
        initdb.args(["-D", "data", "-U", SUPERUSER, "-E", "UTF8", "--locale=C", "-N", "--auth=scram-sha-256", "--pwfile=password"]);
        let output = initdb.stdin(Stdio::null()).output().map_err(SampleError::io("run initdb"))?;
        drop(std::fs::remove_file(&secret));
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(SampleError::Failed { program: "initdb", said });
        }
        let conf = format!(
            "\nlisten_addresses = '127.0.0.1'\nfsync = off\nmax_connections = 300\npassword_encryption = 'scram-sha-256'\n\
             ssl = on\nssl_cert_file = '../server.pem'\nssl_key_file = '../server.key'\n{settings}\n"
        );
        let file = std::fs::OpenOptions::new().append(true).open(self.folder.join("data/postgresql.conf"));
        file.and_then(|mut file| file.write_all(conf.as_bytes())).map_err(SampleError::io("write postgresql.conf"))
    }

    fn certificates(&self) -> Result<(), SampleError> {
        let (ca_key, key) = (KeyPair::generate()?, KeyPair::generate()?);
        let mut ca = CertificateParams::new(Vec::new())?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = ca.self_signed(&ca_key)?.pem();
        let issuer = Issuer::new(ca, ca_key);
        let server = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?.signed_by(&key, &issuer)?;
        for (name, text, mode) in
            [("ca.pem", ca_pem, 0o644), ("server.pem", server.pem(), 0o644), ("server.key", key.serialize_pem(), 0o600)]
        {
            let path = self.folder.join(name);
            let written = std::fs::write(&path, text).and_then(|()| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)));
            written.map_err(SampleError::io("write the sample's certificate"))?;
            self.give(&path)?;
        }
        Ok(())
    }

    fn give(&self, path: &Path) -> Result<(), SampleError> {
        match self.account {
            Some((uid, gid)) => chown(path, Some(uid), Some(gid)).map_err(SampleError::io(format!("give {} away", path.display()))),
            None => Ok(()),
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end(true);
    }
}

/// Whom to run it as: somebody else when we are root, whom PostgreSQL refuses.
fn account() -> Result<Option<(u32, u32)>, SampleError> {
    let id = |args: &[&str]| -> Result<Option<u32>, SampleError> {
        let output = Command::new("id").args(args).stderr(Stdio::null()).output().map_err(SampleError::io("run id"))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().parse().ok())
    };
    if id(&["-u"])? != Some(0) {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let (Some(uid), Some(gid)) = (id(&["-u", name])?, id(&["-g", name])?) {
            return Ok(Some((uid, gid)));
        }
    }
    Err(SampleError::Failed { program: "id", said: "there is no account 'postgres' or 'nobody' to run PostgreSQL as".into() })
}
