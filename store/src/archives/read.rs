//! Reading an archive.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use super::format::{self, Entry};
use super::{About, Archive};
use crate::error::StoreError;
use crate::shared::Shared;

/// Ends every archive of this format.
pub(super) const MARK: [u8; 8] = *b"assay-1\n";
/// Length of what is known, and the mark.
const TAIL: u64 = 12;
/// Longest sealed [`About`].
const LONGEST_ABOUT: u64 = 64 * 1024;

impl Archive {
    /// The archive in this file; `None` when there is none.
    pub(super) fn open(path: PathBuf, shared: &Arc<Shared>) -> Result<Option<Archive>, StoreError> {
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("open", &path)(error)),
        };
        let read = read_about(&mut file, shared).map_err(|error| damaged(&path, &error))?;
        let meta = file.metadata().map_err(StoreError::io("open", &path))?;
        Ok(Some(Archive {
            about: read.0,
            size: meta.len(),
            used: meta.modified().map_err(StoreError::io("open", &path))?,
            path,
            shared: Arc::clone(shared),
        }))
    }

    /// Gives every entry to `sink`, in the order they were added. What of a content isn't read is passed over.
    ///
    /// # Errors
    /// An archive that was altered, or is gone; and what `sink` says, as [`StoreError::Io`].
    pub fn read(
        &self,
        sink: &mut dyn FnMut(Entry<'_>) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        let opened = StoreError::io("open", &self.path);
        let mut file = File::open(&self.path).map_err(opened)?;
        let (about, body) =
            read_about(&mut file, &self.shared).map_err(|error| damaged(&self.path, &error))?;
        file.rewind().map_err(StoreError::io("read", &self.path))?;
        let unsealed = self
            .shared
            .keys
            .unseal_stream(BufReader::new(file.take(body)));
        let unsealed = unsealed.map_err(|error| damaged(&self.path, &error))?;
        let plain = zstd::Decoder::new(unsealed);
        let mut plain = BufReader::new(plain.map_err(|error| damaged(&self.path, &error))?);
        format::read_all(&mut plain, about.bytes, sink).map_err(StoreError::io("read", &self.path))
    }
}

/// What is known of an archive, and the length of what lies before it.
fn read_about(file: &mut File, shared: &Shared) -> io::Result<(About, u64)> {
    let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let whole = file.metadata()?.len();
    let tail_at = whole.checked_sub(TAIL).ok_or_else(short)?;
    file.seek(SeekFrom::Start(tail_at))?;
    let mut tail = [0; 12];
    file.read_exact(&mut tail)?;
    let [a, b, c, d, mark @ ..] = tail;
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    if mark != MARK || length > LONGEST_ABOUT {
        return Err(io::Error::other("it is no archive of this format"));
    }
    let body = tail_at.checked_sub(length).ok_or_else(short)?;
    file.seek(SeekFrom::Start(body))?;
    let mut sealed = Vec::new();
    (&mut *file).take(length).read_to_end(&mut sealed)?;
    let about = shared.keys.unseal_bytes(&sealed)?;
    Ok((serde_json::from_slice(&about)?, body))
}

fn damaged(path: &std::path::Path, error: &io::Error) -> StoreError {
    StoreError::Damaged {
        path: path.to_owned(),
        what: error.to_string(),
    }
}
