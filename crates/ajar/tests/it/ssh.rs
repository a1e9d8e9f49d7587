//! SSH with OpenSSH's own programs: how clients come, what they come with, and what goes past the gateway.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use ajar_sample::SshHost;
use serde_json::{Value, json};

use crate::stage::{Stage, free_port, text};

/// A stage with a host that trusts its authorities.
pub(crate) struct Hosts {
    pub(crate) stage: Stage,
    pub(crate) host: SshHost,
    /// The gateway's.
    pub(crate) port: u16,
}

impl Hosts {
    async fn new() -> Self {
        Self::with(|_| String::new()).await
    }

    /// With more files; they are given how a resource on the host is described.
    pub(crate) async fn with(more: impl FnOnce(&dyn Fn(&str, bool) -> String) -> String) -> Self {
        let mut stage = Stage::new().await;
        let port = free_port();
        stage.end("-TERM");
        let config = std::fs::read_to_string(stage.config()).unwrap();
        std::fs::write(stage.config(), format!("{config}[ssh]\nlisten = \"127.0.0.1:{port}\"\n")).unwrap();
        stage.run();
        let users = fetch(&stage, "/ssh/users.pub");
        let krl = stage.folder().join("revoked.krl");
        std::fs::write(&krl, b"").unwrap();
        let certify = |key: &str| {
            let body = json!({ "public_key": key, "names": ["127.0.0.1"], "life": "1d" });
            Some(post(&stage, &stage.full_token("operator"), "/api/v1/ssh/hosts", &body).1["certificate"].as_str().unwrap().to_owned())
        };
        let folder = stage.folder().join("host");
        let host = SshHost::start(
            &folder,
            users.trim(),
            certify,
            &format!("SetEnv SHLVL=2 HOME={}\nRevokedKeys {}", stage.folder().display(), krl.display()),
        )
        .unwrap();
        let account = SshHost::account().unwrap();
        let resource = |name: &str, direct: bool| {
            format!(
                "[[resource]]\nname = \"{name}\"\nkind = \"ssh\"\nowners = [\"group:orders\"]\ndefault_role = \"deploy\"\nhost = \"127.0.0.1\"\n\
                 port = {}\n[resource.roles.admin]\nlogins = [\"{account}\"]\n[resource.roles.deploy]\nlogins = [\"{account}\"]\ndirect = {direct}\n",
                host.port()
            )
        };
        let rule = "[[rule]]\nname = \"web\"\nwho = [\"group:engineers\"]\nresources = [\"orders-web-1\", \"orders-web-2\"]\n\
                    roles = [\"deploy\", \"admin\"]\ndefault = \"10m\"\nmax = \"1h\"\napprove = \"auto\"\n";
        let files = format!("{}{}{rule}{}", resource("orders-web-1", true), resource("orders-web-2", false), more(&resource));
        std::fs::write(stage.policy().join("hosts.toml"), files).unwrap();
        stage.end("-TERM");
        stage.run();
        Self { stage, host, port }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.stage.folder().join("home of dev")
    }

    /// `ajar` as dev, at home.
    pub(crate) fn ajar(&self, args: &[&str]) -> (i32, String, String) {
        finished(self.stage.command("dev", args).env("HOME", self.home()))
    }

    /// A program of OpenSSH's as dev, with their own configuration.
    pub(crate) fn client(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        self.stage.dress(&mut command, "dev");
        command.env("HOME", self.home()).env("SHELL", "/bin/sh").arg("-F").arg(self.home().join(".ssh/config"));
        command.args(["-o", "BatchMode=yes"]).args(args).stdin(Stdio::null());
        command
    }

    /// A terminal of dev's on a host, which is typed into.
    pub(crate) fn terminal(&self, host: &str) -> Command {
        let mut command = self.client("ssh", &["-tt", host]);
        command.env("TERM", "xterm").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// ssh as dev, with their own configuration.
    pub(crate) fn ssh(&self, args: &[&str]) -> (i32, String, String) {
        self.ssh_with(&self.home().join(".ssh/config"), args)
    }

    fn ssh_with(&self, config: &Path, args: &[&str]) -> (i32, String, String) {
        let mut command = Command::new("ssh");
        self.stage.dress(&mut command, "dev");
        command.env("HOME", self.home()).env("SHELL", "/bin/sh").arg("-F").arg(config);
        finished(command.args(["-o", "BatchMode=yes"]).args(args))
    }

    fn certificate(&self, name: &str) -> PathBuf {
        self.stage.folder().join(format!("dev/ajar/ssh/certificates/{name}-cert.pub"))
    }

    /// The list of revoked certificates, beside where the host looks.
    fn fetched(&self) -> PathBuf {
        let krl = self.stage.folder().join("fetched.krl");
        let url = format!("http://127.0.0.1:{}/ssh/revocations", self.stage.api());
        assert!(Command::new("curl").args(["-fsS", "-o"]).arg(&krl).arg(url).status().unwrap().success());
        krl
    }

    /// Whether OpenSSH finds the certificate on the list of revoked ones, which the host has from now on.
    fn is_revoked(&self, certificate: &Path) -> bool {
        let krl = self.stage.folder().join("revoked.krl");
        std::fs::rename(self.fetched(), &krl).unwrap();
        let out = Command::new("ssh-keygen").args(["-Q", "-f"]).arg(krl).arg(certificate).output().unwrap();
        let told = text(&out.stdout);
        assert!(told.contains("REVOKED") != told.contains(": ok"), "{told}");
        assert_eq!(told.contains("REVOKED"), !out.status.success());
        told.contains("REVOKED")
    }
}

fn finished(command: &mut Command) -> (i32, String, String) {
    let out = command.stdin(std::process::Stdio::null()).output().unwrap();
    (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
}

fn fetch(stage: &Stage, path: &str) -> String {
    let out = Command::new("curl").args(["-fsS", &format!("http://127.0.0.1:{}{path}", stage.api())]).output().unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    text(&out.stdout)
}

fn post(stage: &Stage, token: &str, path: &str, body: &Value) -> (u16, Value) {
    let url = format!("http://127.0.0.1:{}{path}", stage.api());
    let bearer = format!("Authorization: Bearer {token}");
    let body = body.to_string();
    let args = ["-sS", "-w", "\n%{http_code}", "-H", &bearer, "-H", "content-type: application/json", "-d", &body, &url];
    let out = text(&Command::new("curl").args(args).output().unwrap().stdout);
    let (answer, status) = out.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(answer).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_goes_through_the_gateway_as_it_is_and_back_as_it_was() {
    let hosts = Hosts::new().await;
    let config = hosts.home().join(".ssh/config");
    // Where nothing was, nothing is left.
    let (code, shown, err) = hosts.ajar(&["setup", "ssh", "--print"]);
    assert_eq!(code, 0, "{err}");
    assert!(shown.contains("Host orders-web-1 orders-web-2 ajar-gateway") && !config.exists(), "{shown}");
    assert_eq!(hosts.ajar(&["setup", "ssh"]).0, 0);
    assert_eq!(mode(&config), 0o600);
    assert_eq!(hosts.ajar(&["setup", "ssh"]).0, 0);
    assert_eq!(hosts.ajar(&["setup", "ssh", "--undo"]).0, 0);
    assert!(!config.exists());
    // What was there stays, whatever it is; so does a link.
    let theirs = "# mine\nHost *\n  ServerAliveInterval 5\n\n\n# no line break at the end";
    let real = hosts.home().join("dotfiles");
    std::fs::write(&real, theirs).unwrap();
    std::fs::set_permissions(&real, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&real, &config).unwrap();
    for _ in 0..2 {
        let (code, _, err) = hosts.ajar(&["setup", "ssh"]);
        assert_eq!(code, 0, "{err}");
        assert!(err.contains("wrote 2 hosts"), "{err}");
    }
    let written = std::fs::read_to_string(&real).unwrap();
    assert_eq!(written.matches("ajar-gateway").count(), 2, "{written}");
    assert!(written.ends_with(theirs) && mode(&real) == 0o640 && config.is_symlink());

    let (code, out, err) = hosts.ssh(&["orders-web-1", "echo in; exit 7"]);
    assert_eq!((code, out.as_str()), (7, "in\n"), "{err}\n{}", hosts.stage.log());
    // What somebody has written themselves jumps over the gateway.
    let folder = hosts.stage.folder().join("dev/ajar/ssh");
    let at = folder.display();
    let web = format!(
        "\nMatch originalhost web !exec \"{} helper ssh ajar-gateway\"\n  ProxyCommand false\nHost web\n  HostName orders-web-1\n  ProxyJump ajar-gateway\n  User {}\n  IdentityFile {at}/key\n  IdentitiesOnly yes\n  \
         CertificateFile {at}/certificates/ajar-gateway-cert.pub\n  UserKnownHostsFile {at}/known_hosts\n",
        env!("CARGO_BIN_EXE_ajar"),
        SshHost::account().unwrap()
    );
    // ssh hands the name of its configuration to the one that jumps as it is: it must have no space.
    let jumping = hosts.stage.folder().join("jumping");
    std::fs::write(&jumping, format!("{written}{web}")).unwrap();
    let (code, out, err) = hosts.ssh_with(&jumping, &["web", "echo jumped"]);
    assert_eq!((code, out.as_str()), (0, "jumped\n"), "{err}\n{}", hosts.stage.log());
    let (code, out, err) = hosts.ajar(&["ssh", "orders-web-1", "--", "echo", "here; exit 3"]);
    assert_eq!((code, out.as_str()), (3, "here\n"), "{err}");
    // Without any set-up, with a role and what else is to be said.
    assert_eq!(hosts.ajar(&["setup", "ssh", "--undo"]).0, 0);
    assert_eq!(std::fs::read_to_string(&real).unwrap(), theirs);
    assert!(config.is_symlink() && !hosts.certificate("orders-web-1").exists());
    let args = ["ssh", "orders-web-2", "--role", "admin", "--reason", "INC-7", "--for", "20m", "--", "echo admin"];
    let (code, out, err) = hosts.ajar(&args);
    assert_eq!((code, out.as_str()), (0, "admin\n"), "{err}");
    let grants = hosts.stage.json("dev", &["grants", "--resource", "orders-web-2"]);
    assert_eq!(grants[0]["role"], "admin");
    let request = hosts.stage.json("dev", &["requests", grants[0]["request"].as_str().unwrap()]);
    assert_eq!(request["reason"], "INC-7");
    assert_eq!(hosts.ajar(&["ssh", "orders-db"]).0, 2);
    assert_eq!(hosts.ajar(&["ssh", "nothing"]).0, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn i20_the_helper_is_quick_and_says_what_is_wrong() {
    let mut hosts = Hosts::new().await;
    // Several at once make one key, and each a certificate for it.
    let mut running: Vec<_> = (0..6).map(|_| hosts.stage.command("dev", &["helper", "ssh", "orders-web-1"]).spawn().unwrap()).collect();
    for child in &mut running {
        assert!(child.wait().unwrap().success());
    }
    let path = hosts.certificate("orders-web-1");
    let kept = || std::fs::read_to_string(&path).unwrap();
    let first = kept();
    let helper =
        |hosts: &Hosts, role: &str, name: &str| finished(hosts.stage.command("dev", &["helper", "ssh", name]).env("AJAR_ROLE", role));
    assert_eq!(helper(&hosts, "", "orders-web-1"), (0, String::new(), String::new()));
    assert_eq!(kept(), first);
    // For another role it gets another one, and for none again.
    assert_eq!(helper(&hosts, "admin", "orders-web-1").0, 0);
    let admin = kept();
    assert_ne!(admin, first);
    let shown = text(&Command::new("ssh-keygen").arg("-L").arg("-f").arg(&path).output().unwrap().stdout);
    assert!(shown.contains("ajar-visitor") && shown.contains("ajar-resource") && shown.contains("ajar-role"), "{shown}");
    let left = path.parent().unwrap().read_dir().unwrap().count();
    assert_eq!(left, 1, "nothing is left beside it");
    // The gateway by itself, for jumps.
    assert_eq!(helper(&hosts, "", "ajar-gateway").0, 0);
    for (name, role) in [("nothing", ""), ("orders-web-1", "nobody")] {
        let (code, out, err) = helper(&hosts, role, name);
        assert_eq!((code, out.as_str()), (7, ""), "{err}");
        assert!(err.contains("there is no such") && err.contains("ajar ls"), "{err}");
    }
    // With the sign-in, the certificate is another.
    assert_eq!(helper(&hosts, "", "orders-web-1").0, 0);
    let before = kept();
    hosts.stage.sign_in("dev");
    assert_eq!(helper(&hosts, "", "orders-web-1").0, 0);
    assert_ne!(kept(), before);
    // With nobody to ask, what is there is enough; and it takes no time.
    hosts.stage.end("-TERM");
    let start = Instant::now();
    assert_eq!(helper(&hosts, "", "orders-web-1"), (0, String::new(), String::new()));
    assert!(start.elapsed().as_millis() < 500, "{:?}", start.elapsed());
    let (code, out, err) = helper(&hosts, "admin", "orders-web-1");
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("does not answer"), "{err}");
    let (code, _, err) = finished(hosts.stage.command("nobody", &["helper", "ssh", "orders-web-1"]).env_remove("AJAR_URL"));
    assert!(code == 4 && err.contains("sign in first") && err.contains("ajar login"), "{code} {err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn s04_w03_a_key_is_certified_for_who_may_know_of_the_host() {
    let hosts = Hosts::new().await;
    let stage = &hosts.stage;
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
    let ask = |who: &str, body: &Value| post(stage, &stage.full_token(who), "/api/v1/ssh/certificates", body);
    let body = |resource: &str| json!({ "public_key": key, "resource": resource });
    let (status, made) = ask("dev", &body("orders-web-1"));
    assert_eq!(status, 200, "{made}");
    // A stranger hears of a host what they hear of none.
    let (hidden, none) = (ask("stranger", &body("orders-web-1")), ask("stranger", &body("nothing")));
    assert_eq!(hidden.0, 404);
    assert_eq!(hidden, none);
    let (status, told) = ask("dev", &body("orders-db"));
    assert!(status == 400 && told["title"].as_str().unwrap().contains("is of kind postgres"), "{told}");
    assert_eq!(ask("dev", &json!({ "public_key": key, "role": "deploy" })).0, 400);
    let (status, told) = ask("dev", &json!({ "public_key": made["certificate"], "resource": "orders-web-1" }));
    assert!(status == 400 && told["title"].as_str().unwrap().contains("a certificate itself"), "{told}");
    // With the token ends what stands on it.
    assert_eq!(hosts.ajar(&["ssh", "orders-web-1", "--", "true"]).0, 0);
    let kept = std::fs::read(hosts.certificate("orders-web-1")).unwrap();
    let config = hosts.home().join(".ssh/config");
    std::fs::create_dir_all(config.parent().unwrap()).unwrap();
    assert_eq!(hosts.ajar(&["setup", "ssh"]).0, 0);
    assert_eq!(hosts.ssh(&["orders-web-1", "true"]).0, 0);
    assert_eq!(hosts.ajar(&["logout"]).0, 0);
    let (code, _, err) = hosts.ssh(&["orders-web-1", "true"]);
    assert!(code == 255 && err.contains("ajar login"), "{err}");
    std::fs::write(hosts.certificate("orders-web-1"), kept).unwrap();
    // Past the helper, the gateway says so.
    let plain = std::fs::read_to_string(&config).unwrap().replace("ProxyCommand false", "Compression no");
    std::fs::write(&config, plain).unwrap();
    let (code, _, err) = hosts.ssh(&["orders-web-1", "true"]);
    assert!(code == 255 && err.contains("Permission denied"), "{err}");
    // The users' authority doesn't sign for visitors, nor the visitors' for hosts.
    let log = hosts.host.log();
    assert!(!log.contains("ajar-visitor"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_i11_past_the_gateway_goes_a_lease() {
    let mut hosts = Hosts::new().await;
    let (code, _, err) = hosts.ajar(&["ssh", "orders-web-2", "--direct", "--", "true"]);
    assert!(code == 3 && err.contains("goes through the gateway only"), "{code} {err}");
    let (code, out, err) = hosts.ajar(&["ssh", "orders-web-1", "--direct", "--", "echo past; exit 5"]);
    assert_eq!((code, out.as_str()), (5, "past\n"), "{err}\n{}", hosts.host.log());
    assert!(err.contains("is not recorded"), "{err}");
    let certificate = hosts.certificate("orders-web-1@direct");
    let shown = text(&Command::new("ssh-keygen").arg("-L").arg("-f").arg(&certificate).output().unwrap().stdout);
    assert!(shown.contains("source-address 127.0.0.1/32") && !shown.contains("permit-port-forwarding"), "{shown}");

    let grant = hosts.stage.json("dev", &["grants", "--resource", "orders-web-1", "--state", "open"])[0]["id"].as_str().unwrap().to_owned();
    let leases = |hosts: &Hosts| hosts.stage.grant(&grant)["leases"].clone();
    let lease = leases(&hosts)[0].clone();
    assert_eq!((&lease["state"], &lease["login"]), (&json!("minted"), &json!(SshHost::account().unwrap())));
    assert!(shown.contains(&format!("dev {}", lease["id"].as_str().unwrap())), "{shown}");
    let log = hosts.host.log();
    assert!(log.contains("Accepted publickey") && log.contains(lease["id"].as_str().unwrap()), "{log}");
    // It is not ours alone, so that it outlives our process.
    hosts.stage.end("-KILL");
    hosts.stage.run();
    assert_eq!(leases(&hosts)[0]["state"], "minted");

    // Given back early, it counts as there until the host refuses it.
    assert_eq!(hosts.ajar(&["return", &grant]).0, 0);
    hosts.stage.wait_until("it is tried to revoke it", || leases(&hosts)[0]["state"] == "revoke_unconfirmed");
    let (code, told, _) = hosts.stage.ajar("auditor", &["status"]);
    assert!(code == 1 && told.contains("the host may accept its certificate until"), "{told}");
    assert!(told.contains("has not fetched the list of revoked certificates yet"), "{told}");
    let again = |hosts: &Hosts| {
        let key = hosts.stage.folder().join("dev/ajar/ssh/key");
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
        ssh.args(["-o", "IdentitiesOnly=yes", "-p", &hosts.host.port().to_string(), "-i"]).arg(key);
        ssh.arg("-o").arg(format!("CertificateFile=\"{}\"", certificate.display()));
        finished(ssh.args(["127.0.0.1", "true"])).0
    };
    assert_eq!(again(&hosts), 0, "{}", hosts.host.log());
    // The host has the list, which is fetched to where it looks.
    assert!(hosts.is_revoked(&certificate));
    assert_eq!(again(&hosts), 255, "{}", hosts.host.log());
    assert!(hosts.host.log().contains("revoked"), "{}", hosts.host.log());
    hosts.stage.wait_until("the host has shown it", || leases(&hosts)[0]["state"] == "revoked");
    let proven = leases(&hosts)[0].to_string();
    assert!(proven.contains("it refuses the one with") && proven.contains("goes on until"), "{proven}");
    hosts.stage.end("-KILL");
    hosts.stage.run();
    assert!(hosts.is_revoked(&certificate), "the list is the ledger's");
}

#[tokio::test(flavor = "multi_thread")]
async fn r06_doctor_says_whether_a_host_is_set_up() {
    let hosts = Hosts::new().await;
    let doctor = |args: &[&str]| {
        let (code, out, err) = hosts.stage.ajar("operator", &[&["doctor"], args, &["-o", "json"]].concat());
        (code, serde_json::from_str(&out).unwrap_or(Value::Null), err)
    };
    let told = |findings: &Value, check: &str| {
        let found = findings.as_array().unwrap().iter().find(|f| f["check"].as_str().unwrap().contains(check));
        found.unwrap_or_else(|| panic!("no {check} in {findings}")).clone()
    };
    let (code, found, err) = doctor(&["ssh", "orders-web-1"]);
    assert_eq!(code, 0, "{found} {err}");
    assert!(told(&found, "host key")["result"].as_str().unwrap().contains("Ajar's authority for hosts"), "{found}");
    assert_eq!(told(&found, "sign in as")["severity"], "good");
    let past = told(&found, "past the gateway");
    assert!(past["severity"] == "warning" && past["result"].as_str().unwrap().contains("RevokedKeys"), "{past}");
    std::fs::rename(hosts.fetched(), hosts.stage.folder().join("revoked.krl")).unwrap();
    assert_eq!(told(&doctor(&["orders-web-1"]).1, "past the gateway")["severity"], "good");
    // Where nobody goes past it, nothing is needed for that.
    assert!(!doctor(&["ssh", "orders-web-2"]).1.to_string().contains("past the gateway"));
    let (code, _, err) = doctor(&["orders-web-1", "orders-web-2"]);
    assert!(code == 2 && err.contains("ajar doctor ssh HOST"), "{code} {err}");
    assert_eq!(doctor(&["ssh", "nothing"]).0, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_fetch_the_list_only_when_it_has_changed() {
    let stage = Stage::new().await;
    let url = format!("http://127.0.0.1:{}/ssh/revocations", stage.api());
    let (file, tag) = (stage.folder().join("krl"), stage.folder().join("etag"));
    let get = || {
        let mut curl = Command::new("curl");
        curl.args(["-fsS", "-w", "%{http_code} %{content_type}", "--etag-compare"]).arg(&tag).arg("--etag-save").arg(&tag);
        text(&curl.arg("-o").arg(&file).arg(&url).output().unwrap().stdout)
    };
    std::fs::write(&tag, "").unwrap();
    assert_eq!(get(), "200 application/octet-stream");
    assert!(std::fs::read(&file).unwrap().starts_with(b"SSHKRL\n\0"));
    assert!(get().starts_with("304"));
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
