//! What the names of images mean.
//!
//! Whoever changes a name, or takes away what no name means, holds the names alone; whoever looks a name up in order to use
//! what it means holds them together with others. So nobody is given what is just being taken away.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::ImageError;

/// Longest name of an image.
const LONGEST: usize = 64;

/// The folder of names.
#[derive(Debug, Clone)]
pub(super) struct Names(PathBuf);

/// Holds the names until it is dropped.
pub(super) struct Held(#[expect(dead_code, reason = "closed at the end")] Option<OwnedFd>);

impl Names {
    pub(super) fn new(folder: PathBuf) -> Names {
        Names(folder)
    }

    /// Makes the folder if it isn't there, and holds the names alone.
    pub(super) fn alone(&self) -> Result<Held, ImageError> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .map_err(ImageError::io("making the folder for images"))?;
        self.hold(FlockOperation::LockExclusive)
    }

    /// Holds the names together with others.
    pub(super) fn together(&self) -> Result<Held, ImageError> {
        self.hold(FlockOperation::LockShared)
    }

    fn hold(&self, kind: FlockOperation) -> Result<Held, ImageError> {
        let folder = match File::open(&self.0) {
            Ok(folder) => OwnedFd::from(folder),
            // Where there are no names there is nothing to hold.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Held(None)),
            Err(error) => return Err(ImageError::io("reading the names of images")(error)),
        };
        rustix::io::retry_on_intr(|| rustix::fs::flock(&folder, kind))
            .map_err(|error| ImageError::io("locking the names of images")(error.into()))?;
        Ok(Held(Some(folder)))
    }

    /// All of them.
    pub(super) fn all(&self) -> Result<Vec<String>, ImageError> {
        let fail = ImageError::io("reading the names of images");
        let entries = match std::fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fail(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(&fail)?.file_name();
            names.extend(
                name.to_str()
                    .filter(|name| check(name).is_ok())
                    .map(str::to_owned),
            );
        }
        Ok(names)
    }

    /// The digest that a name means.
    pub(super) fn digest(&self, name: &str) -> Result<String, ImageError> {
        check(name)?;
        match std::fs::read_to_string(self.path(name)) {
            Ok(text) if is_digest(&text) => Ok(text),
            Ok(_) => Err(ImageError::Damaged(name.to_owned())),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound => Err(ImageError::Unknown(name.to_owned())),
                io::ErrorKind::InvalidData => Err(ImageError::Damaged(name.to_owned())),
                _ => Err(ImageError::io("reading the name of an image")(error)),
            },
        }
    }

    /// Whether any name but this one means `digest`.
    pub(super) fn is_meant(&self, digest: &str, but: Option<&str>) -> Result<bool, ImageError> {
        let mut names = self.all()?.into_iter();
        Ok(names.any(|name| {
            Some(name.as_str()) != but && self.digest(&name).is_ok_and(|meant| meant == digest)
        }))
    }

    /// Makes `name` mean `digest`.
    pub(super) fn set(&self, name: &str, digest: &str) -> Result<(), ImageError> {
        // No image can have this name: it begins with a dot.
        let new = self.path(&format!(".{name}"));
        std::fs::write(&new, digest)
            .and_then(|()| File::open(&new)?.sync_all())
            .and_then(|()| std::fs::rename(&new, self.path(name)))
            .map_err(ImageError::io("naming an image"))
    }

    /// Takes a name away.
    pub(super) fn unset(&self, name: &str) -> Result<(), ImageError> {
        std::fs::remove_file(self.path(name)).map_err(ImageError::io("removing a name"))
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.0).join(name)
    }
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hash| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Whether an image can have this name.
pub(super) fn check(name: &str) -> Result<(), ImageError> {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    let begins = name
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric());
    match begins && name.len() <= LONGEST && name.bytes().all(good) {
        true => Ok(()),
        false => Err(ImageError::Name(name.chars().take(2 * LONGEST).collect())),
    }
}
