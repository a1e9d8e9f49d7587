//! The story that the issue tells, as a test: ask, approve, get in with psql, be refused by PostgreSQL, be cut, prove it.

use std::io::{BufRead, BufReader};

use crate::stage::{Kept, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn the_story_on_15() {
    story(15).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_on_18() {
    story(18).await;
}

async fn story(major: u32) {
    let stage = Stage::on(major).await;

    // dev, who has no access, is held, and told who was asked and where to look.
    let (code, _, err) = stage.ajar("dev", &["setup", "pg"]);
    assert_eq!(code, 0, "{err}");
    let mut psql = stage.command("dev", &[]);
    psql = {
        let mut command = std::process::Command::new("psql");
        command.args(["-X", "-A", "-t", "service=orders-db"]);
        command.args(["-c", "select count(*) from orders", "-c", "update orders set status = 'mine'", "-c", "select session_user"]);
        for (name, value) in psql.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    };
    let mut held = psql.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut talk = BufReader::new(held.stderr.take().unwrap()).lines().map(Result::unwrap);
    let filed = talk.next().unwrap();
    assert!(filed.starts_with("NOTICE:  request req_"), "{filed}");
    let request = filed.split_whitespace().nth(2).unwrap().to_owned();
    assert_eq!(talk.next().unwrap(), "NOTICE:  asked: peer, second");
    assert!(talk.next().unwrap().ends_with(&format!("/requests/{request}")));

    // peer sees who, what, why, how long.
    let inbox = stage.json("peer", &["inbox"]);
    assert_eq!(inbox.as_array().unwrap().len(), 1);
    let entry = &inbox[0];
    for (field, value) in [("requester", "dev"), ("resource", "orders-db"), ("role", "read"), ("for", "10m"), ("state", "pending")] {
        assert_eq!(entry[field], value);
    }
    let short = &request[request.len() - 6..];
    let approved = stage.json("peer", &["approve", short, "--note", "go"]);
    assert_eq!(approved["reviews"][0]["note"], "go");
    let grant = approved["grants"][0]["id"].as_str().unwrap().to_owned();

    // dev is in, reads, and PostgreSQL itself refuses the write.
    let rest: Vec<String> = talk.collect();
    let held = Kept(held);
    let (code, out, _) = held.finish();
    assert_eq!(code, 0, "{rest:?}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "5000");
    assert!(rest.iter().any(|l| l.contains("permission denied for table orders")), "{rest:?}");
    let login = lines[1].to_owned();
    assert_eq!(stage.logins().await.join(" "), login);

    // The same grant is used again, without asking; then given back: cut, revoked, proven.
    let (code, out, err) = Kept(stage.psql("dev", "orders-db", &["select 1"]).spawn().unwrap()).finish();
    assert_eq!((code, out.as_str()), (0, "1\n"), "{err}");
    let mut open = stage.psql("dev", "orders-db", &["select pg_sleep(600)"]).spawn().map(Kept).unwrap();
    stage.wait_until("the third session is live", || stage.json("dev", &["status"])["live"] == 1);
    assert!(open.0.try_wait().unwrap().is_none());
    let (code, _, err) = stage.ajar("dev", &["return", &grant]);
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = open.finish();
    assert_eq!(code, 2, "{err}");
    assert!(err.contains(&format!("FATAL:  this session is cut: {grant} was returned")), "{err}");
    assert!(err.contains("HINT:  to go on, ask again: ajar request orders-db --role read"), "{err}");
    let proof = stage.proven_gone(&grant);
    assert_eq!(proof["leases"][0]["state"], "revoked");
    assert!(proof["leases"][0]["proof"].as_str().unwrap().contains(&login));
    assert_eq!(stage.logins().await, Vec::<String>::new());

    // What happened can be read.
    let sessions = stage.json("dev", &["sessions"]);
    let first = sessions.as_array().unwrap().last().unwrap();
    let (code, replay, _) = stage.ajar("dev", &["replay", first["id"].as_str().unwrap()]);
    assert_eq!(code, 0);
    for line in ["select count(*) from orders  → SELECT 1, 1 row", "update orders set status = 'mine'  → ERROR 42501 permission denied"]
    {
        assert!(replay.contains(line), "{replay}");
    }

    // The same with commands: two have to approve writing.
    let request = stage.json("dev", &["request", "orders-db", "--role", "write", "--for", "10m", "--reason", "INC-7: fix stuck order"]);
    let id = request["id"].as_str().unwrap();
    let waiting =
        stage.command("dev", &["request", "--again", id, "--wait", "60s", "-o", "json"]).stdout(std::process::Stdio::piped()).spawn();
    let waiting = Kept(waiting.unwrap());
    assert_eq!(stage.json("peer", &["approve", id])["state"], "pending");
    assert_eq!(stage.json("second", &["approve", id])["state"], "approved");
    let (code, out, _) = waiting.finish();
    assert_eq!(code, 0);
    let after: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((after["id"].as_str(), after["state"].as_str()), (Some(id), Some("approved")), "the same request was found again");
    let sql = "update orders set status = 'sent' where id = 7 returning status";
    let out = stage.command("dev", &["psql", "orders-db", "--role", "write", "--", "-X", "-A", "-t", "-q", "-c", sql]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stdout), "sent\n", "{}", String::from_utf8_lossy(&out.stderr));

    // An operator revokes, and it is over at once.
    let grant = after["grants"][0]["id"].as_str().unwrap();
    let mut wishes = stage.psql("dev", "orders-db", &["select pg_sleep(600)"]);
    let open = Kept(wishes.env("PGOPTIONS", "-c ajar.role=write").spawn().unwrap());
    stage.wait_until("the session is live", || stage.json("dev", &["status"])["live"] == 1);
    stage.json("operator", &["revoke", grant]);
    let (_, _, err) = open.finish();
    assert!(err.contains("was revoked"), "{err}");
    stage.proven_gone(grant);
    assert_eq!(stage.logins().await, Vec::<String>::new());

    proven_offline(&stage);
}

/// An auditor takes key, checkpoint and export away, and checks them without the server.
pub(crate) fn proven_offline(stage: &Stage) {
    let at = |name: &str| stage.folder().join(name).to_str().unwrap().to_owned();
    let (code, key, _) = stage.ajar("auditor", &["ledger", "key"]);
    assert_eq!(code, 0);
    std::fs::write(at("key"), key).unwrap();
    let (code, checkpoint, _) = stage.ajar("auditor", &["ledger", "checkpoint"]);
    assert_eq!(code, 0);
    std::fs::write(at("kept"), checkpoint).unwrap();
    assert_eq!(stage.ajar("auditor", &["ledger", "export", "--to", &at("export")]).0, 0);
    let verify = |file: &str| stage.ajar("auditor", &["ledger", "verify", &at(file), "--key", &at("key"), "--checkpoint", &at("kept")]);
    let (code, out, err) = verify("export");
    assert_eq!(code, 0, "{out}{err}");
    let export = std::fs::read_to_string(at("export")).unwrap();
    let lines: Vec<&str> = export.lines().collect();
    let write = |name: &str, lines: &[&str]| std::fs::write(at(name), lines.iter().flat_map(|l| [l, "\n"]).collect::<String>()).unwrap();
    write("edited", &lines.iter().map(|l| if l.contains("approve") { "{}" } else { l }).collect::<Vec<_>>());
    write("shorter", &[&lines[..lines.len() / 2], &lines[lines.len() - 5..]].concat());
    for bad in ["edited", "shorter"] {
        let (code, out, _) = verify(bad);
        assert_eq!(code, 1, "{bad}: {out}");
        assert!(out.contains("NO"), "{out}");
    }
    // Not for everybody.
    let (code, _, _) = stage.ajar("dev", &["ledger", "export"]);
    assert_eq!(code, 3);
}
