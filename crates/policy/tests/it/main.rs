//! What the files mean, in the words of the design.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod apis;
mod conditions;
mod corpus;
mod decisions;
mod diff;
mod files;
mod hosts;
mod lint;
mod made;
mod past;
mod suite;

use std::collections::BTreeMap;

use ajar_core::id::{PrincipalId, RequestId};
use ajar_core::name::PrincipalName;
use ajar_core::plan::Plan;
use ajar_core::request::{Ask, Filed};
use ajar_core::sealed::Commitment;
use ajar_core::time::{Span, Timestamp};
use ajar_policy::{Bound, Files, Problem, RuleSet, parse};
use uuid::Uuid;

/// A small company: two engineers (one with a second account), owners, a manager, a workload, two databases.
pub(crate) const BASE: &str = r#"
[[resource]]
name = "orders-db"
kind = "postgres"
labels = { env = "prod" }
owners = ["group:orders"]
default_role = "read"
host = "127.0.0.1"
database = "orders"
tls = "off"
admin = { user = "ajar_admin", password = { env = "ORDERS" } }
[resource.roles.read]
member_of = ["orders_read"]
[resource.roles.write]
grants = ["SELECT, INSERT ON ALL TABLES IN SCHEMA public"]

[[resource]]
name = "users-db"
kind = "postgres"
labels = { env = "test" }
owners = ["user:peer"]
host = "127.0.0.1"
database = "users"
tls = "system"
admin = { user = "ajar_admin", password = { file = "pw" } }
[resource.roles.read]
member_of = ["users_read"]

[[group]]
name = "engineers"
members = ["dev", "peer", "ci"]
[[group]]
name = "orders"
members = ["peer", "dev-admin"]

[[user]]
name = "dev"
manager = "boss"
[[user]]
name = "dev-admin"
same_person_as = ["dev"]
[[user]]
name = "peer"
[[user]]
name = "boss"
may = ["operate"]
[[user]]
name = "gone"
disabled = true
[[workload]]
name = "ci"
"#;

/// The commonest rule, in six lines.
pub(crate) const READ: &str = r#"
[[rule]]
name = "engineers-read-orders"
who = ["group:engineers"]
resources = ["orders-db"]
roles = ["read"]
max = "4h"
approve = { from = ["owners"] }
"#;

pub(crate) fn files(texts: &[&str]) -> Files {
    texts.iter().enumerate().map(|(i, text)| (format!("{i}.toml"), (*text).to_owned())).collect()
}

pub(crate) fn good(texts: &[&str]) -> RuleSet {
    parse(&files(texts)).unwrap_or_else(|problems| panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}

pub(crate) fn problems(texts: &[&str]) -> Vec<Problem> {
    parse(&files(texts)).expect_err("these files are wrong")
}

pub(crate) fn ids(rules: &RuleSet) -> BTreeMap<PrincipalName, PrincipalId> {
    rules.principals().zip(1..).map(|(p, n)| (p.name, PrincipalId::new(Uuid::from_u128(n)))).collect()
}

pub(crate) struct Company {
    pub(crate) bound: Bound,
    ids: BTreeMap<PrincipalName, PrincipalId>,
}

impl Company {
    pub(crate) fn with(rules: &[&str]) -> Self {
        let set = good(&[&[BASE], rules].concat());
        let ids = ids(&set);
        Self { bound: set.bind(&ids), ids }
    }

    pub(crate) fn id(&self, name: &str) -> PrincipalId {
        self.ids[&name.parse::<PrincipalName>().unwrap()]
    }
}

/// A request for orders-db/read that somebody filed.
pub(crate) fn filed(company: &Company, who: &str, ticket: Option<&str>, starts_at: Option<&str>) -> Filed {
    Filed {
        id: RequestId::new(Uuid::from_u128(1)),
        requester: company.id(who),
        beneficiary: company.id(who),
        asks: vec![Ask { resource: "orders-db".parse().unwrap(), role: "read".parse().unwrap() }],
        duration: Span::from_secs(60),
        reason: Commitment::of(&[0; 32], ""),
        ticket: ticket.map(str::to_owned),
        scope: None,
        plan: Plan { rules: Vec::new(), stages: Vec::new(), opening: ajar_core::plan::Opening::default(), low_risk: false },
        rules_hash: String::new(),
        proof: None,
        at: Timestamp::EPOCH,
        starts_at: starts_at.map(|at| at.parse().unwrap()),
        emergency: None,
        extends: None,
        expires_at: Timestamp::EPOCH,
    }
}
