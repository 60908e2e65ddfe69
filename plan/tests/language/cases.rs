//! Every folder of `tests/cases` is one case: `travis.yml`, perhaps `event.json`, and `expected.json`. What is imported stands
//! below `imports`, as `OWNER/NAME/PATH` or `OWNER/NAME@REF/PATH`.
//!
//! What is expected is either `rejected` (the reason) or `jobs`, `stages` and `messages` (`level:key:code`, with `:line:column+width`
//! where it stands, and ` of FILE` for an imported one). With `ASSAY_WRITE_CASES` set, the expectations are written anew, to be read in the diff.

use std::path::{Path, PathBuf};

use assay_plan::{
    Commit, ConfigFile, Decision, EventKind, Imported, Imports, Message, Reading, Request, decide,
};
use serde_json::{Value as Json, json};

use crate::nouns;

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    folders
}

fn event(folder: &Path) -> (Request, Commit) {
    let json: Json = match std::fs::read(folder.join("event.json")) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap(),
        Err(_) => json!({}),
    };
    let text = |key: &str, default: &str| json[key].as_str().unwrap_or(default).to_owned();
    let kind = EventKind::from_name(&text("type", "push")).unwrap();
    let mut request = nouns::request(kind, &text("ref", "refs/heads/main"));
    request.event.options = json["options"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|option| option.as_str().unwrap().to_owned())
        .collect();
    (request, nouns::commit(&text("message", "Mend the widget")))
}

fn shown(message: &Message) -> String {
    let line = message
        .place
        .map(|place| format!(":{}:{}+{}", place.line, place.column, place.width))
        .unwrap_or_default();
    let file = message
        .file
        .as_ref()
        .map_or_else(String::new, |file| format!(" of {file}"));
    format!(
        "{}:{}:{}{line}{file}",
        message.level.name(),
        message.key,
        message.code
    )
}

/// Decides with what the folder holds of the files that are asked for.
fn decision(folder: &Path) -> Decision {
    let yaml = std::fs::read(folder.join("travis.yml")).unwrap();
    let (request, commit) = event(folder);
    let mut imports = Imports::new();
    loop {
        let wanted = match decide(
            &nouns::repository(),
            &request,
            &commit,
            ConfigFile::Bytes(&yaml),
            &imports,
        ) {
            Reading::Done(decision) => return decision,
            Reading::Needs(wanted) => wanted,
        };
        let at = wanted.at.as_ref().filter(|at| **at != commit.id.as_str());
        let at = at.map(|at| format!("@{at}")).unwrap_or_default();
        let path = format!("imports/{}{at}/{}", wanted.slug, wanted.path);
        let found = match std::fs::read(folder.join(path)) {
            Ok(bytes) => Imported::File {
                bytes,
                commit: None,
            },
            Err(_) => Imported::Refused("there is no such file".to_owned()),
        };
        assert!(
            imports.insert(wanted.clone(), found).is_none(),
            "{wanted} is asked for twice"
        );
    }
}

fn outcome(folder: &Path) -> Json {
    let messages = |messages: &[Message]| messages.iter().map(shown).collect::<Vec<_>>();
    match decision(folder) {
        Decision::Reject {
            reason,
            messages: said,
        } => {
            json!({ "rejected": reason, "messages": messages(&said) })
        }
        Decision::Accept(blueprint) => {
            let jobs: Vec<Json> = blueprint
                .jobs
                .iter()
                .map(|job| serde_json::to_value(&job.config).unwrap())
                .collect();
            let mut outcome = json!({ "jobs": jobs, "messages": messages(&blueprint.messages) });
            if !blueprint.stages.is_empty() {
                outcome["stages"] = json!(blueprint.stages);
            }
            if let [_, imported @ ..] = blueprint.sources.as_slice()
                && !imported.is_empty()
            {
                outcome["imported"] = json!(imported);
            }
            if blueprint.fast_finish {
                outcome["fast_finish"] = json!(true);
            }
            outcome
        }
    }
}

#[test]
fn cases() {
    let mut wrong = Vec::new();
    let folders = folders();
    assert!(folders.len() >= 25, "cases are missing");
    for folder in folders {
        let path = folder.join("expected.json");
        let ours = outcome(&folder);
        if std::env::var_os("ASSAY_WRITE_CASES").is_some() {
            std::fs::write(&path, serde_json::to_string_pretty(&ours).unwrap() + "\n").unwrap();
        }
        let expected: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        if ours != expected {
            wrong.push(format!("{}: {ours:#}", folder.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
