//! The entities as served: one struct each, keys in Travis' order, every documented key always there.

use assay_plan::{
    Build, Commit, EventKind, Job, Map, Repository, Request, RequestState, State, Time, Used,
    Visibility,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::config::{build_config, job_config};
use crate::api::Cx;
use crate::clock;
use crate::http::Fail;

/// The queue that every job is in.
pub(super) const QUEUE: &str = "builds.linux";

/// Travis' name of a state, without `received`: a client library raises on it.
pub(crate) fn shown_state(state: State) -> &'static str {
    match state {
        State::Received => State::Queued.name(),
        other => other.name(),
    }
}

/// Sum of the run times of a build's jobs, whole seconds; `None` until the build is finished.
pub(crate) fn jobs_duration(build: &Build, jobs: &[Job]) -> Option<i64> {
    let run_time = |job: &Job| Some(clock::seconds_between(job.started_at?, job.finished_at?));
    build
        .state
        .is_final()
        .then(|| jobs.iter().filter_map(run_time).sum())
}

/// A number that stands for a name, the same at all times and on all hosts; below 2^31, never 0.
pub(super) fn name_id(name: &str) -> u64 {
    let digest = Sha256::digest(name.to_lowercase().as_bytes());
    let number = u32::from_be_bytes([digest[0] & 0x7f, digest[1], digest[2], digest[3]]);
    u64::from(number.max(1))
}

fn text_of(time: Option<Time>) -> Option<String> {
    time.map(clock::text)
}

/// `build`, `builds[]`.
#[derive(Debug, Serialize)]
pub(super) struct BuildEntity {
    id: u64,
    repository_id: u64,
    commit_id: u64,
    number: String,
    event_type: &'static str,
    pull_request: bool,
    pull_request_title: Option<String>,
    pull_request_number: Option<u64>,
    config: Map,
    state: &'static str,
    started_at: Option<String>,
    finished_at: Option<String>,
    duration: Option<i64>,
    job_ids: Vec<u64>,
    /// Not Travis': the files of the configuration, when it was not read from one alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<String>,
}

impl BuildEntity {
    pub(super) fn of(build: &Build, jobs: &[Job], with_config: bool) -> Self {
        BuildEntity {
            id: build.id.0,
            repository_id: build.repo.0,
            commit_id: build.id.0,
            number: build.number.to_string(),
            event_type: build.event.name(),
            pull_request: build.event == EventKind::PullRequest,
            pull_request_title: None,
            pull_request_number: None,
            config: if with_config {
                build_config(&build.config)
            } else {
                Map::new()
            },
            state: shown_state(build.state),
            started_at: text_of(build.started_at),
            finished_at: text_of(build.finished_at),
            duration: jobs_duration(build, jobs),
            job_ids: build.jobs.iter().map(|id| id.0).collect(),
            sources: several(&build.sources).to_vec(),
        }
    }
}

/// The sources of a build whose configuration has more than one.
fn several(sources: &[String]) -> &[String] {
    if sources.len() > 1 { sources } else { &[] }
}

/// `branch`, `branches[]`: a build in fewer keys.
#[derive(Debug, Serialize)]
pub(super) struct BranchEntity {
    id: u64,
    repository_id: u64,
    commit_id: u64,
    number: String,
    config: Map,
    state: &'static str,
    started_at: Option<String>,
    finished_at: Option<String>,
    duration: Option<i64>,
    job_ids: Vec<u64>,
    pull_request: bool,
}

impl BranchEntity {
    pub(super) fn of(build: &Build, jobs: &[Job]) -> Self {
        let build = BuildEntity::of(build, jobs, true);
        BranchEntity {
            id: build.id,
            repository_id: build.repository_id,
            commit_id: build.commit_id,
            number: build.number,
            config: build.config,
            state: build.state,
            started_at: build.started_at,
            finished_at: build.finished_at,
            duration: build.duration,
            job_ids: build.job_ids,
            pull_request: build.pull_request,
        }
    }
}

/// `job`, `jobs[]`.
#[derive(Debug, Serialize)]
pub(super) struct JobEntity {
    id: u64,
    repository_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    repository_slug: Option<String>,
    /// Left out inside a build; `null` for a job without a stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage_id: Option<Option<u32>>,
    build_id: u64,
    commit_id: u64,
    log_id: u64,
    number: String,
    config: Map,
    state: &'static str,
    started_at: Option<String>,
    finished_at: Option<String>,
    queue: Option<&'static str>,
    allow_failure: bool,
    tags: Option<String>,
    annotation_ids: Vec<u64>,
    /// Ours: what its last run was made of and used.
    #[serde(rename = "assay", skip_serializing_if = "Option::is_none")]
    used: Option<UsedEntity>,
    /// Not Travis': versions that ran in the place of those asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    substitutes: Vec<SubstituteEntity>,
}

/// What a run was made of and used: CPU in milliseconds, the rest in bytes and in processes.
#[derive(Debug, Serialize)]
struct UsedEntity {
    image: String,
    cpu_ms: u64,
    memory: u64,
    read: u64,
    written: u64,
    processes: u64,
}

impl From<&Used> for UsedEntity {
    fn from(used: &Used) -> Self {
        UsedEntity {
            image: used.image.clone(),
            cpu_ms: used.cpu_ms,
            memory: used.memory,
            read: used.read,
            written: used.written,
            processes: used.processes,
        }
    }
}

/// A version that ran in the place of another.
#[derive(Debug, Serialize)]
struct SubstituteEntity {
    name: String,
    asked: String,
    used: String,
}

impl JobEntity {
    /// A job on its own or in a list of jobs.
    pub(super) fn alone(job: &Job, repository: &Repository) -> Self {
        let slug = Some(repository.slug.to_string());
        JobEntity {
            repository_slug: slug,
            stage_id: Some(job.stage),
            ..JobEntity::in_build(job, true)
        }
    }

    /// A job beside its build.
    pub(super) fn in_build(job: &Job, with_config: bool) -> Self {
        JobEntity {
            id: job.id.0,
            repository_id: job.repo.0,
            repository_slug: None,
            stage_id: None,
            build_id: job.build.0,
            commit_id: job.build.0,
            log_id: job.id.0,
            number: job.number.to_string(),
            config: if with_config {
                job_config(&job.config)
            } else {
                Map::new()
            },
            state: shown_state(job.state),
            started_at: text_of(job.started_at),
            finished_at: text_of(job.finished_at),
            queue: Some(QUEUE),
            allow_failure: job.allow_failure,
            tags: None,
            annotation_ids: Vec::new(),
            used: job.used.as_ref().map(Into::into),
            substitutes: job
                .substitutes
                .iter()
                .map(|one| SubstituteEntity {
                    name: one.name.clone(),
                    asked: one.asked.clone(),
                    used: one.used.clone(),
                })
                .collect(),
        }
    }
}

/// `commit`, `commits[]`.
#[derive(Debug, Serialize)]
pub(super) struct CommitEntity {
    id: u64,
    sha: String,
    branch: String,
    tag: Option<String>,
    message: String,
    committed_at: String,
    author_name: Option<String>,
    author_email: Option<String>,
    committer_name: Option<String>,
    committer_email: Option<String>,
    compare_url: String,
    pull_request_number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    branch_is_default: Option<bool>,
}

impl CommitEntity {
    /// The commit of a build. A plain Git host has no page that compares, so the build's own page stands for it.
    pub(super) fn of_build(cx: &Cx<'_>, build: &Build, repository: &Repository) -> Self {
        let url = cx.web(&format!("/{}/builds/{}", repository.slug, build.id));
        Self::of(
            &build.commit,
            build.id.0,
            &build.branch,
            build.tag.as_deref(),
            url,
        )
    }

    /// The commit of a request, once it has been read.
    pub(super) fn of_request(
        cx: &Cx<'_>,
        request: &Request,
        repository: &Repository,
    ) -> Option<Self> {
        let url = cx.web(&format!("/{}/builds/{}", repository.slug, request.id));
        let commit = request.commit.as_ref()?;
        Some(Self::of(
            commit,
            request.id.0,
            request.branch(),
            request.tag(),
            url,
        ))
    }

    /// With the word about the default branch that single answers carry.
    pub(super) fn with_default(mut self, repository: &Repository) -> Self {
        self.branch_is_default = Some(repository.default_branch.as_deref() == Some(&self.branch));
        self
    }

    fn of(commit: &Commit, id: u64, branch: &str, tag: Option<&str>, compare_url: String) -> Self {
        let filled = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        CommitEntity {
            id,
            sha: commit.id.to_string(),
            branch: branch.to_owned(),
            tag: tag.map(str::to_owned),
            message: commit.message.clone(),
            committed_at: clock::text(commit.committed_at),
            author_name: filled(&commit.author.name),
            author_email: filled(&commit.author.email),
            committer_name: filled(&commit.committer.name),
            committer_email: filled(&commit.committer.email),
            compare_url,
            pull_request_number: None,
            branch_is_default: None,
        }
    }
}

/// `repo`, `repos[]`.
#[derive(Debug, Serialize)]
pub(super) struct RepoEntity {
    id: u64,
    slug: String,
    description: Option<String>,
    active: bool,
    private: bool,
    last_build_id: Option<u64>,
    last_build_number: Option<String>,
    /// Empty, not null, without a build.
    last_build_state: &'static str,
    last_build_duration: Option<i64>,
    last_build_language: Option<String>,
    last_build_started_at: Option<String>,
    last_build_finished_at: Option<String>,
    github_language: Option<String>,
}

impl RepoEntity {
    pub(super) fn of(
        cx: &Cx<'_>,
        repository: &Repository,
        last: Option<&Build>,
    ) -> Result<Self, Fail> {
        let duration = match last {
            Some(build) => jobs_duration(build, &cx.store.jobs(build)?),
            None => None,
        };
        Ok(RepoEntity {
            id: repository.id.0,
            slug: repository.slug.to_string(),
            description: repository.description.clone(),
            active: repository.active,
            private: repository.visibility == Visibility::Private,
            last_build_id: last.map(|build| build.id.0),
            last_build_number: last.map(|build| build.number.to_string()),
            last_build_state: last.map_or("", |build| shown_state(build.state)),
            last_build_duration: duration,
            last_build_language: None,
            last_build_started_at: last.and_then(|build| text_of(build.started_at)),
            last_build_finished_at: last.and_then(|build| text_of(build.finished_at)),
            github_language: None,
        })
    }
}

/// `request`, `requests[]`.
#[derive(Debug, Serialize)]
pub(super) struct RequestEntity {
    id: u64,
    repository_id: u64,
    commit_id: Option<u64>,
    created_at: String,
    owner_id: u64,
    owner_type: &'static str,
    event_type: &'static str,
    base_commit: Option<String>,
    head_commit: Option<String>,
    result: Option<&'static str>,
    message: Option<String>,
    pull_request: bool,
    pull_request_number: Option<u64>,
    pull_request_title: Option<String>,
    branch: Option<String>,
    tag: Option<String>,
    build_id: Option<u64>,
}

impl RequestEntity {
    pub(super) fn of(request: &Request, repository: &Repository) -> Self {
        let event = &request.event;
        RequestEntity {
            id: request.id.0,
            repository_id: event.repo.0,
            commit_id: request.commit.as_ref().map(|_| request.id.0),
            created_at: clock::text(request.created_at),
            owner_id: name_id(repository.slug.owner()),
            owner_type: "User",
            event_type: event.kind.name(),
            base_commit: event.before.as_ref().map(ToString::to_string),
            head_commit: event.after.as_ref().map(ToString::to_string),
            result: match request.state {
                RequestState::Pending => None,
                decided => Some(decided.name()),
            },
            message: request.reason.clone(),
            pull_request: event.kind == EventKind::PullRequest,
            pull_request_number: None,
            pull_request_title: None,
            branch: Some(request.branch().to_owned()),
            tag: request.tag().map(str::to_owned),
            build_id: (request.state == RequestState::Accepted).then_some(request.id.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn received_is_never_shown() {
        let shown: Vec<&str> = State::ALL.into_iter().map(shown_state).collect();
        assert_eq!(
            shown,
            [
                "created", "queued", "queued", "started", "passed", "failed", "errored", "canceled"
            ]
        );
    }

    #[test]
    fn the_id_of_a_name_is_stable_and_small() {
        assert_eq!(name_id("Alice"), name_id("alice"));
        assert_ne!(name_id("alice"), name_id("bob"));
        assert!((1..1 << 31).contains(&name_id("")));
    }
}
