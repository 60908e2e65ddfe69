//! Writes an image's tree beneath one folder, and remembers what it wrote.
//!
//! Names come from strangers: nothing is made outside the folder, nothing through a link, no device, no set-uid bit.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::ImageError;
use super::manifest::{Entry, Kind, Manifest, escaped};
use super::owners::{Owners, SPAN};

/// Deepest nesting of folders.
const DEEPEST: usize = 200;
/// Longest path.
const LONGEST: usize = 4000;
/// Bytes of all paths and link targets of an image: they are held in memory while it is made.
const MOST_NAMES: usize = 256 << 20;
/// Most entries of an image.
const MOST_ENTRIES: usize = 3_000_000;
/// Left free on the disk, whatever an image unpacks to: its hundredth part, at most so many bytes.
const RESERVE: u64 = 1 << 30;
/// Whom an owner becomes that doesn't fit into a job's range of uids.
const NOBODY: u32 = 65_534;
const CHUNK: usize = 256 * 1024;

/// Permissions, owner and time of one entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meta {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: i64,
}

/// A tree that is being written.
pub(super) struct Tree {
    root: OwnedFd,
    owners: Owners,
    entries: Manifest,
    /// The folder that the last entry went to: neighbours come one after the other.
    parent: Option<(Vec<u8>, Rc<OwnedFd>)>,
    layer: usize,
    /// Folders that this layer has emptied of what lay below.
    emptied: BTreeSet<Vec<u8>>,
    /// Bytes of paths and link targets that may still come.
    names: usize,
    /// Bytes that may still be written.
    room: u64,
    /// Bytes written.
    pub(super) bytes: u64,
    /// Devices, pipes and sockets left out.
    pub(super) skipped: u64,
}

impl Tree {
    /// Starts with the empty folder `root`.
    pub(super) fn new(root: OwnedFd, owners: Owners) -> io::Result<Tree> {
        let disk = rustix::fs::fstatvfs(&root)?;
        let reserve = RESERVE.min(disk.f_blocks.saturating_mul(disk.f_frsize) / 100);
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        Ok(Tree {
            root,
            owners,
            entries: Manifest::new(),
            parent: None,
            layer: 0,
            emptied: BTreeSet::new(),
            names: MOST_NAMES,
            room: free.saturating_sub(reserve),
            bytes: 0,
            skipped: 0,
        })
    }

    /// What comes from here on lies over what came before.
    pub(super) fn next_layer(&mut self) {
        self.layer += 1;
        self.emptied.clear();
    }

    /// Something that an image can't hold.
    pub(super) fn skip(&mut self) {
        self.skipped += 1;
    }

    /// A folder; one that is there already takes on `meta`.
    pub(super) fn folder(&mut self, name: &[u8], meta: Meta) -> Result<(), ImageError> {
        let Some(path) = plain(name)? else {
            // The root's own entry: its owner and permissions are always root's and 0755.
            return Ok(());
        };
        let (parent, last) = self.parent(&path)?;
        if !matches!(
            self.entries.get(&path),
            Some(Entry {
                kind: Kind::Folder,
                ..
            })
        ) {
            self.clear(&path)?;
            let made =
                rustix::fs::mkdirat(&parent, OsStr::from_bytes(last), Mode::from_raw_mode(0o700));
            made.map_err(|error| refused(&path, &error.into()))?;
        }
        self.record(path, Kind::Folder, meta)
    }

    /// A regular file with this content.
    pub(super) fn file(
        &mut self,
        name: &[u8],
        meta: Meta,
        content: &mut dyn Read,
    ) -> Result<u64, ImageError> {
        let path = named(name)?;
        let (parent, last) = self.parent(&path)?;
        self.clear(&path)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(
            &parent,
            OsStr::from_bytes(last),
            flags,
            Mode::from_raw_mode(0o600),
        )
        .map_err(|error| refused(&path, &error.into()))?;
        let (size, hash) = self.fill(&path, file.as_fd(), content)?;
        self.finish_file(file.as_fd(), meta)
            .map_err(|error| refused(&path, &error))?;
        self.record(path, Kind::File { size, hash }, meta)?;
        Ok(size)
    }

    /// A symbolic link; its target is text and means a place inside the job.
    pub(super) fn link(
        &mut self,
        name: &[u8],
        meta: Meta,
        target: &[u8],
    ) -> Result<(), ImageError> {
        let path = named(name)?;
        let (parent, last) = self.parent(&path)?;
        self.clear(&path)?;
        let last = OsStr::from_bytes(last);
        let made = rustix::fs::symlinkat(OsStr::from_bytes(target), &parent, last)
            .map_err(io::Error::from)
            .and_then(|()| self.own_at(parent.as_fd(), last, meta))
            .and_then(|()| {
                Ok(rustix::fs::utimensat(
                    &parent,
                    last,
                    &times(meta.mtime),
                    AtFlags::SYMLINK_NOFOLLOW,
                )?)
            });
        made.map_err(|error| refused(&path, &error))?;
        self.record(path, Kind::Link(target.to_owned()), meta)
    }

    /// A second name of a file that came before.
    pub(super) fn hard_link(&mut self, name: &[u8], target: &[u8]) -> Result<(), ImageError> {
        let (path, target) = (named(name)?, named(target)?);
        let entry = match self.entries.get(&target) {
            Some(entry) if entry.kind != Kind::Folder => entry.clone(),
            _ => return Err(broken(&path, "is a link to a file that isn't in the image")),
        };
        let (parent, last) = self.parent(&path)?;
        if path == target {
            return Ok(());
        }
        self.clear(&path)?;
        let (from, from_last) = self.parent(&target)?;
        rustix::fs::linkat(
            &from,
            OsStr::from_bytes(from_last),
            &parent,
            OsStr::from_bytes(last),
            AtFlags::empty(),
        )
        .map_err(|error| refused(&path, &error.into()))?;
        let meta = Meta {
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
        };
        self.record(path, entry.kind, meta)
    }

    /// Takes away what an earlier layer put at `name`.
    pub(super) fn white_out(&mut self, name: &[u8]) -> Result<(), ImageError> {
        let path = named(name)?;
        match self.entries.get(&path) {
            Some(entry) if entry.layer < self.layer => self.clear(&path),
            _ => Ok(()),
        }
    }

    /// Takes away what earlier layers put into the folder `name`.
    pub(super) fn empty(&mut self, name: &[u8]) -> Result<(), ImageError> {
        let prefix = plain(name)?.map_or_else(Vec::new, |mut path| {
            path.push(b'/');
            path
        });
        if !self.emptied.insert(prefix.clone()) {
            return Ok(());
        }
        let old: Vec<Vec<u8>> = below(&self.entries, &prefix)
            .filter(|(path, entry)| {
                entry.layer < self.layer && !path[prefix.len()..].contains(&b'/')
            })
            .map(|(path, _)| path.clone())
            .collect();
        old.iter().try_for_each(|path| self.clear(path))
    }

    /// Gives folders their owners, permissions and times, the deepest first, and returns what the tree consists of.
    pub(super) fn finish(mut self) -> Result<Manifest, ImageError> {
        let entries = std::mem::take(&mut self.entries);
        for (path, entry) in entries.iter().rev() {
            if entry.kind != Kind::Folder {
                continue;
            }
            let meta = Meta {
                mode: entry.mode,
                uid: entry.uid,
                gid: entry.gid,
                mtime: entry.mtime,
            };
            let done = self
                .open(path, OFlags::RDONLY | OFlags::DIRECTORY)
                .and_then(|fd| self.finish_file(fd.as_fd(), meta));
            done.map_err(|error| refused(path, &error))?;
        }
        let root = Meta {
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtime: 0,
        };
        self.finish_file(self.root.as_fd(), root)
            .and_then(|()| Ok(rustix::fs::syncfs(&self.root)?))
            .map_err(ImageError::io("finishing the tree"))?;
        Ok(entries)
    }

    fn record(&mut self, path: Vec<u8>, kind: Kind, meta: Meta) -> Result<(), ImageError> {
        let fit = |id: u32| if id < SPAN { id } else { NOBODY };
        let entry = Entry {
            kind,
            mode: meta.mode & 0o7777,
            uid: fit(meta.uid),
            gid: fit(meta.gid),
            mtime: meta.mtime,
            layer: self.layer,
        };
        let target = match &entry.kind {
            Kind::Link(target) => target.len(),
            _ => 0,
        };
        self.names = self
            .names
            .checked_sub(path.len() + target)
            .ok_or_else(|| ImageError::TooLarge("its paths alone fill the memory".to_owned()))?;
        self.entries.insert(path, entry);
        match self.entries.len() > MOST_ENTRIES {
            true => Err(ImageError::TooLarge(format!(
                "more than {MOST_ENTRIES} files"
            ))),
            false => Ok(()),
        }
    }

    /// Copies, counts and hashes.
    fn fill(
        &mut self,
        path: &[u8],
        file: BorrowedFd<'_>,
        content: &mut dyn Read,
    ) -> Result<(u64, [u8; 32]), ImageError> {
        let mut file = std::fs::File::from(
            file.try_clone_to_owned()
                .map_err(|error| refused(path, &error))?,
        );
        let (mut buffer, mut hash, mut size) = (vec![0; CHUNK], Sha256::new(), 0);
        loop {
            let read = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken(path, &format!("can't be read: {error}"))),
            };
            let (bytes, length) = (&buffer[..read], read as u64);
            if length > self.room {
                return Err(ImageError::TooLarge(
                    "more than the disk has room for".to_owned(),
                ));
            }
            self.room -= length;
            size += length;
            hash.update(bytes);
            file.write_all(bytes)
                .map_err(|error| refused(path, &error))?;
        }
        self.bytes += size;
        Ok((size, hash.finalize().into()))
    }

    /// Owner first: a change of owner may change permissions.
    fn finish_file(&self, fd: BorrowedFd<'_>, meta: Meta) -> io::Result<()> {
        if let Some((uid, gid)) = self.owner(meta) {
            rustix::fs::fchown(fd, Some(uid), Some(gid))?;
        }
        let folder = FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode).is_dir();
        let mode = self.owners.on_disk(meta.mode, folder);
        rustix::fs::fchmod(fd, Mode::from_raw_mode(mode))?;
        Ok(rustix::fs::futimens(fd, &times(meta.mtime))?)
    }

    fn own_at(&self, parent: BorrowedFd<'_>, name: &OsStr, meta: Meta) -> io::Result<()> {
        match self.owner(meta) {
            Some((uid, gid)) => {
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                Ok(rustix::fs::chownat(
                    parent,
                    name,
                    Some(uid),
                    Some(gid),
                    flags,
                )?)
            }
            None => Ok(()),
        }
    }

    fn owner(&self, meta: Meta) -> Option<(Uid, Gid)> {
        let fit = |id: u32| if id < SPAN { id } else { NOBODY };
        self.owners
            .keeps_ids()
            .then(|| (Uid::from_raw(fit(meta.uid)), Gid::from_raw(fit(meta.gid))))
    }

    /// Removes what is at `path`, with everything below it.
    fn clear(&mut self, path: &[u8]) -> Result<(), ImageError> {
        let Some(entry) = self.entries.remove(path) else {
            return Ok(());
        };
        let (parent, last) = self.parent(path)?;
        if entry.kind == Kind::Folder {
            let prefix = [path, b"/"].concat();
            let inner: Vec<Vec<u8>> = below(&self.entries, &prefix)
                .map(|(path, _)| path.clone())
                .collect();
            for path in &inner {
                self.entries.remove(path);
            }
            self.parent = None;
        }
        remove(parent.as_fd(), OsStr::from_bytes(last)).map_err(|error| refused(path, &error))
    }

    /// Opens the folder that holds `path`, making it where it is missing. No link is followed.
    fn parent<'p>(&mut self, path: &'p [u8]) -> Result<(Rc<OwnedFd>, &'p [u8]), ImageError> {
        let (folder, last) = match path.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&path[..0], path),
        };
        if let Some((name, fd)) = &self.parent
            && name == folder
        {
            return Ok((Rc::clone(fd), last));
        }
        if !folder.is_empty() && !self.entries.contains_key(folder) {
            let meta = Meta {
                mode: 0o755,
                uid: 0,
                gid: 0,
                mtime: 0,
            };
            self.folder(folder, meta)?;
        }
        let fd = self.open(folder, OFlags::PATH | OFlags::DIRECTORY);
        let fd = Rc::new(fd.map_err(|error| match error.raw_os_error() {
            Some(libc::ELOOP | libc::ENOTDIR) => broken(path, "leads through a link or a file"),
            _ => refused(path, &error),
        })?);
        self.parent = Some((folder.to_owned(), Rc::clone(&fd)));
        Ok((fd, last))
    }

    fn open(&self, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
        beneath(self.root.as_fd(), path, flags)
    }
}

/// The entries whose paths begin with `prefix`.
fn below<'a>(
    entries: &'a Manifest,
    prefix: &'a [u8],
) -> impl Iterator<Item = (&'a Vec<u8>, &'a Entry)> {
    entries
        .range(prefix.to_owned()..)
        .take_while(move |(path, _)| path.starts_with(prefix))
}

/// Opens a path below `root` without following any link.
pub(super) fn beneath(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let path = if path.is_empty() { b"." } else { path };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let mut flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    if !flags.contains(OFlags::PATH) {
        flags |= OFlags::NONBLOCK;
    }
    Ok(rustix::fs::openat2(
        root,
        OsStr::from_bytes(path),
        flags,
        Mode::empty(),
        resolve,
    )?)
}

/// Removes a file, or a folder with everything in it. Not there is as well.
pub(super) fn remove(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // A folder of an image may forbid its owner to look or to write.
    let _ = rustix::fs::chmodat(parent, name, Mode::from_raw_mode(0o700), AtFlags::empty());
    let folder = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    for entry in rustix::fs::Dir::read_from(&folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            remove(folder.as_fd(), OsStr::from_bytes(name))?;
        }
    }
    Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

/// A name as it stands in an archive, made plain: no `./` before, no slash after. `None` for the root itself; refused
/// when it is absolute or climbs.
pub(super) fn plain(name: &[u8]) -> Result<Option<Vec<u8>>, ImageError> {
    if name.starts_with(b"/") {
        return Err(broken(name, "is absolute"));
    }
    let parts = || {
        name.split(|&byte| byte == b'/')
            .filter(|part| !part.is_empty() && *part != b".")
    };
    if parts().any(|part| part == b"..") {
        return Err(broken(name, "climbs"));
    }
    if name.contains(&0) || name.len() > LONGEST || parts().count() > DEEPEST {
        return Err(broken(name, "is too long, too deep, or holds a zero byte"));
    }
    let path = parts().collect::<Vec<_>>().join(&b'/');
    Ok((!path.is_empty()).then_some(path))
}

fn named(name: &[u8]) -> Result<Vec<u8>, ImageError> {
    plain(name)?.ok_or_else(|| broken(name, "is the root, and no folder"))
}

fn times(mtime: i64) -> Timestamps {
    let time = Timespec {
        tv_sec: mtime,
        tv_nsec: 0,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

pub(super) fn broken(name: &[u8], reason: &str) -> ImageError {
    ImageError::Entry {
        name: escaped(name).chars().take(300).collect(),
        reason: reason.to_owned(),
    }
}

fn refused(name: &[u8], error: &io::Error) -> ImageError {
    broken(name, &format!("can't be written: {error}"))
}
