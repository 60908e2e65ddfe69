//! Assay's own endpoints, below `/assay`: what the command line and the pages need beyond version 2 (see the crate's
//! front page for the list).

mod admin;
mod artifacts;
mod debug;
mod events;
mod repos;

use std::sync::Arc;

use assay_plan::{BuildId, JobId, RepoId, RequestId};
use axum::http::Method;

use crate::api::{Api, Cx};
use crate::http::{Call, Fail, Reply};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Status,
    Repos,
    AddRepo,
    UpdateRepo(RepoId),
    RemoveRepo(RepoId),
    Tokens,
    AddToken,
    RevokeToken(u64),
    Link,
    Reconcile,
    Doctor,
    Audit,
    Debug(JobId),
    Artifacts(JobId),
    Artifact(JobId, usize),
    LogEvents(JobId),
    BuildEvents(BuildId),
}

impl Endpoint {
    /// The endpoint of a method and path; `None` when there is none.
    pub(crate) fn of(call: &Call) -> Option<Self> {
        let path = call.path();
        let ["assay", rest @ ..] = path.as_slice() else {
            return None;
        };
        let method = if call.method == Method::HEAD {
            &Method::GET
        } else {
            &call.method
        };
        Some(match (method, rest) {
            (&Method::GET, ["status"]) => Endpoint::Status,
            (&Method::GET, ["repos"]) => Endpoint::Repos,
            (&Method::POST, ["repos"]) => Endpoint::AddRepo,
            (&Method::PATCH, ["repos", id]) => Endpoint::UpdateRepo(RepoId(id.parse().ok()?)),
            (&Method::DELETE, ["repos", id]) => Endpoint::RemoveRepo(RepoId(id.parse().ok()?)),
            (&Method::GET, ["tokens"]) => Endpoint::Tokens,
            (&Method::POST, ["tokens"]) => Endpoint::AddToken,
            (&Method::DELETE, ["tokens", id]) => Endpoint::RevokeToken(id.parse().ok()?),
            (&Method::POST, ["link"]) => Endpoint::Link,
            (&Method::POST, ["reconcile"]) => Endpoint::Reconcile,
            (&Method::GET, ["doctor"]) => Endpoint::Doctor,
            (&Method::GET, ["audit"]) => Endpoint::Audit,
            (&Method::POST, ["jobs", id, "debug"]) => Endpoint::Debug(JobId(id.parse().ok()?)),
            (&Method::GET, ["jobs", id, "artifacts"]) => {
                Endpoint::Artifacts(JobId(id.parse().ok()?))
            }
            (&Method::GET, ["jobs", id, "artifacts", number]) => {
                Endpoint::Artifact(JobId(id.parse().ok()?), number.parse().ok()?)
            }
            (&Method::GET, ["jobs", id, "log", "events"]) => {
                Endpoint::LogEvents(JobId(id.parse().ok()?))
            }
            (&Method::GET, ["builds", id, "events"]) => {
                Endpoint::BuildEvents(RequestId(id.parse().ok()?))
            }
            _ => return None,
        })
    }
}

/// Answers one request.
pub(crate) async fn answer(api: &Api, call: &Arc<Call>, endpoint: Endpoint) -> Result<Reply, Fail> {
    match endpoint {
        Endpoint::Status => {
            let uptime = api.uptime();
            api.read(call, move |cx| admin::status(cx, uptime)).await
        }
        Endpoint::Repos => api.read(call, repos::list).await,
        Endpoint::AddRepo => repos::add(api, call).await,
        Endpoint::UpdateRepo(id) => repos::update(api, call, id).await,
        Endpoint::RemoveRepo(id) => repos::remove(api, call, id).await,
        Endpoint::Tokens => api.read(call, admin::tokens).await,
        Endpoint::AddToken => api.read(call, admin::add_token).await,
        Endpoint::RevokeToken(id) => api.read(call, move |cx| admin::revoke_token(cx, id)).await,
        Endpoint::Link => admin::link(api, call).await,
        Endpoint::Reconcile => repos::reconcile(api, call).await,
        Endpoint::Doctor => admin::doctor(api, call).await,
        Endpoint::Audit => api.read(call, debug::audit).await,
        Endpoint::Debug(id) => debug::open(api, call, id).await,
        Endpoint::Artifacts(id) => api.read(call, move |cx| artifacts::list(cx, id)).await,
        Endpoint::Artifact(id, number) => artifacts::get(api, call, id, number).await,
        Endpoint::LogEvents(id) => events::of_log(api, call, id).await,
        Endpoint::BuildEvents(id) => events::of_build(api, call, id).await,
    }
}

/// Refuses all but admins.
fn admin_only(cx: &Cx<'_>) -> Result<(), Fail> {
    if cx.who.is_anonymous() {
        return Err(Fail::NoToken);
    }
    if cx.who.is_admin() {
        Ok(())
    } else {
        Err(Fail::Forbidden(
            "this needs a token with every right".to_owned(),
        ))
    }
}
