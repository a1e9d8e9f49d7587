//! Our part of ssh_config, as the real ssh reads it.

use std::process::{Command, Output};

use super::*;

/// A home with a folder whose name shells and ssh_config would rather not have, and a helper in it that ends with `code`.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::Builder::new().prefix("100% fine ").tempdir().unwrap());
        home.helper(0);
        home
    }

    fn folder(&self) -> Folder {
        Folder(self.0.path().join("it's \"here\" \\ /ssh"))
    }

    fn ajar(&self) -> PathBuf {
        self.0.path().join("ajar $(id) %n")
    }

    fn helper(&self, code: u8) {
        use std::os::unix::fs::PermissionsExt;
        let script = format!("#!/bin/sh\necho \"ajar: sign in first: $*\" >&2\nexit {code}\n");
        std::fs::write(self.ajar(), script).unwrap();
        std::fs::set_permissions(self.ajar(), std::fs::Permissions::from_mode(0o700)).unwrap();
    }

    fn part(&self) -> String {
        let door = SshDoor { host: "127.0.0.1".into(), port: 9, hosts_authority: "ssh-ed25519 A".into() };
        let logins = BTreeMap::from([("orders-web-1", Some("deploy")), ("orders-web-2", None)]);
        part(&door, &self.folder(), &self.ajar(), "https://ajar.example.org", &logins).unwrap()
    }

    fn ssh(&self, theirs: &str, args: &[&str]) -> Output {
        let config = self.0.path().join("config");
        std::fs::write(&config, format!("{}{theirs}", MARKS.around(&self.part()))).unwrap();
        Command::new("ssh").arg("-F").arg(&config).args(args).env("SHELL", "/bin/sh").output().unwrap()
    }

    /// What ssh would do.
    fn says(&self, theirs: &str, name: &str) -> Vec<String> {
        let out = self.ssh(theirs, &["-G", name]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect()
    }
}

fn has(says: &[String], line: &str) -> bool {
    says.iter().any(|l| l == line)
}

#[test]
fn hosts_go_through_the_gateway_and_others_where_they_went() {
    let home = Home::new();
    let theirs = "User own\nHost orders-web-1\n  Port 1\n  ForwardAgent yes\nHost *\n  ServerAliveInterval 7\n";
    let path = |name: &str| home.folder().0.join(name).display().to_string();
    let one = home.says(theirs, "orders-web-1");
    for line in ["user deploy", "hostname 127.0.0.1", "port 9", "identitiesonly yes", "forwardagent yes", "serveraliveinterval 7"] {
        assert!(has(&one, line), "{line}: {one:#?}");
    }
    assert!(one.iter().any(|l| l.starts_with("stricthostkeychecking ") && !l.ends_with("ask")), "{one:#?}");
    let key = format!("identityfile {}", path("key").replace('%', "%%"));
    assert!(has(&one, &key), "{key}: {one:#?}");
    let certificate = format!("certificatefile {}/%n-cert.pub", path("certificates").replace('%', "%%"));
    assert!(has(&one, &certificate), "{certificate}: {one:#?}");
    assert!(one.iter().any(|l| l.starts_with("userknownhostsfile ") && l.ends_with("/known_hosts")), "{one:#?}");
    for said in SAID {
        assert!(has(&one, &format!("sendenv {said}")), "{one:#?}");
    }
    assert!(!one.iter().any(|l| l.starts_with("proxycommand")), "{one:#?}");
    assert!(has(&home.says(theirs, "orders-web-2"), "user own"), "a host without a login has theirs");
    assert!(has(&home.says("", GATEWAY), "port 9"));
    let other = home.says(theirs, "elsewhere");
    for line in ["user own", "hostname elsewhere", "port 22", "identitiesonly no", "serveraliveinterval 7"] {
        assert!(has(&other, line), "{line}: {other:#?}");
    }
    assert_eq!(home.says("", "elsewhere").iter().filter(|l| l.contains("ajar")).count(), 0);
}

#[test]
fn i20_where_the_helper_fails_its_words_are_seen_and_nothing_is_connected_to() {
    let home = Home::new();
    home.helper(4);
    let says = home.says("", "orders-web-1");
    assert!(has(&says, "proxycommand false"), "{says:#?}");
    let out = home.ssh("", &["-o", "BatchMode=yes", "orders-web-1", "true"]);
    let told = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(255));
    assert!(told.contains("ajar: sign in first: --url https://ajar.example.org helper ssh orders-web-1"), "{told}");
    assert!(!told.contains("refused"), "{told}");
    // With one that has a certificate ready, it is the gateway that is asked: nobody answers at port 9.
    home.helper(0);
    let told = home.ssh("", &["-o", "BatchMode=yes", "orders-web-1", "true"]).stderr;
    let told = String::from_utf8_lossy(&told);
    assert!(told.contains("127.0.0.1 port 9"), "{told}");
    // Of other hosts it hears nothing.
    let told = home.ssh("", &["-o", "BatchMode=yes", "-p", "9", "127.0.0.2", "true"]).stderr;
    assert!(!String::from_utf8_lossy(&told).contains("helper"));
}

#[test]
fn what_a_line_of_ssh_config_can_not_hold_is_refused() {
    assert!(quoted("a\nProxyCommand id").is_err() && quoted("/home/${USER}").is_err());
    assert_eq!(quoted("a \"b\" \\").unwrap(), r#""a \"b\" \\""#);
    assert_eq!(shell_word("/opt/my tools/ajar").unwrap(), "'/opt/my tools/ajar'");
    for odd in ["it's", "\"", "\\", "a\nb"] {
        assert!(shell_word(odd).is_err(), "{odd}");
    }
}

#[test]
fn a_key_is_made_once_and_is_theirs_alone() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let key = || line(home.folder().own_key().unwrap().public_key()).unwrap();
    let first = key();
    assert!(first.starts_with("ssh-ed25519 ") && key() == first);
    let mode = std::fs::metadata(home.folder().key()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let told = std::fs::read_dir(&home.folder().0).unwrap().count();
    assert_eq!(told, 2, "nothing is left beside it");
}

#[test]
fn i09_the_client_ends_with_the_grant_and_its_own_end_is_passed_on() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = |script: &str, left: u64| {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let end = SystemClock::new().now().after(Span::from_millis(left));
        runtime.block_on(until(command, end))
    };
    assert!(run("exit 0", 60_000).is_ok());
    assert_eq!(run("exit 7", 60_000).unwrap_err().code, 7);
    assert_eq!(run("exec sleep 60", 300).unwrap_err().code, Code::Over as u8);
    // One that doesn't want to end is ended.
    assert_eq!(run("trap '' TERM; while :; do sleep 0.1; done", 300).unwrap_err().code, Code::Over as u8);
}
