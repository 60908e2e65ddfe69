//! A small image made from this host's own programs and their libraries, imported as the present user imports images.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use assay_sandbox::{Images, Imported};

use crate::world::launcher;

/// What the attacks' scripts use, apart from the shell's own commands. What the host hasn't is left out.
const PROGRAMS: &[&str] = &[
    "bash",
    "sh",
    "cat",
    "ls",
    "readlink",
    "sed",
    "mount",
    "umount",
    "mknod",
    "mkfifo",
    "head",
    "tail",
    "id",
    "cp",
    "chmod",
    "chown",
    "su",
    "find",
    "unshare",
    "hostname",
    "date",
    "dmesg",
    "nice",
    "renice",
    "env",
    "rm",
    "mv",
    "mkdir",
    "touch",
    "ln",
    "dd",
    "stat",
    "sleep",
    "setsid",
    "seq",
    "tr",
    "cut",
    "wc",
    "grep",
    "ipcmk",
    "ipcs",
    "true",
    "false",
    "yes",
    "tty",
    "pwd",
    "perl",
    "cmp",
    "getent",
    "echo",
    "printf",
    "test",
    "getcap",
    "sort",
    "nft",
    "ip",
    "ping",
    "setpriv",
    "whoami",
    "truncate",
    "tar",
    "mktemp",
    "rmdir",
    "od",
    "kill",
    "df",
    "dpkg",
    "dpkg-deb",
    "dpkg-split",
    "timeout",
    "sync",
    "stty",
    "sha256sum",
    "diff",
    "ldconfig",
    "start-stop-daemon",
    "install",
];
/// Folders that go along: perl's modules, and what dpkg needs to know.
const FOLDERS: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/perl-base",
    "/usr/lib/aarch64-linux-gnu/perl-base",
];

/// `CAP_NET_RAW`, effective and permitted, in the second version of that attribute.
const RAW_PACKETS: [u8; 20] = [
    1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

/// Makes the image in `folder`, called `tiny`.
pub(crate) fn make(folder: &Path) -> Result<(Images, Imported), String> {
    let root = folder.join("root");
    build(&root).map_err(|error| format!("image: {error}"))?;
    let images = Images::new(folder.join("images"), launcher(&["launch"]));
    images
        .import("tiny", &root, 0)
        .map_err(|error| error.to_string())?;
    let image = images.find("tiny").map_err(|error| error.to_string())?;
    Ok((images, image))
}

fn build(root: &Path) -> std::io::Result<()> {
    for folder in [
        "usr/bin",
        "usr/sbin",
        "usr/lib",
        "etc",
        "tmp",
        "var/tmp",
        "var/lib/dpkg/info",
        "var/lib/dpkg/updates",
        "home",
        "root",
        "opt",
        "dev",
        "proc",
        "var/log",
    ] {
        std::fs::create_dir_all(root.join(folder))?;
    }
    for name in ["tmp", "var/tmp"] {
        std::fs::set_permissions(root.join(name), PermissionsExt::from_mode(0o1777))?;
    }
    for (name, to) in [
        ("bin", "usr/bin"),
        ("sbin", "usr/sbin"),
        ("lib", "usr/lib"),
        ("lib64", "usr/lib"),
    ] {
        std::os::unix::fs::symlink(to, root.join(name))?;
    }
    let mut files = BTreeSet::new();
    for name in PROGRAMS {
        if let Some(path) = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
            .iter()
            .map(|f| Path::new(f).join(name))
            .find(|p| p.exists())
        {
            add(&mut files, &path)?;
            std::fs::copy(&path, root.join("usr/bin").join(name))?;
        }
    }
    for folder in FOLDERS.iter().filter(|folder| Path::new(folder).is_dir()) {
        copy(
            Path::new(folder),
            &root.join(folder.trim_start_matches('/')),
            &mut files,
        )?;
    }
    for library in &files {
        // Found by the loader through its default folders.
        if let Some(name) = library.file_name() {
            std::fs::copy(library, root.join("usr/lib").join(name))?;
        }
    }
    // A program with a set-uid bit, which must not matter.
    let suid = root.join("opt/suid-id");
    std::fs::copy("/usr/bin/id", &suid)?;
    std::fs::set_permissions(&suid, PermissionsExt::from_mode(0o6755))?;
    // One with a right in its attributes, where whoever makes the image may give such; it must not matter either.
    let capable = root.join("opt/cap-cat");
    std::fs::copy("/usr/bin/cat", &capable)?;
    let _ = rustix::fs::setxattr(
        &capable,
        "security.capability",
        &RAW_PACKETS,
        rustix::fs::XattrFlags::empty(),
    );
    std::fs::write(root.join("var/lib/dpkg/status"), "")?;
    std::fs::write(
        root.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/bash\nserver:x:77:77::/:/bin/sh\n",
    )?;
    std::fs::write(root.join("etc/group"), "root:x:0:\nserver:x:77:\n")?;
    std::fs::write(
        root.join("etc/nsswitch.conf"),
        "passwd: files\ngroup: files\nhosts: files dns\n",
    )?;
    std::fs::write(root.join("etc/owned-by-root"), "root's\n")
}

/// The libraries that a program or library needs.
fn add(files: &mut BTreeSet<PathBuf>, path: &Path) -> std::io::Result<()> {
    let output = Command::new("ldd").arg(path).output()?;
    for word in String::from_utf8_lossy(&output.stdout).split_whitespace() {
        if word.starts_with('/') && !word.ends_with(':') {
            files.insert(word.into());
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path, libraries: &mut BTreeSet<PathBuf>) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = std::fs::metadata(&path)?;
        if kind.is_dir() {
            copy(&path, &target, libraries)?;
        } else {
            if path.extension().is_some_and(|ending| ending == "so") {
                add(libraries, &path)?;
            }
            std::fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
