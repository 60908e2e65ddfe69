//! Maps: their keys as they are read, merges, and keys that are there twice.

use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Visitor};

use super::Pass;
use crate::value::Text;
use crate::yml::node::{Fields, Key, Node};

/// A key as read: its text, its place, and whether it is a plain `<<`.
pub(super) struct ReadKey {
    pub(super) key: Key,
    is_merge: bool,
}

pub(super) struct KeySeed<'p, 't> {
    pub(super) pass: &'p Pass<'t>,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_, '_> {
    type Value = ReadKey;

    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<ReadKey, D::Error> {
        self.pass.count()?;
        deserializer.deserialize_str(self)
    }
}

impl KeySeed<'_, '_> {
    fn key(text: &str, mark: u32) -> ReadKey {
        let name = if text.len() > 1 {
            text.strip_prefix(':').unwrap_or(text)
        } else {
            text
        };
        ReadKey {
            is_merge: text == "<<",
            key: Key::written(name, mark),
        }
    }
}

impl<'de> Visitor<'de> for KeySeed<'_, '_> {
    type Value = ReadKey;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a key that is text")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<ReadKey, E> {
        self.pass.charge(text.len())?;
        let Some(offset) = self.pass.offset(text) else {
            self.pass.cursor.set(None);
            return Ok(Self::key(text, 0));
        };
        self.pass.pass(offset, text);
        self.pass.note_anchor(text, offset);
        Ok(Self::key(text, u32::try_from(offset + 1).unwrap_or(0)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ReadKey, E> {
        self.pass.charge(text.len())?;
        self.pass.cursor.set(None);
        Ok(Self::key(text, 0))
    }
}

/// Puts a map together in the order of the file: a later key wins, and a merge overrides what stands before it (psych,
/// `to_ruby.rb`, `revive_hash`).
#[derive(Default)]
pub(super) struct MapBuilder {
    pub(super) fields: Fields,
    /// Where the key of each field came from.
    origins: Vec<Origin>,
    /// Places of the keys, once there are many.
    places: HashMap<Text, usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Merged,
    Written,
    WrittenAgain,
}

/// Keys of a map that are better looked up than searched.
const LARGE_MAP: usize = 24;

impl MapBuilder {
    /// Adds an entry as the file has it.
    pub(super) fn add(&mut self, key: ReadKey, value: Node) {
        if key.is_merge {
            return match value {
                Node::Map(other) => self.merge(other),
                Node::Seq(items) if items.iter().all(|item| matches!(item, Node::Map(_))) => {
                    let maps = items.into_iter().rev().filter_map(|item| match item {
                        Node::Map(fields) => Some(fields),
                        _ => None,
                    });
                    let mut merged = MapBuilder::default();
                    maps.for_each(|fields| merged.merge(fields));
                    self.merge(merged.fields);
                }
                other => {
                    self.set(key.key, other);
                }
            };
        }
        let place = self.set(key.key, value);
        self.origins[place] = match self.origins[place] {
            Origin::Merged => Origin::Written,
            Origin::Written => {
                self.fields.repeat(place);
                Origin::WrittenAgain
            }
            Origin::WrittenAgain => Origin::WrittenAgain,
        };
    }

    fn merge(&mut self, other: Fields) {
        for (key, value) in other {
            self.set(key, value);
        }
    }

    /// Sets a key; returns its place.
    fn set(&mut self, key: Key, value: Node) -> usize {
        if let Some(place) = self.place(&key.text) {
            self.fields.replace_at(place, value);
            return place;
        }
        let place = self.fields.len();
        if place == LARGE_MAP {
            let keys = self.fields.iter().map(|(key, _)| key.text.clone());
            self.places = keys.zip(0..).collect();
        }
        if place >= LARGE_MAP {
            self.places.insert(key.text.clone(), place);
        }
        self.fields.push_new(key, value);
        self.origins.push(Origin::Merged);
        place
    }

    fn place(&self, name: &str) -> Option<usize> {
        if self.places.is_empty() {
            self.fields.iter().position(|(key, _)| key.text == name)
        } else {
            self.places.get(name).copied()
        }
    }
}
