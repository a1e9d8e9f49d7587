//! The sample database: orders, with a role that reads, one that writes, and an account with which Ajar mints logins.

use crate::{Postgres, SampleError};

/// The database.
pub const DATABASE: &str = "orders";
/// The account that Ajar uses: it may make roles and give out these two, and isn't a superuser.
pub const ADMIN: &str = "ajar_admin";

const ROLES: &str = "
CREATE ROLE orders_read NOLOGIN;
CREATE ROLE orders_write NOLOGIN;
GRANT orders_read TO orders_write;
GRANT orders_read, orders_write, pg_signal_backend TO ajar_admin WITH ADMIN OPTION;
";

const TABLES: &str = "
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, city text NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES customers, placed timestamptz NOT NULL,
    status text NOT NULL DEFAULT 'open', cents int NOT NULL);
INSERT INTO customers SELECT i, 'Customer ' || i, (ARRAY['Bremen', 'Lyon', 'Porto', 'Gdansk', 'Oulu'])[1 + i % 5]
    FROM generate_series(1, 500) i;
INSERT INTO orders SELECT i, 1 + (i * 7919) % 500, timestamptz '2026-01-01' + i * interval '11 minutes',
    (ARRAY['open', 'paid', 'sent', 'stuck'])[1 + (i * 31) % 4], 100 + (i * 104729) % 90000 FROM generate_series(1, 5000) i;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO orders_read;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO orders_read;
GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO orders_write;
";

/// Makes database, roles and rows. `admin_password` is [`ADMIN`]'s.
///
/// # Errors
/// When the server refuses.
pub async fn seed(server: &Postgres, admin_password: &str) -> Result<(), SampleError> {
    let boss = server.connect("postgres").await?;
    let quoted = admin_password.replace('\'', "''");
    boss.batch_execute(&format!("CREATE ROLE {ADMIN} LOGIN CREATEROLE PASSWORD '{quoted}'; {ROLES}")).await?;
    boss.batch_execute(&format!("CREATE DATABASE {DATABASE}")).await?;
    boss.batch_execute(&format!(
        "REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC; GRANT CONNECT ON DATABASE {DATABASE} TO {ADMIN}, orders_read; \
         GRANT TEMPORARY ON DATABASE {DATABASE} TO orders_write"
    ))
    .await?;
    server.connect(DATABASE).await?.batch_execute(TABLES).await?;
    Ok(())
}
