//! Branches and tags of a source.

use std::collections::BTreeMap;

use assay_plan::{CommitId, RefName};
use gix::ObjectId;
use gix::bstr::{BStr, BString, ByteSlice};
use gix::refs::{Reference, Target};

use super::error::{GitError, chain};
use super::source::SourceRepository;

/// Symbolic refs are followed so far.
const LINKS: usize = 5;

/// The refs of a source repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceRefs {
    /// Branches and tags with their values (unpeeled).
    pub refs: BTreeMap<RefName, CommitId>,
    /// Refs that can't be built, with the reason (name is not text, file is broken …). Whether a value is a commit is
    /// found out when it is fetched.
    pub refused: Vec<(String, String)>,
    /// Short name of the branch HEAD points to.
    pub head: Option<String>,
}

/// A tag of the source, with the object it finally leads to where the source has that written down.
#[derive(Debug)]
pub(super) struct Tag {
    pub(super) name: BString,
    pub(super) target: ObjectId,
    pub(super) peeled: Option<ObjectId>,
}

/// Reads branches and tags.
pub(super) fn read(source: &SourceRepository) -> Result<SourceRefs, GitError> {
    let store = source.refs();
    let mut found = SourceRefs { head: head(&store), ..SourceRefs::default() };
    for prefix in ["refs/heads/", "refs/tags/"] {
        each(source, &store, prefix, &mut |reference| match reference {
            Ok((name, target, _)) => match parse(name, target) {
                Ok((name, id)) => {
                    found.refs.insert(name, id);
                }
                Err(why) => found.refused.push((name.to_str_lossy().into_owned(), why)),
            },
            Err((name, why)) => found.refused.push((name, why)),
        })?;
    }
    Ok(found)
}

/// The readable tags of a source, sorted by name.
pub(super) fn tags(source: &SourceRepository) -> Result<Vec<Tag>, GitError> {
    let store = source.refs();
    let mut tags = Vec::new();
    each(source, &store, "refs/tags/", &mut |reference| {
        if let Ok((name, target, peeled)) = reference
            && parse(name, target).is_ok()
        {
            tags.push(Tag { name: name.to_owned(), target, peeled });
        }
    })?;
    tags.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(tags)
}

type Found<'a> = Result<(&'a BStr, ObjectId, Option<ObjectId>), (String, String)>;

fn each(
    source: &SourceRepository,
    store: &gix::refs::file::Store,
    prefix: &str,
    with: &mut dyn FnMut(Found<'_>),
) -> Result<(), GitError> {
    let platform = store.iter().map_err(GitError::repository(&source.path))?;
    let relative = prefix.try_into().map_err(GitError::repository(&source.path))?;
    for reference in platform.prefixed(relative).map_err(GitError::repository(&source.path))? {
        match reference {
            Ok(reference) => {
                let name = reference.name.as_bstr().to_owned();
                match resolve(store, reference) {
                    Ok((target, peeled)) => with(Ok((name.as_bstr(), target, peeled))),
                    Err(why) => with(Err((name.to_str_lossy().into_owned(), why))),
                }
            }
            Err(error) => with(Err((format!("{prefix}…"), chain(&error)))),
        }
    }
    Ok(())
}

fn resolve(store: &gix::refs::file::Store, mut reference: Reference) -> Result<(ObjectId, Option<ObjectId>), String> {
    for _ in 0..LINKS {
        match reference.target {
            Target::Object(id) => return Ok((id, reference.peeled)),
            Target::Symbolic(name) => {
                let next = store.try_find(name.as_bstr()).map_err(|error| chain(&error))?;
                reference = next.ok_or_else(|| format!("it points to {}, which does not exist", name.as_bstr()))?;
            }
        }
    }
    Err("it points to too many other refs in a row".to_owned())
}

fn parse(name: &BStr, target: ObjectId) -> Result<(RefName, CommitId), String> {
    let name = name.to_str().map_err(|_| "its name is not UTF-8".to_owned())?;
    let name = RefName::parse(name).map_err(|error| error.to_string())?;
    let id = CommitId::parse(&target.to_string()).map_err(|error| error.to_string())?;
    Ok((name, id))
}

fn head(store: &gix::refs::file::Store) -> Option<String> {
    let reference = store.try_find("HEAD").ok()??;
    let Target::Symbolic(name) = reference.target else { return None };
    Some(name.as_bstr().to_str().ok()?.strip_prefix("refs/heads/")?.to_owned())
}
