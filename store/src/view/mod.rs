//! The queryable view: sled trees that can be rebuilt from the journal at any time.
//!
//! Keys are typed, big-endian numbers; names in keys are hashed. Values of records are the sealed bytes of the journal,
//! so a purged data key makes what is left in sled's files unreadable too.

mod apply;
mod key;
mod read;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sled::{Db, Tree};

use crate::error::StoreError;
use crate::folder::make_dir;
use crate::journal::Position;

pub(crate) use key::number;

/// Version of the trees and keys; another one means the view is rebuilt.
const FORMAT: u64 = 1;
/// What sled may keep in memory.
const CACHE: u64 = 4 << 20;

/// All trees.
#[derive(Debug, Clone)]
pub(crate) struct View {
    path: PathBuf,
    db: Db,
    /// Format and checkpoint.
    meta: Tree,
    /// repository → record.
    repos: Tree,
    /// hash of the lower-case slug → repository.
    slugs: Tree,
    /// request → record.
    requests: Tree,
    /// repository, request → nothing.
    repo_requests: Tree,
    /// build → record.
    builds: Tree,
    /// repository, number → build and what lists filter by.
    numbers: Tree,
    /// repository, hash of branch → its newest build by a push.
    branches: Tree,
    /// job → record.
    jobs: Tree,
    /// repository, hash of ref → record.
    handled: Tree,
    /// token → record.
    tokens: Tree,
    /// hash of a token's text → token.
    token_hashes: Tree,
    /// time, audit entry → record.
    audit: Tree,
    /// kind, request or build → nothing.
    unfinished: Tree,
    /// hash of a delivery → request.
    deliveries: Tree,
    /// request → hash of its delivery.
    delivery_order: Tree,
    /// name of a counter → highest value given out.
    counters: Tree,
}

/// Why the view can't be used as it is.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// sled failed or panicked, or the trees are of another format.
    Broken(String),
    /// Something outside the database is wrong; rebuilding would not help.
    Outside(StoreError),
}

impl View {
    /// Opens or makes the database, surviving a panic of its recovery.
    pub(crate) fn open(path: &Path) -> Result<View, Unusable> {
        let is_new = !path.exists();
        if is_new || path.is_dir() {
            // sled leaves it, and what is in it, to everybody's eyes.
            make_dir(path, 0o700).map_err(Unusable::Outside)?;
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            match catch_unwind(AssertUnwindSafe(|| View::try_open(path))) {
                Ok(Ok(view)) => return view.check_format(is_new),
                // Our own lock is held, so this is a database of this process that is still being closed.
                Ok(Err(sled::Error::Io(error))) if is_lock(&error) && Instant::now() < deadline => {
                    std::thread::yield_now();
                }
                Ok(Err(sled::Error::Io(error))) if is_outside(&error) => {
                    let error = StoreError::Io {
                        doing: "open",
                        path: path.to_owned(),
                        error,
                    };
                    return Err(Unusable::Outside(error));
                }
                Ok(Err(error)) => return Err(Unusable::Broken(error.to_string())),
                Err(panic) => return Err(Unusable::Broken(panic_text(panic.as_ref()))),
            }
        }
    }

    fn try_open(path: &Path) -> sled::Result<View> {
        let db = sled::Config::new()
            .path(path)
            .cache_capacity(CACHE)
            .flush_every_ms(None)
            .open()?;
        let tree = |name: &str| db.open_tree(name);
        Ok(View {
            path: path.to_owned(),
            meta: tree("meta")?,
            repos: tree("repos")?,
            slugs: tree("slugs")?,
            requests: tree("requests")?,
            repo_requests: tree("repo-requests")?,
            builds: tree("builds")?,
            numbers: tree("numbers")?,
            branches: tree("branches")?,
            jobs: tree("jobs")?,
            handled: tree("handled")?,
            tokens: tree("tokens")?,
            token_hashes: tree("token-hashes")?,
            audit: tree("audit")?,
            unfinished: tree("unfinished")?,
            deliveries: tree("deliveries")?,
            delivery_order: tree("delivery-order")?,
            counters: tree("counters")?,
            db,
        })
    }

    fn check_format(self, is_new: bool) -> Result<View, Unusable> {
        let broken = |error: sled::Error| Unusable::Broken(error.to_string());
        match self.meta.get("format").map_err(broken)? {
            Some(value) if number(&value) == Some(FORMAT) => Ok(self),
            Some(_) => Err(Unusable::Broken("it has another format".to_owned())),
            None if is_new => {
                // Flushed at once, so that a database without it later is one that lost what it had.
                self.meta
                    .insert("format", &FORMAT.to_be_bytes())
                    .map_err(broken)?;
                self.flush().map_err(Unusable::Outside)?;
                Ok(self)
            }
            None => Err(Unusable::Broken("it came up empty".to_owned())),
        }
    }

    /// The place in the journal up to which everything is durable here.
    pub(crate) fn checkpoint(&self) -> Result<Option<Position>, StoreError> {
        Ok(self
            .get(&self.meta, "checkpoint")?
            .as_deref()
            .and_then(Position::from_bytes))
    }

    /// Makes everything durable, then writes down that `position` needs no replaying before it.
    ///
    /// Two flushes, so that the mark can't become durable before what it speaks of.
    pub(crate) fn mark(&self, position: Position) -> Result<(), StoreError> {
        self.flush()?;
        self.put(&self.meta, "checkpoint", &position.to_bytes())?;
        self.flush()
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.db
            .flush()
            .map(|_| ())
            .map_err(|error| self.error(error))
    }

    fn error(&self, error: sled::Error) -> StoreError {
        StoreError::View {
            path: self.path.clone(),
            error,
        }
    }

    fn get(&self, tree: &Tree, key: impl AsRef<[u8]>) -> Result<Option<sled::IVec>, StoreError> {
        tree.get(key).map_err(|error| self.error(error))
    }

    fn put(&self, tree: &Tree, key: impl AsRef<[u8]>, value: &[u8]) -> Result<(), StoreError> {
        tree.insert(key, value)
            .map(|_| ())
            .map_err(|error| self.error(error))
    }

    fn take(&self, tree: &Tree, key: impl AsRef<[u8]>) -> Result<Option<sled::IVec>, StoreError> {
        tree.remove(key).map_err(|error| self.error(error))
    }

    /// All trees that hold what the journal says, by name, for comparing two views.
    ///
    /// Deliveries are left out: they are forgotten by age, so two histories of the same state may differ in them.
    pub(crate) fn trees(&self) -> [(&'static str, &Tree); 14] {
        [
            ("repos", &self.repos),
            ("slugs", &self.slugs),
            ("requests", &self.requests),
            ("repo-requests", &self.repo_requests),
            ("builds", &self.builds),
            ("numbers", &self.numbers),
            ("branches", &self.branches),
            ("jobs", &self.jobs),
            ("handled", &self.handled),
            ("tokens", &self.tokens),
            ("token-hashes", &self.token_hashes),
            ("audit", &self.audit),
            ("unfinished", &self.unfinished),
            ("counters", &self.counters),
        ]
    }

    /// The sealed records of everything remembered.
    pub(crate) fn records(&self) -> impl Iterator<Item = Result<Vec<u8>, StoreError>> + '_ {
        [
            &self.repos,
            &self.requests,
            &self.builds,
            &self.jobs,
            &self.handled,
            &self.tokens,
            &self.audit,
        ]
        .into_iter()
        .flat_map(|tree| tree.iter().values())
        .map(|value| {
            value
                .map(|bytes| bytes.to_vec())
                .map_err(|error| self.error(error))
        })
    }
}

fn is_lock(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::WouldBlock
        || error.to_string().contains("could not acquire lock")
}

/// Errors that say nothing about the database's content.
fn is_outside(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    is_lock(error)
        || matches!(
            error.kind(),
            ErrorKind::PermissionDenied
                | ErrorKind::StorageFull
                | ErrorKind::ReadOnlyFilesystem
                | ErrorKind::QuotaExceeded
        )
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("opening it panicked").to_owned()
}
