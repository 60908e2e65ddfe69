//! Notifications whose condition holds.

use super::Expander;
use crate::value::{Map, Value};

pub(super) fn filter(expander: &Expander<'_>) -> Value {
    match expander.config.get("notifications") {
        Some(notifications) => remaining(expander, "", notifications).unwrap_or_default(),
        None => Value::Null,
    }
}

/// The value without maps whose `if` is false, and without maps that are empty then.
fn remaining(expander: &Expander<'_>, channel: &str, value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Seq(items) => Some(Value::Seq(
            items
                .iter()
                .filter_map(|item| remaining(expander, channel, item))
                .collect(),
        )),
        Value::Map(map) => {
            let key = format!("notifications.{channel}");
            if !expander.accepts(map.get("if"), expander.config, &key, "skip_notification", 1) {
                return None;
            }
            let kept: Map = map
                .iter()
                .filter_map(|(key, value)| Some((key.to_owned(), remaining(expander, key, value)?)))
                .collect();
            (!kept.is_empty()).then_some(Value::Map(kept))
        }
        other => Some(other.clone()),
    }
}
