//! Signing in to a target as a lease's login.
//!
//! INVARIANT I02: nothing here dials for a session without a [`Permit`], which only the control plane's signature makes.

use std::net::SocketAddr;
use std::sync::Arc;

use ajar_core::id::LeaseId;
use ajar_core::permit::Permit;
use ajar_core::port::LeaseSecret;
use ajar_core::resource::{Kind, Resource};
use ajar_wire::pg::auth::{self, AuthError, SignedIn, State, Step};
use ajar_wire::pg::scram::{ChannelBinding, ScramError};
use ajar_wire::pg::startup::{Startup, StartupError, ssl_reply};
use ajar_wire::pg::{ServerError, frame, messages};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::stream::Stream;
use crate::listener::Shared;
use crate::listener::settle;
use crate::tls;

/// Why there is no connection to the target.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// The permit is for another resource.
    #[error("the permit is not for this resource")]
    OtherResource,
    /// The resource's TLS settings can't be used.
    #[error("{0}")]
    Misconfigured(String),
    /// It doesn't answer, or not as it should.
    #[error("{step} failed")]
    Io { step: &'static str, source: std::io::Error },
    /// It has no TLS.
    #[error("it does not offer TLS, and the resource asks for it")]
    NoTls,
    /// Signing in failed.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The lease's keys can't be derived.
    #[error("the lease's keys cannot be derived")]
    Keys(#[from] ScramError),
    /// The client's start-up parameters can't be passed on.
    #[error(transparent)]
    Startup(#[from] StartupError),
    /// Not in time.
    #[error("it did not answer in time")]
    Timeout,
}

impl DialError {
    /// What the target itself said, if it did.
    pub(crate) fn target(&self) -> Option<&ServerError> {
        match self {
            Self::Auth(AuthError::Target(error)) => Some(error),
            Self::Auth(_)
            | Self::OtherResource
            | Self::Misconfigured(_)
            | Self::Io { .. }
            | Self::NoTls
            | Self::Keys(_)
            | Self::Startup(_)
            | Self::Timeout => None,
        }
    }
}

/// How a target was reached: a cancel takes the same way.
#[derive(Debug)]
pub(crate) struct Route {
    address: SocketAddr,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Route {
    /// A new connection, with TLS if there has to be.
    pub(crate) async fn connect(&self) -> Result<Stream, DialError> {
        let io = |step| move |source| DialError::Io { step, source };
        let tcp = TcpStream::connect(self.address).await.map_err(io("connecting"))?;
        settle(&tcp).map_err(io("connecting"))?;
        let Some((config, name)) = &self.tls else { return Ok(Stream::plain(tcp)) };
        let mut plain = Stream::plain(tcp);
        let mut request = Vec::new();
        messages::ssl_request(&mut request);
        plain.write(&request).await.map_err(io("asking for TLS"))?;
        let mut reply = Vec::new();
        plain.fill(&mut reply).await.map_err(io("asking for TLS"))?;
        match ssl_reply(&reply)? {
            Some(true) => {}
            Some(false) => return Err(DialError::NoTls),
            None => return Err(io("asking for TLS")(std::io::ErrorKind::UnexpectedEof.into())),
        }
        let connector = TlsConnector::from(Arc::clone(config));
        let tls = connector.connect(name.clone(), plain.into_tcp()).await.map_err(io("the TLS handshake"))?;
        let (tcp, connection) = tls.into_inner();
        Ok(Stream::tls(tcp, connection.into()))
    }
}

/// A target that is ready for the client's first question.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) stream: Stream,
    pub(crate) signed_in: SignedIn,
    /// What it sent behind its first ReadyForQuery.
    pub(crate) behind: Vec<u8>,
    pub(crate) route: Arc<Route>,
}

/// As whom, and where.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) lease: LeaseId,
    pub(crate) name: String,
    pub(crate) secret: LeaseSecret,
    pub(crate) resource: Arc<Resource>,
}

/// Connects and signs in. Consumes the permit: one permit, one connection.
#[tracing::instrument(name = "dial", skip_all, fields(grant.id = %permit.claims().grant, resource.name = %login.resource.name))]
pub(crate) async fn dial(shared: &Shared, permit: Permit, login: &Login, startup: &Startup) -> Result<Target, DialError> {
    if permit.claims().resource != login.resource.name {
        return Err(DialError::OtherResource);
    }
    let attempt = sign_in(shared, &permit, login, startup);
    tokio::time::timeout(shared.limits.dial, attempt).await.map_err(|_| DialError::Timeout)?
}

async fn sign_in(shared: &Shared, permit: &Permit, login: &Login, startup: &Startup) -> Result<Target, DialError> {
    let io = |step| move |source| DialError::Io { step, source };
    let target = match &login.resource.kind {
        Kind::Postgres(target) => target,
        Kind::Http(_) | Kind::Ssh(_) => return Err(DialError::OtherResource),
    };
    let config = shared.targets.config(&target.tls, &shared.policy_dir).map_err(DialError::Misconfigured)?;
    let tls = match config {
        None => None,
        Some(config) => {
            let name = ServerName::try_from(target.host.clone());
            let name =
                name.map_err(|_| DialError::Misconfigured(format!("'{}' is not a name that a certificate can have", target.host)))?;
            Some((config, name))
        }
    };
    let keys = shared.postgres.keys.of(login.lease, &login.secret, permit.claims().ends_at).await?;
    let first = startup.upstream(&login.name, &target.database)?;

    let (route, mut stream) = reach(&target.host, target.port, tls).await?;
    let binding = match stream.tls_state() {
        Some(tls) => tls::channel_binding(tls.peer_certificates().and_then(<[_]>::first)),
        None => ChannelBinding::None,
    };
    let mut nonce = [0; 18];
    shared.entropy.fill(&mut nonce);
    stream.write(&first).await.map_err(io("signing in"))?;

    let mut state = State::begin(keys, hex::encode(nonce), binding);
    let mut buffer = Vec::new();
    let mut consumed = 0;
    loop {
        let unread = buffer.get(consumed..).unwrap_or_default();
        let Some(message) = frame::next(unread, auth::MAX_MESSAGE).map_err(AuthError::Wire)? else {
            buffer.drain(..consumed);
            consumed = 0;
            if stream.fill(&mut buffer).await.map_err(io("signing in"))? == 0 {
                return Err(io("signing in")(std::io::ErrorKind::UnexpectedEof.into()));
            }
            continue;
        };
        let size = message.raw.len();
        let step = state.receive(&message)?;
        consumed += size;
        state = match step {
            Step::Wait(state) => state,
            Step::Send(state, bytes) => {
                stream.write(&bytes).await.map_err(io("signing in"))?;
                state
            }
            Step::Done(signed_in) => {
                buffer.drain(..consumed);
                return Ok(Target { stream, signed_in, behind: buffer, route: Arc::new(route) });
            }
        };
    }
}

/// Tries the host's addresses in order.
async fn reach(host: &str, port: u16, tls: Option<(Arc<ClientConfig>, ServerName<'static>)>) -> Result<(Route, Stream), DialError> {
    let io = |source| DialError::Io { step: "looking up its address", source };
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await.map_err(io)?.collect();
    let mut last = io(std::io::ErrorKind::NotFound.into());
    for address in addresses {
        let route = Route { address, tls: tls.clone() };
        match route.connect().await {
            Ok(stream) => return Ok((route, stream)),
            Err(error) => last = error,
        }
    }
    Err(last)
}
