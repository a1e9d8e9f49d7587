//! The lines of a recording, as the gateways write them: `postgres::line`, `http::visit`, and SSH's events.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A recording's first line.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Head {
    pub(crate) session: String,
    pub(crate) grant: String,
    pub(crate) resource: String,
    pub(crate) role: String,
    #[serde(default)]
    pub(crate) protocol: String,
    pub(crate) started: String,
}

impl Head {
    /// Reads a first line.
    pub(crate) fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

/// A recorded statement or request.
#[derive(Debug, Deserialize)]
pub(crate) struct Statement {
    /// Microseconds since the session's start.
    pub(crate) t: u64,
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

impl Statement {
    /// Whether it had not finished when this was written.
    pub(crate) fn is_running(&self) -> bool {
        self.outcome.as_deref() == Some("running")
    }

    /// In one line; nothing in it is inert yet.
    pub(crate) fn render(&self) -> String {
        if let (Some(method), Some(path)) = (&self.method, &self.path) {
            let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
            let status = self.status.map(|status| status.to_string());
            let result: Vec<String> = status.into_iter().chain(self.outcome.clone()).collect();
            let bytes = format!("{} bytes in, {} out", self.bytes_in, self.bytes_out);
            return format!("{:>9}  {:>9}  {method} {path}{query}  → {}, {bytes}", offset(self.t), millis(self.d), result.join(" "));
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
        format!("{:>9}  {:>9}  {what}{more}  → {result}{rows}", offset(self.t), millis(self.d))
    }
}

/// Something that happened in a session by SSH.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Event {
    /// Microseconds since the session's start.
    pub(crate) t: u64,
    /// The channel, where it is of one.
    #[serde(default)]
    pub(crate) ch: Option<u64>,
    #[serde(flatten)]
    pub(crate) what: What,
}

/// See the gateway's recordings of SSH.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum What {
    Open(Box<Open>),
    Out(Data),
    Err(Data),
    In(Data),
    Resize {
        cols: u64,
        rows: u64,
    },
    File(Box<File>),
    Change {
        op: String,
        path: String,
        #[serde(default)]
        to: Option<String>,
        #[serde(default)]
        ok: bool,
        #[serde(default)]
        code: Option<Value>,
    },
    List {
        path: String,
    },
    /// The host listens for the client.
    Listen {
        to: String,
    },
    Refused {
        what: String,
        #[serde(default)]
        name: Option<String>,
        #[serde(default)]
        why: Option<String>,
    },
    Close(Close),
    Said {
        text: String,
    },
}

/// A channel begins.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Open {
    /// `shell`, `exec`, `subsystem`, `forward`, `remote_forward`, `agent` or `x11`.
    #[serde(default)]
    pub(crate) what: String,
    #[serde(default)]
    pub(crate) login: Option<String>,
    #[serde(default)]
    pub(crate) command: Option<String>,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) to: Option<Value>,
    #[serde(default)]
    pub(crate) term: Option<String>,
    #[serde(default)]
    pub(crate) cols: Option<u64>,
    #[serde(default)]
    pub(crate) rows: Option<u64>,
    #[serde(default)]
    pub(crate) env: Map<String, Value>,
}

/// A piece of what went through.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Data {
    #[serde(default)]
    data: Option<String>,
    #[serde(default)]
    b64: Option<String>,
}

impl Data {
    pub(crate) fn bytes(self) -> Vec<u8> {
        match (self.data, self.b64) {
            (Some(text), _) => text.into_bytes(),
            (None, Some(coded)) => STANDARD.decode(coded).unwrap_or_default(),
            (None, None) => Vec::new(),
        }
    }
}

/// A file that was read or written.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct File {
    op: String,
    path: String,
    #[serde(default)]
    bytes_read: u64,
    #[serde(default)]
    bytes_written: u64,
    #[serde(default)]
    sha256_read: Option<String>,
    #[serde(default)]
    sha256_written: Option<String>,
    #[serde(default)]
    ok: Option<bool>,
}

/// A channel's end.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Close {
    #[serde(default)]
    exit: Option<i64>,
    #[serde(default)]
    signal: Option<String>,
    #[serde(default)]
    bytes_in: u64,
    #[serde(default)]
    bytes_out: u64,
    #[serde(default)]
    d: u64,
    #[serde(default)]
    unrecorded: u64,
    #[serde(default)]
    outcome: Option<String>,
}

impl Event {
    /// Reads one, if it is one.
    pub(crate) fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }

    /// In one line; nothing in it is inert yet. None for what goes through: that is summed up.
    pub(crate) fn render(&self) -> Option<String> {
        let words = match &self.what {
            What::Out(_) | What::Err(_) | What::In(_) => return None,
            What::Open(open) => open.render(),
            What::Resize { cols, rows } => format!("terminal is {cols}x{rows}"),
            What::File(file) => file.render(),
            What::Change { op, path, to, ok, code } => {
                let to = to.as_ref().map(|to| format!(" → {to}")).unwrap_or_default();
                let code = code.as_ref().map(|code| format!(" ({})", plain(code))).unwrap_or_default();
                format!("{op} {path}{to}{}", if *ok { String::new() } else { format!(", failed{code}") })
            }
            What::List { path } => format!("list {path}"),
            What::Listen { to } => format!("listen at {to}"),
            What::Refused { what, name, why } => {
                let name = name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
                format!("REFUSED {what}{name}{}", why.as_ref().map(|why| format!(": {why}")).unwrap_or_default())
            }
            What::Close(close) => close.render(),
            What::Said { text } => format!("Ajar said: {}", text.split_whitespace().collect::<Vec<_>>().join(" ")),
        };
        Some(row(self.t, self.ch, &words))
    }
}

impl Open {
    /// The terminal's size, where there is one.
    pub(crate) fn terminal(&self) -> Option<(u64, u64)> {
        self.term.as_ref()?;
        Some((self.cols.unwrap_or(80), self.rows.unwrap_or(24)))
    }

    fn render(&self) -> String {
        let mut words = self.what.replace('_', " ");
        let to = self.to.as_ref().map(plain);
        for more in [self.name.as_ref(), self.command.as_ref(), to.as_ref()].into_iter().flatten() {
            words = format!("{words} {more}");
        }
        if let Some(login) = &self.login {
            words = format!("{words}, as {login}");
        }
        if let (Some(term), Some((cols, rows))) = (&self.term, self.terminal()) {
            words = format!("{words}, on a terminal {term} {cols}x{rows}");
        }
        if !self.env.is_empty() {
            let env: Vec<_> = self.env.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
            words = format!("{words}, with {}", env.join(" "));
        }
        words
    }
}

impl File {
    fn render(&self) -> String {
        let part = |verb: &str, bytes: u64, digest: &Option<String>| {
            let digest = digest.as_ref().map_or_else(|| "not whole".to_owned(), |digest| format!("sha256 {digest}"));
            format!("{bytes} bytes {verb}, {digest}")
        };
        let reads = (self.op != "write").then(|| part("read", self.bytes_read, &self.sha256_read));
        let writes = (self.op != "read").then(|| part("written", self.bytes_written, &self.sha256_written));
        let parts: Vec<_> = reads.into_iter().chain(writes).collect();
        let failed = if self.ok == Some(false) { ", failed" } else { "" };
        format!("file {}: {}{failed}", self.path, parts.join("; "))
    }
}

impl Close {
    fn render(&self) -> String {
        let how = match (&self.signal, self.exit, &self.outcome) {
            (Some(signal), _, _) => format!("closed by signal {signal}"),
            (None, Some(exit), _) => format!("closed, exit {exit}"),
            (None, None, Some(outcome)) => format!("closed: {outcome}"),
            (None, None, None) => "closed".to_owned(),
        };
        let left = if self.unrecorded > 0 { format!(", {} bytes not recorded", self.unrecorded) } else { String::new() };
        format!("{how}  → {} bytes in, {} out in {}{left}", self.bytes_in, self.bytes_out, millis(self.d))
    }
}

/// A line of the list: when, on which channel, what.
pub(crate) fn row(t: u64, ch: Option<u64>, words: &str) -> String {
    let ch = ch.map(|ch| format!("#{ch}")).unwrap_or_default();
    format!("{:>9}  {ch:>4}  {words}", offset(t))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `+1:02.345`
pub(crate) fn offset(micros: u64) -> String {
    let (seconds, ms) = (micros / 1_000_000, micros / 1_000 % 1_000);
    format!("+{}:{:02}.{ms:03}", seconds / 60, seconds % 60)
}

fn millis(micros: u64) -> String {
    format!("{}.{:02}ms", micros / 1_000, micros % 1_000 / 10)
}
