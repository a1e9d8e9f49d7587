//! Every access of a time, with its reasons, its reviewers and its proof: what auditors ask for each quarter. INVARIANT: it is complete.
//! A grant that was open at any instant of the range is in it, whenever it was asked for, and no other.

use ajar_core::event::{Event, Stream};
use ajar_core::grant::{CloseReason, Closing, Ending, Grant, GrantEvent, Over};
use ajar_core::id::{GrantId, PrincipalId, RequestId};
use ajar_core::lease::LeaseEvent;
use ajar_core::name::{PrincipalName, ResourceName, RoleName, RuleName};
use ajar_core::plan::{Review, Verdict};
use ajar_core::port::{Refusal, RefusalKind, RowQuery};
use ajar_core::request::{Request, RequestEvent};
use ajar_core::sealed::{Commitment, Disclosure};
use ajar_core::time::{Span, Timestamp};
use futures::{StreamExt, TryStreamExt};

use crate::context::Used;
use crate::engine::Engine;
use crate::people::Caller;
use crate::records::parse;
use crate::refusal::{bad_input, no_such, refusal};
use crate::sequencer::unavailable;

/// The range unless one is said.
const QUARTER: Span = Span::from_secs(92 * 24 * 3600);
/// At most so many in one answer.
const PAGE_MAX: u32 = 500;
/// Accesses that are looked up at once.
const AT_ONCE: usize = 2;
/// Logins or emergencies of one grant that are looked into.
const EACH_MAX: u32 = 200;

/// Which accesses, as somebody said it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessQuery {
    /// Open at this instant or later; 92 days before the end unless said.
    pub from: Option<Timestamp>,
    /// Open before this instant; now unless said.
    pub to: Option<Timestamp>,
    /// Of whom.
    pub person: Option<String>,
    /// On what.
    pub resource: Option<String>,
    /// Older than this one.
    pub before: Option<GrantId>,
    /// At most so many: 50 unless said.
    pub limit: Option<u32>,
}

/// Which accesses, checked. Its range stays as it is from page to page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accesses {
    /// Open at this instant or later.
    pub from: Timestamp,
    /// Open before this instant.
    pub to: Timestamp,
    person: Option<PrincipalId>,
    resource: Option<ResourceName>,
    before: Option<GrantId>,
    limit: u32,
}

/// One access: a grant that was open, with what it rests on and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The grant.
    pub grant: GrantId,
    /// The request that it was approved as.
    pub request: RequestId,
    /// Who got in.
    pub person: PrincipalId,
    /// Who asked.
    pub requester: PrincipalId,
    /// Into what.
    pub resource: ResourceName,
    /// As what.
    pub role: RoleName,
    /// Why; `None` when it was erased.
    pub reason: Option<String>,
    /// The ticket.
    pub ticket: Option<String>,
    /// Who decided: approves that were taken back are left out.
    pub reviewers: Vec<Reviewer>,
    /// Whether the rules approved it by themselves.
    pub automatic: bool,
    /// Whether it was an emergency.
    pub emergency: bool,
    /// The rules that spoke of it.
    pub rules: Vec<RuleName>,
    /// When it opened.
    pub opened_at: Timestamp,
    /// How and when it ended; `None` while it is open.
    pub ended: Option<Closing>,
    /// When its end was proven on the target; `None` too for one that goes on as another grant.
    pub proven_gone_at: Option<Timestamp>,
    /// How much it was used.
    pub used: Used,
    /// Numbers in the ledger: filing, approval, opening, closing, proof; in order.
    pub events: Vec<u64>,
}

/// Somebody who decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewer {
    /// Who.
    pub who: PrincipalId,
    /// What they decided.
    pub verdict: Verdict,
    /// When.
    pub at: Timestamp,
    /// Whether they had approved it beforehand.
    pub beforehand: bool,
    /// Whether it is the review of an emergency, given afterwards.
    pub afterwards: bool,
}

impl Reviewer {
    fn of(review: &Review, afterwards: bool) -> Self {
        let Review { reviewer, verdict, at, beforehand, .. } = review;
        Self { who: *reviewer, verdict: *verdict, at: *at, beforehand: beforehand.is_some(), afterwards }
    }
}

impl Accesses {
    /// Those that are older than this one.
    #[must_use]
    pub fn older_than(self, grant: GrantId) -> Self {
        Self { before: Some(grant), ..self }
    }
}

impl Access {
    /// The grant that goes on with it.
    #[must_use]
    pub fn extended_by(&self) -> Option<GrantId> {
        match self.ended.as_ref().map(|closing| &closing.reason) {
            Some(CloseReason::Extended { by }) => Some(*by),
            Some(_) | None => None,
        }
    }
}

impl Engine {
    /// Checks which accesses are asked for: for auditors and operators.
    ///
    /// # Errors
    /// When the caller is neither, the range is none, or a name is of nobody and nothing.
    pub fn accesses_of(&self, caller: &Caller, query: AccessQuery) -> Result<Accesses, Refusal> {
        if !self.sees_all(caller) {
            let hint = "'ajar grants' shows your own; ask for `may = [\"audit\"]` in the people files";
            return Err(refusal(RefusalKind::Denied, "the list of accesses is for auditors and operators", None, Some(hint.into())));
        }
        let AccessQuery { from, to, person, resource, before, limit } = query;
        let to = to.unwrap_or_else(|| self.now());
        let from = from.unwrap_or_else(|| to.before(QUARTER));
        if from >= to {
            return Err(bad_input("the range ends before it begins", "give 'from' before 'to', each with a zone"));
        }
        let known = |name: String| name.parse::<PrincipalName>().ok().and_then(|name| self.people.id(&name));
        let said = |text: &String| !text.is_empty();
        let person = person.filter(said).map(|name| known(name).ok_or_else(|| no_such("user"))).transpose()?;
        let resource = resource.filter(said).map(|name| name.parse().map_err(|_| no_such("such resource"))).transpose()?;
        Ok(Accesses { from, to, person, resource, before, limit: limit.unwrap_or(50).clamp(1, PAGE_MAX) })
    }

    /// A page of accesses, newest first, and whether there may be more.
    ///
    /// # Errors
    /// When the store can't be read: a list with gaps is none.
    pub async fn accesses(&self, wanted: &Accesses) -> Result<(Vec<Access>, bool), Refusal> {
        let query = RowQuery {
            word: "grant",
            principal: wanted.person,
            resource: wanted.resource.clone(),
            begun_before: Some(wanted.to),
            not_over_at: Some(wanted.from),
            before: wanted.before.map(Stream::Grant),
            limit: wanted.limit,
            ..RowQuery::default()
        };
        let rows = self.store.rows(&query).await.map_err(|e| Refusal::from(unavailable(&e)))?;
        let more = rows.len() >= wanted.limit as usize;
        let grants: Vec<Grant> = rows.iter().map(|row| parse(row).ok_or_else(damaged)).collect::<Result<_, _>>()?;
        let found = futures::stream::iter(grants).map(|grant| self.access(grant)).buffered(AT_ONCE);
        Ok((found.try_collect().await?, more))
    }

    async fn access(&self, grant: Grant) -> Result<Access, Refusal> {
        let claims = grant.signed().map(|signed| signed.claims.clone()).ok_or_else(damaged)?;
        let id = claims.grant;
        let (ended, closed) = match grant {
            Grant::Closing(Ending { closing, .. }) => (Some(closing), None),
            Grant::Closed(Over { closing, closed, .. }) => (Some(closing), Some(closed.at)),
            Grant::Open(_) | Grant::Scheduled(_) | Grant::Failed(_) => (None, None),
        };
        let row = self.store.row(Stream::Request(claims.request)).await.map_err(|e| Refusal::from(unavailable(&e)))?;
        let request: Request = row.as_ref().and_then(parse).ok_or_else(damaged)?;
        let filed = request.filed();
        let taken_back = &request.course().taken_back;
        let reviews = request.reviews().iter().filter(|review| !taken_back.contains(&review.id));
        let mut reviewers: Vec<Reviewer> = reviews.map(|review| Reviewer::of(review, false)).collect();
        if filed.emergency.is_some() {
            reviewers.extend(self.reviewed_afterwards(claims.request).await?);
        }
        let extended = matches!(&ended, Some(Closing { reason: CloseReason::Extended { .. }, .. }));
        Ok(Access {
            grant: id,
            request: claims.request,
            person: claims.principal,
            requester: filed.requester,
            resource: claims.resource,
            role: claims.role,
            reason: self.reason(filed.reason).await?,
            ticket: filed.ticket.clone(),
            reviewers,
            automatic: request.automatic().is_some_and(|auto| auto.verdict == Verdict::Approve),
            emergency: filed.emergency.is_some(),
            rules: request.terms().0.rules.clone(),
            opened_at: claims.starts_at,
            ended,
            proven_gone_at: closed.filter(|_| !extended),
            used: self.used_by(id).await?,
            events: self.numbers(claims.request, id).await?,
        })
    }

    /// A reason, as it was written. INVARIANT: none only when it was erased, or is not what was sealed.
    async fn reason(&self, sealed: Commitment) -> Result<Option<String>, Refusal> {
        let found = self.store.disclosures(&[sealed]).await.map_err(|e| Refusal::from(unavailable(&e)))?;
        Ok(found.into_iter().find(Disclosure::holds).map(|disclosure| disclosure.value))
    }

    async fn reviewed_afterwards(&self, request: RequestId) -> Result<Vec<Reviewer>, Refusal> {
        let query = RowQuery { word: "debt", parent: Some(Stream::Request(request)), limit: EACH_MAX, ..RowQuery::default() };
        let rows = self.store.rows(&query).await.map_err(|e| Refusal::from(unavailable(&e)))?;
        let debts: Vec<ajar_core::debt::Debt> = rows.iter().filter_map(parse).collect();
        Ok(debts.iter().flat_map(|debt| debt.owed().reviews.iter().map(|review| Reviewer::of(review, true))).collect())
    }

    /// Where in the ledger its filing, approval, opening, closing and proof stand.
    async fn numbers(&self, request: RequestId, grant: GrantId) -> Result<Vec<u64>, Refusal> {
        let query = RowQuery { word: "lease", parent: Some(Stream::Grant(grant)), limit: EACH_MAX, ..RowQuery::default() };
        let leases = self.store.rows(&query).await.map_err(|e| Refusal::from(unavailable(&e)))?;
        let mut events = self.events_of(Stream::Request(request)).await?;
        events.extend(self.events_of(Stream::Grant(grant)).await?);
        for lease in leases {
            events.extend(self.events_of(lease.stream).await?);
        }
        let tells = |event: &Event| {
            matches!(
                event,
                Event::Request(RequestEvent::Filed(_) | RequestEvent::AutoReviewed(_) | RequestEvent::Approved(_))
                    | Event::Grant(GrantEvent::Opened(_) | GrantEvent::Closing(_) | GrantEvent::Closed(_))
                    | Event::Lease(LeaseEvent::Revoked(_))
            )
        };
        let mut numbers: Vec<u64> = events.iter().filter(|envelope| tells(&envelope.event)).map(|envelope| envelope.seq).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
}

/// A row that can't be read: the list would not be complete.
fn damaged() -> Refusal {
    refusal(
        RefusalKind::Unavailable,
        "an access can't be read, so that the list would not be complete",
        None,
        Some("stop the server and make the rows anew with 'ajar server rebuild'".into()),
    )
}
