//! Everything wired together: store, engine, gateway, API. Opens from the inside out, closes from the outside in.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ajar_api::Api;
use ajar_api::model::{Doors, HttpDoor, PostgresDoor, SshDoor};
use ajar_connectors::{PostgresConnector, Setup, Timeouts};
use ajar_core::port::{Clock, Door, Entropy, SshAuthority, Store};
use ajar_core::resource::SecretSource;
use ajar_core::secret::Secret;
use ajar_core::time::Timestamp;
use ajar_engine::{Engine, HealthState, Integration, Parts};
use ajar_gateway::{Gateway, GatewayConfig, HttpCertificate, HttpProbe, Limits, SecretResolver, SshConfig, SshHosts, SshHostsSetup};
use ajar_store::{OpenOptions, SqliteStore};
use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::authority::{Authority, Identity};
use super::config::Config;
use super::follow;
use super::front;
use super::keys::{Keys, read_private};
use super::ssh_authority::SshAuthorities;
use crate::client::make_private_dir;
use crate::clock::{SystemClock, SystemEntropy};
use crate::logs;

/// How long requests under way may take when the server stops.
pub(super) const GOODBYE: Duration = Duration::from_secs(5);

/// A server that serves.
pub(crate) struct Running {
    pub(crate) engine: Arc<Engine>,
    store: Arc<SqliteStore>,
    /// The API's address.
    pub(crate) api: SocketAddr,
    /// The gateway's address.
    pub(crate) postgres: SocketAddr,
    /// Where native clients are told to go.
    pub(crate) door: PostgresDoor,
    /// Where HTTP's clients are told to go.
    pub(crate) http: Option<HttpDoor>,
    /// Where SSH's clients are told to go.
    pub(crate) ssh: Option<SshDoor>,
    stop_gateway: watch::Sender<bool>,
    stop_api: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

pub(crate) fn store_file(config: &Config) -> PathBuf {
    config.data_dir.join("ajar.db")
}

pub(crate) async fn open_store(config: &Config) -> anyhow::Result<SqliteStore> {
    make_private_dir(&config.data_dir)?;
    Ok(SqliteStore::open(store_file(config), OpenOptions::default()).await?)
}

pub(crate) async fn start_engine(
    config: &Config,
    store: Arc<SqliteStore>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> anyhow::Result<Arc<Engine>> {
    let recordings = config.data_dir.join("recordings");
    make_private_dir(&recordings)?;
    let connector = Arc::new(PostgresConnector::new(Setup {
        secrets: secrets(config),
        directory: config.policy_dir.clone(),
        clock: Arc::clone(&clock),
        entropy: Arc::clone(&entropy),
        timeouts: Timeouts::default(),
    }));
    let keys = Keys::load_or_make(&config.data_dir, &*entropy)?;
    let authority: Arc<dyn SshAuthority> = Arc::new(SshAuthorities::load_or_make(&config.data_dir, Arc::clone(&entropy))?);
    let hosts = SshHosts::new(SshHostsSetup {
        authority: Arc::clone(&authority),
        secrets: secrets(config),
        clock: Arc::clone(&clock),
        entropy: Arc::clone(&entropy),
    });
    let parts = Parts {
        store: store as Arc<dyn Store>,
        postgres: connector,
        ssh: Arc::new(hosts.map_err(anyhow::Error::msg)?),
        authority: Some(authority),
        http: Arc::new(HttpProbe::new(config.policy_dir.clone(), secrets(config), Arc::clone(&clock))),
        clock,
        entropy,
        keys: ajar_engine::Keys { grants: keys.grants, ledger: keys.ledger },
    };
    let public_url = config.public_url.trim_end_matches('/').to_owned();
    Ok(Engine::start(ajar_engine::Config { public_url, recordings }, parts).await?)
}

/// Where the secrets that resources name come from.
fn secrets(config: &Config) -> SecretResolver {
    let policy_dir = config.policy_dir.clone();
    Arc::new(move |source| resolve(source, &policy_dir))
}

/// The environment, or a file that only we may read.
fn resolve(source: &SecretSource, policy_dir: &std::path::Path) -> Result<Secret, String> {
    match source {
        SecretSource::Env(name) => match std::env::var(name) {
            Ok(value) if !value.is_empty() => Ok(Secret::new(value)),
            Ok(_) | Err(_) => Err(format!("the environment variable {name} is not set: start the server with it")),
        },
        SecretSource::File(path) => {
            let secret = read_private(&policy_dir.join(path)).map_err(|error| format!("{error:#}"))?;
            Ok(Secret::new(secret.expose().trim_end_matches(['\n', '\r']).to_owned()))
        }
    }
}

impl Running {
    /// Opens everything. Nothing listens before what is due is revoked.
    pub(crate) async fn start(config: &Config) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::new()?);
        let metrics = metrics_handle()?;
        let store = Arc::new(open_store(config).await?);
        let engine = start_engine(config, Arc::clone(&store), Arc::clone(&clock), Arc::clone(&entropy)).await?;
        let seen = follow::begin(config, &engine).await?;
        let (identity, authority_pem) = identity(config, clock.now())?;
        let ssh = config.ssh.as_ref().map(|ssh| ssh_door(config, ssh.listen, &entropy)).transpose()?;
        let hosts_authority = ssh.as_ref().map(|ssh| ssh.authority.keys().hosts);
        let gateway = GatewayConfig {
            postgres: config.postgres.listen,
            http: config.http.as_ref().map(|http| http.listen),
            http_certificates: http_certificates(config),
            ssh,
            public_url: config.public_url.clone(),
            certificate_pem: identity.chain_pem.clone(),
            key_pem: identity.key_pem.clone(),
            client_ca_pem: config.client_ca_file.as_ref().map(std::fs::read_to_string).transpose().context("cannot read client_ca_file")?,
            recordings: config.data_dir.join("recordings"),
            policy_dir: config.policy_dir.clone(),
            secrets: secrets(config),
            limits: Limits::default(),
        };
        let gateway = Gateway::bind(gateway, Arc::clone(&engine) as Arc<dyn Door>, engine.grant_verifier(), clock, entropy).await?;
        let tcp = TcpListener::bind(config.api.listen)
            .await
            .with_context(|| format!("cannot listen on {}; is something else running there?", config.api.listen))?;
        let (api, postgres) = (tcp.local_addr()?, gateway.postgres_addr().context("there is no door for PostgreSQL")?);
        let host = config.names.first().cloned().unwrap_or_default();
        let http = gateway.http_addr().map(|at| HttpDoor { url: format!("https://{host}:{}", at.port()), ca_pem: authority_pem.clone() });
        let ssh = gateway.ssh_addr().zip(hosts_authority);
        let ssh = ssh.map(|(at, hosts_authority)| SshDoor { host: host.clone(), port: at.port(), hosts_authority });
        let door = PostgresDoor { host, port: postgres.port(), ca_pem: authority_pem };
        let doors = Doors { postgres: Some(door.clone()), http: http.clone(), ssh: ssh.clone() };
        let router = Api::new(Arc::clone(&engine), metrics.clone(), &config.public_url, doors).router();
        let tls = if config.api.tls { Some(api_tls(&identity)?) } else { None };
        let (stop_gateway, stop_api) = (watch::Sender::new(false), watch::Sender::new(false));
        let mut tasks = JoinSet::new();
        tasks.spawn(gateway.serve(told(&stop_gateway)));
        let (proxies, stop) = (config.api.trusted_proxies.clone(), told(&stop_api));
        tasks.spawn(async move { front::serve(tcp, tls, &proxies, router, stop).await });
        if let Some(every) = config.policy_follow {
            tasks.spawn(follow::follow(config.policy_dir.clone(), every, Arc::clone(&engine), seen));
        }
        let told = Arc::clone(&engine);
        tasks.spawn(async move {
            loop {
                if let Some(traces) = traces() {
                    told.integration_set(traces);
                }
                tokio::time::sleep(Duration::from_secs(5)).await;
                metrics.run_upkeep();
            }
        });
        Ok(Self { engine, store, api, postgres, door, http, ssh, stop_gateway, stop_api, tasks })
    }

    /// Cuts and records every session, then closes everything.
    pub(crate) async fn stop(mut self) {
        self.stop_gateway.send_replace(true);
        self.stop_api.send_replace(true);
        let both = async {
            self.tasks.join_next().await;
            self.tasks.join_next().await;
        };
        if tokio::time::timeout(GOODBYE * 3, both).await.is_err() {
            tracing::warn!("not everything ended in time; the next start ends what is left");
        }
        self.tasks.shutdown().await;
        self.engine.stop().await;
        self.engine.stopped().await;
        if let Err(error) = self.store.close().await {
            tracing::error!(%error, "the store could not be closed; nothing is lost");
        }
    }
}

/// How sending traces goes, if they are sent.
fn traces() -> Option<Integration> {
    let (state, words) = match logs::traces()? {
        logs::Traces::Begun => (HealthState::Unknown, "nothing was sent yet".to_owned()),
        logs::Traces::Arrive => (HealthState::Good, "traces arrive".to_owned()),
        logs::Traces::Fail(why) => (HealthState::Bad, why),
    };
    Some(Integration { name: "traces".to_owned(), kind: "otlp", state, words })
}

/// Ends when told so.
fn told(stop: &watch::Sender<bool>) -> impl Future<Output = ()> + Send + use<> {
    let mut stop = stop.subscribe();
    async move {
        // A sender that is gone means the same.
        drop(stop.wait_for(|stop| *stop).await.map(|_| ()));
    }
}

/// The certificate to serve with, and the authority that clients need for it.
fn identity(config: &Config, now: Timestamp) -> anyhow::Result<(Identity, Option<String>)> {
    if let Some(own) = &config.certificate {
        let chain_pem = std::fs::read_to_string(&own.chain_file).with_context(|| format!("cannot read {}", own.chain_file.display()))?;
        return Ok((Identity { chain_pem, key_pem: read_private(&own.key_file)? }, None));
    }
    let authority = Authority::load_or_make(&config.data_dir, now)?;
    Ok((authority.identity(&config.names, now)?, Some(authority.pem)))
}

fn http_certificates(config: &Config) -> Vec<HttpCertificate> {
    let all = config.http.iter().flat_map(|http| &http.certificate);
    all.map(|one| HttpCertificate { chain_file: one.chain_file.clone(), key_file: one.key_file.clone() }).collect()
}

/// Where SSH's clients come in: with the gateway's own key, certified for the names by which clients know it.
fn ssh_door(config: &Config, listen: SocketAddr, entropy: &Arc<dyn Entropy>) -> anyhow::Result<SshConfig> {
    let authorities = SshAuthorities::load_or_make(&config.data_dir, Arc::clone(entropy))?;
    Ok(SshConfig { listen, host_key: authorities.gateway_key()?, names: config.names.clone(), authority: Arc::new(authorities) })
}

fn api_tls(identity: &Identity) -> anyhow::Result<Arc<rustls::ServerConfig>> {
    let chain = CertificateDer::pem_slice_iter(identity.chain_pem.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.expose().as_bytes()).context("the server's key is not PEM")?;
    let mut config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// One recorder for the process, however often a server is started in it.
fn metrics_handle() -> anyhow::Result<PrometheusHandle> {
    let buckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0];
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &buckets)?
        .install_recorder()
        .context("metrics were set up twice")
}
