//! The index of a work tree that has just been laid out.

use gix::ObjectId;
use gix::bstr::BStr;
use gix::hash::Kind as Hash;
use gix::index::entry::{Flags, Mode, Stat, stat::Time};
use gix::objs::tree::EntryKind;

use super::error::chain;

/// An index being filled, entry by entry.
#[derive(Debug)]
pub(super) struct Index {
    state: gix::index::State,
    mtime: Time,
}

impl Index {
    /// `mtime`: modification time of all files, seconds since the epoch.
    pub(super) fn new(hash: Hash, mtime: i64) -> Index {
        let secs = u32::try_from(mtime.max(0)).unwrap_or(u32::MAX);
        Index { state: gix::index::State::new(hash), mtime: Time { secs, nsecs: 0 } }
    }

    /// Adds a path with the size its file has.
    ///
    /// Of the rest of the stat data nothing is known: the work tree's configuration tells Git to look at type, size and
    /// time only (`core.checkStat=minimal`).
    pub(super) fn add(&mut self, path: &BStr, kind: EntryKind, id: ObjectId, size: usize) {
        let mode = match kind {
            EntryKind::Tree => return,
            EntryKind::Blob => Mode::FILE,
            EntryKind::BlobExecutable => Mode::FILE_EXECUTABLE,
            EntryKind::Link => Mode::SYMLINK,
            EntryKind::Commit => Mode::COMMIT,
        };
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let stat = Stat { mtime: self.mtime, ctime: self.mtime, size, ..Stat::default() };
        self.state.dangerously_push_entry(stat, id, Flags::empty(), mode, path);
    }

    /// The file.
    pub(super) fn into_bytes(mut self) -> Result<Vec<u8>, String> {
        self.state.sort_entries();
        let mut bytes = Vec::new();
        let options = gix::index::write::Options::default();
        gix::index::File::from_state(self.state, "index")
            .write_to(&mut bytes, options)
            .map_err(|error| chain(&error))?;
        Ok(bytes)
    }
}
