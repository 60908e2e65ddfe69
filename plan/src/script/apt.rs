//! `addons: apt`: what root of the sandbox installs before the job, and what a job says that may have nothing installed.

use super::prepare::{is_enabled, texts, words};
use super::sources::{Origin, Source, source};
use super::{HELPERS, Shell, quote};
use crate::value::{Map, Value};

const INSTALLS: &str = include_str!("apt.sh");
const REFUSED: &str = include_str!("apt_refused.sh");

/// What a job wants of `apt-get`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Wanted {
    packages: Vec<String>,
    sources: Vec<Source>,
    update: bool,
    retries: bool,
}

/// What the configuration asks for, if anything.
pub(super) fn wanted(config: &Map) -> Option<Wanted> {
    let mut wanted = Wanted::default();
    if let Some(addons) = config.get("addons").and_then(Value::as_map) {
        for name in ["apt", "apt_packages"] {
            if let Some(value) = addons.get(name).filter(|value| is_enabled(value)) {
                wanted.add(value);
            }
        }
    }
    if config.text("language") == Some("r") {
        wanted.packages.extend(texts(config.get("apt_packages")));
    }
    (!wanted.packages.is_empty() || !wanted.sources.is_empty() || wanted.update).then_some(wanted)
}

/// Whether the configuration asks for anything of `apt-get`.
pub(crate) fn installs_packages(config: &Map) -> bool {
    wanted(config).is_some()
}

impl Wanted {
    fn add(&mut self, addon: &Value) {
        let Some(map) = addon.as_map() else {
            self.packages.extend(texts(Some(addon)));
            return;
        };
        self.packages.extend(texts(map.get("packages")));
        let sources = match map.get("sources") {
            Some(Value::Seq(sources)) => &sources[..],
            Some(source) => std::slice::from_ref(source),
            None => &[],
        };
        self.sources.extend(sources.iter().filter_map(source));
        self.update |= map.get("update") == Some(&Value::Bool(true));
        let config = map.get("config").and_then(Value::as_map);
        self.retries |=
            config.is_some_and(|config| config.get("retries") == Some(&Value::Bool(true)));
    }
}

/// The script for root of the sandbox. It ends with 0, or with 2 when something could not be installed.
pub(super) fn install(wanted: &Wanted) -> String {
    let mut shell = Shell::default();
    shell.raw("#!/bin/bash");
    shell.raw(HELPERS);
    shell.raw(INSTALLS);
    if wanted.retries {
        shell.raw("_travis_apt_options='-o Acquire::Retries=3 '");
    }
    for Source { origin, key } in &wanted.sources {
        let (function, text) = match origin {
            Origin::Line(line) => ("_travis_apt_line", line),
            Origin::Ppa(archive) => ("_travis_apt_ppa", archive),
            Origin::Unknown(name) => ("_travis_apt_unknown", name),
        };
        if let Some(key) = key {
            shell.raw(&format!("_travis_apt_key {}", quote(key)));
        }
        shell.raw(&format!("{function} {}", quote(text)));
    }
    if wanted.update || !wanted.sources.is_empty() {
        shell.raw("_travis_apt_update");
    }
    if !wanted.packages.is_empty() {
        shell.raw(&format!("_travis_apt_install {}", words(&wanted.packages)));
    }
    shell.raw("travis_fold end apt");
    shell.text
}

/// The line of a job that may have nothing installed.
pub(super) fn write_refusal(shell: &mut Shell, wanted: &Wanted) {
    shell.raw(REFUSED);
    shell.raw(&format!("_travis_apt {}", words(&wanted.packages)));
}
