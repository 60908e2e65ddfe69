//! Folders of hooks that many repositories share by links.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use assay_hooks::{HookError, Placement, check, hook_script, install, remove};

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
