//! What of a message's headers is passed on. INVARIANT H2: nothing that only concerns one connection, nothing that claims to come from a
//! proxy, and nothing that makes a target see another request than was decided on.

use std::net::IpAddr;

use hyper::header::{
    ALT_SVC, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE, TRANSFER_ENCODING, UPGRADE,
};

use super::enter::OURS;

/// Of one connection (RFC 9110, 7.6.1).
const OF_ONE_HOP: [HeaderName; 6] = [CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE];
const OF_ONE_HOP_TOO: [&str; 2] = ["keep-alive", "proxy-connection"];
/// What proxies say, and what makes a request another one to some target.
const MISLEADING: [&str; 9] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
];
const MISLEADING_FAMILIES: [&str; 2] = ["x-forwarded-", "ajar-"];

/// The names that a message says are for this connection alone.
fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}

fn of_one_hop(name: &HeaderName, named: &[String]) -> bool {
    OF_ONE_HOP.contains(name) || OF_ONE_HOP_TOO.contains(&name.as_str()) || named.iter().any(|n| n == name.as_str())
}

/// Some targets read `_` as `-`.
fn misleads(name: &HeaderName) -> bool {
    let name = name.as_str().replace('_', "-");
    MISLEADING.contains(&name.as_str()) || MISLEADING_FAMILIES.iter().any(|family| name.starts_with(family))
}

/// A request's headers as the target is to see them, but for what it is shown. Framing is left to who writes them.
pub(super) fn request(from: &HeaderMap, host: &HeaderValue, client: IpAddr, called: &str) -> HeaderMap {
    let named = named_by_connection(from);
    let mut to: HeaderMap = HeaderMap::with_capacity(from.len() + 4);
    let ours = [HOST, CONTENT_LENGTH, EXPECT, FORWARDED];
    for (name, value) in from.iter().filter(|(name, _)| !of_one_hop(name, &named) && !misleads(name) && !ours.contains(name)) {
        let value = if *name == COOKIE { &without_ours(value) } else { value };
        if *name == COOKIE && value.is_empty() {
            continue;
        }
        // HTTP/2 may send a cookie in pieces (RFC 9113, 8.2.3); HTTP/1 may not.
        match to.get_mut(COOKIE).filter(|_| *name == COOKIE) {
            Some(before) => {
                let whole = [before.as_bytes(), b"; ", value.as_bytes()].concat();
                *before = HeaderValue::from_bytes(&whole).unwrap_or_else(|_| value.clone());
            }
            None => drop(to.append(name.clone(), value.clone())),
        }
    }
    if from.get_all(TE).iter().any(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers")) {
        to.insert(TE, HeaderValue::from_static("trailers"));
    }
    to.insert(HOST, host.clone());
    to.insert("x-forwarded-proto", HeaderValue::from_static("https"));
    for (name, value) in [("x-forwarded-for", client.to_string()), ("x-forwarded-host", called.to_owned())] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            to.insert(HeaderName::from_static(name), value);
        }
    }
    to
}

/// Cookies without those that are between a browser and us: not even those of the API, which may be at the same host by another port.
fn without_ours(cookies: &HeaderValue) -> HeaderValue {
    let ours = |pair: &[u8]| {
        let pair = pair.trim_ascii();
        pair.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS.as_bytes()))
    };
    if !cookies.as_bytes().split(|b| *b == b';').any(ours) {
        return cookies.clone();
    }
    let kept: Vec<&[u8]> = cookies.as_bytes().split(|b| *b == b';').filter(|pair| !ours(pair)).map(<[u8]>::trim_ascii).collect();
    HeaderValue::from_bytes(&kept.join(&b"; "[..])).unwrap_or(HeaderValue::from_static(""))
}

/// An answer's headers as the caller is to see them.
pub(super) fn response(from: &mut HeaderMap) {
    let named = named_by_connection(from);
    let gone: Vec<HeaderName> = from.keys().filter(|name| of_one_hop(name, &named) || **name == ALT_SVC).cloned().collect();
    for name in gone {
        from.remove(name);
    }
}

/// Fields behind a body, in either direction: some who read them put them among the headers (RFC 9110, 6.5.1), so nothing is left that would
/// count for something there. `shown` is where the target is shown what we show it.
pub(super) fn trailers(mut fields: HeaderMap, shown: Option<&HeaderName>) -> HeaderMap {
    let counts = [HOST, CONTENT_LENGTH, EXPECT, FORWARDED, AUTHORIZATION, COOKIE, SET_COOKIE, LOCATION];
    let gone = |name: &&HeaderName| of_one_hop(name, &[]) || misleads(name) || counts.contains(name) || Some(*name) == shown;
    let gone: Vec<HeaderName> = fields.keys().filter(gone).cloned().collect();
    for name in gone {
        fields.remove(name);
    }
    fields
}

/// A cookie that a target sets comes back to that target alone: APIs behind one host name are none of each other's business.
pub(super) fn keep_cookies_here(headers: &mut HeaderMap, prefix: &str, base: &str) {
    let set: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    headers.remove(SET_COOKIE);
    for value in set {
        let Ok(text) = value.to_str() else { continue };
        let mut parts = text.split(';').map(str::trim);
        let pair = parts.next().unwrap_or_default();
        // INVARIANT W1: nobody but us makes a browser somebody to us.
        if pair.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS)) {
            continue;
        }
        let mut kept = vec![pair.to_owned()];
        let mut path = None;
        for part in parts {
            let (name, value) = part.split_once('=').map_or((part, ""), |(name, value)| (name.trim_end(), value.trim_start()));
            match name.to_ascii_lowercase().as_str() {
                "domain" => {}
                "path" => path = Some(value),
                _ => kept.push(part.to_owned()),
            }
        }
        let own = path.and_then(|path| path.strip_prefix(base)).filter(|rest| rest.starts_with('/'));
        if prefix.is_empty() {
            kept.extend(own.or(path).map(|path| format!("Path={path}")));
        } else {
            kept.push(format!("Path={prefix}{}", own.unwrap_or_default()));
        }
        if let Ok(value) = HeaderValue::from_str(&kept.join("; ")) {
            headers.append(SET_COOKIE, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        let mut map = HeaderMap::new();
        for (name, value) in all.iter().map(pair) {
            map.append(name, value);
        }
        map
    }

    #[test]
    fn h02_nothing_of_one_hop_and_nothing_misleading_is_passed_on() {
        let from = headers(&[
            ("Host", "door.example"),
            ("Connection", "close, X-Secret-Step"),
            ("X-Secret-Step", "1"),
            ("Transfer-Encoding", "chunked"),
            ("Content-Length", "3"),
            ("TE", "trailers"),
            ("Upgrade", "h2c"),
            ("Keep-Alive", "1"),
            ("Proxy-Connection", "x"),
            ("Expect", "100-continue"),
            ("X-Forwarded-For", "127.0.0.1"),
            ("X_Forwarded_Host", "evil"),
            ("Forwarded", "for=127.0.0.1"),
            ("X-HTTP-Method-Override", "DELETE"),
            ("X-Original-URL", "/admin"),
            ("Ajar-Reason", "x"),
            ("Accept", "a/b"),
            ("Cookie", "a=1;__Host-ajar=x; __host-AJAR-door=y"),
            ("Cookie", "__Host-ajar-enter=z"),
            ("Cookie", "b=2"),
        ]);
        let to = request(&from, &HeaderValue::from_static("api.internal"), "192.0.2.1".parse().unwrap(), "door.example");
        let mut seen: Vec<String> = to.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        seen.sort();
        assert_eq!(
            seen,
            [
                "accept: a/b",
                "cookie: a=1; b=2",
                "host: api.internal",
                "te: trailers",
                "x-forwarded-for: 192.0.2.1",
                "x-forwarded-host: door.example",
                "x-forwarded-proto: https"
            ]
        );
        let mut back =
            headers(&[("Connection", "X-Step"), ("X-Step", "1"), ("Alt-Svc", "h3=\":443\""), ("Content-Length", "3"), ("Etag", "1")]);
        response(&mut back);
        for (prefix, set, kept) in [
            ("/api", "a=1; Path=/; Domain=internal; Secure", "a=1; Secure; Path=/api"),
            ("/api", "a=1; path = /v1/x; HttpOnly", "a=1; HttpOnly; Path=/api/x"),
            ("/api", "a=1", "a=1; Path=/api"),
            ("/api", "a=1; Path=/v1x; Path=/other", "a=1; Path=/api"),
            ("", "a=1; Path=/v1/x; Domain=internal", "a=1; Path=/x"),
            ("", "a=1; Path=/", "a=1; Path=/"),
        ] {
            let ours = ("Set-Cookie", " __HOST-ajar-door=x; Path=/; Secure");
            let mut cookies = headers(&[("Set-Cookie", set), ours, ("Set-Cookie", "b=2")]);
            keep_cookies_here(&mut cookies, prefix, "/v1");
            let first = cookies.get(SET_COOKIE).unwrap();
            assert_eq!((first, cookies.get_all(SET_COOKIE).iter().count()), (&HeaderValue::from_static(kept), 2), "{set}");
        }
        let mut left: Vec<_> = back.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "etag"]);
    }
}
