//! Stock clients, unmodified, through the gateway, on PostgreSQL 15 and 18.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::stage::{Kept, Stage};
use crate::wire::{Wire, message, tls};

/// A path that `cargo xtask test` gives; without it, a test fails with what to do.
fn given(name: &str) -> PathBuf {
    std::env::var_os(name)
        .map(PathBuf::from)
        .unwrap_or_else(|| panic!("{name} is not set: `cargo xtask test` installs what it needs and sets it"))
}

/// Runs a client; its output, which is shown when it fails.
fn run(command: &mut Command) -> String {
    let out = command.stdin(Stdio::null()).output().unwrap();
    let (text, err) = (String::from_utf8_lossy(&out.stdout).into_owned(), String::from_utf8_lossy(&out.stderr).into_owned());
    assert!(out.status.success(), "{command:?}\n{text}\n{err}");
    text
}

const PSYCOPG: &str = r#"
import psycopg, os
with psycopg.connect(application_name="psycopg", autocommit=True) as c:
    assert c.execute("select count(*) from orders").fetchone() == (5000,)
    assert c.execute("select %s::text, %s::int8", ("ä€😀", 2**60)).fetchone() == ("ä€😀", 2**60)
    with c.transaction():
        c.execute("create temp table t (i int, b bytea)")
        with c.cursor().copy("copy t from stdin") as copy:
            for i in range(20000):
                copy.write_row((i, b"x" * (i % 100)))
    assert c.execute("select count(*), sum(length(b)) from t").fetchone() == (20000, 990000)
    with c.cursor().copy("copy t to stdout") as copy:
        assert sum(1 for row in copy.rows()) == 20000
    with c.pipeline():
        cursors = [c.execute("select %s::int", (i,)) for i in range(500)]
        assert [x.fetchone()[0] for x in cursors] == list(range(500))
    try:
        c.execute("select 1/0")
    except psycopg.errors.DivisionByZero:
        pass
    big = c.execute("select repeat('y', 50000000)").fetchone()[0]
    assert len(big) == 50000000
    with c.cursor(name="portal") if False else c.cursor() as cur:
        rows = 0
        for row in cur.stream("select generate_series(1, 30000)"):
            rows += 1
        assert rows == 30000
    with psycopg.connect(autocommit=True) as other:
        other.execute("listen news")
        c.execute("notify news, 'hello'")
        for n in other.notifies(timeout=10, stop_after=1):
            assert n.payload == "hello"
with psycopg.connect() as c:
    import threading
    threading.Timer(0.5, c.cancel).start()
    try:
        c.execute("select pg_sleep(30)")
        assert False
    except psycopg.errors.QueryCanceled:
        pass
print("good")
"#;

const ASYNCPG: &str = r#"
import asyncio, asyncpg, os, ssl
async def main():
    context = ssl.create_default_context(cafile=os.environ["PGSSLROOTCERT"])
    c = await asyncpg.connect(host="localhost", ssl=context)
    assert await c.fetchval("select count(*) from orders") == 5000
    assert await c.fetchval("select $1::jsonb ->> 'a'", '{"a": "b"}') == "b"
    s = await c.prepare("select $1::int * 2")
    for i in range(300):
        assert await s.fetchval(i) == 2 * i
    async with c.transaction():
        rows = [r async for r in c.cursor("select generate_series(1, 5000) i")]
        assert len(rows) == 5000
    await c.execute("create temp table t (i int, s text)")
    await c.copy_records_to_table("t", records=[(i, "s" * 10) for i in range(10000)])
    assert await c.fetchval("select count(*) from t") == 10000
    await c.executemany("insert into t values ($1, $2)", [(i, "x") for i in range(1000)])
    try:
        await c.execute("select pg_sleep(30)", timeout=0.5)
        assert False
    except asyncio.TimeoutError:
        pass
    assert await c.fetchval("select count(*) from t") == 11000
    got = asyncio.Queue()
    await c.add_listener("news", lambda *a: got.put_nowait(a[3]))
    await c.execute("notify news, 'hello'")
    assert await asyncio.wait_for(got.get(), 10) == "hello"
    await c.close()
asyncio.run(main())
print("good")
"#;

const NODE: &str = r#"
const fs = require('fs');
const { Client, Pool } = require('pg');
const ssl = { ca: fs.readFileSync(process.env.PGSSLROOTCERT), rejectUnauthorized: true };
const host = 'localhost';
(async () => {
  const c = new Client({ ssl, host });
  await c.connect();
  if ((await c.query('select count(*)::int n from orders')).rows[0].n !== 5000) throw new Error('count');
  for (let i = 0; i < 200; i++) {
    const r = await c.query({ name: 'twice', text: 'select $1::int * 2 as n', values: [i] });
    if (r.rows[0].n !== 2 * i) throw new Error('prepared');
  }
  try { await c.query('select 1/0'); throw new Error('no error'); } catch (e) { if (e.code !== '22012') throw e; }
  const [a, b] = await c.query('select 1 as x; select 2 as x');
  if (a.rows[0].x + b.rows[0].x !== 3) throw new Error('several');
  await c.end();
  const pool = new Pool({ ssl, host, max: 5 });
  const all = await Promise.all(Array.from({ length: 50 }, (_, i) => pool.query('select $1::int as n', [i])));
  if (all.some((r, i) => r.rows[0].n !== i)) throw new Error('pool');
  await pool.end();
  console.log('good');
})().catch(e => { console.error(e); process.exit(1); });
"#;

const JAVA: &str = r#"
import java.sql.*;
public class T {
  public static void main(String[] a) throws Exception {
    var p = new java.util.Properties();
    p.put("user", System.getenv("PGUSER")); p.put("password", System.getenv("PGPASSWORD"));
    p.put("sslmode", "verify-full"); p.put("sslrootcert", System.getenv("PGSSLROOTCERT")); p.put("prepareThreshold", "2");
    var url = "jdbc:postgresql://localhost:" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE");
    try (var c = DriverManager.getConnection(url, p)) {
      try (var s = c.createStatement(); var r = s.executeQuery("select count(*) from orders")) { r.next(); if (r.getInt(1) != 5000) throw new Exception("count"); }
      try (var s = c.prepareStatement("select ?::int * 2")) {
        for (int i = 0; i < 100; i++) { s.setInt(1, i); try (var r = s.executeQuery()) { r.next(); if (r.getInt(1) != 2 * i) throw new Exception("prepared"); } }
      }
      c.setAutoCommit(false);
      try (var s = c.createStatement()) {
        s.execute("create temp table t (i int)");
        s.setFetchSize(100); int n = 0;
        try (var r = s.executeQuery("select generate_series(1, 1234)")) { while (r.next()) n++; }
        if (n != 1234) throw new Exception("portal");
      }
      try (var s = c.prepareStatement("insert into t values (?)")) { for (int i = 0; i < 5000; i++) { s.setInt(1, i); s.addBatch(); } s.executeBatch(); }
      var copy = new org.postgresql.copy.CopyManager(c.unwrap(org.postgresql.core.BaseConnection.class));
      if (copy.copyIn("copy t from stdin", new java.io.StringReader("1\n2\n3\n")) != 3) throw new Exception("copy");
      c.commit();
      try (var s = c.createStatement()) {
        var t = new Thread(() -> { try { Thread.sleep(500); s.cancel(); } catch (Exception e) { } });
        t.start();
        try { s.execute("select pg_sleep(30)"); throw new Exception("not cancelled"); } catch (SQLException e) { if (!"57014".equals(e.getSQLState())) throw e; }
      }
    }
    System.out.println("good");
  }
}
"#;

async fn every_client(major: u32) {
    let stage = Stage::on(major).await;
    let environment = stage.libpq("dev", "quick-db");
    let dress = |program: &Path| {
        let mut command = Command::new(program);
        command.envs(&environment);
        command
    };
    let script = |name: &str, text: &str| {
        let path = stage.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };

    let python = given("AJAR_TEST_PYTHON");
    for (name, text) in [("psycopg.py", PSYCOPG), ("asyncpg.py", ASYNCPG)] {
        // A module's own name must not be shadowed by the script's.
        assert_eq!(run(dress(&python).arg(script(&format!("use_{name}"), text))), "good\n", "{name}");
    }
    let node = run(dress(Path::new("node")).env("NODE_PATH", given("AJAR_TEST_NODE_PATH")).arg(script("use.js", NODE)));
    assert_eq!(node, "good\n");
    let java = run(dress(Path::new("java")).arg("-cp").arg(given("AJAR_TEST_JDBC")).arg(script("T.java", JAVA)));
    assert_eq!(java, "good\n");

    // psql: several statements, variables, \copy both ways, errors in a script, a large object.
    let file = stage.folder().join("rows.csv");
    let sql = format!(
        "\\set ON_ERROR_STOP on\n\\copy (select * from orders) to '{0}' csv\ncreate temp table o (like orders);\n\\copy o from '{0}' csv\n\
         select count(*) from o;\n\\lo_import '{0}'\nselect 1 \\; select 2;\n",
        file.display()
    );
    let out = run(dress(Path::new("psql")).args(["-X", "-q", "-A", "-t", "-f"]).arg(script("script.sql", &sql)));
    assert!(out.contains("5000\n") && out.ends_with("1\n2\n"), "{out}");

    // pgbench in its three ways of asking, and reconnecting each time.
    let bench = script("bench.sql", "\\set i random(1, 5000)\nselect status from orders where id = :i;\n");
    for mode in ["simple", "extended", "prepared"] {
        let out = run(dress(Path::new("pgbench")).args(["-n", "-c", "8", "-j", "2", "-t", "200", "-M", mode, "-f"]).arg(&bench));
        assert!(out.contains("number of transactions actually processed: 1600/1600"), "{mode}: {out}");
    }
    let out = run(dress(Path::new("pgbench")).args(["-n", "-C", "-c", "4", "-t", "20", "-f"]).arg(&bench));
    assert!(out.contains("80/80"), "{out}");

    // pg_dump through the gateway, restored straight into another database: what came is what was there.
    if major == 15 {
        dumped(&stage, &dress).await;
    }

    tokio_postgres_client(&stage).await;
    messages(&stage);

    // Every statement of all that is on record, none is missing.
    let out = stage.ajar("auditor", &["sessions", "--all", "--limit", "500", "-o", "json"]).1;
    let sessions: serde_json::Value = serde_json::from_str(&out).unwrap();
    let recorded: u64 = sessions.as_array().unwrap().iter().filter_map(|s| s["entries"].as_u64()).sum();
    assert!(recorded > 1_600 * 3 + 80 + 500 + 300 + 200, "{recorded}");
    for session in sessions.as_array().unwrap() {
        assert_ne!(session["ended_because"], "violation", "{session}");
    }
}

async fn dumped(stage: &Stage, dress: &dyn Fn(&Path) -> Command) {
    let dump = stage.folder().join("dump");
    run(dress(Path::new("pg_dump")).args(["-Fc", "--no-owner", "--no-privileges", "-t", "orders", "-t", "customers", "-f"]).arg(&dump));
    stage.target.connect("postgres").await.unwrap().batch_execute("create database copy").await.unwrap();
    run(Command::new("pg_restore").args(["--no-owner", "-d", &stage.target.superuser("copy")]).arg(&dump));
    let sum = "select md5(string_agg(o::text, '' order by id)) from orders o";
    let of = async |database: &str| -> String { stage.target.connect(database).await.unwrap().query_one(sum, &[]).await.unwrap().get(0) };
    assert_eq!(of("copy").await, of("orders").await);
}

/// tokio-postgres, over TLS that begins at once.
async fn tokio_postgres_client(stage: &Stage) {
    let tcp = tokio::net::TcpStream::connect(("127.0.0.1", stage.gateway())).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(tls(stage, &[b"postgresql"]));
    let stream = connector.connect("localhost".try_into().unwrap(), tcp).await.unwrap();
    let mut config = tokio_postgres::Config::new();
    config.user("dev").password(stage.token("dev")).dbname("quick-db").ssl_mode(tokio_postgres::config::SslMode::Disable);
    let (client, connection) = config.connect_raw(stream, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::task::JoinSet::from_iter([connection]);
    let twice = client.prepare("select $1::int4 * 2").await.unwrap();
    let all = (0..500).map(|i| {
        let (client, twice) = (&client, &twice);
        async move { client.query_one(twice, &[&i]).await.unwrap().get::<_, i32>(0) }
    });
    assert_eq!(futures::future::join_all(all).await, (0..500).map(|i| 2 * i).collect::<Vec<_>>());
    client.batch_execute("create temp table t (s text)").await.unwrap();
    let sink = client.copy_in("copy t from stdin").await.unwrap();
    let mut sink = std::pin::pin!(sink);
    for _ in 0..1_000 {
        futures::SinkExt::send(&mut sink, std::io::Cursor::new(b"row\n".repeat(100))).await.unwrap();
    }
    assert_eq!(sink.finish().await.unwrap(), 100_000);
    let out = client.copy_out("copy t to stdout").await.unwrap();
    let bytes = futures::TryStreamExt::try_fold(out, 0, |n, chunk| async move { Ok(n + chunk.len()) }).await.unwrap();
    assert_eq!(bytes, 400_000);
    let error = client.query("select * from nowhere", &[]).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42P01");
    drop((client, connection));
}

/// Messages that drivers send seldom: FunctionCall, Flush, portals in parts, COPY that fails, binary results.
fn messages(stage: &Stage) {
    let mut wire = Wire::open(stage, "dev", "quick-db");
    // Parse, Bind with binary results, Describe, Execute five rows at a time, Flush between, Close, Sync.
    let parse = message(b'P', b"s\0select generate_series(1, 12)\0\0\0");
    let bind = message(b'B', b"p\0s\0\0\0\0\0\0\x01\0\x01");
    let describe = message(b'D', b"Pp\0");
    let execute = message(b'E', b"p\0\0\0\0\x05");
    wire.send(&[&parse[..], &bind, &describe, &execute, &message(b'H', b"")].concat());
    let mut types = String::new();
    while !types.ends_with('s') {
        types.push(char::from(wire.next().unwrap().0));
    }
    assert_eq!(types, "12TDDDDDs");
    wire.send(&[&execute[..], &execute, &message(b'C', b"Ss\0"), &message(b'S', b"")].concat());
    assert_eq!(wire.types(), "DDDDDsDDC3Z");
    // An error in a pipeline: everything up to the next Sync is skipped.
    let bad = message(b'P', b"\0select 1/0\0\0\0");
    let run_it = [message(b'B', b"\0\0\0\0\0\0\0\0"), message(b'E', b"\0\0\0\0\0")].concat();
    wire.send(&[&bad[..], &run_it, &run_it, &message(b'S', b""), &message(b'Q', b"select 2\0")].concat());
    assert_eq!(wire.types(), "1EZ");
    assert_eq!(wire.types(), "TDCZ");
    // FunctionCall: int4pl(20, 22), in binary.
    let call = [&[0, 0, 0, 177][..], &[0, 1, 0, 1, 0, 2], &[0, 0, 0, 4, 0, 0, 0, 20], &[0, 0, 0, 4, 0, 0, 0, 22], &[0, 1]].concat();
    wire.send(&message(b'F', &call));
    let (tag, body) = wire.next().unwrap();
    assert_eq!((tag, &body[4..]), (b'V', &[0, 0, 0, 42][..]));
    assert_eq!(wire.types(), "Z");
    // COPY that the client gives up.
    wire.query("create temp table t (i int); copy t from stdin");
    assert_eq!((wire.next().unwrap().0, wire.next().unwrap().0), (b'C', b'G'));
    wire.send(&[message(b'd', b"1\n"), message(b'f', b"no more\0")].concat());
    assert_eq!(wire.types(), "EZ");
    // An empty query, and a statement of several megabytes.
    wire.query("");
    assert_eq!(wire.types(), "IZ");
    wire.query(&format!("select length('{}')", "z".repeat(5_000_000)));
    assert_eq!(wire.types(), "TDCZ");
    wire.send(&message(b'X', b""));
    assert_eq!(wire.rest().0, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stock_client_on_15() {
    every_client(15).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stock_client_on_18() {
    every_client(18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_pg_leaves_other_services_alone() {
    let stage = Stage::new().await;
    let services = stage.folder().join("dev.services");
    let theirs = "[mine]\nhost=x\n";
    std::fs::write(&services, theirs).unwrap();
    let (code, out, _) = stage.ajar("dev", &["setup", "pg", "--print"]);
    assert!(code == 0 && out.contains("[quick-db]"), "{out}");
    assert_eq!(std::fs::read_to_string(&services).unwrap(), theirs, "--print writes nothing");
    for _ in 0..2 {
        assert_eq!(stage.ajar("dev", &["setup", "pg"]).0, 0);
    }
    let text = std::fs::read_to_string(&services).unwrap();
    assert!(text.starts_with(theirs) && text.matches("[quick-db]").count() == 1, "{text}");
    let mut psql = Command::new("psql");
    psql.args(["-X", "-A", "-t", "service=quick-db", "-c", "select 7"]).env("PGSERVICEFILE", &services).stdin(Stdio::null());
    let (code, out, err) = Kept(psql.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()).finish();
    assert_eq!((code, out.as_str()), (0, "7\n"), "{err}");
    assert_eq!(stage.ajar("dev", &["setup", "pg", "--undo"]).0, 0);
    assert_eq!(std::fs::read_to_string(&services).unwrap(), theirs);
}
