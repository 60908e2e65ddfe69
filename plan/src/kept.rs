//! What a job leaves behind, as its configuration says: the folders of its cache, whose cache it is, its artifacts.
//!
//! Rules: travis-ci/travis-build, `script/shared/directory_cache/base.rb` and the languages' `setup_cache`.

use crate::job::JobContext;
use crate::model::EventKind;
use crate::script::{HOME, texts};
use crate::value::{Map, Value};

/// The folders that a short form stands for; one that is relative lies in the work tree.
const KINDS: [(&str, &[&str]); 9] = [
    ("apt", &["/var/cache/apt/archives"]),
    ("bundler", &["vendor/bundle"]),
    (
        "cargo",
        &["~/.cargo", "~/.rustup", "~/.cache/sccache", "target"],
    ),
    ("ccache", &["~/.ccache", "~/.cache/ccache"]),
    ("cocoapods", &["Pods"]),
    ("npm", &["~/.npm", "node_modules"]),
    ("packages", &["~/R/Library"]),
    ("pip", &["~/.cache/pip"]),
    ("yarn", &["~/.cache/yarn"]),
];

/// Keys of versions that tell caches apart, with the word that stands for them in the cache's name.
const VERSIONS: [(&str, &str); 21] = [
    ("compiler", "compiler"),
    ("crystal", "crystal"),
    ("d", "d"),
    ("dart", "dart"),
    ("elixir", "elixir"),
    ("elm", "elm"),
    ("gemfile", "gemfile"),
    ("ghc", "ghc"),
    ("go", "go"),
    ("haxe", "haxe"),
    ("jdk", "jdk"),
    ("julia", "julia"),
    ("node_js", "node"),
    ("otp_release", "otp"),
    ("perl", "perl"),
    ("php", "php"),
    ("python", "python"),
    ("r", "r"),
    ("rust", "cargo"),
    ("rvm", "rvm"),
    ("scala", "scala"),
];

/// The cache of a job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cache {
    /// Absolute paths inside the sandbox, all below the home folder.
    pub folders: Vec<String>,
    /// Whose cache the job writes: its branch, or `tag:NAME`. None for pull requests: what a stranger proposes changes
    /// nobody's cache.
    pub place: Option<String>,
    /// Where an earlier cache is looked for, best first: the branch or tag, then the default branch.
    pub lookup: Vec<String>,
    /// Operating system and distribution, as they stand in the cache's name.
    pub system: String,
    /// Plain variables of the configuration, sorted, `NAME=VALUE`.
    pub env: Vec<String>,
    /// Versions of the language, as they end the cache's name: `--python-3.12`.
    pub versions: String,
    /// Seconds that storing it may take, where given.
    pub timeout: Option<u64>,
}

/// What the configuration keeps, and lines about what it can't.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) cache: Option<Cache>,
    pub(crate) artifacts: Vec<String>,
    pub(crate) notes: Vec<String>,
}

/// Reads `cache` and `addons.artifacts`.
pub(crate) fn read(context: &JobContext<'_>, build_dir: &str) -> Kept {
    let config = &context.job.config;
    let names = Names {
        build_dir,
        env: plain_env(config),
    };
    let mut notes = Vec::new();
    let mut folders = Vec::new();
    for text in asked_folders(config) {
        match names.path(&text) {
            Ok(path) if !folders.contains(&path) => folders.push(path),
            Ok(_) => {}
            Err(why) => notes.push(format!("cache: {text:?} is not kept: {why}")),
        }
    }
    let mut artifacts = Vec::new();
    for text in asked_artifacts(config, &mut notes) {
        match names.path(&text) {
            Ok(path) => artifacts.push(path),
            Err(why) => notes.push(format!("artifacts: {text:?} is not kept: {why}")),
        }
    }
    // A folder inside another one comes with it.
    let outer = folders.clone();
    folders.retain(|folder| !outer.iter().any(|other| is_inside(folder, other)));
    Kept {
        cache: (!folders.is_empty()).then(|| cache(context, folders, &names.env)),
        artifacts,
        notes,
    }
}

fn is_inside(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/'))
}

fn cache(context: &JobContext<'_>, folders: Vec<String>, env: &[(String, String)]) -> Cache {
    let (config, build) = (&context.job.config, context.build);
    // Whoever may push tags need not be one who may push to the branch of the same name. No branch has a colon.
    let place = match &build.tag {
        Some(tag) => format!("tag:{tag}"),
        None => build.branch.clone(),
    };
    let own = (build.event != EventKind::PullRequest).then(|| place.clone());
    let default = context.repository.default_branch.clone();
    // Of a pull request, `branch` is the one it wants to be merged into.
    let mut lookup = vec![place];
    lookup.extend(default.filter(|default| *default != lookup[0]));
    let mut env: Vec<String> = env
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    env.sort_unstable();
    let mut versions = String::new();
    for (key, word) in VERSIONS {
        if let Some(version) = config.get(key).and_then(scalar) {
            versions.push_str(&format!("--{word}-{version}"));
        }
    }
    let mut system = config.text("os").unwrap_or("linux").to_owned();
    if let Some(dist) = context.dist.or_else(|| config.text("dist")) {
        system = format!("{system}-{dist}");
    }
    let options = config.get("cache").and_then(Value::as_map);
    let timeout = match options.and_then(|options| options.get("timeout")) {
        Some(Value::Int(seconds)) => u64::try_from(*seconds).ok(),
        _ => None,
    };
    Cache {
        folders,
        place: own,
        lookup,
        system,
        env,
        versions,
        timeout,
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Str(text) => Some(text.to_string()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What `cache` asks for, as it is written there.
fn asked_folders(config: &Map) -> Vec<String> {
    let options = match config.get("cache") {
        Some(Value::Bool(false)) => return Vec::new(),
        Some(Value::Map(options)) => Some(options),
        _ => None,
    };
    let flag = |name: &str| options?.get(name).and_then(Value::as_bool);
    let mut folders = Vec::new();
    for (kind, its_folders) in KINDS {
        // As on Travis, Node projects need not ask.
        let default = kind == "npm" && config.text("language") == Some("node_js");
        if flag(kind).unwrap_or(default) {
            folders.extend(its_folders.iter().map(|folder| (*folder).to_owned()));
        }
    }
    folders.extend(texts(
        options.and_then(|options| options.get("directories")),
    ));
    folders
}

/// What `addons.artifacts` asks for.
fn asked_artifacts(config: &Map, notes: &mut Vec<String>) -> Vec<String> {
    let addons = config.get("addons").and_then(Value::as_map);
    let options = match addons.and_then(|addons| addons.get("artifacts")) {
        Some(Value::Map(options)) => Some(options),
        Some(Value::Bool(true)) => None,
        _ => return Vec::new(),
    };
    if options.is_some_and(|options| options.get("enabled") == Some(&Value::Bool(false))) {
        return Vec::new();
    }
    let paths = texts(options.and_then(|options| options.get("paths")));
    if paths.is_empty() {
        notes.push("artifacts: no paths are given, so nothing is kept".to_owned());
    }
    paths
        .iter()
        .flat_map(|path| path.split(':'))
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Plain variables of the configuration.
fn plain_env(config: &Map) -> Vec<(String, String)> {
    let all = config
        .items("env")
        .iter()
        .filter_map(Value::as_map)
        .flat_map(Map::iter);
    all.filter_map(|(name, value)| Some((name.to_owned(), scalar(value)?)))
        .collect()
}

/// What a path may name.
struct Names<'a> {
    build_dir: &'a str,
    env: Vec<(String, String)>,
}

impl Names<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        match name {
            "HOME" | "TRAVIS_HOME" => Some(HOME),
            "TRAVIS_BUILD_DIR" => Some(self.build_dir),
            name => {
                let found = self.env.iter().rev().find(|(own, _)| own == name);
                found.map(|(_, value)| value.as_str())
            }
        }
    }

    /// The absolute path that a text means; an error is a clause.
    fn path(&self, text: &str) -> Result<String, String> {
        let text = text.trim();
        let text = match text.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{HOME}{rest}"),
            _ => self.expand(text)?,
        };
        if text.contains(['*', '?', '`', '\0']) || text.is_empty() {
            return Err("only names of files and folders are known here".to_owned());
        }
        let whole = match text.starts_with('/') {
            true => text,
            false => format!("{}/{text}", self.build_dir),
        };
        let mut parts: Vec<&str> = Vec::new();
        for part in whole.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        let path = format!("/{}", parts.join("/"));
        match path == HOME || is_inside(&path, HOME) {
            true => Ok(path),
            false => Err(format!("it is not below {HOME}")),
        }
    }

    /// Puts in variables: `$NAME`, `${NAME}`.
    fn expand(&self, text: &str) -> Result<String, String> {
        let mut parts = text.split('$');
        let mut expanded = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = match part.strip_prefix('{') {
                Some(braced) => braced.split_once('}').ok_or("it has an open brace")?,
                None => {
                    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
                    part.split_at(part.find(|c| !word(c)).unwrap_or(part.len()))
                }
            };
            let value = self.value(name);
            expanded.push_str(value.ok_or_else(|| format!("${name} is not known beforehand"))?);
            expanded.push_str(rest);
        }
        Ok(expanded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Result<String, String> {
        let names = Names {
            build_dir: "/home/travis/build/o/r",
            env: vec![("DIR".to_owned(), "deps".to_owned())],
        };
        names.path(text)
    }

    #[test]
    fn paths_are_below_home_or_nothing() {
        let good = [
            ("vendor/bundle", "/home/travis/build/o/r/vendor/bundle"),
            ("./a//b/", "/home/travis/build/o/r/a/b"),
            ("$HOME/.m2", "/home/travis/.m2"),
            ("${HOME}/.m2/x", "/home/travis/.m2/x"),
            ("~/.gradle", "/home/travis/.gradle"),
            ("$TRAVIS_BUILD_DIR/$DIR", "/home/travis/build/o/r/deps"),
            ("../../x", "/home/travis/build/x"),
        ];
        for (text, expected) in good {
            assert_eq!(path(text).as_deref(), Ok(expected), "{text}");
        }
        let bad = [
            "/etc",
            "/usr/local",
            "~/../../etc",
            "../../../../../etc",
            "$OTHER/x",
            "$(pwd)",
            "${HOME",
            "a*",
            "",
            "/home/travisty",
        ];
        for text in bad {
            assert!(path(text).is_err(), "{text}");
        }
    }
}
