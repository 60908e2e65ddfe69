//! `addons: apt` from outside: installed by root where the operator allows it, before a job without any right; said in one
//! line where not. The image is made of this host's apt and dpkg; its packages come from a folder in it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::images::{PROGRAMS, add_libraries, root};
use crate::harness::{Repo, Server, skip};

/// What installing takes, apart from what jobs use.
const TOOLS: &[&str] = &[
    "apt-get",
    "dpkg",
    "dpkg-deb",
    "dpkg-query",
    "dpkg-split",
    "tar",
    "ldconfig",
    "start-stop-daemon",
    "setsid",
    "cp",
    "mv",
    "diff",
];
/// Where apt's methods are.
const METHODS: &str = "usr/lib/apt/methods";

/// The image's folder and the package `assay-touch`, which leaves a daemon behind and a set-uid program.
fn make(dir: &Path) -> std::io::Result<Option<PathBuf>> {
    let has = |name: &str| {
        ["/usr/bin", "/usr/sbin", "/sbin"]
            .iter()
            .any(|folder| Path::new(folder).join(name).exists())
    };
    if !TOOLS.iter().all(|name| has(name)) {
        return Ok(None);
    }
    let programs: Vec<&str> = PROGRAMS.iter().chain(TOOLS).copied().collect();
    let image = root(dir, &programs)?;
    for folder in [
        METHODS,
        "usr/share/dpkg",
        "etc/apt/apt.conf.d",
        "etc/apt/sources.list.d",
        "etc/apt/preferences.d",
        "etc/apt/trusted.gpg.d",
        "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial",
        "var/lib/dpkg/info",
        "var/lib/dpkg/updates",
        "var/log/apt",
        "usr/sbin",
        "srv/packages",
        "opt",
        "root",
    ] {
        std::fs::create_dir_all(image.join(folder))?;
    }
    let methods = ["file", "copy", "store"].map(|name| format!("{METHODS}/{name}"));
    let tables = ["cputable", "ostable", "tupletable"].map(|name| format!("usr/share/dpkg/{name}"));
    for name in methods.iter().chain(&tables) {
        std::fs::copy(Path::new("/").join(name), image.join(name))?;
    }
    for name in &methods {
        add_libraries(&Path::new("/").join(name), &image)?;
    }
    std::fs::write(image.join("var/lib/dpkg/status"), "")?;
    std::fs::write(
        image.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/bash\n",
    )?;
    std::fs::write(image.join("etc/group"), "root:x:0:\n")?;
    // Nobody else to become: this image knows no other user.
    std::fs::write(
        image.join("etc/apt/apt.conf.d/here"),
        "APT::Sandbox::User \"root\";\n",
    )?;
    std::fs::write(
        image.join("etc/apt/sources.list"),
        "deb [trusted=yes] file:/srv/packages ./\n",
    )?;
    let helper = image.join("usr/lib/apt/apt-helper");
    std::fs::write(&helper, HELPER)?;
    std::fs::set_permissions(&helper, PermissionsExt::from_mode(0o755))?;
    package(dir, &image.join("srv/packages"))?;
    Ok(Some(image))
}

fn package(dir: &Path, to: &Path) -> std::io::Result<()> {
    let tree = dir.join("package");
    std::fs::create_dir_all(tree.join("DEBIAN"))?;
    std::fs::create_dir_all(tree.join("usr/bin"))?;
    let control = "Package: assay-touch\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n";
    std::fs::write(tree.join("DEBIAN/control"), control)?;
    let after = "#!/bin/sh\nid -u >/opt/by\n(setsid sleep 98765 >/dev/null 2>&1 &)\necho touched\n";
    std::fs::write(tree.join("DEBIAN/postinst"), after)?;
    std::fs::copy("/usr/bin/id", tree.join("usr/bin/assay-id"))?;
    let run = |program: &str, arguments: &[&str]| -> std::io::Result<String> {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(dir)
            .output()?;
        assert!(output.status.success(), "{program}: {output:?}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    run("chmod", &["755", "package/DEBIAN/postinst"])?;
    run("chmod", &["6755", "package/usr/bin/assay-id"])?;
    let file = to.join("assay-touch.deb");
    let path = file.to_str().unwrap_or_default();
    run(
        "dpkg-deb",
        &["--root-owner-group", "--build", "package", path],
    )?;
    let sum = run("sha256sum", &[path])?;
    let size = std::fs::metadata(&file)?.len();
    let sum = sum.split_whitespace().next().unwrap_or_default();
    let index = format!("{control}Filename: ./assay-touch.deb\nSize: {size}\nSHA256: {sum}\n");
    std::fs::write(to.join("Packages"), index)
}

/// Stands in for the one program that fetches keys: what Launchpad says of one, as JSON.
const HELPER: &str = "#!/bin/sh\nfor file; do :; done\necho \"asked for $*\"\n\
                      printf '%s' '\"-----BEGIN PGP PUBLIC KEY BLOCK-----\\nabc\\n-----END\"' >\"$file\"\n";

/// The daemon reads the image once for all pushes of a case; a host without apt has no such case.
fn with_image(config: &str, yml: &str, case: impl FnOnce(&Server, &Repo)) {
    with_release("", config, yml, case);
}

/// The same, with more lines in the image's `os-release`.
fn with_release(release: &str, config: &str, yml: &str, case: impl FnOnce(&Server, &Repo)) {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let Some(image) = make(dir.path()).expect("an image") else {
        skip("addons.apt: this host has no apt-get and dpkg to make an image of");
        return;
    };
    let about = image.join("etc/os-release");
    let text = std::fs::read_to_string(&about).expect("the image has one") + release;
    std::fs::write(&about, text).expect("a file");
    let repo = Repo::new(dir.path(), "team/app", &[(".travis.yml", yml)]);
    let server = Server::start(dir.path(), &[&repo], config);
    server.cli(&["image", "import", "small", &image.to_string_lossy()]);
    case(&server, &repo);
}

const ALLOWED: &str =
    "images: {default: {image: small, profile: root}}\nsandbox: {network: none}\n";
const REFUSED: &str = "images: {default: small}\nsandbox: {network: none}\n";

#[test]
fn packages_are_installed_by_root_before_a_job_without_rights() {
    let yml = "language: shell\naddons: {apt: {packages: [assay-touch]}}\nscript:\n  - echo \"installed by $(cat /opt/by)\"\n  \
               - echo \"job is $(assay-id -u)\"\n  - \"! grep -q ^.*sleep.98765 /proc/[0-9]*/cmdline\"\n  \
               - \"! grep -E '^Cap[A-Za-z]*:.*[1-9a-f]' /proc/self/status\"\n  - \"! sudo true\"\n  - \"! test -e /usr/sbin/policy-rc.d\"\n";
    with_image(ALLOWED, yml, |server, repo| {
        let seen = repo.push_and_wait();
        let state = &server.newest_build("team/app")["build"]["state"];
        assert_eq!(state, "passed", "{seen}");
        for text in [
            "installed by root first; the job itself has no root",
            "install -- assay-touch",
            "touched",
            "installed by 0",
            "job is 1000",
        ] {
            assert!(seen.contains(text), "the pusher sees {text:?}:\n{seen}");
        }
    });
}

#[test]
fn a_package_that_is_not_there_ends_the_job_as_errored() {
    let yml = "language: shell\naddons: {apt: {packages: [assay-touch, no-such-package]}}\nscript: echo script\n";
    with_image(ALLOWED, yml, |server, repo| {
        let seen = repo.push_and_wait();
        let state = &server.newest_build("team/app")["build"]["state"];
        assert_eq!(state, "errored", "{seen}");
        assert!(
            seen.contains("Unable to locate package no-such-package"),
            "{seen}"
        );
        assert!(
            seen.contains("failed and exited with 100 during apt")
                && seen.contains("Your build has been stopped."),
            "{seen}"
        );
        assert!(!seen.contains("$ echo script"), "{seen}");
    });
}

#[test]
fn where_it_is_not_allowed_one_line_says_so() {
    let yml = "language: shell\naddons: {apt: {sources: [x], packages: [assay-touch]}}\nscript: \"! test -e /opt/by\"\n";
    with_image(REFUSED, yml, |server, repo| {
        let seen = repo.push_and_wait();
        let state = &server.newest_build("team/app")["build"]["state"];
        assert_eq!(state, "passed", "{seen}");
        let lines: Vec<&str> = seen
            .lines()
            .filter(|line| line.contains("addons.apt"))
            .collect();
        assert_eq!(lines.len(), 1, "{seen}");
        assert!(
            lines[0].contains("Not on this machine: assay-touch."),
            "{seen}"
        );
    });
}

const SOURCES: &str = "language: shell\naddons: {apt: {packages: [assay-touch], sources: [ubuntu-toolchain-r-test, \"no;such\"]}}\n\
                       script: 'cat /etc/apt/sources.list.d/* /etc/apt/trusted.gpg.d/*; assay-id -u'\n";

#[test]
fn names_of_sources_become_lines_and_keys_by_the_images_release() {
    with_release(
        "UBUNTU_CODENAME=jammy\n",
        ALLOWED,
        SOURCES,
        |server, repo| {
            let seen = repo.push_and_wait();
            let state = &server.newest_build("team/app")["build"]["state"];
            assert_eq!(state, "passed", "{seen}");
            for text in [
                "asked for download-file -- https://api.launchpad.net/devel/~ubuntu-toolchain-r/+archive/ubuntu/test?ws.op=getSigningKeyData",
                "Added: deb https://ppa.launchpadcontent.net/ubuntu-toolchain-r/test/ubuntu jammy main",
                "addons.apt.sources: no source called no;such is known here",
                "| -----BEGIN PGP PUBLIC KEY BLOCK-----",
                "| abc",
                "| 1000",
            ] {
                assert!(seen.contains(text), "the pusher sees {text:?}:\n{seen}");
            }
        },
    );
}

#[test]
fn archives_for_ubuntu_are_left_out_elsewhere() {
    with_image(ALLOWED, SOURCES, |_, repo| {
        let seen = repo.push_and_wait();
        let said = "ppa:ubuntu-toolchain-r/test is for Ubuntu, which this image is not; going on without it.";
        assert!(seen.contains(said) && seen.contains("touched"), "{seen}");
        assert!(!seen.contains("launchpadcontent"), "{seen}");
    });
}
