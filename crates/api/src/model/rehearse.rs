//! Rules tried out on the past: what a draft would have changed, and what the past suggests.

use ajar_core::id::PrincipalId;
use ajar_policy::{Report, Suggestions as Found, Waits as Waited};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a draft would have changed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyReplay {
    /// One sentence.
    pub headline: String,
    /// From when on requests were looked at; all of them, unless there is a time.
    pub since: Option<String>,
    /// How many.
    pub requests: usize,
    /// How many of them would go otherwise.
    pub changed: usize,
    /// These, by kind of change.
    pub changes: Vec<ReplayedChange>,
    /// How long people waited who were let in, emergencies apart.
    pub before: Waits,
    /// How long they would have waited.
    pub after: Waits,
    /// Of the latter, how many are an estimate.
    pub estimated: usize,
    /// The requests that would go otherwise, oldest first.
    pub rows: Vec<ReplayedRequest>,
    /// How many more there are.
    pub left_off: usize,
    /// What was assumed.
    pub notes: Vec<String>,
}

/// A kind of change.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReplayedChange {
    /// `automatic`, `denied`, `not_requestable`, `asks`, `more`, `fewer`, `others`, `not_denied` or `unlisted`.
    pub change: String,
    /// How many requests.
    pub count: usize,
    /// Both in words.
    pub text: String,
}

/// How long people waited.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Waits {
    /// How many were let in.
    pub count: usize,
    /// Half of them waited no longer.
    pub median: Option<String>,
    /// Nine of ten waited no longer.
    pub p90: Option<String>,
}

/// A request that would go otherwise.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReplayedRequest {
    /// Its id.
    pub id: String,
    /// When it was filed.
    pub at: String,
    /// For whom.
    pub who: String,
    /// Who asked, if it was somebody else.
    pub by: Option<String>,
    /// What was asked for: `write on orders-db`.
    pub what: String,
    /// The kind of change.
    pub change: String,
    /// What the rules asked for then.
    pub before: String,
    /// What became of it.
    pub became: String,
    /// What the draft says.
    pub after: String,
    /// Which of its rules.
    pub rules: Vec<String>,
    /// Why, for what it refuses.
    pub why: Option<String>,
}

/// What the past suggests about rules.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicySuggestions {
    /// From when on requests were looked at; all of them, unless there is a time.
    pub since: Option<String>,
    /// How many.
    pub requests: usize,
    /// By rule.
    pub items: Vec<Suggestion>,
    /// What could not be looked at.
    pub notes: Vec<String>,
}

/// One change that may be worth making.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Suggestion {
    /// `automatic`, `unused`, `shorten` or `routine`.
    pub kind: String,
    /// The rule.
    pub rule: String,
    /// Where it stands: `rules.toml:7`.
    pub place: Option<String>,
    /// What to do.
    pub message: String,
    /// Why.
    pub evidence: String,
    /// Some of the requests that show it.
    pub examples: Vec<String>,
    /// The change, as TOML.
    pub change: String,
}

impl From<Waited> for Waits {
    fn from(waits: Waited) -> Self {
        Self { count: waits.count, median: waits.median.map(|m| m.to_string()), p90: waits.p90.map(|p| p.to_string()) }
    }
}

impl PolicyReplay {
    /// A report, with `name` for who is who.
    #[must_use]
    pub fn of(report: Report, name: &dyn Fn(PrincipalId) -> String) -> Self {
        let changes = report.changes.iter().map(|(change, count)| ReplayedChange {
            change: change.word().to_owned(),
            count: *count,
            text: change.count(*count),
        });
        let (headline, changes) = (report.headline(), changes.collect());
        let row = |row: ajar_policy::Row| ReplayedRequest {
            id: row.id.to_string(),
            at: row.at.to_string(),
            who: name(row.who),
            by: row.by.map(name),
            what: row.what,
            change: row.change.word().to_owned(),
            before: row.before,
            became: row.became,
            after: row.after,
            rules: row.rules.iter().map(ToString::to_string).collect(),
            why: row.why,
        };
        Self {
            headline,
            since: report.since.map(|since| since.to_string()),
            requests: report.requests,
            changed: report.changes.values().sum(),
            changes,
            before: report.before.into(),
            after: report.after.into(),
            estimated: report.estimated,
            rows: report.rows.into_iter().map(row).collect(),
            left_off: report.left_off,
            notes: report.notes,
        }
    }
}

impl From<Found> for PolicySuggestions {
    fn from(found: Found) -> Self {
        let item = |item: ajar_policy::Suggestion| Suggestion {
            kind: item.kind.to_owned(),
            rule: item.rule.to_string(),
            place: item.spot.map(|spot| spot.to_string()),
            message: item.message,
            evidence: item.evidence,
            examples: item.examples.iter().map(ToString::to_string).collect(),
            change: item.change,
        };
        Self {
            since: found.since.map(|since| since.to_string()),
            requests: found.requests,
            items: found.items.into_iter().map(item).collect(),
            notes: found.notes,
        }
    }
}
