//! The folder of files: put in force at the start and, where the server follows it, whenever what it holds changes.
//!
//! A folder may be read while git or a mount is in the middle of changing it: only what two successive looks show alike is put in force.
//! Wrong files change nothing, and are told of once. What was put in force by hand stays until the folder changes again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ajar_core::event::Actor;
use ajar_engine::{ApplyError, Drift, Engine};
use ajar_policy::content_hash;
use anyhow::bail;

use super::config::Config;
use crate::folder::{git_commit, read_dir};

type Files = BTreeMap<String, String>;

/// Files that can't be put in force, with nothing in force yet.
#[derive(Debug)]
pub(crate) struct WrongFiles {
    folder: PathBuf,
    /// Each with file, line and fix.
    pub(crate) problems: Vec<String>,
}

impl std::fmt::Display for WrongFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the files in {} are wrong", self.folder.display())
    }
}

impl std::error::Error for WrongFiles {}

/// Puts the folder's files in force. Files that are wrong leave what was in force as it is. Gives what has been seen of the folder.
pub(crate) async fn begin(config: &Config, engine: &Engine) -> anyhow::Result<View> {
    let dir = config.policy_dir.clone();
    let mut view = View::default();
    let (files, commit) = match look(&dir).await {
        Ok(files) => (files, commit(&dir).await),
        Err(error) => {
            tracing::warn!(error = %format!("{error:#}"), "no rules were read: what was in force stays so");
            return Ok(view);
        }
    };
    view.tried = Some(content_hash(&files));
    match engine.policy_apply(Actor::System, files, commit).await {
        Ok(applied) => {
            tracing::info!(rules.hash = %applied.hash, rules.changed = applied.changed, "rules are in force");
            Ok(view)
        }
        Err(ApplyError::Problems(problems)) => {
            view.wrong = problems.iter().map(ToString::to_string).collect();
            if engine.has_rules().await {
                tracing::error!(problems = %view.wrong.join("\n  "), "the files are wrong: what was in force stays so");
                return Ok(view);
            }
            Err(WrongFiles { folder: dir, problems: view.wrong }.into())
        }
        Err(ApplyError::MovedOn { found, .. }) => bail!("the rules could not be put in force: {found} is"),
        Err(ApplyError::Refused(refusal)) => bail!("the rules could not be put in force: {refusal}"),
    }
}

/// Looks at the folder again and again.
pub(crate) async fn follow(dir: PathBuf, every: Duration, engine: Arc<Engine>, mut view: View) {
    loop {
        view.look(&dir, &engine).await;
        tokio::time::sleep(every).await;
    }
}

/// The files, read beside everything else.
async fn look(dir: &Path) -> anyhow::Result<Files> {
    let dir = dir.to_owned();
    tokio::task::spawn_blocking(move || read_dir(&dir)).await?
}

async fn commit(dir: &Path) -> Option<String> {
    let dir = dir.to_owned();
    tokio::task::spawn_blocking(move || git_commit(&dir)).await.ok()?
}

/// What has been seen of a folder.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// What the last look showed: the hash of the files, or why there is none.
    last: Option<Result<String, String>>,
    /// The files that were put in force, or tried.
    tried: Option<String>,
    /// What was wrong with them.
    wrong: Vec<String>,
    /// Why the folder could not be read, if that was told.
    unreadable: Option<String>,
}

/// What a look comes to.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// The files are in force.
    Same,
    /// They may be half written: the next look tells.
    Wait,
    /// They are not in force, and were tried before.
    Known,
    /// They are new.
    Try,
    /// They can't be read, for the second time.
    Unreadable(String),
}

impl View {
    fn step(&mut self, seen: Result<String, String>, in_force: &str) -> Step {
        let twice = self.last.as_ref() == Some(&seen);
        let step = match &seen {
            Ok(hash) if hash == in_force => {
                self.tried = Some(hash.clone());
                self.wrong.clear();
                Step::Same
            }
            Ok(hash) if self.tried.as_ref() == Some(hash) => Step::Known,
            Ok(_) if twice => Step::Try,
            Err(why) if twice => Step::Unreadable(why.clone()),
            Ok(_) | Err(_) => Step::Wait,
        };
        self.last = Some(seen);
        step
    }

    async fn look(&mut self, dir: &Path, engine: &Engine) {
        let folder = || dir.display().to_string();
        let found = look(dir).await;
        let seen = found.as_ref().map(content_hash).map_err(|error| format!("{error:#}"));
        let in_force = engine.rules().hash().to_owned();
        match self.step(seen, &in_force) {
            Step::Same => engine.policy_drift_set(None),
            Step::Wait => {}
            Step::Known => engine.policy_drift_set(Some(self.drift(folder()))),
            Step::Unreadable(why) => {
                if self.unreadable.as_ref() != Some(&why) {
                    tracing::error!(error = %why, "the folder of rules can't be read: what was in force stays so");
                    self.unreadable = Some(why.clone());
                }
                engine.policy_drift_set(Some(Drift::Unreadable { folder: folder(), why }));
            }
            Step::Try => {
                let commit = commit(dir).await;
                // A checkout that began between the look and git's answer would give these files another one's commit.
                let again = look(dir).await.ok();
                if let Some(files) = again.filter(|again| found.is_ok_and(|found| found == *again)) {
                    self.apply(files, commit, engine).await;
                    let in_force = self.tried.as_deref() == Some(engine.rules().hash());
                    engine.policy_drift_set((!in_force).then(|| self.drift(folder())));
                }
            }
        }
    }

    async fn apply(&mut self, files: Files, commit: Option<String>, engine: &Engine) {
        let hash = content_hash(&files);
        self.wrong.clear();
        self.unreadable = None;
        match engine.policy_apply(Actor::System, files, commit.clone()).await {
            Ok(applied) => {
                tracing::info!(rules.hash = %applied.hash, rules.commit = commit.as_deref().unwrap_or_default(), "the folder has changed: its rules are in force");
                self.tried = Some(hash);
            }
            Err(ApplyError::Problems(problems)) => {
                self.wrong = problems.iter().map(ToString::to_string).collect();
                self.tried = Some(hash);
                tracing::error!(problems = %self.wrong.join("\n  "), "the folder has changed, and its files are wrong: what was in force stays so");
            }
            // It is tried again at the next look.
            Err(ApplyError::MovedOn { .. }) => {}
            Err(ApplyError::Refused(refusal)) => {
                tracing::error!(error = %refusal, "the folder has changed, and its rules could not be put in force yet");
            }
        }
    }

    fn drift(&self, folder: String) -> Drift {
        if self.wrong.is_empty() { Drift::Differs { folder } } else { Drift::Wrong { folder, problems: self.wrong.clone() } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(hash: &str) -> Result<String, String> {
        Ok(hash.to_owned())
    }

    #[test]
    fn only_what_two_looks_show_alike_is_tried() {
        let mut view = View { tried: Some("a".into()), ..View::default() };
        assert_eq!(view.step(files("a"), "a"), Step::Same);
        assert_eq!(view.step(files("half"), "a"), Step::Wait);
        assert_eq!(view.step(files("b"), "a"), Step::Wait);
        assert_eq!(view.step(files("b"), "a"), Step::Try);
    }

    #[test]
    fn what_was_applied_by_hand_stays_until_the_folder_changes() {
        let mut view = View { tried: Some("a".into()), ..View::default() };
        for _ in 0..3 {
            assert_eq!(view.step(files("a"), "by hand"), Step::Known);
        }
        assert_eq!(view.step(files("b"), "by hand"), Step::Wait);
        assert_eq!(view.step(files("b"), "by hand"), Step::Try);
    }

    #[test]
    fn wrong_files_are_tried_once_and_a_folder_that_comes_and_goes_is_waited_for() {
        let mut view = View { tried: Some("wrong".into()), wrong: vec!["a.toml:1:1".into()], ..View::default() };
        assert_eq!(view.step(files("wrong"), "a"), Step::Known);
        assert_eq!(view.step(Err("gone".into()), "a"), Step::Wait);
        assert_eq!(view.step(files("wrong"), "a"), Step::Known);
        assert_eq!(view.step(Err("gone".into()), "a"), Step::Wait);
        assert_eq!(view.step(Err("gone".into()), "a"), Step::Unreadable("gone".into()));
        assert_eq!(view.step(files("a"), "a"), Step::Same);
        assert!(view.wrong.is_empty());
    }
}
