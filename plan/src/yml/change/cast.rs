//! One scalar type made into another (travis-ci/travis-yml, `doc/helper/cast.rb`).

use crate::yml::node::{Node, Type};
use crate::yml::similar::nearest;

const TRUES: [&str; 5] = ["true", "on", "yes", "enabled", "required"];
const FALSES: [&str; 5] = ["false", "off", "no", "disabled", "not required"];
const FLAGS: [&str; 10] = [
    "true",
    "on",
    "yes",
    "enabled",
    "required",
    "false",
    "off",
    "no",
    "disabled",
    "not required",
];

/// Makes a scalar of the wanted type where that is possible.
pub(super) fn cast(node: Node, wanted: Type) -> Node {
    match wanted {
        Type::Str => to_str(node),
        Type::Num => to_num(node),
        Type::Bool => to_bool(node),
        _ => node,
    }
}

fn to_str(node: Node) -> Node {
    match node {
        Node::Bool(flag) => Node::Str(flag.to_string().into()),
        Node::Int(number) => Node::Str(number.to_string().into()),
        other => other,
    }
}

fn to_num(node: Node) -> Node {
    match &node {
        Node::Str(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
            text.parse().map_or(node, Node::Int)
        }
        _ => node,
    }
}

/// Yes or no, from words and near misses; numbers stay numbers.
pub(super) fn to_bool(node: Node) -> Node {
    let text = match &node {
        Node::Str(text) => text,
        Node::Null => return Node::Bool(false),
        Node::Bool(_) | Node::Int(_) => return node,
        Node::Seq(_) | Node::Map(_) => return Node::Bool(true),
    };
    let bare: String = text
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    let found = flag(text)
        .or_else(|| flag(&bare))
        .or_else(|| nearest(&FLAGS, text).and_then(flag));
    found.map_or(node, Node::Bool)
}

fn flag(text: &str) -> Option<bool> {
    let any = |words: &[&str]| text.lines().any(|line| words.contains(&line));
    if any(&FALSES) {
        Some(false)
    } else if any(&TRUES) {
        Some(true)
    } else {
        None
    }
}
