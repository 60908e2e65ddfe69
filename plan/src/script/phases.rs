//! The phases of a job: the author's commands or the language's, and what a failure does (travis-build, `stages.rb`).

use super::Shell;
use super::env::plain;
use super::language::{self, Builtin};
use crate::value::{Map, Value};

/// A phase and what becomes of a command that fails.
struct Phase {
    name: &'static str,
    /// Options of `travis_cmd`.
    options: &'static str,
}

const fn phase(name: &'static str, options: &'static str) -> Phase {
    Phase { name, options }
}

const ASSERTED: &str = "--echo --timing --assert";
const IGNORED: &str = "--echo --timing";

pub(super) fn write(shell: &mut Shell, config: &Map) {
    for phase in [
        phase("before_install", ASSERTED),
        phase("install", ASSERTED),
        phase("before_script", ASSERTED),
    ] {
        write_phase(shell, config, &phase);
    }
    write_phase(shell, config, &phase("script", IGNORED));
    write_phase(shell, config, &phase("before_cache", IGNORED));
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
        write_phase(shell, config, &phase(name, IGNORED));
        if has_deploy && name == "after_success" {
            super::deploy::write(shell, config);
        }
        shell.raw(":\nfi");
    }
    write_phase(shell, config, &phase("after_script", IGNORED));
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

pub(super) fn write_named(shell: &mut Shell, config: &Map, name: &'static str, asserted: bool) {
    write_phase(
        shell,
        config,
        &phase(name, if asserted { ASSERTED } else { IGNORED }),
    );
}

fn write_phase(shell: &mut Shell, config: &Map, phase: &Phase) {
    let commands = commands(config, phase.name);
    let is_script = phase.name == "script";
    if commands.is_empty() {
        return write_default(shell, config, phase.name);
    }
    shell.raw(&format!("export TRAVIS_STAGE={}", phase.name));
    if is_skipped(&commands) {
        shell.raw(&format!(
            "echo 'Skipping the {} step, as specified in the configuration.'",
            phase.name
        ));
        if is_script {
            shell.raw("export TRAVIS_TEST_RESULT=0");
        }
        return;
    }
    for (place, command) in commands.iter().enumerate() {
        let options = format!("{} --event {}", phase.options, phase.name);
        if is_script {
            shell.command(command, &options);
            shell.raw("travis_result $?");
            continue;
        }
        let fold = if commands.len() > 1 {
            format!("{}.{}", phase.name, place + 1)
        } else {
            phase.name.to_owned()
        };
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
