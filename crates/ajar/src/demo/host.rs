//! The demo's SSH host: OpenSSH's server of this machine, if it is there. It is a real shell of the account that runs the demo, and so it
//! is reachable on loopback only, with certificates of this demo's authority only, as that account only.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use ajar_core::port::{Clock as _, Entropy, SshAuthority as _, SshCertify, SshSubject};
use ajar_core::time::Span;
use ajar_sample::{SampleError, SshHost};
use anyhow::Context;

use super::files;
use crate::clock::SystemClock;
use crate::server::ssh_authority::SshAuthorities;

/// How long its certificate is good for.
const LIFE: Span = Span::from_secs(30 * 24 * 3_600);

/// A host, and as whom one gets in.
pub(super) struct Host {
    pub(super) sshd: SshHost,
    pub(super) account: String,
}

/// Starts it, with the authorities of the data directory, which are made if they aren't there yet. In words when it can't be had.
pub(super) fn start(folder: &Path, data_dir: &Path, entropy: Arc<dyn Entropy>) -> anyhow::Result<Host> {
    let authorities = SshAuthorities::load_or_make(data_dir, entropy)?;
    let account = SshHost::account()?;
    let now = SystemClock::new().now();
    let mut refused = None;
    let certify = |key: &str| {
        let ask = SshCertify {
            public_key: key.to_owned(),
            subject: SshSubject::Host { names: vec![files::HOST.to_owned(), Ipv4Addr::LOCALHOST.to_string()] },
            key_id: files::HOST.to_owned(),
            serial: 0,
            valid_from: now,
            valid_until: now.after(LIFE),
        };
        authorities.certify(&ask).map_err(|error| refused = Some(error)).ok()
    };
    // The authority could certify anybody: here it is this account or nobody.
    let sshd = SshHost::start(&folder.join(files::HOST), &authorities.keys().users, certify, &format!("AllowUsers {account}"));
    match (sshd, refused) {
        (Ok(sshd), None) => Ok(Host { sshd, account }),
        (Ok(_), Some(error)) => Err(error).context("its key can't be certified"),
        (Err(SampleError::Failed { program, said }), _) => anyhow::bail!("{program}: {}", said.lines().next().unwrap_or_default()),
        (Err(error), _) => Err(error.into()),
    }
}
