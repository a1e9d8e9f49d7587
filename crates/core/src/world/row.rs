//! The projection: one row for each lifecycle, derived from the events and from nothing else.

use std::collections::BTreeSet;

use serde::Serialize;

use super::World;
use crate::event::Stream;
use crate::grant::Grant;
use crate::id::PrincipalId;
use crate::lease::Lease;
use crate::lock::Locked;
use crate::name::{ResourceName, RoleName};
use crate::request::Request;
use crate::session::Session;
use crate::time::Timestamp;

/// What listings and lookups read. It can be dropped and made again from the events at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The lifecycle. Its id orders rows by time.
    pub stream: Stream,
    /// Its state, in DESIGN's words.
    pub state: &'static str,
    /// Whether it can't change any more.
    pub settled: bool,
    /// Whose it is.
    pub principal: Option<PrincipalId>,
    /// Who else has a part in it: only of requests. Nobody leaves it.
    pub parts: BTreeSet<(Part, PrincipalId)>,
    /// On which resource (the first, for a request of several).
    pub resource: Option<ResourceName>,
    /// As what (the first, for a request of several): known for requests, grants, leases, and sessions that went live.
    pub role: Option<RoleName>,
    /// What it belongs to: a grant's request, a lease's or session's grant.
    pub parent: Option<Stream>,
    /// When something is due.
    pub due: Option<Timestamp>,
    /// When it began: a request was filed, a grant opened, a lease was intended, a session arrived. Nothing of the others.
    pub since: Option<Timestamp>,
    /// When that ended: a request was settled, a grant closed, a lease was proven gone, a session was over.
    pub until: Option<Timestamp>,
    /// The whole state as JSON; personal values are commitments in it.
    pub doc: String,
}

/// A part that somebody has in what is somebody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// They asked for it, for somebody else.
    Filed,
    /// They reviewed it.
    Reviewed,
}

impl Part {
    /// As it is stored.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Filed => "filed",
            Self::Reviewed => "reviewed",
        }
    }
}

fn parts_in(request: &Request) -> BTreeSet<(Part, PrincipalId)> {
    let filed = request.filed();
    let reviewed = request.reviews().iter().map(|review| (Part::Reviewed, review.reviewer));
    let asked = (filed.requester != filed.beneficiary).then_some((Part::Filed, filed.requester));
    reviewed.chain(asked).collect()
}

fn json<T: Serialize>(value: &T) -> String {
    // These are our own plain types with string keys: writing them as JSON can't fail.
    serde_json::to_string(value).unwrap_or_default()
}

fn ended_at(grant: &Grant) -> Option<Timestamp> {
    match grant {
        Grant::Closing(ending) => Some(ending.closing.at),
        Grant::Closed(over) => Some(over.closing.at),
        Grant::Scheduled(_) | Grant::Open(_) | Grant::Failed(_) => None,
    }
}

fn gone_at(lease: &Lease) -> Option<Timestamp> {
    match lease {
        Lease::Revoked(held) => Some(held.now.at),
        Lease::Intended(_) | Lease::Minted(_) | Lease::Revoking(_) | Lease::RevokeUnconfirmed(_) => None,
    }
}

fn role_in(session: &Session) -> Option<RoleName> {
    match session {
        Session::Held(_) => None,
        Session::Live(inside) => Some(inside.live.role.clone()),
        Session::Ended(finished) => finished.role.clone(),
    }
}

fn over_at(session: &Session) -> Option<Timestamp> {
    match session {
        Session::Held(_) | Session::Live(_) => None,
        Session::Ended(finished) => Some(finished.ended.at),
    }
}

impl World {
    /// The row of a stream that is in memory.
    #[must_use]
    pub fn row(&self, stream: Stream) -> Option<Row> {
        let due = self.due_of(stream);
        let settled = self.is_settled(stream);
        let row = |state, doc| Row {
            stream,
            state,
            settled,
            principal: None,
            parts: BTreeSet::new(),
            resource: None,
            role: None,
            parent: None,
            due,
            since: None,
            until: None,
            doc,
        };
        match stream {
            Stream::Request(id) => self.requests.get(&id).map(|request| {
                let filed = request.filed();
                Row {
                    principal: Some(filed.beneficiary),
                    parts: parts_in(request),
                    resource: filed.asks.first().map(|a| a.resource.clone()),
                    role: filed.asks.first().map(|a| a.role.clone()),
                    since: Some(filed.at),
                    until: request.decided_at(),
                    ..row(request.state(), json(request))
                }
            }),
            Stream::Grant(id) => self.grants.get(&id).map(|grant| {
                let (principal, resource, role) = grant.parties();
                Row {
                    principal: Some(principal),
                    resource: Some(resource.clone()),
                    role: Some(role.clone()),
                    since: grant.signed().map(|signed| signed.claims.starts_at),
                    until: ended_at(grant),
                    parent: Some(Stream::Request(grant.request())),
                    ..row(grant.state(), json(grant))
                }
            }),
            Stream::Lease(id) => self.leases.get(&id).map(|lease| {
                let intended = lease.intended();
                Row {
                    resource: Some(intended.resource.clone()),
                    role: Some(intended.role.clone()),
                    since: Some(intended.at),
                    until: gone_at(lease),
                    parent: Some(Stream::Grant(intended.grant)),
                    ..row(lease.state(), json(lease))
                }
            }),
            Stream::Session(id) => self.sessions.get(&id).map(|session| {
                let arrived = session.arrived();
                Row {
                    principal: Some(arrived.principal),
                    resource: Some(arrived.resource.clone()),
                    role: role_in(session),
                    since: Some(arrived.at),
                    until: over_at(session),
                    parent: session.grant().map(Stream::Grant),
                    ..row(session.state(), json(session))
                }
            }),
            Stream::Lock(id) => self.locks.get(&id).map(|lock| {
                let (principal, resource) = match &lock.placed().on {
                    Locked::Principal(principal) => (Some(*principal), None),
                    Locked::Resource(resource) => (None, Some(resource.clone())),
                };
                Row { principal, resource, ..row(lock.state(), json(lock)) }
            }),
            Stream::Delegation(id) => self.delegations.get(&id).map(|d| Row { principal: Some(d.made().from), ..row(d.state(), json(d)) }),
            Stream::Preapproval(id) => self.preapprovals.get(&id).map(|p| {
                let given = p.given();
                Row { principal: Some(given.principal), resource: Some(given.resource.clone()), ..row(p.state(), json(p)) }
            }),
            Stream::Debt(id) => self.debts.get(&id).map(|debt| {
                let incurred = &debt.owed().incurred;
                Row {
                    principal: Some(incurred.debtor),
                    resource: incurred.resources.first().cloned(),
                    parent: Some(Stream::Request(incurred.request)),
                    ..row(debt.state(), json(debt))
                }
            }),
            Stream::Principal(id) => self
                .principals
                .get(&id)
                .map(|p| Row { principal: Some(id), ..row(if p.enabled { "enabled" } else { "disabled" }, json(p)) }),
            Stream::Token(id) => self
                .tokens
                .get(&id)
                .map(|t| Row { principal: Some(t.issued.principal), ..row(if t.revoked { "revoked" } else { "issued" }, json(t)) }),
            Stream::Policy => self.policy.as_ref().map(|p| row("applied", json(p))),
        }
    }
}
