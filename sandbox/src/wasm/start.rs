//! The daemon's side of a run of WASI programs: its folder in memory, its process, its plan.

use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::cell::CellPlan;
use super::{Modules, WasmSpec};
use crate::error::RunError;
use crate::process::Process;
use crate::run::{Launched, Launcher, notices, required, send_plan};
use crate::{warm, wire};

/// Places for the folder; the first one that is memory and can be written is taken.
const PLACES: [&str; 3] = ["/dev/shm", "/run/shm", "/tmp"];
/// What `statfs` calls a tmpfs.
const TMPFS: i64 = 0x0102_1994;
/// First part of the folder's name.
const NAME: &str = "assay-cell-";

/// Where runs of WASI programs have their files, if the host has such a place.
pub(crate) fn memory_folder() -> Option<&'static Path> {
    PLACES.iter().map(Path::new).find(|place| {
        let is_memory = rustix::fs::statfs(*place).is_ok_and(|stat| i64::from(stat.f_type) == TMPFS);
        is_memory && rustix::fs::access(*place, Access::WRITE_OK | Access::EXEC_OK).is_ok()
    })
}

/// Removes the folders of a dead daemon's runs.
pub(crate) fn clean_up(prefix: &str) {
    let begin = format!("{NAME}{prefix}");
    for place in PLACES {
        let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&begin))
        {
            if let Err(error) = std::fs::remove_dir_all(entry.path()) {
                tracing::warn!(path = %entry.path().display(), %error, "a run's folder can't be removed");
            }
        }
    }
}

/// Starts the run's process and gives it its plan.
pub(crate) fn launch(launcher: &Launcher, spec: WasmSpec) -> Result<Launched, RunError> {
    let place = memory_folder().ok_or_else(|| RunError::Setup {
        promise: "isolation of files".to_owned(),
        step: "find a folder in memory (/dev/shm)".to_owned(),
        source: std::io::ErrorKind::NotFound.into(),
    })?;
    let folder = place.join(format!("{NAME}{}", spec.id));
    loop {
        let (mut process, joined) = match warm::take(launcher) {
            Some(process) => (process, true),
            None => (Process::start(launcher, &spec.id)?, false),
        };
        process.groups.limit(&spec.limits);
        match instruct(&process, &spec, &folder, joined) {
            Ok(tree) => {
                return Ok(Launched {
                    notices: notices(&process.groups),
                    modules: Some(Modules::new(&spec, launcher, process.groups.paths())?),
                    folder: Some(folder),
                    limits: spec.limits,
                    process,
                    tree,
                });
            }
            Err(error) => {
                process.dismiss();
                // One that died while it waited is no reason to fail; the next one may be alive, or is new.
                if !(joined && matches!(error, RunError::Io { .. })) {
                    return Err(error);
                }
            }
        }
    }
}

fn instruct(
    process: &Process,
    spec: &WasmSpec,
    folder: &Path,
    joined: bool,
) -> Result<std::os::fd::OwnedFd, RunError> {
    required(&spec.require, &process.groups)?;
    if !joined {
        let mut order = vec![wire::ORDER_JOIN];
        serde_json::to_writer(&mut order, process.groups.paths())
            .map_err(std::io::Error::from)
            .and_then(|()| wire::send(std::os::fd::AsFd::as_fd(&process.control), &order, &[]))
            .map_err(RunError::io("sending the plan"))?;
    }
    let plan = CellPlan {
        folder: folder.to_owned(),
        user: user(spec),
        env: spec.env.clone(),
        cwd: spec.cwd.clone(),
        home: spec.home.clone(),
        lines: spec.lines.clone(),
        toolbox: existing(&spec.toolbox),
        fixed: spec.fixed,
        memory: spec.limits.memory,
        counted_memory: process.groups.limits_memory(),
        disk: spec.limits.disk,
        inodes: spec.limits.inodes,
        processes: spec.limits.processes,
    };
    let packed = serde_json::to_vec(&plan)
        .map_err(std::io::Error::from)
        .and_then(|json| wire::memory_file("plan", &json))
        .map_err(RunError::io("writing the plan"))?;
    send_plan(process, wire::ORDER_CELL, &packed)
}

/// The uid that a root caller's job has.
pub(super) fn user(spec: &WasmSpec) -> Option<u32> {
    let root = rustix::process::geteuid().is_root();
    root.then(|| spec.uid_base.saturating_add(spec.slot))
}

/// A toolbox that isn't there yet is an empty one.
fn existing(toolbox: &[PathBuf]) -> Vec<PathBuf> {
    toolbox.iter().filter(|folder| folder.is_dir()).cloned().collect()
}
