//! What the host says, as the library hands it over; and how a session gets there: with a permit.

use std::sync::Arc;

use ajar_core::permit::Permit;
use ajar_core::port::SshForwarding;
use ajar_core::resource::Resource;
use ajar_core::ssh::{SshRole, SshTarget};
use russh::client::{ChannelOpenHandle, DisconnectReason, Handle, Handler, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, ChannelId, ChannelOpenFailure, Sig};

use super::gate::Valve;
use super::identity::Known;
use super::lane::{Item, STDERR, What};
use super::line::{Call, Line, Phase};
use super::reach::{DialError, HostError, Shown};
use super::{Ssh, words};

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
    let connect = async {
        let known = ssh.towards.known(resource, target)?;
        let by_certificate = known.by_certificate();
        let mut host = ssh.towards.reach(target, by_certificate, valve, Back { line: Arc::clone(line), known }).await?;
        let shown = Shown {
            login,
            forwarding: SshForwarding {
                agent: role.agent,
                x11: role.x11,
                ports: !(role.forward.is_empty() && role.remote_forward.is_empty()),
            },
            key_id: format!("ajar {} {}", claims.grant, claims.principal),
            serial: line.shared.entropy.number(),
            now: line.shared.clock.now(),
            // INVARIANT I07.
            until: claims.ends_at,
        };
        ssh.towards.sign_in(&mut host, &target.credential, &shown, &line.shared.secrets).await?;
        Ok(host)
    };
    tokio::time::timeout(line.shared.limits.dial, connect).await.unwrap_or(Err(DialError::Slow))
}

impl Back {
    /// A channel that the host opens: the client's agent, a window, a port that it listens on. What nobody accepts, here and below, the
    /// library prohibits.
    fn back(&self, what: &'static str, to: String, channel: Channel<Msg>, reply: ChannelOpenHandle, open: Opened) {
        let line = Arc::clone(&self.line);
        let Phase::Open(room) = line.phase.borrow().clone() else { return };
        let allowed = match &open {
            Opened::Port { address, port, .. } => room.listens_at(address, *port),
            Opened::Agent => room.role.agent,
            Opened::X11 { .. } => room.role.x11,
        };
        let Some(client) = line.client().filter(|_| allowed) else {
            room.tape.event(None, "refused", serde_json::json!({ "what": what, "name": to, "why": "the role does not allow it" }));
            return;
        };
        let (_, far) = channel.split();
        line.opens();
        self.line.beside(async move {
            let opened = match open {
                Opened::Port { address, port, from, from_port } => {
                    client.channel_open_forwarded_tcpip(address, port, from, from_port).await
                }
                Opened::Agent => client.channel_open_agent().await,
                Opened::X11 { from, from_port } => client.channel_open_x11(from, from_port).await,
            };
            let lane = line.opened(opened.ok().map(|near| near.split().1), client, What::Back(what, to));
            match lane {
                Some(lane) => {
                    lane.begin(&room);
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
    type Error = HostError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, HostError> {
        self.known.is(shown, self.line.shared.clock.now()).map_err(HostError::NotTheHost)?;
        Ok(true)
    }

    async fn channel_failure(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), HostError> {
        // Only what a channel is for asks for an answer.
        if let Some(lane) = self.line.lane_of_host(channel) {
            lane.refuse(words::line("the host does not do that"), 255);
            session.close(channel)?;
        }
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _: &mut Session) -> Result<(), HostError> {
        if !data.is_empty() {
            self.line.host_says(channel, Item::Data(self.line.valve.to_write.hold(data)));
        }
        Ok(())
    }

    async fn extended_data(&mut self, channel: ChannelId, kind: u32, data: &[u8], _: &mut Session) -> Result<(), HostError> {
        if kind == STDERR && !data.is_empty() {
            self.line.host_says(channel, Item::Error(self.line.valve.to_write.hold(data)));
        }
        Ok(())
    }

    fn adjust_window(&mut self, _: ChannelId, _: u32) -> u32 {
        self.line.valve.to_write.window()
    }

    async fn channel_eof(&mut self, channel: ChannelId, _: &mut Session) -> Result<(), HostError> {
        self.line.host_says(channel, Item::Eof);
        Ok(())
    }

    async fn exit_status(&mut self, channel: ChannelId, status: u32, _: &mut Session) -> Result<(), HostError> {
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
    ) -> Result<(), HostError> {
        self.line.host_says(channel, Item::Killed { signal, core, message: message.to_owned(), language: language.to_owned() });
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _: &mut Session) -> Result<(), HostError> {
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
    ) -> Result<(), HostError> {
        let open = Opened::Port { address: address.to_owned(), port, from: from.to_owned(), from_port };
        self.back("remote_forward", format!("{address}:{port}"), channel, reply, open);
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), HostError> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), HostError> {
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
    ) -> Result<(), HostError> {
        self.back("x11", "the client's screen".to_owned(), channel, reply, Opened::X11 { from: from.to_owned(), from_port });
        Ok(())
    }

    async fn server_channel_open_session(&mut self, _: Channel<Msg>, _: ChannelOpenHandle, _: &mut Session) -> Result<(), HostError> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), HostError> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), HostError> {
        Ok(())
    }

    async fn disconnected(&mut self, _: DisconnectReason<HostError>) -> Result<(), HostError> {
        self.line.call(Call::HostLeft);
        Ok(())
    }
}
