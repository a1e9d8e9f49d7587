//! Replays the fuzz targets' corpora without a fuzzer.

#[expect(unreachable_pub, reason = "the fuzz targets share it from outside")]
#[path = "../../../../fuzz/src/ledger.rs"]
mod ledger;

use std::path::Path;

fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        std::panic::catch_unwind(|| body(&data)).unwrap_or_else(|_| panic!("{} fails", path.display()));
        files += 1;
    }
    assert!(files >= 5, "{}: only {files} files", folder.display());
}

#[test]
fn o02_note_corpus() {
    replay("ledger_note", ledger::note);
}

#[test]
fn o02_checkpoint_corpus() {
    replay("ledger_checkpoint", ledger::checkpoint);
}

#[test]
fn o02_export_corpus() {
    replay("ledger_export", ledger::export);
}

#[test]
fn o02_proof_corpus() {
    replay("ledger_proof", ledger::proof);
}
