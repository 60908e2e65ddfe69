//! Why Git data can't be had.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// Why Git data can't be had. Names the repository and the object.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GitError {
    /// A repository can't be read.
    #[error("repository {path}: {what}", path = path.display())]
    Repository {
        /// Its folder.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// An object is not there (any more).
    #[error("{id} is not in repository {path}", path = path.display())]
    Missing {
        /// The repository.
        path: PathBuf,
        /// The object.
        id: String,
    },
    /// An object doesn't have the content its id promises.
    #[error("object {id} in repository {path} is damaged: {what}", path = path.display())]
    Damaged {
        /// The repository.
        path: PathBuf,
        /// The object.
        id: String,
        /// What is wrong with it.
        what: String,
    },
    /// Something else than a commit stands where a commit is needed.
    #[error("{id} is a {kind}, not a commit")]
    NotACommit {
        /// The object.
        id: String,
        /// What it is.
        kind: String,
    },
    /// A name in the tree must not be written into a work tree.
    #[error("path {path:?}: {why}")]
    Name {
        /// The path.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file is kept in Git LFS.
    #[error("file {path:?} is kept in Git LFS, which is not supported")]
    Lfs {
        /// The path.
        path: String,
    },
    /// A submodule can't be laid out.
    #[error("submodule {path:?}: {why}")]
    Submodule {
        /// Its path.
        path: String,
        /// Why not.
        why: String,
    },
    /// A tree or an object is larger than is handled.
    #[error("{what} is too large ({size}, at most {limit})")]
    TooLarge {
        /// The object or path.
        what: String,
        /// Its size or number.
        size: u64,
        /// What is handled.
        limit: u64,
    },
    /// The mirror can't be read or written.
    #[error("mirror: {0}")]
    Mirror(StoreError),
    /// The registered repositories can't be looked up.
    #[error("{0}")]
    Store(StoreError),
    /// The work tree can't be written.
    #[error("write the work tree: {0}")]
    Sink(io::Error),
}

impl GitError {
    /// For `map_err`: something of gix' about the repository at `path`.
    pub(super) fn repository<E: Error>(path: &Path) -> impl FnOnce(E) -> GitError {
        let path = path.to_owned();
        move |error| GitError::Repository { path, what: chain(&error) }
    }
}

/// An error and its causes in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = cause.source();
    }
    text
}
