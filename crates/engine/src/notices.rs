//! Notices: what somebody is told of what concerns them. Who is told what is folded from the events ([`board`], [`feed`]); here it is
//! read, and put into words. INVARIANT: whether its reader may know of what a notice is about is asked when it is read.

mod board;
mod feed;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ajar_core::event::{Envelope, Stream};
use ajar_core::grant::{CloseReason, Grant};
use ajar_core::id::{PrincipalId, RequestId};
use ajar_core::plan::Verdict;
use ajar_core::port::{Refusal, RefusalKind};
use ajar_core::request::{Ask, DeniedBecause, Request};
use ajar_core::time::Timestamp;

use self::board::Board;
use self::feed::{DebtNews, GrantNews, News, Notice, RequestNews};
use crate::door::because;
use crate::engine::Engine;
use crate::people::Caller;
use crate::refusal::no_such;

/// At most so many in one answer.
const PAGE_MAX: usize = 200;

/// Everybody's notices.
#[derive(Debug, Default)]
pub(crate) struct Notices(Mutex<Board>);

impl Notices {
    fn board(&self) -> std::sync::MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next event of the log, once it is durable.
    pub(crate) fn hear(&self, envelope: &Envelope) {
        self.board().hear(envelope);
    }
}

/// A notice, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeView {
    /// The cursor: what is newer has a higher one. The one that tells of many requests moves on with each of them.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who caused it; nobody when it was Ajar itself.
    pub by: Option<PrincipalId>,
    /// The word for what it tells.
    pub kind: &'static str,
    /// What it is about: one thing, or the requests that wait.
    pub about: Vec<Stream>,
    /// One sentence.
    pub text: String,
}

impl Notice {
    /// The one request that it is about.
    fn request(&self) -> Option<RequestId> {
        match &self.news {
            News::Request(id, _) => Some(*id),
            News::Digest(_) | News::Grant(..) | News::Debt(..) | News::Killed(_) | News::Delegated(_) => None,
        }
    }

    fn kind(&self) -> &'static str {
        match &self.news {
            News::Request(_, news) => match news {
                RequestNews::Asked => "asked",
                RequestNews::Escalated => "escalated",
                RequestNews::Reminded => "reminded",
                RequestNews::Reviewed(_) => "reviewed",
                RequestNews::TakenBack => "review_taken_back",
                RequestNews::Commented => "commented",
                RequestNews::Approved => "approved",
                RequestNews::Denied => "denied",
                RequestNews::Expired => "expired",
                RequestNews::Withdrawn => "withdrawn",
            },
            News::Digest(_) => "digest",
            News::Grant(_, GrantNews::Opened) => "grant_opened",
            News::Grant(_, GrantNews::Closing) => "grant_closing",
            News::Grant(_, GrantNews::Failed) => "grant_failed",
            News::Debt(_, DebtNews::Alert) => "emergency",
            News::Debt(_, DebtNews::Owed) => "review_owed",
            News::Debt(_, DebtNews::Overdue) => "review_overdue",
            News::Debt(_, DebtNews::Reviewed(_)) => "emergency_reviewed",
            News::Killed(_) => "session_ended",
            News::Delegated(_) => "delegated",
        }
    }
}

impl Engine {
    /// The caller's notices, oldest first: those after `after`, or, without it, the newest.
    ///
    /// # Errors
    /// When the store can't be read, or the engine has stopped.
    pub async fn notices(&self, caller: &Caller, after: Option<u64>, limit: Option<u32>) -> Result<Vec<NoticeView>, Refusal> {
        let limit = limit.and_then(|n| usize::try_from(n).ok()).unwrap_or(50).min(PAGE_MAX);
        let mut found = self.notices.board().after(caller.principal, after.unwrap_or(0));
        if after.is_none() {
            found.reverse();
        }
        let mut views = Vec::new();
        for notices in found.chunks(limit.max(1)) {
            let about = notices.iter().filter_map(Notice::request).collect();
            let seen = self.requests_seen(caller, about).await?;
            for notice in notices {
                if views.len() == limit {
                    break;
                }
                match self.told(caller, notice, &seen).await {
                    Ok(view) => views.push(view),
                    // What they may not know of now is as if it had never been.
                    Err(refusal) if refusal.kind == RefusalKind::NotRequestable => {}
                    Err(refusal) => return Err(refusal),
                }
            }
            if views.len() == limit {
                break;
            }
        }
        if after.is_none() {
            views.reverse();
        }
        Ok(views)
    }

    /// The cursor of the caller's newest notice; 0 when there is none.
    #[must_use]
    pub fn notices_newest(&self, caller: &Caller) -> u64 {
        self.notices.board().newest(caller.principal)
    }

    /// In words, with the requests that the caller may see.
    async fn told(&self, caller: &Caller, notice: &Notice, seen: &BTreeMap<RequestId, Request>) -> Result<NoticeView, Refusal> {
        let me = caller.principal;
        let (about, text) = match &notice.news {
            News::Request(id, news) => {
                let request = seen.get(id).ok_or_else(|| no_such("request"))?;
                (vec![Stream::Request(*id)], self.request_words(me, notice.by, request, *news))
            }
            News::Digest(requests) => {
                let waiting = self.still_waiting(caller, requests.iter().copied().collect()).await?;
                let from: Vec<_> = waiting.iter().map(|(_, from)| self.people.name(*from)).collect();
                let text = digest_words(&from).ok_or_else(|| no_such("request"))?;
                (waiting.into_iter().map(|(id, _)| Stream::Request(id)).collect(), text)
            }
            News::Grant(id, news) => {
                let grant = self.grant(caller, *id).await?;
                (vec![Stream::Grant(*id)], self.grant_words(&grant, *news))
            }
            News::Debt(id, news) => {
                let incurred = self.may_see_debt(caller, *id).await?.owed().incurred.clone();
                let resources: Vec<_> = incurred.resources.iter().map(ToString::to_string).collect();
                let (whose, on) = (self.whose(me, incurred.debtor), listed(&resources));
                let text = match news {
                    DebtNews::Alert => format!("{} opened {on} in an emergency, without a review", self.people.name(incurred.debtor)),
                    DebtNews::Owed => {
                        format!("{} opened {on} in an emergency, without a review: you may review it", self.people.name(incurred.debtor))
                    }
                    DebtNews::Overdue => format!("the review of {whose} emergency on {on} is overdue"),
                    DebtNews::Reviewed(Verdict::Approve) => {
                        format!("{whose} emergency on {on} was reviewed{}: it was right", self.by(notice.by))
                    }
                    DebtNews::Reviewed(Verdict::Deny) => {
                        format!("{whose} emergency on {on} was reviewed{}: it was not right", self.by(notice.by))
                    }
                };
                (vec![Stream::Debt(*id)], text)
            }
            News::Killed(id) => {
                let view = self.session(caller, *id).await?;
                let why = view.killed_because.map(|why| format!(": {why}")).unwrap_or_default();
                let text = format!("your session on {} was ended{}{why}", view.session.arrived().resource, self.by(notice.by));
                (vec![Stream::Session(*id)], text)
            }
            News::Delegated(id) => {
                let delegations = self.delegations(caller).await?;
                let made = delegations.into_iter().find(|made| made.id == *id);
                let made = made.ok_or_else(|| no_such("delegation"))?;
                let text = format!("you are asked instead of {} from {} until {}", self.people.name(made.from), made.starts_at, made.until);
                (vec![Stream::Delegation(*id)], text)
            }
        };
        Ok(NoticeView { seq: notice.seq, at: notice.at, by: notice.by, kind: notice.kind(), about, text })
    }

    /// Which of these requests wait for the caller now, and who asked.
    async fn still_waiting(&self, caller: &Caller, requests: Vec<RequestId>) -> Result<Vec<(RequestId, PrincipalId)>, Refusal> {
        let me = caller.principal;
        let waiting = self.sequencer.look(move |desk| {
            let present = desk.present();
            let waits = |id: &RequestId| match desk.world.request(*id) {
                Some(Request::Pending(p)) if p.asked(&present).contains(&me) => Some((*id, p.filed.requester)),
                Some(Request::Pending(_) | Request::Approved(_) | Request::Denied(_) | Request::Withdrawn(_) | Request::Expired(_))
                | None => None,
            };
            requests.iter().filter_map(waits).collect::<Vec<_>>()
        });
        Ok(waiting.await?)
    }

    fn by(&self, by: Option<PrincipalId>) -> String {
        by.map(|by| format!(" by {}", self.people.name(by))).unwrap_or_default()
    }

    fn whose(&self, me: PrincipalId, whose: PrincipalId) -> String {
        if me == whose { "your".to_owned() } else { format!("{}'s", self.people.name(whose)) }
    }

    fn request_words(&self, me: PrincipalId, by: Option<PrincipalId>, request: &Request, news: RequestNews) -> String {
        let filed = request.filed();
        let whose = self.whose(me, filed.requester);
        let mut what = asked_for(&filed.asks);
        if filed.beneficiary != filed.requester {
            let for_whom = if filed.beneficiary == me { "you".to_owned() } else { self.people.name(filed.beneficiary) };
            what = format!("{what} for {for_whom}");
        }
        let by = self.by(by);
        match news {
            RequestNews::Asked => format!("{whose} request for {what}, for {}, waits for your decision", request.terms().1),
            RequestNews::Escalated => format!("nobody decided {whose} request for {what} in time: you may decide it too"),
            RequestNews::Reminded => format!("{whose} request for {what} still waits for your decision, and not for much longer"),
            RequestNews::Reviewed(Verdict::Approve) => format!("{whose} request for {what} was approved{by}, and needs more"),
            RequestNews::Reviewed(Verdict::Deny) => format!("{whose} request for {what} was denied{by}"),
            RequestNews::TakenBack => format!("an approve of {whose} request for {what} was taken back{by}"),
            RequestNews::Commented => format!("there is a comment{by} on {whose} request for {what}"),
            RequestNews::Approved => format!("{whose} request for {what} was approved{by}"),
            RequestNews::Denied => match request {
                Request::Denied(denied) if !matches!(denied.outcome.because, DeniedBecause::Review(_)) => {
                    format!("{whose} request for {what} was denied: {}", because(&denied.outcome.because))
                }
                Request::Pending(_) | Request::Approved(_) | Request::Denied(_) | Request::Withdrawn(_) | Request::Expired(_) => {
                    format!("{whose} request for {what} was denied{by}")
                }
            },
            RequestNews::Expired => format!("{whose} request for {what} was not decided in time"),
            RequestNews::Withdrawn => format!("the request for {what} was taken back{by}"),
        }
    }

    fn grant_words(&self, grant: &Grant, news: GrantNews) -> String {
        let (_, resource, role) = grant.parties();
        let what = format!("your grant for {role} on {resource}");
        match (news, grant) {
            (GrantNews::Opened, Grant::Scheduled(_) | Grant::Open(_) | Grant::Closing(_) | Grant::Closed(_) | Grant::Failed(_)) => {
                let until = grant.signed().map(|signed| format!(" until {}", signed.claims.ends_at)).unwrap_or_default();
                format!("{what} is open{until}")
            }
            (
                GrantNews::Closing,
                Grant::Closing(ajar_core::grant::Ending { closing, .. }) | Grant::Closed(ajar_core::grant::Over { closing, .. }),
            ) => {
                format!("{what} was closed: {}", self.closed_because(&closing.reason))
            }
            (GrantNews::Failed, Grant::Failed(never)) => format!("{what} will not open: {}", never.failed.why),
            (
                GrantNews::Closing | GrantNews::Failed,
                Grant::Scheduled(_) | Grant::Open(_) | Grant::Closing(_) | Grant::Closed(_) | Grant::Failed(_),
            ) => {
                format!("{what} is {}", grant.state())
            }
        }
    }

    pub(crate) fn closed_because(&self, reason: &CloseReason) -> String {
        match reason {
            CloseReason::Expired => "its time is over".into(),
            CloseReason::Returned => "it was given back".into(),
            CloseReason::Revoked { by } => format!("{} revoked it", self.people.name(*by)),
            CloseReason::DeniedLate { by, .. } => format!("{} denied it after it was approved", self.people.name(*by)),
            CloseReason::Locked { .. } => "you are locked, or what it is for".into(),
            CloseReason::PrincipalDisabled => "you are disabled".into(),
            CloseReason::ResourceRemoved => "what it is for is no longer in the files".into(),
            CloseReason::Used => "it was for one session".into(),
            CloseReason::Extended { by } => format!("it goes on as {by}"),
            CloseReason::NotAllowedAnyMore => "it is not allowed any more".into(),
        }
    }
}

pub(crate) fn asked_for(asks: &[Ask]) -> String {
    listed(&asks.iter().map(|ask| format!("{} on {}", ask.role, ask.resource)).collect::<Vec<_>>())
}

pub(crate) fn listed(words: &[String]) -> String {
    match words {
        [] => "nothing".into(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// "12 more requests wait for you, 9 of them from dev": given who each is from. Nothing when there is none.
fn digest_words(from: &[String]) -> Option<String> {
    let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
    for name in from {
        *counts.entry(name).or_default() += 1;
    }
    // The first by name of those with the most.
    let (name, most) = counts.into_iter().min_by_key(|(_, count)| std::cmp::Reverse(*count))?;
    Some(match (from.len(), most) {
        (1, _) => format!("1 more request waits for you, from {name}"),
        (all, most) if all == most => format!("{all} more requests wait for you, all of them from {name}"),
        (all, 1) => format!("{all} more requests wait for you, each from somebody else"),
        (all, most) => format!("{all} more requests wait for you, {most} of them from {name}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a12_a_digest_says_how_many_and_from_whom_most_of_them_are() {
        let words = |from: &[&str]| digest_words(&from.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(words(&[]), None);
        assert_eq!(words(&["dev"]).unwrap(), "1 more request waits for you, from dev");
        assert_eq!(words(&["dev", "dev"]).unwrap(), "2 more requests wait for you, all of them from dev");
        assert_eq!(words(&["dev", "peer"]).unwrap(), "2 more requests wait for you, each from somebody else");
        assert_eq!(words(&["dev", "peer", "dev"]).unwrap(), "3 more requests wait for you, 2 of them from dev");
    }
}
