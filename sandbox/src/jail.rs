//! The jail as data: a run's specification and a look at the host become a list of steps. Nothing here touches the system.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::image::owners::Owners;
use crate::net::{Egress, Helper, Names};
use crate::spec::{Image, Profile, RunSpec};
use crate::userns::Range;
use crate::wire::{Jail, Job, Plan};

mod inside;
mod sudo;

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
const MASKED: [&str; 2] = ["/proc/kallsyms", "/proc/keys"];

/// One step of building the jail. Paths of targets are absolute and mean the new root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// Join this control group.
    Join(PathBuf),
    /// Open a host folder or file now, while the caller's privileges last.
    Open(PathBuf),
    /// Open an image, with its files' owners shifted into the job's range.
    OpenShifted(PathBuf),
    /// Become this uid and gid of the host, for good.
    Become(u32),
    /// Split off the process that will connect the job's network: it stays in the host's.
    Helper {
        /// The program.
        helper: Helper,
        /// The uid it becomes, if the caller is root.
        owner: Option<u32>,
    },
    /// Make a user namespace with a range of uids, to be entered later.
    Range {
        /// Whose it is, if the caller is root.
        owner: Option<u32>,
        /// The range.
        range: Range,
    },
    /// Enter that user namespace, and new mount, process, network, IPC, host name and cgroup namespaces.
    Enter,
    /// Become this uid and gid of the namespace.
    Inside(u32),
    /// New user, mount, process, network, IPC, host name and cgroup namespaces, with one uid and gid mapped.
    Namespaces {
        /// Uid and gid inside.
        inside: u32,
    },
    /// Have the rules for packets loaded and the helper connect the network, both beside the next steps.
    WayOut(String),
    /// Wait for both.
    Connected,
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
    /// Lay the RAM root over this image.
    Overlay(PathBuf),
    /// Put an empty folder of RAM over one of the image.
    Fresh(String, u32),
    /// Make a folder, and its parents.
    Folder(String, u32),
    /// Write a file.
    File(String, String),
    /// Write a file in place of whatever is there.
    Replace(String, String),
    /// Write a program.
    Program(String, String),
    /// Show a file in place of a program, if that is there.
    Cover {
        /// The program.
        path: String,
        /// The file.
        with: String,
    },
    /// Hand a folder over to this uid and gid.
    Own(String, u32),
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
    /// Show the folders of the scratch, the first at this home.
    Scratch(String),
    /// Show a device node of the host, by name.
    Device(String),
    /// Mount the job's own terminals.
    Terminals,
    /// Mount the new process namespace's `/proc`.
    Processes,
    /// Allow no further user namespaces below this one.
    NoNamespaces,
    /// Bound what System V IPC may take: bytes of shared memory. Its semaphores and messages are the kernel's memory.
    Ipc(u64),
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
            Step::Join(_) | Step::Root { .. } | Step::Ipc(_) => "isolation of resources",
            Step::Become(_)
            | Step::Namespaces { .. }
            | Step::NoNamespaces
            | Step::Range { .. }
            | Step::Enter
            | Step::Inside(_)
            | Step::OpenShifted(_) => "isolation of privileges",
            Step::Loopback
            | Step::Hostname(_)
            | Step::Helper { .. }
            | Step::WayOut(_)
            | Step::Connected => "isolation of the network",
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
            Step::OpenShifted(path) => write!(f, "open {} with shifted owners", path.display()),
            Step::Become(uid) => write!(f, "become uid {uid}"),
            Step::Helper { helper, .. } => write!(f, "split off {}", helper.name()),
            Step::Range { range, .. } => write!(f, "make a range of uids from {}", range.uid),
            Step::Enter => write!(f, "enter namespaces"),
            Step::Inside(uid) => write!(f, "become uid {uid} inside"),
            Step::WayOut(_) => write!(f, "open a way out"),
            Step::Connected => write!(f, "load packet rules and connect the network"),
            Step::Namespaces { .. } => write!(f, "create namespaces"),
            Step::Loopback => write!(f, "bring up loopback"),
            Step::Hostname(_) => write!(f, "set host name"),
            Step::Root { .. } => write!(f, "mount RAM root"),
            Step::Overlay(path) => write!(f, "lay RAM over {}", path.display()),
            Step::Fresh(path, _) => write!(f, "empty {path}"),
            Step::Folder(path, _) => write!(f, "make folder {path}"),
            Step::Replace(path, _) => write!(f, "replace {path}"),
            Step::Program(path, _) => write!(f, "write program {path}"),
            Step::Cover { path, .. } => write!(f, "cover program {path}"),
            Step::Own(path, uid) => write!(f, "give {path} to {uid}"),
            Step::File(path, _) => write!(f, "write {path}"),
            Step::Copy(path) => write!(f, "copy {path}"),
            Step::Link(path, _) => write!(f, "make link {path}"),
            Step::Show { source, target } => write!(f, "show {} at {target}", source.display()),
            Step::Scratch(home) => write!(f, "show the scratch at {home}"),
            Step::Device(name) => write!(f, "show device {name}"),
            Step::Terminals => write!(f, "mount terminals"),
            Step::Processes => write!(f, "mount /proc"),
            Step::NoNamespaces => write!(f, "forbid further namespaces"),
            Step::Ipc(_) => write!(f, "bound IPC"),
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
    /// The number of the run.
    pub(crate) slot: u32,
    /// Control groups to join.
    pub(crate) groups: Vec<PathBuf>,
    /// A group counts processes.
    pub(crate) counted_processes: bool,
    /// A group counts memory.
    pub(crate) counted_memory: bool,
}

/// By what the scratch goes among what comes opened; no path of the host.
pub(crate) const SCRATCH: &str = "scratch";

/// What of a run can be built before the job is known.
pub(crate) fn jail(spec: &RunSpec, host: &Host, facts: &Facts, egress: Option<&Egress>) -> Jail {
    let names = egress.map_or_else(Names::default, |egress| egress.names.clone());
    // Two programs of the host, which take longer than everything else.
    let way_out = egress.map(|egress| Step::WayOut(egress.rules.clone()));
    let connected = egress.map(|_| Step::Connected);
    let steps = inside::steps(spec, host, &names);
    Jail {
        groups: facts.groups.clone(),
        outer: outer(spec, facts, egress),
        inner: way_out.into_iter().chain(steps).chain(connected).collect(),
    }
}

/// The rest of the run.
pub(crate) fn plan(spec: &RunSpec, facts: &Facts) -> Plan {
    let ranged = match &spec.image {
        Image::Host { .. } => false,
        Image::Imported(image) => !matches!(image.owners(), Owners::Flat { .. }),
    };
    let scratch = spec.scratch.iter().map(|_| PathBuf::from(SCRATCH));
    let sources = spec.binds.iter().map(|bind| bind.source.clone());
    Plan {
        // An ordinary user can't: it opens them in its own namespaces, where they are still in sight.
        opened: scratch.chain(sources).filter(|_| facts.root).collect(),
        late: inside::late_steps(spec),
        first: spec.first.as_ref().map(|first| Job {
            argv: first.argv.clone(),
            env: first.env.clone(),
            cwd: "/".to_owned(),
            user: None,
            rights: true,
            ..job(spec, facts)
        }),
        job: Job {
            user: (ranged && spec.profile == Profile::Strict).then_some(INSIDE),
            rights: spec.profile == Profile::Root,
            ..job(spec, facts)
        },
        keep: spec.keep.clone(),
    }
}

/// The run's own command, without any right.
fn job(spec: &RunSpec, facts: &Facts) -> Job {
    Job {
        argv: spec.argv.clone(),
        env: spec.env.clone(),
        cwd: spec.cwd.clone(),
        home: spec.home.clone(),
        scratch: spec.scratch.is_some(),
        terminal: spec.terminal,
        user: None,
        rights: false,
        processes: (!facts.counted_processes).then_some(spec.limits.processes),
        memory: (!facts.counted_memory).then_some(spec.limits.memory),
    }
}

/// With the caller's privileges, up to and including the new namespaces.
fn outer(spec: &RunSpec, facts: &Facts, egress: Option<&Egress>) -> Vec<Step> {
    let mut steps = Vec::new();
    let owner = facts.root.then(|| spec.uid_base + facts.slot);
    let binds = || {
        spec.binds
            .iter()
            .map(|bind| Step::Open(bind.source.clone()))
    };
    let range = match &spec.image {
        Image::Host { .. } => None,
        Image::Imported(image) => range(spec, facts, image.owners()).map(|range| (image, range)),
    };
    let helper = |owner| {
        egress.map(|egress| Step::Helper {
            helper: egress.helper.clone(),
            owner,
        })
    };
    match range {
        Some((image, range)) if facts.root => {
            steps.extend(helper(owner));
            steps.push(Step::Range { owner, range });
            steps.push(Step::OpenShifted(image.tree.clone()));
            steps.push(Step::Enter);
            steps.push(Step::Inside(0));
        }
        Some((image, range)) => {
            steps.extend(helper(owner));
            steps.push(Step::Range { owner, range });
            steps.push(Step::Enter);
            steps.extend(binds());
            steps.push(Step::Open(image.tree.clone()));
            steps.push(Step::Inside(0));
        }
        None => {
            steps.extend(owner.map(Step::Become));
            steps.extend(helper(None));
            steps.push(Step::Namespaces { inside: INSIDE });
        }
    }
    steps
}

/// The first host uid of a root caller's job, to whom the jail's folders belong at first.
pub(crate) fn first_uid(spec: &RunSpec, slot: u32) -> Option<u32> {
    let ranged = matches!(&spec.image, Image::Imported(image) if image.owners() == Owners::True);
    match ranged {
        true => spec.range_start(slot),
        false => spec.uid_base.checked_add(slot),
    }
}

/// The job's range of uids; none where it has only its own.
fn range(spec: &RunSpec, facts: &Facts, owners: Owners) -> Option<Range> {
    match owners {
        Owners::Flat { .. } => None,
        Owners::Range { uid, gid } => Some(Range { uid, gid }),
        Owners::True => spec.range_start(facts.slot).map(|first| Range {
            uid: first,
            gid: first,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
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
            (
                "/etc/mime.types".to_owned(),
                link("/opt/elsewhere/mime.types"),
            ),
        ])
    }

    fn whole(spec: &RunSpec, facts: &Facts) -> Vec<String> {
        let mut steps = jail(spec, &host(), facts, None).inner;
        steps.extend(plan(spec, facts).late);
        lines(&steps)
    }

    fn lines(steps: &[Step]) -> Vec<String> {
        steps.iter().map(Step::to_string).collect()
    }

    #[test]
    fn root_becomes_the_slots_uid_before_any_namespace() {
        let mut spec = sample();
        spec.binds.push(Bind {
            source: "/srv/m/objects".into(),
            target: "/run/objects".into(),
        });
        let facts = Facts {
            root: true,
            slot: 3,
            groups: vec!["/sys/fs/cgroup/x".into()],
            ..Facts::default()
        };
        let jail = jail(&spec, &host(), &facts, None);
        assert_eq!(jail.groups, [PathBuf::from("/sys/fs/cgroup/x")]);
        assert_eq!(
            lines(&jail.outer),
            ["become uid 1800000003", "create namespaces"]
        );
        // By then the uid can't reach it: the daemon opens it.
        let plan = plan(&spec, &facts);
        assert_eq!(plan.opened, [PathBuf::from("/srv/m/objects")]);
        assert_eq!(lines(&plan.late)[0], "show /srv/m/objects at /run/objects");
    }

    #[test]
    fn a_user_stays_itself_and_root_is_never_mapped() {
        let jail = jail(&sample(), &host(), &Facts::default(), None);
        assert_eq!(jail.outer, [Step::Namespaces { inside: 1000 }]);
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
bound IPC
cover /proc/kallsyms
cover /proc/keys
make /proc/sys read-only
write program /run/assay/bin/sudo
cover program /usr/bin/sudo
make folder /home/travis
make folder /home/travis/build/o/r
change root";
        assert_eq!(whole(&sample(), &Facts::default()).join("\n"), expected);
    }

    #[test]
    fn limits_without_a_group_fall_to_each_process() {
        let none = plan(&sample(), &Facts::default()).job;
        assert_eq!((none.processes, none.memory), (Some(100), Some(1 << 30)));
        let facts = Facts {
            counted_processes: true,
            counted_memory: true,
            ..Facts::default()
        };
        let both = plan(&sample(), &facts).job;
        assert_eq!((both.processes, both.memory), (None, None));
    }

    #[test]
    fn every_step_survives_the_wire() {
        let facts = Facts {
            root: true,
            ..Facts::default()
        };
        let jail = jail(&sample(), &host(), &facts, None);
        let text = serde_json::to_string(&jail).unwrap();
        assert_eq!(serde_json::from_str::<Jail>(&text).unwrap(), jail);
        let plan = plan(&sample(), &facts);
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap().late, plan.late);
    }
}
