//! HTTP APIs with stock clients: ask, be held, approve, get in, be refused by the role, be recorded, be cut.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::stage::{Kept, Stage};

const CANARY: &str = "canary-4f1c0a7e-of-the-sample-api";

/// What curl got: the body, the status, the version of HTTP.
fn got(command: &mut Command) -> (Value, String) {
    let out = command.output().unwrap();
    read(&String::from_utf8_lossy(&out.stdout), &String::from_utf8_lossy(&out.stderr))
}

fn read(out: &str, err: &str) -> (Value, String) {
    let (body, status) = out.rsplit_once('\n').unwrap_or_else(|| panic!("{out}{err}"));
    (serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned())), status.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_by_http() {
    let stage = Stage::with_api(CANARY).await;
    let (dev, url) = (stage.token("dev"), stage.web());
    let orders = format!("{url}/orders");

    // Without a grant: what to do, for programs and for people.
    let (problem, status) = got(&mut stage.curl(&dev, &[&orders]));
    assert_eq!((status.as_str(), &problem["type"]), ("403 2", &"urn:ajar:pending".into()), "{problem}");
    let request = problem["request"].as_str().unwrap().to_owned();
    assert!(problem["link"].as_str().unwrap().ends_with(&format!("/requests/{request}")), "{problem}");
    let again = got(&mut stage.curl(&dev, &[&orders])).0;
    assert_eq!(again["request"], request.as_str(), "the same request is found again");
    let page =
        stage.curl(&dev, &["-H", "Accept: text/html", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", &orders]).output().unwrap();
    assert!(String::from_utf8_lossy(&page.stdout).contains(&format!("303 http://127.0.0.1:{}/requests/{request}", stage.api())));

    // Held: the call waits for the decision.
    let held = Kept(stage.curl(&dev, &["-H", "Ajar-Hold: 60s", &format!("{url}/orders/7")]).spawn().unwrap());
    stage.wait_until("the call is held", || stage.json("dev", &["status"])["held"] == 1);
    stage.json("peer", &["approve", &request, "--note", "go"]);
    let (code, out, err) = held.finish();
    assert_eq!((code, read(&out, &err).0["id"].as_u64()), (0, Some(7)), "{out}{err}");
    let grant = stage.json("dev", &["grants"])[0]["id"].as_str().unwrap().to_owned();

    // In, over both versions of HTTP; the caller's token goes no further, the target's secret comes no nearer.
    for (version, wanted) in [("--http1.1", "200 1.1"), ("--http2", "200 2")] {
        let (body, status) = got(&mut stage.curl(&dev, &[version, &orders]));
        assert_eq!((status.as_str(), body[0]["id"].as_u64()), (wanted, Some(1)), "{body}");
    }
    let basic = ["-u", &format!("dev:{dev}")];
    let (_, status) =
        got(Command::new("curl").args(["-sS", "-w", "\n%{http_code}", &orders]).arg("--cacert").arg(stage.authority()).args(basic));
    assert_eq!(status, "200");
    let (problem, status) = got(&mut stage.curl(&dev, &["-X", "POST", &format!("{url}/orders/7/refund")]));
    assert_eq!((status.as_str(), &problem["type"]), ("403 2", &"urn:ajar:not_in_role".into()), "{problem}");
    let (problem, status) = got(&mut stage.curl(&dev, &["--path-as-is", &format!("{url}/orders/..%2f..%2fadmin")]));
    assert_eq!((status.as_str(), &problem["type"]), ("400 2", &"urn:ajar:bad_request".into()), "{problem}");

    // A child process has what it needs, and its exit code is ours.
    let script = r#"curl -sS --cacert "$SAMPLE_API_CA_FILE" -H "Authorization: Bearer $SAMPLE_API_TOKEN" "$SAMPLE_API_URL/status"; exit 7"#;
    let (code, out, err) = stage.ajar("dev", &["run", "--with", "sample-api", "--", "sh", "-c", script]);
    assert_eq!((code, out.as_str()), (7, r#"{"status":"fine"}"#), "{err}");
    let refund = r#"curl -sS -f --cacert "$SAMPLE_API_CA_FILE" -H "Authorization: Bearer $SAMPLE_API_TOKEN" -H "Ajar-Role: $SAMPLE_API_ROLE" -X POST "$SAMPLE_API_URL/orders/7/refund""#;
    let run = ["run", "--with", "sample-api/refund", "--reason", "INC-7: refund it", "--", "sh", "-c", refund];
    let waits = Kept(stage.command("dev", &run).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    stage.wait_until("the refund waits", || stage.json("peer", &["inbox"]).as_array().is_some_and(|all| all.len() == 1));
    let id = stage.json("peer", &["inbox"])[0]["id"].as_str().unwrap().to_owned();
    stage.json("peer", &["approve", &id]);
    let (code, out, err) = waits.finish();
    assert_eq!((code, out.as_str()), (0, r#"{"id":7,"status":"refunded"}"#), "{err}");

    // A local port, for programs that know nothing of any of this; no page in a browser can use it.
    let mut proxy = Kept(stage.command("dev", &["proxy", "sample-api"]).stderr(Stdio::piped()).spawn().unwrap());
    let said = BufReader::new(proxy.0.stderr.take().unwrap()).lines().next().unwrap().unwrap();
    let local = said.split_whitespace().find(|word| word.starts_with("http://")).unwrap_or_else(|| panic!("{said}")).to_owned();
    let plain = |args: &[&str]| got(Command::new("curl").args(["-sS", "-w", "\n%{http_code}", &format!("{local}/orders/3")]).args(args));
    assert_eq!(plain(&[]), (serde_json::json!({ "id": 3, "status": "stuck", "cents": 5_997 }), "200".into()));
    assert_eq!(plain(&["-H", "Origin: https://evil.example"]).1, "403");
    drop(proxy);

    // Given back: over at once.
    assert_eq!(stage.ajar("dev", &["return", &grant]).0, 0);
    let (problem, status) = got(&mut stage.curl(&dev, &["-H", "Ajar-Role: read", &orders]));
    assert_eq!((status.as_str(), &problem["type"]), ("403 2", &"urn:ajar:pending".into()), "{problem}");
    stage.proven_gone(&grant);

    // What happened can be read, and holds no secret.
    stage.wait_until("the session has ended", || {
        stage
            .json("auditor", &["sessions", "--all"])
            .as_array()
            .unwrap()
            .iter()
            .filter(|s| s["grant"] == grant.as_str())
            .all(|s| s["state"] == "ended")
    });
    let sessions = stage.json("dev", &["sessions"]);
    let of_grant = |s: &&Value| s["grant"] == grant.as_str();
    let replayed: String = sessions
        .as_array()
        .unwrap()
        .iter()
        .filter(of_grant)
        .map(|s| stage.ajar("auditor", &["replay", s["id"].as_str().unwrap()]).1)
        .collect();
    for line in ["GET /orders/7  → 200, 0 bytes in, ", "GET /orders  → 200", "POST /orders/7/refund  → 403 refused"] {
        assert!(replayed.contains(line), "{line}\n{replayed}");
    }
    for (what, text) in [("log", stage.log()), ("recordings", everything(&stage.data().join("recordings")))] {
        assert!(!text.contains(CANARY) && !text.contains(&dev), "a secret is in the {what}");
    }
    assert!(!String::from_utf8_lossy(&std::fs::read(stage.data().join("ajar.db")).unwrap()).contains(CANARY));
    let doctor = stage.json("operator", &["doctor", "sample-api"]);
    assert!(doctor.to_string().contains("answers") && doctor.to_string().contains("authorization can be had"), "{doctor}");
}

pub(crate) fn everything(folder: &std::path::Path) -> String {
    std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn w03_i20_who_may_not_know_of_an_api_or_comes_to_the_wrong_door_learns_nothing() {
    let stage = Stage::with_api(CANARY).await;
    let at = |name: &str| stage.web().replace("/sample-api", &format!("/{name}/orders"));
    let stranger = stage.token("stranger");
    let (known, nothing) = (got(&mut stage.curl(&stranger, &[&at("sample-api")])), got(&mut stage.curl(&stranger, &[&at("no-such-api")])));
    assert_eq!(known, nothing);
    assert_eq!(known.1, "403 2");
    // Databases are not at this door, nor APIs at the other.
    assert_eq!(got(&mut stage.curl(&stranger, &[&at("orders-db")])).1, "403 2");
    let (problem, status) = got(&mut stage.curl(&stage.token("dev"), &[&at("orders-db")]));
    assert_eq!((status.as_str(), problem["hint"].as_str()), ("400 2", Some("ajar psql orders-db")), "{problem}");
    let out = stage.psql("dev", "sample-api", &["select 1"]).output().unwrap();
    assert!(String::from_utf8_lossy(&out.stderr).contains("sample-api is of kind http"), "{out:?}");
    // Tokens for the API alone do not get in; nobody does without one.
    let read = stage.json("dev", &["token", "--scope", "read"])["token"].as_str().unwrap().to_owned();
    assert_eq!(got(&mut stage.curl(&read, &[&at("sample-api")])).1, "401 2");
    assert_eq!(got(&mut stage.curl("ajar_nothing", &[&at("sample-api")])).1, "401 2");
}
