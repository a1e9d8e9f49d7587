//! What must pass, and what an export looks like.

use ajar_core::directory::{Disabled, PrincipalEvent};
use ajar_core::event::{Actor, Envelope, Event, Stream};
use ajar_core::sealed::Disclosure;
use ajar_core::time::Timestamp;
use ajar_ledger::export::{ExportError, Exporter, commitments};
use ajar_ledger::verify::{named_key, verify_each};
use proptest::prelude::*;

use crate::world::{Log, check, key};

#[test]
fn i16_an_export_is_checked_with_nothing_but_the_key() {
    let log = Log::of(7);
    let report = check(&log.export(), &[]);
    assert!(report.is_sound(), "{report}");
    assert_eq!((report.size, report.streams, report.disclosures), (7, 3, 4));
    let text = report.to_string();
    assert!(text.starts_with("The ledger is sound: 7 events of ledger.example/orders in 3 streams"), "{text}");
    assert!(text.contains("No checkpoint from before was given"), "{text}");
}

#[test]
fn i16_checkpoints_that_were_kept_are_part_of_it() {
    let log = Log::of(20);
    let kept: Vec<String> = [0, 1, 7, 7, 20].iter().map(|n| Log::of(*n).checkpoint()).collect();
    let kept: Vec<&str> = kept.iter().rev().map(String::as_str).collect();
    let report = check(&log.export(), &kept);
    assert!(report.is_sound(), "{report}");
    assert_eq!(report.confirmed, 5);
}

#[test]
fn i16_events_are_handed_on_with_what_is_disclosed_of_them() {
    let log = Log::of(7);
    let mut events = Vec::new();
    let mut each = |leaf: &str, disclosed: &[Disclosure]| events.push((leaf.to_owned(), disclosed.to_vec()));
    let report = verify_each(log.export().as_bytes(), &key(), &[], &mut each).unwrap();
    assert!(report.is_sound(), "{report}");
    let sorted = |(leaf, mut disclosed): (String, Vec<Disclosure>)| {
        disclosed.sort_by_key(|d| d.commitment);
        (leaf, disclosed)
    };
    assert_eq!(events, log.leaves.clone().into_iter().map(sorted).collect::<Vec<_>>());
    let export = log.export();
    assert_eq!(named_key(export.lines().next().unwrap().as_bytes()), Some(key()));
    assert_eq!((named_key(b"{}"), named_key(b"")), (None, None));
}

#[test]
fn an_empty_log_has_an_export() {
    let report = check(&Log::default().export(), &[&Log::default().checkpoint()]);
    assert!(report.is_sound(), "{report}");
    assert_eq!(report.size, 0);
}

#[test]
fn the_format_is_exactly_this() {
    let mut log = Log::of(1);
    log.leaves[0].0 = log.leaves[0].0.replace("schema", "an \\\"unknown\\\" field");
    let note = log.checkpoint();
    let disclosure = &log.leaves[0].1[0];
    let expected = format!(
        "{{\"format\":\"ajar-ledger-export/1\",\"origin\":\"ledger.example/orders\",\"vkey\":\"{}\",\"size\":1}}\n\
         {{\"seq\":0,\"leaf\":{}}}\n\
         {{\"disclose\":{{\"commitment\":\"{}\",\"salt\":\"{}\",\"value\":\"fix a stuck order 0\"}}}}\n\
         {{\"checkpoint\":{}}}\n",
        key(),
        log.leaves[0].0,
        disclosure.commitment,
        "00".repeat(32),
        serde_json::to_string(&note).unwrap(),
    );
    assert_eq!(log.export(), expected);
    assert!(check(&expected, &[]).is_sound());
}

#[test]
fn i18_erased_values_leave_the_export_sound() {
    let mut log = Log::of(9);
    log.leaves.iter_mut().for_each(|(_, disclosures)| disclosures.truncate(0));
    let report = check(&log.export(), &[]);
    assert!(report.is_sound(), "{report}");
    assert_eq!(report.disclosures, 0);
}

#[test]
fn the_cores_own_events_pass() {
    let id = "prin_01h455vb4pex5vsknk084sn02q".parse().unwrap();
    let mut log = Log::default();
    for seq in 0..4 {
        let event = Event::Principal(PrincipalEvent::Disabled(Disabled { at: Timestamp::EPOCH }));
        let cause = "cmd_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        let envelope =
            Envelope { seq, stream: Stream::Principal(id), version: seq + 1, at: Timestamp::EPOCH, actor: Actor::System, cause, event };
        log.leaves.push((envelope.to_leaf().unwrap(), Vec::new()));
    }
    let report = check(&log.export(), &[]);
    assert!(report.is_sound(), "{report}");
    assert_eq!(report.streams, 1);
}

#[test]
fn an_exporter_keeps_to_what_was_announced() {
    let log = Log::of(4);
    let mut exporter = Exporter::start(Vec::new(), &key(), 2).unwrap();
    exporter.leaf(&log.leaves[0].0, &[]).unwrap();
    assert!(matches!(exporter.leaf("{\n}", &[]), Err(ExportError::Leaf(1))));
    assert!(matches!(exporter.leaf("{\r}", &[]), Err(ExportError::Leaf(1))));
    assert!(matches!(exporter.leaf(&"x".repeat((8 << 20) + 1), &[]), Err(ExportError::Leaf(1))));
    let mut exporter = Exporter::start(Vec::new(), &key(), 2).unwrap();
    assert!(matches!(exporter.leaf(&log.leaves[0].0, &log.leaves[3].1), Err(ExportError::Disclosure(0))));
    let exporter = Exporter::start(Vec::new(), &key(), 2).unwrap();
    assert!(matches!(exporter.finish("note"), Err(ExportError::Size { announced: 2, found: 0 })));
}

#[test]
fn commitments_are_found_where_they_are_whole_strings() {
    let one = Disclosure::seal([1; 32], "one".into()).commitment;
    let two = Disclosure::seal([2; 32], "two".into()).commitment;
    let leaf = format!(r#"{{"a":"{one}","b":["{two}"],"c":"x{one}","d":"{one}x","e":"c1_00","f":"{}""#, one.to_string().to_uppercase());
    assert_eq!(commitments(leaf.as_bytes()), [one, two]);
    assert_eq!(commitments(format!("\"{one}").as_bytes()), []);
}

proptest! {
    #[test]
    fn l05_one_event_stays_one_line_whatever_its_fields_hold(reasons in prop::collection::vec("(\\PC|[\n\r\t\u{0}\u{1b}\u{7f}\u{85}\u{2028}\u{202e}\"\\\\|={}:,])*", 1..8)) {
        let mut log = Log::default();
        reasons.iter().for_each(|reason| log.grow(reason));
        let export = log.export();
        let disclosures: usize = log.leaves.iter().map(|(_, d)| d.len()).sum();
        prop_assert_eq!(export.bytes().filter(|b| *b == b'\n').count(), log.leaves.len() + disclosures + 2);
        prop_assert!(!export.contains('\r'));
        for line in export.lines() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(line).unwrap().is_object());
        }
        let report = check(&export, &[]);
        prop_assert!(report.is_sound(), "{}", report);
        prop_assert_eq!(report.disclosures as usize, disclosures);
    }
}
