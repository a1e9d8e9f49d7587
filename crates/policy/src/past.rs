//! What was asked for and what became of it, folded from the ledger's events one by one: only what is still pending is kept.

use std::collections::BTreeMap;

use ajar_core::event::{Envelope, Event};
use ajar_core::history::{History, Recent};
use ajar_core::id::{PrincipalId, RequestId};
use ajar_core::name::RuleName;
use ajar_core::plan::Verdict;
use ajar_core::request::{DeniedBecause, Filed, Impossible, Request, RequestEvent};
use ajar_core::sealed::Commitment;
use ajar_core::time::Span;

/// Gives the value behind a commitment, if it was not erased.
pub type Disclosed<'a> = &'a dyn Fn(Commitment) -> Option<String>;

/// A request of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRequest {
    /// What was asked.
    pub filed: Filed,
    /// Why; `None` when that was erased or is not disclosed.
    pub reason: Option<String>,
    /// What exactly it was to be used for; `None` when that was not said, or was erased.
    pub scope: Option<String>,
    /// For each ask, what had lately become of such requests.
    pub recent: Vec<Recent>,
    /// What became of it.
    pub became: Became,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Became {
    /// The rules approved it.
    Automatic,
    /// It opened at once, as an emergency.
    Emergency,
    /// People approved it.
    Approved {
        /// So long after it was filed.
        after: Span,
        /// They.
        by: Vec<PrincipalId>,
    },
    /// Somebody denied it.
    DeniedByReviewer,
    /// A rule denied it.
    DeniedByRule(RuleName),
    /// It was denied because of something else, in words.
    Denied(&'static str),
    /// Nobody decided in time.
    Expired,
    /// Who asked took it back.
    Withdrawn,
    /// It waits.
    Pending,
}

impl std::fmt::Display for Became {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Automatic => f.write_str("approved automatically"),
            Self::Emergency => f.write_str("opened as an emergency"),
            Self::Approved { after, .. } => write!(f, "approved after {}", shown(*after)),
            Self::DeniedByReviewer => f.write_str("denied by a reviewer"),
            Self::DeniedByRule(rule) => write!(f, "denied by rule {rule}"),
            Self::Denied(why) => write!(f, "denied: {why}"),
            Self::Expired => f.write_str("expired"),
            Self::Withdrawn => f.write_str("withdrawn"),
            Self::Pending => f.write_str("pending"),
        }
    }
}

/// A length of time for people: in whole seconds, and in whole minutes from ten minutes on.
pub(crate) fn shown(span: Span) -> String {
    let seconds = span.as_millis() / 1_000;
    let seconds = if seconds >= 600 { seconds / 60 * 60 } else { seconds };
    Span::from_secs(seconds).to_string()
}

/// The fold.
#[derive(Debug, Default)]
pub(crate) struct Past {
    waiting: BTreeMap<RequestId, Waiting>,
    history: History,
}

#[derive(Debug)]
struct Waiting {
    request: Request,
    reason: Option<String>,
    scope: Option<String>,
    recent: Vec<Recent>,
}

impl Past {
    /// Folds an event in; what it settles, comes out.
    ///
    /// # Errors
    /// When the event can't happen to its request: the log is damaged.
    pub(crate) fn learn(&mut self, envelope: &Envelope, value: Disclosed<'_>) -> Result<Option<PastRequest>, Impossible> {
        let Event::Request(event) = &envelope.event else { return Ok(None) };
        if let RequestEvent::Filed(filed) = event {
            let recent = filed.asks.iter().map(|ask| self.history.recent(filed.beneficiary, ask, filed.at)).collect();
            let waiting =
                Waiting { request: Request::born(event)?, reason: value(filed.reason), scope: filed.scope.and_then(value), recent };
            self.waiting.insert(filed.id, waiting);
            return Ok(None);
        }
        let ajar_core::event::Stream::Request(id) = envelope.stream else { return Ok(None) };
        // What is said of a request that is settled changes nothing of what became of it.
        let Some(waiting) = self.waiting.remove(&id) else { return Ok(None) };
        let waiting = Waiting { request: waiting.request.evolve(event)?, ..waiting };
        if matches!(waiting.request, Request::Pending(_)) {
            self.waiting.insert(id, waiting);
            return Ok(None);
        }
        self.history.learn(&waiting.request, envelope.seq);
        Ok(Some(past(waiting)))
    }

    /// What still waits.
    pub(crate) fn rest(self) -> impl Iterator<Item = PastRequest> {
        self.waiting.into_values().map(past)
    }
}

impl PastRequest {
    /// Whether every text that it carried is known.
    pub(crate) fn texts_are_known(&self) -> bool {
        self.reason.is_some() && self.scope.is_some() == self.filed.scope.is_some()
    }
}

fn past(waiting: Waiting) -> PastRequest {
    let Waiting { request, reason, scope, recent } = waiting;
    let filed = request.filed();
    let became = match &request {
        Request::Pending(_) => Became::Pending,
        Request::Withdrawn(_) => Became::Withdrawn,
        Request::Expired(_) => Became::Expired,
        Request::Denied(settled) => match &settled.outcome.because {
            DeniedBecause::Review(_) => Became::DeniedByReviewer,
            DeniedBecause::Automatic(rule) => Became::DeniedByRule(rule.clone()),
            DeniedBecause::Rules => Became::Denied("the rules had changed"),
            DeniedBecause::GrantOver => Became::Denied("what it was to go on with was over"),
            DeniedBecause::RequesterDisabled => Became::Denied("who asked was disabled"),
            DeniedBecause::NobodyCanDecide(_) => Became::Denied("nobody could decide it"),
            DeniedBecause::StageTimedOut(_) => Became::Denied("not decided in time"),
        },
        Request::Approved(_) if filed.emergency.is_some() => Became::Emergency,
        Request::Approved(_) if filed.plan.stages.is_empty() => Became::Automatic,
        Request::Approved(settled) => {
            let standing = |r: &&ajar_core::plan::Review| r.verdict == Verdict::Approve && !settled.course.taken_back.contains(&r.id);
            let by = settled.reviews.iter().filter(standing).map(|r| r.reviewer).collect();
            Became::Approved { after: settled.outcome.at.since(filed.at), by }
        }
    };
    PastRequest { filed: filed.clone(), reason, scope, recent, became }
}
