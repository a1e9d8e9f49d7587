//! Where a browser is, or is sent: never anywhere else than a text says at first sight.

use std::fmt;
use std::str::FromStr;

use super::Path;

/// The longest URL that is looked at, in bytes.
pub const URL_MAX: usize = 16 * 1024;

/// A path and a query on whatever host it is said to: as a `Location` it never leads to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// The path, in normal form.
    pub path: Path,
    /// What follows the `?`.
    pub query: Option<String>,
}

/// A place at a host by `https`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Host and perhaps port, in lower case.
    pub authority: String,
    /// Where on it.
    pub local: Local,
}

/// Why a text is no place to go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no URL of the form https://host/path")]
pub struct BadPlace;

impl Local {
    /// A value of its query, decoded; none when it is there twice, or not UTF-8.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<String> {
        let pairs = self.query.as_deref().unwrap_or_default().split('&');
        let mut found = pairs.filter_map(|pair| pair.split_once('=')).filter(|(key, _)| *key == name).map(|(_, value)| value);
        match (found.next(), found.next()) {
            (Some(value), None) => decode(value),
            (_, _) => None,
        }
    }
}

impl FromStr for Local {
    type Err = BadPlace;

    fn from_str(text: &str) -> Result<Self, BadPlace> {
        if text.len() > URL_MAX {
            return Err(BadPlace);
        }
        let text = text.split_once('#').map_or(text, |(before, _)| before);
        let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
        if query.is_some_and(|query| !query.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b))) {
            return Err(BadPlace);
        }
        Ok(Self { path: Path::parse(path).map_err(|_| BadPlace)?, query: query.map(str::to_owned) })
    }
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.query {
            Some(query) => write!(f, "{}?{query}", self.path),
            None => write!(f, "{}", self.path),
        }
    }
}

impl Place {
    /// The host, without its port.
    #[must_use]
    pub fn host(&self) -> &str {
        self.authority.split_once(':').map_or(self.authority.as_str(), |(host, _)| host)
    }

    /// The port, if it says one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.authority.split_once(':').and_then(|(_, port)| port.parse().ok())
    }
}

impl FromStr for Place {
    type Err = BadPlace;

    fn from_str(text: &str) -> Result<Self, BadPlace> {
        let rest = text.strip_prefix("https://").ok_or(BadPlace)?;
        let (authority, local) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
        let is_host = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
        let is_port = port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok());
        if !is_host || !is_port {
            return Err(BadPlace);
        }
        let local = if local.starts_with('/') { local.parse()? } else { format!("/{local}").parse()? };
        Ok(Self { authority: authority.to_ascii_lowercase(), local })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}{}", self.authority, self.local)
    }
}

/// A text as a value in a query.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend(
                [byte >> 4, byte & 15].into_iter().filter_map(|digit| char::from_digit(digit.into(), 16)).map(|c| c.to_ascii_uppercase()),
            );
        }
    }
    out
}

fn decode(value: &str) -> Option<String> {
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit()? << 4 | digit()?
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h02_a_place_leads_where_it_says() {
        for (text, shown, host, port) in [
            ("https://API.example", "https://api.example/", "api.example", None),
            ("https://api.example:7443/a%7eb?x=%2f#part", "https://api.example:7443/a~b?x=%2f", "api.example", Some(7443)),
            ("https://api.example?x=1", "https://api.example/?x=1", "api.example", None),
        ] {
            let place: Place = text.parse().unwrap();
            assert_eq!((place.to_string().as_str(), place.host(), place.port()), (shown, host, port), "{text}");
        }
        for wrong in [
            "",
            "/a",
            "http://api.example/",
            "javascript:alert(1)",
            "https://",
            "https:///a",
            "https://a@b/",
            "https://a\\b/",
            "https://a:b/",
            "https://a:/",
            "https://a:99999/",
            "https://a/../b",
            "https://a//b",
            "https://a/b c",
            "https://a/?x y",
            "https://a/?\r\nx: 1",
            "https://[::1]/",
            "https://é.example/",
        ] {
            assert_eq!(wrong.parse::<Place>(), Err(BadPlace), "{wrong}");
        }
        for wrong in [
            "",
            "a",
            "//evil.example",
            "/\\evil.example",
            "/%2fevil.example",
            "/..//evil.example",
            "https://evil.example",
            "/\t/evil",
            "?x",
            "/a\r\n",
        ] {
            assert_eq!(wrong.parse::<Local>(), Err(BadPlace), "{wrong}");
        }
    }

    #[test]
    fn a_value_comes_back_as_it_was() {
        for text in ["", "/a?b=c&d=%20#e", "ü ", "a+b"] {
            let local: Local = format!("/x?y=1&to={}", encode(text)).parse().unwrap();
            assert_eq!(local.value("to").as_deref(), Some(text));
        }
        let twice: Local = "/x?to=1&to=2&z=%4".parse().unwrap();
        assert_eq!((twice.value("to"), twice.value("z"), twice.value("none")), (None, None, None));
    }
}
