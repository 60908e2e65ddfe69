//! Questions to the view. Values come back sealed; the store opens them.

use assay_plan::RepoId;
use sled::IVec;

use super::View;
use super::key::{self, BranchHead, Listed};
use crate::error::StoreError;
use crate::types::BuildQuery;

impl View {
    pub(crate) fn repositories(&self) -> Result<Vec<IVec>, StoreError> {
        self.repos
            .iter()
            .values()
            .map(|value| value.map_err(|error| self.error(error)))
            .collect()
    }

    pub(crate) fn repository(&self, id: RepoId) -> Result<Option<IVec>, StoreError> {
        self.get(&self.repos, id.0.to_be_bytes())
    }

    /// The repository with this name, without regard to case.
    pub(crate) fn slug(&self, slug: &str) -> Result<Option<RepoId>, StoreError> {
        Ok(self
            .get(&self.slugs, key::slug_hash(slug))?
            .as_deref()
            .and_then(key::number)
            .map(RepoId))
    }

    pub(crate) fn request(&self, id: u64) -> Result<Option<IVec>, StoreError> {
        self.get(&self.requests, id.to_be_bytes())
    }

    pub(crate) fn requests(
        &self,
        repo: RepoId,
        older_than: Option<u64>,
        limit: usize,
    ) -> Result<Vec<IVec>, StoreError> {
        let range = key::pair(repo, 0)
            ..=key::pair(repo, older_than.map_or(u64::MAX, |id| id.saturating_sub(1)));
        let mut found = Vec::new();
        for place in self.repo_requests.range(range).keys().rev().take(limit) {
            let place = place.map_err(|error| self.error(error))?;
            if let Some(id) = key::last_number(&place)
                && let Some(record) = self.request(id)?
            {
                found.push(record);
            }
        }
        Ok(found)
    }

    pub(crate) fn build(&self, id: u64) -> Result<Option<IVec>, StoreError> {
        self.get(&self.builds, id.to_be_bytes())
    }

    pub(crate) fn builds(&self, repo: RepoId, query: &BuildQuery) -> Result<Vec<IVec>, StoreError> {
        let (mut first, mut last) = (0, u64::MAX);
        if let Some(below) = query.below_number {
            let Some(highest) = below.checked_sub(1) else {
                return Ok(Vec::new());
            };
            last = highest;
        }
        if let Some(number) = query.number {
            first = number;
            last = last.min(number);
        }
        if first > last {
            return Ok(Vec::new());
        }
        let kinds: Vec<u8> = query
            .kinds
            .iter()
            .map(|kind| key::kind_byte(*kind))
            .collect();
        let branch = query.branch.as_deref().map(key::name_hash);
        let wanted = |listed: &Listed| {
            (kinds.is_empty() || kinds.contains(&listed.kind))
                && branch.is_none_or(|branch| branch == listed.branch)
        };
        let mut found = Vec::new();
        for value in self
            .numbers
            .range(key::pair(repo, first)..=key::pair(repo, last))
            .values()
            .rev()
        {
            if found.len() >= query.limit {
                break;
            }
            let value = value.map_err(|error| self.error(error))?;
            if let Some(listed) = Listed::from_bytes(&value).filter(wanted) {
                found.extend(self.build(listed.id)?);
            }
        }
        Ok(found)
    }

    /// Newest build of each branch: unfinished first, then by finish time, newest first.
    pub(crate) fn branches(&self, repo: RepoId, limit: usize) -> Result<Vec<IVec>, StoreError> {
        let mut heads = Vec::new();
        for value in self.branches.scan_prefix(repo.0.to_be_bytes()).values() {
            heads.extend(BranchHead::from_bytes(
                &value.map_err(|error| self.error(error))?,
            ));
        }
        heads.sort_by_key(|head| std::cmp::Reverse((head.finished, head.number)));
        let mut found = Vec::new();
        for head in heads.into_iter().take(limit) {
            found.extend(self.build(head.id)?);
        }
        Ok(found)
    }

    pub(crate) fn job(&self, id: u64) -> Result<Option<IVec>, StoreError> {
        self.get(&self.jobs, id.to_be_bytes())
    }

    /// Ids of pending requests, and of builds that are not final.
    pub(crate) fn unfinished(&self) -> Result<(Vec<u64>, Vec<u64>), StoreError> {
        let ids = |kind| -> Result<Vec<u64>, StoreError> {
            let range = key::unfinished(kind, 0)..=key::unfinished(kind, u64::MAX);
            let places = self.unfinished.range(range).keys();
            places
                .filter_map(|place| place.map(|place| key::last_number(&place)).transpose())
                .map(|id| id.map_err(|error| self.error(error)))
                .collect()
        };
        Ok((ids(key::Unfinished::Request)?, ids(key::Unfinished::Build)?))
    }

    pub(crate) fn counter(&self, name: &str) -> Result<u64, StoreError> {
        Ok(self
            .get(&self.counters, name)?
            .as_deref()
            .and_then(key::number)
            .unwrap_or(0))
    }

    /// Highest build number of a repository.
    pub(crate) fn last_number(&self, repo: RepoId) -> Result<u64, StoreError> {
        let last = self
            .numbers
            .scan_prefix(repo.0.to_be_bytes())
            .keys()
            .next_back()
            .transpose();
        Ok(last
            .map_err(|error| self.error(error))?
            .as_deref()
            .and_then(key::last_number)
            .unwrap_or(0))
    }

    pub(crate) fn handled(&self, repo: RepoId) -> Result<Vec<IVec>, StoreError> {
        let values = self.handled.scan_prefix(repo.0.to_be_bytes()).values();
        values
            .map(|value| value.map_err(|error| self.error(error)))
            .collect()
    }

    pub(crate) fn delivery_seen(&self, delivery: &str) -> Result<bool, StoreError> {
        Ok(self
            .get(&self.deliveries, key::name_hash(delivery))?
            .is_some())
    }

    pub(crate) fn tokens(&self) -> Result<Vec<IVec>, StoreError> {
        self.tokens
            .iter()
            .values()
            .map(|value| value.map_err(|error| self.error(error)))
            .collect()
    }

    /// Entries of the audit log, newest first.
    pub(crate) fn audit(&self, limit: usize) -> Result<Vec<IVec>, StoreError> {
        let values = self.audit.iter().values().rev().take(limit);
        values
            .map(|value| value.map_err(|error| self.error(error)))
            .collect()
    }

    pub(crate) fn token_by_hash(&self, hash: &[u8; 32]) -> Result<Option<IVec>, StoreError> {
        match self.get(&self.token_hashes, hash)? {
            Some(id) => self.get(&self.tokens, id),
            None => Ok(None),
        }
    }
}
