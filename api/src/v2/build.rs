//! Builds: lists by repository, by id, over all repositories, and one with its jobs.

use assay_plan::{Build, BuildId, EventKind, RepoId, Repository, RequestId, State};
use assay_store::BuildQuery;
use serde::Serialize;

use super::entity::{BuildEntity, CommitEntity, JobEntity};
use super::{RepoRef, branch, find_repo, named_repo, own_repos};
use crate::api::Cx;
use crate::http::{Fail, Reply};

/// Builds on one page of a list.
const PAGE: usize = 25;

#[derive(Serialize)]
struct Builds {
    builds: Vec<BuildEntity>,
    /// Parallel to the builds: a client pairs them by place.
    commits: Vec<CommitEntity>,
}

#[derive(Serialize)]
struct OneBuild {
    build: BuildEntity,
    commit: CommitEntity,
    jobs: Vec<JobEntity>,
}

/// The build with this id, and its repository, if the user may see it.
pub(super) fn find(cx: &Cx<'_>, id: BuildId) -> Result<Option<(Build, Repository)>, Fail> {
    let Some(build) = cx.store.build(id)? else {
        return Ok(None);
    };
    let repository = cx
        .store
        .repository(build.repo)?
        .filter(|repository| cx.who.sees(repository));
    Ok(repository.map(|repository| (build, repository)))
}

/// `GET /builds`, `GET /repos/…/builds`.
pub(super) fn list(cx: &Cx<'_>, in_path: Option<&RepoRef>) -> Result<Reply, Fail> {
    let params = &cx.call.params;
    if let (None, Some(ids)) = (in_path, params.numbers("ids")) {
        let mut found = Vec::new();
        for id in ids {
            found.extend(find(cx, RequestId(id))?);
        }
        return answer(cx, &found);
    }
    let Some(repo) = named_repo(cx, in_path) else {
        return answer(cx, &overview(cx)?);
    };
    if params.flag("branches") {
        return as_branches(cx, &repo);
    }
    let Some(repository) = find_repo(cx, &repo)? else {
        return answer(cx, &[]);
    };
    let Some(query) = query(cx) else {
        return answer(cx, &[]);
    };
    let builds = cx.store.builds(repository.id, &query)?;
    let found: Vec<_> = builds
        .into_iter()
        .map(|build| (build, repository.clone()))
        .collect();
    answer(cx, &found)
}

/// `GET /builds/{id}`, `GET /repos/…/builds/{id}`.
pub(super) fn show(cx: &Cx<'_>, in_path: Option<&RepoRef>, id: BuildId) -> Result<Reply, Fail> {
    let (build, repository) = find(cx, id)?.ok_or(Fail::NotFound)?;
    let belongs = match in_path {
        None => true,
        Some(RepoRef::Id(id)) => *id == repository.id,
        Some(RepoRef::Slug(slug)) => repository.slug.as_str().eq_ignore_ascii_case(slug),
    };
    if !belongs {
        return Err(Fail::NotFound);
    }
    let jobs = cx.store.jobs(&build)?;
    let with_config = !cx.call.params.flag("exclude_config");
    let one = OneBuild {
        build: BuildEntity::of(&build, &jobs, with_config),
        commit: CommitEntity::of_build(cx, &build, &repository).with_default(&repository),
        jobs: jobs
            .iter()
            .map(|job| JobEntity::in_build(job, with_config))
            .collect(),
    };
    Ok(cx.json(&one)?.tagged())
}

/// What a list of one repository asks for; `None` when nothing can match.
fn query(cx: &Cx<'_>) -> Option<BuildQuery> {
    let params = &cx.call.params;
    let kinds = match params.list("event_type") {
        None => Vec::new(),
        Some(names) => {
            let kinds: Vec<EventKind> = names
                .iter()
                .filter_map(|name| EventKind::from_name(name))
                .collect();
            if kinds.is_empty() && !names.is_empty() {
                return None;
            }
            kinds
        }
    };
    let number = match params.filled("number") {
        None => None,
        Some(text) => Some(text.trim().parse().ok()?),
    };
    Some(BuildQuery {
        below_number: params.number("after_number"),
        number,
        kinds,
        branch: None,
        limit: PAGE,
    })
}

/// Builds over all of the user's repositories: running ones, or the newest that passed or failed.
fn overview(cx: &Cx<'_>) -> Result<Vec<(Build, Repository)>, Fail> {
    if cx.who.is_anonymous() {
        return Ok(Vec::new());
    }
    let repositories = own_repos(cx)?;
    let mut found = Vec::new();
    if cx.call.params.flag("running") {
        let of = |id: RepoId| repositories.iter().find(|repository| repository.id == id);
        for (build, _) in cx.store.unfinished()?.builds {
            if let Some(repository) = of(build.repo).filter(|_| build.state == State::Started) {
                found.push((build, repository.clone()));
            }
        }
        found.sort_by_key(|(build, _)| std::cmp::Reverse(build.started_at));
    } else {
        let decided = |build: &Build| matches!(build.state, State::Passed | State::Failed);
        for repository in repositories {
            let query = BuildQuery {
                limit: 2 * PAGE,
                ..BuildQuery::default()
            };
            let builds = cx
                .store
                .builds(repository.id, &query)?
                .into_iter()
                .filter(decided);
            found.extend(builds.map(|build| (build, repository.clone())));
            found.sort_by_key(|(build, _)| std::cmp::Reverse(build.id));
            found.truncate(PAGE);
        }
    }
    found.truncate(PAGE);
    Ok(found)
}

/// The old form of the branch list: the newest build of each branch, served as builds.
fn as_branches(cx: &Cx<'_>, repo: &RepoRef) -> Result<Reply, Fail> {
    let Some(repository) = find_repo(cx, repo)? else {
        return answer(cx, &[]);
    };
    let builds = cx.store.branches(repository.id, branch::LIMIT)?;
    let found: Vec<_> = builds
        .into_iter()
        .map(|build| (build, repository.clone()))
        .collect();
    answer(cx, &found)
}

fn answer(cx: &Cx<'_>, found: &[(Build, Repository)]) -> Result<Reply, Fail> {
    let mut lists = Builds {
        builds: Vec::new(),
        commits: Vec::new(),
    };
    for (build, repository) in found {
        lists
            .builds
            .push(BuildEntity::of(build, &cx.store.jobs(build)?, true));
        lists
            .commits
            .push(CommitEntity::of_build(cx, build, repository));
    }
    cx.json(&lists)
}
