//! What people do around a decision, with the CLI against the server: look, ask, shorten, take back, escalate.

use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn i03_reviewers_look_ask_shorten_and_take_back_before_it_opens() {
    let stage = Stage::new().await;
    let filed = stage.json("dev", &["request", "orders-db", "--role", "write", "--for", "30m", "--reason", "INC-7"]);
    let id = filed["id"].as_str().unwrap();

    // A second asks before deciding; everyone involved sees it, and that they have looked.
    stage.json("second", &["requests", id]);
    stage.json("second", &["comment", id, "which table?"]);
    let said = stage.json("dev", &["comment", id, "orders, one row"]);
    assert_eq!(said["seen"], serde_json::json!(["second"]));
    let texts: Vec<_> = said["comments"].as_array().unwrap().iter().map(|c| (c["by"].as_str(), c["text"].as_str())).collect();
    assert_eq!(texts, [(Some("second"), Some("which table?")), (Some("dev"), Some("orders, one row"))]);
    let (code, _, err) = stage.ajar("stranger", &["comment", id, "hello"]);
    assert!(code != 0 && err.contains("there is no request"), "{err}");

    // An approve is taken back, and given again for less.
    stage.json("peer", &["approve", id, "--for", "20m"]);
    let (code, _, err) = stage.ajar("peer", &["approve", id, "--for", "5m"]);
    assert!(code == 3 && err.contains("take-back"), "{code}: {err}");
    let back = stage.json("peer", &["take-back", id]);
    assert_eq!((&back["state"], &back["reviews"][0]["taken_back"]), (&"pending".into(), &true.into()));
    let (code, _, err) = stage.ajar("second", &["approve", id, "--for", "2h"]);
    assert!(code == 3 && err.contains("neither longer nor nothing"), "{code}: {err}");
    let (code, _, err) = stage.ajar("second", &["approve", id, "--only", "orders-db/read"]);
    assert!(code == 3 && err.contains("only what was asked for"), "{code}: {err}");
    assert_eq!(stage.json("second", &["approve", id, "--for", "10m"])["state"], "pending");
    let approved = stage.json("peer", &["approve", id, "--for", "5m"]);
    assert_eq!((&approved["state"], &approved["for"]), (&"approved".into(), &"5m".into()));
    let grant = stage.grant(approved["grants"][0]["id"].as_str().unwrap());
    let instant = |field: &str| grant[field].as_str().unwrap().parse::<ajar_core::time::Timestamp>().unwrap();
    assert_eq!(instant("ends_at").since(instant("starts_at")), ajar_core::time::Span::from_secs(300));
    let (code, _, err) = stage.ajar("peer", &["take-back", id]);
    assert!(code == 3 && err.contains("revoke the grant"), "{code}: {err}");
    let (code, table, err) = stage.ajar("peer", &["requests", id]);
    assert!(code == 0 && table.contains("(taken back)") && table.contains("which table?"), "{table}{err}");
}
