//! The durable truth: append-only segments, and bases that stand for all segments before them.
//!
//! `000000000007.journal` holds commits; `000000000007.base` holds the state that all segments before number 7 led to.

mod base;
mod frame;
mod replay;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub(crate) use base::write as write_base;
pub(crate) use frame::{Kind, records};
pub(crate) use replay::{Replayed, replay};

use crate::error::StoreError;
use crate::folder::sync_dir;

/// A place in the journal: everything before it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

impl Position {
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.segment.to_be_bytes());
        bytes[8..].copy_from_slice(&self.offset.to_be_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Position> {
        let (segment, offset) = bytes.split_first_chunk::<8>()?;
        Some(Position {
            segment: u64::from_be_bytes(*segment),
            offset: u64::from_be_bytes(offset.try_into().ok()?),
        })
    }
}

/// The files of a journal, sorted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Files {
    /// Numbers of journal segments.
    pub(crate) segments: Vec<u64>,
    /// Numbers of bases.
    pub(crate) bases: Vec<u64>,
}

impl Files {
    /// What is in the folder; names of other shapes are left alone.
    pub(crate) fn list(dir: &Path) -> Result<Files, StoreError> {
        let mut files = Files::default();
        for entry in fs::read_dir(dir).map_err(StoreError::io("read", dir))? {
            let name = entry.map_err(StoreError::io("read", dir))?.file_name();
            let Some((number, kind)) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match kind {
                "journal" => files.segments.push(number),
                "base" => files.bases.push(number),
                _ => {}
            }
        }
        files.segments.sort_unstable();
        files.bases.sort_unstable();
        Ok(files)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.bases.is_empty()
    }
}

/// Path of a segment.
pub(crate) fn path(dir: &Path, kind: Kind, number: u64) -> PathBuf {
    dir.join(match kind {
        Kind::Journal => format!("{number:012}.journal"),
        Kind::Base => format!("{number:012}.base"),
    })
}

/// The segment that is written to. Has one owner: the writer thread.
#[derive(Debug)]
pub(crate) struct Journal {
    dir: PathBuf,
    path: PathBuf,
    file: File,
    end: Position,
    closed: Option<String>,
}

impl Journal {
    /// Goes on writing at `end`; whatever is in the segment behind it is cut off.
    pub(crate) fn resume(dir: &Path, end: Position) -> Result<Journal, StoreError> {
        let path = path(dir, Kind::Journal, end.segment);
        let file = OpenOptions::new().write(true).open(&path).map_err(StoreError::io("open", &path))?;
        let length = file.metadata().map_err(StoreError::io("open", &path))?.len();
        if length > end.offset {
            file.set_len(end.offset).and_then(|()| file.sync_data()).map_err(StoreError::io("cut", &path))?;
        }
        Ok(Journal { dir: dir.to_owned(), path, file, end, closed: None })
    }

    /// Starts segment `number`, durably.
    pub(crate) fn start(dir: &Path, number: u64) -> Result<Journal, StoreError> {
        let path = path(dir, Kind::Journal, number);
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .map_err(StoreError::io("create", &path))?;
        file.write_all(&frame::header(Kind::Journal, number))
            .and_then(|()| file.sync_all())
            .map_err(StoreError::io("write", &path))?;
        sync_dir(dir)?;
        let end = Position { segment: number, offset: frame::HEADER };
        Ok(Journal { dir: dir.to_owned(), path, file, end, closed: None })
    }

    /// Where the next frame goes.
    pub(crate) fn end(&self) -> Position {
        self.end
    }

    /// Appends frames and makes them durable, all or none.
    pub(crate) fn append(&mut self, frames: &[u8]) -> Result<(), StoreError> {
        if let Some(first) = &self.closed {
            return Err(StoreError::Closed { path: self.path.clone(), first: first.clone() });
        }
        let result = self.file.write_all_at(frames, self.end.offset).and_then(|()| self.file.sync_data());
        match result {
            Ok(()) => {
                self.end.offset += frames.len() as u64;
                Ok(())
            }
            Err(error) => {
                // What was not acknowledged must not come back at the next start.
                let undo = self.file.set_len(self.end.offset).and_then(|()| self.file.sync_data());
                if undo.is_err() {
                    self.closed = Some(error.to_string());
                }
                Err(StoreError::io("write", &self.path)(error))
            }
        }
    }

    /// Goes on in a new segment.
    pub(crate) fn rotate(&mut self) -> Result<(), StoreError> {
        if self.closed.is_none() {
            *self = Journal::start(&self.dir, self.end.segment + 1)?;
        }
        Ok(())
    }
}
