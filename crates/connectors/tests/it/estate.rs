//! What a login leaves behind.

use ajar_core::port::{Connector as _, ConnectorError};

use crate::on_both;
use crate::server::{PASSWORD, Server};
use crate::world::{World, code};

const HOSTILE: &str = "a\"\"; DROP ROLE ajar_admin; -- ünï\u{202e}'\\";

on_both! {
    async fn r04_what_it_owns_is_handed_over_in_every_database(world) {
        let elsewhere = format!("else\"\"where'; -- {}", world.number);
        world.boss.batch_execute(&format!("CREATE DATABASE \"{elsewhere}\"")).await.unwrap();
        world.boss.batch_execute(&format!("GRANT CREATE ON DATABASE \"{elsewhere}\" TO write_{}", world.number)).await.unwrap();
        let minted = world.minted("write").await;
        let here = world.sign_in(&minted).await.unwrap();
        here.batch_execute(&format!("
            CREATE SCHEMA \"{HOSTILE}\"; CREATE TABLE \"{HOSTILE}\".\"{HOSTILE}\" (id serial PRIMARY KEY, x text); INSERT INTO \"{HOSTILE}\".\"{HOSTILE}\" (x) VALUES ('kept');
            CREATE VIEW \"{HOSTILE} view\" AS SELECT * FROM \"{HOSTILE}\".\"{HOSTILE}\"; CREATE TYPE \"{HOSTILE} type\" AS ENUM ('a');
            CREATE FUNCTION \"{HOSTILE}\"() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE SEQUENCE \"{HOSTILE} seq\"; CREATE DOMAIN dom AS int;
            CREATE MATERIALIZED VIEW mat AS SELECT 1 AS x; CREATE PROCEDURE proc() LANGUAGE sql AS 'SELECT 1'; CREATE AGGREGATE agg(int) (SFUNC = int4pl, STYPE = int);
            CREATE OPERATOR ### (FUNCTION = int4pl, LEFTARG = int, RIGHTARG = int); CREATE COLLATION coll (LOCALE = 'C');
            CREATE TEXT SEARCH CONFIGURATION conf (COPY = simple); CREATE STATISTICS stat ON id, x FROM \"{HOSTILE}\".\"{HOSTILE}\"; SELECT lo_create(0);
            CREATE PUBLICATION pub_{0} FOR TABLE \"{HOSTILE}\".\"{HOSTILE}\"; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
            GRANT SELECT ON \"{HOSTILE}\".\"{HOSTILE}\" TO read_{0}", world.number)).await.unwrap();
        let there = world.server.connect(&minted.0.login, minted.1.password.expose(), &elsewhere.replace("\"\"", "\"")).await.unwrap();
        there.batch_execute(&format!("CREATE SCHEMA mine; CREATE TABLE mine.\"{HOSTILE}\" (x int)")).await.unwrap();
        let proof = world.connector.revoke(&world.resource, &minted.0).await.unwrap();
        assert_eq!(proof.terminated, 2, "{proof:#?}");
        assert!(proof.owned >= 18 && proof.findings.len() >= 18, "{proof:#?}");
        assert!(proof.findings.iter().any(|f| f.contains("in database else\"where'; --") && f.contains("mine.")), "{proof:#?}");
        assert!(proof.findings.iter().all(|f| !f.contains('\u{202e}')), "{proof:#?}");
        assert!(!world.there(&minted.0.login).await && world.there("ajar_admin").await);
        assert_eq!(world.count(&format!("SELECT count(*) FROM \"{HOSTILE} view\" WHERE x = 'kept'")).await, 1);
        let keepers = "SELECT count(*) FROM pg_class WHERE relowner = 'ajar_keeper'::regrole";
        assert!(world.count(keepers).await >= 5);
        let elsewhere = world.server.connect("postgres", PASSWORD, &elsewhere.replace("\"\"", "\"")).await.unwrap();
        assert_eq!(elsewhere.query_one(keepers, &[]).await.unwrap().get::<_, i64>(0), 1);
    }

    async fn r05_code_left_behind_runs_with_no_rights(world) {
        let minted = world.minted("write").await;
        let session = world.sign_in(&minted).await.unwrap();
        session.batch_execute("
            CREATE FUNCTION steal() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM public.orders; SELECT count(*) FROM public.orders';
            CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
            CREATE TRIGGER watch BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION spy()").await.unwrap();
        let proof = world.connector.revoke(&world.resource, &minted.0).await.unwrap();
        assert!(proof.findings.iter().any(|f| f.starts_with("its trigger watch on public.orders, somebody else's table")), "{proof:#?}");
        assert!(proof.findings.iter().any(|f| f.starts_with("its SECURITY DEFINER function public.steal()")), "{proof:#?}");
        let anybody = world.minted("read").await;
        assert_eq!(code(world.sign_in(&anybody).await.unwrap().query("SELECT steal()", &[]).await), "42501");
        assert_eq!(world.count("SELECT count(*) FROM orders").await, 2);
        assert_eq!(world.count("SELECT count(*) FROM pg_auth_members WHERE member = 'ajar_keeper'::regrole").await, 0);
    }

    async fn r05_logins_that_it_made_are_found(world) {
        let minted = world.minted("read").await;
        let evil = format!("evil_{}", world.number);
        world.boss.batch_execute(&format!("ALTER ROLE {} CREATEROLE", minted.0.login)).await.unwrap();
        world.sign_in(&minted).await.unwrap().batch_execute(&format!("CREATE ROLE {evil} LOGIN PASSWORD '{PASSWORD}'")).await.unwrap();
        let live = world.server.connect(&evil, PASSWORD, &world.database).await.unwrap();
        let proof = world.connector.revoke(&world.resource, &minted.0).await.unwrap();
        if world.server.major >= 16 {
            assert!(proof.findings.contains(&format!("it made role {evil}: it can't sign in any more; drop it")), "{proof:#?}");
            assert!(live.query("SELECT 1", &[]).await.is_err());
            assert!(world.server.connect(&evil, PASSWORD, &world.database).await.is_err());
        } else {
            // Nothing there says who made it, and so it is only told.
            assert!(proof.findings.contains(&format!("role {evil} appeared while the login was there: see who made it")), "{proof:#?}");
        }
        world.boss.batch_execute(&format!("DROP ROLE {evil}")).await.unwrap();
    }

    async fn r05_memberships_that_it_handed_on_are_taken_back(world) {
        let minted = world.minted("read").await;
        let (login, friend, group) = (&minted.0.login, format!("Fri\"\"end {}", world.number), format!("write_{}", world.number));
        world.boss.batch_execute(&format!("CREATE ROLE \"{friend}\" LOGIN; GRANT {group} TO {login} WITH ADMIN OPTION")).await.unwrap();
        let session = world.sign_in(&minted).await.unwrap();
        session.batch_execute(&format!("GRANT {group} TO \"{friend}\"")).await.unwrap();
        world.boss.batch_execute(&format!("GRANT {login} TO \"{friend}\"")).await.unwrap();
        let proof = world.connector.revoke(&world.resource, &minted.0).await.unwrap();
        assert!(proof.findings.iter().any(|f| f.starts_with("it made ") && f.ends_with(": taken back")), "{proof:#?}");
        assert!(proof.findings.iter().any(|f| f.ends_with("had been made a member of it: ends with it")), "{proof:#?}");
        assert!(!proof.findings.iter().any(|f| f.starts_with("it made role")), "{proof:#?}");
        assert_eq!(world.count(&format!("SELECT count(*) FROM pg_auth_members WHERE member = (SELECT oid FROM pg_roles WHERE rolname LIKE 'Fri%end {}')", world.number)).await, 0);
        world.boss.batch_execute(&format!("DROP ROLE \"{friend}\"")).await.unwrap();
    }

    async fn r04_a_database_that_the_admin_cannot_reach_is_named(world) {
        let shut = format!("shut_{}", world.number);
        world.boss.batch_execute(&format!("CREATE DATABASE {shut}")).await.unwrap();
        world.boss.batch_execute(&format!("GRANT CREATE ON DATABASE {shut} TO write_{}", world.number)).await.unwrap();
        let minted = world.minted("write").await;
        let there = world.server.connect(&minted.0.login, minted.1.password.expose(), &shut).await.unwrap();
        there.batch_execute("CREATE SCHEMA mine").await.unwrap();
        world.boss.batch_execute(&format!("REVOKE CONNECT ON DATABASE {shut} FROM PUBLIC")).await.unwrap();
        let refused = world.connector.revoke(&world.resource, &minted.0).await;
        assert!(matches!(&refused, Err(ConnectorError::Refused { why, .. }) if why.contains(&shut)), "{refused:?}");
        assert!(there.query("SELECT 1", &[]).await.is_err(), "it is cut all the same");
        assert_eq!(code(world.sign_in(&minted).await), "28P01", "and shut out");
        world.boss.batch_execute(&format!("GRANT CONNECT ON DATABASE {shut} TO ajar_admin")).await.unwrap();
        world.connector.revoke(&world.resource, &minted.0).await.unwrap();
        assert!(!world.there(&minted.0.login).await);
    }

    async fn i13_a_lock_on_what_it_owns_delays_only_the_handing_over(world) {
        let minted = world.minted("write").await;
        let session = world.sign_in(&minted).await.unwrap();
        session.batch_execute("CREATE TABLE mine (x int)").await.unwrap();
        world.boss.batch_execute("BEGIN; LOCK TABLE mine").await.unwrap();
        let refused = world.connector.revoke(&world.resource, &minted.0).await;
        assert!(matches!(&refused, Err(ConnectorError::Refused { why, .. }) if why.contains("55P03")), "{refused:?}");
        assert!(session.query("SELECT 1", &[]).await.is_err());
        assert_eq!(code(world.sign_in(&minted).await), "28P01");
        world.boss.batch_execute("ROLLBACK").await.unwrap();
        let proof = world.connector.revoke(&world.resource, &minted.0).await.unwrap();
        assert_eq!((proof.terminated, proof.owned), (1, 1), "{proof:?}");
    }
}

#[tokio::test]
async fn r05_a_keeper_that_is_somebody_keeps_nothing() {
    let server = Server::start(15, "scram-sha-256").await;
    let world = World::in_server(&server).await;
    let minted = world.minted("write").await;
    world.sign_in(&minted).await.unwrap().batch_execute("CREATE TABLE mine (x int)").await.unwrap();
    world.boss.batch_execute("CREATE ROLE ajar_keeper LOGIN").await.unwrap();
    let refused = world.connector.revoke(&world.resource, &minted.0).await;
    assert!(matches!(&refused, Err(ConnectorError::Refused { why, .. }) if why.contains("must be nobody")), "{refused:?}");
    world.boss.batch_execute("ALTER ROLE ajar_keeper NOLOGIN").await.unwrap();
    world.connector.revoke(&world.resource, &minted.0).await.unwrap();
}

#[tokio::test]
async fn r05_background_jobs_are_taken_off_the_schedule() {
    let control = std::path::Path::new("/usr/share/postgresql/15/extension/pg_cron.control");
    assert!(control.exists(), "pg_cron isn't there: install Debian's postgresql-15-cron");
    let server = Server::start_with(15, "scram-sha-256", "shared_preload_libraries = 'pg_cron'\n").await;
    let world = World::in_server(&server).await;
    let boss = server.connect("postgres", PASSWORD, "postgres").await.unwrap();
    boss.batch_execute(&format!(
        "CREATE EXTENSION pg_cron; GRANT USAGE ON SCHEMA cron TO write_{}; SELECT cron.schedule('@daily', 'SELECT 1')",
        world.number
    ))
    .await
    .unwrap();
    let minted = world.minted("write").await;
    let session = server.connect(&minted.0.login, minted.1.password.expose(), "postgres").await.unwrap();
    session.query("SELECT cron.schedule('*/5 * * * *', 'DELETE FROM orders')", &[]).await.unwrap();
    let proof = world.connector.revoke(&world.resource, &minted.0).await.unwrap();
    assert!(proof.findings.iter().any(|f| f.contains("of pg_cron") && f.ends_with("DELETE FROM orders")), "{proof:#?}");
    let left: i64 = boss.query_one("SELECT count(*) FROM cron.job", &[]).await.unwrap().get(0);
    assert_eq!(left, 1, "the superuser's own job stays");
    let reader = world.minted("read").await;
    world.connector.revoke(&world.resource, &reader.0).await.unwrap();
}

on_both! {
    /// A schema of that name that a user made is none of ours to look into.
    async fn r05_a_false_pg_cron_is_left_alone(world) {
        let minted = world.minted("write").await;
        let session = world.sign_in(&minted).await.unwrap();
        session.batch_execute("
            CREATE SCHEMA cron; CREATE FUNCTION cron.trap() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RESET ROLE; CREATE ROLE trapped; RETURN 1; END';
            CREATE VIEW cron.job AS SELECT cron.trap() AS jobid, current_user::text AS username, ''::text AS schedule, ''::text AS command").await.unwrap();
        world.boss.batch_execute(&format!("ALTER DATABASE \"{0}\" SET cron.database_name = '{0}'", world.database)).await.unwrap();
        world.connector.revoke(&world.resource, &minted.0).await.unwrap();
        assert!(!world.there("trapped").await);
    }
}
