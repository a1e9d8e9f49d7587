//! A finished statement, and what is gathered for it.

use std::borrow::Cow;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::super::ServerError;
use super::super::scan::StatementRef;
use super::Limits;

/// What is kept of a command tag, in bytes.
const MAX_TAG: usize = 64;

/// Something that was asked of the target, and what came of it. All text is untrusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// How it was asked.
    pub kind: Kind,
    /// Its text. None for a function call and for a commit, and when the text isn't known: its name was beyond what is
    /// remembered (see [`Outcome::NotRemembered`]), or SQL declared the cursor or prepared the statement.
    pub text: Option<StatementText>,
    /// The prepared statement's name; empty: unnamed.
    pub name: String,
    /// The portal's name; empty: unnamed.
    pub portal: String,
    /// The function's object id, for a function call.
    pub function: Option<u32>,
    /// When it was asked, or when what was pipelined before it ended: the caller's microseconds.
    pub started_at: u64,
    /// When its answer was complete: the caller's microseconds, not before `started_at`.
    pub ended_at: u64,
    /// What came of it.
    pub outcome: Outcome,
    /// Its commands' results, in order: one for an extended query, any number for a simple one.
    pub results: Vec<CommandResult>,
    /// Results beyond those that are listed.
    pub more_results: u64,
    /// Rows that were sent to the client.
    pub rows: u64,
    /// Bytes in them.
    pub row_bytes: u64,
    /// COPY data from the client, if it was a COPY in.
    pub copy_in: Option<Copied>,
    /// COPY data to the client, if it was a COPY out.
    pub copy_out: Option<Copied>,
    /// The target's error, if it failed.
    pub error: Option<ServerError>,
}

/// How something was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A Query message.
    Simple,
    /// Parse, Bind, Execute.
    Extended,
    /// A FunctionCall message: large objects, mostly.
    FunctionCall,
    /// The implicit commit of a Sync; comes out only when it fails.
    Commit,
}

/// What came of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It runs still: see [`super::Statements::running`].
    Running,
    /// It ran.
    Completed,
    /// The target reported an error: in an extended query perhaps when it was prepared or bound.
    Failed,
    /// It ran up to the number of rows that was asked for; may be gone on with.
    Suspended,
    /// The target skipped it, because of an error before it.
    Skipped,
    /// The session ended before its answer was complete; it may have run or not.
    Unfinished,
    /// It was prepared or bound and never run.
    NeverRun,
    /// It was prepared or bound, and its name is beyond what is remembered: what runs it later carries the name alone.
    NotRemembered,
}

/// What one command reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandResult {
    /// `INSERT 0 5` and the like. Empty for an empty query.
    pub tag: String,
    /// The number at the tag's end.
    pub rows: Option<u64>,
}

/// COPY data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Messages: often a row each.
    pub messages: u64,
    /// Bytes in them.
    pub bytes: u64,
}

impl Copied {
    pub(super) fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}

/// A statement's text, or its beginning. In whatever encoding the client speaks. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementText {
    head: Arc<[u8]>,
    total: u64,
    sha256: Option<Arc<[u8; 32]>>,
}

impl From<StatementRef<'_>> for StatementText {
    fn from(text: StatementRef<'_>) -> Self {
        Self { head: text.head.into(), total: text.total, sha256: text.sha256.map(Arc::new) }
    }
}

impl StatementText {
    /// The text's bytes, as many as were kept.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// As text, with what isn't UTF-8 replaced: then the record needs [`Self::sha256`] beside it.
    #[must_use]
    pub fn to_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.head)
    }

    /// The whole text's length in bytes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether all of it was kept.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.sha256.is_none()
    }

    /// The whole text's SHA-256, whether all of it was kept or not.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256.as_deref().copied().unwrap_or_else(|| Sha256::digest(&self.head).into())
    }
}

impl Statement {
    pub(super) fn new(kind: Kind, text: Option<StatementText>, started_at: u64, ended_at: u64, outcome: Outcome) -> Self {
        Self {
            kind,
            text,
            name: String::new(),
            portal: String::new(),
            function: None,
            started_at: started_at.min(ended_at),
            ended_at,
            outcome,
            results: Vec::new(),
            more_results: 0,
            rows: 0,
            row_bytes: 0,
            copy_in: None,
            copy_out: None,
            error: None,
        }
    }
}

/// What has happened so far to what is running.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// The target has answered, so that ReadyForQuery may end it.
    pub(super) answered: bool,
    pub(super) rows: u64,
    pub(super) row_bytes: u64,
    pub(super) copy_in: Option<Copied>,
    pub(super) copy_out: Option<Copied>,
    pub(super) error: Option<ServerError>,
    results: Vec<CommandResult>,
    more_results: u64,
}

impl Run {
    /// One command has ended.
    pub(super) fn answer(&mut self, tag: Option<&[u8]>, limits: &Limits) {
        self.answered = true;
        let Some(tag) = tag else { return };
        if self.results.len() >= limits.results {
            self.more_results += 1;
            return;
        }
        let tag = String::from_utf8_lossy(tag.get(..MAX_TAG).unwrap_or(tag)).into_owned();
        let rows = tag.rsplit_once(' ').and_then(|(_, number)| number.parse().ok());
        self.results.push(CommandResult { tag, rows });
    }

    pub(super) fn put(self, statement: &mut Statement) {
        statement.results = self.results;
        statement.more_results = self.more_results;
        statement.rows = self.rows;
        statement.row_bytes = self.row_bytes;
        statement.copy_in = self.copy_in;
        statement.copy_out = self.copy_out;
        statement.error = self.error;
    }
}
