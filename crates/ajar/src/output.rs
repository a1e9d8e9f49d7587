//! The only place that writes to the terminal. Data goes to standard output, talk to standard error.
//!
//! Untrusted text is made inert: it can neither move the cursor nor pretend to be another line (I19).

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use serde_json::Value;

use crate::cli::Format;
use crate::exit::Failure;

/// Writes what was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) format: Format,
}

/// One field a line, or one row a line.
#[derive(Debug, Default)]
pub(crate) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| inert(&cell)).collect());
    }

    fn render(&self) -> String {
        let head: Vec<String> = self.head.iter().map(|h| h.to_uppercase()).collect();
        let all = || std::iter::once(&head).chain(&self.rows);
        let columns = all().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> =
            (0..columns).map(|i| all().filter_map(|row| row.get(i)).map(|cell| cell.chars().count()).max().unwrap_or(0)).collect();
        let mut out = String::new();
        for row in all() {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&format!("{cell:<width$}  "));
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

impl Output {
    /// A list.
    pub(crate) fn list<T: Serialize + ?Sized>(self, items: &T, table: impl FnOnce() -> Table) -> Result<(), Failure> {
        match self.format {
            Format::Json | Format::Yaml => self.data(items),
            Format::Table => {
                let table = table();
                if table.rows.is_empty() { Ok(()) } else { data(&table.render()) }
            }
        }
    }

    /// One thing: names and values.
    pub(crate) fn one<T: Serialize>(self, item: &T, fields: impl FnOnce() -> Vec<(&'static str, String)>) -> Result<(), Failure> {
        match self.format {
            Format::Json | Format::Yaml => self.data(item),
            Format::Table => {
                let fields = fields();
                let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
                let lines = fields.iter().filter(|(_, value)| !value.is_empty());
                data(&lines.map(|(name, value)| format!("{name:<width$}  {}\n", inert(value))).collect::<String>())
            }
        }
    }

    /// For programs: as YAML if that is wanted, else as JSON.
    pub(crate) fn data<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Failure> {
        let failed = |e| Failure::from(anyhow::Error::from(e));
        let mut text = String::new();
        match self.format {
            Format::Yaml => yaml(&serde_json::to_value(value).map_err(failed)?, 0, &mut text),
            Format::Json | Format::Table => {
                text = escaped(&serde_json::to_string_pretty(value).map_err(failed)?, json_escape);
                text.push('\n');
            }
        }
        data(&text)
    }

    /// One line of a log, for programs: the exact bytes as JSON, a document of its own as YAML.
    pub(crate) fn line(self, line: &str) -> Result<(), Failure> {
        match (self.format, serde_json::from_str::<Value>(line)) {
            (Format::Yaml, Ok(value)) => {
                let mut text = String::from("---\n");
                yaml(&value, 0, &mut text);
                data(&text)
            }
            (_, _) => data(&format!("{line}\n")),
        }
    }
}

/// Block style; every string is quoted, so that none is taken for something else.
fn yaml(value: &Value, depth: usize, out: &mut String) {
    let entries: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (format!("{}:", Value::from(key.as_str())), value)).collect(),
        Value::Array(items) => items.iter().map(|item| ("-".to_owned(), item)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    if entries.is_empty() {
        out.push_str(&escaped(&value.to_string(), yaml_escape));
        return out.push('\n');
    }
    for (head, value) in entries {
        out.push_str(&"  ".repeat(depth));
        out.push_str(&escaped(&head, yaml_escape));
        let nested = value.as_object().is_some_and(|map| !map.is_empty()) || value.as_array().is_some_and(|items| !items.is_empty());
        out.push(if nested { '\n' } else { ' ' });
        yaml(value, depth + 1, out);
    }
}

/// Text with `escape` instead of each character that a reader of a terminal must not get as it is.
fn escaped(text: &str, escape: fn(char) -> String) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if dangerous(c) {
            out.push_str(&escape(c));
        } else {
            out.push(c);
        }
        out
    })
}

/// Inside a string; between strings a line's end is layout. It reads back as it was.
fn json_escape(c: char) -> String {
    if c == '\n' {
        return c.into();
    }
    c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

/// JSON in one line, inert, that reads back as it was.
pub(crate) fn json_line(value: &Value) -> String {
    escaped(&value.to_string(), json_escape)
}

fn yaml_escape(c: char) -> String {
    format!("\\U{:08x}", u32::from(c))
}

/// Writes to standard output. Whoever reads it may leave early.
pub(crate) fn data(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::child(0)),
        other => Ok(other?),
    }
}

/// Writes bytes to standard output as they are.
pub(crate) fn raw(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    Ok(out.write_all(bytes).and_then(|()| out.flush())?)
}

/// Says something to whoever sits there.
pub(crate) fn say(text: &str) {
    // Nobody listening is no reason to fail.
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Says why a command failed.
pub(crate) fn failed(failure: &Failure) {
    if failure.message.is_empty() {
        return;
    }
    say(&format!("ajar: {}", inert(&failure.message)));
    for line in &failure.more {
        say(&format!("  {}", inert(line)));
    }
}

/// Whether somebody sits there who can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal() && std::env::var_os("CI").is_none()
}

/// What moves the cursor, or makes text look like other text.
pub(crate) fn dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Untrusted text, so that it is only text.
pub(crate) fn inert(text: &str) -> String {
    escaped(text, |c| if c == '\t' { ' '.into() } else { c.escape_unicode().to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i19_hostile_text_can_do_nothing_to_a_terminal() {
        for hostile in ["\x1b[31mred", "a\nb", "a\rb", "\u{202e}txt", "\u{9b}31m", "x\u{200b}y", "\u{2066}z"] {
            let shown = inert(hostile);
            assert!(shown.chars().all(|c| c.is_ascii_graphic() || c == ' '), "{shown}");
        }
        assert_eq!(inert("größer\tals 5 €"), "größer als 5 €");
    }

    #[test]
    fn i19_data_for_programs_is_as_inert_and_reads_back_as_it_was() {
        let value = serde_json::json!({"no": [1, null, {}, [], true, {"n": "1"}], "why": "a\u{202e}b\u{9b}31m\u{1b}\u{e0041}\nc: \"d\""});
        let json = escaped(&format!("{value:#}\n"), json_escape);
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value);
        assert_eq!(json_line(&"\u{9b}31m\u{202e}\n".into()), "\"\\u009b31m\\u202e\\n\"");
        let mut text = String::new();
        yaml(&value, 0, &mut text);
        let expected = concat!(
            "\"no\":\n  - 1\n  - null\n  - {}\n  - []\n  - true\n  -\n    \"n\": \"1\"\n",
            "\"why\": \"a\\U0000202eb\\U0000009b31m\\u001b\\U000e0041\\nc: \\\"d\\\"\"\n"
        );
        assert_eq!(text, expected);
        for shown in [json, text] {
            assert!(shown.chars().all(|c| c == '\n' || !dangerous(c)), "{shown}");
        }
    }

    #[test]
    fn tables_line_up() {
        let mut table = Table::new(&["a", "b"]);
        table.row(["longer".into(), "x".into()]);
        table.row(["s".into(), "y\x1b".into()]);
        assert_eq!(table.render(), "A       B\nlonger  x\ns       y\\u{1b}\n");
    }
}
