//! Events, rows and their company, made from numbers: the same number makes the same thing.

use std::collections::BTreeSet;

use ajar_core::event::Stream;
use ajar_core::port::{Batch, Effect, Leaf, RowQuery};
use ajar_core::sealed::Disclosure;
use ajar_core::time::Timestamp;
use ajar_core::world::Row;

/// The id text's 26 letters and digits for a number: larger numbers are later.
fn id(number: u64) -> String {
    format!("{number:026}")
}

/// A request's stream.
#[must_use]
pub fn request(number: u64) -> Stream {
    Stream::Request(format!("req_{}", id(number)).parse().unwrap())
}

/// A grant's stream.
#[must_use]
pub fn grant(number: u64) -> Stream {
    Stream::Grant(format!("grant_{}", id(number)).parse().unwrap())
}

/// An instant, so many seconds after a fixed one.
#[must_use]
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
}

/// An event as a leaf; `text` stands in its JSON as it is.
#[must_use]
pub fn leaf(seq: u64, stream: Stream, version: u64, text: &str) -> Leaf {
    let bytes = format!(r#"{{"seq":{seq},"stream":"{stream}","version":{version},"text":"{text}"}}"#);
    Leaf { seq, stream, version, kind: format!("{}.made", stream.word()), at: at(0), bytes }
}

/// A row in a state.
#[must_use]
pub fn row(stream: Stream, state: &'static str) -> Row {
    let doc = format!(r#"{{"state":"{state}"}}"#);
    Row {
        stream,
        state,
        settled: false,
        principal: None,
        parts: BTreeSet::new(),
        resource: None,
        role: None,
        parent: None,
        due: None,
        since: None,
        until: None,
        doc,
    }
}

/// A value behind a commitment.
#[must_use]
pub fn disclosure(number: u8) -> Disclosure {
    Disclosure::seal([number; 32], format!("INC-{number}: fix stuck order"))
}

/// An effect that is due at once.
#[must_use]
pub fn effect(key: &str) -> Effect {
    Effect { key: key.into(), payload: format!(r#"{{"do":"{key}"}}"#), due: at(0) }
}

/// `count` events from `from` on, one on each of as many requests, each with its row.
#[must_use]
pub fn filed(from: u64, count: u64) -> Batch {
    let numbers = || from..from + count;
    Batch {
        leaves: numbers().map(|n| leaf(n, request(n), 1, "filed")).collect(),
        rows: numbers().map(|n| row(request(n), "pending")).collect(),
        ..Batch::default()
    }
}

/// All rows of a kind.
#[must_use]
pub fn every(word: &'static str) -> RowQuery {
    RowQuery { word, limit: 10_000, ..RowQuery::default() }
}
