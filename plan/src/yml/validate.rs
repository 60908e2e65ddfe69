//! Second pass over the tree: messages about what the repairs left, defaults filled in, nothings dropped.
//!
//! Rules and their order: travis-ci/travis-yml, `doc/validate.rb` and `doc/validate/`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::node::{Fields, Node, Type};
use super::report::At;
use super::schema::{Entry, Format, Kind, MapType, Schema, StrType, Support, is_private};
use crate::condition;
use crate::message::Level;
use crate::value::{Map, Text, Value};

/// What the whole pass knows.
pub(super) struct Context<'c> {
    /// Keys that hold an anchor.
    pub(super) anchors: &'c [String],
    /// Names of `vm.create` seen so far.
    pub(super) created: RefCell<Vec<Value>>,
    /// Conditions tried so far.
    pub(super) tried: Cell<usize>,
}

/// Conditions of one file that are tried; those beyond are taken to be readable.
const MAX_CONDITIONS: usize = 1_000;

/// Languages and operating systems around a value, by which defaults are chosen.
#[derive(Debug, Clone, Default)]
pub(super) struct Around {
    language: Vec<String>,
    os: Vec<String>,
}

/// The value, checked.
pub(super) fn validate(
    context: &Context<'_>,
    schema: &'static Schema,
    at: &At<'_>,
    around: &Around,
    node: Node,
) -> Node {
    match &schema.kind {
        Kind::Any { choices, .. } => {
            let mut selected = schema.select(&node);
            let first = selected.next();
            let fitting = first
                .into_iter()
                .chain(selected)
                .find(|choice| choice.schema.matches(&node))
                .or(first);
            let chosen = fitting.map_or(choices[0].schema, |choice| choice.schema);
            let chosen_by = schema.chosen_by(&node);
            let at = &at.chosen_by(chosen_by.as_ref());
            validate(context, chosen, at, around, node)
        }
        Kind::Seq { items, env_vars } => {
            validate_seq(context, schema, items, *env_vars, at, around, node)
        }
        Kind::Map(map) => validate_map(context, schema, map, at, around, node),
        _ => validate_scalar(schema, at, around, node),
    }
}

fn validate_seq(
    context: &Context<'_>,
    schema: &'static Schema,
    items: &'static Schema,
    env_vars: bool,
    at: &At<'_>,
    around: &Around,
    node: Node,
) -> Node {
    let node = match node {
        Node::Seq(nodes) => {
            let checked = nodes
                .into_iter()
                .map(|node| validate(context, items, at, around, node));
            Node::Seq(checked.filter(|node| !matches!(node, Node::Null)).collect())
        }
        other => other,
    };
    check_type(schema, at, &node);
    let node = match node {
        Node::Seq(mut nodes) if !env_vars => {
            nodes.retain(|node| !node.is_missing());
            Node::Seq(nodes)
        }
        other => other,
    };
    if !node.is_given() {
        return Node::Seq(Vec::new());
    }
    check_unique(items, at, &node);
    say_edge(schema, at, &node);
    node
}

fn validate_map(
    context: &Context<'_>,
    schema: &'static Schema,
    map: &'static MapType,
    at: &At<'_>,
    around: &Around,
    node: Node,
) -> Node {
    let node = match node {
        Node::Map(fields) if !(fields.len() == 1 && fields.has("secure")) => {
            Node::Map(validate_entries(context, map, at, around, fields))
        }
        other => other,
    };
    check_type(schema, at, &node);
    let mut node = node;
    if let Node::Map(fields) = &mut node
        && !(fields.len() == 1 && fields.has("secure"))
    {
        check_created(context, map, at, fields);
        say_unknown_keys(context, map, at, fields);
        if map.strict {
            fields.retain(|(_, node)| !node.is_missing());
        }
        for name in map
            .required
            .iter()
            .filter(|name| fields.get(name).is_none_or(Node::is_missing))
        {
            at.say(Level::Error, "required", vec![("key", (*name).into())]);
        }
    }
    if !node.is_given() {
        say_empty_secure(at, &node);
        return Node::Map(Fields::default());
    }
    say_edge(schema, at, &node);
    if let Node::Map(fields) = &node {
        say_deprecated_keys(map, at, fields);
        check_condition(context, map, at, fields);
    }
    node
}

fn validate_entries(
    context: &Context<'_>,
    map: &'static MapType,
    at: &At<'_>,
    around: &Around,
    fields: Fields,
) -> Fields {
    let mut own = None;
    if fields.has("language") || fields.has("os") {
        own.insert(around.clone()).learn(&fields);
    }
    let mut checked = Fields::with_duplicates(fields.duplicates.clone());
    for (key, node) in fields {
        let node = match map.child(&key.text) {
            Some(child) => {
                let around = own.as_ref().unwrap_or(around);
                validate(context, child, &at.below(&key), around, node)
            }
            None => node,
        };
        if let Some(around) = &mut own {
            around.learn_one(&key.text, &node);
        }
        checked.push_new(key, node);
    }
    checked
}

fn validate_scalar(schema: &'static Schema, at: &At<'_>, around: &Around, node: Node) -> Node {
    check_type(schema, at, &node);
    check_value(schema, at, &node);
    let node = fill_default(schema, at, around, node);
    check_secret(schema, at, &node);
    if node.is(Type::Secure) && !node.is_given() {
        say_empty_secure(at, &node);
        return Node::Null;
    }
    say_edge(schema, at, &node);
    if let Kind::Str(text) = &schema.kind {
        check_format(text, at, &node);
        check_vars(text, at, &node);
    }
    node
}

fn check_type(schema: &'static Schema, at: &At<'_>, node: &Node) {
    if !node.is_given() {
        return;
    }
    if matches!(schema.kind, Kind::Secure)
        && !schema.lax
        && node.is(Type::Secure)
        && !is_base64(node)
    {
        at.say_about(
            node,
            Level::Warn,
            "invalid_secure",
            vec![("value", node.to_value())],
        );
    } else if !schema.takes(node.kind()) {
        let args = vec![
            ("expected", schema.kind().name().into()),
            ("actual", node.kind().name().into()),
            ("value", node.to_value()),
        ];
        at.say_about(node, Level::Error, "invalid_type", args);
    }
}

/// Whether a secret is text in base64, white space apart, as an encoder writes it.
fn is_base64(node: &Node) -> bool {
    let Node::Map(fields) = node else {
        return false;
    };
    let Some(Node::Str(text)) = fields.get("secure") else {
        return false;
    };
    let bytes: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let digits = bytes
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
        .count();
    let padding = bytes.len() - digits;
    let unused_bits = |digit: u8| base64_value(digit).trailing_zeros();
    let last = digits.checked_sub(1).map(|place| bytes[place]);
    bytes.len().is_multiple_of(4)
        && bytes[digits..].iter().all(|b| *b == b'=')
        && match (padding, last) {
            (0, _) => true,
            (1, Some(last)) => unused_bits(last) >= 2,
            (2, Some(last)) => unused_bits(last) >= 4,
            _ => false,
        }
}

fn base64_value(digit: u8) -> u8 {
    match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        _ => 63,
    }
}

fn check_value(schema: &'static Schema, at: &At<'_>, node: &Node) {
    if !node.is_given() {
        return;
    }
    let known = match (&schema.kind, node) {
        (Kind::Str(text), Node::Str(value)) if text.is_enum() => text.values.iter().any(|known| {
            known.name == value || text.ignore_case && known.name.eq_ignore_ascii_case(value)
        }),
        (Kind::Str(text), Node::Bool(_) | Node::Int(_)) => !text.is_enum(),
        (Kind::Bool { values }, Node::Bool(flag)) => values.is_empty() || values.contains(flag),
        (Kind::Bool { values }, Node::Str(_) | Node::Int(_)) => values.is_empty(),
        _ => true,
    };
    if !known {
        at.say(
            Level::Error,
            "unknown_value",
            vec![("value", node.to_value())],
        );
    }
    if let (Kind::Str(text), Node::Str(value)) = (&schema.kind, node)
        && let Some(why) = text.value(value).and_then(|value| value.deprecated)
    {
        at.say(
            Level::Warn,
            "deprecated_value",
            vec![("value", node.to_value()), ("info", why.into())],
        );
    }
}

fn fill_default(schema: &'static Schema, at: &At<'_>, around: &Around, node: Node) -> Node {
    if !matches!(node, Node::Null) {
        return node;
    }
    let Some(fill) = schema
        .defaults
        .iter()
        .find(|fill| around.supports(&fill.support))
    else {
        return node;
    };
    if let Some(key) = at.key() {
        let args = vec![
            ("key", key.text.as_str().into()),
            ("default", fill.value.into()),
        ];
        at.above().say_of(Some(key), Level::Info, "default", args);
        at.assume(key);
    }
    Node::Str(Text::new_static(fill.value))
}

fn check_secret(schema: &'static Schema, at: &At<'_>, node: &Node) {
    let (Kind::Secure, false, Node::Str(text)) = (&schema.kind, schema.lax, node) else {
        return;
    };
    if text.starts_with('$') && !text.contains(":$") {
        return;
    }
    at.say(Level::Alert, "secure", vec![("type", "str".into())]);
    if at.above().key().is_some_and(|key| key.text == "vault") {
        at.say(
            Level::Error,
            "secure",
            vec![(
                "message",
                "The token value must be put under \"secure\" section".into(),
            )],
        );
    }
}

/// What is no text at all has the wrong format too.
fn check_format(text: &'static StrType, at: &At<'_>, node: &Node) {
    let fits = |format: &Format| match node {
        Node::Null | Node::Bool(false) => true,
        Node::Str(value) => format.fits(value),
        _ => false,
    };
    if let Some(format) = text.format.filter(|format| !fits(format)) {
        let args = vec![
            ("format", format.pattern().into()),
            ("value", node.to_value()),
        ];
        at.say_about(node, Level::Error, "invalid_format", args);
    }
}

fn check_vars(text: &'static StrType, at: &At<'_>, node: &Node) {
    let Some(value) = node.text().filter(|_| !text.vars.is_empty()) else {
        return;
    };
    let mut rest = value;
    while let Some((_, after)) = rest.split_once("%{") {
        let Some((name, after)) = after.split_once('}') else {
            break;
        };
        if !name.is_empty() && !text.vars.contains(&name) {
            at.say(Level::Warn, "unknown_var", vec![("var", name.into())]);
        }
        rest = after;
    }
}

fn check_unique(items: &'static Schema, at: &At<'_>, node: &Node) {
    let (Kind::Map(map), Node::Seq(nodes)) = (&items.kind, node) else {
        return;
    };
    let repeated = |entry: &Entry| -> Option<String> {
        let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        let values = nodes.iter().filter_map(|node| match node {
            Node::Map(fields) => fields.get(entry.key).and_then(shown),
            _ => None,
        });
        for (place, value) in values.enumerate() {
            counts.entry(value).or_insert((place, 0)).1 += 1;
        }
        let mut repeated: Vec<(usize, String)> = counts
            .into_iter()
            .filter(|(_, (_, count))| *count > 1)
            .map(|(value, (place, _))| (place, value))
            .collect();
        repeated.sort();
        let values: Vec<String> = repeated.into_iter().map(|(_, value)| value).collect();
        (!values.is_empty()).then(|| format!("{}: {}", entry.key, values.join(", ")))
    };
    let all: Vec<String> = map
        .entries()
        .filter(|entry| entry.unique)
        .filter_map(repeated)
        .collect();
    if !all.is_empty() {
        at.say(
            Level::Info,
            "duplicate",
            vec![("values", all.join(", ").into())],
        );
    }
}

fn shown(node: &Node) -> Option<String> {
    match node {
        Node::Str(text) => Some(text.to_string()),
        Node::Int(number) => Some(number.to_string()),
        Node::Bool(true) => Some("true".to_owned()),
        _ => None,
    }
}

fn check_created(context: &Context<'_>, map: &MapType, at: &At<'_>, fields: &Fields) {
    let Some((_, first)) = fields.first().filter(|_| map.unique_globally) else {
        return;
    };
    let value = first.to_value();
    let mut created = context.created.borrow_mut();
    if created.contains(&value) {
        at.say(
            Level::Error,
            "duplicate",
            vec![("values", Value::from(created.clone()))],
        );
    } else {
        created.push(value);
    }
}

fn say_unknown_keys(context: &Context<'_>, map: &MapType, at: &At<'_>, fields: &Fields) {
    if !map.strict {
        return;
    }
    for (key, node) in fields.iter() {
        let known = map.has(&key.text)
            || is_private(&key.text)
            || key.text == "merge_mode"
            || !node.is_given();
        if known {
            continue;
        }
        let name = ("key", key.text.as_str().into());
        if context.anchors.iter().any(|anchor| key.text == *anchor) {
            let why = ("info", "anchor on a non-private key".into());
            at.say_of(Some(key), Level::Warn, "deprecated_key", vec![name, why]);
        } else {
            at.say_of(
                Some(key),
                Level::Warn,
                "unknown_key",
                vec![name, ("value", node.to_value())],
            );
        }
    }
}

fn say_deprecated_keys(map: &MapType, at: &At<'_>, fields: &Fields) {
    for (key, _) in fields.iter() {
        if let Some(why) = map.entry(&key.text).and_then(|entry| entry.deprecated) {
            let args = vec![("key", key.text.as_str().into()), ("info", why.into())];
            at.say_of(Some(key), Level::Warn, "deprecated_key", args);
        }
    }
}

fn say_edge(schema: &Schema, at: &At<'_>, node: &Node) {
    if schema.edge && node.is_given() {
        at.say_about(node, Level::Info, "edge", Vec::new());
    }
}

fn say_empty_secure(at: &At<'_>, node: &Node) {
    if node.is(Type::Secure) {
        at.say_about(node, Level::Warn, "empty", vec![("key", "secure".into())]);
    }
}

/// A condition is tried without any data: what fails then can't be read.
fn check_condition(context: &Context<'_>, map: &MapType, at: &At<'_>, fields: &Fields) {
    let Some((key, Node::Str(text))) = fields
        .iter()
        .find(|(key, _)| key.text == "if")
        .filter(|_| map.has("if"))
    else {
        return;
    };
    context.tried.set(context.tried.get() + 1);
    if context.tried.get() > MAX_CONDITIONS {
        return;
    }
    if let Err(error) = condition::eval_condition(text, &Map::new()) {
        let mut args = vec![
            ("condition", text.as_str().into()),
            ("message", error.reason().into()),
        ];
        let position = error.position().and_then(|place| i64::try_from(place).ok());
        args.extend(position.map(|place| ("position", Value::Int(place))));
        at.below(key).say(Level::Error, "invalid_condition", args);
    }
}

impl Around {
    fn learn(&mut self, fields: &Fields) {
        for (key, node) in fields.iter() {
            self.learn_one(&key.text, node);
        }
    }

    fn learn_one(&mut self, key: &str, node: &Node) {
        let list = match key {
            "language" => &mut self.language,
            "os" => &mut self.os,
            _ => return,
        };
        if !node.is_given() {
            list.clear();
            return;
        }
        // What is no text is given all the same, and is like none that is wanted.
        let name = |node: &Node| node.text().unwrap_or_default().to_owned();
        *list = match node {
            Node::Seq(items) => items.iter().map(name).collect(),
            other => vec![name(other)],
        };
    }

    fn supports(&self, support: &Support) -> bool {
        let only = |given: &[String], wanted: &[&str]| {
            wanted.is_empty()
                || given.is_empty()
                || given.iter().any(|value| wanted.contains(&value.as_str()))
        };
        let except = |given: &[String], refused: &[&str]| {
            refused.is_empty()
                || given.is_empty()
                || given.iter().any(|value| !refused.contains(&value.as_str()))
        };
        only(&self.language, support.languages)
            && only(&self.os, support.os)
            && except(&self.language, support.not_languages)
            && except(&self.os, support.not_os)
    }
}
