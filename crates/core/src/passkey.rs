//! Passkeys: which a principal has, as the log knows them, and what they must prove before they approve.
//!
//! The credential itself (its id and public key) is sealed; the log carries a commitment. What was signed is checked by the shell: here is
//! only what follows from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::Proof;
use crate::id::PasskeyId;
use crate::sealed::Commitment;
use crate::time::Timestamp;

/// The most passkeys that one principal has.
pub const PASSKEYS_MAX: usize = 20;

/// A principal has one more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeyEnrolled {
    /// Its id.
    pub id: PasskeyId,
    /// Its label and credential, sealed.
    pub credential: Commitment,
    /// When.
    pub at: Timestamp,
}

/// Its owner has proven with it who they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeyUsed {
    /// Which.
    pub id: PasskeyId,
    /// Its signature counter; 0 where it has none.
    pub counter: u32,
    /// When.
    pub at: Timestamp,
}

/// It counts for nothing any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeyRemoved {
    /// Which.
    pub id: PasskeyId,
    /// When.
    pub at: Timestamp,
}

/// A passkey as the log knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passkey {
    /// The highest signature counter seen; 0 where it has none.
    pub counter: u32,
    /// Since when.
    pub enrolled_at: Timestamp,
    /// When it was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
}

/// Why a passkey is not enrolled, used or removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasskeyError {
    /// It is not theirs, or not any more.
    #[error("there is no passkey {0}, or it is not yours")]
    NoSuch(PasskeyId),
    /// They have as many as they may.
    #[error("you have {PASSKEYS_MAX} passkeys, which is the most: remove one first")]
    TooMany,
    /// Its signature counter did not move on: somebody may have a copy of it.
    #[error("passkey {id} shows a signature counter of {shown} after {known}: somebody may have a copy of it")]
    Copied {
        /// Which.
        id: PasskeyId,
        /// What it showed now.
        shown: u32,
        /// What it had shown before.
        known: u32,
    },
}

/// A principal's passkeys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Passkeys(BTreeMap<PasskeyId, Passkey>);

impl Passkeys {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Each, the earliest first.
    pub fn iter(&self) -> impl Iterator<Item = (PasskeyId, &Passkey)> {
        self.0.iter().map(|(id, passkey)| (*id, passkey))
    }

    /// One more.
    ///
    /// # Errors
    /// When there are too many.
    pub fn enrol(&self, enrolled: PasskeyEnrolled) -> Result<PasskeyEnrolled, PasskeyError> {
        if self.0.len() >= PASSKEYS_MAX { Err(PasskeyError::TooMany) } else { Ok(enrolled) }
    }

    /// One has signed, and shown this counter.
    ///
    /// # Errors
    /// When it is none of theirs, or the counter did not move on (<https://www.w3.org/TR/webauthn-3/#sctn-sign-counter>).
    pub fn used(&self, id: PasskeyId, counter: u32, at: Timestamp) -> Result<PasskeyUsed, PasskeyError> {
        let known = self.0.get(&id).ok_or(PasskeyError::NoSuch(id))?.counter;
        if (counter > 0 || known > 0) && counter <= known {
            return Err(PasskeyError::Copied { id, shown: counter, known });
        }
        Ok(PasskeyUsed { id, counter, at })
    }

    /// One is taken away.
    ///
    /// # Errors
    /// When it is none of theirs.
    pub fn remove(&self, id: PasskeyId, at: Timestamp) -> Result<PasskeyRemoved, PasskeyError> {
        if self.0.contains_key(&id) { Ok(PasskeyRemoved { id, at }) } else { Err(PasskeyError::NoSuch(id)) }
    }

    /// Whether this proof is enough to approve something: whoever has a passkey proves it with one that is still theirs; who has none
    /// can't be asked for it.
    #[must_use]
    pub fn approve_with(&self, proof: Proof) -> bool {
        match proof {
            Proof::Passkey { passkey, .. } => self.0.contains_key(&passkey),
            Proof::Token(_) | Proof::Password | Proof::Certificate => self.0.is_empty(),
        }
    }

    pub(crate) fn fold_enrolled(&mut self, enrolled: &PasskeyEnrolled) {
        self.0.insert(enrolled.id, Passkey { counter: 0, enrolled_at: enrolled.at, used_at: None });
    }

    pub(crate) fn fold_used(&mut self, used: &PasskeyUsed) {
        if let Some(passkey) = self.0.get_mut(&used.id) {
            passkey.counter = passkey.counter.max(used.counter);
            passkey.used_at = Some(used.at);
        }
    }

    pub(crate) fn fold_removed(&mut self, removed: &PasskeyRemoved) {
        self.0.remove(&removed.id);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::directory::{Added, Principal, PrincipalEvent, PrincipalKind};
    use crate::id::{PrincipalId, TokenId};
    use crate::sealed::Disclosure;

    fn key(n: u128) -> PasskeyId {
        PasskeyId::new(Uuid::from_u128(n))
    }

    fn enrolled(n: u128) -> PasskeyEnrolled {
        PasskeyEnrolled { id: key(n), credential: Disclosure::seal([0; 32], String::new()).commitment, at: Timestamp::EPOCH }
    }

    fn somebody() -> Principal {
        let name = Disclosure::seal([1; 32], "dev".into()).commitment;
        let id = PrincipalId::new(Uuid::from_u128(1));
        Principal::born(&PrincipalEvent::Added(Added { id, name, kind: PrincipalKind::User })).unwrap()
    }

    #[test]
    fn each_event_does_to_each_state_what_it_says() {
        let later = Timestamp::from_millis(5);
        let none = somebody();
        let one = none.clone().evolve(&PrincipalEvent::PasskeyEnrolled(enrolled(1)));
        let use_ = |n, counter| PrincipalEvent::PasskeyUsed(PasskeyUsed { id: key(n), counter, at: later });
        let remove = |n| PrincipalEvent::PasskeyRemoved(PasskeyRemoved { id: key(n), at: later });
        assert_eq!((none.passkeys.len(), one.passkeys.len()), (0, 1));
        let used = one.clone().evolve(&use_(1, 7));
        assert_eq!(used.passkeys.iter().map(|(id, p)| (id, p.counter, p.used_at)).collect::<Vec<_>>(), [(key(1), 7, Some(later))]);
        assert_eq!(used.clone().evolve(&use_(1, 3)).passkeys.iter().next().unwrap().1.counter, 7, "it never goes back");
        for (state, event) in [(&none, use_(1, 7)), (&none, remove(1)), (&one, use_(2, 7)), (&one, remove(2))] {
            assert_eq!(&state.clone().evolve(&event), state, "another's changes nothing");
        }
        assert_eq!(used.evolve(&remove(1)), none);
        assert_eq!(one.clone().evolve(&PrincipalEvent::Disabled(crate::directory::Disabled { at: later })).passkeys, one.passkeys);
    }

    #[test]
    fn a_counter_that_does_not_move_on_is_a_copy_and_one_that_is_not_there_is_none() {
        let mut keys = Passkeys::default();
        keys.fold_enrolled(&enrolled(1));
        let at = Timestamp::EPOCH;
        assert!(keys.used(key(1), 0, at).is_ok() && keys.used(key(1), 1, at).is_ok());
        keys.fold_used(&keys.used(key(1), 5, at).unwrap());
        for shown in [0, 1, 5] {
            assert_eq!(keys.used(key(1), shown, at), Err(PasskeyError::Copied { id: key(1), shown, known: 5 }));
        }
        assert!(keys.used(key(1), 6, at).is_ok());
        assert_eq!(keys.used(key(2), 6, at), Err(PasskeyError::NoSuch(key(2))));
    }

    #[test]
    fn a06_who_has_a_passkey_approves_with_one_of_theirs_only() {
        let token = TokenId::new(Uuid::from_u128(9));
        let with = |n| Proof::Passkey { passkey: key(n), token: Some(token) };
        let weaker = [Proof::Token(token), Proof::Password, Proof::Certificate];
        let mut keys = Passkeys::default();
        assert!(weaker.iter().all(|proof| keys.approve_with(*proof)));
        assert!(!keys.approve_with(with(1)), "one that was removed proves nothing");
        keys.fold_enrolled(&enrolled(1));
        assert!(weaker.iter().all(|proof| !keys.approve_with(*proof)));
        assert!(keys.approve_with(with(1)) && !keys.approve_with(with(2)));
    }

    #[test]
    fn there_is_an_end_to_how_many_one_has() {
        let mut keys = Passkeys::default();
        for n in 0..20 {
            keys.fold_enrolled(&keys.enrol(enrolled(n)).unwrap());
        }
        assert_eq!(keys.enrol(enrolled(20)), Err(PasskeyError::TooMany));
        assert_eq!(keys.remove(key(20), Timestamp::EPOCH), Err(PasskeyError::NoSuch(key(20))));
        keys.fold_removed(&keys.remove(key(0), Timestamp::EPOCH).unwrap());
        assert!(keys.enrol(enrolled(20)).is_ok());
    }
}
