//! A file with what it imports (`--sources`): files of the work tree around it. Those of other repositories only the daemon
//! can read.

use std::path::{Path, PathBuf};

use assay_plan::{
    ConfigRef, Imported, Imports, Linted, MAX_CONFIG_BYTES, Map, Reading, Resolved, Slug, resolve,
};

use super::words::Files;
use super::{linted, shown};
use crate::cli::output::Screen;
use crate::exit::{Exit, Failure};

/// A file, normalised, and the files it was read from.
pub(super) struct Sourced {
    pub(super) linted: Linted,
    pub(super) files: Files,
    /// Where those files stand, its own first.
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
    if follow {
        return followed(file, bytes, data);
    }
    Ok(Sourced {
        linted,
        sources: vec![shown(file)],
        files: Files::of(shown(file), bytes),
    })
}

/// A file's bytes, with what they import.
pub(super) fn followed(file: &Path, bytes: Vec<u8>, data: &Map) -> Result<Sourced, Failure> {
    let origin = origin(file, data)?;
    let mut imports = Imports::new();
    loop {
        let step = resolve(&bytes, &origin, data, &imports).map_err(|error| {
            Failure::new(Exit::BuildFailed, format!("cannot use {}", shown(file))).because(&error)
        })?;
        let wanted = match step {
            Reading::Needs(wanted) => wanted,
            Reading::Done(resolved) => {
                let files = files(file, &resolved);
                let sources = resolved.sources().map(ToString::to_string).collect();
                let linted = resolved.linted;
                return Ok(Sourced {
                    linted,
                    files: Files {
                        imported: files,
                        ..Files::of(shown(file), bytes)
                    },
                    sources,
                });
            }
        };
        let found = find(file, &origin, &wanted);
        imports.insert(wanted, found);
    }
}

/// The imported files, those of the work tree shown by their path.
fn files(file: &Path, resolved: &Resolved<'_>) -> Vec<(String, String, Vec<u8>)> {
    let folder = file.parent().filter(|_| file != Path::new("-"));
    let imported = resolved.imported.iter();
    imported
        .map(|(source, bytes)| {
            let name = source.to_string();
            let is_here = source.slug == resolved.origin.slug && source.at.is_none();
            let shown = match folder {
                Some(folder) if is_here => folder.join(&source.path).display().to_string(),
                _ => name.clone(),
            };
            (name, shown, bytes.to_vec())
        })
        .collect()
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
