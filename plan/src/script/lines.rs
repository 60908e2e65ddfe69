//! A job's phases as single command lines, for a sandbox without bash (`virt: wasm`): the author's own commands, with the
//! same folds, time marks and rules of failure as in the job script.

use super::phases::{SET_UP, commands, fold, is_skipped, say_skipped};
use super::{Shell, env};
use crate::job::{CommandLine, CommandLines, JobContext, OnFailure, When};
use crate::value::Map;

/// Keys that mean nothing without programs of the host.
const LEFT_OUT: [&str; 5] = ["services", "addons", "cache", "workspaces", "deploy"];

/// The command lines of a job, its variables, and what is left out.
pub(crate) fn lines(context: &JobContext<'_>, build_dir: &str) -> (CommandLines, Vec<String>) {
    let config = &context.job.config;
    let mut shell = Shell::default();
    env::write_builtin(&mut shell, context, build_dir);
    let mut notes = env::write_config(&mut shell, context);
    let given = |key: &&&str| config.get(key).is_some_and(|value| !value.is_empty());
    let left_out: Vec<&str> = LEFT_OUT.iter().filter(given).copied().collect();
    if !left_out.is_empty() {
        notes.push(format!("virt: wasm goes without {}", left_out.join(", ")));
    }
    let mut variables = env::initial();
    variables.retain(|(name, _)| name != "SHELL" && name != "PATH");
    variables.append(&mut shell.exports);
    let mut lines: Vec<CommandLine> = shell.commands.into_iter().map(setting).collect();
    for name in SET_UP {
        phase(&mut lines, config, name, OnFailure::End, When::Always);
    }
    script(&mut lines, config);
    for (name, when) in [
        ("after_success", When::Passed),
        ("after_failure", When::Failed),
        ("after_script", When::Always),
    ] {
        phase(&mut lines, config, name, OnFailure::Ignore, when);
    }
    (CommandLines { variables, lines }, notes)
}

/// A line that shows nothing of itself.
fn quiet(text: String, phase: &str) -> CommandLine {
    CommandLine {
        text,
        phase: phase.to_owned(),
        fold: None,
        echo: false,
        timed: false,
        on_failure: OnFailure::Ignore,
        when: When::Always,
    }
}

/// A variable of the configuration.
fn setting(text: String) -> CommandLine {
    CommandLine {
        echo: true,
        ..quiet(text, "env")
    }
}

fn phase(
    lines: &mut Vec<CommandLine>,
    config: &Map,
    name: &str,
    on_failure: OnFailure,
    when: When,
) {
    let commands = commands(config, name);
    if is_skipped(&commands) {
        lines.push(CommandLine {
            when,
            ..quiet(say_skipped(name), name)
        });
        return;
    }
    let count = commands.len();
    let line = |(place, text)| CommandLine {
        fold: Some(fold(name, place, count)),
        echo: true,
        timed: true,
        on_failure,
        when,
        ..quiet(text, name)
    };
    lines.extend(commands.into_iter().enumerate().map(line));
}

fn script(lines: &mut Vec<CommandLine>, config: &Map) {
    let commands = commands(config, "script");
    if is_skipped(&commands) {
        lines.push(quiet(say_skipped("script"), "script"));
        return;
    }
    if commands.is_empty() {
        let text =
            "echo 'There is no script, and with virt: wasm no language has a default one.'; exit 1";
        lines.push(quiet(text.to_owned(), "script"));
    }
    lines.extend(commands.into_iter().map(|text| CommandLine {
        echo: true,
        timed: true,
        on_failure: OnFailure::Count,
        ..quiet(text, "script")
    }));
}
