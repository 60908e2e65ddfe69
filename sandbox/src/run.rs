//! A run as its caller sees it: start, events, end.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::cgroup::Groups;
use crate::error::RunError;
use crate::jail::{self, Facts};
use crate::kept::Kept;
use crate::net::{self, Egress};
use crate::process::Process;
use crate::scratch::{self, Disk};
use crate::spec::{Image, Keep, Limits, Resource, RunSpec};
use crate::supervise::{Caller, Supervisor};
use crate::terminal::Keyboard;
use crate::tree::TreeWriter;
use crate::wasm::{self, WasmSpec};
use crate::wire::Jail;
use crate::{apply, host, seccomp, warm, wire};

/// Events on their way to the caller; when it is full, the job's terminal is not read.
const EVENTS: usize = 16;
/// Size of the tree pipe: fewer turns between writer and launcher.
const PIPE: usize = 1 << 20;

/// The network helper and its keeper are in the job's groups too.
const HELPER_PROCESSES: u64 = 2;

/// What happens while a run goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEvent {
    /// Something the reader of the log should know, mostly at its top: a promise about resources that this host can't
    /// keep fully, a network that isn't there, or is there no longer.
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
    /// [`Run::cancel`](Canceler::cancel).
    Canceled,
}

/// What a run used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// CPU time of all processes, milliseconds.
    pub cpu_ms: u64,
    /// Highest memory of the group, bytes; 0 where it can't be measured.
    pub memory_peak: u64,
    /// Bytes read from disks.
    pub read: u64,
    /// Bytes written to disks. What a job writes stays in memory, so this is little.
    pub written: u64,
    /// Most processes and threads at once; 0 where they can't be counted.
    pub processes: u64,
}

/// How to start the launcher: program and arguments of the hidden subcommand that calls
/// [`launcher_main`](crate::launcher_main).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launcher {
    /// Program.
    pub program: PathBuf,
    /// Arguments.
    pub args: Vec<String>,
}

/// A run that is going on. Dropping it kills the sandbox.
#[derive(Debug)]
pub struct Run {
    events: mpsc::Receiver<RunEvent>,
    ended: oneshot::Receiver<Result<(Outcome, Usage), RunError>>,
    cleared: JoinHandle<()>,
    cancel: Arc<Notify>,
    keyboard: Keyboard,
    kept: Option<Kept>,
}

impl Run {
    /// Starts the launcher; the command itself starts once the tree writer has been finished.
    ///
    /// # Errors
    /// What is wrong with `spec`, a required resource that can't be limited, or a launcher that can't be started.
    /// Steps of the jail that fail later are told by [`Run::finish`].
    pub async fn start(launcher: &Launcher, spec: RunSpec) -> Result<(Run, TreeWriter), RunError> {
        spec.check()?;
        let launcher = launcher.clone();
        Run::watch(move || launch(&launcher, spec)).await
    }

    /// The same for a run of WASI programs. The tree's paths, and the outcomes, mean the same.
    ///
    /// # Errors
    /// As for [`Run::start`]; and that this build has no wasm back-end.
    pub async fn start_wasm(
        launcher: &Launcher,
        spec: WasmSpec,
    ) -> Result<(Run, TreeWriter), RunError> {
        spec.check()?;
        let launcher = launcher.clone();
        Run::watch(move || wasm::launch(&launcher, spec)).await
    }

    async fn watch(
        launch: impl FnOnce() -> Result<Launched, RunError> + Send + 'static,
    ) -> Result<(Run, TreeWriter), RunError> {
        // Starting a process and making groups block for a millisecond or two.
        let launched = tokio::task::spawn_blocking(launch);
        let launched = launched
            .await
            .map_err(|error| RunError::Lost(error.to_string()))??;
        let (sender, events) = mpsc::channel(EVENTS);
        for notice in launched.notices {
            // Never full: the channel is new, and there are fewer notices than places.
            drop(sender.try_send(RunEvent::Notice(notice)));
        }
        let cancel = Arc::new(Notify::new());
        let (keyboard, typed) = Keyboard::new();
        let supervisor = Supervisor::new(
            launched.limits,
            launched.keeping,
            launched.image,
            launched.process,
            Caller {
                events: sender,
                cancel: Arc::clone(&cancel),
                typed,
            },
            launched.modules,
        )?;
        let (tell, ended) = oneshot::channel();
        let cleared = tokio::spawn(async move {
            let (end, remains) = supervisor.run().await;
            // The caller may be gone.
            drop(tell.send(end));
            remains.clear().await;
            drop(launched.disk);
            if let Some(folder) = launched.folder {
                // Whatever the launcher had no time for.
                drop(tokio::task::spawn_blocking(move || std::fs::remove_dir_all(folder)).await);
            }
        });
        Ok((
            Run {
                events,
                ended,
                cleared,
                cancel,
                keyboard,
                kept: launched.kept,
            },
            TreeWriter::new(launched.tree),
        ))
    }

    /// The next event, `None` when the run is over.
    pub async fn event(&mut self) -> Option<RunEvent> {
        self.events.recv().await
    }

    /// What the run leaves behind, if anything is to be kept; to be read while the run goes on, which waits for it at its
    /// end. Only the first call gives it.
    pub fn kept(&mut self) -> Option<Kept> {
        self.kept.take()
    }

    /// After the last event: how it ended. Everything of the run is dead and gone when this returns. Events not yet
    /// taken are lost.
    ///
    /// # Errors
    /// The step of the jail, the file of the tree or the command that failed, if nothing was run.
    pub async fn finish(self) -> Result<(Outcome, Usage), RunError> {
        let (ended, remains) = self.end().await;
        remains.gone().await;
        ended
    }

    /// The same as soon as every process of the run is dead; what else there was of it is being cleared away then.
    pub async fn end(mut self) -> (Result<(Outcome, Usage), RunError>, Remains) {
        while self.events.recv().await.is_some() {}
        let ended = self.ended.await;
        let ended = ended.unwrap_or_else(|error| Err(RunError::Lost(error.to_string())));
        (ended, Remains(self.cleared))
    }

    /// Something to type with into the run's terminal, for a person: a job has no use for it.
    pub fn keyboard(&self) -> Keyboard {
        self.keyboard.clone()
    }

    /// Something to cancel the run with from elsewhere (polite signal, grace, kill).
    pub fn canceler(&self) -> Canceler {
        Canceler {
            cancel: Arc::clone(&self.cancel),
        }
    }
}

/// What is left of a run whose processes are dead: for some milliseconds more the network's helper, control groups, the
/// scratch. They go whether or not anybody waits.
#[derive(Debug)]
#[must_use = "the end of a process must wait for it"]
pub struct Remains(JoinHandle<()>);

impl Remains {
    /// Waits until nothing is left.
    pub async fn gone(self) {
        if let Err(error) = self.0.await {
            tracing::error!(%error, "clearing away a sandbox failed");
        }
    }
}

/// Cancels a run; may be called any number of times from anywhere.
#[derive(Debug, Clone)]
pub struct Canceler {
    cancel: Arc<Notify>,
}

impl Canceler {
    /// Polite signal, grace, kill.
    pub fn cancel(&self) {
        self.cancel.notify_one();
    }
}

/// A started launcher that has its plan.
pub(crate) struct Launched {
    pub(crate) limits: Limits,
    /// Held until the run is over; that of WASI programs has none, which is said as the host's.
    pub(crate) image: Image,
    pub(crate) process: Process,
    pub(crate) tree: OwnedFd,
    /// What is kept of the run, and how long sending it may take.
    pub(crate) kept: Option<Kept>,
    pub(crate) keeping: Duration,
    pub(crate) notices: Vec<String>,
    /// Held until the run is over.
    pub(crate) disk: Option<Disk>,
    /// For a run of WASI programs: where their native images come from.
    pub(crate) modules: Option<wasm::Modules>,
    /// For a run of WASI programs: the folder in memory.
    pub(crate) folder: Option<PathBuf>,
}

fn launch(launcher: &Launcher, spec: RunSpec) -> Result<Launched, RunError> {
    let (egress, network) = net::prepare(&spec.network).map_err(|value| RunError::Spec {
        field: "network",
        value,
    })?;
    let mut limits = spec.limits.clone();
    if egress.is_some() {
        limits.processes = limits.processes.saturating_add(HELPER_PROCESSES);
    }
    loop {
        let (mut process, is_warm) = match warm::take(launcher, &spec, egress.as_ref()) {
            Some(process) => (process, true),
            None => (build(launcher, &spec.id, &spec, egress.as_ref())?.0, false),
        };
        process.groups.limit(&limits);
        match instruct(&process, &spec) {
            Ok((tree, kept, disk)) => {
                let mut notices = notices(&process.groups);
                notices.extend(network);
                let keeping = spec.keep.iter().map(|keep| keep.time).sum();
                return Ok(Launched {
                    limits: spec.limits,
                    image: spec.image,
                    process,
                    tree,
                    kept: kept.map(|pipe| Kept::new(pipe, spec.keep)),
                    keeping,
                    notices,
                    disk,
                    modules: None,
                    folder: None,
                });
            }
            Err(error) => {
                process.dismiss();
                // One that died while it waited is no reason to fail; the next one may be alive, or is new.
                if !(is_warm && matches!(error, RunError::Io { .. })) {
                    return Err(error);
                }
            }
        }
    }
}

/// Starts a launcher that builds the jail for a run; `id` names its groups.
pub(crate) fn build(
    launcher: &Launcher,
    id: &str,
    spec: &RunSpec,
    egress: Option<&Egress>,
) -> Result<(Process, Jail), RunError> {
    let process = Process::start(launcher, id)?;
    let order = || {
        spec.check_uids(process.slot.number())?;
        let jail = jail::jail(spec, &host::look(), &facts(&process), egress);
        let packed = wire::pack_jail(&jail).map_err(RunError::io("writing the jail"))?;
        wire::send(
            process.control.as_fd(),
            &[wire::ORDER_JAIL],
            &[packed.as_fd()],
        )
        .map_err(RunError::io("sending the jail"))?;
        Ok(jail)
    };
    match order() {
        Ok(jail) => Ok((process, jail)),
        Err(error) => {
            process.dismiss();
            Err(error)
        }
    }
}

/// What the plan must know of a launcher.
pub(crate) fn facts(process: &Process) -> Facts {
    Facts {
        root: rustix::process::geteuid().is_root(),
        slot: process.slot.number(),
        groups: process.groups.paths().to_vec(),
        counted_processes: process.groups.limits_processes(),
        counted_memory: process.groups.limits_memory(),
    }
}

/// The end of the tree pipe to write into, that of the pipe for what is kept, and the scratch.
type Instructed = (OwnedFd, Option<OwnedFd>, Option<Disk>);

/// Gives the jail's first process its plan.
fn instruct(process: &Process, spec: &RunSpec) -> Result<Instructed, RunError> {
    required(&spec.require, &process.groups)?;
    let plan = jail::plan(spec, &facts(process));
    let disk = spec.scratch.as_ref().map(|scratch| {
        // A uid that can't be was refused when the jail was ordered.
        let owner = jail::first_uid(spec, process.slot.number()).unwrap_or(u32::MAX - 1);
        scratch::make(scratch, owner)
    });
    let disk = disk.transpose()?;
    let mut opened: Vec<OwnedFd> = plan
        .opened
        .iter()
        .map(|source| {
            let opened = match &disk {
                Some(disk) if source.as_os_str() == jail::SCRATCH => disk.tree(),
                _ => apply::open(source),
            };
            opened.map_err(|error| RunError::Setup {
                promise: "isolation of files".to_owned(),
                step: format!("open {}", source.display()),
                source: error,
            })
        })
        .collect::<Result<_, _>>()?;
    let packed = wire::pack(&plan, seccomp::filter()).map_err(RunError::io("writing the plan"))?;
    let (kept, writer) = kept_pipe(&spec.keep)?.unzip();
    opened.splice(0..0, writer);
    let tree = send_plan(process, wire::ORDER_PLAN, &packed, &opened)?;
    Ok((tree, kept, disk))
}

/// The pipe for what is kept, if anything is: its reading end, its writing end.
pub(crate) fn kept_pipe(keep: &[Keep]) -> Result<Option<(OwnedFd, OwnedFd)>, RunError> {
    if keep.is_empty() {
        return Ok(None);
    }
    let (reader, writer) = std::io::pipe().map_err(RunError::io("making a pipe"))?;
    let _ = rustix::pipe::fcntl_setpipe_size(&writer, PIPE);
    Ok(Some((reader.into(), writer.into())))
}

/// Sends the plan, the reading end of a new tree pipe, and what was opened for it; returns the pipe's other end.
pub(crate) fn send_plan(
    process: &Process,
    order: u8,
    plan: &OwnedFd,
    opened: &[OwnedFd],
) -> Result<OwnedFd, RunError> {
    let (reader, tree) = std::io::pipe().map_err(RunError::io("making a pipe"))?;
    // A smaller pipe works too, only slower.
    let _ = rustix::pipe::fcntl_setpipe_size(&tree, PIPE);
    let mut fds = vec![plan.as_fd(), reader.as_fd()];
    fds.extend(opened.iter().map(AsFd::as_fd));
    wire::send(process.control.as_fd(), &[order], &fds)
        .map_err(RunError::io("sending the plan"))?;
    Ok(tree.into())
}

pub(crate) fn required(require: &[Resource], groups: &Groups) -> Result<(), RunError> {
    for resource in require {
        let kept = match resource {
            Resource::Memory => groups.limits_memory(),
            Resource::Processes => groups.limits_processes(),
        };
        if !kept {
            let reason = "no control group with this controller can be made here".to_owned();
            return Err(RunError::Required {
                resource: *resource,
                reason,
            });
        }
    }
    Ok(())
}

/// One line for each promise about resources that is kept by something weaker.
pub(crate) fn notices(groups: &Groups) -> Vec<String> {
    let mut lines = Vec::new();
    if !groups.limits_memory() {
        lines.push("memory is limited for each process, not for the job as a whole (no memory control group)");
    }
    if !groups.limits_processes() {
        lines.push("processes are limited by an rlimit (no pids control group)");
    }
    if !groups.weighs_cpu() {
        lines.push("CPU weight is not set (no cpu control group)");
    }
    if !groups.denies_swap() && swap_is_on() {
        lines.push("swap is on and can't be denied to the job: its memory may reach the disk");
    }
    lines.into_iter().map(str::to_owned).collect()
}

/// Whether the host has swap space.
pub(crate) fn swap_is_on() -> bool {
    std::fs::read_to_string("/proc/swaps").is_ok_and(|text| text.lines().count() > 1)
}
