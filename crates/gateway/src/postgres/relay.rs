//! Bytes in both directions, in one task, without a copy per message.
//!
//! What has arrived is scanned in place and passed on up to the last complete message. The beginning of a small message is
//! held back until the rest is there, so that a notice or the last error can be put in between; a big one streams through.
//! Nothing is read from one side while the other side, or the recording, can't take more.
//!
//! INVARIANT I07, T5: the deadline is checked after each read and before anything is passed on.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ajar_core::port::Mono;
use ajar_wire::pg::scan::{BackendScanner, FrontendEvent, FrontendScanner, Scan};
use ajar_wire::pg::statements::{Statement, Statements};
use ajar_wire::pg::{WireError, messages};
use tokio::time::Sleep;

use super::stream::{HOLD, Stream, with_scratch};
use crate::cut::Deadline;
use crate::record::Recorder;

/// What runs for so long is put on record before it has finished, for those who watch: it may be what somebody should end.
const LONG: Duration = Duration::from_secs(1);

/// Why relaying ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The client said goodbye or is gone.
    ClientLeft,
    /// The target has closed.
    TargetLeft,
    /// The deadline is here.
    Deadline,
    /// The client broke the protocol.
    ClientViolation(WireError),
    /// The target did.
    TargetViolation(WireError),
    /// The recording can't go on.
    RecordingFailed(std::io::Error),
}

/// One direction.
#[derive(Debug, Default)]
struct Half {
    /// The beginning of a message, scanned but not passed on.
    held: Vec<u8>,
    /// The beginning of a message has been passed on, its end hasn't come.
    open: bool,
    /// Nothing more comes from its source.
    ended: bool,
    bytes: u64,
}

impl Half {
    /// How much of `total` bytes may be passed on, of which the last `fresh` were just scanned.
    fn passes(&mut self, total: usize, fresh: usize, scan: Scan) -> usize {
        let begins = if scan.boundary > 0 {
            self.open = false;
            total - fresh + scan.boundary
        } else {
            0
        };
        let missing = usize::try_from(scan.missing).unwrap_or(usize::MAX);
        if self.open || missing == 0 {
            self.open = missing > 0;
            return total;
        }
        if (total - begins).saturating_add(missing) <= HOLD {
            return begins;
        }
        self.open = true;
        total
    }
}

/// A session's relay, until it ends.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) client: Stream,
    target: Stream,
    deadline: Arc<Deadline>,
    started: Mono,
    up: Half,
    asked: FrontendScanner,
    down: Half,
    answered: BackendScanner,
    statements: Statements,
    finished: Vec<Statement>,
    /// Goes off when it is time to look at what runs; there while something may.
    look: Option<Pin<Box<Sleep>>>,
    /// When the statement began that was put on record as running.
    noted: Option<u64>,
    recorder: Recorder,
    /// For the client, at the next boundary.
    words: Vec<u8>,
    /// The client said goodbye.
    terminated: bool,
    /// The target was told to send what it holds back, since the client has to wait.
    flushed: bool,
    /// The client sends no more: the target is still to be told.
    closing: bool,
    last: Mono,
}

/// What is left of a relay that has ended. The connection to the target is closed.
#[derive(Debug)]
pub(crate) struct Remains {
    pub(crate) client: Stream,
    /// Whether the client can be told something: its stream stands between two messages.
    pub(crate) at_boundary: bool,
    pub(crate) recorder: Recorder,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// When something was passed on last.
    pub(crate) last: Mono,
}

impl Relay {
    /// Between a client that has been told that it is in, and a target that is ready.
    pub(crate) fn new(client: Stream, target: Stream, deadline: Arc<Deadline>, recorder: Recorder, started: Mono) -> Self {
        Self {
            client,
            target,
            deadline,
            started,
            up: Half::default(),
            asked: FrontendScanner::default(),
            down: Half::default(),
            answered: BackendScanner::new(),
            statements: Statements::default(),
            finished: Vec::new(),
            look: None,
            noted: None,
            recorder,
            words: Vec::new(),
            terminated: false,
            flushed: false,
            closing: false,
            last: started,
        }
    }

    /// Something to tell the client, when its stream next stands between two messages.
    pub(crate) fn tell(&mut self, words: &[u8]) {
        self.words.extend_from_slice(words);
    }

    /// Passes on what came before relaying began: `up` from the client, `down` from the target.
    pub(crate) fn begin(&mut self, up: &[u8], down: &[u8]) -> Result<(), End> {
        self.answer(down, down.len())?;
        self.ask(up, up.len())
    }

    /// Passes on what there is. Ready when the session has to end.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.look(cx);
        loop {
            if self.deadline.check().is_none() {
                return Poll::Ready(End::Deadline);
            }
            match self.recorder.poll(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(End::RecordingFailed(error)),
                // Back-pressure: nothing is passed on that could not be recorded.
                Poll::Pending => return Poll::Pending,
            }
            let progress = match self.poll_down(cx).and_then(|down| Ok(self.poll_up(cx)? || down)) {
                Ok(progress) => progress,
                Err(end) => return Poll::Ready(end),
            };
            if !progress {
                if self.look.is_none() && !self.statements.is_idle() {
                    self.look_after(LONG, cx);
                }
                return Poll::Pending;
            }
        }
    }

    /// Puts on record what has been running for long, once.
    fn look(&mut self, cx: &mut Context<'_>) {
        if self.look.as_mut().is_none_or(|timer| timer.as_mut().poll(cx).is_pending()) {
            return;
        }
        self.look = None;
        let Some(now) = self.deadline.check() else { return };
        let at = self.at(now);
        let Some(statement) = self.statements.running(at) else { return };
        let for_now = Duration::from_micros(at - statement.started_at);
        if for_now < LONG {
            return self.look_after(LONG - for_now, cx);
        }
        if self.noted.replace(statement.started_at) != Some(statement.started_at) {
            let mut line = Vec::new();
            super::line::put(&mut line, &statement);
            // It is counted when it has finished.
            self.recorder.push_all(&line, 0);
        }
    }

    fn look_after(&mut self, time: Duration, cx: &mut Context<'_>) {
        let mut timer = Box::pin(tokio::time::sleep(time));
        if timer.as_mut().poll(cx).is_pending() {
            self.look = Some(timer);
        }
    }

    /// From the target to the client; whether anything happened.
    fn poll_down(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        if self.client.has_backlog() {
            match self.client.poll_flush(cx) {
                Poll::Ready(Ok(())) => self.last = self.deadline.check().ok_or(End::Deadline)?,
                Poll::Ready(Err(_)) => return Err(End::ClientLeft),
                Poll::Pending => return Ok(false),
            }
        }
        if !self.words.is_empty() && !self.down.open {
            let words = std::mem::take(&mut self.words);
            self.client.send(&words).map_err(|_| End::ClientLeft)?;
            return Ok(true);
        }
        if self.down.ended {
            return Err(if self.terminated { End::ClientLeft } else { End::TargetLeft });
        }
        with_scratch(|scratch| {
            let held = self.down.held.len();
            let Some(room) = scratch.plain.get_mut(held..) else { return Ok(false) };
            let n = match self.target.poll_read(cx, room, &mut scratch.cipher) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(n)) => n,
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "the target's connection failed");
                    0
                }
            };
            if n == 0 {
                self.down.ended = true;
                return Ok(true);
            }
            if let Some(front) = scratch.plain.get_mut(..held) {
                front.copy_from_slice(&self.down.held);
            }
            self.answer(scratch.plain.get(..held + n).unwrap_or_default(), n)?;
            Ok(true)
        })
    }

    /// Passes on what the target sent; the last `fresh` bytes are new.
    fn answer(&mut self, bytes: &[u8], fresh: usize) -> Result<(), End> {
        let now = self.deadline.check().ok_or(End::Deadline)?;
        let at = self.at(now);
        let Self { answered, statements, finished, .. } = self;
        let new = bytes.get(bytes.len() - fresh..).unwrap_or_default();
        let scan = answered.scan(new, &mut |event| statements.backend(event, at, finished)).map_err(End::TargetViolation)?;
        let n = self.down.passes(bytes.len(), fresh, scan);
        let (pass, hold) = bytes.split_at_checked(n).unwrap_or((bytes, &[]));
        hold_back(&mut self.down.held, hold);
        self.record();
        if !pass.is_empty() {
            self.client.send(pass).map_err(|_| End::ClientLeft)?;
            self.down.bytes += pass.len() as u64;
            self.last = now;
        }
        Ok(())
    }

    /// From the client to the target; whether anything happened.
    fn poll_up(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        if self.closing {
            // What a half-closed client has asked for still gets its answers, as with PostgreSQL itself.
            match self.target.poll_finish(cx) {
                Poll::Ready(_) => self.closing = false,
                Poll::Pending => {}
            }
            return Ok(false);
        }
        if self.up.ended {
            return Ok(false);
        }
        if self.target.has_backlog() {
            match self.target.poll_flush(cx) {
                Poll::Ready(Ok(())) => self.last = self.deadline.check().ok_or(End::Deadline)?,
                // It may have said why: that is still to be read.
                Poll::Ready(Err(_)) => {
                    self.up.ended = true;
                    return Ok(false);
                }
                Poll::Pending => return Ok(false),
            }
        }
        if self.statements.is_full() {
            if !self.flushed && !self.up.open {
                self.flushed = true;
                let mut flush = Vec::new();
                messages::flush(&mut flush);
                self.up.ended = self.target.send(&flush).is_err();
                return Ok(true);
            }
            return Ok(false);
        }
        self.flushed = false;
        with_scratch(|scratch| {
            let held = self.up.held.len();
            let Some(room) = scratch.plain.get_mut(held..) else { return Ok(false) };
            let n = match self.client.poll_read(cx, room, &mut scratch.cipher) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(n)) => n,
                Poll::Ready(Err(_)) => return Err(End::ClientLeft),
            };
            if n == 0 {
                self.up.ended = true;
                self.closing = true;
                self.terminated = true;
                return Ok(true);
            }
            if let Some(front) = scratch.plain.get_mut(..held) {
                front.copy_from_slice(&self.up.held);
            }
            self.ask(scratch.plain.get(..held + n).unwrap_or_default(), n)?;
            Ok(true)
        })
    }

    /// Passes on what the client sent; the last `fresh` bytes are new.
    fn ask(&mut self, bytes: &[u8], fresh: usize) -> Result<(), End> {
        let now = self.deadline.check().ok_or(End::Deadline)?;
        let at = self.at(now);
        let Self { asked, statements, finished, terminated, .. } = self;
        let new = bytes.get(bytes.len() - fresh..).unwrap_or_default();
        let mut sink = |event: FrontendEvent<'_>| {
            *terminated |= matches!(event, FrontendEvent::Terminate);
            statements.frontend(event, at, finished);
        };
        let scan = asked.scan(new, &mut sink).map_err(End::ClientViolation)?;
        let n = self.up.passes(bytes.len(), fresh, scan);
        let (pass, hold) = bytes.split_at_checked(n).unwrap_or((bytes, &[]));
        hold_back(&mut self.up.held, hold);
        self.record();
        if !pass.is_empty() {
            // When the target can't be written to, it may have said why: that is still to be read.
            self.up.ended |= self.target.send(pass).is_err();
            self.up.bytes += pass.len() as u64;
            self.last = now;
        }
        Ok(())
    }

    fn record(&mut self) {
        for statement in self.finished.drain(..) {
            self.recorder.push(|out| super::line::put(out, &statement));
        }
    }

    /// Microseconds since the session's start.
    fn at(&self, now: Mono) -> u64 {
        now.0.saturating_sub(self.started.0) / 1_000
    }

    /// Closes the target's connection and gives back the rest. INVARIANT I07: no byte passes after this.
    pub(crate) fn end(mut self, now: Mono) -> Remains {
        drop(self.target);
        let at = now.0.saturating_sub(self.started.0) / 1_000;
        self.statements.finish(at, &mut self.finished);
        for statement in &self.finished {
            self.recorder.push(|out| super::line::put(out, statement));
        }
        Remains {
            client: self.client,
            at_boundary: !self.down.open,
            recorder: self.recorder,
            bytes_in: self.up.bytes,
            bytes_out: self.down.bytes,
            last: self.last,
        }
    }
}

/// Keeps `rest` for later. An idle direction owns no buffer.
fn hold_back(held: &mut Vec<u8>, rest: &[u8]) {
    if rest.is_empty() {
        *held = Vec::new();
    } else {
        held.clear();
        held.extend_from_slice(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds messages of the given sizes in chunks; gives the largest part of a message that was held back.
    #[test]
    fn everything_is_passed_on_once_and_only_small_beginnings_wait() {
        let mut scanner = BackendScanner::new();
        let mut half = Half::default();
        let mut stream = Vec::new();
        for size in [0usize, 10, 40_000, 5, 200_000, 32_000, 1] {
            stream.push(b'd');
            stream.extend_from_slice(&u32::try_from(size + 4).unwrap().to_be_bytes());
            stream.extend(std::iter::repeat_n(7u8, size));
        }
        for step in [1, 3, 7, 1_000, 4_096, 131_072] {
            let mut out = Vec::new();
            for chunk in stream.chunks(step) {
                let bytes = [half.held.as_slice(), chunk].concat();
                let scan = scanner.scan(chunk, &mut |_| {}).unwrap();
                let n = half.passes(bytes.len(), chunk.len(), scan);
                out.extend_from_slice(&bytes[..n]);
                hold_back(&mut half.held, &bytes[n..]);
                assert!(half.held.len() <= HOLD);
                assert!(!half.open || half.held.is_empty());
            }
            assert!(out == stream && half.held.is_empty() && !half.open, "chunks of {step}");
        }
    }
}
