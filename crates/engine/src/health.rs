//! How targets are: what connectors last said of them, when they were asked for something anyway. In memory only, and for showing only:
//! nothing is decided by it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ajar_core::name::ResourceName;
use ajar_core::port::{ConnectorError, Finding, Severity};
use ajar_core::resource::Resource;
use ajar_core::time::Timestamp;

use crate::engine::Engine;
use crate::people::Caller;

/// Targets that are remembered.
const REMEMBERED: usize = 20_000;
/// Characters that are kept of what was said.
const WORDS: usize = 500;
/// Integrations that are told of at once, the bad ones first.
const TOLD: usize = 500;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HealthState {
    /// Nobody has asked it yet.
    Unknown,
    /// It works.
    Good,
    /// It works, but somebody should look.
    Warning,
    /// It does not work.
    Bad,
}

impl HealthState {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

/// How a target is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// In a word.
    pub state: HealthState,
    /// When it was last asked.
    pub checked_at: Option<Timestamp>,
    /// What it said. It may tell of addresses and set-up: for owners, auditors and operators.
    pub words: Option<String>,
}

/// How something outside is, that Ajar works with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integration {
    /// Its name.
    pub name: String,
    /// `postgres`, `ssh`, `http`, `policy_follow` or `otlp`.
    pub kind: &'static str,
    /// How it is.
    pub state: HealthState,
    /// What is to be said of it; nothing for who only may ask for it.
    pub words: String,
}

/// What of a target was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Whether it answers.
    Reach,
    /// Whether logins are made and removed.
    Work,
    /// Whether it is set up right.
    SetUp,
}

#[derive(Debug, Clone)]
struct Said {
    state: HealthState,
    at: Timestamp,
    words: String,
}

/// What was said last, by target and part.
#[derive(Debug, Default)]
pub(crate) struct Healths {
    of: Mutex<BTreeMap<ResourceName, BTreeMap<Part, Said>>>,
    /// What is no resource, by kind.
    others: Mutex<BTreeMap<&'static str, Integration>>,
}

impl Healths {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ResourceName, BTreeMap<Part, Said>>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, of: &ResourceName, part: Part, state: HealthState, words: &str, at: Timestamp) {
        let mut all = self.lock();
        if all.len() >= REMEMBERED && !all.contains_key(of) {
            let oldest = all.iter().min_by_key(|(_, parts)| parts.values().map(|said| said.at).max()).map(|(name, _)| name.clone());
            oldest.map(|name| all.remove(&name));
        }
        let words = words.chars().filter(|c| !c.is_control()).take(WORDS).collect();
        all.entry(of.clone()).or_default().insert(part, Said { state, at, words });
    }

    /// Something was done on a target, or failed. `work` when it was about a login.
    fn did(&self, of: &ResourceName, work: bool, outcome: Result<(), &ConnectorError>, at: Timestamp) {
        match outcome {
            Ok(()) => {
                self.say(of, Part::Reach, HealthState::Good, "it answers", at);
                if work {
                    self.say(of, Part::Work, HealthState::Good, "it makes and removes logins", at);
                }
            }
            Err(error) => {
                let part = if work && !matches!(error, ConnectorError::Unreachable { .. }) { Part::Work } else { Part::Reach };
                self.say(of, part, HealthState::Bad, &error.to_string(), at);
            }
        }
    }

    /// A target was probed.
    pub(crate) fn probed(&self, of: &ResourceName, outcome: Result<&[Finding], &ConnectorError>, at: Timestamp) {
        let findings = match outcome {
            Ok(findings) => findings,
            Err(error) => return self.did(of, false, Err(error), at),
        };
        let worst = findings.iter().max_by_key(|finding| finding.severity);
        let (state, words) = match worst {
            Some(Finding { severity: Severity::Bad, check, result }) => (HealthState::Bad, format!("{check}: {result}")),
            Some(Finding { severity: Severity::Warning, check, result }) => (HealthState::Warning, format!("{check}: {result}")),
            Some(Finding { severity: Severity::Good, .. }) | None => (HealthState::Good, "it is set up right".to_owned()),
        };
        self.say(of, Part::SetUp, state, &words, at);
        if state != HealthState::Bad {
            // It has shown all that there is to show.
            self.did(of, true, Ok(()), at);
        }
    }

    /// Logins were made, removed or listed on a target.
    pub(crate) fn worked<T>(&self, of: &ResourceName, outcome: &Result<T, ConnectorError>, at: Timestamp) {
        self.did(of, true, outcome.as_ref().map(drop), at);
    }

    /// A target was asked what it has.
    pub(crate) fn looked<T>(&self, of: &ResourceName, outcome: &Result<T, ConnectorError>, at: Timestamp) {
        self.did(of, false, outcome.as_ref().map(drop), at);
    }

    fn health(&self, of: &ResourceName) -> Health {
        let all = self.lock();
        let said = all.get(of).into_iter().flat_map(|parts| parts.values());
        // The worst of them; of several, what was said last.
        let worst = said.clone().max_by_key(|said| (said.state, said.at));
        Health {
            state: worst.map_or(HealthState::Unknown, |said| said.state),
            checked_at: said.map(|said| said.at).max(),
            words: worst.map(|said| said.words.clone()),
        }
    }
}

impl Engine {
    /// How a target is, as far as is known: what its connector last said, when somebody connected, when it was compared with the
    /// ledger, or when it was checked.
    #[must_use]
    pub fn health(&self, resource: &ResourceName) -> Health {
        self.healths.health(resource)
    }

    /// How something is that is no target: `otlp`, for instance. One of each kind.
    pub fn integration_set(&self, integration: Integration) {
        self.healths.others.lock().unwrap_or_else(PoisonError::into_inner).insert(integration.kind, integration);
    }

    /// How everything outside is: for auditors and operators all of it; for others the targets that they may ask for or own, without
    /// what those said. The bad ones first; 500 at the most.
    pub async fn integrations(&self, caller: &Caller) -> Vec<Integration> {
        let (rules, all) = (self.rules(), self.sees_all(caller));
        let target = |resource: &Resource, tell: bool| {
            let Health { state, words, .. } = self.health(&resource.name);
            let words = words.filter(|_| tell).unwrap_or_default();
            Integration { name: resource.name.to_string(), kind: resource.kind.word(), state, words }
        };
        let mut found: Vec<Integration> = if all {
            rules.resources().map(|resource| target(resource, true)).collect()
        } else {
            let visible: std::collections::BTreeSet<_> =
                rules.visible(caller.principal).into_iter().map(|o| o.resource.name.clone()).collect();
            let mine = rules.resources().map(|resource| (resource, rules.owns(caller.principal, &resource.name)));
            mine.filter(|(resource, owns)| *owns || visible.contains(&resource.name))
                .map(|(resource, owns)| target(resource, owns))
                .collect()
        };
        if all {
            found.extend(self.follows().await);
            found.extend(self.healths.others.lock().unwrap_or_else(PoisonError::into_inner).values().cloned());
        }
        found.sort_by(|a, b| (b.state, &a.name).cmp(&(a.state, &b.name)));
        found.truncate(TOLD);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn finding(severity: Severity, result: &str) -> Finding {
        Finding { severity, check: "expiry".into(), result: result.into() }
    }

    fn refused() -> ConnectorError {
        ConnectorError::Refused { resource: "orders-db".into(), step: "make the login", why: "no CREATEROLE".into() }
    }

    fn unreachable() -> ConnectorError {
        ConnectorError::Unreachable { resource: "orders-db".into(), why: "refused\u{1b}[31m".into() }
    }

    #[test]
    fn a_target_is_as_bad_as_the_worst_that_was_last_said_of_it() {
        let (healths, name): (_, ResourceName) = (Healths::default(), "orders-db".parse().unwrap());
        let now = |healths: &Healths| {
            let Health { state, checked_at, words } = healths.health(&name);
            (state.word(), checked_at, words.unwrap_or_default())
        };
        assert_eq!(now(&healths), ("unknown", None, String::new()));
        healths.looked(&name, &Ok(()), at(1));
        assert_eq!(now(&healths), ("good", Some(at(1)), "it answers".into()));
        healths.worked::<()>(&name, &Err(refused()), at(2));
        healths.looked(&name, &Ok(()), at(3));
        let (state, checked, words) = now(&healths);
        assert_eq!((state, checked), ("bad", Some(at(3))), "that it answers does not mean that it makes logins");
        assert!(words.contains("refused to make the login: no CREATEROLE"), "{words}");
        healths.worked(&name, &Ok(()), at(4));
        assert_eq!(now(&healths).0, "good");
        healths.looked::<()>(&name, &Err(unreachable()), at(5));
        let (state, _, words) = now(&healths);
        assert!(state == "bad" && !words.contains('\u{1b}'), "{words:?}");
        healths.worked(&name, &Ok(()), at(6));
        assert_eq!(now(&healths).0, "good");
    }

    #[test]
    fn what_a_check_found_stays_until_the_next_one() {
        let (healths, name): (_, ResourceName) = (Healths::default(), "orders-db".parse().unwrap());
        healths.probed(&name, Ok(&[finding(Severity::Good, "yes"), finding(Severity::Warning, "late")]), at(1));
        healths.looked(&name, &Ok(()), at(2));
        let found = healths.health(&name);
        assert_eq!((found.state, found.words.as_deref(), found.checked_at), (HealthState::Warning, Some("expiry: late"), Some(at(2))));
        healths.probed(&name, Ok(&[finding(Severity::Bad, "never"), finding(Severity::Warning, "late")]), at(3));
        healths.worked(&name, &Ok(()), at(4));
        assert_eq!(healths.health(&name).words.as_deref(), Some("expiry: never"));
        // Good findings clear what was wrong before.
        healths.worked::<()>(&name, &Err(refused()), at(5));
        healths.probed(&name, Ok(&[finding(Severity::Good, "yes")]), at(6));
        assert_eq!(healths.health(&name).state, HealthState::Good);
        healths.probed(&name, Err(&unreachable()), at(7));
        assert_eq!(healths.health(&name).state, HealthState::Bad);
    }

    #[test]
    fn o02_it_remembers_so_many() {
        let healths = Healths::default();
        for n in 0..REMEMBERED + 10 {
            healths.looked(&format!("db-{n}").parse().unwrap(), &Ok(()), at(i64::try_from(n).unwrap()));
        }
        assert_eq!(healths.lock().len(), REMEMBERED);
        assert_eq!(healths.health(&"db-0".parse().unwrap()).state, HealthState::Unknown);
    }
}
