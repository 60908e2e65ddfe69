//! Repairs of single values: cast, lower case, and the nearest value of an enumeration (travis-ci/travis-yml,
//! `doc/change/cast.rb`, `downcase.rb`, `value.rb`).

use super::{cast, pick};
use crate::message::Level;
use crate::value::Text;
use crate::yml::node::Node;
use crate::yml::report::At;
use crate::yml::schema::{Kind, Schema, StrType};
use crate::yml::similar::nearest;

pub(super) fn change_scalar(schema: &'static Schema, at: &At<'_>, node: Node) -> Node {
    let node = pick(schema, at, node);
    let castable =
        node.is_scalar() && node.is_given() && schema.is_scalar() && !schema.takes(node.kind());
    let node = if castable {
        cast::cast(node, schema.kind())
    } else {
        node
    };
    match (&schema.kind, node) {
        (Kind::Str(text), Node::Str(value)) => Node::Str(change_text(text, at, value)),
        (_, node) => node,
    }
}

fn change_text(text: &'static StrType, at: &At<'_>, value: Text) -> Text {
    let value = if text.downcase {
        downcase(at, value)
    } else {
        value
    };
    if !text.is_enum() || text.value(&value).is_some() {
        return value;
    }
    match text.aliased(&value) {
        Some(name) => {
            at.say(
                Level::Info,
                "alias_value",
                vec![("alias", value.into()), ("value", name.into())],
            );
            Text::new_static(name)
        }
        None => repair(text, at, value),
    }
}

fn downcase(at: &At<'_>, value: Text) -> Text {
    if value.chars().all(|letter| !letter.is_uppercase()) {
        return value;
    }
    let lower = value.to_lowercase();
    at.say(Level::Info, "downcase", vec![("value", value.into())]);
    lower.into()
}

fn repair(text: &'static StrType, at: &At<'_>, value: Text) -> Text {
    let warn = |code, original: &str, value: &str| {
        at.say(
            Level::Warn,
            code,
            vec![("original", original.into()), ("value", value.into())],
        );
    };
    let value = match value.split_once('\n') {
        Some((first, _)) => {
            warn("clean_value", &value, first);
            Text::from(first)
        }
        None => value,
    };
    if text.value(&value).is_some() {
        return value;
    }
    let names: Vec<&'static str> = text.values.iter().map(|value| value.name).collect();
    if let Some(name) = nearest(&names, &value) {
        warn("find_value", &value, name);
        return Text::new_static(name);
    }
    match cleaned(text, &value) {
        Some(name) => {
            warn("clean_value", &value, name);
            Text::new_static(name)
        }
        None => value,
    }
}

/// The value without what doesn't belong, if that is one of the enumeration.
fn cleaned(text: &'static StrType, value: &str) -> Option<&'static str> {
    let bare: String = value
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    let part = value.split_whitespace().next().unwrap_or_default();
    let letters: String = part.chars().filter(char::is_ascii_lowercase).collect();
    let candidates = [part, &bare.to_lowercase(), &letters];
    candidates
        .iter()
        .find_map(|candidate| text.value(candidate))
        .map(|value| value.name)
}
