//! TLS from two PEM files, read again when they change; a broken new pair keeps the old one in use.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// The files are looked at when a connection comes, but not more often than this.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why a certificate can't be used. Names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read, or holds nothing of the kind.
    #[error("cannot read {what} from {}: {error}", path.display())]
    File {
        /// Certificate or key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        error: rustls::pki_types::pem::Error,
    },
    /// The certificate file holds no certificate.
    #[error("no certificate in {}", .0.display())]
    NoCertificate(PathBuf),
    /// Certificate and key are unusable, or don't belong together.
    #[error("certificate {} and key {} can't be used: {error}", cert.display(), key.display())]
    Pair {
        /// The certificate file.
        cert: PathBuf,
        /// The key file.
        key: PathBuf,
        /// Why not.
        error: rustls::Error,
    },
}

/// A certificate with its key, kept fresh from its files.
#[derive(Debug)]
pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    current: Mutex<Current>,
}

struct Current {
    acceptor: TlsAcceptor,
    changed: [Option<SystemTime>; 2],
    looked: Instant,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current")
            .field("changed", &self.changed)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads certificate chain and key, both PEM.
    ///
    /// # Errors
    /// A file can't be read, or they don't fit together.
    pub fn load(cert: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        // Before reading: a file that changes in between is read again.
        let changed = [modified(&cert), modified(&key)];
        let acceptor = acceptor(&cert, &key)?;
        Ok(Tls {
            cert,
            key,
            current: Mutex::new(Current {
                acceptor,
                changed,
                looked: Instant::now(),
            }),
        })
    }

    /// What the next connection is met with.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.looked.elapsed() >= LOOK_EVERY {
            current.looked = Instant::now();
            self.refresh(&mut current);
        }
        current.acceptor.clone()
    }

    fn refresh(&self, current: &mut Current) {
        let changed = [modified(&self.cert), modified(&self.key)];
        if changed == current.changed {
            return;
        }
        current.changed = changed;
        match acceptor(&self.cert, &self.key) {
            Ok(acceptor) => {
                current.acceptor = acceptor;
                tracing::info!(cert = %self.cert.display(), "certificate reloaded");
            }
            Err(error) => {
                tracing::error!(%error, "the changed certificate can't be used, the old one stays")
            }
        }
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path)
        .and_then(|data| data.modified())
        .ok()
}

fn acceptor(cert: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let failed = |what, path: &Path, error| TlsError::File {
        what,
        path: path.to_owned(),
        error,
    };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed("certificate", cert, error))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(cert.to_owned()));
    }
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|error| failed("private key", key, error))?;
    let unusable = |error| TlsError::Pair {
        cert: cert.to_owned(),
        key: key.to_owned(),
        error,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
