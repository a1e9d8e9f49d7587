//! The one task that decides and commits.
//!
//! Commands queue up; the sequencer takes all that wait, decides each against the world as the previous ones leave it,
//! commits them in one transaction (group commit), and only then answers. When the commit fails, the world is taken back
//! to what is durable and every command of the batch is refused: opening fails closed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ajar_core::event::{Actor, Envelope, Event, Stream};
use ajar_core::id::{CommandId, GrantId};
use ajar_core::lease::LeaseEvent;
use ajar_core::port::{Batch, Clock, Effect, Entropy, Leaf, Store, StoreError};
use ajar_core::sealed::Disclosure;
use ajar_core::time::Timestamp;
use ajar_core::world::{DamagedLog, Decision, Present, UndoPoint, World};
use ajar_ledger::tree::{Frontier, Hash};
use ajar_policy::{At, Bound};
use tokio::sync::{broadcast, mpsc, oneshot};

/// At most so many commands share a transaction.
const BATCH: usize = 512;

/// What a command decided.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// What happens.
    pub(crate) decision: Decision,
    /// Values behind new commitments.
    pub(crate) disclosures: Vec<Disclosure>,
    /// Texts by hash.
    pub(crate) blobs: Vec<(String, String)>,
    /// The rules that apply once this is committed.
    pub(crate) rules: Option<Arc<Bound>>,
}

impl From<Decision> for Draft {
    fn from(decision: Decision) -> Self {
        Self { decision, ..Self::default() }
    }
}

/// What a command sees while it decides.
pub(crate) struct Desk<'a> {
    pub(crate) world: &'a World,
    pub(crate) rules: &'a Arc<Bound>,
    /// The rules as they are now.
    pub(crate) at: At<'a>,
    pub(crate) now: Timestamp,
    pub(crate) entropy: &'a dyn Entropy,
    pub(crate) shut: &'a Shut,
}

impl Desk<'_> {
    /// Whether a grant takes nobody in any more although the log has it open: its end could not be recorded yet (I13), or its time is over
    /// by the monotonic clock (I14).
    pub(crate) fn shut(&self, grant: GrantId) -> bool {
        (self.shut)(grant)
    }

    /// Who is who now.
    pub(crate) fn present(&self) -> Present<'_> {
        Present { files: &self.at, world: self.world, now: self.now }
    }
}

/// The store could not commit, or the engine has stopped: nothing opens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The store's own words.
    #[error("nothing can be recorded now: {0}")]
    Store(String),
    /// The sequencer is gone.
    #[error("the server is stopping")]
    Stopped,
}

/// Why a command came to nothing.
#[derive(Debug)]
pub(crate) enum Failed<E> {
    /// It was refused.
    Refused(E),
    /// It could not be committed.
    Unavailable(Unavailable),
}

type Outcome = Result<(), Unavailable>;
type Answer = Box<dyn FnOnce(Outcome) + Send>;
type Decide = Box<dyn FnOnce(&Desk<'_>) -> (Option<Draft>, Answer) + Send>;

struct Command {
    actor: Actor,
    /// Streams that it may ask about although they are settled.
    needs: Vec<Stream>,
    decide: Decide,
}

/// Sends commands to the sequencer.
#[derive(Clone)]
pub(crate) struct Sequencer {
    queue: mpsc::Sender<Command>,
}

/// What has just become durable.
#[derive(Debug, Clone)]
pub(crate) struct Committed {
    pub(crate) events: Arc<[Envelope]>,
    pub(crate) next_due: Option<Timestamp>,
}

/// Told synchronously what is durable: the events, the values behind their commitments, new rules, the tree's frontier.
pub(crate) type OnCommit = Box<dyn Fn(&Committed, &[Disclosure], Option<&Arc<Bound>>, &Frontier) + Send + Sync>;

/// See [`Desk::shut`].
pub(crate) type Shut = Box<dyn Fn(GrantId) -> bool + Send + Sync>;

/// What the sequencer task owns.
pub(crate) struct Seat {
    pub(crate) world: World,
    pub(crate) rules: Arc<Bound>,
    pub(crate) frontier: Frontier,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) shut: Shut,
    /// Told synchronously, before anybody is answered: cuts go out from here.
    pub(crate) on_commit: OnCommit,
    pub(crate) feed: broadcast::Sender<Committed>,
}

impl Sequencer {
    /// A sequencer's two ends: the handle, and the task's body to be spawned.
    pub(crate) fn new(seat: Seat) -> (Self, impl Future<Output = ()> + Send) {
        let (queue, inbox) = mpsc::channel(4096);
        (Self { queue }, seat.run(inbox))
    }

    /// Decides and commits one command.
    #[tracing::instrument(name = "decide and commit", skip_all)]
    pub(crate) async fn run<T, E, F>(&self, actor: Actor, needs: Vec<Stream>, f: F) -> Result<T, Failed<E>>
    where
        F: FnOnce(&Desk<'_>) -> Result<(Draft, T), E> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let decide: Decide = Box::new(move |desk| match f(desk) {
            Ok((draft, value)) => {
                let answer: Answer = Box::new(move |outcome| drop(reply.send(outcome.map(|()| value).map_err(Failed::Unavailable))));
                (Some(draft), answer)
            }
            Err(error) => {
                let answer: Answer = Box::new(move |_| drop(reply.send(Err(Failed::Refused(error)))));
                (None, answer)
            }
        });
        let stopped = || Failed::Unavailable(Unavailable::Stopped);
        self.queue.send(Command { actor, needs, decide }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Looks at the world as it is between two batches.
    pub(crate) async fn look<T: Send + 'static>(&self, f: impl FnOnce(&Desk<'_>) -> T + Send + 'static) -> Result<T, Unavailable> {
        let done = self.run::<T, std::convert::Infallible, _>(Actor::System, Vec::new(), |desk| Ok((Draft::default(), f(desk)))).await;
        done.map_err(|failed| match failed {
            Failed::Unavailable(why) => why,
            Failed::Refused(never) => match never {},
        })
    }
}

/// Commands decided, waiting for their commit.
#[derive(Default)]
struct Pending {
    batch: Batch,
    events: Vec<Envelope>,
    undo: Vec<UndoPoint>,
    answers: Vec<Answer>,
    rules: Option<Arc<Bound>>,
}

impl Pending {
    /// Answers what changes nothing. It may rest on what this batch has decided, so that it waits until whoever has to know of that does.
    fn answer(&mut self, answer: Answer) {
        if self.events.is_empty() {
            answer(Ok(()));
        } else {
            self.answers.push(Box::new(|_| answer(Ok(()))));
        }
    }
}

impl Seat {
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        let mut commands = Vec::with_capacity(BATCH);
        while inbox.recv_many(&mut commands, BATCH).await > 0 {
            let mut pending = Pending::default();
            let mut recalled = Vec::new();
            for command in commands.drain(..) {
                for stream in &command.needs {
                    if self.world.knows(*stream) {
                        continue;
                    }
                    // What this batch has settled is whole in the store only when it is committed.
                    if pending.events.iter().any(|e| e.stream == *stream) {
                        self.commit(std::mem::take(&mut pending)).await;
                    }
                    if self.recall(*stream).await {
                        recalled.push(*stream);
                    }
                }
                self.decide(command, &mut pending);
            }
            self.commit(pending).await;
            for stream in recalled {
                if self.world.is_settled(stream) {
                    self.world.forget(stream);
                }
            }
        }
    }

    /// Brings a settled stream back from the store. `false` when there is none, or the store can't say.
    async fn recall(&mut self, stream: Stream) -> bool {
        let Ok(leaves) = self.store.stream(stream).await else { return false };
        let events: Result<Vec<_>, _> = leaves.iter().map(|leaf| Envelope::from_leaf(&leaf.bytes)).collect();
        match events {
            Ok(events) if !events.is_empty() => self.world.recall(&events).is_ok(),
            Ok(_) | Err(_) => false,
        }
    }

    fn decide(&mut self, command: Command, pending: &mut Pending) {
        let now = self.clock.now();
        let rules = pending.rules.as_ref().unwrap_or(&self.rules);
        let at = rules.at(self.world.history(), now);
        let desk = Desk { world: &self.world, rules, at, now, entropy: &*self.entropy, shut: &self.shut };
        let (draft, answer) = (command.decide)(&desk);
        let Some(draft) = draft.filter(|draft| !draft.decision.is_empty()) else {
            return pending.answer(answer);
        };
        let cause = CommandId::new(self.entropy.uuid(now));
        let touched: BTreeSet<Stream> = draft.decision.iter().map(|(stream, _)| *stream).collect();
        let undo = self.world.undo_point(touched);
        let envelopes = self.world.envelopes(draft.decision, now, command.actor, cause);
        match self.write(&envelopes, now, &mut pending.batch) {
            Ok(()) => {
                pending.undo.push(undo);
                pending.events.extend(envelopes);
                pending.batch.disclosures.extend(draft.disclosures);
                pending.batch.blobs.extend(draft.blobs);
                pending.rules = draft.rules.or(pending.rules.take());
                pending.answers.push(answer);
            }
            Err(damaged) => {
                self.world.undo(undo);
                tracing::error!(error = %damaged, "a command decided something impossible; it was refused");
                answer(Err(Unavailable::Store("the command could not be applied".into())));
            }
        }
    }

    fn write(&mut self, envelopes: &[Envelope], now: Timestamp, batch: &mut Batch) -> Result<(), DamagedLog> {
        let (leaves, rows, effects) = (batch.leaves.len(), batch.rows.len(), batch.effects.len());
        for envelope in envelopes {
            let applied = self.world.apply(envelope);
            let leaf = envelope.to_leaf();
            let (Ok(row), Ok(bytes)) = (&applied, leaf) else {
                batch.leaves.truncate(leaves);
                batch.rows.truncate(rows);
                batch.effects.truncate(effects);
                return applied.map(drop);
            };
            batch.rows.push(row.clone());
            batch.leaves.push(Leaf {
                seq: envelope.seq,
                stream: envelope.stream,
                version: envelope.version,
                kind: envelope.event.kind().to_owned(),
                at: envelope.at,
                bytes,
            });
            effects_of(envelope, now, batch);
        }
        Ok(())
    }

    async fn commit(&mut self, mut pending: Pending) {
        if pending.batch.leaves.is_empty() {
            return;
        }
        let hashes: Vec<_> = pending.batch.leaves.iter().map(|leaf| ajar_ledger::tree::leaf_hash(leaf.bytes.as_bytes())).collect();
        let disclosures = pending.batch.disclosures.clone();
        let (first, last) = (pending.batch.leaves.first().map_or(0, |l| l.seq), pending.batch.leaves.last().map(|l| l.bytes.clone()));
        let outcome = match self.store.append(std::mem::take(&mut pending.batch)).await {
            Ok(()) => Ok(()),
            Err(error) => self.settle(&error, first, &hashes, last.as_deref()).await,
        };
        match &outcome {
            Ok(()) => {
                for hash in hashes {
                    self.frontier.push(hash);
                }
                if let Some(rules) = &pending.rules {
                    self.rules = Arc::clone(rules);
                }
                let committed = Committed { events: pending.events.into(), next_due: self.world.next_due() };
                (self.on_commit)(&committed, &disclosures, pending.rules.as_ref(), &self.frontier);
                drop(self.feed.send(committed));
            }
            Err(why) => {
                for point in pending.undo.into_iter().rev() {
                    self.world.undo(point);
                }
                tracing::error!(error = %why, commands = pending.answers.len(), "the commit failed: these commands were refused");
                metrics::counter!("ajar_commit_failures_total").increment(1);
            }
        }
        for answer in pending.answers {
            answer(outcome.clone());
        }
    }

    /// A commit that failed may be durable all the same (the answer was lost). The store says which, however long that takes:
    /// to decide anything before it is known could contradict what is in the log.
    async fn settle(&self, error: &StoreError, first: u64, hashes: &[Hash], last: Option<&str>) -> Outcome {
        loop {
            match self.store.leaves(first + hashes.len() as u64 - 1, 1).await {
                Ok(found) => match found.first() {
                    Some(leaf) if Some(leaf.bytes.as_str()) == last => return Ok(()),
                    Some(_) => {
                        tracing::error!("somebody else has written to the log: nothing more is recorded until the server is restarted");
                        return Err(unavailable(&StoreError::Conflict));
                    }
                    None => return Err(unavailable(error)),
                },
                Err(again) => {
                    tracing::error!(error = %again, "after a failed commit the store cannot be read; nothing is decided until it can");
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
            }
        }
    }
}

/// What is to be done outside because of an event. One place, so that nothing can forget it.
fn effects_of(envelope: &Envelope, now: Timestamp, batch: &mut Batch) {
    if let (Stream::Lease(id), Event::Lease(event)) = (envelope.stream, &envelope.event) {
        let key = format!("revoke:{id}");
        match event {
            LeaseEvent::Revoking(_) => batch.effects.push(Effect { key, payload: id.to_string(), due: now }),
            LeaseEvent::Revoked(_) => batch.effects_done.push(key),
            // One for each move: that one is done says nothing of a later one.
            LeaseEvent::Moved(moved) => {
                batch.effects.push(Effect { key: format!("prolong:{id}:{}", moved.grant), payload: id.to_string(), due: now });
            }
            LeaseEvent::Intended(_) | LeaseEvent::Minted(_) | LeaseEvent::RevokeUnconfirmed(_) => {}
        }
    }
}

pub(crate) fn unavailable(error: &StoreError) -> Unavailable {
    Unavailable::Store(error.to_string())
}
