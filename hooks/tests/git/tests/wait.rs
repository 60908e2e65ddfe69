//! `git push -o assay.wait`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Stdio};
use std::sync::mpsc;

use assay_hooks::{Answer, End, LogText, StateOf, read_spool};

use super::world::{World, accept, line, send};

fn log(job: &str, text: &str) -> Answer {
    Answer::Log(LogText {
        job: job.to_owned(),
        text: text.to_owned(),
    })
}

fn state(job: &str, state: &str) -> Answer {
    Answer::State(StateOf {
        job: Some(job.to_owned()),
        build: None,
        state: state.to_owned(),
    })
}

fn end(verdict: &str) -> Answer {
    Answer::End(End {
        verdict: verdict.to_owned(),
        url: "http://ci/builds/1".to_owned(),
    })
}

fn start_push(world: &World) -> (Child, BufReader<ChildStderr>) {
    let mut child = world
        .push_command(&["-o", "assay.wait"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    (child, stderr)
}

/// Reads what the pusher sees up to a line with `text` in it.
fn read_until(seen: &mut impl BufRead, text: &str) -> String {
    let mut all = String::new();
    while !all.contains(text) {
        assert_ne!(seen.read_line(&mut all).unwrap(), 0, "no `{text}` in {all}");
    }
    all
}

#[test]
fn the_log_is_seen_while_the_job_runs() {
    let world = World::new();
    world.install();
    let (go, goes) = mpsc::channel();
    let daemon = world.daemon(move |hint, stream| {
        assert!(hint.wait);
        accept(hint, stream);
        send(stream, &state("1.1", "started"));
        send(stream, &log("1.1", "hel"));
        send(stream, &log("1.1", "lo\r\nnot yet"));
        goes.recv().unwrap();
        send(stream, &log("1.2", "other\r\n"));
        send(
            stream,
            &log(
                "1.1",
                " complete\r\n\u{1b}[32;1mgreen\u{1b}[0m\u{1b}[2J no end",
            ),
        );
        send(stream, &state("1.1", "failed"));
        send(stream, &end("failed"));
    });
    let (mut push, mut seen) = start_push(&world);
    let early = read_until(&mut seen, "1.1 | hello");
    assert!(
        early.find("build http://ci/builds/1").unwrap() < early.find("job 1.1 started").unwrap(),
        "{early}"
    );
    assert!(!early.contains("not yet"));
    go.send(()).unwrap();
    let mut late = String::new();
    seen.read_to_string(&mut late).unwrap();
    let order = [
        "1.2 | other",
        "1.1 | not yet complete",
        "no end",
        "assay: job 1.1 failed",
        "assay: failed http://ci/builds/1",
    ];
    let places: Vec<_> = order
        .iter()
        .map(|text| late.find(text).unwrap_or_else(|| panic!("{text}: {late}")))
        .collect();
    assert!(places.is_sorted(), "{late}");
    assert!(!late.contains("\u{1b}[2J"));
    // The verdict does not fail the push, which was accepted long before.
    assert!(push.wait().unwrap().success());
    daemon.join().unwrap();
    assert_eq!(read_spool(&world.repo()).unwrap(), []);
}

#[test]
fn a_daemon_that_goes_is_told() {
    let world = World::new();
    world.install();
    let daemon = world.daemon(|hint, stream| {
        accept(hint, stream);
        send(stream, &log("1.1", "half a line"));
    });
    let seen = world.push(&["-o", "assay.wait"]);
    daemon.join().unwrap();
    assert!(
        seen.find("1.1 | half a line").unwrap() < seen.find("the build goes on").unwrap(),
        "{seen}"
    );
    assert_eq!(read_spool(&world.repo()).unwrap(), []);
}

#[test]
fn a_busy_daemon_is_waited_for_but_the_push_is_spooled() {
    let world = World::new();
    world.install();
    let (go, goes) = mpsc::channel();
    let daemon = world.daemon(move |hint, stream| {
        goes.recv().unwrap();
        accept(hint, stream);
        send(stream, &end("passed"));
    });
    let (mut push, mut seen) = start_push(&world);
    read_until(&mut seen, "the daemon is busy; the push is noted");
    go.send(()).unwrap();
    read_until(&mut seen, "assay: passed http://ci/builds/1");
    assert!(push.wait().unwrap().success());
    let spooled = read_spool(&world.repo()).unwrap();
    assert_eq!(spooled[0].1.delivery, daemon.join().unwrap().delivery);
}

#[test]
fn a_pusher_who_goes_away_ends_the_wait() {
    let world = World::new();
    world.install();
    let (gone, is_gone) = mpsc::channel();
    let daemon = world.daemon(move |hint, stream| {
        accept(hint, stream);
        // Nothing more is said: the hook must notice by itself, and hang up.
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        gone.send(()).unwrap();
    });
    let mut hook = world.command(world.hook());
    hook.current_dir(world.repo())
        .env("GIT_DIR", ".")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut hook = hook
        .env("GIT_PUSH_OPTION_COUNT", "1")
        .env("GIT_PUSH_OPTION_0", "assay.wait")
        .spawn()
        .unwrap();
    std::io::Write::write_all(
        &mut hook.stdin.take().unwrap(),
        line("refs/heads/main").as_bytes(),
    )
    .unwrap();
    let mut seen = BufReader::new(hook.stdout.take().unwrap());
    read_until(&mut seen, "assay: build");
    drop(seen);
    is_gone.recv().unwrap();
    assert!(hook.wait().unwrap().success());
    daemon.join().unwrap();
}
