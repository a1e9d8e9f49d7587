//! Files that are put in force: what would come of them, all or nothing, once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ajar_core::directory::PrincipalEvent;
use ajar_core::event::{Actor, Event};
use ajar_core::port::RefusalKind;
use ajar_engine::{ApplyError, Drift, Engine, NOTHING, Turn};
use ajar_policy::Files;
use tokio::time::sleep;

use crate::town::{FILES, Town, ask, files, files_without};

/// What differs in a rule whose stage needs two instead of one.
const READ: &str = "~ rule read: approve 1 of owners within 10m, otherwise deny → 2 of owners within 10m, otherwise deny";

fn with(more: &str) -> Files {
    [("all.toml".to_owned(), format!("{FILES}\n{more}"))].into()
}

fn added(town: &Town, name: &str) -> usize {
    let disk = town.memory.disk();
    let events = disk.events();
    events.iter().filter(|e| matches!(&e.event, Event::Principal(PrincipalEvent::Added(a)) if disk.value(a.name) == Some(name))).count()
}

async fn begin(engine: &Engine) {
    engine.policy_apply(Actor::System, files(), Some("first".into())).await.unwrap();
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test's runtime ends with what it runs")]
fn a08_a_plan_says_what_the_apply_then_does_and_changes_nothing_itself() {
    let town = Arc::new(Town::new(61));
    town.live(async |engine| {
        begin(&engine).await;
        let (dev, boss) = (town.caller("dev"), town.caller("boss"));
        let (inner, inside) = (Arc::clone(&town), Arc::clone(&engine));
        let session = tokio::spawn(async move { inner.session(&inside, "dev", "status", Duration::from_secs(3_600)).await.ok() });
        sleep(Duration::from_secs(1)).await;
        let pending = engine.request_file(&dev, ask("read", None)).await.unwrap().request;
        let other = engine.request_file(&town.caller("peer"), ask("read", None)).await.unwrap().request;
        let events = town.memory.disk().events().len();

        let text = files_without("dev").remove("all.toml").unwrap().replacen(
            "from = [\"owners\"], within",
            "from = [\"owners\"], needed = 2, within",
            1,
        );
        let draft: Files = [("all.toml".to_owned(), text)].into();
        let plan = engine.policy_plan(&boss, draft.clone()).await.unwrap();
        let lines: Vec<String> = plan.changes.iter().map(ToString::to_string).collect();
        assert_eq!(lines, [READ, "~ user dev: disabled + true"]);
        assert_eq!((plan.in_force.as_deref(), plan.added), (Some(engine.rules().hash()), 0));
        assert_eq!(plan.disabled, [dev.principal]);
        let [end] = plan.grants.as_slice() else { panic!("one grant closes: {:?}", plan.grants) };
        assert_eq!((end.principal, end.because.as_str(), end.sessions), (dev.principal, "principal_disabled", 1));
        let turns: BTreeMap<_, _> = plan.requests.iter().map(|r| (r.id, matches!(r.turn, Turn::Denied(_)))).collect();
        assert_eq!(turns, BTreeMap::from([(pending, true), (other, false)]));
        assert_eq!(town.memory.disk().events().len(), events, "a plan is no event");

        let applied = engine.policy_apply(boss.actor, draft, None).await.unwrap();
        assert_eq!((applied.changed, applied.disabled, &applied.plan), (true, 1, &plan));
        sleep(Duration::from_secs(2)).await;
        assert!(session.await.unwrap().is_some(), "the session was cut");
        assert!(town.target.logins().is_empty());
    });
    assert_eq!(town.weather.state().wrong, Vec::<String>::new());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test's runtime ends with what it runs")]
fn i11_a_login_is_removed_where_it_was_made_wherever_its_resource_is_by_then() {
    let elsewhere = || -> Files {
        let text = files().remove("all.toml").unwrap();
        let moved = text.replace("host = \"127.0.0.1\"", "host = \"db2.internal\"");
        assert_ne!(text, moved);
        [("all.toml".to_owned(), moved)].into()
    };
    // In the same process, and in one that knows of it from the log alone.
    for (seed, restarts) in [(64, false), (65, true)] {
        let town = Arc::new(Town::new(seed));
        town.live(async |engine| {
            begin(&engine).await;
            let (inner, inside) = (Arc::clone(&town), Arc::clone(&engine));
            drop(tokio::spawn(async move { inner.session(&inside, "dev", "status", Duration::from_secs(3_600)).await.ok() }));
            sleep(Duration::from_secs(1)).await;
            assert_eq!(town.target.logins().len(), 1);
            engine.policy_apply(Actor::System, elsewhere(), None).await.unwrap();
            if !restarts {
                sleep(Duration::from_secs(120)).await;
                assert_eq!(town.target.logins(), Vec::<String>::new(), "it is gone with its grant");
            }
        });
        if restarts {
            assert_eq!(town.target.logins().len(), 1, "the process is gone, and it is still there");
            town.target.hang_up();
            town.live(async |_| sleep(Duration::from_secs(60)).await);
            assert_eq!(town.target.logins(), Vec::<String>::new(), "it is gone after the next start");
        }
        assert_eq!(town.weather.state().wrong, Vec::<String>::new());
    }
}

#[test]
fn i20_only_auditors_and_operators_see_plans_files_and_who_applied_them() {
    let town = Arc::new(Town::new(62));
    town.live(async |engine| {
        begin(&engine).await;
        let (dev, boss) = (town.caller("dev"), town.caller("boss"));
        let refused = engine.policy_plan(&dev, files()).await.unwrap_err();
        assert!(matches!(refused, ApplyError::Refused(r) if r.kind == RefusalKind::Denied));
        assert_eq!(engine.policy_log(&dev, 10).await.unwrap_err().kind, RefusalKind::Denied);
        assert_eq!(engine.policy_in_force(&dev).await.unwrap_err().kind, RefusalKind::Denied);
        engine.policy_apply(boss.actor, with("# Nothing new."), Some("second".into())).await.unwrap();
        let log = engine.policy_log(&boss, 10).await.unwrap();
        let told: Vec<_> = log.iter().map(|v| (engine.actor_name(&v.by), v.applied.commit.as_deref())).collect();
        assert_eq!(told, [("boss".to_owned(), Some("second")), ("the server".to_owned(), Some("first"))]);
        let (view, found) = engine.policy_in_force(&boss).await.unwrap();
        assert_eq!((view.applied.hash.as_str(), found), (engine.rules().hash(), with("# Nothing new.")));
    });
}

#[test]
fn what_was_not_expected_or_is_wrong_replaces_nothing() {
    let town = Arc::new(Town::new(63));
    town.live(async |engine| {
        let boss = Actor::System;
        let early = engine.policy_apply_expecting(boss, files(), None, Some("abc".into())).await.unwrap_err();
        assert!(matches!(early, ApplyError::MovedOn { found, .. } if found == NOTHING));
        engine.policy_apply_expecting(boss, files(), None, Some(NOTHING.into())).await.unwrap();
        let (hash, events) = (engine.rules().hash().to_owned(), town.memory.disk().events().len());
        let late = engine.policy_apply_expecting(boss, with("# Later."), None, Some(NOTHING.into())).await.unwrap_err();
        assert!(matches!(late, ApplyError::MovedOn { found, .. } if found == hash));
        let wrong = engine.policy_apply(boss, with("[[rule]]\nname = \"half\""), None).await.unwrap_err();
        assert!(matches!(wrong, ApplyError::Problems(problems) if !problems.is_empty()));
        let again = engine.policy_apply_expecting(boss, files(), None, Some(hash.clone())).await.unwrap();
        assert!(!again.changed && again.plan.changes.is_empty());
        assert_eq!((engine.rules().hash(), town.memory.disk().events().len()), (hash.as_str(), events));
    });
}

#[test]
fn i15_two_applies_at_once_know_each_other_and_add_nobody_twice() {
    let town = Arc::new(Town::new(64));
    town.live(async |engine| {
        begin(&engine).await;
        let one = "[[user]]\nname = \"grace\"\n";
        let other = "[[user]]\nname = \"grace\"\n[[user]]\nname = \"joe\"\n";
        let (a, b) = tokio::join!(
            engine.policy_apply(Actor::System, with(one), Some("a".into())),
            engine.policy_apply(Actor::System, with(other), Some("b".into()))
        );
        assert!(a.unwrap().changed && b.unwrap().changed);
        assert_eq!((added(&town, "grace"), added(&town, "joe")), (1, 1));
        let log = engine.policy_log(&town.caller("boss"), 10).await.unwrap();
        let [last, before, first] = log.as_slice() else { panic!("three applies: {log:?}") };
        assert_eq!(
            (&last.applied.previous, &before.applied.previous),
            (&Some(before.applied.hash.clone()), &Some(first.applied.hash.clone()))
        );
        assert_eq!(engine.rules().hash(), last.applied.hash);
    });
}

#[test]
fn drift_is_told_to_those_who_may_know_what_the_files_say() {
    let town = Arc::new(Town::new(65));
    town.live(async |engine| {
        begin(&engine).await;
        let (dev, boss) = (town.caller("dev"), town.caller("boss"));
        engine.policy_drift_set(Some(Drift::Differs { folder: "policy".into() }));
        let told = engine.status(&boss).await.unwrap().drift.unwrap();
        assert!(told.contains("the files in policy differ from what is in force, which the server applied (commit first)"), "{told}");
        assert_eq!(engine.status(&dev).await.unwrap().drift, None);
        engine.policy_drift_set(Some(Drift::Wrong { folder: "policy".into(), problems: vec!["a.toml:1:2: no".into()] }));
        let told = engine.status(&boss).await.unwrap().drift.unwrap();
        assert!(told.starts_with("the files in policy are wrong: a.toml:1:2: no"), "{told}");
        engine.policy_drift_set(None);
        assert_eq!(engine.status(&boss).await.unwrap().drift, None);
    });
}
