//! Branches: the newest build of each.

use assay_plan::{Build, EventKind, Repository, RequestId};
use assay_store::BuildQuery;
use serde::Serialize;

use super::entity::{BranchEntity, CommitEntity};
use super::{RepoRef, find_repo, named_repo};
use crate::api::Cx;
use crate::http::{Fail, Reply};

/// Branches in one answer.
pub(super) const LIMIT: usize = 50;

#[derive(Serialize)]
struct Branches {
    branches: Vec<BranchEntity>,
    commits: Vec<CommitEntity>,
}

#[derive(Serialize)]
struct OneBranch {
    branch: BranchEntity,
    commit: CommitEntity,
}

/// `GET /branches`, `GET /repos/…/branches`.
pub(super) fn list(cx: &Cx<'_>, in_path: Option<&RepoRef>) -> Result<Reply, Fail> {
    if let (None, Some(ids)) = (in_path, cx.call.params.numbers("ids")) {
        let mut found = Vec::new();
        for id in ids {
            found.extend(super::build::find(cx, RequestId(id))?);
        }
        return answer(cx, &found);
    }
    let repository = match named_repo(cx, in_path) {
        Some(repo) => find_repo(cx, &repo)?,
        None => None,
    };
    let Some(repository) = repository else {
        return answer(cx, &[]);
    };
    let builds = cx.store.branches(repository.id, LIMIT)?;
    let found: Vec<_> = builds
        .into_iter()
        .map(|build| (build, repository.clone()))
        .collect();
    answer(cx, &found)
}

/// `GET /repos/…/branches/NAME`.
pub(super) fn show(cx: &Cx<'_>, repo: &RepoRef, name: &str) -> Result<Reply, Fail> {
    let repository = find_repo(cx, repo)?.ok_or(Fail::NotFound)?;
    let query = BuildQuery {
        kinds: vec![EventKind::Push, EventKind::Api, EventKind::Cron],
        branch: Some(name.to_owned()),
        limit: 1,
        ..BuildQuery::default()
    };
    let build = cx
        .store
        .builds(repository.id, &query)?
        .into_iter()
        .next()
        .ok_or(Fail::NotFound)?;
    let branch = BranchEntity::of(&build, &cx.store.jobs(&build)?);
    let commit = CommitEntity::of_build(cx, &build, &repository);
    Ok(cx.json(&OneBranch { branch, commit })?.tagged())
}

fn answer(cx: &Cx<'_>, found: &[(Build, Repository)]) -> Result<Reply, Fail> {
    let mut lists = Branches {
        branches: Vec::new(),
        commits: Vec::new(),
    };
    for (build, repository) in found {
        lists
            .branches
            .push(BranchEntity::of(build, &cx.store.jobs(build)?));
        lists
            .commits
            .push(CommitEntity::of_build(cx, build, repository));
    }
    cx.json(&lists)
}
