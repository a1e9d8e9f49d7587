//! Ceremonies under way: what was asked of a browser, until it answers. In memory, bounded, each good for one answer within five minutes,
//! from whoever began it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ajar_core::event::Actor;
use ajar_core::id::TokenId;
use ajar_core::port::{Entropy, Mono};
use webauthn_rs::prelude::{DiscoverableAuthentication, PasskeyAuthentication, PasskeyRegistration};

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(5 * 60);
/// How many may be under way for one token; the oldest gives way.
const OF_ONE: usize = 8;
/// How many may be under way at all, of those that belong to tokens and of those that anybody may begin, each for itself.
const AT_ALL: usize = 20_000;

/// What was begun.
#[derive(Debug)]
pub(crate) enum Begun {
    /// Enrolling one more, on the strength of this proof; `first` if there was none then.
    Enrol { state: Box<PasskeyRegistration>, by: Actor, first: bool },
    /// Proving oneself again.
    StepUp(Box<PasskeyAuthentication>),
    /// Signing in, whoever it is.
    SignIn(Box<DiscoverableAuthentication>),
}

#[derive(Debug)]
struct Held {
    whose: Option<TokenId>,
    begun: Begun,
    order: u64,
    over: Mono,
}

#[derive(Debug, Default)]
struct Book {
    held: BTreeMap<String, Held>,
    /// How many were begun.
    begun: u64,
}

/// See the module. Those that anybody may begin take no place from those of tokens.
#[derive(Debug, Default)]
pub(crate) struct Ceremonies {
    of_tokens: Mutex<Book>,
    of_anybody: Mutex<Book>,
}

impl Ceremonies {
    fn book(&self, whose: Option<TokenId>) -> MutexGuard<'_, Book> {
        let book = if whose.is_some() { &self.of_tokens } else { &self.of_anybody };
        book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was begun, for the token that began it or for nobody; under which name. `None` when there are too many.
    pub(crate) fn begin(&self, whose: Option<TokenId>, begun: Begun, entropy: &dyn Entropy, now: Mono) -> Option<String> {
        let mut book = self.book(whose);
        if whose.is_some() {
            let theirs = book.held.iter().filter(|(_, ceremony)| ceremony.whose == whose);
            let mut theirs: Vec<(u64, String)> = theirs.map(|(name, ceremony)| (ceremony.order, name.clone())).collect();
            theirs.sort_unstable();
            for (_, oldest) in theirs.iter().take((theirs.len() + 1).saturating_sub(OF_ONE)) {
                book.held.remove(oldest);
            }
        }
        if book.held.len() >= AT_ALL {
            book.held.retain(|_, ceremony| now < ceremony.over);
        }
        if book.held.len() >= AT_ALL {
            return None;
        }
        let mut bytes = [0u8; 16];
        entropy.fill(&mut bytes);
        let name = hex::encode(bytes);
        book.begun += 1;
        let (order, over) = (book.begun, Mono(now.0.saturating_add(u64::try_from(WITHIN.as_nanos()).unwrap_or(0))));
        book.held.insert(name.clone(), Held { whose, begun, order, over });
        Some(name)
    }

    /// Takes it, so that nobody can answer it again; only for who began it.
    pub(crate) fn take(&self, name: &str, whose: Option<TokenId>, now: Mono) -> Option<Begun> {
        let mut book = self.book(whose);
        if book.held.get(name)?.whose != whose {
            return None;
        }
        book.held.remove(name).filter(|ceremony| now < ceremony.over).map(|ceremony| ceremony.begun)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use webauthn_rs::prelude::{Url, WebauthnBuilder};

    use super::*;
    use ajar_core::time::Timestamp;

    struct Counter(Mutex<u64>);

    impl Entropy for Counter {
        fn fill(&self, out: &mut [u8]) {
            let mut next = self.0.lock().unwrap();
            *next += 1;
            out[..8].copy_from_slice(&next.to_be_bytes());
        }

        fn uuid(&self, _: Timestamp) -> Uuid {
            Uuid::nil()
        }
    }

    fn sign_in() -> Begun {
        let url = Url::parse("https://ajar.test").unwrap();
        let party = WebauthnBuilder::new("ajar.test", &url).unwrap().build().unwrap();
        Begun::SignIn(Box::new(party.start_discoverable_authentication().unwrap().1))
    }

    #[test]
    fn a_ceremony_is_answered_once_in_time_and_by_who_began_it() {
        let (all, entropy) = (Ceremonies::default(), Counter(Mutex::new(0)));
        let token = |n| Some(TokenId::new(Uuid::from_u128(n)));
        let at = |s: u64| Mono(s * 1_000_000_000);
        let mine = all.begin(token(1), sign_in(), &entropy, at(0)).unwrap();
        for other in [None, token(2)] {
            assert!(all.take(&mine, other, at(1)).is_none(), "{other:?}");
        }
        assert!(all.take("nonsense", token(1), at(1)).is_none());
        assert!(all.take(&mine, token(1), at(299)).is_some());
        assert!(all.take(&mine, token(1), at(299)).is_none(), "a second time");
        let late = all.begin(None, sign_in(), &entropy, at(0)).unwrap();
        assert!(all.take(&late, None, at(300)).is_none());
    }

    #[test]
    fn o01_what_is_under_way_is_bounded() {
        let (all, entropy) = (Ceremonies::default(), Counter(Mutex::new(0)));
        let token = Some(TokenId::new(Uuid::from_u128(1)));
        let names: Vec<String> = (0..10).map(|_| all.begin(token, sign_in(), &entropy, Mono(0)).unwrap()).collect();
        let still: Vec<bool> = names.iter().map(|name| all.take(name, token, Mono(1)).is_some()).collect();
        assert_eq!(still, [false, false, true, true, true, true, true, true, true, true]);
        let begun = (0..AT_ALL + 5).filter(|_| all.begin(None, sign_in(), &entropy, Mono(1)).is_some()).count();
        assert_eq!(begun, AT_ALL);
        assert!(all.begin(token, sign_in(), &entropy, Mono(1)).is_some(), "what anybody may begin takes no place from tokens");
        assert!(all.begin(None, sign_in(), &entropy, Mono(400_000_000_000)).is_some(), "time makes room");
    }
}
