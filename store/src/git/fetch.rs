//! Copying what is missing of a tip from its source into the mirror.
//!
//! A commit gets into a mirror only after everything it leads to, so what is there need not be looked at again.

use std::collections::{BTreeSet, HashSet};

use gix::ObjectId;
use gix::objs::{Kind, TreeRefIter, Write as _};

use super::error::{GitError, chain};
use super::mirrors::{Mirror, make_readable};
use super::objects::{LARGEST_OBJECT, Objects};
use super::pack;
use super::refs::Tag;
use super::source::{SourceRepository, read_shallow};
use crate::folder::write_file;

/// More objects than this become one pack; fewer are written one by one.
const LOOSE: usize = 200;

/// Copies `tip` (a commit or annotated tag) and the tags that belong to its history.
///
/// With `whole`, nothing that is in the mirror is believed to be complete.
pub(super) fn fetch(
    source: &SourceRepository,
    mirror: &Mirror,
    tip: ObjectId,
    whole: bool,
) -> Result<(), GitError> {
    let from = source.objects()?;
    let to = mirror.objects()?;
    let Some(peeled) = from.peel(tip)? else {
        return Err(from.missing(&tip));
    };
    let shallow: HashSet<ObjectId> = source.shallow()?.into_iter().collect();
    let mut known = read_shallow(&mirror.path).map_err(|what| GitError::Repository {
        path: mirror.path.clone(),
        what,
    })?;
    known.sort_unstable();
    let mut walk = Walk {
        from: &from,
        to: &to,
        shallow: &shallow,
        whole,
        seen: HashSet::new(),
        missing: Vec::new(),
    };
    // What was cut off when it was copied, and isn't any more.
    for id in known.iter().filter(|id| !shallow.contains(*id)) {
        if from.contains(id) {
            for parent in from.commit(id, &mut Vec::new())?.1 {
                walk.history(parent)?;
            }
        }
    }
    walk.history(peeled.commit)?;
    let mut wanted = walk.missing;
    wanted.extend(peeled.tags.iter().rev().filter(|id| !to.contains(id)));
    // Before the copy, so that no commit is ever there whose parents are missing unannounced.
    let mut cut: BTreeSet<ObjectId> = walk.seen.intersection(&shallow).copied().collect();
    cut.extend(&known);
    write_shallow(mirror, &known, &cut)?;
    copy(&from, mirror, &to, &wanted)?;
    let before: Vec<_> = cut.iter().copied().collect();
    cut.retain(|id| shallow.contains(id) || !from.contains(id));
    write_shallow(mirror, &before, &cut)?;
    let packed;
    let to = if wanted.len() > LOOSE {
        packed = mirror.objects()?;
        &packed
    } else {
        &to
    };
    fetch_tags(source, &from, mirror, to)
}

struct Walk<'a> {
    from: &'a Objects,
    to: &'a Objects,
    shallow: &'a HashSet<ObjectId>,
    whole: bool,
    seen: HashSet<ObjectId>,
    /// In the order in which they have to be written: what an object leads to comes before it.
    missing: Vec<ObjectId>,
}

impl Walk<'_> {
    fn is_complete(&self, id: &ObjectId) -> bool {
        !self.whole && self.to.contains(id)
    }

    fn history(&mut self, tip: ObjectId) -> Result<(), GitError> {
        let mut buffer = Vec::new();
        let mut commits = vec![(tip, None)];
        while let Some((id, tree)) = commits.pop() {
            if let Some(tree) = tree {
                // Its parents are done.
                self.tree(tree, &mut buffer)?;
                self.add(id);
                continue;
            }
            if self.is_complete(&id) || !self.seen.insert(id) {
                continue;
            }
            let (tree, parents) = self.from.commit(&id, &mut buffer)?;
            commits.push((id, Some(tree)));
            if !self.shallow.contains(&id) {
                commits.extend(parents.into_iter().map(|parent| (parent, None)));
            }
        }
        Ok(())
    }

    fn tree(&mut self, root: ObjectId, buffer: &mut Vec<u8>) -> Result<(), GitError> {
        let mut trees = vec![(root, false)];
        while let Some((id, is_done)) = trees.pop() {
            if is_done {
                self.add(id);
                continue;
            }
            if self.is_complete(&id) || !self.seen.insert(id) {
                continue;
            }
            if self.from.read(&id, buffer)? != Kind::Tree {
                return Err(self.from.damaged(&id, "it is not a tree".to_owned()));
            }
            trees.push((id, true));
            for entry in TreeRefIter::from_bytes(buffer, self.from.hash) {
                let entry = entry.map_err(|error| self.from.damaged(&id, chain(&error)))?;
                let child = entry.oid.to_owned();
                if entry.mode.is_tree() {
                    trees.push((child, false));
                } else if !entry.mode.is_commit()
                    && !self.is_complete(&child)
                    && self.seen.insert(child)
                {
                    self.add(child);
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, id: ObjectId) {
        if !self.whole || !self.to.contains(&id) {
            self.missing.push(id);
        }
    }
}

fn copy(
    from: &Objects,
    mirror: &Mirror,
    to: &Objects,
    wanted: &[ObjectId],
) -> Result<(), GitError> {
    if wanted.len() > LOOSE {
        return pack::copy(from, mirror, wanted);
    }
    let loose = gix::odb::loose::Store::at(mirror.objects_dir(), mirror.hash);
    let mut buffer = Vec::new();
    for id in wanted {
        // Asked before it is read, for the sake of memory.
        let (_, size) = from.header(id)?;
        if size > LARGEST_OBJECT as u64 {
            return Err(GitError::TooLarge {
                what: format!("object {id}"),
                size,
                limit: LARGEST_OBJECT as u64,
            });
        }
        let kind = from.read(id, &mut buffer)?;
        // Hashed anew, so that a damaged source can't put a wrong object under a right name.
        let real = gix::objs::compute_hash(mirror.hash, kind, &buffer);
        if real.map_err(|error| from.damaged(id, chain(&error)))? != *id {
            return Err(from.damaged(id, "its content has another id".to_owned()));
        }
        let path = loose.object_path(id);
        let is_new_dir = path.parent().is_some_and(|dir| !dir.exists());
        loose
            .write_buf_with_known_id(kind, &buffer, *id)
            .map_err(|error| GitError::Repository {
                path: to.repository.clone(),
                what: chain(&error),
            })?;
        make_readable(&path, 0o444)?;
        if let Some(dir) = path.parent().filter(|_| is_new_dir) {
            make_readable(dir, 0o755)?;
        }
    }
    Ok(())
}

/// Writes down which commits of the mirror have no parents there.
fn write_shallow(
    mirror: &Mirror,
    before: &[ObjectId],
    cut: &BTreeSet<ObjectId>,
) -> Result<(), GitError> {
    if before.iter().eq(cut) {
        return Ok(());
    }
    let text: String = cut.iter().map(|id| format!("{id}\n")).collect();
    let path = mirror.path.join("shallow");
    write_file(&path, text.as_bytes(), 0o600).map_err(GitError::Mirror)
}

/// Copies annotated tags whose commit is in the mirror, so that `git describe` finds them.
fn fetch_tags(
    source: &SourceRepository,
    from: &Objects,
    mirror: &Mirror,
    to: &Objects,
) -> Result<(), GitError> {
    let mut wanted = Vec::new();
    for Tag { target, peeled, .. } in super::refs::tags(source)? {
        if to.contains(&target) || peeled.is_some_and(|peeled| !to.contains(&peeled)) {
            continue;
        }
        // A tag that can't be read, or of something else than a commit, is none of this tip's business.
        if let Ok(Some(peeled)) = from.peel(target)
            && to.contains(&peeled.commit)
        {
            wanted.extend(peeled.tags.into_iter().rev().filter(|id| !to.contains(id)));
        }
    }
    let mut seen = HashSet::new();
    wanted.retain(|id| seen.insert(*id));
    copy(from, mirror, to, &wanted)
}
