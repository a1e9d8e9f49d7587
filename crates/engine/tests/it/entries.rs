//! Browsers that come in to HTTP APIs: codes that are good once, and what is given for them.

use std::net::IpAddr;
use std::time::Duration;

use ajar_core::directory::Scope;
use ajar_core::event::Actor;
use ajar_core::http::{Place, encode};
use ajar_core::port::{Admission, Credential, Door, Entry, Knock, Otherwise, Refusal, RefusalKind, Wishes};
use ajar_core::secret::Secret;
use ajar_engine::{Caller, Engine, IssuedToken};
use tokio::time::sleep;

use crate::town::{FILES, Town};

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const MORE: &str = r#"
[[resource]]
name = "orders-api"
kind = "http"
owners = ["group:orders"]
default_role = "read"
upstream = "http://127.0.0.1:9"
hosts = ["api.example", "api-too.example"]
[resource.roles.read]
allow = ["GET /**"]
[resource.roles.status]
allow = ["GET /status"]
[[resource]]
name = "bare-api"
kind = "http"
owners = ["group:orders"]
upstream = "http://127.0.0.1:9"
hosts = ["ajar.test"]
[resource.roles.read]
allow = ["GET /**"]
[[rule]]
name = "apis"
who = ["group:engineers"]
resources = ["orders-api", "bare-api"]
roles = ["read", "status"]
max = "30m"
default = "5m"
approve = { from = ["owners"], within = "10m" }
"#;

async fn apply(engine: &Engine, files: String) {
    engine.policy_apply(Actor::System, [("all.toml".to_owned(), files)].into(), None).await.unwrap();
}

/// Somebody who is signed in with a token, as in a browser.
async fn signed_in(town: &Town, engine: &Engine, who: &str) -> (Caller, IssuedToken) {
    let issued = engine.token_issue(&town.caller(who), "browser", Scope::Full, None).await.unwrap();
    (engine.authenticate(&issued.token).unwrap(), issued)
}

fn begun_at(host: &str) -> String {
    format!("https://{host}/.ajar/enter?state=begun&to={}", encode("/orders?x=1"))
}

async fn code(engine: &Engine, caller: &Caller) -> Secret {
    let url = engine.http_entry(caller, &begun_at("api.example")).await.unwrap();
    Secret::new(url.parse::<Place>().unwrap().local.value("code").unwrap())
}

async fn come_in(engine: &Engine, caller: &Caller) -> Entry {
    engine.enter(&code(engine, caller).await, "begun", "api.example").unwrap()
}

async fn known(engine: &Engine, entry: &Entry, host: &str) -> Result<String, RefusalKind> {
    let credential = Credential::Entry { secret: entry.secret.clone(), host: host.to_owned() };
    engine.identify(&credential, None, CLIENT).await.map(|who| who.name.to_string()).map_err(|refusal| refusal.kind)
}

#[test]
fn w08_a_code_is_good_once_for_a_short_while_at_its_own_host_and_for_the_browser_that_began() {
    let town = Town::new(1);
    town.live(async |engine| {
        apply(&engine, format!("{FILES}{MORE}")).await;
        let (dev, _) = signed_in(&town, &engine, "dev").await;
        let url = engine.http_entry(&dev, "https://API.example:7443/.ajar/enter?state=begun&to=%2Forders%3Fx%3D1").await.unwrap();
        assert!(url.starts_with("https://api.example:7443/.ajar/enter?code=") && url.ends_with("&to=%2Forders%3Fx%3D1"), "{url}");
        let entry = engine.enter(&code(&engine, &dev).await, "begun", "API.example").unwrap();
        assert_eq!((known(&engine, &entry, "api.example").await, entry.who.name.as_str()), (Ok("dev".into()), "dev"));
        for other in ["api-too.example", "ajar.test", "door", ""] {
            assert_eq!(known(&engine, &entry, other).await, Err(RefusalKind::BadCredential), "{other}");
        }
        let stale = |result: Result<Entry, Refusal>| result.map(drop).map_err(|refusal| refusal.kind);
        // Used, tried with another beginning or at another host (which uses it up), too late, never given.
        let used = code(&engine, &dev).await;
        engine.enter(&used, "begun", "api.example").unwrap();
        assert_eq!(stale(engine.enter(&used, "begun", "api.example")), Err(RefusalKind::BadCredential));
        for (begun, host) in [("", "api.example"), ("began", "api.example"), ("begun", "api-too.example")] {
            let code = code(&engine, &dev).await;
            assert_eq!(stale(engine.enter(&code, begun, host)), Err(RefusalKind::BadCredential), "{begun} {host}");
            assert_eq!(stale(engine.enter(&code, "begun", "api.example")), Err(RefusalKind::BadCredential), "{begun} {host}");
        }
        let late = code(&engine, &dev).await;
        sleep(Duration::from_secs(29)).await;
        let in_time = code(&engine, &dev).await;
        sleep(Duration::from_secs(2)).await;
        assert_eq!(stale(engine.enter(&late, "begun", "api.example")), Err(RefusalKind::BadCredential));
        engine.enter(&in_time, "begun", "api.example").unwrap();
        assert_eq!(stale(engine.enter(&Secret::new(String::new()), "begun", "api.example")), Err(RefusalKind::BadCredential));
        // Of one browser's, the oldest makes room.
        let first = code(&engine, &dev).await;
        sleep(Duration::from_millis(5)).await;
        for _ in 0..64 {
            code(&engine, &dev).await;
        }
        assert_eq!(stale(engine.enter(&first, "begun", "api.example")), Err(RefusalKind::BadCredential));
    });
}

#[test]
fn w08_i07_what_is_given_for_a_code_lives_as_long_as_the_browsers_own_session_and_twelve_hours_at_the_most() {
    let town = Town::new(1);
    town.live(async |engine| {
        apply(&engine, format!("{FILES}{MORE}")).await;
        let (dev, issued) = signed_in(&town, &engine, "dev").await;
        let entry = come_in(&engine, &dev).await;
        assert_eq!(known(&engine, &entry, "api.example").await, Ok("dev".into()));
        // Signed out.
        engine.token_revoke(&dev, issued.id).await.unwrap();
        assert_eq!(known(&engine, &entry, "api.example").await, Err(RefusalKind::BadCredential));
        // A longer token makes none that is longer, a shorter one a shorter.
        for (life, wanted) in [(3_600 * 24 * 7, 3_600 * 12), (600, 600)] {
            let life = Some(ajar_core::time::Span::from_secs(life));
            let issued = engine.token_issue(&town.caller("dev"), "browser", Scope::Full, life).await.unwrap();
            let entry = come_in(&engine, &engine.authenticate(&issued.token).unwrap()).await;
            sleep(Duration::from_secs(wanted - 5)).await;
            assert_eq!(known(&engine, &entry, "api.example").await, Ok("dev".into()), "{wanted}");
            sleep(Duration::from_secs(6)).await;
            assert_eq!(known(&engine, &entry, "api.example").await, Err(RefusalKind::BadCredential), "{wanted}");
        }
        // The host is another resource's now, or who it was is disabled.
        let (dev, _) = signed_in(&town, &engine, "dev").await;
        let entry = come_in(&engine, &dev).await;
        let swapped = MORE.replace("\"api.example\", ", "").replace("[\"ajar.test\"]", "[\"api.example\"]");
        apply(&engine, format!("{FILES}{swapped}")).await;
        assert_eq!(known(&engine, &entry, "api.example").await, Err(RefusalKind::BadCredential));
        apply(&engine, format!("{FILES}{MORE}")).await;
        assert_eq!(known(&engine, &entry, "api.example").await, Ok("dev".into()));
        apply(&engine, format!("{FILES}{MORE}").replace("name = \"dev\"\n", "name = \"dev\"\ndisabled = true\n")).await;
        assert_eq!(known(&engine, &entry, "api.example").await, Err(RefusalKind::BadCredential));
    });
}

#[test]
fn w03_i20_who_may_get_in_is_sent_to_a_host_of_its_own_and_others_learn_nothing() {
    let town = Town::new(1);
    town.live(async |engine| {
        apply(&engine, format!("{FILES}{MORE}")).await;
        let (dev, _) = signed_in(&town, &engine, "dev").await;
        let (guest, _) = signed_in(&town, &engine, "guest").await;
        for (to, wanted) in [
            // Whatever the door didn't make leads to the door.
            ("https://api.example/orders?x=1", Ok("https://api.example/orders?x=1")),
            ("https://api.example/.ajar/enter?to=%2F", Ok("https://api.example/.ajar/enter?to=%2F")),
            ("https://api.example/.ajar/enter?state=&to=%2F", Ok("https://api.example/.ajar/enter?state=&to=%2F")),
            // By the door's own name, to the API's.
            ("https://door:7443/orders-api/orders/7?x=1", Ok("https://api.example:7443/orders/7?x=1")),
            ("https://door/orders-api", Ok("https://api.example/")),
            // Ajar's own host is no API's.
            ("https://ajar.test/orders", Err(RefusalKind::BadInput)),
            ("https://door/orders-db/x", Err(RefusalKind::NotRequestable)),
            ("https://door/none-such/x", Err(RefusalKind::NotRequestable)),
            ("https://door/", Err(RefusalKind::NotRequestable)),
            ("http://api.example/", Err(RefusalKind::BadInput)),
            ("https://dev@api.example/", Err(RefusalKind::BadInput)),
            ("https://api.example.evil.example/orders", Err(RefusalKind::NotRequestable)),
            ("javascript:alert(1)", Err(RefusalKind::BadInput)),
            ("", Err(RefusalKind::BadInput)),
        ] {
            let got = engine.http_entry(&dev, to).await.map_err(|refusal| refusal.kind);
            assert_eq!(got.as_deref().map_err(|kind| *kind), wanted, "{to}");
        }
        let refused = |to: &'static str| async { engine.http_entry(&guest, to).await.unwrap_err() };
        let nothing = refused("https://door/none-such/x").await;
        for to in
            ["https://api.example/", "https://door/orders-api/", "https://door/bare-api/", "https://ajar.test/", "https://door/orders-db/"]
        {
            assert_eq!(refused(to).await, nothing, "{to}");
        }
        assert_eq!(refused("https://api.example/.ajar/enter?state=begun&to=%2F").await, nothing);
        // A narrower token makes none; nor does what is no token.
        let narrow = Caller { scope: Scope::Connect, ..dev.clone() };
        assert_eq!(engine.http_entry(&narrow, &begun_at("api.example")).await.unwrap_err().kind, RefusalKind::Denied);
        assert_eq!(engine.http_entry(&town.caller("dev"), &begun_at("api.example")).await.unwrap_err().kind, RefusalKind::BadCredential);
    });
}

#[test]
fn w08_who_only_looks_asks_for_nothing() {
    let town = Town::new(1);
    town.live(async |engine| {
        apply(&engine, format!("{FILES}{MORE}")).await;
        let look = async |who: &str, resource: &str, role: Option<&str>| {
            let wishes = Wishes { role: role.map(str::to_owned), ..Wishes::default() };
            let knock = Knock { resource: resource.into(), protocol: "http", wishes, client: CLIENT, otherwise: Otherwise::Look };
            engine.knock(&town.identified(who), knock).await
        };
        let filed = || town.memory.disk().events().iter().filter(|e| e.event.kind() == "request.filed").count();
        for (resource, role, wanted) in
            [("orders-api", None, Some("read")), ("orders-api", Some("status"), Some("status")), ("bare-api", None, Some("read"))]
        {
            let seen = look("dev", resource, role).await.unwrap();
            let Admission::Unasked { resource: found, role } = seen else { panic!("{seen:?}") };
            assert_eq!((found.as_str(), role.as_ref().map(ToString::to_string).as_deref()), (resource, wanted));
        }
        for (who, resource) in [("guest", "orders-api"), ("dev", "none-such"), ("guest", "orders-db")] {
            assert_eq!(look(who, resource, None).await.unwrap_err().kind, RefusalKind::NotRequestable, "{who} {resource}");
        }
        assert_eq!(filed(), 0);
        let asks =
            Knock { resource: "orders-api".into(), protocol: "http", wishes: Wishes::default(), client: CLIENT, otherwise: Otherwise::Ask };
        let Admission::Asked(request) = engine.knock(&town.identified("dev"), asks).await.unwrap() else { panic!() };
        let seen = look("dev", "orders-api", None).await.unwrap();
        assert!(matches!(seen, Admission::Asked(found) if found == request), "{seen:?}");
        assert_eq!(filed(), 1);
    });
}
