//! A client that speaks PostgreSQL's protocol byte by byte, and breaks it where a test wants to.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::stage::Stage;

pub(crate) const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A connection over TLS.
pub(crate) struct Wire {
    tls: StreamOwned<ClientConnection, TcpStream>,
    /// Its cancel key: pid and secret.
    pub(crate) key: (u32, Vec<u8>),
}

/// A message of the server: its type and body.
pub(crate) type Message = (u8, Vec<u8>);

/// TLS that trusts the gateway's authority.
pub(crate) fn tls(stage: &Stage, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(stage.authority()).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|a| a.to_vec()).collect();
    Arc::new(config)
}

/// A TCP connection to the gateway.
pub(crate) fn tcp(stage: &Stage) -> TcpStream {
    let tcp = TcpStream::connect(("127.0.0.1", stage.gateway())).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    tcp.set_nodelay(true).unwrap();
    tcp
}

/// A message with a length.
pub(crate) fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag][..], &len, body].concat()
}

/// A StartupMessage.
pub(crate) fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = vec![0, 3, 0, 0];
    for (name, value) in parameters {
        body.extend([name.as_bytes(), &[0], value.as_bytes(), &[0]].concat());
    }
    body.push(0);
    [&u32::try_from(body.len() + 4).unwrap().to_be_bytes()[..], &body].concat()
}

impl Wire {
    /// TLS, after asking for it.
    pub(crate) fn tls(stage: &Stage) -> Self {
        let mut tcp = tcp(stage);
        tcp.write_all(&SSL_REQUEST).unwrap();
        let mut answer = [0];
        tcp.read_exact(&mut answer).unwrap();
        assert_eq!(answer, *b"S");
        Self::over(stage, tcp, &[])
    }

    /// TLS at once.
    pub(crate) fn direct(stage: &Stage, alpn: &[&[u8]]) -> Self {
        Self::over(stage, tcp(stage), alpn)
    }

    fn over(stage: &Stage, tcp: TcpStream, alpn: &[&[u8]]) -> Self {
        let connection = ClientConnection::new(tls(stage, alpn), ServerName::try_from("localhost").unwrap()).unwrap();
        Self { tls: StreamOwned::new(connection, tcp), key: (0, Vec::new()) }
    }

    /// Signed in with a token, up to the first ReadyForQuery.
    pub(crate) fn open(stage: &Stage, who: &str, resource: &str) -> Self {
        let mut wire = Self::tls(stage);
        wire.sign_in(&startup(&[("user", who), ("database", resource)]), &stage.token(who));
        wire
    }

    pub(crate) fn sign_in(&mut self, startup: &[u8], token: &str) {
        self.send(startup);
        assert_eq!(self.next().unwrap().0, b'R');
        self.send(&message(b'p', &[token.as_bytes(), &[0]].concat()));
        loop {
            let (tag, body) = self.next().unwrap();
            match tag {
                b'K' => self.key = (u32::from_be_bytes(body[..4].try_into().unwrap()), body[4..].to_vec()),
                b'E' => panic!("{}", shown(&body)),
                b'Z' => return,
                _ => {}
            }
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.tls.write_all(bytes).unwrap();
        self.tls.flush().unwrap();
    }

    pub(crate) fn query(&mut self, sql: &str) {
        self.send(&message(b'Q', &[sql.as_bytes(), &[0]].concat()));
    }

    /// The next message; an error at the end.
    pub(crate) fn next(&mut self) -> io::Result<Message> {
        let mut head = [0; 5];
        self.tls.read_exact(&mut head)?;
        let mut body = vec![0; u32::from_be_bytes(head[1..].try_into().unwrap()) as usize - 4];
        self.tls.read_exact(&mut body)?;
        Ok((head[0], body))
    }

    /// Everything up to ReadyForQuery or the end: the types.
    pub(crate) fn types(&mut self) -> String {
        let mut types = String::new();
        while let Ok((tag, _)) = self.next() {
            types.push(char::from(tag));
            if tag == b'Z' {
                break;
            }
        }
        types
    }

    /// Everything up to the end: the types, and the last error.
    pub(crate) fn rest(&mut self) -> (String, String) {
        let (mut types, mut error) = (String::new(), String::new());
        while let Ok((tag, body)) = self.next() {
            types.push(char::from(tag));
            if tag == b'E' {
                error = shown(&body);
            }
        }
        (types, error)
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.tls.sock
    }

    /// Bytes, as they come.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tls.read(buffer)
    }
}

/// An error's fields, one a line.
pub(crate) fn shown(body: &[u8]) -> String {
    body.split(|b| *b == 0).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n")
}
