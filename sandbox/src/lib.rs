//! Runs one [`RunSpec`] in a disposable sandbox, streams its output, returns one [`Outcome`].
//!
//! Knows nothing of builds, Git or Travis.

use std::path::PathBuf;
use std::time::Duration;

/// One run: what to isolate and what to execute.
#[derive(Debug, Clone)]
pub struct RunSpec {
    /// Names the run in cgroups and errors: letters, digits, `-`. Unique among the runs of this host.
    pub id: String,
    /// Program and arguments, as seen inside.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Working folder inside; made if it isn't there. Everything below `home` belongs to the job's user.
    pub cwd: String,
    /// Home folder of the job's user inside.
    pub home: String,
    /// Name of the job's user inside; its uid and gid there are 1000.
    pub user: String,
    /// The root image.
    pub image: Image,
    /// Host folders shown read-only inside (no devices, no set-uid).
    pub binds: Vec<Bind>,
    /// Limits.
    pub limits: Limits,
    /// Distinguishes runs going on at once, from 0: a root caller's job uid is `uid_base + slot`.
    pub slot: u32,
    /// First host uid for jobs of a root caller.
    pub uid_base: u32,
    /// Promises about resources that must be kept by a cgroup, else the run is refused.
    pub require: Vec<Resource>,
    /// Columns and rows of the job's terminal.
    pub terminal: (u16, u16),
}

/// What the root of a sandbox is made from.
#[derive(Debug, Clone)]
pub enum Image {
    /// An allow-list view of the host's own `/usr`, `/bin`, `/lib*`, filtered `/etc`, and these further folders.
    Host {
        /// Absolute host folders, shown read-only at the same place.
        folders: Vec<PathBuf>,
    },
}

/// A host folder shown inside, read-only.
#[derive(Debug, Clone)]
pub struct Bind {
    /// Host path. Opened before privileges are dropped: the job's user need not be able to reach it by path.
    pub source: PathBuf,
    /// Path inside.
    pub target: String,
}

/// Limits of one run. Each one reached is an [`Outcome`] of its own.
#[derive(Debug, Clone)]
pub struct Limits {
    /// From start to end.
    pub wall: Duration,
    /// Without any output.
    pub silence: Duration,
    /// Between the polite signal and the kill.
    pub grace: Duration,
    /// Bytes of memory, RAM root included.
    pub memory: u64,
    /// Processes and threads.
    pub processes: u64,
    /// Bytes of the RAM root.
    pub disk: u64,
    /// Files of the RAM root.
    pub inodes: u64,
    /// Bytes of output.
    pub output: u64,
    /// Relative CPU weight in per cent of the host's default.
    pub cpu_weight: u32,
}

/// A resource whose limit can be enforced for the whole group only by a cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Memory of all processes together.
    Memory,
    /// Number of processes.
    Processes,
}

/// What happens while a run goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEvent {
    /// A promise about resources that this host can't keep fully, for the top of the log.
    Notice(String),
    /// The command has been started.
    Started,
    /// Bytes from the job's terminal.
    Output(Vec<u8>),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The command ended with this code.
    Exited(i32),
    /// The command was ended by this signal (and by none of the limits).
    Signaled(i32),
    /// Wall time.
    Time,
    /// Silence.
    Silence,
    /// Memory: the group's limit was hit and something in it killed.
    Memory,
    /// Processes: fork was refused, and the command failed with this code.
    Processes(i32),
    /// Disk: the RAM root was full, and the command failed with this code.
    Disk(i32),
    /// Output.
    Output,
    /// [`Run::cancel`].
    Canceled,
}

/// What a run used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// CPU time of all processes, milliseconds.
    pub cpu_ms: u64,
    /// Highest memory of the group, bytes; 0 where it can't be measured.
    pub memory_peak: u64,
}

/// Why a run could not be set up or carried out. Names the promise or the step that failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// placeholder until implemented
    #[error("{0}")]
    Setup(String),
}

/// How to start the launcher: program and arguments of the hidden subcommand that calls [`launcher_main`].
#[derive(Debug, Clone)]
pub struct Launcher {
    /// Program.
    pub program: PathBuf,
    /// Arguments.
    pub args: Vec<String>,
}

/// A run that is going on. Dropping it kills the sandbox.
#[derive(Debug)]
pub struct Run {}

impl Run {
    /// Starts the launcher; the command itself starts once the tree writer has been finished.
    pub async fn start(_launcher: &Launcher, _spec: RunSpec) -> Result<(Run, TreeWriter), RunError> {
        todo!()
    }

    /// The next event, `None` when the run is over.
    pub async fn event(&mut self) -> Option<RunEvent> {
        todo!()
    }

    /// After the last event: how it ended. Everything of the run is dead and gone when this returns.
    pub async fn finish(self) -> Result<(Outcome, Usage), RunError> {
        todo!()
    }

    /// Something to cancel the run with from elsewhere (polite signal, grace, kill).
    pub fn canceler(&self) -> Canceler {
        todo!()
    }
}

/// Cancels a run; may be called any number of times from anywhere.
#[derive(Debug, Clone)]
pub struct Canceler {}

impl Canceler {
    /// Polite signal, grace, kill.
    pub fn cancel(&self) {
        todo!()
    }
}

/// Writes files into the sandbox before the command starts. Blocking: use it from a blocking thread.
///
/// Paths are relative to `cwd` unless absolute; absolute ones must lie below the home folder. The launcher refuses
/// `..`, empty parts, and any path that leads through a link. Missing parent folders are made.
#[derive(Debug)]
pub struct TreeWriter {}

impl TreeWriter {
    /// A regular file.
    pub fn file(&mut self, _path: &[u8], _executable: bool, _content: &[u8]) -> std::io::Result<()> {
        todo!()
    }

    /// A symbolic link; its target is text, never followed here.
    pub fn link(&mut self, _path: &[u8], _target: &[u8]) -> std::io::Result<()> {
        todo!()
    }

    /// A folder.
    pub fn folder(&mut self, _path: &[u8]) -> std::io::Result<()> {
        todo!()
    }

    /// Ends the tree: the command may start. All files carry the modification time given here (seconds).
    pub fn finish(self) -> std::io::Result<()> {
        todo!()
    }
}

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
pub fn clean_up(_prefix: &str) {
    todo!()
}

/// The launcher: reads its plan from the inherited socket, builds the jail, runs the command. Call it first thing in
/// `main`, before any thread exists, when the first argument is the hidden subcommand.
pub fn launcher_main() -> std::process::ExitCode {
    todo!()
}
