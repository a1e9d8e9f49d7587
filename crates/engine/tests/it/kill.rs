//! One session ended by somebody: who may, what stays, what is kept of it.

use std::sync::Arc;

use ajar_core::event::{Event, Stream};
use ajar_core::id::SessionId;
use ajar_core::plan::{Limits, Verdict};
use ajar_core::port::{Admission, Door, HeldNotice, Knock, Otherwise, RefusalKind, Wishes};
use ajar_core::session::{EndReason, Session, SessionEvent};
use ajar_engine::{Engine, ListQuery, NewReview, SessionView};
use tokio::time::sleep;

use crate::cases::SOON;
use crate::town::Town;

impl Town {
    async fn sessions_of(&self, engine: &Engine, who: &str) -> Vec<SessionView> {
        engine.sessions(&self.caller(who), ListQuery { mine: true, ..ListQuery::default() }).await.unwrap()
    }

    fn kills(&self) -> usize {
        self.memory.disk().events().iter().filter(|e| matches!(e.event, Event::Session(SessionEvent::Killed(_)))).count()
    }
}

fn how(view: &SessionView) -> (EndReason, Option<&str>) {
    let Session::Ended(finished) = &view.session else { panic!("{view:?}") };
    (finished.ended.reason, view.killed_because.as_deref())
}

#[test]
fn r07_w03_a_session_is_ended_by_who_may_with_a_reason_once_and_its_grant_stays_open() {
    let town = Arc::new(Town::new(1));
    town.live(async |engine| {
        town.furnished(&engine).await;
        let (grant, session) = town.inside(&engine).await;
        let id = town.sessions_of(&engine, "dev").await[0].session.arrived().id;
        let nothing: SessionId = "sess_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        let guest = town.caller("guest");
        let theirs = engine.session_kill(&guest, id, "because".into()).await.unwrap_err();
        assert_eq!(theirs, engine.session_kill(&guest, nothing, "because".into()).await.unwrap_err());
        for reason in ["", "  ", "a\0b", &"x".repeat(10_000)] {
            assert_eq!(engine.session_kill(&town.caller("boss"), id, reason.into()).await.unwrap_err().kind, RefusalKind::BadInput);
        }
        let narrow = ajar_engine::Caller { scope: ajar_core::directory::Scope::Read, ..town.caller("boss") };
        assert_eq!(engine.session_kill(&narrow, id, "because".into()).await.unwrap_err().kind, RefusalKind::Denied);
        assert!(!session.is_finished() && town.kills() == 0);
        engine.session_kill(&town.caller("boss"), id, " it looks odd ".into()).await.unwrap();
        assert_eq!(session.await.unwrap(), Some(grant), "it is cut");
        sleep(SOON).await;
        engine.session_kill(&town.caller("peer"), id, "me too".into()).await.unwrap();
        assert_eq!(town.kills(), 1, "who comes second changes nothing");
        assert_eq!(how(&town.sessions_of(&engine, "dev").await[0]), (EndReason::Killed, Some("it looks odd")));
        assert_eq!((town.state_of(grant).as_str(), town.target.logins().len()), ("open", 1), "nothing else is over");
        let told = engine.notices(&town.caller("dev"), None, None).await.unwrap().pop().unwrap();
        let words = "your session on orders-db was ended by boss: it looks odd";
        assert_eq!((told.kind, told.text.as_str(), told.about), ("session_ended", words, vec![Stream::Session(id)]));
        let killed = town.memory.disk().events().into_iter().find(|e| e.event.kind() == "session.killed").unwrap();
        assert_eq!((killed.stream, killed.actor), (Stream::Session(id), town.caller("boss").actor));
        assert!(!killed.to_leaf().unwrap().contains("odd"), "I17: the reason is sealed");
        // And again, by themselves.
        let inner = (Arc::clone(&town), Arc::clone(&engine));
        #[expect(clippy::disallowed_methods, reason = "a test's runtime ends with what it runs")]
        let second = tokio::spawn(async move { inner.0.session(&inner.1, "dev", "status", SOON * 1_000).await });
        sleep(SOON).await;
        let id = town.sessions_of(&engine, "dev").await[0].session.arrived().id;
        engine.session_kill(&town.caller("dev"), id, "left open at home".into()).await.unwrap();
        assert_eq!(second.await.unwrap().unwrap(), grant);
    });
    town.in_order();
}

#[test]
fn i13_on_a_full_disk_a_session_is_cut_although_nobody_can_write_down_who_did_that() {
    let town = Arc::new(Town::new(2));
    town.live(async |engine| {
        town.furnished(&engine).await;
        let (grant, session) = town.inside(&engine).await;
        let id = town.sessions_of(&engine, "dev").await[0].session.arrived().id;
        town.weather.state().disk_full = true;
        let refused = engine.session_kill(&town.caller("guest"), id, "because".into()).await.unwrap_err();
        assert_eq!(refused.kind, RefusalKind::NotRequestable, "whoever may not, may not then either");
        sleep(SOON).await;
        assert_eq!(town.target.connected(), 1);
        let refused = engine.session_kill(&town.caller("boss"), id, "because".into()).await.unwrap_err();
        assert_eq!(refused.kind, RefusalKind::Unavailable);
        sleep(SOON).await;
        assert_eq!(town.target.connected(), 0, "cut");
        town.weather.state().disk_full = false;
        assert_eq!(session.await.unwrap(), Some(grant));
        assert_eq!(how(&town.sessions_of(&engine, "dev").await[0]), (EndReason::Killed, None));
    });
    town.in_order();
}

#[test]
fn one_that_is_held_is_ended_and_what_it_asked_for_is_not() {
    let town = Arc::new(Town::new(3));
    town.live(async |engine| {
        town.furnished(&engine).await;
        for approved_first in [false, true] {
            let wishes = Wishes { role: Some("read".into()), reason: Some("why not".into()), ..Wishes::default() };
            let knock = Knock {
                resource: "orders-db".into(),
                protocol: "postgres",
                wishes,
                client: [127, 0, 0, 1].into(),
                otherwise: Otherwise::Hold,
            };
            let Admission::Held(mut held) = engine.knock(&town.identified("dev"), knock).await.unwrap() else { panic!("nobody is asked") };
            for _ in 0..3 {
                assert!(matches!(held.waiting.next().await, HeldNotice::Say(_)));
            }
            let approve = async || {
                let new = NewReview { verdict: Verdict::Approve, note: None, limits: Limits::default() };
                engine.request_review(&town.caller("peer"), held.request, new).await.unwrap();
            };
            if approved_first {
                approve().await;
            }
            engine.session_kill(&town.caller("boss"), held.session, "not from there".into()).await.unwrap();
            if !approved_first {
                approve().await;
            }
            let refused = loop {
                match held.waiting.next().await {
                    HeldNotice::Say(_) => {}
                    HeldNotice::Open(opening) => panic!("{opening:?}"),
                    HeldNotice::Refused(refusal) => break refusal,
                }
            };
            assert!(refused.message.contains("ended by somebody") && refused.hint.is_some(), "{refused:?}");
            let report = ajar_core::port::SessionReport {
                session: held.session,
                reason: EndReason::Refused,
                recording: None,
                bytes_in: 0,
                bytes_out: 0,
                late_ms: None,
            };
            engine.ended(report).await;
            let view = engine.session(&town.caller("dev"), held.session).await.unwrap();
            assert_eq!(how(&view), (EndReason::Killed, Some("not from there")));
            let grants = engine.grants_of_request(&town.caller("dev"), held.request).await.unwrap();
            assert_eq!((grants.len(), grants[0].state()), (1, "open"));
            engine.grant_return(&town.caller("dev"), grants[0].id()).await.unwrap();
            sleep(SOON).await;
        }
    });
    town.in_order();
}
