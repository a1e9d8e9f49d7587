//! Who is who at this instant: what files say, less who is locked, with those who are away replaced by their delegates.

use std::collections::BTreeSet;

use super::World;
use crate::debt::Debt;
use crate::delegation::Delegation;
use crate::grant::{Grant, Scheduled};
use crate::id::{DebtId, LockId, PreapprovalId, PrincipalId};
use crate::lock::{Lock, Locked};
use crate::name::ResourceName;
use crate::plan::{Candidates, Facts};
use crate::preapproval::Preapproval;
use crate::request::Filed;
use crate::time::Timestamp;

/// Facts of the files, and of the world at an instant.
#[derive(Clone, Copy)]
pub struct Present<'a> {
    /// What the files say.
    pub files: &'a dyn Facts,
    /// What has happened.
    pub world: &'a World,
    /// The instant.
    pub now: Timestamp,
}

impl std::fmt::Debug for Present<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Present").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Present<'_> {
    /// The lock that keeps any of `principals` out, or everybody from any of `resources`. It is on a human: every account of theirs.
    #[must_use]
    pub fn locked(&self, principals: &[PrincipalId], resources: &[ResourceName]) -> Option<LockId> {
        let found = self.world.locks.values().find(|lock| match lock {
            Lock::Placed(placed) => match &placed.on {
                Locked::Principal(locked) => principals.iter().any(|p| self.is_same(*locked, *p)),
                Locked::Resource(locked) => resources.contains(locked),
            },
            Lock::Lifted(_) => false,
        });
        found.map(|lock| lock.placed().id)
    }

    /// What any of `principals` owes.
    #[must_use]
    pub fn in_debt(&self, principals: &[PrincipalId]) -> Option<DebtId> {
        let mut owed = self.world.debts.values().filter(|d| matches!(d, Debt::Owed(_))).map(|d| &d.owed().incurred);
        owed.find(|incurred| principals.iter().any(|p| self.is_same(incurred.debtor, *p))).map(|incurred| incurred.id)
    }

    /// Whether a lock on `on` closes `grant`.
    #[must_use]
    pub fn closes(&self, on: &Locked, grant: &Grant) -> bool {
        let (principal, resource, _) = grant.parties();
        match on {
            Locked::Resource(locked) => locked == resource,
            Locked::Principal(locked) => self.is_same(*locked, principal),
        }
    }

    fn is_same(&self, one: PrincipalId, other: PrincipalId) -> bool {
        one == other || self.files.human(one).is_some_and(|human| self.files.human(other) == Some(human))
    }

    fn delegate(&self, of: PrincipalId) -> Option<PrincipalId> {
        let mut made = self.world.delegations.values().filter_map(|d| match d {
            Delegation::Made(made) => Some(made),
            Delegation::Ended(_) => None,
        });
        made.find(|d| d.from == of && d.is_in_force(self.now)).map(|d| d.to)
    }
}

impl Facts for Present<'_> {
    fn human(&self, principal: PrincipalId) -> Option<PrincipalId> {
        let human = self.files.human(principal)?;
        self.locked(&[principal], &[]).is_none().then_some(human)
    }

    fn may_open(&self, scheduled: &Scheduled) -> bool {
        self.files.may_open(scheduled)
    }

    fn beforehand(&self, filed: &Filed) -> Vec<(PreapprovalId, PrincipalId)> {
        let given = self.world.preapprovals.values().filter_map(|p| match p {
            Preapproval::Given(given) => Some(given),
            Preapproval::Ended(_) => None,
        });
        given.filter(|g| g.covers(filed, self.now)).map(|g| (g.id, g.by)).collect()
    }

    fn candidates(&self, candidates: &[Candidates], requester: PrincipalId, resources: &[ResourceName]) -> BTreeSet<PrincipalId> {
        let named = self.files.candidates(candidates, requester, resources);
        if self.world.delegations.is_empty() {
            return named;
        }
        named.into_iter().map(|p| self.delegate(p).unwrap_or(p)).collect()
    }
}
