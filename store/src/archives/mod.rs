//! What jobs leave behind: caches, which later jobs begin with, and artifacts, which people fetch.
//!
//! One file per archive, `STATE/caches/REPOSITORY/HASH.archive`: a list of entries (see [`mod@format`]), compressed with zstd,
//! then encrypted to the daemon's master identity with age; behind it the sealed [`About`], its length and a mark. Nothing
//! is ever unpacked on the host. Archives are neither in the journal nor in the view: one that is lost is made again.

mod format;
mod read;
mod write;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use assay_plan::{RepoId, Time};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use format::Entry;
pub use write::{ArchiveWriter, Kept};

use crate::error::StoreError;
use crate::folder::{remove_all, sync_dir};
use crate::shared::Shared;

/// End of an archive's name.
const ENDING: &str = "archive";
/// Beginning of the name of one that is being written.
const UNFINISHED: &str = "new-";

/// What is known of an archive without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Whose it is: the branch of a cache, the job of artifacts.
    pub place: String,
    /// Which of the place's archives it is: a cache's slug.
    pub name: String,
    /// SHA-256 of all paths, kinds and contents, in hex; times don't count.
    pub hash: String,
    /// Bytes of its files.
    pub bytes: u64,
    /// Files, links and folders.
    pub entries: u64,
    /// When it was stored, seconds since 1970.
    pub stored_at: i64,
}

impl About {
    /// When it was stored.
    pub fn stored(&self) -> Time {
        Time(self.stored_at.saturating_mul(1000))
    }
}

/// One archive.
#[derive(Debug, Clone)]
pub struct Archive {
    /// What is known of it.
    pub about: About,
    /// Its size on disk, bytes.
    pub size: u64,
    /// When it was last stored or used.
    used: SystemTime,
    path: PathBuf,
    shared: Arc<Shared>,
}

/// All archives of one kind; cheap to clone.
#[derive(Debug, Clone)]
pub struct Archives {
    shared: Arc<Shared>,
    kind: &'static str,
}

/// The folders of archives in the state folder.
pub(crate) const CACHES: &str = "caches";
pub(crate) const ARTIFACTS: &str = "artifacts";

impl Archives {
    pub(crate) fn new(shared: &Arc<Shared>, kind: &'static str) -> Archives {
        Archives {
            shared: Arc::clone(shared),
            kind,
        }
    }

    fn folder(&self, repo: RepoId) -> PathBuf {
        self.shared.folder.join(self.kind).join(repo.to_string())
    }

    fn path(&self, repo: RepoId, place: &str, name: &str) -> PathBuf {
        let digest = Sha256::new()
            .chain_update((place.len() as u64).to_le_bytes())
            .chain_update(place)
            .chain_update(name)
            .finalize();
        self.folder(repo).join(format!("{}.{ENDING}", hex(&digest)))
    }

    /// Begins a new archive; nothing is seen of it before [`ArchiveWriter::finish`].
    ///
    /// # Errors
    /// [`StoreError::UnknownRepository`], or a file that can't be made.
    pub fn write(&self, repo: RepoId) -> Result<ArchiveWriter, StoreError> {
        ArchiveWriter::new(self.clone(), repo)
    }

    /// The archive with this name.
    pub fn find(
        &self,
        repo: RepoId,
        place: &str,
        name: &str,
    ) -> Result<Option<Archive>, StoreError> {
        Archive::open(self.path(repo, place, name), &self.shared)
    }

    /// All archives of a repository, by place, then newest first. One that can't be read is left out, with a word in the
    /// daemon's log.
    pub fn list(&self, repo: RepoId) -> Result<Vec<Archive>, StoreError> {
        let folder = self.folder(repo);
        let listing = match fs::read_dir(&folder) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StoreError::io("list", &folder)(error)),
        };
        let mut archives = Vec::new();
        for entry in listing {
            let path = entry.map_err(StoreError::io("list", &folder))?.path();
            if path.extension().is_none_or(|ending| ending != ENDING) {
                continue;
            }
            match Archive::open(path, &self.shared) {
                Ok(archive) => archives.extend(archive),
                Err(error) => tracing::warn!(%error, "an archive is left out"),
            }
        }
        archives.sort_by(|a, b| {
            let key = |archive: &Archive| (archive.about.place.clone(), -archive.about.stored_at);
            key(a).cmp(&key(b))
        });
        Ok(archives)
    }

    /// Removes the least recently used archives until the rest has no more than `most` bytes.
    fn shrink(&self, repo: RepoId, most: u64) -> Result<(), StoreError> {
        let mut archives = self.list(repo)?;
        archives.sort_by_key(|archive| archive.used);
        let mut total: u64 = archives.iter().map(|archive| archive.size).sum();
        for archive in archives {
            if total <= most {
                break;
            }
            archive.remove()?;
            total = total.saturating_sub(archive.size);
        }
        Ok(())
    }
}

impl Archive {
    /// Says that it was used just now, so that others are removed before it.
    pub fn touch(&self) -> Result<(), StoreError> {
        fs::File::open(&self.path)
            .and_then(|file| file.set_modified(SystemTime::now()))
            .map_err(StoreError::io("touch", &self.path))
    }

    /// Removes it; fine if it is gone.
    pub fn remove(&self) -> Result<(), StoreError> {
        remove_all(&self.path)?;
        sync_dir(self.path.parent().unwrap_or(&self.path))
    }
}

/// Removes what a crash left unfinished.
pub(crate) fn clear_unfinished(kind: &Path) -> Result<(), StoreError> {
    let list = |path: &Path| -> Result<Vec<PathBuf>, StoreError> {
        let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = entries.map_err(StoreError::io("list", path))?;
        Ok(entries.iter().map(fs::DirEntry::path).collect())
    };
    for folder in list(kind)? {
        if !folder.is_dir() {
            continue;
        }
        for path in list(&folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(UNFINISHED) {
                remove_all(&path)?;
            }
        }
    }
    Ok(())
}

/// Removes all archives of a repository.
pub(crate) fn remove_repository(shared: &Shared, repo: RepoId) -> Result<(), StoreError> {
    for kind in [CACHES, ARTIFACTS] {
        remove_all(&shared.folder.join(kind).join(repo.to_string()))?;
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
