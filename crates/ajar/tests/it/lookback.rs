//! Looking back over a real server: what there is, who there is, what happened.

use std::process::Command;

use serde_json::Value;

use crate::stage::{Stage, text};

/// An answer of the API, as somebody.
pub(crate) struct Look<'a> {
    stage: &'a Stage,
    tokens: Vec<(&'static str, String)>,
}

impl<'a> Look<'a> {
    pub(crate) fn at(stage: &'a Stage, who: &[&'static str]) -> Self {
        Self { stage, tokens: who.iter().map(|name| (*name, stage.full_token(name))).collect() }
    }

    /// Status and body.
    fn raw(&self, who: &str, path: &str) -> (u16, String) {
        let token = &self.tokens.iter().find(|(name, _)| *name == who).unwrap().1;
        let mut curl = Command::new("curl");
        curl.args(["-s", "--max-time", "60", "-w", "\n%{http_code}", "-H", &format!("Authorization: Bearer {token}")]);
        let out = curl.arg(format!("http://127.0.0.1:{}/api/v1{path}", self.stage.api())).output().unwrap();
        let text = text(&out.stdout);
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    fn json(&self, who: &str, path: &str) -> Value {
        let (status, body) = self.raw(who, path);
        assert_eq!(status, 200, "{who} {path}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}

fn names(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

fn find<'v>(page: &'v Value, name: &str) -> &'v Value {
    page["items"].as_array().unwrap().iter().find(|item| item["name"] == name).unwrap_or_else(|| panic!("no {name} in {page}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn w03_i20_the_catalogue_shows_each_what_they_may_ask_for_and_owners_how_it_is_used() {
    let stage = Stage::new().await;
    // Engineers without owning: only what they may ask for.
    let extra = "\n[[user]]\nname = \"newcomer\"\n[[group]]\nname = \"readers\"\nmembers = [\"newcomer\", \"stranger\"]\n";
    let people = std::fs::read_to_string(stage.policy().join("people.toml")).unwrap();
    std::fs::write(stage.policy().join("people.toml"), people + extra).unwrap();
    let rule = "[[rule]]\nname = \"readers\"\nwho = [\"group:readers\"]\nresources = [\"orders-db\"]\nroles = [\"read\"]\nmax = \"1h\"\n\
                approve = { from = [\"owners\"], within = \"30m\" }\n";
    std::fs::write(stage.policy().join("readers.toml"), rule).unwrap();
    let (code, _, err) = stage.ajar("operator", &["policy", "apply", stage.policy().to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    let grant = stage.approved("dev", "read", "10m");
    let out = stage.psql("dev", "orders-db", &["SELECT 1"]).output().unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    let look = Look::at(&stage, &["dev", "stranger", "auditor", "boss", "operator"]);

    let mine = look.json("stranger", "/catalogue");
    assert_eq!(names(&mine), ["orders-db"]);
    let entry = find(&mine, "orders-db");
    assert_eq!(entry["roles"].as_array().unwrap().len(), 1, "roles that aren't theirs are not told of: {entry}");
    assert_eq!((&entry["roles"][0]["name"], &entry["roles"][0]["yours"]), (&"read".into(), &true.into()));
    assert_eq!(entry["roles"][0]["words"], "member of orders_read");
    assert_eq!((&entry["recent"], &entry["open"]), (&serde_json::json!([]), &1.into()));
    assert_eq!(look.json("boss", "/catalogue")["items"], serde_json::json!([]));

    let owned = look.json("dev", "/catalogue");
    assert_eq!(names(&owned), ["orders-db", "quick-db"]);
    let entry = find(&owned, "orders-db");
    assert_eq!(entry["owners"], serde_json::json!(["group:orders"]));
    assert_eq!(entry["recent"][0]["grant"], grant.as_str());
    assert_eq!((&entry["recent"][0]["who"], &entry["recent"][0]["role"]), (&"dev".into(), &"read".into()));
    let read = entry["roles"].as_array().unwrap().iter().find(|role| role["name"] == "read").unwrap();
    assert_eq!(read["grants_90d"], 1);
    assert!(read["last_used"].is_string(), "{read}");
    let write = entry["roles"].as_array().unwrap().iter().find(|role| role["name"] == "write").unwrap();
    assert_eq!((&write["grants_90d"], &write["last_used"]), (&0.into(), &Value::Null));
    // The auditor sees everything, and may ask for nothing.
    let all = look.json("auditor", "/catalogue");
    assert_eq!(names(&all), ["orders-db", "quick-db"]);
    assert!(find(&all, "orders-db")["roles"].as_array().unwrap().iter().all(|role| role["yours"] == false));

    // The reconciler reaches databases by itself; a check says what is wrong, to who may know.
    stage.wait_until("the target was reached", || find(&look.json("auditor", "/catalogue"), "orders-db")["health"]["state"] == "good");
    let resources = std::fs::read_to_string(stage.policy().join("resources.toml")).unwrap();
    let broken = resources.replacen(&format!("port = {}", stage.target.port()), "port = 1", 1).replacen(
        "[resource.roles.read]\n",
        "[resource.roles.read]\ndescription = \"Look at orders\"\n",
        1,
    );
    assert_ne!(broken, resources);
    std::fs::write(stage.policy().join("resources.toml"), broken).unwrap();
    let (code, _, err) = stage.ajar("operator", &["policy", "apply", stage.policy().to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    stage.ajar("operator", &["doctor", "orders-db"]);
    let bad = find(&look.json("auditor", "/catalogue"), "orders-db")["health"].clone();
    assert_eq!(bad["state"], "bad", "{bad}");
    assert!(bad["words"].as_str().is_some_and(|words| words.contains("reach")), "{bad}");
    let told = find(&look.json("stranger", "/catalogue"), "orders-db")["health"].clone();
    assert_eq!((&told["state"], &told["words"]), (&"bad".into(), &Value::Null), "addresses are not for everybody");
    let role = find(&look.json("stranger", "/catalogue"), "orders-db")["roles"][0].clone();
    assert_eq!(role["words"], "Look at orders (member of orders_read)", "what it is for comes first");
}

#[tokio::test(flavor = "multi_thread")]
async fn w03_people_and_groups_are_shown_to_who_shares_them() {
    let stage = Stage::new().await;
    stage.json("peer", &["delegate", "second", "--for", "1d"]);
    stage.json("operator", &["lock", "user:second", "--reason", "lost laptop"]);
    let look = Look::at(&stage, &["dev", "stranger", "auditor"]);
    let alone = look.json("stranger", "/people");
    assert_eq!(names(&alone), ["stranger"]);
    assert_eq!(look.json("stranger", "/groups")["items"], serde_json::json!([]));
    let seen = look.json("dev", "/people");
    assert_eq!(names(&seen), ["dev", "dev-admin", "peer", "robot", "second"]);
    assert_eq!(find(&seen, "dev")["manager"], "boss", "one knows one's own manager");
    assert_eq!(find(&seen, "robot")["kind"], "workload");
    assert_eq!(find(&seen, "peer")["away"]["delegate"], "second");
    assert_eq!(find(&seen, "second")["locked"], false, "a lock is not told to whom it doesn't concern");
    assert_eq!(names(&look.json("dev", "/groups")), ["engineers", "orders"]);
    let all = look.json("auditor", "/people");
    assert_eq!(names(&all).len(), 9);
    assert_eq!(find(&all, "second")["locked"], true);
    assert_eq!(find(&all, "second")["groups"], serde_json::json!(["engineers", "orders"]));
    assert_eq!(names(&look.json("auditor", "/groups")), ["engineers", "orders"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn w03_a_timeline_tells_a_request_to_its_end_and_sessions_only_to_who_may_see_them() {
    let stage = Stage::new().await;
    let reason = "=HYPERLINK(\"x\") <b>\u{202e}stuck</b>";
    let request = stage.json("dev", &["request", "orders-db", "--role", "write", "--for", "10m", "--reason", reason]);
    let id = request["id"].as_str().unwrap();
    stage.json("peer", &["approve", id, "--note", "looks right"]);
    let approved = stage.json("second", &["approve", id]);
    let grant = approved["grants"][0]["id"].as_str().unwrap();
    let out = stage.psql("dev", "orders-db", &["SELECT 1"]).env("PGOPTIONS", "-c ajar.role=write").output().unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    stage.ajar("dev", &["return", grant]);
    stage.proven_gone(grant);
    let look = Look::at(&stage, &["dev", "peer", "boss", "stranger", "auditor"]);
    let path = format!("/requests/{id}/timeline");
    assert_eq!(look.raw("stranger", &path).0, 404);
    let told = look.json("dev", &path);
    let items = told["items"].as_array().unwrap();
    let seqs: Vec<u64> = items.iter().map(|item| item["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted() && seqs.windows(2).all(|two| two[0] != two[1]), "{seqs:?}");
    let kinds: Vec<&str> = items.iter().map(|item| item["kind"].as_str().unwrap()).collect();
    for kind in ["request.filed", "request.reviewed", "request.approved", "grant.opened", "grant.closing", "grant.closed"] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
    let filed = &items[0];
    assert_eq!(filed["by"], "dev");
    assert!(filed["text"].as_str().unwrap().ends_with(reason), "what somebody wrote stays as it is: {filed}");
    assert!(items.iter().any(|item| item["text"] == "peer approved it: looks right"), "{told}");
    for what in ["session", "lease"] {
        assert!(items.iter().any(|item| item["what"] == what), "{what} in {told}");
    }
    assert_eq!(look.json("auditor", &path)["items"].as_array().unwrap().len(), items.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn w03_the_context_of_a_request_is_for_who_may_see_it() {
    let stage = Stage::new().await;
    stage.approved("dev", "read", "10m");
    let out = stage.psql("dev", "orders-db", &["SELECT 1", "SELECT 2"]).output().unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    stage.wait_until("the session is over", || {
        stage.json("dev", &["sessions"]).as_array().is_some_and(|all| all.iter().all(|s| s["state"] == "ended"))
    });
    let denied = stage.json("dev", &["request", "orders-db", "--role", "write", "--reason", "first"]);
    stage.json("peer", &["deny", denied["id"].as_str().unwrap(), "--note", "no"]);
    let pending = stage.json("dev", &["request", "orders-db", "--role", "write", "--reason", "second"]);
    let look = Look::at(&stage, &["peer", "stranger"]);
    let path = format!("/requests/{}/context", pending["id"].as_str().unwrap());
    assert_eq!(look.raw("stranger", &path).0, 404);
    let context = look.json("peer", &path);
    let last = context["requester"]["last"].as_array().unwrap();
    assert_eq!(last.len(), 2, "not the request itself: {context}");
    assert_eq!((&last[0]["state"], &last[0]["role"]), (&"denied".into(), &"write".into()));
    assert_eq!((&last[1]["state"], &last[1]["sessions"], &last[1]["statements"]), (&"approved".into(), &1.into(), &2.into()));
    assert_eq!((&context["alike"]["approved"], &context["alike"]["denied"]), (&0.into(), &1.into()));
    assert_eq!(context["opens"][0]["words"], "member of orders_write");
    assert_eq!(context["rule_words"], serde_json::json!(["write: 2 of owners must approve, for 1h at most"]));
}

/// A file of comma-separated values, read back: RFC 4180.
fn table(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quoted) {
            ('"', true) if chars.peek() == Some(&'"') => cell.push(chars.next().unwrap()),
            ('"', _) => quoted = !quoted,
            (',', false) => row.push(std::mem::take(&mut cell)),
            ('\r', false) => assert_eq!(chars.peek(), Some(&'\n'), "lines end with CRLF"),
            ('\n', false) => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            (c, _) => cell.push(c),
        }
    }
    assert!(row.is_empty() && cell.is_empty() && !quoted, "the last line ends too");
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn w02_w03_accesses_are_listed_completely_with_reasons_reviewers_and_proof() {
    let stage = Stage::new().await;
    let reason = "=HYPERLINK(\"http://x\",\"y\")\nsecond line \u{202e}";
    let request = stage.json("dev", &["request", "orders-db", "--role", "read", "--for", "10m", "--reason", reason]);
    let id = request["id"].as_str().unwrap();
    let approved = stage.json("peer", &["approve", id, "--note", "fine"]);
    let open = approved["grants"][0]["id"].as_str().unwrap().to_owned();
    let out = stage.psql("dev", "orders-db", &["SELECT 1", "SELECT 2"]).output().unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    // One that is over, one by the rules, one that was an emergency, one that never opened, one that was denied.
    let over = stage.approved("dev-admin", "read", "10m");
    stage.ajar("dev-admin", &["return", &over]);
    stage.proven_gone(&over);
    let auto = stage.json("second", &["request", "quick-db", "--role", "read", "--for", "10m"]);
    let auto = auto["grants"][0]["id"].as_str().unwrap().to_owned();
    let emergency = stage.json("dev", &["request", "orders-db", "--role", "write", "--emergency", "--reason", "orders are lost"]);
    let emergency = emergency["grants"][0]["id"].as_str().unwrap().to_owned();
    let debt = stage.json("peer", &["debts"])[0]["id"].as_str().unwrap().to_owned();
    let (code, _, err) = stage.ajar("peer", &["acknowledge", &debt, "--note", "it was right"]);
    assert_eq!(code, 0, "{err}");
    let week = Stage::ahead(7);
    let later = stage.json("second", &["request", "quick-db", "--role", "write", "--for", "10m", "--at", &week]);
    assert_eq!(later["state"], "approved", "{later}");
    let never = later["grants"][0]["id"].as_str().unwrap().to_owned();
    let denied = stage.json("dev", &["request", "orders-db", "--role", "write", "--reason", "why not"]);
    stage.json("peer", &["deny", denied["id"].as_str().unwrap(), "--note", "no"]);
    stage.wait_until("the session is over", || {
        stage.json("dev", &["sessions"]).as_array().is_some_and(|all| all.iter().all(|s| s["state"] == "ended"))
    });

    let look = Look::at(&stage, &["auditor", "operator", "dev", "peer"]);
    let (status, body) = look.raw("dev", "/accesses?format=csv");
    assert_eq!(status, 403, "{body}");
    let all = look.json("auditor", "/accesses");
    let items = all["items"].as_array().unwrap();
    let of = |grant: &str| items.iter().find(|item| item["grant"] == grant);
    assert_eq!(items.len(), 4, "{all}");
    assert!(of(&never).is_none());
    assert_eq!(all["next"], Value::Null);
    let one = of(&open).unwrap();
    assert_eq!((&one["person"], &one["requester"], &one["reason"]), (&"dev".into(), &"dev".into(), &reason.into()));
    assert_eq!((&one["reviewers"][0]["name"], &one["reviewers"][0]["verdict"]), (&"peer".into(), &"approve".into()));
    assert_eq!((&one["sessions"], &one["statements"]), (&1.into(), &2.into()));
    assert_eq!((&one["rules"], &one["ended_at"]), (&serde_json::json!(["read"]), &Value::Null));
    let one = of(&over).unwrap();
    assert_eq!(one["ended_because"], "returned");
    assert!(one["proven_gone_at"].is_string());
    // Its numbers are those of the ledger.
    let ledger = stage.ajar("auditor", &["ledger", "search", "--limit", "500", "-o", "json"]).1;
    let kinds: Vec<String> = one["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|seq| {
            let mut leaves = ledger.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            leaves.find(|leaf| leaf["seq"] == *seq).unwrap()["kind"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(kinds, ["request.filed", "request.approved", "grant.opened", "grant.closing", "grant.closed"]);
    assert_eq!((&of(&auto).unwrap()["automatic"], &of(&auto).unwrap()["reviewers"]), (&true.into(), &serde_json::json!([])));
    let one = of(&emergency).unwrap();
    assert_eq!((&one["emergency"], &one["reviewers"][0]["afterwards"]), (&true.into(), &true.into()));

    // Page by page it is the same, and narrowed it is a part of it.
    let mut paged: Vec<String> = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let cursor = next.as_ref().map(|next| format!("&before={next}")).unwrap_or_default();
        let page = look.json("auditor", &format!("/accesses?limit=1{cursor}"));
        paged.extend(page["items"].as_array().unwrap().iter().map(|item| item["grant"].as_str().unwrap().to_owned()));
        next = page["next"].as_str().map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    let grants: Vec<&str> = items.iter().map(|item| item["grant"].as_str().unwrap()).collect();
    assert_eq!(paged, grants);
    let opened = of(&over).unwrap()["opened_at"].as_str().unwrap();
    let ended = of(&over).unwrap()["ended_at"].as_str().unwrap();
    let there = |from: &str, to: &str| look.json("auditor", &format!("/accesses?from={from}&to={to}"))["items"].to_string().contains(&over);
    // Its first instant counts, its end does not.
    assert!(!there("2020-01-01T00:00:00Z", opened), "before it opened");
    assert!(there(opened, ended));
    assert!(!there(ended, "2099-01-01T00:00:00Z"), "after it ended");
    assert_eq!(look.json("operator", "/accesses?person=second")["items"].as_array().unwrap().len(), 1);
    assert_eq!(look.json("operator", "/accesses?resource=quick-db")["items"].as_array().unwrap().len(), 1);
    for (bad, status) in [
        ("person=nobody", 404),
        ("from=yesterday", 400),
        ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", 400),
        ("before=x", 400),
        ("format=xls", 400),
    ] {
        assert_eq!(look.raw("auditor", &format!("/accesses?{bad}")).0, status, "{bad}");
    }

    // As files: all of it, and nothing that a spreadsheet would calculate.
    let (status, csv) = look.raw("auditor", "/accesses?format=csv");
    assert_eq!(status, 200);
    let rows = table(&csv);
    assert_eq!(rows.len(), 5);
    assert_eq!(csv.lines().count(), 5, "a record is one line");
    let column = |name: &str| rows[0].iter().position(|cell| cell == name).unwrap();
    assert!(rows.iter().all(|row| row.len() == rows[0].len()));
    let row = rows.iter().find(|row| row[0] == open).unwrap();
    assert_eq!(row[column("reason")], "'=HYPERLINK(\"http://x\",\"y\")\\nsecond line \\u{202e}");
    assert!(row[column("reviewers")].starts_with("peer approve "), "{row:?}");
    let (_, json) = look.raw("auditor", "/accesses?format=json");
    let file: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((file["items"].as_array().unwrap().len(), &file["more"]), (4, &false.into()));
    assert!(file["from"].is_string() && file["to"].is_string());
    let (code, out, err) = stage.ajar("auditor", &["accesses", "--csv"]);
    assert_eq!((code, table(&out).len()), (0, 5), "{err}");
    let listed = stage.json("auditor", &["accesses", "--person", "dev"]);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(stage.ajar("dev", &["accesses"]).0, 3);
}

fn texts(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["text"].as_str().unwrap()).collect()
}

fn counts(page: &Value, facet: &str) -> Vec<(String, u64)> {
    let values = page["facets"][facet].as_array().unwrap().iter();
    values.map(|one| (one["value"].as_str().unwrap().to_owned(), one["count"].as_u64().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn w02_w03_i17_a_search_finds_what_its_caller_may_see_and_nothing_else() {
    let stage = Stage::new().await;
    let hostile = "=1+1 INC-7: Größe of the stuck order";
    let pending = stage.json("dev", &["request", "orders-db", "--role", "write", "--for", "10m", "--reason", hostile]);
    let pending = pending["id"].as_str().unwrap();
    stage.approved("dev", "read", "10m");
    let quick = stage.json("robot", &["request", "quick-db", "--role", "read", "--for", "10m", "--reason", "nightly"]);
    assert_eq!(quick["state"], "approved");
    let sql = ["SELECT 'needle in\n  the hay' AS x", "SELECT 2"];
    let out = stage.psql("dev", "orders-db", &sql).output().unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    stage.wait_until("the session is over", || {
        stage.json("dev", &["sessions"]).as_array().is_some_and(|all| all.iter().any(|s| s["state"] == "ended"))
    });
    let look = Look::at(&stage, &["dev", "robot", "boss", "stranger", "auditor", "peer"]);

    // Requests: by text whatever its capitals, by everything else, and with counts.
    let found = look.json("auditor", "/search?q=gr%C3%B6SSE");
    assert_eq!(texts(&found), Vec::<&str>::new());
    let found = look.json("auditor", "/search?q=GR%C3%96%C3%9FE%20of");
    assert_eq!((texts(&found), &found["items"][0]["id"]), (vec![hostile], &pending.into()));
    assert_eq!((&found["items"][0]["who"], &found["items"][0]["state"]), (&"dev".into(), &"pending".into()));
    assert_eq!(counts(&found, "state"), [("pending".to_owned(), 1)]);
    let all = look.json("auditor", "/search?in=requests");
    assert_eq!(all["items"].as_array().unwrap().len(), 3);
    assert_eq!(counts(&all, "resource"), [("orders-db".to_owned(), 2), ("quick-db".to_owned(), 1)]);
    assert_eq!(counts(&all, "kind"), [("postgres".to_owned(), 3)]);
    assert_eq!(look.json("auditor", "/search?q=&person=&resource=&role=&state=&kind="), all, "what is empty is not said");
    let narrowed = look.json("auditor", "/search?person=robot&kind=postgres");
    assert_eq!(texts(&narrowed), ["nightly"]);
    assert_eq!(counts(&narrowed, "person"), [("dev".to_owned(), 2), ("robot".to_owned(), 1)], "a facet leaves its own narrowing aside");
    assert_eq!(counts(&narrowed, "resource"), [("quick-db".to_owned(), 1)]);
    assert_eq!(look.json("auditor", "/search?kind=ssh")["items"], serde_json::json!([]));
    assert_eq!(look.json("auditor", "/search?state=approved")["items"].as_array().unwrap().len(), 2);
    // Page by page it is the same.
    let (mut ids, mut next) = (Vec::new(), Some(String::new()));
    while let Some(before) = next {
        let before = if before.is_empty() { before } else { format!("&before={before}") };
        let page = look.json("auditor", &format!("/search?limit=1{before}"));
        ids.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()));
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(ids, all["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect::<Vec<_>>());

    // Everybody else: their own, and what is on resources that they own. What isn't theirs looks like what isn't there.
    for (who, expected) in [("dev", 3), ("peer", 3), ("robot", 3), ("boss", 0), ("stranger", 0)] {
        for within in ["requests", "sessions", "statements"] {
            let found = look.json(who, &format!("/search?in={within}"));
            let none = found["items"].as_array().unwrap().is_empty();
            assert_eq!(none, expected == 0, "{who} in {within}: {found}");
            if expected == 0 {
                assert!(["person", "resource", "role", "state", "kind"].iter().all(|facet| counts(&found, facet).is_empty()), "{found}");
                let of_dev = look.json(who, &format!("/search?in={within}&person=dev"));
                assert_eq!(of_dev, look.json(who, &format!("/search?in={within}&person=nobody-at-all")));
            }
        }
        // Nor do the counts tell whom there is.
        let of = |name: &str| look.json(who, &format!("/search?person={name}"));
        if who == "robot" {
            assert_eq!(of("stranger"), of("nobody-at-all"));
        }
        let status = look.raw(who, "/search?in=events").0;
        assert_eq!(status, 403, "{who}");
    }

    // Sessions and what was recorded in them.
    let sessions = look.json("auditor", "/search?in=sessions&q=orders-db");
    let session = sessions["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(counts(&look.json("auditor", "/search?in=sessions"), "state"), [("ended".to_owned(), 1)]);
    let found = look.json("dev", "/search?in=statements&q=NEEDLE%20in%20the");
    assert_eq!(texts(&found), ["SELECT 'needle in the hay' AS x"]);
    let one = &found["items"][0];
    assert_eq!((&one["session"], &one["resource"]), (&session.as_str().into(), &"orders-db".into()));
    assert!(one["at_in_session"].as_f64().is_some() && one["request"].is_string() && one["grant"].is_string(), "{one}");
    let first = look.json("dev", "/search?in=statements&limit=1");
    let second = look.json("dev", &format!("/search?in=statements&limit=1&before={}", first["next"].as_str().unwrap()));
    assert_eq!((texts(&first), texts(&second)), (vec!["SELECT 'needle in the hay' AS x"], vec!["SELECT 2"]));
    // A cursor is only what somebody says.
    assert_eq!(look.json("stranger", &format!("/search?in=statements&before={session}:0"))["items"], serde_json::json!([]));
    assert_eq!(look.json("dev", &format!("/search?in=statements&before={session}:0"))["items"].as_array().unwrap().len(), 2);
    let of =
        |from: &str, to: &str| look.json("dev", &format!("/search?in=statements&from={from}&to={to}"))["items"].as_array().unwrap().len();
    let at = one["at"].as_str().unwrap();
    assert!(of("2020-01-01T00:00:00Z", at) == 0 && of(at, &Stage::ahead(1)) >= 1);

    // Events: for auditors, with what was said; secrets are in none of them.
    let found = look.json("auditor", "/search?in=events&kind=request.&person=dev");
    assert!(found["items"].as_array().unwrap().iter().all(|item| item["kind"].as_str().unwrap().starts_with("request.")), "{found}");
    assert!(texts(&found).iter().any(|text| text.ends_with(hostile)), "{found}");
    let everything = look.raw("auditor", "/search?in=events&format=json").1;
    let file: Value = serde_json::from_str(&everything).unwrap();
    let seqs: Vec<u64> = file["items"].as_array().unwrap().iter().map(|item| item["seq"].as_u64().unwrap()).collect();
    let size = stage.json("auditor", &["status"])["events"].as_u64().unwrap();
    assert!(seqs.windows(2).all(|two| two[0] == two[1] + 1) && seqs.last() == Some(&0) && seqs.len() as u64 <= size, "{seqs:?}");
    for secret in ["own password", "argon2", "admin's password"] {
        assert!(!everything.contains(secret), "{secret}");
    }
    let past = look.json("auditor", "/search?in=events&to=2020-01-01T00:00:00Z");
    assert_eq!((&past["items"], &past["next"]), (&serde_json::json!([]), &Value::Null));

    // As a file, and what can't be meant.
    let (_, csv) = look.raw("auditor", "/search?in=requests&format=csv");
    let rows = table(&csv);
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().any(|row| row.contains(&format!("'{hostile}"))), "{rows:?}");
    let long = format!("q={}", "x".repeat(201));
    for bad in [
        "in=secrets",
        "before=x",
        "in=events&before=x",
        "in=statements&before=..%2fx:1",
        "in=events&state=open",
        "from=2026",
        &long,
        "limits=1",
    ] {
        assert_eq!(look.raw("auditor", &format!("/search?{bad}")).0, 400, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn w03_i09_insight_tells_what_happened_in_numbers_to_auditors_and_operators() {
    let stage = Stage::new().await;
    let grant = stage.approved("dev", "read", "5s");
    // In until the end: cut at the deadline, and its lateness is in the ledger.
    let out = stage.psql("dev", "orders-db", &["SELECT pg_sleep(60)"]).output().unwrap();
    assert!(!out.status.success());
    stage.proven_gone(&grant);
    let denied = stage.json("dev", &["request", "orders-db", "--role", "write", "--reason", "why not"]);
    stage.json("peer", &["deny", denied["id"].as_str().unwrap(), "--note", "no"]);
    let quick = stage.json("second", &["request", "quick-db", "--role", "read", "--for", "10m"]);
    assert_eq!(quick["state"], "approved");
    stage.wait_until("the cut is recorded", || {
        stage.json("auditor", &["sessions", "--all"]).as_array().is_some_and(|all| all.iter().all(|s| s["state"] == "ended"))
    });
    let look = Look::at(&stage, &["auditor", "operator", "dev"]);
    assert_eq!(look.raw("dev", "/insight").0, 403);
    let told = look.json("operator", "/insight?zone=Pacific/Auckland");
    assert_eq!(told["approval"]["count"], 1);
    assert!(told["approval"]["p50_s"].as_f64().is_some_and(|took| took < 60.0), "{told}");
    let sum = |list: &str, key: &str| told[list].as_array().unwrap().iter().map(|day| day[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!(
        (sum("decisions", "human"), sum("decisions", "auto"), sum("decisions", "denied"), sum("decisions", "expired")),
        (1, 1, 1, 0)
    );
    assert_eq!(told["denials"], serde_json::json!([{ "rule": "write", "count": 1 }]));
    let hours: u64 = told["hours"].as_array().unwrap().iter().flat_map(|day| day.as_array().unwrap()).map(|n| n.as_u64().unwrap()).sum();
    assert_eq!((hours, told["hours"].as_array().unwrap().len(), told["hours"][0].as_array().unwrap().len()), (3, 7, 24));
    let most = |key: &str| told["open_by_day"].as_array().unwrap().iter().map(|day| day[key].as_u64().unwrap()).max();
    assert_eq!((most("ssh"), most("http")), (Some(0), Some(0)));
    assert!(most("postgres") >= Some(1), "{told}");
    assert_eq!(told["cuts"]["count"], 1, "{told}");
    assert!(told["cuts"]["max_ms"].as_u64().is_some_and(|late| late < 1_000), "{told}");
    assert_eq!(told["unconfirmed"], serde_json::json!([]));
    let unused = serde_json::json!([{ "person": "second", "resource": "quick-db", "role": "read", "rule": "quick" }]);
    assert_eq!(told["unused"], unused);
    let past = look.json("auditor", "/insight?from=2020-01-01T00:00:00Z&to=2020-01-03T00:00:00Z");
    assert_eq!((&past["approval"]["count"], past["decisions"].as_array().unwrap().len()), (&0.into(), 2));
    for bad in ["zone=Mars", "zone=../../etc/passwd", "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "from=1990-01-01T00:00:00Z"] {
        assert_eq!(look.raw("auditor", &format!("/insight?{bad}")).0, 400, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn w03_lists_hold_what_one_asked_for_others_reviewed_or_owns_and_say_what_one_may_do() {
    let stage = Stage::new().await;
    let extra = "[[rule]]\nname = \"for-joe\"\nwho = [\"user:stranger\"]\nresources = [\"orders-db\"]\nroles = [\"read\"]\nmax = \"1h\"\n\
                 on_behalf_by = [\"user:boss\"]\napprove = { from = [\"owners\"], needed = 2, within = \"30m\" }\n";
    std::fs::write(stage.policy().join("behalf.toml"), extra).unwrap();
    let (code, _, err) = stage.ajar("operator", &["policy", "apply", stage.policy().to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    let asked = ["request", "orders-db", "--role", "read", "--for", "10m", "--reason", "for joe", "--on-behalf-of", "stranger"];
    let request = stage.json("boss", &asked);
    let id = request["id"].as_str().unwrap();
    let other = stage.json("dev", &["request", "orders-db", "--role", "write", "--for", "10m", "--reason", "something else"]);
    let other = other["id"].as_str().unwrap();
    let look = Look::at(&stage, &["boss", "stranger", "peer", "second", "dev", "operator"]);
    let ids = |who: &str, path: &str| {
        let items = look.json(who, path)["items"].clone();
        items.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };

    // Who asked and who gets in have it among their own; owners among those that they may see; what is others' is not there.
    let seen: [(&str, &[&str], &[&str]); 4] =
        [("boss", &[id], &[id]), ("stranger", &[id], &[id]), ("dev", &[other], &[other, id]), ("peer", &[], &[other, id])];
    for (who, mine, seen) in seen {
        assert_eq!(ids(who, "/requests?mine=true"), mine, "{who}");
        assert_eq!(ids(who, "/requests"), seen, "{who}");
        assert_eq!(ids(who, "/search?in=requests"), seen, "{who}");
    }
    let waiting = look.json("peer", &format!("/requests/{id}"))["stages"][0].clone();
    assert_eq!((&waiting["have"], &waiting["needed"]), (&0.into(), &2.into()), "{waiting}");
    assert!(waiting["until"].is_string(), "{waiting}");
    stage.json("peer", &["approve", id]);
    assert_eq!(look.json("boss", &format!("/requests/{id}"))["stages"][0]["have"], 1);
    let approved = stage.json("second", &["approve", id]);
    assert!(approved["stages"][0].get("have").is_none(), "nothing waits any more: {approved}");
    let grant = approved["grants"][0]["id"].as_str().unwrap();

    // A grant says what each may do with it, and the commands agree.
    let may = |who: &str| look.json(who, &format!("/grants/{grant}"))["may"].clone();
    assert_eq!(may("stranger"), serde_json::json!(["extend", "return"]));
    assert_eq!((may("peer"), may("operator")), (serde_json::json!(["revoke"]), serde_json::json!(["revoke"])));
    assert_eq!(look.raw("boss", &format!("/grants/{grant}")).0, 404, "who asks for another gets nothing of what is opened");
    assert_eq!(look.json("stranger", "/grants")["items"][0]["kind"], "postgres");

    // Owners see sessions in what they own, but not from where somebody came.
    let out = stage.psql("stranger", "orders-db", &["SELECT 1"]).output().unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    let of = format!("/sessions?of={grant}");
    let theirs = look.json("stranger", &of)["items"][0].clone();
    assert_eq!(theirs["client"], "127.0.0.1");
    assert_eq!((ids("dev", &of), ids("boss", &of)), (vec![theirs["id"].as_str().unwrap().to_owned()], Vec::new()));
    assert_eq!(look.json("dev", &of)["items"][0]["client"], Value::Null);
    for (who, found) in [("stranger", 1), ("operator", 1), ("dev", 0)] {
        let sessions = look.json(who, "/search?in=sessions&q=127.0.0.1")["items"].clone();
        assert_eq!(sessions.as_array().unwrap().len(), found, "{who} looks for an address");
    }
    assert_eq!(ids("stranger", "/sessions?of=grant_00000000000000000000000000"), Vec::<String>::new());
    assert_eq!(look.raw("stranger", "/sessions?of=everything").0, 400);

    // How it was used helps whoever decides the next one; who only asks for others is not told.
    let again = stage.json("boss", &asked)["id"].as_str().unwrap().to_owned();
    let used = |who: &str| look.json(who, &format!("/requests/{again}/context"))["requester"]["last"][0]["sessions"].clone();
    assert_eq!((used("boss"), used("peer"), used("stranger")), (0.into(), 1.into(), 1.into()));
    stage.json("boss", &["withdraw", &again]);

    stage.ajar("peer", &["revoke", grant]);
    assert_eq!((may("stranger"), may("peer")), (serde_json::json!([]), serde_json::json!([])), "it is over");

    // Who reviewed it finds it again, even when they own nothing any more.
    let resources = std::fs::read_to_string(stage.policy().join("resources.toml")).unwrap();
    std::fs::write(stage.policy().join("resources.toml"), resources.replace("owners = [\"group:orders\"]", "owners = [\"user:boss\"]"))
        .unwrap();
    assert_eq!(stage.ajar("operator", &["policy", "apply", stage.policy().to_str().unwrap()]).0, 0);
    assert_eq!(ids("peer", "/requests"), [id]);
    assert_eq!(look.json("peer", &format!("/requests/{id}"))["state"], "approved");
    assert_eq!(ids("dev", "/requests"), [other], "who only owned it does not");
}
