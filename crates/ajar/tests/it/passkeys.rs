//! Passkeys: enrolled, used to sign in and to approve with; and everything with which somebody would try to do without.

use serde_json::{Value, json};

use crate::authenticator::Authenticator;
use crate::browser::{Browser, code};
use crate::stage::{Stage, password};

async fn stage() -> Stage {
    let mut stage = Stage::new().await;
    stage.named();
    stage
}

/// Begins with a passkey of theirs.
fn enrol(browser: &mut Browser<'_>, who: &str, key: &mut Authenticator) -> (u16, Value) {
    let (status, begun) = browser.post("passkeys/register", &json!({ "current": password(who).trim_end() }));
    if status != 200 {
        return (status, begun);
    }
    let credential = key.create(&begun["options"]);
    browser.post("passkeys", &json!({ "ceremony": begun["ceremony"], "label": format!("{who}'s key"), "credential": credential }))
}

fn enrolled<'a>(stage: &'a Stage, who: &str) -> (Browser<'a>, Authenticator, String) {
    let (mut browser, mut key) = (Browser::of(stage, who), Authenticator::new(stage.api(), who));
    let (status, passkey) = enrol(&mut browser, who, &mut key);
    assert_eq!((status, &passkey["label"]), (200, &json!(format!("{who}'s key"))), "{passkey}");
    (browser, key, passkey["id"].as_str().unwrap().to_owned())
}

fn step_up(browser: &mut Browser<'_>, key: &mut Authenticator) -> (u16, Value) {
    let (status, begun) = browser.post("passkeys/step-up", &json!({}));
    assert_eq!(status, 200, "{begun}");
    let credential = key.answer(&begun["options"]);
    browser.post("passkeys/step-up/finish", &json!({ "ceremony": begun["ceremony"], "credential": credential }))
}

fn sign_in(browser: &mut Browser<'_>, key: &mut Authenticator) -> (u16, Value) {
    let (status, begun) = browser.post("browser/passkey", &json!({}));
    assert_eq!(status, 200, "{begun}");
    assert!(begun["options"]["publicKey"]["allowCredentials"].as_array().is_none_or(Vec::is_empty), "no name is said: {begun}");
    let credential = key.answer(&begun["options"]);
    browser.post("browser/passkey/finish", &json!({ "ceremony": begun["ceremony"], "credential": credential }))
}

fn asked(stage: &Stage) -> String {
    stage.json("dev", &["request", "orders-db", "--role", "write", "--reason", "a test"])["id"].as_str().unwrap().to_owned()
}

fn review(browser: &mut Browser<'_>, request: &str, verdict: &str) -> (u16, Value) {
    browser.post(&format!("requests/{request}/reviews"), &json!({ "verdict": verdict }))
}

/// The last event of this kind, as the auditor sees it.
fn last(stage: &Stage, kind: &str) -> Value {
    stage.json("auditor", &["ledger", "search", "--kind", kind, "--limit", "1"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a06_who_has_a_passkey_approves_with_it_or_not_at_all() {
    let stage = stage().await;
    let (mut peer, mut key, passkey) = enrolled(&stage, "peer");
    let mut request = asked(&stage);
    let page = format!("http://localhost:{}/requests/{request}", stage.api());
    // Neither the session alone, nor a token of the command line: it says where.
    let (status, answer) = review(&mut peer, &request, "approve");
    assert_eq!((status, code(&answer)), (403, "step_up_needed"), "{answer}");
    assert!(answer["hint"].as_str().unwrap().contains(&page), "{answer}");
    let (exit, _, talk) = stage.ajar("peer", &["approve", &request]);
    assert_eq!((exit, talk.contains(&page)), (3, true), "{talk}");
    let (status, answer) = peer.post("preapprovals", &json!({ "user": "dev", "resource": "orders-db", "for": "1h" }));
    assert_eq!((status, code(&answer)), (403, "step_up_needed"), "{answer}");
    stage.json("dev", &["request", "orders-db", "--role", "write", "--emergency", "--reason", "orders are lost"]);
    let debt = stage.json("dev", &["debts"])[0]["id"].as_str().unwrap().to_owned();
    let debts = format!("debts/{debt}/reviews");
    let (status, answer) = peer.post(&debts, &json!({ "verdict": "approve" }));
    assert_eq!((status, code(&answer)), (403, "step_up_needed"), "{answer}");
    assert_eq!(stage.json("dev", &["requests", &request])["state"], "pending");
    // Nobody is told what they may not know of by being asked for a passkey.
    let (mut stranger, _, _) = enrolled(&stage, "stranger");
    assert_eq!(review(&mut stranger, &request, "approve").0, 404);
    // With it.
    let (status, fresh) = step_up(&mut peer, &mut key);
    assert_eq!(status, 200, "{fresh}");
    assert_eq!(peer.get("me").1["fresh_until"], fresh["fresh_until"]);
    let (status, answer) = review(&mut peer, &request, "approve");
    assert_eq!(status, 200, "{answer}");
    let actor = &last(&stage, "request.reviewed")["actor"]["principal"];
    assert_eq!(actor["proof"]["passkey"]["passkey"], json!(passkey), "{actor}");
    assert_eq!(actor["proof"]["passkey"]["token"], peer.get("me").1["token"], "{actor}");
    assert_eq!(peer.post(&debts, &json!({ "verdict": "approve" })).0, 204);
    assert_eq!(peer.post("preapprovals", &json!({ "user": "dev", "resource": "orders-db", "role": "read", "for": "1h" })).0, 200);
    // It was for that token: the command line's and another browser's still can't.
    assert_eq!(stage.ajar("dev", &["withdraw", &request]).0, 0);
    let before = std::mem::replace(&mut request, asked(&stage));
    assert_ne!(before, request);
    assert_eq!(stage.ajar("peer", &["approve", &request]).0, 3);
    let mut other = Browser::of(&stage, "peer");
    assert_eq!(code(&review(&mut other, &request, "approve").1), "step_up_needed");
    assert!(other.get("me").1["fresh_until"].is_null());
    // Nor can somebody else's.
    let mut second = Browser::of(&stage, "second");
    let (status, answer) = review(&mut second, &request, "approve");
    assert_eq!(status, 200, "who has no passkey is not asked for one: {answer}");
    // Denying takes none.
    let (status, answer) = review(&mut other, &request, "deny");
    assert_eq!(status, 200, "{answer}");
    assert_eq!(stage.json("dev", &["requests", &request])["state"], "denied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a06_a_step_up_ends_with_its_token_its_passkey_and_the_server() {
    let mut stage = stage().await;
    let request = asked(&stage);
    {
        let (mut peer, mut key, passkey) = enrolled(&stage, "peer");
        // A stolen cookie removes no passkey and adds none.
        for (status, answer) in
            [peer.delete(&format!("passkeys/{passkey}")), enrol(&mut peer, "peer", &mut Authenticator::new(stage.api(), "thief"))]
        {
            assert_eq!((status, code(&answer)), (403, "step_up_needed"), "{answer}");
        }
        // Ceremonies are their beginner's: another token of the same person does not finish them.
        let (_, begun) = peer.post("passkeys/step-up", &json!({}));
        let answered = json!({ "ceremony": begun["ceremony"], "credential": key.answer(&begun["options"]) });
        let mut other = Browser::of(&stage, "peer");
        let (status, answer) = other.post("passkeys/step-up/finish", &answered);
        assert_eq!((status, code(&answer)), (410, "expired"), "{answer}");
        assert_eq!(peer.post("passkeys/step-up/finish", &answered).0, 200);
        let (status, answer) = peer.post("passkeys/step-up/finish", &answered);
        assert_eq!((status, code(&answer)), (410, "expired"), "a second time: {answer}");
        // Revoked: neither the token nor what it had proven comes back.
        let cookie = peer.cookie.clone();
        assert_eq!(peer.post("browser/sign-out", &json!({})).0, 204);
        peer.cookie = cookie;
        assert_eq!(review(&mut peer, &request, "approve").0, 401);
        // A second passkey, on the strength of the first; the first is removed, and what it had proven with it.
        let mut peer = Browser::of(&stage, "peer");
        assert_eq!(step_up(&mut peer, &mut key).0, 200);
        let mut spare = Authenticator::new(stage.api(), "spare");
        let (status, answer) = enrol(&mut peer, "peer", &mut spare);
        assert_eq!(status, 200, "{answer}");
        let (status, list) = peer.get("passkeys");
        assert_eq!((status, list["items"].as_array().map(Vec::len)), (200, Some(2)));
        assert!(list["items"][0]["last_used_at"].is_string() && list["items"][1]["last_used_at"].is_null(), "{list}");
        let mut dev = Browser::of(&stage, "dev");
        assert_eq!(dev.delete(&format!("passkeys/{passkey}")).0, 404, "somebody else's");
        assert_eq!(peer.delete(&format!("passkeys/{passkey}")).0, 204);
        assert_eq!(code(&review(&mut peer, &request, "approve").1), "step_up_needed");
        let (_, begun) = peer.post("passkeys/step-up", &json!({}));
        let credential = key.answer(&begun["options"]);
        let (status, answer) = peer.post("passkeys/step-up/finish", &json!({ "ceremony": begun["ceremony"], "credential": credential }));
        assert_eq!((status, code(&answer)), (403, "denied"), "{answer}");
        let mut thief = Browser::new(&stage);
        assert_eq!(sign_in(&mut thief, &mut key).0, 401);
        assert_eq!(step_up(&mut peer, &mut spare).0, 200);
        assert_eq!(review(&mut peer, &request, "approve").0, 200);
    }
    // The server remembers the passkey, and not the step-up.
    let cookie = {
        let (mut dev, mut key, _) = enrolled(&stage, "second");
        assert_eq!(step_up(&mut dev, &mut key).0, 200);
        (dev.cookie, key)
    };
    stage.end("-TERM");
    stage.run();
    let (cookie, mut key) = cookie;
    let mut browser = Browser::new(&stage);
    browser.cookie = cookie;
    let (status, me) = browser.get("me");
    assert_eq!((status, &me["passkeys"], &me["fresh_until"]), (200, &json!(1), &Value::Null));
    assert_eq!(code(&review(&mut browser, &request, "approve").1), "step_up_needed");
    assert_eq!(step_up(&mut browser, &mut key).0, 200);
    assert_eq!(review(&mut browser, &request, "approve").0, 200);
    drop(browser);
    // Who has lost theirs is helped by who has the server's files.
    stage.end("-TERM");
    let out =
        stage.command("nobody", &["server", "forget-passkeys", "second", "--config", stage.config().to_str().unwrap()]).output().unwrap();
    assert!(out.status.success(), "{}", crate::stage::text(&out.stderr));
    stage.run();
    let request = asked(&stage);
    assert_eq!(stage.ajar("second", &["approve", &request]).0, 0);
    assert!(last(&stage, "request.reviewed")["actor"]["principal"]["proof"]["token"].is_string(), "their token is enough again");
}

#[tokio::test(flavor = "multi_thread")]
async fn w01_signing_in_with_a_passkey_is_a_new_session_and_a_step_up() {
    let stage = stage().await;
    let (mut peer, mut key, passkey) = enrolled(&stage, "peer");
    let before = peer.cookie.clone();
    let (status, me) = sign_in(&mut peer, &mut key);
    assert_eq!((status, &me["name"], &me["passkeys"]), (200, &json!("peer"), &json!(1)), "{me}");
    assert!(me["fresh_until"].is_string() && peer.cookie != before);
    assert_eq!(last(&stage, "token.issued")["actor"]["principal"]["proof"], json!({ "passkey": { "passkey": passkey } }));
    let mut fixed = Browser::new(&stage);
    fixed.cookie = before;
    assert_eq!(fixed.get("me").0, 401);
    assert_eq!(review(&mut peer, &asked(&stage), "approve").0, 200);
    // Another site can begin nothing.
    let mut nobody = Browser::new(&stage);
    for headers in [&["content-type: text/plain"][..], &["ajar-web: 1", "sec-fetch-site: cross-site"]] {
        assert_eq!(code(&nobody.send("POST", "browser/passkey", headers, "{}").1), "cross_site");
    }
    // Disabled: no way in, and what is open is shut.
    let people = stage.policy().join("people.toml");
    let text = std::fs::read_to_string(&people).unwrap();
    std::fs::write(&people, text.replacen("name = \"peer\"\n", "name = \"peer\"\ndisabled = true\n", 1)).unwrap();
    stage.json("operator", &["policy", "apply", stage.policy().to_str().unwrap()]);
    assert_eq!(peer.get("me").0, 401);
    let (status, answer) = sign_in(&mut nobody, &mut key);
    assert_eq!((status, code(&answer), &nobody.cookie), (401, "bad_credential", &None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a06_who_decides_instead_is_said_with_the_passkey() {
    let stage = stage().await;
    let (_, mut key, _) = enrolled(&stage, "peer");
    // A token that leaked: whoever has it would have somebody else approve.
    let mut leaked = Browser::of(&stage, "peer");
    let away = json!({ "to": "boss", "for": "1h" });
    let (status, answer) = leaked.post("delegations", &away);
    assert_eq!((status, code(&answer)), (403, "step_up_needed"), "{answer}");
    assert_eq!(leaked.get("delegations").1["items"], json!([]));
    assert_eq!(step_up(&mut leaked, &mut key).0, 200);
    let (status, made) = leaked.post("delegations", &away);
    assert_eq!((status, &made["to"]), (200, &json!("boss")), "{made}");
    // To be asked again takes nothing.
    let mut other = Browser::of(&stage, "peer");
    // Nor does a session that was stolen make itself last: neither by a token nor by a command line's sign-in.
    let (_, login) = other.post("cli-logins", &json!({ "label": "elsewhere" }));
    for (what, body) in [
        ("tokens".to_owned(), json!({ "label": "mine", "scope": "full" })),
        (format!("cli-logins/{}/approve", login["code"].as_str().unwrap()), json!({})),
    ] {
        let (status, answer) = other.post(&what, &body);
        assert_eq!((status, code(&answer)), (403, "step_up_needed"), "{what}: {answer}");
    }
    assert_eq!(other.post("tokens", &json!({ "label": "psql", "scope": "connect" })).0, 200, "clients' tokens go on as before");
    assert_eq!(step_up(&mut other, &mut key).0, 200);
    assert_eq!(other.post(&format!("cli-logins/{}/approve", login["code"].as_str().unwrap()), &json!({})).0, 204);
    assert_eq!(other.send("DELETE", &format!("delegations/{}", made["id"].as_str().unwrap()), &["ajar-web: 1"], "").0, 204);
}

/// What an attacker may change about an answer.
type Spoil = (&'static str, fn(&mut Authenticator));

const SPOILED: [Spoil; 7] = [
    ("another origin", |key| key.origin = "http://localhost.evil.example".into()),
    ("another port", |key| key.origin = "http://localhost:1".into()),
    ("another scheme", |key| key.origin = key.origin.replace("http:", "https:")),
    ("another name", |key| key.party = "evil.example".into()),
    ("no user verified", |key| key.verified = false),
    ("a counter that went back", |key| key.counter = 1),
    ("a counter that stood still", |key| key.counter -= 1),
];

#[tokio::test(flavor = "multi_thread")]
async fn a06_a_passkey_counts_only_as_it_should_be() {
    let stage = stage().await;
    let (mut peer, mut key, _) = enrolled(&stage, "peer");
    let (mut dev, mut devs, _) = enrolled(&stage, "dev");
    let mut nobody = Browser::new(&stage);
    assert_eq!(step_up(&mut peer, &mut key).0, 200);
    assert_eq!(sign_in(&mut nobody, &mut key).0, 200);
    // Few sign-ins: there is a brake on them.
    let mut fresh = Browser::of(&stage, "peer");
    for (what, spoil) in SPOILED {
        let (origin, party, counter) = (key.origin.clone(), key.party.clone(), key.counter);
        spoil(&mut key);
        let (status, answer) = step_up(&mut fresh, &mut key);
        assert_eq!((status, code(&answer)), (403, "denied"), "{what}: {answer}");
        assert!(fresh.get("me").1["fresh_until"].is_null(), "{what}");
        spoil(&mut key);
        let (status, answer) = sign_in(&mut nobody, &mut key);
        assert!([401, 403].contains(&status), "{what}: {answer}");
        (key.origin, key.party, key.verified, key.counter) = (origin, party, true, counter);
    }
    assert!(stage.log().contains("a passkey may have been copied"), "it is told to who operates");
    // Somebody else's key, for one's own name and for theirs.
    let (status, answer) = step_up(&mut fresh, &mut devs);
    assert_eq!((status, code(&answer)), (403, "denied"), "{answer}");
    let (_, begun) = nobody.post("browser/passkey", &json!({}));
    let mut answered = devs.answer(&begun["options"]);
    let peers = key.answer(&begun["options"]);
    answered["response"]["userHandle"] = peers["response"]["userHandle"].clone();
    let finish = |browser: &mut Browser<'_>, ceremony: &Value, credential: &Value| {
        browser.post("browser/passkey/finish", &json!({ "ceremony": ceremony, "credential": credential }))
    };
    assert_eq!(finish(&mut nobody, &begun["ceremony"], &answered).0, 401);
    // Their credential's id with one's own signature.
    let (_, begun) = nobody.post("browser/passkey", &json!({}));
    let mut answered = key.answer(&begun["options"]);
    answered["response"]["signature"] = devs.answer(&begun["options"])["response"]["signature"].clone();
    assert_eq!(finish(&mut nobody, &begun["ceremony"], &answered).0, 401);
    // An answer to something else: to an earlier question, to another kind of question, or twice.
    let (_, first) = nobody.post("browser/passkey", &json!({}));
    let (_, second) = nobody.post("browser/passkey", &json!({}));
    let answered = key.answer(&first["options"]);
    assert_eq!(finish(&mut nobody, &second["ceremony"], &answered).0, 401);
    assert_eq!(finish(&mut nobody, &first["ceremony"], &answered).0, 200);
    assert_eq!(finish(&mut nobody, &first["ceremony"], &answered).0, 410);
    let (_, begun) = peer.post("passkeys/step-up", &json!({}));
    let answered = key.answer(&begun["options"]);
    assert_eq!(finish(&mut nobody, &begun["ceremony"], &answered).0, 410);
    let register = json!({ "ceremony": begun["ceremony"], "label": "x", "credential": answered });
    assert_eq!(peer.post("passkeys", &register).0, 410);
    for nonsense in [json!({}), json!(7), json!({ "id": "x", "rawId": "x", "type": "public-key", "response": {} })] {
        let (_, begun) = dev.post("passkeys/step-up", &json!({}));
        let (status, _) = dev.post("passkeys/step-up/finish", &json!({ "ceremony": begun["ceremony"], "credential": nonsense }));
        assert_eq!(status, 400, "{nonsense}");
    }
    assert_eq!(step_up(&mut peer, &mut key).0, 200, "and as it should be it still works");
}

#[tokio::test(flavor = "multi_thread")]
async fn i17_enrolling_takes_the_password_and_leaves_no_credential_in_an_export() {
    let stage = stage().await;
    let mut peer = Browser::of(&stage, "peer");
    for body in [json!({}), json!({ "current": "not this one" }), json!({ "current": password("dev").trim_end() })] {
        let (status, answer) = peer.post("passkeys/register", &body);
        assert_eq!((status, code(&answer)), (401, "bad_credential"), "{body}");
    }
    let (status, answer) = peer.post("passkeys/step-up", &json!({}));
    assert_eq!((status, code(&answer)), (400, "bad_input"), "nothing to step up with: {answer}");
    for (what, spoil) in SPOILED.iter().take(5).chain(&[("in a frame", (|key| key.framed = true) as fn(&mut Authenticator))]) {
        let mut key = Authenticator::new(stage.api(), "peer");
        spoil(&mut key);
        let (status, answer) = enrol(&mut peer, "peer", &mut key);
        assert_eq!((status, code(&answer)), (403, "denied"), "{what}: {answer}");
    }
    // Two are begun as the first, as by somebody else who knows the password: only one is the first.
    let begin = |browser: &mut Browser<'_>| browser.post("passkeys/register", &json!({ "current": password("peer").trim_end() })).1;
    let mut thief = Browser::of(&stage, "peer");
    let (mine, theirs) = (begin(&mut peer), begin(&mut thief));
    let finish = |browser: &mut Browser<'_>, begun: &Value, key: &str| {
        let credential = Authenticator::new(stage.api(), key).create(&begun["options"]);
        browser.post("passkeys", &json!({ "ceremony": begun["ceremony"], "label": "\u{1b}]8;;x\u{7}<b>key</b>", "credential": credential }))
    };
    assert_eq!(finish(&mut thief, &mine, "thief").0, 410, "a ceremony of another token's");
    let (status, passkey) = finish(&mut peer, &mine, "peer");
    assert_eq!((status, &passkey["label"]), (200, &json!("]8;;x<b>key</b>")), "{passkey}");
    assert_eq!(finish(&mut thief, &theirs, "thief").0, 410);
    // The same authenticator for somebody else.
    let mut dev = Browser::of(&stage, "dev");
    let (status, answer) = enrol(&mut dev, "dev", &mut Authenticator::new(stage.api(), "peer"));
    assert_eq!((status, code(&answer)), (400, "bad_input"), "{answer}");
    let (code, export, err) = stage.ajar("auditor", &["ledger", "export"]);
    assert_eq!(code, 0, "{err}");
    assert!(export.contains("principal.passkey_enrolled"));
    for inside in ["cred_id", "<b>key</b>", "EC_EC2"] {
        assert!(!export.contains(inside), "{inside}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i20_at_an_address_there_are_no_passkeys_and_it_says_why() {
    let stage = Stage::new().await;
    let mut peer = Browser::of(&stage, "peer");
    let calls = [
        ("passkeys/register", json!({ "current": password("peer").trim_end() })),
        ("browser/passkey", json!({})),
        ("passkeys/step-up", json!({})),
    ];
    for (path, body) in calls {
        let (status, answer) = peer.post(path, &body);
        assert_eq!((status, code(&answer)), (403, "denied"), "{path}: {answer}");
        assert!(answer["hint"].as_str().unwrap().contains("public_url"), "{answer}");
    }
    let request = asked(&stage);
    assert_eq!(review(&mut peer, &request, "approve").0, 200);
}
