//! A launcher process, from outside.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use crate::cgroup::{Groups, base};
use crate::error::RunError;
use crate::run::Launcher;
use crate::slots::Slot;
use crate::wire;

/// A launcher that has been started, the socket to it, and the groups made for it.
///
/// Dropping the socket ends it, and everything it started.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) control: OwnedFd,
    pub(crate) child: Child,
    pub(crate) groups: Groups,
    /// Held until everything of it is gone.
    pub(crate) slot: Slot,
}

impl Process {
    /// Makes groups called `id` and starts the program, with an empty environment and nothing but the socket.
    pub(crate) fn start(launcher: &Launcher, id: &str) -> Result<Process, RunError> {
        Process::with(launcher, Groups::make(base::base(), id))
    }

    /// Starts the program without any group, for work that isn't a job's.
    pub(crate) fn bare(launcher: &Launcher) -> Result<Process, RunError> {
        Process::with(launcher, Groups::default())
    }

    fn with(launcher: &Launcher, groups: Groups) -> Result<Process, RunError> {
        let (control, theirs) = wire::pair().map_err(RunError::io("making a socket pair"))?;
        let child = Command::new(&launcher.program)
            .args(&launcher.args)
            .env_clear()
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            // What a terminal sends to the daemon's group (Ctrl-C) is for the daemon: it ends its runs in order.
            .process_group(0)
            .spawn()
            .map_err(|source| RunError::Launcher {
                program: launcher.program.clone(),
                source,
            })?;
        Ok(Process {
            control,
            child,
            groups,
            slot: Slot::take(),
        })
    }

    /// Ends a launcher that has no plan yet.
    pub(crate) fn dismiss(mut self) {
        drop(self.control);
        if let Err(error) = self.child.wait() {
            tracing::warn!(%error, "launcher can't be waited for");
        }
    }
}
