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
use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};

pub use self::rows::MATRIX_KEYS;
use super::{Expansion, Linted, Row};
use crate::condition::Condition;
use crate::message::{Level, Message};
use crate::value::{Map, Text, Value};

/// Rows that are looked at; a matrix with more is cut off.
const MAX_ROWS: usize = 2_000;
/// Values in all rows together: bounds what a big root copied into many rows can take.
const MAX_VALUES: usize = 500_000;
/// Conditions evaluated in one expansion; those beyond count as false.
const MAX_CONDITIONS: usize = 3_000;

/// Expands a normalised configuration for an event (`data`: branch, tag, type, … as conditions see them).
pub fn expand(linted: &Linted, data: &Map) -> Expansion {
    let config = &linted.config;
    let mut global = Distinct::default();
    global_env(config).iter().for_each(|group| {
        global.insert(group);
    });
    let expander = Expander {
        config,
        assumed: &linted.assumed,
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
    let may_fail = expander.job_list("allow_failures").next().is_some();
    let rows = rules::allow_failures(&expander, rows);
    let mut jobs = stages::reorder(&stages, rows);
    // They were told apart before; only a stage or a mark can have made them equal.
    if may_fail || !stages.is_empty() {
        jobs = unique(jobs);
    }
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
    /// Keys of the root that were left to their defaults.
    assumed: &'c [Text],
    data: &'c Map,
    /// Global groups of the root's `env`.
    global: Distinct<'c>,
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
            ("condition", Value::from(condition)),
        ];
        let message = Message::new(Level::Info, key, code, args);
        if self.said.borrow_mut().insert(message.clone()) {
            self.messages.borrow_mut().push(message);
        }
    }

    /// `jobs.NAME`, its maps only.
    fn job_list(&self, name: &str) -> impl Iterator<Item = &Map> {
        let jobs = self.config.get("jobs").and_then(Value::as_map);
        let items = jobs.map_or(&[][..], |jobs| jobs.items(name));
        items.iter().filter_map(Value::as_map).take(MAX_ROWS)
    }

    /// A row that says nothing of what the root left to its defaults.
    fn row(&self, config: Map) -> Row {
        Row {
            config,
            assumed: self.assumed.to_vec(),
        }
    }

    fn global_env(&self) -> &[Value] {
        global_env(self.config)
    }

    fn is_global(&self, group: &Value) -> bool {
        self.global.contains(group)
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
        (Value::Map(left), Value::Map(right)) => same_maps(left, right),
        (Value::Seq(left), Value::Seq(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right.iter())
                    .all(|(left, right)| same(left, right))
        }
        (left, right) => left == right,
    }
}

fn same_maps(left: &Map, right: &Map) -> bool {
    if left.len() != right.len() {
        return false;
    }
    if left.len() <= LARGE_MAP {
        return left
            .iter()
            .all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)));
    }
    let in_order = |map| {
        let mut entries: Vec<(&str, &Value)> = Map::iter(map).collect();
        entries.sort_by_key(|(key, _)| *key);
        entries
    };
    in_order(left)
        .into_iter()
        .zip(in_order(right))
        .all(|((left_key, left), (right_key, right))| left_key == right_key && same(left, right))
}

/// Drops rows that are equal to one before.
fn unique(rows: Vec<Row>) -> Vec<Row> {
    if rows.len() < 2 {
        return rows;
    }
    let mut known: FxHashMap<u64, Vec<usize>> = FxHashMap::default();
    let mut kept: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        let places = known.entry(fingerprint_of_map(&row.config)).or_default();
        let is_row = |place: &usize| same_maps(&kept[*place].config, &row.config);
        if !places.iter().any(is_row) {
            places.push(kept.len());
            kept.push(row);
        }
    }
    kept
}

/// Values told apart whatever the order of keys.
#[derive(Default)]
struct Distinct<'v>(FxHashMap<u64, Vec<&'v Value>>);

impl<'v> Distinct<'v> {
    /// Whether it is a new one.
    fn insert(&mut self, value: &'v Value) -> bool {
        let alike = self.0.entry(fingerprint(value)).or_default();
        let is_new = !alike.iter().any(|other| same(other, value));
        if is_new {
            alike.push(value);
        }
        is_new
    }

    fn contains(&self, value: &Value) -> bool {
        !self.0.is_empty()
            && self
                .0
                .get(&fingerprint(value))
                .is_some_and(|alike| alike.iter().any(|other| same(other, value)))
    }
}

/// Equal for values that are equal whatever the order of keys.
fn fingerprint(value: &Value) -> u64 {
    let mut hasher = FxHasher::default();
    match value {
        Value::Seq(items) => items
            .iter()
            .for_each(|item| hasher.write_u64(fingerprint(item))),
        Value::Map(map) => return fingerprint_of_map(map),
        scalar => scalar.hash(&mut hasher),
    }
    hasher.finish()
}

fn fingerprint_of_map(map: &Map) -> u64 {
    map.iter().fold(0, |sum: u64, (key, value)| {
        let mut hasher = FxHasher::default();
        key.hash(&mut hasher);
        match value {
            Value::Seq(_) | Value::Map(_) => hasher.write_u64(fingerprint(value)),
            scalar => scalar.hash(&mut hasher),
        }
        sum.wrapping_add(hasher.finish())
    })
}
