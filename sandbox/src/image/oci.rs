//! The few parts of the OCI image layout that name an image's layers. Every blob is checked against its digest before
//! it is used.
//!
//! Source: the OCI image format specification, version 1.1 (layout, index, manifest).

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::BorrowedFd;

use rustix::fs::OFlags;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::ImageError;
use super::manifest::hex;
use super::tree::beneath;

/// Largest index or manifest.
const LARGEST: u64 = 8 << 20;
/// Most layers of an image: each is opened, and read twice.
const MOST_LAYERS: usize = 500;
/// Most indexes within indexes.
const DEEPEST: usize = 4;

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Layers {
    layers: Vec<Descriptor>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    platform: Option<Platform>,
}

#[derive(Debug, Clone, Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

/// The layers of the one image in the layout `folder` that fits this machine, the lowest first.
pub(super) fn layers(folder: BorrowedFd<'_>) -> Result<Vec<File>, ImageError> {
    let index =
        beneath(folder, b"index.json", OFlags::RDONLY).map_err(|e| corrupt("index.json", &e))?;
    let mut index: Index = parse("index.json", &small("index.json", File::from(index))?)?;
    for _ in 0..DEEPEST {
        let one = choose(index.manifests)?;
        let bytes = small(&one.digest, blob(folder, &one.digest)?)?;
        if one.media_type.contains("index") || one.media_type.contains("manifest.list") {
            index = parse(&one.digest, &bytes)?;
            continue;
        }
        let manifest: Layers = parse(&one.digest, &bytes)?;
        if manifest.layers.len() > MOST_LAYERS {
            return Err(ImageError::Corrupt(format!(
                "it has more than {MOST_LAYERS} layers"
            )));
        }
        return manifest
            .layers
            .iter()
            .map(|layer| blob(folder, &layer.digest))
            .collect();
    }
    Err(ImageError::Corrupt(
        "indexes lie too deep within each other".to_owned(),
    ))
}

/// The only one, or the only one for this machine.
fn choose(mut all: Vec<Descriptor>) -> Result<Descriptor, ImageError> {
    if all.len() > 1 {
        let here = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        all.retain(|one| {
            one.platform
                .as_ref()
                .is_some_and(|platform| platform.os == "linux" && platform.architecture == here)
        });
    }
    let count = all.len();
    match (all.pop(), count) {
        (Some(one), 1) => Ok(one),
        _ => Err(ImageError::Corrupt(format!(
            "it holds {count} images for this machine where one is wanted"
        ))),
    }
}

/// Opens a blob whose content matches its digest.
fn blob(folder: BorrowedFd<'_>, digest: &str) -> Result<File, ImageError> {
    let hash = digest
        .strip_prefix("sha256:")
        .filter(|hash| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
        .ok_or_else(|| ImageError::Corrupt(format!("digest {digest:?} isn't one of SHA-256")))?;
    let path = format!("blobs/sha256/{hash}");
    let fail = |error: io::Error| corrupt(&path, &error);
    let mut file = File::from(beneath(folder, path.as_bytes(), OFlags::RDONLY).map_err(fail)?);
    if !file.metadata().map_err(fail)?.is_file() {
        return Err(ImageError::Corrupt(format!("{path} isn't a file")));
    }
    let mut hasher = Sha256::new();
    io::copy(&mut file, &mut hasher).map_err(fail)?;
    if hex(&hasher.finalize().into()) != hash {
        return Err(ImageError::Corrupt(format!(
            "{path} doesn't match its digest"
        )));
    }
    file.rewind().map_err(fail)?;
    Ok(file)
}

fn small(name: &str, file: File) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    let read = file.take(LARGEST).read_to_end(&mut bytes);
    match read.map_err(|e| corrupt(name, &e))? as u64 {
        LARGEST.. => Err(ImageError::Corrupt(format!("{name} is too large"))),
        _ => Ok(bytes),
    }
}

fn parse<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, ImageError> {
    serde_json::from_slice(bytes).map_err(|error| ImageError::Corrupt(format!("{name}: {error}")))
}

fn corrupt(name: &str, error: &io::Error) -> ImageError {
    ImageError::Corrupt(format!("{name}: {error}"))
}
