//! Bodies in both directions. INVARIANT I09: the deadline is looked at for each piece, before it is passed on; an end that comes while
//! nothing flows breaks them off all the same.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::headers;
use super::visit::{Side, Visit};

/// Bytes of a body that leaves together with its head.
const SHORT: u64 = 16 * 1024;

/// Why a body is broken off.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The session is over.
    #[error("the session was cut")]
    Cut,
    /// Whoever sends it.
    #[error(transparent)]
    Sender(#[from] hyper::Error),
}

/// What callers get.
#[derive(Debug)]
pub(super) enum Answer {
    /// Our own words.
    Words(Full<Bytes>),
    /// The target's.
    Carried(Carried),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Words(words) => Pin::new(words).poll_frame(cx).map_err(|never| match never {}),
            Self::Carried(carried) => Pin::new(carried).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Words(words) => words.is_end_stream(),
            Self::Carried(carried) => carried.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Words(words) => words.size_hint(),
            Self::Carried(carried) => carried.size_hint(),
        }
    }
}

/// A body that is passed on, and counted.
pub(super) struct Carried {
    inner: Incoming,
    side: Side,
    visit: Arc<Visit>,
    /// The session's end, once there is something to wait for.
    over: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// What was waited for already.
    first: Option<Result<Frame<Bytes>, Broken>>,
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Carried({:?})", self.side)
    }
}

impl Carried {
    pub(super) fn new(inner: Incoming, side: Side, visit: Arc<Visit>) -> Self {
        Self { inner, side, visit, over: None, first: None }
    }

    /// Waits for the beginning of a body that is short, so that it leaves together with its head: one write, and one wake-up at the other end, instead of two.
    pub(super) async fn together(mut self) -> Self {
        if matches!(self.inner.size_hint().exact(), Some(1..=SHORT)) {
            self.first = poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await;
        }
        self
    }
}

impl Body for Carried {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let me = self.get_mut();
        if let Some(first) = me.first.take().filter(|_| me.visit.room().deadline.check().is_some()) {
            return Poll::Ready(Some(first));
        }
        if me.visit.room().is_over() {
            me.visit.cut(me.side);
            return Poll::Ready(Some(Err(Broken::Cut)));
        }
        let frame = match Pin::new(&mut me.inner).poll_frame(cx) {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Pending => {
                let over = me.over.get_or_insert_with(|| Box::pin(me.visit.room().over()));
                ready!(over.as_mut().poll(cx));
                me.visit.cut(me.side);
                return Poll::Ready(Some(Err(Broken::Cut)));
            }
        };
        let Some(now) = me.visit.room().deadline.check() else {
            me.visit.cut(me.side);
            return Poll::Ready(Some(Err(Broken::Cut)));
        };
        if let Some(data) = frame.data_ref() {
            me.visit.passed(me.side, data, now);
        }
        let trailers = |fields| headers::trailers(fields, me.visit.room().upstream.shows_in().as_ref());
        Poll::Ready(Some(Ok(frame.into_trailers().map_or_else(|other| other, |fields| Frame::trailers(trailers(fields))))))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().and_then(|first| first.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
        let rest = self.inner.size_hint();
        match rest.exact() {
            Some(rest) => SizeHint::with_exact(rest + first as u64),
            None => rest,
        }
    }
}
