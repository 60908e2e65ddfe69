//! The daemon's side of the source tree: frames entries into the pipe to the launcher.

use std::io::{self, BufWriter, Read, Write};
use std::os::fd::OwnedFd;

use crate::layout::{
    FRAME_END, FRAME_FILE, FRAME_FOLDER, FRAME_LINK, FRAME_PROGRAM, FRAME_RESTORE, FRAME_TIME,
    LONGEST_PATH,
};

const BUFFER: usize = 256 * 1024;

/// Writes files into the sandbox before the command starts. Blocking: use it from a blocking thread.
///
/// Paths are relative to `cwd` unless absolute; absolute ones must lie below the home folder, and so must `cwd` for
/// relative ones. The launcher refuses `.`, `..`, empty parts, and any path that leads through a link, and anything
/// that is already there. Missing parent folders are made. An entry that is refused ends the run with
/// [`RunError::Tree`](crate::RunError::Tree); here it shows as a broken pipe.
#[derive(Debug)]
pub struct TreeWriter {
    pipe: BufWriter<std::fs::File>,
}

impl TreeWriter {
    pub(crate) fn new(pipe: OwnedFd) -> TreeWriter {
        TreeWriter {
            pipe: BufWriter::with_capacity(BUFFER, pipe.into()),
        }
    }

    /// Modification time, in seconds since 1970, of all files and links from here on; before this it is the time of
    /// writing.
    pub fn set_mtime(&mut self, seconds: i64) -> io::Result<()> {
        self.head(FRAME_TIME, b"", seconds.cast_unsigned())
    }

    /// A regular file.
    pub fn file(&mut self, path: &[u8], executable: bool, content: &[u8]) -> io::Result<()> {
        let kind = if executable {
            FRAME_PROGRAM
        } else {
            FRAME_FILE
        };
        self.head(kind, path, content.len() as u64)?;
        self.pipe.write_all(content)
    }

    /// A regular file with `length` bytes of `content`; fewer are an error.
    pub fn file_from(
        &mut self,
        path: &[u8],
        executable: bool,
        length: u64,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        let kind = if executable {
            FRAME_PROGRAM
        } else {
            FRAME_FILE
        };
        self.head(kind, path, length)?;
        match io::copy(&mut content.take(length), &mut self.pipe)? {
            written if written == length => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// From here on an entry that is refused, or doesn't fit, is left out without a word: what is there stays.
    pub fn restore(&mut self) -> io::Result<()> {
        self.head(FRAME_RESTORE, b"", 0)
    }

    /// A symbolic link; its target is text, never followed here.
    pub fn link(&mut self, path: &[u8], target: &[u8]) -> io::Result<()> {
        if target.is_empty() || target.len() > LONGEST_PATH {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.head(FRAME_LINK, path, target.len() as u64)?;
        self.pipe.write_all(target)
    }

    /// A folder.
    pub fn folder(&mut self, path: &[u8]) -> io::Result<()> {
        self.head(FRAME_FOLDER, path, 0)
    }

    /// Ends the tree: the command may start.
    pub fn finish(mut self) -> io::Result<()> {
        self.head(FRAME_END, b"", 0)?;
        self.pipe.flush()
    }

    fn head(&mut self, kind: u8, path: &[u8], length: u64) -> io::Result<()> {
        let path_length = u32::try_from(path.len())
            .ok()
            .filter(|_| path.len() <= LONGEST_PATH);
        let path_length = path_length.ok_or(io::ErrorKind::InvalidFilename)?;
        self.pipe.write_all(&[kind])?;
        self.pipe.write_all(&path_length.to_le_bytes())?;
        self.pipe.write_all(&length.to_le_bytes())?;
        self.pipe.write_all(path)
    }
}
