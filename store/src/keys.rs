//! Keys at rest: the daemon's master identity (age, X25519) and one data key per repository, sealed to it.
//!
//! Forgetting a data key makes everything ever written under it unreadable, also in old journal segments.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, RwLock};

use age::secrecy::ExposeSecret;
use age::stream::{StreamReader, StreamWriter};
use age::x25519::Identity;
use age::{Decryptor, Encryptor};
use assay_plan::RepoId;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};

use crate::error::StoreError;
use crate::folder::{remove_all, sync_dir, write_file};

/// The "repository" of records that belong to none.
pub(crate) const STATE: RepoId = RepoId(0);

/// All keys of one state folder. Data keys are decrypted when first needed and wiped when dropped (the cipher does).
pub(crate) struct Keys {
    dir: PathBuf,
    master: Identity,
    cache: RwLock<HashMap<RepoId, Arc<XChaCha20Poly1305>>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl Keys {
    /// Reads the master identity; `fresh` (nothing was ever stored here) allows making a new one.
    pub(crate) fn open(dir: PathBuf, fresh: bool) -> Result<Keys, StoreError> {
        let path = dir.join("identity");
        let master = match fs::read_to_string(&path) {
            Ok(text) => Identity::from_str(text.trim()).map_err(|what| StoreError::Damaged {
                path: path.clone(),
                what: format!("not an age identity ({what})"),
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && fresh => {
                let master = Identity::generate();
                write_file(
                    &path,
                    format!("{}\n", master.to_string().expose_secret()).as_bytes(),
                    0o600,
                )?;
                master
            }
            Err(error) => return Err(StoreError::io("read", &path)(error)),
        };
        let keys = Keys {
            dir,
            master,
            cache: RwLock::default(),
        };
        if fresh {
            keys.get_or_make(STATE)?;
        }
        Ok(keys)
    }

    fn path(&self, repo: RepoId) -> PathBuf {
        self.dir.join(if repo == STATE {
            "state.age".to_owned()
        } else {
            format!("repo-{repo}.age")
        })
    }

    /// The data key of a repository; `None` if it was forgotten or never made.
    pub(crate) fn get(&self, repo: RepoId) -> Result<Option<Arc<XChaCha20Poly1305>>, StoreError> {
        if let Some(key) = self.cached(repo) {
            return Ok(Some(key));
        }
        let path = self.path(repo);
        let sealed = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("read", &path)(error)),
        };
        let damaged = |what: String| StoreError::Damaged {
            path: path.clone(),
            what,
        };
        let bytes =
            age::decrypt(&self.master, &sealed).map_err(|error| damaged(error.to_string()))?;
        let cipher = XChaCha20Poly1305::new_from_slice(&bytes)
            .map_err(|_| damaged("not a data key".to_owned()))?;
        Ok(Some(self.remember(repo, cipher)))
    }

    /// The data key of a repository, made durable before it is used for the first time.
    pub(crate) fn get_or_make(&self, repo: RepoId) -> Result<Arc<XChaCha20Poly1305>, StoreError> {
        if let Some(key) = self.get(repo)? {
            return Ok(key);
        }
        let path = self.path(repo);
        let mut bytes = chacha20poly1305::Key::default();
        getrandom::fill(&mut bytes).map_err(StoreError::Random)?;
        let sealed = age::encrypt(&self.master.to_public(), &bytes).map_err(|error| {
            StoreError::Damaged {
                path: path.clone(),
                what: error.to_string(),
            }
        })?;
        write_file(&path, &sealed, 0o600)?;
        Ok(self.remember(repo, XChaCha20Poly1305::new(&bytes)))
    }

    /// Takes a repository's data key away for good.
    pub(crate) fn forget(&self, repo: RepoId) -> Result<(), StoreError> {
        self.cache
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .remove(&repo);
        remove_all(&self.path(repo))?;
        sync_dir(&self.dir)
    }

    /// Encrypts all that is written to it, to the master identity.
    pub(crate) fn seal_stream<W: io::Write>(&self, out: W) -> io::Result<StreamWriter<W>> {
        let recipient = self.master.to_public();
        let recipients = std::iter::once(&recipient as &dyn age::Recipient);
        Encryptor::with_recipients(recipients)
            .map_err(io::Error::other)?
            .wrap_output(out)
    }

    /// Reads what [`Keys::seal_stream`] wrote; an error as soon as something was altered.
    pub(crate) fn unseal_stream<R: io::BufRead>(&self, input: R) -> io::Result<StreamReader<R>> {
        let identity = std::iter::once(&self.master as &dyn age::Identity);
        Decryptor::new_buffered(input)
            .and_then(|decryptor| decryptor.decrypt(identity))
            .map_err(io::Error::other)
    }

    /// Encrypts a few bytes to the master identity.
    pub(crate) fn seal_bytes(&self, plain: &[u8]) -> io::Result<Vec<u8>> {
        age::encrypt(&self.master.to_public(), plain).map_err(io::Error::other)
    }

    /// The other end of [`Keys::seal_bytes`].
    pub(crate) fn unseal_bytes(&self, sealed: &[u8]) -> io::Result<Vec<u8>> {
        age::decrypt(&self.master, sealed).map_err(io::Error::other)
    }

    fn cached(&self, repo: RepoId) -> Option<Arc<XChaCha20Poly1305>> {
        self.cache
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .get(&repo)
            .cloned()
    }

    fn remember(&self, repo: RepoId, cipher: XChaCha20Poly1305) -> Arc<XChaCha20Poly1305> {
        let mut cache = self
            .cache
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(cache.entry(repo).or_insert_with(|| Arc::new(cipher)))
    }
}
