//! Fills a state folder with finished builds, for measuring: `fill DIR COUNT`.

use std::error::Error;
use std::path::Path;

use assay_plan::{
    Build, Commit, CommitId, Event, EventKind, Job, JobId, JobNumber, Map, Person, RefName, RepoId,
    Repository, Request, RequestId, RequestState, Slug, Source, State, Time, Value, Visibility,
};
use assay_store::{Change, Store};

/// Builds written at a time.
const BATCH: u64 = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(dir), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("usage: fill DIR COUNT".into());
    };
    let count: u64 = count.parse()?;
    let (store, _) = Store::open(Path::new(&dir))?;
    store.commit(vec![Change::Repository(repository()?)])?;
    let mut next = 1;
    while next <= count {
        let last = count.min(next + BATCH - 1);
        let mut changes = Vec::new();
        for number in next..=last {
            changes.extend(build(number)?);
        }
        store.commit(changes)?;
        next = last + 1;
    }
    store.checkpoint()?;
    Ok(())
}

fn repository() -> Result<Repository, Box<dyn Error>> {
    Ok(Repository {
        id: RepoId(1),
        slug: Slug::parse("bench/filled")?,
        source: Source::Path("/nonexistent".to_owned()),
        description: None,
        visibility: Visibility::Private,
        active: false,
        default_branch: Some("main".to_owned()),
        share: Vec::new(),
        debug: assay_plan::DebugConsent::Off,
        created_at: Time(0),
    })
}

fn build(number: u64) -> Result<[Change; 3], Box<dyn Error>> {
    let id = CommitId::parse(&format!("{number:040x}"))?;
    let person = Person {
        name: "Ann".to_owned(),
        email: "ann@example.org".to_owned(),
    };
    let when = Time(i64::try_from(number)? * 60_000);
    let commit = Commit {
        id: id.clone(),
        message: format!("Change number {number}\n\nWith a body of some words, as commits have."),
        committed_at: when,
        author: person.clone(),
        committer: person,
    };
    let request = Request {
        id: RequestId(number),
        event: Event {
            repo: RepoId(1),
            kind: EventKind::Push,
            ref_name: RefName::parse("refs/heads/main")?,
            before: None,
            after: Some(id),
            options: Vec::new(),
            pusher: Some("ann".to_owned()),
            delivery: Some(format!("{number:032x}")),
            refuse: None,
        },
        created_at: when,
        state: RequestState::Accepted,
        reason: None,
        commit: Some(commit.clone()),
        messages: Vec::new(),
    };
    let config: Map = [
        ("language".to_owned(), Value::from("shell")),
        ("os".to_owned(), Value::from("linux")),
        (
            "script".to_owned(),
            Value::from(vec![Value::from("make"), Value::from("make check")]),
        ),
    ]
    .into_iter()
    .collect();
    let place = JobNumber {
        build: number,
        job: 1,
    };
    let job = Job {
        state: State::Passed,
        attempt: 1,
        queued_at: Some(when),
        started_at: Some(when),
        finished_at: Some(when.plus(5000)),
        ..Job::new(
            JobId(number),
            RequestId(number),
            RepoId(1),
            place,
            config.clone(),
        )
    };
    let build = Build {
        id: RequestId(number),
        repo: RepoId(1),
        number,
        event: EventKind::Push,
        branch: "main".to_owned(),
        tag: None,
        before: None,
        commit,
        config,
        messages: Vec::new(),
        stages: Vec::new(),
        sources: Vec::new(),
        fast_finish: false,
        jobs: vec![JobId(number)],
        state: State::Passed,
        created_at: when,
        started_at: Some(when),
        finished_at: Some(when.plus(5000)),
    };
    Ok([
        Change::Request(request),
        Change::Build(build),
        Change::Job(job),
    ])
}
