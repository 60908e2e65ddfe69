//! From `git push` to a verdict, or to a record that says why there is none.

use serde_json::Value;

use crate::harness::{Repo, Server, git, wait_for};

const PASS: &str = "language: shell\nscript: true\n";

const MATRIX: &str = "language: shell
env:
  - SUITE=one
  - SUITE=two
  - SUITE=bad
jobs:
  allow_failures:
    - env: SUITE=bad
  include:
    - stage: deliver
      script: echo delivered
script:
  - echo \"suite $SUITE\"
  - test \"$SUITE\" != bad
";

/// (ref, result, reason) of all requests, oldest first, once none is pending.
fn requests(server: &Server, slug: &str, count: usize) -> Vec<(String, String, String)> {
    let decided = || {
        let answer = server.get(&format!("/requests?slug={slug}&limit=100"));
        let list = answer["requests"].as_array()?.clone();
        (list.len() >= count && list.iter().all(|request| !request["result"].is_null()))
            .then_some(list)
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = wait_for(&format!("{count} decided requests"), decided);
    let row = |request: &Value| {
        (
            text(&request["branch"]),
            text(&request["result"]),
            text(&request["message"]),
        )
    };
    list.iter().rev().map(row).collect()
}

#[test]
fn a_push_runs_the_matrix_and_the_pusher_sees_the_log_and_the_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", MATRIX)]);
    let server = Server::start(dir.path(), &[&repo], "");
    let seen = repo.push_and_wait();
    for text in [
        "suite one",
        "suite two",
        "suite bad",
        "delivered",
        "passed",
        &server.address,
    ] {
        assert!(seen.contains(text), "the pusher sees {text:?}:\n{seen}");
    }
    let build = server.newest_build("team/app");
    assert_eq!(build["build"]["state"], "passed");
    let states: Vec<_> = build["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["state"].clone())
        .collect();
    assert_eq!(states, ["passed", "passed", "failed", "passed"]);
    assert!(server.log_of(&build["jobs"][0]).contains("suite one"));
}

#[test]
fn the_hook_prints_one_line_with_the_address_of_the_build() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", PASS)]);
    let server = Server::start(dir.path(), &[&repo], "");
    let output = repo.push(&["origin", "main"]);
    let seen = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<&str> = seen
        .lines()
        .filter(|line| line.starts_with("remote: "))
        .collect();
    assert_eq!(lines.len(), 1, "{seen}");
    let address = lines[0]
        .split_whitespace()
        .find(|word| word.starts_with("http"))
        .expect("an address");
    let path = address
        .strip_prefix(&server.address)
        .expect("on this daemon");
    let auth = format!("token {}", server.token);
    let page = || {
        let answer = server.raw(
            "GET",
            path,
            &[("Authorization", &auth), ("Accept", "text/html")],
        );
        (answer.status == 200 && answer.body.contains("passed")).then_some(())
    };
    wait_for("the build's page to say passed", page);
}

#[test]
fn each_kind_of_ref_change_leaves_the_record_a_travis_user_expects() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", PASS)]);
    let server = Server::start(dir.path(), &[&repo], "");
    repo.push_and_wait();
    let first = git(&repo.clone, &["rev-parse", "HEAD"]);

    repo.commit("second [skip ci]", &[]);
    repo.push_and_wait();
    git(
        &repo.clone,
        &["push", "--quiet", "-o", "ci.skip", "origin", "main:skipped"],
    );
    git(&repo.clone, &["reset", "--quiet", "--hard", &first]);
    repo.commit("forced", &[("a", "1")]);
    assert!(
        repo.push(&["--force", "-o", "assay.wait", "origin", "main"])
            .status
            .success()
    );
    git(&repo.clone, &["tag", "-a", "v1", "-m", "one"]);
    git(
        &repo.clone,
        &[
            "push",
            "--quiet",
            "-o",
            "assay.wait",
            "origin",
            "v1",
            "main:again",
        ],
    );
    git(&repo.clone, &["rm", "--quiet", ".travis.yml"]);
    repo.commit("bare", &[]);
    repo.push_and_wait();
    git(
        &repo.clone,
        &["push", "--quiet", "-o", "assay.wait", "origin", ":again"],
    );

    let mut found = requests(&server, "team/app", 8);
    // Two refs in one push have no order between them.
    found[4..6].sort();
    let expected = [
        ("main", "accepted", ""),
        ("main", "rejected", "skip"),
        ("skipped", "rejected", "ci.skip"),
        ("main", "accepted", ""),
        ("again", "accepted", ""),
        ("v1", "accepted", ""),
        ("main", "rejected", ".travis.yml"),
        ("again", "rejected", "deleted"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(
            (found.0.as_str(), found.1.as_str()),
            (expected.0, expected.1),
            "{found:?}"
        );
        assert!(
            found.2.contains(expected.2),
            "{found:?} says {:?}",
            expected.2
        );
    }
    let tag = server.get("/repos/team/app/builds");
    let tags: Vec<_> = tag["commits"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|commit| commit["tag"] == "v1")
        .collect();
    assert_eq!(tags.len(), 1, "a tag's build says so");
}

#[test]
fn a_push_is_built_though_no_hook_ran() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", PASS)]);
    let mut server = Server::start(dir.path(), &[&repo], "");
    server.cli(&["hook", "remove", repo.bare.to_str().unwrap()]);
    server.stop();
    git(&repo.clone, &["push", "--quiet", "origin", "main"]);
    server.run();
    wait_for("the build", || {
        let list = server.get("/repos/team/app/builds");
        (list["builds"][0]["state"] == "passed").then_some(())
    });
}

#[test]
fn pushes_made_while_the_daemon_is_down_are_all_built() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", PASS)]);
    let mut server = Server::start(dir.path(), &[&repo], "");
    server.stop();
    for number in 0..3 {
        repo.commit(&format!("change {number}"), &[]);
        assert!(
            repo.push(&["origin", "main"]).status.success(),
            "a push never fails because of the daemon"
        );
    }
    server.run();
    let found = requests(&server, "team/app", 3);
    assert!(
        found.iter().all(|(_, result, _)| result == "accepted"),
        "{found:?}"
    );
    assert_eq!(found.len(), 3);
}

#[test]
fn an_interrupted_waiting_push_leaves_the_build_running() {
    let dir = tempfile::tempdir().unwrap();
    let config = "language: shell\nscript:\n  - echo begun\n  - sleep 1\n  - true\n";
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", config)]);
    let server = Server::start(dir.path(), &[&repo], "");
    let mut push =
        crate::harness::git_command(&repo.clone, &["push", "-o", "assay.wait", "origin", "main"]);
    let mut push = push.stderr(std::process::Stdio::piped()).spawn().unwrap();
    wait_for("the job to start", || {
        let list = server.get("/repos/team/app/builds");
        (list["builds"][0]["state"] == "started").then_some(())
    });
    let interrupted = std::process::Command::new("kill")
        .args(["-INT", &push.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    push.wait().unwrap();
    wait_for("the verdict", || {
        let list = server.get("/repos/team/app/builds");
        (list["builds"][0]["state"] == "passed").then_some(())
    });
}
