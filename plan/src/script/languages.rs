//! The languages, one entry each (travis-build, `script/*.rb`).

use super::language::Language;

const JDK: &str = include_str!("lang/jdk.sh");
const NODE: &str = include_str!("lang/node.sh");
const RUBY: &str = include_str!("lang/ruby.sh");
const PHP: &str = include_str!("lang/php_use.sh");
const OTP: &str = include_str!("lang/otp.sh");
const C: &str = include_str!("lang/c.sh");

/// Neither set-up nor default commands.
const NONE: Language = Language {
    name: "generic",
    versions: &[],
    keys: &[],
    lists: &[],
    files: &[],
    announce: &[],
    has_install: false,
    has_script: false,
};

/// A set-up and a default script.
const TESTED: Language = Language {
    has_script: true,
    ..NONE
};

/// A set-up and both default phases.
const WHOLE: Language = Language {
    has_install: true,
    ..TESTED
};

const JVM: Language = Language {
    versions: &[("jdk", "TRAVIS_JDK_VERSION")],
    announce: &["java -version"],
    ..WHOLE
};

/// The first is what a job has that is nothing else.
pub(super) static LANGUAGES: &[Language] = &[
    NONE,
    Language {
        name: "shell",
        ..NONE
    },
    Language {
        name: "c",
        versions: &[("compiler", "TRAVIS_COMPILER")],
        files: &[C],
        ..TESTED
    },
    Language {
        name: "cpp",
        versions: &[("compiler", "TRAVIS_COMPILER")],
        files: &[C],
        ..TESTED
    },
    Language {
        name: "rust",
        versions: &[("rust", "TRAVIS_RUST_VERSION")],
        files: &[include_str!("lang/rust.sh")],
        announce: &["rustc --version", "cargo --version"],
        ..TESTED
    },
    Language {
        name: "go",
        versions: &[("go", "TRAVIS_GO_VERSION")],
        keys: &["gobuild_args", "go_import_path"],
        files: &[include_str!("lang/go.sh")],
        announce: &["go version", "go env"],
        ..WHOLE
    },
    Language {
        name: "python",
        versions: &[("python", "TRAVIS_PYTHON_VERSION")],
        keys: &["virtualenv.system_site_packages"],
        files: &[include_str!("lang/python.sh")],
        announce: &["python --version", "pip --version"],
        ..WHOLE
    },
    Language {
        name: "ruby",
        versions: &[
            ("rvm", "TRAVIS_RUBY_VERSION"),
            ("jdk", "TRAVIS_JDK_VERSION"),
        ],
        keys: &["gemfile", "bundler_args"],
        files: &[JDK, RUBY, include_str!("lang/ruby_default.sh")],
        announce: &["ruby --version", "gem --version", "bundle --version"],
        ..WHOLE
    },
    Language {
        name: "node_js",
        versions: &[("node_js", "TRAVIS_NODE_VERSION")],
        keys: &["npm_args"],
        files: &[NODE, include_str!("lang/node_js.sh")],
        announce: &["node --version", "npm --version", "yarn --version"],
        ..WHOLE
    },
    Language {
        name: "java",
        files: &[JDK, include_str!("lang/java.sh")],
        ..JVM
    },
    Language {
        name: "groovy",
        files: &[JDK, include_str!("lang/java.sh")],
        ..JVM
    },
    Language {
        name: "scala",
        versions: &[
            ("jdk", "TRAVIS_JDK_VERSION"),
            ("scala", "TRAVIS_SCALA_VERSION"),
        ],
        keys: &["sbt_args"],
        files: &[JDK, include_str!("lang/scala.sh")],
        ..JVM
    },
    Language {
        name: "clojure",
        keys: &["lein"],
        files: &[JDK, include_str!("lang/clojure.sh")],
        ..JVM
    },
    Language {
        name: "android",
        lists: &["android.components"],
        files: &[JDK, include_str!("lang/android.sh")],
        has_install: false,
        ..JVM
    },
    Language {
        name: "php",
        versions: &[("php", "TRAVIS_PHP_VERSION")],
        files: &[PHP, include_str!("lang/php.sh")],
        announce: &["php --version", "composer --version"],
        ..TESTED
    },
    Language {
        name: "hack",
        versions: &[
            ("hhvm", "TRAVIS_HHVM_VERSION"),
            ("php", "TRAVIS_PHP_VERSION"),
        ],
        keys: &["gemfile", "bundler_args"],
        files: &[PHP, RUBY, include_str!("lang/hack.sh")],
        announce: &["hhvm --version"],
        ..WHOLE
    },
    Language {
        name: "perl",
        versions: &[("perl", "TRAVIS_PERL_VERSION")],
        files: &[include_str!("lang/perl.sh")],
        announce: &["perl --version", "cpanm --version"],
        ..WHOLE
    },
    Language {
        name: "perl6",
        versions: &[("perl6", "TRAVIS_PERL6_VERSION")],
        files: &[include_str!("lang/perl6.sh")],
        announce: &["perl6 --version"],
        ..TESTED
    },
    Language {
        name: "haskell",
        versions: &[("ghc", "TRAVIS_HASKELL_VERSION")],
        keys: &["cabal"],
        files: &[include_str!("lang/haskell.sh")],
        announce: &["ghc --version", "cabal --version"],
        ..WHOLE
    },
    Language {
        name: "elixir",
        versions: &[
            ("elixir", "TRAVIS_ELIXIR_VERSION"),
            ("otp_release", "TRAVIS_OTP_RELEASE"),
        ],
        files: &[OTP, include_str!("lang/elixir.sh")],
        announce: &["elixir --version"],
        ..WHOLE
    },
    Language {
        name: "erlang",
        versions: &[("otp_release", "TRAVIS_OTP_RELEASE")],
        files: &[OTP, include_str!("lang/erlang.sh")],
        ..WHOLE
    },
    Language {
        name: "julia",
        versions: &[("julia", "TRAVIS_JULIA_VERSION")],
        files: &[include_str!("lang/julia.sh")],
        announce: &["julia --version"],
        ..TESTED
    },
    Language {
        name: "r",
        versions: &[("r", "TRAVIS_R_VERSION")],
        keys: &[
            "cran",
            "r_build_args",
            "r_check_args",
            "warnings_are_errors",
        ],
        lists: &[
            "r_packages",
            "r_binary_packages",
            "r_github_packages",
            "bioc_packages",
        ],
        files: &[include_str!("lang/r.sh")],
        announce: &["R --version"],
        ..WHOLE
    },
    Language {
        name: "objective-c",
        versions: &[("rvm", "TRAVIS_RUBY_VERSION")],
        keys: &[
            "gemfile",
            "bundler_args",
            "podfile",
            "xcode_scheme",
            "xcode_sdk",
            "xcode_project",
            "xcode_workspace",
            "xcode_destination",
            "xctool_args",
        ],
        files: &[RUBY, include_str!("lang/objective_c.sh")],
        announce: &["xcodebuild -version", "ruby --version", "pod --version"],
        ..WHOLE
    },
    Language {
        name: "csharp",
        versions: &[
            ("dotnet", "TRAVIS_DOTNET_VERSION"),
            ("mono", "TRAVIS_MONO_VERSION"),
            ("solution", "TRAVIS_SOLUTION"),
        ],
        files: &[include_str!("lang/csharp.sh")],
        announce: &["dotnet --info", "mono --version"],
        ..WHOLE
    },
    Language {
        name: "crystal",
        versions: &[("crystal", "TRAVIS_CRYSTAL_VERSION")],
        files: &[include_str!("lang/crystal.sh")],
        announce: &["crystal --version", "shards --version"],
        ..WHOLE
    },
    Language {
        name: "d",
        versions: &[("d", "TRAVIS_D_VERSION")],
        files: &[include_str!("lang/d.sh")],
        announce: &["dub --version"],
        ..TESTED
    },
    Language {
        name: "dart",
        versions: &[("dart", "TRAVIS_DART_VERSION")],
        keys: &[
            "dart_task",
            "dart_task.test",
            "dart_task.dartanalyzer",
            "dart_task.dartfmt",
        ],
        files: &[include_str!("lang/dart.sh")],
        announce: &["dart --version"],
        ..WHOLE
    },
    Language {
        name: "nix",
        versions: &[("nix", "TRAVIS_NIX_VERSION")],
        files: &[include_str!("lang/nix.sh")],
        announce: &["nix --version"],
        ..TESTED
    },
    Language {
        name: "smalltalk",
        keys: &["smalltalk", "smalltalk_vm"],
        lists: &["smalltalk_config"],
        files: &[include_str!("lang/smalltalk.sh")],
        ..TESTED
    },
    Language {
        name: "haxe",
        versions: &[("haxe", "TRAVIS_HAXE_VERSION")],
        keys: &["neko"],
        lists: &["hxml"],
        files: &[include_str!("lang/haxe.sh")],
        announce: &["haxe --version"],
        ..WHOLE
    },
    Language {
        name: "elm",
        versions: &[
            ("elm", "TRAVIS_ELM_VERSION"),
            ("node_js", "TRAVIS_NODE_VERSION"),
        ],
        keys: &["npm_args"],
        files: &[NODE, include_str!("lang/elm.sh")],
        announce: &["elm --version", "elm-test --version"],
        ..WHOLE
    },
    Language {
        name: "matlab",
        versions: &[("matlab", "TRAVIS_MATLAB_VERSION")],
        files: &[include_str!("lang/matlab.sh")],
        ..TESTED
    },
];
