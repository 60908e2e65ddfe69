//! The SSH server's host key: made once, kept in the state folder, readable by the daemon only.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;

use crate::ssh_key;

/// Reads the key, or makes it.
pub(super) fn host_key(state: &Path) -> io::Result<PrivateKey> {
    let folder = state.join("keys");
    let path = folder.join("ssh-host");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = ssh_key::generate()?;
            write(&folder, &path, &key)?;
            return Ok(key);
        }
        Err(error) => return Err(error),
    };
    PrivateKey::from_openssh(text)
        .map_err(|error| io::Error::new(ErrorKind::InvalidData, error.to_string()))
}

/// Whole or not at all, also when the power fails.
fn write(folder: &Path, path: &Path, key: &PrivateKey) -> io::Result<()> {
    let text = key.to_openssh(LineEnding::LF).map_err(io::Error::other)?;
    let new = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_is_made_once_and_is_the_daemons_own() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("keys")).unwrap();
        let first = host_key(dir.path()).unwrap();
        let path = dir.path().join("keys/ssh-host");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = host_key(dir.path()).unwrap();
        assert_eq!(first.public_key(), second.public_key());
        std::fs::write(&path, "no key").unwrap();
        assert!(host_key(dir.path()).is_err());
    }
}
