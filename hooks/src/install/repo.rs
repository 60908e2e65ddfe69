//! A repository as the installer sees it, and the `git` program to ask about it.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::HookError;
use crate::identity;

/// A repository.
pub(super) struct Repo {
    /// Its folder with `objects` and `refs`, absolute, links resolved.
    pub(super) dir: PathBuf,
    owner: u32,
}

impl Repo {
    pub(super) fn open(path: &Path) -> Result<Repo, HookError> {
        let path = fs::canonicalize(path).map_err(HookError::at(path))?;
        let inner = path.join(".git");
        let dir = match fs::symlink_metadata(&inner) {
            Ok(meta) if meta.is_file() => return Err(HookError::LinkedWorkTree(path)),
            Ok(_) => fs::canonicalize(&inner).map_err(HookError::at(&inner))?,
            Err(_) => path,
        };
        let whole =
            dir.join("HEAD").is_file() && dir.join("objects").is_dir() && dir.join("refs").is_dir();
        if !whole {
            return Err(HookError::NotARepository(dir));
        }
        if dir.to_str().is_none() {
            return Err(HookError::NotText(dir));
        }
        let owner = fs::metadata(&dir).map_err(HookError::at(&dir))?.uid();
        Ok(Repo { dir, owner })
    }

    /// Whether gitolite manages it: it leaves its access rules for the repository there.
    pub(super) fn is_gitolites(&self) -> bool {
        self.dir.join("gl-conf").is_file()
    }

    /// One value of the repository's effective configuration, of Git's type `kind`; `None` when it is not set.
    pub(super) fn config(&self, kind: &str, key: &str) -> Result<Option<String>, HookError> {
        self.get(&["config", kind, "--get", key])
    }

    /// The same, from one file alone.
    pub(super) fn config_in(
        &self,
        file: &Path,
        kind: &str,
        key: &str,
    ) -> Result<Option<String>, HookError> {
        let file = file
            .to_str()
            .ok_or_else(|| HookError::NotText(file.to_owned()))?;
        self.get(&["config", "--file", file, kind, "--get", key])
    }

    /// Takes a key out of one configuration file.
    pub(super) fn unset_in(&self, file: &Path, key: &str) -> Result<(), HookError> {
        let file = file
            .to_str()
            .ok_or_else(|| HookError::NotText(file.to_owned()))?;
        let arguments = ["config", "--file", file, "--unset-all", key];
        let output = self.git(&arguments)?;
        // 5: the key was not there.
        if output.status.success() || output.status.code() == Some(5) {
            Ok(())
        } else {
            Err(failed(&arguments, &output))
        }
    }

    fn get(&self, arguments: &[&str]) -> Result<Option<String>, HookError> {
        let output = self.git(arguments)?;
        match output.status.code() {
            Some(0) => {
                let value = String::from_utf8_lossy(&output.stdout);
                Ok(Some(value.strip_suffix('\n').unwrap_or(&value).to_owned()))
            }
            Some(1) => Ok(None),
            _ => Err(failed(arguments, &output)),
        }
    }

    /// Runs Git with nothing of our environment but what names files of the repository's owner.
    fn git(&self, arguments: &[&str]) -> Result<Output, HookError> {
        let mut command = Command::new("git");
        command
            .args(arguments)
            .stdin(Stdio::null())
            .current_dir(&self.dir)
            .env_clear()
            .env("GIT_DIR", &self.dir);
        command.env("LC_ALL", "C").env(
            "PATH",
            env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()),
        );
        if rustix::process::geteuid().as_raw() == self.owner {
            for name in ["HOME", "XDG_CONFIG_HOME"] {
                command.envs(env::var_os(name).map(|value| (name, value)));
            }
        } else if let Some(account) = identity::account_of(self.owner) {
            command.env("HOME", account.home);
        }
        let error = |error: std::io::Error| HookError::Git {
            command: arguments.join(" "),
            message: error.to_string(),
        };
        command.output().map_err(error)
    }
}

fn failed(arguments: &[&str], output: &Output) -> HookError {
    let text = String::from_utf8_lossy(&output.stderr);
    let message = text
        .lines()
        .next()
        .map_or_else(|| output.status.to_string(), str::to_owned);
    HookError::Git {
        command: arguments.join(" "),
        message,
    }
}
