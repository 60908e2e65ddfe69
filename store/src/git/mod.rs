//! Git: reading source repositories, keeping mirrors, laying out work trees. Never by running a program.

mod borrowed;
mod dot_git;
mod error;
mod fetch;
mod file;
mod index;
mod layout;
mod mend;
mod mirrors;
mod objects;
mod pack;
mod refs;
mod source;
mod submodule;
mod survey;
mod tree;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use assay_plan::{Commit, CommitId, Repository, Slug, Source};
use gix::ObjectId;

pub use error::GitError;
pub use file::FileAt;
pub use layout::{Checkout, LaidOut, TreeItem};
pub(crate) use mirrors::Mirrors;
pub use refs::SourceRefs;

use crate::error::StoreError;
use crate::shared::Shared;
use crate::store::repository;
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

    /// The registered repository of this name, if `reader` may read it: it is readable by everyone, or of the same owner
    /// and shared with the reader, or the reader itself.
    pub fn readable(
        &self,
        reader: &Repository,
        slug: &Slug,
    ) -> Result<Option<Repository>, GitError> {
        let registered = self.registered()?;
        Ok(submodule::named(slug, reader, &registered).cloned())
    }

    /// Copies what is missing of `tip` (commit or annotated tag) into the mirror; returns the commit it leads to.
    ///
    /// What is in the mirror already needs no source, so that an old commit can be built again after it has gone there.
    pub fn fetch(&self, repository: &Repository, tip: &CommitId) -> Result<Commit, GitError> {
        if let Some(mirror) = Mirror::find(self.mirror_path(repository)) {
            let objects = mirror.objects()?;
            if let Ok(id) = mirror.id(tip)
                && let Ok(Some(peeled)) = objects.peel(id)
                && let Ok(commit) = objects.describe(peeled.commit)
            {
                return Ok(commit);
            }
        }
        let source = open_source(repository)?;
        let id = source.id(tip)?;
        self.mending(repository, id, &mut || {
            let mirror = self.update(repository, &source, id, false)?;
            let objects = mirror.objects()?;
            let peeled = objects.peel(id)?.ok_or_else(|| objects.missing(&id))?;
            objects.describe(peeled.commit)
        })
    }

    /// Reads a file of a commit from the mirror.
    pub fn file(
        &self,
        repository: &Repository,
        commit: &CommitId,
        path: &str,
        max: u64,
    ) -> Result<FileAt, GitError> {
        let commit = self.ready(repository, commit)?;
        self.mending(repository, commit, &mut || {
            file::read(&self.mirror(repository)?.objects()?, commit, path, max)
        })
    }

    /// The folder of the mirror's objects on the host, for a read-only bind.
    pub fn objects(&self, repository: &Repository) -> PathBuf {
        self.mirror_path(repository).join("objects")
    }

    /// Streams the tree of a commit and its `.git` to `sink`.
    ///
    /// Submodules are looked for among the registered repositories, and fetched, if this repository may read them.
    pub fn lay_out(
        &self,
        repository: &Repository,
        checkout: &Checkout,
        sink: &mut dyn FnMut(TreeItem<'_>) -> std::io::Result<()>,
    ) -> Result<LaidOut, GitError> {
        let commit = self.ready(repository, &checkout.commit)?;
        let mut layout = layout::Layout {
            git: self,
            root: repository,
            checkout,
            sink,
            out: LaidOut::default(),
            survey: false,
        };
        layout.lay_root(commit)?;
        Ok(layout.out)
    }

    fn mirror_path(&self, repository: &Repository) -> PathBuf {
        self.shared.mirrors.path(&repository.slug)
    }

    /// The mirror of a repository of which something was fetched.
    fn mirror(&self, repository: &Repository) -> Result<Mirror, GitError> {
        let path = self.mirror_path(repository);
        Mirror::find(path.clone()).ok_or_else(|| GitError::Repository {
            path,
            what: "nothing has been fetched into this mirror".to_owned(),
        })
    }

    /// Object id of a commit that is in the mirror, or is brought there.
    fn ready(&self, repository: &Repository, commit: &CommitId) -> Result<ObjectId, GitError> {
        let known = Mirror::find(self.mirror_path(repository));
        let id = match &known {
            Some(mirror) => mirror.id(commit)?,
            None => open_source(repository)?.id(commit)?,
        };
        self.bring(repository, id)?;
        Ok(id)
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

    /// Does something that reads a mirror; if the mirror turns out to be damaged, mends it and tries once more.
    fn mending<T>(
        &self,
        repository: &Repository,
        tip: ObjectId,
        read: &mut dyn FnMut() -> Result<T, GitError>,
    ) -> Result<T, GitError> {
        match read() {
            Err(error) if self.is_damage(repository, &error) => {
                self.mend(repository, tip, &error)?;
                read()
            }
            other => other,
        }
    }

    /// Whether an error says that the mirror lacks something it must have.
    fn is_damage(&self, repository: &Repository, error: &GitError) -> bool {
        match error {
            GitError::Damaged { path, .. } | GitError::Missing { path, .. } => {
                *path == self.mirror_path(repository)
            }
            _ => false,
        }
    }

    fn mend(&self, repository: &Repository, tip: ObjectId, why: &GitError) -> Result<(), GitError> {
        tracing::warn!(error = %why, "a mirror is damaged; what is missing is copied again");
        {
            let path = self.mirror_path(repository);
            let lock = self.shared.mirrors.lock(&path);
            let _guard = guard(&lock);
            mend::remove_damaged(&self.mirror(repository)?)?;
        }
        self.update(repository, &open_source(repository)?, tip, true)?;
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
        match fetch::fetch(source, &mirror, tip, whole) {
            // Repacked while it was read: what is missing now stands somewhere else.
            Err(GitError::Missing { path, .. } | GitError::Damaged { path, .. })
                if path == source.path =>
            {
                fetch::fetch(source, &mirror, tip, whole)?;
            }
            other => other?,
        }
        Ok(mirror)
    }

    /// All repositories, for finding submodules and imported files.
    fn registered(&self) -> Result<Vec<Repository>, GitError> {
        let read = || -> Result<Vec<Repository>, StoreError> {
            let sealed = self.shared.view.repositories()?;
            sealed
                .iter()
                .filter_map(|sealed| self.shared.read(sealed, repository).transpose())
                .collect()
        };
        read().map_err(GitError::Store)
    }
}

fn open_source(repository: &Repository) -> Result<SourceRepository, GitError> {
    let Source::Path(path) = &repository.source;
    SourceRepository::open(Path::new(path))
}
