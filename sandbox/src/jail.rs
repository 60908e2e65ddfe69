//! The jail as data: a run's specification and a look at the host become a list of steps. Nothing here touches the system.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::host::{ETC_FILES, Host, Kind, TOPS};
use crate::spec::{Image, RunSpec, lies_in};
use crate::wire::{Job, Plan};

/// Uid and gid of the job's user inside.
pub(crate) const INSIDE: u32 = 1000;
/// Host name inside.
const HOSTNAME: &str = "assay";
/// Device nodes taken from the host.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// Links below `/dev`.
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("/dev/ptmx", "pts/ptmx"),
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];
/// Files below `/proc` that tell about the whole host and that an ordinary user could read.
const MASKED: [&str; 4] = ["/proc/kallsyms", "/proc/kcore", "/proc/keys", "/proc/timer_list"];

/// One step of building the jail. Paths of targets are absolute and mean the new root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// Join this control group.
    Join(PathBuf),
    /// Open a host folder or file now, while the caller's privileges last.
    Open(PathBuf),
    /// Become this uid and gid of the host, for good.
    Become(u32),
    /// New user, mount, process, network, IPC, host name and cgroup namespaces, with one uid and gid mapped.
    Namespaces {
        /// Uid and gid inside.
        inside: u32,
    },
    /// Bring up the loopback interface.
    Loopback,
    /// Set the host name.
    Hostname(String),
    /// Mount the RAM root.
    Root {
        /// Bytes.
        size: u64,
        /// Files.
        inodes: u64,
    },
    /// Make a folder, and its parents.
    Folder(String, u32),
    /// Write a file.
    File(String, String),
    /// Copy a file of the host to the same place.
    Copy(String),
    /// Make a symbolic link: path, target.
    Link(String, String),
    /// Show a host folder or file, read-only, with what is mounted below it.
    Show {
        /// On the host.
        source: PathBuf,
        /// Inside.
        target: String,
    },
    /// Show a device node of the host, by name.
    Device(String),
    /// Mount the job's own terminals.
    Terminals,
    /// Mount the new process namespace's `/proc`.
    Processes,
    /// Allow no further user namespaces below this one.
    NoNamespaces,
    /// Cover a file with nothing.
    Mask(String),
    /// Make what is here read-only.
    ReadOnly(String),
    /// Make the RAM root the root, and let go of the old one.
    Pivot,
}

impl Step {
    /// The promise that can't be kept when this step fails.
    pub(crate) fn promise(&self) -> &'static str {
        match self {
            Step::Join(_) | Step::Root { .. } => "isolation of resources",
            Step::Become(_) | Step::Namespaces { .. } | Step::NoNamespaces => "isolation of privileges",
            Step::Loopback | Step::Hostname(_) => "isolation of the network",
            Step::Processes | Step::Terminals => "isolation of processes",
            _ => "isolation of files",
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Step::Join(path) => write!(f, "join control group {}", path.display()),
            Step::Open(path) => write!(f, "open {}", path.display()),
            Step::Become(uid) => write!(f, "become uid {uid}"),
            Step::Namespaces { .. } => write!(f, "create namespaces"),
            Step::Loopback => write!(f, "bring up loopback"),
            Step::Hostname(_) => write!(f, "set host name"),
            Step::Root { .. } => write!(f, "mount RAM root"),
            Step::Folder(path, _) => write!(f, "make folder {path}"),
            Step::File(path, _) => write!(f, "write {path}"),
            Step::Copy(path) => write!(f, "copy {path}"),
            Step::Link(path, _) => write!(f, "make link {path}"),
            Step::Show { source, target } => write!(f, "show {} at {target}", source.display()),
            Step::Device(name) => write!(f, "show device {name}"),
            Step::Terminals => write!(f, "mount terminals"),
            Step::Processes => write!(f, "mount /proc"),
            Step::NoNamespaces => write!(f, "forbid further namespaces"),
            Step::Mask(path) => write!(f, "cover {path}"),
            Step::ReadOnly(path) => write!(f, "make {path} read-only"),
            Step::Pivot => write!(f, "change root"),
        }
    }
}

/// What the daemon knows about itself and about the groups it made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// The caller is root: the job gets a uid of its own.
    pub(crate) root: bool,
    /// Control groups to join.
    pub(crate) groups: Vec<PathBuf>,
    /// A group counts processes.
    pub(crate) counted_processes: bool,
    /// A group counts memory.
    pub(crate) counted_memory: bool,
}

/// The whole plan of a run.
pub(crate) fn plan(spec: &RunSpec, host: &Host, facts: &Facts) -> Plan {
    Plan {
        outer: outer(spec, facts),
        inner: inner(spec, host),
        job: Job {
            argv: spec.argv.clone(),
            env: spec.env.clone(),
            cwd: spec.cwd.clone(),
            home: spec.home.clone(),
            terminal: spec.terminal,
            processes: (!facts.counted_processes).then_some(spec.limits.processes),
            memory: (!facts.counted_memory).then_some(spec.limits.memory),
        },
    }
}

fn outer(spec: &RunSpec, facts: &Facts) -> Vec<Step> {
    let mut steps: Vec<Step> = facts.groups.iter().cloned().map(Step::Join).collect();
    if facts.root {
        steps.extend(spec.binds.iter().map(|bind| Step::Open(bind.source.clone())));
        steps.push(Step::Become(spec.uid_base + spec.slot));
    }
    steps.push(Step::Namespaces { inside: INSIDE });
    steps
}

fn inner(spec: &RunSpec, host: &Host) -> Vec<Step> {
    let mut steps = vec![
        Step::Loopback,
        Step::Hostname(HOSTNAME.to_owned()),
        Step::Root { size: spec.limits.disk, inodes: spec.limits.inodes },
    ];
    steps.push(Step::Folder("/etc".into(), 0o755));
    for path in ["/tmp", "/var/tmp", "/dev/shm"] {
        steps.push(Step::Folder(path.into(), 0o1777));
    }
    for path in ["/run", "/dev/pts", "/proc"] {
        steps.push(Step::Folder(path.into(), 0o755));
    }
    steps.push(show("/usr"));
    for top in TOPS {
        steps.extend(mirrored(top, host));
    }
    steps.extend(etc(spec, host));
    steps.extend(DEVICES.iter().map(|name| Step::Device((*name).to_owned())));
    steps.push(Step::Terminals);
    steps.extend(DEVICE_LINKS.iter().map(|(path, to)| Step::Link((*path).to_owned(), (*to).to_owned())));
    steps.push(Step::Processes);
    steps.push(Step::NoNamespaces);
    steps.extend(MASKED.iter().map(|path| Step::Mask((*path).to_owned())));
    steps.push(Step::ReadOnly("/proc/sys".into()));
    steps.push(Step::Folder(spec.home.clone(), 0o755));
    let Image::Host { folders } = &spec.image;
    for folder in folders {
        steps.push(Step::Show { source: folder.clone(), target: folder.to_string_lossy().into_owned() });
    }
    for bind in &spec.binds {
        steps.push(Step::Show { source: bind.source.clone(), target: bind.target.clone() });
    }
    steps.push(Step::Folder(spec.cwd.clone(), 0o755));
    steps.push(Step::Pivot);
    steps
}

fn show(path: &str) -> Step {
    Step::Show { source: path.into(), target: path.to_owned() }
}

/// The same entry inside as on the host: folders shown, links made anew, files copied.
fn mirrored(path: &str, host: &Host) -> Option<Step> {
    Some(match host.get(path)? {
        Kind::Folder => show(path),
        Kind::File => Step::Copy(path.to_owned()),
        Kind::Link(to) if leads_somewhere(path, to) => Step::Link(path.to_owned(), to.clone()),
        Kind::Link(_) => Step::Copy(path.to_owned()),
    })
}

/// Whether a link's target is shown inside too; else its content is copied.
fn leads_somewhere(path: &str, to: &str) -> bool {
    match to.starts_with('/') {
        true => lies_in(to, "/usr"),
        false => !path.starts_with("/etc/") || to.starts_with("../usr/") || to.starts_with("../../usr/"),
    }
}

/// `/etc`: the host's allow list, and what is written for the job.
fn etc(spec: &RunSpec, host: &Host) -> Vec<Step> {
    let mut steps = Vec::new();
    for (path, kind) in host {
        let folder = *kind == Kind::Folder;
        if path.starts_with("/etc/") && (folder || ETC_FILES.contains(&path.as_str())) {
            steps.extend(mirrored(path, host));
        }
    }
    let (user, home) = (&spec.user, &spec.home);
    let shell = "/bin/bash";
    let written = [
        (
            "/etc/passwd",
            format!(
                "root:x:0:0:root:/root:/usr/sbin/nologin\n{user}:x:{INSIDE}:{INSIDE}:{user}:{home}:{shell}\n\
                 nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
            ),
        ),
        ("/etc/group", format!("root:x:0:\ntty:x:5:\n{user}:x:{INSIDE}:\nnogroup:x:65534:\n")),
        ("/etc/hosts", format!("127.0.0.1\tlocalhost {HOSTNAME}\n::1\tlocalhost ip6-localhost ip6-loopback\n")),
        ("/etc/hostname", format!("{HOSTNAME}\n")),
        ("/etc/resolv.conf", String::new()),
        (
            "/etc/nsswitch.conf",
            "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\n\
             services: files\nethers: files\nrpc: files\n"
                .to_owned(),
        ),
    ];
    steps.extend(written.map(|(path, text)| Step::File(path.to_owned(), text)));
    steps.push(Step::Link("/etc/mtab".into(), "/proc/self/mounts".into()));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Bind;
    use crate::spec::tests::sample;

    fn host() -> Host {
        let link = |to: &str| Kind::Link(to.to_owned());
        Host::from([
            ("/usr".to_owned(), Kind::Folder),
            ("/bin".to_owned(), link("usr/bin")),
            ("/lib".to_owned(), Kind::Folder),
            ("/etc/alternatives".to_owned(), Kind::Folder),
            ("/etc/ld.so.cache".to_owned(), Kind::File),
            ("/etc/localtime".to_owned(), link("/usr/share/zoneinfo/UTC")),
            ("/etc/os-release".to_owned(), link("../usr/lib/os-release")),
            ("/etc/mime.types".to_owned(), link("/opt/elsewhere/mime.types")),
        ])
    }

    fn lines(steps: &[Step]) -> Vec<String> {
        steps.iter().map(Step::to_string).collect()
    }

    #[test]
    fn root_becomes_the_slots_uid_before_any_namespace() {
        let mut spec = sample();
        spec.slot = 3;
        spec.binds.push(Bind { source: "/srv/m/objects".into(), target: "/run/objects".into() });
        let facts = Facts { root: true, groups: vec!["/sys/fs/cgroup/x".into()], ..Facts::default() };
        let plan = plan(&spec, &host(), &facts);
        assert_eq!(
            lines(&plan.outer),
            [
                "join control group /sys/fs/cgroup/x",
                "open /srv/m/objects",
                "become uid 1800000003",
                "create namespaces"
            ]
        );
    }

    #[test]
    fn a_user_stays_itself_and_root_is_never_mapped() {
        let plan = plan(&sample(), &host(), &Facts::default());
        assert_eq!(plan.outer, [Step::Namespaces { inside: 1000 }]);
    }

    #[test]
    fn the_whole_inside() {
        let expected = "\
bring up loopback
set host name
mount RAM root
make folder /etc
make folder /tmp
make folder /var/tmp
make folder /dev/shm
make folder /run
make folder /dev/pts
make folder /proc
show /usr at /usr
make link /bin
show /lib at /lib
show /etc/alternatives at /etc/alternatives
copy /etc/ld.so.cache
make link /etc/localtime
copy /etc/mime.types
make link /etc/os-release
write /etc/passwd
write /etc/group
write /etc/hosts
write /etc/hostname
write /etc/resolv.conf
write /etc/nsswitch.conf
make link /etc/mtab
show device null
show device zero
show device full
show device random
show device urandom
show device tty
mount terminals
make link /dev/ptmx
make link /dev/fd
make link /dev/stdin
make link /dev/stdout
make link /dev/stderr
mount /proc
forbid further namespaces
cover /proc/kallsyms
cover /proc/kcore
cover /proc/keys
cover /proc/timer_list
make /proc/sys read-only
make folder /home/travis
make folder /home/travis/build/o/r
change root";
        assert_eq!(lines(&plan(&sample(), &host(), &Facts::default()).inner).join("\n"), expected);
    }

    #[test]
    fn limits_without_a_group_fall_to_each_process() {
        let none = plan(&sample(), &host(), &Facts::default()).job;
        assert_eq!((none.processes, none.memory), (Some(100), Some(1 << 30)));
        let facts = Facts { counted_processes: true, counted_memory: true, ..Facts::default() };
        let both = plan(&sample(), &host(), &facts).job;
        assert_eq!((both.processes, both.memory), (None, None));
    }

    #[test]
    fn every_step_survives_the_wire() {
        let plan = plan(&sample(), &host(), &Facts { root: true, ..Facts::default() });
        let text = serde_json::to_string(&plan).unwrap();
        let back: Plan = serde_json::from_str(&text).unwrap();
        assert_eq!((back.outer, back.inner), (plan.outer, plan.inner));
    }
}
