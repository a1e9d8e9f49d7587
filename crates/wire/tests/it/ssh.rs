//! Conversations of OpenSSH's own programs (9.2), kept in the fuzz targets' corpora: `sftp -B 4096` with `sftp-server`, and `scp -O`.

use ajar_wire::ssh::{Answer, Change, Digest, Event, File, OpenFlags, Operation, Transfer};
use sha2::{Digest as _, Sha256};

use super::corpus::ssh::{scp_events, sftp_events};

const GET: OpenFlags = OpenFlags::READ;
const PUT: OpenFlags = OpenFlags::WRITE.and(OpenFlags::CREATE).and(OpenFlags::TRUNCATE);

fn corpus(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn sftp(name: &str) -> Vec<Event> {
    sftp_events(&corpus(&format!("ssh_sftp/{name}")), usize::MAX)
}

fn scp(name: &str) -> Vec<Event> {
    scp_events(&corpus(&format!("ssh_scp/{name}")), usize::MAX).expect("a command of scp")
}

/// The content that was transferred, of that length.
fn content(length: u32) -> Transfer {
    let bytes: Vec<u8> = (0..length).map(|i| u8::try_from(i * 31 % 251).unwrap()).collect();
    Transfer { bytes: length.into(), digest: Digest::Whole(Sha256::digest(bytes).into()), failed: 0 }
}

fn pieces(bytes: u64) -> Transfer {
    Transfer { bytes, digest: Digest::Pieces, failed: 0 }
}

fn put(path: &str, written: Transfer) -> File {
    File { path: path.into(), named: None, opened: PUT, read: content(0), written, reached_end: false, complete: true }
}

fn got(path: &str, read: Transfer) -> File {
    File { path: path.into(), named: None, opened: GET, read, written: content(0), reached_end: true, complete: true }
}

fn changed(path: &str, operation: Operation) -> Event {
    Event::Changed(Change { operation, path: path.into(), answer: Answer::Done })
}

fn refused(code: u32, reason: &str) -> Answer {
    Answer::Refused { code, reason: reason.into() }
}

fn mode(mode: u32, times: Option<(u32, u32)>) -> Operation {
    Operation::SetStat { size: None, owner: None, mode: Some(mode), times, link: false }
}

#[test]
fn files_by_sftp_are_seen_whole() {
    assert_eq!(sftp("openssh_put"), [Event::File(put("/tmp/t/a", content(40_000)))]);
    assert_eq!(sftp("openssh_get"), [Event::File(got("/tmp/t/a", content(40_000)))]);
}

#[test]
fn a_session_by_sftp_is_seen_in_its_order() {
    let resumed = OpenFlags::WRITE.and(OpenFlags::CREATE).and(OpenFlags::APPEND);
    let times = Some((1_795_674_871, 1_795_674_871));
    let expected = [
        changed("/tmp/t/d", Operation::MakeDir),
        Event::File(put("/tmp/t/d/x", content(8_192))),
        changed("/tmp/t/d/x", Operation::Rename { to: b"/tmp/t/d/y".to_vec(), replace: true }),
        changed("/tmp/t/d/y", mode(0o600, None)),
        changed("/tmp/t/d/l", Operation::Symlink { to: b"y".to_vec() }),
        changed("/tmp/t/d/y", Operation::Hardlink { to: b"/tmp/t/d/h".to_vec() }),
        Event::Listed { path: b"/tmp/t/d/".to_vec() },
        Event::File(got("/tmp/t/d/y", content(8_192))),
        Event::Changed(Change { operation: Operation::Remove, path: b"/tmp/t/none".to_vec(), answer: refused(2, "No such file") }),
        // `cp`, which the server does by itself, and `reput` of what is longer.
        changed("/tmp/t/d/z", Operation::CopyFrom { from: b"/tmp/t/d/y".to_vec(), offset: 0, bytes: 0 }),
        Event::File(File { reached_end: false, ..got("/tmp/t/d/y", content(0)) }),
        Event::File(put("/tmp/t/d/z", pieces(0))),
        Event::File(File { opened: resumed, ..put("/tmp/t/d/z", pieces(31_808)) }),
        // `put -f -p`
        changed("/tmp/t/d/f", mode(0o644, times)),
        Event::File(put("/tmp/t/d/f", content(8_192))),
        changed("/tmp/t/d/y", Operation::Remove),
        changed("/tmp/t/d/l", Operation::Remove),
        changed("/tmp/t/d/h", Operation::Remove),
        changed("/tmp/t/d/z", Operation::Remove),
        changed("/tmp/t/d/f", Operation::Remove),
        changed("/tmp/t/d", Operation::RemoveDir),
    ];
    assert_eq!(sftp("openssh_session"), expected);
}

#[test]
fn files_by_scp_are_seen_whole() {
    let named = |file: File, name: &str| Event::File(File { named: Some(name.into()), ..file });
    assert_eq!(scp("openssh_put"), [named(put("/tmp/t/new", content(40_000)), "src")]);
    let two = [Event::File(put("/tmp/t/src", content(40_000))), Event::File(put("/tmp/t/exact", content(8_192)))];
    assert_eq!(scp("openssh_put_two"), two);
    let tree = [("tree/empty", 0), ("tree/sub/b", 5_000), ("tree/a", 3_000)];
    assert_eq!(scp("openssh_put_tree"), tree.map(|(name, length)| named(put("/tmp/t", content(length)), name)));
    assert_eq!(scp("openssh_get_tree"), tree.map(|(name, length)| Event::File(got(&format!("/tmp/t/{name}"), content(length)))));
}

#[test]
fn what_scp_is_refused_is_seen() {
    let failed = |path: &str, named: Option<&str>, opened| {
        let answer = refused(1, &format!("scp: {path}: No such file or directory"));
        [Event::OpenFailed { path: path.into(), named: named.map(Into::into), opened, answer }]
    };
    assert_eq!(scp("openssh_get_nothing"), failed("/tmp/t/none", None, GET));
    assert_eq!(scp("openssh_put_refused"), failed("/none/x", Some("src"), PUT));
}
