//! What holds a session's deadline and its recording, for protocols in which many things happen at once in one session.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Sleep;

use crate::cut::{Cut, Due};
use crate::lines::Lines;
use crate::record::Recorder;

/// How long a line may wait for others.
const FLUSH: Duration = Duration::from_millis(50);

/// See the module.
pub(crate) struct Keeper {
    pub(crate) cut: Cut,
    recorder: Recorder,
    flush: Option<Pin<Box<Sleep>>>,
}

/// What a session's keeper has to act on.
pub(crate) enum Event {
    /// By the deadline or an order.
    Due(Due),
    /// The recording can't go on.
    Unrecorded(io::Error),
}

impl Keeper {
    pub(crate) fn new(cut: Cut, recorder: Recorder) -> Self {
        Self { cut, recorder, flush: None }
    }

    /// Brings lines into the recording until there is something to act on. Cancel-safe.
    pub(crate) async fn next(&mut self, lines: &Lines) -> Event {
        loop {
            let full = self.recorder.is_full();
            let recorder = &mut self.recorder;
            // Ready when it failed, or takes lines again.
            let written = poll_fn(|cx| match recorder.poll(cx) {
                Poll::Ready(Ok(())) if full => Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            });
            let later = async {
                match &mut self.flush {
                    Some(flush) => flush.await,
                    None => std::future::pending().await,
                }
            };
            let due = async {
                tokio::select! {
                    () = lines.many() => {}
                    () = later => {}
                }
            };
            tokio::select! {
                biased;
                due = self.cut.due() => return Event::Due(due),
                written = written => if let Err(error) = written {
                    return Event::Unrecorded(error);
                },
                () = due, if !full => {
                    self.flush = None;
                    self.take(lines);
                }
                () = lines.some() => {
                    self.flush.get_or_insert_with(|| Box::pin(tokio::time::sleep(FLUSH)));
                }
            }
        }
    }

    /// Takes the lines that wait.
    pub(crate) fn take(&mut self, lines: &Lines) {
        let (taken, entries) = lines.take();
        self.recorder.push_all(&taken, entries);
    }

    /// Entries taken so far.
    pub(crate) fn entries(&self) -> u64 {
        self.recorder.entries()
    }

    /// The recording, to be completed.
    pub(crate) fn recorder(self) -> Recorder {
        self.recorder
    }
}
