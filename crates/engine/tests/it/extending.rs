//! Cases of going on with a grant, in a world of their own.

use std::sync::Arc;
use std::time::Duration;

use ajar_core::event::{Event, Stream};
use ajar_core::grant::{Grant, GrantEvent};
use ajar_core::id::GrantId;
use ajar_core::plan::{Limits, Verdict};
use ajar_core::port::{Refusal, RefusalKind};
use ajar_engine::{Engine, NewExtension, NewReview, Submitted};
use tokio::time::sleep;

use crate::cases::SOON;
use crate::town::{Town, ask};

/// A minute more, as `who`.
async fn extend(town: &Town, engine: &Arc<Engine>, who: &str, grant: GrantId) -> Result<Submitted, Refusal> {
    let new = NewExtension { duration: Some("1m".into()), reason: "not done".into(), ..NewExtension::default() };
    engine.grant_extend(&town.caller(who), grant, new).await
}

fn approve() -> NewReview {
    NewReview { verdict: Verdict::Approve, note: None, limits: Limits::default() }
}

impl Town {
    fn count(&self, kind: &str) -> usize {
        self.memory.disk().leaves.iter().filter(|leaf| leaf.kind == kind).count()
    }

    /// When a grant ends, as the log has it.
    fn end_of(&self, grant: GrantId) -> ajar_core::time::Timestamp {
        self.weather.state().ends_at[&grant]
    }
}

#[test]
fn i07_i12_a_session_goes_on_without_a_break_with_the_same_login_and_ends_at_the_new_end() {
    let town = Arc::new(Town::new(20));
    town.live(async |engine| {
        town.furnished(&engine).await;
        let (first, session) = town.inside(&engine).await;
        let filed = extend(&town, &engine, "dev", first).await.unwrap();
        let second = filed.grants[0];
        assert_eq!(town.end_of(second), town.end_of(first).after(ajar_core::time::Span::from_secs(60)));
        assert_eq!((town.state_of(first).as_str(), town.state_of(second).as_str()), ("closed", "open"));
        sleep(SOON).await;
        assert_eq!(town.target.expiries(), [town.end_of(second)], "the login expires with the new grant");
        // Whoever comes now takes the same login.
        let (other, inner) = (Arc::clone(&town), Arc::clone(&engine));
        let late = async move { other.session(&inner, "dev", "status", Duration::from_secs(1)).await };
        assert_eq!(late.await.unwrap(), second);
        assert_eq!((town.target.logins().len(), town.count("lease.minted")), (1, 1));
        sleep(Duration::from_secs(80)).await;
        assert!(!session.is_finished(), "the first end is past");
        sleep(Duration::from_secs(40)).await;
        assert!(session.is_finished() && town.target.logins().is_empty());
        assert_eq!(town.state_of(second), "closed");
    });
    town.in_order();
}

#[test]
fn r07_i20_others_grants_are_not_there_and_ones_own_says_why_not() {
    let town = Arc::new(Town::new(21));
    town.live(async |engine| {
        town.furnished(&engine).await;
        let (first, _) = town.inside(&engine).await;
        for who in ["dev2", "peer", "other", "boss"] {
            let refused = extend(&town, &engine, who, first).await.unwrap_err();
            let nothing = extend(&town, &engine, who, "grant_01h455vb4pex5vsknk084sn02q".parse().unwrap()).await.unwrap_err();
            assert_eq!(refused, nothing, "{who}");
        }
        let second = extend(&town, &engine, "dev", first).await.unwrap().grants[0];
        let refused = extend(&town, &engine, "dev", first).await.unwrap_err();
        assert!(refused.message.contains("was extended") && refused.hint.is_some_and(|h| h.contains(&second.to_string())));
        let third = extend(&town, &engine, "dev", second).await.unwrap().grants[0];
        let second = extend(&town, &engine, "dev", third).await.unwrap().grants[0];
        let refused = extend(&town, &engine, "dev", second).await.unwrap_err();
        assert!(refused.kind == RefusalKind::NotRequestable && refused.message.contains("3 times"), "{refused:?}");
        let refused = engine
            .grant_extend(&town.caller("dev"), second, NewExtension { duration: Some("5h".into()), ..NewExtension::default() })
            .await
            .unwrap_err();
        assert!(refused.hint.is_some(), "{refused:?}");
        engine.grant_return(&town.caller("dev"), second).await.unwrap();
        let refused = extend(&town, &engine, "dev", second).await.unwrap_err();
        assert_eq!(
            (refused.kind, refused.message.contains("is closed") || refused.message.contains("is closing")),
            (RefusalKind::Expired, true)
        );
    });
    town.in_order();
}

#[test]
fn i13_whoever_takes_the_old_grant_away_means_what_it_has_become() {
    for (who, seed) in [("dev", 22), ("boss", 23)] {
        let town = Arc::new(Town::new(seed));
        town.live(async |engine| {
            town.furnished(&engine).await;
            let (first, session) = town.inside(&engine).await;
            let second = extend(&town, &engine, "dev", first).await.unwrap().grants[0];
            if who == "dev" {
                engine.grant_return(&town.caller("dev"), first).await.unwrap();
            } else {
                engine.grant_revoke(&town.caller(who), first).await.unwrap();
            }
            sleep(SOON).await;
            assert_eq!(town.state_of(second), "closed");
            assert!(session.is_finished() && town.target.logins().is_empty(), "its session is cut");
        });
        town.in_order();
    }
}

#[test]
fn l02_i13_on_a_full_disk_nothing_goes_on_and_what_went_on_is_cut() {
    let town = Arc::new(Town::new(24));
    town.live(async |engine| {
        town.furnished(&engine).await;
        let (first, session) = town.inside(&engine).await;
        town.weather.state().disk_full = true;
        assert_eq!(extend(&town, &engine, "dev", first).await.unwrap_err().kind, RefusalKind::Unavailable);
        assert_eq!(town.target.expiries(), [town.end_of(first)]);
        town.weather.state().disk_full = false;
        let second = extend(&town, &engine, "dev", first).await.unwrap().grants[0];
        town.weather.state().disk_full = true;
        engine.grant_revoke(&town.caller("boss"), first).await.unwrap();
        sleep(SOON).await;
        assert!(town.target.logins().is_empty(), "revoked on the target");
        assert_eq!(town.state_of(second), "open", "the ledger can't say so yet");
        // What is closing in secret does not go on either.
        town.weather.state().disk_full = false;
        let refused = extend(&town, &engine, "dev", second).await;
        assert!(refused.is_err());
        sleep(Duration::from_secs(60)).await;
        assert_eq!(town.state_of(second), "closed");
        assert!(session.is_finished());
    });
    town.in_order();
}

#[test]
fn i12_a_target_that_is_down_lets_the_login_expire_later_when_it_is_back() {
    let town = Arc::new(Town::new(25));
    town.live(async |engine| {
        town.furnished(&engine).await;
        let (first, session) = town.inside(&engine).await;
        town.weather.state().target_down = true;
        let second = extend(&town, &engine, "dev", first).await.unwrap().grants[0];
        sleep(Duration::from_secs(20)).await;
        assert_eq!(town.target.expiries(), [town.end_of(first)]);
        assert!(!session.is_finished());
        town.weather.state().target_down = false;
        sleep(Duration::from_secs(31)).await;
        assert_eq!(town.target.expiries(), [town.end_of(second)]);
        assert!(town.memory.disk().effects.is_empty());
    });
    town.in_order();
}

#[test]
fn t01_i14_after_a_step_back_an_extension_adds_its_length_and_no_more() {
    let town = Arc::new(Town::new(26));
    town.live(async |engine| {
        town.furnished(&engine).await;
        let (first, session) = town.inside(&engine).await;
        town.weather.state().step = -3_600_000;
        sleep(Duration::from_secs(30)).await;
        let second = extend(&town, &engine, "dev", first).await.unwrap().grants[0];
        sleep(Duration::from_secs(60)).await;
        assert_eq!(town.state_of(second), "open");
        sleep(Duration::from_secs(40)).await;
        // Two minutes have passed in all, whatever the wall clock says.
        assert_eq!(town.state_of(second), "closed");
        assert!(town.target.logins().is_empty() && session.is_finished());
    });
    town.in_order();
}

#[test]
fn a05_a_pending_extension_is_found_again_approved_once_and_denied_with_its_grant() {
    let town = Arc::new(Town::new(27));
    town.live(async |engine| {
        town.furnished(&engine).await;
        let open = async || {
            let filed = engine.request_file(&town.caller("dev"), ask("read", Some("5m"))).await.unwrap();
            engine.request_review(&town.caller("other"), filed.request, approve()).await.unwrap();
            sleep(Duration::from_millis(1)).await;
            *town.weather.state().ends.keys().last().unwrap()
        };
        let first = open().await;
        let filed = extend(&town, &engine, "dev", first).await.unwrap();
        assert!(filed.grants.is_empty() && !filed.existing);
        let again = extend(&town, &engine, "dev", first).await.unwrap();
        assert_eq!((again.request, again.existing), (filed.request, true));
        // An ordinary request for the same is another one.
        let other = engine.request_file(&town.caller("dev"), ask("read", Some("5m"))).await.unwrap();
        assert_ne!(other.request, filed.request);
        // Both owners at once, and the one of them twice: in one batch.
        let (peer, owner) = (town.caller("peer"), town.caller("other"));
        let reviews = futures::future::join_all([&peer, &owner, &owner].map(|by| engine.request_review(by, filed.request, approve())));
        let reviews = reviews.await;
        let failed: Vec<_> = reviews.iter().filter_map(|r| r.as_ref().err()).collect();
        assert!(failed.iter().all(|r| r.kind != RefusalKind::Unavailable), "{failed:?}");
        let opened = town
            .memory
            .disk()
            .events()
            .into_iter()
            .filter(|e| matches!(&e.event, Event::Grant(GrantEvent::Opened(o)) if o.after == [first]));
        assert_eq!(opened.count(), 1);

        let first = open().await;
        let filed = extend(&town, &engine, "dev", first).await.unwrap();
        engine.grant_return(&town.caller("dev"), first).await.unwrap();
        let refused = engine.request_review(&owner, filed.request, approve()).await.unwrap_err();
        assert!(refused.message.contains("is denied"), "{refused:?}");
    });
    town.in_order();
}

/// Knocks and extensions in the same instants, many times: whoever is in at last is under what is open.
#[test]
fn i07_nobody_is_left_behind_who_comes_in_while_it_is_extended() {
    for seed in 30..60 {
        let town = Arc::new(Town::new(seed));
        town.live(async |engine| {
            town.furnished(&engine).await;
            let filed = engine.request_file(&town.caller("dev"), ask("status", Some("1m"))).await.unwrap();
            let first = filed.grants[0];
            // Minting takes its time.
            town.weather.state().fail = u32::MAX;
            let mut knocks = Vec::new();
            for n in 0..6u64 {
                let (town, engine) = (Arc::clone(&town), Arc::clone(&engine));
                knocks.push(async move {
                    sleep(Duration::from_millis(n * 17)).await;
                    town.session(&engine, "dev", "status", Duration::from_secs(600)).await
                });
            }
            let (weather, inner) = (Arc::clone(&town), Arc::clone(&engine));
            let extending = async move {
                sleep(Duration::from_millis(u64::from(weather.weather.below(100)))).await;
                let second = extend(&weather, &inner, "dev", first).await.unwrap().grants[0];
                sleep(Duration::from_secs(1)).await;
                let open = inner.grants_of_request(&weather.caller("dev"), filed.request).await.unwrap();
                assert!(open.iter().all(|g| matches!(g, Grant::Closed(_))), "{open:?}");
                let live = weather
                    .memory
                    .disk()
                    .rows
                    .iter()
                    .filter(|((word, _), (_, row))| *word == "session" && row.state == "live")
                    .map(|(_, (_, row))| row.parent)
                    .collect::<Vec<_>>();
                assert_eq!(live, [Some(Stream::Grant(second)); 6]);
                assert_eq!(weather.target.logins().len(), 1, "one login for all of them");
                // The old end cuts nobody; the end of the new one cuts all.
                sleep(Duration::from_secs(75)).await;
                assert_eq!(weather.state_of(second), "open");
                inner.grant_return(&weather.caller("dev"), second).await.unwrap();
                second
            };
            let (came, second) = futures::future::join(futures::future::join_all(knocks), extending).await;
            assert!(came.iter().all(|c| c.is_ok()), "{came:?}");
            sleep(SOON).await;
            assert_eq!(town.state_of(second), "closed");
            assert!(town.target.logins().is_empty());
        });
        town.in_order();
    }
}
