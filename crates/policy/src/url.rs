//! URLs as files name them: `http` or `https`, a host, perhaps a port and a path, and nothing else.
//!
//! What is wrong is told without the text: somebody may have put a password into it.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use ajar_core::http::Path;

/// The longest host name (RFC 1035, 2.3.4, without the root's dot).
const HOST_MAX: usize = 253;

/// A URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// Whether its scheme is `https`, and not `http`.
    pub(crate) https: bool,
    /// A name in lower case, or an address; IPv6 without brackets.
    pub(crate) host: String,
    /// The port, the scheme's own unless it says.
    pub(crate) port: u16,
    /// The path: empty, or in normal form.
    pub(crate) path: String,
}

impl Url {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (https, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some(_) | None => return Err("it begins with 'https://' or 'http://'".into()),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("it names no user: that is for 'credential'".into());
        }
        for (sign, what) in [('?', "query"), ('#', "fragment")] {
            if path.contains(sign) {
                return Err(format!("it has no {what}"));
            }
        }
        let (host, port) = authority_parts(authority)?;
        let path = match path {
            "" => String::new(),
            path => Path::parse(path).map_err(|why| format!("its path is none: {why}"))?.as_str().to_owned(),
        };
        Ok(Self { https, host, port: port.unwrap_or(if https { 443 } else { 80 }), path })
    }

    /// Whether it is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        ["localhost", "127.0.0.1", "::1"].contains(&self.host.as_str())
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, usual) = if self.https { ("https", 443) } else { ("http", 80) };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}", self.host)?;
        if self.port != usual {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.path)
    }
}

/// A host and perhaps a port behind it; IPv6 in brackets.
pub(crate) fn authority_parts(text: &str) -> Result<(String, Option<u16>), String> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(inner) => {
            let (address, rest) = inner.split_once(']').ok_or("its address does not end with ']'")?;
            let address: Ipv6Addr = address.parse().map_err(|_| "what is in brackets is not an IPv6 address")?;
            (address.to_string(), rest)
        }
        None => {
            let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            (host_name(host)?, rest)
        }
    };
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok().filter(|port| *port != 0),
        Some(_) | None => None,
    };
    if port.is_none() && !rest.is_empty() {
        return Err("a port is a number from 1 to 65535".into());
    }
    Ok((host, port))
}

/// A name in lower case, or an IPv4 address.
pub(crate) fn host_name(text: &str) -> Result<String, String> {
    let host = text.to_ascii_lowercase();
    if host.parse::<Ipv4Addr>().is_err() {
        // Names of services in a private network may have underscores.
        dns_name(&host.replace('_', "x"))?;
    }
    Ok(host)
}

/// Whether a text is a DNS name in lower case, and why not.
pub(crate) fn dns_name(text: &str) -> Result<(), String> {
    let label = |label: &str| {
        let plain = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        plain && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    if text.len() > HOST_MAX || !text.split('.').all(label) {
        return Err("a host is a name of lower-case letters, digits, '-' and '.'".into());
    }
    // There are programs that read such a name as an address (inet_aton).
    let last = text.rsplit('.').next().unwrap_or_default();
    if last.starts_with("0x") || last.bytes().all(|b| b.is_ascii_digit()) {
        return Err("a name does not end like an address".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_written_in_one_way() {
        for (text, https, host, port, path, written) in [
            ("https://api.internal:8443/v2", true, "api.internal", 8443, "/v2", "https://api.internal:8443/v2"),
            ("https://API.Internal", true, "api.internal", 443, "", "https://api.internal"),
            ("http://my_service/%7ea/", false, "my_service", 80, "/~a/", "http://my_service/~a/"),
            ("http://127.0.0.1:80/", false, "127.0.0.1", 80, "/", "http://127.0.0.1/"),
            ("https://[::0001]:1", true, "::1", 1, "", "https://[::1]:1"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(url, Url { https, host: host.into(), port, path: path.into() }, "{text}");
            assert_eq!(url.to_string(), written);
            assert_eq!(Url::parse(written).unwrap(), url);
        }
        let local = ["http://localhost:1", "http://127.0.0.1", "http://[::1]/", "http://localhost.example.org", "http://127.0.0.2"];
        assert_eq!(local.map(|text| Url::parse(text).unwrap().is_local()), [true, true, true, false, false]);
    }

    #[test]
    fn what_is_no_such_url_says_why_but_not_what_it_is() {
        for (text, why) in [
            ("", "begins with"),
            ("secret.internal", "begins with"),
            ("HTTPS://secret", "begins with"),
            ("ftp://secret", "begins with"),
            ("https:/secret", "begins with"),
            ("https://", "a host is"),
            ("https:///secret", "a host is"),
            ("https://me:secret@api.internal", "names no user"),
            ("https://me@secret", "names no user"),
            ("https://api/?secret=1", "no query"),
            ("https://api?secret", "no query"),
            ("https://api/#secret", "no fragment"),
            ("https://secret_.", "a host is"),
            ("https://se cret", "a host is"),
            ("https://-secret", "a host is"),
            ("https://secret\\x", "a host is"),
            ("https://sécret", "a host is"),
            ("https://secret.127.1", "like an address"),
            ("https://0x7f000001", "like an address"),
            ("https://[::secret]", "IPv6"),
            ("https://[::1", "']'"),
            ("https://[::1]secret", "a port is"),
            ("https://secret:", "a port is"),
            ("https://secret:0", "a port is"),
            ("https://secret:+80", "a port is"),
            ("https://secret:65536", "a port is"),
            ("https://secret:80:80", "a port is"),
            ("https://api/../secret", "dot segment"),
            ("https://api//secret", "empty segment"),
            ("https://api/secret%2f", "escaped slash"),
        ] {
            let told = Url::parse(text).unwrap_err();
            assert!(told.contains(why) && !told.contains("secret"), "{text:?}: {told}");
        }
    }

    #[test]
    fn a_dns_name_is_in_lower_case_and_no_address() {
        for good in ["api", "api.example.org", "xn--bcher-kva.example", "1und1.de", &format!("{}.org", "a".repeat(63))] {
            assert_eq!(dns_name(good), Ok(()), "{good}");
        }
        let long = "a".repeat(64);
        for bad in
            ["", "API.example.org", "a..b", "a.", ".a", "a_b", "a:80", "-a", "a-", "10.0.0.1", "a.0x1", "*.a", &long, &"a.".repeat(127)]
        {
            assert!(dns_name(bad).is_err(), "{bad:?}");
        }
    }
}
