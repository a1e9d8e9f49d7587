//! What the past suggests about the rules in force: what could be decided automatically, what is never used, what lasts longer than it
//! needs to, which emergencies are routine. Each suggestion comes with its evidence and with the change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ajar_core::event::{Envelope, Event, Stream};
use ajar_core::grant::{CloseReason, GrantEvent};
use ajar_core::id::{GrantId, PrincipalId, RequestId, SessionId};
use ajar_core::name::{GroupName, ResourceName, RoleName, RuleName};
use ajar_core::request::{Impossible, RequestEvent};
use ajar_core::session::SessionEvent;
use ajar_core::time::{Span, Timestamp};

use crate::bound::Bound;
use crate::past::{Became, Disclosed, Past, PastRequest, shown};
use crate::rules::{Effect, EmergencyTerms, Rule, Spot, Terms};

/// Requests, or grants, that make a habit.
const ENOUGH: usize = 10;
/// A decision that took no thought.
const AT_ONCE: Span = Span::from_secs(60);
/// Emergencies that are routine.
const EMERGENCIES: usize = 3;
/// Requests that are named as examples.
const EXAMPLES: usize = 3;
/// Lengths that people write, in minutes.
const ROUND: [u64; 10] = [5, 10, 15, 30, 60, 120, 240, 480, 720, 1_440];

/// What the past suggests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suggestions {
    /// From when on requests were looked at.
    pub since: Option<Timestamp>,
    /// How many.
    pub requests: usize,
    /// By rule.
    pub items: Vec<Suggestion>,
    /// What could not be looked at, in words.
    pub notes: Vec<String>,
}

/// One change that may be worth making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// `automatic`, `unused`, `shorten` or `routine`.
    pub kind: &'static str,
    /// The rule.
    pub rule: RuleName,
    /// Where it stands.
    pub spot: Option<Spot>,
    /// What to do.
    pub message: String,
    /// Why.
    pub evidence: String,
    /// Some of the requests that show it.
    pub examples: Vec<RequestId>,
    /// The change, as TOML.
    pub change: String,
}

/// The run.
#[derive(Debug)]
pub struct Suggest {
    rules: Arc<Bound>,
    since: Option<Timestamp>,
    begins: Option<Timestamp>,
    past: Past,
    requests: usize,
    by_rule: BTreeMap<RuleName, Habits>,
    used: BTreeSet<(RuleName, RoleName)>,
    emergencies: BTreeMap<(RuleName, ResourceName, RoleName), Vec<RequestId>>,
    /// Which rules made the plan of what a grant came from, and which request that was.
    grants: BTreeMap<GrantId, Opening>,
    sessions: BTreeMap<SessionId, GrantId>,
}

/// How one rule's requests, those that no other rule spoke of, went.
#[derive(Debug, Default)]
struct Habits {
    decided: usize,
    quick: usize,
    longest: Span,
    /// Groups that everybody who approved is in.
    by: Option<BTreeSet<GroupName>>,
    examples: Vec<RequestId>,
    /// Of each grant that was used: how long, and how long it might have been.
    lengths: Vec<(Span, Span)>,
}

#[derive(Debug)]
struct Opening {
    rule: RuleName,
    opened: Option<(Timestamp, Span)>,
    live: usize,
    last: Option<Timestamp>,
}

impl Suggest {
    /// A run over what was filed from `since` on, for the rules in force.
    #[must_use]
    pub fn new(rules: Arc<Bound>, since: Option<Timestamp>) -> Self {
        Self {
            rules,
            since,
            begins: None,
            past: Past::default(),
            requests: 0,
            by_rule: BTreeMap::new(),
            used: BTreeSet::new(),
            emergencies: BTreeMap::new(),
            grants: BTreeMap::new(),
            sessions: BTreeMap::new(),
        }
    }

    /// The next event of the ledger.
    ///
    /// # Errors
    /// When the event can't happen to its request: the log is damaged.
    pub fn learn(&mut self, envelope: &Envelope, value: Disclosed<'_>) -> Result<(), Impossible> {
        self.begins.get_or_insert(envelope.at);
        match (&envelope.event, envelope.stream) {
            (Event::Request(event), _) => {
                let grants = if let RequestEvent::Approved(approved) = event { approved.grants.clone() } else { Vec::new() };
                if let Some(request) = self.past.learn(envelope, value)? {
                    self.look(&request, grants);
                }
            }
            (Event::Grant(event), Stream::Grant(id)) => self.grant(id, event),
            (Event::Session(event), Stream::Session(id)) => self.session(id, event),
            _ => {}
        }
        Ok(())
    }

    fn look(&mut self, request: &PastRequest, grants: Vec<GrantId>) {
        let filed = &request.filed;
        if self.since.is_some_and(|since| filed.at < since) {
            return;
        }
        self.requests += 1;
        for rule in &filed.plan.rules {
            self.used.extend(filed.asks.iter().map(|ask| (rule.clone(), ask.role.clone())));
        }
        if request.became == Became::Emergency {
            for (rule, ask) in filed.plan.rules.iter().flat_map(|rule| filed.asks.iter().map(move |ask| (rule, ask))) {
                let key = (rule.clone(), ask.resource.clone(), ask.role.clone());
                self.emergencies.entry(key).or_default().push(filed.id);
            }
            return;
        }
        // Going on with something has terms of its own in a rule, and says nothing of how it is first asked for.
        if filed.extends.is_some() {
            return;
        }
        let [rule] = filed.plan.rules.as_slice() else { return };
        let habits = self.by_rule.entry(rule.clone()).or_default();
        self.grants.extend(grants.into_iter().map(|id| (id, Opening { rule: rule.clone(), opened: None, live: 0, last: None })));
        match &request.became {
            Became::Automatic | Became::Emergency | Became::Withdrawn | Became::Pending => {}
            Became::Approved { after, by } => {
                habits.decided += 1;
                habits.quick += usize::from(*after <= AT_ONCE);
                habits.longest = habits.longest.max(filed.duration);
                if habits.examples.len() < EXAMPLES {
                    habits.examples.push(filed.id);
                }
                for id in by {
                    let groups = self.rules.somebody(*id).map(|s| s.groups.clone()).unwrap_or_default();
                    habits.by = Some(habits.by.take().map_or_else(|| groups.clone(), |all| &all & &groups));
                }
            }
            Became::DeniedByReviewer | Became::DeniedByRule(_) | Became::Denied(_) | Became::Expired => habits.decided += 1,
        }
    }

    fn grant(&mut self, id: GrantId, event: &GrantEvent) {
        match event {
            GrantEvent::Opened(opened) => {
                let claims = &opened.signed.claims;
                if let Some(grant) = self.grants.get_mut(&id) {
                    grant.opened = Some((claims.starts_at, claims.ends_at.since(claims.starts_at)));
                }
            }
            GrantEvent::Closing(closing) => {
                let Some(Opening { rule, opened: Some((from, asked)), live, last }) = self.grants.remove(&id) else { return };
                // Who is cut, or gives it back, has used it until then.
                let until = match closing.reason {
                    // What is gone on with was needed for the whole of it.
                    CloseReason::Extended { .. } => Some(from.after(asked)),
                    CloseReason::Returned => Some(closing.at),
                    CloseReason::Expired
                    | CloseReason::Revoked { .. }
                    | CloseReason::DeniedLate { .. }
                    | CloseReason::Locked { .. }
                    | CloseReason::PrincipalDisabled
                    | CloseReason::ResourceRemoved
                    | CloseReason::Used
                    | CloseReason::NotAllowedAnyMore => {
                        if live > 0 {
                            Some(closing.at)
                        } else {
                            last
                        }
                    }
                };
                if let (Some(until), Some(habits)) = (until, self.by_rule.get_mut(&rule)) {
                    habits.lengths.push((until.since(from), asked));
                }
            }
            GrantEvent::Failed(_) => drop(self.grants.remove(&id)),
            GrantEvent::Scheduled(_) | GrantEvent::Used(_) | GrantEvent::Closed(_) => {}
        }
    }

    fn session(&mut self, id: SessionId, event: &SessionEvent) {
        match event {
            // One that is live ends when it is cut.
            SessionEvent::Held(_) | SessionEvent::Killed(_) => {}
            SessionEvent::Live(live) => {
                if let Some(grant) = self.grants.get_mut(&live.grant) {
                    grant.live += 1;
                    self.sessions.insert(id, live.grant);
                }
            }
            SessionEvent::Moved(moved) => {
                let before = self.sessions.insert(id, moved.grant);
                if let Some(grant) = before.and_then(|grant| self.grants.get_mut(&grant)) {
                    grant.live = grant.live.saturating_sub(1);
                }
                if let Some(grant) = self.grants.get_mut(&moved.grant) {
                    grant.live += 1;
                }
            }
            SessionEvent::Ended(ended) => {
                if let Some(grant) = self.sessions.remove(&id).and_then(|grant| self.grants.get_mut(&grant)) {
                    grant.live = grant.live.saturating_sub(1);
                    grant.last = Some(ended.at);
                }
            }
        }
    }

    /// What it all suggests.
    #[must_use]
    pub fn suggestions(self) -> Suggestions {
        let mut found = Suggestions { since: self.since, requests: self.requests, ..Suggestions::default() };
        let whole = self.since.is_none_or(|since| self.begins.is_some_and(|begins| begins <= since));
        if !whole {
            found
                .notes
                .push("the ledger does not go back so far: what was never used is not told of; ask for less time with --since".into());
        }
        let none = Habits::default();
        for rule in &self.rules.set().rules {
            let habits = self.by_rule.get(&rule.name).unwrap_or(&none);
            let mut suggestions = Vec::new();
            match &rule.effect {
                Effect::Deny => {}
                Effect::Allow(terms) => {
                    suggestions.extend(automatic(rule, terms, habits));
                    suggestions.extend(shorten(rule, terms, habits));
                    suggestions.extend(self.unused(rule).filter(|_| whole && self.requests > 0));
                }
                Effect::BreakGlass(terms) => suggestions.extend(self.routine(rule, terms)),
            }
            let spot = self.rules.set().place(&rule.name);
            found.items.extend(suggestions.into_iter().map(|suggestion| Suggestion { spot: spot.cloned(), ..suggestion }));
        }
        found
    }

    fn unused(&self, rule: &Rule) -> Option<Suggestion> {
        let (used, unused): (Vec<_>, Vec<_>) =
            rule.roles.iter().partition(|role| self.used.contains(&(rule.name.clone(), (*role).clone())));
        let names = |roles: &[&RoleName]| roles.iter().map(|role| quoted(role.as_str())).collect::<Vec<_>>().join(", ");
        let (message, change) = match (used.as_slice(), unused.as_slice()) {
            (_, []) => return None,
            ([], _) => (format!("remove rule {}", rule.name), "# remove the whole rule".to_owned()),
            (used, unused) => (format!("take {} from rule {}", names(unused), rule.name), format!("roles = [{}]", names(used))),
        };
        let evidence = format!("nobody has asked for {} by it, in {} requests", names(&unused), self.requests);
        Some(suggestion("unused", rule, (message, evidence, change), &[]))
    }

    /// A routine for what is an emergency again and again.
    fn routine(&self, rule: &Rule, terms: &EmergencyTerms) -> Vec<Suggestion> {
        let mine = self.emergencies.iter().filter(|((name, ..), requests)| *name == rule.name && requests.len() >= EMERGENCIES);
        let set = self.rules.set();
        let people: Vec<PrincipalId> =
            set.people.keys().filter_map(|name| self.rules.id(name)).filter(|id| self.rules.is_for(rule, *id)).collect();
        let known = |resource: &ResourceName, role: &RoleName| {
            let mut routines = self.rules.rules_on(resource, role).filter(|other| matches!(other.effect, Effect::Allow(_)));
            routines.any(|other| people.iter().any(|id| self.rules.is_for(other, *id)))
        };
        let one = |((_, resource, role), requests): (&(_, ResourceName, RoleName), &Vec<RequestId>)| {
            let evidence = format!("{} emergencies for {role} on {resource}", requests.len());
            if known(resource, role) {
                let message = format!("make the routine way to {role} on {resource} fast enough: there is one, and emergencies instead");
                return suggestion("routine", rule, (message, evidence, "# who decides it, and within what time?".into()), requests);
            }
            let message = format!("let {role} on {resource} be asked for as a routine");
            let from = terms.review.from.iter().map(|c| quoted(&c.to_string())).collect::<Vec<_>>().join(", ");
            let who = rule.who.to_string().split(", ").map(quoted).collect::<Vec<_>>().join(", ");
            let change = format!(
                "[[rule]]\nname = {}\nwho = [{who}]\nresources = [{}]\nroles = [{}]\nmax = {}\nreason = {{ min_length = 10 }}\napprove = {{ from = [{from}] }}",
                quoted(&format!("{}-routine", rule.name)),
                quoted(resource.as_str()),
                quoted(role.as_str()),
                quoted(&terms.max.to_string()),
            );
            suggestion("routine", rule, (message, evidence, change), requests)
        };
        mine.map(one).collect()
    }
}

fn suggestion(
    kind: &'static str,
    rule: &Rule,
    (message, evidence, change): (String, String, String),
    requests: &[RequestId],
) -> Suggestion {
    let examples = requests.iter().take(EXAMPLES).copied().collect();
    Suggestion { kind, rule: rule.name.clone(), spot: None, message, evidence, examples, change }
}

/// What the same people always approve at once, the rules may decide.
fn automatic(rule: &Rule, terms: &Terms, habits: &Habits) -> Option<Suggestion> {
    let Habits { decided, quick, longest, by, examples, .. } = habits;
    let group = by.as_ref()?.iter().next()?;
    if *decided < ENOUGH || quick != decided || terms.stages.is_empty() {
        return None;
    }
    let minutes = longest.as_millis().div_ceil(60_000);
    let condition = match &terms.auto_when {
        Some(when) => format!("({}) || context.minutes <= {minutes}", when.as_str()),
        None => format!("context.minutes <= {minutes}"),
    };
    let message = format!("decide {} automatically, up to {longest}", rule.name);
    let evidence = format!("all {decided} requests were approved within a minute by members of group:{group}, none was denied");
    Some(suggestion("automatic", rule, (message, evidence, format!("auto_when = {}", quoted(&condition))), examples))
}

/// What is used for a tenth of what was asked for, may be shorter.
fn shorten(rule: &Rule, terms: &Terms, habits: &Habits) -> Option<Suggestion> {
    let mut shares: Vec<u64> = habits.lengths.iter().map(|(used, asked)| used.as_millis() * 1_000 / asked.as_millis().max(1)).collect();
    shares.sort_unstable();
    let mut used: Vec<Span> = habits.lengths.iter().map(|(used, _)| *used).collect();
    used.sort_unstable();
    let nine_of_ten = |len: usize| (len * 9).div_ceil(10).saturating_sub(1);
    if shares.len() < ENOUGH || *shares.get(nine_of_ten(shares.len()))? > 100 {
        return None;
    }
    let (most, usual) = (round(*used.last()?), round(*used.get(nine_of_ten(used.len()))?));
    let max = (most < terms.max).then(|| format!("max = {}", quoted(&most.to_string())));
    let default = (usual < terms.default || most < terms.default).then(|| format!("default = {}", quoted(&usual.min(most).to_string())));
    let change: Vec<String> = max.into_iter().chain(default).collect();
    if change.is_empty() {
        return None;
    }
    let message = format!("let {} be shorter", rule.name);
    let evidence = format!(
        "of {} grants, nine of ten were used for a tenth of what was asked for or less; the longest use was {}",
        shares.len(),
        shown(*used.last()?)
    );
    Some(suggestion("shorten", rule, (message, evidence, change.join("\n")), &habits.examples))
}

/// The next length that people write.
fn round(span: Span) -> Span {
    let minutes = span.as_millis().div_ceil(60_000);
    let round = ROUND.into_iter().find(|round| *round >= minutes);
    Span::from_secs(round.unwrap_or_else(|| minutes.div_ceil(1_440) * 1_440) * 60)
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
