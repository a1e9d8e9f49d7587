//! Everything on this machine, to try it: a sample PostgreSQL, an API, an SSH host, a small company, a server.
//!
//! Keeps to its own folder, listens on loopback only, and leaves no process behind.

mod files;
mod host;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ajar_core::event::Actor;
use ajar_core::port::Entropy;
use ajar_core::secret::Secret;
use ajar_sample::{Options, Postgres, Programs, SshHost};
use anyhow::{Context, bail};

use self::host::Host;
use crate::cli;
use crate::client::{make_private_dir, write_private};
use crate::clock::SystemEntropy;
use crate::commands::{block, pass_line, ssh_config};
use crate::exit::Failure;
use crate::logs::Logs;
use crate::output::say;
use crate::server::config::{Api, Config, Http, Listen};
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

/// What people get into.
struct Targets {
    postgres: Postgres,
    api: ajar_sample::Api,
    host: Option<Host>,
}

pub(crate) async fn run(args: cli::Demo) -> Result<(), Failure> {
    let logs = Logs::begin_quietly();
    let addresses = addresses(args.port_base)?;
    let entropy = Arc::new(SystemEntropy::new()?);
    let place = place(args.dir.as_deref(), &*entropy)?;
    say(&format!("Everything goes into {} and is removed at the end.", place.folder.display()));
    let programs = match &args.postgres_bin {
        Some(bin) => Programs::in_folder(bin),
        None => Programs::of_the_system(&std::env::var_os("PATH").unwrap_or_default()),
    };
    let programs = programs.map_err(anyhow::Error::from)?;
    say("Starting a PostgreSQL with sample orders …");
    let postgres = sample(programs, &*entropy).await?;
    let (admin_password, api_secret) = (random(&*entropy), random(&*entropy));
    ajar_sample::seed(&postgres, admin_password.expose()).await.map_err(anyhow::Error::from)?;
    let api = ajar_sample::Api::start(api_secret.expose()).await.map_err(anyhow::Error::from)?;
    let targets = Targets { postgres, api, host: ssh_host(&place.folder, Arc::clone(&entropy) as Arc<dyn Entropy>) };
    let config = write_files(&place.folder, &targets, (&admin_password, &api_secret), addresses)?;
    say("Starting Ajar …");
    let running = Running::start(&config).await?;
    let accounts = accounts(&running, &*entropy).await?;
    for account in &accounts {
        write_account(&place.folder, account, &running, targets.host.as_ref())?;
    }
    if let Some(file) = &args.ready_file {
        write_private(file, ready(&place.folder, &running, &targets, &accounts).to_string().as_bytes())?;
    }
    say(&script(&place.folder, &running, &targets, &accounts));
    signalled().await?;
    say("Stopping: sessions are cut, logins are removed …");
    running.stop().await;
    drop(targets);
    logs.end().await;
    Ok(())
}

/// Without it, the demo goes on with the others.
fn ssh_host(folder: &Path, entropy: Arc<dyn Entropy>) -> Option<Host> {
    if SshHost::program().is_none() {
        say("There is no SSH host in this demo: it takes OpenSSH's server (on Debian: apt-get install openssh-server).");
        return None;
    }
    match host::start(folder, &data_dir(folder), entropy) {
        Ok(host) => {
            say(&format!(
                "Started an SSH host: a real shell of {} on this machine, on loopback and with this demo's certificates only.",
                host.account
            ));
            Some(host)
        }
        Err(error) => {
            say(&format!("There is no SSH host in this demo: {error:#}"));
            None
        }
    }
}

fn data_dir(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// Where the API and the gateway's doors listen.
#[derive(Clone, Copy)]
struct Addresses {
    api: SocketAddr,
    postgres: SocketAddr,
    http: SocketAddr,
    ssh: SocketAddr,
}

/// Where browsers go: to a name, which passkeys are bound to. It is the same loopback.
fn web(api: SocketAddr) -> String {
    format!("http://localhost:{}", api.port())
}

/// A free port for the API is chosen now: links need it before it is listened on.
fn addresses(port_base: u16) -> anyhow::Result<Addresses> {
    let on = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    if port_base == 0 {
        let api = std::net::TcpListener::bind(on(0)).and_then(|listener| listener.local_addr())?;
        return Ok(Addresses { api, postgres: on(0), http: on(0), ssh: on(0) });
    }
    let next = |more| port_base.checked_add(more).context("--port-base is too high: it takes four ports");
    Ok(Addresses { api: on(port_base), postgres: on(next(1)?), http: on(next(2)?), ssh: on(next(3)?) })
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
    targets: &Targets,
    (admin_password, api_secret): (&Secret, &Secret),
    Addresses { api, postgres, http, ssh }: Addresses,
) -> anyhow::Result<Config> {
    let policy_dir = folder.join("policy");
    make_private_dir(&policy_dir)?;
    write_private(&policy_dir.join("orders-admin.password"), admin_password.expose().as_bytes())?;
    write_private(&policy_dir.join("sample-api.secret"), api_secret.expose().as_bytes())?;
    let authority = policy_dir.join("orders-ca.pem");
    std::fs::copy(targets.postgres.authority(), &authority).context("cannot copy the sample's authority")?;
    let mut resources = files::resources(targets.postgres.port(), Path::new("orders-ca.pem"), "orders-admin.password");
    resources.push_str(&files::api(&targets.api.url(), "sample-api.secret"));
    let mut rules = files::RULES.to_owned();
    if let Some(host) = &targets.host {
        resources.push_str(&files::host(host.sshd.port(), &host.account, targets.api.address()));
        rules.push_str(files::HOST_RULES);
    }
    for (name, text) in [("people.toml", files::PEOPLE), ("rules.toml", &rules), ("resources.toml", &resources)] {
        write_private(&policy_dir.join(name), text.as_bytes())?;
    }
    Ok(Config {
        public_url: web(api),
        data_dir: data_dir(folder),
        policy_dir,
        policy_follow: None,
        names: vec!["localhost".into(), postgres.ip().to_string(), files::API_HOST.into()],
        api: Api { listen: api, tls: false, trusted_proxies: Vec::new() },
        postgres: Listen { listen: postgres },
        http: Some(Http { listen: http, certificate: Vec::new() }),
        ssh: targets.host.as_ref().map(|_| Listen { listen: ssh }),
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
fn write_account(folder: &Path, account: &Account, running: &Running, host: Option<&Host>) -> Result<(), Failure> {
    let own = folder.join(account.name);
    make_private_dir(&own)?;
    let (services, passfile, ca) = (own.join("pg_service.conf"), own.join("pgpass"), folder.join("gateway-ca.pem"));
    write_private(&ca, running.door.ca_pem.as_deref().unwrap_or_default().as_bytes())?;
    write_private(&services, block(&running.door, account.name, &["orders-db"], &ca, &passfile).as_bytes())?;
    write_private(&passfile, pass_line(&running.door, account.name, account.token.expose()).expose().as_bytes())?;
    let program = std::env::current_exe().context("cannot find our own program")?;
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
    let (url, mut text) = (format!("http://{}", running.api), String::new());
    for (name, value) in [
        ("AJAR_URL", format!("'{url}'")),
        ("AJAR_TOKEN", account.token.expose().to_owned()),
        ("XDG_CONFIG_HOME", quoted(&own)),
        ("PGSERVICEFILE", quoted(&services)),
        ("PATH", format!("{}:\"$PATH\"", quoted(program.parent().unwrap_or(Path::new("/"))))),
    ] {
        text.push_str(&format!("export {name}={value}\n"));
    }
    if let (Some(door), Some(host)) = (&running.ssh, host) {
        let config = own.join("ssh_config");
        let logins = BTreeMap::from([(files::HOST, Some(host.account.as_str()))]);
        write_private(&config, ssh_config(door, &own, &url, &logins)?.as_bytes())?;
        // What `ajar setup ssh` would write into ~/.ssh/config, which is not ours.
        for program in ["ssh", "scp", "sftp"] {
            text.push_str(&format!("{program}() {{ command {program} -F {} \"$@\"; }}\n", quoted(&config)));
        }
    }
    Ok(write_private(&folder.join(format!("{}.sh", account.name)), Secret::new(text).expose().as_bytes())?)
}

fn ready(folder: &Path, running: &Running, targets: &Targets, accounts: &[Account]) -> serde_json::Value {
    let users: serde_json::Map<String, serde_json::Value> = accounts
        .iter()
        .map(|a| (a.name.to_owned(), serde_json::json!({ "password": a.password.expose(), "token": a.token.expose() })))
        .collect();
    let resources: Vec<&str> = ["orders-db", "sample-api"].into_iter().chain(targets.host.as_ref().map(|_| files::HOST)).collect();
    serde_json::json!({
        "api": format!("http://{}", running.api),
        "web": web(running.api),
        "postgres": { "host": running.door.host, "port": running.door.port, "ca_file": folder.join("gateway-ca.pem") },
        "http": running.http.as_ref().map(|door| serde_json::json!({ "url": door.url, "ca_file": folder.join("gateway-ca.pem") })),
        "ssh": running.ssh.as_ref().map(|door| serde_json::json!({ "host": door.host, "port": door.port })),
        "target": targets.postgres.superuser(ajar_sample::DATABASE),
        "host": targets.host.as_ref().map(|host| serde_json::json!({ "port": host.sshd.port(), "login": host.account })),
        "folder": folder,
        "data_dir": folder.join("data"),
        "users": users,
        "resources": resources,
    })
}

fn script(folder: &Path, running: &Running, targets: &Targets, accounts: &[Account]) -> String {
    let http = running.http.as_ref().map_or("none", |door| door.url.as_str());
    let ssh = running.ssh.as_ref().map_or(String::new(), |door| format!(", for SSH {}:{}", door.host, door.port));
    let mut text = format!(
        "\nAjar runs: {}; doors for PostgreSQL {}, for HTTP {http}{ssh}. Ctrl-C ends it and removes everything.\n",
        web(running.api),
        running.postgres
    );
    text.push_str(&format!("\nIn a browser, open {} and sign in; in another window or browser, as the other:\n\n", web(running.api)));
    for account in accounts.iter().filter(|account| ["dev", "peer"].contains(&account.name)) {
        text.push_str(&format!("        {:<4}  password {}\n", account.name, account.password.expose()));
    }
    let host = targets.host.as_ref().map(|host| {
        format!(
            "A host behind the same door: this machine, a real shell of {}. As dev; peer approves as before:

        ssh orders-web-1
        sftp orders-web-1
        AJAR_ROLE=deploy ssh orders-web-1     (asks for a reason; this role also allows -L 9000:{})
",
            host.account,
            targets.api.address()
        )
    });
    let steps =
        [Some(DATABASE.to_owned()), Some(PEER.to_owned()), Some(COMMANDS.to_owned()), host, Some(API.to_owned()), Some(AFTER.to_owned())];
    for (number, step) in (1..).zip(steps.into_iter().flatten()) {
        text.push_str(&format!("\n {number}  {}", step.replace("FOLDER", &folder.display().to_string())));
    }
    text
}

const DATABASE: &str = "In a second terminal, be dev, who has no access:

        . FOLDER/dev.sh
        psql service=orders-db

    The connection is held: a request was filed.
";

const PEER: &str = "In a third terminal, be peer, whose team owns orders:

        . FOLDER/peer.sh
        ajar inbox
        ajar approve REQ --note \"go\"

    The prompt appears in dev's terminal. Read:    select * from orders limit 5;
    Try to write; PostgreSQL itself refuses:       update orders set status = 'paid';
";

const COMMANDS: &str = "The same by commands, as dev, with the right to write:

        ajar request orders-db --role write --for 10m --reason \"INC-7: fix stuck order\" --wait
        ajar psql orders-db --role write
        ajar grants                 then       ajar return GRANT
";

const API: &str = "An HTTP API behind the same door; reading it needs nobody, refunding asks peer. As dev:

        ajar run --with sample-api -- sh -c 'curl --cacert $SAMPLE_API_CA_FILE -H \"Authorization: Bearer $SAMPLE_API_TOKEN\" $SAMPLE_API_URL/orders'
        ajar proxy sample-api --role refund --port 8080 --reason \"INC-7: stuck order\"
        curl -X POST http://127.0.0.1:8080/orders/3/refund
";

const AFTER: &str = "What happened:

        ajar sessions               then       ajar replay SESSION
        . FOLDER/auditor.sh
        ajar ledger tail
        ajar ledger key > ledger.key; ajar ledger export --to ledger.ndjson
        ajar ledger verify ledger.ndjson --key ledger.key
";
