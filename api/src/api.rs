//! [`Api`]: the way from a request to a response, and the one place where the blocking store is asked.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use assay_plan::Time;
use assay_store::Store;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, Method, header};
use axum::response::Response;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::access::{Credentials, Sessions, Who, identify};
use crate::clock;
use crate::command::{Command, CommandError};
use crate::http::{Call, Fail, Reply, Vary, finish, preflight};
use crate::{own, page, v2};

/// How long the daemon may take to answer a command.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Live streams at once.
const MAX_STREAMS: usize = 256;

/// Who may read without a token (Travis' three kinds of service).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Public repositories are readable by all.
    Org,
    /// Public repositories are readable by all who speak version 2.1 of the API, and as pages.
    Public,
    /// Everything needs a token.
    #[default]
    Private,
}

impl Mode {
    /// `org`, `public` or `private`.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Org => "org",
            Mode::Public => "public",
            Mode::Private => "private",
        }
    }

    /// Reads a name made by [`Mode::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        [Mode::Org, Mode::Public, Mode::Private]
            .into_iter()
            .find(|mode| mode.name() == name)
    }
}

/// What the API must be told.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// Who may read without a token.
    pub mode: Mode,
    /// Address of the pages, for links, without a slash at the end: `http://127.0.0.1:27729`.
    pub web: String,
    /// The program's version.
    pub version: String,
    /// The state folder, shown to admins.
    pub state: PathBuf,
    /// Jobs at once, shown with the queue.
    pub workers: usize,
}

/// The API, the pages and the live streams; cheap to clone.
#[derive(Debug, Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    commands: mpsc::Sender<Command>,
    settings: ApiSettings,
    sessions: Sessions,
    cookie: String,
    streams: Arc<Semaphore>,
    started: Instant,
}

/// What a blocking handler works with.
#[derive(Debug)]
pub(crate) struct Cx<'a> {
    pub(crate) store: &'a Store,
    pub(crate) settings: &'a ApiSettings,
    pub(crate) call: &'a Call,
    pub(crate) who: &'a Who,
    pub(crate) now: Time,
}

impl Api {
    /// An API over a store. Commands go to the daemon through `commands`.
    pub fn new(store: Store, commands: mpsc::Sender<Command>, settings: ApiSettings) -> Self {
        let cookie = cookie_name(&settings.web);
        Api {
            inner: Arc::new(Inner {
                store,
                commands,
                settings,
                sessions: Sessions::default(),
                cookie,
                streams: Arc::new(Semaphore::new(MAX_STREAMS)),
                started: Instant::now(),
            }),
        }
    }

    /// Everything as one service.
    ///
    /// The paths are matched by hand, not by axum's table: ids and slugs stand in the same place, branch names hold
    /// slashes, endings choose formats, and each path is served below `/api`, too.
    pub fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(self.clone())
    }

    /// Path and query of a link that opens the pages with every right, once, within an hour; `None` when the system has
    /// no randomness.
    pub fn one_time_link(&self) -> Option<String> {
        let secret = self.inner.sessions.new_link(clock::now()).ok()?;
        Some(format!("/login/link?key={secret}"))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    pub(crate) fn settings(&self) -> &ApiSettings {
        &self.inner.settings
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.inner.sessions
    }

    pub(crate) fn cookie(&self) -> &str {
        &self.inner.cookie
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.inner.started.elapsed()
    }

    /// A place among the live streams.
    pub(crate) fn stream_place(&self) -> Result<tokio::sync::OwnedSemaphorePermit, Fail> {
        self.inner
            .streams
            .clone()
            .try_acquire_owned()
            .map_err(|_| Fail::Unavailable)
    }

    /// Finds out who asks, then runs a blocking handler; the one place where the store is called.
    pub(crate) async fn read<R: Send + 'static>(
        &self,
        call: &Arc<Call>,
        handler: impl FnOnce(&Cx<'_>) -> Result<R, Fail> + Send + 'static,
    ) -> Result<R, Fail> {
        let (api, call) = (self.clone(), call.clone());
        self.blocking(move |store| {
            let now = clock::now();
            let credentials = Credentials::of(&call, api.cookie(), is_page(&call));
            let who = identify(store, api.sessions(), &credentials, now)?;
            handler(&Cx {
                store,
                settings: api.settings(),
                call: &call,
                who: &who,
                now,
            })
        })
        .await
    }

    /// Runs a piece of work that blocks on the store.
    pub(crate) async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<R, Fail> + Send + 'static,
    ) -> Result<R, Fail> {
        let store = self.inner.store.clone();
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.unwrap_or_else(|error| Err(Fail::Internal(error.to_string())))
    }

    /// Sends a command to the daemon and waits for its answer.
    pub(crate) async fn command<T>(
        &self,
        make: impl FnOnce(oneshot::Sender<Result<T, CommandError>>) -> Command,
    ) -> Result<T, CommandError> {
        let (reply, answer) = oneshot::channel();
        let exchange = async {
            self.inner
                .commands
                .send(make(reply))
                .await
                .map_err(|_| CommandError::Unavailable)?;
            answer.await.map_err(|_| CommandError::Unavailable)?
        };
        tokio::time::timeout(ANSWER_WITHIN, exchange)
            .await
            .unwrap_or(Err(CommandError::Unavailable))
    }
}

impl Cx<'_> {
    /// JSON, indented if the client likes.
    pub(crate) fn json<T: serde::Serialize>(&self, value: &T) -> Result<Reply, Fail> {
        let pretty = self.call.params.flag("pretty") || self.call.params.number("pretty") > Some(0);
        Reply::json(value, pretty)
    }

    /// Address of a page: `path` begins with a slash.
    pub(crate) fn web(&self, path: &str) -> String {
        format!("{}{path}", self.settings.web)
    }
}

/// The cookie's name carries the port: browsers share cookies between all ports of a host.
fn cookie_name(web: &str) -> String {
    let authority = web
        .split_once("://")
        .map_or(web, |(_, rest)| rest)
        .split('/')
        .next()
        .unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((_, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            format!("assay_{port}")
        }
        _ => "assay".to_owned(),
    }
}

/// Where a request goes.
enum Route {
    V2(v2::Endpoint),
    Own(own::Endpoint),
    Page(page::Endpoint),
}

fn route(call: &Call) -> Option<Route> {
    let page = || {
        page::Endpoint::of(call)
            .filter(|_| !call.under_api)
            .map(Route::Page)
    };
    if call.segments.is_empty() && call.accept.prefers_html() {
        return page();
    }
    own::Endpoint::of(call)
        .map(Route::Own)
        .or_else(|| v2::Endpoint::of(call).map(Route::V2))
        .or_else(page)
}

fn is_page(call: &Call) -> bool {
    matches!(route(call), Some(Route::Page(_)))
}

async fn handle(State(api): State<Api>, request: Request) -> Response {
    if request.method() == Method::OPTIONS {
        return preflight();
    }
    let call = match Call::read(request).await {
        Ok(call) => Arc::new(call),
        Err(fail) => return finish(fail.reply(), None, Vary::Accept),
    };
    let outcome = match route(&call) {
        Some(Route::V2(endpoint)) => v2::answer(&api, &call, endpoint).await,
        Some(Route::Own(endpoint)) => own::answer(&api, &call, endpoint).await,
        Some(Route::Page(endpoint)) => Ok(page::answer(&api, &call, endpoint).await),
        // A bad token is told even where there is nothing.
        None => api.read(&call, |_| Err(Fail::NotFound)).await,
    };
    let reply = outcome.unwrap_or_else(|fail| {
        fail.log();
        fail.reply()
    });
    let known = Credentials::of(&call, api.cookie(), is_page(&call)) != Credentials::None;
    let vary = if known || api.settings().mode != Mode::Org {
        Vary::Authorization
    } else {
        Vary::Accept
    };
    let scopes = if known { "public,private" } else { "public" };
    let scope = HeaderName::from_static("x-oauth-scopes");
    let reply = if reply.status == axum::http::StatusCode::FORBIDDEN {
        reply
    } else {
        reply.with(scope, scopes)
    };
    finish(reply.with(header::SERVER, "assay"), Some(&call), vary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_on_one_host_do_not_share_a_cookie() {
        assert_eq!(cookie_name("http://127.0.0.1:27729"), "assay_27729");
        assert_eq!(cookie_name("http://[::1]:80/x"), "assay_80");
        assert_eq!(cookie_name("https://ci.example.org"), "assay");
        assert_eq!(cookie_name("http://[::1]"), "assay");
    }
}
