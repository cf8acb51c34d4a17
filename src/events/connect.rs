//! A connection to exactly the addresses given, with TLS when asked for. There is no pool, no proxy and no redirect:
//! nothing could lead elsewhere than to what was checked.

use super::{Undelivered, target::Target};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// How long a connection may take, all addresses and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A byte stream to the application.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// TLS with and without the server's name in the clear.
pub(super) struct Tls {
    named: TlsConnector,
    nameless: TlsConnector,
}

impl Tls {
    /// Trusts what the system trusts. Reads files.
    pub(super) fn of_system() -> Self {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            tracing::info!(errors = ?found.errors, "the system trusts no certificate authority; callbacks over https will fail");
        }
        Self::trusting(roots)
    }

    pub(super) fn trusting(roots: RootCertStore) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let named = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has what TLS 1.2 and 1.3 need")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut nameless = named.clone();
        nameless.enable_sni = false;
        Self { named: TlsConnector::from(Arc::new(named)), nameless: TlsConnector::from(Arc::new(nameless)) }
    }

    /// Connects to one of these addresses. `name` is sent as SNI and is what the certificate has to be for; without one,
    /// nothing is sent and the certificate has to be for the URL's host.
    ///
    /// # Errors
    /// [`Undelivered::NoConnection`], or [`Undelivered::Host`] when the name is none.
    pub(super) async fn connect(
        &self,
        target: &Target,
        addresses: &[SocketAddr],
        name: Option<&str>,
    ) -> Result<Box<dyn Stream>, Undelivered> {
        match timeout(CONNECT_TIMEOUT, self.open(target, addresses, name)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidInput => Err(Undelivered::Host),
            Ok(Err(error)) => {
                tracing::debug!(host = target.host, %error, "a callback cannot connect");
                Err(Undelivered::NoConnection)
            }
            Err(_) => Err(Undelivered::NoConnection),
        }
    }

    async fn open(&self, target: &Target, addresses: &[SocketAddr], name: Option<&str>) -> io::Result<Box<dyn Stream>> {
        let connector = if name.is_some() { &self.named } else { &self.nameless };
        let name = ServerName::try_from(name.unwrap_or(&target.host).to_owned()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let plain = TcpStream::connect(addresses).await?;
        plain.set_nodelay(true)?;
        Ok(if target.is_https { Box::new(connector.connect(name, plain).await?) } else { Box::new(plain) })
    }
}
