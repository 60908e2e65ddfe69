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

/// The bytes that messages are about, under the names that are shown.
pub(super) struct Files {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// The imported ones: as messages name them, as they are shown, and what is in them.
    pub(super) imported: Vec<(String, String, Vec<u8>)>,
}

impl Files {
    pub(super) fn of(name: String, bytes: Vec<u8>) -> Self {
        Files {
            name,
            bytes,
            imported: Vec::new(),
        }
    }

    fn order(&self, message: &Message) -> Option<usize> {
        let name = message.file.as_deref()?;
        self.imported.iter().position(|(known, ..)| known == name)
    }

    fn name<'f>(&'f self, message: &'f Message) -> &'f str {
        match (self.order(message), &message.file) {
            (Some(place), _) => &self.imported[place].1,
            (None, Some(name)) => name,
            (None, None) => &self.name,
        }
    }

    fn source_line(&self, message: &Message) -> Option<String> {
        let bytes = match (self.order(message), &message.file) {
            (Some(place), _) => &self.imported[place].2,
            (None, Some(_)) => return None,
            (None, None) => &self.bytes,
        };
        message.place?.source_line(bytes)
    }
}

/// A message as machines read it.
#[derive(Debug, Serialize)]
pub(super) struct MessageJson<'m> {
    level: &'static str,
    key: &'m str,
    code: &'m str,
    args: Map,
    /// The imported file that the place is in; none for the file itself.
    file: Option<&'m str>,
    line: Option<u32>,
    column: Option<u32>,
    width: Option<u32>,
    source: Option<String>,
    cause: String,
    suggestion: Option<String>,
}

pub(super) fn messages_json<'m>(messages: &'m [Message], files: &Files) -> Vec<MessageJson<'m>> {
    let json = |message: &'m Message| MessageJson {
        level: message.level.name(),
        key: &message.key,
        code: &message.code,
        args: message.args.iter().cloned().collect(),
        file: message.file.as_deref(),
        line: message.place.map(|place| place.line),
        column: message.place.map(|place| place.column),
        width: message.place.map(|place| place.width),
        source: files.source_line(message),
        cause: message.cause(),
        suggestion: message.suggestion(),
    };
    messages.iter().map(json).collect()
}

/// Messages for people, in the order of the file: place, level and cause, the line with the place marked, what to do.
pub(super) fn report(messages: &[Message], files: &Files, style: &Style) -> String {
    let mut ordered: Vec<&Message> = messages.iter().collect();
    ordered.sort_by_key(|message| (message.place.is_none(), files.order(message), message.place));
    ordered
        .into_iter()
        .map(|message| paragraph(message, files, style))
        .collect()
}

fn paragraph(message: &Message, files: &Files, style: &Style) -> String {
    let name = files.name(message);
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
        && let Some(line) = files.source_line(message)
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
        .map_or_else(String::new, |place| match &message.file {
            Some(file) => format!("{file}, line {}: ", place.line),
            None => format!("line {}: ", place.line),
        });
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

    fn files() -> Files {
        Files::of("x.yml".to_owned(), FILE.to_vec())
    }

    #[test]
    fn messages_about_imported_files_show_those() {
        let mut files = files();
        let lines = b"# one\nsuod: 2\n".to_vec();
        files
            .imported
            .push(("a/b:ci.yml".to_owned(), "ci.yml".to_owned(), lines));
        let message = Message {
            file: Some("a/b:ci.yml".to_owned()),
            ..unknown()
        };
        let report = report(std::slice::from_ref(&message), &files, &PLAIN);
        assert!(report.starts_with("ci.yml:2:1: warn: "), "{report}");
        assert!(report.contains("   2 | suod: 2\n"), "{report}");
        let json = json!(messages_json(&[message], &files));
        assert_eq!(json[0]["file"], json!("a/b:ci.yml"));
        assert_eq!(json[0]["source"], json!("suod: 2"));
    }

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
            report(&[unknown()], &files(), &PLAIN),
            format!(
                "x.yml:2:1: warn: {cause} [unknown_key]\n   2 | suod: 1\n     | ^^^^\n{advice}"
            )
        );
        let colored = Style {
            color: true,
            ..PLAIN
        };
        assert!(report(&[unknown()], &files(), &colored).contains("\u{1b}[33m^^^^\u{1b}[0m"));
        assert_eq!(tally(&[unknown()]).as_deref(), Some("1 warning"));
        assert_eq!(tally(&[]), None);
    }

    #[test]
    fn machines_get_all_fields() {
        let json = json!(messages_json(&[unknown()], &files()));
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
