//! The file for an auditor: every event's exact bytes, the values that may be disclosed, and the signed checkpoint.
//!
//! One JSON object per line, in one canonical spelling:
//!
//! ```text
//! {"format":"ajar-ledger-export/1","origin":"…","vkey":"…","size":N}
//! {"seq":0,"leaf":<the leaf's exact bytes>}
//! {"disclose":{"commitment":"c1_…","salt":"<hex>","value":"…"}}     after the leaf that holds the commitment
//! …
//! {"checkpoint":"<the signed note>"}
//! ```
//!
//! The exporter writes what it is given and doesn't judge it: that is the verifier's work ([`crate::verify`]).

use std::borrow::Cow;
use std::io::{self, Write};

use ajar_core::sealed::{Commitment, Disclosure};
use memchr::memmem;
use serde::{Deserialize, Serialize};

use crate::note::VerifierKey;

/// What the first line says.
pub(crate) const FORMAT: &str = "ajar-ledger-export/1";
/// The longest leaf, in bytes.
pub const MAX_LEAF: usize = 8 << 20;
/// The longest line, its newline included: a leaf with what stands around it, or a disclosure.
pub(crate) const MAX_LINE: usize = MAX_LEAF + 1024;

pub(crate) const LEAF: (&[u8], &[u8], &[u8]) = (b"{\"seq\":", b",\"leaf\":", b"}");

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header<'a> {
    #[serde(borrow)]
    pub(crate) format: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) origin: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) vkey: Cow<'a, str>,
    pub(crate) size: u64,
}

/// A line with a value.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiscloseLine<'a> {
    #[serde(borrow)]
    pub(crate) disclose: Disclosed<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Disclosed<'a> {
    pub(crate) commitment: Commitment,
    #[serde(borrow)]
    pub(crate) salt: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) value: Cow<'a, str>,
}

/// The last line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckpointLine<'a> {
    #[serde(borrow)]
    pub(crate) checkpoint: Cow<'a, str>,
}

/// Why an export can't be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The leaf would not stay one line, or is longer than [`MAX_LEAF`].
    #[error("event {0} can't be exported: it isn't one line of at most {MAX_LEAF} bytes")]
    Leaf(u64),
    /// A disclosure that belongs to another leaf, or is too long.
    #[error("event {0} can't be exported with a value that it holds no commitment for, or that is too long")]
    Disclosure(u64),
    /// Another number of leaves than was announced.
    #[error("{found} events were exported, {announced} were announced")]
    Size {
        /// In the header.
        announced: u64,
        /// Written.
        found: u64,
    },
    /// The writer.
    #[error("the export can't be written")]
    Write(#[from] io::Error),
}

/// Writes an export, leaf by leaf, from the first.
#[derive(Debug)]
pub struct Exporter<W> {
    out: W,
    size: u64,
    next: u64,
}

impl<W: Write> Exporter<W> {
    /// Begins an export of the first `size` events of the log that `key` signs for.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn start(mut out: W, key: &VerifierKey, size: u64) -> Result<Self, ExportError> {
        let vkey = key.to_string();
        write_line(&mut out, &Header { format: FORMAT.into(), origin: key.name().into(), vkey: vkey.into(), size })?;
        Ok(Self { out, size, next: 0 })
    }

    /// The next event, with the values that may be disclosed of it.
    ///
    /// # Errors
    /// When the leaf or a value has no place in an export, or it can't be written.
    pub fn leaf(&mut self, leaf: &str, disclosures: &[Disclosure]) -> Result<(), ExportError> {
        let seq = self.next;
        if leaf.len() > MAX_LEAF || leaf.contains(['\n', '\r']) {
            return Err(ExportError::Leaf(seq));
        }
        let (before, between, after) = LEAF;
        self.out.write_all(before)?;
        write!(self.out, "{seq}")?;
        self.out.write_all(between)?;
        self.out.write_all(leaf.as_bytes())?;
        self.out.write_all(after)?;
        self.out.write_all(b"\n")?;
        self.next += 1;
        if disclosures.is_empty() {
            return Ok(());
        }
        let held = commitments(leaf.as_bytes());
        let mut sorted: Vec<&Disclosure> = disclosures.iter().collect();
        sorted.sort_by_key(|d| d.commitment);
        sorted.dedup_by_key(|d| d.commitment);
        for Disclosure { commitment, salt, value } in sorted {
            // At worst each byte becomes `\u00XX`.
            if !held.contains(commitment) || value.len() > MAX_LEAF / 6 {
                return Err(ExportError::Disclosure(seq));
            }
            let disclose = Disclosed { commitment: *commitment, salt: hex::encode(salt).into(), value: value.into() };
            write_line(&mut self.out, &DiscloseLine { disclose })?;
        }
        Ok(())
    }

    /// Ends the export with the signed checkpoint of these events.
    ///
    /// # Errors
    /// When another number of events was announced, or it can't be written.
    pub fn finish(mut self, checkpoint: &str) -> Result<W, ExportError> {
        if self.next != self.size {
            return Err(ExportError::Size { announced: self.size, found: self.next });
        }
        write_line(&mut self.out, &CheckpointLine { checkpoint: checkpoint.into() })?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// Where it is written to: to send on what has gathered there.
    pub fn writer(&mut self) -> &mut W {
        &mut self.out
    }
}

/// The commitments that a leaf holds: each JSON string of the form `"c1_…"`.
#[must_use]
pub fn commitments(leaf: &[u8]) -> Vec<Commitment> {
    const LENGTH: usize = "c1_".len() + 64;
    memmem::find_iter(leaf, b"\"c1_")
        .filter_map(|at| {
            let (text, quote) = leaf.get(at + 1..at + LENGTH + 2)?.split_at_checked(LENGTH)?;
            if quote == b"\"" { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
        })
        .collect()
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> Result<(), ExportError> {
    serde_json::to_writer(&mut *out, line).map_err(io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(())
}
