//! Where a token may stand in a request, and whose it is.

use assay_plan::Time;
use assay_store::Store;
use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Holder, Sessions, Who};
use crate::http::{Call, Fail, Peer};

/// What a request presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// Nothing.
    None,
    /// A token, in the order of the contract: header, Basic, parameter.
    Token(String),
    /// Something that can be no token of ours.
    Bad,
    /// The control socket, by this uid.
    Control(u32),
    /// A session cookie.
    Session(String),
}

impl Credentials {
    /// Finds them. `pages` tells whether the request is for a page (where `token` is a form field).
    pub(crate) fn of(call: &Call, cookie: &str, pages: bool) -> Self {
        if let Some(header) = call.headers.get("authorization") {
            return header
                .to_str()
                .ok()
                .and_then(parse_authorization)
                .map_or(Credentials::Bad, Credentials::Token);
        }
        if let Some(token) = call.params.text("access_token") {
            return Credentials::Token(token);
        }
        if !pages && call.params.get("token").is_some() {
            return Credentials::Bad;
        }
        if let Peer::Control { uid } = call.peer {
            return Credentials::Control(uid);
        }
        match session_cookie(call, cookie) {
            Some(session) if cookie_counts(call, pages) => Credentials::Session(session),
            _ => Credentials::None,
        }
    }
}

/// A cookie comes along with whatever another site makes the browser do, so it counts only where that can do no harm:
/// for what our own pages ask, and for opening a page. Never as a script source.
fn cookie_counts(call: &Call, pages: bool) -> bool {
    if call.params.get("callback").is_some() {
        return false;
    }
    let reading = matches!(call.method, Method::GET | Method::HEAD);
    if reading {
        pages || !call.is_cross_site()
    } else {
        call.is_same_origin()
    }
}

/// The value of the session cookie.
fn session_cookie(call: &Call, name: &str) -> Option<String> {
    let cookies = call
        .headers
        .get_all("cookie")
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut pairs = cookies
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

/// `token T`, `token "T"`, `Bearer T` or `Basic base64(T:anything)`.
fn parse_authorization(header: &str) -> Option<String> {
    let (scheme, rest) = header.trim().split_once(' ')?;
    let rest = rest.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "token" | "bearer" => Some(rest.trim_matches('"').to_owned()),
        "basic" => {
            let text = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
            Some(text.split(':').next().unwrap_or_default().to_owned())
        }
        _ => None,
    }
    .filter(|token| !token.is_empty())
}

/// Whose credentials these are. A token that is not known is refused, on any path; a session that has ended is nothing.
pub(crate) fn identify(
    store: &Store,
    sessions: &Sessions,
    credentials: &Credentials,
    now: Time,
) -> Result<Who, Fail> {
    let user = |text: &str| Ok::<_, Fail>(store.token(text, now)?.map(Who::User));
    match credentials {
        Credentials::None => Ok(Who::Anonymous),
        Credentials::Bad => Err(Fail::AccessDenied),
        Credentials::Token(text) => user(text)?.ok_or(Fail::AccessDenied),
        Credentials::Control(uid) => Ok(Who::Operator(format!("uid {uid}, control socket"))),
        Credentials::Session(id) => match sessions.holder(id, now) {
            None => Ok(Who::Anonymous),
            Some(Holder::Operator) => Ok(Who::Operator("operator, one-time link".to_owned())),
            Some(Holder::Token(text)) => Ok(user(&text)?.unwrap_or(Who::Anonymous)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_from_the_header() {
        for header in [
            "token abc",
            "Token \"abc\"",
            "TOKEN  abc",
            "Basic YWJjOng=",
            "basic YWJjOg==",
            "Bearer abc",
        ] {
            assert_eq!(
                parse_authorization(header).as_deref(),
                Some("abc"),
                "{header}"
            );
        }
        for header in ["abc", "token ", "Digest abc", "Basic !!!", "Basic Og=="] {
            assert_eq!(parse_authorization(header), None, "{header}");
        }
    }
}
