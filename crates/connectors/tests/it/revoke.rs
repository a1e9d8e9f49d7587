//! How a login ends, in which order, and whatever goes wrong meanwhile.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ajar_connectors::{Step, Then};
use ajar_core::port::{Connector as _, ConnectorError, Probe};

use crate::on_both;
use crate::server::{PASSWORD, Server};
use crate::world::{World, code, secret};

on_both! {
    async fn i11_revoked_means_that_the_target_shows_nothing(world) {
        let minted = world.minted("write").await;
        let session = world.sign_in(&minted).await.unwrap();
        session.batch_execute("CREATE TABLE mine (x int); INSERT INTO mine VALUES (7); CREATE TEMP TABLE passing (x int)").await.unwrap();
        let proof = world.connector.revoke(&world.resource, &minted.0).await.unwrap();
        assert_eq!((proof.terminated, proof.owned), (1, 1), "{proof:?}");
        assert_eq!(proof.findings, ["owned table public.mine: handed to ajar_keeper"]);
        assert!(proof.asked.contains(&minted.0.login), "{proof:?}");
        assert!(proof.answer.starts_with("dropped: 0 roles, 0 memberships, 0 connections"), "{proof:?}");
        assert!(session.query("SELECT 1", &[]).await.is_err());
        assert_eq!(world.count("SELECT x::int8 FROM mine").await, 7, "what it made still works");
        assert!(!world.there(&minted.0.login).await);
    }

    async fn i11_a_login_that_is_not_there_is_revoked(world) {
        let proof = world.connector.revoke(&world.resource, &world.intent("read")).await.unwrap();
        assert!(proof.answer.starts_with("not there when asked: 0 roles"), "{proof:?}");
    }

    async fn r01_an_unknown_login_is_removed_and_nobody_elses(world) {
        let (intent, _) = world.minted("read").await;
        for other in ["postgres", "ajar_admin", "ajar_keeper", &format!("read_{}", world.number), "ajar_x\"; DROP ROLE postgres; --"] {
            let refused = world.connector.remove_unknown(&world.resource, other).await;
            assert!(matches!(refused, Err(ConnectorError::Misconfigured { .. })), "{other}: {refused:?}");
        }
        world.connector.remove_unknown(&world.resource, &intent.login).await.unwrap();
        assert!(!world.there(&intent.login).await);
    }

    async fn r03_a_login_is_disabled_before_its_connections_are_cut(world) {
        let minted = world.minted("read").await;
        let live = world.sign_in(&minted).await.unwrap();
        // Signs in again and again while the login is being revoked.
        let (stop, signed_in) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut loops = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let (stop, signed_in, minted, database) = (stop.clone(), signed_in.clone(), minted.clone(), world.database.clone());
            let server = world.server;
            loops.spawn(async move {
                let mut held = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    if let Ok(client) = server.connect(&minted.0.login, minted.1.password.expose(), &database).await {
                        signed_in.fetch_add(1, Ordering::SeqCst);
                        held.push(client);
                    }
                }
                held
            });
        }
        while signed_in.load(Ordering::SeqCst) < 5 {
            tokio::task::yield_now().await;
        }
        let order = Arc::new(Mutex::new(Vec::new()));
        let seen = order.clone();
        let hooked = world.hooked(Arc::new(move |step| {
            seen.lock().unwrap().push(step);
            Then::Go
        }));
        let proof = hooked.revoke(&world.resource, &minted.0).await.unwrap();
        assert_eq!(*order.lock().unwrap(), Step::ALL);
        assert!(proof.terminated >= 6, "{proof:?}");
        stop.store(true, Ordering::SeqCst);
        for held in loops.join_all().await {
            for client in held {
                assert!(client.query("SELECT 1", &[]).await.is_err(), "a connection outlived the login");
            }
        }
        assert!(live.query("SELECT 1", &[]).await.is_err());
        assert_eq!(code(world.sign_in(&minted).await), "28P01");
    }

    async fn r03_a_disabled_login_is_shut_out_while_it_still_has_a_connection(world) {
        let minted = world.minted("read").await;
        let live = world.sign_in(&minted).await.unwrap();
        let hooked = world.hooked(Arc::new(|step| if step == Step::Disable { Then::Fail } else { Then::Go }));
        assert!(hooked.revoke(&world.resource, &minted.0).await.is_err());
        live.query("SELECT * FROM orders", &[]).await.unwrap();
        assert_eq!(code(world.sign_in(&minted).await), "28P01");
        hooked.inspect(&world.resource).await.unwrap();
    }

    /// With a superuser for the administrative account, nothing but the question keeps it off others.
    async fn r03_only_its_own_connections_are_cut(mut world) {
        world.target().admin_user = "postgres".to_owned();
        let (mine, other) = (world.minted("read").await, world.minted("read").await);
        let (_live, others) = (world.sign_in(&mine).await.unwrap(), world.sign_in(&other).await.unwrap());
        let proof = world.connector.revoke(&world.resource, &mine.0).await.unwrap();
        assert_eq!(proof.terminated, 1, "{proof:?}");
        others.query("SELECT * FROM orders", &[]).await.unwrap();
        world.count("SELECT count(*) FROM orders").await;
    }

    async fn r09_a_login_that_still_shows_is_not_revoked(world) {
        let minted = world.minted("read").await;
        let (login, port) = (minted.0.login.clone(), world.server.port);
        // Somebody makes it again in the moment after it was dropped.
        let again = Arc::new(AtomicBool::new(true));
        let hooked = world.hooked(Arc::new(move |step| {
            if step == Step::Drop && again.swap(false, Ordering::SeqCst) {
                let login = login.clone();
                let made = std::thread::spawn(move || {
                    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async move {
                        let mut config = tokio_postgres::Config::new();
                        config.host("127.0.0.1").port(port).user("postgres").password(PASSWORD).dbname("postgres");
                        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
                        let mut driver = tokio::task::JoinSet::new();
                        driver.spawn(connection);
                        client.batch_execute(&format!("CREATE ROLE {login} LOGIN; GRANT {login} TO ajar_admin WITH ADMIN OPTION")).await.unwrap();
                    });
                });
                made.join().unwrap();
            }
            Then::Go
        }));
        let still = hooked.revoke(&world.resource, &minted.0).await;
        assert!(matches!(&still, Err(ConnectorError::StillThere { login, .. }) if *login == minted.0.login), "{still:?}");
        assert!(world.there(&minted.0.login).await);
        hooked.revoke(&world.resource, &minted.0).await.unwrap();
        assert!(!world.there(&minted.0.login).await);
    }

    async fn i11_each_step_may_be_repeated_and_may_be_the_last(world) {
        for (step, then) in Step::ALL.into_iter().flat_map(|step| [(step, Then::Again), (step, Then::Fail)]) {
            let minted = world.minted("write").await;
            let session = world.sign_in(&minted).await.unwrap();
            let table = format!("\"{step:?} {then:?}\"");
            session.batch_execute(&format!("CREATE TABLE {table} (x int)")).await.unwrap();
            session.batch_execute(&format!("BEGIN; CREATE TABLE other (x int); PREPARE TRANSACTION '{} {step:?} {then:?}'", world.number)).await.unwrap();
            let once = Arc::new(AtomicBool::new(true));
            let fired = once.clone();
            let hooked = world.hooked(Arc::new(move |now| if now == step && once.swap(false, Ordering::SeqCst) { then } else { Then::Go }));
            let first = hooked.revoke(&world.resource, &minted.0).await;
            assert!(!fired.load(Ordering::SeqCst), "the fault happened");
            let proof = match then {
                Then::Fail => {
                    assert!(matches!(first, Err(ConnectorError::Unreachable { .. })), "{step:?}: {first:?}");
                    hooked.revoke(&world.resource, &minted.0).await.unwrap()
                }
                Then::Go | Then::Again => first.unwrap(),
            };
            assert!(!world.there(&minted.0.login).await, "{step:?} {then:?}");
            assert!(session.query("SELECT 1", &[]).await.is_err());
            assert_eq!((proof.terminated, proof.owned), (1, 1), "{step:?} {then:?}: what the first try did is told: {proof:?}");
            assert!(proof.findings.iter().any(|f| f.contains("prepared transaction")), "{step:?} {then:?}: {proof:?}");
            assert_eq!(world.count(&format!("SELECT count(*) FROM {table}")).await, 0);
        }
    }

    async fn i13_an_owner_of_the_database_cannot_hinder_the_end(world) {
        let minted = world.minted("write").await;
        let session = world.sign_in(&minted).await.unwrap();
        // Were one of these called, or one of the settings followed, the login would stay.
        session.batch_execute("
            CREATE TABLE public.pg_roles (rolname text, oid oid); CREATE TABLE public.pg_stat_activity (usesysid oid, usename name, pid int);
            CREATE FUNCTION public.pg_terminate_backend(int) RETURNS bool LANGUAGE sql AS 'SELECT true'
        ").await.unwrap();
        world.boss.batch_execute(&format!(
            "ALTER DATABASE \"{0}\" SET default_transaction_read_only = on; ALTER DATABASE \"{0}\" SET search_path = public, pg_catalog;
             ALTER DATABASE \"{0}\" SET statement_timeout = 1; ALTER DATABASE \"{0}\" SET standard_conforming_strings = off;
             ALTER DATABASE \"{0}\" SET role = 'read_{1}'", world.database, world.number
        )).await.unwrap();
        let proof = world.connector.revoke(&world.resource, &minted.0).await.unwrap();
        assert_eq!((proof.terminated, proof.owned), (1, 3), "{proof:?}");
        assert!(!world.there(&minted.0.login).await);
        world.minted("read").await;
    }
}

#[tokio::test]
async fn r02_a_target_that_is_down_is_unreachable_and_revoked_when_it_is_back() {
    let mut server = Server::start(15, "scram-sha-256").await;
    let (resource, minted, intent) = {
        let world = World::in_server(&server).await;
        let minted = world.minted("read").await;
        (world.resource.clone(), minted.0, world.intent("read"))
    };
    let connector = crate::world::connector(&server);
    server.stop();
    for outcome in [
        connector.revoke(&resource, &minted).await.map(|_| ()),
        connector.mint(&resource, &intent, &secret()).await,
        connector.inspect(&resource).await.map(|_| ()),
    ] {
        assert!(matches!(outcome, Err(ConnectorError::Unreachable { .. })), "{outcome:?}");
    }
    let findings = connector.probe(&resource).await.unwrap();
    assert!(findings.iter().any(|f| f.severity == ajar_core::port::Severity::Bad), "{findings:?}");
    server.run().await;
    let proof = connector.revoke(&resource, &minted).await.unwrap();
    assert!(proof.answer.starts_with("dropped"), "{proof:?}");
}

#[tokio::test]
async fn r02_a_target_that_never_answers_is_unreachable() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut world = World::on(15).await;
    let intent = world.intent("read");
    world.target().port = silent.local_addr().unwrap().port();
    let connector = crate::world::connector_with(world.server, |timeouts| timeouts.connect = Duration::from_millis(200));
    let outcome = connector.revoke(&world.resource, &intent).await;
    assert!(matches!(&outcome, Err(ConnectorError::Unreachable { why, .. }) if why.contains("no answer")), "{outcome:?}");
}

#[tokio::test]
async fn i13_connections_are_cut_even_where_the_login_cannot_be_disabled() {
    let server = Server::start(18, "scram-sha-256").await;
    let world = World::in_server(&server).await;
    let minted = world.minted("read").await;
    let session = world.sign_in(&minted).await.unwrap();
    let login = &minted.0.login;
    world.boss.batch_execute(&format!("REVOKE {login} FROM ajar_admin; GRANT pg_signal_backend TO ajar_admin")).await.unwrap();
    let refused = world.connector.revoke(&world.resource, &minted.0).await;
    assert!(matches!(&refused, Err(ConnectorError::Refused { step: "disable the login", .. })), "{refused:?}");
    assert!(session.query("SELECT 1", &[]).await.is_err());
    world.boss.batch_execute(&format!("GRANT {login} TO ajar_admin WITH ADMIN OPTION")).await.unwrap();
    let proof = world.connector.revoke(&world.resource, &minted.0).await.unwrap();
    assert_eq!(proof.terminated, 1, "{proof:?}");
}
