//! Jobs with `virt: wasm`: from a plan's command lines to a run of WASI programs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use assay_plan::{Build, CommandLine, CommandLines, CommitId, OnFailure, When};
use assay_sandbox::{Fixed, Keep, Limits, Line, WasmSpec};

use super::runner::HOME;
use crate::config::Config;

/// What the operator says of such jobs.
#[derive(Debug)]
pub(super) struct Wasm {
    toolbox: Vec<PathBuf>,
    deterministic: bool,
    compile: Duration,
    /// Native images of compiled programs.
    modules: PathBuf,
}

/// What is the run's own.
pub(super) struct Particulars {
    pub(super) id: String,
    pub(super) limits: Limits,
    pub(super) uid_base: u32,
    pub(super) require: Vec<assay_sandbox::Resource>,
    pub(super) keep: Vec<Keep>,
}

impl Wasm {
    pub(super) fn new(config: &Config, state: &Path) -> Wasm {
        let wasm = &config.sandbox.wasm;
        Wasm {
            toolbox: wasm.toolbox.clone(),
            deterministic: wasm.deterministic,
            compile: wasm.compile.duration(),
            modules: state.join("wasm"),
        }
    }

    /// The run of a job's command lines.
    pub(super) fn spec(
        &self,
        build: &Build,
        lines: &CommandLines,
        build_dir: &str,
        own: Particulars,
    ) -> WasmSpec {
        WasmSpec {
            id: own.id,
            env: lines.variables.clone(),
            cwd: build_dir.to_owned(),
            home: HOME.to_owned(),
            lines: lines.lines.iter().map(line).collect(),
            toolbox: self.toolbox.clone(),
            modules: self.modules.clone(),
            compile: self.compile,
            fixed: self.deterministic.then(|| Fixed {
                seconds: u64::try_from(build.commit.committed_at.seconds()).unwrap_or(0),
                seed: seed(&build.commit.id),
            }),
            limits: own.limits,
            uid_base: own.uid_base,
            require: own.require,
            keep: own.keep,
        }
    }
}

fn line(line: &CommandLine) -> Line {
    Line {
        text: line.text.clone(),
        phase: line.phase.clone(),
        fold: line.fold.clone(),
        echo: line.echo,
        timed: line.timed,
        on_failure: match line.on_failure {
            OnFailure::Ignore => assay_sandbox::OnFailure::Ignore,
            OnFailure::Count => assay_sandbox::OnFailure::Count,
            OnFailure::End => assay_sandbox::OnFailure::End,
        },
        when: match line.when {
            When::Always => assay_sandbox::When::Always,
            When::Passed => assay_sandbox::When::Passed,
            When::Failed => assay_sandbox::When::Failed,
        },
    }
}

/// The first digits of the commit's name.
fn seed(commit: &CommitId) -> u64 {
    commit
        .as_str()
        .get(..16)
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .unwrap_or(0)
}
