//! What people do: ask, decide, take back, return, revoke.

use std::sync::Arc;

use ajar_core::event::{Event, Stream};
use ajar_core::grant::{CloseReason, Grant};
use ajar_core::id::{DebtId, GrantId, PrincipalId, RequestId, ReviewId};
use ajar_core::permit::GrantSigner;
use ajar_core::plan::{Limits, Verdict};
use ajar_core::port::{Clock, CutReason, Refusal, RefusalKind};
use ajar_core::request::{Ask, Comment, Filed, FreshIds, InForce, Pending, Request, RequestEvent, ReviewCommand};
use ajar_core::time::{Span, Timestamp};
use ajar_core::world::{FileCommand, ReviewOutcome, WorldError};
use ajar_policy::{Decision as RuleDecision, Question};

use tracing::instrument;

use crate::brake::Brake;
use crate::engine::{Engine, SYSTEM};
use crate::people::{Caller, seal};
use crate::refusal::{bad_input, no_such, of, refusal, world_refusal};
use crate::sequencer::{Desk, Draft, Failed};

/// How long a request may wait for its decision, unless its stages are over sooner (I08).
const REQUEST_LIFE: Span = Span::from_secs(24 * 3600);
/// How far ahead access may be asked for.
const STARTS_AHEAD: Span = Span::from_secs(60 * 24 * 3600);
/// The longest reason or note.
const TEXT_MAX: usize = 2_000;
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
    /// When it is to begin; as soon as it is approved, unless said.
    pub starts_at: Option<Timestamp>,
    /// Whether it can't wait for a decision.
    pub emergency: bool,
}

/// A review, as somebody gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReview {
    /// Approve or deny.
    pub verdict: Verdict,
    /// For everyone involved.
    pub note: Option<String>,
    /// What an approve leaves of what was asked.
    pub limits: Limits,
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
}

pub(crate) fn text_ok(what: &str, text: &str) -> Result<(), Refusal> {
    if text.chars().count() > TEXT_MAX || text.contains('\0') {
        return Err(bad_input(format!("the {what} is longer than {TEXT_MAX} characters, or holds a NUL"), "make it shorter"));
    }
    Ok(())
}

/// What somebody wants, checked against the rules in force: one role on one resource.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) ask: Ask,
    duration: Option<Span>,
    reason: String,
    ticket: Option<String>,
    starts_at: Option<Timestamp>,
    emergency: bool,
}

impl Wanted {
    /// As a question to the rules.
    pub(crate) fn question(&self, principal: PrincipalId) -> Question {
        Question {
            principal,
            beneficiary: principal,
            resource: self.ask.resource.clone(),
            role: self.ask.role.clone(),
            duration: self.duration,
            reason: self.reason.clone(),
            ticket: self.ticket.clone(),
            emergency: self.emergency,
        }
    }

    /// Reads what was said. A resource that doesn't exist and one that nobody may tell them of look the same (I20).
    pub(crate) fn read(rules: &ajar_policy::Bound, principal: PrincipalId, new: &NewRequest) -> Result<Self, Refusal> {
        text_ok("reason", &new.reason)?;
        text_ok("ticket", new.ticket.as_deref().unwrap_or_default())?;
        let unknown = || no_such("such resource");
        let resource = new.resource.parse().map_err(|_| unknown())?;
        let offered = rules.visible(principal).into_iter().find(|v| v.resource.name == resource).ok_or_else(unknown)?;
        let roles = offered.roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let role = match &new.role {
            Some(role) => role.parse().ok().filter(|r| offered.roles.contains(r)).ok_or_else(|| {
                refusal(
                    RefusalKind::NotRequestable,
                    format!("you can't ask for that role on {resource}"),
                    Some("no rule lets you".into()),
                    Some(format!("you can ask for: {roles}")),
                )
            })?,
            None => match (&offered.resource.default_role, offered.roles.as_slice()) {
                (Some(role), _) if offered.roles.contains(role) => role.clone(),
                (_, [only]) => only.clone(),
                _ => {
                    return Err(bad_input(
                        format!("{resource} has several roles: say which"),
                        format!("--role (or ajar.role): one of {roles}"),
                    ));
                }
            },
        };
        let duration = new
            .duration
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|e| bad_input(format!("the duration is {e}"), "for example --for 30m"))?;
        let NewRequest { starts_at, emergency, .. } = *new;
        if emergency && starts_at.is_some() {
            return Err(bad_input("an emergency begins now", "leave --at away, or --emergency"));
        }
        Ok(Self {
            emergency,
            ask: Ask { resource, role },
            duration,
            reason: new.reason.trim().to_owned(),
            ticket: new.ticket.clone(),
            starts_at,
        })
    }
}

/// What filing a request takes besides the desk.
pub(crate) struct Counter {
    signer: Arc<GrantSigner>,
    asking: Arc<Brake<PrincipalId>>,
    clock: Arc<dyn Clock>,
}

/// A beginning is ahead, and not too far.
fn starts_in_time(starts_at: Option<Timestamp>, now: Timestamp) -> Result<(), Refusal> {
    match starts_at {
        Some(at) if at <= now => Err(bad_input("it would begin in the past", "leave --at away to begin as soon as it is approved")),
        Some(at) if at.since(now) > STARTS_AHEAD => {
            Err(bad_input(format!("it would begin more than {STARTS_AHEAD} from now"), "ask for it nearer to when it is needed"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Files it, or finds the one that is pending or open already.
pub(crate) fn submit(desk: &Desk<'_>, counter: &Counter, principal: PrincipalId, wanted: Wanted) -> Result<(Draft, Submitted), Refusal> {
    let question = wanted.question(principal);
    let Wanted { ask, duration: _, reason, ticket, starts_at, emergency } = wanted;
    starts_in_time(starts_at, desk.now)?;
    let mine = || desk.world.requests().filter(|r| r.filed().requester == principal);
    let same = |p: &Pending| p.filed.beneficiary == principal && p.filed.asks == [ask.clone()] && p.filed.starts_at == starts_at;
    let same = mine().find(|r| matches!(r, Request::Pending(p) if same(p)));
    // An emergency does not wait for what is pending.
    if let Some(request) = same.filter(|_| !emergency) {
        return Ok((Draft::default(), Submitted { request: request.filed().id, grants: Vec::new(), existing: true }));
    }
    let pending = mine().count();
    if pending >= PENDING_MAX && !emergency {
        return Err(refusal(
            RefusalKind::NotRequestable,
            format!("you have {pending} requests pending"),
            Some(format!("{PENDING_MAX} at once is the limit, so that approvers are not flooded")),
            Some("withdraw some: ajar requests".into()),
        ));
    }
    let allowed = match desk.rules.decide(&question) {
        RuleDecision::Allowed(allowed) => allowed,
        RuleDecision::Refused(why) => {
            metrics::counter!("ajar_denials_total", "rule" => why.rule.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string))
                .increment(1);
            return Err(refusal(RefusalKind::NotRequestable, why.message, why.detail, why.hint));
        }
    };
    // INVARIANT A12: whoever asks others again and again wears them out; what nobody is asked about, and emergencies, do not.
    let asks_others = !allowed.plan.stages.is_empty() && !emergency;
    if asks_others && !counter.asking.take(principal, counter.clock.mono()) {
        return Err(refusal(
            RefusalKind::NotRequestable,
            "you have asked too often",
            Some("so that approvers are not flooded, there is a limit to how many requests one can file in a while".into()),
            Some("wait a minute, and ask once for as long as you need".into()),
        ));
    }
    let sealed = seal(desk.entropy, reason);
    let id = RequestId::new(desk.entropy.uuid(desk.now));
    let grant = GrantId::new(desk.entropy.uuid(desk.now));
    let filed = Filed {
        id,
        requester: principal,
        beneficiary: principal,
        asks: vec![ask],
        duration: allowed.duration,
        reason: sealed.commitment,
        ticket,
        plan: allowed.plan,
        emergency: allowed.emergency,
        rules_hash: desk.rules.hash().to_owned(),
        at: desk.now,
        starts_at,
        // One for later may be decided until it is to begin.
        expires_at: desk.now.after(REQUEST_LIFE).max(starts_at.unwrap_or(desk.now)),
    };
    let debt = DebtId::new(desk.entropy.uuid(desk.now));
    let command = FileCommand { filed, grants: vec![grant], debt };
    let decision = desk.world.request_file(command, &desk.present(), &counter.signer).map_err(|e| world_refusal(&e))?;
    let approved = decision.iter().any(|(_, e)| matches!(e, Event::Request(RequestEvent::Approved(_))));
    let grants = if approved { vec![grant] } else { Vec::new() };
    if emergency {
        metrics::counter!("ajar_emergencies_total").increment(1);
        tracing::warn!(request.id = %id, "an emergency was opened without a review: one is owed");
    }
    Ok((Draft { disclosures: vec![sealed], ..Draft::from(decision) }, Submitted { request: id, grants, existing: false }))
}

impl Engine {
    /// Files a request for the caller, or finds the one that is pending already for the same role.
    ///
    /// # Errors
    /// When no rule allows it, what was said is unusable, or nothing can be recorded.
    #[instrument(name = "file a request", skip_all, fields(principal.id = %caller.principal))]
    pub async fn request_file(&self, caller: &Caller, new: NewRequest) -> Result<Submitted, Refusal> {
        caller.writes()?;
        let principal = caller.principal;
        let counter = self.counter();
        let done = self.sequencer.run(caller.actor, Vec::new(), move |desk| {
            let wanted = Wanted::read(desk.rules, principal, &new)?;
            submit(desk, &counter, principal, wanted)
        });
        done.await.map_err(of)
    }

    pub(crate) fn counter(&self) -> Counter {
        Counter { signer: Arc::clone(&self.signer), asking: Arc::clone(&self.asking), clock: Arc::clone(&self.clock) }
    }

    /// Records the caller's review of a request.
    ///
    /// # Errors
    /// When they may not see or decide it, it is settled or too late, or nothing can be recorded.
    #[instrument(name = "review", skip_all, fields(request.id = %id, principal.id = %caller.principal))]
    pub async fn request_review(&self, caller: &Caller, id: RequestId, new: NewReview) -> Result<ReviewId, Refusal> {
        let NewReview { verdict, note, limits } = new;
        caller.writes()?;
        text_ok("note", note.as_deref().unwrap_or_default())?;
        self.may_see_request(caller, id).await?;
        let reviewer = caller.principal;
        let signer = self.signer.clone();
        let mut needs = vec![Stream::Request(id)];
        needs.extend(self.grants_of(id).await.into_iter().map(Stream::Grant));
        let done = self.sequencer.run(caller.actor, needs, move |desk| {
            let request = desk.world.request(id).ok_or_else(|| no_such("request"))?;
            let in_force: InForce = desk.rules.in_force(request.filed());
            let review = ReviewId::new(desk.entropy.uuid(desk.now));
            let grants = request.filed().asks.iter().map(|_| GrantId::new(desk.entropy.uuid(desk.now))).collect();
            let note = note.filter(|n| !n.trim().is_empty()).map(|n| seal(desk.entropy, n.trim().to_owned()));
            let ids = FreshIds { review, grants };
            let command = ReviewCommand { reviewer, verdict, note: note.as_ref().map(|n| n.commitment), limits, ids };
            match desk.world.request_review(id, command, &in_force, &desk.present(), &signer) {
                Ok(ReviewOutcome::Already(review)) => Ok((Draft::default(), review)),
                Ok(ReviewOutcome::Decided(decision)) => {
                    if let Some(at) = decision.iter().find_map(|(_, e)| approved_at(e)) {
                        metrics::histogram!("ajar_time_to_approve_seconds").record(seconds(at.since(request.filed().at)));
                    }
                    Ok((Draft { disclosures: note.into_iter().collect(), ..Draft::from(decision) }, review))
                }
                Err(error) => Err(world_refusal(&error)),
            }
        });
        done.await.map_err(of)
    }

    /// Takes a pending request of the caller's back.
    ///
    /// # Errors
    /// When it isn't theirs or is settled, or nothing can be recorded.
    #[instrument(name = "withdraw", skip_all, fields(request.id = %id))]
    pub async fn request_withdraw(&self, caller: &Caller, id: RequestId) -> Result<(), Refusal> {
        caller.writes()?;
        self.may_see_request(caller, id).await?;
        let by = caller.principal;
        let done = self.sequencer.run(caller.actor, vec![Stream::Request(id)], move |desk| {
            Ok::<_, WorldError>((Draft::from(desk.world.request_withdraw(id, by, desk.now)?), ()))
        });
        done.await.map_err(of)
    }

    /// Takes the caller's approves of a pending request back.
    ///
    /// # Errors
    /// When they may not see it, have approved nothing, or it is settled.
    #[instrument(name = "take an approve back", skip_all, fields(request.id = %id, principal.id = %caller.principal))]
    pub async fn request_take_back(&self, caller: &Caller, id: RequestId) -> Result<(), Refusal> {
        caller.writes()?;
        self.may_see_request(caller, id).await?;
        let by = caller.principal;
        let done = self.sequencer.run(caller.actor, vec![Stream::Request(id)], move |desk| {
            Ok::<_, WorldError>((Draft::from(desk.world.request_take_back(id, by, &desk.present(), desk.now)?), ()))
        });
        done.await.map_err(of)
    }

    /// Writes down that the caller has looked at a request that asks them; only the first time, and only while it is pending.
    ///
    /// # Errors
    /// When they may not see it, or nothing can be recorded.
    pub async fn request_see(&self, caller: &Caller, id: RequestId) -> Result<(), Refusal> {
        caller.writes()?;
        self.may_see_request(caller, id).await?;
        let by = caller.principal;
        let done = self.sequencer.run(caller.actor, Vec::new(), move |desk| {
            // What is settled is of no interest any more: no event, and no refusal either.
            let decision = desk.world.request_see(id, by, &desk.present(), desk.now).unwrap_or_default();
            Ok::<_, WorldError>((Draft::from(decision), ()))
        });
        done.await.map_err(of)
    }

    /// Says or asks something about a pending request, without deciding.
    ///
    /// # Errors
    /// When the caller may not see it, it is settled, or enough was said.
    #[instrument(name = "comment", skip_all, fields(request.id = %id, principal.id = %caller.principal))]
    pub async fn request_comment(&self, caller: &Caller, id: RequestId, text: String) -> Result<(), Refusal> {
        caller.writes()?;
        text_ok("comment", &text)?;
        if text.trim().is_empty() {
            return Err(bad_input("the comment is empty", "say or ask something"));
        }
        self.may_see_request(caller, id).await?;
        let by = caller.principal;
        let done = self.sequencer.run(caller.actor, vec![Stream::Request(id)], move |desk| {
            let text = seal(desk.entropy, text.trim().to_owned());
            let decision = desk.world.request_comment(id, Comment { by, text: text.commitment, at: desk.now })?;
            Ok::<_, WorldError>((Draft { disclosures: vec![text], ..Draft::from(decision) }, ()))
        });
        done.await.map_err(of)
    }

    /// The caller gives a grant of theirs back.
    ///
    /// # Errors
    /// When it isn't theirs (as if it didn't exist: R7).
    pub async fn grant_return(&self, caller: &Caller, id: GrantId) -> Result<(), Refusal> {
        caller.writes()?;
        if self.grant_holder(id).await? != caller.principal {
            return Err(no_such("grant"));
        }
        self.grant_close(caller.actor, id, CloseReason::Returned).await
    }

    /// An operator, or an owner of the resource, takes a grant away.
    ///
    /// # Errors
    /// When the caller may not (as if it didn't exist: R7).
    pub async fn grant_revoke(&self, caller: &Caller, id: GrantId) -> Result<(), Refusal> {
        caller.writes()?;
        let holder = self.grant_holder(id).await?;
        let resource = self.grant_resource(id).await?;
        let rules = self.rules();
        if holder != caller.principal && !rules.may_operate(caller.principal) && !rules.owns(caller.principal, &resource) {
            return Err(no_such("grant"));
        }
        self.grant_close(caller.actor, id, CloseReason::Revoked { by: caller.principal }).await
    }

    /// Ends a grant. INVARIANT I13: when it can't be recorded, it is cut and revoked all the same, and recorded later.
    #[instrument(name = "close a grant", skip_all, fields(grant.id = %id))]
    pub(crate) async fn grant_close(&self, actor: ajar_core::event::Actor, id: GrantId, reason: CloseReason) -> Result<(), Refusal> {
        let again = reason.clone();
        let done = self.sequencer.run(actor, vec![Stream::Grant(id)], move |desk| {
            Ok::<_, WorldError>((Draft::from(desk.world.grant_close(id, reason, desk.now)?), ()))
        });
        match done.await {
            Ok(()) => Ok(()),
            Err(Failed::Refused(error)) => Err(world_refusal(&error)),
            Err(Failed::Unavailable(why)) => {
                self.orders.cut(id, CutReason::from(&again));
                self.close_unrecorded(actor, id, again);
                tracing::error!(grant.id = %id, error = %why, "a grant's end could not be recorded: it is cut and revoked now, and recorded later");
                Ok(())
            }
        }
    }

    /// Everything that time alone makes happen.
    pub(crate) async fn tick(&self) {
        let signer = self.signer.clone();
        let done = self
            .sequencer
            .run(SYSTEM, Vec::new(), move |desk| Ok::<_, Refusal>((Draft::from(desk.world.tick(&desk.present(), &signer)), ())));
        if let Err(Failed::Unavailable(why)) = done.await {
            tracing::error!(error = %why, "what is due could not be recorded: it is closed all the same");
            let due = self.sequencer.look(|desk| {
                let over = |g: &&Grant| matches!(g, Grant::Open(o) if desk.now >= o.signed.claims.ends_at);
                desk.world.grants().filter(over).map(Grant::id).collect::<Vec<_>>()
            });
            for id in due.await.unwrap_or_default() {
                self.orders.cut(id, CutReason::Expired);
                self.close_unrecorded(SYSTEM, id, CloseReason::Expired);
            }
        }
    }
}

fn approved_at(event: &Event) -> Option<Timestamp> {
    match event {
        Event::Request(RequestEvent::Approved(approved)) => Some(approved.at),
        Event::Request(_)
        | Event::Grant(_)
        | Event::Lease(_)
        | Event::Session(_)
        | Event::Lock(_)
        | Event::Delegation(_)
        | Event::Debt(_)
        | Event::Principal(_)
        | Event::Token(_)
        | Event::Policy(_) => None,
    }
}

pub(crate) fn seconds(span: Span) -> f64 {
    std::time::Duration::from(span).as_secs_f64()
}

impl Caller {
    /// Whether their proof is good for reading.
    ///
    /// # Errors
    /// When it is only good for connecting.
    pub fn reads(&self) -> Result<(), Refusal> {
        if self.scope != ajar_core::directory::Scope::Connect {
            return Ok(());
        }
        Err(refusal(RefusalKind::Denied, "this token is only for connecting", None, Some("sign in with 'ajar login'".into())))
    }

    /// Whether their proof is good for changing anything.
    ///
    /// # Errors
    /// When it is a narrower one.
    pub fn writes(&self) -> Result<(), Refusal> {
        if self.scope == ajar_core::directory::Scope::Full {
            return Ok(());
        }
        Err(refusal(RefusalKind::Denied, "this token can't change anything", None, Some("sign in with 'ajar login'".into())))
    }
}
