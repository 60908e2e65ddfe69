//! Runs of WASI programs: what a caller asks for, and what a build without the back-end answers.
//!
//! Works without user namespaces.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::RunError;
use crate::spec::{Image, Keep, Limits, Network, Profile, Resource, RunSpec};

#[cfg(not(feature = "wasm"))]
mod absent;
#[cfg(feature = "wasm")]
mod backend;

#[cfg(not(feature = "wasm"))]
pub(crate) use absent::{Modules, clean_up, launch};
#[cfg(feature = "wasm")]
pub(crate) use backend::{Modules, cell, clean_up, compile, launch, memory_folder};

/// One run of WASI programs: what to execute and in which bounds. There is no image, no network and no user to choose.
#[derive(Debug, Clone)]
pub struct WasmSpec {
    /// As [`RunSpec::id`].
    pub id: String,
    /// The whole environment of the first command line.
    pub env: Vec<(String, String)>,
    /// As [`RunSpec::cwd`]; below `home`.
    pub cwd: String,
    /// What the run's folder is called inside; everything else is out of reach.
    pub home: String,
    /// The command lines, in their order.
    pub lines: Vec<Line>,
    /// Host folders with programs that command lines can call by name (`NAME` or `NAME.wasm`), first match first.
    /// Programs can't read them.
    pub toolbox: Vec<PathBuf>,
    /// Folder of the native images of compiled programs, written by this process only; made if it isn't there.
    pub modules: PathBuf,
    /// How long one program may take to compile.
    pub compile: Duration,
    /// Clock and randomness that are the same in every run.
    pub fixed: Option<Fixed>,
    /// Limits. `memory` is that of all programs together; `processes` counts programs that run at once.
    pub limits: Limits,
    /// As [`RunSpec::uid_base`].
    pub uid_base: u32,
    /// As [`RunSpec::require`].
    pub require: Vec<Resource>,
    /// As [`RunSpec::keep`]; all paths are below `home`.
    pub keep: Vec<Keep>,
}

/// Clock and randomness of a run that is to be repeated exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "wasm", derive(serde::Serialize, serde::Deserialize))]
pub struct Fixed {
    /// What every clock shows: seconds since 1970.
    pub seconds: u64,
    /// Where randomness begins.
    pub seed: u64,
}

/// A command line, and how it shows in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "wasm", derive(serde::Serialize, serde::Deserialize))]
pub struct Line {
    /// The command line.
    pub text: String,
    /// Name of its phase, for time marks and messages.
    pub phase: String,
    /// Name of the fold around it.
    pub fold: Option<String>,
    /// Whether it is shown before it runs.
    pub echo: bool,
    /// Whether time marks surround it.
    pub timed: bool,
    /// What its failure means.
    pub on_failure: OnFailure,
    /// When it runs.
    pub when: When,
}

/// What the failure of a command line means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "wasm", derive(serde::Serialize, serde::Deserialize))]
pub enum OnFailure {
    /// Nothing.
    Ignore,
    /// The run's exit code will be 1; the lines after it run. Failed or not, the log says how it ended.
    Count,
    /// The run ends with exit code 2.
    End,
}

/// On which result so far a command line runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "wasm", derive(serde::Serialize, serde::Deserialize))]
pub enum When {
    /// On any.
    Always,
    /// When no counted line has failed.
    Passed,
    /// When one has.
    Failed,
}

/// Longest command line; the shell's parser is recursive.
const LONGEST_LINE: usize = 64 * 1024;

impl WasmSpec {
    /// Refuses what could not be carried out, before anything is started: by the rules of the other kind of run.
    pub(crate) fn check(&self) -> Result<(), RunError> {
        if !crate::spec::lies_in(&self.cwd, &self.home) {
            return Err(RunError::Spec {
                field: "cwd",
                value: self.cwd.clone(),
            });
        }
        let kept = self.keep.iter().flat_map(|keep| &keep.paths);
        if let Some(path) = kept
            .into_iter()
            .find(|path| !crate::spec::lies_in(path, &self.home))
        {
            return Err(RunError::Spec {
                field: "path to keep",
                value: path.clone(),
            });
        }
        if let Some(line) = self
            .lines
            .iter()
            .find(|line| line.text.len() > LONGEST_LINE)
        {
            return Err(RunError::Spec {
                field: "command line",
                value: line.text.chars().take(60).collect(),
            });
        }
        let like = RunSpec {
            id: self.id.clone(),
            argv: vec!["wasm".to_owned()],
            env: self.env.clone(),
            cwd: self.cwd.clone(),
            home: self.home.clone(),
            user: "travis".to_owned(),
            image: Image::Host {
                folders: Vec::new(),
            },
            profile: Profile::Strict,
            first: None,
            network: Network::None,
            binds: Vec::new(),
            limits: self.limits.clone(),
            uid_base: self.uid_base,
            require: self.require.clone(),
            terminal: (80, 24),
            keep: self.keep.clone(),
            scratch: None,
        };
        like.check()
    }
}
