//! Stages of rows, conditions of stages, and the final order.

use std::collections::{HashMap, HashSet};

use super::{Expander, Row};
use crate::value::{Map, Value};

const DEFAULT_STAGE: &str = "test";

/// The stages that remain and the rows that belong to them, each with its `stage`.
pub(super) fn assign(expander: &Expander<'_>, mut rows: Vec<Row>) -> (Vec<Map>, Vec<Row>) {
    let listed: Vec<&Map> = match expander.config.get("stages") {
        Some(Value::Seq(items)) => items.iter().filter_map(Value::as_map).collect(),
        Some(Value::Map(stage)) => vec![stage],
        _ => Vec::new(),
    };
    if listed.is_empty() && !rows.iter().any(|row| own(row).is_some()) {
        return (Vec::new(), rows);
    }
    name_stages(&listed, &mut rows);
    let mut known: HashSet<String> = HashSet::new();
    let found: Vec<Map> = rows.iter().filter_map(own).map(named).collect();
    let mut stages: Vec<Map> = listed.into_iter().cloned().chain(found).collect();
    stages.retain(|stage| known.insert(folded(name(stage))));
    let used: HashSet<String> = rows.iter().map(|row| folded(own(row))).collect();
    let mut number = 0;
    stages.retain(|stage| {
        number += 1;
        used.contains(&folded(name(stage)))
            && expander.accepts(
                stage.get("if"),
                expander.config,
                "stages",
                "skip_stage",
                number,
            )
    });
    let left: HashSet<String> = stages.iter().map(|stage| folded(name(stage))).collect();
    rows.retain(|row| left.contains(&folded(own(row))));
    (stages, rows)
}

/// A row without a stage takes that of the row before it, the first ones the default.
fn name_stages(listed: &[&Map], rows: &mut [Row]) {
    let names = listed
        .iter()
        .filter_map(|stage| name(stage))
        .chain(rows.iter().filter_map(own));
    let default = names
        .into_iter()
        .find(|name| name.eq_ignore_ascii_case(DEFAULT_STAGE))
        .unwrap_or(DEFAULT_STAGE);
    let mut current = default.to_owned();
    for row in rows {
        match own(row) {
            Some(own) => current = own.to_owned(),
            None => {
                row.config.insert("stage", Value::from(current.as_str()));
            }
        }
    }
}

/// The stage that a row has itself.
fn own(row: &Row) -> Option<&str> {
    row.config.text("stage")
}

fn named(name: &str) -> Map {
    [("name".to_owned(), Value::from(name))]
        .into_iter()
        .collect()
}

fn name(stage: &Map) -> Option<&str> {
    stage.text("name")
}

/// Names are equal whatever their case.
fn folded(name: Option<&str>) -> String {
    name.unwrap_or_default().to_lowercase()
}

/// By stage, then those that may fail last.
pub(super) fn reorder(stages: &[Map], mut rows: Vec<Row>) -> Vec<Row> {
    let places: HashMap<String, usize> = stages
        .iter()
        .enumerate()
        .map(|(place, stage)| (folded(name(stage)), place))
        .collect();
    rows.sort_by_cached_key(|row| {
        let stage = own(row).and_then(|stage| places.get(&folded(Some(stage))));
        (
            stage,
            row.config
                .get("allow_failure")
                .is_some_and(|flag| !matches!(flag, Value::Null | Value::Bool(false))),
        )
    });
    rows
}
