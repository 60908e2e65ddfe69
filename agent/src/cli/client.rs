//! Talks HTTP to a daemon: the one on this host through its control socket, or any other by address and token.
//!
//! Commands are plain blocking code; the small runtime that HTTP needs lives in here.

mod nouns;
mod sse;

use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION};
use reqwest::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::args::Global;
use super::output::one_line;
use crate::config;
use crate::exit::{Exit, Failure};

pub(crate) use nouns::{
    Branch, Build, Commit, Job, OwnRepository, Repository, Request, TokenRecord, job_details,
    matrix_values,
};
pub(crate) use sse::Event;

/// Travis' media type of version 2, with the plain one for what isn't Travis'.
const ACCEPTED: &str = "application/vnd.travis-ci.2+json, application/json; q=0.9, */*; q=0.1";
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long one answer may take; streams are exempt.
const ANSWER: Duration = Duration::from_secs(60);
/// How long a stream may be silent: the daemon sends comments in between.
const SILENCE: Duration = Duration::from_secs(120);
/// How often a stream that broke is taken up again without having brought anything new.
const RETRIES: u32 = 5;

/// A connection to a daemon.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    base: String,
    token: Option<String>,
    /// The control socket, when it is the daemon of this host.
    socket: Option<PathBuf>,
}

impl Client {
    /// The daemon that the global options name.
    pub(crate) fn new(global: &Global) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| {
                Failure::new(Exit::Internal, "cannot start the runtime").because(&error)
            })?;
        let builder = reqwest::Client::builder()
            .user_agent(concat!("assay/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE);
        let (builder, base, socket) = match &global.server {
            Some(server) => (builder, server_address(server)?, None),
            None => {
                let socket = local_socket(global);
                // Nobody's certificate is looked at, and a small host may have none to look at it with.
                let builder = builder.tls_certs_only([]);
                (
                    builder.unix_socket(socket.as_path()).no_proxy(),
                    "http://localhost".to_owned(),
                    Some(socket),
                )
            }
        };
        let http = builder.build().map_err(|error| {
            Failure::new(Exit::Internal, "cannot set up HTTP")
                .because(&error)
                .hint("certificates of authorities are in the package ca-certificates")
        })?;
        Ok(Client {
            http,
            runtime,
            base,
            token: global.token.clone(),
            socket,
        })
    }

    /// Whether this is the daemon of this host: then paths mean the same to it as to us.
    pub(crate) fn is_local(&self) -> bool {
        self.socket.is_some()
    }

    /// The host that the daemon is at.
    pub(crate) fn host(&self) -> String {
        let address = reqwest::Url::parse(&self.base).ok();
        let host = address.as_ref().and_then(reqwest::Url::host_str);
        host.map_or("localhost", |host| host.trim_matches(['[', ']']))
            .to_owned()
    }

    /// Reads JSON.
    pub(crate) fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value, Failure> {
        let response =
            self.runtime
                .block_on(self.send(Method::GET, path, query, None, Some(ANSWER)))?;
        self.runtime.block_on(self.json(response))
    }

    /// Reads JSON; `None` if there is no such thing.
    pub(crate) fn find(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Option<Value>, Failure> {
        match self.get(path, query) {
            Ok(value) => Ok(Some(value)),
            Err(failure) if failure.exit() == Exit::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Reads plain text.
    pub(crate) fn text(&self, path: &str) -> Result<String, Failure> {
        self.runtime.block_on(async {
            let request = self
                .request(Method::GET, path, &[])
                .header(ACCEPT, "text/plain; version=2");
            let response = self.checked(request.timeout(ANSWER)).await?;
            response.text().await.map_err(|error| self.broken(&error))
        })
    }

    /// Writes the bytes of an answer.
    pub(crate) fn download(&self, path: &str, out: &mut dyn Write) -> Result<(), Failure> {
        self.runtime.block_on(async {
            let request = self.request(Method::GET, path, &[]);
            let mut response = self.checked(request).await?;
            while let Some(chunk) = response
                .chunk()
                .await
                .map_err(|error| self.broken(&error))?
            {
                out.write_all(&chunk).map_err(|error| {
                    Failure::new(Exit::Internal, "cannot write").because(&error)
                })?;
            }
            Ok(())
        })
    }

    /// Sends a wish with a JSON body; the answer is JSON, or null where there is none.
    pub(crate) fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Value, Failure> {
        let body = body
            .map(serde_json::to_value)
            .transpose()
            .map_err(|error| Failure::new(Exit::Internal, "cannot write JSON").because(&error))?;
        let response = self
            .runtime
            .block_on(self.send(method, path, &[], body, Some(ANSWER)))?;
        self.runtime.block_on(self.json(response))
    }

    /// Reads a stream of events until `take` has enough, or the stream says that it is over (`event: end`).
    ///
    /// `path` gives the address for the id of the last event that came (0 before the first): a stream that breaks is
    /// taken up after it.
    pub(crate) fn events(
        &self,
        path: impl Fn(u64) -> String,
        mut take: impl FnMut(&Event) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<(), Failure> {
        self.runtime.block_on(async {
            let mut place = Place::default();
            let mut retries = 0;
            loop {
                let before = place.last;
                match self.stream(&path(place.last), &mut place, &mut take).await {
                    Ok(()) => return Ok(()),
                    Err(Broken::Fatal(failure)) => return Err(failure),
                    Err(Broken::Connection(failure)) => {
                        retries = if place.last > before { 1 } else { retries + 1 };
                        if retries > RETRIES {
                            return Err(failure);
                        }
                        tokio::time::sleep(Duration::from_millis(200) * (1 << retries)).await;
                    }
                }
            }
        })
    }

    async fn stream(
        &self,
        path: &str,
        place: &mut Place,
        take: &mut impl FnMut(&Event) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<(), Broken> {
        let request = self
            .request(Method::GET, path, &[])
            .header(ACCEPT, "text/event-stream");
        let mut response = self
            .checked(request)
            .await
            .map_err(|failure| match failure.exit() {
                // The daemon may be restarting; before the first answer it is simply not there.
                Exit::Unreachable if place.begun => Broken::Connection(failure),
                _ => Broken::Fatal(failure),
            })?;
        place.begun = true;
        let mut parser = sse::Parser::default();
        loop {
            let bytes = match response.chunk().await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return Err(Broken::Connection(self.ended())),
                Err(error) => return Err(Broken::Connection(self.broken(&error))),
            };
            for event in parser.feed(&bytes) {
                if event.name == "end" {
                    return Ok(());
                }
                let next = take(&event).map_err(Broken::Fatal)?;
                if let Some(id) = event.id {
                    place.last = id;
                }
                if next.is_break() {
                    return Ok(());
                }
            }
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<Value>,
        limit: Option<Duration>,
    ) -> Result<Response, Failure> {
        let mut request = self.request(method, path, query).header(ACCEPT, ACCEPTED);
        if let Some(body) = body {
            request = request.json(&body);
        }
        if let Some(limit) = limit {
            request = request.timeout(limit);
        }
        self.checked(request).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
    ) -> reqwest::RequestBuilder {
        let mut address = format!("{}{path}", self.base);
        for (index, (name, value)) in query.iter().enumerate() {
            address.push(if index == 0 { '?' } else { '&' });
            let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
            address.push_str(&format!("{name}={value}"));
        }
        let request = self.http.request(method, address);
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, format!("token {token}")),
            None => request,
        }
    }

    async fn checked(&self, request: reqwest::RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.broken(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.text().await.unwrap_or_default();
        Err(self.refused(status, &body))
    }

    async fn json(&self, response: Response) -> Result<Value, Failure> {
        let bytes = response
            .bytes()
            .await
            .map_err(|error| self.broken(&error))?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|error| {
            Failure::new(
                Exit::Internal,
                format!("{} did not answer in JSON", self.name()),
            )
            .because(&error)
            .hint("is this the address of an assay daemon or of a Travis API?")
        })
    }

    fn name(&self) -> String {
        match &self.socket {
            Some(_) => "the daemon".to_owned(),
            None => self.base.clone(),
        }
    }

    fn ended(&self) -> Failure {
        Failure::new(
            Exit::Unreachable,
            format!("{} ended the stream early", self.name()),
        )
    }

    fn broken(&self, error: &reqwest::Error) -> Failure {
        let Some(socket) = &self.socket else {
            return Failure::new(
                Exit::Unreachable,
                format!("cannot reach the daemon at {}", self.base),
            )
            .because(&error_without_url(error))
            .hint("check the address given by --server or ASSAY_SERVER");
        };
        let kind = io_kind(error);
        let (exit, hint) = match kind {
            Some(std::io::ErrorKind::PermissionDenied) => (
                Exit::NotAllowed,
                "the control socket is for root and for the user the daemon runs as; others use --server and a token",
            ),
            _ => (
                Exit::Unreachable,
                "start it with assay serve or assay up, or name another one by --state or --server",
            ),
        };
        Failure::new(
            exit,
            format!("cannot reach the daemon at {}", socket.display()),
        )
        .because(&error_without_url(error))
        .hint(hint)
    }

    fn refused(&self, status: StatusCode, body: &str) -> Failure {
        let exit = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Exit::NotAllowed,
            StatusCode::NOT_FOUND => Exit::NotFound,
            StatusCode::SERVICE_UNAVAILABLE => Exit::Unreachable,
            status if status.is_client_error() => Exit::Usage,
            _ => Exit::Internal,
        };
        let said = one_line(&said(body));
        let failure =
            Failure::new(exit, format!("{} refused", self.name())).cause(if said.is_empty() {
                status.to_string()
            } else {
                said
            });
        match (exit, &self.token) {
            (Exit::NotAllowed, None) if !self.is_local() => {
                failure.hint("give a token by --token or ASSAY_TOKEN (assay token create)")
            }
            (Exit::NotAllowed, Some(_)) => {
                failure.hint("the token may be unknown, expired, or lack the right")
            }
            _ => failure,
        }
    }
}

/// How far a stream has come.
#[derive(Debug, Default)]
struct Place {
    /// Whether the daemon ever answered.
    begun: bool,
    /// Id of the last event.
    last: u64,
}

/// Why a stream stopped.
enum Broken {
    /// It may be taken up again.
    Connection(Failure),
    /// It may not.
    Fatal(Failure),
}

/// Turns an answer into one of our nouns.
pub(crate) fn decode<T: DeserializeOwned>(value: &Value, key: &str) -> Result<T, Failure> {
    let inner = value.get(key).cloned().unwrap_or_default();
    serde_json::from_value(inner).map_err(|error| {
        Failure::new(
            Exit::Internal,
            format!("the daemon's answer has an unexpected form under {key:?}"),
        )
        .because(&error)
        .hint("client and daemon may be of different versions")
    })
}

fn local_socket(global: &Global) -> PathBuf {
    // A broken or unreadable configuration is no reason not to find the socket at its usual place.
    let config = match &global.state {
        Some(_) => None,
        None => config::Config::find(None).ok().map(|(config, _)| config),
    };
    config::state_folder(global.state.as_deref(), config.as_ref()).join("run/assay.sock")
}

fn server_address(text: &str) -> Result<String, Failure> {
    let address = if text.contains("://") {
        text.to_owned()
    } else {
        format!("https://{text}")
    };
    match reqwest::Url::parse(&address) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
            Ok(address.trim_end_matches('/').to_owned())
        }
        _ => Err(
            Failure::usage(format!("{text:?} is not the address of a daemon"))
                .hint("write it like https://ci.example.org or http://127.0.0.1:27729"),
        ),
    }
}

/// The error with its causes, but without the made-up address of a request through a socket.
fn error_without_url(error: &reqwest::Error) -> std::io::Error {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    let timeout = if error.is_timeout() {
        "no answer in time: "
    } else {
        ""
    };
    std::io::Error::other(format!("{timeout}{deepest}"))
}

fn io_kind(error: &reqwest::Error) -> Option<std::io::ErrorKind> {
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        next = error.source();
    }
    None
}

/// The sentence in an error's body, in any of the forms that the Travis API uses.
fn said(body: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(body) else {
        let looks_like_a_page = body.trim_start().starts_with('<');
        return if looks_like_a_page {
            String::new()
        } else {
            body.trim().chars().take(300).collect()
        };
    };
    let flash = || {
        value
            .get("flash")?
            .as_array()?
            .iter()
            .find_map(|entry| entry.get("error")?.as_str())
    };
    let text = [
        value.pointer("/error/message"),
        value.get("error"),
        value.get("message"),
        value.get("error_message"),
    ]
    .into_iter()
    .flatten()
    .find_map(Value::as_str)
    .or_else(flash);
    let not_found = value
        .get("file")
        .and_then(Value::as_str)
        .map(|_| "not found");
    text.or(not_found).unwrap_or_default().to_owned()
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
