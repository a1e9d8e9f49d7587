//! What is kept of each request, grant and session: read from their documents with nothing but what is needed.

use std::collections::{BTreeMap, BTreeSet};

use ajar_core::grant::CloseReason;
use ajar_core::id::{PrincipalId, RequestId};
use ajar_core::name::{ResourceName, RoleName, RuleName};
use ajar_core::plan::Verdict;
use ajar_core::request::DeniedBecause;
use ajar_core::session::EndReason;
use ajar_core::time::{Span, Timestamp};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decided {
    Auto,
    Human,
    Denied,
    Expired,
}

/// Whose, on what, as what.
pub(super) type Triple = (PrincipalId, ResourceName, RoleName);

#[derive(Debug, Deserialize)]
pub(super) struct Request {
    state: String,
    filed: Filed,
    plan: Plan,
    automatic: Option<Automatic>,
    outcome: Option<Outcome>,
}

#[derive(Debug, Deserialize)]
struct Filed {
    at: Timestamp,
    emergency: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Plan {
    rules: Vec<RuleName>,
}

#[derive(Debug, Deserialize)]
struct Automatic {
    verdict: Verdict,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    at: Timestamp,
    because: Option<DeniedBecause>,
}

/// Of requests: what was filed and decided in the range.
#[derive(Debug)]
pub(super) struct Requests {
    from: Timestamp,
    to: Timestamp,
    pub(super) filed: Vec<Timestamp>,
    pub(super) decided: Vec<(Timestamp, Decided)>,
    /// When people approved, and how long that took.
    pub(super) took: Vec<(Timestamp, Span)>,
    pub(super) denials: BTreeMap<RuleName, u64>,
}

impl Requests {
    pub(super) fn new(from: Timestamp, to: Timestamp) -> Self {
        Self { from, to, filed: Vec::new(), decided: Vec::new(), took: Vec::new(), denials: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, request: Request) {
        let Request { state, filed, plan, automatic, outcome } = request;
        if filed.at >= self.from {
            self.filed.push(filed.at);
        }
        let Some(Outcome { at, because }) = outcome.filter(|outcome| outcome.at >= self.from && outcome.at < self.to) else { return };
        let decided = match state.as_str() {
            "approved" if filed.emergency.is_some() || automatic.is_some_and(|auto| auto.verdict == Verdict::Approve) => Decided::Auto,
            "approved" => Decided::Human,
            "denied" => Decided::Denied,
            "expired" => Decided::Expired,
            // It was taken back: nobody decided.
            _ => return,
        };
        self.decided.push((at, decided));
        match decided {
            Decided::Human => self.took.push((at, at.since(filed.at))),
            Decided::Denied => {
                let rules = match because {
                    Some(DeniedBecause::Automatic(rule)) => vec![rule],
                    Some(_) | None => plan.rules,
                };
                for rule in rules {
                    *self.denials.entry(rule).or_default() += 1;
                }
            }
            Decided::Auto | Decided::Expired => {}
        }
    }
}

/// Names that are kept once.
#[derive(Debug, Default)]
pub(super) struct Names {
    places: BTreeMap<ResourceName, usize>,
    names: Vec<ResourceName>,
}

impl Names {
    fn place(&mut self, name: &ResourceName) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.names.len();
        self.names.push(name.clone());
        self.places.insert(name.clone(), place);
        place
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &ResourceName> {
        self.names.iter()
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Grant {
    signed: Signed,
    closing: Option<Closing>,
}

#[derive(Debug, Deserialize)]
struct Signed {
    claims: Claims,
}

#[derive(Debug, Deserialize)]
struct Claims {
    request: RequestId,
    principal: PrincipalId,
    resource: ResourceName,
    role: RoleName,
    starts_at: Timestamp,
}

#[derive(Debug, Deserialize)]
struct Closing {
    reason: CloseReason,
    at: Timestamp,
}

/// Of grants that were open in the range: from when until when, and whose.
#[derive(Debug)]
pub(super) struct Grants {
    from: Timestamp,
    pub(super) resources: Names,
    /// From when, until when, on which of the resources.
    pub(super) spans: Vec<(Timestamp, Option<Timestamp>, usize)>,
    opened: BTreeMap<Triple, RequestId>,
}

impl Grants {
    pub(super) fn new(from: Timestamp) -> Self {
        Self { from, resources: Names::default(), spans: Vec::new(), opened: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, grant: Grant) {
        let Grant { signed: Signed { claims }, closing } = grant;
        let place = self.resources.place(&claims.resource);
        self.spans.push((claims.starts_at, closing.as_ref().map(|closing| closing.at), place));
        // One that was extended goes on as another, with its sessions.
        let extended = closing.is_some_and(|closing| matches!(closing.reason, CloseReason::Extended { .. }));
        if claims.starts_at >= self.from && !extended {
            self.opened.entry((claims.principal, claims.resource, claims.role)).or_insert(claims.request);
        }
    }

    /// Who had grants that opened in the range, each with the request of the last.
    pub(super) fn opened(&self) -> impl Iterator<Item = ((PrincipalId, &ResourceName, &RoleName), RequestId)> {
        self.opened.iter().map(|((person, resource, role), request)| ((*person, resource, role), *request))
    }
}

/// A session that is live has its role, but neither an end nor its role elsewhere.
#[derive(Debug, Deserialize)]
pub(super) struct Session {
    arrived: Arrived,
    role: Option<RoleName>,
    ended: Option<Ended>,
}

#[derive(Debug, Deserialize)]
struct Arrived {
    principal: PrincipalId,
    resource: ResourceName,
    protocol: String,
}

#[derive(Debug, Deserialize)]
struct Ended {
    reason: EndReason,
    late_ms: Option<u64>,
    at: Timestamp,
}

/// Of sessions that there were in the range: who was in, and how late the cuts were.
#[derive(Debug)]
pub(super) struct Sessions {
    from: Timestamp,
    to: Timestamp,
    pub(super) used: BTreeSet<Triple>,
    pub(super) late: Vec<u64>,
    pub(super) protocols: BTreeMap<ResourceName, String>,
}

impl Sessions {
    pub(super) fn new(from: Timestamp, to: Timestamp) -> Self {
        Self { from, to, used: BTreeSet::new(), late: Vec::new(), protocols: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, session: Session) {
        let Session { arrived, role, ended } = session;
        if let Some(Ended { reason: EndReason::Cut, late_ms: Some(late), at }) = ended
            && at >= self.from
            && at < self.to
        {
            self.late.push(late);
        }
        if !self.protocols.contains_key(&arrived.resource) {
            self.protocols.insert(arrived.resource.clone(), arrived.protocol);
        }
        // One that never went in has no role.
        if let Some(role) = role {
            self.used.insert((arrived.principal, arrived.resource, role));
        }
    }
}
