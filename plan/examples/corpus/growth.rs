//! Time against the size of the matrix, as a table and, if wanted, a plot.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use assay_plan::{Map, expand, normalise};

const SIZES: [u32; 11] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000];
const ROUNDS: usize = 9;
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const MARGIN: f64 = 60.0;

/// A file with this many jobs, and what real files have around it.
fn file(jobs: u32) -> String {
    let mut text = String::from(
        "language: ruby\nscript: [make, make test]\ninstall: ./prepare\ncache: bundler\nenv: {global: [A=1, B=2]}\n\
         jobs:\n  allow_failures: [{rvm: v0}]\n  exclude: [{rvm: v1, os: osx}]\nrvm:\n",
    );
    for number in 0..jobs {
        let _ = writeln!(text, "- v{number}");
    }
    text
}

/// Microseconds to read, normalise and expand.
fn measure(jobs: u32) -> f64 {
    let file = file(jobs);
    let time = |_| {
        let start = Instant::now();
        let linted = normalise(file.as_bytes()).expect("the file is good");
        let expansion = black_box(expand(&linted, &Map::new()));
        assert_eq!(u32::try_from(expansion.jobs.len()), Ok(jobs));
        start.elapsed().as_secs_f64() * 1e6
    };
    (0..ROUNDS).map(time).fold(f64::INFINITY, f64::min)
}

/// Prints the table; writes `growth.svg` into a folder.
pub(crate) fn print(folder: Option<&Path>) {
    println!("growth, best of {ROUNDS} rounds each");
    let points: Vec<(f64, f64)> = SIZES
        .iter()
        .map(|size| (f64::from(*size), measure(*size)))
        .collect();
    for (jobs, time) in &points {
        println!(
            "  {jobs:>5} jobs  {time:>9.1} µs  {:>7.2} µs per job",
            time / jobs
        );
    }
    if let Some(folder) = folder {
        let path = folder.join("growth.svg");
        std::fs::write(&path, plot(&points)).expect("the plot can be written");
        println!("  plot: {}", path.display());
    }
}

fn plot(points: &[(f64, f64)]) -> String {
    let (most, longest) = points.last().copied().unwrap_or((1.0, 1.0));
    let x = |jobs: f64| MARGIN + jobs / most * (WIDTH - 2.0 * MARGIN);
    let y = |time: f64| HEIGHT - MARGIN - time / longest * (HEIGHT - 2.0 * MARGIN);
    let line: Vec<String> = points
        .iter()
        .map(|(jobs, time)| format!("{:.1},{:.1}", x(*jobs), y(*time)))
        .collect();
    let dots: String = points
        .iter()
        .map(|(jobs, time)| format!("<circle cx='{:.1}' cy='{:.1}' r='3'/>", x(*jobs), y(*time)))
        .collect();
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' font-family='sans-serif' font-size='13'>\
         <rect width='100%' height='100%' fill='white'/>\
         <polyline points='{left},{top} {left},{bottom} {right},{bottom}' fill='none' stroke='black'/>\
         <polyline points='{}' fill='none' stroke='steelblue' stroke-width='2'/><g fill='steelblue'>{dots}</g>\
         <text x='{left}' y='{}'>time to read, normalise and expand: {longest:.0} µs at the top</text>\
         <text x='{left}' y='{}'>jobs of the matrix: 1 to {most:.0}</text></svg>\n",
        line.join(" "),
        MARGIN - 20.0,
        HEIGHT - MARGIN + 30.0,
        left = MARGIN,
        top = MARGIN,
        right = WIDTH - MARGIN,
        bottom = HEIGHT - MARGIN,
    )
}
