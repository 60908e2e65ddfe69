//! Messages about a `.travis.yml`, and jobs, in words.

use assay_plan::{Level, Map, Message, ReadError};
use serde_json::json;

use crate::cli::client::matrix_values;
use crate::cli::output::{Cell, Color, Table};

pub(super) fn messages_json(messages: &[Message]) -> Vec<serde_json::Value> {
    messages
        .iter()
        .map(|message| {
            let args: Map = message.args.iter().cloned().collect();
            json!({
                "level": message.level.name(),
                "key": message.key,
                "code": message.code,
                "args": args,
                "line": message.line,
            })
        })
        .collect()
}

const HEADINGS: [&str; 4] = ["LEVEL", "LINE", "KEY", "MESSAGE"];

/// The one message about a file that can't be read.
pub(super) fn unreadable(error: &ReadError) -> Table {
    let mut table = Table::new(&HEADINGS);
    let level = Cell::colored(Level::Error.name(), Some(Color::Red));
    table.row(vec![
        level,
        "-".into(),
        "root".into(),
        error.to_string().into(),
    ]);
    table
}

pub(super) fn messages_table(messages: &[Message]) -> Table {
    let mut table = Table::new(&HEADINGS);
    for message in messages {
        let color = match message.level {
            Level::Info => Color::Grey,
            Level::Warn => Color::Yellow,
            Level::Error | Level::Alert => Color::Red,
        };
        table.row(vec![
            Cell::colored(message.level.name(), Some(color)),
            message
                .line
                .map_or_else(|| "-".to_owned(), |line| line.to_string())
                .into(),
            message.key.as_str().into(),
            sentence(message).into(),
        ]);
    }
    table
}

/// A message in a line: level, key, words.
pub(crate) fn describe(message: &Message) -> String {
    format!(
        "{}: {}: {}",
        message.level.name(),
        message.key,
        sentence(message)
    )
}

/// What tells a job from its siblings, beside stage and name.
pub(crate) fn varying(config: &Map) -> Option<String> {
    Some(matrix_values(config)).filter(|text| !text.is_empty())
}

/// A message in words: its code, spaced, and its arguments.
fn sentence(message: &Message) -> String {
    let mut text = message.code.replace('_', " ");
    let args: Vec<String> = message
        .args
        .iter()
        .map(|(name, value)| {
            format!(
                "{name}: {}",
                serde_json::to_string(value).unwrap_or_default()
            )
        })
        .collect();
    if !args.is_empty() {
        text.push_str(&format!(" ({})", args.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use assay_plan::Value;

    use super::*;

    #[test]
    fn messages_are_said_in_words() {
        let message = Message {
            level: Level::Warn,
            key: "sudo".to_owned(),
            code: "unknown_key".to_owned(),
            args: vec![("key".to_owned(), Value::from("suod"))],
            line: Some(3),
        };
        assert_eq!(
            describe(&message),
            r#"warn: sudo: unknown key (key: "suod")"#
        );
        let expected = json!([{
            "level": "warn", "key": "sudo", "code": "unknown_key", "args": {"key": "suod"}, "line": 3
        }]);
        assert_eq!(json!(messages_json(&[message])), expected);
    }
}
