//! The PostgreSQL codec: nothing panics, nothing grows without bound, and chunks change nothing.

use ajar_wire::pg::auth::{self, State, Step};
use ajar_wire::pg::frame;
use ajar_wire::pg::scan::{BackendEvent, BackendScanner, FrontendEvent, FrontendScanner};
use ajar_wire::pg::scram::{self, ChannelBinding, ScramKeys};
use ajar_wire::pg::startup::{self, Packet, Progress};
use ajar_wire::pg::statements::{Limits, Statements};

/// A client's first packet; what is read can be sent on and means the same.
pub fn startup(data: &[u8]) {
    let _ = startup::ssl_reply(data);
    let Ok(Progress::Complete { packet: Packet::Startup(mut asked), .. }) = startup::parse(data) else { return };
    if asked.take_ajar_settings().is_err() {
        return;
    }
    let Ok(bytes) = asked.upstream("login", "database") else { return };
    let Ok(Progress::Complete { packet: Packet::Startup(sent), size }) = startup::parse(&bytes) else {
        panic!("what was built can't be read: {bytes:?}")
    };
    assert_eq!(size, bytes.len());
    assert_eq!((sent.user.as_str(), sent.database.as_str()), ("login", "database"));
    assert_eq!(sent.options, asked.options);
    let passed_on = asked.parameters.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("replication"));
    assert!(sent.parameters.iter().eq(passed_on));
}

/// A client's stream: the first byte says how it is cut, the second how much of a statement is kept.
pub fn frontend(data: &[u8]) {
    let [cut, capture, stream @ ..] = data else { return };
    let scan = |size: usize| {
        let mut scanner = FrontendScanner::new(usize::from(*capture));
        let (mut events, mut copied) = (Vec::new(), 0);
        let mut refused = None;
        for chunk in stream.chunks(size) {
            let result = scanner.scan(chunk, &mut |event| match event {
                FrontendEvent::CopyData { messages, .. } => copied += messages,
                event => events.push(format!("{event:?} behind {copied}")),
            });
            if let Err(error) = result {
                refused = Some(error);
                break;
            }
        }
        (events, copied, refused)
    };
    assert_eq!(scan(stream.len().max(1)), scan(usize::from(*cut).max(1)));
}

/// Both directions, each chunk with a byte that says whose it is and one for its length: the pairing stays within its
/// limits and ends with nothing pending.
pub fn backend(data: &[u8]) {
    let limits = Limits { names: 4, name_bytes: 64, results: 2, ..Limits::default() };
    let mut machine = Statements::new(limits);
    let (mut front, mut back) = (FrontendScanner::new(32), BackendScanner::new());
    let (mut out, mut questions) = (Vec::new(), 0usize);
    let mut rest = data;
    while let [side, len, tail @ ..] = rest {
        let (chunk, behind) = tail.split_at(tail.len().min(usize::from(*len)));
        rest = behind;
        let result = if side % 2 == 0 {
            front.scan(chunk, &mut |event| {
                questions += usize::from(matches!(
                    event,
                    FrontendEvent::Query(_) | FrontendEvent::Execute { .. } | FrontendEvent::FunctionCall { .. }
                ));
                machine.frontend(event, 0, &mut out);
            })
        } else {
            back.scan(chunk, &mut |event: BackendEvent<'_>| machine.backend(event, 0, &mut out))
        };
        if result.is_err() {
            break;
        }
    }
    machine.finish(0, &mut out);
    assert!(machine.is_idle());
    assert!(out.len() >= questions, "a question is on no record");
}

/// A target's messages while we sign in.
pub fn scram(data: &[u8]) {
    let Ok(keys) = ScramKeys::derive("password", b"salt", 1) else { return };
    if let Ok((state, _)) = scram::begin(keys.clone(), "0123456789abcdefghij", &ChannelBinding::None, false) {
        let (first, last) = data.split_at(data.len() / 2);
        if let Ok((state, _)) = state.server_first(first) {
            assert!(state.server_final(last).is_err(), "a server without the verifier has proven itself");
        }
    }
    let mut state = State::begin(keys, "0123456789abcdefghij".into(), ChannelBinding::TlsServerEndPoint(vec![1; 32]));
    let mut rest = data;
    while let Ok(Some(frame)) = frame::next(rest, auth::MAX_MESSAGE) {
        rest = rest.get(frame.raw.len()..).unwrap_or_default();
        state = match state.receive(&frame) {
            Ok(Step::Wait(state) | Step::Send(state, _)) => state,
            Ok(Step::Done(_)) => panic!("signed in to a target that doesn't know the verifier"),
            Err(_) => return,
        };
    }
}
