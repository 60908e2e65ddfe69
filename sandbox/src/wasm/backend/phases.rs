//! Runs a run's command lines one after the other, and writes what a log has around them: folds, time marks, the
//! command, how it ended. The forms are those of travis-build's `bash/` (fold, time, cmd, assert, result, footer).

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use super::shell::Shell;
use super::state::{State, Streams};
use super::{Line, OnFailure, When};

const RED: &str = "\x1b[31;1m";
const GREEN: &str = "\x1b[32;1m";
const RESET: &str = "\x1b[0m";
const CLEAR: &str = "\r\x1b[0K";

/// Exit code of a run that a line has ended.
const ENDED: i32 = 2;

/// The variable that holds the result so far.
const RESULT: &str = "TRAVIS_TEST_RESULT";

/// Runs the lines; returns the run's exit code.
pub(super) fn run(shell: &Shell, lines: &[Line], state: &mut State, streams: &Streams) -> i32 {
    let mut result = 0;
    for (place, line) in lines.iter().enumerate() {
        if shell.stop.is_raised() {
            return ENDED;
        }
        let wanted = match line.when {
            When::Always => true,
            When::Passed => result == 0,
            When::Failed => result != 0,
        };
        if !wanted {
            continue;
        }
        state.export("TRAVIS_STAGE", &line.phase);
        state.export("TRAVIS_CMD", &line.text);
        let code = shown(shell, line, place, state, streams);
        if let Some(code) = state.exit {
            return code;
        }
        match line.on_failure {
            OnFailure::End if code != 0 => {
                let (command, phase) = (&line.text, &line.phase);
                say(
                    streams,
                    &format!(
                        "{RED}The command \"{command}\" failed and exited with {code} during {phase}.{RESET}\n\n\
                         Your build has been stopped.\n"
                    ),
                );
                return ENDED;
            }
            OnFailure::Count => {
                result |= i32::from(code != 0);
                state.export(RESULT, &result.to_string());
                let colour = if code == 0 { GREEN } else { RED };
                let command = &line.text;
                say(
                    streams,
                    &format!("{colour}The command \"{command}\" exited with {code}.{RESET}\n"),
                );
            }
            OnFailure::End | OnFailure::Ignore => {}
        }
    }
    say(
        streams,
        &format!("\nDone. Your build exited with {result}.\n"),
    );
    result
}

/// One line with everything around it.
fn shown(shell: &Shell, line: &Line, place: usize, state: &mut State, streams: &Streams) -> i32 {
    if let Some(fold) = &line.fold {
        say(streams, &format!("travis_fold:start:{fold}{CLEAR}"));
    }
    let began = now();
    let mark = format!("{:08x}", (began + place as u64) & 0xffff_ffff);
    if line.timed {
        say(streams, &format!("travis_time:start:{mark}{CLEAR}"));
    }
    if line.echo {
        say(streams, &format!("$ {}\n", line.text));
    }
    let code = shell.line(&line.text, state, streams);
    state.last = code;
    if line.timed {
        let (ended, event) = (now(), &line.phase);
        let duration = ended.saturating_sub(began);
        say(
            streams,
            &format!(
                "travis_time:end:{mark}:start={began},finish={ended},duration={duration},event={event}{CLEAR}"
            ),
        );
    }
    if let Some(fold) = &line.fold {
        say(streams, &format!("travis_fold:end:{fold}{CLEAR}"));
    }
    code
}

/// To the log; when nobody reads it any more, the run is about to end anyway.
fn say(streams: &Streams, text: &str) {
    drop((&streams.stdout).write_all(text.as_bytes()));
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    let time = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
