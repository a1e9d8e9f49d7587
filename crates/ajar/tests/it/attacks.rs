//! People who try to get in, stay in, or hide it: cases of approval, of the wire, of the API.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::stage::{Kept, Stage, password};
use crate::wire::{SSL_REQUEST, Wire, message, shown, startup, tcp};

/// A pending request of dev's.
fn pending(stage: &Stage, role: &str) -> String {
    let request = stage.json("dev", &["request", "orders-db", "--role", role, "--reason", "a test"]);
    assert_eq!(request["state"], "pending");
    request["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a01_nobody_approves_their_own_request_by_whatever_account() {
    let stage = Stage::new().await;
    let id = pending(&stage, "read");
    // dev is in the owning group; dev-admin is the same human; robot is nobody's human; operator operates, but owns nothing.
    for who in ["dev", "dev-admin", "robot", "operator", "stranger", "boss"] {
        let (code, out, err) = stage.ajar(who, &["approve", &id]);
        assert!([3, 7].contains(&code), "{who}: {code} {out}{err}");
    }
    let request = stage.json("dev", &["requests", &id]);
    assert_eq!((&request["state"], &request["reviews"]), (&"pending".into(), &serde_json::json!([])));
    assert_eq!(stage.json("dev-admin", &["inbox"]), serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a04_rules_that_get_stricter_while_pending_count() {
    let stage = Stage::new().await;
    let id = pending(&stage, "read");
    let rules = stage.policy().join("rules.toml");
    let text = std::fs::read_to_string(&rules).unwrap();
    std::fs::write(
        &rules,
        text.replacen("approve = { from = [\"owners\"], within", "approve = { from = [\"owners\"], needed = 2, within", 1),
    )
    .unwrap();
    let policy = stage.policy().to_str().unwrap().to_owned();
    // Not for everybody.
    assert_eq!(stage.ajar("dev", &["policy", "apply", &policy]).0, 3);
    let (code, _, err) = stage.ajar("operator", &["policy", "apply", &policy]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(stage.json("peer", &["approve", &id])["state"], "pending");
    // Whoever approved and may no more, doesn't count any more.
    let people = stage.policy().join("people.toml");
    let text = std::fs::read_to_string(&people).unwrap();
    std::fs::write(&people, text.replace("name = \"peer\"\n", "name = \"peer\"\ndisabled = true\n")).unwrap();
    assert_eq!(stage.ajar("operator", &["policy", "apply", &policy]).0, 0);
    let after = stage.json("dev", &["requests", &id]);
    assert_eq!(after["state"], "denied", "two are needed, one is left: {after}");
    assert_eq!(stage.ajar("second", &["approve", &id]).0, 3);
    // Files that are wrong change nothing.
    std::fs::write(&rules, "[[rule]]\nname = \"x\"\nwho = [\"group:enginers\"]\nresources = [\"orders-db\"]\nroles = [\"read\"]\n")
        .unwrap();
    let (code, _, err) = stage.ajar("operator", &["policy", "apply", &policy]);
    assert_eq!(code, 1);
    assert!(err.contains("rules.toml:3") && err.contains("engineers"), "{err}");
    assert_eq!(stage.json("dev", &["ls"])[0]["name"], "orders-db");
}

#[tokio::test(flavor = "multi_thread")]
async fn a05_an_approve_sent_many_times_at_once_is_one_review_and_one_grant() {
    let stage = Stage::new().await;
    let id = pending(&stage, "read");
    let all: Vec<_> = (0..8)
        .map(|_| Kept(stage.command("peer", &["approve", &id]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
        .collect();
    for approve in all {
        let (code, _, err) = approve.finish();
        assert_eq!(code, 0, "{err}");
    }
    let request = stage.json("dev", &["requests", &id]);
    assert_eq!((request["reviews"].as_array().unwrap().len(), request["grants"].as_array().unwrap().len()), (1, 1));
    assert_eq!(stage.json("dev", &["grants"]).as_array().unwrap().len(), 1);
}

fn curl(args: &[&str]) -> (String, String) {
    let out = Command::new("curl").args(["-s", "-w", "\n%{http_code}"]).args(args).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a06_w08_links_and_posts_without_a_token_do_nothing() {
    let stage = Stage::new().await;
    let id = pending(&stage, "read");
    let base = format!("http://127.0.0.1:{}", stage.api());
    let (status, body) = curl(&[&format!("{base}/requests/{id}")]);
    assert_eq!(status, "200");
    assert!(!body.contains("dev") && !body.contains("orders-db"), "a link shows nothing by itself: {body}");
    let reviews = format!("{base}/api/v1/requests/{id}/reviews");
    let json = ["-H", "content-type: application/json", "-d", r#"{"verdict":"approve"}"#];
    for args in [
        vec![reviews.as_str()],
        [&json[..], &[&reviews]].concat(),
        [&json[..], &["-H", "Authorization: Bearer ajar_nonsense", &reviews]].concat(),
        [&json[..], &["-H", "Cookie: token=x", "-H", "Origin: http://evil.example", &reviews]].concat(),
    ] {
        let (status, body) = curl(&args);
        assert!(["401", "405"].contains(&status.as_str()), "{args:?}: {status} {body}");
    }
    // A cross-site form can't send JSON without asking first, and nobody answers that question with yes.
    let (status, _) =
        curl(&["-X", "OPTIONS", "-H", "Origin: http://evil.example", "-H", "Access-Control-Request-Method: POST", "-D", "-", &reviews]);
    assert_ne!(status, "200");
    let token = stage.token("peer");
    let bearer = format!("Authorization: Bearer {token}");
    let (status, body) = curl(&[&json[..], &["-H", &bearer, &reviews]].concat());
    assert_eq!(status, "403", "a token for connecting can't decide: {body}");
    assert_eq!(stage.json("dev", &["requests", &id])["state"], "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn a08_a_disabled_requester_is_cancelled_cut_and_revoked() {
    let stage = Stage::new().await;
    let grant = stage.approved("dev", "read", "10m");
    let waiting = pending(&stage, "write");
    let mut open = Wire::open(&stage, "dev", "orders-db");
    let people = stage.policy().join("people.toml");
    let text = std::fs::read_to_string(&people).unwrap();
    std::fs::write(&people, text.replacen("name = \"dev\"\n", "name = \"dev\"\ndisabled = true\n", 1)).unwrap();
    let start = Instant::now();
    assert_eq!(stage.ajar("operator", &["policy", "apply", stage.policy().to_str().unwrap()]).0, 0);
    let (_, error) = open.rest();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(error.contains("Your account is disabled"), "{error}");
    stage.proven_gone(&grant);
    assert_eq!(stage.logins().await, Vec::<String>::new());
    assert_ne!(stage.json("auditor", &["requests", &waiting])["state"], "pending");
    let (code, _, err) = stage.ajar("dev", &["whoami"]);
    assert_eq!(code, 4, "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a10_a_request_that_nobody_can_decide_is_denied_at_once() {
    let stage = Stage::new().await;
    let resources = stage.policy().join("resources.toml");
    let text = std::fs::read_to_string(&resources).unwrap();
    std::fs::write(&resources, text.replace("owners = [\"group:orders\"]", "owners = [\"user:dev\", \"user:dev-admin\"]")).unwrap();
    let (code, _, err) = stage.ajar("operator", &["policy", "apply", stage.policy().to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = stage.ajar("dev", &["request", "orders-db", "--reason", "a test"]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("nobody"), "{err}");
    // At the door the same is told, and nobody waits.
    let (code, _, err) = Kept(stage.psql("dev", "orders-db", &["select 1"]).spawn().unwrap()).finish();
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("nobody"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a11_l01_a_hand_in_the_database_opens_nothing_and_is_seen() {
    let mut stage = Stage::new().await;
    let id = pending(&stage, "read");
    stage.ajar("auditor", &["ledger", "checkpoint"]);
    stage.end("-TERM");
    // A projection: the log is the state, so nothing comes of it.
    let tables = stage.sql("select name, sql from sqlite_master where type = 'table'");
    assert!(tables.contains("rows"), "{tables}");
    stage.sql("update rows set state = 'approved' where state = 'pending'");
    stage.run();
    assert_eq!(stage.json("auditor", &["requests", &id])["state"], "pending");
    let mut held = Kept(stage.psql("dev", "orders-db", &["select 1"]).spawn().unwrap());
    stage.wait_until("dev is held", || stage.json("dev", &["status"])["held"] == 1);
    assert!(held.0.try_wait().unwrap().is_none());
    drop(held);
    stage.ajar("auditor", &["ledger", "checkpoint"]);
    stage.end("-TERM");
    // An event, with the triggers out of the way: the last signature doesn't fit any more, and the server doesn't start.
    for trigger in ["events_keep", "events_stay", "events_follow"] {
        stage.sql(&format!("drop trigger {trigger}"));
    }
    stage.sql("update events set leaf = replace(leaf, '\"schema\":1', '\"schema\": 1') where seq = 3");
    let out = stage.command("nobody", &["server", "run", "--config", stage.config().to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.contains("not the one that its last checkpoint signed"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r07_w03_what_is_somebody_elses_looks_as_if_it_did_not_exist() {
    let stage = Stage::new().await;
    let grant = stage.approved("dev", "read", "10m");
    let mut wire = Wire::open(&stage, "dev", "orders-db");
    wire.query("select 1");
    wire.types();
    let session = stage.json("dev", &["sessions"])[0]["id"].as_str().unwrap().to_owned();
    let request = stage.json("dev", &["requests"])[0]["id"].as_str().unwrap().to_owned();
    let nothing = "01900000000000000000000000";
    for (command, word, id) in [
        ("sessions watch", "sess", session.as_str()),
        ("sessions kill --reason odd", "sess", &session),
        ("grants", "grant", &grant),
        ("return", "grant", &grant),
        ("revoke", "grant", &grant),
        ("sessions", "sess", &session),
        ("replay", "sess", &session),
        ("requests", "req", &request),
        ("approve", "req", &request),
        ("deny", "req", &request),
        ("withdraw", "req", &request),
    ] {
        let call = |id: &str| stage.ajar("stranger", &command.split(' ').chain([id]).collect::<Vec<_>>());
        let (theirs, no_such) = (call(id), call(&format!("{word}_{nothing}")));
        assert_ne!(theirs.0, 0, "{command}");
        let (told, told_nothing) = (theirs.2.replace(id, "ID"), no_such.2.replace(&format!("{word}_{nothing}"), "ID"));
        assert_eq!((theirs.0, told), (no_such.0, told_nothing), "{command}");
    }
    // Nor can a peer give back what isn't theirs, nor a reader of everything take it away.
    for who in ["boss", "auditor"] {
        assert_ne!(stage.ajar(who, &["return", &grant]).0, 0);
        assert_ne!(stage.ajar(who, &["revoke", &grant]).0, 0, "{who}");
        assert_ne!(stage.ajar(who, &["sessions", "kill", &session, "--reason", "odd"]).0, 0, "{who}");
    }
    wire.query("select 2");
    assert_eq!(wire.types(), "TDCZ", "it lives");
    // A resource that no rule opens, and one that isn't there.
    let strange = Kept(stage.psql("stranger", "orders-db", &["select 1"]).spawn().unwrap()).finish();
    let nowhere = Kept(stage.psql("stranger", "orders-dc", &["select 1"]).spawn().unwrap()).finish();
    assert_eq!(strange.2.replace("orders-db", "X"), nowhere.2.replace("orders-dc", "X"));
    assert_eq!(strange.0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn w02_w06_hostile_text_is_inert_and_long_passwords_count_in_full() {
    let stage = Stage::new().await;
    let reason = "fix \x1b]52;c;ZXZpbA==\x07 \u{202e}txt\n=cmd|' /C calc'!A0 <script>";
    stage.json("dev", &["request", "orders-db", "--reason", reason]);
    for who in ["dev", "peer"] {
        let (_, out, err) = stage.ajar(who, &[if who == "dev" { "requests" } else { "inbox" }]);
        assert!(out.contains("fix"), "{out}");
        let bad = |c: char| c != '\n' && (c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
        assert!(!out.chars().any(bad) && !err.chars().any(bad), "{out:?}");
        assert_eq!(out.lines().count(), 2, "one request is one line: {out}");
    }
    let long = "x".repeat(72);
    let change = |current: &str, new: &str| {
        let mut child = stage.command("dev", &["passwd", "--stdin"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{current}\n{new}\n").as_bytes()).unwrap();
        child.wait().unwrap().code()
    };
    assert_eq!(change(password("dev").trim_end(), &format!("{long}right")), Some(0));
    assert_eq!(change(&format!("{long}wrong"), "another one"), Some(4));
    assert_eq!(change(&format!("{long}right"), "another one"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn p01_p02_p06_p07_o01_hostile_beginnings() {
    let stage = Stage::new().await;
    let ends = |bytes: &[u8]| {
        let mut tcp = tcp(&stage);
        tcp.write_all(bytes).unwrap();
        let mut all = Vec::new();
        drop(tcp.read_to_end(&mut all));
        all
    };
    // P2: anything behind SSLRequest.
    assert_eq!(ends(&[&SSL_REQUEST[..], &startup(&[("user", "dev")])].concat()), b"");
    // P1: lengths.
    for len in [-1i32, 0, 3, 7, 10_001, i32::MAX, i32::MIN] {
        let answer = ends(&[&len.to_be_bytes()[..], &[0, 3, 0, 0], b"user\0dev\0\0"].concat());
        assert!(answer.is_empty() || answer[0] == b'E', "{len}");
    }
    // In the clear: told how, and nothing is asked.
    let answer = ends(&startup(&[("user", "dev"), ("database", "orders-db")]));
    assert!(answer.starts_with(b"E") && shown(&answer).contains("sslmode=verify-full"), "{}", shown(&answer));
    // P6: names.
    for name in ["dev\x1b[31m", "dev\ndev", "a'; drop role x; --", &"x".repeat(300), "DEV", ""] {
        let mut wire = Wire::tls(&stage);
        wire.send(&startup(&[("user", name), ("database", "orders-db")]));
        let mut first = wire.next().unwrap();
        if first.0 == b'R' {
            wire.send(&message(b'p', &[stage.token("dev").as_bytes(), &[0]].concat()));
            first = wire.next().unwrap();
        }
        assert_eq!(first.0, b'E', "{name:?}");
        assert!(!first.1.contains(&0x1b));
    }
    // Somebody else's name, with one's own token.
    let mut wire = Wire::tls(&stage);
    wire.send(&startup(&[("user", "peer"), ("database", "quick-db")]));
    wire.next().unwrap();
    wire.send(&message(b'p', &[stage.token("dev").as_bytes(), &[0]].concat()));
    let (tag, body) = wire.next().unwrap();
    assert!(tag == b'E' && shown(&body).contains("28P01"), "{}", shown(&body));
    // Direct TLS has to say what it wants to speak.
    assert!(Wire::direct(&stage, &[]).next().is_err());
    let mut direct = Wire::direct(&stage, &[b"postgresql"]);
    direct.sign_in(&startup(&[("user", "dev"), ("database", "quick-db")]), &stage.token("dev"));
    direct.query("select 1");
    assert_eq!(direct.types(), "TDCZ");
    // P1, once in: a Query with an impossible length.
    direct.send(&[b'Q', 0xff, 0xff, 0xff, 0xff]);
    let (_, error) = direct.rest();
    assert!(error.contains("08P01"), "{error}");
    // P7, O1: hundreds that never finish; somebody else comes in meanwhile, and they are cut.
    let start = Instant::now();
    let stalled: Vec<_> = (0..150)
        .map(|i| {
            let mut tcp = tcp(&stage);
            tcp.write_all(if i % 2 == 0 { &SSL_REQUEST[..4] } else { &SSL_REQUEST }).unwrap();
            tcp
        })
        .collect();
    let begun = Instant::now();
    let mut other = Wire::open(&stage, "second", "quick-db");
    other.query("select 1");
    assert_eq!(other.types(), "TDCZ");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    for mut tcp in stalled {
        let mut all = Vec::new();
        drop(tcp.read_to_end(&mut all));
        assert!(all.len() <= 1);
    }
    assert!((Duration::from_secs(8)..Duration::from_secs(20)).contains(&start.elapsed()), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn p04_what_the_role_may_not_do_postgresql_refuses_however_it_is_said() {
    let stage = Stage::new().await;
    stage.approved("dev", "read", "10m");
    for sql in [
        "update orders set status = 'x'",
        "do $x$ begin execute 'upd' || 'ate orders set status = ''x'''; end $x$",
        "copy orders to program 'id'",
        "copy (select 1) to '/tmp/x'",
        "set session authorization postgres",
        "set role orders_write",
        "set role ajar_admin",
        "create role mine login",
        "alter role current_user valid until 'infinity'",
        "create table mine (x int)",
        "select pg_read_file('/etc/passwd')",
        "select * from pg_authid",
        "create extension dblink",
    ] {
        let (code, out, err) = Kept(stage.psql("dev", "orders-db", &[sql]).spawn().unwrap()).finish();
        assert_ne!(code, 0, "{sql}: {out}");
        assert!(err.contains("ERROR"), "{sql}: {err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p05_only_ones_own_key_cancels_and_only_while_the_session_lives() {
    let stage = Stage::new().await;
    let cancel = |pid: u32, secret: &[u8]| {
        let body = [&80_877_102u32.to_be_bytes()[..], &pid.to_be_bytes(), secret].concat();
        let mut tcp = tcp(&stage);
        tcp.write_all(&[&u32::try_from(body.len() + 4).unwrap().to_be_bytes()[..], &body].concat()).unwrap();
        let mut nothing = Vec::new();
        drop(tcp.read_to_end(&mut nothing));
        assert!(nothing.is_empty());
    };
    let mut mine = Wire::open(&stage, "dev", "quick-db");
    let (pid, secret) = mine.key.clone();
    mine.query("select pg_sleep(30)");
    std::thread::sleep(Duration::from_millis(300));
    // The target's own process id is not a key here, nor is a guess.
    let boss = stage.target.connect("postgres").await.unwrap();
    let real: i32 = boss.query_one("select pid from pg_stat_activity where query = 'select pg_sleep(30)'", &[]).await.unwrap().get(0);
    cancel(u32::try_from(real).unwrap(), &secret);
    cancel(pid, &[0; 4]);
    cancel(pid ^ 1, &secret);
    std::thread::sleep(Duration::from_millis(300));
    let running = "select count(*) from pg_stat_activity where query = 'select pg_sleep(30)' and state = 'active'";
    assert_eq!(boss.query_one(running, &[]).await.unwrap().get::<_, i64>(0), 1);
    cancel(pid, &secret);
    let (types, start) = (mine.types(), Instant::now());
    assert!(types.contains('E') && types.ends_with('Z') && start.elapsed() < Duration::from_secs(5), "{types}");
    // psql's own Ctrl-C, which comes in the clear from old clients and over TLS from new ones.
    let mut psql = Kept(stage.psql("dev", "quick-db", &["select pg_sleep(60)"]).spawn().unwrap());
    stage.wait_until("psql runs", || stage.json("dev", &["status"])["live"] == 2);
    std::thread::sleep(Duration::from_millis(500));
    assert!(Command::new("kill").args(["-INT", &psql.0.id().to_string()]).status().unwrap().success());
    assert!(psql.0.try_wait().is_ok());
    let (_, _, err) = psql.finish();
    assert!(err.contains("canceling statement due to user request"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn l03_secrets_are_nowhere() {
    let stage = Stage::new().await;
    stage.approved("dev", "read", "10m");
    let token = stage.token("dev");
    let mut wire = Wire::tls(&stage);
    wire.sign_in(&startup(&[("user", "dev"), ("database", "orders-db")]), &token);
    wire.query("select 1");
    wire.types();
    let boss = stage.target.connect("postgres").await.unwrap();
    let login = stage.logins().await.remove(0);
    let verifier: String = boss.query_one("select rolpassword from pg_authid where rolname = $1", &[&login]).await.unwrap().get(0);
    drop(wire);
    let metrics = curl(&[&format!("http://127.0.0.1:{}/metrics", stage.api())]).1;
    assert!(metrics.contains("ajar_sessions_opened_total 1"), "{metrics}");
    let ledger = stage.ajar("auditor", &["ledger", "export"]).1;
    assert!(ledger.contains("session.live"));
    let mut everything = vec![("the log", stage.log()), ("metrics", metrics), ("the ledger", ledger)];
    for entry in std::fs::read_dir(stage.data().join("recordings")).unwrap() {
        everything.push(("a recording", std::fs::read_to_string(entry.unwrap().path()).unwrap()));
    }
    for name in ["ajar.db", "ajar.db-wal"] {
        everything.push(("the store", String::from_utf8_lossy(&std::fs::read(stage.data().join(name)).unwrap_or_default()).into_owned()));
    }
    let digits = token.len() - 64;
    for (what, text) in &everything {
        for secret in [&token[digits..], "admin's password", "dev's own password", "superuser's password", &verifier] {
            let line = text.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{what} holds a secret: {line:?}");
        }
    }
    // People's names and reasons are not in the ledger's events, nor in logs or metrics: commitments are.
    let events: Vec<_> = everything[2].1.lines().filter(|l| l.contains("\"kind\":\"request.filed\"")).collect();
    assert!(!events.is_empty() && events.iter().all(|l| !l.contains("a test")), "{events:?}");
    assert!(!everything[1].1.contains("dev\""), "a metric names a person");
}
