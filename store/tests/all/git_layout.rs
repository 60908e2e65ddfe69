//! Work trees, looked at by the `git` program.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use assay_plan::{CommitId, RefName, Repository};
use assay_store::{Checkout, GitError, LaidOut, Store, TreeItem};

use crate::common::{commit_all, git, git_command, head, work_tree, write};
use crate::git_fetch::store_with;

const MTIME: i64 = 1_600_000_000;

/// A checkout of `commit` on branch main whose mirror is seen where it is.
pub(crate) fn checkout(store: &Store, repository: &Repository, commit: &CommitId) -> Checkout {
    Checkout {
        commit: commit.clone(),
        ref_name: RefName::parse("refs/heads/main").unwrap(),
        depth: Some(50),
        submodules: true,
        submodules_depth: None,
        lfs_pointers: false,
        objects_at: store.git().objects(repository).to_str().unwrap().to_owned(),
        origin: "https://example.org/\"a\\b\".git".to_owned(),
        mtime: MTIME,
    }
}

/// Writes items into a folder, as a sandbox would.
fn write_item(root: &Path, item: &TreeItem<'_>) -> io::Result<()> {
    let at = |path: &[u8]| root.join(std::ffi::OsStr::from_bytes(path));
    match item {
        TreeItem::Folder { path } => fs::create_dir(at(path)).or_else(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                Ok(())
            } else {
                Err(error)
            }
        }),
        TreeItem::Link { path, target } => {
            symlink(std::ffi::OsStr::from_bytes(target), at(path))?;
            let time = rustix::fs::Timespec {
                tv_sec: MTIME,
                tv_nsec: 0,
            };
            let times = rustix::fs::Timestamps {
                last_access: time,
                last_modification: time,
            };
            let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
            Ok(rustix::fs::utimensat(
                rustix::fs::CWD,
                at(path),
                &times,
                flags,
            )?)
        }
        TreeItem::File {
            path,
            executable,
            content,
        } => {
            let path = at(path);
            fs::write(&path, content)?;
            fs::set_permissions(
                &path,
                PermissionsExt::from_mode(if *executable { 0o755 } else { 0o644 }),
            )?;
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(MTIME.unsigned_abs());
            fs::File::options()
                .write(true)
                .open(&path)?
                .set_modified(time)
        }
    }
}

/// Lays out a fetched commit in a folder that is not there yet.
pub(crate) fn try_lay_out(
    store: &Store,
    repository: &Repository,
    checkout: &Checkout,
    work: &Path,
) -> Result<LaidOut, GitError> {
    fs::create_dir(work).unwrap();
    let laid = store
        .git()
        .lay_out(repository, checkout, &mut |item| write_item(work, &item))?;
    for (host, inside) in &laid.objects {
        // What the sandbox does with a bind; an earlier work tree may have left it.
        if !fs::exists(inside).unwrap() {
            symlink(host, inside).unwrap();
        }
    }
    Ok(laid)
}

/// Fetches and lays out a commit.
pub(crate) fn lay_out(
    store: &Store,
    repository: &Repository,
    commit: &CommitId,
    dir: &Path,
) -> PathBuf {
    lay_out_in(store, repository, commit, &dir.join("work"))
}

/// Fetches and lays out a commit in a folder that is not there yet.
pub(crate) fn lay_out_in(
    store: &Store,
    repository: &Repository,
    commit: &CommitId,
    work: &Path,
) -> PathBuf {
    store.git().fetch(repository, commit).unwrap();
    try_lay_out(
        store,
        repository,
        &checkout(store, repository, commit),
        work,
    )
    .unwrap();
    work.to_owned()
}

/// Git finds nothing changed.
pub(crate) fn check_clean(work: &Path) {
    git(work, &["diff-index", "--quiet", "HEAD"]);
    assert_eq!(git(work, &["status", "--porcelain"]), "");
    git(work, &["fsck", "--no-dangling"]);
}

fn sample(dir: &Path) -> (PathBuf, CommitId) {
    let tree = work_tree(dir, "app");
    write(&tree, "a.txt", "a");
    commit_all(&tree, "one");
    git(&tree, &["tag", "-a", "v1.0", "-m", "one"]);
    git(&tree, &["tag", "light"]);
    write(&tree, "a/b/c.sh", "#!/bin/sh\n");
    fs::set_permissions(tree.join("a/b/c.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    write(&tree, "a-b", "sorts between a and a/");
    write(&tree, "empty", "");
    write(&tree, "odd \\ name\u{fc}", "x");
    symlink("../../etc/passwd", tree.join("a/link")).unwrap();
    fs::remove_file(tree.join("a.txt")).unwrap();
    let tip = commit_all(&tree, "two");
    git(&tree, &["tag", "-a", "later", "-m", "later"]);
    write(&tree, "later", "x");
    commit_all(&tree, "three");
    git(&tree, &["tag", "-a", "v2.0", "-m", "two"]);
    (tree, tip)
}

#[test]
fn git_is_at_home_in_a_work_tree() {
    let dir = tempfile::tempdir().unwrap();
    let (tree, tip) = sample(dir.path());
    let (store, repository) = store_with(dir.path(), &tree);
    let work = lay_out(&store, &repository, &tip, dir.path());
    // As a job does, without a refresh before.
    git(&work, &["diff-index", "--quiet", "HEAD"]);
    check_clean(&work);
    assert_eq!(git(&work, &["rev-parse", "HEAD"]), tip.as_str());
    assert_eq!(
        git(&work, &["describe", "--match", "v*"]),
        format!("v1.0-1-g{}", tip.short())
    );
    assert_eq!(
        git(&work, &["tag"]),
        "later\nlight\nv1.0",
        "no tag of what is not there"
    );
    assert_eq!(git(&work, &["log", "--format=%s"]), "two\none");
    assert_eq!(
        git(&work, &["rev-parse", "origin/main", "main"]),
        format!("{tip}\n{tip}")
    );
    assert_eq!(
        git(&work, &["remote", "get-url", "origin"]),
        "https://example.org/\"a\\b\".git"
    );
    assert_eq!(
        git(&work, &["ls-files", "-s"]),
        git(
            &tree,
            &[
                "ls-tree",
                "-r",
                "--format=%(objectmode) %(objectname) 0%x09%(path)",
                tip.as_str()
            ]
        )
    );
    assert_eq!(
        fs::read_link(work.join("a/link")).unwrap(),
        Path::new("../../etc/passwd")
    );
    assert_eq!(
        fs::metadata(work.join("a/b/c.sh"))
            .unwrap()
            .permissions()
            .mode()
            & 0o111,
        0o111
    );
    write(&work, "empty", "no more");
    assert_eq!(git(&work, &["status", "--porcelain"]), " M empty");
    let new = commit_all(&work, "in the job");
    assert_eq!(
        git(&work, &["log", "-1", "--format=%P", new.as_str()]),
        tip.as_str()
    );
    assert!(
        !store
            .git()
            .objects(&repository)
            .join(&new.as_str()[..2])
            .join(&new.as_str()[2..])
            .exists()
    );
    git(&work, &["checkout", "-q", "main"]);
}

#[test]
fn a_change_of_the_same_length_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let (tree, tip) = sample(dir.path());
    let (store, repository) = store_with(dir.path(), &tree);
    let work = lay_out(&store, &repository, &tip, dir.path());
    write(&work, "a-b", "sorts between a and A/");
    assert_eq!(git(&work, &["status", "--porcelain"]), " M a-b");
}

#[test]
fn depth_hides_older_commits() {
    let dir = tempfile::tempdir().unwrap();
    let tree = work_tree(dir.path(), "app");
    for number in 1..=6 {
        write(&tree, "file", number.to_string());
        commit_all(&tree, &number.to_string());
    }
    git(&tree, &["checkout", "-q", "-b", "side", "HEAD~3"]);
    write(&tree, "side", "x");
    commit_all(&tree, "side");
    git(&tree, &["checkout", "-q", "main"]);
    git(&tree, &["merge", "-q", "-m", "merge", "side"]);
    let tip = head(&tree);
    let (store, repository) = store_with(dir.path(), &tree);
    store.git().fetch(&repository, &tip).unwrap();
    for depth in 1..=8 {
        let mut checkout = checkout(&store, &repository, &tip);
        checkout.depth = Some(depth);
        let work = dir.path().join(format!("depth{depth}"));
        try_lay_out(&store, &repository, &checkout, &work).unwrap();
        check_clean(&work);
        // The same as a clone of that depth.
        let clone = format!("clone{depth}");
        let url = format!("file://{}", tree.display());
        git(
            dir.path(),
            &[
                "clone",
                "-q",
                "--depth",
                &depth.to_string(),
                "--branch",
                "main",
                &url,
                &clone,
            ],
        );
        let log = |dir: &Path| git(dir, &["log", "--format=%s", "--topo-order"]);
        assert_eq!(log(&work), log(&dir.path().join(clone)), "depth {depth}");
    }
    let mut checkout = checkout(&store, &repository, &tip);
    checkout.depth = None;
    let work = dir.path().join("whole");
    try_lay_out(&store, &repository, &checkout, &work).unwrap();
    assert!(!work.join(".git/shallow").exists());
    assert_eq!(git(&work, &["rev-list", "--count", "HEAD"]), "8");
}

#[test]
fn a_pushed_tag_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let (tree, tip) = sample(dir.path());
    let (store, repository) = store_with(dir.path(), &tree);
    store.git().fetch(&repository, &tip).unwrap();
    let mut checkout = checkout(&store, &repository, &tip);
    checkout.ref_name = RefName::parse("refs/tags/later").unwrap();
    let work = dir.path().join("work");
    try_lay_out(&store, &repository, &checkout, &work).unwrap();
    assert_eq!(git(&work, &["describe", "--exact-match"]), "later");
    assert_eq!(git(&work, &["branch", "--all"]), "* (no branch)");
}

#[test]
fn lfs_pointers_are_refused_unless_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let tree = work_tree(dir.path(), "app");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n";
    write(&tree, "data/big.bin", pointer);
    let plain = commit_all(&tree, "looks like one, but nobody says so");
    write(
        &tree,
        "data/.gitattributes",
        "*.bin filter=lfs diff=lfs merge=lfs -text\n",
    );
    let tip = commit_all(&tree, "lfs");
    let (store, repository) = store_with(dir.path(), &tree);
    let work = lay_out(&store, &repository, &plain, dir.path());
    check_clean(&work);
    store.git().fetch(&repository, &tip).unwrap();
    let mut checkout = checkout(&store, &repository, &tip);
    let error =
        try_lay_out(&store, &repository, &checkout, &dir.path().join("refused")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "file \"data/big.bin\" is kept in Git LFS, which is not supported"
    );
    checkout.lfs_pointers = true;
    try_lay_out(&store, &repository, &checkout, &dir.path().join("kept")).unwrap();
    assert_eq!(
        fs::read_to_string(dir.path().join("kept/data/big.bin")).unwrap(),
        pointer
    );
}

/// Makes a tree object out of raw entries, and a commit of it.
fn evil_commit(tree: &Path, entries: &[(&str, &[u8], &str)]) -> CommitId {
    let mut raw = Vec::new();
    for (mode, name, id) in entries {
        raw.extend_from_slice(mode.as_bytes());
        raw.push(b' ');
        raw.extend_from_slice(name);
        raw.push(0);
        let byte = |at: usize| u8::from_str_radix(&id[at..at + 2], 16).unwrap();
        raw.extend((0..id.len()).step_by(2).map(byte));
    }
    let file = tree.join("raw-tree");
    fs::write(&file, raw).unwrap();
    let id = git(
        tree,
        &["hash-object", "-t", "tree", "-w", "--literally", "raw-tree"],
    );
    fs::remove_file(file).unwrap();
    CommitId::parse(&git(tree, &["commit-tree", "-m", "evil", &id])).unwrap()
}

/// Attack row F10.
#[test]
fn trees_with_evil_names_are_refused_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let tree = work_tree(dir.path(), "app");
    write(&tree, "file", "x");
    commit_all(&tree, "one");
    let blob = git(&tree, &["rev-parse", "HEAD:file"]);
    let sub = git(&tree, &["rev-parse", "HEAD:"]);
    let (store, repository) = store_with(dir.path(), &tree);
    let mut cases: Vec<Vec<(&str, &[u8], &str)>> = Vec::new();
    for name in [
        "..",
        ".",
        ".git",
        ".GIT",
        ".giT",
        "git~1",
        ".git ",
        ".g\u{200d}it",
        "a/b",
        "",
        "../x",
        ".git::$INDEX_ALLOCATION",
    ] {
        cases.push(vec![("100644", name.as_bytes(), &blob)]);
        cases.push(vec![("40000", name.as_bytes(), &sub)]);
        cases.push(vec![("120000", name.as_bytes(), &blob)]);
    }
    cases.push(vec![("120000", b".gitmodules", &blob)]);
    // A link and a folder of the same name: what is below the folder would land behind the link.
    cases.push(vec![("120000", b"d", &blob), ("40000", b"d", &sub)]);
    cases.push(vec![
        ("120000", b"d", &blob),
        ("100644", b"d.x", &blob),
        ("40000", b"d", &sub),
    ]);
    for case in cases {
        let commit = evil_commit(&tree, &case);
        store.git().fetch(&repository, &commit).unwrap();
        let mut items = 0;
        let checkout = checkout(&store, &repository, &commit);
        let error = store.git().lay_out(&repository, &checkout, &mut |_| {
            items += 1;
            Ok(())
        });
        assert!(
            matches!(error, Err(GitError::Name { .. })),
            "{case:?}: {error:?}"
        );
        assert_eq!(items, 0);
    }
}

#[test]
fn a_tree_that_names_itself_many_times_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let tree = work_tree(dir.path(), "app");
    for number in 0..1000 {
        write(&tree, &format!("file{number}"), "x");
    }
    commit_all(&tree, "one");
    let mut id = git(&tree, &["rev-parse", "HEAD:"]);
    let names: Vec<String> = (0..20).map(|number| format!("d{number:02}")).collect();
    let mut commit = head(&tree);
    for _ in 0..6 {
        let entries: Vec<_> = names
            .iter()
            .map(|name| ("40000", name.as_bytes(), id.as_str()))
            .collect();
        commit = evil_commit(&tree, &entries);
        id = git(&tree, &["rev-parse", &format!("{commit}:")]);
    }
    let (store, repository) = store_with(dir.path(), &tree);
    store.git().fetch(&repository, &commit).unwrap();
    let checkout = checkout(&store, &repository, &commit);
    let error = store
        .git()
        .lay_out(&repository, &checkout, &mut |_| Ok(()))
        .unwrap_err();
    assert!(matches!(error, GitError::TooLarge { .. }), "{error}");
}

#[test]
fn a_sink_that_fails_stops_it() {
    let dir = tempfile::tempdir().unwrap();
    let (tree, tip) = sample(dir.path());
    let (store, repository) = store_with(dir.path(), &tree);
    store.git().fetch(&repository, &tip).unwrap();
    let checkout = checkout(&store, &repository, &tip);
    let error = store.git().lay_out(&repository, &checkout, &mut |_| {
        Err(io::ErrorKind::StorageFull.into())
    });
    assert!(matches!(error, Err(GitError::Sink(_))), "{error:?}");
}

#[test]
fn an_embedded_repository_is_just_files() {
    let dir = tempfile::tempdir().unwrap();
    let tree = work_tree(dir.path(), "app");
    let canary = dir.path().join("canary");
    write(&tree, "bare/HEAD", "ref: refs/heads/main\n");
    write(
        &tree,
        "bare/config",
        format!(
            "[core]\n\tbare = true\n\tfsmonitor = touch {}\n",
            canary.display()
        ),
    );
    write(&tree, "bare/objects/x", "");
    write(&tree, "bare/refs/x", "");
    let tip = commit_all(&tree, "one");
    let (store, repository) = store_with(dir.path(), &tree);
    let work = lay_out(&store, &repository, &tip, dir.path());
    check_clean(&work);
    assert!(!canary.exists());
    let mut inside = git_command(&work);
    assert!(
        inside
            .args(["rev-parse", "--show-toplevel"])
            .output()
            .unwrap()
            .status
            .success()
    );
}
