//! A client's first packets, up to who it is.
//!
//! Everything here happens before anybody is known: small buffers, one time limit for all of it (P7), nothing that came in
//! the clear counts for anything but a refusal or a cancel (P2).

use std::net::IpAddr;
use std::sync::Arc;

use ajar_core::port::{Credential, Identified, Knock, Otherwise, Wishes};
use ajar_core::secret::Secret;
use ajar_wire::pg::startup::{self, AjarSettings, CancelKey, MAX_STARTUP, Packet, Progress, Startup, StartupError};
use ajar_wire::pg::{WireError, frame, messages};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::ALPN;
use super::stream::Stream;
use super::words;
use crate::listener::Shared;
use crate::tls;

/// The longest password message.
const MAX_PASSWORD: u32 = 10_000;

/// Who has come, and how far it is with them.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// Somebody who wants to cancel what another connection does.
    Cancel(CancelKey),
    /// Somebody known.
    Client(Box<Client>),
}

/// A client that has proven who it is. It hasn't been told so yet.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: Stream,
    pub(crate) startup: Startup,
    pub(crate) who: Identified,
    pub(crate) knock: Knock,
    /// What it has sent since, unread.
    pub(crate) behind: Vec<u8>,
}

/// Why a connection ends before anybody is known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoArrival {
    /// It left, or the network failed.
    #[error("the connection failed")]
    Io(#[from] std::io::Error),
    /// Its first packets are not what they should be.
    #[error(transparent)]
    Startup(#[from] StartupError),
    /// Its password message isn't.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// It was told no.
    #[error("refused: {0}")]
    Refused(&'static str),
}

/// Takes a connection to the point where it is known. The caller limits the time.
pub(crate) async fn greet(shared: &Shared, tcp: TcpStream, address: IpAddr) -> Result<Arrival, NoArrival> {
    let (mut stream, first) = encrypt(shared, tcp).await?;
    let mut behind = Vec::new();
    let packet = match first {
        Some(Packet::Cancel(key)) => return Ok(Arrival::Cancel(key)),
        Some(_) => {
            stream.write(&words::tls_only()).await?;
            return Err(refused(stream, "not over TLS").await);
        }
        None => next_packet(&mut stream, &mut behind).await,
    };
    match packet {
        Ok(Packet::Cancel(key)) => Ok(Arrival::Cancel(key)),
        Ok(Packet::Startup(startup)) => identify(shared, stream, startup, behind, address).await,
        Ok(Packet::DirectTls | Packet::SslRequest | Packet::GssEncRequest) => Err(NoArrival::Refused("encryption asked for twice")),
        Err(NoArrival::Startup(why)) => {
            stream.write(&words::fatal(words::VIOLATION, &why.to_string(), None, None)).await?;
            drop(refused(stream, "").await);
            Err(why.into())
        }
        Err(other) => Err(other),
    }
}

/// Up to TLS, or up to the packet that came without it.
async fn encrypt(shared: &Shared, tcp: TcpStream) -> Result<(Stream, Option<Packet>), NoArrival> {
    let mut peeked = [0; 1];
    if tcp.peek(&mut peeked).await? == 0 {
        return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
    }
    if let Ok(Progress::Complete { packet: Packet::DirectTls, .. }) = startup::parse(&peeked) {
        let stream = accept(shared, tcp).await?;
        // As PostgreSQL does: another protocol's client must not be talked into speaking ours (ALPACA).
        if stream.tls_state().and_then(|tls| tls.alpn_protocol()) != Some(ALPN) {
            return Err(NoArrival::Refused("direct TLS without ALPN"));
        }
        return Ok((stream, None));
    }
    let mut plain = Stream::plain(tcp);
    let mut asked_for_gss = false;
    loop {
        let mut behind = Vec::new();
        match next_packet(&mut plain, &mut behind).await? {
            Packet::SslRequest => {
                plain.write(b"S").await?;
                return Ok((accept(shared, plain.into_tcp()).await?, None));
            }
            Packet::GssEncRequest if !asked_for_gss => {
                asked_for_gss = true;
                plain.write(b"N").await?;
            }
            Packet::GssEncRequest | Packet::DirectTls => return Err(NoArrival::Refused("encryption asked for twice")),
            packet @ (Packet::Cancel(_) | Packet::Startup(_)) => return Ok((plain, Some(packet))),
        }
    }
}

async fn accept(shared: &Shared, tcp: TcpStream) -> Result<Stream, NoArrival> {
    let accepted = TlsAcceptor::from(Arc::clone(&shared.postgres.tls)).accept(tcp).await?;
    let (tcp, connection) = accepted.into_inner();
    Ok(Stream::tls(tcp, connection.into()))
}

/// Reads one first packet; what came behind it is left in `buffer`.
async fn next_packet(stream: &mut Stream, buffer: &mut Vec<u8>) -> Result<Packet, NoArrival> {
    loop {
        match startup::parse(buffer)? {
            Progress::Complete { packet, size } => {
                buffer.drain(..size);
                return Ok(packet);
            }
            Progress::Incomplete { .. } if buffer.len() > MAX_STARTUP => return Err(NoArrival::Refused("an endless packet")),
            Progress::Incomplete { .. } => {}
        }
        if stream.fill(buffer).await? == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
    }
}

async fn identify(
    shared: &Shared,
    mut stream: Stream,
    mut startup: Startup,
    mut behind: Vec<u8>,
    address: IpAddr,
) -> Result<Arrival, NoArrival> {
    if startup.wants_replication() {
        let hint = "replication reads everything that a role could not; connect without the replication parameter";
        stream.write(&words::fatal(words::NOT_ALLOWED, "this door carries no replication connections", None, Some(hint))).await?;
        return Err(refused(stream, "replication").await);
    }
    let AjarSettings { role, reason, duration, ticket, scope } = match startup.take_ajar_settings() {
        Ok(settings) => settings,
        Err(why) => {
            stream.write(&words::fatal(words::NOT_ALLOWED, &why.to_string(), None, None)).await?;
            return Err(refused(stream, "settings").await);
        }
    };
    let mut out = Vec::new();
    if startup.needs_negotiation() {
        messages::negotiate_protocol_version(&mut out, startup.spoken(), &startup.protocol_options);
    }
    let certificate = stream.tls_state().and_then(|tls| tls.peer_certificates()).and_then(<[_]>::first).map(tls::common_name);
    let credential = match certificate {
        Some(Some(common_name)) => Credential::Certificate { common_name },
        Some(None) => {
            stream.write(&words::fatal("28P01", "the client certificate has no single common name", None, None)).await?;
            return Err(refused(stream, "certificate").await);
        }
        None => {
            messages::authentication_cleartext_password(&mut out);
            stream.write(&out).await?;
            out.clear();
            Credential::Token(password(&mut stream, &mut behind).await?)
        }
    };
    stream.send(&out)?;
    let who = match shared.door.identify(&credential, Some(&startup.user), address).await {
        Ok(who) => who,
        Err(refusal) => {
            stream.write(&words::refused(&refusal)).await?;
            return Err(refused(stream, "not identified").await);
        }
    };
    let wishes = Wishes { role, reason, duration, ticket, scope };
    let knock = Knock { resource: startup.database.clone(), protocol: "postgres", wishes, client: address, otherwise: Otherwise::Hold };
    Ok(Arrival::Client(Box::new(Client { stream, startup, who, knock, behind })))
}

async fn password(stream: &mut Stream, buffer: &mut Vec<u8>) -> Result<Secret, NoArrival> {
    loop {
        if let Some(message) = frame::next(buffer, MAX_PASSWORD)? {
            if message.tag != b'p' {
                return Err(WireError::NotAllowed { tag: message.tag }.into());
            }
            let size = message.raw.len();
            let secret = Secret::new(messages::parse_password(message.body)?.to_owned());
            buffer.drain(..size);
            return Ok(secret);
        }
        if stream.fill(buffer).await? == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
    }
}

async fn refused(stream: Stream, why: &'static str) -> NoArrival {
    stream.close(words::PATIENCE).await;
    NoArrival::Refused(why)
}
