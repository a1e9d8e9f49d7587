//! What people are told, with the CLI against the server.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use crate::stage::{Kept, SOON, Stage};

/// Whoever follows their notices, line by line.
struct Follower {
    _child: Kept,
    lines: Receiver<String>,
}

impl Follower {
    fn new(stage: &Stage, who: &str, args: &[&str]) -> Self {
        let mut command = stage.command(who, &[&["notices", "--follow"], args].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (send, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { _child: Kept(child), lines }
    }

    fn next(&self) -> String {
        self.lines.recv_timeout(SOON).expect("a notice comes")
    }
}

fn told(stage: &Stage, who: &str) -> Vec<(String, String)> {
    let notices = stage.json(who, &["notices"]);
    let text = |n: &Value, field: &str| n[field].as_str().unwrap().to_owned();
    notices.as_array().unwrap().iter().map(|n| (text(n, "kind"), text(n, "text"))).collect()
}

fn kinds(stage: &Stage, who: &str) -> Vec<String> {
    told(stage, who).into_iter().map(|(kind, _)| kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn when_one_decides_the_others_are_told_as_it_happens() {
    let mut stage = Stage::new().await;
    let (code, out, err) = stage.ajar("peer", &["notices"]);
    assert!(code == 0 && out.is_empty() && err.contains("nothing new"), "{code}: {out}{err}");
    let second = Follower::new(&stage, "second", &["-o", "json"]);
    let requester = Follower::new(&stage, "dev", &[]);

    let filed = stage.json("dev", &["request", "orders-db", "--role", "write", "--reason", "a reason to keep"]);
    let id = filed["id"].as_str().unwrap();
    let first: Value = serde_json::from_str(&second.next()).unwrap();
    assert_eq!((&first["kind"], &first["by"], &first["about"]), (&"asked".into(), &"dev".into(), &serde_json::json!([id])));
    assert_eq!(first["text"], "dev's request for write on orders-db, for 10m, waits for your decision");
    assert!(first["link"].as_str().is_some_and(|link| link.ends_with(&format!("/requests/{id}"))));
    stage.json("peer", &["approve", id]);
    let next: Value = serde_json::from_str(&second.next()).unwrap();
    assert_eq!(next["text"], "dev's request for write on orders-db was approved by peer, and needs more");
    let approved = stage.json("second", &["approve", id]);
    let line = requester.next();
    assert!(line.contains(&format!("your request for write on orders-db was approved by second  ({id})")), "{line}");
    stage.json("operator", &["revoke", approved["grants"][0]["id"].as_str().unwrap()]);
    let line = requester.next();
    assert!(line.contains("your grant for write on orders-db was closed: operator revoked it"), "{line}");

    assert_eq!(kinds(&stage, "second"), ["asked", "reviewed"]);
    assert_eq!(kinds(&stage, "peer"), ["asked", "approved"]);
    for nobody in ["stranger", "auditor", "boss", "dev-admin"] {
        assert_eq!(told(&stage, nobody), [], "{nobody}");
    }
    let (_, table, _) = stage.ajar("peer", &["notices"]);
    assert!(table.starts_with("NOTICE") && table.contains("approved by second") && !table.contains("a reason to keep"), "{table}");
    // From a cursor on, also after a restart.
    let all = stage.json("peer", &["notices"]);
    let cursor = all[0]["id"].to_string();
    stage.end("-TERM");
    stage.run();
    assert_eq!(stage.json("peer", &["notices"]), all);
    assert_eq!(stage.json("peer", &["notices", "--after", &cursor]), serde_json::json!([all[1]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_a_flood_is_told_as_one_and_an_emergency_by_itself() {
    let stage = Stage::new().await;
    let now: i64 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis().try_into().unwrap();
    let ids: Vec<_> = (0..12)
        .map(|n| {
            let at = ajar_core::time::Timestamp::from_millis(now + 3_600_000 + n * 60_000).to_string();
            let who = if n % 4 == 3 { "second" } else { "dev" };
            stage.json(who, &["request", "orders-db", "--at", &at])["id"].as_str().unwrap().to_owned()
        })
        .collect();
    let notices = stage.json("peer", &["notices"]);
    let notices = notices.as_array().unwrap();
    assert_eq!((notices.len(), &notices[5]["kind"]), (6, &"digest".into()));
    assert_eq!(notices[5]["text"], "7 more requests wait for you, 5 of them from dev");
    assert_eq!(notices[5]["about"], serde_json::json!(ids[5..]));
    for id in &ids[5..11] {
        stage.json("peer", &["deny", id]);
    }
    assert_eq!(told(&stage, "peer")[5].1, "1 more request waits for you, from second");

    stage.json("dev", &["request", "orders-db", "--role", "write", "--emergency", "--reason", "orders are lost"]);
    assert_eq!(told(&stage, "boss"), [("emergency".into(), "dev opened orders-db in an emergency, without a review".into())]);
    assert_eq!(kinds(&stage, "peer").last().unwrap(), "review_owed");
    stage.json("boss", &["delegate", "auditor", "--for", "1h"]);
    assert_eq!(kinds(&stage, "auditor"), ["delegated"]);
}
