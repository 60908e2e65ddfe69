//! One parameter space from query string, form body and JSON body, with nested keys in Rack's way (`hook[id]=1`).

use serde_json::{Map, Value};

/// Keys nested deeper than this are taken as plain text.
const MAX_DEPTH: usize = 5;

/// All parameters of a request. Unknown ones are ignored by never being asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Params(Map<String, Value>);

/// The body claims to be JSON, or looks like it, and isn't.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotJson;

impl Params {
    /// Adds the pairs of a query string or of a form.
    pub(crate) fn add_form(&mut self, bytes: &[u8]) {
        for (key, value) in form_urlencoded::parse(bytes) {
            if !key.is_empty() {
                insert(&mut self.0, &key_path(&key), value.into_owned());
            }
        }
    }

    /// Adds the keys of a JSON object; other JSON values carry no parameters.
    pub(crate) fn add_json(&mut self, bytes: &[u8]) -> Result<(), NotJson> {
        if let Value::Object(map) = serde_json::from_slice(bytes).map_err(|_| NotJson)? {
            self.0.extend(map);
        }
        Ok(())
    }

    /// The value under `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The parameters under `key`: `hook` of `hook[id]=1` or of `{"hook": {"id": 1}}`.
    pub(crate) fn nested(&self, key: &str) -> Params {
        match self.0.get(key) {
            Some(Value::Object(map)) => Params(map.clone()),
            _ => Params::default(),
        }
    }

    /// Text, or a number or truth value as text; of a list, the last.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        scalar(self.0.get(key)?)
    }

    /// Text that is not blank.
    pub(crate) fn filled(&self, key: &str) -> Option<String> {
        self.text(key).filter(|text| !text.trim().is_empty())
    }

    /// A whole number that is not negative.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.text(key)?.trim().parse().ok()
    }

    /// `true`, `True` or `1`; a key alone counts too.
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.text(key).is_some_and(|text| {
            matches!(
                text.to_ascii_lowercase().as_str(),
                "true" | "1" | "yes" | "on" | ""
            )
        })
    }

    /// A truth value, if one was given.
    pub(crate) fn truth(&self, key: &str) -> Option<bool> {
        match self.text(key)?.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }

    /// A list: `k[]=a&k[]=b`, `k=a,b`, `k=a&k=b` or a JSON list. `None` when the key is not there.
    pub(crate) fn list(&self, key: &str) -> Option<Vec<String>> {
        let texts = match self.0.get(key)? {
            Value::Array(items) => items.iter().filter_map(scalar).collect(),
            other => vec![scalar(other)?],
        };
        let pieces = texts.iter().flat_map(|text: &String| text.split(','));
        Some(
            pieces
                .map(str::trim)
                .filter(|piece| !piece.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }

    /// A list of numbers; what is no number is left out.
    pub(crate) fn numbers(&self, key: &str) -> Option<Vec<u64>> {
        Some(
            self.list(key)?
                .iter()
                .filter_map(|text| text.parse().ok())
                .collect(),
        )
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Array(items) => items.last().and_then(scalar),
        Value::Null | Value::Object(_) => None,
    }
}

/// `a[b][]` → `a`, `b`, `` (an empty piece appends to a list).
fn key_path(key: &str) -> Vec<String> {
    let Some((head, rest)) = key
        .split_once('[')
        .filter(|(head, rest)| !head.is_empty() && rest.ends_with(']'))
    else {
        return vec![key.to_owned()];
    };
    let inner = &rest[..rest.len() - 1];
    let mut path = vec![head.to_owned()];
    path.extend(inner.split("][").map(str::to_owned));
    if path.len() > MAX_DEPTH {
        vec![key.to_owned()]
    } else {
        path
    }
}

fn insert(map: &mut Map<String, Value>, path: &[String], text: String) {
    let Some((head, rest)) = path.split_first() else {
        return;
    };
    let value = Value::String(text);
    match rest {
        [] => match map.get_mut(head) {
            // The same plain key twice: keep both, whoever wants one takes the last.
            Some(Value::Array(items)) => items.push(value),
            Some(old @ Value::String(_)) => *old = Value::Array(vec![old.take(), value]),
            _ => {
                map.insert(head.clone(), value);
            }
        },
        [list] if list.is_empty() => match map.get_mut(head) {
            Some(Value::Array(items)) => items.push(value),
            Some(old @ Value::String(_)) => *old = Value::Array(vec![old.take(), value]),
            _ => {
                map.insert(head.clone(), Value::Array(vec![value]));
            }
        },
        _ => {
            let entry = map
                .entry(head.clone())
                .or_insert_with(|| Value::Object(Map::new()));
            if !entry.is_object() {
                *entry = Value::Object(Map::new());
            }
            if let (Value::Object(inner), Value::String(text)) = (entry, value) {
                insert(inner, rest, text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Params {
        let mut params = Params::default();
        params.add_form(text.as_bytes());
        params
    }

    #[test]
    fn lists_come_in_all_their_forms() {
        for text in [
            "ids[]=1&ids[]=2",
            "ids=1,2",
            "ids=1&ids=2",
            "ids%5B%5D=1&ids%5B%5D=2",
        ] {
            assert_eq!(form(text).numbers("ids"), Some(vec![1, 2]), "{text}");
        }
        let mut params = Params::default();
        params.add_json(br#"{"ids":[1,"2"]}"#).unwrap();
        assert_eq!(params.numbers("ids"), Some(vec![1, 2]));
        assert_eq!(form("").numbers("ids"), None);
        assert_eq!(form("ids=x").numbers("ids"), Some(vec![]));
    }

    #[test]
    fn nested_keys_are_read_like_json() {
        let from_form = form("hook[id]=1&hook[active]=true");
        let mut from_json = Params::default();
        from_json
            .add_json(br#"{"hook":{"id":1,"active":true}}"#)
            .unwrap();
        for params in [from_form, from_json] {
            assert_eq!(params.nested("hook").number("id"), Some(1));
            assert_eq!(params.nested("hook").truth("active"), Some(true));
        }
    }

    #[test]
    fn booleans_are_true_in_three_spellings() {
        for text in ["all=true", "all=True", "all=1"] {
            assert!(form(text).flag("all"), "{text}");
        }
        assert!(!form("all=false").flag("all"));
        assert!(!form("").flag("all"));
    }

    #[test]
    fn a_hostile_key_is_only_text() {
        let deep = format!("a{}=1", "[b]".repeat(1000));
        assert_eq!(form(&deep).text("a"), None);
        assert_eq!(form("a[=1&b]=2&[]=3").text("b]"), Some("2".to_owned()));
        assert_eq!(form("a=1&a[b]=2").nested("a").number("b"), Some(2));
    }

    #[test]
    fn slugs_may_be_escaped_or_not() {
        assert_eq!(
            form("slug=a%2Fb").text("slug"),
            form("slug=a/b").text("slug")
        );
    }

    #[test]
    fn broken_json_is_told() {
        assert_eq!(Params::default().add_json(b"{"), Err(NotJson));
        assert_eq!(Params::default().add_json(b"[1]"), Ok(()));
    }
}
