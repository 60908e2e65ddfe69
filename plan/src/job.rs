//! From one row of the matrix to everything its sandbox needs: script, environment, limits, checkout options.

use crate::kept::{self, Cache};
use crate::model::{Build, Job, Repository};
use crate::script;
use crate::value::{Map, Value};

/// Commits of history that a job gets when it doesn't say.
const DEFAULT_DEPTH: u32 = 50;

/// What is known around a job when it is about to run.
#[derive(Debug, Clone, Copy)]
pub struct JobContext<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The build.
    pub build: &'a Build,
    /// The job.
    pub job: &'a Job,
    /// Address of the web pages, without a slash at the end: `http://127.0.0.1:27729`.
    pub web: &'a str,
    /// Code name of the image's distribution (`bookworm`), if known.
    pub dist: Option<&'a str>,
    /// Travis' name of the processor: `amd64`, `arm64`, `ppc64le`, `s390x`.
    pub arch: &'a str,
    /// Variables given from outside the file (`assay run --env`); exported after the built-in ones.
    pub env: &'a [(String, String)],
    /// What becomes of a job whose version of a language is not there.
    pub versions: Versions,
    /// Whether root of the sandbox may install packages (`addons: apt`) before the job starts.
    pub packages: bool,
}

/// What becomes of a job that asks for a version of a language that the machine doesn't have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Versions {
    /// It ends in set-up, naming what there is.
    #[default]
    Exact,
    /// The nearest one runs it; log and record say which.
    Nearest,
}

/// Everything one job needs, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPlan {
    /// The job script: a bash program.
    pub script: String,
    /// What root of the sandbox does before the script, where that is allowed: a bash program that installs packages.
    pub packages: Option<String>,
    /// Environment of the script's process (`HOME`, `USER`, `PATH`, `LANG`, `TERM` …); all else the script exports.
    pub env: Vec<(String, String)>,
    /// Absolute path of the work tree inside the sandbox (`/home/travis/build/OWNER/NAME`).
    pub build_dir: String,
    /// How to lay out the source.
    pub git: GitOptions,
    /// Limits that the configuration asks for.
    pub limits: PhaseLimits,
    /// `os` of the job (`linux`).
    pub os: String,
    /// `dist`, where given.
    pub dist: Option<String>,
    /// `arch`, where given.
    pub arch: Option<String>,
    /// What is kept between jobs.
    pub cache: Option<Cache>,
    /// Absolute paths of what is kept for people, all below the home folder.
    pub artifacts: Vec<String>,
    /// For `virt: wasm`: the command lines to run instead of the script.
    pub wasm: Option<CommandLines>,
    /// Lines for the top of the log: what is left out, what was assumed.
    pub notes: Vec<String>,
}

/// What a job with `virt: wasm` runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandLines {
    /// The environment of the first one.
    pub variables: Vec<(String, String)>,
    /// In their order.
    pub lines: Vec<CommandLine>,
}

/// One command line, and how it shows in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// As the author wrote it.
    pub text: String,
    /// Its phase.
    pub phase: String,
    /// Name of the fold around it.
    pub fold: Option<String>,
    /// Whether it is shown.
    pub echo: bool,
    /// Whether time marks surround it.
    pub timed: bool,
    /// What its failure means.
    pub on_failure: OnFailure,
    /// When it runs.
    pub when: When,
}

/// What the failure of a command line means for its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Nothing.
    Ignore,
    /// The job fails; the lines after it run.
    Count,
    /// The job ends as errored.
    End,
}

/// On which result so far a command line runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// On any.
    Always,
    /// When no script line has failed.
    Passed,
    /// When one has.
    Failed,
}

/// `git:` options of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitOptions {
    /// Commits of history; `None` for all. Default 50.
    pub depth: Option<u32>,
    /// Whether submodules are laid out too. Default true.
    pub submodules: bool,
    /// Commits of history of submodules; `None` for all.
    pub submodules_depth: Option<u32>,
    /// `git.clone: false`: no source at all.
    pub clone: bool,
    /// `git.quiet`: the log doesn't say what was checked out.
    pub quiet: bool,
    /// `git.lfs_skip_smudge`: leave LFS pointers as they are.
    pub lfs_skip_smudge: bool,
}

/// Limits taken from the configuration; `None` means the operator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PhaseLimits {
    /// Whole job, seconds.
    pub wall: Option<u64>,
}

/// Makes the plan of a job.
pub fn plan_job(context: &JobContext<'_>) -> JobPlan {
    let config = &context.job.config;
    let build_dir = format!("{}/build/{}", script::HOME, context.repository.slug);
    let git = git_options(config);
    let text = |key: &str| config.text(key).map(str::to_owned);
    let script::Script {
        text: script,
        packages,
        notes,
    } = script::write(context, &build_dir, &git);
    let is_wasm = config.text("virt") == Some("wasm");
    let (wasm, mut notes) = match is_wasm.then(|| script::lines(context, &build_dir)) {
        Some((lines, notes)) => (Some(lines), notes),
        None => (None, notes),
    };
    let kept = kept::read(context, &build_dir);
    notes.extend(kept.notes);
    JobPlan {
        wasm,
        script,
        packages,
        env: script::initial(),
        build_dir,
        git,
        limits: PhaseLimits::default(),
        os: text("os").unwrap_or_else(|| "linux".to_owned()),
        dist: text("dist"),
        arch: text("arch"),
        cache: kept.cache,
        artifacts: kept.artifacts,
        notes,
    }
}

/// Makes the plan of a debug session in the environment of a job: its script is the start-up file of an interactive bash,
/// which sets up what the job has and defines each of its phases as a function, `travis_run_script` and so on. Nothing of
/// a session is kept.
pub fn plan_debug(context: &JobContext<'_>) -> JobPlan {
    let mut plan = plan_job(context);
    let script = script::write_debug(context, &plan.build_dir, &plan.git);
    plan.script = script.text;
    plan.artifacts = Vec::new();
    plan
}

/// `git` of a configuration; what makes no sense there counts as not given.
fn git_options(config: &Map) -> GitOptions {
    let git = config.get("git").and_then(Value::as_map);
    let flag = |key: &str| git.and_then(|git| git.get(key)).and_then(Value::as_bool);
    let depth = match git.and_then(|git| git.get("depth")) {
        Some(Value::Bool(false)) => None,
        Some(Value::Int(depth)) => Some(
            u32::try_from(*depth)
                .ok()
                .filter(|depth| *depth > 0)
                .unwrap_or(DEFAULT_DEPTH),
        ),
        _ => Some(DEFAULT_DEPTH),
    };
    GitOptions {
        depth,
        submodules: flag("submodules").unwrap_or(true),
        submodules_depth: match git.and_then(|git| git.get("submodules_depth")) {
            Some(Value::Int(depth)) => u32::try_from(*depth).ok().filter(|depth| *depth > 0),
            _ => None,
        },
        clone: flag("clone").unwrap_or(true),
        quiet: flag("quiet").unwrap_or(false),
        lfs_skip_smudge: flag("lfs_skip_smudge").unwrap_or(false),
    }
}
