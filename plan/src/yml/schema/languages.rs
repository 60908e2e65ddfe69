//! Keys of single languages: lists at the root, single values in `jobs.*` and under `deploy.on`.

use super::{
    ANY_MAP, BOOL, EVERYWHERE, Entry, Kind, MapType, STR, STRS, Schema, Support, any, key, map,
    normal, of, other, seq, strict_map,
};

const fn languages(languages: &'static [&'static str]) -> Support {
    Support {
        languages,
        ..EVERYWHERE
    }
}

static ANDROID: Schema = map(&[&[key("components", &STRS), key("licenses", &STRS)]]);
static DART_TASK: Schema = map(&[&[
    key("test", &STR),
    key("dartanalyzer", &STR),
    key("dartfmt", &BOOL),
    key("install_dartium", &BOOL),
    key("xvfb", &BOOL),
]]);
static DART_TASK_ITEM: Schema = any(&[other(&DART_TASK), other(&STR)]);
static DART_TASK_SEQ: Schema = seq(&DART_TASK_ITEM);
static DART_TASKS: Schema = any(&[normal(&DART_TASK_SEQ), other(&DART_TASK), other(&STR)]);
static GIMME: Schema = map(&[&[key("url", &STR), key("force_reinstall", &BOOL)]]);
static SMALLTALK_EDGE: Schema = map(&[&[key("source", &STR), key("branch", &STR)]]);
static VIRTUALENV: Schema = of(Kind::Map(MapType {
    strict: false,
    ..strict_map(&[&[key("system_site_packages", &BOOL)]])
}));

/// Language keys of the root.
pub(super) const LISTS: &[Entry] = &[
    key("jdk", &STRS).only(languages(&[
        "android", "clojure", "groovy", "java", "ruby", "scala",
    ])),
    key("android", &ANDROID).only(languages(&["android"])),
    key("lein", &STR).only(languages(&["clojure"])),
    key("crystal", &STRS).only(languages(&["crystal"])),
    key("dotnet", &STRS).only(languages(&["csharp"])),
    key("mono", &STRS).only(languages(&["csharp"])),
    key("solution", &STRS).only(languages(&["csharp"])),
    key("d", &STRS).only(languages(&["d"])),
    key("dart", &STRS).only(languages(&["dart"])),
    key("dart_task", &DART_TASKS).only(languages(&["dart"])),
    key("with_content_shell", &BOOL).only(languages(&["dart"])),
    key("elixir", &STRS).only(languages(&["elixir"])),
    key("otp_release", &STRS).only(languages(&["elixir", "erlang"])),
    key("elm", &STRS).only(languages(&["elm"])),
    key("node_js", &STRS)
        .or(&["node"])
        .only(languages(&["elm", "node_js"])),
    key("elm_format", &STR).only(languages(&["elm"])),
    key("elm_test", &STR).only(languages(&["elm"])),
    key("go", &STRS).only(languages(&["go"])),
    key("gobuild_args", &STR).only(languages(&["go"])),
    key("go_import_path", &STR).only(languages(&["go"])),
    key("gimme_config", &GIMME).only(languages(&["go"])),
    key("hhvm", &STRS).only(languages(&["hack"])),
    key("php", &STRS).only(languages(&["hack", "php"])),
    key("ghc", &STRS).only(languages(&["haskell"])),
    key("haxe", &STRS).only(languages(&["haxe"])),
    key("hxml", &STRS).only(languages(&["haxe"])),
    key("neko", &STR).only(languages(&["haxe"])),
    key("julia", &STRS).only(languages(&["julia"])),
    key("matlab", &STRS).only(languages(&["matlab"])),
    key("nix", &STRS).only(languages(&["nix"])),
    key("npm_args", &STR).only(languages(&["node_js"])),
    key("perl", &STRS).only(languages(&["perl"])),
    key("perl6", &STRS).only(languages(&["perl6"])),
    key("composer_args", &STR).only(languages(&["php"])),
    key("python", &STRS).only(languages(&["python"])),
    key("virtualenv", &VIRTUALENV)
        .or(&["virtual_env"])
        .only(languages(&["python"])),
    key("r", &STRS).only(languages(&["r"])),
    key("r_packages", &STRS).only(languages(&["r"])),
    key("r_binary_packages", &STRS).only(languages(&["r"])),
    key("r_github_packages", &STRS).only(languages(&["r"])),
    key("apt_packages", &STRS).only(languages(&["r"])),
    key("bioc_packages", &STRS).only(languages(&["r"])),
    key("brew_packages", &STRS).only(languages(&["r"])),
    key("bioc", &STR).only(languages(&["r"])),
    key("bioc_check", &BOOL).only(languages(&["r"])),
    key("bioc_required", &BOOL)
        .or(&["use_bioc"])
        .only(languages(&["r"])),
    key("bioc_use_devel", &BOOL).only(languages(&["r"])),
    key("cran", &STR).only(languages(&["r"])),
    key("disable_homebrew", &BOOL).only(languages(&["r"])),
    key("latex", &BOOL).only(languages(&["r"])),
    key("pandoc", &BOOL).only(languages(&["r"])),
    key("pandoc_version", &STR).only(languages(&["r"])),
    key("r_build_args", &STR).only(languages(&["r"])),
    key("r_check_args", &STR).only(languages(&["r"])),
    key("r_check_revdep", &BOOL).only(languages(&["r"])),
    key("warnings_are_errors", &BOOL).only(languages(&["r"])),
    key("remotes", &STR).only(languages(&["r"])),
    key("repos", &ANY_MAP).only(languages(&["r"])),
    key("rvm", &STRS)
        .or(&["ruby", "rbenv"])
        .only(languages(&["ruby", "objective-c"])),
    key("gemfile", &STRS)
        .or(&["gemfiles"])
        .only(languages(&["ruby", "objective-c"])),
    key("bundler_args", &STR).only(languages(&["ruby", "objective-c"])),
    key("xcode_scheme", &STRS).only(languages(&["objective-c"])),
    key("xcode_sdk", &STRS).only(languages(&["objective-c"])),
    key("podfile", &STR).only(languages(&["objective-c"])),
    key("xcode_destination", &STR).only(languages(&["objective-c"])),
    key("xcode_project", &STR).only(languages(&["objective-c"])),
    key("xcode_workspace", &STR).only(languages(&["objective-c"])),
    key("xctool_args", &STR).only(languages(&["objective-c"])),
    key("rust", &STRS).only(languages(&["rust"])),
    key("scala", &STRS).only(languages(&["scala"])),
    key("sbt_args", &STR).only(languages(&["scala"])),
    key("smalltalk", &STRS).only(languages(&["smalltalk"])),
    key("smalltalk_config", &STRS).only(languages(&["smalltalk"])),
    key("smalltalk_vm", &STRS).only(languages(&["smalltalk"])),
    key("smalltalk_edge", &SMALLTALK_EDGE).only(languages(&["smalltalk"])),
];

/// Language keys of one job.
pub(super) const SINGLES: &[Entry] = &[
    key("jdk", &STR),
    key("android", &ANDROID),
    key("lein", &STR),
    key("crystal", &STR),
    key("dotnet", &STR),
    key("mono", &STR),
    key("solution", &STR),
    key("d", &STR),
    key("dart", &STR),
    key("dart_task", &DART_TASK),
    key("with_content_shell", &BOOL),
    key("elixir", &STR),
    key("otp_release", &STR),
    key("elm", &STR),
    key("node_js", &STR).or(&["node"]),
    key("elm_format", &STR),
    key("elm_test", &STR),
    key("go", &STR),
    key("gobuild_args", &STR),
    key("go_import_path", &STR),
    key("gimme_config", &GIMME),
    key("hhvm", &STR),
    key("php", &STR),
    key("ghc", &STR),
    key("haxe", &STR),
    key("hxml", &STRS),
    key("neko", &STR),
    key("julia", &STR),
    key("matlab", &STR),
    key("nix", &STR),
    key("npm_args", &STR),
    key("perl", &STR),
    key("perl6", &STR),
    key("composer_args", &STR),
    key("python", &STR),
    key("virtualenv", &VIRTUALENV).or(&["virtual_env"]),
    key("r", &STR),
    key("r_packages", &STRS),
    key("r_binary_packages", &STRS),
    key("r_github_packages", &STRS),
    key("apt_packages", &STRS),
    key("bioc_packages", &STRS),
    key("brew_packages", &STRS),
    key("bioc", &STR),
    key("bioc_check", &BOOL),
    key("bioc_required", &BOOL).or(&["use_bioc"]),
    key("bioc_use_devel", &BOOL),
    key("cran", &STR),
    key("disable_homebrew", &BOOL),
    key("latex", &BOOL),
    key("pandoc", &BOOL),
    key("pandoc_version", &STR),
    key("r_build_args", &STR),
    key("r_check_args", &STR),
    key("r_check_revdep", &BOOL),
    key("warnings_are_errors", &BOOL),
    key("remotes", &STR),
    key("repos", &ANY_MAP),
    key("rvm", &STR).or(&["ruby", "rbenv"]),
    key("gemfile", &STR).or(&["gemfiles"]),
    key("bundler_args", &STR),
    key("xcode_scheme", &STR),
    key("xcode_sdk", &STR),
    key("podfile", &STR),
    key("xcode_destination", &STR),
    key("xcode_project", &STR),
    key("xcode_workspace", &STR),
    key("xctool_args", &STR),
    key("rust", &STR),
    key("scala", &STR),
    key("sbt_args", &STR),
    key("smalltalk", &STR),
    key("smalltalk_config", &STRS),
    key("smalltalk_vm", &STRS),
    key("smalltalk_edge", &SMALLTALK_EDGE),
];

/// Keys of R's packages: known, but never what a misspelling is taken for.
const R_KEYS: &[&str] = &[
    "r_packages",
    "r_binary_packages",
    "r_github_packages",
    "apt_packages",
    "bioc_packages",
    "brew_packages",
    "bioc",
    "bioc_check",
    "bioc_required",
    "bioc_use_devel",
    "cran",
    "disable_homebrew",
    "latex",
    "pandoc",
    "pandoc_version",
    "r_build_args",
    "r_check_args",
    "r_check_revdep",
    "warnings_are_errors",
    "remotes",
    "repos",
];

pub(super) fn is_r_key(key: &str) -> bool {
    R_KEYS.contains(&key)
}
