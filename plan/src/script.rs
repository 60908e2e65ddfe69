//! The job script: a bash program with Travis' phases, abort rules, folds and time marks.
//!
//! Whatever the configuration holds goes in as single-quoted text, so that the script is good bash for every input. Rules:
//! travis-ci/travis-build, `script.rb`, `stages.rb` and `bash/`.

mod apt;
mod debug;
mod deploy;
mod env;
mod language;
mod languages;
mod lines;
mod phases;
mod prepare;
mod sources;

use std::fmt::Write as _;

use crate::job::{GitOptions, JobContext, Versions};

pub(crate) use apt::installs_packages;
pub(crate) use env::{HOME, initial};
pub(crate) use lines::lines;
pub(crate) use prepare::texts;

const HELPERS: &str = include_str!("script/helpers.sh");

/// A script and what to say above the log.
pub(crate) struct Script {
    pub(crate) text: String,
    /// What comes before it, carried out by root of the sandbox.
    pub(crate) packages: Option<String>,
    pub(crate) notes: Vec<String>,
}

/// Writes the script of a job.
pub(crate) fn write(context: &JobContext<'_>, build_dir: &str, git: &GitOptions) -> Script {
    let mut shell = Shell::default();
    shell.raw("#!/bin/bash");
    shell.raw(HELPERS);
    let config = &context.job.config;
    let Setup { packages, notes } = write_setup(&mut shell, context, build_dir, git);
    phases::write(&mut shell, config);
    shell.raw("travis_footer");
    Script {
        text: shell.text,
        packages,
        notes,
    }
}

/// Writes the start-up file of a debug session's shell.
pub(crate) fn write_debug(context: &JobContext<'_>, build_dir: &str, git: &GitOptions) -> Script {
    let mut shell = Shell::default();
    shell.raw(HELPERS);
    debug::write_functions(&mut shell, context);
    let Setup { packages, notes } = write_setup(&mut shell, context, build_dir, git);
    debug::write_end(&mut shell);
    Script {
        text: shell.text,
        packages,
        notes,
    }
}

/// What the set-up leaves to others.
struct Setup {
    packages: Option<String>,
    notes: Vec<String>,
}

/// Everything before the phases.
fn write_setup(
    shell: &mut Shell,
    context: &JobContext<'_>,
    build_dir: &str,
    git: &GitOptions,
) -> Setup {
    let config = &context.job.config;
    env::write_builtin(shell, context, build_dir);
    prepare::write_services(shell, config);
    write_checkout(shell, context, git);
    prepare::write_git(shell, config, git);
    let notes = env::write_config(shell, context);
    language::write_setup(shell, context);
    if context.versions == Versions::Nearest {
        // From here on the author's own commands write; the agent believes no mark after this one.
        shell.raw("printf 'assay_setup:done\\r\\033[0K'");
    }
    prepare::write_workspaces(shell, config);
    prepare::write_addons(shell, config);
    let packages = match apt::wanted(config) {
        Some(wanted) if context.packages => Some(apt::install(&wanted)),
        Some(wanted) => {
            apt::write_refusal(shell, &wanted);
            None
        }
        None => None,
    };
    Setup { packages, notes }
}

/// Shows what the sandbox has laid out, if that is wanted, and goes there.
fn write_checkout(shell: &mut Shell, context: &JobContext<'_>, git: &GitOptions) {
    let build = context.build;
    let what = if git.clone {
        let kind = if build.tag.is_some() { "tag" } else { "branch" };
        let history = git.depth.map_or_else(
            || "all of its history".to_owned(),
            |depth| format!("a history of {depth}"),
        );
        format!(
            "{} at {} ({kind} {}), with {history}",
            context.repository.slug, build.commit.id, build.branch
        )
    } else {
        "nothing (git.clone: false)".to_owned()
    };
    shell.raw("travis_fold start git.checkout\ntravis_time_start");
    if !git.quiet {
        let _ = writeln!(
            shell.text,
            "printf '%s\\n' {}",
            quote(&format!("Checked out: {what}"))
        );
    }
    shell.raw("cd \"$TRAVIS_BUILD_DIR\" || travis_terminate 2\ntravis_time_finish checkout\ntravis_fold end git.checkout");
    if git.clone && git.submodules && !git.quiet {
        shell.raw(
            "if [[ -f .gitmodules ]]; then\ntravis_fold start git.submodule\necho 'Submodules are checked out too:'\n\
             grep -E '^[[:space:]]*path[[:space:]]*=' .gitmodules\ntravis_fold end git.submodule\nfi",
        );
    }
    shell.raw("echo");
}

/// A script being written.
#[derive(Default)]
pub(super) struct Shell {
    text: String,
    /// The variables that were set to an exact text, for a job without a script.
    exports: Vec<(String, String)>,
    /// The author's commands, for the same.
    commands: Vec<String>,
}

impl Shell {
    /// Adds lines that are bash already.
    fn raw(&mut self, lines: &str) {
        self.text.push_str(lines);
        if !lines.ends_with('\n') {
            self.text.push('\n');
        }
    }

    /// Sets a variable, exported, to exactly this text. The name must be one.
    fn export(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.text, "export {name}={}", quote(value));
        self.exports.push((name.to_owned(), value.to_owned()));
    }

    /// Sets a variable of ours.
    fn set(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.text, "{name}={}", quote(value));
    }

    /// Runs a command of the author's through `travis_cmd`; `options` are its options.
    fn command(&mut self, command: &str, options: &str) {
        let _ = writeln!(self.text, "travis_cmd {} {options}", quote(command));
        self.commands.push(command.to_owned());
    }
}

/// The text as one word of bash, whatever it holds; bash knows no NUL.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\0', "").replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn quotes_end_nowhere_but_at_the_end() {
        assert_eq!(quote("it's\0 $x"), "'it'\\''s $x'");
        assert_eq!(quote(""), "''");
    }
}
