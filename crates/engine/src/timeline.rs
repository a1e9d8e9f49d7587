//! Everything that happened to a request, and to what came of it, in words and in order.

use ajar_core::event::{Actor, Envelope, Event, Stream};
use ajar_core::grant::{CloseReason, Ending, Grant, Over};
use ajar_core::id::{GrantId, PrincipalId, RequestId};
use ajar_core::port::{Refusal, RowQuery};
use ajar_core::request::Request;
use ajar_core::sealed::Commitment;
use ajar_core::session::SessionEvent;
use ajar_core::time::{Span, Timestamp};

use crate::engine::Engine;
use crate::people::Caller;
use crate::records::parse;
use crate::sequencer::unavailable;
use crate::words::texts;

/// Streams of a kind that are told of, for each grant.
const STREAMS_MAX: u32 = 200;
/// Grants that one was extended by, one after the other, that are looked into.
const CHAIN_MAX: usize = 20;
/// How long after the decision a connection that was held for it may come up.
const HELD_AFTER: Span = Span::from_secs(60);

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// Its number in the ledger.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who did it; nobody when it was Ajar itself.
    pub by: Option<PrincipalId>,
    /// The event's kind.
    pub kind: &'static str,
    /// In one sentence.
    pub text: String,
    /// What it happened to.
    pub stream: Stream,
}

/// What happened to a request, and to what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// Oldest first.
    pub happened: Vec<Happened>,
    /// Sessions and logins that there are more of than are told.
    pub left_off: bool,
}

impl Engine {
    /// What happened to a request, to its grants, and, for who may see those, to their logins and sessions.
    ///
    /// # Errors
    /// When the caller may not see the request, or the store can't be read.
    pub async fn timeline(&self, caller: &Caller, id: RequestId) -> Result<Timeline, Refusal> {
        let request = self.may_see_request(caller, id).await?;
        let mut streams = vec![Stream::Request(id)];
        let mut left_off = false;
        let debts = RowQuery { word: "debt", parent: Some(Stream::Request(id)), limit: STREAMS_MAX, ..RowQuery::default() };
        for debt in self.streams_of(&debts).await? {
            if let Stream::Debt(id) = debt
                && self.may_see_debt(caller, id).await.is_ok()
            {
                streams.push(debt);
            }
        }
        let mut own = Vec::new();
        for grant in self.grants_of(id).await {
            streams.push(Stream::Grant(grant));
            // INVARIANT W3: sessions and logins are for who may see the grant.
            if self.grant(caller, grant).await.is_ok() {
                own.push(grant);
            }
        }
        let mut below: Vec<Stream> = Vec::new();
        for grant in self.with_extensions(&own).await? {
            for word in ["lease", "session"] {
                let query = RowQuery { word, parent: Some(Stream::Grant(grant)), limit: STREAMS_MAX, ..RowQuery::default() };
                let found = self.streams_of(&query).await?;
                left_off |= found.len() >= STREAMS_MAX as usize;
                below.extend(found);
            }
        }
        if self.may_see_sessions(caller, &request) {
            below.extend(self.held_for(&request).await?);
        }
        let mut events = Vec::new();
        for stream in streams {
            events.extend(self.events_of(stream).await?);
        }
        for stream in below {
            let found = self.events_of(stream).await?;
            if found.iter().any(|envelope| is_of(envelope, id, &own)) {
                events.extend(found);
            }
        }
        events.sort_by_key(|envelope| envelope.seq);
        events.dedup_by_key(|envelope| envelope.seq);
        let wanted: Vec<Commitment> = events.iter().flat_map(|envelope| texts(&envelope.event)).collect();
        let values = self.values(&wanted).await;
        let (says, all) = (|c: Commitment| values.get(&c).cloned(), self.sees_all(caller));
        let told = events.iter().map(|envelope| self.happened(envelope, &says, all)).collect();
        Ok(Timeline { happened: told, left_off })
    }

    pub(crate) fn happened(&self, envelope: &Envelope, says: crate::words::Says<'_>, all: bool) -> Happened {
        Happened {
            seq: envelope.seq,
            at: envelope.at,
            by: match envelope.actor {
                Actor::Principal { id, .. } => Some(id),
                Actor::System => None,
            },
            kind: envelope.event.kind(),
            text: self.event_words(envelope, says, all),
            stream: envelope.stream,
        }
    }

    fn may_see_sessions(&self, caller: &Caller, request: &Request) -> bool {
        let filed = request.filed();
        let owns = filed.resources().iter().all(|resource| self.rules().owns(caller.principal, resource));
        filed.beneficiary == caller.principal || owns || self.sees_all(caller)
    }

    /// These grants, and those that they go on as: sessions and logins have moved on there.
    async fn with_extensions(&self, grants: &[GrantId]) -> Result<Vec<GrantId>, Refusal> {
        let mut all: Vec<GrantId> = Vec::new();
        for grant in grants {
            let mut next = Some(*grant);
            while let Some(id) = next.filter(|id| !all.contains(id) && all.len() < grants.len() * CHAIN_MAX) {
                all.push(id);
                let row = self.store.row(Stream::Grant(id)).await.map_err(|e| Refusal::from(unavailable(&e)))?;
                next = row.as_ref().and_then(parse::<Grant>).as_ref().and_then(extended_by);
            }
        }
        Ok(all)
    }

    /// Connections that may have been held for a request and never went in: they belong to no grant.
    async fn held_for(&self, request: &Request) -> Result<Vec<Stream>, Refusal> {
        let filed = request.filed();
        let over = request.decided_at().map(|at| at.after(HELD_AFTER));
        let mut found = Vec::new();
        for resource in filed.resources() {
            let query = RowQuery {
                word: "session",
                principal: Some(filed.beneficiary),
                resource: Some(resource),
                since: Some(filed.at.before(HELD_AFTER)),
                begun_before: over,
                limit: STREAMS_MAX,
                ..RowQuery::default()
            };
            found.extend(self.streams_of(&query).await?);
        }
        Ok(found)
    }

    async fn streams_of(&self, query: &RowQuery) -> Result<Vec<Stream>, Refusal> {
        let rows = self.store.rows(query).await.map_err(|e| Refusal::from(unavailable(&e)))?;
        Ok(rows.into_iter().map(|row| row.stream).collect())
    }

    /// The events of a stream, in order.
    pub(crate) async fn events_of(&self, stream: Stream) -> Result<Vec<Envelope>, Refusal> {
        let leaves = self.store.stream(stream).await.map_err(|e| Refusal::from(unavailable(&e)))?;
        Ok(leaves.iter().filter_map(|leaf| Envelope::from_leaf(&leaf.bytes).ok()).collect())
    }
}

/// The grant that goes on with it.
fn extended_by(grant: &Grant) -> Option<GrantId> {
    let (Grant::Closing(Ending { closing, .. }) | Grant::Closed(Over { closing, .. })) = grant else { return None };
    if let CloseReason::Extended { by } = closing.reason { Some(by) } else { None }
}

/// Whether an event ties what it happened to to the request, or to one of its grants.
fn is_of(envelope: &Envelope, request: RequestId, grants: &[GrantId]) -> bool {
    use ajar_core::lease::LeaseEvent;
    match &envelope.event {
        Event::Session(SessionEvent::Held(held)) => held.request == request,
        Event::Session(SessionEvent::Live(live)) => grants.contains(&live.grant),
        Event::Session(SessionEvent::Moved(moved)) => grants.contains(&moved.grant),
        Event::Lease(LeaseEvent::Intended(intended)) => grants.contains(&intended.grant),
        Event::Lease(LeaseEvent::Moved(moved)) => grants.contains(&moved.grant),
        Event::Session(SessionEvent::Killed(_) | SessionEvent::Ended(_))
        | Event::Lease(LeaseEvent::Minted(_) | LeaseEvent::Revoking(_) | LeaseEvent::RevokeUnconfirmed(_) | LeaseEvent::Revoked(_))
        | Event::Request(_)
        | Event::Grant(_)
        | Event::Lock(_)
        | Event::Delegation(_)
        | Event::Preapproval(_)
        | Event::Debt(_)
        | Event::Principal(_)
        | Event::Token(_)
        | Event::Policy(_) => false,
    }
}
