//! The ledger looked into: one event's proof, checked without the server; and all of it verified in place.

use std::process::Command;

use serde_json::Value;

use crate::stage::{Stage, text};

/// The events that there are.
fn size(stage: &Stage) -> u64 {
    stage.json("auditor", &["ledger", "status"])["size"].as_u64().unwrap()
}

fn verify(stage: &Stage) -> Value {
    let (code, out, err) = stage.ajar("auditor", &["ledger", "status", "--verify", "-o", "json"]);
    let status: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    assert_eq!(code, i32::from(status["verified"]["ok"] == false), "{out}{err}");
    status["verified"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_one_event_is_proven_by_a_file_without_the_server() {
    let mut stage = Stage::new().await;
    let request = stage.json("dev", &["request", "orders-db", "--role", "write", "--reason", "a secret reason"]);
    let id = request["id"].as_str().unwrap();
    let found = stage.ajar("auditor", &["ledger", "search", id, "--kind", "request.filed", "-o", "json"]).1;
    let event = found.lines().next().unwrap().to_owned();
    let seq = serde_json::from_str::<Value>(&event).unwrap()["seq"].to_string();
    let file = stage.folder().join("proof.json");
    let path = file.to_str().unwrap();
    let (code, _, err) = stage.ajar("auditor", &["ledger", "proof", &seq, "--to", path]);
    assert_eq!(code, 0, "{err}");
    let written = std::fs::read(&file).unwrap();
    let key = stage.ajar("auditor", &["ledger", "key"]).1;
    // As it comes over the wire, and as `ajar` writes it, it is the same file.
    let url = format!("http://127.0.0.1:{}/api/v1/ledger/events/0/proof", stage.api());
    let bearer = format!("Authorization: Bearer {}", stage.full_token("auditor"));
    let first = Command::new("curl").args(["-s", "-H", &bearer, &url]).output().unwrap().stdout;
    std::fs::write(stage.folder().join("first.json"), &first).unwrap();
    let refused = |args: &[&str]| stage.ajar("auditor", args);
    assert_eq!(refused(&["ledger", "proof", &(size(&stage) + 1_000).to_string()]).0, 7, "there is no such event");
    assert_eq!(stage.ajar("dev", &["ledger", "proof", &seq]).0, 3);
    stage.end("-TERM");

    let proven = stage.json("nobody", &["ledger", "prove", path, "--key", key.trim()]);
    assert_eq!((proven["seq"].to_string(), proven["event"]["stream"].as_str()), (seq, Some(id)));
    assert_eq!(serde_json::to_value(&proven["event"]).unwrap(), serde_json::from_str::<Value>(&event).unwrap());
    assert!(!text(&written).contains("a secret reason"), "an event holds commitments only");
    assert_eq!(stage.ajar("nobody", &["ledger", "prove", stage.folder().join("first.json").to_str().unwrap(), "--key", key.trim()]).0, 0);
    let refuses = |changed: &[u8], key: &str| {
        let file = stage.folder().join("changed.json");
        std::fs::write(&file, changed).unwrap();
        let (code, out, err) = stage.ajar("nobody", &["ledger", "prove", file.to_str().unwrap(), "--key", key]);
        assert_eq!(code, 1, "{out}{err}");
        err
    };
    let changed = text(&written).replacen("request.filed", "request.fried", 2);
    assert!(refuses(changed.as_bytes(), key.trim()).contains("is not what the signed checkpoint and the event say"));
    let pretty = serde_json::to_vec_pretty(&serde_json::from_slice::<Value>(&written).unwrap()).unwrap();
    assert!(refuses(&pretty, key.trim()).contains("reformatted"));
    let other = ajar_ledger::note::Signer::from_seed("ajar/ledger", &[3; 32]).unwrap().verifier().to_string();
    assert!(refuses(&written, &other).contains("not the one that you trust"));
    refuses(b"", key.trim());
}

#[tokio::test(flavor = "multi_thread")]
async fn l01_the_ledger_is_verified_in_place_and_it_says_where_it_was_changed() {
    let stage = Stage::new().await;
    let started = stage.json("auditor", &["ledger", "status"]);
    assert_eq!(started["verified"]["ok"], true, "a start reads everything: {started}");
    stage.json("dev", &["request", "orders-db", "--role", "write", "--reason", "a test"]);
    stage.wait_until("a checkpoint is signed", || {
        let status = stage.json("auditor", &["ledger", "status"]);
        status["checkpoint"]["size"] == status["size"] && status["checkpoint"]["at"].is_string()
    });
    let good = verify(&stage);
    assert_eq!(good["ok"], true, "{good}");
    assert!(good["words"].as_str().unwrap().contains("are what was recorded; the last checkpoint signs the first"), "{good}");
    let status = stage.json("auditor", &["ledger", "status"]);
    assert_eq!((&status["verified"], status["root"].as_str().map(str::len)), (&good, Some(64)));
    assert_eq!(stage.ajar("dev", &["ledger", "status"]).0, 3);
    // Several at once, while others go on recording: each is right.
    let all: Vec<_> = (0..4).map(|_| stage.command("auditor", &["ledger", "status", "--verify"]).spawn().unwrap()).collect();
    stage.json("dev", &["request", "orders-db", "--role", "read", "--reason", "a test"]);
    assert!(all.into_iter().all(|mut one| one.wait().unwrap().success()));

    // Somebody with the database, past the triggers.
    for trigger in ["events_keep", "events_stay", "events_follow"] {
        stage.sql(&format!("drop trigger {trigger}"));
    }
    let before = stage.sql("select leaf from events where seq = 3");
    stage.sql("update events set leaf = replace(leaf, '\"schema\":1', '\"schema\":2') where seq = 3");
    assert_ne!(before, stage.sql("select leaf from events where seq = 3"));
    let bad = verify(&stage);
    assert!(bad["words"].as_str().unwrap().starts_with("event 3 was changed: its text is not what was hashed"), "{bad}");
    let (code, out, _) = stage.ajar("auditor", &["status", "-o", "json"]);
    assert!(code == 1 && out.contains("the ledger is not what was recorded: event 3 was changed"), "{out}");
    assert_eq!(
        stage.json("dev", &["status"])["problems"],
        serde_json::json!([]),
        "what is wrong with the ledger is for auditors and operators"
    );
    let (code, _, err) = stage.ajar("auditor", &["ledger", "proof", "3"]);
    assert!(code == 1 && err.contains("the ledger in the store is not what was recorded"), "nor is it proven: {err}");
    stage.sql("update events set leaf = replace(leaf, '\"schema\":2', '\"schema\":1') where seq = 3");
    assert_eq!(verify(&stage)["ok"], true);
    assert_eq!(stage.ajar("auditor", &["ledger", "proof", "3"]).0, 0);
    // What it is filed as, so that a search misses it.
    let kind = stage.sql("select kind from events where seq = 3");
    stage.sql("update events set kind = 'nothing.happened' where seq = 3");
    assert!(verify(&stage)["words"].as_str().unwrap().contains("event 3 is filed in the store as something that it is not"));
    let kind = kind.split('\'').nth(1).unwrap();
    stage.sql(&format!("update events set kind = '{kind}' where seq = 3"));
    // The hash with it: it leads to another root.
    let hash = "update events set hash = randomblob(32) where seq = 3";
    stage.sql(hash);
    assert_eq!(verify(&stage)["ok"], false);
    assert_eq!(stage.ajar("auditor", &["ledger", "proof", "4"]).0, 1, "a hash that is not the event's proves nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn l01_a_tail_that_was_cut_off_and_a_checkpoint_that_was_not_signed_are_found_in_place() {
    let stage = Stage::new().await;
    stage.json("dev", &["request", "orders-db", "--role", "write", "--reason", "a test"]);
    stage.ajar("auditor", &["ledger", "checkpoint"]);
    for trigger in ["events_keep", "events_stay", "events_follow"] {
        stage.sql(&format!("drop trigger {trigger}"));
    }
    let newest = size(&stage) - 1;
    stage.sql(&format!("delete from events where seq = {newest}"));
    let bad = verify(&stage);
    assert!(bad["words"].as_str().unwrap().ends_with("the last 1 are missing"), "{bad}");
    // A line more than what was signed: whatever the signature looks like, it is not of this.
    stage.sql("update checkpoints set note = replace(note, char(10) || char(10), char(10) || 'more' || char(10) || char(10))");
    let bad = verify(&stage);
    assert!(bad["words"].as_str().unwrap().starts_with("the last checkpoint does not count"), "{bad}");
}

#[tokio::test(flavor = "multi_thread")]
async fn i20_how_targets_are_is_told_to_each_as_far_as_it_concerns_them() {
    let stage = Stage::new().await;
    let of = |who: &str, name: &str| {
        let all = stage.json(who, &["status"])["integrations"].clone();
        all.as_array().unwrap().iter().find(|i| i["name"] == name).cloned()
    };
    stage.wait_until("the targets were compared with the ledger", || of("auditor", "orders-db").unwrap()["state"] == "good");
    let broken = stage.resource("broken-db", 1).replace("owners = [\"group:orders\"]", "owners = [\"user:boss\"]");
    std::fs::write(stage.policy().join("broken.toml"), broken).unwrap();
    let rule =
        "[[rule]]\nname = \"broken\"\nwho = [\"user:stranger\"]\nresources = [\"broken-db\"]\nroles = [\"read\"]\napprove = \"auto\"\n";
    std::fs::write(stage.policy().join("broken-rule.toml"), rule).unwrap();
    assert_eq!(stage.ajar("operator", &["policy", "apply", stage.policy().to_str().unwrap()]).0, 0);
    stage.ajar("operator", &["doctor", "broken-db"]);
    let known = of("auditor", "broken-db").unwrap();
    assert_eq!((&known["kind"], &known["state"]), (&"postgres".into(), &"bad".into()));
    assert!(known["words"].as_str().unwrap().contains("can't be reached"), "{known}");
    assert_eq!(stage.json("auditor", &["status"])["integrations"][0]["name"], "broken-db", "the bad ones first");
    assert_eq!(of("boss", "broken-db").unwrap()["words"], known["words"], "its owner");
    let asks = of("stranger", "broken-db").unwrap();
    assert_eq!((&asks["state"], &asks["words"]), (&"bad".into(), &"".into()), "who may ask for it, and not how it is set up");
    assert_eq!(of("dev", "broken-db"), None, "whom it doesn't concern");
    assert_eq!(of("stranger", "orders-db"), None);
}
