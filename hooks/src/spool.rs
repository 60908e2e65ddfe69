//! Where hints wait for a daemon that was down: `REPO.git/assay/spool/DELIVERY.json`, one hint in each.
//!
//! The folder belongs to whoever may push, the daemon may be root: so the daemon's side opens each step of the way
//! without following links, reads regular files of bounded size only, and touches no name but a delivery's.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, Gid, Mode, OFlags, Uid};

use crate::protocol::{Hint, MAX_LINE, is_delivery};

/// The folder of ours inside a repository.
pub(crate) const FOLDER: &str = "assay";
const SPOOL: &str = "spool";

/// Most files that are looked at, and that a hook lets a spool grow to. A push that is left out is found by its ref.
const MAX_FILES: usize = 4096;

/// Why the spool of a repository can't be used.
#[derive(Debug, thiserror::Error)]
#[error("spool {path}")]
pub struct SpoolError {
    /// The folder or file.
    path: PathBuf,
    /// What the system said.
    source: io::Error,
}

impl SpoolError {
    fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> SpoolError {
        let path = path.into();
        move |source| SpoolError { path, source }
    }
}

/// The path of a repository's spool.
pub(crate) fn path_of(repository: &Path) -> PathBuf {
    repository.join(FOLDER).join(SPOOL)
}

/// Makes the spool with the mode and the group of the repository's `objects` folder, which carry what
/// `core.sharedRepository` says; one that is there is given them again.
pub(crate) fn make(repository: &Path) -> Result<PathBuf, SpoolError> {
    let objects = repository.join("objects");
    let model = fs::metadata(&objects).map_err(SpoolError::at(&objects))?;
    let folder = repository.join(FOLDER);
    for path in [folder.clone(), folder.join(SPOOL)] {
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => result.map_err(SpoolError::at(&path))?,
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::open(&path, flags, Mode::empty())
            .map_err(io::Error::from)
            .map_err(SpoolError::at(&path))?;
        take_after(&File::from(fd), &model);
    }
    Ok(folder.join(SPOOL))
}

/// Gives a file or folder the owner, group and mode of `model`, as far as this process may.
fn take_after(file: &File, model: &fs::Metadata) {
    let owner = rustix::process::geteuid()
        .is_root()
        .then(|| Uid::from_raw(model.uid()));
    // Failure is no trouble: the file then belongs to whoever made it, who may write the repository.
    let _ = rustix::fs::fchown(file, owner, Some(Gid::from_raw(model.gid())));
    let _ = file.set_permissions(fs::Permissions::from_mode(model.mode() & 0o7777));
}

/// Leaves a hint for later. Durable when it returns, and never half written.
pub(crate) fn write(repository: &Path, hint: &Hint) -> Result<(), SpoolError> {
    let folder = path_of(repository);
    let folder = if folder.is_dir() {
        folder
    } else {
        make(repository)?
    };
    let line = hint
        .encode()
        .map_err(io::Error::other)
        .map_err(SpoolError::at(&folder))?;
    if fs::read_dir(&folder)
        .map_err(SpoolError::at(&folder))?
        .take(MAX_FILES)
        .count()
        == MAX_FILES
    {
        return Err(SpoolError {
            path: folder,
            source: io::Error::other("holds too many pushes already"),
        });
    }
    let temporary = folder.join(format!(".{}.tmp", hint.delivery));
    let written = write_and_name(
        &folder,
        &temporary,
        &folder.join(file_name(&hint.delivery)),
        &line,
    );
    if written.is_err() {
        // It may not exist; the first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(SpoolError::at(&folder))
}

fn write_and_name(folder: &Path, temporary: &Path, path: &Path, line: &[u8]) -> io::Result<()> {
    let mode = fs::metadata(folder)?.mode() & 0o666;
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(temporary)?;
    // Not by `mode` above, which the pusher's umask would narrow.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(line)?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    File::open(folder)?.sync_all()
}

fn file_name(delivery: &str) -> String {
    format!("{delivery}.json")
}

/// How many hints wait in a repository's spool.
pub(crate) fn count(repository: &Path) -> usize {
    let names = fs::read_dir(path_of(repository))
        .into_iter()
        .flatten()
        .flatten();
    names
        .filter(|entry| delivery_of(&entry.file_name()).is_some())
        .take(MAX_FILES)
        .count()
}

/// The delivery a spool file is named after; `None` for any other file.
fn delivery_of(name: &OsStr) -> Option<&str> {
    name.to_str()?
        .strip_suffix(".json")
        .filter(|delivery| is_delivery(delivery))
}

/// Reads the hints that wait in a repository's spool, oldest first; a repository without a spool has none.
///
/// A file that holds no proper hint is set aside as `NAME.bad`. Each hint's `repository` is the one it was found in,
/// whatever it says. The files stay until [`drop_spooled`]; where the daemon may read but not write, for ever: so
/// remember the delivery ids.
pub fn read_spool(repository: &Path) -> Result<Vec<(PathBuf, Hint)>, SpoolError> {
    let folder = path_of(repository);
    let fd = match open_folder(repository) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        result => result.map_err(SpoolError::at(&folder))?,
    };
    let mut found = Vec::new();
    for name in file_names(&fd).map_err(SpoolError::at(&folder))? {
        let Some(delivery) = delivery_of(OsStr::new(&name)) else {
            continue;
        };
        match read_hint(&fd, &name, delivery) {
            Ok(Some((written, hint))) => {
                let hint = Hint {
                    repository: repository.to_string_lossy().into_owned(),
                    ..hint
                };
                found.push((written, folder.join(&name), hint));
            }
            // Refused when the daemon may only read; the file is then looked at again next time.
            Ok(None) => drop(rustix::fs::renameat(&fd, &name, &fd, format!("{name}.bad"))),
            // Gone since, or not ours to read: its push is found by its ref.
            Err(_) => {}
        }
    }
    found.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
    Ok(found
        .into_iter()
        .map(|(_, path, hint)| (path, hint))
        .collect())
}

/// Takes away a spool file that [`read_spool`] returned, once its hint is handled. One that is gone is no error.
pub fn drop_spooled(path: &Path) -> Result<(), SpoolError> {
    let drop_it = || {
        let name = path.file_name().filter(|name| delivery_of(name).is_some());
        let repository = path.ancestors().nth(3);
        let (Some(name), Some(repository)) = (name, repository) else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        Ok(rustix::fs::unlinkat(
            &open_folder(repository)?,
            name,
            AtFlags::empty(),
        )?)
    };
    match drop_it() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(SpoolError::at(path)),
    }
}

/// Opens the spool folder; a link on the way from the repository to it is an error.
fn open_folder(repository: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = rustix::fs::openat(CWD, repository, flags, Mode::empty())?;
    let ours = rustix::fs::openat(&top, FOLDER, flags | OFlags::NOFOLLOW, Mode::empty())?;
    Ok(rustix::fs::openat(
        &ours,
        SPOOL,
        flags | OFlags::NOFOLLOW,
        Mode::empty(),
    )?)
}

fn file_names(folder: &OwnedFd) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)?.take(MAX_FILES) {
        names.extend(entry?.file_name().to_str().ok().map(str::to_owned));
    }
    Ok(names)
}

/// Reads one file: when it was written, and its hint. `None` when it is not a proper one.
fn read_hint(
    folder: &OwnedFd,
    name: &str,
    delivery: &str,
) -> io::Result<Option<((i64, i64), Hint)>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(folder, name, flags, Mode::empty()) {
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::NXIO) => return Ok(None),
        result => File::from(result?),
    };
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Ok(None);
    }
    let mut line = Vec::new();
    file.take(MAX_LINE as u64 + 1).read_to_end(&mut line)?;
    let hint = Hint::decode(&line)
        .ok()
        .filter(|hint| hint.delivery == delivery);
    Ok(hint.map(|hint| ((meta.mtime(), meta.mtime_nsec()), hint)))
}
