use proptest::prelude::*;

use super::*;

const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

fn keys() -> ScramKeys {
    ScramKeys::derive("pencil", &BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(), 4096).unwrap()
}

fn begun() -> AwaitServerFirst {
    begin(keys(), NONCE, &ChannelBinding::None, false).unwrap().0
}

fn answer(server_first: &str) -> Result<(AwaitServerFinal, Vec<u8>), ScramError> {
    begun().server_first(server_first.as_bytes())
}

/// The server's side, from a verifier, for the tests. Written after the RFC and not after the client above.
fn server_proof(verifier: &str, client_first_bare: &str, server_first: &str, client_final: &str) -> Result<String, ()> {
    let (_, stored_and_server) = verifier.rsplit_once('$').unwrap();
    let (stored, server) = stored_and_server.split_once(':').unwrap();
    let [stored, server]: [[u8; 32]; 2] = [stored, server].map(|key| BASE64.decode(key).unwrap().try_into().unwrap());
    let (without_proof, proof) = client_final.rsplit_once(",p=").unwrap();
    let auth_message = format!("{client_first_bare},{server_first},{without_proof}");
    let sign = |key: &[u8]| -> [u8; 32] {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).unwrap();
        mac.update(auth_message.as_bytes());
        mac.finalize().into_bytes().into()
    };
    let mut client_key = BASE64.decode(proof).unwrap();
    for (byte, mask) in client_key.iter_mut().zip(sign(&stored)) {
        *byte ^= mask;
    }
    if Sha256::digest(&client_key)[..] != stored[..] {
        return Err(());
    }
    Ok(format!("v={}", BASE64.encode(sign(&server))))
}

/// RFC 7677, section 3, but for its user name: there the client's first message says `n=user`, PostgreSQL's says `n=`.
#[test]
fn the_keys_are_those_of_rfc_7677() {
    let keys = keys();
    let auth_message = format!("n=user,r={NONCE},{SERVER_FIRST},c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
    let mut proof = hmac(&keys.stored_key, &[auth_message.as_bytes()]);
    for (byte, key) in proof.iter_mut().zip(keys.client_key) {
        *byte ^= key;
    }
    assert_eq!(BASE64.encode(proof), "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    assert_eq!(BASE64.encode(hmac(&keys.server_key, &[auth_message.as_bytes()])), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    assert_eq!(
        keys.verifier(),
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    );
}

#[test]
fn an_exchange_proves_both_sides_with_and_without_channel_binding() {
    let bound = ChannelBinding::TlsServerEndPoint(vec![7; 32]);
    for (binding, plus, header) in
        [(ChannelBinding::None, false, "n,,"), (bound.clone(), true, "p=tls-server-end-point,,"), (bound, false, "y,,")]
    {
        let (state, first) = begin(keys(), NONCE, &binding, plus).unwrap();
        let first = String::from_utf8(first).unwrap();
        let bare = first.strip_prefix(header).unwrap();
        let (state, last) = state.server_first(SERVER_FIRST.as_bytes()).unwrap();
        let last = String::from_utf8(last).unwrap();
        let c = BASE64.decode(last.strip_prefix("c=").unwrap().split(',').next().unwrap()).unwrap();
        assert_eq!(c, if plus { [header.as_bytes(), &[7; 32]].concat() } else { header.as_bytes().to_vec() });
        let proof = server_proof(&keys().verifier(), bare, SERVER_FIRST, &last).unwrap();
        state.server_final(proof.as_bytes()).unwrap();
    }
}

#[test]
fn another_password_convinces_nobody() {
    let other = ScramKeys::derive("pencil2", &keys().salt, 4096).unwrap();
    let (state, first) = begin(other, NONCE, &ChannelBinding::None, false).unwrap();
    let (state, last) = state.server_first(SERVER_FIRST.as_bytes()).unwrap();
    let bare = String::from_utf8(first).unwrap().split_off(3);
    assert_eq!(server_proof(&keys().verifier(), &bare, SERVER_FIRST, &String::from_utf8(last).unwrap()), Err(()));
    let forged = format!("v={}", BASE64.encode([1; 32]));
    assert_eq!(state.server_final(forged.as_bytes()).unwrap_err(), ScramError::ServerSignature);
}

#[test]
fn p03_a_huge_iteration_count_or_a_foreign_salt_is_refused_without_hashing() {
    for i in ["2147483647", "4294967295", "4097", "1"] {
        let message = SERVER_FIRST.replace("4096", i);
        assert_eq!(answer(&message).unwrap_err(), ScramError::Foreign);
    }
    assert_eq!(answer(&SERVER_FIRST.replace("W22Z", "W22a")).unwrap_err(), ScramError::Foreign);
    assert_eq!(answer(&SERVER_FIRST.replace("4096", "99999999999")).unwrap_err(), ScramError::Malformed);
}

#[test]
fn p03_a_hostile_servers_first_message_is_refused() {
    for nonce in [NONCE, "", "rOprNGfwEbeRWgbNEkqX_other_nonce", "rOprNGfwEbeRWgbNEkqO\u{7f}"] {
        let message = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        assert_eq!(answer(&message).unwrap_err(), ScramError::ServerNonce, "{nonce}");
    }
    let endless = format!("{SERVER_FIRST},x={}", "a".repeat(MAX_MESSAGE));
    for message in ["", "m=x,r=a,s=b,i=1", "r=rOprNGfwEbeRWgbNEkqOa,s=!!,i=4096", "r=rOprNGfwEbeRWgbNEkqOa,i=4096", &endless] {
        assert_eq!(answer(message).unwrap_err(), ScramError::Malformed, "{message}");
    }
    assert_eq!(begun().server_first(b"r=\xff").unwrap_err(), ScramError::Malformed);
}

#[test]
fn p03_a_server_that_fails_or_cannot_prove_itself_is_refused() {
    let last = |message: &[u8]| answer(SERVER_FIRST).unwrap().0.server_final(message).unwrap_err();
    assert_eq!(last(b"e=other-error"), ScramError::Refused("other-error".into()));
    assert_eq!(last(b"v=AAAA"), ScramError::ServerSignature);
    assert_eq!(last(b"v="), ScramError::ServerSignature);
    assert_eq!(last(b"v=*"), ScramError::Malformed);
    assert_eq!(last(b""), ScramError::Malformed);
}

#[test]
fn i17_keys_never_show() {
    let shown = format!("{:?} {:?} {:?}", keys(), begun().keys, answer(SERVER_FIRST).unwrap().0);
    assert_eq!(shown, "ScramKeys(redacted) ScramKeys(redacted) AwaitServerFinal");
}

#[test]
fn unusable_inputs_are_refused() {
    assert_eq!(ScramKeys::derive("pässword", b"salt", 1).unwrap_err(), ScramError::Password);
    assert_eq!(ScramKeys::derive("", b"salt", 1).unwrap_err(), ScramError::Password);
    for (salt, iterations) in [(&b""[..], 1), (b"salt", 0), (b"salt", MAX_ITERATIONS + 1), (&[0; MAX_SALT + 1], 1)] {
        assert_eq!(ScramKeys::derive("x", salt, iterations).unwrap_err(), ScramError::Parameters);
    }
    for nonce in ["short", "has,a,comma,in,it,somewhere", "has a space in it somewhere"] {
        assert_eq!(begin(keys(), nonce, &ChannelBinding::None, false).unwrap_err(), ScramError::ClientNonce);
    }
}

proptest! {
    #[test]
    fn p03_no_servers_bytes_panic(first in proptest::collection::vec(any::<u8>(), 0..200), last in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut extended = format!("r={NONCE}").into_bytes();
        extended.extend(&first);
        let keys = ScramKeys::derive("x", b"s", 1).unwrap();
        for message in [&first, &extended] {
            let state = begin(keys.clone(), NONCE, &ChannelBinding::None, false).unwrap().0;
            let _ = state.server_first(message);
        }
        let _ = AwaitServerFinal { expected: [0; 32] }.server_final(&last);
    }
}
