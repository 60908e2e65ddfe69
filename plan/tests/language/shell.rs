//! Runs generated scripts for real, by bash, in a temporary home.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use assay_plan::{Build, JobPlan, Map, Row, Versions, expand, lint};

use crate::nouns;

/// How a script ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) log: String,
}

impl Ran {
    /// The commands shown, in order, without the mark in front.
    pub(crate) fn commands(&self) -> Vec<&str> {
        let shown = |line: &'_ str| line.rfind("\u{1b}[0K").map_or(0, |place| place + 4);
        self.log
            .lines()
            .filter_map(|line| line[shown(line)..].strip_prefix("$ "))
            .collect()
    }
}

/// What a script finds when it starts.
#[derive(Default)]
pub(crate) struct World<'a> {
    /// Files of the work tree.
    pub(crate) files: &'a [(&'a str, &'a str)],
    /// Programs below the home folder, by path there, and what they do.
    pub(crate) programs: &'a [(&'a str, &'a str)],
    pub(crate) versions: Versions,
}

/// The first job of a configuration.
pub(crate) fn first_job(yaml: &str) -> Row {
    let linted = lint(yaml.as_bytes()).unwrap();
    let rows = expand(&linted, &Map::new()).jobs;
    rows.into_iter().next().unwrap()
}

/// Runs the first job of a configuration.
pub(crate) fn run(yaml: &str) -> Ran {
    run_in(&nouns::build(), yaml, &World::default())
}

/// Runs the first job of a configuration as part of this build, in a work tree with these files.
pub(crate) fn run_build(build: &Build, yaml: &str, files: &[(&str, &str)]) -> Ran {
    run_in(
        build,
        yaml,
        &World {
            files,
            ..World::default()
        },
    )
}

/// Runs the first job of a configuration as part of this build, in this world.
pub(crate) fn run_in(build: &Build, yaml: &str, world: &World<'_>) -> Ran {
    let outside = [("FROM_OUTSIDE".to_owned(), "it's $HOME".to_owned())];
    run_with(build, yaml, &outside, world)
}

/// The same, with these variables from outside.
pub(crate) fn run_with(
    build: &Build,
    yaml: &str,
    outside: &[(String, String)],
    world: &World<'_>,
) -> Ran {
    let plan = nouns::plan_with(build, first_job(yaml), outside, world.versions);
    run_plan(&plan, world)
}

fn run_plan(plan: &JobPlan, world: &World<'_>) -> Ran {
    let home = tempfile::tempdir().unwrap();
    let home_text = home.path().to_str().unwrap();
    let moved = |text: &str| text.replace("/home/travis", home_text);
    let work = Path::new(&moved(&plan.build_dir)).to_owned();
    std::fs::create_dir_all(&work).unwrap();
    for (name, content) in world.files {
        let path = work.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    for (name, content) in world.programs {
        let path = home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/bash\n{content}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let script = home.path().join("script.sh");
    std::fs::write(&script, moved(&plan.script)).unwrap();
    let output = Command::new("bash")
        .arg(&script)
        .env_clear()
        .envs(plan.env.iter().map(|(name, value)| (name, moved(value))))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let mut log = String::from_utf8_lossy(&output.stdout).into_owned();
    log.push_str(&String::from_utf8_lossy(&output.stderr));
    Ran {
        code: output.status.code(),
        log: log.replace(home_text, "/home/travis"),
    }
}
