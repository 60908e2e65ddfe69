//! Placeholder for local runs; replaced when the daemon is merged.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::exit::Exit;

/// Runs the jobs of a work tree.
pub(crate) fn run(_dir: PathBuf, _job: Option<u32>, _env: Vec<(String, String)>) -> ExitCode {
    Exit::Internal.into()
}
