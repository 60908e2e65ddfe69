//! A working tree with changes that are not committed: what `assay run` runs beside what HEAD says.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use assay_plan::CommitId;
use assay_store::{FileAt, TreeItem};

/// Why a working tree can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkTreeError {
    #[error("cannot run git: {0}")]
    NoGit(#[source] io::Error),
    #[error("git {command} in {dir}: {text}")]
    Git {
        command: &'static str,
        dir: PathBuf,
        text: String,
    },
    #[error("{dir} has no commit yet")]
    Unborn { dir: PathBuf },
}

/// A working tree and the paths in it that differ from HEAD.
///
/// Uses the `git` program: comparing a tree with its index, ignore rules included, is what it is for, and it is the
/// author's own repository on the author's own machine.
#[derive(Debug)]
pub(crate) struct WorkTree {
    root: PathBuf,
    git_dir: PathBuf,
    head: CommitId,
    changed: BTreeSet<Vec<u8>>,
}

impl WorkTree {
    /// Reads the working tree that `dir` is in.
    pub(crate) fn read(dir: &Path) -> Result<Self, WorkTreeError> {
        let path = |bytes: Vec<u8>| PathBuf::from(OsStr::from_bytes(bytes.trim_ascii_end()));
        let root = path(git(dir, "rev-parse", &["rev-parse", "--show-toplevel"])?);
        let git_dir = path(git(
            &root,
            "rev-parse",
            &["rev-parse", "--absolute-git-dir"],
        )?);
        let head = git(
            &root,
            "rev-parse",
            &["rev-parse", "--quiet", "--verify", "HEAD^{commit}"],
        );
        let head = head
            .ok()
            .and_then(|id| CommitId::parse(String::from_utf8_lossy(&id).trim()).ok());
        let Some(head) = head else {
            return Err(WorkTreeError::Unborn { dir: root });
        };
        let changed = git(
            &root,
            "diff",
            &[
                "diff",
                "--no-ext-diff",
                "--ignore-submodules",
                "--name-only",
                "--no-renames",
                "-z",
                "HEAD",
            ],
        )?;
        let untracked = git(
            &root,
            "ls-files",
            &["ls-files", "-z", "--others", "--exclude-standard"],
        )?;
        let names = |bytes: &[u8]| -> Vec<Vec<u8>> {
            bytes
                .split(|byte| *byte == 0)
                .filter(|name| !name.is_empty())
                .map(<[u8]>::to_vec)
                .collect()
        };
        let changed = names(&changed)
            .into_iter()
            .chain(names(&untracked))
            .collect();
        Ok(WorkTree {
            root,
            git_dir,
            head,
            changed,
        })
    }

    /// Folder of the working tree.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The commit it is based on.
    pub(crate) fn head(&self) -> &CommitId {
        &self.head
    }

    /// Folder of the repository.
    pub(crate) fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// Whether a path of HEAD is not to be laid out: it was changed or deleted.
    pub(crate) fn hides(&self, path: &[u8]) -> bool {
        self.changed.contains(path)
    }

    /// Reads a file as it is now, at most `max` bytes of it.
    pub(crate) fn file(&self, name: &str, max: u64) -> io::Result<FileAt> {
        let path = self.root.join(name);
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(FileAt::Missing),
            Err(error) => Err(error),
            Ok(meta) if !meta.is_file() => Ok(FileAt::NotAFile),
            Ok(meta) if meta.len() > max => Ok(FileAt::TooLarge(meta.len())),
            Ok(_) => std::fs::read(&path).map(FileAt::Bytes),
        }
    }

    /// Gives the changed and new files to `sink`.
    pub(crate) fn lay_over(
        &self,
        sink: &mut dyn FnMut(TreeItem<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        for name in &self.changed {
            let path = self.root.join(OsStr::from_bytes(name));
            let meta = match path.symlink_metadata() {
                Ok(meta) => meta,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if meta.is_symlink() {
                let target = std::fs::read_link(&path)?;
                sink(TreeItem::Link {
                    path: name,
                    target: target.as_os_str().as_bytes(),
                })?;
            } else if meta.is_file() {
                let content = std::fs::read(&path)?;
                let executable = meta.permissions().mode() & 0o100 != 0;
                sink(TreeItem::File {
                    path: name,
                    executable,
                    content: &content,
                })?;
            }
        }
        Ok(())
    }
}

fn git(dir: &Path, command: &'static str, args: &[&str]) -> Result<Vec<u8>, WorkTreeError> {
    let output = Command::new("git")
        .args(args)
        .current_dir(dir)
        .output()
        .map_err(WorkTreeError::NoGit)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(WorkTreeError::Git {
        command,
        dir: dir.to_owned(),
        text,
    })
}
