//! Spools that somebody prepared for a daemon that may run as root.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use assay_hooks::{Hint, MAX_LINE, drop_spooled, read_spool};

use super::world::{World, line};

/// A repository with one good hint in its spool.
fn spooled() -> World {
    let world = World::new();
    world.install();
    world.run_hook(line("refs/heads/main").as_bytes(), |_| {});
    world
}

fn name(digit: char) -> String {
    format!("{}.json", digit.to_string().repeat(32))
}

#[test]
fn only_hints_are_read_and_the_rest_is_set_aside() {
    let world = spooled();
    let spool = world.repo().join("assay/spool");
    let secret = world.path("secret");
    fs::write(&secret, "secret").unwrap();
    symlink(&secret, spool.join(name('a'))).unwrap();
    fs::create_dir(spool.join(name('b'))).unwrap();
    fs::write(spool.join(name('c')), vec![b' '; MAX_LINE + 1]).unwrap();
    fs::write(spool.join(name('d')), "{").unwrap();
    let fifo = spool.join(name('e'));
    assert!(
        world
            .command("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let (good, hint) = read_spool(&world.repo()).unwrap().remove(0);
    // Right in itself, but not named by its delivery.
    fs::copy(&good, spool.join(name('f'))).unwrap();
    fs::write(spool.join("notes.txt"), "left alone").unwrap();
    fs::write(spool.join(".x.tmp"), "left alone").unwrap();

    let found = read_spool(&world.repo()).unwrap();
    assert_eq!(found, [(good, hint)]);
    for digit in ['a', 'b', 'c', 'd', 'e', 'f'] {
        assert!(!spool.join(name(digit)).exists(), "{digit}");
        assert!(
            fs::symlink_metadata(spool.join(format!("{}.bad", name(digit)))).is_ok(),
            "{digit}"
        );
    }
    assert!(spool.join("notes.txt").exists() && spool.join(".x.tmp").exists());
    assert_eq!(fs::read_to_string(secret).unwrap(), "secret");
}

#[test]
fn a_hint_speaks_for_its_own_repository_only() {
    let world = spooled();
    let (path, hint) = read_spool(&world.repo()).unwrap().remove(0);
    let forged = Hint {
        repository: "/srv/git/other.git".to_owned(),
        ..hint
    };
    fs::write(&path, forged.encode().unwrap()).unwrap();
    let (_, read) = read_spool(&world.repo()).unwrap().remove(0);
    assert_eq!(read.repository, world.repo().to_str().unwrap());
}

#[test]
fn links_on_the_way_are_not_followed() {
    let world = spooled();
    let (path, _) = read_spool(&world.repo()).unwrap().remove(0);
    let (ours, moved) = (world.repo().join("assay"), world.path("moved"));
    fs::rename(&ours, &moved).unwrap();
    symlink(&moved, &ours).unwrap();
    assert!(read_spool(&world.repo()).is_err());
    assert!(drop_spooled(&path).is_err());
    fs::remove_file(&ours).unwrap();
    fs::create_dir(&ours).unwrap();
    symlink(moved.join("spool"), ours.join("spool")).unwrap();
    assert!(read_spool(&world.repo()).is_err());
    assert!(drop_spooled(&path).is_err());
    assert!(drop_spooled(&world.path("secret")).is_err());
    assert_eq!(fs::read_dir(moved.join("spool")).unwrap().count(), 1);
}

#[test]
fn spool_files_have_the_mode_of_their_folder() {
    let world = World::new();
    let repo = world.repo();
    world.git(&repo, &["config", "core.sharedRepository", "group"]);
    fs::set_permissions(repo.join("objects"), fs::Permissions::from_mode(0o2770)).unwrap();
    world.install();
    world.run_hook(line("refs/heads/main").as_bytes(), |_| {});
    let (path, _) = read_spool(&repo).unwrap().remove(0);
    assert_eq!(
        fs::metadata(path).unwrap().permissions().mode() & 0o777,
        0o660
    );
}

#[test]
fn a_repository_without_a_spool_has_no_hints() {
    let world = World::new();
    assert_eq!(read_spool(&world.repo()).unwrap(), []);
    assert!(read_spool(&world.path("none")).unwrap().is_empty());
}
