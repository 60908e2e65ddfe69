//! Time per file, in-process: each step's best of some rounds, so that a busy machine shows less.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use assay_plan::{Map, expand, lint, normalise};
use serde::de::IgnoredAny;

use crate::agreement::cases;

const ROUNDS: usize = 15;

/// A step and what it took for each file.
struct Step {
    what: &'static str,
    times: Vec<Duration>,
}

impl Step {
    fn mean(&self) -> f64 {
        let count = f64::from(u32::try_from(self.times.len().max(1)).unwrap_or(u32::MAX));
        self.times.iter().map(Duration::as_secs_f64).sum::<f64>() * 1e6 / count
    }

    fn median(&self) -> f64 {
        let mut times = self.times.clone();
        times.sort();
        times
            .get(times.len() / 2)
            .map_or(0.0, |time| time.as_secs_f64() * 1e6)
    }

    fn print(&self, floor: f64) {
        println!(
            "  {:<44} mean {:7.1} µs  median {:7.1} µs  {:5.2} times serde_yaml alone",
            self.what,
            self.mean(),
            self.median(),
            self.mean() / floor
        );
    }
}

fn best(mut work: impl FnMut()) -> Duration {
    let time = |_| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..ROUNDS).map(time).min().unwrap_or_default()
}

fn step(what: &'static str, files: &[Vec<u8>], mut work: impl FnMut(&[u8])) -> Step {
    Step {
        what,
        times: files.iter().map(|file| best(|| work(file))).collect(),
    }
}

/// Prints what each step takes.
pub(crate) fn print(folder: &Path) {
    let files: Vec<Vec<u8>> = cases(folder)
        .iter()
        .map(|path| std::fs::read(path).expect("a case can be read"))
        .collect();
    let data: Map = [("type", "push"), ("branch", "master")]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect();
    println!("speed, {} files, best of {ROUNDS} rounds each", files.len());
    let floor = step("serde_yaml alone, into its own values", &files, |file| {
        // Its own values refuse duplicate keys; such files are read through without them.
        if black_box(serde_yaml::from_slice::<serde_yaml::Value>(file)).is_err() {
            let _ = black_box(serde_yaml::from_slice::<IgnoredAny>(file));
        }
    });
    let steps = [
        step("parse + normalise", &files, |file| {
            let _ = black_box(normalise(file));
        }),
        step("parse + normalise + expand", &files, |file| {
            if let Ok(linted) = normalise(file) {
                black_box(expand(&linted, &data));
            }
        }),
        step("the same with messages placed", &files, |file| {
            if let Ok(linted) = lint(file) {
                black_box(expand(&linted, &data));
            }
        }),
    ];
    let mean = floor.mean();
    floor.print(mean);
    steps.iter().for_each(|step| step.print(mean));
}
