//! The folder Git takes a repository's hooks from, and writing files into it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Uid};

use super::HookError;
use super::repo::Repo;

/// The hooks folder of a repository; it may not exist yet.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// Whether it lies outside the repository, where others may use it too.
    pub(super) is_shared: bool,
    /// Where it leads, when it is a link.
    pub(super) link_to: Option<PathBuf>,
}

impl Folder {
    pub(super) fn of(repo: &Repo) -> Result<Folder, HookError> {
        let set = repo
            .config("--type=path", "core.hooksPath")?
            .filter(|path| !path.is_empty());
        // A relative one counts from the folder the hook runs in: for post-receive that is the repository.
        let path: PathBuf = repo
            .dir
            .join(set.as_deref().unwrap_or("hooks"))
            .components()
            .collect();
        let link_to = match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_symlink() => {
                Some(fs::canonicalize(&path).map_err(HookError::at(&path))?)
            }
            _ => None,
        };
        if path.exists() && !path.is_dir() {
            return Err(HookError::HooksPath(path));
        }
        let is_shared = link_to.is_some() || !path.starts_with(&repo.dir);
        Ok(Folder {
            path,
            is_shared,
            link_to,
        })
    }

    /// Makes the folder if it is missing, with the owner and mode of the one it stands in.
    pub(super) fn make(&self) -> Result<(), HookError> {
        if self.path.is_dir() {
            return Ok(());
        }
        let parent = parent_of(&self.path);
        let model = fs::metadata(parent).map_err(HookError::at(parent))?;
        fs::create_dir(&self.path).map_err(HookError::at(&self.path))?;
        let folder = File::open(&self.path).map_err(HookError::at(&self.path))?;
        give_to(&folder, &model).map_err(HookError::at(&self.path))?;
        folder
            .set_permissions(fs::Permissions::from_mode(model.mode() & 0o7777))
            .map_err(HookError::at(&self.path))
    }
}

/// Writes a file whole or not at all. `temporary` must be on the same file system; what an interrupted run left there
/// is taken away.
pub(super) fn write(
    path: &Path,
    temporary: &Path,
    text: &[u8],
    mode: u32,
) -> Result<(), HookError> {
    let write = || -> io::Result<()> {
        remove_if_there(temporary)?;
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(temporary)?;
        let parent = parent_of(path);
        give_to(&file, &fs::metadata(parent)?)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(temporary, path)?;
        sync(parent)
    };
    write().map_err(HookError::at(path))
}

/// Takes a file away that need not be there; says whether it was.
pub(super) fn remove_if_there(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The folder a file stands in.
pub(super) fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// Makes renames in a folder durable.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Root gives its files away: to whoever owns the folder, so that a repository stays its owner's, and so that a hooks
/// path into a folder of root's gives nobody a file of theirs there.
pub(super) fn give_to(file: &File, model: &fs::Metadata) -> io::Result<()> {
    if rustix::process::geteuid().is_root() {
        rustix::fs::fchown(
            file,
            Some(Uid::from_raw(model.uid())),
            Some(Gid::from_raw(model.gid())),
        )?;
    }
    Ok(())
}
