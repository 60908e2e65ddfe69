//! How long a jail takes from start to end.

use std::process::ExitCode;
use std::time::Instant;

use crate::world::{World, go, spec};

/// Prints the median time of an empty job, start to gone, in microseconds.
pub fn main() -> ExitCode {
    let Ok(world) = World::new() else { return ExitCode::FAILURE };
    let runs = std::env::args().nth(2).and_then(|text| text.parse().ok()).unwrap_or(50);
    let mut times: Vec<u128> = Vec::new();
    for _ in 0..runs {
        let mut job = spec("");
        job.argv = vec!["/usr/bin/true".to_owned()];
        let began = Instant::now();
        let done = world.runtime.block_on(go(&world.launcher, job, |_| Ok(())));
        times.push(began.elapsed().as_micros());
        if let Err(error) = done {
            println!("{error}");
            return ExitCode::FAILURE;
        }
    }
    times.sort_unstable();
    println!("runs={runs} median_us={} min={} max={}", times[times.len() / 2], times[0], times[times.len() - 1]);
    ExitCode::SUCCESS
}
