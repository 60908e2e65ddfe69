//! A temporary folder that is removed at the end, whatever happens.

use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};

/// The folder, readable by its owner only.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Makes one in the place for temporary files.
    pub(super) fn new() -> Result<Self, Failure> {
        let base = std::env::temp_dir();
        let text = format!("cannot make a folder in {}", base.display());
        for attempt in 0..100_u32 {
            let path = base.join(format!("assay-{}-{attempt}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Scratch(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Failure::new(Exit::Internal, text).because(&error)),
            }
        }
        Err(Failure::new(
            Exit::Internal,
            format!("{text}: all names are taken"),
        ))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
