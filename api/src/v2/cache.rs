//! Caches of a repository: listed and removed by those who may push.

use assay_plan::Repository;
use assay_store::{Archive, Right};
use axum::http::StatusCode;
use serde::Serialize;

use super::{RepoRef, find_repo};
use crate::api::Cx;
use crate::clock;
use crate::http::{Content, Fail, Reply};

#[derive(Serialize)]
struct CacheEntity {
    repository_id: u64,
    size: u64,
    slug: String,
    branch: String,
    last_modified: String,
}

#[derive(Serialize)]
struct Caches {
    caches: Vec<CacheEntity>,
}

/// `GET` and `DELETE /repos/{id}/caches`, with `branch` and `match`; both answer the caches that are meant.
pub(super) fn answer(cx: &Cx<'_>, repo: &RepoRef, remove: bool) -> Result<Reply, Fail> {
    if cx.who.is_anonymous() {
        return Err(Fail::NotFound);
    }
    let Some(repository) = pushable(cx, repo)? else {
        // What the real server says to everybody without the right.
        return Ok(Reply::new(
            StatusCode::FORBIDDEN,
            Content::Json(b"{}".to_vec()),
        ));
    };
    let branch = cx.call.params.filled("branch");
    let part = cx.call.params.filled("match");
    let meant = |archive: &Archive| {
        let is_branch = |branch: &String| archive.about.place == *branch;
        let matches = |part: &String| archive.about.name.contains(part.as_str());
        branch.as_ref().is_none_or(is_branch) && part.as_ref().is_none_or(matches)
    };
    let mut caches = cx.store.caches().list(repository.id)?;
    caches.retain(meant);
    if remove {
        for cache in &caches {
            cache.remove()?;
        }
    }
    let entity = |archive: Archive| CacheEntity {
        repository_id: repository.id.0,
        size: archive.size,
        last_modified: clock::text(archive.about.stored()),
        slug: archive.about.name,
        branch: archive.about.place,
    };
    cx.json(&Caches {
        caches: caches.into_iter().map(entity).collect(),
    })
}

fn pushable(cx: &Cx<'_>, repo: &RepoRef) -> Result<Option<Repository>, Fail> {
    let may = |repository: &Repository| cx.who.right_on(repository) >= Some(Right::Push);
    Ok(find_repo(cx, repo)?.filter(may))
}
