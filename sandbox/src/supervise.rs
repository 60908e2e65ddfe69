//! The daemon's side of a run that is going on: limits, output, cancelling, and the order of the end.

use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::RecvFlags;
use rustix::process::{Pid, PidfdFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::cgroup::Groups;
use crate::error::RunError;
use crate::process::Process;
use crate::run::{Outcome, RunEvent, Usage};
use crate::slots::Slot;
use crate::spec::{Image, Limits};
use crate::sys::Spent;
use crate::terminal::{Chunk, Terminal, Typed};
use crate::wire::{self, Failure, ORDER_KILL, ORDER_TERMINATE, Part, Report};
use crate::{sys, warm, wasm};

/// From an order to kill until the launcher is told to kill the first process.
const OBEY: Duration = Duration::from_secs(1);
/// From there until the launcher itself is killed, and everything in the groups.
const CUT: Duration = Duration::from_secs(3);
/// From there until the run is given up.
const GIVE_UP: Duration = Duration::from_secs(20);
/// Without output after everything is dead: the terminal should have told its end.
const DRAIN: Duration = Duration::from_secs(2);
/// How often the kernel's count of memory kills is looked at.
const MEMORY_LOOK: Duration = Duration::from_millis(250);

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    /// The command may run.
    Running,
    /// It has been asked to end; until then.
    Asked(Instant),
    /// It has been killed, or has ended; until then everything is gone by itself.
    Killed(Instant),
    /// The launcher was told to kill.
    Cut(Instant),
    /// The launcher was killed.
    Forced(Instant),
}

/// Watches one run.
pub(crate) struct Supervisor {
    limits: Limits,
    /// How long sending what is kept may take after the command's end.
    keeping: Duration,
    /// Held so that nobody removes it.
    image: Image,
    control: AsyncFd<OwnedFd>,
    child: Child,
    /// Becomes readable when the launcher has ended.
    ending: AsyncFd<OwnedFd>,
    groups: Groups,
    slot: Slot,
    events: mpsc::Sender<RunEvent>,
    cancel: Arc<Notify>,
    terminal: Option<Terminal>,
    /// What is read from when the first one has come to its end.
    next_terminal: Option<Terminal>,
    typed: mpsc::Receiver<Typed>,
    /// What was typed and didn't fit into the terminal yet.
    unwritten: Vec<u8>,
    memory_look: Interval,
    /// Where native images of WASI programs come from.
    modules: Option<wasm::Modules>,
    progress: Progress,
}

/// What is left of a run whose processes are dead: the launcher, which ends the network's helper, and the groups.
pub(crate) struct Remains {
    child: Child,
    /// Becomes readable when the launcher has ended, if it has not.
    ending: Option<AsyncFd<OwnedFd>>,
    groups: Groups,
    /// The launcher kills when this closes, which must not disturb its end.
    _control: AsyncFd<OwnedFd>,
    /// Held so that nobody removes it.
    _image: Image,
    /// Its uids belong to the helper for as long as that lives.
    _slot: Slot,
}

impl Remains {
    /// Waits until all of it is gone.
    pub(crate) async fn clear(mut self) {
        if let Some(ending) = &self.ending
            && tokio::time::timeout(CUT, ending.readable()).await.is_err()
        {
            drop(self.child.kill());
            self.groups.kill();
            // What can't be killed is left to the next daemon that starts.
            let _ = tokio::time::timeout(GIVE_UP, ending.readable()).await;
        }
        let _ = self.child.try_wait();
        self.groups.remove().await;
    }
}

/// The supervisor's ends of what leads to and from its caller.
pub(crate) struct Caller {
    pub(crate) events: mpsc::Sender<RunEvent>,
    pub(crate) cancel: Arc<Notify>,
    pub(crate) typed: mpsc::Receiver<Typed>,
}

/// What is known so far.
struct Progress {
    stage: Stage,
    /// Start of the run, later of the command.
    began: Instant,
    started: bool,
    last_output: Instant,
    output_left: u64,
    /// Output is read and thrown away.
    muted: bool,
    /// The limit that ended the run.
    cause: Option<Outcome>,
    failure: Option<RunError>,
    ended: Option<(i32, bool)>,
    spent: Spent,
    /// Every process of the run is dead.
    gone: bool,
    /// The launcher's end of the socket is open.
    talking: bool,
    exit: Option<ExitStatus>,
}

/// What woke the supervisor.
enum Wake {
    Message(std::io::Result<(Vec<u8>, Vec<OwnedFd>)>),
    Output(Chunk),
    Typed(Typed),
    /// So much of what was typed has been written.
    Written(std::io::Result<usize>),
    Exit,
    Cancel,
    Dropped,
    Deadline,
    Memory,
}

impl Supervisor {
    pub(crate) fn new(
        limits: Limits,
        keeping: Duration,
        image: Image,
        process: Process,
        caller: Caller,
        modules: Option<wasm::Modules>,
    ) -> Result<Supervisor, RunError> {
        let Caller {
            events,
            cancel,
            typed,
        } = caller;
        let Process {
            control,
            child,
            groups,
            slot,
        } = process;
        let control = sys::watch(control).map_err(RunError::io("watching a socket"))?;
        let ending = rustix::process::pidfd_open(Pid::from_child(&child), PidfdFlags::empty());
        let ending = ending.map_err(std::io::Error::from).and_then(sys::watch);
        let ending = ending.map_err(RunError::io("watching a process"))?;
        let now = Instant::now();
        let mut memory_look = tokio::time::interval(MEMORY_LOOK);
        memory_look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let progress = Progress {
            stage: Stage::Running,
            began: now,
            started: false,
            last_output: now,
            output_left: limits.output,
            muted: false,
            cause: None,
            failure: None,
            ended: None,
            spent: Spent::default(),
            gone: false,
            talking: true,
            exit: None,
        };
        Ok(Supervisor {
            limits,
            keeping,
            image,
            control,
            child,
            ending,
            groups,
            slot,
            events,
            cancel,
            terminal: None,
            next_terminal: None,
            typed,
            unwritten: Vec::new(),
            memory_look,
            modules,
            progress,
        })
    }

    /// Until every process of the run is dead: how it ended, and what is still to be cleared away.
    pub(crate) async fn run(mut self) -> (Result<(Outcome, Usage), RunError>, Remains) {
        while !self.is_decided() && !self.is_over() {
            match self.wake().await {
                Wake::Message(message) => self.message(message).await,
                Wake::Output(chunk) => self.output(chunk),
                Wake::Typed(Typed::Bytes(bytes)) => self.unwritten = bytes,
                Wake::Typed(Typed::Window(columns, rows)) => {
                    if let Some(terminal) = &self.terminal {
                        terminal.resize(columns, rows);
                    }
                }
                Wake::Written(written) => self.written(written),
                Wake::Exit => self.exited(),
                Wake::Cancel => self.stop(Outcome::Canceled, true),
                Wake::Dropped => {
                    self.progress.muted = true;
                    self.stop(Outcome::Canceled, false);
                }
                Wake::Deadline => self.deadline(),
                Wake::Memory => self.look_at_memory(),
            }
        }
        if let Some(modules) = &mut self.modules {
            modules.end().await;
        }
        let usage = Usage {
            cpu_ms: self
                .groups
                .cpu_ms()
                .unwrap_or(self.progress.spent.cpu_us / 1000),
            memory_peak: self.groups.memory_peak(),
            read: self.progress.spent.read,
            written: self.progress.spent.written,
            processes: self.groups.processes_peak(),
        };
        let memory_kills = self.groups.memory_kills();
        let refusals = self.groups.process_refusals();
        let remains = Remains {
            child: self.child,
            ending: self.progress.exit.is_none().then_some(self.ending),
            groups: self.groups,
            _control: self.control,
            _image: self.image,
            _slot: self.slot,
        };
        let outcome = self.progress.verdict(memory_kills, refusals);
        (outcome.map(|outcome| (outcome, usage)), remains)
    }

    /// Nothing that is still to come changes how it ended.
    fn is_decided(&self) -> bool {
        let progress = &self.progress;
        let has_end =
            progress.ended.is_some() || progress.cause.is_some() || progress.failure.is_some();
        progress.gone && has_end && self.terminal.is_none()
    }

    fn is_over(&self) -> bool {
        let progress = &self.progress;
        progress.exit.is_some() && !progress.talking && self.terminal.is_none()
    }

    async fn wake(&mut self) -> Wake {
        let progress = &self.progress;
        let deadline = self.next_deadline();
        let reading = progress.started || progress.exit.is_some();
        let running = progress.stage == Stage::Running;
        let takes_keys = self.terminal.as_ref().is_some_and(Terminal::has_keys);
        let typing = progress.started && progress.exit.is_none() && takes_keys;
        let waiting = !self.unwritten.is_empty();
        let events = (!progress.muted).then_some(&self.events);
        tokio::select! {
            message = next_message(&self.control), if progress.talking => Wake::Message(message),
            chunk = next_output(self.terminal.as_ref(), events), if reading && self.terminal.is_some() => Wake::Output(chunk),
            Some(typed) = self.typed.recv(), if typing && !waiting => Wake::Typed(typed),
            written = write_typed(self.terminal.as_ref(), &self.unwritten), if typing && waiting => Wake::Written(written),
            _ = self.ending.readable(), if progress.exit.is_none() => Wake::Exit,
            () = self.cancel.notified(), if progress.cause.is_none() => Wake::Cancel,
            () = self.events.closed(), if !progress.muted => Wake::Dropped,
            () = tokio::time::sleep_until(deadline) => Wake::Deadline,
            _ = self.memory_look.tick(), if running && self.groups.limits_memory() => Wake::Memory,
        }
    }

    fn next_deadline(&self) -> Instant {
        let progress = &self.progress;
        match progress.stage {
            _ if progress.exit.is_some() => progress.last_output + DRAIN,
            Stage::Running => {
                let wall = progress.began + self.limits.wall;
                let silence = progress.last_output + self.limits.silence;
                if progress.started {
                    wall.min(silence)
                } else {
                    wall
                }
            }
            Stage::Asked(until)
            | Stage::Killed(until)
            | Stage::Cut(until)
            | Stage::Forced(until) => until,
        }
    }

    fn deadline(&mut self) {
        let now = Instant::now();
        // A caller that takes no events keeps the job from writing: that is not the job's silence.
        let caller_is_slow = !self.progress.muted && self.events.capacity() == 0;
        if self.progress.exit.is_some() {
            if caller_is_slow {
                self.progress.last_output = now;
            } else {
                self.terminal = None;
                self.progress.talking = false;
            }
            return;
        }
        match self.progress.stage {
            Stage::Running if now >= self.progress.began + self.limits.wall => {
                self.stop(Outcome::Time, true)
            }
            Stage::Running if caller_is_slow => self.progress.last_output = now,
            Stage::Running => self.stop(Outcome::Silence, true),
            Stage::Asked(_) => self.kill(),
            Stage::Killed(_) => self.cut(),
            Stage::Cut(_) => {
                drop(self.child.kill());
                self.groups.kill();
                self.progress.stage = Stage::Forced(now + GIVE_UP);
            }
            Stage::Forced(_) => {
                self.progress.failure =
                    Some(RunError::Lost("its processes can't be killed".to_owned()));
                self.progress.exit = Some(ExitStatus::default());
                self.progress.talking = false;
                self.terminal = None;
            }
        }
    }

    /// Ends the run for this reason, if nothing else has.
    fn stop(&mut self, cause: Outcome, politely: bool) {
        let progress = &mut self.progress;
        if progress.cause.is_some() || progress.ended.is_some() || progress.failure.is_some() {
            return;
        }
        progress.cause = Some(cause);
        if politely && progress.started {
            progress.stage = Stage::Asked(Instant::now() + self.limits.grace);
            self.order(ORDER_TERMINATE);
        } else {
            self.kill();
        }
    }

    /// Kills in good order, so that output up to here is kept. Before the command runs nobody listens for orders.
    fn kill(&mut self) {
        if self.progress.started {
            self.progress.stage = Stage::Killed(Instant::now() + OBEY);
            self.order(ORDER_KILL);
        } else {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.progress.stage = Stage::Cut(Instant::now() + CUT);
        let _ = rustix::net::shutdown(self.control.get_ref(), rustix::net::Shutdown::Write);
    }

    /// An order that can't be sent finds the launcher ending; its exit will be seen, and deadlines stand behind it.
    fn order(&self, order: u8) {
        drop(wire::send(self.control.get_ref().as_fd(), &[order], &[]));
    }

    async fn message(&mut self, message: std::io::Result<(Vec<u8>, Vec<OwnedFd>)>) {
        let (bytes, fds) = message.unwrap_or_default();
        if bytes.is_empty() {
            self.progress.talking = false;
            if self.progress.stage == Stage::Running {
                self.progress.stage = Stage::Cut(Instant::now() + CUT);
            }
            return;
        }
        match serde_json::from_slice(&bytes) {
            Ok(Report::Terminal) => match fds.into_iter().next().map(Terminal::new) {
                Some(Ok(terminal)) if self.terminal.is_some() => {
                    self.next_terminal = Some(terminal)
                }
                Some(Ok(terminal)) => self.terminal = Some(terminal),
                Some(Err(source)) => self.fail(RunError::Io {
                    what: "watching the terminal",
                    source,
                }),
                None => self.fail(RunError::Lost("no terminal".to_owned())),
            },
            // The second of two commands.
            Ok(Report::Started) if self.progress.started => {}
            Ok(Report::Started) => {
                self.progress.started = true;
                self.progress.began = Instant::now();
                self.progress.last_output = self.progress.began;
                drop(self.events.send(RunEvent::Started).await);
                drop(tokio::spawn(warm::refill_soon()));
            }
            Ok(Report::Failed(failure)) => self.fail(error_of(failure)),
            Ok(Report::Ended { status, full }) => {
                self.progress.ended = Some((status, full));
                self.progress.stage = Stage::Killed(Instant::now() + self.keeping + OBEY);
            }
            Ok(Report::Network(words)) => {
                let line = format!("the network is gone: {words}");
                drop(self.events.send(RunEvent::Notice(line)).await);
            }
            Ok(Report::Ready) => {}
            Ok(Report::Module) => match (&mut self.modules, fds.into_iter().next()) {
                (Some(modules), Some(program)) => {
                    modules.answer(program, self.control.get_ref());
                }
                _ => self.fail(RunError::Lost(
                    "asked for what it has no right to".to_owned(),
                )),
            },
            Ok(Report::Gone(spent)) => {
                self.progress.spent = spent;
                self.progress.gone = true;
            }
            Err(error) => self.fail(RunError::Lost(format!("unreadable report: {error}"))),
        }
    }

    fn fail(&mut self, error: RunError) {
        self.progress.failure.get_or_insert(error);
        self.cut();
    }

    fn output(&mut self, chunk: Chunk) {
        self.progress.last_output = Instant::now();
        let Chunk::Bytes(mut bytes, place) = chunk else {
            self.terminal = self.next_terminal.take();
            return;
        };
        let left = usize::try_from(self.progress.output_left).unwrap_or(usize::MAX);
        let over = bytes.len() > left;
        bytes.truncate(left);
        self.progress.output_left -= bytes.len() as u64;
        if let (false, Some(place)) = (bytes.is_empty(), place) {
            place.send(RunEvent::Output(bytes));
        }
        if over && !self.progress.muted {
            self.progress.muted = true;
            self.stop(Outcome::Output, false);
        }
    }

    /// What a terminal that is gone doesn't take is lost.
    fn written(&mut self, written: std::io::Result<usize>) {
        match written {
            Ok(count) => drop(self.unwritten.drain(..count.min(self.unwritten.len()))),
            Err(_) => self.unwritten.clear(),
        }
    }

    fn exited(&mut self) {
        // It is a zombie by now, so this doesn't wait.
        self.progress.exit = Some(self.child.wait().unwrap_or_default());
        self.progress.last_output = Instant::now();
    }

    /// Version 1 groups kill one process only: the rest must not go on as if nothing had happened.
    fn look_at_memory(&mut self) {
        if self.groups.memory_kills() > 0 {
            self.stop(Outcome::Memory, false);
        }
    }
}

impl Progress {
    fn verdict(self, memory_kills: u64, refusals: u64) -> Result<Outcome, RunError> {
        if let Some(cause) = self.cause {
            return Ok(cause);
        }
        if memory_kills > 0 {
            return Ok(Outcome::Memory);
        }
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        Ok(match self.ended {
            Some((0, _)) => Outcome::Exited(0),
            Some((status, _)) if status < 0 => Outcome::Signaled(-status),
            Some((code, _)) if refusals > 0 => Outcome::Processes(code),
            Some((code, true)) => Outcome::Disk(code),
            Some((code, false)) => Outcome::Exited(code),
            None => {
                let status = self
                    .exit
                    .map_or_else(String::new, |status| status.to_string());
                return Err(RunError::Lost(status));
            }
        })
    }
}

fn error_of(failure: Failure) -> RunError {
    let source = failure.source();
    match failure.part {
        Part::Jail(promise) => RunError::Setup {
            promise,
            step: failure.name,
            source,
        },
        Part::Tree => RunError::Tree {
            path: failure.name,
            source,
        },
        Part::Command => RunError::Command {
            program: failure.name,
            source,
        },
    }
}

async fn next_message(control: &AsyncFd<OwnedFd>) -> std::io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    control
        .async_io(Interest::READABLE, |fd| {
            wire::receive(fd.as_fd(), RecvFlags::DONTWAIT)
        })
        .await
}

async fn write_typed(terminal: Option<&Terminal>, bytes: &[u8]) -> std::io::Result<usize> {
    match terminal {
        Some(terminal) => terminal.write(bytes).await,
        None => std::future::pending().await,
    }
}

/// Waits for a free place in the channel before it reads: output is never dropped for want of one.
async fn next_output(
    terminal: Option<&Terminal>,
    events: Option<&mpsc::Sender<RunEvent>>,
) -> Chunk {
    let Some(terminal) = terminal else {
        return std::future::pending().await;
    };
    let place = match events {
        // A caller that went away is noticed elsewhere.
        Some(events) => match events.clone().reserve_owned().await {
            Ok(place) => Some(place),
            Err(_) => return std::future::pending().await,
        },
        None => None,
    };
    match terminal.read().await {
        Some(bytes) => Chunk::Bytes(bytes, place),
        None => Chunk::End,
    }
}
