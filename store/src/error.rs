//! Why the store can't do something.

use std::io;
use std::path::{Path, PathBuf};

use assay_plan::RepoId;

/// Why the store can't do something. Names the file or key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused something.
    #[error("{doing} {path}: {error}", path = path.display())]
    Io {
        /// What was tried, as a verb: `write`, `open`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// Another process uses the state folder.
    #[error("state folder {dir} is in use by another daemon{by}", dir = dir.display(), by = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Locked {
        /// The state folder.
        dir: PathBuf,
        /// The process that has it, where it says so.
        pid: Option<u32>,
    },
    /// The state was written by a newer version.
    #[error("{path} was written by a newer version (format {found}, known up to {known})", path = path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Format found.
        found: u32,
        /// Newest format known here.
        known: u32,
    },
    /// A file doesn't hold what it should.
    #[error("{path} is damaged: {what}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A stored record can't be read.
    #[error("record {record} can't be read: {what}")]
    Record {
        /// What the record is: kind and id.
        record: String,
        /// What is wrong with it.
        what: String,
    },
    /// There is no such repository (any more), so nothing can be stored for it.
    #[error("repository {0} is not known")]
    UnknownRepository(RepoId),
    /// Another repository has this name.
    #[error("repository name {0} is taken")]
    SlugTaken(String),
    /// The database can't be used.
    #[error("database {path}: {error}", path = path.display())]
    View {
        /// Its folder.
        path: PathBuf,
        /// What sled said.
        error: sled::Error,
    },
    /// A write failed and could not be taken back; nothing more is written until the daemon is started again.
    #[error("journal {path} is closed after a failed write: {first}", path = path.display())]
    Closed {
        /// The segment.
        path: PathBuf,
        /// The failure that closed it.
        first: String,
    },
    /// The store is shutting down.
    #[error("the store is closing")]
    Closing,
    /// The system gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
    /// A log is not being written any more (it was cleared or finished).
    #[error("log of job {0} was cleared while it was written")]
    LogCleared(u64),
}

impl StoreError {
    /// For `map_err`: an [`StoreError::Io`] about `path`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.to_owned();
        move |error| StoreError::Io { doing, path, error }
    }

    /// Another error that says the same, for a second caller whose write shared the failed flush.
    pub(crate) fn again(&self) -> StoreError {
        match self {
            StoreError::Io { doing, path, error } => StoreError::Io {
                doing,
                path: path.clone(),
                error: error.raw_os_error().map_or_else(
                    || io::Error::new(error.kind(), error.to_string()),
                    io::Error::from_raw_os_error,
                ),
            },
            StoreError::Closed { path, first } => {
                StoreError::Closed { path: path.clone(), first: first.clone() }
            }
            _ => StoreError::Closing,
        }
    }
}
