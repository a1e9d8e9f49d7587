//! Every route of the API: with no token, with narrower tokens, for somebody it is nothing to, with bad input, and as it should be.
//! A route that is not listed here fails the test.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::stage::{Stage, password, text};
use crate::wire::Wire;

/// A route and who gets what.
struct Route {
    /// Method and path, as in the OpenAPI document.
    name: &'static str,
    body: &'static str,
    /// What somebody gets who is signed in and whom it doesn't concern.
    stranger: u16,
    /// Somebody whom it concerns.
    who: &'static str,
    /// What they get.
    happy: u16,
    /// A body that can't be meant, and what it gets.
    bad: Option<(&'static str, u16)>,
}

const fn get(name: &'static str, stranger: u16, who: &'static str) -> Route {
    Route { name, body: "", stranger, who, happy: 200, bad: None }
}

const fn post(name: &'static str, body: &'static str, stranger: u16, who: &'static str, bad: Option<(&'static str, u16)>) -> Route {
    Route { name, body, stranger, who, happy: 200, bad }
}

/// Files come in a body, though nothing is changed by them.
const PLAN: &str = "POST /api/v1/policy/plan";
const REPLAY: &str = "POST /api/v1/policy/replay";
/// It reads everything, and changes nothing.
const VERIFY: &str = "POST /api/v1/ledger/verify";

/// What is public; hosts fetch it.
const PUBLIC: [&str; 2] = ["GET /ssh/revocations", "GET /ssh/users.pub"];
const ANSWER: &str = r#"{"ceremony":"x","credential":{}}"#;
const SSH_KEY: &str = r#"{"public_key":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti"}"#;
const SSH_HOST: &str =
    r#"{"public_key":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti","names":["web-1.internal"]}"#;
const SSH_DIRECT: &str =
    r#"{"public_key":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti","resource":"orders-db"}"#;

/// In an order in which each happy path is possible: what ends things comes last.
const ROUTES: [Route; 88] = [
    get("GET /ssh/revocations", 200, "dev"),
    get("GET /ssh/users.pub", 200, "dev"),
    get("GET /api/v1/ssh/authorities", 200, "dev"),
    post("POST /api/v1/ssh/certificates", SSH_KEY, 200, "dev", Some((r#"{"public_key":7}"#, 422))),
    post("POST /api/v1/ssh/hosts", SSH_HOST, 403, "operator", Some((r#"{"public_key":"ssh-ed25519 A","names":["web"]}"#, 400))),
    // It is a database.
    Route { happy: 400, ..post("POST /api/v1/ssh/direct", SSH_DIRECT, 404, "dev", Some((r#"{"public_key":7}"#, 422))) },
    get("GET /api/v1/me", 200, "dev"),
    get("GET /api/v1/doors", 200, "dev"),
    get("GET /api/v1/resources", 200, "dev"),
    get("GET /api/v1/resources/{name}/explain", 404, "dev"),
    get("GET /api/v1/catalogue", 200, "dev"),
    get("GET /api/v1/people", 200, "dev"),
    get("GET /api/v1/groups", 200, "dev"),
    get("GET /api/v1/status", 200, "dev"),
    get("GET /api/v1/policy/schema", 200, "dev"),
    get("GET /api/v1/ledger/key", 200, "dev"),
    get("GET /api/v1/requests", 200, "dev"),
    get("GET /api/v1/inbox", 200, "peer"),
    get("GET /api/v1/notices", 200, "peer"),
    get("GET /api/v1/requests/{id}", 404, "peer"),
    get("GET /api/v1/requests/{id}/timeline", 404, "peer"),
    get("GET /api/v1/requests/{id}/context", 404, "peer"),
    get("GET /api/v1/accesses", 403, "auditor"),
    get("GET /api/v1/search", 200, "dev"),
    get("GET /api/v1/insight", 403, "auditor"),
    get("GET /api/v1/grants", 200, "dev"),
    get("GET /api/v1/grants/{id}", 404, "dev"),
    get("GET /api/v1/grants/{id}/leases", 404, "dev"),
    get("GET /api/v1/sessions", 200, "dev"),
    get("GET /api/v1/sessions/{id}", 404, "dev"),
    get("GET /api/v1/sessions/{id}/recording", 404, "dev"),
    get("GET /api/v1/sessions/{id}/watch", 404, "dev"),
    // Of one that is over it changes nothing.
    post("POST /api/v1/sessions/{id}/kill", r#"{"reason":"odd"}"#, 404, "peer", Some((r#"{"reason":7}"#, 422))),
    get("GET /api/v1/ledger", 403, "auditor"),
    get("GET /api/v1/ledger/export", 403, "auditor"),
    get("GET /api/v1/events", 200, "dev"),
    post("POST /api/v1/ledger/checkpoint", "", 403, "auditor", None),
    get("GET /api/v1/ledger/status", 403, "auditor"),
    post(VERIFY, "", 403, "auditor", None),
    get("GET /api/v1/ledger/events/{seq}/proof", 403, "auditor"),
    post("POST /api/v1/doctor", "", 403, "operator", None),
    get("GET /api/v1/policy", 403, "auditor"),
    get("GET /api/v1/policy/log", 403, "auditor"),
    get("GET /api/v1/policy/suggestions", 403, "auditor"),
    post(REPLAY, "FILES", 403, "auditor", Some((r#"{"files":{"a.toml":"[[rule]]\nname = 7"}}"#, 422))),
    post(PLAN, "FILES", 403, "auditor", Some((r#"{"files":{"a.toml":"[[rule]]\nname = 7"}}"#, 422))),
    post("POST /api/v1/policy", "FILES", 403, "operator", Some((r#"{"files":{"a.toml":"[[rule]]\nname = 7"}}"#, 422))),
    post(
        "POST /api/v1/requests",
        r#"{"resource":"orders-db","role":"write","reason":"why not"}"#,
        404,
        "dev",
        Some((r#"{"resource":7}"#, 422)),
    ),
    post("POST /api/v1/requests/{id}/seen", "", 404, "peer", None),
    post("POST /api/v1/requests/{id}/comments", r#"{"text":"how long?"}"#, 404, "peer", Some((r#"{"text":7}"#, 422))),
    // Nothing is approved yet.
    Route { happy: 403, ..post("POST /api/v1/requests/{id}/take-back", "", 404, "peer", None) },
    post("POST /api/v1/requests/{id}/reviews", r#"{"verdict":"approve"}"#, 404, "peer", Some((r#"{"verdict":"maybe"}"#, 422))),
    get("GET /api/v1/debts", 200, "peer"),
    Route {
        happy: 204,
        ..post("POST /api/v1/debts/{id}/reviews", r#"{"verdict":"approve"}"#, 404, "peer", Some((r#"{"verdict":"maybe"}"#, 422)))
    },
    get("GET /api/v1/locks", 200, "operator"),
    get("GET /api/v1/delegations", 200, "peer"),
    post("POST /api/v1/delegations", r#"{"to":"second","for":"1h"}"#, 200, "peer", Some((r#"{"to":"second"}"#, 422))),
    Route { happy: 204, ..post("DELETE /api/v1/delegations/{id}", "", 404, "peer", None) },
    get("GET /api/v1/preapprovals", 200, "peer"),
    post("POST /api/v1/preapprovals", r#"{"user":"dev","resource":"orders-db","for":"1h"}"#, 404, "peer", Some((r#"{"user":"dev"}"#, 422))),
    Route { happy: 204, ..post("DELETE /api/v1/preapprovals/{id}", "", 404, "peer", None) },
    post("POST /api/v1/locks", r#"{"resource":"quick-db","reason":"odd"}"#, 403, "operator", Some((r#"{"user":7}"#, 422))),
    Route { happy: 204, ..post("DELETE /api/v1/locks/{id}", "", 404, "operator", None) },
    post("POST /api/v1/grants/{id}/extend", r#"{"for":"10m","reason":"not done"}"#, 404, "dev", Some((r#"{"for":7}"#, 422))),
    post("POST /api/v1/grants/{id}/revoke", "", 404, "operator", None),
    post("POST /api/v1/grants/{id}/return", "", 404, "dev", None),
    post("POST /api/v1/requests/{id}/withdraw", "", 404, "dev", None),
    get("GET /api/v1/tokens", 200, "dev"),
    post("POST /api/v1/tokens", r#"{"label":"x","scope":"read"}"#, 200, "dev", Some((r#"{"label":"x","scope":"all"}"#, 422))),
    // There is no HTTP API here; tests/it/entering.rs has the others.
    Route {
        happy: 404,
        ..post(
            "POST /api/v1/http-entries",
            r#"{"to":"https://localhost/orders-db/"}"#,
            404,
            "dev",
            Some((r#"{"to":"http://localhost/"}"#, 400)),
        )
    },
    Route { happy: 204, ..post("DELETE /api/v1/tokens/{id}", "", 404, "dev", None) },
    Route { happy: 204, ..post("POST /api/v1/password", "PASSWORD", 401, "dev", Some((r#"{"new":"short"}"#, 401))) },
    post("POST /api/v1/sign-in", "SIGN-IN", 401, "dev", Some((r#"{"name":"dev"}"#, 422))),
    // At an address there are no passkeys; what they do where there are is in passkeys.rs.
    get("GET /api/v1/passkeys", 200, "dev"),
    Route { happy: 403, ..post("POST /api/v1/passkeys/register", "{}", 403, "dev", Some((r#"{"current":7}"#, 422))) },
    Route { happy: 403, ..post("POST /api/v1/passkeys", ANSWER, 403, "dev", Some((r#"{"ceremony":7}"#, 422))) },
    Route { happy: 403, ..post("POST /api/v1/passkeys/step-up", "", 403, "dev", None) },
    Route { happy: 403, ..post("POST /api/v1/passkeys/step-up/finish", ANSWER, 403, "dev", Some((r#"{"ceremony":7}"#, 422))) },
    Route { happy: 404, ..post("DELETE /api/v1/passkeys/{id}", "", 404, "dev", None) },
    Route { happy: 403, ..post("POST /api/v1/browser/passkey", "", 403, "dev", None) },
    Route { happy: 403, ..post("POST /api/v1/browser/passkey/finish", ANSWER, 403, "dev", None) },
    // A token is not a browser's cookie; what they do with one is in browser.rs.
    post("POST /api/v1/cli-logins", r#"{"label":"x"}"#, 200, "dev", None),
    Route { happy: 401, ..get("GET /api/v1/cli-logins/{code}", 401, "dev") },
    Route { happy: 401, ..post("POST /api/v1/cli-logins/{code}/approve", "", 401, "dev", None) },
    Route { happy: 401, ..post("POST /api/v1/cli-logins/{code}/refuse", "", 401, "dev", None) },
    Route { happy: 410, ..post("POST /api/v1/cli-logins/{id}/token", r#"{"secret":"x"}"#, 410, "dev", None) },
    // With the header of our own pages; what comes without it is in browser.rs.
    post("POST /api/v1/browser/sign-in", "BROWSER-SIGN-IN", 401, "dev", Some((r#"{"name":"dev"}"#, 422))),
    Route { happy: 204, ..post("POST /api/v1/browser/sign-out", "", 204, "dev", None) },
];

/// The real ids behind `{id}`.
struct Ids {
    request: String,
    grant: String,
    session: String,
    token: String,
    lock: String,
    debt: String,
    delegation: String,
    preapproval: String,
}

struct Caller<'a> {
    base: &'a str,
    token: Option<&'a str>,
}

impl Caller<'_> {
    fn send(&self, route: &str, body: &str) -> (u16, String) {
        let (method, path) = route.split_once(' ').unwrap();
        let mut curl = Command::new("curl");
        curl.args(["-s", "--max-time", "30", "-w", "\n%{http_code}", "-X", method, "-H", "ajar-web: 1"]);
        if let Some(token) = self.token {
            curl.args(["-H", &format!("Authorization: Bearer {token}")]);
        }
        if !body.is_empty() {
            curl.args(["-H", "content-type: application/json", "-d", body]);
        }
        // A stream of events goes on for ever: its first answer is enough.
        if path.ends_with("/events") {
            curl.args(["--max-time", "3"]);
        }
        let out = curl.arg(format!("{}{path}", self.base)).output().unwrap();
        let text = text(&out.stdout);
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }
}

fn full_token(base: &str, who: &str) -> (String, String) {
    let body = format!(r#"{{"name":"{who}","password":"{}","label":"test"}}"#, password(who).trim_end());
    let (status, body) = Caller { base, token: None }.send("POST /api/v1/sign-in", &body);
    assert_eq!(status, 200, "{who}: {body}");
    let value: Value = serde_json::from_str(&body).unwrap();
    (value["token"].as_str().unwrap().to_owned(), value["id"].as_str().unwrap().to_owned())
}

fn narrow_token(base: &str, full: &str, scope: &str) -> String {
    let body = format!(r#"{{"label":"narrow","scope":"{scope}"}}"#);
    let (status, body) = Caller { base, token: Some(full) }.send("POST /api/v1/tokens", &body);
    assert_eq!(status, 200, "{body}");
    let value: Value = serde_json::from_str(&body).unwrap();
    value["token"].as_str().unwrap().to_owned()
}

fn documented() -> BTreeSet<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, methods): (&String, &Value)| {
        methods.as_object().unwrap().keys().map(|m| format!("{} {path}", m.to_uppercase())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

#[test]
fn every_route_of_the_api_has_its_case() {
    let cases: BTreeSet<String> = ROUTES.iter().map(|r| r.name.to_owned()).collect();
    assert_eq!(cases.len(), ROUTES.len());
    assert_eq!(cases, documented());
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_i20_w03_every_route_refuses_whom_it_does_not_concern() {
    let stage = Stage::new().await;
    let base = format!("http://127.0.0.1:{}", stage.api());
    let grant = stage.approved("dev", "read", "10m");
    let _session = Wire::open(&stage, "dev", "orders-db");
    let sessions = stage.json("dev", &["sessions"]);
    // Its recording can be read when it is over.
    let over = Wire::open(&stage, "dev", "orders-db");
    drop(over);
    stage.wait_until("a session is over", || {
        stage.json("dev", &["sessions"]).as_array().is_some_and(|all| all.iter().any(|s| s["state"] == "ended"))
    });
    let ended = stage.json("dev", &["sessions"]);
    let ended = ended.as_array().unwrap().iter().find(|s| s["state"] == "ended").unwrap();
    assert!(sessions.as_array().is_some_and(|s| !s.is_empty()));
    let pending = stage.json("dev", &["request", "orders-db", "--role", "write", "--reason", "a test"]);
    let full = |who: &str| full_token(&base, who);
    let tokens: Vec<(&str, String)> = ["dev", "peer", "operator", "auditor", "stranger"].map(|who| (who, full(who).0)).to_vec();
    let token_of = |who: &str| tokens.iter().find(|(name, _)| *name == who).map(|(_, token)| token.as_str()).unwrap();
    let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
    let emergency = ["request", "orders-db", "--role", "write", "--emergency", "--reason", "orders are lost"];
    stage.json("dev", &emergency);
    let debt = id(&stage.json("dev", &["debts"])[0]);
    let lock = id(&stage.json("operator", &["lock", "quick-db"])[0]);
    let next_week = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() + 7 * 24 * 3_600_000;
    let next_week = ajar_core::time::Timestamp::from_millis(next_week.try_into().unwrap()).to_string();
    let delegation = id(&stage.json("peer", &["delegate", "second", "--for", "1d", "--from", &next_week])[0]);
    let preapproval = id(&stage.json("peer", &["preapprove", "dev", "orders-db/read", "--for", "1h"])[0]);
    let ids = Ids { request: id(&pending), grant, session: id(ended), token: full("dev").1, lock, debt, delegation, preapproval };
    let policy = |stage: &Stage| {
        let files = ["people.toml", "rules.toml", "resources.toml"];
        let read = |f: &str| (f.to_owned(), Value::String(std::fs::read_to_string(stage.policy().join(f)).unwrap()));
        serde_json::json!({ "files": files.into_iter().map(read).collect::<serde_json::Map<_, _>>() }).to_string()
    };
    let body = |route: &Route| match route.body {
        "FILES" => policy(&stage),
        "PASSWORD" => format!(r#"{{"current":"{}","new":"another long password"}}"#, password("dev").trim_end()),
        "SIGN-IN" => r#"{"name":"dev","password":"another long password","label":"x"}"#.to_owned(),
        "BROWSER-SIGN-IN" => r#"{"name":"dev","password":"another long password"}"#.to_owned(),
        other => other.to_owned(),
    };
    let path = |route: &Route| {
        let id: &str = match () {
            () if route.name.contains("/requests/") => &ids.request,
            () if route.name.contains("/grants/") => &ids.grant,
            () if route.name.contains("/sessions/") => &ids.session,
            () if route.name.contains("/debts/") => &ids.debt,
            () if route.name.contains("/locks/") => &ids.lock,
            () if route.name.contains("/delegations/") => &ids.delegation,
            () if route.name.contains("/preapprovals/") => &ids.preapproval,
            () if route.name.contains("/passkeys/") => "pk_01h455vb4pex5vsknk084sn02q",
            () => &ids.token,
        };
        route.name.replace("{id}", id).replace("{name}", "orders-db").replace("{code}", "BCDF-GHJK").replace("{seq}", "3")
    };
    let nobodys = ["/api/v1/browser/", "/api/v1/cli-logins"];
    let signing_in = |route: &Route| {
        let nobodys = nobodys.iter().any(|path| route.name.contains(path));
        nobodys || route.name.ends_with("/sign-in") || PUBLIC.contains(&route.name)
    };
    let to_connect = |route: &Route| {
        let also = ["GET /api/v1/me", "GET /api/v1/doors", "GET /api/v1/ssh/authorities", "POST /api/v1/ssh/certificates"];
        also.contains(&route.name)
    };
    // First what must change nothing.
    for route in ROUTES.iter().filter(|r| !signing_in(r)) {
        let path = path(route);
        for token in [None, Some("ajar_nonsense"), Some("")] {
            let (status, answer) = Caller { base: &base, token }.send(&path, &body(route));
            assert_eq!(status, 401, "{path} with {token:?}: {answer}");
        }
        let connect = narrow_token(&base, token_of(route.who), "connect");
        let (status, answer) = Caller { base: &base, token: Some(&connect) }.send(&path, &body(route));
        assert_eq!(status, if to_connect(route) { 200 } else { 403 }, "{path} with a token for connecting: {answer}");
        let read = narrow_token(&base, token_of(route.who), "read");
        let (status, answer) = Caller { base: &base, token: Some(&read) }.send(&path, &body(route));
        let reads = route.name.starts_with("GET") || [PLAN, REPLAY, VERIFY].contains(&route.name);
        assert_eq!(status, if reads { 200 } else { 403 }, "{path} with a token for reading: {answer}");
        let (status, answer) = Caller { base: &base, token: Some(token_of("stranger")) }.send(&path, &body(route));
        assert_eq!(status, route.stranger, "{path} for a stranger: {answer}");
        for unknown in ["orders-db", "%00", "..%2f..", "req_00000000000000000000000000", &"9".repeat(5_000)] {
            if route.name.contains("{id}") {
                let (status, answer) =
                    Caller { base: &base, token: Some(token_of(route.who)) }.send(&route.name.replace("{id}", unknown), &body(route));
                assert!([400, 404].contains(&status), "{} with {unknown:.20}: {status} {answer}", route.name);
            }
        }
        if let Some((bad, expected)) = route.bad {
            let caller = Caller { base: &base, token: Some(token_of(route.who)) };
            let (status, answer) = caller.send(&path, bad);
            assert_eq!(status, expected, "{path} with {bad}: {answer}");
            assert!(answer.contains("urn:ajar:problem:"), "{path} with {bad}: {answer}");
            // O2: nested for ever, cut off, or larger than anything that can be meant. The last is refused before it is read, so that the
            // client may find the connection closed while it still sends: no status, or only the leave to go on.
            for (hostile, expected) in
                [("[".repeat(60_000), [400, 422, 422]), ("{\"a\":".into(), [400, 422, 422]), ("7".repeat(25 << 20), [413, 100, 0])]
            {
                let file = stage.folder().join("body");
                std::fs::write(&file, &hostile).unwrap();
                let (status, answer) = caller.send(&path, &format!("@{}", file.display()));
                assert!(expected.contains(&status), "{path} with {hostile:.10}: {status} {answer:.100}");
            }
        }
    }
    assert_eq!(stage.json("dev", &["requests", &ids.request])["state"], "pending");
    assert_eq!(stage.grant(&ids.grant)["state"], "open");
    // Then what must work.
    for route in &ROUTES {
        let token = (!signing_in(route)).then(|| token_of(route.who));
        let (status, answer) = Caller { base: &base, token }.send(&path(route), &body(route));
        assert_eq!(status, route.happy, "{}: {answer}", route.name);
    }
    assert_eq!(stage.grant(&ids.grant)["state"].as_str().map(|s| s.starts_with("clos")), Some(true));
    let (status, answer) = Caller { base: &base, token: None }.send("GET /nothing/here", "");
    assert_eq!((status, answer.contains("there is nothing here")), (404, true), "{answer}");
}
