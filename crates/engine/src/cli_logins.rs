//! Signing a command line in through a browser: it shows a code, and whoever is signed in compares it by eye and says yes (as in RFC 8628).
//!
//! In memory, bounded, for ten minutes. The command line proves that it asks about its own by a secret that is in no URL; the code alone is
//! good for nothing but being shown to somebody who is signed in.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ajar_core::directory::Scope;
use ajar_core::port::{Entropy, Mono, Refusal, RefusalKind};
use ajar_core::secret::Secret;
use ajar_core::time::{Span, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::brake::place;
use crate::engine::Engine;
use crate::people::{Caller, IssuedToken};
use crate::refusal::{no_such, refusal};

/// How long somebody has to say yes.
const LIFE: Span = Span::from_secs(10 * 60);
/// How many may wait at all, and of one address.
const AT_ALL: usize = 1_000;
const OF_ONE: usize = 20;
/// Letters and digits that are hard to mistake for each other, and make no words.
const ALPHABET: &[u8; 28] = b"BCDFGHJKLMNPQRSTVWXZ23456789";
const CODE: usize = 8;

/// A sign-in that waits, for the command line that began it.
#[derive(Debug, Clone)]
pub struct CliLogin {
    /// Its id.
    pub id: String,
    /// What the command line asks with.
    pub secret: Secret,
    /// What both show: `XXXX-XXXX`.
    pub code: String,
    /// Until when it waits.
    pub expires_at: Timestamp,
}

/// A sign-in that waits, for whoever is to say yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CliLoginView {
    /// What both show: `XXXX-XXXX`.
    pub code: String,
    /// Where the command line is.
    pub from: IpAddr,
    /// What it says of itself.
    pub label: String,
    /// Since when.
    pub at: Timestamp,
    /// Until when it waits.
    pub expires_at: Timestamp,
}

#[derive(Debug)]
enum State {
    Waiting,
    /// Somebody said yes; the token is being made.
    Agreed,
    Ready(IssuedToken),
    Refused,
}

#[derive(Debug)]
struct Held {
    view: CliLoginView,
    secret: [u8; 32],
    state: State,
    over: Mono,
}

/// See the module. By id.
#[derive(Debug, Default)]
pub(crate) struct CliLogins(Mutex<BTreeMap<String, Held>>);

impl CliLogins {
    /// Those that are not over.
    fn held(&self, now: Mono) -> MutexGuard<'_, BTreeMap<String, Held>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, login| now < login.over);
        held
    }

    /// `None` when too many wait.
    fn begin(&self, from: IpAddr, label: String, entropy: &dyn Entropy, (now, mono): (Timestamp, Mono)) -> Option<CliLogin> {
        let mut held = self.held(mono);
        if held.len() >= AT_ALL || held.values().filter(|login| place(login.view.from) == place(from)).count() >= OF_ONE {
            return None;
        }
        let mut bytes = [0u8; 48];
        entropy.fill(&mut bytes);
        let (id, secret) = bytes.split_at(16);
        let (id, secret) = (hex::encode(id), Secret::new(hex::encode(secret)));
        let code = std::iter::repeat_with(|| code(entropy)).take(16).find(|code| held.values().all(|login| login.view.code != *code))?;
        let expires_at = now.after(LIFE);
        let view = CliLoginView { code: code.clone(), from, label, at: now, expires_at };
        let over = Mono(mono.0.saturating_add(u64::try_from(Duration::from(LIFE).as_nanos()).unwrap_or(0)));
        held.insert(id.clone(), Held { view, secret: Sha256::digest(secret.expose()).into(), state: State::Waiting, over });
        Some(CliLogin { id, secret, code, expires_at })
    }

    /// The one that waits under this code, as somebody typed it.
    fn waiting(&self, typed: &str, now: Mono) -> Option<CliLoginView> {
        let code = plain(typed)?;
        let held = self.held(now);
        held.values().find(|login| login.view.code == code && matches!(login.state, State::Waiting)).map(|login| login.view.clone())
    }

    /// Moves the one that waits under this code on; `None` when none waits, as when it was decided already.
    fn decide(&self, typed: &str, to: State, now: Mono) -> Option<CliLoginView> {
        let code = plain(typed)?;
        let mut held = self.held(now);
        let login = held.values_mut().find(|login| login.view.code == code && matches!(login.state, State::Waiting))?;
        login.state = to;
        Some(login.view.clone())
    }

    /// The token is made, or could not be and everything is as before.
    fn made(&self, code: &str, token: Option<IssuedToken>, now: Mono) {
        let mut held = self.held(now);
        if let Some(login) = held.values_mut().find(|login| login.view.code == code && matches!(login.state, State::Agreed)) {
            login.state = token.map_or(State::Waiting, State::Ready);
        }
    }

    /// What has become of it, for who has the secret. The token is handed out once.
    fn collect(&self, id: &str, secret: &Secret, now: Mono) -> Result<Option<IssuedToken>, Refusal> {
        let mut held = self.held(now);
        let digest: [u8; 32] = Sha256::digest(secret.expose()).into();
        let login = held.get(id).filter(|login| digest.ct_eq(&login.secret).into()).ok_or_else(over)?;
        match &login.state {
            State::Waiting | State::Agreed => Ok(None),
            State::Refused => {
                held.remove(id);
                Err(refusal(RefusalKind::Denied, "the sign-in was refused in the browser", None, Some("ajar login".into())))
            }
            State::Ready(token) => {
                let token = token.clone();
                held.remove(id);
                Ok(Some(token))
            }
        }
    }
}

fn over() -> Refusal {
    refusal(RefusalKind::Expired, "that sign-in is over", None, Some("begin again: ajar login".into()))
}

/// A code that somebody can compare. Bytes that would make some letters likelier than others are passed over.
fn code(entropy: &dyn Entropy) -> String {
    let mut code = String::with_capacity(CODE + 1);
    let mut letters = 0;
    while letters < CODE {
        let mut bytes = [0u8; 16];
        entropy.fill(&mut bytes);
        let fair = u8::try_from(256 / ALPHABET.len() * ALPHABET.len()).unwrap_or(u8::MAX);
        for letter in bytes.iter().filter(|b| **b < fair).filter_map(|b| ALPHABET.get(usize::from(*b) % ALPHABET.len())) {
            if letters == CODE {
                break;
            }
            if letters == CODE / 2 {
                code.push('-');
            }
            code.push(char::from(*letter));
            letters += 1;
        }
    }
    code
}

/// A code in the one form that it has, whatever somebody typed.
fn plain(typed: &str) -> Option<String> {
    if typed.len() > 32 {
        return None;
    }
    let letters: String = typed.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    let (first, second) = letters.split_at_checked(CODE / 2).filter(|_| letters.len() == CODE)?;
    Some(format!("{first}-{second}"))
}

impl Engine {
    /// Begins a command line's sign-in.
    ///
    /// # Errors
    /// When too many wait, or come from that address.
    pub fn cli_login(&self, label: &str, client: IpAddr) -> Result<CliLogin, Refusal> {
        let label: String = label.chars().filter(|c| !c.is_control()).take(100).collect();
        let (now, mono) = (self.clock.now(), self.clock.mono());
        let begun =
            self.cli_logins_begun.take(place(client), mono).then(|| self.cli_logins.begin(client, label, &*self.entropy, (now, mono)));
        begun.flatten().ok_or_else(|| {
            refusal(
                RefusalKind::Unavailable,
                "too many sign in at once",
                None,
                Some("wait a minute, or sign in with 'ajar login --password'".into()),
            )
        })
    }

    /// The sign-in that waits under a code, for whoever is signed in and reads the code off a command line.
    ///
    /// # Errors
    /// When none waits, or the caller tries too many.
    pub fn cli_login_waiting(&self, caller: &Caller, code: &str) -> Result<CliLoginView, Refusal> {
        caller.writes()?;
        self.brake_codes(caller)?;
        self.cli_logins.waiting(code, self.clock.mono()).ok_or_else(|| no_such("sign-in"))
    }

    /// The caller says that the command line with this code is theirs: a token is made for it.
    ///
    /// # Errors
    /// When none waits, or it can't be recorded: it waits on then.
    pub async fn cli_login_approve(&self, caller: &Caller, code: &str) -> Result<(), Refusal> {
        caller.writes()?;
        self.brake_codes(caller)?;
        let login = self.cli_logins.decide(code, State::Agreed, self.clock.mono()).ok_or_else(|| no_such("sign-in"))?;
        let label = if login.label.trim().is_empty() { "ajar login" } else { login.label.trim() };
        let issued = self.token_issue(caller, label, Scope::Full, None).await;
        self.cli_logins.made(&login.code, issued.as_ref().ok().cloned(), self.clock.mono());
        issued.map(drop)
    }

    /// The caller says that it isn't theirs.
    ///
    /// # Errors
    /// When none waits.
    pub fn cli_login_refuse(&self, caller: &Caller, code: &str) -> Result<(), Refusal> {
        caller.writes()?;
        self.brake_codes(caller)?;
        let refused = self.cli_logins.decide(code, State::Refused, self.clock.mono()).ok_or_else(|| no_such("sign-in"))?;
        tracing::warn!(client.address = %refused.from, principal.id = %caller.principal, "a command line's sign-in was refused");
        Ok(())
    }

    /// The token of a sign-in, once, for the command line that began it; nothing yet while it waits.
    ///
    /// # Errors
    /// When it was refused, is over, or isn't theirs, which looks the same as over.
    pub fn cli_login_token(&self, id: &str, secret: &Secret) -> Result<Option<IssuedToken>, Refusal> {
        self.cli_logins.collect(id, secret, self.clock.mono())
    }

    /// A brake on guessing codes.
    fn brake_codes(&self, caller: &Caller) -> Result<(), Refusal> {
        if self.codes.take(caller.principal, self.clock.mono()) {
            return Ok(());
        }
        Err(refusal(RefusalKind::Unavailable, "too many codes were tried", None, Some("wait a minute and try again".into())))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use ajar_core::id::TokenId;
    use uuid::Uuid;

    use super::*;

    struct Dice(Mutex<u64>);

    impl Entropy for Dice {
        fn fill(&self, out: &mut [u8]) {
            let mut next = self.0.lock().unwrap();
            for chunk in out.chunks_mut(32) {
                *next += 1;
                chunk.copy_from_slice(&Sha256::digest(next.to_be_bytes())[..chunk.len()]);
            }
        }

        fn uuid(&self, _: Timestamp) -> Uuid {
            Uuid::nil()
        }
    }

    fn at(s: u64) -> (Timestamp, Mono) {
        (Timestamp::from_millis(i64::try_from(s).unwrap() * 1_000), Mono(s * 1_000_000_000))
    }

    fn from(n: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, n).into()
    }

    fn token() -> IssuedToken {
        IssuedToken { id: TokenId::new(Uuid::nil()), token: Secret::new("ajar_x".into()), expires_at: Timestamp::EPOCH }
    }

    #[test]
    fn a_token_is_handed_out_once_to_who_has_the_secret() {
        let (all, dice) = (CliLogins::default(), Dice(Mutex::new(0)));
        let login = all.begin(from(1), "a".into(), &dice, at(0)).unwrap();
        let now = at(1).1;
        let wrong = Secret::new("x".into());
        assert!(all.collect(&login.id, &login.secret, now).unwrap().is_none());
        assert_eq!(all.collect(&login.id, &wrong, now).unwrap_err().kind, RefusalKind::Expired);
        assert_eq!(all.collect("x", &login.secret, now).unwrap_err().kind, RefusalKind::Expired);
        let typed = login.code.to_lowercase().replace('-', " ");
        assert_eq!(all.waiting(&typed, now).unwrap().code, login.code);
        assert!(all.decide(&typed, State::Agreed, now).is_some());
        assert!(all.decide(&typed, State::Agreed, now).is_none(), "two say yes at once");
        assert!(all.decide(&typed, State::Refused, now).is_none());
        assert!(all.collect(&login.id, &login.secret, now).unwrap().is_none(), "not made yet");
        all.made(&login.code, None, now);
        assert!(all.waiting(&typed, now).is_some(), "it could not be recorded: it waits on");
        all.decide(&typed, State::Agreed, now);
        all.made(&login.code, Some(token()), now);
        assert!(all.waiting(&typed, now).is_none());
        assert!(all.collect(&login.id, &login.secret, now).unwrap().is_some());
        assert_eq!(all.collect(&login.id, &login.secret, now).unwrap_err().kind, RefusalKind::Expired);
    }

    #[test]
    fn it_is_over_after_ten_minutes_or_when_it_is_refused() {
        let (all, dice) = (CliLogins::default(), Dice(Mutex::new(0)));
        let login = all.begin(from(1), "a".into(), &dice, at(0)).unwrap();
        assert!(all.waiting(&login.code, at(599).1).is_some());
        assert!(all.waiting(&login.code, at(600).1).is_none());
        assert_eq!(all.collect(&login.id, &login.secret, at(600).1).unwrap_err().kind, RefusalKind::Expired);
        let login = all.begin(from(1), "a".into(), &dice, at(700)).unwrap();
        all.decide(&login.code, State::Refused, at(701).1);
        assert_eq!(all.collect(&login.id, &login.secret, at(702).1).unwrap_err().kind, RefusalKind::Denied);
        assert_eq!(all.collect(&login.id, &login.secret, at(702).1).unwrap_err().kind, RefusalKind::Expired);
    }

    #[test]
    fn o01_how_many_wait_is_bounded_for_each_address_and_at_all() {
        let (all, dice) = (CliLogins::default(), Dice(Mutex::new(0)));
        let begun = |n, s| all.begin(from(n), "a".into(), &dice, at(s));
        assert_eq!((0..30).filter(|_| begun(1, 0).is_some()).count(), OF_ONE);
        assert!(begun(2, 0).is_some(), "another address");
        let others = (3..=255).flat_map(|n| std::iter::repeat_n(n, OF_ONE)).filter(|n| begun(*n, 0).is_some()).count();
        assert_eq!(others, AT_ALL - OF_ONE - 1);
        assert!(begun(1, 600).is_some(), "time makes room");
    }

    #[test]
    fn codes_are_read_as_people_type_them_and_never_as_another() {
        let dice = Dice(Mutex::new(0));
        let codes: Vec<String> = (0..2_000).map(|_| code(&dice)).collect();
        assert!(codes.iter().all(|code| plain(code).as_ref() == Some(code) && code.len() == CODE + 1));
        for letter in ALPHABET {
            let many = codes.iter().flat_map(|code| code.bytes()).filter(|b| b == letter).count();
            assert!((400..800).contains(&many), "{}: {many} of 16,000", char::from(*letter));
        }
        for bad in ["", "BCDF", "BCDF-GHJKL", "BCDF-GHJ\u{212a}", &"B".repeat(33)] {
            assert_eq!(plain(bad), None, "{bad}");
        }
    }
}
