//! The threads that carry sessions: each runs its own event loop, and a session stays on one.
//!
//! A session's work is a few microseconds between two waits. A scheduler that shares tasks among threads wakes another thread for
//! each of them, which costs more than the work itself. What may block (files) goes to threads beside.

use std::future::Future;
use std::net::IpAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::listener::{Protocol, Shared};
use crate::places::Place;
use crate::{http, postgres, ssh};

/// How long sessions may take to say goodbye when the gateway stops.
const GOODBYE: Duration = Duration::from_secs(5);

/// A connection that was accepted.
struct Accepted {
    protocol: Protocol,
    tcp: std::net::TcpStream,
    address: IpAddr,
    starting: Place,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Workers {
    queues: Vec<mpsc::UnboundedSender<Accepted>>,
    ended: Vec<oneshot::Receiver<()>>,
    next: AtomicUsize,
    carried: Arc<AtomicUsize>,
}

impl Workers {
    /// Starts as many as there are processors to use.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(shared: &Arc<Shared>) -> std::io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, NonZero::get);
        let carried = Arc::new(AtomicUsize::new(0));
        let (mut queues, mut ended) = (Vec::new(), Vec::new());
        for n in 0..count {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (queue, arrivals) = mpsc::unbounded_channel();
            let (done, end) = oneshot::channel();
            let work = work(Arc::clone(shared), arrivals, Arc::clone(&carried));
            std::thread::Builder::new().name(format!("gateway-{n}")).spawn(move || {
                runtime.block_on(work);
                // Nobody waiting is fine.
                let _: Result<(), ()> = done.send(());
            })?;
            queues.push(queue);
            ended.push(end);
        }
        Ok(Self { queues, ended, next: AtomicUsize::new(0), carried })
    }

    /// Connections that are carried now.
    pub(crate) fn carried(&self) -> usize {
        self.carried.load(Ordering::Relaxed)
    }

    /// Gives a connection to the next thread in turn.
    ///
    /// # Errors
    /// When that thread is gone, or the system does not hand the socket over.
    pub(crate) fn carry(&self, protocol: Protocol, tcp: TcpStream, address: IpAddr, starting: Place) -> std::io::Result<()> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.queues.len().max(1);
        let tcp = tcp.into_std()?;
        // Counted before it is sent: it may have ended by the time this goes on.
        self.carried.fetch_add(1, Ordering::Relaxed);
        match self.queues.get(turn).map(|queue| queue.send(Accepted { protocol, tcp, address, starting })) {
            Some(Ok(())) => Ok(()),
            _ => {
                self.carried.fetch_sub(1, Ordering::Relaxed);
                Err(std::io::Error::other("a thread of the gateway is gone"))
            }
        }
    }

    /// Takes no more, and waits until every session has ended. They must have been told to.
    pub(crate) fn end(self) -> impl Future<Output = ()> {
        drop(self.queues);
        async move {
            for end in self.ended {
                drop(end.await);
            }
        }
    }
}

async fn work(shared: Arc<Shared>, mut arrivals: mpsc::UnboundedReceiver<Accepted>, carried: Arc<AtomicUsize>) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            Some(ended) = sessions.join_next(), if !sessions.is_empty() => {
                carried.fetch_sub(1, Ordering::Relaxed);
                if let Err(error) = ended {
                    tracing::error!(%error, "a session's task failed; its end is reported all the same");
                }
            }
            arrival = arrivals.recv() => match arrival {
                Some(Accepted { protocol, tcp, address, starting }) => match (protocol, TcpStream::from_std(tcp)) {
                    (Protocol::Postgres, Ok(tcp)) => drop(sessions.spawn(postgres::serve(Arc::clone(&shared), tcp, address, starting))),
                    (Protocol::Http, Ok(tcp)) => drop(sessions.spawn(http::serve(Arc::clone(&shared), tcp, address, starting))),
                    (Protocol::Ssh, Ok(tcp)) => drop(sessions.spawn(ssh::serve(Arc::clone(&shared), tcp, address, starting))),
                    (_, Err(error)) => {
                        carried.fetch_sub(1, Ordering::Relaxed);
                        tracing::warn!(%error, "a connection could not be taken over");
                    }
                },
                None => break,
            },
        }
    }
    let goodbye = tokio::time::timeout(GOODBYE, async { while sessions.join_next().await.is_some() {} });
    if goodbye.await.is_err() {
        // Their reports are sent when they are dropped.
        sessions.shutdown().await;
    }
}
