//! What a terminal showed, in a virtual terminal, and that as cells for a real one.
//!
//! INVARIANT W2: of what was recorded only characters and colours come out of here. Titles, clipboards, links, questions to the terminal and
//! other modes stay inside, characters that are no text are replaced, and after each one that may not be as wide as it should the cursor is
//! set again.

use std::collections::BTreeSet;

use avt::observer::{DirtyRows, Observation, Observer};
use avt::parser::Function;
use avt::{Color, Line, Parser, Pen, Terminal};

use crate::output::dangerous;

/// The largest terminal that is believed: its size is what the client said.
const MOST: u64 = 1_000;
/// One sequence repeats a character so often at most.
const REPEATS: u16 = 1_000;

/// Something that changes the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Show {
    /// Output of the program.
    Text(String),
    /// Another size: columns, rows.
    Resize(u64, u64),
}

/// The picture.
pub(super) struct Picture {
    terminal: Terminal,
    parser: Parser,
    dirty: DirtyRows,
    /// Rows to be drawn again.
    changed: BTreeSet<usize>,
    /// What it was drawn into: columns, rows, and the first row that was seen.
    drawn: Option<(usize, usize, usize)>,
}

/// A size that can be meant; the usual one where a client didn't know its own, and said 0.
pub(super) fn believed(cols: u64, rows: u64) -> (usize, usize) {
    let believed = |n: u64, usual: usize| if n == 0 { usual } else { usize::try_from(n.min(MOST)).unwrap_or(usual) };
    (believed(cols, 80), believed(rows, 24))
}

/// Rows that have scrolled out of the picture.
#[derive(Default)]
struct Scrolled(Vec<String>);

impl Observer for Scrolled {
    type Output = ();

    fn evicted(&mut self, _: &mut Observation<'_>, line: &Line) {
        self.0.push(line.text().trim_end().to_owned());
    }

    fn end(&mut self, _: &mut Observation<'_>) {}
}

impl Picture {
    pub(super) fn new(cols: u64, rows: u64) -> Result<Self, avt::InvalidSize> {
        let (cols, rows) = believed(cols, rows);
        Ok(Self {
            terminal: Terminal::new(cols, rows)?,
            parser: Parser::new(),
            dirty: DirtyRows::new(),
            changed: BTreeSet::new(),
            drawn: None,
        })
    }

    /// Shows it.
    pub(super) fn show(&mut self, show: &Show) {
        self.show_to(show, ());
    }

    fn show_to<O: Observer>(&mut self, show: &Show, observer: O) {
        let (rows, _) = match show {
            Show::Text(text) => {
                let parser = &mut self.parser;
                let functions = text
                    .chars()
                    .filter_map(|c| parser.feed(c))
                    .map(|f| if let Function::Rep(n) = f { Function::Rep(n.min(REPEATS)) } else { f });
                self.terminal.execute_with(functions, (&mut self.dirty, observer))
            }
            Show::Resize(cols, rows) => {
                let (cols, rows) = believed(*cols, *rows);
                self.drawn = None;
                self.terminal.resize_with(cols, rows, (&mut self.dirty, observer))
            }
        };
        self.changed.extend(rows);
    }

    /// Shows it; lines with `text` that were not there before.
    pub(super) fn show_and_look(&mut self, show: &Show, text: &str) -> Vec<String> {
        let before = self.lines_with(text);
        let mut scrolled = Scrolled::default();
        self.show_to(show, &mut scrolled);
        let mut after: Vec<String> = scrolled.0.into_iter().filter(|line| line.contains(text)).collect();
        after.extend(self.lines_with(text));
        let count = |lines: &[String]| lines.iter().map(|line| line.matches(text).count()).sum::<usize>();
        // What is drawn once more, or typed on, is not new.
        if count(&after) <= count(&before) {
            return Vec::new();
        }
        for line in before {
            if let Some(old) = after.iter().position(|new| *new == line) {
                after.remove(old);
            }
        }
        after
    }

    fn lines_with(&self, text: &str) -> Vec<String> {
        self.terminal.screen().text().into_iter().filter(|line| line.contains(text)).collect()
    }

    /// What is to be written to a terminal of `cols` and `rows` so that it shows this; with `whole`, whatever it showed before.
    pub(super) fn paint(&mut self, cols: usize, rows: usize, whole: bool) -> String {
        let cursor = self.terminal.cursor();
        let (width, height) = self.terminal.size();
        // Of a picture that is too high the part with the cursor is seen.
        let top = (cursor.row + 1).min(height).saturating_sub(rows);
        let window = (cols, rows, top);
        let whole = whole || self.drawn != Some(window);
        self.drawn = Some(window);
        let mut out = String::from("\x1b[?25l");
        for row in 0..rows {
            let from = top + row;
            if !whole && !self.changed.contains(&from) {
                continue;
            }
            out.push_str(&format!("\x1b[{};1H\x1b[0m\x1b[2K", row + 1));
            if from < height
                && let Some(line) = self.terminal.screen().line(from)
            {
                draw(line, row, cols.min(width), &mut out);
            }
        }
        self.changed.clear();
        if let Some((col, row)) = cursor.position()
            && row >= top
            && row - top < rows
        {
            out.push_str(&format!("\x1b[{};{}H\x1b[?25h", row - top + 1, col.min(cols.saturating_sub(1)) + 1));
        }
        out
    }
}

/// One row of cells, in row `row` of the terminal that it is drawn on.
fn draw(line: &Line, row: usize, cols: usize, out: &mut String) {
    let mut pen = Pen::default();
    let cells = line.cells();
    let blank = |cell: &avt::Cell| cell.char() == ' ' && cell.pen().is_default();
    let end = cells.iter().rposition(|cell| !blank(cell)).map_or(0, |last| last + 1).min(cols);
    for (col, cell) in cells.iter().enumerate().take(end) {
        let width = usize::from(cell.width());
        // The second half of a wide one; or a wide one that the edge cuts in two.
        if width == 0 || col + width > cols {
            continue;
        }
        if *cell.pen() != pen {
            pen = *cell.pen();
            colour(&pen, out);
        }
        let c = cell.char();
        out.push(if dangerous(c) { char::REPLACEMENT_CHARACTER } else { c });
        if !c.is_ascii() {
            out.push_str(&format!("\x1b[{};{}H", row + 1, col + width + 1));
        }
    }
    out.push_str("\x1b[0m");
}

fn colour(pen: &Pen, out: &mut String) {
    out.push_str("\x1b[0");
    let flags = [
        (pen.is_bold(), 1),
        (pen.is_faint(), 2),
        (pen.is_italic(), 3),
        (pen.is_underline(), 4),
        (pen.is_blink(), 5),
        (pen.is_inverse(), 7),
        (pen.is_strikethrough(), 9),
    ];
    for (_, code) in flags.iter().filter(|(on, _)| *on) {
        out.push_str(&format!(";{code}"));
    }
    for (base, colour) in [(30, pen.foreground()), (40, pen.background())] {
        out.push_str(&match colour {
            None => String::new(),
            Some(Color::Indexed(n @ 0..8)) => format!(";{}", base + u16::from(n)),
            Some(Color::Indexed(n @ 8..16)) => format!(";{}", base + 52 + u16::from(n)),
            Some(Color::Indexed(n)) => format!(";{};5;{n}", base + 8),
            Some(Color::RGB(rgb)) => format!(";{};2;{};{};{}", base + 8, rgb.r, rgb.g, rgb.b),
        });
    }
    out.push('m');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(text: &str) -> String {
        let mut picture = Picture::new(40, 6).unwrap();
        picture.show(&Show::Text(text.into()));
        picture.paint(40, 6, false)
    }

    /// Nothing but text, cursor positions, colours, erasing a line, and hiding and showing the cursor.
    fn is_inert(mut text: &str) -> bool {
        while let Some((before, rest)) = text.split_once('\x1b') {
            let Some(rest) = rest.strip_prefix('[') else { return false };
            let Some(end) = rest.find(|c: char| !c.is_ascii_digit() && !matches!(c, ';' | '?')) else { return false };
            let (parameters, last) = rest.split_at(end);
            let fine = match last.chars().next() {
                Some('H' | 'm') => !parameters.contains('?'),
                Some('K') => parameters == "2",
                Some('h' | 'l') => parameters == "?25",
                Some(_) | None => false,
            };
            if !fine || before.chars().any(dangerous) {
                return false;
            }
            text = last.get(1..).unwrap_or_default();
        }
        !text.chars().any(dangerous)
    }

    #[test]
    fn i19_w02_nothing_but_cells_and_colours_reaches_the_terminal() {
        let hostile = [
            "\x1b]0;title\x07a",
            "\x1b]52;c;ZXZpbA==\x1b\\b",
            "\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\",
            "\x1b[c\x1b[>c\x1b[5n\x1b[6n\x1b[?1$p\x1bZ\x05",
            "\x1bP$q\"p\x1b\\\x1bP+q544e\x1b\\",
            "\x1b(0lqk\x0e\x1b)0xxx",
            "\x1b[?1049h\x1b[?1000h\x1b[?2004h\x1b[?1004hz",
            "\x1b[8;9000;9000t\x1b[21t\x1b[20t",
            "\u{9b}31mred\u{9d}0;x\u{9c}",
            "\u{202e}txt\u{200b}\u{feff}",
            "\x1b_G i=1;AAAA\x1b\\\x1b^pm\x1b\\\x1bXsos\x1b\\",
            "\x1b[!p\x1bc\x1b#8",
            "\x1b[4;99999999999999m\x1b[38;2;1;2;3;48;5;200mx",
            "a\x1b[65535b",
            "\x1b[1;2",
            "e\u{301}\u{1f600}界\u{7f}",
        ];
        for text in hostile {
            let out = painted(text);
            assert!(is_inert(&out), "{text:?} came out as {out:?}");
        }
        assert!(is_inert(&painted(&hostile.concat())));
        assert!(!is_inert("\x1b]0;x\x07") && !is_inert("\x1b[6n") && !is_inert("\x1b(0"));
    }

    #[test]
    fn i19_whatever_bytes_a_program_sends_nothing_else_comes_out() {
        // A small generator: the same bytes in each run.
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let pieces = [
            "\x1b", "[", "]", "P", "?", ";", "1", "49", "h", "l", "m", "\x07", "\x1b\\", "界", "\u{301}", "\u{9b}", "a", "\n", "\r", "8",
            "t", "b",
        ];
        let mut picture = Picture::new(20, 5).unwrap();
        for _ in 0..20_000 {
            let piece = pieces[usize::try_from(next() % pieces.len() as u64).unwrap()];
            picture.show(&Show::Text(piece.into()));
            if next() % 97 == 0 {
                picture.show(&Show::Resize(next() % 30, next() % 10));
            }
            if next() % 13 == 0 {
                let out = picture.paint(18, 4, false);
                assert!(is_inert(&out), "{out:?}");
            }
        }
    }

    #[test]
    fn the_picture_is_drawn_with_its_colours_and_only_where_it_changed() {
        let mut picture = Picture::new(10, 3).unwrap();
        picture.show(&Show::Text("one\r\n\x1b[1;31mtwo\x1b[0m 界!".into()));
        let first = picture.paint(10, 3, false);
        assert_eq!(
            first,
            "\x1b[?25l\x1b[1;1H\x1b[0m\x1b[2Kone\x1b[0m\x1b[2;1H\x1b[0m\x1b[2K\x1b[0;1;31mtwo\x1b[0m 界\x1b[2;7H!\x1b[0m\x1b[3;1H\x1b[0m\x1b[2K\x1b[0m\x1b[2;8H\x1b[?25h"
        );
        picture.show(&Show::Text("\r\nx".into()));
        assert_eq!(picture.paint(10, 3, false), "\x1b[?25l\x1b[3;1H\x1b[0m\x1b[2Kx\x1b[0m\x1b[3;2H\x1b[?25h");
        // A window that is too small shows the part with the cursor, cut at its edge.
        let small = picture.paint(5, 2, false);
        assert!(small.contains("two\x1b[0m \x1b[0m") && small.contains("\x1b[2;1H\x1b[0m\x1b[2Kx"), "{small:?}");
    }

    #[test]
    fn a_size_that_nobody_has_is_not_believed() {
        let mut picture = Picture::new(u64::MAX, 0).unwrap();
        assert_eq!(picture.terminal.size(), (1_000, 24));
        picture.show(&Show::Resize(0, u64::MAX));
        assert_eq!(picture.terminal.size(), (80, 1_000));
        picture.show(&Show::Text("\x1b[8;30000;30000t".into()));
        assert_eq!(picture.terminal.size(), (80, 1_000));
    }
}
