//! The parts of the host around the sandbox: git, the state folder, the daemon's sockets.

use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use assay_sandbox::CheckState;

use super::Finding;

/// The oldest git whose `receive-pack` hands push options to the hook.
const OLDEST_GIT: (u32, u32) = (2, 10);

/// git itself: hooks are run by it, `hook install` and `demo` ask it.
pub(super) fn git() -> Finding {
    match Command::new("git").arg("version").output() {
        Ok(output) if output.status.success() => {
            git_version(&String::from_utf8_lossy(&output.stdout))
        }
        Ok(_) => Finding::new(
            "git",
            CheckState::Degraded,
            "git version fails; hooks can't be installed",
        ),
        Err(error) => Finding::new(
            "git",
            CheckState::Degraded,
            format!("cannot be run ({error}); install git"),
        ),
    }
}

fn git_version(said: &str) -> Finding {
    let version = said
        .trim()
        .strip_prefix("git version ")
        .unwrap_or_else(|| said.trim());
    let mut numbers = version
        .split(['.', ' ', '-'])
        .map(|part| part.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) >= OLDEST_GIT => {
            Finding::new("git", CheckState::Good, version)
        }
        (Some(_), Some(_)) => {
            let (major, minor) = OLDEST_GIT;
            let detail = format!(
                "{version} has no push options; git push -o needs {major}.{minor} or later"
            );
            Finding::new("git", CheckState::Degraded, detail)
        }
        _ => Finding::new(
            "git",
            CheckState::Degraded,
            format!("cannot read the version {version:?}"),
        ),
    }
}

/// The state folder: there, ours, and closed to others.
pub(super) fn state_folder(path: &Path) -> Finding {
    let name = "state folder";
    let shown = path.display();
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Finding::new(
                name,
                CheckState::Good,
                format!("{shown} is not there yet; the daemon makes it"),
            );
        }
        Err(error) => return Finding::new(name, CheckState::Degraded, format!("{shown}: {error}")),
    };
    if !meta.is_dir() {
        return Finding::new(
            name,
            CheckState::Missing,
            format!("{shown} is not a folder; name another by --state"),
        );
    }
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o022 != 0 {
        let detail = format!("{shown} can be written by others (mode {mode:o}); chmod 711 it");
        return Finding::new(name, CheckState::Degraded, detail);
    }
    let me = rustix::process::geteuid().as_raw();
    if me != 0 && meta.uid() != me {
        let detail = format!(
            "{shown} belongs to uid {}: the daemon is to run as that user",
            meta.uid()
        );
        return Finding::new(name, CheckState::Degraded, detail);
    }
    Finding::new(name, CheckState::Good, shown.to_string())
}

/// A socket of the daemon. That nobody listens is no fault of the host.
pub(super) fn socket(name: &str, path: &Path) -> Finding {
    let shown = path.display();
    let is_socket = match std::fs::metadata(path) {
        Ok(meta) => meta.file_type().is_socket(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Finding::new(
                name,
                CheckState::Good,
                format!("{shown} is not there: the daemon doesn't run"),
            );
        }
        Err(error) => return Finding::new(name, CheckState::Degraded, format!("{shown}: {error}")),
    };
    if !is_socket {
        return Finding::new(
            name,
            CheckState::Degraded,
            format!("{shown} is no socket; remove it"),
        );
    }
    match UnixStream::connect(path) {
        Ok(_) => Finding::new(
            name,
            CheckState::Good,
            format!("the daemon listens on {shown}"),
        ),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Finding::new(
            name,
            CheckState::Good,
            format!("nobody listens on {shown}: the daemon doesn't run"),
        ),
        Err(error) => Finding::new(
            name,
            CheckState::Degraded,
            format!("cannot reach {shown}: {error}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_versions_are_compared() {
        assert_eq!(git_version("git version 2.39.5\n").state, CheckState::Good);
        assert_eq!(
            git_version("git version 2.9.1 (Apple Git-1)\n").state,
            CheckState::Degraded
        );
        assert_eq!(git_version("git version 3.0-rc1\n").state, CheckState::Good);
        assert_eq!(git_version("gut").state, CheckState::Degraded);
    }

    #[test]
    fn a_state_folder_that_others_can_write_is_weak() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        assert_eq!(state_folder(&path).state, CheckState::Good);
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o711)).unwrap();
        assert_eq!(state_folder(&path).state, CheckState::Good);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(state_folder(&path).state, CheckState::Degraded);
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(state_folder(&file).state, CheckState::Missing);
    }

    #[test]
    fn sockets_are_told_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sock");
        assert_eq!(socket("x", &path).state, CheckState::Good);
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(socket("x", &path).detail.contains("listens on"));
        drop(listener);
        assert!(socket("x", &path).detail.contains("nobody"));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        assert_eq!(socket("x", &path).state, CheckState::Degraded);
    }
}
