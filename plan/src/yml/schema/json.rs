//! The language as a JSON Schema (draft 7), for editors.
//!
//! It accepts what is accepted without an error: a text where a list is wanted, a number where text is wanted, other names of
//! keys. What only earns a warning carries a `deprecationMessage`, which editors show as one.

use std::collections::HashMap;

use super::words::about;
use super::{Change, Entry, Format, Kind, MapType, ROOT, Schema, StrType};
use crate::value::{Map, Value};

const UNKNOWN_KEY: &str = "Not a key that is known here: it does nothing.";
const UNKNOWN_VALUE: &str = "Not a value that is known here.";
const ONE_WANTED: &str = "A single value is wanted: only the first of a list counts.";

/// The JSON Schema of `.travis.yml`.
pub(in crate::yml) fn json_schema() -> Map {
    let mut writer = Writer::default();
    let root = match &ROOT.kind {
        Kind::Map(map) => {
            // Definitions are named by where they are met first: jobs have all keys once more.
            let (late, early): (Vec<_>, Vec<_>) = map
                .entries()
                .partition(|entry| matches!(entry.key, "jobs" | "addons"));
            for entry in early.into_iter().chain(late) {
                writer.reference(entry.schema, entry.key);
            }
            writer.object(map, "")
        }
        _ => Map::new(),
    };
    let mut schema = object([
        ("$schema", "http://json-schema.org/draft-07/schema#".into()),
        ("title", ".travis.yml".into()),
        (
            "description",
            "A build for Travis CI, as Assay reads it; see travis.yml(5).".into(),
        ),
    ]);
    for (key, value) in root {
        schema.insert(key, value);
    }
    schema.insert("definitions", Value::Map(writer.definitions));
    schema
}

#[derive(Default)]
struct Writer {
    definitions: Map,
    /// Names of definitions by the address of their type.
    names: HashMap<usize, String>,
    /// Names of the definitions that are being written.
    open: Vec<String>,
}

impl Writer {
    fn object(&mut self, map: &'static MapType, path: &str) -> Map {
        let mut properties = Map::new();
        for entry in map.entries() {
            let inner = join(path, entry.key);
            let property = self.property(entry, &inner);
            for alias in entry.aliases {
                let words = format!("Another name of `{}`.", entry.key);
                let mut other = property.clone();
                other.insert("description", words.into());
                other.insert("doNotSuggest", Value::Bool(true));
                properties.insert(*alias, Value::Map(other));
            }
            properties.insert(entry.key, Value::Map(property));
        }
        let others = match map.values {
            Some(values) => Value::Map(self.reference(values, &join(path, "*"))),
            None if map.strict => Value::Map(object([("deprecationMessage", UNKNOWN_KEY.into())])),
            None => Value::Bool(true),
        };
        let mut out = object([("type", "object".into())]);
        if !properties.is_empty() {
            out.insert("properties", Value::Map(properties));
        }
        if map.strict {
            let private = object([("^[_.]", Value::Bool(true))]);
            out.insert("patternProperties", Value::Map(private));
        }
        out.insert("additionalProperties", others);
        if !map.required.is_empty() {
            let required = map.required.iter().map(|key| Value::from(*key)).collect();
            out.insert("required", required);
        }
        out
    }

    fn property(&mut self, entry: &'static Entry, path: &str) -> Map {
        let mut property = object([("description", about(path).into())]);
        if let Some(why) = entry.deprecated {
            property.insert("deprecationMessage", why.into());
        }
        if let [fill, ..] = entry.schema.all_defaults() {
            property.insert("default", fill.value.into());
        }
        let reference = Value::Map(self.reference(entry.schema, path));
        property.insert("allOf", Value::from(vec![reference]));
        property
    }

    /// A reference to the definition of a type, which is made where it is met first.
    fn reference(&mut self, schema: &'static Schema, path: &str) -> Map {
        let address = std::ptr::from_ref(schema).addr();
        if let Some(name) = self.names.get(&address) {
            return referring(name);
        }
        let name = common_name(schema).unwrap_or(path).to_owned();
        self.names.insert(address, name.clone());
        self.open.push(name.clone());
        let definition = self.definition(schema, path);
        self.open.pop();
        self.definitions
            .insert(name.as_str(), Value::Map(definition));
        referring(&name)
    }

    fn definition(&mut self, schema: &'static Schema, path: &str) -> Map {
        let mut choices = Vec::new();
        self.choices(schema, path, &mut choices);
        let is_list = |choice: &Value| {
            choice
                .as_map()
                .is_some_and(|map| map.text("type") == Some("array"))
        };
        if !choices.iter().any(is_list) {
            let mut list = array(choices.clone());
            list.insert("deprecationMessage", ONE_WANTED.into());
            choices.push(Value::Map(list));
        }
        choices.push(typed("null"));
        object([("anyOf", Value::from(choices))])
    }

    fn choices(&mut self, schema: &'static Schema, path: &str, out: &mut Vec<Value>) {
        match &schema.kind {
            Kind::Any { choices, detect } => {
                for choice in *choices {
                    let path = match detect.and_then(|key| choice.schema.named_by(key)) {
                        Some(name) => join(path, name),
                        None => path.to_owned(),
                    };
                    self.choices(choice.schema, &path, out);
                }
            }
            Kind::Seq { items, .. } => {
                let mut inner = Vec::new();
                self.choices(items, path, &mut inner);
                inner.push(typed("null"));
                // A list in a list is one list.
                if let Some(own) = self.open.last() {
                    let nested = array(vec![Value::Map(referring(own))]);
                    inner.push(Value::Map(nested));
                }
                push(out, Value::Map(array(inner)));
                self.choices(items, path, out);
            }
            Kind::Map(map) => self.map_choices(schema, map, path, out),
            Kind::Secure => {
                let secure = object([
                    ("type", "object".into()),
                    (
                        "properties",
                        Value::Map(object([("secure", typed("string"))])),
                    ),
                    ("required", Value::from(vec!["secure".into()])),
                    ("additionalProperties", Value::Bool(false)),
                ]);
                push(out, typed("string"));
                push(out, Value::Map(secure));
            }
            Kind::Str(text) => text_choices(text, out),
            Kind::Num => {
                push(out, typed("integer"));
                push(out, pattern("^[0-9]+$"));
            }
            Kind::Bool { values: [] } => {
                push(out, typed("boolean"));
                push(out, typed("string"));
            }
            Kind::Bool { values } => {
                let values = values.iter().map(|flag| Value::Bool(*flag)).collect();
                push(out, Value::Map(object([("enum", values)])));
            }
        }
    }

    fn map_choices(
        &mut self,
        schema: &'static Schema,
        map: &'static MapType,
        path: &str,
        out: &mut Vec<Value>,
    ) {
        let address = std::ptr::from_ref(map).addr();
        let name = format!("{path}.map");
        let name = match self.names.get(&address) {
            Some(name) => name.clone(),
            None => {
                self.names.insert(address, name.clone());
                let definition = self.object(map, path);
                self.definitions
                    .insert(name.as_str(), Value::Map(definition));
                name
            }
        };
        push(out, Value::Map(referring(&name)));
        if map.change == Change::Enable {
            push(out, typed("boolean"));
        }
        if map.change == Change::Cache {
            let item = Value::from(vec!["string".into(), "object".into(), "null".into()]);
            let item = object([("type", item)]);
            push(out, typed("string"));
            push(
                out,
                Value::Map(object([
                    ("type", "array".into()),
                    ("items", Value::Map(item)),
                ])),
            );
        }
        let main = map.prefix.as_ref().and_then(|prefix| map.entry(prefix.key));
        if let Some(entry) = main.filter(|entry| !std::ptr::eq(entry.schema, schema)) {
            self.choices(entry.schema, &join(path, entry.key), out);
        }
    }
}

/// Types that are used all over have a name of their own.
fn common_name(schema: &'static Schema) -> Option<&'static str> {
    match &schema.kind {
        _ if std::ptr::eq(schema, &raw const super::STRS) => Some("texts"),
        Kind::Str(text) if text.is_plain() => Some("text"),
        Kind::Num => Some("number"),
        Kind::Bool { values: [] } => Some("flag"),
        Kind::Secure => Some("secret"),
        _ => None,
    }
}

fn text_choices(text: &'static StrType, out: &mut Vec<Value>) {
    match (text.is_enum(), text.format) {
        (true, _) => {
            let names = text.values.iter().map(|value| Value::from(value.name));
            push(
                out,
                Value::Map(object([("enum", Value::Seq(names.collect()))])),
            );
            let aliases = text.values.iter().flat_map(|value| value.aliases);
            let aliases: Vec<Value> = aliases.map(|alias| Value::from(*alias)).collect();
            if !aliases.is_empty() {
                push(out, Value::Map(object([("enum", Value::from(aliases))])));
            }
            let mut other = object([("type", text_type())]);
            other.insert("deprecationMessage", UNKNOWN_VALUE.into());
            push(out, Value::Map(other));
        }
        (false, Some(Format::Version)) => push(out, pattern(Format::Version.pattern())),
        (false, Some(Format::EnvVar)) => push(out, pattern("=")),
        (false, None) => push(out, Value::Map(object([("type", text_type())]))),
    }
}

/// What is taken for text: numbers and truth values are cast.
fn text_type() -> Value {
    Value::from(vec!["string".into(), "number".into(), "boolean".into()])
}

fn object<const N: usize>(entries: [(&str, Value); N]) -> Map {
    let entries = entries.into_iter();
    entries
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn referring(name: &str) -> Map {
    object([("$ref", format!("#/definitions/{name}").into())])
}

fn typed(name: &str) -> Value {
    Value::Map(object([("type", name.into())]))
}

fn pattern(pattern: &str) -> Value {
    Value::Map(object([
        ("type", "string".into()),
        ("pattern", pattern.into()),
    ]))
}

fn array(items: Vec<Value>) -> Map {
    let items = Value::Map(object([("anyOf", Value::from(items))]));
    object([("type", "array".into()), ("items", items)])
}

fn push(out: &mut Vec<Value>, choice: Value) {
    if !out.contains(&choice) {
        out.push(choice);
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(value: &Value, all: &mut Vec<String>) {
        match value {
            Value::Map(map) => {
                all.extend(map.text("$ref").map(str::to_owned));
                map.iter().for_each(|(_, value)| references(value, all));
            }
            Value::Seq(items) => items.iter().for_each(|item| references(item, all)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let schema = json_schema();
        let definitions = schema.get("definitions").and_then(Value::as_map).unwrap();
        let mut all = Vec::new();
        references(&Value::Map(schema.clone()), &mut all);
        assert!(all.len() > 100);
        for target in all {
            let name = target.strip_prefix("#/definitions/").unwrap();
            assert!(definitions.get(name).is_some(), "{target}");
        }
    }

    fn descriptions(value: &Value, empty: &mut Vec<String>) {
        match value {
            Value::Map(map) => {
                for (key, value) in map.iter() {
                    let described = value.as_map().and_then(|map| map.text("description"));
                    empty.extend(
                        described
                            .filter(|text| text.is_empty())
                            .map(|_| key.to_owned()),
                    );
                    descriptions(value, empty);
                }
            }
            Value::Seq(items) => items.iter().for_each(|item| descriptions(item, empty)),
            _ => {}
        }
    }

    #[test]
    fn every_property_has_words() {
        let mut empty = Vec::new();
        descriptions(&Value::Map(json_schema()), &mut empty);
        assert!(empty.is_empty(), "{empty:?}");
    }

    #[test]
    fn every_key_of_the_root_is_a_property_with_words() {
        let schema = json_schema();
        let properties = schema.get("properties").and_then(Value::as_map).unwrap();
        let Kind::Map(root) = &ROOT.kind else {
            panic!("the root is a map");
        };
        for entry in root.entries() {
            let property = properties.get(entry.key).and_then(Value::as_map).unwrap();
            assert!(
                !property.text("description").unwrap().is_empty(),
                "{}",
                entry.key
            );
            for alias in entry.aliases {
                assert!(properties.get(alias).is_some(), "{alias}");
            }
        }
    }
}
