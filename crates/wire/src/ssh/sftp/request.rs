//! What a client asks, and the shape of both sides' packets
//! (<https://datatracker.ietf.org/doc/html/draft-ietf-secsh-filexfer-02>, and OpenSSH's `PROTOCOL`, section 4).

use super::super::{MAX_REASON, OpenFlags, Operation};
use super::packet::Field::{Int, Raw, Text};
use super::packet::{Field, Head};

pub(super) const INIT: u8 = 1;
pub(super) const VERSION: u8 = 2;
const OPEN: u8 = 3;
const CLOSE: u8 = 4;
const READ: u8 = 5;
pub(super) const WRITE: u8 = 6;
const SETSTAT: u8 = 9;
const FSETSTAT: u8 = 10;
const OPENDIR: u8 = 11;
const REMOVE: u8 = 13;
const MKDIR: u8 = 14;
const RMDIR: u8 = 15;
const RENAME: u8 = 18;
const SYMLINK: u8 = 20;
const EXTENDED: u8 = 200;
pub(super) const STATUS: u8 = 101;
pub(super) const HANDLE: u8 = 102;
pub(super) const DATA: u8 = 103;
const NAME: u8 = 104;
const ATTRS: u8 = 105;
pub(super) const EXTENDED_REPLY: u8 = 201;

/// What is kept of attributes: all that have a fixed length.
const ATTRIBUTES: u32 = 32;
/// What is kept of a status behind its code: the text's length, and some of the text.
const REASON: u32 = 4 + MAX_REASON as u32;

/// The fields of a client's packet that matter. Where there is an id, it is the first.
pub(super) fn client_layout(head: &Head) -> &'static [Field] {
    match head.kind {
        INIT => &[Int(4)],
        OPEN => &[Int(4), Text, Int(4)],
        READ | WRITE => &[Int(4), Text, Int(8), Int(4)],
        SETSTAT | FSETSTAT => &[Int(4), Text, Raw(ATTRIBUTES)],
        CLOSE | OPENDIR | REMOVE | MKDIR | RMDIR => &[Int(4), Text],
        RENAME | SYMLINK => &[Int(4), Text, Text],
        EXTENDED => match head.text(0) {
            Some(b"posix-rename@openssh.com" | b"hardlink@openssh.com") => &[Int(4), Text, Text, Text],
            Some(b"lsetstat@openssh.com") => &[Int(4), Text, Text, Raw(ATTRIBUTES)],
            Some(b"copy-data") => &[Int(4), Text, Text, Int(8), Int(8), Text, Int(8)],
            Some(_) | None => &[Int(4), Text],
        },
        _ if head.rest >= 4 => &[Int(4)],
        _ => &[],
    }
}

/// The fields of a target's packet that matter. Where there is an id, it is the first.
pub(super) fn server_layout(head: &Head) -> &'static [Field] {
    match head.kind {
        VERSION => &[Int(4)],
        STATUS => &[Int(4), Int(4), Raw(REASON)],
        HANDLE => &[Int(4), Text],
        DATA => &[Int(4), Int(4)],
        NAME | ATTRS | EXTENDED_REPLY => &[Int(4)],
        _ => &[],
    }
}

/// What a client has asked, as far as it must be known when the answer comes.
#[derive(Debug)]
pub(super) enum Request {
    Open {
        path: Vec<u8>,
        opened: OpenFlags,
    },
    OpenDir {
        path: Vec<u8>,
    },
    Close {
        handle: Vec<u8>,
    },
    Read {
        handle: Vec<u8>,
        offset: u64,
    },
    Write {
        handle: Vec<u8>,
        offset: u64,
        bytes: u32,
    },
    Change {
        path: Vec<u8>,
        operation: Operation,
    },
    /// FSETSTAT, and whether it sets the length.
    SetHandle {
        handle: Vec<u8>,
        operation: Operation,
        size: Option<u64>,
    },
    /// `copy-data`.
    Copy {
        from: Vec<u8>,
        offset: u64,
        bytes: u64,
        handle: Vec<u8>,
    },
    Extension {
        name: Vec<u8>,
    },
    /// Changes nothing.
    Other,
}

impl Request {
    pub(super) fn new(mut head: Head) -> Self {
        match head.kind {
            OPEN => Self::Open { path: head.take(0), opened: OpenFlags(head.u32(1)) },
            OPENDIR => Self::OpenDir { path: head.take(0) },
            CLOSE => Self::Close { handle: head.take(0) },
            READ => Self::Read { handle: head.take(0), offset: head.u64(1) },
            WRITE => Self::Write { handle: head.take(0), offset: head.u64(1), bytes: head.u32(2) },
            REMOVE => Self::Change { path: head.take(0), operation: Operation::Remove },
            MKDIR => Self::Change { path: head.take(0), operation: Operation::MakeDir },
            RMDIR => Self::Change { path: head.take(0), operation: Operation::RemoveDir },
            RENAME => Self::Change { path: head.take(0), operation: Operation::Rename { to: head.take(1), replace: false } },
            SYMLINK => Self::Change { path: head.take(1), operation: Operation::Symlink { to: head.take(0) } },
            SETSTAT => Self::Change { path: head.take(0), operation: Attributes::read(&head.raw).operation(false) },
            FSETSTAT => {
                let attributes = Attributes::read(&head.raw);
                Self::SetHandle { handle: head.take(0), operation: attributes.operation(false), size: attributes.size }
            }
            EXTENDED => Self::extended(head),
            _ => Self::Other,
        }
    }

    fn extended(mut head: Head) -> Self {
        let name = head.take(0);
        match name.as_slice() {
            b"posix-rename@openssh.com" => {
                Self::Change { path: head.take(1), operation: Operation::Rename { to: head.take(2), replace: true } }
            }
            b"hardlink@openssh.com" => Self::Change { path: head.take(1), operation: Operation::Hardlink { to: head.take(2) } },
            b"lsetstat@openssh.com" => Self::Change { path: head.take(1), operation: Attributes::read(&head.raw).operation(true) },
            b"copy-data" => Self::Copy { from: head.take(1), offset: head.u64(1), bytes: head.u64(2), handle: head.take(2) },
            b"statvfs@openssh.com"
            | b"fstatvfs@openssh.com"
            | b"fsync@openssh.com"
            | b"limits@openssh.com"
            | b"expand-path@openssh.com"
            | b"home-directory"
            | b"users-groups-by-id@openssh.com" => Self::Other,
            _ => Self::Extension { name },
        }
    }

    /// Bytes that it keeps, roughly.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Open { path, .. } | Self::OpenDir { path } => path.len(),
            Self::Close { handle } | Self::Read { handle, .. } | Self::Write { handle, .. } | Self::SetHandle { handle, .. } => {
                handle.len()
            }
            Self::Copy { from, handle, .. } => from.len() + handle.len(),
            Self::Extension { name } => name.len(),
            Self::Other => 0,
            Self::Change { path, operation } => {
                path.len()
                    + match operation {
                        Operation::Rename { to, .. } | Operation::Symlink { to } | Operation::Hardlink { to } => to.len(),
                        Operation::CopyFrom { from, .. } => from.len(),
                        Operation::Remove | Operation::MakeDir | Operation::RemoveDir | Operation::SetStat { .. } => 0,
                    }
            }
        }
    }
}

/// The attributes that can be set (section 5).
#[derive(Debug, Default)]
struct Attributes {
    size: Option<u64>,
    owner: Option<(u32, u32)>,
    mode: Option<u32>,
    times: Option<(u32, u32)>,
}

impl Attributes {
    /// Reads as many as there are.
    fn read(raw: &[u8]) -> Self {
        let mut attributes = Self::default();
        attributes.fill(raw);
        attributes
    }

    /// None where the bytes end too early.
    fn fill(&mut self, mut raw: &[u8]) -> Option<()> {
        let flags = take_u32(&mut raw)?;
        if flags & 1 != 0 {
            self.size = Some(u64::from(take_u32(&mut raw)?) << 32 | u64::from(take_u32(&mut raw)?));
        }
        if flags & 2 != 0 {
            self.owner = Some((take_u32(&mut raw)?, take_u32(&mut raw)?));
        }
        if flags & 4 != 0 {
            self.mode = Some(take_u32(&mut raw)?);
        }
        if flags & 8 != 0 {
            self.times = Some((take_u32(&mut raw)?, take_u32(&mut raw)?));
        }
        Some(())
    }

    fn operation(&self, link: bool) -> Operation {
        let Self { size, owner, mode, times } = *self;
        Operation::SetStat { size, owner, mode, times, link }
    }
}

/// The text behind a status's code. Versions before 3 have none.
pub(super) fn reason(mut raw: &[u8]) -> Vec<u8> {
    let length = take_u32(&mut raw).unwrap_or_default();
    raw.get(..length as usize).unwrap_or(raw).to_vec()
}

fn take_u32(raw: &mut &[u8]) -> Option<u32> {
    let (bytes, behind) = raw.split_first_chunk::<4>()?;
    *raw = behind;
    Some(u32::from_be_bytes(*bytes))
}
