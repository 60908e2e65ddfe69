//! What a job leaves behind: the next job begins with it, other branches read it, nobody else's job changes it.

use std::path::Path;

use crate::harness::{Repo, Server, git};

/// Counts the runs in a file of the cache, and shows the count.
const COUNTING: &str = "language: shell
cache:
  directories: [$HOME/kept, build/kept]
before_cache: echo before the cache
script:
  - mkdir -p ~/kept build/kept
  - echo x >> ~/kept/runs
  - echo \"run $(wc -l < ~/kept/runs), $(ls build/kept | wc -l) in the tree\"
  - touch build/kept/in-tree
";

/// Log of the newest build's only job.
fn log(server: &Server, slug: &str) -> String {
    let build = server.newest_build(slug);
    server.log_of(&build["jobs"][0])
}

fn push(repo: &Repo, server: &Server, slug: &str, branch: &str, file: &str) -> String {
    let clone = repo.clone.as_path();
    git(clone, &["checkout", "-q", "-B", branch]);
    std::fs::write(clone.join(".travis.yml"), file).expect("the file is written");
    git(clone, &["add", "-A"]);
    git(clone, &["commit", "-q", "--allow-empty", "-m", "more"]);
    let output = repo.push(&["-o", "assay.wait", "origin", branch]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git push: {text}");
    log(server, slug)
}

/// Archives of all repositories below a folder of the state.
fn archives(dir: &Path) -> usize {
    let list = |dir: &Path| std::fs::read_dir(dir).expect("a folder").flatten();
    list(dir).map(|repo| list(&repo.path()).count()).sum()
}

#[test]
fn a_job_begins_with_what_the_one_before_left_and_a_branch_with_the_default_branchs() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", COUNTING)]);
    let server = Server::start(dir.path(), &[&repo], "");
    let first = push(&repo, &server, "team/app", "main", COUNTING);
    for text in [
        "no cache found",
        "run 1, 0 in the tree",
        "before the cache",
        "cache stored: ",
    ] {
        assert!(first.contains(text), "{text:?} in {first}");
    }
    let second = push(&repo, &server, "team/app", "main", COUNTING);
    for text in [
        "travis_fold:start:cache.1",
        "found cache: ",
        "run 2, 1 in the tree",
    ] {
        assert!(second.contains(text), "{text:?} in {second}");
    }
    // The default branch's, as long as the branch has none of its own.
    let topic = push(&repo, &server, "team/app", "topic", COUNTING);
    assert!(topic.contains("run 3, 1 in the tree"), "{topic}");
    let third = push(&repo, &server, "team/app", "main", COUNTING);
    assert!(
        third.contains("run 3, "),
        "a branch leaves the default branch's alone: {third}"
    );
    // Other variables, another cache.
    let other = COUNTING.replace("script:", "env: A=1\nscript:");
    let other = push(&repo, &server, "team/app", "main", &other);
    assert!(other.contains("run 1, "), "{other}");
    let caches = server.get("/repos/team/app/caches")["caches"].clone();
    let caches = caches.as_array().unwrap();
    let branches: Vec<_> = caches.iter().map(|cache| cache["branch"].clone()).collect();
    assert_eq!(branches, ["main", "main", "topic"]);
}

/// Hosts protect branches; tags may often be pushed by more people.
#[test]
fn a_tag_that_is_called_like_the_default_branch_does_not_change_its_cache() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", COUNTING)]);
    let server = Server::start(dir.path(), &[&repo], "");
    push(&repo, &server, "team/app", "main", COUNTING);
    for expected in ["run 2, ", "run 3, "] {
        repo.commit("evil", &[]);
        git(&repo.clone, &["tag", "-f", "main"]);
        let pushed = repo.push(&["-f", "-o", "assay.wait", "origin", "refs/tags/main"]);
        let text = String::from_utf8_lossy(&pushed.stderr);
        assert!(text.contains(expected), "a tag has its own: {text}");
    }
    git(&repo.clone, &["reset", "-q", "--hard", "HEAD~2"]);
    repo.commit("good", &[]);
    let pushed = repo.push(&["-o", "assay.wait", "origin", "refs/heads/main"]);
    let text = String::from_utf8_lossy(&pushed.stderr);
    assert!(text.contains("run 2, "), "{text}");
    let caches = server.get("/repos/team/app/caches?branch=tag:main")["caches"].clone();
    assert_eq!(caches.as_array().map(Vec::len), Some(1), "{caches}");
}

#[test]
fn the_same_content_is_not_stored_again_and_a_job_that_was_stopped_stores_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let still = "language: shell\ncache: {directories: [kept]}\nscript: 'mkdir -p kept && echo same > kept/f; false'\n";
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", still)]);
    let server = Server::start(dir.path(), &[&repo], "");
    let first = push(&repo, &server, "team/app", "main", still);
    assert!(
        first.contains("cache stored: "),
        "a failed job stores too: {first}"
    );
    let second = push(&repo, &server, "team/app", "main", still);
    assert!(
        second.contains("nothing changed, not updating cache"),
        "{second}"
    );
    let stopped = "language: shell\ncache: {directories: [other]}\ninstall: 'mkdir other; touch other/x; false'\nscript: 'true'\n";
    let third = push(&repo, &server, "team/app", "topic", stopped);
    assert!(!third.contains("cache.2"), "{third}");
    let off = push(
        &repo,
        &server,
        "team/app",
        "main",
        "language: shell\ncache: false\nscript: ls kept\n",
    );
    assert!(!off.contains("cache.1") && !off.contains("kept/f"), "{off}");
}

#[test]
fn hostile_folders_end_in_bounded_time_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let hostile = "language: shell
cache: {directories: [out, deep, ../../.., /etc, big]}
script:
  - mkdir out && ln -s /proc/1/environ out/e && ln -s /etc/passwd out/f && mkfifo out/p
  - touch \"out/$(printf 'a\\nb\\033[2J')\"
  - cp /bin/true out/set && chmod 6755 out/set
  - rm -rf big; ln -s /etc big
  - mkdir deep; cd deep; for i in $(seq 300); do mkdir d && cd d; done; cd \"$TRAVIS_BUILD_DIR\"
  - (sleep 100; echo late > out/late) & disown
";
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", hostile)]);
    let server = Server::start(dir.path(), &[&repo], "");
    let log = push(&repo, &server, "team/app", "main", hostile);
    for text in [
        "out/p is left out: it is neither a file, a folder nor a link",
        "is not kept: it is not below /home/travis",
        "cache stored: ",
    ] {
        assert!(log.contains(text), "{text:?} in {log}");
    }
    let after = "language: shell
cache: {directories: [out, deep, big]}
script:
  - test \"$(readlink out/f)\" = /etc/passwd && test ! -e out/p && test ! -e out/late
  - stat -c 'mode %a' out/set
  - ls out | cat -v
  - test -L big && echo still a link
  - find deep -type d | wc -l
";
    let log = push(&repo, &server, "team/app", "main", after);
    for text in ["mode 755", "still a link", "301"] {
        assert!(log.contains(text), "{text:?} in {log}");
    }
    assert_eq!(
        server.newest_build("team/app")["build"]["state"],
        "passed",
        "{log}"
    );
}

#[test]
fn bombs_are_not_stored_and_the_next_job_runs() {
    let dir = tempfile::tempdir().unwrap();
    let bomb = "language: shell
cache: {directories: [big]}
script: 'mkdir -p big && truncate -s 1T big/sparse'
";
    let settings = "caches: {archive: 1MiB, repository: 300kB}\n";
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", bomb)]);
    let server = Server::start(dir.path(), &[&repo], settings);
    let log = push(&repo, &server, "team/app", "main", bomb);
    assert!(
        log.contains("cache not stored: there are too many bytes"),
        "{log}"
    );
    let state = dir.path().join("state");
    assert_eq!(archives(&state.join("caches")), 0);
    // More than the repository may have, though less than one archive may.
    let noise = |bytes: u32| {
        format!(
            "language: shell\ncache: {{directories: [noise]}}\nscript: 'rm -rf noise; mkdir noise; head -c {bytes} /dev/urandom > noise/n'\n"
        )
    };
    let log = push(&repo, &server, "team/app", "main", &noise(500_000));
    let refused = "cache not stored: 50";
    let why = "on disk, and the repository may have 300 kB";
    assert!(log.contains(refused) && log.contains(why), "{log}");
    // The least recently used goes.
    push(&repo, &server, "team/app", "main", &noise(200_000));
    push(&repo, &server, "team/app", "topic", &noise(200_000));
    let caches = server.get("/repos/team/app/caches")["caches"].clone();
    assert_eq!(caches.as_array().unwrap().len(), 1, "{caches}");
    assert_eq!(caches[0]["branch"], "topic");
}

#[test]
fn artifacts_are_listed_and_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let file = "language: shell
addons: {artifacts: {paths: [report.txt, out]}}
script:
  - echo all good > report.txt
  - mkdir out && ln -s /etc/passwd out/link && touch \"out/$(printf 'a\\nb\\033[2J')\"
";
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", file)]);
    let server = Server::start(dir.path(), &[&repo], "");
    let log = push(&repo, &server, "team/app", "main", file);
    assert!(log.contains("artifacts stored: "), "{log}");
    let job = server.newest_build("team/app")["jobs"][0]["number"].clone();
    let job = job.as_str().unwrap();
    let list = server.cli(&["artifacts", "list", "-r", "team/app", job]);
    for text in ["report.txt", "out/link -> /etc/passwd", "out/a\\nb\\x1b[2J"] {
        assert!(list.contains(text), "{text:?} in {list}");
    }
    let text = server.cli(&["artifacts", "get", "-r", "team/app", job, "report.txt"]);
    assert_eq!(text, "all good\n");
    let target = dir.path().join("fetched");
    let target = target.to_str().unwrap();
    server.cli(&[
        "artifacts",
        "get",
        "-r",
        "team/app",
        job,
        "--output",
        target,
    ]);
    let fetched = std::fs::read_to_string(Path::new(target).join("report.txt")).unwrap();
    assert_eq!(fetched, "all good\n");
    assert!(
        !Path::new(target).join("out/link").exists(),
        "links are not made"
    );
}

#[test]
fn caches_are_listed_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", COUNTING)]);
    let server = Server::start(dir.path(), &[&repo], "");
    push(&repo, &server, "team/app", "main", COUNTING);
    push(&repo, &server, "team/app", "topic", COUNTING);
    let list = server.cli(&["cache", "list", "-r", "team/app"]);
    assert!(list.contains("main") && list.contains("topic"), "{list}");
    server.cli(&["cache", "rm", "-r", "team/app", "--branch", "main"]);
    let list = server.cli(&["cache", "list", "-r", "team/app"]);
    assert!(!list.contains("main") && list.contains("topic"), "{list}");
    let fresh = push(&repo, &server, "team/app", "main", COUNTING);
    assert!(fresh.contains("run 1, "), "{fresh}");
    server.cli(&["repo", "rm", "team/app", "--yes"]);
    assert_eq!(archives(&dir.path().join("state/caches")), 0);
}
