#![expect(clippy::wildcard_enum_match_arm, reason = "anything else fails the test")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::super::frame;
use super::*;

const NONCE: &str = "0123456789abcdefghij";

fn keys() -> ScramKeys {
    ScramKeys::derive("lease-password", b"0123456789abcdef", 7).unwrap()
}

fn begin() -> State {
    State::begin(keys(), NONCE.into(), ChannelBinding::None)
}

fn msg(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    out.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    out.extend(body);
    out
}

fn authentication(method: u32, data: &[u8]) -> Vec<u8> {
    msg(b'R', &[&method.to_be_bytes()[..], data].concat())
}

fn receive(state: State, message: &[u8]) -> Result<Step, AuthError> {
    state.receive(&frame::next(message, MAX_MESSAGE).unwrap().unwrap())
}

fn sent(step: Step) -> (State, Vec<u8>) {
    match step {
        Step::Send(state, bytes) => (state, bytes),
        other => panic!("{other:?}"),
    }
}

fn waiting(step: Step) -> State {
    match step {
        Step::Wait(state) => state,
        other => panic!("{other:?}"),
    }
}

/// A server that knows the verifier and nothing else: its first message, then its answer to ours.
fn server_final(verifier: &str, first: &str, client_final: &str) -> String {
    let server_key = BASE64.decode(verifier.rsplit_once(':').unwrap().1).unwrap();
    let without_proof = client_final.rsplit_once(",p=").unwrap().0;
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&server_key).unwrap();
    mac.update(format!("n=,r={NONCE},{first},{without_proof}").as_bytes());
    format!("v={}", BASE64.encode(mac.finalize().into_bytes()))
}

/// Signed in up to AuthenticationOk.
fn ready() -> State {
    let state = begin();
    let (state, first) = sent(receive(state, &authentication(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")).unwrap());
    assert_eq!(first[5..], *format!("SCRAM-SHA-256\0\0\0\0\x1cn,,n=,r={NONCE}").as_bytes());
    let server_first = format!("r={NONCE}server,s={},i=7", BASE64.encode(b"0123456789abcdef"));
    let (state, last) = sent(receive(state, &authentication(11, server_first.as_bytes())).unwrap());
    let last = std::str::from_utf8(&last[5..]).unwrap();
    let state = waiting(receive(state, &authentication(12, server_final(&keys().verifier(), &server_first, last).as_bytes())).unwrap());
    waiting(receive(state, &authentication(0, b"")).unwrap())
}

#[test]
fn signs_in_and_collects_what_is_for_the_client() {
    let mut state = ready();
    let parameter = msg(b'S', b"server_version\x0018\0");
    let notice = msg(b'N', b"SNOTICE\0\0");
    for message in [&parameter, &notice, &msg(b'K', b"\0\0\0\x07secret-of-32-bytes-in-protocol-32")] {
        state = waiting(receive(state, message).unwrap());
    }
    let Step::Done(done) = receive(state, &msg(b'Z', b"I")).unwrap() else { panic!() };
    assert_eq!(done.forward, [parameter, notice].concat());
    assert_eq!(done.status, TransactionStatus::Idle);
    assert_eq!(done.cancel_key.as_ref().unwrap().pid, 7);
    assert!(!format!("{done:?}").contains("115, 101, 99"), "I17: the cancel key never shows");
}

#[test]
fn channel_binding_is_used_where_both_sides_have_it() {
    let hash: Vec<u8> = Sha256::digest(b"certificate").to_vec();
    let binding = ChannelBinding::TlsServerEndPoint(hash);
    let state = State::begin(keys(), NONCE.into(), binding);
    let (_, first) = sent(receive(state, &authentication(10, b"SCRAM-SHA-256\0SCRAM-SHA-256-PLUS\0\0")).unwrap());
    assert!(first[5..].starts_with(b"SCRAM-SHA-256-PLUS\0"));
}

#[test]
fn p03_anything_weaker_than_scram_is_refused() {
    for method in [0u32, 2, 3, 5, 6, 7, 9, 11, 12, u32::MAX] {
        assert_eq!(receive(begin(), &authentication(method, b"salt")).unwrap_err(), AuthError::Method(method));
    }
    for mechanisms in [&b"\0"[..], b"", b"PLAIN\0\0", b"SCRAM-SHA-256-PLUS\0\0", b"OAUTHBEARER\0SCRAM-SHA-256"] {
        assert_eq!(receive(begin(), &authentication(10, mechanisms)).unwrap_err(), AuthError::Mechanism);
    }
    assert!(matches!(receive(begin(), &msg(b'R', b"\0")), Err(AuthError::Wire(WireError::Malformed { .. }))));
}

#[test]
fn p03_a_server_that_skips_its_proof_is_refused() {
    let (state, _) = sent(receive(begin(), &authentication(10, b"SCRAM-SHA-256\0\0")).unwrap());
    assert_eq!(receive(state, &authentication(0, b"")).unwrap_err(), AuthError::Method(0));
    let (state, _) = sent(receive(begin(), &authentication(10, b"SCRAM-SHA-256\0\0")).unwrap());
    let server_first = format!("r={NONCE}server,s={},i=7", BASE64.encode(b"0123456789abcdef"));
    let (state, _) = sent(receive(state, &authentication(11, server_first.as_bytes())).unwrap());
    assert_eq!(receive(state, &authentication(0, b"")).unwrap_err(), AuthError::Method(0));
}

#[test]
fn p03_a_huge_iteration_count_is_refused_without_hashing() {
    let (state, _) = sent(receive(begin(), &authentication(10, b"SCRAM-SHA-256\0\0")).unwrap());
    let server_first = format!("r={NONCE}server,s={},i=2147483647", BASE64.encode(b"0123456789abcdef"));
    assert_eq!(receive(state, &authentication(11, server_first.as_bytes())).unwrap_err(), AuthError::Scram(ScramError::Foreign));
}

#[test]
fn a_targets_refusal_comes_out_in_every_state() {
    let refusal = msg(b'E', b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0\0");
    for state in [begin(), ready()] {
        let Err(AuthError::Target(error)) = receive(state, &refusal) else { panic!() };
        assert_eq!((error.sqlstate.as_str(), error.is_fatal()), ("28P01", true));
    }
}

#[test]
fn p03_a_target_that_never_gets_ready_is_cut_off() {
    let mut state = ready();
    let parameter = msg(b'S', b"a\0b\0");
    for _ in 0..MAX_MESSAGES {
        state = waiting(receive(state, &parameter).unwrap());
    }
    assert_eq!(receive(state, &parameter).unwrap_err(), AuthError::TooMuch);
    let mut state = ready();
    let big = msg(b'N', &[b'x'; 30_000]);
    for _ in 0..2 {
        state = waiting(receive(state, &big).unwrap());
    }
    assert_eq!(receive(state, &big).unwrap_err(), AuthError::TooMuch);
    // P1: longer than any message while signing in.
    assert!(frame::next(&msg(b'S', &[b'x'; 30_001]), MAX_MESSAGE).is_err());
}

#[test]
fn p03_odd_messages_while_the_connection_starts_are_refused() {
    for message in
        [msg(b'K', b"\0\0\0"), msg(b'K', b"\0\0\0\x01abc"), msg(b'K', &[0; 261]), msg(b'Z', b""), msg(b'Z', b"x"), msg(b'Z', b"II")]
    {
        assert!(matches!(receive(ready(), &message), Err(AuthError::Wire(WireError::Malformed { .. }))), "{message:?}");
    }
    for tag in *b"RDT1CvA" {
        assert_eq!(receive(ready(), &msg(tag, b"\0\0\0\0")).unwrap_err(), AuthError::Wire(WireError::NotAllowed { tag }));
    }
    for tag in *b"SNKZv" {
        assert_eq!(receive(begin(), &msg(tag, b"\0\0\0\0")).unwrap_err(), AuthError::Wire(WireError::NotAllowed { tag }));
    }
    let state = waiting(receive(ready(), &msg(b'K', b"\0\0\0\x01abcd")).unwrap());
    assert!(receive(state, &msg(b'K', b"\0\0\0\x01abcd")).is_err());
}

proptest! {
    #[test]
    fn p03_no_targets_bytes_panic(messages in proptest::collection::vec((any::<u8>(), 0u32..13, proptest::collection::vec(any::<u8>(), 0..40)), 1..6)) {
        for (first, mut state) in [(true, begin()), (false, ready())] {
            for (tag, method, data) in &messages {
                let message = if first || tag % 2 == 0 { authentication(*method, data) } else { msg(*tag, data) };
                state = match receive(state, &message) {
                    Ok(Step::Wait(state) | Step::Send(state, _)) => state,
                    Ok(Step::Done(_)) | Err(_) => break,
                };
            }
        }
    }
}
