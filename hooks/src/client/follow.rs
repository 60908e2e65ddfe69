//! A push that waits: log and states as they come, until the verdict. The build does not depend on it.

use std::io;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::talk::Talk;
use crate::protocol::{Answer, StateOf};

/// How long the daemon may say nothing at all: longer than a job may last by default.
const SILENCE: Duration = Duration::from_secs(3600);

/// Prints what the daemon tells until the push's builds have ended, the daemon is gone, or the pusher is.
pub(super) fn until_end(connection: &mut Connection, talk: &mut Talk) {
    connection.watch_output();
    while !talk.is_lost() {
        match connection.answer(Instant::now() + SILENCE) {
            Ok(Answer::Log(log)) => talk.log(&log.job, &log.text),
            Ok(Answer::State(state)) => print_state(&state, talk),
            Ok(Answer::Accepted(more)) => super::print_accepted(&more, talk),
            Ok(Answer::End(end)) => {
                talk.end_log(None);
                return talk.say(&format!("{} {}", end.verdict, end.url));
            }
            Ok(Answer::Refused(refusal)) => {
                talk.end_log(None);
                return talk.say(&format!("{}; the build goes on", refusal.text));
            }
            Err(error) => {
                talk.end_log(None);
                return talk.say(why_no_more(&error));
            }
        }
    }
}

fn print_state(state: &StateOf, talk: &mut Talk) {
    if let Some(job) = &state.job {
        talk.end_log(Some(job));
        talk.say(&format!("job {job} {}", state.state));
    } else if let Some(build) = &state.build {
        talk.say(&format!("build {build} {}", state.state));
    }
}

fn why_no_more(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::TimedOut => {
            "nothing new for an hour; not waiting any longer, the build goes on"
        }
        _ => {
            "the connection to the daemon broke; the build goes on, or again once the daemon is back"
        }
    }
}
