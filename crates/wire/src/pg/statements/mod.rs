//! Pairing what a client asks with what the target answers, into finished statements.
//!
//! A pure machine over the events of [`super::scan`], fed in the order in which each direction's bytes pass; instants are
//! opaque microseconds from the caller. Every Query, Execute and FunctionCall comes out as exactly one [`Statement`],
//! whatever either side does, and what was prepared or bound but never run comes out too (planning alone can run code).
//!
//! Answers come in the order of the questions, so the questions wait in a queue, and a name is resolved only when its
//! answer comes: whatever an error makes the server skip never changes what a name stands for. After an error in an
//! extended query the server skips to the next Sync; while it takes COPY data it ignores Syncs. Names are compared by
//! their first 63 bytes, as the server does.
//!
//! What it can't know: names that SQL itself redefines (`DEALLOCATE` and `PREPARE`), and cursors that SQL declared. That
//! SQL is on record itself.
//!
//! Memory is bounded: see [`Limits`]. When [`Statements::is_full`] says so, the relay must stop reading from the client
//! until it isn't any more, and should send one [`super::messages::flush`] to the target, which may be holding answers back.

mod answers;
mod names;
mod record;

use std::collections::VecDeque;

use self::names::{Name, Names, key};
use self::record::Run;
pub use self::record::{CommandResult, Copied, Kind, Outcome, Statement, StatementText};
use super::scan::{BackendEvent, FrontendEvent, Target};

/// Room for questions that an idle session keeps.
const KEEP_PENDING: usize = 64;

/// What may be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Questions without an answer, before the client must wait.
    pub pending: usize,
    /// Bytes of text in them, before the client must wait.
    pub pending_bytes: usize,
    /// Prepared statements and portals by name, each. Those beyond come out as [`Outcome::NotRemembered`] at once, and
    /// their executions carry the names alone.
    pub names: usize,
    /// Bytes of text in them, together.
    pub name_bytes: usize,
    /// Results of one Query that are listed.
    pub results: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { pending: 4_096, pending_bytes: 4 << 20, names: 4_096, name_bytes: 8 << 20, results: 64 }
    }
}

/// A question to the target that has no answer yet.
#[derive(Debug)]
enum Ask {
    Parse {
        name: Name,
        text: StatementText,
        at: u64,
    },
    Bind {
        portal: Name,
        statement: Name,
        at: u64,
    },
    Describe,
    Execute {
        portal: Name,
        at: u64,
    },
    Close {
        target: Target,
        name: Name,
    },
    Sync,
    Query {
        text: StatementText,
        at: u64,
    },
    FunctionCall {
        oid: u32,
        at: u64,
    },
    /// The end of COPY data that was sent before the target said that it takes any. Has no answer.
    CopyEnd,
}

impl Ask {
    /// Bytes that it keeps, roughly.
    fn bytes(&self) -> usize {
        match self {
            Self::Parse { text, .. } | Self::Query { text, .. } => text.head().len(),
            Self::Bind { .. } | Self::Describe | Self::Execute { .. } | Self::Close { .. } => 0,
            Self::Sync | Self::FunctionCall { .. } | Self::CopyEnd => 0,
        }
    }
}

/// The machine. One per session.
#[derive(Debug)]
pub struct Statements {
    limits: Limits,
    pending: VecDeque<Ask>,
    pending_bytes: usize,
    names: Names,
    /// What names would stand for, had the server not skipped what defined them.
    skipped: Names,
    /// What has happened to the question at the head of the queue.
    run: Run,
    /// The server skips to the next Sync, which hasn't been sent yet.
    skipping: bool,
    /// The server takes COPY data, and the client hasn't ended it.
    copy_in: bool,
    /// COPY data that came before the server took any.
    early: Copied,
    last_end: u64,
    out_of_step: u64,
}

impl Default for Statements {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Statements {
    /// At the beginning of a session: right behind the first ReadyForQuery.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            pending: VecDeque::new(),
            pending_bytes: 0,
            names: Names::default(),
            skipped: Names::default(),
            run: Run::default(),
            skipping: false,
            copy_in: false,
            early: Copied::default(),
            last_end: 0,
            out_of_step: 0,
        }
    }

    /// Whether as much waits for an answer as may wait: read no more from the client, go on reading from the target.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.pending.len() >= self.limits.pending || self.pending_bytes >= self.limits.pending_bytes
    }

    /// Whether nothing waits for an answer.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// What the target works on, as it stands at `now`: the first that was asked to run and has no whole answer yet. It comes out
    /// again when it has finished, begun at the same instant.
    #[must_use]
    pub fn running(&self, now: u64) -> Option<Statement> {
        let runs = |ask: &Ask| matches!(ask, Ask::Query { .. } | Ask::Execute { .. } | Ask::FunctionCall { .. });
        let place = self.pending.iter().position(runs)?;
        let begun = |at: u64| at.max(self.last_end).min(now);
        match self.pending.get(place)? {
            Ask::Query { text, at } => Some(Statement::new(Kind::Simple, Some(text.clone()), begun(*at), now, Outcome::Running)),
            Ask::FunctionCall { oid, at } => {
                Some(Statement { function: Some(*oid), ..Statement::new(Kind::FunctionCall, None, begun(*at), now, Outcome::Running) })
            }
            Ask::Execute { portal, at } => {
                let (name, text) = self.to_be_run(portal, place);
                let statement = Statement::new(Kind::Extended, text, begun(*at), now, Outcome::Running);
                Some(Statement { name, portal: names::shown(portal), ..statement })
            }
            Ask::Parse { .. } | Ask::Bind { .. } | Ask::Describe | Ask::Close { .. } | Ask::Sync | Ask::CopyEnd => None,
        }
    }

    /// What a portal runs, by what was asked before `place` and has no answer yet, else by what is known of its name.
    fn to_be_run(&self, portal: &Name, place: usize) -> (String, Option<StatementText>) {
        let earlier = || self.pending.iter().take(place).rev();
        let binds = |ask: &&Ask| matches!(ask, Ask::Bind { portal: bound, .. } if bound == portal);
        let bound = earlier().find(binds).and_then(|ask| if let Ask::Bind { statement, .. } = ask { Some(statement) } else { None });
        let Some(statement) = bound else {
            let known = self.names.portal(portal);
            return (known.map(|known| names::shown(&known.statement)).unwrap_or_default(), known.and_then(|known| known.text.clone()));
        };
        let parses = |ask: &&Ask| matches!(ask, Ask::Parse { name, .. } if name == statement);
        let parsed = earlier().find(parses).and_then(|ask| if let Ask::Parse { text, .. } = ask { Some(text.clone()) } else { None });
        (names::shown(statement), parsed.or_else(|| self.names.text(statement)))
    }

    /// Answers of the target that fit no question so far: 0 with every well-behaved target.
    #[must_use]
    pub fn out_of_step(&self) -> u64 {
        self.out_of_step
    }

    /// Takes a client's event. Finished statements are appended to `out`.
    pub fn frontend(&mut self, event: FrontendEvent<'_>, now: u64, out: &mut Vec<Statement>) {
        let ask = match event {
            FrontendEvent::Query(text) => Ask::Query { text: text.into(), at: now },
            FrontendEvent::Parse { name, text } => Ask::Parse { name: key(name), text: text.into(), at: now },
            FrontendEvent::Bind { portal, statement } => Ask::Bind { portal: key(portal), statement: key(statement), at: now },
            FrontendEvent::Describe => Ask::Describe,
            FrontendEvent::Execute { portal } => Ask::Execute { portal: key(portal), at: now },
            FrontendEvent::Close { target, name } => Ask::Close { target, name: key(name) },
            // The server ignores a Sync while it takes COPY data.
            FrontendEvent::Sync if self.copy_in => return,
            FrontendEvent::Sync => {
                self.skipping = false;
                self.skipped.clear();
                Ask::Sync
            }
            FrontendEvent::FunctionCall { oid } => Ask::FunctionCall { oid, at: now },
            FrontendEvent::CopyData { messages, bytes } => {
                let copied = Copied { messages, bytes };
                if self.copy_in {
                    self.run.copy_in.get_or_insert_default().add(copied);
                } else if !self.pending.is_empty() {
                    self.early.add(copied);
                }
                return;
            }
            FrontendEvent::CopyDone | FrontendEvent::CopyFail => {
                if self.copy_in {
                    self.copy_in = false;
                    return;
                }
                if self.pending.is_empty() || self.skipping {
                    return;
                }
                Ask::CopyEnd
            }
            FrontendEvent::Terminate => return,
        };
        if self.skipping {
            self.skip(ask, now, out);
        } else {
            self.pending_bytes += ask.bytes();
            self.pending.push_back(ask);
        }
    }

    /// Takes a target's event. Finished statements are appended to `out`.
    pub fn backend(&mut self, event: BackendEvent<'_>, now: u64, out: &mut Vec<Statement>) {
        self.drop_copy_ends();
        match event {
            BackendEvent::Rows { rows, bytes } if self.runs() => {
                self.run.rows += rows;
                self.run.row_bytes += bytes;
            }
            BackendEvent::CopyData { messages, bytes } if self.runs() => {
                self.run.copy_out.get_or_insert_default().add(Copied { messages, bytes });
            }
            BackendEvent::CopyIn if self.runs() => self.copy_in_begins(),
            BackendEvent::CopyOut | BackendEvent::CopyBoth if self.runs() => {
                self.run.copy_out.get_or_insert_default();
            }
            BackendEvent::Rows { .. } | BackendEvent::CopyData { .. } => self.out_of_step += 1,
            BackendEvent::CopyIn | BackendEvent::CopyOut | BackendEvent::CopyBoth => self.out_of_step += 1,
            BackendEvent::CopyDone => {}
            BackendEvent::ParseComplete => self.parsed(now, out),
            BackendEvent::BindComplete => self.bound(now, out),
            BackendEvent::CloseComplete => match self.pop_if(|ask| matches!(ask, Ask::Close { .. })) {
                Some(Ask::Close { target: Target::Statement, name }) => {
                    let gone = self.names.close_statement(&name);
                    self.unused(gone, now, out);
                }
                Some(Ask::Close { target: Target::Portal, name }) => {
                    let gone = self.names.close_portal(&name);
                    self.unused(gone, now, out);
                }
                Some(_) | None => {}
            },
            BackendEvent::RowDescription => {
                if matches!(self.pending.front(), Some(Ask::Describe)) {
                    self.pop();
                }
            }
            BackendEvent::NoData => {
                self.pop_if(|ask| matches!(ask, Ask::Describe));
            }
            BackendEvent::CommandComplete { tag } => self.answered(Some(tag), Outcome::Completed, now, out),
            BackendEvent::EmptyQuery => self.answered(None, Outcome::Completed, now, out),
            BackendEvent::PortalSuspended => self.answered(None, Outcome::Suspended, now, out),
            BackendEvent::FunctionResult => self.answered(None, Outcome::Completed, now, out),
            BackendEvent::Error(fields) => self.failed(fields.to_owned(), now, out),
            BackendEvent::ReadyForQuery(status) => self.ready(status, now, out),
        }
    }

    /// The session is over: whatever hasn't finished comes out as it stands, and what was never run.
    pub fn finish(&mut self, now: u64, out: &mut Vec<Statement>) {
        while let Some(ask) = self.pop() {
            match ask {
                Ask::Parse { name, text, at } => self.define(name, text, at, now, out),
                Ask::Bind { portal, statement, at } => self.bind(portal, &statement, at, now, out),
                Ask::Execute { .. } | Ask::Query { .. } | Ask::FunctionCall { .. } => {
                    let outcome = if self.run.error.is_some() { Outcome::Failed } else { Outcome::Unfinished };
                    self.conclude(&ask, outcome, now, out);
                }
                Ask::Describe | Ask::Close { .. } | Ask::Sync | Ask::CopyEnd => {}
            }
        }
        let gone = self.names.close_all();
        self.unused(gone, now, out);
    }

    /// Whether the head is something that yields rows or COPY data.
    fn runs(&self) -> bool {
        matches!(self.pending.front(), Some(Ask::Query { .. } | Ask::Execute { .. }))
    }

    fn pop(&mut self) -> Option<Ask> {
        let ask = self.pending.pop_front()?;
        self.pending_bytes = self.pending_bytes.saturating_sub(ask.bytes());
        Some(ask)
    }

    /// The head, if it is what the answer is for.
    fn pop_if(&mut self, fits: impl FnOnce(&Ask) -> bool) -> Option<Ask> {
        if self.pending.front().is_some_and(fits) {
            return self.pop();
        }
        self.out_of_step += 1;
        None
    }

    fn drop_copy_ends(&mut self) {
        while matches!(self.pending.front(), Some(Ask::CopyEnd)) {
            self.pop();
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
