//! Row C18: many busy processes of one job, and few of another.

use std::process::{Command, Stdio};

use crate::world::{Case, Done, Needs, Tried, World, expect, go, spec};

pub(crate) const CASES: &[Case] = &[Case {
    name: "C18 CPU hog",
    needs: Needs::Shares,
    run: hog,
}];

/// The other job has one busy process for each processor; the hog this many times as many.
const GREED: usize = 4;
/// What must be left for the other: with a half its work takes twice as long as alone. Whatever else runs on this host
/// takes from both alike; a tenth may be lost to the two not beginning and ending together.
const LEAST: f64 = 0.4;

/// A host that is busy with something else may let the two begin further apart: then they are tried again.
const TRIES: usize = 3;

/// Busy processes for three seconds; prints how many ticks of processor time they had.
fn busy(count: usize) -> String {
    format!(
        "i=0; while [ $i -lt {count} ]; do (while :; do :; done) & i=$((i+1)); done; sleep 3; t=0; \
         for p in $(jobs -p); do read -r l </proc/$p/stat; set -- ${{l##*) }}; t=$((t + ${{12}} + ${{13}})); done; \
         kill $(jobs -p); echo $t"
    )
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn ticks(output: &str) -> Result<f64, String> {
    output.trim().parse().map_err(|_| output.to_owned())
}

fn hog(world: &World) -> Tried {
    let (greedy, other) = (busy(GREED * processors()), busy(processors()));
    // All in one group, the many take from the few: the row can tell.
    let weak = without_groups(&greedy, &other)?;
    expect(weak < LEAST, &("share without groups", weak))?;
    let mut tried = Vec::new();
    let kept = loop {
        let (greedy, other) = together(world, &greedy, &other)?;
        let share = other / (greedy + other);
        tried.push((share, greedy, other));
        if share >= LEAST || tried.len() == TRIES {
            break share;
        }
    };
    expect(kept >= LEAST, &tried)?;
    // Twin: nothing is held back for jobs that aren't there, only for what else runs on this host by now.
    let alone = ticks(&world.job(&other)?.output)?;
    expect(
        tried.iter().any(|(_, _, other)| alone > other / 2.0),
        &(alone, tried),
    )
}

/// Ticks of two jobs at once.
fn together(world: &World, greedy: &str, other: &str) -> Result<(f64, f64), String> {
    let launcher = &world.launcher;
    let (greedy, other) = world.runtime.block_on(async {
        tokio::join!(
            go(launcher, spec(greedy), |_| Ok(())),
            go(launcher, spec(other), |_| Ok(())),
        )
    });
    let had = |done: Result<Done, assay_sandbox::RunError>| {
        ticks(&done.map_err(|e| e.to_string())?.output)
    };
    Ok((had(greedy)?, had(other)?))
}

/// The share of the few without a sandbox.
fn without_groups(greedy: &str, other: &str) -> Result<f64, String> {
    let text = |e: std::io::Error| e.to_string();
    let start = |script: &str| {
        Command::new("bash")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
    };
    let (greedy, other) = (start(greedy).map_err(text)?, start(other).map_err(text)?);
    let had = |child: std::process::Child| {
        let output = child.wait_with_output().map_err(text)?;
        ticks(&String::from_utf8_lossy(&output.stdout))
    };
    let (greedy, other) = (had(greedy)?, had(other)?);
    Ok(other / (greedy + other))
}
