//! The server: making its folder, and running it.
//!
//! | module | owns |
//! | --- | --- |
//! | [`config`] | `ajar.toml` |
//! | [`keys`] | the keys of the data directory |
//! | [`authority`] | the TLS authority and the server's certificate |
//! | [`ssh_authority`] | the SSH authorities, and what they certify |
//! | [`krl`] | lists of revoked SSH certificates |
//! | [`follow`] | the folder of files, put in force when it changes |
//! | [`serve`] | everything wired together |
//! | [`tls`] | the API over TLS |

pub(crate) mod authority;
pub(crate) mod config;
mod follow;
mod front;
pub(crate) mod keys;
mod krl;
pub(crate) mod serve;
pub(crate) mod ssh_authority;

use std::path::Path;
use std::sync::Arc;

use ajar_core::event::Actor;
use ajar_core::port::{Clock, Refusal};
use ajar_engine::Engine;
use ajar_store::SqliteStore;
use anyhow::Context;

pub(crate) use self::follow::WrongFiles;

use self::config::Config;
use self::serve::Running;
use crate::cli::Server;
use crate::client;
use crate::clock::{SystemClock, SystemEntropy};
use crate::exit::{Code, Failure};
use crate::logs::Logs;
use crate::output::say;

pub(crate) async fn run(args: Server) -> Result<(), Failure> {
    match args {
        Server::Init { config, names, admin } => init(&config, names, admin.as_deref()).await,
        Server::Run { config } => {
            let logs = Logs::begin();
            let served = serve(Config::load(&config)?).await;
            logs.end().await;
            served
        }
        Server::Passwd { config, name, stdin } => passwd(&Config::load(&config)?, &name, stdin).await,
        Server::ForgetPasskeys { config, name } => forget_passkeys(&Config::load(&config)?, &name).await,
        Server::Rebuild { config } => {
            let store = Arc::new(serve::open_store(&Config::load(&config)?).await?);
            let rows = ajar_engine::rebuild(Arc::clone(&store) as _).await.context("the projections stay as they were")?;
            store.close().await.context("cannot close the store")?;
            say(&format!("{rows} rows were made from the events"));
            Ok(())
        }
        Server::Backup { config, to } => {
            let config = Config::load(&config)?;
            SqliteStore::backup(serve::store_file(&config), &to).await.context("cannot copy the store")?;
            say(&format!("copied the store to {}; the keys in {} are worth a safe place too", to.display(), config.data_dir.display()));
            Ok(())
        }
    }
}

async fn init(path: &Path, names: Vec<String>, admin: Option<&str>) -> Result<(), Failure> {
    if path.exists() {
        return Err(Failure::new(Code::Usage, format!("{} is there already", path.display())).hint("ajar server run --config FILE"));
    }
    let text = config::template(&names);
    let config = Config::parse(&text, path)?;
    let entropy = SystemEntropy::new()?;
    client::make_private_dir(&config.data_dir)?;
    keys::Keys::load_or_make(&config.data_dir, &entropy)?;
    authority::Authority::load_or_make(&config.data_dir, SystemClock::new().now())?;
    ssh_authority::SshAuthorities::load_or_make(&config.data_dir, Arc::new(SystemEntropy::new()?))?;
    client::make_private_dir(&config.policy_dir)?;
    if let Some(admin) = admin {
        let people = config.policy_dir.join("people.toml");
        if !people.exists() {
            std::fs::write(&people, format!("[[user]]\nname = \"{admin}\"\nmay = [\"operate\", \"audit\"]\n"))?;
        }
    }
    std::fs::write(path, text)?;
    say(&format!("made {} and {}", path.display(), config.data_dir.display()));
    if let Some(admin) = admin {
        say(&format!("next:  ajar server passwd {admin} --config {0}   then   ajar server run --config {0}", path.display()));
    } else {
        say(&format!("next: write the rules into {}, then  ajar server run", config.policy_dir.display()));
    }
    Ok(())
}

async fn serve(config: Config) -> Result<(), Failure> {
    let running = Running::start(&config).await?;
    tracing::info!(api = %running.api, postgres = %running.postgres, "ajar serves");
    signalled().await?;
    tracing::info!("stopping: sessions are cut and recorded");
    running.stop().await;
    Ok(())
}

/// Waits for SIGINT or SIGTERM.
pub(crate) async fn signalled() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot listen for SIGINT"),
        _ = terminate.recv() => Ok(()),
    }
}

/// Does something with the engine while the server doesn't run.
async fn offline<T>(config: &Config, work: impl AsyncFnOnce(&Engine) -> Result<T, Refusal>) -> Result<T, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let store = serve::open_store(config).await?;
    let engine = serve::start_engine(config, Arc::new(store), clock, Arc::new(SystemEntropy::new()?)).await?;
    follow::begin(config, &engine).await?;
    let done = work(&engine).await;
    engine.stop().await;
    engine.stopped().await;
    done.map_err(|refusal| Failure::new(Code::Error, refusal.message))
}

async fn passwd(config: &Config, name: &str, stdin: bool) -> Result<(), Failure> {
    let name = name.parse().map_err(|e| Failure::new(Code::Usage, format!("that is not a name: {e}")))?;
    let password = crate::commands::secret("new password: ", stdin)?;
    offline(config, async |engine: &Engine| engine.password_set(Actor::System, &name, password).await).await?;
    say(&format!("{name} has a new password"));
    Ok(())
}

async fn forget_passkeys(config: &Config, name: &str) -> Result<(), Failure> {
    let gone = offline(config, async |engine: &Engine| engine.passkeys_forget(name).await).await?;
    say(&format!("{name} has no passkeys any more: {gone} were removed"));
    Ok(())
}
