//! `assay hook`: the Git hook of a repository.

use super::args::{Global, HookCommand};
use super::output::Screen;
use crate::exit::{Exit, Failure, Outcome};

/// Runs the command.
pub(crate) fn run(_command: HookCommand, _global: &Global, _screen: &Screen) -> Outcome {
    Err(Failure::new(Exit::Internal, "cannot look after hooks"))
}
