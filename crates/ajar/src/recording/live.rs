//! What a terminal shows while it shows it. Of several channels one is shown; when that is closed, the next that begins.

use super::Decoder;
use super::line::{Event, Head, What};
use super::picture::{Picture, Show};
use crate::output::inert;

/// What a line of the recording has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Nothing,
    Picture,
}

/// See the module.
pub(crate) struct Live {
    title: String,
    /// Only this one.
    wanted: Option<u64>,
    seen: Option<Seen>,
    /// Other channels with a terminal.
    others: u64,
    whole: bool,
}

struct Seen {
    channel: u64,
    picture: Picture,
    decoder: Decoder,
    over: bool,
}

impl Live {
    pub(crate) fn new(wanted: Option<u64>) -> Self {
        Self { title: String::new(), wanted, seen: None, others: 0, whole: true }
    }

    /// Takes the next line.
    pub(crate) fn line(&mut self, line: &str) -> Shown {
        if self.title.is_empty()
            && let Some(head) = Head::read(line)
        {
            self.title = inert(&format!("{} on {}", head.session, head.resource));
            return Shown::Nothing;
        }
        let Some(Event { ch, what, .. }) = Event::read(line) else { return Shown::Nothing };
        if let What::Open(open) = &what {
            let Some(picture) = open.terminal().and_then(|(cols, rows)| Picture::new(cols, rows).ok()) else { return Shown::Nothing };
            let channel = ch.unwrap_or(0);
            let chosen = self.wanted.map_or_else(|| self.seen.as_ref().is_none_or(|seen| seen.over), |wanted| wanted == channel);
            if !chosen {
                self.others += 1;
                return Shown::Nothing;
            }
            self.seen = Some(Seen { channel, picture, decoder: Decoder::default(), over: false });
            self.whole = true;
            return Shown::Picture;
        }
        let Some(seen) = self.seen.as_mut().filter(|seen| ch.is_none_or(|ch| ch == seen.channel)) else { return Shown::Nothing };
        let show = match what {
            What::Out(data) | What::Err(data) => Show::Text(seen.decoder.push(&data.bytes())),
            What::Resize { cols, rows } => Show::Resize(cols, rows),
            What::Said { text } => Show::Text(format!("\r\n{}\r\n", text.lines().map(inert).collect::<Vec<_>>().join("\r\n"))),
            What::Close(_) => {
                seen.over = true;
                return Shown::Picture;
            }
            What::In(_)
            | What::Open(_)
            | What::File(_)
            | What::Change { .. }
            | What::List { .. }
            | What::Listen { .. }
            | What::Refused { .. } => {
                return Shown::Nothing;
            }
        };
        seen.picture.show(&show);
        Shown::Picture
    }

    /// Everything is to be drawn again.
    pub(crate) fn again(&mut self) {
        self.whole = true;
    }

    /// What is to be drawn on a terminal of this size; its last row says what this is.
    pub(crate) fn paint(&mut self, cols: usize, rows: usize) -> String {
        let Some(seen) = &mut self.seen else { return String::new() };
        let mut out = seen.picture.paint(cols, rows.saturating_sub(1).max(1), std::mem::take(&mut self.whole));
        let state = if seen.over { "closed" } else { "live" };
        let others = if self.others > 0 { format!(", {} more with a terminal", self.others) } else { String::new() };
        let line = format!(" {state}  {}, channel {}{others}  q leaves, and ends nothing", self.title, seen.channel);
        out.push_str(&super::status(&line, cols, rows));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w02_the_first_terminal_is_shown_then_the_next_and_only_as_cells() {
        let mut live = Live::new(None);
        let line = |live: &mut Live, value: serde_json::Value| live.line(&value.to_string());
        let open = |ch: u64| serde_json::json!({"t": 1, "ch": ch, "kind": "open", "what": "shell", "term": "xterm", "cols": 20, "rows": 3});
        let out = |ch: u64, text: &str| serde_json::json!({"t": 2, "ch": ch, "kind": "out", "data": text});
        assert_eq!(line(&mut live, out(0, "lost")), Shown::Nothing);
        assert_eq!(line(&mut live, serde_json::json!({"t": 1, "ch": 0, "kind": "open", "what": "exec", "command": "x"})), Shown::Nothing);
        assert_eq!((line(&mut live, open(1)), line(&mut live, open(2))), (Shown::Picture, Shown::Nothing));
        assert_eq!(line(&mut live, out(2, "other")), Shown::Nothing);
        assert_eq!(line(&mut live, out(1, "\u{1b}]52;c;eA==\u{7}mine")), Shown::Picture);
        let painted = live.paint(60, 4);
        assert!(painted.contains("mine") && !painted.contains("\u{1b}]") && !painted.contains("other"), "{painted:?}");
        assert!(painted.contains("channel 1, 1 more with a terminal"), "{painted:?}");
        assert_eq!(line(&mut live, serde_json::json!({"t": 3, "ch": 1, "kind": "close"})), Shown::Picture);
        assert_eq!(line(&mut live, open(3)), Shown::Picture);
        assert_eq!(line(&mut live, out(3, "next")), Shown::Picture);
        assert!(live.paint(60, 4).contains("next"));
        let mut live = Live::new(Some(2));
        assert_eq!((line(&mut live, open(1)), line(&mut live, open(2))), (Shown::Nothing, Shown::Picture));
    }
}
