//! A session's recording, for reading.

use futures::StreamExt;
use serde::Deserialize;

use crate::cli::{self, Format};
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{Output, data, inert, say};

/// A recording's first line.
#[derive(Debug, Deserialize)]
struct Head {
    session: String,
    grant: String,
    resource: String,
    role: String,
    started: String,
}

/// A recorded statement or request; see the gateway's `postgres::line` and `http::visit` for the formats.
#[derive(Debug, Deserialize)]
struct Line {
    /// Microseconds since the session's start.
    t: u64,
    /// Microseconds that it took.
    d: u64,
    kind: String,
    #[serde(default)]
    outcome: Option<String>,
    #[serde(default)]
    sql: Option<String>,
    #[serde(default)]
    sql_bytes: Option<u64>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    tag: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    rows: Option<u64>,
    #[serde(default)]
    err: Option<Error>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    query: Option<String>,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    bytes_in: u64,
    #[serde(default)]
    bytes_out: u64,
}

#[derive(Debug, Deserialize)]
struct Error {
    code: String,
    message: String,
}

pub(super) async fn replay(client: &Client, out: Output, args: &cli::Replay) -> Result<(), Failure> {
    let mut chunks = client.get_stream(&["sessions", &args.id, "recording"], &[]).await?;
    let (mut rest, mut first) = (Vec::new(), true);
    while let Some(chunk) = chunks.next().await {
        rest.extend(chunk?);
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            show(out, &line, first, args.grep.as_deref())?;
            first = false;
        }
    }
    if rest.is_empty() { Ok(()) } else { show(out, &rest, first, args.grep.as_deref()) }
}

fn show(out: Output, line: &[u8], first: bool, grep: Option<&str>) -> Result<(), Failure> {
    let text = String::from_utf8_lossy(line);
    if !first && grep.is_some_and(|wanted| !text.contains(wanted)) {
        return Ok(());
    }
    if out.format != Format::Table {
        return out.line(text.trim_end());
    }
    if first && let Ok(head) = serde_json::from_str::<Head>(&text) {
        say(&inert(&format!("{} on {} as {} under {}, from {}", head.session, head.resource, head.role, head.grant, head.started)));
        return Ok(());
    }
    match serde_json::from_str::<Line>(&text) {
        Ok(line) => data(&line.render()),
        // The last line of a session whose server died may be cut.
        Err(_) => data(&format!("{}\n", inert(text.trim_end()))),
    }
}

impl Line {
    fn render(&self) -> String {
        if let (Some(method), Some(path)) = (&self.method, &self.path) {
            let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
            let status = self.status.map(|status| status.to_string());
            let result: Vec<String> = status.into_iter().chain(self.outcome.clone()).collect();
            let bytes = format!("{} bytes in, {} out", self.bytes_in, self.bytes_out);
            let what = inert(&format!("{method} {path}{query}"));
            return format!("{:>9}  {:>9}  {what}  → {}, {bytes}\n", offset(self.t), millis(self.d), inert(&result.join(" ")));
        }
        let result = match (&self.err, &self.outcome) {
            (Some(error), _) => format!("ERROR {} {}", error.code, error.message),
            (None, Some(outcome)) => outcome.replace('_', " "),
            (None, None) => self.tag.clone().unwrap_or_else(|| self.tags.join(", ")),
        };
        let rows = self.rows.map(|n| format!(", {n} row{}", if n == 1 { "" } else { "s" })).unwrap_or_default();
        let (sql, name) = (self.sql.as_deref().unwrap_or_default(), self.name.as_deref().unwrap_or_default());
        let what = match (sql.is_empty(), name.is_empty()) {
            (false, _) => sql.split_whitespace().collect::<Vec<_>>().join(" "),
            (true, false) => format!("({name})"),
            (true, true) => format!("({})", self.kind),
        };
        let more = self.sql_bytes.map(|all| format!(" … ({all} bytes in all)")).unwrap_or_default();
        format!("{:>9}  {:>9}  {}{}  → {}{rows}\n", offset(self.t), millis(self.d), inert(&what), more, inert(&result))
    }
}

/// `+1:02.345`
fn offset(micros: u64) -> String {
    let (seconds, ms) = (micros / 1_000_000, micros / 1_000 % 1_000);
    format!("+{}:{:02}.{ms:03}", seconds / 60, seconds % 60)
}

fn millis(micros: u64) -> String {
    format!("{}.{:02}ms", micros / 1_000, micros % 1_000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i19_a_recorded_statement_is_one_line_of_text_only() {
        let line: Line = serde_json::from_str(
            r#"{"t":62345678,"d":1500,"kind":"simple","sql":"select\n 1; \u001b[2J","tag":"SELECT 1","rows":1,"row_bytes":5}"#,
        )
        .unwrap();
        assert_eq!(line.render(), "+1:02.345     1.50ms  select 1; \\u{1b}[2J  → SELECT 1, 1 row\n");
        let failed: Line = serde_json::from_str(
            r#"{"t":1,"d":2,"kind":"simple","outcome":"failed","sql":"x","err":{"severity":"ERROR","code":"42501","message":"no"}}"#,
        )
        .unwrap();
        assert!(failed.render().ends_with("x  → ERROR 42501 no\n"));
        let request: Line = serde_json::from_str(
            r#"{"t":1000,"d":2000,"kind":"request","method":"GET","path":"/a","query":"b=\u001b[2J","status":403,"outcome":"refused","bytes_in":0,"bytes_out":7}"#,
        )
        .unwrap();
        assert_eq!(request.render(), "+0:00.001     2.00ms  GET /a?b=\\u{1b}[2J  → 403 refused, 0 bytes in, 7 out\n");
    }
}
