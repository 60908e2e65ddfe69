//! First pass over the tree: repairs keys and values and brings every section into its normal shape.
//!
//! Rules and their order: travis-ci/travis-yml, `doc/change.rb` and `doc/change/`.

mod cache;
mod cast;
mod keys;
mod value;

use super::node::{Fields, Key, Node, Type};
use super::report::At;
use super::schema::{Change, Kind, MapType, Schema};
use super::shell_vars;
use crate::message::Level;

/// The value as its schema wants it, as far as that can be had.
pub(super) fn change(schema: &'static Schema, at: &At<'_>, node: Node) -> Node {
    match &schema.kind {
        Kind::Any { .. } => change_any(schema, at, node),
        Kind::Seq { items, env_vars } => change_seq(schema, items, *env_vars, at, node),
        Kind::Map(map) => change_map(schema, map, at, node),
        _ => value::change_scalar(schema, at, node),
    }
}

fn change_any(schema: &'static Schema, at: &At<'_>, node: Node) -> Node {
    let chosen_by = schema.chosen_by(&node);
    let at = &at.chosen_by(chosen_by.as_ref());
    for choice in schema.select(&node) {
        if choice.normal {
            return change(choice.schema, at, node);
        }
        let changed = change(choice.schema, at, node.clone());
        if choice.schema.matches(&changed) {
            return changed;
        }
    }
    node
}

fn change_seq(
    schema: &'static Schema,
    items: &'static Schema,
    env_vars: bool,
    at: &At<'_>,
    node: Node,
) -> Node {
    // Items of a list whose key was repaired still go by its old name at first.
    let old_key = at
        .key()
        .and_then(Key::old)
        .filter(|_| matches!(node, Node::Seq(_)));
    let old_at = old_key.as_ref().map(|key| at.below(key));
    let item_at = old_at.as_ref().unwrap_or(at);
    let (node, is_rebuilt) = if env_vars {
        (change_env_vars(item_at, node), true)
    } else {
        flatten(node)
    };
    let item_at = if is_rebuilt { at } else { item_at };
    match pick(schema, at, node) {
        Node::Seq(nodes) => Node::Seq(
            nodes
                .into_iter()
                .map(|node| change(items, item_at, node))
                .collect(),
        ),
        single => Node::Seq(vec![change(items, at, single)]),
    }
}

/// A list in a list is one list; also whether there was one.
fn flatten(node: Node) -> (Node, bool) {
    match node {
        Node::Seq(items) if items.iter().any(|item| matches!(item, Node::Seq(_))) => {
            let mut flat = Vec::new();
            flatten_into(items, &mut flat);
            (Node::Seq(flat), true)
        }
        other => (other, false),
    }
}

fn flatten_into(items: Vec<Node>, flat: &mut Vec<Node>) {
    for item in items {
        match item {
            Node::Seq(items) => flatten_into(items, flat),
            other => flat.push(other),
        }
    }
}

/// The first of a list where a single value is wanted, if it would do.
fn pick(schema: &'static Schema, at: &At<'_>, node: Node) -> Node {
    let Node::Seq(items) = &node else { return node };
    let Some(first) = items.first() else {
        return node;
    };
    if schema.matches(&node) {
        return node;
    }
    let fits = match schema.kind {
        Kind::Seq { .. } => schema.matches(first),
        _ => {
            schema.matches(&change(schema, at, first.clone()))
                || schema.is_scalar() && first.is_scalar()
        }
    };
    if !fits {
        return node;
    }
    at.say(
        Level::Warn,
        "unexpected_seq",
        vec![("value", first.to_value())],
    );
    match node {
        Node::Seq(items) => items.into_iter().next().unwrap_or(Node::Null),
        other => other,
    }
}

fn change_env_vars(at: &At<'_>, node: Node) -> Node {
    match node {
        Node::Str(text) => env_group(at, &text),
        Node::Seq(items) => {
            let mut flat = Vec::new();
            flatten_into(items, &mut flat);
            let group = |item| match item {
                Node::Str(text) => env_group(at, &text),
                Node::Null => Node::Map(Fields::default()),
                other => other,
            };
            Node::Seq(flat.into_iter().map(group).collect())
        }
        Node::Map(_) if node.is(Type::Map) => Node::Seq(vec![node]),
        other => other,
    }
}

fn env_group(at: &At<'_>, text: &str) -> Node {
    match shell_vars::parse(text) {
        Ok(pairs) => Node::Map(
            pairs
                .into_iter()
                .map(|(name, value)| (Key::made(&name), Node::Str(value.into())))
                .collect(),
        ),
        Err(_) => {
            at.say(Level::Error, "invalid_env_var", vec![("var", text.into())]);
            Node::Map(Fields::default())
        }
    }
}

fn change_map(schema: &'static Schema, map: &'static MapType, at: &At<'_>, node: Node) -> Node {
    let node = keys::change_keys(map, at, node);
    let node = match map.change {
        Change::Cache => cache::change_cache(map, at, node),
        Change::Enable => enable(map, node),
        Change::Inherit | Change::None => node,
    };
    let node = put_under_prefix(schema, map, at, node);
    let node = pick(schema, at, node);
    let node = if map.change == Change::Inherit {
        inherit(map, at, node)
    } else {
        node
    };
    match node {
        Node::Map(fields) if !is_secure(&fields) => {
            let duplicates = fields.duplicates.clone();
            let change_entry = |(key, node): (Key, Node)| {
                let node = match map.child(&key.text) {
                    Some(child) => change(child, &at.below(&key), node),
                    None => node,
                };
                (key, node)
            };
            let mut changed = Fields::default();
            fields
                .into_iter()
                .map(change_entry)
                .for_each(|(key, node)| changed.push_new(key, node));
            changed.duplicates = duplicates;
            Node::Map(changed)
        }
        other => other,
    }
}

fn is_secure(fields: &Fields) -> bool {
    fields.len() == 1 && fields.has("secure")
}

/// `true`, `false`, yes and no switch a section; `disabled` is turned into `enabled`.
fn enable(map: &MapType, node: Node) -> Node {
    let switch = match &node {
        Node::Bool(_) => true,
        Node::Str(text) => matches!(text.as_str(), "yes" | "no"),
        _ => false,
    };
    let node = if switch && map.has("enabled") {
        Node::Map(
            [(Key::made("enabled"), cast::to_bool(node))]
                .into_iter()
                .collect(),
        )
    } else {
        node
    };
    match node {
        Node::Map(mut fields) if fields.has("disabled") => {
            let disabled = fields.take("disabled").unwrap_or(Node::Null);
            let enabled = match fields.get("enabled") {
                Some(enabled) => cast::to_bool(enabled.clone()),
                None => match cast::to_bool(disabled) {
                    Node::Bool(flag) => Node::Bool(!flag),
                    Node::Null => Node::Bool(true),
                    _ => Node::Bool(false),
                },
            };
            fields.set(Key::made("enabled"), enabled);
            fields.retain(|(_, node)| node.is_given());
            Node::Map(fields)
        }
        other => other,
    }
}

/// What is no map of this type goes under the type's main key, if that makes it one.
fn put_under_prefix(
    schema: &'static Schema,
    map: &'static MapType,
    at: &At<'_>,
    node: Node,
) -> Node {
    let Some(prefix) = &map.prefix else {
        return node;
    };
    let applies = node.is_given() && (!prefix.only_text || matches!(node, Node::Str(_)));
    if !applies {
        return node;
    }
    let candidate = match &node {
        Node::Map(fields) if !is_secure(fields) => {
            if fields.has(prefix.key) || fields.iter().all(|(key, _)| map.knows(&key.text)) {
                return node;
            }
            under_key(map, prefix.key, fields.clone())
        }
        other => Node::Map(
            [(Key::made(prefix.key), other.clone())]
                .into_iter()
                .collect(),
        ),
    };
    let candidate = if schema.matches(&candidate) {
        candidate
    } else {
        change(schema, at, candidate)
    };
    if schema.matches(&candidate) {
        candidate
    } else {
        node
    }
}

fn under_key(map: &MapType, key: &str, fields: Fields) -> Node {
    let mut unknown = Fields::default();
    let mut known = Fields::default();
    for (name, node) in fields {
        if map.has(&name.text) {
            known.push_new(name, node)
        } else {
            unknown.push_new(name, node)
        }
    }
    let mut all = Fields::default();
    all.push_new(Key::made(key), Node::Map(unknown));
    known
        .into_iter()
        .for_each(|(name, node)| all.set(name, node));
    Node::Map(all)
}

/// `on_success` and `on_failure` of all channels are given to each channel that has none.
fn inherit(map: &'static MapType, at: &At<'_>, node: Node) -> Node {
    const SHARED: [&str; 2] = ["on_success", "on_failure"];
    let Node::Map(fields) = node else { return node };
    if is_secure(&fields) {
        return Node::Map(fields);
    }
    // A flag is made text again in each channel, text is repaired once.
    let flags: Vec<(Key, Node)> = fields
        .iter()
        .filter(|(_, node)| matches!(node, Node::Bool(_)))
        .cloned()
        .collect();
    let changed_entry = |(key, node): (Key, Node)| {
        let node = match (node.kind(), map.child(&key.text)) {
            (Type::Map | Type::Seq, _) | (_, None) => node,
            (_, Some(child)) => change(child, &at.below(&key), node),
        };
        (key, node)
    };
    let entries: Vec<(Key, Node)> = fields.into_iter().map(changed_entry).collect();
    let find = |name: &str| {
        flags
            .iter()
            .chain(&entries)
            .find(|(key, _)| key.text == name)
            .cloned()
    };
    let shared: Vec<(Key, Node)> = SHARED.iter().filter_map(|name| find(name)).collect();
    let give = |node: &mut Node| {
        if let Node::Map(fields) = node
            && !is_secure(fields)
        {
            for (key, value) in &shared {
                if !fields.has(&key.text) {
                    fields.set(key.clone(), value.clone());
                }
            }
        }
    };
    let mut out = Fields::default();
    for (key, mut node) in entries
        .into_iter()
        .filter(|(key, _)| !SHARED.contains(&key.text.as_str()))
    {
        match &mut node {
            Node::Seq(items) => items.iter_mut().for_each(give),
            node => give(node),
        }
        out.push_new(key, node);
    }
    Node::Map(out)
}
