//! Paths of requests and what roles allow of them: nothing panics, a path in normal form stays so, and whoever reads it in another way that
//! some target has reads the same segments.

use ajar_core::http::{Allow, Path};

/// A role's line, a method and a path, with a NUL between them.
pub fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut parts = text.split('\0');
    let (allow, method, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let allow = allow.parse::<Allow>();
    if let Ok(allow) = &allow {
        assert_eq!(allow.to_string().parse().as_ref(), Ok(allow));
    }
    let Ok(path) = Path::parse(path) else { return };
    let normal = path.as_str();
    assert_eq!(Path::parse(normal).as_ref(), Ok(&path));
    assert!(normal.starts_with('/') && normal.bytes().all(|b| b.is_ascii_graphic()));
    let once = decoded(normal.as_bytes());
    // As one who decodes before splitting, who decodes twice, who drops parameters.
    for reading in [once.clone(), decoded(&once), without_parameters(&once)] {
        assert_eq!(reading.split(|b| *b == b'/').count(), normal.split('/').count(), "{normal}");
        for segment in reading.split(|b| *b == b'/') {
            assert!(segment != b"." && segment != b"..", "{normal}");
            assert!(!segment.contains(&b'\\') && !segment.iter().any(u8::is_ascii_control), "{normal}");
        }
    }
    if let Ok(allow) = allow
        && allow.allows(method, &path)
    {
        assert!(Path::parse(normal).is_ok_and(|again| allow.allows(method, &again)), "{allow} {normal}");
        assert!(method != "CONNECT" && method != "TRACE");
    }
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let hex = |b: &u8| char::from(*b).to_digit(16).and_then(|n| u8::try_from(n).ok());
        match (first, after.first().and_then(hex), after.get(1).and_then(hex)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

fn without_parameters(text: &[u8]) -> Vec<u8> {
    let segments: Vec<&[u8]> = text.split(|b| *b == b'/').map(|s| s.split(|b| *b == b';').next().unwrap_or_default()).collect();
    segments.join(&b'/')
}
