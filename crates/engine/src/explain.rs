//! What would come of a request, and why, without filing it.

use ajar_core::id::{DebtId, LockId, PrincipalId};
use ajar_core::name::PrincipalName;
use ajar_core::plan::{Facts, Stage, Subject};
use ajar_core::port::{Refusal, RefusalKind};
use ajar_core::request::Ask;
use ajar_policy::{Able, Bound, Decision, Explanation, Question};

use crate::engine::Engine;
use crate::filing::{Asker, NewRequest, Wanted};
use crate::less::{Less, less};
use crate::people::Caller;
use crate::refusal::{no_such, of, refusal};
use crate::sequencer::{Desk, Draft};

/// What would come of a request now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainView {
    /// What is asked for.
    pub ask: Ask,
    /// The rules' answer, with each rule's part in it.
    pub explanation: Explanation,
    /// The stages of the plan, with those who could decide them now.
    pub stages: Vec<StageView>,
    /// Who would be alerted.
    pub alerted: Vec<PrincipalId>,
    /// The lock that keeps it shut.
    pub lock: Option<LockId>,
    /// What is owed and keeps it from being approved automatically.
    pub debt: Option<DebtId>,
    /// What on the same resource would need less, the mildest first.
    pub less: Vec<Less>,
}

/// What would come of a request, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The rules approve it by themselves.
    Automatic,
    /// People decide.
    Review,
    /// It opens at once, alerts, and owes a review.
    Emergency,
    /// A rule denies it, on record.
    Denied,
    /// It can't be asked for.
    Refused,
}

impl Outcome {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Review => "review",
            Self::Emergency => "emergency",
            Self::Denied => "denied",
            Self::Refused => "refused",
        }
    }
}

/// A stage, and who could decide it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageView {
    /// The stage.
    pub stage: Stage,
    /// Who could decide it: who is asked, less who asks.
    pub able: Vec<PrincipalId>,
    /// Whether they are enough humans.
    pub can_be_fulfilled: bool,
    /// Who of them is there now.
    pub online: Vec<PrincipalId>,
}

impl Engine {
    /// What would come of a request of the caller's, or, for auditors and operators, of `user`'s.
    ///
    /// # Errors
    /// When what was said is unusable, there is no such resource for them, or the caller may not ask about others.
    pub async fn explain(&self, caller: &Caller, new: NewRequest, user: Option<String>) -> Result<ExplainView, Refusal> {
        let all = self.sees_all(caller);
        let asker = match user {
            None => self.asker(caller, new.on_behalf_of.as_deref())?,
            Some(_) if !all => {
                return Err(refusal(RefusalKind::Denied, "asking about others is for auditors and operators", None, None));
            }
            Some(name) => {
                let known = name.parse::<PrincipalName>().ok().and_then(|name| self.people.id(&name));
                let principal = known.ok_or_else(|| no_such("user"))?;
                Asker { principal, beneficiary: principal, ..self.asker(caller, None)? }
            }
        };
        let done = self.sequencer.run(caller.actor, Vec::new(), move |desk| {
            let wanted = Wanted::read(desk, asker, &new)?;
            let questions = wanted.questions(desk, asker);
            let question = questions.first().ok_or_else(|| no_such("such resource"))?;
            Ok::<_, Refusal>((Draft::default(), explain(desk, question, all)))
        });
        let mut view: ExplainView = done.await.map_err(of)?;
        for stage in &mut view.stages {
            stage.online = self.online(&stage.able);
        }
        Ok(view)
    }
}

fn explain(desk: &Desk<'_>, question: &Question, all: bool) -> ExplainView {
    // Who could decide, when it would begin: who is on call then, who is away then.
    let at = desk.rules.at(desk.world.history(), question.at);
    let present = ajar_core::world::Present { files: &at, world: desk.world, now: question.at };
    let people = [question.principal, question.beneficiary];
    let now = |view: ExplainView| {
        let automatic = view.outcome() == Outcome::Automatic;
        let lock = present.locked(&people, std::slice::from_ref(&question.resource));
        ExplainView { lock, debt: present.in_debt(&people).filter(|_| automatic), ..view }
    };
    let look = |variant: &Question| {
        let ask = Ask { resource: variant.resource.clone(), role: variant.role.clone() };
        let recent = desk.world.history().recent(variant.beneficiary, &ask, desk.now);
        now(ExplainView::suppose(desk.rules, &Question { recent, ..variant.clone() }, &present))
    };
    ExplainView { less: less(desk.rules, question, &look), ..now(ExplainView::of(desk.rules, question, &present, all)) }
}

impl ExplainView {
    /// What would come of a request as `rules` answer it and as `facts` say who is who, locks and debts apart.
    #[must_use]
    pub fn of(rules: &Bound, question: &Question, facts: &dyn Facts, all: bool) -> Self {
        Self::with(rules.explain(question, all), question, facts)
    }

    /// The same, as if the question carried whatever the rules ask it to carry.
    fn suppose(rules: &Bound, question: &Question, facts: &dyn Facts) -> Self {
        Self::with(rules.suppose(question), question, facts)
    }

    /// What would come of it, in a word.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match &self.explanation.decision {
            Decision::Allowed(_) | Decision::Denied(_) if self.lock.is_some() || self.debt.is_some() => Outcome::Refused,
            Decision::Refused(_) => Outcome::Refused,
            Decision::Denied(_) => Outcome::Denied,
            Decision::Allowed(allowed) if allowed.emergency.is_some() => Outcome::Emergency,
            Decision::Allowed(allowed) if allowed.plan.stages.is_empty() => Outcome::Automatic,
            Decision::Allowed(_) => Outcome::Review,
        }
    }

    fn with(explanation: Explanation, question: &Question, facts: &dyn Facts) -> Self {
        let Question { principal, beneficiary, .. } = *question;
        let resources = [question.resource.clone()];
        let subject = Subject { requester: principal, beneficiary, resources: &resources };
        let view = |stage: &Stage| {
            let Able { people, enough } = Able::to_decide(stage, subject, facts);
            StageView { stage: stage.clone(), able: people.into_iter().collect(), can_be_fulfilled: enough, online: Vec::new() }
        };
        let (stages, alert) = match &explanation.decision {
            Decision::Refused(_) | Decision::Denied(_) => (Vec::new(), Vec::new()),
            Decision::Allowed(allowed) => {
                let emergency = allowed.emergency.as_ref();
                let stages = emergency.map_or(&allowed.plan.stages, |e| &e.reviews);
                (stages.iter().map(view).collect(), emergency.map(|e| e.alert.clone()).unwrap_or_default())
            }
        };
        Self {
            ask: Ask { resource: question.resource.clone(), role: question.role.clone() },
            stages,
            alerted: facts.candidates(&alert, principal, &resources).into_iter().collect(),
            lock: None,
            debt: None,
            less: Vec::new(),
            explanation,
        }
    }
}
