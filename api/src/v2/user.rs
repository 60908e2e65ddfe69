//! The user behind a token: who they are, what they may do, whose repositories they see.

use std::collections::BTreeMap;

use assay_plan::Repository;
use assay_store::Right;
use serde::Serialize;
use serde_json::json;

use super::entity::name_id;
use crate::access::Who;
use crate::api::Cx;
use crate::clock;
use crate::http::{Fail, Reply};

#[derive(Serialize)]
struct OneUser {
    user: User,
}

#[derive(Serialize)]
struct User {
    id: u64,
    name: Option<String>,
    login: String,
    email: Option<String>,
    gravatar_id: &'static str,
    avatar_url: Option<String>,
    locale: Option<String>,
    is_syncing: bool,
    synced_at: Option<String>,
    /// A client refuses to log in unless it is true.
    correct_scopes: bool,
    created_at: String,
    first_logged_in_at: Option<String>,
    channels: Vec<String>,
}

#[derive(Serialize)]
struct Permissions {
    permissions: Vec<u64>,
    admin: Vec<u64>,
    pull: Vec<u64>,
    push: Vec<u64>,
}

#[derive(Serialize)]
struct Accounts {
    accounts: Vec<Account>,
}

#[derive(Serialize)]
struct Account {
    id: u64,
    name: Option<String>,
    login: String,
    r#type: &'static str,
    repos_count: usize,
    avatar_url: Option<String>,
}

#[derive(Serialize)]
struct Hooks {
    hooks: Vec<Hook>,
}

#[derive(Serialize)]
struct Hook {
    id: u64,
    name: String,
    owner_name: String,
    description: Option<String>,
    active: bool,
    private: bool,
    admin: bool,
}

/// `GET /users`, `GET /users/{own id}`.
pub(super) fn show(cx: &Cx<'_>, id: Option<u64>) -> Result<Reply, Fail> {
    let login = cx.who.name();
    let own = name_id(login);
    if id.is_some_and(|id| id != own) {
        return Err(Fail::NotFound);
    }
    let created_at = match cx.who {
        Who::User(token) => token.created_at,
        Who::Anonymous | Who::Operator(_) => cx.now,
    };
    let user = User {
        id: own,
        name: Some(login.to_owned()),
        login: login.to_owned(),
        email: None,
        gravatar_id: "",
        avatar_url: None,
        locale: None,
        is_syncing: false,
        synced_at: None,
        correct_scopes: true,
        created_at: clock::text(created_at),
        first_logged_in_at: None,
        channels: vec![format!("private-user-{own}")],
    };
    cx.json(&OneUser { user })
}

/// Repositories on which the user has a right, with it.
fn rights(cx: &Cx<'_>) -> Result<Vec<(Repository, Right)>, Fail> {
    let all = cx.store.repositories()?.into_iter();
    Ok(all
        .filter_map(|repository| {
            cx.who
                .right_on(&repository)
                .map(|right| (repository, right))
        })
        .collect())
}

/// `GET /users/permissions`.
pub(super) fn permissions(cx: &Cx<'_>) -> Result<Reply, Fail> {
    let rights = rights(cx)?;
    let roles = cx.call.params.list("roles");
    let ids = |name: &str, least: Right| -> Vec<u64> {
        let asked = roles
            .as_ref()
            .is_none_or(|roles| roles.iter().any(|role| role == name));
        let held = rights.iter().filter(|(_, right)| asked && *right >= least);
        held.map(|(repository, _)| repository.id.0).collect()
    };
    let (admin, pull, push) = (
        ids("admin", Right::Admin),
        ids("pull", Right::Read),
        ids("push", Right::Push),
    );
    let mut permissions: Vec<u64> = [&admin, &pull, &push]
        .into_iter()
        .flatten()
        .copied()
        .collect();
    permissions.sort_unstable();
    permissions.dedup();
    cx.json(&Permissions {
        permissions,
        admin,
        pull,
        push,
    })
}

/// `GET /accounts`: the user's own first, then the other owners of their repositories.
pub(super) fn accounts(cx: &Cx<'_>) -> Result<Reply, Fail> {
    let least = if cx.call.params.flag("all") {
        Right::Read
    } else {
        Right::Admin
    };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (repository, right) in rights(cx)? {
        if right >= least {
            *counts
                .entry(repository.slug.owner().to_owned())
                .or_default() += 1;
        }
    }
    let account = |login: &str, r#type, repos_count| Account {
        id: name_id(login),
        name: Some(login.to_owned()),
        login: login.to_owned(),
        r#type,
        repos_count,
        avatar_url: None,
    };
    let own = cx.who.name();
    let mut accounts = vec![account(own, "user", counts.remove(own).unwrap_or(0))];
    accounts.extend(
        counts
            .iter()
            .map(|(owner, count)| account(owner, "organization", *count)),
    );
    cx.json(&Accounts { accounts })
}

/// `GET /hooks`: repositories the user administers; with `all`, every one they have a right on.
pub(super) fn hooks(cx: &Cx<'_>) -> Result<Reply, Fail> {
    let params = &cx.call.params;
    let least = if params.flag("all") {
        Right::Read
    } else {
        Right::Admin
    };
    let (id, owner, name) = (
        params.number("id"),
        params.filled("owner_name"),
        params.filled("name"),
    );
    let mut hooks: Vec<Hook> = Vec::new();
    for (repository, right) in rights(cx)? {
        let slug = &repository.slug;
        let wanted = right >= least
            && id.is_none_or(|id| id == repository.id.0)
            && owner
                .as_ref()
                .is_none_or(|owner| owner.eq_ignore_ascii_case(slug.owner()))
            && name
                .as_ref()
                .is_none_or(|name| name.eq_ignore_ascii_case(slug.name()));
        if wanted {
            hooks.push(Hook {
                id: repository.id.0,
                name: slug.name().to_owned(),
                owner_name: slug.owner().to_owned(),
                description: repository.description.clone(),
                active: repository.active,
                private: repository.visibility == assay_plan::Visibility::Private,
                admin: right == Right::Admin,
            });
        }
    }
    hooks.sort_by(|a, b| (&a.owner_name, &a.name).cmp(&(&b.owner_name, &b.name)));
    cx.json(&Hooks { hooks })
}

/// `GET /broadcasts`: nobody can send any yet.
pub(super) fn broadcasts(cx: &Cx<'_>) -> Result<Reply, Fail> {
    cx.json(&json!({"broadcasts": []}))
}
