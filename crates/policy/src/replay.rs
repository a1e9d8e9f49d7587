//! A draft run over the requests of the past: what would go otherwise, and what that does to waiting.

use std::collections::BTreeMap;
use std::sync::Arc;

use ajar_core::event::Envelope;
use ajar_core::id::{PrincipalId, RequestId};
use ajar_core::name::RuleName;
use ajar_core::plan::{Candidates, Plan};
use ajar_core::request::Impossible;
use ajar_core::time::{Span, Timestamp};

use crate::bound::Bound;
use crate::decide::{Decision, Question};
use crate::past::{Became, Disclosed, Past, PastRequest, shown};

/// Changed requests that are told of one by one.
const ROWS_MAX: usize = 1_000;

/// What a draft would have changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// From when on requests were looked at.
    pub since: Option<Timestamp>,
    /// How many.
    pub requests: usize,
    /// How many would go otherwise, by kind of change.
    pub changes: BTreeMap<ChangeKind, usize>,
    /// How long people waited who were let in, emergencies apart.
    pub before: Waits,
    /// How long they would have waited.
    pub after: Waits,
    /// Of the latter, how many are an estimate: what such requests took before.
    pub estimated: usize,
    /// The requests that would go otherwise, oldest first.
    pub rows: Vec<Row>,
    /// How many more there are.
    pub left_off: usize,
    /// What was assumed, in words.
    pub notes: Vec<String>,
}

/// How requests change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// People decided, or nobody, and now the rules approve.
    Automatic,
    /// A rule denies it now.
    Denied,
    /// It can't be asked for like that any more.
    NotRequestable,
    /// The rules approved it, and now people decide.
    Asks,
    /// More people must approve.
    More,
    /// Fewer must.
    Fewer,
    /// As many, but others.
    Others,
    /// A rule denied it, and none does now.
    NotDenied,
    /// Who asked, or for whom, is not in the draft, or is disabled there.
    Unlisted,
}

impl ChangeKind {
    /// The word for programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Denied => "denied",
            Self::NotRequestable => "not_requestable",
            Self::Asks => "asks",
            Self::More => "more",
            Self::Fewer => "fewer",
            Self::Others => "others",
            Self::NotDenied => "not_denied",
            Self::Unlisted => "unlisted",
        }
    }

    /// `3 now denied`.
    #[must_use]
    pub fn count(self, count: usize) -> String {
        let (one, many) = match self {
            Self::Automatic => ("more approved automatically", "more approved automatically"),
            Self::Denied => ("now denied", "now denied"),
            Self::NotRequestable => ("can no longer be asked for", "can no longer be asked for"),
            Self::Asks => ("no longer approved automatically", "no longer approved automatically"),
            Self::More => ("needs more approvals", "need more approvals"),
            Self::Fewer => ("needs fewer approvals", "need fewer approvals"),
            Self::Others => ("is decided by others", "are decided by others"),
            Self::NotDenied => ("no longer denied", "no longer denied"),
            Self::Unlisted => ("by somebody who is no longer listed", "by people who are no longer listed"),
        };
        format!("{count} {}", if count == 1 { one } else { many })
    }
}

/// How long people waited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waits {
    /// How many were let in.
    pub count: usize,
    /// Half of them waited no longer than this.
    pub median: Option<Span>,
    /// Nine of ten waited no longer than this.
    pub p90: Option<Span>,
}

impl Waits {
    fn of(mut waits: Vec<u64>) -> Self {
        waits.sort_unstable();
        let at = |percent: usize| waits.get((waits.len() * percent).div_ceil(100).saturating_sub(1)).map(|ms| Span::from_millis(*ms));
        Self { count: waits.len(), median: at(50), p90: at(90) }
    }
}

/// A request that would go otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which.
    pub id: RequestId,
    /// When it was filed.
    pub at: Timestamp,
    /// For whom.
    pub who: PrincipalId,
    /// Who asked, if it was somebody else.
    pub by: Option<PrincipalId>,
    /// What for: `read on orders-db`.
    pub what: String,
    /// How it changes.
    pub change: ChangeKind,
    /// What the rules asked for then.
    pub before: String,
    /// What became of it.
    pub became: String,
    /// What the draft says.
    pub after: String,
    /// Which of its rules.
    pub rules: Vec<RuleName>,
    /// Why, for what it refuses.
    pub why: Option<String>,
}

/// What was, or would be, asked for.
enum Answer {
    Automatic(Vec<RuleName>),
    Needs(Plan),
    Emergency(Vec<RuleName>),
    Denied(RuleName),
    Refused(Option<RuleName>, String),
    Unlisted,
}

/// Which people are asked, stage by stage.
type Asked = Vec<(Vec<Candidates>, u8)>;

/// The run.
#[derive(Debug)]
pub struct Replay {
    draft: Arc<Bound>,
    since: Option<Timestamp>,
    past: Past,
    report: Report,
    before: Vec<u64>,
    after: Vec<u64>,
    /// How long decisions took, by who was asked, and how many of them.
    took: BTreeMap<Asked, Vec<u64>>,
    /// Who would be asked newly.
    newly: BTreeMap<Asked, usize>,
    erased: usize,
}

impl Replay {
    /// A run of `draft` over what was filed from `since` on.
    #[must_use]
    pub fn new(draft: Arc<Bound>, since: Option<Timestamp>) -> Self {
        Self {
            draft,
            since,
            past: Past::default(),
            report: Report { since, ..Report::default() },
            before: Vec::new(),
            after: Vec::new(),
            took: BTreeMap::new(),
            newly: BTreeMap::new(),
            erased: 0,
        }
    }

    /// The next event of the ledger, with what is disclosed of it.
    ///
    /// # Errors
    /// When the event can't happen to its request: the log is damaged.
    pub fn learn(&mut self, envelope: &Envelope, value: Disclosed<'_>) -> Result<(), Impossible> {
        if let Some(request) = self.past.learn(envelope, value)? {
            self.look(&request);
        }
        Ok(())
    }

    /// What the draft would have changed.
    #[must_use]
    pub fn report(mut self) -> Report {
        std::mem::take(&mut self.past).rest().for_each(|request| self.look(&request));
        let median = |waits: &Vec<u64>| Waits::of(waits.clone()).median.map(Span::as_millis);
        let any = self.took.values().flatten().copied().collect();
        let any = median(&any);
        for (asked, count) in &self.newly {
            let estimate = self.took.get(asked).and_then(median).or(any);
            self.after.extend(estimate.into_iter().flat_map(|wait| std::iter::repeat_n(wait, *count)));
            self.report.estimated += if estimate.is_some() { *count } else { 0 };
        }
        let Self { mut report, before, after, erased, .. } = self;
        if erased > 0 {
            report.notes.push(format!(
                "the reasons or scopes of {erased} requests are erased or not disclosed: they count as the draft wants them"
            ));
        }
        if report.estimated > 0 {
            report.notes.push(
                "how long people would wait for other decisions than there were is an estimate: what decisions of the same people took"
                    .into(),
            );
        }
        report.rows.sort_by_key(|row| (row.at, row.id));
        Report { before: Waits::of(before), after: Waits::of(after), ..report }
    }

    fn look(&mut self, request: &PastRequest) {
        let filed = &request.filed;
        if self.since.is_some_and(|since| filed.at < since) {
            return;
        }
        self.report.requests += 1;
        let (then, now) = (then(request), self.answer(request));
        self.wait(request, &now);
        let Some(change) = change(&then, &now) else { return };
        *self.report.changes.entry(change).or_default() += 1;
        if self.report.rows.len() >= ROWS_MAX {
            self.report.left_off += 1;
            return;
        }
        let (rules, why) = match &now {
            Answer::Automatic(rules) | Answer::Emergency(rules) => (rules.clone(), None),
            Answer::Needs(plan) => (plan.rules.clone(), None),
            Answer::Denied(rule) => (vec![rule.clone()], None),
            Answer::Refused(rule, why) => (rule.iter().cloned().collect(), Some(why.clone())),
            Answer::Unlisted => (Vec::new(), None),
        };
        let what = filed.asks.iter().map(|ask| format!("{} on {}", ask.role, ask.resource)).collect::<Vec<_>>().join(", ");
        self.report.rows.push(Row {
            id: filed.id,
            at: filed.at,
            who: filed.beneficiary,
            by: (filed.requester != filed.beneficiary).then_some(filed.requester),
            what,
            change,
            before: self.words(&then),
            became: request.became.to_string(),
            after: self.words(&now),
            rules,
            why,
        });
    }

    /// What the draft says, at the time for which it was asked and with what had lately been.
    fn answer(&mut self, request: &PastRequest) -> Answer {
        let PastRequest { filed, reason, scope, recent, .. } = request;
        if !self.draft.enabled(filed.requester) || !self.draft.enabled(filed.beneficiary) {
            return Answer::Unlisted;
        }
        let mut whole: Option<(Plan, bool)> = None;
        for (ask, recent) in filed.asks.iter().zip(recent) {
            let question = Question {
                beneficiary: filed.beneficiary,
                duration: Some(filed.duration),
                reason: reason.clone().unwrap_or_default(),
                ticket: filed.ticket.clone(),
                scope: scope.clone(),
                extension: filed.extends.as_ref().map(|e| e.nth),
                emergency: filed.emergency.is_some(),
                proof: filed.proof,
                recent: *recent,
                ..Question::new(filed.requester, ask.resource.clone(), ask.role.clone(), filed.starts_at.unwrap_or(filed.at).max(filed.at))
            };
            let (decision, assumed) = self.draft.decide_past(&question, request.texts_are_known());
            self.erased += usize::from(assumed);
            let allowed = match decision {
                Decision::Allowed(allowed) => allowed,
                Decision::Denied(denied) => return Answer::Denied(denied.rule),
                // Without a condition, a rule that denies refuses.
                Decision::Refused(why) => match why.rule {
                    Some(rule) if self.draft.denies(&rule) => return Answer::Denied(rule),
                    rule => {
                        let detail = why.detail.map(|detail| format!(": {detail}")).unwrap_or_default();
                        return Answer::Refused(rule, format!("{}{detail}", why.message));
                    }
                },
            };
            whole = Some(match whole {
                None => (allowed.plan, allowed.emergency.is_some()),
                Some((plan, emergency)) => (plan.combine(&allowed.plan), emergency),
            });
        }
        match whole {
            None => Answer::Refused(None, "nothing was asked for".into()),
            Some((plan, true)) => Answer::Emergency(plan.rules),
            Some((plan, false)) if plan.stages.is_empty() => Answer::Automatic(plan.rules),
            Some((plan, false)) => Answer::Needs(plan),
        }
    }

    /// How long who asked waited, and would wait.
    fn wait(&mut self, request: &PastRequest, now: &Answer) {
        let waited = match &request.became {
            Became::Automatic => Some(0),
            Became::Approved { after, .. } => Some(after.as_millis()),
            Became::Emergency
            | Became::DeniedByReviewer
            | Became::DeniedByRule(_)
            | Became::Denied(_)
            | Became::Expired
            | Became::Withdrawn
            | Became::Pending => None,
        };
        self.before.extend(waited);
        if let Became::Approved { after, .. } = &request.became {
            self.took.entry(asked(&request.filed.plan)).or_default().push(after.as_millis());
        }
        match (now, waited) {
            (Answer::Automatic(_), _) if !matches!(request.became, Became::Emergency) => self.after.push(0),
            (Answer::Needs(plan), Some(0)) if request.became == Became::Automatic => *self.newly.entry(asked(plan)).or_default() += 1,
            (Answer::Needs(plan), Some(waited)) if asked(plan) == asked(&request.filed.plan) => self.after.push(waited),
            // How long others take, or more of the same, is not what it took then.
            (Answer::Needs(plan), Some(_)) => *self.newly.entry(asked(plan)).or_default() += 1,
            (Answer::Automatic(_) | Answer::Needs(_) | Answer::Emergency(_), _) => {}
            (Answer::Denied(_) | Answer::Refused(..) | Answer::Unlisted, _) => {}
        }
    }

    fn words(&self, answer: &Answer) -> String {
        match answer {
            Answer::Automatic(_) => "approved automatically".into(),
            Answer::Needs(plan) => format!("needs {}", self.draft.plan_words(plan)),
            Answer::Emergency(_) => "an emergency".into(),
            Answer::Denied(rule) => format!("denied by rule {rule}"),
            Answer::Refused(..) => "can't be asked for".into(),
            Answer::Unlisted => "nobody by that name".into(),
        }
    }
}

/// What the rules asked for when it was filed.
fn then(request: &PastRequest) -> Answer {
    let plan = &request.filed.plan;
    if let Became::DeniedByRule(rule) = &request.became {
        Answer::Denied(rule.clone())
    } else if request.filed.emergency.is_some() {
        Answer::Emergency(plan.rules.clone())
    } else if plan.stages.is_empty() {
        Answer::Automatic(plan.rules.clone())
    } else {
        Answer::Needs(plan.clone())
    }
}

fn asked(plan: &Plan) -> Asked {
    plan.stages.iter().map(|stage| (stage.candidates.clone(), stage.needed.get())).collect()
}

/// How many of whom, in whatever order.
fn needs(plan: &Plan) -> Vec<(&[Candidates], u8)> {
    let mut needs: Vec<_> = plan.stages.iter().map(|stage| (stage.candidates.as_slice(), stage.needed.get())).collect();
    needs.sort_unstable();
    needs
}

fn change(then: &Answer, now: &Answer) -> Option<ChangeKind> {
    match (then, now) {
        (_, Answer::Unlisted) => Some(ChangeKind::Unlisted),
        (Answer::Denied(_), Answer::Denied(_))
        | (Answer::Automatic(_), Answer::Automatic(_))
        | (Answer::Emergency(_), Answer::Emergency(_)) => None,
        (_, Answer::Denied(_)) => Some(ChangeKind::Denied),
        // What was denied then and can't be asked for now is shut either way.
        (Answer::Denied(_), Answer::Refused(..)) => None,
        (_, Answer::Refused(..)) => Some(ChangeKind::NotRequestable),
        (Answer::Denied(_), _) => Some(ChangeKind::NotDenied),
        (Answer::Needs(then), Answer::Needs(now)) => {
            let (then, now) = (needs(then), needs(now));
            let humans = |needs: &[(&[Candidates], u8)]| needs.iter().map(|(_, needed)| usize::from(*needed)).sum::<usize>();
            match humans(&now).cmp(&humans(&then)) {
                std::cmp::Ordering::Greater => Some(ChangeKind::More),
                std::cmp::Ordering::Less => Some(ChangeKind::Fewer),
                std::cmp::Ordering::Equal => (then != now).then_some(ChangeKind::Others),
            }
        }
        (_, Answer::Automatic(_)) => Some(ChangeKind::Automatic),
        (_, Answer::Needs(_)) => Some(ChangeKind::Asks),
        (_, Answer::Emergency(_)) => Some(ChangeKind::Others),
    }
}

impl Report {
    /// One sentence: what would change.
    #[must_use]
    pub fn headline(&self) -> String {
        let changed: usize = self.changes.values().sum();
        let plural = |count: usize| if count == 1 { "request" } else { "requests" };
        let since =
            self.since.map(|since| format!(" since {}", since.to_string().split('T').next().unwrap_or_default())).unwrap_or_default();
        if changed == 0 {
            return format!("Nothing would change: all {} {}{since} would go as they did.", self.requests, plural(self.requests));
        }
        let changes: Vec<String> = self.changes.iter().map(|(change, count)| change.count(*count)).collect();
        let waits = match (self.before.median, self.after.median) {
            (Some(before), Some(after)) => format!("; median wait {} → {}", shown(before), shown(after)),
            (Some(_) | None, _) => String::new(),
        };
        format!("{changed} of {} {}{since} would go otherwise: {}{waits}.", self.requests, plural(self.requests), changes.join(", "))
    }
}
