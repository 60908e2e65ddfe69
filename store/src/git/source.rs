//! A source repository, read with our configuration only.
//!
//! Of its own configuration just the format of the repository is looked at. Nothing in it is ever run: no hooks, no
//! filters, no included files. Its owner may be anybody, as long as the files can be read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use assay_plan::CommitId;
use gix::ObjectId;
use gix::bstr::ByteSlice;
use gix::hash::Kind as Hash;

use super::borrowed;
use super::error::{GitError, chain};
use super::objects::{self, Objects};

/// More than enough for a repository's configuration.
const LARGEST_CONFIG: u64 = 1 << 20;

/// A repository on this host.
#[derive(Debug)]
pub(super) struct SourceRepository {
    /// As registered, for messages.
    pub(super) path: PathBuf,
    /// Private folder of a linked work tree, else the same as `common`.
    git_dir: PathBuf,
    common: PathBuf,
    pub(super) hash: Hash,
}

impl SourceRepository {
    /// Finds the repository at `path`: bare, with a work tree, or a linked work tree.
    pub(super) fn open(path: &Path) -> Result<SourceRepository, GitError> {
        let failed = |what: String| GitError::Repository {
            path: path.to_owned(),
            what,
        };
        let git_dir = git_dir(path).map_err(|error| failed(error.to_string()))?;
        let Some(git_dir) = git_dir else {
            return Err(failed("not a Git repository".to_owned()));
        };
        let common = match read_small(&git_dir.join("commondir")) {
            Ok(text) => git_dir.join(text.trim_ascii().to_path_lossy()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => git_dir.clone(),
            Err(error) => return Err(failed(format!("commondir: {error}"))),
        };
        let hash = format(&common).map_err(failed)?;
        Ok(SourceRepository {
            path: path.to_owned(),
            git_dir,
            common,
            hash,
        })
    }

    pub(super) fn id(&self, id: &CommitId) -> Result<ObjectId, GitError> {
        objects::id(&self.path, self.hash, id)
    }

    /// Its objects, alternates included as far as they may be borrowed.
    pub(super) fn objects(&self) -> Result<Objects, GitError> {
        let dir = self.common.join("objects");
        borrowed::check(&dir).map_err(|what| GitError::Repository {
            path: self.path.clone(),
            what,
        })?;
        Objects::open(&self.path, &dir, self.hash)
    }

    /// Its refs.
    pub(super) fn refs(&self) -> gix::refs::file::Store {
        if self.git_dir == self.common {
            gix::refs::file::Store::at(self.common.clone(), self.hash)
        } else {
            gix::refs::file::Store::for_linked_worktree(
                self.git_dir.clone(),
                self.common.clone(),
                self.hash,
            )
        }
    }

    /// Commits whose parents it doesn't have.
    pub(super) fn shallow(&self) -> Result<Vec<ObjectId>, GitError> {
        read_shallow(&self.common).map_err(|what| GitError::Repository {
            path: self.path.clone(),
            what,
        })
    }
}

/// Reads the `shallow` file of a repository.
pub(super) fn read_shallow(git_dir: &Path) -> Result<Vec<ObjectId>, String> {
    match fs::read(git_dir.join("shallow")) {
        Ok(bytes) => bytes
            .lines()
            .filter(|line| !line.is_empty())
            .map(|line| {
                ObjectId::from_hex(line).map_err(|error| format!("shallow: {}", chain(&error)))
            })
            .collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(format!("shallow: {error}")),
    }
}

/// The folder with `HEAD` and `objects` (or `commondir`) in it.
fn git_dir(path: &Path) -> io::Result<Option<PathBuf>> {
    // Asked first, for the clearest error when the folder is missing or closed to us.
    fs::read_dir(path)?;
    let dot_git = path.join(".git");
    match fs::metadata(&dot_git) {
        Ok(meta) if meta.is_dir() => Ok(is_git_dir(&dot_git).then_some(dot_git)),
        Ok(_) => {
            let text = read_small(&dot_git)?;
            let Some(target) = text.strip_prefix(b"gitdir: ") else {
                return Ok(None);
            };
            let target = path.join(target.trim_ascii_end().to_path_lossy());
            Ok(is_git_dir(&target).then_some(target))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(is_git_dir(path).then(|| path.to_owned()))
        }
        Err(error) => Err(error),
    }
}

fn is_git_dir(path: &Path) -> bool {
    fs::symlink_metadata(path.join("HEAD")).is_ok()
        && (path.join("objects").is_dir() || path.join("commondir").is_file())
}

fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(
        &mut io::Read::take(fs::File::open(path)?, LARGEST_CONFIG),
        &mut bytes,
    )?;
    Ok(bytes)
}

/// The hash that the repository's objects are named by; refuses formats that can't be read here.
fn format(common: &Path) -> Result<Hash, String> {
    let bytes = match read_small(&common.join("config")) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(format!("config: {error}")),
    };
    let config = gix::config::File::from_bytes_no_includes(
        &bytes,
        gix::config::file::Metadata::default(),
        gix::config::file::init::Options::default(),
    )
    .map_err(|error| format!("config: {}", chain(&error)))?;
    let value = |key: &str| {
        config
            .string(key)
            .map(|value| value.to_str_lossy().to_ascii_lowercase())
    };
    match value("core.repositoryformatversion").as_deref() {
        None | Some("0" | "1") => {}
        Some(other) => return Err(format!("repository format {other} is not supported")),
    }
    if let Some(storage) = value("extensions.refstorage").filter(|storage| storage != "files") {
        return Err(format!(
            "ref storage {storage:?} is not supported, only \"files\""
        ));
    }
    match value("extensions.objectformat").as_deref() {
        None | Some("sha1") => Ok(Hash::Sha1),
        Some("sha256") => Ok(Hash::Sha256),
        Some(other) => Err(format!("object format {other:?} is not supported")),
    }
}
