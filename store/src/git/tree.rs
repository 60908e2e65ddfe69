//! The tree of a commit as a flat list, with every name checked before anything is written anywhere.

use std::collections::HashSet;

use gix::ObjectId;
use gix::bstr::{BStr, BString, ByteSlice};
use gix::objs::tree::EntryKind;
use gix::objs::{Kind, TreeRefIter};
use gix::validate::path::component;

use super::error::{GitError, chain};
use super::objects::Objects;

/// More entries than any work tree has; a tree that names itself many times over can claim billions.
const MOST_ENTRIES: usize = 1_000_000;
/// Longest path that Linux takes.
const LONGEST_PATH: usize = 4000;

/// What is to be written at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: BString,
    pub(super) kind: EntryKind,
    pub(super) id: ObjectId,
}

/// Lists everything below `root`, parents before children, in the order of the trees.
pub(super) fn list(objects: &Objects, root: ObjectId) -> Result<Vec<Entry>, GitError> {
    let mut found = Vec::new();
    let mut trees = vec![(BString::default(), root)];
    let mut buffer = Vec::new();
    while let Some((path, id)) = trees.pop() {
        let first = found.len();
        list_one(objects, path.as_bstr(), id, &mut buffer, &mut found)?;
        if found.len() > MOST_ENTRIES {
            return Err(GitError::TooLarge {
                what: "tree of the commit".to_owned(),
                size: found.len() as u64,
                limit: MOST_ENTRIES as u64,
            });
        }
        let folders = found[first..].iter().filter(|entry| entry.kind == EntryKind::Tree);
        trees.extend(folders.rev().map(|entry| (entry.path.clone(), entry.id)));
    }
    Ok(found)
}

fn list_one(
    objects: &Objects,
    parent: &BStr,
    id: ObjectId,
    buffer: &mut Vec<u8>,
    found: &mut Vec<Entry>,
) -> Result<(), GitError> {
    if objects.read(&id, buffer)? != Kind::Tree {
        return Err(objects.damaged(&id, "it is not a tree".to_owned()));
    }
    let mut names = HashSet::new();
    for entry in TreeRefIter::from_bytes(buffer, objects.hash) {
        let entry = entry.map_err(|error| objects.damaged(&id, chain(&error)))?;
        let mut path = parent.to_owned();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(entry.filename);
        let kind = entry.mode.kind();
        let refused = |why: String| GitError::Name { path: path.to_str_lossy().into_owned(), why };
        check_name(entry.filename, kind == EntryKind::Link).map_err(refused)?;
        if !names.insert(entry.filename) {
            return Err(refused("it stands twice in one folder".to_owned()));
        }
        if path.len() > LONGEST_PATH {
            return Err(refused("it is too long".to_owned()));
        }
        found.push(Entry { path, kind, id: entry.oid.to_owned() });
    }
    Ok(())
}

/// Whether a name may be written into a work tree, here or on any other system the commit may come from.
pub(super) fn check_name(name: &BStr, is_link: bool) -> Result<(), String> {
    let options = component::Options { protect_windows: false, protect_hfs: true, protect_ntfs: true };
    let mode = is_link.then_some(component::Mode::Symlink);
    gix::validate::path::component(name, mode, options).map_err(|error| error.to_string())?;
    if name.contains(&0) {
        return Err("it contains a zero byte".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_the_git_folder_somewhere_are_refused() {
        for name in [
            "", ".", "..", "a/b", ".git", ".GIT", ".Git", "git~1", "GIT~1", ".git ", ".git.", ".git::$INDEX_ALLOCATION",
            ".g\u{200c}it", "\u{feff}.git", "a\0b",
        ] {
            assert!(check_name(name.into(), false).is_err(), "{name:?}");
        }
        assert!(check_name(".gitmodules".into(), true).is_err());
        assert!(check_name(".GITMODULES".into(), true).is_err());
    }

    #[test]
    fn names_that_only_look_odd_are_fine() {
        for name in [".gitignore", ".gitmodules", "...", "aux", "con.c", "a:b", "a\\b", "sys-x\\x2dy.slice", "git~10", "*"] {
            assert_eq!(check_name(name.into(), false), Ok(()), "{name:?}");
        }
    }
}
