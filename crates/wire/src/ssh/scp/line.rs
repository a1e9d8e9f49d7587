//! The lines that a sender sends, and the directories that they go through.

use super::super::{Answer, Confusion, MAX_PATH, MAX_REASON};

/// The most directories within one another.
const MAX_DEPTH: usize = 1_024;

/// A line, understood.
pub(super) enum Line {
    File { size: u64, name: Vec<u8> },
    Folder { name: Vec<u8> },
    Leave,
    Times,
    Refusal(Answer),
}

impl Line {
    /// As strict as OpenSSH's receiver, which ends the conversation at anything else.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        match line {
            [code @ (1 | 2), reason @ ..] => {
                let reason = reason.get(..MAX_REASON).unwrap_or(reason).to_vec();
                Some(Self::Refusal(Answer::Refused { code: u32::from(*code), reason }))
            }
            b"E" => Some(Self::Leave),
            [b'T', times @ ..] => times.iter().all(|byte| matches!(byte, b'0'..=b'9' | b' ')).then_some(Self::Times),
            [b'C', rest @ ..] => announced(rest).map(|(size, name)| Self::File { size, name }),
            [b'D', rest @ ..] => announced(rest).map(|(_, name)| Self::Folder { name }),
            _ => None,
        }
    }
}

/// `0644 SIZE NAME`.
fn announced(rest: &[u8]) -> Option<(u64, Vec<u8>)> {
    let (mode, rest) = rest.split_at_checked(4)?;
    let rest = rest.strip_prefix(b" ")?;
    let (size, name) = rest.split_at_checked(memchr::memchr(b' ', rest)?)?;
    let name = name.get(1..)?;
    if !mode.iter().all(|digit| matches!(digit, b'0'..=b'7')) || size.is_empty() || name.is_empty() || name == b"." || name == b".." {
        return None;
    }
    if name.iter().any(|byte| matches!(byte, b'/' | 0)) {
        return None;
    }
    let size = size.iter().try_fold(0u64, |sum, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })?;
    i64::try_from(size).ok()?;
    Some((size, name.to_vec()))
}

/// The directories that the sender is in.
#[derive(Debug, Default)]
pub(super) struct Folders {
    /// Their names, each with a slash behind it.
    path: Vec<u8>,
    /// Where each one begins.
    begins: Vec<usize>,
}

impl Folders {
    pub(super) fn path(&self) -> &[u8] {
        &self.path
    }

    pub(super) fn enter(&mut self, name: &[u8]) -> Result<(), Confusion> {
        if self.begins.len() >= MAX_DEPTH || self.path.len() + name.len() >= MAX_PATH {
            return Err(Confusion::TooLong);
        }
        self.begins.push(self.path.len());
        self.path.extend_from_slice(name);
        self.path.push(b'/');
        Ok(())
    }

    pub(super) fn leave(&mut self) -> Option<()> {
        self.path.truncate(self.begins.pop()?);
        Some(())
    }
}
