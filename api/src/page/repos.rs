//! The list of repositories, and one repository's builds.

use askama::Template;
use assay_plan::{Build, Visibility};
use assay_store::BuildQuery;

use super::format::{self, Moment};
use super::{Frame, enter, render, repository};
use crate::api::Cx;
use crate::http::{Fail, Reply};
use crate::v2::repo_order;

/// Builds on one page.
const PAGE: usize = 30;

#[derive(Template)]
#[template(path = "repos.html")]
struct ReposPage {
    frame: Frame,
    owner: Option<String>,
    repos: Vec<RepoRow>,
}

struct RepoRow {
    slug: String,
    description: Option<String>,
    private: bool,
    active: bool,
    last: Option<BuildRow>,
}

#[derive(Template)]
#[template(path = "builds.html")]
struct BuildsPage {
    frame: Frame,
    slug: String,
    description: Option<String>,
    private: bool,
    active: bool,
    builds: Vec<BuildRow>,
    /// Number of the last build shown, when there are more.
    older: Option<u64>,
}

/// A build as a line of a list.
struct BuildRow {
    id: u64,
    number: u64,
    state: &'static str,
    branch: String,
    tag: bool,
    commit: String,
    message: String,
    author: String,
    took: Option<String>,
    when: Moment,
}

impl BuildRow {
    fn of(cx: &Cx<'_>, build: &Build) -> Self {
        BuildRow {
            id: build.id.0,
            number: build.number,
            state: format::state(build.state),
            branch: build.branch.clone(),
            tag: build.tag.is_some(),
            commit: build.commit.id.short().to_owned(),
            message: format::message(&build.commit).0,
            author: build.commit.author.name.clone(),
            took: format::elapsed(build.started_at, build.finished_at, cx.now),
            when: Moment::of(
                build
                    .finished_at
                    .or(build.started_at)
                    .unwrap_or(build.created_at),
                cx.now,
            ),
        }
    }
}

/// `/` and `/{owner}`.
pub(super) fn show(cx: &Cx<'_>, owner: Option<&str>) -> Result<Reply, Fail> {
    enter(cx)?;
    let mut rows = Vec::new();
    for repository in cx.store.repositories()? {
        let wanted = owner.is_none_or(|owner| owner.eq_ignore_ascii_case(repository.slug.owner()));
        if wanted && cx.who.sees(&repository) {
            let last = cx.store.last_build(repository.id)?;
            rows.push((repository, last));
        }
    }
    if owner.is_some() && rows.is_empty() {
        return Err(if cx.who.is_anonymous() {
            Fail::Hidden
        } else {
            Fail::NotFound
        });
    }
    rows.sort_by_cached_key(|(repository, last)| repo_order(repository.id, last.as_ref()));
    let row = |(repository, last): (assay_plan::Repository, Option<Build>)| RepoRow {
        slug: repository.slug.to_string(),
        description: repository.description,
        private: repository.visibility == Visibility::Private,
        active: repository.active,
        last: last.as_ref().map(|build| BuildRow::of(cx, build)),
    };
    let repos = rows.into_iter().map(row).collect();
    render(&ReposPage {
        frame: Frame::of(cx, None),
        owner: owner.map(str::to_owned),
        repos,
    })
}

/// `/{owner}/{name}`.
pub(super) fn builds(cx: &Cx<'_>, slug: &str) -> Result<Reply, Fail> {
    let repository = repository(cx, slug)?;
    let below_number = cx.call.params.number("after_number");
    let query = BuildQuery {
        below_number,
        limit: PAGE + 1,
        ..BuildQuery::default()
    };
    let mut found = cx.store.builds(repository.id, &query)?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let older = found.last().filter(|_| more).map(|build| build.number);
    render(&BuildsPage {
        frame: Frame::of(cx, Some(repository.slug.as_str())),
        slug: repository.slug.to_string(),
        description: repository.description,
        private: repository.visibility == Visibility::Private,
        active: repository.active,
        builds: found.iter().map(|build| BuildRow::of(cx, build)).collect(),
        older,
    })
}
