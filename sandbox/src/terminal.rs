//! The outer side of the job's terminal.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::OwnedPermit;

use crate::run::RunEvent;
use crate::sys;

/// Most bytes in one event.
const LARGEST: usize = 64 * 1024;

/// Something from the terminal.
pub(crate) enum Chunk {
    /// Bytes, and the place in the channel that was taken for them.
    Bytes(Vec<u8>, Option<OwnedPermit<RunEvent>>),
    /// No process has it open any more, and everything has been read.
    End,
}

/// Reads what the job prints.
#[derive(Debug)]
pub(crate) struct Terminal(AsyncFd<OwnedFd>);

impl Terminal {
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Terminal> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(Terminal(sys::watch(fd)?))
    }

    /// All that is there, up to the largest event; `None` at the end, which this kind of file reports as an error.
    pub(crate) async fn read(&self) -> Option<Vec<u8>> {
        let mut bytes = vec![0; LARGEST];
        let mut length = 0;
        loop {
            let ready = if length == 0 { Some(self.0.readable().await.ok()?) } else { now(&self.0).await };
            let Some(mut ready) = ready else { break };
            match ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut bytes[length..])?)) {
                Ok(Ok(0) | Err(_)) if length == 0 => return None,
                Ok(Ok(0) | Err(_)) => break,
                Ok(Ok(read)) => length += read,
                Err(_would_block) if length == 0 => continue,
                Err(_would_block) => break,
            }
            if length == LARGEST {
                break;
            }
        }
        bytes.truncate(length);
        Some(bytes)
    }
}

/// Readiness that is known already.
async fn now(fd: &AsyncFd<OwnedFd>) -> Option<tokio::io::unix::AsyncFdReadyGuard<'_, OwnedFd>> {
    tokio::select! {
        biased;
        ready = fd.readable() => ready.ok(),
        () = std::future::ready(()) => None,
    }
}
