//! What a minted login is, has and can't do.

use std::collections::BTreeMap;

use ajar_core::port::{Connector as _, ConnectorError};
use ajar_core::resource::{PostgresGrant, PostgresObject, PostgresRole, TargetTls};
use ajar_core::time::{Span, Timestamp};

use crate::on_both;
use crate::world::{code, secret};

on_both! {
    async fn a_minted_login_has_what_its_role_maps_to_and_no_more(world) {
        let reader = world.minted("read").await;
        let session = world.sign_in(&reader).await.unwrap();
        assert_eq!(session.query("SELECT * FROM orders", &[]).await.unwrap().len(), 2);
        assert_eq!(code(session.execute("DELETE FROM orders", &[]).await), "42501");
        let writer = world.minted("write").await;
        let session = world.sign_in(&writer).await.unwrap();
        assert_eq!(session.execute("DELETE FROM orders WHERE id = 2", &[]).await.unwrap(), 1);
        let found = world.connector.inspect(&world.resource).await.unwrap();
        let connections: Vec<u32> = [&reader, &writer].iter().map(|m| found.iter().find(|f| f.login == m.0.login).unwrap().connections).collect();
        assert_eq!(connections, [1, 1]);
        assert!(found.iter().all(|f| f.login != "ajar_admin" && f.login != "ajar_keeper"));
    }

    async fn i12_the_server_lets_it_expire_by_itself(world) {
        let mut intent = world.intent("read");
        let secret = secret();
        intent.valid_until = Timestamp::EPOCH.after(Span::from_secs(1_000_000_000));
        world.connector.mint(&world.resource, &intent, &secret).await.unwrap();
        let shown = world.count(&format!("SELECT (extract(epoch FROM rolvaliduntil) * 1000)::int8 FROM pg_roles WHERE rolname = '{}'", intent.login)).await;
        assert_eq!(shown, intent.valid_until.as_millis());
        assert_eq!(code(world.sign_in(&(intent, secret)).await), "28P01");
    }

    async fn i17_the_target_gets_a_verifier_and_never_the_password(world) {
        world.boss.batch_execute("ALTER ROLE ajar_admin SET log_statement = 'all'").await.unwrap();
        let minted = world.minted("read").await;
        let log = world.server.log();
        assert!(log.contains(&minted.0.login) && log.contains("SCRAM-SHA-256$4096:"), "the log shows statements");
        assert!(!log.contains(minted.1.password.expose()));
    }

    async fn r01_minting_again_for_the_same_lease_comes_to_the_same(world) {
        let (intent, first) = world.minted("write").await;
        let second = secret();
        world.connector.mint(&world.resource, &intent, &second).await.unwrap();
        assert_eq!(code(world.sign_in(&(intent.clone(), first)).await), "28P01");
        assert!(world.sign_in(&(intent.clone(), second)).await.is_ok());
        let mut foreign = world.intent("read");
        foreign.login = intent.login.clone();
        let refused = world.connector.mint(&world.resource, &foreign, &secret()).await;
        assert!(matches!(&refused, Err(ConnectorError::Refused { why, .. }) if why.contains("made for something else")), "{refused:?}");
        world.boss.batch_execute(&format!("ALTER ROLE {} NOLOGIN", intent.login)).await.unwrap();
        let refused = world.connector.mint(&world.resource, &intent, &secret()).await;
        assert!(matches!(&refused, Err(ConnectorError::Refused { why, .. }) if why.contains("being revoked")), "{refused:?}");
    }

    async fn r01_a_mint_that_fails_leaves_nothing(mut world) {
        world.add_role("odd", PostgresRole { settings: BTreeMap::from([("no_such_setting".to_owned(), "1".to_owned())]), ..PostgresRole::default() });
        let intent = world.intent("odd");
        assert!(world.connector.mint(&world.resource, &intent, &secret()).await.is_err());
        assert!(!world.there(&intent.login).await);
        let proof = world.connector.revoke(&world.resource, &intent).await.unwrap();
        assert!(proof.answer.starts_with("not there"), "{proof:?}");
    }

    async fn i12_what_came_out_different_is_not_minted(world) {
        let (intent, secret) = world.minted("read").await;
        for tampering in ["CREATEDB", "BYPASSRLS", "REPLICATION", "SUPERUSER"] {
            world.boss.batch_execute(&format!("ALTER ROLE {} {tampering}", intent.login)).await.unwrap();
            assert!(world.connector.mint(&world.resource, &intent, &secret).await.is_err(), "{tampering}");
            world.boss.batch_execute(&format!("ALTER ROLE {} NO{tampering}", intent.login)).await.unwrap();
        }
        world.boss.batch_execute(&format!("GRANT write_{} TO {}", world.number, intent.login)).await.unwrap();
        let refused = world.connector.mint(&world.resource, &intent, &secret).await;
        assert!(matches!(&refused, Err(ConnectorError::Refused { why, .. }) if why.contains("is a member of")), "{refused:?}");
    }

    async fn roles_that_give_the_house_away_are_refused(mut world) {
        let n = world.number;
        world.boss.batch_execute(&format!(
            "CREATE ROLE super_{n} SUPERUSER; CREATE ROLE maker_{n} CREATEROLE; CREATE ROLE copier_{n} REPLICATION; CREATE ROLE plain_{n};
             CREATE ROLE programs_{n}; GRANT pg_execute_server_program TO programs_{n}; CREATE ROLE over_{n}; GRANT super_{n} TO over_{n};
             CREATE ROLE hands_{n}; GRANT plain_{n} TO hands_{n} WITH ADMIN OPTION;
             GRANT maker_{n}, copier_{n}, programs_{n}, hands_{n}, plain_{n} TO ajar_admin WITH ADMIN OPTION"
        )).await.unwrap();
        let names = ["super", "maker", "copier", "programs", "over", "hands", "missing"].map(|name| format!("{name}_{n}"));
        for name in names.iter().map(String::as_str).chain(["ajar_admin", "postgres", "pg_read_server_files", "pg_signal_backend"]) {
            world.add_role("house", PostgresRole { member_of: vec![name.to_owned()], ..PostgresRole::default() });
            let intent = world.intent("house");
            let refused = world.connector.mint(&world.resource, &intent, &secret()).await;
            assert!(matches!(refused, Err(ConnectorError::Misconfigured { .. })), "{name}: {refused:?}");
            assert!(!world.there(&intent.login).await);
        }
        world.add_role("house", PostgresRole { member_of: vec![format!("plain_{n}")], ..PostgresRole::default() });
        world.minted("house").await;
    }

    async fn r04_hostile_names_stay_names(mut world) {
        let hostile = "a\"b'; DROP TABLE orders; -- ünï\u{202e}\\";
        let quoted = hostile.replace('"', "\"\"");
        world.boss.batch_execute(&format!(
            "CREATE ROLE \"{quoted}{0}\"; GRANT \"{quoted}{0}\" TO ajar_admin WITH ADMIN OPTION; CREATE SCHEMA \"{quoted}\"; CREATE TABLE \"{quoted}\".\"{quoted}\" (x int);
             CREATE SEQUENCE \"{quoted}\".s; GRANT USAGE, CREATE ON SCHEMA \"{quoted}\" TO ajar_admin WITH GRANT OPTION;
             GRANT SELECT ON ALL TABLES IN SCHEMA \"{quoted}\" TO ajar_admin WITH GRANT OPTION; GRANT USAGE ON SEQUENCE \"{quoted}\".s TO ajar_admin WITH GRANT OPTION", world.number
        )).await.unwrap();
        let grant = |privileges: &[&str], on| PostgresGrant { privileges: privileges.iter().map(|&p| p.to_owned()).collect(), on };
        let schema = || hostile.to_owned();
        let role = PostgresRole {
            member_of: vec![format!("{hostile}{}", world.number)],
            grants: vec![
                grant(&["USAGE", "create"], PostgresObject::Schema { name: schema() }),
                grant(&["SELECT"], PostgresObject::Table { schema: schema(), name: hostile.to_owned() }),
                grant(&["SELECT"], PostgresObject::AllTables { schema: schema() }),
                grant(&["USAGE"], PostgresObject::AllSequences { schema: schema() }),
            ],
            connection_limit: Some(3),
            settings: BTreeMap::from([
                ("statement_timeout".to_owned(), "7s".to_owned()),
                ("search_path".to_owned(), format!("\"{hostile}\", public")),
                ("application_name".to_owned(), "a\\'; DROP TABLE orders; --".to_owned()),
            ]),
        };
        world.add_role("hostile", role.clone());
        let minted = world.minted("hostile").await;
        let session = world.sign_in(&minted).await.unwrap();
        let show = async |name: &str| session.query_one(&format!("SHOW {name}"), &[]).await.unwrap().get::<_, String>(0);
        assert_eq!(show("statement_timeout").await, "7s");
        assert_eq!(show("application_name").await, "a\\'; DROP TABLE orders; --");
        assert_eq!(show("search_path").await, format!("\"{quoted}\", public"));
        session.batch_execute(&format!("CREATE TABLE \"{quoted} mine\" (x int); SELECT * FROM \"{quoted}\"; SELECT nextval('s')")).await.unwrap();
        assert_eq!(world.count("SELECT count(*) FROM orders").await, 2);
        let proof = world.connector.revoke(&world.resource, &minted.0).await.unwrap();
        assert_eq!((proof.owned, proof.terminated), (1, 1), "{proof:?}");
        assert!(!world.there(&minted.0.login).await);

        for word in ["SELECT, INSERT", "ALL", "SELECT ON orders TO public; --", "CONNECT", ""] {
            let bad = grant(&[word], PostgresObject::Schema { name: schema() });
            world.add_role("hostile", PostgresRole { grants: vec![bad], ..PostgresRole::default() });
            let refused = world.connector.mint(&world.resource, &world.intent("hostile"), &secret()).await;
            assert!(matches!(refused, Err(ConnectorError::Misconfigured { .. })), "{word}: {refused:?}");
        }
        for name in ["role", "Session_Authorization", "session_preload_libraries"] {
            world.add_role("hostile", PostgresRole { settings: BTreeMap::from([(name.to_owned(), "x".to_owned())]), ..PostgresRole::default() });
            let refused = world.connector.mint(&world.resource, &world.intent("hostile"), &secret()).await;
            assert!(matches!(refused, Err(ConnectorError::Misconfigured { .. })), "{name}: {refused:?}");
        }
    }

    async fn a_grant_that_does_not_take_is_an_error(mut world) {
        let on = PostgresObject::Table { schema: "public".to_owned(), name: "orders".to_owned() };
        world.add_role("direct", PostgresRole { grants: vec![PostgresGrant { privileges: vec!["SELECT".to_owned()], on }], ..PostgresRole::default() });
        // Some right without the option to grant it on: PostgreSQL only warns.
        world.boss.batch_execute("GRANT INSERT ON orders TO ajar_admin").await.unwrap();
        let intent = world.intent("direct");
        let refused = world.connector.mint(&world.resource, &intent, &secret()).await;
        assert!(matches!(&refused, Err(ConnectorError::Refused { why, .. }) if why.contains("GRANT OPTION")), "{refused:?}");
        assert!(!world.there(&intent.login).await);
        world.boss.batch_execute("GRANT SELECT ON orders TO ajar_admin WITH GRANT OPTION").await.unwrap();
        let minted = world.minted("direct").await;
        world.sign_in(&minted).await.unwrap().query("SELECT * FROM orders", &[]).await.unwrap();
    }

    async fn connecting_is_granted_where_it_is_not_everybodys(world) {
        world.boss.batch_execute(&format!("REVOKE CONNECT ON DATABASE \"{0}\" FROM PUBLIC; GRANT CONNECT ON DATABASE \"{0}\" TO ajar_admin", world.database)).await.unwrap();
        let intent = world.intent("read");
        let refused = world.connector.mint(&world.resource, &intent, &secret()).await;
        assert!(matches!(&refused, Err(ConnectorError::Refused { why, .. }) if why.contains("CONNECT")), "{refused:?}");
        world.boss.batch_execute(&format!("GRANT CONNECT ON DATABASE \"{}\" TO ajar_admin WITH GRANT OPTION", world.database)).await.unwrap();
        let minted = world.minted("read").await;
        world.sign_in(&minted).await.unwrap();
        world.connector.revoke(&world.resource, &minted.0).await.unwrap();
    }

    /// They all change the same entry of the catalogue: the losers of each race try again.
    async fn many_logins_are_minted_and_revoked_at_once(mut world) {
        world.boss.batch_execute("GRANT SELECT ON orders TO ajar_admin WITH GRANT OPTION").await.unwrap();
        let on = PostgresObject::Table { schema: "public".to_owned(), name: "orders".to_owned() };
        world.add_role("direct", PostgresRole { grants: vec![PostgresGrant { privileges: vec!["SELECT".to_owned()], on }], ..PostgresRole::default() });
        let world = std::sync::Arc::new(world);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let world = world.clone();
            tasks.spawn(async move {
                let minted = world.minted("direct").await;
                world.connector.revoke(&world.resource, &minted.0).await.unwrap();
                assert!(!world.there(&minted.0.login).await);
            });
        }
        tasks.join_all().await;
    }

    async fn the_targets_certificate_must_be_of_the_named_authority(mut world) {
        world.target().tls = TargetTls::Verify { ca_file: "other.pem".to_owned() };
        let refused = world.connector.inspect(&world.resource).await;
        assert!(matches!(&refused, Err(ConnectorError::Unreachable { why, .. }) if why.contains("ertificate")), "{refused:?}");
        world.target().tls = TargetTls::Verify { ca_file: "ca.pem".to_owned() };
        world.target().host = "localhost".to_owned();
        assert!(world.connector.inspect(&world.resource).await.is_err(), "the certificate is for 127.0.0.1");
        world.target().host = "127.0.0.1".to_owned();
        world.target().tls = TargetTls::System;
        assert!(world.connector.inspect(&world.resource).await.is_err());
        for no_authority in ["absent.pem", "pw", "server.key"] {
            world.target().tls = TargetTls::Verify { ca_file: no_authority.to_owned() };
            let refused = world.connector.inspect(&world.resource).await;
            assert!(matches!(refused, Err(ConnectorError::Misconfigured { .. })), "{refused:?}");
        }
        world.target().tls = TargetTls::Off;
        world.connector.inspect(&world.resource).await.unwrap();
    }
}
