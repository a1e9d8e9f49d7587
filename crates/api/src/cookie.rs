//! The cookie by which a browser is known, and what keeps other sites from using it.
//!
//! A browser sends a cookie by itself, whoever made it ask (W8). So with the cookie counts only what another site cannot bring about:
//! a call with a header that neither a form nor a request without CORS can carry, from our own origin as far as the browser says where
//! it comes from. The `__Host-` prefix keeps sibling domains from setting it (W1).

use ajar_core::secret::Secret;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};

use crate::problem::Refused;

/// The cookie's name.
pub(crate) const NAME: &str = "__Host-ajar";
/// The header that every call of a page carries which changes anything.
const OURS: &str = "ajar-web";

/// The token in the cookie, if there is exactly one: which of two was meant nobody can know.
pub(crate) fn read(headers: &HeaderMap) -> Option<Secret> {
    let pairs = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    let mut ours = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(name, _)| *name == NAME).map(|(_, value)| value);
    match (ours.next(), ours.next()) {
        (Some(token), None) if !token.is_empty() => Some(Secret::new(token.to_owned())),
        _ => None,
    }
}

/// The header that gives a browser its token, for as many seconds.
pub(crate) fn set(token: &Secret, seconds: u64) -> Result<HeaderValue, Refused> {
    value(&format!("{NAME}={}; Path=/; Max-Age={}; Secure; HttpOnly; SameSite=Strict", token.expose(), seconds))
}

/// The header that takes it away again.
pub(crate) fn clear() -> Result<HeaderValue, Refused> {
    value(&format!("{NAME}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict"))
}

fn value(text: &str) -> Result<HeaderValue, Refused> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "unavailable", "the cookie can't be set"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The origin of a URL as browsers write it: `https://ajar.example.org`, with a port only where it isn't the usual one.
pub(crate) fn origin(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let (scheme, host) = (uri.scheme_str()?.to_ascii_lowercase(), uri.host()?.to_ascii_lowercase());
    let usual = if scheme == "https" { 443 } else { 80 };
    Some(match uri.port_u16().filter(|port| *port != usual) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

/// Whether a call that comes with the cookie, or wants one, is from our own pages.
///
/// # Errors
/// When another site may have brought it about.
pub(crate) fn same_origin(method: &Method, headers: &HeaderMap, public_url: &str) -> Result<(), Refused> {
    let said = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let changes = !matches!(*method, Method::GET | Method::HEAD);
    let site = match said("sec-fetch-site") {
        // What the user typed or opened from a bookmark.
        Some("none") => !changes,
        Some(site) => site == "same-origin",
        None => true,
    };
    let from = said("origin").is_none_or(|from| origin(public_url).is_some_and(|ours| from == ours));
    let marked = !changes || said(OURS) == Some("1");
    if site && from && marked {
        return Ok(());
    }
    let refused = Refused::new(StatusCode::FORBIDDEN, "cross_site", "this call does not come from Ajar's own pages");
    Err(refused.with_hint(&format!("open {public_url} and do it there; scripts send a token: 'Authorization: Bearer …'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://Ajar.example.org:443/";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn w01_the_cookie_is_taken_only_when_there_is_one() {
        let token = |pairs: &[(&'static str, &str)]| read(&headers(pairs)).map(|s| s.expose().to_owned());
        assert_eq!(token(&[("cookie", "a=b; __Host-ajar=ajar_x; c=d")]).as_deref(), Some("ajar_x"));
        for none in [
            vec![],
            vec![("cookie", "__Host-ajar=")],
            vec![("cookie", "ajar=ajar_x")],
            vec![("cookie", "__host-ajar=ajar_x")],
            vec![("cookie", "__Host-ajar=ajar_x; __Host-ajar=ajar_y")],
            vec![("cookie", "__Host-ajar=ajar_x"), ("cookie", "__Host-ajar=ajar_y")],
        ] {
            assert_eq!(token(&none), None, "{none:?}");
        }
    }

    #[test]
    fn w01_the_cookie_is_for_this_host_over_tls_and_out_of_reach_of_scripts() {
        let set = set(&Secret::new("ajar_x".into()), 60).unwrap();
        assert_eq!(set.to_str().unwrap(), "__Host-ajar=ajar_x; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Strict");
        assert!(set.is_sensitive());
    }

    #[test]
    fn w08_only_our_own_pages_may_use_the_cookie() {
        let marked = ("ajar-web", "1");
        let ours = ("origin", "https://ajar.example.org");
        let same = ("sec-fetch-site", "same-origin");
        let fine = |method: &Method, pairs: &[(&'static str, &str)]| same_origin(method, &headers(pairs), URL).is_ok();
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
            assert!(fine(&method, &[marked]), "{method}: a client that says nothing of where it comes from");
            assert!(fine(&method, &[marked, ours, same]));
            assert!(!fine(&method, &[]), "{method}: a form");
            assert!(!fine(&method, &[ours, same]), "{method}: without the header");
            assert!(!fine(&method, &[("ajar-web", "0"), ours, same]));
            for site in ["cross-site", "same-site", "none", "\u{e9}", ""] {
                assert!(!fine(&method, &[marked, ours, ("sec-fetch-site", site)]), "{method} from {site}");
            }
            for from in [
                "null",
                "https://evil.example",
                "http://ajar.example.org",
                "https://ajar.example.org:8443",
                "https://ajar.example.org.evil.example",
                "",
            ] {
                assert!(!fine(&method, &[marked, same, ("origin", from)]), "{method} from {from}");
            }
        }
        for method in [Method::GET, Method::HEAD] {
            assert!(fine(&method, &[]));
            assert!(fine(&method, &[same]));
            assert!(fine(&method, &[("sec-fetch-site", "none")]));
            assert!(!fine(&method, &[("sec-fetch-site", "cross-site")]));
            assert!(!fine(&method, &[("sec-fetch-site", "same-site")]));
            assert!(!fine(&method, &[("origin", "https://evil.example")]));
        }
    }

    #[test]
    fn an_origin_is_written_as_browsers_do() {
        assert_eq!(origin("http://localhost:7070/x").as_deref(), Some("http://localhost:7070"));
        assert_eq!(origin("http://localhost:80").as_deref(), Some("http://localhost"));
        assert_eq!(origin("https://[::1]:7070").as_deref(), Some("https://[::1]:7070"));
        assert_eq!(origin("nonsense"), None);
    }
}
