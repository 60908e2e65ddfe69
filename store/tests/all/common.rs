//! Helpers: stores in temporary folders, records, repositories made by the `git` program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use assay_plan::{
    Build, Commit, CommitId, Event, EventKind, Job, JobId, JobNumber, Map, Person, RefName, RepoId,
    Repository, Request, RequestId, RequestState, Slug, Source, State, Substitute, Time, Used,
    Value, Visibility,
};

/// A repository record.
pub(crate) fn repository(id: u64, slug: &str, path: &Path) -> Repository {
    Repository {
        id: RepoId(id),
        slug: Slug::parse(slug).unwrap(),
        source: Source::Path(path.to_str().unwrap().to_owned()),
        description: Some("a repository".to_owned()),
        visibility: Visibility::Private,
        active: true,
        default_branch: Some("main".to_owned()),
        share: vec![Slug::parse("acme/other").unwrap()],
        debug: assay_plan::DebugConsent::Forks,
        created_at: Time(1_700_000_000_000),
    }
}

/// A commit id made of one digit.
pub(crate) fn id(digit: char) -> CommitId {
    CommitId::parse(&digit.to_string().repeat(40)).unwrap()
}

fn config() -> Map {
    let list = Value::from(vec![
        "true".into(),
        Value::Null,
        Value::Bool(true),
        Value::Int(-3),
        "3.10".into(),
    ]);
    let inner: Map = [
        ("B".to_owned(), Value::from("ü")),
        ("A".to_owned(), Value::Map(Map::new())),
    ]
    .into_iter()
    .collect();
    [
        ("script".to_owned(), list),
        ("env".to_owned(), Value::Map(inner)),
    ]
    .into_iter()
    .collect()
}

/// A request record.
pub(crate) fn request(id_number: u64, repo: u64, state: RequestState) -> Request {
    Request {
        id: RequestId(id_number),
        event: Event {
            repo: RepoId(repo),
            kind: EventKind::Push,
            ref_name: RefName::parse("refs/heads/main").unwrap(),
            before: None,
            after: Some(id('a')),
            options: vec!["ci.skip".to_owned()],
            pusher: Some("eve".to_owned()),
            delivery: Some(format!("delivery-{id_number}")),
            refuse: None,
        },
        created_at: Time(1),
        state,
        reason: None,
        commit: None,
        messages: Vec::new(),
    }
}

/// A build record with one job, whose id is the build's times ten.
pub(crate) fn build(
    id_number: u64,
    repo: u64,
    number: u64,
    branch: &str,
    state: State,
) -> (Build, Job) {
    let person = Person {
        name: "Ada".to_owned(),
        email: "ada@example.org".to_owned(),
    };
    let build = Build {
        id: RequestId(id_number),
        repo: RepoId(repo),
        number,
        event: EventKind::Push,
        branch: branch.to_owned(),
        tag: None,
        before: Some(id('b')),
        commit: Commit {
            id: id('a'),
            message: "subject\n\nbody\n".to_owned(),
            committed_at: Time(5),
            author: person.clone(),
            committer: person,
        },
        config: config(),
        messages: Vec::new(),
        stages: vec!["test".to_owned()],
        sources: vec!["acme/widget:.travis.yml@main".to_owned()],
        fast_finish: false,
        jobs: vec![JobId(id_number * 10)],
        state,
        created_at: Time(2),
        started_at: Some(Time(3)),
        finished_at: state
            .is_final()
            .then_some(Time(1000 + i64::try_from(id_number).unwrap())),
    };
    let job = Job {
        id: JobId(id_number * 10),
        build: build.id,
        repo: build.repo,
        number: JobNumber {
            build: number,
            job: 1,
        },
        config: config(),
        assumed: vec!["dist".into()],
        stage: Some(0),
        allow_failure: true,
        state,
        attempt: 2,
        interrupted: true,
        left_out: true,
        queued_at: Some(Time(1)),
        started_at: None,
        finished_at: None,
        restarted: Some((Time(9), "eve".to_owned())),
        reason: Some("why".to_owned()),
        used: Some(Used {
            image: "host".to_owned(),
            cpu_ms: 1,
            memory: 2,
            read: 3,
            written: 4,
            processes: 5,
        }),
        substitutes: vec![Substitute {
            name: "Python".to_owned(),
            asked: "3.8".to_owned(),
            used: "3.9".to_owned(),
        }],
    };
    (build, job)
}

/// Runs the `git` program with nothing of the user's or the system's configuration; panics if it fails.
pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let output = try_git(dir, args);
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

/// Runs the `git` program.
pub(crate) fn try_git(dir: &Path, args: &[&str]) -> Output {
    git_command(dir).args(args).output().unwrap()
}

/// The `git` program in a folder, with an environment of ours.
pub(crate) fn git_command(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", "/nonexistent")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_COUNT", "3")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("GIT_CONFIG_KEY_1", "init.defaultBranch")
        .env("GIT_CONFIG_VALUE_1", "main")
        .env("GIT_CONFIG_KEY_2", "protocol.file.allow")
        .env("GIT_CONFIG_VALUE_2", "always")
        .env("GIT_AUTHOR_NAME", "Ada")
        .env("GIT_AUTHOR_EMAIL", "ada@example.org")
        .env("GIT_AUTHOR_DATE", "2024-01-02T03:04:05+0000")
        .env("GIT_COMMITTER_NAME", "Charles")
        .env("GIT_COMMITTER_EMAIL", "charles@example.org")
        .env("GIT_COMMITTER_DATE", "2024-01-02T03:04:05+0000");
    command
}

/// Makes a repository with a work tree in `dir/name`.
pub(crate) fn work_tree(dir: &Path, name: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::create_dir_all(&path).unwrap();
    git(&path, &["init", "-q"]);
    path
}

/// Writes a file, with the folders above it.
pub(crate) fn write(dir: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// Commits everything in a work tree; returns the commit's id.
pub(crate) fn commit_all(dir: &Path, message: &str) -> CommitId {
    git(dir, &["add", "-A"]);
    git(dir, &["commit", "-q", "--allow-empty", "-m", message]);
    head(dir)
}

/// The commit HEAD points to.
pub(crate) fn head(dir: &Path) -> CommitId {
    CommitId::parse(&git(dir, &["rev-parse", "HEAD"])).unwrap()
}
