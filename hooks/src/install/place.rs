//! Where our hook goes beside a hook that is there, and putting it there.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::folder::{Folder, remove_if_there, sync, write};
use super::repo::Repo;
use super::{HookError, script, users};

/// Name of the hook.
const HOOK: &str = "post-receive";
/// Name under which a hook that was there is kept.
pub(super) const PREVIOUS: &str = "post-receive.before-assay";
/// Our name in a folder of hooks that the hook itself runs, in the order of their names: after all others, because a
/// push that waits for its build must not keep the forge's own hook waiting.
const DROP_IN: &str = "post-receive.d/zz-assay";
/// Name of a hook being written. Not in `post-receive.d`, where it could be run half written.
const TEMPORARY: &str = ".post-receive.assay-new";
/// Longest file looked at for what it does.
const MAX_HOOK: u64 = 1 << 20;

/// How the hook stands beside one that was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// It is the only one.
    Alone,
    /// It runs the one that was there first, now `post-receive.before-assay`.
    Before,
    /// It is a file in `post-receive.d`, run by the hook that was there.
    DropIn,
    /// The operator put it into a folder of hooks shared by links (gitolite's `hooks/common`); not ours to remove.
    Common,
}

/// What stands at a path where a hook may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Ours,
    /// Ours, through a link.
    OursLinked,
    Foreign,
}

pub(super) fn look(path: &Path) -> Result<Found, HookError> {
    let meta = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        result => result.map_err(HookError::at(path))?,
    };
    match (script::is_ours(&text_of(path)), meta.is_symlink()) {
        (true, false) => Ok(Found::Ours),
        (true, true) => Ok(Found::OursLinked),
        (false, _) => Ok(Found::Foreign),
    }
}

/// The text of a hook; empty when it can't be read or is too long to be a script.
fn text_of(path: &Path) -> Vec<u8> {
    let is_small_file =
        fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_HOOK);
    if is_small_file {
        fs::read(path).unwrap_or_default()
    } else {
        Vec::new()
    }
}

/// Decides where the hook goes.
pub(super) fn decide(repo: &Repo, folder: &Folder) -> Result<Placement, HookError> {
    let hook = folder.path.join(HOOK);
    let found = look(&hook)?;
    if let Some(target) = &folder.link_to {
        let there = matches!(found, Found::Ours | Found::OursLinked);
        let refused = HookError::LinkedFolder {
            folder: folder.path.clone(),
            target: target.clone(),
        };
        return if there {
            Ok(Placement::Common)
        } else {
            Err(refused)
        };
    }
    match found {
        Found::OursLinked => Ok(Placement::Common),
        Found::Foreign if is_gitolites_link(repo, &hook) => Err(HookError::GitoliteHook {
            target: fs::canonicalize(&hook).unwrap_or_default(),
            hook,
        }),
        Found::Foreign if runs_drop_ins(&folder.path) => Ok(Placement::DropIn),
        Found::Foreign => Ok(Placement::Before),
        Found::Ours | Found::Nothing if exists(&folder.path.join(PREVIOUS)) => {
            Ok(Placement::Before)
        }
        Found::Ours | Found::Nothing => Ok(Placement::Alone),
    }
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn is_gitolites_link(repo: &Repo, hook: &Path) -> bool {
    let Ok(target) = fs::read_link(hook) else {
        return false;
    };
    repo.is_gitolites() || target.to_string_lossy().contains("hooks/common/")
}

/// Whether there is a `post-receive.d` and an executable hook that runs what is in it. Git itself does not: that the
/// hook names a folder ending in `.d` (as Gitea's, Forgejo's and most home-made ones do) is taken as the sign.
pub(super) fn runs_drop_ins(folder: &Path) -> bool {
    let hook = folder.join(HOOK);
    let executable = fs::metadata(&hook).is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0);
    let names_folder = || text_of(&hook).windows(2).any(|pair| pair == b".d");
    executable && folder.join("post-receive.d").is_dir() && names_folder()
}

/// The hook's file.
pub(super) fn hook_path(folder: &Path, placement: Placement) -> PathBuf {
    folder.join(if placement == Placement::DropIn {
        DROP_IN
    } else {
        HOOK
    })
}

/// Puts the hook into its place. Says whether anything was written.
pub(super) fn put(
    repo: &Repo,
    folder: &Folder,
    placement: Placement,
    text: &[u8],
) -> Result<bool, HookError> {
    if placement == Placement::Common {
        return Ok(false);
    }
    folder.make()?;
    if folder.is_shared {
        users::add(&folder.path, repo)?;
    }
    let path = hook_path(&folder.path, placement);
    let changed = !is_current(&path, text);
    if changed {
        if placement == Placement::Before {
            set_aside(&folder.path)?;
        }
        write(&path, &folder.path.join(TEMPORARY), text, 0o755)?;
    }
    if placement != Placement::DropIn {
        remove_drop_in(&folder.path)?;
    }
    Ok(changed)
}

/// Whether this very hook is there and can be run.
pub(super) fn is_current(path: &Path, text: &[u8]) -> bool {
    let executable =
        fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o111 == 0o111);
    executable && text_of(path) == text
}

/// Gives the hook that is there its second name; the first one is replaced afterwards, so that it is never missing.
fn set_aside(folder: &Path) -> Result<(), HookError> {
    let (hook, previous) = (folder.join(HOOK), folder.join(PREVIOUS));
    if look(&hook)? != Found::Foreign {
        return Ok(());
    }
    if exists(&previous) {
        let differ = HookError::TwoHooks {
            hook: hook.clone(),
            previous: previous.clone(),
        };
        return if are_same(&hook, &previous) {
            Ok(())
        } else {
            Err(differ)
        };
    }
    match fs::hard_link(&hook, &previous) {
        Ok(()) => sync(folder).map_err(HookError::at(folder)),
        // A file system without hard links, or one of another user's files: then a copy.
        Err(_) => copy(&hook, &previous, &folder.join(TEMPORARY)),
    }
}

fn copy(from: &Path, to: &Path, temporary: &Path) -> Result<(), HookError> {
    let meta = fs::symlink_metadata(from).map_err(HookError::at(from))?;
    if meta.is_symlink() {
        let target = fs::read_link(from).map_err(HookError::at(from))?;
        return std::os::unix::fs::symlink(target, to).map_err(HookError::at(to));
    }
    let text = fs::read(from).map_err(HookError::at(from))?;
    write(to, temporary, &text, meta.mode() & 0o7777)
}

/// Whether two hooks are one file, or have the same content, kind and mode.
fn are_same(one: &Path, other: &Path) -> bool {
    let (Ok(left), Ok(right)) = (fs::symlink_metadata(one), fs::symlink_metadata(other)) else {
        return false;
    };
    let one_file = (left.dev(), left.ino()) == (right.dev(), right.ino());
    let same_link = || {
        left.is_symlink()
            && right.is_symlink()
            && fs::read_link(one).ok() == fs::read_link(other).ok()
    };
    let same_text = || {
        left.is_file()
            && right.is_file()
            && left.mode() == right.mode()
            && fs::read(one).ok() == fs::read(other).ok()
    };
    one_file || same_link() || same_text()
}

/// What taking the hook away did.
#[derive(Debug, Default)]
pub(super) struct TakenAway {
    pub(super) hook: Option<PathBuf>,
    pub(super) restored: Option<PathBuf>,
    /// A hook set aside that was not put back, because somebody has put another one in its place.
    pub(super) left: Option<PathBuf>,
}

/// Takes every hook of ours out of a folder and puts back what was there.
pub(super) fn take_away(folder: &Path) -> Result<TakenAway, HookError> {
    let (hook, previous) = (folder.join(HOOK), folder.join(PREVIOUS));
    let mut taken = TakenAway::default();
    match look(&hook)? {
        Found::Ours | Found::Nothing if exists(&previous) => {
            fs::rename(&previous, &hook).map_err(HookError::at(&hook))?;
            taken.hook = Some(hook.clone());
            taken.restored = Some(hook);
        }
        Found::Ours => {
            fs::remove_file(&hook).map_err(HookError::at(&hook))?;
            taken.hook = Some(hook);
        }
        Found::Foreign if exists(&previous) => {
            if are_same(&hook, &previous) {
                fs::remove_file(&previous).map_err(HookError::at(&previous))?;
            } else {
                taken.left = Some(previous);
            }
        }
        Found::Foreign | Found::Nothing | Found::OursLinked => {}
    }
    if remove_drop_in(folder)? {
        taken.hook = Some(folder.join(DROP_IN));
    }
    let temporary = folder.join(TEMPORARY);
    remove_if_there(&temporary).map_err(HookError::at(&temporary))?;
    Ok(taken)
}

fn remove_drop_in(folder: &Path) -> Result<bool, HookError> {
    let path = folder.join(DROP_IN);
    if !folder.join("post-receive.d").is_dir() || look(&path)? != Found::Ours {
        return Ok(false);
    }
    remove_if_there(&path).map_err(HookError::at(&path))
}
