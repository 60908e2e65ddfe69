//! Looks at the host and says what keeps jobs from running, or keeps a promise about resources from being kept fully.

mod trial;

use std::path::Path;

pub use trial::trial;

use crate::cgroup::base::{Base, Version, base};
use crate::image::owners::Owners;
use crate::run::swap_is_on;
use crate::{net, scratch, sys, userns};

/// Oldest kernel with everything the jail is built from: recursive mount attributes came with it.
const OLDEST_KERNEL: (u32, u32) = (5, 12);

/// State of one host fact that `assay doctor` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is looked at.
    pub name: &'static str,
    /// Whether it is there.
    pub state: CheckState,
    /// One line: what was found, and what to do if it is not as wished.
    pub detail: String,
}

/// How a host fact stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// As wished.
    Good,
    /// A promise about resources falls back to something weaker.
    Degraded,
    /// Jobs can't run here.
    Missing,
}

impl CheckState {
    /// One word: `good`, `weak`, `missing`.
    pub fn name(self) -> &'static str {
        match self {
            Good => "good",
            Degraded => "weak",
            Missing => "missing",
        }
    }

    /// The state that has this name.
    pub fn of(name: &str) -> Option<CheckState> {
        [Good, Degraded, Missing]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

use CheckState::{Degraded, Good, Missing};

fn check(name: &'static str, state: CheckState, detail: impl Into<String>) -> Check {
    Check {
        name,
        state,
        detail: detail.into(),
    }
}

/// Looks at the host: kernel, namespaces, `/proc`, cgroups, seccomp, Landlock, terminals, shell, swap. Takes a few
/// milliseconds and starts one short-lived process.
pub fn doctor() -> Vec<Check> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let mut checks = vec![
        kernel(
            rustix::system::uname()
                .release()
                .to_str()
                .unwrap_or_default(),
        ),
        namespaces(
            sys::try_namespaces().err(),
            read("/proc/sys/user/max_user_namespaces").trim(),
            read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").trim(),
        ),
        proc_mount(&read("/proc/self/mountinfo")),
        privileges(&read("/proc/self/status")),
        seccomp(sys::seccomp_works()),
        landlock(sys::landlock_version()),
        terminals(
            rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY)
                .err(),
        ),
        shell(Path::new("/")),
    ];
    checks.extend(cgroups(
        base(),
        rustix::process::geteuid().is_root(),
        &read("/proc/cgroups"),
    ));
    checks.push(swap(swap_is_on(), base()));
    checks.push(network(net::helper()));
    let owners = Owners::here();
    checks.push(uids(owners, userns::try_range(owners)));
    checks.push(room(scratch::missing()));
    checks.push(job_uids(rustix::process::geteuid().is_root()));
    #[cfg(feature = "wasm")]
    checks.push(memory_folder(crate::wasm::memory_folder()));
    for check in checks.iter_mut().filter(|check| check.state == Degraded) {
        if let Some((_, rows)) = ROWS.iter().find(|(name, _)| *name == check.name) {
            check
                .detail
                .push_str(&format!(" ({rows} of the attack table)"));
        }
    }
    checks
}

/// Rows of the attack table that aren't kept, or not fully, or can't be tried, where a check is not as wished.
const ROWS: &[(&str, &str)] = &[
    ("cgroup memory", "rows C2 to C4, C7"),
    ("cgroup pids", "row C1"),
    ("cgroup cpu", "row C18"),
    ("network", "rows D3 to D9, D14 to D17"),
    ("image owners", "every row with profile root"),
    ("job uids", "row C22"),
    ("Landlock", "a second lock of rows A1, A5, D11"),
];

/// Optional: whoever doesn't want it loses nothing.
fn room(missing: Option<&str>) -> Check {
    let name = "scratch";
    match missing {
        None => check(
            name,
            Good,
            "jobs can have encrypted room on a disk (sandbox.scratch)",
        ),
        Some(missing) => check(
            name,
            Degraded,
            format!("jobs can't have encrypted room on a disk: {missing}"),
        ),
    }
}

/// The kernel keeps some counts by uid: of inotify instances, keys, pending signals.
fn job_uids(root: bool) -> Check {
    let name = "job uids";
    match root {
        true => check(name, Good, "each running job has a uid of its own"),
        false => check(
            name,
            Degraded,
            "to the kernel jobs are the daemon's user, and one may use up what it grants to a user; run the daemon as root \
             if strangers push",
        ),
    }
}

/// Where jobs with `virt: wasm` have their files; other jobs don't need it.
#[cfg(feature = "wasm")]
fn memory_folder(found: Option<&Path>) -> Check {
    let name = "folder in memory";
    match found {
        Some(place) => check(
            name,
            Good,
            format!(
                "{}: jobs with virt: wasm have their files there",
                place.display()
            ),
        ),
        None => check(
            name,
            Degraded,
            "jobs with virt: wasm can't run: neither /dev/shm nor /tmp is a tmpfs that can be written",
        ),
    }
}

fn kernel(release: &str) -> Check {
    let mut numbers = release
        .split(['.', '-', '+'])
        .map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let (major, minor) = OLDEST_KERNEL;
    match version >= OLDEST_KERNEL {
        true => check("kernel", Good, format!("Linux {release}")),
        false => check(
            "kernel",
            Missing,
            format!("Linux {release}; at least {major}.{minor} is needed"),
        ),
    }
}

fn namespaces(error: Option<std::io::Error>, most: &str, apparmor: &str) -> Check {
    let name = "user namespaces";
    let Some(error) = error else {
        return check(name, Good, format!("can be created (at most {most})"));
    };
    let advice = if most == "0" {
        "set sysctl user.max_user_namespaces to 10000 or more"
    } else if apparmor == "1" {
        "AppArmor restricts them: set sysctl kernel.apparmor_restrict_unprivileged_userns=0, or give assay a profile \
         with `userns,`"
    } else {
        "take RestrictNamespaces= and SystemCallFilter= out of the unit, allow unshare in the container's seccomp \
         profile, and set sysctl kernel.unprivileged_userns_clone=1 where it exists"
    };
    check(
        name,
        Missing,
        format!("can't be created: {error}; {advice}"),
    )
}

/// The kernel lets a namespace have a `/proc` of its own only where the host's is shown whole.
fn proc_mount(mountinfo: &str) -> Check {
    let name = "/proc";
    let mounts = || {
        mountinfo.lines().filter_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            Some((before.split(' ').nth(4)?, after))
        })
    };
    let covered: Vec<&str> = mounts()
        .map(|(place, _)| place)
        .filter(|place| place.starts_with("/proc/") && *place != "/proc/sys/fs/binfmt_misc")
        .collect();
    if let Some(first) = covered.first() {
        let detail = format!(
            "{first} is covered, so jobs can't have a /proc of their own; take ProtectKernelTunables=, \
             ProtectKernelLogs= and ProtectProc= out of the unit, or run the container with an unmasked /proc"
        );
        return check(name, Missing, detail);
    }
    let hidden = mounts().any(|(place, after)| {
        place == "/proc"
            && after
                .split([' ', ','])
                .any(|option| option.starts_with("hidepid=") || option == "subset=pid")
    });
    match hidden {
        true => check(
            name,
            Missing,
            "is mounted with hidepid or subset; take ProtectProc= and ProcSubset= out of the unit",
        ),
        false => check(name, Good, "is shown whole"),
    }
}

fn privileges(status: &str) -> Check {
    let name = "privileges";
    let set = status.lines().any(|line| {
        line.strip_prefix("NoNewPrivs:")
            .is_some_and(|value| value.trim() == "1")
    });
    match set {
        true => check(
            name,
            Degraded,
            "no_new_privs is set; take NoNewPrivileges= out of the unit, which may imply more",
        ),
        false => check(name, Good, "nothing was taken away from this process"),
    }
}

fn seccomp(works: bool) -> Check {
    match works {
        true => check("seccomp", Good, "system calls can be filtered"),
        false => check(
            "seccomp",
            Missing,
            "the kernel can't filter system calls; CONFIG_SECCOMP_FILTER is needed",
        ),
    }
}

fn landlock(version: u32) -> Check {
    match version {
        0 => check(
            "Landlock",
            Degraded,
            "not there; a second lock beside the others is missing (boot with lsm=landlock,…)",
        ),
        1..6 => check(
            "Landlock",
            Good,
            format!("version {version}; from 6 on it also fences signals"),
        ),
        _ => check("Landlock", Good, format!("version {version}")),
    }
}

fn terminals(error: Option<rustix::io::Errno>) -> Check {
    match error {
        None => check("terminals", Good, "pseudo-terminals can be opened"),
        Some(error) => check(
            "terminals",
            Missing,
            format!("/dev/ptmx can't be opened: {error}; mount devpts at /dev/pts"),
        ),
    }
}

fn shell(root: &Path) -> Check {
    let found = ["usr/bin/bash", "bin/bash", "usr/local/bin/bash"]
        .into_iter()
        .find(|path| root.join(path).is_file());
    match found {
        Some(path) => check("shell", Good, format!("/{path}")),
        None => check(
            "shell",
            Missing,
            "bash isn't installed; the host image shows the host's own programs to jobs",
        ),
    }
}

/// Whether a version 1 hierarchy has this controller (cgroups(7), `/proc/cgroups`: name, hierarchy, …; 0 is version 2).
fn is_version_one(table: &str, controller: &str) -> bool {
    table.lines().any(|line| {
        let mut fields = line.split_whitespace();
        fields.next() == Some(controller) && fields.next().is_some_and(|number| number != "0")
    })
}

fn cgroups(base: &Base, root: bool, table: &str) -> Vec<Check> {
    let one = |name, controller, fallback: &str| match base
        .places
        .iter()
        .find(|place| place.controller == controller)
    {
        Some(place) => {
            let version = match place.version {
                Version::One => "version 1",
                Version::Two => "version 2",
            };
            check(
                name,
                Good,
                format!("{version}, below {}", place.parent.display()),
            )
        }
        None => {
            let advice = match (root, is_version_one(table, controller)) {
                (true, _) => "mount a cgroup hierarchy with this controller writable",
                (false, true) => {
                    "this host has it in version 1, which systemd doesn't hand to ordinary users: boot with version 2 \
                     (systemd.unified_cgroup_hierarchy=1), or run the daemon as root"
                }
                (false, false) => "start the daemon as a systemd service with Delegate=yes",
            };
            check(name, Degraded, format!("{fallback}; {advice}"))
        }
    };
    vec![
        one(
            "cgroup memory",
            "memory",
            "no group: memory is limited for each process only",
        ),
        one(
            "cgroup pids",
            "pids",
            "no group: processes are limited by an rlimit",
        ),
        one(
            "cgroup cpu",
            "cpu",
            "no group: jobs have the same CPU weight as everything else",
        ),
    ]
}

fn network(helper: Result<net::Helper, String>) -> Check {
    match helper {
        Ok(helper) => check(
            "network",
            Good,
            format!("jobs reach the internet through {}", helper.name()),
        ),
        Err(missing) => check(
            "network",
            Degraded,
            format!("jobs have loopback only: {missing}"),
        ),
    }
}

fn uids(owners: Owners, tried: std::io::Result<()>) -> Check {
    if let (Owners::Range { .. }, Err(error)) = (owners, tried) {
        return check(
            "image owners",
            Degraded,
            format!(
                "images can't use the subordinate uids: {error}; newuidmap needs its rights (in a systemd unit no \
                 NoNewPrivileges=, and CAP_SETUID, CAP_SETGID, CAP_DAC_OVERRIDE and CAP_SYS_ADMIN in CapabilityBoundingSet=)"
            ),
        );
    }
    match owners {
        Owners::True => check(
            "image owners",
            Good,
            "each job with an image gets 65536 uids of its own",
        ),
        Owners::Range { uid, .. } => check(
            "image owners",
            Good,
            format!("images use the subordinate uids from {uid} on"),
        ),
        Owners::Flat { .. } => check(
            "image owners",
            Degraded,
            "imported images have no root (profile root can't be used): install newuidmap (package uidmap) and grant 65536 \
             ids in /etc/subuid and /etc/subgid",
        ),
    }
}

fn swap(on: bool, base: &Base) -> Check {
    let denied = base
        .places
        .iter()
        .any(|place| place.controller == "memory" && place.version == Version::Two);
    match (on, denied) {
        (false, _) => check("swap", Good, "off"),
        (true, true) => check("swap", Good, "on, and denied to jobs"),
        (true, false) => check(
            "swap",
            Degraded,
            "on, and can't be denied to jobs: their memory may reach the disk; turn it off, encrypt it, or use cgroup \
             version 2 for memory",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::base::Place;

    #[test]
    fn old_and_odd_kernels() {
        assert_eq!(kernel("6.18.44-x").state, Good);
        assert_eq!(kernel("5.12").state, Good);
        assert_eq!(kernel("5.10.0-28-amd64").state, Missing);
        assert_eq!(kernel("odd").state, Missing);
    }

    #[test]
    fn advice_names_the_reason_for_missing_namespaces() {
        let error = || Some(std::io::Error::from_raw_os_error(libc::EPERM));
        assert_eq!(namespaces(None, "100", "").state, Good);
        assert!(
            namespaces(error(), "0", "")
                .detail
                .contains("max_user_namespaces")
        );
        assert!(namespaces(error(), "100", "1").detail.contains("AppArmor"));
        assert!(
            namespaces(error(), "100", "")
                .detail
                .contains("RestrictNamespaces")
        );
    }

    #[test]
    fn a_unit_that_covers_proc_is_found() {
        let whole = "22 27 0:21 / /proc rw - proc proc rw\n23 22 0:2 / /proc/sys/fs/binfmt_misc rw - autofs s rw\n";
        assert_eq!(proc_mount(whole).state, Good);
        let tunables = format!("{whole}24 22 0:21 /sys /proc/sys ro - proc proc rw\n");
        assert!(
            proc_mount(&tunables)
                .detail
                .contains("ProtectKernelTunables")
        );
        let hidden = "22 27 0:21 / /proc rw - proc proc rw,hidepid=invisible\n";
        assert!(proc_mount(hidden).detail.contains("ProtectProc"));
        assert_eq!(privileges("Name:\tx\nNoNewPrivs:\t1\n").state, Degraded);
        assert_eq!(privileges("NoNewPrivs:\t0\n").state, Good);
    }

    #[test]
    fn missing_groups_degrade_with_the_right_advice() {
        let place = |version| Place {
            controller: "memory",
            version,
            parent: "/sys/fs/cgroup/a".into(),
        };
        let base = Base {
            places: vec![place(Version::Two)],
        };
        let table = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t2\t5\t1\nmemory\t0\t5\t1\npids\t0\t5\t1\n";
        let checks = cgroups(&base, false, table);
        assert_eq!(
            checks.iter().map(|check| check.state).collect::<Vec<_>>(),
            [Good, Degraded, Degraded]
        );
        assert!(checks[1].detail.contains("Delegate=yes"));
        assert!(checks[2].detail.contains("run the daemon as root"));
        assert_eq!(swap(true, &base).state, Good);
        assert_eq!(
            swap(
                true,
                &Base {
                    places: vec![place(Version::One)]
                }
            )
            .state,
            Degraded
        );
        let range = Owners::Range { uid: 5, gid: 5 };
        let refused = uids(range, Err(std::io::Error::other("newuidmap: no")));
        assert!(refused.state == Degraded && refused.detail.contains("newuidmap: no"));
        assert_eq!(uids(range, Ok(())).state, Good);
        assert_eq!((landlock(0).state, landlock(7).state), (Degraded, Good));
    }

    #[test]
    fn the_whole_look_works_here() {
        let checks = doctor();
        let names: std::collections::BTreeSet<_> = checks.iter().map(|check| check.name).collect();
        assert_eq!(names.len(), checks.len());
        let known = |row: &&(&str, &str)| names.contains(row.0);
        assert_eq!(ROWS.iter().filter(known).count(), ROWS.len());
        assert!(
            checks
                .iter()
                .all(|check| !check.detail.is_empty() && !check.detail.contains('\n'))
        );
    }
}
