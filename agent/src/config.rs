//! The daemon's configuration: `assay.yml`, its defaults, and the few places outside of it (environment, host) that
//! they depend on.
//!
//! Reading is strict: unknown keys are refused, and everything that is wrong is said in one go.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use assay_plan::{DebugConsent, Slug, Versions, Visibility};
use serde::{Serialize, Serializer};
use serde_yaml::Value;

mod form;
mod read;
mod reader;
mod units;

pub(crate) use form::parse_address;
pub(crate) use reader::{Problem, nearest};
pub(crate) use units::{Size, Span};

/// Where `assay serve` looks for its configuration when it is not told.
pub(crate) const DEFAULT_FILE: &str = "/etc/assay/assay.yml";

/// Where the daemon listens when it is not told.
pub(crate) const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 27729);

/// The daemon's configuration, complete: every default filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Config {
    /// Address and port of the API and the pages. Default `127.0.0.1:27729`.
    pub(crate) listen: SocketAddr,
    /// Allows an address other than loopback without TLS. Default false.
    pub(crate) insecure: bool,
    /// Certificate and key; without them plain HTTP. Default none.
    pub(crate) tls: Option<Tls>,
    /// Address of the pages as people see it, without a slash at the end. Default made from `listen`.
    pub(crate) web: Option<String>,
    /// State folder; `--state` and `ASSAY_STATE` go first. Default `/var/lib/assay` for root, else
    /// `$XDG_STATE_HOME/assay`.
    pub(crate) state: Option<PathBuf>,
    /// Who sees what.
    pub(crate) access: Access,
    /// Jobs at once. Default: the number of processors.
    pub(crate) jobs: usize,
    /// Limits of one job.
    pub(crate) limits: Limits,
    /// The sandbox.
    pub(crate) sandbox: Sandbox,
    /// Which image a job's `dist` means.
    pub(crate) images: Images,
    /// What is kept between jobs.
    pub(crate) caches: Caches,
    /// What is kept of jobs for people.
    pub(crate) artifacts: Artifacts,
    /// Debug sessions.
    pub(crate) debug: DebugSessions,
    /// Shutting down.
    pub(crate) shutdown: Shutdown,
    /// Looking for pushes that no hook told of.
    pub(crate) reconcile: Reconcile,
    /// What to do about a language version that isn't there. Default `exact`.
    #[serde(serialize_with = "versions_name")]
    pub(crate) versions: Versions,
    /// What becomes of a job whose `os` or `arch` isn't this host's. Default `error`.
    pub(crate) unsupported: Unsupported,
    /// Repositories that are registered at start. Default none.
    pub(crate) repositories: Vec<RepositoryEntry>,
    /// The daemon's own log.
    pub(crate) log: Log,
}

/// Certificate and key, both PEM; read again when they change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Tls {
    /// Certificate chain.
    pub(crate) cert: PathBuf,
    /// Private key.
    pub(crate) key: PathBuf,
}

/// Who sees what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Access {
    /// `org`, `public` or `private`. Default `private`.
    pub(crate) mode: AccessMode,
}

/// Who may read without a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AccessMode {
    /// Everyone, everything.
    Org,
    /// Everyone, public repositories.
    Public,
    /// Nobody.
    Private,
}

/// Limits of one job; each one reached is a reason of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Limits {
    /// From start to end. Default `50m`.
    pub(crate) time: Span,
    /// Without output. Default `10m`.
    pub(crate) silence: Span,
    /// Between the polite signal and the kill. Default `10s`.
    pub(crate) grace: Span,
    /// Memory, files written included. Default: half the host's RAM divided by `jobs`.
    pub(crate) memory: Size,
    /// Processes and threads. Default 4096.
    pub(crate) processes: u64,
    /// Files written: they live in memory. Default: three quarters of `memory`.
    pub(crate) disk: Size,
    /// Number of files written. Default 500000.
    pub(crate) files: u64,
    /// Log. Default `4500000` bytes.
    pub(crate) log: Size,
    /// Share of the processors where they are scarce, in per cent of an ordinary process' share. Default 20.
    pub(crate) weight: u32,
}

/// The sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Sandbox {
    /// First uid of those that jobs of a root daemon run as, one for each job at once. Default 1800000000.
    pub(crate) uids: u32,
    /// Folders of the host that jobs see beside `/usr` (read-only), such as `/opt/tools`. Default none.
    pub(crate) folders: Vec<PathBuf>,
    /// Limits that must be kept by a cgroup, else no job runs: `memory`, `processes`. Default none.
    pub(crate) require: Vec<Required>,
    /// `none` or `egress`. Default `egress`, which is `none` on a host without pasta or slirp4netns, and without nft.
    pub(crate) network: Reach,
    /// The only hosts that jobs reach, `NAME` or `NAME:PORT`; addresses may be private ones. Default: all public ones.
    pub(crate) hosts: Vec<String>,
    /// Encrypted room on the state folder's disk for what each job writes into its home, `/tmp` and `/var/tmp`, for builds
    /// bigger than memory. Default none: all of it is in memory.
    pub(crate) scratch: Option<Size>,
    /// Jobs with `virt: wasm`.
    pub(crate) wasm: Wasm,
}

/// Jobs with `virt: wasm`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Wasm {
    /// Folders with WASI programs that such jobs call by name, first match first. Default none.
    pub(crate) toolbox: Vec<PathBuf>,
    /// Whether every clock shows the commit's time and randomness begins with the commit's name. Default false.
    pub(crate) deterministic: bool,
    /// How long one program may take to compile. Default `30s`.
    pub(crate) compile: Span,
}

/// What of the network jobs reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reach {
    /// Their own loopback.
    None,
    /// The internet, but neither this host nor private networks.
    Egress,
}

/// Which image a job's `dist` means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Images {
    /// Whether a job with a `dist` that isn't listed is refused. Default false: it gets the default image.
    pub(crate) strict: bool,
    /// The image of jobs without `dist`. Default `host`: a view of this host.
    pub(crate) default: ImageChoice,
    /// By `dist`.
    #[serde(flatten)]
    pub(crate) dists: BTreeMap<String, ImageChoice>,
}

/// An image, and what its jobs may do inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ImageChoice {
    /// Its name in the store, or `host`.
    pub(crate) image: String,
    /// What jobs may do inside.
    pub(crate) profile: JobProfile,
}

/// The name of the view of the host.
pub(crate) const HOST_IMAGE: &str = "host";

impl Default for ImageChoice {
    fn default() -> Self {
        ImageChoice {
            image: HOST_IMAGE.to_owned(),
            profile: JobProfile::Strict,
        }
    }
}

/// What jobs may do inside their sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum JobProfile {
    /// They are an ordinary user.
    #[default]
    Strict,
    /// They are root of their own namespace: `sudo` and `apt-get` work.
    Root,
}

/// What becomes of a job whose `os` or `arch` isn't this host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unsupported {
    /// It ends as errored.
    #[default]
    Error,
    /// It is canceled, and its build's verdict is made without it.
    Skip,
}

/// A limit that only a cgroup keeps fully.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Required {
    /// `limits.memory`.
    Memory,
    /// `limits.processes`.
    Processes,
}

/// What is kept between jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Caches {
    /// Most bytes of the files of one cache. Default `1GiB`; `0`: none is kept.
    pub(crate) archive: Size,
    /// Most bytes on disk of all caches of a repository; those least recently used go first. Default `4GiB`.
    pub(crate) repository: Size,
}

/// What is kept of jobs for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Artifacts {
    /// Most bytes of the files of one job. Default `256MiB`; `0`: none are kept.
    pub(crate) job: Size,
    /// Most bytes on disk of all artifacts of a repository; the oldest go first. Default `2GiB`.
    pub(crate) repository: Size,
}

/// Debug sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct DebugSessions {
    /// Address and port of the SSH server. Default none: there are no debug sessions.
    pub(crate) listen: Option<SocketAddr>,
    /// `HOST` or `HOST:PORT` that people are told to connect to. Default: the host that they reached the API at, and the
    /// port that `listen` says.
    pub(crate) address: Option<String>,
    /// How long a session lasts at most. Default `30m`.
    pub(crate) time: Span,
    /// How long a session waits for its person. Default `5m`.
    pub(crate) wait: Span,
    /// Sessions at once, beside `jobs`. Default 2.
    pub(crate) sessions: usize,
}

/// Shutting down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Shutdown {
    /// How long running jobs may go on before they are put back into the queue. Default `10s`.
    pub(crate) grace: Span,
}

/// Looking for pushes that no hook told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Reconcile {
    /// How often. Default `5m`; `0s`: only at start.
    pub(crate) interval: Span,
    /// How many refs of one push, or found by one look, are built, newest first; the others get a rejected request.
    /// Default 20.
    pub(crate) limit: usize,
}

/// A repository registered at start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RepositoryEntry {
    /// Absolute path of the repository.
    pub(crate) path: PathBuf,
    /// `owner/name`. Default: the last two parts of the path.
    #[serde(serialize_with = "as_text")]
    pub(crate) slug: Slug,
    /// `public` or `private`. Default `private`.
    #[serde(serialize_with = "visibility_name")]
    pub(crate) visibility: Visibility,
    /// Repositories of the same owner that may use this one as a submodule and import files of it. Default none.
    #[serde(serialize_with = "as_texts")]
    pub(crate) share: Vec<Slug>,
    /// `strict` or `root`: what its jobs may do inside an imported image. Default `strict`.
    pub(crate) profile: JobProfile,
    /// `off`, `on` or `forks`: whether there may be debug sessions. Default: what `assay repo settings` said last.
    #[serde(
        serialize_with = "consent_name",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) debug: Option<DebugConsent>,
}

/// The daemon's own log, on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`. Default `info`.
    pub(crate) level: LogLevel,
    /// `text` or `json`. Default `text`.
    pub(crate) format: LogFormat,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// A line for people.
    Text,
    /// One JSON object a line.
    Json,
}

fn as_text<S: Serializer>(text: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(text)
}

fn as_texts<S: Serializer>(texts: &[Slug], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(texts.iter().map(Slug::as_str))
}

fn versions_name<S: Serializer>(versions: &Versions, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match versions {
        Versions::Exact => "exact",
        Versions::Nearest => "nearest",
    })
}

fn visibility_name<S: Serializer>(
    visibility: &Visibility,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match visibility {
        Visibility::Private => "private",
        Visibility::Public => "public",
    })
}

fn consent_name<S: Serializer>(
    consent: &Option<DebugConsent>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match consent {
        Some(consent) => serializer.serialize_str(consent.name()),
        None => serializer.serialize_none(),
    }
}

/// Why the configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file can't be read.
    #[error("cannot read the configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file can be read and is wrong.
    #[error("{}", problem_list(path, problems))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// At least one.
        problems: Vec<Problem>,
    },
}

fn problem_list(path: &Path, problems: &[Problem]) -> String {
    let mut text = format!("{} cannot be used", path.display());
    for problem in problems {
        text.push_str("\n  ");
        text.push_str(&problem.to_string());
    }
    text
}

/// What defaults depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Host {
    /// Processors.
    pub(crate) cores: usize,
    /// RAM in bytes.
    pub(crate) memory: u64,
}

impl Host {
    /// This one.
    pub(crate) fn here() -> Self {
        let info = rustix::system::sysinfo();
        let bytes = u128::from(info.totalram) * u128::from(info.mem_unit);
        let total = u64::try_from(bytes).unwrap_or(u64::MAX);
        Host {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: total,
        }
    }
}

impl Default for Config {
    /// The configuration of an empty file on this host.
    fn default() -> Self {
        read::read(Value::Null, &reader::Problems::default(), Host::here())
    }
}

impl Config {
    /// Reads this file.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        let bytes = std::fs::read(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Config::parse(&bytes, Host::here()).map_err(|problems| ConfigError::Wrong {
            path: path.to_owned(),
            problems,
        })
    }

    /// Reads the file that is named; else the one at [`DEFAULT_FILE`] if it is there, else the defaults. Gives the
    /// path of the file that was read.
    pub(crate) fn find(named: Option<&Path>) -> Result<(Self, Option<PathBuf>), ConfigError> {
        let path = named.unwrap_or_else(|| Path::new(DEFAULT_FILE));
        match Config::load(path) {
            Err(ConfigError::Read { source, .. })
                if named.is_none() && source.kind() == std::io::ErrorKind::NotFound =>
            {
                Ok((Config::default(), None))
            }
            result => result.map(|config| (config, Some(path.to_owned()))),
        }
    }

    pub(crate) fn parse(bytes: &[u8], host: Host) -> Result<Self, Vec<Problem>> {
        let whole = |line, text| {
            vec![Problem {
                line,
                key: String::new(),
                text,
            }]
        };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = bytes[..error.valid_up_to()]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count()
                + 1;
            whole(Some(line), "not UTF-8 text".to_owned())
        })?;
        // The empty stream has no document at all, which serde_yaml calls an error.
        let value = match serde_yaml::from_str::<Value>(text) {
            Ok(value) => value,
            Err(_) if only_comments(text) => Value::Null,
            Err(error) => {
                return Err(whole(
                    error.location().map(|place| place.line()),
                    error.to_string(),
                ));
            }
        };
        let problems = reader::Problems::default();
        let config = read::read(value, &problems, host);
        let problems = problems.into_list(text);
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(problems)
        }
    }
}

fn only_comments(text: &str) -> bool {
    text.lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
}

/// The state folder: `--state` or `ASSAY_STATE` (clap gives either as `named`), then the configuration's, then
/// `/var/lib/assay` for root, else `$XDG_STATE_HOME/assay`, else `~/.local/state/assay`.
pub(crate) fn state_folder(named: Option<&Path>, config: Option<&Config>) -> PathBuf {
    if let Some(path) = named.or_else(|| config.and_then(|config| config.state.as_deref())) {
        return std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    }
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/assay");
    }
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    match (absolute("XDG_STATE_HOME"), absolute("HOME")) {
        (Some(state), _) => state.join("assay"),
        (None, Some(home)) => home.join(".local/state/assay"),
        (None, None) => {
            std::env::temp_dir().join(format!("assay-{}", rustix::process::geteuid().as_raw()))
        }
    }
}

/// Where the service manager wants to be told of our state, as sd_notify(3) has it.
pub(crate) fn notify_socket() -> Option<String> {
    std::env::var("NOTIFY_SOCKET")
        .ok()
        .filter(|socket| !socket.is_empty())
}

/// Whether colours are welcome, as <https://no-color.org> has it.
pub(crate) fn wants_colors() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The slug of a repository that was given none: the last two parts of its path, without `.git` at the end.
///
/// Letters that a slug can't have become `-`. `None` for a path with fewer than two parts.
pub(crate) fn slug_of(path: &Path) -> Option<Slug> {
    let mut parts = path.components().rev().filter_map(|part| match part {
        std::path::Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    let last = parts.next()?;
    // A work tree's repository is its `.git`: it is named after the folder around it.
    let name = if last == ".git" { parts.next()? } else { last };
    let owner = parts.next()?;
    let clean = |part: &str| -> String {
        part.chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "._-".contains(c) {
                    c
                } else {
                    '-'
                }
            })
            .collect()
    };
    let name = name
        .strip_suffix(".git")
        .filter(|name| !name.is_empty())
        .unwrap_or(&name);
    Slug::parse(&format!("{}/{}", clean(&owner), clean(name))).ok()
}

#[cfg(test)]
mod tests;
