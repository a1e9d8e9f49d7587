//! Seeing how it runs: every measure of the design is on `/metrics`, and traces tell the walk of a connection without its secrets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::stage::{Stage, text};
use crate::wire::Wire;

/// A collector of traces: takes what it is sent, by HTTP.
struct Collector {
    port: u16,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, sent) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
        let kept = Arc::clone(&sent);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || while take(&connection, &kept).is_some() {});
            }
        });
        Self { port, sent }
    }

    fn text(&self) -> String {
        text(&self.sent.lock().unwrap())
    }
}

/// One request of a connection.
fn take(connection: &TcpStream, kept: &Mutex<Vec<u8>>) -> Option<()> {
    let mut reader = BufReader::new(connection);
    let (mut length, mut line) = (0, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        kept.lock().unwrap().extend_from_slice(line.as_bytes());
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    kept.lock().unwrap().extend_from_slice(&body);
    let mut connection = connection;
    connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn i17_measures_and_traces_tell_everything_but_secrets() {
    let collector = Collector::new();
    let mut stage = Stage::new().await;
    stage.end("-TERM");
    stage.traces = Some(collector.port);
    stage.run();
    let refused = stage.ajar("stranger", &["request", "orders-db", "--reason", "a reason nobody may read"]);
    assert_eq!(refused.0, 7, "{refused:?}");
    stage.ajar("dev", &["request", "orders-db", "--role", "read", "--for", "8h", "--reason", "a reason nobody may read"]);
    let grant = stage.approved("dev", "read", "4s");
    let token = stage.token("dev");
    let mut wire = Wire::open(&stage, "dev", "orders-db");
    wire.query("select 'a statement nobody may read'");
    wire.types();
    wire.rest();
    stage.proven_gone(&grant);
    let out = Command::new("curl").args(["-s", &format!("http://127.0.0.1:{}/metrics", stage.api())]).output().unwrap();
    let metrics = text(&out.stdout);
    for measure in [
        "ajar_time_to_approve_seconds_count 1",
        "ajar_time_to_open_seconds_count 1",
        "ajar_time_to_mint_seconds_count 1",
        "ajar_time_to_revoke_seconds_count 1",
        "ajar_gateway_cut_lateness_seconds_count 1",
        "ajar_revocations_unconfirmed 0",
        "ajar_gateway_sessions{state=\"live\"} 0",
        "ajar_denials_total{rule=\"read\"} 1",
        "ajar_gateway_statements_total 1",
    ] {
        assert!(metrics.contains(measure), "no {measure} in:\n{metrics}");
    }
    stage.wait_until("it is known that traces arrive", || {
        let all = stage.json("auditor", &["status"])["integrations"].clone();
        all.as_array().unwrap().iter().any(|i| i["kind"] == "otlp" && i["state"] == "good")
    });
    stage.end("-TERM");
    let traces = collector.text();
    assert!(traces.contains("POST /v1/traces") && traces.contains("service.name"), "{traces}");
    let walk = [
        "call",
        "/api/v1/requests/{id}/reviews",
        "file a request",
        "review",
        "decide and commit",
        "knock",
        "open",
        "lease",
        "mint",
        "dial",
        "end a session",
        "revoke",
        "revoke on the target",
        &grant,
    ];
    for step in walk {
        assert!(traces.contains(step), "no {step} in the traces");
    }
    for hidden in ["nobody may read", &token[token.len() - 64..], "admin's password", "SCRAM-SHA-256$"] {
        assert!(!traces.contains(hidden) && !metrics.contains(hidden), "{hidden}");
    }
}
