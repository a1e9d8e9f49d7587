//! One channel: its two directions, what is asked for in it, and what is noted of it.
//!
//! Each direction has a queue and a task of its own, which waits for its own window: a channel whose reader is slow holds up no other, as
//! long as what waits is little (see `gate`).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use russh::server::{ChannelOpenHandle, Handle};
use russh::{ChannelId, ChannelWriteHalf, Pty, Sig, client, server};
use serde_json::json;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::prompt::Prompt;
use super::room::Room;
use super::tape::Stream;
use super::transfers::Transfers;

/// Environment variables that one channel may set.
const VARIABLES: usize = 64;
/// Signals that may be on their way at once.
const SIGNALS: usize = 64;
/// Bytes of an error output that are recorded whatever the files say of output.
const ERRORS: u64 = 4_096;
/// The longest name or value of one, in bytes.
const VARIABLE: usize = 4_096;
/// The first of OpenSSH's kinds of extended data (RFC 4254, 5.2).
pub(super) const STDERR: u32 = 1;

/// A side of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client = 0,
    Host = 1,
}

/// What a channel is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Shell,
    Exec(Vec<u8>),
    Subsystem(String),
    Tcp {
        host: String,
        port: u32,
        from: String,
        from_port: u32,
    },
    Unix(String),
    /// From the host to the client: a port it listens on, the agent, a window.
    Back(&'static str, String),
}

/// A terminal.
#[derive(Debug, Clone)]
pub(super) struct Terminal {
    pub(super) term: String,
    pub(super) cols: u32,
    pub(super) rows: u32,
    pub(super) pixels: (u32, u32),
    pub(super) modes: Vec<(Pty, u32)>,
}

#[derive(Debug, Clone)]
pub(super) struct X11 {
    pub(super) single: bool,
    pub(super) protocol: String,
    pub(super) cookie: String,
    pub(super) screen: u32,
}

/// What a client has asked for in a channel, before it says what it is for.
#[derive(Debug, Default, Clone)]
pub(super) struct Asked {
    pub(super) env: Vec<(String, String)>,
    pub(super) terminal: Option<Terminal>,
    pub(super) agent: bool,
    pub(super) x11: Option<X11>,
    pub(super) what: Option<What>,
}

impl Asked {
    pub(super) fn env(&mut self, name: &str, value: &str) {
        if self.env.len() < VARIABLES && name.len() <= VARIABLE && value.len() <= VARIABLE {
            self.env.push((name.to_owned(), value.to_owned()));
        }
    }
}

/// Something for one side, in its order.
pub(super) enum Item {
    Data(Bytes),
    Error(Bytes),
    /// Words of ours, for the client.
    Words(String),
    Eof,
    Exit(u32),
    Killed {
        signal: Sig,
        core: bool,
        message: String,
        language: String,
    },
    /// The terminal has another size: that which was asked for last.
    Resize,
    Signal(Sig),
    Close,
}

/// See the module.
pub(super) struct Lane {
    pub(super) number: u32,
    /// Its id on the client's connection.
    pub(super) near: ChannelId,
    to_client: UnboundedSender<Item>,
    to_host: UnboundedSender<Item>,
    for_host: Mutex<Option<UnboundedReceiver<Item>>>,
    asked: Mutex<Asked>,
    track: Mutex<Track>,
    room: OnceLock<Arc<Room>>,
    ended: [AtomicBool; 2],
    /// The side is gone, whatever still waits for it.
    gone: [Notify; 2],
    entered: AtomicBool,
    said: Said,
    resizing: AtomicBool,
    signals: AtomicUsize,
    reply: Mutex<Option<ChannelOpenHandle>>,
    pub(super) prompt: Mutex<Option<Prompt>>,
}

/// What was said, and is not said again.
#[derive(Default)]
struct Said {
    eof_near: AtomicBool,
    eof_far: AtomicBool,
    exit: AtomicBool,
}

/// What is noted of a channel.
#[derive(Default)]
struct Track {
    since: u64,
    bytes_in: u64,
    bytes_out: u64,
    /// Bytes of output that may still be recorded; none for what isn't output.
    left: u64,
    /// Bytes of errors that may still be recorded in any case.
    errors: u64,
    unrecorded: u64,
    input: bool,
    tails: [Vec<u8>; 3],
    transfers: Option<Transfers>,
    exit: Option<u32>,
    signal: Option<String>,
    open: bool,
}

impl Lane {
    pub(super) fn new(number: u32, near: ChannelId, what: Option<What>) -> (Arc<Self>, UnboundedReceiver<Item>) {
        let (to_client, for_client) = unbounded_channel();
        let (to_host, for_host) = unbounded_channel();
        let lane = Self {
            number,
            near,
            to_client,
            to_host,
            for_host: Mutex::new(Some(for_host)),
            asked: Mutex::new(Asked { what, ..Asked::default() }),
            track: Mutex::default(),
            room: OnceLock::new(),
            ended: Default::default(),
            gone: Default::default(),
            entered: AtomicBool::new(false),
            said: Said::default(),
            resizing: AtomicBool::new(false),
            signals: AtomicUsize::new(0),
            reply: Mutex::default(),
            prompt: Mutex::default(),
        };
        (Arc::new(lane), for_client)
    }

    pub(super) fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn track(&self) -> MutexGuard<'_, Track> {
        self.track.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the client. Whoever is gone needs nothing. What can be said once is taken once: it has no size that could be limited.
    pub(super) fn near(&self, item: Item) {
        let once = match &item {
            Item::Eof => Some(&self.said.eof_near),
            Item::Exit(_) | Item::Killed { .. } => Some(&self.said.exit),
            Item::Data(_) | Item::Error(_) | Item::Words(_) | Item::Resize | Item::Signal(_) | Item::Close => None,
        };
        if once.is_none_or(|said| !said.swap(true, Ordering::Relaxed)) {
            drop(self.to_client.send(item));
        }
    }

    /// For the host.
    pub(super) fn far(&self, item: Item) {
        if !matches!(item, Item::Eof) || !self.said.eof_far.swap(true, Ordering::Relaxed) {
            drop(self.to_host.send(item));
        }
    }

    /// The terminal's new size: only the last one counts.
    pub(super) fn resize(&self, cols: u32, rows: u32, pixels: (u32, u32)) {
        let mut asked = self.asked();
        if let Some(terminal) = &mut asked.terminal {
            (terminal.cols, terminal.rows, terminal.pixels) = (cols, rows, pixels);
        }
        // While one is on its way, it will be the last one's.
        if !self.resizing.swap(true, Ordering::Relaxed) {
            self.far(Item::Resize);
        }
    }

    /// A signal, unless too many are on their way.
    pub(super) fn signal(&self, signal: Sig) {
        if self.signals.fetch_add(1, Ordering::Relaxed) < SIGNALS {
            self.far(Item::Signal(signal));
        } else {
            self.signals.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether somebody at a terminal types Ctrl-C or Ctrl-D, and nothing takes it yet.
    pub(super) fn gives_up(&self, data: &[u8]) -> bool {
        let asked = self.asked();
        let prompts = self.prompt.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        asked.terminal.is_some() && asked.what.is_some() && !prompts && data.iter().any(|byte| matches!(byte, 3 | 4)) && self.enters()
    }

    /// What waits for the host, once.
    pub(super) fn for_host(&self) -> Option<UnboundedReceiver<Item>> {
        self.for_host.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// How the client is told that it is open, once it is on the host too.
    pub(super) fn answer(&self, reply: ChannelOpenHandle) {
        *self.reply.lock().unwrap_or_else(PoisonError::into_inner) = Some(reply);
    }

    pub(super) fn reply(&self) -> Option<ChannelOpenHandle> {
        self.reply.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The client, or the host, has closed it: nothing more goes there.
    pub(super) fn gone(&self, side: Side) {
        if let Some(gone) = self.gone.get(side as usize) {
            gone.notify_one();
        }
    }

    async fn until_gone(&self, side: Side) {
        match self.gone.get(side as usize) {
            Some(gone) => gone.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Whether this is the first time that it is brought to the host, or turned away.
    pub(super) fn enters(&self) -> bool {
        !self.entered.swap(true, Ordering::Relaxed)
    }

    /// Ends it: it never got to the host, or can't go on. In words, unless it isn't open to the client yet: then the library, which is
    /// left with an open that nobody accepts, prohibits it.
    pub(super) fn refuse(&self, words: String, status: u32) {
        if self.reply().is_some() {
            return;
        }
        self.near(Item::Words(words));
        self.near(Item::Exit(status));
        self.near(Item::Close);
    }

    /// From now on it is noted: it opens on the host.
    pub(super) fn begin(&self, room: &Arc<Room>) {
        let asked = self.asked();
        let terminal = asked.terminal.as_ref().filter(|_| matches!(asked.what, Some(What::Shell | What::Exec(_))));
        let transfers = match &asked.what {
            Some(What::Subsystem(name)) if name == "sftp" => Some(Transfers::sftp()),
            Some(What::Exec(command)) if terminal.is_none() => Transfers::of_command(command),
            Some(What::Exec(_) | What::Shell | What::Subsystem(_) | What::Tcp { .. } | What::Unix(_) | What::Back(..)) | None => None,
        };
        let mut track = self.track();
        let output = matches!(asked.what, Some(What::Shell | What::Exec(_)));
        (track.since, track.open, track.input) = (room.tape.now(), true, room.record.input && terminal.is_some());
        track.left = match (terminal, output && transfers.is_none()) {
            (Some(_), _) => u64::MAX,
            (None, true) => room.record.output,
            (None, false) => 0,
        };
        track.errors = ERRORS;
        track.transfers = transfers;
        drop(track);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut fields = match &asked.what {
            Some(What::Shell) => json!({ "what": "shell" }),
            Some(What::Exec(command)) => json!({ "what": "exec", "command": text(command) }),
            Some(What::Subsystem(name)) => json!({ "what": "subsystem", "name": name }),
            Some(What::Tcp { host, port, .. }) => json!({ "what": "forward", "to": format!("{host}:{port}") }),
            Some(What::Unix(path)) => json!({ "what": "forward", "to": path }),
            Some(What::Back(what, to)) => json!({ "what": what, "to": to }),
            None => json!({}),
        };
        if let Some(fields) = fields.as_object_mut() {
            if output || matches!(asked.what, Some(What::Subsystem(_))) {
                let env: serde_json::Map<_, _> =
                    asked.env.iter().filter(|(name, _)| room.role.allows_env(name)).map(|(n, v)| (n.clone(), v.clone().into())).collect();
                fields.insert("login".into(), room.login.clone().into());
                if !env.is_empty() {
                    fields.insert("env".into(), env.into());
                }
            }
            if let Some(terminal) = terminal {
                fields.insert("term".into(), terminal.term.clone().into());
                fields.insert("cols".into(), terminal.cols.into());
                fields.insert("rows".into(), terminal.rows.into());
            }
        }
        room.tape.event(Some(self.number), "open", fields);
        // A channel opens on the host once.
        drop(self.room.set(Arc::clone(room)));
    }

    fn passes(&self, stream: Stream, data: &[u8]) {
        let Some(room) = self.room.get() else { return };
        let mut track = self.track();
        let track = &mut *track;
        let bytes = data.len() as u64;
        match stream {
            Stream::In => track.bytes_in += bytes,
            Stream::Out | Stream::Err => track.bytes_out += bytes,
        }
        if let (Some(transfers), Stream::In | Stream::Out) = (&mut track.transfers, stream) {
            return transfers.pass(stream == Stream::In, data, |kind, fields| room.tape.event(Some(self.number), kind, fields));
        }
        let [input, out, err] = &mut track.tails;
        let (tail, left) = match stream {
            Stream::In if track.input => (input, bytes),
            Stream::In => return,
            Stream::Out => (out, track.left),
            Stream::Err => (err, track.left.max(track.errors)),
        };
        let part = data.get(..usize::try_from(left).unwrap_or(usize::MAX).min(data.len())).unwrap_or(data);
        if !part.is_empty() {
            room.tape.bytes(self.number, stream, part, tail);
        }
        if stream != Stream::In && track.left != u64::MAX {
            track.left = track.left.saturating_sub(bytes);
            if stream == Stream::Err {
                track.errors = track.errors.saturating_sub(bytes);
            }
            track.unrecorded += bytes - part.len() as u64;
        }
    }

    fn resized(&self, cols: u32, rows: u32) {
        if let Some(room) = self.room.get() {
            room.tape.event(Some(self.number), "resize", json!({ "cols": cols, "rows": rows }));
        }
    }

    /// Its last line, once.
    pub(super) fn noted(&self, outcome: Option<&str>) {
        let mut track = self.track();
        if let Some(room) = self.room.get().filter(|_| std::mem::take(&mut track.open)) {
            for (tail, stream) in std::mem::take(&mut track.tails).into_iter().zip([Stream::In, Stream::Out, Stream::Err]) {
                room.tape.rest(self.number, stream, &tail);
            }
            if let Some(transfers) = track.transfers.take() {
                transfers.end(|kind, fields| room.tape.event(Some(self.number), kind, fields));
            }
            let unrecorded = (track.unrecorded > 0).then_some(track.unrecorded);
            room.tape.event(
                Some(self.number),
                "close",
                json!({
                    "exit": track.exit, "signal": track.signal, "bytes_in": track.bytes_in, "bytes_out": track.bytes_out,
                    "d": room.tape.now().saturating_sub(track.since), "unrecorded": unrecorded, "outcome": outcome,
                }),
            );
            room.carried(track.bytes_in, track.bytes_out);
        }
    }

    /// One side is done with it: whether both are.
    fn end(&self, side: Side) -> bool {
        if let Some(ended) = self.ended.get(side as usize) {
            ended.store(true, Ordering::Relaxed);
        }
        self.ended.iter().all(|ended| ended.load(Ordering::Relaxed))
    }
}

/// Brings items to the client until the channel is closed. When both directions are done, the channel's last line is noted.
pub(super) async fn to_client(lane: Arc<Lane>, mut items: UnboundedReceiver<Item>, half: ChannelWriteHalf<server::Msg>, client: Handle) {
    let all = async {
        while let Some(item) = items.recv().await
            && lane.bring_client(item, &half, &client).await
        {}
    };
    lane.carry(Side::Client, all).await;
}

/// Brings items to the host until the channel is closed.
pub(super) async fn to_host(lane: Arc<Lane>, mut items: UnboundedReceiver<Item>, half: ChannelWriteHalf<client::Msg>) {
    let all = async {
        while let Some(item) = items.recv().await
            && lane.bring_host(item, &half).await
        {}
    };
    lane.carry(Side::Host, all).await;
}

impl Lane {
    /// Carries all that is for a side, unless that is gone before.
    async fn carry(&self, side: Side, all: impl Future<Output = ()>) {
        tokio::select! {
            biased;
            () = self.until_gone(side) => {}
            () = all => {}
        }
        if self.end(side) {
            self.noted(None);
        }
    }

    /// Whether it goes on.
    async fn bring_client(&self, item: Item, half: &ChannelWriteHalf<server::Msg>, client: &Handle) -> bool {
        match item {
            Item::Data(data) => {
                self.recorded().await;
                self.passes(Stream::Out, &data);
                half.data_bytes(data).await.is_ok()
            }
            Item::Error(data) => {
                self.recorded().await;
                self.passes(Stream::Err, &data);
                half.extended_data_bytes(STDERR, data).await.is_ok()
            }
            Item::Words(words) => {
                if let Some(room) = self.room.get() {
                    room.tape.said(Some(self.number), &words);
                }
                half.extended_data_bytes(STDERR, self.shown(words).into_bytes()).await.is_ok()
            }
            Item::Eof => half.eof().await.is_ok(),
            Item::Exit(status) => {
                self.track().exit = Some(status);
                half.exit_status(status).await.is_ok()
            }
            Item::Killed { signal, core, message, language } => {
                self.track().signal = Some(format!("{signal:?}"));
                client.exit_signal_request(self.near, signal, core, message, language).await.is_ok()
            }
            Item::Close => {
                drop(half.close().await);
                false
            }
            Item::Resize | Item::Signal(_) => true,
        }
    }

    /// Whether it goes on.
    async fn bring_host(&self, item: Item, half: &ChannelWriteHalf<client::Msg>) -> bool {
        match item {
            Item::Data(data) => {
                self.recorded().await;
                self.passes(Stream::In, &data);
                half.data_bytes(data).await.is_ok()
            }
            Item::Error(data) => half.extended_data_bytes(STDERR, data).await.is_ok(),
            Item::Eof => half.eof().await.is_ok(),
            Item::Resize => {
                self.recorded().await;
                self.resizing.store(false, Ordering::Relaxed);
                let size = self.asked().terminal.as_ref().map(|terminal| (terminal.cols, terminal.rows, terminal.pixels));
                let Some((cols, rows, pixels)) = size else { return true };
                self.resized(cols, rows);
                half.window_change(cols, rows, pixels.0, pixels.1).await.is_ok()
            }
            Item::Signal(signal) => {
                self.signals.fetch_sub(1, Ordering::Relaxed);
                half.signal(signal).await.is_ok()
            }
            Item::Close => {
                drop(half.close().await);
                false
            }
            Item::Words(_) | Item::Exit(_) | Item::Killed { .. } => true,
        }
    }

    /// Words as its client shows them: a terminal goes back to the beginning of a line only when it is told.
    pub(super) fn shown(&self, words: String) -> String {
        if self.asked().terminal.is_some() { words.replace('\n', "\r\n") } else { words }
    }

    /// Waits while the recording is behind: nothing passes that can't be noted.
    async fn recorded(&self) {
        if let Some(room) = self.room.get() {
            room.tape.lines.room().await;
        }
    }
}
