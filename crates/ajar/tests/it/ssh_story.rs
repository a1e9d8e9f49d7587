//! The story by SSH, with OpenSSH's own programs: held, approved, in, refused by the role, recorded, warned, cut, replayed, proven.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::ssh::Hosts;
use crate::stage::{Kept, Stage};
use crate::story::proven_offline;

/// Two hosts more: one that has to be approved, one for which a reason has to be given.
const RULES: &str = r#"
[[rule]]
name = "slow"
who = ["group:engineers"]
resources = ["orders-web-3"]
roles = ["deploy"]
default = "10m"
max = "1h"
approve = { from = ["owners"], within = "30m" }
[[rule]]
name = "why"
who = ["group:engineers"]
resources = ["orders-web-4"]
roles = ["deploy"]
default = "10m"
max = "1h"
reason = { min_length = 5, pattern = "^INC-[0-9]+" }
approve = "auto"
"#;

async fn hosts() -> Hosts {
    let hosts = Hosts::with(|resource| {
        let role = "subsystems = [\"sftp\"]\nenv = [\"LC_*\"]\n";
        format!("{}{role}{}{role}{RULES}", resource("orders-web-3", false), resource("orders-web-4", false))
    })
    .await;
    let (code, _, err) = hosts.ajar(&["setup", "ssh"]);
    assert_eq!(code, 0, "{err}");
    hosts
}

/// The sessions of a resource, the newest first.
fn sessions(stage: &Stage, resource: &str) -> Vec<Value> {
    let all = stage.json("auditor", &["sessions", "--all"]);
    all.as_array().unwrap().iter().filter(|session| session["resource"] == resource).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_by_ssh() {
    let hosts = hosts().await;
    let stage = &hosts.stage;

    // dev, who has no access, is held in the channel, and told who was asked and where to look; a file waits as well.
    let mut command = hosts.client("ssh", &["orders-web-3", "echo in; exit 4"]);
    let mut held = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut talk = BufReader::new(held.stderr.take().unwrap()).lines().map(Result::unwrap);
    let filed = talk.next().unwrap();
    assert!(filed.starts_with("ajar: request req_") && filed.contains("held until it is decided"), "{filed}");
    let request = filed.split_whitespace().nth(2).unwrap().to_owned();
    assert_eq!(talk.next().unwrap(), "ajar: asked: peer, second");
    assert!(talk.next().unwrap().ends_with(&format!("/requests/{request}")));
    let held = Kept(held);
    let file = stage.folder().join("a file");
    std::fs::write(&file, "what is transferred\n").unwrap();
    let target = format!("orders-web-3:{}", stage.folder().join("copied").display());
    let copying = Kept(hosts.client("scp", &["-q", file.to_str().unwrap(), &target]).stderr(Stdio::piped()).spawn().unwrap());
    stage.wait_until("both are held", || stage.json("dev", &["status"])["held"] == 2);
    assert!(!hosts.host.log().contains("Accepted"), "{}", hosts.host.log());

    // peer approves: both are in.
    stage.json("peer", &["approve", &request, "--note", "go"]);
    let (code, out, err) = held.finish();
    assert_eq!((code, out.as_str()), (4, "in\n"), "{err}");
    let (code, _, err) = copying.finish();
    assert_eq!(code, 0, "{err}");
    assert_eq!(std::fs::read_to_string(stage.folder().join("copied")).unwrap(), "what is transferred\n");
    let grant = stage.json("dev", &["grants", "--resource", "orders-web-3"])[0]["id"].as_str().unwrap().to_owned();

    // A terminal; the role says what is possible in it; given back, it is cut in words.
    let mut shell = Kept(hosts.terminal("orders-web-3").spawn().unwrap());
    shell.0.stdin.as_mut().unwrap().write_all(b"echo seen-$((40+2))\n").unwrap();
    let live = |session: &Value| session["state"] == "live" && recording(stage, session).contains("seen-42");
    stage.wait_until("the terminal has shown something", || sessions(stage, "orders-web-3").iter().any(live));
    let (code, _, err) = hosts.ssh(&["-W", "127.0.0.1:1", "orders-web-3"]);
    assert!(code == 255 && err.contains("stdio forwarding failed"), "{err}");
    assert_eq!(stage.ajar("dev", &["return", &grant]).0, 0);
    let (code, _, err) = shell.finish();
    assert!(code == 255 && err.contains(&format!("this session is cut: {grant} was returned")), "{err}");
    stage.proven_gone(&grant);

    // The deadline, with a warning before it.
    let mut command = hosts.terminal("orders-web-1");
    let shell = Kept(command.env("AJAR_FOR", "6s").env("AJAR_REASON", "to see the end").spawn().unwrap());
    let (code, _, err) = shell.finish();
    assert!(code == 255 && err.contains(" s, at ") && err.contains("this session will be cut then"), "{err}");
    assert!(err.contains("has ended: it allowed role deploy on orders-web-1"), "{err}");
    stage.wait_until("its end is known", || sessions(stage, "orders-web-1").iter().all(|s| s["state"] == "ended"));
    let (_, leaves, _) = stage.ajar("auditor", &["ledger", "search", "--kind", "session.ended", "-o", "json"]);
    let late: Vec<_> = leaves.lines().filter_map(|l| serde_json::from_str::<Value>(l).unwrap()["body"]["late_ms"].as_u64()).collect();
    assert!(!late.is_empty() && late.iter().all(|late| *late <= 10), "{late:?}");

    // What happened can be read, and holds no secret.
    stage.wait_until("all have ended", || sessions(stage, "orders-web-3").iter().all(|s| s["state"] == "ended"));
    let replayed: String =
        sessions(stage, "orders-web-3").iter().map(|s| stage.ajar("auditor", &["replay", s["id"].as_str().unwrap()]).1).collect();
    for part in ["echo in; exit 4", "copied", "shell, as", "this session is cut"] {
        assert!(replayed.contains(part), "{part}\n{replayed}");
    }
    let shown: String = sessions(stage, "orders-web-3")
        .iter()
        .map(|s| stage.ajar("dev", &["replay", s["id"].as_str().unwrap(), "--search", "seen-42"]).1)
        .collect();
    assert!(shown.contains("seen-42"), "{shown}");
    let digest = Command::new("sha256sum").arg(&file).output().unwrap();
    let digest = String::from_utf8_lossy(&digest.stdout).split_whitespace().next().unwrap().to_owned();
    let recordings: String = sessions(stage, "orders-web-3").iter().map(|s| recording(stage, s)).collect();
    assert!(recordings.contains(&digest), "{recordings}");
    let token = std::fs::read_to_string(stage.folder().join("dev/ajar/ssh/key")).unwrap();
    let secret = token.lines().nth(2).unwrap();
    assert!(!stage.log().contains(secret) && !recordings.contains(secret));
    proven_offline(stage);
}

fn recording(stage: &Stage, session: &Value) -> String {
    std::fs::read_to_string(stage.data().join(format!("recordings/{}.ndjson", session["id"].as_str().unwrap()))).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_asked_for_the_reason_and_what_has_none_is_told_how_to_give_it() {
    let hosts = hosts().await;
    let (code, _, err) = hosts.ssh(&["orders-web-4", "true"]);
    assert!(code == 255 && err.contains("reason"), "{err}");
    let mut shell = Kept(hosts.terminal("orders-web-4").spawn().unwrap());
    let mut said = String::new();
    while !said.ends_with("ajar: reason: ") {
        let mut byte = [0];
        assert_eq!(shell.0.stderr.as_mut().unwrap().read(&mut byte).unwrap(), 1, "{said}");
        said.push(char::from(byte[0]));
    }
    shell.0.stdin.as_mut().unwrap().write_all(b"INC-7 stuck worker\recho in-$((1+1)); exit\n").unwrap();
    let (code, out, err) = shell.finish();
    assert!(code == 0 && out.contains("in-2"), "{code} {out} {said} {err}");
    let grants = hosts.stage.json("dev", &["grants", "--resource", "orders-web-4"]);
    let request = hosts.stage.json("dev", &["requests", grants[0]["request"].as_str().unwrap()]);
    assert_eq!(request["reason"], "INC-7 stuck worker");
    // In the environment, where there is no terminal.
    assert_eq!(hosts.stage.ajar("dev", &["return", grants[0]["id"].as_str().unwrap()]).0, 0);
    let out = hosts.client("ssh", &["orders-web-4", "echo again"]).env("AJAR_REASON", "INC-8 once more").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stdout), "again\n", "{out:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn i05_i20_a_denied_request_and_a_host_that_is_unknown_say_so() {
    let hosts = hosts().await;
    let stage = &hosts.stage;
    let held = Kept(hosts.client("ssh", &["orders-web-3", "true"]).stderr(Stdio::piped()).spawn().unwrap());
    stage.wait_until("it is held", || stage.json("dev", &["status"])["held"] == 1);
    let id = stage.json("peer", &["inbox"])[0]["id"].as_str().unwrap().to_owned();
    stage.json("peer", &["deny", &id, "--note", "not now"]);
    let (code, _, err) = held.finish();
    assert!(code == 255 && err.contains("denied"), "{err}");
    // W3: who may not know of a host hears what they hear of none.
    let stranger = stage.token("stranger");
    let told = |host: &str| {
        let line = format!(
            "SSH_ASKPASS_REQUIRE=force SSH_ASKPASS={} setsid ssh -F none -o PubkeyAuthentication=no -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
             -o ProxyCommand=\"ssh -F none -o PubkeyAuthentication=no -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -p {} -W {host}:22 x@127.0.0.1\" root@{host} true",
            askpass(stage, &stranger).display(),
            hosts.port
        );
        let out = Command::new("bash").args(["-c", &line]).output().unwrap();
        String::from_utf8_lossy(&out.stderr).replace(host, "HOST")
    };
    let (hidden, none) = (told("orders-web-3"), told("no-such-host"));
    assert_eq!(hidden, none);
    assert!(hidden.contains("there is no such resource"), "{hidden}");
}

/// A program that says a token.
fn askpass(stage: &Stage, token: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = stage.folder().join("askpass");
    std::fs::write(&path, format!("#!/bin/sh\necho {token}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn ansible_copies_and_runs_over_its_own_multiplexing() {
    let hosts = hosts().await;
    let python = std::env::var("AJAR_TEST_PYTHON").expect("`cargo xtask test` names a Python with Ansible in AJAR_TEST_PYTHON");
    let program = std::path::Path::new(&python).parent().unwrap().join("ansible");
    let run = |module: &[&str]| {
        let mut command = Command::new(&program);
        hosts.stage.dress(&mut command, "dev");
        let config = format!("-F '{}' -o ControlMaster=auto -o ControlPersist=2s", hosts.home().join(".ssh/config").display());
        command.env("HOME", hosts.home()).env("SHELL", "/bin/sh").env("AJAR_REASON", "INC-9 by Ansible").env("ANSIBLE_SSH_ARGS", config);
        command.env("ANSIBLE_SSH_CONTROL_PATH_DIR", hosts.stage.folder().join("cp")).env("ANSIBLE_REMOTE_TMP", hosts.stage.folder());
        command.env("ANSIBLE_PYTHON_INTERPRETER", &python).env("ANSIBLE_NOCOLOR", "1");
        let out = command.args(["all", "-i", "orders-web-4,"]).args(module).stdin(Stdio::null()).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "{said}");
        said
    };
    let to = hosts.stage.folder().join("by-ansible");
    run(&["-m", "copy", "-a", &format!("content=hello dest={}", to.display())]);
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "hello");
    assert!(run(&["-m", "command", "-a", &format!("cat {}", to.display())]).contains("hello"));
    hosts.stage.wait_until("its master has left", || sessions(&hosts.stage, "orders-web-4").iter().all(|s| s["state"] == "ended"));
    let all = sessions(&hosts.stage, "orders-web-4");
    let recordings: String = all.iter().map(|session| recording(&hosts.stage, session)).collect();
    assert!(all.len() <= 2 && recordings.contains("by-ansible") && recordings.contains("sha256_written"), "{recordings}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t05_a_server_that_was_stopped_across_the_deadline_forwards_nothing_on_waking() {
    let hosts = hosts().await;
    let stage = &hosts.stage;
    let got = stage.folder().join("got");
    let mut command = hosts.client("ssh", &["orders-web-1", "while :; do head -c 4096 /dev/zero; sleep .01; done"]);
    command.env("AJAR_FOR", "5s").stdout(std::fs::File::create(&got).unwrap()).stderr(Stdio::piped());
    let client = Kept(command.spawn().unwrap());
    let size = || std::fs::metadata(&got).unwrap().len();
    stage.wait_until("bytes flow", || size() > 0);
    let end =
        stage.json("dev", &["grants", "--resource", "orders-web-1"])[0]["ends_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let left = || end.as_millisecond() - jiff::Timestamp::now().as_millisecond();
    std::thread::sleep(std::time::Duration::from_millis(u64::try_from(left() - 700).unwrap()));
    stage.signal("-STOP");
    std::thread::sleep(std::time::Duration::from_millis(u64::try_from(left() + 500).unwrap()));
    let before = size();
    stage.signal("-CONT");
    let (code, _, _) = client.finish();
    assert_eq!((code, size()), (255, before));
}
