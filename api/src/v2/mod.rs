//! The Travis CI API, version 2: paths to endpoints, endpoints to answers. Field names are Travis'.

mod branch;
mod build;
mod cache;
mod command;
mod config;
mod entity;
mod job;
mod log;
mod repo;
mod request;
mod system;
mod user;

use std::sync::Arc;

use assay_plan::{BuildId, JobId, RepoId, Repository, RequestId, Target};
use axum::http::Method;

pub(crate) use self::command::{check, run};
pub(crate) use self::config::job_env;
pub(crate) use self::entity::{jobs_duration, shown_state};
pub(crate) use self::job::find as find_job;
pub(crate) use self::repo::order as repo_order;

use crate::access::gate;
use crate::api::{Api, Cx};
use crate::http::{Call, Fail, Format, Reply};

/// A repository, as a path or parameter names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RepoRef {
    Id(RepoId),
    Slug(String),
}

/// What can be asked of a build or a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Cancel,
    Restart,
}

/// Everything that version 2 serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Home,
    Config,
    Uptime,
    Lint,
    Repos,
    ReposOf(String),
    Repo(RepoRef),
    Branches(Option<RepoRef>),
    Branch(RepoRef, String),
    /// Caches; whether they are to be removed.
    Caches(RepoRef, bool),
    Builds(Option<RepoRef>),
    Build(Option<RepoRef>, BuildId),
    Jobs,
    Job(JobId),
    Log(JobId),
    Requests,
    Request(RequestId),
    Ask(Verb, Target),
    /// `POST /requests` with `build_id` or `job_id`: the old restart.
    Resubmit,
    User(Option<u64>),
    Permissions,
    Accounts,
    Hooks,
    SetHook(Option<RepoId>),
    Broadcasts,
}

impl Endpoint {
    /// The endpoint of a method and path; `None` when there is none.
    pub(crate) fn of(call: &Call) -> Option<Self> {
        let path = call.path();
        match call.method {
            Method::GET | Method::HEAD => Self::of_get(&path),
            Method::POST => Self::of_post(&path),
            Method::PUT => match path.as_slice() {
                ["lint"] => Some(Endpoint::Lint),
                ["hooks"] => Some(Endpoint::SetHook(None)),
                ["hooks", id] => Some(Endpoint::SetHook(Some(RepoId(number(id)?)))),
                _ => None,
            },
            Method::DELETE => match path.as_slice() {
                ["repos" | "repositories", rest @ ..] => match Self::of_repo(rest) {
                    Some(Endpoint::Caches(repo, _)) => Some(Endpoint::Caches(repo, true)),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }

    fn of_get(path: &[&str]) -> Option<Self> {
        Some(match path {
            [] => Endpoint::Home,
            ["config"] => Endpoint::Config,
            ["uptime"] => Endpoint::Uptime,
            ["repos" | "repositories"] => Endpoint::Repos,
            ["repos" | "repositories", rest @ ..] => return Self::of_repo(rest),
            ["branches"] => Endpoint::Branches(None),
            ["builds"] => Endpoint::Builds(None),
            ["builds", id] => Endpoint::Build(None, RequestId(number(id)?)),
            ["jobs"] => Endpoint::Jobs,
            ["jobs", id] => Endpoint::Job(JobId(number(id)?)),
            ["jobs", id, "log" | "logs"] | ["logs", id] => Endpoint::Log(JobId(number(id)?)),
            ["requests"] => Endpoint::Requests,
            ["requests", id] => Endpoint::Request(RequestId(number(id)?)),
            ["users"] => Endpoint::User(None),
            ["users", "permissions"] => Endpoint::Permissions,
            ["users", id] => Endpoint::User(Some(number(id)?)),
            ["accounts"] => Endpoint::Accounts,
            ["hooks"] => Endpoint::Hooks,
            ["broadcasts"] => Endpoint::Broadcasts,
            _ => return None,
        })
    }

    fn of_post(path: &[&str]) -> Option<Self> {
        Some(match path {
            ["lint"] => Endpoint::Lint,
            ["requests"] => Endpoint::Resubmit,
            ["builds", id, verb] => {
                Endpoint::Ask(verb_of(verb)?, Target::Build(RequestId(number(id)?)))
            }
            ["jobs", id, verb] => Endpoint::Ask(verb_of(verb)?, Target::Job(JobId(number(id)?))),
            _ => return None,
        })
    }

    /// What follows `/repos/`: an id or a slug, and what is wanted of it.
    fn of_repo(rest: &[&str]) -> Option<Self> {
        if let [owner] = rest
            && number(owner).is_none()
            && !owner.contains('/')
        {
            return Some(Endpoint::ReposOf((*owner).to_owned()));
        }
        let by_first = rest
            .split_first()
            .and_then(|(first, rest)| Some((RepoRef::of_text(first)?, rest)));
        let by_two = match rest {
            [owner, name, rest @ ..] => Some((RepoRef::Slug(format!("{owner}/{name}")), rest)),
            _ => None,
        };
        [by_first, by_two]
            .into_iter()
            .flatten()
            .find_map(|(repo, rest)| Self::of_repo_part(repo, rest))
    }

    fn of_repo_part(repo: RepoRef, rest: &[&str]) -> Option<Self> {
        Some(match rest {
            [] => Endpoint::Repo(repo),
            ["branches"] => Endpoint::Branches(Some(repo)),
            ["branches", branch @ ..] => Endpoint::Branch(repo, branch.join("/")),
            ["caches"] => Endpoint::Caches(repo, false),
            ["builds"] => Endpoint::Builds(Some(repo)),
            ["builds", id] => Endpoint::Build(Some(repo), RequestId(number(id)?)),
            _ => return None,
        })
    }
}

impl RepoRef {
    /// An id or a slug in one piece.
    fn of_text(text: &str) -> Option<Self> {
        match number(text) {
            Some(id) => Some(RepoRef::Id(RepoId(id))),
            None => text.contains('/').then(|| RepoRef::Slug(text.to_owned())),
        }
    }
}

fn number(text: &str) -> Option<u64> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())?
}

fn verb_of(text: &str) -> Option<Verb> {
    match text {
        "cancel" => Some(Verb::Cancel),
        "restart" => Some(Verb::Restart),
        _ => None,
    }
}

/// Answers one request.
pub(crate) async fn answer(api: &Api, call: &Arc<Call>, endpoint: Endpoint) -> Result<Reply, Fail> {
    match endpoint {
        Endpoint::Ask(verb, target) => command::ask(api, call, verb, target).await,
        Endpoint::Resubmit => command::resubmit(api, call).await,
        Endpoint::SetHook(id) => command::set_hook(api, call, id).await,
        reading => api.read(call, move |cx| read(cx, &reading)).await,
    }
}

fn read(cx: &Cx<'_>, endpoint: &Endpoint) -> Result<Reply, Fail> {
    match endpoint {
        Endpoint::Home => system::home(cx),
        Endpoint::Config => system::config(cx),
        Endpoint::Uptime => system::uptime(cx),
        Endpoint::Lint => system::lint(cx),
        Endpoint::User(_)
        | Endpoint::Permissions
        | Endpoint::Accounts
        | Endpoint::Hooks
        | Endpoint::Broadcasts => {
            if cx.who.is_anonymous() {
                return Err(Fail::NoToken);
            }
            wants_json(cx)?;
            read_own(cx, endpoint)
        }
        Endpoint::Repos => repo::list(cx),
        _ => {
            // Requests say 401 to version 2 even where the rest is open; see `request::hidden`.
            gate(cx.settings.mode, cx.who, cx.call.accept.version())?;
            if !matches!(endpoint, Endpoint::Log(_)) {
                wants_json(cx)?;
            }
            read_entity(cx, endpoint)
        }
    }
}

/// What belongs to the user who asks.
fn read_own(cx: &Cx<'_>, endpoint: &Endpoint) -> Result<Reply, Fail> {
    match endpoint {
        Endpoint::User(id) => user::show(cx, *id),
        Endpoint::Permissions => user::permissions(cx),
        Endpoint::Accounts => user::accounts(cx),
        Endpoint::Hooks => user::hooks(cx),
        _ => user::broadcasts(cx),
    }
}

fn read_entity(cx: &Cx<'_>, endpoint: &Endpoint) -> Result<Reply, Fail> {
    match endpoint {
        Endpoint::ReposOf(owner) => repo::list_of(cx, owner),
        Endpoint::Repo(repo) => repo::show(cx, repo),
        Endpoint::Branches(repo) => branch::list(cx, repo.as_ref()),
        Endpoint::Branch(repo, name) => branch::show(cx, repo, name),
        Endpoint::Caches(repo, remove) => cache::answer(cx, repo, *remove),
        Endpoint::Builds(repo) => build::list(cx, repo.as_ref()),
        Endpoint::Build(repo, id) => build::show(cx, repo.as_ref(), *id),
        Endpoint::Jobs => job::list(cx),
        Endpoint::Job(id) => job::show(cx, *id),
        Endpoint::Log(id) => log::show(cx, *id),
        Endpoint::Requests => request::list(cx),
        Endpoint::Request(id) => request::show(cx, *id),
        _ => Err(Fail::NotFound),
    }
}

/// 406 unless the client takes JSON.
fn wants_json(cx: &Cx<'_>) -> Result<(), Fail> {
    cx.call
        .accept
        .pick(&[Format::Json])
        .map(|_| ())
        .ok_or(Fail::NotAcceptable)
}

/// The repository that is named, if the user may see it.
fn find_repo(cx: &Cx<'_>, repo: &RepoRef) -> Result<Option<Repository>, Fail> {
    let found = match repo {
        RepoRef::Id(id) => cx.store.repository(*id)?,
        RepoRef::Slug(slug) => cx.store.repository_by_slug(slug)?,
    };
    Ok(found.filter(|repository| cx.who.sees(repository)))
}

/// The repository that the path names, or else the parameters `repository_id` or `slug`; `None` when nothing is named.
fn named_repo(cx: &Cx<'_>, in_path: Option<&RepoRef>) -> Option<RepoRef> {
    let by_id = || {
        cx.call
            .params
            .number("repository_id")
            .map(|id| RepoRef::Id(RepoId(id)))
    };
    let by_slug = || cx.call.params.filled("slug").map(RepoRef::Slug);
    in_path.cloned().or_else(by_id).or_else(by_slug)
}

/// Every repository that the user may see.
fn visible_repos(cx: &Cx<'_>) -> Result<Vec<Repository>, Fail> {
    Ok(cx
        .store
        .repositories()?
        .into_iter()
        .filter(|repository| cx.who.sees(repository))
        .collect())
}

/// The user's own repositories: those they have a right on; for everybody in the open mode, all that is public.
fn own_repos(cx: &Cx<'_>) -> Result<Vec<Repository>, Fail> {
    let open = cx.settings.mode == crate::api::Mode::Org;
    let own = |repository: &Repository| {
        (open && cx.who.sees(repository)) || cx.who.right_on(repository).is_some()
    };
    Ok(cx.store.repositories()?.into_iter().filter(own).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Option<Endpoint> {
        let segments: Vec<&str> = path.split('/').collect();
        Endpoint::of_get(&segments)
    }

    #[test]
    fn repositories_are_named_by_id_or_slug() {
        let slug = || RepoRef::Slug("a/b".to_owned());
        let id = || RepoRef::Id(RepoId(7));
        assert_eq!(get("repos/a/b"), Some(Endpoint::Repo(slug())));
        assert_eq!(get("repositories/7"), Some(Endpoint::Repo(id())));
        assert_eq!(get("repos/a"), Some(Endpoint::ReposOf("a".to_owned())));
        assert_eq!(
            get("repos/a/b/branches/x/y"),
            Some(Endpoint::Branch(slug(), "x/y".to_owned()))
        );
        assert_eq!(
            get("repos/7/branches"),
            Some(Endpoint::Branches(Some(id())))
        );
        assert_eq!(
            get("repos/7/builds/3"),
            Some(Endpoint::Build(Some(id()), RequestId(3)))
        );
        assert_eq!(
            get("repos/7/b"),
            Some(Endpoint::Repo(RepoRef::Slug("7/b".to_owned())))
        );
        assert_eq!(get("repos/a/b/nothing"), None);
        assert_eq!(get("builds/x"), None);
        assert_eq!(get("builds/99999999999999999999999"), None);
    }

    #[test]
    fn logs_have_three_paths() {
        for path in ["logs/4", "jobs/4/log", "jobs/4/logs"] {
            assert_eq!(get(path), Some(Endpoint::Log(JobId(4))), "{path}");
        }
    }
}
