//! `assay man`: the man pages of this very version. Those of section 1 are made from the definition of the command
//! line, travis.yml(5) from the tables of the language; the tree's `man/` holds them as files for packages, and a test keeps both
//! the same.

mod examples;
mod language;
mod page;
mod plain;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::CommandFactory;

use super::args::{self, Cli};
use super::output::Screen;
use crate::exit::{Exit, Failure, Outcome};

/// Pages written by hand, by file name.
const BY_HAND: [(&str, &str); 3] = [
    ("assay.yml.5", include_str!("../../../man/assay.yml.5")),
    (
        "assay-sandbox.7",
        include_str!("../../../man/assay-sandbox.7"),
    ),
    ("assay.8", include_str!("../../../man/assay.8")),
];

/// The page about the language.
const LANGUAGE: &str = "travis.yml.5";

/// A page: its file name (`assay-logs.1`) and its text in man(7).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Page {
    file: String,
    text: String,
}

impl Page {
    /// The name people call it by: the file's, without the section.
    fn name(&self) -> &str {
        self.file
            .rsplit_once('.')
            .map_or(&self.file, |(name, _)| name)
    }
}

/// `assay man`
pub(crate) fn man(args: &args::Man, screen: &Screen) -> Outcome {
    match &args.generate {
        Some(folder) => generate(folder, screen),
        None => show(args.page.as_deref().unwrap_or("assay"), screen),
    }
}

/// All pages that are made: section 1 and travis.yml(5).
fn made() -> Vec<Page> {
    let mut pages = page::pages(&Cli::command());
    pages.push(Page {
        file: LANGUAGE.to_owned(),
        text: language::page(),
    });
    pages
}

fn generate(folder: &Path, screen: &Screen) -> Outcome {
    for page in made() {
        let path = folder.join(&page.file);
        std::fs::write(&path, &page.text)
            .map_err(|error| Failure::io(format!("cannot write {}", path.display()), &error))?;
        screen.whisper(&path.display().to_string());
    }
    Ok(Exit::Ok)
}

fn show(name: &str, screen: &Screen) -> Outcome {
    let page = find(name).ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("there is no page {name:?}"))
            .hint("assay man names all commands")
    })?;
    for (program, arguments) in [
        ("man", ["-l", "-"].as_slice()),
        ("mandoc", ["-a"].as_slice()),
    ] {
        if shown_by(program, arguments, &page.text) {
            return Ok(Exit::Ok);
        }
    }
    screen.data(&plain::render(&page.text))?;
    Ok(Exit::Ok)
}

fn find(name: &str) -> Option<Page> {
    let by_hand = BY_HAND.iter().map(|(file, text)| Page {
        file: (*file).to_owned(),
        text: (*text).to_owned(),
    });
    let mut pages: Vec<Page> = made();
    pages.extend(by_hand);
    let wanted = name.replace(' ', "-");
    let found = pages
        .iter()
        .find(|page| page.name() == wanted || page.file == wanted);
    found
        .or_else(|| {
            pages
                .iter()
                .find(|page| page.name() == format!("assay-{wanted}"))
        })
        .cloned()
}

/// Whether this program showed the page.
fn shown_by(program: &str, arguments: &[&str], text: &str) -> bool {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else { return false };
    // A pager that is left early closes the pipe: that is no failure.
    if let Some(mut input) = child.stdin.take() {
        let _ = input.write_all(text.as_bytes());
    }
    child.wait().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../man")
    }

    #[test]
    fn the_committed_pages_are_the_generated_ones() {
        let mut files: Vec<String> = std::fs::read_dir(committed())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".1") || name == LANGUAGE)
            .collect();
        let mut expected: Vec<String> = Vec::new();
        for page in made() {
            let text = std::fs::read_to_string(committed().join(&page.file)).unwrap_or_default();
            assert!(
                text == page.text,
                "man/{} is old: run `cargo run -- man --generate man`",
                page.file
            );
            expected.push(page.file);
        }
        files.sort();
        expected.sort();
        assert_eq!(files, expected);
    }

    #[test]
    fn mandoc_has_nothing_to_say() {
        for page in made() {
            // Pages in mdoc(7) name others, which need not be installed: a matter of style.
            let least = if page.file == LANGUAGE {
                "warning"
            } else {
                "style"
            };
            let Ok(output) = Command::new("mandoc")
                .args(["-T", "lint", "-W", least])
                .arg(committed().join(&page.file))
                .output()
            else {
                drop(std::io::stderr().write_all(b"\nSKIP man pages: mandoc is not installed\n"));
                return;
            };
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stdout)
            );
        }
    }

    #[test]
    fn pages_are_found_by_any_name() {
        for name in ["logs", "assay-logs", "assay-logs.1"] {
            assert_eq!(find(name).unwrap().file, "assay-logs.1");
        }
        assert_eq!(find("repo add").unwrap().file, "assay-repo-add.1");
        assert_eq!(find("assay").unwrap().file, "assay.1");
        assert_eq!(find("assay.8").unwrap().file, "assay.8");
        assert_eq!(find("assay.yml").unwrap().file, "assay.yml.5");
        assert_eq!(find("travis.yml").unwrap().file, "travis.yml.5");
        assert!(find("nonsense").is_none());
    }

    #[test]
    fn every_key_of_the_configuration_has_its_entry() {
        fn keys(value: &serde_json::Value, all: &mut Vec<String>) {
            for (key, inner) in value.as_object().into_iter().flatten() {
                all.push(key.clone());
                keys(inner, all);
            }
        }
        let config = serde_json::to_value(crate::config::Config::default()).unwrap();
        let mut all = Vec::new();
        keys(&config, &mut all);
        let page = find("assay.yml").unwrap().text;
        for key in all {
            assert!(
                page.contains(&format!(".It Cm {key}")),
                "assay.yml(5) has no entry for {key}"
            );
        }
    }

    #[test]
    fn every_page_has_an_example() {
        for page in made() {
            let has_example =
                page.text.contains(".SH EXAMPLES") || page.text.contains("For example:");
            assert!(has_example, "{}", page.file);
        }
    }
}
