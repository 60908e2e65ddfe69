//! Agreement with the official parser on a folder of real files, speed, and growth: what `tests/bench/corpus` prints.
//!
//! Usage: `corpus FOLDER [PLOT-FOLDER]`. A case is `NAME.yml` with `NAME.expected.json`; conditions are the lines of
//! `conditions.jsonl` in the folder or beside it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program that reads files, looks at the clock and prints what it finds"
)]

mod agreement;
mod growth;
mod speed;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let Some(folder) = args.next().filter(|folder| folder.is_dir()) else {
        eprintln!(
            "usage: corpus FOLDER [PLOT-FOLDER]; FOLDER holds NAME.yml and NAME.expected.json"
        );
        return ExitCode::from(2);
    };
    println!("agreement with the official parser");
    let mut counts = agreement::agreement(&folder);
    counts.extend(agreement::conditions(&folder));
    counts.iter().for_each(agreement::Count::print);
    speed::print(&folder);
    growth::print(args.next().as_deref());
    if counts.iter().all(agreement::Count::is_enough) {
        ExitCode::SUCCESS
    } else {
        println!("agreement is below its target");
        ExitCode::FAILURE
    }
}
