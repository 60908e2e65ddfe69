//! Imported images from outside: missing, brought, used, recorded, removed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Repo, Server};

/// What a job's script uses of an image at least.
pub(crate) const PROGRAMS: &[&str] = &[
    "bash", "cat", "chmod", "cut", "date", "env", "grep", "head", "id", "ls", "mkdir", "mktemp",
    "rm", "sed", "sh", "sleep", "sort", "tail", "test", "touch", "tr", "true", "uname", "wc",
];

/// The root folder of a very small system, made from these programs of this host and their libraries.
pub(crate) fn root(dir: &Path, programs: &[&str]) -> std::io::Result<PathBuf> {
    let root = dir.join("root");
    for folder in ["usr/bin", "usr/lib", "etc", "home", "tmp", "var/tmp"] {
        std::fs::create_dir_all(root.join(folder))?;
    }
    for (name, to) in [("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib")] {
        std::os::unix::fs::symlink(to, root.join(name))?;
    }
    for name in programs {
        let places = ["/usr/bin", "/usr/sbin", "/sbin"].map(|place| Path::new(place).join(name));
        let found = places.into_iter().find(|program| program.exists());
        let program = found.ok_or_else(|| std::io::Error::other(*name))?;
        std::fs::copy(&program, root.join("usr/bin").join(name))?;
        add_libraries(&program, &root)?;
    }
    std::fs::write(
        root.join("etc/os-release"),
        "VERSION_CODENAME=hallmark\nPRETTY_NAME=\"Touchstone 1\"\n",
    )?;
    Ok(root)
}

/// Copies the libraries that a program of this host needs.
pub(crate) fn add_libraries(program: &Path, root: &Path) -> std::io::Result<()> {
    let output = Command::new("ldd").arg(program).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let libraries = text
        .split_whitespace()
        .filter(|word| word.starts_with('/') && !word.ends_with(':'));
    for library in libraries.map(Path::new) {
        let copy = root
            .join("usr/lib")
            .join(library.file_name().unwrap_or_default());
        if !copy.exists() {
            std::fs::copy(library, copy)?;
        }
    }
    Ok(())
}

const SCRIPT: &str = "language: shell
script:
  - cat /etc/os-release
  - echo \"dist $TRAVIS_DIST\"
  - '! sudo true'
";

#[test]
fn an_image_is_asked_for_brought_used_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", SCRIPT)]);
    let config = "images: {default: tiny, focal: gone}\n";
    let server = Server::start(dir.path(), &[&repo], config);

    let seen = repo.push_and_wait();
    assert!(seen.contains("assay image import tiny SOURCE"), "{seen}");
    let state = &server.newest_build("team/app")["build"]["state"];
    assert_eq!(state, "errored");

    let source = root(dir.path(), PROGRAMS).unwrap();
    let said = server.cli(&["image", "import", "tiny", source.to_str().unwrap()]);
    let digest = said.trim().strip_prefix("tiny ").unwrap().to_owned();
    assert!(
        digest.starts_with("sha256:") && digest.len() == 71,
        "{said}"
    );
    repo.commit("again", &[("new", "")]);
    let seen = repo.push_and_wait();
    for text in [
        &format!("image tiny {digest}"),
        "Touchstone 1",
        "dist hallmark",
        "profile strict",
    ] {
        assert!(seen.contains(text), "the pusher sees {text:?}:\n{seen}");
    }
    let build = server.newest_build("team/app");
    assert_eq!(build["build"]["state"], "passed");
    let used = &build["jobs"][0]["assay"];
    assert_eq!(used["image"], format!("tiny {digest}"));
    assert!(used["cpu_ms"].as_u64().is_some_and(|ms| ms > 0), "{used}");

    assert!(
        server
            .cli(&["image", "verify"])
            .contains("as it was imported")
    );
    assert!(server.cli(&["image", "list"]).contains("tiny"));
    server.cli(&["image", "rm", "tiny"]);
    let gone = server.try_cli(&["image", "verify", "tiny"]);
    assert_eq!(gone.status.code(), Some(3));
    // A jail that was made ready of the one before is not for a job of this one, though nothing else tells them apart.
    server.cli(&["image", "import", "tiny", source.to_str().unwrap()]);
    repo.commit("once more", &[("newer", "")]);
    assert!(repo.push_and_wait().contains("Touchstone 1"));
    // It would never be used.
    let host = server.try_cli(&["image", "import", "host", source.to_str().unwrap()]);
    assert_eq!(host.status.code(), Some(2));
}

#[test]
fn a_dist_without_an_image_is_said_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let script = "language: shell\ndist: jammy\nscript: true\n";
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", script)]);
    let server = Server::start(dir.path(), &[&repo], "images: {strict: true}\n");
    let seen = repo.push_and_wait();
    assert!(seen.contains("There is no image for dist jammy"), "{seen}");
    let state = &server.newest_build("team/app")["build"]["state"];
    assert_eq!(state, "errored");
}

#[test]
fn a_job_for_another_system_ends_at_once_or_is_left_out_of_the_verdict() {
    let script = "language: shell\nscript: echo ran on $TRAVIS_OS_NAME\njobs: {include: [{os: linux}, {os: osx}, {arch: s390x}]}\n";
    for (config, states, verdict) in [
        ("", ["passed", "errored", "errored"], "errored"),
        (
            "unsupported: skip\n",
            ["passed", "canceled", "canceled"],
            "passed",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", script)]);
        let server = Server::start(dir.path(), &[&repo], config);
        let seen = repo.push_and_wait();
        assert!(
            seen.contains("This job asks for os osx; the only one here is linux.")
                && seen.contains("This job asks for arch s390x"),
            "{seen}"
        );
        let build = server.newest_build("team/app");
        assert_eq!(build["build"]["state"], verdict, "{seen}");
        let jobs = build["jobs"].as_array().unwrap();
        let seen: Vec<&str> = jobs
            .iter()
            .map(|job| job["state"].as_str().unwrap())
            .collect();
        assert_eq!(seen, states);
    }
}
