//! How access goes, in numbers, over a range of time: for auditors and operators. Folded from the projection when somebody asks, page by
//! page, so that what is kept while it is folded is a few bytes for each request, grant and session.

mod calendar;
mod fold;

use std::collections::{BTreeMap, BTreeSet};

use ajar_core::event::{Event, Stream};
use ajar_core::id::{GrantId, LeaseId, PrincipalId, RequestId};
use ajar_core::lease::{Lease, LeaseEvent};
use ajar_core::name::{ResourceName, RoleName, RuleName};
use ajar_core::port::{Mono, Refusal, RefusalKind, RowQuery};
use ajar_core::request::Request;
use ajar_core::time::{Span, Timestamp};
use serde::de::DeserializeOwned;

use self::calendar::Calendar;
use self::fold::{Decided, Grants, Requests, Sessions};
use crate::engine::Engine;
use crate::people::Caller;
use crate::records::parse;
use crate::refusal::{bad_input, refusal};
use crate::sequencer::{Unavailable, unavailable};

/// How long an answer is given again, in nanoseconds: a minute.
const KEPT: u64 = 60_000_000_000;
/// The range unless one is said.
const MONTH: Span = Span::from_secs(30 * 24 * 3600);
/// The longest range.
const LONGEST: Span = Span::from_secs(3 * 366 * 24 * 3600);
/// Rows that are read at a time.
const PAGE: u32 = 5_000;
/// Of those whose grants were not used, so many are told.
const UNUSED_MAX: usize = 200;
/// Logins that are not confirmed to be gone, so many are told.
const UNCONFIRMED_MAX: usize = 200;
/// The upper ends of the classes of lateness, in milliseconds; what is later is in one more.
const LATE: [u64; 11] = [0, 1, 2, 5, 10, 20, 50, 100, 250, 1_000, 10_000];

/// Over which time, as somebody said it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InsightQuery {
    /// From this instant; 30 days before the end unless said.
    pub from: Option<Timestamp>,
    /// To this instant; the end of this minute unless said.
    pub to: Option<Timestamp>,
    /// The zone that days, weeks and hours are of: a name such as `Europe/Berlin`; UTC unless said.
    pub zone: Option<String>,
}

/// How access goes, in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Insight {
    /// From this instant.
    pub from: Timestamp,
    /// To this instant.
    pub to: Timestamp,
    /// How long people took to approve, emergencies apart.
    pub approval: Took,
    /// The same by the week of the approval, those without one too; each with its first instant.
    pub by_week: Vec<(Timestamp, Took)>,
    /// The most grants that were open at once on each day, by kind of resource.
    pub open_by_day: Vec<(Timestamp, OpenByKind)>,
    /// What was decided on each day.
    pub decisions: Vec<(Timestamp, Decisions)>,
    /// What was denied, by rule: the one that denied, or those that had let it be asked.
    pub denials: Vec<(RuleName, u64)>,
    /// Requests that were filed, by weekday (Monday first) and hour.
    pub hours: [[u64; 24]; 7],
    /// How late sessions were cut at their deadlines.
    pub cuts: Cuts,
    /// Logins that are not confirmed to be gone, now.
    pub unconfirmed: Vec<NotConfirmed>,
    /// Who had grants that opened in the range and used none of them.
    pub unused: Vec<Unused>,
}

/// The last answer, and when it was made.
pub(crate) type Kept = tokio::sync::Mutex<Option<((Timestamp, Timestamp, String), Mono, Insight)>>;

/// How long something took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Took {
    /// How often.
    pub count: u64,
    /// Half of the time, at most this.
    pub p50: Option<Span>,
    /// Nine times out of ten, at most this.
    pub p90: Option<Span>,
}

/// Grants by kind of resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpenByKind {
    /// On databases.
    pub postgres: u64,
    /// On hosts.
    pub ssh: u64,
    /// On APIs.
    pub http: u64,
}

/// What was decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Approved by the rules, emergencies too.
    pub auto: u64,
    /// Approved by people.
    pub human: u64,
    /// Denied.
    pub denied: u64,
    /// Not decided in time.
    pub expired: u64,
}

/// How late sessions were cut: milliseconds from the deadline to the last byte.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cuts {
    /// How many were cut at their deadlines.
    pub count: u64,
    /// Half of them, at most this.
    pub p50: Option<u64>,
    /// 99 of 100, at most this.
    pub p99: Option<u64>,
    /// The latest.
    pub max: Option<u64>,
    /// How many are at most so late, and later than the class before; the last class ends with the latest.
    pub classes: Vec<(u64, u64)>,
}

/// A login that is not confirmed to be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotConfirmed {
    /// Which.
    pub lease: LeaseId,
    /// For which grant.
    pub grant: GrantId,
    /// On what.
    pub resource: ResourceName,
    /// Since when the target has been asked without success.
    pub since: Timestamp,
    /// What went wrong last.
    pub why: String,
}

/// Somebody who used none of their grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unused {
    /// Who.
    pub person: PrincipalId,
    /// On what.
    pub resource: ResourceName,
    /// As what.
    pub role: RoleName,
    /// The rule that let them ask; the first, where there were several.
    pub rule: Option<RuleName>,
    /// When they were in as that last, before.
    pub last_used: Option<Timestamp>,
}

impl Engine {
    /// How access goes, in numbers: a minute old at the most.
    ///
    /// # Errors
    /// When the caller is neither auditor nor operator, the range or zone is none, or the store can't be read.
    pub async fn insight(&self, caller: &Caller, query: InsightQuery) -> Result<Insight, Refusal> {
        if !self.sees_all(caller) {
            return Err(refusal(RefusalKind::Denied, "these numbers are for auditors and operators", None, None));
        }
        let to = query.to.unwrap_or_else(|| self.next_minute());
        let from = query.from.unwrap_or_else(|| to.before(MONTH));
        if from >= to || to.since(from) > LONGEST {
            return Err(bad_input("the range is none, or longer than three years", "give 'from' before 'to', each with a zone"));
        }
        let zone = query.zone.as_deref().unwrap_or("UTC");
        let calendar = Calendar::new(zone, from, to)
            .ok_or_else(|| bad_input(format!("'{}' is no time zone", zone.escape_debug()), "give one such as Europe/Berlin"))?;
        // Whoever asks for the same a little later gets the same; whoever asks meanwhile waits for it.
        let key = (from, to, zone.to_owned());
        let mut kept = self.numbers.lock().await;
        if let Some((of, at, insight)) = &*kept
            && *of == key
            && self.clock.mono().0.saturating_sub(at.0) < KEPT
        {
            return Ok(insight.clone());
        }
        let _turn = self.looking.take(caller.principal).await?;
        let there = |word| RowQuery { word, not_over_at: Some(from), begun_before: Some(to), limit: PAGE, ..RowQuery::default() };
        let (requests, grants, sessions) = futures::try_join!(
            self.fold(there("request"), Requests::new(from, to), Requests::add),
            self.fold(there("grant"), Grants::new(from), Grants::add),
            self.fold(there("session"), Sessions::new(from, to), Sessions::add),
        )?;
        let kinds = self.kinds(&grants, &sessions);
        let unused = self.unused(&grants, &sessions, from).await?;
        let unconfirmed = self.not_confirmed().await?;
        let counted = tokio::task::spawn_blocking(move || counted(&calendar, requests, &grants, sessions, &kinds));
        let counted = counted.await.map_err(|_| Refusal::from(Unavailable::Stopped))?;
        let insight = Insight { from, to, unused, unconfirmed, ..counted };
        *kept = Some((key, self.clock.mono(), insight.clone()));
        Ok(insight)
    }

    /// The end of this minute: within it, "until now" is the same range.
    fn next_minute(&self) -> Timestamp {
        Timestamp::from_millis(self.now().as_millis() / 60_000 * 60_000 + 60_000)
    }

    /// Takes in every row of a query, as far as the fold needs it. Parsing keeps a core busy: it is done off the runtime's threads, while the
    /// other folds read.
    async fn fold<T, S>(&self, query: RowQuery, mut state: S, add: fn(&mut S, T)) -> Result<S, Refusal>
    where
        T: DeserializeOwned + 'static,
        S: Send + 'static,
    {
        let mut before = None;
        loop {
            let rows = self.store.rows(&RowQuery { before, ..query.clone() }).await.map_err(|e| Refusal::from(unavailable(&e)))?;
            let ended = rows.len() < PAGE as usize;
            before = rows.last().map(|row| row.stream);
            let folded = tokio::task::spawn_blocking(move || {
                rows.iter().filter_map(parse::<T>).for_each(|row| add(&mut state, row));
                state
            });
            state = folded.await.map_err(|_| Refusal::from(Unavailable::Stopped))?;
            if ended {
                return Ok(state);
            }
        }
    }

    /// What kind of thing each resource is: as the files say, or, of one that is gone from them, as its sessions did.
    fn kinds(&self, grants: &Grants, sessions: &Sessions) -> Vec<Option<Kind>> {
        let kind = |name: &ResourceName| {
            let word = self.kind_of(name).map(str::to_owned).or_else(|| sessions.protocols.get(name).cloned());
            word.as_deref().and_then(Kind::of)
        };
        grants.resources.names().map(kind).collect()
    }

    async fn unused(&self, grants: &Grants, sessions: &Sessions, from: Timestamp) -> Result<Vec<Unused>, Refusal> {
        let mut unused = Vec::new();
        for ((person, resource, role), request) in grants.opened() {
            if sessions.used.contains(&(person, resource.clone(), role.clone())) {
                continue;
            }
            if unused.len() >= UNUSED_MAX {
                break;
            }
            let last = RowQuery {
                word: "session",
                principal: Some(person),
                resource: Some(resource.clone()),
                role: Some(role.clone()),
                begun_before: Some(from),
                limit: 1,
                ..RowQuery::default()
            };
            let last = self.store.rows(&last).await.map_err(|e| Refusal::from(unavailable(&e)))?;
            let last_used = last.first().and_then(parse::<ajar_core::session::Session>).map(|session| session.arrived().at);
            let rule = self.rule_of(request).await?;
            unused.push(Unused { person, resource: resource.clone(), role: role.clone(), rule, last_used });
        }
        Ok(unused)
    }

    async fn rule_of(&self, request: RequestId) -> Result<Option<RuleName>, Refusal> {
        let row = self.store.row(Stream::Request(request)).await.map_err(|e| Refusal::from(unavailable(&e)))?;
        Ok(row.as_ref().and_then(parse::<Request>).and_then(|request| request.terms().0.rules.first().cloned()))
    }

    async fn not_confirmed(&self) -> Result<Vec<NotConfirmed>, Refusal> {
        let leases = self.sequencer.look(|desk| {
            let unconfirmed = desk.world.leases().filter_map(|lease| match lease {
                Lease::RevokeUnconfirmed(held) => Some((held.intended.clone(), held.now.clone())),
                Lease::Intended(_) | Lease::Minted(_) | Lease::Revoking(_) | Lease::Revoked(_) => None,
            });
            unconfirmed.take(UNCONFIRMED_MAX).collect::<Vec<_>>()
        });
        let mut told = Vec::new();
        for (intended, now) in leases.await? {
            let events = self.events_of(Stream::Lease(intended.id)).await?;
            let first = events.iter().find(|e| matches!(e.event, Event::Lease(LeaseEvent::RevokeUnconfirmed(_)))).map(|e| e.at);
            let since = first.unwrap_or(now.at);
            told.push(NotConfirmed { lease: intended.id, grant: intended.grant, resource: intended.resource, since, why: now.why });
        }
        Ok(told)
    }
}

/// What kind of thing a grant is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Postgres,
    Ssh,
    Http,
}

impl Kind {
    fn of(word: &str) -> Option<Self> {
        match word {
            "postgres" => Some(Self::Postgres),
            "ssh" => Some(Self::Ssh),
            "http" => Some(Self::Http),
            _ => None,
        }
    }
}

impl OpenByKind {
    fn of(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Postgres => &mut self.postgres,
            Kind::Ssh => &mut self.ssh,
            Kind::Http => &mut self.http,
        }
    }
}

/// Everything that follows from what was folded.
fn counted(calendar: &Calendar, requests: Requests, grants: &Grants, sessions: Sessions, kinds: &[Option<Kind>]) -> Insight {
    let mut decisions = vec![Decisions::default(); calendar.days().len()];
    for (at, decided) in &requests.decided {
        let Some(day) = calendar.day(*at).and_then(|day| decisions.get_mut(day)) else { continue };
        match decided {
            Decided::Auto => day.auto += 1,
            Decided::Human => day.human += 1,
            Decided::Denied => day.denied += 1,
            Decided::Expired => day.expired += 1,
        }
    }
    let mut hours = [[0; 24]; 7];
    for at in &requests.filed {
        let (weekday, hour) = calendar.hour(*at);
        if let Some(count) = hours.get_mut(weekday).and_then(|day| day.get_mut(hour)) {
            *count += 1;
        }
    }
    let mut weeks: BTreeMap<Timestamp, Vec<Span>> = calendar.weeks().iter().map(|at| (*at, Vec::new())).collect();
    for (at, span) in &requests.took {
        if let Some((_, spans)) = weeks.range_mut(..=*at).next_back() {
            spans.push(*span);
        }
    }
    let denials: BTreeSet<_> = requests.denials.iter().map(|(rule, count)| (std::cmp::Reverse(*count), rule.clone())).collect();
    Insight {
        from: calendar.from,
        to: calendar.to,
        approval: took(requests.took.into_iter().map(|(_, span)| span).collect()),
        by_week: weeks.into_iter().map(|(at, spans)| (at, took(spans))).collect(),
        open_by_day: calendar.days().iter().copied().zip(most_open(calendar, grants, kinds)).collect(),
        decisions: calendar.days().iter().copied().zip(decisions).collect(),
        denials: denials.into_iter().map(|(count, rule)| (rule, count.0)).collect(),
        hours,
        cuts: cuts(sessions.late),
        unconfirmed: Vec::new(),
        unused: Vec::new(),
    }
}

/// The one that `part` of `all`, which are sorted, are not above.
fn rank<T: Copy>(all: &[T], part: usize, of: usize) -> Option<T> {
    let place = (all.len() * part).div_ceil(of).saturating_sub(1);
    all.get(place).copied()
}

fn took(mut spans: Vec<Span>) -> Took {
    spans.sort_unstable();
    Took { count: spans.len() as u64, p50: rank(&spans, 50, 100), p90: rank(&spans, 90, 100) }
}

fn cuts(mut late: Vec<u64>) -> Cuts {
    late.sort_unstable();
    let max = late.last().copied();
    let mut classes: Vec<(u64, u64)> = Vec::new();
    let mut below = 0;
    let ends = LATE.into_iter().chain(max.filter(|max| LATE.last().is_some_and(|last| max > last)));
    for end in ends {
        let reached = late.partition_point(|late| *late <= end);
        classes.push((end, (reached - below) as u64));
        below = reached;
    }
    Cuts { count: late.len() as u64, p50: rank(&late, 50, 100), p99: rank(&late, 99, 100), max, classes }
}

/// The most that were open at once on each day, by kind.
fn most_open(calendar: &Calendar, grants: &Grants, kinds: &[Option<Kind>]) -> Vec<OpenByKind> {
    let mut steps: Vec<(Timestamp, bool, Kind)> = Vec::with_capacity(grants.spans.len() * 2);
    for (since, until, resource) in &grants.spans {
        let Some(kind) = kinds.get(*resource).copied().flatten() else { continue };
        steps.push((*since, true, kind));
        steps.extend(until.map(|until| (until, false, kind)));
    }
    // What ends at an instant is not open at it any more: ends come first.
    steps.sort_unstable_by_key(|(at, opens, _)| (*at, *opens));
    let mut most = Vec::with_capacity(calendar.days().len());
    let (mut open, mut steps) = (OpenByKind::default(), steps.into_iter().peekable());
    for day in 0..calendar.days().len() {
        let ends = calendar.days().get(day + 1).copied().unwrap_or(calendar.to);
        let begins = calendar.days().get(day).copied().unwrap_or(calendar.from).max(calendar.from);
        let mut of_day: Option<OpenByKind> = None;
        while let Some((at, opens, kind)) = steps.next_if(|(at, ..)| *at < ends) {
            if at > begins {
                // What was open when the day began counts for it, before anything changes.
                of_day = Some(of_day.unwrap_or(open));
            }
            let count = open.of(kind);
            *count = if opens { *count + 1 } else { count.saturating_sub(1) };
            if let Some(of_day) = &mut of_day {
                let now = *open.of(kind);
                let most = of_day.of(kind);
                *most = now.max(*most);
            }
        }
        most.push(of_day.unwrap_or(open));
    }
    most
}

#[cfg(test)]
mod tests;
