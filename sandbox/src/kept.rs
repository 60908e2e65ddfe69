//! The daemon's side of what is kept of a run: reads the frames that the jail sends, and believes none of them.

use std::io::{self, BufReader, Read};
use std::os::fd::OwnedFd;

use crate::collect::{BYTES, FILES, FRAME_GROUP, FRAME_REFUSED, FRAME_SKIPPED, REASONS};
use crate::layout::{
    FRAME_END, FRAME_FILE, FRAME_FOLDER, FRAME_LINK, FRAME_PROGRAM, FRAME_TIME, HEAD, LONGEST_PATH,
};
use crate::spec::Keep;

const BUFFER: usize = 256 * 1024;

/// One thing that is kept of a run, or is said about it.
#[derive(Debug)]
pub enum KeptItem<'a> {
    /// What follows belongs to this place in [`RunSpec::keep`](crate::RunSpec::keep).
    Group(usize),
    /// Modification time of the files and links that follow, seconds since 1970.
    Time(i64),
    /// A regular file; what of its content isn't read is passed over.
    File {
        /// Absolute path inside.
        path: &'a [u8],
        /// Whether anybody may execute it.
        executable: bool,
        /// Bytes of its content.
        length: u64,
        /// The content.
        content: Content<'a>,
    },
    /// A symbolic link, its target unread.
    Link {
        /// Absolute path inside.
        path: &'a [u8],
        /// Any text.
        target: &'a [u8],
    },
    /// A folder.
    Folder {
        /// Absolute path inside.
        path: &'a [u8],
    },
    /// An entry that is left out, and why. Not all are told.
    Skipped {
        /// Absolute path inside, or the beginning of it.
        path: &'a [u8],
        /// A clause.
        why: &'static str,
    },
    /// The group is given up; nothing more of it follows.
    Refused(&'static str),
    /// The group is complete.
    End,
}

/// Content of a file.
#[derive(Debug)]
pub struct Content<'a> {
    pipe: &'a mut BufReader<std::fs::File>,
    left: &'a mut u64,
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(*self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if most == 0 {
            return Ok(0);
        }
        match self.pipe.read(&mut buffer[..most])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                *self.left -= read as u64;
                Ok(read)
            }
        }
    }
}

/// What a run leaves behind, as it comes. Blocking: read it from a blocking thread, to its end; dropping it stops the
/// sending.
///
/// Paths are those of the group or lie below them, without `.`, `..` or empty parts, and no group brings more than it
/// may. Whatever breaks these rules is an error, and so is an end without [`KeptItem::End`].
#[derive(Debug)]
pub struct Kept {
    pipe: BufReader<std::fs::File>,
    groups: Vec<Keep>,
    /// The group that is being read, and what may still come of it.
    group: Option<(usize, u64, u64)>,
    /// Content of the last file that nobody has read yet.
    unread: u64,
    path: Vec<u8>,
    target: Vec<u8>,
}

impl Kept {
    pub(crate) fn new(pipe: OwnedFd, groups: Vec<Keep>) -> Kept {
        Kept {
            pipe: BufReader::with_capacity(BUFFER, pipe.into()),
            groups,
            group: None,
            unread: 0,
            path: Vec::new(),
            target: Vec::new(),
        }
    }

    /// The next item; `None` when the run leaves nothing more.
    ///
    /// # Errors
    /// A stream that is cut off inside a group, or breaks the rules.
    pub fn next_item(&mut self) -> io::Result<Option<KeptItem<'_>>> {
        let mut rest = Content {
            pipe: &mut self.pipe,
            left: &mut self.unread,
        };
        io::copy(&mut rest, &mut io::sink())?;
        let Some((kind, length)) = self.head()? else {
            return Ok(None);
        };
        if kind == FRAME_GROUP {
            return self.begin(length).map(Some);
        }
        let (number, bytes, files) = self.group.ok_or_else(broken)?;
        let entry = matches!(kind, FRAME_FILE | FRAME_PROGRAM | FRAME_LINK | FRAME_FOLDER);
        if entry {
            self.check_path(number)?;
            self.group = Some((
                number,
                bytes,
                files.checked_sub(1).ok_or_else(|| over(FILES))?,
            ));
        }
        Ok(Some(match kind {
            FRAME_FILE | FRAME_PROGRAM => {
                let left = bytes.checked_sub(length).ok_or_else(|| over(BYTES))?;
                self.group = Some((number, left, files - 1));
                self.unread = length;
                KeptItem::File {
                    path: &self.path,
                    executable: kind == FRAME_PROGRAM,
                    length,
                    content: Content {
                        pipe: &mut self.pipe,
                        left: &mut self.unread,
                    },
                }
            }
            FRAME_LINK => {
                let length = usize::try_from(length).ok();
                let length = length.filter(|length| (1..=LONGEST_PATH).contains(length));
                self.target.resize(length.ok_or_else(broken)?, 0);
                self.pipe.read_exact(&mut self.target)?;
                KeptItem::Link {
                    path: &self.path,
                    target: &self.target,
                }
            }
            FRAME_FOLDER => KeptItem::Folder { path: &self.path },
            FRAME_TIME => KeptItem::Time(length.cast_signed()),
            FRAME_SKIPPED => KeptItem::Skipped {
                path: &self.path,
                why: reason(length)?,
            },
            FRAME_REFUSED => {
                self.group = None;
                KeptItem::Refused(reason(length)?)
            }
            FRAME_END => {
                self.group = None;
                KeptItem::End
            }
            _ => return Err(broken()),
        }))
    }

    /// Kind and length of the next frame, its path in `self.path`; `None` at the end between two groups.
    fn head(&mut self) -> io::Result<Option<(u8, u64)>> {
        let mut head = [0; HEAD];
        if self.pipe.read(&mut head[..1])? == 0 {
            return match self.group {
                None => Ok(None),
                Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            };
        }
        self.pipe.read_exact(&mut head[1..])?;
        let [kind, a, b, c, d, rest @ ..] = head;
        let path_length = u32::from_le_bytes([a, b, c, d]) as usize;
        if path_length > LONGEST_PATH {
            return Err(broken());
        }
        self.path.resize(path_length, 0);
        self.pipe.read_exact(&mut self.path)?;
        Ok(Some((kind, u64::from_le_bytes(rest))))
    }

    fn begin(&mut self, number: u64) -> io::Result<KeptItem<'static>> {
        let number = usize::try_from(number).map_err(|_| broken())?;
        let group = self.groups.get(number).ok_or_else(broken)?;
        self.group = Some((number, group.bytes, group.files));
        Ok(KeptItem::Group(number))
    }

    fn check_path(&self, number: usize) -> io::Result<()> {
        let tops = self
            .groups
            .get(number)
            .map_or(&[][..], |group| &group.paths);
        let odd =
            |part: &[u8]| part.is_empty() || part == b"." || part == b".." || part.contains(&0);
        let plain = self
            .path
            .strip_prefix(b"/")
            .is_some_and(|path| !path.split(|byte| *byte == b'/').any(odd));
        let below = tops.iter().any(|top| {
            let rest = self.path.strip_prefix(top.as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        });
        match plain && below {
            true => Ok(()),
            false => Err(broken()),
        }
    }
}

fn broken() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "what the sandbox sends breaks the rules",
    )
}

fn reason(number: u64) -> io::Result<&'static str> {
    let place = usize::try_from(number).map_err(|_| broken())?;
    REASONS.get(place).copied().ok_or_else(broken)
}

fn over(number: u64) -> io::Error {
    reason(number).map_or_else(|error| error, io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::collect::pipe_of;

    fn group(paths: &[&str]) -> Keep {
        Keep {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            bytes: 1 << 20,
            files: 1000,
            time: Duration::from_secs(60),
            codes: vec![0],
        }
    }

    fn lines_of(reader: OwnedFd, groups: &[Keep]) -> Vec<String> {
        let mut kept = Kept::new(reader, groups.to_vec());
        let mut lines = Vec::new();
        loop {
            lines.push(match kept.next_item() {
                Ok(None) => return lines,
                Err(error) => {
                    lines.push(format!("error: {error}"));
                    return lines;
                }
                Ok(Some(KeptItem::Time(_))) => continue,
                Ok(Some(KeptItem::File {
                    path,
                    executable,
                    mut content,
                    ..
                })) => {
                    let mut text = Vec::new();
                    content.read_to_end(&mut text).unwrap();
                    let kind = if executable { "program" } else { "file" };
                    format!("{kind} {} {}", path.escape_ascii(), text.escape_ascii())
                }
                Ok(Some(KeptItem::Link { path, target })) => {
                    format!("link {} {}", path.escape_ascii(), target.escape_ascii())
                }
                Ok(Some(KeptItem::Folder { path })) => format!("folder {}", path.escape_ascii()),
                Ok(Some(KeptItem::Skipped { path, why })) => {
                    format!("skipped {}: {why}", path.escape_ascii())
                }
                Ok(Some(KeptItem::Refused(why))) => format!("refused: {why}"),
                Ok(Some(KeptItem::Group(number))) => format!("group {number}"),
                Ok(Some(KeptItem::End)) => "end".to_owned(),
            });
        }
    }

    fn collected(root: &Path, groups: &[Keep]) -> Vec<String> {
        let (thread, reader) = pipe_of(root, groups);
        let lines = lines_of(reader, groups);
        drop(thread.join().unwrap());
        lines
    }

    #[test]
    fn files_folders_and_links_come_in_order_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("h/c/deep")).unwrap();
        std::fs::write(root.join("h/c/deep/f"), "x").unwrap();
        std::fs::write(root.join("h/c/a\n\x1b[2J"), "").unwrap();
        std::fs::write(root.join("h/c").join(OsStr::from_bytes(b"\xff")), "").unwrap();
        std::fs::write(root.join("h/run"), "#!").unwrap();
        std::fs::set_permissions(root.join("h/run"), PermissionsExt::from_mode(0o6755)).unwrap();
        symlink("/etc/passwd", root.join("h/c/out")).unwrap();
        let fifo = root.join("h/c/pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let groups = [group(&["/h/c", "/h/none"]), group(&["/h/run"])];
        let expected = [
            "group 0",
            "folder /h/c",
            "file /h/c/a\\n\\x1b[2J ",
            "folder /h/c/deep",
            "link /h/c/out /etc/passwd",
            "skipped /h/c/pipe: it is neither a file, a folder nor a link",
            "file /h/c/\\xff ",
            "file /h/c/deep/f x",
            "end",
            "group 1",
            "program /h/run #!",
            "end",
        ];
        assert_eq!(collected(root, &groups), expected);
    }

    #[test]
    fn nothing_is_reached_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("secret/c")).unwrap();
        std::fs::write(root.join("secret/c/f"), "no").unwrap();
        std::fs::create_dir(root.join("h")).unwrap();
        symlink("../secret", root.join("h/c")).unwrap();
        symlink("secret", root.join("away")).unwrap();
        let groups = [group(&["/h/c", "/h/c/c", "/away/c"])];
        let expected = [
            "group 0",
            "link /h/c ../secret",
            "skipped /h/c/c: it lies behind a link or a mount",
            "skipped /away/c: it lies behind a link or a mount",
            "end",
        ];
        assert_eq!(collected(root, &groups), expected);
    }

    #[test]
    fn bytes_files_and_time_are_bounded_and_the_next_group_comes() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["many", "big", "small"] {
            std::fs::create_dir(root.join(name)).unwrap();
        }
        for number in 0..20 {
            std::fs::write(root.join(format!("many/{number}")), "").unwrap();
        }
        let big = std::fs::File::create(root.join("big/sparse")).unwrap();
        big.set_len(1 << 40).unwrap();
        let few = Keep {
            files: 10,
            ..group(&["/many"])
        };
        let late = Keep {
            time: Duration::ZERO,
            ..group(&["/small"])
        };
        let groups = [few, group(&["/big"]), late, group(&["/small"])];
        let expected = [
            "group 0",
            "folder /many",
            "refused: there are too many files",
            "group 1",
            "folder /big",
            "refused: there are too many bytes",
            "group 2",
            "refused: it takes too long",
            "group 3",
            "folder /small",
            "end",
        ];
        assert_eq!(collected(root, &groups), expected);
    }

    #[test]
    fn a_folder_deeper_than_any_path_ends_somewhere() {
        let folder = tempfile::tempdir().unwrap();
        let name = "d".repeat(200);
        let mut place = rustix::fs::open(
            folder.path(),
            rustix::fs::OFlags::PATH,
            rustix::fs::Mode::empty(),
        )
        .unwrap();
        for _ in 0..30 {
            let mode = rustix::fs::Mode::from_raw_mode(0o755);
            rustix::fs::mkdirat(&place, &name, mode).unwrap();
            let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY;
            place = rustix::fs::openat(&place, &name, flags, rustix::fs::Mode::empty()).unwrap();
        }
        let top = format!("/{name}");
        let lines = collected(folder.path(), &[group(&[&top])]);
        assert_eq!(lines.last().unwrap(), "end");
        assert!(
            lines
                .iter()
                .any(|line| line.ends_with("its path is too long")),
            "{lines:?}"
        );
    }

    /// What a jail that has been taken over could send.
    #[test]
    fn hostile_frames_are_refused() {
        fn frame(kind: u8, path: &[u8], length: u64) -> Vec<u8> {
            let mut bytes = vec![kind];
            bytes.extend_from_slice(&u32::try_from(path.len()).unwrap().to_le_bytes());
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(path);
            bytes
        }
        let begin = frame(FRAME_GROUP, b"", 0);
        let cases: [(&str, Vec<u8>); 13] = [
            ("climbs", frame(FRAME_FOLDER, b"/h/c/../../x", 0)),
            ("elsewhere", frame(FRAME_FOLDER, b"/etc", 0)),
            ("like it", frame(FRAME_FOLDER, b"/h/cc", 0)),
            ("relative", frame(FRAME_FOLDER, b"h/c", 0)),
            ("empty part", frame(FRAME_FOLDER, b"/h/c//x", 0)),
            ("zero", frame(FRAME_FOLDER, b"/h/c/a\0b", 0)),
            ("huge file", frame(FRAME_FILE, b"/h/c/f", 1 << 50)),
            ("huge target", frame(FRAME_LINK, b"/h/c/l", 1 << 50)),
            ("empty target", frame(FRAME_LINK, b"/h/c/l", 0)),
            ("unknown kind", frame(b'?', b"", 0)),
            ("unknown group", frame(FRAME_GROUP, b"", 7)),
            ("unknown reason", frame(FRAME_REFUSED, b"", 99)),
            ("cut off", frame(FRAME_FILE, b"/h/c/f", 5)),
        ];
        for (name, bytes) in cases {
            let (reader, writer) = rustix::pipe::pipe().unwrap();
            let mut pipe = std::fs::File::from(writer);
            std::io::Write::write_all(&mut pipe, &[begin.clone(), bytes].concat()).unwrap();
            drop(pipe);
            let mut kept = Kept::new(reader, vec![group(&["/h/c"])]);
            let end = loop {
                match kept.next_item() {
                    Ok(Some(_)) => {}
                    other => break other.map(|item| item.is_some()),
                }
            };
            assert!(end.is_err(), "{name}");
        }
    }
}
