//! The second pass: the same program again as an ordinary user, with a version 1 control group of its own if there is
//! one to be had.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::Counts;

/// Set for the second pass.
pub const CHILD: &str = "ASSAY_TEST_CHILD";
/// Begins the line with which the second pass reports.
pub const MARK: &str = "counts: ";

pub fn as_user(chosen: &[String]) -> Counts {
    let name = std::env::var("ASSAY_TEST_USER").unwrap_or_else(|_| "assaytest".to_owned());
    let Some((uid, gid)) = ids(&name) else {
        println!("SKIP user  everything: no user {name:?} (make one, or name one in ASSAY_TEST_USER)");
        return Counts { skipped: 1, ..Counts::default() };
    };
    let groups = Groups::make(uid, gid);
    let run = run(chosen, uid, gid, &groups);
    drop(groups);
    run.unwrap_or_else(|error| {
        println!("FAIL user  second pass: {error}");
        Counts { failed: 1, ..Counts::default() }
    })
}

fn run(chosen: &[String], uid: u32, gid: u32, groups: &Groups) -> Result<Counts, String> {
    groups.enter(true);
    // The program may lie in a folder that the user can't reach; its own image can always be opened again.
    let child = Command::new("/proc/self/exe")
        .args(chosen)
        .env(CHILD, "1")
        .env("TMPDIR", "/tmp")
        .current_dir("/")
        .uid(uid)
        .gid(gid)
        .stdout(Stdio::piped())
        .spawn();
    groups.enter(false);
    let mut child = child.map_err(|e| e.to_string())?;
    let mut counts = None;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            match line.strip_prefix(MARK) {
                Some(numbers) => counts = parse(numbers),
                None => println!("{line}"),
            }
        }
    }
    child.wait().map_err(|e| e.to_string())?;
    counts.ok_or_else(|| "ended without counts".to_owned())
}

fn parse(numbers: &str) -> Option<Counts> {
    let mut numbers = numbers.split(' ').map(|number| number.parse().ok());
    let (passed, failed, skipped) = (numbers.next()??, numbers.next()??, numbers.next()??);
    Some(Counts { who: String::new(), passed, failed, skipped })
}

fn ids(name: &str) -> Option<(u32, u32)> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Version 1 groups handed to the user. Version 2 takes no such hand-over from the root group.
struct Groups {
    made: Vec<PathBuf>,
}

impl Groups {
    fn make(uid: u32, gid: u32) -> Groups {
        let mut made = Vec::new();
        for controller in ["memory", "pids", "cpu", "cpuacct"] {
            let group = PathBuf::from("/sys/fs/cgroup").join(controller).join(format!("assay-test-{uid}"));
            if std::fs::create_dir(&group).is_err() && !group.is_dir() {
                continue;
            }
            for path in [group.clone(), group.join("cgroup.procs"), group.join("tasks")] {
                drop(std::os::unix::fs::chown(path, Some(uid), Some(gid)));
            }
            made.push(group);
        }
        Groups { made }
    }

    /// Moves this process in, so that its next child is in; or back to where it came from.
    fn enter(&self, inside: bool) {
        for group in &self.made {
            let target = if inside { Some(group.as_path()) } else { group.parent() };
            if let Some(target) = target {
                drop(std::fs::write(target.join("cgroup.procs"), "0"));
            }
        }
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for group in &self.made {
            drop(std::fs::remove_dir(group));
        }
    }
}
