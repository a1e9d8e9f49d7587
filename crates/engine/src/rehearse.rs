//! What the past says: a draft run over it, and what it suggests about the rules in force. It reads the log from the beginning, page by page,
//! beside the sequencer.

use std::collections::BTreeMap;
use std::sync::Arc;

use ajar_core::event::{Envelope, Event};
use ajar_core::port::{Refusal, RefusalKind};
use ajar_core::request::{Impossible, RequestEvent};
use ajar_core::sealed::Commitment;
use ajar_core::time::Span;
use ajar_policy::{Disclosed, Files, Replay, Report, Suggest, Suggestions};

use crate::engine::Engine;
use crate::log::Log;
use crate::people::Caller;
use crate::policies::ApplyError;
use crate::refusal::refusal;
use crate::sequencer::unavailable;

/// What learns from events, one after the other.
trait Learns: Send + 'static {
    fn learn(&mut self, envelope: &Envelope, value: Disclosed<'_>) -> Result<(), Impossible>;
}

impl Learns for Replay {
    fn learn(&mut self, envelope: &Envelope, value: Disclosed<'_>) -> Result<(), Impossible> {
        Replay::learn(self, envelope, value)
    }
}

impl Learns for Suggest {
    fn learn(&mut self, envelope: &Envelope, value: Disclosed<'_>) -> Result<(), Impossible> {
        Suggest::learn(self, envelope, value)
    }
}

impl Engine {
    /// Runs `files` over the requests of the last `since`: for auditors and operators.
    ///
    /// # Errors
    /// When the caller may not know, a file is wrong, or the log can't be read.
    pub async fn policy_replay(&self, caller: &Caller, files: Files, since: Span) -> Result<Report, ApplyError> {
        self.looks_back(caller)?;
        let ids = self.people.ids();
        let draft = self.blocking(move || ajar_policy::parse(&files).map(|rules| Arc::new(rules.bind_draft(&ids))));
        let draft = draft.await.ok_or_else(broken)?.map_err(ApplyError::Problems)?;
        let replay = Replay::new(draft, Some(self.clock.now().before(since)));
        let replay = self.learn_all(replay).await?;
        Ok(self.blocking(move || replay.report()).await.ok_or_else(broken)?)
    }

    /// What the last `since` suggests about the rules in force: for auditors and operators.
    ///
    /// # Errors
    /// When the caller may not know, or the log can't be read.
    pub async fn policy_suggestions(&self, caller: &Caller, since: Span) -> Result<Suggestions, Refusal> {
        self.looks_back(caller)?;
        let suggest = Suggest::new(self.rules(), Some(self.clock.now().before(since)));
        let suggest = self.learn_all(suggest).await?;
        self.blocking(move || suggest.suggestions()).await.ok_or_else(broken)
    }

    fn looks_back(&self, caller: &Caller) -> Result<(), Refusal> {
        if self.sees_all(caller) {
            return Ok(());
        }
        Err(refusal(RefusalKind::Denied, "what others asked for is for auditors and operators", None, None))
    }

    /// Has `learner` learn the whole log. One page is in memory, and the next.
    async fn learn_all<T: Learns>(&self, mut learner: T) -> Result<T, Refusal> {
        let mut log = Log::read(&self.store);
        loop {
            let page = log.next().await.map_err(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, "the log can't be read");
                broken()
            })?;
            if page.is_empty() {
                return Ok(learner);
            }
            let texts = page.iter().filter_map(|(_, envelope)| {
                let Event::Request(RequestEvent::Filed(filed)) = &envelope.event else { return None };
                Some([Some(filed.reason), filed.scope])
            });
            let texts: Vec<Commitment> = texts.flatten().flatten().collect();
            let found = self.store.disclosures(&texts).await.map_err(|e| unavailable(&e))?;
            let values: BTreeMap<_, _> = found.into_iter().filter(|d| d.holds()).map(|d| (d.commitment, d.value)).collect();
            let learnt = self.blocking(move || {
                let value = |commitment: Commitment| values.get(&commitment).cloned();
                for (_, envelope) in &page {
                    if let Err(error) = learner.learn(envelope, &value) {
                        tracing::error!(error = %error, "the log can't be replayed");
                        return None;
                    }
                }
                Some(learner)
            });
            learner = learnt.await.flatten().ok_or_else(broken)?;
        }
    }
}

fn broken() -> Refusal {
    refusal(RefusalKind::Unavailable, "the past can't be read", None, Some("the server's log says why".into()))
}
