//! Where this process may make control groups, for each controller: version 2 first, else version 1.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What the daemon moves itself into when its own group must become a parent (version 2 allows processes only in leaves).
/// No run's group can have this name.
const LEAF: &str = "assay.daemon";

/// Controllers that carry limits.
pub(crate) const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

/// Version of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

/// A controller and the group under which new groups are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) controller: &'static str,
    pub(crate) version: Version,
    pub(crate) parent: PathBuf,
}

/// All places of this process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Base {
    /// At most one per controller.
    pub(crate) places: Vec<Place>,
}

/// The base of this process; looked up, and its group prepared as a parent, once.
pub(crate) fn base() -> &'static Base {
    static BASE: OnceLock<Base> = OnceLock::new();
    BASE.get_or_init(|| {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let mut base = find(
            &read("/proc/self/cgroup"),
            &read("/proc/self/mountinfo"),
            prepare,
        );
        base.places.retain(|place| may_make(&place.parent));
        base
    })
}

fn may_make(parent: &Path) -> bool {
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    rustix::fs::access(parent, access).is_ok()
}

/// One mounted hierarchy and this process' group in it.
struct Hierarchy<'a> {
    version: Version,
    options: Vec<&'a str>,
    mount: PathBuf,
    own: PathBuf,
}

/// Reads `/proc/self/cgroup` and `/proc/self/mountinfo`; `prepare` turns a version 2 group into a parent and says which
/// controllers its children get.
fn find(
    cgroup: &str,
    mountinfo: &str,
    prepare: impl Fn(&Path, &Path) -> (PathBuf, Vec<&'static str>),
) -> Base {
    let hierarchies: Vec<Hierarchy<'_>> = mountinfo
        .lines()
        .filter_map(|line| hierarchy(line, cgroup))
        .collect();
    let mut base = Base::default();
    if let Some(two) = hierarchies.iter().find(|h| h.version == Version::Two) {
        let (parent, controllers) = prepare(&two.own, &two.mount);
        for controller in controllers {
            base.places.push(Place {
                controller,
                version: Version::Two,
                parent: parent.clone(),
            });
        }
    }
    for one in hierarchies.iter().filter(|h| h.version == Version::One) {
        for controller in CONTROLLERS {
            let taken = base
                .places
                .iter()
                .any(|place| place.controller == controller);
            if one.options.contains(&controller) && !taken {
                base.places.push(Place {
                    controller,
                    version: Version::One,
                    parent: one.own.clone(),
                });
            }
        }
    }
    base
}

fn hierarchy<'a>(line: &'a str, cgroup: &str) -> Option<Hierarchy<'a>> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ').skip(3);
    let (root, mount) = (fields.next()?, fields.next()?);
    let mut after = after.split(' ');
    let (kind, _source, options) = (
        after.next()?,
        after.next()?,
        after.next().unwrap_or_default(),
    );
    let options: Vec<&str> = options.split(',').collect();
    let version = match kind {
        "cgroup" => Version::One,
        "cgroup2" => Version::Two,
        _ => return None,
    };
    let group = cgroup.lines().find_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (names, group) = line.split_once(':')?;
        let ours = match version {
            Version::Two => names.is_empty(),
            Version::One => names
                .split(',')
                .any(|name| !name.is_empty() && options.contains(&name)),
        };
        ours.then_some(group)
    })?;
    let below = if root == "/" {
        group
    } else {
        group.strip_prefix(root)?
    };
    if below.split('/').any(|part| part == "..") {
        return None;
    }
    let mount = PathBuf::from(mount.replace("\\040", " "));
    let own = match below.trim_start_matches('/') {
        "" => mount.clone(),
        below => mount.join(below),
    };
    Some(Hierarchy {
        version,
        options,
        mount,
        own,
    })
}

/// Makes `own` a parent whose children are limited: hands the controllers down, moving this process into a leaf if it
/// stands in the way. Root may fall back to the hierarchy's top, where the groups of a plain login live beside others.
fn prepare(own: &Path, mount: &Path) -> (PathBuf, Vec<&'static str>) {
    let own = match own.file_name() {
        Some(name) if name == LEAF => own.parent().unwrap_or(own),
        _ => own,
    };
    let mut enabled = hand_down(own);
    if enabled.is_empty() && !offered(own).is_empty() {
        let leaf = own.join(LEAF);
        let made = std::fs::create_dir(&leaf).is_ok();
        // An earlier daemon's leaf serves as well.
        if std::fs::write(leaf.join("cgroup.procs"), "0").is_ok() {
            enabled = hand_down(own);
            if enabled.is_empty() {
                drop(std::fs::write(own.join("cgroup.procs"), "0"));
            }
        }
        if made && enabled.is_empty() {
            drop(std::fs::remove_dir(&leaf));
        }
    }
    if enabled.is_empty() && own != mount && may_make(mount) {
        let top = hand_down(mount);
        if !top.is_empty() {
            return (mount.to_owned(), top);
        }
    }
    (own.to_owned(), enabled)
}

/// Whether children of the group can be limited: it holds no process itself, or it is the hierarchy's top, which alone has
/// no type. (Linux' cgroup-v2.rst, "No Internal Process Constraint". The kernel refuses only some controllers then; with
/// the others, "threaded" ones, it makes the group's children places where no process can go.)
fn can_be_parent(group: &Path) -> bool {
    let read = |name| std::fs::read_to_string(group.join(name));
    read("cgroup.type").is_err() || read("cgroup.procs").is_ok_and(|members| members.is_empty())
}

fn words(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

fn offered(group: &Path) -> Vec<&'static str> {
    let offered = words(&group.join("cgroup.controllers"));
    CONTROLLERS
        .into_iter()
        .filter(|name| offered.iter().any(|word| word == name))
        .collect()
}

/// Enables the controllers for children of `group`; returns those that are. None if it can't have limited children.
fn hand_down(group: &Path) -> Vec<&'static str> {
    if !can_be_parent(group) {
        return Vec::new();
    }
    let file = group.join("cgroup.subtree_control");
    for name in offered(group) {
        if !words(&file).iter().any(|word| word == name) {
            drop(std::fs::write(&file, format!("+{name}")));
        }
    }
    let enabled = words(&file);
    CONTROLLERS
        .into_iter()
        .filter(|name| {
            enabled
                .iter()
                .any(|word| word.trim_start_matches('+') == *name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID_GROUPS: &str =
        "9:name=systemd:/\n8:pids:/a\n4:memory:/box/x\n2:cpu,cpuacct:/\n0::/\n";
    const HYBRID_MOUNTS: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
33 27 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /box /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
41 31 0:38 / /sys/fs/cgroup/unified rw shared:1 - cgroup2 cgroup2 rw
";

    #[test]
    fn a_hybrid_host_has_limits_in_version_one() {
        let base = find(HYBRID_GROUPS, HYBRID_MOUNTS, |own, _| {
            (own.to_owned(), vec![])
        });
        let place = |controller, parent: &str| Place {
            controller,
            version: Version::One,
            parent: parent.into(),
        };
        assert_eq!(
            base.places,
            [
                place("cpu", "/sys/fs/cgroup/cpu"),
                place("memory", "/sys/fs/cgroup/memory/x"),
                place("pids", "/sys/fs/cgroup/pids/a"),
            ]
        );
    }

    #[test]
    fn version_two_wins_where_it_has_the_controller() {
        let base = find(HYBRID_GROUPS, HYBRID_MOUNTS, |own, _| {
            (own.to_owned(), vec!["memory"])
        });
        let memory = base
            .places
            .iter()
            .find(|p| p.controller == "memory")
            .unwrap();
        assert_eq!(memory.version, Version::Two);
        assert_eq!(base.places.len(), 3);
    }

    #[test]
    fn a_group_outside_the_mounted_part_is_no_place() {
        let base = find("4:memory:/../other\n", HYBRID_MOUNTS, |own, _| {
            (own.to_owned(), vec![])
        });
        assert_eq!(base, Base::default());
    }

    #[test]
    fn controllers_are_handed_down() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("cgroup.controllers"),
            "cpuset cpu io memory pids",
        )
        .unwrap();
        std::fs::write(
            folder.path().join("cgroup.subtree_control"),
            "memory pids cpu",
        )
        .unwrap();
        let (parent, enabled) = prepare(folder.path(), folder.path());
        assert_eq!(
            (parent.as_path(), enabled),
            (folder.path(), vec!["memory", "pids", "cpu"])
        );
    }

    #[test]
    fn a_group_with_processes_of_others_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("cgroup.controllers"), "cpu memory pids").unwrap();
        std::fs::write(path("cgroup.subtree_control"), "").unwrap();
        std::fs::write(path("cgroup.type"), "domain\n").unwrap();
        std::fs::write(path("cgroup.procs"), "1\n").unwrap();
        let found = prepare(folder.path(), folder.path());
        assert_eq!(found, (folder.path().to_owned(), vec![]));
        let handed = std::fs::read_to_string(path("cgroup.subtree_control")).unwrap();
        assert_eq!(handed, "");
        // Once they are gone, it is a parent.
        std::fs::write(path("cgroup.procs"), "").unwrap();
        assert!(!hand_down(folder.path()).is_empty());
    }

    #[test]
    fn the_daemons_leaf_stands_for_its_parent() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join(LEAF);
        let (parent, enabled) = prepare(&own, folder.path());
        assert_eq!((parent.as_path(), enabled), (folder.path(), vec![]));
    }
}
