//! Caches and artifacts: stored, found, replaced, bounded, gone with their repository.

use std::io;
use std::path::Path;

use assay_plan::{RepoId, Time};
use assay_store::{Archives, Change, Entry, Kept, Store};

use crate::common::repository;

const REPO: RepoId = RepoId(1);
const NOW: Time = Time(1_700_000_000_000);

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let record = repository(1, "acme/hello", Path::new("/srv/hello"));
    store.commit(vec![Change::Repository(record)]).unwrap();
    (dir, store)
}

/// Bytes that don't compress.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

fn keep(archives: &Archives, place: &str, time: i64, content: &[u8], most: u64) -> Kept {
    let mut writer = archives.write(REPO).unwrap();
    writer.add(Entry::Folder { path: b"/h/c" }).unwrap();
    writer.add(Entry::Time(time)).unwrap();
    let file = Entry::File {
        path: b"/h/c/a\nb\x1b[2J\xff",
        executable: true,
        length: content.len() as u64,
        content: &mut &content[..],
    };
    writer.add(file).unwrap();
    let link = Entry::Link {
        path: b"/h/c/l",
        target: b"../../etc/passwd",
    };
    writer.add(link).unwrap();
    writer.finish(place, "slug", NOW, most).unwrap()
}

fn lines(archives: &Archives, place: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let archive = archives.find(REPO, place, "slug").unwrap().unwrap();
    let mut sink = |entry: Entry<'_>| -> io::Result<()> {
        lines.push(match entry {
            Entry::Time(seconds) => format!("time {seconds}"),
            Entry::Folder { path } => format!("folder {}", path.escape_ascii()),
            Entry::Link { path, target } => {
                format!("link {} {}", path.escape_ascii(), target.escape_ascii())
            }
            Entry::File {
                path,
                executable,
                content,
                ..
            } => {
                let mut text = Vec::new();
                content.read_to_end(&mut text)?;
                let (path, text) = (path.escape_ascii(), text.escape_ascii());
                format!("file {path} {executable} {text}")
            }
        });
        Ok(())
    };
    archive.read(&mut sink).unwrap();
    lines
}

fn places(archives: &Archives) -> Vec<String> {
    let all = archives.list(REPO).unwrap();
    all.into_iter().map(|archive| archive.about.place).collect()
}

#[test]
fn what_is_kept_is_found_again_after_a_restart_and_encrypted_at_rest() {
    let (dir, store) = store();
    let Kept::New(archive) = keep(&store.caches(), "main", 5, b"treasure", 1 << 20) else {
        panic!("not stored");
    };
    assert_eq!((archive.about.bytes, archive.about.entries), (8, 3));
    assert_eq!(archive.about.stored(), NOW);
    drop(archive);
    drop(store);
    let (store, _) = Store::open(dir.path()).unwrap();
    let expected = [
        "folder /h/c",
        "time 5",
        "file /h/c/a\\nb\\x1b[2J\\xff true treasure",
        "link /h/c/l ../../etc/passwd",
    ];
    assert_eq!(lines(&store.caches(), "main"), expected);
    assert!(
        store
            .caches()
            .find(REPO, "other", "slug")
            .unwrap()
            .is_none()
    );
    assert!(
        store
            .artifacts()
            .find(REPO, "main", "slug")
            .unwrap()
            .is_none()
    );
    let folder = dir.path().join("caches/1");
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap();
    let bytes = std::fs::read(file.path()).unwrap();
    let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    assert!(!holds(b"treasure") && !holds(b"slug") && !holds(b"main"));
}

#[test]
fn the_same_content_is_not_stored_again_and_other_content_replaces_it() {
    let (_dir, store) = store();
    let caches = store.caches();
    assert!(matches!(
        keep(&caches, "main", 1, b"one", 1 << 20),
        Kept::New(_)
    ));
    // Times alone don't make it another one.
    assert!(matches!(
        keep(&caches, "main", 2, b"one", 1 << 20),
        Kept::Same(_)
    ));
    assert!(matches!(
        keep(&caches, "main", 2, b"two", 1 << 20),
        Kept::New(_)
    ));
    assert_eq!(places(&caches), ["main"]);
    assert!(lines(&caches, "main")[2].ends_with("two"));
}

#[test]
fn the_least_recently_used_goes_first_and_one_that_is_too_large_is_not_stored() {
    let (_dir, store) = store();
    let caches = store.caches();
    let big = 100 * 1024;
    for (seed, place) in [(1, "a"), (2, "b")] {
        assert!(matches!(
            keep(&caches, place, 1, &noise(seed, big), 300_000),
            Kept::New(_)
        ));
    }
    caches
        .find(REPO, "a", "slug")
        .unwrap()
        .unwrap()
        .touch()
        .unwrap();
    assert!(matches!(
        keep(&caches, "c", 1, &noise(3, big), 300_000),
        Kept::New(_)
    ));
    assert_eq!(places(&caches), ["a", "c"]);
    let large = keep(&caches, "d", 1, &noise(4, 400_000), 300_000);
    assert!(matches!(large, Kept::TooLarge(size) if size > 300_000));
    assert_eq!(places(&caches), ["a", "c"]);
}

#[test]
fn an_altered_archive_is_an_error_and_a_half_written_one_is_cleared_away() {
    let (dir, store) = store();
    keep(&store.caches(), "main", 1, &noise(9, 50_000), 1 << 20);
    let folder = dir.path().join("caches/1");
    let path = std::fs::read_dir(&folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[30_000] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let archive = store.caches().find(REPO, "main", "slug").unwrap().unwrap();
    assert!(archive.read(&mut |_| Ok(())).is_err());
    bytes.truncate(40_000);
    std::fs::write(&path, &bytes).unwrap();
    assert!(store.caches().find(REPO, "main", "slug").is_err());
    assert!(store.caches().list(REPO).unwrap().is_empty());
    // What replaces it doesn't care.
    assert!(matches!(
        keep(&store.caches(), "main", 1, b"x", 1 << 20),
        Kept::New(_)
    ));

    std::fs::write(folder.join("new-0011"), "half").unwrap();
    drop((archive, store));
    let (_store, _) = Store::open(dir.path()).unwrap();
    assert!(!folder.join("new-0011").exists());
}

#[test]
fn archives_go_with_their_repository_and_none_comes_after() {
    let (dir, store) = store();
    keep(&store.caches(), "main", 1, b"x", 1 << 20);
    keep(&store.artifacts(), "7", 1, b"x", 1 << 20);
    let mut late = store.caches().write(REPO).unwrap();
    late.add(Entry::Folder { path: b"/h" }).unwrap();
    store.commit(vec![Change::RemoveRepository(REPO)]).unwrap();
    assert!(!dir.path().join("caches/1").exists());
    assert!(!dir.path().join("artifacts/1").exists());
    assert!(late.finish("main", "slug", NOW, 1 << 20).is_err());
    assert!(store.caches().write(REPO).is_err());
    assert!(!dir.path().join("caches/1").exists());
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing() {
    let (dir, store) = store();
    let mut writer = store.caches().write(REPO).unwrap();
    assert!(writer.is_empty());
    assert!(
        writer
            .add(Entry::Folder {
                path: b"/a/../../x"
            })
            .is_err()
    );
    drop(writer);
    assert_eq!(
        std::fs::read_dir(dir.path().join("caches/1"))
            .unwrap()
            .count(),
        0
    );
}
