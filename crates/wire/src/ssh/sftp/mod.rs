//! SFTP, version 3 (<https://datatracker.ietf.org/doc/html/draft-ietf-secsh-filexfer-02>), with OpenSSH's extensions.
//!
//! Requests wait under their ids until they are answered, since only the answer says what became of them. A file's content is
//! hashed as its packets flow: what is written when the client sends it, what is read when the target hands it out. It counts as one
//! piece only in order: OpenSSH's client asks for many blocks at once, and its server answers them in order, but a block that comes
//! short in the middle of a file is asked for again and arrives late; gathering what came before would cost megabytes for each
//! file, so such a content is [`Digest::Pieces`](super::Digest::Pieces).
//!
//! Both sides may lie about handles. A write that was sent while its handle stood for one file and answered when it stands for another
//! leaves the latter in pieces.

mod files;
mod packet;
mod request;

use std::collections::BTreeMap;

use self::files::Files;
use self::packet::{Head, Packets, Step};
use self::request::{DATA, EXTENDED_REPLY, HANDLE, INIT, Request, STATUS, VERSION, WRITE};
use super::{Answer, Change, Confusion, Event, Operation, Side};

/// The version that is followed; earlier ones have the same packets, only fewer.
const LAST_VERSION: u32 = 3;
/// The most requests that wait for an answer.
const MAX_ASKED: usize = 4_096;
/// The most bytes of names in them.
const MAX_ASKED_BYTES: usize = 1 << 20;

/// `SSH_FX_OK`.
const OK: u32 = 0;
/// `SSH_FX_EOF`.
const EOF: u32 = 1;

/// The observer of one channel.
#[derive(Debug)]
pub struct Sftp {
    client: Packets,
    server: Packets,
    client_began: bool,
    server_began: bool,
    asked: BTreeMap<u32, Asked>,
    asked_bytes: usize,
    files: Files,
    /// The content that the client is sending.
    writing: Option<Content>,
    /// The content that the target is sending.
    reading: Option<Content>,
    over: bool,
}

/// A request without an answer.
#[derive(Debug)]
struct Asked {
    request: Request,
    /// The opening that its handle stood for.
    serial: Option<u64>,
}

/// A content under way in a packet.
#[derive(Debug)]
struct Content {
    handle: Vec<u8>,
    serial: u64,
    left: usize,
}

impl Content {
    /// What of a piece of the packet belongs to it.
    fn cut<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let piece = piece.get(..self.left).unwrap_or(piece);
        self.left -= piece.len();
        piece
    }
}

/// What a target's packet says.
enum Reply {
    Status { code: u32, reason: Vec<u8> },
    Handle(Vec<u8>),
    Data(u32),
    Extended,
    Other,
}

impl Reply {
    /// To a question that only a status answers.
    fn answer(self) -> Answer {
        match self {
            Self::Status { code: OK, .. } => Answer::Done,
            Self::Status { code, reason } => Answer::Refused { code, reason },
            Self::Handle(_) | Self::Data(_) | Self::Extended | Self::Other => Answer::Refused { code: OK, reason: Vec::new() },
        }
    }

    /// To a question that a status answers only if it is refused.
    fn refusal(self) -> Answer {
        match self.answer() {
            Answer::Done => Answer::Refused { code: OK, reason: Vec::new() },
            answer @ (Answer::Refused { .. } | Answer::Missing) => answer,
        }
    }
}

impl Default for Sftp {
    fn default() -> Self {
        Self::new()
    }
}

impl Sftp {
    /// At the beginning of a channel.
    #[must_use]
    pub fn new() -> Self {
        Self {
            client: Packets::new(request::client_layout),
            server: Packets::new(request::server_layout),
            client_began: false,
            server_began: false,
            asked: BTreeMap::new(),
            asked_bytes: 0,
            files: Files::default(),
            writing: None,
            reading: None,
            over: false,
        }
    }

    /// Takes the client's next bytes, and gives each event to `out`.
    pub fn client(&mut self, bytes: &[u8], out: &mut impl FnMut(Event)) {
        let mut rest = bytes;
        while !self.over {
            let result = match self.client.next(&mut rest) {
                Ok(None) => return,
                Ok(Some(Step::Head(head))) => self.ask(head),
                Ok(Some(Step::Body(piece))) => {
                    self.write(piece);
                    Ok(())
                }
                Err(why) => Err(why),
            };
            if let Err(why) = result {
                self.confuse(Side::Client, why, out);
            }
        }
    }

    /// Takes the target's next bytes, and gives each event to `out`.
    pub fn server(&mut self, bytes: &[u8], out: &mut impl FnMut(Event)) {
        let mut rest = bytes;
        while !self.over {
            let result = match self.server.next(&mut rest) {
                Ok(None) => return,
                Ok(Some(Step::Head(head))) => self.reply(head, out),
                Ok(Some(Step::Body(piece))) => {
                    self.read(piece);
                    Ok(())
                }
                Err(why) => Err(why),
            };
            if let Err(why) = result {
                self.confuse(Side::Server, why, out);
            }
        }
    }

    /// The channel is over: what has no answer comes out, then what is still open.
    pub fn end(&mut self, out: &mut impl FnMut(Event)) {
        self.over = true;
        self.asked_bytes = 0;
        (self.writing, self.reading) = (None, None);
        for (_, asked) in std::mem::take(&mut self.asked) {
            match asked.request {
                Request::Open { path, opened } => out(Event::OpenFailed { path, named: None, opened, answer: Answer::Missing }),
                Request::Change { path, operation } => out(changed(operation, path, Answer::Missing)),
                Request::SetHandle { handle, operation, .. } => out(changed(operation, self.files.path(&handle), Answer::Missing)),
                Request::Copy { from, offset, bytes, handle } => out(self.copied(&from, offset, bytes, &handle, Answer::Missing)),
                Request::Extension { name } => out(Event::Extension { name, answer: Answer::Missing }),
                Request::OpenDir { .. } | Request::Close { .. } | Request::Read { .. } | Request::Write { .. } | Request::Other => {}
            }
        }
        for file in self.files.take_all() {
            out(file.finish(false));
        }
    }

    fn confuse(&mut self, side: Side, why: Confusion, out: &mut impl FnMut(Event)) {
        out(Event::Confused { side, why });
        self.end(out);
    }

    /// A client's packet.
    fn ask(&mut self, head: Head) -> Result<(), Confusion> {
        self.writing = None;
        let kind = head.kind;
        if !std::mem::replace(&mut self.client_began, true) && kind != INIT {
            return Err(Confusion::Beginning(kind));
        }
        let Some(id) = head.id().filter(|_| kind != INIT) else { return Ok(()) };
        let rest = head.rest;
        let request = Request::new(head);
        let serial = match &request {
            Request::Write { handle, offset, bytes } => {
                if *bytes > rest {
                    return Err(Confusion::Malformed(WRITE));
                }
                let serial = self.files.serial(handle);
                if let Some(file) = self.files.get_mut(handle).filter(|_| *bytes > 0) {
                    file.written.begin(*offset);
                    self.writing = Some(Content { handle: handle.clone(), serial: file.serial, left: *bytes as usize });
                }
                serial
            }
            Request::SetHandle { handle, size, .. } => {
                if let (Some(file), Some(size)) = (self.files.get_mut(handle), size) {
                    file.written.resize(*size);
                }
                self.files.serial(handle)
            }
            Request::Copy { handle, .. } => {
                if let Some(file) = self.files.get_mut(handle) {
                    file.written.tear();
                }
                self.files.serial(handle)
            }
            Request::Open { .. } | Request::OpenDir { .. } | Request::Close { .. } | Request::Read { .. } => None,
            Request::Change { .. } | Request::Extension { .. } | Request::Other => None,
        };
        self.remember(id, Asked { request, serial })
    }

    fn remember(&mut self, id: u32, asked: Asked) -> Result<(), Confusion> {
        let bytes = asked.request.bytes();
        if self.asked.contains_key(&id) {
            return Err(Confusion::RepeatedId(id));
        }
        self.asked_bytes += bytes;
        self.asked.insert(id, asked);
        if self.asked.len() > MAX_ASKED || self.asked_bytes > MAX_ASKED_BYTES { Err(Confusion::TooMuchAsked) } else { Ok(()) }
    }

    /// Some of what a client writes.
    fn write(&mut self, piece: &[u8]) {
        let Some(content) = &mut self.writing else { return };
        let piece = content.cut(piece);
        if let Some(file) = self.files.opening(&content.handle, content.serial) {
            file.written.feed(piece);
        }
    }

    /// A target's packet.
    fn reply(&mut self, head: Head, out: &mut impl FnMut(Event)) -> Result<(), Confusion> {
        self.reading = None;
        let kind = head.kind;
        if !std::mem::replace(&mut self.server_began, true) && kind != VERSION {
            return Err(Confusion::Beginning(kind));
        }
        if kind == VERSION {
            let version = head.u32(0);
            return if version > LAST_VERSION { Err(Confusion::Version(version)) } else { Ok(()) };
        }
        let Some(id) = head.id() else { return Ok(()) };
        let reply = Self::understand(head)?;
        let Some(asked) = self.asked.remove(&id) else { return Ok(()) };
        self.asked_bytes -= asked.request.bytes();
        self.answer(asked, reply, out);
        Ok(())
    }

    fn understand(mut head: Head) -> Result<Reply, Confusion> {
        Ok(match head.kind {
            STATUS => Reply::Status { code: head.u32(1), reason: request::reason(&head.raw) },
            HANDLE => Reply::Handle(head.take(0)),
            DATA if head.u32(1) > head.rest => return Err(Confusion::Malformed(DATA)),
            DATA => Reply::Data(head.u32(1)),
            EXTENDED_REPLY => Reply::Extended,
            _ => Reply::Other,
        })
    }

    fn answer(&mut self, asked: Asked, reply: Reply, out: &mut impl FnMut(Event)) {
        let serial = asked.serial;
        match (asked.request, reply) {
            (Request::Open { path, opened }, Reply::Handle(handle)) => {
                self.close(&handle, false, out);
                self.files.insert(handle, path, opened).into_iter().for_each(out);
            }
            (Request::Open { path, opened }, reply) => out(Event::OpenFailed { path, named: None, opened, answer: reply.refusal() }),
            (Request::OpenDir { path }, Reply::Handle(handle)) => {
                self.close(&handle, false, out);
                out(Event::Listed { path });
            }
            (Request::Close { handle }, reply) => self.close(&handle, reply.answer() == Answer::Done, out),
            (Request::Read { handle, offset }, Reply::Data(bytes)) => {
                if let Some(file) = self.files.get_mut(&handle).filter(|_| bytes > 0) {
                    file.read.begin(offset);
                    file.reached_end = false;
                    self.reading = Some(Content { serial: file.serial, handle, left: bytes as usize });
                }
            }
            (Request::Read { handle, offset }, Reply::Status { code: EOF, .. }) => {
                if let Some(file) = self.files.get_mut(&handle) {
                    file.reached_end |= file.read.end() == Some(offset);
                }
            }
            (Request::Read { handle, .. }, _) => {
                if let Some(file) = self.files.get_mut(&handle) {
                    file.read.fail();
                }
            }
            (Request::Write { handle, bytes, .. }, reply) => {
                let done = reply.answer() == Answer::Done;
                if let Some(file) = self.files.get_mut(&handle) {
                    if !done {
                        file.written.fail();
                        file.written.tear();
                        return;
                    }
                    file.written.count(u64::from(bytes));
                    if serial != Some(file.serial) {
                        file.written.tear();
                    }
                }
            }
            (Request::Change { path, operation }, reply) => out(changed(operation, path, reply.answer())),
            (Request::SetHandle { handle, operation, size }, reply) => {
                if let Some(file) = self.files.get_mut(&handle).filter(|file| size.is_some() && serial != Some(file.serial)) {
                    file.written.tear();
                }
                out(changed(operation, self.files.path(&handle), reply.answer()));
            }
            (Request::Copy { from, offset, bytes, handle }, reply) => {
                if let Some(file) = self.files.get_mut(&handle).filter(|file| serial != Some(file.serial)) {
                    file.written.tear();
                }
                out(self.copied(&from, offset, bytes, &handle, reply.answer()));
            }
            (Request::Extension { name }, Reply::Extended) => out(Event::Extension { name, answer: Answer::Done }),
            (Request::Extension { name }, reply) => out(Event::Extension { name, answer: reply.answer() }),
            (Request::OpenDir { .. } | Request::Other, _) => {}
        }
    }

    /// Some of what a target hands out.
    fn read(&mut self, piece: &[u8]) {
        let Some(content) = &mut self.reading else { return };
        let piece = content.cut(piece);
        if let Some(file) = self.files.opening(&content.handle, content.serial) {
            file.read.feed(piece);
            file.read.count(piece.len() as u64);
        }
    }

    /// The handle stands for nothing any more.
    fn close(&mut self, handle: &[u8], complete: bool, out: &mut impl FnMut(Event)) {
        if let Some(file) = self.files.remove(handle) {
            out(file.finish(complete));
        }
    }

    fn copied(&self, from: &[u8], offset: u64, bytes: u64, handle: &[u8], answer: Answer) -> Event {
        changed(Operation::CopyFrom { from: self.files.path(from), offset, bytes }, self.files.path(handle), answer)
    }
}

fn changed(operation: Operation, path: Vec<u8>, answer: Answer) -> Event {
    Event::Changed(Change { operation, path, answer })
}

#[cfg(test)]
mod tests;
