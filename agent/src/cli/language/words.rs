//! Messages about a `.travis.yml`, and jobs, in words.

use assay_plan::{Level, Map, Message, Place};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::cli::client::matrix_values;
use crate::cli::output::{Color, Style, one_line, paint};

/// Columns of a source line that are shown where no terminal says how many there are.
const SHOWN: usize = 120;
/// Columns before the marked place that are kept of a long line.
const KEPT: usize = 40;

/// A message as machines read it.
#[derive(Debug, Serialize)]
pub(super) struct MessageJson<'m> {
    level: &'static str,
    key: &'m str,
    code: &'m str,
    args: Map,
    line: Option<u32>,
    column: Option<u32>,
    width: Option<u32>,
    source: Option<String>,
    cause: String,
    suggestion: Option<String>,
}

pub(super) fn messages_json<'m>(messages: &'m [Message], file: &[u8]) -> Vec<MessageJson<'m>> {
    let json = |message: &'m Message| MessageJson {
        level: message.level.name(),
        key: &message.key,
        code: &message.code,
        args: message.args.iter().cloned().collect(),
        line: message.place.map(|place| place.line),
        column: message.place.map(|place| place.column),
        width: message.place.map(|place| place.width),
        source: message.place.and_then(|place| place.source_line(file)),
        cause: message.cause(),
        suggestion: message.suggestion(),
    };
    messages.iter().map(json).collect()
}

/// Messages for people, in the order of the file: place, level and cause, the line with the place marked, what to do.
pub(super) fn report(messages: &[Message], name: &str, file: &[u8], style: &Style) -> String {
    let mut ordered: Vec<&Message> = messages.iter().collect();
    ordered.sort_by_key(|message| (message.place.is_none(), message.place));
    ordered
        .into_iter()
        .map(|message| paragraph(message, name, file, style))
        .collect()
}

fn paragraph(message: &Message, name: &str, file: &[u8], style: &Style) -> String {
    let color = Some(color(message.level));
    let at = message.place.map_or_else(String::new, |place| {
        format!(":{}:{}", place.line, place.column)
    });
    let level = paint(message.level.name(), color, style);
    let code = paint(&format!("[{}]", message.code), Some(Color::Grey), style);
    let mut text = format!(
        "{name}{at}: {level}: {} {code}\n",
        one_line(&message.cause())
    );
    let mut margin = 4;
    if let Some(place) = message.place
        && let Some(line) = place.source_line(file)
    {
        let number = place.line.to_string();
        margin = margin.max(number.len() + 1);
        let (line, mark) = marked(
            &line,
            place,
            style.width.unwrap_or(SHOWN).saturating_sub(margin + 3),
        );
        let bar = paint("|", Some(Color::Grey), style);
        text.push_str(&format!("{number:>margin$} {bar} {line}\n"));
        text.push_str(&format!(
            "{:margin$} {bar} {}\n",
            "",
            paint(&mark, color, style)
        ));
    }
    if let Some(suggestion) = message.suggestion() {
        let sign = paint("=", Some(Color::Grey), style);
        text.push_str(&format!(
            "{:margin$} {sign} {}\n",
            "",
            one_line(&suggestion)
        ));
    }
    text
}

/// A line, cut to a width around the place, and the marks that go below it.
pub(super) fn marked(line: &str, place: Place, width: usize) -> (String, String) {
    let start = usize::try_from(place.column.saturating_sub(1)).unwrap_or(0);
    let count = usize::try_from(place.width).unwrap_or(1).max(1);
    let letters: Vec<char> = line.chars().collect();
    let first = if letters.len() > width {
        start.saturating_sub(KEPT)
    } else {
        0
    };
    let clean = |from: usize, to: usize| -> String {
        let part: String = letters.iter().take(to).skip(from).collect();
        one_line(&part)
    };
    let lead = if first > 0 { "…" } else { "" };
    let before = format!("{lead}{}", clean(first, start));
    let marked = clean(start, start + count);
    let end = letters.len().min(first + width.max(KEPT));
    let after = clean(start + count, end.max(start + count));
    let tail = if end < letters.len() { "…" } else { "" };
    let mark = format!(
        "{}{}",
        " ".repeat(before.width()),
        "^".repeat(marked.width().max(1))
    );
    (format!("{before}{marked}{after}{tail}"), mark)
}

/// How many messages there are of each kind, if any is worth a word.
pub(super) fn tally(messages: &[Message]) -> Option<String> {
    let count = |levels: &[Level]| {
        messages
            .iter()
            .filter(|message| levels.contains(&message.level))
            .count()
    };
    let noun = |count: usize, noun: &str| match count {
        0 => None,
        1 => Some(format!("1 {noun}")),
        _ => Some(format!("{count} {noun}s")),
    };
    let parts: Vec<String> = [
        noun(count(&[Level::Error, Level::Alert]), "error"),
        noun(count(&[Level::Warn]), "warning"),
        noun(count(&[Level::Info]), "remark"),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn color(level: Level) -> Color {
    match level {
        Level::Info => Color::Grey,
        Level::Warn => Color::Yellow,
        Level::Error | Level::Alert => Color::Red,
    }
}

/// A message in a line: place, level, cause, what to do.
pub(crate) fn describe(message: &Message) -> String {
    let at = message
        .place
        .map_or_else(String::new, |place| format!("line {}: ", place.line));
    let advice = message
        .suggestion()
        .map_or_else(String::new, |advice| format!(" ({advice})"));
    one_line(&format!(
        "{at}{}: {}{advice}",
        message.level.name(),
        message.cause()
    ))
}

/// What tells a job from its siblings, beside stage and name.
pub(crate) fn varying(config: &Map) -> Option<String> {
    Some(matrix_values(config)).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use assay_plan::Value;
    use serde_json::json;

    use super::*;

    const PLAIN: Style = Style {
        terminal: false,
        color: false,
        width: None,
        now: 0,
    };
    const FILE: &[u8] = b"language: c\nsuod: 1\n";

    fn unknown() -> Message {
        let args = vec![("key", Value::from("suod"))];
        Message {
            place: Some(Place {
                line: 2,
                column: 1,
                width: 4,
            }),
            ..Message::new(Level::Warn, "root", "unknown_key", args)
        }
    }

    #[test]
    fn messages_show_their_place() {
        let cause = "`suod` is no key of the top level, and does nothing";
        let advice = unknown()
            .suggestion()
            .map_or_else(String::new, |advice| format!("     = {advice}\n"));
        assert_eq!(
            report(&[unknown()], "x.yml", FILE, &PLAIN),
            format!(
                "x.yml:2:1: warn: {cause} [unknown_key]\n   2 | suod: 1\n     | ^^^^\n{advice}"
            )
        );
        let colored = Style {
            color: true,
            ..PLAIN
        };
        assert!(report(&[unknown()], "x.yml", FILE, &colored).contains("\u{1b}[33m^^^^\u{1b}[0m"));
        assert_eq!(tally(&[unknown()]).as_deref(), Some("1 warning"));
        assert_eq!(tally(&[]), None);
    }

    #[test]
    fn machines_get_all_fields() {
        let json = json!(messages_json(&[unknown()], FILE));
        for (field, value) in [
            ("level", json!("warn")),
            ("key", json!("root")),
            ("code", json!("unknown_key")),
            ("args", json!({"key": "suod"})),
            ("line", json!(2)),
            ("column", json!(1)),
            ("width", json!(4)),
            ("source", json!("suod: 1")),
        ] {
            assert_eq!(json[0][field], value, "{field}");
        }
        assert!(json[0]["cause"].is_string());
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let line = format!("a: {}here{}", "x".repeat(300), "y".repeat(300));
        let place = Place {
            line: 1,
            column: 304,
            width: 4,
        };
        let (shown, mark) = marked(&line, place, 100);
        assert!(
            shown.starts_with('…') && shown.ends_with('…') && shown.chars().count() < 110,
            "{shown}"
        );
        assert_eq!(
            mark.find('^').map(|place| &shown[place + 2..place + 6]),
            Some("here")
        );
    }
}
