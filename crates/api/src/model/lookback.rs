//! Looking back, and around: what happened, what helps to decide, what there is and who.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What happened to a request, and to what came of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Timeline {
    /// Oldest first.
    pub items: Vec<Happened>,
    /// Whether there are more sessions and logins than are told.
    pub left_off: bool,
}

/// Something that happened.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Happened {
    /// Its number in the ledger.
    pub seq: u64,
    /// When.
    pub at: String,
    /// Who did it; absent when it was Ajar itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The event's kind: `grant.opened`.
    pub kind: String,
    /// In one sentence. It may hold what people wrote.
    pub text: String,
    /// To what it happened: `request`, `grant`, `lease`, `session` or `debt`.
    pub what: String,
    /// Which.
    pub id: String,
}

/// What helps to decide a request.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RequestContext {
    /// Whom it is for.
    pub requester: RequesterContext,
    /// What became of the like.
    pub alike: Alike,
    /// What it opens.
    pub opens: Vec<Opens>,
    /// The rules that speak of it, in words.
    pub rule_words: Vec<String>,
    /// Whether every rule that speaks of it calls it low risk.
    pub low_risk: bool,
    /// Who of those asked is there now.
    pub online: Vec<String>,
}

/// What somebody did before.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RequesterContext {
    /// Their last requests for the same resource, newest first: five at the most.
    pub last: Vec<EarlierRequest>,
}

/// An earlier request.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EarlierRequest {
    /// Its id.
    pub request: String,
    /// When it was filed.
    pub at: String,
    /// On what.
    pub resource: String,
    /// As what.
    pub role: String,
    /// What became of it.
    pub state: String,
    /// Sessions under its grants.
    pub sessions: u64,
    /// What was recorded in them: statements, requests, commands.
    pub statements: u64,
}

/// What became of requests for the same role on the same resource in the last 90 days, whoever asked.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Alike {
    /// Approved.
    pub approved: u64,
    /// Denied.
    pub denied: u64,
    /// Not decided in time.
    pub expired: u64,
    /// In how many seconds people approved, half of the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median_s: Option<f64>,
}

/// What a request opens.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Opens {
    /// On what.
    pub resource: String,
    /// `postgres`, `http` or `ssh`; empty when the files don't have it any more.
    pub kind: String,
    /// As what.
    pub role: String,
    /// What the role is.
    pub words: String,
}

/// A resource that somebody may ask for, owns or looks after.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CatalogueEntry {
    /// Its name.
    pub name: String,
    /// `postgres`, `http` or `ssh`.
    pub kind: String,
    /// What it is.
    pub description: String,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// Who owns it: `group:orders`, `user:peer`.
    pub owners: Vec<String>,
    /// Its roles: those that the caller may ask for; all for owners, auditors and operators.
    pub roles: Vec<CatalogueRole>,
    /// The role when none is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_role: Option<String>,
    /// How its target is.
    pub health: Health,
    /// Grants that are open now.
    pub open: usize,
    /// The last five that opened: for owners, auditors and operators.
    pub recent: Vec<RecentGrant>,
}

/// A role, and how it is used.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CatalogueRole {
    /// Its name.
    pub name: String,
    /// What it is.
    pub words: String,
    /// When a session as it began last, within 90 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<String>,
    /// Grants of it that opened within 90 days.
    pub grants_90d: u64,
    /// Whether the caller may ask for it.
    pub yours: bool,
}

/// How a target is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `good`, `warning`, `bad`, or `unknown` when nobody has looked since the server's start.
    pub state: String,
    /// When that was found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<String>,
    /// What is wrong, and what to do: for owners, auditors and operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
}

/// A grant that opened lately.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RecentGrant {
    /// Who got in.
    pub who: String,
    /// As what.
    pub role: String,
    /// When.
    pub at: String,
    /// The grant's id.
    pub grant: String,
}

/// A user or a workload.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Person {
    /// The name.
    pub name: String,
    /// `user` or `workload`.
    pub kind: String,
    /// Groups: all of one's own, and for auditors and operators; of others, those that the caller is in too.
    pub groups: Vec<String>,
    /// The manager, if the caller may know of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// Whether they may do anything.
    pub enabled: bool,
    /// Whether they are locked: said of oneself, and to auditors and operators.
    pub locked: bool,
    /// Until when they are away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away: Option<PersonAway>,
}

/// Somebody is away.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PersonAway {
    /// Until when.
    pub until: String,
    /// Who is asked instead, if the caller may know of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegate: Option<String>,
}

/// A group.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Who is in it.
    pub members: Vec<String>,
}

/// One access: a grant that was open, with what it rests on and how it ended.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Access {
    /// The grant.
    pub grant: String,
    /// The request that it was approved as.
    pub request: String,
    /// Who got in.
    pub person: String,
    /// Who asked.
    pub requester: String,
    /// Into what.
    pub resource: String,
    /// As what.
    pub role: String,
    /// Why; absent when it was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Who decided; approves that were taken back are left out.
    pub reviewers: Vec<AccessReviewer>,
    /// Whether the rules approved it by themselves.
    pub automatic: bool,
    /// Whether it was an emergency.
    pub emergency: bool,
    /// The rules that spoke of it.
    pub rules: Vec<String>,
    /// When it opened.
    pub opened_at: String,
    /// When it ended; absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_because: Option<String>,
    /// The grant that goes on with it, where it was extended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_by: Option<String>,
    /// When its end was proven on the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven_gone_at: Option<String>,
    /// Sessions that went in. Those of a grant that was extended have moved on to the next.
    pub sessions: u64,
    /// What was recorded in those that are over: statements, requests, commands.
    pub statements: u64,
    /// Numbers in the ledger: filing, approval, opening, closing, proof; in order.
    pub events: Vec<u64>,
}

/// Somebody who decided.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AccessReviewer {
    /// Who.
    pub name: String,
    /// `approve` or `deny`.
    pub verdict: String,
    /// When.
    pub at: String,
    /// Whether they had approved it beforehand.
    pub beforehand: bool,
    /// Whether it is the review of an emergency, given afterwards.
    pub afterwards: bool,
}

/// What a search has found.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SearchAnswer {
    /// What was found, newest first; in one session, in the order in which it happened.
    pub items: Vec<Found>,
    /// Goes back as `before`; absent when everything was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// How many there are, by what the search could be narrowed by; only without `before`. Without a text they are exact, and those of each
    /// facet leave its own narrowing aside; with one, and for statements and events, they are of what this answer has looked at.
    pub facets: SearchFacets,
    /// How far back this answer came when its time was up: `next` goes on from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub searched_to: Option<String>,
}

/// Counts by what a search could be narrowed by, those with the most first.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct SearchFacets {
    /// Whose it is; of events, who acted.
    pub person: Vec<SearchFacet>,
    /// On what.
    pub resource: Vec<SearchFacet>,
    /// As what.
    pub role: Vec<SearchFacet>,
    /// In which state.
    pub state: Vec<SearchFacet>,
    /// `postgres`, `http` or `ssh`; the kind of events.
    pub kind: Vec<SearchFacet>,
}

/// One value, and how many there are.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SearchFacet {
    /// The value, as a search takes it.
    pub value: String,
    /// How many.
    pub count: u64,
}

/// Something that was found.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Found {
    /// `request`, `session`, `statement` or `event`.
    pub what: String,
    /// Its id: of a statement, its session's and its place in the recording; of an event, that of what it happened to.
    pub id: String,
    /// When.
    pub at: String,
    /// Whose it is; of an event, who acted.
    pub who: String,
    /// On what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// As what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// In which state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// `postgres`, `http` or `ssh`; the kind of an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The reason, the statement, the event in words: as it was written, cut off after 1,000 characters.
    pub text: String,
    /// The request that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The grant that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// The session that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Of a statement: seconds since the session's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_in_session: Option<f64>,
    /// Of an event: its number in the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// How access goes, in numbers, over a range of time.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Insight {
    /// From this instant.
    pub from: String,
    /// To this instant.
    pub to: String,
    /// How long people took to approve, emergencies apart.
    pub approval: ApprovalInsight,
    /// The most grants that were open at once on each day, by kind of resource.
    pub open_by_day: Vec<OpenOnDay>,
    /// What was decided on each day.
    pub decisions: Vec<DecidedOnDay>,
    /// What was denied, by rule: the one that denied, or those that had let it be asked. Those with the most first.
    pub denials: Vec<Denials>,
    /// Requests that were filed, by weekday (Monday first) and hour in the zone that was asked for: 7 × 24.
    pub hours: Vec<Vec<u64>>,
    /// How late sessions were cut at their deadlines.
    pub cuts: CutInsight,
    /// Logins that are not confirmed to be gone, now.
    pub unconfirmed: Vec<NotConfirmed>,
    /// Who had grants that opened in the range and used none of them: 200 at the most.
    pub unused: Vec<UnusedGrants>,
}

/// How long people took to approve.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ApprovalInsight {
    /// How often they approved.
    pub count: u64,
    /// Half of the time, in at most so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_s: Option<f64>,
    /// Nine times out of ten, in at most so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p90_s: Option<f64>,
    /// The same by the week of the approval.
    pub by_week: Vec<ApprovalWeek>,
}

/// How long people took to approve in a week.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ApprovalWeek {
    /// Its first instant: Monday.
    pub at: String,
    /// How often they approved.
    pub count: u64,
    /// Half of the time, in at most so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_s: Option<f64>,
    /// Nine times out of ten, in at most so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p90_s: Option<f64>,
}

/// The most that were open at once on a day.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OpenOnDay {
    /// Its first instant.
    pub at: String,
    /// On databases.
    pub postgres: u64,
    /// On hosts.
    pub ssh: u64,
    /// On APIs.
    pub http: u64,
}

/// What was decided on a day.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DecidedOnDay {
    /// Its first instant.
    pub at: String,
    /// Approved by the rules, emergencies too.
    pub auto: u64,
    /// Approved by people.
    pub human: u64,
    /// Denied.
    pub denied: u64,
    /// Not decided in time.
    pub expired: u64,
}

/// What was denied, by rule.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Denials {
    /// The rule.
    pub rule: String,
    /// How often.
    pub count: u64,
}

/// How late sessions were cut at their deadlines: milliseconds from the deadline to the last byte, as the ledger has them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CutInsight {
    /// How many were cut.
    pub count: u64,
    /// Half of them, at most this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<u64>,
    /// 99 of 100, at most this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<u64>,
    /// The latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ms: Option<u64>,
    /// By how late they were.
    pub buckets: Vec<CutBucket>,
}

/// Cuts that were at most so late, and later than the bucket before.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CutBucket {
    /// At most so many milliseconds late.
    pub le_ms: u64,
    /// How many.
    pub count: u64,
}

/// A login that is not confirmed to be gone.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NotConfirmed {
    /// The lease.
    pub lease: String,
    /// The grant.
    pub grant: String,
    /// On what.
    pub resource: String,
    /// Since when the target has been asked without success.
    pub since: String,
    /// What went wrong last.
    pub why: String,
}

/// Somebody who used none of their grants.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UnusedGrants {
    /// Who.
    pub person: String,
    /// On what.
    pub resource: String,
    /// As what.
    pub role: String,
    /// The rule that let them ask; empty when it can't be known.
    pub rule: String,
    /// When they were in as that last, before the range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<String>,
}
