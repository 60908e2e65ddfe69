//! Root images: a store of read-only trees, each named by the digest of what it consists of.
//!
//! ```text
//! FOLDER/sha256-HEX/tree       the files
//! FOLDER/sha256-HEX/manifest   one line for each of them
//! FOLDER/sha256-HEX/about.json where it came from, whose its files are; locked while a run uses it
//! FOLDER/names/NAME            the digest that NAME means
//! FOLDER/tmp-…                 an import that is going on, or was cut off
//! ```

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{FlockOperation, Mode, OFlags, ResolveFlags};
use serde::{Deserialize, Serialize};

use crate::run::Launcher;

mod manifest;
mod oci;
pub(crate) mod owners;
mod source;
pub(crate) mod task;
mod tree;
mod verify;

use owners::Owners;
use task::{Answer, Task};

/// Version of `about.json`.
const VERSION: u32 = 1;
/// Longest name of an image.
const LONGEST_NAME: usize = 64;

/// Why something can't be done with an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The name can't be one.
    #[error(
        "image name {0:?} has other characters than a-z, 0-9, '.', '_' and '-', or begins with one of those"
    )]
    Name(String),
    /// Nothing has this name.
    #[error("there is no image {0}")]
    Unknown(String),
    /// The source can't be opened, or is nothing an image can be made from.
    #[error("{} can't be imported: {source}", path.display())]
    Source {
        /// The source.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The source is damaged.
    #[error("the source is damaged: {0}")]
    Corrupt(String),
    /// One file of the source is refused.
    #[error("file {name:?} {reason}")]
    Entry {
        /// Its name, as the source has it.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It would fill the disk.
    #[error("the image is too large: {0}")]
    TooLarge(String),
    /// A run uses it.
    #[error("image {0} is in use")]
    InUse(String),
    /// It was imported by somebody whose files this user can't use.
    #[error("image {0} was imported by another user: import it again")]
    Foreign(String),
    /// What a helper process in the image's own range of uids says.
    #[error("{0}")]
    Told(String),
    /// Something about the store itself.
    #[error("{what} failed")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl ImageError {
    /// For `map_err`: names what was being done.
    fn io(what: &'static str) -> impl Fn(io::Error) -> ImageError {
        move |source| ImageError::Io { what, source }
    }
}

/// What is known about an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    version: u32,
    /// `sha256:` and 64 digits: the hash over everything it consists of.
    pub digest: String,
    owners: Owners,
    /// What it was made from.
    pub source: String,
    /// When, in seconds since 1970.
    pub imported: u64,
    /// Files, folders and links.
    pub entries: u64,
    /// Bytes in files.
    pub bytes: u64,
    /// Devices, pipes and sockets of the source that were left out.
    pub skipped: u64,
}

/// An image that a run can use. It can't be removed for as long as this lives.
#[derive(Debug, Clone)]
pub struct Imported {
    /// What is known about it.
    pub about: About,
    pub(crate) tree: PathBuf,
    /// `/etc/passwd` and `/etc/group`, as far as they can be read.
    pub(crate) passwd: String,
    pub(crate) group: String,
    /// Its `/etc/os-release`.
    release: String,
    /// Whether it brings its own `sudo`.
    pub(crate) sudo: bool,
    _lock: Arc<OwnedFd>,
}

impl Imported {
    /// Code name of its distribution (`bookworm`), from its os-release(5).
    pub fn codename(&self) -> Option<String> {
        let line = self
            .release
            .lines()
            .find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
        Some(line.trim_matches('"').to_owned()).filter(|name| !name.is_empty())
    }

    pub(crate) fn owners(&self) -> Owners {
        self.about.owners
    }
}

/// The store of images in one folder.
#[derive(Debug, Clone)]
pub struct Images {
    folder: PathBuf,
    launcher: Launcher,
}

impl Images {
    /// The store in `folder`, which is made when something is imported. `launcher` is needed where images live in a
    /// range of uids that only a process in a user namespace can write.
    pub fn new(folder: PathBuf, launcher: Launcher) -> Images {
        Images { folder, launcher }
    }

    /// Makes an image from `source` (a tarball, plain or compressed with gzip, zstd or xz; an OCI layout; the root
    /// folder of a system) and calls it `name`. `now`: seconds since 1970. Blocks until it is done.
    ///
    /// # Errors
    /// What is wrong with the name or the source. Nothing is left behind then.
    pub fn import(&self, name: &str, source: &Path, now: u64) -> Result<About, ImageError> {
        self.import_as(Owners::here(), name, source, now)
    }

    fn import_as(
        &self,
        owners: Owners,
        name: &str,
        source: &Path,
        now: u64,
    ) -> Result<About, ImageError> {
        check_name(name)?;
        self.prepare(owners)?;
        let source = std::path::absolute(source).map_err(|error| ImageError::Source {
            path: source.to_owned(),
            source: error,
        })?;
        let (room, lock) = self.room()?;
        let task = Task::Import {
            source: source.clone(),
            folder: room.clone(),
        };
        let made = task
            .perform(owners, &self.launcher)
            .and_then(|answer| self.keep(&room, owners, &source, now, answer));
        let about = match made {
            Ok(about) => about,
            Err(error) => {
                self.discard(&room, owners);
                return Err(error);
            }
        };
        drop(lock);
        self.set_name(name, &about.digest)?;
        Ok(about)
    }

    /// All images by name.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn list(&self) -> Result<BTreeMap<String, About>, ImageError> {
        let entries = match std::fs::read_dir(self.folder.join("names")) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(source) => return Err(ImageError::io("reading the names of images")(source)),
        };
        let mut images = BTreeMap::new();
        for entry in entries.flatten() {
            if let Some(name) = entry.file_name().to_str()
                && check_name(name).is_ok()
            {
                images.insert(name.to_owned(), self.about(&self.digest(name)?)?);
            }
        }
        Ok(images)
    }

    /// Takes the name away; what it meant goes too, when nothing else means it.
    ///
    /// # Errors
    /// When there is no such image, or a run uses it.
    pub fn remove(&self, name: &str) -> Result<About, ImageError> {
        let digest = self.digest(name)?;
        let about = self.about(&digest)?;
        let others = self.list()?;
        let shared = others
            .iter()
            .any(|(other, about)| other != name && about.digest == digest);
        let path = self.path(&digest);
        let lock = (!shared)
            .then(|| lock(&path, FlockOperation::NonBlockingLockExclusive))
            .transpose();
        let lock = lock.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => ImageError::InUse(name.to_owned()),
            _ => ImageError::io("locking an image")(error),
        })?;
        std::fs::remove_file(self.folder.join("names").join(name))
            .map_err(ImageError::io("removing a name"))?;
        if lock.is_some() {
            let (room, _lock) = self.room()?;
            // Out of sight in one step; the removal itself may be cut off.
            std::fs::rename(&path, room.join("gone"))
                .map_err(ImageError::io("removing an image"))?;
            self.discard(&room, about.owners);
        }
        Ok(about)
    }

    /// Compares every file with what was imported; returns what differs, a line for each (at most a hundred).
    ///
    /// # Errors
    /// When there is no such image, or it can't be read.
    pub fn verify(&self, name: &str) -> Result<Vec<String>, ImageError> {
        let digest = self.digest(name)?;
        let about = self.about(&digest)?;
        let task = Task::Verify {
            folder: self.path(&digest),
            digest,
            owners: about.owners,
        };
        match task.perform(about.owners, &self.launcher)? {
            Answer::Verified(differences) => Ok(differences),
            answer => Err(ImageError::Told(format!("unexpected answer {answer:?}"))),
        }
    }

    /// The image for a run.
    ///
    /// # Errors
    /// When there is no such image, or this user can't use it.
    pub fn find(&self, name: &str) -> Result<Imported, ImageError> {
        let digest = self.digest(name)?;
        let path = self.path(&digest);
        let lock = lock(&path, FlockOperation::NonBlockingLockShared)
            .map_err(ImageError::io("locking an image"))?;
        let about = self.about(&digest)?;
        if !about.owners.usable() {
            return Err(ImageError::Foreign(name.to_owned()));
        }
        let tree = path.join("tree");
        let root = rustix::fs::open(
            &tree,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|error| ImageError::io("opening an image")(error.into()))?;
        Ok(Imported {
            passwd: text_inside(&root, "etc/passwd"),
            group: text_inside(&root, "etc/group"),
            release: text_inside(&root, "etc/os-release"),
            sudo: inside(&root, "usr/bin/sudo", OFlags::PATH).is_ok(),
            about,
            tree,
            _lock: Arc::new(lock),
        })
    }

    fn prepare(&self, owners: Owners) -> Result<(), ImageError> {
        let make = |path: &Path| {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
        };
        make(&self.folder.join("names")).map_err(ImageError::io("making the folder for images"))?;
        // What a cut-off import left: nobody holds its lock.
        for entry in std::fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten()
        {
            let stale = entry.file_name().to_string_lossy().starts_with("tmp-");
            if stale && lock_folder(&entry.path()).is_ok() {
                self.discard(&entry.path(), owners);
            }
        }
        Ok(())
    }

    /// An empty folder, locked.
    fn room(&self) -> Result<(PathBuf, OwnedFd), ImageError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = self
            .folder
            .join(format!("tmp-{}-{number}", std::process::id()));
        let made = std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .and_then(|()| lock_folder(&path));
        Ok((path, made.map_err(ImageError::io("making a folder"))?))
    }

    /// Best effort: what stays is taken away by the next import.
    fn discard(&self, room: &Path, owners: Owners) {
        let task = Task::Remove {
            folder: room.to_owned(),
        };
        if let Err(error) = task.perform(owners, &self.launcher) {
            tracing::warn!(folder = %room.display(), %error, "cannot remove an image's remains");
        }
    }

    /// Moves a finished import to its place, unless the same is there already.
    fn keep(
        &self,
        room: &Path,
        owners: Owners,
        source: &Path,
        now: u64,
        answer: Answer,
    ) -> Result<About, ImageError> {
        let Answer::Imported {
            digest,
            entries,
            bytes,
            skipped,
        } = answer
        else {
            return Err(ImageError::Told(format!("unexpected answer {answer:?}")));
        };
        let path = self.path(&digest);
        if path.is_dir() {
            self.discard(room, owners);
            return self.about(&digest);
        }
        let about = About {
            version: VERSION,
            digest,
            owners,
            source: source.to_string_lossy().into_owned(),
            imported: now,
            entries,
            bytes,
            skipped,
        };
        let text =
            serde_json::to_vec_pretty(&about).map_err(|e| ImageError::Told(e.to_string()))?;
        let done = std::fs::write(room.join("about.json"), text)
            .and_then(|()| std::fs::rename(room, &path));
        done.map_err(ImageError::io("keeping an image"))?;
        Ok(about)
    }

    fn set_name(&self, name: &str, digest: &str) -> Result<(), ImageError> {
        let names = self.folder.join("names");
        // No image can have this name: it begins with a dot.
        let new = names.join(format!(".{name}"));
        std::fs::write(&new, digest)
            .and_then(|()| File::open(&new)?.sync_all())
            .and_then(|()| std::fs::rename(&new, names.join(name)))
            .map_err(ImageError::io("naming an image"))
    }

    fn digest(&self, name: &str) -> Result<String, ImageError> {
        check_name(name)?;
        match std::fs::read_to_string(self.folder.join("names").join(name)) {
            Ok(digest) => Ok(digest),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(ImageError::Unknown(name.to_owned()))
            }
            Err(error) => Err(ImageError::io("reading the name of an image")(error)),
        }
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.folder.join(digest.replace(':', "-"))
    }

    fn about(&self, digest: &str) -> Result<About, ImageError> {
        let text = std::fs::read(self.path(digest).join("about.json"));
        let text = text.map_err(ImageError::io("reading about an image"))?;
        serde_json::from_slice(&text)
            .ok()
            .filter(|about: &About| about.version == VERSION && about.digest == digest)
            .ok_or_else(|| {
                ImageError::Corrupt(format!("what is known about {digest} can't be read"))
            })
    }
}

fn check_name(name: &str) -> Result<(), ImageError> {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    let begins = name
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric());
    match begins && name.len() <= LONGEST_NAME && name.bytes().all(good) {
        true => Ok(()),
        false => Err(ImageError::Name(name.to_owned())),
    }
}

fn lock(image: &Path, kind: FlockOperation) -> io::Result<OwnedFd> {
    let file = OwnedFd::from(File::open(image.join("about.json"))?);
    rustix::fs::flock(&file, kind)?;
    Ok(file)
}

fn lock_folder(path: &Path) -> io::Result<OwnedFd> {
    let folder = OwnedFd::from(File::open(path)?);
    rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive)?;
    Ok(folder)
}

/// Opens a file as a job would find it: links mean places inside.
fn inside(root: &OwnedFd, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    let mut flags = flags | OFlags::CLOEXEC;
    if !flags.contains(OFlags::PATH) {
        flags |= OFlags::NONBLOCK;
    }
    Ok(rustix::fs::openat2(
        root.as_fd(),
        path,
        flags,
        Mode::empty(),
        resolve,
    )?)
}

/// Largest text file of an image that is looked at.
const LARGEST_TEXT: u64 = 1 << 20;

fn text_inside(root: &OwnedFd, path: &str) -> String {
    use std::io::Read;
    let mut text = String::new();
    let read = inside(root, path, OFlags::RDONLY)
        .and_then(|fd| File::from(fd).take(LARGEST_TEXT).read_to_string(&mut text));
    match read {
        Ok(_) => text,
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests;
