//! What a minted login can't do, whatever it writes: PostgreSQL's own permissions decide (P4).

use ajar_core::port::Connector as _;

use crate::on_both;
use crate::world::code;

on_both! {
    async fn p04_the_targets_own_permissions_decide(world) {
        let minted = world.minted("read").await;
        let other = world.minted("write").await;
        let login = &minted.0.login;
        let session = world.sign_in(&minted).await.unwrap();
        let n = world.number;
        for dodge in [
            "DO $$ BEGIN DELETE FROM orders; END $$".to_owned(),
            "DO $x$ BEGIN EXECUTE 'DEL' || 'ETE FROM orders'; END $x$".to_owned(),
            "/* SELECT */ DELETE FROM orders -- SELECT".to_owned(),
            "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone".to_owned(),
            "COPY orders TO PROGRAM 'id'".to_owned(),
            "COPY orders FROM PROGRAM 'id'".to_owned(),
            "COPY orders TO '/tmp/orders'".to_owned(),
            "SELECT pg_read_file('/etc/passwd')".to_owned(),
            "SELECT lo_import('/etc/passwd')".to_owned(),
            "SET ROLE postgres".to_owned(),
            "SET ROLE ajar_admin".to_owned(),
            format!("SET ROLE write_{n}"),
            format!("SET ROLE {}", other.0.login),
            "SELECT set_config('role', 'ajar_admin', false)".to_owned(),
            "SET SESSION AUTHORIZATION postgres".to_owned(),
            format!("SET SESSION AUTHORIZATION {}", other.0.login),
            "CREATE ROLE evil LOGIN".to_owned(),
            "CREATE DATABASE evil".to_owned(),
            format!("ALTER ROLE {login} VALID UNTIL 'infinity'"),
            format!("ALTER ROLE {login} CONNECTION LIMIT 1000"),
            format!("ALTER ROLE {login} CREATEROLE"),
            format!("ALTER ROLE {login} SUPERUSER"),
            format!("ALTER ROLE {} PASSWORD 'mine'", other.0.login),
            format!("GRANT read_{n} TO {}", other.0.login),
            format!("COMMENT ON ROLE {login} IS 'not Ajar''s'"),
            "SELECT rolpassword FROM pg_authid".to_owned(),
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'".to_owned(),
            "CREATE EXTENSION file_fdw".to_owned(),
            "CREATE SUBSCRIPTION s CONNECTION 'host=/tmp' PUBLICATION p".to_owned(),
            "SET client_encoding = 'SQL_ASCII'; DELETE FROM orders".to_owned(),
        ] {
            let outcome = code(session.batch_execute(&dodge).await);
            assert!(["42501", "0A000", "58P01"].contains(&outcome.as_str()), "{dodge}: {outcome}");
        }
        assert_eq!(world.count("SELECT count(*) FROM orders").await, 2);
        // Before 16 a member can become its group, which gives it nothing that it hasn't.
        let group = code(session.batch_execute(&format!("SET ROLE read_{n}")).await);
        assert_eq!(group, if world.server.major >= 16 { "42501" } else { "it worked" });
        // Whatever it calls itself, it is cut as who it is.
        let proof = world.connector.revoke(&world.resource, &minted.0).await.unwrap();
        assert_eq!(proof.terminated, 1, "{proof:?}");
        assert!(session.query("SELECT 1", &[]).await.is_err());
    }
}
