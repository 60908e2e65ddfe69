//! One job and its log.

use askama::Template;
use assay_plan::JobId;

use super::format::{self, Moment};
use super::log::log_html;
use super::{Frame, render, repository};
use crate::api::Cx;
use crate::http::{Fail, Reply};
use crate::v2::job_env;

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage {
    frame: Frame,
    slug: String,
    id: u64,
    build: u64,
    build_number: u64,
    number: String,
    name: Option<String>,
    state: &'static str,
    /// Whether more of the log or another state is to come.
    live: bool,
    stage: Option<String>,
    allow_failure: bool,
    attempt: u32,
    language: Option<String>,
    env: Option<String>,
    branch: String,
    tag: bool,
    commit: String,
    title: String,
    started: Option<Moment>,
    took: Option<String>,
    reason: Option<String>,
    image: Option<String>,
    used: Option<String>,
    /// Versions that ran in the place of those asked for, in words.
    substitutes: Vec<String>,
    restarted: Option<(Moment, String)>,
    may_cancel: bool,
    may_restart: bool,
    /// Whether there is any log.
    has_log: bool,
    /// Number of the last part that the page holds.
    last_part: u32,
    log: String,
}

/// `/{owner}/{name}/jobs/{id}`.
pub(super) fn show(cx: &Cx<'_>, slug: &str, id: JobId) -> Result<Reply, Fail> {
    let repository = repository(cx, slug)?;
    let job = cx
        .store
        .job(id)?
        .filter(|job| job.repo == repository.id)
        .ok_or(Fail::NotFound)?;
    let build = cx.store.build(job.build)?.ok_or(Fail::NotFound)?;
    let parts = cx.store.logs().parts(job.repo, job.id, 0)?;
    // Asked after the parts were read, a log could be called complete whose end is missing here.
    let complete = parts.last().is_some_and(|part| part.last);
    let last_part = parts.last().map_or(0, |part| part.number);
    let has_log = parts.iter().any(|part| !part.content.is_empty());
    let may_push = cx.who.may_push(&repository);
    let stage = job
        .stage
        .and_then(|n| build.stages.get(usize::try_from(n).ok()?))
        .cloned();
    // A job that ended without running to an end was not running until now.
    let cut_short = job.started_at.filter(|_| job.state.is_final());
    let end = job.finished_at.or(cut_short);
    render(&JobPage {
        frame: Frame::of(cx, Some(repository.slug.as_str())),
        slug: repository.slug.to_string(),
        id: job.id.0,
        build: build.id.0,
        build_number: build.number,
        number: job.number.to_string(),
        name: job.config.text("name").map(str::to_owned),
        state: format::state(job.state),
        live: !job.state.is_final(),
        stage,
        allow_failure: job.allow_failure,
        attempt: job.attempt,
        language: job.config.text("language").map(str::to_owned),
        env: job_env(&job.config),
        branch: build.branch.clone(),
        tag: build.tag.is_some(),
        commit: build.commit.id.short().to_owned(),
        title: format::message(&build.commit).0,
        started: job.started_at.map(|time| Moment::of(time, cx.now)),
        took: format::elapsed(job.started_at, end, cx.now),
        reason: job.reason.clone(),
        image: job.used.as_ref().map(|used| used.image.clone()),
        used: job.used.as_ref().map(format::used),
        substitutes: job.substitutes.iter().map(ToString::to_string).collect(),
        restarted: job
            .restarted
            .as_ref()
            .map(|(time, by)| (Moment::of(*time, cx.now), by.clone())),
        may_cancel: may_push && !job.state.is_final(),
        may_restart: may_push && job.state.is_final(),
        has_log,
        last_part,
        log: log_html(
            parts.into_iter().map(|part| part.content),
            complete || job.state.is_final(),
        ),
    })
}
