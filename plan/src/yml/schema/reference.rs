//! Every key of the language with what there is to say about it, in groups: what travis.yml(5) is made of.

use super::words::about;
use super::{Entry, Fill, Kind, MapType, ROOT, Schema, Support};

/// Some keys that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyGroup {
    /// Heading.
    pub title: &'static str,
    /// What the keys have in common.
    pub about: &'static str,
    /// The keys.
    pub keys: Vec<KeyDoc>,
    /// A file that uses some of them.
    pub example: &'static str,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDoc {
    /// Dotted path; `*` stands for any one key.
    pub path: String,
    /// What its value is, in words.
    pub kind: String,
    /// Other names of the key.
    pub aliases: Vec<&'static str>,
    /// Values it may have, each with its other names, if they are listed.
    pub values: Vec<(&'static str, &'static [&'static str])>,
    /// What it is if not given, in words.
    pub default: Option<String>,
    /// What it is for.
    pub about: &'static str,
    /// Why it should not be used any more.
    pub deprecated: Option<&'static str>,
    /// Languages and systems it belongs to, in words.
    pub only: Option<String>,
}

struct Outline {
    title: &'static str,
    about: &'static str,
    keys: &'static [&'static str],
    example: &'static str,
}

const OUTLINES: &[Outline] = &[
    Outline {
        title: "Language and machine",
        about: "What a job is written in and runs on. Keys that take a list here make a job for each item; in an entry of \
                jobs.include they have one value.",
        keys: &[
            "language",
            "os",
            "dist",
            "arch",
            "compiler",
            "osx_image",
            "virt",
            "vm",
            "group",
            "stack",
            "sudo",
            "version",
            "conditions",
            "filter_secrets",
            "trace",
            "keep_netrc",
            "perforce_test_path",
            "keys",
            "vault",
        ],
        example: "language: cpp\nos: linux\ndist: focal\ncompiler:\n- gcc\n- clang\nscript: make check\n",
    },
    Outline {
        title: "Phases",
        about: "Commands of a job, in the order in which the phases run. A list runs item by item in one shell. install and \
                script that are not given are the language's own.",
        keys: &[
            "before_install",
            "install",
            "before_script",
            "script",
            "before_cache",
            "after_success",
            "after_failure",
            "before_deploy",
            "after_deploy",
            "after_script",
        ],
        example: "language: generic\nos: linux\ndist: focal\ninstall: ./configure\nscript:\n- make\n- make check\n\
                  after_failure: cat config.log\n",
    },
    Outline {
        title: "Variables",
        about: "Variables are written NAME=value, several of them separated by blanks, or as a map. The shell reads the values: \
                quote what it should leave alone.",
        keys: &["env"],
        example: "language: generic\nos: linux\ndist: focal\nenv:\n  global:\n  - CFLAGS=\"-O2 -g\"\n  jobs:\n  - DB=sqlite\n  \
                  - DB=postgres PORT=5433\nscript: ./test\n",
    },
    Outline {
        title: "Jobs, stages and conditions",
        about: "Every combination of the values of the keys that expand is a job; jobs are added, taken out and allowed to \
                fail here. Conditions compare the attributes type, repo, head_repo, branch, head_branch, tag, sender, fork, draft, \
                commit_message, os, dist, group, sudo, language and env(NAME) by =, !=, =~, !~, IN and IS, joined by AND, OR \
                and NOT; see assay-condition(1). Entries of jobs.include, jobs.exclude and jobs.allow_failures take the keys of a \
                job, as at the top level, and those below.",
        keys: &["jobs", "stages", "if"],
        example: "language: python\nos: linux\ndist: focal\npython: ['3.8', '3.12']\nstages:\n- name: test\n- name: publish\n  \
                  if: tag IS present\njobs:\n  include:\n  - stage: publish\n    name: package\n    script: ./publish\n  \
                  allow_failures:\n  - python: '3.12'\n  fast_finish: true\nscript: pytest\n",
    },
    Outline {
        title: "Source and imports",
        about: "Where the configuration and the source come from.",
        keys: &["branches", "git", "import"],
        example: "language: generic\nos: linux\ndist: focal\nbranches:\n  only:\n  - main\n  - /^release-/\ngit:\n  depth: 10\n  \
                  submodules: false\nscript: make\n",
    },
    Outline {
        title: "Caches, workspaces, services and addons",
        about: "What a job needs beside its source.",
        keys: &["cache", "workspaces", "services", "addons"],
        example: "language: python\nos: linux\ndist: focal\ncache: pip\nservices: postgresql\naddons:\n  apt:\n    packages:\n    \
                  - libpq-dev\nscript: pytest\n",
    },
    Outline {
        title: "Deployments",
        about: "Each entry of deploy has a provider, the keys that all have in common, and those of the provider, which stand below \
                under its name (deploy.NAME.KEY is KEY of an entry with provider: NAME). In deploy.on stand the keys of the \
                language versions too, with one value each.",
        keys: &["deploy"],
        example: "language: generic\nos: linux\ndist: focal\nscript: make\ndeploy:\n- provider: script\n  script: ./release\n  \
                  on:\n    tags: true\n    repo: acme/widget\n",
    },
    Outline {
        title: "Notifications",
        about: "Each channel is a list of entries with keys of its own and those that all have in common, below as \
                notifications.*.KEY.",
        keys: &["notifications"],
        example: "language: generic\nos: linux\ndist: focal\nscript: make\nnotifications:\n  email:\n    recipients: team@example.org\n    \
                  on_success: never\n",
    },
];

const LANGUAGES: Outline = Outline {
    title: "Keys of languages",
    about: "Each means something only with the languages named. Those that take a list make a job for each item, if they are \
            versions or files of the language; in an entry of jobs.include they have one value.",
    keys: &[],
    example: "language: node_js\nos: linux\ndist: focal\nnode_js:\n- '18'\n- '20'\n",
};

/// Keys that the entries of a section have in common, shown once.
const SHARED: [(&str, &[&str]); 2] = [
    (
        "notifications",
        &["if", "on_success", "on_failure", "enabled", "disabled"],
    ),
    (
        "deploy",
        &[
            "on",
            "run",
            "allow_failure",
            "cleanup",
            "skip_cleanup",
            "edge",
            "provider",
        ],
    ),
];

/// All keys, group by group.
pub(in crate::yml) fn reference() -> Vec<KeyGroup> {
    let Kind::Map(root) = &ROOT.kind else {
        return Vec::new();
    };
    let grouped = |key: &str| OUTLINES.iter().any(|outline| outline.keys.contains(&key));
    let languages: Vec<&'static str> = root
        .entries()
        .map(|entry| entry.key)
        .filter(|key| !grouped(key))
        .collect();
    let group = |outline: &'static Outline, keys: &[&'static str]| {
        let mut docs = Vec::new();
        for entry in keys.iter().filter_map(|key| root.entry(key)) {
            collect(entry.key.to_owned(), entry, root, &mut docs);
        }
        KeyGroup {
            title: outline.title,
            about: outline.about,
            keys: docs,
            example: outline.example,
        }
    };
    let mut groups: Vec<KeyGroup> = OUTLINES
        .iter()
        .map(|outline| group(outline, outline.keys))
        .collect();
    groups.insert(4, group(&LANGUAGES, &languages));
    groups
}

/// A key and those below it.
fn collect(path: String, entry: &'static Entry, root: &'static MapType, docs: &mut Vec<KeyDoc>) {
    if docs.iter().any(|doc| doc.path == path) {
        return;
    }
    docs.push(describe(&path, entry));
    // Deployments among the addons are those of the section.
    if path == "addons.deploy" {
        return;
    }
    for (inner, map) in maps(entry.schema, &path) {
        for entry in map.entries() {
            let is_of_job = matches!(
                inner.as_str(),
                "jobs.include" | "jobs.exclude" | "jobs.allow_failures"
            ) && root.entry(entry.key).is_some();
            let is_version = inner == "deploy.on"
                && super::languages::SINGLES
                    .iter()
                    .any(|single| single.key == entry.key);
            if !is_of_job && !is_version {
                collect(shared_path(&inner, entry.key), entry, root, docs);
            }
        }
    }
}

/// Where a key is shown: once for all entries of a section that have it in common.
fn shared_path(section: &str, key: &'static str) -> String {
    let (first, rest) = section.split_once('.').unwrap_or((section, ""));
    for (name, keys) in SHARED {
        if first == name && !rest.is_empty() && !rest.contains('.') && keys.contains(&key) {
            let any = if name == "deploy" { "" } else { ".*" };
            return format!("{name}{any}.{key}");
        }
    }
    format!("{section}.{key}")
}

/// The map types of a type with the path of their keys; short forms, which are later choices than the normal one, have no keys of
/// their own.
fn maps(schema: &'static Schema, path: &str) -> Vec<(String, &'static MapType)> {
    match &schema.kind {
        Kind::Any {
            choices,
            detect: None,
        } => {
            let mut all = choices.iter().map(|choice| maps(choice.schema, path));
            if choices.iter().any(|choice| choice.normal) {
                all.find(|maps| !maps.is_empty()).unwrap_or_default()
            } else {
                all.flatten().collect()
            }
        }
        Kind::Any {
            choices,
            detect: Some(key),
        } => choices
            .iter()
            .flat_map(|choice| match choice.schema.named_by(key) {
                Some(name) => maps(choice.schema, &format!("{path}.{name}")),
                None => maps(choice.schema, path),
            })
            .collect(),
        Kind::Seq { items, .. } => maps(items, path),
        Kind::Map(map) => vec![(path.to_owned(), map)],
        _ => Vec::new(),
    }
}

fn describe(path: &str, entry: &'static Entry) -> KeyDoc {
    let mut kinds = Vec::new();
    kinds_of(entry.schema, &mut kinds);
    // The short form first.
    kinds.sort_by_key(|kind| kind.starts_with("list"));
    let mut values = Vec::new();
    values_of(entry.schema, &mut values);
    if path == "deploy.provider" {
        // The map of each provider knows only its own name.
        values = provider_names();
    }
    KeyDoc {
        path: path.to_owned(),
        kind: kinds.join(" or "),
        aliases: entry.aliases.to_vec(),
        values,
        default: defaults(entry.schema.all_defaults()),
        about: about(&path.replace(".*", "")),
        deprecated: entry.deprecated,
        only: supported(&entry.support),
    }
}

fn provider_names() -> Vec<(&'static str, &'static [&'static str])> {
    fn collect(schema: &'static Schema, names: &mut Vec<(&'static str, &'static [&'static str])>) {
        match &schema.kind {
            Kind::Any { choices, detect } => {
                for choice in *choices {
                    match detect.and_then(|key| choice.schema.named_by(key)) {
                        Some(name) => names.push((name, &[])),
                        None => collect(choice.schema, names),
                    }
                }
            }
            Kind::Seq { items, .. } => collect(items, names),
            _ => {}
        }
    }
    let mut names = Vec::new();
    collect(&super::deploy::DEPLOYS, &mut names);
    names.sort_unstable();
    names.dedup();
    names
}

fn kinds_of(schema: &'static Schema, kinds: &mut Vec<String>) {
    let kind = match &schema.kind {
        Kind::Any { choices, .. } => {
            return choices
                .iter()
                .for_each(|choice| kinds_of(choice.schema, kinds));
        }
        Kind::Seq { items, .. } => {
            let mut inner = Vec::new();
            kinds_of(items, &mut inner);
            let plural = |kind: &String| match kind.as_str() {
                "map" | "secret" | "word" | "text" | "number" => format!("{kind}s"),
                other => other.to_owned(),
            };
            let inner: Vec<String> = inner.iter().map(plural).collect();
            format!("list of {}", inner.join(" or "))
        }
        Kind::Map(_) => "map".to_owned(),
        Kind::Secure => "secret".to_owned(),
        Kind::Str(text) if text.is_enum() => "word".to_owned(),
        Kind::Str(_) => "text".to_owned(),
        Kind::Num => "number".to_owned(),
        Kind::Bool { values: [false] } => "false".to_owned(),
        Kind::Bool { .. } => "true or false".to_owned(),
    };
    if !kinds.contains(&kind) {
        kinds.push(kind);
    }
}

fn values_of(schema: &'static Schema, values: &mut Vec<(&'static str, &'static [&'static str])>) {
    match &schema.kind {
        Kind::Any {
            choices,
            detect: None,
        } => choices
            .iter()
            .for_each(|choice| values_of(choice.schema, values)),
        Kind::Seq { items, .. } => values_of(items, values),
        Kind::Str(text) => {
            let known = text
                .values
                .iter()
                .filter(|value| value.deprecated.is_none());
            for value in known {
                if !values.iter().any(|(name, _)| *name == value.name) {
                    values.push((value.name, value.aliases));
                }
            }
        }
        _ => {}
    }
}

fn defaults(fills: &'static [Fill]) -> Option<String> {
    let words = |fill: &Fill| match supported(&fill.support) {
        Some(only) => format!("{} ({only})", fill.value),
        None => fill.value.to_owned(),
    };
    let all: Vec<String> = fills.iter().map(words).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

fn supported(support: &Support) -> Option<String> {
    let parts = [
        ("language", support.languages),
        ("any language but", support.not_languages),
        ("os", support.os),
        ("any os but", support.not_os),
    ];
    let words: Vec<String> = parts
        .into_iter()
        .filter(|(_, values)| !values.is_empty())
        .map(|(what, values)| format!("{what} {}", values.join(", ")))
        .collect();
    (!words.is_empty()).then(|| words.join("; "))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_key_has_words_and_stands_once() {
        let mut paths = HashSet::new();
        let mut silent = Vec::new();
        for doc in reference().into_iter().flat_map(|group| group.keys) {
            assert!(!doc.kind.is_empty(), "{}", doc.path);
            if doc.about.is_empty() {
                silent.push(doc.path.clone());
            }
            assert!(paths.insert(doc.path.clone()), "{} stands twice", doc.path);
        }
        assert!(silent.is_empty(), "keys without words: {silent:?}");
        for key in [
            "language",
            "jobs.include.name",
            "deploy.heroku.app",
            "deploy.on.tags",
            "notifications.*.if",
            "addons.apt.packages",
        ] {
            assert!(paths.contains(key), "{key}");
        }
    }

    #[test]
    fn every_key_of_the_root_is_in_a_group() {
        let groups = reference();
        let Kind::Map(root) = &ROOT.kind else {
            panic!("the root is a map");
        };
        for entry in root.entries() {
            let count = groups
                .iter()
                .flat_map(|group| &group.keys)
                .filter(|doc| doc.path == entry.key)
                .count();
            assert_eq!(count, 1, "{}", entry.key);
        }
    }

    #[test]
    fn examples_need_no_remark() {
        for group in reference() {
            let linted = crate::lint(group.example.as_bytes()).unwrap();
            assert!(
                linted.messages.is_empty(),
                "{}: {:?}",
                group.title,
                linted.messages
            );
        }
    }
}
