//! One session: ended by somebody who may, and watched by somebody who may.

use ajar_core::event::Stream;
use ajar_core::id::SessionId;
use ajar_core::port::{CutReason, Refusal, RefusalKind};
use ajar_core::session::{Killed, Session};
use tracing::instrument;

use crate::actions::ends;
use crate::desk::text_ok;
use crate::engine::Engine;
use crate::people::{Caller, bad_credential, seal};
use crate::refusal::{bad_input, no_such, refusal, world_refusal};
use crate::sequencer::{Desk, Draft, Failed, Unavailable};

/// The session, if it is the caller's to end: their own, on a resource of theirs, or any for operators. INVARIANT R7: to everybody else
/// it isn't there.
fn to_end<'a>(desk: &'a Desk<'_>, caller: &Caller, id: SessionId) -> Result<&'a Session, Refusal> {
    desk.world.session(id).filter(|session| ends(desk.rules, caller.principal, session)).ok_or_else(|| no_such("session"))
}

impl Engine {
    /// Ends one session, now; its grant stays as it is. Once more changes nothing. INVARIANT I13: when it can't be recorded, it is cut
    /// all the same.
    ///
    /// # Errors
    /// When it is not the caller's to end (as if it didn't exist: R7), no reason is given, or it can't be recorded.
    #[instrument(name = "kill a session", skip_all, fields(session.id = %id, principal.id = %caller.principal))]
    pub async fn session_kill(&self, caller: &Caller, id: SessionId, reason: String) -> Result<(), Refusal> {
        caller.writes()?;
        text_ok("reason", &reason)?;
        let reason = reason.trim().to_owned();
        if reason.is_empty() {
            return Err(bad_input("a session is not ended without a reason", "say why: whoever is in it will ask"));
        }
        let by = caller.clone();
        let done = self.sequencer.run(caller.actor, vec![Stream::Session(id)], move |desk| {
            to_end(desk, &by, id)?;
            let reason = seal(desk.entropy, reason);
            let killed = Killed { by: by.principal, reason: reason.commitment, at: desk.now };
            let decision = desk.world.session_kill(id, killed).map_err(|e| world_refusal(&e))?;
            // Who comes second has changed nothing: their words are not kept.
            let disclosures = if decision.is_empty() { Vec::new() } else { vec![reason] };
            Ok((Draft { disclosures, ..Draft::from(decision) }, ()))
        });
        match done.await {
            Ok(()) => Ok(()),
            Err(Failed::Refused(refusal)) => Err(refusal),
            Err(Failed::Unavailable(why)) => Err(self.kill_unrecorded(caller, id, &why).await),
        }
    }

    async fn kill_unrecorded(&self, caller: &Caller, id: SessionId, why: &Unavailable) -> Refusal {
        let by = caller.clone();
        match self.sequencer.look(move |desk| to_end(desk, &by, id).map(drop)).await {
            Ok(Ok(())) => self.orders.cut_one(id, CutReason::Killed),
            Ok(Err(refusal)) => return refusal,
            Err(stopped) => return stopped.into(),
        }
        tracing::error!(session.id = %id, principal.id = %caller.principal, error = %why, "who ended a session could not be recorded: it is cut all the same");
        let hint = "try again when the store is back; tell whoever operates Ajar to run 'ajar doctor'";
        let message = format!("{id} is cut if it was live, but who did that could not be recorded");
        refusal(RefusalKind::Unavailable, message, Some(why.to_string()), Some(hint.into()))
    }

    /// Whether the proof that somebody came with is still good: for what goes on for longer than one answer.
    ///
    /// # Errors
    /// When their token has expired or was revoked, or they are disabled.
    pub fn still(&self, caller: &Caller) -> Result<(), Refusal> {
        let token = caller.token().ok_or_else(bad_credential)?;
        if self.keyed(token)?.principal == caller.principal { Ok(()) } else { Err(bad_credential()) }
    }
}
