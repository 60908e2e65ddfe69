//! Why a run could not be set up or carried out.

use std::io;
use std::path::PathBuf;

use crate::spec::Resource;

/// Why a run could not be set up or carried out. Names the promise or the step that failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A field of the specification is outside the rules.
    #[error("run has an unusable {field}: {value:?}")]
    Spec {
        /// The field.
        field: &'static str,
        /// What it held, shortened.
        value: String,
    },
    /// The profile can't be had with this image.
    #[error("profile root can't be used: {0}")]
    Profile(&'static str),
    /// This build can't run WASI programs.
    #[error(
        "this build of assay has no wasm back-end (cargo feature `wasm`; the packages have it)"
    )]
    NoWasm,
    /// The launcher could not be started.
    #[error("launcher {program} can't be started")]
    Launcher {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A step of the jail failed; nothing was run.
    #[error("{promise} can't be promised here: {step}: {source}")]
    Setup {
        /// What the step is for: files, processes, network, privileges, resources.
        promise: String,
        /// The step.
        step: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the source tree was refused, or does not fit.
    #[error("file {path:?} can't be laid out: {source}")]
    Tree {
        /// Path of the file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The command itself could not be started.
    #[error("command {program:?} can't be started: {source}")]
    Command {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A resource limit that was demanded can't be enforced here.
    #[error("limit of {resource} is required and can't be kept: {reason}")]
    Required {
        /// The resource.
        resource: Resource,
        /// What is missing.
        reason: String,
    },
    /// The launcher ended without a report.
    #[error("launcher ended without a report ({0})")]
    Lost(String),
    /// A descriptor or a message between daemon and launcher failed.
    #[error("{what} failed")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl RunError {
    /// For `map_err`: names what was being done.
    pub(crate) fn io(what: &'static str) -> impl Fn(io::Error) -> RunError {
        move |source| RunError::Io { what, source }
    }
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Resource::Memory => "memory",
            Resource::Processes => "processes",
        })
    }
}
