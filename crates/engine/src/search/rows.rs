//! Requests and sessions, from the projection. What the store can't narrow by, a text above all, is looked for in what it lists.

use std::collections::BTreeMap;

use ajar_core::event::Stream;
use ajar_core::port::{Refusal, RowQuery, StoredRow};
use ajar_core::request::Request;
use ajar_core::sealed::Commitment;
use ajar_core::session::Session;
use ajar_core::time::Timestamp;

use super::facets::Counts;
use super::{Answer, Deadline, Found, Wanted, shown};
use crate::engine::Engine;
use crate::records::parse;
use crate::sequencer::unavailable;
use crate::words::{ended_because, protocol_word};

/// Rows that are read at a time while they are looked through.
const PAGE: u32 = 500;

/// A row as a search sees it: what is shown, what a text is looked for in besides, and what is sealed of both.
struct Looked {
    found: Found,
    also: Vec<String>,
    sealed: Vec<Commitment>,
    reason: Option<Commitment>,
}

impl Engine {
    pub(super) async fn requests_found(&self, wanted: &Wanted, before: Option<Stream>) -> Result<Answer, Refusal> {
        let query = RowQuery { since: wanted.from, begun_before: wanted.to, ..wanted.rows("request") };
        self.rows_found(wanted, query, before, |row| parse(row).map(|request| self.request_looked(&request))).await
    }

    pub(super) async fn sessions_found(&self, wanted: &Wanted, before: Option<Stream>) -> Result<Answer, Refusal> {
        let query = RowQuery { not_over_at: wanted.from, begun_before: wanted.to, ..wanted.rows("session") };
        self.rows_found(wanted, query, before, |row| parse(row).map(|session| self.session_looked(wanted, &session))).await
    }

    async fn rows_found(
        &self,
        wanted: &Wanted,
        query: RowQuery,
        before: Option<Stream>,
        look: impl Fn(&StoredRow) -> Option<Looked> + Send + Sync,
    ) -> Result<Answer, Refusal> {
        let deadline = Deadline::from(&*self.clock);
        // The store narrows by everything else.
        let looks_through = wanted.text.is_some() || wanted.kind.is_some();
        let mut counts = Counts::default();
        if wanted.counts && wanted.text.is_none() {
            let whole = RowQuery { states: Vec::new(), principal: None, resource: None, role: None, ..query.clone() };
            let tallies = self.store.tally(&whole).await.map_err(|e| Refusal::from(unavailable(&e)))?;
            counts = Counts::of(self, wanted, &tallies);
        }
        let counts_found = wanted.counts && wanted.text.is_some();
        let (mut answer, mut at, mut reached): (Answer, Option<Stream>, Option<Timestamp>) = (Answer::default(), before, None);
        let mut is_full = false;
        loop {
            let limit = if looks_through { PAGE } else { u32::try_from(wanted.limit).unwrap_or(PAGE) + 1 };
            let page = RowQuery { before: at, limit, ..query.clone() };
            let rows = self.store.rows(&page).await.map_err(|e| Refusal::from(unavailable(&e)))?;
            at = rows.last().map(|row| row.stream);
            let ended = rows.len() < limit as usize;
            let looked: Vec<Looked> = rows.iter().filter_map(&look).collect();
            let sealed: Vec<Commitment> = looked.iter().flat_map(|looked| looked.sealed.iter().copied()).collect();
            let values = self.values(&sealed).await;
            for one in looked {
                reached = Some(one.found.at);
                if let Some(found) = fits(wanted, one, &values) {
                    if counts_found {
                        counts.add(self, &found);
                    }
                    if answer.found.len() < wanted.limit {
                        answer.found.push(found);
                    } else {
                        is_full = true;
                    }
                }
            }
            let enough = is_full && !counts_found;
            if ended || enough || deadline.is_over(&*self.clock) {
                // What was found last is where to go on, unless there was none after it: then the last that was looked at.
                answer.next = if is_full {
                    answer.found.last().map(|found| found.id.clone())
                } else {
                    at.filter(|_| !ended).map(|at| at.to_string())
                };
                answer.searched_to = reached.filter(|_| !ended && !enough);
                break;
            }
        }
        answer.facets = counts.facets();
        Ok(answer)
    }

    fn request_looked(&self, request: &Request) -> Looked {
        let filed = request.filed();
        let first = filed.asks.first();
        let notes = request.reviews().iter().filter_map(|review| review.note);
        let comments = request.talk().comments.iter().map(|comment| comment.text);
        let sealed = [filed.reason].into_iter().chain(filed.scope).chain(notes).chain(comments).collect();
        let mut also = vec![filed.id.to_string(), self.name(filed.requester), self.name(filed.beneficiary)];
        also.extend(filed.ticket.clone());
        also.extend(filed.asks.iter().map(|ask| format!("{} on {}", ask.role, ask.resource)));
        let kind = first.and_then(|ask| self.kind_of(&ask.resource));
        let found = Found {
            what: "request",
            id: filed.id.to_string(),
            at: filed.at,
            who: Some(filed.beneficiary),
            resource: first.map(|ask| ask.resource.clone()),
            role: first.map(|ask| ask.role.clone()),
            state: Some(request.state().to_owned()),
            kind: kind.map(str::to_owned),
            text: String::new(),
            request: Some(filed.id),
            grant: None,
            session: None,
            at_in_session: None,
            seq: None,
        };
        Looked { found, also, sealed, reason: Some(filed.reason) }
    }

    fn session_looked(&self, wanted: &Wanted, session: &Session) -> Looked {
        let arrived = session.arrived();
        // INVARIANT I17: an address is looked into for whose it is, and for those who see all.
        let address = wanted.seen_by.as_ref().is_none_or(|by| by.principal == arrived.principal).then_some(arrived.client);
        let role = match session {
            Session::Held(_) => None,
            Session::Live(inside) => Some(inside.live.role.clone()),
            Session::Ended(finished) => finished.role.clone(),
        };
        let words = match session {
            Session::Held(held) => format!("by {}, waits for {}", protocol_word(&arrived.protocol), held.request),
            Session::Live(_) => format!("by {}, live", protocol_word(&arrived.protocol)),
            Session::Ended(finished) => {
                let entries = finished.ended.recording.as_ref().map(|r| format!(", with {} recorded", r.entries)).unwrap_or_default();
                format!("by {}, over: {}{entries}", protocol_word(&arrived.protocol), ended_because(finished.ended.reason))
            }
        };
        let killed = session.killed().map(|killed| killed.reason);
        let found = Found {
            what: "session",
            id: arrived.id.to_string(),
            at: arrived.at,
            who: Some(arrived.principal),
            resource: Some(arrived.resource.clone()),
            role,
            state: Some(session.state().to_owned()),
            kind: Some(arrived.protocol.clone()),
            text: words,
            request: if let Session::Held(held) = session { Some(held.request) } else { None },
            grant: session.grant(),
            session: Some(arrived.id),
            at_in_session: None,
            seq: None,
        };
        let also = vec![arrived.id.to_string(), self.name(arrived.principal), arrived.resource.to_string()];
        Looked { found, also, sealed: killed.into_iter().chain(address).collect(), reason: None }
    }
}

/// What is shown of it, if it fits in the respects that the store doesn't know.
fn fits(wanted: &Wanted, looked: Looked, values: &BTreeMap<Commitment, String>) -> Option<Found> {
    let Looked { mut found, also, sealed, reason } = looked;
    if wanted.kind.as_ref().is_some_and(|kind| found.kind.as_ref() != Some(kind)) {
        return None;
    }
    let said = sealed.iter().filter_map(|commitment| values.get(commitment)).map(String::as_str);
    if !wanted.holds(said.chain(also.iter().map(String::as_str)).chain([found.text.as_str()])) {
        return None;
    }
    if let Some(text) = reason.and_then(|reason| values.get(&reason)) {
        found.text = shown(text);
    }
    Some(found)
}
