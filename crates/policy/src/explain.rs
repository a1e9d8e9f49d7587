//! Why the rules answer as they do: each rule that could speak of a question, whether it does, and what it asks for.

use std::collections::BTreeSet;

use ajar_core::id::PrincipalId;
use ajar_core::name::RuleName;
use ajar_core::plan::{Candidates, Course, Facts, Opening, Plan, Stage, Standing, Subject};
use ajar_core::time::Span;

use crate::bound::Bound;
use crate::decide::{Asking, Decision, Question, Says};
use crate::rules::{Effect, Rule};
use crate::wants::Wants;

/// The rules' answer, with each rule's part in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The answer.
    pub decision: Decision,
    /// The rules for this role on this resource, by name.
    pub rules: Vec<RulePart>,
    /// What the question must carry; nothing where the rules let nothing be asked for.
    pub wants: Wants,
}

/// One rule's part in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulePart {
    /// Which.
    pub rule: RuleName,
    /// What it does to what it matches: `allow`, `deny` or `break_glass`.
    pub effect: &'static str,
    /// Why it says nothing of this question; `None` when it matches.
    pub passed_over: Option<String>,
    /// Alone, it would allow so long; `None` for a rule that denies.
    pub max: Option<Span>,
    /// Alone, it would ask for this.
    pub plan: Option<Plan>,
    /// What the question does not carry and this rule asks for.
    pub lacks: Option<String>,
}

/// Who could decide a stage, before anybody has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Able {
    /// They: who is asked, less who asks.
    pub people: BTreeSet<PrincipalId>,
    /// Whether they are enough humans.
    pub enough: bool,
}

impl Able {
    /// Who could decide `stage` of a request.
    #[must_use]
    pub fn to_decide(stage: &Stage, subject: Subject<'_>, facts: &dyn Facts) -> Self {
        // Alone in a plan, a stage that nobody has decided waits.
        let alone = Plan { rules: Vec::new(), stages: vec![stage.clone()], opening: Opening::default(), low_risk: false };
        let standing = alone.standing(subject, &Course::default(), &[], facts);
        let enough = standing.can_be_fulfilled(facts);
        let people = match standing {
            Standing::Waiting { asked, .. } => asked,
            Standing::Met => BTreeSet::new(),
        };
        Self { people, enough }
    }
}

/// A rule that a request only just escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stricter {
    /// Which.
    pub rule: RuleName,
    /// The condition that does not hold.
    pub condition: String,
    /// What it would come to, in words.
    pub would: String,
}

impl Bound {
    /// The rules that say nothing of `question` only because their condition does not hold, and that would make it stricter if it did.
    #[must_use]
    pub fn stricter(&self, question: &Question) -> Vec<Stricter> {
        let Decision::Allowed(allowed) = self.decide(question) else { return Vec::new() };
        let asking = self.asking(question);
        let silent = asking.rules.iter().copied().filter(|rule| asking.says(rule) == Says::NothingNow);
        let stricter = silent.filter_map(|rule| {
            let terms = match &rule.effect {
                Effect::Deny => None,
                Effect::Allow(terms) => Some(self.routine(rule, terms, Some(&asking))),
                Effect::BreakGlass(terms) => Some(self.emergency(rule, terms)),
            };
            let would = match terms {
                None => "it would be denied".to_owned(),
                Some(terms) => {
                    let plan = allowed.plan.clone().combine(&terms.plan);
                    let max = allowed.max.min(terms.max);
                    let longer = (plan.stages != allowed.plan.stages).then(|| format!("it would need {}", self.plan_words(&plan)));
                    let shorter = (max < allowed.max).then(|| format!("{max} would be the most"));
                    let would: Vec<String> = longer.into_iter().chain(shorter).collect();
                    (!would.is_empty()).then(|| would.join(", and "))?
                }
            };
            let condition = rule.when.as_ref().map(|when| when.as_str().to_owned()).unwrap_or_default();
            Some(Stricter { rule: rule.name.clone(), condition, would })
        });
        stricter.collect()
    }

    /// A plan in words: `2 of group:dbas or owners, then 1 of manager`; `nobody` without stages.
    #[must_use]
    pub fn plan_words(&self, plan: &Plan) -> String {
        if plan.stages.is_empty() {
            return "nobody".into();
        }
        plan.stages.iter().map(|stage| self.stage_words(stage)).collect::<Vec<_>>().join(", then ")
    }

    fn stage_words(&self, stage: &Stage) -> String {
        let names: Vec<String> = stage.candidates.iter().map(|c| self.candidates_words(c)).collect();
        format!("{} of {}", stage.needed, if names.is_empty() { "nobody".to_owned() } else { names.join(" or ") })
    }

    fn candidates_words(&self, candidates: &Candidates) -> String {
        match candidates {
            Candidates::Group(group) => format!("group:{group}"),
            Candidates::Owners => "owners".into(),
            Candidates::Manager => "manager".into(),
            Candidates::OnCall(schedule) => format!("on-call:{schedule}"),
            Candidates::Person(id) => format!("user:{}", self.name(*id)),
        }
    }

    /// The name of a principal; the id of one that the files don't have.
    #[must_use]
    pub fn name(&self, id: PrincipalId) -> String {
        self.somebody(id).map_or_else(|| id.to_string(), |somebody| somebody.name.to_string())
    }

    /// Explains the answer to `question`. Rules that don't match are told of only with `all`: their names are not for everybody (I20).
    #[must_use]
    pub fn explain(&self, question: &Question, all: bool) -> Explanation {
        let asking = Asking::of(self, question, self.rules_on(&question.resource, &question.role).collect());
        let parts = asking.rules.iter().map(|rule| self.part(rule, &asking));
        let rules = parts.filter(|part| all || part.passed_over.is_none()).collect();
        Explanation { decision: self.decide(question), rules, wants: self.wants(question) }
    }

    /// The answer to `question` as if it carried whatever the rules ask it to carry: the decision alone.
    #[must_use]
    pub fn suppose(&self, question: &Question) -> Explanation {
        Explanation { decision: self.decide_bare(question), rules: Vec::new(), wants: Wants::default() }
    }

    fn part(&self, rule: &Rule, asking: &Asking<'_>) -> RulePart {
        let question = asking.question;
        let condition = rule.when.as_ref().map(|when| when.as_str()).unwrap_or_default();
        let passed_over = match asking.says(rule) {
            _ if !self.is_for(rule, question.beneficiary) => Some(format!("it is for {}", rule.who)),
            Says::Something => None,
            Says::NothingNow => Some(format!("its condition does not hold: {condition}")),
            Says::OfTheOtherKind if question.emergency => Some("it is for routine requests, and this is an emergency".to_owned()),
            Says::OfTheOtherKind => Some("it is for emergencies".to_owned()),
        };
        let (effect, terms) = match &rule.effect {
            Effect::Deny => ("deny", None),
            Effect::Allow(terms) => ("allow", Some(self.routine(rule, terms, Some(asking)))),
            Effect::BreakGlass(terms) => ("break_glass", Some(self.emergency(rule, terms))),
        };
        let lacks = terms.as_ref().filter(|_| passed_over.is_none()).and_then(|terms| terms.lacks(question)).map(|(_, lack)| lack.message);
        RulePart { rule: rule.name.clone(), effect, passed_over, max: terms.as_ref().map(|t| t.max), plan: terms.map(|t| t.plan), lacks }
    }
}
