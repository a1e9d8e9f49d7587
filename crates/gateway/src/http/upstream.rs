//! Connections to targets, and what they are shown. Callers never see either.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use ajar_core::name::ResourceName;
use ajar_core::port::Mono;
use ajar_core::resource::{HttpCredential, HttpTarget, Kind, Resource, SecretSource, TargetTls};
use ajar_core::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use hyper::http::uri::{Authority, Scheme};
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::body::Carried;
use super::token::Tokens;
use super::trust::{Made, Trust};
use crate::config::{GatewayConfig, SecretResolver};
use crate::tls::Targets;

/// How long a secret is kept before it is read again: one that was replaced counts soon.
const KEPT: Duration = Duration::from_secs(10);
/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(60);

pub(super) type Connections<B> = Client<HttpsConnector<HttpConnector>, B>;

/// What targets there are, as their resources say.
pub(super) struct Upstreams {
    targets: Arc<Targets>,
    directory: PathBuf,
    secrets: SecretResolver,
    dial: Duration,
    known: Mutex<HashMap<ResourceName, Known>>,
}

/// A target, and the resource that it was made from.
type Known = (Arc<Resource>, Arc<Upstream>);
/// The connections of one thread to a target, and what they were made with.
type Own = (Weak<Upstream>, u64, Connections<Carried>);

impl Upstreams {
    pub(super) fn new(targets: Arc<Targets>, config: &GatewayConfig) -> Self {
        Self::with(targets, config.policy_dir.clone(), Arc::clone(&config.secrets), config.limits.dial)
    }

    pub(super) fn with(targets: Arc<Targets>, directory: PathBuf, secrets: SecretResolver, dial: Duration) -> Self {
        Self { targets, directory, secrets, dial, known: Mutex::default() }
    }

    /// The target of a resource. In words when it can't be had.
    pub(super) fn of(&self, resource: &Arc<Resource>) -> Result<Arc<Upstream>, String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, upstream)) = known.get(&resource.name).filter(|(as_it_was, _)| as_it_was.kind == resource.kind) {
            return Ok(Arc::clone(upstream));
        }
        let upstream = Arc::new(self.open(resource)?);
        known.insert(resource.name.clone(), (Arc::clone(resource), Arc::clone(&upstream)));
        Ok(upstream)
    }

    fn open(&self, resource: &Resource) -> Result<Upstream, String> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let target = match &resource.kind {
            Kind::Http(target) => target,
            Kind::Postgres(_) | Kind::Ssh(_) => return Err("it is no HTTP API".into()),
        };
        let HttpTarget { upstream, tls, credential, .. } = target;
        let certificate = match credential {
            HttpCredential::Certificate { chain_file, key } => Some((chain_file.clone(), key.clone())),
            HttpCredential::None | HttpCredential::Header { .. } | HttpCredential::Basic { .. } | HttpCredential::OAuth2 { .. } => None,
        };
        let trust = self.trust(tls, certificate)?;
        let host =
            if upstream.host.contains(':') { format!("[{}]", upstream.host.trim_matches(['[', ']'])) } else { upstream.host.clone() };
        let (scheme, usual) = if *tls != TargetTls::Off { (Scheme::HTTPS, 443) } else { (Scheme::HTTP, 80) };
        let shown = if upstream.port == usual { host.clone() } else { format!("{host}:{}", upstream.port) };
        let authority: Authority =
            format!("{host}:{}", upstream.port).parse().map_err(|_| format!("'{host}' can't be the host of a URL"))?;
        let tokens = match credential {
            HttpCredential::OAuth2 { token_url, client_id, client_secret, scopes } => {
                // It is trusted as the target is, where that names its own authorities; in the clear it is on this machine.
                let trust = match (token_url.starts_with("http://"), tls) {
                    (true, _) => None,
                    (false, TargetTls::Off) => Some(self.trust(&TargetTls::System, None)?),
                    (false, _) => Some(Arc::clone(&trust)),
                };
                Some(Tokens::new(token_url, client_id, client_secret.clone(), scopes, (trust, self.dial))?)
            }
            HttpCredential::None | HttpCredential::Header { .. } | HttpCredential::Basic { .. } | HttpCredential::Certificate { .. } => {
                None
            }
        };
        Ok(Upstream {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            scheme,
            authority,
            host: HeaderValue::from_str(&shown).map_err(|_| format!("'{host}' can't be a host"))?,
            base: upstream.base.clone(),
            trust,
            credential: credential.clone(),
            secrets: Arc::clone(&self.secrets),
            dial: self.dial,
            shown: Mutex::default(),
            tokens,
        })
    }

    fn trust(&self, tls: &TargetTls, certificate: Option<(String, SecretSource)>) -> Result<Arc<Trust>, String> {
        let files = (Arc::clone(&self.targets), self.directory.clone(), Arc::clone(&self.secrets));
        Ok(Arc::new(Trust::new(files, tls.clone(), certificate)?))
    }
}

/// One target.
pub(super) struct Upstream {
    id: u64,
    scheme: Scheme,
    authority: Authority,
    /// As the target knows itself.
    pub(super) host: HeaderValue,
    pub(super) base: String,
    trust: Arc<Trust>,
    credential: HttpCredential,
    secrets: SecretResolver,
    dial: Duration,
    shown: Mutex<Option<(Mono, HeaderName, HeaderValue)>>,
    tokens: Option<Tokens>,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Upstream({}://{})", self.scheme, self.authority)
    }
}

thread_local! {
    /// Each thread has its own connections: a connection's task stays where it began.
    static CLIENTS: RefCell<HashMap<u64, Own>> = RefCell::default();
}

impl Upstream {
    /// Where a path of it is.
    pub(super) fn uri(&self, path: &str, query: Option<&str>) -> Result<hyper::Uri, hyper::http::Error> {
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        hyper::Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(format!("{}{path}{query}", self.base))
            .build()
    }

    /// What the target calls a place of its own, without scheme: for answers that name one.
    pub(super) fn is_at(&self, authority: &str) -> bool {
        self.authority.as_str() == authority || self.host.as_bytes() == authority.as_bytes()
    }

    /// The header that the target is shown, if it is shown one. In words when it can't be had.
    pub(super) async fn shows(&self, now: Mono) -> Result<Option<(HeaderName, HeaderValue)>, String> {
        if let Some(tokens) = &self.tokens {
            let value = tokens.current(&self.secrets, now).await?;
            return Ok(Some((AUTHORIZATION, value)));
        }
        if matches!(self.credential, HttpCredential::None | HttpCredential::Certificate { .. }) {
            return Ok(None);
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, name, value)) = &*shown
            && Duration::from_nanos(now.0.saturating_sub(since.0)) < KEPT
        {
            return Ok(Some((name.clone(), value.clone())));
        }
        let (name, text) = match &self.credential {
            HttpCredential::Header { name, prefix, value } => {
                let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("'{name}' is no header"))?;
                (name, Secret::new(format!("{prefix}{}", (self.secrets)(value)?.expose())))
            }
            HttpCredential::Basic { user, password } => {
                let pair = Secret::new(format!("{user}:{}", (self.secrets)(password)?.expose()));
                (AUTHORIZATION, Secret::new(format!("Basic {}", STANDARD.encode(pair.expose()))))
            }
            HttpCredential::None | HttpCredential::Certificate { .. } | HttpCredential::OAuth2 { .. } => return Ok(None),
        };
        let mut value = HeaderValue::from_str(text.expose()).map_err(|_| "its secret can't be in a header".to_owned())?;
        value.set_sensitive(true);
        *shown = Some((now, name.clone(), value.clone()));
        Ok(Some((name, value)))
    }

    /// The target did not take what it was shown: the next request shows it anew.
    pub(super) fn was_refused(&self) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some(tokens) = &self.tokens {
            tokens.forget();
        }
    }

    /// The header that it is shown something in: nobody else says anything there.
    pub(super) fn shows_in(&self) -> Option<HeaderName> {
        match &self.credential {
            HttpCredential::Header { name, .. } => HeaderName::from_bytes(name.as_bytes()).ok(),
            HttpCredential::Basic { .. } | HttpCredential::OAuth2 { .. } => Some(AUTHORIZATION),
            HttpCredential::None | HttpCredential::Certificate { .. } => None,
        }
    }

    /// Sends a request on one of this thread's connections, all of which were made with what is in the files now.
    pub(super) async fn send(self: &Arc<Self>, request: Request<Carried>, now: Mono) -> Result<Response<Incoming>, Unsent> {
        let Made { id, config } = self.trust.made(now);
        let client = CLIENTS.with_borrow_mut(|clients| match clients.get(&self.id) {
            Some((_, made, client)) if *made == id => Ok(client.clone()),
            Some(_) | None => {
                clients.retain(|_, (of, ..)| of.strong_count() > 0);
                let client = client(connector(config.as_ref(), self.dial, true)?);
                clients.insert(self.id, (Arc::downgrade(self), id, client.clone()));
                Ok(client)
            }
        });
        Ok(client.map_err(Unsent::Misconfigured)?.request(request).await?)
    }

    /// Connects, over TLS where it should be, and asks for nothing. What came of it, in words.
    pub(super) async fn reach(&self, now: Mono) -> Result<String, String> {
        let Made { config, .. } = self.trust.made(now);
        let (host, port) = (self.authority.host().trim_matches(['[', ']']), self.authority.port_u16().unwrap_or(443));
        let connect = async {
            let tcp = TcpStream::connect((host, port)).await?;
            if let Some(config) = &config {
                let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
                TlsConnector::from(Arc::clone(config)).connect(name, tcp).await?;
            }
            Ok::<_, std::io::Error>(())
        };
        match tokio::time::timeout(self.dial, connect).await {
            Ok(Ok(())) => Ok(format!("{}://{} answers", self.scheme, self.authority)),
            Ok(Err(why)) => Err(format!("{}: {why}", self.authority)),
            Err(_) => Err(format!("{} does not answer in time", self.authority)),
        }
    }

    /// Sends a request that asks for another protocol: on a connection of its own.
    pub(super) async fn send_alone(&self, request: Request<Carried>, now: Mono) -> Result<Response<Incoming>, Unsent> {
        let connector = connector(self.trust.made(now).config.as_ref(), self.dial, false).map_err(Unsent::Misconfigured)?;
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_max_idle_per_host(0);
        Ok(builder.build(connector).request(request).await?)
    }
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsent {
    #[error("{0}")]
    Misconfigured(String),
    #[error(transparent)]
    Failed(#[from] Error),
}

pub(super) fn client<B>(connector: HttpsConnector<HttpConnector>) -> Connections<B>
where
    B: hyper::body::Body + Send,
    B::Data: Send,
{
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).pool_max_idle_per_host(256).retry_canceled_requests(true);
    builder.build(connector)
}

/// Connects over TLS with `config`, or in the clear without one. HTTP/2 only where the target offers it.
pub(super) fn connector(config: Option<&Arc<ClientConfig>>, dial: Duration, http2: bool) -> Result<HttpsConnector<HttpConnector>, String> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(dial));
    tcp.set_keepalive(Some(Duration::from_secs(60)));
    let builder = HttpsConnectorBuilder::new();
    let (builder, any) = match config {
        Some(config) => (builder.with_tls_config((**config).clone()), false),
        None => (builder.with_tls_config(unverifying()?), true),
    };
    let builder = if any { builder.https_or_http() } else { builder.https_only() };
    Ok(if http2 { builder.enable_all_versions().wrap_connector(tcp) } else { builder.enable_http1().wrap_connector(tcp) })
}

/// For targets without TLS: with no authority to trust, TLS can't succeed.
fn unverifying() -> Result<ClientConfig, String> {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|why| why.to_string())?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Ok(config)
}
