//! What is known of how targets are: from checks (`ajar doctor`), and from the reconciler, which reaches databases every half minute.
//! In memory: after a start nothing is known until somebody looks.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ajar_core::name::ResourceName;
use ajar_core::port::{Finding, Severity};
use ajar_core::time::Timestamp;

/// How a target is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// How bad the worst is; `None` when nobody has looked.
    pub worst: Option<Severity>,
    /// When that was found out.
    pub checked_at: Option<Timestamp>,
    /// What is wrong, and what to do.
    pub words: Option<String>,
}

#[derive(Debug, Clone, Default)]
struct Known {
    /// What the last check found.
    checked: Option<(Timestamp, Severity, String)>,
    /// Whether it was reached last: why not.
    reached: Option<(Timestamp, Result<(), String>)>,
}

/// What is known of all of them.
#[derive(Debug, Default)]
pub(crate) struct Healths(Mutex<BTreeMap<ResourceName, Known>>);

impl Healths {
    fn change(&self, resource: &ResourceName, change: impl FnOnce(&mut Known)) {
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(resource.clone()).or_default());
    }

    /// A check was made.
    pub(crate) fn checked(&self, resource: &ResourceName, findings: &[Finding], at: Timestamp) {
        let worst = findings.iter().max_by_key(|finding| finding.severity);
        let (severity, words) = worst.map_or((Severity::Good, String::new()), |f| (f.severity, format!("{}: {}", f.check, f.result)));
        self.change(resource, |known| {
            known.checked = Some((at, severity, words));
            // The check has reached it, or has said why not.
            known.reached = None;
        });
    }

    /// It was reached, or not.
    pub(crate) fn reached(&self, resource: &ResourceName, reached: Result<(), String>, at: Timestamp) {
        self.change(resource, |known| known.reached = Some((at, reached)));
    }

    /// How a target is.
    pub(crate) fn of(&self, resource: &ResourceName) -> Health {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(resource).cloned().unwrap_or_default();
        match (known.reached, known.checked) {
            (Some((at, Err(why))), _) => Health { worst: Some(Severity::Bad), checked_at: Some(at), words: Some(why) },
            (_, Some((at, severity, words))) if severity > Severity::Good => {
                Health { worst: Some(severity), checked_at: Some(at), words: Some(words) }
            }
            (Some((at, Ok(()))), _) | (None, Some((at, ..))) => Health { worst: Some(Severity::Good), checked_at: Some(at), words: None },
            (None, None) => Health { worst: None, checked_at: None, words: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_that_is_known_counts_until_it_is_looked_at_again() {
        let (healths, name): (Healths, ResourceName) = (Healths::default(), "orders-db".parse().unwrap());
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let finding = |severity| Finding { severity, check: "expiry".into(), result: "not honoured".into() };
        assert_eq!(healths.of(&name).worst, None);
        healths.reached(&name, Ok(()), at(1));
        assert_eq!((healths.of(&name).worst, healths.of(&name).checked_at), (Some(Severity::Good), Some(at(1))));
        healths.checked(&name, &[finding(Severity::Good), finding(Severity::Warning)], at(2));
        healths.reached(&name, Ok(()), at(3));
        let warned = healths.of(&name);
        assert_eq!(
            (warned.worst, warned.words.as_deref(), warned.checked_at),
            (Some(Severity::Warning), Some("expiry: not honoured"), Some(at(2)))
        );
        healths.reached(&name, Err("no route".into()), at(4));
        assert_eq!(healths.of(&name).words.as_deref(), Some("no route"));
        healths.checked(&name, &[finding(Severity::Good)], at(5));
        assert_eq!(healths.of(&name), Health { worst: Some(Severity::Good), checked_at: Some(at(5)), words: None });
    }
}
