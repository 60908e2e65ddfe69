//! Repositories as the operator sees and changes them.

use std::sync::Arc;

use assay_plan::{DebugConsent, RepoId, Repository, Slug, Source, Visibility};
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::json;

use super::admin_only;
use crate::api::{Api, Cx};
use crate::clock;
use crate::command::{Command, RepositoryPatch};
use crate::http::{Call, Content, Fail, Params, Reply};

#[derive(Serialize)]
struct RepositoryEntity {
    id: u64,
    slug: String,
    path: String,
    description: Option<String>,
    visibility: &'static str,
    active: bool,
    default_branch: Option<String>,
    share: Vec<String>,
    debug: &'static str,
    created_at: String,
}

impl RepositoryEntity {
    fn of(repository: &Repository) -> Self {
        let Source::Path(path) = &repository.source;
        RepositoryEntity {
            id: repository.id.0,
            slug: repository.slug.to_string(),
            path: path.clone(),
            description: repository.description.clone(),
            visibility: match repository.visibility {
                Visibility::Private => "private",
                Visibility::Public => "public",
            },
            active: repository.active,
            default_branch: repository.default_branch.clone(),
            share: repository.share.iter().map(ToString::to_string).collect(),
            debug: repository.debug.name(),
            created_at: clock::text(repository.created_at),
        }
    }
}

/// `GET /assay/repos`.
pub(super) fn list(cx: &Cx<'_>) -> Result<Reply, Fail> {
    admin_only(cx)?;
    let repos: Vec<_> = cx
        .store
        .repositories()?
        .iter()
        .map(RepositoryEntity::of)
        .collect();
    cx.json(&json!({"repos": repos}))
}

/// `POST /assay/repos`.
pub(super) async fn add(api: &Api, call: &Arc<Call>) -> Result<Reply, Fail> {
    api.read(call, admin_only).await?;
    let params = &call.params;
    let path = params
        .filled("path")
        .ok_or_else(|| Fail::Unprocessable("path is missing".to_owned()))?;
    let slug = params
        .filled("slug")
        .map(|text| parse_slug(&text))
        .transpose()?;
    let visibility = parse_visibility(params)?.unwrap_or(Visibility::Private);
    let build = params.truth("build").unwrap_or(false);
    let added = api
        .command(|reply| Command::AddRepository {
            path,
            slug,
            visibility,
            build,
            reply,
        })
        .await?;
    Reply::json(&json!({"repo": RepositoryEntity::of(&added)}), false)
}

/// `PATCH /assay/repos/{id}`.
pub(super) async fn update(api: &Api, call: &Arc<Call>, id: RepoId) -> Result<Reply, Fail> {
    api.read(call, admin_only).await?;
    let patch = patch(&call.params)?;
    let changed = api
        .command(|reply| Command::UpdateRepository { id, patch, reply })
        .await?;
    Reply::json(&json!({"repo": RepositoryEntity::of(&changed)}), false)
}

/// `DELETE /assay/repos/{id}`.
pub(super) async fn remove(api: &Api, call: &Arc<Call>, id: RepoId) -> Result<Reply, Fail> {
    api.read(call, admin_only).await?;
    api.command(|reply| Command::RemoveRepository { id, reply })
        .await?;
    Ok(Reply::new(StatusCode::NO_CONTENT, Content::Empty))
}

/// `POST /assay/reconcile`.
pub(super) async fn reconcile(api: &Api, call: &Arc<Call>) -> Result<Reply, Fail> {
    api.read(call, admin_only).await?;
    let repo = call.params.number("repository_id").map(RepoId);
    api.command(|reply| Command::Reconcile { repo, reply })
        .await?;
    Ok(Reply::new(StatusCode::NO_CONTENT, Content::Empty))
}

fn patch(params: &Params) -> Result<RepositoryPatch, Fail> {
    let share = match params.list("share") {
        None => None,
        Some(slugs) => Some(
            slugs
                .iter()
                .map(|text| parse_slug(text))
                .collect::<Result<Vec<_>, _>>()?,
        ),
    };
    Ok(RepositoryPatch {
        active: params.truth("active"),
        visibility: parse_visibility(params)?,
        share,
        debug: parse_debug(params)?,
        description: params
            .get("description")
            .map(|_| params.filled("description")),
    })
}

fn parse_slug(text: &str) -> Result<Slug, Fail> {
    Slug::parse(text).map_err(|error| Fail::Unprocessable(error.to_string()))
}

fn parse_debug(params: &Params) -> Result<Option<DebugConsent>, Fail> {
    let Some(name) = params.filled("debug") else {
        return Ok(None);
    };
    DebugConsent::from_name(&name)
        .map(Some)
        .ok_or_else(|| Fail::Unprocessable(format!("debug: {name:?} is none of off, on, forks")))
}

fn parse_visibility(params: &Params) -> Result<Option<Visibility>, Fail> {
    match params.filled("visibility").as_deref() {
        None => Ok(None),
        Some("private") => Ok(Some(Visibility::Private)),
        Some("public") => Ok(Some(Visibility::Public)),
        Some(other) => Err(Fail::Unprocessable(format!(
            "visibility: {other:?} is neither private nor public"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_names_only_what_changes() {
        let mut params = Params::default();
        params
            .add_json(br#"{"active":false,"share":["a/b"],"debug":"on","description":null}"#)
            .unwrap();
        let expected = RepositoryPatch {
            active: Some(false),
            visibility: None,
            share: Some(vec![Slug::parse("a/b").unwrap()]),
            debug: Some(DebugConsent::On),
            description: Some(None),
        };
        assert_eq!(patch(&params).unwrap(), expected);
        assert_eq!(
            patch(&Params::default()).unwrap(),
            RepositoryPatch::default()
        );
        let mut wrong = Params::default();
        wrong.add_json(br#"{"visibility":"secret"}"#).unwrap();
        assert!(patch(&wrong).is_err());
        let mut wrong = Params::default();
        wrong.add_json(br#"{"debug":"yes"}"#).unwrap();
        assert!(patch(&wrong).is_err());
    }
}
