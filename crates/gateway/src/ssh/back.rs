//! What the host says, as the library hands it over; and how the host is reached: known by its key or certificate, with a permit.

use std::sync::Arc;

use ajar_core::permit::Permit;
use ajar_core::port::{SshCertify, SshForwarding, SshSubject};
use ajar_core::resource::{Resource, SecretSource};
use ajar_core::ssh::{SshCredential, SshRole, SshTarget};
use ajar_core::time::{Span, Timestamp};
use russh::client::{AuthResult, ChannelOpenHandle, DisconnectReason, Handle, Handler, Msg, Session};
use russh::keys::PrivateKeyWithHashAlg;
use russh::keys::PublicKeyOrCertificate;
use russh::keys::ssh_key::{Certificate, PrivateKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Sig, client};
use tokio::net::TcpStream;

use super::gate::{Gate, Valve};
use super::identity::{Known, NotProven};
use super::lane::{Item, STDERR, What};
use super::line::{Call, Line, Phase};
use super::{Ssh, words};
use crate::listener::settle;

/// How long a certificate of the gateway's own is good for: it is shown at once.
const SHOWN: Span = Span::from_secs(60);

/// Why a host can't be opened. Holds no secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("{0}")]
    Unreachable(String),
    #[error("it took too long")]
    Slow,
    #[error("it is not the host that it should be: {0}")]
    NotTheHost(NotProven),
    #[error("it does not let the gateway in as {0}")]
    Refused(String),
    #[error("{0}")]
    Misconfigured(String),
    #[error("the protocol failed: {0}")]
    Protocol(russh::Error),
}

/// What fails in a handler.
#[derive(Debug, thiserror::Error)]
pub(super) enum BackError {
    #[error(transparent)]
    Protocol(#[from] russh::Error),
    #[error("{0}")]
    NotTheHost(NotProven),
}

impl From<BackError> for DialError {
    fn from(error: BackError) -> Self {
        match error {
            BackError::Protocol(russh::Error::IO(error)) => Self::Unreachable(error.to_string()),
            BackError::Protocol(error) => Self::Protocol(error),
            BackError::NotTheHost(why) => Self::NotTheHost(why),
        }
    }
}

/// See the module.
pub(super) struct Back {
    line: Arc<Line>,
    known: Known,
}

/// As whom to go where.
pub(super) struct Errand<'a> {
    pub(super) resource: &'a Resource,
    pub(super) target: &'a SshTarget,
    pub(super) role: &'a SshRole,
    pub(super) login: &'a str,
}

/// Signs in to the host. INVARIANT I02: it takes the permit, which only the control plane's signature makes.
pub(super) async fn dial(
    line: &Arc<Line>,
    ssh: &Ssh,
    permit: &Permit,
    errand: &Errand<'_>,
    valve: &Arc<Valve>,
) -> Result<Handle<Back>, DialError> {
    let Errand { resource, target, role, login } = errand;
    let claims = permit.claims();
    let names = vec![target.host.clone(), resource.name.to_string()];
    let known = Known::new(&target.host_keys, &ssh.hosts, names).map_err(|why| DialError::Misconfigured(format!("host_keys: {why}")))?;
    let config = Arc::clone(if known.by_certificate() { &ssh.to_certified } else { &ssh.to_known });
    let connect = async {
        let tcp = TcpStream::connect((target.host.as_str(), target.port)).await.map_err(|e| DialError::Unreachable(e.to_string()))?;
        settle(&tcp).map_err(|e| DialError::Unreachable(e.to_string()))?;
        let gate = Gate::new(tcp, Arc::clone(valve));
        let mut host = client::connect_stream(config, gate, Back { line: Arc::clone(line), known }).await?;
        let refused = || DialError::Refused((*login).to_owned());
        let secret =
            |source: &SecretSource| (line.shared.secrets)(source).map_err(|why| DialError::Misconfigured(format!("credential: {why}")));
        let answer = match &target.credential {
            SshCredential::Certificate => {
                let now = line.shared.clock.now();
                let ask = SshCertify {
                    public_key: ssh.own_line.clone(),
                    subject: SshSubject::Login {
                        login: (*login).to_owned(),
                        source: None,
                        forwarding: SshForwarding {
                            agent: role.agent,
                            x11: role.x11,
                            ports: !(role.forward.is_empty() && role.remote_forward.is_empty()),
                        },
                    },
                    key_id: format!("ajar {} {}", claims.grant, claims.principal),
                    serial: serial(line),
                    valid_from: earlier(now),
                    // INVARIANT I07.
                    valid_until: now.after(SHOWN).min(claims.ends_at),
                };
                let made = ssh.authority.certify(&ask).map_err(|why| DialError::Misconfigured(why.to_string()))?;
                let made = Certificate::from_openssh(&made).map_err(|why| DialError::Misconfigured(why.to_string()))?;
                host.authenticate_openssh_cert(*login, Arc::clone(&ssh.own), made).await.map_err(DialError::Protocol)?
            }
            SshCredential::Key(source) => {
                let text = secret(source)?;
                let key = PrivateKey::from_openssh(text.expose())
                    .map_err(|_| DialError::Misconfigured("credential: the key is not in OpenSSH's format, or has a passphrase".into()))?;
                if key.is_encrypted() {
                    return Err(DialError::Misconfigured("credential: the key has a passphrase".into()));
                }
                let hash = host.best_supported_rsa_hash().await.map_err(DialError::Protocol)?.flatten();
                host.authenticate_publickey(*login, PrivateKeyWithHashAlg::new(Arc::new(key), hash)).await.map_err(DialError::Protocol)?
            }
            SshCredential::Password(source) => {
                host.authenticate_password(*login, secret(source)?.expose()).await.map_err(DialError::Protocol)?
            }
        };
        match answer {
            AuthResult::Success => Ok(host),
            AuthResult::Failure { .. } => Err(refused()),
        }
    };
    tokio::time::timeout(line.shared.limits.dial, connect).await.unwrap_or(Err(DialError::Slow))
}

/// A minute before, for clocks that differ.
fn earlier(now: Timestamp) -> Timestamp {
    now.before(SHOWN)
}

fn serial(line: &Line) -> u64 {
    let mut bytes = [0; 8];
    line.shared.entropy.fill(&mut bytes);
    u64::from_be_bytes(bytes)
}

impl Back {
    /// A channel that the host opens: the client's agent, a window, a port that it listens on.
    fn back(&self, what: &'static str, to: String, channel: Channel<Msg>, reply: ChannelOpenHandle, open: Opened) {
        let line = Arc::clone(&self.line);
        let Phase::Open(room) = line.phase.borrow().clone() else { return };
        let allowed = match &open {
            Opened::Port { .. } => !room.role.remote_forward.is_empty(),
            Opened::Agent => room.role.agent,
            Opened::X11 { .. } => room.role.x11,
        };
        let Some(client) = line.client().filter(|_| allowed) else {
            room.tape.event(None, "refused", serde_json::json!({ "what": what, "name": to, "why": "the role does not allow it" }));
            return self.line.beside(async move { reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await });
        };
        let (_, far) = channel.split();
        self.line.beside(async move {
            let opened = match open {
                Opened::Port { address, port, from, from_port } => {
                    client.channel_open_forwarded_tcpip(address, port, from, from_port).await
                }
                Opened::Agent => client.channel_open_agent().await,
                Opened::X11 { from, from_port } => client.channel_open_x11(from, from_port).await,
            };
            let lane = opened.ok().and_then(|near| line.open(near.split().1, client, Some(What::Back(what, to))));
            match lane {
                Some(lane) => {
                    lane.begin(&room, &room.record);
                    reply.accept().await;
                    line.connect(&lane, far);
                }
                None => reply.reject(ChannelOpenFailure::ConnectFailed).await,
            }
        });
    }
}

enum Opened {
    Port { address: String, port: u32, from: String, from_port: u32 },
    Agent,
    X11 { from: String, from_port: u32 },
}

impl Handler for Back {
    type Error = BackError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, BackError> {
        self.known.is(shown, self.line.shared.clock.now()).map_err(BackError::NotTheHost)?;
        Ok(true)
    }

    async fn channel_success(&mut self, _: ChannelId, _: &mut Session) -> Result<(), BackError> {
        Ok(())
    }

    async fn channel_failure(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), BackError> {
        // Only what a channel is for asks for an answer.
        if let Some(lane) = self.line.lane_of_host(channel) {
            lane.refuse(words::line("the host does not do that"), 255);
            session.close(channel)?;
        }
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _: &mut Session) -> Result<(), BackError> {
        self.line.host_says(channel, Item::Data(self.line.valve.to_write.hold(data)));
        Ok(())
    }

    async fn extended_data(&mut self, channel: ChannelId, kind: u32, data: &[u8], _: &mut Session) -> Result<(), BackError> {
        if kind == STDERR {
            self.line.host_says(channel, Item::Error(self.line.valve.to_write.hold(data)));
        }
        Ok(())
    }

    fn adjust_window(&mut self, _: ChannelId, _: u32) -> u32 {
        self.line.valve.to_write.window()
    }

    async fn channel_eof(&mut self, channel: ChannelId, _: &mut Session) -> Result<(), BackError> {
        self.line.host_says(channel, Item::Eof);
        Ok(())
    }

    async fn exit_status(&mut self, channel: ChannelId, status: u32, _: &mut Session) -> Result<(), BackError> {
        self.line.host_says(channel, Item::Exit(status));
        Ok(())
    }

    async fn exit_signal(
        &mut self,
        channel: ChannelId,
        signal: Sig,
        core: bool,
        message: &str,
        language: &str,
        _: &mut Session,
    ) -> Result<(), BackError> {
        self.line.host_says(channel, Item::Killed { signal, core, message: message.to_owned(), language: language.to_owned() });
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _: &mut Session) -> Result<(), BackError> {
        self.line.closed_by_host(channel);
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        channel: Channel<Msg>,
        address: &str,
        port: u32,
        from: &str,
        from_port: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), BackError> {
        let open = Opened::Port { address: address.to_owned(), port, from: from.to_owned(), from_port };
        self.back("remote_forward", format!("{address}:{port}"), channel, reply, open);
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), BackError> {
        reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), BackError> {
        self.back("agent", "the client's agent".to_owned(), channel, reply, Opened::Agent);
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        channel: Channel<Msg>,
        from: &str,
        from_port: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), BackError> {
        self.back("x11", "the client's screen".to_owned(), channel, reply, Opened::X11 { from: from.to_owned(), from_port });
        Ok(())
    }

    async fn server_channel_open_session(&mut self, _: Channel<Msg>, reply: ChannelOpenHandle, _: &mut Session) -> Result<(), BackError> {
        reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), BackError> {
        reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), BackError> {
        reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
        Ok(())
    }

    async fn disconnected(&mut self, _: DisconnectReason<BackError>) -> Result<(), BackError> {
        self.line.call(Call::HostLeft);
        Ok(())
    }
}
