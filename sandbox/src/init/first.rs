//! What root of the jail does before the job, which has no rights then. Nothing of it but files is left when this is
//! over: every process of it is dead and reaped, and it never had the job's terminal.

use std::os::fd::{AsFd, OwnedFd};

use seccompiler::BpfProgram;

use super::{Watch, execute, fork, guard, outlive_everyone, step};
use crate::confine;
use crate::wire::{self, Failure, Job, Report};

/// Runs the command to its end; its status, or `None` in a child that could not become it. A command that was told to end
/// has not succeeded.
pub(super) fn run(
    watch: &mut Watch<'_>,
    job: &Job,
    filter: &BpfProgram,
) -> Result<Option<i32>, Failure> {
    guard().map_err(step("processes", "guard the first process"))?;
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(step("processes", "make a pipe"))?;
    let control = watch.control;
    wire::report(control.as_fd(), &Report::Terminal, &[reader.as_fd()])
        .map_err(step("processes", "report a pipe"))?;
    drop(reader);
    let main = fork(control, job, || {
        leave_session(&writer).map_err(step("processes", "hand over the output"))?;
        confine::settle_rights(job).map_err(step("privileges", "drop capabilities"))?;
        confine::limit_resources(job).map_err(step("resources", "set limits"))?;
        execute(control, job, filter)
    })?;
    let Some(main) = main else {
        return Ok(None);
    };
    drop(writer);
    confine::keep_to_settle().map_err(step("privileges", "drop capabilities"))?;
    let status = watch.until_end(main);
    outlive_everyone();
    Ok(Some(match (status, watch.told) {
        (0, true) => -libc::SIGTERM,
        (status, _) => status,
    }))
}

/// A session of its own, without a terminal and without input; the pipe takes what it says.
fn leave_session(output: &OwnedFd) -> std::io::Result<()> {
    rustix::process::setsid()?;
    rustix::stdio::dup2_stdout(output)?;
    Ok(rustix::stdio::dup2_stderr(output)?)
}
