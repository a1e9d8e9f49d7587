//! Asking for a reason in a terminal: a line, with the few keys that everybody expects.

use std::sync::PoisonError;

use super::lane::{Item, Lane};
use super::line::{Call, Line};

/// The longest reason, in bytes.
const MOST: usize = 500;

/// A line that is being typed.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    text: Vec<u8>,
    escape: bool,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
enum Typed {
    More,
    Done(String),
    Given,
}

impl Prompt {
    /// Takes a byte; `echo` is what the terminal shows.
    fn key(&mut self, byte: u8, echo: &mut Vec<u8>) -> Typed {
        if self.escape {
            // The end of a sequence that a key other than a letter sends.
            self.escape = !(byte.is_ascii_alphabetic() || byte == b'~');
            return Typed::More;
        }
        match byte {
            b'\r' | b'\n' => {
                echo.extend_from_slice(b"\r\n");
                return Typed::Done(String::from_utf8_lossy(&self.text).trim().to_owned());
            }
            // Ctrl-C, Ctrl-D
            3 | 4 => {
                echo.extend_from_slice(b"\r\n");
                return Typed::Given;
            }
            8 | 127 => {
                while self.text.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
                echo.extend_from_slice(b"\r\x1b[Kajar: reason: ");
                echo.extend_from_slice(&self.text);
            }
            // Ctrl-U
            21 => {
                self.text.clear();
                echo.extend_from_slice(b"\r\x1b[Kajar: reason: ");
            }
            27 => self.escape = true,
            0..=31 => {}
            _ if self.text.len() < MOST => {
                self.text.push(byte);
                echo.push(byte);
            }
            _ => {}
        }
        Typed::More
    }
}

/// Asks in a channel that has a terminal.
pub(super) fn ask(lane: &Lane) {
    *lane.prompt.lock().unwrap_or_else(PoisonError::into_inner) = Some(Prompt::default());
    lane.near(Item::Words("ajar: reason: ".to_owned()));
}

/// What was typed for the host: all of it, unless there is a prompt, which takes up to the end of its line.
pub(super) fn behind<'a>(line: &Line, lane: &Lane, data: &'a [u8]) -> &'a [u8] {
    let mut slot = lane.prompt.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(prompt) = &mut *slot else { return data };
    let mut echo = Vec::new();
    let mut rest = data.iter();
    let typed = rest.find_map(|byte| Some(prompt.key(*byte, &mut echo)).filter(|typed| *typed != Typed::More));
    if !echo.is_empty() {
        lane.near(Item::Data(echo.into()));
    }
    match typed {
        None | Some(Typed::More) => {}
        Some(Typed::Done(reason)) => {
            *slot = None;
            line.call(Call::Reason(reason));
        }
        Some(Typed::Given) => {
            *slot = None;
            lane.refuse(String::new(), 255);
        }
    }
    rest.as_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> (Option<Typed>, Vec<u8>) {
        let (mut prompt, mut echo) = (Prompt::default(), Vec::new());
        (keys.iter().find_map(|key| Some(prompt.key(*key, &mut echo)).filter(|t| *t != Typed::More)), echo)
    }

    #[test]
    fn a_reason_is_typed_as_in_any_terminal() {
        assert_eq!(typed(b"fix itt\x7f!\r").0, Some(Typed::Done("fix it!".into())));
        assert_eq!(typed(b"all gone\x15new\n").0, Some(Typed::Done("new".into())));
        assert_eq!(typed("é\u{7f}e\r".as_bytes()).0, Some(Typed::Done("e".into())));
        assert_eq!(typed(b"a\x1b[D\x1b[3~b\r").0, Some(Typed::Done("ab".into())));
        assert_eq!(typed(b"never mind\x03").0, Some(Typed::Given));
        assert_eq!(typed(b"not yet").0, None);
        assert_eq!(typed(&[b'x'; 2_000]).1.len(), MOST);
    }
}
