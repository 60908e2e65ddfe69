//! Stages of rows, conditions of stages, and the final order.

use super::Expander;
use crate::value::{Map, Value};

const DEFAULT_STAGE: &str = "test";

/// The stages that remain and the rows that belong to them, each with its `stage`.
pub(super) fn assign(expander: &Expander<'_>, mut rows: Vec<Map>) -> (Vec<Map>, Vec<Map>) {
    let listed: Vec<&Map> = match expander.config.get("stages") {
        Some(Value::Seq(items)) => items.iter().filter_map(Value::as_map).collect(),
        Some(Value::Map(stage)) => vec![stage],
        _ => Vec::new(),
    };
    if listed.is_empty() && !rows.iter().any(|row| row.text("stage").is_some()) {
        return (Vec::new(), rows);
    }
    name_stages(&listed, &mut rows);
    let mut stages: Vec<Map> = Vec::new();
    let found = rows.iter().filter_map(|row| row.text("stage")).map(named);
    for stage in listed.into_iter().cloned().chain(found) {
        if !stages.iter().any(|other| is_same(name(other), name(&stage))) {
            stages.push(stage);
        }
    }
    let mut number = 0;
    stages.retain(|stage| {
        number += 1;
        expander.accepts(stage.get("if"), expander.config, "stages", "skip_stage", number)
            && rows.iter().any(|row| is_same(name(stage), row.text("stage")))
    });
    rows.retain(|row| stages.iter().any(|stage| is_same(name(stage), row.text("stage"))));
    (stages, rows)
}

/// A row without a stage takes that of the row before it, the first ones the default.
fn name_stages(listed: &[&Map], rows: &mut [Map]) {
    let names = listed.iter().filter_map(|stage| name(stage)).chain(rows.iter().filter_map(|row| row.text("stage")));
    let default = names.into_iter().find(|name| name.eq_ignore_ascii_case(DEFAULT_STAGE)).unwrap_or(DEFAULT_STAGE);
    let mut current = default.to_owned();
    for row in rows {
        match row.text("stage") {
            Some(own) => current = own.to_owned(),
            None => {
                row.insert("stage", Value::Str(current.clone()));
            }
        }
    }
}

fn named(name: &str) -> Map {
    [("name".to_owned(), Value::from(name))].into_iter().collect()
}

fn name(stage: &Map) -> Option<&str> {
    stage.text("name")
}

fn is_same(left: Option<&str>, right: Option<&str>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => left.to_lowercase() == right.to_lowercase(),
        (left, right) => left == right,
    }
}

/// By stage, then those that may fail last.
pub(super) fn reorder(stages: &[Map], mut rows: Vec<Map>) -> Vec<Map> {
    rows.sort_by_key(|row| {
        let stage = stages.iter().position(|stage| is_same(name(stage), row.text("stage")));
        (stage, row.get("allow_failure").is_some_and(|flag| !matches!(flag, Value::Null | Value::Bool(false))))
    });
    rows
}
