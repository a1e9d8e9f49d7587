//! One reminder for each time that a stage begins, when three quarters of its time are over. It decides nothing, and changes nothing
//! about who may decide.

use serde::{Deserialize, Serialize};

use super::{Pending, RequestEvent};
use crate::id::PrincipalId;
use crate::plan::Facts;
use crate::time::{Span, Timestamp};

/// The shortest time that is worth a reminder.
const SHORTEST: Span = Span::from_secs(120);

/// See [`RequestEvent::Reminded`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminded {
    /// Index of the stage that waits.
    pub stage: usize,
    /// Who is asked, now. Nobody when every stage is met and only a reviewer's word is missing.
    pub asked: Vec<PrincipalId>,
    /// When.
    pub at: Timestamp,
}

/// When to remind of a stage that begins at `now` and can be decided until `end`; never of a short one.
pub(super) fn remind_at(now: Timestamp, end: Timestamp) -> Option<Timestamp> {
    let length = end.since(now);
    (length >= SHORTEST).then(|| now.after(Span::from_millis(length.as_millis() / 4 * 3)))
}

impl Pending {
    /// The reminder that is still to come.
    pub(super) fn reminder_due(&self) -> Option<Timestamp> {
        self.stage.as_ref().filter(|_| self.reminded.is_none()).and_then(|s| s.remind_at)
    }

    /// Reminds those who are asked, if it is time. The stage that began is the one that waits: whoever calls has made sure of that.
    pub(super) fn remind(&self, facts: &dyn Facts, now: Timestamp) -> Option<RequestEvent> {
        self.reminder_due().filter(|due| now >= *due)?;
        let stage = self.stage.as_ref()?.stage;
        Some(RequestEvent::Reminded(Reminded { stage, asked: self.asked(facts).into_iter().collect(), at: now }))
    }
}
