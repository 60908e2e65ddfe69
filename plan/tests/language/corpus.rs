//! Agreement with the official parser on real files; needs a folder of cases, named by `ASSAY_CORPUS`.
//!
//! Without it the tests say that they were skipped. A case is `NAME.yml` with `NAME.expected.json`; conditions are
//! the lines of `conditions.jsonl` in the folder or beside it.

use std::path::{Path, PathBuf};

use assay_plan::{Map, Value, eval_condition, expand, lint};
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

const JOB_KEYS: [&str; 43] = [
    "os",
    "dist",
    "arch",
    "osx_image",
    "compiler",
    "language",
    "stage",
    "name",
    "jdk",
    "crystal",
    "dotnet",
    "mono",
    "solution",
    "d",
    "dart",
    "dart_task",
    "elixir",
    "otp_release",
    "elm",
    "node_js",
    "go",
    "hhvm",
    "php",
    "ghc",
    "haxe",
    "julia",
    "matlab",
    "nix",
    "perl",
    "perl6",
    "python",
    "r",
    "rvm",
    "gemfile",
    "xcode_scheme",
    "xcode_sdk",
    "rust",
    "scala",
    "smalltalk",
    "smalltalk_config",
    "smalltalk_vm",
    "allow_failure",
    "env",
];

fn corpus(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("ASSAY_CORPUS")
        .map(PathBuf::from)
        .filter(|folder| folder.is_dir());
    if folder.is_none() {
        println!("{test}: skipped, ASSAY_CORPUS names no folder");
    }
    folder
}

fn to_map(json: &Json) -> Map {
    serde_json::from_value(json.clone()).expect("a map")
}

fn to_json(value: &impl serde::Serialize) -> Json {
    serde_json::to_value(value).expect("any value is JSON")
}

fn canonical(jobs: &[Map], with_phases: bool) -> String {
    let jobs: Vec<Json> = jobs
        .iter()
        .map(|job| canonical_job(job, with_phases))
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
        .filter(|key| !matches!(**key, "env" | "allow_failure"))
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
                    Value::Seq(items) => to_json(items),
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
    let groups = match env {
        Some(Value::Seq(groups)) => groups.clone(),
        Some(single) => vec![single.clone()],
        None => Vec::new(),
    };
    let mut flat = Vec::new();
    for group in &groups {
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

fn cases(folder: &Path) -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the corpus folder can be listed")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yml"))
        .collect();
    cases.sort();
    cases
}

#[derive(Default)]
struct Count {
    agreed: usize,
    all: usize,
    differing: Vec<String>,
}

impl Count {
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

    fn print(&self, what: &str) {
        println!(
            "{what:<12} {:>4} of {:>4}  {:6.2} %  {}",
            self.agreed,
            self.all,
            self.percent(),
            self.differing.join(" ")
        );
    }
}

/// The configuration with the notifications that remain for an event.
fn filtered_config(config: &Map, data: &Map) -> Json {
    let mut config = config.clone();
    if config.get("notifications").is_some() {
        config.insert("notifications", expand(&config, data).notifications);
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

#[test]
fn agrees_with_the_official_parser() {
    let Some(folder) = corpus("agrees_with_the_official_parser") else {
        return;
    };
    let [mut config, mut matrix, mut full, mut stages, mut messages] =
        std::array::from_fn(|_| Count::default());
    for path in cases(&folder) {
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let expected = std::fs::read(path.with_extension("expected.json"))
            .expect("each case has its expectation");
        let expected: Json = serde_json::from_slice(&expected).expect("JSON");
        let linted = lint(&std::fs::read(&path).expect("a case can be read"));
        let Ok(linted) = linted else {
            println!("{name}: {linted:?}");
            config.add(false, &name);
            continue;
        };
        let filtered = filtered_config(&linted.config, &to_map(&expected["runs"][0]["data"]));
        if !config.add(filtered == expected["config"], &name) {
            show_difference(&name, &filtered, &expected["config"]);
        }
        let said: Vec<Json> = linted
            .messages
            .iter()
            .map(|message| {
                format!("{}:{}:{}", message.level.name(), message.key, message.code).into()
            })
            .collect();
        if !messages.add(Some(&said) == expected["messages"].as_array(), &name) {
            println!(
                "{name}: said {}\n{name}: want {}",
                Json::Array(said),
                expected["messages"]
            );
        }
        for (place, run) in expected["runs"]
            .as_array()
            .expect("runs")
            .iter()
            .enumerate()
        {
            let run_name = format!("{name}/{place}");
            let expansion = expand(&linted.config, &to_map(&run["data"]));
            matrix.add(
                run["matrix_sha256"] == canonical(&expansion.jobs, false),
                &run_name,
            );
            full.add(
                run["full_sha256"] == canonical(&expansion.jobs, true),
                &run_name,
            );
            stages.add(to_json(&expansion.stages) == run["stages"], &run_name);
        }
    }
    config.print("config");
    matrix.print("matrix");
    full.print("full");
    stages.print("stages");
    messages.print("messages");
    let targets = [
        (&config, 99.0),
        (&matrix, 100.0),
        (&full, 100.0),
        (&stages, 100.0),
        (&messages, 97.0),
    ];
    assert!(
        targets
            .iter()
            .all(|(count, target)| count.percent() >= *target),
        "agreement is below its target"
    );
}

#[test]
fn conditions_agree() {
    let Some(folder) = corpus("conditions_agree") else {
        return;
    };
    let places = [
        folder.join("conditions.jsonl"),
        folder.join("../conditions.jsonl"),
    ];
    let Some(lines) = places
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok())
    else {
        println!("conditions_agree: skipped, no conditions.jsonl");
        return;
    };
    let mut count = Count::default();
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
    count.print("conditions");
    assert_eq!(count.agreed, count.all);
}
