//! Bytes to tree: the only place that knows serde_yaml.
//!
//! serde_yaml is asked for whatever it sees. Text and keys come as slices of the input, so their place and their quoting are
//! known. A number loses its spelling (`3.10`): it is looked up behind the last value whose place is known; where that is no sure
//! thing, a second pass asks for the text at just those places. Anchors, merges and duplicate keys follow psych, which Travis
//! uses.

mod anchors;
mod map;

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{
    DeserializeSeed, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde_yaml::Deserializer;

use self::map::{KeySeed, MapBuilder};
use super::ReadError;
use super::import::Mode;
use super::node::Node;
use super::scalar;
use super::text::Tidied;

/// Values in one file, aliases unfolded. Far more than any real file, few enough for a bounded time.
const MAX_NODES: u32 = 100_000;
/// Bytes of text in one file, aliases unfolded.
const MAX_TEXT: usize = 8 << 20;
/// Brackets open at once; libyaml's time grows with the square of this.
const MAX_BRACKETS: usize = 1_000;
/// Undefined anchors that are replaced by null before we give up.
const MAX_UNKNOWN_ANCHORS: usize = 100;

/// A file as a tree, with what is needed to speak about it.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) root: Node,
    /// Keys that hold an anchor.
    pub(super) anchors: Vec<String>,
}

/// Why a text is no YAML, with the offset where reading stopped.
#[derive(Debug)]
pub(super) struct Trouble {
    problem: String,
    offset: Option<usize>,
}

impl Trouble {
    fn new(error: &serde_yaml::Error) -> Self {
        let text = error.to_string();
        let Some(location) = error.location() else {
            return Trouble {
                problem: text,
                offset: None,
            };
        };
        let said = format!(" at line {} column {}", location.line(), location.column());
        // The text is ASCII: characters are bytes.
        Trouble {
            problem: text.replacen(&said, "", 1),
            offset: Some(location.index()),
        }
    }

    /// The same with the place in the file.
    pub(super) fn in_file(self, tidied: &Tidied<'_>) -> ReadError {
        let place = |offset: usize| tidied.map().place(offset.min(tidied.text.len()), 1);
        ReadError::Syntax {
            problem: self.problem,
            place: self.offset.map(place),
        }
    }
}

/// Reads the first document of a text.
pub(super) fn read(text: &str) -> Result<Document, Trouble> {
    check_nesting(text)?;
    let told_apart = anchors::told_apart(text);
    let text = told_apart.as_deref().unwrap_or(text);
    match parse(text) {
        Err(error) if is_unknown_anchor(&error) => read_with_null_aliases(text, error),
        other => other.map_err(|error| Trouble::new(&error)),
    }
}

/// The text with the given error's alias blanked out is read again: Travis takes an undefined anchor for null.
fn read_with_null_aliases(text: &str, first: serde_yaml::Error) -> Result<Document, Trouble> {
    let mut bytes = text.as_bytes().to_vec();
    let mut error = first;
    for _ in 0..MAX_UNKNOWN_ANCHORS {
        let place = error
            .location()
            .map(|location| location.index())
            .filter(|place| bytes.get(*place) == Some(&b'*'));
        let Some(place) = place else { break };
        let name = bytes[place + 1..]
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
            .count();
        bytes[place] = b'~';
        bytes[place + 1..=place + name].fill(b' ');
        let text = String::from_utf8_lossy(&bytes);
        match parse(&text) {
            Err(next) if is_unknown_anchor(&next) => error = next,
            other => return other.map_err(|error| Trouble::new(&error)),
        }
    }
    Err(Trouble::new(&error))
}

fn is_unknown_anchor(error: &serde_yaml::Error) -> bool {
    error.to_string().starts_with("unknown anchor")
}

/// Refuses a text with more brackets open than any file needs, before libyaml spends minutes on it.
fn check_nesting(text: &str) -> Result<(), Trouble> {
    let opens = |byte: &u8| matches!(byte, b'[' | b'{');
    if text.bytes().filter(opens).count() <= MAX_BRACKETS {
        return Ok(());
    }
    let mut open = 0usize;
    for (offset, byte) in text.bytes().enumerate() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => continue,
        }
        if open > MAX_BRACKETS {
            return Err(Trouble {
                problem: format!("more than {MAX_BRACKETS} brackets open at once"),
                offset: Some(offset),
            });
        }
    }
    Ok(())
}

fn parse(text: &str) -> Result<Document, serde_yaml::Error> {
    parse_from(text, Pass::new(text, Vec::new()))
}

fn parse_from(text: &str, first: Pass<'_>) -> Result<Document, serde_yaml::Error> {
    let Some(document) = Deserializer::from_str(text).next() else {
        return Ok(Document {
            root: Node::Null,
            anchors: Vec::new(),
        });
    };
    let root = Seed { pass: &first }.deserialize(document)?;
    let spelt = first.spelt.into_inner();
    if spelt.is_empty() {
        return Ok(Document {
            root,
            anchors: first.anchors.into_inner(),
        });
    }
    let second = Pass::new(text, spelt);
    let Some(document) = Deserializer::from_str(text).next() else {
        return Err(serde_yaml::Error::custom("no document"));
    };
    let root = Seed { pass: &second }.deserialize(document)?;
    Ok(Document {
        root,
        anchors: second.anchors.into_inner(),
    })
}

/// What one pass over a document remembers.
struct Pass<'t> {
    text: &'t str,
    /// Numbers of the values (in order of the walk) whose spelling is asked for; empty in the first pass.
    wanted: Vec<u32>,
    /// The same, found out by this pass.
    spelt: RefCell<Vec<u32>>,
    nodes: Cell<u32>,
    bytes: Cell<usize>,
    has_anchors: bool,
    has_aliases: bool,
    /// Where to look for the next number: behind the last scalar whose place is known, if no other came since.
    cursor: Cell<Option<usize>>,
    /// `0o14` is a number to serde_yaml and text to Travis.
    odd_octals: bool,
    anchors: RefCell<Vec<String>>,
    /// What the tag of the value just read says of merging.
    mode: Cell<Option<Mode>>,
}

impl<'t> Pass<'t> {
    fn new(text: &'t str, wanted: Vec<u32>) -> Self {
        Pass {
            text,
            wanted,
            spelt: RefCell::default(),
            nodes: Cell::new(0),
            bytes: Cell::new(0),
            has_anchors: text.contains('&'),
            has_aliases: anchors::names(text, '&').next().is_some()
                && anchors::names(text, '*').next().is_some(),
            cursor: Cell::new(Some(0)),
            odd_octals: text.contains("0o"),
            anchors: RefCell::default(),
            mode: Cell::new(None),
        }
    }

    fn count<E: serde::de::Error>(&self) -> Result<u32, E> {
        let number = self.nodes.get();
        if number >= MAX_NODES {
            return Err(E::custom(format_args!(
                "more than {MAX_NODES} values, aliases counted each time they are used"
            )));
        }
        self.nodes.set(number + 1);
        Ok(number)
    }

    fn charge<E: serde::de::Error>(&self, length: usize) -> Result<(), E> {
        let bytes = self.bytes.get().saturating_add(length);
        if bytes > MAX_TEXT {
            return Err(E::custom(format_args!(
                "more than {MAX_TEXT} bytes of text, aliases counted each time they are used"
            )));
        }
        self.bytes.set(bytes);
        Ok(())
    }

    /// Where a slice of the input begins.
    fn offset(&self, part: &str) -> Option<usize> {
        let offset = (part.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize)?;
        (offset + part.len() <= self.text.len()).then_some(offset)
    }

    /// The spelling of a number that was just met, if it is the next scalar and `is_it` knows it. With aliases in the text nothing
    /// is sure.
    fn next_spelling(&self, is_it: impl FnOnce(&str) -> bool) -> Option<&'t str> {
        let from = self.cursor.take().filter(|_| !self.has_aliases)?;
        let rest = &self.text[from..];
        let start = from + skip_structure(rest.as_bytes())?;
        let rest = &self.text[start..];
        let ends = |c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}' | ':');
        let token = &rest[..rest.find(ends).unwrap_or(rest.len())];
        if !is_it(token) {
            return None;
        }
        self.cursor.set(Some(start + token.len()));
        Some(token)
    }

    /// A scalar whose text stands at this offset has been met.
    fn pass(&self, offset: usize, text: &str) {
        self.cursor.set(Some(
            offset + text.len() + usize::from(self.is_quoted(offset)),
        ));
    }

    fn is_quoted(&self, offset: usize) -> bool {
        offset > 0 && matches!(self.text.as_bytes()[offset - 1], b'"' | b'\'')
    }

    /// Remembers a scalar that an anchor follows with nothing but structure between: Travis names anchors by it.
    fn note_anchor(&self, scalar: &str, offset: usize) {
        if self.has_anchors && anchor_follows(&self.text.as_bytes()[offset + scalar.len()..]) {
            self.anchors.borrow_mut().push(scalar.to_owned());
        }
    }
}

/// Bytes before the next scalar; none if something comes that may be no plain one.
fn skip_structure(bytes: &[u8]) -> Option<usize> {
    let mut place = 0;
    loop {
        match bytes.get(place)? {
            b' ' | b'\t' | b'\r' | b'\n' | b':' | b'[' | b'{' | b']' | b'}' | b',' => place += 1,
            b'-' if matches!(bytes.get(place + 1), Some(b' ' | b'\n' | b'\r')) => place += 1,
            b'#' => place += bytes[place..].iter().position(|byte| *byte == b'\n')?,
            b'0'..=b'9' | b'+' | b'-' | b'.' => return Some(place),
            _ => return None,
        }
    }
}

fn anchor_follows(rest: &[u8]) -> bool {
    let mut bytes = rest.iter().copied().enumerate();
    while let Some((place, byte)) = bytes.next() {
        match byte {
            b'&' => return true,
            b' ' | b'\t' | b'\r' | b'\n' | b':' | b'-' | b'[' | b'{' | b']' | b'}' | b','
            | b'?' => {}
            b'"' | b'\'' if place == 0 => {}
            b'#' => {
                bytes.find(|(_, byte)| *byte == b'\n');
            }
            b'!' => {
                bytes.find(|(_, byte)| byte.is_ascii_whitespace());
            }
            _ => return false,
        }
    }
    false
}

#[derive(Clone, Copy)]
struct Seed<'p, 't> {
    pass: &'p Pass<'t>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = Node;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        let number = self.pass.count()?;
        if self.pass.wanted.binary_search(&number).is_ok() {
            return deserializer.deserialize_str(Spelling);
        }
        deserializer.deserialize_any(Values {
            pass: self.pass,
            number,
        })
    }
}

/// Takes any value.
struct Values<'p, 't> {
    pass: &'p Pass<'t>,
    number: u32,
}

impl Values<'_, '_> {
    fn ask_spelling(&self) {
        self.pass.spelt.borrow_mut().push(self.number);
    }
}

impl<'de> Visitor<'de> for Values<'_, '_> {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a value")
    }

    // A nothing or a truth value may have been written: then the next number is not the next scalar, and isn't found.
    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::Bool(flag))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Node, E> {
        let is_it = |token: &str| token.parse() == Ok(number);
        if self.pass.next_spelling(is_it).is_none() && self.pass.odd_octals {
            self.ask_spelling();
        }
        Ok(Node::Int(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Node, E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            Err(_) => Ok(Node::Str(number.to_string().into())),
        }
    }

    fn visit_i128<E>(self, number: i128) -> Result<Node, E> {
        Ok(Node::Str(number.to_string().into()))
    }

    fn visit_u128<E>(self, number: u128) -> Result<Node, E> {
        Ok(Node::Str(number.to_string().into()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Node, E> {
        let is_it = |token: &str| {
            token.contains(['.', 'e', 'E'])
                && token
                    .parse::<f64>()
                    .is_ok_and(|found| found.to_bits() == number.to_bits())
        };
        match self.pass.next_spelling(is_it) {
            Some(spelling) => {
                self.pass.charge(spelling.len())?;
                Ok(Node::Str(spelling.into()))
            }
            None => {
                self.ask_spelling();
                Ok(Node::Null)
            }
        }
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Node, E> {
        self.pass.charge(text.len())?;
        let Some(offset) = self.pass.offset(text) else {
            self.pass.cursor.set(None);
            return Ok(Node::Str(text.into()));
        };
        self.pass.pass(offset, text);
        self.pass.note_anchor(text, offset);
        if self.pass.is_quoted(offset) {
            Ok(Node::Str(text.into()))
        } else {
            Ok(scalar::resolve(text))
        }
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Node, E> {
        self.pass.charge(text.len())?;
        self.pass.cursor.set(None);
        Ok(Node::Str(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut seq = Vec::new();
        while let Some(item) = items.next_element_seed(Seed { pass: self.pass })? {
            seq.push(item);
        }
        self.pass.mode.set(None);
        Ok(Node::Seq(seq))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut builder = MapBuilder::default();
        while let Some(mut key) = entries.next_key_seed(KeySeed { pass: self.pass })? {
            let value = entries.next_value_seed(Seed { pass: self.pass })?;
            key.key.mode = self.pass.mode.take();
            builder.add(key, value);
        }
        Ok(Node::Map(builder.fields))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Node, A::Error> {
        let (tag, content) = data.variant::<String>()?;
        let node = content.newtype_variant_seed(Seed { pass: self.pass })?;
        if tag.starts_with("!ruby/") && matches!(node, Node::Map(_) | Node::Seq(_)) {
            return Err(A::Error::custom(format_args!("tag {tag} is not allowed")));
        }
        self.pass.mode.set(Mode::from_tag(&tag));
        Ok(node)
    }
}

/// Takes a scalar as it is written.
struct Spelling;

impl Visitor<'_> for Spelling {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a scalar")
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(scalar::resolve(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(document: Result<Document, serde_yaml::Error>) -> Option<String> {
        document
            .ok()
            .map(|document| format!("{:?}", document.root.to_value()))
    }

    proptest! {
        /// Numbers looked up in the text are those of a second pass.
        #[test]
        fn spellings_are_found_where_they_stand(
            text in "([a-c]: |- |\\[|\\]|\\{|\\}|, |\\n|\\n  |# 1\\.0\\n|'1\\.0'|\"1\\.0\"|1\\.0|1\\.00|3|3\\.0|10e1|1e2|-1\\.5|\\+\\.5|0o14|~|true|\\|\\n|x ){0,30}"
        ) {
            let mut slow = Pass::new(&text, Vec::new());
            slow.has_aliases = true;
            prop_assert_eq!(shown(parse(&text)), shown(parse_from(&text, slow)));
        }
    }

    #[test]
    fn an_alias_means_the_last_anchor_of_its_name() {
        let cases = [
            ("a: &x 1\nb: &x 2\nc: &y 3\nd: *x", "2"),
            ("a: &x 1\nb: &x\nc: &y 3\nd: *x", "Null"),
            (
                "a: &x 1\nb: *x\nc: &x 2 # &x\nd: [*x, &y 3]\ne: &y 4\nf: &z 5\nd: *y",
                "4",
            ),
            ("a: &x {k: 1}\nb: &x {k: 2}\nc: &y {k: 3}\nd: {<<: *x}", "2"),
            ("a: 'cmd &x'\nb: &x 1\nc: &x [2]\ne: &y 3\nd: *x", "2"),
            ("a: &x 1\n&x b: &y 3\nd: *x", "b"),
        ];
        for (text, value) in cases {
            let root = read(text).ok().unwrap().root.to_value();
            let last = root.as_map().unwrap().get("d").unwrap();
            assert!(format!("{last:?}").contains(value), "{text}: {last:?}");
        }
    }

    #[test]
    fn numbers_stay_numbers_where_some_are_none() {
        let root = parse("x: 0o1\na: [~, 1, 010]").unwrap().root.to_value();
        let shown = format!("{root:?}");
        assert!(shown.contains("Int(1), Int(8)"), "{shown}");
    }

    #[test]
    fn numbers_keep_their_spelling() {
        let cases = [
            ("a: 3.10", "3.10"),
            ("a: [3, 3.10]", "3.10"),
            ("a: # 3.1\n  3.10", "3.10"),
            ("x: &x 1\na: [*x, 3.10]", "3.10"),
            ("a: [~, true, 3.10]", "3.10"),
            ("x: 0o1\na: [~, 0o14, 1]", "0o14"),
        ];
        for (text, spelling) in cases {
            let root = parse(text).unwrap().root.to_value();
            assert!(
                format!("{root:?}").contains(&format!("Str({spelling:?})")),
                "{text}: {root:?}"
            );
        }
    }
}
