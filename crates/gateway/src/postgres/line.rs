//! A statement's line in a recording. Written by hand: it costs a few hundred nanoseconds.
//!
//! In this order, what doesn't apply left out:
//!
//! | field | is |
//! | --- | --- |
//! | `t`, `d` | when it started, in µs since the session's start; how long it took, in µs |
//! | `kind` | `simple`, `extended`, `function`, `commit` |
//! | `outcome` | left out when it completed; `failed`, `suspended`, `skipped`, `unfinished`, `never_run`, `not_remembered`; `running` in a line beforehand of what takes a second or more, which has another with the same `t` when it has finished |
//! | `sql` | its text; what isn't UTF-8 is replaced |
//! | `sql_bytes`, `sql_sha256` | the whole text's length and digest, when `sql` isn't exactly all of it |
//! | `name`, `portal` | of a prepared statement and a portal that have names |
//! | `function` | the object id, of a function call |
//! | `tag`, or `tags` | what the target reported; several for several commands in one text |
//! | `more_tags` | how many more there were than are listed |
//! | `rows`, `row_bytes` | what was sent to the client; else the rows that the tag counts |
//! | `copy_in`, `copy_out` | `{"messages":…,"bytes":…}` |
//! | `err` | `{"severity":…,"code":…,"message":…}` |

use std::borrow::Cow;

use ajar_wire::pg::statements::{Copied, Kind, Outcome, Statement, StatementText};

/// Appends a statement's line.
pub(super) fn put(out: &mut Vec<u8>, s: &Statement) {
    out.extend_from_slice(b"{\"t\":");
    number(out, s.started_at);
    out.extend_from_slice(b",\"d\":");
    number(out, s.ended_at.saturating_sub(s.started_at));
    out.extend_from_slice(match s.kind {
        Kind::Simple => b",\"kind\":\"simple\"",
        Kind::Extended => b",\"kind\":\"extended\"",
        Kind::FunctionCall => b",\"kind\":\"function\"",
        Kind::Commit => b",\"kind\":\"commit\"",
    });
    let outcome = match s.outcome {
        Outcome::Completed => "",
        Outcome::Running => "running",
        Outcome::Failed => "failed",
        Outcome::Suspended => "suspended",
        Outcome::Skipped => "skipped",
        Outcome::Unfinished => "unfinished",
        Outcome::NeverRun => "never_run",
        Outcome::NotRemembered => "not_remembered",
    };
    field(out, "outcome", outcome);
    if let Some(sql) = &s.text {
        put_sql(out, sql);
    }
    field(out, "name", &s.name);
    field(out, "portal", &s.portal);
    if let Some(oid) = s.function {
        count(out, "function", u64::from(oid));
    }
    put_results(out, s);
    for (name, copied) in [("copy_in", s.copy_in), ("copy_out", s.copy_out)] {
        if let Some(Copied { messages, bytes }) = copied {
            key(out, name);
            out.extend_from_slice(b"{\"messages\":");
            number(out, messages);
            count(out, "bytes", bytes);
            out.push(b'}');
        }
    }
    if let Some(error) = &s.error {
        out.extend_from_slice(b",\"err\":{\"severity\":");
        text(out, &error.severity);
        out.extend_from_slice(b",\"code\":");
        text(out, &error.sqlstate);
        out.extend_from_slice(b",\"message\":");
        text(out, &error.message);
        out.push(b'}');
    }
    out.extend_from_slice(b"}\n");
}

fn put_sql(out: &mut Vec<u8>, sql: &StatementText) {
    let shown = sql.to_text();
    key(out, "sql");
    text(out, &shown);
    let exact = sql.is_complete() && matches!(shown, Cow::Borrowed(_));
    if !exact {
        count(out, "sql_bytes", sql.total());
        field(out, "sql_sha256", &hex::encode(sql.sha256()));
    }
}

fn put_results(out: &mut Vec<u8>, s: &Statement) {
    match s.results.as_slice() {
        [] => {}
        [one] => {
            key(out, "tag");
            text(out, &one.tag);
        }
        many => {
            key(out, "tags");
            for (i, one) in many.iter().enumerate() {
                out.push(if i == 0 { b'[' } else { b',' });
                text(out, &one.tag);
            }
            out.push(b']');
        }
    }
    if s.more_results > 0 {
        count(out, "more_tags", s.more_results);
    }
    if s.rows > 0 {
        count(out, "rows", s.rows);
        count(out, "row_bytes", s.row_bytes);
    } else if let [one] = s.results.as_slice()
        && let Some(rows) = one.rows
    {
        count(out, "rows", rows);
    }
}

fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn count(out: &mut Vec<u8>, name: &str, value: u64) {
    key(out, name);
    number(out, value);
}

/// A text, unless it is empty.
fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    if !value.is_empty() {
        key(out, name);
        text(out, value);
    }
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut from = digits.len();
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + u8::try_from(value % 10).unwrap_or(0);
        from -= 1;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(from..).unwrap_or_default());
}

/// A JSON string: quotes, backslashes and control characters escaped, so that a line stays one line (L5).
fn text(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    let mut rest = value.as_bytes();
    while let Some(at) = rest.iter().position(|b| *b < 0x20 || matches!(b, b'"' | b'\\' | 0x7f)) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else { break };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\r' => out.extend_from_slice(b"\\r"),
            control => {
                out.extend_from_slice(b"\\u00");
                let mut hex = [0u8; 2];
                if hex::encode_to_slice([*control], &mut hex).is_ok() {
                    out.extend_from_slice(&hex);
                }
            }
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}
