//! Copying many objects as one pack; what the source has packed already is taken over as it is.

use std::cell::RefCell;
use std::fs;
use std::io::{self, BufRead, Read};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;

use gix::ObjectId;
use gix::progress::Discard;
use gix_pack::bundle::write as bundle;
use gix_pack::data::output::bytes::FromEntriesIter;
use gix_pack::data::output::count::objects::ObjectExpansion;
use gix_pack::data::output::{Entry, count, entry};
use gix_pack::data::{Version, input::Mode};

use super::error::{GitError, chain};
use super::mirrors::{Mirror, make_readable};
use super::objects::{LARGEST_OBJECT, Objects};

/// Objects prepared at a time; bounds memory.
const CHUNK: usize = 64;

/// Copies `wanted` into the mirror. They appear together, when the pack's index gets its name.
pub(super) fn copy(from: &Objects, mirror: &Mirror, wanted: &[ObjectId]) -> Result<(), GitError> {
    let source = |error: gix::Error| GitError::Repository {
        path: from.repository.clone(),
        what: chain(&error),
    };
    let target = |what: String| GitError::Repository {
        path: mirror.path.clone(),
        what,
    };
    let stop = AtomicBool::new(false);
    let mut odb = from
        .odb
        .clone()
        .into_arc()
        .map_err(GitError::repository(&from.repository))?;
    odb.prevent_pack_unload();
    let ids = &mut wanted.iter().map(|id| Ok(*id));
    let (counts, _) = count::objects_unthreaded(&odb, ids, &Discard, &stop, ObjectExpansion::AsIs)
        .map_err(source)?;
    let number = u32::try_from(counts.len()).map_err(|_| GitError::TooLarge {
        what: "history".to_owned(),
        size: counts.len() as u64,
        limit: u32::MAX.into(),
    })?;
    let options = entry::iter_from_counts::Options {
        thread_limit: Some(1),
        mode: entry::iter_from_counts::Mode::PackCopyAndBaseObjects,
        allow_thin_pack: false,
        chunk_size: CHUNK,
        version: Version::V2,
        compression: gix::zlib::Compression::BEST_SPEED,
    };
    let entries =
        entry::iter_from_counts(counts, odb, Box::new(Discard), options).map_err(source)?;
    let entries = gix::parallel::InOrderIter::from(entries);
    let output = Rc::new(RefCell::new(Vec::new()));
    let entries = FromEntriesIter::new(
        entries,
        Buffer(Rc::clone(&output)),
        number,
        Version::V2,
        mirror.hash,
    );
    let mut stream = Stream {
        entries,
        output,
        current: Vec::new(),
        at: 0,
    };
    let dir = mirror.objects_dir().join("pack");
    remove_leftovers(&dir);
    let outcome = gix_pack::Bundle::write_to_directory(
        &mut stream,
        Some(&dir),
        &mut Discard,
        &stop,
        None::<gix::odb::Handle>,
        mirror.hash,
        bundle::Options {
            thread_limit: Some(1),
            iteration_mode: Mode::Verify,
            alloc_limit_bytes: Some(LARGEST_OBJECT),
            ..Default::default()
        },
    )
    .map_err(|error| target(chain(&error)))?;
    let (Some(data), Some(index)) = (&outcome.data_path, &outcome.index_path) else {
        return Err(target("no pack was written".to_owned()));
    };
    let written =
        gix_pack::index::File::at(index, mirror.hash).map_err(|error| target(chain(&error)))?;
    // The index names objects by their real content: what is not in it was damaged in the source.
    if let Some(id) = wanted.iter().find(|id| written.lookup(id).is_none()) {
        drop(written);
        for path in [index, data] {
            fs::remove_file(path).map_err(|error| target(error.to_string()))?;
        }
        return Err(from.damaged(id, "its content has another id".to_owned()));
    }
    for path in [data, index] {
        make_readable(path, 0o444)?;
    }
    if let Some(keep) = &outcome.keep_path {
        fs::remove_file(keep).map_err(|error| target(error.to_string()))?;
    }
    Ok(())
}

/// Removes what a crash in the middle of a copy left behind. The mirror's lock is held.
fn remove_leftovers(dir: &std::path::Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if !entry.file_name().as_encoded_bytes().starts_with(b"pack-") {
            // If it stays, it only takes room.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Where objects stand in the packs of a mirror.
pub(super) struct Order {
    indices: Vec<gix_pack::index::File>,
}

impl Order {
    /// Opens the indices; one that can't be read just helps nobody.
    pub(super) fn read(mirror: &Mirror) -> Order {
        let dir = mirror.objects_dir().join("pack");
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        let indices = paths.filter(|path| path.extension().is_some_and(|end| end == "idx"));
        let open = |path: PathBuf| gix_pack::index::File::at(path, mirror.hash).ok();
        Order {
            indices: indices.filter_map(open).collect(),
        }
    }

    /// Pack and offset; nothing for an object that is in none.
    pub(super) fn place(&self, id: &gix::oid) -> Option<(usize, u64)> {
        let find = |(pack, index): (usize, &gix_pack::index::File)| {
            index
                .lookup(id)
                .map(|entry| (pack, index.pack_offset_at_index(entry)))
        };
        self.indices.iter().enumerate().find_map(find)
    }
}

/// Where the encoded pack goes before it is read.
struct Buffer(Rc<RefCell<Vec<u8>>>);

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The bytes of a pack, made as they are read.
struct Stream<I> {
    entries: FromEntriesIter<I, Buffer>,
    output: Rc<RefCell<Vec<u8>>>,
    current: Vec<u8>,
    at: usize,
}

impl<I: Iterator<Item = gix::Result<Vec<Entry>>>> BufRead for Stream<I> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.current.len() {
            self.current.clear();
            self.at = 0;
            let more = self.entries.next();
            std::mem::swap(&mut self.current, &mut self.output.borrow_mut());
            match more {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(io::Error::other(chain(&error))),
                None => break,
            }
        }
        Ok(&self.current[self.at..])
    }

    fn consume(&mut self, amount: usize) {
        self.at += amount;
    }
}

impl<I: Iterator<Item = gix::Result<Vec<Entry>>>> Read for Stream<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.fill_buf()?.read(buffer)?;
        self.consume(got);
        Ok(got)
    }
}
