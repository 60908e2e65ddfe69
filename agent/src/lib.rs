//! Assay's command line and daemon. [`main`] is everything: the binary, and the end-to-end tests' own binary, call it.

mod cli;
mod clock;
mod config;
mod daemon;
mod exit;
mod notify;
mod ssh_key;

use std::process::ExitCode;

use exit::{Exit, Failure};

/// First argument of the process that builds a sandbox from within: see [`assay_sandbox::launcher_main`].
pub(crate) const LAUNCH: &str = "__launch";

/// First argument of the process that looks at the host for the daemon: a child of it, with all that it was given and
/// denied, and without its threads, beside which the sandbox can't try things out.
pub(crate) const DOCTOR: &str = "__doctor";

/// Threads of the daemon's runtime: it waits for jobs, it doesn't compute.
const THREADS: usize = 2;

/// The runtime of commands that are, or have, a daemon.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Internal, "cannot start the runtime").because(&error))
}

/// Runs the command line.
///
/// The hidden entries come first: before clap, before any thread. The launcher must be single-threaded, and the hook
/// stands between somebody's `git push` and its end.
pub fn main() -> ExitCode {
    let first = std::env::args_os().nth(1);
    match first.as_deref().and_then(std::ffi::OsStr::to_str) {
        Some(LAUNCH) => assay_sandbox::launcher_main(),
        Some(DOCTOR) => cli::print_checks(),
        Some(assay_hooks::POST_RECEIVE) => assay_hooks::post_receive(std::env::args_os().skip(2)),
        _ => cli::main(),
    }
}
