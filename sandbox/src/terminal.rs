//! The outer side of the job's terminal.

use std::io;
use std::os::fd::OwnedFd;

use rustix::termios::Winsize;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::{self, OwnedPermit};

use crate::run::RunEvent;
use crate::sys;

/// Most bytes in one event.
const LARGEST: usize = 64 * 1024;

/// Keystrokes on their way; when it is full, the keyboard waits.
const TYPED: usize = 16;

/// Something from the terminal.
pub(crate) enum Chunk {
    /// Bytes, and the place in the channel that was taken for them.
    Bytes(Vec<u8>, Option<OwnedPermit<RunEvent>>),
    /// No process has it open any more, and everything has been read.
    End,
}

/// Types into a run's terminal. A run without a terminal (of WASI programs) takes nothing.
#[derive(Debug, Clone)]
pub struct Keyboard(mpsc::Sender<Typed>);

/// What comes from a keyboard.
#[derive(Debug)]
pub(crate) enum Typed {
    /// Bytes as they were typed.
    Bytes(Vec<u8>),
    /// The window has so many columns and rows now.
    Window(u16, u16),
}

impl Keyboard {
    pub(crate) fn new() -> (Keyboard, mpsc::Receiver<Typed>) {
        let (sender, receiver) = mpsc::channel(TYPED);
        (Keyboard(sender), receiver)
    }

    /// Types bytes; waits while the run takes none. After the end of the run they are lost.
    pub async fn write(&self, bytes: Vec<u8>) {
        let _ = self.0.send(Typed::Bytes(bytes)).await;
    }

    /// Gives the terminal another size; its foreground programs are told by the kernel.
    pub async fn resize(&self, columns: u16, rows: u16) {
        let _ = self.0.send(Typed::Window(columns, rows)).await;
    }
}

/// Reads what the job prints, and writes what is typed.
#[derive(Debug)]
pub(crate) struct Terminal(AsyncFd<OwnedFd>);

impl Terminal {
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Terminal> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(Terminal(sys::watch_both(fd)?))
    }

    /// Writes the beginning of `bytes`, as much as fits; waits until anything does.
    pub(crate) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.0.writable().await?;
            if let Ok(written) = ready.try_io(|fd| Ok(rustix::io::write(fd.get_ref(), bytes)?)) {
                return written;
            }
        }
    }

    /// Gives the terminal another size. Only a terminal that is gone refuses it.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let _ = rustix::termios::tcsetwinsize(self.0.get_ref(), size);
    }

    /// All that is there, up to the largest event; `None` at the end, which this kind of file reports as an error.
    pub(crate) async fn read(&self) -> Option<Vec<u8>> {
        let mut bytes = vec![0; LARGEST];
        let mut length = 0;
        loop {
            let ready = if length == 0 {
                Some(self.0.readable().await.ok()?)
            } else {
                now(&self.0).await
            };
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
