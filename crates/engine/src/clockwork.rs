//! What happens by itself: timers, the outbox, the reconciler, checkpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ajar_core::event::Stream;
use ajar_core::grant::{CloseReason, Grant};
use ajar_core::port::Refusal;
use ajar_core::resource::{Kind, Resource};
use ajar_core::session::{EndReason, Ended};
use ajar_core::time::{Span, Timestamp};
use ajar_core::world::Decision;
use ajar_ledger::checkpoint::Checkpoint;
use futures::StreamExt;

use crate::engine::{Engine, SYSTEM};
use crate::sequencer::{Draft, Unavailable};

/// The timer looks at the wall clock at least so often: a step or a suspended machine is noticed within it (I14).
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The outbox is looked at this often even when nobody says that there is something.
const OUTBOX: Duration = Duration::from_millis(500);
/// Effects under way at once.
const PERFORMING: usize = 8;
/// Targets are compared with the ledger this often.
const RECONCILE: Duration = Duration::from_secs(30);
/// A checkpoint is signed this often when there is something new.
const CHECKPOINT: Duration = Duration::from_secs(10);
/// A clock that is so much behind the last event was set back.
const STEP_BACK: Span = Span::from_secs(2);
/// How long start-up waits for targets to confirm what was due while the server was down (T7).
const CLEAR_UP: Duration = Duration::from_secs(10);

impl Engine {
    /// At start, before anything listens: ends what the last process left, and revokes what is due (T7).
    pub(crate) async fn clear_up(&self, last: Option<Timestamp>) -> Result<(), Unavailable> {
        let ended = self.sequencer.run(SYSTEM, Vec::new(), |desk| {
            let ended = Ended { reason: EndReason::ServerStopped, recording: None, bytes_in: 0, bytes_out: 0, late_ms: None, at: desk.now };
            let decision: Decision =
                desk.world.sessions().flat_map(|s| desk.world.session_end(s.arrived().id, ended.clone()).unwrap_or_default()).collect();
            Ok::<_, Refusal>((Draft::from(decision), ()))
        });
        if let Err(crate::sequencer::Failed::Unavailable(why)) = ended.await {
            // INVARIANT I13: a full disk must not keep us from closing; nothing opens meanwhile.
            tracing::error!(error = %why, "the end of the last process's sessions could not be recorded");
        }
        self.tick().await;
        self.close_after_a_step_back(last).await;
        if self.leases_of_the_last_process().await.is_err() {
            tracing::error!("the last process's leases could not be marked for revocation; they are revoked when their grants end");
        }
        self.close_what_is_gone().await;
        if tokio::time::timeout(CLEAR_UP, self.outbox_once()).await.is_err() {
            tracing::warn!("some targets have not confirmed yet what was due before the start; it goes on in the background");
        }
        Ok(())
    }

    /// INVARIANT I14: when the log's last event lies ahead of the clock, the clock was set back while nobody looked. How long ago a grant
    /// opened can't be known then, so that those which are open end.
    async fn close_after_a_step_back(&self, last: Option<Timestamp>) {
        let now = self.clock.now();
        let Some(back) = last.map(|last| last.since(now)).filter(|back| *back > STEP_BACK) else { return };
        tracing::warn!(step = %back, "the clock was set back since the last event: every open grant is closed");
        let open = self.sequencer.look(|desk| {
            let open = |g: &&Grant| matches!(g, Grant::Open(_));
            desk.world.grants().filter(open).map(Grant::id).collect::<Vec<_>>()
        });
        for id in open.await.unwrap_or_default() {
            // What is not open any more needs no closing.
            drop(self.grant_close(SYSTEM, id, CloseReason::Expired).await);
        }
    }

    pub(crate) fn spawn_workers(self: &Arc<Self>) {
        let workers: [fn(Arc<Self>) -> futures::future::BoxFuture<'static, ()>; 4] = [
            |e| Box::pin(e.keep_time()),
            |e| Box::pin(e.work_outbox()),
            |e| Box::pin(e.keep_reconciling()),
            |e| Box::pin(e.keep_signing()),
        ];
        for worker in workers {
            let (engine, mut stopping) = (Arc::clone(self), self.stopping());
            self.spawn(async move {
                tokio::select! {
                    () = worker(engine) => {}
                    _ = stopping.wait_for(|stop| *stop) => {}
                }
            });
        }
    }

    /// Sleeps until the next timer is due, at most a heartbeat, and lets happen what is due.
    async fn keep_time(self: Arc<Self>) {
        let mut next = self.next_due.clone();
        loop {
            let due = *next.borrow_and_update();
            let now = self.clock.now();
            let overdue = due.is_some_and(|at| at <= now);
            if overdue {
                self.tick().await;
                if *next.borrow() != due {
                    continue;
                }
            }
            // INVARIANT I14: by the monotonic clock these are over, whatever the wall clock says. Only after the ticks, which close what both
            // clocks agree on in one go. What is closing already is refused.
            for id in self.spans.over(self.clock.mono()) {
                drop(self.grant_close(SYSTEM, id, CloseReason::Expired).await);
            }
            let wait = if overdue {
                // The tick has not moved it on: it is tried again in a while, not in a spin.
                Duration::from_millis(100)
            } else {
                let left = self.spans.next(self.clock.mono());
                [due.map(|at| at.since(now).into()), left].into_iter().flatten().fold(HEARTBEAT, Duration::min)
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                changed = next.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn work_outbox(self: Arc<Self>) {
        loop {
            self.outbox_once().await;
            tokio::select! {
                () = self.effects.notified() => {}
                () = tokio::time::sleep(OUTBOX) => {}
            }
        }
    }

    /// Does everything in the outbox that is due.
    async fn outbox_once(&self) {
        loop {
            let due = match self.store.effects_due(self.clock.now(), 64).await {
                Ok(due) => due,
                Err(error) => return tracing::error!(error = %error, "the outbox can't be read"),
            };
            if due.is_empty() {
                return;
            }
            futures::stream::iter(due).for_each_concurrent(PERFORMING, |effect| self.perform(effect)).await;
        }
    }

    async fn keep_reconciling(self: Arc<Self>) {
        loop {
            self.reconcile().await;
            tokio::time::sleep(RECONCILE).await;
        }
    }

    /// Compares targets with the ledger, both ways: a login of ours that no lease accounts for is removed (R1, R8); what should be
    /// closing is closed.
    pub(crate) async fn reconcile(&self) {
        self.close_what_is_gone().await;
        // Several resources may be databases of one server, which has one set of logins.
        let mut servers: BTreeMap<(String, u16), Vec<Arc<Resource>>> = BTreeMap::new();
        for resource in self.rules().resources().filter(|resource| self.connector(resource).is_some()) {
            servers.entry(server_of(resource)).or_default().push(Arc::clone(resource));
        }
        for resources in servers.values() {
            self.reconcile_target(resources).await;
        }
        let unconfirmed = self.sequencer.look(|desk| desk.world.leases().filter(|l| l.state() == "revoke_unconfirmed").count()).await;
        #[expect(clippy::cast_precision_loss, reason = "a count of leases fits")]
        metrics::gauge!("ajar_revocations_unconfirmed").set(unconfirmed.unwrap_or(0) as f64);
    }

    /// One server, by the first of its resources.
    async fn reconcile_target(&self, resources: &[Arc<Resource>]) {
        let Some((resource, connector)) = resources.first().and_then(|first| Some((first, self.connector(first)?))) else { return };
        let found = connector.inspect(resource).await;
        // A host is known by its key, and is not asked here.
        if matches!(resource.kind, Kind::Postgres(_)) {
            let now = self.clock.now();
            resources.iter().for_each(|resource| self.healths.looked(&resource.name, &found, now));
        }
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                return tracing::warn!(resource.name = %resource.name, error = %error, "a target could not be compared with the ledger");
            }
        };
        // The ledger is asked after the target: a lease whose intent came in between is known by then (I10).
        let known = self.sequencer.look(|desk| desk.world.leases().map(|l| l.intended().login.clone()).collect::<BTreeSet<_>>());
        let Ok(known) = known.await else { return };
        for stray in found.into_iter().filter(|f| !known.contains(&f.login)) {
            tracing::error!(resource.name = %resource.name, login = %stray.login, connections = stray.connections,
                "the target has a login of ours that no lease accounts for: it is removed");
            metrics::counter!("ajar_stray_logins_total").increment(1);
            if let Err(error) = connector.remove_unknown(resource, &stray.login).await {
                tracing::error!(resource.name = %resource.name, login = %stray.login, error = %error, "the stray login could not be removed yet");
            }
        }
    }

    async fn keep_signing(self: Arc<Self>) {
        let mut signed = 0;
        loop {
            tokio::time::sleep(CHECKPOINT).await;
            let size = self.frontier().size();
            if size > signed && self.checkpoint().await.is_ok() {
                signed = size;
                self.tiles_keep_up().await;
            }
        }
    }

    /// Signs the log as it is now, and keeps the checkpoint.
    ///
    /// # Errors
    /// When it can't be kept.
    pub(crate) async fn checkpoint(&self) -> Result<String, Unavailable> {
        let frontier = self.frontier();
        let note =
            Checkpoint::of(&self.ledger_key.verifier(), &frontier).sign(&self.ledger_key).map_err(|e| Unavailable::Store(e.to_string()))?;
        self.store.checkpoint_put(frontier.size(), &note).await.map_err(|e| crate::sequencer::unavailable(&e))?;
        self.ledger.signed(frontier.size(), self.clock.now());
        Ok(note)
    }

    /// Grants of a request that are in memory or in the store.
    pub(crate) async fn grants_of(&self, id: ajar_core::id::RequestId) -> Vec<ajar_core::id::GrantId> {
        let query = ajar_core::port::RowQuery {
            word: "grant",
            parent: Some(Stream::Request(id)),
            limit: 100,
            ..ajar_core::port::RowQuery::default()
        };
        let rows = self.store.rows(&query).await.unwrap_or_default();
        rows.iter().filter_map(|row| serde_json::from_str::<Grant>(&row.doc).ok()).map(|g| g.id()).collect()
    }

    /// Seconds since a reading of the monotonic clock.
    pub(crate) fn since(&self, started: ajar_core::port::Mono) -> f64 {
        Duration::from_nanos(self.clock.mono().0.saturating_sub(started.0)).as_secs_f64()
    }

    /// The instant, by the injected clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

fn server_of(resource: &Resource) -> (String, u16) {
    let (host, port) = resource.address();
    (host.to_owned(), port)
}
