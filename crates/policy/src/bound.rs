//! The rules, bound to principals' ids: who is who, and what they may ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ajar_core::debt::Emergency;
use ajar_core::directory::PrincipalKind;
use ajar_core::id::PrincipalId;
use ajar_core::name::{GroupName, PrincipalName, ResourceName, RoleName, RuleName};
use ajar_core::plan::{Candidates, Facts, Opening, Otherwise, Plan, Stage, Step};
use ajar_core::request::{Filed, InForce};
use ajar_core::resource::Resource;
use ajar_core::time::Span;

use crate::rules::{Candidate, Carries, Effect, EmergencyTerms, OtherwiseByName, Rule, RuleSet, StageByName, Terms};

/// A rule set with the ids of its principals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    set: RuleSet,
    people: BTreeMap<PrincipalId, Somebody>,
    groups: BTreeMap<GroupName, BTreeSet<PrincipalId>>,
    ids: BTreeMap<PrincipalName, PrincipalId>,
    /// Rules by resource, as indexes: a decision looks at those that could match, not at all.
    by_resource: BTreeMap<ResourceName, Vec<usize>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Somebody {
    name: PrincipalName,
    kind: PrincipalKind,
    disabled: bool,
    /// The same for every account of one person.
    human: PrincipalId,
    manager: Option<PrincipalId>,
    groups: BTreeSet<GroupName>,
}

/// What somebody wants to know or have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Who asks.
    pub principal: PrincipalId,
    /// For whom.
    pub beneficiary: PrincipalId,
    /// What.
    pub resource: ResourceName,
    /// As what.
    pub role: RoleName,
    /// For how long; the rules' default unless said.
    pub duration: Option<Span>,
    /// Why.
    pub reason: String,
    /// The ticket.
    pub ticket: Option<String>,
    /// Whether it can't wait for a decision.
    pub emergency: bool,
}

/// The rules' answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may be asked for, and this is what it takes.
    Allowed(Allowed),
    /// It may not.
    Refused(Why),
}

/// What a request takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The strictest combination of the matching rules' plans (I04).
    pub plan: Plan,
    /// For how long.
    pub duration: Span,
    /// The longest that it could be.
    pub max: Span,
    /// For an emergency: whom it alerts, and the review that it owes.
    pub emergency: Option<Emergency>,
}

/// Why something may not be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// The rule that says so, if one does.
    pub rule: Option<RuleName>,
    /// One sentence.
    pub message: String,
    /// More.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

/// A resource that somebody may ask for, with the roles that they may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// The resource.
    pub resource: Arc<Resource>,
    /// Roles, in order.
    pub roles: Vec<RoleName>,
}

/// The strictest combination of what several rules allow.
pub(crate) struct Combined<'a> {
    pub(crate) plan: Plan,
    pub(crate) max: Span,
    default: Span,
    carries: Vec<(&'a RuleName, &'a Carries)>,
    strictest: &'a RuleName,
    emergency: Option<Emergency>,
}

impl Combined<'_> {
    /// What a question does not carry, the rule that asks for it, and how to give it.
    pub(crate) fn lacks(&self, question: &Question) -> Option<(&RuleName, String, &'static str)> {
        self.carries.iter().find_map(|(rule, carries)| {
            let (message, hint) = lacks(carries, question)?;
            Some((*rule, message, hint))
        })
    }

    /// The stricter of both in each respect.
    fn combine(mut self, other: Self) -> Self {
        self.carries.extend(other.carries);
        Self {
            plan: self.plan.combine(&other.plan),
            strictest: if other.max < self.max { other.strictest } else { self.strictest },
            max: self.max.min(other.max),
            default: self.default.min(other.default),
            carries: self.carries,
            emergency: match (self.emergency, other.emergency) {
                (Some(one), Some(another)) => Some(one.combine(&another)),
                (one, another) => one.or(another),
            },
        }
    }
}

enum Matched<'a> {
    None,
    Denied(&'a RuleName),
    Terms(Combined<'a>),
}

impl RuleSet {
    /// Binds names to ids. A name without an id is nobody.
    #[must_use]
    pub fn bind(&self, ids: &BTreeMap<PrincipalName, PrincipalId>) -> Bound {
        let ids: BTreeMap<_, _> = self.people.keys().filter_map(|name| Some((name.clone(), *ids.get(name)?))).collect();
        let humans = humans(self, &ids);
        let mut groups: BTreeMap<GroupName, BTreeSet<PrincipalId>> = BTreeMap::new();
        let mut memberships: BTreeMap<PrincipalId, BTreeSet<GroupName>> = BTreeMap::new();
        for (group, members) in &self.groups {
            let members: BTreeSet<_> = members.iter().filter_map(|m| ids.get(m).copied()).collect();
            for member in &members {
                memberships.entry(*member).or_default().insert(group.clone());
            }
            groups.insert(group.clone(), members);
        }
        let people = self.people.iter().filter_map(|(name, person)| {
            let id = *ids.get(name)?;
            let somebody = Somebody {
                name: name.clone(),
                kind: person.kind,
                disabled: person.disabled,
                human: humans.get(&id).copied().unwrap_or(id),
                manager: person.manager.as_ref().and_then(|m| ids.get(m).copied()),
                groups: memberships.remove(&id).unwrap_or_default(),
            };
            Some((id, somebody))
        });
        let people = people.collect();
        let mut by_resource: BTreeMap<ResourceName, Vec<usize>> = BTreeMap::new();
        for (index, rule) in self.rules.iter().enumerate() {
            for resource in &rule.resources {
                by_resource.entry(resource.clone()).or_default().push(index);
            }
        }
        Bound { people, groups, ids, by_resource, set: self.clone() }
    }
}

/// One id for each human: accounts linked by `same_person_as`, in whichever direction and over however many links.
fn humans(set: &RuleSet, ids: &BTreeMap<PrincipalName, PrincipalId>) -> BTreeMap<PrincipalId, PrincipalId> {
    let mut humans: BTreeMap<PrincipalId, PrincipalId> = ids.values().map(|id| (*id, *id)).collect();
    for (name, person) in &set.people {
        for other in &person.same_as {
            let (Some(a), Some(b)) =
                (ids.get(name).and_then(|i| humans.get(i)).copied(), ids.get(other).and_then(|i| humans.get(i)).copied())
            else {
                continue;
            };
            let (keep, merge) = (a.min(b), a.max(b));
            for human in humans.values_mut().filter(|h| **h == merge) {
                *human = keep;
            }
        }
    }
    humans
}

impl Bound {
    /// SHA-256 over the files, hexadecimal.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.set.hash
    }

    /// A resource.
    #[must_use]
    pub fn resource(&self, name: &ResourceName) -> Option<&Arc<Resource>> {
        self.set.resources.get(name)
    }

    /// Every resource.
    pub fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.set.resources.values()
    }

    /// Whether a principal is in the files and not disabled there.
    #[must_use]
    pub fn enabled(&self, id: PrincipalId) -> bool {
        self.people.get(&id).is_some_and(|s| !s.disabled)
    }

    /// Whether they may see everything.
    #[must_use]
    pub fn may_audit(&self, id: PrincipalId) -> bool {
        self.person(id).is_some_and(|p| p.audit)
    }

    /// Whether they may revoke anything and apply rules. It never exempts from approval (I03).
    #[must_use]
    pub fn may_operate(&self, id: PrincipalId) -> bool {
        self.person(id).is_some_and(|p| p.operate)
    }

    fn person(&self, id: PrincipalId) -> Option<&crate::rules::Person> {
        let somebody = self.people.get(&id).filter(|s| !s.disabled)?;
        self.set.people.get(&somebody.name)
    }

    /// Whether they own a resource.
    #[must_use]
    pub fn owns(&self, id: PrincipalId, resource: &ResourceName) -> bool {
        self.enabled(id) && self.owners(resource).contains(&id)
    }

    fn owners(&self, resource: &ResourceName) -> BTreeSet<PrincipalId> {
        let Some(found) = self.set.resources.get(resource) else { return BTreeSet::new() };
        let groups = found.owners.groups.iter().filter_map(|g| self.groups.get(g)).flatten();
        let people = found.owners.people.iter().filter_map(|p| self.ids.get(p));
        groups.chain(people).copied().collect()
    }

    /// What they may ask for.
    #[must_use]
    pub fn visible(&self, id: PrincipalId) -> Vec<Offered> {
        if !self.enabled(id) {
            return Vec::new();
        }
        let mut roles: BTreeMap<&ResourceName, BTreeSet<&RoleName>> = BTreeMap::new();
        for rule in self.set.rules.iter().filter(|r| self.is_for(r, id) && r.effect != Effect::Deny) {
            for resource in &rule.resources {
                roles.entry(resource).or_default().extend(&rule.roles);
            }
        }
        let offered = roles.into_iter().filter_map(|(name, roles)| {
            let resource = self.set.resources.get(name)?;
            let there = resource.roles();
            let open = |role: &&&RoleName| {
                there.contains(role) && [false, true].iter().any(|e| matches!(self.matched(id, name, role, *e), Matched::Terms(_)))
            };
            let roles: Vec<RoleName> = roles.iter().filter(open).map(|r| (*r).clone()).collect();
            (!roles.is_empty()).then(|| Offered { resource: Arc::clone(resource), roles })
        });
        offered.collect()
    }

    pub(crate) fn is_for(&self, rule: &Rule, id: PrincipalId) -> bool {
        self.people.get(&id).is_some_and(|s| rule.who.people.contains(&s.name) || !rule.who.groups.is_disjoint(&s.groups))
    }

    /// The rules that speak of a role on a resource, by name.
    pub(crate) fn rules_on<'a, 'b>(&'a self, resource: &ResourceName, role: &'b RoleName) -> impl Iterator<Item = &'a Rule> + use<'a, 'b> {
        let on_it = self.by_resource.get(resource).into_iter().flatten().filter_map(|i| self.set.rules.get(*i));
        on_it.filter(move |rule| rule.roles.contains(role))
    }

    /// INVARIANT I01: no rule, no access. INVARIANT I04: a deny beats everything; else the strictest combination.
    /// Routine and emergency are apart: a rule for one says nothing of the other; one that denies, denies both.
    fn matched(&self, id: PrincipalId, resource: &ResourceName, role: &RoleName, emergency: bool) -> Matched<'_> {
        let mut terms: Option<Combined<'_>> = None;
        for rule in self.rules_on(resource, role).filter(|r| self.is_for(r, id)) {
            let combined = match &rule.effect {
                Effect::Deny => return Matched::Denied(&rule.name),
                Effect::Allow(terms) if !emergency => self.routine(&rule.name, terms),
                Effect::BreakGlass(terms) if emergency => self.emergency(&rule.name, terms),
                Effect::Allow(_) | Effect::BreakGlass(_) => continue,
            };
            terms = Some(match terms {
                None => combined,
                Some(so_far) => so_far.combine(combined),
            });
        }
        terms.map_or(Matched::None, Matched::Terms)
    }

    pub(crate) fn routine<'a>(&self, rule: &'a RuleName, terms: &'a Terms) -> Combined<'a> {
        let Terms { max, default, carries, opening, stages } = terms;
        let stages = stages.iter().map(|s| self.stage(s)).collect();
        let plan = Plan { rules: vec![rule.clone()], stages, opening: *opening };
        Combined { plan, max: *max, default: *default, carries: vec![(rule, carries)], strictest: rule, emergency: None }
    }

    pub(crate) fn emergency<'a>(&self, rule: &'a RuleName, terms: &'a EmergencyTerms) -> Combined<'a> {
        let EmergencyTerms { max, default, carries, alert, review } = terms;
        let plan = Plan { rules: vec![rule.clone()], stages: Vec::new(), opening: Opening::default() };
        let emergency = Emergency { alert: self.named(alert), reviews: vec![self.stage(review)], within: review.within };
        Combined { plan, max: *max, default: *default, carries: vec![(rule, carries)], strictest: rule, emergency: Some(emergency) }
    }

    fn stage(&self, stage: &StageByName) -> Stage {
        Stage {
            candidates: self.named(&stage.from),
            needed: stage.needed,
            within: stage.within,
            otherwise: match &stage.otherwise {
                OtherwiseByName::Deny => Otherwise::Deny,
                OtherwiseByName::Next => Otherwise::Next,
                OtherwiseByName::Escalate(chain) => Otherwise::Escalate(chain.iter().map(|step| Step(self.named(step))).collect()),
            },
            asked_only: stage.asked_only,
        }
    }

    fn named(&self, from: &[Candidate]) -> Vec<Candidates> {
        let one = |candidate: &Candidate| match candidate {
            Candidate::Group(group) => Some(Candidates::Group(group.clone())),
            Candidate::Owners => Some(Candidates::Owners),
            Candidate::Manager => Some(Candidates::Manager),
            Candidate::Person(name) => self.ids.get(name).map(|id| Candidates::Person(*id)),
        };
        from.iter().filter_map(one).collect()
    }

    /// Whether something may be asked for, and what it takes.
    #[must_use]
    pub fn decide(&self, question: &Question) -> Decision {
        let Question { principal, beneficiary, resource, role, duration, emergency, .. } = question;
        let refused = |rule: Option<&RuleName>, message: String, detail: Option<String>, hint: Option<String>| {
            Decision::Refused(Why { rule: rule.cloned(), message, detail, hint })
        };
        let there = self.set.resources.get(resource).is_some_and(|r| r.roles().contains(&role));
        if !there || !self.enabled(*principal) || !self.enabled(*beneficiary) {
            return refused(None, "no rule lets you ask for that".into(), None, Some("'ajar ls' shows what you can ask for".into()));
        }
        let terms = match self.matched(*beneficiary, resource, role, *emergency) {
            Matched::None => {
                // Only to whom it may be known of.
                let otherwise = matches!(self.matched(*beneficiary, resource, role, !*emergency), Matched::Terms(_));
                let (message, hint) = match (otherwise, *emergency) {
                    (true, false) => (
                        "no rule lets you ask for that, but in an emergency",
                        "--emergency opens it at once, alerts people, and owes a review",
                    ),
                    (true, true) => ("no rule opens that at once", "ask without --emergency"),
                    (false, _) => ("no rule lets you ask for that", "'ajar ls' shows what you can ask for"),
                };
                return refused(None, message.into(), None, Some(hint.into()));
            }
            Matched::Denied(rule) => {
                return refused(Some(rule), format!("{role} on {resource} is denied"), Some(format!("rule {rule} forbids it")), None);
            }
            Matched::Terms(terms) => terms,
        };
        if let Some((rule, message, hint)) = terms.lacks(question) {
            return refused(Some(rule), message, Some(format!("rule {rule} asks for it")), Some(hint.into()));
        }
        let wanted = duration.unwrap_or(terms.default);
        if wanted > terms.max || wanted == Span::ZERO {
            let detail = format!("rule {} allows {} at the most", terms.strictest, terms.max);
            return refused(Some(terms.strictest), format!("{wanted} is too long"), Some(detail), Some(format!("--for {}", terms.max)));
        }
        Decision::Allowed(Allowed { plan: terms.plan, duration: wanted, max: terms.max, emergency: terms.emergency })
    }

    /// What the rules say now of a request that was filed (I06).
    #[must_use]
    pub fn in_force(&self, filed: &Filed) -> InForce {
        if !self.enabled(filed.requester) || !self.enabled(filed.beneficiary) {
            return InForce::Refused;
        }
        let mut whole: Option<(Plan, Span)> = None;
        for ask in &filed.asks {
            let there = self.set.resources.get(&ask.resource).is_some_and(|r| r.roles().contains(&&ask.role));
            let Matched::Terms(terms) = self.matched(filed.beneficiary, &ask.resource, &ask.role, filed.emergency.is_some()) else {
                return InForce::Refused;
            };
            if !there {
                return InForce::Refused;
            }
            whole = Some(match whole {
                None => (terms.plan, terms.max),
                Some((plan, max)) => (plan.combine(&terms.plan), max.min(terms.max)),
            });
        }
        match whole {
            Some((plan, max)) => InForce::Allowed { plan, max, rules_hash: self.set.hash.clone() },
            None => InForce::Refused,
        }
    }
}

/// What a request does not carry, and how to give it.
fn lacks(carries: &Carries, question: &Question) -> Option<(String, &'static str)> {
    const REASON: &str = "--reason \"INC-7: fix stuck order\" (for a held connection: PGOPTIONS=\"-c ajar.reason=INC-7\")";
    const TICKET: &str = "--ticket INC-7 (for a held connection: PGOPTIONS=\"-c ajar.ticket=INC-7\")";
    let reason = question.reason.trim();
    if reason.chars().count() < carries.reason_min {
        return Some((format!("a reason of {} characters or more is needed", carries.reason_min), REASON));
    }
    if let Some(pattern) = carries.reason.as_ref().filter(|p| !p.matches(reason)) {
        return Some((format!("a reason that fits {} is needed", pattern.as_str()), REASON));
    }
    let ticket = question.ticket.as_deref().map(str::trim).unwrap_or_default();
    if carries.ticket && ticket.is_empty() {
        return Some(("a ticket is needed".into(), TICKET));
    }
    let pattern = carries.ticket_pattern.as_ref().filter(|p| !p.matches(ticket))?;
    Some((format!("a ticket that fits {} is needed", pattern.as_str()), TICKET))
}

impl Facts for Bound {
    fn human(&self, principal: PrincipalId) -> Option<PrincipalId> {
        let somebody = self.people.get(&principal)?;
        (somebody.kind == PrincipalKind::User && !somebody.disabled).then_some(somebody.human)
    }

    fn may_have(&self, principal: PrincipalId, resource: &ResourceName, role: &RoleName) -> bool {
        let there = self.set.resources.get(resource).is_some_and(|r| r.roles().contains(&role));
        there && self.enabled(principal) && matches!(self.matched(principal, resource, role, false), Matched::Terms(_))
    }

    fn candidates(&self, candidates: &[Candidates], requester: PrincipalId, resources: &[ResourceName]) -> BTreeSet<PrincipalId> {
        let mut found = BTreeSet::new();
        for candidate in candidates {
            match candidate {
                Candidates::Group(group) => found.extend(self.groups.get(group).into_iter().flatten()),
                Candidates::Owners => resources.iter().for_each(|r| found.extend(self.owners(r))),
                Candidates::Manager => found.extend(self.people.get(&requester).and_then(|s| s.manager)),
                Candidates::Person(id) => drop(found.insert(*id)),
            }
        }
        found.retain(|id| self.enabled(*id));
        found
    }
}
