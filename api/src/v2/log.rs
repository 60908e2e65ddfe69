//! Logs: whole, in parts while they grow, or as text.

use assay_plan::{JobId, Visibility};
use assay_store::LogPart;
use axum::http::header;
use serde::Serialize;

use crate::api::Cx;
use crate::http::{Content, Fail, Format, Reply};
use crate::page::plain_text;

#[derive(Serialize)]
struct OneLog<T> {
    log: T,
}

#[derive(Serialize)]
struct Whole {
    id: u64,
    job_id: u64,
    r#type: &'static str,
    body: String,
}

#[derive(Serialize)]
struct InParts {
    id: u64,
    job_id: u64,
    r#type: &'static str,
    parts: Vec<Part>,
}

#[derive(Serialize)]
struct NotYet {
    job_id: u64,
    parts: Vec<Part>,
    #[serde(rename = "@type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct Part {
    number: u32,
    content: String,
    r#final: bool,
}

/// `GET /logs/{id}`, `GET /jobs/{id}/log`.
pub(super) fn show(cx: &Cx<'_>, id: JobId) -> Result<Reply, Fail> {
    let (job, _, repository) =
        super::job::find(cx, id)?.ok_or_else(|| Fail::NoJob(id.to_string()))?;
    let logs = cx.store.logs();
    let complete = logs.is_complete(job.repo, job.id)?;
    let offers: &[Format] = if complete {
        &[Format::Json, Format::Text]
    } else {
        &[Format::Chunked, Format::Json, Format::Text]
    };
    let format = cx.call.accept.pick(offers).ok_or(Fail::NotAcceptable)?;
    let chunked = format == Format::Chunked
        || (!complete && format == Format::Json && cx.call.params.flag("chunked"));
    let after = if chunked {
        cx.call.params.number("after").unwrap_or(0)
    } else {
        0
    };
    let parts = logs.parts(job.repo, job.id, u32::try_from(after).unwrap_or(u32::MAX))?;
    let reply = if format == Format::Text {
        as_text(cx, id, join(parts))
    } else if parts.is_empty() && after == 0 && !complete {
        cx.json(&OneLog {
            log: NotYet {
                job_id: id.0,
                parts: Vec::new(),
                kind: "Log",
            },
        })?
    } else if chunked {
        let log = InParts {
            id: id.0,
            job_id: id.0,
            r#type: "Log",
            parts: wanted(cx, parts),
        };
        cx.json(&OneLog { log })?
    } else {
        cx.json(&OneLog {
            log: Whole {
                id: id.0,
                job_id: id.0,
                r#type: "Log",
                body: join(parts),
            },
        })?
    };
    let private = repository.visibility == Visibility::Private;
    Ok(if private {
        reply.with(header::CACHE_CONTROL, "private, no-cache")
    } else {
        reply
    })
}

fn as_text(cx: &Cx<'_>, id: JobId, body: String) -> Reply {
    let params = &cx.call.params;
    let how = if params.flag("attachment") {
        "attachment"
    } else {
        "inline"
    };
    let body = if params.flag("deansi") {
        plain_text(&body)
    } else {
        body
    };
    Reply::ok(Content::Text(body)).with(
        header::CONTENT_DISPOSITION,
        &format!("{how}; filename=\"{id}\""),
    )
}

/// The parts whose numbers are asked for by `part_numbers`; all without it.
fn wanted(cx: &Cx<'_>, parts: Vec<LogPart>) -> Vec<Part> {
    let numbers = cx.call.params.numbers("part_numbers");
    let is_wanted = |part: &LogPart| {
        numbers
            .as_ref()
            .is_none_or(|numbers| numbers.contains(&u64::from(part.number)))
    };
    let shown = |part: LogPart| Part {
        number: part.number,
        content: part.content,
        r#final: part.last,
    };
    parts.into_iter().filter(is_wanted).map(shown).collect()
}

fn join(parts: Vec<LogPart>) -> String {
    let mut body = String::with_capacity(parts.iter().map(|part| part.content.len()).sum());
    for part in parts {
        body.push_str(&part.content);
    }
    body
}
