//! Lines of a hostile file, one at a time: never more than one line and one leaf in memory.

use std::io::{self, BufRead, Read};
use std::ops::Range;

use crate::export::MAX_LINE;

/// What was read.
pub(super) enum Line {
    /// A line: [`Lines::text`].
    Text,
    /// Longer than is read.
    TooLong,
    /// The file ends before the line does.
    Unfinished,
    /// The file ends.
    End,
}

pub(super) struct Lines<R> {
    reader: R,
    line: Vec<u8>,
    // The line with the last leaf, and the leaf's place in it.
    leaf: Vec<u8>,
    place: Range<usize>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, line: Vec::new(), leaf: Vec::new(), place: 0..0 }
    }

    pub(super) fn next(&mut self) -> io::Result<Line> {
        self.line.clear();
        // Grows with what is there, not with what is allowed.
        let read = Read::by_ref(&mut self.reader).take(MAX_LINE as u64).read_until(b'\n', &mut self.line)?;
        Ok(match read {
            0 => Line::End,
            _ if self.line.ends_with(b"\n") => Line::Text,
            MAX_LINE => Line::TooLong,
            _ => Line::Unfinished,
        })
    }

    /// The line that was read last, without its newline.
    pub(super) fn text(&self) -> &[u8] {
        self.line.strip_suffix(b"\n").unwrap_or(&self.line)
    }

    /// Keeps the leaf at `place` of the present line, instead of the one before.
    pub(super) fn keep(&mut self, place: Range<usize>) {
        std::mem::swap(&mut self.line, &mut self.leaf);
        self.place = place;
    }

    /// The leaf that was kept.
    pub(super) fn kept(&self) -> &[u8] {
        self.leaf.get(self.place.clone()).unwrap_or_default()
    }
}
