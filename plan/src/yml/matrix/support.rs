//! Which keys and values mean something for a language and an operating system.

use super::wrapped;
use crate::value::{Map, Value};
use crate::yml::schema::{Kind, ROOT, Schema, Support};

/// Whether a key of the root means anything there.
pub(super) fn key_counts(config: &Map, key: &str) -> bool {
    entry_support(key).is_none_or(|support| holds(config, support))
}

/// The row without keys and values that mean nothing on its own language and system.
pub(super) fn supported_part(mut row: Map) -> Map {
    let counts = |(key, value): (&str, &Value)| {
        is_false(value)
            || entry_support(key).is_none_or(|support| holds(&row, support))
                && value_support(key, value).is_none_or(|support| holds(&row, support))
    };
    let keep: Vec<bool> = row.iter().map(counts).collect();
    if keep.contains(&false) {
        row.keep(&keep);
    }
    row
}

fn is_false(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false))
}

fn entry_support(key: &str) -> Option<&'static Support> {
    let Kind::Map(root) = &ROOT.kind else {
        return None;
    };
    root.entry(key).map(|entry| &entry.support)
}

fn value_support(key: &str, value: &Value) -> Option<&'static Support> {
    let Kind::Map(root) = &ROOT.kind else {
        return None;
    };
    let text = match &root.entry(key)?.schema.kind {
        Kind::Any { choices, .. } => choices
            .iter()
            .map(|choice| choice.schema)
            .find(|schema| schema.is_scalar())?,
        _ => root.entry(key)?.schema,
    };
    enum_support(text, value.as_str()?)
}

fn enum_support(schema: &'static Schema, value: &str) -> Option<&'static Support> {
    match &schema.kind {
        Kind::Str(text) => text.value(value).map(|value| &value.support),
        _ => None,
    }
}

fn holds(config: &Map, support: &Support) -> bool {
    let given = |key: &str| -> Vec<&str> {
        wrapped(config.get(key))
            .iter()
            .filter_map(Value::as_str)
            .collect()
    };
    let fits = |key: &str, only: &[&str], except: &[&str]| {
        if only.is_empty() && except.is_empty() {
            return true;
        }
        let given = given(key);
        given.is_empty()
            || (only.is_empty() || given.iter().any(|value| only.contains(value)))
                && (except.is_empty() || given.iter().any(|value| !except.contains(value)))
    };
    fits("language", support.languages, support.not_languages)
        && fits("os", support.os, support.not_os)
}
