//! The hook's end of the socket: everything has a deadline, even connecting (to a daemon whose queue of callers is
//! full, a blocking connect would hang).

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::protocol::{Answer, MAX_LINE};

/// A connection to the daemon, and what was read of its next line.
pub(super) struct Connection {
    stream: UnixStream,
    read: Vec<u8>,
    /// Whether to stop waiting when nobody reads our standard output any more.
    watch_output: bool,
}

impl Connection {
    pub(super) fn open(socket: &Path) -> io::Result<Connection> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        connect(&fd, &SocketAddrUnix::new(socket)?)?;
        Ok(Connection {
            stream: UnixStream::from(fd),
            read: Vec::new(),
            watch_output: false,
        })
    }

    /// From now on, a pusher who goes away ends [`Connection::answer`] with `BrokenPipe`.
    pub(super) fn watch_output(&mut self) {
        self.watch_output = true;
    }

    pub(super) fn send(&mut self, line: &[u8], deadline: Instant) -> io::Result<()> {
        let mut rest = line;
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.ready(PollFlags::OUT, deadline)?
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The daemon's next answer; answers of a newer daemon that we don't know are passed over. `UnexpectedEof` when it
    /// has closed the connection, `TimedOut` when nothing came in time.
    pub(super) fn answer(&mut self, deadline: Instant) -> io::Result<Answer> {
        loop {
            if let Ok(answer) = Answer::decode(&self.line(deadline)?) {
                return Ok(answer);
            }
        }
    }

    fn line(&mut self, deadline: Instant) -> io::Result<Vec<u8>> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.read[searched..].iter().position(|byte| *byte == b'\n') {
                let rest = self.read.split_off(searched + end + 1);
                return Ok(std::mem::replace(&mut self.read, rest));
            }
            searched = self.read.len();
            if searched > MAX_LINE {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.fill(deadline)?;
        }
    }

    fn fill(&mut self, deadline: Instant) -> io::Result<()> {
        let mut piece = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.read.extend_from_slice(&piece[..count]);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.ready(PollFlags::IN, deadline)?
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until the socket is ready.
    fn ready(&self, wanted: PollFlags, deadline: Instant) -> io::Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        let stdout = io::stdout();
        let mut polled = [
            PollFd::new(&self.stream, wanted),
            PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::empty()),
        ];
        let polled = if self.watch_output {
            &mut polled[..]
        } else {
            &mut polled[..1]
        };
        match poll(polled, Some(&timeout)) {
            Ok(0) => Err(io::ErrorKind::TimedOut.into()),
            Ok(_) if polled[0].revents().is_empty() => Err(io::ErrorKind::BrokenPipe.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
