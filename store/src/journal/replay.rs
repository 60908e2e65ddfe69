//! Reading the journal back: from a base or a checkpoint to the end, over damage and a torn tail.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::frame::{HEADER, Item, Kind, Reader};
use super::{Files, Position, path};
use crate::error::StoreError;

/// What replaying found.
#[derive(Debug)]
pub(crate) struct Replayed {
    /// Where writing goes on; `None` if there is no segment.
    pub(crate) end: Option<Position>,
    /// Records handed on.
    pub(crate) records: u64,
    /// Bytes of journal segments (without bases).
    pub(crate) journal_bytes: u64,
    /// Bytes of the base that was read.
    pub(crate) base_bytes: u64,
    /// Damage that was stepped over, a line each.
    pub(crate) damage: Vec<String>,
    /// The line about a torn tail.
    pub(crate) torn: Option<String>,
}

/// Hands every sealed record from `from` on to `each`, in order; without `from`, from the newest whole base on.
///
/// Nothing is written, except that a damaged stretch is copied aside when `keep_damage` is set.
pub(crate) fn replay(
    dir: &Path,
    from: Option<Position>,
    keep_damage: bool,
    each: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<Replayed, StoreError> {
    let files = Files::list(dir)?;
    let mut replay = Replayed {
        end: None,
        records: 0,
        journal_bytes: 0,
        base_bytes: 0,
        damage: Vec::new(),
        torn: None,
    };
    let start = match from {
        Some(position) => position.segment,
        None => replay.read_base(dir, &files, each)?,
    };
    let last = files.segments.last().copied();
    let mut expected = None;
    for number in files.segments.iter().copied().filter(|number| *number >= start) {
        if expected.is_some_and(|expected| expected != number) {
            replay.damage.push(format!("journal: a segment is missing before {number:012}.journal"));
        }
        expected = Some(number + 1);
        let offset = from.filter(|from| from.segment == number).map_or(HEADER, |from| from.offset);
        replay.read_segment(dir, number, offset, Some(number) == last, keep_damage, each)?;
    }
    Ok(replay)
}

impl Replayed {
    /// Reads the newest base that is whole; returns the number of the segment to go on with.
    fn read_base(
        &mut self,
        dir: &Path,
        files: &Files,
        each: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        let Some(number) = files.bases.last().copied() else { return Ok(0) };
        let path = path(dir, Kind::Base, number);
        self.base_bytes = fs::metadata(&path).map_err(StoreError::io("open", &path))?.len();
        let mut ended = false;
        if let Some(mut reader) = Reader::open(&path, Kind::Base, number, 0)? {
            while let Some(item) = reader.next()? {
                match item {
                    Item::Records(records, _) => self.hand_on(&records, each)?,
                    Item::End(_) => ended = true,
                    Item::Damaged(from, to) => self.damage.push(stretch(&path, from, to)),
                    Item::Torn(_) => {}
                }
            }
        }
        if !ended {
            // A base gets its name only when it is whole and was read back, so this is damage, not a crash.
            self.damage.push(format!("{}: its end is missing", path.display()));
        }
        Ok(number)
    }

    fn read_segment(
        &mut self,
        dir: &Path,
        number: u64,
        from: u64,
        is_last: bool,
        keep_damage: bool,
        each: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let path = path(dir, Kind::Journal, number);
        let length = fs::metadata(&path).map_err(StoreError::io("open", &path))?.len();
        self.journal_bytes += length;
        let Some(mut reader) = Reader::open(&path, Kind::Journal, number, from)? else {
            self.end = None;
            self.torn = Some(format!("{}: the machine went down while it was made; begun anew", path.display()));
            return Ok(());
        };
        let mut end = from.max(HEADER);
        while let Some(item) = reader.next()? {
            match item {
                Item::Records(records, next) => {
                    self.hand_on(&records, each)?;
                    end = next;
                }
                Item::End(_) => {}
                Item::Damaged(from, to) => {
                    self.damage.push(stretch(&path, from, to));
                    end = to;
                    if keep_damage {
                        set_aside(dir, &path, number, from, to)?;
                    }
                }
                Item::Torn(at) if is_last => {
                    let bytes = length - at;
                    self.torn = Some(format!("{}: cut off a torn record of {bytes} bytes", path.display()));
                }
                Item::Torn(at) => self.damage.push(stretch(&path, at, length)),
            }
        }
        self.end = Some(Position { segment: number, offset: end });
        Ok(())
    }

    fn hand_on(
        &mut self,
        records: &[Vec<u8>],
        each: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for record in records {
            self.records += 1;
            each(record)?;
        }
        Ok(())
    }
}

fn stretch(path: &Path, from: u64, to: u64) -> String {
    format!("{}: {} bytes at offset {from} are damaged", path.display(), to - from)
}

/// Copies a damaged stretch next to the journal, for whoever wants to look at it.
fn set_aside(dir: &Path, path: &Path, number: u64, from: u64, to: u64) -> Result<(), StoreError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|mut file| {
            file.seek(SeekFrom::Start(from))?;
            file.take(to - from).read_to_end(&mut bytes)
        })
        .map_err(StoreError::io("read", path))?;
    crate::folder::write_file(&dir.join(format!("damaged-{number:012}-{from}")), &bytes, 0o600)
}
