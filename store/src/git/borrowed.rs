//! Object folders that a source repository borrows from others (`objects/info/alternates`).
//!
//! Whoever may write a repository may write that file. A daemon that reads more than they do must not follow it to
//! where they couldn't go: a folder is borrowed only if it has the same owner, or if everybody can read it.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Git's own limit on alternates of alternates.
const DEEPEST: usize = 5;

/// Longest alternates file that is read, bytes.
const LARGEST: u64 = 64 << 10;

/// Looks at everything that `objects` borrows; says which folder is none of its business.
pub(super) fn check(objects: &Path) -> Result<(), String> {
    let meta = fs::metadata(objects).map_err(|error| format!("objects: {error}"))?;
    check_from(objects, meta.uid(), 0)
}

fn check_from(objects: &Path, owner: u32, depth: usize) -> Result<(), String> {
    for path in borrowed(objects)? {
        let name = path.display();
        if depth == DEEPEST {
            return Err(format!(
                "alternates are nested deeper than {DEEPEST}: {name}"
            ));
        }
        // One that isn't there lends nothing.
        let Ok(real) = path.canonicalize() else {
            continue;
        };
        let same = fs::metadata(&real).is_ok_and(|meta| meta.uid() == owner);
        if !same && !is_open_to_all(&real) {
            return Err(format!(
                "its alternate {name} belongs to somebody else and is not open to all"
            ));
        }
        check_from(&real, owner, depth + 1)?;
    }
    Ok(())
}

fn borrowed(objects: &Path) -> Result<Vec<PathBuf>, String> {
    let file = objects.join("info/alternates");
    let failed = |error: io::Error| format!("objects/info/alternates: {error}");
    match fs::metadata(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
        Ok(meta) if meta.len() > LARGEST => {
            return Err("objects/info/alternates is too large".to_owned());
        }
        Ok(_) => {}
    }
    let text = fs::read(&file).map_err(failed)?;
    let lines = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty() && line[0] != b'#');
    Ok(lines
        .map(|line| objects.join(std::ffi::OsStr::from_bytes(line)))
        .collect())
}

/// Whether everybody may list this folder and enter it and all folders above it.
fn is_open_to_all(path: &Path) -> bool {
    let mode = |path: &Path| fs::metadata(path).map_or(0, |meta| meta.mode());
    mode(path) & 0o005 == 0o005
        && path
            .ancestors()
            .skip(1)
            .all(|above| mode(above) & 0o001 == 0o001)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A repository's objects that borrow from another's, which root gives to somebody else.
    fn lender(mode: u32) -> Option<(tempfile::TempDir, PathBuf)> {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let (mine, theirs) = (dir.path().join("mine"), dir.path().join("theirs"));
        fs::create_dir_all(mine.join("info")).unwrap();
        fs::create_dir(&theirs).unwrap();
        fs::write(
            mine.join("info/alternates"),
            format!("{}\n", theirs.display()),
        )
        .unwrap();
        fs::set_permissions(&theirs, fs::Permissions::from_mode(mode)).unwrap();
        std::os::unix::fs::chown(&theirs, Some(4242), Some(4242)).ok()?;
        Some((dir, mine))
    }

    #[test]
    fn a_strangers_private_objects_are_not_borrowed() {
        let Some((_dir, mine)) = lender(0o700) else {
            drop(
                std::io::stderr()
                    .write_all(b"\nSKIP borrowed objects: only root can give folders away\n"),
            );
            return;
        };
        assert!(check(&mine).unwrap_err().contains("theirs"));
    }

    #[test]
    fn open_objects_and_ones_own_are_borrowed() {
        if let Some((_dir, mine)) = lender(0o755) {
            assert_eq!(check(&mine), Ok(()));
        }
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/info")).unwrap();
        fs::create_dir(dir.path().join("b")).unwrap();
        fs::write(
            dir.path().join("a/info/alternates"),
            "../b\n# a remark\n/nonexistent\n",
        )
        .unwrap();
        assert_eq!(check(&dir.path().join("a")), Ok(()));
    }

    #[test]
    fn circles_end() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/info")).unwrap();
        fs::write(dir.path().join("a/info/alternates"), "../a\n").unwrap();
        assert!(check(&dir.path().join("a")).unwrap_err().contains("nested"));
    }
}
