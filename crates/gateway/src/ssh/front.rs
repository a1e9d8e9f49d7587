//! What the client says, as the library hands it over. Nothing waits here: a handler that waits stops both directions.

use std::sync::Arc;

use ajar_core::name::ResourceName;
use ajar_core::port::Credential;
use ajar_core::secret::Secret;
use russh::keys::ssh_key::Certificate;
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, Session};
use russh::{Channel, ChannelId, ChannelOpenFailure, Pty, Sig};

use super::identity::{self, Visitor};
use super::lane::{Item, Lane, Side, Terminal, What, X11};
use super::line::{Call, Guest, Line, Phase};
use super::room::Room;
use super::{prompt, visit, words};

/// The longest command that is taken, in bytes.
const COMMAND: usize = 256 << 10;

/// See the module.
pub(super) struct Front(pub(super) Arc<Line>);

impl Front {
    async fn identify(&self, credential: &Credential, login: &str, visitor: Option<Visitor>) -> Auth {
        let Self(line) = self;
        match line.shared.door.identify(credential, None, line.address).await {
            Ok(who) => {
                let (resource, role) = visitor.map(|v| (v.resource, v.role)).unwrap_or_default();
                let resource = line.jumped_to.clone().or(resource);
                line.known(Guest { who, login: login.to_owned(), resource, role: role.map(|role| role.to_string()) });
                Auth::Accept
            }
            Err(_) => Auth::reject(),
        }
    }

    /// What a channel is for is known: on to the host.
    fn start(&self, channel: ChannelId, what: What, session: &mut Session) -> Result<(), russh::Error> {
        let Some(lane) = self.0.lane(channel) else { return Ok(()) };
        let first = lane.asked().what.replace(what.clone());
        if first.is_some() {
            lane.asked().what = first;
            return session.channel_failure(channel);
        }
        session.channel_success(channel)?;
        self.0.call(Call::Enter(lane));
        Ok(())
    }

    fn lane(&self, channel: ChannelId) -> Option<Arc<Lane>> {
        self.0.lane(channel)
    }

    /// A channel that has its purpose from the beginning. It is accepted when the host has.
    fn through(&self, channel: Channel<Msg>, what: What, reply: ChannelOpenHandle, session: &Session) {
        let (_, half) = channel.split();
        match self.0.open(half, session.handle(), Some(what)) {
            Some(lane) => {
                lane.answer(reply);
                self.0.call(Call::Enter(lane));
            }
            None => self.0.beside(async move { reply.reject(ChannelOpenFailure::ResourceShortage).await }),
        }
    }

    /// Waits until the client is in, for what the library wants an answer to at once; none when it is turned away, or leaves.
    async fn room(&self) -> Option<Arc<Room>> {
        let mut phase = self.0.phase.subscribe();
        let before = match &*phase.borrow_and_update() {
            Phase::Before { refused } => *refused,
            Phase::Waiting | Phase::Open(_) | Phase::Over => u32::MAX,
        };
        self.0.call(Call::EnterAll);
        let settled = phase.wait_for(|phase| match phase {
            Phase::Open(_) | Phase::Over => true,
            Phase::Before { refused } => *refused != before,
            Phase::Waiting => false,
        });
        match &*settled.await.ok()? {
            Phase::Open(room) => Some(Arc::clone(room)),
            Phase::Before { .. } | Phase::Waiting | Phase::Over => None,
        }
    }
}

impl Handler for Front {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, russh::Error> {
        self.0.call(Call::Shaken);
        Ok(None)
    }

    async fn auth_openssh_certificate(&mut self, user: &str, certificate: &Certificate) -> Result<Auth, russh::Error> {
        let shared = &self.0.shared;
        let Some(ssh) = &shared.ssh else { return Ok(Auth::reject()) };
        // INVARIANT S2: called only when the client has signed with this very certificate's key.
        match identity::visitor(certificate, &ssh.visitors, shared.clock.now()) {
            Ok(visitor) => Ok(self.identify(&Credential::Key { token: visitor.token }, user, Some(visitor)).await),
            Err(why) => {
                tracing::warn!(client.address = %self.0.address, %why, "a certificate at the SSH door was not taken");
                metrics::counter!("ajar_gateway_refusals_total", "why" => "credential").increment(1);
                Ok(Auth::reject())
            }
        }
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        Ok(self.identify(&Credential::Token(Secret::new(password.to_owned())), user, None).await)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let (_, half) = channel.split();
        match self.0.open(half, session.handle(), None) {
            Some(_) => reply.accept().await,
            None => reply.reject(ChannelOpenFailure::ResourceShortage).await,
        }
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        from: &str,
        from_port: u32,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        // With no resource of its own, a connection is there to jump from: what it names is a resource.
        let jumps = self.0.guest().is_some_and(|guest| guest.resource.is_none());
        if jumps {
            match host.to_ascii_lowercase().parse::<ResourceName>() {
                Ok(resource) => {
                    let (line, jump) = (Arc::clone(&self.0), visit::jump(Arc::clone(&self.0), channel, resource));
                    reply.accept().await;
                    line.inside(jump);
                }
                Err(_) => reply.reject(ChannelOpenFailure::ConnectFailed).await,
            }
            return Ok(());
        }
        let what = What::Tcp { host: host.to_owned(), port, from: from.to_owned(), from_port };
        self.through(channel, what, reply, session);
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        self.through(channel, What::Unix(path.to_owned()), reply, session);
        Ok(())
    }

    async fn env_request(&mut self, channel: ChannelId, name: &str, value: &str, session: &mut Session) -> Result<(), russh::Error> {
        if let Some(lane) = self.lane(channel) {
            lane.asked().env(name, value);
        }
        session.channel_success(channel)
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        term: &str,
        cols: u32,
        rows: u32,
        width: u32,
        height: u32,
        modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        if let Some(lane) = self.lane(channel) {
            let modes = modes.iter().filter(|(mode, _)| *mode != Pty::TTY_OP_END).copied().collect();
            lane.asked().terminal = Some(Terminal { term: term.to_owned(), cols, rows, pixels: (width, height), modes });
        }
        session.channel_success(channel)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        single: bool,
        protocol: &str,
        cookie: &str,
        screen: u32,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        if let Some(lane) = self.lane(channel) {
            lane.asked().x11 = Some(X11 { single, protocol: protocol.to_owned(), cookie: cookie.to_owned(), screen });
        }
        session.channel_success(channel)
    }

    async fn agent_request(&mut self, channel: ChannelId, _: &mut Session) -> Result<bool, russh::Error> {
        if let Some(lane) = self.lane(channel) {
            lane.asked().agent = true;
        }
        Ok(true)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        self.start(channel, What::Shell, session)
    }

    async fn exec_request(&mut self, channel: ChannelId, command: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        if command.len() > COMMAND {
            return session.channel_failure(channel);
        }
        self.start(channel, What::Exec(command.to_vec()), session)
    }

    async fn subsystem_request(&mut self, channel: ChannelId, name: &str, session: &mut Session) -> Result<(), russh::Error> {
        self.start(channel, What::Subsystem(name.to_owned()), session)
    }

    async fn window_change_request(
        &mut self,
        channel: ChannelId,
        cols: u32,
        rows: u32,
        width: u32,
        height: u32,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        if let Some(lane) = self.lane(channel) {
            lane.resize(cols, rows, (width, height));
        }
        Ok(())
    }

    async fn signal(&mut self, channel: ChannelId, signal: Sig, _: &mut Session) -> Result<(), russh::Error> {
        if let Some(lane) = self.lane(channel) {
            lane.signal(signal);
        }
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _: &mut Session) -> Result<(), russh::Error> {
        let data = match self.lane(channel) {
            Some(lane) if self.0.is_held() && lane.gives_up(data) => {
                lane.refuse(words::line("you gave up waiting; the request stays as it is"), visit::NOT_IN);
                &[]
            }
            Some(lane) => prompt::behind(&self.0, &lane, data),
            None => data,
        };
        if !data.is_empty() {
            self.0.client_says(channel, Item::Data(self.0.valve.read_here.hold(data)));
        }
        Ok(())
    }

    async fn extended_data(&mut self, channel: ChannelId, _: u32, data: &[u8], _: &mut Session) -> Result<(), russh::Error> {
        if let Some(lane) = self.lane(channel).filter(|_| !data.is_empty()) {
            lane.far(Item::Error(self.0.valve.read_here.hold(data)));
        }
        Ok(())
    }

    fn adjust_window(&mut self, _: ChannelId, _: u32) -> u32 {
        self.0.valve.read_here.window()
    }

    async fn channel_eof(&mut self, channel: ChannelId, _: &mut Session) -> Result<(), russh::Error> {
        self.0.client_says(channel, Item::Eof);
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _: &mut Session) -> Result<(), russh::Error> {
        match self.0.close(channel) {
            Some(lane) => {
                lane.far(Item::Close);
                lane.gone(Side::Client);
            }
            None => self.0.client_says(channel, Item::Close),
        }
        Ok(())
    }

    async fn tcpip_forward(&mut self, address: &str, port: &mut u32, _: &mut Session) -> Result<bool, russh::Error> {
        let Some(room) = self.room().await else { return Ok(false) };
        let allowed = room.role.allows_remote_forward(address, *port);
        let listens = if allowed { room.host.tcpip_forward(address, *port).await.ok() } else { None };
        let fields = serde_json::json!({ "what": "remote_forward", "name": format!("{address}:{port}"), "why": "the role does not allow it, or the host did not" });
        match listens {
            Some(at) => {
                if *port == 0 {
                    *port = at;
                }
                room.listen(address, *port);
                room.tape.event(None, "listen", serde_json::json!({ "to": format!("{address}:{port}") }));
                Ok(true)
            }
            None => {
                room.tape.event(None, "refused", fields);
                Ok(false)
            }
        }
    }

    async fn cancel_tcpip_forward(&mut self, address: &str, port: u32, _: &mut Session) -> Result<bool, russh::Error> {
        let Phase::Open(room) = self.0.phase.borrow().clone() else { return Ok(false) };
        room.listen_no_more(address, port);
        Ok(room.host.cancel_tcpip_forward(address, port).await.is_ok())
    }
}
