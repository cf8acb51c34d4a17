//! The listener's certificate, and taking up a renewed one without a restart.
//!
//! - TLS 1.2 and 1.3, with ring; `h2` and `http/1.1` by ALPN. No early data, which could be replayed.
//! - Files are compared by their content, so it does not matter how they are replaced. While the new ones do not fit
//!   together, or are not what they should be, the old certificate stays in use and the log says why, once.

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// A file larger than this is neither a certificate nor a key. Bytes.
const FILE_SIZE_MAX: u64 = 1 << 20;

const HTTP_2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// Where the certificate and its key are, both as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, followed by those of the authorities between it and the root.
    pub certificate: PathBuf,
    /// Its private key, not encrypted.
    pub key: PathBuf,
}

/// Why a certificate cannot be used. Nothing of the key is repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A file does not hold what it should.
    #[error("{} holds no {wanted}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
    },
    /// The certificate and the key do not belong together, or are of a kind that is not supported.
    #[error("the certificate in {} cannot be used with the key in {}: {why}", certificate.display(), key.display())]
    Together {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// What came of looking at the files again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// They are as they were.
    Unchanged,
    /// New connections get the new certificate.
    Renewed,
    /// They cannot be used; the old certificate stays in use.
    Kept,
}

/// The certificate in use.
pub struct Certificates {
    files: TlsFiles,
    /// Held for a moment only: to take a handle, or to swap one. Never while a file is read.
    current: Mutex<Current>,
}

struct Current {
    contents: Contents,
    serving: Arc<ServerConfig>,
    refusing: Arc<ServerConfig>,
    /// What was said last about files that cannot be used.
    complaint: Option<TlsError>,
}

#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// When they cannot be read, or do not hold a certificate and its key.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let contents = Contents::read(&files)?;
        let current = Mutex::new(Current::new(contents, &files)?);
        Ok(Self { files, current })
    }

    /// Reads the files again and takes up what is new in them. Blocks.
    pub fn reload(&self) -> Reloaded {
        let renewed = Contents::read(&self.files).and_then(|contents| {
            let is_new = self.current().contents != contents;
            is_new.then(|| Current::new(contents, &self.files)).transpose()
        });
        let mut current = self.current();
        match renewed {
            Ok(None) => {
                current.complaint = None;
                Reloaded::Unchanged
            }
            Ok(Some(new)) => {
                *current = new;
                tracing::info!(certificate = %self.files.certificate.display(), "the renewed TLS certificate is in use");
                Reloaded::Renewed
            }
            Err(error) => {
                if current.complaint.as_ref() != Some(&error) {
                    tracing::warn!(%error, "the TLS files cannot be used; the certificate from before stays in use");
                    current.complaint = Some(error);
                }
                Reloaded::Kept
            }
        }
    }

    /// Looks at the files every few seconds, until dropped.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(CHECK_INTERVAL).await;
            let this = Arc::clone(&self);
            if let Err(error) = tokio::task::spawn_blocking(move || this.reload()).await {
                tracing::error!(%error, "looking at the TLS files panicked");
            }
        }
    }

    /// Shakes hands with clients that are served.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.current().serving).into()
    }

    /// Shakes hands with clients that are told to slow down, in HTTP/1.1 whatever they speak besides.
    pub(super) fn refusing_acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.current().refusing).into()
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn new(contents: Contents, files: &TlsFiles) -> Result<Self, TlsError> {
        let content = |path: &Path, wanted| TlsError::Content { path: path.to_owned(), wanted };
        let no_certificate = || content(&files.certificate, "certificate in PEM");
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(&contents.certificate).collect::<Result<_, _>>().map_err(|_| no_certificate())?;
        if chain.is_empty() {
            return Err(no_certificate());
        }
        let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|_| content(&files.key, "private key in PEM, unencrypted"))?;
        let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
        let mut serving = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has what TLS 1.2 and 1.3 need")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| TlsError::Together {
                certificate: files.certificate.clone(),
                key: files.key.clone(),
                why: error.to_string(),
            })?;
        let mut refusing = serving.clone();
        serving.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1_1.to_vec()];
        refusing.alpn_protocols = vec![HTTP_1_1.to_vec()];
        Ok(Self { contents, serving: Arc::new(serving), refusing: Arc::new(refusing), complaint: None })
    }
}

impl Contents {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = |path: &Path| read_bounded(path).map_err(|error| TlsError::File { path: path.to_owned(), why: error.to_string() });
        Ok(Self { certificate: read(&files.certificate)?, key: read(&files.key)? })
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(FILE_SIZE_MAX + 1).read_to_end(&mut content)?;
    if content.len() as u64 > FILE_SIZE_MAX {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(content)
}

/// Whether a client and we have agreed on HTTP/2.
pub(super) fn speaks_http2(connection: &rustls::ServerConnection) -> bool {
    connection.alpn_protocol() == Some(HTTP_2)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::{ClientConfig, RootCertStore};

    /// A certificate authority, and a directory with files that it signs.
    pub(in crate::server) struct Authority {
        issuer: CertifiedIssuer<'static, KeyPair>,
        directory: tempfile::TempDir,
    }

    impl Authority {
        pub(in crate::server) fn new() -> Self {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
            Self { issuer, directory: tempfile::tempdir().unwrap() }
        }

        pub(in crate::server) fn files(&self) -> TlsFiles {
            TlsFiles { certificate: self.directory.path().join("certificate.pem"), key: self.directory.path().join("key.pem") }
        }

        /// Puts a new certificate for `localhost` into the files and returns it.
        pub(in crate::server) fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            change(&mut params);
            let certificate = params.signed_by(&key, &self.issuer).unwrap();
            std::fs::write(self.files().certificate, certificate.pem()).unwrap();
            std::fs::write(self.files().key, key.serialize_pem()).unwrap();
            certificate.der().clone()
        }

        pub(in crate::server) fn certificate(&self) -> CertificateDer<'static> {
            self.issuer.der().clone()
        }

        /// What a client needs that trusts this authority.
        pub(in crate::server) fn client(&self, protocols: &[&[u8]]) -> ClientConfig {
            let mut roots = RootCertStore::empty();
            roots.add(self.certificate()).unwrap();
            let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            config
        }
    }

    fn loaded(authority: &Authority) -> Certificates {
        authority.issue(|_| {});
        Certificates::load(authority.files()).unwrap()
    }

    #[test]
    fn a_renewed_certificate_is_taken_up_and_an_unchanged_one_is_left_alone() {
        let authority = Authority::new();
        let certificates = loaded(&authority);
        let before = Arc::clone(&certificates.current().serving);
        assert_eq!(certificates.reload(), Reloaded::Unchanged);
        assert!(Arc::ptr_eq(&before, &certificates.current().serving));
        authority.issue(|_| {});
        assert_eq!(certificates.reload(), Reloaded::Renewed);
        assert!(!Arc::ptr_eq(&before, &certificates.current().serving));
    }

    #[test]
    fn files_that_cannot_be_used_leave_the_certificate_from_before_in_use() {
        let authority = Authority::new();
        let certificates = loaded(&authority);
        let files = authority.files();
        let before = Arc::clone(&certificates.current().serving);
        let old_key = std::fs::read(&files.key).unwrap();
        authority.issue(|_| {});
        let new_key = std::fs::read(&files.key).unwrap();
        let broken: [(&str, &dyn Fn()); 5] = [
            ("another certificate's key", &|| std::fs::write(&files.key, &old_key).unwrap()),
            ("garbage", &|| std::fs::write(&files.key, "garbage").unwrap()),
            ("half a key", &|| std::fs::write(&files.key, &new_key[..new_key.len() / 2]).unwrap()),
            ("too large", &|| std::fs::write(&files.key, vec![b'x'; (1 << 20) + 1]).unwrap()),
            ("gone", &|| std::fs::remove_file(&files.key).unwrap()),
        ];
        for (what, break_it) in broken {
            break_it();
            assert_eq!(certificates.reload(), Reloaded::Kept, "{what}");
            assert!(certificates.current().complaint.is_some(), "{what}");
            assert!(Arc::ptr_eq(&before, &certificates.current().serving), "{what}");
        }
        std::fs::write(&files.key, &new_key).unwrap();
        assert_eq!(certificates.reload(), Reloaded::Renewed, "once they fit together");
    }

    #[test]
    fn a_server_does_not_start_with_files_that_cannot_be_used() {
        let authority = Authority::new();
        authority.issue(|_| {});
        let files = authority.files();
        let exchanged = TlsFiles { certificate: files.key.clone(), key: files.certificate.clone() };
        assert!(matches!(Certificates::load(exchanged), Err(TlsError::Content { .. })));
        let absent = TlsFiles { key: "absent".into(), ..files };
        assert!(matches!(Certificates::load(absent), Err(TlsError::File { .. })));
    }
}
