//! Files made to hurt the verifier, not to fool it.

use std::io::{self, BufReader, Read};

use ajar_ledger::verify::{Problem, verify};

use crate::world::{Log, check, finding, key, problems};

#[test]
fn o02_a_line_without_end_is_cut() {
    struct Endless(u64);
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(b'x');
            self.0 += buffer.len() as u64;
            // Far below what was offered: a verifier that goes on reading fails here.
            if self.0 > 64 << 20 { Err(io::Error::other("it went on reading")) } else { Ok(buffer.len()) }
        }
    }
    let report = verify(BufReader::new(Endless(0)), &key(), &[]).unwrap();
    assert_eq!(report.findings, [finding(1, None, Problem::LineTooLong)]);
    let export = Log::of(2).export();
    let header = export.lines().next().unwrap();
    let report = verify(BufReader::new(format!("{header}\n").as_bytes().chain(Endless(0))), &key(), &[]).unwrap();
    assert_eq!(report.findings, [finding(2, None, Problem::LineTooLong)]);
}

#[test]
fn o02_deep_nesting_does_no_harm() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(1_000_000), close.repeat(1_000_000));
        let mut log = Log::of(0);
        log.leaves.push((format!(r#"{{"seq":0,"stream":"policy","version":1,"body":{deep}}}"#), Vec::new()));
        // Signed as it is, so nothing is wrong with it.
        let report = check(&log.export(), &[]);
        assert!(report.is_sound(), "{report}");
        // Where a value is read, it is refused.
        let header = log.export().lines().next().unwrap().to_owned();
        let report = check(&format!("{header}\n{{\"disclose\":{deep}}}\n"), &[]);
        assert!(matches!(problems(&report)[..], [Problem::Line(_), Problem::NoEnd]), "{report}");
        assert_eq!(problems(&check(&format!("{deep}\n"), &[])), [&Problem::NotAnExport]);
    }
}

#[test]
fn o02_findings_are_counted_not_hoarded() {
    let header = Log::of(0).export().lines().next().unwrap().to_owned();
    let report = check(&format!("{header}\n{}", "nonsense\n".repeat(5_000)), &[]);
    assert_eq!((report.findings.len(), report.more), (100, 4_901));
    assert!(report.to_string().contains("NOT sound: 5001 problems"), "{report}");
    assert!(report.to_string().ends_with("- and 4901 more\n"), "{report}");
}

#[test]
fn o02_sequence_numbers_at_the_edge_are_refused() {
    let header = Log::of(0).export().lines().next().unwrap().to_owned();
    for seq in ["9223372036854775807", "18446744073709551616", "99999999999999999999", "00", "-1", "", "1e3", "0.0"] {
        let report = check(&format!("{header}\n{{\"seq\":{seq},\"leaf\":{{}}}}\n"), &[]);
        assert!(matches!(problems(&report)[..], [Problem::Line(_), Problem::NoEnd]), "{seq}: {report}");
    }
    let leaf = r#"{"seq":9223372036854775806,"stream":"policy","version":18446744073709551615}"#;
    let report = check(&format!("{header}\n{{\"seq\":9223372036854775806,\"leaf\":{leaf}}}\n{{\"seq\":0,\"leaf\":{leaf}}}\n"), &[]);
    assert!(!report.is_sound());
}

#[test]
fn l01_a_leaf_that_is_no_event_is_named() {
    for leaf in [
        "{}",
        "[0,\"policy\",1]",
        "1",
        "\"\"",
        "{\"seq\":0,\"stream\":\"policy\",\"version\":1},\"more\":{}",
        "{\"seq\":0,\"seq\":0,\"stream\":\"policy\",\"version\":1}",
        "{\"seq\":-1,\"stream\":\"policy\",\"version\":1}",
    ] {
        let mut log = Log::of(0);
        log.leaves.push((leaf.to_owned(), Vec::new()));
        let report = check(&log.export(), &[]);
        assert_eq!(report.findings, [finding(2, Some(0), Problem::NotAnEvent)], "{leaf}");
    }
}

#[test]
fn l01_what_reads_the_same_but_is_spelled_otherwise_is_refused() {
    let export = Log::of(4).export();
    for (from, to) in [
        ("{\"format\":", "{ \"format\":"),
        ("\"size\":4", "\"size\":4,\"more\":1"),
        ("\"size\":4", "\"size\":4,\"size\":4"),
        ("{\"seq\":1,\"leaf\":", "{\"seq\": 1,\"leaf\":"),
        ("{\"seq\":1,\"leaf\":", "{\"seq\":01,\"leaf\":"),
        ("{\"seq\":1,\"leaf\":{", "{\"seq\":1,\"leaf\":{ "),
        ("\"value\":\"fix", "\"value\":\"\\u0066ix"),
        ("{\"disclose\":{", "{\"disclose\":{ "),
        ("{\"checkpoint\":\"", "{\"checkpoint\": \""),
        ("\n{\"seq\":2", "\r\n{\"seq\":2"),
    ] {
        assert!(export.contains(from), "{from}");
        let report = check(&export.replacen(from, to, 1), &[]);
        assert!(!report.is_sound(), "{to}");
    }
}

#[test]
fn i19_what_is_shown_of_a_file_is_inert() {
    let evil = "\u{1b}]52;c;ZXZpbA==\u{7}\u{202e}\u{2028}\r\n- line 1: sound";
    let mut log = Log::of(0);
    let stream = serde_json::to_string(&format!("{evil}{}", "x".repeat(5_000))).unwrap();
    log.leaves.push((format!(r#"{{"seq":0,"stream":{stream},"version":7}}"#), Vec::new()));
    let report = check(&log.export(), &[]);
    let text = report.to_string();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.chars().all(|c| c == '\n' || (!c.is_control() && !"\u{202e}\u{2028}".contains(c))), "{text:?}");
    assert!(text.len() < 2_000);
}

#[test]
fn a_reader_that_fails_is_an_error_not_a_finding() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    assert!(verify(BufReader::new(Broken), &key(), &[]).is_err());
}
