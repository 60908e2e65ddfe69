//! The hook that was there before ours.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::fs::Access;

use super::talk::Talk;

/// Runs `hook` with our arguments, environment and input, and returns its status as a shell would. A hook that isn't
/// there or isn't executable is passed over, as Git does.
pub(super) fn run(
    hook: &Path,
    arguments: impl Iterator<Item = OsString>,
    input: &[u8],
    talk: &mut Talk,
) -> u8 {
    if hook.as_os_str().is_empty() || rustix::fs::access(hook, Access::EXEC_OK).is_err() {
        return 0;
    }
    match spawn(hook, &arguments.collect::<Vec<_>>()).and_then(|child| feed(child, input)) {
        Ok(status) => code(status),
        Err(error) => {
            talk.say(&format!("cannot run {}: {error}", hook.display()));
            0
        }
    }
}

fn spawn(hook: &Path, arguments: &[OsString]) -> io::Result<Child> {
    match Command::new(hook)
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()
    {
        // A script without a first line that names its interpreter: Git gives it to the shell.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            Command::new("/bin/sh")
                .arg(hook)
                .args(arguments)
                .stdin(Stdio::piped())
                .spawn()
        }
        result => result,
    }
}

fn feed(mut child: Child, input: &[u8]) -> io::Result<ExitStatus> {
    if let Some(mut stdin) = child.stdin.take() {
        // A hook need not read its input.
        let _ = stdin.write_all(input);
    }
    child.wait()
}

fn code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
