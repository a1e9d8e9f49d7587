//! What a role on an HTTP API allows: methods and paths, and the one form in which a path is decided on and passed on.
//!
//! INVARIANT H2: what is decided on is what the target sees. A path that two programs could read in two ways is no [`Path`].

mod place;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use place::{BadPlace, Local, Place, URL_MAX, encode};

/// Where, at a host name of an API's own, the door takes browsers in: it brings a code in the query.
pub const ENTER: &str = "/.ajar/enter";

/// The longest path, in bytes.
pub const PATH_MAX: usize = 8 * 1024;

/// A request's path in normal form (RFC 3986, 6.2.2): unreserved characters plain, other escapes in upper case, no empty or dot
/// segments but a last empty one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path(String);

/// Why a text is no [`Path`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// It is relative, or `*`.
    #[error("it does not begin with '/'")]
    Relative,
    /// It is longer than [`PATH_MAX`].
    #[error("it is longer than {PATH_MAX} bytes")]
    Long,
    /// A character that may only be there escaped.
    #[error("it has a character that must be percent-encoded")]
    Unescaped,
    /// A `%` without two hexadecimal digits.
    #[error("it has a '%' that escapes nothing")]
    Escape,
    /// `%2F`, `%5C` or a control character.
    #[error("it has an escaped slash, backslash or control character")]
    Hidden,
    /// `%25` before what would be an escape.
    #[error("it is percent-encoded twice")]
    Twice,
    /// Escapes that are no UTF-8.
    #[error("its escapes are not UTF-8")]
    NotUtf8,
    /// `.` or `..`, perhaps with parameters.
    #[error("it has a dot segment")]
    Dots,
    /// `//` within it.
    #[error("it has an empty segment")]
    Empty,
}

impl Path {
    /// Reads the path of a request's target, without query.
    ///
    /// # Errors
    /// When targets could disagree about it.
    pub fn parse(text: &str) -> Result<Self, BadPath> {
        if text.len() > PATH_MAX {
            return Err(BadPath::Long);
        }
        let rest = text.strip_prefix('/').ok_or(BadPath::Relative)?;
        let mut normal = String::with_capacity(text.len());
        let mut segments = rest.split('/').peekable();
        while let Some(raw) = segments.next() {
            normal.push('/');
            let decoded = segment(raw, &mut normal)?;
            // Without parameters, whether or not their `;` is escaped: there are targets that look for it after decoding.
            match decoded.split(';').next().unwrap_or_default() {
                "." | ".." => return Err(BadPath::Dots),
                "" if segments.peek().is_some() || !decoded.is_empty() => return Err(BadPath::Empty),
                _ => {}
            }
        }
        Ok(Self(normal))
    }

    /// The text, in normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').skip(1)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Appends a segment in normal form, and tells what it decodes to.
fn segment(raw: &str, normal: &mut String) -> Result<String, BadPath> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    let mut after_percent = 0;
    while let Some(byte) = bytes.next() {
        let escaped = byte == b'%';
        let value = if escaped {
            let (high, low) = (bytes.next().and_then(digit), bytes.next().and_then(digit));
            high.zip(low).map(|(high, low)| high << 4 | low).ok_or(BadPath::Escape)?
        } else {
            byte
        };
        let plain = value.is_ascii_alphanumeric() || b"-._~".contains(&value);
        if escaped && (value == b'/' || value == b'\\' || value.is_ascii_control()) {
            return Err(BadPath::Hidden);
        }
        if !escaped && !plain && !b"!$&'()*+,;=:@".contains(&value) {
            return Err(BadPath::Unescaped);
        }
        // What follows an escaped percent sign must not make another escape.
        after_percent = match (after_percent, value) {
            (_, b'%') => 1,
            (1, digit) if digit.is_ascii_hexdigit() => 2,
            (2, digit) if digit.is_ascii_hexdigit() => return Err(BadPath::Twice),
            _ => 0,
        };
        if plain || !escaped {
            normal.push(char::from(value));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            let digits = [value >> 4, value & 15].map(|n| HEX.get(usize::from(n)).copied().map_or('0', char::from));
            normal.push('%');
            normal.extend(digits);
        }
        decoded.push(value);
    }
    String::from_utf8(decoded).map_err(|_| BadPath::NotUtf8)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|n| u8::try_from(n).ok())
}

/// Methods and a pattern of paths: `GET,POST /orders/*/items`, `* /reports/**`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    methods: Methods,
    pattern: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Methods {
    Any,
    These(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// Just this segment.
    Is(String),
    /// Any one segment, but an empty one.
    One,
    /// Any further segments, or none.
    Rest,
}

/// Why a text is no [`Allow`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAllow {
    /// It is not methods and a path.
    #[error("that is not methods and a path")]
    Shape,
    /// A method that is none, or that is never passed on.
    #[error("'{0}' is no method that can be allowed")]
    Method(String),
    /// Its path is none.
    #[error("'{path}' is no path: {why}")]
    Path {
        /// The path.
        path: String,
        /// Why.
        why: BadPath,
    },
    /// `**` before the end, or a star within a segment.
    #[error("'*' stands for a whole segment, and '**' for all that follow, at the end")]
    Star,
}

impl FromStr for Allow {
    type Err = BadAllow;

    fn from_str(text: &str) -> Result<Self, BadAllow> {
        let (methods, path) = text.trim().split_once(' ').ok_or(BadAllow::Shape)?;
        let methods = match methods {
            "*" => Methods::Any,
            list => Methods::These(list.split(',').map(method).collect::<Result<_, _>>()?),
        };
        let shown = || path.chars().take(200).flat_map(char::escape_debug).collect();
        let path = Path::parse(path.trim()).map_err(|why| BadAllow::Path { path: shown(), why })?;
        let mut pattern = Vec::new();
        let mut segments = path.segments().peekable();
        while let Some(segment) = segments.next() {
            pattern.push(match segment {
                "*" => Piece::One,
                "**" if segments.peek().is_none() => Piece::Rest,
                other if other.contains('*') => return Err(BadAllow::Star),
                other => Piece::Is(other.to_owned()),
            });
        }
        Ok(Self { methods, pattern })
    }
}

fn method(text: &str) -> Result<String, BadAllow> {
    if !passes(text) {
        return Err(BadAllow::Method(text.chars().take(32).flat_map(char::escape_debug).collect()));
    }
    Ok(text.to_owned())
}

/// Whether a method may be passed on at all. Methods are case-sensitive, but there are targets that don't know.
fn passes(method: &str) -> bool {
    let shaped = (1..=32).contains(&method.len()) && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    shaped && !["CONNECT", "TRACE"].contains(&method)
}

impl Allow {
    /// Whether it allows `method` on `path`. What allows `GET` allows `HEAD`; `CONNECT`, `TRACE` and what is not in capitals nothing does.
    #[must_use]
    pub fn allows(&self, method: &str, path: &Path) -> bool {
        let methods = match &self.methods {
            Methods::Any => passes(method),
            Methods::These(these) => these.iter().any(|m| m == method || (m == "GET" && method == "HEAD")),
        };
        methods && self.fits(path)
    }

    fn fits(&self, path: &Path) -> bool {
        let mut segments = path.segments();
        for piece in &self.pattern {
            let fits = match (piece, segments.next()) {
                (Piece::Rest, _) => return true,
                (Piece::Is(name), Some(segment)) => name == segment,
                (Piece::One, Some(segment)) => !segment.is_empty(),
                (Piece::Is(_) | Piece::One, None) => false,
            };
            if !fits {
                return false;
            }
        }
        segments.next().is_none()
    }
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.methods {
            Methods::Any => f.write_str("* ")?,
            Methods::These(these) => write!(f, "{} ", these.join(","))?,
        }
        for piece in &self.pattern {
            match piece {
                Piece::Is(name) => write!(f, "/{name}")?,
                Piece::One => f.write_str("/*")?,
                Piece::Rest => f.write_str("/**")?,
            }
        }
        Ok(())
    }
}

impl Serialize for Allow {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Allow {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn h02_a_path_that_can_be_read_in_two_ways_is_none() {
        for (text, why) in [
            ("", BadPath::Relative),
            ("*", BadPath::Relative),
            ("orders", BadPath::Relative),
            ("/a/../b", BadPath::Dots),
            ("/a/.", BadPath::Dots),
            ("/a/%2e%2E/b", BadPath::Dots),
            ("/a/..;x=1/b", BadPath::Dots),
            ("/a/..%3bx=1/b", BadPath::Dots),
            ("/a/%3b/b", BadPath::Empty),
            ("/a/%2e.;/b", BadPath::Dots),
            ("/a//b", BadPath::Empty),
            ("//b", BadPath::Empty),
            ("/;x/b", BadPath::Empty),
            ("/a/;x", BadPath::Empty),
            ("/a%2fb", BadPath::Hidden),
            ("/a%5Cb", BadPath::Hidden),
            ("/a%00", BadPath::Hidden),
            ("/a%0d%0aX: y", BadPath::Hidden),
            ("/a\\b", BadPath::Unescaped),
            ("/a b", BadPath::Unescaped),
            ("/a#b", BadPath::Unescaped),
            ("/ä", BadPath::Unescaped),
            ("/a%", BadPath::Escape),
            ("/a%2", BadPath::Escape),
            ("/a%zz", BadPath::Escape),
            ("/a%252e%252e/b", BadPath::Twice),
            ("/a%25%32%65", BadPath::Twice),
            ("/a%c0%ae", BadPath::NotUtf8),
            ("/a%ff", BadPath::NotUtf8),
        ] {
            assert_eq!(Path::parse(text), Err(why), "{text:?}");
        }
        assert_eq!(Path::parse(&format!("/{}", "a".repeat(PATH_MAX))), Err(BadPath::Long));
        for (text, normal) in [
            ("/", "/"),
            ("/a/", "/a/"),
            ("/%6Frders/%7e", "/orders/~"),
            ("/a%3ab/%c3%a4", "/a%3Ab/%C3%A4"),
            ("/a;v=1/b", "/a;v=1/b"),
            ("/100%25", "/100%25"),
            ("/...", "/..."),
        ] {
            assert_eq!(Path::parse(text).unwrap().as_str(), normal, "{text:?}");
        }
    }

    #[test]
    fn a_role_allows_methods_on_paths() {
        let allows = |allow: &str, method: &str, path: &str| allow.parse::<Allow>().unwrap().allows(method, &Path::parse(path).unwrap());
        for (allow, method, path, is) in [
            ("GET /orders", "GET", "/orders", true),
            ("GET /orders", "HEAD", "/%6frders", true),
            ("GET /orders", "GET", "/orders/", false),
            ("GET /orders", "POST", "/orders", false),
            ("GET /orders", "get", "/orders", false),
            ("GET,POST /orders/*", "POST", "/orders/7", true),
            ("GET /orders/*", "GET", "/orders/7/items", false),
            ("GET /orders/*", "GET", "/orders/", false),
            ("GET /orders/*/items", "GET", "/orders/7/items", true),
            ("GET /orders/**", "GET", "/orders", true),
            ("GET /orders/**", "GET", "/orders/7/items/", true),
            ("GET /orders/**", "GET", "/orders-secret", false),
            ("* /**", "DELETE", "/", true),
            ("* /**", "TRACE", "/", false),
            ("* /**", "trace", "/", false),
            ("* /**", "", "/", false),
            ("* /**", "CONNECT", "/", false),
            ("GET /", "GET", "/", true),
            ("GET /", "GET", "/a", false),
            ("PURGE /cache/%C3%A4", "PURGE", "/cache/%c3%a4", true),
        ] {
            assert_eq!(allows(allow, method, path), is, "{allow} of {method} {path}");
        }
        for bad in ["", "GET", "/orders", "get /a", "GET, /a", "TRACE /a", "GET a", "GET /a/../b", "GET /a*", "GET /**/b"] {
            assert!(bad.parse::<Allow>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn h02_a_path_in_normal_form_stays_so_and_reads_back(text in "/[a-z%2eEfF35cCbB./;A-]{0,24}") {
            if let Ok(path) = Path::parse(&text) {
                prop_assert_eq!(Path::parse(path.as_str()).unwrap(), path.clone());
                let dots = path.segments().any(|s| matches!(s.replace("%3B", ";").split(';').next(), Some("." | "..")));
                prop_assert!(!dots && !path.as_str().contains("//") && !path.as_str().to_lowercase().contains("%2f"));
            }
        }

        #[test]
        fn what_is_allowed_reads_back(text in "(GET|POST,PUT|\\*) (/[a-z]{1,3}|/\\*){1,4}(/\\*\\*)?") {
            let allow: Allow = text.parse().unwrap();
            prop_assert_eq!(allow.to_string(), text);
        }
    }
}
