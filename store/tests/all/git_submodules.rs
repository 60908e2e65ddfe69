//! Submodules: whose may be laid out, and that nothing of others is touched.

use std::fs;
use std::path::{Path, PathBuf};

use assay_plan::{CommitId, Repository, Slug, Visibility};
use assay_store::{Change, GitError, Store};

use crate::common::{commit_all, git, head, repository, work_tree, write};
use crate::git_fetch::store_with;
use crate::git_layout::{check_clean, checkout, lay_out, try_lay_out};

/// `app` with submodule `libs/lib` → `lib`, which has submodule `inner` → `inner`.
fn with_submodules(dir: &Path) -> (PathBuf, CommitId) {
    let inner = work_tree(dir, "inner");
    write(&inner, "inner.txt", "inner");
    commit_all(&inner, "inner");
    let lib = work_tree(dir, "lib");
    write(&lib, "lib.txt", "first");
    commit_all(&lib, "first");
    write(&lib, "lib.txt", "lib");
    git(&lib, &["submodule", "add", "-q", "../inner", "inner"]);
    commit_all(&lib, "lib");
    git(&lib, &["tag", "-a", "lib-1", "-m", "lib"]);
    let app = work_tree(dir, "app");
    git(
        &app,
        &[
            "submodule",
            "add",
            "-q",
            "--name",
            "the/lib",
            "../lib",
            "libs/lib",
        ],
    );
    let tip = commit_all(&app, "app");
    (app, tip)
}

fn register(
    store: &Store,
    id: u64,
    slug: &str,
    path: &Path,
    visibility: Visibility,
    share: &[&str],
) -> Repository {
    let mut repository = repository(id, slug, path);
    repository.visibility = visibility;
    repository.share = share
        .iter()
        .map(|slug| Slug::parse(slug).unwrap())
        .collect();
    store
        .commit(vec![Change::Repository(repository.clone())])
        .unwrap();
    repository
}

#[test]
fn submodules_that_may_be_read_are_laid_out() {
    let dir = tempfile::tempdir().unwrap();
    let (app, tip) = with_submodules(dir.path());
    let (store, repository) = store_with(dir.path(), &app);
    register(
        &store,
        2,
        "acme/lib",
        &dir.path().join("lib"),
        Visibility::Private,
        &["acme/app"],
    );
    register(
        &store,
        3,
        "other/inner",
        &dir.path().join("inner"),
        Visibility::Public,
        &[],
    );
    store.git().fetch(&repository, &tip).unwrap();
    let work = dir.path().join("work");
    let laid = try_lay_out(
        &store,
        &repository,
        &checkout(&store, &repository, &tip),
        &work,
    )
    .unwrap();
    assert_eq!(laid.notes.len(), 2, "{:?}", laid.notes);
    assert_eq!(laid.objects.len(), 2);
    check_clean(&work);
    check_clean(&work.join("libs/lib"));
    check_clean(&work.join("libs/lib/inner"));
    assert_eq!(
        fs::read_to_string(work.join("libs/lib/inner/inner.txt")).unwrap(),
        "inner"
    );
    assert_eq!(git(&work.join("libs/lib"), &["describe"]), "lib-1");
    let status = git(&work, &["submodule", "status", "--recursive"]);
    assert_eq!(
        status
            .lines()
            .filter(|line| !line.starts_with(['-', '+']))
            .count(),
        2,
        "{status}"
    );
    let count = |work: &Path| git(&work.join("libs/lib"), &["rev-list", "--count", "HEAD"]);
    assert_eq!(count(&work), "2");
    let mut shallow = checkout(&store, &repository, &tip);
    shallow.submodules_depth = Some(1);
    let cut = dir.path().join("cut");
    try_lay_out(&store, &repository, &shallow, &cut).unwrap();
    assert_eq!(count(&cut), "1");
    // Not asked for: an empty folder, as Git leaves it.
    let mut without = checkout(&store, &repository, &tip);
    without.submodules = false;
    let bare = dir.path().join("bare");
    try_lay_out(&store, &repository, &without, &bare).unwrap();
    assert_eq!(fs::read_dir(bare.join("libs/lib")).unwrap().count(), 0);
    check_clean(&bare);
}

#[test]
fn a_private_stranger_is_refused_and_nothing_of_it_is_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let (app, tip) = with_submodules(dir.path());
    let (store, repository) = store_with(dir.path(), &app);
    store.git().fetch(&repository, &tip).unwrap();
    let checkout = checkout(&store, &repository, &tip);
    let refused = |case: &str| {
        let mut items = 0;
        let error = store.git().lay_out(&repository, &checkout, &mut |_| {
            items += 1;
            Ok(())
        });
        let error = error.unwrap_err();
        assert!(
            matches!(&error, GitError::Submodule { path, .. } if path == "libs/lib"),
            "{case}: {error}"
        );
        assert_eq!(items, 0, "{case}");
        error.to_string()
    };
    let unknown = refused("not registered");
    let lib = dir.path().join("lib");
    for (slug, share) in [
        ("stranger/lib", &["acme/app"][..]),
        ("acme/lib", &[]),
        ("acme/lib", &["acme/other"]),
    ] {
        let registered = register(&store, 2, slug, &lib, Visibility::Private, share);
        assert_eq!(refused(slug), unknown, "tells nothing about what is there");
        assert!(!store.git().objects(&registered).exists(), "{slug}");
    }
    // Readable itself, but not what is in it: the right of the one that is built counts.
    register(&store, 2, "acme/lib", &lib, Visibility::Public, &[]);
    let inner = register(
        &store,
        3,
        "acme/inner",
        &dir.path().join("inner"),
        Visibility::Private,
        &["acme/lib"],
    );
    let error = store
        .git()
        .lay_out(&repository, &checkout, &mut |_| Ok(()))
        .unwrap_err();
    assert!(
        matches!(&error, GitError::Submodule { path, .. } if path == "libs/lib/inner"),
        "{error}"
    );
    assert!(!store.git().objects(&inner).exists());
}

#[test]
fn submodules_made_to_do_harm_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (app, _) = with_submodules(dir.path());
    let (store, repository) = store_with(dir.path(), &app);
    register(
        &store,
        2,
        "acme/lib",
        &dir.path().join("lib"),
        Visibility::Public,
        &[],
    );
    register(
        &store,
        3,
        "acme/inner",
        &dir.path().join("inner"),
        Visibility::Public,
        &[],
    );
    let canary = dir.path().join("canary");
    for (name, url) in [
        ("../../modules/x", "../lib".to_owned()),
        ("x", format!("ext::touch {}", canary.display())),
        ("x", format!("-oProxyCommand=touch {}", canary.display())),
        ("x", "ssh://-oProxyCommand=x/a/b".to_owned()),
        ("x", "file:///etc".to_owned()),
    ] {
        write(
            &app,
            ".gitmodules",
            format!("[submodule \"{name}\"]\n\tpath = libs/lib\n\turl = {url}\n"),
        );
        let tip = commit_all(&app, "evil");
        store.git().fetch(&repository, &tip).unwrap();
        let checkout = checkout(&store, &repository, &tip);
        let error = store
            .git()
            .lay_out(&repository, &checkout, &mut |_| Ok(()))
            .unwrap_err();
        assert!(
            matches!(error, GitError::Submodule { .. }),
            "{name} {url}: {error}"
        );
    }
    assert!(!canary.exists());
    // Without the file Git does nothing about such an entry, and neither do we.
    git(&app, &["rm", "-q", "-f", "--cached", ".gitmodules"]);
    git(&app, &["commit", "-q", "-m", "no file"]);
    let tip = head(&app);
    let work = lay_out(&store, &repository, &tip, dir.path());
    assert!(work.join("libs/lib").is_dir());
    // And a missing commit in a known repository is named.
    write(
        &app,
        ".gitmodules",
        "[submodule \"x\"]\n\tpath = libs/lib\n\turl = ../lib\n",
    );
    git(&app, &["add", ".gitmodules"]);
    git(
        &app,
        &[
            "update-index",
            "--cacheinfo",
            &format!("160000,{},libs/lib", "ab".repeat(20)),
        ],
    );
    git(&app, &["commit", "-q", "-m", "gone"]);
    let tip = head(&app);
    store.git().fetch(&repository, &tip).unwrap();
    let error = store
        .git()
        .lay_out(
            &repository,
            &checkout(&store, &repository, &tip),
            &mut |_| Ok(()),
        )
        .unwrap_err();
    assert!(
        matches!(&error, GitError::Missing { id, .. } if *id == "ab".repeat(20)),
        "{error}"
    );
}
