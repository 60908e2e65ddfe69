//! Our answers and the official parser's, side by side.

use std::path::{Path, PathBuf};

use assay_plan::{Linted, MATRIX_KEYS, Map, Row, Value, eval_condition, expand, lint};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

const PHASES: [&str; 10] = [
    "before_install",
    "install",
    "before_script",
    "script",
    "before_cache",
    "after_success",
    "after_failure",
    "before_deploy",
    "after_deploy",
    "after_script",
];

/// What tells jobs apart beside the keys of the matrix.
const JOB_KEYS: [&str; 4] = ["dist", "language", "stage", "name"];

fn to_map(json: &Json) -> Map {
    serde_json::from_value(json.clone()).expect("a map")
}

fn to_json(value: &impl serde::Serialize) -> Json {
    serde_json::to_value(value).expect("any value is JSON")
}

fn canonical(jobs: &[Row], with_phases: bool) -> String {
    let jobs: Vec<Json> = jobs
        .iter()
        .map(|row| canonical_job(&row.config, with_phases))
        .collect();
    let text = serde_json::to_string(&jobs).expect("JSON");
    Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn canonical_job(job: &Map, with_phases: bool) -> Json {
    let mut out = serde_json::Map::new();
    for key in JOB_KEYS
        .iter()
        .chain(MATRIX_KEYS.iter())
        .filter(|key| **key != "env")
    {
        if let Some(value) = job.get(key).filter(|value| !matches!(value, Value::Null)) {
            let empty = matches!(value, Value::Seq(items) if items.is_empty())
                || value.as_map().is_some_and(Map::is_empty);
            if !empty {
                out.insert((*key).to_owned(), to_json(value));
            }
        }
    }
    let env = canonical_env(job.get("env"));
    if !env.is_empty() {
        out.insert("env".to_owned(), Json::Array(env));
    }
    if job.get("allow_failure") == Some(&Value::Bool(true)) {
        out.insert("allow_failure".to_owned(), Json::Bool(true));
    }
    if with_phases {
        for phase in PHASES {
            if let Some(value) = job.get(phase) {
                let list = match value {
                    list @ Value::Seq(_) => to_json(list),
                    single => Json::Array(vec![to_json(single)]),
                };
                if list.as_array().is_some_and(|list| !list.is_empty()) {
                    out.insert(phase.to_owned(), list);
                }
            }
        }
    }
    Json::Object(out)
}

fn canonical_env(env: Option<&Value>) -> Vec<Json> {
    let groups: &[Value] = match env {
        Some(Value::Seq(groups)) => groups,
        Some(single) => std::slice::from_ref(single),
        None => &[],
    };
    let mut flat = Vec::new();
    for group in groups {
        match group {
            Value::Map(group) => {
                for (name, value) in group.iter() {
                    flat.push(match (name, value) {
                        ("secure", value) => serde_json::json!({"secure": to_json(value)}),
                        (name, Value::Map(secure)) => {
                            serde_json::json!({"name": name, "secure": to_json(&secure.get("secure").cloned().unwrap_or_default())})
                        }
                        (name, Value::Null) => Json::String(format!("{name}=")),
                        (name, Value::Str(text)) => Json::String(format!("{name}={text}")),
                        (name, other) => Json::String(format!("{name}={}", to_json(other))),
                    });
                }
            }
            other => flat.push(to_json(other)),
        }
    }
    flat
}

/// The files of a folder, in order.
pub(crate) fn cases(folder: &Path) -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the corpus folder can be listed")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yml"))
        .collect();
    cases.sort();
    cases
}

/// How many of all agree.
pub(crate) struct Count {
    what: &'static str,
    /// Percent that must agree.
    target: f64,
    agreed: usize,
    all: usize,
    differing: Vec<String>,
}

impl Count {
    fn new(what: &'static str, target: f64) -> Self {
        Count {
            what,
            target,
            agreed: 0,
            all: 0,
            differing: Vec::new(),
        }
    }

    fn add(&mut self, agreed: bool, name: &str) -> bool {
        self.all += 1;
        if agreed {
            self.agreed += 1;
        } else {
            self.differing.push(name.to_owned());
        }
        agreed
    }

    fn percent(&self) -> f64 {
        let share = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        100.0 * share(self.agreed) / share(self.all.max(1))
    }

    /// Whether the target is reached.
    pub(crate) fn is_enough(&self) -> bool {
        self.percent() >= self.target
    }

    /// A line with the names of those that differ.
    pub(crate) fn print(&self) {
        println!(
            "  {:<12} {:>4} of {:>4}  {:6.2} %  (target {} %)  {}",
            self.what,
            self.agreed,
            self.all,
            self.percent(),
            self.target,
            self.differing.join(" ")
        );
    }
}

/// The configuration with the notifications that remain for an event.
fn filtered_config(linted: &Linted, data: &Map) -> Json {
    let mut config = linted.config.clone();
    if config.get("notifications").is_some() {
        config.insert("notifications", expand(linted, data).notifications);
    }
    let mut json = to_json(&config);
    if let Some(entries) = json.as_object_mut() {
        entries.retain(|_, value| !value.is_null());
    }
    json
}

/// Prints the smallest parts that differ.
fn show_difference(path: &str, ours: &Json, wanted: &Json) {
    match (ours, wanted) {
        (Json::Object(ours), Json::Object(wanted)) => {
            let keys: std::collections::BTreeSet<&String> =
                ours.keys().chain(wanted.keys()).collect();
            for key in keys {
                let part = |map: &serde_json::Map<String, Json>| {
                    map.get(key).cloned().unwrap_or(Json::Null)
                };
                show_difference(&format!("{path}.{key}"), &part(ours), &part(wanted));
            }
        }
        (Json::Array(ours), Json::Array(wanted)) if ours.len() == wanted.len() => {
            for (place, (ours, wanted)) in ours.iter().zip(wanted).enumerate() {
                show_difference(&format!("{path}[{place}]"), ours, wanted);
            }
        }
        (ours, wanted) if ours != wanted => println!("{path}: {ours}, wanted {wanted}"),
        _ => {}
    }
}

/// Reads, normalises and expands every file, for every event it comes with, and compares; prints what differs.
pub(crate) fn agreement(folder: &Path) -> Vec<Count> {
    let mut counts = [
        Count::new("config", 99.0),
        Count::new("matrix", 100.0),
        Count::new("full", 100.0),
        Count::new("stages", 100.0),
        Count::new("messages", 97.0),
    ];
    for path in cases(folder) {
        compare(&path, &mut counts);
    }
    counts.into()
}

fn compare(path: &Path, [config, matrix, full, stages, messages]: &mut [Count; 5]) {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let expected =
        std::fs::read(path.with_extension("expected.json")).expect("each case has its expectation");
    let expected: Json = serde_json::from_slice(&expected).expect("JSON");
    let linted = lint(&std::fs::read(path).expect("a case can be read"));
    let Ok(linted) = linted else {
        println!("{name}: {linted:?}");
        config.add(false, &name);
        return;
    };
    let filtered = filtered_config(&linted, &to_map(&expected["runs"][0]["data"]));
    if !config.add(filtered == expected["config"], &name) {
        show_difference(&name, &filtered, &expected["config"]);
    }
    let said: Vec<Json> = linted
        .messages
        .iter()
        .map(|message| format!("{}:{}:{}", message.level.name(), message.key, message.code).into())
        .collect();
    if !messages.add(Some(&said) == expected["messages"].as_array(), &name) {
        println!(
            "{name}: said {}\n{name}: want {}",
            Json::Array(said),
            expected["messages"]
        );
    }
    let runs = expected["runs"].as_array().expect("runs");
    for (place, run) in runs.iter().enumerate() {
        let name = format!("{name}/{place}");
        let expansion = expand(&linted, &to_map(&run["data"]));
        let hash = |with_phases| canonical(&expansion.jobs, with_phases);
        matrix.add(run["matrix_sha256"] == hash(false), &name);
        full.add(run["full_sha256"] == hash(true), &name);
        stages.add(to_json(&expansion.stages) == run["stages"], &name);
    }
}

/// Evaluates the conditions of `conditions.jsonl`, if there is one.
pub(crate) fn conditions(folder: &Path) -> Option<Count> {
    let places = [
        folder.join("conditions.jsonl"),
        folder.join("../conditions.jsonl"),
    ];
    let lines = places
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok())?;
    let mut count = Count::new("conditions", 100.0);
    for line in lines.lines() {
        let case: Json = serde_json::from_str(line).expect("JSON");
        let id = case["id"].as_str().expect("an id");
        let expr = case["expr"].as_str().expect("an expression");
        let result = eval_condition(expr, &to_map(&case["data"]));
        let agreed = match (&result, case["result"].as_bool()) {
            (Ok(result), Some(wanted)) => *result == wanted,
            (Err(_), None) => true,
            _ => false,
        };
        if !agreed {
            println!(
                "{id}: {expr:?} is {result:?}, wanted {} {}",
                case["result"], case["error"]
            );
        }
        count.add(agreed, id);
    }
    Some(count)
}
