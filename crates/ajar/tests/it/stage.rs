//! A server with its target, and people in front of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use ajar_sample::{ADMIN, Api, DATABASE, Options, Postgres, Programs};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take that is expected to happen.
/// The sample API's own host name.
pub(crate) const API_HOST: &str = "api.localhost";
pub(crate) const SOON: Duration = Duration::from_secs(60);

const PEOPLE: &str = r#"
[[user]]
name = "dev"
manager = "boss"
[[user]]
name = "dev-admin"
same_person_as = ["dev"]
[[user]]
name = "peer"
[[user]]
name = "second"
[[user]]
name = "boss"
[[user]]
name = "operator"
may = ["operate"]
[[user]]
name = "auditor"
may = ["audit"]
[[user]]
name = "stranger"
[[workload]]
name = "robot"
[[group]]
name = "engineers"
members = ["dev", "dev-admin", "peer", "second", "robot"]
[[group]]
name = "orders"
members = ["peer", "second", "dev", "dev-admin", "robot"]
"#;

const RULES: &str = r#"
[[rule]]
name = "read"
who = ["group:engineers"]
resources = ["orders-db"]
roles = ["read"]
default = "10m"
max = "4h"
approve = { from = ["owners"], within = "30m" }
[[rule]]
name = "write"
who = ["group:engineers"]
resources = ["orders-db"]
roles = ["write"]
default = "10m"
max = "1h"
approve = { from = ["owners"], needed = 2, within = "30m" }
[[rule]]
name = "break-glass"
who = ["group:engineers"]
resources = ["orders-db"]
roles = ["write"]
default = "10m"
max = "30m"
break_glass = { alert = ["owners", "user:boss"], review = { from = ["owners"], within = "24h" } }
[[rule]]
name = "quick"
who = ["group:engineers"]
resources = ["quick-db"]
roles = ["read", "write"]
default = "10m"
max = "1h"
approve = "auto"
"#;

/// A server under test.
pub(crate) struct Stage {
    pub(crate) target: Postgres,
    dir: TempDir,
    api: u16,
    gateway: u16,
    /// Where the server sends its traces, from its next start on.
    pub(crate) traces: Option<u16>,
    server: Option<Child>,
    sample_api: Option<Api>,
    /// The port of the door for HTTP, if there is one.
    web: u16,
}

/// Which PostgreSQL the tests name.
pub(crate) fn programs(major: u32) -> Programs {
    let name = format!("AJAR_POSTGRES_{major}");
    let bin = std::env::var_os(&name).map_or_else(|| PathBuf::from(format!("/usr/lib/postgresql/{major}/bin")), PathBuf::from);
    Programs::in_folder(&bin).unwrap_or_else(|e| panic!("{e}. `cargo xtask test` finds one, or name its bin folder in {name}"))
}

pub(crate) fn free_port() -> u16 {
    ajar_sample::free_port().unwrap()
}

impl Stage {
    /// A server on PostgreSQL 15, with everybody signed in.
    pub(crate) async fn new() -> Self {
        Self::on(15).await
    }

    pub(crate) async fn on(major: u32) -> Self {
        let dir = tempfile::Builder::new().prefix("ajar-stage").tempdir().unwrap();
        let sample = std::env::temp_dir().join(format!("{}-pg", dir.path().file_name().unwrap().to_str().unwrap()));
        let options = Options { folder: sample, password: "superuser's password".into(), settings: String::new() };
        let target = Postgres::start(programs(major), options).await.unwrap();
        ajar_sample::seed(&target, "admin's password").await.unwrap();
        let mut stage = Self { target, dir, api: free_port(), gateway: free_port(), traces: None, server: None, sample_api: None, web: 0 };
        stage.write_files();
        for name in ["dev", "dev-admin", "peer", "second", "boss", "operator", "auditor", "stranger", "robot"] {
            let out =
                stage.feed(&["server", "passwd", name, "--stdin", "--config", stage.config().to_str().unwrap()], "nobody", &password(name));
            assert!(out.status.success(), "{}", text(&out.stderr));
        }
        stage.run();
        for name in ["dev", "dev-admin", "peer", "second", "boss", "operator", "auditor", "stranger", "robot"] {
            stage.sign_in(name);
        }
        stage
    }

    /// With a sample API too, that shows itself only to who knows `secret`.
    pub(crate) async fn with_api(secret: &str) -> Self {
        let api = Api::start(secret).await.unwrap();
        let mut stage = Self::new().await;
        private(&stage.policy().join("api.secret"), secret);
        let rule = |name: &str, role: &str, approve: &str| {
            format!(
                "[[rule]]\nname = \"{name}\"\nwho = [\"group:engineers\"]\nresources = [\"sample-api\"]\nroles = [\"{role}\"]\ndefault = \"10m\"\nmax = \"1h\"\n{approve}\n"
            )
        };
        let files = format!(
            "[[resource]]\nname = \"sample-api\"\nkind = \"http\"\nowners = [\"group:orders\"]\ndefault_role = \"read\"\nupstream = \"{}\"\n\
             hosts = [\"{API_HOST}\"]\ncredential = {{ bearer = {{ file = \"api.secret\" }} }}\nrecord = {{ headers = true, bodies = 10000 }}\n\
             [resource.roles.read]\nallow = [\"GET /**\"]\n[resource.roles.refund]\nallow = [\"GET /**\", \"POST /orders/*/refund\"]\n{}{}",
            api.url(),
            rule("api-read", "read", "approve = { from = [\"owners\"], within = \"30m\" }"),
            rule("api-refund", "refund", "reason = { min_length = 5 }\napprove = { from = [\"owners\"], within = \"30m\" }"),
        );
        stage.add_door(&files);
        stage.sample_api = Some(api);
        stage
    }

    /// Starts again with these files too, and a door for HTTP.
    pub(crate) fn add_door(&mut self, files: &str) {
        self.end("-TERM");
        self.web = free_port();
        std::fs::write(self.policy().join("api.toml"), files).unwrap();
        let config = std::fs::read_to_string(self.config()).unwrap();
        std::fs::write(self.config(), format!("{config}[http]\nlisten = \"127.0.0.1:{}\"\n", self.web)).unwrap();
        self.run();
    }

    /// Starts again, reached by a name: passkeys are bound to one.
    pub(crate) fn named(&mut self) {
        self.end("-TERM");
        let config = std::fs::read_to_string(self.config()).unwrap();
        let named = config.replace("public_url = \"http://127.0.0.1:", "public_url = \"http://localhost:");
        assert_ne!(config, named);
        std::fs::write(self.config(), named).unwrap();
        self.run();
    }

    /// The URL of the sample API at its door.
    pub(crate) fn web(&self) -> String {
        format!("https://localhost:{}/sample-api", self.web)
    }

    /// The sample API at its own host name.
    pub(crate) fn own_web(&self) -> String {
        format!("https://{API_HOST}:{}", self.web)
    }

    /// curl as somebody, who is known by this token.
    pub(crate) fn curl(&self, token: &str, args: &[&str]) -> Command {
        let mut command = Command::new("curl");
        command.args(["-sS", "--max-time", "60", "-w", "\n%{http_code} %{http_version}"]).arg("--cacert").arg(self.authority());
        command.args(["-H", &format!("Authorization: Bearer {token}")]).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn write_files(&self) {
        let policy = self.policy();
        std::fs::create_dir_all(&policy).unwrap();
        private(&policy.join("admin.password"), "admin's password");
        std::fs::copy(self.target.authority(), policy.join("ca.pem")).unwrap();
        std::fs::write(policy.join("people.toml"), PEOPLE).unwrap();
        std::fs::write(policy.join("rules.toml"), RULES).unwrap();
        let resources: String = ["orders-db", "quick-db"].map(|name| self.resource(name, self.target.port())).concat();
        std::fs::write(policy.join("resources.toml"), resources).unwrap();
        let config = format!(
            "public_url = \"http://127.0.0.1:{api}\"\ndata_dir = \"data\"\npolicy_dir = \"policy\"\nnames = [\"localhost\", \"127.0.0.1\", \"{API_HOST}\"]\n\
             [api]\nlisten = \"127.0.0.1:{api}\"\ntls = false\n[postgres]\nlisten = \"127.0.0.1:{gateway}\"\n",
            api = self.api,
            gateway = self.gateway
        );
        std::fs::write(self.config(), config).unwrap();
    }

    /// A resource's part of the files.
    pub(crate) fn resource(&self, name: &str, port: u16) -> String {
        let default = if name == "quick-db" { "write" } else { "read" };
        format!(
            "[[resource]]\nname = \"{name}\"\nkind = \"postgres\"\nowners = [\"group:orders\"]\ndefault_role = \"{default}\"\nhost = \"127.0.0.1\"\n\
             port = {port}\ndatabase = \"{DATABASE}\"\ntls = {{ verify = \"ca.pem\" }}\nadmin = {{ user = \"{ADMIN}\", password = {{ file = \"admin.password\" }} }}\n\
             [resource.roles.read]\nmember_of = [\"orders_read\"]\n[resource.roles.write]\nmember_of = [\"orders_write\"]\n"
        )
    }

    pub(crate) fn policy(&self) -> PathBuf {
        self.dir.path().join("policy")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("ajar.toml")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn gateway(&self) -> u16 {
        self.gateway
    }

    pub(crate) fn api(&self) -> u16 {
        self.api
    }

    /// What the server has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("server.log")).unwrap_or_default()
    }

    /// Starts the server, and waits until it is ready.
    pub(crate) fn run(&mut self) {
        let log = std::fs::File::options().append(true).create(true).open(self.dir.path().join("server.log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ajar"));
        command
            .args(["server", "run", "--config"])
            .arg(self.config())
            .env("AJAR_LOG", std::env::var("AJAR_LOG").as_deref().unwrap_or("debug"))
            .stdout(Stdio::null())
            .stderr(log);
        if let Some(port) = self.traces {
            command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{port}"));
        }
        self.server = Some(command.spawn().unwrap());
        self.wait_until("the server is ready", || {
            let out = Command::new("curl").args(["-sf", &format!("http://127.0.0.1:{}/readyz", self.api)]).output().unwrap();
            out.status.success()
        });
    }

    /// The server's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.server.as_ref().unwrap().id()
    }

    pub(crate) fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.pid().to_string()]).status().unwrap().success());
    }

    /// Ends the server with a signal, and waits for its end.
    pub(crate) fn end(&mut self, signal: &str) {
        self.signal(signal);
        self.server.take().unwrap().wait().unwrap();
    }

    fn feed(&self, args: &[&str], who: &str, input: &str) -> Output {
        use std::io::Write;
        let mut child = self.command(who, args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// A call of `ajar` as somebody.
    pub(crate) fn command(&self, who: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ajar"));
        command.args(args).stdin(Stdio::null());
        self.dress(&mut command, who);
        command
    }

    /// Signs somebody in anew.
    pub(crate) fn sign_in(&self, who: &str) {
        let out = self.feed(&["login", who, "--password-stdin"], who, &password(who));
        assert!(out.status.success(), "{}", text(&out.stderr));
    }

    /// A token with which somebody may do all that they may.
    pub(crate) fn full_token(&self, who: &str) -> String {
        self.json(who, &["token", "--scope", "full"])["token"].as_str().unwrap().to_owned()
    }

    /// Gives a command somebody's environment.
    pub(crate) fn dress(&self, command: &mut Command, who: &str) {
        command
            .env("AJAR_URL", format!("http://127.0.0.1:{}", self.api))
            .env("XDG_CONFIG_HOME", self.dir.path().join(who))
            .env("PGSERVICEFILE", self.dir.path().join(format!("{who}.services")))
            .env_remove("AJAR_TOKEN");
    }

    /// Calls `ajar` as somebody; exit code, output, talk.
    pub(crate) fn ajar(&self, who: &str, args: &[&str]) -> (i32, String, String) {
        let out = self.command(who, args).output().unwrap();
        (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
    }

    /// Calls `ajar -o json` as somebody and expects it to succeed.
    pub(crate) fn json(&self, who: &str, args: &[&str]) -> Value {
        let (code, out, err) = self.ajar(who, &[args, &["-o", "json"]].concat());
        assert_eq!(code, 0, "ajar {args:?}: {err}");
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"))
    }

    /// A token with which somebody connects.
    pub(crate) fn token(&self, who: &str) -> String {
        self.json(who, &["token"])["token"].as_str().unwrap().to_owned()
    }

    /// The authority of the gateway's certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.data().join("keys/tls-authority.pem")
    }

    /// What libpq needs to come in as somebody.
    pub(crate) fn libpq(&self, who: &str, resource: &str) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("PGHOST", "localhost".to_owned()),
            ("PGHOSTADDR", "127.0.0.1".to_owned()),
            ("PGPORT", self.gateway.to_string()),
            ("PGUSER", who.to_owned()),
            ("PGPASSWORD", self.token(who)),
            ("PGDATABASE", resource.to_owned()),
            ("PGSSLMODE", "verify-full".to_owned()),
            ("PGSSLROOTCERT", self.authority().to_str().unwrap().to_owned()),
            ("PGGSSENCMODE", "disable".to_owned()),
        ])
    }

    /// psql as somebody, with each of `commands`.
    pub(crate) fn psql(&self, who: &str, resource: &str, commands: &[&str]) -> Command {
        let mut command = Command::new("psql");
        command
            .args(["-X", "-A", "-t", "-q"])
            .envs(self.libpq(who, resource))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for sql in commands {
            command.args(["-c", sql]);
        }
        command
    }

    /// A request that is approved already: its grant's id.
    pub(crate) fn approved(&self, who: &str, role: &str, time: &str) -> String {
        let request = self.json(who, &["request", "orders-db", "--role", role, "--for", time, "--reason", "a test"]);
        let id = request["id"].as_str().unwrap();
        for reviewer in ["peer", "second"] {
            let after = self.json(reviewer, &["approve", id]);
            if after["state"] == "approved" {
                return after["grants"][0]["id"].as_str().unwrap().to_owned();
            }
        }
        panic!("nobody could approve {id}");
    }

    /// A statement past the server, as somebody with a database shell would.
    pub(crate) fn sql(&self, statement: &str) -> String {
        let script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nprint(c.execute(sys.argv[2]).fetchall())\nc.commit()";
        let python = std::env::var("AJAR_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
        let out = Command::new(python).args(["-c", script]).arg(self.data().join("ajar.db")).arg(statement).output().unwrap();
        assert!(out.status.success(), "{statement}: {}", text(&out.stderr));
        text(&out.stdout)
    }

    /// The instant so many days from now.
    pub(crate) fn ahead(days: u64) -> String {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let then = now + Duration::from_secs(days * 24 * 3600);
        ajar_core::time::Timestamp::from_millis(then.as_millis().try_into().unwrap()).to_string()
    }

    /// A grant in detail.
    pub(crate) fn grant(&self, id: &str) -> Value {
        self.json("auditor", &["grants", id])
    }

    /// Waits until a grant is closed with proof.
    pub(crate) fn proven_gone(&self, id: &str) -> Value {
        self.wait_until("the grant is closed with proof", || self.grant(id)["state"] == "closed");
        self.grant(id)
    }

    /// Logins of ours on the target.
    pub(crate) async fn logins(&self) -> Vec<String> {
        let boss = self.target.connect("postgres").await.unwrap();
        let rows = boss.query("SELECT rolname FROM pg_roles WHERE rolname ~ '^ajar_[0-9a-z]{26}$' ORDER BY 1", &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Waits for something that is expected to happen.
    pub(crate) fn wait_until(&self, what: &str, mut happened: impl FnMut() -> bool) {
        let start = Instant::now();
        while !happened() {
            assert!(start.elapsed() < SOON, "{what}: not in {SOON:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            drop(server.kill());
            drop(server.wait());
        }
    }
}

pub(crate) fn password(name: &str) -> String {
    format!("{name}'s own password\n")
}

fn private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A child that doesn't outlive its test.
pub(crate) struct Kept(pub(crate) Child);

impl Kept {
    /// Its output, once it has ended; a test that waits too long fails.
    pub(crate) fn finish(mut self) -> (i32, String, String) {
        use std::io::Read;
        let start = Instant::now();
        while self.0.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < SOON, "a client did not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        let code = self.0.wait().unwrap().code().unwrap_or(-1);
        let (mut out, mut err) = (String::new(), String::new());
        self.0.stdout.take().map(|mut o| o.read_to_string(&mut out));
        self.0.stderr.take().map(|mut e| e.read_to_string(&mut err));
        (code, out, err)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
