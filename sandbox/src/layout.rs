//! The launcher's side of the source tree: reads entries from the pipe and writes them beneath the home folder.
//!
//! Runs inside the jail as the job's user, without any capability, before the command exists; so no one races it. Names
//! are still hostile: no `..`, no empty part, nothing outside home, nothing through a link.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Timespec, Timestamps};
use rustix::io::Errno;

use crate::wire::{Failure, Part};

/// Kinds of frames; each begins with its kind, the path's length (4 bytes) and the content's (8 bytes), little-endian.
pub(crate) const FRAME_FILE: u8 = b'f';
pub(crate) const FRAME_PROGRAM: u8 = b'x';
pub(crate) const FRAME_LINK: u8 = b'l';
pub(crate) const FRAME_FOLDER: u8 = b'd';
pub(crate) const FRAME_TIME: u8 = b't';
pub(crate) const FRAME_END: u8 = b'e';
/// From here on an entry that can't be had is left out, and what is there stays.
pub(crate) const FRAME_RESTORE: u8 = b'r';
/// Bytes of a frame's head.
pub(crate) const HEAD: usize = 13;
/// Longest path or link target.
pub(crate) const LONGEST_PATH: usize = 4095;

/// Most bytes read from the pipe at once.
const CHUNK: usize = 256 * 1024;

/// Writes the whole tree that comes through `pipe`.
pub(crate) fn lay_out(pipe: OwnedFd, home: &str, cwd: &str) -> Result<(), Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::open(home, flags, Mode::empty())
        .map_err(|error| failed(home, &error.into()))?;
    lay_out_in(pipe, folder, home, cwd)
}

/// The same for a home that is called `home` inside and is this folder.
pub(crate) fn lay_out_in(
    pipe: OwnedFd,
    folder: OwnedFd,
    home: &str,
    cwd: &str,
) -> Result<(), Failure> {
    let mut layout = Layout::new(folder, home, cwd);
    let mut input = BufReader::with_capacity(CHUNK, std::fs::File::from(pipe));
    loop {
        match layout.frame(&mut input) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => return Err(failed(&String::from_utf8_lossy(&layout.path), &error)),
        }
    }
}

fn failed(path: &str, error: &io::Error) -> Failure {
    Failure::new(Part::Tree, path, error)
}

struct Layout {
    home: OwnedFd,
    /// `cwd` relative to home, with a closing slash if it isn't home itself.
    prefix: Option<Vec<u8>>,
    home_path: Vec<u8>,
    /// The path of the present entry, as it was sent; for errors.
    path: Vec<u8>,
    /// Parent folder of the last entry: trees come folder by folder.
    parent: Option<(Vec<u8>, OwnedFd)>,
    time: Timestamps,
    /// An entry that can't be had is left out.
    lenient: bool,
}

impl Layout {
    fn new(folder: OwnedFd, home: &str, cwd: &str) -> Layout {
        let prefix = match cwd.strip_prefix(home) {
            Some("") => Some(Vec::new()),
            Some(rest) => rest
                .strip_prefix('/')
                .map(|rest| format!("{rest}/").into_bytes()),
            None => None,
        };
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_NOW,
        };
        Layout {
            home: folder,
            prefix,
            home_path: home.as_bytes().to_vec(),
            path: Vec::new(),
            parent: None,
            time: Timestamps {
                last_access: now,
                last_modification: now,
            },
            lenient: false,
        }
    }

    /// One entry; `false` after the last.
    fn frame(&mut self, input: &mut impl BufRead) -> io::Result<bool> {
        let mut head = [0; HEAD];
        input.read_exact(&mut head)?;
        let [kind, a, b, c, d, rest @ ..] = head;
        let path_length = u32::from_le_bytes([a, b, c, d]);
        let length = u64::from_le_bytes(rest);
        if path_length as usize > LONGEST_PATH {
            return Err(Errno::NAMETOOLONG.into());
        }
        self.path.resize(path_length as usize, 0);
        input.read_exact(&mut self.path)?;
        match kind {
            FRAME_FILE | FRAME_PROGRAM => {
                let mut content = input.take(length);
                let result = self.file(kind == FRAME_PROGRAM, &mut content);
                let unread = content.limit();
                self.forgive(result)?;
                pass_over(input, unread)?;
            }
            FRAME_LINK => {
                let length = usize::try_from(length)
                    .ok()
                    .filter(|length| *length <= LONGEST_PATH);
                let mut target = vec![0; length.ok_or(Errno::NAMETOOLONG)?];
                input.read_exact(&mut target)?;
                let result = self.link(&target);
                self.forgive(result)?;
            }
            FRAME_FOLDER => {
                let result = self.folder();
                self.forgive(result)?;
            }
            FRAME_RESTORE => self.lenient = true,
            FRAME_TIME => self.set_time(length),
            FRAME_END => return Ok(false),
            _ => return Err(io::Error::other("unknown kind of entry")),
        }
        Ok(true)
    }

    fn set_time(&mut self, bits: u64) {
        let time = Timespec {
            tv_sec: bits.cast_signed(),
            tv_nsec: 0,
        };
        self.time = Timestamps {
            last_access: time,
            last_modification: time,
        };
    }

    fn file(&mut self, program: bool, content: &mut io::Take<&mut impl BufRead>) -> io::Result<()> {
        let mode = Mode::from_raw_mode(if program { 0o755 } else { 0o644 });
        let name = self.enter()?;
        let name = OsStr::from_bytes(&name);
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(self.parent_fd(), name, flags, mode)?;
        let mut file = std::fs::File::from(fd);
        let written = copy(content, &mut file);
        if written.is_err() && self.lenient {
            // Better no file than half of one.
            let _ = rustix::fs::unlinkat(self.parent_fd(), name, AtFlags::empty());
        }
        written?;
        Ok(rustix::fs::futimens(&file, &self.time)?)
    }

    fn link(&mut self, target: &[u8]) -> io::Result<()> {
        let name = self.enter()?;
        let name = OsStr::from_bytes(&name);
        rustix::fs::symlinkat(OsStr::from_bytes(target), self.parent_fd(), name)?;
        Ok(rustix::fs::utimensat(
            self.parent_fd(),
            name,
            &self.time,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    /// What is restored is a help, not the source: the system's refusal of one entry is no failure of the run. A stream
    /// that is cut off is.
    fn forgive(&self, result: io::Result<()>) -> io::Result<()> {
        match result {
            Err(error) if self.lenient && error.raw_os_error().is_some() => Ok(()),
            other => other,
        }
    }

    fn folder(&mut self) -> io::Result<()> {
        let name = self.enter()?;
        rustix::fs::mkdirat(
            self.parent_fd(),
            OsStr::from_bytes(&name),
            Mode::from_raw_mode(0o755),
        )?;
        Ok(())
    }

    fn parent_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.parent
            .as_ref()
            .map_or_else(|| self.home.as_fd(), |(_, fd)| fd.as_fd())
    }

    /// Opens the parent folder of the present entry and returns the entry's own name.
    fn enter(&mut self) -> io::Result<Vec<u8>> {
        let inside = self.inside_home()?;
        let (folder, name) = match inside.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (&inside[..at], &inside[at + 1..]),
            None => (&b""[..], &inside[..]),
        };
        if folder.is_empty() {
            self.parent = None;
        } else if self.parent.as_ref().is_none_or(|(path, _)| path != folder) {
            self.parent = Some((folder.to_vec(), self.open_folder(folder)?));
        }
        Ok(name.to_vec())
    }

    /// The entry's path relative to home, checked part by part.
    fn inside_home(&self) -> io::Result<Vec<u8>> {
        let refused = || io::Error::from(Errno::ACCESS);
        let inside = if self.path.starts_with(b"/") {
            let rest = self
                .path
                .strip_prefix(self.home_path.as_slice())
                .ok_or_else(refused)?;
            rest.strip_prefix(b"/").ok_or_else(refused)?.to_vec()
        } else {
            let mut whole = self.prefix.clone().ok_or_else(refused)?;
            whole.extend_from_slice(&self.path);
            whole
        };
        let odd =
            |part: &[u8]| part.is_empty() || part == b"." || part == b".." || part.contains(&0);
        if inside.split(|byte| *byte == b'/').any(odd) {
            return Err(refused());
        }
        Ok(inside)
    }

    /// Opens a folder below home without following any link, making what is missing.
    fn open_folder(&self, folder: &[u8]) -> io::Result<OwnedFd> {
        let open = |path: &[u8]| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            // Nor across a mount: what is shown from the host stays as it is.
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
            rustix::fs::openat2(
                &self.home,
                OsStr::from_bytes(path),
                flags,
                Mode::empty(),
                resolve,
            )
        };
        match open(folder) {
            Err(Errno::NOENT) => {}
            other => return Ok(other?),
        }
        let ends = folder
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/')
            .map(|(at, _)| at);
        let mut parent = None;
        for end in ends.chain([folder.len()]) {
            let path = &folder[..end];
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
            let at = parent
                .as_ref()
                .map_or_else(|| self.home.as_fd(), OwnedFd::as_fd);
            match rustix::fs::mkdirat(at, OsStr::from_bytes(name), Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            parent = Some(open(path)?);
        }
        parent.ok_or_else(|| Errno::INVAL.into())
    }
}

/// Copies all of a content; a short one is an error.
fn copy(content: &mut io::Take<&mut impl BufRead>, file: &mut std::fs::File) -> io::Result<()> {
    while content.limit() > 0 {
        let chunk = content.fill_buf()?;
        if chunk.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.write_all(chunk)?;
        let taken = chunk.len();
        content.consume(taken);
    }
    Ok(())
}

fn pass_over(input: &mut impl BufRead, length: u64) -> io::Result<()> {
    match io::copy(&mut input.take(length), &mut io::sink())? {
        passed if passed == length => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::TreeWriter;

    fn write(
        fill: impl FnOnce(&mut TreeWriter) -> io::Result<()>,
    ) -> (tempfile::TempDir, Result<(), Failure>) {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        std::fs::create_dir_all(home.join("w")).unwrap();
        std::os::unix::fs::symlink("/", home.join("out")).unwrap();
        std::fs::write(folder.path().join("canary"), "same").unwrap();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let mut writer = TreeWriter::new(writer);
        let home = home.to_str().unwrap();
        let result = std::thread::scope(|scope| {
            let done = scope.spawn(|| lay_out(reader, home, &format!("{home}/w")));
            // The reader may refuse and hang up while more is being written.
            let _ = fill(&mut writer).and_then(|()| writer.finish());
            done.join().unwrap()
        });
        assert_eq!(
            std::fs::read_to_string(folder.path().join("canary")).unwrap(),
            "same"
        );
        (folder, result)
    }

    #[test]
    fn writes_files_links_folders_with_their_time() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let (folder, result) = write(|tree| {
            tree.set_mtime(1_000_000_000)?;
            tree.file(b"a/b/c.txt", false, b"hello")?;
            tree.file(b"a/run", true, &vec![b'x'; 700_000])?;
            tree.link(b"a/link", b"../nowhere")?;
            tree.folder(b"empty")
        });
        assert_eq!(result, Ok(()));
        let work = folder.path().join("home/w");
        assert_eq!(
            std::fs::read_to_string(work.join("a/b/c.txt")).unwrap(),
            "hello"
        );
        let meta = std::fs::metadata(work.join("a/run")).unwrap();
        assert_eq!(
            (meta.len(), meta.permissions().mode() & 0o777, meta.mtime()),
            (700_000, 0o755, 1_000_000_000)
        );
        assert_eq!(
            std::fs::read_link(work.join("a/link")).unwrap().to_str(),
            Some("../nowhere")
        );
        assert_eq!(
            std::fs::symlink_metadata(work.join("a/link"))
                .unwrap()
                .mtime(),
            1_000_000_000
        );
        assert!(work.join("empty").is_dir());
    }

    #[test]
    fn refuses_names_that_lead_out() {
        let paths: [&[u8]; 9] = [
            b"../../canary",
            b"a/../../x",
            b"a//b",
            b"./a",
            b"",
            b"/etc/x",
            b"/",
            b"a/..",
            b"nul\0byte",
        ];
        for path in paths {
            let (_, result) = write(|tree| tree.file(path, false, b"bad"));
            let failure = result.expect_err(&String::from_utf8_lossy(path));
            assert_eq!(failure.errno, Errno::ACCESS.raw_os_error());
        }
    }

    #[test]
    fn refuses_to_write_through_a_link_or_over_what_is_there() {
        let (_, through) = write(|tree| {
            tree.link(b"d", b"..")?;
            tree.file(b"d/x", false, b"bad")
        });
        assert!(through.is_err());
        let (_, over) = write(|tree| {
            tree.link(b"f", b"/etc/passwd")?;
            tree.file(b"f", false, b"bad")
        });
        assert_eq!(over.unwrap_err().errno, Errno::EXIST.raw_os_error());
    }

    #[test]
    fn an_absolute_path_below_home_is_taken_and_a_cut_stream_is_an_error() {
        let (folder, result) = write(|tree| tree.file(b"out/etc/x", false, b""));
        assert!(
            result.is_ok(),
            "relative to the working folder, not to home"
        );
        let home = folder.path().join("home");
        assert!(home.join("w/out/etc/x").is_file());

        let (reader, writer) = rustix::pipe::pipe().unwrap();
        drop(writer);
        let home = home.to_str().unwrap();
        assert!(lay_out(reader, home, home).is_err());
    }

    #[test]
    fn what_is_restored_neither_overwrites_nor_leads_out_nor_fails() {
        let (folder, result) = write(|tree| {
            tree.file(b"theirs", false, b"source")?;
            tree.link(b"away", b"..")?;
            tree.restore()?;
            tree.file(b"theirs", false, b"poison")?;
            tree.folder(b"away")?;
            tree.file(b"away/x", false, b"bad")?;
            tree.file(b"../../canary", false, b"bad")?;
            tree.file(b"/etc/x", false, b"bad")?;
            tree.link(b"theirs", b"/etc/passwd")?;
            tree.file_from(b"c/new", true, 3, &mut &b"new"[..])
        });
        assert_eq!(result, Ok(()));
        let home = folder.path().join("home");
        let text = |path: &str| std::fs::read_to_string(home.join(path)).unwrap();
        assert_eq!(
            (text("w/theirs"), text("w/c/new")),
            ("source".into(), "new".into())
        );
        assert!(!home.join("x").exists());
    }
}
