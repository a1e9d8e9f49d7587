//! What helps to decide a request: what its requester did before, what became of the like, what it opens.

use std::collections::BTreeMap;
use std::sync::Arc;

use ajar_core::event::Stream;
use ajar_core::id::{GrantId, PrincipalId, RequestId};
use ajar_core::port::{Refusal, RowQuery};
use ajar_core::request::{Ask, Request};
use ajar_core::resource::Resource;
use ajar_core::session::Session;
use ajar_core::time::{Span, Timestamp};

use crate::engine::Engine;
use crate::people::Caller;
use crate::records::parse;
use crate::role_words::role_words;
use crate::sequencer::unavailable;

/// How far back the like is looked for.
const LOOKED_AT: Span = Span::from_secs(90 * 24 * 3600);
/// Of the like, so many are looked at for how long they took.
const ALIKE: u32 = 500;
/// Earlier requests that are told of, and how many are looked at for those that the caller may see.
const LAST: usize = 5;
const LAST_LOOKED_AT: u32 = 25;
/// Sessions that are read at a time.
const PAGE: u32 = 500;

/// What helps to decide a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The last requests for the same resource, of whom it is for, that the caller may see; newest first.
    pub last: Vec<Earlier>,
    /// What became of requests for the same role on the same resource in the last 90 days, whoever asked.
    pub alike: Alike,
    /// What it opens.
    pub opens: Vec<Opens>,
    /// The rules that speak of it, in words.
    pub rules: Vec<String>,
    /// Whether every rule that speaks of it calls it low risk.
    pub low_risk: bool,
    /// Who of those who may decide it now is there.
    pub online: Vec<PrincipalId>,
}

/// An earlier request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Which.
    pub request: RequestId,
    /// When it was filed.
    pub at: Timestamp,
    /// For what, first of all.
    pub ask: Ask,
    /// What became of it.
    pub state: &'static str,
    /// Sessions under its grants, and what was recorded of them.
    pub used: Used,
}

/// How much something was used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Sessions that went in.
    pub sessions: u64,
    /// Statements (or requests, or commands) that were recorded of those that are over.
    pub statements: u64,
}

/// What became of the like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Alike {
    /// Approved.
    pub approved: u64,
    /// Denied.
    pub denied: u64,
    /// Not decided in time.
    pub expired: u64,
    /// How long it took, half of the time, where people approved: of the last 500.
    pub median: Option<Span>,
}

/// What a request opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opens {
    /// As what on what.
    pub ask: Ask,
    /// The resource, if the files still have it.
    pub resource: Option<Arc<Resource>>,
    /// What the role is.
    pub words: String,
}

impl Engine {
    /// What helps to decide a request.
    ///
    /// # Errors
    /// When the caller may not see it, or the store can't be read.
    pub async fn context(&self, caller: &Caller, id: RequestId) -> Result<Context, Refusal> {
        let request = self.may_see_request(caller, id).await?;
        let (filed, rules) = (request.filed(), self.rules());
        let opens = filed.asks.iter().map(|ask| {
            let resource = rules.resource(&ask.resource).cloned();
            Opens { words: resource.as_ref().map(|r| role_words(r, &ask.role)).unwrap_or_default(), resource, ask: ask.clone() }
        });
        let (plan, _) = request.terms();
        let asked = self.sequencer.look(move |desk| match desk.world.request(id) {
            Some(Request::Pending(pending)) => pending.asked(&desk.present()).into_iter().collect(),
            Some(Request::Approved(_) | Request::Denied(_) | Request::Withdrawn(_) | Request::Expired(_)) | None => Vec::new(),
        });
        let asked: Vec<PrincipalId> = asked.await?;
        Ok(Context {
            low_risk: plan.low_risk,
            online: self.online(&asked),
            last: self.earlier(caller, &request, &asked).await?,
            alike: self.alike(&request).await?,
            opens: opens.collect(),
            rules: plan.rules.iter().map(|rule| rules.rule_words(rule)).collect(),
        })
    }

    async fn earlier(&self, caller: &Caller, than: &Request, asked: &[PrincipalId]) -> Result<Vec<Earlier>, Refusal> {
        let filed = than.filed();
        let of = filed.beneficiary;
        // INVARIANT W3: how access was used helps who decides; others learn it where the grant is theirs to see.
        let decides = asked.contains(&caller.principal) || than.reviews().iter().any(|review| review.reviewer == caller.principal);
        let Some(first) = filed.asks.first() else { return Ok(Vec::new()) };
        let query = RowQuery {
            word: "request",
            principal: Some(of),
            resource: Some(first.resource.clone()),
            before: Some(Stream::Request(filed.id)),
            limit: LAST_LOOKED_AT,
            ..RowQuery::default()
        };
        let rows = self.store.rows(&query).await.map_err(|e| Refusal::from(unavailable(&e)))?;
        // INVARIANT W3: who asks for somebody else does not learn what that one asked for before.
        let seen = self.those_seen(caller, rows.iter().filter_map(parse::<Request>).collect()).await?;
        let mut earlier = Vec::with_capacity(LAST);
        for request in seen.into_iter().take(LAST) {
            let filed = request.filed();
            let mut used = Used::default();
            for grant in self.grants_of(filed.id).await {
                if !decides && self.grant(caller, grant).await.is_err() {
                    continue;
                }
                let more = self.used_by(grant).await?;
                used = Used { sessions: used.sessions + more.sessions, statements: used.statements + more.statements };
            }
            if let Some(ask) = filed.asks.first().cloned() {
                earlier.push(Earlier { request: filed.id, at: filed.at, ask, state: request.state(), used });
            }
        }
        Ok(earlier)
    }

    /// How much a grant was used.
    pub(crate) async fn used_by(&self, grant: GrantId) -> Result<Used, Refusal> {
        let mut used = Used::default();
        let mut before = None;
        loop {
            let query = RowQuery { word: "session", parent: Some(Stream::Grant(grant)), before, limit: PAGE, ..RowQuery::default() };
            let rows = self.store.rows(&query).await.map_err(|e| Refusal::from(unavailable(&e)))?;
            for session in rows.iter().filter_map(parse::<Session>) {
                used.sessions += 1;
                if let Session::Ended(finished) = session {
                    used.statements += finished.ended.recording.map_or(0, |recording| recording.entries);
                }
            }
            before = rows.last().map(|row| row.stream);
            if rows.len() < PAGE as usize {
                return Ok(used);
            }
        }
    }

    async fn alike(&self, request: &Request) -> Result<Alike, Refusal> {
        let filed = request.filed();
        let Some(ask) = filed.asks.first() else { return Ok(Alike::default()) };
        let query = RowQuery {
            word: "request",
            resource: Some(ask.resource.clone()),
            role: Some(ask.role.clone()),
            since: Some(self.now().before(LOOKED_AT)),
            limit: ALIKE,
            ..RowQuery::default()
        };
        let approved = RowQuery { states: vec!["approved".into()], ..query.clone() };
        let (counts, rows) =
            futures::try_join!(self.store.tally(&query), self.store.rows(&approved)).map_err(|e| Refusal::from(unavailable(&e)))?;
        let mut states: BTreeMap<&str, u64> = BTreeMap::new();
        for tally in &counts {
            *states.entry(tally.state.as_str()).or_default() += tally.count;
        }
        // The one that is looked at is not like itself.
        if filed.at >= self.now().before(LOOKED_AT)
            && let Some(own) = states.get_mut(request.state())
        {
            *own = own.saturating_sub(1);
        }
        let count = |state: &str| states.get(state).copied().unwrap_or(0);
        let mut took: Vec<Span> =
            rows.iter().filter_map(parse::<Request>).filter(|r| r.filed().id != filed.id).filter_map(|r| time_to_approve(&r)).collect();
        took.sort_unstable();
        let median = took.get(took.len() / 2).copied();
        Ok(Alike { approved: count("approved"), denied: count("denied"), expired: count("expired"), median })
    }
}

/// How long people took to approve it: neither the rules by themselves nor an emergency.
pub(crate) fn time_to_approve(request: &Request) -> Option<Span> {
    let filed = request.filed();
    match request {
        Request::Approved(settled) if settled.automatic.is_none() && filed.emergency.is_none() => Some(settled.outcome.at.since(filed.at)),
        Request::Pending(_) | Request::Approved(_) | Request::Denied(_) | Request::Withdrawn(_) | Request::Expired(_) => None,
    }
}
