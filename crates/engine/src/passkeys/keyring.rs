//! The passkeys that there are, with their credentials: read from beside the log at start and kept in memory.

use std::collections::BTreeMap;

use ajar_core::directory::PrincipalEvent;
use ajar_core::id::{PasskeyId, PrincipalId};
use ajar_core::sealed::Commitment;
use ajar_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use webauthn_rs::prelude::Passkey;

/// What a passkey's commitment stands for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Credential {
    /// What its owner calls it.
    pub(crate) label: String,
    /// The name of the server that it is for.
    pub(crate) party: String,
    /// Its id and public key.
    pub(crate) passkey: Passkey,
}

/// A passkey that is enrolled.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) credential: Credential,
    pub(crate) enrolled_at: Timestamp,
    pub(crate) used_at: Option<Timestamp>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Keyring(BTreeMap<PrincipalId, BTreeMap<PasskeyId, Known>>);

impl Keyring {
    /// A committed event changes what is known. A credential whose value was erased opens nothing any more; that it was enrolled the log
    /// still knows.
    pub(crate) fn learn(&mut self, principal: PrincipalId, event: &PrincipalEvent, value: &dyn Fn(Commitment) -> Option<String>) {
        match event {
            PrincipalEvent::PasskeyEnrolled(enrolled) => {
                if let Some(credential) = value(enrolled.credential).and_then(|text| serde_json::from_str(&text).ok()) {
                    let known = Known { credential, enrolled_at: enrolled.at, used_at: None };
                    self.0.entry(principal).or_default().insert(enrolled.id, known);
                }
            }
            PrincipalEvent::PasskeyUsed(used) => {
                if let Some(known) = self.0.get_mut(&principal).and_then(|theirs| theirs.get_mut(&used.id)) {
                    known.used_at = Some(used.at);
                }
            }
            PrincipalEvent::PasskeyRemoved(removed) => {
                if let Some(theirs) = self.0.get_mut(&principal) {
                    theirs.remove(&removed.id);
                }
            }
            PrincipalEvent::Added(_) | PrincipalEvent::Disabled(_) | PrincipalEvent::Enabled(_) | PrincipalEvent::PasswordSet(_) => {}
        }
    }

    /// Somebody's, the earliest first.
    pub(crate) fn of(&self, principal: PrincipalId) -> Vec<(PasskeyId, Known)> {
        self.0.get(&principal).into_iter().flatten().map(|(id, known)| (*id, known.clone())).collect()
    }

    /// Whether anybody has enrolled this credential.
    pub(crate) fn has(&self, credential: &[u8]) -> bool {
        self.0.values().flat_map(BTreeMap::values).any(|known| known.credential.passkey.cred_id().as_slice() == credential)
    }

    /// How many there are for servers of another name than this.
    pub(crate) fn strange(&self, party: &str) -> usize {
        self.0.values().flat_map(BTreeMap::values).filter(|known| known.credential.party != party).count()
    }
}
