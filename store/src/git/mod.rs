//! Git: reading source repositories, keeping mirrors, laying out work trees. Never by running a program.

mod dot_git;
mod error;
mod fetch;
mod file;
mod index;
mod layout;
mod mirrors;
mod objects;
mod pack;
mod refs;
mod source;
mod submodule;
mod tree;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use assay_plan::{Commit, CommitId, Repository, Source};
use gix::ObjectId;

pub use error::GitError;
pub use file::FileAt;
pub use layout::{Checkout, LaidOut, TreeItem};
pub(crate) use mirrors::Mirrors;
pub use refs::SourceRefs;

use crate::error::StoreError;
use crate::store::repository;
use crate::writer::Shared;
use mirrors::{Mirror, guard};
use source::SourceRepository;

/// Reads repositories, keeps mirrors.
#[derive(Debug)]
pub struct Git {
    shared: Arc<Shared>,
}

impl Git {
    pub(crate) fn new(shared: Arc<Shared>) -> Git {
        Git { shared }
    }

    /// Reads branches and tags of a source, with our configuration only.
    pub fn refs(&self, source: &Source) -> Result<SourceRefs, GitError> {
        let Source::Path(path) = source;
        refs::read(&SourceRepository::open(Path::new(path))?)
    }

    /// Copies what is missing of `tip` (commit or annotated tag) into the mirror; returns the commit it leads to.
    ///
    /// What is in the mirror already needs no source, so that an old commit can be built again after it has gone there.
    pub fn fetch(&self, repository: &Repository, tip: &CommitId) -> Result<Commit, GitError> {
        if let Some(mirror) = Mirror::find(self.mirror_path(repository)) {
            let objects = mirror.objects()?;
            if let Ok(id) = objects.id(tip)
                && let Ok(Some(peeled)) = objects.peel(id)
            {
                return objects.describe(peeled.commit);
            }
        }
        let source = open_source(repository)?;
        let id = source.objects()?.id(tip)?;
        let mirror = self.update(repository, &source, id, false)?;
        let objects = mirror.objects()?;
        let peeled = objects.peel(id)?.ok_or_else(|| objects.missing(&id))?;
        objects.describe(peeled.commit)
    }

    /// Reads a file of a fetched commit from the mirror.
    pub fn file(
        &self,
        repository: &Repository,
        commit: &CommitId,
        path: &str,
        max: u64,
    ) -> Result<FileAt, GitError> {
        let objects = self.mirror(repository)?.objects()?;
        file::read(&objects, objects.id(commit)?, path, max)
    }

    /// The folder of the mirror's objects on the host, for a read-only bind.
    pub fn objects(&self, repository: &Repository) -> PathBuf {
        self.mirror_path(repository).join("objects")
    }

    /// Streams the tree of a fetched commit and its `.git` to `sink`.
    ///
    /// Submodules are looked for among the registered repositories, and fetched, if this repository may read them.
    pub fn lay_out(
        &self,
        repository: &Repository,
        checkout: &Checkout,
        sink: &mut dyn FnMut(TreeItem<'_>) -> std::io::Result<()>,
    ) -> Result<LaidOut, GitError> {
        let objects = self.mirror(repository)?.objects()?;
        let commit = objects.id(&checkout.commit)?;
        let mut layout = layout::Layout { git: self, root: repository, checkout, sink, out: LaidOut::default() };
        layout.lay_root(commit)?;
        Ok(layout.out)
    }

    fn mirror_path(&self, repository: &Repository) -> PathBuf {
        self.shared.mirrors.path(&repository.slug)
    }

    /// The mirror of a repository of which something was fetched.
    fn mirror(&self, repository: &Repository) -> Result<Mirror, GitError> {
        let path = self.mirror_path(repository);
        Mirror::find(path.clone())
            .ok_or_else(|| GitError::Repository { path, what: "nothing has been fetched into this mirror".to_owned() })
    }

    /// Makes sure that a commit is in its repository's mirror.
    fn bring(&self, repository: &Repository, commit: ObjectId) -> Result<(), GitError> {
        if let Some(mirror) = Mirror::find(self.mirror_path(repository))
            && mirror.objects()?.contains(&commit)
        {
            return Ok(());
        }
        let source = open_source(repository)?;
        self.update(repository, &source, commit, false)?;
        Ok(())
    }

    fn update(
        &self,
        repository: &Repository,
        source: &SourceRepository,
        tip: ObjectId,
        whole: bool,
    ) -> Result<Mirror, GitError> {
        let path = self.mirror_path(repository);
        let lock = self.shared.mirrors.lock(&path);
        let _guard = guard(&lock);
        let mirror = Mirror::make(path, source.hash)?;
        fetch::fetch(source, &mirror, tip, whole)?;
        Ok(mirror)
    }

    /// All repositories, for finding submodules.
    fn registered(&self) -> Result<Vec<Repository>, GitError> {
        let read = || -> Result<Vec<Repository>, StoreError> {
            let sealed = self.shared.view.repositories()?;
            sealed.iter().filter_map(|sealed| self.shared.read(sealed, repository).transpose()).collect()
        };
        read().map_err(GitError::Store)
    }
}

fn open_source(repository: &Repository) -> Result<SourceRepository, GitError> {
    let Source::Path(path) = &repository.source;
    SourceRepository::open(Path::new(path))
}
