//! What may be asked for, and what it takes.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use ajar_core::debt::Emergency;
use ajar_core::directory::PrincipalKind;
use ajar_core::event::Proof;
use ajar_core::grant::Scheduled;
use ajar_core::history::Recent;
use ajar_core::id::PrincipalId;
use ajar_core::name::{ResourceName, RoleName, RuleName};
use ajar_core::plan::{Candidates, Opening, Otherwise, Plan, Stage, Step};
use ajar_core::request::{Filed, InForce};
use ajar_core::time::{Span, Timestamp};

use crate::bound::{At, Bound};
use crate::condition::{self, Condition, Leaf, Value};
use crate::rules::{Candidate, Carries, Effect, EmergencyTerms, OtherwiseByName, Pattern, Rule, StageByName, Terms};
use crate::wants::Wants;

/// What somebody wants to know or have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Who asks.
    pub principal: PrincipalId,
    /// For whom.
    pub beneficiary: PrincipalId,
    /// What.
    pub resource: ResourceName,
    /// As what.
    pub role: RoleName,
    /// For how long; the rules' default unless said.
    pub duration: Option<Span>,
    /// Why.
    pub reason: String,
    /// The ticket.
    pub ticket: Option<String>,
    /// What exactly it is to be used for.
    pub scope: Option<String>,
    /// Whether it can't wait for a decision.
    pub emergency: bool,
    /// It goes on with a grant that was extended so often already.
    pub extension: Option<u8>,
    /// How who asks has proved who they are.
    pub proof: Option<Proof>,
    /// When it would begin.
    pub at: Timestamp,
    /// What lately became of such requests.
    pub recent: Recent,
}

impl Question {
    /// The plainest: for oneself, at `at`, with nothing else said.
    #[must_use]
    pub fn new(principal: PrincipalId, resource: ResourceName, role: RoleName, at: Timestamp) -> Self {
        Self {
            principal,
            beneficiary: principal,
            resource,
            role,
            duration: None,
            reason: String::new(),
            ticket: None,
            scope: None,
            emergency: false,
            extension: None,
            proof: None,
            at,
            recent: Recent::default(),
        }
    }
}

/// The rules' answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may be asked for, and this is what it takes.
    Allowed(Allowed),
    /// It may be asked for, and a rule denies it.
    Denied(Denied),
    /// It may not.
    Refused(Why),
}

/// The values that conditions looked at, by where they stand: `context.hours.office`.
pub type Values = BTreeMap<String, serde_json::Value>;

/// What a request takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The strictest combination of the matching rules' plans (I04).
    pub plan: Plan,
    /// For how long.
    pub duration: Span,
    /// The longest that it could be.
    pub max: Span,
    /// For an emergency: whom it alerts, and the review that it owes.
    pub emergency: Option<Emergency>,
    /// Whether it is decided apart from what is asked for together with it.
    pub apart: bool,
    /// What conditions looked at.
    pub values: Values,
}

/// A denial by a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Which.
    pub rule: RuleName,
    /// How long it would have been.
    pub duration: Span,
    /// What conditions looked at.
    pub values: Values,
}

/// Why something may not be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// The rule that says so, if one does.
    pub rule: Option<RuleName>,
    /// One sentence.
    pub message: String,
    /// More.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// Whether it would be allowed if more were said: a reason, a scope, a ticket.
    pub lacking: bool,
    /// Which part of the question it is about: `for`, `reason`, `scope`, `ticket`; nothing when it is about the whole.
    pub field: Option<&'static str>,
}

/// What a question lacks.
pub(crate) struct Lack {
    field: &'static str,
    /// In words.
    pub(crate) message: String,
    /// How to give it.
    hint: &'static str,
}

/// One question as rules and conditions see it.
pub(crate) struct Asking<'a> {
    bound: &'a Bound,
    pub(crate) question: &'a Question,
    /// The rules that could speak of it, by name.
    pub(crate) rules: Vec<&'a Rule>,
    duration: Span,
    /// What their conditions look at: found out once, by the first that is asked; `None` inside when it can't be said.
    seen: OnceCell<Option<condition::Values>>,
}

impl<'a> Asking<'a> {
    /// A question to some rules.
    pub(crate) fn of(bound: &'a Bound, question: &'a Question, rules: Vec<&'a Rule>) -> Self {
        let duration = question.duration.unwrap_or_else(|| default(question, &rules));
        Self { bound, question, rules, duration, seen: OnceCell::new() }
    }

    /// Whether a condition of one of its rules holds; `None` when that can't be said.
    pub(crate) fn holds(&self, condition: &Condition) -> Option<bool> {
        let seen = self.seen.get_or_init(|| {
            let leaves = self.rules.iter().flat_map(|rule| rule.conditions()).flat_map(|(_, condition)| condition.looks());
            condition::Values::of(leaves, &|leaf| self.value(leaf))
        });
        condition.holds(seen.as_ref()?)
    }

    pub(crate) fn value(&self, leaf: &Leaf) -> Value {
        let text = |text: Option<&str>| Value::Text(text.unwrap_or_default().to_owned());
        let number = |number: u32| Value::Number(number.into());
        let question = self.question;
        let somebody = self.bound.somebody(question.beneficiary);
        let resource = || self.bound.resource(&question.resource);
        match leaf {
            Leaf::Name => text(somebody.map(|s| s.name.as_str())),
            Leaf::Kind => text(somebody.map(|s| match s.kind {
                PrincipalKind::User => "user",
                PrincipalKind::Workload => "workload",
            })),
            Leaf::Groups => Value::Texts(somebody.into_iter().flat_map(|s| s.groups.iter().map(ToString::to_string)).collect()),
            Leaf::Attribute(name) => text(self.bound.attribute(question.beneficiary, name)),
            Leaf::Resource => text(Some(question.resource.as_str())),
            Leaf::ResourceKind => text(resource().map(|r| r.kind.word())),
            Leaf::Label(name) => text(resource().and_then(|r| r.labels.get(name)).map(String::as_str)),
            Leaf::Role => text(Some(question.role.as_str())),
            Leaf::Minutes => Value::Number(i64::try_from(self.duration.as_millis().div_ceil(60_000)).unwrap_or(i64::MAX)),
            Leaf::Ticket => text(question.ticket.as_deref().map(str::trim)),
            Leaf::Emergency => Value::Flag(question.emergency),
            Leaf::OnBehalf => Value::Flag(question.principal != question.beneficiary),
            Leaf::Proof => text(Some(match question.proof {
                Some(Proof::Token(_)) => "token",
                Some(Proof::Password) => "password",
                Some(Proof::Certificate) => "certificate",
                Some(Proof::Passkey { .. }) => "passkey",
                None => "none",
            })),
            Leaf::Now => Value::Instant(question.at),
            Leaf::Hours(name) => Value::Flag(self.bound.in_hours(name, question.at)),
            Leaf::OnCall(name) => Value::Flag(self.bound.is_on_call(name, question.beneficiary, question.at)),
            Leaf::Approved => number(question.recent.approved),
            Leaf::Denied => number(question.recent.denied),
            Leaf::Emergencies => number(question.recent.emergencies),
        }
    }

    /// What a rule says of the question. INVARIANT I04: what can't be said fails closed, so that a rule that allows says nothing, and one
    /// that denies denies.
    pub(crate) fn says(&self, rule: &Rule) -> Says {
        let deny = rule.effect == Effect::Deny;
        let fits = rule.when.as_ref().is_none_or(|when| self.holds(when).unwrap_or(deny));
        match (&rule.effect, self.question.emergency) {
            (Effect::Allow(_), true) | (Effect::BreakGlass(_), false) => Says::OfTheOtherKind,
            (Effect::Deny, _) | (Effect::Allow(_), false) | (Effect::BreakGlass(_), true) if fits => Says::Something,
            (Effect::Deny | Effect::Allow(_) | Effect::BreakGlass(_), _) => Says::NothingNow,
        }
    }

    fn values<'c>(&self, conditions: impl IntoIterator<Item = &'c Condition>) -> Values {
        let looks: BTreeSet<&Leaf> = conditions.into_iter().flat_map(Condition::looks).collect();
        looks.into_iter().map(|leaf| (leaf.to_string(), self.value(leaf).json())).collect()
    }
}

/// Whether a rule speaks of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    Something,
    /// Its condition does not hold.
    NothingNow,
    /// It is for emergencies, or only for what is routine.
    OfTheOtherKind,
}

/// The strictest combination of what several rules allow.
pub(crate) struct Combined<'a> {
    pub(crate) plan: Plan,
    pub(crate) max: Span,
    pub(crate) default: Span,
    carries: Vec<(&'a RuleName, &'a Carries)>,
    strictest: &'a RuleName,
    emergency: Option<Emergency>,
    apart: bool,
    /// Extensions that are left, by the rule that leaves least.
    times: (u8, &'a RuleName),
    /// Each rule's list of who may ask for others.
    on_behalf_by: Vec<&'a [Candidate]>,
    looked_at: Vec<&'a Condition>,
}

impl<'a> Combined<'a> {
    /// What a question does not carry, and the rule that asks for it.
    pub(crate) fn lacks(&self, question: &Question) -> Option<(&RuleName, Lack)> {
        self.lacks_besides(question, Heed::Everything)
    }

    /// The same, of what is heeded; the rest counts as what each rule asks for.
    fn lacks_besides(&self, question: &Question, heed: Heed) -> Option<(&RuleName, Lack)> {
        let texts = match heed {
            Heed::Everything => true,
            Heed::Ticket => false,
            Heed::Nothing => return None,
        };
        self.carries.iter().find_map(|(rule, carries)| {
            let lack = texts.then(|| lacks_text(carries, question)).flatten().or_else(|| lacks_ticket(carries, question))?;
            Some((*rule, lack))
        })
    }

    /// Whether it asks for at least what `other` asks for, in each respect.
    pub(crate) fn asks_as_much(&self, other: &Self) -> bool {
        let carries = |wanted: &Carries| *wanted == Carries::default() || self.carries.iter().any(|(_, carries)| *carries == wanted);
        self.plan.stages == other.plan.stages
            && (self.plan.opening, self.max, self.default) == (other.plan.opening, other.max, other.default)
            && self.plan.low_risk == other.plan.low_risk
            && (self.apart, self.times.0, &self.emergency) == (other.apart, other.times.0, &other.emergency)
            && other.carries.iter().all(|(_, wanted)| carries(wanted))
            && other.on_behalf_by.iter().all(|by| self.on_behalf_by.contains(by))
    }

    /// The stricter of both in each respect.
    pub(crate) fn combine(mut self, other: Self) -> Self {
        self.carries.extend(other.carries);
        self.on_behalf_by.extend(other.on_behalf_by);
        self.looked_at.extend(other.looked_at);
        Self {
            plan: self.plan.combine(&other.plan),
            strictest: if other.max < self.max { other.strictest } else { self.strictest },
            max: self.max.min(other.max),
            default: self.default.min(other.default),
            carries: self.carries,
            emergency: match (self.emergency, other.emergency) {
                (Some(one), Some(another)) => Some(one.combine(&another)),
                (one, another) => one.or(another),
            },
            apart: self.apart || other.apart,
            times: if other.times.0 < self.times.0 { other.times } else { self.times },
            on_behalf_by: self.on_behalf_by,
            looked_at: self.looked_at,
        }
    }
}

/// What of the things that a question carries is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heed {
    Everything,
    /// Not its texts, which may be erased.
    Ticket,
    Nothing,
}

pub(crate) enum Matched<'a> {
    None,
    Denied(&'a Rule),
    Terms(Box<Combined<'a>>),
}

/// How long it would be, when nobody says: the least of what the rules for it say, whether they speak of it now or not.
fn default(question: &Question, rules: &[&Rule]) -> Span {
    let defaults = rules.iter().filter_map(|rule| match &rule.effect {
        Effect::Allow(terms) if !question.emergency => Some(terms.default),
        Effect::BreakGlass(terms) if question.emergency => Some(terms.default),
        Effect::Deny | Effect::Allow(_) | Effect::BreakGlass(_) => None,
    });
    defaults.min().unwrap_or(Span::ZERO)
}

/// Whether something may be asked for at some time, in some circumstances, by all the rules for it.
pub(crate) fn could<'r>(rules: impl Iterator<Item = &'r Rule>) -> bool {
    let mut could = false;
    for rule in rules {
        match (&rule.effect, &rule.when) {
            (Effect::Deny, None) => return false,
            (Effect::Deny, Some(_)) => {}
            (Effect::Allow(_) | Effect::BreakGlass(_), _) => could = true,
        }
    }
    could
}

impl Bound {
    /// INVARIANT I01: no rule, no access. INVARIANT I04: a deny beats everything; else the strictest combination.
    /// Routine and emergency are apart: a rule for one says nothing of the other; one that denies, denies both.
    pub(crate) fn matched<'a>(&'a self, asking: &Asking<'a>) -> Matched<'a> {
        let mut terms: Option<Combined<'_>> = None;
        for rule in asking.rules.iter().copied() {
            if asking.says(rule) != Says::Something {
                continue;
            }
            let combined = match &rule.effect {
                Effect::Deny => return Matched::Denied(rule),
                Effect::Allow(terms) => self.routine(rule, terms, Some(asking)),
                Effect::BreakGlass(terms) => self.emergency(rule, terms),
            };
            terms = Some(match terms {
                None => combined,
                Some(so_far) => so_far.combine(combined),
            });
        }
        terms.map_or(Matched::None, |terms| Matched::Terms(Box::new(terms)))
    }

    /// Whether somebody may ask for it at some time, in some circumstances.
    pub(crate) fn could_ask(&self, id: PrincipalId, resource: &ResourceName, role: &RoleName) -> bool {
        could(self.rules_for(id, resource, role))
    }

    /// What a rule for routine requests asks for; without `asking`, with all its stages.
    pub(crate) fn routine<'a>(&self, rule: &'a Rule, terms: &'a Terms, asking: Option<&Asking<'_>>) -> Combined<'a> {
        self.terms(rule, terms, asking, asking.is_some_and(|a| a.question.extension.is_some()))
    }

    /// What a rule asks for whatever the circumstances, or for going on with a grant.
    pub(crate) fn unconditional<'a>(&self, rule: &'a Rule, terms: &'a Terms, extension: bool) -> Combined<'a> {
        self.terms(rule, terms, None, extension)
    }

    fn terms<'a>(&self, rule: &'a Rule, terms: &'a Terms, asking: Option<&Asking<'_>>, extension: bool) -> Combined<'a> {
        let Terms { max, default, carries, opening, auto_when, stages, apart, on_behalf_by, extend, low_risk } = terms;
        let own = extend.stages.as_ref().filter(|_| extension);
        let auto_when = auto_when.as_ref().filter(|_| own.is_none());
        let stages = own.unwrap_or(stages);
        let automatic = auto_when.zip(asking).is_some_and(|(when, asking)| asking.holds(when) == Some(true));
        let needed = |stage: &&StageByName| match (&stage.when, asking) {
            (Some(when), Some(asking)) => asking.holds(when).unwrap_or(true),
            (Some(_) | None, _) => true,
        };
        let plan = if automatic { Vec::new() } else { stages.iter().filter(needed).map(|s| self.stage(s)).collect() };
        let max = extend.max.filter(|_| extension).unwrap_or(*max);
        let looked_at = rule.when.iter().chain(auto_when).chain(stages.iter().filter_map(|s| s.when.as_ref())).collect();
        let opening = if extension { Opening::default() } else { *opening };
        Combined {
            plan: Plan { rules: vec![rule.name.clone()], stages: plan, opening, low_risk: *low_risk },
            max,
            default: max.min(*default),
            carries: vec![(&rule.name, carries)],
            strictest: &rule.name,
            emergency: None,
            apart: *apart,
            times: (extend.times, &rule.name),
            on_behalf_by: vec![on_behalf_by],
            looked_at,
        }
    }

    pub(crate) fn emergency<'a>(&self, rule: &'a Rule, terms: &'a EmergencyTerms) -> Combined<'a> {
        let EmergencyTerms { max, default, carries, alert, review } = terms;
        let plan = Plan { rules: vec![rule.name.clone()], stages: Vec::new(), opening: Opening::default(), low_risk: false };
        let emergency = Emergency { alert: self.named(alert), reviews: vec![self.stage(review)], within: review.within };
        Combined {
            plan,
            max: *max,
            default: *default,
            carries: vec![(&rule.name, carries)],
            strictest: &rule.name,
            emergency: Some(emergency),
            apart: true,
            times: (0, &rule.name),
            on_behalf_by: vec![&[]],
            looked_at: rule.when.iter().collect(),
        }
    }

    fn stage(&self, stage: &StageByName) -> Stage {
        Stage {
            candidates: self.named(&stage.from),
            needed: stage.needed,
            within: stage.within,
            otherwise: match &stage.otherwise {
                OtherwiseByName::Deny => Otherwise::Deny,
                OtherwiseByName::Next => Otherwise::Next,
                OtherwiseByName::Escalate(chain) => Otherwise::Escalate(chain.iter().map(|step| Step(self.named(step))).collect()),
            },
            asked_only: stage.asked_only,
        }
    }

    pub(crate) fn named(&self, from: &[Candidate]) -> Vec<Candidates> {
        let one = |candidate: &Candidate| match candidate {
            Candidate::Group(group) => Some(Candidates::Group(group.clone())),
            Candidate::Owners => Some(Candidates::Owners),
            Candidate::Manager => Some(Candidates::Manager),
            Candidate::OnCall(schedule) => Some(Candidates::OnCall(schedule.clone())),
            Candidate::Person(name) => self.id(name).map(Candidates::Person),
        };
        from.iter().filter_map(one).collect()
    }

    pub(crate) fn asking<'a>(&'a self, question: &'a Question) -> Asking<'a> {
        Asking::of(self, question, self.rules_for(question.beneficiary, &question.resource, &question.role).collect())
    }

    /// Whether something may be asked for, and what it takes.
    #[must_use]
    pub fn decide(&self, question: &Question) -> Decision {
        let asking = self.asking(question);
        self.weigh(&asking).map_or_else(|no| *no, |terms| conclude(*terms, &asking, Heed::Everything))
    }

    /// The same, as if the question carried whatever the rules ask for.
    pub(crate) fn decide_bare(&self, question: &Question) -> Decision {
        let asking = self.asking(question);
        self.weigh(&asking).map_or_else(|no| *no, |terms| conclude(*terms, &asking, Heed::Nothing))
    }

    /// What the rules ask a question to carry; nothing when they let nothing be asked for.
    pub(crate) fn wants(&self, question: &Question) -> Wants {
        let asking = self.asking(question);
        self.weigh(&asking).map(|terms| Wants::of(terms.carries.iter().map(|(_, carries)| *carries))).unwrap_or_default()
    }

    /// How long it could be: as long as it says, or else as the rules do, and no longer than they allow.
    #[must_use]
    pub fn length(&self, question: &Question) -> Span {
        let asking = self.asking(question);
        self.weigh(&asking).map_or(asking.duration, |terms| asking.duration.min(terms.max))
    }

    /// Whether a shorter time may need less: some rule's condition looks at how long it is.
    #[must_use]
    pub fn looks_at_length(&self, question: &Question) -> bool {
        let asking = self.asking(question);
        asking.rules.iter().flat_map(|rule| rule.conditions()).any(|(_, condition)| condition.looks().contains(&Leaf::Minutes))
    }

    /// The same of something in the past. Where its `texts` are not known they count as what the rules ask for, and it is told when that
    /// made a difference.
    pub(crate) fn decide_past(&self, question: &Question, texts: bool) -> (Decision, bool) {
        let heed = if texts { Heed::Everything } else { Heed::Ticket };
        let asking = self.asking(question);
        match self.weigh(&asking) {
            Err(no) => (*no, false),
            Ok(terms) => {
                let lacks = !texts && terms.lacks(question).is_some();
                let decision = conclude(*terms, &asking, heed);
                let assumed = lacks && matches!(decision, Decision::Allowed(_));
                (decision, assumed)
            }
        }
    }

    /// What it takes, if the rules let it be asked for.
    fn weigh<'a>(&'a self, asking: &Asking<'a>) -> Result<Box<Combined<'a>>, Box<Decision>> {
        let Question { principal, beneficiary, resource, role, .. } = asking.question;
        if !self.has(resource, role) || !self.enabled(*principal) || !self.enabled(*beneficiary) {
            return Err(Box::new(Decision::Refused(unknown())));
        }
        let no = match self.matched(asking) {
            Matched::Terms(terms) if self.may_ask_for(asking, &terms) => return Ok(terms),
            Matched::Terms(_) => Decision::Refused(unknown()),
            Matched::Denied(rule) => self.denied(rule, asking),
            Matched::None => Decision::Refused(self.why_nothing(asking)),
        };
        Err(Box::new(no))
    }

    /// A denial is on record for whom another rule would let ask; for anybody else there is nothing to ask for.
    fn denied(&self, rule: &Rule, asking: &Asking<'_>) -> Decision {
        let name = &rule.name;
        let Question { beneficiary, resource, role, .. } = asking.question;
        if rule.when.is_some() && self.could_ask(*beneficiary, resource, role) {
            return Decision::Denied(Denied { rule: name.clone(), duration: asking.duration, values: asking.values(&rule.when) });
        }
        let message = format!("{role} on {resource} is denied");
        Decision::Refused(Why {
            rule: Some(name.clone()),
            message,
            detail: Some(format!("rule {name} forbids it")),
            hint: None,
            lacking: false,
            field: None,
        })
    }

    /// Why no rule speaks of it, as far as it may be known: rules for the other kind, or whose condition does not hold.
    fn why_nothing(&self, asking: &Asking<'_>) -> Why {
        let mine = || asking.rules.iter().filter(|r| r.effect != Effect::Deny);
        if let Some((rule, when)) = mine().filter(|r| asking.says(r) == Says::NothingNow).find_map(|r| Some((r, r.when.as_ref()?))) {
            let values = asking.values([when]).into_iter().map(|(name, value)| format!("{name} is {value}"));
            return Why {
                rule: Some(rule.name.clone()),
                message: "no rule lets you ask for that now".into(),
                detail: Some(format!("rule {} does when {}; {}", rule.name, when.as_str(), values.collect::<Vec<_>>().join(", "))),
                hint: Some("ask when it fits, or see 'ajar policy explain'".into()),
                lacking: false,
                field: None,
            };
        }
        let of_the_other_kind = mine().any(|r| asking.says(r) == Says::OfTheOtherKind);
        let (message, hint) = match (of_the_other_kind, asking.question.emergency) {
            (true, false) => {
                ("no rule lets you ask for that, but in an emergency", "--emergency opens it at once, alerts people, and owes a review")
            }
            (true, true) => ("no rule opens that at once", "ask without --emergency"),
            (false, _) => return unknown(),
        };
        Why { rule: None, message: message.into(), detail: None, hint: Some(hint.into()), lacking: false, field: None }
    }

    /// Whether `principal` may ask for `beneficiary`: for oneself, or where every rule that matches names them.
    fn may_ask_for(&self, asking: &Asking<'_>, terms: &Combined<'_>) -> bool {
        let Question { principal, beneficiary, resource, at, .. } = asking.question;
        principal == beneficiary || terms.on_behalf_by.iter().all(|by| self.names(by, *beneficiary, resource, *at).contains(principal))
    }

    fn names(&self, by: &[Candidate], of: PrincipalId, resource: &ResourceName, at: Timestamp) -> BTreeSet<PrincipalId> {
        self.candidates_at(&self.named(by), of, std::slice::from_ref(resource), at)
    }

    /// Whether some rule would ask `somebody` about a request of `beneficiary` for a resource.
    #[must_use]
    pub fn would_ask(&self, somebody: PrincipalId, beneficiary: PrincipalId, resource: &ResourceName, at: Timestamp) -> bool {
        let asks = |rule: &Rule| match &rule.effect {
            Effect::Allow(terms) => {
                let stages = terms.stages.iter().chain(terms.extend.stages.iter().flatten()).map(|stage| self.stage(stage));
                let everyone: Vec<_> = stages.flat_map(|stage| stage.everyone().cloned().collect::<Vec<_>>()).collect();
                self.candidates_at(&everyone, beneficiary, std::slice::from_ref(resource), at).contains(&somebody)
            }
            Effect::Deny | Effect::BreakGlass(_) => false,
        };
        self.rules_of(resource).any(|rule| self.is_for(rule, beneficiary) && asks(rule))
    }

    /// Whether `principal` may know what `beneficiary` may ask for on a resource: oneself, and whom some rule lets ask for them.
    #[must_use]
    pub fn could_ask_for(&self, principal: PrincipalId, beneficiary: PrincipalId, resource: &ResourceName, at: Timestamp) -> bool {
        let names = |rule: &Rule| match &rule.effect {
            Effect::Allow(terms) => self.names(&terms.on_behalf_by, beneficiary, resource, at).contains(&principal),
            Effect::Deny | Effect::BreakGlass(_) => false,
        };
        principal == beneficiary || self.rules_of(resource).any(|rule| self.is_for(rule, beneficiary) && names(rule))
    }
}

/// Whether a question carries what its terms ask for, as far as that is heeded.
fn conclude(terms: Combined<'_>, asking: &Asking<'_>, heed: Heed) -> Decision {
    let Question { resource, role, duration, extension, emergency, .. } = asking.question;
    let refused = |rule: &RuleName, field, message: String, detail: String, hint: String| {
        Decision::Refused(Why { rule: Some(rule.clone()), message, detail: Some(detail), hint: Some(hint), lacking: false, field })
    };
    if let Some(before) = extension.filter(|before| *before >= terms.times.0) {
        let (most, rule) = terms.times;
        let hint = format!("ask anew: ajar request {resource} --role {role}");
        return refused(rule, None, format!("it was gone on with {before} times already"), format!("rule {rule} allows {most}"), hint);
    }
    if let Some((rule, Lack { field, message, hint })) = terms.lacks_besides(asking.question, heed) {
        let (detail, field) = (Some(format!("rule {rule} asks for it")), Some(field));
        return Decision::Refused(Why { rule: Some(rule.clone()), message, detail, hint: Some(hint.into()), lacking: true, field });
    }
    let wanted = duration.unwrap_or(terms.default);
    if wanted > terms.max || wanted == Span::ZERO {
        let detail = format!("rule {} allows {} at the most", terms.strictest, terms.max);
        return refused(terms.strictest, Some("for"), format!("{wanted} is too long"), detail, format!("--for {}", terms.max));
    }
    debug_assert_eq!(*emergency, terms.emergency.is_some());
    let Combined { plan, max, emergency, apart, looked_at, .. } = terms;
    Decision::Allowed(Allowed { plan, duration: wanted, max, emergency, apart, values: asking.values(looked_at) })
}

fn unknown() -> Why {
    Why {
        rule: None,
        message: "no rule lets you ask for that".into(),
        detail: None,
        hint: Some("'ajar ls' shows what you can ask for".into()),
        lacking: false,
        field: None,
    }
}

impl At<'_> {
    /// What the rules say now of a request that was filed (I06): conditions are looked at again.
    #[must_use]
    pub fn in_force(&self, filed: &Filed) -> InForce {
        let bound = self.bound;
        if !bound.enabled(filed.requester) || !bound.enabled(filed.beneficiary) {
            return InForce::Refused;
        }
        let mut whole: Option<(Plan, Span)> = None;
        for ask in &filed.asks {
            let question = Question {
                beneficiary: filed.beneficiary,
                duration: Some(filed.duration),
                ticket: filed.ticket.clone(),
                emergency: filed.emergency.is_some(),
                extension: filed.extends.as_ref().map(|e| e.nth),
                proof: filed.proof,
                recent: self.history.recent(filed.beneficiary, ask, self.now),
                ..Question::new(filed.requester, ask.resource.clone(), ask.role.clone(), filed.starts_at.unwrap_or(self.now).max(self.now))
            };
            let asking = bound.asking(&question);
            let Matched::Terms(terms) = bound.matched(&asking) else { return InForce::Refused };
            let too_often = question.extension.is_some_and(|before| before >= terms.times.0);
            if !bound.has(&ask.resource, &ask.role) || !bound.may_ask_for(&asking, &terms) || too_often {
                return InForce::Refused;
            }
            whole = Some(match whole {
                None => (terms.plan, terms.max),
                Some((plan, max)) => (plan.combine(&terms.plan), max.min(terms.max)),
            });
        }
        match whole {
            Some((plan, max)) => InForce::Allowed { plan, max, rules_hash: bound.hash().to_owned() },
            None => InForce::Refused,
        }
    }

    /// Whether the rules let what was approved open now.
    pub(crate) fn lets_open(&self, scheduled: &Scheduled) -> bool {
        let Scheduled { principal, resource, role, duration, ticket, proof, asked_by, .. } = scheduled;
        let ask = ajar_core::request::Ask { resource: resource.clone(), role: role.clone() };
        let question = Question {
            beneficiary: *principal,
            duration: Some(*duration),
            ticket: ticket.clone(),
            proof: *proof,
            recent: self.history.recent(*principal, &ask, self.now),
            ..Question::new(asked_by.unwrap_or(*principal), ask.resource, ask.role, self.now)
        };
        let asking = self.bound.asking(&question);
        self.bound.has(resource, role) && self.bound.enabled(*principal) && matches!(self.bound.matched(&asking), Matched::Terms(_))
    }
}

/// What is missing of a request's reason and scope, which are sealed, and how to give it.
fn lacks_text(carries: &Carries, question: &Question) -> Option<Lack> {
    const REASON: &str = "--reason \"INC-7: fix stuck order\" (from a client: PGOPTIONS=\"-c ajar.reason=INC-7\" psql, AJAR_REASON=INC-7 ssh, curl -H \"Ajar-Reason: INC-7\")";
    const SCOPE: &str = "--scope \"order 4711\" (from a client: PGOPTIONS=\"-c ajar.scope=4711\" psql, AJAR_SCOPE=4711 ssh, curl -H \"Ajar-Scope: 4711\"): what exactly it is to be used for";
    let reason = question.reason.trim();
    let reason_lacks = |message| Some(Lack { field: "reason", message, hint: REASON });
    if reason.chars().count() < carries.reason_min {
        return reason_lacks(format!("a reason of {} characters or more is needed", carries.reason_min));
    }
    if let Some(pattern) = carries.reason.as_ref().filter(|p| !p.matches(reason)) {
        return reason_lacks(format!("a reason that fits {} is needed", pattern.as_str()));
    }
    lacks("scope", SCOPE, carries.scope, carries.scope_pattern.as_ref(), question.scope.as_deref())
}

/// What is missing of its ticket.
fn lacks_ticket(carries: &Carries, question: &Question) -> Option<Lack> {
    const TICKET: &str =
        "--ticket INC-7 (from a client: PGOPTIONS=\"-c ajar.ticket=INC-7\" psql, AJAR_TICKET=INC-7 ssh, curl -H \"Ajar-Ticket: INC-7\")";
    lacks("ticket", TICKET, carries.ticket, carries.ticket_pattern.as_ref(), question.ticket.as_deref())
}

fn lacks(field: &'static str, hint: &'static str, needed: bool, pattern: Option<&Pattern>, text: Option<&str>) -> Option<Lack> {
    let text = text.map(str::trim).unwrap_or_default();
    let lack = |message| Some(Lack { field, message, hint });
    if needed && text.is_empty() {
        return lack(format!("a {field} is needed"));
    }
    let pattern = pattern.filter(|p| !p.matches(text))?;
    lack(format!("a {field} that fits {} is needed", pattern.as_str()))
}
