//! The ledger's events, from the newest back. Their texts stay sealed while they are looked through; they are read of those that are shown.

use ajar_core::event::{Actor, Envelope};
use ajar_core::id::PrincipalId;
use ajar_core::port::{Leaf, Refusal};
use ajar_core::sealed::Commitment;
use ajar_core::time::{Span, Timestamp};

use super::facets::Counts;
use super::{Answer, Deadline, Found, Wanted, bad_cursor, shown};
use crate::engine::Engine;
use crate::refusal::bad_input;
use crate::sequencer::unavailable;
use crate::words::texts;

/// Events that are read at a time.
const PAGE: u64 = 500;
/// How far events may stand from where their instants say: when clocks were set back.
const SLACK: Span = Span::from_secs(3_600);

impl Engine {
    pub(super) async fn events_found(&self, wanted: &Wanted, before: Option<String>) -> Result<Answer, Refusal> {
        if wanted.state.is_some() {
            return Err(bad_input("events have no state", "leave 'state' out, or look in requests or sessions"));
        }
        let deadline = Deadline::from(&*self.clock);
        let mut at: u64 = match before {
            Some(before) => before.parse().map_err(|_| bad_cursor())?,
            None => self.number_at(wanted.to.map_or(Timestamp::MAX, |to| to.after(SLACK))).await?,
        };
        let mut answer = Answer::default();
        let (mut counts, mut envelopes) = (Counts::default(), Vec::new());
        let mut is_full = false;
        loop {
            let from = at.saturating_sub(PAGE);
            let count = u32::try_from(at - from).unwrap_or(u32::MAX);
            let leaves = self.store.leaves(from, count).await.map_err(|e| Refusal::from(unavailable(&e)))?;
            let is_past = wanted.from.is_some_and(|begin| leaves.first().is_some_and(|leaf| leaf.at < begin.before(SLACK)));
            let reached = leaves.first().map(|leaf| leaf.at);
            for leaf in leaves.iter().rev() {
                let Some((found, envelope)) = self.event_fits(wanted, leaf) else { continue };
                if wanted.counts {
                    counts.add(self, &found);
                }
                if answer.found.len() < wanted.limit {
                    answer.found.push(found);
                    envelopes.push(envelope);
                } else {
                    is_full = true;
                    if !wanted.counts {
                        break;
                    }
                }
            }
            at = from;
            let ended = at == 0 || is_past;
            let enough = is_full && !wanted.counts;
            if ended || enough || deadline.is_over(&*self.clock) {
                answer.next = match (is_full, ended) {
                    (true, _) => answer.found.last().and_then(|found| found.seq).map(|seq| seq.to_string()),
                    (false, true) => None,
                    (false, false) => Some(at.to_string()),
                };
                answer.searched_to = reached.filter(|_| !ended && !enough);
                break;
            }
        }
        let sealed: Vec<Commitment> = envelopes.iter().flat_map(|envelope| texts(&envelope.event)).collect();
        let values = self.values(&sealed).await;
        let says = |commitment: Commitment| values.get(&commitment).cloned();
        for (found, envelope) in answer.found.iter_mut().zip(&envelopes) {
            found.text = shown(&self.event_words(envelope, &says, true));
        }
        answer.facets = counts.facets();
        Ok(answer)
    }

    fn event_fits(&self, wanted: &Wanted, leaf: &Leaf) -> Option<(Found, Envelope)> {
        let in_time = wanted.from.is_none_or(|from| leaf.at >= from) && wanted.to.is_none_or(|to| leaf.at < to);
        let names = |name: &str| leaf.bytes.contains(&format!("\"{name}\""));
        let fits = in_time
            && wanted.kind.as_ref().is_none_or(|kind| leaf.kind.starts_with(kind.as_str()))
            && wanted.resource.as_ref().is_none_or(|resource| names(resource.as_str()))
            && wanted.role.as_ref().is_none_or(|role| names(role.as_str()));
        if !fits {
            return None;
        }
        let envelope = Envelope::from_leaf(&leaf.bytes).ok()?;
        let who = actor(&envelope);
        if wanted.person.is_some() && who != wanted.person {
            return None;
        }
        let text = if wanted.text.is_some() { self.event_words(&envelope, &|_| None, true) } else { String::new() };
        let by = who.map(|who| self.name(who)).unwrap_or_default();
        if !wanted.holds([leaf.bytes.as_str(), text.as_str(), by.as_str()]) {
            return None;
        }
        let found = Found {
            what: "event",
            id: leaf.stream.to_string(),
            at: leaf.at,
            who,
            resource: None,
            role: None,
            state: None,
            kind: Some(leaf.kind.clone()),
            text: String::new(),
            request: None,
            grant: None,
            session: None,
            at_in_session: None,
            seq: Some(leaf.seq),
        };
        Some((belongs(found, leaf), envelope))
    }

    /// The number that the first event after an instant has: instants grow with numbers, as far as clocks were right.
    async fn number_at(&self, at: Timestamp) -> Result<u64, Refusal> {
        let (mut low, mut high) = (0, self.frontier().size());
        if at == Timestamp::MAX {
            return Ok(high);
        }
        while low < high {
            let middle = low + (high - low) / 2;
            let leaf = self.store.leaves(middle, 1).await.map_err(|e| Refusal::from(unavailable(&e)))?;
            match leaf.first() {
                Some(leaf) if leaf.at <= at => low = middle + 1,
                Some(_) | None => high = middle,
            }
        }
        Ok(low)
    }
}

fn actor(envelope: &Envelope) -> Option<PrincipalId> {
    match envelope.actor {
        Actor::Principal { id, .. } => Some(id),
        Actor::System => None,
    }
}

fn belongs(found: Found, leaf: &Leaf) -> Found {
    use ajar_core::event::Stream;
    match leaf.stream {
        Stream::Request(id) => Found { request: Some(id), ..found },
        Stream::Grant(id) => Found { grant: Some(id), ..found },
        Stream::Session(id) => Found { session: Some(id), ..found },
        Stream::Lease(_)
        | Stream::Lock(_)
        | Stream::Delegation(_)
        | Stream::Preapproval(_)
        | Stream::Debt(_)
        | Stream::Principal(_)
        | Stream::Token(_)
        | Stream::Policy => found,
    }
}
