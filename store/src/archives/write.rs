//! Writing an archive.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use age::stream::StreamWriter;
use assay_plan::{RepoId, Time};
use sha2::{Digest, Sha256};

use super::format::{self, Entry};
use super::read::MARK;
use super::{About, Archive, Archives, UNFINISHED, hex};
use crate::error::StoreError;
use crate::folder::{make_dir, remove_all, sync_dir};

/// zstd's own middle way between speed and size.
const LEVEL: i32 = 3;

/// What became of an archive that was written.
#[derive(Debug)]
pub enum Kept {
    /// It is stored.
    New(Archive),
    /// One with the same content is there already, and stays.
    Same(Archive),
    /// It is larger than everything of its repository may be; nothing is stored.
    TooLarge(u64),
}

/// An archive that is being written; dropping it leaves nothing.
pub struct ArchiveWriter {
    archives: Archives,
    repo: RepoId,
    unfinished: Unfinished,
    out: zstd::Encoder<'static, StreamWriter<BufWriter<File>>>,
    hash: Sha256,
    bytes: u64,
    entries: u64,
}

impl std::fmt::Debug for ArchiveWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArchiveWriter")
            .field("path", &self.unfinished.0)
            .finish_non_exhaustive()
    }
}

/// A file that is removed unless it has been renamed.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Err(error) = remove_all(&self.0) {
            tracing::warn!(%error, "an unfinished archive stays");
        }
    }
}

impl ArchiveWriter {
    pub(super) fn new(archives: Archives, repo: RepoId) -> Result<ArchiveWriter, StoreError> {
        let folder = archives.folder(repo);
        archives.known(repo)?;
        make_dir(&folder, 0o700)?;
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(StoreError::Random)?;
        let path = folder.join(format!("{UNFINISHED}{}", hex(&random)));
        let out = encoder(&archives, &path).map_err(StoreError::io("write", &path))?;
        Ok(ArchiveWriter {
            archives,
            repo,
            unfinished: Unfinished(path),
            out,
            hash: Sha256::new(),
            bytes: 0,
            entries: 0,
        })
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// A path that is not absolute and plain, a content that is cut off, a full disk.
    pub fn add(&mut self, mut entry: Entry<'_>) -> Result<(), StoreError> {
        let added = self.try_add(&mut entry);
        added.map_err(StoreError::io("write", &self.unfinished.0))
    }

    fn try_add(&mut self, entry: &mut Entry<'_>) -> io::Result<()> {
        let (head, counts) = format::head(entry)?;
        self.out.write_all(&head)?;
        if counts {
            self.hash.update(&head);
            self.entries += 1;
        }
        match entry {
            Entry::File {
                length, content, ..
            } => {
                self.bytes = self.bytes.saturating_add(*length);
                self.copy(*length, *content)
            }
            Entry::Link { target, .. } => {
                self.hash.update(*target);
                self.out.write_all(target)
            }
            Entry::Time(_) | Entry::Folder { .. } => Ok(()),
        }
    }

    fn copy(&mut self, mut length: u64, content: &mut dyn Read) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        while length > 0 {
            let most = usize::try_from(length).map_or(buffer.len(), |left| left.min(buffer.len()));
            let read = content.read(&mut buffer[..most])?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.hash.update(&buffer[..read]);
            self.out.write_all(&buffer[..read])?;
            length -= read as u64;
        }
        Ok(())
    }

    /// Whether nothing has been added.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Makes it durable under this place and name, in place of what is there, and lets the least recently used archives
    /// of the repository go until all together have no more than `most` bytes.
    ///
    /// # Errors
    /// A repository that was removed meanwhile, a full disk.
    pub fn finish(self, place: &str, name: &str, now: Time, most: u64) -> Result<Kept, StoreError> {
        let ArchiveWriter {
            archives,
            repo,
            unfinished,
            out,
            hash,
            bytes,
            entries,
        } = self;
        let about = About {
            place: place.to_owned(),
            name: name.to_owned(),
            hash: hex(&hash.finalize()),
            bytes,
            entries,
            stored_at: now.seconds(),
        };
        if let Ok(Some(old)) = archives.find(repo, place, name)
            && old.about.hash == about.hash
        {
            old.touch()?;
            return Ok(Kept::Same(old));
        }
        let path = &unfinished.0;
        close(out, &archives, &about).map_err(StoreError::io("write", path))?;
        let size = fs::metadata(path)
            .map_err(StoreError::io("open", path))?
            .len();
        if size > most {
            return Ok(Kept::TooLarge(size));
        }
        let target = archives.path(repo, place, name);
        {
            // A repository that is being removed gets nothing any more.
            let _guard = archives
                .shared
                .removal
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            archives.known(repo)?;
            fs::rename(path, &target).map_err(StoreError::io("rename", path))?;
        }
        sync_dir(target.parent().unwrap_or(&target))?;
        archives.shrink(repo, most)?;
        match Archive::open(target, &archives.shared)? {
            Some(archive) => Ok(Kept::New(archive)),
            None => Ok(Kept::TooLarge(size)),
        }
    }
}

impl Archives {
    fn known(&self, repo: RepoId) -> Result<(), StoreError> {
        match self.shared.keys.get(repo)? {
            Some(_) => Ok(()),
            None => Err(StoreError::UnknownRepository(repo)),
        }
    }
}

fn encoder(
    archives: &Archives,
    path: &Path,
) -> io::Result<zstd::Encoder<'static, StreamWriter<BufWriter<File>>>> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let sealed = archives.shared.keys.seal_stream(BufWriter::new(file))?;
    zstd::Encoder::new(sealed, LEVEL)
}

fn close(
    mut out: zstd::Encoder<'static, StreamWriter<BufWriter<File>>>,
    archives: &Archives,
    about: &About,
) -> io::Result<()> {
    format::write_end(&mut out)?;
    let mut file = out.finish()?.finish()?;
    let about = archives
        .shared
        .keys
        .seal_bytes(&serde_json::to_vec(about)?)?;
    file.write_all(&about)?;
    let length = u32::try_from(about.len()).map_err(io::Error::other)?;
    file.write_all(&length.to_le_bytes())?;
    file.write_all(&MARK)?;
    file.into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .sync_all()
}
