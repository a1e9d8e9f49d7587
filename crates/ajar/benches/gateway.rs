//! The whole product against its references, in one run: pgbench direct over TLS, through Ajar, through PgBouncer; connections,
//! COPY, memory, requests, start-up. Medians of interleaved rounds; the ratios are the point.
//!
//! `cargo xtask bench gateway`. `AJAR_BENCH_SECONDS` is the length of one pgbench run (4 unless set).

#![expect(clippy::disallowed_methods, reason = "a benchmark measures by the real clock")]
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a benchmark says what it found and fails loudly")]

#[expect(dead_code, reason = "the tests' stage has more than is needed here")]
#[expect(clippy::panic, reason = "the tests' stage")]
#[path = "../tests/it/stage.rs"]
mod stage;
#[expect(dead_code, reason = "the tests' client has more than is needed here")]
#[expect(clippy::panic, reason = "the tests' client")]
#[path = "../tests/it/wire.rs"]
mod wire;

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::stage::{Stage, free_port};
use crate::wire::Wire;

const ROUNDS: usize = 3;

type Environment = BTreeMap<&'static str, String>;

fn main() {
    rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap();
    // A bench target's main gets cargo's own arguments; there is nothing to choose.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stage = prepared().await;
        // Threads that signing in has needed end after ten seconds, and give back what it took.
        tokio::time::sleep(Duration::from_secs(15)).await;
        let memory_idle = rss(stage.pid());
        println!("server, idle: {memory_idle} KiB resident (budget 40 MiB: {})", met(memory_idle <= 40 * 1024));
        relay(&stage);
        memory(&stage);
        requests(&stage).await;
        start_up(stage);
    });
}

fn met(yes: bool) -> &'static str {
    if yes { "met" } else { "MISSED" }
}

fn seconds() -> u64 {
    std::env::var("AJAR_BENCH_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(4)
}

/// A stage whose target holds pgbench's tables, and on which dev may do anything in them without asking anybody.
async fn prepared() -> Stage {
    let stage = Stage::new().await;
    let boss = stage.target.connect("postgres").await.unwrap();
    boss.batch_execute("CREATE DATABASE bench").await.unwrap();
    boss.batch_execute("CREATE ROLE bench_all NOLOGIN; GRANT pg_read_all_data, pg_write_all_data TO bench_all; GRANT bench_all TO ajar_admin WITH ADMIN OPTION; CREATE ROLE direct LOGIN PASSWORD 'direct' IN ROLE bench_all").await.unwrap();
    let out = Command::new("pgbench").args(["-q", "-i", "-s", "20"]).envs(superuser(&stage)).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let policy = stage.policy();
    let mut resources = std::fs::read_to_string(policy.join("resources.toml")).unwrap();
    let text = stage.resource("bench-db", stage.target.port());
    let (head, _) = text.split_once("[resource.roles.read]").unwrap();
    let head = head.replace("database = \"orders\"", "database = \"bench\"").replace("tls = { verify = \"ca.pem\" }", "tls = \"off\"");
    resources.push_str(&format!("{head}[resource.roles.read]\nmember_of = [\"bench_all\"]\n"));
    std::fs::write(policy.join("resources.toml"), resources).unwrap();
    let mut rules = std::fs::read_to_string(policy.join("rules.toml")).unwrap();
    rules.push_str(
        "[[rule]]\nname = \"bench\"\nwho = [\"group:engineers\"]\nresources = [\"bench-db\"]\nroles = [\"read\"]\nmax = \"12h\"\ndefault = \"2h\"\napprove = \"auto\"\n",
    );
    std::fs::write(policy.join("rules.toml"), rules).unwrap();
    let (code, _, err) = stage.ajar("operator", &["policy", "apply", policy.to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    stage
}

fn superuser(stage: &Stage) -> Environment {
    let base = [("PGHOST", "127.0.0.1"), ("PGUSER", "postgres"), ("PGPASSWORD", "superuser's password"), ("PGDATABASE", "bench")];
    let mut all: Environment = base.into_iter().map(|(k, v)| (k, v.to_owned())).collect();
    all.insert("PGPORT", stage.target.port().to_string());
    all
}

/// Straight to the target, over TLS.
fn direct(stage: &Stage) -> Environment {
    let mut all = superuser(stage);
    all.extend([("PGUSER", "direct".to_owned()), ("PGPASSWORD", "direct".to_owned()), ("PGSSLMODE", "require".to_owned())]);
    all
}

fn through_ajar(stage: &Stage) -> Environment {
    stage.libpq("dev", "bench-db")
}

/// A PgBouncer in session mode: TLS from the client, plaintext to the target, as the gateway here.
struct PgBouncer {
    dir: std::path::PathBuf,
    child: Child,
    environment: Environment,
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

fn pgbouncer(stage: &Stage) -> Option<PgBouncer> {
    let port = free_port();
    let dir = std::env::temp_dir().join(format!("ajar-bench-pgbouncer-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-keyout",
        ])
        .arg(dir.join("key.pem"))
        .arg("-out")
        .arg(dir.join("cert.pem"))
        .output()
        .ok()?;
    assert!(made.status.success());
    let ini = format!(
        "[databases]\nbench = host=127.0.0.1 port={} dbname=bench\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
         auth_type = scram-sha-256\nauth_file = {1}/users.txt\npool_mode = session\ndefault_pool_size = 100\nmax_client_conn = 500\n\
         client_tls_sslmode = require\nclient_tls_key_file = {1}/key.pem\nclient_tls_cert_file = {1}/cert.pem\nlogfile = {1}/log\n",
        stage.target.port(),
        dir.display()
    );
    std::fs::write(dir.join("pgbouncer.ini"), ini).unwrap();
    std::fs::write(dir.join("users.txt"), "\"direct\" \"direct\"\n").unwrap();
    // It refuses to run as root.
    let owned = Command::new("chown").args(["-R", "postgres"]).arg(&dir).status().is_ok_and(|s| s.success());
    let mut command = if owned { Command::new("setpriv") } else { Command::new("pgbouncer") };
    if owned {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "/usr/sbin/pgbouncer"]);
    }
    let child = command.arg(dir.join("pgbouncer.ini")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let Ok(child) = child else {
        println!("(PgBouncer is not installed: apt-get install pgbouncer)");
        return None;
    };
    let mut environment = direct(stage);
    environment.insert("PGPORT", port.to_string());
    let bouncer = PgBouncer { child, environment, dir: dir.clone() };
    for _ in 0..50 {
        std::thread::sleep(Duration::from_millis(100));
        let out = Command::new("psql").args(["-X", "-c", "select 1"]).envs(&bouncer.environment).output().unwrap();
        if out.status.success() {
            return Some(bouncer);
        }
    }
    println!("(PgBouncer does not come up: {})", std::fs::read_to_string(dir.join("log")).unwrap_or_default());
    None
}

/// Transactions a second, and the mean latency in ms.
fn pgbench(environment: &Environment, args: &[&str]) -> (f64, f64) {
    let time = seconds().to_string();
    let out = Command::new("pgbench").args(["-n", "-S", "-s", "20", "-T", &time]).args(args).envs(environment).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
    let number = |after: &str| -> f64 {
        text.lines().find_map(|l| l.strip_prefix(after)).and_then(|l| l.trim().split(' ').next()?.parse().ok()).unwrap_or(f64::NAN)
    };
    (number("tps ="), number("latency average ="))
}

/// Bytes a second of a COPY, thrown away by the client.
fn copy(environment: &Environment, select: &str, bytes: f64) -> f64 {
    let start = Instant::now();
    let out = Command::new("psql")
        .args(["-X", "-q", "-c", &format!("copy ({select}) to stdout")])
        .envs(environment)
        .stdout(Stdio::null())
        .output();
    assert!(out.unwrap().status.success());
    bytes / start.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn relay(stage: &Stage) {
    let bouncer = pgbouncer(stage);
    let mut ways = vec![("direct, TLS", direct(stage)), ("Ajar", through_ajar(stage))];
    ways.extend(bouncer.as_ref().map(|b| ("PgBouncer", b.environment.clone())));
    let lines: [(&str, &[&str], f64); 5] = [
        ("simple, 1 client", &["-M", "simple", "-c", "1"], 0.70),
        ("simple, 64 clients", &["-M", "simple", "-c", "64", "-j", "2"], 0.95),
        ("extended, 64 clients", &["-M", "extended", "-c", "64", "-j", "2"], 0.95),
        ("prepared, 64 clients", &["-M", "prepared", "-c", "64", "-j", "2"], 0.95),
        ("connections a second", &["-C", "-c", "4", "-j", "2"], 1.0),
    ];
    for (name, args, budget) in lines {
        let mut results = vec![Vec::new(); ways.len()];
        let mut latencies = vec![Vec::new(); ways.len()];
        for _ in 0..ROUNDS {
            for (i, (_, environment)) in ways.iter().enumerate() {
                let (tps, latency) = pgbench(environment, args);
                results[i].push(tps);
                latencies[i].push(latency * 1e3);
            }
        }
        report(name, &ways, results, "/s", budget);
        if name == "simple, 1 client" {
            let medians: Vec<f64> = latencies.into_iter().map(median).collect();
            let added: Vec<String> =
                ways.iter().zip(&medians).skip(1).map(|((n, _), m)| format!("{n} +{:.0} µs", m - medians[0])).collect();
            println!(
                "  added latency: direct {:.0} µs; {} (budget +30 µs: {})",
                medians[0],
                added.join(", "),
                met(medians[1] - medians[0] <= 30.0)
            );
        }
    }
    for (name, select, bytes) in [
        ("COPY out, 84-byte rows", "select repeat('x', 83) from generate_series(1, 4000000)", 84.0 * 4e6),
        ("COPY out, 8 kB rows", "select repeat('y', 8191) from generate_series(1, 60000)", 8_192.0 * 6e4),
    ] {
        let mut results = vec![Vec::new(); ways.len()];
        for _ in 0..ROUNDS {
            for (i, (_, environment)) in ways.iter().enumerate() {
                results[i].push(copy(environment, select, bytes) / 1e6);
            }
        }
        report(name, &ways, results, " MB/s", 1.0);
    }
}

fn report(name: &str, ways: &[(&str, Environment)], results: Vec<Vec<f64>>, unit: &str, budget: f64) {
    let medians: Vec<f64> = results.into_iter().map(median).collect();
    let texts: Vec<String> =
        ways.iter().zip(&medians).map(|((way, _), value)| format!("{way} {value:.0}{unit} ({:.2})", value / medians[0])).collect();
    println!("{name}: {}; budget {budget:.2}: {}", texts.join(", "), met(medians[1] / medians[0] >= budget));
}

/// Resident memory of a process, in KiB.
fn rss(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.lines().find_map(|l| l.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse().ok()).unwrap()
}

fn memory(stage: &Stage) {
    let token = stage.token("dev");
    let enter = || {
        let mut wire = Wire::tls(stage);
        wire.sign_in(&wire::startup(&[("user", "dev"), ("database", "bench-db")]), &token);
        wire.query("select 1");
        wire.types();
        wire
    };
    // The first ones make what all share.
    let warm: Vec<Wire> = (0..30).map(|_| enter()).collect();
    let before = rss(stage.pid());
    let idle: Vec<Wire> = (0..100).map(|_| enter()).collect();
    std::thread::sleep(Duration::from_secs(1));
    let each = (rss(stage.pid()).saturating_sub(before)) as f64 / 100.0;
    println!("memory per idle session: {each:.1} KiB (budget 32 KiB: {})", met(each <= 32.0));
    drop((warm, idle));
}

/// Requests that are approved by a rule and open at once, through the API, each durable.
async fn requests(stage: &Stage) {
    let http = reqwest::Client::new();
    let url = format!("http://127.0.0.1:{}/api/v1/requests", stage.api());
    let token = stage.json("dev", &["token", "--scope", "full"])["token"].as_str().unwrap().to_owned();
    let ask = |i: usize| {
        let (http, url, token) = (http.clone(), url.clone(), token.clone());
        async move {
            let body = format!(r#"{{"resource":"quick-db","role":"read","for":"{}s","reason":"request number {i}"}}"#, 60 + i % 3_000);
            let start = Instant::now();
            let response = http.post(&url).bearer_auth(&token).header("content-type", "application/json").body(body).send().await.unwrap();
            let status = response.status();
            let text = response.text().await.unwrap();
            assert!(status.is_success() && text.contains("\"approved\""), "{text}");
            start.elapsed().as_secs_f64() * 1e3
        }
    };
    let mut one = Vec::new();
    for i in 0..300 {
        one.push(ask(i).await);
    }
    one.sort_by(f64::total_cmp);
    println!(
        "request → open, one after the other: p50 {:.1} ms, p99 {:.1} ms (budget p99 ≤ 10 ms: {})",
        one[150],
        one[296],
        met(one[296] <= 10.0)
    );
    let (start, count) = (Instant::now(), 23_000);
    let mut running = tokio::task::JoinSet::new();
    for i in 0..count {
        if running.len() >= 64 {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(ask(1_000 + i));
    }
    while running.join_next().await.is_some() {}
    let rate = count as f64 / start.elapsed().as_secs_f64();
    println!("request → open, 64 at once: {rate:.0}/s (budget 2,000/s: {}); the asking client shares the cores", met(rate >= 2_000.0));
}

fn start_up(mut stage: Stage) {
    let events = stage.json("auditor", &["status"])["events"].as_u64().unwrap();
    stage.end("-TERM");
    let start = Instant::now();
    stage.run();
    let took = start.elapsed().as_secs_f64();
    println!("start to ready with {events} events: {took:.2} s (budget for 100,000: 1 s)");
}
