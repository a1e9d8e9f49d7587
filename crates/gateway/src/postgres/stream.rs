//! One connection, plain or under TLS.
//!
//! Reads into the caller's buffer and takes everything that is given to send; what the socket doesn't take at once waits
//! in a queue that the caller must see empty before it sends more ([`Stream::has_backlog`]). While idle it owns no buffer
//! but what the TLS library keeps. Never looks into what it carries.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What is read from a socket at once.
pub(crate) const READ: usize = 128 * 1024;
/// Plaintext of a record that the TLS library may hold from earlier reads.
const RECORD: usize = 18 * 1024;
/// The most bytes of an unfinished message that are held back.
pub(crate) const HOLD: usize = 32 * 1024;

/// Buffers that a thread lends to whichever connection is being served.
pub(crate) struct Scratch {
    /// As it comes from the socket of a TLS connection.
    pub(crate) cipher: Box<[u8]>,
    /// Plaintext.
    pub(crate) plain: Box<[u8]>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        cipher: vec![0; READ].into_boxed_slice(),
        plain: vec![0; HOLD + READ + RECORD].into_boxed_slice(),
    });
}

/// Lends this thread's buffers.
pub(crate) fn with_scratch<T>(f: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with_borrow_mut(f)
}

/// See the module.
pub(crate) struct Stream {
    tcp: TcpStream,
    tls: Option<Box<Connection>>,
    /// Plain bytes that the socket hasn't taken.
    queue: Vec<u8>,
    sent: usize,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("tls", &self.tls.is_some()).field("queued", &self.queue.len()).finish_non_exhaustive()
    }
}

impl Stream {
    /// A TCP connection as it is.
    pub(crate) fn plain(tcp: TcpStream) -> Self {
        Self { tcp, tls: None, queue: Vec::new(), sent: 0 }
    }

    /// A TCP connection with TLS established on it.
    pub(crate) fn tls(tcp: TcpStream, mut connection: Connection) -> Self {
        // The caller never sends while there is a backlog, so one chunk is the limit.
        connection.set_buffer_limit(None);
        Self { tcp, tls: Some(Box::new(connection)), queue: Vec::new(), sent: 0 }
    }

    /// The socket, for negotiating TLS on it. Only before anything was sent through this.
    pub(crate) fn into_tcp(self) -> TcpStream {
        self.tcp
    }

    /// The TLS connection's state, if there is one.
    pub(crate) fn tls_state(&self) -> Option<&Connection> {
        self.tls.as_deref()
    }

    /// Reads what is there, up to `READ` bytes, into `out`, which must be `READ + RECORD` long at least. 0 is the end.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, out: &mut [u8], cipher: &mut [u8]) -> Poll<io::Result<usize>> {
        let Some(tls) = &mut self.tls else {
            let mut buffer = ReadBuf::new(out);
            ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut buffer))?;
            return Poll::Ready(Ok(buffer.filled().len()));
        };
        loop {
            match tls.reader().read(out) {
                Ok(n) => return Poll::Ready(Ok(n)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                // The peer closed without close_notify: to us that is the end like any other; what counts is framed.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Poll::Ready(Ok(0)),
                Err(e) => return Poll::Ready(Err(e)),
            }
            let mut buffer = ReadBuf::new(cipher);
            ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut buffer))?;
            let mut rest = buffer.filled();
            if rest.is_empty() {
                tls.read_tls(&mut rest)?;
                continue;
            }
            let mut filled = 0;
            while !rest.is_empty() {
                tls.read_tls(&mut rest)?;
                let state = tls.process_new_packets().map_err(io::Error::other)?;
                if state.plaintext_bytes_to_read() > 0 {
                    filled += tls.reader().read(out.get_mut(filled..).unwrap_or_default())?;
                }
                if state.peer_has_closed() {
                    break;
                }
            }
            if tls.wants_write() {
                try_write_tls(tls, &self.tcp)?;
            }
            if filled > 0 {
                return Poll::Ready(Ok(filled));
            }
        }
    }

    /// Takes all bytes, and writes what the socket takes at once.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if let Some(tls) = &mut self.tls {
            tls.writer().write_all(bytes)?;
            return try_write_tls(tls, &self.tcp);
        }
        let mut rest = bytes;
        if self.queue.is_empty() {
            match self.tcp.try_write(bytes) {
                Ok(n) => rest = bytes.get(n..).unwrap_or_default(),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        self.queue.extend_from_slice(rest);
        Ok(())
    }

    /// Whether something that was sent hasn't been taken by the socket.
    pub(crate) fn has_backlog(&self) -> bool {
        self.tls.as_ref().map_or(!self.queue.is_empty(), |tls| tls.wants_write())
    }

    /// Writes the backlog.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                match tls.write_tls(&mut Polled { tcp: &mut self.tcp, cx }) {
                    Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Ok(_) => {}
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                    Err(e) => return Poll::Ready(Err(e)),
                }
            }
            return Poll::Ready(Ok(()));
        }
        while let Some(rest) = self.queue.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.tcp).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.sent += n,
            }
        }
        self.sent = 0;
        self.queue = Vec::new();
        Poll::Ready(Ok(()))
    }

    /// Says that nothing more will be sent: close_notify, then the end of the TCP stream.
    pub(crate) fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        ready!(self.poll_flush(cx))?;
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }

    /// Appends what has arrived to `into`; 0 is the end. Cancel-safe.
    pub(crate) async fn fill(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        poll_fn(|cx| self.poll_fill(cx, into)).await
    }

    /// [`Stream::fill`], while what was sent goes out too. Cancel-safe.
    pub(crate) async fn listen(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        poll_fn(|cx| {
            if self.has_backlog()
                && let Poll::Ready(Err(error)) = self.poll_flush(cx)
            {
                return Poll::Ready(Err(error));
            }
            self.poll_fill(cx, into)
        })
        .await
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, into: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        with_scratch(|scratch| {
            let n = ready!(self.poll_read(cx, &mut scratch.plain, &mut scratch.cipher))?;
            into.extend_from_slice(scratch.plain.get(..n).unwrap_or_default());
            Poll::Ready(Ok(n))
        })
    }

    /// Sends everything and waits until the socket has taken it.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send(bytes)?;
        self.flush().await
    }

    /// Waits until the socket has taken everything.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Closes at once. What the peer hasn't received by now, it never will.
    pub(crate) fn abort(self) {
        if let Err(error) = socket2::SockRef::from(&self.tcp).set_linger(Some(Duration::ZERO)) {
            tracing::debug!(%error, "a connection could not be reset");
        }
    }

    /// Flushes, closes, and throws away what the peer still sends, all within `limit`: a peer that hasn't been read from
    /// might lose our last words otherwise.
    pub(crate) async fn close(mut self, limit: Duration) {
        let finish = async {
            poll_fn(|cx| self.poll_finish(cx)).await?;
            poll_fn(|cx| {
                loop {
                    let at_end = ready!(with_scratch(|scratch| {
                        let mut buffer = ReadBuf::new(&mut scratch.cipher);
                        Pin::new(&mut self.tcp).poll_read(cx, &mut buffer).map_ok(|()| buffer.filled().is_empty())
                    }))?;
                    if at_end {
                        return Poll::Ready(Ok(()));
                    }
                }
            })
            .await
        };
        let finished: Result<io::Result<()>, _> = tokio::time::timeout(limit, finish).await;
        drop(finished);
    }
}

fn try_write_tls(tls: &mut Connection, tcp: &TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(&mut Tried(tcp)) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Writes without waiting and without asking to be woken.
struct Tried<'a>(&'a TcpStream);

impl Write for Tried<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes, and has the task woken when the socket takes more.
struct Polled<'a, 'b> {
    tcp: &'a mut TcpStream,
    cx: &'a mut Context<'b>,
}

impl Write for Polled<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        would_block(Pin::new(&mut *self.tcp).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        would_block(Pin::new(&mut *self.tcp).poll_write_vectored(self.cx, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn would_block(poll: Poll<io::Result<usize>>) -> io::Result<usize> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
