//! Whose the files in the state folder are: root's hand must not leave any there that the daemon can't use.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::harness::{ASSAY, Repo, Server, skip};
use crate::images;

/// A user that no one else is.
const SOMEBODY: u32 = 1_799_999_990;

fn everything_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        match is_folder {
            true => found.extend(everything_below(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}

fn owner(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).expect("an entry").uid()
}

#[test]
fn roots_commands_work_as_the_user_whose_the_state_folder_is() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let state = dir.path().join("state");
    std::fs::create_dir(&state).expect("the state folder");
    if chown(&state, Some(SOMEBODY), Some(SOMEBODY)).is_err() {
        skip("state of another user: only root can give it away");
        return;
    }
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).expect("a mode");
    let assay = |args: &[&str]| -> Output {
        let mut command = Command::new(ASSAY);
        command
            .args(args)
            .current_dir(dir.path())
            .env("HOME", dir.path())
            .env("ASSAY_STATE", &state);
        command.output().expect("the program starts")
    };
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();

    images::root(dir.path(), images::PROGRAMS).expect("a root folder");
    let import = assay(&["image", "import", "tiny", "root"]);
    assert!(import.status.success(), "{}", said(&import));
    let all = everything_below(&state);
    assert!(all.len() > images::PROGRAMS.len(), "{all:?}");
    let roots: Vec<&PathBuf> = all.iter().filter(|path| owner(path) != SOMEBODY).collect();
    assert!(roots.is_empty(), "{roots:?}");

    let secret = dir.path().join("secret.tar");
    std::fs::write(&secret, "x").expect("a file");
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).expect("a mode");
    let import = assay(&["image", "import", "other", "secret.tar"]);
    let refused = |output: &Output, code: i32, parts: [&str; 2]| {
        let said = said(output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    };
    refused(&import, 2, ["Permission denied", "hint: it is read by"]);
    let serve = assay(&["serve"]);
    refused(
        &serve,
        6,
        ["belongs to #1799999990, not to root", "hint: start"],
    );
    drop(assay(&["fsck"]));
    assert!(
        everything_below(&state)
            .iter()
            .all(|path| owner(path) == SOMEBODY)
    );
}

#[test]
fn doctor_says_what_the_daemon_finds() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let repo = Repo::new(dir.path(), "team/app", &[("README", "x\n")]);
    let server = Server::start(dir.path(), &[&repo], "");
    let state = server.state();
    let checks = |command: &mut Command| -> Vec<(String, String)> {
        let output = command
            .args(["doctor", "--json"])
            .env("HOME", dir.path())
            .env("ASSAY_STATE", &state)
            .output()
            .expect("the program starts");
        let answer: serde_json::Value =
            serde_json::from_slice(&output.stdout).expect("JSON from doctor");
        let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
        let all = answer["checks"].as_array().expect("a list");
        all.iter()
            .map(|check| (text(&check["name"]), text(&check["detail"])))
            .collect()
    };
    // It needs no certificates, as no command does that asks the daemon of this host.
    let mut plain = Command::new(ASSAY);
    plain
        .env("SSL_CERT_FILE", "/dev/null")
        .env("SSL_CERT_DIR", dir.path());
    let plain = checks(&mut plain);
    assert_eq!(plain[0].0, "daemon");
    assert!(plain[0].1.starts_with("runs, "), "{plain:?}");

    // Whoever asks has no new privileges, the daemon may have them.
    let less = ["--no-new-privs", "--", ASSAY];
    let privileges = |checks: &[(String, String)]| {
        let found = checks.iter().find(|(name, _)| name == "privileges");
        found.expect("the check").1.clone()
    };
    let asked = checks(Command::new("setpriv").args(less));
    assert_eq!(privileges(&asked), privileges(&plain));
    drop(server);
    let alone = checks(Command::new("setpriv").args(less));
    assert!(alone[0].1.starts_with("none runs: "), "{alone:?}");
    assert_ne!(privileges(&alone), privileges(&plain));
}
