//! One object database, opened read-only: a source's or a mirror's.

use std::path::{Path, PathBuf};

use assay_plan::{Commit, CommitId, Person, Time};
use gix::ObjectId;
use gix::bstr::{BStr, ByteSlice};
use gix::hash::Kind as Hash;
use gix::objs::{CommitRef, Find as _, Kind, TagRef};
use gix::odb::HeaderExt as _;
use gix_pack::cache::lru::MemoryCappedHashmap;

use super::error::GitError;

/// No object is larger.
pub(super) const LARGEST_OBJECT: usize = 1 << 30;
/// Annotated tags of tags of tags …
const TAG_DEPTH: usize = 10;
/// Bytes of decoded objects kept while a pack is read, so that deltas need not be resolved from the start each time.
const PACK_CACHE: usize = 16 << 20;

/// An object database.
pub(super) struct Objects {
    /// The repository, for messages.
    pub(super) repository: PathBuf,
    pub(super) hash: Hash,
    pub(super) odb: gix::odb::Handle,
}

/// What a tip leads to.
#[derive(Debug)]
pub(super) struct Peeled {
    /// Tag objects on the way, outermost first.
    pub(super) tags: Vec<ObjectId>,
    pub(super) commit: ObjectId,
}

impl Objects {
    /// Opens `dir` (an `objects` folder) and what its alternates name.
    pub(super) fn open(repository: &Path, dir: &Path, hash: Hash) -> Result<Objects, GitError> {
        let options = gix::odb::store::init::Options {
            alloc_limit_bytes: Some(LARGEST_OBJECT),
            current_dir: Some(dir.to_owned()),
            ..Default::default()
        };
        let mut odb = gix::odb::at_opts(dir, hash, None, options)
            .map_err(GitError::repository(repository))?;
        // Every use is short: what appears on disk meanwhile is for the next one, and a miss stays cheap.
        odb.refresh_never();
        odb.set_pack_cache(|| Box::new(MemoryCappedHashmap::new(PACK_CACHE)));
        Ok(Objects {
            repository: repository.to_owned(),
            hash,
            odb,
        })
    }

    pub(super) fn contains(&self, id: &gix::oid) -> bool {
        gix::objs::Exists::exists(&self.odb, id)
    }

    /// Reads an object into `buffer`; `None` if it isn't there.
    pub(super) fn find(
        &self,
        id: &gix::oid,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Kind>, GitError> {
        match self.odb.try_find(id, buffer) {
            Ok(Some(data)) => {
                let (kind, length) = (data.kind, data.data.len());
                buffer.truncate(length);
                Ok(Some(kind))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(self.damaged(id, super::error::chain(&error))),
        }
    }

    /// Reads an object that must be there.
    pub(super) fn read(&self, id: &gix::oid, buffer: &mut Vec<u8>) -> Result<Kind, GitError> {
        self.find(id, buffer)?.ok_or_else(|| self.missing(id))
    }

    /// Kind and size of an object that must be there.
    pub(super) fn header(&self, id: &gix::oid) -> Result<(Kind, u64), GitError> {
        if !self.contains(id) {
            return Err(self.missing(id));
        }
        let header = self
            .odb
            .header(id)
            .map_err(|error| self.damaged(id, super::error::chain(&error)))?;
        Ok((header.kind(), header.size()))
    }

    /// Reads a commit's tree and parents.
    pub(super) fn commit(
        &self,
        id: &gix::oid,
        buffer: &mut Vec<u8>,
    ) -> Result<(ObjectId, Vec<ObjectId>), GitError> {
        let kind = self.read(id, buffer)?;
        if kind != Kind::Commit {
            return Err(GitError::NotACommit {
                id: id.to_string(),
                kind: kind.to_string(),
            });
        }
        let commit = CommitRef::from_bytes(buffer, self.hash)
            .map_err(|error| self.damaged(id, super::error::chain(&error)))?;
        Ok((commit.tree(), commit.parents().collect()))
    }

    /// Follows annotated tags to a commit; `None` if the first object isn't there.
    pub(super) fn peel(&self, tip: ObjectId) -> Result<Option<Peeled>, GitError> {
        let (mut tags, mut at, mut buffer) = (Vec::new(), tip, Vec::new());
        loop {
            let Some(kind) = self.find(&at, &mut buffer)? else {
                return if tags.is_empty() {
                    Ok(None)
                } else {
                    Err(self.missing(&at))
                };
            };
            match kind {
                Kind::Commit => return Ok(Some(Peeled { tags, commit: at })),
                Kind::Tag if tags.len() < TAG_DEPTH => {
                    let tag = TagRef::from_bytes(&buffer, self.hash);
                    let target = tag
                        .map_err(|error| self.damaged(&at, super::error::chain(&error)))?
                        .target();
                    tags.push(at);
                    at = target;
                }
                kind => {
                    let id = tip.to_string();
                    let kind = if at == tip {
                        kind.to_string()
                    } else {
                        format!("tag of a {kind}")
                    };
                    return Err(GitError::NotACommit { id, kind });
                }
            }
        }
    }

    /// Reads a commit as the rest of the program knows it. Text that is no UTF-8 is made so.
    pub(super) fn describe(&self, id: ObjectId) -> Result<Commit, GitError> {
        let mut buffer = Vec::new();
        self.commit(&id, &mut buffer)?;
        let commit = CommitRef::from_bytes(&buffer, self.hash)
            .map_err(|error| self.damaged(&id, super::error::chain(&error)))?;
        let is_latin = commit.encoding.is_some_and(is_latin);
        let text = |bytes: &BStr| {
            if is_latin {
                bytes.iter().map(|byte| char::from(*byte)).collect()
            } else {
                bytes.to_str_lossy().into_owned()
            }
        };
        // A malformed line is no reason to refuse a commit that Git itself accepts.
        let (author, committer) = (
            commit.author().unwrap_or_default(),
            commit.committer().unwrap_or_default(),
        );
        let person = |name: &BStr, email: &BStr| Person {
            name: text(name),
            email: text(email),
        };
        Ok(Commit {
            id: CommitId::parse(&id.to_string())
                .map_err(|error| self.damaged(&id, error.to_string()))?,
            message: text(commit.message),
            committed_at: Time(committer.seconds().saturating_mul(1000)),
            author: person(author.name, author.email),
            committer: person(committer.name, committer.email),
        })
    }

    pub(super) fn missing(&self, id: &gix::oid) -> GitError {
        GitError::Missing {
            path: self.repository.clone(),
            id: id.to_string(),
        }
    }

    pub(super) fn damaged(&self, id: &gix::oid, what: String) -> GitError {
        GitError::Damaged {
            path: self.repository.clone(),
            id: id.to_string(),
            what,
        }
    }
}

/// The object id of a commit id; refused if it is of another kind of hash than its repository's.
pub(super) fn id(repository: &Path, hash: Hash, id: &CommitId) -> Result<ObjectId, GitError> {
    let parsed = ObjectId::from_hex(id.as_str().as_bytes())
        .ok()
        .filter(|parsed| parsed.kind() == hash);
    parsed.ok_or_else(|| GitError::Missing {
        path: repository.to_owned(),
        id: id.to_string(),
    })
}

fn is_latin(encoding: &BStr) -> bool {
    ["iso-8859-1", "iso8859-1", "latin1", "latin-1"]
        .iter()
        .any(|name| encoding.eq_ignore_ascii_case(name.as_bytes()))
}
