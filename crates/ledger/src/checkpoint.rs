//! The signed size and root of the tree, after C2SP tlog-checkpoint (<https://c2sp.org/tlog-checkpoint>).
//!
//! ```text
//! <origin>
//! <size, decimal>
//! <root, base64>
//! [extension lines]
//! ```
//!
//! as the text of a note. The origin is the name of the key that signs it: one log, one key name.

use std::fmt::Write as _;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::note::{self, NoteError, Signer, VerifierKey};
use crate::tree::{Frontier, Hash, MAX_SIZE};

/// The most extension lines that are read.
const MAX_EXTENSIONS: usize = 16;

/// What a tree was at some size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many leaves it had.
    pub size: u64,
    /// Its root then.
    pub root: Hash,
    /// Lines with no meaning here; Ajar writes none.
    pub extensions: Vec<String>,
}

/// Why a checkpoint can't be made or doesn't count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note around it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text.
    #[error("not a checkpoint: {0}")]
    Malformed(&'static str),
    /// Signed by the trusted key, for another log.
    #[error("the checkpoint is of the log '{found}', signed with the key of '{expected}'")]
    Origin {
        /// The log it names.
        found: String,
        /// The key's name.
        expected: String,
    },
}

impl Checkpoint {
    /// Of the tree as it is, for the log that the key is named after.
    #[must_use]
    pub fn of(key: &VerifierKey, tree: &Frontier) -> Self {
        Self { origin: key.name().to_owned(), size: tree.size(), root: tree.root(), extensions: Vec::new() }
    }

    /// The text of the note.
    ///
    /// # Errors
    /// When a field can't be written on one line.
    pub fn to_text(&self) -> Result<String, CheckpointError> {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root));
        for extension in &self.extensions {
            let _ = writeln!(text, "{extension}");
        }
        // What reads back as something else must not be signed.
        if text.parse::<Self>()? == *self { Ok(text) } else { Err(CheckpointError::Malformed("a line break inside a line")) }
    }

    /// Signs it: a note.
    ///
    /// # Errors
    /// When the origin is not the key's name, or a field can't be written.
    pub fn sign(&self, signer: &Signer) -> Result<String, CheckpointError> {
        self.is_of(&signer.verifier())?;
        Ok(note::sign(&self.to_text()?, &[signer])?)
    }

    fn is_of(&self, key: &VerifierKey) -> Result<(), CheckpointError> {
        if self.origin == key.name() {
            return Ok(());
        }
        Err(CheckpointError::Origin { found: self.origin.clone(), expected: key.name().to_owned() })
    }
}

/// Opens a signed checkpoint. Other signatures, of witnesses for instance, are ignored.
///
/// # Errors
/// When it isn't signed by `key`, or is not a checkpoint of the log that the key is named after.
pub fn open(note: &str, key: &VerifierKey) -> Result<Checkpoint, CheckpointError> {
    let checkpoint: Checkpoint = note::open(note, &[key])?.text.parse()?;
    checkpoint.is_of(key)?;
    Ok(checkpoint)
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    /// Reads the text of a note that was opened.
    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let bad = CheckpointError::Malformed;
        let mut lines = text.strip_suffix('\n').ok_or(bad("the last line doesn't end"))?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(bad("fewer than three lines"));
        };
        if origin.is_empty() || origin.contains(|c: char| c.is_control()) {
            return Err(bad("the first line is not an origin"));
        }
        let number: u64 = size.parse().map_err(|_| bad("the second line is not a size"))?;
        if number > MAX_SIZE || number.to_string() != size {
            return Err(bad("the second line is not a size"));
        }
        let root = STANDARD.decode(root).ok().and_then(|r| r.try_into().ok()).ok_or(bad("the third line is not a root"))?;
        let extensions: Vec<String> = lines.take(MAX_EXTENSIONS + 1).map(str::to_owned).collect();
        if extensions.len() > MAX_EXTENSIONS || extensions.iter().any(String::is_empty) {
            return Err(bad("an empty or too many extension lines"));
        }
        Ok(Self { origin: origin.to_owned(), size: number, root, extensions })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The specification's example; its key is not published.
    const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn the_specifications_example_is_a_checkpoint() {
        let checkpoint: Checkpoint = EXAMPLE.parse().unwrap();
        assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(hex::encode(checkpoint.root), "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62");
        assert_eq!(checkpoint.to_text().unwrap(), EXAMPLE);
        let signed = format!(
            "{EXAMPLE}\n— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
        );
        assert_eq!(note::open(&signed, &[]).unwrap_err(), NoteError::Unknown("example.com/behind-the-sofa+033de0ae".into()));
    }

    #[test]
    fn what_is_not_a_checkpoint_is_refused() {
        let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        for text in [
            String::new(),
            "a\n".into(),
            "a\n1\n".into(),
            format!("\n1\n{root}\n"),
            format!("a\n1\n{root}"),
            format!("a\n01\n{root}\n"),
            format!("a\n+1\n{root}\n"),
            format!("a\n-1\n{root}\n"),
            format!("a\n 1\n{root}\n"),
            format!("a\n9223372036854775808\n{root}\n"),
            format!("a\n99999999999999999999\n{root}\n"),
            format!("a\n1\n{root}=\n"),
            "a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n".into(),
            "a\n1\nAAAA\n".into(),
            format!("a\n1\n{root}\n\n"),
            format!("a\n1\n{root}\nx\n\ny\n"),
            format!("a\n1\n{root}\n{}", "x\n".repeat(MAX_EXTENSIONS + 1)),
        ] {
            assert!(matches!(text.parse::<Checkpoint>(), Err(CheckpointError::Malformed(_))), "{text:?}");
        }
        assert!(format!("a\n1\n{root}\n{}", "x\n".repeat(MAX_EXTENSIONS)).parse::<Checkpoint>().is_ok());
    }

    #[test]
    fn l01_only_the_logs_own_key_signs_for_it() {
        let (ours, other) = (Signer::from_seed("ours.example", &[1; 32]).unwrap(), Signer::from_seed("other.example", &[2; 32]).unwrap());
        let same_name = Signer::from_seed("ours.example", &[2; 32]).unwrap();
        let checkpoint = Checkpoint::of(&ours.verifier(), &Frontier::default());
        let signed = checkpoint.sign(&ours).unwrap();
        assert_eq!(open(&signed, &ours.verifier()).unwrap(), checkpoint);
        assert!(matches!(open(&signed, &same_name.verifier()), Err(CheckpointError::Note(NoteError::Unknown(_)))));
        assert!(matches!(checkpoint.sign(&other), Err(CheckpointError::Origin { .. })));
        let crossed = note::sign(&checkpoint.to_text().unwrap(), &[&other]).unwrap();
        assert!(matches!(open(&crossed, &other.verifier()), Err(CheckpointError::Origin { .. })));
        // A witness's signature beside ours is welcome.
        let both = note::sign(&checkpoint.to_text().unwrap(), &[&other, &ours]).unwrap();
        assert_eq!(open(&both, &ours.verifier()).unwrap(), checkpoint);
    }

    proptest! {
        #[test]
        fn a_checkpoint_survives_its_text(origin in "\\PC{1,40}", size in 0..=MAX_SIZE, root: Hash, extensions in prop::collection::vec("\\PC{1,20}", 0..4)) {
            let checkpoint = Checkpoint { origin, size, root, extensions };
            prop_assert_eq!(&checkpoint.to_text().unwrap().parse::<Checkpoint>().unwrap(), &checkpoint);
        }

        #[test]
        fn l05_a_line_break_never_makes_another_checkpoint(origin in "[a\n\r]{0,4}", size: u64, extensions in prop::collection::vec("[a\n\r]{0,3}", 0..3)) {
            let checkpoint = Checkpoint { origin, size, root: [7; 32], extensions };
            if let Ok(text) = checkpoint.to_text() {
                prop_assert_eq!(text.parse::<Checkpoint>().unwrap(), checkpoint);
            }
        }
    }
}
