//! What an installation changed, written down in the repository before it is changed.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::HookError;
use super::folder::{remove_if_there, write};
use super::place::Placement;
use super::repo::Repo;
use crate::spool;

/// Version of the record's format.
pub(super) const VERSION: u32 = 1;

/// `REPO.git/assay/hook.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) version: u32,
    /// The hooks folder then in use.
    pub(super) folder: PathBuf,
    pub(super) placement: Placement,
    /// Whether the folder was made for the hook.
    pub(super) made_folder: bool,
    /// What was added to the repository's `config`, byte for byte.
    pub(super) config: Option<String>,
}

impl Record {
    pub(super) fn load(repo: &Repo) -> Result<Option<Record>, HookError> {
        let path = path_of(repo);
        match fs::read(&path) {
            Ok(text) => match serde_json::from_slice::<Record>(&text) {
                Ok(record) if record.version == VERSION => Ok(Some(record)),
                _ => Err(HookError::Record(path)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(HookError::Io { path, source }),
        }
    }

    pub(super) fn save(&self, repo: &Repo) -> Result<(), HookError> {
        let path = path_of(repo);
        let mut text =
            serde_json::to_vec_pretty(self).map_err(|_| HookError::NotText(self.folder.clone()))?;
        text.push(b'\n');
        write(&path, &path.with_extension("json.new"), &text, 0o644)
    }

    /// Takes the record away, last of all.
    pub(super) fn forget(repo: &Repo) -> Result<(), HookError> {
        let path = path_of(repo);
        remove_if_there(&path)
            .map(|_| ())
            .map_err(HookError::at(&path))
    }
}

fn path_of(repo: &Repo) -> PathBuf {
    repo.dir.join(spool::FOLDER).join("hook.json")
}
