//! The walk of one client: known, let in or held, dialled, carried, cut, reported.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ajar_core::name::ResourceName;
use ajar_core::permit::Permit;
use ajar_core::port::{Admission, CutReason, Held, HeldNotice, Knock, Opening, Otherwise, Refusal, RefusalKind};
use ajar_core::resource::Kind;
use ajar_core::session::EndReason;
use russh::server::{self, Msg, RunningSession};
use russh::{Channel, ChannelOpenFailure, Disconnect};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::back::{self, Errand};
use super::front::Front;
use super::gate::{Gate, Valve};
use super::lane::{Item, Lane, STDERR, What};
use super::line::{Call, Guest, Line, Phase};
use super::reach::DialError;
use super::room::Room;
use super::tape::Tape;
use super::{Ssh, prompt, words};
use crate::cut::{Cut, Due, stopping};
use crate::keeper::{Event, Keeper};
use crate::listener::Shared;
use crate::places::Place;
use crate::report::{Gauge, Owed, because};

/// What a client may take to type a token, once it has shaken hands.
const TYPING: Duration = Duration::from_secs(60);
/// What passed before a revocation may take this long to reach the client.
const DRAIN: Duration = Duration::from_millis(5);
/// How long the last words may take after a cut.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How long a client has to show what it was told before it is disconnected: it throws away what it hasn't shown by then.
const SHOWN: Duration = Duration::from_millis(30);
/// How long what a host has said at last may take to reach the client.
const PATIENCE: Duration = Duration::from_secs(2);
/// What a command ends with that never ran.
pub(super) const NOT_IN: u32 = 255;
/// What a command ends with that its role does not allow, as with shells: it can't be run.
const NOT_IN_ROLE: u32 = 126;

/// Serves one connection from its first byte to its report.
pub(crate) async fn serve(shared: Arc<Shared>, tcp: TcpStream, address: IpAddr, starting: Place) {
    let Some(ssh) = shared.ssh.clone() else { return };
    let config = Arc::clone(&ssh.server);
    Arrival { shared, ssh, config, address, jumped_to: None, around: None }.walk(tcp, Some(starting)).await;
}

/// Serves a connection inside another one, to a resource that the client has named there.
pub(super) fn jump(outer: Arc<Line>, channel: Channel<Msg>, resource: ResourceName) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let Some(ssh) = outer.shared.ssh.clone() else { return };
        match ssh.server_for(resource.as_str(), outer.shared.clock.now()) {
            Ok(config) => {
                let (shared, address) = (Arc::clone(&outer.shared), outer.address);
                let around = Some(Arc::clone(&outer.valve));
                drop(outer);
                Arrival { shared, ssh, config, address, jumped_to: Some(resource), around }.walk(channel.into_stream(), None).await;
            }
            Err(error) => tracing::error!(resource.name = %resource, %error, "a host certificate could not be made for a jump"),
        }
    })
}

/// A client that comes.
struct Arrival {
    shared: Arc<Shared>,
    ssh: Arc<Ssh>,
    /// What it meets.
    config: Arc<server::Config>,
    address: IpAddr,
    jumped_to: Option<ResourceName>,
    /// The leg of the connection that it comes inside of.
    around: Option<Arc<Valve>>,
}

impl Arrival {
    async fn walk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S, starting: Option<Place>) {
        let Self { shared, ssh, config, address, jumped_to, around } = self;
        let (calls, mut heard) = unbounded_channel();
        let valve = Valve::new();
        let gate = Gate::new(stream, Arc::clone(&valve));
        let line = Line::new(Arc::clone(&shared), address, valve, jumped_to, calls);
        let shut = Shut(Arc::clone(&line));
        let turned_away = |why: &'static str| {
            metrics::counter!("ajar_gateway_rejections_total", "why" => why).increment(1);
            tracing::debug!(why, "a connection ended before it was known who it is");
        };
        // On the heap for as long as it takes, and not a part of what a session needs to its end.
        let beginning = Box::pin(server::run_stream(config, gate, Front(Arc::clone(&line))));
        let begun = tokio::time::timeout(shared.limits.start_up, beginning).await;
        let mut session = match begun {
            Ok(Ok(session)) => session,
            Ok(Err(_)) => return turned_away("start_up"),
            Err(_) => return turned_away("too_slow"),
        };
        line.answers_with(session.handle());
        // First it shakes hands, then it says who it is.
        for limit in [shared.limits.start_up, TYPING] {
            tokio::select! {
                biased;
                _ = heard.recv() => {}
                _ = &mut session => return turned_away("start_up"),
                () = tokio::time::sleep(limit) => return turned_away("too_slow"),
            }
        }
        drop(starting);
        let Some(guest) = line.guest() else { return };
        Visit { shared, ssh, line: Arc::clone(&line), guest, session, heard, around, reason: None }.run().await;
        drop(shut);
        line.all_inside().join_all().await;
    }
}

/// However a walk ends, so does its connection.
struct Shut(Arc<Line>);

impl Drop for Shut {
    fn drop(&mut self) {
        self.0.valve.shut();
        self.0.end(None);
    }
}

/// A client that is known.
struct Visit {
    shared: Arc<Shared>,
    ssh: Arc<Ssh>,
    line: Arc<Line>,
    guest: Guest,
    session: RunningSession<Front>,
    heard: UnboundedReceiver<Call>,
    around: Option<Arc<Valve>>,
    /// Typed when it was asked for.
    reason: Option<String>,
}

/// Whether a client that was turned away may try again.
enum Next {
    Again,
    Over,
}

/// Why a live session ends.
enum Ending {
    Cut(CutReason),
    ClientLeft,
    HostLeft,
    Unrecorded(std::io::Error),
}

impl Visit {
    async fn run(mut self) {
        let mut signal = self.shared.signal.subscribe();
        loop {
            let asks = tokio::select! {
                biased;
                call = self.heard.recv() => match call {
                    Some(Call::Enter(_) | Call::EnterAll) => true,
                    Some(Call::Reason(reason)) => {
                        self.reason = Some(reason);
                        true
                    }
                    Some(Call::Shaken | Call::Known | Call::HostLeft) => false,
                    None => return,
                },
                _ = &mut self.session => return,
                () = stopping(&mut signal) => return self.goodbye(words::STOPPING).await,
            };
            if asks && matches!(self.enter().await, Next::Over) {
                return;
            }
        }
    }

    /// Channels that wait to be brought to the host.
    fn waiting(&self) -> Vec<Arc<Lane>> {
        self.line.lanes().into_iter().filter(|lane| lane.asked().what.is_some() && lane.prompt.lock().is_ok_and(|p| p.is_none())).collect()
    }

    /// All who wait are told why they don't come in.
    fn turn_away(&self, text: &str) -> Next {
        for lane in self.waiting().into_iter().filter(|lane| lane.enters()) {
            lane.refuse(text.to_owned(), NOT_IN);
        }
        self.line.turned_away();
        Next::Again
    }

    async fn enter(&mut self) -> Next {
        self.line.phase.send_replace(Phase::Waiting);
        let Some(resource) = self.guest.resource.clone() else {
            return self
                .turn_away(&words::line("which host? 'ajar setup ssh' makes them known to your client, or jump: ssh -J GATEWAY HOST"));
        };
        let mut wishes = self.line.wishes(&self.guest);
        if let Some(reason) = &self.reason {
            wishes.reason = Some(reason.clone());
        }
        let reasoned = wishes.reason.is_some();
        let knock =
            Knock { resource: resource.to_string(), protocol: "ssh", wishes, client: self.line.address, otherwise: Otherwise::Hold };
        // Not given up when the client leaves: what the door has begun, it must be told the end of.
        match self.shared.door.knock(&self.guest.who, knock).await {
            Ok(Admission::Open(opening)) => {
                let owed = Owed::new(opening.session, self.shared.reports.clone());
                self.carry(owed, opening).await
            }
            Ok(Admission::Held(held)) => self.hold(held).await,
            // That is for those who said that they don't wait.
            Ok(Admission::Asked(_) | Admission::Unasked { .. }) => self.turn_away(&words::line(words::STOPPING)),
            Err(refusal) if refusal.kind == RefusalKind::Lacking && !reasoned && self.ask_for_reason(&refusal) => Next::Again,
            Err(refusal) => self.turn_away(&words::refused(&refusal)),
        }
    }

    /// Where there is a terminal, its user can say why.
    fn ask_for_reason(&self, refusal: &Refusal) -> bool {
        let Some(lane) = self.waiting().into_iter().find(|lane| lane.asked().terminal.is_some()) else { return false };
        self.line.turned_away();
        lane.near(Item::Words(words::line(&refusal.message)));
        prompt::ask(&lane);
        true
    }

    async fn hold(&mut self, mut held: Held) -> Next {
        let mut owed = Owed::new(held.session, self.shared.reports.clone());
        owed.because(EndReason::ClientLeft);
        let waits = Gauge::new("held");
        let mut signal = self.shared.signal.subscribe();
        let opening = loop {
            tokio::select! {
                biased;
                _ = &mut self.session => return Next::Over,
                () = stopping(&mut signal) => {
                    owed.because(EndReason::ServerStopped);
                    self.goodbye(words::STOPPING).await;
                    return Next::Over;
                }
                call = self.heard.recv() => match call {
                    Some(Call::Enter(lane)) => lane.near(Item::Words(words::line(&format!("held: waiting for {} to be decided", held.request)))),
                    Some(Call::Shaken | Call::Known | Call::EnterAll | Call::Reason(_) | Call::HostLeft) => {}
                    None => return Next::Over,
                },
                notice = held.waiting.next() => match notice {
                    HeldNotice::Say(text) => self.line.say(&words::line(&text)),
                    HeldNotice::Open(opening) => break opening,
                    HeldNotice::Refused(refusal) => {
                        owed.because(if refusal.kind == RefusalKind::Unavailable { EndReason::FailedToOpen } else { EndReason::Refused });
                        drop(owed);
                        return self.turn_away(&words::refused(&refusal));
                    }
                },
            }
        };
        drop(waits);
        owed.because(EndReason::FailedToOpen);
        self.carry(owed, opening).await
    }

    /// From the door's word to the end of the session.
    async fn carry(&mut self, mut owed: Owed, opening: Box<Opening>) -> Next {
        let shared = Arc::clone(&self.shared);
        let Opening { session, grant, access: _, resource, orders } = *opening;
        let now = shared.clock.now();
        // INVARIANT I02: checked again right before dialling.
        let permit = match shared.verifier.permit(&grant, now) {
            Ok(permit) if permit.claims().resource == resource.name => permit,
            Ok(_) => return self.turn_away(&words::line("that grant is for something else")),
            Err(why) => return self.turn_away(&words::line(&format!("{} does not let you in: {why}", grant.claims.grant))),
        };
        let claims = permit.claims().clone();
        let Kind::Ssh(target) = &resource.kind else { return self.turn_away(&words::line("that is no SSH host")) };
        let Some(role) = target.roles.get(&claims.role) else { return self.turn_away(&words::not_in_role(&claims, "anything any more")) };
        if !role.allows_login(&self.guest.login) {
            owed.because(EndReason::Refused);
            let what = format!("user {}; its users are {}", self.guest.login, role.logins.join(", "));
            return self.turn_away(&words::not_in_role(&claims, &what));
        }
        let cut = Cut::new(orders, &shared, &permit);
        // INVARIANT I13: what can't be recorded isn't opened.
        let recorder = match shared.archive.begin(session, &claims, "ssh", now).await {
            Ok(recorder) => recorder,
            Err(error) => {
                tracing::error!(session.id = %session, %error, "a recording could not be begun: the session is refused");
                owed.because(EndReason::RecordingFailed);
                return self.turn_away(&words::unrecorded());
            }
        };
        let tape = Tape::new(Arc::clone(&shared.clock));
        let mut keeper = Keeper::new(cut, recorder);
        let far = self.line.valve.opposite();
        far.until(keeper.cut.deadline());
        let login = self.guest.login.clone();
        let errand = Errand { resource: &resource, target, role, login: &login };
        let host = match self.dial(&mut keeper, &permit, &errand, &far).await {
            Ok(host) => host,
            Err(why) => {
                far.shut();
                let text = match why {
                    Undialled::Cut(reason) => {
                        owed.because(because(reason));
                        words::line(&words::cut(keeper.cut.claims(), reason))
                    }
                    Undialled::Failed(error) => {
                        tracing::warn!(grant.id = %claims.grant, resource = %claims.resource, %error, "the target could not be opened");
                        words::unreachable(&claims, &error.to_string())
                    }
                    Undialled::ClientLeft => {
                        owed.because(EndReason::ClientLeft);
                        owed.complete(keeper.recorder()).await;
                        return Next::Over;
                    }
                };
                owed.complete(keeper.recorder()).await;
                drop(owed);
                return self.turn_away(&text);
            }
        };
        self.line.valve.until(keeper.cut.deadline());
        let room = Arc::new(Room::new(claims, role.clone(), login, target.record.clone(), host, tape));
        self.line.phase.send_replace(Phase::Open(Arc::clone(&room)));
        let live = Gauge::new("live");
        for lane in self.waiting() {
            self.bring(&room, lane);
        }
        let ending = self.live(&room, &mut keeper).await;
        drop(live);
        self.finish(owed, &room, keeper, &far, ending).await;
        Next::Over
    }

    async fn dial(
        &mut self,
        keeper: &mut Keeper,
        permit: &Permit,
        errand: &Errand<'_>,
        far: &Arc<Valve>,
    ) -> Result<russh::client::Handle<back::Back>, Undialled> {
        tokio::select! {
            biased;
            reason = keeper.cut.reached() => Err(Undialled::Cut(reason)),
            _ = &mut self.session => Err(Undialled::ClientLeft),
            dialled = Box::pin(back::dial(&self.line, &self.ssh, permit, errand, far)) => dialled.map_err(Undialled::Failed),
        }
    }

    async fn live(&mut self, room: &Arc<Room>, keeper: &mut Keeper) -> Ending {
        loop {
            tokio::select! {
                biased;
                event = keeper.next(&room.tape.lines) => match event {
                    Event::Due(Due::Warning(seconds)) => self.tell(&words::warning(keeper.cut.claims(), seconds)),
                    Event::Due(Due::Extended) => self.tell(&words::extended(keeper.cut.claims())),
                    Event::Due(Due::Cut(reason)) => return Ending::Cut(reason),
                    Event::Unrecorded(error) => return Ending::Unrecorded(error),
                },
                call = self.heard.recv() => match call {
                    Some(Call::Enter(lane)) => self.bring(room, lane),
                    Some(Call::HostLeft) | None => return by_itself(Ending::HostLeft, keeper),
                    Some(Call::Shaken | Call::Known | Call::EnterAll | Call::Reason(_)) => {}
                },
                _ = &mut self.session => return by_itself(Ending::ClientLeft, keeper),
            }
        }
    }

    /// Says something where somebody looks on: in terminals.
    fn tell(&self, text: &str) {
        for lane in self.line.listeners().into_iter().filter(|lane| lane.asked().terminal.is_some()) {
            lane.near(Item::Words(text.to_owned()));
        }
    }

    /// Brings a channel to the host, if its role allows it.
    fn bring(&self, room: &Arc<Room>, lane: Arc<Lane>) {
        if !lane.enters() {
            return;
        }
        let Some(what) = lane.asked().what.clone() else { return };
        if let Err((kind, name)) = allowed(room, &what) {
            let why = format!("role {} does not allow it", room.claims.role);
            room.tape.event(Some(lane.number), "refused", json!({ "what": kind, "name": name, "why": why }));
            return lane.refuse(words::not_in_role(&room.claims, &format!("{kind} {name}")), NOT_IN_ROLE);
        }
        let (line, room) = (Arc::clone(&self.line), Arc::clone(room));
        self.line.beside(async move {
            if let Err(error) = open(&line, &room, &lane, what).await {
                let text = format!("the host does not open it: {error}");
                room.tape.event(Some(lane.number), "refused", json!({ "what": "channel", "why": text }));
                match lane.reply() {
                    Some(reply) => reply.reject(ChannelOpenFailure::ConnectFailed).await,
                    None => lane.refuse(words::line(&text), NOT_IN),
                }
            }
        });
    }

    /// Says the last words, completes the recording, pays what is owed.
    async fn finish(&mut self, mut owed: Owed, room: &Room, mut keeper: Keeper, far: &Valve, ending: Ending) {
        far.shut();
        let deadline = keeper.cut.deadline();
        let (reason, text) = match &ending {
            Ending::Cut(reason) => (because(*reason), Some(words::cut(keeper.cut.claims(), *reason))),
            Ending::ClientLeft => (EndReason::ClientLeft, None),
            Ending::HostLeft => (EndReason::TargetLeft, Some(format!("{} has closed the connection", room.claims.resource))),
            Ending::Unrecorded(error) => {
                tracing::error!(grant.id = %room.claims.grant, %error, "a recording failed: its session is closed");
                (EndReason::RecordingFailed, Some(words::unrecorded()))
            }
        };
        owed.because(reason);
        if let Some(text) = text {
            let limit = match &ending {
                // What was passed on in time may still arrive in time; what can't is thrown away with the connection.
                Ending::Cut(CutReason::Expired) => deadline.left(),
                Ending::Cut(_) | Ending::Unrecorded(_) => DRAIN,
                Ending::HostLeft | Ending::ClientLeft => PATIENCE.min(deadline.left()),
            };
            self.drain(limit).await;
            room.tape.said(None, &text);
            if let Some(around) = self.around.as_ref().filter(|around| around.is_blocked()) {
                // INVARIANT I09: what lies in the connection around this one would arrive later.
                around.shut();
            }
            if self.line.valve.last_words() {
                self.goodbye(&text).await;
            }
        }
        self.line.valve.shut();
        self.line.end(matches!(ending, Ending::Cut(_)).then_some("cut"));
        let (bytes_in, bytes_out) = room.bytes();
        owed.carried(bytes_in, bytes_out);
        if matches!(ending, Ending::Cut(CutReason::Expired)) {
            owed.late_by(deadline.lateness_of(self.line.valve.last()));
        }
        keeper.take(&room.tape.lines);
        metrics::counter!("ajar_gateway_channel_events_total").increment(keeper.entries());
        metrics::counter!("ajar_gateway_bytes_total", "direction" => "in").increment(bytes_in);
        metrics::counter!("ajar_gateway_bytes_total", "direction" => "out").increment(bytes_out);
        owed.complete(keeper.recorder()).await;
    }

    /// Waits until the client has what was passed on.
    async fn drain(&self, limit: Duration) {
        let begun = self.shared.clock.mono();
        while !self.line.valve.is_drained() || self.around.as_ref().is_some_and(|around| around.is_blocked()) {
            let since = Duration::from_nanos(self.shared.clock.mono().0.saturating_sub(begun.0));
            if since >= limit {
                return;
            }
            if since < DRAIN {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(DRAIN).await;
            }
        }
    }

    /// Tells the client why it is disconnected, in each channel that has somebody to hear it and in the protocol's own words.
    async fn goodbye(&mut self, text: &str) {
        let Some(client) = self.line.client() else { return };
        let said = async {
            for lane in self.line.listeners() {
                drop(client.extended_data(lane.near, STDERR, lane.shown(words::line(text)).into_bytes()).await);
            }
            tokio::time::sleep(SHOWN).await;
            drop(client.disconnect(Disconnect::ByApplication, words::inert(text), String::new()).await);
            drop((&mut self.session).await);
        };
        drop(tokio::time::timeout(LAST_WORDS, said).await);
    }
}

/// What ends at the deadline ends by it.
fn by_itself(ending: Ending, keeper: &Keeper) -> Ending {
    if keeper.cut.deadline().check().is_none() { Ending::Cut(CutReason::Expired) } else { ending }
}

enum Undialled {
    Cut(CutReason),
    Failed(DialError),
    ClientLeft,
}

/// Whether the role allows it; what it is in two words when it doesn't.
fn allowed(room: &Room, what: &What) -> Result<(), (&'static str, String)> {
    let role = &room.role;
    let (fine, kind, name) = match what {
        What::Shell => (role.allows_shell(), "a", "shell".to_owned()),
        What::Exec(command) => (role.allows_command(command), "the command", String::from_utf8_lossy(command).chars().take(200).collect()),
        What::Subsystem(name) => (role.allows_subsystem(name), "the subsystem", name.clone()),
        What::Tcp { host, port, .. } => (role.allows_forward(host, *port), "the forward", format!("{host}:{port}")),
        What::Unix(path) => (role.allows_socket(path), "the forward", path.clone()),
        What::Back(kind, to) => (true, *kind, to.clone()),
    };
    if fine { Ok(()) } else { Err((kind, name)) }
}

/// Opens a channel on the host, with what was asked for in it as far as the role allows, and connects the two.
async fn open(line: &Arc<Line>, room: &Arc<Room>, lane: &Arc<Lane>, what: What) -> Result<(), russh::Error> {
    let asked = lane.asked().clone();
    let (_, half) = match &what {
        What::Tcp { host, port, from, from_port } => room.host.channel_open_direct_tcpip(host, *port, from, *from_port).await?.split(),
        What::Unix(path) => room.host.channel_open_direct_streamlocal(path).await?.split(),
        What::Shell | What::Exec(_) | What::Subsystem(_) | What::Back(..) => room.host.channel_open_session().await?.split(),
    };
    lane.begin(room);
    if matches!(what, What::Shell | What::Exec(_) | What::Subsystem(_)) {
        for (name, value) in asked.env.iter().filter(|(name, _)| room.role.allows_env(name)) {
            half.set_env(false, name, value).await?;
        }
        if asked.agent && room.role.agent {
            half.agent_forward(false).await?;
        }
        if let Some(x11) = asked.x11.as_ref().filter(|_| room.role.x11) {
            half.request_x11(false, x11.single, &x11.protocol, &x11.cookie, x11.screen).await?;
        }
        if let Some(t) = &asked.terminal {
            half.request_pty(false, &t.term, t.cols, t.rows, t.pixels.0, t.pixels.1, &t.modes).await?;
        }
    }
    match what {
        What::Shell => half.request_shell(true).await?,
        What::Exec(command) => half.exec(true, command).await?,
        What::Subsystem(name) => half.request_subsystem(true, name).await?,
        What::Tcp { .. } | What::Unix(_) | What::Back(..) => {}
    }
    if let Some(reply) = lane.reply() {
        reply.accept().await;
    }
    line.connect(lane, half);
    Ok(())
}
