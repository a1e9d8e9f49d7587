//! A text, looked for in what a session by SSH showed and did.

use std::collections::BTreeMap;

use super::Decoder;
use super::line::{Event, What, row};
use super::picture::{Picture, Show};

/// A line without an end is looked into when it is so long.
const LINE_MOST: usize = 16 * 1024;

/// See the module. Terminals are searched as they showed it, everything else line by line.
pub(super) struct Search {
    text: String,
    terminals: BTreeMap<u64, (Picture, Decoder)>,
    ways: BTreeMap<(u64, &'static str), Way>,
}

/// What goes through one channel in one direction.
#[derive(Default)]
struct Way {
    decoder: Decoder,
    line: String,
    since: u64,
}

impl std::fmt::Debug for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Search({:?})", self.text)
    }
}

impl Search {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), terminals: BTreeMap::new(), ways: BTreeMap::new() }
    }

    pub(super) fn is_in(&self, line: &str) -> bool {
        line.contains(&self.text)
    }

    /// A line that is no event.
    pub(super) fn raw(&self, line: &str) -> Option<String> {
        self.is_in(line).then(|| line.trim_end().to_owned())
    }

    /// What of an event holds the text.
    pub(super) fn event(&mut self, event: Event) -> Vec<String> {
        let ch = event.ch.unwrap_or(0);
        let (way, data) = match event.what {
            What::Out(data) => ("out", data),
            What::Err(data) => ("err", data),
            What::In(data) => ("in", data),
            What::Resize { cols, rows } => {
                if let Some((picture, _)) = self.terminals.get_mut(&ch) {
                    picture.show(&Show::Resize(cols, rows));
                }
                return Vec::new();
            }
            What::Open(ref open) => {
                if let Some(picture) = open.terminal().and_then(|(cols, rows)| Picture::new(cols, rows).ok()) {
                    self.terminals.insert(ch, (picture, Decoder::default()));
                }
                return event.render().filter(|line| self.is_in(line)).into_iter().collect();
            }
            What::Close(_) => {
                self.terminals.remove(&ch);
                let mut found = self.ends(|key| key.0 == ch);
                found.extend(event.render().filter(|line| self.is_in(line)));
                return found;
            }
            What::File(_) | What::Change { .. } | What::List { .. } | What::Listen { .. } | What::Refused { .. } | What::Said { .. } => {
                return event.render().filter(|line| self.is_in(line)).into_iter().collect();
            }
        };
        if way != "in"
            && let Some((picture, decoder)) = self.terminals.get_mut(&ch)
        {
            let text = decoder.push(&data.bytes());
            let found = picture.show_and_look(&Show::Text(text), &self.text);
            return found.iter().map(|line| row(event.t, Some(ch), line)).collect();
        }
        let to = self.ways.entry((ch, way)).or_default();
        let mut found = Vec::new();
        for piece in to.decoder.push(&data.bytes()).split_inclusive('\n') {
            if to.line.is_empty() {
                to.since = event.t;
            }
            to.line.push_str(piece);
            if piece.ends_with('\n') || to.line.len() > LINE_MOST {
                let line = std::mem::take(&mut to.line);
                if line.contains(&self.text) {
                    found.push(row(to.since, Some(ch), line.trim_end()));
                }
            }
        }
        found
    }

    /// Lines that have no end.
    pub(super) fn rest(&mut self) -> Vec<String> {
        self.ends(|_| true)
    }

    fn ends(&mut self, which: impl Fn(&(u64, &'static str)) -> bool) -> Vec<String> {
        let (ended, kept): (BTreeMap<_, _>, _) = std::mem::take(&mut self.ways).into_iter().partition(|(key, _)| which(key));
        self.ways = kept;
        let found = ended.into_iter().filter(|(_, way)| self.is_in(&way.line));
        found.map(|((ch, _), way)| row(way.since, Some(ch), way.line.trim_end())).collect()
    }
}
