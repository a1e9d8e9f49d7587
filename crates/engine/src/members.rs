//! Who there is: people, workloads and groups, as far as the caller may know of them.

use std::collections::{BTreeMap, BTreeSet};

use ajar_core::delegation::Delegation;
use ajar_core::directory::PrincipalKind;
use ajar_core::id::PrincipalId;
use ajar_core::name::GroupName;
use ajar_core::port::Refusal;
use ajar_core::time::Timestamp;
use ajar_policy::Member;

use crate::engine::Engine;
use crate::people::Caller;

/// Somebody, as the caller may see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonView {
    /// Which principal.
    pub id: PrincipalId,
    /// What kind.
    pub kind: PrincipalKind,
    /// The groups that they are in: all for themselves, auditors and operators; for others, those that they share.
    pub groups: Vec<GroupName>,
    /// Their manager, if the caller may know of them.
    pub manager: Option<PrincipalId>,
    /// Whether they may do anything.
    pub enabled: bool,
    /// Whether they are locked: for themselves, auditors and operators; others aren't told.
    pub locked: bool,
    /// Until when they are away.
    pub away: Option<Away>,
}

/// Somebody is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    /// Until when.
    pub until: Timestamp,
    /// Who is asked instead, if the caller may know of them.
    pub delegate: Option<PrincipalId>,
}

/// A group, with those in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupView {
    /// Its name.
    pub name: GroupName,
    /// Names of all who are in it.
    pub members: Vec<String>,
}

impl Engine {
    /// Everybody, for auditors and operators; for others, themselves and who shares a group with them.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn members(&self, caller: &Caller) -> Result<Vec<PersonView>, Refusal> {
        let (me, all, rules) = (caller.principal, self.sees_all(caller), self.rules());
        let mine = rules.member(me).map(|member| member.groups).unwrap_or_default();
        let seen: Vec<Member> = rules.members().filter(|m| all || m.id == me || !m.groups.is_disjoint(&mine)).collect();
        let known: BTreeSet<PrincipalId> = seen.iter().map(|member| member.id).collect();
        let ids: Vec<PrincipalId> = known.iter().copied().collect();
        let state = self.sequencer.look(move |desk| {
            let present = desk.present();
            let locked: BTreeSet<PrincipalId> = ids.iter().copied().filter(|id| present.locked(&[*id], &[]).is_some()).collect();
            let made = desk.world.delegations().filter(|d| matches!(d, Delegation::Made(_))).map(Delegation::made);
            let away: BTreeMap<PrincipalId, (Timestamp, PrincipalId)> =
                made.filter(|made| made.is_in_force(desk.now)).map(|made| (made.from, (made.until, made.to))).collect();
            (locked, away)
        });
        let (locked, away) = state.await?;
        let view = |member: Member| {
            let (id, whole) = (member.id, all || member.id == me);
            PersonView {
                id,
                kind: member.kind,
                groups: member.groups.into_iter().filter(|group| whole || mine.contains(group)).collect(),
                manager: member.manager.filter(|manager| whole || known.contains(manager)),
                enabled: member.enabled,
                // INVARIANT W3: a lock is for whom it concerns, as in the list of locks.
                locked: whole && locked.contains(&id),
                away: away
                    .get(&id)
                    .map(|(until, to)| Away { until: *until, delegate: Some(*to).filter(|to| known.contains(to) || *to == me) }),
            }
        };
        Ok(seen.into_iter().map(view).collect())
    }

    /// Every group, for auditors and operators; for others, those that they are in.
    #[must_use]
    pub fn groups(&self, caller: &Caller) -> Vec<GroupView> {
        let (rules, all) = (self.rules(), self.sees_all(caller));
        let mine = rules.member(caller.principal).map(|member| member.groups).unwrap_or_default();
        let seen = rules.groups().filter(|(name, _)| all || mine.contains(*name));
        seen.map(|(name, members)| GroupView { name: name.clone(), members: members.iter().map(ToString::to_string).collect() }).collect()
    }
}
