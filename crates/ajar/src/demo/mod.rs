//! Everything on this machine, to try it: a sample PostgreSQL, a small company, a server.
//!
//! Touches nothing outside its own folder, listens on loopback only, and leaves no process behind.

mod files;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ajar_core::event::Actor;
use ajar_core::port::Entropy;
use ajar_core::secret::Secret;
use ajar_sample::{Options, Postgres, Programs};
use anyhow::{Context, bail};

use crate::cli;
use crate::client::{make_private_dir, write_private};
use crate::clock::SystemEntropy;
use crate::commands::{block, pass_line};
use crate::exit::Failure;
use crate::logs::Logs;
use crate::output::say;
use crate::server::config::{Api, Config, Listen};
use crate::server::serve::Running;
use crate::server::signalled;

/// Somebody's way in.
struct Account {
    name: &'static str,
    password: Secret,
    token: Secret,
}

/// Where the demo is.
struct Place {
    folder: PathBuf,
    /// Ours to remove at the end.
    made: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.made {
            drop(std::fs::remove_dir_all(&self.folder));
        }
    }
}

pub(crate) async fn run(args: cli::Demo) -> Result<(), Failure> {
    let logs = Logs::begin_quietly();
    let addresses = addresses(args.port_base)?;
    let entropy = SystemEntropy::new()?;
    let place = place(args.dir.as_deref(), &entropy)?;
    say(&format!("Everything goes into {} and is removed at the end.", place.folder.display()));
    let programs = match &args.postgres_bin {
        Some(bin) => Programs::in_folder(bin),
        None => Programs::of_the_system(&std::env::var_os("PATH").unwrap_or_default()),
    };
    let programs = programs.map_err(anyhow::Error::from)?;
    say("Starting a PostgreSQL with sample orders …");
    let target = sample(programs, &entropy).await?;
    let (admin_password, api_secret) = (random(&entropy), random(&entropy));
    ajar_sample::seed(&target, admin_password.expose()).await.map_err(anyhow::Error::from)?;
    let sample_api = ajar_sample::Api::start(api_secret.expose()).await.map_err(anyhow::Error::from)?;
    let config = write_files(&place.folder, &target, &sample_api, (&admin_password, &api_secret), addresses)?;
    say("Starting Ajar …");
    let running = Running::start(&config).await?;
    let accounts = accounts(&running, &entropy).await?;
    for account in &accounts {
        write_account(&place.folder, account, &running)?;
    }
    if let Some(file) = &args.ready_file {
        write_private(file, ready(&place.folder, &running, &target, &accounts).to_string().as_bytes())?;
    }
    say(&script(&place.folder, &running));
    signalled().await?;
    say("Stopping: sessions are cut, logins are removed …");
    running.stop().await;
    drop((target, sample_api));
    logs.end().await;
    Ok(())
}

/// Where the API and the gateway's doors listen.
#[derive(Clone, Copy)]
struct Addresses {
    api: SocketAddr,
    postgres: SocketAddr,
    http: SocketAddr,
}

/// A free port for the API is chosen now: links need it before it is listened on.
fn addresses(port_base: u16) -> anyhow::Result<Addresses> {
    let on = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    if port_base == 0 {
        let api = std::net::TcpListener::bind(on(0)).and_then(|listener| listener.local_addr())?;
        return Ok(Addresses { api, postgres: on(0), http: on(0) });
    }
    let next = |more| port_base.checked_add(more).context("--port-base is too high: it takes three ports");
    Ok(Addresses { api: on(port_base), postgres: on(next(1)?), http: on(next(2)?) })
}

fn random(entropy: &dyn Entropy) -> Secret {
    let mut bytes = [0; 12];
    entropy.fill(&mut bytes);
    Secret::new(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

fn place(wanted: Option<&Path>, entropy: &dyn Entropy) -> anyhow::Result<Place> {
    let folder = match wanted {
        Some(folder) => std::path::absolute(folder)?,
        None => std::env::temp_dir().join(format!("ajar-demo-{}", random(entropy).expose().get(..8).unwrap_or_default())),
    };
    let full = std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some());
    if full {
        bail!("{} is not empty: name a folder that isn't there yet", folder.display());
    }
    make_private_dir(&folder)?;
    Ok(Place { folder, made: true })
}

/// The sample lies beside: another account than ours may have to reach it.
async fn sample(programs: Programs, entropy: &dyn Entropy) -> anyhow::Result<Postgres> {
    let name = format!("ajar-sample-{}", random(entropy).expose().get(..8).unwrap_or_default());
    let options = Options {
        folder: std::env::temp_dir().join(name),
        password: random(entropy).expose().to_owned(),
        settings: "log_min_messages = warning".into(),
    };
    Ok(Postgres::start(programs, options).await?)
}

fn write_files(
    folder: &Path,
    target: &Postgres,
    sample_api: &ajar_sample::Api,
    (admin_password, api_secret): (&Secret, &Secret),
    Addresses { api, postgres, http }: Addresses,
) -> anyhow::Result<Config> {
    let policy_dir = folder.join("policy");
    make_private_dir(&policy_dir)?;
    write_private(&policy_dir.join("orders-admin.password"), admin_password.expose().as_bytes())?;
    write_private(&policy_dir.join("sample-api.secret"), api_secret.expose().as_bytes())?;
    let authority = policy_dir.join("orders-ca.pem");
    std::fs::copy(target.authority(), &authority).context("cannot copy the sample's authority")?;
    let mut resources = files::resources(target.port(), Path::new("orders-ca.pem"), "orders-admin.password");
    resources.push_str(&files::api(&sample_api.url(), "sample-api.secret"));
    for (name, text) in [("people.toml", files::PEOPLE), ("rules.toml", files::RULES), ("resources.toml", &resources)] {
        write_private(&policy_dir.join(name), text.as_bytes())?;
    }
    Ok(Config {
        public_url: format!("http://{api}"),
        data_dir: folder.join("data"),
        policy_dir,
        policy_follow: None,
        names: vec!["localhost".into(), postgres.ip().to_string()],
        api: Api { listen: api, tls: false },
        postgres: Listen { listen: postgres },
        http: Some(Listen { listen: http }),
        ssh: None,
        certificate: None,
        client_ca_file: None,
    })
}

async fn accounts(running: &Running, entropy: &dyn Entropy) -> anyhow::Result<Vec<Account>> {
    let mut accounts = Vec::new();
    for name in files::USERS {
        let password = random(entropy);
        running.engine.password_set(Actor::System, &name.parse()?, password.clone()).await?;
        let (_, issued) = running.engine.sign_in(name, password.clone(), "demo", IpAddr::V4(Ipv4Addr::LOCALHOST)).await?;
        accounts.push(Account { name, password, token: issued.token });
    }
    Ok(accounts)
}

/// A folder with everything for a terminal in which somebody is this person.
fn write_account(folder: &Path, account: &Account, running: &Running) -> anyhow::Result<()> {
    let own = folder.join(account.name);
    make_private_dir(&own)?;
    let (services, passfile, ca) = (own.join("pg_service.conf"), own.join("pgpass"), folder.join("gateway-ca.pem"));
    write_private(&ca, running.door.ca_pem.as_deref().unwrap_or_default().as_bytes())?;
    write_private(&services, block(&running.door, account.name, &["orders-db"], &ca, &passfile).as_bytes())?;
    write_private(&passfile, pass_line(&running.door, account.name, account.token.expose()).expose().as_bytes())?;
    let program = std::env::current_exe().context("cannot find our own program")?;
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
    let mut text = String::new();
    for (name, value) in [
        ("AJAR_URL", format!("'http://{}'", running.api)),
        ("AJAR_TOKEN", account.token.expose().to_owned()),
        ("XDG_CONFIG_HOME", quoted(&own)),
        ("PGSERVICEFILE", quoted(&services)),
        ("PATH", format!("{}:\"$PATH\"", quoted(program.parent().unwrap_or(Path::new("/"))))),
    ] {
        text.push_str(&format!("export {name}={value}\n"));
    }
    write_private(&folder.join(format!("{}.sh", account.name)), Secret::new(text).expose().as_bytes())
}

fn ready(folder: &Path, running: &Running, target: &Postgres, accounts: &[Account]) -> serde_json::Value {
    let users: serde_json::Map<String, serde_json::Value> = accounts
        .iter()
        .map(|a| (a.name.to_owned(), serde_json::json!({ "password": a.password.expose(), "token": a.token.expose() })))
        .collect();
    serde_json::json!({
        "api": format!("http://{}", running.api),
        "postgres": { "host": running.door.host, "port": running.door.port, "ca_file": folder.join("gateway-ca.pem") },
        "http": running.http.as_ref().map(|door| serde_json::json!({ "url": door.url, "ca_file": folder.join("gateway-ca.pem") })),
        "target": target.superuser(ajar_sample::DATABASE),
        "folder": folder,
        "data_dir": folder.join("data"),
        "users": users,
        "resources": ["orders-db", "sample-api"],
    })
}

fn script(folder: &Path, running: &Running) -> String {
    let folder = folder.display();
    format!(
        r#"
Ajar runs: API {api}, PostgreSQL gateway {gateway}, HTTP gateway {http}. Ctrl-C ends it and removes everything.

 1  In a second terminal, be dev, who has no access:

        . {folder}/dev.sh
        psql service=orders-db

    The connection is held: a request was filed.

 2  In a third terminal, be peer, whose team owns orders:

        . {folder}/peer.sh
        ajar inbox
        ajar approve REQ --note "go"

    The prompt appears in dev's terminal. Read:    select * from orders limit 5;
    Try to write; PostgreSQL itself refuses:       update orders set status = 'paid';

 3  The same by commands, as dev, with the right to write:

        ajar request orders-db --role write --for 10m --reason "INC-7: fix stuck order" --wait
        ajar psql orders-db --role write
        ajar grants                 then       ajar return GRANT

 4  An HTTP API behind the same door; reading it needs nobody, refunding asks peer. As dev:

        ajar run --with sample-api -- sh -c 'curl --cacert $SAMPLE_API_CA_FILE -H "Authorization: Bearer $SAMPLE_API_TOKEN" $SAMPLE_API_URL/orders'
        ajar proxy sample-api --role refund --port 8080 --reason "INC-7: stuck order"
        curl -X POST http://127.0.0.1:8080/orders/3/refund

 5  What happened:

        ajar sessions               then       ajar replay SESSION
        . {folder}/auditor.sh
        ajar ledger tail
        ajar ledger key > ledger.key; ajar ledger export --to ledger.ndjson
        ajar ledger verify ledger.ndjson --key ledger.key
"#,
        api = running.api,
        gateway = running.postgres,
        http = running.http.as_ref().map_or("none", |door| door.url.as_str()),
    )
}
