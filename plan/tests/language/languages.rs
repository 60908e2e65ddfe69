//! What each language does by default, with made-up toolchains.

use assay_plan::Versions;

use crate::nouns;
use crate::shell::{Ran, World, run_in};

/// A language, what is in its work tree, which programs there are, and which commands are run in its default phases.
struct Row {
    yaml: &'static str,
    files: &'static [&'static str],
    programs: &'static [&'static str],
    commands: &'static [&'static str],
}

const fn row(
    yaml: &'static str,
    files: &'static [&'static str],
    programs: &'static [&'static str],
    commands: &'static [&'static str],
) -> Row {
    Row {
        yaml,
        files,
        programs,
        commands,
    }
}

const MVN_INSTALL: &str = "mvn install -DskipTests=true -Dmaven.javadoc.skip=true -B -V";

const ROWS: &[Row] = &[
    row("language: generic", &[], &[], &[]),
    row("language: minimal", &[], &[], &[]),
    row(
        "language: c\ncompiler: gcc",
        &[],
        &["gcc"],
        &["./configure && make && make test"],
    ),
    row(
        "language: cpp\ncompiler: clang",
        &[],
        &["clang++"],
        &["./configure && make && make test"],
    ),
    row(
        "language: rust\nrust: 1.70.0",
        &[],
        &["rustc 1.70.0", "cargo"],
        &["cargo build --verbose", "cargo test --verbose"],
    ),
    row(
        "language: go\ngo: '1.20'",
        &[],
        &["go go1.20.3"],
        &["go get -v -t ./...", "go test -v ./..."],
    ),
    row(
        "language: go\ngo: 1.20.x\ngobuild_args: -x",
        &[],
        &["go go1.20.3"],
        &["go get -x -t ./...", "go test -x ./..."],
    ),
    row(
        "language: go",
        &["Makefile"],
        &["go go1.20.3", "make"],
        &["make"],
    ),
    row(
        "language: python\ninstall: pip list\nscript: python -V",
        &[],
        &["python3"],
        &["pip list", "python -V"],
    ),
    row(
        "language: python\nscript: 'true'",
        &["requirements.txt"],
        &["pip", "python3"],
        &["pip install -r requirements.txt", "true"],
    ),
    row(
        "language: ruby\nrvm: '3.1'",
        &["Gemfile", "Gemfile.lock"],
        &["ruby 3.1.2", "bundle"],
        &[
            "bundle install --jobs=3 --retry=3 --deployment",
            "bundle exec rake",
        ],
    ),
    row(
        "language: ruby\nrvm: '3.1'\ngemfile: gemfiles/a",
        &["gemfiles/a"],
        &["ruby 3.1.2", "bundle"],
        &["bundle install --jobs=3 --retry=3", "bundle exec rake"],
    ),
    row(
        "language: ruby\nbundler_args: --local",
        &["Gemfile"],
        &["ruby 3.1.2", "bundle"],
        &["bundle install --local", "bundle exec rake"],
    ),
    row("language: ruby", &[], &["ruby 3.1.2", "rake"], &["rake"]),
    row(
        "language: node_js\nnode_js: '18'",
        &["package.json"],
        &["node v18.1.0", "npm 9.0.0"],
        &["npm install ", "npm test"],
    ),
    row(
        "language: node_js\nnode_js: lts/*\nnpm_args: --quiet",
        &["package.json", "package-lock.json"],
        &["node v18.1.0", "npm 9.0.0"],
        &["npm ci --quiet", "npm test"],
    ),
    row(
        "language: node_js",
        &["package.json", "package-lock.json"],
        &["node v8.1.0", "npm 5.6.0"],
        &["npm install ", "npm test"],
    ),
    row(
        "language: node_js",
        &["package.json", "yarn.lock"],
        &["node v18.1.0", "npm 9.0.0", "yarn"],
        &["yarn --frozen-lockfile", "yarn test"],
    ),
    row(
        "language: node_js",
        &[],
        &["node v18.1.0", "npm", "make"],
        &["make test"],
    ),
    row(
        "language: java\njdk: openjdk11",
        &["pom.xml"],
        &["java 11.0.2", "mvn"],
        &[MVN_INSTALL, "mvn test -B"],
    ),
    row(
        "language: groovy",
        &["build.gradle"],
        &["java 11.0.2", "gradle"],
        &["gradle assemble", "gradle check"],
    ),
    row(
        "language: java",
        &[],
        &["java 11.0.2", "ant"],
        &["ant test"],
    ),
    row(
        "language: scala\nscala: 2.13.1\njdk: oraclejdk8",
        &["build.sbt"],
        &["java 1.8.0", "sbt"],
        &["sbt  ++2.13.1 test"],
    ),
    row(
        "language: scala\nsbt_args: -v",
        &["pom.xml"],
        &["java 11.0.2", "mvn"],
        &[MVN_INSTALL, "mvn test -B"],
    ),
    row(
        "language: clojure\nlein: lein2",
        &[],
        &["java 11.0.2", "lein2"],
        &["lein2 deps", "lein2 test"],
    ),
    row(
        "language: android",
        &["build.gradle"],
        &["java 11.0.2", "gradle"],
        &["gradle build connectedCheck"],
    ),
    row(
        "language: android",
        &[],
        &["java 11.0.2", "ant"],
        &["ant debug install test"],
    ),
    row(
        "language: php\nphp: '8.1'",
        &[],
        &["php 8.1.3", "phpunit"],
        &["phpunit"],
    ),
    row(
        "language: hack\nhhvm: '4.0'",
        &[],
        &["hhvm 4.0.1", "rake"],
        &["rake"],
    ),
    row(
        "language: perl\nperl: '5.30'",
        &["Makefile.PL"],
        &["perl 5.30.3", "cpanm", "make"],
        &[
            "cpanm --quiet --installdeps --notest .",
            "perl Makefile.PL && make test",
        ],
    ),
    row(
        "language: perl6",
        &[],
        &["perl6 2022.2", "prove"],
        &["PERL6LIB=lib prove --ext .t --ext .t6 -v -r --exec=perl6 t/"],
    ),
    row(
        "language: haskell\nghc: 8.10.7",
        &[],
        &["ghc 8.10.7", "cabal"],
        &[
            "cabal install --only-dependencies --enable-tests",
            "cabal configure --enable-tests && cabal build && cabal test",
        ],
    ),
    row(
        "language: elixir\nelixir: 1.14.0",
        &[],
        &["elixir 1.14.0", "mix"],
        &[
            "mix local.rebar --force",
            "mix local.hex --force",
            "mix deps.get",
            "mix test",
        ],
    ),
    row(
        "language: elixir\nelixir: 1.2.0",
        &[],
        &["elixir 1.2.0", "mix"],
        &["mix local.hex --force", "mix deps.get", "mix test"],
    ),
    row(
        "language: erlang",
        &["rebar.config"],
        &["rebar3"],
        &["rebar3 eunit"],
    ),
    row("language: erlang", &[], &["make"], &["make test"]),
    row(
        "language: julia\njulia: '1'",
        &[],
        &["julia 1.9.1"],
        &[
            "julia --color=yes --project -e 'using Pkg; Pkg.build()'",
            "julia --color=yes --check-bounds=yes --project -e 'using Pkg; Pkg.test(coverage=true)'",
        ],
    ),
    row(
        "language: r\nr_check_args: --no-manual",
        &[],
        &["R 4.1.0"],
        &[
            "R CMD build  .",
            "R CMD check *tar.gz --no-manual",
            "! grep -q -R \"WARNING\" *.Rcheck/00check.log",
        ],
    ),
    row(
        "language: objective-c\nxcode_scheme: App\nxcode_project: A B.xcodeproj",
        &["Podfile"],
        &["ruby 3.1.2", "pod", "xcodebuild", "xcpretty"],
        &[
            "pushd . && pod install && popd",
            "set -o pipefail && xcodebuild -project A\\ B.xcodeproj -scheme App  build test | xcpretty",
        ],
    ),
    row(
        "language: csharp\nsolution: a b.sln",
        &[],
        &["nuget", "msbuild"],
        &[
            "nuget restore a\\ b.sln",
            "msbuild /p:Configuration=Release a\\ b.sln",
        ],
    ),
    row(
        "language: crystal",
        &["shard.yml"],
        &["crystal 1.0.0", "shards"],
        &["shards install", "crystal spec"],
    ),
    row(
        "language: d\nd: ldc-1.30.0",
        &[],
        &["ldc2 1.30.0", "dub"],
        &["dub test --compiler=$DC"],
    ),
    row(
        "language: dart\ndart: 2.19.0",
        &["pubspec.yaml"],
        &["dart 2.19.0"],
        &["dart pub get", "dart pub run test"],
    ),
    row(
        "language: dart\ndart_task: {dartanalyzer: lib}",
        &[],
        &["dart 2.19.0", "dartanalyzer"],
        &["dartanalyzer lib"],
    ),
    row(
        "language: nix",
        &[],
        &["nix 2.3.6", "nix-build"],
        &["nix-build"],
    ),
    row(
        "language: smalltalk",
        &[],
        &["smalltalkci"],
        &["smalltalkci"],
    ),
    row(
        "language: haxe\nhxml: [a.hxml, b.hxml]",
        &[],
        &["haxe 4.0.0", "haxelib"],
        &[
            "yes | haxelib install a.hxml",
            "yes | haxelib install b.hxml",
            "haxe a.hxml",
            "haxe b.hxml",
        ],
    ),
    row(
        "language: elm\nelm: 0.19.1",
        &["package.json"],
        &[
            "node v18.1.0",
            "npm 9.0.0",
            "elm 0.19.1",
            "elm-format",
            "elm-test",
        ],
        &["npm install ", "elm-format --validate . && elm-test"],
    ),
    row(
        "language: matlab",
        &[],
        &["matlab 23.1"],
        &[
            "matlab -batch \"results = runtests('IncludeSubfolders',true); assertSuccess(results);\"",
        ],
    ),
];

/// Commands that only show versions or make ready.
fn is_setup(command: &str) -> bool {
    [
        " --version",
        " -version",
        " --info",
        "go version",
        "go env",
        " -m venv",
    ]
    .iter()
    .any(|end| command.ends_with(end) || command.contains(" -m venv "))
        || command.starts_with("source ")
}

fn world_of(programs: &[&str], files: &[&str], test: impl FnOnce(&World<'_>) -> Ran) -> Ran {
    let programs: Vec<(String, String)> = programs
        .iter()
        .map(|program| {
            let (name, version) = program.split_once(' ').unwrap_or((program, "1.0"));
            (format!("bin/{name}"), format!("echo version {version}"))
        })
        .collect();
    let programs: Vec<(&str, &str)> = programs
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_str()))
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|name| (*name, "")).collect();
    test(&World {
        files: &files,
        programs: &programs,
        versions: Versions::Exact,
    })
}

#[test]
fn each_language_installs_and_tests_in_its_own_way() {
    for row in ROWS {
        let ran = world_of(row.programs, row.files, |world| {
            run_in(&nouns::build(), row.yaml, world)
        });
        let commands: Vec<&str> = ran
            .commands()
            .into_iter()
            .filter(|command| !is_setup(command))
            .collect();
        assert_eq!(commands, row.commands, "{}: {}", row.yaml, ran.log);
    }
}

#[test]
fn languages_that_cannot_guess_fail() {
    for yaml in [
        "language: python",
        "language: haxe",
        "language: csharp",
        "language: objective-c",
    ] {
        let ran = world_of(&["haxe 4.0.0", "python3 3.11"], &[], |world| {
            run_in(&nouns::build(), yaml, world)
        });
        assert_eq!(ran.code, Some(1), "{yaml}: {}", ran.log);
    }
}

/// Language, what it asks for, the one program there is, what is said to be missing.
const MISSING: &str = "\
go | go: '1.1' | go go1.20.3 | Go 1.1
rust | rust: 1.2.0 | rustc 1.70.0 | Rust 1.2.0
ruby | rvm: '1.1' | ruby 3.1.2 | Ruby 1.1
objective-c | rvm: '1.1' | ruby 3.1.2 | Ruby 1.1
node_js | node_js: '1' | node v18.1.0 | Node.js 1
java | jdk: openjdk3 | java 11.0.2 | Java 3
ruby | jdk: openjdk3 | java 11.0.2 | Java 3
php | php: '4.1' | php 8.1.3 | PHP 4.1
hack | hhvm: '3.1' | hhvm 4.1.3 | HHVM 3.1
perl | perl: '4.1' | perl 5.30.1 | Perl 4.1
perl6 | perl6: '1' | perl6 2022.1 | Raku 1
haskell | ghc: '7.1' | ghc 8.10.7 | GHC 7.1
elixir | elixir: '0.1' | elixir 1.14.0 | Elixir 0.1
julia | julia: '0.1' | julia 1.9.0 | Julia 0.1
r | r: '2.0' | R 4.1.0 | R 2.0
crystal | crystal: '0.1' | crystal 1.9.0 | Crystal 0.1
d | d: dmd-1.0 | dmd 2.1.0 | dmd 1.0
dart | dart: 1.0.0 | dart 2.19.0 | Dart 1.0.0
nix | nix: '1.0' | nix 2.3.6 | Nix 1.0
haxe | haxe: '1.0' | haxe 4.0.0 | Haxe 1.0
elm | elm: '0.1' | elm 0.19.1 | Elm 0.1
matlab | matlab: '1' | matlab 23.1 | MATLAB 1
csharp | mono: '1.0' | mono 6.1 | Mono 1.0
python | python: '2.1' | python3 3.11.2 | Python 2.1
c | compiler: quitecc | gcc | compiler quitecc";

#[test]
fn no_language_runs_under_another_version() {
    for row in MISSING.lines() {
        let [language, key, program, missing] = row
            .split(" | ")
            .collect::<Vec<_>>()
            .try_into()
            .unwrap_or_else(|_| panic!("{row}"));
        let yaml = format!("language: {language}\n{key}\ninstall: skip\nscript: echo ran");
        let ran = world_of(&[program], &[], |world| {
            run_in(&nouns::build(), &yaml, world)
        });
        let version = program.split(' ').nth(1).unwrap_or("gcc");
        let version = version.trim_start_matches("go").trim_start_matches('v');
        let there = ran.log.split("There is: ").nth(1).unwrap_or_default();
        assert_eq!(ran.code, Some(2), "{row}: {}", ran.log);
        assert!(
            ran.log.contains(&format!("{missing} is not installed")),
            "{row}: {}",
            ran.log
        );
        assert!(there.contains(version), "{row}: {}", ran.log);
        assert!(!ran.log.contains("\nran\n"), "{row}: {}", ran.log);
    }
}

#[test]
fn the_nearest_version_runs_where_the_operator_says_so() {
    let versions = ["3.7.9", "3.9.1", "3.12.4"];
    let programs: Vec<(String, String)> = versions
        .iter()
        .map(|version| {
            let path = format!(".pyenv/versions/{version}/bin/python");
            (
                path,
                format!("[[ $1 != -c ]] || exit 1\necho Python {version}"),
            )
        })
        .collect();
    let programs: Vec<(&str, &str)> = programs
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    let world = |versions| World {
        programs: &programs,
        versions,
        ..World::default()
    };
    for (wanted, used) in [
        ("3.8", "3.9.1"),
        ("3.13", "3.12.4"),
        ("2.7", "3.7.9"),
        ("3.9", "3.9.1"),
    ] {
        let yaml = format!(
            "language: python\npython: '{wanted}'\ninstall: skip\nscript: python; echo \"$TRAVIS_PYTHON_VERSION\""
        );
        let ran = run_in(&nouns::build(), &yaml, &world(Versions::Nearest));
        assert_eq!(ran.code, Some(0), "{wanted}: {}", ran.log);
        assert!(
            ran.log.contains(&format!("\nPython {used}\n")),
            "{wanted}: {}",
            ran.log
        );
        let mark = format!("assay_version:Python:{wanted}:{used}\r\u{1b}[0K");
        let is_other = wanted != "3.9";
        assert_eq!(ran.log.contains(&mark), is_other, "{wanted}: {}", ran.log);
        let shown = if is_other { used } else { wanted };
        assert!(
            ran.log.contains(&format!("\n{shown}\n")),
            "{wanted}: {}",
            ran.log
        );
        let ran = run_in(&nouns::build(), &yaml, &world(Versions::Exact));
        assert_eq!(
            ran.code,
            Some(if is_other { 2 } else { 0 }),
            "{wanted}: {}",
            ran.log
        );
    }
}

#[test]
fn go_code_stands_below_its_import_path() {
    let ran = world_of(&["go go1.20.3"], &[], |world| {
        run_in(
            &nouns::build(),
            "language: go\ngo_import_path: example.org/x\ninstall: skip\nscript: ['echo $PWD', 'echo $TRAVIS_BUILD_DIR', 'cd /home/travis/build/acme/widget']",
            world,
        )
    });
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    assert_eq!(
        ran.log
            .matches("\n/home/travis/gopath/src/example.org/x\n")
            .count(),
        2,
        "{}",
        ran.log
    );
}
