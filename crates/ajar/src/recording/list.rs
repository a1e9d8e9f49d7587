//! A recording as lines: one for each thing that happened, what went through a channel summed up.

use std::collections::BTreeMap;

use super::line::{Event, Head, Statement, What, row};
use super::search::Search;
use crate::output::inert;

/// What went through one channel in one direction since the last line about it.
#[derive(Debug)]
struct Sum {
    since: u64,
    until: u64,
    bytes: u64,
}

/// Makes lines of a recording's lines, one after the other.
#[derive(Debug)]
pub(crate) struct List {
    head: Option<Head>,
    first: bool,
    /// A sum is told after so many microseconds, even when nothing else happens on its channel.
    every: Option<u64>,
    sums: BTreeMap<(u64, &'static str), Sum>,
    search: Option<Search>,
    /// What was said to run, and when it began: told when nothing more is said of it.
    running: Option<(u64, String)>,
}

/// A line, made inert.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Whose recording it is.
    Title(String),
    /// Something that happened.
    Line(String),
}

impl List {
    /// Of everything; what goes through is told after `every` microseconds at the latest.
    pub(crate) fn new(every: Option<u64>) -> Self {
        Self { head: None, first: true, every, sums: BTreeMap::new(), search: None, running: None }
    }

    /// Only of what holds this text.
    pub(crate) fn only(text: &str) -> Self {
        Self { search: Some(Search::new(text)), ..Self::new(None) }
    }

    /// What a line of the recording comes to.
    pub(crate) fn line(&mut self, line: &str) -> Vec<Told> {
        if std::mem::take(&mut self.first)
            && let Some(head) = Head::read(line)
        {
            let Head { session, resource, role, grant, started, .. } = &head;
            let title = format!("{session} on {resource} as {role} under {grant}, from {started}");
            self.head = Some(head);
            return vec![Told::Title(inert(&title))];
        }
        let ssh = self.head.as_ref().is_some_and(|head| head.protocol == "ssh");
        let mut told = match (ssh, &mut self.search) {
            (true, Some(search)) => match Event::read(line) {
                Some(event) => search.event(event),
                None => search.raw(line).into_iter().collect(),
            },
            (true, None) => match Event::read(line) {
                Some(event) => self.event(event),
                None => vec![line.trim_end().to_owned()],
            },
            (false, search) => {
                // The last line of a session whose server died may be cut.
                let read = serde_json::from_str::<Statement>(line);
                let words = read.as_ref().map_or_else(|_| line.trim_end().to_owned(), Statement::render);
                let wanted = search.as_ref().is_none_or(|search| search.is_in(line) || search.is_in(&words));
                // Who watches sees it at once; in a recording it is told once, as it ended.
                self.running.take_if(|(t, _)| read.as_ref().is_ok_and(|s| s.t == *t));
                match read {
                    Ok(statement) if self.every.is_none() && statement.is_running() => {
                        self.running = wanted.then_some((statement.t, words));
                        Vec::new()
                    }
                    Ok(_) | Err(_) => wanted.then_some(words).into_iter().collect(),
                }
            }
        };
        told.drain(..).map(|words| Told::Line(inert(&words))).collect()
    }

    /// What is still to be told: at the end, or when nothing has come for a while.
    pub(crate) fn rest(&mut self) -> Vec<Told> {
        let last =
            self.search.as_mut().map(Search::rest).unwrap_or_default().into_iter().chain(self.running.take().map(|(_, words)| words));
        let sums = std::mem::take(&mut self.sums);
        let sums = sums.into_iter().map(|(key, sum)| summed(key, &sum));
        sums.chain(last).map(|words| Told::Line(inert(&words))).collect()
    }

    fn event(&mut self, event: Event) -> Vec<String> {
        let mut told = self.overdue(event.t);
        let ch = event.ch.unwrap_or(0);
        let (way, data) = match event.what {
            What::Out(data) => ("out", data),
            What::Err(data) => ("err", data),
            What::In(data) => ("in", data),
            What::Open(_)
            | What::Resize { .. }
            | What::File(_)
            | What::Change { .. }
            | What::List { .. }
            | What::Listen { .. }
            | What::Refused { .. }
            | What::Close(_)
            | What::Said { .. } => {
                let of = |key: &(u64, &'static str)| key.0 == ch;
                told.extend(self.take(of));
                told.extend(event.render());
                return told;
            }
        };
        let sum = self.sums.entry((ch, way)).or_insert(Sum { since: event.t, until: event.t, bytes: 0 });
        sum.until = event.t;
        sum.bytes += data.bytes().len() as u64;
        told
    }

    fn overdue(&mut self, now: u64) -> Vec<String> {
        let Some(every) = self.every else { return Vec::new() };
        let due: Vec<_> = self.sums.iter().filter(|(_, sum)| now.saturating_sub(sum.since) >= every).map(|(key, _)| *key).collect();
        self.take(|key| due.contains(key))
    }

    fn take(&mut self, which: impl Fn(&(u64, &'static str)) -> bool) -> Vec<String> {
        let (taken, kept): (BTreeMap<_, _>, _) = std::mem::take(&mut self.sums).into_iter().partition(|(key, _)| which(key));
        self.sums = kept;
        taken.into_iter().map(|(key, sum)| summed(key, &sum)).collect()
    }
}

fn summed((ch, way): (u64, &'static str), sum: &Sum) -> String {
    let bytes = sum.bytes;
    let until = if sum.until > sum.since { format!(", until {}", super::line::offset(sum.until)) } else { String::new() };
    row(sum.since, Some(ch), &format!("{bytes} byte{} {way}{until}", if bytes == 1 { "" } else { "s" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SSH: &str = r#"{"format":"ajar-recording/1","session":"sess_1","grant":"grant_1","principal":"p","resource":"web-1","role":"ops","protocol":"ssh","started":"2026-01-31T17:00:00Z"}
{"t":1000,"ch":0,"kind":"open","what":"shell","login":"deploy","term":"xterm","cols":80,"rows":24,"env":{"LANG":"C"}}
{"t":2000,"ch":0,"kind":"out","data":"$ \u001b]52;c;ZXZpbA==\u0007"}
{"t":3000,"ch":1,"kind":"open","what":"exec","command":"id\u001b[2J"}
{"t":4000,"ch":0,"kind":"in","data":"l"}
{"t":5000,"ch":0,"kind":"out","b64":"/w=="}
{"t":6000,"ch":1,"kind":"file","op":"write","path":"/tmp/x","bytes_written":7,"sha256_written":"ab","ok":true}
{"t":6500,"ch":1,"kind":"change","op":"rename","path":"/a","to":"/b","ok":false,"code":"permission denied"}
{"t":7000,"ch":1,"kind":"refused","what":"forward","name":"db:5432","why":"the role allows none"}
{"t":2000000,"ch":0,"kind":"said","text":"ends in\n60 s"}
{"t":3000000,"ch":1,"kind":"close","exit":3,"bytes_in":0,"bytes_out":9,"d":2997000,"unrecorded":4}
{"t":3000000,"ch":0,"kind":"new one","x":"\u001b[2J"}
{"t":3000001,"ch":0,"kind":"ou"#;

    #[test]
    fn what_was_said_to_run_is_told_once_unless_nothing_more_was_said() {
        let running = r#"{"t":5,"d":1000000,"kind":"simple","outcome":"running","sql":"select pg_sleep(9)"}"#;
        let done = r#"{"t":5,"d":9000000,"kind":"simple","sql":"select pg_sleep(9)","tag":"SELECT 1"}"#;
        let head = r#"{"session":"s","grant":"g","resource":"r","role":"w","protocol":"postgres","started":"x"}"#;
        let text = |lines: &[&str]| [&[head], lines].concat().join("\n");
        let whole = told(List::new(None), &text(&[running, done]));
        assert!(whole.len() == 2 && whole[1].contains("SELECT 1"), "{whole:?}");
        let cut = told(List::new(None), &text(&[running]));
        assert!(cut.len() == 2 && cut[1].ends_with("running"), "{cut:?}");
        let watched = told(List::new(Some(1)), &text(&[running, done]));
        assert!(watched.len() == 3 && watched[1].ends_with("running"), "{watched:?}");
    }

    fn told(mut list: List, text: &str) -> Vec<String> {
        let mut told: Vec<_> = text.lines().flat_map(|line| list.line(line)).collect();
        told.extend(list.rest());
        told.into_iter()
            .map(|told| match told {
                Told::Title(line) | Told::Line(line) => line,
            })
            .collect()
    }

    #[test]
    fn i19_w02_a_session_by_ssh_is_one_inert_line_for_each_thing_that_happened() {
        let expected = [
            "sess_1 on web-1 as ops under grant_1, from 2026-01-31T17:00:00Z",
            "+0:00.001    #0  shell, as deploy, on a terminal xterm 80x24, with LANG=C",
            "+0:00.003    #1  exec id\\u{1b}[2J",
            "+0:00.006    #1  file /tmp/x: 7 bytes written, sha256 ab",
            "+0:00.006    #1  rename /a → /b, failed (permission denied)",
            "+0:00.007    #1  REFUSED forward db:5432: the role allows none",
            "+0:00.004    #0  1 byte in",
            "+0:00.002    #0  19 bytes out, until +0:00.005",
            "+0:02.000    #0  Ajar said: ends in 60 s",
            "+0:03.000    #1  closed, exit 3  → 0 bytes in, 9 out in 2997.00ms, 4 bytes not recorded",
            r#"{"t":3000000,"ch":0,"kind":"new one","x":"\u001b[2J"}"#,
            r#"{"t":3000001,"ch":0,"kind":"ou"#,
        ];
        assert_eq!(told(List::new(None), SSH), expected);
    }

    #[test]
    fn what_goes_through_is_told_in_time_to_who_watches() {
        let mut list = List::new(Some(1_000_000));
        let out = |t: u64| format!(r#"{{"t":{t},"ch":0,"kind":"out","data":"x"}}"#);
        assert_eq!(list.line(SSH.lines().next().unwrap()).len(), 1);
        assert_eq!((list.line(&out(0)), list.line(&out(999_999))), (vec![], vec![]));
        assert_eq!(list.line(&out(1_000_000)), [Told::Line("+0:00.000    #0  2 bytes out, until +0:00.999".into())]);
        assert_eq!(list.rest(), [Told::Line("+0:01.000    #0  1 byte out".into())]);
        assert_eq!(list.rest(), []);
    }

    #[test]
    fn i19_a_recorded_statement_is_one_line_of_text_only() {
        let one = |line: &str| told(List::new(None), line).remove(0);
        let simple = r#"{"t":62345678,"d":1500,"kind":"simple","sql":"select\n 1; \u001b[2J","tag":"SELECT 1","rows":1,"row_bytes":5}"#;
        assert_eq!(one(simple), "+1:02.345     1.50ms  select 1; \\u{1b}[2J  → SELECT 1, 1 row");
        let failed =
            r#"{"t":1,"d":2,"kind":"simple","outcome":"failed","sql":"x","err":{"severity":"ERROR","code":"42501","message":"no"}}"#;
        assert!(one(failed).ends_with("x  → ERROR 42501 no"));
        let request = r#"{"t":1000,"d":2000,"kind":"request","method":"GET","path":"/a","query":"b=\u001b[2J","status":403,"outcome":"refused","bytes_in":0,"bytes_out":7}"#;
        assert_eq!(one(request), "+0:00.001     2.00ms  GET /a?b=\\u{1b}[2J  → 403 refused, 0 bytes in, 7 out");
        // The text is looked for in what is shown, too: in the recording, its quotes are escaped.
        let quoted = r#"{"t":1,"d":2,"kind":"simple","sql":"select \"a\"","tag":"SELECT 1"}"#;
        assert_eq!(told(List::only("select \"a\""), quoted).len(), 1);
        assert_eq!(told(List::only("b"), quoted).len(), 0);
    }

    #[test]
    fn i19_a_search_finds_what_was_shown_with_its_time() {
        let text = [
            SSH.lines().next().unwrap(),
            r#"{"t":1000,"ch":0,"kind":"open","what":"shell","term":"xterm","cols":20,"rows":4}"#,
            r#"{"t":2000,"ch":0,"kind":"out","data":"$ rm -rf /\u001b[31mva"}"#,
            r#"{"t":3000,"ch":0,"kind":"out","data":"r\u001b[0m\r\n\u001b]0;title /var\u0007gone\r\n"}"#,
            r#"{"t":4000,"ch":1,"kind":"open","what":"exec","command":"du /var"}"#,
            r#"{"t":5000,"ch":1,"kind":"out","data":"12\t/v"}"#,
            r#"{"t":6000,"ch":1,"kind":"out","data":"ar\n13\t/usr\n\u001b[2Jat the end /var"}"#,
        ];
        let found = told(List::only("/var"), &text.join("\n"));
        let expected = [
            "sess_1 on web-1 as ops under grant_1, from 2026-01-31T17:00:00Z",
            "+0:00.003    #0  $ rm -rf /var",
            "+0:00.004    #1  exec du /var",
            "+0:00.005    #1  12 /var",
            "+0:00.006    #1  \\u{1b}[2Jat the end /var",
        ];
        assert_eq!(found, expected);
    }
}
