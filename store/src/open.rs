//! Opening the state folder: layout, lock, keys, the view brought up to the journal's end.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::sync::RwLock;
use std::sync::atomic::AtomicU64;

use assay_plan::RepoId;
use tokio::sync::broadcast;

use crate::archives;
use crate::error::StoreError;
use crate::folder::{Folder, remove_all, sync_dir};
use crate::git::Mirrors;
use crate::journal::{self, Files, Journal, Kind, Position, Replayed};
use crate::keys::Keys;
use crate::logs::Logs;
use crate::record::Entry;
use crate::seal::{self, Unreadable};
use crate::shared::Shared;
use crate::types::{Change, Opened};
use crate::view::{Unusable, View};
use crate::writer::Sizes;

/// Changes that a slow listener may fall behind before it has to look for itself.
const WATCHED: usize = 1024;

/// What is open.
pub(crate) struct Ready {
    pub(crate) shared: Shared,
    pub(crate) journal: Journal,
    pub(crate) sizes: Sizes,
    pub(crate) lock: File,
    pub(crate) opened: Opened,
}

/// Opens a state folder.
pub(crate) fn open(dir: &Path) -> Result<Ready, StoreError> {
    let folder = Folder::new(dir);
    folder.prepare()?;
    let lock = folder.lock()?;
    folder.check_format()?;
    let journal_dir = folder.join("journal");
    let files = Files::list(&journal_dir)?;
    let keys = Keys::open(folder.join("keys"), files.is_empty())?;
    let mut notes = Vec::new();
    let view = open_view(&folder, &files, &mut notes)?;
    let logs = Logs::open(folder.join("logs"))?;
    for kind in [archives::CACHES, archives::ARTIFACTS] {
        archives::clear_unfinished(&folder.join(kind))?;
    }
    let mirrors = Mirrors::open(folder.join("git"))?;
    let mut shared = Shared {
        folder,
        keys,
        view,
        logs,
        mirrors,
        changed: broadcast::channel(WATCHED).0,
        flushes: AtomicU64::new(0),
        removal: RwLock::new(()),
    };
    let replayed = bring_up(&mut shared, &files, &mut notes)?;
    let journal = match (replayed.end, files.segments.last()) {
        (Some(end), _) => Journal::resume(&journal_dir, end)?,
        // The last segment lost its header, or there is none yet.
        (None, Some(last)) => Journal::start(&journal_dir, *last)?,
        (None, None) => Journal::start(&journal_dir, files.bases.last().copied().unwrap_or(1))?,
    };
    for note in &notes {
        tracing::warn!(note, "state folder");
    }
    let sizes = Sizes {
        journal: replayed.journal_bytes,
        base: replayed.base_bytes,
    };
    Ok(Ready {
        shared,
        journal,
        sizes,
        lock,
        opened: Opened { notes },
    })
}

/// Opens the database; one that can't be opened is set aside for an empty one.
fn open_view(folder: &Folder, files: &Files, notes: &mut Vec<String>) -> Result<View, StoreError> {
    let path = folder.join("db");
    let was_there = path.exists();
    match View::open(&path) {
        Ok(view) => {
            if !was_there && !files.is_empty() {
                notes.push(format!(
                    "database {} was missing; rebuilt from the journal",
                    path.display()
                ));
            }
            Ok(view)
        }
        Err(Unusable::Outside(error)) => Err(error),
        Err(Unusable::Broken(_)) if files.is_empty() => {
            // The very first start was cut off.
            remove_all(&path)?;
            new_view(&path)
        }
        Err(Unusable::Broken(why)) => {
            let aside = set_aside(folder)?;
            notes.push(format!(
                "database could not be opened ({why}); it was set aside as {} and rebuilt from the journal",
                aside.display()
            ));
            new_view(&path)
        }
    }
}

fn new_view(path: &Path) -> Result<View, StoreError> {
    View::open(path).map_err(|error| match error {
        Unusable::Outside(error) => error,
        Unusable::Broken(what) => StoreError::Damaged {
            path: path.to_owned(),
            what,
        },
    })
}

/// Renames the database out of the way.
pub(crate) fn set_aside(folder: &Folder) -> Result<std::path::PathBuf, StoreError> {
    let path = folder.join("db");
    let free = (1_u32..)
        .map(|number| folder.join(&format!("db.broken-{number}")))
        .find(|path| !path.exists());
    let aside = free.unwrap_or_else(|| folder.join("db.broken"));
    fs::rename(&path, &aside).map_err(StoreError::io("set aside", &path))?;
    sync_dir(folder.root())?;
    Ok(aside)
}

/// Replays what the view doesn't know yet; if its checkpoint doesn't fit the journal, everything.
fn bring_up(
    shared: &mut Shared,
    files: &Files,
    notes: &mut Vec<String>,
) -> Result<Replayed, StoreError> {
    let dir = shared.folder.join("journal");
    let mut from = shared.view.checkpoint()?;
    if let Some(position) = from
        && !fits(&dir, files, position)?
    {
        let aside = set_aside(&shared.folder)?;
        notes.push(format!(
            "database does not fit the journal; it was set aside as {} and rebuilt from the journal",
            aside.display()
        ));
        shared.view = new_view(&shared.folder.join("db"))?;
        from = None;
    }
    let replayed = replay_into(shared, &dir, from, notes)?;
    notes.extend(replayed.torn.iter().cloned());
    notes.extend(
        replayed
            .damage
            .iter()
            .map(|line| format!("{line}; what was there is lost from the journal")),
    );
    Ok(replayed)
}

/// Whether a checkpoint speaks of a place that is there.
fn fits(dir: &Path, files: &Files, position: Position) -> Result<bool, StoreError> {
    if !files.segments.contains(&position.segment) {
        return Ok(false);
    }
    let path = journal::path(dir, Kind::Journal, position.segment);
    let length = fs::metadata(&path)
        .map_err(StoreError::io("open", &path))?
        .len();
    Ok(position.offset <= length)
}

/// Replays into the view, and carries out removals that a crash may have cut short.
fn replay_into(
    shared: &Shared,
    dir: &Path,
    from: Option<Position>,
    notes: &mut Vec<String>,
) -> Result<Replayed, StoreError> {
    let mut without_key = BTreeSet::new();
    let replayed = journal::replay(dir, from, true, &mut |sealed| match seal::unseal(
        &shared.keys,
        sealed,
    ) {
        Ok(entry) => {
            if let Entry::Change(Change::RemoveRepository(id)) = &entry {
                without_key.remove(id);
            }
            shared.apply(&entry, sealed)
        }
        Err(Unreadable::NoKey(repo)) => {
            without_key.insert(repo);
            Ok(())
        }
        Err(Unreadable::Newer(found)) => Err(StoreError::Newer {
            path: dir.to_owned(),
            found: found.into(),
            known: seal::VERSION.into(),
        }),
        Err(Unreadable::Key(error)) => Err(error),
        Err(error @ (Unreadable::Damaged | Unreadable::Content(_))) => {
            notes.push(format!(
                "a record in {} was left out: {error}",
                dir.display()
            ));
            Ok(())
        }
    })?;
    for repo in without_key {
        notes.push(lost_key(repo));
    }
    Ok(replayed)
}

pub(crate) fn lost_key(repo: RepoId) -> String {
    format!(
        "the data key of repository {repo} is missing from the keys folder; its records can't be read"
    )
}
