//! The launcher: the daemon's own program started again, single-threaded, with nothing but one socket.
//!
//! It is told what jail to build, gives up the caller's privileges, enters new namespaces and splits off their first process
//! ([`init`]). Then it only waits: for that process to end, or for the daemon to hang up.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags};
use rustix::net::RecvFlags;
use rustix::process::{Pid, PidfdFlags, Signal};

use crate::apply::Builder;
use crate::jail::Step;
use crate::net::Keeper;
use crate::wire::{Failure, Jail, ORDER_IMAGE, ORDER_JAIL, Part, Report};
use crate::{confine, image, init, sys, wire};

/// The launcher: learns what jail to build from the inherited socket, builds it, runs the command. Call it first thing in
/// `main`, before any thread exists, when the first argument is the hidden subcommand.
pub fn launcher_main() -> ExitCode {
    match take_work() {
        Ok(Work::Jail(control, jail)) => run(&control, &jail),
        #[cfg(feature = "wasm")]
        Ok(Work::Done(code)) => code,
        // Started by hand, or the daemon is gone: there is nobody to report to.
        Err(_) => ExitCode::from(70),
    }
}

/// What this process was started for.
enum Work {
    /// To build a jail.
    Jail(OwnedFd, Box<Jail>),
    /// Something else, which is over.
    #[cfg(feature = "wasm")]
    Done(ExitCode),
}

fn take_work() -> io::Result<Work> {
    sys::close_from(3)?;
    let control = sys::inherited(0)?;
    loop {
        let (order, fds) = wire::receive(control.as_fd(), RecvFlags::empty())?;
        match (order.split_first(), <[OwnedFd; 1]>::try_from(fds)) {
            (Some((&ORDER_JAIL, [])), Ok([jail])) => {
                return Ok(Work::Jail(control, Box::new(wire::unpack_jail(jail)?)));
            }
            #[cfg(feature = "wasm")]
            (Some((&wire::ORDER_CELL, [])), Err(fds)) => {
                return crate::wasm::cell(control, fds).map(Work::Done);
            }
            #[cfg(feature = "wasm")]
            (Some((&wire::ORDER_COMPILE, task)), Ok([program])) => {
                return crate::wasm::compile(&control, task, program).map(Work::Done);
            }
            (Some((&ORDER_IMAGE, task)), _) => {
                wire::send(control.as_fd(), &image::task::answer(task)?, &[])?;
            }
            _ => return Err(io::Error::other("no jail")),
        }
    }
}

fn run(control: &OwnedFd, jail: &Jail) -> ExitCode {
    // The modes of what is made inside are given in full.
    rustix::process::umask(rustix::fs::Mode::empty());
    let mut builder = Builder::default();
    let joins: Vec<Step> = jail.groups.iter().cloned().map(Step::Join).collect();
    let split = builder
        .apply(&joins)
        .and_then(|()| builder.apply(&jail.outer))
        .and_then(|()| sys::fork().map_err(|error| failed("start first process", &error)));
    match split {
        Ok(None) => init::run(control, builder, &jail.inner),
        Ok(Some(child)) => {
            let keeper = builder.keeper.take();
            drop(builder);
            watch(control, child, keeper)
        }
        Err(failure) => {
            if let Some(keeper) = builder.keeper.take() {
                keeper.end();
            }
            fail(control, failure)
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
    if let Ok(spent) = waited {
        drop(wire::report(control.as_fd(), &Report::Gone(spent), &[]));
    }
    // The kernel takes tens of milliseconds to take its interface down: nobody need wait for that.
    if let Some(keeper) = keeper {
        keeper.end();
    }
    match waited {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

pub(crate) fn wait_or_hang_up(
    control: &OwnedFd,
    child: Pid,
    keeper: &mut Option<Keeper>,
) -> io::Result<()> {
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
