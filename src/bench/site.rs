//! The endpoint under load: how to connect to it, and how requests to it are signed.

use super::{
    BenchError, Order, Tongue,
    client::{Body, Connection, Request, Stream},
};
use crate::{
    auth::{
        Addressed, oss_sign,
        sign::{self, Credentials},
    },
    dialect::percent,
    model::Timestamp,
};
use http::{Method, Uri, header};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use std::{
    io,
    net::TcpStream,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How long presigned URLs are valid. Seconds.
const EXPIRES_SECS: u64 = 24 * 3600;
/// How long the server may take to go on with a body or an answer.
const PATIENCE: Duration = Duration::from_secs(300);

/// An endpoint and one bucket of it.
pub(super) struct Site {
    /// Where to connect to.
    address: String,
    /// What Host says.
    authority: String,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    tongue: Tongue,
    bucket: String,
    virtual_host: bool,
    region: String,
    credentials: Credentials,
    now: Timestamp,
}

/// A request that is not signed yet.
pub(super) struct Draft<'a> {
    pub(super) method: Method,
    /// `None` for the bucket itself.
    pub(super) key: Option<&'a str>,
    /// Encoded.
    pub(super) query: &'a str,
    /// First and last byte.
    pub(super) range: Option<(u64, u64)>,
    pub(super) body: Body,
}

impl Site {
    /// Reads the endpoint and, for https, what is trusted.
    ///
    /// # Errors
    /// [`BenchError::Setting`], [`BenchError::File`].
    pub(super) fn new(order: &Order) -> Result<Self, BenchError> {
        let wrong = |what: &str| BenchError::Setting(format!("endpoint `{}`: {what}", order.endpoint));
        let uri: Uri = order.endpoint.parse().map_err(|_| wrong("it is not of the form http://host:port"))?;
        let is_https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) | None => return Err(wrong("it has to begin with http:// or https://")),
        };
        if uri.path() != "/" || uri.query().is_some() {
            return Err(wrong("it may have no path"));
        }
        let (Some(endpoint), Some(host)) = (uri.authority(), uri.host()) else { return Err(wrong("it has no host")) };
        if endpoint.as_str().contains('@') {
            return Err(wrong("it may have no user"));
        }
        let in_host = if order.virtual_host { format!("{}.", order.bucket) } else { String::new() };
        let host = format!("{in_host}{host}");
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let tls = if is_https {
            let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            let name = ServerName::try_from(name).map_err(|_| wrong("its host is no name that a certificate could be for"))?;
            Some((Arc::new(client_config(order.ca.as_deref())?), name))
        } else {
            None
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let site = Self {
            address: order.connect.clone().unwrap_or_else(|| format!("{host}:{port}")),
            authority: format!("{in_host}{endpoint}"),
            tls,
            tongue: order.tongue,
            bucket: order.bucket.clone(),
            virtual_host: order.virtual_host,
            region: order.region.clone(),
            credentials: order.credentials.clone(),
            now: Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
        };
        // What cannot be signed is known now, and not in the middle of the run.
        site.request(Draft { method: Method::GET, key: None, query: "", range: None, body: Body::Empty })?;
        Ok(site)
    }

    /// The bucket's name.
    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The dialect.
    pub(super) fn tongue(&self) -> Tongue {
        self.tongue
    }

    /// The region that is signed.
    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// Where connections go.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn connect(&self) -> io::Result<Connection> {
        let plain = TcpStream::connect(&self.address)?;
        plain.set_nodelay(true)?;
        plain.set_read_timeout(Some(PATIENCE))?;
        plain.set_write_timeout(Some(PATIENCE))?;
        let Some((config, name)) = &self.tls else { return Ok(Connection::over(Stream::Plain(plain))) };
        let client = ClientConnection::new(Arc::clone(config), name.clone()).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(client, plain);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Connection::over(Stream::Encrypted(Box::new(stream))))
    }

    /// Signs a request in its URL and writes it out.
    ///
    /// # Errors
    /// [`BenchError::Setting`] for names and credentials that no request can have.
    pub(super) fn request(&self, draft: Draft<'_>) -> Result<Request, BenchError> {
        let Draft { method, key, query, range, body } = draft;
        let key_path = key.map(|key| format!("/{}", percent::encode_path(key))).unwrap_or_default();
        let path = match self.virtual_host {
            false => format!("/{}{key_path}", percent::encode(&self.bucket)),
            true if key_path.is_empty() => "/".to_owned(),
            true => key_path,
        };
        let target = if query.is_empty() { path } else { format!("{path}?{query}") };
        let unusable = |error: &dyn std::fmt::Display| BenchError::Setting(format!("no request can be signed: {error}"));
        let request = http::Request::builder().method(&method).uri(target).header(header::HOST, &self.authority).body(());
        let (mut parts, ()) = request.map_err(|error| unusable(&error))?.into_parts();
        let signed = match self.tongue {
            Tongue::S3 => sign::presign_v4(&mut parts, &self.credentials, &self.region, EXPIRES_SECS, self.now),
            Tongue::Oss => {
                let bucket = Some(self.bucket.as_str());
                let addressed = Addressed { bucket, key, bucket_in_host: bucket.filter(|_| self.virtual_host) };
                oss_sign::presign_v4(&mut parts, &self.credentials, &addressed, &self.region, &[], EXPIRES_SECS, self.now)
            }
        };
        signed.map_err(|error| unusable(&error))?;
        let mut head = format!("{method} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: partway-bench\r\n", parts.uri, self.authority);
        if let Some((first, last)) = range {
            head.push_str(&format!("Range: bytes={first}-{last}\r\n"));
        }
        if method == Method::PUT || method == Method::POST {
            head.push_str(&format!("Content-Length: {}\r\n", body.size()));
        }
        head.push_str("\r\n");
        Ok(Request { head: head.into_bytes().into(), body, is_head: method == Method::HEAD })
    }
}

/// Trusts the certificates of a file, or what the system trusts.
fn client_config(ca: Option<&Path>) -> Result<ClientConfig, BenchError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let file = |why: String| BenchError::File { path: path.to_owned(), why };
            let certificates = CertificateDer::pem_file_iter(path).map_err(|error| file(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| file(error.to_string()))?;
                roots.add(certificate).map_err(|error| file(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(file("there is no certificate in it".to_owned()));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has what TLS 1.2 and 1.3 need")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::fixture::order;

    fn head(order: &Order, key: Option<&str>, query: &str) -> String {
        let site = Site::new(order).unwrap();
        let request =
            site.request(Draft { method: Method::PUT, key, query, range: Some((1, 2)), body: Body::Payload { start: 0, size: 7 } });
        String::from_utf8(request.unwrap().head.into()).unwrap()
    }

    #[test]
    fn requests_are_addressed_by_path_or_by_host_and_signed_in_their_url() {
        let path = order();
        let text = head(&path, Some("a b/é"), "partNumber=1");
        assert!(text.starts_with("PUT /films/a%20b/%C3%A9?partNumber=1&X-Amz-Algorithm="), "{text}");
        assert!(text.contains("\r\nHost: files.test:9000\r\n"), "{text}");
        assert!(text.ends_with("Range: bytes=1-2\r\nContent-Length: 7\r\n\r\n"), "{text}");
        assert!(text.contains("&X-Amz-Signature=") && !text.contains("secret"), "{text}");
        let host = Order { virtual_host: true, tongue: Tongue::Oss, ..order() };
        let text = head(&host, Some("k"), "");
        assert!(text.starts_with("PUT /k?x-oss-signature-version=OSS4-HMAC-SHA256"), "{text}");
        assert!(text.contains("\r\nHost: films.files.test:9000\r\n"), "{text}");
        assert_eq!(Site::new(&host).unwrap().address(), "films.files.test:9000");
        let elsewhere = Order { connect: Some("127.0.0.1:1".to_owned()), ..host };
        assert_eq!(Site::new(&elsewhere).unwrap().address(), "127.0.0.1:1");
    }

    #[test]
    fn endpoints_that_are_none_are_refused() {
        for endpoint in ["", "files.test", "ftp://files.test", "http://files.test/path", "http://files.test/?q", "http://u:p@files.test"] {
            let refused = Site::new(&Order { endpoint: endpoint.to_owned(), ..order() });
            assert!(matches!(refused, Err(BenchError::Setting(_))), "{endpoint}");
        }
        let broken = Order { bucket: "a\nb".to_owned(), virtual_host: true, ..order() };
        assert!(matches!(Site::new(&broken), Err(BenchError::Setting(_))));
        let no_ca = Order { endpoint: "https://files.test".to_owned(), ca: Some("/nowhere".into()), ..order() };
        assert!(matches!(Site::new(&no_ca), Err(BenchError::File { .. })));
    }
}
