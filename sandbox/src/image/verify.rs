//! Compares an image on the disk with its manifest.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use sha2::{Digest, Sha256};

use super::ImageError;
use super::manifest::{self, Entry, Kind, Manifest, escaped};
use super::owners::Owners;

/// Most differences that are told.
const MOST: usize = 100;
/// Longest path that is told.
const LONGEST: usize = 100;

/// What differs, a line for each.
pub(super) fn differences(
    folder: &Path,
    digest: &str,
    owners: Owners,
) -> Result<Vec<String>, ImageError> {
    let text = std::fs::read_to_string(folder.join("manifest"))
        .map_err(ImageError::io("reading the manifest"))?;
    if manifest::digest(&text) != digest {
        return Ok(vec![
            "the manifest doesn't match the image's digest".to_owned(),
        ]);
    }
    let manifest = manifest::parse(&text)
        .ok_or_else(|| ImageError::Corrupt("the manifest can't be read".to_owned()))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(folder.join("tree"), flags, Mode::empty())
        .map_err(|error| ImageError::io("opening the tree")(error.into()))?;
    let mut check = Check {
        left: manifest,
        owners,
        found: Vec::new(),
    };
    check
        .folder(root.as_fd(), b"")
        .map_err(ImageError::io("reading the tree"))?;
    let missing: Vec<String> = check
        .left
        .keys()
        .map(|path| format!("{} is missing", shown(path)))
        .collect();
    check.found.extend(missing);
    check.found.truncate(MOST);
    Ok(check.found)
}

fn shown(path: &[u8]) -> String {
    escaped(path).chars().take(LONGEST).collect()
}

struct Check {
    /// What has not been met yet.
    left: Manifest,
    owners: Owners,
    found: Vec<String>,
}

impl Check {
    fn folder(&mut self, folder: BorrowedFd<'_>, path: &[u8]) -> io::Result<()> {
        for item in rustix::fs::Dir::read_from(folder)? {
            let item = item?;
            let name = item.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let path = match path {
                b"" => name.to_vec(),
                _ => [path, b"/", name].concat(),
            };
            let name = OsStr::from_bytes(name);
            let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
            let open = |flags| {
                let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
                rustix::fs::openat(folder, name, flags, Mode::empty())
            };
            let wrong = match self.left.remove(&path) {
                None => Some("was not imported"),
                Some(entry) => self.compare(&entry, &stat, folder, name)?,
            };
            if let Some(wrong) = wrong {
                self.found.push(format!("{} {wrong}", shown(&path)));
            }
            if FileType::from_raw_mode(stat.st_mode).is_dir() {
                self.folder(open(OFlags::RDONLY | OFlags::DIRECTORY)?.as_fd(), &path)?;
            }
        }
        Ok(())
    }

    fn compare(
        &self,
        entry: &Entry,
        stat: &Stat,
        folder: BorrowedFd<'_>,
        name: &OsStr,
    ) -> io::Result<Option<&'static str>> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        let same = match &entry.kind {
            Kind::Folder => kind.is_dir(),
            Kind::File { size, hash } => {
                kind.is_file()
                    && stat.st_size.cast_unsigned() == *size
                    && hash_of(folder, name)? == *hash
            }
            Kind::Link(target) => {
                kind.is_symlink()
                    && rustix::fs::readlinkat(folder, name, Vec::new())?.to_bytes() == target
            }
        };
        if !same {
            return Ok(Some("has changed"));
        }
        if self.owners.keeps_ids() && (stat.st_uid, stat.st_gid) != (entry.uid, entry.gid) {
            return Ok(Some("has another owner"));
        }
        let mode = self.owners.on_disk(entry.mode, kind.is_dir());
        if !kind.is_symlink() && stat.st_mode & 0o7777 != mode {
            return Ok(Some("has other permissions"));
        }
        Ok(None)
    }
}

fn hash_of(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<[u8; 32]> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut file = File::from(rustix::fs::openat(folder, name, flags, Mode::empty())?);
    let mut hash = Sha256::new();
    io::copy(&mut file, &mut hash)?;
    Ok(hash.finalize().into())
}
