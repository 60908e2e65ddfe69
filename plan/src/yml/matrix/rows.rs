//! Product, includes, shared keys, and what is taken out again.

use super::{Expander, MAX_ROWS, MAX_VALUES, Row, env, rules, support, unique};
use crate::value::{Map, Text, Value};

/// Keys of the root whose values make the jobs of the matrix, the slowest first; `env` is the last.
pub const MATRIX_KEYS: [&str; 38] = [
    "os",
    "arch",
    "compiler",
    "osx_image",
    "jdk",
    "crystal",
    "dotnet",
    "mono",
    "solution",
    "d",
    "dart",
    "dart_task",
    "elixir",
    "otp_release",
    "elm",
    "node_js",
    "go",
    "hhvm",
    "php",
    "ghc",
    "haxe",
    "julia",
    "matlab",
    "nix",
    "perl",
    "perl6",
    "python",
    "r",
    "rvm",
    "gemfile",
    "xcode_scheme",
    "xcode_sdk",
    "rust",
    "scala",
    "smalltalk",
    "smalltalk_config",
    "smalltalk_vm",
    "env",
];

/// Root keys that concern the build, not its jobs.
const NOT_SHARED: [&str; 8] = [
    "jobs",
    "import",
    "stages",
    "notifications",
    "version",
    "allow_failure",
    "global_env",
    "merge_mode",
];

/// The rows before stages, and whether some had to be left off.
pub(super) fn rows(expander: &Expander<'_>) -> (Vec<Row>, bool) {
    let config = expander.config;
    let axes: Vec<&'static str> = MATRIX_KEYS
        .into_iter()
        .filter(|key| {
            config.get(key).is_some_and(holds_something) && support::key_counts(config, key)
        })
        .collect();
    let shared = shared(config);
    let env = Value::from(expander.global_env().to_vec());
    let limit = MAX_ROWS
        .min(MAX_VALUES / (size(&shared) + value_size(&env)).max(1))
        .max(1);
    let (rows, mut truncated) = product(config, &axes, limit);
    let mut rows: Vec<Row> = rows.into_iter().map(|row| expander.row(row)).collect();
    let included = included(expander);
    if rows.len() == 1 && !included.is_empty() {
        rows.clear();
    }
    rows.extend(included);
    if rows.is_empty() {
        rows.push(expander.row(Map::new()));
    }
    truncated |= rows.len() > limit;
    rows.truncate(limit);
    let complete = |row: Row| Row {
        config: inherit(row.config, config, &shared, &axes),
        ..row
    };
    let mut rows: Vec<Row> = rows.into_iter().map(complete).collect();
    env::complete(expander, &mut rows);
    rows.retain(|row| !rules::is_excluded(expander, &row.config));
    let supported = |row: Row| Row {
        config: support::supported_part(row.config),
        ..row
    };
    let mut rows = unique(rows.into_iter().map(supported).collect());
    rows.retain(|Row { config, .. }| {
        expander.accepts(config.get("if"), config, "jobs.include", "skip_job", 1)
    });
    (rows, truncated)
}

/// Whether anything is left of a value without its nothings.
fn holds_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Str(text) => !text.is_empty(),
        Value::Seq(items) => items.iter().any(holds_something),
        Value::Map(map) => map.iter().any(|(_, value)| holds_something(value)),
        Value::Bool(_) | Value::Int(_) => true,
    }
}

fn axis<'c>(config: &'c Map, key: &str) -> &'c [Value] {
    match config.get(key) {
        Some(Value::Map(env)) if key == "env" && env.get("jobs").is_some() => env.items("jobs"),
        value => value.map_or(&[], Value::items),
    }
}

fn product(config: &Map, axes: &[&'static str], limit: usize) -> (Vec<Map>, bool) {
    if axes.is_empty() {
        return (Vec::new(), false);
    }
    let lists: Vec<&[Value]> = axes.iter().map(|key| axis(config, key)).collect();
    let total = lists
        .iter()
        .fold(1usize, |total, list| total.saturating_mul(list.len()));
    let row = |number: usize| {
        let mut rest = number;
        let mut entries: Vec<(Text, Value)> = Vec::with_capacity(axes.len());
        for (key, list) in axes.iter().zip(&lists).rev() {
            entries.push((Text::new_static(key), list[rest % list.len()].clone()));
            rest /= list.len();
        }
        entries.into_iter().rev().collect()
    };
    ((0..total.min(limit + 1)).map(row).collect(), total > limit)
}

/// `jobs.include`; an entry without a stage takes that of the entry before.
fn included(expander: &Expander<'_>) -> Vec<Row> {
    let mut stage: Option<Value> = None;
    let inherit_stage = |job: &Map| {
        let mut job = job.clone();
        match (job.get("stage"), &stage) {
            (None | Some(Value::Null), Some(before)) => {
                job.insert("stage", before.clone());
            }
            (Some(own), _) if *own != Value::Null => stage = Some(own.clone()),
            _ => {}
        }
        job
    };
    let given = |job: Map| {
        let is_left = |key: &Text| job.get(key).is_none_or(|value| *value == Value::Null);
        let assumed = expander.assumed.iter().filter(|key| is_left(key));
        Row {
            assumed: assumed.cloned().collect(),
            config: job,
        }
    };
    let jobs = expander.job_list("include").map(inherit_stage);
    jobs.map(given).collect()
}

fn shared(config: &Map) -> Map {
    let counts = |(key, value): &(&str, &Value)| {
        !MATRIX_KEYS.contains(key) && !NOT_SHARED.contains(key) && !value.is_empty()
    };
    let mut shared = Map::new();
    config
        .iter()
        .filter(counts)
        .for_each(|(key, value)| shared.push_new(key.into(), value.clone()));
    shared
}

/// Shared keys and the first value of each expansion key, under what the row has itself.
fn inherit(row: Map, config: &Map, shared: &Map, axes: &[&'static str]) -> Map {
    let mut merged = shared.clone();
    merged.reserve(axes.len() + row.len() + 3);
    for key in axes.iter().filter(|key| **key != "env") {
        if let Some(first) = axis(config, key).first() {
            merged.push_new(Text::new_static(key), first.clone());
        }
    }
    for (key, value) in row {
        merged.insert(key, value);
    }
    merged
}

fn size(map: &Map) -> usize {
    map.iter().map(|(_, value)| value_size(value)).sum()
}

fn value_size(value: &Value) -> usize {
    match value {
        Value::Seq(items) => 1 + items.iter().map(value_size).sum::<usize>(),
        Value::Map(map) => 1 + size(map),
        Value::Str(text) => 1 + text.len() / 64,
        _ => 1,
    }
}
