//! Replays the fuzz targets' corpora without a fuzzer.

#[expect(unreachable_pub, clippy::wildcard_enum_match_arm, reason = "the fuzz targets share it from outside")]
#[path = "../../../../fuzz/src/pg.rs"]
mod pg;
#[expect(unreachable_pub, reason = "the fuzz targets share it from outside")]
#[path = "../../../../fuzz/src/ssh.rs"]
pub(super) mod ssh;

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
fn p01_p02_p05_p06_start_up_corpus() {
    replay("pg_startup", pg::startup);
}

#[test]
fn p01_frontend_corpus() {
    replay("pg_frontend", pg::frontend);
}

#[test]
fn p03_backend_corpus() {
    replay("pg_backend", pg::backend);
}

#[test]
fn p03_scram_corpus() {
    replay("pg_scram", pg::scram);
}

#[test]
fn ssh_sftp_corpus() {
    replay("ssh_sftp", ssh::sftp);
}

#[test]
fn s03_s07_ssh_greeting_corpus() {
    replay("ssh_greeting", ssh::greeting);
}

#[test]
fn ssh_scp_corpus() {
    replay("ssh_scp", ssh::scp);
}
