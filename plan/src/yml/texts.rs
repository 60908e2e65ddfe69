//! The texts that one tree was read from: a file, and what it imports. Marks of keys count through all of them, so that a
//! merged tree still knows where each key stands.

use std::cell::OnceCell;

use super::place::Places;
use super::text::{Lines, Tidied};
use crate::message::Message;

/// The texts, the file's own first.
pub(super) struct Texts<'t>(Vec<Source<'t>>);

struct Source<'t> {
    /// Which imported file it is; none for the file's own.
    name: Option<String>,
    /// What is added to marks of this text.
    base: u32,
    tidied: Tidied<'t>,
    lines: OnceCell<Lines>,
}

impl<'t> Texts<'t> {
    pub(super) fn of(tidied: Tidied<'t>) -> Self {
        let mut texts = Texts(Vec::new());
        texts.add(None, tidied);
        texts
    }

    /// Adds a text; returns what has to be added to its marks.
    pub(super) fn add(&mut self, name: Option<String>, tidied: Tidied<'t>) -> u32 {
        let base = self.0.last().map_or(0, |last| {
            let length = u32::try_from(last.tidied.text.len()).unwrap_or(u32::MAX);
            last.base.saturating_add(length).saturating_add(1)
        });
        self.0.push(Source {
            name,
            base,
            tidied,
            lines: OnceCell::new(),
        });
        base
    }

    /// A number for the line of a mark that no other line has; 0 for no mark.
    pub(super) fn line(&self, mark: u32) -> u32 {
        let Some(source) = self.source(mark) else {
            return 0;
        };
        let lines = source
            .lines
            .get_or_init(|| Lines::of(source.tidied.text.as_bytes()));
        let offset = usize::try_from(mark - source.base - 1).unwrap_or(usize::MAX);
        source.base + lines.number(offset)
    }

    fn source(&self, mark: u32) -> Option<&Source<'t>> {
        let after = self.0.partition_point(|source| source.base < mark);
        self.0.get(after.checked_sub(1)?)
    }

    /// Gives messages their files and places, as far as there is anything to place.
    pub(super) fn place(&self, messages: &mut [(Message, u32)]) {
        for source in &self.0 {
            let own: Vec<(&mut Message, u32)> = messages
                .iter_mut()
                .filter_map(|(message, mark)| {
                    let is_own = match self.source(*mark) {
                        Some(other) => other.base == source.base,
                        None => source.base == 0,
                    };
                    is_own.then(|| (message, mark.saturating_sub(source.base)))
                })
                .collect();
            source.place(own);
        }
    }

    /// Gives messages without a key that was marked ([`is_placed_by_words`]) a place in the first text that has what they name.
    pub(super) fn place_lost(&self, mut messages: Vec<&mut Message>) {
        for source in &self.0 {
            messages.retain(|message| message.place.is_none());
            let own = messages.iter_mut().map(|message| (&mut **message, 0));
            source.place(own.collect());
        }
    }

    /// A message for each text that characters were dropped from.
    pub(super) fn dropped(&self) -> impl Iterator<Item = Message> {
        self.0.iter().filter_map(|source| {
            let (count, place) = source.tidied.dropped?;
            let mut message = super::say_dropped(count, place);
            message.file.clone_from(&source.name);
            Some(message)
        })
    }
}

/// Whether a message of this code is placed by what it names, not by its key's mark.
pub(super) fn is_placed_by_words(code: &str) -> bool {
    code.starts_with("skip_") || code == "needs_root"
}

impl Source<'_> {
    fn place(&self, mut messages: Vec<(&mut Message, u32)>) {
        let has_place = |(message, mark): &(&mut Message, u32)| {
            *mark > 0 || message.code == "duplicate_key" || is_placed_by_words(&message.code)
        };
        if !messages.iter().any(has_place) {
            return;
        }
        Places::of(&self.tidied.text).fill(&self.tidied, &mut messages);
        for (message, _) in messages {
            if message.place.is_some() {
                message.file.clone_from(&self.name);
            }
        }
    }
}
