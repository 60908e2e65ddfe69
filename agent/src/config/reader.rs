//! Reads a YAML tree section by section and collects everything that is wrong with it, with the line of each problem.
//!
//! serde_yaml keeps places only in its errors. So problems are first collected with their path in the tree, and then
//! the file is read once more for each of them by a visitor that fails on purpose at that path.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_yaml::{Mapping, Value};

/// One thing wrong with the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Line, from 1, where known.
    pub(crate) line: Option<usize>,
    /// Dotted path of the key; empty for the file as a whole.
    pub(crate) key: String,
    /// What is wrong, and what would be right.
    pub(crate) text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.text)
    }
}

/// One step from the root of the tree towards a value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Item(usize),
}

/// Collects problems.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<(Vec<Step>, String)>>);

impl Problems {
    /// Takes the problems, each with its line in `text`, in the order of the file.
    pub(super) fn into_list(self, text: &str) -> Vec<Problem> {
        let mut list: Vec<Problem> = self
            .0
            .into_inner()
            .into_iter()
            .map(|(path, what)| Problem {
                line: locate(text, &path),
                key: dotted(&path),
                text: what,
            })
            .collect();
        list.sort_by_key(|problem| problem.line);
        list
    }

    fn add(&self, path: &[Step], what: String) {
        self.0.borrow_mut().push((path.to_vec(), what));
    }
}

/// One map of the file, read key by key.
#[derive(Debug)]
pub(super) struct Section<'a> {
    problems: &'a Problems,
    path: Vec<Step>,
    map: Mapping,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The map at the root of the file.
    pub(super) fn root(problems: &'a Problems, value: Value) -> Self {
        Section::of(problems, Vec::new(), value)
    }

    fn of(problems: &'a Problems, path: Vec<Step>, value: Value) -> Self {
        let map = match value {
            Value::Mapping(map) => map,
            Value::Null => Mapping::new(),
            other => {
                problems.add(
                    &path,
                    format!("expected a map of keys, found {}", kind(&other)),
                );
                Mapping::new()
            }
        };
        Section {
            problems,
            path,
            map,
            known: Vec::new(),
        }
    }

    /// Reports a problem with a key of this section.
    pub(super) fn problem(&self, key: &str, what: impl Into<String>) {
        let mut path = self.path.clone();
        path.push(Step::Key(key.to_owned()));
        self.problems.add(&path, what.into());
    }

    /// Whether the key is there and has a value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(|value| !value.is_null())
    }

    /// Whether the key was written, be it without a value.
    pub(super) fn mentions(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    /// The value under `key`, by `parse`; `None` if it is absent or wrong (then the problem is kept).
    pub(super) fn get<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        self.known.push(key);
        let value = self.map.get(key).filter(|value| !value.is_null())?;
        match parse(value) {
            Ok(parsed) => Some(parsed),
            Err(what) => {
                self.problem(key, what);
                None
            }
        }
    }

    /// The map under `key`; an empty one if it is absent.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'a> {
        self.known.push(key);
        let mut path = self.path.clone();
        path.push(Step::Key(key.to_owned()));
        Section::of(
            self.problems,
            path,
            self.map.get(key).cloned().unwrap_or_default(),
        )
    }

    /// The list of maps under `key`, each read by `read`, which gives `None` for an unusable one.
    pub(super) fn sections<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'a>) -> Option<T>,
    ) -> Vec<T> {
        self.known.push(key);
        let items = match self.map.get(key) {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Sequence(items)) => items.clone(),
            Some(other) => {
                self.problem(key, format!("expected a list, found {}", kind(other)));
                return Vec::new();
            }
        };
        let mut all = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let mut path = self.path.clone();
            path.extend([Step::Key(key.to_owned()), Step::Item(index)]);
            let mut section = Section::of(self.problems, path, item);
            all.extend(read(&mut section));
            section.finish();
        }
        all
    }

    /// Every key that nobody has asked for so far, each with its value by `parse`. Values that are wrong are left out.
    pub(super) fn rest<T>(
        &mut self,
        parse: impl Fn(&Value) -> Result<T, String>,
    ) -> BTreeMap<String, T> {
        let mut all = BTreeMap::new();
        let (known, other) = std::mem::take(&mut self.map)
            .into_iter()
            .partition(|(key, _)| key.as_str().is_none_or(|name| self.known.contains(&name)));
        self.map = known;
        let other: Mapping = other;
        for (key, value) in &other {
            match (key.as_str(), parse(value)) {
                (Some(name), Ok(value)) => {
                    all.insert(name.to_owned(), value);
                }
                (Some(name), Err(what)) => self.problem(name, what),
                (None, _) => {}
            }
        }
        all
    }

    /// Reports a problem with this section as a whole.
    pub(super) fn fault(&self, what: impl Into<String>) {
        self.problems.add(&self.path, what.into());
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self) {
        for key in self.map.keys() {
            let Some(name) = key.as_str() else {
                let shown = serde_yaml::to_string(key).unwrap_or_default();
                self.fault(format!("key {} is not text", shown.trim()));
                continue;
            };
            if self.known.contains(&name) {
                continue;
            }
            let what = match nearest(name, &self.known) {
                Some(near) => format!("unknown key; did you mean {near:?}?"),
                None => format!("unknown key; known here: {}", self.known.join(", ")),
            };
            self.problem(name, what);
        }
    }
}

/// What a value is, for messages.
pub(super) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(flag) => format!("{flag}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("{text:?}"),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a map".to_owned(),
        Value::Tagged(tagged) => format!("the tag {}", tagged.tag),
    }
}

/// The known word that `word` is most likely a slip of.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.to_ascii_lowercase();
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&word, name), *name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn dotted(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
            Step::Item(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

/// The line of the value (of the key, for a map entry) at `path`.
fn locate(text: &str, path: &[Step]) -> Option<usize> {
    let error = Locate(path)
        .deserialize(serde_yaml::Deserializer::from_str(text))
        .err()?;
    error.location().map(|place| place.line())
}

/// Fails at the place the path leads to, and nowhere else.
#[derive(Clone, Copy)]
struct Locate<'a>(&'a [Step]);

impl<'de> DeserializeSeed<'de> for Locate<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Locate<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("something else")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((Step::Key(wanted), rest)) = self.0.split_first() else {
            return Err(A::Error::custom("here"));
        };
        while let Some(found) = map.next_key_seed(KeyIs {
            wanted,
            last: rest.is_empty(),
        })? {
            if found {
                map.next_value_seed(Locate(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((Step::Item(wanted), rest)) = self.0.split_first() else {
            return Err(A::Error::custom("here"));
        };
        for _ in 0..*wanted {
            items.next_element::<IgnoredAny>()?;
        }
        items.next_element_seed(Locate(rest))?;
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// Reads one key: fails at the last one of a path, else says whether it is the one wanted.
struct KeyIs<'a> {
    wanted: &'a str,
    last: bool,
}

impl<'de> DeserializeSeed<'de> for KeyIs<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyIs<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<bool, E> {
        match key == self.wanted {
            true if self.last => Err(E::custom("here")),
            found => Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a: 1\nb:\n  - x: 1\n    y: [1,\n      2]\n  - {x: 2, z: 3}\nc:\n  d: 4\n";

    fn key(name: &str) -> Step {
        Step::Key(name.to_owned())
    }

    #[test]
    fn lines_are_found_by_path() {
        assert_eq!(locate(TEXT, &[key("a")]), Some(1));
        assert_eq!(locate(TEXT, &[key("b"), Step::Item(0), key("y")]), Some(4));
        assert_eq!(locate(TEXT, &[key("b"), Step::Item(1), key("z")]), Some(6));
        assert_eq!(locate(TEXT, &[key("c"), key("d")]), Some(8));
        assert_eq!(locate(TEXT, &[]), Some(1));
        assert_eq!(locate(TEXT, &[key("nowhere")]), None);
    }

    #[test]
    fn the_nearest_word_is_near() {
        let known = ["listen", "limits", "log"];
        assert_eq!(nearest("lsiten", &known), Some("listen"));
        assert_eq!(nearest("LOG", &known), Some("log"));
        assert_eq!(nearest("repositories", &known), None);
    }

    #[test]
    fn paths_are_shown_dotted() {
        assert_eq!(dotted(&[key("b"), Step::Item(1), key("z")]), "b[1].z");
    }
}
