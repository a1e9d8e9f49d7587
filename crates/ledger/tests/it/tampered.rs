//! L1: the tail is cut off, an event edited, the database rolled back. The verifier says so, and where.

use ajar_ledger::checkpoint::CheckpointError;
use ajar_ledger::note::{NoteError, Signer};
use ajar_ledger::verify::{Finding, Problem};
use proptest::prelude::*;

use crate::world::{Log, check, finding, key, problems, signer};

/// The lines of an export that hold events, disclosures aside, so that line n + 2 is event n.
fn plain(size: u64) -> Vec<String> {
    let mut log = Log::of(size);
    log.leaves.iter_mut().for_each(|(_, d)| d.clear());
    log.export().lines().map(str::to_owned).collect()
}

fn joined(lines: &[String]) -> String {
    lines.iter().flat_map(|l| [l.as_str(), "\n"]).collect()
}

#[test]
fn l01_an_edited_event_is_found() {
    let export = Log::of(9).export().replace("fix a stuck order\"", "read the salaries\"");
    let report = check(&export, &[]);
    assert_eq!(problems(&report), [&Problem::Changed { after: 0, size: 9 }]);
    assert!(report.to_string().contains("at least one of the events 0 to 8 was changed"), "{report}");
}

#[test]
fn l01_kept_checkpoints_narrow_an_edit_down() {
    let (mut log, kept) = (Log::of(30), [10, 15, 16, 20].map(|n| Log::of(n).checkpoint()));
    log.leaves[15].0 = log.leaves[15].0.replace("request.filed", "request.denied");
    let report = check(&log.export_with(&key(), &Log::of(30).checkpoint()), &kept.each_ref().map(String::as_str));
    assert_eq!(problems(&report), [&Problem::Rewritten { after: 15, size: 16 }, &Problem::Changed { after: 15, size: 30 }]);
    assert!(report.to_string().contains("event 15 was changed"), "{report}");
    assert_eq!(report.confirmed, 2);
}

#[test]
fn l01_a_deleted_event_is_named() {
    let mut lines = plain(9);
    lines.remove(5);
    let report = check(&joined(&lines), &[]);
    assert_eq!(report.findings[0], finding(6, Some(5), Problem::Missing { first: 4, last: 4 }));
    let stream = format!("req_{:026}", 1);
    assert_eq!(report.findings[1], finding(8, Some(7), Problem::Version { stream, last: 1, version: 3 }));
    assert!(problems(&report).contains(&&Problem::SignedSize { signed: 9, found: 8 }), "{report}");
}

#[test]
fn l01_a_deletion_with_everything_renumbered_is_found() {
    // The header, the sequence numbers outside and inside, and the versions all fit again.
    let mut log = Log::of(9);
    log.leaves.truncate(8);
    let report = check(&log.export_with(&key(), &Log::of(9).checkpoint()), &[]);
    assert_eq!(problems(&report), [&Problem::SignedSize { signed: 9, found: 8 }]);
}

#[test]
fn l01_swapped_events_are_found() {
    let mut lines = plain(9);
    lines.swap(4, 5);
    let report = check(&joined(&lines), &[]);
    assert_eq!(report.findings[0], finding(5, Some(4), Problem::Missing { first: 3, last: 3 }));
    assert_eq!(report.findings[1], finding(6, Some(3), Problem::OutOfPlace { due: 5 }));
    // What comes after them is in its place again.
    let misplaced = problems(&report).into_iter().filter(|p| matches!(p, Problem::Missing { .. } | Problem::OutOfPlace { .. }));
    assert_eq!(misplaced.count(), 2, "{report}");
    assert!(problems(&report).contains(&&Problem::Changed { after: 0, size: 9 }), "{report}");
}

#[test]
fn l01_swapped_and_renumbered_events_are_found() {
    let mut lines = plain(9);
    lines.swap(4, 5);
    lines[4] =
        lines[4].replacen("{\"seq\":3", "{\"seq\":2", 1).replacen("{\"seq\":4", "{\"seq\":3", 1).replacen("{\"seq\":2", "{\"seq\":3", 1);
    let report = check(&joined(&lines), &[]);
    assert!(!report.is_sound());
    // Outside it is event 3 again, inside it still is event 4.
    assert!(problems(&report).contains(&&Problem::OtherSeq { inside: 4 }), "{report}");
}

#[test]
fn l01_an_inserted_event_is_found() {
    let mut lines = plain(9);
    lines.insert(5, lines[4].clone());
    let report = check(&joined(&lines), &[]);
    assert_eq!(report.findings[0], finding(6, Some(3), Problem::OutOfPlace { due: 4 }));
    assert!(problems(&report).contains(&&Problem::SignedSize { signed: 9, found: 10 }), "{report}");
}

#[test]
fn l01_a_cut_file_is_found() {
    let lines = plain(9);
    for keep in 0..lines.len() {
        let report = check(&joined(&lines[..keep]), &[]);
        assert_eq!(problems(&report), [&Problem::NoEnd], "{keep} lines");
    }
    let report = check(joined(&lines).trim_end(), &[]);
    assert_eq!(problems(&report), [&Problem::NoEnd]);
}

#[test]
fn l01_a_cut_tail_is_found_with_a_later_checkpoint() {
    // Signed again with the real key: nothing in the file can show it.
    let cut = Log::of(20).export();
    assert!(check(&cut, &[]).is_sound());
    let later = Log::of(25).checkpoint();
    let report = check(&cut, &[&later]);
    assert_eq!(problems(&report), [&Problem::TailCut { signed: 25, found: 20 }]);
    assert!(report.to_string().contains("the tail was cut off or the database rolled back"), "{report}");
}

#[test]
fn l01_a_rolled_back_and_regrown_database_is_found_with_a_later_checkpoint() {
    let (before, later) = (Log::of(20).checkpoint(), Log::of(25).checkpoint());
    let mut regrown = Log::of(20);
    (0..10).for_each(|_| regrown.grow("another story"));
    assert!(check(&regrown.export(), &[]).is_sound());
    let report = check(&regrown.export(), &[&later, &before]);
    assert_eq!(problems(&report), [&Problem::Rewritten { after: 20, size: 25 }]);
    assert!(report.to_string().contains("at least one of the events 20 to 24 was changed since"), "{report}");
}

#[test]
fn l01_signing_again_with_another_key_is_found() {
    let thief = Signer::from_seed("ledger.example/orders", &[8; 32]).unwrap();
    let mut log = Log::of(9);
    log.leaves[4].0 = log.leaves[4].0.replace("fix", "mix");
    let report = check(&log.export_by(&thief), &[]);
    let named = thief.verifier().to_string();
    let stranger = format!("ledger.example/orders+{:08x}", thief.verifier().id());
    assert_eq!(problems(&report), [&Problem::OtherKey { named }, &Problem::Unsigned(CheckpointError::Note(NoteError::Unknown(stranger)))]);
    // With the trusted key still named in the first line.
    let report = check(&log.export_with(&key(), &log.checkpoint_by(&thief)), &[]);
    assert!(matches!(problems(&report)[..], [Problem::Unsigned(_)]), "{report}");
}

#[test]
fn l01_a_checkpoint_that_was_not_signed_by_the_key_is_no_proof() {
    let thief = Signer::from_seed("ledger.example/orders", &[8; 32]).unwrap();
    let log = Log::of(9);
    let report = check(&log.export(), &[&log.checkpoint(), &log.checkpoint_by(&thief), "nonsense"]);
    assert_eq!(report.confirmed, 1);
    assert!(matches!(problems(&report)[..], [Problem::Kept { which: 2, .. }, Problem::Kept { which: 3, .. }]), "{report}");
}

#[test]
fn l01_a_removed_event_of_a_stream_is_found_even_when_it_was_signed() {
    // Whoever holds the key leaves an event out from the start.
    let mut log = Log::of(9);
    log.leaves[4].0 = log.leaves[4].0.replace("\"version\":2", "\"version\":3");
    let report = check(&log.export(), &[]);
    let stream = format!("req_{:026}", 1);
    assert_eq!(
        problems(&report),
        [&Problem::Version { stream: stream.clone(), last: 1, version: 3 }, &Problem::Version { stream, last: 3, version: 3 }]
    );
}

#[test]
fn i18_disclosures_are_bound_to_their_events() {
    let export = Log::of(6).export();
    let wrong = export.replace("fix a stuck order 3", "fix a stuck order 4");
    assert!(matches!(problems(&check(&wrong, &[]))[..], [Problem::WrongValue { .. }, Problem::WrongValue { .. }]));
    let lines: Vec<String> = export.lines().map(str::to_owned).collect();
    let [_, leaf, disclosure, ..] = lines.as_slice() else { panic!() };
    assert!(leaf.starts_with("{\"seq\":0,") && disclosure.starts_with("{\"disclose\":"));
    let mut moved = lines.clone();
    moved.swap(2, 3);
    assert!(matches!(problems(&check(&joined(&moved), &[]))[..], [Problem::Misplaced { .. }]));
    let mut twice = lines.clone();
    twice.insert(3, disclosure.clone());
    assert!(matches!(problems(&check(&joined(&twice), &[]))[..], [Problem::DisclosedOrder { .. }]));
    let mut first = lines.clone();
    first.swap(1, 2);
    assert!(matches!(problems(&check(&joined(&first), &[]))[..], [Problem::Misplaced { .. }]));
    let export = Log::of(10).export();
    assert!(export.contains(&"0a".repeat(32)));
    assert!(matches!(problems(&check(&export.replace(&"0a".repeat(32), &"0A".repeat(32)), &[]))[..], [Problem::Line(_)]));
}

#[test]
fn l01_a_first_line_that_announces_another_number_is_found() {
    let export = Log::of(4).export();
    for announced in [0, 3, 5] {
        let report = check(&export.replacen("\"size\":4", &format!("\"size\":{announced}"), 1), &[]);
        assert_eq!(problems(&report), [&Problem::Announced { announced, found: 4 }]);
    }
}

#[test]
fn l01_nothing_may_follow_the_checkpoint() {
    let mut log = Log::of(3);
    log.leaves.iter_mut().for_each(|(_, d)| d.clear());
    let export = log.export();
    for more in ["\n", "x", "{\"seq\":3,\"leaf\":{}}\n", &export] {
        let report = check(&format!("{export}{more}"), &[]);
        assert_eq!(report.findings, [Finding { line: Some(6), seq: None, problem: Problem::AfterTheEnd }], "{more:?}");
    }
}

#[derive(Debug, Clone)]
enum Change {
    Byte(prop::sample::Index, u8),
    Delete(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Truncate(prop::sample::Index),
    DeleteLine(prop::sample::Index),
    RepeatLine(prop::sample::Index, prop::sample::Index),
    SwapLines(prop::sample::Index, prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => (index(), 1u8..).prop_map(|(i, by)| Change::Byte(i, by)),
        2 => (index(), 1u8..20).prop_map(|(i, n)| Change::Delete(i, n)),
        2 => (index(), prop_oneof![prop::collection::vec(any::<u8>(), 1..6), Just(b" ".to_vec()), Just(b"\n".to_vec()), Just(b",\"x\":1".to_vec())]).prop_map(|(i, b)| Change::Insert(i, b)),
        1 => index().prop_map(Change::Truncate),
        2 => index().prop_map(Change::DeleteLine),
        2 => (index(), index()).prop_map(|(i, j)| Change::RepeatLine(i, j)),
        2 => (index(), index()).prop_map(|(i, j)| Change::SwapLines(i, j)),
    ]
}

fn apply(export: &[u8], change: &Change) -> Vec<u8> {
    let mut bytes = export.to_vec();
    let mut lines: Vec<&[u8]> = export.split_inclusive(|b| *b == b'\n').collect();
    match change {
        Change::Byte(i, by) => {
            let i = i.index(bytes.len());
            bytes[i] = bytes[i].wrapping_add(*by);
        }
        Change::Delete(i, n) => {
            let i = i.index(bytes.len());
            bytes.drain(i..(i + usize::from(*n)).min(export.len()));
        }
        Change::Insert(i, more) => {
            let i = i.index(bytes.len());
            bytes.splice(i..i, more.iter().copied());
        }
        Change::Truncate(i) => bytes.truncate(i.index(bytes.len())),
        Change::DeleteLine(i) => {
            lines.remove(i.index(lines.len()));
            bytes = lines.concat();
        }
        Change::RepeatLine(i, j) => {
            let (i, j) = (i.index(lines.len()), j.index(lines.len()));
            lines.insert(j, lines[i]);
            bytes = lines.concat();
        }
        Change::SwapLines(i, j) => {
            let (i, j) = (i.index(lines.len()), j.index(lines.len()));
            lines.swap(i, j);
            bytes = lines.concat();
        }
    }
    bytes
}

/// The lines that are not disclosures, and those that are.
fn parted(export: &[u8]) -> (Vec<&[u8]>, Vec<&[u8]>) {
    export.split_inclusive(|b| *b == b'\n').partition(|l| !l.starts_with(b"{\"disclose\":"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]
    #[test]
    fn l01_any_change_is_found_unless_all_it_does_is_to_withhold_a_value(size in 0u64..12, changes in prop::collection::vec(change(), 1..4)) {
        let log = Log::of(size);
        let export = log.export();
        let changed = changes.iter().fold(export.clone().into_bytes(), |bytes, change| if bytes.is_empty() { bytes } else { apply(&bytes, change) });
        let report = ajar_ledger::verify::verify(changed.as_slice(), &signer().verifier(), &[&log.checkpoint()]).unwrap();
        let ((events, values), (changed_events, changed_values)) = (parted(export.as_bytes()), parted(&changed));
        let same = events == changed_events && changed_values.iter().all(|v| values.contains(v));
        if !same {
            prop_assert!(!report.is_sound(), "{}", String::from_utf8_lossy(&changed));
        }
        if changed == export.as_bytes() {
            prop_assert!(report.is_sound(), "{}", report);
        }
        // However it is told, it is told without a panic.
        prop_assert!(!report.to_string().is_empty());
    }
}
