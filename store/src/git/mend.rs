//! Mending a mirror that a crash of the machine, or the disk, has damaged: what is wrong goes, and is copied again.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use gix::progress::Discard;

use super::error::GitError;
use super::mirrors::Mirror;
use crate::error::StoreError;
use crate::folder::remove_all;

/// Removes every object and pack whose content is not what its name says. The mirror's lock is held.
pub(super) fn remove_damaged(mirror: &Mirror) -> Result<(), GitError> {
    let loose = gix::odb::loose::Store::at(mirror.objects_dir(), mirror.hash);
    let mut buffer = Vec::new();
    for id in loose.iter().flatten() {
        let is_sound = match loose.try_find(&id, &mut buffer) {
            Ok(Some(object)) => object.verify_checksum(&id).is_ok(),
            _ => false,
        };
        if !is_sound {
            remove_all(&loose.object_path(&id)).map_err(GitError::Mirror)?;
        }
    }
    let dir = mirror.objects_dir().join("pack");
    let entries = fs::read_dir(&dir).map_err(|error| GitError::Mirror(StoreError::io("read", &dir)(error)))?;
    for entry in entries.flatten() {
        let index = entry.path();
        if index.extension().is_some_and(|extension| extension == "idx") && !is_sound_pack(&index, mirror) {
            for path in [&index, &index.with_extension("pack")] {
                remove_all(path).map_err(GitError::Mirror)?;
            }
        }
    }
    Ok(())
}

fn is_sound_pack(index: &Path, mirror: &Mirror) -> bool {
    let stop = AtomicBool::new(false);
    gix_pack::Bundle::at(index, mirror.hash).is_ok_and(|bundle| {
        bundle.index.pack_checksum() == bundle.pack.checksum()
            && bundle.index.verify_checksum(&mut Discard, &stop).is_ok()
            && bundle.pack.verify_checksum(&mut Discard, &stop).is_ok()
    })
}
