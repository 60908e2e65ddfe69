//! Job logs: written, followed while they grow, cut off, finished, cleared.

use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use assay_plan::{JobId, RepoId};
use assay_store::{Change, LogFeed, LogPart, Store, StoreError};

use crate::common::repository;

const REPO: RepoId = RepoId(1);
const JOB: JobId = JobId(10);

fn open(dir: &Path) -> Store {
    let (store, _) = Store::open(dir).unwrap();
    if store.repository(REPO).unwrap().is_none() {
        store
            .commit(vec![Change::Repository(repository(
                1,
                "acme/app",
                Path::new("/x"),
            ))])
            .unwrap();
    }
    store
}

fn part(number: u32, content: &str, last: bool) -> LogPart {
    LogPart {
        number,
        content: content.to_owned(),
        last,
    }
}

fn running(dir: &Path) -> PathBuf {
    dir.join("logs/running/1-10.log")
}

async fn next(feed: &mut LogFeed) -> Option<LogPart> {
    tokio::time::timeout(Duration::from_secs(20), feed.next())
        .await
        .expect("the feed moves")
}

#[test]
fn parts_are_stored_and_numbered() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let logs = store.logs();
    assert_eq!(logs.parts(REPO, JOB, 0).unwrap(), []);
    assert!(!logs.is_complete(REPO, JOB).unwrap());
    let mut log = logs.write(REPO, JOB).unwrap();
    log.append(b"one\r\n").unwrap();
    log.append("tw\u{20ac}".as_bytes().split_at(3).0).unwrap();
    log.append(&"\u{20ac}".as_bytes()[1..]).unwrap();
    log.append(b"").unwrap();
    log.append(b"\xff\xc3").unwrap();
    let expected = [
        part(1, "one\r\n", false),
        part(2, "tw", false),
        part(3, "\u{20ac}", false),
        part(4, "\u{fffd}", false),
    ];
    assert_eq!(logs.parts(REPO, JOB, 0).unwrap(), expected);
    assert_eq!(logs.parts(REPO, JOB, 2).unwrap(), expected[2..]);
    assert!(!logs.is_complete(REPO, JOB).unwrap());
    log.finish().unwrap();
    let check = |store: &Store| {
        assert_eq!(
            store.logs().parts(REPO, JOB, 3).unwrap(),
            [part(4, "\u{fffd}", false), part(5, "\u{fffd}", true)]
        );
        assert!(store.logs().is_complete(REPO, JOB).unwrap());
    };
    check(&store);
    drop(store);
    assert!(!running(dir.path()).exists());
    assert!(dir.path().join("logs/1/10.zst").exists());
    check(&open(dir.path()));
}

#[test]
fn long_output_is_cut_between_characters() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut log = store.logs().write(REPO, JOB).unwrap();
    let text = "\u{20ac}".repeat(60_000);
    log.append(text.as_bytes()).unwrap();
    let parts = store.logs().parts(REPO, JOB, 0).unwrap();
    assert_eq!(parts.len(), 3);
    assert!(parts.iter().all(|part| part.content.len() <= 64 << 10));
    assert_eq!(
        parts
            .iter()
            .map(|part| part.content.as_str())
            .collect::<String>(),
        text
    );
}

#[test]
fn an_interrupted_log_goes_on_after_its_last_whole_part() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut log = store.logs().write(REPO, JOB).unwrap();
    log.append(b"first\n").unwrap();
    log.append(b"second\n").unwrap();
    drop(log);
    drop(store);
    let whole = std::fs::read(running(dir.path())).unwrap();
    // Cut at every place of the last frame, and with rubbish behind it.
    for cut in [1, 5, 9, 12, 15] {
        std::fs::write(running(dir.path()), &whole[..whole.len() - cut]).unwrap();
        let store = open(dir.path());
        assert_eq!(
            store.logs().parts(REPO, JOB, 0).unwrap(),
            [part(1, "first\n", false)]
        );
        let mut log = store.logs().write(REPO, JOB).unwrap();
        log.append(b"again\n").unwrap();
        assert_eq!(
            store.logs().parts(REPO, JOB, 1).unwrap(),
            [part(2, "again\n", false)]
        );
    }
    std::fs::write(running(dir.path()), &whole).unwrap();
    std::fs::OpenOptions::new()
        .append(true)
        .open(running(dir.path()))
        .unwrap()
        .write_all(&[0; 40])
        .unwrap();
    let store = open(dir.path());
    let mut log = store.logs().write(REPO, JOB).unwrap();
    log.append(b"third\n").unwrap();
    assert_eq!(
        store.logs().parts(REPO, JOB, 1).unwrap(),
        [part(2, "second\n", false), part(3, "third\n", false)]
    );
    // Even the header may be cut off.
    drop((log, store));
    std::fs::write(running(dir.path()), b"ASS").unwrap();
    let store = open(dir.path());
    let mut log = store.logs().write(REPO, JOB).unwrap();
    log.append(b"x").unwrap();
    assert_eq!(
        store.logs().parts(REPO, JOB, 0).unwrap(),
        [part(1, "x", false)]
    );
}

#[test]
fn a_log_whose_end_was_written_before_a_crash_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut log = store.logs().write(REPO, JOB).unwrap();
    log.append(b"x").unwrap();
    log.finish().unwrap();
    drop(store);
    let packed = dir.path().join("logs/1/10.zst");
    let plain = zstd::decode_all(std::fs::File::open(&packed).unwrap()).unwrap();
    std::fs::write(running(dir.path()), plain).unwrap();
    for leave in [true, false] {
        if !leave {
            std::fs::rename(&packed, dir.path().join("gone")).unwrap();
            let plain =
                zstd::decode_all(std::fs::File::open(dir.path().join("gone")).unwrap()).unwrap();
            std::fs::write(running(dir.path()), plain).unwrap();
        }
        let store = open(dir.path());
        assert!(store.logs().is_complete(REPO, JOB).unwrap());
        assert!(!running(dir.path()).exists() && packed.exists());
    }
}

#[test]
fn what_is_cleared_while_it_is_compressed_stays_away() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let mut log = store.logs().write(REPO, JOB).unwrap();
        log.append(b"x").unwrap();
        log.finish().unwrap();
        store.logs().clear(REPO, JOB).unwrap();
        drop(store);
        assert!(!running(dir.path()).exists());
        let left = std::fs::read_dir(dir.path().join("logs/1"));
        assert_eq!(left.map_or(0, Iterator::count), 0);
    }
}

#[test]
fn a_finished_log_can_be_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut log = store.logs().write(REPO, JOB).unwrap();
    log.append(b"one").unwrap();
    log.finish().unwrap();
    let mut log = store.logs().write(REPO, JOB).unwrap();
    assert!(!store.logs().is_complete(REPO, JOB).unwrap());
    log.append(b"two").unwrap();
    log.finish().unwrap();
    let parts = store.logs().parts(REPO, JOB, 0).unwrap();
    assert_eq!(
        parts,
        [
            part(1, "one", false),
            part(2, "", false),
            part(3, "two", false),
            part(4, "", true)
        ]
    );
}

#[test]
fn only_the_latest_writer_writes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut old = store.logs().write(REPO, JOB).unwrap();
    old.append(b"old").unwrap();
    let mut new = store.logs().write(REPO, JOB).unwrap();
    assert!(matches!(
        old.append(b"late"),
        Err(StoreError::LogCleared(10))
    ));
    new.append(b"new").unwrap();
    store.logs().clear(REPO, JOB).unwrap();
    assert!(matches!(
        new.append(b"late"),
        Err(StoreError::LogCleared(10))
    ));
    assert!(matches!(new.finish(), Err(StoreError::LogCleared(10))));
    assert_eq!(store.logs().parts(REPO, JOB, 0).unwrap(), []);
}

#[tokio::test]
async fn a_feed_waits_for_the_log_and_ends_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut early = store.logs().follow(REPO, JOB, 0);
    // Waiting, dropped, called again.
    assert!(
        tokio::time::timeout(Duration::from_millis(20), early.next())
            .await
            .is_err()
    );
    let mut log = store.logs().write(REPO, JOB).unwrap();
    log.append(b"one").unwrap();
    assert_eq!(next(&mut early).await, Some(part(1, "one", false)));
    let mut late = store.logs().follow(REPO, JOB, 0);
    let mut resumed = store.logs().follow(REPO, JOB, 1);
    log.append(b"two").unwrap();
    log.finish().unwrap();
    assert_eq!(next(&mut early).await, Some(part(2, "two", false)));
    assert_eq!(next(&mut early).await, Some(part(3, "", true)));
    assert_eq!(next(&mut early).await, None);
    assert_eq!(next(&mut early).await, None);
    assert_eq!(next(&mut late).await.unwrap().number, 1);
    assert_eq!(next(&mut resumed).await.unwrap().number, 2);
    drop((early, late, resumed, store));
    let store = open(dir.path());
    let mut stored = store.logs().follow(REPO, JOB, 1);
    assert_eq!(next(&mut stored).await.unwrap().content, "two");
    assert!(next(&mut stored).await.unwrap().last);
    assert_eq!(next(&mut stored).await, None);
    assert_eq!(next(&mut store.logs().follow(REPO, JOB, 3)).await, None);
}

#[tokio::test]
async fn a_cleared_log_is_followed_from_its_new_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut log = store.logs().write(REPO, JOB).unwrap();
    for _ in 0..5 {
        log.append(b"old").unwrap();
    }
    let mut feed = store.logs().follow(REPO, JOB, 0);
    assert_eq!(next(&mut feed).await.unwrap().number, 1);
    store.logs().clear(REPO, JOB).unwrap();
    let mut log = store.logs().write(REPO, JOB).unwrap();
    log.append(b"new").unwrap();
    log.finish().unwrap();
    assert_eq!(next(&mut feed).await, Some(part(1, "new", false)));
    assert_eq!(next(&mut feed).await, Some(part(2, "", true)));
    assert_eq!(next(&mut feed).await, None);
}

#[tokio::test]
async fn feeds_of_a_removed_repository_end() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut feed = store.logs().follow(REPO, JOB, 0);
    {
        let mut waiting = pin!(feed.next());
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(waiting.as_mut().poll(&mut context), Poll::Pending));
    }
    let store2 = store.clone();
    tokio::task::spawn_blocking(move || store2.commit(vec![Change::RemoveRepository(REPO)]))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(next(&mut feed).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_followers_miss_nothing_and_see_nothing_twice() {
    const PARTS: u32 = 3000;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut tasks = Vec::new();
    for start in [0, 0, 7, 1500, 2999] {
        let mut feed = store.logs().follow(REPO, JOB, start);
        tasks.push(tokio::spawn(async move {
            let mut expected = start;
            while let Some(part) = next(&mut feed).await {
                expected += 1;
                assert_eq!(part.number, expected);
                if part.number <= PARTS {
                    assert!(part.content.starts_with(&format!("part {expected} ")));
                }
            }
            expected
        }));
    }
    let writer = store.clone();
    let write = move || {
        let mut log = writer.logs().write(REPO, JOB).unwrap();
        for number in 1..=PARTS {
            log.append(format!("part {number} {}\n", "x".repeat(200)).as_bytes())
                .unwrap();
        }
        log.finish().unwrap();
    };
    tokio::task::spawn_blocking(write).await.unwrap();
    for task in tasks {
        assert_eq!(task.await.unwrap(), PARTS + 1);
    }
}
