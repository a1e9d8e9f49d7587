//! A gateway between clients, a door and a target that the tests hold in their hands.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use ajar_core::event::Actor;
use ajar_core::id::{GrantId, LeaseId, PrincipalId, RequestId, SessionId};
use ajar_core::name::ResourceName;
use ajar_core::permit::{Claims, GrantSigner, SignedGrant};
use ajar_core::port::{
    Access, Admission, Clock, Credential, Door, Entropy, Entry, Identified, Knock, LeaseSecret, Mono, Opening, Order, OrderFeed, Otherwise,
    Refusal, RefusalKind, SessionReport,
};
use ajar_core::resource::{Kind, PostgresTarget, Resource, SecretSource, TargetTls};
use ajar_core::secret::Secret;
use ajar_core::time::{Span, Timestamp};
use ajar_gateway::{Gateway, GatewayConfig, HttpCertificate, Limits, SshConfig};
use ajar_wire::pg::scram::ScramKeys;
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use sha2::Sha256;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use uuid::Uuid;

use crate::keys;

const PASSWORD: &str = "the lease's password";
const SALT: [u8; 16] = [7; 16];

/// The real clocks, which a test can step.
pub(crate) struct TestClock {
    start: Instant,
    step: AtomicI64,
    step_mono: AtomicU64,
}

impl Default for TestClock {
    fn default() -> Self {
        Self { start: Instant::now(), step: AtomicI64::new(0), step_mono: AtomicU64::new(0) }
    }
}

impl TestClock {
    pub(crate) fn step_mono(&self, by: Duration) {
        self.step_mono.fetch_add(u64::try_from(by.as_nanos()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn step(&self, millis: i64) {
        self.step.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let real = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        Timestamp::from_millis(i64::try_from(real).unwrap() + self.step.load(Ordering::SeqCst))
    }

    fn mono(&self) -> Mono {
        Mono(u64::try_from(self.start.elapsed().as_nanos()).unwrap() + self.step_mono.load(Ordering::SeqCst))
    }
}

/// Numbers that only have to differ.
#[derive(Default)]
pub(crate) struct Counted(AtomicU64);

impl Entropy for Counted {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let n = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst).to_be_bytes();
            chunk.copy_from_slice(&n[..chunk.len()]);
        }
    }

    fn uuid(&self, _: Timestamp) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::SeqCst)))
    }
}

/// A door that lets everybody in for a while.
pub(crate) struct OpenDoor {
    signer: GrantSigner,
    resource: Arc<Resource>,
    clock: Arc<TestClock>,
    ids: Counted,
    /// How long grants are.
    pub(crate) length: Mutex<Duration>,
    /// When all of them end instead.
    pub(crate) end: Mutex<Option<Timestamp>>,
    /// What the last client that was let in is allowed.
    pub(crate) last: Mutex<Option<Claims>>,
    /// The code that is good, what began with, and the host.
    pub(crate) code: Mutex<Option<(String, String, String)>>,
    /// Whether nothing is open to anybody.
    pub(crate) shut: AtomicBool,
    /// What was to be done for who knocked last.
    pub(crate) otherwise: Mutex<Option<Otherwise>>,
    orders: watch::Sender<Option<Order>>,
    reports: mpsc::UnboundedSender<SessionReport>,
}

struct Feed {
    until: Timestamp,
    orders: watch::Receiver<Option<Order>>,
}

#[async_trait]
impl OrderFeed for Feed {
    fn current(&self) -> Order {
        self.orders.borrow().clone().unwrap_or(Order::Until(self.until))
    }

    async fn changed(&mut self) -> Order {
        if self.orders.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.current()
    }
}

impl OpenDoor {
    /// A signed grant that goes on from the last client's for so much longer, but for what a test changes.
    pub(crate) fn extension(&self, millis: u64, change: impl FnOnce(&mut Claims)) -> SignedGrant {
        let last = self.last.lock().unwrap().clone().unwrap();
        let now = self.clock.now();
        let mut claims = Claims {
            grant: GrantId::new(self.ids.uuid(now)),
            request: RequestId::new(self.ids.uuid(now)),
            starts_at: now,
            ends_at: last.ends_at.after(Span::from_millis(millis)),
            ..last
        };
        change(&mut claims);
        self.signer.sign(claims)
    }
}

#[async_trait]
impl Door for OpenDoor {
    async fn identify(&self, credential: &Credential, claimed: Option<&str>, _: IpAddr) -> Result<Identified, Refusal> {
        let good = match credential {
            Credential::Token(token) => ["good", "ajar_good"].contains(&token.expose()),
            Credential::Key { token } => *token == keys::token(),
            Credential::Entry { secret, host } => *secret.expose() == format!("entry-at-{host}"),
            Credential::Certificate { .. } => false,
        };
        let refusal = Refusal { kind: RefusalKind::BadCredential, message: "no".into(), detail: None, hint: None, field: None };
        let name = claimed.unwrap_or("dev").parse().map_err(|_| refusal.clone())?;
        if !good {
            return Err(refusal);
        }
        Ok(Identified { principal: PrincipalId::new(Uuid::from_u128(1)), name, actor: Actor::System })
    }

    async fn knock(&self, who: &Identified, knock: Knock) -> Result<Admission, Refusal> {
        *self.otherwise.lock().unwrap() = Some(knock.otherwise);
        if self.shut.load(Ordering::SeqCst) {
            return Ok(match knock.otherwise {
                Otherwise::Look => Admission::Unasked { resource: self.resource.name.clone(), role: Some("read".parse().unwrap()) },
                Otherwise::Hold | Otherwise::Ask => Admission::Asked(RequestId::new(Uuid::from_u128(7))),
            });
        }
        let now = self.clock.now();
        let length = Span::from_millis(u64::try_from(self.length.lock().unwrap().as_millis()).unwrap());
        let claims = Claims {
            grant: GrantId::new(self.ids.uuid(now)),
            request: RequestId::new(self.ids.uuid(now)),
            principal: who.principal,
            resource: self.resource.name.clone(),
            role: "read".parse().unwrap(),
            starts_at: now,
            ends_at: self.end.lock().unwrap().unwrap_or(now.after(length)),
        };
        let until = claims.ends_at;
        *self.last.lock().unwrap() = Some(claims.clone());
        Ok(Admission::Open(Box::new(Opening {
            session: SessionId::new(self.ids.uuid(now)),
            grant: self.signer.sign(claims),
            access: Access::Login {
                lease: LeaseId::new(Uuid::from_u128(9)),
                login: "ajar_login".into(),
                secret: LeaseSecret { password: Secret::new(PASSWORD.into()), salt: SALT },
            },
            resource: Arc::clone(&self.resource),
            orders: Box::new(Feed { until, orders: self.orders.subscribe() }),
        })))
    }

    fn enter(&self, code: &Secret, begun: &str, authority: &str) -> Result<Entry, Refusal> {
        let refusal = Refusal { kind: RefusalKind::BadCredential, message: "no".into(), detail: None, hint: None, field: None };
        if *self.code.lock().unwrap() != Some((code.expose().to_owned(), begun.to_owned(), authority.to_owned())) {
            return Err(refusal);
        }
        *self.code.lock().unwrap() = None;
        let who = Identified { principal: PrincipalId::new(Uuid::from_u128(1)), name: "dev".parse().unwrap(), actor: Actor::System };
        let host = authority.split(':').next().unwrap();
        Ok(Entry { secret: Secret::new(format!("entry-at-{host}")), expires_at: self.clock.now().after(Span::from_secs(3_600)), who })
    }

    fn resource_at(&self, host: &str) -> Option<ResourceName> {
        self.resource.hosts().iter().any(|own| own == host).then(|| self.resource.name.clone())
    }

    async fn ended(&self, report: SessionReport) {
        drop(self.reports.send(report));
    }
}

/// What the target does.
#[derive(Debug, Clone)]
pub(crate) enum Script {
    /// Takes the connection and says nothing.
    Silent,
    /// Says this instead of asking for SCRAM.
    Says(Vec<u8>),
    /// Asks for so many SCRAM iterations.
    Iterations(u32),
    /// Signs in, then says this.
    Then(Vec<u8>),
    /// Signs in, answers every query with one row.
    Answers,
    /// Signs in, then sends rows for ever.
    Floods,
}

/// What the target has seen: bytes behind the sign-in, and when the last ones came.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) bytes: u64,
    pub(crate) last: Option<SystemTime>,
    pub(crate) closed: u64,
}

/// Everything.
pub(crate) struct House {
    pub(crate) gateway: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) ssh: SocketAddr,
    pub(crate) door: Arc<OpenDoor>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) reports: mpsc::UnboundedReceiver<SessionReport>,
    pub(crate) seen: Arc<Mutex<Seen>>,
    pub(crate) recordings: TempDir,
    /// The authority of the gateway's certificate, PEM.
    pub(crate) authority: String,
    tls: Arc<ClientConfig>,
    stop: Option<oneshot::Sender<()>>,
    tasks: JoinSet<()>,
}

impl House {
    pub(crate) async fn with(script: Script) -> Self {
        Self::with_limits(script, Limits::default()).await
    }

    pub(crate) async fn with_limits(script: Script, limits: Limits) -> Self {
        let mut tasks = JoinSet::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        tasks.spawn(target(listener, script, Arc::clone(&seen)));
        Self::around(resource(port), seen, tasks, limits).await
    }

    /// A gateway before a resource, whose target `tasks` holds.
    pub(crate) async fn around(resource: Resource, seen: Arc<Mutex<Seen>>, tasks: JoinSet<()>, limits: Limits) -> Self {
        Self::with_certificates(resource, seen, tasks, (limits, Vec::new())).await
    }

    /// The same with certificates for HTTP APIs.
    pub(crate) async fn with_certificates(
        resource: Resource,
        seen: Arc<Mutex<Seen>>,
        mut tasks: JoinSet<()>,
        (limits, certificates): (Limits, Vec<HttpCertificate>),
    ) -> Self {
        let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
        let mut server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        // OpenSSL takes one whose name is its issuer's for self-signed.
        server.distinguished_name.push(DnType::CommonName, "localhost");
        let server = server.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();

        let clock = Arc::new(TestClock::default());
        let signer = GrantSigner::new(&[3; 32]);
        let verifier = signer.verifier();
        let (to, reports) = mpsc::unbounded_channel();
        let door = Arc::new(OpenDoor {
            signer,
            resource: Arc::new(resource),
            clock: Arc::clone(&clock),
            ids: Counted::default(),
            length: Mutex::new(Duration::from_secs(3_600)),
            end: Mutex::new(None),
            last: Mutex::new(None),
            code: Mutex::default(),
            shut: AtomicBool::default(),
            otherwise: Mutex::default(),
            orders: watch::Sender::new(None),
            reports: to,
        });
        let recordings = tempfile::tempdir().unwrap();
        let config = GatewayConfig {
            postgres: "127.0.0.1:0".parse().unwrap(),
            http: Some("127.0.0.1:0".parse().unwrap()),
            http_certificates: certificates,
            ssh: Some(SshConfig {
                listen: "127.0.0.1:0".parse().unwrap(),
                host_key: keys::private(keys::GATEWAY),
                names: vec!["127.0.0.1".into()],
                authority: Arc::new(keys::Authority),
            }),
            public_url: "https://ajar.test".into(),
            certificate_pem: server.pem(),
            key_pem: Secret::new(key.serialize_pem()),
            client_ca_pem: None,
            recordings: recordings.path().to_owned(),
            policy_dir: recordings.path().to_owned(),
            secrets: Arc::new(|source| match source {
                SecretSource::Env(_) => Ok(Secret::new("s3cret".into())),
                SecretSource::File(path) => std::fs::read_to_string(path).map(Secret::new).map_err(|why| why.to_string()),
            }),
            limits,
        };
        let entropy = Arc::new(Counted::default());
        let shared: Arc<dyn Clock> = Arc::clone(&clock) as _;
        let gateway = Gateway::bind(config, Arc::clone(&door) as _, verifier, shared, entropy).await.unwrap();
        let (address, http, ssh) = (gateway.postgres_addr().unwrap(), gateway.http_addr().unwrap(), gateway.ssh_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        tasks.spawn(gateway.serve(async move { drop(stopped.await) }));

        let mut roots = RootCertStore::empty();
        roots.add(rustls::pki_types::CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut tls = tls.with_root_certificates(roots).with_no_client_auth();
        tls.alpn_protocols = vec![b"postgresql".to_vec()];
        Self {
            gateway: address,
            http,
            ssh,
            door,
            clock,
            reports,
            seen,
            recordings,
            authority: ca_pem,
            tls: Arc::new(tls),
            stop: Some(stop),
            tasks,
        }
    }

    /// How long grants are from now on.
    pub(crate) fn grants_last(&self, length: Duration) {
        *self.door.length.lock().unwrap() = length;
    }

    /// Orders every session.
    pub(crate) fn order(&self, order: Order) {
        self.door.orders.send_replace(Some(order));
    }

    /// The next session that has ended.
    pub(crate) async fn report(&mut self) -> SessionReport {
        tokio::time::timeout(Duration::from_secs(20), self.reports.recv()).await.expect("no report").unwrap()
    }

    /// A client that has shaken hands with the door for HTTP, and may speak these.
    pub(crate) async fn calls(&self, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
        let tcp = TcpStream::connect(self.http).await.unwrap();
        self.shakes_hands(tcp, protocols, "localhost").await
    }

    /// The same, over a connection that is there, with a name to ask for.
    pub(crate) async fn shakes_hands(&self, tcp: TcpStream, protocols: &[&[u8]], name: &str) -> TlsStream<TcpStream> {
        tcp.set_nodelay(true).unwrap();
        let mut tls = (*self.tls).clone();
        tls.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
        TlsConnector::from(Arc::new(tls)).connect(ServerName::try_from(name.to_owned()).unwrap(), tcp).await.unwrap()
    }

    /// A client that has sent its token, and hasn't read what comes of it.
    pub(crate) async fn knock(&self) -> TlsStream<TcpStream> {
        let tcp = TcpStream::connect(self.gateway).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let mut tls = connector.connect(ServerName::try_from("localhost").unwrap(), tcp).await.unwrap();
        let mut first = b"\0\0\0\0\0\x03\0\0user\0dev\0database\0orders-db\0\0".to_vec();
        let len = u32::try_from(first.len()).unwrap();
        first[..4].copy_from_slice(&len.to_be_bytes());
        tls.write_all(&first).await.unwrap();
        let mut asked = [0; 9];
        tls.read_exact(&mut asked).await.unwrap();
        tls.write_all(&message(b'p', b"good\0")).await.unwrap();
        tls
    }

    /// A client that is in.
    pub(crate) async fn enter(&self) -> TlsStream<TcpStream> {
        let mut tls = self.knock().await;
        loop {
            let (tag, body) = next(&mut tls).await.expect("let in");
            match tag {
                b'Z' => return tls,
                b'E' => panic!("{}", shown(&body)),
                _ => {}
            }
        }
    }

    /// Stops the gateway; all sessions have reported when this returns.
    pub(crate) async fn stop(&mut self) {
        drop(self.stop.take());
        // The target's task goes on; the gateway's ends.
        self.tasks.join_next().await.unwrap().unwrap();
    }
}

fn resource(port: u16) -> Resource {
    Resource {
        name: "orders-db".parse().unwrap(),
        description: String::new(),
        labels: Default::default(),
        owners: Default::default(),
        default_role: Some("read".parse().unwrap()),
        role_descriptions: Default::default(),
        kind: Kind::Postgres(PostgresTarget {
            host: "127.0.0.1".into(),
            port,
            database: "orders".into(),
            tls: TargetTls::Off,
            admin_user: "admin".into(),
            admin_password: SecretSource::Env("X".into()),
            roles: Default::default(),
        }),
    }
}

/// A message with a length.
pub(crate) fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag][..], &u32::try_from(body.len() + 4).unwrap().to_be_bytes(), body].concat()
}

/// The next message; none at the end.
pub(crate) async fn next<S: AsyncReadExt + Unpin>(stream: &mut S) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).await.ok()?;
    let mut body = vec![0; u32::from_be_bytes(head[1..].try_into().unwrap()) as usize - 4];
    stream.read_exact(&mut body).await.ok()?;
    Some((head[0], body))
}

/// Everything to the end: types, and the last error.
pub(crate) async fn rest<S: AsyncReadExt + Unpin>(stream: &mut S) -> (String, String) {
    let (mut types, mut error) = (String::new(), String::new());
    while let Some((tag, body)) = next(stream).await {
        if types.len() < 100 {
            types.push(char::from(tag));
        }
        if tag == b'E' {
            error = shown(&body);
        }
    }
    (types, error)
}

pub(crate) fn shown(body: &[u8]) -> String {
    body.split(|b| *b == 0).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n")
}

/// One row, as an answer to a simple query.
pub(crate) fn answer() -> Vec<u8> {
    let row = [message(b'T', b"\0\0"), message(b'D', b"\0\0"), message(b'C', b"SELECT 1\0"), message(b'Z', b"I")];
    row.concat()
}

async fn target(listener: TcpListener, script: Script, seen: Arc<Mutex<Seen>>) {
    let keys = ScramKeys::derive(PASSWORD, &SALT, 4_096).unwrap().verifier();
    let keys = Arc::new(STANDARD.decode(keys.rsplit(':').next().unwrap()).unwrap());
    let mut sessions = JoinSet::new();
    loop {
        let Ok((tcp, _)) = listener.accept().await else { return };
        tcp.set_nodelay(true).unwrap();
        let (script, seen, keys) = (script.clone(), Arc::clone(&seen), Arc::clone(&keys));
        sessions.spawn(async move {
            let _: Option<()> = serve(tcp, &script, &seen, &keys).await;
            seen.lock().unwrap().closed += 1;
        });
    }
}

/// One connection of the target; signs in by SCRAM without looking at the client's proof.
async fn serve(mut tcp: TcpStream, script: &Script, seen: &Mutex<Seen>, server_key: &[u8]) -> Option<()> {
    let mut len = [0; 4];
    tcp.read_exact(&mut len).await.ok()?;
    let mut first = vec![0; u32::from_be_bytes(len) as usize - 4];
    tcp.read_exact(&mut first).await.ok()?;
    let iterations = match script {
        Script::Silent => return std::future::pending().await,
        Script::Says(bytes) => {
            tcp.write_all(bytes).await.ok()?;
            return std::future::pending().await;
        }
        Script::Iterations(n) => *n,
        Script::Then(_) | Script::Answers | Script::Floods => 4_096,
    };
    let sasl = |kind: u32, text: &str| message(b'R', &[&kind.to_be_bytes()[..], text.as_bytes()].concat());
    tcp.write_all(&sasl(10, "SCRAM-SHA-256\0\0")).await.ok()?;
    let (_, body) = next(&mut tcp).await?;
    let text = String::from_utf8(body).unwrap();
    let bare = text.split_once("n,,").unwrap().1.to_owned();
    let nonce = format!("{}server", bare.split_once("r=").unwrap().1);
    let server_first = format!("r={nonce},s={},i={iterations}", STANDARD.encode(SALT));
    tcp.write_all(&sasl(11, &server_first)).await.ok()?;
    let (_, body) = next(&mut tcp).await?;
    let client_final = String::from_utf8(body).unwrap();
    let without_proof = client_final.split_once(",p=").unwrap().0;
    let mut mac = Hmac::<Sha256>::new_from_slice(server_key).unwrap();
    mac.update(format!("{bare},{server_first},{without_proof}").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let key = message(b'K', &[0, 0, 0, 42, 1, 2, 3, 4]);
    let ready = [sasl(12, &format!("v={signature}")), message(b'R', &[0; 4]), key, message(b'Z', b"I")].concat();
    tcp.write_all(&ready).await.ok()?;
    if let Script::Then(bytes) = script {
        tcp.write_all(bytes).await.ok()?;
    }
    let rows = message(b'D', &[b'x'; 80]).repeat(500);
    let mut buffer = vec![0; 65_536];
    let floods = matches!(script, Script::Floods);
    let (mut read, mut write) = tcp.split();
    let reading = async {
        let answer = answer();
        loop {
            let n = read.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
            let mut seen = seen.lock().unwrap();
            seen.bytes += n as u64;
            seen.last = Some(SystemTime::now());
            drop(seen);
            if floods { continue } else { break Some(answer) }
        }
    };
    if floods {
        let writing = async { while write.write_all(&rows).await.is_ok() {} };
        tokio::join!(async { reading.await.map(drop) }, writing);
        return None;
    }
    let answer = reading.await?;
    loop {
        write.write_all(&answer).await.ok()?;
        let n = read.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
        let mut seen = seen.lock().unwrap();
        seen.bytes += n as u64;
        seen.last = Some(SystemTime::now());
    }
}
