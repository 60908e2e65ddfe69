//! Jobs with `virt: wasm`, seen from outside: a build with the back-end runs them, any other says which build does.

use std::process::{Command, Output};

use crate::harness::{ASSAY, Repo};

/// Writes a line.
const HELLO: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\06\00\00\00") (data (i32.const 16) "hello\0a")
  (func (export "_start") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

fn run(yml: &str) -> Output {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", yml)]);
    let program = wat::parse_str(HELLO).expect("a good module");
    std::fs::write(repo.clone.join("hello.wasm"), program).expect("a file in the work tree");
    Command::new(ASSAY)
        .arg("run")
        .current_dir(&repo.clone)
        .env("HOME", dir.path())
        .env("ASSAY_STATE", dir.path().join("state"))
        .output()
        .expect("the program starts")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
#[cfg(not(feature = "wasm"))]
fn a_build_without_the_back_end_says_so() {
    let output = run("virt: wasm\nscript: ./hello.wasm\n");
    assert_eq!(output.status.code(), Some(1));
    let text = text(&output);
    assert!(text.contains("no wasm back-end"), "{text}");
}

#[test]
#[cfg(feature = "wasm")]
fn phases_of_programs_have_the_rules_and_the_log_of_any_job() {
    let yml = "virt: wasm\nenv: WORD='a b'\nbefore_script: [mkdir out, ./hello.wasm > out/word]\n\
               script: [test \"$(cat out/word)-$WORD\" = \"hello-a b\", ./hello.wasm && echo $TRAVIS_BRANCH]\n\
               after_success: echo good\nafter_failure: echo bad\n";
    let output = run(yml);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for part in [
        "$ export WORD='a b'",
        "travis_fold:start:before_script.2",
        "travis_time:end:",
        "The command \"./hello.wasm && echo $TRAVIS_BRANCH\" exited with 0.",
        "hello\nmain",
        "good",
        "Done. Your build exited with 0.",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("\nbad"), "{text}");
}

#[test]
#[cfg(feature = "wasm")]
fn a_failure_before_the_script_ends_the_job_and_programs_of_the_host_are_none() {
    let output = run("virt: wasm\ninstall: ls\nscript: echo never\n");
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("ls: not found"), "{text}");
    assert!(
        text.contains("failed and exited with 127 during install"),
        "{text}"
    );
    assert!(!text.contains("never\n"), "{text}");
}

#[test]
#[cfg(feature = "wasm")]
fn a_cache_is_found_again_and_artifacts_are_kept() {
    use crate::harness::{Server, git};
    let yml = "virt: wasm\ncache: {directories: [$HOME/kept]}\naddons: {artifacts: {paths: [out.txt]}}\n\
               script:\n  - test -f ~/kept/a && echo again || echo first\n  - mkdir -p ~/kept && echo x > ~/kept/a && echo made > out.txt\n";
    let dir = tempfile::tempdir().expect("a folder for the test");
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", yml)]);
    let server = Server::start(dir.path(), &[&repo], "");
    let first = repo.push_and_wait();
    for part in [
        "no cache found",
        "\u{1b}[0m",
        "first",
        "cache stored: 2 files",
        "artifacts stored: 1 files",
    ] {
        assert!(first.contains(part), "{part}: {first}");
    }
    git(
        &repo.clone,
        &["commit", "-q", "--allow-empty", "-m", "more"],
    );
    let second = repo.push_and_wait();
    for part in [
        "found cache: 2 files",
        "-wasm-",
        "again",
        "nothing changed, not updating cache",
    ] {
        assert!(second.contains(part), "{part}: {second}");
    }
    assert_eq!(server.newest_build("team/app")["build"]["state"], "passed");
}
