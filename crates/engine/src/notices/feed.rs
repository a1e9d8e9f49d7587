//! One person's notices: the newest of them, and a flood of requests as one (A12). Pure: the same events give the same notices.

use std::collections::{BTreeSet, VecDeque};

use ajar_core::id::{DebtId, DelegationId, GrantId, PrincipalId, RequestId, SessionId};
use ajar_core::plan::Verdict;
use ajar_core::time::{Span, Timestamp};

/// Notices that are kept of one person; the oldest go.
const KEPT: usize = 200;
/// So many requests within [`WINDOW`] are told one by one; what comes beyond that is told as one.
const BURST: usize = 5;
/// See [`BURST`].
const WINDOW: Span = Span::from_secs(600);

/// What somebody is told, by ids alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// The event's sequence number: the cursor.
    pub(crate) seq: u64,
    /// When.
    pub(crate) at: Timestamp,
    /// Who caused it; nobody when it was Ajar itself.
    pub(crate) by: Option<PrincipalId>,
    /// What happened.
    pub(crate) news: News,
}

/// When something happened, and who caused it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Occasion {
    pub(super) seq: u64,
    pub(super) at: Timestamp,
    pub(super) by: Option<PrincipalId>,
}

/// A request, and when it was filed: nothing that was told of it is older.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filed {
    pub(super) id: RequestId,
    pub(super) seq: u64,
}

impl Occasion {
    fn notice(self, news: News) -> Notice {
        Notice { seq: self.seq, at: self.at, by: self.by, news }
    }
}

/// See [`Notice::news`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// Something became of a request.
    Request(RequestId, RequestNews),
    /// More requests than were told one by one, and not settled yet.
    Digest(BTreeSet<RequestId>),
    /// Something became of a grant of theirs.
    Grant(GrantId, GrantNews),
    /// Something became of an emergency.
    Debt(DebtId, DebtNews),
    /// Somebody ended a session of theirs.
    Killed(SessionId),
    /// They are asked instead of somebody.
    Delegated(DelegationId),
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestNews {
    /// They may decide it.
    Asked,
    /// They may decide it too, because nobody had.
    Escalated,
    /// It still waits for them.
    Reminded,
    /// Another has decided.
    Reviewed(Verdict),
    /// Another has taken an approve back.
    TakenBack,
    /// Somebody has said something.
    Commented,
    /// It is approved.
    Approved,
    /// It is refused.
    Denied,
    /// Nobody decided in time.
    Expired,
    /// Who asked took it back.
    Withdrawn,
}

/// What became of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantNews {
    /// It opened, later than it was approved.
    Opened,
    /// It ends before its time.
    Closing,
    /// It never opened.
    Failed,
}

/// What became of an emergency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DebtNews {
    /// It opened.
    Alert,
    /// It opened, and they are asked to review it.
    Owed,
    /// It was not reviewed in time.
    Overdue,
    /// Somebody reviewed it.
    Reviewed(Verdict),
}

/// Of each topic of a request only the newest notice is kept: it says all that the one before it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    Asking,
    Reminding,
    Deciding,
    Talking,
}

impl RequestNews {
    fn topic(self) -> Topic {
        match self {
            Self::Asked | Self::Escalated => Topic::Asking,
            Self::Reminded => Topic::Reminding,
            Self::Reviewed(_) | Self::TakenBack | Self::Approved | Self::Denied | Self::Expired | Self::Withdrawn => Topic::Deciding,
            Self::Commented => Topic::Talking,
        }
    }
}

impl News {
    /// Whether this one, by somebody, says all that `other` by the same or another did.
    fn covers(&self, by: Option<PrincipalId>, other: &Notice) -> bool {
        match (self, &other.news) {
            (Self::Request(id, news), Self::Request(same, old)) => {
                id == same && news.topic() == old.topic() && (news.topic() != Topic::Talking || by == other.by)
            }
            (Self::Delegated(_), Self::Delegated(_)) => by == other.by,
            (Self::Request(..) | Self::Digest(_) | Self::Grant(..) | Self::Debt(..) | Self::Killed(_) | Self::Delegated(_), _) => false,
        }
    }
}

/// The requests that are told as one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Digest {
    seq: u64,
    at: Timestamp,
    by: Option<PrincipalId>,
    requests: BTreeSet<RequestId>,
}

/// What one person is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Feed {
    notices: VecDeque<Notice>,
    /// When the last requests came.
    asked: VecDeque<Timestamp>,
    digest: Option<Digest>,
}

impl Feed {
    /// They may decide a request; `again` when they were asked about it before. INVARIANT A12: what comes after [`BURST`] others within
    /// [`WINDOW`] goes to the one that tells of all.
    pub(super) fn ask(&mut self, now: Occasion, request: Filed, how: RequestNews, again: bool) {
        if self.moves_digest(now, request.id) {
            return;
        }
        let notice = now.notice(News::Request(request.id, how));
        if again {
            return self.push(notice, request.seq);
        }
        let flood = self.asked.len() >= BURST && self.asked.front().is_some_and(|first| now.at.since(*first) < WINDOW);
        self.asked.push_back(now.at);
        if self.asked.len() > BURST {
            self.asked.pop_front();
        }
        if flood {
            let mut requests = self.digest.take().map(|d| d.requests).unwrap_or_default();
            requests.insert(request.id);
            self.digest = Some(Digest { seq: now.seq, at: now.at, by: now.by, requests });
        } else {
            self.add(notice);
        }
    }

    /// A request still waits for them.
    pub(super) fn remind(&mut self, now: Occasion, request: Filed) {
        if !self.moves_digest(now, request.id) {
            self.push(now.notice(News::Request(request.id, RequestNews::Reminded)), request.seq);
        }
    }

    /// Something was done about a request of theirs, or one that they are asked about. Of one that they were told of only among others,
    /// they hear nothing more than that it is gone.
    pub(super) fn follow(&mut self, now: Occasion, request: Filed, news: RequestNews) {
        if !self.in_digest(request.id) {
            self.push(now.notice(News::Request(request.id, news)), request.seq);
        }
    }

    /// A request asks them no more.
    pub(super) fn forget(&mut self, request: RequestId) {
        if let Some(mut digest) = self.digest.take() {
            digest.requests.remove(&request);
            self.digest = Some(digest).filter(|d| !d.requests.is_empty());
        }
    }

    /// Something else that concerns them.
    pub(super) fn tell(&mut self, now: Occasion, news: News) {
        match news {
            News::Delegated(_) => self.push(now.notice(news), 0),
            News::Request(..) | News::Digest(_) | News::Grant(..) | News::Debt(..) | News::Killed(_) => self.add(now.notice(news)),
        }
    }

    /// The newest there is.
    pub(super) fn newest(&self) -> u64 {
        let digest = self.digest.as_ref().map(|d| d.seq);
        self.notices.back().map(|n| n.seq).max(digest).unwrap_or(0)
    }

    /// Everything after `seq`, oldest first.
    pub(super) fn after(&self, seq: u64) -> Vec<Notice> {
        let digest = self.digest.as_ref();
        let digest = digest.map(|d| Notice { seq: d.seq, at: d.at, by: d.by, news: News::Digest(d.requests.clone()) });
        let mut all: Vec<_> = self.notices.iter().cloned().chain(digest).filter(|n| n.seq > seq).collect();
        all.sort_by_key(|n| n.seq);
        all
    }

    fn in_digest(&self, request: RequestId) -> bool {
        self.digest.as_ref().is_some_and(|d| d.requests.contains(&request))
    }

    /// Brings the digest forward when it holds `request`.
    fn moves_digest(&mut self, now: Occasion, request: RequestId) -> bool {
        match self.digest.as_mut().filter(|d| d.requests.contains(&request)) {
            Some(digest) => {
                (digest.seq, digest.at, digest.by) = (now.seq, now.at, now.by);
                true
            }
            None => false,
        }
    }

    /// Adds a notice instead of the one, not older than `since`, that it makes needless.
    fn push(&mut self, notice: Notice, since: u64) {
        let mut recent = self.notices.iter().enumerate().rev().take_while(|(_, n)| n.seq >= since);
        let old = recent.find(|(_, n)| notice.news.covers(notice.by, n)).map(|(index, _)| index);
        if let Some(old) = old {
            self.notices.remove(old);
        }
        self.add(notice);
    }

    fn add(&mut self, notice: Notice) {
        self.notices.push_back(notice);
        if self.notices.len() > KEPT {
            self.notices.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(n: u64) -> Filed {
        Filed { id: RequestId::new(uuid::Uuid::from_u128(u128::from(n) + 1)), seq: n }
    }

    fn at(seq: u64, seconds: u64) -> Occasion {
        let by = Some(PrincipalId::new(uuid::Uuid::from_u128(9)));
        Occasion { seq, at: Timestamp::from_millis(1_800_000_000_000).after(Span::from_secs(seconds)), by }
    }

    fn told(feed: &Feed) -> Vec<(u64, &'static str, usize)> {
        let word = |n: Notice| match n.news {
            News::Request(_, RequestNews::Asked) => (n.seq, "asked", 1),
            News::Request(_, RequestNews::Reminded) => (n.seq, "reminded", 1),
            News::Request(..) => (n.seq, "request", 1),
            News::Digest(requests) => (n.seq, "digest", requests.len()),
            News::Grant(..) | News::Debt(..) | News::Killed(_) | News::Delegated(_) => (n.seq, "other", 1),
        };
        feed.after(0).into_iter().map(word).collect()
    }

    #[test]
    fn a12_a_flood_is_five_notices_and_one_that_moves_on() {
        let mut feed = Feed::default();
        for n in 1..=30 {
            feed.ask(at(n, n), request(n), RequestNews::Asked, false);
            assert_eq!(feed.newest(), n);
        }
        let mut expected: Vec<_> = (1..=5).map(|n| (n, "asked", 1)).collect();
        expected.push((30, "digest", 25));
        assert_eq!(told(&feed), expected);
        // What is decided is gone from it, in whatever order, and makes no notice of its own.
        for n in [30, 7, 19] {
            feed.follow(at(30 + n, 40), request(n), RequestNews::Approved);
            feed.forget(request(n).id);
        }
        assert_eq!(told(&feed).last(), Some(&(30, "digest", 22)));
        feed.follow(at(70, 40), request(3), RequestNews::Approved);
        assert_eq!(told(&feed).last(), Some(&(70, "request", 1)), "what was told by itself goes on so");
        // A reminder of some of them is one, too.
        for n in 8..=18 {
            feed.remind(at(70 + n, 50), request(n));
        }
        assert_eq!(told(&feed).last(), Some(&(88, "digest", 22)));
        for n in 1..=30 {
            feed.forget(request(n).id);
        }
        assert_eq!(told(&feed).iter().filter(|(_, what, _)| *what == "digest").count(), 0);
    }

    #[test]
    fn a12_a_flood_that_goes_on_stays_one_and_what_comes_after_it_is_told_by_itself() {
        let mut feed = Feed::default();
        for n in 1..=100 {
            feed.ask(at(n, n * 60), request(n), RequestNews::Asked, false);
        }
        assert_eq!((told(&feed).len(), told(&feed)[5]), (6, (100, "digest", 95)));
        feed.ask(at(101, 6_200), request(101), RequestNews::Asked, false);
        assert_eq!(told(&feed).last(), Some(&(101, "digest", 96)), "five others came within ten minutes");
        feed.ask(at(102, 6_420), request(102), RequestNews::Asked, false);
        assert_eq!(told(&feed).last(), Some(&(102, "asked", 1)));
    }

    #[test]
    fn a12_asking_at_leisure_is_never_merged_and_a_clock_that_is_set_back_loses_nothing() {
        let mut feed = Feed::default();
        for n in 1..=20 {
            feed.ask(at(n, n * 150), request(n), RequestNews::Asked, false);
        }
        assert_eq!(told(&feed).len(), 20);
        for n in 21..=40 {
            feed.ask(at(n, 0), request(n), RequestNews::Asked, false);
        }
        let all: usize = told(&feed).iter().map(|(.., requests)| requests).sum();
        assert_eq!(all, 40);
    }

    #[test]
    fn what_is_newer_replaces_what_it_makes_needless_and_the_oldest_go() {
        let mut feed = Feed::default();
        feed.ask(at(1, 0), request(1), RequestNews::Asked, false);
        for n in 2..=9 {
            let news = if n % 2 == 0 { RequestNews::Reviewed(Verdict::Approve) } else { RequestNews::TakenBack };
            feed.follow(at(n, n), request(1), news);
        }
        for n in 10..=19 {
            feed.follow(at(n, n), request(1), RequestNews::Commented);
        }
        assert_eq!(told(&feed).iter().map(|(seq, ..)| *seq).collect::<Vec<_>>(), [1, 9, 19]);
        for n in 20..1_020 {
            feed.tell(at(n, n), News::Grant(GrantId::new(uuid::Uuid::from_u128(u128::from(n))), GrantNews::Closing));
        }
        assert_eq!((feed.after(0).len(), feed.after(0)[0].seq, feed.after(1_018).len()), (KEPT, 820, 1));
    }
}
