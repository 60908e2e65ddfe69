//! The shell of a debug session, run for real: bash reads the script as its start-up file, the input is what a person types.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::nouns;
use crate::shell::first_job;

/// Everything that the shell of the first job's session shows for this input.
fn session(yaml: &str, typed: &str) -> (Option<i32>, String) {
    let plan = nouns::plan_debug(&nouns::build(), first_job(yaml));
    let home = tempfile::tempdir().unwrap();
    let moved = |text: &str| text.replace("/home/travis", home.path().to_str().unwrap());
    std::fs::create_dir_all(Path::new(&moved(&plan.build_dir))).unwrap();
    let script = home.path().join("build.sh");
    std::fs::write(&script, moved(&plan.script)).unwrap();
    let mut child = Command::new("bash")
        .args(["--noprofile", "--rcfile"])
        .arg(&script)
        .arg("-i")
        .env_clear()
        .envs(plan.env.iter().map(|(name, value)| (name, moved(value))))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(typed.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text)
}

const YAML: &str = "language: generic
env: [GREETING=hello, OTHER=b]
before_install: KEPT=kept
before_script: 'false'
script: [echo \"$GREETING $KEPT\", 'test -f wanted']
after_failure: echo it failed
";

#[test]
fn the_environment_is_there_and_no_phase_has_run() {
    let (code, text) = session(YAML, "echo \"is $GREETING$KEPT in ${PWD##*/}\"\nexit 5\n");
    assert_eq!(code, Some(5), "{text}");
    assert!(text.contains("is hello in "), "{text}");
    assert!(text.contains("  travis_run_before_install\n"), "{text}");
    assert!(!text.contains("it failed"), "{text}");
}

#[test]
fn phases_are_run_by_name_in_one_shell() {
    let (_, text) = session(
        YAML,
        "travis_run_before_install; travis_run_script; echo \"first $TRAVIS_TEST_RESULT\"\n\
         touch wanted; travis_run_script; echo \"second $TRAVIS_TEST_RESULT\"\n\
         travis_run_after_failure; travis_run_after_success\n",
    );
    for wanted in [
        "\nhello kept\n",
        "first 1\n",
        "second 0\n",
        "\nit failed\n",
        "after_success: there is nothing to run.",
    ] {
        assert!(text.contains(wanted), "{wanted:?} in {text}");
    }
}

#[test]
fn what_would_end_a_job_ends_only_what_was_typed() {
    let (code, text) = session(
        YAML,
        "travis_run_before_script; echo not here\necho here\n(travis_terminate 4); echo \"inner $?\"\nexit 0\n",
    );
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("failed and exited with 1 during before_script"),
        "{text}"
    );
    assert!(!text.contains("not here"), "{text}");
    assert!(
        text.contains("\nhere\n") && text.contains("inner 4"),
        "{text}"
    );
}

#[test]
fn a_set_up_that_fails_leaves_a_shell_to_look_around_in() {
    let yaml = "language: python\npython: '1.0'\nscript: echo run";
    let (code, text) = session(yaml, "echo \"I am $LOGNAME\"\ntravis_run_script\nexit 0\n");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("A job would end here, with "), "{text}");
    assert!(text.contains("I am travis\n"), "{text}");
    assert!(!text.contains("The environment is set up"), "{text}");
    assert!(text.contains("\nrun\n"), "{text}");
}
