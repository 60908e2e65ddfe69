//! How long a jail takes from start to end: `bench [RUNS] [cold|warm] [FILES]`.

use std::process::ExitCode;
use std::time::Instant;

use crate::world::{World, go, spec};

/// Prints the median time of an empty job with so many small source files, start to gone, in microseconds.
pub(crate) fn main() -> ExitCode {
    let Ok(world) = World::new() else {
        return ExitCode::FAILURE;
    };
    let args: Vec<String> = std::env::args().skip(2).collect();
    let number = |at: usize| args.get(at).and_then(|text| text.parse::<usize>().ok());
    let (runs, files) = (number(0).unwrap_or(50), number(2).unwrap_or(0));
    let warm = args.get(1).is_some_and(|word| word == "warm");
    let usual = || {
        let mut job = spec("");
        job.limits.inodes = 100_000;
        job.argv =
            vec![std::env::var("BENCH_PROGRAM").unwrap_or_else(|_| "/usr/bin/true".to_owned())];
        if let Ok(folder) = std::env::var("BENCH_FOLDER") {
            job.image = assay_sandbox::Image::Host {
                folders: vec![folder.into()],
            };
        }
        job
    };
    let _stock = warm.then(|| assay_sandbox::keep_warm(&world.launcher, "bench-", 2, usual()));
    let mut times: Vec<u128> = Vec::new();
    for _ in 0..runs {
        let job = usual();
        let began = Instant::now();
        let done = world
            .runtime
            .block_on(go(&world.launcher, job, move |tree| {
                (0..files).try_for_each(|n| {
                    tree.file(
                        format!("d{}/f{n}.c", n / 20).as_bytes(),
                        false,
                        &[b'x'; 800],
                    )
                })
            }));
        times.push(began.elapsed().as_micros());
        if let Err(error) = done {
            println!("{error}");
            return ExitCode::FAILURE;
        }
    }
    times.sort_unstable();
    let at = |share: usize| {
        times
            .get(times.len() * share / 100)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "runs={runs} median_us={} p10={} p90={}",
        at(50),
        at(10),
        at(90)
    );
    ExitCode::SUCCESS
}
