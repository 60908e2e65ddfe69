//! Pushes by stock Git to a repository with the hook in it.

use std::fs;
use std::os::unix::net::UnixListener;

use assay_hooks::{Accepted, Answer, Hint, Refusal, drop_spooled, read_spool};

use super::world::{World, accept, line, send};

#[test]
fn the_daemon_is_told_and_the_pusher_too() {
    let world = World::new();
    world.install();
    let daemon = world.daemon(accept);
    let mut push = world.push_command(&["-o", "ci.skip", "-o", "x=\u{e9}"]);
    let output = push
        .env("ASSAY_USER", "ann")
        .env("GL_USER", "bob")
        .output()
        .unwrap();
    let seen = String::from_utf8_lossy(&output.stderr);
    assert!(
        seen.contains("remote: assay: build http://ci/builds/1 "),
        "{seen}"
    );
    let hint = daemon.join().unwrap();
    assert_eq!(
        hint.repository,
        fs::canonicalize(world.repo()).unwrap().to_str().unwrap()
    );
    assert_eq!(hint.updates.len(), 1);
    assert_eq!(hint.updates[0].ref_name, "refs/heads/main");
    assert_eq!(hint.updates[0].old, "0".repeat(40));
    assert_eq!(
        hint.updates[0].new,
        world.git_in_clone(&["rev-parse", "HEAD"])
    );
    assert_eq!(hint.options, ["ci.skip", "x=\u{e9}"]);
    assert_eq!((hint.pusher.as_deref(), hint.wait), (Some("ann"), false));
    assert_eq!(read_spool(&world.repo()).unwrap(), []);
}

#[test]
fn the_pusher_is_known_by_the_first_name_given() {
    let names = ["ASSAY_USER", "GL_USER", "GITEA_PUSHER_NAME", "REMOTE_USER"];
    for (index, name) in names.iter().enumerate() {
        let world = World::new();
        world.install();
        let daemon = world.daemon(accept);
        world.run_hook(line("refs/heads/x").as_bytes(), |command| {
            command
                .envs(names[index..].iter().map(|name| (name, name)))
                .env(names[0], if index > 0 { "" } else { names[0] });
        });
        assert_eq!(daemon.join().unwrap().pusher.as_deref(), Some(*name));
    }
}

#[test]
fn several_refs_and_deletions_come_in_one_hint() {
    let world = World::new();
    world.install();
    world.push(&["HEAD:old"]);
    let daemon = world.daemon(|hint, stream| {
        let entry = |ref_name: &str, url: Option<&str>, note: Option<&str>| Accepted {
            ref_name: ref_name.to_owned(),
            url: url.map(str::to_owned),
            note: note.map(str::to_owned),
        };
        assert_eq!(hint.updates.len(), 3);
        send(
            stream,
            &Answer::Accepted(vec![
                entry("refs/heads/new", Some("http://ci/1"), None),
                entry("refs/heads/old", None, Some("the branch is gone")),
                entry("refs/tags/v1", Some("http://ci/2"), Some("no .travis.yml")),
            ]),
        );
    });
    world.git_in_clone(&["tag", "v1"]);
    let seen = world.push(&["HEAD:new", ":old", "v1"]);
    for expected in [
        "remote: assay: build http://ci/1 (refs/heads/new)",
        "remote: assay: no build (refs/heads/old): the branch is gone",
        "remote: assay: build http://ci/2 (refs/tags/v1): no .travis.yml",
    ] {
        assert!(seen.contains(expected), "{seen}");
    }
    let hint = daemon.join().unwrap();
    let gone = hint
        .updates
        .iter()
        .find(|update| update.ref_name == "refs/heads/old")
        .unwrap();
    assert_eq!(gone.new, "0".repeat(40));
}

#[test]
fn without_a_daemon_the_push_is_spooled() {
    let world = World::new();
    world.install();
    let seen = world.push(&["-o", "assay.wait"]);
    assert!(
        seen.contains(
            "remote: assay: the daemon does not run; the push is noted and will be built"
        ),
        "{seen}"
    );
    let spooled = read_spool(&world.repo()).unwrap();
    let (path, hint) = &spooled[0];
    assert_eq!(hint.updates[0].ref_name, "refs/heads/main");
    assert!(path.ends_with(format!("assay/spool/{}.json", hint.delivery)));
    world.commit("second");
    world.push(&[]);
    let both = read_spool(&world.repo()).unwrap();
    assert_eq!(both.len(), 2);
    assert_ne!(both[0].1.delivery, both[1].1.delivery);
    for (path, _) in &both {
        drop_spooled(path).unwrap();
        drop_spooled(path).unwrap();
    }
    assert_eq!(read_spool(&world.repo()).unwrap(), []);
}

#[test]
fn a_silent_daemon_does_not_hold_the_push() {
    let world = World::new();
    world.install();
    // Listens, but nobody ever accepts: the caller is connected and never answered.
    let _silent = UnixListener::bind(world.options().socket).unwrap();
    let seen = world.push(&[]);
    assert!(
        seen.contains("remote: assay: the daemon is busy; the push is noted"),
        "{seen}"
    );
    assert_eq!(read_spool(&world.repo()).unwrap().len(), 1);
}

#[test]
fn a_daemon_that_breaks_off_or_talks_rubbish_is_no_daemon() {
    let answers: [&[u8]; 3] = [b"", b"{\"accep", b"\xff\xfe\n[]\n{\"unheard-of\":1}\n"];
    for answer in answers {
        let world = World::new();
        world.install();
        let daemon =
            world.daemon(move |_, stream| std::io::Write::write_all(stream, answer).unwrap());
        let seen = world.push(&[]);
        assert!(
            seen.contains("remote: assay: the daemon broke off; the push is noted"),
            "{seen}"
        );
        daemon.join().unwrap();
        assert_eq!(read_spool(&world.repo()).unwrap().len(), 1);
    }
}

#[test]
fn a_refusal_is_told_and_spooled_only_on_request() {
    for spool in [true, false] {
        let world = World::new();
        world.install();
        let refusal = Answer::Refused(Refusal {
            text: "the disk is \u{1b}[2Jfull".to_owned(),
            spool,
        });
        let daemon = world.daemon(move |_, stream| send(stream, &refusal));
        let seen = world.push(&[]);
        assert!(seen.contains("the disk is full"), "{seen}");
        assert_eq!(read_spool(&world.repo()).unwrap().len(), usize::from(spool));
        daemon.join().unwrap();
    }
}

#[test]
fn the_hook_before_gets_all_and_its_status_is_passed_on() {
    let world = World::new();
    let script = "#!/bin/sh\ncat > seen-input\nprintf '%s\\n' \"$@\" > seen-arguments\nenv > seen-environment\n\
        echo before\nexit 7\n";
    world.write_hook("post-receive", 0o755, script);
    world.install();
    let daemon = world.daemon(accept);
    let input = format!(
        "{}rubbish\u{1b}\n{}",
        line("refs/heads/a"),
        line("refs/heads/b")
    );
    let output = world.run_hook(input.as_bytes(), |command| {
        command
            .args(["one", "two words", ""])
            .env("SOME_VARIABLE", "a b");
    });
    assert_eq!(output.status.code(), Some(7));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("before\nassay: "), "{said}");
    let read = |name| fs::read_to_string(world.repo().join(name)).unwrap();
    assert_eq!(read("seen-input"), input);
    assert_eq!(read("seen-arguments"), "one\ntwo words\n\n");
    let environment = read("seen-environment");
    assert!(environment.contains("SOME_VARIABLE=a b\n") && environment.contains("GIT_DIR=.\n"));
    assert_eq!(daemon.join().unwrap().updates.len(), 2);
}

#[test]
fn hooks_before_of_every_kind_are_run() {
    let big = line("refs/heads/main").repeat(20_000);
    let cases: [(&str, i32); 4] = [
        ("#!/bin/sh\nexit 0\n", 0),
        ("exit 3\n", 3),
        ("#!/bin/sh\nkill -TERM $$\n", 143),
        ("#!/no/such/interpreter\n", 0),
    ];
    for (script, status) in cases {
        let world = World::new();
        world.write_hook("post-receive", 0o755, script);
        world.install();
        let output = world.run_hook(big.as_bytes(), |_| {});
        assert_eq!(output.status.code(), Some(status), "{script}");
        let spooled = read_spool(&world.repo()).unwrap();
        assert_eq!(
            spooled[0].1.updates.len() as u64 + spooled[0].1.left_out,
            20_000
        );
    }
}

#[test]
fn a_binary_that_is_gone_does_not_fail_the_push() {
    let world = World::new();
    world.write_hook("post-receive", 0o755, "#!/bin/sh\ncat\nexit 5\n");
    world.install();
    fs::remove_file(world.path("bin/assay's")).unwrap();
    let seen = world.push(&[]);
    assert!(
        seen.contains("remote: assay: no build now: ") && seen.contains("refs/heads/main"),
        "{seen}"
    );
    let output = world.run_hook(b"a b c\n", |_| {});
    assert_eq!(output.status.code(), Some(5));
    assert!(output.stdout.ends_with(b"\na b c\n"));

    let alone = World::new();
    alone.install();
    fs::remove_file(alone.path("bin/assay's")).unwrap();
    assert!(alone.push(&[]).contains("remote: assay: no build now: "));
    assert!(alone.run_hook(b"", |_| {}).status.success());
}

#[test]
fn malformed_lines_are_told_and_the_rest_goes_through() {
    let world = World::new();
    world.install();
    let input = format!("rubbish\n{}\n\u{1b}]0;x\u{7}\n", line("refs/heads/main"));
    let output = world.run_hook(input.as_bytes(), |_| {});
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    assert!(
        said.contains(
            "assay: ignored a line of the hook's input that is not OLD NEW REF: rubbish\n"
        ),
        "{said}"
    );
    assert!(!said.contains('\u{1b}'), "{said:?}");
    assert_eq!(read_spool(&world.repo()).unwrap()[0].1.updates.len(), 1);

    let nothing = World::new();
    nothing.install();
    for input in ["", "\n\n", "rubbish\n"] {
        assert!(nothing.run_hook(input.as_bytes(), |_| {}).status.success());
    }
    assert_eq!(read_spool(&nothing.repo()).unwrap(), []);
}

#[test]
fn push_options_are_bounded() {
    let world = World::new();
    world.install();
    let output = world.run_hook(line("refs/heads/main").as_bytes(), |command| {
        command
            .env("GIT_PUSH_OPTION_COUNT", "70")
            .env("GIT_PUSH_OPTION_0", "x".repeat(2000));
        command.envs((1..70).map(|index| (format!("GIT_PUSH_OPTION_{index}"), "y")));
    });
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("assay: left out 7 push options")
    );
    let hint: &Hint = &read_spool(&world.repo()).unwrap()[0].1;
    assert_eq!(hint.options.len(), 63);
}

#[test]
fn a_repository_that_was_never_prepared_is_spooled_too() {
    let world = World::new();
    world.install();
    fs::remove_dir_all(world.repo().join("assay")).unwrap();
    world.push(&[]);
    assert_eq!(read_spool(&world.repo()).unwrap().len(), 1);
}

#[test]
fn a_push_into_a_linked_work_tree_names_its_repository() {
    let world = World::new();
    assay_hooks::install(&world.clone(), &world.options()).unwrap();
    world.git_in_clone(&[
        "worktree",
        "add",
        "-q",
        world.path("tree").to_str().unwrap(),
    ]);
    let target = world.path("tree");
    let mut push = world.command("git");
    push.current_dir(world.clone()).args([
        "push",
        target.to_str().unwrap(),
        "HEAD:refs/heads/other",
    ]);
    assert!(push.output().unwrap().status.success());
    let spooled = read_spool(&world.clone().join(".git")).unwrap();
    assert_eq!(spooled[0].1.updates[0].ref_name, "refs/heads/other");
}
