//! What one channel showed, in order: what a player plays, and what a cast holds.

use std::collections::BTreeMap;

use super::Decoder;
use super::line::{Close, Event, Head, Open, What};
use super::picture::Show;
use crate::output::inert;

/// Something that the channel showed or was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// Microseconds since the session's start.
    pub(super) at: u64,
    pub(super) what: Framed,
}

/// What it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Framed {
    Shown(Show),
    Typed(String),
}

/// One channel.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) number: u64,
    pub(super) opened: u64,
    pub(super) open: Open,
    pub(super) frames: Vec<Frame>,
    out: Decoder,
    typed: Decoder,
    pub(super) ended: Option<u64>,
}

impl Channel {
    pub(super) fn terminal(&self) -> Option<(u64, u64)> {
        self.open.terminal()
    }

    fn take(&mut self, at: u64, what: What) {
        let what = match what {
            What::Out(data) | What::Err(data) => Framed::Shown(Show::Text(self.out.push(&data.bytes()))),
            What::In(data) => Framed::Typed(self.typed.push(&data.bytes())),
            What::Resize { cols, rows } => Framed::Shown(Show::Resize(cols, rows)),
            What::Said { text } => {
                let lines: Vec<_> = text.lines().map(inert).collect();
                Framed::Shown(Show::Text(format!("\r\n{}\r\n", lines.join("\r\n"))))
            }
            What::Close(Close { .. }) => {
                self.ended = Some(at);
                return;
            }
            What::Open(_) | What::File(_) | What::Change { .. } | What::List { .. } | What::Listen { .. } | What::Refused { .. } => return,
        };
        let nothing = matches!(&what, Framed::Shown(Show::Text(text)) | Framed::Typed(text) if text.is_empty());
        if !nothing {
            self.frames.push(Frame { at, what });
        }
    }
}

/// A whole recording of a session by SSH, by channels.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    pub(crate) head: Option<Head>,
    channels: BTreeMap<u64, Channel>,
    /// Channel numbers in the order in which they were opened.
    order: Vec<u64>,
}

impl Tape {
    /// Takes the next line of the recording; the channel that it changed.
    pub(crate) fn line(&mut self, line: &str) -> Option<u64> {
        if self.head.is_none()
            && let Some(head) = Head::read(line)
        {
            self.head = Some(head);
            return None;
        }
        let Event { t, ch, what } = Event::read(line)?;
        if let What::Open(open) = what {
            let number = ch.unwrap_or(0);
            let channel = Channel {
                number,
                opened: t,
                open: *open,
                frames: Vec::new(),
                out: Decoder::default(),
                typed: Decoder::default(),
                ended: None,
            };
            if self.channels.insert(number, channel).is_none() {
                self.order.push(number);
            }
            return Some(number);
        }
        // What is of no channel is said to all of them.
        let Some(number) = ch else {
            for channel in self.channels.values_mut().filter(|c| c.ended.is_none()) {
                channel.take(t, what.clone());
            }
            return None;
        };
        self.channels.get_mut(&number)?.take(t, what);
        Some(number)
    }

    /// Those with a terminal, as they were opened.
    pub(crate) fn terminals(&self) -> Vec<u64> {
        let all = self.order.iter().filter_map(|number| self.channels.get(number));
        all.filter(|channel| channel.terminal().is_some()).map(|channel| channel.number).collect()
    }

    pub(crate) fn channel(&self, number: u64) -> Option<&Channel> {
        self.channels.get(&number)
    }

    /// Takes one out.
    pub(crate) fn take(mut self, number: u64) -> Option<Channel> {
        self.channels.remove(&number)
    }
}
