//! What each language sets up, shows, installs and runs by default (travis-build, `script/`).

use super::Shell;
use super::env::{plain, write_version};
use crate::job::JobContext;
use crate::value::{Map, Value};

/// A language: bash, and where its version and arguments stand.
pub(super) struct Language {
    pub(super) name: &'static str,
    /// Key of the version, and the variable that shows it.
    pub(super) version: Option<(&'static str, &'static str)>,
    /// Key of the arguments of the default commands, and what they are when it isn't there.
    pub(super) args: Option<(&'static str, &'static str)>,
    /// Functions that the rest needs.
    pub(super) libraries: &'static [&'static str],
    /// Set-up; `$_travis_version` and `$_travis_args` are set.
    pub(super) setup: &'static str,
    /// Commands that show versions, if their program is there.
    pub(super) announce: &'static [&'static str],
    pub(super) install: &'static str,
    pub(super) script: &'static str,
}

/// The default phases.
#[derive(Clone, Copy)]
pub(super) enum Builtin {
    Install,
    Script,
}

pub(super) const VERSIONS: &str = include_str!("versions.sh");
const PYTHON: &str = include_str!("python.sh");
pub(super) const NODE: &str = include_str!("node.sh");
const GO: &str = include_str!("go.sh");
const RUST: &str = include_str!("rust.sh");
const RUBY: &str = include_str!("ruby.sh");
pub(super) const JAVA: &str = include_str!("java.sh");
const COMPILER: &str = include_str!("compiler.sh");

pub(super) const NONE: Language = Language {
    name: "generic",
    version: None,
    args: None,
    libraries: &[],
    setup: "",
    announce: &[],
    install: "",
    script: "",
};

pub(super) const NODE_INSTALL: &str = r#"if [[ -f package.json ]]; then
  if [[ -f yarn.lock ]] && command -v yarn >/dev/null; then
    _travis_install install 'yarn --frozen-lockfile' --retry
  elif [[ -f package-lock.json || -f npm-shrinkwrap.json ]]; then
    _travis_install install.npm "npm ci $_travis_args" --retry
  else
    _travis_install install.npm "npm install $_travis_args" --retry
  fi
fi"#;

const C_SCRIPT: &str = "_travis_script './configure && make && make test'";

static LANGUAGES: &[Language] = &[
    NONE,
    Language {
        name: "shell",
        ..NONE
    },
    Language {
        name: "c",
        version: Some(("compiler", "TRAVIS_COMPILER")),
        libraries: &[VERSIONS, COMPILER],
        setup: "_travis_use_compiler c \"$_travis_version\"",
        script: C_SCRIPT,
        ..NONE
    },
    Language {
        name: "cpp",
        version: Some(("compiler", "TRAVIS_COMPILER")),
        libraries: &[VERSIONS, COMPILER],
        setup: "_travis_use_compiler cpp \"$_travis_version\"",
        script: C_SCRIPT,
        ..NONE
    },
    Language {
        name: "python",
        version: Some(("python", "TRAVIS_PYTHON_VERSION")),
        libraries: &[VERSIONS, PYTHON],
        setup: "export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_PROGRESS_BAR=off\n\
                _travis_use_python \"$_travis_version\" \"$_travis_site\"",
        announce: &["python --version", "pip --version"],
        install: r#"if [[ -f Requirements.txt ]]; then
  _travis_install install 'pip install -r Requirements.txt' --retry
elif [[ -f requirements.txt ]]; then
  _travis_install install 'pip install -r requirements.txt' --retry
else
  echo 'There is no requirements.txt; give the key install to install what is needed.'
fi"#,
        script: "_travis_no_script 'A Python job needs the key script: nothing says how to run its tests.'",
        ..NONE
    },
    Language {
        name: "ruby",
        version: Some(("rvm", "TRAVIS_RUBY_VERSION")),
        args: Some(("bundler_args", "")),
        libraries: &[VERSIONS, RUBY],
        setup: r#"_travis_use_ruby "$_travis_version"
[[ ! -f $_travis_gemfile ]] || export BUNDLE_GEMFILE=$PWD/$_travis_gemfile"#,
        announce: &["ruby --version", "gem --version", "bundle --version"],
        install: r#"if [[ -f ${BUNDLE_GEMFILE:-Gemfile} ]]; then
  if [[ -n $_travis_args ]]; then
    _travis_install install.bundler "bundle install $_travis_args" --retry
  elif [[ -f ${BUNDLE_GEMFILE:-Gemfile}.lock ]]; then
    _travis_install install.bundler 'bundle install --jobs=3 --retry=3 --deployment' --retry
  else
    _travis_install install.bundler 'bundle install --jobs=3 --retry=3' --retry
  fi
else
  echo 'No Gemfile found, skipping bundle install'
fi"#,
        script: r#"if [[ -f ${BUNDLE_GEMFILE:-Gemfile} ]]; then
  _travis_script 'bundle exec rake'
else
  _travis_script 'rake'
fi"#,
    },
    Language {
        name: "node_js",
        version: Some(("node_js", "TRAVIS_NODE_VERSION")),
        args: Some(("npm_args", "")),
        libraries: &[VERSIONS, NODE],
        setup: "_travis_use_node \"$_travis_version\"",
        announce: &["node --version", "npm --version"],
        install: NODE_INSTALL,
        script: r#"if [[ -f package.json ]]; then
  if [[ -f yarn.lock ]] && command -v yarn >/dev/null; then
    _travis_script 'yarn test'
  else
    _travis_script 'npm test'
  fi
else
  _travis_script 'make test'
fi"#,
    },
    Language {
        name: "go",
        version: Some(("go", "TRAVIS_GO_VERSION")),
        args: Some(("gobuild_args", "-v")),
        libraries: &[VERSIONS, GO],
        setup: "_travis_use_go \"$_travis_version\"",
        announce: &["go version"],
        install: r#"if ! travis_has_makefile; then
  if [[ -f go.mod ]]; then
    _travis_install install 'go mod download' --retry
  else
    _travis_install install "go get $_travis_args -t ./..." --retry
  fi
fi"#,
        script: r#"if travis_has_makefile; then
  _travis_script make
else
  _travis_script "go test $_travis_args ./..."
fi"#,
    },
    Language {
        name: "rust",
        version: Some(("rust", "TRAVIS_RUST_VERSION")),
        libraries: &[VERSIONS, RUST],
        setup: "_travis_use_rust \"$_travis_version\"",
        announce: &["rustc --version", "cargo --version"],
        script: "_travis_script 'cargo build --verbose'\n_travis_script 'cargo test --verbose'",
        ..NONE
    },
];

fn of(config: &Map) -> &'static Language {
    let find = |name: &str| {
        LANGUAGES
            .iter()
            .chain(super::languages::MORE)
            .find(|language| language.name == name)
    };
    config
        .text("language")
        .and_then(find)
        .or_else(|| find("ruby"))
        .unwrap_or(&LANGUAGES[0])
}

/// Bash for a phase that the author left to the language; may be empty.
pub(super) fn default(config: &Map, phase: Builtin) -> &'static str {
    match phase {
        Builtin::Install => of(config).install,
        Builtin::Script => of(config).script,
    }
}

fn first(config: &Map, key: &str) -> String {
    match config.get(key) {
        Some(Value::Seq(items)) => items.first().map(plain).unwrap_or_default(),
        Some(value) => plain(value),
        None => String::new(),
    }
}

/// Chooses the version asked for, or ends the job; shows what is used.
pub(super) fn write_setup(shell: &mut Shell, context: &JobContext<'_>) {
    let config = &context.job.config;
    let language = of(config);
    let args = language
        .args
        .map(|(key, default)| config.get(key).map_or_else(|| default.to_owned(), plain));
    shell.set("_travis_args", &args.unwrap_or_default());
    let version = language
        .version
        .map(|(key, _)| first(config, key))
        .unwrap_or_default();
    if is_assumed(context) && version.is_empty() || language.setup.is_empty() {
        return;
    }
    shell.set("_travis_version", &version);
    let site = config
        .get("virtualenv")
        .and_then(Value::as_map)
        .and_then(|map| map.get("system_site_packages"));
    shell.set(
        "_travis_site",
        if site == Some(&Value::Bool(true)) {
            "_with_system_site_packages"
        } else {
            ""
        },
    );
    shell.set(
        "_travis_gemfile",
        config.text("gemfile").unwrap_or("Gemfile"),
    );
    if let Some((_, name)) = language.version {
        write_version(shell, name, &version);
    }
    language
        .libraries
        .iter()
        .for_each(|library| shell.raw(library));
    shell.raw("export TRAVIS_STAGE=setup");
    shell.raw(language.setup);
    for command in language.announce {
        let program = command.split(' ').next().unwrap_or_default();
        shell.raw(&format!(
            "if command -v {program} >/dev/null; then travis_cmd '{command}' --echo; fi"
        ));
    }
    shell.raw("echo");
}

/// Whether the author named no language, so that only a default makes it one.
fn is_assumed(context: &JobContext<'_>) -> bool {
    let about_language = |message: &crate::message::Message| {
        message.code == "default"
            && message.key == "root"
            && message
                .args
                .iter()
                .any(|(name, value)| name == "key" && value.as_str() == Some("language"))
    };
    context.job.config.text("language") == Some("ruby")
        && context.build.messages.iter().any(about_language)
}
