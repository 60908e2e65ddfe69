//! Files and lines nobody should send, and what they get for it.

use crate::harness::{Repo, Server, wait_for};

fn verdict(server: &Server, slug: &str) -> (String, String) {
    wait_for("a decided request", || {
        let request = server.get(&format!("/requests?slug={slug}"))["requests"][0].clone();
        let text = |key: &str| request[key].as_str().unwrap_or_default().to_owned();
        (!request["result"].is_null()).then(|| (text("result"), text("message")))
    })
}

#[test]
fn a_file_that_is_no_configuration_is_rejected_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let huge = format!("language: shell\nscript: true\n# {}\n", "x".repeat(1 << 20));
    let bomb: String = std::iter::once("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned())
        .chain((1..12).map(|n| {
            format!(
                "a{n}: &a{n} [{}]\n",
                vec![format!("*a{}", n - 1); 10].join(", ")
            )
        }))
        .collect();
    let cases = [
        ("broken", "language: [shell\n", "line"),
        ("scalar", "just text\n", ""),
        ("huge", huge.as_str(), "1"),
        ("bomb", bomb.as_str(), ""),
        ("binary", "\u{1}\u{2}\u{0}\u{7f}", ""),
    ];
    let repos: Vec<Repo> = cases
        .iter()
        .map(|(name, text, _)| {
            Repo::new(dir.path(), &format!("bad/{name}"), &[(".travis.yml", text)])
        })
        .collect();
    let server = Server::start(dir.path(), &repos.iter().collect::<Vec<_>>(), "");
    for ((name, _, part), repo) in cases.iter().zip(&repos) {
        assert!(repo.push(&["origin", "main"]).status.success());
        let (result, message) = verdict(&server, &format!("bad/{name}"));
        assert_eq!(result, "rejected", "{name}: {message}");
        assert!(
            !message.is_empty() && message.contains(part),
            "{name}: {message}"
        );
    }
}

#[test]
fn bytes_that_are_no_utf_8_do_not_stop_a_build() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::new(dir.path(), "bad/bytes", &[]);
    std::fs::write(
        repo.clone.join(".travis.yml"),
        b"language: shell\nscript: echo '\xff\xfe' # \xe4\n",
    )
    .unwrap();
    repo.commit("bytes", &[]);
    let server = Server::start(dir.path(), &[&repo], "");
    assert!(repo.push_and_wait().contains("passed"));
    assert_eq!(verdict(&server, "bad/bytes").0, "accepted");
}

#[test]
fn hostile_names_and_messages_are_data() {
    let dir = tempfile::tempdir().unwrap();
    let config = "language: shell\nscript:\n  - test ! -e /tmp/p\n  - printf '%s|' \"$TRAVIS_BRANCH\" \"$TRAVIS_COMMIT_MESSAGE\"\n";
    let repo = Repo::new(dir.path(), "bad/names", &[]);
    let message = "it's \"quoted\" $(touch /tmp/p) `touch /tmp/p`\n\nEOF\n'; touch /tmp/p; '";
    repo.commit(message, &[(".travis.yml", config)]);
    let server = Server::start(dir.path(), &[&repo], "");
    let branch = "a$(id>/tmp/p)b'c\"d;e";
    let output = repo.push(&[
        "-o",
        "assay.wait",
        "origin",
        &format!("main:refs/heads/{branch}"),
    ]);
    let seen = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(seen.contains("passed"), "{seen}");
    let build = server.newest_build("bad/names");
    let log = server.log_of(&build["jobs"][0]).replace("\r\n", "\n");
    assert!(log.contains(&format!("{branch}|{message}")), "{log}");
}

#[test]
fn a_repository_nobody_registered_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let known = Repo::new(dir.path(), "team/known", &[]);
    let stranger = Repo::new(dir.path(), "team/stranger", &[]);
    let server = Server::start(dir.path(), &[&known], "");
    server.cli(&["hook", "install", stranger.bare.to_str().unwrap()]);
    let output = stranger.push(&["origin", "main"]);
    let seen = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{seen}");
    assert!(
        seen.contains("not registered") && seen.contains("assay repo add"),
        "{seen}"
    );
}

#[test]
fn a_secret_that_cannot_be_read_yet_is_left_out_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let config = "language: shell\nenv:\n  global:\n    - secure: \"c2VjcmV0\"\n    - PLAIN=1\nscript: test \"$PLAIN\" = 1\n";
    let repo = Repo::new(dir.path(), "team/secret", &[(".travis.yml", config)]);
    let server = Server::start(dir.path(), &[&repo], "");
    assert!(repo.push_and_wait().contains("passed"));
    let build = server.newest_build("team/secret");
    assert!(
        server
            .log_of(&build["jobs"][0])
            .contains("encrypted variables"),
        "one line says what was left out"
    );
}
