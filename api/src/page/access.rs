//! Signing in with a token or the one-time link, and out.

use std::sync::Arc;

use askama::Template;
use axum::http::{Method, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Frame, render};
use crate::access::{Credentials, Holder, SESSION_LIFE};
use crate::api::{Api, Cx};
use crate::clock;
use crate::http::{Call, Fail, Reply};

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: Frame,
    /// Where to go afterwards.
    to: String,
    /// What was wrong with the last try.
    error: Option<&'static str>,
}

/// `GET /login`.
pub(super) fn login(cx: &Cx<'_>) -> Result<Reply, Fail> {
    page(cx, None)
}

fn page(cx: &Cx<'_>, error: Option<&'static str>) -> Result<Reply, Fail> {
    let to = safe_target(&cx.call.params.text("to").unwrap_or_default());
    let reply = render(&LoginPage {
        frame: Frame::of(cx, None),
        to,
        error,
    })?;
    Ok(reply.with(header::CACHE_CONTROL, "no-store"))
}

/// `POST /login` with `token`.
pub(super) async fn sign_in(api: &Api, call: &Arc<Call>) -> Result<Reply, Fail> {
    if !call.is_same_origin() {
        return Err(Fail::Forbidden(
            "This form was not sent from our own page.".to_owned(),
        ));
    }
    let text = call
        .params
        .text("token")
        .unwrap_or_default()
        .trim()
        .to_owned();
    let known = text.clone();
    let known = api
        .blocking(move |store| Ok(store.token(&known, clock::now())?.is_some()))
        .await?;
    if !known {
        let refused = api
            .read(call, |cx| {
                page(cx, Some("This token is not known here, or it has expired."))
            })
            .await?;
        return Ok(Reply {
            status: StatusCode::FORBIDDEN,
            ..refused
        });
    }
    let to = safe_target(&call.params.text("to").unwrap_or_default());
    start_session(api, call, Holder::Token(text), &to)
}

/// `GET /login/link?key=…`: the one-time link. Looking at it (`HEAD`) doesn't use it up.
pub(super) fn open_link(api: &Api, call: &Call) -> Result<Reply, Fail> {
    if call.method == Method::HEAD {
        return Ok(Reply::redirect(StatusCode::SEE_OTHER, "/"));
    }
    let key = call.params.text("key").unwrap_or_default();
    if api.sessions().use_link(&key, clock::now()) {
        return start_session(api, call, Holder::Operator, "/");
    }
    Err(Fail::Forbidden(
        "This link has been used or is over an hour old. Ask the daemon for a new one.".to_owned(),
    ))
}

/// `POST /logout`.
pub(super) fn sign_out(api: &Api, call: &Call) -> Result<Reply, Fail> {
    if let Credentials::Session(id) = Credentials::of(call, api.cookie(), true) {
        api.sessions().close(&id);
    }
    let cookie = format!(
        "{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
        api.cookie()
    );
    Ok(Reply::redirect(StatusCode::SEE_OTHER, "/login").with(header::SET_COOKIE, &cookie))
}

fn start_session(api: &Api, call: &Call, holder: Holder, to: &str) -> Result<Reply, Fail> {
    let id = api
        .sessions()
        .open(holder, clock::now())
        .map_err(|error| Fail::Internal(error.to_string()))?;
    let secure = if call.is_secure() || api.settings().web.starts_with("https://") {
        "; Secure"
    } else {
        ""
    };
    let age = SESSION_LIFE / 1000;
    let cookie = format!(
        "{}={id}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}",
        api.cookie()
    );
    let reply = Reply::redirect(StatusCode::SEE_OTHER, to).with(header::SET_COOKIE, &cookie);
    Ok(reply.with(header::CACHE_CONTROL, "no-store"))
}

/// The login page that leads back to `target`.
pub(super) fn login_path(target: &str) -> String {
    match safe_target(target).as_str() {
        "/" => "/login".to_owned(),
        target => format!(
            "/login?to={}",
            utf8_percent_encode(target, NON_ALPHANUMERIC)
        ),
    }
}

/// A path of ours, or `/`: never another host.
fn safe_target(target: &str) -> String {
    let ours = target.starts_with('/')
        && !target.starts_with("//")
        && !target.starts_with("/login")
        && !target.contains('\\')
        && target.bytes().all(|b| (0x21..0x7f).contains(&b));
    if ours {
        target.to_owned()
    } else {
        "/".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_host() {
        assert_eq!(safe_target("/a/b/builds/1?x=1"), "/a/b/builds/1?x=1");
        for bad in [
            "//evil",
            "http://evil",
            "",
            "/\\evil",
            "evil",
            "/a\r\nb",
            "/login/link",
        ] {
            assert_eq!(safe_target(bad), "/", "{bad}");
        }
        assert_eq!(login_path("/a/b"), "/login?to=%2Fa%2Fb");
        assert_eq!(login_path("/"), "/login");
    }
}
