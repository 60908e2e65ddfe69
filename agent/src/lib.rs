//! Assay's command line and daemon. [`main`] is everything: the binary, and the end-to-end tests' own binary, call it.

use std::process::ExitCode;

/// Runs the command line.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
