//! Jobs: one, by id, by state, or all that are not finished.

use assay_plan::{Build, Job, JobId, Repository, State};
use assay_store::BuildQuery;
use serde::Serialize;

use super::entity::{CommitEntity, JobEntity, QUEUE, shown_state};
use super::own_repos;
use crate::api::Cx;
use crate::http::{Fail, Reply};

/// Jobs in one answer.
const LIMIT: usize = 250;
/// Builds of each repository that are looked through for jobs in a final state.
const DEPTH: usize = 100;

#[derive(Serialize)]
struct Jobs {
    jobs: Vec<JobEntity>,
    /// Parallel to the jobs: a client pairs them by place.
    commits: Vec<CommitEntity>,
}

#[derive(Serialize)]
struct OneJob {
    job: JobEntity,
    commit: CommitEntity,
}

/// The job with this id, its build and its repository, if the user may see it.
pub(crate) fn find(cx: &Cx<'_>, id: JobId) -> Result<Option<(Job, Build, Repository)>, Fail> {
    let Some(job) = cx.store.job(id)? else {
        return Ok(None);
    };
    let found = super::build::find(cx, job.build)?;
    Ok(found.map(|(build, repository)| (job, build, repository)))
}

/// `GET /jobs/{id}`.
pub(super) fn show(cx: &Cx<'_>, id: JobId) -> Result<Reply, Fail> {
    let (job, build, repository) = find(cx, id)?.ok_or_else(|| Fail::NoJob(id.to_string()))?;
    let commit = CommitEntity::of_build(cx, &build, &repository).with_default(&repository);
    cx.json(&OneJob {
        job: JobEntity::alone(&job, &repository),
        commit,
    })
}

/// `GET /jobs`.
pub(super) fn list(cx: &Cx<'_>) -> Result<Reply, Fail> {
    let mut lists = Jobs {
        jobs: Vec::new(),
        commits: Vec::new(),
    };
    let found = match cx.call.params.numbers("ids") {
        Some(ids) => ids
            .into_iter()
            .filter_map(|id| find(cx, JobId(id)).transpose())
            .collect::<Result<Vec<_>, _>>()?,
        None => by_state(cx)?,
    };
    for (job, build, repository) in &found {
        lists.jobs.push(JobEntity::alone(job, repository));
        lists
            .commits
            .push(CommitEntity::of_build(cx, build, repository));
    }
    cx.json(&lists)
}

/// Jobs of the user's repositories in a state or in the queue, newest first; without parameters the unfinished ones.
fn by_state(cx: &Cx<'_>) -> Result<Vec<(Job, Build, Repository)>, Fail> {
    let (state, queue) = (
        cx.call.params.filled("state"),
        cx.call.params.filled("queue"),
    );
    if queue.as_ref().is_some_and(|queue| queue != QUEUE) {
        return Ok(Vec::new());
    }
    let repositories = own_repos(cx)?;
    let finished = state
        .as_deref()
        .and_then(State::from_name)
        .is_some_and(State::is_final);
    let mut found = Vec::new();
    if finished || (state.is_none() && queue.is_some()) {
        for repository in &repositories {
            for build in cx.store.builds(
                repository.id,
                &BuildQuery {
                    limit: DEPTH,
                    ..BuildQuery::default()
                },
            )? {
                found.extend(
                    cx.store
                        .jobs(&build)?
                        .into_iter()
                        .map(|job| (job, build.clone(), repository.clone())),
                );
            }
        }
    } else {
        for (build, jobs) in cx.store.unfinished()?.builds {
            let Some(repository) = repositories
                .iter()
                .find(|repository| repository.id == build.repo)
            else {
                continue;
            };
            let open = jobs.into_iter().filter(|job| !job.state.is_final());
            found.extend(open.map(|job| (job, build.clone(), repository.clone())));
        }
    }
    if let Some(state) = state {
        found.retain(|(job, _, _)| shown_state(job.state) == state);
    }
    found.sort_by_key(|(job, _, _)| std::cmp::Reverse(job.id));
    found.truncate(LIMIT);
    Ok(found)
}
