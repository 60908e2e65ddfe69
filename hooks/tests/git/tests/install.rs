//! Installing and removing: what stands where, and that nothing is left.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use assay_hooks::{
    HookError, InstallOptions, Placement, Problem, PushOptions, check, hook_script, install,
    read_spool, remove,
};

use super::world::{World, snapshot};

/// Dispatches as Gitea's and Forgejo's own `post-receive` does.
const DISPATCHER: &str = "#!/bin/sh\ndata=$(cat)\nfor hook in \"$GIT_DIR\"/hooks/post-receive.d/*; do\n\
    test -x \"$hook\" && test -f \"$hook\" || continue\n\
    printf '%s\\n' \"$data\" | \"$hook\"\ndone\n";

fn config(world: &World, key: &str) -> String {
    world.git(world.repo(), &["config", "--default", "", "--get", key])
}

#[test]
fn a_plain_repository_gets_everything_and_is_restored() {
    let world = World::new();
    let before = snapshot(&world.repo());
    let installed = world.install();
    assert_eq!(
        (installed.placement, installed.changed),
        (Placement::Alone, true)
    );
    assert_eq!(installed.push_options, PushOptions::Set);
    assert_eq!(installed.hook, fs::canonicalize(world.hook()).unwrap());
    assert_eq!(fs::metadata(world.hook()).unwrap().mode() & 0o777, 0o755);
    assert_eq!(config(&world, "receive.advertisePushOptions"), "true");
    assert!(installed.notes.is_empty());

    let once = snapshot(&world.repo());
    let again = world.install();
    assert!(!again.changed);
    assert_eq!(again.push_options, PushOptions::Set);
    assert_eq!(snapshot(&world.repo()), once);

    let removed = remove(&world.repo()).unwrap();
    assert!(removed.hook.is_some() && removed.restored.is_none() && removed.push_options);
    assert_eq!(snapshot(&world.repo()), before);
    let twice = remove(&world.repo()).unwrap();
    assert!(twice.hook.is_none() && !twice.push_options);
    assert_eq!(snapshot(&world.repo()), before);
}

#[test]
fn a_repository_with_a_work_tree_is_served_too() {
    let world = World::new();
    let before = snapshot(&world.clone());
    let installed = install(&world.clone(), &world.options()).unwrap();
    assert!(installed.hook.ends_with("clone/.git/hooks/post-receive"));
    remove(&world.clone()).unwrap();
    assert_eq!(snapshot(&world.clone()), before);
}

#[test]
fn a_hook_that_was_there_runs_first_and_comes_back() {
    for (mode, text) in [
        (0o750, "#!/bin/sh\ncat\nexit 7\n"),
        (0o644, "not even executable"),
    ] {
        let world = World::new();
        world.write_hook("post-receive", mode, text);
        let before = snapshot(&world.repo());
        let installed = world.install();
        assert_eq!(installed.placement, Placement::Before);
        assert_eq!(
            fs::read_to_string(world.repo().join("hooks/post-receive.before-assay")).unwrap(),
            text
        );
        assert_eq!(world.install().placement, Placement::Before);
        assert!(remove(&world.repo()).unwrap().restored.is_some());
        assert_eq!(snapshot(&world.repo()), before);
    }
}

#[test]
fn a_hook_that_is_a_link_comes_back_as_a_link() {
    let world = World::new();
    fs::write(world.path("elsewhere"), "#!/bin/sh\n").unwrap();
    symlink("../../elsewhere", world.hook()).unwrap();
    let before = snapshot(&world.repo());
    world.install();
    assert!(!fs::symlink_metadata(world.hook()).unwrap().is_symlink());
    remove(&world.repo()).unwrap();
    assert_eq!(snapshot(&world.repo()), before);
    assert_eq!(
        fs::read_to_string(world.path("elsewhere")).unwrap(),
        "#!/bin/sh\n"
    );
}

#[test]
fn a_missing_hooks_folder_is_made_and_taken_away() {
    let world = World::new();
    fs::remove_dir_all(world.repo().join("hooks")).unwrap();
    let before = snapshot(&world.repo());
    world.install();
    world.install();
    assert!(world.hook().exists());
    remove(&world.repo()).unwrap();
    assert_eq!(snapshot(&world.repo()), before);
}

#[test]
fn post_receive_d_is_used_where_the_hook_runs_it() {
    let world = World::new();
    world.write_hook("post-receive", 0o755, DISPATCHER);
    world.write_hook("post-receive.d/forge", 0o755, "#!/bin/sh\necho forge\n");
    let before = snapshot(&world.repo());
    let installed = world.install();
    assert_eq!(installed.placement, Placement::DropIn);
    assert!(installed.hook.ends_with("hooks/post-receive.d/zz-assay"));
    assert_eq!(fs::read_to_string(world.hook()).unwrap(), DISPATCHER);
    let seen = world.push(&[]);
    assert!(
        seen.find("remote: forge").unwrap() < seen.find("remote: assay: ").unwrap(),
        "{seen}"
    );
    assert_eq!(read_spool(&world.repo()).unwrap().len(), 1);
    remove(&world.repo()).unwrap();
    world.git(
        "/",
        &[
            "--git-dir",
            world.repo().to_str().unwrap(),
            "update-ref",
            "-d",
            "refs/heads/main",
        ],
    );
    let restored = snapshot(&world.repo());
    let hooks =
        |path: &Path| path.starts_with(world.repo().join("hooks")) || path.ends_with("config");
    let only_hooks = |of: &super::world::Snapshot| {
        of.iter()
            .filter(|(path, _)| hooks(path))
            .map(|(p, v)| (p.clone(), v.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(only_hooks(&restored), only_hooks(&before));
    assert!(!world.repo().join("assay").exists());
}

#[test]
fn post_receive_d_is_not_used_where_nothing_runs_it() {
    let world = World::new();
    world.write_hook("post-receive.d/forge", 0o755, "#!/bin/sh\necho forge\n");
    assert_eq!(world.install().placement, Placement::Alone);
    remove(&world.repo()).unwrap();
    world.write_hook("post-receive", 0o755, "#!/bin/sh\necho mine\n");
    assert_eq!(world.install().placement, Placement::Before);
}

#[test]
fn a_drop_in_whose_dispatcher_went_becomes_the_hook() {
    let world = World::new();
    world.write_hook("post-receive", 0o755, DISPATCHER);
    world.write_hook("post-receive.d/forge", 0o755, "#!/bin/sh\n");
    world.install();
    fs::remove_file(world.hook()).unwrap();
    let report = check(&world.repo(), &world.options()).unwrap();
    assert!(
        report
            .problems
            .iter()
            .any(|problem| matches!(problem, Problem::NotRun(_)))
    );
    assert_eq!(world.install().placement, Placement::Alone);
    assert!(!world.repo().join("hooks/post-receive.d/zz-assay").exists());
}

#[test]
fn hooks_path_is_honoured_inside_the_repository() {
    let world = World::new();
    world.git(world.repo(), &["config", "core.hooksPath", "my hooks"]);
    let before = snapshot(&world.repo());
    let installed = world.install();
    assert!(installed.hook.ends_with("re po.git/my hooks/post-receive"));
    assert!(world.push(&[]).contains("remote: assay: "));
    remove(&world.repo()).unwrap();
    world.git(world.repo(), &["update-ref", "-d", "refs/heads/main"]);
    assert!(!world.repo().join("my hooks").exists());
    assert_eq!(
        fs::read(world.repo().join("config")).unwrap(),
        before[&world.repo().join("config")].1
    );
}

#[test]
fn a_hooks_path_for_several_repositories_keeps_the_hook_for_the_last() {
    let world = World::new();
    let shared = world.path("shared");
    fs::create_dir(&shared).unwrap();
    fs::write(shared.join("post-receive"), "#!/bin/sh\necho shared\n").unwrap();
    fs::set_permissions(
        shared.join("post-receive"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    let before = snapshot(&shared);
    let other = world.path("other.git");
    world.git("/", &["init", "-q", "--bare", other.to_str().unwrap()]);
    for repo in [world.repo(), other.clone()] {
        world.git(
            &repo,
            &["config", "core.hooksPath", shared.to_str().unwrap()],
        );
        let installed = install(&repo, &world.options()).unwrap();
        assert!(
            installed
                .notes
                .iter()
                .any(|note| note.contains("other repositories"))
        );
    }
    let seen = world.push(&[]);
    assert!(
        seen.contains("remote: shared") && seen.contains("remote: assay: "),
        "{seen}"
    );
    assert!(remove(&other).unwrap().hook.is_none());
    assert!(!other.join("assay").exists());
    assert!(fs::read(shared.join("post-receive")).unwrap() == hook_script(&world.options()));
    assert!(remove(&world.repo()).unwrap().restored.is_some());
    assert_eq!(snapshot(&shared), before);
}

#[test]
fn a_changed_hooks_path_moves_the_hook() {
    let world = World::new();
    world.write_hook("post-receive", 0o755, "#!/bin/sh\n");
    let before = snapshot(&world.repo().join("hooks"));
    world.install();
    fs::create_dir(world.repo().join("new")).unwrap();
    world.git(world.repo(), &["config", "core.hooksPath", "new"]);
    let report = check(&world.repo(), &world.options()).unwrap();
    assert!(
        report
            .problems
            .iter()
            .any(|problem| matches!(problem, Problem::NotInstalled(_)))
    );
    world.install();
    assert_eq!(snapshot(&world.repo().join("hooks")), before);
    assert!(world.repo().join("new/post-receive").exists());
}

#[test]
fn hooks_switched_off_are_told() {
    let world = World::new();
    world.git(world.repo(), &["config", "core.hooksPath", "/dev/null"]);
    assert!(matches!(
        install(&world.repo(), &world.options()),
        Err(HookError::HooksPath(_))
    ));
}

#[test]
fn the_spool_has_the_repositorys_mode() {
    let world = World::new();
    for (shared, mode) in [
        ("0600", 0o700),
        ("group", 0o2775),
        ("0640", 0o2750),
        ("all", 0o2777),
    ] {
        let repo = world.path(shared);
        world.git(
            "/",
            &[
                "init",
                "-q",
                "--bare",
                &format!("--shared={shared}"),
                repo.to_str().unwrap(),
            ],
        );
        let installed = install(&repo, &world.options()).unwrap();
        let mode_of = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(mode_of(&installed.spool), mode_of(&repo.join("objects")));
        assert_eq!(mode_of(&installed.spool) & 0o070, mode & 0o070, "{shared}");
    }
}

#[test]
fn what_was_said_on_push_options_stays() {
    let world = World::new();
    for (value, outcome) in [
        ("false", PushOptions::LeftOff),
        ("yes", PushOptions::AlreadyOn),
    ] {
        world.git(
            world.repo(),
            &["config", "receive.advertisePushOptions", value],
        );
        let before = fs::read(world.repo().join("config")).unwrap();
        assert_eq!(world.install().push_options, outcome);
        assert!(!remove(&world.repo()).unwrap().push_options);
        assert_eq!(fs::read(world.repo().join("config")).unwrap(), before);
    }
}

#[test]
fn any_configuration_file_is_restored() {
    let world = World::new();
    let path = world.repo().join("config");
    for ending in [
        "",
        "\n",
        "\n\n# a remark\n",
        "[receive]\n",
        "[receive]\n\tdenyDeletes = true",
        "[alias]\n\tx = \"a\\\nb\"",
    ] {
        let text = format!("[core]\n\tbare = true\n\trepositoryformatversion = 0\n{ending}");
        fs::write(&path, &text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(world.install().push_options, PushOptions::Set, "{ending:?}");
        assert_eq!(config(&world, "receive.advertisePushOptions"), "true");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert!(remove(&world.repo()).unwrap().push_options);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
    }
}

#[test]
fn what_others_configured_since_stays() {
    let world = World::new();
    world.install();
    world.git(world.repo(), &["config", "receive.denyDeletes", "true"]);
    assert!(remove(&world.repo()).unwrap().push_options);
    assert_eq!(config(&world, "receive.denyDeletes"), "true");
    assert_eq!(config(&world, "receive.advertisePushOptions"), "");

    world.install();
    world.git(
        world.repo(),
        &["config", "receive.advertisePushOptions", "false"],
    );
    assert!(!remove(&world.repo()).unwrap().push_options);
    assert_eq!(config(&world, "receive.advertisePushOptions"), "false");
}

#[test]
fn a_locked_configuration_is_named_and_left_alone() {
    let world = World::new();
    let lock = world.repo().join("config.lock");
    fs::write(&lock, "").unwrap();
    let error = install(&world.repo(), &world.options()).unwrap_err();
    assert!(
        matches!(error, HookError::Locked(_)) && error.way_out().unwrap().contains("config.lock")
    );
    assert!(lock.exists());
    fs::remove_file(&lock).unwrap();
    assert_eq!(world.install().push_options, PushOptions::Set);
}

#[test]
fn an_interrupted_installation_is_completed_or_undone() {
    for finish in [true, false] {
        let world = World::new();
        world.write_hook("post-receive", 0o755, "#!/bin/sh\necho mine\n");
        let before = snapshot(&world.repo());
        world.install();
        // As it stood between the hook's second name and its replacement, with a file half written.
        let hooks = world.repo().join("hooks");
        fs::remove_file(world.hook()).unwrap();
        fs::hard_link(hooks.join("post-receive.before-assay"), world.hook()).unwrap();
        fs::write(hooks.join(".post-receive.assay-new"), "#!/bin").unwrap();
        assert!(world.run_hook(b"", |_| {}).stdout.starts_with(b"mine"));
        if finish {
            assert_eq!(world.install().placement, Placement::Before);
            assert!(
                world.hook().exists()
                    && fs::read(world.hook()).unwrap() == hook_script(&world.options())
            );
        }
        remove(&world.repo()).unwrap();
        assert_eq!(snapshot(&world.repo()), before);
    }
}

#[test]
fn an_interrupted_removal_is_completed() {
    let world = World::new();
    world.write_hook("post-receive", 0o755, "#!/bin/sh\necho mine\n");
    let before = snapshot(&world.repo());
    world.install();
    fs::rename(
        world.repo().join("hooks/post-receive.before-assay"),
        world.hook(),
    )
    .unwrap();
    assert!(remove(&world.repo()).unwrap().push_options);
    assert_eq!(snapshot(&world.repo()), before);
}

#[test]
fn two_hooks_are_not_guessed_between() {
    let world = World::new();
    world.write_hook("post-receive", 0o755, "#!/bin/sh\necho one\n");
    world.install();
    world.write_hook("post-receive", 0o755, "#!/bin/sh\necho two\n");
    let error = install(&world.repo(), &world.options()).unwrap_err();
    assert!(matches!(error, HookError::TwoHooks { .. }));
    let report = check(&world.repo(), &world.options()).unwrap();
    assert!(
        report
            .problems
            .iter()
            .any(|problem| matches!(problem, Problem::Replaced(_)))
    );
    let removed = remove(&world.repo()).unwrap();
    assert!(
        removed.hook.is_none()
            && removed
                .notes
                .iter()
                .any(|note| note.contains("before-assay"))
    );
    assert_eq!(
        fs::read_to_string(world.hook()).unwrap(),
        "#!/bin/sh\necho two\n"
    );
}

#[test]
fn a_new_program_or_socket_brings_the_hook_up_to_date() {
    let world = World::new();
    world.install();
    let moved = InstallOptions {
        program: "/usr/bin/false".into(),
        ..world.options()
    };
    let report = check(&world.repo(), &moved).unwrap();
    assert!(
        report
            .problems
            .iter()
            .any(|problem| matches!(problem, Problem::Outdated(_)))
    );
    assert!(install(&world.repo(), &moved).unwrap().changed);
    assert_eq!(fs::read(world.hook()).unwrap(), hook_script(&moved));
}

#[test]
fn check_tells_what_is_missing() {
    let world = World::new();
    let report = check(&world.repo(), &world.options()).unwrap();
    assert!(
        report.hook.is_none() && report.problems.len() == 4,
        "{report:?}"
    );

    world.install();
    world.push(&[]);
    let report = check(&world.repo(), &world.options()).unwrap();
    assert_eq!(report.problems, [Problem::Socket(world.options().socket)]);
    assert_eq!(
        (report.placement, report.waiting),
        (Some(Placement::Alone), 1)
    );

    let _daemon = UnixListener::bind(world.options().socket).unwrap();
    assert_eq!(check(&world.repo(), &world.options()).unwrap().problems, []);
    fs::remove_file(world.options().program).unwrap();
    let gone = InstallOptions {
        program: world.path("bin/assay's"),
        ..world.options()
    };
    fs::remove_file(&gone.program).unwrap();
    assert_eq!(
        check(&world.repo(), &gone).unwrap().problems,
        [Problem::Program(gone.program)]
    );
}

#[test]
fn what_is_no_repository_is_refused() {
    let world = World::new();
    let options = world.options();
    assert!(matches!(
        install(&world.path("home"), &options),
        Err(HookError::NotARepository(_))
    ));
    assert!(matches!(
        install(&world.path("none"), &options),
        Err(HookError::Io { .. })
    ));
    world.git_in_clone(&[
        "worktree",
        "add",
        "-q",
        world.path("tree").to_str().unwrap(),
    ]);
    assert!(matches!(
        install(&world.path("tree"), &options),
        Err(HookError::LinkedWorkTree(_))
    ));
    let relative = InstallOptions {
        program: "assay".into(),
        ..world.options()
    };
    assert!(matches!(
        install(&world.repo(), &relative),
        Err(HookError::NotAbsolute(_))
    ));
    let long = InstallOptions {
        socket: format!("/{}", "x".repeat(120)).into(),
        ..world.options()
    };
    assert!(matches!(
        install(&world.repo(), &long),
        Err(HookError::SocketPath(_))
    ));
    assert!(!world.repo().join("assay").exists());
}

#[test]
fn a_broken_configuration_is_told_in_gits_words() {
    let world = World::new();
    fs::write(world.repo().join("config"), "[core\n").unwrap();
    let error = install(&world.repo(), &world.options()).unwrap_err();
    assert!(
        matches!(&error, HookError::Git { message, .. } if message.contains("bad config")),
        "{error}"
    );
    assert!(!world.hook().exists());
}

#[test]
fn what_root_installs_belongs_to_the_repositorys_owner() {
    let world = World::new();
    let (owner, group) = (1234, 4321);
    if fs::metadata(world.repo()).unwrap().uid() != 0 {
        drop(
            std::io::stderr()
                .write_all(b"\nSKIP owner of installed files: only root can give files away\n"),
        );
        return;
    }
    let give = |path: &Path| chown(path, Some(owner), Some(group)).unwrap();
    snapshot(&world.repo()).keys().for_each(|path| give(path));
    let before = snapshot(&world.repo());
    world.install();
    for path in snapshot(&world.repo()).keys() {
        let meta = fs::metadata(path).unwrap();
        assert_eq!(
            (meta.uid(), meta.gid()),
            (owner, group),
            "{}",
            path.display()
        );
    }
    // Others have written into our section: then Git rewrites the file.
    world.git(
        world.repo(),
        &["config", "--file", "config", "receive.denyDeletes", "true"],
    );
    let config = world.repo().join("config");
    give(&config);
    remove(&world.repo()).unwrap();
    assert_eq!(fs::metadata(&config).unwrap().uid(), owner);
    world.git(
        world.repo(),
        &[
            "config",
            "--file",
            "config",
            "--unset",
            "receive.denyDeletes",
        ],
    );
    give(&config);
    assert_eq!(snapshot(&world.repo()), before);
}
