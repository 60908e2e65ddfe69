//! What the host has to show: which of its top folders and `/etc` entries exist, and as what.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Top folders of a system, apart from `/usr`. On most hosts they are links into it.
pub(crate) const TOPS: [&str; 6] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// Files of `/etc` that programs need and that hold nothing of the host's users, keys or network.
pub(crate) const ETC_FILES: [&str; 19] = [
    "/etc/alpine-release",
    "/etc/debian_version",
    "/etc/host.conf",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/locale.conf",
    "/etc/localtime",
    "/etc/lsb-release",
    "/etc/mime.types",
    "/etc/os-release",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/openssl.cnf",
    "/etc/profile",
    "/etc/protocols",
    "/etc/redhat-release",
    "/etc/services",
    "/etc/ssl/openssl.cnf",
    "/etc/system-release",
    "/etc/timezone",
];

/// Folders of `/etc` of the same kind; shown whole. Each costs a mount, so they are few.
pub(crate) const ETC_FOLDERS: [&str; 6] = [
    "/etc/alternatives",
    "/etc/crypto-policies",
    "/etc/ld.so.conf.d",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/ssl/certs",
];

/// Beginnings of names in `/etc` of folders that language runtimes link to from `/usr`.
const ETC_RUNTIMES: [&str; 3] = ["java", "maven", "php"];

/// Kind of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    File,
    Link(String),
}

/// The entries that were found.
pub(crate) type Host = BTreeMap<String, Kind>;

/// Folders whose entries are looked at. When one of them changes, its modification time does.
const WATCHED: [&str; 5] = ["/", "/etc", "/etc/ssl", "/etc/pki", "/etc/pki/tls"];

/// Looks at the real host, or remembers the last look if nothing was added, removed or replaced since.
pub(crate) fn look() -> Arc<Host> {
    type Stamp = [Option<SystemTime>; WATCHED.len()];
    static LAST: Mutex<Option<(Stamp, Arc<Host>)>> = Mutex::new(None);
    let stamp = WATCHED.map(|path| {
        std::fs::metadata(path)
            .and_then(|meta| meta.modified())
            .ok()
    });
    // Nothing panics while it is held.
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    match last.as_ref() {
        Some((at, host)) if *at == stamp => Arc::clone(host),
        _ => {
            let host = Arc::new(look_anew());
            *last = Some((stamp, Arc::clone(&host)));
            host
        }
    }
}

fn look_anew() -> Host {
    let mut host = Host::new();
    let fixed = ["/usr"]
        .iter()
        .chain(&TOPS)
        .chain(&ETC_FILES)
        .chain(&ETC_FOLDERS);
    for path in fixed {
        if let Some(kind) = kind_of(Path::new(path)) {
            host.insert((*path).to_owned(), kind);
        }
    }
    for path in runtimes() {
        if kind_of(&path) == Some(Kind::Folder) {
            host.insert(path.to_string_lossy().into_owned(), Kind::Folder);
        }
    }
    host
}

/// `None` for what is not there, is special, or is not readable by everyone: nothing private is ever shown.
fn kind_of(path: &Path) -> Option<Kind> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    let mode = meta.permissions().mode();
    if meta.is_symlink() {
        let target = std::fs::read_link(path).ok()?;
        return Some(Kind::Link(target.to_str()?.to_owned()));
    }
    match meta.is_dir() {
        true if mode & 0o005 == 0o005 => Some(Kind::Folder),
        false if meta.is_file() && mode & 0o004 != 0 => Some(Kind::File),
        _ => None,
    }
}

fn runtimes() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir("/etc") else {
        return Vec::new();
    };
    let wanted = |name: &str| ETC_RUNTIMES.iter().any(|runtime| name.starts_with(runtime));
    entries
        .flatten()
        .filter(|e| e.file_name().to_str().is_some_and(wanted))
        .map(|e| e.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_name_nothing_private() {
        let lists = ETC_FILES.iter().chain(&ETC_FOLDERS);
        for word in [
            "shadow",
            "ssh",
            "private",
            "sudo",
            "krb5",
            "machine-id",
            "environment",
            "fstab",
            "git",
        ] {
            assert!(lists.clone().all(|path| !path.contains(word)), "{word}");
        }
    }

    #[test]
    fn a_file_that_not_everyone_may_read_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "x").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert_eq!(kind_of(&path), Some(Kind::File));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        assert_eq!(kind_of(&path), None);
    }
}
