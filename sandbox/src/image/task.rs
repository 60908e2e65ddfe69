//! Work on the files of an image, done in this process, or, where they live in a subordinate range of uids, in a process
//! inside a user namespace that has that range.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::net::RecvFlags;
use serde::{Deserialize, Serialize};

use super::owners::Owners;
use super::source::Source;
use super::tree::{Tree, remove};
use super::{ImageError, manifest, verify};
use crate::process::Process;
use crate::run::Launcher;
use crate::{userns, wire};

/// What is to be done.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Unpack `source` into the empty `folder`, as `tree` and `manifest`.
    Import { source: PathBuf, folder: PathBuf },
    /// Compare the image in `folder` with its manifest, and that with `digest`.
    Verify {
        folder: PathBuf,
        digest: String,
        owners: Owners,
    },
    /// Remove `folder` with everything in it.
    Remove { folder: PathBuf },
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Imported {
        digest: String,
        entries: u64,
        bytes: u64,
        skipped: u64,
    },
    Verified(Vec<String>),
    Removed,
}

impl Task {
    /// Does it, where it must be done.
    pub(super) fn perform(self, owners: Owners, launcher: &Launcher) -> Result<Answer, ImageError> {
        match owners {
            Owners::Range { .. } => elsewhere(&self, owners, launcher),
            _ => self.here(owners),
        }
    }

    fn here(self, owners: Owners) -> Result<Answer, ImageError> {
        match self {
            Task::Import { source, folder } => import(&source, &folder, owners),
            Task::Verify {
                folder,
                digest,
                owners,
            } => verify::differences(&folder, &digest, owners).map(Answer::Verified),
            Task::Remove { folder } => {
                let (parent, name) = (folder.parent(), folder.file_name());
                let (Some(parent), Some(name)) = (parent, name) else {
                    return Ok(Answer::Removed);
                };
                let parent = open_folder(parent).map_err(ImageError::io("opening a folder"))?;
                remove(parent.as_fd(), OsStr::new(name))
                    .map(|()| Answer::Removed)
                    .map_err(ImageError::io("removing files"))
            }
        }
    }
}

fn import(source: &Path, folder: &Path, owners: Owners) -> Result<Answer, ImageError> {
    let source = Source::open(source)?;
    let make = ImageError::io("making a folder");
    let place = folder.join("tree");
    std::fs::create_dir(&place).map_err(&make)?;
    let mut tree = open_folder(&place)
        .and_then(|root| Tree::new(root, owners))
        .map_err(make)?;
    source.unpack(&mut tree)?;
    let (bytes, skipped) = (tree.bytes, tree.skipped);
    let entries = tree.finish()?;
    let text = manifest::text(&entries);
    std::fs::write(folder.join("manifest"), &text)
        .map_err(ImageError::io("writing the manifest"))?;
    Ok(Answer::Imported {
        digest: manifest::digest(&text),
        entries: entries.len() as u64,
        bytes,
        skipped,
    })
}

fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// Has a process of our own do it; that process enters the range first.
fn elsewhere(task: &Task, owners: Owners, launcher: &Launcher) -> Result<Answer, ImageError> {
    let process = Process::bare(launcher).map_err(|error| ImageError::Told(error.to_string()))?;
    let talk = || {
        let mut order = vec![wire::ORDER_IMAGE];
        serde_json::to_writer(&mut order, &(task, owners))?;
        wire::send(process.control.as_fd(), &order, &[])?;
        wire::receive(process.control.as_fd(), RecvFlags::empty())
    };
    let answer = talk().map_err(ImageError::io("talking to a helper process"));
    process.dismiss();
    let (bytes, _) = answer?;
    let answer: Result<Answer, String> = serde_json::from_slice(&bytes)
        .map_err(|_| ImageError::Told("the helper process ended without an answer".to_owned()))?;
    answer.map_err(ImageError::Told)
}

/// The helper process' side: returns the answer as bytes.
pub(crate) fn answer(order: &[u8]) -> io::Result<Vec<u8>> {
    let (task, owners): (Task, Owners) = serde_json::from_slice(order)?;
    let done = match userns::enter_range(owners) {
        Ok(()) => task.here(owners).map_err(|error| spoken(&error)),
        Err(error) => Err(format!("subordinate uids can't be used: {error}")),
    };
    Ok(serde_json::to_vec(&done)?)
}

/// An error with its causes, in one line.
fn spoken(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text.chars().take(4000).collect()
}
