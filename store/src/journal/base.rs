//! Writing a base: the present state as one file, read back before it gets its name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::frame::{self, Item, Kind, Reader};
use super::{Files, path};
use crate::error::StoreError;
use crate::folder::sync_dir;

/// Records of one frame; small enough that damage costs little.
const PER_FRAME: usize = 64;

/// Writes base `number` from `records`, reads it back with `check` on each record, and only then lets everything
/// before segment `number` go. Returns its size.
pub(crate) fn write(
    dir: &Path,
    number: u64,
    records: &mut dyn Iterator<Item = Result<Vec<u8>, StoreError>>,
    check: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    let temporary = dir.join("base.new");
    let written = write_records(&temporary, number, records)?;
    let read = read_back(&temporary, number, check)?;
    if read != written {
        let what = format!("{written} records were written but {read} can be read back");
        return Err(StoreError::Damaged { path: temporary, what });
    }
    let path = path(dir, Kind::Base, number);
    fs::rename(&temporary, &path).map_err(StoreError::io("write", &path))?;
    sync_dir(dir)?;
    remove_before(dir, number)?;
    Ok(fs::metadata(&path).map_err(StoreError::io("open", &path))?.len())
}

fn write_records(
    path: &Path,
    number: u64,
    records: &mut dyn Iterator<Item = Result<Vec<u8>, StoreError>>,
) -> Result<u64, StoreError> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(StoreError::io("create", path))?;
    let mut output = BufWriter::new(file);
    let mut put = |bytes: &[u8]| output.write_all(bytes).map_err(StoreError::io("write", path));
    put(&frame::header(Kind::Base, number))?;
    let mut count = 0_u64;
    let mut batch = Vec::with_capacity(PER_FRAME);
    for record in records {
        batch.push(record?);
        count += 1;
        if batch.len() == PER_FRAME {
            put(&frame::records(batch.iter().map(Vec::as_slice)))?;
            batch.clear();
        }
    }
    put(&frame::records(batch.iter().map(Vec::as_slice)))?;
    put(&frame::end(count))?;
    let finish = |output: BufWriter<File>| -> io::Result<()> { output.into_inner()?.sync_all() };
    finish(output).map_err(StoreError::io("write", path))?;
    Ok(count)
}

fn read_back(
    path: &Path,
    number: u64,
    check: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    let damaged = |what: &str| StoreError::Damaged { path: path.to_owned(), what: what.to_owned() };
    let mut reader = Reader::open(path, Kind::Base, number, 0)?.ok_or_else(|| damaged("it is cut off"))?;
    let mut count = 0;
    loop {
        match reader.next()? {
            Some(Item::Records(records, _)) => {
                for record in &records {
                    count += 1;
                    check(record)?;
                }
            }
            Some(Item::End(said)) if said == count => return Ok(count),
            _ => return Err(damaged("it can't be read back")),
        }
    }
}

fn remove_before(dir: &Path, number: u64) -> Result<(), StoreError> {
    let files = Files::list(dir)?;
    let old = |kind: Kind, numbers: &[u64]| -> Vec<_> {
        numbers.iter().filter(|old| **old < number).map(|old| path(dir, kind, *old)).collect()
    };
    for path in old(Kind::Journal, &files.segments).into_iter().chain(old(Kind::Base, &files.bases)) {
        fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
    }
    sync_dir(dir)
}
