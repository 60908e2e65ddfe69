//! A reply and its bytes: content types, CORS, caching, JSONP, `HEAD`, security headers.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Call, Fail};

/// What pages may load: only from here, and no inline script or style.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                           form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const EXPOSED: &str = "Content-Type, Cache-Control, Expires, Etag, Last-Modified, X-Request-ID";
const ALLOWED: &str = "Content-Type, Authorization, Accept, If-None-Match, If-Modified-Since, X-User-Agent, \
                       X-Client-Release, Travis-API-Version, Trace";

/// What a reply carries.
#[derive(Debug)]
pub(crate) enum Content {
    /// No body.
    Empty,
    /// JSON text.
    Json(Vec<u8>),
    /// JSON text as the argument of a JavaScript call.
    Script(Vec<u8>),
    /// Plain text.
    Text(String),
    /// A page.
    Html(String),
    /// A file that is part of the program, with its type.
    Asset(&'static str, &'static [u8]),
    /// A live stream, with its type.
    Stream(&'static str, Body),
}

impl Content {
    /// Plain text.
    pub(crate) fn text(text: &str) -> Self {
        Content::Text(text.to_owned())
    }

    /// A small JSON value.
    pub(crate) fn value(value: &serde_json::Value) -> Self {
        Content::Json(value.to_string().into_bytes())
    }
}

/// What a cache must tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vary {
    /// The same for everybody.
    Accept,
    /// Another for each user.
    Authorization,
}

/// One reply, not yet bytes.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) content: Content,
    /// Whether an `ETag` is made from the content.
    pub(crate) tagged: bool,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Reply {
    /// A reply with a status.
    pub(crate) fn new(status: StatusCode, content: Content) -> Self {
        Reply {
            status,
            content,
            tagged: false,
            headers: Vec::new(),
        }
    }

    /// 200 with content.
    pub(crate) fn ok(content: Content) -> Self {
        Reply::new(StatusCode::OK, content)
    }

    /// 200 with JSON.
    pub(crate) fn json<T: Serialize>(value: &T, pretty: bool) -> Result<Self, Fail> {
        let bytes = if pretty {
            serde_json::to_vec_pretty(value)
        } else {
            serde_json::to_vec(value)
        };
        bytes
            .map(|bytes| Reply::ok(Content::Json(bytes)))
            .map_err(|error| Fail::Internal(error.to_string()))
    }

    /// Sends the client elsewhere.
    pub(crate) fn redirect(status: StatusCode, location: &str) -> Self {
        Reply::new(status, Content::Empty).with(header::LOCATION, location)
    }

    /// With an `ETag`.
    pub(crate) fn tagged(mut self) -> Self {
        self.tagged = true;
        self
    }

    /// With one more header; a value that can't be a header is left out.
    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }
}

/// Turns a reply into a response to this call.
pub(crate) fn finish(reply: Reply, call: Option<&Call>, vary: Vary) -> Response {
    let reply = match call.and_then(|call| call.params.text("callback")) {
        Some(name) => as_script(reply, &name),
        None => reply,
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    common_headers(headers, call);
    let vary = if vary == Vary::Authorization {
        "Accept, Authorization"
    } else {
        "Accept"
    };
    headers.insert(header::VARY, HeaderValue::from_static(vary));
    let kind = match &reply.content {
        Content::Empty => None,
        Content::Json(_) => Some("application/json;charset=utf-8"),
        Content::Script(_) => Some("application/javascript;charset=utf-8"),
        Content::Text(_) => Some("text/plain;charset=utf-8"),
        Content::Html(_) => Some("text/html;charset=utf-8"),
        Content::Asset(kind, _) | Content::Stream(kind, _) => Some(*kind),
    };
    if let Some(kind) = kind {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    if matches!(reply.content, Content::Html(_)) {
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(PAGE_POLICY),
        );
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    }
    for (name, value) in reply.headers {
        if name == header::SET_COOKIE {
            headers.append(name, value);
        } else {
            headers.insert(name, value);
        }
    }
    let bytes = match reply.content {
        Content::Stream(_, body) => {
            *response.body_mut() = body;
            return response;
        }
        Content::Empty => Vec::new(),
        Content::Json(bytes) | Content::Script(bytes) => bytes,
        Content::Text(text) | Content::Html(text) => text.into_bytes(),
        Content::Asset(_, bytes) => bytes.to_vec(),
    };
    if reply.tagged {
        let tag = etag(&bytes);
        let known = call
            .and_then(|call| call.header("if-none-match"))
            .is_some_and(|sent| tag_matches(sent, &tag));
        if let Ok(value) = HeaderValue::from_str(&tag) {
            headers.insert(header::ETAG, value);
        }
        if known && reply.status == StatusCode::OK {
            headers.remove(header::CONTENT_TYPE);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
    }
    if call.is_some_and(|call| call.method == Method::HEAD) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    } else {
        *response.body_mut() = Body::from(bytes);
    }
    response
}

/// The answer to a CORS preflight.
pub(crate) fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    common_headers(headers, None);
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("HEAD, GET, POST, PATCH, PUT, DELETE"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(ALLOWED),
    );
    headers.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("86400"),
    );
    response
}

fn common_headers(headers: &mut axum::http::HeaderMap, call: Option<&Call>) {
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        HeaderValue::from_static("true"),
    );
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(EXPOSED),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    // Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    );
    let sent = call
        .and_then(|call| call.headers.get("x-request-id"))
        .filter(|id| id.len() <= 100)
        .cloned();
    let id = sent.or_else(|| HeaderValue::from_str(&random_id()).ok());
    if let Some(id) = id {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
}

fn random_id() -> String {
    let mut bytes = [0u8; 16];
    // An id that is not random is still a valid answer, so a failing source of randomness is no reason to fail here.
    let _ = getrandom::fill(&mut bytes);
    hex(&bytes)
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", hex(&Sha256::digest(bytes)[..16]))
}

fn tag_matches(sent: &str, tag: &str) -> bool {
    sent.split(',')
        .map(str::trim)
        .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// JSONP: the JSON as the argument of a function call.
fn as_script(reply: Reply, name: &str) -> Reply {
    let Content::Json(bytes) = &reply.content else {
        return reply;
    };
    if !is_function_name(name) {
        return Fail::BadRequest.reply();
    }
    let json = String::from_utf8_lossy(bytes)
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029");
    Reply {
        content: Content::Script(format!("/**/{name}({json})").into_bytes()),
        ..reply
    }
}

/// A path of JavaScript identifiers with dots between.
fn is_function_name(name: &str) -> bool {
    let start = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '$';
    name.len() <= 200
        && name.split('.').all(|part| {
            part.chars().next().is_some_and(start)
                && part.chars().all(|c| start(c) || c.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_identifier_paths_are_callbacks() {
        for good in ["cb", "a.b.c", "$", "_1", "jQuery123_4"] {
            assert!(is_function_name(good), "{good}");
        }
        for bad in ["", "1a", "a..b", "a-b", "alert(1)", "a b", "a.", "ü"] {
            assert!(!is_function_name(bad), "{bad}");
        }
    }

    #[test]
    fn tags_match_in_lists_and_weak() {
        assert!(tag_matches("\"a\", W/\"b\"", "\"b\""));
        assert!(tag_matches("*", "\"b\""));
        assert!(!tag_matches("\"a\"", "\"b\""));
    }
}
