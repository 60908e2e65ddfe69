//! Placeholder for the daemon's face, so that the command line compiles; replaced when the daemon is merged.

pub(crate) mod demo;
pub(crate) mod run;

use std::path::PathBuf;

use crate::config::Config;
use crate::exit::{Exit, Failure};

/// What the daemon is started with.
#[derive(Debug)]
pub(crate) struct Options {
    /// State folder.
    pub(crate) state: PathBuf,
    /// Configuration.
    pub(crate) config: Config,
    /// Repositories served by `up`: registered at start.
    pub(crate) repositories: Vec<PathBuf>,
    /// Whether their hooks are installed.
    pub(crate) install_hooks: bool,
}

/// Why the daemon can't run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DaemonError {
    /// This build has none.
    #[error(
        "no daemon in this build (state {state:?}, at {listen}, {repositories:?}, hooks: {hooks})"
    )]
    Absent {
        state: PathBuf,
        listen: std::net::SocketAddr,
        repositories: Vec<PathBuf>,
        hooks: bool,
    },
}

impl From<DaemonError> for Failure {
    fn from(error: DaemonError) -> Self {
        Failure::new(Exit::Internal, "cannot run the daemon").because(&error)
    }
}

/// A running daemon.
#[derive(Debug)]
pub(crate) struct Daemon {}

impl Daemon {
    /// Starts it.
    pub(crate) async fn start(options: Options) -> Result<Daemon, DaemonError> {
        Err(DaemonError::Absent {
            state: options.state,
            listen: options.config.listen,
            repositories: options.repositories,
            hooks: options.install_hooks,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        String::new()
    }

    /// A link that opens the pages once.
    pub(crate) fn link(&self) -> String {
        String::new()
    }

    /// Runs until SIGTERM or Ctrl-C.
    pub(crate) async fn run_until_shutdown(self) -> Result<(), DaemonError> {
        Ok(())
    }
}
