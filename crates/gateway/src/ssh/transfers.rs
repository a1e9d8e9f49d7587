//! What is noted of files that go through a channel: by sftp, or by scp's old protocol in a command.

use ajar_wire::ssh::scp::Scp;
use ajar_wire::ssh::sftp::Sftp;
use ajar_wire::ssh::{Answer, Change, Digest, Event, File, Operation, Transfer};
use serde_json::{Value, json};

/// Follows one channel.
#[derive(Debug)]
pub(super) enum Transfers {
    Sftp(Box<Sftp>),
    Scp(Box<Scp>),
}

impl Transfers {
    pub(super) fn sftp() -> Self {
        Self::Sftp(Box::default())
    }

    /// For a command that is scp's other end.
    pub(super) fn of_command(command: &[u8]) -> Option<Self> {
        Scp::of_command(command).map(|scp| Self::Scp(Box::new(scp)))
    }

    /// Bytes on their way, from the client or from the host.
    pub(super) fn pass(&mut self, from_client: bool, data: &[u8], mut tell: impl FnMut(&str, Value)) {
        let mut out = |event| told(event, &mut tell);
        match (self, from_client) {
            (Self::Sftp(sftp), true) => sftp.client(data, &mut out),
            (Self::Sftp(sftp), false) => sftp.server(data, &mut out),
            (Self::Scp(scp), true) => scp.client(data, &mut out),
            (Self::Scp(scp), false) => scp.server(data, &mut out),
        }
    }

    /// The channel is over.
    pub(super) fn end(self, mut tell: impl FnMut(&str, Value)) {
        let mut out = |event| told(event, &mut tell);
        match self {
            Self::Sftp(mut sftp) => sftp.end(&mut out),
            Self::Scp(mut scp) => scp.end(&mut out),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn told(event: Event, tell: &mut impl FnMut(&str, Value)) {
    match event {
        Event::File(file) => tell("file", told_file(&file)),
        Event::OpenFailed { path, named, opened: _, answer } => {
            tell(
                "file",
                json!({ "op": "open", "path": text(&path), "named": named.as_deref().map(text), "ok": false, "code": code(&answer) }),
            );
        }
        Event::Unfollowed { path, opened: _ } => tell("file", json!({ "op": "open", "path": text(&path), "unfollowed": true })),
        Event::Listed { path } => tell("list", json!({ "path": text(&path) })),
        Event::Changed(change) => tell("change", told_change(&change)),
        Event::Extension { name, answer } => {
            tell("change", json!({ "op": text(&name), "ok": matches!(answer, Answer::Done), "code": code(&answer) }));
        }
        Event::Confused { side, why } => {
            tell(
                "unreadable",
                json!({ "why": format!("what the {} sends can't be followed any more: {why}", format!("{side:?}").to_lowercase()) }),
            );
        }
    }
}

fn told_file(file: &File) -> Value {
    let whole = |transfer: &Transfer| match transfer.digest {
        Digest::Whole(digest) if transfer.bytes > 0 || file.complete => Some(hex::encode(digest)),
        Digest::Whole(_) | Digest::Pieces => None,
    };
    let (read, written) = (file.read.bytes > 0, file.written.bytes > 0);
    let op = match (read, written) {
        (true, true) => "both",
        (true, false) => "read",
        (false, true) => "write",
        (false, false) => "open",
    };
    json!({
        "op": op,
        "path": text(&file.path),
        "named": file.named.as_deref().map(text),
        "bytes_read": read.then_some(file.read.bytes),
        "sha256_read": whole(&file.read).filter(|_| read),
        "bytes_written": written.then_some(file.written.bytes),
        "sha256_written": whole(&file.written).filter(|_| written),
        "to_the_end": (read && file.reached_end).then_some(true),
        "ok": file.complete && file.read.failed + file.written.failed == 0,
    })
}

fn told_change(change: &Change) -> Value {
    let (op, to) = match &change.operation {
        Operation::Remove => ("remove", None),
        Operation::MakeDir => ("mkdir", None),
        Operation::RemoveDir => ("rmdir", None),
        Operation::Rename { to, .. } => ("rename", Some(text(to))),
        Operation::Symlink { to } => ("symlink", Some(text(to))),
        Operation::Hardlink { to } => ("hardlink", Some(text(to))),
        Operation::SetStat { .. } => ("setstat", None),
        Operation::CopyFrom { from, .. } => ("copy", Some(text(from))),
    };
    json!({ "op": op, "path": text(&change.path), "to": to, "ok": matches!(change.answer, Answer::Done), "code": code(&change.answer) })
}

/// The status of an answer that isn't fine.
fn code(answer: &Answer) -> Option<u32> {
    match answer {
        Answer::Refused { code, .. } => Some(*code),
        Answer::Done | Answer::Missing => None,
    }
}
