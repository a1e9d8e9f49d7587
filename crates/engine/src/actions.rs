//! What somebody may do with what they see. The commands ask the same.

use ajar_core::grant::Grant;
use ajar_core::id::PrincipalId;
use ajar_core::name::ResourceName;
use ajar_core::session::Session;
use ajar_policy::Bound;

use crate::engine::Engine;
use crate::people::Caller;

/// Something that can be done with a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantAction {
    /// Ask to go on with it.
    Extend,
    /// Give it back.
    Return,
    /// Take it away.
    Revoke,
}

/// Whether somebody ends what others do on a resource: operators, and its owners.
pub(crate) fn is_in_charge(rules: &Bound, who: PrincipalId, of: &ResourceName) -> bool {
    rules.may_operate(who) || rules.owns(who, of)
}

/// Whether somebody ends a session: their own, or one on what they are in charge of.
pub(crate) fn ends(rules: &Bound, who: PrincipalId, session: &Session) -> bool {
    let arrived = session.arrived();
    arrived.principal == who || is_in_charge(rules, who, &arrived.resource)
}

impl Engine {
    /// What the caller may do with a grant now. Their own they give back, whoever they are.
    #[must_use]
    pub fn grant_actions(&self, caller: &Caller, grant: &Grant) -> Vec<GrantAction> {
        let (holder, resource, _) = grant.parties();
        let extendable = match grant {
            Grant::Open(open) => !open.single_use && self.now() < open.signed.claims.ends_at,
            Grant::Scheduled(_) => false,
            Grant::Closing(_) | Grant::Closed(_) | Grant::Failed(_) => return Vec::new(),
        };
        if caller.writes().is_err() {
            return Vec::new();
        }
        let extend = extendable.then_some(GrantAction::Extend);
        if holder == caller.principal {
            extend.into_iter().chain([GrantAction::Return]).collect()
        } else if is_in_charge(&self.rules(), caller.principal, resource) {
            vec![GrantAction::Revoke]
        } else {
            Vec::new()
        }
    }

    /// Whether a session is the caller's to end now.
    #[must_use]
    pub fn may_end(&self, caller: &Caller, session: &Session) -> bool {
        !matches!(session, Session::Ended(_)) && caller.writes().is_ok() && ends(&self.rules(), caller.principal, session)
    }
}
