//! What a job finds in its work tree.

use std::process::Command;

use crate::harness::{Repo, Server, git};

#[test]
fn git_works_inside_the_job_as_in_a_clone() {
    let dir = tempfile::tempdir().unwrap();
    let config = "language: shell
script:
  - git diff-index --quiet HEAD
  - test -z \"$(git status --porcelain)\"
  - test \"$(git describe)\" = v1.0-1-g$(git rev-parse --short HEAD)
  - test $(git log --oneline | wc -l) = 3
  - test \"$(git rev-parse HEAD)\" = \"$TRAVIS_COMMIT\"
  - test -x run.sh && test \"$(readlink link)\" = run.sh
  - echo change >>run.sh && git -c user.name=J -c user.email=j@x commit -qam inside && git log -1 --format=%s
";
    let repo = Repo::new(dir.path(), "team/app", &[("run.sh", "#!/bin/sh\n")]);
    assert!(
        Command::new("chmod")
            .arg("+x")
            .arg(repo.clone.join("run.sh"))
            .status()
            .unwrap()
            .success()
    );
    std::os::unix::fs::symlink("run.sh", repo.clone.join("link")).unwrap();
    repo.commit("second", &[]);
    git(&repo.clone, &["tag", "-a", "v1.0", "-m", "one"]);
    repo.commit("third", &[(".travis.yml", config)]);
    let server = Server::start(dir.path(), &[&repo], "");
    assert!(repo.push(&["origin", "v1.0"]).status.success());
    let seen = repo.push_and_wait();
    assert!(seen.contains("passed"), "{seen}");
    assert!(
        server
            .log_of(&server.newest_build("team/app")["jobs"][0])
            .contains("inside")
    );
}

#[test]
fn depth_cuts_history() {
    let dir = tempfile::tempdir().unwrap();
    let config = "language: shell\ngit: {depth: 2}\nscript:\n  - test $(git log --oneline | wc -l) = 2\n  - git fsck --connectivity-only\n";
    let repo = Repo::new(dir.path(), "team/app", &[("a", "1\n")]);
    repo.commit("second", &[("a", "2\n")]);
    repo.commit("third", &[(".travis.yml", config)]);
    let _server = Server::start(dir.path(), &[&repo], "");
    let seen = repo.push_and_wait();
    assert!(seen.contains("passed"), "{seen}");
}

#[test]
fn a_pointer_to_a_large_file_elsewhere_is_refused_with_a_clear_message() {
    let dir = tempfile::tempdir().unwrap();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    let files = [
        (".travis.yml", "language: shell\nscript: true\n"),
        ("big.bin", pointer),
        (
            ".gitattributes",
            "*.bin filter=lfs diff=lfs merge=lfs -text\n",
        ),
    ];
    let repo = Repo::new(dir.path(), "team/app", &files);
    let server = Server::start(dir.path(), &[&repo], "");
    let seen = repo.push_and_wait();
    assert!(
        seen.contains("errored") && seen.contains("LFS") && seen.contains("big.bin"),
        "{seen}"
    );
    drop(server);
}

/// Attack rows F1, F6 and F7.
#[test]
fn hooks_filters_and_configuration_of_the_source_are_never_run() {
    let dir = tempfile::tempdir().unwrap();
    let canary = dir.path().join("canary");
    let touch = format!("touch {}", canary.display());
    let files = [
        (".travis.yml", "language: shell\nscript: true\n"),
        (".gitattributes", "* filter=evil\n"),
        ("a", "x\n"),
    ];
    let repo = Repo::new(dir.path(), "team/app", &files);
    for (key, value) in [
        ("filter.evil.smudge", touch.as_str()),
        ("filter.evil.clean", touch.as_str()),
        ("filter.evil.process", touch.as_str()),
        ("core.fsmonitor", touch.as_str()),
        ("core.sshCommand", touch.as_str()),
        ("uploadpack.packObjectsHook", touch.as_str()),
        ("core.pager", touch.as_str()),
    ] {
        git(&repo.bare, &["config", key, value]);
    }
    for name in [
        "post-checkout",
        "post-merge",
        "reference-transaction-x",
        "pre-auto-gc",
    ] {
        let hook = repo.bare.join("hooks").join(name);
        std::fs::write(&hook, format!("#!/bin/sh\n{touch}\n")).unwrap();
        Command::new("chmod").arg("+x").arg(&hook).status().unwrap();
    }
    let _server = Server::start(dir.path(), &[&repo], "");
    let seen = repo.push_and_wait();
    assert!(seen.contains("passed"), "{seen}");
    assert!(!canary.exists(), "something of the source was run");
}

#[test]
fn a_submodule_comes_from_a_repository_that_shares_with_this_one_and_from_no_stranger() {
    let dir = tempfile::tempdir().unwrap();
    let library = Repo::new(dir.path(), "team/library", &[("lib.txt", "shared words\n")]);
    let app = Repo::new(dir.path(), "team/app", &[]);
    assert!(library.push(&["origin", "main"]).status.success());
    let library_path = library.bare.to_str().unwrap();
    git(
        &app.clone,
        &[
            "-c",
            "protocol.file.allow=always",
            "submodule",
            "--quiet",
            "add",
            library_path,
            "lib",
        ],
    );
    let config = "language: shell\nscript:\n  - cat lib/lib.txt\n  - git submodule status\n  - git -C lib log --oneline\n";
    app.commit("with a library", &[(".travis.yml", config)]);
    let server = Server::start(dir.path(), &[&library, &app], "");

    let refused = app.push_and_wait();
    assert!(
        refused.contains("errored") && refused.contains("team/library"),
        "{refused}"
    );
    assert!(!refused.contains("shared words"));

    server.ask("GET", "/repos/team/library", "");
    let repos = server.get("/assay/repos");
    let list = repos["repos"]
        .as_array()
        .unwrap_or_else(|| repos.as_array().expect("a list"));
    let id = list
        .iter()
        .find(|repo| repo["slug"] == "team/library")
        .map(|repo| repo["id"].clone())
        .unwrap();
    let patched = server.ask(
        "PATCH",
        &format!("/assay/repos/{id}"),
        "{\"share\": [\"team/app\"]}",
    );
    assert_eq!(patched.status, 200, "{}", patched.body);
    app.commit("again", &[]);
    let shared = app.push_and_wait();
    assert!(
        shared.contains("passed") && shared.contains("shared words"),
        "{shared}"
    );
}
