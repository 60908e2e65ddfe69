//! The run's folder as the shell sees it: paths below the home folder, and nothing else, whatever a path says and
//! whatever links there are.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, OpenOptions};

/// The folder, and what it is called inside.
pub(super) struct Place {
    root: Dir,
    home: String,
}

impl Place {
    pub(super) fn new(folder: OwnedFd, home: &str) -> Place {
        Place {
            root: Dir::from_std_file(folder.into()),
            home: home.to_owned(),
        }
    }

    pub(super) fn root(&self) -> &Dir {
        &self.root
    }

    /// A path as somebody in `cwd` means it, relative to the root. Whether it stays inside shows when it is used.
    ///
    /// # Errors
    /// It begins elsewhere.
    pub(super) fn inside(&self, cwd: &str, path: &str) -> io::Result<PathBuf> {
        let absolute = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("{cwd}/{path}")
        };
        let rest = absolute
            .strip_prefix(&self.home)
            .map(|rest| rest.trim_start_matches('/'));
        let begins_here = absolute.len() == self.home.len()
            || absolute.as_bytes().get(self.home.len()) == Some(&b'/');
        match rest {
            Some("") if begins_here => Ok(PathBuf::from(".")),
            Some(rest) if begins_here && !rest.contains('\0') => Ok(PathBuf::from(rest)),
            _ => Err(outside()),
        }
    }

    /// The folder one gets to by `path`, as an absolute path without `.` and `..`; it is there and inside.
    pub(super) fn enter(&self, cwd: &str, path: &str) -> io::Result<String> {
        let mut parts: Vec<&str> = Vec::new();
        let whole = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("{cwd}/{path}")
        };
        for part in whole.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        let absolute = format!("/{}", parts.join("/"));
        self.folder(&absolute)?;
        Ok(absolute)
    }

    /// Opens a folder.
    pub(super) fn folder(&self, absolute: &str) -> io::Result<Dir> {
        self.root.open_dir(self.inside("/", absolute)?)
    }

    /// Opens for reading.
    pub(super) fn read(&self, cwd: &str, path: &str) -> io::Result<File> {
        Ok(self.root.open(self.inside(cwd, path)?)?.into_std())
    }

    /// Opens for writing, making the file if it isn't there.
    pub(super) fn write(&self, cwd: &str, path: &str, append: bool) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options
            .create(true)
            .write(true)
            .append(append)
            .truncate(!append);
        Ok(self
            .root
            .open_with(self.inside(cwd, path)?, &options)?
            .into_std())
    }

    /// What a program gets to see: the present folder, and home by its name.
    pub(super) fn for_programs(&self, cwd: &str) -> io::Result<Vec<(OwnedFd, String)>> {
        let owned = |folder: Dir| OwnedFd::from(folder.into_std_file());
        Ok(vec![
            (owned(self.folder(cwd)?), ".".to_owned()),
            (owned(self.root.try_clone()?), self.home.clone()),
        ])
    }
}

fn outside() -> io::Error {
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        "outside of the job's folder",
    )
}

/// The last part of a path, for a file that goes into a folder.
pub(super) fn name_of(path: &Path) -> io::Result<&Path> {
    path.file_name()
        .map(Path::new)
        .ok_or_else(|| io::ErrorKind::InvalidInput.into())
}
