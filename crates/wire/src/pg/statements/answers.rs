//! What each answer means for the question at the head of the queue.

use super::super::ServerError;
use super::super::messages::TransactionStatus;
use super::names::{self, Name, Names, Taken, Tracked};
use super::record::{Copied, Kind, Outcome, Run, Statement, StatementText};
use super::{Ask, KEEP_PENDING, Statements};

impl Statements {
    pub(super) fn parsed(&mut self, now: u64, out: &mut Vec<Statement>) {
        if let Some(Ask::Parse { name, text, at }) = self.pop_if(|ask| matches!(ask, Ask::Parse { .. })) {
            self.define(name, text, at, now, out);
        }
    }

    pub(super) fn bound(&mut self, now: u64, out: &mut Vec<Statement>) {
        if let Some(Ask::Bind { portal, statement, at }) = self.pop_if(|ask| matches!(ask, Ask::Bind { .. })) {
            self.bind(portal, &statement, at, now, out);
        }
    }

    /// From now on the name stands for the text.
    pub(super) fn define(&mut self, name: Name, text: StatementText, at: u64, now: u64, out: &mut Vec<Statement>) {
        let gone = self.names.close_statement(&name);
        self.unused(gone, now, out);
        let tracked = Tracked { text: Some(text), statement: name.clone(), used: false, at };
        if let Taken::Full(tracked) = self.names.define(name, tracked, &self.limits) {
            out.push(tracked.statement(Outcome::NotRemembered, now));
        }
    }

    /// From now on the portal runs what the statement stands for.
    pub(super) fn bind(&mut self, portal: Name, statement: &Name, at: u64, now: u64, out: &mut Vec<Statement>) {
        let gone = self.names.close_portal(&portal);
        self.unused(gone, now, out);
        let text = self.names.use_statement(statement);
        let tracked = Tracked { text, statement: statement.clone(), used: false, at };
        if let Taken::Full(tracked) = self.names.bind(portal.clone(), tracked, &self.limits) {
            out.push(Statement { portal: names::shown(&portal), ..tracked.statement(Outcome::NotRemembered, now) });
        }
    }

    /// What was never run, once its name is gone.
    pub(super) fn unused(&self, gone: impl IntoIterator<Item = Tracked>, now: u64, out: &mut Vec<Statement>) {
        out.extend(gone.into_iter().filter(|tracked| !tracked.used).map(|tracked| tracked.statement(Outcome::NeverRun, now)));
    }

    /// The target takes COPY data: it ignores the Syncs that are on their way before the data's end.
    pub(super) fn copy_in_begins(&mut self) {
        let copied = std::mem::take(&mut self.early);
        self.run.copy_in.get_or_insert_default().add(copied);
        self.copy_in = true;
        loop {
            match self.pending.get(1) {
                Some(Ask::Sync) => {
                    self.pending.remove(1);
                }
                Some(Ask::CopyEnd) => {
                    self.pending.remove(1);
                    self.copy_in = false;
                    return;
                }
                Some(_) | None => return,
            }
        }
    }

    /// A command of the head is done.
    pub(super) fn answered(&mut self, tag: Option<&[u8]>, outcome: Outcome, now: u64, out: &mut Vec<Statement>) {
        match self.pending.front() {
            Some(Ask::Query { .. }) => {
                self.run.answer(tag, &self.limits);
                self.copy_in = false;
            }
            Some(Ask::FunctionCall { .. }) => self.run.answered = true,
            Some(Ask::Execute { .. }) => {
                self.run.answer(tag, &self.limits);
                self.copy_in = false;
                if let Some(ask) = self.pop() {
                    self.conclude(&ask, outcome, now, out);
                }
            }
            Some(Ask::Parse { .. } | Ask::Bind { .. } | Ask::Describe | Ask::Close { .. } | Ask::Sync | Ask::CopyEnd) | None => {
                self.out_of_step += 1;
                return;
            }
        }
        if tag.is_some_and(|tag| [&b"DEALLOCATE ALL"[..], b"DISCARD ALL"].contains(&tag)) {
            let gone = self.names.close_named_statements();
            self.unused(gone, now, out);
        }
    }

    pub(super) fn failed(&mut self, error: ServerError, now: u64, out: &mut Vec<Statement>) {
        match self.pending.front() {
            // Nothing was asked: the server ends the connection by itself, for one.
            None => return,
            Some(Ask::Query { .. } | Ask::FunctionCall { .. }) => {
                self.run.error.get_or_insert(error);
                self.run.answered = true;
                self.copy_in = false;
                return;
            }
            // What the Sync commits has failed; ReadyForQuery still follows.
            Some(Ask::Sync) => {
                out.push(Statement {
                    error: Some(error),
                    ..Statement::new(Kind::Commit, None, self.last_end.min(now), now, Outcome::Failed)
                });
                return;
            }
            Some(Ask::Parse { .. } | Ask::Bind { .. } | Ask::Describe | Ask::Execute { .. } | Ask::Close { .. } | Ask::CopyEnd) => {}
        }
        self.copy_in = false;
        self.run.error = Some(error);
        if let Some(ask) = self.pop() {
            self.conclude(&ask, Outcome::Failed, now, out);
            match &ask {
                // The server does away with the unnamed statement before it parses another.
                Ask::Parse { name, .. } if name.is_empty() => {
                    let gone = self.names.close_statement(name);
                    self.unused(gone, now, out);
                    self.skip(ask, now, out);
                }
                Ask::Parse { .. } | Ask::Bind { .. } => self.skip(ask, now, out),
                Ask::Describe | Ask::Execute { .. } | Ask::Close { .. } | Ask::Sync => {}
                Ask::Query { .. } | Ask::FunctionCall { .. } | Ask::CopyEnd => {}
            }
        }
        self.run = Run::default();
        while !matches!(self.pending.front(), Some(Ask::Sync)) {
            let Some(ask) = self.pop() else {
                self.skipping = true;
                return;
            };
            self.skip(ask, now, out);
        }
        self.skipped.clear();
    }

    /// The server skips it. What would have run is on record as such.
    pub(super) fn skip(&mut self, ask: Ask, now: u64, out: &mut Vec<Statement>) {
        match ask {
            Ask::Parse { name, text, at } => {
                let tracked = Tracked { text: Some(text), statement: name.clone(), used: true, at };
                self.skipped.close_statement(&name);
                drop(self.skipped.define(name, tracked, &self.limits));
            }
            Ask::Bind { portal, statement, at } => {
                let text = self.skipped.text(&statement).or_else(|| self.unskipped().and_then(|names| names.text(&statement)));
                let tracked = Tracked { text, statement, used: true, at };
                self.skipped.close_portal(&portal);
                drop(self.skipped.bind(portal, tracked, &self.limits));
            }
            Ask::Execute { .. } | Ask::Query { .. } | Ask::FunctionCall { .. } => self.conclude(&ask, Outcome::Skipped, now, out),
            Ask::Describe | Ask::Close { .. } | Ask::Sync | Ask::CopyEnd => {}
        }
    }

    /// What names stand for that nothing skipped has redefined; none when that isn't known any more.
    fn unskipped(&self) -> Option<&Names> {
        (!self.skipped.has_overflowed()).then_some(&self.names)
    }

    pub(super) fn ready(&mut self, status: TransactionStatus, now: u64, out: &mut Vec<Statement>) {
        match self.pending.front() {
            Some(Ask::Sync) => {
                self.pop();
            }
            Some(Ask::Query { .. } | Ask::FunctionCall { .. }) if self.run.answered => {
                if let Some(ask) = self.pop() {
                    let outcome = if self.run.error.is_some() { Outcome::Failed } else { Outcome::Completed };
                    self.conclude(&ask, outcome, now, out);
                    if matches!(ask, Ask::Query { .. }) {
                        self.forget_unnamed(now, out);
                    }
                }
            }
            // A COPY that failed before it read anything answers a Sync that was taken for ignored: see `copy_in_begins`.
            None if self.skipping => {
                self.skipping = false;
                self.skipped.clear();
            }
            Some(_) | None => {
                self.out_of_step += 1;
                return;
            }
        }
        self.run = Run::default();
        self.copy_in = false;
        if self.pending.is_empty() {
            self.early = Copied::default();
            self.pending.shrink_to(KEEP_PENDING);
        }
        if status == TransactionStatus::Idle {
            let gone = self.names.close_portals();
            self.unused(gone, now, out);
        }
    }

    /// A Query does away with the unnamed statement and the unnamed portal.
    fn forget_unnamed(&mut self, now: u64, out: &mut Vec<Statement>) {
        let unnamed = Name::default();
        let gone = [self.names.close_portal(&unnamed), self.names.close_statement(&unnamed)];
        self.unused(gone.into_iter().flatten(), now, out);
    }

    /// A statement comes out.
    pub(super) fn conclude(&mut self, ask: &Ask, outcome: Outcome, now: u64, out: &mut Vec<Statement>) {
        // What was skipped didn't run, and leaves alone what belongs to the head.
        let run = if outcome == Outcome::Skipped { Run::default() } else { std::mem::take(&mut self.run) };
        let mut statement = match ask {
            Ask::Query { text, at } => Statement::new(Kind::Simple, Some(text.clone()), *at, now, outcome),
            Ask::FunctionCall { oid, at } => {
                Statement { function: Some(*oid), ..Statement::new(Kind::FunctionCall, None, *at, now, outcome) }
            }
            Ask::Execute { portal, at } => {
                let tracked = match outcome {
                    Outcome::Skipped => self.skipped.portal(portal).or_else(|| self.unskipped().and_then(|names| names.portal(portal))),
                    Outcome::Completed | Outcome::Failed | Outcome::Suspended | Outcome::Unfinished => self.names.run_portal(portal),
                    Outcome::NeverRun | Outcome::NotRemembered | Outcome::Running => None,
                };
                let mut statement = Statement::new(Kind::Extended, None, *at, now, outcome);
                if let Some(tracked) = tracked {
                    statement.text = tracked.text.clone();
                    statement.name = names::shown(&tracked.statement);
                }
                statement.portal = names::shown(portal);
                statement
            }
            Ask::Parse { name, text, at } => {
                Statement { name: names::shown(name), ..Statement::new(Kind::Extended, Some(text.clone()), *at, now, outcome) }
            }
            Ask::Bind { portal, statement, at } => {
                let text = self.names.use_statement(statement);
                let (name, portal) = (names::shown(statement), names::shown(portal));
                Statement { name, portal, ..Statement::new(Kind::Extended, text, *at, now, outcome) }
            }
            Ask::Describe | Ask::Close { .. } | Ask::Sync | Ask::CopyEnd => return,
        };
        // With questions pipelined, one starts when the one before it has ended.
        statement.started_at = statement.started_at.max(self.last_end).min(now);
        if outcome != Outcome::Skipped {
            self.last_end = now.max(self.last_end);
        }
        run.put(&mut statement);
        out.push(statement);
    }
}
