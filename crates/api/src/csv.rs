//! Comma-separated values (RFC 4180) that are only values: what people wrote does nothing in a spreadsheet (W2, I19).

/// What a formula begins with.
const SIGNS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// Appends a record.
pub(crate) fn record(out: &mut String, cells: impl IntoIterator<Item = impl AsRef<str>>) {
    for (index, value) in cells.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        cell(out, value.as_ref());
    }
    out.push_str("\r\n");
}

/// Appends one cell. What moves a cursor or hides is written as an escape, so that a record is one line; what a spreadsheet would take for
/// a formula gets an apostrophe before it.
fn cell(out: &mut String, value: &str) {
    let mut text = String::with_capacity(value.len() + 2);
    if formula(value) {
        text.push('\'');
    }
    // Where lists are parted by semicolons, a cell begins behind each.
    let mut begins = false;
    for c in value.chars() {
        if begins && SIGNS.contains(&c) {
            text.push('\'');
        }
        begins = c == ';' || (begins && c.is_whitespace());
        match c {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if hides(c) => text.extend(c.escape_unicode()),
            c => text.push(c),
        }
    }
    if text.contains(['"', ',']) {
        out.push('"');
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(&text);
    }
}

/// Whether a spreadsheet would calculate it: some look behind spaces, and take the wide forms for the narrow ones.
fn formula(value: &str) -> bool {
    value.starts_with(['\t', '\r']) || value.trim_start().starts_with(SIGNS)
}

/// What moves the cursor, turns text around, or can't be seen.
fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(value: &str) -> String {
        let mut out = String::new();
        cell(&mut out, value);
        out
    }

    #[test]
    fn w02_what_a_spreadsheet_would_calculate_is_text() {
        for hostile in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1", "＝1", "=cmd|' /C calc'!A0"] {
            let cell = one(hostile);
            assert!(cell.starts_with('\'') || cell.starts_with("\"'"), "{hostile:?} becomes {cell:?}");
        }
        assert_eq!(one("=HYPERLINK(\"http://x\",\"y\")"), "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"");
        for (hostile, harmless) in [("look =1+1;=2+5;", "look =1+1;'=2+5;"), ("a; +1", "a; '+1"), ("a;\n@x", "a;\\n'@x")] {
            assert_eq!(one(hostile), harmless, "where lists are parted by semicolons");
        }
        for plain in ["a; b - c", "INC-7: fix", "a=b", "größer 5 €", "2026-01-31T17:00:00.000Z", ""] {
            assert_eq!(one(plain), plain);
        }
    }

    #[test]
    fn w02_l05_a_record_is_one_line_whatever_is_in_it() {
        let mut out = String::new();
        record(&mut out, ["a\r\nb,c\",\"d", "\u{202e}txt\u{1b}]8;;x\u{7}", "é\u{200b}\u{e0041}"]);
        assert_eq!(out, "\"a\\r\\nb,c\"\",\"\"d\",\\u{202e}txt\\u{1b}]8;;x\\u{7},é\\u{200b}\\u{e0041}\r\n");
    }
}
