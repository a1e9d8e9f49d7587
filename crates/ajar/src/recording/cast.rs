//! A channel as an asciicast, version 2: what `asciinema play`, and players on web pages, understand.
//! <https://docs.asciinema.org/manual/asciicast/v2/>

use std::io::{self, Write};

use ajar_core::time::Timestamp;
use serde_json::{Map, Value, json};

use super::picture::{Show, believed};
use super::tape::{Channel, Framed, Tape};
use crate::output::json_line;

/// Writes the channel. What the program sent stays as it was: it is data.
pub(crate) fn write(tape: &Tape, channel: &Channel, out: &mut impl Write) -> io::Result<()> {
    let (cols, rows) = channel.terminal().unwrap_or((80, 24));
    let (cols, rows) = believed(cols, rows);
    let started = tape.head.as_ref().and_then(|head| head.started.parse::<Timestamp>().ok()).map_or(0, Timestamp::as_millis);
    let opened = i64::try_from(channel.opened / 1_000).unwrap_or(0);
    let mut header = Map::new();
    let mut say = |name: &str, value: Value| drop(header.insert(name.to_owned(), value));
    say("version", json!(2));
    say("width", json!(cols));
    say("height", json!(rows));
    say("timestamp", json!(started.saturating_add(opened) / 1_000));
    if let Some(term) = &channel.open.term {
        say("env", json!({ "TERM": term }));
    }
    if let Some(head) = &tape.head {
        say("title", json!(format!("{} on {}, channel {}", head.session, head.resource, channel.number)));
    }
    writeln!(out, "{}", json_line(&Value::Object(header)))?;
    for frame in &channel.frames {
        let since = frame.at.saturating_sub(channel.opened);
        let (code, data) = match &frame.what {
            Framed::Shown(Show::Text(text)) => ("o", text.clone()),
            Framed::Shown(Show::Resize(cols, rows)) => {
                let (cols, rows) = believed(*cols, *rows);
                ("r", format!("{cols}x{rows}"))
            }
            Framed::Typed(text) => ("i", text.clone()),
        };
        writeln!(out, "[{}.{:06}, \"{code}\", {}]", since / 1_000_000, since % 1_000_000, json_line(&data.into()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_becomes_a_cast_with_its_own_start_and_its_bytes_as_they_were() {
        let mut tape = Tape::default();
        for line in [
            r#"{"format":"ajar-recording/1","session":"sess_1","grant":"grant_1","principal":"p","resource":"web-1","role":"ops","protocol":"ssh","started":"2026-01-31T17:00:00.5Z"}"#,
            r#"{"t":600000,"ch":1,"kind":"open","what":"shell","login":"x","term":"xterm","cols":100,"rows":30,"env":{}}"#,
            r#"{"t":700001,"ch":1,"kind":"out","b64":"eOKC"}"#,
            r#"{"t":800000,"ch":1,"kind":"out","b64":"rBtbMm0="}"#,
            r#"{"t":1700000,"ch":1,"kind":"in","data":"q\r\u009b"}"#,
            r#"{"t":61600000,"ch":1,"kind":"resize","cols":80,"rows":25}"#,
            r#"{"t":61600000,"kind":"said","text":"ends\u001b[2J"}"#,
            r#"{"t":61700000,"ch":1,"kind":"close","exit":0,"bytes_in":0,"bytes_out":0,"d":1}"#,
        ] {
            tape.line(line);
        }
        assert_eq!(tape.terminals(), [1]);
        let mut out = Vec::new();
        write(&tape, tape.channel(1).unwrap(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains('\u{9b}') && !text.contains('\x1b'), "whoever looks at the file itself is safe, too");
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let head = json!({"version": 2, "width": 100, "height": 30, "timestamp": 1_769_878_801, "env": {"TERM": "xterm"}, "title": "sess_1 on web-1, channel 1"});
        assert_eq!(lines[0], head);
        let events = [
            json!([0.100001, "o", "x"]),
            json!([0.2, "o", "€\u{1b}[2m"]),
            json!([1.1, "i", "q\r\u{9b}"]),
            json!([61.0, "r", "80x25"]),
            json!([61.0, "o", "\r\nends\\u{1b}[2J\r\n"]),
        ];
        assert_eq!(lines[1..], events);
    }
}
