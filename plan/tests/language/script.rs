//! Generated scripts are run for real, by bash, in a temporary home.

use std::process::{Command, Stdio};

use assay_plan::{EventKind, Row, lint};
use proptest::prelude::*;

use crate::nouns;
use crate::shell::{World, first_job, run, run_build, run_in};

#[test]
fn a_passing_script_ends_with_0() {
    let ran = run("language: generic\nscript: echo hello");
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    for part in [
        "$ echo hello\nhello\n",
        "The command \"echo hello\" exited with 0.",
        "\nDone. Your build exited with 0.\n",
    ] {
        assert!(ran.log.contains(part), "{part:?} in {}", ran.log);
    }
}

#[test]
fn a_quiet_checkout_says_nothing() {
    let loud = run("language: generic\nscript: pwd");
    let quiet = run("language: generic\ngit: {quiet: true}\nscript: pwd");
    assert_eq!((loud.code, quiet.code), (Some(0), Some(0)));
    assert!(loud.log.contains("Checked out: "), "{}", loud.log);
    assert!(!quiet.log.contains("Checked out: "), "{}", quiet.log);
    assert!(quiet.log.contains("travis_fold:start:git.checkout"));
}

#[test]
fn a_failing_script_runs_on_and_ends_with_1() {
    let ran = run(
        "language: generic\nscript: [false, echo second]\nafter_success: echo good\nafter_failure: echo bad\nafter_script: echo last",
    );
    assert_eq!(ran.code, Some(1), "{}", ran.log);
    assert!(
        ran.log.contains("\nsecond\n")
            && ran.log.contains("\nbad\n")
            && ran.log.contains("\nlast\n")
    );
    assert!(!ran.log.contains("\ngood\n"));
    assert!(ran.log.contains("The command \"false\" exited with 1."));
}

#[test]
fn a_failing_command_before_the_script_stops_everything() {
    for phase in ["before_install", "install", "before_script"] {
        let yaml = format!(
            "language: generic\n{phase}: [\"false\", echo next]\nscript: echo script\nafter_failure: echo bad\nafter_script: echo last"
        );
        let ran = run(&yaml);
        assert_eq!(ran.code, Some(2), "{phase}: {}", ran.log);
        assert!(
            ran.log.contains(&format!(
                "The command \"false\" failed and exited with 1 during {phase}."
            )),
            "{}",
            ran.log
        );
        assert!(ran.log.contains("\nYour build has been stopped.\n"));
        assert!(
            ["\nnext\n", "\nscript\n", "\nbad\n", "\nlast\n"]
                .iter()
                .all(|text| !ran.log.contains(text))
        );
    }
}

#[test]
fn failures_after_the_script_change_nothing() {
    let ran = run(
        "language: generic\nscript: 'true'\nbefore_cache: 'false'\nafter_success: ['false', echo on]\nafter_script: 'false'",
    );
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert!(ran.log.contains("\non\n"));
}

#[test]
fn exit_ends_the_job_with_its_code() {
    assert_eq!(run("language: generic\nscript: exit 7").code, Some(7));
    assert_eq!(
        run("language: generic\ninstall: exit 0\nscript: 'false'").code,
        Some(0)
    );
    assert_eq!(
        run("language: generic\nscript: travis_terminate 3").code,
        Some(3)
    );
}

#[test]
fn phases_share_one_shell() {
    let ran = run(
        "language: generic\nbefore_script: [cd /, X=5, 'f() { echo f$X; }']\nscript: ['f', pwd]",
    );
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert!(ran.log.contains("\nf5\n") && ran.log.contains("\n/\n"));
}

#[test]
fn strict_shells_run_too() {
    let ran = run(
        "language: generic\nbefore_script: set -eu\nscript: ['true', echo on]\nafter_script: echo last",
    );
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert!(
        ran.log.contains("\non\n") && ran.log.contains("\nlast\n"),
        "{}",
        ran.log
    );
    let ran = run("language: generic\nbefore_script: set -e\nscript: ['false', echo on]");
    assert_eq!(ran.code, Some(1), "{}", ran.log);
    assert!(!ran.log.contains("\non\n"), "{}", ran.log);
}

#[test]
fn background_programs_do_not_hold_the_job() {
    let start = std::time::Instant::now();
    let ran = run("language: generic\nscript: sleep 300 &");
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert!(start.elapsed().as_secs() < 60);
}

#[test]
fn an_empty_script_of_a_language_without_one_passes() {
    let ran = run("language: generic");
    assert_eq!(ran.code, Some(0), "{}", ran.log);
}

#[test]
fn skip_skips_and_true_runs_true() {
    let ran = run("language: ruby\ninstall: skip\nscript: skip");
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert!(
        ran.log
            .contains("Skipping the install step, as specified in the configuration.")
    );
    assert_eq!(
        run("language: generic\ninstall: true\nscript: 'true'").code,
        Some(0)
    );
    assert_eq!(
        run("language: generic\ninstall: false\nscript: 'true'").code,
        Some(2)
    );
}

#[test]
fn folds_and_times_are_marked() {
    let log = run("language: generic\ninstall: [echo one, echo two]\nscript: echo three").log;
    for part in [
        "travis_fold:start:git.checkout\r\u{1b}[0K",
        "travis_fold:start:install.1\r\u{1b}[0Ktravis_time:start:",
        "travis_fold:end:install.1\r\u{1b}[0K",
        "travis_fold:start:install.2\r\u{1b}[0K",
        ",event=install\r\u{1b}[0K",
        ",event=script\r\u{1b}[0K",
    ] {
        assert!(log.contains(part), "{part:?} in {log}");
    }
    assert!(!log.contains("travis_fold:start:script"));
    let end = log.split("travis_time:end:").nth(2).unwrap();
    let number = |name: &str| -> u128 {
        let rest = end.split(&format!("{name}=")).nth(1).unwrap();
        rest.split([',', '\r']).next().unwrap().parse().unwrap()
    };
    assert_eq!(number("finish") - number("start"), number("duration"));
    assert!(number("start") > 1_600_000_000_000_000_000);
}

#[test]
fn retry_tries_three_times() {
    let ran = run("language: generic\nscript: travis_retry false");
    assert_eq!(ran.code, Some(1), "{}", ran.log);
    for part in [
        "The command \"false\" failed. Retrying, 2 of 3.",
        "Retrying, 3 of 3.",
        "The command \"false\" failed 3 times.",
    ] {
        assert!(ran.log.contains(part), "{part}: {}", ran.log);
    }
    let ran = run("language: generic\nscript: travis_retry eval '((++n == 2))'");
    assert_eq!(ran.code, Some(0), "{}", ran.log);
}

#[test]
fn wait_shows_the_log_and_the_code() {
    let ran = run("language: generic\nscript: travis_wait 1 bash -c 'echo from inside; exit 4'");
    assert_eq!(ran.code, Some(1), "{}", ran.log);
    for part in ["Still running (1 of 1)", "from inside", "exited with 4."] {
        assert!(ran.log.contains(part), "{part}: {}", ran.log);
    }
}

#[test]
fn variables_are_exported_unescaped() {
    let ran = run(
        "language: generic\nenv: A='x y' B=$A-z\nscript: ['echo \"[$A][$B]\"', 'bash -c ''echo child $B''']",
    );
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert!(ran.log.contains("$ export A='x y'\n"), "{}", ran.log);
    assert!(ran.log.contains("[x y][x y-z]") && ran.log.contains("child x y-z"));
}

#[test]
fn variables_from_outside_are_data() {
    let ran = run("language: generic\nscript: echo \"[$FROM_OUTSIDE]\"");
    assert!(ran.log.contains("[it's $HOME]"), "{}", ran.log);
}

#[test]
fn names_and_messages_are_data() {
    let hostile = "$(touch pwned)`touch pwned`';touch pwned;'\"\n\nEOF\n\\";
    let mut build = nouns::build();
    build.branch = hostile.to_owned();
    build.commit.message = hostile.to_owned();
    build.stages = vec![hostile.to_owned()];
    let ran = run_build(
        &build,
        "language: generic\nscript: ['test ! -e pwned', 'test \"$TRAVIS_COMMIT_MESSAGE\" = \"$TRAVIS_BRANCH\"']",
        &[],
    );
    assert_eq!(ran.code, Some(0), "{}", ran.log);
}

#[test]
fn travis_variables_are_set() {
    let ran = run("language: generic\nscript: env");
    for part in [
        "TRAVIS=true",
        "CI=true",
        "TRAVIS_BRANCH=main",
        "TRAVIS_BUILD_NUMBER=3",
        "TRAVIS_JOB_NUMBER=3.1",
        "TRAVIS_REPO_SLUG=acme/widget",
        "TRAVIS_EVENT_TYPE=push",
        "TRAVIS_PULL_REQUEST=false",
        "TRAVIS_COMMIT_MESSAGE=Mend the widget",
        "TRAVIS_JOB_WEB_URL=http://127.0.0.1:27729/acme/widget/jobs/11",
        "TRAVIS_DIST=bookworm",
        "TRAVIS_STAGE=script",
        "TRAVIS_TEST_RESULT=",
    ] {
        assert!(
            ran.log.lines().any(|line| line.ends_with(part)),
            "{part}: {}",
            ran.log
        );
    }
}

#[test]
fn a_version_that_is_not_there_errors_the_job() {
    let ran = run("language: python\npython: '2.1'\nscript: 'true'");
    assert_eq!(ran.code, Some(2), "{}", ran.log);
    assert!(
        ran.log
            .contains("Python 2.1 is not installed on this machine."),
        "{}",
        ran.log
    );
    let ran = run("language: c\ncompiler: quitecc\nscript: 'true'");
    assert_eq!(ran.code, Some(2), "{}", ran.log);
    assert!(
        ran.log
            .contains("compiler quitecc is not installed on this machine."),
        "{}",
        ran.log
    );
}

#[test]
fn without_a_language_nothing_is_set_up() {
    let linted = lint(b"script: 'true'").unwrap();
    let mut build = nouns::build();
    build.messages = linted.messages;
    let ran = run_build(&build, "script: 'true'", &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert!(!ran.log.to_lowercase().contains("ruby"), "{}", ran.log);
}

#[test]
fn python_has_no_default_script() {
    let ran = run_build(&nouns::build(), "language: python\ninstall: skip", &[]);
    assert_eq!(ran.code, Some(1), "{}", ran.log);
}

#[test]
fn a_makefile_is_the_default_of_go() {
    let ran = run_build(
        &nouns::build(),
        "language: go\n",
        &[("Makefile", "all:\n\t@echo made\n")],
    );
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert!(ran.log.contains("\nmade\n"), "{}", ran.log);
}

#[test]
fn deploy_by_script_runs_only_where_it_may() {
    let deploy = "language: generic\nscript: 'true'\nbefore_deploy: echo before\nafter_deploy: echo after\ndeploy:\n  provider: script\n  script: echo deployed; false\n  on: {branch: BRANCH}\n";
    let ran = run(&deploy.replace("BRANCH", "main"));
    assert_eq!(ran.code, Some(2), "{}", ran.log);
    assert!(
        ran.log.contains("\nbefore\n")
            && ran.log.contains("\ndeployed\n")
            && ran.log.contains("failed to deploy")
    );
    let ran = run(&deploy.replace("BRANCH", "other"));
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert!(
        ran.log.contains(
            "Skipping a deployment with the script provider because this branch is not permitted"
        ),
        "{}",
        ran.log
    );
    let ran = run(&deploy.replace("BRANCH", "main").replace("; false", ""));
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert!(ran.log.contains("\nafter\n"));
}

#[test]
fn secrets_are_left_out_and_said() {
    let row = first_job(
        "language: generic\nenv:\n  global:\n  - secure: YWJj\n  - A: {secure: YWJj}\nscript: 'true'",
    );
    let plan = nouns::plan(&nouns::build(), row, &[]);
    assert!(
        plan.notes
            .iter()
            .any(|note| note.contains("encrypted variables") && note.contains('A')),
        "{:?}",
        plan.notes
    );
    assert!(!plan.script.contains("YWJj"));
}

#[test]
fn events_have_names() {
    let mut build = nouns::build();
    build.event = EventKind::Cron;
    build.tag = Some("v1".to_owned());
    let ran = run_build(
        &build,
        "language: generic\nscript: echo \"$TRAVIS_EVENT_TYPE $TRAVIS_TAG\"",
        &[],
    );
    assert!(ran.log.contains("\ncron v1\n"), "{}", ran.log);
}

#[test]
fn addons_and_workspaces_are_said() {
    let ran = run(
        "language: generic\naddons:\n  apt: {packages: [bash, no-such-package]}\n  chrome: stable\n  sauce_connect: true\n  snaps: [x]\n\
         workspaces: {create: {name: a, paths: [b]}, use: c}\nscript: 'true'",
    );
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    for part in [
        "addons.apt: nothing is installed for this job, which has no root",
        "Not on this machine: no-such-package.",
        "addons.sauce_connect does nothing",
        "addons.snaps does nothing",
        "chrome",
        "Workspaces are not used",
        "Workspaces are not created",
    ] {
        assert!(ran.log.contains(part), "{part}: {}", ran.log);
    }
}

#[test]
fn packages_are_installed_by_a_script_of_their_own() {
    let yaml = "language: generic\nscript: 'true'\naddons:\n  apt:\n    packages: [cmake, -o=x, \"a b'c\"]\n    config: {retries: true}\n    \
                sources: [{sourceline: 'deb https://example.org/ x main', key_url: https://example.org/key}, ubuntu-toolchain-r-test]";
    let plan = nouns::plan_with_packages(&nouns::build(), first_job(yaml));
    assert!(!plan.script.contains("cmake"), "{}", plan.script);
    let script = plan.packages.unwrap();
    assert!(is_bash(&script));
    for part in [
        "_travis_apt_options='-o Acquire::Retries=3 '\n",
        "_travis_apt_key 'https://example.org/key'\n_travis_apt_line 'deb https://example.org/ x main'\n",
        "_travis_apt_ppa 'ubuntu-toolchain-r/test'\n_travis_apt_update\n",
        "_travis_apt_install 'cmake' '-o=x' 'a b'\\''c'\n",
    ] {
        assert!(script.contains(part), "{part}: {script}");
    }
    // Where it isn't allowed there is no such script, and where nothing is asked for neither.
    assert_eq!(
        nouns::plan(&nouns::build(), first_job(yaml), &[]).packages,
        None
    );
    for none in [
        "{}",
        "{apt: {packages: []}}",
        "{apt: {enabled: false, packages: [x]}}",
    ] {
        let yaml = format!("language: generic\nscript: 'true'\naddons: {none}");
        let plan = nouns::plan_with_packages(&nouns::build(), first_job(&yaml));
        assert_eq!(plan.packages, None, "{none}");
    }
}

#[test]
fn deploy_conditions_are_joined_by_and() {
    let deployed = |on: &str| {
        let yaml = format!(
            "language: generic\nenv: X=1\nscript: 'true'\ndeploy: {{provider: script, script: echo deployed, on: {on}}}"
        );
        let ran = run(&yaml);
        assert_eq!(ran.code, Some(0), "{on}: {}", ran.log);
        (ran.log.contains("\ndeployed\n"), ran.log)
    };
    for on in [
        "main",
        "{branch: [x, main]}",
        "{all_branches: true}",
        "{all_branches: true, repo: acme/widget, condition: $X = 1}",
        "{branch: main, tags: false, os: linux, condition: ['$X -ge 1', '-d /']}",
    ] {
        let (deployed, log) = deployed(on);
        assert!(deployed, "{on}: {log}");
    }
    for (on, why) in [
        ("master", "this branch is not permitted"),
        ("{tags: true}", "this is not a tagged commit"),
        (
            "{branch: main, repo: acme/other}",
            "this repo's name does not match",
        ),
        (
            "{branch: main, condition: $X = 2}",
            "a custom condition was not met",
        ),
        (
            "{branch: main, condition: ['$X = 1', '$X = 2']}",
            "a custom condition was not met",
        ),
        (
            "{branch: main, python: '3.8'}",
            "this is not on the required python",
        ),
        ("{branch: main, os: osx}", "this is not on the required os"),
    ] {
        let (deployed, log) = deployed(on);
        assert!(!deployed && log.contains(why), "{on}: {log}");
    }
    let ran =
        run("language: generic\nscript: 'true'\ndeploy: {provider: script, script: echo deployed}");
    assert!(
        !ran.log.contains("\ndeployed\n"),
        "no branch is master: {}",
        ran.log
    );
}

#[test]
fn each_provider_has_its_own_deployment() {
    let yaml = "language: generic\nscript: 'true'\nbefore_deploy: echo before\nafter_deploy: echo after\ndeploy:\n\
        - {provider: script, script: 'false', allow_failure: true, on: main}\n\
        - {provider: pages, token: $T, keep_history: true, local_dir: a b, on: main}\n\
        - {provider: script, script: echo never, on: main}";
    let world = World {
        programs: &[("bin/dpl", "printf '[%s]' \"$@\"; echo; exit 3")],
        ..World::default()
    };
    let ran = run_in(&nouns::build(), yaml, &world);
    assert_eq!(ran.code, Some(2), "{}", ran.log);
    assert_eq!(ran.log.matches("\nbefore\n").count(), 2, "{}", ran.log);
    assert_eq!(ran.log.matches("\nafter\n").count(), 1, "{}", ran.log);
    assert!(
        ran.log
            .contains("[pages][--strategy][git][--token][][--keep-history][--local-dir][a b]"),
        "{}",
        ran.log
    );
    assert!(!ran.log.contains("\nnever\n"), "{}", ran.log);
    let ran = run(&yaml.replace("provider: pages", "provider: s3"));
    assert!(
        ran.log
            .contains("Deploying with the s3 provider needs the program dpl"),
        "{}",
        ran.log
    );
    assert_eq!(ran.code, Some(2), "{}", ran.log);
}

#[test]
fn nothing_is_deployed_after_a_failure_or_from_a_pull_request() {
    let yaml = "language: generic\nscript: 'false'\ndeploy: {provider: script, script: echo deployed, on: main}";
    let ran = run(yaml);
    assert_eq!(ran.code, Some(1), "{}", ran.log);
    assert!(!ran.log.contains("\ndeployed\n"), "{}", ran.log);
}

fn is_bash(script: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.sh");
    std::fs::write(&path, script).unwrap();
    Command::new("bash")
        .arg("-n")
        .arg(&path)
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_text_makes_a_good_script(text in "\\PC*|[\\x00-\\x7f]*|(['\"`$(){}\\\\\n;&|<>#!]|EOF|\\[\\[|fi|done)*", language in 0usize..34) {
        let languages = ["generic", "c", "cpp", "python", "ruby", "node_js", "go", "rust", "java", "scala", "clojure",
            "php", "perl", "haskell", "elixir", "erlang", "julia", "r", "d", "dart", "haxe", "elm", "csharp", "hack", "objective-c",
            "android", "groovy", "perl6", "crystal", "nix", "smalltalk", "matlab", "shell", "unheard-of"];
        let value = serde_json::json!({
            "language": languages[language], "os": text, "name": text, "env": [{"A": text}, {text.clone(): "x"}],
            "python": text, "rvm": text, "go": text, "node_js": text, "compiler": text, "gemfile": text, "bundler_args": text,
            "npm_args": text, "install": [text], "script": [text, {text.clone(): text}], "after_success": [text], "jdk": text,
            "deploy": [{"provider": text, "on": {"branch": [text], "condition": [text], "repo": text, "python": text}, text.clone(): text},
                       {"provider": "script", "script": text}],
            "services": [text, "redis"], "cache": {"directories": [text]}, "workspaces": {"create": {"name": text}, "use": [text]},
            "addons": {"apt": {"packages": [text], "sources": [text, {"sourceline": text, "key_url": text}]}, "hosts": [text], "ssh_known_hosts": [text], "postgresql": text, "mariadb": text, "snaps": [text]},
            "git": {"autocrlf": text, "sparse_checkout": text, "symlinks": text, "strategy": "tarball"}, "hxml": [text], "solution": text,
            "virtualenv": {"system_site_packages": text}, "dart_task": {"test": text, "dartanalyzer": text}, "r_packages": [text],
            "go_import_path": text, "gobuild_args": text, "android": {"components": [text]}, "xcode_scheme": text, "xcode_project": text,
            "otp_release": text, "elixir": text, "smalltalk_config": [text], "cabal": text, "neko": text, "mono": text, "dotnet": text,
        });
        let row = Row { config: serde_json::from_value(value).unwrap(), assumed: Vec::new() };
        let mut build = nouns::build();
        build.branch = text.clone();
        build.commit.message = text.clone();
        let packages = nouns::plan_with_packages(&build, row.clone()).packages;
        prop_assert!(packages.is_none_or(|script| is_bash(&script)));
        let session = nouns::plan_debug(&build, row.clone());
        prop_assert!(is_bash(&session.script));
        let plan = nouns::plan(&build, row, &[("X".to_owned(), text)]);
        prop_assert!(is_bash(&plan.script));
    }
}
