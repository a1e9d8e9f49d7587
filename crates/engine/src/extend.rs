//! Going on with a grant: an ordinary request for what is open already, which opens a grant of its own.

use ajar_core::event::Stream;
use ajar_core::id::GrantId;
use ajar_core::port::{Refusal, RefusalKind};
use ajar_core::request::Extends;
use tracing::instrument;

use crate::engine::Engine;
use crate::filing::{NewRequest, Submitted, Wanted, submit};
use crate::people::Caller;
use crate::refusal::{no_such, of, refusal, world_refusal};

/// More time for a grant, as somebody asked for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewExtension {
    /// How much: `10m`; without it the rule's default.
    pub duration: Option<String>,
    /// Why.
    pub reason: String,
    /// The ticket.
    pub ticket: Option<String>,
    /// What exactly it is to be used for.
    pub scope: Option<String>,
}

impl Engine {
    /// Asks to go on with a grant of the caller's, or finds the request that is pending for that already.
    ///
    /// # Errors
    /// When it isn't theirs (as if it didn't exist: R7), is not open or can't be extended, no rule allows it, or nothing can be recorded.
    #[instrument(name = "extend", skip_all, fields(grant.id = %id, principal.id = %caller.principal))]
    pub async fn grant_extend(&self, caller: &Caller, id: GrantId, new: NewExtension) -> Result<Submitted, Refusal> {
        caller.writes()?;
        if self.grant_holder(id).await? != caller.principal {
            return Err(no_such("grant"));
        }
        let asker = self.asker(caller, None)?;
        let counter = self.counter();
        let done = self.sequencer.run(caller.actor, vec![Stream::Grant(id)], move |desk| {
            let standing = desk.world.standing_grant(id);
            if standing != id {
                return Err(refusal(
                    RefusalKind::Expired,
                    format!("{id} was extended: it goes on as {standing}"),
                    None,
                    Some(format!("ajar extend {standing}")),
                ));
            }
            let open = desk.world.grant_extendable(id, asker.principal, desk.now).map_err(|e| world_refusal(&e))?;
            let claims = &open.signed.claims;
            if desk.shut(id) {
                return Err(refusal(RefusalKind::Expired, format!("{id} is over"), None, Some("ask again: ajar request --help".into())));
            }
            let NewExtension { duration, reason, ticket, scope } = new;
            let (resource, role) = (claims.resource.to_string(), Some(claims.role.to_string()));
            let new = NewRequest { resource, role, duration, reason, ticket, scope, ..NewRequest::default() };
            let mut wanted = Wanted::read(desk, asker, &new)?;
            wanted.extends = Some((Extends { grant: id, nth: open.extensions() }, claims.ends_at));
            submit(desk, &counter, asker, wanted)
        });
        done.await.map_err(of)
    }
}
