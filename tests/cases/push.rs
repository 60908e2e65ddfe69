//! From `git push` to a verdict.

use crate::harness::{Repo, Server};

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

#[test]
fn a_push_runs_the_matrix_and_the_pusher_sees_the_log_and_the_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", MATRIX)]);
    let server = Server::start(dir.path(), &[&repo], "");
    let seen = repo.push_and_wait();
    for text in ["suite one", "suite two", "suite bad", "delivered", "passed", &server.address] {
        assert!(seen.contains(text), "the pusher sees {text:?}:\n{seen}");
    }
    let build = server.newest_build("team/app");
    assert_eq!(build["build"]["state"], "passed");
    let states: Vec<_> = build["jobs"].as_array().unwrap().iter().map(|job| job["state"].clone()).collect();
    assert_eq!(states, ["passed", "passed", "failed", "passed"]);
    assert!(server.log_of(&build["jobs"][0]).contains("suite one"));
}
