//! Services in jobs that run at once: each job has its own, on the same port.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::images::{PROGRAMS, root};
use crate::harness::{Repo, Server, git, skip, wait_for};

/// Keeps one line, at redis' port. Without modules, so that an image needs no more than the interpreter.
const STAND_IN: &str = r#"#!/usr/bin/perl
$SIG{PIPE} = 'IGNORE';
socket(my $listener, 2, 1, 0) or die;
setsockopt($listener, 1, 2, pack('i', 1));
bind($listener, pack('S n C4 x8', 2, 6379, 127, 0, 0, 1)) or die "cannot listen: $!\n";
listen($listener, 9);
my $kept = '';
while (accept(my $client, $listener)) {
  my $line = <$client> // next;
  $kept = $1 if $line =~ /^SET (.*)/;
  syswrite $client, "$kept\n";
}
"#;

/// Sets its own number, says that it is inside, goes on when a commit shows up among its repository's objects, and looks
/// again. The quotes keep commands, which the log shows too, from reading like what they print.
fn job(signal: &str) -> String {
    format!(
        "language: shell\nservices: redis\njobs: {{include: [{{name: one}}, {{name: two}}]}}\nbefore_script: |\n  \
         redis() {{ exec 3<>/dev/tcp/127.0.0.1/6379 && echo \"$1\" >&3 && read -r kept <&3; }}\nscript:\n  \
         - redis \"SET $TRAVIS_JOB_NUMBER\"\n  - echo is 'inside'\n  \
         - until git cat-file -e {signal} 2>/dev/null; do read -rt 0.05 || true; done\n  \
         - redis GET; echo \"finds\" $kept; test \"$kept\" = \"$TRAVIS_JOB_NUMBER\"\n  \
         - redis-server; test $? != 0\n"
    )
}

#[test]
fn two_jobs_with_a_service_on_the_same_port_never_meet() {
    if !Path::new("/usr/bin/perl").exists() {
        skip("services: needs perl");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let programs: Vec<&str> = PROGRAMS.iter().copied().chain(["perl", "git"]).collect();
    let image = root(dir.path(), &programs).unwrap();
    let server = image.join("usr/bin/redis-server");
    std::fs::write(&server, STAND_IN).unwrap();
    std::fs::set_permissions(&server, PermissionsExt::from_mode(0o755)).unwrap();

    let repo = Repo::new(dir.path(), "team/app", &[("README", "x\n")]);
    git(&repo.clone, &["checkout", "--quiet", "-b", "signal"]);
    let signal = repo.commit("signal", &[]);
    git(&repo.clone, &["checkout", "--quiet", "main"]);
    repo.commit("wait", &[(".travis.yml", &job(&signal))]);
    let config = "jobs: 2\nimages: {default: small}\nsandbox: {network: none}\n";
    let server = Server::start(dir.path(), &[&repo], config);
    server.cli(&["image", "import", "small", &image.to_string_lossy()]);

    assert!(repo.push(&["origin", "main"]).status.success());
    let logs = |text: &str| -> Option<Vec<String>> {
        let list = server.get("/repos/team/app/builds");
        let build = server.get(&format!("/builds/{}", list["builds"][0]["id"].as_u64()?));
        let jobs = build["jobs"].as_array()?;
        let logs = jobs.iter().map(|job| server.log_of(job));
        let logs: Vec<String> = logs.filter(|log| log.contains(text)).collect();
        (logs.len() == 2).then_some(logs)
    };
    wait_for("both jobs inside", || logs("is inside"));
    git(&repo.clone, &["push", "--quiet", "origin", "signal"]);
    let logs = wait_for("both logs", || logs("Done. Your build exited with"));
    for (log, number) in logs.iter().zip(["1.1", "1.2"]) {
        for text in [
            "redis is ready on 127.0.0.1:6379.",
            &format!("finds {number}"),
            // Within a job there is one port of that number.
            "cannot listen: Address already in use",
            "Done. Your build exited with 0.",
        ] {
            assert!(log.contains(text), "{text:?} is not in {log}");
        }
    }
}
