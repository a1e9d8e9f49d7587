//! The files: compare, put in force, see what is and who put it there.

use ajar_engine::{AppliedView, ApplyError, PolicyPlan, Turn};
use ajar_policy::{Change, Differs, How, Thing};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;

use crate::caller::{Reader, Writer};
use crate::model::{self, Finding, Page, PolicyApplied, PolicyEntry, PolicyFiles, PolicyInForce, Problem};
use crate::problem::Refused;
use crate::{Api, convert};

/// New and changed resources that an apply checks; a company's thousands would take for ever.
const CHECKED: usize = 20;
/// Entries of the log in one answer.
const LOG_MAX: usize = 500;

/// Validates files and puts them in force, then checks new and changed resources: for operators.
#[utoipa::path(post, path = "/api/v1/policy", security(("token" = [])), request_body = PolicyFiles, responses((status = 200, body = PolicyApplied), (status = 401, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn policy_apply(
    State(api): State<Api>,
    Writer(caller): Writer,
    Json(body): Json<PolicyFiles>,
) -> Result<Json<PolicyApplied>, Refused> {
    if !api.engine.operates(&caller).await {
        return Err(Refused::new(StatusCode::FORBIDDEN, "denied", "applying rules is for operators"));
    }
    let PolicyFiles { files, commit, expect } = body;
    let applied = api.engine.policy_apply_expecting(caller.actor, files, commit, expect).await.map_err(refused)?;
    let rules = api.engine.rules();
    let fresh = |change: &&Change| change.thing == Thing::Resource && change.how != How::Removed;
    let fresh = applied.plan.changes.iter().filter(fresh).filter_map(|change| rules.resource(&change.name.parse().ok()?).cloned());
    let mut fresh: Vec<_> = if applied.changed { fresh.collect() } else { Vec::new() };
    let unchecked = fresh.len().saturating_sub(CHECKED);
    fresh.truncate(CHECKED);
    // Whoever took their own right away has applied all the same.
    let found = api.engine.probe(&caller, fresh).await.unwrap_or_default();
    let findings: Vec<Finding> =
        found.into_iter().flat_map(|(name, list)| list.into_iter().map(move |f| convert::finding(name.as_str(), f))).collect();
    Ok(Json(PolicyApplied {
        hash: applied.hash,
        changed: applied.changed,
        added: applied.added,
        disabled: applied.disabled,
        plan: plan(&api, applied.plan),
        findings,
        unchecked,
    }))
}

/// What would come of putting files in force, without doing it: for auditors and operators. It changes nothing, so that a token for
/// reading is enough.
#[utoipa::path(post, path = "/api/v1/policy/plan", security(("token" = [])), request_body = PolicyFiles, responses((status = 200, body = model::PolicyPlan), (status = 401, body = Problem), (status = 403, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn policy_plan(
    State(api): State<Api>,
    Reader(caller): Reader,
    Json(body): Json<PolicyFiles>,
) -> Result<Json<model::PolicyPlan>, Refused> {
    let planned = api.engine.policy_plan(&caller, body.files).await.map_err(refused)?;
    Ok(Json(plan(&api, planned)))
}

/// What is in force, with its files: for auditors and operators.
#[utoipa::path(get, path = "/api/v1/policy", security(("token" = [])), responses((status = 200, body = PolicyInForce), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn policy_show(State(api): State<Api>, Reader(caller): Reader) -> Result<Json<PolicyInForce>, Refused> {
    let (view, files) = api.engine.policy_in_force(&caller).await?;
    Ok(Json(PolicyInForce { applied: entry(&api, view), files }))
}

/// How much of the log.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct HowMuch {
    /// At most so many (50 unless said, 500 at the most).
    #[serde(default)]
    limit: Option<usize>,
}

/// Who put what in force, from which commit, newest first: for auditors and operators.
#[utoipa::path(get, path = "/api/v1/policy/log", security(("token" = [])), params(HowMuch), responses((status = 200, body = Page<PolicyEntry>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn policy_log(
    State(api): State<Api>,
    Reader(caller): Reader,
    Query(much): Query<HowMuch>,
) -> Result<Json<Page<PolicyEntry>>, Refused> {
    let views = api.engine.policy_log(&caller, much.limit.unwrap_or(50).min(LOG_MAX)).await?;
    Ok(Json(Page { items: views.into_iter().map(|view| entry(&api, view)).collect(), next: None }))
}

/// The JSON Schema of the files.
#[utoipa::path(get, path = "/api/v1/policy/schema", security(("token" = [])), responses((status = 200, content_type = "application/schema+json"), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn policy_schema(_caller: Reader) -> Json<serde_json::Value> {
    Json(ajar_policy::schema())
}

pub(super) fn refused(error: ApplyError) -> Refused {
    match error {
        ApplyError::Problems(problems) => {
            Refused::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong_files", "the files are wrong; what was in force stays so")
                .with_problems(problems.iter().map(ToString::to_string).collect())
        }
        ApplyError::MovedOn { expected, found } => {
            let title = "something else is in force by now than what was compared with";
            Refused::new(StatusCode::CONFLICT, "moved_on", title)
                .with_problems(vec![format!("in force is {found}, expected was {}", expected.escape_debug())])
                .with_hint("look again: ajar policy diff DIR")
        }
        ApplyError::Refused(refusal) => refusal.into(),
    }
}

fn entry(api: &Api, view: AppliedView) -> PolicyEntry {
    let AppliedView { seq, by, applied } = view;
    PolicyEntry {
        seq,
        at: applied.at.to_string(),
        by: api.engine.actor_name(&by),
        commit: applied.commit,
        hash: applied.hash,
        previous: applied.previous,
    }
}

fn plan(api: &Api, plan: PolicyPlan) -> model::PolicyPlan {
    let PolicyPlan { hash, in_force, changes, added, disabled, grants, requests } = plan;
    let grants = grants.into_iter().map(|end| model::PlannedEnd {
        id: end.id.to_string(),
        principal: api.engine.name(end.principal),
        resource: end.resource.to_string(),
        role: end.role.to_string(),
        because: end.because,
        sessions: end.sessions,
    });
    let requests = requests.into_iter().map(|request| {
        let (becomes, because) = match &request.turn {
            Turn::Stricter => ("stricter", None),
            Turn::Denied(because) => ("denied", Some(convert::denied_because(because))),
        };
        model::PlannedTurn {
            id: request.id.to_string(),
            requester: api.engine.name(request.requester),
            asks: request.asks.iter().map(|ask| format!("{} on {}", ask.role, ask.resource)).collect(),
            becomes: becomes.to_owned(),
            because,
        }
    });
    model::PolicyPlan {
        hash,
        in_force,
        changes: changes.iter().map(change).collect(),
        added,
        disabled: disabled.into_iter().map(|id| api.engine.name(id)).collect(),
        grants: grants.collect(),
        requests: requests.collect(),
    }
}

fn change(change: &Change) -> model::PolicyChange {
    let (word, keys) = match &change.how {
        How::Added => ("added", Vec::new()),
        How::Removed => ("removed", Vec::new()),
        How::Changed(keys) => ("changed", keys.clone()),
    };
    let keys = keys.into_iter().map(|key| {
        let (from, to, added, removed) = match key.differs {
            Differs::One { from, to } => (from, to, Vec::new(), Vec::new()),
            Differs::Many { added, removed } => (None, None, added, removed),
        };
        model::PolicyKeyChange { key: key.key, from, to, added, removed }
    });
    model::PolicyChange {
        change: word.to_owned(),
        thing: change.thing.word().to_owned(),
        name: change.name.clone(),
        keys: keys.collect(),
        text: change.to_string(),
    }
}
