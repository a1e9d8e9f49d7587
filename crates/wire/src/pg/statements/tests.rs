use super::super::messages::TransactionStatus;
use super::super::scan::{BackendScanner, ErrorFields, FrontendScanner, StatementRef};
use super::*;

/// A conversation: what each side says, with a clock that ticks once per message.
struct Talk {
    machine: Statements,
    now: u64,
    out: Vec<Statement>,
}

fn text(sql: &str) -> StatementRef<'_> {
    StatementRef { head: sql.as_bytes(), total: sql.len() as u64, sha256: None }
}

const IDLE: BackendEvent<'_> = BackendEvent::ReadyForQuery(TransactionStatus::Idle);
const OPEN: BackendEvent<'_> = BackendEvent::ReadyForQuery(TransactionStatus::Open);
const OOPS: BackendEvent<'_> = BackendEvent::Error(ErrorFields { severity: b"ERROR", sqlstate: b"42601", message: b"oops" });

impl Talk {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        Self { machine: Statements::new(limits), now: 0, out: Vec::new() }
    }

    fn f(&mut self, event: FrontendEvent<'_>) -> &mut Self {
        self.now += 1;
        self.machine.frontend(event, self.now, &mut self.out);
        self
    }

    fn b(&mut self, event: BackendEvent<'_>) -> &mut Self {
        self.now += 1;
        self.machine.backend(event, self.now, &mut self.out);
        self
    }

    fn query(&mut self, sql: &str) -> &mut Self {
        self.f(FrontendEvent::Query(text(sql)))
    }

    fn parse(&mut self, name: &str, sql: &str) -> &mut Self {
        self.f(FrontendEvent::Parse { name: name.as_bytes(), text: text(sql) })
    }

    fn bind(&mut self, portal: &str, statement: &str) -> &mut Self {
        self.f(FrontendEvent::Bind { portal: portal.as_bytes(), statement: statement.as_bytes() })
    }

    fn execute(&mut self, portal: &str) -> &mut Self {
        self.f(FrontendEvent::Execute { portal: portal.as_bytes() })
    }

    fn sync(&mut self) -> &mut Self {
        self.f(FrontendEvent::Sync)
    }

    /// Parse, Bind, Describe, Execute, all unnamed.
    fn ask(&mut self, sql: &str) -> &mut Self {
        self.parse("", sql).bind("", "").f(FrontendEvent::Describe).execute("")
    }

    fn done(&mut self, tag: &str) -> &mut Self {
        self.b(BackendEvent::CommandComplete { tag: tag.as_bytes() })
    }

    /// What a server answers to Parse, Bind and Describe.
    fn ready_to_run(&mut self) -> &mut Self {
        self.b(BackendEvent::ParseComplete).b(BackendEvent::BindComplete).b(BackendEvent::RowDescription)
    }

    fn copy(&mut self, bytes: u64) -> &mut Self {
        self.f(FrontendEvent::CopyData { messages: 1, bytes })
    }

    fn finish(&mut self) -> &mut Self {
        self.now += 1;
        self.machine.finish(self.now, &mut self.out);
        self
    }

    /// What has come out since the last time: texts and outcomes.
    fn take(&mut self) -> Vec<(String, Outcome)> {
        self.out.drain(..).map(|s| (s.text.map_or("?".into(), |t| t.to_text().into_owned()), s.outcome)).collect()
    }

    fn take_one(&mut self) -> Statement {
        assert_eq!(self.out.len(), 1, "{:?}", self.out);
        self.out.pop().unwrap()
    }

    /// Nothing is left over, and everything fitted.
    fn in_step(&self) {
        assert!(self.machine.is_idle(), "{:?}", self.machine);
        assert_eq!(self.machine.out_of_step(), 0);
        assert!(self.out.is_empty(), "{:?}", self.out);
    }
}

fn outcome(sql: &str, outcome: Outcome) -> (String, Outcome) {
    (sql.to_owned(), outcome)
}

#[test]
fn a_simple_query_comes_out_with_its_time_rows_and_tag() {
    let mut talk = Talk::new();
    talk.query("select 1").b(BackendEvent::RowDescription).b(BackendEvent::Rows { rows: 1, bytes: 11 });
    talk.done("SELECT 1").b(IDLE);
    let statement = talk.take_one();
    assert_eq!((statement.started_at, statement.ended_at), (1, 5));
    assert_eq!((statement.kind, statement.outcome, statement.rows, statement.row_bytes), (Kind::Simple, Outcome::Completed, 1, 11));
    assert_eq!(statement.results, [CommandResult { tag: "SELECT 1".into(), rows: Some(1) }]);
    talk.in_step();
}

#[test]
fn many_commands_in_one_query_are_one_statement_with_many_results_up_to_a_limit() {
    let mut talk = Talk::with(Limits { results: 3, ..Limits::default() });
    talk.query("begin; insert …; insert …; commit; select fail").done("BEGIN").done("INSERT 0 5").done("INSERT 0 2");
    talk.done("COMMIT").b(OOPS).b(IDLE);
    let statement = talk.take_one();
    assert_eq!(statement.outcome, Outcome::Failed);
    assert_eq!(statement.results.iter().map(|r| r.rows).collect::<Vec<_>>(), [None, Some(5), Some(2)]);
    assert_eq!(statement.more_results, 1);
    assert_eq!(statement.error.unwrap().sqlstate, "42601");
    talk.query("").b(BackendEvent::EmptyQuery).b(IDLE);
    assert_eq!(talk.take(), [outcome("", Outcome::Completed)]);
    talk.in_step();
}

#[test]
fn pipelined_extended_queries_pair_in_order_and_an_error_skips_to_the_next_sync() {
    let mut talk = Talk::new();
    talk.ask("a").ask("b").ask("c").sync().ask("d").sync();
    talk.ready_to_run().done("SELECT 1").ready_to_run().b(OOPS);
    assert_eq!(talk.take(), [outcome("a", Outcome::Completed), outcome("b", Outcome::Failed), outcome("c", Outcome::Skipped)]);
    talk.b(IDLE).ready_to_run().b(BackendEvent::Rows { rows: 9, bytes: 9 }).done("SELECT 9").b(IDLE);
    let statement = talk.take_one();
    assert_eq!((statement.text.unwrap().to_text().as_ref(), statement.rows), ("d", 9));
    talk.in_step();
}

#[test]
fn what_arrives_while_the_target_skips_is_on_record_as_skipped() {
    let mut talk = Talk::new();
    talk.ask("a").ready_to_run().b(OOPS);
    assert_eq!(talk.take(), [outcome("a", Outcome::Failed)]);
    talk.ask("b").query("q").f(FrontendEvent::FunctionCall { oid: 1 }).sync().b(IDLE);
    assert_eq!(talk.take(), [outcome("b", Outcome::Skipped), outcome("q", Outcome::Skipped), outcome("?", Outcome::Skipped)]);
    talk.ask("c").sync().ready_to_run().done("SELECT 0").b(IDLE);
    assert_eq!(talk.take(), [outcome("c", Outcome::Completed)]);
    talk.in_step();
}

#[test]
fn a_skipped_parse_never_changes_what_a_name_stands_for() {
    let mut talk = Talk::new();
    talk.parse("", "true text").sync().b(BackendEvent::ParseComplete).b(IDLE);
    // The server skips the second Parse: the unnamed statement stays what it was.
    talk.bind("", "missing").parse("", "false text").sync().bind("", "").execute("").sync();
    talk.b(OOPS).b(IDLE).b(BackendEvent::BindComplete).done("SELECT 1").b(IDLE);
    assert_eq!(talk.take(), [outcome("?", Outcome::Failed), outcome("true text", Outcome::Completed)]);
    talk.in_step();
}

#[test]
fn named_statements_are_found_again_until_they_are_closed() {
    let mut talk = Talk::new();
    talk.parse("s", "select $1").sync().b(BackendEvent::ParseComplete).b(IDLE);
    for _ in 0..3 {
        talk.bind("", "s").execute("").sync().b(BackendEvent::BindComplete).done("SELECT 1").b(IDLE);
        let statement = talk.take_one();
        assert_eq!((statement.text.unwrap().to_text().as_ref(), statement.name.as_str()), ("select $1", "s"));
    }
    talk.f(FrontendEvent::Close { target: Target::Statement, name: b"s" }).bind("", "s").sync();
    talk.b(BackendEvent::CloseComplete).b(OOPS).b(IDLE);
    assert_eq!(talk.take(), [outcome("?", Outcome::Failed)]);
    talk.in_step();
}

#[test]
fn names_are_compared_like_the_server_does() {
    let mut talk = Talk::new();
    let name = "n".repeat(63);
    talk.parse(&name, "a").bind("", &format!("{name}x")).execute("").sync();
    talk.b(BackendEvent::ParseComplete).b(BackendEvent::BindComplete).done("SELECT 1").b(IDLE);
    assert_eq!(talk.take(), [outcome("a", Outcome::Completed)]);
}

#[test]
fn a_suspended_portal_goes_on() {
    let mut talk = Talk::new();
    talk.parse("", "select").bind("p", "").execute("p").sync();
    talk.b(BackendEvent::ParseComplete).b(BackendEvent::BindComplete).b(BackendEvent::Rows { rows: 2, bytes: 2 });
    talk.b(BackendEvent::PortalSuspended).b(OPEN);
    talk.execute("p").sync().b(BackendEvent::Rows { rows: 1, bytes: 1 }).done("SELECT 1").b(OPEN);
    let rows: Vec<_> = talk.out.iter().map(|s| (s.outcome, s.rows, s.portal.as_str())).collect();
    assert_eq!(rows, [(Outcome::Suspended, 2, "p"), (Outcome::Completed, 1, "p")]);
    assert_eq!(talk.take(), [outcome("select", Outcome::Suspended), outcome("select", Outcome::Completed)]);
    // Portals end with their transaction.
    talk.query("commit").done("COMMIT").b(IDLE).execute("p").sync().b(OOPS).b(IDLE);
    assert_eq!(talk.take(), [outcome("commit", Outcome::Completed), outcome("?", Outcome::Failed)]);
    talk.in_step();
}

#[test]
fn errors_in_parse_bind_and_at_the_implicit_commit_are_on_record() {
    let mut talk = Talk::new();
    talk.ask("bad syntax").sync().b(OOPS).b(IDLE);
    assert_eq!(talk.take(), [outcome("bad syntax", Outcome::Failed), outcome("bad syntax", Outcome::Skipped)]);
    talk.ask("bad value").sync().b(BackendEvent::ParseComplete).b(OOPS).b(IDLE);
    assert_eq!(talk.take(), [outcome("bad value", Outcome::Failed), outcome("bad value", Outcome::Skipped)]);
    talk.ask("deferred").sync().ready_to_run().done("INSERT 0 1").b(OOPS).b(IDLE);
    assert_eq!(talk.out[1].kind, Kind::Commit);
    assert_eq!(talk.take(), [outcome("deferred", Outcome::Completed), outcome("?", Outcome::Failed)]);
    talk.machine.finish(99, &mut talk.out);
    talk.in_step();
}

#[test]
fn what_was_prepared_or_bound_and_never_run_comes_out_too() {
    let mut talk = Talk::new();
    talk.parse("a", "unused").parse("b", "bound").bind("", "b").sync();
    talk.b(BackendEvent::ParseComplete).b(BackendEvent::ParseComplete).b(BackendEvent::BindComplete).b(IDLE);
    assert_eq!(talk.take(), [outcome("bound", Outcome::NeverRun)]);
    talk.query("deallocate all").done("DEALLOCATE ALL").b(IDLE);
    assert_eq!(talk.take(), [outcome("unused", Outcome::NeverRun), outcome("deallocate all", Outcome::Completed)]);
    talk.parse("", "x").sync().b(BackendEvent::ParseComplete).b(IDLE).finish();
    assert_eq!(talk.take(), [outcome("x", Outcome::NeverRun)]);
    talk.in_step();
}

#[test]
fn copy_in_by_a_simple_query() {
    let mut talk = Talk::new();
    talk.query("copy t from stdin; select 1").b(BackendEvent::CopyIn).copy(10).copy(5).f(FrontendEvent::CopyDone);
    talk.done("COPY 2").done("SELECT 1").b(IDLE);
    let statement = talk.take_one();
    assert_eq!(statement.copy_in, Some(Copied { messages: 2, bytes: 15 }));
    assert_eq!(statement.results.len(), 2);
    // Fails midway; what the client still sends is ignored.
    talk.query("copy t from stdin").b(BackendEvent::CopyIn).copy(10).b(OOPS).copy(7).f(FrontendEvent::CopyDone).b(IDLE);
    assert_eq!(talk.take_one().copy_in, Some(Copied { messages: 1, bytes: 10 }));
    talk.query("select 2").done("SELECT 1").b(IDLE);
    assert_eq!(talk.take(), [outcome("select 2", Outcome::Completed)]);
    talk.in_step();
}

#[test]
fn copy_in_by_an_extended_query_eats_the_sync_before_the_data() {
    // libpq: a Sync with the Execute, which the server ignores, and another behind the data.
    let mut talk = Talk::new();
    talk.ask("copy t from stdin").sync();
    talk.b(BackendEvent::ParseComplete).b(BackendEvent::BindComplete).b(BackendEvent::NoData).b(BackendEvent::CopyIn);
    talk.copy(3).f(FrontendEvent::CopyDone).sync().done("COPY 1").b(IDLE);
    assert_eq!(talk.take_one().copy_in, Some(Copied { messages: 1, bytes: 3 }));
    talk.in_step();

    // Everything at once, without waiting for the server.
    talk.ask("copy t from stdin").copy(4).f(FrontendEvent::CopyDone).sync().ask("next").sync();
    talk.b(BackendEvent::ParseComplete).b(BackendEvent::BindComplete).b(BackendEvent::NoData).b(BackendEvent::CopyIn);
    talk.done("COPY 1").b(IDLE).ready_to_run().done("SELECT 1").b(IDLE);
    assert_eq!(talk.out[0].copy_in, Some(Copied { messages: 1, bytes: 4 }));
    assert_eq!(talk.take(), [outcome("copy t from stdin", Outcome::Completed), outcome("next", Outcome::Completed)]);
    talk.in_step();
}

#[test]
fn a_copy_in_that_fails_stays_in_step() {
    // Midway, with the client's data, end and Sync still on their way.
    let mut talk = Talk::new();
    talk.ask("copy").sync().b(BackendEvent::ParseComplete).b(BackendEvent::BindComplete).b(BackendEvent::NoData);
    talk.b(BackendEvent::CopyIn).copy(1).b(OOPS).copy(1).f(FrontendEvent::CopyDone).sync().b(IDLE);
    assert_eq!(talk.take(), [outcome("copy", Outcome::Failed)]);
    talk.in_step();
    // The client gives up.
    talk.ask("copy").sync().b(BackendEvent::ParseComplete).b(BackendEvent::BindComplete).b(BackendEvent::NoData);
    talk.b(BackendEvent::CopyIn).f(FrontendEvent::CopyFail).sync().b(OOPS).b(IDLE);
    assert_eq!(talk.take(), [outcome("copy", Outcome::Failed)]);
    talk.in_step();
    // Before the server reads anything: the Sync in front of the data is answered after all.
    talk.ask("copy").sync().b(BackendEvent::ParseComplete).b(BackendEvent::BindComplete).b(BackendEvent::NoData);
    talk.b(BackendEvent::CopyIn).b(OOPS).b(IDLE).copy(1).f(FrontendEvent::CopyDone).sync().b(IDLE);
    assert_eq!(talk.take(), [outcome("copy", Outcome::Failed)]);
    talk.in_step();
    talk.query("next").done("SELECT 1").b(IDLE);
    assert_eq!(talk.take(), [outcome("next", Outcome::Completed)]);
    talk.in_step();
}

#[test]
fn copy_out_counts_in_both_protocols() {
    let mut talk = Talk::new();
    talk.query("copy t to stdout").b(BackendEvent::CopyOut).b(BackendEvent::CopyData { messages: 3, bytes: 30 });
    talk.b(BackendEvent::CopyDone).done("COPY 3").b(IDLE);
    assert_eq!(talk.take_one().copy_out, Some(Copied { messages: 3, bytes: 30 }));
    talk.ask("copy t to stdout").sync().b(BackendEvent::ParseComplete).b(BackendEvent::BindComplete).b(BackendEvent::NoData);
    talk.b(BackendEvent::CopyOut).b(BackendEvent::CopyDone).done("COPY 0").b(IDLE);
    assert_eq!(talk.take_one().copy_out, Some(Copied::default()));
    talk.in_step();
}

#[test]
fn function_calls_come_out() {
    let mut talk = Talk::new();
    talk.f(FrontendEvent::FunctionCall { oid: 952 }).b(BackendEvent::FunctionResult).b(IDLE);
    let statement = talk.take_one();
    assert_eq!((statement.kind, statement.function, statement.outcome), (Kind::FunctionCall, Some(952), Outcome::Completed));
    talk.f(FrontendEvent::FunctionCall { oid: 952 }).b(OOPS).b(IDLE);
    assert_eq!(talk.take_one().outcome, Outcome::Failed);
    talk.in_step();
}

#[test]
fn a_client_that_vanishes_leaves_what_was_unfinished() {
    let mut talk = Talk::new();
    talk.query("slow").b(BackendEvent::Rows { rows: 7, bytes: 70 }).ask("behind").sync().finish();
    assert_eq!(talk.out[0].rows, 7);
    assert_eq!(talk.take(), [outcome("slow", Outcome::Unfinished), outcome("behind", Outcome::Unfinished)]);
    talk.query("killed").b(OOPS).finish();
    assert_eq!(talk.take(), [outcome("killed", Outcome::Failed)]);
    talk.in_step();
}

#[test]
fn the_client_waits_when_too_much_waits_for_an_answer() {
    let mut talk = Talk::with(Limits { pending: 8, pending_bytes: 10, ..Limits::default() });
    for _ in 0..7 {
        talk.sync();
    }
    assert!(!talk.machine.is_full());
    talk.sync();
    assert!(talk.machine.is_full());
    talk.b(IDLE);
    assert!(!talk.machine.is_full());
    for _ in 0..7 {
        talk.b(IDLE);
    }
    talk.query("0123456789");
    assert!(talk.machine.is_full());
    talk.done("SELECT 1").b(IDLE);
    assert!(!talk.machine.is_full());
    // A Sync that the server ignores takes no room.
    talk.query("copy").b(BackendEvent::CopyIn);
    for _ in 0..100 {
        talk.sync();
    }
    assert!(!talk.machine.is_full());
}

#[test]
fn names_beyond_the_limit_are_on_record_at_once_and_their_runs_too() {
    for limits in [Limits { names: 2, ..Limits::default() }, Limits { name_bytes: 8, ..Limits::default() }] {
        let mut talk = Talk::with(limits);
        for name in ["a", "b", "c"] {
            talk.parse(name, &format!("sql{name}")).sync().b(BackendEvent::ParseComplete).b(IDLE);
        }
        assert_eq!(talk.take(), [outcome("sqlc", Outcome::NotRemembered)]);
        talk.bind("", "c").execute("").sync().b(BackendEvent::BindComplete).done("SELECT 1").b(IDLE);
        let statement = talk.out.pop().unwrap();
        assert_eq!((statement.text, statement.outcome), (None, Outcome::Completed));
        // Room again once one is closed.
        talk.out.clear();
        talk.f(FrontendEvent::Close { target: Target::Statement, name: b"a" }).parse("c", "sqlc").sync();
        talk.b(BackendEvent::CloseComplete).b(BackendEvent::ParseComplete).b(IDLE);
        assert_eq!(talk.take(), [outcome("sqla", Outcome::NeverRun)]);
    }
}

#[test]
fn pipelined_statements_do_not_overlap_in_time() {
    let mut talk = Talk::new();
    talk.query("a").query("b");
    talk.now = 100;
    talk.done("SELECT 1").b(IDLE).done("SELECT 1").b(IDLE);
    let times: Vec<_> = talk.out.iter().map(|s| (s.started_at, s.ended_at)).collect();
    assert_eq!(times, [(1, 102), (102, 104)]);
}

#[test]
fn p03_a_target_that_answers_what_nobody_asked_is_counted_and_does_no_harm() {
    let mut talk = Talk::new();
    for event in [BackendEvent::ParseComplete, BackendEvent::BindComplete, BackendEvent::CloseComplete, BackendEvent::NoData] {
        talk.b(event);
    }
    talk.b(BackendEvent::CommandComplete { tag: b"SELECT 1" }).b(BackendEvent::CopyIn).b(BackendEvent::CopyOut);
    talk.b(BackendEvent::Rows { rows: 5, bytes: 5 }).b(BackendEvent::CopyData { messages: 5, bytes: 5 }).b(IDLE).b(OOPS);
    assert_eq!(talk.machine.out_of_step(), 10);
    talk.query("a").b(BackendEvent::BindComplete).b(IDLE).done("SELECT 1").b(IDLE);
    let statement = talk.take_one();
    assert_eq!((statement.rows, statement.copy_in, statement.outcome), (0, None, Outcome::Completed));
}

#[test]
fn works_on_what_the_scanners_yield() {
    let mut machine = Statements::default();
    let (mut front, mut back) = (FrontendScanner::default(), BackendScanner::new());
    let mut out = Vec::new();
    front.scan(b"Q\0\0\0\x0dselect 1\0", &mut |event| machine.frontend(event, 5, &mut out)).unwrap();
    back.scan(b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I", &mut |event| machine.backend(event, 9, &mut out)).unwrap();
    assert_eq!(out[0].text.as_ref().unwrap().to_text(), "select 1");
    assert_eq!((out[0].started_at, out[0].ended_at), (5, 9));
}

#[test]
fn what_runs_is_known_by_its_text_before_anything_of_it_is_answered() {
    let running =
        |talk: &Talk| talk.machine.running(talk.now + 10).map(|s| (s.text.map(|t| t.to_text().into_owned()), s.name, s.started_at));
    let some = |sql: &str, name: &str, at| Some((Some(sql.to_owned()), name.to_owned(), at));
    let mut talk = Talk::new();
    assert_eq!(running(&talk), None);
    talk.query("select 1").query("select 2");
    assert_eq!(running(&talk), some("select 1", "", 1), "one after the other");
    talk.b(BackendEvent::CommandComplete { tag: b"SELECT 1" }).b(IDLE);
    assert_eq!(running(&talk), some("select 2", "", 4), "the next begins when the one before it has ended");
    talk.b(BackendEvent::CommandComplete { tag: b"SELECT 1" }).b(IDLE);
    assert_eq!(running(&talk), None);
    // In one breath, as drivers ask: nothing of it is answered yet.
    talk.parse("s", "update t").bind("p", "s").execute("p").sync();
    assert_eq!(running(&talk).map(|(text, name, _)| (text, name)), Some((Some("update t".into()), "s".into())));
    talk.b(BackendEvent::ParseComplete).b(BackendEvent::BindComplete);
    assert_eq!(running(&talk).map(|(text, ..)| text), Some(Some("update t".into())), "by what the names stand for");
    let begun = running(&talk).unwrap().2;
    talk.b(BackendEvent::CommandComplete { tag: b"UPDATE 1" }).b(IDLE);
    assert_eq!(talk.out.last().map(|s| s.started_at), Some(begun), "and comes out again as begun then");
    talk.bind("", "unknown").execute("").sync();
    assert_eq!(running(&talk).map(|(text, name, _)| (text, name)), Some((None, "unknown".into())));
}
