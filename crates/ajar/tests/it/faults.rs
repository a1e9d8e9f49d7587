//! What breaks by itself: kills, dead targets, old backups, dead recordings. Closing always works (I13).

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::stage::{Kept, Stage};
use crate::wire::Wire;

/// So many rounds of what is random.
fn rounds(usual: u64, long: u64) -> u64 {
    if std::env::var_os("AJAR_LONG").is_some() { long } else { usual }
}

#[tokio::test(flavor = "multi_thread")]
async fn r01_l04_a_kill_at_any_moment_leaves_no_login_and_loses_nothing_acknowledged() {
    let mut stage = Stage::new().await;
    let mut acknowledged = Vec::new();
    let rounds = rounds(6, 60);
    for round in 0..rounds {
        // Knocks mint, requests append, returns revoke; the kill falls somewhere among them.
        let clients: Vec<_> =
            ["dev", "peer", "second"].map(|who| Kept(stage.psql(who, "quick-db", &["select 1"]).spawn().unwrap())).into_iter().collect();
        let start = Instant::now();
        // The last comes late enough for a slow machine to have been answered at least once.
        let moment = Duration::from_millis(if round + 1 == rounds { 1_500 } else { 10 + (round * 37) % 220 });
        while start.elapsed() < moment {
            let out = stage.command(
                "dev",
                &[
                    "request",
                    "orders-db",
                    "--role",
                    "read",
                    "--for",
                    &format!("{}m", acknowledged.len() + 1),
                    "--reason",
                    "x y z",
                    "-o",
                    "json",
                ],
            );
            let mut out = out;
            out.stdout(Stdio::piped()).stderr(Stdio::null());
            let mut child = Kept(out.spawn().unwrap());
            while child.0.try_wait().unwrap().is_none() && start.elapsed() < moment {
                std::thread::sleep(Duration::from_millis(1));
            }
            if child.0.try_wait().unwrap().is_some_and(|status| status.success()) {
                let (_, text, _) = child.finish();
                let request: serde_json::Value = serde_json::from_str(&text).unwrap();
                acknowledged.push(request["id"].as_str().unwrap().to_owned());
            }
        }
        stage.end("-KILL");
        drop(clients);
        stage.run();
        // What the last process minted is gone: nobody knows its password any more.
        let left = stage.logins().await;
        assert!(left.is_empty(), "round {round}: {left:?}");
        for id in &acknowledged {
            assert_eq!(stage.json("auditor", &["requests", id])["id"], id.as_str(), "round {round}");
        }
        assert_eq!(stage.json("auditor", &["status"])["live"], 0, "sessions of a dead process are over");
    }
    assert!(!acknowledged.is_empty());
    // Grants that are open still open the door.
    let (code, out, err) = Kept(stage.psql("dev", "quick-db", &["select 1"]).spawn().unwrap()).finish();
    assert_eq!((code, out.as_str()), (0, "1\n"), "{err}");
    let export = stage.folder().join("export");
    let key = stage.ajar("auditor", &["ledger", "key"]).1;
    assert_eq!(stage.ajar("auditor", &["ledger", "export", "--to", export.to_str().unwrap()]).0, 0);
    let (code, out, err) = stage.ajar("auditor", &["ledger", "verify", export.to_str().unwrap(), "--key", key.trim()]);
    assert_eq!(code, 0, "{out}{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_r09_a_target_that_is_down_is_revoked_when_it_is_back_and_visible_until_then() {
    let mut stage = Stage::new().await;
    let grant = stage.approved("dev", "read", "10m");
    let mut wire = Wire::open(&stage, "dev", "orders-db");
    wire.query("select 1");
    wire.types();
    stage.target.stop();
    let (code, _, err) = stage.ajar("dev", &["return", &grant]);
    assert_eq!(code, 0, "giving back works whatever the target does: {err}");
    stage.wait_until("it is visible", || {
        let (code, out, _) = stage.ajar("operator", &["status", "-o", "json"]);
        code == 1 && out.contains("is not confirmed to be gone")
    });
    let (_, told, _) = stage.ajar("stranger", &["status", "-o", "json"]);
    assert!(!told.contains("orders-db") && !told.contains("lease_"), "to whom it is nothing, it is not named: {told}");
    assert_eq!(stage.grant(&grant)["leases"][0]["state"], "revoke_unconfirmed");
    assert_eq!(stage.grant(&grant)["state"], "closing");
    // Nobody gets in with it meanwhile.
    let (code, _, _) = stage.ajar("dev", &["status"]);
    assert!([0, 1].contains(&code));
    stage.target.run().await.unwrap();
    stage.proven_gone(&grant);
    assert_eq!(stage.logins().await, Vec::<String>::new());
    assert_eq!(stage.ajar("operator", &["status"]).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn i15_the_projections_come_back_from_the_events_as_they_were() {
    let mut stage = Stage::new().await;
    let grant = stage.approved("dev", "read", "10m");
    drop(Wire::open(&stage, "dev", "orders-db"));
    stage.json("dev", &["request", "orders-db", "--role", "write", "--reason", "a test"]);
    stage.ajar("dev", &["return", &grant]);
    stage.proven_gone(&grant);
    stage.end("-TERM");
    let rows = "select word, stream, state, principal, resource, parent, due, doc from rows order by stream";
    let before = stage.sql(rows);
    assert!(before.len() > 1_000, "{before}");
    stage.sql("delete from rows where word = 'grant'");
    stage.sql("update rows set state = 'approved', doc = '{}'");
    assert_ne!(stage.sql(rows), before);
    let (code, _, err) = stage.ajar("nobody", &["server", "rebuild", "--config", stage.config().to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(stage.sql(rows), before);
    stage.run();
    assert_eq!(stage.grant(&grant)["state"], "closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn r08_a_store_from_an_old_backup_is_reconciled_with_the_target() {
    let mut stage = Stage::new().await;
    let backup = stage.folder().join("backup.db");
    // While the server runs.
    let out = stage.ajar("nobody", &["server", "backup", "--config", stage.config().to_str().unwrap(), backup.to_str().unwrap()]);
    assert_eq!(out.0, 0, "{}", out.2);
    stage.approved("dev", "read", "10m");
    let _wire = Wire::open(&stage, "dev", "orders-db");
    assert_eq!(stage.logins().await.len(), 1);
    stage.end("-KILL");
    for name in ["ajar.db", "ajar.db-wal", "ajar.db-shm"] {
        drop(std::fs::remove_file(stage.data().join(name)));
    }
    std::fs::copy(&backup, stage.data().join("ajar.db")).unwrap();
    stage.run();
    // The backup knows nothing of it; the login has our prefix and is nobody's.
    let start = Instant::now();
    while !stage.logins().await.is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "an orphan outlives its minute\n{}", stage.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i13_a_recording_that_cannot_go_on_ends_its_session_and_nothing_new_opens() {
    let stage = Stage::new().await;
    let recordings = stage.data().join("recordings");
    let grant = stage.approved("dev", "read", "10m");
    // Whoever runs these tests may be root, whom permissions don't stop: a folder that is a file stops anybody.
    let aside = stage.data().join("aside");
    std::fs::rename(&recordings, &aside).unwrap();
    std::fs::write(&recordings, "").unwrap();
    let (code, _, err) = Kept(stage.psql("dev", "orders-db", &["select 1"]).spawn().unwrap()).finish();
    assert_eq!(code, 2);
    assert!(err.contains("cannot be recorded"), "{err}");
    assert_eq!(stage.json("dev", &["sessions"])[0]["ended_because"], "recording_failed");
    std::fs::remove_file(&recordings).unwrap();
    std::fs::rename(&aside, &recordings).unwrap();
    let (code, _, err) = Kept(stage.psql("dev", "orders-db", &["select 1"]).spawn().unwrap()).finish();
    assert_eq!(code, 0, "{err}");
    // What is recorded is what the ledger has signed for.
    let session = stage.json("dev", &["sessions"])[0].clone();
    let file = recordings.join(format!("{}.ndjson", session["id"].as_str().unwrap()));
    let out = Command::new("sha256sum").arg(&file).output().unwrap();
    assert!(String::from_utf8_lossy(&out.stdout).starts_with(session["recording_sha256"].as_str().unwrap()));
    assert_eq!(stage.ajar("dev", &["return", &grant]).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_leaves_the_files_takes_its_grants_along() {
    let stage = Stage::new().await;
    let grant = stage.approved("dev", "read", "10m");
    let mut wire = Wire::open(&stage, "dev", "orders-db");
    let text = stage.resource("quick-db", stage.target.port());
    std::fs::write(stage.policy().join("resources.toml"), &text).unwrap();
    let rules = std::fs::read_to_string(stage.policy().join("rules.toml")).unwrap();
    let quick = rules.split("[[rule]]").find(|rule| rule.contains("quick-db")).unwrap();
    std::fs::write(stage.policy().join("rules.toml"), format!("[[rule]]{quick}")).unwrap();
    let (code, _, err) = stage.ajar("operator", &["policy", "apply", stage.policy().to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    let (_, error) = wire.rest();
    assert!(error.contains("was removed"), "{error}");
    stage.proven_gone(&grant);
    assert_eq!(stage.logins().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn o03_two_servers_never_share_a_store() {
    let stage = Stage::new().await;
    let out = stage.command("nobody", &["server", "run", "--config", stage.config().to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1));
    assert!(said.contains("another server has this store open"), "{said}");
    assert_eq!(stage.ajar("dev", &["whoami"]).0, 0, "the first goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn r06_doctor_proves_the_target_and_names_what_is_wrong() {
    let stage = Stage::new().await;
    assert_eq!(stage.ajar("dev", &["doctor"]).0, 3, "for operators");
    let findings = stage.json("operator", &["doctor"]);
    assert!(findings.as_array().unwrap().iter().all(|f| f["severity"] != "bad"), "{findings:#}");
    assert_eq!(stage.logins().await, Vec::<String>::new(), "the check leaves nothing behind");
    let boss = stage.target.connect("postgres").await.unwrap();
    boss.batch_execute("ALTER ROLE ajar_admin NOCREATEROLE").await.unwrap();
    let (code, out, _) = stage.ajar("operator", &["doctor", "orders-db", "-o", "json"]);
    assert_eq!(code, 1, "{out}");
    let findings: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(
        findings.as_array().unwrap().iter().any(|f| f["severity"] == "bad" && f["result"].to_string().contains("CREATEROLE")),
        "{findings:#}"
    );
}
