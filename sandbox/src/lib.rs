//! Runs one [`RunSpec`] in a disposable sandbox, streams its output, returns one [`Outcome`].
//!
//! Knows nothing of builds, Git or Travis.

mod apply;
mod cgroup;
mod confine;
mod error;
mod host;
mod init;
mod jail;
mod launcher;
mod layout;
mod run;
mod seccomp;
mod spec;
mod supervise;
mod sys;
mod terminal;
mod tree;
mod wire;

pub use error::RunError;
pub use launcher::launcher_main;
pub use run::{Canceler, Launcher, Outcome, Run, RunEvent, Usage};
pub use spec::{Bind, Image, Limits, Resource, RunSpec};
pub use tree::TreeWriter;

/// State of one host fact that `assay doctor` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is looked at.
    pub name: &'static str,
    /// Whether it is there.
    pub state: CheckState,
    /// One line: what was found, and what to do if it is not as wished.
    pub detail: String,
}

/// How a host fact stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// As wished.
    Good,
    /// A promise about resources falls back to something weaker.
    Degraded,
    /// Jobs can't run here.
    Missing,
}

/// Looks at the host: namespaces, cgroups, seccomp, Landlock, swap.
pub fn doctor() -> Vec<Check> {
    todo!()
}

/// Kills and removes what runs of a dead daemon left behind (cgroups whose id begins with `prefix`).
pub fn clean_up(prefix: &str) {
    cgroup::clean_up(cgroup::base::base(), prefix);
}
