//! Replays the fuzz target's corpus without a fuzzer.

#[expect(unreachable_pub, reason = "the fuzz target shares it from outside")]
#[path = "../../../../fuzz/src/policy.rs"]
mod policy;

use std::path::Path;

#[test]
fn o02_policy_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/policy_files");
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        // Cut anywhere, it is another input.
        for end in (0..=data.len()).rev().step_by(17) {
            std::panic::catch_unwind(|| policy::files(&data[..end])).unwrap_or_else(|_| panic!("{} up to {end} fails", path.display()));
        }
        files += 1;
    }
    assert!(files >= 8, "{}: only {files} files", folder.display());
}
