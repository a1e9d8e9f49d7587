//! What is in force and who put it there, and how a folder that is followed differs from it.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use ajar_core::directory::{Applied, PolicyEvent};
use ajar_core::event::{Actor, Envelope, Event, Stream};
use ajar_core::port::{Refusal, RefusalKind};
use ajar_policy::Files;

use crate::engine::Engine;
use crate::health::{HealthState, Integration};
use crate::people::Caller;
use crate::policies::read_blob;
use crate::refusal::refusal;
use crate::sequencer::unavailable;

/// Files that were put in force once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedView {
    /// The event's sequence number.
    pub seq: u64,
    /// Who did it.
    pub by: Actor,
    /// What.
    pub applied: Applied,
}

/// How a folder that is followed differs from what is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drift {
    /// Its files are wrong.
    Wrong {
        /// The folder.
        folder: String,
        /// What is wrong with them.
        problems: Vec<String>,
    },
    /// It can't be read.
    Unreadable {
        /// The folder.
        folder: String,
        /// Why.
        why: String,
    },
    /// Its files are right, and something else was put in force by hand.
    Differs {
        /// The folder.
        folder: String,
    },
}

impl Engine {
    /// What was put in force, newest first, at most `limit`: for auditors and operators.
    ///
    /// # Errors
    /// When the caller may not know, or the store can't be read.
    pub async fn policy_log(&self, caller: &Caller, limit: usize) -> Result<Vec<AppliedView>, Refusal> {
        self.sees_rules(caller)?;
        self.applied(limit).await
    }

    /// What is in force, with its files: for auditors and operators.
    ///
    /// # Errors
    /// When the caller may not know, nothing is in force, or the store can't be read.
    pub async fn policy_in_force(&self, caller: &Caller) -> Result<(AppliedView, Files), Refusal> {
        self.sees_rules(caller)?;
        let nothing = || refusal(RefusalKind::NotRequestable, "no rules are in force", None, Some("ajar policy apply DIR".into()));
        let view = self.applied(1).await?.pop().ok_or_else(nothing)?;
        let files = read_blob(&*self.store, &view.applied.hash).await.map_err(|e| unavailable(&e))?.ok_or_else(nothing)?;
        Ok((view, files))
    }

    fn sees_rules(&self, caller: &Caller) -> Result<(), Refusal> {
        if self.sees_all(caller) {
            return Ok(());
        }
        Err(refusal(
            RefusalKind::Denied,
            "the files are for auditors and operators",
            None,
            Some("'ajar policy explain RESOURCE' says what they mean for you".into()),
        ))
    }

    async fn applied(&self, limit: usize) -> Result<Vec<AppliedView>, Refusal> {
        let leaves = self.store.stream(Stream::Policy).await.map_err(|e| unavailable(&e))?;
        let views = leaves.iter().rev().filter_map(|leaf| match Envelope::from_leaf(&leaf.bytes) {
            Ok(Envelope { seq, actor, event: Event::Policy(PolicyEvent::Applied(applied)), .. }) => {
                Some(AppliedView { seq, by: actor, applied })
            }
            Ok(_) | Err(_) => None,
        });
        Ok(views.take(limit).collect())
    }

    /// The folder that is followed was looked at.
    pub fn policy_drift_set(&self, drift: Option<Drift>) {
        self.followed.store(true, Ordering::Relaxed);
        metrics::gauge!("ajar_policy_drift").set(if drift.is_some() { 1.0 } else { 0.0 });
        *self.drift.lock().unwrap_or_else(PoisonError::into_inner) = drift;
    }

    /// How following the folder goes, if one is followed.
    pub(crate) async fn follows(&self) -> Option<Integration> {
        if !self.followed.load(Ordering::Relaxed) {
            return None;
        }
        let drift = self.drift_in_words().await;
        let state = if drift.is_some() { HealthState::Bad } else { HealthState::Good };
        let words = drift.unwrap_or_else(|| "its files are in force".to_owned());
        Some(Integration { name: "policy".to_owned(), kind: "policy_follow", state, words })
    }

    /// How the folder that is followed differs, in a sentence.
    pub(crate) async fn drift_in_words(&self) -> Option<String> {
        let drift = self.drift.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(match drift {
            Drift::Wrong { folder, problems } => {
                let shown = problems.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
                let more = if problems.len() > 3 { format!("; {} more", problems.len() - 3) } else { String::new() };
                format!(
                    "the files in {folder} are wrong: {shown}{more}. What was in force stays so: mend them, 'ajar policy check DIR' tells all"
                )
            }
            Drift::Unreadable { folder, why } => format!("the files in {folder} can't be read: {why}. What was in force stays so"),
            Drift::Differs { folder } => {
                let last = self.applied(1).await.ok().and_then(|mut views| views.pop());
                let by = last.as_ref().map_or_else(|| "somebody".to_owned(), |view| self.actor_name(&view.by));
                let commit = last.and_then(|view| view.applied.commit).map(|commit| format!(" (commit {commit})")).unwrap_or_default();
                format!("the files in {folder} differ from what is in force, which {by} applied{commit}: 'ajar policy diff DIR' shows how")
            }
        })
    }

    /// Who acted.
    #[must_use]
    pub fn actor_name(&self, actor: &Actor) -> String {
        match actor {
            Actor::Principal { id, .. } => self.name(*id),
            Actor::System => "the server".to_owned(),
        }
    }
}
