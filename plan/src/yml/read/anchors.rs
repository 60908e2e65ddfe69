//! Anchors whose names are given more than once. serde_yaml takes the next new anchor for the last one of that name, so each
//! gets a name of its own, as long as the old one: everything stays where it stands.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use saphyr_parser::{Event, Parser};

/// The text with anchors told apart; none if they are, or if that can't be done without changing what the text says.
pub(super) fn told_apart(text: &str) -> Option<String> {
    let names: Vec<_> = names(text, '&').collect();
    let mut taken: HashSet<&str> = HashSet::new();
    if names.iter().all(|name| taken.insert(&text[name.clone()])) || !text.is_ascii() {
        return None;
    }
    let before = events(text)?;
    let mut renamed = text.to_owned();
    let mut fresh = HashMap::new();
    let mut defined: HashSet<&str> = HashSet::new();
    let mut number = 0;
    let mut names = names.into_iter().peekable();
    for (event, start) in &before {
        match event {
            Event::Alias(id) => {
                if let Some(name) = fresh.get(id) {
                    let name: &String = name;
                    renamed.replace_range(start + 1..start + 1 + name.len(), name);
                }
            }
            Event::Scalar(_, _, id, _)
            | Event::SequenceStart(id, _)
            | Event::MappingStart(id, _)
                if *id > 0 =>
            {
                // The last one before it: others are part of a text or a comment.
                let mut own = None;
                while let Some(name) = names.next_if(|name| name.start <= start + 1) {
                    own = Some(name);
                }
                let own = own?;
                if !defined.insert(&text[own.clone()]) {
                    let name = unlike(&taken, own.len(), &mut number)?;
                    renamed.replace_range(own, &name);
                    fresh.insert(*id, name);
                }
            }
            _ => {}
        }
    }
    (events(&renamed)? == before).then_some(renamed)
}

/// A name of this length that is not taken, from the number on.
fn unlike(taken: &HashSet<&str>, length: usize, number: &mut u32) -> Option<String> {
    loop {
        let digits = format!("{:0>length$}", *number);
        *number += 1;
        if digits.len() > length {
            return None;
        }
        if !taken.contains(digits.as_str()) {
            return Some(digits);
        }
    }
}

/// Whatever looks like the name of an anchor (`&name`) or of an alias (`*name`).
pub(super) fn names(text: &str, sign: char) -> impl Iterator<Item = Range<usize>> {
    let bytes = text.as_bytes();
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let begins = |byte: u8| byte.is_ascii_whitespace() || b"[{,:-".contains(&byte);
    text.match_indices(sign).filter_map(move |(place, _)| {
        let start = place + 1;
        let length = bytes[start..].iter().take_while(is_part).count();
        let before = place.checked_sub(1).map(|before| bytes[before]);
        (length > 0 && before.is_none_or(begins)).then_some(start..start + length)
    })
}

/// What the first document says, each part with the place where it begins.
fn events(text: &str) -> Option<Vec<(Event<'_>, usize)>> {
    let mut events = Vec::new();
    for next in Parser::new_from_str(text) {
        let (event, span) = next.ok()?;
        if event == Event::DocumentEnd {
            break;
        }
        events.push((event, span.start.index()));
    }
    Some(events)
}
