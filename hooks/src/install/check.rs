//! Looking whether an installed hook would do its work.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::folder::Folder;
use super::place::{self, Found, Placement};
use super::record::Record;
use super::repo::Repo;
use super::{HookError, InstallOptions, config, hook_script};
use crate::spool;

/// What [`check`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// The repository's folder with `objects` and `refs`.
    pub repository: PathBuf,
    /// The hook's file, when it is installed.
    pub hook: Option<PathBuf>,
    /// How it stands beside a hook that was there.
    pub placement: Option<Placement>,
    /// What the repository says on push options; `None` when it says nothing, which means no.
    pub push_options: Option<bool>,
    /// How many pushes wait in the spool for the daemon.
    pub waiting: usize,
    /// What is wrong; empty when all is well.
    pub problems: Vec<Problem>,
}

/// Something that keeps a hook from doing its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is no hook of ours where Git looks for it.
    #[error("the hook is not installed in {0}")]
    NotInstalled(PathBuf),
    /// Another hook has taken its place.
    #[error("another hook has taken the place of Assay's: {0}")]
    Replaced(PathBuf),
    /// Its text differs, or it can't be run by everybody: an earlier version, another binary or state folder.
    #[error("hook {0} is not as it would be installed now")]
    Outdated(PathBuf),
    /// Nothing runs the files in `post-receive.d`.
    #[error("nothing runs {0}")]
    NotRun(PathBuf),
    /// The binary the hook is to run can't be run.
    #[error("program {0} is missing or can't be run")]
    Program(PathBuf),
    /// Nobody listens on the socket.
    #[error("no daemon listens on {0}")]
    Socket(PathBuf),
    /// There is no folder for pushes that the daemon misses.
    #[error("spool {0} is missing")]
    Spool(PathBuf),
    /// `git push -o` would be refused.
    #[error("receive.advertisePushOptions is not true: `git push -o` is refused")]
    PushOptions,
}

/// Looks whether the hook is installed as [`install`](super::install) would do it now, and whether it would work.
pub fn check(repository: &Path, options: &InstallOptions) -> Result<CheckReport, HookError> {
    options.check()?;
    let repo = Repo::open(repository)?;
    let folder = Folder::of(&repo)?;
    let mut problems = Vec::new();
    let placement = placement(&repo, &folder, &mut problems)?;
    let hook = placement.map(|placement| place::hook_path(&folder.path, placement));
    if let Some(hook) = hook
        .as_ref()
        .filter(|hook| !place::is_current(hook, &hook_script(options)))
    {
        problems.push(Problem::Outdated(hook.clone()));
    }
    let runs = fs::metadata(&options.program)
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    let is_socket = fs::metadata(&options.socket).is_ok_and(|meta| meta.file_type().is_socket());
    let listens = is_socket && UnixStream::connect(&options.socket).is_ok();
    let spool = spool::path_of(&repo.dir);
    let push_options = config::push_options(&repo)?;
    let checks = [
        (runs, Problem::Program(options.program.clone())),
        (listens, Problem::Socket(options.socket.clone())),
        (spool.is_dir(), Problem::Spool(spool)),
        (push_options == Some(true), Problem::PushOptions),
    ];
    problems.extend(
        checks
            .into_iter()
            .filter(|(fine, _)| !fine)
            .map(|(_, problem)| problem),
    );
    Ok(CheckReport {
        waiting: spool::count(&repo.dir),
        repository: repo.dir,
        hook,
        placement,
        push_options,
        problems,
    })
}

/// How the hook is installed in the folder Git uses now.
fn placement(
    repo: &Repo,
    folder: &Folder,
    problems: &mut Vec<Problem>,
) -> Result<Option<Placement>, HookError> {
    let hook = place::hook_path(&folder.path, Placement::Alone);
    let drop_in = place::hook_path(&folder.path, Placement::DropIn);
    let found = place::look(&hook)?;
    let is_before = fs::symlink_metadata(folder.path.join(place::PREVIOUS)).is_ok();
    Ok(match found {
        Found::Ours | Found::OursLinked if folder.link_to.is_some() => Some(Placement::Common),
        Found::OursLinked => Some(Placement::Common),
        Found::Ours if is_before => Some(Placement::Before),
        Found::Ours => Some(Placement::Alone),
        Found::Nothing | Found::Foreign
            if place::look(&drop_in).is_ok_and(|found| found == Found::Ours) =>
        {
            if !place::runs_drop_ins(&folder.path) {
                problems.push(Problem::NotRun(drop_in));
            }
            Some(Placement::DropIn)
        }
        Found::Foreign if Record::load(repo)?.is_some() => {
            problems.push(Problem::Replaced(hook));
            None
        }
        Found::Nothing | Found::Foreign => {
            problems.push(Problem::NotInstalled(folder.path.clone()));
            None
        }
    })
}
