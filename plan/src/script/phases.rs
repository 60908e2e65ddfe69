//! The phases of a job: the author's commands or the language's, and what a failure does (travis-build, `stages.rb`).

use super::Shell;
use super::env::plain;
use super::language::{self, Builtin};
use crate::value::{Map, Value};

/// The phases before the script.
pub(super) const SET_UP: [&str; 3] = ["before_install", "install", "before_script"];

pub(super) fn write(shell: &mut Shell, config: &Map) {
    for name in SET_UP {
        write_phase(shell, config, name);
    }
    write_phase(shell, config, "script");
    write_phase(shell, config, "before_cache");
    super::prepare::write_workspace(shell, config);
    let has_deploy = config
        .get("deploy")
        .is_some_and(|deploy| !deploy.is_empty());
    for (name, test) in [("after_success", "="), ("after_failure", "!=")] {
        let commands = commands(config, name);
        if commands.is_empty() && !(has_deploy && name == "after_success") {
            continue;
        }
        shell.raw(&format!("if [[ $TRAVIS_TEST_RESULT {test} 0 ]]; then"));
        write_phase(shell, config, name);
        if has_deploy && name == "after_success" {
            super::deploy::write(shell, config);
        }
        shell.raw(":\nfi");
    }
    write_phase(shell, config, "after_script");
}

/// The commands of a phase; a list in a list or a map is taken as text.
pub(super) fn commands(config: &Map, name: &str) -> Vec<String> {
    match config.get(name) {
        Some(Value::Seq(items)) => items.iter().map(plain).collect(),
        None | Some(Value::Null) => Vec::new(),
        Some(single) => vec![plain(single)],
    }
}

pub(super) fn is_skipped(commands: &[String]) -> bool {
    matches!(commands, [only] if only == "skip" || only == "ignore")
}

/// What a phase does instead, if its commands are skipped.
pub(super) fn say_skipped(name: &str) -> String {
    format!("echo 'Skipping the {name} step, as specified in the configuration.'")
}

/// Name of the fold around one of a phase's commands, the first of which has place 0.
pub(super) fn fold(name: &str, place: usize, count: usize) -> String {
    match count {
        1 => name.to_owned(),
        _ => format!("{name}.{}", place + 1),
    }
}

/// Writes one phase: the author's commands, else the language's.
pub(super) fn write_phase(shell: &mut Shell, config: &Map, name: &str) {
    let commands = commands(config, name);
    let is_script = name == "script";
    if commands.is_empty() {
        return write_default(shell, config, name);
    }
    shell.raw(&format!("export TRAVIS_STAGE={name}"));
    if is_skipped(&commands) {
        shell.raw(&say_skipped(name));
        if is_script {
            shell.raw("export TRAVIS_TEST_RESULT=0");
        }
        return;
    }
    let ends_job = SET_UP.contains(&name) || name == "before_deploy";
    let assert = if ends_job { " --assert" } else { "" };
    let options = format!("--echo --timing{assert} --event {name}");
    for (place, command) in commands.iter().enumerate() {
        if is_script {
            shell.command(command, &options);
            shell.raw("travis_result $?");
            continue;
        }
        let fold = fold(name, place, commands.len());
        shell.raw(&format!("travis_fold start {fold}"));
        shell.command(command, &options);
        shell.raw(&format!("travis_fold end {fold}"));
    }
}

fn write_default(shell: &mut Shell, config: &Map, name: &str) {
    let default = match name {
        "install" => language::default(config, Builtin::Install),
        "script" => language::default(config, Builtin::Script),
        _ => return,
    };
    if let Some(default) = default {
        shell.raw(&format!("export TRAVIS_STAGE={name}\n{default}"));
    }
    if name == "script" {
        shell.raw("export TRAVIS_TEST_RESULT=${TRAVIS_TEST_RESULT:-0}");
    }
}
