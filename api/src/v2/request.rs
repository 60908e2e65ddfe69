//! Requests: what was decided about each event, and why.

use assay_plan::RequestId;
use axum::http::header;
use serde::Serialize;

use super::entity::{CommitEntity, RequestEntity};
use super::{find_repo, named_repo};
use crate::api::Cx;
use crate::http::{Fail, Reply, Version};

/// Requests in one list, unless asked otherwise, and at most.
const LIMITS: (usize, usize) = (25, 100);

#[derive(Serialize)]
struct Requests {
    requests: Vec<RequestEntity>,
    commits: Vec<CommitEntity>,
}

#[derive(Serialize)]
struct OneRequest {
    request: RequestEntity,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<CommitEntity>,
}

/// `GET /requests`.
pub(super) fn list(cx: &Cx<'_>) -> Result<Reply, Fail> {
    let repository = match named_repo(cx, None) {
        Some(repo) => find_repo(cx, &repo)?,
        None => None,
    };
    let repository = repository.ok_or_else(|| hidden(cx))?;
    let params = &cx.call.params;
    let limit = params
        .number("limit")
        .and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.unwrap_or(LIMITS.0).min(LIMITS.1);
    let older = params.number("older_than").map(RequestId);
    let found = cx.store.requests(repository.id, older, limit)?;
    let lists = Requests {
        requests: found
            .iter()
            .map(|request| RequestEntity::of(request, &repository))
            .collect(),
        commits: found
            .iter()
            .filter_map(|request| CommitEntity::of_request(cx, request, &repository))
            .collect(),
    };
    cx.json(&lists)
}

/// `GET /requests/{id}`.
pub(super) fn show(cx: &Cx<'_>, id: RequestId) -> Result<Reply, Fail> {
    let request = cx.store.request(id)?.ok_or_else(|| hidden(cx))?;
    let repository = cx
        .store
        .repository(request.event.repo)?
        .filter(|repository| cx.who.sees(repository));
    let repository = repository.ok_or_else(|| hidden(cx))?;
    let one = OneRequest {
        request: RequestEntity::of(&request, &repository),
        commit: CommitEntity::of_request(cx, &request, &repository),
    };
    let reply = cx.json(&one)?.tagged();
    if request.state == assay_plan::RequestState::Pending {
        return Ok(reply);
    }
    // A decided request never changes.
    let reach = if cx.who.is_anonymous() {
        "public"
    } else {
        "private"
    };
    Ok(reply.with(header::CACHE_CONTROL, &format!("{reach}, max-age=31536000")))
}

/// What is said of a repository that is not there or not to be seen: strangers of version 2 must sign in first.
fn hidden(cx: &Cx<'_>) -> Fail {
    if cx.who.is_anonymous() && cx.call.accept.version() == Version::V2 {
        Fail::Hidden
    } else {
        Fail::NoRepository
    }
}
