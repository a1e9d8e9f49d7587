//! What would come of a request, in the API's types: for the server, and for whoever tries rules out without one.

use std::collections::BTreeSet;

use ajar_core::id::PrincipalId;
use ajar_core::plan::{Candidates, Otherwise, Stage};
use ajar_engine::ExplainView;
use ajar_policy::Decision;

use crate::model;

type Name<'a> = &'a dyn Fn(PrincipalId) -> String;

pub(crate) fn stage(stage: &Stage, waiting: bool, name: Name<'_>) -> model::Stage {
    let names = |all: &[Candidates]| all.iter().map(|c| candidates(c, name)).collect::<Vec<_>>();
    model::Stage {
        from: names(&stage.candidates),
        needed: stage.needed.get(),
        within: stage.within.to_string(),
        otherwise: match &stage.otherwise {
            Otherwise::Deny => vec!["deny".into()],
            Otherwise::Next => vec!["next".into()],
            Otherwise::Escalate(chain) => chain.iter().map(|step| names(&step.0).join(" or ")).collect(),
        },
        waiting,
        have: None,
        until: None,
    }
}

fn candidates(candidates: &Candidates, name: Name<'_>) -> String {
    match candidates {
        Candidates::Group(group) => format!("group:{group}"),
        Candidates::Owners => "owners".into(),
        Candidates::Manager => "manager".into(),
        Candidates::OnCall(schedule) => format!("on-call:{schedule}"),
        Candidates::Person(id) => format!("user:{}", name(*id)),
    }
}

fn less(less: &ajar_engine::Less) -> model::Less {
    model::Less {
        role: less.role.to_string(),
        duration: less.duration.to_string(),
        outcome: less.outcome.word().to_owned(),
        words: less.words.clone(),
    }
}

/// `required`, or the pattern that it must fit; the first, where several rules have one each.
fn pattern(wanted: bool, patterns: &[String]) -> Option<String> {
    wanted.then(|| patterns.first().cloned().unwrap_or_else(|| "required".to_owned()))
}

/// What would come of a request, with `name` for who is who.
#[must_use]
pub fn explanation(view: ExplainView, name: &dyn Fn(PrincipalId) -> String) -> model::Explanation {
    let names = |ids: &[PrincipalId]| ids.iter().map(|id| name(*id)).collect::<BTreeSet<_>>().into_iter().collect();
    let stages = view.stages.iter().map(|s| model::ExplainedStage {
        stage: stage(&s.stage, false, name),
        able: names(&s.able),
        can_be_fulfilled: s.can_be_fulfilled,
        online: names(&s.online),
    });
    let part = |part: &ajar_policy::RulePart| model::RulePart {
        rule: part.rule.to_string(),
        effect: part.effect.to_owned(),
        passed_over: part.passed_over.clone(),
        max: part.max.map(|max| max.to_string()),
        stages: part.plan.iter().flat_map(|plan| &plan.stages).map(|s| stage(s, false, name)).collect(),
        lacks: part.lacks.clone(),
    };
    let wants = &view.explanation.wants;
    let (allowed, denied, why) = match &view.explanation.decision {
        Decision::Allowed(allowed) => (Some(allowed), None, None),
        Decision::Denied(denied) => (None, Some(denied), None),
        Decision::Refused(why) => (None, None, Some(why)),
    };
    let values = allowed.map(|a| &a.values).or(denied.map(|d| &d.values));
    let shut = view.lock.map(|_| ("it is locked".to_owned(), "'ajar locks' shows why, to whom it concerns".to_owned()));
    let owed = view.debt.map(|debt| (format!("a review is owed ({debt})"), "'ajar debts' shows who can give it".to_owned()));
    let shut = shut.or(owed);
    let refused = why.map(|why| [Some(why.message.clone()), why.detail.clone()].into_iter().flatten().collect::<Vec<_>>().join(": "));
    let denied = denied.map(|denied| format!("rule {} denies it", denied.rule));
    let refused = denied.or(refused);
    model::Explanation {
        outcome: view.outcome().word().to_owned(),
        resource: view.ask.resource.to_string(),
        role: view.ask.role.to_string(),
        duration: allowed.map(|a| a.duration.to_string()),
        max: allowed.map(|a| a.max.to_string()),
        refused: shut.as_ref().map(|(why, _)| why.clone()).or(refused),
        hint: shut.map(|(_, hint)| hint).or_else(|| why.and_then(|why| why.hint.clone())),
        stages: stages.collect(),
        alerted: names(&view.alerted),
        values: serde_json::to_value(values.cloned().unwrap_or_default()).unwrap_or_default(),
        rules: view.explanation.rules.iter().map(part).collect(),
        less: view.less.iter().map(less).collect(),
        low_risk: allowed.is_some_and(|a| a.plan.low_risk),
        reason_min: Some(wants.reason_min).filter(|min| *min > 0),
        reason: pattern(!wants.reason.is_empty(), &wants.reason),
        ticket: pattern(wants.ticket, &wants.tickets),
        scope: pattern(wants.scope, &wants.scopes),
        label: wants.words(),
    }
}
