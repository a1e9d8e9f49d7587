//! Who is told what: a fold of the events, and of nothing else. Nobody is told what they did themselves.

use std::collections::{BTreeMap, BTreeSet};

use ajar_core::debt::DebtEvent;
use ajar_core::delegation::DelegationEvent;
use ajar_core::event::{Actor, Envelope, Event, Stream};
use ajar_core::grant::{CloseReason, GrantEvent};
use ajar_core::id::{DebtId, GrantId, PrincipalId, RequestId, SessionId};
use ajar_core::request::RequestEvent;
use ajar_core::session::SessionEvent;

use super::feed::{DebtNews, Feed, Filed, GrantNews, News, Notice, Occasion, RequestNews};

/// Everybody's notices, and what it takes to address the next ones: only of what is not settled.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Board {
    feeds: BTreeMap<PrincipalId, Feed>,
    requests: BTreeMap<RequestId, Parties>,
    debts: BTreeMap<DebtId, BTreeSet<PrincipalId>>,
    holders: BTreeMap<GrantId, PrincipalId>,
    guests: BTreeMap<SessionId, PrincipalId>,
}

/// Whom a pending request concerns.
#[derive(Debug, PartialEq, Eq)]
struct Parties {
    /// The event's sequence number.
    filed: u64,
    own: BTreeSet<PrincipalId>,
    /// Who was asked so far, and in which stage last.
    asked: BTreeMap<PrincipalId, usize>,
    /// The stage that is about to begin is one that more people are asked about.
    escalated: bool,
}

impl Board {
    /// Everything for somebody after `seq`, oldest first.
    pub(crate) fn after(&self, who: PrincipalId, seq: u64) -> Vec<Notice> {
        self.feeds.get(&who).map(|feed| feed.after(seq)).unwrap_or_default()
    }

    /// The newest for somebody; 0 when there is none.
    pub(crate) fn newest(&self, who: PrincipalId) -> u64 {
        self.feeds.get(&who).map_or(0, Feed::newest)
    }

    /// Takes the next event of the log.
    pub(crate) fn hear(&mut self, envelope: &Envelope) {
        let by = match envelope.actor {
            Actor::Principal { id, .. } => Some(id),
            Actor::System => None,
        };
        let now = Occasion { seq: envelope.seq, at: envelope.at, by };
        match (envelope.stream, &envelope.event) {
            (Stream::Request(id), Event::Request(event)) => self.hear_request(now, id, event),
            (Stream::Grant(id), Event::Grant(event)) => self.hear_grant(now, id, event),
            (Stream::Session(id), Event::Session(event)) => self.hear_session(now, id, event),
            (Stream::Debt(id), Event::Debt(event)) => self.hear_debt(now, id, event),
            (Stream::Delegation(id), Event::Delegation(DelegationEvent::Made(made))) => self.tell(now, [made.to], &News::Delegated(id)),
            (
                Stream::Request(_)
                | Stream::Grant(_)
                | Stream::Debt(_)
                | Stream::Delegation(_)
                | Stream::Preapproval(_)
                | Stream::Lease(_)
                | Stream::Session(_)
                | Stream::Lock(_)
                | Stream::Principal(_)
                | Stream::Token(_)
                | Stream::Policy,
                _,
            ) => {}
        }
    }

    fn tell(&mut self, now: Occasion, whom: impl IntoIterator<Item = PrincipalId>, news: &News) {
        for who in whom.into_iter().filter(|who| now.by != Some(*who)) {
            self.feeds.entry(who).or_default().tell(now, news.clone());
        }
    }

    fn hear_request(&mut self, now: Occasion, id: RequestId, event: &RequestEvent) {
        match event {
            RequestEvent::Filed(filed) => {
                let own = [filed.requester, filed.beneficiary].into();
                self.requests.insert(id, Parties { filed: now.seq, own, asked: BTreeMap::new(), escalated: false });
            }
            RequestEvent::StageEntered(entered) => {
                let Some(parties) = self.requests.get_mut(&id) else { return };
                let how = if std::mem::take(&mut parties.escalated) { RequestNews::Escalated } else { RequestNews::Asked };
                for who in &entered.asked {
                    let before = parties.asked.insert(*who, entered.stage);
                    if before != Some(entered.stage) && now.by != Some(*who) {
                        self.feeds.entry(*who).or_default().ask(now, Filed { id, seq: parties.filed }, how, before.is_some());
                    }
                }
            }
            RequestEvent::StageEscalated(_) => {
                if let Some(parties) = self.requests.get_mut(&id) {
                    parties.escalated = true;
                }
            }
            RequestEvent::StageSkipped(_) => {
                if let Some(parties) = self.requests.get_mut(&id) {
                    parties.escalated = false;
                }
            }
            RequestEvent::Reminded(reminded) => {
                let Some(parties) = self.requests.get_mut(&id) else { return };
                for who in &reminded.asked {
                    parties.asked.entry(*who).or_insert(reminded.stage);
                    self.feeds.entry(*who).or_default().remind(now, Filed { id, seq: parties.filed });
                }
            }
            RequestEvent::Reviewed(review) => {
                if let Some(feed) = self.feeds.get_mut(&review.reviewer) {
                    feed.forget(id);
                }
                self.follow(now, id, RequestNews::Reviewed(review.verdict));
            }
            RequestEvent::TakenBack(_) => self.follow(now, id, RequestNews::TakenBack),
            RequestEvent::Commented(_) => {
                self.follow(now, id, RequestNews::Commented);
                self.answer(now, id, RequestNews::Commented);
            }
            RequestEvent::Approved(_) => self.settle(now, id, RequestNews::Approved),
            RequestEvent::Denied(_) => self.settle(now, id, RequestNews::Denied),
            RequestEvent::Withdrawn(_) => self.settle(now, id, RequestNews::Withdrawn),
            RequestEvent::Expired(_) => self.settle(now, id, RequestNews::Expired),
            RequestEvent::AutoReviewed(_) | RequestEvent::Seen(_) | RequestEvent::PlanTightened(_) => {}
        }
    }

    /// Those who were asked hear what another did.
    fn follow(&mut self, now: Occasion, id: RequestId, news: RequestNews) {
        let Some(parties) = self.requests.get(&id) else { return };
        for who in parties.asked.keys().filter(|who| now.by != Some(**who)) {
            self.feeds.entry(*who).or_default().follow(now, Filed { id, seq: parties.filed }, news);
        }
    }

    /// Who asked, and who would get in, hear it.
    fn answer(&mut self, now: Occasion, id: RequestId, news: RequestNews) {
        let Some(parties) = self.requests.get(&id) else { return };
        for who in parties.own.iter().filter(|who| now.by != Some(**who)) {
            self.feeds.entry(*who).or_default().follow(now, Filed { id, seq: parties.filed }, news);
        }
    }

    /// It waits for nobody any more: who asked and those who were asked hear how it ended.
    fn settle(&mut self, now: Occasion, id: RequestId, news: RequestNews) {
        self.follow(now, id, news);
        self.answer(now, id, news);
        let Some(parties) = self.requests.remove(&id) else { return };
        for who in parties.asked.keys() {
            if let Some(feed) = self.feeds.get_mut(who) {
                feed.forget(id);
            }
        }
    }

    fn hear_grant(&mut self, now: Occasion, id: GrantId, event: &GrantEvent) {
        match event {
            GrantEvent::Scheduled(scheduled) => drop(self.holders.insert(id, scheduled.principal)),
            GrantEvent::Opened(opened) => {
                let holder = opened.signed.claims.principal;
                // One that opens as it is approved is told of by the approval.
                if self.holders.insert(id, holder).is_some() {
                    self.tell(now, [holder], &News::Grant(id, GrantNews::Opened));
                }
            }
            GrantEvent::Closing(closing) => {
                let holder = self.holders.remove(&id);
                if before_its_time(&closing.reason) {
                    self.tell(now, holder, &News::Grant(id, GrantNews::Closing));
                }
            }
            GrantEvent::Failed(_) => {
                let holder = self.holders.remove(&id);
                self.tell(now, holder, &News::Grant(id, GrantNews::Failed));
            }
            GrantEvent::Used(_) | GrantEvent::Closed(_) => {}
        }
    }

    fn hear_session(&mut self, now: Occasion, id: SessionId, event: &SessionEvent) {
        match event {
            SessionEvent::Held(held) => drop(self.guests.insert(id, held.arrived.principal)),
            SessionEvent::Live(live) => drop(self.guests.insert(id, live.arrived.principal)),
            SessionEvent::Killed(_) => {
                let guest = self.guests.get(&id).copied();
                self.tell(now, guest, &News::Killed(id));
            }
            SessionEvent::Ended(_) => drop(self.guests.remove(&id)),
            SessionEvent::Moved(_) => {}
        }
    }

    fn hear_debt(&mut self, now: Occasion, id: DebtId, event: &DebtEvent) {
        match event {
            DebtEvent::Incurred(incurred) => {
                let asked: BTreeSet<_> = incurred.asked.iter().copied().collect();
                let alerted: BTreeSet<_> = incurred.alerted.iter().copied().filter(|who| !asked.contains(who)).collect();
                let own = [incurred.debtor, incurred.beneficiary];
                self.tell(now, alerted.iter().copied(), &News::Debt(id, DebtNews::Alert));
                self.tell(now, asked.iter().copied(), &News::Debt(id, DebtNews::Owed));
                self.debts.insert(id, own.into_iter().chain(asked).chain(alerted).collect());
            }
            DebtEvent::Overdue(overdue) => {
                let concerned = self.debts.get(&id).cloned().unwrap_or_default();
                let concerned: BTreeSet<_> = concerned.into_iter().chain(overdue.asked.iter().copied()).collect();
                self.tell(now, concerned.iter().copied(), &News::Debt(id, DebtNews::Overdue));
                self.debts.insert(id, concerned);
            }
            DebtEvent::Reviewed(review) => {
                let concerned = self.debts.get(&id).cloned().unwrap_or_default();
                self.tell(now, concerned, &News::Debt(id, DebtNews::Reviewed(review.verdict)));
            }
            DebtEvent::Paid(_) => drop(self.debts.remove(&id)),
        }
    }
}

/// Whether whoever has a grant is told that it closes: not of its end, nor of what they did themselves.
fn before_its_time(reason: &CloseReason) -> bool {
    match reason {
        CloseReason::Expired | CloseReason::Returned | CloseReason::Used | CloseReason::Extended { .. } => false,
        CloseReason::Revoked { .. }
        | CloseReason::DeniedLate { .. }
        | CloseReason::Locked { .. }
        | CloseReason::PrincipalDisabled
        | CloseReason::ResourceRemoved
        | CloseReason::NotAllowedAnyMore => true,
    }
}
