//! The control groups of one run: limits, counters, killing, removal. Plain files; versions 1 and 2, also side by side.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cgroup::base::{Base, Version};
use crate::spec::Limits;

pub(crate) mod base;

/// What the names of all groups begin with.
const NAME: &str = "assay-";

/// Name of the group of a run, or its beginning.
fn name(id: &str) -> String {
    match id.starts_with(NAME) {
        true => id.to_owned(),
        false => format!("{NAME}{id}"),
    }
}

/// A group that limits something.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    version: Version,
    path: PathBuf,
}

/// All groups of one run.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    paths: Vec<PathBuf>,
    memory: Option<Group>,
    processes: Option<Group>,
    cpu: Option<Group>,
}

impl Groups {
    /// Makes the groups called `id`, without limits yet. What can't be had is missing in the result.
    pub(crate) fn make(base: &Base, id: &str) -> Groups {
        let mut groups = Groups::default();
        for place in &base.places {
            let Some(path) = groups.group(&place.parent, id) else {
                continue;
            };
            let group = Some(Group {
                version: place.version,
                path,
            });
            match place.controller {
                "memory" => groups.memory = group,
                "pids" => groups.processes = group,
                _ => groups.cpu = group,
            }
        }
        groups
    }

    /// Sets the limits. A group that can't be limited counts as not there.
    pub(crate) fn limit(&mut self, limits: &Limits) {
        let keep = |group: &mut Option<Group>, set: &dyn Fn(&Group) -> io::Result<()>| {
            if let Some(Err(error)) = group.as_ref().map(set) {
                tracing::warn!(?group, %error, "control group can't be limited");
                *group = None;
            }
        };
        keep(&mut self.memory, &|group| {
            limit_memory(group, limits.memory)
        });
        keep(&mut self.processes, &|group| {
            limit_processes(group, limits.processes)
        });
        keep(&mut self.cpu, &|group| weigh_cpu(group, limits.cpu_weight));
    }

    /// Makes one group, or takes it if it was made for another controller of the same hierarchy.
    fn group(&mut self, parent: &Path, id: &str) -> Option<PathBuf> {
        let path = parent.join(name(id));
        if self.paths.contains(&path) {
            return Some(path);
        }
        let made = std::fs::create_dir(&path).or_else(|error| match error.kind() {
            // Left by a run of the same name that is over: an empty group can be removed.
            io::ErrorKind::AlreadyExists => {
                std::fs::remove_dir(&path).and_then(|()| std::fs::create_dir(&path))
            }
            _ => Err(error),
        });
        match made {
            Ok(()) => {
                self.paths.push(path.clone());
                Some(path)
            }
            Err(error) => {
                tracing::warn!(group = %path.display(), %error, "control group can't be made");
                None
            }
        }
    }

    pub(crate) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    pub(crate) fn limits_memory(&self) -> bool {
        self.memory.is_some()
    }

    pub(crate) fn limits_processes(&self) -> bool {
        self.processes.is_some()
    }

    pub(crate) fn weighs_cpu(&self) -> bool {
        self.cpu.is_some()
    }

    /// Whether the group can be kept out of swap for certain.
    pub(crate) fn denies_swap(&self) -> bool {
        self.memory
            .as_ref()
            .is_some_and(|group| group.version == Version::Two)
    }

    /// How many processes the kernel has killed because the group's memory was used up.
    pub(crate) fn memory_kills(&self) -> u64 {
        self.memory.as_ref().map_or(0, |group| match group.version {
            Version::One => counter(&group.path, "memory.oom_control", "oom_kill"),
            Version::Two => counter(&group.path, "memory.events", "oom_kill"),
        })
    }

    /// How often a new process was refused.
    pub(crate) fn process_refusals(&self) -> u64 {
        self.processes
            .as_ref()
            .map_or(0, |group| counter(&group.path, "pids.events", "max"))
    }

    /// Highest memory of the group, bytes.
    pub(crate) fn memory_peak(&self) -> u64 {
        self.memory.as_ref().map_or(0, |group| match group.version {
            Version::One => number(&group.path, "memory.max_usage_in_bytes"),
            Version::Two => number(&group.path, "memory.peak"),
        })
    }

    /// Most processes at once, the launcher and the namespace's first left out; 0 on kernels that don't count it.
    pub(crate) fn processes_peak(&self) -> u64 {
        self.processes.as_ref().map_or(0, |group| {
            number(&group.path, "pids.peak").saturating_sub(2)
        })
    }

    /// CPU time of the group in milliseconds, if something counts it.
    pub(crate) fn cpu_ms(&self) -> Option<u64> {
        let group = self.cpu.as_ref()?;
        let ms = match group.version {
            // Usually mounted together with the weights.
            Version::One => number(&group.path, "cpuacct.usage") / 1_000_000,
            Version::Two => counter(&group.path, "cpu.stat", "usage_usec") / 1000,
        };
        (ms > 0).then_some(ms)
    }

    /// Kills every process in the groups.
    pub(crate) fn kill(&self) {
        for path in &self.paths {
            kill_group(path);
        }
    }

    /// Removes the groups; their last processes may still be on their way out.
    pub(crate) async fn remove(mut self) {
        for _ in 0..REMOVAL_TRIES {
            self.paths.retain(|path| !removed(path));
            if self.paths.is_empty() {
                return;
            }
            tokio::time::sleep(REMOVAL_PAUSE).await;
            self.kill();
        }
        tracing::warn!(groups = ?self.paths, "control groups can't be removed");
    }
}

/// For runs that end in the middle of being set up; [`Groups::remove`] leaves nothing to do here.
impl Drop for Groups {
    fn drop(&mut self) {
        self.kill();
        self.paths.retain(|path| !removed(path));
    }
}

/// Removal is tried for about five seconds: a group with a dying process in it is busy, and nothing tells when it ends.
const REMOVAL_TRIES: usize = 500;
const REMOVAL_PAUSE: Duration = Duration::from_millis(10);

fn removed(path: &Path) -> bool {
    match std::fs::remove_dir(path) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn kill_group(path: &Path) {
    use std::io::Write;
    let switch = std::fs::OpenOptions::new()
        .write(true)
        .open(path.join("cgroup.kill"));
    if switch.and_then(|mut file| file.write_all(b"1")).is_ok() {
        return;
    }
    let members = std::fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    for pid in members
        .lines()
        .filter_map(|line| line.parse().ok())
        .filter_map(rustix::process::Pid::from_raw)
    {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

fn limit_memory(group: &Group, bytes: u64) -> io::Result<()> {
    let write = |name: &str, value: &str| std::fs::write(group.path.join(name), value);
    let bytes = bytes.to_string();
    match group.version {
        Version::One => {
            write("memory.limit_in_bytes", &bytes)?;
            // Both are missing on kernels without swap, or without accounting for it.
            drop(write("memory.memsw.limit_in_bytes", &bytes));
            drop(write("memory.swappiness", "0"));
        }
        Version::Two => {
            write("memory.max", &bytes)?;
            drop(write("memory.swap.max", "0"));
            drop(write("memory.oom.group", "1"));
        }
    }
    Ok(())
}

/// The launcher and the namespace's first process are in the group too.
fn limit_processes(group: &Group, count: u64) -> io::Result<()> {
    std::fs::write(
        group.path.join("pids.max"),
        count.saturating_add(2).to_string(),
    )
}

fn weigh_cpu(group: &Group, per_cent: u32) -> io::Result<()> {
    let per_cent = u64::from(per_cent);
    match group.version {
        Version::One => std::fs::write(
            group.path.join("cpu.shares"),
            (per_cent * 1024 / 100).max(2).to_string(),
        ),
        Version::Two => std::fs::write(
            group.path.join("cpu.weight"),
            per_cent.clamp(1, 10_000).to_string(),
        ),
    }
}

/// A number on a line of its own beginning with `name`; 0 if it isn't there.
fn counter(path: &Path, file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(path.join(file)).unwrap_or_default();
    let mut values = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(key, _)| *key == name);
    values
        .find_map(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}

fn number(path: &Path, file: &str) -> u64 {
    std::fs::read_to_string(path.join(file))
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

/// Kills and removes the groups of runs whose id begins with `prefix`.
pub(crate) fn clean_up(base: &Base, prefix: &str) {
    let begin = name(prefix);
    for parent in base.places.iter().map(|place| &place.parent) {
        let Ok(entries) = std::fs::read_dir(parent) else {
            continue;
        };
        for entry in entries.flatten() {
            let ours = entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.starts_with(&begin));
            if ours && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove_now(&entry.path());
            }
        }
    }
}

/// Beginnings of the names of groups that runs of processes that are no more have left: `begin`, the process' number, `-`.
/// Their groups are removed if nothing is in them; nobody is killed on the word of a number.
pub(crate) fn clean_up_dead(base: &Base, begin: &str) -> BTreeSet<String> {
    let begin = name(begin);
    let mut dead = BTreeSet::new();
    for parent in base.places.iter().map(|place| &place.parent) {
        let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
        for entry in entries {
            let group = entry.file_name();
            let number = group
                .to_str()
                .and_then(|name| name.strip_prefix(&begin)?.split_once('-'))
                .and_then(|(number, _)| number.parse::<u32>().ok());
            if let Some(number) = number
                && !Path::new("/proc").join(number.to_string()).exists()
                && removed(&entry.path())
            {
                dead.insert(format!("{begin}{number}-"));
            }
        }
    }
    dead
}

fn remove_now(path: &Path) {
    for _ in 0..REMOVAL_TRIES {
        kill_group(path);
        if removed(path) {
            return;
        }
        std::thread::sleep(REMOVAL_PAUSE);
    }
    tracing::warn!(group = %path.display(), "control group of an earlier daemon can't be removed");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::base::Place;
    use crate::spec::tests::sample;

    fn base_two(parent: &Path) -> Base {
        let place = |controller| Place {
            controller,
            version: Version::Two,
            parent: parent.to_owned(),
        };
        Base {
            places: ["memory", "pids", "cpu"].map(place).to_vec(),
        }
    }

    #[test]
    fn version_two_limits_and_counters() {
        let folder = tempfile::tempdir().unwrap();
        let mut limits = sample().limits;
        limits.cpu_weight = 50;
        let mut groups = Groups::make(&base_two(folder.path()), "b-1");
        groups.limit(&limits);
        let group = folder.path().join("assay-b-1");
        assert_eq!(groups.paths(), std::slice::from_ref(&group));
        let read = |name: &str| std::fs::read_to_string(group.join(name)).unwrap();
        assert_eq!(read("memory.max"), (1u64 << 30).to_string());
        assert_eq!(
            (read("memory.swap.max"), read("memory.oom.group")),
            ("0".into(), "1".into())
        );
        assert_eq!(
            (read("pids.max"), read("cpu.weight")),
            ("102".into(), "50".into())
        );
        assert!(groups.limits_memory() && groups.limits_processes() && groups.denies_swap());

        std::fs::write(
            group.join("memory.events"),
            "low 0\noom 3\noom_kill 2\noom_group_kill 1\n",
        )
        .unwrap();
        std::fs::write(group.join("pids.events"), "max 7\n").unwrap();
        std::fs::write(group.join("memory.peak"), "4096\n").unwrap();
        std::fs::write(group.join("cpu.stat"), "usage_usec 5000\nuser_usec 1\n").unwrap();
        assert_eq!((groups.memory_kills(), groups.process_refusals()), (2, 7));
        assert_eq!((groups.memory_peak(), groups.cpu_ms()), (4096, Some(5)));
        std::fs::write(group.join("cgroup.kill"), "").unwrap();
        groups.kill();
        assert_eq!(read("cgroup.kill"), "1");
    }

    #[test]
    fn version_one_limits_and_counters() {
        let folder = tempfile::tempdir().unwrap();
        let parents = ["memory", "pids", "cpu"].map(|name| (name, folder.path().join(name)));
        let mut base = Base::default();
        for (controller, parent) in parents {
            std::fs::create_dir(&parent).unwrap();
            base.places.push(Place {
                controller,
                version: Version::One,
                parent,
            });
        }
        let mut groups = Groups::make(&base, "b-2");
        groups.limit(&sample().limits);
        assert_eq!(groups.paths().len(), 3);
        let memory = folder.path().join("memory/assay-b-2");
        let read = |path: &Path, name: &str| std::fs::read_to_string(path.join(name)).unwrap();
        assert_eq!(read(&memory, "memory.swappiness"), "0");
        assert_eq!(
            read(&folder.path().join("cpu/assay-b-2"), "cpu.shares"),
            "1024"
        );
        std::fs::write(
            memory.join("memory.oom_control"),
            "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        )
        .unwrap();
        assert_eq!(groups.memory_kills(), 1);
        assert!(!groups.denies_swap());
    }

    #[test]
    fn without_a_place_nothing_is_limited() {
        let mut groups = Groups::make(&Base::default(), "b-3");
        groups.limit(&sample().limits);
        assert!(!groups.limits_memory() && !groups.limits_processes() && groups.paths().is_empty());
        assert_eq!(
            (
                groups.memory_kills(),
                groups.process_refusals(),
                groups.cpu_ms()
            ),
            (0, 0, None)
        );
    }

    #[test]
    fn groups_of_processes_that_are_no_more_are_removed_if_empty() {
        let folder = tempfile::tempdir().unwrap();
        let own = std::process::id();
        let (alive, busy) = (format!("assay-run-{own}-1"), "assay-run-4294967294-2");
        // No process has a number of ten digits.
        for name in [
            &alive,
            "assay-run-4294967295-1",
            busy,
            "assay-run-x-1",
            "assay-1",
        ] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join(busy).join("cgroup.procs"), "1\n").unwrap();
        let dead = clean_up_dead(&base_two(folder.path()), "run-");
        assert_eq!(
            dead.into_iter().collect::<Vec<_>>(),
            ["assay-run-4294967295-"]
        );
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 4);
        assert!(folder.path().join(busy).is_dir());
    }

    #[test]
    fn clean_up_removes_only_what_bears_the_prefix() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["assay-d1-5", "assay-d2-5", "other"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let base = base_two(folder.path());
        clean_up(&base, "d2-");
        let left = |name: &str| folder.path().join(name).is_dir();
        assert_eq!(
            (left("assay-d1-5"), left("assay-d2-5"), left("other")),
            (true, false, true)
        );
    }
}
