//! Debug sessions and the audit log.

use std::sync::Arc;

use assay_plan::{JobId, Repository};
use assay_store::{Act, Audit, Change};
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::json;

use super::admin_only;
use crate::access::gate;
use crate::api::{Api, Cx};
use crate::clock;
use crate::command::{Command, DebugSession};
use crate::http::{Call, Content, Fail, Reply};
use crate::v2::find_job;

/// Entries of the audit log that are given when the client doesn't say.
const USUAL: u64 = 100;
/// Most entries that are given at once.
const MOST: u64 = 10_000;

#[derive(Serialize)]
struct SessionEntity<'a> {
    user: &'a str,
    host: Option<&'a str>,
    port: u16,
    host_key: &'a str,
    fingerprint: &'a str,
    connect_within: u64,
    time_limit: u64,
}

#[derive(Serialize)]
struct AuditEntity<'a> {
    at: String,
    by: &'a str,
    act: &'static str,
    repository_id: u64,
    repository_slug: &'a str,
    job_id: u64,
    session: &'a str,
    from: &'a str,
    note: &'a str,
}

/// `POST /assay/jobs/{id}/debug`: the person's consent. That of the repository is looked at by the daemon.
pub(super) async fn open(api: &Api, call: &Arc<Call>, job: JobId) -> Result<Reply, Fail> {
    let by = api.read(call, move |cx| check(cx, job)).await?;
    let key = call
        .params
        .filled("key")
        .ok_or_else(|| Fail::Unprocessable("key is missing: an SSH public key".to_owned()))?;
    let session = api
        .command(|reply| Command::Debug {
            job,
            key,
            by,
            reply,
        })
        .await?;
    Ok(Reply::new(
        StatusCode::CREATED,
        Content::value(&json!({ "session": entity(&session) })),
    ))
}

/// Whether the user may; gives the name to record. That somebody without the right asked is recorded too.
fn check(cx: &Cx<'_>, id: JobId) -> Result<String, Fail> {
    if cx.who.is_anonymous() {
        return Err(Fail::NoToken);
    }
    gate(cx.settings.mode, cx.who, cx.call.accept.version())?;
    let (_, _, repository) = find_job(cx, id)?.ok_or(Fail::NotFound)?;
    if cx.who.may_push(&repository) {
        return Ok(cx.who.name().to_owned());
    }
    record_refusal(cx, &repository, id)?;
    Err(Fail::Forbidden(
        "a debug session needs the right to push".to_owned(),
    ))
}

fn record_refusal(cx: &Cx<'_>, repository: &Repository, job: JobId) -> Result<(), Fail> {
    let audit = Audit {
        id: cx.store.audit_id()?,
        at: cx.now,
        by: cx.who.name().to_owned(),
        act: Act::DebugRefused,
        repo: repository.id,
        slug: repository.slug.to_string(),
        job,
        session: String::new(),
        from: String::new(),
        note: "no right to push".to_owned(),
    };
    Ok(cx.store.commit(vec![Change::Audit(audit)])?)
}

/// `GET /assay/audit`.
pub(super) fn audit(cx: &Cx<'_>) -> Result<Reply, Fail> {
    admin_only(cx)?;
    let limit = cx.call.params.number("limit").unwrap_or(USUAL).min(MOST);
    let entries = cx
        .store
        .audit(usize::try_from(limit).unwrap_or(usize::MAX))?;
    let entries: Vec<_> = entries.iter().map(audit_entity).collect();
    cx.json(&json!({ "audit": entries }))
}

fn entity(session: &DebugSession) -> SessionEntity<'_> {
    SessionEntity {
        user: &session.user,
        host: session.host.as_deref(),
        port: session.port,
        host_key: &session.host_key,
        fingerprint: &session.fingerprint,
        connect_within: session.connect_within.as_secs(),
        time_limit: session.time_limit.as_secs(),
    }
}

fn audit_entity(audit: &Audit) -> AuditEntity<'_> {
    AuditEntity {
        at: clock::text(audit.at),
        by: &audit.by,
        act: audit.act.name(),
        repository_id: audit.repo.0,
        repository_slug: &audit.slug,
        job_id: audit.job.0,
        session: &audit.session,
        from: &audit.from,
        note: &audit.note,
    }
}
