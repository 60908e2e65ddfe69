//! The launcher: the daemon's own program started again, single-threaded, with nothing but one socket.
//!
//! It takes the plan, gives up the caller's privileges, enters new namespaces and splits off their first process
//! ([`init`]). Then it only waits: for that process to end, or for the daemon to hang up.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags};
use rustix::net::RecvFlags;
use rustix::process::{Pid, PidfdFlags, Signal};
use seccompiler::BpfProgram;

use crate::apply::Builder;
use crate::jail::Step;
use crate::net::Keeper;
use crate::wire::{Failure, ORDER_IMAGE, ORDER_JOIN, ORDER_PLAN, Part, Plan, Report};
use crate::{confine, image, init, sys, wire};

/// The launcher: reads its plan from the inherited socket, builds the jail, runs the command. Call it first thing in
/// `main`, before any thread exists, when the first argument is the hidden subcommand.
pub fn launcher_main() -> ExitCode {
    match take_plan() {
        Ok(Work::Jail(start)) => run(*start),
        #[cfg(feature = "wasm")]
        Ok(Work::Done(code)) => code,
        // Started by hand, or the daemon is gone: there is nobody to report to.
        Err(_) => ExitCode::from(70),
    }
}

/// What this process was started for.
enum Work {
    /// To build a jail.
    Jail(Box<Start>),
    /// Something else, which is over.
    #[cfg(feature = "wasm")]
    Done(ExitCode),
}

struct Start {
    control: OwnedFd,
    tree: OwnedFd,
    plan: Plan,
    filter: BpfProgram,
}

fn take_plan() -> io::Result<Work> {
    sys::close_from(3)?;
    let control = sys::inherited(0)?;
    loop {
        let (order, fds) = wire::receive(control.as_fd(), RecvFlags::empty())?;
        match (order.split_first(), <[OwnedFd; 2]>::try_from(fds)) {
            (Some((&ORDER_PLAN, [])), Ok([plan, tree])) => {
                let (plan, filter) = wire::unpack(plan)?;
                return Ok(Work::Jail(Box::new(Start {
                    control,
                    tree,
                    plan,
                    filter,
                })));
            }
            #[cfg(feature = "wasm")]
            (Some((&wire::ORDER_CELL, [])), Ok([plan, tree])) => {
                return crate::wasm::cell(control, plan, tree).map(Work::Done);
            }
            #[cfg(feature = "wasm")]
            (Some((&wire::ORDER_COMPILE, task)), Err(fds)) => {
                return crate::wasm::compile(&control, task, fds).map(Work::Done);
            }
            (Some((&ORDER_JOIN, paths)), _) => join(&control, paths)?,
            (Some((&ORDER_IMAGE, task)), _) => {
                wire::send(control.as_fd(), &image::task::answer(task)?, &[])?;
            }
            _ => return Err(io::Error::other("no plan")),
        }
    }
}

/// Ahead of the plan: joining is what takes longest, because the kernel waits for all others to notice.
fn join(control: &OwnedFd, paths: &[u8]) -> io::Result<()> {
    let paths: Vec<PathBuf> = serde_json::from_slice(paths)?;
    let steps: Vec<Step> = paths.into_iter().map(Step::Join).collect();
    let report = Builder::default()
        .apply(&steps)
        .map_or_else(Report::Failed, |()| Report::Ready);
    wire::report(control.as_fd(), &report, &[])
}

fn run(start: Start) -> ExitCode {
    let Start {
        control,
        tree,
        plan,
        filter,
    } = start;
    // The modes of what is made inside are given in full.
    rustix::process::umask(rustix::fs::Mode::empty());
    let mut builder = Builder::default();
    let split = builder
        .apply(&plan.outer)
        .and_then(|()| sys::fork().map_err(|error| failed("start first process", &error)));
    match split {
        Ok(None) => init::run(&control, tree, builder, &plan, &filter),
        Ok(Some(child)) => {
            let keeper = builder.keeper.take();
            drop((tree, builder));
            watch(&control, child, keeper)
        }
        Err(failure) => {
            if let Some(keeper) = builder.keeper.take() {
                keeper.end();
            }
            fail(&control, failure)
        }
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
fn watch(control: &OwnedFd, child: Pid, mut keeper: Option<Keeper>) -> ExitCode {
    // It has done its work: from here it needs no right at all, and nobody may look into it.
    let dropped = confine::drop_present_capabilities().and_then(|()| {
        Ok(rustix::process::set_dumpable_behavior(
            rustix::process::DumpableBehavior::NotDumpable,
        )?)
    });
    let killed = dropped.and_then(|()| wait_or_hang_up(control, child, &mut keeper));
    if let Err(error) = &killed {
        let _ = rustix::process::kill_process(child, Signal::KILL);
        drop(wire::report(
            control.as_fd(),
            &Report::Failed(failed("watch first process", error)),
            &[],
        ));
    }
    let waited = sys::wait_for(child);
    if let Some(keeper) = keeper {
        keeper.end();
    }
    let Ok(spent) = waited else {
        return ExitCode::FAILURE;
    };
    drop(wire::report(control.as_fd(), &Report::Gone(spent), &[]));
    ExitCode::SUCCESS
}

pub(crate) fn wait_or_hang_up(control: &OwnedFd, child: Pid, keeper: &mut Option<Keeper>) -> io::Result<()> {
    let ended = rustix::process::pidfd_open(child, PidfdFlags::empty())?;
    loop {
        let mut fds = vec![
            sys::readable(&ended),
            PollFd::new(control, PollFlags::RDHUP),
        ];
        fds.extend(keeper.as_ref().map(Keeper::socket));
        match rustix::event::poll(&mut fds, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let news: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        match news.as_slice() {
            [true, ..] => return Ok(()),
            [_, true, ..] => {
                rustix::process::pidfd_send_signal(&ended, Signal::KILL)?;
                return Ok(());
            }
            [_, _, true] => {
                if let Some(keeper) = keeper.take() {
                    let words = keeper.last_words();
                    drop(wire::report(control.as_fd(), &Report::Network(words), &[]));
                    keeper.end();
                }
            }
            _ => {}
        }
    }
}
