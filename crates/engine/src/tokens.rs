//! One's own tokens: what they stand for, which there are, and giving one up.

use ajar_core::directory::{Issued, TokenEvent, TokenRevoked};
use ajar_core::event::{Actor, Event, Proof, Stream};
use ajar_core::id::TokenId;
use ajar_core::port::Refusal;
use ajar_core::secret::Secret;
use ajar_core::time::Timestamp;

use crate::engine::Engine;
use crate::people::{Caller, bad_credential};
use crate::refusal::of;
use crate::sequencer::Draft;

/// The most tokens that are listed at once.
const LISTED: usize = 500;

/// What somebody's proof amounts to at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The token that they came with.
    pub token: TokenId,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// How many passkeys they have.
    pub passkeys: usize,
    /// Until when their step-up holds, if there is one.
    pub fresh_until: Option<Timestamp>,
    /// Whether they can sign in with a password.
    pub can_password: bool,
}

impl Caller {
    /// The token that they came with, if they came with one.
    #[must_use]
    pub fn token(&self) -> Option<TokenId> {
        match self.actor {
            Actor::Principal { proof, .. } => proof.token(),
            Actor::System => None,
        }
    }
}

impl Engine {
    /// What the caller's proof amounts to.
    ///
    /// # Errors
    /// When they came without a token, or it is not good any more.
    pub fn standing(&self, caller: &Caller) -> Result<Standing, Refusal> {
        let token = caller.token().ok_or_else(bad_credential)?;
        let now = self.clock.now();
        let (issued, _) = self.people.token_known(token, now).ok_or_else(bad_credential)?;
        Ok(Standing {
            token,
            expires_at: issued.expires_at,
            passkeys: self.people.passkeys_of(caller.principal).len(),
            fresh_until: self.fresh.of(token, now, self.clock.mono()).map(|(_, until)| until),
            can_password: self.people.has_password(caller.principal),
        })
    }

    /// The caller's own tokens that are good, the latest first: those older than `before`, and where the next page begins.
    ///
    /// # Errors
    /// When the caller's own is only for connecting.
    pub fn tokens(&self, caller: &Caller, before: Option<TokenId>) -> Result<(Vec<Issued>, Option<TokenId>), Refusal> {
        caller.reads()?;
        let mut tokens = self.people.tokens_of(caller.principal, self.clock.now());
        tokens.retain(|issued| before.is_none_or(|before| issued.id < before));
        let more = tokens.len() > LISTED;
        tokens.truncate(LISTED);
        let next = tokens.last().filter(|_| more).map(|issued| issued.id);
        Ok((tokens, next))
    }

    /// Ends the token itself: who holds it gives it up, whatever it is good for. One that isn't good any more is given up already.
    ///
    /// # Errors
    /// When it can't be recorded: it is still good then.
    pub async fn token_surrender(&self, token: &Secret) -> Result<(), Refusal> {
        let Ok(Caller { actor: actor @ Actor::Principal { proof: Proof::Token(id), .. }, .. }) = self.authenticate(token) else {
            return Ok(());
        };
        let done = self.sequencer.run(actor, Vec::new(), move |desk| {
            let event = |_| (Stream::Token(id), Event::Token(TokenEvent::Revoked(TokenRevoked { at: desk.now })));
            Ok::<_, Refusal>((Draft::from(desk.world.token(id).map(event).into_iter().collect::<Vec<_>>()), ()))
        });
        done.await.map_err(of)
    }
}
