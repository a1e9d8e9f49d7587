//! The API's own types: what goes over the wire, in both directions. The CLI reads the same.
//!
//! Instants are RFC 3339 with milliseconds, in UTC; lengths of time are texts such as `10m`; ids carry their prefix.

mod identity;
mod ledger;
mod lookback;
mod policy;
mod rehearse;
mod ssh;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use identity::{
    BrowserSignIn, Ceremony, CeremonyAnswer, CliLogin, CliLoginSecret, CliLoginWaiting, EnrolledPasskey, Me, NewCliLogin, NewPasskey,
    OwnToken, Passkey, SteppedUp,
};
pub use ledger::{LastCheckpoint, LedgerProof, LedgerStatus, Verified};
pub use lookback::{
    Access, AccessReviewer, Alike, ApprovalInsight, ApprovalWeek, CatalogueEntry, CatalogueRole, CutBucket, CutInsight, DecidedOnDay,
    Denials, EarlierRequest, Found, Group, Happened, Health, Insight, NotConfirmed, OpenOnDay, Opens, Person, PersonAway, RecentGrant,
    RequestContext, RequesterContext, SearchAnswer, SearchFacet, SearchFacets, Timeline, UnusedGrants,
};
pub use policy::{
    PlannedEnd, PlannedTurn, PolicyApplied, PolicyChange, PolicyEntry, PolicyFiles, PolicyInForce, PolicyKeyChange, PolicyPlan,
};
pub use rehearse::{PolicyReplay, PolicySuggestions, ReplayedChange, ReplayedRequest, Suggestion, Waits};
pub use ssh::{NewSshCertificate, NewSshDirect, NewSshHost, SshAuthorities, SshCertificate, SshDirect, SshDoor};

/// Signs in with a password.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The name in the people files.
    pub name: String,
    /// The password.
    pub password: String,
    /// What the token is for: shown in the ledger.
    #[serde(default)]
    pub label: String,
}

/// A token, shown this once.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Its id.
    pub id: String,
    /// The token: `Authorization: Bearer …`, or the password of a native client.
    pub token: String,
    /// Until when it is good.
    pub expires_at: String,
}

/// Asks for a narrower or longer-lived token.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for.
    pub label: String,
    /// `full`, `connect` (only through the gateway) or `read` (only the API, reading).
    pub scope: TokenScope,
    /// For how long: `12h` unless said.
    #[serde(default, rename = "for")]
    pub life: Option<String>,
}

/// Where a browser wants to get into an HTTP API.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewHttpEntry {
    /// The URL at the API's door, as the door gave it.
    pub to: String,
}

/// Where it goes on.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HttpEntry {
    /// The URL to go to.
    pub url: String,
}

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenScope {
    /// Everything its principal may.
    Full,
    /// Only to connect through the gateway.
    Connect,
    /// Only to read through the API.
    Read,
}

/// A resource that the caller may ask for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Resource {
    /// Its name.
    pub name: String,
    /// Its kind: `postgres`.
    pub kind: String,
    /// One sentence.
    pub description: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Roles that the caller may ask for.
    pub roles: Vec<String>,
    /// The role that a connection asks for which names none.
    pub default_role: Option<String>,
    /// On SSH hosts, the unix users of each of these roles; the first is the one for clients that name none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub logins: BTreeMap<String, Vec<String>>,
    /// The caller's open grants on it.
    pub open: Vec<Grant>,
}

/// A request to be filed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRequest {
    /// The resource's name.
    pub resource: String,
    /// The role; the resource's default unless said.
    #[serde(default)]
    pub role: Option<String>,
    /// For how long: the rule's default unless said.
    #[serde(default, rename = "for")]
    pub duration: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// The ticket.
    #[serde(default)]
    pub ticket: Option<String>,
    /// What exactly it is to be used for.
    #[serde(default)]
    pub scope: Option<String>,
    /// When it is to begin, with a zone; as soon as it is approved, unless said.
    #[serde(default)]
    pub starts_at: Option<String>,
    /// It can't wait: it opens at once where a rule lets it, alerts people, and owes a review.
    #[serde(default)]
    pub emergency: bool,
    /// What else is asked for together with it.
    #[serde(default)]
    pub also: Vec<NewAsk>,
    /// For whom, if not for who asks.
    #[serde(default)]
    pub on_behalf_of: Option<String>,
}

/// Something that is asked for together with something else.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAsk {
    /// The resource's name.
    pub resource: String,
    /// The role; the resource's default unless said.
    #[serde(default)]
    pub role: Option<String>,
}

/// A request.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Request {
    /// Its id.
    pub id: String,
    /// `pending`, `approved`, `denied`, `withdrawn` or `expired`.
    pub state: String,
    /// Who asked.
    pub requester: String,
    /// Who would get in.
    pub beneficiary: String,
    /// The resource.
    pub resource: String,
    /// The role.
    pub role: String,
    /// For how long.
    #[serde(rename = "for")]
    pub duration: String,
    /// Why; absent when it was erased.
    pub reason: Option<String>,
    /// The ticket.
    pub ticket: Option<String>,
    /// What exactly it is to be used for; absent when that was not said, or was erased.
    pub scope: Option<String>,
    /// Whether it is an emergency, which opened without a review.
    pub emergency: bool,
    /// The grant that it goes on with: it ends so much later than that.
    pub extends: Option<String>,
    /// When it is to begin, if that was said.
    pub starts_at: Option<String>,
    /// Its clock starts at the first use, which must come within this time of the approval.
    pub on_first_use: Option<String>,
    /// It lets one session in, once.
    pub single_use: bool,
    /// Every rule that it is under says that it is of low risk: it may be approved together with others like it.
    pub low_risk: bool,
    /// When it was filed.
    pub filed_at: String,
    /// Until when it may be decided.
    pub expires_at: String,
    /// Which rules matched.
    pub rules: Vec<String>,
    /// The stages of its plan.
    pub stages: Vec<Stage>,
    /// Who may decide now.
    pub asked: Vec<String>,
    /// Whether the caller may decide now.
    pub yours_to_decide: bool,
    /// Everything that is asked for, the first included.
    pub asks: Vec<Ask>,
    /// What the rules decided by themselves.
    pub automatic: Option<AutoReview>,
    /// Decisions so far.
    pub reviews: Vec<Review>,
    /// Who of those asked has looked at it.
    pub seen: Vec<String>,
    /// What was said about it, in order.
    pub comments: Vec<Comment>,
    /// Why it was denied.
    pub denied_because: Option<String>,
    /// Its grants, once approved.
    pub grants: Vec<Grant>,
    /// Only in the answer to filing: requests for what was asked for together with it and is decided apart from it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apart: Vec<String>,
    /// Where people see it.
    pub link: String,
}

/// What the rules decided by themselves.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AutoReview {
    /// `approve` or `deny`.
    pub verdict: String,
    /// Which rules.
    pub rules: Vec<String>,
    /// Their hash.
    pub rules_hash: String,
    /// What their conditions looked at, by role: `{"orders-db/read":{"context.hours.office":true}}`; absent when it was erased.
    pub values: Option<serde_json::Value>,
    /// When.
    pub at: String,
}

/// A stage of a plan.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Stage {
    /// Who may decide, in words of the rules: `group:orders`, `owners`, …
    pub from: Vec<String>,
    /// How many must.
    pub needed: u8,
    /// Within what time.
    pub within: String,
    /// What happens otherwise: `deny`, `next`, or whom it escalates to, step by step.
    pub otherwise: Vec<String>,
    /// Whether it is the one that waits.
    pub waiting: bool,
    /// Of the one that waits: how many distinct humans have approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub have: Option<u8>,
    /// Of the one that waits: when its time is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// A role on a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The resource.
    pub resource: String,
    /// The role.
    pub role: String,
}

/// Something that was said about a request.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Comment {
    /// By whom.
    pub by: String,
    /// What; absent when it was erased.
    pub text: Option<String>,
    /// When.
    pub at: String,
}

/// Something to say about a request.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewComment {
    /// What.
    pub text: String,
}

/// A review.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Review {
    /// Its id.
    pub id: String,
    /// Who.
    pub reviewer: String,
    /// `approve` or `deny`.
    pub verdict: String,
    /// Their note.
    pub note: Option<String>,
    /// Approved for no longer than this.
    #[serde(rename = "for")]
    pub duration: Option<String>,
    /// Approved only for these.
    pub only: Option<Vec<Ask>>,
    /// Whether it was taken back: it counts no more.
    pub taken_back: bool,
    /// The pre-approval as which it was given beforehand.
    pub beforehand: Option<String>,
    /// When.
    pub at: String,
}

/// A decision on a request.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReview {
    /// Approve or deny.
    pub verdict: Verdict,
    /// A note for everyone involved.
    #[serde(default)]
    pub note: Option<String>,
    /// Approve for no longer than this.
    #[serde(default, rename = "for")]
    pub duration: Option<String>,
    /// Approve only these of what was asked.
    #[serde(default)]
    pub only: Option<Vec<Ask>>,
}

/// Approve or deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// In favour.
    Approve,
    /// Against.
    Deny,
}

/// A lock in force.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Lock {
    /// Its id.
    pub id: String,
    /// Who is locked.
    pub user: Option<String>,
    /// Or which resource.
    pub resource: Option<String>,
    /// By whom.
    pub by: String,
    /// Why; absent when it was erased.
    pub reason: Option<String>,
    /// Since when.
    pub at: String,
}

/// What to lock: one of `user` and `resource`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLock {
    /// A user or workload, with every account of theirs.
    #[serde(default)]
    pub user: Option<String>,
    /// A resource.
    #[serde(default)]
    pub resource: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// An approve that was given beforehand.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Preapproval {
    /// Its id.
    pub id: String,
    /// Who gave it.
    pub by: String,
    /// Who would get in.
    pub user: String,
    /// Into what.
    pub resource: String,
    /// As what; any role when absent.
    pub role: Option<String>,
    /// For requests of at most so long.
    pub most: Option<String>,
    /// From when.
    pub starts_at: String,
    /// Until when.
    pub until: String,
    /// What its giver says of it.
    pub note: Option<String>,
}

/// An approve to be given beforehand.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPreapproval {
    /// Who would get in.
    pub user: String,
    /// Into what.
    pub resource: String,
    /// As what; any role unless said.
    #[serde(default)]
    pub role: Option<String>,
    /// From when, with a zone; now unless said.
    #[serde(default)]
    pub from: Option<String>,
    /// For how long requests find it: `12h`; at the most until 7 days from now.
    #[serde(rename = "for")]
    pub duration: String,
    /// For requests of at most so long.
    #[serde(default)]
    pub most: Option<String>,
    /// For everyone involved.
    #[serde(default)]
    pub note: Option<String>,
}

/// Somebody who is asked instead of somebody else, for a time.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Delegation {
    /// Its id.
    pub id: String,
    /// Who is away.
    pub from: String,
    /// Who is asked instead.
    pub to: String,
    /// From when.
    pub starts_at: String,
    /// Until when.
    pub until: String,
}

/// A delegation to be made, from the caller.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDelegation {
    /// Who is asked instead.
    pub to: String,
    /// From when; now unless said.
    #[serde(default)]
    pub from: Option<String>,
    /// For how long: 60 days ahead at the most.
    #[serde(rename = "for")]
    pub duration: String,
}

/// What would come of a request, and why.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// `automatic`, `review`, `emergency`, `denied` or `refused`.
    pub outcome: String,
    /// What is asked for.
    pub resource: String,
    /// As what.
    pub role: String,
    /// For how long.
    #[serde(rename = "for")]
    pub duration: Option<String>,
    /// The longest that it could be.
    pub max: Option<String>,
    /// Why it would be refused.
    pub refused: Option<String>,
    /// What to do then.
    pub hint: Option<String>,
    /// Its stages, with those who could decide them now; for an emergency, those of the review that it owes.
    pub stages: Vec<ExplainedStage>,
    /// Who would be alerted.
    pub alerted: Vec<String>,
    /// What conditions looked at, and what it was.
    pub values: serde_json::Value,
    /// Each rule's part in it; those for others only for auditors and operators.
    pub rules: Vec<RulePart>,
    /// What on the same resource would need less: other roles, shorter times; the mildest first.
    pub less: Vec<Less>,
    /// Whether every rule that matches says that it is of low risk.
    pub low_risk: bool,
    /// Characters that the reason must have at least.
    #[serde(default)]
    pub reason_min: Option<usize>,
    /// The regular expression that the reason must fit.
    #[serde(default)]
    pub reason: Option<String>,
    /// `required`, or the regular expression that the ticket must fit.
    #[serde(default)]
    pub ticket: Option<String>,
    /// `required`, or the regular expression that the scope must fit.
    #[serde(default)]
    pub scope: Option<String>,
    /// What the rules want of reason, ticket and scope, in words.
    #[serde(default)]
    pub label: Option<String>,
}

/// Something on the same resource that would need less.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Less {
    /// As what.
    pub role: String,
    /// For how long.
    #[serde(rename = "for")]
    pub duration: String,
    /// `automatic` or `review`.
    pub outcome: String,
    /// In words: `read for 1h would be approved automatically`.
    pub words: String,
}

/// A stage of a plan, before anybody asks.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ExplainedStage {
    /// The stage.
    #[serde(flatten)]
    pub stage: Stage,
    /// Who could decide it now.
    pub able: Vec<String>,
    /// Whether they are enough.
    pub can_be_fulfilled: bool,
    /// Who of them is there: who has the stream of events open, or used the API in the last five minutes.
    pub online: Vec<String>,
}

/// A rule's part in an answer.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RulePart {
    /// Which.
    pub rule: String,
    /// `allow`, `deny` or `break_glass`.
    pub effect: String,
    /// Why it doesn't match.
    pub passed_over: Option<String>,
    /// Alone, it would allow so long.
    pub max: Option<String>,
    /// Alone, it would ask for these stages.
    pub stages: Vec<Stage>,
    /// What the request lacks for it.
    pub lacks: Option<String>,
}

/// A review that is owed for an emergency.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Debt {
    /// Its id.
    pub id: String,
    /// The emergency's request.
    pub request: String,
    /// Who owes it.
    pub debtor: String,
    /// Where.
    pub resources: Vec<String>,
    /// Who was alerted.
    pub alerted: Vec<String>,
    /// Who may review it now.
    pub asked: Vec<String>,
    /// Whether the caller may.
    pub yours_to_review: bool,
    /// Reviews so far.
    pub reviews: Vec<DebtReview>,
    /// Until when it is to be reviewed.
    pub due: String,
    /// Whether that is over.
    pub overdue: bool,
    /// Since when it is owed.
    pub at: String,
}

/// A review of an emergency.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DebtReview {
    /// By whom.
    pub reviewer: String,
    /// `approve`: it was right; `deny`: it was not.
    pub verdict: String,
    /// Their note.
    pub note: Option<String>,
    /// When.
    pub at: String,
}

/// A review of an emergency, to be given.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDebtReview {
    /// Whether it was right; an objection closes what is still open of it.
    pub verdict: Verdict,
    /// A note for everyone involved.
    #[serde(default)]
    pub note: Option<String>,
}

/// A grant.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Grant {
    /// Its id.
    pub id: String,
    /// `scheduled`, `open`, `closing`, `closed` or `failed`.
    pub state: String,
    /// The request that it was approved as.
    pub request: String,
    /// Who gets in.
    pub principal: String,
    /// The resource.
    pub resource: String,
    /// The role.
    pub role: String,
    /// `postgres`, `http` or `ssh`; absent when the files don't have the resource any more.
    pub kind: Option<String>,
    /// What the caller may do with it now.
    pub may: Vec<GrantAction>,
    /// From when.
    pub starts_at: Option<String>,
    /// Until when.
    pub ends_at: Option<String>,
    /// Before it opens: from when it may.
    pub opens_at: Option<String>,
    /// Before it opens: until when it must be used, if its clock starts with that.
    pub redeem_by: Option<String>,
    /// It lets one session in, once.
    pub single_use: bool,
    /// The grant that it goes on from.
    pub extends: Option<String>,
    /// The grant that goes on from it, if it was extended.
    pub extended_by: Option<String>,
    /// Why it never opened.
    pub failed_because: Option<String>,
    /// Why it ended: `expired`, `returned`, `revoked`, …
    pub closed_because: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// When everything of it was proven gone; never for one that was extended.
    pub proven_gone_at: Option<String>,
}

/// Something that can be done with a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantAction {
    /// Ask to go on with it.
    Extend,
    /// Give it back.
    Return,
    /// Take it away.
    Revoke,
}

/// More time for a grant.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewExtension {
    /// How much longer: the rule's default unless said.
    #[serde(default, rename = "for")]
    pub duration: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// The ticket.
    #[serde(default)]
    pub ticket: Option<String>,
    /// What exactly it is to be used for.
    #[serde(default)]
    pub scope: Option<String>,
}

/// A lease: a login on a target.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Lease {
    /// Its id.
    pub id: String,
    /// `intended`, `minted`, `revoking`, `revoke_unconfirmed` or `revoked`.
    pub state: String,
    /// The login's name on the target.
    pub login: String,
    /// When the target lets it expire by itself.
    pub valid_until: String,
    /// What the target answered when it was asked whether it is gone.
    pub proof: Option<String>,
    /// What it had left behind.
    pub findings: Vec<String>,
}

/// A session.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// `held`, `live` or `ended`.
    pub state: String,
    /// Who.
    pub principal: String,
    /// The resource.
    pub resource: String,
    /// The role, once live.
    pub role: Option<String>,
    /// The grant, once live.
    pub grant: Option<String>,
    /// The protocol.
    pub protocol: String,
    /// The client's address.
    pub client: Option<String>,
    /// When it arrived.
    pub arrived_at: String,
    /// When it went live.
    pub live_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// Why it ended: `client_left`, `cut`, `killed`, …
    pub ended_because: Option<String>,
    /// Who ended it, if somebody did.
    pub killed_by: Option<String>,
    /// Why they did; absent when it was erased.
    pub killed_because: Option<String>,
    /// Statements recorded.
    pub entries: Option<u64>,
    /// SHA-256 of the recording, as the ledger has it.
    pub recording_sha256: Option<String>,
    /// Whether the caller may end it.
    pub yours_to_end: bool,
}

/// Why a session is ended.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KillSession {
    /// For whoever is in it, and for the ledger.
    pub reason: String,
}

/// A page of a list, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// What there is.
    pub items: Vec<T>,
    /// Give it as `before` for the next page.
    pub next: Option<String>,
}

/// How things stand.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The server's version.
    pub version: String,
    /// Requests that wait.
    pub pending: usize,
    /// Grants that are open.
    pub open: usize,
    /// Connections that are held.
    pub held: usize,
    /// Connections that are live.
    pub live: usize,
    /// Events in the ledger.
    pub events: u64,
    /// The rules in force.
    pub rules_hash: Option<String>,
    /// What is wrong, in words, with what to do. Empty when all is well.
    pub problems: Vec<String>,
    /// How everything outside is, the bad ones first: all of it for auditors and operators; for others the resources that they may ask for or own.
    #[serde(default)]
    pub integrations: Vec<Integration>,
}

/// How something outside is, by what it said when it was last asked.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Integration {
    /// Its name: a resource's, or what it is.
    pub name: String,
    /// `postgres`, `ssh`, `http`, `policy_follow` or `otlp`.
    pub kind: String,
    /// `good`, `bad` or `unknown`.
    pub state: String,
    /// What is to be said of it; nothing for who only may ask for it.
    pub words: String,
}

/// One check of a target.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// The resource.
    pub resource: String,
    /// `good`, `warning` or `bad`.
    pub severity: String,
    /// What was checked.
    pub check: String,
    /// What came out, and what to do.
    pub result: String,
}

/// An error (RFC 9457), `application/problem+json`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Stable code, as a URN: `urn:ajar:problem:not_requestable`.
    #[serde(rename = "type")]
    pub kind: String,
    /// One sentence.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Why.
    pub detail: Option<String>,
    /// The next command or link.
    pub hint: Option<String>,
    /// Which part of what was said it is about, by its name: `reason`, `for`, …; absent when it is about the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// For wrong files: each problem with file, line and fix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// Something that the caller is told.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Notice {
    /// The cursor: what is newer has a higher one.
    pub id: u64,
    /// When.
    pub at: String,
    /// `asked`, `escalated`, `reminded`, `digest` (several requests in one), `reviewed`, `review_taken_back`, `commented`, `approved`,
    /// `denied`, `expired`, `withdrawn`, `grant_opened`, `grant_closing`, `grant_failed`, `session_ended`, `emergency`, `review_owed`, `review_overdue`,
    /// `emergency_reviewed` or `delegated`.
    pub kind: String,
    /// Who caused it; absent when it was Ajar itself.
    pub by: Option<String>,
    /// Ids of what it is about: a request, grant, debt or delegation; of a digest the requests that still wait for the caller.
    pub about: Vec<String>,
    /// One sentence.
    pub text: String,
    /// The request, for people; absent when it is about no one request.
    pub link: Option<String>,
}

/// Something changed: a server-sent event's data. Read the thing itself for its state.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// `request`, `grant`, `session` or `lock`; `notice` when the caller is told something; `everything` when some changes were missed.
    pub what: String,
    /// Its id; nothing of `everything`.
    pub id: String,
    /// The kind of event, `request.approved`, …; a notice's own kind.
    pub kind: String,
}

/// Where native clients go.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Doors {
    /// The PostgreSQL gateway.
    pub postgres: Option<PostgresDoor>,
    /// The gateway for HTTP APIs.
    pub http: Option<HttpDoor>,
    /// The gateway for SSH hosts.
    #[serde(default)]
    pub ssh: Option<SshDoor>,
}

/// Where HTTP's clients go.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HttpDoor {
    /// What an API's URL begins with; its name follows as the first segment of the path.
    pub url: String,
    /// The authority of its certificate, PEM; absent when the system's authorities know it.
    pub ca_pem: Option<String>,
}

/// Where PostgreSQL's clients go.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PostgresDoor {
    /// Its name, as its certificate has it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The authority of its certificate, PEM; absent when the system's authorities know it.
    pub ca_pem: Option<String>,
}

/// Changes a password.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Password {
    /// Somebody else's: for operators.
    #[serde(default)]
    pub name: Option<String>,
    /// The current one, to change one's own.
    #[serde(default)]
    pub current: Option<String>,
    /// The new one: 8 characters or more.
    pub new: String,
}
