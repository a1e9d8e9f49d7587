//! Browsers: signed in by a cookie, which no other site can use.

use std::process::Command;

use serde_json::{Value, json};

use crate::stage::{Stage, password, text};

/// What a page of ours sends with every call.
pub(crate) const OURS: &[&str] = &["ajar-web: 1", "sec-fetch-site: same-origin"];

/// A browser: it keeps the cookie that it is given and sends it with everything.
pub(crate) struct Browser<'a> {
    stage: &'a Stage,
    /// The token in the cookie.
    pub(crate) cookie: Option<String>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(stage: &'a Stage) -> Self {
        Self { stage, cookie: None }
    }

    /// One in front of which somebody has signed in with their password.
    pub(crate) fn of(stage: &'a Stage, who: &str) -> Self {
        let mut browser = Self::new(stage);
        let (status, answer) = browser.sign_in(who);
        assert_eq!(status, 200, "{answer}");
        browser
    }

    pub(crate) fn sign_in(&mut self, who: &str) -> (u16, Value) {
        self.post("browser/sign-in", &json!({ "name": who, "password": password(who).trim_end() }))
    }

    /// From a page of ours.
    pub(crate) fn delete(&mut self, path: &str) -> (u16, Value) {
        self.send("DELETE", path, OURS, "")
    }

    /// From a page of ours.
    pub(crate) fn get(&mut self, path: &str) -> (u16, Value) {
        self.send("GET", path, &OURS[1..], "")
    }

    /// From a page of ours.
    pub(crate) fn post(&mut self, path: &str, body: &Value) -> (u16, Value) {
        self.send("POST", path, &[OURS, &["content-type: application/json"]].concat(), &body.to_string())
    }

    /// From whatever page it is that sends such headers.
    pub(crate) fn send(&mut self, method: &str, path: &str, headers: &[&str], body: &str) -> (u16, Value) {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-i", "--max-time", "30", "-X", method]);
        for header in headers {
            curl.args(["-H", header]);
        }
        if let Some(cookie) = &self.cookie {
            curl.args(["-H", &format!("cookie: __Host-ajar={cookie}")]);
        }
        if !body.is_empty() {
            curl.args(["--data-binary", body]);
        }
        let out = curl.arg(format!("http://127.0.0.1:{}/api/v1/{path}", self.stage.api())).output().unwrap();
        let answer = text(&out.stdout);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{method} {path}: no answer: {answer}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        for line in head.lines().filter(|line| line.starts_with("set-cookie: ")) {
            let value = line.strip_prefix("set-cookie: __Host-ajar=").unwrap();
            let (token, attributes) = value.split_once("; ").unwrap();
            assert!(attributes.starts_with("Path=/; Max-Age="), "{attributes}");
            assert!(attributes.ends_with("; Secure; HttpOnly; SameSite=Strict"), "{attributes}");
            self.cookie = (!token.is_empty()).then(|| token.to_owned());
        }
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }
}

pub(crate) fn code(answer: &Value) -> &str {
    answer["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn w01_signing_in_gives_a_new_session_and_ends_the_one_before() {
    let stage = Stage::new().await;
    let mut browser = Browser::of(&stage, "dev");
    let first = browser.cookie.clone().unwrap();
    let (status, me) = browser.get("me");
    assert_eq!((status, &me["name"], &me["can_password"], &me["passkeys"]), (200, &json!("dev"), &json!(true), &json!(0)));
    assert!(me["expires_at"].is_string() && me["fresh_until"].is_null(), "{me}");
    // Whoever set the cookie beforehand, even with a token of their own, has nothing of it afterwards.
    let (status, again) = browser.sign_in("peer");
    assert_eq!((status, &again["name"]), (200, &json!("peer")));
    let second = browser.cookie.clone().unwrap();
    assert!(first != second && me["token"] != again["token"]);
    let mut fixed = Browser { stage: &stage, cookie: Some(first) };
    assert_eq!(fixed.get("me").0, 401);
    // A cookie that isn't a token is no way in, and no obstacle to signing in.
    for nonsense in ["ajar_nonsense", "x", &"9".repeat(5_000)] {
        let mut browser = Browser { stage: &stage, cookie: Some(nonsense.to_owned()) };
        assert_eq!(browser.get("me").0, 401, "{nonsense:.20}");
        assert_eq!(browser.sign_in("dev").0, 200, "{nonsense:.20}");
    }
    // A wrong password changes nothing.
    let body = json!({ "name": "peer", "password": "not this one" });
    let (status, answer) = browser.post("browser/sign-in", &body);
    assert_eq!((status, code(&answer)), (401, "bad_credential"));
    assert_eq!(browser.cookie.as_deref(), Some(&*second));
    assert_eq!(browser.get("me").0, 200);
    // Which tokens there are one sees, and the one that asks is marked; what they are isn't shown.
    let (status, tokens) = browser.get("tokens");
    let items = tokens["items"].as_array().unwrap();
    let current: Vec<_> = items.iter().filter(|t| t["current"] == true).collect();
    assert_eq!((status, current.len(), &current[0]["id"], &current[0]["label"]), (200, 1, &again["token"], &json!("browser")));
    assert!(items.len() >= 2 && !tokens.to_string().contains("ajar_"), "{tokens}");
    // Signing out ends the token, not only the cookie.
    let (status, _) = browser.post("browser/sign-out", &json!({}));
    assert_eq!((status, &browser.cookie), (204, &None));
    assert_eq!(Browser { stage: &stage, cookie: Some(second) }.get("me").0, 401);
    assert_eq!(browser.post("browser/sign-out", &json!({})).0, 204, "who is signed out already");
    assert_eq!(browser.get("me").0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn w08_no_other_site_can_use_the_cookie() {
    let stage = Stage::new().await;
    let request = stage.json("dev", &["request", "orders-db", "--role", "read", "--reason", "a test"]);
    let reviews = format!("requests/{}/reviews", request["id"].as_str().unwrap());
    let mut browser = Browser::of(&stage, "peer");
    let approve = r#"{"verdict":"approve"}"#;
    let json_type = "content-type: application/json";
    let own = format!("origin: http://127.0.0.1:{}", stage.api());
    let hostile: &[&[&str]] = &[
        // Forms: their three types, which need no leave from us.
        &["content-type: text/plain", "origin: https://evil.example", "sec-fetch-site: cross-site"],
        &["content-type: text/plain"],
        &["content-type: application/x-www-form-urlencoded"],
        &["content-type: multipart/form-data; boundary=x"],
        &[json_type],
        &[json_type, "sec-fetch-site: same-origin", &own],
        // As if a browser had let the header through.
        &[json_type, "ajar-web: 1", "sec-fetch-site: cross-site"],
        &[json_type, "ajar-web: 1", "sec-fetch-site: same-site"],
        &[json_type, "ajar-web: 1", "sec-fetch-site: none"],
        &[json_type, "ajar-web: 1", "origin: null"],
        &[json_type, "ajar-web: 1", "origin: https://evil.example"],
        &[json_type, "ajar-web: 1", "origin: http://127.0.0.1"],
        &[json_type, "ajar-web: 1", "origin: http://127.0.0.1:1"],
        &[json_type, "ajar-web: true"],
    ];
    for headers in hostile {
        let (status, answer) = browser.send("POST", &reviews, headers, approve);
        assert_eq!((status, code(&answer)), (403, "cross_site"), "{headers:?}: {answer}");
        assert!(answer["hint"].as_str().is_some_and(|hint| hint.contains("http://127.0.0.1:")), "{answer}");
        // Nor can another site sign somebody in as another, or out.
        for path in ["browser/sign-in", "browser/sign-out"] {
            let body = json!({ "name": "dev", "password": password("dev").trim_end() }).to_string();
            let (status, answer) = browser.send("POST", path, headers, &body);
            assert_eq!((status, code(&answer)), (403, "cross_site"), "{path} with {headers:?}: {answer}");
        }
    }
    for site in ["cross-site", "same-site"] {
        let (status, answer) = browser.send("GET", "me", &[&format!("sec-fetch-site: {site}")], "");
        assert_eq!((status, code(&answer)), (403, "cross_site"), "{answer}");
    }
    // Another site's page may not even ask.
    let preflight = ["origin: https://evil.example", "access-control-request-method: POST", "access-control-request-headers: ajar-web"];
    let (status, _) = browser.send("OPTIONS", &reviews, &preflight, "");
    assert!(![200, 204].contains(&status), "{status}");
    assert_eq!(stage.json("dev", &["requests", request["id"].as_str().unwrap()])["state"], "pending");
    // Who says a token says it instead of the cookie: a wrong one is not made good by it.
    let (status, _) = browser.send("GET", "me", &["authorization: Bearer ajar_nonsense"], "");
    assert_eq!(status, 401);
    let (status, _) = browser.send("GET", "me", &["authorization: Basic cGVlcjp4"], "");
    assert_eq!(status, 401);
    let dev = format!("authorization: Bearer {}", stage.full_token("dev"));
    let (status, me) = browser.send("GET", "me", &[&dev, "sec-fetch-site: cross-site"], "");
    assert_eq!((status, &me["name"]), (200, &json!("dev")), "a token is no browser's");
    // From our own page it works.
    let (status, answer) = browser.send("POST", &reviews, &[json_type, "ajar-web: 1", "sec-fetch-site: same-origin", &own], approve);
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn w06_i17_a_long_password_counts_in_full_and_stays_out_of_the_log() {
    let stage = Stage::new().await;
    let long = "a".repeat(72);
    let mut browser = Browser::of(&stage, "dev");
    let new = format!("{long}the end");
    let (status, answer) = browser.post("password", &json!({ "current": password("dev").trim_end(), "new": new }));
    assert_eq!(status, 204, "{answer}");
    let mut sign_in = |password: &str| browser.post("browser/sign-in", &json!({ "name": "dev", "password": password })).0;
    assert_eq!([sign_in(&long), sign_in(&format!("{long}the End")), sign_in(&new)], [401, 401, 200]);
    let cookie = browser.cookie.clone().unwrap();
    let log = stage.log();
    assert!(!log.contains("the end") && !log.contains(&cookie[40..]), "a secret is in the log");
}

fn begin(stage: &Stage) -> Value {
    let (status, login) =
        Browser::new(stage).send("POST", "cli-logins", &["content-type: application/json"], r#"{"label":"ajar on web-1"}"#);
    assert_eq!(status, 200, "{login}");
    login
}

fn collect(stage: &Stage, login: &Value) -> (u16, Value) {
    let path = format!("cli-logins/{}/token", login["id"].as_str().unwrap());
    let body = json!({ "secret": login["secret"] }).to_string();
    Browser::new(stage).send("POST", &path, &["content-type: application/json"], &body)
}

#[tokio::test(flavor = "multi_thread")]
async fn w08_a_command_line_is_signed_in_by_who_says_yes_in_a_browser() {
    let stage = Stage::new().await;
    let login = begin(&stage);
    let code_of = |login: &Value| login["code"].as_str().unwrap().to_owned();
    let (shown, secret) = (code_of(&login), login["secret"].as_str().unwrap().to_owned());
    let url = login["url"].as_str().unwrap();
    assert_eq!(url, format!("http://127.0.0.1:{}/cli/{shown}", stage.api()), "no secret is in a link");
    assert_eq!(collect(&stage, &login), (202, json!({})));
    // Nobody who isn't signed in by a cookie sees it or decides it: not by the code, not by the secret, not by a token.
    let page = format!("cli-logins/{shown}");
    let token = format!("authorization: Bearer {}", stage.full_token("dev"));
    for headers in [&[][..], &[token.as_str()], &[&token, "ajar-web: 1"], &["ajar-web: 1"]] {
        for (method, path) in [("GET", page.clone()), ("POST", format!("{page}/approve")), ("POST", format!("{page}/refuse"))] {
            assert_eq!(Browser::new(&stage).send(method, &path, headers, "").0, 401, "{method} {path}");
        }
    }
    let mut dev = Browser::of(&stage, "dev");
    // Another site can't say yes, and looking changes nothing.
    let (status, answer) = dev.send("POST", &format!("{page}/approve"), &["content-type: text/plain"], "");
    assert_eq!((status, code(&answer)), (403, "cross_site"));
    let (status, waiting) = dev.get(&page);
    assert_eq!((status, &waiting["from"], &waiting["label"]), (200, &json!("127.0.0.1"), &json!("ajar on web-1")), "{waiting}");
    assert!(!waiting.to_string().contains(&secret));
    assert_eq!(collect(&stage, &login).0, 202);
    assert_eq!(dev.get("cli-logins/BBBB-BBBB").0, 404);
    let approve = |browser: &mut Browser<'_>, page: &str| browser.post(&format!("{page}/approve"), &json!({})).0;
    assert_eq!(approve(&mut dev, &page), 204);
    // Only once, and only to who has the secret.
    assert_eq!([approve(&mut dev, &page), dev.get(&page).0], [404, 404]);
    let guess = json!({ "id": login["id"], "secret": "0".repeat(64) });
    assert_eq!(collect(&stage, &guess).0, 410);
    let (status, token) = collect(&stage, &login);
    assert_eq!(status, 200, "{token}");
    assert_eq!(collect(&stage, &login).0, 410);
    let bearer = format!("authorization: Bearer {}", token["token"].as_str().unwrap());
    let (status, me) = Browser::new(&stage).send("GET", "me", &[&bearer], "");
    assert_eq!((status, &me["name"], &me["scope"]), (200, &json!("dev"), &json!("full")), "{me}");
    let tokens = dev.get("tokens").1;
    assert!(tokens["items"].as_array().unwrap().iter().any(|t| t["id"] == token["id"] && t["label"] == "ajar on web-1"), "{tokens}");
    // Refused.
    let login = begin(&stage);
    assert_eq!(dev.post(&format!("cli-logins/{}/refuse", code_of(&login)), &json!({})).0, 204);
    let (status, answer) = collect(&stage, &login);
    assert_eq!((status, code(&answer)), (403, "denied"), "{answer}");
    assert_eq!(approve(&mut dev, &format!("cli-logins/{}", code_of(&login))), 404);
    // Too many.
    let begun: Vec<u16> =
        (0..40).map(|_| Browser::new(&stage).send("POST", "cli-logins", &["content-type: application/json"], "{}").0).collect();
    assert_eq!(begun[39], 503, "{begun:?}");
    // A code that is guessed.
    let mut guesser = Browser::of(&stage, "peer");
    let guessed: Vec<u16> = (0..40).map(|_| guesser.get("cli-logins/BBBB-BBBB").0).collect();
    assert_eq!((guessed[0], guessed[39]), (404, 503), "{guessed:?}");
    assert!(!stage.log().contains(&secret) && !stage.log().contains(&token["token"].as_str().unwrap()[40..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn ajar_login_goes_through_the_browser() {
    let stage = Stage::new().await;
    let begun = |args: &[&str]| {
        let mut child = stage.command("somebody", &[&["login", "--no-browser"], args].concat());
        let mut child = child.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let mut talk = std::io::BufReader::new(child.stderr.take().unwrap());
        let mut lines = [String::new(), String::new()];
        for line in &mut lines {
            std::io::BufRead::read_line(&mut talk, line).unwrap();
        }
        let url = lines[0].trim().strip_prefix("open ").unwrap_or_else(|| panic!("{lines:?}")).to_owned();
        let shown = url.rsplit('/').next().unwrap().to_owned();
        assert!(lines[1].contains(&shown), "{lines:?}");
        (child, talk, shown)
    };
    let rest = |mut talk: std::io::BufReader<std::process::ChildStderr>| {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut talk, &mut text).unwrap();
        text
    };
    let mut dev = Browser::of(&stage, "dev");
    let (mut child, talk, shown) = begun(&[]);
    assert_eq!(dev.post(&format!("cli-logins/{shown}/approve"), &json!({})).0, 204);
    assert!(child.wait().unwrap().success());
    let said = rest(talk);
    assert!(said.contains("as dev until"), "{said}");
    assert_eq!(stage.json("somebody", &["whoami"])["name"], "dev");
    // Whoever says yes is who is signed in: somebody who expected another is told, and keeps no token of theirs.
    let (mut child, talk, shown) = begun(&["peer"]);
    let before = dev.get("tokens").1["items"].as_array().unwrap().len();
    assert_eq!(dev.post(&format!("cli-logins/{shown}/approve"), &json!({})).0, 204);
    assert_eq!(child.wait().unwrap().code(), Some(3));
    let said = rest(talk);
    assert!(said.contains("dev said yes in the browser, not peer"), "{said}");
    assert_eq!(dev.get("tokens").1["items"].as_array().unwrap().len(), before);
    let (mut child, talk, shown) = begun(&[]);
    assert_eq!(dev.post(&format!("cli-logins/{shown}/refuse"), &json!({})).0, 204);
    assert_eq!(child.wait().unwrap().code(), Some(3));
    let said = rest(talk);
    assert!(said.contains("refused in the browser"), "{said}");
    // Scripts, which have no terminal, give the password as before.
    let (code, _, err) = stage.ajar("somebody", &["login"]);
    assert_eq!((code, err.contains("--password-stdin")), (2, true), "{err}");
}
