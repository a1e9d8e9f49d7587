//! Listings, and what there is to see. INVARIANT: every answer is about what its caller may see; what they may not see
//! looks as if it didn't exist (W3).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ajar_core::event::{Envelope, Stream};
use ajar_core::grant::Grant;
use ajar_core::id::{GrantId, LeaseId, PrincipalId, RequestId, SessionId};
use ajar_core::lease::Lease;
use ajar_core::name::ResourceName;
use ajar_core::plan::Standing;
use ajar_core::port::{Finding, Refusal, RowQuery, SeenBy, Severity, StoredRow};
use ajar_core::request::Request;
use ajar_core::resource::Resource;
use ajar_core::sealed::{Commitment, Disclosure};
use ajar_core::session::Session;
use futures::StreamExt;
use serde::de::DeserializeOwned;
use tokio::sync::broadcast;

use crate::engine::Engine;
use crate::health::Integration;
use crate::people::Caller;
use crate::refusal::{bad_input, no_such};
use crate::sequencer::{Committed, unavailable};

/// At most so many rows in one answer.
pub(crate) const PAGE_MAX: u32 = 500;
/// Targets that are probed at once.
const PROBING: usize = 4;

/// A request, with its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestView {
    /// The state.
    pub request: Request,
    /// The reason; `None` when it was erased.
    pub reason: Option<String>,
    /// What exactly it is to be used for; `None` when that was not said, or was erased.
    pub scope: Option<String>,
    /// Notes of its reviews, in order.
    pub notes: Vec<Option<String>>,
    /// Texts of its comments, in order.
    pub comments: Vec<Option<String>>,
    /// What the rules looked at when they decided by themselves, as JSON.
    pub values: Option<String>,
    /// Who may decide now.
    pub asked: Vec<PrincipalId>,
    /// Distinct humans who have approved the stage that waits.
    pub have: Option<u8>,
    /// Whether the caller may decide now.
    pub yours_to_decide: bool,
}

/// A session, with its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// The state.
    pub session: Session,
    /// The client's address; `None` when it was erased, or the caller is neither whose it is nor an auditor or operator.
    pub client: Option<String>,
    /// Why somebody ended it, if somebody did; `None` too when that was erased.
    pub killed_because: Option<String>,
}

/// What a list is to hold; newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// In one of these states; empty for any.
    pub states: Vec<String>,
    /// Only the caller's own: theirs, or asked for by them.
    pub mine: bool,
    /// On this resource.
    pub resource: Option<ResourceName>,
    /// Belonging to this: a request's grants, a grant's sessions.
    pub of: Option<Stream>,
    /// Older than this one.
    pub before: Option<Stream>,
    /// At most so many.
    pub limit: Option<u32>,
}

/// What is open, waiting and wrong, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusView {
    /// Requests that wait.
    pub pending: usize,
    /// Grants that are open.
    pub open: usize,
    /// Sessions that are held.
    pub held: usize,
    /// Sessions that are live.
    pub live: usize,
    /// Leases whose revocation the target has not confirmed, with what went wrong.
    pub unconfirmed: Vec<(LeaseId, ResourceName, String)>,
    /// Events in the ledger.
    pub events: u64,
    /// The rules in force.
    pub rules_hash: Option<String>,
    /// How the folder that is followed differs from them, for auditors and operators.
    pub drift: Option<String>,
    /// What the last verification of the ledger found wrong, for auditors and operators.
    pub ledger: Option<String>,
    /// How everything outside is.
    pub integrations: Vec<Integration>,
}

/// Committed events, as they come.
#[derive(Debug)]
pub struct Feed(broadcast::Receiver<Committed>);

impl Feed {
    /// The next batch of events; `None` when the engine stops. A slow reader misses some: it should read the lists again.
    pub async fn next(&mut self) -> Option<Vec<Envelope>> {
        match self.0.recv().await {
            Ok(committed) => Some(committed.events.to_vec()),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Vec::new()),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

pub(crate) fn parse<T: DeserializeOwned>(row: &StoredRow) -> Option<T> {
    serde_json::from_str(&row.doc)
        .inspect_err(|error| tracing::error!(stream = %row.stream, error = %error, "a row can't be read: stop the server and make the rows anew with 'ajar server rebuild'"))
        .ok()
}

impl Engine {
    /// INVARIANT W3: what of it the caller may see each for itself, too.
    async fn list(&self, word: &'static str, query: ListQuery, caller: &Caller) -> Result<Vec<StoredRow>, Refusal> {
        let query = RowQuery {
            word,
            states: query.states,
            principal: query.mine.then_some(caller.principal),
            seen_by: if query.mine { None } else { self.seen_by(caller) },
            resource: query.resource,
            parent: query.of,
            before: query.before,
            limit: query.limit.unwrap_or(50).min(PAGE_MAX),
            ..RowQuery::default()
        };
        self.store.rows(&query).await.map_err(|e| unavailable(&e).into())
    }

    pub(crate) async fn values(&self, wanted: &[Commitment]) -> BTreeMap<Commitment, String> {
        let found = self.store.disclosures(wanted).await.unwrap_or_default();
        found.into_iter().filter(Disclosure::holds).map(|d| (d.commitment, d.value)).collect()
    }

    /// Whether the caller may see everything: auditors and operators.
    pub(crate) fn sees_all(&self, caller: &Caller) -> bool {
        let rules = self.rules();
        rules.may_audit(caller.principal) || rules.may_operate(caller.principal)
    }

    /// Whose rows the caller may see; nothing for those who see all.
    pub(crate) fn seen_by(&self, caller: &Caller) -> Option<SeenBy> {
        let some = || SeenBy { principal: caller.principal, owns: self.rules().owned(caller.principal) };
        (!self.sees_all(caller)).then(some)
    }

    /// Requests: one's own, those that one asked for or reviewed, and those for what one owns; for auditors and operators, all.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn requests(&self, caller: &Caller, query: ListQuery) -> Result<Vec<RequestView>, Refusal> {
        let rows = self.list("request", query, caller).await?;
        self.request_views(caller, rows.iter().filter_map(parse).collect()).await
    }

    /// Requests that wait for the caller's decision.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn inbox(&self, caller: &Caller) -> Result<Vec<RequestView>, Refusal> {
        let me = caller.principal;
        let waiting = self.sequencer.look(move |desk| {
            let mine = |r: &&Request| matches!(r, Request::Pending(p) if p.asked(&desk.present()).contains(&me));
            desk.world.requests().filter(mine).cloned().collect::<Vec<_>>()
        });
        self.request_views(caller, waiting.await?).await
    }

    /// One request.
    ///
    /// # Errors
    /// When the caller may not see it.
    pub async fn request(&self, caller: &Caller, id: RequestId) -> Result<RequestView, Refusal> {
        let request = self.may_see_request(caller, id).await?;
        self.request_views(caller, vec![request]).await?.pop().ok_or_else(|| no_such("request"))
    }

    async fn request_views(&self, caller: &Caller, requests: Vec<Request>) -> Result<Vec<RequestView>, Refusal> {
        let notes = |r: &Request| r.reviews().iter().map(|review| review.note).collect::<Vec<_>>();
        let comments = |r: &Request| r.talk().comments.iter().map(|c| c.text).collect::<Vec<_>>();
        let looked_at = |r: &Request| r.automatic().and_then(|auto| auto.values);
        let texts = |r: &Request| {
            notes(r)
                .into_iter()
                .flatten()
                .chain(comments(r))
                .chain(looked_at(r))
                .chain(r.filed().scope)
                .chain([r.filed().reason])
                .collect::<Vec<_>>()
        };
        let wanted: Vec<_> = requests.iter().flat_map(texts).collect();
        let values = self.values(&wanted).await;
        let asks = self.sequencer.look(move |desk| {
            let standing = |request: Request| {
                let standing = match &request {
                    Request::Pending(p) => p.standing(&desk.present()),
                    Request::Approved(_) | Request::Denied(_) | Request::Withdrawn(_) | Request::Expired(_) => Standing::Met,
                };
                (request, standing)
            };
            requests.into_iter().map(standing).collect::<Vec<_>>()
        });
        let view = |(request, standing): (Request, Standing)| {
            let (asked, have) = match standing {
                Standing::Waiting { asked, have, .. } => (Vec::from_iter(asked), Some(have)),
                Standing::Met => (Vec::new(), None),
            };
            RequestView {
                reason: values.get(&request.filed().reason).cloned(),
                scope: request.filed().scope.and_then(|c| values.get(&c).cloned()),
                notes: notes(&request).iter().map(|note| note.and_then(|c| values.get(&c).cloned())).collect(),
                comments: comments(&request).iter().map(|c| values.get(c).cloned()).collect(),
                values: looked_at(&request).and_then(|c| values.get(&c).cloned()),
                yours_to_decide: asked.contains(&caller.principal),
                asked,
                have,
                request,
            }
        };
        Ok(asks.await?.into_iter().map(view).collect())
    }

    /// The request, if the caller may see it: it is theirs, they are asked or have reviewed it, they own the resource, or they audit.
    pub(crate) async fn may_see_request(&self, caller: &Caller, id: RequestId) -> Result<Request, Refusal> {
        let row = self.store.row(Stream::Request(id)).await.map_err(|e| Refusal::from(unavailable(&e)))?;
        let request: Request = row.as_ref().and_then(parse).ok_or_else(|| no_such("request"))?;
        self.those_seen(caller, vec![request]).await?.pop().ok_or_else(|| no_such("request"))
    }

    /// Of these requests those that are there and that the caller may see.
    pub(crate) async fn requests_seen(&self, caller: &Caller, ids: BTreeSet<RequestId>) -> Result<BTreeMap<RequestId, Request>, Refusal> {
        let mut requests = Vec::with_capacity(ids.len());
        for id in ids {
            let row = self.store.row(Stream::Request(id)).await.map_err(|e| Refusal::from(unavailable(&e)))?;
            requests.extend(row.as_ref().and_then(parse));
        }
        Ok(self.those_seen(caller, requests).await?.into_iter().map(|r| (r.filed().id, r)).collect())
    }

    /// Grants: one's own, and those for what one owns; for auditors and operators, all.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn grants(&self, caller: &Caller, query: ListQuery) -> Result<Vec<Grant>, Refusal> {
        Ok(self.list("grant", query, caller).await?.iter().filter_map(parse).collect())
    }

    /// One grant.
    ///
    /// # Errors
    /// When the caller may not see it.
    pub async fn grant(&self, caller: &Caller, id: GrantId) -> Result<Grant, Refusal> {
        let grant = self.grant_row(id).await?;
        let (holder, resource, _) = grant.parties();
        let sees = holder == caller.principal || self.sees_all(caller) || self.rules().owns(caller.principal, resource);
        if sees { Ok(grant) } else { Err(no_such("grant")) }
    }

    /// The grants of a request that the caller may see.
    ///
    /// # Errors
    /// When they may not.
    pub async fn grants_of_request(&self, caller: &Caller, id: RequestId) -> Result<Vec<Grant>, Refusal> {
        self.may_see_request(caller, id).await?;
        let mut grants = Vec::new();
        for grant in self.grants_of(id).await {
            grants.push(self.grant_row(grant).await?);
        }
        Ok(grants)
    }

    async fn grant_row(&self, id: GrantId) -> Result<Grant, Refusal> {
        let row = self.store.row(Stream::Grant(id)).await.map_err(|e| Refusal::from(unavailable(&e)))?;
        row.as_ref().and_then(parse).ok_or_else(|| no_such("grant"))
    }

    pub(crate) async fn grant_holder(&self, id: GrantId) -> Result<PrincipalId, Refusal> {
        Ok(self.grant_row(id).await?.parties().0)
    }

    pub(crate) async fn grant_resource(&self, id: GrantId) -> Result<ResourceName, Refusal> {
        Ok(self.grant_row(id).await?.parties().1.clone())
    }

    /// The leases of a grant that the caller may see.
    ///
    /// # Errors
    /// When they may not.
    pub async fn leases_of(&self, caller: &Caller, id: GrantId) -> Result<Vec<Lease>, Refusal> {
        self.grant(caller, id).await?;
        let query = RowQuery { word: "lease", parent: Some(Stream::Grant(id)), limit: PAGE_MAX, ..RowQuery::default() };
        let rows = self.store.rows(&query).await.map_err(|e| Refusal::from(unavailable(&e)))?;
        Ok(rows.iter().filter_map(parse).collect())
    }

    /// Sessions: one's own, and those in what one owns; for auditors and operators, all.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn sessions(&self, caller: &Caller, query: ListQuery) -> Result<Vec<SessionView>, Refusal> {
        let rows = self.list("session", query, caller).await?;
        Ok(self.session_views(caller, rows.iter().filter_map(parse).collect()).await)
    }

    /// One session: its owner's, or an auditor's or operator's or resource owner's to see.
    ///
    /// # Errors
    /// When the caller may not see it.
    pub async fn session(&self, caller: &Caller, id: SessionId) -> Result<SessionView, Refusal> {
        let row = self.store.row(Stream::Session(id)).await.map_err(|e| Refusal::from(unavailable(&e)))?;
        let session: Session = row.as_ref().and_then(parse).ok_or_else(|| no_such("session"))?;
        let arrived = session.arrived();
        let sees = arrived.principal == caller.principal || self.sees_all(caller) || self.rules().owns(caller.principal, &arrived.resource);
        if !sees {
            return Err(no_such("session"));
        }
        self.session_views(caller, vec![session]).await.pop().ok_or_else(|| no_such("session"))
    }

    async fn session_views(&self, caller: &Caller, sessions: Vec<Session>) -> Vec<SessionView> {
        let all = self.sees_all(caller);
        let why = |s: &Session| s.killed().map(|k| k.reason);
        // INVARIANT I17: an address is told to whose it is, and to those who see all.
        let client = |s: &Session| (all || s.arrived().principal == caller.principal).then_some(s.arrived().client);
        let wanted: Vec<_> = sessions.iter().flat_map(|s| [client(s), why(s)]).flatten().collect();
        let values = self.values(&wanted).await;
        let view = |session: Session| SessionView {
            client: client(&session).and_then(|client| values.get(&client).cloned()),
            killed_because: why(&session).and_then(|reason| values.get(&reason).cloned()),
            session,
        };
        sessions.into_iter().map(view).collect()
    }

    /// Where the recording of a session is that the caller may see.
    ///
    /// # Errors
    /// When they may not see it.
    pub async fn recording(&self, caller: &Caller, id: SessionId) -> Result<std::path::PathBuf, Refusal> {
        self.session(caller, id).await?;
        Ok(self.config.recordings.join(format!("{id}.ndjson")))
    }

    /// What a short id (the end of one) means, among what the caller may see; the full id when it is one.
    ///
    /// # Errors
    /// When it means nothing, or several things.
    pub async fn resolve(&self, word: &'static str, text: &str) -> Result<Stream, Refusal> {
        let text = text.rsplit('/').next().unwrap_or(text);
        if let Ok(stream) = text.parse::<Stream>()
            && stream.word() == word
        {
            return Ok(stream);
        }
        let suffix = text.rsplit_once('_').map_or(text, |(_, suffix)| suffix);
        if suffix.len() < 4 || !suffix.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()) {
            return Err(bad_input(
                format!("'{}' is not an id of a {word}", text.escape_debug()),
                "give the whole id, or its last characters (four at least)",
            ));
        }
        let found = self.store.by_suffix(word, suffix, 2).await.map_err(|e| Refusal::from(unavailable(&e)))?;
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(no_such(word)),
            _ => Err(bad_input(format!("several {word}s end with '{suffix}'"), "give more of the id")),
        }
    }

    /// Numbers for everybody; details of what is wrong for operators and auditors.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn status(&self, caller: &Caller) -> Result<StatusView, Refusal> {
        let (me, all) = (caller.principal, self.sees_all(caller));
        let status = self.sequencer.look(move |desk| {
            let world = desk.world;
            let live = world.sessions().filter(|s| matches!(s, Session::Live(_))).count();
            let knows = |resource: &ResourceName| all || desk.rules.owns(me, resource) || desk.rules.offered(me, resource).is_some();
            let unconfirmed = world.leases().filter_map(|l| match l {
                Lease::RevokeUnconfirmed(h) if !knows(&h.intended.resource) => None,
                Lease::RevokeUnconfirmed(h) => {
                    Some((h.intended.id, h.intended.resource.clone(), if all { h.now.why.clone() } else { String::new() }))
                }
                Lease::Intended(_) | Lease::Minted(_) | Lease::Revoking(_) | Lease::Revoked(_) => None,
            });
            StatusView {
                pending: world.requests().count(),
                open: world.grants().filter(|g| matches!(g, Grant::Open(_))).count(),
                held: world.sessions().count() - live,
                live,
                unconfirmed: unconfirmed.collect(),
                events: world.next_seq(),
                rules_hash: world.policy().map(|p| p.hash.clone()),
                drift: None,
                ledger: None,
                integrations: Vec::new(),
            }
        });
        let drift = if all { self.drift_in_words().await } else { None };
        let ledger = if all { self.ledger.wrong() } else { None };
        let integrations = self.integrations(caller).await;
        Ok(StatusView { drift, ledger, integrations, ..status.await? })
    }

    /// Whether any rules were ever put in force.
    pub async fn has_rules(&self) -> bool {
        self.sequencer.look(|desk| desk.world.policy().is_some()).await.unwrap_or(false)
    }

    /// Whether it can decide, and read what it has recorded.
    pub async fn is_ready(&self) -> bool {
        self.sequencer.look(|_| ()).await.is_ok() && self.store.size().await.is_ok()
    }

    /// Probes targets (R6): all, or one. For operators.
    ///
    /// # Errors
    /// When the caller is no operator, or there is no such resource.
    pub async fn doctor(self: Arc<Self>, caller: &Caller, only: Option<&str>) -> Result<Vec<(ResourceName, Vec<Finding>)>, Refusal> {
        let rules = self.rules();
        let chosen: Vec<_> = rules.resources().filter(|r| only.is_none_or(|name| r.name.as_str() == name)).cloned().collect();
        let found = self.probe(caller, chosen).await?;
        if found.is_empty() && only.is_some() {
            return Err(no_such("such resource"));
        }
        Ok(found)
    }

    /// Probes these resources, some at the same time. For operators.
    ///
    /// # Errors
    /// When the caller is no operator.
    pub async fn probe(&self, caller: &Caller, chosen: Vec<Arc<Resource>>) -> Result<Vec<(ResourceName, Vec<Finding>)>, Refusal> {
        if !self.rules().may_operate(caller.principal) {
            return Err(crate::refusal::refusal(ajar_core::port::RefusalKind::Denied, "checking targets is for operators", None, None));
        }
        let probed = futures::stream::iter(chosen).map(|resource| async move {
            let probed = self.prober(&resource).probe(&resource).await;
            self.healths.probed(&resource.name, probed.as_deref(), self.clock.now());
            let findings = probed.unwrap_or_else(|error| {
                vec![Finding { severity: Severity::Bad, check: "reach the target".into(), result: error.to_string() }]
            });
            (resource.name.clone(), findings)
        });
        Ok(probed.buffered(PROBING).collect().await)
    }

    /// Committed events as they come; the API shows each caller what they may see.
    #[must_use]
    pub fn feed(&self) -> Feed {
        Feed(self.feed.subscribe())
    }
}
