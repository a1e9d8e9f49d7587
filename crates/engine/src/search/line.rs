//! The lines of a recording, as gateways write them, as far as a search looks into them: `docs/ssh.md`, `docs/http.md`, `docs/postgres.md`.

use serde::Deserialize;
use serde_json::Value;

/// A line that a search can find something in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// Microseconds since the session's start.
    pub(super) t: u64,
    /// What was done, or what passed.
    pub(super) text: String,
}

/// What lines of all kinds of session may have.
#[derive(Deserialize)]
struct Line {
    t: Option<u64>,
    #[serde(default)]
    kind: String,
    outcome: Option<String>,
    sql: Option<String>,
    name: Option<String>,
    method: Option<String>,
    path: Option<String>,
    query: Option<String>,
    status: Option<u16>,
    what: Option<String>,
    command: Option<String>,
    to: Option<Value>,
    op: Option<String>,
    data: Option<String>,
    text: Option<String>,
    why: Option<String>,
    err: Option<Failed>,
}

#[derive(Deserialize)]
struct Failed {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// Reads a line; none for the first, for what isn't one, and for what has nothing to find.
pub(super) fn statement(line: &str) -> Option<Statement> {
    let line: Line = serde_json::from_str(line).ok()?;
    // It has a line of its own when it has finished.
    let t = line.t.filter(|_| line.outcome.as_deref() != Some("running"))?;
    let to = line.to.as_ref().map(|to| to.as_str().map_or_else(|| to.to_string(), str::to_owned));
    let words = |parts: [Option<&str>; 5]| parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let text = match (line.kind.as_str(), &line.sql, &line.method) {
        (_, Some(sql), _) if !sql.is_empty() => {
            let failed = line.err.as_ref().map(|e| format!(" → ERROR {} {}", e.code, e.message)).unwrap_or_default();
            format!("{}{failed}", sql.split_whitespace().collect::<Vec<_>>().join(" "))
        }
        (_, _, Some(method)) => {
            let query = line.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
            let status = line.status.map(|status| format!(" → {status}")).unwrap_or_default();
            format!("{method} {}{query}{status}", line.path.as_deref().unwrap_or_default())
        }
        // What a terminal was shown or sent: as it passed, without what only moves its cursor.
        ("out" | "err" | "in", ..) => plain(line.data.as_deref()?),
        ("open", ..) => words([line.what.as_deref(), line.name.as_deref(), line.command.as_deref(), to.as_deref(), None]),
        ("file" | "change" | "list" | "listen", ..) => {
            let op = line.op.as_deref().unwrap_or(line.kind.as_str());
            words([Some(op), line.path.as_deref(), to.as_deref(), None, None])
        }
        ("refused", ..) => words([Some("refused"), line.what.as_deref(), line.name.as_deref(), line.why.as_deref(), None]),
        ("said", ..) => line.text.clone()?,
        ("close" | "resize", ..) => return None,
        (kind, ..) => line.name.as_ref().filter(|name| !name.is_empty()).map_or_else(|| kind.to_owned(), |name| format!("{kind} {name}")),
    };
    (!text.trim().is_empty()).then_some(Statement { t, text })
}

/// The characters that a terminal shows: escape sequences (ECMA-48) left out, and other control characters but line breaks and tabs.
fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.next() {
                // A control sequence: parameters and intermediates, then one final character.
                Some('[') => while chars.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {},
                // A control string, to its end: BEL or ST.
                Some(']' | 'P' | 'X' | '^' | '_') => {
                    while let Some(c) = chars.next() {
                        if c == '\u{7}' {
                            break;
                        }
                        if c == '\u{1b}' {
                            chars.next_if_eq(&'\\');
                            break;
                        }
                    }
                }
                Some(_) | None => {}
            },
            '\n' | '\t' => shown.push(c),
            c if c.is_control() => {}
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> Option<String> {
        statement(line).map(|statement| statement.text)
    }

    #[test]
    fn lines_of_every_kind_of_session_are_read() {
        let sql = r#"{"t":5,"d":1,"kind":"query","sql":"SELECT 1,\n  2","err":{"code":"42P01","message":"no such"}}"#;
        assert_eq!(statement(sql).unwrap(), Statement { t: 5, text: "SELECT 1, 2 → ERROR 42P01 no such".into() });
        let http = r#"{"t":5,"d":1,"kind":"request","method":"GET","path":"/orders","query":"a=b","status":200}"#;
        assert_eq!(text(http).unwrap(), "GET /orders?a=b → 200");
        assert_eq!(text(r#"{"t":1,"ch":0,"kind":"open","what":"exec","command":"uptime"}"#).unwrap(), "exec uptime");
        assert_eq!(text(r#"{"t":1,"ch":0,"kind":"file","op":"write","path":"/etc/motd"}"#).unwrap(), "write /etc/motd");
        assert_eq!(text(r#"{"t":1,"kind":"refused","what":"x11","why":"not allowed"}"#).unwrap(), "refused x11 not allowed");
        assert_eq!(
            text(r#"{"t":1,"ch":0,"kind":"out","data":"\u001b[1mroot\u001b[0m\u001b]0;x\u0007# \u001b]8;;y\u001b\\ls\r\n"}"#).unwrap(),
            "root# ls\n"
        );
        for nothing in [r#"{"format":"ajar-recording/1"}"#, "", "{", r#"{"t":1,"kind":"close"}"#, r#"{"t":1,"kind":"out","b64":"AAAA"}"#] {
            assert_eq!(text(nothing), None, "{nothing}");
        }
        for hostile in ["\u{1b}", "\u{1b}[", "\u{1b}]", "\u{1b}]x\u{1b}", "\u{1b}[\u{1b}["] {
            assert_eq!(plain(hostile), "", "{hostile:?}");
        }
    }
}
