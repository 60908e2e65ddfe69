//! The launcher: the daemon's own program started again, single-threaded, with nothing but one socket.
//!
//! It takes the plan, gives up the caller's privileges, enters new namespaces and splits off their first process
//! ([`init`](crate::init)). Then it only waits: for that process to end, or for the daemon to hang up.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags};
use rustix::net::RecvFlags;
use rustix::process::{Pid, PidfdFlags, Signal};
use seccompiler::BpfProgram;

use crate::apply::Builder;
use crate::wire::{Failure, ORDER_PLAN, Part, Plan, Report};
use crate::{confine, init, sys, wire};

/// The launcher: reads its plan from the inherited socket, builds the jail, runs the command. Call it first thing in
/// `main`, before any thread exists, when the first argument is the hidden subcommand.
pub fn launcher_main() -> ExitCode {
    match take_plan() {
        Ok(start) => run(start),
        // Started by hand, or the daemon is gone: there is nobody to report to.
        Err(_) => ExitCode::from(70),
    }
}

struct Start {
    control: OwnedFd,
    tree: OwnedFd,
    plan: Plan,
    filters: [BpfProgram; 2],
}

fn take_plan() -> io::Result<Start> {
    sys::close_from(3)?;
    let control = sys::inherited(0)?;
    let (order, fds) = wire::receive(control.as_fd(), RecvFlags::empty())?;
    let Ok([plan, tree]) = <[OwnedFd; 2]>::try_from(fds) else {
        return Err(io::Error::other("no plan"));
    };
    if order != [ORDER_PLAN] {
        return Err(io::Error::other("no plan"));
    }
    let (plan, filters) = wire::unpack(plan)?;
    Ok(Start { control, tree, plan, filters })
}

fn run(start: Start) -> ExitCode {
    let Start { control, tree, plan, filters } = start;
    // The modes of what is made inside are given in full.
    rustix::process::umask(rustix::fs::Mode::empty());
    let mut builder = Builder::default();
    let split = builder.apply(&plan.outer).and_then(|()| sys::fork().map_err(|error| failed("start first process", &error)));
    match split {
        Ok(None) => init::run(&control, tree, builder, &plan, &filters),
        Ok(Some(child)) => {
            drop((tree, builder));
            watch(&control, child)
        }
        Err(failure) => fail(&control, failure),
    }
}

/// Reports a failed step; there is nothing else to be done if the daemon is gone.
pub(crate) fn fail(control: &OwnedFd, failure: Failure) -> ExitCode {
    drop(wire::report(control.as_fd(), &Report::Failed(failure), &[]));
    ExitCode::FAILURE
}

fn failed(step: &str, error: &io::Error) -> Failure {
    Failure::new(Part::Jail("isolation of processes".to_owned()), step, error)
}

/// Waits for the first process; kills it, and with it everything inside, when the daemon hangs up.
fn watch(control: &OwnedFd, child: Pid) -> ExitCode {
    // It has done its work: from here it needs no right at all, and nobody may look into it.
    let dropped = confine::drop_capabilities()
        .and_then(|()| Ok(rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?));
    let killed = dropped.and_then(|()| wait_or_hang_up(control, child));
    if let Err(error) = &killed {
        let _ = rustix::process::kill_process(child, Signal::KILL);
        drop(wire::report(control.as_fd(), &Report::Failed(failed("watch first process", error)), &[]));
    }
    let Ok(cpu_us) = sys::wait_for(child) else { return ExitCode::FAILURE };
    drop(wire::report(control.as_fd(), &Report::Gone { cpu_us }, &[]));
    ExitCode::SUCCESS
}

fn wait_or_hang_up(control: &OwnedFd, child: Pid) -> io::Result<()> {
    let ended = rustix::process::pidfd_open(child, PidfdFlags::empty())?;
    loop {
        let mut fds = [sys::readable(&ended), PollFd::new(control, PollFlags::RDHUP)];
        match rustix::event::poll(&mut fds, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        if !fds[0].revents().is_empty() {
            return Ok(());
        }
        if !fds[1].revents().is_empty() {
            rustix::process::pidfd_send_signal(&ended, Signal::KILL)?;
            return Ok(());
        }
    }
}
