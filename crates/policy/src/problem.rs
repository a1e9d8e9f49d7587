//! What is wrong with a file: where, what was expected, and the nearest thing that exists.

use std::fmt;

/// One mistake. Line and column count from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Path inside the directory.
    pub file: String,
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

/// Where the lines of a text begin, to tell line and column of a byte of it.
pub(crate) struct Lines<'a> {
    text: &'a str,
    breaks: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self { text, breaks: text.match_indices('\n').map(|(at, _)| at).collect() }
    }

    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// Line of a byte offset.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.breaks.partition_point(|at| *at < offset) + 1
    }

    /// Line and column of a byte offset.
    pub(crate) fn place(&self, offset: usize) -> (usize, usize) {
        let line = self.line(offset);
        let begins = line.checked_sub(2).and_then(|before| self.breaks.get(before)).map_or(0, |at| at + 1);
        (line, self.text.get(begins..offset).map_or(0, |before| before.chars().count()) + 1)
    }
}

/// "did you mean …", if something that exists is near.
pub(crate) fn near<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let nearest = known.into_iter().take(20_000).map(|k| (distance(wrong, k), k)).min()?;
    (nearest.0 <= 1 + wrong.chars().count() / 3).then(|| format!("did you mean '{}'?", nearest.1))
}

/// Edits between two names (Levenshtein); names are short.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (slot, y) in row.iter_mut().skip(1).zip(&b) {
            let next = (*slot + 1).min(left + 1).min(diagonal + usize::from(x != *y));
            diagonal = std::mem::replace(slot, next);
            left = next;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_offered_and_far_ones_are_not() {
        assert_eq!(near("ordres-db", ["orders-db", "users-db"]), Some("did you mean 'orders-db'?".into()));
        assert_eq!(near("xyz", ["orders-db"]), None);
        assert_eq!((distance("kitten", "sitting"), distance("", "ab"), distance("ab", "ab")), (3, 2, 0));
    }

    #[test]
    fn a_place_is_a_line_and_a_column_in_characters() {
        let lines = Lines::of("a\nbü→d\n\nd");
        let places = [0, 1, 2, 3, 5, 8, 9, 10, 11].map(|offset| lines.place(offset));
        assert_eq!(places, [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (2, 4), (2, 5), (3, 1), (4, 1)]);
        assert_eq!((lines.line(11), Lines::of("").place(0), Lines::of("a").place(7)), (4, (1, 1), (1, 1)));
    }
}
