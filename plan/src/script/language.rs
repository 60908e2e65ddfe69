//! What each language sets up, shows, installs and runs by default (travis-build, `script/`). The commands themselves are
//! the bash of `lang/`; here stands which files a language is made of and which keys they get to see.

use super::env::{plain, write_version};
use super::languages::LANGUAGES;
use super::{Shell, quote};
use crate::job::{JobContext, Versions};
use crate::value::{Map, Value};

/// A language: files of bash, and the keys they read.
///
/// Its files define `_travis_setup`, `_travis_default_install` and `_travis_default_script`, where it has them. A key is there as
/// `$_travis_KEY`: empty when it was not given, an array if it is one of the lists.
pub(super) struct Language {
    pub(super) name: &'static str,
    /// Keys of versions, each with the variable that shows it; the first is the language's own.
    pub(super) versions: &'static [(&'static str, &'static str)],
    /// Other keys; a dot leads into a map.
    pub(super) keys: &'static [&'static str],
    /// Keys that hold lists.
    pub(super) lists: &'static [&'static str],
    pub(super) files: &'static [&'static str],
    /// Commands that show versions, if their program is there.
    pub(super) announce: &'static [&'static str],
    pub(super) has_install: bool,
    pub(super) has_script: bool,
}

/// The default phases.
#[derive(Clone, Copy)]
pub(super) enum Builtin {
    Install,
    Script,
}

const VERSIONS: &str = include_str!("versions.sh");

/// Values of keys that are not given, where Travis has one that changes a command.
const DEFAULTS: [(&str, &str); 1] = [("gobuild_args", "-v")];

/// A language that nobody knows is Ruby (travis-build, `build.rb`, `by_lang`).
fn of(config: &Map) -> &'static Language {
    let find = |name: &str| LANGUAGES.iter().find(|language| language.name == name);
    config
        .text("language")
        .and_then(find)
        .or_else(|| find("ruby"))
        .unwrap_or(&LANGUAGES[0])
}

/// Bash for a phase that the author left to the language, if it has one.
pub(super) fn default(config: &Map, phase: Builtin) -> Option<&'static str> {
    let language = of(config);
    match phase {
        Builtin::Install => language.has_install.then_some("_travis_default_install"),
        Builtin::Script => language.has_script.then_some("_travis_default_script"),
    }
}

/// The value under a key; a dot leads into a map.
fn find<'a>(config: &'a Map, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        Some((outer, inner)) => config.get(outer)?.as_map()?.get(inner),
        None => config.get(key),
    }
}

fn scalar(config: &Map, key: &str) -> String {
    let default = || {
        let default = DEFAULTS.iter().find(|(name, _)| *name == key);
        default.map_or_else(String::new, |(_, text)| (*text).to_owned())
    };
    match find(config, key) {
        None | Some(Value::Null) => default(),
        Some(Value::Map(_)) => String::new(),
        Some(Value::Seq(items)) => items.first().map(plain).unwrap_or_default(),
        Some(value) => plain(value),
    }
}

fn list(config: &Map, key: &str) -> String {
    let items = match find(config, key) {
        Some(Value::Null) | None => &[],
        Some(value) => value.items(),
    };
    let words: Vec<String> = items.iter().map(|item| quote(&plain(item))).collect();
    words.join(" ")
}

/// Chooses the version asked for, or ends the job; shows what is used.
pub(super) fn write_setup(shell: &mut Shell, context: &JobContext<'_>) {
    let config = &context.job.config;
    let language = of(config);
    if language.files.is_empty() {
        return;
    }
    write_keys(shell, config, language);
    shell.raw(VERSIONS);
    language.files.iter().for_each(|file| shell.raw(file));
    let is_asked = language
        .versions
        .iter()
        .any(|(key, _)| config.get(key).is_some());
    if is_assumed(context) && !is_asked {
        return;
    }
    if context.versions == Versions::Nearest {
        shell.set("_travis_nearest", "1");
    }
    shell.raw("export TRAVIS_STAGE=setup\n_travis_setup");
    for command in language.announce {
        let program = command.split(' ').next().unwrap_or_default();
        shell.raw(&format!(
            "if command -v {program} >/dev/null; then travis_cmd '{command}' --echo; fi"
        ));
    }
    shell.raw("echo");
}

fn write_keys(shell: &mut Shell, config: &Map, language: &Language) {
    let name = |key: &str| format!("_travis_{}", key.replace(['.', '-'], "_"));
    shell.set("_travis_language", language.name);
    for (key, variable) in language.versions {
        let version = scalar(config, key);
        write_version(shell, variable, &version);
        shell.set(&name(key), &version);
    }
    if let Some((_, variable)) = language.versions.first() {
        shell.set("_travis_variable", variable);
    }
    for key in language.keys {
        shell.set(&name(key), &scalar(config, key));
    }
    for key in language.lists {
        shell.raw(&format!("{}=({})", name(key), list(config, key)));
    }
}

/// Whether the author named no language, so that only a default makes it one.
fn is_assumed(context: &JobContext<'_>) -> bool {
    context.job.given("language").is_none()
}
