//! A request, read and taken apart: path, format suffix, parameters, what is accepted, where it came from.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use percent_encoding::percent_decode_str;

use super::accept::Accept;
use super::{Fail, Params};

/// Bytes of a request's body that are read.
const MAX_BODY: usize = 1024 * 1024;
/// For a request's body to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(30);
/// Path segments that are looked at.
const MAX_SEGMENTS: usize = 64;
/// Endings of a path that ask for a format.
const SUFFIXES: [&str; 6] = ["json", "xml", "png", "svg", "txt", "atom"];

/// How the request reached us; put into the request's extensions by the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Over TCP; `secure` when by TLS.
    Network {
        /// Whether TLS was spoken.
        secure: bool,
    },
    /// Over the control socket, by this user of the host, who has been let in.
    Control {
        /// Its uid.
        uid: u32,
    },
}

/// Turns true when the listener is told to stop; ends live streams.
pub(crate) type Shutdown = tokio::sync::watch::Receiver<bool>;

/// One request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path segments, decoded, without the `/api` prefix and without a format suffix.
    pub(crate) segments: Vec<String>,
    /// The format suffix that was cut off.
    pub(crate) suffix: Option<&'static str>,
    /// Whether the path began with `/api`.
    pub(crate) under_api: bool,
    /// The path and query as sent, for coming back after a login.
    pub(crate) target: String,
    pub(crate) params: Params,
    pub(crate) body: Bytes,
    pub(crate) accept: Accept,
    pub(crate) headers: HeaderMap,
    pub(crate) peer: Peer,
    pub(crate) shutdown: Option<Shutdown>,
}

impl Call {
    /// Reads a request, body included.
    pub(crate) async fn read(request: Request) -> Result<Call, Fail> {
        let (parts, body) = request.into_parts();
        let body = tokio::time::timeout(BODY_WITHIN, axum::body::to_bytes(body, MAX_BODY)).await;
        let body = body
            .map_err(|_| Fail::BadRequest)?
            .map_err(|_| Fail::TooLarge)?;
        let (segments, suffix, under_api) = split_path(parts.uri.path());
        let accept = match (suffix, parts.headers.get("travis-api-version")) {
            (_, Some(version)) if !matches!(version.as_bytes(), b"2" | b"2.1") => Accept::nothing(),
            (Some(suffix), _) => Accept::of_suffix(suffix),
            (None, _) => Accept::parse(&joined(&parts.headers, header::ACCEPT)),
        };
        let mut call = Call {
            method: parts.method,
            segments,
            suffix,
            under_api,
            target: parts
                .uri
                .path_and_query()
                .map_or_else(|| "/".to_owned(), |target| target.as_str().to_owned()),
            params: Params::default(),
            body,
            accept,
            headers: parts.headers,
            peer: parts
                .extensions
                .get::<Peer>()
                .copied()
                .unwrap_or(Peer::Network { secure: false }),
            shutdown: parts.extensions.get::<Shutdown>().cloned(),
        };
        call.params
            .add_form(parts.uri.query().unwrap_or_default().as_bytes());
        call.read_body()?;
        Ok(call)
    }

    /// Adds the body's parameters. The content type is not to be trusted: clients send JSON as a form.
    fn read_body(&mut self) -> Result<(), Fail> {
        let raw = self.method == Method::PUT
            && self.segments.first().is_some_and(|first| first == "lint");
        if raw || self.body.is_empty() {
            return Ok(());
        }
        let kind = self
            .header("content-type")
            .unwrap_or_default()
            .to_ascii_lowercase();
        if kind.contains("json") {
            return self.params.add_json(&self.body).map_err(|_| Fail::NotJson);
        }
        let looks_like_json = self.body.trim_ascii_start().first() == Some(&b'{');
        if !looks_like_json || self.params.add_json(&self.body).is_err() {
            self.params.add_form(&self.body);
        }
        Ok(())
    }

    /// The path as slices, for matching.
    pub(crate) fn path(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// A header's value, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether a browser says that the request comes from a page of ours. Without a word about it: no.
    ///
    /// `Sec-Fetch-Site` is sent over TLS and on loopback only; `Origin` goes with every unsafe request.
    pub(crate) fn is_same_origin(&self) -> bool {
        if let Some(site) = self.header("sec-fetch-site") {
            return site == "same-origin";
        }
        let host = self.header("host").unwrap_or_default();
        let origin = self
            .header("origin")
            .and_then(|origin| origin.split_once("://"))
            .map(|(_, authority)| authority);
        origin.is_some_and(|authority| !host.is_empty() && authority.eq_ignore_ascii_case(host))
    }

    /// Whether another site's page caused this request, as far as the browser tells.
    pub(crate) fn is_cross_site(&self) -> bool {
        self.header("sec-fetch-site")
            .is_some_and(|site| !matches!(site, "same-origin" | "none"))
    }

    /// Whether the client talks to us encrypted.
    pub(crate) fn is_secure(&self) -> bool {
        self.peer == Peer::Network { secure: true }
    }
}

fn joined(headers: &HeaderMap, name: header::HeaderName) -> String {
    let values: Vec<&str> = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    values.join(",")
}

/// Segments without prefix and suffix, the suffix, and whether `/api` was in front.
fn split_path(path: &str) -> (Vec<String>, Option<&'static str>, bool) {
    let decode = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
    let mut segments: Vec<String> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .take(MAX_SEGMENTS)
        .map(decode)
        .collect();
    let under_api = segments.first().is_some_and(|first| first == "api");
    if under_api {
        segments.remove(0);
    }
    let mut suffix = None;
    if let Some(last) = segments.last_mut() {
        suffix = SUFFIXES.into_iter().find(|end| {
            last.strip_suffix(end)
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        });
        if let Some(end) = suffix {
            last.truncate(last.len() - end.len() - 1);
        }
    }
    (segments, suffix, under_api)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    async fn read(request: axum::http::request::Builder, body: &str) -> Result<Call, Fail> {
        Call::read(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    #[test]
    fn prefix_slash_and_suffix_are_taken_off() {
        let split = |path| {
            let (segments, suffix, under_api) = split_path(path);
            (segments.join("|"), suffix, under_api)
        };
        assert_eq!(split("/builds/"), ("builds".to_owned(), None, false));
        assert_eq!(
            split("/api/builds/1.json"),
            ("builds|1".to_owned(), Some("json"), true)
        );
        assert_eq!(
            split("/repos/a/b/branches/x%2Fy/z"),
            ("repos|a|b|branches|x/y|z".to_owned(), None, false)
        );
        assert_eq!(split("/.json"), (".json".to_owned(), None, false));
        assert_eq!(split("/"), (String::new(), None, false));
    }

    #[tokio::test]
    async fn json_counts_under_any_content_type_and_method() {
        let form =
            Request::get("/builds").header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(
            read(form, r#"{"slug":"a/b"}"#)
                .await
                .unwrap()
                .params
                .text("slug")
                .as_deref(),
            Some("a/b")
        );
        let json = Request::get("/builds").header("content-type", "application/json");
        assert_eq!(
            read(json, r#"{"slug":"a/b"}"#)
                .await
                .unwrap()
                .params
                .text("slug")
                .as_deref(),
            Some("a/b")
        );
        let broken = Request::post("/builds").header("content-type", "application/json");
        assert!(matches!(read(broken, "{").await, Err(Fail::NotJson)));
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused() {
        let big = "x".repeat(MAX_BODY + 1);
        assert!(matches!(
            read(Request::post("/lint"), &big).await,
            Err(Fail::TooLarge)
        ));
    }

    #[tokio::test]
    async fn only_our_own_pages_are_same_origin() {
        let of = async |name: &'static str, value: &'static str| {
            read(
                Request::post("/x")
                    .header("host", "ci:1")
                    .header(name, value),
                "",
            )
            .await
            .unwrap()
            .is_same_origin()
        };
        assert!(of("sec-fetch-site", "same-origin").await);
        assert!(of("origin", "http://ci:1").await);
        assert!(!of("sec-fetch-site", "cross-site").await);
        assert!(!of("sec-fetch-site", "same-site").await);
        assert!(!of("origin", "http://evil").await);
        assert!(!of("origin", "null").await);
        assert!(!of("x-nothing", "1").await);
    }
}
