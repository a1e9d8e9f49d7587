//! Why the rules answer as they do: each rule that could speak of a question, whether it does, and what it asks for.

use ajar_core::name::RuleName;
use ajar_core::plan::Plan;
use ajar_core::time::Span;

use crate::bound::Bound;
use crate::decide::{Decision, Question, Says};
use crate::rules::{Effect, Rule};

/// The rules' answer, with each rule's part in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The answer.
    pub decision: Decision,
    /// The rules for this role on this resource, by name.
    pub rules: Vec<RulePart>,
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

impl Bound {
    /// Explains the answer to `question`. Rules that don't match are told of only with `all`: their names are not for everybody (I20).
    #[must_use]
    pub fn explain(&self, question: &Question, all: bool) -> Explanation {
        let parts = self.rules_on(&question.resource, &question.role).map(|rule| self.part(rule, question));
        Explanation { decision: self.decide(question), rules: parts.filter(|part| all || part.passed_over.is_none()).collect() }
    }

    fn part(&self, rule: &Rule, question: &Question) -> RulePart {
        let asking = self.asking(question);
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
            Effect::Allow(terms) => ("allow", Some(self.routine(rule, terms, Some(&asking)))),
            Effect::BreakGlass(terms) => ("break_glass", Some(self.emergency(rule, terms))),
        };
        let lacks = terms.as_ref().filter(|_| passed_over.is_none()).and_then(|terms| terms.lacks(question)).map(|(_, lacks, _)| lacks);
        RulePart { rule: rule.name.clone(), effect, passed_over, max: terms.as_ref().map(|t| t.max), plan: terms.map(|t| t.plan), lacks }
    }
}
