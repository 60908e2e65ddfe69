//! What sandboxes cost, for `tests/bench/sandbox`: every mode prints numbers, microseconds where they are times.
//!
//! `bench start RUNS cold|warm none|egress result|gone FOLDER PROGRAM`, `bench spawn RUNS COMMAND…`, `bench many COUNT`,
//! `bench work FOLDER SCRIPT`.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use assay_sandbox::{Image, Network, RunSpec};

use crate::world::{World, go, go_to_end, spec};

/// What a launcher that was taken needs to be replaced, so that replacing it is not measured with the next run.
const REFILL: Duration = Duration::from_millis(80);
/// The same for one with a network.
const REFILL_CONNECTED: Duration = Duration::from_millis(300);

pub(crate) fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(2).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["start", runs, stock, network, until, folder, program] => {
            let (warm, gone) = (*stock == "warm", *until == "gone");
            start(number(runs), warm, network, gone, folder, program)
        }
        ["spawn", runs, command @ ..] => spawn(number(runs), command),
        ["many", count] => many(number(count)),
        ["work", folder, script] => work(folder, script),
        _ => Err("see the head of this file".to_owned()),
    };
    match result {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or(1)
}

fn shows(folder: &str, mut job: RunSpec) -> RunSpec {
    job.image = Image::Host {
        folders: vec![folder.into()],
    };
    job
}

fn list(times: &[u128]) -> String {
    let words: Vec<String> = times.iter().map(u128::to_string).collect();
    words.join(" ")
}

/// From the request to the reaped result, or until nothing is left.
fn start(
    runs: usize,
    warm: bool,
    network: &str,
    gone: bool,
    folder: &str,
    program: &str,
) -> Result<String, String> {
    let world = World::new()?;
    let job = || {
        let mut job = shows(folder, spec(""));
        job.argv = vec![program.to_owned()];
        job.limits.inodes = 100_000;
        if network == "egress" {
            job.network = Network::Egress { hosts: vec![] };
        }
        job
    };
    let usual = job();
    let _stock = warm.then(|| {
        assay_sandbox::keep_warm(&world.launcher, "bench-", 1, move || Some(usual.clone()))
    });
    let mut times = Vec::new();
    for _ in 0..runs {
        if warm {
            std::thread::sleep(match network {
                "egress" => REFILL_CONNECTED,
                _ => REFILL,
            });
        }
        let job = job();
        let began = Instant::now();
        let done = world.runtime.block_on(async {
            let (done, remains) = go_to_end(&world.launcher, job, |_| Ok(())).await?;
            let result = began.elapsed();
            remains.gone().await;
            times.push(if gone { began.elapsed() } else { result }.as_micros());
            Ok::<_, assay_sandbox::RunError>(done)
        });
        let done = done.map_err(|error| error.to_string())?;
        if done.outcome != assay_sandbox::Outcome::Exited(0) {
            return Err(format!("{done:?}"));
        }
    }
    Ok(list(&times))
}

/// The same for any other program.
fn spawn(runs: usize, command: &[&str]) -> Result<String, String> {
    let (program, args) = command.split_first().ok_or("no command")?;
    let mut times = Vec::new();
    for _ in 0..runs {
        let began = Instant::now();
        let status = Command::new(program).args(args).status();
        times.push(began.elapsed().as_micros());
        if !status.as_ref().is_ok_and(std::process::ExitStatus::success) {
            return Err(format!("{command:?}: {status:?}"));
        }
    }
    Ok(list(&times))
}

/// So many at once: how many finished, how long it took, and the descriptors of this process before and after.
fn many(count: usize) -> Result<String, String> {
    let world = World::new()?;
    let descriptors = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    // Whatever is opened once is open then.
    world.job("true")?;
    let before = descriptors();
    let began = Instant::now();
    let finished = world.runtime.block_on(async {
        let runs: Vec<_> = (0..count)
            .map(|n| {
                let mut job = spec(&format!("echo {n} >f && (sleep 60 &) && cat f"));
                job.limits.memory = 64 << 20;
                let launcher = world.launcher.clone();
                (
                    n,
                    tokio::spawn(async move { go(&launcher, job, |_| Ok(())).await }),
                )
            })
            .collect();
        let mut finished = 0;
        for (n, run) in runs {
            match run.await {
                Ok(Ok(done)) if done.output == format!("{n}\n") => finished += 1,
                other => println!("{n}: {other:?}"),
            }
        }
        finished
    });
    let took = began.elapsed().as_micros();
    Ok(format!("{finished} {took} {before} {}", descriptors()))
}

/// What the script prints, with this folder shown.
fn work(folder: &str, script: &str) -> Result<String, String> {
    let world = World::new()?;
    let mut job = shows(folder, spec(script));
    job.limits.wall = Duration::from_secs(600);
    job.limits.silence = Duration::from_secs(600);
    job.limits.disk = 1 << 30;
    job.limits.memory = 4 << 30;
    job.limits.inodes = 100_000;
    let done = world.run(job)?;
    match done.outcome {
        assay_sandbox::Outcome::Exited(0) => Ok(done.output.trim().to_owned()),
        _ => Err(format!("{done:?}")),
    }
}
