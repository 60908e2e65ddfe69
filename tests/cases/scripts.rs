//! Job scripts run for real in the sandbox: how each ends, which phases ran, what is folded and timed.

use serde_json::Value;

use crate::harness::{Repo, Server};

/// One job: its keys, its state, the folds and timed phases of its log in order, what the log must say and must not.
struct Row {
    keys: &'static str,
    state: &'static str,
    folds: &'static str,
    events: &'static str,
    says: &'static [&'static str],
    hides: &'static [&'static str],
}

/// A job whose log is only looked at for its state, folds and timed phases.
const fn row(
    keys: &'static str,
    state: &'static str,
    folds: &'static str,
    events: &'static str,
) -> Row {
    Row {
        keys,
        state,
        folds,
        events,
        says: &[],
        hides: &[],
    }
}

impl Row {
    const fn says(self, says: &'static [&'static str]) -> Self {
        Row { says, ..self }
    }

    const fn hides(self, hides: &'static [&'static str]) -> Self {
        Row { hides, ..self }
    }
}

const ROWS: &[Row] = &[
    row("script: [echo one, echo two]", "passed", "", "script script")
        .says(&["$ echo one", "one", "The command \"echo one\" exited with 0.", "Done. Your build exited with 0."]),
    row("script: ['false', echo on]", "failed", "", "script script")
        .says(&["The command \"false\" exited with 1.", "on", "Done. Your build exited with 1."]),
    row("script: 'true'\nafter_success: echo good\nafter_failure: echo bad\nafter_script: echo last", "passed",
        "after_success after_script", "script after_success after_script").says(&["good", "last"]).hides(&["bad"]),
    row("script: 'false'\nafter_success: echo good\nafter_failure: echo bad\nafter_script: echo last", "failed",
        "after_failure after_script", "script after_failure after_script").says(&["bad", "last"]).hides(&["good"]),
    row("script: 'true'\nafter_success: ['false', echo on]", "passed", "after_success.1 after_success.2",
        "script after_success after_success").says(&["on"]),
    row("script: 'false'\nafter_failure: ['false', echo on]", "failed", "after_failure.1 after_failure.2",
        "script after_failure after_failure").says(&["on"]),
    row("script: 'true'\nafter_script: 'false'", "passed", "after_script", "script after_script"),
    row("script: 'true'\nbefore_cache: ['false', echo on]", "passed", "before_cache.1 before_cache.2",
        "script before_cache before_cache").says(&["on"]),
    row("before_install: ['false', echo next]\nscript: echo ran\nafter_failure: echo bad\nafter_script: echo last", "errored",
        "before_install.1", "before_install")
        .says(&["The command \"false\" failed and exited with 1 during before_install.", "Your build has been stopped."])
        .hides(&["next", "ran", "bad", "last"]),
    row("install: exec 3</nowhere || (exit 9)\nscript: echo ran\nafter_script: echo last", "errored", "install", "install")
        .says(&["failed and exited with 9 during install."]).hides(&["ran", "last"]),
    row("before_install: echo one\ninstall: echo two\nbefore_script: ['true', 'false']\nscript: echo ran", "errored",
        "before_install install before_script.1 before_script.2", "before_install install before_script before_script")
        .says(&["one", "two", "during before_script."]).hides(&["ran"]),
    row("script: [exit 0, echo on]\nafter_script: echo last", "passed", "", "").hides(&["on", "last"]),
    row("script: exit 3\nafter_failure: echo bad", "errored", "", "").hides(&["bad"]),
    row("before_install: exit 1\nscript: echo ran", "failed", "before_install", "").hides(&["ran"]),
    row("before_script: set -e\nscript: ['false', echo on]\nafter_failure: echo bad", "failed", "before_script", "before_script")
        .hides(&["on", "bad"]),
    row("before_script: set -eu\nscript: [echo ran]\nafter_success: echo good\nafter_script: echo last", "passed",
        "before_script after_success after_script", "before_script script after_success after_script").says(&["ran", "good", "last"]),
    row("script: [travis_terminate 0, echo on]", "passed", "", "").hides(&["on"]),
    row("script: travis_terminate 4\nafter_script: echo last", "errored", "", "").hides(&["last"]),
    row("script: travis_retry eval '((++tries == 2)) && echo recovered'", "passed", "", "script")
        .says(&["Retrying, 2 of 3.", "recovered"]),
    row("install: travis_retry false\nscript: echo ran", "errored", "install", "install")
        .says(&["The command \"false\" failed 3 times."]).hides(&["ran"]),
    row("script: travis_wait 1 bash -c 'echo inside; exit 0'", "passed", "", "script")
        .says(&["Still running (1 of 1): bash -c echo inside; exit 0", "inside"]),
    row("script: travis_wait bash -c 'exit 5'", "failed", "", "script").says(&["exited with 5."]),
    row("script: ['travis_fold start mine', echo within, 'travis_fold end mine']", "passed",
        "mine", "script script script").says(&["within"]),
    row("script: |\n  if true; then\n    echo \"a 'quoted' line\"\n  fi\n  cat <<'EOF'\n  $HOME stays\n  EOF", "passed", "", "script")
        .says(&["a 'quoted' line", "$HOME stays"]),
    row("env: [A='x y', B=\"$A-z\", 'C=$((1 + 2))']\nscript: ['echo \"[$A][$B][$C]\"', 'bash -c ''echo \"child $B\"''']", "passed", "",
        "script script").says(&["$ export A='x y'", "[x y][x y-z][3]", "child x y-z"]),
    row("install: skip\nscript: skip\nafter_success: echo good", "passed", "after_success", "after_success")
        .says(&["Skipping the install step, as specified in the configuration.", "good"]),
    row("install: false\nscript: echo ran", "errored", "install", "install").hides(&["ran"]),
    row("before_script: [cd /tmp, X=5, 'f() { echo \"f$X\"; }']\nscript: [f, pwd]", "passed",
        "before_script.1 before_script.2 before_script.3", "before_script before_script before_script script script")
        .says(&["f5", "/tmp"]),
    row("script: bash -c 'type travis_retry'", "failed", "", "script"),
    row("script: ['sleep 600 &', echo on]", "passed", "", "script script").says(&["on"]),
    row("before_script: echo \"before [$TRAVIS_TEST_RESULT]\"\nscript: 'false'\nafter_script: echo \"result $TRAVIS_TEST_RESULT $TRAVIS_STAGE\"",
        "failed", "before_script after_script", "before_script script after_script").says(&["before []", "result 1 after_script"]),
    row("script: 'true'\nbefore_deploy: echo before\nafter_deploy: echo after\nafter_script: echo last\ndeploy: {provider: script, script: echo deployed, on: main}",
        "passed", "before_deploy dpl_0 after_deploy after_script", "script before_deploy deploy after_deploy after_script")
        .says(&["before", "deployed", "after", "last"]),
    row("script: 'true'\nafter_success: echo good\nafter_deploy: echo after\nafter_script: echo last\ndeploy: {provider: script, script: 'fails() { return 3; }; fails', on: main}",
        "errored", "after_success dpl_0", "script after_success deploy").says(&["good", "failed to deploy"]).hides(&["after", "last"]),
    row("script: 'true'\nafter_script: echo last\ndeploy: {provider: script, script: 'false', allow_failure: true, on: main}", "passed",
        "dpl_0 after_script", "script deploy after_script").says(&["last"]),
    row("script: 'true'\nbefore_deploy: 'false'\nafter_script: echo last\ndeploy: {provider: script, script: echo deployed, on: main}", "errored",
        "before_deploy", "script before_deploy").says(&["during before_deploy."]).hides(&["deployed", "last"]),
    row("script: 'true'\nafter_deploy: 'false'\ndeploy: [{provider: script, script: echo first, on: main}, {provider: script, script: echo second, on: other}]",
        "passed", "dpl_0 after_deploy", "script deploy after_deploy")
        .says(&["first", "Skipping a deployment with the script provider because this branch is not permitted"]).hides(&["second"]),
    row("script: 'false'\ndeploy: {provider: script, script: echo deployed, on: main}", "failed", "", "script").hides(&["deployed"]),
    row("script: echo new > made\nafter_deploy: test -e made && echo back\ndeploy: {provider: script, script: test ! -e made, cleanup: true, on: main}",
        "passed", "dpl_0 after_deploy", "script deploy after_deploy").says(&["back"]),
    row("script: echo new > made\ndeploy: {provider: script, script: test -e made, skip_cleanup: true, on: main}",
        "passed", "dpl_0", "script deploy"),
    row("script: 'true'\ndeploy: {provider: pages, token: x, on: main}", "errored", "dpl_0", "script deploy")
        .says(&["Deploying with the pages provider needs the program dpl", "failed to deploy"]),
    row("language: python\npython: '1.4'\nscript: echo ran", "errored", "", "")
        .says(&["Python 1.4 is not installed on this machine."]).hides(&["ran"]),
    row("services: docker\ncache: bundler\naddons: {apt: {packages: [no-such-package]}}\nscript: 'true'", "passed", "cache.1 services cache.2",
        "services script").says(&["The service docker is not started", "Not on this machine: no-such-package."]),
];

/// All rows as the jobs of one file.
fn config() -> String {
    let mut config = String::from("language: generic\njobs:\n  include:\n");
    for row in ROWS {
        for (place, line) in row.keys.lines().enumerate() {
            config.push_str(if place == 0 { "  - " } else { "    " });
            config.push_str(line);
            config.push('\n');
        }
    }
    config
}

/// Names that follow a mark, in order, those of the set-up left aside.
fn marks(log: &str, mark: &str, ends: &[char]) -> String {
    log.split(mark)
        .skip(1)
        .map(|rest| rest.split(ends).next().unwrap_or_default())
        .filter(|name| !matches!(*name, "git.checkout" | "checkout"))
        .collect::<Vec<_>>()
        .join(" ")
}

fn check(row: &Row, state: &Value, log: &str) {
    let about = format!("{}\n{log}", row.keys);
    assert_eq!(state, row.state, "{about}");
    assert_eq!(
        marks(log, "travis_fold:start:", &['\r']),
        row.folds,
        "{about}"
    );
    assert_eq!(marks(log, ",event=", &['\r']), row.events, "{about}");
    // What a line shows is what stands behind its last mark.
    let lines: Vec<&str> = log
        .lines()
        .map(|line| line.rsplit("\u{1b}[0K").next().unwrap_or(line).trim_end())
        .collect();
    let shown = |text: &str| match text.split_once(' ') {
        // A single word must be a line, or it would be found in the command that prints it.
        None => lines.contains(&text),
        Some(_) => lines.iter().any(|line| line.contains(text)),
    };
    for text in row.says {
        assert!(shown(text), "{text:?} is not in {about}");
    }
    for text in row.hides {
        assert!(!lines.contains(text), "{text:?} is in {about}");
    }
    if row.state != "errored" && log.contains("Done. Your build exited") {
        assert_balanced(log, &about);
    }
}

/// Every fold and every timer that is opened is closed, and times add up.
fn assert_balanced(log: &str, about: &str) {
    for (start, end) in [
        ("travis_fold:start:", "travis_fold:end:"),
        ("travis_time:start:", "travis_time:end:"),
    ] {
        let names = |mark| {
            let mut names: Vec<&str> = log
                .split(mark)
                .skip(1)
                .map(|rest| rest.split(['\r', ':']).next().unwrap_or_default())
                .collect();
            names.sort_unstable();
            names
        };
        assert_eq!(names(start), names(end), "{about}");
    }
    for end in log.split("travis_time:end:").skip(1) {
        let number = |name: &str| -> i128 {
            let rest = end.split(name).nth(1).unwrap_or_default();
            let digits = rest.split([',', '\r']).next().unwrap_or_default();
            digits.parse().unwrap_or(-1)
        };
        assert_eq!(
            number("finish=") - number("start="),
            number("duration="),
            "{about}"
        );
    }
}

#[test]
fn scripts_end_as_travis_says() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", &config())]);
    let server = Server::start(dir.path(), &[&repo], "jobs: 4\n");
    repo.push_and_wait();
    let build = server.newest_build("team/app");
    let jobs = build["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), ROWS.len());
    for (row, job) in ROWS.iter().zip(jobs) {
        let log = server
            .ask("GET", &format!("/jobs/{}/log.txt", job["id"]), "")
            .body;
        check(row, &job["state"], &log);
    }
}

#[test]
fn a_stage_that_fails_cancels_those_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let config = "language: generic\nstages: [first, second]\njobs:\n  include:\n  - {stage: second, script: echo late}\n  \
                  - {stage: first, script: 'false'}\n  - {stage: first, script: echo beside}\n";
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", config)]);
    let server = Server::start(dir.path(), &[&repo], "");
    repo.push_and_wait();
    let build = server.newest_build("team/app");
    let states: Vec<&Value> = build["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| &job["state"])
        .collect();
    assert_eq!(states, ["failed", "passed", "canceled"]);
    assert_eq!(build["build"]["state"], "failed");
}

#[test]
fn the_nearest_version_is_in_the_log_the_api_and_on_the_page() {
    let dir = tempfile::tempdir().unwrap();
    let config = "language: perl\nperl: '5.2'\ninstall: skip\nscript: echo \"runs under $TRAVIS_PERL_VERSION\"\n";
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", config)]);
    let server = Server::start(dir.path(), &[&repo], "versions: nearest\n");
    let log = repo.push_and_wait();
    assert!(
        log.contains(
            "Perl 5.20 is not installed on this machine; the nearest one there is runs instead"
        ),
        "{log}"
    );
    let build = server.newest_build("team/app");
    let job = build["jobs"][0]["id"].to_string();
    let job = server.get(&format!("/jobs/{job}"));
    let substitute = &job["job"]["substitutes"][0];
    assert_eq!(substitute["name"], "Perl", "{job}");
    assert_eq!(substitute["asked"], "5.20", "{job}");
    let used = substitute["used"].as_str().unwrap();
    assert!(log.contains(&format!("runs under {used}")), "{log}");
    assert!(
        server
            .cli(&["show", "1.1"])
            .contains(&format!("Perl {used} instead of 5.20"))
    );
}
