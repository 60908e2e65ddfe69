//! A store with three repositories, and ways to ask the API about it.
//!
//! Repository 1 `alice/open` is public, 2 `alice/hidden` and 3 `bob/tools` are private. Repository 1 has the builds 11
//! (number 1, passed, two stages, jobs 101 to 103) and 12 (number 2, started, jobs 104 and 105), the rejected request 13
//! and the pending request 14. Repository 2 has build 21 (failed, job 201). Repository 3 has no build.

use std::path::PathBuf;

use assay_api::{Api, ApiSettings, Command, Mode};
use assay_plan::{
    Build, Commit, CommitId, Event, EventKind, Job, JobId, JobNumber, Map, Person, RefName, RepoId,
    Repository, Request, RequestId, RequestState, Slug, Source, State, Time, Visibility,
};
use assay_store::{Change, Right, Store};
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::sync::mpsc;
use tower::ServiceExt as _;

pub(crate) const V2: &str = "application/vnd.travis-ci.2+json";
pub(crate) const V21: &str = "application/vnd.travis-ci.2.1+json";
pub(crate) const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
pub(crate) const LOG: &str = "travis_fold:start:install\r\x1b[0Ktravis_time:start:0a\r\x1b[0K$ make <deps>\r\n\
     \x1b[32mok\x1b[0m\r\ntravis_time:end:0a:start=1000000000,finish=3000000000,duration=2000000000,event=install\r\
     \x1b[0Ktravis_fold:end:install\r\x1b[0K$ make test\r\n1 passed\r\n";

/// 2024-01-01T00:00:00Z, from which everything is counted.
const START: i64 = 1_704_067_200_000;

pub(crate) struct World {
    pub(crate) api: Api,
    pub(crate) store: Store,
    pub(crate) commands: mpsc::Receiver<Command>,
    /// May push to `alice/*`.
    pub(crate) alice: String,
    /// May read `alice/hidden`.
    pub(crate) reader: String,
    /// May push to `bob/*` only.
    pub(crate) bob: String,
    /// May do everything.
    pub(crate) admin: String,
    _state: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl World {
    pub(crate) fn new(mode: Mode) -> Self {
        let state = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(state.path()).unwrap();
        fill(&store);
        let (sender, commands) = mpsc::channel(8);
        let settings = ApiSettings {
            mode,
            web: "http://127.0.0.1:27729".to_owned(),
            version: "0.1.0".to_owned(),
            state: PathBuf::from("/state"),
            workers: 2,
        };
        let token = |user: &str, admin, rights: &[(&str, Right)]| {
            let rights = rights
                .iter()
                .map(|(slug, right)| ((*slug).to_owned(), *right))
                .collect();
            let (text, token) = store
                .new_token(user, admin, rights, Time(START), None)
                .unwrap();
            store.commit(vec![Change::Token(token)]).unwrap();
            text
        };
        World {
            alice: token("alice", false, &[("alice/*", Right::Push)]),
            reader: token("reader", false, &[("alice/hidden", Right::Read)]),
            bob: token("bob", false, &[("bob/*", Right::Admin)]),
            admin: token("root", true, &[]),
            api: Api::new(store.clone(), sender, settings),
            store,
            commands,
            _state: state,
        }
    }

    /// `GET` with version 2.
    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.get_as(path, token, V2).await
    }

    pub(crate) async fn get_as(&self, path: &str, token: &str, accept: &str) -> Answer {
        self.ask("GET", path, token, &[("accept", accept)], "")
            .await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &str) -> Answer {
        self.ask("POST", path, token, &[("accept", V2)], body).await
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let response = self.response(method, path, token, headers, body).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// The response with its body still to come.
    pub(crate) async fn response(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> axum::response::Response {
        let mut request = axum::extract::Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("token {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.api
            .router()
            .oneshot(request.body(Body::from(body.to_owned())).unwrap())
            .await
            .unwrap()
    }

    /// Writes a whole log.
    pub(crate) fn log(&self, repo: u64, job: u64, text: &str) {
        let mut writer = self.store.logs().write(RepoId(repo), JobId(job)).unwrap();
        writer.append(text.as_bytes()).unwrap();
        writer.finish().unwrap();
    }

    pub(crate) fn set_job(&self, id: u64, state: State) {
        let mut job = self.store.job(JobId(id)).unwrap().unwrap();
        job.state = state;
        job.started_at = job.started_at.or_else(|| Some(at(5)));
        job.finished_at = state.is_final().then(|| at(9));
        self.store.commit(vec![Change::Job(job)]).unwrap();
    }

    pub(crate) fn set_build(&self, id: u64, state: State) {
        let mut build = self.store.build(RequestId(id)).unwrap().unwrap();
        build.state = state;
        self.store.commit(vec![Change::Build(build)]).unwrap();
    }
}

/// `seconds` after the start of everything.
pub(crate) fn at(seconds: i64) -> Time {
    Time(START + seconds * 1000)
}

pub(crate) fn map(json: &str) -> Map {
    serde_json::from_str(json).unwrap()
}

fn repository(id: u64, slug: &str, visibility: Visibility) -> Repository {
    Repository {
        id: RepoId(id),
        slug: Slug::parse(slug).unwrap(),
        source: Source::Path(format!("/srv/git/{slug}.git")),
        description: Some("melts <things>".to_owned()),
        visibility,
        active: true,
        default_branch: Some("main".to_owned()),
        share: Vec::new(),
        debug: assay_plan::DebugConsent::Off,
        created_at: at(0),
    }
}

fn sha(n: u64) -> CommitId {
    CommitId::parse(&format!("{n:040x}")).unwrap()
}

fn commit(n: u64) -> Commit {
    let person = |name: &str| Person {
        name: name.to_owned(),
        email: format!("{name}@example.org"),
    };
    Commit {
        id: sha(n),
        message: format!("Change {n} <b>\n\nwith a body"),
        committed_at: at(0),
        author: person("ann"),
        committer: person("carl"),
    }
}

fn request(id: u64, repo: u64, state: RequestState, reason: Option<&str>) -> Request {
    Request {
        id: RequestId(id),
        event: Event {
            repo: RepoId(repo),
            kind: EventKind::Push,
            ref_name: RefName::parse("refs/heads/main").unwrap(),
            before: Some(sha(id - 1)),
            after: Some(sha(id)),
            options: Vec::new(),
            pusher: Some("ann".to_owned()),
            delivery: None,
            refuse: None,
        },
        created_at: at(1),
        state,
        reason: reason.map(str::to_owned),
        commit: (state == RequestState::Accepted).then(|| commit(id)),
        messages: Vec::new(),
    }
}

fn build(id: u64, repo: u64, number: u64, state: State, jobs: &[u64]) -> Build {
    Build {
        id: RequestId(id),
        repo: RepoId(repo),
        number,
        event: EventKind::Push,
        branch: "main".to_owned(),
        tag: None,
        before: Some(sha(id - 1)),
        commit: commit(id),
        config: map(
            r#"{"language":"c","env":{"global":[{"secure":"abc"}],"jobs":[{"A":"1"},{"A":"2"}]}}"#,
        ),
        messages: Vec::new(),
        stages: Vec::new(),
        sources: Vec::new(),
        fast_finish: false,
        jobs: jobs.iter().map(|id| JobId(*id)).collect(),
        state,
        created_at: at(1),
        started_at: Some(at(2)),
        finished_at: state.is_final().then(|| at(32)),
    }
}

fn job(id: u64, of: &Build, place: u32, state: State) -> Job {
    let number = JobNumber {
        build: of.number,
        job: place,
    };
    let config = map(&format!(
        r#"{{"language":"c","os":"linux","compiler":"cc{place}","env":[{{"A":"{place}"}}]}}"#
    ));
    Job {
        state,
        attempt: 1,
        queued_at: Some(at(1)),
        started_at: matches!(state, State::Started | State::Passed | State::Failed).then(|| at(2)),
        finished_at: state.is_final().then(|| at(12)),
        ..Job::new(JobId(id), of.id, of.repo, number, config)
    }
}

fn fill(store: &Store) {
    let mut first = build(11, 1, 1, State::Passed, &[101, 102, 103]);
    first.stages = vec!["Test".to_owned(), "Deploy".to_owned()];
    let second = build(12, 1, 2, State::Started, &[104, 105]);
    let hidden = build(21, 2, 1, State::Failed, &[201]);
    let mut jobs = vec![
        job(101, &first, 1, State::Passed),
        job(102, &first, 2, State::Failed),
        job(103, &first, 3, State::Passed),
        job(104, &second, 1, State::Started),
        job(105, &second, 2, State::Received),
        job(201, &hidden, 1, State::Failed),
    ];
    jobs[0].stage = Some(0);
    jobs[1].stage = Some(0);
    jobs[1].allow_failure = true;
    jobs[2].stage = Some(1);
    let mut changes = vec![
        Change::Repository(repository(1, "alice/open", Visibility::Public)),
        Change::Repository(repository(2, "alice/hidden", Visibility::Private)),
        Change::Repository(repository(3, "bob/tools", Visibility::Private)),
        Change::Request(request(11, 1, RequestState::Accepted, None)),
        Change::Request(request(12, 1, RequestState::Accepted, None)),
        Change::Request(request(
            13,
            1,
            RequestState::Rejected,
            Some("skipped by [ci skip] & co"),
        )),
        Change::Request(request(14, 1, RequestState::Pending, None)),
        Change::Request(request(21, 2, RequestState::Accepted, None)),
        Change::Build(first),
        Change::Build(second),
        Change::Build(hidden),
    ];
    changes.extend(jobs.into_iter().map(Change::Job));
    store.commit(changes).unwrap();
}
