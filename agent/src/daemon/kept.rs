//! What a job begins with and leaves behind: cache and artifacts, from the store into the sandbox and back.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use assay_plan::{Cache, Job, JobPlan};
use assay_sandbox::{Keep, Kept, KeptItem, Limits, TreeWriter};
use assay_store::{self as store, Archive, ArchiveWriter, Archives, Entry, Store};
use sha2::{Digest, Sha256};

use crate::clock;
use crate::config::Config;

/// How long storing may take when the configuration doesn't say (Travis' `cache.timeout`).
const TIMEOUT: Duration = Duration::from_secs(180);
/// Exit codes of a job script that ran to its end: passed, failed. One that was stopped earlier keeps nothing.
const RAN: [i32; 2] = [0, 1];
/// Lines about what is left out of one archive.
const MOST_NOTES: usize = 20;
/// Longest versions that stand in a cache's name as they are.
const LONGEST_VERSIONS: usize = 200;

/// What stands for the image of a job with `virt: wasm`.
pub(super) const WASM: &str = "wasm";

/// How much is kept.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Caps {
    /// Bytes of the files of one cache; 0: caches are off.
    pub(super) cache: u64,
    /// Bytes on disk of all caches of a repository.
    pub(super) caches: u64,
    /// Bytes of the files of one job's artifacts; 0: artifacts are off.
    pub(super) artifacts: u64,
    /// Bytes on disk of all artifacts of a repository.
    pub(super) all_artifacts: u64,
}

impl Caps {
    pub(super) fn new(config: &Config) -> Caps {
        Caps {
            cache: config.caches.archive.bytes(),
            caches: config.caches.repository.bytes(),
            artifacts: config.artifacts.job.bytes(),
            all_artifacts: config.artifacts.repository.bytes(),
        }
    }
}

/// What is kept of one job, and where.
#[derive(Debug)]
struct Target {
    /// `cache`, `artifacts`: as the log says it.
    what: &'static str,
    archives: Archives,
    place: String,
    name: String,
    most: u64,
}

/// What one run begins with and leaves behind.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// The cache that the job begins with.
    pub(super) restored: Option<Archive>,
    targets: Vec<Target>,
    /// For the sandbox; in the order of the targets.
    pub(super) keep: Vec<Keep>,
    /// Lines for the log before the job starts.
    pub(super) lines: Vec<String>,
}

impl Keeping {
    /// Blocking: looks for the cache.
    pub(super) fn new(
        store: &Store,
        caps: Caps,
        limits: &Limits,
        image: &str,
        job: &Job,
        plan: &JobPlan,
    ) -> Keeping {
        let mut keeping = Keeping::default();
        if let Some(cache) = plan.cache.as_ref().filter(|_| caps.cache > 0) {
            keeping.cache(store, caps, limits, image, job, cache);
        }
        if !plan.artifacts.is_empty() && caps.artifacts > 0 {
            keeping.targets.push(Target {
                what: "artifacts",
                archives: store.artifacts(),
                place: job.id.to_string(),
                name: String::new(),
                most: caps.all_artifacts,
            });
            keeping.keep.push(Keep {
                paths: plan.artifacts.clone(),
                bytes: caps.artifacts,
                files: limits.inodes,
                time: TIMEOUT.min(limits.wall),
                codes: RAN.to_vec(),
            });
        }
        keeping
    }

    fn cache(
        &mut self,
        store: &Store,
        caps: Caps,
        limits: &Limits,
        image: &str,
        job: &Job,
        cache: &Cache,
    ) {
        let slug = slug(cache, image);
        self.lines = vec![
            fold("start", "cache.1"),
            "Setting up build cache".to_owned(),
        ];
        let caches = store.caches();
        for place in &cache.lookup {
            self.lines.push(format!("looking for {place}/{slug}"));
            match caches.find(job.repo, place, &slug) {
                Ok(Some(archive)) if !fits(&archive, limits) => self.lines.push(format!(
                    "it has {} files of {} together, too much for the job's disk: not used",
                    archive.about.entries,
                    size(archive.about.bytes)
                )),
                Ok(Some(archive)) => {
                    self.lines.push(format!(
                        "found cache: {} files, {}",
                        archive.about.entries,
                        size(archive.about.bytes)
                    ));
                    if let Err(error) = archive.touch() {
                        tracing::warn!(%error, "a cache's age can't be set");
                    }
                    self.restored = Some(archive);
                    break;
                }
                Ok(None) => {}
                Err(error) => self.lines.push(format!("it can't be used: {error}")),
            }
        }
        if self.restored.is_none() {
            self.lines.push("no cache found".to_owned());
        }
        self.lines.push(fold("end", "cache.1"));
        let Some(place) = &cache.place else {
            return;
        };
        self.targets.push(Target {
            what: "cache",
            archives: caches,
            place: place.clone(),
            name: slug,
            most: caps.caches,
        });
        self.keep.push(Keep {
            paths: cache.folders.clone(),
            bytes: caps.cache,
            files: limits.inodes,
            time: cache
                .timeout
                .map_or(TIMEOUT, Duration::from_secs)
                .min(limits.wall),
            codes: RAN.to_vec(),
        });
    }
}

/// Half of what a job may have, so that a cache never fills its disk.
fn fits(archive: &Archive, limits: &Limits) -> bool {
    archive.about.bytes <= limits.disk / 2 && archive.about.entries <= limits.inodes / 2
}

/// Name of a cache among those of its branch (travis-build, `directory_cache/base.rb`): system, image, variables and
/// versions must be the same.
fn slug(cache: &Cache, image: &str) -> String {
    let hash = |text: &str| hex(&Sha256::digest(text));
    let image = match image.split_once("sha256:") {
        Some((_, digest)) => format!("-{}", digest.get(..12).unwrap_or(digest)),
        // What programs of the host have left is no use to it, nor the other way round.
        None if image == WASM => format!("-{WASM}"),
        None => String::new(),
    };
    let versions = match cache.versions.len() > LONGEST_VERSIONS {
        true => format!("--{}", hash(&cache.versions)),
        false => cache.versions.clone(),
    };
    format!(
        "cache-{}{image}-{}{versions}",
        cache.system,
        hash(&cache.env.join("="))
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=9_999_999 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// A mark that begins or ends a fold of the log, as Travis writes it; a line of its own would be shown.
fn fold(end: &str, name: &str) -> String {
    format!("travis_fold:{end}:{name}\r\x1b[0K")
}

/// Puts lines together for the log: marks stand before the line that follows.
pub(super) fn text(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line);
        if !line.starts_with("travis_fold:") {
            text.push_str("\r\n");
        }
    }
    text
}

/// Why a cache could not be restored.
#[derive(Debug)]
pub(super) enum Broken {
    /// The sandbox took no more.
    Sandbox(io::Error),
    /// The archive can't be read; it is gone now.
    Archive(String),
}

/// Blocking: writes a cache into the sandbox. What is there already stays.
pub(super) fn restore(tree: &mut TreeWriter, archive: &Archive) -> Result<(), Broken> {
    tree.restore().map_err(Broken::Sandbox)?;
    let mut refused = None;
    let read = archive.read(&mut |entry| {
        let written = match entry {
            Entry::Time(seconds) => tree.set_mtime(seconds),
            Entry::File {
                path,
                executable,
                length,
                content,
            } => tree.file_from(path, executable, length, content),
            Entry::Link { path, target } => tree.link(path, target),
            Entry::Folder { path } => tree.folder(path),
        };
        written.inspect_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                refused = Some(io::Error::from(error.kind()));
            }
        })
    });
    match (read, refused) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(error)) => Err(Broken::Sandbox(error)),
        (Err(error), None) => {
            tracing::error!(%error, "a cache is damaged and is removed");
            if let Err(error) = archive.remove() {
                tracing::error!(%error, "it can't be removed");
            }
            Err(Broken::Archive(error.to_string()))
        }
    }
}

/// What was read of one target.
#[derive(Debug)]
enum Written {
    /// All of it.
    Whole(Box<ArchiveWriter>),
    /// Nothing may be stored, for this reason.
    Not(String),
}

/// Everything that was read, not yet stored.
#[derive(Debug, Default)]
pub(super) struct Taken {
    written: Vec<(Target, Option<Written>, Vec<String>)>,
}

/// Blocking: reads what the run leaves behind, until `stop` is set.
pub(super) fn take(mut kept: Kept, keeping: Keeping, job: &Job, stop: &Arc<AtomicBool>) -> Taken {
    let mut taken = Taken::default();
    for target in keeping.targets {
        taken.written.push((target, None, Vec::new()));
    }
    if let Err(error) = take_all(&mut kept, &mut taken, job, stop) {
        tracing::warn!(job = %job.id, %error, "what a job leaves behind can't be read to its end");
        let unfinished = taken
            .written
            .iter_mut()
            .filter(|(_, written, _)| !matches!(written, Some(Written::Not(_))));
        for (_, written, _) in unfinished {
            *written = Some(Written::Not(format!("it can't be read: {error}")));
        }
    }
    taken
}

fn take_all(
    kept: &mut Kept,
    taken: &mut Taken,
    job: &Job,
    stop: &AtomicBool,
) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let mut place = 0;
    let mut writer: Option<ArchiveWriter> = None;
    while let Some(item) = kept.next_item().map_err(text)? {
        if stop.load(Ordering::Relaxed) {
            return Err("the run was stopped".to_owned());
        }
        let (target, written, notes) = match item {
            KeptItem::Group(number) => {
                place = number;
                let (target, ..) = taken.written.get(place).ok_or("unknown group")?;
                writer = Some(
                    target
                        .archives
                        .write(job.repo)
                        .map_err(|error| error.to_string())?,
                );
                continue;
            }
            _ => taken.written.get_mut(place).ok_or("unknown group")?,
        };
        let entry = match item {
            KeptItem::Group(_) => continue,
            KeptItem::Skipped { path, why } => {
                // The sandbox tells no more; but it is the sandbox that says so.
                if notes.len() < MOST_NOTES {
                    notes.push(format!("{} is left out: {why}", path.escape_ascii()));
                }
                continue;
            }
            KeptItem::Refused(why) => {
                writer = None;
                *written = Some(Written::Not(why.to_owned()));
                continue;
            }
            KeptItem::End => {
                *written = writer.take().map(Box::new).map(Written::Whole);
                continue;
            }
            KeptItem::Time(seconds) => add(&mut writer, Entry::Time(seconds)),
            KeptItem::Link { path, target } => add(&mut writer, Entry::Link { path, target }),
            KeptItem::Folder { path } => add(&mut writer, Entry::Folder { path }),
            KeptItem::File {
                path,
                executable,
                length,
                mut content,
            } => {
                let content: &mut dyn Read = &mut content;
                add(
                    &mut writer,
                    Entry::File {
                        path,
                        executable,
                        length,
                        content,
                    },
                )
            }
        };
        entry.map_err(|error| format!("{} can't be written: {error}", target.what))?;
    }
    Ok(())
}

fn add(writer: &mut Option<ArchiveWriter>, entry: Entry<'_>) -> Result<(), store::StoreError> {
    match writer {
        Some(writer) => writer.add(entry),
        None => Ok(()),
    }
}

impl Taken {
    /// Blocking: stores what was read, once the run's end allows it; the lines are for the log.
    pub(super) fn store(self) -> Vec<String> {
        let mut lines = Vec::new();
        for (target, written, notes) in self.written {
            let Some(written) = written else {
                continue;
            };
            let name = match target.what {
                "cache" => "cache.2",
                _ => "artifacts",
            };
            lines.push(fold("start", name));
            lines.push(format!("store {}", target.what));
            lines.extend(notes);
            lines.push(match written {
                Written::Not(why) => format!("{} not stored: {why}", target.what),
                Written::Whole(writer) if writer.is_empty() => {
                    format!("there is nothing to store: no {}", target.what)
                }
                Written::Whole(writer) => stored(&target, *writer),
            });
            lines.push(fold("end", name));
        }
        lines
    }
}

fn stored(target: &Target, writer: ArchiveWriter) -> String {
    let Target {
        what, place, name, ..
    } = target;
    match writer.finish(place, name, clock::now(), target.most) {
        Ok(store::Kept::Same(_)) => format!("nothing changed, not updating {what}"),
        Ok(store::Kept::New(archive)) => format!(
            "{what} stored: {} files, {} ({} on disk)",
            archive.about.entries,
            size(archive.about.bytes),
            size(archive.size)
        ),
        Ok(store::Kept::TooLarge(bytes)) => format!(
            "{what} not stored: {} on disk, and the repository may have {}",
            size(bytes),
            size(target.most)
        ),
        Err(error) => {
            tracing::error!(%error, what, "cannot store");
            format!("{what} not stored: {error}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caches_name_tells_systems_images_variables_and_versions_apart() {
        let cache = Cache {
            system: "linux-jammy".to_owned(),
            versions: "--python-3.12".to_owned(),
            ..Cache::default()
        };
        let plain = slug(&cache, "host");
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(plain, format!("cache-linux-jammy-{empty}--python-3.12"));
        let imaged = slug(&cache, "focal sha256:0123456789abcdef");
        assert!(
            imaged.starts_with("cache-linux-jammy-0123456789ab-"),
            "{imaged}"
        );
        assert!(slug(&cache, WASM).starts_with("cache-linux-jammy-wasm-"));
        let other = Cache {
            env: vec!["A=1".to_owned()],
            ..cache.clone()
        };
        assert_ne!(slug(&other, "host"), plain);
        let long = Cache {
            versions: "x".repeat(100_000),
            ..cache
        };
        assert!(slug(&long, "host").len() < 300);
    }

    #[test]
    fn fold_marks_stand_before_the_next_line() {
        let lines = [fold("start", "a"), "one".to_owned(), fold("end", "a")];
        assert_eq!(
            text(&lines),
            "travis_fold:start:a\r\x1b[0Kone\r\ntravis_fold:end:a\r\x1b[0K"
        );
    }
}
