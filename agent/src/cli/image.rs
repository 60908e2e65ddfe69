//! `assay image`: the root images that jobs run in. Works on the state folder itself; a daemon that runs sees the change
//! with its next job.

use std::io::ErrorKind;

use assay_sandbox::{About, ImageError, Images};
use serde_json::{Value, json};

use super::args::{Global, ImageCommand};
use super::output::{Screen, Table, one_line};
use super::owner::become_owner;
use crate::clock;
use crate::config::{self, Config, HOST_IMAGE};
use crate::daemon;
use crate::exit::{Exit, Failure, Outcome};

/// `assay image`
pub(crate) fn run(command: ImageCommand, global: &Global, screen: &Screen) -> Outcome {
    let config = match &global.state {
        Some(_) => None,
        None => Config::find(None).ok().map(|(config, _)| config),
    };
    let state = config::state_folder(global.state.as_deref(), config.as_ref());
    become_owner(&state)?;
    let images = daemon::images(&state);
    match command {
        ImageCommand::List => list(&images, screen),
        ImageCommand::Import { name, .. } if name == HOST_IMAGE => {
            let what = format!("no image can be called {HOST_IMAGE}");
            Err(Failure::usage(what)
                .hint("in assay.yml that word means a read-only view of this host"))
        }
        ImageCommand::Import { name, source } => {
            let now = u64::try_from(clock::now().seconds()).unwrap_or(0);
            // The state folder is the daemon's to make: a new one would be found by nobody.
            if !state.is_dir() {
                let what = format!("there is no state folder {}", state.display());
                return Err(Failure::new(Exit::NotFound, what)
                    .hint("start the daemon once, or name one with --state"));
            }
            let about = images
                .import(&name, &source, now)
                .map_err(|error| failure("import the image", &error))?;
            show(&name, &about, screen)?;
            if about.skipped > 0 {
                screen.say(&format!(
                    "{} devices, pipes and sockets were left out",
                    about.skipped
                ));
            }
            Ok(Exit::Ok)
        }
        ImageCommand::Rm { name } => {
            let digest = images
                .remove(&name)
                .map_err(|error| failure("remove the image", &error))?;
            match digest {
                Some(digest) => screen.say(&format!("removed {name} ({digest})")),
                None => screen.say(&format!("removed {name}")),
            }
            Ok(Exit::Ok)
        }
        ImageCommand::Verify { names } => verify(&images, &names, screen),
    }
}

fn list(images: &Images, screen: &Screen) -> Outcome {
    let all = images
        .list()
        .map_err(|error| failure("list the images", &error))?;
    if screen.json {
        let list: Vec<Value> = all
            .iter()
            .map(|(name, about)| match about {
                Ok(about) => as_json(name, about),
                Err(error) => json!({ "name": name, "error": error.to_string() }),
            })
            .collect();
        screen.json(&json!({ "images": list }))?;
        return Ok(Exit::Ok);
    }
    if all.is_empty() {
        screen.say("no images; jobs see this host");
    }
    let mut table = Table::new(&["NAME", "DIGEST", "FILES", "MIB", "SOURCE"]);
    for (name, about) in &all {
        let Ok(about) = about else {
            table.row(vec![
                name.as_str().into(),
                "damaged".into(),
                "-".into(),
                "-".into(),
                "-".into(),
            ]);
            continue;
        };
        let digest = about.digest.get(..19).unwrap_or(&about.digest);
        table.row(vec![
            name.as_str().into(),
            digest.into(),
            about.entries.to_string().into(),
            about.bytes.div_ceil(1 << 20).to_string().into(),
            one_line(&about.source).into(),
        ]);
    }
    screen.table(&table)?;
    Ok(Exit::Ok)
}

fn show(name: &str, about: &About, screen: &Screen) -> Result<(), Failure> {
    match screen.json {
        true => screen.json(&as_json(name, about)),
        false => screen.line(&format!("{name} {}", about.digest)),
    }
}

fn as_json(name: &str, about: &About) -> Value {
    json!({
        "name": name,
        "digest": about.digest,
        "source": about.source,
        "imported": about.imported,
        "entries": about.entries,
        "bytes": about.bytes,
        "skipped": about.skipped,
    })
}

fn verify(images: &Images, names: &[String], screen: &Screen) -> Outcome {
    let all = match names {
        [] => {
            let all = images
                .list()
                .map_err(|error| failure("list the images", &error))?;
            all.into_keys().collect()
        }
        names => names.to_vec(),
    };
    let mut exit = Exit::Ok;
    let mut found = serde_json::Map::new();
    for name in &all {
        let differences = match images.verify(name) {
            Err(error @ ImageError::Damaged(_)) => vec![error.to_string()],
            verified => verified.map_err(|error| failure("verify the image", &error))?,
        };
        if !differences.is_empty() {
            exit = Exit::BuildFailed;
        }
        if screen.json {
            found.insert(name.clone(), differences.into());
            continue;
        }
        for line in &differences {
            screen.line(&format!("{name}: {}", one_line(line)))?;
        }
        if differences.is_empty() {
            screen.line(&format!("{name}: as it was imported"))?;
        }
    }
    if screen.json {
        screen.json(&json!({ "differences": found }))?;
    }
    Ok(exit)
}

fn failure(what: &str, error: &ImageError) -> Failure {
    let exit = match error {
        ImageError::Unknown(_) => Exit::NotFound,
        ImageError::Name(_) | ImageError::Source { .. } => Exit::Usage,
        _ => Exit::BuildFailed,
    };
    let failure = Failure::new(exit, format!("cannot {what}")).because(error);
    match error {
        ImageError::Unknown(_) => failure.hint("assay image list shows what is there"),
        ImageError::InUse(_) => failure.hint("wait for its jobs, or cancel them"),
        ImageError::Told(text) if text.contains("subordinate") => {
            failure.hint("see subuid(5), or take the grant away to store images under one uid")
        }
        ImageError::Source { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
            failure.hint("it is read by the user whose the state folder is, the daemon's")
        }
        _ => failure,
    }
}
