//! The arrows between the crates, and the one owner of each heavy dependency, as ARCHITECTURE.md has them.

use std::collections::BTreeMap;
use std::path::Path;

/// Which of our crates each crate may use.
const ARROWS: [(&str, &[&str]); 6] = [
    ("plan", &[]),
    ("sandbox", &[]),
    ("store", &["plan"]),
    ("hooks", &["plan"]),
    ("api", &["plan", "store"]),
    ("agent", &["plan", "sandbox", "store", "hooks", "api"]),
];

/// Who may name each heavy crate.
const OWNERS: [(&str, &[&str]); 10] = [
    ("sled", &["store"]),
    ("age", &["store"]),
    ("gix", &["store"]),
    ("axum", &["api"]),
    ("hyper", &["api"]),
    ("reqwest", &["agent"]),
    ("russh", &["agent"]),
    ("clap", &["agent"]),
    ("landlock", &["sandbox"]),
    ("wasmtime", &["sandbox"]),
];

/// The names in a manifest's `[dependencies]`.
fn dependencies(member: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(member)
        .join("Cargo.toml");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let section = text.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let name = |line: &str| {
        line.split(['.', ' ', '='])
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    section
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(name)
        .collect()
}

#[test]
fn crates_use_only_what_the_architecture_allows() {
    let all: BTreeMap<&str, Vec<String>> = ARROWS
        .iter()
        .map(|(name, _)| (*name, dependencies(name)))
        .collect();
    for (name, allowed) in ARROWS {
        for used in all[name]
            .iter()
            .filter_map(|used| used.strip_prefix("assay-"))
        {
            assert!(allowed.contains(&used), "{name} must not use {used}");
        }
    }
    for (heavy, owners) in OWNERS {
        let users: Vec<&str> = all
            .iter()
            .filter(|(_, used)| used.iter().any(|n| n == heavy))
            .map(|(n, _)| *n)
            .collect();
        assert!(
            users.iter().all(|user| owners.contains(user)),
            "{heavy} belongs to {owners:?}, but is used by {users:?}"
        );
    }
    assert!(all["plan"].len() >= 3, "the manifests are read");
}
