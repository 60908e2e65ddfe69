//! Status, tokens and the one-time link.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use assay_plan::State;
use assay_store::{Change, Right, Token};
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::admin_only;
use crate::api::{Api, Cx};
use crate::clock;
use crate::command::Command;
use crate::http::{Call, Content, Fail, Reply};

#[derive(Serialize)]
struct Status<'a> {
    version: &'a str,
    mode: &'static str,
    web: &'a str,
    uptime: u64,
    workers: usize,
    jobs: Queue,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    journal_flushes: u64,
}

#[derive(Serialize)]
struct Queue {
    queued: usize,
    running: usize,
}

#[derive(Serialize)]
struct TokenEntity {
    id: u64,
    user: String,
    admin: bool,
    rights: BTreeMap<String, &'static str>,
    created_at: String,
    expires_at: Option<String>,
}

/// `GET /assay/status`.
pub(super) fn status(cx: &Cx<'_>, uptime: Duration) -> Result<Reply, Fail> {
    if cx.who.is_anonymous() {
        return Err(Fail::NoToken);
    }
    let mut jobs = Queue {
        queued: 0,
        running: 0,
    };
    for job in cx
        .store
        .unfinished()?
        .builds
        .iter()
        .flat_map(|(_, jobs)| jobs)
    {
        match job.state {
            State::Created | State::Queued => jobs.queued += 1,
            State::Received | State::Started => jobs.running += 1,
            _ => {}
        }
    }
    let state = cx
        .who
        .is_admin()
        .then(|| cx.settings.state.display().to_string());
    cx.json(&Status {
        version: &cx.settings.version,
        mode: cx.settings.mode.name(),
        web: &cx.settings.web,
        uptime: uptime.as_secs(),
        workers: cx.settings.workers,
        jobs,
        state,
        journal_flushes: cx.store.flushes(),
    })
}

/// `GET /assay/doctor`.
pub(super) async fn doctor(api: &Api, call: &Arc<Call>) -> Result<Reply, Fail> {
    api.read(call, admin_only).await?;
    let checks = api.command(|reply| Command::Doctor { reply }).await?;
    Reply::json(&json!({"checks": checks}), false)
}

/// `GET /assay/tokens`.
pub(super) fn tokens(cx: &Cx<'_>) -> Result<Reply, Fail> {
    admin_only(cx)?;
    let tokens: Vec<TokenEntity> = cx.store.tokens()?.iter().map(entity).collect();
    cx.json(&json!({"tokens": tokens}))
}

/// `POST /assay/tokens`.
pub(super) fn add_token(cx: &Cx<'_>) -> Result<Reply, Fail> {
    admin_only(cx)?;
    let params = &cx.call.params;
    let user = params
        .filled("user")
        .ok_or_else(|| Fail::Unprocessable("user is missing".to_owned()))?;
    let admin = params.truth("admin").unwrap_or(false);
    let rights = rights(params.get("rights"))?;
    let expires_at = match params.filled("expires") {
        None => None,
        Some(text) => {
            let seconds: i64 = text.parse().map_err(|_| {
                Fail::Unprocessable(format!("expires: {text:?} is no number of seconds"))
            })?;
            Some(cx.now.plus(seconds.saturating_mul(1000)))
        }
    };
    let (text, token) = cx
        .store
        .new_token(&user, admin, rights, cx.now, expires_at)?;
    let shown = entity(&token);
    cx.store.commit(vec![Change::Token(token)])?;
    tracing::info!(user, admin, by = cx.who.name(), "token made");
    cx.json(&json!({"token": text, "record": shown}))
}

/// `DELETE /assay/tokens/{id}`.
pub(super) fn revoke_token(cx: &Cx<'_>, id: u64) -> Result<Reply, Fail> {
    admin_only(cx)?;
    if !cx.store.tokens()?.iter().any(|token| token.id == id) {
        return Err(Fail::NotFound);
    }
    cx.store.commit(vec![Change::RevokeToken(id)])?;
    tracing::info!(id, by = cx.who.name(), "token revoked");
    Ok(Reply::new(StatusCode::NO_CONTENT, Content::Empty))
}

/// `POST /assay/link`.
pub(super) async fn link(api: &Api, call: &Arc<Call>) -> Result<Reply, Fail> {
    api.read(call, admin_only).await?;
    let path = api
        .one_time_link()
        .ok_or_else(|| Fail::Internal("no randomness".to_owned()))?;
    Reply::json(
        &json!({"url": format!("{}{path}", api.settings().web)}),
        false,
    )
}

fn entity(token: &Token) -> TokenEntity {
    TokenEntity {
        id: token.id,
        user: token.user.clone(),
        admin: token.admin,
        rights: token
            .rights
            .iter()
            .map(|(slug, right)| (slug.clone(), right_name(*right)))
            .collect(),
        created_at: clock::text(token.created_at),
        expires_at: token.expires_at.map(clock::text),
    }
}

fn right_name(right: Right) -> &'static str {
    match right {
        Right::Read => "read",
        Right::Push => "push",
        Right::Admin => "admin",
    }
}

/// `{"owner/name": "read"}`; `owner/*` stands for all of an owner.
fn rights(value: Option<&Value>) -> Result<Vec<(String, Right)>, Fail> {
    let entries = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(entries)) => entries,
        Some(_) => {
            return Err(Fail::Unprocessable(
                "rights: not a map of slugs to rights".to_owned(),
            ));
        }
    };
    let mut rights = Vec::new();
    for (slug, name) in entries {
        let right = [Right::Read, Right::Push, Right::Admin]
            .into_iter()
            .find(|right| name == right_name(*right));
        let right = right.ok_or_else(|| {
            Fail::Unprocessable(format!("rights: {name} is none of read, push, admin"))
        })?;
        let plain = slug
            .strip_suffix("/*")
            .map_or_else(|| slug.clone(), |owner| format!("{owner}/any"));
        assay_plan::Slug::parse(&plain)
            .map_err(|error| Fail::Unprocessable(format!("rights: {error}")))?;
        rights.push((slug.clone(), right));
    }
    Ok(rights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_read_strictly() {
        let good = json!({"a/b": "read", "a/*": "push"});
        assert_eq!(
            rights(Some(&good)).unwrap(),
            vec![
                ("a/*".to_owned(), Right::Push),
                ("a/b".to_owned(), Right::Read)
            ]
        );
        for bad in [
            json!({"a/b": "write"}),
            json!({"a": "read"}),
            json!({"*/*": "read"}),
            json!(["a/b"]),
        ] {
            assert!(rights(Some(&bad)).is_err(), "{bad}");
        }
    }
}
