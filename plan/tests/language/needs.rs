//! What a file needs root for.

use assay_plan::{lint, locate, needs_root};

/// Key, line and marked text of each message.
fn needs(yaml: &str) -> Vec<(String, Option<String>)> {
    let mut messages = needs_root(&lint(yaml.as_bytes()).expect("the file can be read").config);
    locate(yaml.as_bytes(), [], &mut messages);
    let marked = |message: &assay_plan::Message| {
        let place = message.place?;
        let line = place.source_line(yaml.as_bytes())?;
        let start = usize::try_from(place.column).ok()? - 1;
        let width = usize::try_from(place.width).ok()?;
        Some(line.chars().skip(start).take(width).collect())
    };
    messages
        .iter()
        .map(|message| {
            assert_eq!(message.code, "needs_root");
            assert!(message.cause().contains("root") && message.suggestion().is_some());
            (message.key.clone(), marked(message))
        })
        .collect()
}

#[test]
fn sudo_and_packages_are_named_with_their_place() {
    let yaml = "language: c\nscript:\n  - make\n  - sudo make install\nbefore_install: echo sudo\naddons:\n  hosts: [a.test]\n  apt:\n    packages: x\n\
                matrix:\n  include:\n    - script: make\n    - script: ['sudo true']\n";
    let seen = needs(yaml);
    let seen: Vec<(&str, Option<&str>)> = seen
        .iter()
        .map(|(key, marked)| (key.as_str(), marked.as_deref()))
        .collect();
    assert_eq!(
        seen,
        [
            ("script", Some("sudo make install")),
            ("addons.apt", Some("apt")),
            ("addons.hosts", Some("hosts")),
            ("jobs.include.script", Some("'sudo true'")),
        ]
    );
    assert_eq!(
        needs("language: c\nscript: make\naddons: {apt: {packages: []}}\n"),
        []
    );
}

#[test]
fn they_are_none_of_the_files_own_messages() {
    let messages = lint(b"language: c\nscript: sudo make\n").unwrap().messages;
    assert!(messages.iter().all(|message| message.code != "needs_root"));
}
