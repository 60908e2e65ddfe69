//! The attack table: where each row is tried, and what shows beside it that the same thing works where it should.
//! Checked against the tests themselves, so that no row goes missing.

use std::path::Path;

use crate::weak::{WEAK, Weak};
use crate::world::{Case, Tried};

/// Where a row is tried.
pub(crate) enum At {
    /// By cases of this program whose names begin with it.
    Here,
    /// By this test in this file of the workspace.
    There(&'static str, &'static str),
    /// Not yet: what it is about isn't there.
    Later(&'static str),
}

use At::{Here, Later, There};

const SOURCE: &str = "tests/cases/source.rs";
const LAYOUT: &str = "store/tests/all/git_layout.rs";
const FETCH: &str = "store/tests/all/git_fetch.rs";
const SUBMODULES: &str = "store/tests/all/git_submodules.rs";
const WASM: &str = "sandbox/tests/wasm/rows.rs";

/// Row, where, and its twin: what is allowed.
pub(crate) const ROWS: &[(&str, At, &str)] = &[
    ("A1", Here, "the same file, shown on purpose, is read"),
    ("A2", Here, "its own root is listed"),
    ("A3", Here, "its terminal is there"),
    ("A4", Here, "a program of its own is written"),
    ("A5", Here, "the pattern is read"),
    ("A6", Here, "the job's host name is read"),
    ("A7", Here, "a file is made where the mount was refused"),
    ("A8", Here, "/proc is still there"),
    ("A9", Here, "a raw call that is open"),
    ("A10", Here, "its own groups are read"),
    ("A11", Here, "a pipe is made"),
    ("A12", Here, "the allowed devices work"),
    ("A13", Here, "the program runs, as the job's user"),
    ("A14", Here, "the program runs, without the right"),
    ("A15", Here, "the next job finds its image whole"),
    ("A16", Here, "the files are there for the job itself"),
    ("A17", Here, "the copy runs, as the job's user"),
    ("A18", Here, "the link is the job's own to make"),
    ("A19", Here, "a plain name is restored"),
    ("A20", Here, "links and files of a plain tree are written"),
    ("A21", Here, "the file is restored, without the bits"),
    ("A22", Here, "an ordinary file is kept"),
    ("A23", Here, "the file beside it is kept"),
    ("A24", Here, "deep folders within the caps are kept"),
    (
        "A25",
        Here,
        "an image that unpacks to as much as it says is taken",
    ),
    ("A26", Here, "the file is kept, its name escaped"),
    ("B1", Here, "a subshell is started"),
    ("B2", Here, "calls that are open"),
    ("B3", Here, "calls that are open"),
    ("B4", Here, "calls that are open"),
    ("B5", Here, "calls that are open"),
    ("B6", Here, "calls that are open"),
    ("B7", Here, "its own environment is read"),
    ("B8", Here, "its own child is traced"),
    ("B9", Here, "a raw call that is open"),
    ("B10", Here, "the terminal is written to and has a size"),
    ("B11", Here, "the clock is read"),
    ("B12", Here, "the host name is read"),
    ("B13", Here, "/dev/null is there"),
    ("B14", Here, "four families are open"),
    ("B15", Here, "a unix socket is made"),
    ("B16", Here, "a call by its right number"),
    ("B17", Here, "its own /proc is read"),
    ("B18", Here, "a raw call that is open"),
    ("B19", Here, "profile root has eight"),
    ("B20", Here, "the crash is reported as what it is"),
    ("B21", Here, "an ordinary job passes under the filter"),
    ("B22", Here, "a lower priority is given"),
    ("C1", Here, "another job starts meanwhile"),
    ("C2", Here, "what fits is given"),
    ("C3", Here, "what fits is given: row C2"),
    ("C4", Here, "what fits is given: row C2"),
    ("C5", Here, "what fits is written"),
    ("C6", Here, "most of the files are made"),
    ("C7", Here, "what fits is written: row C5"),
    ("C8", Here, "output of exactly the cap passes"),
    ("C9", Here, "output of exactly the cap passes: row C8"),
    (
        "C10",
        There("api/src/page/log/terminal.rs", "mod tests"),
        "colours pass",
    ),
    ("C11", Here, "the true code is told"),
    ("C12", Here, "a process lives as long as its job"),
    ("C13", Here, "output is whole to the last byte"),
    ("C14", Here, "a polite end is waited for: row C19"),
    ("C15", Here, "all the processes ran"),
    ("C16", Here, "its own processes die"),
    ("C17", Here, "as many as the limit says are opened"),
    ("C18", Here, "alone, a job has the processors to itself"),
    ("C19", Here, "noise keeps a job from being silent"),
    ("C20", Here, "its own segment is seen"),
    ("C21", Here, "what fits is kept; another job's cache works"),
    ("C22", Here, "many instances are made"),
    ("C23", Here, "the job runs until then"),
    ("C24", Here, "a large variable is passed"),
    ("D1", Here, "loopback is there"),
    ("D2", Here, "its own loopback works"),
    ("D3", Here, "the internet is reached"),
    ("D4", Here, "the internet is reached"),
    ("D5", Here, "the internet is reached"),
    ("D6", Here, "the internet is reached: row D3"),
    ("D7", Here, "the internet is reached: row D3"),
    ("D8", Here, "a name that means the internet is reached"),
    ("D9", Here, "the internet is reached: row D3"),
    ("D10", Here, "its own loopback works: row D2"),
    ("D11", Here, "its own abstract socket works"),
    ("D12", Here, "files are found"),
    ("D13", Here, "each job's own processes share its port"),
    ("D14", Here, "the job itself listens"),
    ("D15", Here, "the internet is still reached"),
    ("D16", Here, "TCP works: row D3"),
    ("D17", Here, "the job is connected by it"),
    ("D18", Here, "localhost is found"),
    ("E1", Here, "a variable that was given is seen"),
    ("E2", Later("secrets"), ""),
    ("E3", Later("secrets"), ""),
    ("E4", Later("secrets"), ""),
    ("E5", Later("secrets"), ""),
    ("E6", Later("secrets"), ""),
    ("E7", Later("secrets"), ""),
    ("E8", Later("pull requests of forks, with secrets"), ""),
    ("E9", Later("pull requests of forks, with secrets"), ""),
    ("E10", Later("pull requests of forks, with secrets"), ""),
    ("E11", Later("pull requests of forks, with secrets"), ""),
    ("E12", Here, "the text arrives byte for byte"),
    ("E13", Here, "with egress the same address answers: row D3"),
    ("E14", Later("imports by tag, with secrets"), ""),
    ("E15", Later("secrets at rest"), ""),
    ("E16", Later("tokens of jobs"), ""),
    ("E17", Later("secrets"), ""),
    (
        "E18",
        There(
            "agent/src/daemon/debug/tests.rs",
            "a_repository_consents_or_there_is_no_session",
        ),
        "with the repository's consent a pusher gets one",
    ),
    ("E19", Later("secrets"), ""),
    ("E20", Later("webhooks"), ""),
    (
        "F1",
        There(
            SOURCE,
            "hooks_filters_and_configuration_of_the_source_are_never_run",
        ),
        "the job runs",
    ),
    (
        "F2",
        There(SUBMODULES, "submodules_made_to_do_harm_are_refused"),
        "a plain submodule is laid out",
    ),
    (
        "F3",
        There(
            LAYOUT,
            "trees_with_evil_names_are_refused_and_nothing_is_written",
        ),
        "a plain tree is laid out",
    ),
    (
        "F4",
        There(SUBMODULES, "submodules_made_to_do_harm_are_refused"),
        "a plain submodule is laid out",
    ),
    (
        "F5",
        There(SOURCE, "git_works_inside_the_job_as_in_a_clone"),
        "git works on the job's own work tree",
    ),
    (
        "F6",
        There(FETCH, "nothing_of_a_source_is_ever_run"),
        "the commit is copied",
    ),
    (
        "F7",
        There(FETCH, "nothing_of_a_source_is_ever_run"),
        "the commit is copied",
    ),
    (
        "F8",
        There(SUBMODULES, "submodules_made_to_do_harm_are_refused"),
        "a plain submodule is laid out",
    ),
    (
        "F9",
        There(SUBMODULES, "submodules_made_to_do_harm_are_refused"),
        "a plain submodule is laid out",
    ),
    (
        "F10",
        There(
            LAYOUT,
            "trees_with_evil_names_are_refused_and_nothing_is_written",
        ),
        "a plain tree is laid out",
    ),
    (
        "F11",
        There(LAYOUT, "a_tree_that_names_itself_many_times_is_refused"),
        "a plain tree is laid out",
    ),
    (
        "F12",
        There(FETCH, "an_object_with_false_content_is_not_copied"),
        "true objects are copied",
    ),
    (
        "F13",
        There(
            LAYOUT,
            "trees_with_evil_names_are_refused_and_nothing_is_written",
        ),
        "a plain tree is laid out",
    ),
    ("G1", There(WASM, "G1 endless loop"), "programs run"),
    (
        "G2",
        There(WASM, "G2 memory and tables grow"),
        "what fits is given",
    ),
    (
        "G3",
        There(WASM, "G3 paths that climb"),
        "paths below are opened",
    ),
    (
        "G4",
        There(WASM, "G4 log flood"),
        "output below the cap is whole",
    ),
    ("G5", There(WASM, "G5 sockets"), "programs run"),
    (
        "G6",
        There(WASM, "G6 large and hostile programs"),
        "programs run",
    ),
    (
        "G7",
        There(WASM, "G7 native images of the job's"),
        "the module itself runs",
    ),
    (
        "G8",
        There(WASM, "G8 clock and randomness"),
        "unfixed, the clock goes",
    ),
    (
        "G9",
        There(WASM, "G9 waiting in the host"),
        "a short wait ends",
    ),
    (
        "G10",
        There(WASM, "G10 recursion and traps"),
        "the next job runs",
    ),
];

/// Whether a case's name says that it tries this row: `A1`, `A13-A14`, `B2-B6` begin names.
fn tries(case: &Case, row: &str) -> bool {
    let (group, number) = row.split_at(1);
    let word = case.name.split(' ').next().unwrap_or_default();
    let numbers: Option<Vec<u32>> = word
        .split('-')
        .map(|part| part.strip_prefix(group)?.parse().ok())
        .collect();
    match (numbers.as_deref(), number.parse::<u32>()) {
        (Some([only]), Ok(number)) => *only == number,
        (Some([first, last]), Ok(number)) => (*first..=*last).contains(&number),
        _ => false,
    }
}

/// Fails for a row without a test, or without a weak twin; and for one that is in the list twice, or in neither.
pub(crate) fn check(cases: &[Case]) -> Tried {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let has_sources = workspace.join("Cargo.toml").exists();
    let mut missing = Vec::new();
    for (row, at, twin) in ROWS {
        let tested = match at {
            Here => cases.iter().any(|case| tries(case, row)),
            // Where the sources aren't at hand, nothing can be said.
            There(path, test) => std::fs::read_to_string(workspace.join(path))
                .map_or_else(|_| !has_sources, |text| text.contains(test)),
            Later(_) => true,
        };
        let weak = WEAK.iter().filter(|weak| weak.row == *row).count();
        if !tested || weak != usize::from(matches!(at, Here)) {
            missing.push(format!("{row}: tested {tested}, weak twins {weak}"));
        }
        if twin.is_empty() != matches!(at, Later(_)) {
            missing.push(format!("{row}: its twin"));
        }
    }
    let known = |row: &str| ROWS.iter().filter(|(id, ..)| *id == row).count() == 1;
    let odd = WEAK
        .iter()
        .map(|weak| weak.row)
        .chain(ROWS.iter().map(|(id, ..)| *id));
    missing.extend(
        odd.filter(|row| !known(row))
            .map(|row| format!("{row}: not once in the table")),
    );
    match missing.is_empty() {
        true => Ok(()),
        false => Err(missing.join("; ")),
    }
}

/// Prints the table: row, tests, twin, weak twin.
pub(crate) fn print(cases: &[Case]) {
    for (row, at, twin) in ROWS {
        let tests = match at {
            Here => {
                let names: Vec<&str> = cases
                    .iter()
                    .filter(|case| tries(case, row))
                    .map(|case| case.name)
                    .collect();
                names.join(", ")
            }
            There(path, test) => format!("{path}: {test}"),
            Later(what) => {
                println!("{row:4} pending: {what}");
                continue;
            }
        };
        println!("{row:4} {tests} | twin: {twin} | weak: {}", weak(row));
    }
}

fn weak(row: &str) -> String {
    match WEAK
        .iter()
        .find(|weak| weak.row == row)
        .map(|twin| &twin.weak)
    {
        Some(Weak::Both(..)) => "the same in a weak sandbox".to_owned(),
        Some(Weak::Only(..)) => "the same done carelessly".to_owned(),
        Some(Weak::Within(how)) => format!("in the row: {how}"),
        Some(Weak::Without(why)) => format!("none: {why}"),
        None => "none: no sandbox of namespaces is tried".to_owned(),
    }
}

/// Rows that wait, a line for each thing they wait for.
pub(crate) fn pending() -> Vec<String> {
    let mut lines: Vec<(&str, Vec<&str>)> = Vec::new();
    for (row, at, _) in ROWS {
        if let Later(what) = at {
            match lines.iter_mut().find(|(known, _)| known == what) {
                Some((_, rows)) => rows.push(row),
                None => lines.push((what, vec![row])),
            }
        }
    }
    lines
        .iter()
        .map(|(what, rows)| format!("{}: {what}", rows.join(", ")))
        .collect()
}
