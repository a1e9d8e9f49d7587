//! Who has proven themselves freshly with a passkey (a step-up): for one token, for five minutes, in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ajar_core::event::{Actor, Proof};
use ajar_core::id::{PasskeyId, TokenId};
use ajar_core::port::{Mono, Refusal, RefusalKind};
use ajar_core::time::{Span, Timestamp};

use crate::engine::Engine;
use crate::people::Caller;
use crate::refusal::refusal;
use crate::sequencer::Desk;

/// How long a step-up holds.
pub(crate) const FRESH: Span = Span::from_secs(5 * 60);

#[derive(Debug, Clone, Copy)]
struct Fresh {
    passkey: PasskeyId,
    until: Timestamp,
    over: Mono,
}

/// Step-ups in force, by the token that they are for.
#[derive(Debug, Default)]
pub(crate) struct Freshness(Mutex<BTreeMap<TokenId, Fresh>>);

impl Freshness {
    fn held(&self) -> MutexGuard<'_, BTreeMap<TokenId, Fresh>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, for as long as one holds; until when.
    pub(crate) fn begin(&self, token: TokenId, passkey: PasskeyId, now: Timestamp, mono: Mono) -> Timestamp {
        let until = now.after(FRESH);
        let nanos = u64::try_from(std::time::Duration::from(FRESH).as_nanos()).unwrap_or(0);
        let mut held = self.held();
        held.retain(|_, fresh| fresh.is_good(now, mono));
        held.insert(token, Fresh { passkey, until, over: Mono(mono.0.saturating_add(nanos)) });
        until
    }

    /// The one of this token, if it holds: by which passkey, and until when.
    pub(crate) fn of(&self, token: TokenId, now: Timestamp, mono: Mono) -> Option<(PasskeyId, Timestamp)> {
        self.held().get(&token).filter(|fresh| fresh.is_good(now, mono)).map(|fresh| (fresh.passkey, fresh.until))
    }

    /// The token was revoked.
    pub(crate) fn forget(&self, token: TokenId) {
        self.held().remove(&token);
    }

    /// What was proven with this passkey counts no more.
    pub(crate) fn forget_passkey(&self, passkey: PasskeyId) {
        self.held().retain(|_, fresh| fresh.passkey != passkey);
    }
}

impl Fresh {
    /// INVARIANT I14: the earlier of the two clocks counts.
    fn is_good(&self, now: Timestamp, mono: Mono) -> bool {
        now < self.until && mono < self.over
    }
}

/// Whether who acts may approve something: who has a passkey has to have proven it just now (A6). What is asked is what the log knows at the
/// moment of the decision, so that a passkey that was removed meanwhile proves nothing.
///
/// # Errors
/// When they have to step up first; `link` is where.
pub(crate) fn approves(desk: &Desk<'_>, actor: Actor, link: &str) -> Result<(), Refusal> {
    let proven = match actor {
        Actor::Principal { id, proof } => desk.world.principal(id).is_some_and(|principal| principal.passkeys.approve_with(proof)),
        Actor::System => false,
    };
    if proven { Ok(()) } else { Err(step_up_needed(link)) }
}

fn step_up_needed(link: &str) -> Refusal {
    refusal(
        RefusalKind::StepUpNeeded,
        "this takes your passkey, used within the last five minutes",
        Some("you have a passkey, so nobody does this with your password or your session alone".into()),
        Some(format!("open {link} and confirm it there with your passkey")),
    )
}

impl Engine {
    /// Who acts, with the strongest proof that they have given: their passkey, while a step-up of theirs holds.
    pub(crate) fn freshly(&self, caller: &Caller) -> Actor {
        let fresh = caller.token().and_then(|token| Some((token, self.fresh.of(token, self.clock.now(), self.clock.mono())?.0)));
        match (caller.actor, fresh) {
            (Actor::Principal { id, .. }, Some((token, passkey))) => {
                Actor::Principal { id, proof: Proof::Passkey { passkey, token: Some(token) } }
            }
            (actor @ (Actor::Principal { .. } | Actor::System), _) => actor,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn token(n: u128) -> TokenId {
        TokenId::new(Uuid::from_u128(n))
    }

    #[test]
    fn i14_a_step_up_is_for_one_token_and_for_five_minutes_by_either_clock() {
        let fresh = Freshness::default();
        let key = PasskeyId::new(Uuid::from_u128(7));
        let wall = |s: i64| Timestamp::from_millis(s * 1_000);
        let mono = |s: u64| Mono(s * 1_000_000_000);
        assert_eq!(fresh.begin(token(1), key, wall(1_000), mono(50)), wall(1_300));
        assert_eq!(fresh.of(token(1), wall(1_299), mono(349)), Some((key, wall(1_300))));
        assert_eq!(fresh.of(token(2), wall(1_001), mono(51)), None, "another token's");
        assert_eq!(fresh.of(token(1), wall(1_300), mono(51)), None, "by the wall clock");
        assert_eq!(fresh.of(token(1), wall(900), mono(350)), None, "by the monotonic one, the wall clock set back");
        fresh.forget(token(1));
        assert_eq!(fresh.of(token(1), wall(1_001), mono(51)), None, "a token that was revoked");
        fresh.begin(token(1), key, wall(1_000), mono(50));
        fresh.forget_passkey(key);
        assert_eq!(fresh.of(token(1), wall(1_001), mono(51)), None, "a passkey that was removed");
    }
}
