//! Reading refs, and copying commits into mirrors.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use assay_plan::{CommitId, RefName, Repository, Source};
use assay_store::{Change, FileAt, GitError, Store};

use crate::common::{commit_all, git, git_command, head, repository, try_git, work_tree, write};

/// A store with one repository registered.
pub(crate) fn store_with(dir: &Path, source: &Path) -> (Store, Repository) {
    let (store, _) = Store::open(&dir.join("state")).unwrap();
    let repository = repository(1, "acme/app", source);
    store
        .commit(vec![Change::Repository(repository.clone())])
        .unwrap();
    (store, repository)
}

fn source(path: &Path) -> Source {
    Source::Path(path.to_str().unwrap().to_owned())
}

fn name(text: &str) -> RefName {
    RefName::parse(text).unwrap()
}

/// Asks the `git` program whether the mirror holds everything `tip` leads to.
fn check_mirror(store: &Store, repository: &Repository, tip: &CommitId) {
    let mirror = store.git().objects(repository).parent().unwrap().to_owned();
    git(&mirror, &["fsck", "--full", "--strict", "--no-dangling"]);
    git(&mirror, &["rev-list", "--objects", "--quiet", tip.as_str()]);
}

#[test]
fn refs_are_read_loose_and_packed() {
    let dir = tempfile::tempdir().unwrap();
    let tree = work_tree(dir.path(), "app");
    let first = commit_all(&tree, "one");
    git(&tree, &["branch", "packed"]);
    git(&tree, &["tag", "-a", "v1", "-m", "one"]);
    git(&tree, &["pack-refs", "--all"]);
    let second = commit_all(&tree, "two");
    git(&tree, &["branch", "feature/ü"]);
    git(
        &tree,
        &["symbolic-ref", "refs/heads/alias", "refs/heads/packed"],
    );
    git(&tree, &["update-ref", "refs/notes/commits", "HEAD"]);
    write(&tree, ".git/refs/heads/broken", "nonsense\n");
    let (store, _) = store_with(dir.path(), &tree);
    for path in [tree.clone(), tree.join(".git")] {
        let found = store.git().refs(&source(&path)).unwrap();
        assert_eq!(found.head.as_deref(), Some("main"));
        let value = |text: &str| found.refs.get(&name(text)).cloned();
        assert_eq!(value("refs/heads/main"), Some(second.clone()));
        assert_eq!(value("refs/heads/feature/ü"), Some(second.clone()));
        assert_eq!(value("refs/heads/packed"), Some(first.clone()));
        assert_eq!(value("refs/heads/alias"), Some(first.clone()));
        assert_eq!(
            value("refs/tags/v1").unwrap().as_str(),
            git(&tree, &["rev-parse", "v1"])
        );
        assert_eq!(found.refs.len(), 5);
        assert_eq!(found.refused.len(), 1, "{:?}", found.refused);
    }
    let gone = store.git().refs(&source(&dir.path().join("gone")));
    assert!(
        gone.unwrap_err().to_string().contains("gone: No such file"),
        "names the path and why"
    );
    let plain = store.git().refs(&source(dir.path())).unwrap_err();
    assert!(
        plain.to_string().ends_with("not a Git repository"),
        "{plain}"
    );
}

#[test]
fn an_unborn_branch_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let tree = work_tree(dir.path(), "app");
    let (store, _) = store_with(dir.path(), &tree);
    let found = store.git().refs(&source(&tree)).unwrap();
    assert_eq!((found.refs.len(), found.head.as_deref()), (0, Some("main")));
}

#[test]
fn a_linked_work_tree_is_a_source_too() {
    let dir = tempfile::tempdir().unwrap();
    let tree = work_tree(dir.path(), "app");
    let tip = commit_all(&tree, "one");
    git(&tree, &["worktree", "add", "-q", "-b", "side", "../linked"]);
    let (store, repository) = store_with(dir.path(), &dir.path().join("linked"));
    let found = store.git().refs(&repository.source).unwrap();
    assert_eq!(found.head.as_deref(), Some("side"));
    assert_eq!(found.refs.len(), 2);
    store.git().fetch(&repository, &tip).unwrap();
}

#[test]
fn commits_are_copied_with_everything_they_lead_to_and_only_once() {
    let dir = tempfile::tempdir().unwrap();
    let tree = work_tree(dir.path(), "app");
    write(&tree, ".travis.yml", "script: true\n");
    write(&tree, "src/deep/file.txt", "content");
    commit_all(&tree, "one");
    git(&tree, &["checkout", "-q", "-b", "side"]);
    write(&tree, "side.txt", "side");
    commit_all(&tree, "side");
    git(&tree, &["checkout", "-q", "main"]);
    write(&tree, "main.txt", "main");
    commit_all(&tree, "main");
    git(
        &tree,
        &["merge", "-q", "--no-ff", "-m", "merge\n\nbody", "side"],
    );
    let tip = head(&tree);
    let (store, repository) = store_with(dir.path(), &tree);
    let commit = store.git().fetch(&repository, &tip).unwrap();
    assert_eq!(commit.id, tip);
    assert_eq!(commit.message, "merge\n\nbody\n");
    assert_eq!(
        (commit.author.name.as_str(), commit.author.email.as_str()),
        ("Ada", "ada@example.org")
    );
    assert_eq!(
        (
            commit.committer.name.as_str(),
            commit.committed_at.seconds()
        ),
        ("Charles", 1_704_164_645)
    );
    check_mirror(&store, &repository, &tip);
    write(&tree, "main.txt", "more");
    let next = commit_all(&tree, "next");
    let objects = store.git().objects(&repository);
    let count = || walk(&objects).iter().filter(|path| path.is_file()).count();
    let before = count();
    store.git().fetch(&repository, &next).unwrap();
    assert_eq!(count() - before, 3, "a commit, a tree and a blob");
    check_mirror(&store, &repository, &next);
    // What is in the mirror needs no source.
    std::fs::rename(&tree, dir.path().join("moved")).unwrap();
    assert_eq!(store.git().fetch(&repository, &tip).unwrap(), commit);
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![dir.to_owned()];
    let mut at = 0;
    while at < found.len() {
        if found[at].is_dir() {
            found.extend(
                std::fs::read_dir(&found[at])
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
        at += 1;
    }
    found
}

#[test]
fn many_objects_become_one_pack_that_others_may_read() {
    let dir = tempfile::tempdir().unwrap();
    let tree = work_tree(dir.path(), "app");
    for number in 0..150 {
        write(
            &tree,
            &format!("dir{}/file{number}", number % 7),
            format!("content {number}\n").repeat(50),
        );
    }
    commit_all(&tree, "one");
    git(&tree, &["gc", "-q"]);
    for number in 0..150 {
        write(
            &tree,
            &format!("dir{}/file{number}", number % 7),
            format!("other {number}\n").repeat(50),
        );
    }
    let tip = commit_all(&tree, "two");
    let (store, repository) = store_with(dir.path(), &tree);
    store.git().fetch(&repository, &tip).unwrap();
    check_mirror(&store, &repository, &tip);
    let objects = store.git().objects(&repository);
    let packs: Vec<_> = walk(&objects.join("pack"))
        .into_iter()
        .filter(|path| path.is_file())
        .collect();
    assert_eq!(packs.len(), 2, "{packs:?}");
    for path in walk(&objects) {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            mode,
            if path.is_dir() { 0o755 } else { 0o444 },
            "{}",
            path.display()
        );
    }
    let closed = std::fs::metadata(objects.parent().unwrap())
        .unwrap()
        .permissions()
        .mode()
        & 0o777;
    assert_eq!(closed, 0o700);
}

#[test]
fn annotated_tags_lead_to_their_commit() {
    let dir = tempfile::tempdir().unwrap();
    let tree = work_tree(dir.path(), "app");
    let tip = commit_all(&tree, "one");
    git(&tree, &["tag", "-a", "v1", "-m", "one"]);
    git(&tree, &["tag", "-a", "v1-again", "-m", "again", "v1"]);
    git(&tree, &["tag", "file", &format!("{}:", tip.as_str())]);
    let (store, repository) = store_with(dir.path(), &tree);
    let refs = store.git().refs(&repository.source).unwrap().refs;
    let fetch = |tag: &str| store.git().fetch(&repository, &refs[&name(tag)]);
    assert_eq!(fetch("refs/tags/v1-again").unwrap().id, tip);
    assert_eq!(fetch("refs/tags/v1").unwrap().id, tip);
    let refused = fetch("refs/tags/file").unwrap_err();
    assert!(
        matches!(&refused, GitError::NotACommit { kind, .. } if kind == "tree"),
        "{refused}"
    );
}

#[test]
fn a_commit_that_is_gone_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let tree = work_tree(dir.path(), "app");
    let tip = commit_all(&tree, "one");
    let (store, repository) = store_with(dir.path(), &tree);
    let gone = CommitId::parse(&"ab".repeat(20)).unwrap();
    let error = store.git().fetch(&repository, &gone).unwrap_err();
    assert!(
        matches!(&error, GitError::Missing { id, .. } if *id == gone.as_str()),
        "{error}"
    );
    let other_hash = CommitId::parse(&"ab".repeat(32)).unwrap();
    let error = store.git().fetch(&repository, &other_hash).unwrap_err();
    assert!(matches!(&error, GitError::Missing { .. }), "{error}");
    // A parent that vanished is found, and nothing half is left.
    write(&tree, "file", "x");
    let next = commit_all(&tree, "two");
    let (a, b) = tip.as_str().split_at(2);
    std::fs::remove_file(tree.join(".git/objects").join(a).join(b)).unwrap();
    let error = store.git().fetch(&repository, &next).unwrap_err();
    assert!(
        matches!(&error, GitError::Missing { id, .. } if *id == tip.as_str()),
        "{error}"
    );
    assert!(store.git().file(&repository, &next, "file", 10).is_err());
}

#[test]
fn an_object_with_false_content_is_not_copied() {
    let dir = tempfile::tempdir().unwrap();
    let tree = work_tree(dir.path(), "app");
    write(&tree, "file", "one");
    write(&tree, "other", "two");
    let tip = commit_all(&tree, "one");
    let loose = |spec: &str| {
        let id = git(&tree, &["rev-parse", spec]);
        tree.join(".git/objects").join(&id[..2]).join(&id[2..])
    };
    let (victim, other) = (loose("HEAD:file"), loose("HEAD:other"));
    std::fs::remove_file(&victim).unwrap();
    std::fs::copy(&other, &victim).unwrap();
    let (store, repository) = store_with(dir.path(), &tree);
    let error = store.git().fetch(&repository, &tip).unwrap_err();
    assert!(
        matches!(&error, GitError::Damaged { what, .. } if what.contains("another id")),
        "{error}"
    );
}

#[test]
fn files_are_read_from_the_mirror() {
    let dir = tempfile::tempdir().unwrap();
    let tree = work_tree(dir.path(), "app");
    write(&tree, ".travis.yml", "script: true\n");
    write(&tree, "sub/file", "x");
    std::os::unix::fs::symlink("file", tree.join("sub/link")).unwrap();
    let tip = commit_all(&tree, "one");
    let (store, repository) = store_with(dir.path(), &tree);
    store.git().fetch(&repository, &tip).unwrap();
    let read = |path: &str, max| store.git().file(&repository, &tip, path, max).unwrap();
    assert_eq!(
        read(".travis.yml", 100),
        FileAt::Bytes(b"script: true\n".to_vec())
    );
    assert_eq!(read(".travis.yml", 12), FileAt::TooLarge(13));
    assert_eq!(read("sub/file", 1), FileAt::Bytes(b"x".to_vec()));
    for path in ["sub", "sub/link"] {
        assert_eq!(read(path, 100), FileAt::NotAFile, "{path}");
    }
    for path in ["none", "sub/none", "sub/file/none", ""] {
        assert_eq!(read(path, 100), FileAt::Missing, "{path}");
    }
}

#[test]
fn alternates_and_shallow_sources_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    let tree = work_tree(dir.path(), "app");
    for number in 1..=4 {
        write(&tree, "file", number.to_string());
        commit_all(&tree, &format!("{number}"));
    }
    let tip = head(&tree);
    git(
        dir.path(),
        &["clone", "-q", "--bare", "--shared", "app", "fork.git"],
    );
    let (store, fork) = store_with(dir.path(), &dir.path().join("fork.git"));
    store.git().fetch(&fork, &tip).unwrap();
    check_mirror(&store, &fork, &tip);
    let from = format!("file://{}", tree.display());
    git(
        dir.path(),
        &[
            "clone",
            "-q",
            "--bare",
            "--depth",
            "2",
            &from,
            "shallow.git",
        ],
    );
    let shallow = repository(2, "acme/shallow", &dir.path().join("shallow.git"));
    store
        .commit(vec![Change::Repository(shallow.clone())])
        .unwrap();
    store.git().fetch(&shallow, &tip).unwrap();
    check_mirror(&store, &shallow, &tip);
    // Once the source has the rest, so has the mirror after the next push.
    git(
        &dir.path().join("shallow.git"),
        &["fetch", "-q", "--unshallow", "origin", "main:main"],
    );
    write(&tree, "file", "5");
    let next = commit_all(&tree, "5");
    git(
        &dir.path().join("shallow.git"),
        &["fetch", "-q", "origin", "+main:main"],
    );
    store.git().fetch(&shallow, &next).unwrap();
    check_mirror(&store, &shallow, &next);
    let mirror = store.git().objects(&shallow).parent().unwrap().to_owned();
    assert_eq!(git(&mirror, &["rev-list", "--count", next.as_str()]), "5");
}

#[test]
fn a_damaged_mirror_is_mended_from_the_source() {
    let dir = tempfile::tempdir().unwrap();
    let tree = work_tree(dir.path(), "app");
    for number in 0..210 {
        write(&tree, &format!("file{number}"), number.to_string());
    }
    commit_all(&tree, "packed");
    let (store, repository) = store_with(dir.path(), &tree);
    store.git().fetch(&repository, &head(&tree)).unwrap();
    write(&tree, "sub/file", "loose");
    let tip = commit_all(&tree, "loose");
    let objects = store.git().objects(&repository);
    let files = || -> Vec<_> {
        walk(&objects)
            .into_iter()
            .filter(|path| path.is_file())
            .collect()
    };
    let damage = |path: &Path, how: &str| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
        let whole = std::fs::read(path).unwrap();
        let bytes = match how {
            "empty" => Vec::new(),
            "cut" => whole[..whole.len() / 2].to_vec(),
            _ => whole
                .iter()
                .enumerate()
                .map(|(at, byte)| if at > 30 { !byte } else { *byte })
                .collect(),
        };
        std::fs::write(path, bytes).unwrap();
    };
    store.git().fetch(&repository, &tip).unwrap();
    assert_eq!(
        files().len(),
        6,
        "a pack, its index, a commit, two trees, a blob"
    );
    for how in ["empty", "cut", "wrong", "gone"] {
        for path in files() {
            let is_pack = path.starts_with(objects.join("pack"));
            if !is_pack && matches!(how, "cut" | "wrong") {
                continue;
            }
            if how == "gone" {
                std::fs::remove_file(&path).unwrap()
            } else {
                damage(&path, how)
            }
            let commit = store.git().fetch(&repository, &tip).unwrap();
            let work = crate::git_layout::lay_out_in(
                &store,
                &repository,
                &commit.id,
                &dir.path().join("work"),
            );
            assert_eq!(
                std::fs::read_to_string(work.join("sub/file")).unwrap(),
                "loose"
            );
            crate::git_layout::check_clean(&work);
            check_mirror(&store, &repository, &tip);
            std::fs::remove_dir_all(work).unwrap();
        }
    }
}

#[test]
fn nothing_of_a_source_is_ever_run() {
    let dir = tempfile::tempdir().unwrap();
    let tree = work_tree(dir.path(), "app");
    let canary = dir.path().join("canary");
    let touch = format!("touch {}", canary.display());
    write(&tree, ".gitattributes", "* filter=x diff=x\n");
    write(&tree, "file", "x");
    let tip = commit_all(&tree, "one");
    let hooks = [
        "post-checkout",
        "post-merge",
        "pre-auto-gc",
        "reference-transaction",
        "fsmonitor-watchman",
    ];
    for hook in hooks {
        write(
            &tree,
            &format!(".git/hooks/{hook}"),
            format!("#!/bin/sh\n{touch}\n"),
        );
        std::fs::set_permissions(
            tree.join(".git/hooks").join(hook),
            PermissionsExt::from_mode(0o755),
        )
        .unwrap();
    }
    let set = |key: &str| git(&tree, &["config", key, &touch]);
    for key in [
        "core.fsmonitor",
        "core.sshCommand",
        "core.pager",
        "filter.x.smudge",
        "filter.x.clean",
        "filter.x.process",
        "diff.external",
        "diff.x.textconv",
        "core.alternateRefsCommand",
        "uploadpack.packObjectsHook",
        "alias.log",
    ] {
        set(key);
    }
    git(
        &tree,
        &[
            "config",
            "core.hooksPath",
            tree.join(".git/hooks").to_str().unwrap(),
        ],
    );
    git(&tree, &["config", "include.path", "/nonexistent/include"]);
    let (store, repository) = store_with(dir.path(), &tree);
    store.git().refs(&repository.source).unwrap();
    store.git().fetch(&repository, &tip).unwrap();
    let checkout = crate::git_layout::checkout(&store, &repository, &tip);
    store
        .git()
        .lay_out(&repository, &checkout, &mut |_| Ok(()))
        .unwrap();
    assert!(!canary.exists());
    let mirror = store
        .git()
        .objects(&repository)
        .parent()
        .unwrap()
        .to_owned();
    assert!(!mirror.join("hooks").exists());
    assert!(
        !std::fs::read_to_string(mirror.join("config"))
            .unwrap()
            .contains("touch")
    );
}

#[test]
fn a_source_of_another_owner_is_read() {
    if !rustix_is_root() {
        drop(
            std::io::stderr()
                .write_all(b"\nSKIP source of another owner: only root can give folders away\n"),
        );
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tree = work_tree(dir.path(), "app");
    let tip = commit_all(&tree, "one");
    for path in walk(&tree) {
        std::os::unix::fs::lchown(&path, Some(12345), Some(12345)).unwrap();
    }
    let mut strict = git_command(&tree);
    strict.env("GIT_CONFIG_COUNT", "0");
    assert!(
        !strict
            .args(["log", "-1"])
            .output()
            .unwrap()
            .status
            .success(),
        "git itself refuses it"
    );
    let (store, repository) = store_with(dir.path(), &tree);
    assert_eq!(store.git().refs(&repository.source).unwrap().refs.len(), 1);
    assert_eq!(store.git().fetch(&repository, &tip).unwrap().id, tip);
}

fn rustix_is_root() -> bool {
    std::fs::metadata("/proc/self")
        .is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
}

#[test]
fn formats_that_cannot_be_read_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let tree = work_tree(dir.path(), "app");
    commit_all(&tree, "one");
    git(&tree, &["config", "core.repositoryformatversion", "1"]);
    git(&tree, &["config", "extensions.refStorage", "reftable"]);
    let (store, repository) = store_with(dir.path(), &tree);
    let error = store
        .git()
        .refs(&repository.source)
        .unwrap_err()
        .to_string();
    assert!(error.contains("reftable"), "{error}");
}

#[test]
fn sha256_repositories_work() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("app");
    if !try_git(dir.path(), &["init", "-q", "--object-format=sha256", "app"])
        .status
        .success()
    {
        drop(std::io::stderr().write_all(b"\nSKIP SHA-256 repositories: this git knows none\n"));
        return;
    }
    for number in 0..210 {
        write(&tree, &format!("file{number}"), number.to_string());
    }
    let tip = commit_all(&tree, "one");
    assert_eq!(tip.as_str().len(), 64);
    let (store, repository) = store_with(dir.path(), &tree);
    assert_eq!(store.git().fetch(&repository, &tip).unwrap().id, tip);
    check_mirror(&store, &repository, &tip);
    let work = crate::git_layout::lay_out(&store, &repository, &tip, dir.path());
    crate::git_layout::check_clean(&work);
}
