//! What stands around the phases: services, options of `git`, addons and workspaces.

use super::debug::PHASES;
use super::env::plain;
use super::{Shell, quote};
use crate::job::GitOptions;
use crate::value::{Map, Value};

const SERVICES: &str = include_str!("services.sh");
const ADDONS: &str = include_str!("addons.sh");
const GIT: &str = include_str!("git.sh");

/// Addons that speak to services of others, or change the machine.
const ABSENT: [&str; 15] = [
    "browserstack",
    "code_climate",
    "coverity_scan",
    "homebrew",
    "hostname",
    "jwt",
    "pkg",
    "rethinkdb",
    "sauce_connect",
    "sbom",
    "snaps",
    "sonarcloud",
    "srcclr",
    "cassandra",
    "couchdb",
];

/// The texts of a value: items of a list, the value itself, a map's value under `name`.
pub(crate) fn texts(value: Option<&Value>) -> Vec<String> {
    let one = |value: &Value| match value {
        Value::Map(map) => map.get("name").map(plain).unwrap_or_default(),
        value => plain(value),
    };
    let mut texts: Vec<String> = match value {
        Some(Value::Seq(items)) => items.iter().map(one).collect(),
        Some(Value::Null | Value::Bool(_)) | None => Vec::new(),
        Some(value) => vec![one(value)],
    };
    texts.retain(|text| !text.is_empty());
    texts
}

pub(super) fn words(texts: &[String]) -> String {
    let words: Vec<String> = texts.iter().map(|text| quote(text)).collect();
    words.join(" ")
}

/// Starts services, and the databases that addons ask for by version; before checkout, as Travis does.
pub(super) fn write_services(shell: &mut Shell, config: &Map) {
    let addons = config.get("addons").and_then(Value::as_map);
    let addon = |name: &str| addons.and_then(|addons| addons.get(name)).map(plain);
    let databases = [
        ("postgresql", addon("postgresql")),
        ("mariadb", addon("mariadb")),
    ];
    let by_addon = |name: &str| {
        let name = if name == "mysql" { "mariadb" } else { name };
        databases
            .iter()
            .any(|(addon, version)| *addon == name && version.is_some())
    };
    let mut services = texts(config.get("services"));
    services.retain(|name| !by_addon(name));
    if services.is_empty() && databases.iter().all(|(_, version)| version.is_none()) {
        if starts_display(config) {
            shell.raw(SERVICES);
            shell.raw("_travis_services_begin\n_travis_service_later xvfb");
        }
        return;
    }
    shell.raw(SERVICES);
    shell.raw("travis_fold start services\ntravis_time_start\n_travis_services_begin");
    for name in &services {
        shell.raw(&format!("_travis_service {}", quote(name)));
    }
    for (name, version) in databases {
        if let Some(version) = version {
            shell.raw(&format!("_travis_service {name} {}", quote(&version)));
        }
    }
    shell.raw("travis_time_finish services\ntravis_fold end services");
    if starts_display(config) && !services.iter().any(|name| name == "xvfb") {
        shell.raw("_travis_service_later xvfb");
    }
}

/// Whether a command starts the virtual display by the script that Travis' machines had for it before `services: xvfb` (Travis'
/// documentation, "GUI and Headless Browser Testing").
fn starts_display(config: &Map) -> bool {
    PHASES.iter().any(|phase| {
        let commands = texts(config.get(phase));
        commands
            .iter()
            .any(|text| text.contains("/etc/init.d/xvfb"))
    })
}

/// Options of `git` that the work tree, laid out from the commit as it is, doesn't show yet.
pub(super) fn write_git(shell: &mut Shell, config: &Map, git: &GitOptions) {
    let Some(options) = config.get("git").and_then(Value::as_map) else {
        return;
    };
    if !git.clone {
        return;
    }
    let mut lines = Vec::new();
    for name in ["symlinks", "autocrlf"] {
        if let Some(value) = options.get(name) {
            lines.push(format!("_travis_git_core {name} {}", quote(&plain(value))));
        }
    }
    if let Some(file) = options.get("sparse_checkout") {
        lines.push(format!("_travis_git_sparse {}", quote(&plain(file))));
    }
    if options.text("strategy") == Some("tarball") {
        lines.push("rm -rf .git".to_owned());
    }
    if lines.is_empty() {
        return;
    }
    shell.raw(GIT);
    lines.iter().for_each(|line| shell.raw(line));
}

/// Addons that come before `before_install`.
pub(super) fn write_addons(shell: &mut Shell, config: &Map) {
    let mut lines = Vec::new();
    if let Some(addons) = config.get("addons").and_then(Value::as_map) {
        addons
            .iter()
            .filter(|(_, value)| is_enabled(value))
            .for_each(|(name, value)| write_addon(name, value, &mut lines));
    }
    if lines.is_empty() {
        return;
    }
    shell.raw(ADDONS);
    shell.raw("travis_fold start addons");
    lines.iter().for_each(|line| shell.raw(line));
    shell.raw("travis_fold end addons");
}

pub(super) fn is_enabled(value: &Value) -> bool {
    match value {
        Value::Bool(enabled) => *enabled,
        Value::Map(map) => map.get("enabled") != Some(&Value::Bool(false)),
        value => !value.is_empty(),
    }
}

fn write_addon(name: &str, value: &Value, lines: &mut Vec<String>) {
    let list = |function: &str, texts: &[String]| {
        (!texts.is_empty()).then(|| format!("{function} {}", words(texts)))
    };
    match name {
        "hosts" => lines.extend(list("_travis_hosts", &texts(Some(value)))),
        "ssh_known_hosts" => lines.extend(list("_travis_ssh_known_hosts", &texts(Some(value)))),
        "chrome" => lines.push(
            "_travis_browser chrome google-chrome google-chrome-stable chromium chromium-browser"
                .to_owned(),
        ),
        "firefox" => lines.push("_travis_browser firefox firefox firefox-esr".to_owned()),
        name if ABSENT.contains(&name) => lines.push(format!("_travis_no_addon {name}")),
        _ => {}
    }
}

/// Says what becomes of workspaces made by earlier jobs.
pub(super) fn write_workspaces(shell: &mut Shell, config: &Map) {
    let names = workspaces(config, "use");
    if !names.is_empty() {
        say_no_workspaces(shell, "used", &names);
    }
}

/// Says what becomes of the workspace that this job makes.
pub(super) fn write_workspace(shell: &mut Shell, config: &Map) {
    let names = workspaces(config, "create");
    if !names.is_empty() {
        say_no_workspaces(shell, "created", &names);
    }
}

fn workspaces(config: &Map, key: &str) -> Vec<String> {
    let workspaces = config.get("workspaces").and_then(Value::as_map);
    texts(workspaces.and_then(|map| map.get(key)))
}

fn say_no_workspaces(shell: &mut Shell, what: &str, names: &[String]) {
    let line = format!(
        "Workspaces are not {what} on this machine: {}.",
        names.join(", ")
    );
    shell.raw(&format!("_travis_say \"$ANSI_YELLOW\" {}", quote(&line)));
}
