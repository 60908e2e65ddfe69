//! Which keys and values mean something for a language and an operating system.

use crate::value::{Map, Value};
use crate::yml::schema::{Entry, Kind, ROOT, Schema, Support};

/// Whether a key of the root means anything there.
pub(super) fn key_counts(config: &Map, key: &str) -> bool {
    entry(key).is_none_or(|entry| entry_holds(config, entry))
}

/// The row without keys and values that mean nothing on its own language and system.
pub(super) fn supported_part(mut row: Map) -> Map {
    let counts = |(key, value): (&str, &Value)| {
        let Some(entry) = entry(key).filter(|_| !is_false(value)) else {
            return true;
        };
        entry_holds(&row, entry)
            && value_support(entry, value).is_none_or(|support| holds(&row, support))
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

fn entry(key: &str) -> Option<&'static Entry> {
    match &ROOT.kind {
        Kind::Map(root) => root.entry(key),
        _ => None,
    }
}

/// Keys that hold maps mean something everywhere: only what is in them is asked, and says nothing.
fn entry_holds(config: &Map, entry: &Entry) -> bool {
    matches!(entry.schema.kind, Kind::Map(_)) || holds(config, &entry.support)
}

fn value_support(entry: &'static Entry, value: &Value) -> Option<&'static Support> {
    let value = value.as_str()?;
    let text = match &entry.schema.kind {
        Kind::Any { choices, .. } => choices
            .iter()
            .map(|choice| choice.schema)
            .find(|schema| schema.is_scalar())?,
        _ => entry.schema,
    };
    enum_support(text, value)
}

fn enum_support(schema: &'static Schema, value: &str) -> Option<&'static Support> {
    match &schema.kind {
        Kind::Str(text) => text.value(value).map(|value| &value.support),
        _ => None,
    }
}

fn holds(config: &Map, support: &Support) -> bool {
    let given = |key: &str| {
        let values = config.items(key).iter();
        values.filter(|value| **value != Value::Null)
    };
    let fits = |key: &str, only: &[&str], except: &[&str]| {
        if only.is_empty() && except.is_empty() {
            return true;
        }
        given(key).next().is_none()
            || (only.is_empty() || given(key).any(|value| is_among(value, only)))
                && (except.is_empty() || given(key).any(|value| !is_among(value, except)))
    };
    fits("language", support.languages, support.not_languages)
        && fits("os", support.os, support.not_os)
}

fn is_among(value: &Value, names: &[&str]) -> bool {
    value.as_str().is_some_and(|name| names.contains(&name))
}
