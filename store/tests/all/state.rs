//! The state folder: modes, lock, versions, torn and damaged files, checkpoints, bases, checking.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use assay_plan::{JobId, RepoId, RequestId, RequestState, State};
use assay_store::{BuildQuery, Change, Store, StoreError, fsck};

use crate::common::{build, repository, request};

fn filled(dir: &Path, builds: u64) -> Store {
    let (store, _) = Store::open(dir).unwrap();
    store
        .commit(vec![Change::Repository(repository(
            1,
            "acme/app",
            Path::new("/x"),
        ))])
        .unwrap();
    for number in 1..=builds {
        put(&store, number);
    }
    store
}

fn put(store: &Store, number: u64) {
    let (build, job) = build(number, 1, number, "main", State::Passed);
    let request = request(number, 1, RequestState::Accepted);
    store
        .commit(vec![
            Change::Request(request),
            Change::Build(build),
            Change::Job(job),
        ])
        .unwrap();
}

fn numbers(store: &Store) -> Vec<u64> {
    let query = BuildQuery {
        limit: usize::MAX,
        ..BuildQuery::default()
    };
    let mut found: Vec<_> = store
        .builds(RepoId(1), &query)
        .unwrap()
        .iter()
        .map(|build| build.number)
        .collect();
    found.reverse();
    found
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(dir.join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    found
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

/// Copies a state folder as it is, as a crash would leave it.
fn crashed(dir: &Path, name: &str) -> PathBuf {
    let to = dir.join(name);
    copy(&dir.join("state"), &to);
    to
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn only_the_daemon_sees_what_is_inside() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("a/b/state");
    let store = filled(&state, 1);
    let mode = |name: &str| fs::metadata(state.join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(""), mode("run")), (0o711, 0o711));
    for name in [
        "db",
        "journal",
        "logs",
        "logs/running",
        "git",
        "results",
        "caches",
        "artifacts",
        "keys",
    ] {
        assert_eq!(mode(name) & 0o077, 0, "{name}");
    }
    for name in [
        "keys/identity",
        "keys/state.age",
        "keys/repo-1.age",
        "format",
        "lock",
    ] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    drop(store);
}

#[test]
fn a_second_daemon_hears_who_has_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path(), 1);
    let error = Store::open(dir.path()).unwrap_err();
    assert!(
        matches!(&error, StoreError::Locked { pid: Some(pid), .. } if *pid == std::process::id()),
        "{error}"
    );
    assert!(error.to_string().contains(dir.path().to_str().unwrap()));
    assert!(matches!(
        fsck(dir.path(), false),
        Err(StoreError::Locked { .. })
    ));
    drop(store);
    Store::open(dir.path()).unwrap();
}

#[test]
fn the_state_of_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path(), 1));
    let before = fs::read(&segments(dir.path())[0]).unwrap();
    fs::write(dir.path().join("format"), "2\n").unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Newer {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
    fs::write(dir.path().join("format"), "1\n").unwrap();
    overwrite(&segments(dir.path())[0], 8, &[0, 9]);
    let error = Store::open(dir.path()).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Newer {
                found: 9,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
    fs::write(&segments(dir.path())[0], before).unwrap();
    Store::open(dir.path()).unwrap();
    fs::write(dir.path().join("format"), "x").unwrap();
    assert!(matches!(
        Store::open(dir.path()),
        Err(StoreError::Damaged { .. })
    ));
}

#[test]
fn a_state_folder_that_is_a_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Store::open(&file).unwrap_err().to_string();
    assert!(error.contains(file.to_str().unwrap()), "{error}");
    let error = Store::open(&file.join("state")).unwrap_err().to_string();
    assert!(error.contains("os error"), "{error}");
    assert!(
        fsck(&dir.path().join("none"), false)
            .unwrap_err()
            .to_string()
            .contains("none")
    );
    assert!(!dir.path().join("none").exists());
}

#[test]
fn whatever_was_acknowledged_survives_any_crash() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let store = filled(&state, 20);
    // The view was never flushed; the journal has everything.
    let copy = crashed(dir.path(), "copy");
    let (other, opened) = Store::open(&copy).unwrap();
    assert_eq!(opened.notes, Vec::<String>::new());
    assert_eq!(numbers(&other), (1..=20).collect::<Vec<_>>());
    // Around a checkpoint, and around a base.
    store.checkpoint().unwrap();
    put(&store, 21);
    let (other, _) = Store::open(&crashed(dir.path(), "copy2")).unwrap();
    assert_eq!(numbers(&other), (1..=21).collect::<Vec<_>>());
    store.compact().unwrap();
    put(&store, 22);
    let copy = crashed(dir.path(), "copy3");
    let (other, opened) = Store::open(&copy).unwrap();
    assert_eq!(opened.notes, Vec::<String>::new());
    assert_eq!(numbers(&other), (1..=22).collect::<Vec<_>>());
    drop(other);
    assert!(fsck(&copy, false).unwrap().is_clean());
}

#[test]
fn a_torn_record_is_cut_off_with_a_note() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let store = filled(&state, 3);
    let before = fs::metadata(&segments(&state)[0]).unwrap().len();
    put(&store, 4);
    let copy = crashed(dir.path(), "whole");
    drop(store);
    let whole = fs::read(&segments(&copy)[0]).unwrap();
    let (cuts, step) = (usize::try_from(before).unwrap() + 1, 97);
    for cut in (cuts..whole.len()).step_by(step).chain([whole.len() - 1]) {
        let copy2 = dir.path().join(format!("cut{cut}"));
        self::copy(&copy, &copy2);
        fs::remove_dir_all(copy2.join("db")).unwrap();
        fs::write(&segments(&copy2)[0], &whole[..cut]).unwrap();
        let (store, opened) = Store::open(&copy2).unwrap();
        assert!(
            opened.notes.iter().any(|note| note.contains("torn")),
            "{:?}",
            opened.notes
        );
        assert_eq!(numbers(&store), [1, 2, 3]);
        put(&store, 5);
        drop(store);
        let (store, opened) = Store::open(&copy2).unwrap();
        assert_eq!(opened.notes, Vec::<String>::new());
        assert_eq!(numbers(&store), [1, 2, 3, 5]);
        drop(store);
        assert!(fsck(&copy2, false).unwrap().is_clean());
        fs::remove_dir_all(copy2).unwrap();
    }
}

#[test]
fn a_segment_whose_header_is_torn_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    drop(filled(&state, 3));
    for length in [0, 10] {
        let copy2 = dir.path().join(format!("header{length}"));
        copy(&state, &copy2);
        fs::write(
            copy2.join("journal/000000000002.journal"),
            &b"ASSAYJNL\x00\x01"[..length],
        )
        .unwrap();
        let (store, opened) = Store::open(&copy2).unwrap();
        assert_eq!(opened.notes.len(), 1, "{:?}", opened.notes);
        assert_eq!(numbers(&store), [1, 2, 3]);
        put(&store, 4);
        drop(store);
        fs::remove_dir_all(copy2.join("db")).unwrap();
        let (store, _) = Store::open(&copy2).unwrap();
        assert_eq!(numbers(&store), [1, 2, 3, 4]);
    }
}

#[test]
fn damage_in_the_middle_costs_only_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let store = filled(&state, 2);
    let at = fs::metadata(&segments(&state)[0]).unwrap().len();
    put(&store, 3);
    put(&store, 4);
    drop(store);
    for (offset, bytes) in [(100, &[0xff; 30][..]), (4, &[0xff; 4]), (0, &[0; 8])] {
        let copy2 = dir.path().join(format!("at{offset}"));
        copy(&state, &copy2);
        let segment = segments(&copy2)[0].clone();
        overwrite(&segment, at + offset, bytes);
        // The database still has it.
        let (store, _) = Store::open(&copy2).unwrap();
        assert_eq!(numbers(&store), [1, 2, 3, 4]);
        drop(store);
        let report = fsck(&copy2, false).unwrap();
        assert_eq!(report.damaged.len(), 1, "{report:?}");
        assert!(!report.differences.is_empty() && !report.is_clean());
        assert!(
            report.damaged[0].contains(segment.to_str().unwrap()),
            "{report:?}"
        );
        // Without the database it is lost, and only it.
        fs::remove_dir_all(copy2.join("db")).unwrap();
        let (store, opened) = Store::open(&copy2).unwrap();
        assert_eq!(numbers(&store), [1, 2, 4]);
        assert!(
            opened.notes.iter().any(|note| note.contains("damaged")),
            "{:?}",
            opened.notes
        );
        assert!(
            segments(&copy2)
                .iter()
                .any(|path| path.to_str().unwrap().contains("damaged-"))
        );
        // A base brings the journal back in order.
        store.compact().unwrap();
        drop(store);
        let report = fsck(&copy2, false).unwrap();
        assert!(report.is_clean(), "{report:?}");
    }
}

#[test]
fn a_database_that_cannot_be_opened_is_set_aside_and_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path(), 5));
    let database = dir.path().join("db/db");
    let length = fs::metadata(&database).unwrap().len();
    fs::write(&database, vec![0x5a; usize::try_from(length).unwrap()]).unwrap();
    for entry in fs::read_dir(dir.path().join("db"))
        .unwrap()
        .map(Result::unwrap)
    {
        if entry.path().is_file() && entry.file_name() != "db" {
            fs::write(entry.path(), b"rubbish").unwrap();
        }
    }
    let (store, opened) = Store::open(dir.path()).unwrap();
    assert_eq!(numbers(&store), [1, 2, 3, 4, 5]);
    assert!(
        opened.notes.iter().any(|note| note.contains("set aside")),
        "{:?}",
        opened.notes
    );
    assert!(dir.path().join("db.broken-1").is_dir());
    drop(store);
    let (_store, opened) = Store::open(dir.path()).unwrap();
    assert_eq!(opened.notes, Vec::<String>::new());
}

#[test]
fn a_database_ahead_of_its_journal_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let store = filled(&state, 2);
    let old = fs::read(&segments(&state)[0]).unwrap();
    put(&store, 3);
    drop(store);
    fs::write(&segments(&state)[0], old).unwrap();
    let (store, opened) = Store::open(&state).unwrap();
    assert!(
        opened.notes[0].contains("does not fit the journal"),
        "{:?}",
        opened.notes
    );
    assert_eq!(numbers(&store), [1, 2]);
}

#[test]
fn checking_finds_and_mends_differences() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let store = filled(&state, 2);
    store.checkpoint().unwrap();
    // A database that missed a commit it says it knows.
    let old = dir.path().join("old-db");
    copy(&state.join("db"), &old);
    put(&store, 3);
    drop(store);
    assert!(fsck(&state, false).unwrap().is_clean());
    fs::remove_dir_all(state.join("db")).unwrap();
    copy(&old, &state.join("db"));
    let report = fsck(&state, false).unwrap();
    assert!(report.is_clean(), "older is fine: {report:?}");
    let report = fsck(&state, true).unwrap();
    assert!(report.set_aside.unwrap().ends_with("db.broken-1"));
    assert_eq!(report.records, 1 + 3 * 3);
    let (store, opened) = Store::open(&state).unwrap();
    assert_eq!(opened.notes, Vec::<String>::new());
    assert_eq!(numbers(&store), [1, 2, 3]);
    assert!(!state.join("db.check").exists());
}

#[test]
fn bases_let_old_segments_go_and_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let store = filled(&state, 30);
    let (text, token) = store
        .new_token("eve", true, Vec::new(), assay_plan::Time(1), None)
        .unwrap();
    store.commit(vec![Change::Token(token)]).unwrap();
    store
        .commit(vec![Change::Repository(repository(
            2,
            "acme/gone",
            Path::new("/y"),
        ))])
        .unwrap();
    store
        .commit(vec![Change::RemoveRepository(RepoId(2))])
        .unwrap();
    store.compact().unwrap();
    let names = |dir: &Path| -> Vec<String> {
        segments(dir)
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&state), ["000000000002.base", "000000000002.journal"]);
    put(&store, 31);
    store.compact().unwrap();
    put(&store, 32);
    drop(store);
    assert_eq!(names(&state), ["000000000003.base", "000000000003.journal"]);
    assert!(fsck(&state, false).unwrap().is_clean());
    fs::remove_dir_all(state.join("db")).unwrap();
    let (store, opened) = Store::open(&state).unwrap();
    assert_eq!(opened.notes.len(), 1, "{:?}", opened.notes);
    assert_eq!(numbers(&store), (1..=32).collect::<Vec<_>>());
    assert!(store.token(&text, assay_plan::Time(2)).unwrap().is_some());
    assert_eq!(store.counters().unwrap().repo, 2);
    assert_eq!(store.job(JobId(310)).unwrap().unwrap().build, RequestId(31));
}

#[test]
fn a_base_made_while_others_write_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let store = filled(&state, 0);
    std::thread::scope(|scope| {
        for thread in 0..3_u64 {
            let store = &store;
            scope.spawn(move || (0..40).for_each(|n| put(store, 1 + n * 3 + thread)));
        }
        for _ in 0..3 {
            store.compact().unwrap();
        }
    });
    let copy = crashed(dir.path(), "copy");
    fs::remove_dir_all(copy.join("db")).unwrap();
    let (other, _) = Store::open(&copy).unwrap();
    assert_eq!(numbers(&other), (1..=120).collect::<Vec<_>>());
}

#[test]
fn the_keys_folder_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    drop(filled(&state, 2));
    let copy2 = dir.path().join("copy");
    copy(&state, &copy2);
    fs::remove_file(copy2.join("keys/identity")).unwrap();
    let error = Store::open(&copy2).unwrap_err().to_string();
    assert!(error.contains("keys/identity"), "{error}");
    // A lost data key is no removal: it is said.
    fs::remove_file(state.join("keys/repo-1.age")).unwrap();
    fs::remove_dir_all(state.join("db")).unwrap();
    let (_store, opened) = Store::open(&state).unwrap();
    assert!(
        opened
            .notes
            .iter()
            .any(|note| note.contains("data key of repository 1")),
        "{:?}",
        opened.notes
    );
}

/// Runs one of the helpers below in a process of its own, with `set_up` done by a shell before.
fn helper(name: &str, set_up: &str, state: &Path) -> std::process::Command {
    let mut command = std::process::Command::new("sh");
    command
        .args([
            "-c",
            &format!("{set_up} exec \"$0\" --exact state::{name} --nocapture"),
        ])
        .arg(std::env::current_exe().unwrap())
        .env("ASSAY_TEST_HELPER", state);
    command
}

fn helper_state() -> Option<PathBuf> {
    std::env::var_os("ASSAY_TEST_HELPER").map(PathBuf::from)
}

/// Does nothing unless `a_full_disk_is_named_and_leaves_no_trace` runs it: the limit that stands for a full disk is
/// that of a whole process.
#[test]
fn helper_with_a_small_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Some(state) = helper_state() else { return };
    let (store, _) = Store::open(&state).unwrap();
    let length = fs::metadata(&segments(&state)[0]).unwrap().len();
    let old = getrlimit(Resource::Fsize);
    setrlimit(
        Resource::Fsize,
        Rlimit {
            current: Some(length + 10),
            maximum: old.maximum,
        },
    )
    .unwrap();
    let (build, _) = build(3, 1, 3, "main", State::Passed);
    let error = store.commit(vec![Change::Build(build)]).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(segments(&state)[0].to_str().unwrap()) && text.contains("os error"),
        "{text}"
    );
    assert_eq!(store.build(RequestId(3)).unwrap(), None);
    setrlimit(Resource::Fsize, old).unwrap();
    put(&store, 4);
}

#[test]
fn a_full_disk_is_named_and_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path(), 2));
    // Ignored signals stay ignored: otherwise this one would end the process at its limit.
    let output = helper(
        "helper_with_a_small_file_limit",
        "trap '' XFSZ;",
        dir.path(),
    )
    .output()
    .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    let (store, opened) = Store::open(dir.path()).unwrap();
    assert_eq!(opened.notes, Vec::<String>::new());
    assert_eq!(numbers(&store), [1, 2, 4]);
}

/// Does nothing unless `a_killed_daemon_loses_nothing_acknowledged` runs it: writes and says so, until it is killed.
#[test]
fn helper_that_writes_until_it_is_killed() {
    let Some(state) = helper_state() else { return };
    let (store, _) = Store::open(&state).unwrap();
    let first = store.counters().unwrap().builds[&RepoId(1)] + 1;
    let mut out = std::io::stdout();
    for number in first.. {
        put(&store, number);
        if number % 7 == 0 {
            store.checkpoint().unwrap();
        }
        if number % 31 == 0 {
            store.compact().unwrap();
        }
        writeln!(out, "\nwritten {number}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn a_killed_daemon_loses_nothing_acknowledged() {
    use std::io::BufRead;
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path(), 1));
    let mut acknowledged = 1;
    for round in 0..12 {
        let mut child = helper("helper_that_writes_until_it_is_killed", "", dir.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let mut seen = 0;
        for line in lines {
            if let Some(number) = line.strip_prefix("written ") {
                acknowledged = number.parse().unwrap();
                seen += 1;
                if seen == 5 + round {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        let (store, opened) = Store::open(dir.path()).unwrap();
        assert!(
            opened.notes.iter().all(|note| note.contains("torn")),
            "{:?}",
            opened.notes
        );
        let found = numbers(&store);
        let last = *found.last().unwrap();
        assert!(
            (acknowledged..=acknowledged + 1).contains(&last),
            "{acknowledged} {last}"
        );
        assert_eq!(found, (1..=last).collect::<Vec<_>>());
        drop(store);
        let report = fsck(dir.path(), false).unwrap();
        assert!(report.is_clean(), "{report:?}");
    }
}
