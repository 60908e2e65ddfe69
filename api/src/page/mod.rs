//! The web pages: rendered here, readable without JavaScript, live with it.

mod access;
mod act;
mod assets;
mod build;
mod format;
mod job;
mod log;
mod repos;
mod requests;

use std::sync::Arc;

use askama::Template;
use assay_plan::{BuildId, JobId, Repository, RequestId, Target};
use axum::http::{Method, StatusCode};

pub(crate) use self::log::{LogView, plain_text};

use crate::access::gate;
use crate::api::{Api, Cx};
use crate::http::{Call, Content, Fail, Format, Reply, Version};
use crate::v2::Verb;

/// First segments of paths that belong to the API, so that an unknown one is answered as the API does.
const RESERVED: [&str; 20] = [
    "accounts",
    "app",
    "auth",
    "branches",
    "broadcasts",
    "builds",
    "config",
    "docs",
    "endpoints",
    "hooks",
    "jobs",
    "lint",
    "logs",
    "pusher",
    "repos",
    "repositories",
    "requests",
    "settings",
    "uptime",
    "users",
];

/// One page, or something that a page's form does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// All repositories, or those of an owner.
    Repos(Option<String>),
    /// A repository's builds.
    Builds(String),
    /// A build, or the request that has none.
    Build(String, BuildId),
    Job(String, JobId),
    Requests(String),
    Act(String, Verb, Target),
    Login,
    SignIn,
    SignOut,
    Link,
    Asset(String),
}

impl Endpoint {
    /// The page of a method and path; `None` when there is none.
    pub(crate) fn of(call: &Call) -> Option<Self> {
        let path = call.path();
        if path.first().is_some_and(|first| RESERVED.contains(first)) {
            return None;
        }
        if let ["assets", name] = path.as_slice() {
            let suffix = call
                .suffix
                .map(|suffix| format!(".{suffix}"))
                .unwrap_or_default();
            return Some(Endpoint::Asset(format!("{name}{suffix}")));
        }
        call.accept.pick(&[Format::Html])?;
        match call.method {
            Method::GET | Method::HEAD => Self::of_get(&path),
            Method::POST => Self::of_post(&path),
            _ => None,
        }
    }

    fn of_get(path: &[&str]) -> Option<Self> {
        let slug = |owner: &str, name: &str| format!("{owner}/{name}");
        Some(match path {
            [] => Endpoint::Repos(None),
            ["login"] => Endpoint::Login,
            ["login", "link"] => Endpoint::Link,
            [owner] => Endpoint::Repos(Some((*owner).to_owned())),
            [owner, name] | [owner, name, "builds"] => Endpoint::Builds(slug(owner, name)),
            [owner, name, "requests"] => Endpoint::Requests(slug(owner, name)),
            [owner, name, "builds", id] => {
                Endpoint::Build(slug(owner, name), RequestId(id.parse().ok()?))
            }
            [owner, name, "jobs", id] => Endpoint::Job(slug(owner, name), JobId(id.parse().ok()?)),
            _ => return None,
        })
    }

    fn of_post(path: &[&str]) -> Option<Self> {
        let act = |owner: &str, name: &str, target, verb: &str| {
            let verb = match verb {
                "cancel" => Verb::Cancel,
                "restart" => Verb::Restart,
                _ => return None,
            };
            Some(Endpoint::Act(format!("{owner}/{name}"), verb, target))
        };
        match path {
            ["login"] => Some(Endpoint::SignIn),
            ["logout"] => Some(Endpoint::SignOut),
            [owner, name, "builds", id, verb] => act(
                owner,
                name,
                Target::Build(RequestId(id.parse().ok()?)),
                verb,
            ),
            [owner, name, "jobs", id, verb] => {
                act(owner, name, Target::Job(JobId(id.parse().ok()?)), verb)
            }
            _ => None,
        }
    }
}

/// What every page shows around its content.
#[derive(Debug)]
pub(crate) struct Frame {
    /// The signed-in user.
    user: Option<String>,
    version: String,
    /// Changes with the assets, so that browsers may keep them.
    assets: &'static str,
    /// The repository that the page is about.
    slug: Option<String>,
}

impl Frame {
    fn of(cx: &Cx<'_>, slug: Option<&str>) -> Self {
        Frame {
            user: (!cx.who.is_anonymous()).then(|| cx.who.name().to_owned()),
            version: cx.settings.version.clone(),
            assets: assets::tag(),
            slug: slug.map(str::to_owned),
        }
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    status: StatusCode,
    sentence: String,
}

/// Makes a page of a template.
fn render(template: &impl Template) -> Result<Reply, Fail> {
    let html = template
        .render()
        .map_err(|error| Fail::Internal(error.to_string()))?;
    Ok(Reply::ok(Content::Html(html)))
}

/// Answers one request. What goes wrong becomes a page, too.
pub(crate) async fn answer(api: &Api, call: &Arc<Call>, endpoint: Endpoint) -> Reply {
    let outcome = match endpoint {
        Endpoint::Asset(name) => assets::find(&name).ok_or(Fail::NotFound),
        Endpoint::Login => api.read(call, access::login).await,
        Endpoint::SignIn => access::sign_in(api, call).await,
        Endpoint::SignOut => access::sign_out(api, call),
        Endpoint::Link => access::open_link(api, call),
        Endpoint::Act(slug, verb, target) => act::answer(api, call, &slug, verb, target).await,
        Endpoint::Repos(owner) => {
            api.read(call, move |cx| repos::show(cx, owner.as_deref()))
                .await
        }
        Endpoint::Builds(slug) => api.read(call, move |cx| repos::builds(cx, &slug)).await,
        Endpoint::Build(slug, id) => api.read(call, move |cx| build::show(cx, &slug, id)).await,
        Endpoint::Job(slug, id) => api.read(call, move |cx| job::show(cx, &slug, id)).await,
        Endpoint::Requests(slug) => api.read(call, move |cx| requests::show(cx, &slug)).await,
    };
    outcome.unwrap_or_else(|fail| problem(api, call, &fail))
}

/// Strangers are sent to the login page; all else gets a page that says what is the matter.
fn problem(api: &Api, call: &Call, fail: &Fail) -> Reply {
    fail.log();
    if matches!(fail, Fail::Hidden | Fail::NoToken) {
        let reading = matches!(call.method, Method::GET | Method::HEAD);
        let target = if reading { call.target.as_str() } else { "/" };
        return Reply::redirect(StatusCode::SEE_OTHER, &access::login_path(target));
    }
    let status = fail.status();
    let frame = Frame {
        user: None,
        version: api.settings().version.clone(),
        assets: assets::tag(),
        slug: None,
    };
    let page = ProblemPage {
        frame,
        status,
        sentence: fail.sentence(),
    };
    match render(&page) {
        Ok(reply) => Reply { status, ..reply },
        Err(_) => fail.reply(),
    }
}

/// Whether this person may see pages at all. Pages speak for version 2.1: what is public is shown to all, where the
/// mode knows public things.
fn enter(cx: &Cx<'_>) -> Result<(), Fail> {
    gate(cx.settings.mode, cx.who, Version::V21)
}

/// The repository of a page. To strangers a hidden one looks like one that isn't there.
fn repository(cx: &Cx<'_>, slug: &str) -> Result<Repository, Fail> {
    enter(cx)?;
    let found = cx
        .store
        .repository_by_slug(slug)?
        .filter(|repository| cx.who.sees(repository));
    found.ok_or(if cx.who.is_anonymous() {
        Fail::Hidden
    } else {
        Fail::NotFound
    })
}
