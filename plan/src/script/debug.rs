//! The script of a debug session: what a job does before its phases, and each phase as a function to call.
//!
//! An interactive bash reads it as its start-up file, so that nothing of the set-up is lost: variables that aren't exported,
//! and functions such as `nvm`. The names of the functions are those of Travis' debug mode.

use super::{Shell, phases, quote};
use crate::job::JobContext;
use crate::value::Map;

const DEBUG: &str = include_str!("debug.sh");

/// The phases, in the order in which a job runs them.
pub(super) const PHASES: [&str; 7] = [
    "before_install",
    "install",
    "before_script",
    "script",
    "after_success",
    "after_failure",
    "after_script",
];

/// Defines everything that a person calls.
pub(super) fn write_functions(shell: &mut Shell, context: &JobContext<'_>) {
    shell.raw(DEBUG);
    let config = &context.job.config;
    let mut names = Vec::new();
    for phase in PHASES {
        write_function(shell, config, phase);
        names.push(format!("travis_run_{phase}"));
    }
    shell.raw(&format!("_travis_debug_phases=({})", names.join(" ")));
    let prompt = format!("travis@{}:\\w\\$ ", context.job.number);
    shell.set("PS1", &prompt);
}

fn write_function(shell: &mut Shell, config: &Map, phase: &str) {
    shell.raw(&format!("travis_run_{phase}() {{"));
    if phase == "script" {
        // Each call has its own result.
        shell.raw("unset TRAVIS_TEST_RESULT");
    }
    phases::write_phase(shell, config, phase);
    let has_default = matches!(phase, "install" | "script");
    if !has_default && phases::commands(config, phase).is_empty() {
        let words = format!("{phase}: there is nothing to run.");
        shell.raw(&format!("printf '%s\\n' {}", quote(&words)));
    }
    shell.raw(":\n}");
}

/// Ends the set-up.
pub(super) fn write_end(shell: &mut Shell) {
    shell.raw("_travis_debug_help");
}
