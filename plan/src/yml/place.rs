//! Where things stand in the file: a second reading, taken only when there is a message to place.
//!
//! The first reading knows where keys stand. This one, by an event parser, knows keys and values, so that a message can point at
//! the very value, the second of two equal keys, or the spot in a condition. Offsets are of the tidied text, which is ASCII.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, Span};

use super::text::Tidied;
use crate::message::Message;
use crate::value::Value;

/// Collections in each other; serde_yaml, which has read the file before, takes fewer.
const MAX_DEPTH: usize = 256;

/// A part of the text: byte offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    start: usize,
    end: usize,
}

/// A value as it stands in the text.
#[derive(Debug)]
enum Spot {
    Scalar(Range, String),
    Seq(Range, Vec<Spot>),
    Map(Range, Vec<(Spot, Spot)>),
    Alias(Range),
}

impl Spot {
    fn range(&self) -> Range {
        match self {
            Spot::Scalar(range, _)
            | Spot::Seq(range, _)
            | Spot::Map(range, _)
            | Spot::Alias(range) => *range,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Spot::Scalar(_, text) => Some(text),
            _ => None,
        }
    }

    /// The first scalar in it that is as wanted.
    fn scalar(&self, wanted: &dyn Fn(&str) -> bool) -> Option<Range> {
        match self {
            Spot::Scalar(range, text) => wanted(text).then_some(*range),
            Spot::Seq(_, items) => items.iter().find_map(|item| item.scalar(wanted)),
            Spot::Map(_, entries) => entries.iter().find_map(|(_, value)| value.scalar(wanted)),
            Spot::Alias(_) => None,
        }
    }

    /// The maps that a message about this section may be about: itself, or the items of the list.
    fn maps(&self) -> Vec<(Range, &[(Spot, Spot)])> {
        match self {
            Spot::Map(range, entries) => vec![(*range, entries)],
            Spot::Seq(_, items) => items.iter().flat_map(Spot::maps).collect(),
            _ => Vec::new(),
        }
    }

    /// What `choose` makes of the first entry at this path of keys for which it makes anything; lists don't count.
    fn below(
        &self,
        path: &[&str],
        choose: &dyn Fn(&Spot, &Spot) -> Option<Range>,
    ) -> Option<Range> {
        match (self, path) {
            (Spot::Seq(_, items), _) => items.iter().find_map(|item| item.below(path, choose)),
            (Spot::Map(_, entries), [name, rest @ ..]) => entries
                .iter()
                .filter(|(key, _)| key.text() == Some(*name))
                .find_map(|(key, value)| match rest {
                    [] => choose(key, value),
                    rest => value.below(rest, choose),
                }),
            _ => None,
        }
    }

    /// Every `if` below, with its text.
    fn condition(&self, wanted: &str) -> Option<Range> {
        match self {
            Spot::Seq(_, items) => items.iter().find_map(|item| item.condition(wanted)),
            Spot::Map(_, entries) => entries.iter().find_map(|(key, value)| {
                let own = (key.text() == Some("if")).then(|| value.scalar(&|text| text == wanted));
                own.flatten().or_else(|| value.condition(wanted))
            }),
            _ => None,
        }
    }
}

/// A file taken apart by place.
pub(super) struct Places<'t> {
    text: &'t str,
    root: Option<Spot>,
}

impl<'t> Places<'t> {
    /// Reads the tidied text once more; where the event parser can't, keys are all that is known.
    pub(super) fn of(text: &'t str) -> Self {
        Places {
            text,
            root: Builder::new(text).document(),
        }
    }

    /// Gives each message its place. With each comes the place of its key: an offset plus one, 0 if there is none.
    pub(super) fn fill(&self, tidied: &Tidied<'_>, messages: &mut [(&mut Message, u32)]) {
        let mut entries = HashMap::new();
        if let Some(root) = &self.root {
            index(root, &mut entries);
        }
        let map = tidied.map();
        for (message, mark) in messages {
            let offset = usize::try_from(*mark)
                .ok()
                .and_then(|mark| mark.checked_sub(1));
            let entry = offset.and_then(|offset| entries.get(&offset).copied());
            let range = self
                .target(message, entry)
                .or_else(|| entry.map(|(key, _)| key.range()))
                .or_else(|| offset.map(|offset| self.word(offset)));
            message.place = range.map(|range| {
                let end = self
                    .line_end(range.start)
                    .min(range.end)
                    .max(range.start + 1);
                map.place(range.start, end - range.start)
            });
        }
    }

    /// What exactly a message is about; without a better answer, its key.
    fn target(&self, message: &Message, entry: Option<(&Spot, &Spot)>) -> Option<Range> {
        let section = entry.map(|(_, value)| value).or(self.root.as_ref());
        let section = section?;
        match message.code.as_str() {
            "duplicate_key" => nth_key(section, message.text("key")?, 1),
            "overwrite" => nth_key(section, message.text("key")?, 0),
            "required" => lacking(section, message.text("key")?),
            code if code.starts_with("skip_") => {
                self.root.as_ref()?.condition(message.text("condition")?)
            }
            "invalid_condition" => self.in_condition(entry?.1, message),
            "unknown_value" | "deprecated_value" | "invalid_type" | "unexpected_seq"
            | "downcase" | "invalid_format" | "invalid_secure" => {
                self.value(entry?.1, message.arg("value"))
            }
            "find_value" | "clean_value" => self.value(entry?.1, message.arg("original")),
            "alias_value" => self.value(entry?.1, message.arg("alias")),
            "invalid_env_var" => self.value(entry?.1, message.arg("var")),
            "unknown_var" => {
                let name = format!("%{{{}}}", message.text("var")?);
                let range = entry?.1.scalar(&|text| text.contains(&name))?;
                Some(self.within(range, &name).unwrap_or(range))
            }
            "secure" => entry?.1.scalar(&|text| !text.starts_with('$')),
            "needs_root" => self.at_path(message),
            _ => None,
        }
    }

    /// The value that the message names below its key, a path; else the path's last key.
    fn at_path(&self, message: &Message) -> Option<Range> {
        let root = self.root.as_ref()?;
        let names: Vec<&str> = message.key.split('.').collect();
        // Where jobs are listed, as `matrix` too, and without `include`.
        let paths = match names.as_slice() {
            ["jobs", "include", rest @ ..] => [
                [&["jobs", "include"], rest].concat(),
                [&["matrix", "include"], rest].concat(),
                [&["jobs"], rest].concat(),
                [&["matrix"], rest].concat(),
            ]
            .to_vec(),
            names => vec![names.to_vec()],
        };
        let value = message.text("value");
        let exact = |key: &Spot, spot: &Spot| match value {
            Some(value) => spot.scalar(&|text| text == value),
            None => Some(key.range()),
        };
        let found = paths.iter().find_map(|path| root.below(path, &exact));
        found.or_else(|| {
            let key = |key: &Spot, _: &Spot| Some(key.range());
            paths.iter().find_map(|path| root.below(path, &key))
        })
    }

    /// The scalar that the message names, or all of the value.
    fn value(&self, spot: &Spot, value: Option<&Value>) -> Option<Range> {
        let shown = match value {
            Some(Value::Str(text)) => text.to_string(),
            Some(Value::Int(number)) => number.to_string(),
            Some(Value::Bool(flag)) => flag.to_string(),
            Some(Value::Map(map)) => map.text("secure").unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        let same = || spot.scalar(&|text| text == shown);
        let alike = || spot.scalar(&|text| text.trim().eq_ignore_ascii_case(shown.trim()));
        let found = if shown.is_empty() {
            None
        } else {
            same().or_else(alike)
        };
        Some(found.unwrap_or_else(|| spot.range())).filter(|range| range.end > range.start)
    }

    /// The spot in a condition where reading stopped.
    fn in_condition(&self, spot: &Spot, message: &Message) -> Option<Range> {
        let condition = message.text("condition")?;
        let range = spot
            .scalar(&|text| text == condition)
            .unwrap_or_else(|| spot.range());
        let Some(Value::Int(position)) = message.arg("position") else {
            return Some(range);
        };
        let position = usize::try_from(*position).ok()?;
        let Some(written) = self.within(range, condition) else {
            return Some(range);
        };
        let start = written.start + position.min(condition.len());
        let rest = condition.get(position..).unwrap_or_default();
        let width = rest
            .find(|c: char| c.is_whitespace() || c == ')')
            .unwrap_or(rest.len());
        Some(Range {
            start: start.min(self.text.len().saturating_sub(1)),
            end: start + width.max(1),
        })
    }

    /// Where a text stands as it is inside a range.
    fn within(&self, range: Range, wanted: &str) -> Option<Range> {
        let part = self.text.get(range.start..range.end.min(self.text.len()))?;
        let start = range.start + part.find(wanted)?;
        Some(Range {
            start,
            end: start + wanted.len(),
        })
    }

    /// The key that begins at an offset.
    fn word(&self, offset: usize) -> Range {
        let rest = self.text.get(offset..).unwrap_or_default();
        let width = rest
            .find([':', '\n', '"', '\'', ',', '}'])
            .unwrap_or(rest.len());
        Range {
            start: offset,
            end: offset + width.max(1),
        }
    }

    fn line_end(&self, offset: usize) -> usize {
        let rest = self.text.get(offset..).unwrap_or_default();
        offset + rest.find(['\n', '\r']).unwrap_or(rest.len())
    }
}

/// Entries by the place of their key. A quoted key begins after its quote, as in the first reading.
fn index<'s>(spot: &'s Spot, entries: &mut HashMap<usize, (&'s Spot, &'s Spot)>) {
    match spot {
        Spot::Seq(_, items) => items.iter().for_each(|item| index(item, entries)),
        Spot::Map(_, all) => {
            for (key, value) in all {
                let range = key.range();
                entries.insert(range.start, (key, value));
                if let Spot::Scalar(_, text) = key
                    && range.end - range.start == text.len() + 2
                {
                    entries.insert(range.start + 1, (key, value));
                }
                index(value, entries);
            }
        }
        _ => {}
    }
}

/// The key of this name that has `before` others of the same name before it in its map.
fn nth_key(section: &Spot, name: &str, before: usize) -> Option<Range> {
    section.maps().into_iter().find_map(|(_, entries)| {
        entries
            .iter()
            .filter(|(key, _)| key.text() == Some(name))
            .nth(before)
            .map(|(key, _)| key.range())
    })
}

/// The first map that lacks a key: its first key stands for it.
fn lacking(section: &Spot, name: &str) -> Option<Range> {
    let (range, entries) = section
        .maps()
        .into_iter()
        .find(|(_, entries)| !entries.iter().any(|(key, _)| key.text() == Some(name)))?;
    Some(entries.first().map_or(range, |(key, _)| key.range()))
}

/// Events to spots.
struct Builder<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Self {
        Builder {
            parser: Parser::new_from_str(text),
        }
    }

    fn next(&mut self) -> Option<(Event<'t>, Span)> {
        self.parser.next_event()?.ok()
    }

    fn document(&mut self) -> Option<Spot> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                (event, span) => return self.spot(event, span, 0),
            }
        }
    }

    fn spot(&mut self, event: Event<'t>, span: Span, depth: usize) -> Option<Spot> {
        let start = span.start.index();
        let range = Range {
            start,
            end: span.end.index(),
        };
        match event {
            Event::Scalar(text, ..) => Some(Spot::Scalar(range, text.into_owned())),
            Event::Alias(_) => Some(Spot::Alias(range)),
            _ if depth > MAX_DEPTH => None,
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if event == Event::SequenceEnd {
                        let end = span.end.index();
                        return Some(Spot::Seq(Range { start, end }, items));
                    }
                    items.push(self.spot(event, span, depth + 1)?);
                }
            }
            Event::MappingStart(..) => {
                let mut entries = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if event == Event::MappingEnd {
                        let end = span.end.index();
                        return Some(Spot::Map(Range { start, end }, entries));
                    }
                    let key = self.spot(event, span, depth + 1)?;
                    let (event, span) = self.next()?;
                    entries.push((key, self.spot(event, span, depth + 1)?));
                }
            }
            _ => None,
        }
    }
}
