#![expect(clippy::wildcard_enum_match_arm, reason = "anything else fails the test")]

use proptest::prelude::*;

use super::*;

fn packet(version: u32, body: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(8 + body.len()).unwrap().to_be_bytes().to_vec();
    out.extend(version.to_be_bytes());
    out.extend(body);
    out
}

fn read(bytes: &[u8]) -> Result<Packet, StartupError> {
    match parse(bytes)? {
        Progress::Complete { packet, .. } => Ok(packet),
        Progress::Incomplete { need } => panic!("incomplete: {need}"),
    }
}

fn startup(body: &[u8]) -> Result<Startup, StartupError> {
    match read(&packet(3 << 16, body))? {
        Packet::Startup(startup) => Ok(startup),
        other => panic!("{other:?}"),
    }
}

const SSL: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const GSS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];

#[test]
fn reads_a_start_up_message() {
    let s = startup(b"user\0dev\0database\0orders\0application_name\0psql\0\0").unwrap();
    assert_eq!((s.user.as_str(), s.database.as_str()), ("dev", "orders"));
    assert_eq!(s.parameters, [("application_name".to_owned(), "psql".to_owned())]);
    assert!(!s.needs_negotiation());
    assert_eq!(startup(b"user\0dev\0\0").unwrap().database, "dev");
}

#[test]
fn tells_how_many_bytes_are_needed() {
    let whole = packet(3 << 16, b"user\0dev\0\0");
    for cut in 0..whole.len() {
        let need = if cut < 4 { 8 } else { whole.len() };
        assert_eq!(parse(&whole[..cut]), Ok(Progress::Incomplete { need }), "{cut}");
    }
}

#[test]
fn p01_impossible_lengths_are_refused_on_the_first_four_bytes() {
    for len in [0u32, 4, 7, 10_001, 0x0fff_ffff, 0x8000_0000, 0xffff_ffff] {
        assert_eq!(parse(&len.to_be_bytes()), Err(StartupError::Length(len)));
    }
}

#[test]
fn p02_plaintext_behind_an_encryption_request_is_refused() {
    assert_eq!(read(&SSL), Ok(Packet::SslRequest));
    assert_eq!(read(&GSS), Ok(Packet::GssEncRequest));
    for request in [SSL, GSS] {
        let mut bytes = request.to_vec();
        bytes.push(b'Q');
        assert_eq!(parse(&bytes), Err(StartupError::BytesBehindRequest));
    }
}

#[test]
fn p02_bytes_behind_a_servers_tls_answer_are_refused() {
    assert_eq!(ssl_reply(b""), Ok(None));
    assert_eq!(ssl_reply(b"S"), Ok(Some(true)));
    assert_eq!(ssl_reply(b"N"), Ok(Some(false)));
    assert_eq!(ssl_reply(b"SE"), Err(StartupError::BytesBehindRequest));
    assert_eq!(ssl_reply(b"E"), Err(StartupError::Unterminated));
}

#[test]
fn direct_tls_is_told_by_its_first_byte() {
    assert_eq!(parse(&[0x16]), Ok(Progress::Complete { packet: Packet::DirectTls, size: 0 }));
}

#[test]
fn p05_cancel_requests_of_every_version_are_read_and_hide_their_secret() {
    for len in [4usize, 32, 256] {
        let mut body = 77u32.to_be_bytes().to_vec();
        body.extend(vec![0xab; len]);
        let Packet::Cancel(key) = read(&packet(80_877_102, &body)).unwrap() else { panic!() };
        assert_eq!((key.pid, key.secret.len()), (77, len));
        assert!(!format!("{key:?}").contains("171"));
        let mut out = Vec::new();
        super::super::messages::cancel_request(&mut out, &key);
        assert_eq!(read(&out), Ok(Packet::Cancel(key)));
    }
    for len in [0usize, 3, 257] {
        let mut body = 77u32.to_be_bytes().to_vec();
        body.extend(vec![0xab; len]);
        assert_eq!(read(&packet(80_877_102, &body)), Err(StartupError::CancelKey(len)));
    }
}

#[test]
fn p06_crafted_names_are_refused() {
    let name = |user: &[u8]| {
        let mut body = b"user\0".to_vec();
        body.extend(user);
        body.extend(b"\0\0");
        startup(&body)
    };
    assert_eq!(name(b"dev\nLOG: forged"), Err(StartupError::Name("user")));
    assert_eq!(name(b"dev\x1b[2J"), Err(StartupError::Name("user")));
    assert_eq!(name("dev\u{202e}".as_bytes()), Err(StartupError::Name("user")));
    assert_eq!(name(&[b'a'; 256]), Err(StartupError::Name("user")));
    assert_eq!(name(b"\xff\xfe"), Err(StartupError::NotUtf8));
    assert_eq!(name(b""), Err(StartupError::NoUser));
    assert!(name("dev\"; DROP ROLE x; --é".as_bytes()).is_ok());
    assert_eq!(startup(b"user\0dev\0database\0o\x07\0\0"), Err(StartupError::Name("database")));
    assert_eq!(startup(b"user\0dev\0user\0root\0\0"), Err(StartupError::Duplicate("user".into())));
    assert_eq!(startup(b"user\0dev\0a\x001\0A\x002\0\0"), Err(StartupError::Duplicate("A".into())));
    assert_eq!(startup(b"user\0dev\0"), Err(StartupError::Unterminated));
    assert_eq!(startup(b"user\0dev\0\0database\0x\0\0"), Err(StartupError::Unterminated));
    assert_eq!(startup(b"user"), Err(StartupError::Unterminated));
    assert_eq!(startup(b"\0"), Err(StartupError::NoUser));
}

#[test]
fn too_many_parameters_are_refused() {
    let mut body = b"user\0dev\0".to_vec();
    for i in 0..MAX_PARAMETERS {
        body.extend(format!("p{i}\0v\0").bytes());
    }
    body.push(0);
    assert_eq!(startup(&body), Err(StartupError::TooManyParameters));
}

#[test]
fn versions_are_negotiable() {
    let ask = |minor: u32, body: &[u8]| match read(&packet((3 << 16) | minor, body)) {
        Ok(Packet::Startup(s)) => s,
        other => panic!("{other:?}"),
    };
    assert!(!ask(2, b"user\0u\0\0").needs_negotiation());
    assert_eq!(ask(0, b"user\0u\0\0").spoken(), Version::V3_0);
    assert_eq!(ask(9999, b"user\0u\0\0").spoken(), Version::V3_2);
    assert!(ask(9999, b"user\0u\0\0").needs_negotiation());
    let greased = ask(0, b"user\0u\0_pq_.grease\0x\0\0");
    assert!(greased.needs_negotiation());
    assert_eq!((greased.protocol_options.len(), greased.parameters.len()), (1, 0));
    assert_eq!(read(&packet(2 << 16, b"\0")), Err(StartupError::Version { major: 2, minor: 0 }));
}

#[test]
fn our_settings_are_taken_out_of_options_and_parameters() {
    let line = r"-c ajar.role=write --ajar.for=10m -c statement_timeout=5s -e -c Ajar.Reason=INC-7:\ fix\ stuck\ order\\ --search-path=a";
    let mut s = startup(format!("user\0dev\0options\0{line}\0ajar.ticket\0OPS-1\0TimeZone\0UTC\0\0").as_bytes()).unwrap();
    let ours = s.take_ajar_settings().unwrap();
    assert_eq!(ours.role.as_deref(), Some("write"));
    assert_eq!(ours.duration.as_deref(), Some("10m"));
    assert_eq!(ours.reason.as_deref(), Some("INC-7: fix stuck order\\"));
    assert_eq!(ours.ticket.as_deref(), Some("OPS-1"));
    assert_eq!(s.options.to_string(), "-c statement_timeout=5s -e -c search_path=a");
    assert_eq!(s.parameters, [("TimeZone".to_owned(), "UTC".to_owned())]);

    let Packet::Startup(sent) = read(&s.upstream("ajar_u1", "orders").unwrap()).unwrap() else { panic!() };
    assert_eq!((sent.user.as_str(), sent.database.as_str()), ("ajar_u1", "orders"));
    assert_eq!((sent.options, sent.parameters), (s.options, s.parameters));
}

#[test]
fn a_misspelt_setting_of_ours_is_refused_and_an_option_without_value_too() {
    let mut s = startup(b"user\0dev\0options\0-c ajar.rol=x\0\0").unwrap();
    assert_eq!(s.take_ajar_settings(), Err(StartupError::UnknownSetting("ajar.rol".into())));
    assert_eq!(Options::parse("-c"), Err(StartupError::OptionValue("-c".into())));
    assert_eq!(Options::parse("--verbose"), Err(StartupError::OptionValue("verbose".into())));
}

#[test]
fn replication_is_noticed_and_never_passed_on() {
    let s = startup(b"user\0dev\0replication\0database\0\0").unwrap();
    assert!(s.wants_replication());
    let Packet::Startup(sent) = read(&s.upstream("u", "d").unwrap()).unwrap() else { panic!() };
    assert_eq!(sent.parameter("replication"), None);
    assert!(!startup(b"user\0dev\0replication\0off\0\0").unwrap().wants_replication());
}

#[test]
fn p06_nothing_is_smuggled_into_the_targets_start_up_message() {
    let s = startup(b"user\0dev\0\0").unwrap();
    assert!(matches!(s.upstream("a\0database\0postgres", "d"), Err(StartupError::Build(_))));
    assert!(matches!(s.upstream(&"a".repeat(10_000), "d"), Err(StartupError::Build(_))));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), version in prop_oneof![Just(3u32 << 16), Just(80_877_102u32), any::<u32>()]) {
        let _ = parse(&bytes);
        let _ = parse(&packet(version, &bytes));
    }

    #[test]
    fn options_survive_being_written_and_read(words in proptest::collection::vec("[-a-c.= \\\\\t\u{e9}\u{a0}]{1,8}", 0..6)) {
        let line: String = words.iter().map(|w| w.replace('\\', "\\\\").replace(' ', "\\ ").replace('\t', "\\\t")).collect::<Vec<_>>().join(" ");
        if let Ok(options) = Options::parse(&line) {
            prop_assert_eq!(Options::parse(&options.to_string()), Ok(options));
        }
    }

    #[test]
    fn what_is_sent_upstream_is_what_was_asked(names in proptest::collection::btree_map("[a-z_.]{1,10}", "[^\\x00]{0,20}", 0..8), value in "[^\\x00]{0,30}") {
        let mut body = b"user\0dev\0".to_vec();
        for (name, value) in names.iter().filter(|(n, _)| !["user", "database", "options", "replication"].contains(&n.as_str()) && !n.starts_with("_pq_.")) {
            body.extend(format!("{name}\0{value}\0").bytes());
        }
        body.push(0);
        let mut asked = startup(&body).unwrap();
        asked.options.items.push(OptionItem::Setting { name: "a.b".into(), value });
        let Packet::Startup(sent) = read(&asked.upstream("u", "d").unwrap()).unwrap() else { panic!() };
        prop_assert_eq!(sent.parameters, asked.parameters);
        prop_assert_eq!(sent.options, asked.options);
    }
}
