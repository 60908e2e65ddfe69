//! A log line is seen everywhere before its job ends.

use std::io::{BufRead, BufReader};

use crate::harness::{Repo, Server, git, git_command, wait_for};

#[test]
fn a_line_is_seen_on_the_page_by_the_command_line_and_in_the_push_before_the_job_ends() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::new(dir.path(), "team/app", &[("README", "x\n")]);
    // The job ends when this commit, not pushed yet, shows up among the objects it sees: that is the test's signal.
    git(&repo.clone, &["checkout", "--quiet", "-b", "signal"]);
    let signal = repo.commit("signal", &[]);
    git(&repo.clone, &["checkout", "--quiet", "main"]);
    // The quotes keep the commands, which the log shows too, from reading like what they print.
    let config = format!(
        "language: shell\nscript:\n  - echo a line 'before the end'\n  - until git cat-file -e {signal} 2>/dev/null; do read -rt 0.05 || true; done\n  - echo signal 'seen'\n"
    );
    repo.commit("wait", &[(".travis.yml", &config)]);
    let server = Server::start(dir.path(), &[&repo], "");

    let mut push = git_command(&repo.clone, &["push", "-o", "assay.wait", "origin", "main"]);
    let mut push = push.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut pushed = BufReader::new(push.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    assert!(
        pushed.any(|line| line.contains("a line before the end")),
        "in the waiting push"
    );

    let build = server.newest_build("team/app");
    let job = &build["jobs"][0];
    let mut page = server.events(&format!("/assay/jobs/{}/log/events", job["id"]));
    let event = page.until("a line before the end");
    let number: u64 = event
        .id
        .parse()
        .expect("the part's number is the event's id");

    let mut follow = server.spawn_cli(&["logs", "-f", job["number"].as_str().unwrap()]);
    let mut followed = BufReader::new(follow.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    assert!(
        followed.any(|line| line.contains("a line before the end")),
        "by logs -f"
    );

    assert_eq!(
        server.get(&format!("/jobs/{}", job["id"]))["job"]["state"],
        "started",
        "and the job still runs"
    );

    git(&repo.clone, &["push", "--quiet", "origin", "signal"]);
    assert!(pushed.any(|line| line.contains("signal seen")));
    assert!(followed.any(|line| line.contains("signal seen")));
    assert!(push.wait().unwrap().success());
    assert!(
        follow.wait().unwrap().success(),
        "logs -f ends with the verdict"
    );

    // A page that comes back names the part it has, and gets exactly what follows.
    let mut resumed = server.events(&format!(
        "/assay/jobs/{}/log/events?after={number}",
        job["id"]
    ));
    let next = std::iter::from_fn(|| resumed.next()).find(|event| !event.id.is_empty());
    let next = next.expect("a part");
    assert_eq!(next.id.parse::<u64>().ok(), Some(number + 1));
    assert!(!next.data.contains("a line before the end"));
    wait_for("the passed build", || {
        let list = server.get("/repos/team/app/builds");
        (list["builds"][0]["state"] == "passed").then_some(())
    });
}
