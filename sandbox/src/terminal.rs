//! The outer side of the job's terminal.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::termios::Winsize;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::{self, OwnedPermit};

use crate::run::RunEvent;
use crate::sys;

/// Most bytes in one event.
const LARGEST: usize = 64 * 1024;

/// Keystrokes on their way; when it is full, the keyboard waits.
const TYPED: usize = 16;

/// From one try to write into a full terminal to the next.
const FULL: Duration = Duration::from_millis(10);

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
pub(crate) struct Terminal {
    fd: AsyncFd<OwnedFd>,
    /// It can be typed into: a pipe, which root of the jail has before the job, can't.
    has_keys: bool,
    /// The same once more, for writing, once somebody types. Apart, because a terminal that nobody reads calls itself
    /// writable time and again, and whoever waits for both is kept busy by that.
    keys: OnceLock<AsyncFd<OwnedFd>>,
}

impl Terminal {
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Terminal> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        let has_keys = rustix::termios::isatty(&fd);
        Ok(Terminal {
            fd: sys::watch(fd)?,
            has_keys,
            keys: OnceLock::new(),
        })
    }

    /// Whether it takes what is typed.
    pub(crate) fn has_keys(&self) -> bool {
        self.has_keys
    }

    /// Writes the beginning of `bytes`, as much as fits, which may be nothing.
    pub(crate) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let keys = match self.keys.get() {
            Some(keys) => keys,
            None => {
                let keys = sys::watch_for(self.fd.get_ref().try_clone()?, Interest::WRITABLE)?;
                self.keys.get_or_init(|| keys)
            }
        };
        let mut ready = keys.writable().await?;
        let tried = ready.try_io(|fd| Ok(rustix::io::write(fd.get_ref(), bytes)?));
        if let Ok(written) = tried {
            return written;
        }
        tokio::time::sleep(FULL).await;
        Ok(0)
    }

    /// Gives the terminal another size. Only a terminal that is gone refuses it.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let _ = rustix::termios::tcsetwinsize(self.fd.get_ref(), size);
    }

    /// All that is there, up to the largest event; `None` at the end, which this kind of file reports as an error.
    pub(crate) async fn read(&self) -> Option<Vec<u8>> {
        let mut bytes = vec![0; LARGEST];
        let mut length = 0;
        loop {
            let ready = if length == 0 {
                Some(self.fd.readable().await.ok()?)
            } else {
                now(&self.fd).await
            };
            let Some(mut ready) = ready else { break };
            match ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut bytes[length..])?)) {
                Ok(Ok(0) | Err(_)) if length == 0 => return None,
                Ok(Ok(0) | Err(_)) => break,
                Ok(Ok(read)) => length += read,
                // Not at once: others must get their turn however often it says so.
                Err(_would_block) if length == 0 => tokio::task::yield_now().await,
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
