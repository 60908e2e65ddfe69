//! What a caller asks for: the run, its root image, its limits. Plain data, and the rules it must obey.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::RunError;
use crate::image::Imported;
use crate::image::owners::{Owners, SPAN};
use crate::scratch::Scratch;
use crate::wire::MOST_FDS;

/// Longest single argument or variable the kernel takes (`MAX_ARG_STRLEN`, with its closing zero).
const LONGEST_STRING: usize = 128 * 1024;
/// Smallest scratch, bytes: less is no room for a file system.
const LEAST_SCRATCH: u64 = 16 << 20;
/// Arguments and environment together; the kernel takes a quarter of the usual 8 MiB stack, pointers included.
const LONGEST_TOTAL: usize = 2 * 1024 * 1024 - 64 * 1024;

/// One run: what to isolate and what to execute.
#[derive(Debug, Clone)]
pub struct RunSpec {
    /// Names the run in errors and, unless a launcher was kept warm for it, in cgroups: letters, digits, `-`. Unique
    /// among the runs of this host.
    pub id: String,
    /// Program and arguments, as seen inside.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Working folder inside; made if it isn't there. Everything below `home` belongs to the job's user.
    pub cwd: String,
    /// Home folder of the job's user inside.
    pub home: String,
    /// Name of the job's user inside; its uid and gid there are 1000.
    pub user: String,
    /// The root image.
    pub image: Image,
    /// What the job may do inside.
    pub profile: Profile,
    /// What root of the sandbox does before the command starts.
    pub first: Option<First>,
    /// What of the network it reaches.
    pub network: Network,
    /// Host folders shown read-only inside (no devices, no set-uid).
    pub binds: Vec<Bind>,
    /// Limits.
    pub limits: Limits,
    /// First host uid for jobs of a root caller; each of the runs that go on at once has one of its own.
    pub uid_base: u32,
    /// Promises about resources that must be kept by a cgroup, else the run is refused.
    pub require: Vec<Resource>,
    /// Columns and rows of the job's terminal.
    pub terminal: (u16, u16),
    /// What is kept of the run; see [`Run::kept`](crate::Run::kept).
    pub keep: Vec<Keep>,
    /// Room on a disk beside memory.
    pub scratch: Option<Scratch>,
}

/// A command that comes before a run's own, in the same root, with the rights of [`Profile::Root`]; only for runs with
/// [`Profile::Strict`] and an imported image that has a range of uids.
///
/// The run's own command starts when every process of this one is dead, and only if it ended with 0; else its code is
/// the run's. The source isn't there yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct First {
    /// Program and arguments, as seen inside.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
}

/// Files and folders that outlive a run, as one group: all of it comes, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// Absolute paths inside; those that aren't there are left out.
    pub paths: Vec<String>,
    /// Most bytes of all files together.
    pub bytes: u64,
    /// Most files, folders and links.
    pub files: u64,
    /// How long reading them may take.
    pub time: Duration,
    /// Exit codes of the command after which anything is kept.
    pub codes: Vec<i32>,
}

/// What the root of a sandbox is made from.
#[derive(Debug, Clone)]
pub enum Image {
    /// An allow-list view of the host's own `/usr`, `/bin`, `/lib*`, filtered `/etc`, and these further folders.
    Host {
        /// Absolute host folders, shown read-only at the same place.
        folders: Vec<PathBuf>,
    },
    /// An image of the store, under a layer of RAM: the job may write everywhere, and nothing stays.
    Imported(Imported),
}

/// What a job may do inside its sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// An ordinary user without any capability.
    #[default]
    Strict,
    /// Root of its own user namespace, with the few capabilities that package managers need. Only with an imported
    /// image that has a range of uids.
    Root,
}

/// What of the network a job reaches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Network {
    /// Its own loopback.
    #[default]
    None,
    /// The internet through a user-mode helper, but never this host, its network, or another sandbox. Falls back to
    /// [`Network::None`] with a notice where the host has no helper.
    Egress {
        /// Only these hosts, `NAME` or `NAME:PORT`, at the addresses they have when the run starts; empty: all.
        hosts: Vec<String>,
    },
}

/// A host folder shown inside, read-only.
#[derive(Debug, Clone)]
pub struct Bind {
    /// Host path. Opened before privileges are dropped: the job's user need not be able to reach it by path.
    pub source: PathBuf,
    /// Path inside.
    pub target: String,
}

/// Limits of one run. Each one reached is an [`Outcome`](crate::Outcome) of its own.
#[derive(Debug, Clone)]
pub struct Limits {
    /// From start to end of the command; the set-up before it has the same time once more.
    pub wall: Duration,
    /// Without any output.
    pub silence: Duration,
    /// Between the polite signal and the kill.
    pub grace: Duration,
    /// Bytes of memory, RAM root included.
    pub memory: u64,
    /// Processes and threads.
    pub processes: u64,
    /// Bytes of the RAM root.
    pub disk: u64,
    /// Files of the RAM root.
    pub inodes: u64,
    /// Bytes of output.
    pub output: u64,
    /// Relative CPU weight in per cent of the host's default.
    pub cpu_weight: u32,
}

/// A resource whose limit can be enforced for the whole group only by a cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Memory of all processes together.
    Memory,
    /// Number of processes.
    Processes,
}

impl RunSpec {
    /// Refuses what could not be carried out or would reach outside the rules, before anything is started.
    pub(crate) fn check(&self) -> Result<(), RunError> {
        let word = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if !word(&self.id) || self.id.len() > 100 {
            return refuse("id", &self.id);
        }
        let name_byte = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if self.user.is_empty() || !self.user.bytes().all(name_byte) || self.user == "root" {
            return refuse("user", &self.user);
        }
        if !is_plain(&self.home) || RESERVED.iter().any(|top| lies_in(&self.home, top)) {
            return refuse("home", &self.home);
        }
        if !is_plain(&self.cwd) {
            return refuse("cwd", &self.cwd);
        }
        if self.binds.len() + 4 > MOST_FDS {
            return refuse("number of binds", &self.binds.len().to_string());
        }
        if let Some(scratch) = &self.scratch
            && (!scratch.folder.is_absolute() || scratch.bytes < LEAST_SCRATCH)
        {
            return refuse("scratch", &format!("{scratch:?}"));
        }
        for bind in &self.binds {
            if !is_plain(&bind.target) || RESERVED.iter().any(|top| lies_in(&bind.target, top)) {
                return refuse("bind target", &bind.target);
            }
            if !bind.source.is_absolute() {
                return refuse("bind source", &bind.source.to_string_lossy());
            }
        }
        let kept = self.keep.iter().flat_map(|keep| &keep.paths);
        if let Some(odd) = kept.into_iter().find(|path| !is_plain(path)) {
            return refuse("path to keep", odd);
        }
        self.check_image()?;
        if let Some(first) = &self.first {
            check_strings(&first.argv, &first.env)?;
        }
        check_strings(&self.argv, &self.env)
    }

    fn check_image(&self) -> Result<(), RunError> {
        let rooted = self.profile == Profile::Root;
        if rooted && self.first.is_some() {
            return Err(RunError::Profile(
                "a job that is root itself has no command before it",
            ));
        }
        let folders = match (&self.image, rooted || self.first.is_some()) {
            (Image::Host { folders }, false) => folders,
            (Image::Host { .. }, true) => {
                return Err(RunError::Profile(
                    "the host image has no root: import an image",
                ));
            }
            (Image::Imported(image), rooted) => {
                return match (image.owners(), rooted) {
                    (Owners::Flat { .. }, true) => Err(RunError::Profile(
                        "the image was imported without a range of uids (see subuid(5)): import it again with one",
                    )),
                    _ => Ok(()),
                };
            }
        };
        for folder in folders {
            let text = folder.to_string_lossy();
            if !is_plain(&text)
                || HIDDEN
                    .iter()
                    .any(|top| lies_in(&text, top) || lies_in(top, &text))
            {
                return refuse("image folder", &text);
            }
        }
        Ok(())
    }

    /// Whether there are uids for a run with this number.
    pub(crate) fn check_uids(&self, slot: u32) -> Result<(), RunError> {
        let last = match &self.image {
            Image::Host { .. } => self.uid_base.checked_add(slot),
            Image::Imported(_) => self
                .range_start(slot)
                .and_then(|first| first.checked_add(SPAN)),
        };
        match last {
            Some(last) if self.uid_base > 0 && last < u32::MAX => Ok(()),
            _ => refuse("uid", &format!("{} + {slot}", self.uid_base)),
        }
    }

    /// First uid of the range that a root caller's job has with an image: behind those of all jobs without one.
    pub(crate) fn range_start(&self, slot: u32) -> Option<u32> {
        let before = slot.checked_add(1)?.checked_mul(SPAN)?;
        self.uid_base.checked_add(before)
    }
}

/// Places inside that are the sandbox's own.
const RESERVED: [&str; 3] = ["/proc", "/dev", "/sys"];
/// Host places that an image folder must neither be, hold, nor lie in.
const HIDDEN: [&str; 3] = ["/proc", "/dev", "/sys"];

/// Arguments and environment must fit into an exec: a huge value is refused here, not by a failed exec.
fn check_strings(argv: &[String], env: &[(String, String)]) -> Result<(), RunError> {
    if argv.first().is_none_or(String::is_empty) {
        return refuse("argv", "");
    }
    let mut total = 0;
    for argument in argv {
        if argument.contains('\0') || argument.len() >= LONGEST_STRING {
            return refuse("argument", &shortened(argument));
        }
        total += argument.len() + 9;
    }
    for (name, value) in env {
        let fits = name.len() + value.len() + 2 <= LONGEST_STRING;
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') || !fits {
            return refuse("environment variable", &shortened(name));
        }
        total += name.len() + value.len() + 10;
    }
    if total > LONGEST_TOTAL {
        return refuse("environment", &format!("{total} bytes"));
    }
    Ok(())
}

fn refuse(field: &'static str, value: &str) -> Result<(), RunError> {
    Err(RunError::Spec {
        field,
        value: value.to_owned(),
    })
}

fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Absolute, not the root itself, no `.`, no `..`, no empty part, no zero byte.
fn is_plain(text: &str) -> bool {
    let path = Path::new(text);
    let mut parts = path.components();
    parts.next() == Some(Component::RootDir)
        && text.len() > 1
        && !text.contains('\0')
        && !text.contains("//")
        && !text.ends_with('/')
        && !text.split('/').any(|part| part == ".")
        && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// Whether `path` is `top` or below it.
pub(crate) fn lies_in(path: &str, top: &str) -> bool {
    path.strip_prefix(top)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample() -> RunSpec {
        RunSpec {
            id: "t-1".into(),
            argv: vec!["bash".into(), "-c".into(), "true".into()],
            env: vec![("PATH".into(), "/usr/bin:/bin".into())],
            cwd: "/home/travis/build/o/r".into(),
            home: "/home/travis".into(),
            user: "travis".into(),
            image: Image::Host { folders: vec![] },
            profile: Profile::Strict,
            first: None,
            network: Network::None,
            binds: vec![],
            limits: Limits {
                wall: Duration::from_secs(60),
                silence: Duration::from_secs(30),
                grace: Duration::from_secs(1),
                memory: 1 << 30,
                processes: 100,
                disk: 1 << 28,
                inodes: 10_000,
                output: 1 << 20,
                cpu_weight: 100,
            },
            uid_base: 1_800_000_000,
            require: vec![],
            terminal: (80, 24),
            keep: vec![],
            scratch: None,
        }
    }

    #[test]
    fn refuses_odd_fields_and_takes_plain_ones() {
        assert!(sample().check().is_ok());
        let with = |change: fn(&mut RunSpec)| {
            let mut spec = sample();
            change(&mut spec);
            spec.check().is_err()
        };
        assert!(with(|s| s.id = "a/b".into()));
        assert!(with(|s| s.user = "a:b".into()));
        assert!(with(|s| s.home = "/proc/x".into()));
        assert!(with(|s| s.home = "/home/../x".into()));
        assert!(with(|s| s.cwd = "home".into()));
        assert!(with(|s| s.argv.clear()));
        assert!(with(|s| s.env.push(("A=B".into(), String::new()))));
        assert!(with(|s| s.env.push(("A".into(), "x".repeat(3 << 20)))));
        assert!(with(|s| s.profile = Profile::Root));
        assert!(with(|s| s.first = Some(First {
            argv: vec!["true".into()],
            env: vec![],
        })));
        assert!(with(|s| s.image = Image::Host {
            folders: vec!["/".into()]
        }));
        assert!(with(|s| s.binds.push(Bind {
            source: "/srv".into(),
            target: "/dev/x".into()
        })));
    }

    #[test]
    fn uid_0_and_uids_that_do_not_exist_are_refused() {
        let mut spec = sample();
        assert!(spec.check_uids(3).is_ok());
        spec.uid_base = 0;
        assert!(spec.check_uids(3).is_err());
        spec.uid_base = u32::MAX - 2;
        assert!(spec.check_uids(3).is_err());
    }

    #[test]
    fn a_long_environment_of_short_strings_is_refused() {
        let mut spec = sample();
        spec.env = (0..40)
            .map(|n| (format!("V{n}"), "x".repeat(60_000)))
            .collect();
        let error = spec.check().unwrap_err();
        assert!(error.to_string().contains("environment"), "{error}");
    }
}
