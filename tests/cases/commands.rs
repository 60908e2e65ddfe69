//! The command line against a daemon, and the commands that need none.

use std::process::Command;

use crate::harness::{ASSAY, Repo, Server, git};

const CONFIG: &str = "language: shell\nscript: test ! -e broken\n";

#[test]
fn builds_are_listed_shown_restarted_and_canceled() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", CONFIG)]);
    let server = Server::start(dir.path(), &[&repo], "");
    repo.push_and_wait();
    repo.commit("break", &[("broken", "")]);
    assert!(repo.push_and_wait().contains("failed"));

    let list = server.cli(&["builds"]);
    let states: Vec<&str> = list
        .lines()
        .filter_map(|line| ["passed", "failed"].into_iter().find(|s| line.contains(s)))
        .collect();
    assert_eq!(states, ["failed", "passed"], "{list}");
    assert!(server.cli(&["show", "2"]).contains("2.1"));
    assert!(server.cli(&["logs", "2.1"]).contains("test ! -e broken"));
    assert!(server.cli(&["repo", "list"]).contains("team/app"));
    assert!(
        server
            .cli(&["repo", "show", "team/app"])
            .contains(repo.bare.to_str().unwrap())
    );

    server.cli(&["restart", "1"]);
    let follow = server.try_cli(&["logs", "-f", "1.1"]);
    assert_eq!(
        follow.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&follow.stderr)
    );
    assert_eq!(
        server.try_cli(&["logs", "-f", "2.1"]).status.code(),
        Some(1),
        "a failed job's code"
    );
    assert_eq!(
        server.try_cli(&["cancel", "1"]).status.code(),
        Some(2),
        "nothing left to cancel"
    );
    assert_eq!(server.try_cli(&["show", "99"]).status.code(), Some(3));
}

#[test]
fn a_running_build_is_canceled() {
    let dir = tempfile::tempdir().unwrap();
    let config = "language: shell\nscript:\n  - echo begun\n  - sleep 600\n";
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", config)]);
    let server = Server::start(dir.path(), &[&repo], "");
    assert!(repo.push(&["origin", "main"]).status.success());
    crate::harness::wait_for("the job to start", || {
        let list = server.get("/repos/team/app/builds");
        (list["builds"][0]["state"] == "started").then_some(())
    });
    server.cli(&["cancel", "1"]);
    let build = server.newest_build("team/app");
    assert_eq!(build["build"]["state"], "canceled");
    let follow = server.try_cli(&["logs", "-f", "1.1"]);
    assert!(String::from_utf8_lossy(&follow.stdout).contains("Done: Job Cancelled"));
}

#[test]
fn tokens_are_made_used_and_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", CONFIG)]);
    let server = Server::start(dir.path(), &[&repo], "");
    let token = server.cli(&[
        "token",
        "create",
        "--user",
        "ann",
        "--repo",
        "team/app:read",
    ]);
    let auth = format!("token {}", token.trim());
    let with = |method: &str, path: &str| {
        let headers = [
            ("Authorization", auth.as_str()),
            ("Accept", "application/vnd.travis-ci.2+json"),
        ];
        server.raw(method, path, &headers).status
    };
    assert_eq!(with("GET", "/repos/team/app"), 200);
    assert_eq!(with("GET", "/assay/repos"), 403);
    repo.push_and_wait();
    let id = server.newest_build("team/app")["build"]["id"].clone();
    assert!(
        matches!(with("POST", &format!("/builds/{id}/restart")), 400 | 403),
        "reading is not restarting"
    );
    assert_eq!(server.raw("GET", "/repos/team/app", &[]).status, 401);
    let list = server.cli(&["token", "list"]);
    let line = list
        .lines()
        .find(|line| line.contains("ann"))
        .expect("the token is listed");
    let number = line.split_whitespace().next().unwrap().to_owned();
    server.cli(&["token", "revoke", &number]);
    assert_eq!(with("GET", "/repos/team/app"), 403);
}

#[test]
fn run_gives_the_verdict_of_a_working_tree_with_its_changes() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::new(
        dir.path(),
        "team/app",
        &[
            (".travis.yml", "language: shell\nscript: cat word\n"),
            ("word", "old\n"),
        ],
    );
    let run = |args: &[&str]| {
        let mut command = Command::new(ASSAY);
        command
            .arg("run")
            .args(args)
            .current_dir(&repo.clone)
            .env("HOME", dir.path());
        command.output().unwrap()
    };
    std::fs::write(repo.clone.join("word"), "new and not committed\n").unwrap();
    let output = run(&[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("new and not committed"), "{text}");
    std::fs::remove_file(repo.clone.join("word")).unwrap();
    assert_eq!(
        run(&[]).status.code(),
        Some(1),
        "a deleted file is missing in the job, too"
    );
    git(&repo.clone, &["checkout", "--quiet", "word"]);
    std::fs::write(
        repo.clone.join(".travis.yml"),
        "language: shell\nscript: test \"$GIVEN\" = yes\n",
    )
    .unwrap();
    assert_eq!(run(&["--env", "GIVEN=yes"]).status.code(), Some(0));
}

#[test]
fn expand_follows_imports_when_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let expand = |args: &[&str]| {
        let mut command = Command::new(ASSAY);
        command.arg("expand").args(args).current_dir(dir.path());
        command.output().unwrap()
    };
    std::fs::write(dir.path().join("shared.yml"), "script: [shared]\n").unwrap();
    let write = |text: &str| std::fs::write(dir.path().join(".travis.yml"), text).unwrap();
    write("language: shell\nimport: shared.yml\nscript: [own]\n");
    let json = |args: &[&str]| -> serde_json::Value {
        serde_json::from_slice(&expand(args).stdout).unwrap()
    };
    let followed = json(&["--json", "--sources"]);
    assert_eq!(
        followed["jobs"][0]["script"],
        serde_json::json!(["shared", "own"])
    );
    assert_eq!(
        followed["sources"],
        serde_json::json!(["owner/name:.travis.yml", "owner/name:shared.yml"])
    );
    let alone = json(&["--json"]);
    assert_eq!(alone["jobs"][0]["script"], serde_json::json!(["own"]));
    assert_eq!(alone.get("sources"), None);
    let shown = String::from_utf8(expand(&["--sources"]).stdout).unwrap();
    assert!(shown.contains("owner/name:shared.yml"), "{shown}");
    write("language: shell\nimport: other/repo:shared.yml\n");
    let refused = expand(&["--sources"]);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{words}");
    assert!(
        words.contains("cannot import other/repo:shared.yml"),
        "{words}"
    );
}

#[test]
fn the_demo_shows_the_whole_product() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(ASSAY)
        .arg("demo")
        .env("HOME", dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for part in [
        "passed",
        "failed (allowed)",
        "http://127.0.0.1:",
        "hallmark",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
