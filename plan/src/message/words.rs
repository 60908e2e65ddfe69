//! Messages in plain words: a cause for each code, and what to do where there is something to do.

use super::{Level, Message};
use crate::value::Value;
use crate::yml::{known_values, nearest_key, nearest_value, owners};

/// Characters of an author's text that are quoted in a line.
const MOST_SHOWN: usize = 48;
/// Sections that are named as having a key.
const MOST_OWNERS: usize = 3;
/// Values of an enumeration that are listed in a suggestion.
const MOST_LISTED: usize = 15;

pub(super) fn cause(message: &Message) -> String {
    about_keys(message)
        .or_else(|| about_values(message))
        .or_else(|| about_files(message))
        .unwrap_or_else(|| plain(message))
}

fn about_keys(message: &Message) -> Option<String> {
    let key = arg(message, "key");
    let original = arg(message, "original");
    Some(match message.code.as_str() {
        "unknown_key" => format!("{key} is no key of {}, and does nothing", owner(message)),
        "deprecated_key" if is_anchor(message) => {
            format!(
                "{key} is no key of {}, it only holds an anchor",
                owner(message)
            )
        }
        "deprecated_key" => format!("{key} is deprecated{}", info(message)),
        "find_key" => format!("{original} is no key, and is taken for {key}"),
        "clean_key" | "strip_key" | "underscore_key" => {
            format!("{original} is written {key}, and is taken for it")
        }
        "alias_key" => format!("{} is another name of {key}", arg(message, "alias")),
        "duplicate_key" => format!("{key} is given more than once, and only the last one counts"),
        "overwrite" => {
            let other = arg(message, "other");
            format!("{key} is another name of {other}: it replaces the {other} that is given too")
        }
        "required" => format!("{key} is missing in {}", owner(message)),
        "default" => format!("{key} is not given: it is {}", arg(message, "default")),
        "duplicate" => format!("these should differ: {}", bare(message, "values")),
        "edge" => format!("{} is experimental", path(message)),
        "unsupported" => format!("{key} does nothing with this language or system"),
        _ => return None,
    })
}

fn about_values(message: &Message) -> Option<String> {
    let path = path(message);
    let value = arg(message, "value");
    Some(match message.code.as_str() {
        "unknown_value" => format!("{path} does not know {value}"),
        "deprecated_value" => format!("{value} is deprecated{}", info(message)),
        "alias_value" => format!("{} is another name of {value}", arg(message, "alias")),
        "find_value" => format!(
            "{path} does not know {}, and takes it for {value}",
            arg(message, "original")
        ),
        "clean_value" => format!("{} is taken for {value}", arg(message, "original")),
        "downcase" => format!("{path} is written in lower case, {value} is not"),
        "unexpected_seq" => {
            format!("{path} is a single value, and of this list only the first counts: {value}")
        }
        "invalid_type" => format!(
            "{path} must be {}, and this is {}",
            kind(message, "expected"),
            kind(message, "actual")
        ),
        "invalid_format" => format!("{value} does not have the form that {path} has"),
        "invalid_env_var" => format!(
            "{} cannot be split into NAME=value pairs",
            arg(message, "var")
        ),
        "invalid_condition" => format!(
            "this condition cannot be read, and counts as false: {}",
            message.text("message").unwrap_or_default()
        ),
        "invalid_secure" => "this is no encrypted text: it is not base64".to_owned(),
        "secure" => match message.text("message") {
            Some(text) => text.to_owned(),
            None => format!("{path} should be encrypted: everybody who sees the file can read it"),
        },
        "empty" => format!("{path} is empty"),
        "unknown_var" => format!("no variable is named {}", arg(message, "var")),
        _ => return None,
    })
}

fn about_files(message: &Message) -> Option<String> {
    let condition = || bare(message, "condition");
    let number = || bare(message, "number");
    Some(match message.code.as_str() {
        "skip_job" => format!("a job is left out, its condition is false: {}", condition()),
        "skip_stage" => format!(
            "stage {} is left out, its condition is false: {}",
            number(),
            condition()
        ),
        "skip_exclude" => format!(
            "an exclude is left out, its condition is false: {}",
            condition()
        ),
        "skip_allow_failure" => {
            format!(
                "an allow_failures entry is left out, its condition is false: {}",
                condition()
            )
        }
        "skip_notification" => {
            format!(
                "a notification is left out, its condition is false: {}",
                condition()
            )
        }
        "skip_import" => format!(
            "an import is left out, its condition is false: {}",
            condition()
        ),
        "dropped_characters" => {
            format!(
                "only ASCII is read: {} bytes of other characters are dropped",
                bare(message, "bytes")
            )
        }
        "needs_root" => match bare(message, "needs").as_str() {
            "addons.apt" => "packages are installed only where jobs may have root".to_owned(),
            "addons.hosts" => "hosts are added only where jobs have root".to_owned(),
            _ => "sudo works only where jobs have root".to_owned(),
        },
        "parse_error" => format!(
            "this is not valid YAML: {}",
            message.text("message").unwrap_or_default()
        ),
        "invalid_config_format" => {
            format!(
                "the top level must be a map of keys, and it is {}",
                bare(message, "actual")
            )
        }
        _ => return None,
    })
}

/// Code and arguments, for codes without a sentence.
fn plain(message: &Message) -> String {
    let code = message.code.replace('_', " ");
    let args: Vec<String> = message
        .args
        .iter()
        .map(|(name, value)| format!("{name} {}", cut(&shown(value))))
        .collect();
    if args.is_empty() {
        code
    } else {
        format!("{code}: {}", args.join(", "))
    }
}

pub(super) fn suggestion(message: &Message) -> Option<String> {
    let key = || arg(message, "key");
    Some(match message.code.as_str() {
        "unknown_key" => return unknown_key(message),
        "deprecated_key" if is_anchor(message) => format!(
            "names that begin with _ or . are for anchors: `_{}`",
            bare(message, "key")
        ),
        "deprecated_key" if bare(message, "key") == "sudo" => "remove it".to_owned(),
        "find_key" => format!("did you mean {}?", key()),
        "clean_key" | "strip_key" | "underscore_key" | "alias_key" => format!("write {}", key()),
        "duplicate_key" => "join them into one, or remove those before the last".to_owned(),
        "overwrite" => "keep one of the two".to_owned(),
        "required" => format!("add `{}:`", bare(message, "key")),
        "find_value" => format!("did you mean {}?", arg(message, "value")),
        "clean_value" | "alias_value" => format!("write {}", arg(message, "value")),
        "unknown_value" => return unknown_value(message),
        "unexpected_seq" => "give one value".to_owned(),
        "invalid_format" if message.key.ends_with("version") => {
            "write an operator, a space and a version: `>= 1.0`".to_owned()
        }
        "invalid_format" => "write `NAME=value`".to_owned(),
        "invalid_env_var" => "close every quote, and write no space around =".to_owned(),
        "invalid_condition" if bare(message, "message").contains("dollar") => {
            "conditions are no shell: write `branch` for $TRAVIS_BRANCH, `env(NAME)` for a variable".to_owned()
        }
        "invalid_condition" => "compare like this: `branch = main AND type != pull_request`".to_owned(),
        "secure" if message.level == Level::Alert => {
            "give the secret a new value, and encrypt that (`secure: …`) or keep it in the repository's settings".to_owned()
        }
        "invalid_secure" => "encrypt the value anew".to_owned(),
        "dropped_characters" => "write such characters only in comments".to_owned(),
        "needs_root" => "whoever runs the server allows it by `profile: root` for the repository or its image: assay.yml(5)".to_owned(),
        "parse_error" => return bad_yaml(message.text("message").unwrap_or_default()).map(str::to_owned),
        "invalid_config_format" => "begin with keys, such as `language: ruby`".to_owned(),
        _ => return None,
    })
}

fn unknown_key(message: &Message) -> Option<String> {
    let key = message.text("key")?;
    let owners = owners(key);
    if owners.iter().any(|owner| owner == "root") {
        return Some(format!(
            "`{key}` stands at the top level: mind the indentation"
        ));
    }
    if owners.is_empty() {
        return nearest_key(&message.key, key).map(|near| format!("did you mean `{near}`?"));
    }
    let owners: Vec<String> = owners
        .iter()
        .take(MOST_OWNERS)
        .map(|owner| format!("`{owner}`"))
        .collect();
    Some(format!("`{key}` is a key of {}", owners.join(", ")))
}

fn unknown_value(message: &Message) -> Option<String> {
    if let Some(near) = message
        .text("value")
        .and_then(|value| nearest_value(&message.key, value))
    {
        return Some(format!("did you mean `{near}`?"));
    }
    let known = known_values(&message.key);
    (1..=MOST_LISTED)
        .contains(&known.len())
        .then(|| format!("one of: {}", known.join(", ")))
}

/// What usually is behind libyaml's words.
fn bad_yaml(problem: &str) -> Option<&'static str> {
    const USUALLY: [(&str, &str); 12] = [
        (
            "did not find expected key",
            "indent the keys of a map alike, and close quotes and brackets above",
        ),
        (
            "did not find expected '-'",
            "indent the items of a list alike, each with its `- `",
        ),
        (
            "mapping values are not allowed",
            "quote a text that has a `: ` in it, and indent keys of a map alike",
        ),
        (
            "could not find expected ':'",
            "a key needs a colon and a space after it: `key: value`",
        ),
        (
            "found character that cannot start any token",
            "indent with spaces, not tabs; quote a text that begins with @, ` or %",
        ),
        ("found a tab character", "indent with spaces, not tabs"),
        ("unexpected end of stream", "close the quote or bracket"),
        (
            "did not find expected ',' or",
            "put a comma between items, and close the bracket",
        ),
        (
            "did not find expected <document start>",
            "the file ends its first value above: indent alike, quote texts with special characters",
        ),
        (
            "block sequence entries are not allowed",
            "put the list on lines of its own below its key",
        ),
        (
            "unknown escape character",
            "in double quotes a backslash needs another before it; or use single quotes",
        ),
        (
            "alias",
            "an anchor (&name) must stand before its alias (*name)",
        ),
    ];
    USUALLY
        .iter()
        .find(|(words, _)| problem.contains(words))
        .map(|(_, advice)| *advice)
}

fn is_anchor(message: &Message) -> bool {
    message
        .text("info")
        .is_some_and(|info| info.starts_with("anchor"))
}

/// What the message is about: a path, in backticks.
fn path(message: &Message) -> String {
    format!(
        "`{}`",
        message.key.strip_suffix(".secure").unwrap_or(&message.key)
    )
}

fn owner(message: &Message) -> String {
    if message.key == "root" {
        "the top level".to_owned()
    } else {
        format!("`{}`", message.key)
    }
}

/// An argument as the author might have written it, in backticks.
fn arg(message: &Message, name: &str) -> String {
    let text = bare(message, name);
    if text.is_empty() {
        "an empty text".to_owned()
    } else {
        format!("`{text}`")
    }
}

fn bare(message: &Message, name: &str) -> String {
    message
        .arg(name)
        .map(shown)
        .map(|text| cut(&text))
        .unwrap_or_default()
}

fn info(message: &Message) -> String {
    match message.text("info") {
        Some("The key `sudo` has no effect anymore.") => ": it has no effect any more".to_owned(),
        Some(why) => format!(": {}", why.trim_end_matches('.')),
        None => String::new(),
    }
}

fn kind(message: &Message, name: &str) -> &'static str {
    match message.text(name) {
        Some("str") => "text",
        Some("num") => "a number",
        Some("bool") => "true or false",
        Some("seq") => "a list",
        Some("map") => "a map",
        Some("secure") => "an encrypted value",
        Some("none") => "nothing",
        _ => "something else",
    }
}

/// A value in a line, like flow style YAML; no more of it than will be shown.
fn shown(value: &Value) -> String {
    let mut text = String::new();
    show(value, &mut text);
    text
}

fn show(value: &Value, text: &mut String) {
    if text.len() > 8 * MOST_SHOWN {
        return;
    }
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Int(number) => text.push_str(&number.to_string()),
        Value::Str(own) => text.push_str(own),
        Value::Seq(items) => {
            text.push('[');
            for (place, item) in items.iter().take(MOST_SHOWN).enumerate() {
                text.push_str(if place > 0 { ", " } else { "" });
                show(item, text);
            }
            text.push(']');
        }
        Value::Map(map) => {
            text.push('{');
            for (place, (key, value)) in map.iter().take(MOST_SHOWN).enumerate() {
                text.push_str(if place > 0 { ", " } else { "" });
                text.push_str(key);
                text.push_str(": ");
                show(value, text);
            }
            text.push('}');
        }
    }
}

/// One line of bounded length.
fn cut(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MOST_SHOWN + 1)
        .collect();
    if line.chars().count() > MOST_SHOWN {
        line.chars().take(MOST_SHOWN - 1).chain(['…']).collect()
    } else {
        line
    }
}

#[cfg(test)]
mod tests {
    use crate::{Level, Message, Value, lint};

    fn said(file: &str, code: &str) -> (String, Option<String>) {
        let messages = lint(file.as_bytes()).unwrap().messages;
        let message = messages
            .iter()
            .find(|message| message.code == code)
            .unwrap_or_else(|| panic!("no {code} in {messages:?}"));
        (message.cause(), message.suggestion())
    }

    #[test]
    fn causes_are_sentences_and_suggestions_name_what_to_write() {
        let cases = [
            (
                "scritps: x",
                "find_key",
                "`scritps` is no key, and is taken for `script`",
                "did you mean `script`?",
            ),
            (
                "addons: {script: x}",
                "unknown_key",
                "`script` is no key of `addons`, and does nothing",
                "`script` stands at the top level: mind the indentation",
            ),
            (
                "fast_finish: true",
                "unknown_key",
                "`fast_finish` is no key of the top level, and does nothing",
                "`fast_finish` is a key of `jobs`",
            ),
            (
                "language: rubyy3",
                "unknown_value",
                "`language` does not know `rubyy3`",
                "did you mean `ruby`?",
            ),
            (
                "if: branch = (",
                "invalid_condition",
                "this condition cannot be read, and counts as false: expected an operand",
                "compare like this: `branch = main AND type != pull_request`",
            ),
            (
                "if: $X = 1",
                "invalid_condition",
                "this condition cannot be read, and counts as false: a text that begins with a dollar sign must be quoted",
                "conditions are no shell: write `branch` for $TRAVIS_BRANCH, `env(NAME)` for a variable",
            ),
            (
                "matrix: {}\njobs: {}",
                "overwrite",
                "`matrix` is another name of `jobs`: it replaces the `jobs` that is given too",
                "keep one of the two",
            ),
            (
                "a: &a 1",
                "deprecated_key",
                "`a` is no key of the top level, it only holds an anchor",
                "names that begin with _ or . are for anchors: `_a`",
            ),
        ];
        for (file, code, cause, suggestion) in cases {
            assert_eq!(
                said(file, code),
                (cause.to_owned(), Some(suggestion.to_owned())),
                "{file}"
            );
        }
    }

    #[test]
    fn yaml_errors_come_with_usual_reasons() {
        let error = lint(b"a:\n\t- b").unwrap_err().to_message();
        assert_eq!(
            error.place.map(|place| (place.line, place.column)),
            Some((2, 1))
        );
        assert!(
            error
                .suggestion()
                .is_some_and(|text| text.contains("spaces, not tabs")),
            "{error:?}"
        );
    }

    #[test]
    fn codes_without_a_sentence_are_said_plainly() {
        let args = vec![("source", Value::from("x.yml"))];
        let message = Message::new(Level::Error, "import", "not_told_here", args);
        assert_eq!(message.cause(), "not told here: source x.yml");
    }
}
