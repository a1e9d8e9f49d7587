//! What would come of a request: what would need less, what must be said, and who is there.

use std::sync::Arc;
use std::time::Duration;

use ajar_core::event::Actor;
use ajar_engine::{Engine, ExplainView, Less, NewRequest, Outcome, ToLock};
use tokio::time::sleep;

use crate::town::{FILES, Town, ask};

/// Writing for an hour needs two, for half an hour one, and for a quarter none.
const RULES: &str = r#"
[[rule]]
name = "write"
who = ["group:engineers"]
resources = ["orders-db"]
roles = ["write"]
max = "4h"
reason = { min_length = 5, pattern = "^why" }
ticket = { pattern = "^INC-[0-9]+$" }
auto_when = "context.minutes <= 15"
stages = [{ from = ["owners"] }, { from = ["user:boss"], when = "context.minutes > 30" }]

[[rule]]
name = "write-glass"
who = ["group:engineers"]
resources = ["orders-db"]
roles = ["write"]
max = "1h"
break_glass = { alert = ["owners"], review = { from = ["owners"] } }
"#;

fn rules() -> String {
    let old = FILES.split_once("[[rule]]\nname = \"write\"").unwrap();
    let status = old.1.split_once("[[rule]]\n").unwrap().1;
    format!("{}{RULES}\n[[rule]]\n{status}", old.0)
}

impl Town {
    async fn explains(&self, engine: &Engine, who: &str, new: NewRequest) -> ExplainView {
        engine.explain(&self.caller(who), new, None).await.unwrap()
    }
}

async fn apply(engine: &Engine, text: String) {
    engine.policy_apply(Actor::System, [("all.toml".to_owned(), text)].into(), None).await.unwrap();
}

fn words(less: &[Less]) -> Vec<&str> {
    less.iter().map(|l| l.words.as_str()).collect()
}

fn complete(role: &str, duration: &str) -> NewRequest {
    NewRequest { ticket: Some("INC-7".into()), ..ask(role, Some(duration)) }
}

#[test]
fn what_would_need_less_is_what_the_same_rules_answer_to_other_roles_and_shorter_times() {
    let town = Arc::new(Town::new(51));
    town.live(async |engine| {
        apply(&engine, rules()).await;
        let view = town.explains(&engine, "dev", complete("write", "2h")).await;
        assert_eq!(view.outcome(), Outcome::Review);
        // As another role it is for no longer than that one's rule allows.
        assert_eq!(
            words(&view.less),
            [
                "write for 15m would be approved automatically",
                "status for 10m would be approved automatically",
                "write for 30m would need 1 of owners",
                "read for 30m would need 1 of owners"
            ],
            "the mildest first; nothing that its rule does not allow"
        );
        // Each is what would really come of it.
        for less in &view.less {
            let again = town.explains(&engine, "dev", complete(less.role.as_str(), &less.duration.to_string())).await;
            assert_eq!(again.outcome(), less.outcome, "{}", less.words);
        }
        let view = town.explains(&engine, "dev", complete("write", "30m")).await;
        assert_eq!(words(&view.less)[0], "write for 15m would be approved automatically");
        let view = town.explains(&engine, "dev", complete("write", "10m")).await;
        assert_eq!((view.outcome(), view.less.len()), (Outcome::Automatic, 0), "nothing is less than nothing");
        // Too long: what would be possible at all.
        let view = town.explains(&engine, "dev", complete("write", "9h")).await;
        assert_eq!(view.outcome(), Outcome::Refused);
        assert_eq!(words(&view.less)[0], "write for 15m would be approved automatically");
        assert!(words(&view.less).contains(&"write for 30m would need 1 of owners"));
        assert!(words(&view.less).contains(&"write for 4h would need 1 of owners, then 1 of user:boss"));
        assert_eq!(engine.requests(&town.caller("dev"), ajar_engine::ListQuery::default()).await.unwrap(), [], "nothing is filed");
    });
}

#[test]
fn what_must_be_said_is_told_and_makes_nothing_milder() {
    let town = Arc::new(Town::new(52));
    town.live(async |engine| {
        apply(&engine, rules()).await;
        let bare = NewRequest { reason: String::new(), ..ask("write", Some("1h")) };
        let view = town.explains(&engine, "dev", bare).await;
        let wants = &view.explanation.wants;
        assert_eq!((view.outcome(), wants.reason_min, wants.ticket), (Outcome::Refused, 5, true));
        assert_eq!((wants.reason.as_slice(), wants.tickets.as_slice()), (&["^why".to_owned()][..], &["^INC-[0-9]+$".to_owned()][..]));
        assert_eq!(wants.words().unwrap(), "a reason of 5 characters or more that fits ^why; a ticket that fits ^INC-[0-9]+$");
        assert_eq!(
            words(&view.less),
            [
                "write for 15m would be approved automatically; a reason of 5 characters or more is needed",
                "status for 10m would be approved automatically",
                "write for 30m would need 1 of owners; a reason of 5 characters or more is needed",
                "read for 30m would need 1 of owners"
            ],
        );
        // Whom no rule lets ask for it is told nothing of what it takes.
        let read = town.explains(&engine, "dev", ask("read", None)).await;
        assert_eq!(read.explanation.wants.words(), None);
        let behalf = NewRequest { on_behalf_of: Some("peer".into()), ..ask("write", None) };
        assert!(engine.explain(&town.caller("dev"), behalf, None).await.is_err());
        assert!(engine.explain(&town.caller("guest"), ask("write", None), None).await.is_err());
    });
}

#[test]
fn what_is_locked_has_no_less_and_an_emergency_has_only_what_opens_by_itself() {
    let town = Arc::new(Town::new(53));
    town.live(async |engine| {
        apply(&engine, rules()).await;
        let emergency = NewRequest { emergency: true, reason: "why not now".into(), ..ask("write", Some("1h")) };
        let view = town.explains(&engine, "dev", emergency.clone()).await;
        assert_eq!(view.outcome(), Outcome::Emergency);
        assert_eq!(
            words(&view.less),
            [
                "write for 15m, not as an emergency, would be approved automatically; a ticket is needed",
                "status for 10m, not as an emergency, would be approved automatically",
            ]
        );
        // A review is owed: nothing is approved automatically, so nothing of that is offered.
        engine.request_file(&town.caller("dev"), emergency).await.unwrap();
        let view = town.explains(&engine, "dev", complete("write", "2h")).await;
        assert!(view.less.iter().all(|l| l.outcome == Outcome::Review), "{:?}", view.less);
        engine.lock(&town.caller("boss"), ToLock::Resource("orders-db".into()), "odd".into()).await.unwrap();
        let view = town.explains(&engine, "peer", complete("write", "2h")).await;
        assert_eq!((view.outcome(), view.less.len()), (Outcome::Refused, 0));
    });
}

#[test]
fn who_could_decide_and_is_there_is_told_with_the_stage() {
    let town = Arc::new(Town::new(54));
    town.live(async |engine| {
        apply(&engine, rules()).await;
        let online = async || {
            let stage = town.explains(&engine, "dev", ask("read", None)).await.stages.remove(0);
            assert_eq!(stage.able, [town.caller("peer").principal, town.caller("other").principal]);
            stage.online
        };
        assert_eq!(online().await, []);
        let [peer, other, boss] = ["peer", "other", "boss"].map(|who| town.caller(who));
        engine.seen(&peer);
        engine.seen(&boss);
        assert_eq!(online().await, [peer.principal], "and nobody who could not decide");
        let stream = engine.attend(&other).unwrap();
        sleep(Duration::from_secs(301)).await;
        assert_eq!(online().await, [other.principal]);
        assert_eq!(engine.online(&[boss.principal, other.principal, peer.principal]), [other.principal]);
        drop(stream);
        sleep(Duration::from_secs(301)).await;
        assert_eq!(online().await, []);
    });
}
