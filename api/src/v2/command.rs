//! Cancel and restart: checked here, done by the daemon.

use std::sync::Arc;

use assay_plan::{JobId, RepoId, Repository, RequestId, Target};
use assay_store::Right;
use axum::http::StatusCode;
use serde_json::json;

use super::{Verb, build, job};
use crate::access::gate;
use crate::api::{Api, Cx};
use crate::command::{Command, CommandError, RepositoryPatch};
use crate::http::{Call, Content, Fail, Reply};

/// `POST /builds/{id}/cancel`, `…/restart`, `POST /jobs/{id}/cancel`, `…/restart`.
pub(super) async fn ask(
    api: &Api,
    call: &Arc<Call>,
    verb: Verb,
    target: Target,
) -> Result<Reply, Fail> {
    let by = api.read(call, move |cx| check(cx, verb, target)).await?;
    run(api, verb, target, by)
        .await
        .map_err(|error| explain(error, target))?;
    Ok(match verb {
        Verb::Cancel => Reply::new(StatusCode::NO_CONTENT, Content::Empty),
        Verb::Restart => Reply::new(StatusCode::ACCEPTED, restarted(target)),
    })
}

/// `POST /requests` with `build_id` or `job_id`.
pub(super) async fn resubmit(api: &Api, call: &Arc<Call>) -> Result<Reply, Fail> {
    let target = match (call.params.number("job_id"), call.params.number("build_id")) {
        (Some(id), _) => Some(Target::Job(JobId(id))),
        (None, Some(id)) => Some(Target::Build(RequestId(id))),
        (None, None) => None,
    };
    let checked = api.read(call, move |cx| match target {
        Some(target) => check(cx, Verb::Restart, target),
        None if cx.who.is_anonymous() => Err(Fail::NoToken),
        None => Err(Fail::NotFound),
    });
    let by = checked.await?;
    let target = target.ok_or(Fail::NotFound)?;
    run(api, Verb::Restart, target, by)
        .await
        .map_err(|error| explain(error, target))?;
    Ok(Reply::ok(restarted(target)))
}

/// `PUT /hooks/{id}`, `PUT /hooks` with `hook[id]`: turns builds of a repository on or off.
pub(super) async fn set_hook(
    api: &Api,
    call: &Arc<Call>,
    id: Option<RepoId>,
) -> Result<Reply, Fail> {
    let hook = call.params.nested("hook");
    let id = id
        .or_else(|| hook.number("id").map(RepoId))
        .ok_or(Fail::NotFound)?;
    let administrable = move |cx: &Cx<'_>| {
        if cx.who.is_anonymous() {
            return Err(Fail::NoToken);
        }
        let found = cx
            .store
            .repository(id)?
            .filter(|repository| cx.who.right_on(repository) == Some(Right::Admin));
        found.map(|_| ()).ok_or(Fail::NotFound)
    };
    api.read(call, administrable).await?;
    let patch = RepositoryPatch {
        active: hook.truth("active"),
        ..RepositoryPatch::default()
    };
    if patch.active.is_some() {
        api.command(|reply| Command::UpdateRepository { id, patch, reply })
            .await?;
    }
    Ok(Reply::ok(Content::value(&json!({"result": true}))))
}

/// Sends the command.
pub(crate) async fn run(
    api: &Api,
    verb: Verb,
    target: Target,
    by: String,
) -> Result<(), CommandError> {
    match verb {
        Verb::Cancel => {
            api.command(|reply| Command::Cancel { target, by, reply })
                .await
        }
        Verb::Restart => {
            api.command(|reply| Command::Restart { target, by, reply })
                .await
        }
    }
}

/// Whether the user may; gives the name to record.
pub(crate) fn check(cx: &Cx<'_>, verb: Verb, target: Target) -> Result<String, Fail> {
    if cx.who.is_anonymous() {
        return Err(Fail::NoToken);
    }
    gate(cx.settings.mode, cx.who, cx.call.accept.version())?;
    let repository = repository_of(cx, target)?;
    if cx.who.may_push(&repository) {
        return Ok(cx.who.name().to_owned());
    }
    Err(match verb {
        Verb::Cancel => {
            Fail::Forbidden(format!("You don't have access to cancel {}", named(target)))
        }
        Verb::Restart => {
            Fail::CantRestart("You do not seem to have sufficient permissions.".to_owned())
        }
    })
}

fn repository_of(cx: &Cx<'_>, target: Target) -> Result<Repository, Fail> {
    match target {
        Target::Build(id) => build::find(cx, id)?
            .map(|(_, repository)| repository)
            .ok_or(Fail::NotFound),
        Target::Job(id) => job::find(cx, id)?
            .map(|(_, _, repository)| repository)
            .ok_or_else(|| Fail::NoJob(id.to_string())),
    }
}

fn explain(error: CommandError, target: Target) -> Fail {
    match (error, target) {
        (CommandError::CantCancel, _) => Fail::CantCancel(named(target)),
        (CommandError::NotFound, Target::Job(id)) => Fail::NoJob(id.to_string()),
        (error, _) => error.into(),
    }
}

/// `build(5)`, as Travis writes it.
fn named(target: Target) -> String {
    match target {
        Target::Build(id) => format!("build({id})"),
        Target::Job(id) => format!("job({id})"),
    }
}

fn restarted(target: Target) -> Content {
    let noun = match target {
        Target::Build(_) => "build",
        Target::Job(_) => "job",
    };
    Content::value(
        &json!({"result": true, "flash": [{"notice": format!("The {noun} was successfully restarted.")}]}),
    )
}
