//! `jobs.exclude` and `jobs.allow_failures`.

use super::env::own_groups;
use super::{Expander, Row, same};
use crate::value::{Map, Value};

pub(super) fn is_excluded(expander: &Expander<'_>, row: &Map) -> bool {
    expander.job_list("exclude").any(|rule| {
        excludes(expander, rule, row)
            && expander.accepts(rule.get("if"), row, "jobs.exclude", "skip_exclude", 1)
    })
}

fn excludes(expander: &Expander<'_>, rule: &Map, row: &Map) -> bool {
    rule.iter()
        .filter(|(key, _)| *key != "if")
        .all(|(key, value)| match key {
            "env" => row.get("env").is_some_and(|env| {
                let wanted = value.as_seq();
                wanted.is_some_and(|wanted| all_equal(own_groups(expander, env), wanted))
            }),
            "stage" => is_stage(row.get("stage"), value),
            _ => {
                // A row that lacks the key has nothing there, which isn't an empty list.
                let own = row.get(key).unwrap_or(&Value::Null);
                all_equal(own.items().iter(), value.items())
            }
        })
}

fn is_stage(stage: Option<&Value>, wanted: &Value) -> bool {
    match stage {
        None | Some(Value::Null) => wanted
            .as_str()
            .is_some_and(|name| name.eq_ignore_ascii_case("test")),
        Some(stage) => stage == wanted,
    }
}

fn all_equal<'v>(left: impl Iterator<Item = &'v Value>, right: &[Value]) -> bool {
    let mut right = right.iter();
    let mut left = left;
    left.all(|left| right.next().is_some_and(|right| same(left, right))) && right.next().is_none()
}

/// Marks the rows that may fail.
pub(super) fn allow_failures(expander: &Expander<'_>, mut rows: Vec<Row>) -> Vec<Row> {
    for rule in expander.job_list("allow_failures") {
        for (place, Row { config: row, .. }) in rows.iter_mut().enumerate() {
            let allowed = allows(expander, rule, row)
                && expander.accepts(
                    rule.get("if"),
                    row,
                    "jobs.allow_failures",
                    "skip_allow_failure",
                    place + 1,
                );
            if allowed {
                row.insert("allow_failure", Value::Bool(true));
            }
        }
    }
    rows
}

fn allows(expander: &Expander<'_>, rule: &Map, row: &Map) -> bool {
    rule.iter()
        .filter(|(key, _)| *key != "if")
        .all(|(key, value)| match key {
            "branch" => expander.data.get("branch") == Some(value),
            "env" => row
                .get("env")
                .is_some_and(|env| allows_env(expander, env, value)),
            _ => match row.get(key) {
                Some(own) => same(own, value),
                None => *value == Value::Null,
            },
        })
}

/// The row's own groups are those of the rule, or all that the rule has beyond them is global.
fn allows_env(expander: &Expander<'_>, env: &Value, wanted: &Value) -> bool {
    let own: Vec<&Value> = own_groups(expander, env).collect();
    let wanted = wanted.items();
    if all_equal(own.iter().copied(), wanted) {
        return true;
    }
    let mut others = wanted
        .iter()
        .filter(|group| !own.iter().any(|other| same(other, group)))
        .peekable();
    others.peek().is_some() && others.all(|group| expander.is_global(group))
}
