//! Which repositories asked for the hook in a folder that several may share, so that the last one takes it away.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::HookError;
use super::folder::{remove_if_there, write};
use super::repo::Repo;

/// Adds a repository to the list.
pub(super) fn add(folder: &Path, repo: &Repo) -> Result<(), HookError> {
    let mut users = load(folder)?;
    let name = name_of(repo);
    if users.contains(&name) {
        return Ok(());
    }
    users.push(name);
    save(folder, &users)
}

/// Takes a repository off the list. Says whether nobody else is on it.
pub(super) fn leave(folder: &Path, repo: &Repo) -> Result<bool, HookError> {
    let mut users = load(folder)?;
    let name = name_of(repo);
    users.retain(|user| *user != name);
    if users.is_empty() {
        let path = path_of(folder);
        remove_if_there(&path).map_err(HookError::at(&path))?;
        return Ok(true);
    }
    save(folder, &users)?;
    Ok(false)
}

/// The list has a line for each; a path with a line end in it is written escaped.
fn name_of(repo: &Repo) -> String {
    repo.dir
        .to_string_lossy()
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
}

fn path_of(folder: &Path) -> PathBuf {
    folder.join("post-receive.assay-users")
}

fn load(folder: &Path) -> Result<Vec<String>, HookError> {
    let path = path_of(folder);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(HookError::Io { path, source }),
    }
}

fn save(folder: &Path, users: &[String]) -> Result<(), HookError> {
    let path = path_of(folder);
    let text: String = users.iter().map(|user| format!("{user}\n")).collect();
    write(
        &path,
        &folder.join(".post-receive.assay-users-new"),
        text.as_bytes(),
        0o644,
    )
}
