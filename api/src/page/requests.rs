//! A repository's requests: what was pushed, and why it was built or not.

use askama::Template;
use assay_plan::{Request, RequestId, RequestState};

use super::format::{self, Moment};
use super::{Frame, render, repository};
use crate::api::Cx;
use crate::http::{Fail, Reply};

/// Requests on one page.
const PAGE: usize = 50;

#[derive(Template)]
#[template(path = "requests.html")]
struct RequestsPage {
    frame: Frame,
    slug: String,
    requests: Vec<RequestRow>,
    /// Id of the last request shown, when there are more.
    older: Option<u64>,
}

struct RequestRow {
    id: u64,
    state: &'static str,
    event: &'static str,
    branch: String,
    commit: Option<String>,
    message: String,
    pusher: Option<String>,
    reason: Option<String>,
    when: Moment,
}

/// `/{owner}/{name}/requests`.
pub(super) fn show(cx: &Cx<'_>, slug: &str) -> Result<Reply, Fail> {
    let repository = repository(cx, slug)?;
    let older = cx.call.params.number("older_than").map(RequestId);
    let mut found = cx.store.requests(repository.id, older, PAGE + 1)?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    render(&RequestsPage {
        frame: Frame::of(cx, Some(repository.slug.as_str())),
        slug: repository.slug.to_string(),
        older: found.last().filter(|_| more).map(|request| request.id.0),
        requests: found.iter().map(|request| row(cx, request)).collect(),
    })
}

fn row(cx: &Cx<'_>, request: &Request) -> RequestRow {
    RequestRow {
        id: request.id.0,
        state: state(request.state),
        event: request.event.kind.name(),
        branch: request.branch().to_owned(),
        commit: request.event.after.as_ref().map(|id| id.short().to_owned()),
        message: request
            .commit
            .as_ref()
            .map(|commit| format::message(commit).0)
            .unwrap_or_default(),
        pusher: request.event.pusher.clone(),
        reason: request.reason.clone(),
        when: Moment::of(request.created_at, cx.now),
    }
}

/// A request's state in the page's words.
pub(super) fn state(state: RequestState) -> &'static str {
    state.name()
}
