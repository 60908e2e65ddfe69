//! One build with its matrix, or the request from which none was made.

use askama::Template;
use assay_plan::{Build, BuildId, Job, Map, Repository, Request, State, Value};

use super::format::{self, Moment, Remark};
use super::{Frame, render, repository, requests};
use crate::api::Cx;
use crate::http::{Fail, Reply};
use crate::v2::job_env;

/// Keys of a job's configuration that are no column of the matrix.
const NO_COLUMN: [&str; 24] = [
    "stage",
    "name",
    "env",
    "global_env",
    "if",
    "allow_failure",
    "before_install",
    "install",
    "before_script",
    "script",
    "before_cache",
    "after_success",
    "after_failure",
    "before_deploy",
    "deploy",
    "after_deploy",
    "after_script",
    "cache",
    "addons",
    "notifications",
    "services",
    "git",
    "branches",
    "jobs",
];
/// Columns of the matrix, besides number, name, environment, state and time.
const MAX_COLUMNS: usize = 6;

#[derive(Template)]
#[template(path = "build.html")]
struct BuildPage {
    frame: Frame,
    slug: String,
    id: u64,
    number: u64,
    state: &'static str,
    is_final: bool,
    event: &'static str,
    branch: String,
    tag: Option<String>,
    head: CommitView,
    started: Option<Moment>,
    finished: Option<Moment>,
    took: Option<String>,
    total: Option<String>,
    may_cancel: bool,
    may_restart: bool,
    columns: Vec<String>,
    has_names: bool,
    has_env: bool,
    /// Columns of the matrix in all.
    width: usize,
    stages: Vec<StageView>,
    /// Files of the configuration, when it was not read from one alone.
    sources: Vec<String>,
    remarks: Vec<Remark>,
}

#[derive(Template)]
#[template(path = "request.html")]
struct RequestPage {
    frame: Frame,
    slug: String,
    id: u64,
    state: &'static str,
    event: &'static str,
    branch: String,
    tag: Option<String>,
    pusher: Option<String>,
    reason: Option<String>,
    head: Option<CommitView>,
    created: Moment,
    remarks: Vec<Remark>,
}

/// A commit at the head of a page.
struct CommitView {
    sha: String,
    short: String,
    title: String,
    rest: String,
    author: String,
}

impl CommitView {
    fn of(commit: &assay_plan::Commit) -> Self {
        let (title, rest) = format::message(commit);
        CommitView {
            sha: commit.id.to_string(),
            short: commit.id.short().to_owned(),
            title,
            rest,
            author: commit.author.name.clone(),
        }
    }
}

struct StageView {
    /// `None` in a build without stages.
    name: Option<String>,
    jobs: Vec<JobRow>,
}

struct JobRow {
    id: u64,
    number: String,
    state: &'static str,
    name: Option<String>,
    cells: Vec<String>,
    env: Option<String>,
    allow_failure: bool,
    took: Option<String>,
}

/// `/{owner}/{name}/builds/{id}`.
pub(super) fn show(cx: &Cx<'_>, slug: &str, id: BuildId) -> Result<Reply, Fail> {
    let repository = repository(cx, slug)?;
    match cx
        .store
        .build(id)?
        .filter(|build| build.repo == repository.id)
    {
        Some(build) => build_page(cx, &repository, &build),
        None => {
            let request = cx
                .store
                .request(id)?
                .filter(|request| request.event.repo == repository.id);
            request_page(cx, &repository, &request.ok_or(Fail::NotFound)?)
        }
    }
}

fn build_page(cx: &Cx<'_>, repository: &Repository, build: &Build) -> Result<Reply, Fail> {
    let jobs = cx.store.jobs(build)?;
    let columns = columns(&jobs);
    let may_push = cx.who.may_push(repository);
    let has_names = jobs.iter().any(|job| job.config.text("name").is_some());
    let has_env = jobs.iter().any(|job| job_env(&job.config).is_some());
    render(&BuildPage {
        frame: Frame::of(cx, Some(repository.slug.as_str())),
        slug: repository.slug.to_string(),
        id: build.id.0,
        number: build.number,
        state: format::state(build.state),
        is_final: build.state.is_final(),
        event: build.event.name(),
        branch: build.branch.clone(),
        tag: build.tag.clone(),
        head: CommitView::of(&build.commit),
        started: build.started_at.map(|time| Moment::of(time, cx.now)),
        finished: build.finished_at.map(|time| Moment::of(time, cx.now)),
        took: format::elapsed(build.started_at, build.finished_at, cx.now),
        total: format::total(build, &jobs).filter(|_| jobs.len() > 1),
        may_cancel: may_push && !build.state.is_final(),
        may_restart: may_push && build.state.is_final(),
        width: 3 + columns.len() + usize::from(has_names) + usize::from(has_env),
        has_names,
        has_env,
        stages: stages(cx, build, &jobs, &columns),
        columns,
        sources: match build.sources.as_slice() {
            [_] => Vec::new(),
            several => several.to_vec(),
        },
        remarks: format::remarks(&build.messages),
    })
}

fn request_page(cx: &Cx<'_>, repository: &Repository, request: &Request) -> Result<Reply, Fail> {
    render(&RequestPage {
        frame: Frame::of(cx, Some(repository.slug.as_str())),
        slug: repository.slug.to_string(),
        id: request.id.0,
        state: requests::state(request.state),
        event: request.event.kind.name(),
        branch: request.branch().to_owned(),
        tag: request.tag().map(str::to_owned),
        pusher: request.event.pusher.clone(),
        reason: request.reason.clone(),
        head: request.commit.as_ref().map(CommitView::of),
        created: Moment::of(request.created_at, cx.now),
        remarks: format::remarks(&request.messages),
    })
}

/// Keys in which the jobs differ; for a build of one job, what it runs on.
fn columns(jobs: &[Job]) -> Vec<String> {
    let mut keys: Vec<&str> = Vec::new();
    for key in jobs.iter().flat_map(|job| job.config.keys()) {
        if !keys.contains(&key) && !NO_COLUMN.contains(&key) {
            keys.push(key);
        }
    }
    let is_plain = |key: &&str| jobs.iter().all(|job| !cell(&job.config, key).contains('{'));
    let differs = |key: &&str| {
        let mut values = jobs.iter().map(|job| job.config.get(key));
        let first = values.next().flatten();
        values.any(|value| value != first)
    };
    let usual = |key: &&str| jobs.len() == 1 && matches!(*key, "os" | "dist" | "arch" | "language");
    keys.into_iter()
        .filter(|key| (differs(key) || usual(key)) && is_plain(key))
        .take(MAX_COLUMNS)
        .map(str::to_owned)
        .collect()
}

/// A value of the configuration in a table cell.
fn cell(config: &Map, key: &str) -> String {
    match config.get(key) {
        None | Some(Value::Null) => String::new(),
        Some(Value::Str(text)) => text.to_string(),
        Some(other) => serde_json::to_string(other).unwrap_or_default(),
    }
}

/// The jobs, grouped by stage. A stage is a run of jobs: names may come back.
fn stages(cx: &Cx<'_>, build: &Build, jobs: &[Job], columns: &[String]) -> Vec<StageView> {
    let name = |stage: Option<u32>| {
        stage
            .and_then(|n| build.stages.get(usize::try_from(n).ok()?))
            .cloned()
    };
    let groups = jobs.chunk_by(|a, b| a.stage == b.stage);
    groups
        .map(|group| StageView {
            name: group.first().and_then(|job| name(job.stage)),
            jobs: group.iter().map(|job| row(cx, job, columns)).collect(),
        })
        .collect()
}

fn row(cx: &Cx<'_>, job: &Job, columns: &[String]) -> JobRow {
    JobRow {
        id: job.id.0,
        number: job.number.to_string(),
        state: format::state(job.state),
        name: job.config.text("name").map(str::to_owned),
        cells: columns.iter().map(|key| cell(&job.config, key)).collect(),
        env: job_env(&job.config),
        allow_failure: job.allow_failure,
        took: format::elapsed(
            job.started_at,
            job.finished_at.or_else(|| ended(job)),
            cx.now,
        ),
    }
}

/// A job that ended without running to an end was not running until now.
fn ended(job: &Job) -> Option<assay_plan::Time> {
    (job.state != State::Started)
        .then_some(job.started_at)
        .flatten()
}
