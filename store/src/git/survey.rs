//! Questions about a commit before anything of it is laid out.

use std::path::{Path, PathBuf};

use assay_plan::{CommitId, Repository, Source, Time};

use super::error::GitError;
use super::layout::{Checkout, LaidOut, Layout};
use super::source::SourceRepository;
use super::{FileAt, Git, file};

impl Git {
    /// The commit time of a value in a source repository; `None` if it leads to no commit.
    pub fn commit_time(&self, source: &Source, value: &CommitId) -> Result<Option<Time>, GitError> {
        let Source::Path(path) = source;
        let source = SourceRepository::open(Path::new(path))?;
        let objects = source.objects()?;
        let Some(peeled) = objects.peel(source.id(value)?)? else {
            return Ok(None);
        };
        Ok(Some(objects.describe(peeled.commit)?.committed_at))
    }

    /// The object folders that a work tree will need: (host folder, path inside the sandbox), the repository's own
    /// first. Fetches the submodules that will be laid out; refuses what [`Git::lay_out`] would refuse of them.
    pub fn needs(
        &self,
        repository: &Repository,
        checkout: &Checkout,
    ) -> Result<Vec<(PathBuf, String)>, GitError> {
        let mut needed = vec![(self.objects(repository), checkout.objects_at.clone())];
        if !checkout.submodules {
            return Ok(needed);
        }
        let mirror = self.mirror(repository)?;
        let commit = mirror.id(&checkout.commit)?;
        let modules = file::read(&mirror.objects()?, commit, ".gitmodules", 0)? != FileAt::Missing;
        if modules {
            let mut nowhere = |_: super::TreeItem<'_>| Ok(());
            let mut layout = Layout {
                git: self,
                root: repository,
                checkout,
                sink: &mut nowhere,
                out: LaidOut::default(),
                survey: true,
            };
            layout.lay_root(commit)?;
            needed.append(&mut layout.out.objects);
        }
        Ok(needed)
    }
}

impl GitError {
    /// Whether trying again later can't help: it lies in what was pushed, not in the host.
    pub fn is_final(&self) -> bool {
        match self {
            GitError::Missing { .. }
            | GitError::Damaged { .. }
            | GitError::NotACommit { .. }
            | GitError::Name { .. }
            | GitError::Lfs { .. }
            | GitError::Submodule { .. }
            | GitError::TooLarge { .. } => true,
            GitError::Repository { .. }
            | GitError::Mirror(_)
            | GitError::Store(_)
            | GitError::Sink(_) => false,
        }
    }
}
