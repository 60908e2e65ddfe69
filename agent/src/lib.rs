//! Assay's command line and daemon. [`main`] is everything: the binary, and the end-to-end tests' own binary, call it.

mod cli;
mod clock;
mod config;
mod daemon;
mod exit;
mod notify;

use std::process::ExitCode;

/// First argument of the process that builds a sandbox from within: see [`assay_sandbox::launcher_main`].
pub(crate) const LAUNCH: &str = "__launch";
/// First argument of the installed Git hook.
pub(crate) const POST_RECEIVE: &str = "__post-receive";

/// Runs the command line.
///
/// The hidden entries come first: before clap, before any thread. The launcher must be single-threaded, and the hook
/// stands between somebody's `git push` and its end.
pub fn main() -> ExitCode {
    let first = std::env::args_os().nth(1);
    match first.as_deref().and_then(std::ffi::OsStr::to_str) {
        Some(LAUNCH) => assay_sandbox::launcher_main(),
        Some(POST_RECEIVE) => assay_hooks::post_receive(std::env::args_os().skip(2)),
        _ => cli::main(),
    }
}
