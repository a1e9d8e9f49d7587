//! Browsers into HTTP APIs, through the real binary: curl keeps the cookies and follows as a browser would.

use std::path::Path;
use std::process::Command;

use ajar_core::http::{Place, encode};
use serde_json::{Value, json};

use crate::stage::{Stage, password};

const CANARY: &str = "canary-7b20-of-the-sample-api";
const GOES: [&str; 6] = ["-H", "Accept: text/html", "-H", "Sec-Fetch-Mode: navigate", "-H", "Sec-Fetch-Dest: document"];

/// What a browser got: status, where it is sent, and the body.
struct Got {
    status: u16,
    location: String,
    body: String,
}

struct Browser<'s> {
    stage: &'s Stage,
    /// Its cookies; curl's own file.
    jar: &'s Path,
}

impl Browser<'_> {
    fn get(&self, url: &str, more: &[&str]) -> Got {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "30", "-w", "\n%{http_code} %{redirect_url}", "--cacert"]).arg(self.stage.authority());
        let port = url.parse::<Place>().unwrap().port().unwrap();
        curl.args(["--resolve", &format!("{}:{port}:127.0.0.1", crate::stage::API_HOST)]);
        curl.arg("-b").arg(self.jar).arg("-c").arg(self.jar).args(more).arg(url);
        let out = curl.output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let (body, last) = text.rsplit_once('\n').unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&out.stderr)));
        let (status, location) = last.split_once(' ').unwrap();
        Got { status: status.parse().unwrap_or(0), location: location.to_owned(), body: body.to_owned() }
    }

    /// Somebody goes there.
    fn goes(&self, url: &str) -> Got {
        self.get(url, &[&GOES[..], &["-H", "Sec-Fetch-Site: none"]].concat())
    }
}

/// A call of the API; status and body.
fn call(stage: &Stage, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let out = Command::new("curl")
        .args(["-sS", "-w", "\n%{http_code}", "-X", method, "-H", "content-type: application/json", "-d", &body.to_string()])
        .args(["-H", &format!("Authorization: Bearer {token}"), &format!("http://127.0.0.1:{}{path}", stage.api())])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
}

fn entry(stage: &Stage, token: &str, to: &str) -> (u16, Value) {
    call(stage, token, "POST", "/api/v1/http-entries", &json!({ "to": to }))
}

#[tokio::test(flavor = "multi_thread")]
async fn w08_a_browser_signs_in_asks_gets_in_and_is_nobody_again_when_it_signs_out() {
    let stage = Stage::with_api(CANARY).await;
    let jar = tempfile::tempdir().unwrap();
    let browser = Browser { stage: &stage, jar: &jar.path().join("cookies") };
    let body = json!({ "name": "dev", "password": password("dev").trim_end(), "label": "browser" });
    let (status, signed_in) = call(&stage, "", "POST", "/api/v1/sign-in", &body);
    assert_eq!(status, 200, "{signed_in}");
    let (dev, id) = (signed_in["token"].as_str().unwrap(), signed_in["id"].as_str().unwrap());
    let (own, public) = (stage.own_web(), format!("http://127.0.0.1:{}", stage.api()));

    // By the door's own name: to where somebody signs in, and from there to the API's own host.
    let by_name = format!("{}/orders/7", stage.web());
    assert_eq!(browser.goes(&by_name).location, format!("{public}/enter?to={}", encode(&by_name)));
    let (status, answer) = entry(&stage, dev, &by_name);
    assert_eq!((status, answer["url"].as_str()), (200, Some(format!("{own}/orders/7").as_str())), "{answer}");

    // There it begins; whoever isn't let in learns nothing, a token to connect with makes none.
    let sent = browser.goes(&format!("{own}/orders/7")).location;
    let to = sent.strip_prefix(&format!("{public}/enter?to=")).unwrap_or_else(|| panic!("{sent}"));
    let to: String = format!("/x?to={to}").parse::<ajar_core::http::Local>().unwrap().value("to").unwrap();
    let stranger = full_token(&stage, "stranger");
    assert_eq!((entry(&stage, &stranger, &to).0, entry(&stage, &stage.token("dev"), &to).0), (404, 403));
    let url = entry(&stage, dev, &to).1["url"].as_str().unwrap().to_owned();
    // Who makes a victim go on at another port of the host gets a code that counts at no door.
    let (status, answer) =
        entry(&stage, dev, &to.replacen(&own, &format!("https://{}:1", own.trim_start_matches("https://").split(':').next().unwrap()), 1));
    let elsewhere = answer["url"].as_str().unwrap_or_else(|| panic!("{status} {answer}"));
    let (_, code) = elsewhere.split_once(":1/").unwrap_or_else(|| panic!("{elsewhere}"));
    assert_eq!(browser.goes(&format!("{own}/{code}")).status, 401);
    // Another browser has nothing of it, and the code is gone then.
    let elsewhere = Browser { stage: &stage, jar: &jar.path().join("other") };
    assert_eq!((elsewhere.goes(&url).status, browser.goes(&url).status), (401, 401));
    let url = entry(&stage, dev, &to).1["url"].as_str().unwrap().to_owned();
    let came = browser.goes(&url);
    assert_eq!((came.status, came.location.as_str()), (303, format!("{own}/orders/7").as_str()), "{}", came.body);
    assert_eq!(browser.goes(&url).status, 401, "once");

    // Signed in, with nothing open: to where it is asked for, and nothing is asked for by going there.
    let new = format!("{public}/new?resource=sample-api&role=read");
    assert_eq!(browser.goes(&came.location).location, new);
    assert_eq!(stage.json("dev", &["requests"]).as_array().map_or(0, Vec::len), 0);
    let asked = stage.json("dev", &["request", "sample-api", "--role", "read", "--reason", "look"]);
    let request = asked["id"].as_str().unwrap_or_else(|| panic!("{asked}")).to_owned();
    assert_eq!(browser.goes(&came.location).location, format!("{public}/requests/{request}"));
    stage.json("peer", &["approve", &request]);
    let seen = browser.goes(&came.location);
    assert_eq!((seen.status, serde_json::from_str::<Value>(&seen.body).unwrap()["id"].clone()), (200, json!(7)), "{}", seen.body);
    let fetched = browser.get(&format!("{own}/orders"), &["-H", "Sec-Fetch-Site: same-origin"]);
    assert_eq!(fetched.status, 200, "{}", fetched.body);
    for site in ["cross-site", "same-site"] {
        assert_eq!(browser.get(&format!("{own}/orders"), &["-H", &format!("Sec-Fetch-Site: {site}")]).status, 403);
    }

    // Signed out: the door knows nobody any more.
    assert_eq!(call(&stage, dev, "DELETE", &format!("/api/v1/tokens/{id}"), &json!({})).0, 204);
    assert_eq!(browser.get(&format!("{own}/orders"), &["-H", "Sec-Fetch-Site: same-origin"]).status, 401);
    // A page's script gets its answer: a browser would ask for a name and a password first, were it offered.
    let offered = |mode: &[&str]| {
        let mut curl = std::process::Command::new("curl");
        curl.args(["-sS", "-o", "/dev/null", "-D", "-", "--max-time", "60"]).arg("--cacert").arg(stage.authority());
        let port = own.rsplit(':').next().unwrap();
        let host = own.trim_start_matches("https://").split(':').next().unwrap();
        curl.args(["--resolve", &format!("{host}:{port}:127.0.0.1")]).args(mode).arg(format!("{own}/orders"));
        String::from_utf8_lossy(&curl.output().unwrap().stdout).to_lowercase()
    };
    let (program, page) = (offered(&[]), offered(&["-H", "Sec-Fetch-Mode: cors"]));
    assert!(program.contains("www-authenticate: basic") && program.contains("www-authenticate: bearer"), "{program}");
    assert!(!page.contains("www-authenticate: basic") && page.contains("www-authenticate: bearer"), "{page}");
    assert!(browser.goes(&format!("{own}/orders/7")).location.starts_with(&format!("{public}/enter?to=")));

    // Neither the door's cookie nor the code is written down anywhere.
    let cookies = std::fs::read_to_string(browser.jar).unwrap();
    let cookie = cookies.lines().find(|line| line.contains("__Host-ajar-door")).and_then(|line| line.rsplit('\t').next()).unwrap();
    let code = url.parse::<Place>().unwrap().local.value("code").unwrap();
    for (what, text) in [("log", stage.log()), ("recordings", crate::http::everything(&stage.data().join("recordings")))] {
        assert!(!text.contains(cookie) && !text.contains(&code) && !text.contains(CANARY), "a secret is in the {what}");
    }
}

fn full_token(stage: &Stage, who: &str) -> String {
    let body = json!({ "name": who, "password": password(who).trim_end(), "label": "browser" });
    call(stage, "", "POST", "/api/v1/sign-in", &body).1["token"].as_str().unwrap().to_owned()
}
