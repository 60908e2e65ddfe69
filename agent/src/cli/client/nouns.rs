//! The Travis API's entities, as far as the command line shows them. Missing keys are no error: servers differ.

use std::collections::BTreeMap;

use assay_plan::{MATRIX_KEYS, Map, Value};
use serde::Deserialize;

/// A build.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Build {
    pub(crate) id: u64,
    pub(crate) number: String,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) event_type: Option<String>,
    #[serde(default)]
    pub(crate) started_at: Option<String>,
    #[serde(default)]
    pub(crate) finished_at: Option<String>,
    #[serde(default)]
    pub(crate) duration: Option<i64>,
}

/// A version that ran in the place of another.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Substitute {
    pub(crate) name: String,
    pub(crate) asked: String,
    pub(crate) used: String,
}

/// A job.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Job {
    pub(crate) id: u64,
    pub(crate) number: String,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) started_at: Option<String>,
    #[serde(default)]
    pub(crate) finished_at: Option<String>,
    #[serde(default)]
    pub(crate) allow_failure: bool,
    #[serde(default)]
    pub(crate) substitutes: Vec<Substitute>,
    #[serde(default)]
    pub(crate) config: Map,
    #[serde(default, rename = "assay")]
    pub(crate) used: Option<Used>,
}

/// What a job's run was made of and used.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Used {
    pub(crate) image: String,
    pub(crate) cpu_ms: u64,
    pub(crate) memory: u64,
    pub(crate) read: u64,
    pub(crate) written: u64,
    pub(crate) processes: u64,
}

impl Used {
    /// For people: what could not be measured is left out.
    pub(crate) fn text(&self) -> String {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let mut text = format!(
            "{}.{} s of CPU",
            self.cpu_ms / 1000,
            self.cpu_ms % 1000 / 100
        );
        for (value, unit) in [
            (mib(self.memory), "MiB of memory"),
            (mib(self.read), "MiB read"),
            (mib(self.written), "MiB written"),
            (self.processes, "processes"),
        ] {
            if value > 0 {
                text.push_str(&format!(", {value} {unit}"));
            }
        }
        text
    }
}

impl Job {
    /// Seconds from start to end.
    pub(crate) fn duration(&self) -> Option<i64> {
        let time = |text: &Option<String>| text.as_ref()?.parse::<jiff::Timestamp>().ok();
        Some(time(&self.finished_at)?.as_second() - time(&self.started_at)?.as_second())
    }
}

/// A commit.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Commit {
    #[serde(default)]
    pub(crate) sha: String,
    #[serde(default)]
    pub(crate) branch: Option<String>,
    #[serde(default)]
    pub(crate) tag: Option<String>,
    #[serde(default)]
    pub(crate) message: Option<String>,
    #[serde(default)]
    pub(crate) author_name: Option<String>,
}

impl Commit {
    /// The first seven digits.
    pub(crate) fn short(&self) -> &str {
        self.sha.get(..7).unwrap_or(&self.sha)
    }

    /// First line of the message.
    pub(crate) fn subject(&self) -> &str {
        self.message
            .as_deref()
            .and_then(|message| message.lines().next())
            .unwrap_or_default()
    }

    /// The tag, or the branch.
    pub(crate) fn ref_name(&self) -> &str {
        self.tag
            .as_deref()
            .or(self.branch.as_deref())
            .unwrap_or("-")
    }
}

/// A branch with its newest build.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Branch {
    pub(crate) number: String,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) finished_at: Option<String>,
}

/// A request.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Request {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) created_at: Option<String>,
    #[serde(default)]
    pub(crate) event_type: Option<String>,
    #[serde(default)]
    pub(crate) result: Option<String>,
    #[serde(default)]
    pub(crate) message: Option<String>,
    #[serde(default)]
    pub(crate) branch: Option<String>,
    #[serde(default)]
    pub(crate) tag: Option<String>,
    #[serde(default)]
    pub(crate) head_commit: Option<String>,
}

/// A repository.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Repository {
    pub(crate) id: u64,
    pub(crate) slug: String,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) active: Option<bool>,
    #[serde(default)]
    pub(crate) private: Option<bool>,
    #[serde(default)]
    pub(crate) last_build_number: Option<String>,
    #[serde(default)]
    pub(crate) last_build_state: Option<String>,
    #[serde(default)]
    pub(crate) last_build_finished_at: Option<String>,
}

/// A repository as the daemon's operator sees it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct OwnRepository {
    pub(crate) slug: String,
    #[serde(default)]
    pub(crate) path: Option<String>,
}

/// A token, without its text.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct TokenRecord {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) user: String,
    #[serde(default)]
    pub(crate) admin: bool,
    #[serde(default)]
    pub(crate) rights: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) created_at: Option<String>,
    #[serde(default)]
    pub(crate) expires_at: Option<String>,
}

/// What is special about a job: its name, or its matrix values.
pub(crate) fn job_details(config: &Map) -> String {
    match config.text("name") {
        Some(name) => name.to_owned(),
        None => matrix_values(config),
    }
}

/// What tells a job from its siblings, beside its name.
pub(crate) fn matrix_values(config: &Map) -> String {
    let value = |key: &&str| Some(format!("{key}: {}", scalar(config.get(key)?)?));
    let others = MATRIX_KEYS
        .iter()
        .filter(|key| !matches!(**key, "os" | "env"));
    let mut parts: Vec<String> = ["os", "dist"]
        .iter()
        .chain(others)
        .filter_map(value)
        .collect();
    parts.extend(config.get("env").and_then(env_text));
    parts.join(", ")
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Str(text) => Some(text.to_string()),
        Value::Int(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Seq(items) => {
            let all: Vec<String> = items.iter().filter_map(scalar).collect();
            if all.is_empty() {
                None
            } else {
                Some(all.join(" "))
            }
        }
        Value::Map(_) | Value::Null => None,
    }
}

/// Variables as `A=1 B=2`, from text, a map, or a list of either; secrets as `[secure]`.
fn env_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::Map(map) => {
            let pairs = map.iter().map(|(name, value)| match value {
                _ if name == "secure" => "[secure]".to_owned(),
                Value::Map(_) => format!("{name}=[secure]"),
                other => format!("{name}={}", scalar(other).unwrap_or_default()),
            });
            pairs.collect::<Vec<_>>().join(" ")
        }
        Value::Seq(items) => items
            .iter()
            .filter_map(env_text)
            .collect::<Vec<_>>()
            .join(" "),
        other => scalar(other)?,
    };
    if text.is_empty() { None } else { Some(text) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_is_known_by_its_name_or_its_matrix_values() {
        let details = |json: &str| job_details(&serde_json::from_str(json).unwrap());
        assert_eq!(details(r#"{"name": "docs", "os": "linux"}"#), "docs");
        assert_eq!(
            details(
                r#"{"os": "linux", "python": "3.10", "env": [{"B": "1", "A": 2}, {"secure": "x"}], "script": ["x"]}"#
            ),
            "os: linux, python: 3.10, B=1 A=2 [secure]"
        );
        assert_eq!(details(r#"{"env": "A=1 B=[secure]"}"#), "A=1 B=[secure]");
        assert_eq!(details("{}"), "");
    }

    #[test]
    fn entities_need_only_their_identity() {
        let job: Job = serde_json::from_value(json!({
            "id": 1, "number": "3.1", "state": "passed",
            "started_at": "2014-04-08T19:37:44Z", "finished_at": "2014-04-08T19:38:46Z"
        }))
        .unwrap();
        assert_eq!(job.duration(), Some(62));
        let commit: Commit =
            serde_json::from_value(json!({"sha": "abc", "message": "one\n\ntwo"})).unwrap();
        assert_eq!(
            (commit.short(), commit.subject(), commit.ref_name()),
            ("abc", "one", "-")
        );
    }
}
