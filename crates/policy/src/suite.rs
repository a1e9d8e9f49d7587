//! The tests in the files: each question asked, each answer compared, and what no test has touched.

use std::collections::{BTreeMap, BTreeSet};

use ajar_core::history::History;
use ajar_core::id::PrincipalId;
use ajar_core::name::{PrincipalName, RuleName};
use ajar_core::plan::{Plan, Subject};

use crate::bound::Bound;
use crate::condition::Condition;
use crate::decide::{Allowed, Asking, Decision, Question, Says};
use crate::explain::Able;
use crate::rules::{Effect, Expect, Key, Rule, RuleSet, Spot, Takes, Test};

/// What came of the tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// Each, in the order of the files.
    pub results: Vec<TestResult>,
    /// What they touch.
    pub coverage: Coverage,
}

/// What came of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub spot: Spot,
    /// What the rules answer, in words.
    pub found: String,
    /// What was expected instead, each in words; nothing when it passed.
    pub wrong: Vec<String>,
}

impl TestResult {
    /// Whether the answer was the expected one.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.wrong.is_empty()
    }
}

/// Which rules, and which sides of their conditions, some test has touched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Rules that say nothing of any test.
    pub untouched: Vec<RuleName>,
    /// Conditions that no test has seen both true and false.
    pub conditions: Vec<ConditionSeen>,
    /// Rules, and sides of conditions, that were touched.
    pub reached: usize,
    /// All of them.
    pub points: usize,
}

impl Coverage {
    /// What was touched, in whole per cent, rounded down; 100 when there is nothing.
    #[must_use]
    pub fn percent(&self) -> usize {
        (self.reached * 100).checked_div(self.points).unwrap_or(100)
    }
}

/// A condition, and how it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionSeen {
    /// Whose.
    pub rule: RuleName,
    /// The key that it stands behind: `when`, `auto_when`, `stage 2`.
    pub part: String,
    /// The condition.
    pub condition: String,
    /// Whether a test has seen it true.
    pub seen_true: bool,
    /// Whether a test has seen it false.
    pub seen_false: bool,
}

#[derive(Default)]
struct Seen {
    rules: BTreeSet<RuleName>,
    conditions: BTreeMap<(RuleName, Key), (bool, bool)>,
}

impl RuleSet {
    /// Runs the tests in the files.
    #[must_use]
    pub fn run_tests(&self) -> Suite {
        let bound = self.bind_draft(&BTreeMap::new());
        let mut seen = Seen::default();
        let results = self.tests.iter().map(|test| run(&bound, test, &mut seen)).collect();
        let mut coverage = Coverage::default();
        for rule in &bound.set().rules {
            coverage.points += 1;
            if seen.rules.contains(&rule.name) {
                coverage.reached += 1;
            } else {
                coverage.untouched.push(rule.name.clone());
            }
            for (key, condition) in rule.conditions() {
                let (seen_true, seen_false) = seen.conditions.get(&(rule.name.clone(), key)).copied().unwrap_or_default();
                coverage.points += 2;
                coverage.reached += usize::from(seen_true) + usize::from(seen_false);
                if !(seen_true && seen_false) {
                    let (part, condition) = (key.to_string(), condition.as_str().to_owned());
                    coverage.conditions.push(ConditionSeen { rule: rule.name.clone(), part, condition, seen_true, seen_false });
                }
            }
        }
        Suite { results, coverage }
    }
}

fn run(bound: &Bound, test: &Test, seen: &mut Seen) -> TestResult {
    let somebody = |name: &PrincipalName| bound.id_of(name);
    let beneficiary = somebody(&test.who);
    let asks = test.by.as_ref().map_or(beneficiary, somebody);
    let Some((beneficiary, principal)) = beneficiary.zip(asks) else {
        let wrong = vec!["somebody whom the files have".to_owned()];
        return TestResult { name: test.name.clone(), spot: test.spot.clone(), found: "nobody asks".into(), wrong };
    };
    let question = Question {
        beneficiary,
        duration: test.duration,
        reason: test.reason.clone(),
        ticket: test.ticket.clone(),
        scope: test.scope.clone(),
        emergency: test.emergency,
        extension: test.extension,
        proof: test.proof,
        recent: test.recent,
        ..Question::new(principal, test.ask.resource.clone(), test.ask.role.clone(), test.at)
    };
    if bound.enabled(principal) && bound.enabled(beneficiary) {
        seen.all(bound, &question);
    }
    let decision = bound.decide(&question);
    let wrong = wrong(bound, &question, &decision, &test.expect);
    TestResult { name: test.name.clone(), spot: test.spot.clone(), found: bound.decision_words(&decision), wrong }
}

impl Seen {
    fn all(&mut self, bound: &Bound, question: &Question) {
        let asking = bound.asking(question);
        for rule in asking.rules.iter().copied() {
            let says = asking.says(rule);
            if says == Says::OfTheOtherKind {
                continue;
            }
            if let Some(when) = &rule.when {
                self.look(&asking, rule, Key::When, when);
            }
            if says == Says::Something {
                self.rules.insert(rule.name.clone());
                self.terms(&asking, rule);
            }
        }
    }

    fn terms(&mut self, asking: &Asking<'_>, rule: &Rule) {
        let Effect::Allow(terms) = &rule.effect else { return };
        let own = terms.extend.stages.as_ref().filter(|_| asking.question.extension.is_some());
        let automatic = terms.auto_when.as_ref().filter(|_| own.is_none()).is_some_and(|when| {
            self.look(asking, rule, Key::AutoWhen, when);
            asking.holds(when) == Some(true)
        });
        let key = if own.is_some() { Key::ExtensionStage } else { Key::Stage };
        let stages = own.unwrap_or(&terms.stages).iter().zip(1..).filter(|_| !automatic);
        for (n, when) in stages.filter_map(|(stage, n)| Some((n, stage.when.as_ref()?))) {
            self.look(asking, rule, key(n), when);
        }
    }

    fn look(&mut self, asking: &Asking<'_>, rule: &Rule, key: Key, condition: &Condition) {
        let seen = self.conditions.entry((rule.name.clone(), key)).or_default();
        match asking.holds(condition) {
            Some(true) => seen.0 = true,
            Some(false) => seen.1 = true,
            None => {}
        }
    }
}

/// What was expected and is not so.
fn wrong(bound: &Bound, question: &Question, decision: &Decision, expect: &Expect) -> Vec<String> {
    let (allowed, so) = match (decision, expect) {
        (Decision::Allowed(allowed), Expect::Takes(takes)) => return differs(bound, question, allowed, takes),
        (Decision::Allowed(allowed), _) => (Some(allowed), false),
        (Decision::Refused(_), Expect::Refused) => (None, true),
        (Decision::Denied(denied), Expect::DeniedBy(rule)) => (None, denied.rule == *rule),
        (Decision::Refused(why), Expect::DeniedBy(rule)) => (None, why.rule.as_ref() == Some(rule) && bound.denies(rule)),
        (Decision::Denied(_) | Decision::Refused(_), _) => (None, false),
    };
    let so = match (allowed, expect) {
        (Some(allowed), Expect::Auto) => allowed.emergency.is_none() && allowed.plan.stages.is_empty(),
        (Some(allowed), Expect::Emergency) => allowed.emergency.is_some(),
        (_, Expect::Auto | Expect::Emergency | Expect::Refused | Expect::DeniedBy(_) | Expect::Takes(_)) => so,
    };
    if so { Vec::new() } else { vec![expected(expect)] }
}

fn expected(expect: &Expect) -> String {
    match expect {
        Expect::Auto => "approved automatically".into(),
        Expect::Emergency => "an emergency that opens at once".into(),
        Expect::Refused => "refused".into(),
        Expect::DeniedBy(rule) => format!("denied by rule {rule}"),
        Expect::Takes(Takes { needs: Some(needs), .. }) => format!("needs {}", needs_words(needs)),
        Expect::Takes(_) => "something that may be asked for".into(),
    }
}

fn needs_words(needs: &[(std::num::NonZeroU8, Vec<crate::rules::Candidate>)]) -> String {
    let one = |(needed, from): &(_, Vec<crate::rules::Candidate>)| {
        format!("{needed} of {}", from.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "))
    };
    if needs.is_empty() { "nobody".into() } else { needs.iter().map(one).collect::<Vec<_>>().join(", then ") }
}

fn differs(bound: &Bound, question: &Question, allowed: &Allowed, takes: &Takes) -> Vec<String> {
    let Takes { needs, max, low_risk, can_approve, cannot_approve } = takes;
    let reviews = allowed.emergency.as_ref().map_or(&allowed.plan.stages, |emergency| &emergency.reviews);
    let mut wrong = Vec::new();
    if let Some(needs) = needs {
        let same = needs.len() == reviews.len()
            && needs.iter().zip(reviews).all(|((needed, from), stage)| *needed == stage.needed && bound.named(from) == stage.candidates);
        if !same {
            wrong.push(format!("needs {}", needs_words(needs)));
        }
    }
    if let Some(max) = max.filter(|max| *max != allowed.max) {
        wrong.push(format!("{max} at the most"));
    }
    if let Some(low) = low_risk.filter(|low| *low != allowed.plan.low_risk) {
        wrong.push(if low { "of low risk".to_owned() } else { "not of low risk".to_owned() });
    }
    if can_approve.is_empty() && cannot_approve.is_empty() {
        return wrong;
    }
    let history = History::default();
    let at = bound.at(&history, question.at);
    let resources = [question.resource.clone()];
    let subject = Subject { requester: question.principal, beneficiary: question.beneficiary, resources: &resources };
    let able: BTreeSet<PrincipalId> = reviews.iter().flat_map(|stage| Able::to_decide(stage, subject, &at).people).collect();
    let could = |name: &&PrincipalName| bound.id_of(name).is_some_and(|id| able.contains(&id));
    wrong.extend(can_approve.iter().filter(|name| !could(name)).map(|name| format!("{name} can approve")));
    wrong.extend(cannot_approve.iter().filter(could).map(|name| format!("{name} can't approve")));
    wrong
}

impl Bound {
    /// Whether a rule is one that denies.
    pub(crate) fn denies(&self, rule: &RuleName) -> bool {
        self.set().rules.iter().any(|r| r.name == *rule && r.effect == Effect::Deny)
    }

    /// An answer in words.
    #[must_use]
    pub fn decision_words(&self, decision: &Decision) -> String {
        match decision {
            Decision::Denied(denied) => format!("denied by rule {}", denied.rule),
            Decision::Refused(why) => {
                let more = why.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
                format!("refused: {}{more}", why.message)
            }
            Decision::Allowed(allowed) => match &allowed.emergency {
                Some(emergency) => {
                    let reviews = Plan { stages: emergency.reviews.clone(), ..allowed.plan.clone() };
                    format!("an emergency, to be reviewed by {}, {} at the most", self.plan_words(&reviews), allowed.max)
                }
                None if allowed.plan.stages.is_empty() => format!("approved automatically, {} at the most", allowed.max),
                None => {
                    let risk = if allowed.plan.low_risk { ", of low risk" } else { "" };
                    format!("needs {}, {} at the most{risk}", self.plan_words(&allowed.plan), allowed.max)
                }
            },
        }
    }
}
