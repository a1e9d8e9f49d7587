//! Going on with a grant, with the CLI against the server and a real psql in the session that goes on (I07).

use std::time::{Duration, Instant, SystemTime};

use crate::stage::{Kept, Stage};

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn instant(value: &serde_json::Value) -> i64 {
    value.as_str().unwrap().parse::<ajar_core::time::Timestamp>().unwrap().as_millis()
}

#[tokio::test(flavor = "multi_thread")]
async fn i07_psql_outlives_its_first_deadline_and_is_cut_at_the_new_one() {
    let stage = Stage::new().await;
    let first = stage.approved("dev", "read", "20s");
    let open = Kept(stage.psql("dev", "orders-db", &["select pg_sleep(600)"]).spawn().unwrap());
    stage.wait_until("it is live", || stage.json("dev", &["status"])["live"] == 1);
    let login = stage.logins().await;

    // To whom it doesn't belong it is not there (R7); its owner's request is decided like any other (I03).
    for who in ["peer", "stranger", "operator"] {
        let (code, _, err) = stage.ajar(who, &["extend", &first, "--for", "15s", "--reason", "not done"]);
        assert!(code != 0 && err.contains("there is no grant"), "{who}: {code}: {err}");
    }
    let asked = stage.json("dev", &["extend", &first, "--for", "15s", "--reason", "not done"]);
    assert_eq!((&asked["state"], &asked["extends"]), (&"pending".into(), &first.as_str().into()));
    let id = asked["id"].as_str().unwrap();
    assert_eq!(stage.json("dev", &["extend", &first, "--for", "15s", "--reason", "again"])["id"], id, "one at a time");
    let (_, table, _) = stage.ajar("peer", &["requests", id]);
    assert!(table.contains(&format!("{first}: it ends so much later")), "{table}");
    let (code, _, err) = stage.ajar("dev-admin", &["approve", id]);
    assert!(code == 3 && err.contains("not yours"), "{code}: {err}");
    let approved = stage.json("second", &["approve", id]);
    let second = approved["grants"][0]["id"].as_str().unwrap().to_owned();

    let (old, new) = (stage.grant(&first), stage.grant(&second));
    assert_eq!(
        (&old["state"], &old["closed_because"], &old["extended_by"]),
        (&"closed".into(), &"extended".into(), &second.as_str().into())
    );
    assert_eq!((&new["state"], &new["extends"]), (&"open".into(), &first.as_str().into()));
    assert_eq!(instant(&new["ends_at"]), instant(&old["ends_at"]) + 15_000);
    let sessions = stage.json("dev", &["sessions"]);
    assert_eq!((&sessions[0]["grant"], &sessions[0]["state"]), (&second.as_str().into(), &"live".into()));
    let (_, table, _) = stage.ajar("dev", &["grants", &first]);
    assert!(table.contains("goes on as") && table.contains(&second), "{table}");

    // The target itself lets the same login expire later (I12), and whoever comes now uses it.
    let boss = stage.target.connect("postgres").await.unwrap();
    let question = "select round(extract(epoch from rolvaliduntil) * 1000)::int8 from pg_roles where rolname = $1";
    let start = Instant::now();
    while boss.query_one(question, &[&login[0]]).await.unwrap().get::<_, i64>(0) != instant(&new["ends_at"]) {
        assert!(start.elapsed() < Duration::from_secs(10), "the login's expiry was not moved");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (code, out, err) = Kept(stage.psql("dev", "orders-db", &["select current_user"]).spawn().unwrap()).finish();
    assert_eq!((code, out.trim(), stage.logins().await), (0, login[0].as_str(), login.clone()), "{err}");

    std::thread::sleep(Duration::from_millis(u64::try_from(instant(&old["ends_at"]) + 1_500 - now()).unwrap_or(0)));
    assert_eq!(stage.json("dev", &["status"])["live"], 1, "its first deadline is past");
    assert_eq!(stage.grant(&second)["state"], "open");
    let (code, _, err) = open.finish();
    let late = now() - instant(&new["ends_at"]);
    assert!((-100..1_000).contains(&late), "{late} ms after its new end");
    assert_eq!(code, 2, "{err}");
    // What psql was told, in order: the move, the warning and the cut, each with the new end.
    let end = new["ends_at"].as_str().unwrap();
    let at = |words: &str| err.find(words).unwrap_or_else(|| panic!("{words}: {err}"));
    let told = [
        at(&format!("this session goes on until {end}, under {second}")),
        at(&format!("{second} ends in")),
        at(&format!("this session is cut: {second} has ended")),
    ];
    assert!(told.is_sorted(), "{err}");

    assert_eq!(stage.proven_gone(&second)["closed_because"], "expired");
    assert_eq!(stage.logins().await, Vec::<String>::new());
    let leases = stage.json("dev", &["grants", &second]);
    assert!(leases["leases"][0]["proof"].is_string(), "{leases}");
    let (_, ended, _) = stage.ajar("auditor", &["ledger", "search", "--kind", "session.ended", "-o", "json"]);
    assert!(ended.contains("\"late_ms\":0"), "{ended}");
    let export = stage.folder().join("export");
    let (code, _, err) = stage.ajar("auditor", &["ledger", "export", "--to", export.to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    let (_, key, _) = stage.ajar("auditor", &["ledger", "key"]);
    let (code, out, err) = stage.ajar("auditor", &["ledger", "verify", export.to_str().unwrap(), "--key", key.trim()]);
    assert_eq!(code, 0, "{out}{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn i13_what_went_on_is_cut_when_either_grant_is_revoked_and_after_a_restart_nothing_is_left() {
    let mut stage = Stage::new().await;
    let opened = |stage: &Stage| -> String {
        stage.json("dev", &["request", "quick-db", "--role", "read", "--for", "10m"])["grants"][0]["id"].as_str().unwrap().to_owned()
    };
    for old in [true, false] {
        let first = opened(&stage);
        let open = Kept(stage.psql("dev", "quick-db", &["select pg_sleep(600)"]).spawn().unwrap());
        stage.wait_until("it is live", || stage.json("dev", &["status"])["live"] == 1);
        // Nobody has to approve it, so that it goes on at once.
        let filed = stage.json("dev", &["extend", &first, "--for", "10m"]);
        assert_eq!(filed["state"], "approved", "{filed}");
        let second = filed["grants"][0]["id"].as_str().unwrap().to_owned();
        let (code, _, err) = stage.ajar("operator", &["revoke", if old { &first } else { &second }]);
        assert_eq!(code, 0, "{err}");
        let (code, _, err) = open.finish();
        assert!(code == 2 && err.contains(&format!("{second} was revoked")), "{code}: {err}");
        assert_eq!(stage.proven_gone(&second)["closed_because"], "revoked");
        assert_eq!(stage.logins().await, Vec::<String>::new());
        let (code, _, err) = stage.ajar("dev", &["extend", &second]);
        assert!(code == 6 && err.contains("is closed"), "{code}: {err}");
    }
    let first = opened(&stage);
    let _open = Kept(stage.psql("dev", "quick-db", &["select pg_sleep(600)"]).spawn().unwrap());
    stage.wait_until("it is live", || stage.json("dev", &["status"])["live"] == 1);
    let filed = stage.json("dev", &["extend", &first, "--for", "10m"]);
    let second = filed["grants"][0]["id"].as_str().unwrap().to_owned();
    stage.end("-KILL");
    assert_eq!(stage.logins().await.len(), 1);
    stage.run();
    assert_eq!(stage.logins().await, Vec::<String>::new(), "its password died with the process");
    assert_eq!(stage.grant(&second)["state"], "open");
    let (code, out, err) = Kept(stage.psql("dev", "quick-db", &["select 1"]).spawn().unwrap()).finish();
    assert_eq!((code, out.as_str()), (0, "1\n"), "{err}");
}
