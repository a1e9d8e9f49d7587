//! Browsers: sent to sign in, let in with a code, known by a cookie that counts for nobody else.

use std::sync::atomic::Ordering;

use ajar_core::http::Place;
use ajar_core::port::Otherwise;
use ajar_gateway::Limits;

use super::{ask, house, lines};
use crate::house::House;

const GOES: &str = "Accept: text/html,*/*;q=0.8\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
const COOKIE: &str = "Cookie: a=1; __Host-ajar-door=entry-at-api.example; __Host-ajar=the-other-one\r\n";

fn get(host: &str, path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n")
}

fn header<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    head.lines().filter_map(|line| line.split_once(": ")).filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, v)| v).collect()
}

/// Where a browser that nobody is known of is sent, and the cookie that it gets: the place to come back to.
async fn begun(house: &House, path: &str, more: &str) -> (Place, String) {
    let (status, head, _) = ask(house, &get("API.example:7443", path, &format!("{GOES}Sec-Fetch-Site: cross-site\r\n{more}"))).await;
    let (location, cookies) = (header(&head, "location"), header(&head, "set-cookie"));
    assert_eq!((status, location.len(), cookies.len()), (303, 1, 1), "{head}");
    let enter: Place = location[0].parse().unwrap();
    assert!(location[0].starts_with("https://ajar.test/enter?to="), "{head}");
    let (cookie, attributes) = cookies[0].split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; Max-Age=900; Secure; HttpOnly; SameSite=Lax");
    (enter.local.value("to").unwrap().parse().unwrap(), cookie.to_owned())
}

#[tokio::test]
async fn w08_a_browser_is_sent_to_sign_in_and_comes_back_with_a_code_that_is_its_own() {
    let (house, heads) = house(Limits::default()).await;
    let (back, cookie) = begun(&house, "/orders?x=1%2f2", "").await;
    assert_eq!((back.authority.as_str(), back.local.path.as_str()), ("api.example:7443", "/.ajar/enter"));
    assert_eq!(back.local.value("to").as_deref(), Some("/orders?x=1%2f2"));
    let state = back.local.value("state").unwrap();
    assert!(!cookie.contains(&state), "what others see is not what the browser keeps");
    // A second tab begins with the same, so that the first one can come back too.
    let (again, same) = begun(&house, "/status", &format!("Cookie: {cookie}\r\n")).await;
    assert_eq!((again.local.value("state").unwrap(), &same), (state.clone(), &cookie));
    let code = || *house.door.code.lock().unwrap() = Some(("c0de".into(), state.clone(), "api.example:7443".into()));
    code();
    let enter = |to: &str| format!("/.ajar/enter?code=c0de&to={}", ajar_core::http::encode(to));
    // Somebody else's browser, which was lured here with this code, is nobody by it.
    for other in ["", "Cookie: __Host-ajar-enter=x\r\n", &format!("Cookie: {cookie}; {cookie}\r\n")] {
        let (status, head, _) = ask(&house, &get("api.example:7443", &enter("/"), &format!("{GOES}{other}"))).await;
        assert_eq!((status, header(&head, "set-cookie").len()), (401, 0), "{other}{head}");
    }
    for (to, wanted) in [
        ("/orders?x=1%2f2", "/orders?x=1%2f2"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/a/../..//evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nset-cookie: x=1", "/"),
    ] {
        code();
        let (status, head, _) = ask(&house, &get("api.example:7443", &enter(to), &format!("{GOES}Cookie: {cookie}\r\n"))).await;
        assert_eq!((status, header(&head, "location")), (303, vec![wanted]), "{to} {head}");
        assert_eq!((header(&head, "referrer-policy"), header(&head, "cache-control")), (vec!["no-referrer"], vec!["no-store"]));
        let cookies = header(&head, "set-cookie");
        assert!(cookies[0].starts_with("__Host-ajar-door=entry-at-api.example; Path=/; Max-Age=3"), "{cookies:?}");
        assert!(
            cookies[0].ends_with("; Secure; HttpOnly; SameSite=Lax") && cookies[1].starts_with("__Host-ajar-enter=; Path=/; Max-Age=0;")
        );
    }
    // It is good once.
    assert_eq!(ask(&house, &get("api.example:7443", &enter("/"), &format!("{GOES}Cookie: {cookie}\r\n"))).await.0, 401);
    for (what, path) in [("GET", "/.ajar/other"), ("GET", "/.ajar"), ("POST", "/.ajar/enter")] {
        let request =
            format!("{what} {path} HTTP/1.1\r\nHost: api.example\r\n{COOKIE}Sec-Fetch-Site: same-origin\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(ask(&house, &request).await.0, 404, "{what} {path}");
    }
    assert!(heads.lock().unwrap().is_empty(), "nothing of it is the target's");
}

#[tokio::test]
async fn w08_i17_the_doors_cookie_counts_at_its_own_host_for_its_own_pages_and_goes_no_further() {
    let (mut house, heads) = house(Limits::default()).await;
    let own = "Origin: https://api.example\r\n";
    let evil = "Origin: https://evil.example\r\n";
    for (what, more, wanted) in [
        ("GET", "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\n".to_owned(), 200),
        ("GET", format!("{GOES}Sec-Fetch-Site: none\r\n"), 200),
        ("GET", format!("{GOES}Sec-Fetch-Site: cross-site\r\n"), 200),
        ("GET", own.to_owned(), 200),
        ("POST", format!("{own}Sec-Fetch-Site: same-origin\r\n"), 200),
        // A page of another site, or of a neighbour, fetches, posts, or shows it within itself.
        ("GET", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\n".into(), 403),
        ("GET", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\nAccept: text/html\r\n".into(), 403),
        ("GET", "Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors\r\n".into(), 403),
        ("GET", "Accept: text/html\r\nSec-Fetch-Site: same-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n".into(), 403),
        ("POST", format!("{GOES}Sec-Fetch-Site: cross-site\r\n"), 403),
        ("POST", format!("{GOES}{evil}Sec-Fetch-Site: cross-site\r\n"), 403),
        ("POST", format!("{evil}Sec-Fetch-Site: same-origin\r\n"), 403),
        ("POST", "Origin: null\r\n".into(), 403),
        // One that doesn't say where it comes from.
        ("GET", String::new(), 403),
        ("POST", String::new(), 403),
        ("GET", format!("{evil}Connection: Upgrade\r\nUpgrade: websocket\r\n"), 403),
    ] {
        let path = if what == "GET" { "/orders" } else { "/orders/7/notes" };
        let before = heads.lock().unwrap().len();
        let request = format!("{what} {path} HTTP/1.1\r\nHost: api.example\r\n{COOKIE}{more}Content-Length: 0\r\n\r\n");
        let (status, head, problem) = ask(&house, &request).await;
        assert_eq!(status, wanted, "{what} {more}{head}{problem}");
        assert_eq!(heads.lock().unwrap().len() - before, usize::from(wanted == 200), "{what} {more}");
    }
    for seen in heads.lock().unwrap().iter() {
        assert!(seen.contains("cookie: a=1\r\n") && !seen.contains("entry-at") && !seen.contains("the-other-one"), "{seen}");
    }
    // At another host it is nobody's, nor where several APIs are of one origin, nor when it is there twice.
    let fetches = "Sec-Fetch-Site: same-origin\r\n";
    for (host, path, cookie) in [
        ("door", "/sample-api/orders", COOKIE.to_owned()),
        ("api.example", "/orders", "Cookie: __Host-ajar-door=entry-at-other.example\r\n".into()),
        ("api.example", "/orders", "Cookie: __Host-ajar-door=entry-at-api.example; __Host-ajar-door=x\r\n".into()),
        ("api.example", "/orders", "Cookie: __host-ajar-door=entry-at-api.example\r\n".into()),
    ] {
        assert_eq!(ask(&house, &get(host, path, &format!("{cookie}{fetches}"))).await.0, 401, "{host} {cookie}");
    }
    house.stop().await;
    let all = format!("{:?}", lines(&house));
    assert!(all.contains("/orders") && !all.contains("entry-at") && !all.contains("the-other-one"), "{all}");
}

#[tokio::test]
async fn w03_i20_a_browser_by_the_doors_name_is_sent_to_sign_in_whatever_there_is_there() {
    let (house, _) = house(Limits::default()).await;
    for path in ["/sample-api/orders?x=1", "/none-such/orders", "/"] {
        let (status, head, _) = ask(&house, &get("door:7443", path, GOES)).await;
        let wanted = format!("https://ajar.test/enter?to={}", ajar_core::http::encode(&format!("https://door:7443{path}")));
        assert_eq!((status, header(&head, "location"), header(&head, "set-cookie").len()), (303, vec![wanted.as_str()], 0), "{head}");
    }
    // Programs, and pages that fetch something, are told.
    for more in ["", "Accept: text/html\r\n", "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n"] {
        assert_eq!(ask(&house, &get("door", "/sample-api/orders", more)).await.0, 401, "{more}");
    }
}

#[tokio::test]
async fn w08_going_somewhere_asks_for_nothing_and_leads_to_where_it_is_asked_for() {
    let (house, heads) = house(Limits::default()).await;
    house.door.shut.store(true, Ordering::SeqCst);
    let otherwise = || house.door.otherwise.lock().unwrap().take();
    let new = "https://ajar.test/new?resource=sample-api&role=read";
    let (status, head, _) = ask(&house, &get("api.example", "/orders", &format!("{COOKIE}{GOES}Sec-Fetch-Site: cross-site\r\n"))).await;
    assert_eq!((status, header(&head, "location"), otherwise()), (303, vec![new], Some(Otherwise::Look)), "{head}");
    // What a page fetches is told so.
    let (status, _, problem) = ask(&house, &get("api.example", "/orders", &format!("{COOKIE}Sec-Fetch-Site: same-origin\r\n"))).await;
    assert_eq!((status, problem["type"].as_str(), otherwise()), (403, Some("urn:ajar:not_open"), Some(Otherwise::Look)), "{problem}");
    assert_eq!(problem["link"], new);
    // A name and a token that a browser remembers ask for nothing either when somebody only goes there; a program does.
    let (status, ..) =
        ask(&house, &get("door", "/sample-api/orders", &format!("Authorization: Basic ZGV2OmFqYXJfZ29vZA==\r\n{GOES}"))).await;
    assert_eq!((status, otherwise()), (303, Some(Otherwise::Look)));
    let (status, _, problem) = ask(&house, &get("door", "/sample-api/orders", "Ajar-Token: good\r\n")).await;
    assert_eq!((status, problem["type"].as_str(), otherwise()), (403, Some("urn:ajar:pending"), Some(Otherwise::Ask)));
    assert!(heads.lock().unwrap().is_empty());
}
