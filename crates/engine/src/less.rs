//! What would need less: other roles of the same resource, and shorter times, as the same rules answer them.

use ajar_core::name::RoleName;
use ajar_core::time::Span;
use ajar_policy::{Bound, Decision, Question};

use crate::explain::{ExplainView, Outcome};

/// Roles that are tried, the one that is asked for included.
const ROLES: usize = 6;
/// Lengths that are tried of each, where its rules look at them, besides the one that is asked for and those that are longer.
const LENGTHS: [Span; 5] =
    [Span::from_secs(8 * 3600), Span::from_secs(4 * 3600), Span::from_secs(3600), Span::from_secs(30 * 60), Span::from_secs(15 * 60)];

/// So many are told of.
const TOLD: usize = 8;

/// Something on the same resource that would need less than what is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Less {
    /// As what.
    pub role: RoleName,
    /// For how long: the longest of those tried.
    pub duration: Span,
    /// What would come of it.
    pub outcome: Outcome,
    /// The same in words: `read for 1h would be approved automatically`.
    pub words: String,
}

/// How much it takes to get in: nothing, so many humans, an emergency with what is owed for it, or no way at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Burden {
    Nothing,
    Humans(usize),
    Emergency,
    NoWay,
}

impl Burden {
    fn of(view: &ExplainView) -> Self {
        match view.outcome() {
            Outcome::Automatic => Self::Nothing,
            Outcome::Review if view.stages.iter().all(|s| s.can_be_fulfilled) => {
                Self::Humans(view.stages.iter().map(|s| usize::from(s.stage.needed.get())).sum())
            }
            Outcome::Emergency => Self::Emergency,
            Outcome::Review | Outcome::Denied | Outcome::Refused => Self::NoWay,
        }
    }

    /// An emergency opens at once: only what is approved at once is milder. Nothing is made an emergency for being milder.
    fn is_milder_than(self, asked: Self) -> bool {
        self < asked && matches!((self, asked), (Self::Nothing, _) | (Self::Humans(_), Self::Humans(_) | Self::NoWay))
    }
}

/// What would need less than `question`, the mildest first. `look` says what would come of a question that carries whatever
/// it is asked to carry, here and now: what is missing of reason and ticket makes nothing milder.
pub(crate) fn less(rules: &Bound, question: &Question, look: &dyn Fn(&Question) -> ExplainView) -> Vec<Less> {
    let asked = look(question);
    let burden = Burden::of(&asked);
    if burden == Burden::Nothing || asked.lock.is_some() {
        return Vec::new();
    }
    let offered = rules.offered(question.beneficiary, &question.resource).map(|offered| offered.roles).unwrap_or_default();
    let others = offered.into_iter().filter(|role| *role != question.role);
    let roles = std::iter::once(question.role.clone()).chain(others).take(ROLES);
    let routine = |role: &RoleName, duration| Question { role: role.clone(), duration, emergency: false, ..question.clone() };
    let mut found: Vec<(Burden, Less)> = Vec::new();
    for role in roles {
        let asked = routine(&role, question.duration);
        let most = rules.length(&asked);
        // As it was asked for, it is milder only as another role, or by not being an emergency, or being too long.
        let other = role != question.role || question.emergency || question.duration.is_some_and(|asked| most < asked);
        let shorter = LENGTHS.into_iter().filter(|length| *length < most && rules.looks_at_length(&asked));
        let lengths = other.then_some(most).into_iter().chain(shorter);
        // The longest of each burden: a shorter time counts only where it needs less still.
        let mut least = burden;
        for variant in lengths.map(|length| routine(&role, Some(length))) {
            let view = look(&variant);
            let takes = Burden::of(&view);
            if takes.is_milder_than(burden) && takes < least {
                least = takes;
                found.extend(Less::of(rules, &variant, &view, question.emergency).map(|less| (takes, less)));
            }
            if least == Burden::Nothing {
                break;
            }
        }
    }
    found.sort_by_key(|(takes, _)| *takes);
    found.into_iter().map(|(_, less)| less).take(TOLD).collect()
}

impl Less {
    fn of(rules: &Bound, variant: &Question, view: &ExplainView, emergency: bool) -> Option<Self> {
        let Decision::Allowed(allowed) = &view.explanation.decision else { return None };
        let (role, duration) = (variant.role.clone(), allowed.duration);
        let takes = match view.outcome() {
            Outcome::Automatic => "would be approved automatically".to_owned(),
            Outcome::Review | Outcome::Emergency | Outcome::Denied | Outcome::Refused => {
                format!("would need {}", rules.plan_words(&allowed.plan))
            }
        };
        let routine = if emergency { ", not as an emergency," } else { "" };
        let lacks = match rules.decide(variant) {
            Decision::Refused(why) if why.lacking => format!("; {}", why.message),
            Decision::Refused(_) | Decision::Allowed(_) | Decision::Denied(_) => String::new(),
        };
        Some(Self { words: format!("{role} for {duration}{routine} {takes}{lacks}"), role, duration, outcome: view.outcome() })
    }
}
