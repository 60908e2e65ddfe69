//! Configurations as they may be shown: no key, no secret, environment as Travis' clients expect it.

use assay_plan::{Map, Value};

/// Add-ons that are shown; others may hold credentials.
const ADDONS: [&str; 9] = [
    "apt",
    "apt_packages",
    "apt_sources",
    "chrome",
    "firefox",
    "hosts",
    "mariadb",
    "postgresql",
    "ssh_known_hosts",
];
const SECURE: &str = "[secure]";

/// A build's configuration: `env` and `global_env` are lists of texts.
pub(super) fn build_config(config: &Map) -> Map {
    show(config, |groups| {
        Value::Seq(groups.into_iter().map(Value::from).collect())
    })
}

/// A job's configuration: `env` and `global_env` are one text each.
pub(super) fn job_config(config: &Map) -> Map {
    show(config, |groups| Value::from(groups.join(" ")))
}

/// A job's environment as one line, for the pages; `None` without one.
pub(crate) fn job_env(config: &Map) -> Option<String> {
    let groups = config.get("env").map(env_groups).unwrap_or_default();
    Some(groups.join(" ")).filter(|line| !line.is_empty())
}

fn show(config: &Map, env: impl Fn(Vec<String>) -> Value) -> Map {
    let mut shown = Map::new();
    for (key, value) in config.iter() {
        match (key, value) {
            ("source_key", _) => {}
            ("env", Value::Map(parts)) if is_split(parts) => {
                for (part, name) in [("global", "global_env"), ("jobs", "env"), ("matrix", "env")] {
                    if let Some(groups) = parts.get(part) {
                        shown.insert(name, env(env_groups(groups)));
                    }
                }
            }
            ("env" | "global_env", value) => {
                shown.insert(key, env(env_groups(value)));
            }
            ("addons", Value::Map(addons)) => {
                let kept = addons.iter().filter(|(name, _)| ADDONS.contains(name));
                let kept: Map = kept
                    .map(|(name, value)| (name.to_owned(), hide(value)))
                    .collect();
                shown.insert(key, Value::Map(kept));
            }
            (_, value) => {
                shown.insert(key, hide(value));
            }
        }
    }
    shown
}

/// Whether an `env` map has parts rather than variables.
fn is_split(env: &Map) -> bool {
    env.iter().all(|(key, value)| {
        matches!(key, "global" | "jobs" | "matrix") && !matches!(value, Value::Str(_))
    })
}

/// Each group of variables as one text: `A=1 B=[secure]`.
fn env_groups(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Seq(items) => items.iter().flat_map(env_groups).collect(),
        Value::Map(group) if is_secure(group) => vec![SECURE.to_owned()],
        Value::Map(group) => {
            let variables: Vec<String> = group
                .iter()
                .map(|(name, value)| variable(name, value))
                .collect();
            vec![variables.join(" ")]
        }
        other => scalar(other).into_iter().collect(),
    }
}

fn variable(name: &str, value: &Value) -> String {
    match value {
        Value::Map(_) | Value::Seq(_) => format!("{name}={SECURE}"),
        value => {
            let text = scalar(value).unwrap_or_default();
            let quoted = text.contains(char::is_whitespace) && !text.starts_with(['"', '\'']);
            if quoted {
                format!("{name}=\"{text}\"")
            } else {
                format!("{name}={text}")
            }
        }
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Str(text) => Some(text.to_string()),
        Value::Int(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Seq(_) | Value::Map(_) => None,
    }
}

fn is_secure(map: &Map) -> bool {
    map.len() == 1 && map.get("secure").is_some()
}

/// Replaces every encrypted value.
fn hide(value: &Value) -> Value {
    match value {
        Value::Map(map) if is_secure(map) => Value::from(SECURE),
        Value::Map(map) => Value::Map(
            map.iter()
                .map(|(key, value)| (key.to_owned(), hide(value)))
                .collect(),
        ),
        Value::Seq(items) => Value::Seq(items.iter().map(hide).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> Map {
        serde_json::from_str(json).unwrap()
    }

    fn text(map: &Map) -> String {
        serde_json::to_string(map).unwrap()
    }

    #[test]
    fn a_build_shows_lists_without_secrets() {
        let config = config(
            r#"{"language":"c","source_key":"KEY","env":{"global":[{"G":"1"},{"secure":"xyz"}],
                "jobs":[{"A":"1","B":{"secure":"xyz"}},{"A":"two words"}]},
                "addons":{"apt":{"packages":["x"]},"sauce_connect":{"access_key":"k"}},
                "notifications":{"slack":{"rooms":[{"secure":"xyz"}]}}}"#,
        );
        assert_eq!(
            text(&build_config(&config)),
            r#"{"language":"c","global_env":["G=1","[secure]"],"env":["A=1 B=[secure]","A=\"two words\""],"#.to_owned()
                + r#""addons":{"apt":{"packages":["x"]}},"notifications":{"slack":{"rooms":["[secure]"]}}}"#
        );
    }

    #[test]
    fn a_job_shows_one_text() {
        let config =
            config(r#"{"env":[{"A":"1"},{"B":{"secure":"xyz"}},{"secure":"q"}],"rvm":"2.1"}"#);
        assert_eq!(
            text(&job_config(&config)),
            r#"{"env":"A=1 B=[secure] [secure]","rvm":"2.1"}"#
        );
        assert_eq!(job_env(&config).as_deref(), Some("A=1 B=[secure] [secure]"));
        assert_eq!(job_env(&Map::new()), None);
    }

    #[test]
    fn a_variable_may_be_called_global() {
        let config = config(r#"{"env":{"global":"1"}}"#);
        assert_eq!(text(&job_config(&config)), r#"{"env":"global=1"}"#);
    }
}
