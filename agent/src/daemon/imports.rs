//! Finds the files that a `.travis.yml` imports: of the same commit, or of another repository here that this one may read.
//! Nothing is fetched of a repository that it may not read.

use assay_plan::{
    Commit, CommitId, ConfigFile, ConfigRef, Decision, Imported, Imports, MAX_CONFIG_BYTES,
    Reading, RefName, Repository, Request, decide,
};
use assay_store::{FileAt, GitError, Store};

use super::worktree::WorkTree;

/// Where a build stands, and what it may see.
pub(super) struct Importer<'a> {
    pub(super) store: &'a Store,
    /// The repository that is built.
    pub(super) repository: &'a Repository,
    /// The commit that is built.
    pub(super) commit: &'a Commit,
    /// The work tree laid over the commit, in `assay run`.
    pub(super) tree: Option<&'a WorkTree>,
}

impl Importer<'_> {
    /// Blocking: decides about a request, given the file it begins with. The error is something that may pass.
    pub(super) fn decide(
        &self,
        request: &Request,
        file: ConfigFile<'_>,
    ) -> Result<Decision, String> {
        let mut imports = Imports::new();
        loop {
            match decide(self.repository, request, self.commit, file, &imports) {
                Reading::Done(decision) => return Ok(decision),
                Reading::Needs(wanted) => {
                    let found = self.find(&wanted)?;
                    imports.insert(wanted, found);
                }
            }
        }
    }

    fn find(&self, wanted: &ConfigRef) -> Result<Imported, String> {
        let found = if wanted.slug == self.repository.slug {
            self.find_own(wanted)
        } else {
            self.find_other(wanted)
        };
        match found {
            Ok(imported) => Ok(imported),
            Err(error) if error.is_final() => Ok(Imported::Refused(error.to_string())),
            Err(error) => Err(format!("cannot read {wanted}, which is imported: {error}")),
        }
    }

    fn find_own(&self, wanted: &ConfigRef) -> Result<Imported, GitError> {
        let is_built = wanted.at.as_deref() == Some(self.commit.id.as_str());
        match self.tree {
            Some(tree) if is_built => Ok(match tree.file(&wanted.path, MAX_CONFIG_BYTES) {
                Ok(file) => imported(file, &self.commit.id),
                Err(error) => Imported::Refused(error.to_string()),
            }),
            _ if is_built => self.read(self.repository, &self.commit.id, &wanted.path),
            _ => self.read_at(self.repository, wanted),
        }
    }

    fn find_other(&self, wanted: &ConfigRef) -> Result<Imported, GitError> {
        let reader = self.repository;
        match self.store.git().readable(reader, &wanted.slug)? {
            Some(other) => self.read_at(&other, wanted),
            None => Ok(Imported::Refused(format!(
                "there is no such repository here that {} may read",
                reader.slug
            ))),
        }
    }

    /// Reads a file at a branch, a tag or a commit; at the default branch, if nothing is said.
    fn read_at(&self, from: &Repository, wanted: &ConfigRef) -> Result<Imported, GitError> {
        let git = self.store.git();
        let refs = git.refs(&from.source)?;
        let named = |prefix: &str, name: &str| {
            let name = RefName::parse(&format!("{prefix}{name}")).ok()?;
            refs.refs.get(&name).cloned()
        };
        let tip = match &wanted.at {
            None => refs
                .head
                .as_deref()
                .and_then(|head| named("refs/heads/", head)),
            Some(at) => named("refs/heads/", at)
                .or_else(|| named("refs/tags/", at))
                .or_else(|| CommitId::parse(at).ok()),
        };
        let Some(tip) = tip else {
            let what = wanted.at.as_deref().unwrap_or("default branch");
            return Ok(Imported::Refused(format!("{} has no {what}", from.slug)));
        };
        let commit = git.fetch(from, &tip)?;
        self.read(from, &commit.id, &wanted.path)
    }

    fn read(&self, from: &Repository, commit: &CommitId, path: &str) -> Result<Imported, GitError> {
        let file = self
            .store
            .git()
            .file(from, commit, path, MAX_CONFIG_BYTES)?;
        Ok(imported(file, commit))
    }
}

fn imported(file: FileAt, commit: &CommitId) -> Imported {
    match file {
        FileAt::Bytes(bytes) => Imported::File {
            bytes,
            commit: Some(commit.clone()),
        },
        FileAt::Missing => Imported::Refused("there is no such file".to_owned()),
        FileAt::NotAFile => Imported::Refused("it is not a regular file".to_owned()),
        FileAt::TooLarge(size) => Imported::Refused(format!(
            "it has {size} bytes, more than the limit of {MAX_CONFIG_BYTES} (1 MiB)"
        )),
    }
}
