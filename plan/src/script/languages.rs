//! Languages that are used as the machine has them: the one version there must be the one asked for.

use super::language::{JAVA, Language, NODE, NODE_INSTALL, NONE, VERSIONS};

const JDK: Option<(&str, &str)> = Some(("jdk", "TRAVIS_JDK_VERSION"));
const USE_JDK: &str = "_travis_use_jdk \"$_travis_version\"";
const JAVA_LIBRARIES: &[&str] = &[VERSIONS, JAVA];

const fn jvm(name: &'static str) -> Language {
    Language {
        name,
        version: JDK,
        libraries: JAVA_LIBRARIES,
        setup: USE_JDK,
        announce: &["java -version"],
        install: "_travis_java_install",
        script: "_travis_java_script",
        ..NONE
    }
}

const fn plain(
    name: &'static str,
    version: Option<(&'static str, &'static str)>,
    setup: &'static str,
) -> Language {
    Language {
        name,
        version,
        libraries: &[VERSIONS],
        setup,
        ..NONE
    }
}

pub(super) static MORE: &[Language] = &[
    jvm("java"),
    jvm("groovy"),
    Language {
        args: Some(("sbt_args", "")),
        install: "[[ -d project || -f build.sbt ]] || _travis_java_install",
        script: r#"if [[ -d project || -f build.sbt ]]; then
  _travis_script "sbt $_travis_args ${TRAVIS_SCALA_VERSION:+++$TRAVIS_SCALA_VERSION} test"
else
  _travis_java_script
fi"#,
        ..jvm("scala")
    },
    Language {
        args: Some(("lein", "lein")),
        install: "_travis_install install \"${_travis_args:-lein} deps\"",
        script: "_travis_script \"${_travis_args:-lein} test\"",
        ..jvm("clojure")
    },
    Language {
        install: "",
        script: r#"if [[ -f gradlew ]]; then _travis_script './gradlew build connectedCheck'
elif [[ -f build.gradle || -f build.gradle.kts ]]; then _travis_script 'gradle build connectedCheck'
elif [[ -f mvnw ]]; then _travis_script './mvnw install -B'
elif [[ -f pom.xml ]]; then _travis_script 'mvn install -B'
else _travis_script 'ant debug install test'
fi"#,
        ..jvm("android")
    },
    Language {
        announce: &["php --version", "composer --version"],
        script: r#"for _travis_phpunit in "${COMPOSER_BIN_DIR:-vendor/bin}/phpunit" vendor/bin/phpunit phpunit; do
  [[ -x $_travis_phpunit || $_travis_phpunit == phpunit ]] && break
done
_travis_script "$_travis_phpunit""#,
        ..plain(
            "php",
            Some(("php", "TRAVIS_PHP_VERSION")),
            "_travis_plain PHP \"$_travis_version\" php \"php -r 'echo PHP_VERSION;'\"",
        )
    },
    Language {
        announce: &["perl --version", "cpanm --version"],
        install: "_travis_install install 'cpanm --quiet --installdeps --notest .' --retry",
        script: r#"if [[ -f Build.PL ]]; then _travis_script 'perl Build.PL && ./Build && ./Build test'
elif [[ -f Makefile.PL ]]; then _travis_script 'perl Makefile.PL && make test'
else _travis_script 'make test'
fi"#,
        ..plain(
            "perl",
            Some(("perl", "TRAVIS_PERL_VERSION")),
            r#"case $_travis_version in 5.[123]) _travis_version+=0 ;; esac
_travis_plain Perl "$_travis_version" perl 'perl -e "printf q(%vd), \$^V"'"#,
        )
    },
    Language {
        announce: &["perl6 --version"],
        script: "_travis_script 'PERL6LIB=lib prove --ext .t --ext .t6 -v -r --exec=perl6 t/'",
        ..plain(
            "perl6",
            Some(("perl6", "TRAVIS_PERL6_VERSION")),
            "_travis_plain Raku \"$_travis_version\" perl6 'perl6 --version' latest",
        )
    },
    Language {
        announce: &["ghc --version", "cabal --version"],
        install: "_travis_install install 'cabal install --only-dependencies --enable-tests' --retry",
        script: "_travis_script 'cabal configure --enable-tests && cabal build && cabal test'",
        ..plain(
            "haskell",
            Some(("ghc", "TRAVIS_HASKELL_VERSION")),
            "_travis_plain GHC \"$_travis_version\" ghc 'ghc --numeric-version'",
        )
    },
    Language {
        announce: &["elixir --version"],
        install: "_travis_install install.rebar 'mix local.rebar --force'\n_travis_install install.hex 'mix local.hex --force'\n\
                  _travis_install install 'mix deps.get'",
        script: "_travis_script 'mix test'",
        ..plain(
            "elixir",
            Some(("elixir", "TRAVIS_ELIXIR_VERSION")),
            "_travis_plain Elixir \"$_travis_version\" elixir 'elixir --short-version'",
        )
    },
    Language {
        install: r#"if [[ -f rebar.config || -f Rebar.config ]] && ! command -v rebar3 >/dev/null; then
  if [[ -x rebar ]]; then _travis_install install './rebar get-deps'; else _travis_install install 'rebar get-deps'; fi
fi"#,
        script: r#"if [[ -f rebar.config || -f Rebar.config ]]; then
  if command -v rebar3 >/dev/null; then _travis_script 'rebar3 eunit'
  elif [[ -x rebar ]]; then _travis_script './rebar compile && ./rebar skip_deps=true eunit'
  else _travis_script 'rebar compile && rebar skip_deps=true eunit'
  fi
else
  _travis_script 'make test'
fi"#,
        ..plain(
            "erlang",
            Some(("otp_release", "TRAVIS_OTP_RELEASE")),
            r#"_travis_plain Erlang "$_travis_version" erl 'cat "$(erl -noshell -eval "io:put_chars(code:root_dir()), halt().")"/releases/*/OTP_VERSION'"#,
        )
    },
    Language {
        announce: &["julia --version"],
        script: r#"if [[ -f Project.toml || -f JuliaProject.toml ]]; then
  _travis_script 'julia --color=yes --project -e "using Pkg; Pkg.build(); Pkg.test(coverage=true)"'
fi"#,
        ..plain(
            "julia",
            Some(("julia", "TRAVIS_JULIA_VERSION")),
            "_travis_plain Julia \"$_travis_version\" julia 'julia --version'",
        )
    },
    Language {
        announce: &["R --version"],
        install: "_travis_install install 'Rscript -e \"if (!requireNamespace(\\\"remotes\\\")) install.packages(\\\"remotes\\\"); \
                  remotes::install_deps(dependencies = TRUE)\"' --retry",
        script: "_travis_script 'R CMD build .'\n_travis_script 'R CMD check *tar.gz --as-cran'",
        ..plain(
            "r",
            Some(("r", "TRAVIS_R_VERSION")),
            "_travis_plain R \"$_travis_version\" R 'R --version' 'release bioc-release'",
        )
    },
    Language {
        announce: &["crystal --version", "shards --version"],
        install: "[[ ! -f shard.yml ]] || _travis_install install 'shards install'",
        script: "_travis_script 'crystal spec'",
        ..plain(
            "crystal",
            Some(("crystal", "TRAVIS_CRYSTAL_VERSION")),
            "_travis_plain Crystal \"$_travis_version\" crystal 'crystal --version' 'stable latest'",
        )
    },
    Language {
        announce: &["dub --version"],
        script: "_travis_script \"dub test --compiler=${DC:-dmd}\"",
        ..plain(
            "d",
            Some(("d", "TRAVIS_D_VERSION")),
            r#"case $_travis_version in
ldc*) export DC=ldc2 DMD=ldmd2 ;;
gdc*) export DC=gdc DMD=gdmd ;;
*) export DC=dmd DMD=dmd ;;
esac
case $_travis_version in *-*) _travis_version=${_travis_version#*-} ;; *) _travis_version='' ;; esac
_travis_plain "$DC" "$_travis_version" "$DC" "$DC --version""#,
        )
    },
    Language {
        announce: &["dart --version"],
        install: "[[ ! -f pubspec.yaml ]] || _travis_install install 'dart pub get' --retry",
        script: "_travis_script 'dart test'",
        ..plain(
            "dart",
            Some(("dart", "TRAVIS_DART_VERSION")),
            "_travis_plain Dart \"$_travis_version\" dart 'dart --version' stable",
        )
    },
    Language {
        announce: &["nix --version"],
        script: "_travis_script nix-build",
        ..plain(
            "nix",
            Some(("nix", "TRAVIS_NIX_VERSION")),
            "_travis_plain Nix \"$_travis_version\" nix 'nix --version'",
        )
    },
    Language {
        announce: &["haxe --version"],
        args: Some(("hxml", "")),
        install: "for _travis_hxml in $_travis_args; do _travis_install install \"yes | haxelib install $_travis_hxml\" --retry; done",
        script: r#"if [[ -n $_travis_args ]]; then
  for _travis_hxml in $_travis_args; do _travis_script "haxe $_travis_hxml"; done
else
  _travis_no_script 'A Haxe job needs the key script or hxml: nothing says how to run its tests.'
fi"#,
        ..plain(
            "haxe",
            Some(("haxe", "TRAVIS_HAXE_VERSION")),
            "_travis_plain Haxe \"$_travis_version\" haxe 'haxe --version' stable",
        )
    },
    Language {
        libraries: &[VERSIONS, NODE],
        announce: &["elm --version"],
        install: NODE_INSTALL,
        script: "_travis_script 'elm-format --validate . && elm-test'",
        ..plain(
            "elm",
            Some(("elm", "TRAVIS_ELM_VERSION")),
            "_travis_use_node ''\n_travis_plain Elm \"${_travis_version#elm}\" elm 'elm --version' latest",
        )
    },
    Language {
        announce: &["dotnet --version", "mono --version"],
        args: Some(("solution", "")),
        install: "[[ -z $_travis_args ]] || _travis_install install \"nuget restore $_travis_args\" --retry",
        script: r#"if [[ -n $_travis_args ]]; then
  if command -v msbuild >/dev/null; then _travis_script "msbuild /p:Configuration=Release $_travis_args"
  else _travis_script "xbuild /p:Configuration=Release $_travis_args"
  fi
else
  _travis_no_script 'A C# job needs the key script or solution: nothing says what to build.'
fi"#,
        ..plain(
            "csharp",
            Some(("dotnet", "TRAVIS_DOTNET_VERSION")),
            "[[ $_travis_version == none ]] || _travis_plain .NET \"$_travis_version\" dotnet 'dotnet --version'",
        )
    },
    Language {
        script: "_travis_script smalltalkci",
        ..plain(
            "smalltalk",
            Some(("smalltalk", "TRAVIS_SMALLTALK_VERSION")),
            "command -v smalltalkci >/dev/null || _travis_missing Smalltalk \"$_travis_version\"",
        )
    },
    Language {
        script: "_travis_script 'matlab -batch runtests'",
        ..plain(
            "matlab",
            Some(("matlab", "TRAVIS_MATLAB_VERSION")),
            "command -v matlab >/dev/null || _travis_missing MATLAB \"$_travis_version\"",
        )
    },
];
