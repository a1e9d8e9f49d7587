//! A ledger that was exported, read without a server. It is verified on the way, twice: once for the names in it, once for the rest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use ajar_core::directory::PrincipalEvent;
use ajar_core::event::{Envelope, Event};
use ajar_core::id::PrincipalId;
use ajar_core::name::PrincipalName;
use ajar_core::sealed::Disclosure;
use ajar_ledger::note::VerifierKey;
use ajar_ledger::verify::{named_key, verify_each};
use ajar_policy::Disclosed;
use anyhow::Context;

use crate::exit::{Code, Failure};
use crate::output::say;

/// Streams whose events matter here.
const WANTED: [&str; 4] = ["request.", "grant.", "session.", "principal."];

/// An exported ledger that is sound.
pub(super) struct Ledger {
    path: PathBuf,
    key: VerifierKey,
    root: [u8; 32],
    names: BTreeMap<PrincipalId, PrincipalName>,
}

impl Ledger {
    /// Opens an export. Without a key, the one that it names is taken, which proves nothing of where it is from.
    pub(super) fn open(path: &Path, key: Option<&str>) -> Result<Self, Failure> {
        let key = match key {
            Some(key) => crate::commands::ledger::trusted(key)?,
            None => {
                let mut first = Vec::new();
                reader(path)?.take_line(&mut first)?;
                say("no key was given: the ledger is checked with the key that it names itself, so that anybody may have made it (--key)");
                named_key(&first).ok_or_else(|| unsound(path).hint("it is no export of a ledger"))?
            }
        };
        let mut names = BTreeMap::new();
        let root = read(path, &key, &mut |envelope, disclosed| {
            if let Event::Principal(PrincipalEvent::Added(added)) = &envelope.event {
                let name = disclosed.iter().find(|d| d.commitment == added.name).and_then(|d| d.value.parse().ok());
                names.extend(name.map(|name: PrincipalName| (added.id, name)));
            }
            Ok(())
        })?;
        Ok(Self { path: path.to_owned(), key, root, names })
    }

    /// Who is who in it.
    pub(super) fn ids(&self) -> BTreeMap<PrincipalName, PrincipalId> {
        self.names.iter().map(|(id, name)| (name.clone(), *id)).collect()
    }

    /// The name of a principal; the id of one whose name is not disclosed.
    pub(super) fn name(&self, id: PrincipalId) -> String {
        self.names.get(&id).map_or_else(|| id.to_string(), ToString::to_string)
    }

    /// Hands every event to `learn`, in order.
    pub(super) fn each<E: std::error::Error + Send + Sync + 'static>(
        &self,
        learn: &mut dyn FnMut(&Envelope, Disclosed<'_>) -> Result<(), E>,
    ) -> Result<(), Failure> {
        let root = read(&self.path, &self.key, &mut |envelope, disclosed| {
            let value = |commitment| disclosed.iter().find(|d| d.commitment == commitment).map(|d| d.value.clone());
            Ok(learn(envelope, &value)?)
        })?;
        if root == self.root {
            Ok(())
        } else {
            Err(Failure::new(Code::Error, format!("{} has changed while it was read", self.path.display())))
        }
    }
}

struct Reader(BufReader<File>);

impl Reader {
    /// The first line, as far as a header may be long.
    fn take_line(self, line: &mut Vec<u8>) -> Result<(), Failure> {
        std::io::Read::take(self.0, 64 * 1024).read_until(b'\n', line)?;
        Ok(())
    }
}

fn reader(path: &Path) -> anyhow::Result<Reader> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Reader(BufReader::with_capacity(1 << 20, file)))
}

fn unsound(path: &Path) -> Failure {
    Failure::new(Code::Error, format!("{} is not what was signed: nothing is concluded from it", path.display()))
}

/// Verifies an export and hands on the events that matter; its root.
fn read(path: &Path, key: &VerifierKey, each: &mut dyn FnMut(&Envelope, &[Disclosure]) -> anyhow::Result<()>) -> Result<[u8; 32], Failure> {
    let mut failed = None;
    let report = verify_each(reader(path)?.0, key, &[], &mut |leaf, disclosed| {
        let kind = leaf.split_once("\"kind\":\"").map_or("", |(_, rest)| rest);
        if failed.is_none() && WANTED.iter().any(|wanted| kind.starts_with(wanted)) {
            let learnt = Envelope::from_leaf(leaf).map_err(anyhow::Error::from).and_then(|envelope| each(&envelope, disclosed));
            failed = learnt.err();
        }
    });
    let report = report.with_context(|| format!("{} cannot be read to its end", path.display()))?;
    let Some(checkpoint) = report.checkpoint.as_ref().filter(|_| report.is_sound()) else {
        let mut failure = unsound(path);
        failure.more = report.findings.iter().take(5).map(ToString::to_string).collect();
        return Err(failure);
    };
    match failed {
        None => Ok(checkpoint.root),
        Some(error) => Err(Failure::from(error.context(format!("{} can't be read", path.display())))),
    }
}
