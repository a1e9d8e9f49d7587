//! What was recorded, session by session from the newest back, each file from its beginning. Files are read off the runtime's threads, in
//! bounded time and memory.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ajar_core::event::Stream;
use ajar_core::id::SessionId;
use ajar_core::port::{Clock, Refusal, RowQuery};
use ajar_core::session::Session;
use ajar_core::time::{Span, Timestamp};
use serde::Deserialize;

use super::facets::Counts;
use super::line::statement;
use super::{Answer, Deadline, Found, Wanted, bad_cursor, shown};
use crate::engine::Engine;
use crate::records::parse;
use crate::refusal::bad_input;
use crate::sequencer::unavailable;

/// Sessions that are listed at a time.
const PAGE: u32 = 50;
/// The longest line that is looked into: bytes.
const LINE_MAX: u64 = 4 * 1024 * 1024;

/// Where to go on: in this session's recording at this byte, or with what is older than it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    session: SessionId,
    at: Option<u64>,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.at {
            Some(at) => write!(f, "{}:{at}", self.session),
            None => self.session.fmt(f),
        }
    }
}

impl std::str::FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (session, at) = text.split_once(':').map_or((text, None), |(session, at)| (session, Some(at)));
        Ok(Self { session: session.parse().map_err(drop)?, at: at.map(str::parse).transpose().map_err(drop)? })
    }
}

/// What one recording came to.
struct Read1 {
    found: Vec<Found>,
    /// Where it stopped before the end: at which byte.
    stopped: Option<u64>,
}

impl Engine {
    pub(super) async fn statements_found(&self, wanted: &Wanted, before: Option<String>) -> Result<Answer, Refusal> {
        if wanted.state.is_some() {
            return Err(bad_input("statements have no state", "leave 'state' out, or look in sessions"));
        }
        let from: Option<Cursor> = before.map(|text| text.parse().map_err(|()| bad_cursor())).transpose()?;
        let deadline = Deadline::from(&*self.clock);
        let (mut answer, mut counts) = (Answer::default(), Counts::default());
        let query = RowQuery { not_over_at: wanted.from, begun_before: wanted.to, limit: PAGE, ..wanted.rows("session") };
        // The session in whose midst the page before has stopped comes first.
        let mut first = match from {
            Some(Cursor { session, at: Some(at) }) => self.session_seen(&query, session).await?.map(|session| (session, at)),
            Some(Cursor { at: None, .. }) | None => None,
        };
        let mut before = from.map(|from| Stream::Session(from.session));
        loop {
            let page = RowQuery { before, ..query.clone() };
            let rows = self.store.rows(&page).await.map_err(|e| Refusal::from(unavailable(&e)))?;
            let ended = rows.len() < PAGE as usize;
            before = rows.last().map(|row| row.stream).or(before);
            let sessions = first.take().into_iter().chain(rows.iter().filter_map(parse::<Session>).map(|session| (session, 0)));
            for (session, at) in sessions {
                let id = session.arrived().id;
                let room = wanted.limit - answer.found.len();
                let read = self.recording_found(wanted, &session, at, room, deadline).await;
                if wanted.counts {
                    read.found.iter().for_each(|found| counts.add(self, found));
                }
                answer.found.extend(read.found);
                if read.stopped.is_some() || answer.found.len() >= wanted.limit || deadline.is_over(&*self.clock) {
                    let next = Cursor { session: id, at: read.stopped };
                    answer.next = Some(next.to_string());
                    answer.searched_to = Some(session.arrived().at).filter(|_| answer.found.len() < wanted.limit);
                    answer.facets = counts.facets();
                    return Ok(answer);
                }
            }
            if ended {
                answer.facets = counts.facets();
                return Ok(answer);
            }
        }
    }

    /// One session, if it is among what the search may look into: a cursor is only what somebody says.
    async fn session_seen(&self, query: &RowQuery, id: SessionId) -> Result<Option<Session>, Refusal> {
        // It is the newest of those that are older than what comes right after it.
        let after = SessionId::new(uuid_after(id));
        let page = RowQuery { before: Some(Stream::Session(after)), limit: 1, ..query.clone() };
        let rows = self.store.rows(&page).await.map_err(|e| Refusal::from(unavailable(&e)))?;
        Ok(rows.first().filter(|row| row.stream == Stream::Session(id)).and_then(parse))
    }

    async fn recording_found(&self, wanted: &Wanted, session: &Session, at: u64, room: usize, deadline: Deadline) -> Read1 {
        let arrived = session.arrived();
        let went_in = session.grant().is_some();
        let other_kind = wanted.kind.as_ref().is_some_and(|kind| *kind != arrived.protocol);
        if !went_in || other_kind {
            return Read1 { found: Vec::new(), stopped: None };
        }
        let role = match session {
            Session::Held(_) => None,
            Session::Live(inside) => Some(inside.live.role.clone()),
            Session::Ended(finished) => finished.role.clone(),
        };
        let like = Found {
            what: "statement",
            id: String::new(),
            at: arrived.at,
            who: Some(arrived.principal),
            resource: Some(arrived.resource.clone()),
            role,
            state: None,
            kind: Some(arrived.protocol.clone()),
            text: String::new(),
            request: None,
            grant: session.grant(),
            session: Some(arrived.id),
            at_in_session: None,
            seq: None,
        };
        let look = Look { wanted: wanted.clone(), like, clock: Arc::clone(&self.clock), deadline, room };
        let path: PathBuf = self.config.recordings.join(format!("{}.ndjson", arrived.id));
        let read = tokio::task::spawn_blocking(move || look.through(&path, at));
        read.await.unwrap_or(Read1 { found: Vec::new(), stopped: None })
    }
}

fn uuid_after(id: SessionId) -> uuid::Uuid {
    uuid::Uuid::from_u128(id.uuid().as_u128().saturating_add(1))
}

/// One look through a recording.
struct Look {
    wanted: Wanted,
    /// What all that is found in it has.
    like: Found,
    clock: Arc<dyn Clock>,
    deadline: Deadline,
    room: usize,
}

/// The first line, as far as it is needed.
#[derive(Deserialize)]
struct Head {
    started: Timestamp,
    #[serde(default)]
    request: Option<ajar_core::id::RequestId>,
}

impl Look {
    /// A recording that isn't there, or can't be read any further, has nothing more to find: sessions end without one too.
    fn through(mut self, path: &Path, at: u64) -> Read1 {
        let mut read = Read1 { found: Vec::new(), stopped: None };
        let Ok(file) = File::open(path) else { return read };
        let mut file = BufReader::with_capacity(64 * 1024, file);
        let mut line = Vec::new();
        let mut place = 0;
        let Some(head) = next_line(&mut file, &mut line, &mut place).then(|| serde_json::from_slice::<Head>(&line).ok()).flatten() else {
            return read;
        };
        self.like.request = head.request;
        if at > place {
            if file.seek(SeekFrom::Start(at)).is_err() {
                return read;
            }
            place = at;
        }
        loop {
            let begins = place;
            if read.found.len() >= self.room || self.deadline.is_over(&*self.clock) {
                // Only if there is more of it.
                read.stopped = file.fill_buf().is_ok_and(|rest| !rest.is_empty()).then_some(begins);
                return read;
            }
            if !next_line(&mut file, &mut line, &mut place) {
                return read;
            }
            read.found.extend(self.line(&head, begins, &line));
        }
    }

    fn line(&self, head: &Head, place: u64, line: &[u8]) -> Option<Found> {
        let statement = std::str::from_utf8(line).ok().and_then(statement)?;
        let at = head.started.after(Span::from_millis(statement.t / 1_000));
        let in_time = self.wanted.from.is_none_or(|from| at >= from) && self.wanted.to.is_none_or(|to| at < to);
        if !in_time || !self.wanted.holds([statement.text.as_str()]) {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "a session's microseconds fit")]
        let seconds = statement.t as f64 / 1_000_000.0;
        let id = self.like.session.map(|session| format!("{session}:{place}")).unwrap_or_default();
        Some(Found { id, at, text: shown(&statement.text), at_in_session: Some(seconds), ..self.like.clone() })
    }
}

/// Reads the next whole line; one that is too long is empty. `false` at the end, which may be in the midst of a line that is being written.
fn next_line(file: &mut BufReader<File>, line: &mut Vec<u8>, place: &mut u64) -> bool {
    line.clear();
    let Ok(read) = file.by_ref().take(LINE_MAX).read_until(b'\n', line) else { return false };
    *place += read as u64;
    if line.ends_with(b"\n") {
        return true;
    }
    if (read as u64) < LINE_MAX {
        return false;
    }
    line.clear();
    loop {
        let (skipped, ends) = match file.fill_buf() {
            Ok([]) | Err(_) => return false,
            Ok(rest) => match rest.iter().position(|byte| *byte == b'\n') {
                Some(end) => (end + 1, true),
                None => (rest.len(), false),
            },
        };
        file.consume(skipped);
        *place += skipped as u64;
        if ends {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is_one() {
        let session: SessionId = "sess_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        for cursor in [Cursor { session, at: None }, Cursor { session, at: Some(7) }] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for bad in
            ["", "x", "sess_01h455vb4pex5vsknk084sn02q:", "sess_01h455vb4pex5vsknk084sn02q:-1", "req_01h455vb4pex5vsknk084sn02q", "../x:1"]
        {
            assert_eq!(bad.parse::<Cursor>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn o02_a_line_without_end_is_skipped_and_one_that_is_being_written_waits() {
        let mut file = tempfile::tempfile().unwrap();
        let long = usize::try_from(LINE_MAX).unwrap() + 10;
        file.write_all(b"one\n").unwrap();
        file.write_all(&vec![b'x'; long]).unwrap();
        file.write_all(b"\ntwo\nhalf").unwrap();
        file.rewind().unwrap();
        let (mut file, mut line, mut place) = (BufReader::new(file), Vec::new(), 0);
        assert!(next_line(&mut file, &mut line, &mut place) && line == b"one\n");
        assert!(next_line(&mut file, &mut line, &mut place) && line.is_empty());
        assert_eq!(place, 4 + long as u64 + 1);
        assert!(next_line(&mut file, &mut line, &mut place) && line == b"two\n");
        assert!(!next_line(&mut file, &mut line, &mut place));
    }
}
