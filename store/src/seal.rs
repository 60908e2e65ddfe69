//! A sealed record: one change, encrypted under the data key of the repository it belongs to.
//!
//! Layout: version (1 byte), repository (8, big-endian), nonce (24), ciphertext with tag. Version and repository are
//! authenticated. The same bytes stand in the journal and in the view.

use assay_plan::RepoId;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::error::StoreError;
use crate::keys::Keys;
use crate::record::Entry;

/// Version of the record forms; goes up when an older reader could not read a record.
pub(crate) const VERSION: u8 = 1;

const CLEAR: usize = 9;
const HEAD: usize = CLEAR + 24;

/// Why a sealed record can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// Cut off, altered, or sealed under another key.
    #[error("it is damaged")]
    Damaged,
    /// Its repository's data key is gone.
    #[error("the data key of repository {0} is gone")]
    NoKey(RepoId),
    /// Written by a newer version.
    #[error("it was written by a newer version (record format {0})")]
    Newer(u8),
    /// The content makes no sense.
    #[error("{0}")]
    Content(String),
    /// A key could not be read.
    #[error("{0}")]
    Key(StoreError),
}

/// Seals one entry under the key of its repository.
pub(crate) fn seal(key: &XChaCha20Poly1305, entry: &Entry) -> Result<Vec<u8>, StoreError> {
    let failed = |what: String| StoreError::Record { record: entry.name(), what };
    let plain = entry.encode().map_err(|error| failed(error.to_string()))?;
    let mut sealed = Vec::with_capacity(HEAD + plain.len() + 16);
    sealed.push(VERSION);
    sealed.extend_from_slice(&entry.repo().0.to_be_bytes());
    let mut nonce = XNonce::default();
    getrandom::fill(&mut nonce).map_err(StoreError::Random)?;
    let payload = Payload { msg: &plain, aad: &sealed[..CLEAR] };
    let secret = key.encrypt(&nonce, payload).map_err(|_| failed("it is too large to be sealed".to_owned()))?;
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&secret);
    Ok(sealed)
}

/// The repository a sealed record belongs to.
pub(crate) fn repo_of(sealed: &[u8]) -> Option<RepoId> {
    let bytes: [u8; 8] = sealed.get(1..CLEAR)?.try_into().ok()?;
    Some(RepoId(u64::from_be_bytes(bytes)))
}

/// Opens a sealed record.
pub(crate) fn unseal(keys: &Keys, sealed: &[u8]) -> Result<Entry, Unreadable> {
    let version = *sealed.first().ok_or(Unreadable::Damaged)?;
    if version > VERSION {
        return Err(Unreadable::Newer(version));
    }
    let repo = repo_of(sealed).ok_or(Unreadable::Damaged)?;
    let (Some(nonce), Some(secret)) = (sealed.get(CLEAR..HEAD), sealed.get(HEAD..)) else {
        return Err(Unreadable::Damaged);
    };
    let key = keys.get(repo).map_err(Unreadable::Key)?.ok_or(Unreadable::NoKey(repo))?;
    let payload = Payload { msg: secret, aad: &sealed[..CLEAR] };
    let plain = key.decrypt(XNonce::from_slice(nonce), payload).map_err(|_| Unreadable::Damaged)?;
    Entry::decode(&plain).map_err(|error| Unreadable::Content(error.to_string()))
}
