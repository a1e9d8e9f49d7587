//! Approving beforehand.

use ajar_core::event::Stream;
use ajar_core::id::{PreapprovalId, PrincipalId};
use ajar_core::name::{PrincipalName, ResourceName, RoleName};
use ajar_core::port::{Refusal, RefusalKind};
use ajar_core::preapproval::{Given, Preapproval};
use ajar_core::time::{Span, Timestamp};
use ajar_core::world::WorldError;
use tracing::instrument;

use crate::desk::text_ok;
use crate::engine::Engine;
use crate::freshness::approves;
use crate::people::{Caller, seal};
use crate::refusal::{bad_input, no_such, of, refusal};
use crate::sequencer::{Desk, Draft};

/// An approve that is to be given beforehand, as somebody said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPreapproval {
    /// Who would get in.
    pub user: String,
    /// Into what.
    pub resource: String,
    /// As what; any role unless said.
    pub role: Option<String>,
    /// From when; now unless said.
    pub from: Option<Timestamp>,
    /// For how long requests find it.
    pub life: Span,
    /// For requests of at most so long.
    pub most: Option<Span>,
    /// For everyone involved.
    pub note: Option<String>,
}

/// One, with its note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreapprovalView {
    /// What was given.
    pub given: Given,
    /// What its giver says of it.
    pub note: Option<String>,
}

impl Engine {
    /// The caller approves beforehand what somebody is to ask for: a request that it covers counts it as theirs, if it asks them then.
    ///
    /// # Errors
    /// When no rule would ask the caller about it (as if there were nothing to approve), it would be their own, or it isn't possible.
    #[instrument(name = "approve beforehand", skip_all, fields(principal.id = %caller.principal))]
    pub async fn preapprove(&self, caller: &Caller, new: NewPreapproval) -> Result<PreapprovalView, Refusal> {
        caller.writes()?;
        text_ok("note", new.note.as_deref().unwrap_or_default())?;
        let nothing = || {
            let message = "no rule would ask you about that";
            refusal(RefusalKind::NotRequestable, message, None, Some("'ajar inbox' shows what you are asked about".into()))
        };
        let principal = new.user.parse::<PrincipalName>().ok().and_then(|name| self.people.id(&name)).ok_or_else(nothing)?;
        let resource: ResourceName = new.resource.parse().map_err(|_| nothing())?;
        let role = new.role.as_deref().map(str::parse::<RoleName>).transpose();
        let role = role.map_err(|error| bad_input(error.to_string(), "name a role of the resource, or none for any"))?;
        let by = caller.principal;
        let (actor, link) = (self.freshly(caller), format!("{}/people", self.config.public_url));
        let done = self.sequencer.run(actor, Vec::new(), move |desk| {
            let starts_at = new.from.unwrap_or(desk.now).max(desk.now);
            if !asks(desk, by, principal, &resource, starts_at) {
                return Err(nothing());
            }
            let note = new.note.filter(|n| !n.trim().is_empty()).map(|n| seal(desk.entropy, n.trim().to_owned()));
            let given = Given {
                id: PreapprovalId::new(desk.entropy.uuid(desk.now)),
                by,
                principal,
                resource,
                role,
                most: new.most,
                note: note.as_ref().map(|n| n.commitment),
                starts_at,
                until: starts_at.after(new.life),
                at: desk.now,
            };
            let given_now: Result<_, WorldError> = desk.world.preapproval_give(given.clone(), &desk.present());
            let decision = given_now.map_err(|e| crate::refusal::world_refusal(&e))?;
            approves(desk, actor, &link)?;
            let view = PreapprovalView { given, note: note.as_ref().map(|n| n.value.clone()) };
            Ok((Draft { disclosures: note.into_iter().collect(), ..Draft::from(decision) }, view))
        });
        done.await.map_err(of::<Refusal>)
    }

    /// Ends a pre-approval: the caller's own, or, for operators, anybody's. What it has let through stays approved.
    ///
    /// # Errors
    /// When it isn't theirs to end (as if it didn't exist).
    pub async fn preapproval_end(&self, caller: &Caller, id: PreapprovalId) -> Result<(), Refusal> {
        caller.writes()?;
        let by = caller.principal;
        let done = self.sequencer.run(caller.actor, vec![Stream::Preapproval(id)], move |desk| {
            let theirs = |p: &&Preapproval| p.given().id == id && (p.given().by == by || desk.rules.may_operate(by));
            desk.world.preapprovals().find(theirs).ok_or_else(|| no_such("pre-approval"))?;
            let ended: Result<_, WorldError> = desk.world.preapproval_end(id, desk.now);
            Ok((Draft::from(ended.map_err(|e| crate::refusal::world_refusal(&e))?), ()))
        });
        done.await.map_err(of::<Refusal>)
    }

    /// Pre-approvals in force and to come: those that the caller gave, those for the caller; all for auditors and operators.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn preapprovals(&self, caller: &Caller) -> Result<Vec<PreapprovalView>, Refusal> {
        let me = caller.principal;
        let all = self.sees_all(caller);
        let given = self.sequencer.look(move |desk| {
            let mine = |given: &&Given| all || given.by == me || given.principal == me;
            let given = desk.world.preapprovals().filter(|p| matches!(p, Preapproval::Given(_))).map(Preapproval::given);
            given.filter(mine).cloned().collect::<Vec<_>>()
        });
        let given = given.await?;
        let notes = self.values(&given.iter().filter_map(|g| g.note).collect::<Vec<_>>()).await;
        Ok(given.into_iter().map(|given| PreapprovalView { note: given.note.and_then(|n| notes.get(&n).cloned()), given }).collect())
    }
}

/// Whether somebody would be asked about it, themselves or for who is away.
fn asks(desk: &Desk<'_>, somebody: PrincipalId, principal: PrincipalId, resource: &ResourceName, at: Timestamp) -> bool {
    let would = |who| desk.rules.would_ask(who, principal, resource, at);
    let away = desk.world.delegations().map(ajar_core::delegation::Delegation::made);
    would(somebody) || away.filter(|d| d.to == somebody && d.is_in_force(at)).any(|d| would(d.from))
}
