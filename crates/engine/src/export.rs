//! The ledger handed out: its leaves, a checkpoint, the whole of it.

use std::collections::{BTreeMap, BTreeSet};

use ajar_core::port::{Leaf, Refusal, RefusalKind};
use ajar_core::sealed::{Commitment, Disclosure};
use ajar_ledger::export::Exporter;

use crate::engine::Engine;
use crate::people::Caller;
use crate::records::PAGE_MAX;
use crate::refusal::refusal;
use crate::sequencer::unavailable;

/// Leaves that an export reads at a time.
const EXPORT_PAGE: u32 = 1_000;

impl Engine {
    pub(crate) fn auditor(&self, caller: &Caller) -> Result<(), Refusal> {
        if self.sees_all(caller) {
            return Ok(());
        }
        Err(refusal(
            RefusalKind::Denied,
            "the ledger is for auditors and operators",
            None,
            Some("ask for `may = [\"audit\"]` in the people files".into()),
        ))
    }

    /// Leaves of the ledger, newest first.
    ///
    /// # Errors
    /// When the caller is neither auditor nor operator.
    pub async fn ledger_search(
        &self,
        caller: &Caller,
        kind: Option<&str>,
        text: Option<&str>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<String>, Refusal> {
        self.auditor(caller)?;
        let found = self.store.search(kind, text, before, limit.min(PAGE_MAX)).await.map_err(|e| Refusal::from(unavailable(&e)))?;
        Ok(found.into_iter().map(|leaf| leaf.bytes).collect())
    }

    /// A signed checkpoint of the ledger as it is now.
    ///
    /// # Errors
    /// When the caller is neither auditor nor operator, or it can't be kept.
    pub async fn ledger_checkpoint(&self, caller: &Caller) -> Result<String, Refusal> {
        self.auditor(caller)?;
        Ok(self.checkpoint().await?)
    }

    /// What checks the ledger's signatures, in note form: to be kept apart from the server.
    #[must_use]
    pub fn ledger_verifier(&self) -> String {
        self.ledger_key.verifier().to_string()
    }

    /// Writes the whole ledger with its disclosures and a fresh checkpoint, for an auditor, page by page through `send`.
    ///
    /// # Errors
    /// When the caller is neither auditor nor operator, the store can't be read, or `send` fails.
    pub async fn ledger_export<F, Fut>(&self, caller: &Caller, mut send: F) -> Result<(), Refusal>
    where
        F: FnMut(Vec<u8>) -> Fut + Send,
        Fut: Future<Output = Result<(), ()>> + Send,
    {
        self.auditor(caller)?;
        let failed = |why: String| Refusal::from(crate::Unavailable::Store(why));
        let frontier = self.frontier();
        let key = self.ledger_key.verifier();
        let note = ajar_ledger::checkpoint::Checkpoint::of(&key, &frontier).sign(&self.ledger_key).map_err(|e| failed(e.to_string()))?;
        let mut export = Exporter::start(Vec::new(), &key, frontier.size()).map_err(|e| failed(e.to_string()))?;
        let mut next = 0;
        while next < frontier.size() {
            let page = u32::try_from(frontier.size() - next).unwrap_or(EXPORT_PAGE).min(EXPORT_PAGE);
            let leaves = self.store.leaves(next, page).await.map_err(|e| Refusal::from(unavailable(&e)))?;
            if leaves.is_empty() {
                return Err(failed("the ledger has fewer events than it should".into()));
            }
            let wanted: Vec<_> = leaves.iter().flat_map(|leaf| ajar_ledger::export::commitments(leaf.bytes.as_bytes())).collect();
            let public = self.values_for_export(&wanted, &leaves).await;
            for leaf in &leaves {
                let theirs: Vec<_> =
                    ajar_ledger::export::commitments(leaf.bytes.as_bytes()).iter().filter_map(|c| public.get(c).cloned()).collect();
                export.leaf(&leaf.bytes, &theirs).map_err(|e| failed(e.to_string()))?;
                next += 1;
            }
            let chunk = std::mem::take(export.writer());
            send(chunk).await.map_err(|()| failed("the reader went away".into()))?;
        }
        let rest = export.finish(&note).map_err(|e| failed(e.to_string()))?;
        send(rest).await.map_err(|()| failed("the reader went away".into()))
    }

    /// Values for an auditor. INVARIANT I17: hashes of passwords and tokens, and passkeys, stay inside.
    async fn values_for_export(&self, wanted: &[Commitment], leaves: &[Leaf]) -> BTreeMap<Commitment, Disclosure> {
        let secret: BTreeSet<_> = leaves
            .iter()
            .filter(|leaf| ["principal.password_set", "principal.passkey_enrolled", "token.issued"].contains(&leaf.kind.as_str()))
            .flat_map(|leaf| ajar_ledger::export::commitments(leaf.bytes.as_bytes()))
            .collect();
        let wanted: Vec<_> = wanted.iter().filter(|c| !secret.contains(c)).copied().collect();
        self.store.disclosures(&wanted).await.unwrap_or_default().into_iter().map(|d| (d.commitment, d)).collect()
    }
}
