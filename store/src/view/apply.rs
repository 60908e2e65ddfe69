//! Bringing a change into the view.
//!
//! Everything here may be done twice: after a crash the journal is replayed over a view that is already further on.

use assay_plan::{Build, EventKind, Job, RefName, RepoId, Repository, Request, RequestState};

use sled::Tree;

use super::View;
use super::key::{self, BranchHead, Listed};
use crate::error::StoreError;
use crate::keys::Keys;
use crate::record::Entry;
use crate::seal::{repo_of, unseal};
use crate::types::{Audit, Change, Token};

/// Deliveries are remembered for so many requests.
const DELIVERIES: u64 = 10_000;

impl View {
    /// Applies an entry whose sealed form is `sealed`.
    pub(crate) fn apply(
        &self,
        entry: &Entry,
        sealed: &[u8],
        keys: &Keys,
    ) -> Result<(), StoreError> {
        match entry {
            Entry::Change(Change::Repository(repository)) => {
                self.apply_repository(repository, sealed, keys)
            }
            Entry::Change(Change::RemoveRepository(id)) => self.remove_repository(*id),
            Entry::Change(Change::Request(request)) => self.apply_request(request, sealed),
            Entry::Change(Change::Build(build)) => self.apply_build(build, sealed),
            Entry::Change(Change::Job(job)) => self.apply_job(job, sealed),
            Entry::Change(Change::Handled(repo, name, value)) => {
                self.apply_handled(*repo, name, value.is_some().then_some(sealed))
            }
            Entry::Change(Change::Token(token)) => self.apply_token(token, sealed),
            Entry::Change(Change::RevokeToken(id)) => self.revoke_token(*id, keys),
            Entry::Change(Change::Audit(audit)) => self.apply_audit(audit, sealed),
            Entry::Counters { request, job, repo } => {
                self.raise("request", *request)?;
                self.raise("job", *job)?;
                self.raise("repo", *repo)
            }
        }
    }

    fn apply_repository(
        &self,
        repository: &Repository,
        sealed: &[u8],
        keys: &Keys,
    ) -> Result<(), StoreError> {
        let id = repository.id.0.to_be_bytes();
        if let Some(old) = self.get(&self.repos, id)?
            && let Ok(Entry::Change(Change::Repository(old))) = unseal(keys, &old)
        {
            self.take(&self.slugs, key::slug_hash(old.slug.as_str()))?;
        }
        self.put(&self.slugs, key::slug_hash(repository.slug.as_str()), &id)?;
        self.put(&self.repos, id, sealed)?;
        self.raise("repo", repository.id.0)
    }

    fn apply_request(&self, request: &Request, sealed: &[u8]) -> Result<(), StoreError> {
        let id = request.id.0;
        self.put(&self.requests, id.to_be_bytes(), sealed)?;
        self.put(&self.repo_requests, key::pair(request.event.repo, id), &[])?;
        self.set_unfinished(
            key::Unfinished::Request,
            id,
            request.state == RequestState::Pending,
        )?;
        if let Some(delivery) = &request.event.delivery {
            let hash = key::name_hash(delivery);
            self.put(&self.deliveries, hash, &id.to_be_bytes())?;
            self.put(&self.delivery_order, id.to_be_bytes(), &hash)?;
            self.forget_deliveries(id.saturating_sub(DELIVERIES))?;
        }
        self.raise("request", id)
    }

    fn forget_deliveries(&self, before: u64) -> Result<(), StoreError> {
        for old in self.delivery_order.range(..before.to_be_bytes()) {
            let (id, hash) = old.map_err(|error| self.error(error))?;
            self.take(&self.deliveries, hash)?;
            self.take(&self.delivery_order, id)?;
        }
        Ok(())
    }

    fn apply_build(&self, build: &Build, sealed: &[u8]) -> Result<(), StoreError> {
        self.put(&self.builds, build.id.0.to_be_bytes(), sealed)?;
        self.put(
            &self.numbers,
            key::pair(build.repo, build.number),
            &Listed::of(build).to_bytes(),
        )?;
        self.set_unfinished(key::Unfinished::Build, build.id.0, !build.state.is_final())?;
        if build.event == EventKind::Push && build.tag.is_none() {
            let place = key::named(build.repo, &build.branch);
            let head = self
                .get(&self.branches, place)?
                .as_deref()
                .and_then(BranchHead::from_bytes);
            if head.is_none_or(|head| head.number <= build.number) {
                let finished = build
                    .finished_at
                    .filter(|_| build.state.is_final())
                    .map_or(i64::MAX, |time| time.0);
                let head = BranchHead {
                    number: build.number,
                    id: build.id.0,
                    finished,
                };
                self.put(&self.branches, place, &head.to_bytes())?;
            }
        }
        self.raise("request", build.id.0)
    }

    fn apply_job(&self, job: &Job, sealed: &[u8]) -> Result<(), StoreError> {
        self.put(&self.jobs, job.id.0.to_be_bytes(), sealed)?;
        self.raise("job", job.id.0)
    }

    fn apply_handled(
        &self,
        repo: RepoId,
        name: &RefName,
        sealed: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let place = key::named(repo, name.as_str());
        match sealed {
            Some(sealed) => self.put(&self.handled, place, sealed),
            None => self.take(&self.handled, place).map(|_| ()),
        }
    }

    fn apply_token(&self, token: &Token, sealed: &[u8]) -> Result<(), StoreError> {
        self.put(&self.token_hashes, token.hash, &token.id.to_be_bytes())?;
        self.put(&self.tokens, token.id.to_be_bytes(), sealed)
    }

    fn revoke_token(&self, id: u64, keys: &Keys) -> Result<(), StoreError> {
        if let Some(old) = self.take(&self.tokens, id.to_be_bytes())?
            && let Ok(Entry::Change(Change::Token(token))) = unseal(keys, &old)
        {
            self.take(&self.token_hashes, token.hash)?;
        }
        Ok(())
    }

    fn apply_audit(&self, audit: &Audit, sealed: &[u8]) -> Result<(), StoreError> {
        self.put(&self.audit, key::moment(audit.at, audit.id), sealed)
    }

    /// Takes out everything of a repository. Needs no key, so that it can be done again after the key is gone.
    fn remove_repository(&self, id: RepoId) -> Result<(), StoreError> {
        for slug in self.slugs.iter() {
            let (hash, value) = slug.map_err(|error| self.error(error))?;
            if key::number(&value) == Some(id.0) {
                self.take(&self.slugs, hash)?;
            }
        }
        self.remove_records(&self.requests, id, Some(key::Unfinished::Request))?;
        self.remove_records(&self.builds, id, Some(key::Unfinished::Build))?;
        self.remove_records(&self.jobs, id, None)?;
        for tree in [
            &self.repo_requests,
            &self.numbers,
            &self.branches,
            &self.handled,
            &self.repos,
        ] {
            for entry in tree.scan_prefix(id.0.to_be_bytes()).keys() {
                self.take(tree, entry.map_err(|error| self.error(error))?)?;
            }
        }
        Ok(())
    }

    fn remove_records(
        &self,
        tree: &Tree,
        repo: RepoId,
        kind: Option<key::Unfinished>,
    ) -> Result<(), StoreError> {
        for record in tree {
            let (place, sealed) = record.map_err(|error| self.error(error))?;
            if repo_of(&sealed) != Some(repo) {
                continue;
            }
            if let Some((kind, number)) = kind.zip(key::number(&place)) {
                self.take(&self.unfinished, key::unfinished(kind, number))?;
            }
            self.take(tree, place)?;
        }
        Ok(())
    }

    fn set_unfinished(
        &self,
        kind: key::Unfinished,
        id: u64,
        is_unfinished: bool,
    ) -> Result<(), StoreError> {
        let place = key::unfinished(kind, id);
        if is_unfinished {
            self.put(&self.unfinished, place, &[])
        } else {
            self.take(&self.unfinished, place).map(|_| ())
        }
    }

    fn raise(&self, counter: &str, value: u64) -> Result<(), StoreError> {
        if self.counter(counter)? < value {
            self.put(&self.counters, counter, &value.to_be_bytes())?;
        }
        Ok(())
    }
}
