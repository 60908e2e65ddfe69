//! Runs of WASI programs: what a caller asks for, and what a build without the back-end answers.
//!
//! Works without user namespaces. From the daemon's side: `launch` starts a process that keeps the run's folder in
//! memory (`cell`), which starts the one that runs the job's command lines (`phases`, `shell`) and their programs
//! (`engine`). Neither compiles: the daemon has that done by a third process (`compile`) and keeps the native images
//! (`modules`).

use std::path::PathBuf;
use std::time::Duration;

use crate::error::RunError;
use crate::spec::{Image, Limits, Network, Profile, Resource, RunSpec};

#[cfg(feature = "wasm")]
mod builtins;
#[cfg(feature = "wasm")]
mod cell;
#[cfg(feature = "wasm")]
mod compile;
#[cfg(feature = "wasm")]
mod engine;
#[cfg(feature = "wasm")]
mod files;
#[cfg(feature = "wasm")]
mod inside;
#[cfg(feature = "wasm")]
mod limits;
#[cfg(feature = "wasm")]
mod modules;
#[cfg(feature = "wasm")]
mod phases;
#[cfg(feature = "wasm")]
mod place;
#[cfg(feature = "wasm")]
mod shell;
#[cfg(feature = "wasm")]
mod start;
#[cfg(feature = "wasm")]
mod words;

#[cfg(feature = "wasm")]
pub(crate) use cell::cell;
#[cfg(feature = "wasm")]
pub(crate) use compile::compile;
#[cfg(feature = "wasm")]
pub(crate) use modules::Modules;
#[cfg(feature = "wasm")]
pub(crate) use start::{clean_up, launch, memory_folder};

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
            keep: Vec::new(),
            scratch: None,
        };
        like.check()
    }
}

/// A build without the back-end has no such run.
#[cfg(not(feature = "wasm"))]
pub(crate) fn launch(
    _launcher: &crate::run::Launcher,
    _spec: WasmSpec,
) -> Result<crate::run::Launched, RunError> {
    Err(RunError::NoWasm)
}

/// Nothing is ever left behind.
#[cfg(not(feature = "wasm"))]
pub(crate) fn clean_up(_prefix: &str) {}

/// Nobody asks for native images.
#[cfg(not(feature = "wasm"))]
pub(crate) enum Modules {}

#[cfg(not(feature = "wasm"))]
impl Modules {
    pub(crate) fn answer(
        &mut self,
        _program: std::os::fd::OwnedFd,
        _control: &std::os::fd::OwnedFd,
    ) {
        match *self {}
    }

    pub(crate) async fn end(&mut self) {
        match *self {}
    }
}
