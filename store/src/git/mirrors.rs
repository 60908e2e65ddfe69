//! The folder of mirrors: `OWNER/NAME.git`, objects only, with a configuration and no hooks of ours.
//!
//! A mirror is a cache. Nothing in it is flushed; what a crash of the machine damages is found when it is read, and
//! copied again.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use assay_plan::{CommitId, Slug};
use gix::ObjectId;
use gix::hash::Kind as Hash;

use super::error::GitError;
use super::objects::{self, Objects};
use crate::error::StoreError;
use crate::folder::{make_dir, remove_all};

/// Removed mirrors wait here for their deletion, which can take long.
const TRASH: &str = ".removed";

/// All mirrors of a state folder.
#[derive(Debug)]
pub(crate) struct Mirrors {
    dir: PathBuf,
    /// One lock per mirror that is being written.
    locks: Mutex<HashMap<PathBuf, Arc<Mutex<()>>>>,
}

impl Mirrors {
    /// Opens the folder, and throws away what an earlier process didn't get round to.
    pub(crate) fn open(dir: PathBuf) -> Result<Mirrors, StoreError> {
        make_dir(&dir.join(TRASH), 0o700)?;
        let mirrors = Mirrors {
            dir,
            locks: Mutex::default(),
        };
        mirrors.empty_trash();
        Ok(mirrors)
    }

    /// Folder of a mirror. Slugs differ from each other also without regard to case, so folders never collide.
    pub(super) fn path(&self, slug: &Slug) -> PathBuf {
        self.dir
            .join(slug.owner())
            .join(format!("{}.git", slug.name()))
    }

    /// Takes a mirror away.
    pub(crate) fn remove(&self, slug: &Slug) -> Result<(), StoreError> {
        let path = self.path(slug);
        let lock = self.lock(&path);
        let _guard = guard(&lock);
        let trash = self.dir.join(TRASH);
        let names = (0_u32..)
            .map(|number| trash.join(format!("{}.{number}", slug.as_str().replace('/', "."))));
        let Some(to) = names.into_iter().find(|path| !path.exists()) else {
            return remove_all(&path);
        };
        match fs::rename(&path, &to) {
            Ok(()) => self.empty_trash(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::io("remove", &path)(error)),
        }
        Ok(())
    }

    fn empty_trash(&self) {
        let trash = self.dir.join(TRASH);
        if fs::read_dir(&trash).is_ok_and(|mut entries| entries.next().is_none()) {
            return;
        }
        let delete = move || {
            for entry in fs::read_dir(&trash).into_iter().flatten().flatten() {
                if let Err(error) = remove_all(&entry.path()) {
                    tracing::warn!(%error, "a removed mirror could not be deleted");
                }
            }
        };
        if let Err(error) = std::thread::Builder::new()
            .name("store-trash".to_owned())
            .spawn(delete)
        {
            tracing::warn!(%error, "removed mirrors are deleted at the next start");
        }
    }

    /// The lock of a mirror, for whoever writes it.
    pub(super) fn lock(&self, path: &Path) -> Arc<Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(locks.entry(path.to_owned()).or_default())
    }
}

/// Holds a mirror's lock.
pub(super) fn guard(lock: &Mutex<()>) -> MutexGuard<'_, ()> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One mirror.
#[derive(Debug)]
pub(super) struct Mirror {
    pub(super) path: PathBuf,
    pub(super) hash: Hash,
}

impl Mirror {
    /// The mirror at `path`, if it was ever made.
    pub(super) fn find(path: PathBuf) -> Option<Mirror> {
        // An empty one is what a crash of the machine leaves of it.
        let config = fs::read_to_string(path.join("config"))
            .ok()
            .filter(|config| config.contains("bare"))?;
        let hash = if config.contains("sha256") {
            Hash::Sha256
        } else {
            Hash::Sha1
        };
        Some(Mirror { path, hash })
    }

    /// Makes an empty mirror, or returns the one that is there.
    pub(super) fn make(path: PathBuf, hash: Hash) -> Result<Mirror, GitError> {
        if let Some(mirror) = Mirror::find(path.clone())
            && mirror.hash == hash
        {
            return Ok(mirror);
        }
        let mirror = Mirror { path, hash };
        mirror.lay_out().map_err(GitError::Mirror)?;
        Ok(mirror)
    }

    fn lay_out(&self) -> Result<(), StoreError> {
        remove_all(&self.path)?;
        if let Some(owner) = self.path.parent() {
            make_dir(owner, 0o700)?;
        }
        make_dir(&self.path, 0o700)?;
        // Read by jobs through a bind of just this folder, as another user.
        for name in ["objects", "objects/info", "objects/pack"] {
            make_dir(&self.path.join(name), 0o755)?;
        }
        make_dir(&self.path.join("refs"), 0o700)?;
        let write = |name: &str, text: &str| {
            let path = self.path.join(name);
            fs::write(&path, text).map_err(StoreError::io("write", &path))
        };
        write("HEAD", "ref: refs/heads/none\n")?;
        // Last: what has a configuration is whole.
        match self.hash {
            Hash::Sha256 => write(
                "config",
                "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectFormat = sha256\n",
            ),
            _ => write(
                "config",
                "[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
            ),
        }
    }

    pub(super) fn objects_dir(&self) -> PathBuf {
        self.path.join("objects")
    }

    pub(super) fn id(&self, id: &CommitId) -> Result<ObjectId, GitError> {
        objects::id(&self.path, self.hash, id)
    }

    pub(super) fn objects(&self) -> Result<Objects, GitError> {
        Objects::open(&self.path, &self.objects_dir(), self.hash)
    }
}

/// Makes a file that Git wrote readable for jobs, whatever our umask is.
pub(super) fn make_readable(path: &Path, mode: u32) -> Result<(), GitError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|error| GitError::Mirror(StoreError::io("set the mode of", path)(error)))
}
