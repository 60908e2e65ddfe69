//! Finds the few programs of the host that the sandbox starts: `newuidmap`, `nft`, `pasta`, `slirp4netns`.

use std::path::PathBuf;

/// Where such programs live. The caller's `PATH` has no say: they are started with rights the job never has.
const FOLDERS: [&str; 6] = [
    "/usr/bin",
    "/usr/sbin",
    "/bin",
    "/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
];

/// The program called `name`, if it is installed.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    FOLDERS
        .iter()
        .map(|folder| PathBuf::from(folder).join(name))
        .find(|path| rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok())
}
