//! Runs of WASI programs: rows G1 to G10 of the attack table and what a shell could be used for, each with a twin that
//! shows the same thing allowed where it should be; an ordinary run must pass after every one. Runs as the present user,
//! and from root once more as an ordinary user (`ASSAY_TEST_USER`, default `assaytest`). Arguments choose cases by the
//! beginning of their names; `bench` measures instead.
#![expect(
    clippy::print_stdout,
    reason = "a test program reports on standard output"
)]

mod bench;
mod keep;
mod programs;
mod rows;
mod second;
mod shell;
mod world;

use std::process::ExitCode;

use world::World;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("launch") => assay_sandbox::launcher_main(),
        Some("bench") => bench::main(),
        Some("daemon") => rows::daemon(),
        _ => tests(
            &args
                .into_iter()
                .filter(|arg| !arg.starts_with('-'))
                .collect::<Vec<_>>(),
        ),
    }
}

fn tests(chosen: &[String]) -> ExitCode {
    let world = match World::new() {
        Ok(world) => world,
        Err(error) => {
            println!("FAIL set-up: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    let wanted = |name: &str| {
        chosen.is_empty() || chosen.iter().any(|begin| name.starts_with(begin.as_str()))
    };
    for (name, case) in rows::CASES
        .iter()
        .chain(shell::CASES)
        .chain(keep::CASES)
        .filter(|(name, _)| wanted(name))
    {
        let began = std::time::Instant::now();
        let tried = case(&world).and_then(|()| world.ordinary());
        let (took, who) = (began.elapsed().as_millis(), &world.who);
        match tried {
            Ok(()) => {
                passed += 1;
                println!("ok   {who:4} {name} ({took} ms)");
            }
            Err(seen) => {
                failed += 1;
                println!("FAIL {who:4} {name}: {seen}");
            }
        }
    }
    if world.who == "root" {
        match second::as_user(chosen) {
            Ok((more, bad)) => {
                passed += more;
                failed += bad;
            }
            Err(why) => {
                skipped += 1;
                println!("SKIP user: {why}");
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    ExitCode::from(u8::from(failed > 0))
}
