//! The daemon's side of a run of WASI programs: its folder in memory, its process, its plan.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::cell::CellPlan;
use super::{Modules, WasmSpec};
use crate::error::RunError;
use crate::kept::Kept;
use crate::process::Process;
use crate::run::{Launched, Launcher, kept_pipe, notices, required, send_plan};
use crate::spec::Image;
use crate::wire;

/// Places for the folder; the first one that is memory and can be written is taken.
const PLACES: [&str; 3] = ["/dev/shm", "/run/shm", "/tmp"];
/// What `statfs` calls a tmpfs.
const TMPFS: rustix::fs::FsWord = 0x0102_1994;
/// First part of the folder's name.
const NAME: &str = "assay-cell-";

/// Where runs of WASI programs have their files, if the host has such a place.
pub(crate) fn memory_folder() -> Option<&'static Path> {
    PLACES.iter().map(Path::new).find(|place| {
        let is_memory = rustix::fs::statfs(*place).is_ok_and(|stat| stat.f_type == TMPFS);
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
    let mut process = Process::start(launcher, &spec.id)?;
    process.groups.limit(&spec.limits);
    let user = user(&spec, process.slot.number());
    match instruct(&process, &spec, &folder, user) {
        Ok((tree, kept)) => Ok(Launched {
            notices: notices(&process.groups),
            modules: Some(Modules::new(&spec, launcher, user, process.groups.paths())?),
            folder: Some(folder),
            disk: None,
            limits: spec.limits,
            image: Image::Host {
                folders: Vec::new(),
            },
            process,
            tree,
            keeping: spec.keep.iter().map(|keep| keep.time).sum(),
            kept: kept.map(|pipe| Kept::new(pipe, spec.keep)),
        }),
        Err(error) => {
            process.dismiss();
            Err(error)
        }
    }
}

fn instruct(
    process: &Process,
    spec: &WasmSpec,
    folder: &Path,
    user: Option<u32>,
) -> Result<(OwnedFd, Option<OwnedFd>), RunError> {
    required(&spec.require, &process.groups)?;
    let plan = CellPlan {
        folder: folder.to_owned(),
        groups: process.groups.paths().to_vec(),
        user,
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
        keep: spec.keep.clone(),
    };
    let packed = serde_json::to_vec(&plan)
        .map_err(std::io::Error::from)
        .and_then(|json| wire::memory_file("plan", &json))
        .map_err(RunError::io("writing the plan"))?;
    let (kept, opened) = kept_pipe(&spec.keep)?.unzip();
    let opened: Vec<OwnedFd> = opened.into_iter().collect();
    let tree = send_plan(process, wire::ORDER_CELL, &packed, &opened)?;
    Ok((tree, kept))
}

/// The uid that a root caller's job has.
fn user(spec: &WasmSpec, slot: u32) -> Option<u32> {
    let root = rustix::process::geteuid().is_root();
    root.then(|| spec.uid_base.saturating_add(slot))
}

/// A toolbox that isn't there yet is an empty one.
fn existing(toolbox: &[PathBuf]) -> Vec<PathBuf> {
    toolbox
        .iter()
        .filter(|folder| folder.is_dir())
        .cloned()
        .collect()
}
