//! Bodies in both directions. INVARIANT I09: the deadline is looked at for each piece, before it is passed on; an end that comes while
//! nothing flows breaks them off all the same.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::visit::{Side, Visit};

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
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Carried({:?})", self.side)
    }
}

impl Carried {
    pub(super) fn new(inner: Incoming, side: Side, visit: Arc<Visit>) -> Self {
        let over = Box::pin(visit.room().over());
        Self { inner, side, visit, over }
    }
}

impl Body for Carried {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let me = self.get_mut();
        if me.visit.room().is_over() || me.over.as_mut().poll(cx).is_ready() {
            me.visit.cut(me.side);
            return Poll::Ready(Some(Err(Broken::Cut)));
        }
        let frame = match ready!(Pin::new(&mut me.inner).poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            Some(Ok(frame)) => frame,
        };
        let Some(now) = me.visit.room().deadline.check() else {
            me.visit.cut(me.side);
            return Poll::Ready(Some(Err(Broken::Cut)));
        };
        if let Some(data) = frame.data_ref() {
            me.visit.passed(me.side, data, now);
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
