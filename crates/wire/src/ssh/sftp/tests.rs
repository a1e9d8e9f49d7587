use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::super::{Answer, Change, Confusion, Digest, Direction, Event, File, MAX_PATH, OpenFlags, Operation, Side, Transfer};
use super::Sftp;
use super::files::MAX_FILES;
use super::packet::MAX_PACKET;

const PUT: OpenFlags = OpenFlags(0x1a);

/// A channel, and what was seen in it.
#[derive(Default)]
struct Talk {
    sftp: Sftp,
    seen: Vec<Event>,
}

impl Talk {
    /// Behind the greetings.
    fn begun() -> Self {
        let mut talk = Self::default();
        talk.client(&packet(1, &[&3u32.to_be_bytes()]));
        talk.server(&packet(2, &[&3u32.to_be_bytes(), &text("posix-rename@openssh.com"), &text("1")]));
        talk
    }

    fn client(&mut self, bytes: &[u8]) {
        self.sftp.client(bytes, &mut |event| self.seen.push(event));
    }

    fn server(&mut self, bytes: &[u8]) {
        self.sftp.server(bytes, &mut |event| self.seen.push(event));
    }

    /// Opens a file, in one go.
    fn open(&mut self, path: &str, flags: OpenFlags, handle: &str) {
        self.client(&open(900, path, flags));
        self.server(&handle_for(900, handle));
    }

    fn close(&mut self, handle: &str) {
        self.client(&ask(4, 901, handle));
        self.server(&status(901, 0));
    }

    /// Writes, in one go.
    fn put(&mut self, handle: &str, offset: u64, data: &[u8]) {
        self.client(&write(902, handle, offset, data));
        self.server(&status(902, 0));
    }

    fn ended(mut self) -> Vec<Event> {
        self.sftp.end(&mut |event| self.seen.push(event));
        self.seen
    }
}

fn packet(kind: u8, fields: &[&[u8]]) -> Vec<u8> {
    let body = fields.concat();
    [&(body.len() as u32 + 1).to_be_bytes()[..], &[kind], &body].concat()
}

fn text(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [&(text.len() as u32).to_be_bytes()[..], text].concat()
}

/// A request with one name or handle.
fn ask(kind: u8, id: u32, name: &str) -> Vec<u8> {
    packet(kind, &[&id.to_be_bytes(), &text(name)])
}

fn open(id: u32, path: &str, flags: OpenFlags) -> Vec<u8> {
    packet(3, &[&id.to_be_bytes(), &text(path), &flags.0.to_be_bytes(), &[0; 4]])
}

fn read(id: u32, handle: &str, offset: u64, length: u32) -> Vec<u8> {
    packet(5, &[&id.to_be_bytes(), &text(handle), &offset.to_be_bytes(), &length.to_be_bytes()])
}

fn write(id: u32, handle: &str, offset: u64, data: &[u8]) -> Vec<u8> {
    packet(6, &[&id.to_be_bytes(), &text(handle), &offset.to_be_bytes(), &text(data)])
}

fn extended(id: u32, name: &str, fields: &[&[u8]]) -> Vec<u8> {
    packet(200, &[&id.to_be_bytes(), &text(name), &fields.concat()])
}

fn status(id: u32, code: u32) -> Vec<u8> {
    packet(101, &[&id.to_be_bytes(), &code.to_be_bytes(), &text("as said"), &text("en")])
}

fn handle_for(id: u32, handle: &str) -> Vec<u8> {
    packet(102, &[&id.to_be_bytes(), &text(handle)])
}

fn data(id: u32, data: &[u8]) -> Vec<u8> {
    packet(103, &[&id.to_be_bytes(), &text(data)])
}

fn refused(code: u32) -> Answer {
    Answer::Refused { code, reason: b"as said".to_vec() }
}

fn whole(data: &[u8]) -> Transfer {
    Transfer { bytes: data.len() as u64, digest: Digest::Whole(Sha256::digest(data).into()), failed: 0 }
}

fn pieces(bytes: u64) -> Transfer {
    Transfer { bytes, digest: Digest::Pieces, failed: 0 }
}

fn file(path: &str, opened: OpenFlags, read: Transfer, written: Transfer) -> File {
    File { path: path.into(), named: None, opened, read, written, reached_end: false, complete: true }
}

fn put_file(path: &str, written: Transfer) -> Event {
    Event::File(file(path, PUT, whole(b""), written))
}

fn changed(operation: Operation, path: &str, answer: Answer) -> Event {
    Event::Changed(Change { operation, path: path.into(), answer })
}

#[test]
fn what_is_written_in_order_has_its_digest() {
    let mut talk = Talk::begun();
    talk.open("/tmp/a", PUT, "h");
    for (id, piece) in [(1, "some"), (2, ""), (3, "thing")] {
        talk.client(&write(id, "h", if id == 1 { 0 } else { 4 }, piece.as_bytes()));
    }
    for id in [2, 1, 3] {
        talk.server(&status(id, 0));
    }
    assert_eq!(talk.seen, [], "nothing before the close");
    talk.close("h");
    assert_eq!(talk.ended(), [put_file("/tmp/a", whole(b"something"))]);
}

#[test]
fn what_is_written_in_pieces_has_none() {
    for (why, offsets) in
        [("a hole", [0, 5]), ("an end", [4, 8]), ("out of order", [4, 0]), ("over one another", [0, 2]), ("twice", [0, 0])]
    {
        let mut talk = Talk::begun();
        talk.open("/a", PUT, "h");
        for offset in offsets {
            talk.put("h", offset, b"some");
        }
        talk.close("h");
        assert_eq!(talk.ended(), [put_file("/a", pieces(8))], "{why}");
    }
}

#[test]
fn what_the_target_has_not_taken_is_not_written() {
    let mut talk = Talk::begun();
    talk.open("/refused", PUT, "h");
    talk.put("h", 0, b"some");
    talk.client(&write(1, "h", 4, b"thing"));
    talk.server(&status(1, 4));
    talk.close("h");
    talk.open("/empty", PUT, "h");
    talk.client(&write(1, "h", 0, b""));
    talk.server(&status(1, 4));
    talk.close("h");
    talk.open("/unanswered", PUT, "h");
    talk.put("h", 0, b"some");
    talk.client(&write(1, "h", 4, b"thing"));
    talk.close("h");
    talk.server(&status(1, 0));
    assert_eq!(
        talk.ended(),
        [
            put_file("/refused", Transfer { failed: 1, ..pieces(4) }),
            put_file("/empty", Transfer { failed: 1, ..pieces(0) }),
            put_file("/unanswered", pieces(4))
        ],
        "an answer behind the close counts for nothing"
    );
}

#[test]
fn a_content_that_is_changed_by_other_means_has_no_digest() {
    let appended = OpenFlags::WRITE.and(OpenFlags::APPEND);
    let resize = |size: u64| packet(10, &[&1u32.to_be_bytes(), &text("h"), &1u32.to_be_bytes(), &size.to_be_bytes()]);
    let copy = extended(1, "copy-data", &[&text("f"), &[0; 16], &text("h"), &[0; 8]]);
    for (why, flags, asked, expected) in [
        ("appended", appended, ask(17, 1, "/"), pieces(4)),
        ("cut", PUT, resize(3), pieces(4)),
        ("cut to what it is", PUT, resize(4), whole(b"some")),
        ("copied into", PUT, copy, pieces(4)),
    ] {
        let mut talk = Talk::begun();
        talk.open("/a", flags, "h");
        talk.put("h", 0, b"some");
        talk.client(&asked);
        talk.server(&status(1, 0));
        talk.close("h");
        assert_eq!(talk.ended().last(), Some(&Event::File(file("/a", flags, whole(b""), expected))), "{why}");
    }
}

#[test]
fn what_is_read_in_order_has_its_digest() {
    let mut talk = Talk::begun();
    talk.open("/a", OpenFlags::READ, "h");
    for (id, offset) in [(1, 0), (2, 4), (3, 8), (4, 12)] {
        talk.client(&read(id, "h", offset, 4));
    }
    talk.server(&[data(1, b"some"), data(2, b"thin"), data(3, b"g"), status(4, 1)].concat());
    talk.client(&read(5, "h", 9, 3));
    talk.server(&status(5, 1));
    talk.close("h");
    let all = File { reached_end: true, ..file("/a", OpenFlags::READ, whole(b"something"), whole(b"")) };
    assert_eq!(all.direction(), Some(Direction::Read));
    assert_eq!(talk.ended(), [Event::File(all)]);
}

#[test]
fn what_is_read_in_part_is_not_taken_for_all() {
    let mut talk = Talk::begun();
    talk.open("/proc/a", OpenFlags::READ, "h");
    talk.client(&[read(1, "h", 0, 4), read(2, "h", 4, 4)].concat());
    talk.server(&[data(1, b"so"), data(2, b"thin")].concat());
    talk.client(&read(3, "h", 2, 2));
    talk.server(&data(3, b"me"));
    talk.close("h");
    talk.open("/part", OpenFlags::READ, "h");
    talk.client(&[read(1, "h", 0, 4), read(2, "h", 4, 4)].concat());
    talk.server(&[data(1, b"some"), status(2, 4)].concat());
    talk.close("h");
    talk.open("/beyond", OpenFlags::READ, "h");
    talk.client(&[read(1, "h", 0, 4), read(2, "h", 400, 4)].concat());
    talk.server(&[data(1, b"some"), status(2, 1)].concat());
    talk.close("h");
    let part = Transfer { failed: 1, ..whole(b"some") };
    assert_eq!(
        talk.ended(),
        [
            Event::File(file("/proc/a", OpenFlags::READ, pieces(8), whole(b""))),
            Event::File(file("/part", OpenFlags::READ, part, whole(b""))),
            Event::File(file("/beyond", OpenFlags::READ, whole(b"some"), whole(b""))),
        ]
    );
}

#[test]
fn both_ways_through_one_handle() {
    let both = OpenFlags::READ.and(OpenFlags::WRITE);
    let mut talk = Talk::begun();
    talk.open("/a", both, "h");
    talk.put("h", 0, b"new");
    talk.client(&read(1, "h", 0, 9));
    talk.server(&data(1, b"newer"));
    talk.close("h");
    let expected = file("/a", both, whole(b"newer"), whole(b"new"));
    assert_eq!(expected.direction(), Some(Direction::Both));
    assert_eq!(talk.ended(), [Event::File(expected)]);
}

#[test]
fn changes_are_told_with_their_answers() {
    let id = 7u32.to_be_bytes();
    let attributes =
        [&0x0fu32.to_be_bytes()[..], &5u64.to_be_bytes(), &[0, 0, 0, 1, 0, 0, 0, 2], &0o600u32.to_be_bytes(), &[0; 8]].concat();
    let set = |link| Operation::SetStat { size: Some(5), owner: Some((1, 2)), mode: Some(0o600), times: Some((0, 0)), link };
    let (a, b) = (text("/a"), text("/b"));
    let to = || b"/b".to_vec();
    for (asked, operation) in [
        (ask(13, 7, "/a"), Operation::Remove),
        (packet(14, &[&id, &a, &[0; 4]]), Operation::MakeDir),
        (ask(15, 7, "/a"), Operation::RemoveDir),
        (packet(18, &[&id, &a, &b]), Operation::Rename { to: to(), replace: false }),
        (packet(20, &[&id, &b, &a]), Operation::Symlink { to: to() }),
        (packet(9, &[&id, &a, &attributes]), set(false)),
        (extended(7, "posix-rename@openssh.com", &[&a, &b]), Operation::Rename { to: to(), replace: true }),
        (extended(7, "hardlink@openssh.com", &[&a, &b]), Operation::Hardlink { to: to() }),
        (extended(7, "lsetstat@openssh.com", &[&a, &attributes]), set(true)),
    ] {
        for (code, answer) in [(0, Answer::Done), (3, refused(3))] {
            let mut talk = Talk::begun();
            talk.client(&asked);
            talk.server(&status(7, code));
            assert_eq!(talk.ended(), [changed(operation.clone(), "/a", answer)]);
        }
        let mut talk = Talk::begun();
        talk.client(&asked);
        assert_eq!(talk.ended(), [changed(operation, "/a", Answer::Missing)], "the target may have done it");
    }
}

#[test]
fn changes_through_handles_are_told_with_the_path() {
    let mut talk = Talk::begun();
    talk.open("/from", OpenFlags::READ, "f");
    talk.open("/to", PUT, "t");
    talk.client(&extended(1, "copy-data", &[&text("f"), &1u64.to_be_bytes(), &2u64.to_be_bytes(), &text("t"), &[0; 8]]));
    talk.client(&packet(10, &[&2u32.to_be_bytes(), &text("t"), &4u32.to_be_bytes(), &0o644u32.to_be_bytes()]));
    talk.server(&[status(1, 0), status(2, 0)].concat());
    let mode = Operation::SetStat { size: None, owner: None, mode: Some(0o644), times: None, link: false };
    let copy = Operation::CopyFrom { from: b"/from".to_vec(), offset: 1, bytes: 2 };
    assert_eq!(talk.seen, [changed(copy, "/to", Answer::Done), changed(mode, "/to", Answer::Done)]);
}

#[test]
fn opens_that_fail_are_told_and_looks_are_not() {
    let mut talk = Talk::begun();
    talk.client(&[open(1, "/a", PUT), ask(11, 2, "/d"), ask(11, 3, "/e"), ask(7, 4, "/f"), ask(17, 5, "/f"), ask(16, 6, ".")].concat());
    talk.client(&[ask(19, 7, "/l"), extended(8, "statvfs@openssh.com", &[&text("/")]), ask(12, 9, "d"), ask(8, 10, "d")].concat());
    talk.client(&extended(11, "limits@openssh.com", &[]));
    talk.server(&[status(1, 3), handle_for(2, "d"), status(3, 2)].concat());
    let names = [packet(104, &[&6u32.to_be_bytes(), &[0; 4]]), packet(105, &[&4u32.to_be_bytes(), &[0; 4]])].concat();
    talk.server(&[names, status(5, 2), packet(201, &[&8u32.to_be_bytes(), &[0; 88]])].concat());
    talk.client(&[ask(4, 12, "d"), open(13, "/b", PUT)].concat());
    talk.server(&status(12, 0));
    assert_eq!(
        talk.ended(),
        [
            Event::OpenFailed { path: b"/a".to_vec(), named: None, opened: PUT, answer: refused(3) },
            Event::Listed { path: b"/d".to_vec() },
            Event::OpenFailed { path: b"/b".to_vec(), named: None, opened: PUT, answer: Answer::Missing },
        ]
    );
}

#[test]
fn unknown_extensions_are_told() {
    let mut talk = Talk::begun();
    talk.client(&[extended(1, "a@b", &[&[1; 9]]), extended(2, "c@d", &[]), extended(3, "e@f", &[])].concat());
    talk.server(&[status(1, 8), packet(201, &[&2u32.to_be_bytes()])].concat());
    let told = |name: &str, answer| Event::Extension { name: name.into(), answer };
    assert_eq!(talk.ended(), [told("a@b", refused(8)), told("c@d", Answer::Done), told("e@f", Answer::Missing)]);
}

#[test]
fn what_is_open_comes_out_at_the_end() {
    let mut talk = Talk::begun();
    talk.open("/a", PUT, "a");
    talk.open("/b", PUT, "b");
    talk.put("b", 0, b"some");
    talk.client(&write(1, "b", 4, b"thing")[..27]);
    talk.client(&[]);
    let open = |path, written| Event::File(File { complete: false, ..file(path, PUT, whole(b""), written) });
    assert_eq!(talk.ended(), [open("/a", whole(b"")), open("/b", pieces(4))]);
}

#[test]
fn a_handle_that_is_used_again_is_another_file() {
    // A client that guesses which handle it will get sends ahead.
    let mut talk = Talk::begun();
    talk.open("/harmless", PUT, "h");
    talk.client(&[ask(4, 1, "h"), open(2, "/target", PUT), write(3, "h", 0, b"evil"), ask(4, 4, "h")].concat());
    talk.server(&[status(1, 0), handle_for(2, "h"), status(3, 0), status(4, 0)].concat());
    assert_eq!(talk.seen, [put_file("/harmless", pieces(0)), put_file("/target", pieces(4))]);
    // What is sent ahead to a file is no content that was seen, whatever evens it out.
    let resize = packet(10, &[&3u32.to_be_bytes(), &text("h"), &1u32.to_be_bytes(), &0u64.to_be_bytes()]);
    let copy = extended(3, "copy-data", &[&text("f"), &[0; 16], &text("h"), &[0; 8]]);
    for (ahead, answered) in [(write(3, "h", 0, b"evil"), false), (resize, true), (copy, true)] {
        let mut talk = Talk::begun();
        talk.open("/harmless", PUT, "h");
        talk.client(&[ask(4, 1, "h"), open(2, "/target", PUT), ahead].concat());
        talk.server(&[status(1, 0), handle_for(2, "h")].concat());
        talk.client(&write(4, "h", 0, b"good"));
        talk.server(&status(3, 0));
        if answered {
            talk.server(&status(4, 0));
        }
        talk.close("h");
        assert_eq!(talk.seen.last(), Some(&put_file("/target", pieces(4))));
    }
    // A target that hands one out twice.
    let mut talk = Talk::begun();
    talk.open("/a", PUT, "h");
    talk.open("/b", PUT, "h");
    talk.put("h", 0, b"some");
    talk.client(&ask(11, 1, "/d"));
    talk.server(&handle_for(1, "h"));
    let open = |path, written| Event::File(File { complete: false, ..file(path, PUT, whole(b""), written) });
    assert_eq!(talk.seen, [open("/a", whole(b"")), open("/b", whole(b"some")), Event::Listed { path: b"/d".to_vec() }]);
}

#[test]
fn s07_impossible_lengths_confuse_once() {
    for length in [0, MAX_PACKET + 1, 0x5765_6c63, 1 << 31, u32::MAX] {
        let why = Confusion::Length(length);
        for side in [Side::Client, Side::Server] {
            let mut talk = Talk::begun();
            talk.open("/a", PUT, "h");
            talk.client(&ask(13, 5, "/b"));
            for bytes in [&length.to_be_bytes()[..3], &length.to_be_bytes()[3..], &[0; 9]] {
                match side {
                    Side::Client => talk.client(bytes),
                    Side::Server => talk.server(bytes),
                }
            }
            talk.close("h");
            let open = Event::File(File { complete: false, ..file("/a", PUT, whole(b""), whole(b"")) });
            let removed = changed(Operation::Remove, "/b", Answer::Missing);
            assert_eq!(talk.ended(), [Event::Confused { side, why }, removed, open]);
        }
    }
}

#[test]
fn malformed_packets_confuse() {
    let id = 1u32.to_be_bytes();
    let long = [&u32::MAX.to_be_bytes()[..], b"h"].concat();
    let client = |kind, fields: &[&[u8]]| (Side::Client, kind, packet(kind, fields));
    let server = |kind, fields: &[&[u8]]| (Side::Server, kind, packet(kind, fields));
    for (side, kind, bytes) in [
        client(3, &[]),
        client(3, &[&id]),
        client(3, &[&id, &long]),
        client(3, &[&id, &text("/a")]),
        client(4, &[&id, &long]),
        client(6, &[&id, &text("h"), &[0; 8]]),
        client(6, &[&id, &text("h"), &[0; 8], &5u32.to_be_bytes(), b"four"]),
        client(18, &[&id, &text("/a")]),
        client(200, &[&id, &text("hardlink@openssh.com"), &text("/a")]),
        server(101, &[&id]),
        server(102, &[&id, &long]),
        server(103, &[&id, &5u32.to_be_bytes(), b"four"]),
    ] {
        let mut talk = Talk::begun();
        if side == Side::Client {
            talk.client(&bytes);
        } else {
            talk.client(&read(1, "h", 0, 9));
            talk.server(&bytes);
        }
        assert_eq!(talk.ended(), [Event::Confused { side, why: Confusion::Malformed(kind) }], "{bytes:?}");
    }
}

#[test]
fn other_conversations_and_versions_confuse() {
    let confused = |side, why| [Event::Confused { side, why }];
    let mut talk = Talk::default();
    talk.client(&ask(13, 1, "/a"));
    assert_eq!(talk.ended(), confused(Side::Client, Confusion::Beginning(13)));
    let mut talk = Talk::default();
    talk.server(&status(1, 0));
    assert_eq!(talk.ended(), confused(Side::Server, Confusion::Beginning(101)));
    let mut talk = Talk::default();
    talk.server(&packet(2, &[&6u32.to_be_bytes()]));
    assert_eq!(talk.ended(), confused(Side::Server, Confusion::Version(6)));
}

#[test]
fn unknown_packets_and_unasked_answers_pass() {
    let mut talk = Talk::begun();
    talk.client(&[packet(99, &[]), packet(98, &[&[7; 900]]), packet(0, &[&[1, 2]])].concat());
    talk.server(&[packet(250, &[]), packet(106, &[&[7; 900]]), status(77, 0), handle_for(78, "x"), data(79, b"some")].concat());
    talk.open("/a", PUT, "h");
    talk.put("no such handle", 0, b"some");
    talk.put(&"h".repeat(3_000), 0, b"some");
    talk.put("h", 0, b"some");
    talk.close("h");
    assert_eq!(talk.ended(), [put_file("/a", whole(b"some"))]);
}

#[test]
fn an_id_that_waits_is_not_taken_twice() {
    let mut talk = Talk::begun();
    talk.client(&[ask(17, 5, "/none"), ask(13, 5, "/a")].concat());
    talk.server(&[status(5, 2), status(5, 0)].concat());
    assert_eq!(talk.ended(), [Event::Confused { side: Side::Client, why: Confusion::RepeatedId(5) }]);
}

#[test]
fn thousands_of_handles_are_not_followed_but_named() {
    let mut talk = Talk::begun();
    for n in 0..3_000 {
        talk.open(&format!("/{n}"), PUT, &n.to_string());
    }
    let told = |n: usize| Event::Unfollowed { path: format!("/{n}").into_bytes(), opened: PUT };
    assert_eq!(talk.seen, (MAX_FILES..3_000).map(told).collect::<Vec<_>>());
    talk.close("0");
    talk.open("/again", PUT, "again");
    assert_eq!(talk.seen.len(), 3_000 - MAX_FILES + 1);
    talk.open("/long handle", PUT, &"h".repeat(257));
    assert!(matches!(talk.seen.last(), Some(Event::Unfollowed { path, .. }) if path == b"/long handle"));
    assert_eq!(talk.ended().len(), 3_000 - MAX_FILES + 2 + MAX_FILES);
}

#[test]
fn questions_beyond_what_is_remembered_confuse() {
    let confused = Event::Confused { side: Side::Client, why: Confusion::TooMuchAsked };
    let mut talk = Talk::begun();
    for id in 0..4_096 {
        talk.client(&ask(17, id, "/a"));
    }
    assert_eq!(talk.seen, []);
    talk.client(&ask(13, 4_096, "/b"));
    assert_eq!(talk.ended(), [confused.clone(), changed(Operation::Remove, "/b", Answer::Missing)]);
    let mut talk = Talk::begun();
    let path = "a".repeat(MAX_PATH);
    for id in 0..257 {
        talk.client(&ask(13, id, &path));
    }
    assert_eq!((talk.seen.len(), talk.seen.first()), (258, Some(&confused)));
}

#[test]
fn giant_paths_are_cut_and_what_is_behind_them_is_read() {
    let (from, to) = ("f".repeat(1_000_000), "t".repeat(1_000_000));
    let mut talk = Talk::begun();
    talk.client(&packet(18, &[&1u32.to_be_bytes(), &text(&from), &text(&to)]));
    talk.server(&packet(101, &[&1u32.to_be_bytes(), &4u32.to_be_bytes(), &text("x".repeat(100_000)), &text("")]));
    let rename = Operation::Rename { to: to.as_bytes()[..MAX_PATH].to_vec(), replace: false };
    let answer = Answer::Refused { code: 4, reason: vec![b'x'; 1_024] };
    assert_eq!(talk.seen, [changed(rename, &from[..MAX_PATH], answer)]);
}

#[derive(Debug, Clone)]
enum Sent {
    Client(Vec<u8>),
    Server(Vec<u8>),
}

/// Packets that are likely to belong together.
fn any_packet() -> impl Strategy<Value = Sent> {
    let id = || 0u32..4;
    let handle = || prop_oneof![Just("h"), Just("i"), Just("")];
    let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
    let client = prop_oneof![
        (id(), "[a-c]{0,3}", 0u32..64).prop_map(|(id, path, flags)| open(id, &path, OpenFlags(flags))),
        (id(), handle()).prop_map(|(id, handle)| ask(4, id, handle)),
        (id(), handle(), 0u64..9).prop_map(|(id, handle, offset)| read(id, handle, offset, 9)),
        (id(), handle(), 0u64..3, bytes()).prop_map(|(id, handle, offset, data)| write(id, handle, offset * 3, &data)),
        (7u8..21, id(), "[a-c]{0,3}").prop_map(|(kind, id, path)| packet(kind, &[&id.to_be_bytes(), &text(&path), &text("x")])),
        (id(), handle()).prop_map(|(id, handle)| extended(id, "copy-data", &[&text("i"), &[0; 16], &text(handle), &[0; 8]])),
        (any::<u8>(), bytes()).prop_map(|(kind, body)| packet(kind, &[&body])),
    ];
    let server = prop_oneof![
        3 => (id(), 0u32..3).prop_map(|(id, code)| status(id, code)),
        3 => (id(), handle()).prop_map(|(id, handle)| handle_for(id, handle)),
        3 => (id(), bytes()).prop_map(|(id, body)| data(id, &body)),
        1 => (any::<u8>(), bytes()).prop_map(|(kind, body)| packet(kind, &[&body])),
    ];
    prop_oneof![client.prop_map(Sent::Client), server.prop_map(Sent::Server)]
}

/// Gives each request an id of its own, and each answer the id of one of the last requests.
fn paired(mut sent: Vec<Sent>) -> Vec<Sent> {
    let mut next = 0u32;
    for sent in &mut sent {
        match sent {
            Sent::Client(bytes) if bytes.len() >= 9 => {
                bytes[5..9].copy_from_slice(&next.to_be_bytes());
                next += 1;
            }
            Sent::Server(bytes) if bytes.len() >= 9 => {
                let back = 1 + u32::from(bytes[8] % 4);
                bytes[5..9].copy_from_slice(&next.saturating_sub(back).to_be_bytes());
            }
            Sent::Client(_) | Sent::Server(_) => {}
        }
    }
    sent
}

fn events(sent: &[Sent], cuts: &[usize]) -> Vec<Event> {
    let mut talk = Talk::begun();
    let mut cuts = cuts.iter().cycle();
    for sent in sent {
        let (Sent::Client(bytes) | Sent::Server(bytes)) = sent;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at((*cuts.next().unwrap_or(&usize::MAX)).clamp(1, rest.len()));
            rest = behind;
            match sent {
                Sent::Client(_) => talk.client(piece),
                Sent::Server(_) => talk.server(piece),
            }
        }
    }
    talk.ended()
}

proptest! {
    #[test]
    fn chunks_change_nothing(
        sent in proptest::collection::vec(any_packet(), 0..60),
        cuts in proptest::collection::vec(1usize..20, 1..12),
    ) {
        let sent = paired(sent);
        prop_assert_eq!(events(&sent, &cuts), events(&sent, &[]));
    }

    #[test]
    fn no_bytes_panic(
        client in proptest::collection::vec(any::<u8>(), 0..400),
        server in proptest::collection::vec(any::<u8>(), 0..400),
        cuts in proptest::collection::vec(1usize..20, 1..6),
    ) {
        let sent = [Sent::Client(client), Sent::Server(server)];
        prop_assert_eq!(events(&sent, &cuts), events(&sent, &[]));
    }
}
