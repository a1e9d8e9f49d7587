//! Filing: from what somebody said to the requests that are pending or open.

use std::collections::BTreeMap;
use std::sync::Arc;

use ajar_core::debt::Emergency;
use ajar_core::event::{Actor, Event, Proof};
use ajar_core::id::{DebtId, GrantId, PrincipalId, RequestId, ReviewId};
use ajar_core::name::{ResourceName, RoleName, RuleName};
use ajar_core::permit::GrantSigner;
use ajar_core::plan::{Opening, Plan};
use ajar_core::port::{Clock, Refusal, RefusalKind};
use ajar_core::request::{Ask, ByRules, Extends, Filed, Pending, Request, RequestEvent};
use ajar_core::resource::Owners;
use ajar_core::time::{Span, Timestamp};
use ajar_core::world::FileCommand;
use ajar_policy::{Allowed, Decision as RuleDecision, Question, Values};
use tracing::instrument;

use crate::brake::Brake;
use crate::desk::text_ok;
use crate::engine::Engine;
use crate::people::{Caller, seal};
use crate::refusal::{bad_input, no_such, of, refusal, world_refusal};
use crate::sequencer::{Desk, Draft};

/// How long a request may wait for its decision at least, unless its stages are over sooner (I08); longer where its stages take longer.
const REQUEST_LIFE: Span = Span::from_secs(24 * 3600);
/// The longest that it may wait.
const REQUEST_LIFE_MOST: Span = Span::from_secs(14 * 24 * 3600);
/// How far ahead access may be asked for.
const STARTS_AHEAD: Span = Span::from_secs(60 * 24 * 3600);
/// Roles that one request may ask for.
const ASKS_MAX: usize = 20;
/// Requests that one principal may have pending at once (A12).
const PENDING_MAX: usize = 20;

/// A request to be filed, as somebody said it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewRequest {
    /// The resource's name.
    pub resource: String,
    /// The role's name; without it the resource's default.
    pub role: Option<String>,
    /// For how long: `10m`; without it the rule's default.
    pub duration: Option<String>,
    /// Why.
    pub reason: String,
    /// The ticket.
    pub ticket: Option<String>,
    /// What exactly it is to be used for.
    pub scope: Option<String>,
    /// When it is to begin; as soon as it is approved, unless said.
    pub starts_at: Option<Timestamp>,
    /// Whether it can't wait for a decision.
    pub emergency: bool,
    /// What else is asked for together with it: resources, each perhaps with a role.
    pub also: Vec<(String, Option<String>)>,
    /// For whom, if not for who asks: a name.
    pub on_behalf_of: Option<String>,
}

/// What came of filing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// The request.
    pub request: RequestId,
    /// Its grants, if it was approved at once or one is open already.
    pub grants: Vec<GrantId>,
    /// Whether it is the same that was pending already.
    pub existing: bool,
    /// What was asked for together with it and is decided apart from it.
    pub apart: Vec<RequestId>,
}

/// Who asks, for whom, and how they proved who they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    pub(crate) principal: PrincipalId,
    pub(crate) beneficiary: PrincipalId,
    pub(crate) proof: Option<Proof>,
}

impl Asker {
    /// Somebody who asks for themselves.
    pub(crate) fn themselves(principal: PrincipalId, actor: Actor) -> Self {
        let proof = match actor {
            Actor::Principal { proof, .. } => Some(proof),
            Actor::System => None,
        };
        Self { principal, beneficiary: principal, proof }
    }
}

/// What somebody wants, checked against the rules in force.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// At least one; each once.
    pub(crate) asks: Vec<Ask>,
    duration: Option<Span>,
    reason: String,
    ticket: Option<String>,
    scope: Option<String>,
    starts_at: Option<Timestamp>,
    emergency: bool,
    /// What it goes on with, and until when that is open.
    pub(crate) extends: Option<(Extends, Timestamp)>,
}

impl Wanted {
    /// As questions to the rules, one for each ask.
    pub(crate) fn questions(&self, desk: &Desk<'_>, asker: Asker) -> Vec<Question> {
        let question = |ask: &Ask| Question {
            principal: asker.principal,
            beneficiary: asker.beneficiary,
            resource: ask.resource.clone(),
            role: ask.role.clone(),
            duration: self.duration,
            reason: self.reason.clone(),
            ticket: self.ticket.clone(),
            scope: self.scope.clone(),
            emergency: self.emergency,
            extension: self.extends.as_ref().map(|(extends, _)| extends.nth),
            proof: asker.proof,
            at: self.starts_at.unwrap_or(desk.now).max(desk.now),
            recent: desk.world.history().recent(asker.beneficiary, ask, desk.now),
        };
        self.asks.iter().map(question).collect()
    }

    /// Reads what was said. A resource that doesn't exist and one that nobody may tell them of look the same (I20).
    pub(crate) fn read(desk: &Desk<'_>, asker: Asker, new: &NewRequest) -> Result<Self, Refusal> {
        text_ok("reason", &new.reason)?;
        text_ok("ticket", new.ticket.as_deref().unwrap_or_default())?;
        text_ok("scope", new.scope.as_deref().unwrap_or_default())?;
        if new.also.len() >= ASKS_MAX {
            return Err(bad_input(format!("{ASKS_MAX} roles at once is the limit"), "ask for the rest separately").about("also"));
        }
        let mut asks = vec![role_on(desk, asker, &new.resource, new.role.as_deref())?];
        for (resource, role) in &new.also {
            let ask = role_on(desk, asker, resource, role.as_deref())?;
            if !asks.contains(&ask) {
                asks.push(ask);
            }
        }
        let duration = new
            .duration
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|e| bad_input(format!("the duration is {e}"), "for example --for 30m").about("for"))?;
        let NewRequest { starts_at, emergency, .. } = *new;
        if emergency && starts_at.is_some() {
            return Err(bad_input("an emergency begins now", "leave --at away, or --emergency").about("starts_at"));
        }
        if emergency && asks.len() > 1 {
            return Err(bad_input("an emergency opens one thing", "file one for each").about("also"));
        }
        let (reason, ticket) = (new.reason.trim().to_owned(), new.ticket.clone());
        let scope = new.scope.as_deref().map(str::trim).filter(|scope| !scope.is_empty()).map(str::to_owned);
        Ok(Self { emergency, asks, duration, reason, ticket, scope, starts_at, extends: None })
    }
}

/// A role on a resource that whoever would get in may ask for, or have asked for.
fn role_on(desk: &Desk<'_>, asker: Asker, resource: &str, role: Option<&str>) -> Result<Ask, Refusal> {
    let unknown = || no_such("such resource");
    let resource = resource.parse().map_err(|_| unknown())?;
    if !desk.rules.could_ask_for(asker.principal, asker.beneficiary, &resource, desk.now) {
        return Err(unknown());
    }
    let offered = desk.rules.offered(asker.beneficiary, &resource).ok_or_else(unknown)?;
    let roles = || offered.roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let role = match role {
        Some(role) => role.parse().ok().filter(|r| offered.roles.contains(r)).ok_or_else(|| {
            refusal(
                RefusalKind::NotRequestable,
                format!("you can't ask for that role on {resource}"),
                Some("no rule lets you".into()),
                Some(format!("you can ask for: {}", roles())),
            )
            .about("role")
        })?,
        None => match (&offered.resource.default_role, offered.roles.as_slice()) {
            (Some(role), _) if offered.roles.contains(role) => role.clone(),
            (_, [only]) => only.clone(),
            _ => {
                let hint = format!("--role (or ajar.role): one of {}", roles());
                return Err(bad_input(format!("{resource} has several roles: say which"), hint).about("role"));
            }
        },
    };
    Ok(Ask { resource, role })
}

/// What filing a request takes besides the desk.
pub(crate) struct Counter {
    signer: Arc<GrantSigner>,
    asking: Arc<Brake<PrincipalId>>,
    clock: Arc<dyn Clock>,
}

/// A beginning is ahead, and not too far.
fn starts_in_time(starts_at: Option<Timestamp>, now: Timestamp) -> Result<(), Refusal> {
    let refused = |message: String, hint: &str| Err(bad_input(message, hint).about("starts_at"));
    match starts_at {
        Some(at) if at <= now => refused("it would begin in the past".into(), "leave --at away to begin as soon as it is approved"),
        Some(at) if at.since(now) > STARTS_AHEAD => {
            refused(format!("it would begin more than {STARTS_AHEAD} from now"), "ask for it nearer to when it is needed")
        }
        Some(_) | None => Ok(()),
    }
}

/// What is decided together.
struct Together {
    asks: Vec<Ask>,
    duration: Span,
    plan: Plan,
    emergency: Option<Emergency>,
    denied_by: Option<RuleName>,
    values: BTreeMap<String, Values>,
    /// Whose owners decide; `None` when it is decided apart whatever else there is.
    owners: Option<Owners>,
}

impl Together {
    fn of(desk: &Desk<'_>, ask: Ask, decision: RuleDecision) -> Result<Self, Refusal> {
        let looked = |values: Values| BTreeMap::from([(format!("{}/{}", ask.resource, ask.role), values)]);
        match decision {
            RuleDecision::Allowed(allowed) => {
                let owners = desk.rules.resource(&ask.resource).map(|r| r.owners.clone()).filter(|_| !allowed.apart);
                let Allowed { plan, duration, emergency, values, .. } = allowed;
                Ok(Self { duration, plan, emergency, denied_by: None, values: looked(values), owners, asks: vec![ask] })
            }
            RuleDecision::Denied(denied) => {
                let plan = Plan { rules: vec![denied.rule.clone()], stages: Vec::new(), opening: Opening::default(), low_risk: false };
                let (duration, values) = (denied.duration, looked(denied.values));
                Ok(Self { duration, plan, emergency: None, denied_by: Some(denied.rule), values, owners: None, asks: vec![ask] })
            }
            RuleDecision::Refused(why) => {
                metrics::counter!("ajar_denials_total", "rule" => why.rule.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string))
                    .increment(1);
                let kind = if why.lacking { RefusalKind::Lacking } else { RefusalKind::NotRequestable };
                Err(Refusal { field: why.field, ..refusal(kind, why.message, why.detail, why.hint) })
            }
        }
    }

    /// The strictest of both in each respect.
    fn join(&mut self, other: Self) {
        self.asks.extend(other.asks);
        self.duration = self.duration.min(other.duration);
        self.plan = self.plan.clone().combine(&other.plan);
        self.values.extend(other.values);
    }
}

/// Files it, or finds what is pending already. What is asked for together is decided together where the rules let it, and the same
/// people own it all.
pub(crate) fn submit(desk: &Desk<'_>, counter: &Counter, asker: Asker, wanted: Wanted) -> Result<(Draft, Submitted), Refusal> {
    starts_in_time(wanted.starts_at, desk.now)?;
    let mut parts: Vec<Together> = Vec::new();
    for (question, ask) in wanted.questions(desk, asker).iter().zip(&wanted.asks) {
        if let Some(request) = pending_same(desk, asker, &wanted, std::slice::from_ref(ask)).filter(|_| wanted.asks.len() == 1) {
            return Ok((Draft::default(), Submitted { request, grants: Vec::new(), existing: true, apart: Vec::new() }));
        }
        let part = Together::of(desk, ask.clone(), desk.rules.decide(question))?;
        match parts.iter_mut().find(|p| p.owners.is_some() && p.owners == part.owners) {
            Some(with) => with.join(part),
            None => parts.push(part),
        }
    }
    let (mut draft, mut filed) = (Draft::default(), Vec::new());
    for part in parts {
        filed.push(file(desk, counter, asker, (&wanted, part), &mut draft)?);
    }
    let mut filed = filed.into_iter();
    let first = filed.next().ok_or_else(|| no_such("such resource"))?;
    Ok((draft, Submitted { apart: filed.map(|f| f.request).collect(), ..first }))
}

/// What there is of something that is not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Looked {
    /// A request for it is pending.
    Pending(RequestId, ResourceName),
    /// It could be asked for; with which role, where that is clear.
    Possible { resource: ResourceName, role: Option<RoleName> },
}

/// Says what is pending or could be asked for, and files nothing.
pub(crate) fn look(desk: &Desk<'_>, asker: Asker, new: &NewRequest) -> Result<Looked, Refusal> {
    let wanted = match Wanted::read(desk, asker, new) {
        Ok(wanted) => wanted,
        Err(refusal) => {
            // Of several roles none was said: that can be asked where it is asked for.
            let resource = new.resource.parse().ok().filter(|_| new.role.is_none() && refusal.kind == RefusalKind::BadInput);
            let resource = resource.filter(|resource| desk.rules.offered(asker.beneficiary, resource).is_some());
            return resource.map(|resource| Looked::Possible { resource, role: None }).ok_or(refusal);
        }
    };
    let Some(Ask { resource, role }) = wanted.asks.first().cloned() else { return Err(no_such("such resource")) };
    Ok(match pending_same(desk, asker, &wanted, &wanted.asks) {
        Some(request) => Looked::Pending(request, resource),
        None => Looked::Possible { resource, role: Some(role) },
    })
}

/// The request for just this that is pending already. An emergency does not wait for it.
fn pending_same(desk: &Desk<'_>, asker: Asker, wanted: &Wanted, asks: &[Ask]) -> Option<RequestId> {
    let same = |p: &Pending| {
        let filed = &p.filed;
        let parties = filed.requester == asker.principal && filed.beneficiary == asker.beneficiary;
        let goes_on = filed.extends.as_ref().map(|e| e.grant) == wanted.extends.as_ref().map(|(e, _)| e.grant);
        parties && filed.asks == asks && filed.starts_at == wanted.starts_at && goes_on
    };
    let found = desk.world.requests().find(|r| matches!(r, Request::Pending(p) if same(p)));
    found.filter(|_| !wanted.emergency).map(|r| r.filed().id)
}

fn file(
    desk: &Desk<'_>,
    counter: &Counter,
    asker: Asker,
    (wanted, part): (&Wanted, Together),
    draft: &mut Draft,
) -> Result<Submitted, Refusal> {
    let Asker { principal, beneficiary, proof } = asker;
    if let Some(request) = pending_same(desk, asker, wanted, &part.asks) {
        return Ok(Submitted { request, grants: Vec::new(), existing: true, apart: Vec::new() });
    }
    let Wanted { reason, ticket, scope, starts_at, emergency, extends, .. } = wanted;
    let pending = desk.world.requests().filter(|r| r.filed().requester == principal).count();
    let just_filed = draft.decision.iter().filter(|(_, e)| matches!(e, Event::Request(RequestEvent::Filed(_)))).count();
    if pending + just_filed >= PENDING_MAX && !emergency {
        return Err(refusal(
            RefusalKind::NotRequestable,
            format!("you have {pending} requests pending"),
            Some(format!("{PENDING_MAX} at once is the limit, so that approvers are not flooded")),
            Some("withdraw some: ajar requests".into()),
        ));
    }
    // INVARIANT A12: whoever asks others again and again wears them out; what nobody is asked about, and emergencies, do not.
    let asks_others = (!part.plan.stages.is_empty() || part.denied_by.is_some()) && !emergency;
    if asks_others && !counter.asking.take(principal, counter.clock.mono()) {
        return Err(refusal(
            RefusalKind::NotRequestable,
            "you have asked too often",
            Some("so that approvers are not flooded, there is a limit to how many requests one can file in a while".into()),
            Some("wait a minute, and ask once for as long as you need".into()),
        ));
    }
    let reason = seal(desk.entropy, reason.clone());
    let scope = scope.clone().map(|scope| seal(desk.entropy, scope));
    let automatic = part.plan.stages.is_empty() && part.emergency.is_none();
    let values = automatic.then(|| seal(desk.entropy, serde_json::to_string(&part.values).unwrap_or_default()));
    let id = RequestId::new(desk.entropy.uuid(desk.now));
    let grants: Vec<_> = part.asks.iter().map(|_| GrantId::new(desk.entropy.uuid(desk.now))).collect();
    let life = REQUEST_LIFE.max(part.plan.takes().min(REQUEST_LIFE_MOST));
    let by_rules = ByRules { denied_by: part.denied_by, values: values.as_ref().map(|v| v.commitment) };
    // One for later may be decided until it is to begin; one that goes on, as long as there is something to go on with.
    let expires_at = desk.now.after(life).max(starts_at.unwrap_or(desk.now));
    let expires_at = extends.as_ref().map_or(expires_at, |(_, until)| expires_at.min(*until));
    let filed = Filed {
        id,
        requester: principal,
        beneficiary,
        asks: part.asks,
        duration: part.duration,
        reason: reason.commitment,
        ticket: ticket.clone(),
        scope: scope.as_ref().map(|s| s.commitment),
        plan: part.plan,
        emergency: part.emergency,
        extends: extends.as_ref().map(|(extends, _)| extends.clone()),
        rules_hash: desk.rules.hash().to_owned(),
        proof,
        at: desk.now,
        starts_at: *starts_at,
        expires_at,
    };
    let debt = DebtId::new(desk.entropy.uuid(desk.now));
    let beforehand = review_ids(desk);
    let command = FileCommand { filed, by_rules, grants: grants.clone(), beforehand, debt };
    let decision = desk.world.request_file(command, &desk.present(), &counter.signer).map_err(|e| world_refusal(&e))?;
    let approved = decision.iter().any(|(_, e)| matches!(e, Event::Request(RequestEvent::Approved(_))));
    if *emergency && approved {
        metrics::counter!("ajar_emergencies_total").increment(1);
        tracing::warn!(request.id = %id, "an emergency was opened without a review: one is owed");
    }
    draft.decision.extend(decision);
    draft.disclosures.extend([Some(reason), scope, values].into_iter().flatten());
    Ok(Submitted { request: id, grants: if approved { grants } else { Vec::new() }, existing: false, apart: Vec::new() })
}

/// Ids for approves that were given beforehand: as many as there are.
pub(crate) fn review_ids(desk: &Desk<'_>) -> Vec<ReviewId> {
    desk.world.preapprovals().map(|_| ReviewId::new(desk.entropy.uuid(desk.now))).collect()
}

impl Engine {
    /// Files a request for the caller, or finds the one that is pending already for the same role.
    ///
    /// # Errors
    /// When no rule allows it, what was said is unusable, or nothing can be recorded.
    #[instrument(name = "file a request", skip_all, fields(principal.id = %caller.principal))]
    pub async fn request_file(&self, caller: &Caller, new: NewRequest) -> Result<Submitted, Refusal> {
        caller.writes()?;
        let asker = self.asker(caller, new.on_behalf_of.as_deref())?;
        let counter = self.counter();
        let done = self.sequencer.run(caller.actor, Vec::new(), move |desk| {
            let wanted = Wanted::read(desk, asker, &new)?;
            submit(desk, &counter, asker, wanted)
        });
        done.await.map_err(of)
    }

    /// The caller, asking for themselves or for `beneficiary`. Whether they may is for the rules.
    pub(crate) fn asker(&self, caller: &Caller, beneficiary: Option<&str>) -> Result<Asker, Refusal> {
        let themselves = Asker::themselves(caller.principal, caller.actor);
        let Some(name) = beneficiary else { return Ok(themselves) };
        let id = name.parse().ok().and_then(|name| self.people.id(&name));
        Ok(Asker { beneficiary: id.ok_or_else(|| no_such("such resource"))?, ..themselves })
    }

    pub(crate) fn counter(&self) -> Counter {
        Counter { signer: Arc::clone(&self.signer), asking: Arc::clone(&self.asking), clock: Arc::clone(&self.clock) }
    }
}
