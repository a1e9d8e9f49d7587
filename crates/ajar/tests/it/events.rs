//! The stream of what changes: open at once, and no longer than who listens may.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::stage::{Kept, SOON, Stage};

/// Somebody who listens, as an `EventSource` does.
struct Listener {
    child: Kept,
    lines: Receiver<String>,
}

impl Listener {
    fn of(stage: &Stage, token: &str, headers: &[&str]) -> Self {
        let mut curl = Command::new("curl");
        curl.args(["-sSN", "-i", "--max-time", "60", "-H", "Accept: text/event-stream", "-H", &format!("Authorization: Bearer {token}")]);
        for header in headers {
            curl.args(["-H", header]);
        }
        curl.arg(format!("http://127.0.0.1:{}/api/v1/events", stage.api()));
        let mut child = curl.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (send, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let listener = Self { child: Kept(child), lines };
        // It is open before anything has changed.
        listener.hears(": listening");
        listener
    }

    /// The next line that holds `text`, with all that come before it.
    fn hears(&self, text: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            let line = self.lines.recv_timeout(SOON).unwrap_or_else(|_| panic!("'{text}' was not heard after {before:?}"));
            before.push(line);
            if before.last().is_some_and(|line| line.contains(text)) {
                return before;
            }
        }
    }

    /// Whether nothing comes but the ends of what came, and the stream stays, for a while.
    fn hears_nothing(&self, time: Duration) -> bool {
        loop {
            match self.lines.recv_timeout(time) {
                Ok(line) if line.is_empty() => {}
                other => return other == Err(RecvTimeoutError::Timeout),
            }
        }
    }

    /// What it still hears, and how long after `since` the stream is over.
    fn ends(self, since: Instant) -> (Vec<String>, Duration) {
        let lines: Vec<String> = self.lines.iter().collect();
        let took = since.elapsed();
        assert_eq!(self.child.finish().0, 0, "a stream that ends is no broken one");
        (lines, took)
    }
}

fn issue(stage: &Stage, who: &str, life: &str) -> (String, String) {
    let token = stage.json(who, &["token", "--scope", "read", "--for", life]);
    let text = |key: &str| token[key].as_str().unwrap().to_owned();
    (text("token"), text("id"))
}

#[tokio::test(flavor = "multi_thread")]
async fn w03_a_stream_ends_with_its_token() {
    let stage = Stage::new().await;
    let file = || stage.json("dev", &["request", "orders-db", "--role", "write", "--reason", "a test"]);
    let (token, id) = issue(&stage, "peer", "1h");
    let (other, _) = issue(&stage, "peer", "1h");
    let (revoked, stays) = (Listener::of(&stage, &token, &[]), Listener::of(&stage, &other, &[]));
    let filed = file();
    for listener in [&revoked, &stays] {
        listener.hears(filed["id"].as_str().unwrap());
    }
    stage.ajar("peer", &["token", "--revoke", &id]);
    let (_, took) = revoked.ends(Instant::now());
    assert!(took < Duration::from_millis(1_500), "{took:?}");
    assert_eq!(stage.ajar("dev", &["withdraw", filed["id"].as_str().unwrap()]).0, 0);
    stays.hears("request.withdrawn");

    // By itself, with nothing happening.
    let (short, _) = issue(&stage, "peer", "4s");
    let begun = Instant::now();
    let (_, took) = Listener::of(&stage, &short, &[]).ends(begun);
    assert!((Duration::from_secs(3)..Duration::from_millis(5_500)).contains(&took), "{took:?}");
    file();
    stays.hears("request.filed");

    // Whoever is disabled hears not even that.
    let people = stage.policy().join("people.toml");
    let text = std::fs::read_to_string(&people).unwrap();
    std::fs::write(&people, text.replace("name = \"peer\"", "name = \"peer\"\ndisabled = true")).unwrap();
    assert_eq!(stage.ajar("operator", &["policy", "apply", stage.policy().to_str().unwrap()]).0, 0);
    let (lines, took) = stays.ends(Instant::now());
    assert!(took < Duration::from_millis(1_500), "{took:?} {lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_is_told_nothing_old_whatever_they_say_they_have_heard() {
    let stage = Stage::new().await;
    let (token, _) = issue(&stage, "peer", "1h");
    let first = Listener::of(&stage, &token, &[]);
    let filed = stage.json("dev", &["request", "orders-db", "--role", "write", "--reason", "a test"]);
    let heard = first.hears("data:");
    assert!(heard.iter().any(|line| line.starts_with("id: ")), "{heard:?}");
    drop(first);
    let long = format!("Last-Event-ID: {}", "9".repeat(4_000));
    for said in ["Last-Event-ID: 0", "Last-Event-ID: -1", "Last-Event-ID: 18446744073709551616", "Last-Event-ID: req_0;drop", &long] {
        let back = Listener::of(&stage, &token, &[said]);
        assert!(back.hears_nothing(Duration::from_millis(300)), "{said:.40}");
        stage.json("dev", &["comment", filed["id"].as_str().unwrap(), "and now?"]);
        back.hears("request.commented");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_is_there() {
    let stage = Stage::new().await;
    let online = || stage.json("dev", &["policy", "explain", "orders-db", "--role", "write"])["stages"][0]["online"].clone();
    // Who has signed in has not done anything yet.
    assert_eq!(online(), serde_json::json!([]));
    let (token, _) = issue(&stage, "second", "1h");
    let listener = Listener::of(&stage, &token, &[]);
    assert_eq!(online(), serde_json::json!(["second"]));
    drop(listener);
    assert_eq!(online(), serde_json::json!(["second"]), "for a while yet");
}
