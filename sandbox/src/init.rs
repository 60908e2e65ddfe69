//! First process of the job's process namespace: finishes the jail, lays out the source, starts the command, reaps.
//!
//! It holds no secret, can't be looked into, and ends as soon as the command has ended: then the kernel kills whatever
//! else is left in the namespace. It owns the terminal's session, not the command: when a session's leader ends, the
//! kernel throws away terminal output that nobody has read yet.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::process::{Pid, Signal, WaitOptions};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use seccompiler::BpfProgram;

use crate::apply::Builder;
use crate::jail::Step;
use crate::spec::Keep;
use crate::wire::{Failure, Job, ORDER_KILL, ORDER_PLAN, ORDER_TERMINATE, Part, Plan, Report};
use crate::{apply, collect, confine, launcher, layout, scratch, sys, wire};

mod first;

/// Whom the kernel should take first when memory runs out: the command, then this process.
const OOM_SCORE: &str = "500";

/// What to do in the jail, once it is known.
struct Task {
    plan: Plan,
    filter: BpfProgram,
    tree: OwnedFd,
    /// Where what is kept goes.
    keep: Option<OwnedFd>,
}

/// Everything from the fork to the end: builds the jail, waits for the plan, carries it out.
pub(crate) fn run(control: &OwnedFd, mut builder: Builder, inner: &[Step]) -> ExitCode {
    let built = rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(step("processes", "be tied to the launcher"))
        .and_then(|()| builder.apply(inner));
    if let Err(failure) = built {
        return launcher::fail(control, failure);
    }
    drop(wire::report(control.as_fd(), &Report::Ready, &[]));
    let Ok(task) = take_plan(control, &mut builder) else {
        // The daemon had no use for this jail, or is gone.
        return ExitCode::SUCCESS;
    };
    match carry_out(control, builder, task) {
        Ok(true) => ExitCode::SUCCESS,
        // A forked child, whose exec failed; it has reported.
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => launcher::fail(control, failure),
    }
}

fn take_plan(control: &OwnedFd, builder: &mut Builder) -> io::Result<Task> {
    let (order, fds) = wire::receive(control.as_fd(), RecvFlags::empty())?;
    let mut fds = fds.into_iter();
    let (Some(&ORDER_PLAN), Some(plan), Some(tree)) = (order.first(), fds.next(), fds.next())
    else {
        return Err(io::Error::other("no plan"));
    };
    let (plan, filter) = wire::unpack(plan)?;
    let keep = match plan.keep.is_empty() {
        true => None,
        false => fds.next(),
    };
    builder.take_opened(plan.opened.iter().cloned().zip(fds));
    Ok(Task {
        plan,
        filter,
        tree,
        keep,
    })
}

/// For `map_err`: a step that isn't in the plan, with its promise.
fn step<E: Into<io::Error>>(
    promise: &'static str,
    name: &'static str,
) -> impl FnOnce(E) -> Failure {
    move |error| {
        Failure::new(
            Part::Jail(format!("isolation of {promise}")),
            name,
            &error.into(),
        )
    }
}

/// Completes the jail, and runs in it what is to be run; `false` in a child that could not become the command.
fn carry_out(control: &OwnedFd, mut builder: Builder, task: Task) -> Result<bool, Failure> {
    let Task {
        plan,
        filter,
        tree,
        keep,
    } = task;
    builder.apply(&plan.late)?;
    drop(builder);
    let mut watch = Watch::new(control)?;
    if let Some(job) = &plan.first {
        match first::run(&mut watch, job, &filter)? {
            None => return Ok(false),
            Some(0) => {}
            Some(status) => {
                watch.report_end(status, apply::nearly_full(&plan.job.home));
                return Ok(true);
            }
        }
    }
    let terminal = settle_down(control, tree, &plan.job)?;
    match start(control, &terminal, &plan.job, &filter)? {
        Some(main) => {
            let status = watch.until_end(main);
            let keep = keep.map(|pipe| (pipe, plan.keep.as_slice()));
            end(&watch, terminal, &plan.job, status, keep);
            Ok(true)
        }
        None => Ok(false),
    }
}

/// Drops every right, opens the terminal, lays out the source. Returns the terminal's inner side.
fn settle_down(control: &OwnedFd, tree: OwnedFd, job: &Job) -> Result<OwnedFd, Failure> {
    confine::settle_rights(job).map_err(step("privileges", "drop capabilities"))?;
    guard().map_err(step("processes", "guard the first process"))?;
    let terminal = open_terminal(control, job).map_err(step("processes", "open terminal"))?;
    layout::lay_out(tree, &job.home, &job.cwd)?;
    confine::limit_resources(job).map_err(step("resources", "set limits"))?;
    Ok(terminal)
}

/// Nobody may look into this process; it dies with the launcher; nothing of the daemon's stays open.
pub(crate) fn guard() -> io::Result<()> {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(rustix::stdio::dup2_stderr(&null)?)
}

fn open_terminal(control: &OwnedFd, job: &Job) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let outer = rustix::fs::open("/dev/ptmx", flags, Mode::empty())?;
    rustix::pty::unlockpt(&outer)?;
    let inner_flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let inner = rustix::pty::ioctl_tiocgptpeer(&outer, inner_flags)?;
    let (columns, rows) = job.terminal;
    rustix::termios::tcsetwinsize(
        &inner,
        Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        },
    )?;
    wire::report(control.as_fd(), &Report::Terminal, &[outer.as_fd()])?;
    rustix::process::setsid()?;
    rustix::process::ioctl_tiocsctty(&inner)?;
    Ok(inner)
}

/// Starts the command; `None` in the child when that failed.
fn start(
    control: &OwnedFd,
    terminal: &OwnedFd,
    job: &Job,
    filter: &BpfProgram,
) -> Result<Option<Pid>, Failure> {
    let main = fork(control, job, || {
        settle(terminal).map_err(step("processes", "hand over the terminal"))?;
        execute(control, job, filter)
    })?;
    if main.is_some() && job.rights {
        confine::keep_only_kill().map_err(step("privileges", "drop capabilities"))?;
    }
    Ok(main)
}

/// Splits off a process that becomes a command; `None` in that one when it failed, which it has reported.
fn fork(
    control: &OwnedFd,
    job: &Job,
    become_command: impl FnOnce() -> Result<io::Error, Failure>,
) -> Result<Option<Pid>, Failure> {
    let child = sys::fork().map_err(step("processes", "start the command"))?;
    if child.is_none() {
        let failure = match become_command() {
            Ok(error) => Failure::new(
                Part::Command,
                job.argv.first().cloned().unwrap_or_default(),
                &error,
            ),
            Err(failure) => failure,
        };
        drop(wire::report(control.as_fd(), &Report::Failed(failure), &[]));
    }
    Ok(child)
}

/// Becomes the command. Returns only if exec fails.
fn execute(control: &OwnedFd, job: &Job, filter: &BpfProgram) -> Result<io::Error, Failure> {
    sys::default_signals();
    // Readable by its own user, as every program; only the first process is not.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)
        .map_err(step("processes", "be an ordinary process"))?;
    // Not a promise: without it the kernel merely chooses by size.
    drop(std::fs::write("/proc/self/oom_score_adj", OOM_SCORE));
    rustix::process::umask(Mode::from_raw_mode(0o022));
    rustix::process::chdir(&job.cwd).map_err(step("files", "enter the working folder"))?;
    let (program, arguments) = job.argv.split_first().ok_or_else(|| {
        Failure::new(
            Part::Command,
            "",
            &io::Error::from(io::ErrorKind::InvalidInput),
        )
    })?;
    let mut command = std::process::Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(job.env.iter().map(|(name, value)| (name, value)));
    confine::landlock().map_err(step("files", "apply Landlock"))?;
    wire::report(control.as_fd(), &Report::Started, &[])
        .map_err(step("processes", "report the start"))?;
    sys::close_on_exec_from(3).map_err(step("files", "close descriptors"))?;
    confine::filter_calls(filter).map_err(step("privileges", "filter system calls"))?;
    Ok(command.exec())
}

/// A process group of its own, in the terminal's foreground, with the terminal as its only open file.
fn settle(terminal: &OwnedFd) -> io::Result<()> {
    rustix::process::setpgid(None, None)?;
    // From the background this would stop us with a signal that is ignored for the moment.
    sys::ignore_terminal_stop();
    rustix::termios::tcsetpgrp(terminal, rustix::process::getpid())?;
    rustix::stdio::dup2_stdin(terminal)?;
    rustix::stdio::dup2_stdout(terminal)?;
    Ok(rustix::stdio::dup2_stderr(terminal)?)
}

/// Reaps whatever ends, and carries out the daemon's orders, while a command goes on.
struct Watch<'c> {
    control: &'c OwnedFd,
    children: OwnedFd,
    /// There may be further orders.
    obeying: bool,
    /// An order to end has come.
    told: bool,
}

impl<'c> Watch<'c> {
    fn new(control: &'c OwnedFd) -> Result<Watch<'c>, Failure> {
        let children = sys::child_events().map_err(step("processes", "watch children"))?;
        Ok(Watch {
            control,
            children,
            obeying: true,
            told: false,
        })
    }

    /// Waits for the command; its exit code, or the signal's number negated.
    fn until_end(&mut self, main: Pid) -> i32 {
        loop {
            if let Some(status) = reap(main) {
                return status;
            }
            let mut fds = [sys::readable(&self.children), sys::readable(self.control)];
            let watched = if self.obeying { 2 } else { 1 };
            if rustix::event::poll(&mut fds[..watched], None).is_err() {
                continue;
            }
            let ordered = self.obeying && !fds[1].revents().is_empty();
            let news = !fds[0].revents().is_empty();
            if ordered {
                self.told = true;
                self.obeying = obey(self.control);
            }
            let mut seen = [0; 128];
            while news && rustix::io::read(&self.children, &mut seen).is_ok() {}
        }
    }

    fn report_end(&self, status: i32, full: bool) {
        let ended = Report::Ended { status, full };
        drop(wire::report(self.control.as_fd(), &ended, &[]));
    }
}

/// Collects every child that has ended; the command's status when it is among them.
fn reap(main: Pid) -> Option<i32> {
    let mut status = None;
    while let Ok(Some((pid, ended))) = rustix::process::wait(WaitOptions::NOHANG) {
        if pid == main {
            let signal = ended.terminating_signal().map(|number| -number);
            status = Some(ended.exit_status().or(signal).unwrap_or(-libc::SIGKILL));
        }
    }
    status
}

/// The command has ended: everything else dies too. The terminal is left without a hang-up, so that all output can
/// still be read. Then, with nobody left to change anything, what is to be kept is sent.
fn end(
    watch: &Watch<'_>,
    terminal: OwnedFd,
    job: &Job,
    status: i32,
    keep: Option<(OwnedFd, &[Keep])>,
) {
    let full = apply::nearly_full(&job.home);
    sys::signal_everyone(libc::SIGKILL);
    drop(sys::leave_terminal(terminal.as_fd()));
    drop(terminal);
    watch.report_end(status, full);
    // Collected here, what they used counts; the kernel would collect them in silence.
    outlive_everyone();
    if let Some((pipe, groups)) = keep
        && groups.iter().any(|group| group.codes.contains(&status))
    {
        let mounted = match job.scratch {
            true => scratch::folders(&job.home).to_vec(),
            false => Vec::new(),
        };
        // The daemon sees a stream that is cut off; there is nobody else to tell.
        drop(collect::collect(pipe, Path::new("/"), &mounted, groups));
    }
}

/// Kills and reaps until this is the only process left.
fn outlive_everyone() {
    loop {
        sys::signal_everyone(libc::SIGKILL);
        match rustix::process::wait(WaitOptions::empty()) {
            Err(Errno::INTR) => {}
            // And all others that are dead by now: a job may leave thousands.
            Ok(_) => while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {},
            Err(_) => return,
        }
    }
}

/// Carries out one order; `false` when there will be no more.
fn obey(control: &OwnedFd) -> bool {
    let order = wire::receive(control.as_fd(), RecvFlags::DONTWAIT)
        .unwrap_or_default()
        .0;
    match order.first() {
        Some(&ORDER_TERMINATE) => {
            sys::signal_everyone(libc::SIGTERM);
            // What was stopped must run to hear it.
            sys::signal_everyone(libc::SIGCONT);
            true
        }
        Some(&ORDER_KILL) => {
            sys::signal_everyone(libc::SIGKILL);
            true
        }
        // An unknown order is the end too: better dead than unsupervised.
        _ => {
            sys::signal_everyone(libc::SIGKILL);
            false
        }
    }
}
