//! The ledger's formats: nothing panics, nothing that wasn't signed counts, and what is read is spelled in one way.

use ajar_ledger::checkpoint::{self, Checkpoint};
use ajar_ledger::note::{self, Signer, VerifierKey};
use ajar_ledger::proof;
use ajar_ledger::tree::Frontier;
use ajar_ledger::verify;

/// The key of the seeds in the corpora. Its seed is no secret, and no fuzzer makes a signature.
fn key() -> Option<VerifierKey> {
    Signer::from_seed("ledger.example/fuzz", &[42; 32]).ok().map(|s| s.verifier())
}

/// A signed note or a key: read, and the same again when written.
pub fn note(data: &[u8]) {
    let (Ok(text), Some(key)) = (std::str::from_utf8(data), key()) else { return };
    if let Ok(parsed) = text.parse::<VerifierKey>() {
        assert_eq!(parsed.to_string(), text);
    }
    if let Ok(opened) = note::open(text, &[&key]) {
        assert!(text.starts_with(opened.text) && opened.signers == [&key]);
    }
}

/// A checkpoint, signed or not, and a stored frontier.
pub fn checkpoint(data: &[u8]) {
    if let Ok(frontier) = Frontier::from_bytes(data) {
        assert_eq!(frontier.to_bytes(), data);
        let mut more = frontier.clone();
        more.push([1; 32]);
        assert_ne!(more.root(), frontier.root());
    }
    let (Ok(text), Some(key)) = (std::str::from_utf8(data), key()) else { return };
    if let Ok(parsed) = text.parse::<Checkpoint>() {
        assert_eq!(parsed.to_text().as_deref(), Ok(text));
    }
    if let Ok(opened) = checkpoint::open(text, &key) {
        assert_eq!(opened.origin, key.name());
    }
}

/// An export; the first byte says whether a checkpoint was kept.
pub fn export(data: &[u8]) {
    let ([kept, file @ ..], Some(key)) = (data, key()) else { return };
    let empty = Signer::from_seed("ledger.example/fuzz", &[42; 32])
        .ok()
        .and_then(|s| Checkpoint::of(&key, &Frontier::default()).sign(&s).ok())
        .unwrap_or_default();
    let kept: &[&str] = if kept % 2 == 0 { &[] } else { &[&empty] };
    let Ok(report) = verify::verify(file, &key, kept) else { return };
    assert!(report.to_string().lines().count() <= report.findings.len() + 4);
    if report.is_sound() {
        let lines = file.iter().filter(|b| **b == b'\n').count() as u64;
        assert_eq!(lines, report.size + report.disclosures + 2);
    }
}

/// A file that proves an event: what counts is signed, of an event before the signed size, and has no other spelling.
pub fn proof(data: &[u8]) {
    let Some(key) = key() else { return };
    let Ok(proven) = proof::check(data, &key) else { return };
    assert!(proven.seq < proven.checkpoint.size && proven.checkpoint.origin == key.name());
    let text = data.strip_suffix(b"\n").unwrap_or(data);
    for changed in [[text, b" "].concat(), [b" ", text].concat(), [text, b"\n\n"].concat()] {
        assert!(proof::check(&changed, &key).is_err());
    }
}
