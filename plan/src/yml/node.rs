//! The tree between reading and the finished configuration: values whose keys remember where they stood in the file.

use super::import::Mode;
use crate::value::{Map, Text, Value};

/// A map key and where its text begins in the file.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) text: Text,
    /// Byte offset in the text plus one; 0 when the key was not written by the author.
    pub(super) mark: u32,
    /// What the author wrote, if a repair changed it.
    old: Option<Text>,
    /// How an imported value is merged with this key's, if a tag says so.
    pub(super) mode: Option<Mode>,
}

impl Key {
    /// A key written at an offset.
    pub(super) fn written(text: &str, mark: u32) -> Self {
        Key {
            text: text.into(),
            mark,
            old: None,
            mode: None,
        }
    }

    /// The key under its old name, if it was repaired.
    pub(super) fn old(&self) -> Option<Key> {
        self.old.as_ref().map(|old| Key::written(old, self.mark))
    }

    /// A key that stands nowhere in the file.
    pub(super) fn made(text: &str) -> Self {
        Key::written(text, 0)
    }

    /// The same place, another text.
    pub(super) fn renamed(&self, text: &str) -> Self {
        Key {
            text: text.into(),
            mark: self.mark,
            old: Some(self.text.clone()),
            mode: self.mode,
        }
    }
}

/// The entries of a map in order, one per key, and the keys that the author gave more than once.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    entries: Vec<(Key, Node)>,
    pub(super) duplicates: Vec<Text>,
}

impl Fields {
    /// No entries, but what was said of duplicates.
    pub(super) fn with_duplicates(duplicates: Vec<Text>) -> Self {
        Fields {
            entries: Vec::new(),
            duplicates,
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries
            .iter()
            .find(|(name, _)| name.text == key)
            .map(|(_, node)| node)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries
            .iter_mut()
            .find(|(name, _)| name.text == key)
            .map(|(_, node)| node)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Sets a key; one already there keeps its place and its mark.
    pub(super) fn set(&mut self, key: Key, node: Node) {
        match self
            .entries
            .iter_mut()
            .find(|(name, _)| name.text == key.text)
        {
            Some((_, old)) => *old = node,
            None => self.entries.push((key, node)),
        }
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Node> {
        let place = self.entries.iter().position(|(name, _)| name.text == key)?;
        Some(self.entries.remove(place).1)
    }

    pub(super) fn take_entry(&mut self, key: &str) -> Option<(Key, Node)> {
        let place = self.entries.iter().position(|(name, _)| name.text == key)?;
        Some(self.entries.remove(place))
    }

    /// Puts an entry in under its new name; one of that name keeps its place and loses its value and mark.
    pub(super) fn set_renamed(&mut self, key: Key, node: Node) {
        match self
            .entries
            .iter_mut()
            .find(|(name, _)| name.text == key.text)
        {
            Some(old) => *old = (key, node),
            None => self.entries.push((key, node)),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(Key, Node)> {
        self.entries.iter()
    }

    pub(super) fn first(&self) -> Option<&(Key, Node)> {
        self.entries.first()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn retain(&mut self, keep: impl FnMut(&(Key, Node)) -> bool) {
        self.entries.retain(keep);
    }

    /// Sets the value of the entry at a place.
    pub(super) fn replace_at(&mut self, place: usize, node: Node) {
        if let Some((_, old)) = self.entries.get_mut(place) {
            *old = node;
        }
    }

    /// Notes that the author gave the key at a place more than once.
    pub(super) fn repeat(&mut self, place: usize) {
        if let Some((key, _)) = self.entries.get(place) {
            self.duplicates.push(key.text.clone());
        }
    }

    /// Adds an entry whose key is known not to be there yet.
    pub(super) fn push_new(&mut self, key: Key, node: Node) {
        self.entries.push((key, node));
    }
}

impl Fields {
    /// Values in it, itself included.
    pub(super) fn count(&self) -> usize {
        self.entries
            .iter()
            .fold(1, |count, (_, node)| count + node.count())
    }

    /// Adds to the marks of keys: they stand in a text behind others.
    pub(super) fn shift(&mut self, base: u32) {
        for (key, node) in &mut self.entries {
            if key.mark > 0 {
                key.mark = key.mark.saturating_add(base);
            }
            node.shift(base);
        }
    }
}

impl IntoIterator for Fields {
    type Item = (Key, Node);
    type IntoIter = std::vec::IntoIter<(Key, Node)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl FromIterator<(Key, Node)> for Fields {
    fn from_iter<I: IntoIterator<Item = (Key, Node)>>(entries: I) -> Self {
        let mut fields = Fields::default();
        for (key, node) in entries {
            fields.set(key, node);
        }
        fields
    }
}

/// One value on its way from file to configuration.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    Str(Text),
    Seq(Vec<Node>),
    Map(Fields),
}

/// What a value is, as the rules of the language tell values apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    None,
    Bool,
    Num,
    Str,
    Seq,
    Map,
    /// A map with the one key `secure`.
    Secure,
    /// Only schemas have this type.
    Any,
}

impl Type {
    pub(super) fn name(self) -> &'static str {
        match self {
            Type::None => "none",
            Type::Bool => "bool",
            Type::Num => "num",
            Type::Str => "str",
            Type::Seq => "seq",
            Type::Map => "map",
            Type::Secure => "secure",
            Type::Any => "any",
        }
    }
}

impl Node {
    pub(super) fn kind(&self) -> Type {
        match self {
            Node::Null => Type::None,
            Node::Bool(_) => Type::Bool,
            Node::Int(_) => Type::Num,
            Node::Str(_) => Type::Str,
            Node::Seq(_) => Type::Seq,
            Node::Map(fields) if fields.len() == 1 && fields.has("secure") => Type::Secure,
            Node::Map(_) => Type::Map,
        }
    }

    pub(super) fn is(&self, kind: Type) -> bool {
        self.kind() == kind
    }

    pub(super) fn is_scalar(&self) -> bool {
        !matches!(self, Node::Seq(_) | Node::Map(_))
    }

    /// Whether the author gave something: not nothing, not empty.
    pub(super) fn is_given(&self) -> bool {
        match self {
            Node::Null => false,
            Node::Bool(_) | Node::Int(_) => true,
            Node::Str(text) => !text.is_empty(),
            Node::Seq(items) => !items.is_empty(),
            Node::Map(fields) if self.is(Type::Secure) => {
                matches!(fields.get("secure"), Some(Node::Str(_)))
            }
            Node::Map(fields) => !fields.is_empty(),
        }
    }

    /// Nothing, or an empty map: what is dropped from maps and lists.
    pub(super) fn is_missing(&self) -> bool {
        match self {
            Node::Null => true,
            Node::Map(fields) => fields.is_empty(),
            _ => false,
        }
    }

    fn count(&self) -> usize {
        match self {
            Node::Seq(items) => items.iter().fold(1, |count, item| count + item.count()),
            Node::Map(fields) => fields.count(),
            _ => 1,
        }
    }

    fn shift(&mut self, base: u32) {
        match self {
            Node::Seq(items) => items.iter_mut().for_each(|item| item.shift(base)),
            Node::Map(fields) => fields.shift(base),
            _ => {}
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Node::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The plain value, without a copy.
    fn into_value(self) -> Value {
        match self {
            Node::Str(text) => Value::Str(text),
            Node::Seq(items) => items.into_iter().map(Node::into_value).collect(),
            Node::Map(fields) => Value::Map(fields.into_map()),
            other => other.to_value(),
        }
    }

    /// The plain value.
    pub(super) fn to_value(&self) -> Value {
        match self {
            Node::Null => Value::Null,
            Node::Bool(flag) => Value::Bool(*flag),
            Node::Int(number) => Value::Int(*number),
            Node::Str(text) => Value::Str(text.clone()),
            Node::Seq(items) => items.iter().map(Node::to_value).collect(),
            Node::Map(fields) => Value::Map(fields.to_map()),
        }
    }
}

impl Fields {
    pub(super) fn into_map(self) -> Map {
        let mut map = Map::new();
        for (key, node) in self.entries {
            map.push_new(key.text, node.into_value());
        }
        map
    }

    pub(super) fn to_map(&self) -> Map {
        let mut map = Map::new();
        for (key, node) in &self.entries {
            map.push_new(key.text.clone(), node.to_value());
        }
        map
    }
}
