//! The state folder: its layout and modes, its format version, the lock that keeps a second daemon out.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::error::StoreError;

/// How often, and after what pause, a lock that is taken is tried again.
const PATIENCE: u32 = 50;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

/// The format of everything below the state folder.
const FORMAT: u32 = 1;

/// Folders that everybody may pass through (to the sockets), then those that are ours alone.
const OPEN: [&str; 2] = ["", "run"];
const CLOSED: [&str; 8] = [
    "journal",
    "keys",
    "logs",
    "logs/running",
    "git",
    "results",
    "caches",
    "artifacts",
];

/// Paths below one state folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(crate) fn new(root: &Path) -> Self {
        Folder {
            root: root.to_owned(),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Makes what is missing of the layout and sets modes.
    pub(crate) fn prepare(&self) -> Result<(), StoreError> {
        fs::create_dir_all(&self.root).map_err(StoreError::io("create", &self.root))?;
        for (names, mode) in [(&OPEN[..], 0o711), (&CLOSED[..], 0o700)] {
            for name in names {
                let path = if name.is_empty() {
                    self.root.clone()
                } else {
                    self.root.join(name)
                };
                make_dir(&path, mode)?;
            }
        }
        Ok(())
    }

    /// Refuses a state folder of a newer version; writes ours down in a new one.
    pub(crate) fn check_format(&self) -> Result<(), StoreError> {
        let path = self.root.join("format");
        match fs::read_to_string(&path) {
            Ok(text) => {
                let found = text
                    .trim()
                    .parse::<u32>()
                    .map_err(|_| StoreError::Damaged {
                        path: path.clone(),
                        what: "not a format number".to_owned(),
                    })?;
                if found > FORMAT {
                    return Err(StoreError::Newer {
                        path,
                        found,
                        known: FORMAT,
                    });
                }
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_file(&path, format!("{FORMAT}\n").as_bytes(), 0o600)
            }
            Err(error) => Err(StoreError::io("read", &path)(error)),
        }
    }

    /// Takes the lock for as long as the returned file is open.
    pub(crate) fn lock(&self) -> Result<File, StoreError> {
        let path = self.root.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(StoreError::io("open", &path))?;
        match patiently(|| flock(&file, FlockOperation::NonBlockingLockExclusive)) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let pid = file
                    .read_to_string(&mut text)
                    .ok()
                    .and_then(|_| text.trim().parse().ok());
                return Err(StoreError::Locked {
                    dir: self.root.clone(),
                    pid,
                });
            }
            Err(error) => return Err(StoreError::io("lock", &path)(error.into())),
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(StoreError::io("write", &path))?;
        Ok(file)
    }
}

/// A process that was just being started when the last owner of the lock ended still has it, until its exec.
fn patiently(lock: impl Fn() -> rustix::io::Result<()>) -> rustix::io::Result<()> {
    for _ in 0..PATIENCE {
        match lock() {
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(PAUSE),
            other => return other,
        }
    }
    lock()
}

/// Makes one folder with exactly this mode, whatever the umask; one that is there gets it too.
pub(crate) fn make_dir(path: &Path, mode: u32) -> Result<(), StoreError> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(StoreError::io("create", path)(error)),
    }
    let meta = fs::metadata(path).map_err(StoreError::io("open", path))?;
    if !meta.is_dir() {
        return Err(StoreError::io("open", path)(
            io::ErrorKind::NotADirectory.into(),
        ));
    }
    if meta.permissions().mode() & 0o7777 != mode {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(StoreError::io("set the mode of", path))?;
    }
    Ok(())
}

/// Writes a whole file so that it is either there with this content, durably, or not at all.
pub(crate) fn write_file(path: &Path, content: &[u8], mode: u32) -> Result<(), StoreError> {
    let temporary = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(StoreError::io("write", path))?;
    sync_dir(path.parent().unwrap_or(path))
}

/// Makes renames and removals in a folder durable.
pub(crate) fn sync_dir(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(StoreError::io("flush", path))
}

/// Removes a file or a whole folder; fine if it isn't there.
pub(crate) fn remove_all(path: &Path) -> Result<(), StoreError> {
    let result = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}
