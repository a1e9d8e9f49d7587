//! Rules that can't be meant so: ones that never match, stages that nobody can fulfil, rules that change nothing, teams that approve
//! their own. People and resources of whom the same rules speak are looked at together, and the work is bounded.

mod never;
mod shadow;
mod stages;
mod survey;
mod team;

use ajar_core::name::{ResourceName, RoleName, RuleName};
use ajar_core::resource::{Kind, Resource};
use ajar_core::time::Timestamp;

use crate::rules::{Effect, Rule, RuleSet, Spot};
use survey::Survey;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lint {
    /// Worst first, then by place.
    pub findings: Vec<Finding>,
    /// Whether some rules were too many to be looked at in every combination.
    pub cut_short: bool,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where the rule stands.
    pub spot: Option<Spot>,
    /// Which rule.
    pub rule: Option<RuleName>,
    /// What is so.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It can't work.
    Error,
    /// It is hardly meant so.
    Warning,
    /// Good to know.
    Info,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

impl RuleSet {
    /// Looks for rules that can't be meant so, as things are at `now`.
    #[must_use]
    pub fn lint(&self, now: Timestamp) -> Lint {
        let bound = self.bind_draft(&std::collections::BTreeMap::new());
        let mut run = Run { survey: Survey::of(&bound, now), lint: Lint::default() };
        let dead = run.never();
        run.stages();
        run.survey.refill();
        run.shadowed(&dead);
        run.survey.refill();
        run.teams();
        run.loose_ends();
        run.survey.refill();
        run.past_the_gateway();
        run.lint.findings.sort();
        run.lint
    }
}

struct Run<'a> {
    survey: Survey<'a>,
    lint: Lint,
}

impl Run<'_> {
    fn found(&mut self, severity: Severity, rule: &Rule, message: impl Into<String>, help: impl Into<String>) {
        let spot = self.survey.bound.set().place(&rule.name).cloned();
        self.lint.findings.push(Finding { severity, spot, rule: Some(rule.name.clone()), message: message.into(), help: help.into() });
    }

    /// What people are let into where nothing is recorded and nobody cuts.
    fn past_the_gateway(&mut self) {
        let direct: Vec<(&ResourceName, &RoleName)> = self.survey.bound.resources().flat_map(|resource| direct(resource)).collect();
        for rule in self.survey.rules().filter(|rule| rule.effect != Effect::Deny) {
            if !self.survey.spend(direct.len()) {
                self.lint.cut_short = true;
                return;
            }
            let mine = direct.iter().filter(|(resource, role)| rule.resources.contains(*resource) && rule.roles.contains(*role));
            let mine = some(mine.map(|(resource, role)| format!("{resource}/{role}")));
            if !mine.is_empty() {
                let message = format!("sessions of {mine} may go past the gateway: not recorded, not cut");
                self.found(Severity::Info, rule, message, "leave out direct = true where they are to be");
            }
        }
    }

    /// What nobody needs to approve, and might be meant to be approved.
    fn loose_ends(&mut self) {
        for rule in self.survey.rules() {
            let Effect::Allow(terms) = &rule.effect else { continue };
            if !terms.stages.is_empty() && terms.auto_when.is_none() && terms.stages.iter().all(|stage| stage.when.is_some()) {
                let message = "each of its stages has a condition: what fits none of them is approved automatically";
                self.found(Severity::Info, rule, message, "say so with auto_when, or have one stage without a condition");
            }
            let prod = |name| self.survey.bound.resource(name).is_some_and(|r| r.labels.get("env").is_some_and(|env| env == "prod"));
            if terms.stages.is_empty()
                && rule.when.is_none()
                && let Some(resource) = rule.resources.iter().find(|name| prod(name))
            {
                let message =
                    format!("it approves automatically on {resource}, which is labelled env = \"prod\", whatever the circumstances");
                self.found(Severity::Info, rule, message, "a condition narrows it: when = \"context.hours.…\"");
            }
        }
    }
}

/// The roles of a host whose sessions may go past the gateway.
fn direct(resource: &Resource) -> Vec<(&ResourceName, &RoleName)> {
    match &resource.kind {
        Kind::Ssh(host) => host.roles.iter().filter(|(_, role)| role.direct).map(|(name, _)| (&resource.name, name)).collect(),
        Kind::Postgres(_) | Kind::Http(_) => Vec::new(),
    }
}

/// Some names, for a message: the first three, and how many more.
fn some<T: ToString>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|n| n.to_string()).collect();
    let shown = names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(3) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
