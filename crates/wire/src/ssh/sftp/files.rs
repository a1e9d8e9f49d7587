//! The files that are open.

use std::collections::BTreeMap;

use super::super::track::Track;
use super::super::{Event, File, OpenFlags};

/// The most files that are followed at once.
pub(super) const MAX_FILES: usize = 256;
/// The longest handle (draft-ietf-secsh-filexfer-02, 6.2).
const MAX_HANDLE: usize = 256;

/// An open file.
#[derive(Debug)]
pub(super) struct Open {
    /// Tells this opening from every other, whatever handles are used again.
    pub(super) serial: u64,
    pub(super) path: Vec<u8>,
    opened: OpenFlags,
    pub(super) read: Track,
    pub(super) written: Track,
    pub(super) reached_end: bool,
}

impl Open {
    pub(super) fn finish(self, complete: bool) -> Event {
        let Self { path, opened, read, written, reached_end, .. } = self;
        let (read, written) = (read.finish(), written.finish());
        Event::File(File { path, named: None, opened, read, written, reached_end, complete })
    }
}

/// By their handles.
#[derive(Debug, Default)]
pub(super) struct Files {
    open: BTreeMap<Vec<u8>, Open>,
    serial: u64,
}

impl Files {
    /// The target has opened a file; gives back what is to be said of it at once.
    pub(super) fn insert(&mut self, handle: Vec<u8>, path: Vec<u8>, opened: OpenFlags) -> Option<Event> {
        if self.open.len() >= MAX_FILES || handle.len() > MAX_HANDLE {
            return Some(Event::Unfollowed { path, opened });
        }
        let (read, mut written) = (Track::new(), Track::new());
        if opened.contains(OpenFlags::APPEND) {
            // It begins somewhere else, whatever the offset says.
            written.tear();
        }
        self.serial += 1;
        self.open.insert(handle, Open { serial: self.serial, path, opened, read, written, reached_end: false });
        None
    }

    pub(super) fn get_mut(&mut self, handle: &[u8]) -> Option<&mut Open> {
        self.open.get_mut(handle)
    }

    /// The opening that a handle stands for.
    pub(super) fn serial(&self, handle: &[u8]) -> Option<u64> {
        self.open.get(handle).map(|file| file.serial)
    }

    /// The opening with that serial, if the handle still stands for it.
    pub(super) fn opening(&mut self, handle: &[u8], serial: u64) -> Option<&mut Open> {
        self.open.get_mut(handle).filter(|file| file.serial == serial)
    }

    /// Empty for a handle that isn't followed.
    pub(super) fn path(&self, handle: &[u8]) -> Vec<u8> {
        self.open.get(handle).map(|file| file.path.clone()).unwrap_or_default()
    }

    pub(super) fn remove(&mut self, handle: &[u8]) -> Option<Open> {
        self.open.remove(handle)
    }

    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Open> + use<> {
        std::mem::take(&mut self.open).into_values()
    }
}
