//! What daemon and launcher say to each other.
//!
//! One `SOCK_SEQPACKET` pair carries small messages both ways. The launcher is first told the [`Jail`] to build, in a
//! memory file. The jail's first process is then told what to do in it: a memory file with the [`Plan`] and the compiled
//! system call filter, the reading end of the tree pipe, and the host folders to be shown.

use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use seccompiler::{BpfProgram, sock_filter};
use serde::{Deserialize, Serialize};

use crate::jail::Step;
use crate::spec::Keep;
use crate::sys::Spent;

/// Polite end: SIGTERM to every process of the job.
pub(crate) const ORDER_TERMINATE: u8 = b'T';
/// Kill everything, then report as usual.
pub(crate) const ORDER_KILL: u8 = b'K';
/// The message that brings the jail, to the launcher.
pub(crate) const ORDER_JAIL: u8 = b'J';
/// The message that brings the plan, to the jail's first process.
pub(crate) const ORDER_PLAN: u8 = b'P';

/// Work on an image's files; followed by the task as JSON.
pub(crate) const ORDER_IMAGE: u8 = b'I';

/// Run WASI programs; brings a memory file with the plan and the reading end of the tree pipe.
#[cfg(feature = "wasm")]
pub(crate) const ORDER_CELL: u8 = b'W';
/// Compile a WASI program; followed by the conditions as JSON, brings a memory file with the program.
#[cfg(feature = "wasm")]
pub(crate) const ORDER_COMPILE: u8 = b'C';
/// Answer to [`Report::Module`]: then `+` and a memory file with the native image, or `-` and the reason against it.
#[cfg(feature = "wasm")]
pub(crate) const ORDER_MODULE: u8 = b'M';

/// Largest message; reports are far smaller.
const LARGEST: usize = 16 * 1024;
/// Most descriptors in one message.
pub(crate) const MOST_FDS: usize = 66;

/// What can be built before the job is known.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Jail {
    /// Control groups to join first.
    pub(crate) groups: Vec<PathBuf>,
    /// Steps with the caller's privileges, up to and including the new namespaces.
    pub(crate) outer: Vec<Step>,
    /// Steps of the new process namespace's first process.
    pub(crate) inner: Vec<Step>,
}

/// What the jail's first process must know of the job.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Host folders that come opened, in this order.
    pub(crate) opened: Vec<PathBuf>,
    /// The last steps of the jail.
    pub(crate) late: Vec<Step>,
    /// What root of the jail does before the command.
    pub(crate) first: Option<Job>,
    /// The command.
    pub(crate) job: Job,
    /// What is kept of the run; if anything is, the writing end of a pipe comes for it.
    pub(crate) keep: Vec<Keep>,
}

/// The command and what surrounds it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: String,
    pub(crate) home: String,
    /// There is a scratch.
    pub(crate) scratch: bool,
    pub(crate) terminal: (u16, u16),
    /// The uid and gid inside that the job has, where the jail is built by another.
    pub(crate) user: Option<u32>,
    /// The job keeps the few rights of the root profile.
    pub(crate) rights: bool,
    /// Most processes of the job's uid, where no cgroup counts them.
    pub(crate) processes: Option<u64>,
    /// Bytes of private memory of each process, where no cgroup counts it.
    pub(crate) memory: Option<u64>,
}

/// What the launcher reports.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The jail is built, up to what depends on the job.
    Ready,
    /// Brings what output is read from: the terminal's master side; before it, a pipe, if root of the jail does something.
    Terminal,
    /// The network helper has ended; its last words.
    Network(String),
    /// A command is about to be executed.
    Started,
    /// Nothing (more) will run.
    Failed(Failure),
    /// The command ended; everything else of the job is being killed.
    Ended {
        /// Exit code, or the signal's number negated.
        status: i32,
        /// The RAM root was full.
        full: bool,
    },
    /// Brings a memory file with a WASI program; an answer with its native image is awaited.
    Module,
    /// Every process of the job is gone; this is what they used.
    Gone(Spent),
}

/// A failed step.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) part: Part,
    /// The step, path or program.
    pub(crate) name: String,
    pub(crate) errno: i32,
    /// The system's words, for errors without a number.
    pub(crate) detail: String,
}

/// What failed.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Part {
    /// A step of the jail that upholds this promise.
    Jail(String),
    /// A file of the source tree.
    Tree,
    /// The command's own start.
    Command,
}

impl Failure {
    pub(crate) fn new(part: Part, name: impl Into<String>, error: &io::Error) -> Failure {
        Failure {
            part,
            name: name.into(),
            errno: error.raw_os_error().unwrap_or(0),
            detail: error.to_string(),
        }
    }

    /// The error as the daemon shows it.
    pub(crate) fn source(&self) -> io::Error {
        match self.errno {
            0 => io::Error::other(self.detail.clone()),
            errno => io::Error::from_raw_os_error(errno),
        }
    }
}

/// Sends one message, with descriptors.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("too many descriptors in one message"));
    }
    rustix::net::sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// Sends a report.
pub(crate) fn report(
    socket: BorrowedFd<'_>,
    report: &Report,
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    send(socket, &serde_json::to_vec(report)?, fds)
}

/// Receives one message and its descriptors; no bytes mean that the other side is gone.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    flags: RecvFlags,
) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    match receive_one(socket, flags) {
        // Said once, of a side that is gone and has left a message of ours unread. What it said before is still there.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => receive_one(socket, flags),
        received => received,
    }
}

fn receive_one(socket: BorrowedFd<'_>, flags: RecvFlags) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut bytes = vec![0; LARGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = flags.union(RecvFlags::CMSG_CLOEXEC);
    let got = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut control,
        flags,
    )?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    bytes.truncate(got.bytes);
    Ok((bytes, fds))
}

/// Puts bytes into a memory file, to be read from its beginning.
#[cfg(feature = "wasm")]
pub(crate) fn memory_file(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let fd = rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(fd);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

/// Puts plan and filter into a memory file. Layout: the plan's length (8 bytes, little-endian), the plan as JSON, the
/// filter's instructions, eight bytes each.
pub(crate) fn pack(plan: &Plan, filter: &BpfProgram) -> io::Result<OwnedFd> {
    let json = serde_json::to_vec(plan)?;
    let mut bytes = Vec::with_capacity(json.len() + 8 + 8 * filter.len());
    bytes.extend_from_slice(&(json.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&json);
    for instruction in filter {
        bytes.extend_from_slice(&instruction.code.to_le_bytes());
        bytes.extend_from_slice(&[instruction.jt, instruction.jf]);
        bytes.extend_from_slice(&instruction.k.to_le_bytes());
    }
    memory("plan", &bytes)
}

/// Puts a jail into a memory file, as JSON.
pub(crate) fn pack_jail(jail: &Jail) -> io::Result<OwnedFd> {
    memory("jail", &serde_json::to_vec(jail)?)
}

/// The other end of [`pack_jail`].
pub(crate) fn unpack_jail(fd: OwnedFd) -> io::Result<Jail> {
    let mut bytes = Vec::new();
    std::fs::File::from(fd).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

fn memory(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let fd = rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(fd);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

/// The other end of [`pack`].
pub(crate) fn unpack(fd: OwnedFd) -> io::Result<(Plan, BpfProgram)> {
    let mut bytes = Vec::new();
    std::fs::File::from(fd).read_to_end(&mut bytes)?;
    let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let (length, rest) = bytes.split_first_chunk().ok_or_else(short)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| short())?;
    let (json, rest) = rest.split_at_checked(length).ok_or_else(short)?;
    let (instructions, []) = rest.as_chunks::<8>() else {
        return Err(short());
    };
    let filter = instructions
        .iter()
        .map(|[c0, c1, jt, jf, k0, k1, k2, k3]| sock_filter {
            code: u16::from_le_bytes([*c0, *c1]),
            jt: *jt,
            jf: *jf,
            k: u32::from_le_bytes([*k0, *k1, *k2, *k3]),
        });
    Ok((serde_json::from_slice(json)?, filter.collect()))
}

/// A connected pair for messages; both ends close on exec.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType};
    Ok(rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn last_words_are_heard_of_one_that_did_not_listen() {
        let (here, there) = pair().unwrap();
        send(there.as_fd(), b"why", &[]).unwrap();
        send(here.as_fd(), b"unread", &[]).unwrap();
        drop(there);
        let read = || receive(here.as_fd(), RecvFlags::empty()).unwrap().0;
        assert_eq!((read(), read()), (b"why".to_vec(), Vec::new()));
    }
}
