//! TLS to a target, verified against the authorities that the resource names and no others.
//!
//! (`sqlx` adds the public web's authorities to the named file, so whoever gets a certificate from one of those would be
//! believed too: that is why this connector speaks through `tokio-postgres` with its own verifier.)

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ajar_core::resource::TargetTls;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};
use tokio_rustls::client::TlsStream;

/// The largest file of authorities that is read, in bytes.
const MAX_PEM: u64 = 1 << 20;

/// Makes TLS connections with one set of authorities. The name is checked as `verify-full` does.
#[derive(Clone)]
pub(super) struct Tls(Arc<ClientConfig>);

/// What `tls` asks for, or `None` where it asks for none. Paths are relative to `directory`. In words when it can't be had.
pub(super) async fn of(tls: &TargetTls, directory: &Path) -> Result<Option<Tls>, String> {
    let roots = match tls {
        TargetTls::Off => return Ok(None),
        TargetTls::Verify { ca_file } => from_file(&directory.join(ca_file)).await.map_err(|why| format!("its ca_file {ca_file} {why}"))?,
        TargetTls::System => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        }
    };
    if roots.is_empty() {
        return Err("the system has no certificate authorities: install them, or name a ca_file".to_owned());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| why.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Some(Tls(Arc::new(config))))
}

async fn from_file(path: &Path) -> Result<RootCertStore, String> {
    let size = tokio::fs::metadata(path).await.map_err(|why| format!("can't be read: {why}"))?.len();
    if size > MAX_PEM {
        return Err("is larger than 1 MiB".to_owned());
    }
    let pem = tokio::fs::read(path).await.map_err(|why| format!("can't be read: {why}"))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|why| format!("is not PEM: {why}"))?;
        roots.add(certificate).map_err(|why| format!("holds a certificate that can't be an authority: {why}"))?;
    }
    if roots.is_empty() { Err("holds no certificate".to_owned()) } else { Ok(roots) }
}

/// [`Tls`] for one host name.
pub(super) struct Connect {
    config: Arc<ClientConfig>,
    host: ServerName<'static>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Tls {
    type Stream = Stream<S>;
    type TlsConnect = Connect;
    type Error = rustls::pki_types::InvalidDnsNameError;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Connect, Self::Error> {
        Ok(Connect { config: self.0.clone(), host: ServerName::try_from(domain.to_owned())? })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Connect {
    type Stream = Stream<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let connector = tokio_rustls::TlsConnector::from(self.config);
            connector.connect(self.host, stream).await.map(|stream| Stream(Box::new(stream)))
        })
    }
}

/// A TLS connection, as the driver wants it.
pub(super) struct Stream<S>(Box<TlsStream<S>>);

impl<S: AsyncRead + AsyncWrite + Unpin> tokio_postgres::tls::TlsStream for Stream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
