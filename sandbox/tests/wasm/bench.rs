//! How long a program takes from the module cache: `bench [RUNS]`.

use std::process::ExitCode;
use std::time::Instant;

use crate::world::World;

/// Prints medians in microseconds: a whole run with one program, its first start from the store of native images, and a
/// further start of it in the same run.
pub(crate) fn main() -> ExitCode {
    let Ok(world) = World::new() else {
        return ExitCode::FAILURE;
    };
    let runs = std::env::args()
        .nth(2)
        .and_then(|text| text.parse().ok())
        .unwrap_or(30_usize);
    let (mut whole, mut first, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=runs {
        let mut spec = world.spec(&["./hello.wasm"; 21]);
        spec.lines.iter_mut().for_each(|line| line.timed = true);
        let began = Instant::now();
        let done = world.run_spec(spec, vec![]);
        let took = began.elapsed().as_micros();
        let output = match done {
            Ok(done) => done.output,
            Err(error) => {
                println!("{error}");
                return ExitCode::FAILURE;
            }
        };
        // The first round compiles.
        if round == 0 {
            continue;
        }
        let durations = output.split("duration=").skip(1);
        let mut micros = durations
            .filter_map(|rest| rest.split(',').next()?.parse::<u128>().ok())
            .map(|n| n / 1000);
        first.extend(micros.next());
        again.extend(micros.take(20));
        whole.push(took);
    }
    let median = |times: &mut Vec<u128>| {
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or_default()
    };
    println!(
        "runs={runs} whole_us={} first_us={} again_us={}",
        median(&mut whole),
        median(&mut first),
        median(&mut again)
    );
    ExitCode::SUCCESS
}
