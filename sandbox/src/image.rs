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
mod names;
mod oci;
pub(crate) mod owners;
mod source;
pub(crate) mod task;
mod tree;
mod verify;

use names::{Held, Names};
use owners::Owners;
use task::{Answer, Task};

/// Version of `about.json`.
const VERSION: u32 = 1;
/// Longest code name of a distribution.
const LONGEST_CODENAME: usize = 64;

/// Why something can't be done with an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The name can't be one.
    #[error(
        "image name {0:?} is longer than 64, has other characters than a-z, 0-9, '.', '_' and '-', or begins with one of those"
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
    #[error("file \"{name}\" {reason}")]
    Entry {
        /// Its name, as the source has it, escaped.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It would fill the disk.
    #[error("the image is too large: {0}")]
    TooLarge(String),
    /// What is stored of it, or what its name means, can't be read.
    #[error("image {0} is damaged: import it again")]
    Damaged(String),
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
    #[error("{what} failed: {source}")]
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
        let name = line.trim_matches('"');
        // It goes into logs, names of caches and the job's environment, and comes from whoever made the image.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let fits = (1..=LONGEST_CODENAME).contains(&name.len()) && name.bytes().all(plain);
        fits.then(|| name.to_owned())
    }

    pub(crate) fn owners(&self) -> Owners {
        self.about.owners
    }
}

/// The store of images in one folder.
#[derive(Debug, Clone)]
pub struct Images {
    folder: PathBuf,
    names: Names,
    launcher: Launcher,
}

/// A folder of the store that nothing means: an import that is going on, or what is to be removed. Locked.
struct Room {
    path: PathBuf,
    _lock: OwnedFd,
}

/// What is in an image's place.
enum Stored {
    Nothing,
    /// Nobody uses it, for as long as this lives.
    Free(Option<OwnedFd>),
    InUse,
}

impl Images {
    /// The store in `folder`, which is made when something is imported. `launcher` is needed where images live in a
    /// range of uids that only a process in a user namespace can write.
    pub fn new(folder: PathBuf, launcher: Launcher) -> Images {
        Images {
            names: Names::new(folder.join("names")),
            folder,
            launcher,
        }
    }

    /// Whether an image can have this name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_name(name: &str) -> Result<(), ImageError> {
        names::check(name)
    }

    /// Makes an image from `source` (a tarball, plain or compressed with gzip, zstd or xz; an OCI layout; the root
    /// folder of a system) and calls it `name`. What the name meant before goes, unless something else means it or a run
    /// uses it. `now`: seconds since 1970. Blocks until it is done.
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
        names::check(name)?;
        let source = std::path::absolute(source).map_err(|error| ImageError::Source {
            path: source.to_owned(),
            source: error,
        })?;
        let (room, stale) = {
            let held = self.names.alone()?;
            let stale = self.stale();
            (self.room(&held)?, stale)
        };
        for room in &stale {
            self.discard(&room.path, owners);
        }
        let task = Task::Import {
            source: source.clone(),
            folder: room.path.clone(),
        };
        let made = task
            .perform(owners, &self.launcher)
            .and_then(|answer| about(answer, owners, &source, now))
            .and_then(|about| self.keep(name, &room.path, about));
        match made {
            Ok((about, aside)) => {
                for room in &aside {
                    self.discard(&room.path, owners);
                }
                // The room has become the image, unless a run uses the one that was there.
                if room.path.exists() {
                    self.discard(&room.path, owners);
                }
                Ok(about)
            }
            Err(error) => {
                self.discard(&room.path, owners);
                Err(error)
            }
        }
    }

    /// All images by name. One that can't be read is an error of its own.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn list(&self) -> Result<BTreeMap<String, Result<About, ImageError>>, ImageError> {
        let _held = self.names.together()?;
        let names = self.names.all()?.into_iter();
        Ok(names
            .map(|name| (name.clone(), self.named(&name)))
            .collect())
    }

    /// Takes the name away; what it meant goes too, when nothing else means it. Returns its digest, if it had one.
    ///
    /// # Errors
    /// When there is no such image, or a run uses it.
    pub fn remove(&self, name: &str) -> Result<Option<String>, ImageError> {
        let meant = || match self.names.digest(name) {
            Err(ImageError::Damaged(_)) => Ok(None),
            digest => digest.map(Some),
        };
        meant()?;
        let held = self.names.alone()?;
        let digest = meant()?;
        let (mut aside, mut owners) = (None, Owners::here());
        if let Some(digest) = &digest
            && !self.names.is_meant(digest, Some(name))?
        {
            let path = self.path(digest);
            owners = self.about(digest).map_or(owners, |about| about.owners);
            match stored(&path).map_err(ImageError::io("locking an image"))? {
                Stored::Nothing => {}
                Stored::InUse => return Err(ImageError::InUse(name.to_owned())),
                Stored::Free(_lock) => aside = Some(self.set_aside(&held, &path)?),
            }
        }
        self.names.unset(name)?;
        drop(held);
        if let Some(room) = aside {
            self.discard(&room.path, owners);
        }
        Ok(digest)
    }

    /// Compares every file with what was imported; returns what differs, a line for each (at most a hundred).
    ///
    /// # Errors
    /// When there is no such image, or it can't be read.
    pub fn verify(&self, name: &str) -> Result<Vec<String>, ImageError> {
        let about = self.named(name)?;
        let task = Task::Verify {
            folder: self.path(&about.digest),
            digest: about.digest.clone(),
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
        let _held = self.names.together()?;
        let about = self.named(name)?;
        let path = self.path(&about.digest);
        let lock = lock(&path, FlockOperation::NonBlockingLockShared)
            .map_err(ImageError::io("locking an image"))?;
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

    /// What imports and removals that were cut off have left: nobody holds its lock.
    fn stale(&self) -> Vec<Room> {
        let entries = std::fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten();
        let rooms = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("tmp-"));
        rooms
            .filter_map(|entry| {
                let path = entry.path();
                let _lock = lock_folder(&path).ok()?;
                Some(Room { path, _lock })
            })
            .collect()
    }

    /// An empty folder. Names are held, so that nobody takes it for stale before it is locked.
    fn room(&self, _held: &Held) -> Result<Room, ImageError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = self
            .folder
            .join(format!("tmp-{}-{number}", std::process::id()));
        let made = std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .and_then(|()| lock_folder(&path));
        let _lock = made.map_err(ImageError::io("making a folder"))?;
        Ok(Room { path, _lock })
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

    /// Takes an image out of its place in one step; its removal may take long, and may be cut off.
    fn set_aside(&self, held: &Held, image: &Path) -> Result<Room, ImageError> {
        let room = self.room(held)?;
        std::fs::rename(image, room.path.join("gone"))
            .map_err(ImageError::io("removing an image"))?;
        Ok(room)
    }

    /// Moves a finished import to its place and names it. One with the same digest gives way, because it may have been
    /// damaged since, unless a run uses it. Returns what is to be removed, too.
    fn keep(
        &self,
        name: &str,
        room: &Path,
        about: About,
    ) -> Result<(About, Vec<Room>), ImageError> {
        let fail = ImageError::io("keeping an image");
        let text =
            serde_json::to_vec_pretty(&about).map_err(|e| ImageError::Told(e.to_string()))?;
        let written = std::fs::write(room.join("about.json"), text)
            .and_then(|()| Ok(rustix::fs::syncfs(File::open(room)?)?));
        written.map_err(&fail)?;
        let held = self.names.alone()?;
        let path = self.path(&about.digest);
        let mut aside = Vec::new();
        let about = match stored(&path).map_err(&fail)? {
            Stored::InUse => self.about(&about.digest).unwrap_or(about),
            there => {
                if let Stored::Free(_lock) = there {
                    aside.push(self.set_aside(&held, &path)?);
                }
                std::fs::rename(room, &path).map_err(&fail)?;
                about
            }
        };
        self.names.set(name, &about.digest)?;
        aside.extend(self.unnamed(&held)?);
        Ok((about, aside))
    }

    /// Takes out of their places what nothing means any more and nobody uses.
    fn unnamed(&self, held: &Held) -> Result<Vec<Room>, ImageError> {
        let entries =
            std::fs::read_dir(&self.folder).map_err(ImageError::io("reading the images"))?;
        let mut aside = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(hash) = name.to_str().and_then(|name| name.strip_prefix("sha256-")) else {
                continue;
            };
            if self.names.is_meant(&format!("sha256:{hash}"), None)? {
                continue;
            }
            if let Ok(Stored::Free(_lock)) = stored(&entry.path()) {
                aside.push(self.set_aside(held, &entry.path())?);
            }
        }
        Ok(aside)
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.folder.join(digest.replace(':', "-"))
    }

    /// What is known about the image with this name.
    fn named(&self, name: &str) -> Result<About, ImageError> {
        let digest = self.names.digest(name)?;
        self.about(&digest).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::InvalidData => {
                ImageError::Damaged(name.to_owned())
            }
            _ => ImageError::io("reading about an image")(error),
        })
    }

    fn about(&self, digest: &str) -> io::Result<About> {
        let text = std::fs::read(self.path(digest).join("about.json"))?;
        serde_json::from_slice(&text)
            .ok()
            .filter(|about: &About| about.version == VERSION && about.digest == digest)
            .ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// What is known about an image that has just been made.
fn about(answer: Answer, owners: Owners, source: &Path, now: u64) -> Result<About, ImageError> {
    match answer {
        Answer::Imported {
            digest,
            entries,
            bytes,
            skipped,
        } => Ok(About {
            version: VERSION,
            digest,
            owners,
            source: source.to_string_lossy().into_owned(),
            imported: now,
            entries,
            bytes,
            skipped,
        }),
        answer => Err(ImageError::Told(format!("unexpected answer {answer:?}"))),
    }
}

/// What is in an image's place, and whether it is used.
fn stored(image: &Path) -> io::Result<Stored> {
    match lock(image, FlockOperation::NonBlockingLockExclusive) {
        Ok(lock) => Ok(Stored::Free(Some(lock))),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Stored::InUse),
        // Without it, no run can have it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(match image.exists() {
            true => Stored::Free(None),
            false => Stored::Nothing,
        }),
        Err(error) => Err(error),
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
