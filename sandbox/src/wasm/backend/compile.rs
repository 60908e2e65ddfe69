//! The compiling process: takes one program, gives back its native image. It sees no file and no other process, and
//! nothing of any run's.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use super::cell;
use super::engine::{self, Kind};
use crate::{confine, init, seccomp, wire};

/// Private memory of the process, bytes.
const MEMORY: u64 = 2 << 30;
/// Largest native image, bytes.
pub(super) const LARGEST_IMAGE: u64 = 512 << 20;
/// Stack for the compiler, which is recursive here and there, bytes.
const STACK: usize = 64 << 20;
/// Longest reason that is passed on, in characters.
const LONGEST: usize = 1000;

/// What the process must know.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Conditions {
    /// Control groups to join: compiling counts for the run.
    pub(super) groups: Vec<PathBuf>,
    /// Who to become, where the daemon is root.
    pub(super) user: Option<u32>,
    /// Seconds of CPU time.
    pub(super) seconds: u64,
}

/// The whole life of this process, from the order on: answers with `+` and a memory file, or with `-` and a reason.
pub(crate) fn compile(control: &OwnedFd, task: &[u8], program: OwnedFd) -> io::Result<ExitCode> {
    let conditions: Conditions = serde_json::from_slice(task)?;
    let mut program = std::fs::File::from(program);
    cell::join(&conditions.groups).map_err(|failure| failure.source())?;
    confine::give_up(conditions.user)?;
    init::guard()?;
    confine::limit_process(Some(MEMORY), LARGEST_IMAGE, Some(conditions.seconds))?;
    confine::landlock_beneath(None, &[])?;
    confine::filter_calls(&seccomp::filter_without_programs(std::process::id()))?;
    let mut bytes = Vec::new();
    program.read_to_end(&mut bytes)?;
    let compiled = std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(move || image(&bytes))?
        .join()
        .unwrap_or_else(|_| Err("the compiler failed".to_owned()));
    match compiled.and_then(|image| wire::memory_file("image", &image).map_err(|e| e.to_string())) {
        Ok(image) => wire::send(control.as_fd(), b"+", &[image.as_fd()])?,
        Err(why) => {
            let reason: String = why.chars().take(LONGEST).collect();
            wire::send(control.as_fd(), format!("-{reason}").as_bytes(), &[])?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn image(program: &[u8]) -> Result<Vec<u8>, String> {
    let made = engine::make().and_then(|engine| match engine::kind(program) {
        Some(Kind::Component) => engine.precompile_component(program),
        _ => engine.precompile_module(program),
    });
    made.map_err(|error| format!("{error:#}"))
}
