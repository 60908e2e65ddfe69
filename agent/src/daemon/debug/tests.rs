//! Consents, and what the other tests of debug sessions work with.

use assay_plan::{
    BuildId, Commit, CommitId, EventKind, JobNumber, Map, Person, Slug, Source, State, Time, Value,
    Visibility,
};
use russh::keys::ssh_key::public::KeyData;

use super::*;

/// A new public key.
pub(super) fn key() -> KeyData {
    crate::ssh_key::generate()
        .unwrap()
        .public_key()
        .key_data()
        .clone()
}

/// A session of this name, for this person and job.
pub(super) fn session(name: &str, by: &str, job: u64, key: KeyData) -> Session {
    let person = Person {
        name: "Ann".to_owned(),
        email: "ann@example.org".to_owned(),
    };
    Session {
        name: name.to_owned(),
        key,
        by: by.to_owned(),
        repository: Repository {
            id: RepoId(1),
            slug: Slug::parse("team/app").unwrap(),
            source: Source::Path("/srv/git/team/app.git".to_owned()),
            description: None,
            visibility: Visibility::Private,
            active: true,
            default_branch: None,
            share: Vec::new(),
            debug: DebugConsent::Off,
            created_at: Time(0),
        },
        build: Build {
            id: BuildId { 0: 1 },
            repo: RepoId(1),
            number: 1,
            event: EventKind::Push,
            branch: "main".to_owned(),
            tag: None,
            before: None,
            commit: Commit {
                id: CommitId::parse(&"a".repeat(40)).unwrap(),
                message: String::new(),
                committed_at: Time(0),
                author: person.clone(),
                committer: person,
            },
            config: Map::new(),
            messages: Vec::new(),
            sources: Vec::new(),
            stages: Vec::new(),
            fast_finish: false,
            jobs: vec![JobId(job)],
            state: State::Failed,
            created_at: Time(0),
            started_at: None,
            finished_at: None,
        },
        job: Job {
            state: State::Failed,
            attempt: 1,
            ..Job::new(
                JobId(job),
                BuildId { 0: 1 },
                RepoId(1),
                JobNumber { build: 1, job: 1 },
                Map::new(),
            )
        },
    }
}

#[test]
fn a_repository_consents_or_there_is_no_session() {
    let mut one = session("one", "ann", 1, key());
    let mut asked = |debug, event| {
        one.repository.debug = debug;
        one.build.event = event;
        consent(&one)
    };
    let off = asked(DebugConsent::Off, EventKind::Push).unwrap_err();
    assert!(off.contains("--debug on"), "{off}");
    assert!(asked(DebugConsent::Off, EventKind::PullRequest).is_err());
    assert!(asked(DebugConsent::On, EventKind::Push).is_ok());
    assert!(asked(DebugConsent::On, EventKind::Cron).is_ok());
    let strangers = asked(DebugConsent::On, EventKind::PullRequest).unwrap_err();
    assert!(strangers.contains("--debug forks"), "{strangers}");
    assert!(asked(DebugConsent::Forks, EventKind::PullRequest).is_ok());
}

#[test]
fn a_job_without_a_shell_has_no_session() {
    let mut one = session("one", "ann", 1, key());
    one.repository.debug = DebugConsent::On;
    let virt = Value::Str("wasm".into());
    one.job.config.insert("virt", virt);
    let refused = consent(&one).unwrap_err();
    assert!(refused.contains("virt: wasm"), "{refused}");
}

#[test]
fn addresses_are_taken_apart() {
    assert_eq!(host_and_port("ci.example.org"), ("ci.example.org", None));
    assert_eq!(host_and_port("ci:2222"), ("ci", Some(2222)));
    assert_eq!(host_and_port("[::1]:2222"), ("::1", Some(2222)));
    assert_eq!(host_and_port("::1"), ("::1", None));
}

#[test]
fn only_public_keys_are_keys() {
    let key = crate::ssh_key::generate().unwrap();
    let text = key.public_key().to_openssh().unwrap();
    assert!(read_key(&format!("{text} ann@example.org\n")).is_ok());
    for bad in ["", "ssh-ed25519", "ssh-ed25519 AAAA", "from=\"*\" x y"] {
        assert!(read_key(bad).is_err(), "{bad}");
    }
    assert!(read_key(&"x".repeat(LONGEST_KEY + 1)).is_err());
}
