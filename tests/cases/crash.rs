//! `kill -9`, and what the state folder is worth afterwards.

use std::process::Command;

use crate::harness::{Repo, Server, wait_for};

const SLOW: &str = "language: shell\nscript:\n  - echo begun\n  - sleep 2\n  - echo ended\n";

fn started(server: &Server) {
    wait_for("the job to start", || {
        let list = server.get("/repos/team/app/builds");
        (list["builds"][0]["state"] == "started").then_some(())
    });
}

#[test]
fn a_build_cut_off_by_kill_9_is_run_once_more_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", SLOW)]);
    let mut server = Server::start(dir.path(), &[&repo], "");
    assert!(repo.push(&["origin", "main"]).status.success());
    started(&server);
    server.kill();
    server.run();
    wait_for("the verdict", || {
        let list = server.get("/repos/team/app/builds");
        (list["builds"][0]["state"] == "passed").then_some(())
    });
    let build = server.newest_build("team/app");
    let log = server.log_of(&build["jobs"][0]);
    assert!(
        log.contains("attempt 2"),
        "the second attempt is noted:\n{log}"
    );
    assert_eq!(
        server.get("/repos/team/app/builds")["builds"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_shutdown_puts_running_jobs_back_at_no_cost() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", SLOW)]);
    let mut server = Server::start(dir.path(), &[&repo], "shutdown: {grace: 0s}\n");
    assert!(repo.push(&["origin", "main"]).status.success());
    started(&server);
    server.stop();
    server.run();
    wait_for("the verdict", || {
        let list = server.get("/repos/team/app/builds");
        (list["builds"][0]["state"] == "passed").then_some(())
    });
}

#[test]
fn a_push_does_not_overtake_one_that_is_still_in_the_spool() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::new(
        dir.path(),
        "team/app",
        &[(".travis.yml", "language: shell\nscript: true\n")],
    );
    // No timer: only the second push makes the daemon look.
    let server = Server::start(dir.path(), &[&repo], "reconcile: {interval: 0s}\n");
    let socket = server.state().join("run/hook.sock");
    let aside = socket.with_extension("aside");
    std::fs::rename(&socket, &aside).unwrap();
    let first = repo.commit("first", &[]);
    assert!(repo.push(&["origin", "main"]).status.success());
    std::fs::rename(&aside, &socket).unwrap();
    let second = repo.commit("second", &[]);
    assert!(repo.push_and_wait().contains("passed"));
    wait_for("both verdicts", || {
        let list = server.get("/repos/team/app/builds");
        let builds = list["builds"].as_array()?;
        builds.iter().all(|b| b["state"] == "passed").then_some(())
    });
    let list = server.get("/repos/team/app/builds");
    let commits = list["commits"].as_array().unwrap();
    let sha_of = |build: &serde_json::Value| {
        let commit = commits.iter().find(|c| c["id"] == build["commit_id"]);
        commit.unwrap()["sha"].as_str().unwrap().to_owned()
    };
    let builds = list["builds"].as_array().unwrap();
    let shas: Vec<_> = builds.iter().map(sha_of).collect();
    assert_eq!(
        shas,
        [second.trim(), first.trim()],
        "newest first, both built"
    );
}

#[test]
fn a_second_daemon_on_the_same_state_is_refused_and_the_first_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::new(
        dir.path(),
        "team/app",
        &[(".travis.yml", "language: shell\nscript: true\n")],
    );
    let server = Server::start(dir.path(), &[&repo], "");
    let second = server.try_cli(&[
        "serve",
        "--config",
        dir.path().join("assay.yml").to_str().unwrap(),
    ]);
    let text = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(6), "{text}");
    assert!(
        text.contains(server.state().to_str().unwrap()),
        "it names the folder: {text}"
    );
    assert!(repo.push_and_wait().contains("passed"));
}

#[test]
fn a_port_in_use_is_one_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Command::new(crate::harness::ASSAY)
        .args(["serve", "--config", "/dev/stdin", "--state"])
        .arg(dir.path().join("state"))
        .stdin({
            let file = dir.path().join("c.yml");
            std::fs::write(&file, format!("listen: {address}\n")).unwrap();
            std::fs::File::open(file).unwrap()
        })
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{text}");
    assert!(text.contains(&address), "it names the address: {text}");
}

#[test]
fn a_lost_database_is_rebuilt_from_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::new(
        dir.path(),
        "team/app",
        &[(".travis.yml", "language: shell\nscript: true\n")],
    );
    let mut server = Server::start(dir.path(), &[&repo], "");
    repo.push_and_wait();
    // The port, and with it the links, are others after a new start.
    let before = server.newest_build("team/app");
    server.stop();
    std::fs::remove_dir_all(server.state().join("db")).unwrap();
    server.run();
    let after = server.newest_build("team/app");
    assert_eq!(
        (&after["build"], &after["jobs"]),
        (&before["build"], &before["jobs"])
    );
    server.stop();
    let output = server.try_cli(&["fsck"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
