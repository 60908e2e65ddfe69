//! The jail's side of what is kept of a run: walks the folders to be kept, once nothing else lives, and sends them out.
//!
//! Runs as the job's user without any right, in the job's own root. What is there was made by hostile hands: only regular
//! files, folders and links are sent, none is reached through a link or across a mount, and counts, bytes and time are
//! bounded. The daemon checks all of it again.

use std::ffi::{CStr, OsStr};
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Instant;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::layout::{
    FRAME_END, FRAME_FILE, FRAME_FOLDER, FRAME_LINK, FRAME_PROGRAM, FRAME_TIME, LONGEST_PATH,
};
use crate::spec::Keep;

/// A group of folders begins; its number stands in the place of the length.
pub(crate) const FRAME_GROUP: u8 = b'g';
/// An entry is left out; the reason's number stands in the place of the length.
pub(crate) const FRAME_SKIPPED: u8 = b's';
/// The group is given up; likewise.
pub(crate) const FRAME_REFUSED: u8 = b'r';

/// Why an entry is left out, or a group given up. The place is the number on the wire.
pub(crate) const REASONS: [&str; 7] = [
    "it is neither a file, a folder nor a link",
    "it can't be read",
    "its path is too long",
    "it lies behind a link or a mount",
    "there are too many bytes",
    "there are too many files",
    "it takes too long",
];
const ODD: u64 = 0;
const UNREADABLE: u64 = 1;
const LONG: u64 = 2;
const BEHIND: u64 = 3;
pub(crate) const BYTES: u64 = 4;
pub(crate) const FILES: u64 = 5;
const TIME: u64 = 6;

/// Entries left out that are told one by one; a hostile folder could name a million.
const MOST_TOLD: u32 = 20;
const BUFFER: usize = 256 * 1024;

/// Why a group ends early.
enum Stop {
    /// The group is given up for this reason; the next one follows.
    Refused(u64),
    /// The daemon takes no more, or a file changed under our hands: nothing more follows.
    Broken(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Broken(error)
    }
}

/// Sends every group through `pipe`; `root` is what absolute paths begin at. Nothing is taken across mounts, but for these
/// folders, which are on mounts of their own.
pub(crate) fn collect(
    pipe: OwnedFd,
    root: &Path,
    mounted: &[&str],
    groups: &[Keep],
) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(root, flags, Mode::empty())?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let mounted: Vec<(&str, OwnedFd)> = mounted
        .iter()
        .filter_map(|path| {
            let inside = path.trim_start_matches('/');
            let opened = rustix::fs::openat2(&root, inside, flags, Mode::empty(), resolve);
            Some((*path, opened.ok()?))
        })
        .collect();
    let mut roots: Vec<(&str, BorrowedFd<'_>)> = mounted
        .iter()
        .map(|(name, folder)| (*name, folder.as_fd()))
        .collect();
    roots.push(("", root.as_fd()));
    collect_in(pipe, &roots, groups)
}

/// The same for folders, each with what paths call it (without a slash at its end); the first whose name fits is taken.
pub(crate) fn collect_in(
    pipe: OwnedFd,
    roots: &[(&str, BorrowedFd<'_>)],
    groups: &[Keep],
) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER, std::fs::File::from(pipe));
    for (number, group) in groups.iter().enumerate() {
        head(&mut out, FRAME_GROUP, b"", number as u64)?;
        let mut collector = Collector {
            out: &mut out,
            roots,
            bytes: group.bytes,
            files: group.files,
            until: Instant::now() + group.time,
            time: None,
            told: 0,
        };
        match group.paths.iter().try_for_each(|path| collector.top(path)) {
            Ok(()) => head(&mut out, FRAME_END, b"", 0)?,
            Err(Stop::Refused(reason)) => head(&mut out, FRAME_REFUSED, b"", reason)?,
            Err(Stop::Broken(error)) => return Err(error),
        }
    }
    out.flush()
}

fn head(out: &mut impl Write, kind: u8, path: &[u8], length: u64) -> io::Result<()> {
    let path_length = u32::try_from(path.len()).map_err(|_| io::ErrorKind::InvalidFilename)?;
    out.write_all(&[kind])?;
    out.write_all(&path_length.to_le_bytes())?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(path)
}

struct Collector<'a, W: Write> {
    out: &'a mut W,
    /// Folders, and what paths call them.
    roots: &'a [(&'a str, BorrowedFd<'a>)],
    bytes: u64,
    files: u64,
    until: Instant,
    /// Modification time that was last sent.
    time: Option<i64>,
    told: u32,
}

impl<W: Write> Collector<'_, W> {
    /// One of the paths to be kept, and everything below it. One that isn't there is no news.
    fn top(&mut self, path: &str) -> Result<(), Stop> {
        let path = path.as_bytes();
        let at = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let (parent, name) = (&path[..at], &path[at + 1..]);
        let parent = match self.open(parent) {
            Ok(parent) => parent,
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return self.skip(path, reason_of(error)),
        };
        let mut folders = Vec::new();
        self.entry(
            &parent,
            OsStr::from_bytes(name),
            path.to_vec(),
            &mut folders,
        )?;
        drop(parent);
        // Folder by folder, each opened from the root anew: depth costs neither stack nor descriptors.
        while let Some(folder) = folders.pop() {
            self.folder(folder, &mut folders)?;
        }
        Ok(())
    }

    /// Opens a folder by its absolute path.
    fn open(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let (root, below) = self
            .roots
            .iter()
            .find_map(|(name, root)| {
                let below = path.strip_prefix(name.as_bytes())?;
                (below.is_empty() || below.starts_with(b"/")).then_some((root, below))
            })
            .ok_or(Errno::NOENT)?;
        let below = below.strip_prefix(b"/").unwrap_or(below);
        let below = if below.is_empty() {
            b".".as_slice()
        } else {
            below
        };
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::openat2(
            root,
            OsStr::from_bytes(below),
            flags,
            Mode::empty(),
            resolve,
        )
    }

    fn folder(&mut self, path: Vec<u8>, folders: &mut Vec<Vec<u8>>) -> Result<(), Stop> {
        let opened = self
            .open(&path)
            .and_then(|fd| Ok((Dir::read_from(&fd)?, fd)));
        let (listing, fd) = match opened {
            Ok(opened) => opened,
            Err(error) => return self.skip(&path, reason_of(error)),
        };
        let mut names = Vec::new();
        for entry in listing {
            let Ok(entry) = entry else {
                return self.skip(&path, UNREADABLE);
            };
            let name: &CStr = entry.file_name();
            if name != c"." && name != c".." {
                names.push(name.to_bytes().to_vec());
            }
            if names.len() as u64 > self.files {
                return Err(Stop::Refused(FILES));
            }
        }
        // The same folder is sent in the same order, so that its hash says whether it changed.
        names.sort_unstable();
        for name in names {
            let mut whole = path.clone();
            whole.push(b'/');
            whole.extend_from_slice(&name);
            self.entry(&fd, OsStr::from_bytes(&name), whole, folders)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        parent: &OwnedFd,
        name: &OsStr,
        path: Vec<u8>,
        folders: &mut Vec<Vec<u8>>,
    ) -> Result<(), Stop> {
        if Instant::now() >= self.until {
            return Err(Stop::Refused(TIME));
        }
        if path.len() > LONGEST_PATH {
            return self.skip(&path[..LONGEST_PATH], LONG);
        }
        let stat = match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(()),
            Err(_) => return self.skip(&path, UNREADABLE),
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        if !matches!(
            kind,
            FileType::RegularFile | FileType::Directory | FileType::Symlink
        ) {
            return self.skip(&path, ODD);
        }
        self.files = self.files.checked_sub(1).ok_or(Stop::Refused(FILES))?;
        match kind {
            FileType::Directory => {
                head(self.out, FRAME_FOLDER, &path, 0)?;
                folders.push(path);
                Ok(())
            }
            FileType::Symlink => self.link(parent, name, &path, &stat),
            _ => self.file(parent, name, &path),
        }
    }

    fn link(
        &mut self,
        parent: &OwnedFd,
        name: &OsStr,
        path: &[u8],
        stat: &Stat,
    ) -> Result<(), Stop> {
        let Ok(target) = rustix::fs::readlinkat(parent, name, Vec::new()) else {
            return self.skip(path, UNREADABLE);
        };
        let target = target.to_bytes();
        self.say_time(stat)?;
        head(self.out, FRAME_LINK, path, target.len() as u64)?;
        Ok(self.out.write_all(target)?)
    }

    fn file(&mut self, parent: &OwnedFd, name: &OsStr, path: &[u8]) -> Result<(), Stop> {
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(parent, name, flags, Mode::empty())
            .and_then(|fd| Ok((rustix::fs::fstat(&fd)?, fd)));
        let Ok((stat, fd)) = opened else {
            return self.skip(path, UNREADABLE);
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return self.skip(path, ODD);
        }
        let length = u64::try_from(stat.st_size).unwrap_or(0);
        // Before the first byte is read: a sparse file claims what no disk holds.
        self.bytes = self.bytes.checked_sub(length).ok_or(Stop::Refused(BYTES))?;
        self.say_time(&stat)?;
        let kind = match stat.st_mode & 0o111 {
            0 => FRAME_FILE,
            _ => FRAME_PROGRAM,
        };
        head(self.out, kind, path, length)?;
        let mut file = std::fs::File::from(fd).take(length);
        match io::copy(&mut file, self.out)? {
            sent if sent == length => Ok(()),
            _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }

    fn say_time(&mut self, stat: &Stat) -> Result<(), Stop> {
        let seconds = stat.st_mtime;
        if self.time.replace(seconds) != Some(seconds) {
            head(self.out, FRAME_TIME, b"", seconds.cast_unsigned())?;
        }
        Ok(())
    }

    fn skip(&mut self, path: &[u8], reason: u64) -> Result<(), Stop> {
        self.told += 1;
        if self.told <= MOST_TOLD {
            head(self.out, FRAME_SKIPPED, path, reason)?;
        }
        Ok(())
    }
}

fn reason_of(error: Errno) -> u64 {
    match error {
        Errno::LOOP | Errno::XDEV | Errno::NOTDIR => BEHIND,
        Errno::NAMETOOLONG => LONG,
        _ => UNREADABLE,
    }
}

/// The reading end of a pipe into which a thread collects.
#[cfg(test)]
pub(crate) fn pipe_of(
    root: &Path,
    groups: &[Keep],
) -> (std::thread::JoinHandle<io::Result<()>>, OwnedFd) {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let (root, groups) = (root.to_owned(), groups.to_vec());
    (
        std::thread::spawn(move || collect(writer, &root, &[], &groups)),
        reader,
    )
}
