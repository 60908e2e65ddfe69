//! `virt: wasm`: the phases of a job as command lines.

use assay_plan::{CommandLine, CommandLines, Map, OnFailure, When, expand, lint};

use crate::nouns;

fn lines(yaml: &str) -> (Option<CommandLines>, Vec<String>) {
    let read = lint(yaml.as_bytes()).expect("the file can be read");
    let rows = expand(&read, &Map::new()).jobs;
    let row = rows.into_iter().next().expect("there is a job");
    let plan = nouns::plan(
        &nouns::build(),
        row,
        &[("GIVEN".to_owned(), "it's".to_owned())],
    );
    (plan.wasm, plan.notes)
}

fn find<'a>(lines: &'a CommandLines, text: &str) -> &'a CommandLine {
    lines
        .lines
        .iter()
        .find(|line| line.text == text)
        .unwrap_or_else(|| panic!("{text}: {lines:?}"))
}

#[test]
fn only_a_job_that_asks_for_it_has_command_lines() {
    assert_eq!(lines("script: true").0, None);
    assert_eq!(lines("virt: namespace\nscript: true").0, None);
}

#[test]
fn phases_keep_their_order_folds_and_rules() {
    let yaml = "virt: wasm\nenv: A='x y'\ninstall: [one, two]\nscript: three\nafter_success: four\n\
                after_failure: five\nafter_script: six\nservices: redis\n";
    let (lines, notes) = lines(yaml);
    let lines = lines.expect("there are command lines");
    let texts: Vec<&str> = lines.lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "export A='x y'",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six"
        ]
    );
    assert!(!find(&lines, "export A='x y'").timed);
    let two = find(&lines, "two");
    assert_eq!(
        (two.fold.as_deref(), two.on_failure),
        (Some("install.2"), OnFailure::End)
    );
    let three = find(&lines, "three");
    assert_eq!(
        (three.fold.as_deref(), three.on_failure, three.when),
        (None, OnFailure::Count, When::Always)
    );
    assert_eq!(find(&lines, "four").when, When::Passed);
    assert_eq!(find(&lines, "five").when, When::Failed);
    let six = find(&lines, "six");
    assert_eq!(
        (six.fold.as_deref(), six.on_failure),
        (Some("after_script"), OnFailure::Ignore)
    );
    let given = |name: &str| {
        let found = lines
            .variables
            .iter()
            .rev()
            .find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(
        (given("GIVEN"), given("TRAVIS_BRANCH")),
        (Some("it's"), Some("main"))
    );
    assert_eq!(given("SHELL"), None);
    assert!(
        notes.iter().any(|note| note.contains("services")),
        "{notes:?}"
    );
}

#[test]
fn a_job_without_a_script_says_so_and_a_skipped_one_passes() {
    let (none, _) = lines("virt: wasm\nlanguage: python");
    assert!(
        none.expect("there are command lines")
            .lines
            .iter()
            .any(|line| line.text.ends_with("exit 1"))
    );
    let (skipped, _) = lines("virt: wasm\nscript: skip");
    let skipped = skipped.expect("there are command lines").lines;
    assert_eq!(
        (skipped.len(), skipped[0].on_failure),
        (1, OnFailure::Ignore)
    );
    assert!(skipped[0].text.contains("Skipping the script step"));
}
