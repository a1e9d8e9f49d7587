//! Waiting for a decision, with the client on the line.

use ajar_core::port::{Held, HeldNotice, Opening, Refusal};
use tokio::sync::{Notify, watch};

use super::stream::Stream;
use super::words;
use crate::cut::Signal;

/// The most that a client may send before it is let in, in bytes.
const MAX_BEHIND: usize = 64 * 1024;

/// How waiting ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Come in.
    Open(Box<Opening>),
    /// No.
    Refused(Refusal),
    /// The client has left or cancelled. The request stays.
    Left,
    /// It sends without having been let in.
    TooMuch,
    /// The gateway stops.
    Stopping,
}

/// Waits, passing on what there is to say. What the client sends is kept in `behind`.
pub(crate) async fn wait(
    held: &mut Held,
    stream: &mut Stream,
    behind: &mut Vec<u8>,
    cancelled: &Notify,
    signal: &mut watch::Receiver<Signal>,
) -> Outcome {
    loop {
        if signal.borrow_and_update().stopping {
            return Outcome::Stopping;
        }
        if behind.len() > MAX_BEHIND {
            return Outcome::TooMuch;
        }
        tokio::select! {
            biased;
            stepped = signal.changed() => {
                if stepped.is_err() {
                    return Outcome::Stopping;
                }
            }
            news = held.waiting.next() => match news {
                HeldNotice::Say(line) => {
                    if stream.send(&words::notice(&line, None)).is_err() {
                        return Outcome::Left;
                    }
                }
                HeldNotice::Open(opening) => return Outcome::Open(opening),
                HeldNotice::Refused(refusal) => return Outcome::Refused(refusal),
            },
            () = cancelled.notified() => return Outcome::Left,
            read = stream.listen(behind) => {
                if !matches!(read, Ok(1..)) {
                    return Outcome::Left;
                }
            }
        }
    }
}
