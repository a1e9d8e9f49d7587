//! What people do: decide, take back, return, revoke.

use ajar_core::event::{Event, Stream};
use ajar_core::grant::{CloseReason, Grant};
use ajar_core::id::{GrantId, RequestId, ReviewId};
use ajar_core::plan::{Limits, Verdict};
use ajar_core::port::{CutReason, Refusal, RefusalKind};
use ajar_core::request::{Comment, Fresh, FreshIds, InForce, RequestEvent, ReviewCommand};
use ajar_core::time::{Span, Timestamp};
use ajar_core::world::{ReviewOutcome, WorldError};
use tracing::instrument;

use crate::actions::is_in_charge;
use crate::engine::{Engine, SYSTEM};
use crate::filing::review_ids;
use crate::freshness::approves;
use crate::people::{Caller, seal};
use crate::refusal::{bad_input, no_such, of, refusal, world_refusal};
use crate::sequencer::{Draft, Failed};

/// The longest reason or note.
const TEXT_MAX: usize = 2_000;

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

pub(crate) fn text_ok(what: &'static str, text: &str) -> Result<(), Refusal> {
    if text.chars().count() > TEXT_MAX || text.contains('\0') {
        return Err(bad_input(format!("the {what} is longer than {TEXT_MAX} characters, or holds a NUL"), "make it shorter").about(what));
    }
    Ok(())
}

impl Engine {
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
        let (actor, link) = (self.freshly(caller), format!("{}/requests/{id}", self.config.public_url));
        let done = self.sequencer.run(actor, needs, move |desk| {
            let request = desk.world.request(id).ok_or_else(|| no_such("request"))?;
            // Its end, which denies this, is on its way into the log.
            if let (Verdict::Approve, Some(extends)) = (verdict, &request.filed().extends)
                && desk.shut(extends.grant)
            {
                return Err(refusal(
                    RefusalKind::Expired,
                    format!("{id} would go on with a grant that is over"),
                    None,
                    Some("there is nothing to decide any more".into()),
                ));
            }
            let in_force: InForce = desk.at.in_force(request.filed());
            let review = ReviewId::new(desk.entropy.uuid(desk.now));
            let grants = request.filed().asks.iter().map(|_| GrantId::new(desk.entropy.uuid(desk.now))).collect();
            let note = note.filter(|n| !n.trim().is_empty()).map(|n| seal(desk.entropy, n.trim().to_owned()));
            let ids = FreshIds { review, then: Fresh { grants, beforehand: review_ids(desk) } };
            let command = ReviewCommand { reviewer, verdict, note: note.as_ref().map(|n| n.commitment), limits, ids };
            match desk.world.request_review(id, command, &in_force, &desk.present(), &signer) {
                Ok(ReviewOutcome::Already(review)) => Ok((Draft::default(), review)),
                Ok(ReviewOutcome::Decided(decision)) => {
                    if verdict == Verdict::Approve {
                        approves(desk, actor, &link)?;
                    }
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
        self.grant_end(caller.actor, id, CloseReason::Returned).await
    }

    /// An operator, or an owner of the resource, takes a grant away.
    ///
    /// # Errors
    /// When the caller may not (as if it didn't exist: R7).
    pub async fn grant_revoke(&self, caller: &Caller, id: GrantId) -> Result<(), Refusal> {
        caller.writes()?;
        let holder = self.grant_holder(id).await?;
        let resource = self.grant_resource(id).await?;
        if holder != caller.principal && !is_in_charge(&self.rules(), caller.principal, &resource) {
            return Err(no_such("grant"));
        }
        self.grant_end(caller.actor, id, CloseReason::Revoked { by: caller.principal }).await
    }

    /// Somebody ends a grant: what it has become, if it was extended meanwhile. Who takes it away means the access.
    async fn grant_end(&self, actor: ajar_core::event::Actor, id: GrantId, reason: CloseReason) -> Result<(), Refusal> {
        let mut ends = id;
        loop {
            self.grant_close(actor, ends, reason.clone()).await?;
            let standing = self.sequencer.look(move |desk| desk.world.standing_grant(id)).await?;
            if standing == ends || standing == id {
                return Ok(());
            }
            ends = standing;
        }
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
        | Event::Preapproval(_)
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
