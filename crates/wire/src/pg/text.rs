//! Text for people's terminals.

use std::borrow::Cow;

/// Makes untrusted text inert on a terminal and in a log line. INVARIANT I19: control characters (line breaks too),
/// bidirectional overrides and invisible separators come out as visible escapes; NUL is dropped.
#[must_use]
pub fn inert(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_active) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\0' => {}
            c if is_active(c) => safe.extend(c.escape_default()),
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

fn is_active(c: char) -> bool {
    c.is_control() || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The longest prefix of at most `max` bytes that ends between characters.
pub(crate) fn clip(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let mut end = max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i19_control_and_bidi_characters_come_out_visible() {
        assert_eq!(inert("plain, ünïcode"), "plain, ünïcode");
        assert_eq!(inert("a\u{1b}]52;c;x\u{7}b\nHINT:  forged"), "a\\u{1b}]52;c;x\\u{7}b\\nHINT:  forged");
        assert_eq!(inert("\u{202e}evil\u{9b}1m\0"), "\\u{202e}evil\\u{9b}1m");
    }

    #[test]
    fn clipping_never_splits_a_character() {
        assert_eq!(clip("aé", 2), "a");
        assert_eq!(clip("aé", 3), "aé");
        assert_eq!(clip("é", 0), "");
    }
}
