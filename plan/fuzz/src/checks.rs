//! One check per fuzz target: bytes in, a panic if a promise of the language is broken.

use std::io::Write;
use std::process::{Command, Stdio};

use assay_plan::{Map, Message, Value, eval_condition, expand as expand_matrix, lint};

use crate::nouns;

/// Bash looks at one script of this many; the scan below looks at all.
const ONE_IN: usize = 64;
/// Jobs of one input whose scripts are looked at.
const MOST_JOBS: usize = 3;
/// Stands for what an attacker wants to be run: wherever it is in a script, it is in single quotes.
const CANARY: &str = "CANARY";

/// Reading and normalising: any bytes have an answer, and every message stands in the file.
pub(crate) fn yaml(bytes: &[u8]) {
    match lint(bytes) {
        Ok(linted) => linted
            .messages
            .iter()
            .for_each(|message| stands_in(bytes, message)),
        Err(error) => stands_in(bytes, &error.to_message()),
    }
}

fn stands_in(bytes: &[u8], message: &Message) {
    assert!(
        !message.cause().is_empty() && !message.cause().contains('\n'),
        "{message:?}"
    );
    assert!(
        message.suggestion().is_none_or(|text| !text.is_empty()),
        "{message:?}"
    );
    let Some(place) = message.place else { return };
    let line = place
        .source_line(bytes)
        .unwrap_or_else(|| panic!("no such line: {message:?}"));
    let end = usize::try_from(place.column + place.width - 1).expect("a small number");
    assert!(place.column >= 1 && place.width >= 1, "{message:?}");
    assert!(end <= line.chars().count() + 1, "{message:?} in {line:?}");
}

/// Expansion: a bounded number of jobs, the same each time.
pub(crate) fn expand(bytes: &[u8]) {
    let Ok(linted) = lint(bytes) else { return };
    for data in [Map::new(), event()] {
        let expansion = expand_matrix(&linted, &data);
        assert!(expansion.jobs.len() <= 2_000);
        assert_eq!(expansion, expand_matrix(&linted, &data));
    }
}

/// Conditions: an answer for any text.
pub(crate) fn condition(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let data = event();
    assert_eq!(eval_condition(&text, &data), eval_condition(&text, &data));
}

/// Job scripts: bash can read them, and nothing that the author wrote leaves its quotes.
pub(crate) fn script(bytes: &[u8]) {
    let Ok(linted) = lint(bytes) else { return };
    let expansion = expand_matrix(&linted, &event());
    for job in expansion.jobs.into_iter().take(MOST_JOBS) {
        let plan = nouns::plan(&nouns::build(), job, &[]);
        let script = plan.script;
        let Some(quoted) = single_quoted(script.as_bytes()) else {
            assert!(!bash_reads(&script), "the scan is wrong about:\n{script}");
            panic!("something is open at the end of:\n{script}");
        };
        for (place, _) in script.match_indices(CANARY) {
            assert!(
                quoted[place],
                "out of its quotes at byte {place}:\n{script}"
            );
        }
        if bytes.len().is_multiple_of(ONE_IN) {
            assert!(bash_reads(&script), "bash cannot read:\n{script}");
        }
    }
}

fn event() -> Map {
    let entries = [
        ("type", "push"),
        ("branch", "main"),
        ("head_branch", "main"),
        ("tag", "v1.0"),
        ("repo", "acme/widget"),
        ("commit_message", "Mend the widget"),
        ("sender", "alice"),
    ];
    let mut data: Map = entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Value::from(value)))
        .collect();
    data.insert("fork", Value::Bool(false));
    data.insert(
        "env",
        Value::from(vec![Value::from("A=1"), Value::from("B=")]),
    );
    data
}

fn bash_reads(script: &str) -> bool {
    let mut child = Command::new("bash")
        .arg("-n")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("bash can be started");
    let mut input = child.stdin.take().expect("it was piped");
    // Bash stops reading at an error.
    let _ = input.write_all(script.as_bytes());
    drop(input);
    child.wait().expect("bash ends").success()
}

/// What is open at a place of a script.
#[derive(Clone, Copy, PartialEq)]
enum Open {
    Double,
    Paren,
    Brace,
    Backtick,
}

/// Whether each byte stands in single quotes; `None` if something is open at the end.
fn single_quoted(script: &[u8]) -> Option<Vec<bool>> {
    let mut quoted = vec![false; script.len()];
    let mut open: Vec<Open> = Vec::new();
    let mut place = 0;
    while let Some(&byte) = script.get(place) {
        let in_double = open.last() == Some(&Open::Double);
        let next = script.get(place + 1).copied();
        match byte {
            b'\\' => place += 1,
            b'\'' if !in_double => {
                let ansi = place > 0 && script[place - 1] == b'$';
                let end = closing_quote(script, place + 1, ansi)?;
                quoted[place + 1..end].fill(true);
                place = end;
            }
            b'"' if in_double => drop(open.pop()),
            b'"' => open.push(Open::Double),
            b'`' if open.contains(&Open::Backtick) => while open.pop() != Some(Open::Backtick) {},
            b'`' => open.push(Open::Backtick),
            b'$' if next == Some(b'(') => {
                open.push(Open::Paren);
                place += 1;
            }
            b'$' if next == Some(b'{') => {
                open.push(Open::Brace);
                place += 1;
            }
            b'}' if open.last() == Some(&Open::Brace) => drop(open.pop()),
            b'(' if open.last() == Some(&Open::Paren) => open.push(Open::Paren),
            b')' if open.last() == Some(&Open::Paren) => drop(open.pop()),
            b'#' if !in_double && starts_word(script, place) => {
                while script.get(place + 1).is_some_and(|byte| *byte != b'\n') {
                    place += 1;
                }
            }
            _ => {}
        }
        place += 1;
    }
    open.is_empty().then_some(quoted)
}

fn closing_quote(script: &[u8], mut place: usize, ansi: bool) -> Option<usize> {
    loop {
        match script.get(place)? {
            b'\'' => return Some(place),
            b'\\' if ansi => place += 2,
            _ => place += 1,
        }
    }
}

fn starts_word(script: &[u8], place: usize) -> bool {
    place == 0
        || matches!(
            script[place - 1],
            b' ' | b'\t' | b'\n' | b';' | b'(' | b'&' | b'|'
        )
}
