//! Cases that need a world of their own: a full disk, a clock that is set back, a login that nobody accounts for.

use std::sync::Arc;
use std::time::Duration;

use ajar_core::directory::PolicyEvent;
use ajar_core::event::{Event, Stream};
use ajar_core::id::GrantId;
use ajar_core::port::{Clock, RefusalKind};
use ajar_engine::Engine;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::town::{Town, ask, files};

/// In virtual time: what is answered in no time must have happened by then.
pub(crate) const SOON: Duration = Duration::from_secs(2);

impl Town {
    pub(crate) async fn furnished(&self, engine: &Engine) {
        engine.policy_apply(ajar_core::event::Actor::System, files(), None).await.unwrap();
    }

    /// `dev` goes in as `status`, which nobody has to approve, and stays until cut.
    #[expect(clippy::disallowed_methods, reason = "a test's runtime ends with what it runs")]
    pub(crate) async fn inside(self: &Arc<Self>, engine: &Arc<Engine>) -> (GrantId, JoinHandle<Option<GrantId>>) {
        let (town, inner) = (Arc::clone(self), Arc::clone(engine));
        let session = tokio::spawn(async move { town.session(&inner, "dev", "status", Duration::from_secs(86_400)).await.ok() });
        sleep(SOON).await;
        let grants: Vec<_> = self.weather.state().ends.keys().copied().collect();
        assert_eq!((grants.len(), self.target.logins().len()), (1, 1));
        (grants[0], session)
    }

    pub(crate) fn state_of(&self, grant: GrantId) -> String {
        self.memory.disk().rows[&("grant", Stream::Grant(grant).to_string())].1.state.to_owned()
    }

    pub(crate) fn in_order(&self) {
        assert_eq!(self.weather.state().wrong, Vec::<String>::new());
    }
}

#[test]
fn l02_i13_on_a_full_disk_nothing_opens_and_revoking_cuts_and_removes() {
    let town = Arc::new(Town::new(1));
    town.live(async |engine| {
        town.furnished(&engine).await;
        let (grant, session) = town.inside(&engine).await;
        town.weather.state().disk_full = true;
        let refused = engine.request_file(&town.caller("dev"), ask("read", None)).await.unwrap_err();
        assert_eq!(refused.kind, RefusalKind::Unavailable);
        assert!(refused.detail.is_some_and(|d| d.contains("disk is full")), "it says what to do");
        let refused = town.session(&engine, "peer", "status", SOON).await.unwrap_err();
        assert_eq!(refused.kind, RefusalKind::Unavailable);
        engine.grant_revoke(&town.caller("boss"), grant).await.unwrap();
        sleep(SOON).await;
        assert!(town.target.logins().is_empty(), "revoked on the target");
        assert_eq!(town.state_of(grant), "open", "the ledger can't say so yet");
        let refused = town.session(&engine, "dev", "status", SOON).await.unwrap_err();
        assert_eq!(refused.kind, RefusalKind::Unavailable, "and nobody goes in under it again");
        town.weather.state().disk_full = false;
        sleep(Duration::from_secs(60)).await;
        assert_eq!(town.state_of(grant), "closed");
        assert_eq!(session.await.unwrap(), Some(grant), "its session was cut");
    });
    town.in_order();
}

#[test]
fn l02_i13_on_a_full_disk_the_deadline_is_kept_on_the_target_too() {
    let town = Arc::new(Town::new(2));
    town.live(async |engine| {
        town.furnished(&engine).await;
        let (grant, session) = town.inside(&engine).await;
        town.weather.state().disk_full = true;
        sleep(Duration::from_secs(62)).await;
        assert!(town.target.logins().is_empty());
        assert_eq!(town.state_of(grant), "open");
        assert!(!session.is_finished(), "its end is told until it can be kept");
        town.weather.state().disk_full = false;
        sleep(Duration::from_secs(60)).await;
        assert_eq!(town.state_of(grant), "closed");
        assert!(session.is_finished());
    });
    town.in_order();
}

#[test]
fn l02_i13_a_server_starts_on_a_full_disk_and_closes_what_is_over() {
    let town = Arc::new(Town::new(3));
    let grant = town.live(async |engine| {
        town.furnished(&engine).await;
        town.inside(&engine).await.0
    });
    let grant = grant.unwrap();
    town.weather.state().disk_full = true;
    town.weather.state().step = 120_000;
    town.live(async |engine| {
        sleep(SOON).await;
        assert!(town.target.logins().is_empty());
        assert!(engine.request_file(&town.caller("dev"), ask("status", None)).await.is_err());
        town.weather.state().disk_full = false;
        sleep(Duration::from_secs(60)).await;
        assert_eq!(town.state_of(grant), "closed");
    });
    town.in_order();
}

#[test]
fn t01_i14_a_wall_clock_set_back_by_an_hour_keeps_nothing_open() {
    let town = Arc::new(Town::new(4));
    town.live(async |engine| {
        town.furnished(&engine).await;
        let (grant, session) = town.inside(&engine).await;
        town.weather.state().step = -3_600_000;
        sleep(Duration::from_secs(59)).await;
        // The minute is over, and the wall clock says that it has not begun.
        assert_eq!(town.state_of(grant), "closed");
        assert!(town.target.logins().is_empty() && session.is_finished());
    });
    town.in_order();
}

#[test]
fn t01_i14_a_wall_clock_set_back_while_the_server_was_down_keeps_nothing_open() {
    let town = Arc::new(Town::new(5));
    let grant = town.live(async |engine| {
        town.furnished(&engine).await;
        town.inside(&engine).await.0
    });
    let grant = grant.unwrap();
    town.weather.state().step = -3_600_000;
    town.live(async |_| {
        sleep(SOON).await;
        assert_eq!(town.state_of(grant), "closed");
        assert!(town.target.logins().is_empty());
    });
    town.in_order();
}

#[test]
fn t01_i14_a_wall_clock_set_forward_ends_at_once() {
    let town = Arc::new(Town::new(6));
    town.live(async |engine| {
        town.furnished(&engine).await;
        let (grant, _) = town.inside(&engine).await;
        town.weather.state().step = 3_600_000;
        sleep(SOON).await;
        assert_eq!(town.state_of(grant), "closed");
        assert!(town.target.logins().is_empty());
    });
    town.in_order();
}

#[test]
fn t06_ten_thousand_grants_that_end_in_the_same_second_are_closed_in_it() {
    let town = Arc::new(Town::new(10));
    town.live(async |engine| {
        town.furnished(&engine).await;
        let dev = town.caller("dev");
        let all = futures::future::join_all((0..10_000).map(|_| engine.request_file(&dev, ask("status", Some("1m"))))).await;
        assert!(all.iter().all(|filed| filed.as_ref().is_ok_and(|filed| filed.grants.len() == 1)));
        let open = |state: &str| {
            let disk = town.memory.disk();
            disk.rows.iter().filter(|((word, _), (_, row))| *word == "grant" && row.state == state).count()
        };
        sleep(Duration::from_millis(59_900)).await;
        assert_eq!((open("open"), open("closed")), (10_000, 0));
        sleep(Duration::from_millis(1_100)).await;
        assert_eq!((open("open"), open("closed")), (0, 10_000));
    });
    town.in_order();
}

#[test]
fn r01_r08_a_login_that_no_lease_accounts_for_is_gone_within_a_minute() {
    let town = Arc::new(Town::new(7));
    town.live(async |engine| {
        town.furnished(&engine).await;
        sleep(SOON).await;
        town.target.plant("ajar_00000000000000000000000000");
        sleep(Duration::from_secs(60)).await;
        assert!(town.target.logins().is_empty());
    });
}

#[test]
fn r02_a_target_that_is_down_for_an_hour_is_revoked_within_a_minute_of_its_return() {
    let town = Arc::new(Town::new(8));
    town.live(async |engine| {
        town.furnished(&engine).await;
        let (grant, session) = town.inside(&engine).await;
        town.weather.state().target_down = true;
        sleep(Duration::from_secs(3_600)).await;
        assert!(session.is_finished(), "the cut asks nobody");
        assert_eq!(town.state_of(grant), "closing");
        let status = engine.status(&town.caller("boss")).await.unwrap();
        assert_eq!(status.unconfirmed.len(), 1, "and it is visible");
        town.weather.state().target_down = false;
        sleep(Duration::from_secs(60)).await;
        assert_eq!(town.state_of(grant), "closed");
        assert!(town.target.logins().is_empty());
    });
    town.in_order();
}

#[test]
fn a07_whoever_changes_who_is_who_is_in_the_ledger_with_the_files() {
    let town = Arc::new(Town::new(9));
    town.live(async |engine| {
        town.furnished(&engine).await;
        let boss = town.caller("boss");
        let text = crate::town::FILES.replace("members = [\"peer\", \"other\", \"dev2\"]", "members = [\"boss\"]");
        let applied = engine.policy_apply(boss.actor, [("all.toml".to_owned(), text)].into(), Some("abc123".into())).await.unwrap();
        assert!(applied.changed);
        let last = town.memory.disk().events().into_iter().rfind(|e| matches!(e.event, Event::Policy(_))).unwrap();
        let Event::Policy(PolicyEvent::Applied(event)) = last.event else { panic!() };
        assert_eq!((last.actor, event.hash, event.commit), (boss.actor, applied.hash.clone(), Some("abc123".into())));
        let kept = ajar_core::port::Store::blob(&*town.memory, &applied.hash).await.unwrap().unwrap();
        assert!(kept.contains("members = [\\\"boss\\\"]"), "what changed can be read");
        assert!(event.at <= town.weather.now());
    });
}

#[test]
fn a12_who_asks_again_and_again_is_slowed_and_nobody_else_is() {
    let town = Arc::new(Town::new(1));
    town.live(async |engine| {
        town.furnished(&engine).await;
        let mut filed = 0;
        let refused = loop {
            match engine.request_file(&town.caller("dev"), ask("read", None)).await {
                // Taken back at once, so that never more than one is pending.
                Ok(submitted) => engine.request_withdraw(&town.caller("dev"), submitted.request).await.unwrap(),
                Err(refused) => break refused,
            }
            filed += 1;
            assert!(filed < 1_000, "there is a limit");
        };
        assert!(filed >= 20 && refused.message.contains("too often") && refused.hint.is_some(), "{filed}: {refused:?}");
        engine.request_file(&town.caller("peer"), ask("read", None)).await.unwrap();
        engine.request_file(&town.caller("dev"), ask("status", None)).await.expect("nobody is asked about it");
        sleep(Duration::from_secs(61)).await;
        engine.request_file(&town.caller("dev"), ask("read", None)).await.expect("a minute later");
    });
}
