//! Replays the fuzz target's corpus without a fuzzer.

#[expect(unreachable_pub, reason = "the fuzz target shares it from outside")]
#[path = "../../../../fuzz/src/http.rs"]
mod http;

use std::path::Path;

#[test]
fn h02_path_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/http_path");
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        // Cut anywhere, and with any byte changed into those that matter, it is another input.
        for end in 0..=data.len() {
            let whole = data[..end].to_vec();
            for (at, byte) in (0..end).flat_map(|at| b"%/.;\\2e5c".iter().map(move |byte| (at, *byte))) {
                let mut changed = whole.clone();
                changed[at] = byte;
                std::panic::catch_unwind(|| http::path(&changed)).unwrap_or_else(|_| panic!("{changed:?} of {} fails", path.display()));
            }
        }
        files += 1;
    }
    assert!(files >= 7, "{}: only {files} files", folder.display());
}
