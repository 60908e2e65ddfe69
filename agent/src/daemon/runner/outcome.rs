//! From outcome to verdict, with Travis' words in the log.

use std::time::Duration;

use assay_plan::Verdict;
use assay_sandbox::{Outcome, RunError, Usage};

use super::Attempt;

impl Attempt {
    /// From outcome to verdict, with Travis' words in the log.
    pub(super) fn conclude(&mut self, outcome: &Outcome, usage: Usage) -> Verdict {
        tracing::debug!(job = %self.job.id, ?outcome, cpu_ms = usage.cpu_ms, memory = usage.memory_peak, "run over");
        let limits = &self.runner.limits;
        let (words, verdict) = match outcome {
            Outcome::Exited(code) => return Verdict::Exit(*code),
            Outcome::Signaled(signal) => {
                let line = format!("The job's script was ended by signal {signal}.");
                (line.clone(), Verdict::Broken(line))
            }
            Outcome::Canceled => ("Done: Job Cancelled".to_owned(), Verdict::Canceled),
            Outcome::Silence => limit(format!(
                "No output has been received in the last {}, this potentially indicates a stalled build or something \
                 wrong with the build itself.",
                go_duration(limits.silence)
            )),
            Outcome::Time => limit(
                "The job exceeded the maximum time limit for jobs, and has been terminated."
                    .to_owned(),
            ),
            Outcome::Output => limit(
                "The job exceeded the maximum log length, and has been terminated.".to_owned(),
            ),
            Outcome::Memory => limit(format!(
                "The job exceeded its memory limit of {} MiB (files it writes count too), and has been terminated.",
                limits.memory >> 20
            )),
            Outcome::Processes(code) => limit(format!(
                "The job reached its limit of {} processes, and its script ended with {code}.",
                limits.processes
            )),
            Outcome::Disk(code) => limit(format!(
                "The job filled its disk of {} MiB, and its script ended with {code}.",
                limits.disk >> 20
            )),
        };
        self.log.say(&format!("\r\n\x1b[31;1m{words}\x1b[0m"));
        verdict
    }
}

fn limit(words: String) -> (String, Verdict) {
    (words.clone(), Verdict::Limit(words))
}

/// A duration as Travis' worker (a Go program) writes it: `10m0s`.
fn go_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s}s"),
        (h, m, s) => format!("{h}h{m}m{s}s"),
    }
}

pub(in crate::daemon) fn no_sandbox(error: &RunError) -> String {
    match error {
        RunError::Lost(_) => format!("The sandbox broke: {error}"),
        _ => format!("The sandbox could not be set up: {error}"),
    }
}
