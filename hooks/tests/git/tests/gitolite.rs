//! Folders of hooks that many repositories share by links.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use assay_hooks::{HookError, Placement, check, hook_script, install, read_spool, remove};

use super::world::{World, snapshot};

#[test]
fn a_hooks_folder_that_is_a_link_is_refused_with_the_way_out() {
    let world = World::new();
    let common = world.path("common");
    fs::rename(world.repo().join("hooks"), &common).unwrap();
    symlink(&common, world.repo().join("hooks")).unwrap();
    let before = snapshot(&common);
    let error = install(&world.repo(), &world.options()).unwrap_err();
    assert!(matches!(error, HookError::LinkedFolder { .. }));
    let way_out = error.way_out().unwrap();
    assert!(
        way_out.contains("gitolite setup --hooks-only") && way_out.contains("common"),
        "{way_out}"
    );
    assert_eq!(snapshot(&common), before);

    // The way out, taken.
    fs::write(common.join("post-receive"), hook_script(&world.options())).unwrap();
    fs::set_permissions(
        common.join("post-receive"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    let installed = world.install();
    assert_eq!(
        (installed.placement, installed.changed),
        (Placement::Common, false)
    );
    assert!(world.push(&[]).contains("remote: assay: "));
    assert_eq!(
        check(&world.repo(), &world.options()).unwrap().placement,
        Some(Placement::Common)
    );
    assert!(remove(&world.repo()).unwrap().hook.is_none());
    assert!(common.join("post-receive").exists());
}

#[test]
fn gitolites_own_link_is_not_replaced() {
    let world = World::new();
    let common = world.path("hooks/common");
    fs::create_dir_all(&common).unwrap();
    fs::write(common.join("post-receive"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(
        common.join("post-receive"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    fs::write(world.repo().join("gl-conf"), "").unwrap();
    symlink(common.join("post-receive"), world.hook()).unwrap();
    let error = install(&world.repo(), &world.options()).unwrap_err();
    assert!(matches!(error, HookError::GitoliteHook { .. }));
    assert!(
        error
            .way_out()
            .unwrap()
            .contains("gitolite setup --hooks-only")
    );

    fs::write(common.join("post-receive"), hook_script(&world.options())).unwrap();
    assert_eq!(world.install().placement, Placement::Common);
    assert!(world.repo().join("assay/spool").is_dir());
    assert!(remove(&world.repo()).unwrap().hook.is_none());
    assert!(fs::symlink_metadata(world.hook()).unwrap().is_symlink());
}

#[test]
fn a_gitolite_repository_without_a_common_hook_gets_its_own() {
    let world = World::new();
    fs::write(world.repo().join("gl-conf"), "").unwrap();
    let installed = world.install();
    assert_eq!(installed.placement, Placement::Alone);
    assert!(installed.notes.iter().any(|note| note.contains("gitolite")));
}

/// A gitolite of our own: user `ann` may push to `testing`.
struct Gitolite<'a> {
    world: &'a World,
    home: tempfile::TempDir,
}

impl<'a> Gitolite<'a> {
    const SHELL: &'static str = "/usr/share/gitolite3/gitolite-shell";

    /// `None` where gitolite is not installed as Debian does it.
    fn set_up(world: &'a World) -> Option<Gitolite<'a>> {
        if !Path::new(Self::SHELL).exists() {
            drop(std::io::stderr().write_all(b"\nSKIP gitolite: not installed\n"));
            return None;
        }
        let gitolite = Gitolite {
            world,
            home: tempfile::tempdir().unwrap(),
        };
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBk33sh220+BRw/hEympB6RT6hrSe9ThuxZ8cfmrqD26";
        fs::write(gitolite.path("ann.pub"), key).unwrap();
        fs::write(
            gitolite.path("ssh"),
            format!(
                "#!/bin/sh\nshift\nSSH_ORIGINAL_COMMAND=\"$*\" exec {} ann\n",
                Self::SHELL
            ),
        )
        .unwrap();
        fs::set_permissions(gitolite.path("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
        gitolite.run(&["setup", "-pk", gitolite.path("ann.pub").to_str().unwrap()]);
        Some(gitolite)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn repo(&self) -> PathBuf {
        self.path("repositories/testing.git")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.world.command(program);
        command
            .env("HOME", self.home.path())
            .env("USER", "git")
            .current_dir(self.home.path());
        command
    }

    fn run(&self, arguments: &[&str]) {
        let output = self.command("gitolite").args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn push(&self, arguments: &[&str]) -> String {
        let mut push = self.command("git");
        push.current_dir(self.world.clone())
            .env("GIT_SSH", self.path("ssh"))
            .env("GIT_SSH_VARIANT", "simple");
        push.env("SSH_CONNECTION", "127.0.0.1 1 127.0.0.1 22")
            .args(["push", "host:testing", "HEAD:main"]);
        let output = push.args(arguments).output().unwrap();
        let seen = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{seen}");
        seen
    }
}

#[test]
fn a_push_through_gitolite_is_spooled_with_its_user() {
    let world = World::new();
    let Some(gitolite) = Gitolite::set_up(&world) else {
        return;
    };
    let before = snapshot(&gitolite.repo().join("hooks"));
    assert_eq!(
        install(&gitolite.repo(), &world.options())
            .unwrap()
            .placement,
        Placement::Alone
    );
    gitolite.run(&["setup"]);
    assert!(gitolite.push(&["-o", "x"]).contains("remote: assay: "));
    let (_, hint) = read_spool(&gitolite.repo()).unwrap().remove(0);
    assert_eq!(
        (hint.pusher.as_deref(), hint.options),
        (Some("ann"), vec!["x".to_owned()])
    );
    remove(&gitolite.repo()).unwrap();
    assert_eq!(snapshot(&gitolite.repo().join("hooks")), before);
}

#[test]
fn gitolites_common_hook_serves_every_repository() {
    let world = World::new();
    let Some(gitolite) = Gitolite::set_up(&world) else {
        return;
    };
    let common = gitolite.path(".gitolite/hooks/common");
    let put = |name: &str, text: &[u8]| {
        fs::write(common.join(name), text).unwrap();
        fs::set_permissions(common.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    };
    put("post-receive", b"#!/bin/sh\necho common\n");
    gitolite.run(&["setup", "--hooks-only"]);
    assert!(gitolite.push(&[]).contains("remote: common"));
    assert!(matches!(
        install(&gitolite.repo(), &world.options()),
        Err(HookError::GitoliteHook { .. })
    ));

    // As assay(8) says.
    fs::rename(
        common.join("post-receive"),
        common.join("post-receive.before-assay"),
    )
    .unwrap();
    put("post-receive", &hook_script(&world.options()));
    gitolite.run(&["setup", "--hooks-only"]);
    assert_eq!(
        install(&gitolite.repo(), &world.options())
            .unwrap()
            .placement,
        Placement::Common
    );
    world.commit("second");
    let seen = gitolite.push(&["-o", "x"]);
    assert!(
        seen.contains("remote: common") && seen.contains("remote: assay: "),
        "{seen}"
    );
    assert_eq!(
        read_spool(&gitolite.repo()).unwrap()[0].1.pusher.as_deref(),
        Some("ann")
    );
}
