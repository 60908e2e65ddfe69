//! Putting the hook into a repository, taking it away again, and looking whether all is well.
//!
//! Every step is one rename of a file written beforehand, so that at any moment the repository has either its old hook
//! or ours, which runs the old one. What was changed is written down first, in `REPO.git/assay/hook.json`.

mod check;
mod config;
mod folder;
mod place;
mod record;
mod remove;
mod repo;
mod script;
mod users;

use std::io;
use std::path::{Path, PathBuf};

pub use check::{CheckReport, Problem, check};
pub use place::Placement;
pub use remove::{Removed, remove};
pub use script::hook_script;

use crate::spool::{self, SpoolError};
use folder::Folder;
use record::Record;
use repo::Repo;

/// Longest path of a unix socket that Linux takes, in bytes.
const MAX_SOCKET: usize = 107;

/// What an installed hook needs to know.
#[derive(Debug, Clone)]
pub struct InstallOptions {
    /// Absolute path of the `assay` binary.
    pub program: PathBuf,
    /// Absolute path of the daemon's `hook.sock`.
    pub socket: PathBuf,
}

/// What [`install`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The hook's file.
    pub hook: PathBuf,
    /// How it stands beside a hook that was there.
    pub placement: Placement,
    /// Whether the hook's file was written; not when it was there already.
    pub changed: bool,
    /// What became of `receive.advertisePushOptions`.
    pub push_options: PushOptions,
    /// The folder for pushes that the daemon misses.
    pub spool: PathBuf,
    /// Remarks for the operator, a sentence each.
    pub notes: Vec<String>,
}

/// What became of `receive.advertisePushOptions`, without which `git push -o` is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushOptions {
    /// Now `true`, in the repository's own configuration; [`remove()`] takes it back.
    Set,
    /// Was `true` before; stays.
    AlreadyOn,
    /// Somebody said `false`; stays.
    LeftOff,
}

/// Why a hook can't be installed, removed or checked.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// There is no Git repository at the path.
    #[error("{0} is not a Git repository")]
    NotARepository(PathBuf),
    /// The path is a linked work tree or a submodule, which have no hooks of their own.
    #[error("{0} is a linked work tree")]
    LinkedWorkTree(PathBuf),
    /// The path has bytes that are not UTF-8, which the hook's messages can't carry.
    #[error("path {} is not text", .0.display())]
    NotText(PathBuf),
    /// A path that must be absolute is not.
    #[error("path {0} is not absolute")]
    NotAbsolute(PathBuf),
    /// The socket's path is longer than the system takes.
    #[error("socket path {0} is longer than {MAX_SOCKET} bytes")]
    SocketPath(PathBuf),
    /// The hooks folder is a link: a hook put there would run for other repositories too.
    #[error("hooks folder {folder} is a link to {target}")]
    LinkedFolder {
        /// The folder Git looks into.
        folder: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// The repository's hook is gitolite's link, which gitolite would put back.
    #[error("hook {hook} is gitolite's link to {target}")]
    GitoliteHook {
        /// The link.
        hook: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// `core.hooksPath` names something that is no folder.
    #[error("core.hooksPath {0} is not a folder")]
    HooksPath(PathBuf),
    /// There are two different earlier hooks.
    #[error("hook {hook} and hook {previous} differ, and neither is Assay's")]
    TwoHooks {
        /// The hook Git runs.
        hook: PathBuf,
        /// The hook an earlier installation set aside.
        previous: PathBuf,
    },
    /// Somebody else is changing the repository's configuration, or died doing so.
    #[error("configuration is locked by {0}")]
    Locked(PathBuf),
    /// The repository's configuration is a link, or would not be valid with the key added.
    #[error("configuration {0} can't be changed")]
    Config(PathBuf),
    /// What an earlier installation wrote down can't be read.
    #[error("record {0} is damaged")]
    Record(PathBuf),
    /// The `git` program failed.
    #[error("git {command}: {message}")]
    Git {
        /// What it was asked.
        command: String,
        /// What it said.
        message: String,
    },
    /// The spool can't be made.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A file or folder can't be read or written.
    #[error("{path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl HookError {
    /// What the operator can do about it, where there is something particular to say: words for a hint, without a full
    /// stop.
    pub fn way_out(&self) -> Option<String> {
        Some(match self {
            HookError::LinkedWorkTree(_) => "name the repository it belongs to".to_owned(),
            HookError::SocketPath(_) => "choose a shorter state folder".to_owned(),
            HookError::LinkedFolder { target, .. } => format!(
                "the link serves several repositories: put the hook (assay hook install --print) into {} as \
                 post-receive, then install again; with gitolite, put it into hooks/common of its base folder and run \
                 gitolite setup --hooks-only first",
                target.display()
            ),
            HookError::GitoliteHook { target, .. } => format!(
                "put the hook (assay hook install --print) in the place of {}, run gitolite setup --hooks-only, then \
                 install again; a hook that is to run before it goes beside it as {}",
                target.display(),
                place::PREVIOUS
            ),
            HookError::HooksPath(_) => "set core.hooksPath to a folder, or unset it".to_owned(),
            HookError::TwoHooks { previous, .. } => {
                format!(
                    "keep the one that is to run: remove or rename {}, or put it back",
                    previous.display()
                )
            }
            HookError::Locked(lock) => {
                format!(
                    "try again; if no git process is at work there, remove {}",
                    lock.display()
                )
            }
            HookError::Config(_) => {
                "set receive.advertisePushOptions=true yourself, then install again".to_owned()
            }
            HookError::Record(path) => format!("remove {} and install again", path.display()),
            _ => return None,
        })
    }

    fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> HookError {
        let path = path.into();
        move |source| HookError::Io { path, source }
    }
}

impl InstallOptions {
    fn check(&self) -> Result<(), HookError> {
        for path in [&self.program, &self.socket] {
            if !path.is_absolute() {
                return Err(HookError::NotAbsolute(path.clone()));
            }
        }
        if self.socket.as_os_str().len() > MAX_SOCKET {
            return Err(HookError::SocketPath(self.socket.clone()));
        }
        Ok(())
    }
}

/// Installs the hook into a repository (bare, or with a work tree), or brings an installed one up to date.
///
/// Asks `git config` for `core.hooksPath` and `receive.advertisePushOptions`, because only Git itself knows all the
/// files that can set them; run as root, with the home folder of the repository's owner. New files get the owner of
/// the folder they stand in.
pub fn install(repository: &Path, options: &InstallOptions) -> Result<Installed, HookError> {
    options.check()?;
    let repo = Repo::open(repository)?;
    let folder = Folder::of(&repo)?;
    let earlier = Record::load(&repo)?;
    let spool = spool::make(&repo.dir)?;
    let placement = place::decide(&repo, &folder)?;
    if let Some(old) = earlier.as_ref().filter(|old| old.folder != folder.path) {
        remove::take_away(&repo, &old.folder, old.made_folder)?;
    }
    let mut record = Record {
        version: record::VERSION,
        folder: folder.path.clone(),
        placement,
        made_folder: earlier
            .as_ref()
            .is_some_and(|old| old.made_folder && old.folder == folder.path)
            || !folder.path.exists(),
        config: earlier.and_then(|old| old.config),
    };
    record.save(&repo)?;
    let changed = place::put(&repo, &folder, placement, &hook_script(options))?;
    let push_options = config::advertise_push_options(&repo, &mut record)?;
    let hook = place::hook_path(&folder.path, placement);
    Ok(Installed {
        notes: notes(&repo, &folder, placement),
        hook,
        placement,
        changed,
        push_options,
        spool,
    })
}

/// What is not plain from the other fields.
fn notes(repo: &Repo, folder: &Folder, placement: Placement) -> Vec<String> {
    let mut notes = Vec::new();
    if folder.is_shared && placement != Placement::Common {
        notes.push(format!(
            "The hooks folder {} may serve other repositories too.",
            folder.path.display()
        ));
    }
    if repo.is_gitolites() && placement != Placement::Common {
        notes.push(
            "This is a gitolite repository: one hook in its hooks/common would serve all repositories (assay(8))."
                .to_owned(),
        );
    }
    notes
}
