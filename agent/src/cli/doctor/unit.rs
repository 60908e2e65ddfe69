//! The systemd unit of the daemon: settings that look like hardening and take from the daemon what the sandbox is
//! made with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use assay_sandbox::CheckState;

use super::Finding;

/// Where units are, those that go first first.
const FOLDERS: [&str; 5] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];
const UNIT: &str = "assay.service";

/// Looks at the unit below `root`, with its drop-ins; nothing to say where there is none.
pub(super) fn findings(root: &Path) -> Vec<Finding> {
    let folders: Vec<PathBuf> = FOLDERS.iter().map(|folder| root.join(folder)).collect();
    let Some(unit) = folders
        .iter()
        .map(|folder| folder.join(UNIT))
        .find(|path| path.is_file())
    else {
        return Vec::new();
    };
    let mut service = Settings::default();
    for file in std::iter::once(unit.clone()).chain(drop_ins(&folders)) {
        match std::fs::read_to_string(&file) {
            Ok(text) => service.read(&text, &file),
            Err(error) => {
                let detail = format!("cannot read {}: {error}", file.display());
                return vec![Finding::new("systemd unit", CheckState::Degraded, detail)];
            }
        }
    }
    let findings = service.judge();
    if findings.is_empty() {
        vec![Finding::new(
            "systemd unit",
            CheckState::Good,
            format!("{} leaves the sandbox alone", unit.display()),
        )]
    } else {
        findings
    }
}

/// Drop-ins in the order systemd reads them: by file name; of those with the same name the first folder's counts.
fn drop_ins(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut files = BTreeMap::new();
    for folder in folders {
        let Ok(entries) = std::fs::read_dir(folder.join(format!("{UNIT}.d"))) else {
            continue;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path
                .extension()
                .is_some_and(|extension| extension == "conf")
                && let Some(name) = path.file_name()
            {
                files.entry(name.to_owned()).or_insert(path);
            }
        }
    }
    files.into_values().collect()
}

/// The `[Service]` settings that matter here: the last value of each, and the file it stands in.
#[derive(Debug, Default)]
struct Settings(BTreeMap<String, (String, PathBuf)>);

impl Settings {
    fn read(&mut self, text: &str, file: &Path) {
        let mut in_service = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                in_service = line == "[Service]";
            } else if in_service
                && !line.starts_with(['#', ';'])
                && let Some((key, value)) = line.split_once('=')
            {
                self.0.insert(
                    key.trim().to_owned(),
                    (value.trim().to_owned(), file.to_owned()),
                );
            }
        }
    }

    fn judge(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for Taker {
            key,
            harmless,
            leaves,
            why,
        } in TAKERS
        {
            let Some((value, file)) = self.0.get(key) else {
                continue;
            };
            let value_is = |word: &&str| word.eq_ignore_ascii_case(value);
            if !value.is_empty() && !harmless.iter().any(value_is) {
                let detail = format!("{key}={value} in {} {why}; take it out", file.display());
                findings.push(Finding::new("systemd unit", leaves, detail));
            }
        }
        let delegated = self
            .0
            .get("Delegate")
            .is_some_and(|(value, _)| !matches_no(value));
        if !delegated {
            let detail = "Delegate=yes is missing: without it limits of memory and processes can't be kept by cgroups";
            findings.push(Finding::new("systemd unit", CheckState::Degraded, detail));
        }
        findings
    }
}

fn matches_no(value: &str) -> bool {
    value.is_empty() || NO.iter().any(|word| word.eq_ignore_ascii_case(value))
}

const NO: &[&str] = &["no", "false", "off", "0"];

/// A setting that takes something from the sandbox.
struct Taker {
    key: &'static str,
    /// Values that take nothing.
    harmless: &'static [&'static str],
    /// What it leaves of the host's fitness.
    leaves: CheckState,
    why: &'static str,
}

const fn breaks(key: &'static str, harmless: &'static [&'static str], why: &'static str) -> Taker {
    Taker {
        key,
        harmless,
        leaves: CheckState::Missing,
        why,
    }
}

const fn weakens(key: &'static str, harmless: &'static [&'static str], why: &'static str) -> Taker {
    Taker {
        key,
        harmless,
        leaves: CheckState::Degraded,
        why,
    }
}

const COVERS_PROC: &str =
    "covers parts of /proc, and then the kernel refuses a sandbox a /proc of its own";

const TAKERS: [Taker; 9] = [
    breaks(
        "NoNewPrivileges",
        NO,
        "keeps the launcher from mapping users for a sandbox",
    ),
    breaks(
        "RestrictNamespaces",
        NO,
        "forbids the namespaces a sandbox is made of",
    ),
    breaks("ProtectKernelTunables", NO, COVERS_PROC),
    breaks("ProtectKernelLogs", NO, COVERS_PROC),
    breaks("ProtectProc", &["default"], COVERS_PROC),
    breaks("ProcSubset", &["all"], COVERS_PROC),
    weakens(
        "ProtectControlGroups",
        NO,
        "keeps limits of memory and processes from being kept by cgroups",
    ),
    weakens(
        "PrivateUsers",
        NO,
        "hides who pushed and who owns a repository",
    ),
    weakens(
        "SystemCallFilter",
        &[],
        "is inherited by jobs, and may forbid what a sandbox is built with",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[Unit]\nNoNewPrivileges=yes\n[Service]\nType=notify\n# NoNewPrivileges=yes\nDelegate=yes\n";

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    fn states(files: &[(&str, &str)]) -> Vec<CheckState> {
        findings(root(files).path())
            .iter()
            .map(|finding| finding.state)
            .collect()
    }

    #[test]
    fn no_unit_is_nothing_to_talk_about() {
        assert_eq!(states(&[]), []);
    }

    #[test]
    fn a_good_unit_is_good() {
        assert_eq!(
            states(&[("lib/systemd/system/assay.service", GOOD)]),
            [CheckState::Good]
        );
    }

    #[test]
    fn our_own_unit_is_good() {
        let ours = include_str!("../../../assay.service");
        assert_eq!(
            states(&[("etc/systemd/system/assay.service", ours)]),
            [CheckState::Good]
        );
    }

    #[test]
    fn each_setting_that_takes_something_is_named() {
        for Taker { key, leaves, .. } in TAKERS {
            let text = format!("{GOOD}{key}=invisible\n");
            let root = root(&[("etc/systemd/system/assay.service", &text)]);
            let found = findings(root.path());
            assert_eq!(found.len(), 1, "{key}");
            assert_eq!(found[0].state, leaves, "{key}");
            let named = format!("{key}=invisible in ");
            assert!(found[0].detail.contains(&named), "{}", found[0].detail);
        }
    }

    #[test]
    fn harmless_values_are_harmless() {
        let text = format!("{GOOD}NoNewPrivileges=No\nProtectProc=default\nRestrictNamespaces=\n");
        assert_eq!(
            states(&[("lib/systemd/system/assay.service", &text)]),
            [CheckState::Good]
        );
    }

    #[test]
    fn drop_ins_change_the_unit() {
        let unit = ("lib/systemd/system/assay.service", GOOD);
        let on = (
            "etc/systemd/system/assay.service.d/50-hard.conf",
            "[Service]\nRestrictNamespaces=yes\n",
        );
        let off = (
            "etc/systemd/system/assay.service.d/60-soft.conf",
            "[Service]\nRestrictNamespaces=no\n",
        );
        assert_eq!(states(&[unit, on]), [CheckState::Missing]);
        assert_eq!(states(&[unit, on, off]), [CheckState::Good]);
        let mask = (
            "run/systemd/system/assay.service.d/50-hard.conf",
            "[Service]\nDelegate=no\n",
        );
        assert_eq!(states(&[unit, on, mask]), [CheckState::Missing]);
    }

    #[test]
    fn the_administrators_unit_goes_first_and_delegate_is_wanted() {
        let files = [
            ("lib/systemd/system/assay.service", GOOD),
            (
                "etc/systemd/system/assay.service",
                "[Service]\nDelegate=no\n",
            ),
        ];
        assert_eq!(states(&files), [CheckState::Degraded]);
    }
}
