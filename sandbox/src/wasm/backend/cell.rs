//! The process around a run of WASI programs: makes the folder in memory, gives up all rights, splits off the process
//! that runs the programs ([`inside`](super::inside)), waits for its end, removes the folder.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use serde::{Deserialize, Serialize};

use super::{Fixed, Line, inside};
use crate::apply::Builder;
use crate::jail::Step;
use crate::spec::Keep;
use crate::wire::{Failure, Part, Report};
use crate::{collect, confine, init, launcher, seccomp, sys, wire};

/// Everything this process must know.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CellPlan {
    /// The folder to make.
    pub(crate) folder: PathBuf,
    /// Control groups to join.
    pub(crate) groups: Vec<PathBuf>,
    /// Who to become, where the daemon is root.
    pub(crate) user: Option<u32>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: String,
    pub(crate) home: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) toolbox: Vec<PathBuf>,
    pub(crate) fixed: Option<Fixed>,
    /// Bytes of memory that all programs have together.
    pub(crate) memory: u64,
    /// A control group counts it too.
    pub(crate) counted_memory: bool,
    pub(crate) disk: u64,
    pub(crate) inodes: u64,
    /// Programs at once.
    pub(crate) processes: u64,
    /// What is kept of the run; if anything is, the writing end of a pipe comes for it.
    pub(crate) keep: Vec<Keep>,
}

/// Exit code of the inner process after which something is kept.
pub(super) const KEEPS: u8 = 3;

/// What the inner process takes over.
pub(super) struct Cell {
    pub(super) control: OwnedFd,
    pub(super) tree: OwnedFd,
    pub(super) folder: OwnedFd,
    pub(super) toolbox: Vec<OwnedFd>,
    pub(super) plan: CellPlan,
}

/// The whole life of this process, from the plan on.
pub(crate) fn cell(control: OwnedFd, fds: Vec<OwnedFd>) -> io::Result<ExitCode> {
    let mut fds = fds.into_iter();
    let (Some(plan), Some(tree), keep) = (fds.next(), fds.next(), fds.next()) else {
        return Err(io::Error::other("no plan"));
    };
    let plan: CellPlan = serde_json::from_reader(io::BufReader::new(std::fs::File::from(plan)))?;
    // The modes of what is made inside are given in full.
    rustix::process::umask(Mode::empty());
    let (path, home) = (plan.folder.clone(), plan.home.clone());
    let groups = plan.keep.clone();
    let (folder, toolbox) = match prepare(&plan) {
        Ok(made) => made,
        Err(failure) => return Ok(launcher::fail(&control, failure)),
    };
    let root = folder.try_clone()?;
    let cell = Cell {
        control: control.try_clone()?,
        tree,
        folder,
        toolbox,
        plan,
    };
    let code = match sys::fork() {
        Ok(None) => {
            drop(keep);
            return Ok(inside::run(cell));
        }
        Ok(Some(child)) => {
            drop(cell);
            let ended = watch(&control, child).unwrap_or_default();
            if let Some(pipe) = keep.filter(|_| ended == Some(KEEPS.into())) {
                send_kept(pipe, &root, &home, &groups);
            }
            finish(&control, child)
        }
        Err(error) => launcher::fail(&control, failed("processes", "start a process", &error)),
    };
    remove(&path);
    Ok(code)
}

/// A step that failed, with its promise.
pub(super) fn failed(promise: &str, step: impl Into<String>, error: &io::Error) -> Failure {
    Failure::new(Part::Jail(format!("isolation of {promise}")), step, error)
}

/// Opens what only the caller may, makes the folder, becomes the job's user.
fn prepare(plan: &CellPlan) -> Result<(OwnedFd, Vec<OwnedFd>), Failure> {
    join(&plan.groups)?;
    let toolbox: Result<Vec<OwnedFd>, Failure> = plan
        .toolbox
        .iter()
        .map(|path| {
            open(path).map_err(|error| {
                failed("files", format!("open toolbox {}", path.display()), &error)
            })
        })
        .collect();
    let folder = make(plan).map_err(|error| {
        failed(
            "files",
            format!("make folder {}", plan.folder.display()),
            &error,
        )
    })?;
    confine::give_up(plan.user).map_err(|error| failed("privileges", "drop rights", &error))?;
    Ok((folder, toolbox?))
}

/// Joins control groups.
pub(super) fn join(groups: &[PathBuf]) -> Result<(), Failure> {
    let joins: Vec<Step> = groups.iter().cloned().map(Step::Join).collect();
    Builder::default().apply(&joins)
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

fn make(plan: &CellPlan) -> io::Result<OwnedFd> {
    // Fails when the name is there already, whatever it is.
    rustix::fs::mkdir(&plan.folder, Mode::RWXU)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::open(&plan.folder, flags, Mode::empty())?;
    if let Some(id) = plan.user {
        rustix::fs::fchown(&folder, Some(Uid::from_raw(id)), Some(Gid::from_raw(id)))?;
    }
    Ok(folder)
}

/// Waits for the inner process, which reports its end itself unless it dies before, and leaves it unreaped. Its exit code.
fn watch(control: &OwnedFd, child: Pid) -> io::Result<Option<i32>> {
    let guarded =
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
            .map_err(io::Error::from);
    let waited = guarded.and_then(|()| launcher::wait_or_hang_up(control, child, &mut None));
    if let Err(error) = waited {
        let _ = rustix::process::kill_process(child, Signal::KILL);
        let failure = failed("processes", "watch a process", &error);
        drop(wire::report(control.as_fd(), &Report::Failed(failure), &[]));
    }
    let flags = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    let status = rustix::process::waitid(WaitId::Pid(child), flags)?;
    let signal = status
        .as_ref()
        .and_then(|status| status.terminating_signal());
    if let Some(signal) = signal {
        let report = Report::Ended {
            status: -signal,
            full: false,
        };
        drop(wire::report(control.as_fd(), &report, &[]));
    }
    Ok(status.and_then(|status| status.exit_status()))
}

/// With nobody left to change anything, what is to be kept is sent, by a process that can read the folder and nothing
/// else: hostile hands have made it.
fn send_kept(pipe: OwnedFd, folder: &OwnedFd, home: &str, groups: &[Keep]) {
    let sender = sys::spawn(|| {
        let sent = init::guard()
            .and_then(|()| confine::landlock_beneath(None, std::slice::from_ref(folder)))
            .and_then(|()| {
                let filter = seccomp::filter_without_programs(std::process::id());
                confine::filter_calls(&filter)
            })
            .and_then(|()| collect::collect_in(pipe, &[(home, folder.as_fd())], groups));
        // The daemon sees a stream that is cut off; there is nobody else to tell.
        i32::from(sent.is_err())
    });
    if let Ok(sender) = sender {
        drop(sys::wait_for(sender));
    }
}

fn finish(control: &OwnedFd, child: Pid) -> ExitCode {
    let Ok(spent) = sys::wait_for(child) else {
        return ExitCode::FAILURE;
    };
    drop(wire::report(control.as_fd(), &Report::Gone(spent), &[]));
    ExitCode::SUCCESS
}

/// What can't be removed here, the daemon removes.
fn remove(folder: &Path) {
    drop(std::fs::remove_dir_all(folder));
}
