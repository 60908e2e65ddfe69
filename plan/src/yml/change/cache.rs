//! The short forms of `cache` (travis-ci/travis-yml, `doc/change/cache.rb`).

use crate::message::Level;
use crate::value::Text;
use crate::yml::node::{Fields, Key, Node};
use crate::yml::report::At;
use crate::yml::schema::{Kind, MapType};
use crate::yml::similar::nearest;

/// Directories that are compared with each other.
const MAX_DIRECTORIES: usize = 500;

pub(super) fn change_cache(map: &'static MapType, at: &At<'_>, node: Node) -> Node {
    let kinds: Vec<&'static str> = map
        .entries()
        .filter(|entry| matches!(entry.schema.kind, Kind::Bool { .. }) && entry.key != "edge")
        .map(|entry| entry.key)
        .collect();
    let mut cache = Fields::default();
    match node {
        Node::Str(text) => {
            let kind = nearest(&kinds, &text).map_or_else(|| text.clone(), Text::new_static);
            if kind != text {
                at.say(
                    Level::Info,
                    "find_value",
                    vec![("original", text.into()), ("value", kind.as_str().into())],
                );
            }
            add_named(&mut cache, &kinds, Node::Str(kind));
        }
        Node::Seq(items) => add_items(&mut cache, &kinds, items),
        other => return other,
    }
    Node::Map(cache)
}

fn add_items(cache: &mut Fields, kinds: &[&str], items: Vec<Node>) {
    for item in items {
        match item {
            Node::Seq(items) => add_items(cache, kinds, items),
            Node::Map(fields) => fields.into_iter().for_each(|(key, node)| {
                let node = if kinds.contains(&key.text.as_str()) {
                    Node::Bool(true)
                } else {
                    node
                };
                merge(cache, key, node);
            }),
            other => add_named(cache, kinds, other),
        }
    }
}

fn add_named(cache: &mut Fields, kinds: &[&str], node: Node) {
    match node {
        Node::Str(text) if kinds.contains(&text.as_str()) => {
            merge(cache, Key::made(&text), Node::Bool(true))
        }
        other => merge(cache, Key::made("directories"), Node::Seq(vec![other])),
    }
}

/// Lists under the same key become one list without repetitions; else the later value counts.
fn merge(cache: &mut Fields, key: Key, node: Node) {
    match (cache.get_mut(&key.text), node) {
        (Some(Node::Seq(old)), Node::Seq(new)) => {
            for item in new {
                if old.len() > MAX_DIRECTORIES
                    || !old.iter().any(|other| other.to_value() == item.to_value())
                {
                    old.push(item);
                }
            }
        }
        (_, node) => cache.set(key, node),
    }
}
