//! Signed text, after C2SP signed-note (<https://c2sp.org/signed-note>), with Ed25519 keys (type 0x01).
//!
//! A note is a text, an empty line, and one or more signature lines. Nothing in the text counts before
//! [`open`] has checked it. Signatures of unknown keys are ignored; a bad one of a known key spoils the note.

mod key;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use key::{KeyError, Signer, VerifierKey};

/// The longest note that is read or made, in bytes.
pub const MAX_NOTE: usize = 64 * 1024;
/// The most signatures that a note may carry. (The specification asks for at least 16.)
pub const MAX_SIGNATURES: usize = 100;

const DASH: &str = "— ";

/// Why a note can't be made or doesn't count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a note at all.
    #[error("not a signed note: {0}")]
    Malformed(&'static str),
    /// Beyond a limit.
    #[error("the note is too long: at most {MAX_NOTE} bytes and {MAX_SIGNATURES} signatures")]
    TooLong,
    /// A known key's signature doesn't fit the text.
    #[error("the signature of {name}+{id:08x} doesn't fit the text: it was changed, or signed by somebody else")]
    BadSignature {
        /// The key's name.
        name: String,
        /// The key's id.
        id: u32,
    },
    /// Signed by strangers only.
    #[error("signed by {0}, by none of the keys that are trusted")]
    Unknown(String),
}

/// A note whose signatures were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'a> {
    /// The text, its last newline included.
    pub text: &'a str,
    /// The known keys that signed it, at least one, each once.
    pub signers: Vec<&'a VerifierKey>,
}

/// Signs a text with each of the keys.
///
/// # Errors
/// When the text is empty, doesn't end in a newline, or holds a control character; when the note gets too long.
pub fn sign(text: &str, signers: &[&Signer]) -> Result<String, NoteError> {
    check_text(text)?;
    if signers.is_empty() {
        return Err(NoteError::Malformed("it has no signature"));
    }
    let mut note = format!("{text}\n");
    for signer in signers {
        let key = signer.verifier();
        let signature = [key.id().to_be_bytes().as_slice(), &signer.sign(text.as_bytes())].concat();
        note.push_str(&format!("{DASH}{} {}\n", key.name(), STANDARD.encode(signature)));
    }
    if note.len() > MAX_NOTE || signers.len() > MAX_SIGNATURES {
        return Err(NoteError::TooLong);
    }
    Ok(note)
}

/// Checks a note against the keys that are trusted.
///
/// # Errors
/// When it is not a note, is too long, a known key's signature is wrong, or no known key signed it.
pub fn open<'a>(note: &'a str, known: &[&'a VerifierKey]) -> Result<Note<'a>, NoteError> {
    if note.len() > MAX_NOTE {
        return Err(NoteError::TooLong);
    }
    let split = note.rfind("\n\n").ok_or(NoteError::Malformed("no empty line before the signatures"))?;
    let (text, signatures) = note.split_at_checked(split + 1).ok_or(NoteError::Malformed("no signatures"))?;
    check_text(text)?;
    let signatures = signatures
        .strip_prefix('\n')
        .and_then(|s| s.strip_suffix('\n'))
        .ok_or(NoteError::Malformed("the last signature line doesn't end in a newline"))?;
    let (mut signers, mut strangers) = (Vec::<&VerifierKey>::new(), String::new());
    for (count, line) in signatures.split('\n').enumerate() {
        if count == MAX_SIGNATURES {
            return Err(NoteError::TooLong);
        }
        let (name, id, signature) = signature_line(line)?;
        let Some(key) = known.iter().find(|k| k.name() == name && k.id() == id) else {
            // Enough of them to say who it was.
            if count < 3 {
                strangers.push_str(if strangers.is_empty() { "" } else { ", " });
                strangers.push_str(&format!("{name}+{id:08x}"));
            }
            continue;
        };
        if !key.verifies(text.as_bytes(), &signature) {
            return Err(NoteError::BadSignature { name: name.to_owned(), id });
        }
        if !signers.contains(key) {
            signers.push(key);
        }
    }
    if signers.is_empty() { Err(NoteError::Unknown(strangers)) } else { Ok(Note { text, signers }) }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Malformed("the text doesn't end in a newline"));
    }
    if text.bytes().any(|b| b < 0x20 && b != b'\n') {
        return Err(NoteError::Malformed("a control character"));
    }
    Ok(())
}

/// `— name base64(id ‖ signature)`.
fn signature_line(line: &str) -> Result<(&str, u32, Vec<u8>), NoteError> {
    let bad = NoteError::Malformed("a signature line is not '— name base64'");
    let (name, encoded) = line.strip_prefix(DASH).and_then(|l| l.split_once(' ')).ok_or(bad.clone())?;
    let bytes = STANDARD.decode(encoded).map_err(|_| bad.clone())?;
    match bytes.split_first_chunk::<4>() {
        Some((id, signature)) if key::is_name(name) && !signature.is_empty() => Ok((name, u32::from_be_bytes(*id), signature.to_vec())),
        _ => Err(bad),
    }
}
