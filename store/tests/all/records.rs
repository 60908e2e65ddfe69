//! Records: committed, asked for, still there after a restart, gone after a removal.

use std::path::Path;

use crate::common::{build, id, repository, request};
use assay_plan::{EventKind, JobId, RefName, RepoId, RequestId, RequestState, State, Time};
use assay_store::{Act, Audit, BuildQuery, Change, Changed, Right, Store, StoreError};

fn open(dir: &Path) -> Store {
    let (store, opened) = Store::open(dir).unwrap();
    assert_eq!(opened.notes, Vec::<String>::new());
    store
}

fn with_repository(dir: &Path) -> Store {
    let store = open(dir);
    store
        .commit(vec![Change::Repository(repository(
            1,
            "acme/app",
            Path::new("/srv/app.git"),
        ))])
        .unwrap();
    store
}

fn put_build(store: &Store, id: u64, number: u64, branch: &str, state: State) {
    let (build, job) = build(id, 1, number, branch, state);
    store
        .commit(vec![Change::Build(build), Change::Job(job)])
        .unwrap();
}

#[test]
fn everything_comes_back_as_it_was_put_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_repository(dir.path());
    let (build, job) = build(7, 1, 3, "main", State::Started);
    let request = request(7, 1, RequestState::Pending);
    let name = RefName::parse("refs/heads/main").unwrap();
    store
        .commit(vec![
            Change::Request(request.clone()),
            Change::Build(build.clone()),
            Change::Job(job.clone()),
            Change::Handled(RepoId(1), name.clone(), Some(id('a'))),
        ])
        .unwrap();
    let check = |store: &Store| {
        let expected = repository(1, "acme/app", Path::new("/srv/app.git"));
        assert_eq!(
            store.repositories().unwrap(),
            std::slice::from_ref(&expected)
        );
        assert_eq!(
            store.repository_by_slug("Acme/APP").unwrap(),
            Some(expected)
        );
        assert_eq!(store.request(RequestId(7)).unwrap(), Some(request.clone()));
        assert_eq!(store.build(RequestId(7)).unwrap(), Some(build.clone()));
        assert_eq!(store.jobs(&build).unwrap(), std::slice::from_ref(&job));
        assert_eq!(store.handled(RepoId(1)).unwrap().get(&name), Some(&id('a')));
        assert!(store.delivery_seen("delivery-7").unwrap());
        assert!(!store.delivery_seen("delivery-8").unwrap());
        let unfinished = store.unfinished().unwrap();
        assert_eq!(unfinished.requests, std::slice::from_ref(&request));
        assert_eq!(unfinished.builds, [(build.clone(), vec![job.clone()])]);
        let counters = store.counters().unwrap();
        assert_eq!((counters.request, counters.job, counters.repo), (7, 70, 1));
        assert_eq!(counters.builds.get(&RepoId(1)), Some(&3));
    };
    check(&store);
    assert_eq!(store.flushes(), 2);
    drop(store);
    check(&open(dir.path()));
    std::fs::remove_dir_all(dir.path().join("db")).unwrap();
    let (store, opened) = Store::open(dir.path()).unwrap();
    assert!(
        opened.notes[0].contains("rebuilt from the journal"),
        "{:?}",
        opened.notes
    );
    check(&store);
}

#[test]
fn lists_of_builds_are_filtered_and_sorted() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_repository(dir.path());
    for (id, branch, state) in [
        (1, "main", State::Passed),
        (2, "side", State::Started),
        (3, "main", State::Failed),
        (4, "old", State::Passed),
    ] {
        put_build(&store, id, id, branch, state);
    }
    let (mut pull, job) = build(5, 1, 5, "main", State::Passed);
    pull.event = EventKind::PullRequest;
    store
        .commit(vec![Change::Build(pull), Change::Job(job)])
        .unwrap();
    let numbers = |query: BuildQuery| -> Vec<u64> {
        store
            .builds(RepoId(1), &query)
            .unwrap()
            .iter()
            .map(|build| build.number)
            .collect()
    };
    let all = BuildQuery {
        limit: 10,
        ..BuildQuery::default()
    };
    assert_eq!(numbers(all.clone()), [5, 4, 3, 2, 1]);
    assert_eq!(
        numbers(BuildQuery {
            limit: 2,
            below_number: Some(4),
            ..all.clone()
        }),
        [3, 2]
    );
    assert_eq!(
        numbers(BuildQuery {
            below_number: Some(0),
            ..all.clone()
        }),
        [0; 0]
    );
    assert_eq!(
        numbers(BuildQuery {
            number: Some(3),
            ..all.clone()
        }),
        [3]
    );
    assert_eq!(
        numbers(BuildQuery {
            number: Some(9),
            ..all.clone()
        }),
        [0; 0]
    );
    assert_eq!(
        numbers(BuildQuery {
            branch: Some("main".to_owned()),
            ..all.clone()
        }),
        [5, 3, 1]
    );
    let pushes = BuildQuery {
        branch: Some("main".to_owned()),
        kinds: vec![EventKind::Push],
        ..all
    };
    assert_eq!(numbers(pushes), [3, 1]);
    let branches: Vec<_> = store
        .branches(RepoId(1), 9)
        .unwrap()
        .into_iter()
        .map(|build| (build.branch, build.number))
        .collect();
    assert_eq!(
        branches,
        [
            ("side".to_owned(), 2),
            ("old".to_owned(), 4),
            ("main".to_owned(), 3)
        ]
    );
    assert_eq!(store.last_build(RepoId(1)).unwrap().unwrap().number, 4);
    assert_eq!(store.unfinished().unwrap().builds.len(), 1);
    assert_eq!(
        store
            .builds(
                RepoId(2),
                &BuildQuery {
                    limit: 9,
                    ..BuildQuery::default()
                }
            )
            .unwrap(),
        []
    );
}

#[test]
fn requests_come_newest_first_in_pages() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_repository(dir.path());
    for id in 1..=5 {
        store
            .commit(vec![Change::Request(request(
                id,
                1,
                RequestState::Rejected,
            ))])
            .unwrap();
    }
    let ids = |older_than: Option<u64>, limit| -> Vec<u64> {
        store
            .requests(RepoId(1), older_than.map(RequestId), limit)
            .unwrap()
            .iter()
            .map(|r| r.id.0)
            .collect()
    };
    assert_eq!(ids(None, 2), [5, 4]);
    assert_eq!(ids(Some(4), 10), [3, 2, 1]);
    assert_eq!(ids(Some(1), 10), [0; 0]);
}

#[test]
fn a_removed_repository_leaves_nothing_readable() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_repository(dir.path());
    put_build(&store, 7, 1, "main", State::Started);
    store
        .commit(vec![Change::Request(request(8, 1, RequestState::Pending))])
        .unwrap();
    let name = RefName::parse("refs/heads/main").unwrap();
    store
        .commit(vec![Change::Handled(RepoId(1), name, Some(id('a')))])
        .unwrap();
    let job = assay_plan::JobId(70);
    let mut log = store.logs().write(RepoId(1), job).unwrap();
    log.append(b"hello").unwrap();
    log.finish().unwrap();
    assert!(dir.path().join("keys/repo-1.age").exists());
    store
        .commit(vec![Change::RemoveRepository(RepoId(1))])
        .unwrap();
    let check = |store: &Store| {
        assert_eq!(store.repositories().unwrap(), []);
        assert_eq!(store.repository_by_slug("acme/app").unwrap(), None);
        assert_eq!(store.build(RequestId(7)).unwrap(), None);
        assert_eq!(store.request(RequestId(8)).unwrap(), None);
        assert_eq!(store.job(job).unwrap(), None);
        assert!(store.handled(RepoId(1)).unwrap().is_empty());
        assert!(store.unfinished().unwrap().requests.is_empty());
        assert!(store.unfinished().unwrap().builds.is_empty());
        assert_eq!(store.logs().parts(RepoId(1), job, 0).unwrap(), []);
        // Numbers are never given out twice.
        let counters = store.counters().unwrap();
        assert_eq!((counters.request, counters.job, counters.repo), (8, 70, 1));
    };
    check(&store);
    assert!(!dir.path().join("keys/repo-1.age").exists());
    let refused = store.commit(vec![Change::Request(request(9, 1, RequestState::Pending))]);
    assert!(
        matches!(refused, Err(StoreError::UnknownRepository(RepoId(1)))),
        "{refused:?}"
    );
    // The name is free again, for another id.
    store
        .commit(vec![Change::Repository(repository(
            2,
            "acme/app",
            Path::new("/srv/app.git"),
        ))])
        .unwrap();
    store
        .commit(vec![Change::RemoveRepository(RepoId(2))])
        .unwrap();
    drop(store);
    std::fs::remove_dir_all(dir.path().join("db")).unwrap();
    let (store, opened) = Store::open(dir.path()).unwrap();
    assert_eq!(opened.notes.len(), 1, "{:?}", opened.notes);
    let counters = store.counters().unwrap();
    assert_eq!((counters.repo, store.repositories().unwrap().len()), (2, 0));
}

#[test]
fn a_name_belongs_to_one_repository() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_repository(dir.path());
    let other = repository(2, "ACME/App", Path::new("/srv/other.git"));
    let refused = store.commit(vec![Change::Repository(other.clone())]);
    assert!(
        matches!(refused, Err(StoreError::SlugTaken(_))),
        "{refused:?}"
    );
    let renamed = repository(1, "acme/new", Path::new("/srv/app.git"));
    store.commit(vec![Change::Repository(renamed)]).unwrap();
    assert_eq!(store.repository_by_slug("acme/app").unwrap(), None);
    store.commit(vec![Change::Repository(other)]).unwrap();
    assert_eq!(
        store.repository_by_slug("acme/app").unwrap().unwrap().id,
        RepoId(2)
    );
}

#[test]
fn nothing_is_stored_for_an_unknown_repository() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let refused = store.commit(vec![Change::Request(request(1, 1, RequestState::Pending))]);
    assert!(
        matches!(refused, Err(StoreError::UnknownRepository(RepoId(1)))),
        "{refused:?}"
    );
    // Together with the repository it is fine, and all or nothing.
    let new = Change::Repository(repository(1, "acme/app", Path::new("/srv/app.git")));
    store
        .commit(vec![
            new,
            Change::Request(request(1, 1, RequestState::Pending)),
        ])
        .unwrap();
    assert!(store.request(RequestId(1)).unwrap().is_some());
}

#[test]
fn tokens_are_found_by_their_text_until_they_expire_or_are_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_repository(dir.path());
    let rights = vec![
        ("acme/*".to_owned(), Right::Read),
        ("Acme/App".to_owned(), Right::Push),
    ];
    let (text, token) = store
        .new_token("eve", false, rights, Time(1), Some(Time(100)))
        .unwrap();
    assert_eq!(text.len(), 43);
    store.commit(vec![Change::Token(token.clone())]).unwrap();
    assert_eq!(store.token(&text, Time(99)).unwrap(), Some(token.clone()));
    assert_eq!(store.token(&text, Time(100)).unwrap(), None);
    assert_eq!(store.token("other", Time(1)).unwrap(), None);
    assert_eq!(store.tokens().unwrap(), std::slice::from_ref(&token));
    let at = |slug| repository(1, slug, Path::new("/x"));
    assert_eq!(token.right_on(&at("acme/app")), Some(Right::Push));
    assert_eq!(token.right_on(&at("ACME/lib")), Some(Right::Read));
    assert_eq!(token.right_on(&at("acmes/lib")), None);
    let (_, admin) = store
        .new_token("root", true, Vec::new(), Time(1), None)
        .unwrap();
    assert_eq!(admin.right_on(&at("a/b")), Some(Right::Admin));
    store.commit(vec![Change::RevokeToken(token.id)]).unwrap();
    assert_eq!(store.token(&text, Time(1)).unwrap(), None);
    assert_eq!(store.tokens().unwrap(), []);
}

#[test]
fn watchers_hear_of_commits_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_repository(dir.path());
    let mut watch = store.watch();
    put_build(&store, 1, 1, "main", State::Started);
    store
        .commit(vec![Change::RemoveRepository(RepoId(1))])
        .unwrap();
    let mut heard = Vec::new();
    while let Ok(changed) = watch.try_recv() {
        heard.push(changed);
    }
    let expected = [
        Changed::Build(RequestId(1)),
        Changed::Job(assay_plan::JobId(10)),
        Changed::Repository(RepoId(1)),
    ];
    assert_eq!(heard, expected);
}

#[test]
fn commits_that_come_together_share_flushes() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_repository(dir.path());
    let before = store.flushes();
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let store = &store;
            scope.spawn(move || {
                for n in 0..20 {
                    put_build(
                        store,
                        1 + thread * 20 + n,
                        1 + thread * 20 + n,
                        "main",
                        State::Passed,
                    );
                }
            });
        }
    });
    assert!(store.flushes() - before <= 160);
    let all = store
        .builds(
            RepoId(1),
            &BuildQuery {
                limit: 1000,
                ..BuildQuery::default()
            },
        )
        .unwrap();
    assert_eq!(all.len(), 160);
}

#[test]
fn the_audit_log_comes_newest_first_and_outlives_everything() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_repository(dir.path());
    let entry = |at: i64, act: Act| Audit {
        id: store.audit_id().unwrap(),
        at: Time(at),
        by: "ann".to_owned(),
        act,
        repo: RepoId(1),
        slug: "acme/app".to_owned(),
        job: JobId(70),
        session: "debug-1".to_owned(),
        from: "192.0.2.1:5".to_owned(),
        note: String::new(),
    };
    let mut entries = [
        entry(1_000, Act::DebugRequested),
        entry(2_000, Act::DebugStarted),
        // Within one moment, too.
        entry(2_000, Act::DebugEnded),
    ];
    for entry in &entries {
        store.commit(vec![Change::Audit(entry.clone())]).unwrap();
    }
    entries.reverse();
    assert_eq!(store.audit(2).unwrap(), entries[..2]);
    store
        .commit(vec![Change::RemoveRepository(RepoId(1))])
        .unwrap();
    store.compact().unwrap();
    drop(store);
    // Neither a restart nor a new view loses any of it.
    assert_eq!(open(dir.path()).audit(10).unwrap(), entries);
    std::fs::remove_dir_all(dir.path().join("db")).unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    assert_eq!(store.audit(10).unwrap(), entries);
    for act in [Act::DebugRefused, Act::DebugEnded] {
        assert_eq!(Act::from_name(act.name()), Some(act));
    }
    assert_eq!(Act::from_name("debug"), None);
}
