//! A store in memory that passes the stores' suite, and that fails as the weather says. What it holds outlives the process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ajar_core::event::{Envelope, Event, Stream};
use ajar_core::grant::GrantEvent;
use ajar_core::lease::LeaseEvent;
use ajar_core::port::{Batch, Leaf, PendingEffect, RowQuery, Store, StoreError, StoredRow, Tally};
use ajar_core::sealed::{Commitment, Disclosure};
use ajar_core::session::SessionEvent;
use ajar_core::time::Timestamp;
use ajar_core::world::{Part, Row};
use ajar_store::conformance::Place;
use async_trait::async_trait;

use crate::target::Target;
use crate::weather::Weather;

/// What is on the disk.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) leaves: Vec<Leaf>,
    places: BTreeSet<(Stream, u64)>,
    pub(crate) rows: BTreeMap<(&'static str, String), (Stream, Row)>,
    disclosures: BTreeMap<[u8; 32], Disclosure>,
    pub(crate) effects: BTreeMap<String, PendingEffect>,
    blobs: BTreeMap<String, String>,
    checkpoint: Option<(u64, String)>,
}

impl Disk {
    fn append(&mut self, batch: Batch) -> Result<(), StoreError> {
        for (leaf, next) in batch.leaves.iter().zip(self.leaves.len() as u64..) {
            if leaf.seq != next {
                return Err(StoreError::Conflict);
            }
        }
        let places: BTreeSet<_> = batch.leaves.iter().map(|leaf| (leaf.stream, leaf.version)).collect();
        if places.len() < batch.leaves.len() || !places.is_disjoint(&self.places) {
            return Err(StoreError::Conflict);
        }
        self.places.extend(places);
        self.leaves.extend(batch.leaves);
        self.put(batch.rows);
        for disclosure in batch.disclosures {
            self.disclosures.entry(*disclosure.commitment.as_bytes()).or_insert(disclosure);
        }
        for effect in batch.effects {
            self.effects.entry(effect.key.clone()).or_insert(PendingEffect { effect, attempts: 0, error: None });
        }
        for key in batch.effects_done {
            self.effects.remove(&key);
        }
        for (hash, text) in batch.blobs {
            self.blobs.entry(hash).or_insert(text);
        }
        Ok(())
    }

    fn put(&mut self, rows: Vec<Row>) {
        for row in rows {
            self.rows.insert((row.stream.word(), row.stream.to_string()), (row.stream, row));
        }
    }

    /// Every event, read back from its bytes.
    pub(crate) fn events(&self) -> Vec<Envelope> {
        self.leaves.iter().map(|leaf| Envelope::from_leaf(&leaf.bytes).unwrap()).collect()
    }

    /// The value behind a commitment.
    pub(crate) fn value(&self, commitment: Commitment) -> Option<&str> {
        self.disclosures.get(commitment.as_bytes()).map(|d| d.value.as_str())
    }
}

/// See the module.
pub(crate) struct Memory {
    disk: Mutex<Disk>,
    weather: Arc<Weather>,
    target: Option<Arc<Target>>,
}

impl Memory {
    pub(crate) fn new(weather: &Arc<Weather>) -> Self {
        Self { disk: Mutex::default(), weather: Arc::clone(weather), target: None }
    }

    /// One that watches over a target: what the log says of it must be so.
    pub(crate) fn beside(weather: &Arc<Weather>, target: &Arc<Target>) -> Self {
        Self { target: Some(Arc::clone(target)), ..Self::new(weather) }
    }

    pub(crate) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A write: takes time, may be cut short by the process's end, may find the disk full.
    async fn writing(&self, what: &str) -> Result<(), StoreError> {
        self.weather.step(what).await;
        if self.weather.state().disk_full { Err(StoreError::Full) } else { Ok(()) }
    }

    async fn reading(&self) {
        if self.weather.state().crashed {
            std::future::pending::<()>().await;
        }
    }

    /// What has become durable must be true of the world outside.
    fn watch(&self, events: &[Envelope]) {
        let Some(target) = &self.target else { return };
        let passed = self.weather.passed();
        for envelope in events {
            match (envelope.stream, &envelope.event) {
                (Stream::Lease(_), Event::Lease(LeaseEvent::Intended(i))) => target.expect(i.id, &i.login),
                (Stream::Lease(id), Event::Lease(LeaseEvent::Revoked(_))) if target.has(id) => {
                    self.weather.blame(format!("I11: {id} is recorded as revoked and is still on the target"));
                }
                (Stream::Grant(id), Event::Grant(GrantEvent::Opened(o))) => {
                    let claims = &o.signed.claims;
                    let mut state = self.weather.state();
                    // What goes on adds to the end of what was there, whatever the clock says.
                    let end = match o.after.last() {
                        None => passed + Duration::from(claims.ends_at.since(claims.starts_at)),
                        Some(from) => state.ends[from] + Duration::from(claims.ends_at.since(state.ends_at[from])),
                    };
                    state.ends.insert(id, end);
                    state.ends_at.insert(id, claims.ends_at);
                }
                (_, Event::Session(SessionEvent::Live(live))) => {
                    let end = self.weather.state().ends[&live.grant];
                    if passed > end {
                        self.weather.blame(format!("I07: {} went live {:?} after its grant was over", live.arrived.id, passed - end));
                    }
                }
                _ => {}
            }
        }
    }
}

#[async_trait]
impl Store for Memory {
    async fn append(&self, batch: Batch) -> Result<(), StoreError> {
        self.writing("a commit, before it").await?;
        let answer_lost = self.weather.fails();
        if answer_lost && self.weather.one_in(2) {
            return Err(StoreError::Failed("an I/O error".into()));
        }
        let events: Vec<Envelope> = batch.leaves.iter().filter_map(|leaf| Envelope::from_leaf(&leaf.bytes).ok()).collect();
        self.disk().append(batch)?;
        self.watch(&events);
        self.weather.step("a commit, after it").await;
        if answer_lost { Err(StoreError::Failed("the answer was lost".into())) } else { Ok(()) }
    }

    async fn size(&self) -> Result<u64, StoreError> {
        self.reading().await;
        Ok(self.disk().leaves.len() as u64)
    }

    async fn leaves(&self, from: u64, limit: u32) -> Result<Vec<Leaf>, StoreError> {
        self.reading().await;
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(self.disk().leaves.iter().skip(from).take(limit as usize).cloned().collect())
    }

    async fn stream(&self, stream: Stream) -> Result<Vec<Leaf>, StoreError> {
        self.reading().await;
        let mut leaves: Vec<_> = self.disk().leaves.iter().filter(|l| l.stream == stream).cloned().collect();
        leaves.sort_by_key(|l| l.version);
        Ok(leaves)
    }

    async fn search(&self, kind: Option<&str>, text: Option<&str>, before: Option<u64>, limit: u32) -> Result<Vec<Leaf>, StoreError> {
        let fits = |l: &&Leaf| {
            before.is_none_or(|b| l.seq < b) && kind.is_none_or(|k| l.kind.starts_with(k)) && text.is_none_or(|t| l.bytes.contains(t))
        };
        Ok(self.disk().leaves.iter().rev().filter(fits).take(limit as usize).cloned().collect())
    }

    async fn leaf_hashes(&self, from: u64, limit: u32) -> Result<Vec<[u8; 32]>, StoreError> {
        let leaves = self.leaves(from, limit).await?;
        Ok(leaves.iter().map(|leaf| ajar_ledger::tree::leaf_hash(leaf.bytes.as_bytes())).collect())
    }

    async fn rows(&self, query: &RowQuery) -> Result<Vec<StoredRow>, StoreError> {
        self.reading().await;
        let before = query.before.map(|b| b.to_string());
        let disk = self.disk();
        let fits = |((_, id), (_, row)): &(&(&str, String), &(Stream, Row))| row_fits(query, row) && before.as_ref().is_none_or(|b| id < b);
        Ok(disk.rows.iter().rev().filter(fits).take(query.limit as usize).map(|(_, (stream, row))| stored(*stream, row)).collect())
    }

    async fn tally(&self, query: &RowQuery) -> Result<Vec<Tally>, StoreError> {
        self.reading().await;
        let mut counts: Vec<Tally> = Vec::new();
        for (_, row) in self.disk().rows.values().filter(|(_, row)| row_fits(query, row)) {
            let one = Tally {
                principal: row.principal,
                resource: row.resource.clone(),
                role: row.role.clone(),
                state: row.state.to_owned(),
                count: 1,
                latest: row.since,
            };
            let same =
                |t: &&mut Tally| (t.principal, &t.resource, &t.role, &t.state) == (one.principal, &one.resource, &one.role, &one.state);
            match counts.iter_mut().find(same) {
                Some(found) => (found.count, found.latest) = (found.count + 1, found.latest.max(one.latest)),
                None => counts.push(one),
            }
        }
        Ok(counts)
    }

    async fn row(&self, stream: Stream) -> Result<Option<StoredRow>, StoreError> {
        self.reading().await;
        Ok(self.disk().rows.get(&(stream.word(), stream.to_string())).map(|(stream, row)| stored(*stream, row)))
    }

    async fn by_suffix(&self, word: &'static str, suffix: &str, limit: u32) -> Result<Vec<Stream>, StoreError> {
        if suffix.is_empty() || suffix.len() > 26 || !suffix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
            return Ok(Vec::new());
        }
        let disk = self.disk();
        let fits = |((of, id), _): &(&(&str, String), &(Stream, Row))| *of == word && id.ends_with(suffix);
        Ok(disk.rows.iter().rev().filter(fits).take(limit as usize).map(|(_, (stream, _))| *stream).collect())
    }

    async fn replace_rows(&self, rows: Vec<Row>) -> Result<(), StoreError> {
        self.writing("rows").await?;
        let mut disk = self.disk();
        disk.rows.clear();
        disk.put(rows);
        Ok(())
    }

    async fn disclosures(&self, commitments: &[Commitment]) -> Result<Vec<Disclosure>, StoreError> {
        self.reading().await;
        let disk = self.disk();
        Ok(commitments.iter().filter_map(|c| disk.disclosures.get(c.as_bytes()).cloned()).collect())
    }

    async fn erase(&self, commitments: &[Commitment]) -> Result<(), StoreError> {
        self.writing("an erasure").await?;
        let mut disk = self.disk();
        for commitment in commitments {
            disk.disclosures.remove(commitment.as_bytes());
        }
        Ok(())
    }

    async fn effects_due(&self, now: Timestamp, limit: u32) -> Result<Vec<PendingEffect>, StoreError> {
        self.reading().await;
        let mut due: Vec<_> = self.disk().effects.values().filter(|e| e.effect.due <= now).cloned().collect();
        due.sort_by_key(|e| (e.effect.due, e.effect.key.clone()));
        due.truncate(limit as usize);
        Ok(due)
    }

    async fn effect_retry(&self, key: &str, next: Timestamp, error: &str) -> Result<(), StoreError> {
        self.writing("an effect to be tried again").await?;
        if let Some(found) = self.disk().effects.get_mut(key) {
            found.effect.due = next;
            found.attempts += 1;
            found.error = Some(error.to_owned());
        }
        Ok(())
    }

    async fn effect_done(&self, key: &str) -> Result<(), StoreError> {
        self.writing("an effect that is done").await?;
        self.disk().effects.remove(key);
        Ok(())
    }

    async fn blob(&self, hash: &str) -> Result<Option<String>, StoreError> {
        self.reading().await;
        Ok(self.disk().blobs.get(hash).cloned())
    }

    async fn checkpoint_put(&self, size: u64, note: &str) -> Result<(), StoreError> {
        self.writing("a checkpoint").await?;
        let mut disk = self.disk();
        if disk.checkpoint.as_ref().is_none_or(|(there, _)| *there <= size) {
            disk.checkpoint = Some((size, note.to_owned()));
        }
        Ok(())
    }

    async fn checkpoint_latest(&self) -> Result<Option<String>, StoreError> {
        self.reading().await;
        Ok(self.disk().checkpoint.as_ref().map(|(_, note)| note.clone()))
    }
}

fn row_fits(query: &RowQuery, row: &Row) -> bool {
    row.stream.word() == query.word
        && (query.states.is_empty() || query.states.iter().any(|s| s == row.state))
        && query.principal.is_none_or(|p| row.principal == Some(p) || row.parts.contains(&(Part::Filed, p)))
        && query.resource.as_ref().is_none_or(|r| row.resource.as_ref() == Some(r))
        && query.role.as_ref().is_none_or(|r| row.role.as_ref() == Some(r))
        && query.parent.is_none_or(|p| row.parent == Some(p))
        && query.seen_by.as_ref().is_none_or(|by| {
            let has_a_part = row.parts.iter().any(|(_, who)| *who == by.principal);
            row.principal == Some(by.principal) || has_a_part || row.resource.as_ref().is_some_and(|r| by.owns.contains(r))
        })
        && query.since.is_none_or(|from| row.since.is_some_and(|since| since >= from))
        && query.begun_before.is_none_or(|before| row.since.is_some_and(|since| since < before))
        && query.not_over_at.is_none_or(|at| row.since.is_some() && row.until.is_none_or(|until| until > at))
}

fn stored(stream: Stream, row: &Row) -> StoredRow {
    StoredRow { stream, state: row.state.to_owned(), doc: row.doc.clone() }
}

/// For the suite: there is no shell into it, so that the one case that needs one is left to real databases.
struct Shelf(Arc<Memory>);

#[async_trait]
impl Place for Shelf {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::clone(&self.0) as Arc<dyn Store>
    }

    async fn statement(&self, _: &'static str) -> Result<(), String> {
        Err("no shell".into())
    }
}

ajar_store::conformance!(@port Shelf(Arc::new(Memory::new(&Arc::new(Weather::of(0))))));
