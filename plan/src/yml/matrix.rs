//! Configuration and event to jobs and stages.
//!
//! Rules and their order: travis-ci/travis-yml, `matrix.rb`, `matrix/`, `configs/stages.rb`, `allow_failures.rb`,
//! `reorder.rb`.

mod env;
mod notifications;
mod rows;
mod rules;
mod stages;
mod support;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use super::Expansion;
use crate::condition::Condition;
use crate::message::{Level, Message};
use crate::value::{Map, Value};

/// Rows that are looked at; a matrix with more is cut off.
const MAX_ROWS: usize = 2_000;
/// Values in all rows together: bounds what a big root copied into many rows can take.
const MAX_VALUES: usize = 500_000;
/// Conditions evaluated in one expansion; those beyond count as false.
const MAX_CONDITIONS: usize = 3_000;

/// Expands a normalised configuration for an event (`data`: branch, tag, type, … as conditions see them).
pub fn expand(config: &Map, data: &Map) -> Expansion {
    let global = global_env(config).iter().map(sorted).collect();
    let expander = Expander {
        config,
        data,
        global,
        messages: RefCell::default(),
        said: RefCell::default(),
        conditions: RefCell::default(),
        asked: Cell::new(0),
    };
    let (rows, truncated) = rows::rows(&expander);
    let (stages, rows) = stages::assign(&expander, rows);
    let notifications = notifications::filter(&expander);
    let rows = rules::allow_failures(&expander, rows);
    let jobs = unique(stages::reorder(&stages, rows));
    let truncated = truncated || expander.asked.get() > MAX_CONDITIONS;
    Expansion {
        jobs,
        stages,
        notifications,
        messages: expander.messages.into_inner(),
        truncated,
    }
}

struct Expander<'c> {
    config: &'c Map,
    data: &'c Map,
    /// Global groups of the root's `env`, keys in order.
    global: HashSet<Value>,
    messages: RefCell<Vec<Message>>,
    said: RefCell<HashSet<Message>>,
    conditions: RefCell<HashMap<String, Option<Condition>>>,
    asked: Cell<usize>,
}

impl Expander<'_> {
    /// Whether a condition holds for a job or the root; none holds always, an unreadable one never. A false one is told.
    fn accepts(
        &self,
        condition: Option<&Value>,
        config: &Map,
        key: &str,
        code: &str,
        number: usize,
    ) -> bool {
        let text = match condition {
            Some(Value::Str(text)) => Cow::Borrowed(text.as_str()),
            Some(Value::Bool(flag)) => Cow::Owned(flag.to_string()),
            Some(Value::Int(number)) => Cow::Owned(number.to_string()),
            _ => return true,
        };
        self.asked.set(self.asked.get() + 1);
        if self.asked.get() > MAX_CONDITIONS {
            return false;
        }
        let holds = self.holds(&text, config);
        if !holds {
            self.skip(key, code, number, text.into_owned());
        }
        holds
    }

    fn holds(&self, text: &str, config: &Map) -> bool {
        let mut known = self.conditions.borrow_mut();
        if !known.contains_key(text) {
            known.insert(text.to_owned(), Condition::parse(text).ok());
        }
        let condition = known.get(text).and_then(Option::as_ref);
        condition.is_some_and(|condition| condition.eval(config, self.data).unwrap_or(false))
    }

    fn skip(&self, key: &str, code: &str, number: usize, condition: String) {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let args = vec![
            ("number", Value::Int(number)),
            ("condition", Value::Str(condition)),
        ];
        let message = Message::new(Level::Info, key, code, args);
        if self.said.borrow_mut().insert(message.clone()) {
            self.messages.borrow_mut().push(message);
        }
    }

    /// `jobs.NAME`, its maps only.
    fn job_list(&self, name: &str) -> impl Iterator<Item = &Map> {
        let list = self
            .config
            .get("jobs")
            .and_then(Value::as_map)
            .and_then(|jobs| jobs.get(name));
        let items = match list {
            Some(Value::Seq(items)) => items.as_slice(),
            Some(single) => std::slice::from_ref(single),
            None => &[],
        };
        items.iter().filter_map(Value::as_map).take(MAX_ROWS)
    }

    fn global_env(&self) -> &[Value] {
        global_env(self.config)
    }

    fn is_global(&self, group: &Value) -> bool {
        !self.global.is_empty() && self.global.contains(&sorted(group))
    }
}

/// Global groups of the root's `env`.
fn global_env(config: &Map) -> &[Value] {
    let env = config.get("env").and_then(Value::as_map);
    env.and_then(|env| env.get("global"))
        .and_then(Value::as_seq)
        .unwrap_or_default()
}

/// Keys of a map that is better put in order than searched.
const LARGE_MAP: usize = 32;

/// Equal whatever the order of keys.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Map(left), Value::Map(right)) if left.len() > LARGE_MAP => {
            left.len() == right.len() && sorted_map(left) == sorted_map(right)
        }
        (Value::Map(left), Value::Map(right)) => same_map(left, right),
        (Value::Seq(left), Value::Seq(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| same(left, right))
        }
        (left, right) => left == right,
    }
}

fn same_map(left: &Map, right: &Map) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
}

/// Drops rows that are equal to one before.
fn unique(rows: Vec<Map>) -> Vec<Map> {
    let mut seen: HashSet<Value> = HashSet::new();
    rows.into_iter()
        .filter(|row| seen.insert(Value::Map(sorted_map(row))))
        .collect()
}

/// The value with the keys of all maps in order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Seq(items) => Value::Seq(items.iter().map(sorted).collect()),
        Value::Map(map) => Value::Map(sorted_map(map)),
        other => other.clone(),
    }
}

fn sorted_map(map: &Map) -> Map {
    let mut entries: Vec<(&str, &Value)> = map.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    let mut out = Map::new();
    entries
        .into_iter()
        .for_each(|(key, value)| out.push_new(key.to_owned(), sorted(value)));
    out
}

/// A list as it is, anything else as a list of one.
fn wrapped(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Seq(items)) => items,
        Some(single) => std::slice::from_ref(single),
        None => &[],
    }
}
