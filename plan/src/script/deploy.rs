//! `deploy`: whether it applies, `before_deploy`, the deployment, `after_deploy`, for each provider (travis-build,
//! `addons/deploy/script.rb`).

use super::env::plain;
use super::phases::write_phase;
use super::{Shell, quote};
use crate::value::{Map, Value};

/// Keys of an entry that are not options of its provider.
const COMMON: [&str; 9] = [
    "provider",
    "on",
    "true",
    "if",
    "run",
    "allow_failure",
    "cleanup",
    "skip_cleanup",
    "edge",
];

pub(super) fn write(shell: &mut Shell, config: &Map) {
    for (place, entry) in config
        .items("deploy")
        .iter()
        .filter_map(Value::as_map)
        .enumerate()
    {
        write_entry(shell, config, entry, place);
    }
}

fn write_entry(shell: &mut Shell, config: &Map, entry: &Map, place: usize) {
    let provider = entry.get("provider").map(plain).unwrap_or_default();
    let title = provider_title(&provider);
    shell.raw("_travis_deploy=1");
    let on = ["on", "true", "if"].iter().find_map(|key| entry.get(key));
    for (test, why) in tests(&conditions(on)) {
        let message = format!("Skipping a deployment with the {title} provider because {why}");
        shell.raw(&format!(
            "{test} || {{ _travis_deploy=; _travis_say \"$ANSI_YELLOW\" {}; }}",
            quote(&message)
        ));
    }
    shell.raw("if [[ -n $_travis_deploy ]]; then");
    write_phase(shell, config, "before_deploy");
    shell.raw(&format!(
        "export TRAVIS_STAGE=deploy\ntravis_fold start dpl_{place}"
    ));
    let command = if provider == "script" {
        entry.get("script").map(plain).unwrap_or_default()
    } else {
        dpl(&provider, entry)
    };
    if provider != "script" {
        let message = format!(
            "Deploying with the {title} provider needs the program dpl, which is not on this machine."
        );
        shell.raw(&format!(
            "command -v dpl >/dev/null || _travis_say \"$ANSI_RED\" {}",
            quote(&message)
        ));
    }
    let is = |key: &str, flag: bool| entry.get(key) == Some(&Value::Bool(flag));
    let cleans_up = is("cleanup", true) || is("skip_cleanup", false);
    if cleans_up {
        shell.command("git stash --all", "--echo");
    }
    shell.command(&command, "--echo --timing --event deploy");
    shell.raw("_travis_deployed=$?");
    if cleans_up {
        shell.command("git stash pop", "--echo");
    }
    let on_failure = if entry.get("allow_failure") == Some(&Value::Bool(true)) {
        "_travis_say \"$ANSI_YELLOW\" 'The deployment failed; that is allowed.'"
    } else {
        "{ _travis_say \"$ANSI_RED\" 'failed to deploy'; travis_terminate 2; }"
    };
    shell.raw(&format!("[[ $_travis_deployed == 0 ]] || {on_failure}"));
    for command in super::phases::commands(entry, "run") {
        shell.command(&command, "--echo --timing --assert --event deploy");
    }
    shell.raw(&format!("travis_fold end dpl_{place}"));
    write_phase(shell, config, "after_deploy");
    shell.raw("fi");
}

fn provider_title(provider: &str) -> String {
    provider
        .chars()
        .filter(|c| !c.is_control())
        .take(40)
        .collect()
}

/// What stands under `on`; a text is a branch.
fn conditions(on: Option<&Value>) -> Map {
    match on {
        Some(Value::Map(map)) => map.clone(),
        None | Some(Value::Null | Value::Bool(_)) => Map::new(),
        Some(branch) => [("branch".to_owned(), branch.clone())]
            .into_iter()
            .collect(),
    }
}

/// Bash tests that must all hold, each with what is said when it does not.
fn tests(on: &Map) -> Vec<(String, String)> {
    let mut tests = vec![(
        "[[ ${TRAVIS_PULL_REQUEST:-false} == false ]]".to_owned(),
        "the current build is a pull request.".to_owned(),
    )];
    if let Some(repo) = on.get("repo").map(plain) {
        let test = format!("[[ $TRAVIS_REPO_SLUG == {} ]]", quote(&repo));
        tests.push((
            test,
            "this repo's name does not match one specified in .travis.yml's deploy.on.repo"
                .to_owned(),
        ));
    }
    tests.extend(branch_test(on));
    match on.get("tags") {
        Some(Value::Bool(true)) => tests.push((
            "[[ -n $TRAVIS_TAG ]]".to_owned(),
            "this is not a tagged commit".to_owned(),
        )),
        Some(Value::Bool(false)) => tests.push((
            "[[ -z $TRAVIS_TAG ]]".to_owned(),
            "this is a tagged commit".to_owned(),
        )),
        _ => {}
    }
    for condition in super::phases::commands(on, "condition") {
        let test = format!("eval {}", quote(&format!("[[ {condition} ]]")));
        tests.push((test, "a custom condition was not met".to_owned()));
    }
    for (key, value) in on.iter() {
        if let Some(variable) = version_variable(key) {
            let test = format!("[[ ${{{variable}:-}} == {} ]]", quote(&plain(value)));
            tests.push((test, format!("this is not on the required {key}")));
        }
    }
    tests
}

/// The branch is one of those named, master if none is; not asked when tags or all branches are.
fn branch_test(on: &Map) -> Option<(String, String)> {
    let is_true = |key: &str| on.get(key) == Some(&Value::Bool(true));
    if is_true("all_branches") || is_true("tags") {
        return None;
    }
    let branches: Vec<String> = match on.get("branch") {
        Some(Value::Seq(items)) => items.iter().map(plain).collect(),
        Some(Value::Map(map)) => map.keys().map(str::to_owned).collect(),
        Some(Value::Null) | None => vec!["master".to_owned()],
        Some(single) => vec![plain(single)],
    };
    let tests: Vec<String> = branches
        .iter()
        .map(|branch| format!("$TRAVIS_BRANCH == {}", quote(branch)))
        .collect();
    let tests = if tests.is_empty() {
        "-z x".to_owned()
    } else {
        tests.join(" || ")
    };
    Some((
        format!("[[ {tests} ]]"),
        "this branch is not permitted".to_owned(),
    ))
}

/// The variable that a version key under `on` is compared with.
fn version_variable(key: &str) -> Option<&'static str> {
    let variables = [
        ("os", "TRAVIS_OS_NAME"),
        ("rvm", "TRAVIS_RUBY_VERSION"),
        ("python", "TRAVIS_PYTHON_VERSION"),
        ("node_js", "TRAVIS_NODE_VERSION"),
        ("go", "TRAVIS_GO_VERSION"),
        ("rust", "TRAVIS_RUST_VERSION"),
        ("jdk", "TRAVIS_JDK_VERSION"),
        ("php", "TRAVIS_PHP_VERSION"),
        ("perl", "TRAVIS_PERL_VERSION"),
        ("scala", "TRAVIS_SCALA_VERSION"),
        ("ghc", "TRAVIS_HASKELL_VERSION"),
        ("elixir", "TRAVIS_ELIXIR_VERSION"),
        ("otp_release", "TRAVIS_OTP_RELEASE"),
        ("julia", "TRAVIS_JULIA_VERSION"),
        ("r", "TRAVIS_R_VERSION"),
        ("haxe", "TRAVIS_HAXE_VERSION"),
        ("dart", "TRAVIS_DART_VERSION"),
        ("compiler", "TRAVIS_COMPILER"),
    ];
    variables
        .into_iter()
        .find(|(name, _)| *name == key)
        .map(|(_, variable)| variable)
}

/// The call of dpl: options as words, variables in them still read by the shell; secrets are left out.
fn dpl(provider: &str, entry: &Map) -> String {
    let mut command = format!("dpl {}", quote(provider));
    for (key, value) in entry.iter().filter(|(key, _)| !COMMON.contains(key)) {
        let option = key.replace('_', "-");
        let word = |value: &Value| format!(" --{} \"{}\"", escape(&option), escape(&plain(value)));
        match value {
            Value::Bool(true) => command.push_str(&format!(" --{}", escape(&option))),
            Value::Bool(false) => command.push_str(&format!(" --no-{}", escape(&option))),
            Value::Seq(items) => items
                .iter()
                .filter(|item| item.as_map().is_none())
                .for_each(|item| command.push_str(&word(item))),
            Value::Map(_) | Value::Null => {}
            value => command.push_str(&word(value)),
        }
    }
    command
}

/// Text between double quotes in which only variables keep their meaning.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '"' | '\\' | '`') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}
