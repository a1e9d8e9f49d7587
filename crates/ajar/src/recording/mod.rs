//! Recordings, for reading: as lines, as a picture that moves, as a cast for other players.
//!
//! INVARIANT W2: what was recorded is somebody else's text. It reaches a terminal as inert lines ([`list`]), or as the cells of a virtual
//! terminal ([`picture`]); never as it was sent.

pub(crate) mod cast;
pub(crate) mod list;
pub(crate) mod live;
pub(crate) mod player;
pub(crate) mod tape;
pub(crate) mod tty;

mod keys;
mod line;
mod picture;
mod search;

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub(crate) struct Lines(Vec<u8>);

impl Lines {
    /// The lines that are whole by now, without their ends.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Vec<String> {
        let before = self.0.len();
        self.0.extend_from_slice(chunk);
        let Some(end) = chunk.iter().rposition(|b| *b == b'\n') else { return Vec::new() };
        let rest = self.0.split_off(before + end + 1);
        let whole = std::mem::replace(&mut self.0, rest);
        whole.split(|b| *b == b'\n').map(|line| String::from_utf8_lossy(line).into_owned()).filter(|line| !line.is_empty()).collect()
    }

    /// What is left. The last line of a session whose server died may be cut off.
    pub(crate) fn rest(self) -> Option<String> {
        (!self.0.is_empty()).then(|| String::from_utf8_lossy(&self.0).into_owned())
    }
}

/// Bytes that come in pieces, as text: a character may be cut in two between them.
#[derive(Debug, Default)]
struct Decoder(Vec<u8>);

impl Decoder {
    fn push(&mut self, bytes: &[u8]) -> String {
        self.0.extend_from_slice(bytes);
        let mut text = String::with_capacity(self.0.len());
        let mut rest = self.0.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(good) => {
                    text.push_str(good);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (good, after) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(good));
                    rest = after;
                    // Without a length it is the beginning of a character that may still come.
                    let Some(bad) = error.error_len() else { break };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = rest.get(bad..).unwrap_or_default();
                }
            }
        }
        self.0 = rest.to_vec();
        text
    }
}

/// A line of ours in the last row of a terminal; the cursor stays where it is.
fn status(line: &str, cols: usize, rows: usize) -> String {
    if rows < 2 {
        return String::new();
    }
    let line: String = line.chars().take(cols).collect();
    format!("\x1b7\x1b[?7l\x1b[{rows};1H\x1b[0;7m\x1b[2K{line}\x1b[0m\x1b[?7h\x1b8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"a"), Vec::<String>::new());
        assert_eq!(lines.push(b"b\nc\n\nd"), ["ab", "c"]);
        assert_eq!(lines.push(b"e\n"), ["de"]);
        assert_eq!(lines.push(b"f"), Vec::<String>::new());
        assert_eq!(lines.rest().as_deref(), Some("f"));
    }

    #[test]
    fn a_character_that_is_cut_in_two_is_one() {
        let mut decoder = Decoder::default();
        let euro = "€".as_bytes();
        assert_eq!(decoder.push(&euro[..1]), "");
        assert_eq!(decoder.push(&euro[1..2]), "");
        assert_eq!(decoder.push(&[&euro[2..], b"x\xffy"].concat()), "€x\u{fffd}y");
        assert_eq!(decoder.push(&euro[..2]), "");
        assert_eq!(decoder.push(b"z"), "\u{fffd}z");
    }
}
