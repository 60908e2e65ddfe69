//! `assay logs`: the log of a job or of all jobs of a build, stored or as it is written.

use std::ops::ControlFlow;

use assay_plan::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::args::{self, Global};
use super::client::{Build, Client, Event, Job, decode};
use super::output::{LogWriter, Screen, paint, state_color};
use super::target::{Found, find_build, find_repository};
use crate::exit::{Exit, Failure, Outcome};

/// `assay logs`
pub(crate) fn logs(args: &args::Logs, global: &Global, screen: &Screen) -> Outcome {
    let client = Client::new(global)?;
    let repo = find_repository(&client, &args.repo)?;
    let found = find_build(&client, &repo, args.number.as_deref())?;
    let jobs: Vec<&Job> = match found.named_job() {
        Some(job) => vec![job],
        None => found.jobs.iter().collect(),
    };
    if screen.json && args.follow {
        return Err(
            Failure::usage("--json and --follow don't go together").hint("leave one of them out")
        );
    }
    if screen.json {
        let logs = jobs
            .iter()
            .map(|job| Ok(client.get(&format!("/jobs/{}/log", job.id), &[])?["log"].clone()));
        screen.json(&json!({ "logs": logs.collect::<Result<Vec<Value>, Failure>>()? }))?;
        return Ok(Exit::Ok);
    }
    for job in &jobs {
        if jobs.len() > 1 {
            screen.say(&format!("==> job {} <==", job.number));
        }
        if args.follow {
            follow(&client, job, screen)?;
        } else {
            let mut writer = LogWriter::new(screen);
            writer.write(&client.text(&format!("/jobs/{}/log.txt", job.id))?)?;
            writer.finish()?;
        }
    }
    if args.follow {
        verdict(&client, &found, screen)
    } else {
        Ok(Exit::Ok)
    }
}

/// A part of a log, as the stream carries it.
#[derive(Debug, Deserialize)]
struct Part {
    number: u64,
    #[serde(default)]
    content: String,
}

/// A state that changed.
#[derive(Debug, Deserialize)]
struct StateChange {
    state: String,
    #[serde(default)]
    job_id: Option<u64>,
}

impl StateChange {
    /// Whether what was asked for is done with this.
    fn ends(&self, found: &Found) -> bool {
        self.job_id == found.named_job().map(|job| job.id)
            && State::from_name(&self.state).is_some_and(State::is_final)
    }
}

fn follow(client: &Client, job: &Job, screen: &Screen) -> Result<(), Failure> {
    let mut writer = LogWriter::new(screen);
    let mut seen = 0;
    let path = |last: u64| format!("/assay/jobs/{}/log/events?after={last}", job.id);
    client.events(path, |event| match event.name.as_str() {
        "message" => {
            let part: Part = read_event(event)?;
            // A part may come twice, when the stream was taken up again.
            if part.number > seen {
                seen = part.number;
                writer.write(&part.content)?;
            }
            Ok(ControlFlow::Continue(()))
        }
        "state" => {
            let change: StateChange = read_event(event)?;
            screen.whisper(&format!("job {} is {}", job.number, change.state));
            Ok(ControlFlow::Continue(()))
        }
        _ => Ok(ControlFlow::Continue(())),
    })?;
    writer.finish()
}

fn read_event<'e, T: Deserialize<'e>>(event: &'e Event) -> Result<T, Failure> {
    serde_json::from_str(&event.data).map_err(|error| {
        Failure::new(
            Exit::Internal,
            "an event of the daemon has an unexpected form",
        )
        .because(&error)
    })
}

/// Waits for the final state of the build or job, says it, and makes an exit code of it.
fn verdict(client: &Client, found: &Found, screen: &Screen) -> Outcome {
    let mut state = final_state(client, found)?;
    if state.is_none() {
        // The state follows the last line of the log at once; this stream ends when the build is done.
        let path = |_| format!("/assay/builds/{}/events", found.build.id);
        client.events(path, |event| match event.name.as_str() {
            "state" => {
                let change: StateChange = read_event(event)?;
                Ok(if change.ends(found) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                })
            }
            _ => Ok(ControlFlow::Continue(())),
        })?;
        state = final_state(client, found)?;
    }
    let state = state.ok_or_else(|| {
        Failure::new(
            Exit::Unreachable,
            "the daemon ended the stream before the build was done",
        )
        .hint("look at it with assay show")
    })?;
    let what = match found.named_job() {
        Some(job) => format!("job {}", job.number),
        None => format!("build {}", found.build.number),
    };
    screen.say(&format!(
        "{what} {}",
        paint(&state, state_color(&state), &screen.style)
    ));
    Ok(if state == State::Passed.name() {
        Exit::Ok
    } else {
        Exit::BuildFailed
    })
}

fn final_state(client: &Client, found: &Found) -> Result<Option<String>, Failure> {
    let state = match found.named_job() {
        Some(job) => decode::<Job>(&client.get(&format!("/jobs/{}", job.id), &[])?, "job")?.state,
        None => {
            decode::<Build>(
                &client.get(&format!("/builds/{}", found.build.id), &[])?,
                "build",
            )?
            .state
        }
    };
    Ok(State::from_name(&state)
        .filter(|state| state.is_final())
        .map(|state| state.name().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::RepoArg;
    use crate::cli::client::fake::{Server, answer, global, stream};

    const REPO: &str = r#"{"repo": {"id": 7, "slug": "a/b"}}"#;
    const BUILDS: &str = r#"{"builds": [{"id": 3, "number": "1", "state": "started"}]}"#;

    fn build(state: &str) -> String {
        format!(
            r#"{{"build": {{"id": 3, "number": "1", "state": "{state}"}}, "commit": {{}},
                "jobs": [{{"id": 5, "number": "1.1", "state": "{state}"}}]}}"#
        )
    }

    fn job(state: &str) -> String {
        format!(r#"{{"job": {{"id": 5, "number": "1.1", "state": "{state}"}}}}"#)
    }

    /// Follows against these answers after those that find the build; the exit code and what was asked.
    fn follow_with(number: &str, answers: Vec<String>) -> (Outcome, Vec<String>) {
        let found = [REPO.to_owned(), BUILDS.to_owned(), build("started")];
        let found = found.iter().map(|body| answer("200 OK", body));
        let server = Server::answering(found.chain(answers).collect());
        let args = args::Logs {
            number: Some(number.to_owned()),
            follow: true,
            repo: RepoArg {
                repository: Some("a/b".to_owned()),
            },
        };
        let global = global(server.state.path(), None);
        let outcome = logs(&args, &global, &Screen::new(&global));
        let asked = server.seen().into_iter().map(|seen| seen.line).collect();
        (outcome, asked)
    }

    const LOG: &str = "id: 1\ndata: {\"number\": 1, \"content\": \"one\\n\", \"final\": false}\n\n\
                       event: state\ndata: {\"job_id\": 5, \"state\": \"failed\"}\n\n\
                       id: 2\ndata: {\"number\": 2, \"content\": \"\", \"final\": true}\n\nevent: end\ndata: {}\n\n";

    #[test]
    fn following_a_job_ends_with_its_verdict() {
        for (state, exit) in [
            ("passed", Exit::Ok),
            ("failed", Exit::BuildFailed),
            ("canceled", Exit::BuildFailed),
        ] {
            let (outcome, asked) =
                follow_with("1.1", vec![stream(LOG), answer("200 OK", &job(state))]);
            assert_eq!(outcome.unwrap(), exit, "{state}");
            assert_eq!(
                asked,
                [
                    "GET /repos/a/b HTTP/1.1",
                    "GET /builds?repository_id=7&number=1 HTTP/1.1",
                    "GET /builds/3 HTTP/1.1",
                    "GET /assay/jobs/5/log/events?after=0 HTTP/1.1",
                    "GET /jobs/5 HTTP/1.1",
                ]
            );
        }
    }

    #[test]
    fn following_a_build_waits_for_the_build() {
        let states = "event: state\ndata: {\"job_id\": 5, \"state\": \"passed\"}\n\n\
                      event: state\ndata: {\"build_id\": 3, \"state\": \"passed\"}\n\n";
        let answers = vec![
            stream(LOG),
            answer("200 OK", &build("started")),
            stream(states),
            answer("200 OK", &build("passed")),
        ];
        let (outcome, asked) = follow_with("1", answers);
        assert_eq!(outcome.unwrap(), Exit::Ok);
        assert_eq!(asked[5], "GET /assay/builds/3/events HTTP/1.1");
    }

    #[test]
    fn a_job_that_is_not_there_is_not_found() {
        let (outcome, _) = follow_with("1.2", Vec::new());
        assert_eq!(outcome.unwrap_err().exit(), Exit::NotFound);
    }
}
