//! A small model of the server's message loop (`PostgresMain`, `CopyGetData`), and a property: however questions and
//! answers interleave on the wire, what comes out is what the model did.

#![expect(clippy::wildcard_enum_match_arm, reason = "anything else fails the test")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::messages::TransactionStatus;
use super::super::scan::{ErrorFields, StatementRef};
use super::*;

/// How a statement goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Done,
    Empty,
    Suspended,
    Fails,
    CopyOut,
    CopyIn,
    /// Says that it takes COPY data, and fails before it reads any.
    CopyInFailsAtOnce,
    /// Reads one message of COPY data and fails.
    CopyInFailsMidway,
}

/// What a client sends.
#[derive(Debug, Clone)]
enum Say {
    Query(Way),
    Parse { name: u8, fails: bool },
    Bind { portal: u8, statement: u8, fails: bool },
    Describe,
    Execute { portal: u8, way: Way },
    CloseStatement(u8),
    Sync,
    Call { fails: bool },
    Data,
    CopyDone,
    CopyFail,
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![5 => Just(Way::Done), 1 => Just(Way::Empty), 1 => Just(Way::Suspended), 2 => Just(Way::Fails), 1 => Just(Way::CopyOut)]
}

fn copy_way() -> impl Strategy<Value = Way> {
    prop_oneof![Just(Way::CopyIn), Just(Way::CopyInFailsAtOnce), Just(Way::CopyInFailsMidway)]
}

fn end() -> impl Strategy<Value = Say> {
    prop_oneof![Just(Say::CopyDone), Just(Say::CopyFail)]
}

/// Messages that a client sends together.
fn sentence() -> impl Strategy<Value = Vec<Say>> {
    let name = 0u8..3;
    let rarely = || prop::bool::weighted(0.15);
    prop_oneof![
        4 => way().prop_map(|w| vec![Say::Query(w)]),
        2 => (name.clone(), rarely()).prop_map(|(name, fails)| vec![Say::Parse { name, fails }]),
        2 => (name.clone(), name.clone(), rarely()).prop_map(|(portal, statement, fails)| vec![Say::Bind { portal, statement, fails }]),
        4 => (name.clone(), way()).prop_map(|(portal, way)| vec![Say::Execute { portal, way }]),
        4 => Just(vec![Say::Sync]),
        1 => Just(vec![Say::Describe]),
        1 => name.clone().prop_map(|n| vec![Say::CloseStatement(n)]),
        1 => rarely().prop_map(|fails| vec![Say::Call { fails }]),
        6 => (way(), rarely(), rarely()).prop_map(|(way, p, b)| vec![
            Say::Parse { name: 0, fails: p },
            Say::Bind { portal: 0, statement: 0, fails: b },
            Say::Describe,
            Say::Execute { portal: 0, way },
            Say::Sync,
        ]),
        2 => (copy_way(), end(), 0usize..3).prop_map(|(way, end, data)| {
            let mut all = vec![Say::Query(way)];
            all.extend(std::iter::repeat_n(Say::Data, data + 1));
            all.push(end);
            all
        }),
        3 => (copy_way(), end(), 0usize..3, any::<bool>(), rarely()).prop_map(|(way, end, data, early_sync, fails)| {
            let mut all = vec![Say::Parse { name: 0, fails }, Say::Bind { portal: 0, statement: 0, fails: false }, Say::Execute { portal: 0, way }];
            all.extend(early_sync.then_some(Say::Sync));
            all.extend(std::iter::repeat_n(Say::Data, data + 1));
            all.extend([end, Say::Sync]);
            all
        }),
    ]
}

/// A server's answer, without its content.
#[derive(Debug, Clone, Copy)]
enum Reply {
    Event(BackendEvent<'static>),
}

const OOPS: BackendEvent<'static> = BackendEvent::Error(ErrorFields { severity: b"ERROR", sqlstate: b"XX000", message: b"" });
const DONE: BackendEvent<'static> = BackendEvent::CommandComplete { tag: b"SELECT 1" };
const READY: BackendEvent<'static> = BackendEvent::ReadyForQuery(TransactionStatus::Idle);

type Expected = (Option<usize>, Outcome);

/// The server.
#[derive(Default)]
struct Model {
    statements: BTreeMap<u8, usize>,
    portals: BTreeMap<u8, usize>,
    /// What names would stand for, had nothing been skipped: for the record of what was skipped.
    meant_statements: BTreeMap<u8, usize>,
    meant_portals: BTreeMap<u8, usize>,
    skipping: bool,
    /// Takes COPY data: for which text, in an extended query?, and how it goes.
    copying: Option<(Option<usize>, bool, Way)>,
    replies: Vec<(usize, Reply)>,
    expected: Vec<Expected>,
    accepted: Vec<usize>,
}

impl Model {
    fn reply(&mut self, at: usize, events: &[BackendEvent<'static>]) {
        self.replies.extend(events.iter().map(|event| (at, Reply::Event(*event))));
    }

    fn ready(&mut self, at: usize) {
        self.portals.clear();
        self.reply(at, &[READY]);
    }

    /// An error in an extended query.
    fn skip_from_here(&mut self, at: usize) {
        self.reply(at, &[OOPS]);
        self.skipping = true;
        self.meant_statements = self.statements.clone();
        self.meant_portals = self.portals.clone();
    }

    fn run(&mut self, at: usize, text: Option<usize>, extended: bool, way: Way) {
        let outcome = match way {
            Way::Suspended if extended => {
                self.reply(at, &[BackendEvent::Rows { rows: 1, bytes: 1 }, BackendEvent::PortalSuspended]);
                Outcome::Suspended
            }
            Way::Done | Way::Suspended => {
                self.reply(at, &[BackendEvent::Rows { rows: 1, bytes: 1 }, DONE]);
                Outcome::Completed
            }
            Way::Empty => {
                self.reply(at, &[BackendEvent::EmptyQuery]);
                Outcome::Completed
            }
            Way::CopyOut => {
                let data = BackendEvent::CopyData { messages: 1, bytes: 1 };
                self.reply(at, &[BackendEvent::CopyOut, data, BackendEvent::CopyDone, DONE]);
                Outcome::Completed
            }
            Way::CopyIn | Way::CopyInFailsMidway => {
                self.reply(at, &[BackendEvent::CopyIn]);
                self.copying = Some((text, extended, way));
                return;
            }
            Way::CopyInFailsAtOnce => {
                self.reply(at, &[BackendEvent::CopyIn]);
                return self.ends(at, text, extended, Outcome::Failed);
            }
            Way::Fails => return self.ends(at, text, extended, Outcome::Failed),
        };
        self.ends(at, text, extended, outcome);
    }

    fn ends(&mut self, at: usize, text: Option<usize>, extended: bool, outcome: Outcome) {
        self.expected.push((text, outcome));
        match (outcome == Outcome::Failed, extended) {
            (true, true) => self.skip_from_here(at),
            (true, false) => {
                self.reply(at, &[OOPS]);
                self.ready(at);
            }
            (false, true) => {}
            (false, false) => self.ready(at),
        }
    }

    /// Takes the message that is the `at`-th; its text is its number.
    fn take(&mut self, at: usize, say: &Say) {
        if let Some((text, extended, way)) = self.copying {
            match say {
                Say::Data if way == Way::CopyIn => return,
                Say::Sync => return,
                Say::Data | Say::CopyFail => {
                    self.copying = None;
                    return self.ends(at, text, extended, Outcome::Failed);
                }
                Say::CopyDone => {
                    self.copying = None;
                    self.reply(at, &[DONE]);
                    return self.ends(at, text, extended, Outcome::Completed);
                }
                other => panic!("a client that breaks the protocol: {other:?}"),
            }
        }
        if self.skipping && !matches!(say, Say::Sync) {
            match say {
                Say::Parse { name, .. } => {
                    self.meant_statements.insert(*name, at);
                }
                Say::Bind { portal, statement, .. } => match self.meant_statements.get(statement) {
                    Some(text) => drop(self.meant_portals.insert(*portal, *text)),
                    None => drop(self.meant_portals.remove(portal)),
                },
                Say::Execute { portal, .. } => self.expected.push((self.meant_portals.get(portal).copied(), Outcome::Skipped)),
                Say::Query(_) => self.expected.push((Some(at), Outcome::Skipped)),
                Say::Call { .. } => self.expected.push((None, Outcome::Skipped)),
                Say::Describe | Say::CloseStatement(_) | Say::Data | Say::CopyDone | Say::CopyFail | Say::Sync => {}
            }
            return;
        }
        match say {
            Say::Query(way) => {
                self.statements.remove(&0);
                self.portals.remove(&0);
                self.run(at, Some(at), false, *way);
            }
            Say::Parse { name, fails } => {
                if *fails || (*name != 0 && self.statements.contains_key(name)) {
                    self.expected.push((Some(at), Outcome::Failed));
                    if *name == 0 {
                        self.statements.remove(&0);
                    }
                    self.skip_from_here(at);
                    self.meant_statements.insert(*name, at);
                    return;
                }
                self.statements.insert(*name, at);
                self.accepted.push(at);
                self.reply(at, &[BackendEvent::ParseComplete]);
            }
            Say::Bind { portal, statement, fails } => match self.statements.get(statement).copied() {
                Some(text) if !fails => {
                    self.portals.insert(*portal, text);
                    self.reply(at, &[BackendEvent::BindComplete]);
                }
                text => {
                    self.expected.push((text, Outcome::Failed));
                    self.skip_from_here(at);
                    match text {
                        Some(text) => drop(self.meant_portals.insert(*portal, text)),
                        None => drop(self.meant_portals.remove(portal)),
                    }
                }
            },
            Say::Describe => self.reply(at, &[BackendEvent::NoData]),
            Say::Execute { portal, way } => match self.portals.get(portal).copied() {
                Some(text) => self.run(at, Some(text), true, *way),
                None => {
                    self.expected.push((None, Outcome::Failed));
                    self.skip_from_here(at);
                }
            },
            Say::CloseStatement(name) => {
                self.statements.remove(name);
                self.reply(at, &[BackendEvent::CloseComplete]);
            }
            Say::Sync => {
                self.skipping = false;
                self.ready(at);
            }
            Say::Call { fails } => {
                self.reply(at, &[if *fails { OOPS } else { BackendEvent::FunctionResult }]);
                self.expected.push((None, if *fails { Outcome::Failed } else { Outcome::Completed }));
                self.ready(at);
            }
            Say::Data | Say::CopyDone | Say::CopyFail => {}
        }
    }
}

fn frontend(machine: &mut Statements, at: usize, say: &Say, out: &mut Vec<Statement>) {
    let sql = at.to_string();
    let text = StatementRef { head: sql.as_bytes(), total: sql.len() as u64, sha256: None };
    let names: [&[u8]; 3] = [b"", b"a", b"b"];
    let name = |n: &u8| names[usize::from(*n)];
    let event = match say {
        Say::Query(_) => FrontendEvent::Query(text),
        Say::Parse { name: n, .. } => FrontendEvent::Parse { name: name(n), text },
        Say::Bind { portal, statement, .. } => FrontendEvent::Bind { portal: name(portal), statement: name(statement) },
        Say::Describe => FrontendEvent::Describe,
        Say::Execute { portal, .. } => FrontendEvent::Execute { portal: name(portal) },
        Say::CloseStatement(n) => FrontendEvent::Close { target: Target::Statement, name: name(n) },
        Say::Sync => FrontendEvent::Sync,
        Say::Call { .. } => FrontendEvent::FunctionCall { oid: 1 },
        Say::Data => FrontendEvent::CopyData { messages: 1, bytes: 1 },
        Say::CopyDone => FrontendEvent::CopyDone,
        Say::CopyFail => FrontendEvent::CopyFail,
    };
    machine.frontend(event, 0, out);
}

fn shown(statement: &Statement) -> Option<usize> {
    statement.text.as_ref().map(|text| text.to_text().parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn what_comes_out_is_what_the_server_did(
        sentences in prop::collection::vec(sentence(), 1..14),
        turns in any::<[u64; 4]>(),
        limits in prop_oneof![Just(Limits::default()), Just(Limits { names: 1, ..Limits::default() })],
    ) {
        let said: Vec<Say> = sentences.concat();
        let mut model = Model::default();
        for (at, say) in said.iter().enumerate() {
            model.take(at, say);
        }
        let mut machine = Statements::new(limits);
        let mut out = Vec::new();
        let (mut sent, mut got) = (0, 0);
        for turn in 0.. {
            let client = turns.get(turn / 64).is_none_or(|bits| bits >> (turn % 64) & 1 == 1);
            let answered = model.replies.get(got).filter(|(cause, _)| *cause < sent);
            match (client || answered.is_none(), said.get(sent), answered) {
                (true, Some(say), _) => {
                    frontend(&mut machine, sent, say, &mut out);
                    sent += 1;
                }
                (_, _, Some((_, Reply::Event(event)))) => {
                    machine.backend(*event, 0, &mut out);
                    got += 1;
                }
                _ => break,
            }
        }
        prop_assert_eq!((sent, got), (said.len(), model.replies.len()));
        machine.finish(0, &mut out);

        let run: Vec<&Statement> = out.iter().filter(|s| !matches!(s.outcome, Outcome::NeverRun | Outcome::NotRemembered | Outcome::Unfinished)).collect();
        if limits == Limits::default() {
            let run: Vec<Expected> = run.iter().map(|s| (shown(s), s.outcome)).collect();
            prop_assert_eq!(run, model.expected);
        } else {
            // Texts may be unknown, but never wrong, and nothing is missing.
            prop_assert_eq!(run.len(), model.expected.len());
            for (statement, (text, outcome)) in run.iter().zip(&model.expected) {
                prop_assert_eq!(statement.outcome, *outcome);
                prop_assert!(statement.text.is_none() || shown(statement) == *text);
            }
        }
        for text in model.accepted {
            prop_assert!(out.iter().any(|s| shown(s) == Some(text)), "an accepted text is on no record: {}", text);
        }
    }

    #[test]
    fn p03_no_order_of_answers_panics_or_loses_a_question(
        sentences in prop::collection::vec(sentence(), 1..10),
        noise in prop::collection::vec((0usize..17, any::<bool>()), 0..60),
    ) {
        let said: Vec<Say> = sentences.concat();
        let copy = BackendEvent::CopyData { messages: 1, bytes: 1 };
        let answers = [
            OOPS, DONE, READY, BackendEvent::ParseComplete, BackendEvent::BindComplete, BackendEvent::CloseComplete, BackendEvent::NoData,
            BackendEvent::RowDescription, BackendEvent::Rows { rows: 1, bytes: 1 }, copy, BackendEvent::EmptyQuery, BackendEvent::PortalSuspended,
            BackendEvent::FunctionResult, BackendEvent::CopyIn, BackendEvent::CopyOut, BackendEvent::CopyBoth, BackendEvent::CopyDone,
        ];
        let mut machine = Statements::default();
        let mut out = Vec::new();
        let mut said = said.iter().enumerate();
        let mut questions = 0;
        for (answer, client) in noise {
            if client && let Some((at, say)) = said.next() {
                questions += usize::from(matches!(say, Say::Query(_) | Say::Execute { .. } | Say::Call { .. }));
                frontend(&mut machine, at, say, &mut out);
            } else {
                machine.backend(answers[answer], 0, &mut out);
            }
        }
        machine.finish(0, &mut out);
        let asked = out.iter().filter(|s| !matches!(s.outcome, Outcome::NeverRun | Outcome::NotRemembered) && s.kind != Kind::Commit);
        // Failed Parse and Bind come out besides.
        prop_assert!(asked.count() >= questions);
        prop_assert!(machine.is_idle());
    }
}
