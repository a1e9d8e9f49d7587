//! The keys of the data directory: made once, readable by the server's account alone (0600).

use std::path::Path;

use ajar_core::permit::GrantSigner;
use ajar_core::port::Entropy;
use ajar_core::secret::Secret;
use ajar_ledger::note::Signer;
use anyhow::{Context, bail};

use crate::client::{make_private_dir, write_private};

/// The name of the ledger's key, in checkpoints.
const LEDGER: &str = "ajar-ledger";

/// Signs grants and checkpoints.
pub(crate) struct Keys {
    pub(crate) grants: GrantSigner,
    pub(crate) ledger: Signer,
}

impl Keys {
    pub(crate) fn load_or_make(data_dir: &Path, entropy: &dyn Entropy) -> anyhow::Result<Self> {
        let dir = data_dir.join("keys");
        make_private_dir(&dir)?;
        let grants = seed(&dir.join("grants.key"), entropy)?;
        let ledger = dir.join("ledger.key");
        let ledger = if ledger.exists() {
            Signer::from_text(&read_private(&ledger)?).map_err(|e| anyhow::anyhow!("{} is damaged: {e}", ledger.display()))?
        } else {
            let mut seed = [0; 32];
            entropy.fill(&mut seed);
            let signer = Signer::from_seed(LEDGER, &seed).map_err(|e| anyhow::anyhow!("{e}"))?;
            write_private(&ledger, signer.to_text().expose().as_bytes())?;
            signer
        };
        Ok(Self { grants: GrantSigner::new(&grants), ledger })
    }
}

fn seed(path: &Path, entropy: &dyn Entropy) -> anyhow::Result<[u8; 32]> {
    let mut seed = [0; 32];
    if path.exists() {
        let text = read_private(path)?;
        let digits = text.expose().trim();
        if digits.len() != 64 || !digits.is_ascii() {
            bail!("{} is damaged: it holds 64 hexadecimal digits", path.display());
        }
        for (slot, pair) in seed.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair)?;
            *slot = u8::from_str_radix(pair, 16).with_context(|| format!("{} is damaged", path.display()))?;
        }
        return Ok(seed);
    }
    entropy.fill(&mut seed);
    let text = Secret::new(seed.iter().map(|b| format!("{b:02x}")).collect());
    write_private(path, text.expose().as_bytes())?;
    Ok(seed)
}

/// Reads a secret file; refuses one that others may read.
pub(crate) fn read_private(path: &Path) -> anyhow::Result<Secret> {
    use std::os::unix::fs::PermissionsExt;
    let failed = || format!("cannot read {}", path.display());
    let mode = std::fs::metadata(path).with_context(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!("{} may be read by others: chmod 600 {}", path.display(), path.display());
    }
    Ok(Secret::new(std::fs::read_to_string(path).with_context(failed)?))
}
