//! A log in memory, with the key that signs it.

use ajar_core::sealed::Disclosure;
use ajar_ledger::checkpoint::Checkpoint;
use ajar_ledger::export::Exporter;
use ajar_ledger::note::{Signer, VerifierKey};
use ajar_ledger::proof::{InclusionProof, NotProven};
use ajar_ledger::tree::{Frontier, Hash, Tiles, inclusion_plan, leaf_hash};
use ajar_ledger::verify::{Finding, Problem, Report, verify};

/// The log's key. Anybody who can name a log can make another key of that name.
pub(crate) fn signer() -> Signer {
    Signer::from_seed("ledger.example/orders", &[7; 32]).unwrap()
}

pub(crate) fn key() -> VerifierKey {
    signer().verifier()
}

/// Events with their disclosures.
#[derive(Clone, Default)]
pub(crate) struct Log {
    pub(crate) leaves: Vec<(String, Vec<Disclosure>)>,
}

impl Log {
    /// So many events in three streams; each third holds a sealed reason, each sixth two.
    pub(crate) fn of(size: u64) -> Self {
        let mut log = Self::default();
        (0..size).for_each(|_| log.grow("fix a stuck order"));
        log
    }

    /// One more event, with `reason` sealed in each third and open in the others.
    pub(crate) fn grow(&mut self, reason: &str) {
        let seq = self.leaves.len() as u64;
        let seal = |n: u8| Disclosure::seal([n.wrapping_add(seq as u8); 32], format!("{reason} {seq}"));
        let sealed: Vec<Disclosure> = if seq.is_multiple_of(3) { (0..1 + (seq % 2) as u8).map(seal).collect() } else { Vec::new() };
        let reasons: Vec<String> = match sealed.as_slice() {
            [] => vec![reason.to_owned()],
            some => some.iter().map(|d| d.commitment.to_string()).collect(),
        };
        let leaf = format!(
            r#"{{"seq":{seq},"stream":"req_{:026}","version":{},"kind":"request.filed","schema":1,"at":"2026-03-03T10:00:00.000Z","body":{{"reasons":{}}}}}"#,
            seq % 3,
            seq / 3 + 1,
            serde_json::to_string(&reasons).unwrap()
        );
        self.leaves.push((leaf, sealed));
    }

    /// The file that proves one of them, signed by the log's key.
    pub(crate) fn proof(&self, seq: u64) -> String {
        let mut tiles = Tiles::default();
        let leaves: Vec<Hash> = self.leaves.iter().map(|(leaf, _)| leaf_hash(leaf.as_bytes())).collect();
        leaves.iter().for_each(|leaf| tiles.push(*leaf));
        let (plan, fetched) = (inclusion_plan(seq, tiles.size()).unwrap(), [(0, leaves)].into());
        let hash = |node| tiles.hash(node, &fetched).ok_or(NotProven::Differs("tree"));
        let leaf = &self.leaves[usize::try_from(seq).unwrap()].0;
        serde_json::to_string(&InclusionProof::make(leaf, &plan, hash, tiles.frontier(), &signer()).unwrap()).unwrap()
    }

    pub(crate) fn checkpoint_by(&self, signer: &Signer) -> String {
        let mut tree = Frontier::default();
        self.leaves.iter().for_each(|(leaf, _)| tree.push(leaf_hash(leaf.as_bytes())));
        Checkpoint::of(&signer.verifier(), &tree).sign(signer).unwrap()
    }

    pub(crate) fn checkpoint(&self) -> String {
        self.checkpoint_by(&signer())
    }

    pub(crate) fn export_by(&self, signer: &Signer) -> String {
        self.export_with(&signer.verifier(), &self.checkpoint_by(signer))
    }

    pub(crate) fn export(&self) -> String {
        self.export_by(&signer())
    }

    /// With this checkpoint, whether it fits or not.
    pub(crate) fn export_with(&self, key: &VerifierKey, checkpoint: &str) -> String {
        let mut exporter = Exporter::start(Vec::new(), key, self.leaves.len() as u64).unwrap();
        for (leaf, disclosures) in &self.leaves {
            exporter.leaf(leaf, disclosures).unwrap();
        }
        String::from_utf8(exporter.finish(checkpoint).unwrap()).unwrap()
    }
}

pub(crate) fn check(export: &str, kept: &[&str]) -> Report {
    verify(export.as_bytes(), &key(), kept).unwrap()
}

pub(crate) fn problems(report: &Report) -> Vec<&Problem> {
    report.findings.iter().map(|f| &f.problem).collect()
}

pub(crate) fn finding(line: u64, seq: Option<u64>, problem: Problem) -> Finding {
    Finding { line: Some(line), seq, problem }
}
