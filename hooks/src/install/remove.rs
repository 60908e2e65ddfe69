//! Taking the hook away: the repository is as it was before, byte for byte.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::folder::Folder;
use super::place::{self, Placement, TakenAway};
use super::record::Record;
use super::repo::Repo;
use super::{HookError, config, users};
use crate::spool;

/// What [`remove`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The hook's file that was taken away; `None` when there was none, or it serves other repositories too.
    pub hook: Option<PathBuf>,
    /// The hook that is back in its place.
    pub restored: Option<PathBuf>,
    /// Whether `receive.advertisePushOptions`, set by [`install`](super::install), was taken back.
    pub push_options: bool,
    /// How many noted pushes went with the spool. The daemon finds them by their refs if it still serves the repository.
    pub dropped: usize,
    /// Remarks for the operator, a sentence each.
    pub notes: Vec<String>,
}

/// Takes the hook out of a repository. To do so twice, or without an installation, is no error.
pub fn remove(repository: &Path) -> Result<Removed, HookError> {
    let repo = Repo::open(repository)?;
    let record = Record::load(&repo)?;
    let mut notes = Vec::new();
    let taken = match &record {
        Some(record) if record.placement == Placement::Common => {
            notes.push(format!(
                "The hook in {} serves other repositories too; it stays.",
                record.folder.display()
            ));
            TakenAway::default()
        }
        Some(record) => take_away(&repo, &record.folder, record.made_folder)?,
        None => take_away(&repo, &Folder::of(&repo)?.path, false)?,
    };
    if let Some(left) = &taken.left {
        notes.push(format!(
            "Another hook has taken our place; the one before ours is left as {}.",
            left.display()
        ));
    }
    let push_options = match record.as_ref().and_then(|record| record.config.as_deref()) {
        Some(added) => config::take_back(&repo, added)?,
        None => false,
    };
    let dropped = spool::count(&repo.dir);
    remove_folder(&repo)?;
    Ok(Removed {
        hook: taken.hook,
        restored: taken.restored,
        push_options,
        dropped,
        notes,
    })
}

/// Takes the hook out of a hooks folder, unless other repositories asked for it there.
pub(super) fn take_away(repo: &Repo, folder: &Path, made: bool) -> Result<TakenAway, HookError> {
    if !folder.is_dir() {
        return Ok(TakenAway::default());
    }
    let is_link = fs::symlink_metadata(folder).is_ok_and(|meta| meta.is_symlink());
    let is_shared = is_link || !folder.starts_with(&repo.dir);
    if is_link || (is_shared && !users::leave(folder, repo)?) {
        return Ok(TakenAway::default());
    }
    let taken = place::take_away(folder)?;
    if made {
        // Somebody may have put something into it since.
        let _ = fs::remove_dir(folder);
    }
    Ok(taken)
}

/// Takes away the spool, then the record, then their folder.
fn remove_folder(repo: &Repo) -> Result<(), HookError> {
    let spool = spool::path_of(&repo.dir);
    match fs::remove_dir_all(&spool) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(HookError::Io {
                path: spool,
                source: error,
            });
        }
        _ => {}
    }
    Record::forget(repo)?;
    // Whatever else somebody put there keeps it.
    let _ = fs::remove_dir(repo.dir.join(spool::FOLDER));
    Ok(())
}
