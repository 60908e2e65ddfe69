//! One file of a commit.

use gix::ObjectId;
use gix::objs::{Kind, TreeRefIter};

use super::error::{GitError, chain};
use super::objects::Objects;

/// What is under a path of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileAt {
    /// Nothing.
    Missing,
    /// A link, a folder or a submodule.
    NotAFile,
    /// More bytes than were asked for.
    TooLarge(u64),
    /// Its bytes.
    Bytes(Vec<u8>),
}

/// Reads `path` in the tree of `commit`, if it has at most `max` bytes.
pub(super) fn read(objects: &Objects, commit: ObjectId, path: &str, max: u64) -> Result<FileAt, GitError> {
    let mut buffer = Vec::new();
    let (mut tree, _) = objects.commit(&commit, &mut buffer)?;
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        if objects.read(&tree, &mut buffer)? != Kind::Tree {
            return Err(objects.damaged(&tree, "it is not a tree".to_owned()));
        }
        let mut found = None;
        for entry in TreeRefIter::from_bytes(&buffer, objects.hash) {
            let entry = entry.map_err(|error| objects.damaged(&tree, chain(&error)))?;
            if entry.filename == part {
                found = Some((entry.mode, entry.oid.to_owned()));
            }
        }
        match found {
            None => return Ok(FileAt::Missing),
            Some((mode, id)) if parts.peek().is_some() => {
                if !mode.is_tree() {
                    return Ok(FileAt::Missing);
                }
                tree = id;
            }
            Some((mode, id)) => return if mode.is_blob() { blob(objects, id, max) } else { Ok(FileAt::NotAFile) },
        }
    }
    Ok(FileAt::Missing)
}

fn blob(objects: &Objects, id: ObjectId, max: u64) -> Result<FileAt, GitError> {
    let (_, size) = objects.header(&id)?;
    if size > max {
        return Ok(FileAt::TooLarge(size));
    }
    let mut content = Vec::new();
    objects.read(&id, &mut content)?;
    Ok(FileAt::Bytes(content))
}
