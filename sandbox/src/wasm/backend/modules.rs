//! The daemon's store of native images: by the program's hash, under the engine's version. Nothing but what the compiling
//! process answered gets into it, and nothing that a job wrote is ever read as one.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use rustix::net::RecvFlags;
use sha2::{Digest, Sha256};
use tokio::io::Interest;
use tokio::task::JoinSet;

use super::WasmSpec;
use super::compile::{Conditions, LARGEST_IMAGE};
use super::engine::{self, LARGEST};
use crate::error::RunError;
use crate::process::Process;
use crate::run::Launcher;
use crate::{sys, wire};

/// Bytes of the store; what was used longest ago goes first.
const STORE: u64 = 1 << 30;
/// Bytes of a checksum.
const SUM: usize = 32;

/// Answers one run's questions for native images.
pub(crate) struct Modules {
    store: Arc<Store>,
    answers: JoinSet<()>,
}

struct Store {
    /// Folder of this version's images.
    folder: PathBuf,
    launcher: Launcher,
    /// How long one program may take.
    patience: Duration,
    user: Option<u32>,
    /// Control groups of the run, which compiling is charged to.
    groups: Vec<PathBuf>,
}

impl Modules {
    pub(super) fn new(
        spec: &WasmSpec,
        launcher: &Launcher,
        user: Option<u32>,
        groups: &[PathBuf],
    ) -> Result<Modules, RunError> {
        // The same for as long as this process lives; making an engine takes its time.
        static VERSION: OnceLock<u64> = OnceLock::new();
        let version = match VERSION.get() {
            Some(version) => *version,
            None => {
                let engine = engine::make();
                let engine = engine.map_err(|error| RunError::Lost(format!("{error:#}")))?;
                *VERSION.get_or_init(|| engine::fingerprint(&engine))
            }
        };
        let store = Store {
            folder: spec.modules.join(format!("{version:016x}")),
            launcher: launcher.clone(),
            patience: spec.compile,
            user,
            groups: groups.to_vec(),
        };
        Ok(Modules {
            store: Arc::new(store),
            answers: JoinSet::new(),
        })
    }

    /// Answers later, through the socket, with the image of this program.
    pub(crate) fn answer(&mut self, program: OwnedFd, control: &OwnedFd) {
        while self.answers.try_join_next().is_some() {}
        let store = Arc::clone(&self.store);
        let Ok(control) = control.try_clone() else {
            return;
        };
        self.answers.spawn(async move {
            let sent = match store.image(program).await {
                Ok(image) => wire::send(
                    control.as_fd(),
                    &[wire::ORDER_MODULE, b'+'],
                    &[image.as_fd()],
                ),
                Err(why) => {
                    let mut answer = vec![wire::ORDER_MODULE, b'-'];
                    answer.extend_from_slice(why.as_bytes());
                    wire::send(control.as_fd(), &answer, &[])
                }
            };
            // A run that has ended meanwhile wants no answer.
            drop(sent);
        });
    }

    /// Nothing is compiled for this run any more when this returns.
    pub(crate) async fn end(&mut self) {
        self.answers.shutdown().await;
    }
}

impl Store {
    /// The image of the program, as a memory file of its own.
    async fn image(self: Arc<Self>, program: OwnedFd) -> Result<OwnedFd, String> {
        let store = Arc::clone(&self);
        let looked = tokio::task::spawn_blocking(move || store.look(program)).await;
        let (path, program) = match looked.map_err(|error| error.to_string())?? {
            Found::Image(image) => return Ok(image),
            Found::Program(path, program) => (path, program),
        };
        let image = self.compile(program).await?;
        let kept = tokio::task::spawn_blocking(move || keep(image, &path)).await;
        kept.map_err(|error| error.to_string())?
    }

    /// Looks the program up by its hash.
    fn look(&self, program: OwnedFd) -> Result<Found, String> {
        let program =
            read_whole(File::from(program), LARGEST).map_err(|error| error.to_string())?;
        let path = self.folder.join(hex(&Sha256::digest(&program)));
        match load(&path) {
            Some(image) => memory_file(&image).map(Found::Image),
            None => memory_file(&program).map(|program| Found::Program(path, program)),
        }
    }

    /// Has a process of its own compile the program; it dies with this future.
    async fn compile(&self, program: OwnedFd) -> Result<File, String> {
        let launcher = self.launcher.clone();
        let conditions = Conditions {
            groups: self.groups.clone(),
            user: self.user,
            seconds: self.patience.as_secs().saturating_add(1),
        };
        let started = tokio::task::spawn_blocking(move || begin(&launcher, &conditions, &program));
        let process = started
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| format!("the compiler can't be started: {error}"))?;
        let answer = tokio::time::timeout(self.patience, process.answer()).await;
        let (bytes, fds) = answer
            .map_err(|_| format!("takes longer than {:?} to compile", self.patience))?
            .map_err(|error| error.to_string())?;
        match (bytes.split_first(), fds.into_iter().next()) {
            (Some((b'+', _)), Some(image)) => Ok(image.into()),
            (Some((b'-', why)), _) => Err(String::from_utf8_lossy(why).into_owned()),
            _ => Err("the compiler ended without an answer".to_owned()),
        }
    }
}

enum Found {
    Image(OwnedFd),
    /// Where the image is to be kept, and what it is to be made of.
    Program(PathBuf, OwnedFd),
}

/// A compiling process; dropping it kills it.
struct Compiling {
    control: tokio::io::unix::AsyncFd<OwnedFd>,
    child: std::process::Child,
}

impl Compiling {
    async fn answer(&self) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
        self.control
            .async_io(Interest::READABLE, |fd| {
                wire::receive(fd.as_fd(), RecvFlags::DONTWAIT)
            })
            .await
    }
}

impl Drop for Compiling {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn begin(launcher: &Launcher, conditions: &Conditions, program: &OwnedFd) -> io::Result<Compiling> {
    let other = |error: &dyn std::fmt::Display| io::Error::other(error.to_string());
    let Process { control, child, .. } = Process::bare(launcher).map_err(|error| other(&error))?;
    let compiling = Compiling {
        control: sys::watch(control)?,
        child,
    };
    let control = compiling.control.get_ref().as_fd();
    let mut order = vec![wire::ORDER_COMPILE];
    serde_json::to_writer(&mut order, conditions)?;
    wire::send(control, &order, &[program.as_fd()])?;
    Ok(compiling)
}

/// Keeps an image, and gives it back. One that can't be kept can still be used.
fn keep(image: File, path: &Path) -> Result<OwnedFd, String> {
    let image = read_whole(image, LARGEST_IMAGE).map_err(|error| error.to_string())?;
    if let Err(error) = save(&image, path) {
        tracing::warn!(path = %path.display(), %error, "a native image can't be kept");
    }
    memory_file(&image)
}

fn save(image: &[u8], path: &Path) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    make_room(folder, image.len() as u64);
    // Its checksum stands for completeness: nothing is flushed.
    let unfinished = folder.join(format!(
        "{}.{}",
        std::process::id(),
        hex(&Sha256::digest(path.as_os_str().as_encoded_bytes()))
    ));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .and_then(|mut file| {
            file.write_all(&Sha256::digest(image))?;
            file.write_all(image)
        });
    match written {
        Ok(()) => std::fs::rename(&unfinished, path),
        Err(error) => {
            drop(std::fs::remove_file(&unfinished));
            Err(error)
        }
    }
}

/// The image kept there, if there is one and it is whole.
fn load(path: &Path) -> Option<Vec<u8>> {
    let flags = libc::O_NOFOLLOW;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .ok()?;
    let own = rustix::process::geteuid().as_raw();
    let meta = file.metadata().ok()?;
    if meta.uid() != own || meta.mode() & 0o022 != 0 {
        return None;
    }
    // When it was used last decides how long it stays.
    drop(file.set_modified(SystemTime::now()));
    let bytes = read_whole(file, LARGEST_IMAGE + SUM as u64).ok()?;
    let (sum, image) = bytes.split_at_checked(SUM)?;
    (Sha256::digest(image)[..] == *sum).then(|| image.to_vec())
}

/// Removes what was used longest ago until there is room for so many bytes.
fn make_room(folder: &Path, bytes: u64) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut kept: Vec<(SystemTime, u64, PathBuf)> = entries
        .filter_map(|entry| {
            let meta = entry.metadata().ok()?;
            Some((meta.modified().ok()?, meta.len(), entry.path()))
        })
        .collect();
    kept.sort();
    let mut total: u64 = bytes + kept.iter().map(|(_, size, _)| size).sum::<u64>();
    for (_, size, path) in kept {
        if total <= STORE {
            return;
        }
        drop(std::fs::remove_file(path));
        total -= size;
    }
}

fn memory_file(bytes: &[u8]) -> Result<OwnedFd, String> {
    wire::memory_file("module", bytes).map_err(|error| error.to_string())
}

/// All bytes from the file's beginning, if there are no more than so many.
fn read_whole(mut file: File, most: u64) -> io::Result<Vec<u8>> {
    use std::io::Seek;
    file.rewind()?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
