//! Taking back what was applied ahead of a commit that then failed.

use super::World;
use crate::debt::Debt;
use crate::delegation::Delegation;
use crate::directory::{Applied, Principal, Token};
use crate::event::Stream;
use crate::grant::Grant;
use crate::lease::Lease;
use crate::lock::Lock;
use crate::preapproval::Preapproval;
use crate::request::Request;
use crate::session::Session;

/// How some streams were, to go back to.
#[derive(Debug)]
pub struct UndoPoint {
    next_seq: u64,
    streams: Vec<(Stream, Option<u64>, Was)>,
}

#[derive(Debug)]
enum Was {
    Request(Option<Box<Request>>),
    Grant(Option<Grant>),
    Lease(Option<Lease>),
    Session(Option<Session>),
    Lock(Option<Lock>),
    Delegation(Option<Delegation>),
    Preapproval(Option<Preapproval>),
    Debt(Option<Box<Debt>>),
    Principal(Option<Principal>),
    Token(Option<Token>),
    Policy(Option<Applied>),
}

impl World {
    /// Remembers `streams` as they are now.
    #[must_use]
    pub fn undo_point(&self, streams: impl IntoIterator<Item = Stream>) -> UndoPoint {
        let was = |stream| match stream {
            Stream::Request(id) => Was::Request(self.requests.get(&id).cloned().map(Box::new)),
            Stream::Grant(id) => Was::Grant(self.grants.get(&id).cloned()),
            Stream::Lease(id) => Was::Lease(self.leases.get(&id).cloned()),
            Stream::Session(id) => Was::Session(self.sessions.get(&id).cloned()),
            Stream::Lock(id) => Was::Lock(self.locks.get(&id).cloned()),
            Stream::Delegation(id) => Was::Delegation(self.delegations.get(&id).cloned()),
            Stream::Preapproval(id) => Was::Preapproval(self.preapprovals.get(&id).cloned()),
            Stream::Debt(id) => Was::Debt(self.debts.get(&id).cloned().map(Box::new)),
            Stream::Principal(id) => Was::Principal(self.principals.get(&id).cloned()),
            Stream::Token(id) => Was::Token(self.tokens.get(&id).cloned()),
            Stream::Policy => Was::Policy(self.policy.clone()),
        };
        UndoPoint { next_seq: self.next_seq, streams: streams.into_iter().map(|s| (s, self.versions.get(&s).copied(), was(s))).collect() }
    }

    /// Goes back to `point`. Points are taken back in the opposite order to their making.
    pub fn undo(&mut self, point: UndoPoint) {
        self.next_seq = point.next_seq;
        if point.streams.iter().any(|(stream, ..)| matches!(stream, Stream::Request(_))) {
            self.history.unlearn(point.next_seq);
        }
        for (stream, version, was) in point.streams.into_iter().rev() {
            self.unindex(stream);
            match version {
                Some(version) => drop(self.versions.insert(stream, version)),
                None => drop(self.versions.remove(&stream)),
            }
            match (stream, was) {
                (Stream::Request(id), Was::Request(was)) => put(&mut self.requests, id, was.map(|was| *was)),
                (Stream::Grant(id), Was::Grant(was)) => put(&mut self.grants, id, was),
                (Stream::Lease(id), Was::Lease(was)) => put(&mut self.leases, id, was),
                (Stream::Session(id), Was::Session(was)) => put(&mut self.sessions, id, was),
                (Stream::Lock(id), Was::Lock(was)) => put(&mut self.locks, id, was),
                (Stream::Delegation(id), Was::Delegation(was)) => put(&mut self.delegations, id, was),
                (Stream::Preapproval(id), Was::Preapproval(was)) => put(&mut self.preapprovals, id, was),
                (Stream::Debt(id), Was::Debt(was)) => put(&mut self.debts, id, was.map(|was| *was)),
                (Stream::Principal(id), Was::Principal(was)) => put(&mut self.principals, id, was),
                (Stream::Token(id), Was::Token(was)) => put(&mut self.tokens, id, was),
                (Stream::Policy, Was::Policy(was)) => self.policy = was,
                // `undo_point` pairs each stream with its own kind.
                (
                    Stream::Request(_)
                    | Stream::Grant(_)
                    | Stream::Lease(_)
                    | Stream::Session(_)
                    | Stream::Lock(_)
                    | Stream::Delegation(_)
                    | Stream::Preapproval(_)
                    | Stream::Debt(_)
                    | Stream::Principal(_)
                    | Stream::Token(_)
                    | Stream::Policy,
                    Was::Request(_)
                    | Was::Grant(_)
                    | Was::Lease(_)
                    | Was::Session(_)
                    | Was::Lock(_)
                    | Was::Delegation(_)
                    | Was::Preapproval(_)
                    | Was::Debt(_)
                    | Was::Principal(_)
                    | Was::Token(_)
                    | Was::Policy(_),
                ) => {}
            }
            self.index(stream);
        }
    }
}

fn put<K: Ord, V>(map: &mut std::collections::BTreeMap<K, V>, id: K, was: Option<V>) {
    match was {
        Some(value) => drop(map.insert(id, value)),
        None => drop(map.remove(&id)),
    }
}
