//! What the verifier found, in plain words. Everything that comes from the file is shown inert (I19).

use std::fmt;

use ajar_core::sealed::Commitment;

use crate::checkpoint::{Checkpoint, CheckpointError};

/// So many findings are kept; the rest is counted.
const MAX_FINDINGS: usize = 100;
/// So many characters of a finding are shown.
const MAX_SHOWN: usize = 600;

/// What was checked and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many events there were.
    pub size: u64,
    /// In how many streams.
    pub streams: usize,
    /// How many values were disclosed.
    pub disclosures: u64,
    /// The checkpoint that ends the file, if the trusted key signed it.
    pub checkpoint: Option<Checkpoint>,
    /// How many of the checkpoints that were kept are part of this log.
    pub confirmed: u64,
    /// What is wrong: the first hundred.
    pub findings: Vec<Finding>,
    /// How much more is wrong.
    pub more: u64,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// In which line of the file, from 1, where it has one.
    pub line: Option<u64>,
    /// At which event, where it is one.
    pub seq: Option<u64>,
    /// What.
    pub problem: Problem,
}

/// What can be wrong with an export.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The first line.
    #[error("the file does not begin as an export of this version does")]
    NotAnExport,
    /// Another key than the trusted one is named.
    #[error("the file names the key '{named}', which is not the one that you trust")]
    OtherKey {
        /// The key it names.
        named: String,
    },
    /// A line that means nothing.
    #[error("the line can't be read: {0}")]
    Line(&'static str),
    /// A line beyond the limit; nothing after it was read.
    #[error("the line is longer than any that Ajar writes; nothing after it was read")]
    LineTooLong,
    /// No checkpoint at the end.
    #[error("the file ends before its checkpoint: its end was cut off")]
    NoEnd,
    /// Something behind the checkpoint.
    #[error("something follows after the checkpoint that ends the file")]
    AfterTheEnd,
    /// A gap.
    #[error("{} missing before this one", events(*first, *last))]
    Missing {
        /// The first that is not there.
        first: u64,
        /// The last that is not there.
        last: u64,
    },
    /// An event again, or too late.
    #[error("it stands where event {due} is due: it was repeated, inserted or moved")]
    OutOfPlace {
        /// The event that is due.
        due: u64,
    },
    /// The leaf is none.
    #[error("it is not an event: it has no sequence number, stream and version")]
    NotAnEvent,
    /// The envelope says another place.
    #[error("it says of itself that it is event {inside}: it was changed or moved")]
    OtherSeq {
        /// What it says.
        inside: u64,
    },
    /// The stream's versions have a gap or a repetition.
    #[error("it is version {version} of {stream}, after version {last}: an event was removed, inserted or changed")]
    Version {
        /// The stream.
        stream: String,
        /// The version before.
        last: u64,
        /// The version that it has.
        version: u64,
    },
    /// A value that belongs nowhere.
    #[error("a value is disclosed for {commitment}, which is not in the event before it")]
    Misplaced {
        /// What it is disclosed for.
        commitment: Commitment,
    },
    /// Values repeated or out of order.
    #[error("the value for {commitment} is disclosed twice or out of order")]
    DisclosedOrder {
        /// What it is disclosed for.
        commitment: Commitment,
    },
    /// A value that is not the one that was committed to.
    #[error("the value disclosed for {commitment} is not the one that the event was recorded with")]
    WrongValue {
        /// What it is disclosed for.
        commitment: Commitment,
    },
    /// Another number of events than the first line says.
    #[error("the file's first line announces {announced} events, there are {found}")]
    Announced {
        /// By the first line.
        announced: u64,
        /// In the file.
        found: u64,
    },
    /// The checkpoint at the end doesn't count.
    #[error("the checkpoint at the end doesn't count: {0}")]
    Unsigned(CheckpointError),
    /// Another number of events than was signed.
    #[error("the checkpoint at the end signs {signed} events, there are {found}: events were removed or added")]
    SignedSize {
        /// By the checkpoint.
        signed: u64,
        /// In the file.
        found: u64,
    },
    /// Another root than was signed.
    #[error("the checkpoint at the end doesn't sign these events: {} changed", among(*after, *size))]
    Changed {
        /// The events before this one are those that a kept checkpoint signs.
        after: u64,
        /// How many events there are.
        size: u64,
    },
    /// A checkpoint that was given is unusable.
    #[error("checkpoint number {which} of those that you kept doesn't count: {error}")]
    Kept {
        /// Which, from 1.
        which: usize,
        /// Why.
        error: CheckpointError,
    },
    /// A kept checkpoint has another root.
    #[error("the checkpoint of {size} events that you kept doesn't sign these events: {} changed since", among(*after, *size))]
    Rewritten {
        /// The events before this one are those that an earlier kept checkpoint signs.
        after: u64,
        /// How many the kept checkpoint signs.
        size: u64,
    },
    /// Fewer events than were signed once.
    #[error("you kept a checkpoint of {signed} events, the file has {found}: the tail was cut off or the database rolled back")]
    TailCut {
        /// By the latest kept checkpoint.
        signed: u64,
        /// In the file.
        found: u64,
    },
}

fn events(first: u64, last: u64) -> String {
    if first == last { format!("event {first} is") } else { format!("events {first} to {last} are") }
}

/// The events from `after` up to `size`, of which at least one is meant.
fn among(after: u64, size: u64) -> String {
    match size.saturating_sub(after) {
        0 => "the signed root was".to_owned(),
        1 => format!("event {after} was"),
        _ => format!("at least one of the events {after} to {} was", size - 1),
    }
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        // A sound file always ends in a checkpoint that counts.
        self.findings.is_empty() && self.checkpoint.is_some()
    }

    pub(super) fn add(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problems = self.findings.len() as u64 + self.more;
        match &self.checkpoint {
            Some(checkpoint) if problems == 0 => {
                write!(f, "The ledger is sound: {} events of {} in {} streams", self.size, Inert(&checkpoint.origin), self.streams)?;
                writeln!(f, " are as they were signed.")?;
                writeln!(f, "Root {}.", hex::encode(checkpoint.root))?;
                if self.disclosures > 0 {
                    writeln!(f, "{} disclosed values are those that were recorded.", self.disclosures)?;
                }
                match self.confirmed {
                    0 => writeln!(f, "No checkpoint from before was given: whether the tail was cut off can't be seen."),
                    1 => writeln!(f, "The checkpoint that you kept is part of it."),
                    n => writeln!(f, "The {n} checkpoints that you kept are part of it."),
                }
            }
            _ => {
                writeln!(f, "The ledger is NOT sound: {problems} {}.", if problems == 1 { "problem" } else { "problems" })?;
                for finding in &self.findings {
                    writeln!(f, "- {finding}")?;
                }
                if self.more > 0 {
                    writeln!(f, "- and {} more", self.more)?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.seq) {
            (Some(line), Some(seq)) => write!(f, "event {seq} (line {line}): ")?,
            (Some(line), None) => write!(f, "line {line}: ")?,
            (None, Some(seq)) => write!(f, "event {seq}: ")?,
            (None, None) => {}
        }
        Inert(&self.problem.to_string()).fmt(f)
    }
}

/// INVARIANT I19: control, bidirectional and invisible characters are shown as escapes, and not without end.
struct Inert<'a>(&'a str);

impl fmt::Display for Inert<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        for c in chars.by_ref().take(MAX_SHOWN) {
            match c {
                '\'' | '"' | '\\' => write!(f, "{c}")?,
                _ => write!(f, "{}", c.escape_debug())?,
            }
        }
        if chars.next().is_some() { f.write_str("…") } else { Ok(()) }
    }
}
