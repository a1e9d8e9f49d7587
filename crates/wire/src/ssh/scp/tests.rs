use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::super::{Answer, Confusion, Digest, Event, File, MAX_REASON, OpenFlags, Side, Transfer};
use super::Scp;

const PUT: OpenFlags = OpenFlags(0x1a);

/// What passes: from the sender (`>`), or from the receiver (`<`).
#[derive(Debug, Clone)]
enum Sent {
    Sender(Vec<u8>),
    Receiver(Vec<u8>),
}

fn s(bytes: impl AsRef<[u8]>) -> Sent {
    Sent::Sender(bytes.as_ref().to_vec())
}

fn r(bytes: impl AsRef<[u8]>) -> Sent {
    Sent::Receiver(bytes.as_ref().to_vec())
}

fn cut_events(command: &str, sent: &[Sent], cuts: &[usize]) -> Vec<Event> {
    let (mut scp, mut seen) = (Scp::of_command(command.as_bytes()).unwrap(), Vec::new());
    let mut out = |event| seen.push(event);
    let mut cuts = cuts.iter().cycle();
    for sent in sent {
        let (Sent::Sender(bytes) | Sent::Receiver(bytes)) = sent;
        let client = matches!(sent, Sent::Receiver(_)) == command.contains("-f");
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at((*cuts.next().unwrap_or(&usize::MAX)).clamp(1, rest.len()));
            rest = behind;
            if client { scp.client(piece, &mut out) } else { scp.server(piece, &mut out) }
        }
    }
    scp.end(&mut out);
    seen
}

/// What is seen, however it is cut.
fn events(command: &str, sent: &[Sent]) -> Vec<Event> {
    let whole = cut_events(command, sent, &[]);
    assert_eq!(cut_events(command, sent, &[1]), whole);
    assert_eq!(cut_events(command, sent, &[3, 2]), whole);
    whole
}

fn whole(data: &[u8]) -> Transfer {
    Transfer { bytes: data.len() as u64, digest: Digest::Whole(Sha256::digest(data).into()), failed: 0 }
}

fn pieces(bytes: u64, failed: u64) -> Transfer {
    Transfer { bytes, digest: Digest::Pieces, failed }
}

fn put(path: &str, written: Transfer) -> File {
    File { path: path.into(), named: None, opened: PUT, read: whole(b""), written, reached_end: false, complete: true }
}

fn got(path: &str, read: Transfer) -> File {
    let opened = OpenFlags::READ;
    File { path: path.into(), named: None, opened, read, written: whole(b""), reached_end: true, complete: true }
}

fn named(file: File, name: &str) -> Event {
    Event::File(File { named: Some(name.into()), ..file })
}

fn failed(path: &str, opened: OpenFlags, answer: Answer) -> Event {
    Event::OpenFailed { path: path.into(), named: None, opened, answer }
}

fn refused(reason: &str) -> Answer {
    Answer::Refused { code: 1, reason: reason.into() }
}

#[test]
fn a_put_is_a_file_with_its_digest() {
    let sent = [r("\0"), s("T1 0 2 0\n"), r("\0"), s("C0644 4 a b\n"), r("\0"), s("some"), s("\0"), r("\0")];
    assert_eq!(events("scp -p -d -t /tmp", &sent), [Event::File(put("/tmp/a b", whole(b"some")))]);
    assert_eq!(events("scp -p -t /tmp/", &sent), [Event::File(put("/tmp/a b", whole(b"some")))]);
    // The target's shell knows whether /tmp/x is a directory; an onlooker doesn't.
    assert_eq!(events("scp -p -t /tmp/x", &sent), [named(put("/tmp/x", whole(b"some")), "a b")]);
}

#[test]
fn a_get_is_a_file_with_its_digest() {
    let sent = [r("\0"), s("C0644 4 a\n"), r("\0"), s("some\0"), r("\0")];
    assert_eq!(events("scp -f /tmp/a", &sent), [Event::File(got("/tmp/a", whole(b"some")))]);
    assert_eq!(events("scp -f a", &sent), [Event::File(got("a", whole(b"some")))]);
    for command in ["scp -f /tmp/*", "scp -f /*/a", "scp -f /tmp/b"] {
        assert_eq!(events(command, &sent), [named(got(&command[7..], whole(b"some")), "a")]);
    }
}

#[test]
fn directories_are_joined() {
    let tree = [
        [r("\0"), s("D0755 0 d\n"), r("\0"), s("C0644 1 a\n"), r("\0"), s("x\0"), r("\0")].to_vec(),
        [s("D0755 0 e\n"), r("\0"), s("C0644 0 b\n"), r("\0"), s("\0"), r("\0"), s("E\n"), r("\0")].to_vec(),
        [s("C0644 1 c\n"), r("\0"), s("y\0"), r("\0"), s("E\n"), r("\0")].to_vec(),
    ]
    .concat();
    let contents = [("d/a", &b"x"[..]), ("d/e/b", b""), ("d/c", b"y")];
    let of = |base: &str, file: fn(&str, Transfer) -> File| {
        contents.map(|(name, data)| Event::File(file(&format!("{base}{name}"), whole(data))))
    };
    assert_eq!(events("scp -r -d -t /tmp", &tree), of("/tmp/", put));
    assert_eq!(events("scp -r -f /srv/d", &tree), of("/srv/", got));
    assert_eq!(events("scp -r -f d/", &tree), of("", got));
    assert_eq!(events("scp -r -t /tmp/x", &tree), contents.map(|(name, data)| named(put("/tmp/x", whole(data)), name)));
}

#[test]
fn who_does_not_wait_for_answers_is_understood() {
    let expected = [Event::File(put("/tmp/a", whole(b"some"))), Event::File(put("/tmp/b", whole(b"")))];
    let all = s("C0644 4 a\nsome\0C0644 0 b\n\0");
    assert_eq!(events("scp -d -t /tmp", &[all.clone(), r("\0\0\0\0\0")]), expected);
    assert_eq!(events("scp -d -t /tmp", &[r("\0\0\0\0\0\0\0"), all]), expected);
    // An answer that comes late is for the first file, not for the one that is under way.
    let late = [s("C0644 4 a\nsome\0C0644 1 b\n"), r("\0\0\0\x01no\n")];
    let refused = failed("/tmp/b", PUT, refused("no"));
    assert_eq!(events("scp -d -t /tmp", &late), [Event::File(put("/tmp/a", whole(b"some"))), refused]);
}

#[test]
fn refusals_are_told() {
    let no = || refused("scp: no");
    let get = OpenFlags::READ;
    assert_eq!(events("scp -t /none/x", &[r("\x01scp: no\n")]), [failed("/none/x", PUT, no())]);
    assert_eq!(events("scp -f /none", &[r("\0"), s("\x01scp: no\n")]), [failed("/none", get, no())]);
    // What comes behind a refused file or directory is the next one.
    let sent = [r("\0"), s("C0644 4 a\n"), r("\x01scp: no\n"), s("C0644 0 b\n"), r("\x02scp: no\n")];
    let fatal = Answer::Refused { code: 2, reason: b"scp: no".to_vec() };
    assert_eq!(events("scp -d -t /tmp", &sent), [failed("/tmp/a", PUT, no()), failed("/tmp/b", PUT, fatal)]);
    let sent = [r("\0"), s("D0755 0 d\n"), r("\x01scp: no\n"), s("C0644 1 b\n"), r("\0"), s("x\0"), r("\0")];
    assert_eq!(events("scp -r -d -t /tmp", &sent), [failed("/tmp/d", PUT, no()), Event::File(put("/tmp/b", whole(b"x")))]);
    let named = Event::OpenFailed { path: b"/tmp".to_vec(), named: Some(b"d/b".to_vec()), opened: PUT, answer: no() };
    let sent = [r("\0"), s("D0755 0 d\n"), r("\0"), s("C0644 1 b\n"), r("\x01scp: no\n"), s("E\n"), r("\0")];
    assert_eq!(events("scp -r -t /tmp", &sent), [named]);
    // Its reason is cut.
    let seen = events("scp -t /x", &[r([b"\x01", &[b'x'; 9_000][..], b"\n"].concat())]);
    assert_eq!(seen, [failed("/x", PUT, refused(&"x".repeat(MAX_REASON)))]);
}

#[test]
fn contents_that_went_wrong_are_told() {
    let incomplete = |file: File| Event::File(File { complete: false, ..file });
    let begin = [r("\0"), s("C0644 4 a\n"), r("\0")].to_vec();
    let sent = |more: &[Sent]| [&begin[..], more].concat();
    let (to, from) = ("scp -t /tmp/", "scp -f /tmp/a");
    // The receiver could not keep it.
    let full = sent(&[s("some\0"), r("\x01disk full\n")]);
    assert_eq!(events(to, &full), [incomplete(put("/tmp/a", pieces(4, 1)))]);
    assert_eq!(events(from, &full), [incomplete(got("/tmp/a", whole(b"some")))]);
    // The sender could not read it.
    let unread = sent(&[s("some\x01cannot read\n"), r("\0")]);
    assert_eq!(events(to, &unread), [incomplete(put("/tmp/a", whole(b"some")))]);
    assert_eq!(events(from, &unread), [incomplete(File { reached_end: false, ..got("/tmp/a", pieces(4, 1)) })]);
    // It ends in the middle.
    let cut = sent(&[s("so")]);
    assert_eq!(events(to, &cut), [incomplete(put("/tmp/a", pieces(2, 0)))]);
    assert_eq!(events(from, &cut), [incomplete(File { reached_end: false, ..got("/tmp/a", whole(b"so")) })]);
    // Nobody has said whether it was taken.
    let unanswered = sent(&[s("some\0")]);
    assert_eq!(events(to, &unanswered), [incomplete(put("/tmp/a", pieces(4, 0)))]);
    assert_eq!(events(from, &unanswered), [incomplete(got("/tmp/a", whole(b"some")))]);
    assert_eq!(events(to, &[r("\0"), s("C0644 4 a\n")]), [failed("/tmp/a", PUT, Answer::Missing)]);
}

#[test]
fn lines_that_the_protocol_does_not_have_confuse_once() {
    for line in [
        "",
        "\0",
        "X",
        "Welcome!",
        "EE",
        "E",
        "T1 0 x 0",
        "C0644 4",
        "C0644 4 ",
        "C0644 -1 a",
        "C0644  a",
        "C0644 18446744073709551616 a",
        "C0644 9223372036854775808 a",
        "C064 4 a",
        "C0648 4 a",
        "C06444 a",
        "C0644 4 .",
        "C0644 4 ..",
        "C0644 4 /etc/shadow",
        "C0644 4 a\0b",
        "D0755 0 ../x",
    ] {
        let sent = [r("\0"), s(format!("{line}\nC0644 4 a\nsome\0")), r("\0\0\0")];
        assert_eq!(events("scp -r -t /x", &sent), [Event::Confused { side: Side::Client, why: Confusion::Line }], "{line:?}");
    }
    let verdict = [r("\0"), s("C0644 1 a\nxy"), r("\0")];
    let cut = Event::File(File { complete: false, ..put("/x/a", pieces(1, 0)) });
    assert_eq!(events("scp -t /x/", &verdict), [Event::Confused { side: Side::Client, why: Confusion::Line }, cut]);
    assert_eq!(events("scp -t /x", &[r("Welcome!\n")]), [Event::Confused { side: Side::Server, why: Confusion::Line }]);
}

#[test]
fn s07_what_has_no_end_is_bounded() {
    let why = |sent: &[Sent]| match events("scp -r -t /x/", sent).first() {
        Some(Event::Confused { why, .. }) => *why,
        other => panic!("{other:?}"),
    };
    assert_eq!(why(&[s("C".repeat(20_000))]), Confusion::TooLong);
    assert_eq!(why(&[s(format!("C0644 4 {}\n", "a".repeat(4_095)))]), Confusion::TooLong);
    assert_eq!(why(&[s("D0755 0 abcdefgh\n".repeat(500)), r("\0".repeat(60))]), Confusion::TooMuchAsked);
    let deep = |name: &str, times| (0..times).flat_map(|_| [s(format!("D0755 0 {name}\n")), r("\0")]).collect::<Vec<_>>();
    assert_eq!(why(&deep("a", 1_100)), Confusion::TooLong);
    assert_eq!(why(&deep(&"a".repeat(200), 30)), Confusion::TooLong);
    assert_eq!(why(&[s("T0 0 0 0\n".repeat(300))]), Confusion::TooMuchAsked);
    assert_eq!(why(&[r("\0".repeat(100))]), Confusion::OutOfStep);
}

#[test]
fn a_refusal_of_what_has_begun_confuses() {
    let why = |sent: &[Sent]| events("scp -r -t /x/", sent).remove(0);
    let confused = Event::Confused { side: Side::Server, why: Confusion::OutOfStep };
    assert_eq!(why(&[r("\0"), s("C0644 4 a\nso"), r("\x01no\n")]), confused);
    assert_eq!(why(&[r("\0"), s("C0644 0 a\n\0"), r("\x01no\n")]), confused);
    assert_eq!(why(&[r("\0"), s("D0755 0 a\nC"), r("\x01no\n")]), confused);
    assert_eq!(why(&[r("\0"), s("D0755 0 a\nC0644 4 a\n"), r("\x01no\n")]), confused);
}

fn any_sent() -> impl Strategy<Value = Sent> {
    let line = prop_oneof![
        4 => ("[ab]{1,3}", proptest::collection::vec(any::<u8>(), 0..30), 0u8..8).prop_map(|(name, data, verdict)| {
            let verdict: &[u8] = match verdict {
                0 => b"\x01no\n",
                1 => b"",
                _ => b"\0",
            };
            [format!("C0644 {} {name}\n", data.len()).as_bytes(), &data, verdict].concat()
        }),
        2 => "D0755 0 [ab]{1,3}\n".prop_map(String::into_bytes),
        1 => Just(b"E\n".to_vec()),
        1 => Just(b"T1 0 2 0\n".to_vec()),
        1 => Just(b"\x01no\n".to_vec()),
    ];
    let answer = prop_oneof![8 => Just(b"\0".to_vec()), 1 => Just(b"\x01no\n".to_vec()), 3 => Just(b"\0\0".to_vec())];
    prop_oneof![line.prop_map(Sent::Sender), answer.prop_map(Sent::Receiver)]
}

proptest! {
    #[test]
    fn chunks_change_nothing(
        sent in proptest::collection::vec(any_sent(), 0..30),
        cuts in proptest::collection::vec(1usize..9, 1..9),
        command in prop_oneof![Just("scp -r -t /x"), Just("scp -r -f /a")],
    ) {
        prop_assert_eq!(cut_events(command, &sent, &cuts), cut_events(command, &sent, &[]));
    }

    #[test]
    fn no_bytes_panic(
        sent in proptest::collection::vec(prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..60).prop_map(Sent::Sender),
            proptest::collection::vec(0u8..4, 0..9).prop_map(Sent::Receiver),
            any_sent(),
        ], 0..9),
        command in proptest::collection::vec(any::<u8>(), 0..40),
        cuts in proptest::collection::vec(1usize..9, 1..9),
    ) {
        let _ = Scp::of_command(&command);
        prop_assert_eq!(cut_events("scp -t /x", &sent, &cuts), cut_events("scp -t /x", &sent, &[]));
    }
}
