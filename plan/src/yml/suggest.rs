//! What an author may have meant: looked up in the schema by the path of a message.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::LazyLock;

use super::schema::{Kind, MapType, ROOT, Schema};
use super::similar::closest;

/// Paths of sections that are looked at when a key is searched in all of the language.
const MAX_DEPTH: usize = 4;

/// The types that a section may have, by the path of a message.
fn schemas(path: &str) -> Vec<&'static Schema> {
    let mut found: Vec<&'static Schema> = vec![&ROOT];
    if path == "root" {
        return found;
    }
    for name in path.split('.') {
        let below: Vec<&'static Schema> = found
            .iter()
            .flat_map(|schema| maps(schema))
            .filter_map(|map| map.child(name))
            .collect();
        found = below;
    }
    found
}

/// The map types within a type, choices and lists seen through.
fn maps(schema: &'static Schema) -> Vec<&'static MapType> {
    match &schema.kind {
        Kind::Any { choices, .. } => choices
            .iter()
            .flat_map(|choice| maps(choice.schema))
            .collect(),
        Kind::Seq { items, .. } => maps(items),
        Kind::Map(map) => vec![map],
        _ => Vec::new(),
    }
}

/// A key of the section that looks like this one.
pub(crate) fn nearest_key(path: &str, key: &str) -> Option<&'static str> {
    let keys: BTreeSet<&'static str> = schemas(path)
        .into_iter()
        .flat_map(maps)
        .flat_map(MapType::entries)
        .map(|entry| entry.key)
        .collect();
    closest(keys, key)
}

/// The values that are known under a path, in order.
pub(crate) fn known_values(path: &str) -> Vec<&'static str> {
    fn collect(schema: &'static Schema, values: &mut Vec<&'static str>) {
        match &schema.kind {
            Kind::Any { choices, .. } => choices
                .iter()
                .for_each(|choice| collect(choice.schema, values)),
            Kind::Seq { items, .. } => collect(items, values),
            Kind::Str(text) => values.extend(
                text.values
                    .iter()
                    .filter(|value| value.deprecated.is_none())
                    .map(|value| value.name),
            ),
            _ => {}
        }
    }
    let mut values = Vec::new();
    schemas(path)
        .into_iter()
        .for_each(|schema| collect(schema, &mut values));
    let mut seen = BTreeSet::new();
    values.retain(|value| seen.insert(*value));
    values
}

/// A known value that looks like this one.
pub(crate) fn nearest_value(path: &str, value: &str) -> Option<&'static str> {
    closest(known_values(path), value)
}

/// Sections that have this key, the outermost first.
pub(crate) fn owners(key: &str) -> &'static [String] {
    static OWNERS: LazyLock<HashMap<&'static str, Vec<String>>> = LazyLock::new(|| {
        let mut owners = HashMap::new();
        let mut level: Vec<(String, &'static Schema)> = vec![(String::new(), &ROOT)];
        for _ in 0..MAX_DEPTH {
            level = level
                .into_iter()
                .flat_map(|(path, schema)| note(&path, schema, &mut owners))
                .collect();
        }
        owners
    });
    OWNERS.get(key).map(Vec::as_slice).unwrap_or_default()
}

/// Notes the keys of a section; returns the sections below.
fn note(
    path: &str,
    schema: &'static Schema,
    owners: &mut HashMap<&'static str, Vec<String>>,
) -> Vec<(String, &'static Schema)> {
    let mut below = Vec::new();
    for entry in maps(schema).into_iter().flat_map(MapType::entries) {
        let owner = if path.is_empty() { "root" } else { path };
        let known = owners.entry(entry.key).or_default();
        if known.iter().any(|other| other == owner) {
            continue;
        }
        known.push(owner.to_owned());
        let inner = if path.is_empty() {
            entry.key.to_owned()
        } else {
            format!("{path}.{}", entry.key)
        };
        below.push((inner, entry.schema));
    }
    below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_below_paths() {
        assert_eq!(nearest_key("root", "scriptt"), Some("script"));
        assert_eq!(nearest_key("addons.apt", "pakages"), Some("packages"));
        assert_eq!(nearest_key("deploy", "provder"), Some("provider"));
        assert_eq!(nearest_value("language", "pyhton"), Some("python"));
        assert!(known_values("jobs.include.os").contains(&"windows"));
        assert!(known_values("script").is_empty());
    }

    #[test]
    fn knows_whose_a_key_is() {
        assert_eq!(owners("fast_finish"), ["jobs"]);
        assert_eq!(owners("script").first().map(String::as_str), Some("root"));
        assert!(owners("nobodys").is_empty());
    }
}
