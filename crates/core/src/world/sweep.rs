//! What a change of the files, or of who is who, means for what is open and pending; a part at a time, so that other commands
//! come in between.

use std::ops::Bound::{Excluded, Unbounded};

use super::decide::on_request;
use super::{Decision, Present, World};
use crate::grant::CloseReason;
use crate::id::{GrantId, PrincipalId, RequestId};
use crate::name::{ResourceName, RoleName};
use crate::request::{Filed, InForce};

/// What the files say of what is there.
#[derive(Clone, Copy)]
pub struct InFiles<'a> {
    /// Whether somebody is listed and not disabled.
    pub enabled: &'a dyn Fn(PrincipalId) -> bool,
    /// Whether a resource is listed and has the role.
    pub there: &'a dyn Fn(&ResourceName, &RoleName) -> bool,
    /// What the rules say of a request.
    pub in_force: &'a dyn Fn(&Filed) -> InForce,
}

impl std::fmt::Debug for InFiles<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InFiles")
    }
}

/// How far a sweep has come: grants first, then requests, each in the order of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    /// These grants, after the one that is named, and all requests are still to be looked at.
    Grants(Option<GrantId>),
    /// These requests, after the one that is named, are still to be looked at.
    Requests(Option<RequestId>),
}

impl Default for Sweep {
    fn default() -> Self {
        Self::Grants(None)
    }
}

impl World {
    /// The next part of a sweep, and where it goes on; `None` when it is through. Grants of disabled principals (A8), and for what the
    /// files no longer have, close; requests of disabled principals are denied, all others assessed again (I06). Nothing is
    /// approved here. It looks at `most` things at the most.
    #[must_use]
    pub fn sweep(&self, from: Sweep, most: usize, files: InFiles<'_>, present: &Present<'_>) -> (Decision, Option<Sweep>) {
        match from {
            Sweep::Grants(after) => {
                let mut decision = Decision::new();
                let mut last = None;
                for grant in self.grants.range((after.map_or(Unbounded, Excluded), Unbounded)).take(most).map(|(_, grant)| grant) {
                    last = Some(grant.id());
                    let (principal, resource, role) = grant.parties();
                    let reason = if !(files.enabled)(principal) {
                        CloseReason::PrincipalDisabled
                    } else if !(files.there)(resource, role) {
                        CloseReason::ResourceRemoved
                    } else {
                        continue;
                    };
                    // One that never opened keeps none of the others from closing (I13).
                    decision.extend(self.grant_close(grant.id(), reason, present.now).unwrap_or_default());
                }
                (decision, Some(last.map_or(Sweep::Requests(None), |id| Sweep::Grants(Some(id)))))
            }
            Sweep::Requests(after) => {
                let mut decision = Decision::new();
                let mut last = None;
                for request in self.requests.range((after.map_or(Unbounded, Excluded), Unbounded)).take(most).map(|(_, request)| request) {
                    let filed = request.filed();
                    last = Some(filed.id);
                    let events = if (files.enabled)(filed.requester) && (files.enabled)(filed.beneficiary) {
                        request.reassess(&(files.in_force)(filed), present, present.now)
                    } else {
                        request.requester_disabled(present.now)
                    };
                    decision.extend(on_request(filed.id, events));
                }
                (decision, last.map(|id| Sweep::Requests(Some(id))))
            }
        }
    }
}
