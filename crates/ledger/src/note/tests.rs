//! The vectors of Go's sumdb/note package and of the specification, and what must be refused.

use ajar_core::secret::Secret;
use proptest::prelude::*;

use super::*;

const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETER_SECRET: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const PETER_SIGNED: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const ENOCH_SIGNED: &str = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

fn secret(text: &str) -> Result<Signer, KeyError> {
    Signer::from_text(&Secret::new(text.to_owned()))
}

#[test]
fn a_key_survives_its_text_and_no_other_text_is_a_key() {
    let key: VerifierKey = PETER.parse().unwrap();
    assert_eq!((key.name(), key.id()), ("PeterNeumann", 0xc74f_20a3));
    assert_eq!(key.to_string(), PETER);
    for i in 0..=PETER.len() {
        for j in i + 1..=PETER.len() {
            assert!((i, j) == (0, PETER.len()) || PETER[i..j].parse::<VerifierKey>().is_err(), "{i}..{j}");
        }
    }
    for i in 0..PETER.len() {
        let mut bytes = PETER.as_bytes().to_vec();
        bytes[i] += 1;
        assert!(String::from_utf8(bytes).unwrap().parse::<VerifierKey>().is_err(), "byte {i}");
    }
    // Too long, and of an unknown algorithm, with ids that fit.
    assert!("PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==".parse::<VerifierKey>().is_err());
    assert_eq!("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse::<VerifierKey>(), Err(KeyError::Algorithm));
}

#[test]
fn i17_a_secret_key_survives_its_text_and_is_not_shown() {
    let signer = secret(PETER_SECRET).unwrap();
    assert_eq!(signer.to_text().expose(), PETER_SECRET);
    assert_eq!(signer.verifier().to_string(), PETER);
    assert!(!format!("{signer:?}").contains("AYEKFALVFGyN"));
    for i in 0..PETER_SECRET.len() {
        let mut bytes = PETER_SECRET.as_bytes().to_vec();
        bytes[i] += 1;
        assert!(secret(&String::from_utf8(bytes).unwrap()).is_err(), "byte {i}");
        assert!(secret(&PETER_SECRET[..i]).is_err() && (i == 0 || secret(&PETER_SECRET[i..]).is_err()), "cut at {i}");
    }
}

#[test]
fn a_weak_key_is_no_key() {
    let mut identity = [0; 32];
    identity[0] = 1;
    assert_eq!(VerifierKey::new("a", &identity), Err(KeyError::Form));
    for name in ["", "a b", "a+b", "a\u{a0}b", "a\nb", &"x".repeat(256)] {
        assert_eq!(Signer::from_seed(name, &[1; 32]).map(|_| ()), Err(KeyError::Name), "{name:?}");
    }
}

#[test]
fn a_text_is_signed_as_go_signs_it() {
    let peter = secret(PETER_SECRET).unwrap();
    assert_eq!(sign(TEXT, &[&peter]).unwrap(), format!("{TEXT}\n{PETER_SIGNED}"));
    for text in ["", "abc", "a\tb\n", "a\r\n"] {
        assert!(sign(text, &[&peter]).is_err(), "{text:?}");
    }
    assert!(sign(TEXT, &[]).is_err());
    assert_eq!(sign(&format!("{}\n", "x".repeat(MAX_NOTE)), &[&peter]), Err(NoteError::TooLong));
}

#[test]
fn known_signatures_are_checked_and_unknown_ones_ignored() {
    let (peter, enoch): (VerifierKey, VerifierKey) = (PETER.parse().unwrap(), ENOCH.parse().unwrap());
    let both = format!("{TEXT}\n{PETER_SIGNED}{ENOCH_SIGNED}");
    let one = open(&both, &[&peter]).unwrap();
    assert_eq!((one.text, one.signers), (TEXT, vec![&peter]));
    assert_eq!(open(&both, &[&peter, &enoch]).unwrap().signers, [&peter, &enoch]);
    assert_eq!(open(&both, &[]).unwrap_err(), NoteError::Unknown("PeterNeumann+c74f20a3, EnochRoot+af0cfe78".into()));
    let twice = format!("{TEXT}\n{PETER_SIGNED}{PETER_SIGNED}");
    assert_eq!(open(&twice, &[&peter]).unwrap().signers, [&peter]);
    // Name and id alone don't make it known.
    let renamed = format!("{TEXT}\n{}", PETER_SIGNED.replace("PeterNeumann", "CarmenSandiego"));
    assert!(matches!(open(&renamed, &[&peter]), Err(NoteError::Unknown(_))));
    let other_id = format!("{TEXT}\n{}", PETER_SIGNED.replace("x08g", "xxxx"));
    assert!(matches!(open(&other_id, &[&peter]), Err(NoteError::Unknown(_))));
}

#[test]
fn a_wrong_signature_of_a_known_key_spoils_the_note() {
    let (peter, enoch): (VerifierKey, VerifierKey) = (PETER.parse().unwrap(), ENOCH.parse().unwrap());
    let bad = NoteError::BadSignature { name: "PeterNeumann".into(), id: 0xc74f_20a3 };
    let changed = format!("{}\n{PETER_SIGNED}", TEXT.replace("don't", "do"));
    assert_eq!(open(&changed, &[&peter]).unwrap_err(), bad);
    let longer = format!("{TEXT}\n{ENOCH_SIGNED}{}ABCD{}", &PETER_SIGNED[..60], &PETER_SIGNED[60..]);
    assert_eq!(open(&longer, &[&peter, &enoch]).unwrap_err(), bad);
}

#[test]
fn what_is_not_a_note_is_refused() {
    let peter: VerifierKey = PETER.parse().unwrap();
    for note in [
        TEXT.to_owned(),
        format!("{TEXT}\n"),
        format!("{TEXT}\n{}", PETER_SIGNED.trim_end()),
        format!("\u{1}{TEXT}\n{PETER_SIGNED}"),
        format!("{TEXT}\n{}", PETER_SIGNED.replace("PeterNeumann", "Bad Name")),
        format!("{TEXT}\n{PETER_SIGNED}Unexpected line.\n"),
        format!("{TEXT}\n{PETER_SIGNED}\n"),
        format!("\n{PETER_SIGNED}"),
        format!("{TEXT}\n— PeterNeumann x08gow==\n"),
        format!("{TEXT}\n{}", PETER_SIGNED.replace("BwJnAM=", "BwJnAM")),
        format!("{TEXT}\n{}", PETER_SIGNED.replace("BwJnAM=", "BwJnAN=")),
        format!("{TEXT}\n{}", PETER_SIGNED.replace('\n', "\r\n")),
        String::new(),
        "\n\n".to_owned(),
    ] {
        assert!(matches!(open(&note, &[&peter]), Err(NoteError::Malformed(_))), "{note:?}");
    }
    let many = format!("{TEXT}\n{}", PETER_SIGNED.repeat(MAX_SIGNATURES + 1));
    assert_eq!(open(&many, &[&peter]).unwrap_err(), NoteError::TooLong);
    assert!(open(&format!("{TEXT}\n{}", PETER_SIGNED.repeat(MAX_SIGNATURES)), &[&peter]).is_ok());
    assert_eq!(open(&"x".repeat(MAX_NOTE + 1), &[&peter]).unwrap_err(), NoteError::TooLong);
}

#[test]
fn the_specifications_example_is_a_note() {
    // Its key is not published: it parses, and counts for nothing.
    let note = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
    assert_eq!(open(note, &[]).unwrap_err(), NoteError::Unknown("quasimodo.example/salvatore+367ba04b".into()));
}

proptest! {
    #[test]
    fn l01_a_changed_note_does_not_open(seed: [u8; 32], text in "[ -~é\n]{0,80}\n", place: prop::sample::Index, by in 1u8..255) {
        let signer = Signer::from_seed("ledger.example", &seed).unwrap();
        let key = signer.verifier();
        let note = sign(&text, &[&signer]).unwrap();
        prop_assert_eq!(open(&note, &[&key]).unwrap().text, &text);
        let mut bytes = note.into_bytes();
        let place = place.index(bytes.len());
        bytes[place] = bytes[place].wrapping_add(by);
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert!(open(&changed, &[&key]).is_err());
        }
    }

    #[test]
    fn o2_any_text_is_opened_without_a_panic(text in "\\PC*", tail in "[— a-zA-Z0-9+/=\n]{0,200}") {
        let peter: VerifierKey = PETER.parse().unwrap();
        prop_assert!(open(&text, &[&peter]).is_err());
        let split = format!("{text}\n\n{tail}");
        prop_assert!(open(&split, &[&peter]).is_err());
        prop_assert!(text.parse::<VerifierKey>().is_err());
    }
}
