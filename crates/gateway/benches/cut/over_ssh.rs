//! The cut of SSH sessions: clients, hosts and the gateway in one process, all with the same library.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ajar_core::port::Clock;
use ajar_core::resource::{Kind, Resource};
use ajar_core::session::EndReason;
use ajar_core::ssh::{HostKey, SshCredential, SshRecord, SshRole, SshTarget};
use ajar_core::time::Span;
use russh::keys::{Certificate, PublicKeyOrCertificate};
use russh::server::{Auth, ChannelOpenHandle, Msg, Session};
use russh::{Channel, ChannelId, ChannelMsg, client, server};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::house::House;
use crate::{keys, limits, millis, spread};

const HOST: u8 = 42;
const ACCOUNT: &str = "deploy";
/// What a session in flow sends again and again.
const PIECE: &[u8] = &[b'x'; 1_024];

/// A host that sends back what it is sent.
struct Echo;

impl server::Handler for Echo {
    type Error = russh::Error;

    async fn auth_openssh_certificate(&mut self, _: &str, _: &Certificate) -> Result<Auth, russh::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(&mut self, _: Channel<Msg>, reply: ChannelOpenHandle, _: &mut Session) -> Result<(), russh::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(&mut self, channel: ChannelId, _: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        session.channel_success(channel)?;
        session.data(channel, &b"in\n"[..])
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        session.data(channel, data.to_vec())
    }
}

struct Trusting;

impl client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

async fn host(listener: TcpListener) {
    let config = Arc::new(server::Config { keys: vec![keys::key(HOST)], inactivity_timeout: None, ..server::Config::default() });
    let mut sessions = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        drop(tcp.set_nodelay(true));
        let config = Arc::clone(&config);
        sessions.spawn(async move {
            if let Ok(session) = server::run_stream(config, tcp, Echo).await {
                drop(session.await);
            }
        });
    }
}

fn resource(port: u16) -> Resource {
    Resource {
        name: "orders-web-1".parse().unwrap(),
        description: String::new(),
        labels: Default::default(),
        owners: Default::default(),
        default_role: Some("read".parse().unwrap()),
        role_descriptions: Default::default(),
        kind: Kind::Ssh(SshTarget {
            host: "127.0.0.1".into(),
            port,
            host_keys: vec![HostKey::Key(keys::public(HOST))],
            credential: SshCredential::Certificate,
            record: SshRecord::default(),
            roles: [("read".parse().unwrap(), SshRole::of(vec![ACCOUNT.into()]))].into(),
        }),
    }
}

/// A session in which a command runs.
async fn enter(house: &House) -> (client::Handle<Trusting>, Channel<client::Msg>) {
    let tcp = TcpStream::connect(house.ssh).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let mut client = client::connect_stream(Arc::new(client::Config::default()), tcp, Trusting).await.unwrap();
    let certificate = keys::visitor(keys::VISITORS, |b| {
        b.valid_principal("ajar-visitor").unwrap().extension("ajar-resource", "orders-web-1").unwrap();
    });
    let certificate = Certificate::from_openssh(&certificate).unwrap();
    assert!(client.authenticate_openssh_cert(ACCOUNT, Arc::new(keys::key(keys::DEV)), certificate).await.unwrap().success());
    let mut channel = client.channel_open_session().await.unwrap();
    channel.exec(true, "echo").await.unwrap();
    loop {
        if let ChannelMsg::Data { .. } = channel.wait().await.unwrap() {
            return (client, channel);
        }
    }
}

/// So many sessions whose grants end together; of each so many one sends without a pause, and the others are idle.
pub(crate) async fn deadline(sessions: usize, one_in: usize, (p99_budget, most_budget): (f64, f64)) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(host(listener));
    let mut house = House::around(resource(port), Arc::default(), tasks, limits()).await;
    let build = Instant::now();
    // Far enough for everybody to come in, each with two key exchanges.
    let end = house.clock.now().after(Span::from_millis(15_000 + sessions as u64 * 40));
    *house.door.end.lock().unwrap() = Some(end);
    let shared = Arc::new(house);
    let (mut entering, turns) = (JoinSet::new(), Arc::new(Semaphore::new(32)));
    for _ in 0..sessions {
        let (house, turns) = (Arc::clone(&shared), Arc::clone(&turns));
        entering.spawn(async move {
            let _turn = turns.acquire().await.unwrap();
            enter(&house).await
        });
    }
    let clients = entering.join_all().await;
    let left = end.since(shared.clock.now());
    println!(
        "SSH, {sessions} live sessions, {} of them in flow: in after {:.1} s, {left} before the end",
        sessions.div_ceil(one_in),
        build.elapsed().as_secs_f64()
    );
    let mut ends = JoinSet::new();
    for (i, (client, mut channel)) in clients.into_iter().enumerate() {
        let flows = i % one_in == 0;
        ends.spawn(async move {
            let mut last = None;
            if flows {
                drop(channel.data_bytes(PIECE).await);
            }
            while let Some(message) = channel.wait().await {
                if matches!(message, ChannelMsg::Data { .. }) {
                    last = Some(SystemTime::now());
                    drop(channel.data_bytes(PIECE).await);
                }
            }
            drop(client);
            (last, SystemTime::now())
        });
    }
    let deadline = end.as_millis() as f64;
    let (mut data, mut closed) = (Vec::new(), Vec::new());
    while let Some(done) = ends.join_next().await {
        let (last, seen) = done.unwrap();
        data.extend(last.map(|at| (millis(at) - deadline).max(0.0)));
        closed.push((millis(seen) - deadline).max(0.0));
    }
    house = Arc::into_inner(shared).unwrap();
    let mut forwarded = Vec::new();
    for _ in 0..sessions {
        let report = house.report().await;
        assert_eq!(report.reason, EndReason::Cut);
        forwarded.push(report.late_ms.unwrap() as f64);
    }
    let (p99, most) = spread("last byte passed on by the gateway, after the deadline", forwarded);
    spread("last data that a client in flow saw, after the deadline", data);
    spread("session over, as a client saw it, after the deadline", closed);
    let met = p99 <= p99_budget && most < most_budget;
    println!("  budget: p99 ≤ {p99_budget} ms, none ≥ {most_budget} ms: {}", if met { "met" } else { "MISSED" });
    tokio::time::timeout(Duration::from_secs(20), house.stop()).await.unwrap();
}
