//! Nouns for tests, made short.

use assay_plan::{
    Build, Commit, CommitId, Event, EventKind, Job, JobContext, JobId, JobNumber, JobPlan, Map,
    Person, RefName, RepoId, Repository, Request, RequestId, RequestState, Row, Slug, Source,
    State, Time, Versions, Visibility, plan_job,
};

/// A private repository, acme/widget.
pub(crate) fn repository() -> Repository {
    Repository {
        id: RepoId(1),
        slug: Slug::parse("acme/widget").unwrap(),
        source: Source::Path("/srv/git/widget.git".to_owned()),
        description: None,
        visibility: Visibility::Private,
        active: true,
        default_branch: Some("main".to_owned()),
        share: Vec::new(),
        debug: assay_plan::DebugConsent::Off,
        created_at: Time(0),
    }
}

/// A commit with this message.
pub(crate) fn commit(message: &str) -> Commit {
    let alice = Person {
        name: "Alice".to_owned(),
        email: "alice@example.org".to_owned(),
    };
    Commit {
        id: CommitId::parse(&"a1".repeat(20)).unwrap(),
        message: message.to_owned(),
        committed_at: Time(1_700_000_000_000),
        author: alice.clone(),
        committer: alice,
    }
}

/// A request for this ref.
pub(crate) fn request(kind: EventKind, name: &str) -> Request {
    Request {
        id: RequestId(7),
        event: Event {
            repo: RepoId(1),
            kind,
            ref_name: RefName::parse(name).unwrap(),
            before: None,
            after: Some(commit("").id),
            options: Vec::new(),
            pusher: Some("alice".to_owned()),
            delivery: None,
            refuse: None,
        },
        created_at: Time(0),
        state: RequestState::Pending,
        reason: None,
        commit: None,
        messages: Vec::new(),
    }
}

/// A build of `main`.
pub(crate) fn build() -> Build {
    Build {
        id: RequestId(7),
        repo: RepoId(1),
        number: 3,
        event: EventKind::Push,
        branch: "main".to_owned(),
        tag: None,
        before: None,
        commit: commit("Mend the widget"),
        config: Map::new(),
        messages: Vec::new(),
        sources: Vec::new(),
        stages: vec!["test".to_owned()],
        fast_finish: false,
        jobs: vec![JobId(11)],
        state: State::Created,
        created_at: Time(0),
        started_at: None,
        finished_at: None,
    }
}

/// The build's only job.
pub(crate) fn job(row: Row) -> Job {
    let number = JobNumber { build: 3, job: 1 };
    Job {
        stage: Some(0),
        attempt: 1,
        assumed: row.assumed,
        ..Job::new(JobId(11), RequestId(7), RepoId(1), number, row.config)
    }
}

/// The plan of a job.
pub(crate) fn plan(build: &Build, row: Row, env: &[(String, String)]) -> JobPlan {
    plan_with(build, row, env, Versions::Exact)
}

/// The plan of a job, with a word on versions that are not there.
pub(crate) fn plan_with(
    build: &Build,
    row: Row,
    env: &[(String, String)],
    versions: Versions,
) -> JobPlan {
    plan_job(&context(build, &repository(), &job(row), env, versions))
}

/// The plan of a job before which root of its sandbox may install packages.
pub(crate) fn plan_with_packages(build: &Build, row: Row) -> JobPlan {
    plan_job(&JobContext {
        packages: true,
        ..context(build, &repository(), &job(row), &[], Versions::Exact)
    })
}

fn context<'a>(
    build: &'a Build,
    repository: &'a Repository,
    job: &'a Job,
    env: &'a [(String, String)],
    versions: Versions,
) -> JobContext<'a> {
    JobContext {
        repository,
        build,
        job,
        web: "http://127.0.0.1:27729",
        dist: Some("bookworm"),
        arch: "amd64",
        env,
        versions,
        packages: false,
    }
}

/// The plan of a debug session.
pub(crate) fn plan_debug(build: &Build, row: Row) -> JobPlan {
    let (repository, job) = (repository(), job(row));
    assay_plan::plan_debug(&context(build, &repository, &job, &[], Versions::Exact))
}
