//! What people do around a decision, with the CLI against the server: look, ask, shorten, take back, escalate.

use crate::stage::{Kept, Stage};

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

#[tokio::test(flavor = "multi_thread")]
async fn i09_a_lock_cuts_what_is_open_and_keeps_it_shut_until_it_is_lifted() {
    let stage = Stage::new().await;
    for (what, reason) in [("orders-db", "odd queries"), ("user:dev", "laptop lost")] {
        let grant = stage.approved("dev", "read", "10m");
        let mut open = Kept(stage.psql("dev", "orders-db", &["select pg_sleep(600)"]).spawn().unwrap());
        stage.wait_until("it is live", || stage.json("dev", &["status"])["live"] == 1);
        assert!(open.0.try_wait().unwrap().is_none());

        let (code, _, err) = stage.ajar("stranger", &["lock", what]);
        assert!(code == 3 && err.contains("not yours to lock"), "{code}: {err}");
        let lock = stage.json("operator", &["lock", what, "--reason", reason]);
        let lock = lock[0]["id"].as_str().unwrap();
        let (code, _, err) = open.finish();
        assert!(code == 2 && err.contains("is locked"), "{code}: {err}");
        assert_eq!(stage.proven_gone(&grant)["closed_because"], "locked");
        let (code, _, err) = stage.ajar("dev", &["request", "orders-db"]);
        assert!(code == 3 && err.contains("it is locked") && err.contains("ajar locks"), "{code}: {err}");
        let (code, _, err) = Kept(stage.psql("dev", "orders-db", &["select 1"]).spawn().unwrap()).finish();
        assert!(code == 2 && err.contains("it is locked"), "{code}: {err}");
        // Whom it concerns sees why, and does not lift it; nobody else sees it.
        let seen = stage.json("dev", &["locks"]);
        assert_eq!((&seen[0]["id"], &seen[0]["reason"]), (&lock.into(), &reason.into()));
        assert_eq!(stage.json("stranger", &["locks"]), serde_json::json!([]));
        let (code, _, err) = stage.ajar("stranger", &["unlock", lock]);
        assert!(code != 0 && err.contains("there is no lock"), "{code}: {err}");
        if what == "user:dev" {
            let (code, _, err) = stage.ajar("dev", &["unlock", lock]);
            assert!(code == 3 && err.contains("not yours"), "{code}: {err}");
        }
        // An owner lifts it from what they own, an operator from anything; unless they are locked themselves.
        let who = if what == "orders-db" { "peer" } else { "operator" };
        let own = stage.json(who, &["lock", &format!("user:{who}")]);
        let (code, _, err) = stage.ajar(who, &["unlock", lock]);
        assert!(code == 3 && err.contains("not yours"), "{code}: {err}");
        if who == "peer" {
            stage.ajar("operator", &["unlock", own[0]["id"].as_str().unwrap()]);
            let (code, _, err) = stage.ajar(who, &["unlock", lock]);
            assert_eq!(code, 0, "{err}");
        } else {
            let (code, _, err) = stage.ajar("operator", &["policy", "apply", stage.policy().to_str().unwrap()]);
            assert!(code == 3, "nobody who is locked changes the rules: {code}: {err}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegate_is_asked_instead_of_who_is_away() {
    let stage = Stage::new().await;
    let made = stage.json("peer", &["delegate", "boss", "--for", "1h"]);
    let made = made[0]["id"].as_str().unwrap();
    let filed = stage.json("dev", &["request", "orders-db", "--reason", "INC-7"]);
    assert_eq!(filed["asked"], serde_json::json!(["boss", "second"]));
    let id = filed["id"].as_str().unwrap();
    assert_eq!(stage.json("boss", &["inbox"])[0]["id"], id);
    assert_eq!(stage.json("peer", &["inbox"]), serde_json::json!([]));
    assert_eq!(stage.json("peer", &["requests", id])["state"], "pending", "who is away sees what is asked for them");
    let (code, _, err) = stage.ajar("peer", &["approve", id]);
    assert!(code == 3 && err.contains("not among those"), "{code}: {err}");
    assert_eq!(stage.json("boss", &["approve", id])["state"], "approved");

    let listed = stage.json("boss", &["delegations"]);
    assert_eq!((&listed[0]["from"], &listed[0]["to"]), (&"peer".into(), &"boss".into()));
    let (code, _, err) = stage.ajar("boss", &["undelegate", made]);
    assert!(code != 0 && err.contains("there is no delegation"), "{code}: {err}");
    assert_eq!(stage.ajar("peer", &["undelegate", made]).0, 0);
    let filed = stage.json("dev", &["request", "orders-db", "--role", "write", "--reason", "INC-7"]);
    assert_eq!(filed["asked"], serde_json::json!(["peer", "second"]));
    for (args, why) in [
        (["delegate", "dev-admin"], "same person"),
        (["delegate", "robot"], "only enabled people"),
        (["delegate", "nobody"], "nobody of that name"),
    ] {
        let (code, _, err) = stage.ajar("dev", &[&args[..], &["--for", "1h"]].concat());
        assert!(code != 0 && err.contains(why), "{why}: {err}");
    }
}

/// Puts other rules for orders-db in force.
fn rules(stage: &Stage, rules: &str) {
    std::fs::write(stage.policy().join("rules.toml"), rules).unwrap();
    let (code, _, err) = stage.ajar("operator", &["policy", "apply", stage.policy().to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a09_i08_what_opens_at_its_first_use_lets_one_of_a_hundred_in_and_ends_with_it() {
    let stage = Stage::new().await;
    rules(
        &stage,
        r#"
[[rule]]
name = "one-look"
who = ["group:engineers"]
resources = ["orders-db"]
roles = ["read"]
default = "10m"
clock = { on_first_use = "1h" }
single_use = true
ticket = { pattern = "^INC-[0-9]+$" }
approve = { from = ["owners"] }
"#,
    );
    let (code, _, err) = stage.ajar("dev", &["request", "orders-db", "--ticket", "OPS-1"]);
    assert!(code == 7 && err.contains("a ticket that fits ^INC-[0-9]+$"), "{code}: {err}");
    let filed = stage.json("dev", &["request", "orders-db", "--ticket", "INC-7"]);
    assert_eq!((&filed["on_first_use"], &filed["single_use"]), (&"1h".into(), &true.into()));
    let approved = stage.json("peer", &["approve", filed["id"].as_str().unwrap()]);
    let grant = approved["grants"][0]["id"].as_str().unwrap();
    assert_eq!(stage.grant(grant)["state"], "scheduled");
    let (_, table, _) = stage.ajar("dev", &["requests", filed["id"].as_str().unwrap()]);
    assert!(table.contains("opens when it is used, before"), "{table}");

    // Redeemed many times at once: the one session stays in, all others are refused or held for a request of their own.
    let open: Vec<_> = (0..20).map(|_| Kept(stage.psql("dev", "orders-db", &["select pg_sleep(6)"]).spawn().unwrap())).collect();
    stage.wait_until("one is in", || stage.json("dev", &["status"])["live"] == 1);
    assert_eq!(stage.grant(grant)["state"], "open");
    let sessions = stage.json("dev", &["sessions", "--limit", "200"]);
    let live_once = sessions.as_array().unwrap().iter().filter(|s| s["grant"] == grant).count();
    assert_eq!(live_once, 1, "{sessions}");
    let (inside, refused): (Vec<_>, Vec<_>) = open.into_iter().map(Kept::finish).partition(|(code, ..)| *code == 0);
    assert_eq!((inside.len(), refused.len()), (1, 19), "{refused:?}");
    assert_eq!(stage.proven_gone(grant)["closed_because"], "used");
}

#[tokio::test(flavor = "multi_thread")]
async fn t01_a_request_for_later_opens_then_and_not_before() {
    let stage = Stage::new().await;
    let now = || -> i64 { std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis().try_into().unwrap() };
    let at = |millis: i64| ajar_core::time::Timestamp::from_millis(millis).to_string();
    for (when, why) in
        [(at(now() - 1_000), "in the past"), (at(now() + 61 * 24 * 3_600_000), "more than 60d"), ("tomorrow".into(), "not an instant")]
    {
        let (code, _, err) = stage.ajar("dev", &["request", "orders-db", "--at", &when]);
        assert!(code != 0 && err.contains(why), "{why}: {code}: {err}");
    }
    let begins = now() + 4_000;
    let filed = stage.json("dev", &["request", "orders-db", "--at", &at(begins), "--for", "5m"]);
    let approved = stage.json("peer", &["approve", filed["id"].as_str().unwrap()]);
    let grant = approved["grants"][0]["id"].as_str().unwrap();
    assert_eq!(stage.grant(grant)["state"], "scheduled");
    stage.wait_until("it opens", || stage.grant(grant)["state"] == "open");
    let opened = stage.grant(grant);
    let instant = |field: &str| opened[field].as_str().unwrap().parse::<ajar_core::time::Timestamp>().unwrap();
    assert!(instant("starts_at").as_millis() >= begins, "{opened}");
    assert_eq!(instant("ends_at").since(instant("starts_at")), ajar_core::time::Span::from_secs(300));
    let (code, out, err) = Kept(stage.psql("dev", "orders-db", &["select 1"]).spawn().unwrap()).finish();
    assert_eq!((code, out.as_str()), (0, "1\n"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a13_an_emergency_opens_at_once_alerts_and_owes_a_review() {
    let stage = Stage::new().await;
    let emergency =
        |reason: &str| stage.ajar("dev", &["request", "orders-db", "--role", "write", "--emergency", "--reason", reason, "-o", "json"]);
    let (code, _, err) = emergency("help");
    assert!(code == 7 && err.contains("a reason of 10 characters"), "{code}: {err}");
    let (code, _, err) = stage.ajar("dev", &["request", "quick-db", "--role", "read", "--emergency", "--reason", "orders are lost"]);
    assert!(code == 7 && err.contains("ask without --emergency"), "{code}: {err}");
    let (code, out, err) = emergency("orders are lost");
    assert_eq!(code, 0, "{err}");
    let opened: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&opened["state"], &opened["emergency"]), (&"approved".into(), &true.into()));
    let (code, out, err) =
        Kept(stage.psql("dev", "orders-db", &["update orders set status = 'found' where id = 1 returning status"]).spawn().unwrap())
            .finish();
    assert_eq!((code, out.as_str()), (0, "found\n"), "{err}");

    // Everyone named is alerted; routine automatic approvals stop, another emergency does not.
    let debt = stage.json("boss", &["debts"]);
    assert_eq!(debt[0]["alerted"], serde_json::json!(["boss", "dev", "dev-admin", "peer", "robot", "second"]));
    assert_eq!(debt[0]["asked"], serde_json::json!(["peer", "second"]));
    let debt = debt[0]["id"].as_str().unwrap();
    for who in ["dev", "dev-admin"] {
        let (code, _, err) = stage.ajar(who, &["request", "quick-db", "--role", "read"]);
        assert!(code == 3 && err.contains("you owe a review") && err.contains("ajar debts"), "{who}: {code}: {err}");
    }
    assert_eq!(emergency("they are lost again").0, 0);
    let (_, _, err) = stage.ajar("peer", &["inbox"]);
    assert!(err.contains("emergencies that you are asked to review: 2"), "{err}");

    // Who asked, by whatever account, and who is not asked, can't give the review; those who may not know of it see nothing.
    for (who, why) in [("dev", "not yours"), ("dev-admin", "not yours"), ("boss", "not yours"), ("stranger", "there is no debt")] {
        let (code, _, err) = stage.ajar(who, &["acknowledge", debt]);
        assert!(code != 0 && err.contains(why), "{who}: {code}: {err}");
    }
    assert_eq!(stage.ajar("peer", &["acknowledge", debt, "--note", "right"]).0, 0);
    let (code, _, err) = stage.ajar("dev", &["request", "quick-db", "--role", "read"]);
    assert_eq!(code, 3, "one is still owed: {err}");
    // An objection is a review too, and closes what is open of it.
    let other = stage.json("second", &["debts"]);
    let other = (other[0]["id"].as_str().unwrap().to_owned(), other[0]["request"].as_str().unwrap().to_owned());
    assert_eq!(stage.ajar("second", &["object", &other.0, "--note", "no need"]).0, 0);
    let grants = stage.json("dev", &["requests", &other.1]);
    assert_eq!(stage.proven_gone(grants["grants"][0]["id"].as_str().unwrap())["closed_because"], "denied_late");
    assert_eq!(stage.json("dev", &["request", "quick-db", "--role", "read"])["state"], "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn i04_i06_a_request_is_of_low_risk_as_long_as_all_its_rules_say_so() {
    let stage = Stage::new().await;
    let apply = |rules: &str| {
        std::fs::write(stage.policy().join("rules.toml"), rules).unwrap();
        let (code, out, err) = stage.ajar("operator", &["policy", "apply", stage.policy().to_str().unwrap()]);
        assert_eq!(code, 0, "{out}{err}");
    };
    let plain = std::fs::read_to_string(stage.policy().join("rules.toml")).unwrap();
    let low = plain.replace(
        "name = \"read\"",
        "name = \"read\"\nlow_risk = true\nticket = { pattern = \"^INC-[0-9]+$\" }\nreason = { min_length = 3 }",
    );
    apply(&low);
    let found = stage.json("dev", &["policy", "explain", "orders-db", "--role", "read", "--reason", "a test", "--ticket", "INC-7"]);
    assert_eq!((&found["low_risk"], &found["reason_min"], &found["ticket"]), (&true.into(), &3.into(), &"^INC-[0-9]+$".into()));
    assert_eq!(found["label"], "a reason of 3 characters or more; a ticket that fits ^INC-[0-9]+$");
    let request = |role: &str| stage.json("dev", &["request", "orders-db", "--role", role, "--reason", "a test", "--ticket", "INC-7"]);
    let (read, write) = (request("read"), request("write"));
    assert_eq!((&read["low_risk"], &write["low_risk"]), (&true.into(), &false.into()));
    // The rules in force are stricter: what was filed before is not of low risk any more.
    apply(&low.replace("low_risk = true\n", ""));
    let id = read["id"].as_str().unwrap();
    stage.wait_until("the rules have reached what is pending", || stage.json("peer", &["requests", id])["low_risk"] == false);
    apply(&low);
    assert_eq!(stage.json("peer", &["requests", id])["low_risk"], false, "it does not become so again");
}

#[tokio::test(flavor = "multi_thread")]
async fn i20_explain_tells_what_would_come_of_it_and_why_and_files_nothing() {
    let stage = Stage::new().await;
    let told = |who: &str, args: &[&str]| {
        let (code, out, err) = stage.ajar(who, &[&["policy", "explain"], args].concat());
        (code, out + &err)
    };
    let (code, text) = told("dev", &["orders-db", "--role", "write", "--for", "30m"]);
    assert_eq!(code, 0, "{text}");
    for line in [
        "waits for a decision",
        "30m, 1h at the most",
        "2 of owners within 30m, otherwise deny; now peer, second",
        "write asks for 2 of owners",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("break-glass"), "rules that don't match are not for everybody: {text}");
    // Who could decide and is there; what would need less.
    stage.json("second", &["inbox"]);
    let found = stage.json("dev", &["policy", "explain", "orders-db", "--role", "write", "--for", "30m"]);
    assert!(found["stages"][0]["online"].as_array().unwrap().contains(&"second".into()), "{found}");
    let less = serde_json::json!({ "role": "read", "for": "30m", "outcome": "review", "words": "read for 30m would need 1 of owners" });
    assert_eq!(found["less"], serde_json::json!([less]));
    // Somebody away, somebody locked: it says who could decide now.
    let lock = stage.json("operator", &["lock", "user:second"]);
    let (_, text) = told("dev", &["orders-db", "--role", "write"]);
    assert!(text.contains("now peer: not enough"), "{text}");
    stage.ajar("operator", &["unlock", lock[0]["id"].as_str().unwrap()]);
    let (code, text) = told("dev", &["quick-db", "--role", "read"]);
    assert!(code == 0 && text.contains("approved automatically"), "{text}");
    let (code, text) = told("dev", &["orders-db", "--role", "write", "--emergency", "--reason", "orders are lost"]);
    assert!(code == 0 && text.contains("opens at once") && text.contains("alerted") && text.contains("boss"), "{text}");

    // A refusal says which rule, and what to do; another's question is for auditors and operators, who see every rule.
    let (code, text) = told("dev", &["orders-db", "--for", "5h"]);
    assert!(code == 7 && text.contains("5h is too long: rule read allows 4h at the most") && text.contains("--for 4h"), "{code}: {text}");
    let (code, text) = told("stranger", &["orders-db"]);
    assert!(code == 7 && text.contains("there is no such resource"), "{code}: {text}");
    let (code, text) = told("dev", &["orders-db", "--user", "peer"]);
    assert!(code == 3 && text.contains("for auditors and operators"), "{code}: {text}");
    let (code, text) = told("auditor", &["orders-db", "--role", "write", "--user", "peer"]);
    assert!(code == 0 && text.contains("now dev, dev-admin, second"), "{text}");
    assert!(text.contains("break-glass says nothing of it: it is for emergencies"), "{text}");

    let (code, out, err) = stage.ajar("dev", &["request", "orders-db", "--dry-run"]);
    assert!(code == 0 && out.contains("waits for a decision"), "{out}{err}");
    assert_eq!(stage.json("dev", &["requests"]), serde_json::json!([]), "nothing was filed");
}
