//! Checking a state folder while no daemon runs: the journal's checksums, and the view against the journal.

use std::fs;
use std::path::Path;

use crate::error::StoreError;
use crate::folder::{Folder, remove_all, sync_dir};
use crate::journal;
use crate::keys::Keys;
use crate::record::Entry;
use crate::seal::{self, Unreadable};
use crate::types::Change;
use crate::view::{Unusable, View};

/// What checking found.
#[derive(Debug, Clone, Default)]
pub struct FsckReport {
    /// Records in the journal.
    pub records: u64,
    /// Damage in the journal, a line each: what is named here is lost unless the database still has it.
    pub damaged: Vec<String>,
    /// Differences between database and journal, a line each: a rebuild mends them.
    pub differences: Vec<String>,
    /// Things worth knowing that are no damage: a torn record that the next start cuts off.
    pub notes: Vec<String>,
    /// Where the old database was put, when it was rebuilt.
    pub set_aside: Option<std::path::PathBuf>,
}

impl FsckReport {
    /// Whether journal and database are sound.
    pub fn is_clean(&self) -> bool {
        self.damaged.is_empty() && self.differences.is_empty()
    }
}

/// Checks a state folder; with `rebuild`, sets the database aside and makes a new one from the journal.
///
/// # Errors
/// When a daemon has the folder open, it was written by a newer version, or a file can't be read.
pub fn fsck(dir: &Path, rebuild: bool) -> Result<FsckReport, StoreError> {
    // A folder that isn't there is no sound state, and checking must not make one.
    fs::read_dir(dir).map_err(StoreError::io("open", dir))?;
    let folder = Folder::new(dir);
    folder.prepare()?;
    let _lock = folder.lock()?;
    folder.check_format()?;
    let keys = Keys::open(folder.join("keys"), journal::Files::list(&folder.join("journal"))?.is_empty())?;
    let mut report = FsckReport::default();
    let fresh_path = folder.join("db.check");
    remove_all(&fresh_path)?;
    let fresh = open(&fresh_path)?;
    let end = replay_all(&folder, &keys, &fresh, &mut report)?;
    let result = compare_all(&folder, &keys, &fresh, &mut report);
    if rebuild {
        if let Some(end) = end {
            fresh.mark(end)?;
        }
        drop(fresh);
        result?;
        let db = folder.join("db");
        if db.exists() {
            report.set_aside = Some(crate::open::set_aside(&folder)?);
        }
        fs::rename(&fresh_path, &db).map_err(StoreError::io("write", &db))?;
        sync_dir(folder.root())?;
    } else {
        drop(fresh);
        remove_all(&fresh_path)?;
        result?;
    }
    Ok(report)
}

fn open(path: &Path) -> Result<View, StoreError> {
    View::open(path).map_err(|error| match error {
        Unusable::Outside(error) => error,
        Unusable::Broken(what) => StoreError::Damaged { path: path.to_owned(), what },
    })
}

/// Replays the whole journal into an empty view.
fn replay_all(
    folder: &Folder,
    keys: &Keys,
    fresh: &View,
    report: &mut FsckReport,
) -> Result<Option<journal::Position>, StoreError> {
    let dir = folder.join("journal");
    let mut without_key = std::collections::BTreeSet::new();
    let replayed = journal::replay(&dir, None, false, &mut |sealed| {
        match seal::unseal(keys, sealed) {
            Ok(entry) => {
                if let Entry::Change(Change::RemoveRepository(id)) = &entry {
                    without_key.remove(id);
                }
                fresh.apply(&entry, sealed, keys)?;
            }
            Err(Unreadable::NoKey(repo)) => {
                without_key.insert(repo);
            }
            Err(Unreadable::Key(error)) => return Err(error),
            Err(Unreadable::Newer(found)) => {
                return Err(StoreError::Newer { path: dir.clone(), found: found.into(), known: seal::VERSION.into() });
            }
            Err(error) => report.damaged.push(format!("{}: a record can't be read: {error}", dir.display())),
        }
        Ok(())
    })?;
    report.records = replayed.records;
    report.damaged.extend(replayed.damage);
    report.damaged.extend(without_key.into_iter().map(crate::open::lost_key));
    report.notes.extend(replayed.torn);
    Ok(replayed.end)
}

/// Compares the database, brought up to the journal's end, with the fresh one.
fn compare_all(folder: &Folder, keys: &Keys, fresh: &View, report: &mut FsckReport) -> Result<(), StoreError> {
    let path = folder.join("db");
    if !path.exists() {
        if report.records > 0 {
            report.differences.push(format!("database {} is missing", path.display()));
        }
        return Ok(());
    }
    let view = match View::open(&path) {
        Ok(view) => view,
        Err(Unusable::Outside(error)) => return Err(error),
        Err(Unusable::Broken(why)) => {
            report.differences.push(format!("database {} can't be opened: {why}", path.display()));
            return Ok(());
        }
    };
    let dir = folder.join("journal");
    let caught_up = view.checkpoint().and_then(|from| {
        journal::replay(&dir, from, false, &mut |sealed| match seal::unseal(keys, sealed) {
            Ok(entry) => view.apply(&entry, sealed, keys),
            // Reported by the replay of everything.
            Err(_) => Ok(()),
        })
    });
    if let Err(error) = caught_up {
        report.differences.push(format!("database {} can't be brought up to date: {error}", path.display()));
        return Ok(());
    }
    for ((name, ours), (_, theirs)) in view.trees().into_iter().zip(fresh.trees()) {
        let difference = |what: &str, number: usize| format!("database: {number} entries of {name} {what}");
        let (missing, other) = differing(theirs, ours, &path)?;
        let (surplus, _) = differing(ours, theirs, &path)?;
        let found = [("are missing", missing), ("differ", other), ("should not be there", surplus)];
        let found = found.into_iter().filter(|(_, number)| *number > 0);
        report.differences.extend(found.map(|(what, number)| difference(what, number)));
    }
    Ok(())
}

/// How many entries of `one` are missing from `other`, and how many are different there.
fn differing(one: &sled::Tree, other: &sled::Tree, path: &Path) -> Result<(usize, usize), StoreError> {
    let failed = |error| StoreError::View { path: path.to_owned(), error };
    let (mut missing, mut different) = (0, 0);
    for entry in one {
        let (key, value) = entry.map_err(failed)?;
        match other.get(key).map_err(failed)? {
            None => missing += 1,
            Some(there) if there != value => different += 1,
            Some(_) => {}
        }
    }
    Ok((missing, different))
}
