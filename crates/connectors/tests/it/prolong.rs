//! Moving a login's expiry, on both versions.

use ajar_core::id::GrantId;
use ajar_core::lease::Intended;
use ajar_core::port::{Clock as _, Connector as _, ConnectorError, Entropy as _};
use ajar_core::time::Span;

use crate::on_both;
use crate::world::{Real, World, code};

/// What the lease is once its grant was extended by so many seconds.
fn extended(intent: &Intended, seconds: u64) -> Intended {
    Intended {
        grant: GrantId::new(Real.uuid(Real.now())),
        valid_until: intent.valid_until.after(Span::from_secs(seconds)),
        ..intent.clone()
    }
}

/// Milliseconds since 1970 at which a login expires, as the target has it.
async fn expiry(world: &World<'_>, intent: &Intended) -> i64 {
    world
        .count(&format!("SELECT round(extract(epoch FROM rolvaliduntil) * 1000)::int8 FROM pg_roles WHERE rolname = '{}'", intent.login))
        .await
}

on_both! {
    async fn i12_the_login_expires_later_and_nothing_else_of_it_changes(world) {
        let minted = world.minted("read").await;
        let session = world.sign_in(&minted).await.unwrap();
        let longer = extended(&minted.0, 1_800);
        for _ in 0..2 {
            world.connector.prolong(&world.resource, &longer).await.unwrap();
            assert_eq!(expiry(&world, &minted.0).await, longer.valid_until.as_millis());
        }
        // The password is the same, the session lives, and it may what it might.
        world.sign_in(&minted).await.unwrap().query("SELECT * FROM orders", &[]).await.unwrap();
        assert_eq!(code(session.batch_execute("DELETE FROM orders").await), "42501");
        let comment = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{}' AND shobj_description(oid, 'pg_authid') LIKE '%{}%'", longer.login, longer.grant);
        assert_eq!(world.count(&comment).await, 1, "its comment names the grant that it is for");
        let proof = world.connector.revoke(&world.resource, &longer).await.unwrap();
        assert_eq!(proof.terminated, 1);
        assert!(!world.there(&minted.0.login).await);
    }

    async fn i11_what_is_gone_or_being_removed_is_not_revived(world) {
        let minted = world.minted("read").await;
        let longer = extended(&minted.0, 1_800);
        world.connector.revoke(&world.resource, &minted.0).await.unwrap();
        world.connector.prolong(&world.resource, &longer).await.unwrap();
        assert!(!world.there(&minted.0.login).await);

        let minted = world.minted("read").await;
        let longer = extended(&minted.0, 1_800);
        let broken = world.hooked(std::sync::Arc::new(|_| ajar_connectors::Then::Fail)).revoke(&world.resource, &minted.0).await;
        assert!(matches!(broken, Err(ConnectorError::Unreachable { .. })), "{broken:?}");
        world.connector.prolong(&world.resource, &longer).await.unwrap();
        assert_eq!(code(world.sign_in(&minted).await), "28P01");
        let dead = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{}' AND NOT rolcanlogin AND rolvaliduntil = '-infinity'", minted.0.login);
        assert_eq!(world.count(&dead).await, 1);
        world.connector.revoke(&world.resource, &longer).await.unwrap();
    }

    async fn a_name_that_is_not_ours_is_not_touched(world) {
        let mut intent = world.intent("read");
        intent.login = "postgres".to_owned();
        let refused = world.connector.prolong(&world.resource, &intent).await;
        assert!(matches!(refused, Err(ConnectorError::Misconfigured { .. })), "{refused:?}");
    }
}
