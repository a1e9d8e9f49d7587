//! What a client's channels share once it is in.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ajar_core::permit::Claims;
use ajar_core::ssh::{SshRecord, SshRole};
use russh::client;

use super::back::Back;
use super::tape::Tape;

/// See the module.
pub(super) struct Room {
    pub(super) claims: Claims,
    pub(super) role: SshRole,
    pub(super) login: String,
    pub(super) record: SshRecord,
    pub(super) host: client::Handle<Back>,
    pub(super) tape: Tape,
    bytes: [AtomicU64; 2],
    /// Where the host listens for the client.
    listens: Mutex<HashSet<(String, u32)>>,
}

impl Room {
    pub(super) fn new(claims: Claims, role: SshRole, login: String, record: SshRecord, host: client::Handle<Back>, tape: Tape) -> Self {
        Self { claims, role, login, record, host, tape, bytes: Default::default(), listens: Mutex::default() }
    }

    fn listens(&self) -> MutexGuard<'_, HashSet<(String, u32)>> {
        self.listens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The host listens there, since the client asked for it.
    pub(super) fn listen(&self, address: &str, port: u32) {
        self.listens().insert((address.to_owned(), port));
    }

    pub(super) fn listen_no_more(&self, address: &str, port: u32) {
        self.listens().remove(&(address.to_owned(), port));
    }

    /// Whether the host may say that somebody came in there.
    pub(super) fn listens_at(&self, address: &str, port: u32) -> bool {
        self.listens().contains(&(address.to_owned(), port))
    }

    /// A channel has carried so much.
    pub(super) fn carried(&self, inward: u64, outward: u64) {
        let [all_in, all_out] = &self.bytes;
        all_in.fetch_add(inward, Ordering::Relaxed);
        all_out.fetch_add(outward, Ordering::Relaxed);
    }

    /// Bytes in and out of the channels that are over.
    pub(super) fn bytes(&self) -> (u64, u64) {
        let [inward, outward] = &self.bytes;
        (inward.load(Ordering::Relaxed), outward.load(Ordering::Relaxed))
    }
}
