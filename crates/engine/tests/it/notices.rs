//! Who is told what, and who is not.

use std::sync::Arc;
use std::time::Duration;

use ajar_core::event::{Actor, Stream};
use ajar_core::id::{DebtId, RequestId};
use ajar_core::plan::{Limits, Verdict};
use ajar_core::port::{Admission, Clock, Door, HeldNotice, Knock, Otherwise, Wishes};
use ajar_core::time::Span;
use ajar_engine::{Engine, NewDelegation, NewRequest, NewReview, NoticeView};
use tokio::time::sleep;

use crate::town::{FILES, Town, ask, files};

const APPROVE: NewReview = NewReview { verdict: Verdict::Approve, note: None, limits: Limits { duration: None, asks: None } };

impl Town {
    /// Everything that somebody is told.
    async fn notices(&self, engine: &Engine, who: &str) -> Vec<NoticeView> {
        engine.notices(&self.caller(who), None, Some(200)).await.unwrap()
    }

    async fn told(&self, engine: &Engine, who: &str) -> Vec<(&'static str, String)> {
        self.notices(engine, who).await.into_iter().map(|n| (n.kind, n.text)).collect()
    }

    async fn kinds(&self, engine: &Engine, who: &str) -> Vec<&'static str> {
        self.notices(engine, who).await.into_iter().map(|n| n.kind).collect()
    }

    /// A request that differs from all others by when it is to begin.
    async fn files_the(&self, n: u64, engine: &Engine, who: &str) -> RequestId {
        let starts_at = Some(self.weather.now().after(Span::from_secs(7_200 + n * 60)));
        engine.request_file(&self.caller(who), NewRequest { starts_at, ..ask("read", None) }).await.unwrap().request
    }

    async fn apply(&self, engine: &Engine, text: String) {
        engine.policy_apply(Actor::System, [("all.toml".to_owned(), text)].into(), None).await.unwrap();
    }
}

#[test]
fn a12_a_flood_is_six_notices_and_its_numbers_are_right_also_after_a_restart() {
    let town = Arc::new(Town::new(31));
    let before = town.live(async |engine| {
        town.apply(&engine, FILES.to_owned()).await;
        let mut filed = Vec::new();
        for n in 0..30 {
            // 18 of dev's, 12 of peer's.
            let who = if n % 5 < 3 { "dev" } else { "peer" };
            filed.push((who, town.files_the(n, &engine, who).await));
        }
        let of = |who: &str| filed.iter().filter(|(by, _)| *by == who).map(|(_, id)| *id).collect::<Vec<_>>();
        assert_eq!((of("dev").len(), of("peer").len()), (18, 12));
        let beyond = |who: &str| filed.iter().skip(5).filter(|(by, _)| *by == who).count();

        let other = town.notices(&engine, "other").await;
        let single: Vec<_> = other[..5].iter().map(|n| (n.kind, n.about.clone())).collect();
        assert_eq!(single, filed[..5].iter().map(|(_, id)| ("asked", vec![Stream::Request(*id)])).collect::<Vec<_>>());
        assert!(other[0].text.contains("dev's request for read on orders-db, for 5m, waits for your decision"), "{}", other[0].text);
        assert_eq!(other.len(), 6, "{other:?}");
        let words = |dev: usize, peer: usize| format!("{} more requests wait for you, {dev} of them from dev", dev + peer);
        assert_eq!((other[5].kind, &other[5].text), ("digest", &words(beyond("dev"), beyond("peer"))));
        assert_eq!(other[5].about.len(), 25);
        // Only what is theirs to decide: peer has asked for some, dev's second account has nothing to say about dev's.
        assert_eq!(town.notices(&engine, "peer").await.last().unwrap().text, "13 more requests wait for you, all of them from dev");
        assert_eq!(town.notices(&engine, "dev2").await.last().unwrap().text, "7 more requests wait for you, all of them from peer");
        for nobody in ["boss", "dev"] {
            assert_eq!(town.notices(&engine, nobody).await, []);
        }

        // Decided in any order: what is left is counted, and who asked hears each.
        let cursor = other[5].seq;
        let (last, first) = (*of("dev").last().unwrap(), of("dev")[0]);
        for id in [last, first] {
            engine.request_review(&town.caller("other"), id, APPROVE).await.unwrap();
        }
        assert_eq!(town.notices(&engine, "other").await[5].text, words(beyond("dev") - 1, beyond("peer")));
        assert_eq!(engine.notices(&town.caller("other"), Some(cursor), None).await.unwrap(), [], "nobody is told what they did themselves");
        let approved = ("approved", "your request for read on orders-db was approved by other".to_owned());
        assert_eq!(town.told(&engine, "dev").await, [approved.clone(), approved]);
        // The other who was asked hears of the one that they were told of by itself.
        let peer = town.notices(&engine, "peer").await;
        let about_first: Vec<_> = peer.iter().filter(|n| n.about == [Stream::Request(first)]).map(|n| n.kind).collect();
        assert_eq!((about_first, peer.len()), (vec!["asked", "approved"], 7));
        assert!(peer.iter().any(|n| n.text == "12 more requests wait for you, all of them from dev"), "{peer:?}");
        (peer, town.notices(&engine, "other").await, town.notices(&engine, "dev").await)
    });
    let after = town.live(async |engine| {
        (town.notices(&engine, "peer").await, town.notices(&engine, "other").await, town.notices(&engine, "dev").await)
    });
    assert_eq!(before, after);
}

#[test]
fn those_asked_hear_what_the_others_do_and_nobody_else_does() {
    let town = Arc::new(Town::new(32));
    town.live(async |engine| {
        town.apply(&engine, FILES.to_owned()).await;
        let [dev, peer, other] = ["dev", "peer", "other"].map(|who| town.caller(who));
        let id = engine.request_file(&dev, ask("write", None)).await.unwrap().request;
        engine.request_comment(&other, id, "which table?".into()).await.unwrap();
        assert_eq!(town.kinds(&engine, "dev").await, ["commented"]);
        assert_eq!(town.kinds(&engine, "peer").await, ["asked", "commented"]);
        assert_eq!(town.kinds(&engine, "other").await, ["asked"]);
        let words = "there is a comment by other on your request for write on orders-db";
        assert_eq!(town.told(&engine, "dev").await, [("commented", words.to_owned())], "and not what was said");

        engine.request_review(&peer, id, APPROVE).await.unwrap();
        let words = "dev's request for write on orders-db was approved by peer, and needs more";
        assert_eq!(town.told(&engine, "other").await.last().unwrap(), &("reviewed", words.to_owned()));
        engine.request_take_back(&peer, id).await.unwrap();
        assert_eq!(town.kinds(&engine, "other").await, ["asked", "review_taken_back"], "the newest word on it is enough");
        let no = NewReview { verdict: Verdict::Deny, ..APPROVE };
        engine.request_review(&other, id, no).await.unwrap();
        let words = "your request for write on orders-db was denied by other";
        assert_eq!(town.told(&engine, "dev").await.last().unwrap(), &("denied", words.to_owned()));
        assert_eq!(town.kinds(&engine, "peer").await, ["asked", "commented", "denied"]);

        let id = engine.request_file(&dev, ask("read", None)).await.unwrap().request;
        engine.request_withdraw(&dev, id).await.unwrap();
        let words = "the request for read on orders-db was taken back by dev";
        assert_eq!(town.told(&engine, "peer").await.last().unwrap(), &("withdrawn", words.to_owned()));

        // What is open and taken away; what nobody had to approve is no news to who asked.
        let opened = engine.request_file(&dev, ask("status", None)).await.unwrap();
        engine.grant_revoke(&town.caller("boss"), opened.grants[0]).await.unwrap();
        let told = town.notices(&engine, "dev").await;
        let last = told.last().unwrap();
        let words = "your grant for status on orders-db was closed: boss revoked it";
        assert_eq!((last.kind, last.text.as_str(), &last.about), ("grant_closing", words, &vec![Stream::Grant(opened.grants[0])]));
        assert_eq!(told.len(), 3);
        let given_back = engine.request_file(&dev, ask("status", None)).await.unwrap();
        engine.grant_return(&dev, given_back.grants[0]).await.unwrap();
        assert_eq!(town.notices(&engine, "dev").await.len(), 3);
        for nobody in ["boss", "dev2"] {
            assert_eq!(town.notices(&engine, nobody).await, []);
        }

        let away = NewDelegation { to: "boss".into(), from: None, life: Span::from_secs(3_600) };
        engine.delegate(&peer, away).await.unwrap();
        let told = town.told(&engine, "boss").await;
        assert!(told.len() == 1 && told[0].0 == "delegated" && told[0].1.starts_with("you are asked instead of peer from"), "{told:?}");
        engine.request_file(&dev, ask("read", None)).await.unwrap();
        assert_eq!(town.kinds(&engine, "boss").await, ["delegated", "asked"]);
        assert_eq!(town.kinds(&engine, "peer").await.last(), Some(&"withdrawn"), "who is away is not asked");
    });
}

#[test]
fn w03_a_notice_is_of_what_its_reader_may_see_now() {
    let town = Arc::new(Town::new(33));
    town.live(async |engine| {
        town.apply(&engine, FILES.to_owned()).await;
        let id = engine.request_file(&town.caller("dev"), ask("read", None)).await.unwrap().request;
        engine.request_file(&town.caller("peer"), ask("read", None)).await.unwrap();
        engine.request_review(&town.caller("other"), id, APPROVE).await.unwrap();
        assert_eq!(town.kinds(&engine, "peer").await, ["asked", "approved"]);
        assert_eq!(town.kinds(&engine, "other").await, ["asked", "asked"]);
        town.apply(&engine, FILES.replace("members = [\"peer\", \"other\", \"dev2\"]", "members = [\"dev2\", \"boss\"]")).await;
        assert_eq!(town.notices(&engine, "peer").await, []);
        let decided = town.notices(&engine, "other").await;
        assert!(decided.len() == 1 && decided[0].about == [Stream::Request(id)], "one goes on seeing what one has decided: {decided:?}");
        let unseen = engine.notices(&town.caller("peer"), Some(0), Some(1)).await.unwrap();
        assert_eq!(unseen, [], "nor as a gap");
        assert_eq!(town.kinds(&engine, "dev").await, ["approved"]);
        town.apply(&engine, FILES.to_owned()).await;
        assert_eq!(town.kinds(&engine, "peer").await, ["asked", "approved"], "as today's rules say");
    });
}

/// Whoever listens hears of just what they could read.
#[test]
fn w03_who_hears_of_a_change_is_who_may_see_it() {
    let town = Arc::new(Town::new(35));
    town.live(async |engine| {
        town.apply(&engine, FILES.to_owned()).await;
        let mut feed = engine.feed();
        let id = engine.request_file(&town.caller("dev"), ask("read", None)).await.unwrap().request;
        engine.request_file(&town.caller("peer"), ask("read", None)).await.unwrap();
        engine.request_review(&town.caller("other"), id, APPROVE).await.unwrap();
        let opened = engine.request_file(&town.caller("dev"), ask("status", None)).await.unwrap();
        let away = NewDelegation { to: "boss".into(), from: None, life: Span::from_secs(3_600) };
        engine.delegate(&town.caller("peer"), away).await.unwrap();
        engine.request_file(&town.caller("dev"), ask("write", None)).await.unwrap();
        engine.grant_revoke(&town.caller("boss"), opened.grants[0]).await.unwrap();
        let (mut heard, mut not) = (0, 0);
        while let Ok(Some(events)) = tokio::time::timeout(Duration::from_secs(1), feed.next()).await {
            for envelope in events {
                for who in ["dev", "dev2", "peer", "other", "boss"] {
                    let caller = town.caller(who);
                    let sees = if let Stream::Request(id) = envelope.stream {
                        engine.request(&caller, id).await.is_ok()
                    } else if let Stream::Grant(id) = envelope.stream {
                        engine.grant(&caller, id).await.is_ok()
                    } else {
                        false
                    };
                    assert_eq!(engine.hears(&caller, &envelope).await, sees, "{who} of {}", envelope.event.kind());
                    if sees { heard += 1 } else { not += 1 }
                }
            }
        }
        assert!(heard > 20 && not >= 5, "{heard} heard, {not} not");
    });
}

#[test]
fn those_asked_are_reminded_and_the_connection_that_waits_hears_it() {
    let town = Arc::new(Town::new(34));
    town.live(async |engine| {
        town.apply(&engine, FILES.to_owned()).await;
        let wishes = Wishes { role: Some("read".into()), reason: Some("why not".into()), duration: None, ticket: None, scope: None };
        let knock =
            Knock { resource: "orders-db".into(), protocol: "postgres", wishes, client: [127, 0, 0, 1].into(), otherwise: Otherwise::Hold };
        let Ok(Admission::Held(mut held)) = engine.knock(&town.identified("dev"), knock).await else { panic!("it waits") };
        let mut lines = Vec::new();
        let refused = loop {
            match held.waiting.next().await {
                HeldNotice::Say(line) => lines.push((town.weather.passed(), line)),
                HeldNotice::Refused(refusal) => break refusal,
                HeldNotice::Open(_) => panic!("nobody approved it"),
            }
        };
        let (when, _) =
            lines.iter().find(|(_, line)| line == "not decided yet: other, peer were reminded").unwrap_or_else(|| panic!("{lines:?}"));
        let waited = *when - lines[0].0;
        assert!(waited >= Duration::from_secs(450) && waited < Duration::from_secs(455), "{waited:?}");
        assert_eq!(lines.iter().filter(|(_, line)| line.contains("reminded")).count(), 1);
        assert!(refused.detail.unwrap().contains("nobody decided its stage 1 in time"));
        assert_eq!(town.kinds(&engine, "peer").await, ["asked", "reminded", "denied"]);
        let words = "your request for read on orders-db was denied: nobody decided its stage 1 in time";
        assert_eq!(town.told(&engine, "dev").await, [("denied", words.to_owned())]);
    });
}

#[test]
fn an_escalation_asks_only_those_who_were_not_asked_yet() {
    let town = Arc::new(Town::new(35));
    town.live(async |engine| {
        let plan = "approve = { from = [\"user:peer\"], within = \"10m\", otherwise = { escalate = [[\"user:other\"], [\"user:boss\"]] } }";
        town.apply(&engine, FILES.replacen("approve = { from = [\"owners\"], within = \"10m\" }", plan, 1)).await;
        engine.request_file(&town.caller("dev"), ask("read", None)).await.unwrap();
        sleep(Duration::from_secs(601)).await;
        assert_eq!(town.kinds(&engine, "peer").await, ["asked", "reminded"]);
        let words = "nobody decided dev's request for read on orders-db in time: you may decide it too";
        assert_eq!(town.told(&engine, "other").await, [("escalated", words.to_owned())]);
        assert_eq!(town.kinds(&engine, "boss").await, Vec::<&str>::new());
        sleep(Duration::from_secs(601)).await;
        assert_eq!(town.kinds(&engine, "other").await, ["escalated", "reminded"]);
        assert_eq!(town.kinds(&engine, "boss").await, ["escalated"]);
        sleep(Duration::from_secs(601)).await;
        assert_eq!(town.kinds(&engine, "boss").await, ["escalated", "reminded", "denied"]);
        assert_eq!(town.kinds(&engine, "dev").await, ["denied"]);
    });
}

#[test]
fn a13_an_emergency_alerts_those_named_and_asks_for_its_review_until_it_is_given() {
    let town = Arc::new(Town::new(36));
    town.live(async |engine| {
        let rule = r#"
[[rule]]
name = "break-glass"
who = ["group:engineers"]
resources = ["orders-db"]
roles = ["write"]
max = "10m"
default = "5m"
break_glass = { alert = ["user:boss", "owners"], review = { from = ["user:other"], within = "1h" } }
"#;
        town.apply(&engine, FILES.to_owned() + rule).await;
        let new = NewRequest { emergency: true, reason: "orders are lost".into(), ..ask("write", None) };
        engine.request_file(&town.caller("dev"), new).await.unwrap();
        let words = "dev opened orders-db in an emergency, without a review";
        assert_eq!(town.told(&engine, "boss").await, [("emergency", words.to_owned())]);
        assert_eq!(town.told(&engine, "other").await, [("review_owed", format!("{words}: you may review it"))]);
        assert_eq!(town.kinds(&engine, "dev").await, Vec::<&str>::new(), "who did it knows");
        sleep(Duration::from_secs(3_601)).await;
        let told = town.notices(&engine, "dev").await;
        assert_eq!((told.len(), told[0].kind), (1, "review_overdue"));
        assert_eq!(told[0].text, "the review of your emergency on orders-db is overdue");
        assert_eq!(town.kinds(&engine, "other").await, ["review_owed", "review_overdue"]);
        let debt: DebtId = match told[0].about[..] {
            [Stream::Debt(id)] => id,
            _ => panic!("{told:?}"),
        };
        engine.debt_review(&town.caller("other"), debt, Verdict::Approve, None).await.unwrap();
        let words = "your emergency on orders-db was reviewed by other: it was right";
        assert_eq!(town.told(&engine, "dev").await.last().unwrap(), &("emergency_reviewed", words.to_owned()));
        assert_eq!(town.kinds(&engine, "boss").await, ["emergency", "review_overdue", "emergency_reviewed"]);
    });
}

#[test]
fn i15_what_was_not_recorded_is_told_nobody() {
    let town = Arc::new(Town::new(37));
    town.live(async |engine| {
        engine.policy_apply(Actor::System, files(), None).await.unwrap();
        town.weather.state().disk_full = true;
        engine.request_file(&town.caller("dev"), ask("read", None)).await.unwrap_err();
        town.weather.state().disk_full = false;
        assert_eq!(town.notices(&engine, "peer").await, []);
        engine.request_file(&town.caller("dev"), ask("read", None)).await.unwrap();
        assert_eq!(town.kinds(&engine, "peer").await, ["asked"]);
    });
}
