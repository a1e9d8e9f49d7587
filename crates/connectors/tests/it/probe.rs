//! The set-up check.

use ajar_core::port::{Connector as _, Finding, Probe, Severity};
use ajar_core::resource::TargetTls;

use crate::on_both;
use crate::server::Server;
use crate::world::World;

fn of<'a>(findings: &'a [Finding], check: &str) -> &'a Finding {
    findings.iter().find(|f| f.check.starts_with(check)).unwrap_or_else(|| panic!("no {check} in {findings:#?}"))
}

on_both! {
    async fn r06_a_target_that_is_set_up_right_is_good(world) {
        let findings = world.connector.probe(&world.resource).await.unwrap();
        assert!(findings.iter().all(|f| f.severity == Severity::Good), "{findings:#?}");
        for check in ["encryption", "sign in as ajar_admin", "version", "clock", "administrative account", "role read", "role write", "sign in with a login", "end", "expiry"] {
            of(&findings, check);
        }
    }

    async fn r06_what_is_lacking_is_told_with_its_mending(mut world) {
        let n = world.number;
        world.boss.batch_execute(&format!(
            "CREATE ROLE \"lo cal {n}\" LOGIN PASSWORD 'pw of a test'; CREATE ROLE maker_{n} LOGIN CREATEROLE NOINHERIT PASSWORD 'pw of a test'"
        )).await.unwrap();
        world.target().admin_user = format!("lo cal {n}");
        let findings = world.connector.probe(&world.resource).await.unwrap();
        let account = of(&findings, "administrative account");
        assert_eq!(account.severity, Severity::Bad);
        assert!(account.result.contains(&format!("ALTER ROLE \"lo cal {n}\" CREATEROLE")), "{account:?}");

        world.target().admin_user = format!("maker_{n}");
        let findings = world.connector.probe(&world.resource).await.unwrap();
        if world.server.major >= 16 {
            let role = of(&findings, "role read");
            assert_eq!(role.severity, Severity::Bad);
            assert!(role.result.contains(&format!("GRANT \"read_{n}\" TO \"maker_{n}\" WITH ADMIN OPTION")), "{role:?}");
        } else {
            assert!(of(&findings, "administrative account").result.contains("INHERIT"), "{findings:#?}");
        }

        world.target().admin_user = "postgres".to_owned();
        world.target().tls = TargetTls::Off;
        let findings = world.connector.probe(&world.resource).await.unwrap();
        assert_eq!(of(&findings, "administrative account").severity, Severity::Warning);
        assert_eq!(of(&findings, "encryption").severity, Severity::Good, "loopback");
        assert!(findings.iter().all(|f| f.severity != Severity::Bad), "{findings:#?}");

        world.target().host = "192.0.2.1".to_owned();
        let connector = crate::world::connector_with(world.server, |timeouts| timeouts.connect = std::time::Duration::from_millis(200));
        let findings = connector.probe(&world.resource).await.unwrap();
        assert_eq!(of(&findings, "encryption").severity, Severity::Warning);
        assert_eq!(of(&findings, "sign in as postgres").severity, Severity::Bad);
    }
}

/// As behind a pooler that keeps passwords, or a `pg_hba.conf` that asks for none: expiry is nobody's business there.
#[tokio::test]
async fn r06_a_target_that_does_not_honour_expiry_is_found() {
    let server = Server::start(15, "trust").await;
    let world = World::in_server(&server).await;
    let findings = world.connector.probe(&world.resource).await.unwrap();
    assert_eq!(of(&findings, "sign in with a login").severity, Severity::Bad);
    assert_eq!(of(&findings, "expiry").severity, Severity::Bad);
    assert_eq!(world.connector.inspect(&world.resource).await.unwrap(), [], "no throw-away login stays");
}
