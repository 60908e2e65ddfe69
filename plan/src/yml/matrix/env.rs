//! The `env` of each row: its own groups, or the first of the root's, after the global ones.

use super::{Expander, same};
use crate::value::{Map, Value};

pub(super) fn complete(expander: &Expander<'_>, rows: &mut [Map]) {
    let first = first_env(expander.config);
    let has_global =
        expander.config.get("env").and_then(Value::as_map).is_some_and(|env| env.get("global").is_some());
    for row in rows {
        let own = row.get("env").filter(|env| **env != Value::Null).map(groups).or_else(|| first.clone().map(|first| vec![first]));
        let env = match (own, has_global) {
            (own, true) => distinct(expander.global_env().iter().cloned().chain(own.unwrap_or_default())),
            (Some(own), false) => own,
            (None, false) => continue,
        };
        row.insert("env", Value::Seq(env));
    }
}

/// A list of groups without empty ones.
fn groups(env: &Value) -> Vec<Value> {
    match env {
        Value::Map(map) => {
            let own: Map =
                map.iter().filter(|(key, _)| *key != "global").map(|(key, value)| (key.to_owned(), value.clone())).collect();
            if own.is_empty() { Vec::new() } else { vec![Value::Map(own)] }
        }
        Value::Seq(items) => items.iter().flat_map(groups).collect(),
        other => vec![other.clone()],
    }
}

fn first_env(config: &Map) -> Option<Value> {
    match config.get("env")? {
        Value::Seq(items) => items.first().cloned(),
        Value::Map(env) => env.get("jobs").and_then(Value::as_seq).and_then(|groups| groups.first().cloned()),
        _ => None,
    }
}

fn distinct(groups: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for group in groups {
        if !all.iter().any(|other| same(other, &group)) {
            all.push(group);
        }
    }
    all
}

/// The groups of a row that are not global.
pub(super) fn own_groups(expander: &Expander<'_>, env: &Value) -> Vec<Value> {
    let global = expander.global_env();
    super::wrapped(Some(env)).iter().filter(|group| !global.iter().any(|other| same(other, group))).cloned().collect()
}
