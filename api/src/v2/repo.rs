//! Repositories: lists with filters, those of an owner, one.

use std::cmp::Reverse;

use assay_plan::{Build, RepoId, Repository, State};
use serde::Serialize;

use super::entity::RepoEntity;
use super::{RepoRef, find_repo, own_repos, visible_repos};
use crate::access::Who;
use crate::api::{Cx, Mode};
use crate::http::{Fail, Reply, Version};

/// Repositories in one list, unless asked otherwise, and at most.
const LIMITS: (usize, usize) = (25, 50);

#[derive(Serialize)]
struct Repos {
    repos: Vec<RepoEntity>,
}

#[derive(Serialize)]
struct OneRepo {
    repo: RepoEntity,
}

/// `GET /repos/{id}`, `GET /repos/{slug}`.
pub(super) fn show(cx: &Cx<'_>, repo: &RepoRef) -> Result<Reply, Fail> {
    let repository = find_repo(cx, repo)?.ok_or(Fail::NotFound)?;
    let last = cx.store.last_build(repository.id)?;
    Ok(cx
        .json(&OneRepo {
            repo: RepoEntity::of(cx, &repository, last.as_ref())?,
        })?
        .tagged())
}

/// `GET /repos`: needs a user in every mode.
pub(super) fn list(cx: &Cx<'_>) -> Result<Reply, Fail> {
    if cx.who.is_anonymous() {
        let open = cx.settings.mode == Mode::Org && cx.call.accept.version() == Version::V2;
        return Err(if open {
            Fail::AccessDenied
        } else {
            Fail::NoToken
        });
    }
    super::wants_json(cx)?;
    let params = &cx.call.params;
    let slug = params.filled("slug");
    let owner = params.filled("owner_name");
    let search = params.filled("search").map(|text| text.to_lowercase());
    let ids = params.numbers("ids");
    let named = slug.is_some() || owner.is_some() || search.is_some() || ids.is_some();
    let mut found = if named {
        visible_repos(cx)?
    } else {
        own_repos(cx)?
    };
    if let Some(login) = params.filled("member") {
        found = of_member(cx, found, &login)?;
    }
    let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    found.retain(|repository| {
        slug.as_ref()
            .is_none_or(|slug| same(repository.slug.as_str(), slug))
            && owner
                .as_ref()
                .is_none_or(|owner| same(repository.slug.owner(), owner))
            && search
                .as_ref()
                .is_none_or(|text| repository.slug.as_str().to_lowercase().contains(text))
            && ids
                .as_ref()
                .is_none_or(|ids| ids.contains(&repository.id.0))
            && (named || repository.active)
            && params
                .truth("active")
                .is_none_or(|active| repository.active == active)
    });
    let limit = params
        .number("limit")
        .and_then(|limit| usize::try_from(limit).ok());
    let limit = match (&ids, limit) {
        (Some(_), None) => usize::MAX,
        (_, limit) => limit.unwrap_or(LIMITS.0).min(LIMITS.1),
    };
    answer(cx, found, limit)
}

/// `GET /repos/{owner}`.
pub(super) fn list_of(cx: &Cx<'_>, owner: &str) -> Result<Reply, Fail> {
    let mut found = visible_repos(cx)?;
    found.retain(|repository| repository.slug.owner().eq_ignore_ascii_case(owner));
    answer(cx, found, LIMITS.1)
}

/// Those on which a user of this name has a right.
fn of_member(cx: &Cx<'_>, found: Vec<Repository>, login: &str) -> Result<Vec<Repository>, Fail> {
    if cx.who.name().eq_ignore_ascii_case(login) {
        return Ok(found
            .into_iter()
            .filter(|repository| cx.who.right_on(repository).is_some())
            .collect());
    }
    let theirs = cx
        .store
        .tokens()?
        .into_iter()
        .filter(|token| token.user.eq_ignore_ascii_case(login));
    let members: Vec<Who> = theirs.map(Who::User).collect();
    Ok(found
        .into_iter()
        .filter(|repository| members.iter().any(|who| who.right_on(repository).is_some()))
        .collect())
}

/// The place of a repository in a list: running ones, then by last start, then by id.
pub(crate) fn order(id: RepoId, last: Option<&Build>) -> impl Ord + use<> {
    let running = last.is_some_and(|build| build.state == State::Started);
    (
        Reverse(running),
        Reverse(last.and_then(|build| build.started_at)),
        Reverse(id),
    )
}

fn answer(cx: &Cx<'_>, found: Vec<Repository>, limit: usize) -> Result<Reply, Fail> {
    let mut rows = Vec::with_capacity(found.len());
    for repository in found {
        let last = cx.store.last_build(repository.id)?;
        rows.push((repository, last));
    }
    rows.sort_by_cached_key(|(repository, last)| order(repository.id, last.as_ref()));
    rows.truncate(limit);
    let repos: Result<Vec<_>, _> = rows
        .iter()
        .map(|(repo, last)| RepoEntity::of(cx, repo, last.as_ref()))
        .collect();
    cx.json(&Repos { repos: repos? })
}
