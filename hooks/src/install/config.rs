//! `receive.advertisePushOptions` in the repository's `config`, set and taken back byte for byte.
//!
//! `git config` itself would do for setting; but run by root it leaves the file root's, and its `--unset` does not
//! restore every file as it was. So the lines are added and cut here, under Git's own lock file, and Git is asked
//! whether they say what they should.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

use super::folder::{give_to, parent_of, remove_if_there, sync};
use super::record::Record;
use super::repo::Repo;
use super::{HookError, PushOptions};

const KEY: &str = "receive.advertisePushOptions";
const LINES: &str = "[receive]\n\tadvertisePushOptions = true\n";

/// What the repository says on push options; `None` when it says nothing.
pub(super) fn push_options(repo: &Repo) -> Result<Option<bool>, HookError> {
    Ok(repo
        .config("--type=bool", KEY)?
        .map(|value| value == "true"))
}

/// Turns push options on unless somebody has decided already.
pub(super) fn advertise_push_options(
    repo: &Repo,
    record: &mut Record,
) -> Result<PushOptions, HookError> {
    match push_options(repo)? {
        Some(true) if record.config.is_some() => return Ok(PushOptions::Set),
        Some(true) => return Ok(PushOptions::AlreadyOn),
        Some(false) => return Ok(PushOptions::LeftOff),
        None => {}
    }
    let lock = Lock::take(repo)?;
    let mut text = lock.text.clone();
    let gap = if text.is_empty() || text.ends_with(b"\n") {
        ""
    } else {
        "\n"
    };
    let added = format!("{gap}{LINES}");
    text.extend_from_slice(added.as_bytes());
    record.config = Some(added);
    record.save(repo)?;
    lock.write(&text)?;
    // A file that ends inside a continued line would have swallowed ours.
    if repo.config_in(&lock.path, "--type=bool", KEY)?.as_deref() != Some("true") {
        return Err(HookError::Config(lock.config.clone()));
    }
    lock.commit()?;
    Ok(PushOptions::Set)
}

/// Takes back what [`advertise_push_options`] added. Says whether there was something to take back.
pub(super) fn take_back(repo: &Repo, added: &str) -> Result<bool, HookError> {
    let lock = Lock::take(repo)?;
    if repo.config_in(&lock.config, "--type=bool", KEY)?.as_deref() != Some("true") {
        return Ok(false);
    }
    match cut(&lock.text, added.as_bytes()) {
        Some(text) => lock.write(&text)?,
        None => {
            // Others have written into our section since.
            lock.write(&lock.text)?;
            repo.unset_in(&lock.path, KEY)?;
        }
    }
    lock.commit()?;
    Ok(true)
}

/// The text without `added`, where that is still a whole section of its own.
fn cut(text: &[u8], added: &[u8]) -> Option<Vec<u8>> {
    let at = text
        .windows(added.len())
        .rposition(|window| window == added)?;
    let (before, after) = (&text[..at], &text[at + added.len()..]);
    let starts_a_line = before.is_empty() || before.ends_with(b"\n") || added.starts_with(b"\n");
    let section_ends = after.is_empty() || after.starts_with(b"[");
    (starts_a_line && section_ends).then(|| [before, after].concat())
}

/// The repository's `config`, locked as Git locks it.
struct Lock {
    config: PathBuf,
    path: PathBuf,
    text: Vec<u8>,
    /// False once the file has become the configuration: a lock there is then another's.
    held: bool,
}

impl Lock {
    fn take(repo: &Repo) -> Result<Lock, HookError> {
        let config = repo.dir.join("config");
        let meta = fs::symlink_metadata(&config).map_err(HookError::at(&config))?;
        if !meta.is_file() {
            return Err(HookError::Config(config));
        }
        let path = repo.dir.join("config.lock");
        let file = match File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
        {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(HookError::Locked(path));
            }
            result => result.map_err(HookError::at(&path))?,
        };
        // From here on the lock goes when this value does.
        let mut lock = Lock {
            text: Vec::new(),
            held: true,
            config,
            path,
        };
        give_to(&file, &meta).map_err(HookError::at(&lock.path))?;
        file.set_permissions(fs::Permissions::from_mode(meta.permissions().mode()))
            .map_err(HookError::at(&lock.path))?;
        lock.text = fs::read(&lock.config).map_err(HookError::at(&lock.config))?;
        Ok(lock)
    }

    fn write(&self, text: &[u8]) -> Result<(), HookError> {
        let write = || {
            let mut file = File::options()
                .write(true)
                .truncate(true)
                .open(&self.path)?;
            file.write_all(text)?;
            file.sync_all()
        };
        write().map_err(HookError::at(&self.path))
    }

    fn commit(mut self) -> Result<(), HookError> {
        // `git config --unset-all` replaces the file it changes, as whoever runs it.
        let meta = fs::metadata(&self.config).map_err(HookError::at(&self.config))?;
        let file = File::open(&self.path).map_err(HookError::at(&self.path))?;
        give_to(&file, &meta).map_err(HookError::at(&self.path))?;
        fs::rename(&self.path, &self.config).map_err(HookError::at(&self.config))?;
        self.held = false;
        sync(parent_of(&self.config)).map_err(HookError::at(&self.config))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.held {
            // There is nobody left to tell; the next try names the file.
            let _ = remove_if_there(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_section_is_cut() {
        let cut = |text: &str, added: &str| {
            cut(text.as_bytes(), added.as_bytes()).map(|text| String::from_utf8(text).unwrap())
        };
        assert_eq!(
            cut(&format!("[core]\n\ta = b\n{LINES}"), LINES).as_deref(),
            Some("[core]\n\ta = b\n")
        );
        assert_eq!(
            cut(&format!("[core]\n{LINES}[x]\n"), LINES).as_deref(),
            Some("[core]\n[x]\n")
        );
        assert_eq!(
            cut(&format!("[core]\n\ta = b\n{LINES}"), &format!("\n{LINES}")).as_deref(),
            Some("[core]\n\ta = b")
        );
        assert_eq!(
            cut(&format!("[core]\n{LINES}\tkeepAlive = 3\n"), LINES),
            None
        );
        assert_eq!(cut(&format!("# {LINES}"), LINES), None);
        assert_eq!(cut("[core]\n", LINES), None);
    }
}
