//! What the sandbox is asked for: a job's plan and the operator's choices as one `RunSpec`.

use std::time::Duration;

use assay_plan::{Job, JobPlan, Used};
use assay_sandbox::{Bind, First, Limits, Profile, RunSpec};

use super::source::Source;
use super::{HOME, Runner};
use crate::daemon::host;
use crate::daemon::image::Chosen;
use crate::daemon::kept::Keeping;

/// What is said of a job whose `os` or `arch` this host hasn't.
pub(in crate::daemon) fn foreign(job: &Job) -> Option<String> {
    let other = |key: &str, here: &'static str| {
        let asked = job.config.text(key).filter(|asked| *asked != here)?;
        Some(format!(
            "This job asks for {key} {asked}; the only one here is {here}."
        ))
    };
    other("os", "linux").or_else(|| other("arch", host::arch()))
}

pub(in crate::daemon) fn spec(
    runner: &Runner,
    job: &Job,
    plan: &JobPlan,
    source: &Source,
    keeping: &Keeping,
    chosen: Chosen,
) -> RunSpec {
    // Whoever has packages installed by root needs no root any more.
    let first = plan.packages.as_deref().map(packages);
    let profile = match first {
        Some(_) => Profile::Strict,
        None => chosen.profile,
    };
    RunSpec {
        id: run_id(runner, job),
        argv: vec!["/bin/bash".to_owned(), format!("{HOME}/build.sh")],
        env: with_programs(&plan.env),
        cwd: plan.build_dir.clone(),
        home: HOME.to_owned(),
        user: "travis".to_owned(),
        image: chosen.image,
        profile,
        first,
        network: runner.network.clone(),
        binds: source
            .objects
            .iter()
            .map(|(from, to)| Bind {
                source: from.clone(),
                target: to.clone(),
            })
            .collect(),
        limits: limits_of(runner, plan),
        uid_base: runner.uid_base,
        require: runner.require.clone(),
        terminal: (80, 24),
        keep: keeping.keep.clone(),
        scratch: runner.scratch.clone(),
    }
}

fn with_programs(env: &[(String, String)]) -> Vec<(String, String)> {
    let longer = |(name, value): &(String, String)| match name.as_str() {
        "PATH" => (name.clone(), format!("{value}:{PROGRAMS}")),
        _ => (name.clone(), value.clone()),
    };
    env.iter().map(longer).collect()
}

/// Where the sandbox puts programs of ours: last in the job's `PATH`.
const PROGRAMS: &str = "/run/assay/bin";

/// The operator's limits; the job may have less.
pub(super) fn limits_of(runner: &Runner, plan: &JobPlan) -> Limits {
    let mut limits = runner.limits.clone();
    if let Some(wall) = plan.limits.wall {
        limits.wall = limits.wall.min(Duration::from_secs(wall));
    }
    limits
}

pub(super) fn run_id(runner: &Runner, job: &Job) -> String {
    format!("{}{}-{}", runner.prefix, job.id, job.attempt)
}

/// What root of the sandbox does first.
fn packages(script: &str) -> First {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let env = [
        ("PATH", path),
        ("HOME", "/root"),
        ("USER", "root"),
        ("LANG", "C.UTF-8"),
        ("TERM", "dumb"),
        ("DEBIAN_FRONTEND", "noninteractive"),
    ];
    First {
        argv: ["/bin/bash", "-c", script].map(str::to_owned).to_vec(),
        env: env
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
    }
}

pub(super) fn used(image: String, usage: assay_sandbox::Usage) -> Used {
    Used {
        image,
        cpu_ms: usage.cpu_ms,
        memory: usage.memory_peak,
        read: usage.read,
        written: usage.written,
        processes: usage.processes,
    }
}
