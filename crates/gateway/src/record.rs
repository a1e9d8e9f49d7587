//! A session's recording: one file, one JSON object a line.
//!
//! The first line says whose session it is; each further line is one statement or request, once it has finished; a statement
//! that takes long has one before that, too. Lines are gathered,
//! written and hashed off the relay's path, at most one batch under way and one gathering: when the disk is slower than
//! the client, the relay has to wait ([`Recorder::poll`]). Nothing is dropped: when writing fails, the session ends.
//! Never writes a secret: neither tokens nor the lease's password come here.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ajar_core::id::SessionId;
use ajar_core::permit::Claims;
use ajar_core::session::Recording;
use ajar_core::time::Timestamp;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Sleep;

/// A batch is written when it has grown to this.
pub(crate) const BATCH: usize = 32 * 1024;
/// With one batch under way, the relay waits when the next has grown to this.
pub(crate) const FULL: usize = 256 * 1024;

/// Where recordings go.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    folder: PathBuf,
    every: Duration,
    /// Few recordings are closed at once: thousands of sessions may end in the same second.
    closing: Arc<Semaphore>,
}

impl Archive {
    pub(crate) fn new(folder: PathBuf, every: Duration) -> Self {
        Self { folder, every, closing: Arc::new(Semaphore::new(4)) }
    }

    /// Begins a recording: the file and its first line are there when this returns. INVARIANT I13: opening fails closed.
    pub(crate) async fn begin(
        &self,
        session: SessionId,
        claims: &Claims,
        protocol: &'static str,
        started: Timestamp,
    ) -> io::Result<Recorder> {
        let path = self.folder.join(format!("{session}.ndjson"));
        let head = header(session, claims, protocol, started);
        let tape = tokio::task::spawn_blocking(move || Tape::create(&path, &head)).await.map_err(io::Error::other)??;
        Ok(Recorder {
            tape: State::Ready(Box::new(tape)),
            lines: Vec::new(),
            entries: 0,
            every: self.every,
            timer: None,
            closing: Arc::clone(&self.closing),
        })
    }
}

/// The file, and the hash of what is in it.
#[derive(Debug)]
struct Tape {
    file: File,
    hash: Sha256,
    size: u64,
}

impl Tape {
    fn create(path: &Path, head: &[u8]) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
        let mut tape = Self { file, hash: Sha256::new(), size: 0 };
        tape.append(head)?;
        Ok(tape)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    fn close(self, entries: u64) -> io::Result<Recording> {
        self.file.sync_all()?;
        Ok(Recording { sha256: hex::encode(self.hash.finalize()), size: self.size, entries })
    }
}

#[derive(Debug)]
enum State {
    Ready(Box<Tape>),
    Writing(JoinHandle<io::Result<Box<Tape>>>),
    Failed,
}

/// One session's recording, under way.
#[derive(Debug)]
pub(crate) struct Recorder {
    tape: State,
    lines: Vec<u8>,
    entries: u64,
    every: Duration,
    /// Runs while lines wait.
    timer: Option<Pin<Box<Sleep>>>,
    closing: Arc<Semaphore>,
}

impl Recorder {
    /// Takes an entry: `put` appends its line, a JSON object and a newline.
    pub(crate) fn push(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        if self.lines.capacity() == 0 {
            self.lines.reserve(4_096);
        }
        put(&mut self.lines);
        self.entries += 1;
    }

    /// Takes the lines of so many entries.
    pub(crate) fn push_all(&mut self, lines: &[u8], entries: u64) {
        self.lines.extend_from_slice(lines);
        self.entries += entries;
    }

    /// Whether it takes no more until what is under way is written.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self.tape, State::Writing(_)) && self.lines.len() >= FULL
    }

    /// Entries taken so far.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// Writes what should be written. `Ready(Ok)`: go on; `Pending`: forward nothing until woken.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let State::Writing(job) = &mut self.tape {
            match Pin::new(job).poll(cx) {
                Poll::Ready(written) => {
                    self.tape = State::Failed;
                    self.tape = State::Ready(written.map_err(io::Error::other).flatten()?);
                }
                Poll::Pending if self.lines.len() >= FULL => return Poll::Pending,
                Poll::Pending => {}
            }
        }
        if self.lines.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if self.lines.len() < BATCH {
            let every = self.every;
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(every)));
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Ready(Ok(()));
            }
        }
        match std::mem::replace(&mut self.tape, State::Failed) {
            State::Ready(mut tape) => {
                let lines = std::mem::take(&mut self.lines);
                let mut job = tokio::task::spawn_blocking(move || tape.append(&lines).map(|()| tape));
                // A job that is being polled wakes the relay when it is done.
                if let Poll::Ready(written) = Pin::new(&mut job).poll(cx) {
                    self.tape = State::Ready(written.map_err(io::Error::other).flatten()?);
                } else {
                    self.tape = State::Writing(job);
                }
                self.timer = None;
                Poll::Ready(Ok(()))
            }
            State::Writing(job) => {
                self.tape = State::Writing(job);
                Poll::Ready(Ok(()))
            }
            State::Failed => Poll::Ready(Err(io::Error::other("the recording has failed"))),
        }
    }

    /// Writes what is left, and makes it durable.
    pub(crate) async fn finish(self) -> io::Result<Recording> {
        let mut tape = match self.tape {
            State::Ready(tape) => tape,
            State::Writing(job) => job.await.map_err(io::Error::other)??,
            State::Failed => return Err(io::Error::other("the recording has failed")),
        };
        let _turn = self.closing.acquire().await.map_err(io::Error::other)?;
        let close = move || {
            tape.append(&self.lines)?;
            tape.close(self.entries)
        };
        tokio::task::spawn_blocking(close).await.map_err(io::Error::other)?
    }
}

/// The first line.
fn header(session: SessionId, claims: &Claims, protocol: &str, started: Timestamp) -> Vec<u8> {
    let head = serde_json::json!({
        "format": "ajar-recording/1",
        "session": session,
        "grant": claims.grant,
        "request": claims.request,
        "principal": claims.principal,
        "resource": claims.resource,
        "role": claims.role,
        "protocol": protocol,
        "started": started,
    });
    let mut line = head.to_string().into_bytes();
    line.push(b'\n');
    line
}
