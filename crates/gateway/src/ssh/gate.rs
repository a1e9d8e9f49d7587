//! The bytes of one leg, below SSH's encryption: where the cut is kept and where a fast side waits for a slow one.
//!
//! INVARIANT I09: whatever the library above still holds, nothing is read or written here once the deadline is reached or the valve is
//! shut; only last words may pass, and only when nothing else is before them.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ajar_core::port::Mono;
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::greeting::Greeting;
use crate::cut::Deadline;

/// Bytes that may be on their way from one side to the other before the first side is no longer read.
const SOFT: usize = 2 << 20;
/// Bytes at which a connection is given up: reached only when both sides refuse to take anything for hours.
const HARD: usize = 64 << 20;
/// Bytes that are read at once where much comes …
const READ: usize = 64 << 10;
/// … and where little does.
const READ_LITTLE: usize = 8 << 10;
/// When both sides are full, each is still read a little: what makes room may stand behind what doesn't fit. So many bytes …
const SIP: usize = 4 << 10;
/// … so often at first, until what the other side was allowed to send is through …
const SIP_SOON: Duration = Duration::from_millis(1);
/// … and so often later.
const SIP_LATE: Duration = Duration::from_millis(500);
/// Reads until it is later.
const SIPS_SOON: u32 = 1_024;

/// What a side may send before it is allowed more …
pub(super) const WINDOW: u32 = 2 << 20;
/// … and while it sends more than the other takes.
const WINDOW_FULL: u32 = 16 << 10;

const OPEN: u8 = 0;
const WORDS: u8 = 1;
const SHUT: u8 = 2;

/// Bytes that one side has sent and the other has not taken.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    bytes: AtomicUsize,
    waker: Mutex<Option<Waker>>,
}

impl Backlog {
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn is_full(&self) -> bool {
        self.bytes() >= SOFT
    }

    /// What whoever fills it may send before it is allowed more.
    pub(super) fn window(&self) -> u32 {
        if self.is_full() { WINDOW_FULL } else { WINDOW }
    }

    fn less(&self, by: usize) {
        let before = self.bytes.fetch_sub(by, Ordering::Relaxed);
        if before >= SOFT / 2
            && before - by < SOFT / 2
            && let Some(waker) = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            waker.wake();
        }
    }

    fn wake_when_less(&self, cx: &Context<'_>) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
    }

    /// A copy of `data`, which counts until it has been encrypted for the other side.
    pub(super) fn hold(self: &Arc<Self>, data: &[u8]) -> Bytes {
        self.bytes.fetch_add(data.len(), Ordering::Relaxed);
        Bytes::from_owner(Held { data: data.to_vec(), backlog: Arc::clone(self) })
    }
}

struct Held {
    data: Vec<u8>,
    backlog: Arc<Backlog>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.backlog.less(self.data.len());
    }
}

/// What is known of a leg, and what it is told, from outside.
#[derive(Debug)]
pub(super) struct Valve {
    state: AtomicU8,
    deadline: OnceLock<Arc<Deadline>>,
    /// A write waits for the network.
    blocked: AtomicBool,
    /// When the last byte was written, on the monotonic clock.
    last: AtomicU64,
    wakers: Mutex<[Option<Waker>; 2]>,
    /// What was read here and isn't taken by the other side yet.
    pub(super) read_here: Arc<Backlog>,
    /// What the other side has sent and isn't written here yet.
    pub(super) to_write: Arc<Backlog>,
}

impl Valve {
    pub(super) fn new() -> Arc<Self> {
        Self::facing(Arc::default(), Arc::default())
    }

    fn facing(read_here: Arc<Backlog>, to_write: Arc<Backlog>) -> Arc<Self> {
        Arc::new(Self {
            state: AtomicU8::new(OPEN),
            deadline: OnceLock::new(),
            blocked: AtomicBool::new(false),
            last: AtomicU64::new(0),
            wakers: Mutex::default(),
            read_here,
            to_write,
        })
    }

    /// The valve of the other leg.
    pub(super) fn opposite(&self) -> Arc<Self> {
        Self::facing(Arc::clone(&self.to_write), Arc::clone(&self.read_here))
    }

    /// From now on nothing passes after this deadline.
    pub(super) fn until(&self, deadline: Arc<Deadline>) {
        // A connection has one grant's deadline at a time, and it moves by itself.
        drop(self.deadline.set(deadline));
    }

    /// Nothing passes any more, in either direction.
    pub(super) fn shut(&self) {
        self.turn(SHUT);
    }

    /// Nothing is read any more; what is written is last words. Refused while something else is before them.
    pub(super) fn last_words(&self) -> bool {
        let drained = self.is_drained();
        self.turn(if drained { WORDS } else { SHUT });
        drained
    }

    /// Whether something waits for the network.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// Whether everything that was meant for this leg is written.
    pub(super) fn is_drained(&self) -> bool {
        self.to_write.bytes() == 0 && !self.is_blocked()
    }

    fn turn(&self, state: u8) {
        self.state.fetch_max(state, Ordering::Relaxed);
        for waker in self.wakers.lock().unwrap_or_else(PoisonError::into_inner).iter_mut().filter_map(Option::take) {
            waker.wake();
        }
    }

    pub(super) fn last(&self) -> Mono {
        Mono(self.last.load(Ordering::Relaxed))
    }

    fn check_read(&self) -> Poll<io::Result<()>> {
        let in_time = || self.deadline.get().is_none_or(|deadline| deadline.check().is_some());
        match self.state.load(Ordering::Relaxed) {
            OPEN if in_time() => Poll::Ready(Ok(())),
            // The library would not write any more if reading failed.
            OPEN | WORDS => Poll::Pending,
            _ => Poll::Ready(Err(cut())),
        }
    }

    fn check_write(&self) -> Poll<io::Result<()>> {
        match self.state.load(Ordering::Relaxed) {
            OPEN => match self.deadline.get().map(|deadline| deadline.check()) {
                None => Poll::Ready(Ok(())),
                Some(Some(now)) => {
                    self.last.store(now.0, Ordering::Relaxed);
                    Poll::Ready(Ok(()))
                }
                // Until the keeper, who comes to the same end, turns the valve.
                Some(None) => Poll::Pending,
            },
            WORDS => Poll::Ready(Ok(())),
            _ => Poll::Ready(Err(cut())),
        }
    }

    fn wake_on_turn(&self, side: usize, cx: &Context<'_>) {
        if let Some(slot) = self.wakers.lock().unwrap_or_else(PoisonError::into_inner).get_mut(side) {
            *slot = Some(cx.waker().clone());
        }
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the session is cut")
}

/// One leg.
pub(super) struct Gate<S> {
    under: S,
    valve: Arc<Valve>,
    buffer: Vec<u8>,
    taken: usize,
    /// Whether the last read filled what it was given.
    much: bool,
    /// Looks at the first packet, until it has seen it.
    greeting: Option<Greeting>,
    /// While both sides are full.
    sip: Option<Pin<Box<Sleep>>>,
    sips: u32,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Gate<S> {
    pub(super) fn new(under: S, valve: Arc<Valve>) -> Self {
        Self { under, valve, buffer: Vec::new(), taken: 0, much: false, greeting: Some(Greeting::default()), sip: None, sips: 0 }
    }

    /// Whether to read on, and how much at the most.
    fn appetite(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let (here, there) = (&self.valve.read_here, &self.valve.to_write);
        if !here.is_full() {
            (self.sip, self.sips) = (None, 0);
            return Poll::Ready(Ok(if self.much { READ } else { READ_LITTLE }));
        }
        if here.bytes() >= HARD {
            return Poll::Ready(Err(io::Error::other("neither side takes what the other sends")));
        }
        here.wake_when_less(cx);
        if !there.is_full() {
            // What makes room comes in on the other leg, which is read. Looked at again: the other side may fill up meanwhile.
            let look = self.sip.get_or_insert_with(|| Box::pin(tokio::time::sleep(SIP_LATE)));
            if look.as_mut().poll(cx).is_ready() {
                self.sip = None;
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        let pace = if self.sips < SIPS_SOON { SIP_SOON } else { SIP_LATE };
        let sip = self.sip.get_or_insert_with(|| Box::pin(tokio::time::sleep(pace)));
        if sip.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.sip = None;
        self.sips += 1;
        Poll::Ready(Ok(SIP))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gate<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.valve.wake_on_turn(0, cx);
        std::task::ready!(this.valve.check_read())?;
        if this.taken == this.buffer.len() {
            let appetite = std::task::ready!(this.appetite(cx))?;
            if appetite > SIP && out.remaining() >= READ / 2 && this.greeting.is_none() {
                // A large packet's rest goes where it belongs at once.
                std::task::ready!(Pin::new(&mut this.under).poll_read(cx, out))?;
                return this.valve.check_read();
            }
            this.taken = 0;
            this.buffer.resize(appetite, 0);
            let mut into = ReadBuf::new(&mut this.buffer);
            let read = Pin::new(&mut this.under).poll_read(cx, &mut into);
            let got = into.filled().len();
            this.buffer.truncate(got);
            this.much = got == appetite;
            match read {
                Poll::Ready(read) => read?,
                Poll::Pending => {
                    // Nothing is kept while it is quiet.
                    (this.buffer, this.much) = (Vec::new(), false);
                    return Poll::Pending;
                }
            }
            std::task::ready!(this.valve.check_read())?;
            if let Some(greeting) = &mut this.greeting
                && greeting.look(&this.buffer)?
            {
                this.greeting = None;
            }
        }
        let rest = this.buffer.get(this.taken..).unwrap_or_default();
        let part = rest.get(..rest.len().min(out.remaining())).unwrap_or_default();
        out.put_slice(part);
        this.taken += part.len();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.valve.wake_on_turn(1, cx);
        if this.valve.check_write()?.is_pending() {
            this.valve.blocked.store(true, Ordering::Relaxed);
            return Poll::Pending;
        }
        let written = Pin::new(&mut this.under).poll_write(cx, data);
        let whole = matches!(&written, Poll::Ready(Ok(all)) if *all == data.len());
        this.valve.blocked.store(!whole, Ordering::Relaxed);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.under).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.under).poll_shutdown(cx)
    }
}
