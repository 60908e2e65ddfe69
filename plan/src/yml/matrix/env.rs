//! The `env` of each row: its own groups, or the first of the root's, after the global ones.

use super::{Distinct, Expander, Row};
use crate::value::{Map, Value};

pub(super) fn complete(expander: &Expander<'_>, rows: &mut [Row]) {
    let first = first_env(expander.config);
    let global: Vec<Value> = distinct(&Distinct::default(), expander.global_env());
    let has_global = expander
        .config
        .get("env")
        .and_then(Value::as_map)
        .is_some_and(|env| env.get("global").is_some());
    for Row { config: row, .. } in rows {
        let own = row
            .get("env")
            .filter(|env| **env != Value::Null)
            .map(groups)
            .or_else(|| first.clone().map(|first| vec![first]));
        let env = match (own, has_global) {
            (own, true) => {
                let mut env = global.clone();
                env.extend(distinct(&expander.global, &own.unwrap_or_default()));
                env
            }
            (Some(own), false) => own,
            (None, false) => continue,
        };
        row.insert("env", Value::from(env));
    }
}

/// A list of groups without empty ones.
fn groups(env: &Value) -> Vec<Value> {
    match env {
        Value::Map(map) => {
            let own: Map = map
                .iter()
                .filter(|(key, _)| *key != "global")
                .map(|(key, value)| (key.to_owned(), value.clone()))
                .collect();
            if own.is_empty() {
                Vec::new()
            } else {
                vec![Value::Map(own)]
            }
        }
        Value::Seq(items) => items.iter().flat_map(groups).collect(),
        other => vec![other.clone()],
    }
}

fn first_env(config: &Map) -> Option<Value> {
    match config.get("env")? {
        Value::Seq(items) => items.first().cloned(),
        Value::Map(env) => env
            .get("jobs")
            .and_then(Value::as_seq)
            .and_then(|groups| groups.first().cloned()),
        _ => None,
    }
}

/// The groups that are not in `known` and not repeated.
fn distinct(known: &Distinct<'_>, groups: &[Value]) -> Vec<Value> {
    let mut seen = Distinct::default();
    let is_new = |group: &&Value| !known.contains(group);
    let mut kept = Vec::with_capacity(groups.len());
    for group in groups.iter().filter(is_new) {
        if seen.insert(group) {
            kept.push(group.clone());
        }
    }
    kept
}

/// The groups of a row that are not global.
pub(super) fn own_groups<'e>(
    expander: &'e Expander<'_>,
    env: &'e Value,
) -> impl Iterator<Item = &'e Value> {
    env.items()
        .iter()
        .filter(|group| !expander.is_global(group))
}
