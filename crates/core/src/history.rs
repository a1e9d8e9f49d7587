//! What lately became of requests: how often somebody was let in, or not, as what on what. Rules may look at it.
//!
//! It is folded from the log like everything else, and forgets what is older than [`KEPT`].

use std::collections::BTreeMap;

use crate::id::PrincipalId;
use crate::request::{Ask, Request};
use crate::time::{Span, Timestamp};

/// How far back it goes.
pub const KEPT: Span = Span::from_secs(30 * 24 * 3600);
/// Outcomes that are kept of one principal's requests for one role: enough for any rule to see that there were many.
const KEPT_EACH: usize = 1_000;

/// How requests ended lately, by who would get in and what was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History(BTreeMap<(PrincipalId, Ask), Vec<Outcome>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Outcome {
    seq: u64,
    at: Timestamp,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Approved,
    Denied,
    Emergency,
}

/// Numbers of the last [`KEPT`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recent {
    /// Requests that were approved, emergencies apart.
    pub approved: u32,
    /// Requests that were denied.
    pub denied: u32,
    /// Emergencies that were opened.
    pub emergencies: u32,
}

impl History {
    /// What there was of `principal`'s requests for `ask` within [`KEPT`] before `now`.
    #[must_use]
    pub fn recent(&self, principal: PrincipalId, ask: &Ask, now: Timestamp) -> Recent {
        let mut recent = Recent::default();
        let all = self.0.get(&(principal, ask.clone())).into_iter().flatten();
        for outcome in all.filter(|o| is_kept(o.at, now)) {
            match outcome.what {
                What::Approved => recent.approved += 1,
                What::Denied => recent.denied += 1,
                What::Emergency => recent.emergencies += 1,
            }
        }
        recent
    }

    /// A request is as it is since event `seq`.
    pub fn learn(&mut self, request: &Request, seq: u64) {
        let (what, at) = match request {
            Request::Approved(s) if s.filed.emergency.is_some() => (What::Emergency, s.outcome.at),
            Request::Approved(s) => (What::Approved, s.outcome.at),
            Request::Denied(s) => (What::Denied, s.outcome.at),
            Request::Pending(_) | Request::Withdrawn(_) | Request::Expired(_) => return,
        };
        let filed = request.filed();
        for ask in &filed.asks {
            let all = self.0.entry((filed.beneficiary, ask.clone())).or_default();
            all.retain(|o| is_kept(o.at, at));
            if all.len() >= KEPT_EACH {
                all.remove(0);
            }
            all.push(Outcome { seq, at, what });
        }
    }

    /// Takes back what was learned from event `seq` on: a commit failed, which is rare.
    pub(crate) fn unlearn(&mut self, seq: u64) {
        self.0.retain(|_, all| {
            all.retain(|o| o.seq < seq);
            !all.is_empty()
        });
    }
}

fn is_kept(at: Timestamp, now: Timestamp) -> bool {
    now.since(at) < KEPT
}
