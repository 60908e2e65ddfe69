//! Configuration and event to jobs and stages.
//!
//! Rules and their order: travis-ci/travis-yml, `matrix.rb`, `matrix/`, `configs/stages.rb`, `allow_failures.rb`,
//! `reorder.rs`.

mod env;
mod notifications;
mod rows;
mod rules;
mod stages;
mod support;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use super::Expansion;
use crate::condition;
use crate::message::{Level, Message};
use crate::value::{Map, Value};

/// Rows that are looked at; a matrix with more is cut off.
const MAX_ROWS: usize = 2_000;
/// Values in all rows together: bounds what a big root copied into many rows can take.
const MAX_VALUES: usize = 4_000_000;
/// Conditions evaluated in one expansion; those beyond count as false.
const MAX_CONDITIONS: usize = 5_000;

/// Expands a normalised configuration for an event (`data`: branch, tag, type, … as conditions see them).
pub fn expand(config: &Map, data: &Map) -> Expansion {
    let expander = Expander { config, data, messages: RefCell::default(), asked: Cell::new(0) };
    let (rows, truncated) = rows::rows(&expander);
    let (stages, rows) = stages::assign(&expander, rows);
    let notifications = notifications::filter(&expander);
    let rows = rules::allow_failures(&expander, rows);
    let jobs = unique(stages::reorder(&stages, rows));
    let truncated = truncated || expander.asked.get() > MAX_CONDITIONS;
    Expansion { jobs, stages, notifications, messages: expander.messages.into_inner(), truncated }
}

struct Expander<'c> {
    config: &'c Map,
    data: &'c Map,
    messages: RefCell<Vec<Message>>,
    asked: Cell<usize>,
}

impl Expander<'_> {
    /// Whether a condition holds for a job or the root; none holds always, an unreadable one never. A false one is told.
    fn accepts(&self, condition: Option<&Value>, config: &Map, key: &str, code: &str, number: usize) -> bool {
        let text = match condition {
            Some(Value::Str(text)) => text.clone(),
            Some(Value::Bool(flag)) => flag.to_string(),
            Some(Value::Int(number)) => number.to_string(),
            _ => return true,
        };
        self.asked.set(self.asked.get() + 1);
        let holds =
            self.asked.get() <= MAX_CONDITIONS && condition::eval_scoped(&text, config, self.data).unwrap_or(false);
        if !holds {
            self.skip(key, code, number, text);
        }
        holds
    }

    fn skip(&self, key: &str, code: &str, number: usize, condition: String) {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let message = Message {
            level: Level::Info,
            key: key.to_owned(),
            code: code.to_owned(),
            args: vec![("number".to_owned(), Value::Int(number)), ("condition".to_owned(), Value::Str(condition))],
            line: None,
        };
        let mut messages = self.messages.borrow_mut();
        if !messages.contains(&message) {
            messages.push(message);
        }
    }

    /// `jobs.NAME`, its maps only.
    fn job_list(&self, name: &str) -> impl Iterator<Item = &Map> {
        let list = self.config.get("jobs").and_then(Value::as_map).and_then(|jobs| jobs.get(name));
        let items = match list {
            Some(Value::Seq(items)) => items.as_slice(),
            Some(single) => std::slice::from_ref(single),
            None => &[],
        };
        items.iter().filter_map(Value::as_map).take(MAX_ROWS)
    }

    /// Global groups of the root's `env`.
    fn global_env(&self) -> &[Value] {
        let env = self.config.get("env").and_then(Value::as_map);
        env.and_then(|env| env.get("global")).and_then(Value::as_seq).unwrap_or_default()
    }
}

/// Equal whatever the order of keys.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Map(left), Value::Map(right)) => same_map(left, right),
        (Value::Seq(left), Value::Seq(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (left, right) => left == right,
    }
}

fn same_map(left: &Map, right: &Map) -> bool {
    left.len() == right.len() && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
}

/// Drops rows that are equal to one before.
fn unique(rows: Vec<Map>) -> Vec<Map> {
    let mut seen: HashSet<Value> = HashSet::new();
    rows.into_iter().filter(|row| seen.insert(sorted(&Value::Map(row.clone())))).collect()
}

/// The value with the keys of all maps in order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Seq(items) => Value::Seq(items.iter().map(sorted).collect()),
        Value::Map(map) => {
            let mut entries: Vec<(&str, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let mut out = Map::new();
            entries.into_iter().for_each(|(key, value)| out.push_new(key.to_owned(), sorted(value)));
            Value::Map(out)
        }
        other => other.clone(),
    }
}

/// A list as it is, anything else as a list of one.
fn wrapped(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Seq(items)) => items,
        Some(single) => std::slice::from_ref(single),
        None => &[],
    }
}
