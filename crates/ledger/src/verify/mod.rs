//! Checks an export offline (I16): with the trusted key, the checkpoints that were kept elsewhere, and nothing else.
//!
//! Streams: memory is the frontier, one version per stream, and one line. The file is hostile: every line is capped,
//! findings are capped, nothing in it is believed before the signature at its end has been checked. What it
//! can't see: a cut-off tail, or a log that was rewritten and signed again with the real key, unless a checkpoint
//! from before is given.

mod lines;
mod report;

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, BufRead};

use ajar_core::sealed::{Commitment, Disclosure};
use serde::{Deserialize, Serialize};

use crate::checkpoint::{self, Checkpoint};
use crate::export::{CheckpointLine, DiscloseLine, FORMAT, Header, LEAF, commitments};
use crate::note::VerifierKey;
use crate::tree::{Frontier, MAX_SIZE, leaf_hash};

use lines::{Line, Lines};
pub use report::{Finding, Problem, Report};

/// Checks an export against the key that the auditor trusts and the signed checkpoints that the auditor kept.
///
/// Whatever the file holds, the answer is a report; read it with [`Report::is_sound`].
///
/// # Errors
/// When the file can't be read.
pub fn verify(export: impl BufRead, trusted: &VerifierKey, kept: &[&str]) -> io::Result<Report> {
    verify_each(export, trusted, kept, &mut |_, _| {})
}

/// The same, and hands on each event on the way, with what is disclosed of it. What was handed on is worth no more than the report that
/// comes at the end: unless that is sound, it must be forgotten.
///
/// # Errors
/// When the file can't be read.
pub fn verify_each(
    export: impl BufRead,
    trusted: &VerifierKey,
    kept: &[&str],
    each: &mut dyn FnMut(&str, &[Disclosure]),
) -> io::Result<Report> {
    let mut run = Run::new(trusted, kept);
    let mut disclosed = Vec::new();
    let mut lines = Lines::new(export);
    let mut header = None;
    loop {
        let read = lines.next()?;
        run.line += 1;
        match read {
            Line::Text => {}
            Line::TooLong => {
                run.found(Problem::LineTooLong);
                break;
            }
            Line::Unfinished | Line::End => {
                run.found(Problem::NoEnd);
                break;
            }
        }
        let line = lines.text();
        match header {
            None => match run.header(line) {
                Some(size) => header = Some(size),
                None => break,
            },
            Some(_) if line.starts_with(LEAF.0) => {
                hand_on(lines.kept(), &mut disclosed, each);
                if let Some(leaf) = run.leaf(line) {
                    lines.keep(leaf);
                }
            }
            Some(_) if line.starts_with(b"{\"disclose\":") => disclosed.extend(run.disclosure(line, lines.kept())),
            Some(size) if line.starts_with(b"{\"checkpoint\":") => {
                hand_on(lines.kept(), &mut disclosed, each);
                run.end(line, size);
                if !matches!(lines.next()?, Line::End) {
                    run.line += 1;
                    run.found(Problem::AfterTheEnd);
                }
                break;
            }
            Some(_) => run.found(Problem::Line("it is neither an event nor a disclosed value nor a checkpoint")),
        }
    }
    Ok(run.finish())
}

fn hand_on(leaf: &[u8], disclosed: &mut Vec<Disclosure>, each: &mut dyn FnMut(&str, &[Disclosure])) {
    if let Some(leaf) = std::str::from_utf8(leaf).ok().filter(|leaf| !leaf.is_empty()) {
        each(leaf, disclosed);
    }
    disclosed.clear();
}

/// The key that an export names for itself, which proves nothing of who made it.
#[must_use]
pub fn named_key(first_line: &[u8]) -> Option<VerifierKey> {
    let line = first_line.strip_suffix(b"\n").unwrap_or(first_line);
    canonical::<Header<'_>>(line)?.vkey.parse().ok()
}

/// Of an event's envelope, what is checked.
#[derive(Deserialize)]
struct Head<'a> {
    seq: u64,
    #[serde(borrow)]
    stream: Cow<'a, str>,
    version: u64,
}

struct Run<'a> {
    trusted: &'a VerifierKey,
    // By size.
    kept: std::iter::Peekable<std::vec::IntoIter<Checkpoint>>,
    // The events before this are those that a kept checkpoint signs.
    confirmed: u64,
    rewritten: bool,
    tree: Frontier,
    streams: HashMap<Box<str>, u64>,
    // The sequence number that is due.
    next: u64,
    // Of the event that disclosures may follow.
    seq: Option<u64>,
    disclosed: Option<Commitment>,
    line: u64,
    report: Report,
}

impl<'a> Run<'a> {
    fn new(trusted: &'a VerifierKey, notes: &[&str]) -> Self {
        let mut report = Report::default();
        let mut kept = Vec::new();
        for (i, note) in notes.iter().enumerate() {
            match checkpoint::open(note, trusted) {
                Ok(checkpoint) => kept.push(checkpoint),
                Err(error) => report.add(Finding { line: None, seq: None, problem: Problem::Kept { which: i + 1, error } }),
            }
        }
        kept.sort_by_key(|c| c.size);
        let mut run = Self {
            trusted,
            kept: kept.into_iter().peekable(),
            confirmed: 0,
            rewritten: false,
            tree: Frontier::default(),
            streams: HashMap::new(),
            next: 0,
            seq: None,
            disclosed: None,
            line: 0,
            report,
        };
        run.compare_kept();
        run
    }

    fn found(&mut self, problem: Problem) {
        self.report.add(Finding { line: Some(self.line), seq: None, problem });
    }

    fn found_at(&mut self, seq: u64, problem: Problem) {
        self.report.add(Finding { line: Some(self.line), seq: Some(seq), problem });
    }

    /// The first line; the size that it announces.
    fn header(&mut self, line: &[u8]) -> Option<u64> {
        let Some(header) = canonical::<Header<'_>>(line).filter(|h| h.format == FORMAT) else {
            self.found(Problem::NotAnExport);
            return None;
        };
        if header.vkey != self.trusted.to_string() || header.origin != self.trusted.name() {
            self.found(Problem::OtherKey { named: header.vkey.into_owned() });
        }
        Some(header.size)
    }

    /// An event. The leaf's place in the line.
    fn leaf(&mut self, line: &[u8]) -> Option<std::ops::Range<usize>> {
        (self.seq, self.disclosed) = (None, None);
        let Some((seq, at)) = leaf_line(line) else {
            self.found(Problem::Line("it is not an event as exports spell it"));
            return None;
        };
        let leaf = line.get(at.clone())?;
        self.tree.push(leaf_hash(leaf));
        self.compare_kept();
        self.seq = Some(seq);
        if seq > self.next {
            self.found_at(seq, Problem::Missing { first: self.next, last: seq - 1 });
        } else if seq < self.next {
            self.found_at(seq, Problem::OutOfPlace { due: self.next });
        }
        self.next = self.next.max(seq + 1);
        match serde_json::from_slice::<Head<'_>>(leaf) {
            // An array would do for the parser.
            Ok(head) if leaf.starts_with(b"{") => {
                if head.seq != seq {
                    self.found_at(seq, Problem::OtherSeq { inside: head.seq });
                }
                self.version(seq, &head.stream, head.version);
            }
            _ => self.found_at(seq, Problem::NotAnEvent),
        }
        Some(at)
    }

    fn version(&mut self, seq: u64, stream: &str, version: u64) {
        let last = match self.streams.get_mut(stream) {
            Some(last) => std::mem::replace(last, version.max(*last)),
            None => {
                self.streams.insert(stream.into(), version);
                0
            }
        };
        if last.checked_add(1) != Some(version) {
            self.found_at(seq, Problem::Version { stream: stream.to_owned(), last, version });
        }
    }

    /// A value behind a commitment in the event before it.
    fn disclosure(&mut self, line: &[u8], leaf: &[u8]) -> Option<Disclosure> {
        let Some((line, salt)) = canonical::<DiscloseLine<'_>>(line).and_then(|l| {
            let mut salt = [0; 32];
            hex::decode_to_slice(l.disclose.salt.as_bytes(), &mut salt).ok()?;
            // One spelling: hexadecimal digits in lower case.
            (*l.disclose.salt == hex::encode(salt)).then_some((l.disclose, salt))
        }) else {
            self.found(Problem::Line("it is not a disclosed value as exports spell it"));
            return None;
        };
        let Some(seq) = self.seq.filter(|_| commitments(leaf).contains(&line.commitment)) else {
            self.found(Problem::Misplaced { commitment: line.commitment });
            return None;
        };
        if self.disclosed.is_some_and(|before| before >= line.commitment) {
            self.found_at(seq, Problem::DisclosedOrder { commitment: line.commitment });
        }
        self.disclosed = Some(line.commitment);
        let disclosure = Disclosure { commitment: line.commitment, salt, value: line.value.into_owned() };
        if !disclosure.holds() {
            self.found_at(seq, Problem::WrongValue { commitment: disclosure.commitment });
        }
        self.report.disclosures += 1;
        Some(disclosure)
    }

    /// The checkpoint that ends the file.
    fn end(&mut self, line: &[u8], announced: u64) {
        let count = self.tree.size();
        if announced != count {
            self.found(Problem::Announced { announced, found: count });
        }
        let Some(line) = canonical::<CheckpointLine<'_>>(line) else {
            self.found(Problem::Line("it is not a checkpoint as exports spell it"));
            return;
        };
        match checkpoint::open(&line.checkpoint, self.trusted) {
            Err(error) => self.found(Problem::Unsigned(error)),
            Ok(signed) => {
                if signed.size != count {
                    self.found(Problem::SignedSize { signed: signed.size, found: count });
                } else if signed.root != self.tree.root() {
                    let after = self.confirmed;
                    self.found(Problem::Changed { after, size: count });
                }
                self.report.checkpoint = Some(signed);
            }
        }
    }

    /// Compares the tree with the kept checkpoints of its present size.
    fn compare_kept(&mut self) {
        while let Some(kept) = self.kept.next_if(|k| k.size == self.tree.size()) {
            if kept.root == self.tree.root() {
                self.confirmed = kept.size;
                self.report.confirmed += 1;
            } else if !self.rewritten {
                // Later ones differ for the same reason.
                self.rewritten = true;
                let problem = Problem::Rewritten { after: self.confirmed, size: kept.size };
                self.report.add(Finding { line: None, seq: None, problem });
            }
        }
    }

    fn finish(mut self) -> Report {
        self.report.size = self.tree.size();
        self.report.streams = self.streams.len();
        if let Some(latest) = self.kept.last() {
            let problem = Problem::TailCut { signed: latest.size, found: self.report.size };
            self.report.add(Finding { line: None, seq: None, problem });
        }
        self.report
    }
}

/// Reads a line, if it is spelled as we spell it: anything else could be read otherwise by somebody else.
fn canonical<'a, T: Serialize + Deserialize<'a>>(line: &'a [u8]) -> Option<T> {
    let read: T = serde_json::from_slice(line).ok()?;
    serde_json::to_vec(&read).is_ok_and(|spelled| spelled == line).then_some(read)
}

/// The sequence number, and where the leaf is.
fn leaf_line(line: &[u8]) -> Option<(u64, std::ops::Range<usize>)> {
    let (before, between, after) = LEAF;
    let rest = line.strip_prefix(before)?;
    let digits = rest.iter().take(20).take_while(|b| b.is_ascii_digit()).count();
    let (number, rest) = rest.split_at_checked(digits)?;
    if rest.strip_prefix(between)?.strip_suffix(after)?.is_empty() || (digits > 1 && number.starts_with(b"0")) {
        return None;
    }
    let seq: u64 = std::str::from_utf8(number).ok()?.parse().ok()?;
    (seq < MAX_SIZE).then_some((seq, before.len() + digits + between.len()..line.len() - after.len()))
}
