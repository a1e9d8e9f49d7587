//! A session watched while it lives, ended by somebody, and looked at again: as lines, on a terminal, as a cast.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stage::{Kept, SOON, Stage, text};
use crate::wire::Wire;

/// What somebody who watches is shown, line by line, as it comes.
struct Watcher {
    child: Kept,
    lines: Receiver<String>,
}

impl Watcher {
    fn of(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (send, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { child: Kept(child), lines }
    }

    /// The next line that holds `text`.
    fn sees(&self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            let line = self.lines.recv_timeout(SOON.saturating_sub(begun.elapsed()));
            let line = line.unwrap_or_else(|_| panic!("'{text}' was not shown"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// What is still to come, and how it ended.
    fn rest(self) -> (i32, Vec<String>, String) {
        let (code, _, err) = self.child.finish();
        (code, self.lines.iter().collect(), err)
    }
}

fn live(stage: &Stage, who: &str) -> String {
    stage.json(who, &["sessions", "--state", "live"])[0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn w03_r07_i09_a_live_session_is_watched_and_ended_and_its_grant_stays_open() {
    let stage = Stage::new().await;
    let grant = stage.approved("dev", "read", "10m");
    let mut wire = Wire::open(&stage, "dev", "orders-db");
    wire.query("select 'the first'");
    wire.types();
    let session = live(&stage, "dev");
    let peer = Watcher::of(stage.command("peer", &["sessions", "watch", &session]));
    let auditor = Watcher::of(stage.command("auditor", &["sessions", "watch", &session[session.len() - 6..], "-o", "json"]));
    assert!(peer.sees("the first").contains("→ SELECT 1, 1 row"));
    let head: Value = serde_json::from_str(&auditor.sees("ajar-recording/1")).unwrap();
    assert_eq!(head["session"], Value::from(session.as_str()));
    auditor.sees("the first");
    // As it happens: within the time that the gateway gathers lines, and the next look.
    let mut slowest = Duration::ZERO;
    for n in 0..5 {
        wire.query(&format!("select 'number {n}'"));
        wire.types();
        let answered = Instant::now();
        peer.sees(&format!("number {n}"));
        slowest = slowest.max(answered.elapsed());
    }
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    auditor.sees("number 4");
    let (code, _, err) = stage.ajar("stranger", &["sessions", "watch", &session]);
    assert!(code != 0 && err.contains("there is no session"), "{err}");

    // Who may not end it finds nothing to end; who may does, with a reason, at once.
    for who in ["stranger", "auditor", "boss"] {
        let (code, _, err) = stage.ajar(who, &["sessions", "kill", &session, "--reason", "odd"]);
        assert!(code != 0 && err.contains("there is no session"), "{who}: {err}");
    }
    let (code, _, err) = stage.ajar("peer", &["sessions", "kill", &session, "--reason", " "]);
    assert!(code == 2 && err.contains("without a reason"), "{err}");
    wire.query("select pg_sleep(600)");
    let killed = stage.json("peer", &["sessions", "kill", &session, "--reason", "it looks odd"]);
    assert_eq!(killed["killed_by"], "peer");
    let (_, error) = wire.rest();
    assert!(error.contains("57P01") && error.contains("this session was ended by somebody who may"), "{error}");
    assert!(error.contains("ajar sessions") && error.contains(&grant), "{error}");
    for watcher in [peer, auditor] {
        let (code, lines, err) = watcher.rest();
        assert_eq!(code, 0, "{err}");
        assert!(lines.iter().any(|l| l.contains("pg_sleep(600)")), "to the end: {lines:?}");
    }
    let (_, out, _) = stage.ajar("dev", &["sessions", &session]);
    assert!(out.contains("because     killed by peer: it looks odd"), "{out}");
    assert!(stage.ajar("dev", &["sessions"]).1.contains("killed by peer: it looks odd"));
    assert_eq!(stage.json("dev", &["sessions", &session])["ended_because"], "killed");
    assert_eq!(stage.grant(&grant)["state"], "open");
    Wire::open(&stage, "dev", "orders-db");

    // The ledger has who, and holds the reason only sealed; the export discloses it. Once more changes nothing.
    let again = stage.json("operator", &["sessions", "kill", &session, "--reason", "me too"]);
    assert_eq!((&again["killed_by"], &again["killed_because"]), (&"peer".into(), &"it looks odd".into()));
    let (_, events, _) = stage.ajar("auditor", &["ledger", "search", "--kind", "session.killed", "-o", "json"]);
    assert!(events.contains("session.killed") && events.contains(&session) && !events.contains("odd"), "{events}");
    let export = stage.ajar("auditor", &["ledger", "export"]).1;
    assert_eq!(export.matches("\"kind\":\"session.killed\"").count(), 1);
    assert!(export.contains("it looks odd") && !export.contains("me too"));

    // What is over is watched as it was; and one's own is one's own to end.
    let whole = std::fs::read_to_string(stage.data().join(format!("recordings/{session}.ndjson"))).unwrap();
    assert_eq!(stage.ajar("dev", &["sessions", "watch", &session, "-o", "json"]).1, whole);
    let mut wire = Wire::open(&stage, "dev", "orders-db");
    stage.json("dev", &["sessions", "kill", &live(&stage, "dev"), "--reason", "left open at home"]);
    assert!(wire.rest().1.contains("57P01"));
}

#[tokio::test(flavor = "multi_thread")]
async fn w03_who_watches_stops_seeing_when_their_token_is_revoked() {
    let stage = Stage::new().await;
    stage.approved("dev", "read", "10m");
    let mut wire = Wire::open(&stage, "dev", "orders-db");
    wire.query("select 'before'");
    wire.types();
    let session = live(&stage, "dev");
    let url = format!("http://127.0.0.1:{}/api/v1/sessions/{session}/watch", stage.api());
    let token = stage.json("peer", &["token", "--scope", "read"]);
    let curl = |from: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-sSN", "--max-time", "60", "-H", &format!("Authorization: Bearer {}", token["token"].as_str().unwrap())]);
        curl.arg(format!("{url}?from={from}"));
        curl
    };
    let all = Watcher::of(curl("start"));
    all.sees("before");
    let now = Watcher::of(curl("now"));
    assert!(now.sees("").contains("ajar-recording/1"), "the first line comes first");
    wire.query("select 'between'");
    wire.types();
    assert!(now.sees("").contains("between"), "and then only what comes");
    all.sees("between");
    stage.ajar("peer", &["token", "--revoke", token["id"].as_str().unwrap()]);
    let revoked = Instant::now();
    for watcher in [all, now] {
        let (code, lines, err) = watcher.rest();
        assert!(code == 18 && lines.is_empty(), "it breaks off: {code} {lines:?} {err}");
    }
    assert!(revoked.elapsed() < Duration::from_secs(5), "{:?}", revoked.elapsed());
    let bad = Watcher::of(curl("then")).rest();
    assert!(bad.1.concat().contains("bad_credential"), "{bad:?}");
    wire.query("select 1");
    assert_eq!(wire.types(), "TDCZ", "who is watched notices nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_held_is_watched_from_its_beginning_and_ended_as_well() {
    let stage = Stage::new().await;
    let held = || {
        let psql = stage.psql("dev", "orders-db", &["select 'in at last'"]).spawn().map(Kept).unwrap();
        stage.wait_until("dev is held", || stage.json("dev", &["status"])["held"] == 1);
        (psql, stage.json("dev", &["sessions", "--state", "held"])[0]["id"].as_str().unwrap().to_owned())
    };
    let (psql, session) = held();
    let request = stage.json("dev", &["requests"])[0]["id"].as_str().unwrap().to_owned();
    stage.json("operator", &["sessions", "kill", &session, "--reason", "not from there"]);
    let (code, _, err) = psql.finish();
    assert!(code == 2 && err.contains("this connection was ended by somebody who may"), "{err}");
    let shown = stage.json("dev", &["sessions", &session]);
    assert_eq!((&shown["ended_because"], &shown["killed_by"]), (&"killed".into(), &"operator".into()));
    assert_eq!(stage.json("dev", &["requests", &request])["state"], "pending", "what was asked for is as it was");
    let (_, _, err) = stage.ajar("dev", &["sessions", "watch", &session]);
    assert!(err.contains("it never went live"), "{err}");
    let (psql, session) = held();
    let watcher = Watcher::of(stage.command("dev", &["sessions", "watch", &session]));
    stage.json("peer", &["approve", &request]);
    watcher.sees("in at last");
    assert_eq!(psql.finish().0, 0);
    assert_eq!(watcher.rest().0, 0);
}

/// What a session by SSH would have left, with everything in it that a terminal must not get.
fn recorded(session: &str) -> String {
    let lines = [
        json!({"format": "ajar-recording/1", "session": session, "grant": "grant_1", "principal": "p", "resource": "web-1", "role": "ops",
            "protocol": "ssh", "started": "2026-01-31T17:00:00Z"}),
        json!({"t": 1_000, "ch": 0, "kind": "open", "what": "exec", "login": "deploy", "command": "uptime", "env": {}}),
        json!({"t": 2_000, "ch": 0, "kind": "out", "data": "up 3 days\n"}),
        json!({"t": 3_000, "ch": 0, "kind": "close", "exit": 0, "bytes_in": 0, "bytes_out": 10, "d": 2_000}),
        json!({"t": 4_000, "ch": 1, "kind": "open", "what": "shell", "login": "deploy", "term": "xterm", "cols": 60, "rows": 10, "env": {}}),
        json!({"t": 500_000, "ch": 1, "kind": "out", "data": "\u{1b}]0;owned\u{7}\u{1b}]52;c;ZXZpbA==\u{7}$ \u{1b}[31mmark\u{1b}[32mer"}),
        json!({"t": 600_000, "ch": 1, "kind": "out", "data": "\u{1b}[c\u{1b}[6n\u{1b}P$qm\u{1b}\\\u{1b}(0\u{1b}]8;;http://evil\u{7}link"}),
        json!({"t": 900_000_000, "ch": 1, "kind": "out", "data": "\u{1b}(B\r\nlate\u{1b}[?1049h\u{1b}[?1003hother"}),
        json!({"t": 900_000_001, "ch": 1, "kind": "close", "exit": 0, "bytes_in": 0, "bytes_out": 1, "d": 1}),
    ];
    lines.map(|line| format!("{line}\n")).concat()
}

/// Runs a command on a terminal of its own and presses keys there; what it was sent.
fn on_a_terminal(stage: &Stage, args: &[&str], keys: &[(&str, &str)]) -> String {
    let ajar = env!("CARGO_BIN_EXE_ajar");
    let mut command = Command::new("script");
    command.args(["-qefc", &format!("stty rows 20 cols 70; {ajar} {}; stty -a", args.join(" ")), "/dev/null"]);
    for (name, value) in stage.command("dev", &[]).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut child = Kept(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let (send, pieces) = channel();
    let mut out = child.0.stdout.take().unwrap();
    std::thread::spawn(move || {
        let mut piece = [0; 4_096];
        while let Ok(read @ 1..) = std::io::Read::read(&mut out, &mut piece) {
            drop(send.send(text(&piece[..read])));
        }
    });
    let mut typed = child.0.stdin.take().unwrap();
    let (mut all, mut looked) = (String::new(), 0);
    for (until, key) in keys {
        let begun = Instant::now();
        while !all[looked..].contains(until) {
            let piece = pieces.recv_timeout(SOON.saturating_sub(begun.elapsed()));
            all.push_str(&piece.unwrap_or_else(|_| panic!("'{until}' was not shown: {all:?}")));
        }
        looked = all.len();
        typed.write_all(key.as_bytes()).unwrap();
        typed.flush().unwrap();
    }
    all.extend(pieces.iter());
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn w02_i19_a_terminal_is_played_and_only_as_a_picture_reaches_the_one_of_who_looks() {
    let stage = Stage::new().await;
    stage.approved("dev", "read", "10m");
    drop(Wire::open(&stage, "dev", "orders-db"));
    stage.wait_until("the session is over", || stage.json("dev", &["sessions"])[0]["state"] == "ended");
    let session = stage.json("dev", &["sessions"])[0]["id"].as_str().unwrap().to_owned();
    std::fs::write(stage.data().join(format!("recordings/{session}.ndjson")), recorded(&session)).unwrap();
    let hostile = ["\x1b]", "\x1b[c", "\x1b[6n", "\x1bP", "\x1b(0", "\x1b[?1003h", "evil", "ZXZpbA"];
    let inert = |out: &str| {
        for bad in hostile {
            assert!(!out.contains(bad), "{bad:?} came through: {out:?}");
        }
    };

    let out = on_a_terminal(&stage, &["replay", &session], &[("mark", " "), ("paused", "/other\r"), ("found other", "q")]);
    inert(&out);
    // Fifteen minutes of nothing were no wait; and the terminal is as it was.
    let (_, after) = out.rsplit_once("\x1b[?1049l").unwrap();
    assert!(after.contains("isig icanon") && after.contains(" echo "), "{after}");
    let out = on_a_terminal(&stage, &["replay", &session, "--at", "15:00", "--speed", "8"], &[("the end", "\x1b[D"), ("", "\x03")]);
    assert!(out.contains("other") && out.ends_with('\n'), "{out:?}");
    let out = on_a_terminal(&stage, &["sessions", "watch", &session], &[]);
    inert(&out);
    assert!(out.contains("the session has ended"), "{out:?}");

    // Without one, or when they are asked for: lines.
    let (_, out, _) = stage.ajar("dev", &["replay", &session]);
    assert!(out.contains("exec uptime, as deploy") && out.contains("bytes out") && !out.contains('\x1b'), "{out}");
    assert_eq!(out.lines().count(), 6, "{out}");
    assert!(on_a_terminal(&stage, &["replay", &session, "--list"], &[]).contains("exec uptime"));
    let (_, out, _) = stage.ajar("dev", &["replay", &session, "--search", "marker"]);
    assert_eq!(out, "+0:00.500    #1  $ marker\n");
    assert_eq!(stage.ajar("dev", &["replay", &session, "--grep", "3 days"]).1.lines().count(), 1);

    let (code, cast, err) = stage.ajar("dev", &["replay", &session, "--cast", "-"]);
    assert_eq!(code, 0, "{err}");
    let lines: Vec<Value> = cast.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (&lines[0]["version"], &lines[0]["width"], &lines[0]["height"], &lines[0]["env"]["TERM"]),
        (&json!(2), &json!(60), &json!(10), &json!("xterm"))
    );
    assert_eq!((lines.len(), &lines[1][1], lines[1][0].as_f64()), (4, &json!("o"), Some(0.496)));
    assert!(lines[1][2].as_str().unwrap().contains("\x1b]52;"), "it is data");
    let file = stage.folder().join("x.cast");
    let (code, _, err) = stage.ajar("dev", &["replay", &session, "--channel", "0", "--cast", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    assert!(std::fs::read_to_string(&file).unwrap().contains("up 3 days"));
    let (code, _, err) = stage.ajar("dev", &["replay", &session, "--channel", "7", "--cast", "-"]);
    assert!(code == 1 && err.contains("no channel 7") && err.contains("channels with a terminal: 1"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_for_long_is_seen_while_it_runs_and_counted_once() {
    let stage = Stage::new().await;
    stage.approved("dev", "read", "10m");
    let mut wire = Wire::open(&stage, "dev", "orders-db");
    wire.query("select 'quick'");
    wire.types();
    let session = live(&stage, "dev");
    let watcher = Watcher::of(stage.command("peer", &["sessions", "watch", &session]));
    wire.query("select pg_sleep(4)");
    let begun = Instant::now();
    assert!(watcher.sees("pg_sleep").ends_with("→ running"));
    assert!(begun.elapsed() < Duration::from_secs(4), "before it has finished: {:?}", begun.elapsed());
    wire.types();
    assert!(watcher.sees("pg_sleep").contains("→ SELECT 1"));
    drop(wire);
    stage.wait_until("the session is over", || stage.json("dev", &["sessions", &session])["state"] == "ended");
    assert_eq!(stage.json("dev", &["sessions", &session])["entries"], 2);
    let (code, replayed, err) = stage.ajar("peer", &["replay", &session]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(replayed.matches("pg_sleep").count(), 1, "{replayed}");
    let found = stage.json("peer", &["sessions", &session]);
    assert_eq!(found["ended_because"], "client_left");
}
