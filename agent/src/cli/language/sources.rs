//! A file with what it imports (`--sources`): files of the work tree around it. Those of other repositories only the daemon
//! can read.

use std::path::{Path, PathBuf};

use assay_plan::{
    ConfigRef, Imported, Imports, Linted, MAX_CONFIG_BYTES, Map, Reading, Resolved, Slug, resolve,
};

use super::{linted, shown};
use crate::cli::output::Screen;
use crate::exit::{Exit, Failure};

/// A file, normalised, and the files it was read from, its own first.
pub(super) struct Sourced {
    pub(super) linted: Linted,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
    pub(super) sources: Vec<String>,
}

/// Reads a file; with `follow`, what it imports too.
pub(super) fn sourced(
    file: &Path,
    follow: bool,
    data: &Map,
    screen: &Screen,
) -> Result<Sourced, Failure> {
    let (linted, bytes) = linted(file, screen)?;
    if !follow {
        let sources = vec![shown(file)];
        return Ok(Sourced {
            linted,
            bytes,
            sources,
        });
    }
    let resolved = followed(file, &bytes, data)?;
    Ok(Sourced {
        linted: resolved.linted,
        bytes,
        sources: resolved.sources.iter().map(ToString::to_string).collect(),
    })
}

/// A file's bytes, with what they import.
pub(super) fn followed(file: &Path, bytes: &[u8], data: &Map) -> Result<Resolved, Failure> {
    let origin = origin(file, data)?;
    let mut imports = Imports::new();
    loop {
        let step = resolve(bytes, &origin, data, &imports).map_err(|error| {
            Failure::new(Exit::BuildFailed, format!("cannot use {}", shown(file))).because(&error)
        })?;
        match step {
            Reading::Done(resolved) => return Ok(resolved),
            Reading::Needs(wanted) => {
                let found = find(file, &origin, &wanted);
                imports.insert(wanted, found);
            }
        }
    }
}

/// Where the file stands: at the root of a repository whose name the event may tell.
fn origin(file: &Path, data: &Map) -> Result<ConfigRef, Failure> {
    let slug = Slug::parse(data.text("repo").unwrap_or("owner/name"))
        .map_err(|error| Failure::usage("cannot use the event").because(&error))?;
    let name = file.file_name().map_or_else(
        || ".travis.yml".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    );
    Ok(ConfigRef {
        slug,
        path: name,
        at: None,
    })
}

fn find(file: &Path, origin: &ConfigRef, wanted: &ConfigRef) -> Imported {
    if wanted.slug != origin.slug || wanted.at.is_some() {
        return Imported::Refused(
            "only files of this work tree can be read here; the daemon reads those of other repositories and refs".to_owned(),
        );
    }
    let root = match file.parent() {
        Some(folder) if file != Path::new("-") => folder.to_owned(),
        _ => PathBuf::new(),
    };
    let path = root.join(&wanted.path);
    let size = path.metadata().map(|meta| meta.len());
    match (size, std::fs::read(&path)) {
        (Ok(size), _) if size > MAX_CONFIG_BYTES => Imported::Refused(format!(
            "it has {size} bytes, more than the limit of {MAX_CONFIG_BYTES} (1 MiB)"
        )),
        (_, Ok(bytes)) => Imported::File {
            bytes,
            commit: None,
        },
        (_, Err(error)) => Imported::Refused(error.to_string()),
    }
}
