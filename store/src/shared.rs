//! What all handles and threads of one store share, and what they do together.

use std::sync::atomic::AtomicU64;
use std::sync::{PoisonError, RwLock};

use assay_plan::RepoId;
use tokio::sync::broadcast;

use crate::archives;
use crate::error::StoreError;
use crate::folder::Folder;
use crate::git::Mirrors;
use crate::keys::{Keys, STATE};
use crate::logs::Logs;
use crate::record::Entry;
use crate::seal::{self, Unreadable};
use crate::types::{Change, Changed};
use crate::view::View;

/// What both threads and all handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) folder: Folder,
    pub(crate) keys: Keys,
    pub(crate) view: View,
    pub(crate) logs: Logs,
    pub(crate) mirrors: Mirrors,
    pub(crate) changed: broadcast::Sender<Changed>,
    pub(crate) flushes: AtomicU64,
    /// Held for writing while a repository is removed, so that nobody seals under a key that is going away.
    pub(crate) removal: RwLock<()>,
}

impl Shared {
    /// Brings an entry into the view, with everything it means for what is no record. May be done twice.
    pub(crate) fn apply(&self, entry: &Entry, sealed: &[u8]) -> Result<(), StoreError> {
        match entry {
            Entry::Change(Change::RemoveRepository(id)) => self.remove(*id, entry, sealed),
            Entry::Change(Change::Repository(repository)) => {
                self.move_mirror(repository)?;
                self.view.apply(entry, sealed, &self.keys)
            }
            _ => self.view.apply(entry, sealed, &self.keys),
        }
    }

    /// Takes everything of a repository away: the mirror while its name is known, the records while nobody can miss
    /// their key, the key, caches, artifacts and logs.
    fn remove(&self, id: RepoId, entry: &Entry, sealed: &[u8]) -> Result<(), StoreError> {
        let _guard = self.removal.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = self.view.repository(id)?
            && let Ok(Entry::Change(Change::Repository(repository))) =
                seal::unseal(&self.keys, &old)
        {
            self.mirrors.remove(&repository.slug)?;
        }
        self.view.apply(entry, sealed, &self.keys)?;
        self.keys.forget(id)?;
        archives::remove_repository(self, id)?;
        self.logs.remove_repository(id)
    }

    /// The highest ids given out, as a record.
    pub(crate) fn counters(&self) -> Result<(Entry, Vec<u8>), StoreError> {
        let counter = |name| self.view.counter(name);
        let entry = Entry::Counters {
            request: counter("request")?,
            job: counter("job")?,
            repo: counter("repo")?,
        };
        let sealed = seal::seal(&*self.keys.get_or_make(STATE)?, &entry)?;
        Ok((entry, sealed))
    }

    /// A repository that gets another name starts with an empty mirror; the old one goes.
    fn move_mirror(&self, repository: &assay_plan::Repository) -> Result<(), StoreError> {
        if let Some(sealed) = self.view.repository(repository.id)?
            && let Ok(Entry::Change(Change::Repository(old))) = seal::unseal(&self.keys, &sealed)
            && (old.slug != repository.slug || old.source != repository.source)
        {
            self.mirrors.remove(&old.slug)?;
        }
        Ok(())
    }

    /// Opens one record of the view; `None` when its repository has just been removed.
    pub(crate) fn read<T>(
        &self,
        sealed: &[u8],
        pick: impl Fn(Change) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let wrong = |what: String| StoreError::Record {
            record: "in the database".to_owned(),
            what,
        };
        match seal::unseal(&self.keys, sealed) {
            Ok(Entry::Change(change)) => pick(change)
                .map(Some)
                .ok_or_else(|| wrong("it is of another kind".to_owned())),
            Ok(Entry::Counters { .. }) => Err(wrong("it is of another kind".to_owned())),
            Err(Unreadable::NoKey(repo)) if self.view.repository(repo)?.is_none() => Ok(None),
            Err(error) => Err(wrong(error.to_string())),
        }
    }
}
