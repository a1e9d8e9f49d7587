#![expect(clippy::wildcard_enum_match_arm, reason = "anything else fails the test")]

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::super::WireError;
use super::super::messages::TransactionStatus;
use super::*;

fn msg(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    out.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    out.extend(body);
    out
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shown {
    Count(&'static str, u64, u64),
    Event(String),
}

/// What a scan yields: the events, with runs of counts added up, and where it stands in the whole stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    events: Vec<Shown>,
    boundary: usize,
    missing: u32,
    refused: Option<WireError>,
}

impl Seen {
    /// Rows and COPY data between two events are counted apart; their order among themselves isn't told.
    fn add(&mut self, shown: Shown) {
        if let Shown::Count(what, n, bytes) = &shown {
            for last in self.events.iter_mut().rev() {
                match last {
                    Shown::Count(other, m, sum) if what == other => {
                        *m += n;
                        *sum += bytes;
                        return;
                    }
                    Shown::Count(..) => {}
                    Shown::Event(_) => break,
                }
            }
            if *what == "copy" && matches!(self.events.last(), Some(Shown::Count("rows", ..))) {
                return self.events.insert(self.events.len() - 1, shown);
            }
        }
        self.events.push(shown);
    }
}

fn show_frontend(event: FrontendEvent<'_>) -> Shown {
    match event {
        FrontendEvent::CopyData { messages, bytes } => Shown::Count("copy", messages, bytes),
        other => Shown::Event(format!("{other:?}")),
    }
}

fn show_backend(event: BackendEvent<'_>) -> Shown {
    match event {
        BackendEvent::Rows { rows, bytes } => Shown::Count("rows", rows, bytes),
        BackendEvent::CopyData { messages, bytes } => Shown::Count("copy", messages, bytes),
        other => Shown::Event(format!("{other:?}")),
    }
}

fn frontend(capture: usize, chunks: &[&[u8]]) -> Seen {
    let mut scanner = FrontendScanner::new(capture);
    let mut seen = Seen::default();
    let mut at = 0;
    for chunk in chunks {
        match scanner.scan(chunk, &mut |event| seen.add(show_frontend(event))) {
            Ok(scan) => seen.check(&mut at, chunk, scan, scanner.at_boundary()),
            Err(error) => {
                seen.refused = Some(error);
                break;
            }
        }
    }
    seen
}

fn backend(chunks: &[&[u8]]) -> Seen {
    let mut scanner = BackendScanner::new();
    let mut seen = Seen::default();
    let mut at = 0;
    for chunk in chunks {
        match scanner.scan(chunk, &mut |event| seen.add(show_backend(event))) {
            Ok(scan) => seen.check(&mut at, chunk, scan, scanner.at_boundary()),
            Err(error) => {
                seen.refused = Some(error);
                break;
            }
        }
    }
    seen
}

impl Seen {
    fn check(&mut self, at: &mut usize, chunk: &[u8], scan: Scan, at_boundary: bool) {
        assert!(scan.boundary <= chunk.len());
        assert_eq!(scan.missing == 0, at_boundary);
        if scan.boundary > 0 {
            self.boundary = *at + scan.boundary;
        }
        *at += chunk.len();
        if at_boundary {
            assert_eq!(self.boundary, *at, "at a boundary all of the chunk is complete");
        }
        self.missing = scan.missing;
    }
}

fn split<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

fn all_frontend_messages() -> Vec<u8> {
    [
        msg(b'Q', b"select 1\0"),
        msg(b'P', b"s1\0select $1\0\0\x01\0\0\0\x17"),
        msg(b'B', b"p1\0s1\0\0\0\0\x01\0\0\0\x011\0\0"),
        msg(b'D', b"Pp1\0"),
        msg(b'E', b"p1\0\0\0\0\0"),
        msg(b'C', b"Ss1\0"),
        msg(b'H', b""),
        msg(b'S', b""),
        msg(b'F', b"\0\0\x03\xe7\0\0\0\0\0\0"),
        msg(b'd', b"a\tb\n"),
        msg(b'd', b""),
        msg(b'c', b""),
        msg(b'd', &[b'x'; 300]),
        msg(b'f', b"no\0"),
        msg(b'Q', b"\0"),
        msg(b'X', b""),
    ]
    .concat()
}

fn all_backend_messages() -> Vec<u8> {
    [
        msg(b'1', b""),
        msg(b'2', b""),
        msg(b't', b"\0\0"),
        msg(b'T', b"\0\0"),
        msg(b'D', b"\0\x01\0\0\0\x011"),
        msg(b'D', &[b'r'; 500]),
        msg(b'N', b"SNOTICE\0\0"),
        msg(b'D', b""),
        msg(b's', b""),
        msg(b'C', b"SELECT 5\0"),
        msg(b'E', b"SFEHLER\0VERROR\0C42P01\0Mno such table\0Dmore\0\0"),
        msg(b'Z', b"E"),
        msg(b'S', b"TimeZone\0UTC\0"),
        msg(b'A', b"\0\0\0\x01ch\0x\0"),
        msg(b'G', b"\0\0\0"),
        msg(b'H', b"\0\0\0"),
        msg(b'd', b"row\n"),
        msg(b'c', b""),
        msg(b'W', b"\0\0\0"),
        msg(b'V', b"\0\0\0\x04abcd"),
        msg(b'I', b""),
        msg(b'n', b""),
        msg(b'3', b""),
        msg(b'Z', b"I"),
    ]
    .concat()
}

#[test]
fn a_clients_messages_come_out_as_they_are() {
    let mut events = Vec::new();
    let text = |head| StatementRef { head, total: head.len() as u64, sha256: None };
    let bytes = all_frontend_messages();
    let scan = FrontendScanner::default().scan(&bytes, &mut |event| events.push(format!("{event:?}"))).unwrap();
    assert_eq!(scan, Scan { boundary: bytes.len(), missing: 0 });
    let expected = [
        FrontendEvent::Query(text(b"select 1")),
        FrontendEvent::Parse { name: b"s1", text: text(b"select $1") },
        FrontendEvent::Bind { portal: b"p1", statement: b"s1" },
        FrontendEvent::Describe,
        FrontendEvent::Execute { portal: b"p1" },
        FrontendEvent::Close { target: Target::Statement, name: b"s1" },
        FrontendEvent::Sync,
        FrontendEvent::FunctionCall { oid: 999 },
        FrontendEvent::CopyData { messages: 2, bytes: 4 },
        FrontendEvent::CopyDone,
        FrontendEvent::CopyData { messages: 1, bytes: 300 },
        FrontendEvent::CopyFail,
        FrontendEvent::Query(text(b"")),
        FrontendEvent::Terminate,
    ];
    assert_eq!(events, expected.map(|event| format!("{event:?}")));
}

#[test]
fn a_targets_messages_come_out_as_they_are() {
    let mut events = Vec::new();
    let bytes = all_backend_messages();
    let scan = BackendScanner::new().scan(&bytes, &mut |event| events.push(format!("{event:?}"))).unwrap();
    assert_eq!(scan, Scan { boundary: bytes.len(), missing: 0 });
    let expected = [
        BackendEvent::ParseComplete,
        BackendEvent::BindComplete,
        BackendEvent::RowDescription,
        BackendEvent::Rows { rows: 3, bytes: 507 },
        BackendEvent::PortalSuspended,
        BackendEvent::CommandComplete { tag: b"SELECT 5" },
        BackendEvent::Error(ErrorFields { severity: b"ERROR", sqlstate: b"42P01", message: b"no such table" }),
        BackendEvent::ReadyForQuery(TransactionStatus::Failed),
        BackendEvent::CopyIn,
        BackendEvent::CopyOut,
        BackendEvent::CopyData { messages: 1, bytes: 4 },
        BackendEvent::CopyDone,
        BackendEvent::CopyBoth,
        BackendEvent::FunctionResult,
        BackendEvent::EmptyQuery,
        BackendEvent::NoData,
        BackendEvent::CloseComplete,
        BackendEvent::ReadyForQuery(TransactionStatus::Idle),
    ];
    assert_eq!(events, expected.map(|event| format!("{event:?}")));
}

#[test]
fn every_way_of_cutting_once_yields_the_same() {
    let (front, back) = (all_frontend_messages(), all_backend_messages());
    for cut in 0..front.len() {
        assert_eq!(frontend(4, &split(&front, &[cut])), frontend(4, &[&front]), "{cut}");
    }
    for cut in 0..back.len() {
        assert_eq!(backend(&split(&back, &[cut])), backend(&[&back]), "{cut}");
    }
    let bytes: Vec<&[u8]> = front.chunks(1).collect();
    assert_eq!(frontend(1 << 20, &bytes), frontend(1 << 20, &[&front]));
    let bytes: Vec<&[u8]> = back.chunks(1).collect();
    assert_eq!(backend(&bytes), backend(&[&back]));
}

#[test]
fn the_boundary_is_where_the_last_complete_message_ends() {
    let mut scanner = BackendScanner::new();
    let mut rows = 0;
    let mut count = |event: BackendEvent<'_>| {
        if let BackendEvent::Rows { rows: n, .. } = event {
            rows += n;
        }
    };
    let bytes = [msg(b'D', &[1; 10]), msg(b'D', &[2; 1000])].concat();
    assert_eq!(scanner.scan(&bytes[..100], &mut count), Ok(Scan { boundary: 15, missing: 920 }));
    assert_eq!(scanner.scan(&bytes[100..500], &mut count), Ok(Scan { boundary: 0, missing: 520 }));
    assert!(!scanner.at_boundary());
    assert_eq!(scanner.scan(&bytes[500..], &mut count), Ok(Scan { boundary: 520, missing: 0 }));
    assert_eq!(scanner.scan(b"Z\0", &mut count), Ok(Scan { boundary: 0, missing: 3 }));
    assert_eq!(scanner.scan(b"\0\0\x05I", &mut count), Ok(Scan { boundary: 4, missing: 0 }));
    assert_eq!(rows, 2);
}

#[test]
fn a16_a_statement_longer_than_what_is_kept_is_bound_by_its_hash() {
    let sql: Vec<u8> = (0..100_000u32).map(|i| b"select insert "[i as usize % 14]).collect();
    let query = msg(b'Q', &[&sql[..], b"\0"].concat());
    let parse = msg(b'P', &[b"a_name\0", &sql[..], b"\0\0\0"].concat());
    let hash: [u8; 32] = Sha256::digest(&sql).into();
    for (bytes, name) in [(&query, None), (&parse, Some(b"a_name"))] {
        // The longest capture keeps all, the middle one cuts a buffered body, the short ones take the streaming way.
        for capture in [100_000, 99_999, 90_000, 1_000, 0] {
            for size in [1, 7, 1_000, 100_001, 200_000] {
                let mut scanner = FrontendScanner::new(capture);
                let mut seen = Vec::new();
                for chunk in bytes.chunks(size) {
                    scanner
                        .scan(chunk, &mut |event| match event {
                            FrontendEvent::Query(text) => seen.push((None, text.head.to_vec(), text.total, text.sha256)),
                            FrontendEvent::Parse { name, text } => {
                                seen.push((Some(name.to_vec()), text.head.to_vec(), text.total, text.sha256));
                            }
                            other => panic!("{other:?}"),
                        })
                        .unwrap();
                }
                let expected = (name.map(|n| n.to_vec()), sql[..capture].to_vec(), 100_000, (capture < 100_000).then_some(hash));
                assert_eq!(seen, [expected], "capture {capture}, chunks of {size}");
            }
        }
    }
}

#[test]
fn p01_impossible_and_excessive_lengths_are_refused_on_the_header() {
    for (len, what) in [(0u32, "zero"), (3, "less than itself"), (0x8000_0000, "2^31"), (u32::MAX, "-1"), (0x4000_0004, "over 1 GiB")] {
        for tag in [b'Q', b'P', b'd', b'S', b'D', b'Z'] {
            let header = [&[tag], &len.to_be_bytes()[..]].concat();
            let refused = Some(WireError::Length { tag, len });
            assert_eq!(frontend(100, &[&header]).refused, refused, "{what}");
            assert_eq!(frontend(100, &[&header[..2], &header[2..]]).refused, refused, "{what}");
            assert_eq!(backend(&[&header]).refused, refused, "{what}");
        }
    }
    for tag in *b"CDEHSXcf" {
        let header = [&[tag], &10_005u32.to_be_bytes()[..]].concat();
        assert_eq!(frontend(100, &[&header]).refused, Some(WireError::TooLong { tag, len: 10_001, max: 10_000 }));
    }
    for tag in *b"CSGHW" {
        let header = [&[tag], &30_005u32.to_be_bytes()[..]].concat();
        assert_eq!(backend(&[&header]).refused, Some(WireError::TooLong { tag, len: 30_001, max: 30_000 }));
    }
}

#[test]
fn p01_a_gigabyte_is_announced_and_nothing_is_kept_for_it() {
    for tag in *b"QPBdF" {
        let mut scanner = FrontendScanner::new(1_000);
        let header = [&[tag], &0x3fff_ffffu32.to_be_bytes()[..]].concat();
        scanner.scan(&header, &mut |_| ()).unwrap();
        for _ in 0..50 {
            let scan = scanner.scan(&[b'x'; 10_000], &mut |_| ());
            match tag {
                // A name that never ends is refused; a text is cut, a body passes by.
                b'P' => assert!(scan.is_err() || scan.unwrap().boundary == 0),
                _ => assert_eq!(scan.unwrap().boundary, 0),
            }
        }
        assert!(scanner.memory() < 60_000, "{}: {}", tag as char, scanner.memory());
    }
}

#[test]
fn messages_of_another_phase_are_refused() {
    for tag in *b"pRKZvx\0" {
        assert_eq!(frontend(100, &[&msg(tag, b"\0\0\0\0")]).refused, Some(WireError::NotAllowed { tag }));
    }
    // P3: a target that asks the client for its password in mid-session.
    for tag in *b"RKvpQx\0" {
        assert_eq!(backend(&[&msg(tag, b"\0\0\0\x03")]).refused, Some(WireError::NotAllowed { tag }));
    }
}

#[test]
fn p03_malformed_bodies_are_refused() {
    let malformed = |seen: Seen| matches!(seen.refused, Some(WireError::Malformed { .. }));
    for bytes in [
        msg(b'Q', b""),
        msg(b'Q', b"select 1"),
        msg(b'Q', b"select 1\0; drop table x\0"),
        msg(b'P', b"s1\0select 1"),
        msg(b'B', b"p1\0s1"),
        msg(b'E', b"p1"),
        msg(b'C', b"Xs1\0"),
        msg(b'C', b""),
        msg(b'F', b"\0\0\0"),
        msg(b'B', &[b'x'; 30_000]),
    ] {
        assert!(malformed(frontend(1 << 20, &[&bytes])), "{bytes:?}");
        let cut: Vec<&[u8]> = bytes.chunks(3).collect();
        assert!(malformed(frontend(1 << 20, &cut)), "{bytes:?}");
    }
    let long = [&[b'x'; 40_000][..], b"\0y\0"].concat();
    assert!(malformed(frontend(1, &[&msg(b'Q', &long)])));
    assert!(malformed(frontend(1, &[&msg(b'Q', &long[..39_000])])));
    assert!(malformed(frontend(1, &[&msg(b'P', &long)])));
    for bytes in [msg(b'Z', b""), msg(b'Z', b"II"), msg(b'Z', b"x"), msg(b'1', b"x"), msg(b's', b"x")] {
        assert!(malformed(backend(&[&bytes])), "{bytes:?}");
    }
}

#[test]
fn p03_errors_without_end_or_terminators_are_bounded() {
    let body = [&b"SERROR\0C99999\0M"[..], &[b'm'; 1_000_000]].concat();
    let mut seen = None;
    let mut scanner = BackendScanner::new();
    for chunk in msg(b'E', &body).chunks(777) {
        scanner
            .scan(chunk, &mut |event| {
                if let BackendEvent::Error(fields) = event {
                    seen = Some(fields.to_owned());
                }
            })
            .unwrap();
    }
    let error = seen.unwrap();
    assert_eq!((error.severity.as_str(), error.sqlstate.as_str(), error.message.len()), ("ERROR", "99999", 4_096));
    assert_eq!(ErrorFields::read(b""), ErrorFields::default());
}

fn any_frontend_message() -> impl Strategy<Value = Vec<u8>> {
    let body = proptest::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..60);
    let text = "[a-z ;]{0,40}";
    prop_oneof![
        text.prop_map(|t| msg(b'Q', format!("{t}\0").as_bytes())),
        ("[a-z]{0,3}", text).prop_map(|(n, t)| msg(b'P', format!("{n}\0{t}\0\0\0").as_bytes())),
        ("[a-z]{0,3}", "[a-z]{0,3}").prop_map(|(p, s)| msg(b'B', format!("{p}\0{s}\0\0\0\0\0\0\0").as_bytes())),
        "[a-z]{0,3}".prop_map(|p| msg(b'E', format!("{p}\0\0\0\0\0").as_bytes())),
        (prop_oneof![Just('S'), Just('P')], "[a-z]{0,3}").prop_map(|(k, n)| msg(b'C', format!("{k}{n}\0").as_bytes())),
        prop_oneof![Just(b'S'), Just(b'H'), Just(b'c'), Just(b'X')].prop_map(|tag| msg(tag, b"")),
        body.clone().prop_map(|b| msg(b'd', &b)),
        (any::<u8>(), body).prop_map(|(tag, b)| msg(tag, &b)),
    ]
}

fn any_backend_message() -> impl Strategy<Value = Vec<u8>> {
    let body = proptest::collection::vec(any::<u8>(), 0..60);
    prop_oneof![
        prop_oneof![Just(b'1'), Just(b'2'), Just(b'3'), Just(b'n'), Just(b's'), Just(b'I'), Just(b'c')].prop_map(|tag| msg(tag, b"")),
        prop_oneof![Just(b'D'), Just(b'd'), Just(b'N'), Just(b'E'), Just(b'T'), Just(b'A')]
            .prop_flat_map(move |tag| body.clone().prop_map(move |b| msg(tag, &b))),
        "[A-Z0-9 ]{0,20}".prop_map(|tag| msg(b'C', format!("{tag}\0").as_bytes())),
        prop_oneof![Just(b'I'), Just(b'T'), Just(b'E')].prop_map(|s| msg(b'Z', &[s])),
        (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..60)).prop_map(|(tag, b)| msg(tag, &b)),
    ]
}

proptest! {
    #[test]
    fn chunks_change_nothing_for_a_client(
        messages in proptest::collection::vec(any_frontend_message(), 0..12),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
        capture in 0usize..60,
    ) {
        let bytes = messages.concat();
        prop_assert_eq!(frontend(capture, &split(&bytes, &cuts)).events_and_end(), frontend(capture, &[&bytes]).events_and_end());
    }

    #[test]
    fn chunks_change_nothing_for_a_target(
        messages in proptest::collection::vec(any_backend_message(), 0..12),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let bytes = messages.concat();
        prop_assert_eq!(backend(&split(&bytes, &cuts)).events_and_end(), backend(&[&bytes]).events_and_end());
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), cuts in proptest::collection::vec(any::<usize>(), 0..6)) {
        frontend(3, &split(&bytes, &cuts));
        backend(&split(&bytes, &cuts));
    }
}

impl Seen {
    /// Where a stream is refused, how far its boundaries came depends on the chunks.
    fn events_and_end(self) -> (Vec<Shown>, Option<(usize, u32)>, Option<WireError>) {
        let end = self.refused.is_none().then_some((self.boundary, self.missing));
        (self.events, end, self.refused)
    }
}
