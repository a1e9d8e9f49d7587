//! The files: what is in force, who put it there, what would come of others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Finding;

/// Files to be compared or put in force: path → text.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyFiles {
    /// The files of the directory.
    pub files: BTreeMap<String, String>,
    /// The commit they come from.
    #[serde(default)]
    pub commit: Option<String>,
    /// Only if this is in force now: a hash, or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
}

/// What would come of putting files in force.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyPlan {
    /// SHA-256 over the files.
    pub hash: String,
    /// The hash of what is in force, with which they were compared.
    pub in_force: Option<String>,
    /// What differs.
    pub changes: Vec<PolicyChange>,
    /// Principals seen for the first time.
    pub added: usize,
    /// Who could do nothing any more.
    pub disabled: Vec<String>,
    /// Grants that would close.
    pub grants: Vec<PlannedEnd>,
    /// Requests that would be denied, or ask for more.
    pub requests: Vec<PlannedTurn>,
}

/// Something that is new, gone or different.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyChange {
    /// `added`, `removed` or `changed`.
    pub change: String,
    /// `resource`, `rule`, `group`, `user`, `workload`, …
    pub thing: String,
    /// Its name.
    pub name: String,
    /// The keys that differ, if it is there before and after.
    pub keys: Vec<PolicyKeyChange>,
    /// The same in one line.
    pub text: String,
}

/// A key that differs: a value that was and is, or what a list gained and lost.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyKeyChange {
    /// The key.
    pub key: String,
    /// What it was.
    pub from: Option<String>,
    /// What it is.
    pub to: Option<String>,
    /// What is new in the list.
    pub added: Vec<String>,
    /// What is gone from it.
    pub removed: Vec<String>,
}

/// A grant that would close.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PlannedEnd {
    /// Its id.
    pub id: String,
    /// Whose.
    pub principal: String,
    /// On what.
    pub resource: String,
    /// As what.
    pub role: String,
    /// Why: `principal_disabled`, `resource_removed`.
    pub because: String,
    /// Live sessions that would be cut.
    pub sessions: usize,
}

/// A pending request that would change.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PlannedTurn {
    /// Its id.
    pub id: String,
    /// Whose.
    pub requester: String,
    /// What was asked for: `write on orders-db`.
    pub asks: Vec<String>,
    /// `stricter`, or `denied`.
    pub becomes: String,
    /// Why it would be denied.
    pub because: Option<String>,
}

/// What came of applying files.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyApplied {
    /// SHA-256 over the files.
    pub hash: String,
    /// Whether anything changed.
    pub changed: bool,
    /// Principals seen for the first time.
    pub added: usize,
    /// Principals that can't do anything any more.
    pub disabled: usize,
    /// What differed, and what came of it.
    pub plan: PolicyPlan,
    /// What a check of new and changed resources found.
    pub findings: Vec<Finding>,
    /// New and changed resources that were not checked, because there are many: `ajar doctor` does.
    pub unchecked: usize,
}

/// Files that were put in force once.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyEntry {
    /// The event's number in the ledger.
    pub seq: u64,
    /// When.
    pub at: String,
    /// Who.
    pub by: String,
    /// The commit they come from, if it was said.
    pub commit: Option<String>,
    /// SHA-256 over them.
    pub hash: String,
    /// What was there before.
    pub previous: Option<String>,
}

/// What is in force.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyInForce {
    /// Who put it there, when, from which commit.
    pub applied: PolicyEntry,
    /// The files: path → text.
    pub files: BTreeMap<String, String>,
}
