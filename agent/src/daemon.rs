//! Placeholder for the daemon's face, so that the command line compiles; replaced when the daemon is merged.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use assay_store::StoreError;

use crate::cli::args::{Global, Run};
use crate::config::Config;
use crate::exit::{Exit, Failure};

/// What a daemon is started with.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) state: PathBuf,
    pub(crate) config: Config,
    pub(crate) repositories: Vec<PathBuf>,
    pub(crate) install_hooks: bool,
}

/// Why the daemon can't start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DaemonError {
    #[error("cannot open the state folder {path}: {source}")]
    Store { path: PathBuf, source: StoreError },
    #[error("cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("cannot make the socket {path}: {source}")]
    Socket {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot install the hook in {path}: {source}")]
    Hook {
        path: PathBuf,
        source: assay_hooks::HookError,
    },
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// A daemon that is up.
#[derive(Debug)]
pub(crate) struct Daemon {}

impl Daemon {
    pub(crate) async fn start(options: Options) -> Result<Daemon, DaemonError> {
        let what = format!(
            "no daemon in this build ({:?}, hooks: {})",
            options.repositories, options.install_hooks
        );
        Err(DaemonError::Store {
            path: options.state,
            source: StoreError::Other(what),
        })
    }

    pub(crate) fn address(&self) -> &str {
        ""
    }

    pub(crate) fn link(&self) -> String {
        String::new()
    }

    pub(crate) async fn run_until_shutdown(self) -> Result<(), DaemonError> {
        Ok(())
    }
}

pub(crate) fn demo(_global: &Global, _keep: bool) -> Result<ExitCode, Failure> {
    Err(Failure::new(Exit::Internal, "no daemon in this build"))
}

pub(crate) fn run(_global: &Global, _args: &Run) -> Result<ExitCode, Failure> {
    Err(Failure::new(Exit::Internal, "no daemon in this build"))
}
