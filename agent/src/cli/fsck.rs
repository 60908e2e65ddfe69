//! `assay fsck`: the state folder, while the daemon is away.

use assay_store::{FsckReport, StoreError};
use serde_json::json;

use super::args::{self, Global};
use super::output::{Screen, one_line};
use super::owner::become_owner;
use crate::config::{self, Config};
use crate::exit::{Exit, Failure, Outcome};

/// `assay fsck`
pub(crate) fn fsck(args: &args::Fsck, global: &Global, screen: &Screen) -> Outcome {
    let config = match &global.state {
        Some(_) => None,
        None => Config::find(None).ok().map(|(config, _)| config),
    };
    let state = config::state_folder(global.state.as_deref(), config.as_ref());
    become_owner(&state)?;
    let report = assay_store::fsck(&state, args.rebuild).map_err(|error| failure(&error))?;
    let exit = exit_of(&report, args.rebuild);
    if screen.json {
        screen.json(&json!({
            "state": state,
            "records": report.records,
            "damaged": report.damaged,
            "differences": report.differences,
            "notes": report.notes,
            "set_aside": report.set_aside,
        }))?;
        return Ok(exit);
    }
    for line in &report.damaged {
        screen.line(&format!("damaged: {}", one_line(line)))?;
    }
    for line in &report.differences {
        screen.line(&format!("different: {}", one_line(line)))?;
    }
    for note in &report.notes {
        screen.say(note);
    }
    if let Some(path) = &report.set_aside {
        screen.say(&format!(
            "the database is made anew; the old one is {}",
            path.display()
        ));
    }
    screen.say(&match (report.is_clean(), exit) {
        (true, _) => format!("{} records, journal and database are sound", report.records),
        (false, Exit::Ok) => format!(
            "{} records; the new database is what the journal says",
            report.records
        ),
        (false, _) if report.damaged.is_empty() => {
            "assay fsck --rebuild mends the database".to_owned()
        }
        (false, _) => {
            "what is damaged in the journal is lost, unless there is a copy of it".to_owned()
        }
    });
    Ok(exit)
}

/// A rebuild mends differences; nothing mends a damaged journal.
fn exit_of(report: &FsckReport, rebuilt: bool) -> Exit {
    let mended = rebuilt && report.damaged.is_empty();
    if report.is_clean() || mended {
        Exit::Ok
    } else {
        Exit::BuildFailed
    }
}

fn failure(error: &StoreError) -> Failure {
    let failure = |exit| Failure::new(exit, "cannot check the state folder").because(error);
    match error {
        StoreError::Locked { .. } => failure(Exit::Usage).hint("stop the daemon first"),
        StoreError::Io { error, .. } if error.kind() == std::io::ErrorKind::NotFound => {
            failure(Exit::NotFound).hint("name the state folder by --state")
        }
        StoreError::Io { error, .. } if error.kind() == std::io::ErrorKind::PermissionDenied => {
            failure(Exit::NotAllowed).hint("run it as root or as the daemon's user")
        }
        StoreError::Newer { .. } => {
            failure(Exit::BadConfig).hint("use the version that wrote it, or a later one")
        }
        _ => failure(Exit::BadConfig),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_folder_is_sound_and_one_in_use_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = assay_store::Store::open(folder.path()).unwrap();
        let busy = assay_store::fsck(folder.path(), false).unwrap_err();
        let failure = failure(&busy);
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.to_string().contains("stop the daemon"), "{failure}");
        drop(store);
        for rebuild in [false, true] {
            let report = assay_store::fsck(folder.path(), rebuild).unwrap();
            assert_eq!(exit_of(&report, rebuild), Exit::Ok);
        }
    }

    #[test]
    fn no_folder_is_not_found() {
        let error = assay_store::fsck(std::path::Path::new("/nonexistent"), false).unwrap_err();
        assert_eq!(failure(&error).exit(), Exit::NotFound);
    }

    #[test]
    fn only_the_database_can_be_mended() {
        let different = FsckReport {
            differences: vec!["x".to_owned()],
            ..FsckReport::default()
        };
        assert_eq!(exit_of(&different, false), Exit::BuildFailed);
        assert_eq!(exit_of(&different, true), Exit::Ok);
        let damaged = FsckReport {
            damaged: vec!["x".to_owned()],
            ..different
        };
        assert_eq!(exit_of(&damaged, true), Exit::BuildFailed);
    }
}
