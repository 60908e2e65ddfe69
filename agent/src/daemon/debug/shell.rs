//! One debug session, from the moment that its person is there: the sandbox of the job with an interactive shell on its
//! terminal, bytes in both directions, and its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use assay_plan::{JobContext, plan_debug};
use assay_sandbox::{Keyboard, Outcome, Profile, Run, RunError, RunEvent, RunSpec};
use assay_store::Act;
use russh::server::{Handle, Msg};
use russh::{Channel, ChannelId, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Debugger;
use super::table::{Session, Stop};
use crate::config::Span;
use crate::daemon::host;
use crate::daemon::kept::{self, Keeping};
use crate::daemon::runner::{self, Unfed};

/// The person is told so long before the end.
const WARNING: Duration = Duration::from_secs(60);
/// Between asking the shell's processes to end and killing them; an interactive shell doesn't listen.
const GRACE: Duration = Duration::from_millis(500);
/// How long saying the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// What the sandbox itself allows beyond the session's time, for a daemon that forgets it.
const SPARE: Duration = Duration::from_secs(60);
/// Whether they said so or the network took them away.
const LEFT: &str = "the person left";
const TIME_UP: &str = "its time is up";
/// Control-D.
const END_OF_INPUT: u8 = 4;
/// Exit status for a session that was ended from outside.
const ENDED: u32 = 255;

/// The terminal of the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Terminal {
    kind: String,
    size: (u16, u16),
}

impl Terminal {
    /// What the other side says of it; what makes no sense is taken for the usual.
    pub(super) fn new(kind: &str, columns: u32, rows: u32) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
        let is_name = !kind.is_empty() && kind.len() <= 40 && kind.chars().all(plain);
        Terminal {
            kind: if is_name { kind } else { "xterm" }.to_owned(),
            size: size(columns, rows),
        }
    }
}

fn size(columns: u32, rows: u32) -> (u16, u16) {
    let of = |number: u32, usual| match u16::try_from(number) {
        Ok(0) | Err(_) => usual,
        Ok(number) => number,
    };
    (of(columns, 80), of(rows, 24))
}

/// The line to the person.
pub(super) struct Line {
    reader: ChannelReadHalf,
    writer: ChannelWriteHalf<Msg>,
    handle: Handle,
    id: ChannelId,
    /// Ends with the connection.
    gone: oneshot::Receiver<()>,
}

impl Line {
    pub(super) fn new(channel: Channel<Msg>, handle: Handle, gone: oneshot::Receiver<()>) -> Self {
        let id = channel.id();
        let (reader, writer) = channel.split();
        Line {
            reader,
            writer,
            handle,
            id,
            gone,
        }
    }

    /// Says something, unless the other side doesn't listen.
    async fn say(&self, text: &str) {
        let said = self.handle.data(self.id, text.as_bytes().to_vec());
        let _ = tokio::time::timeout(LAST_WORDS, said).await;
    }

    /// Hangs up.
    async fn close(self, status: u32) {
        let closing = async {
            let _ = self.handle.exit_status_request(self.id, status).await;
            let _ = self.handle.eof(self.id).await;
            let _ = self.handle.close(self.id).await;
        };
        let _ = tokio::time::timeout(LAST_WORDS, closing).await;
    }
}

/// Why a session is over, and the exit status for its person.
struct End {
    reason: String,
    status: u32,
}

impl End {
    fn of(reason: impl Into<String>) -> Self {
        End {
            reason: reason.into(),
            status: ENDED,
        }
    }
}

/// Runs a session to its end. When this returns, everything of it is dead, and the audit log says so.
pub(super) async fn run(
    debugger: Arc<Debugger>,
    session: Session,
    stop: Stop,
    from: String,
    mut line: Line,
    terminal: Terminal,
) {
    let end = match debugger
        .record(Act::DebugStarted, &session, &from, "")
        .await
    {
        Ok(()) => go(&debugger, &session, stop, &mut line, terminal).await,
        Err(error) => End::of(format!("the audit log cannot be written: {error}")),
    };
    debugger.table().end(&session.name);
    debugger.ended(&session, &from, &end.reason).await;
    line.say(&format!(
        "\r\n\x1b[33;1mThis debug session is over: {}. Its sandbox is gone.\x1b[0m\r\n",
        end.reason
    ))
    .await;
    line.close(end.status).await;
}

async fn go(
    debugger: &Debugger,
    session: &Session,
    mut stop: Stop,
    line: &mut Line,
    terminal: Terminal,
) -> End {
    let time = debugger.settings.time.duration();
    let until = Instant::now() + time;
    line.say(&banner(session, time)).await;
    let set_up = async {
        tokio::select! {
            sandbox = start(debugger, session, &terminal, time) => sandbox.map_err(End::of),
            reason = stopped(&mut stop) => Err(End::of(reason)),
            _ = &mut line.gone => Err(End::of(LEFT)),
            () = tokio::time::sleep_until(until) => Err(End::of(TIME_UP)),
        }
    };
    let mut sandbox = match set_up.await {
        Ok(sandbox) => sandbox,
        Err(end) => return end,
    };
    let early = sandbox.attend(line, &mut stop, until).await;
    sandbox.canceler.cancel();
    let outcome = sandbox.run.finish().await;
    let fed = sandbox.feeding.await;
    match (early, fed, outcome) {
        (Some(reason), ..) => End::of(reason),
        (None, Ok(Err(Unfed::Source(broken))), _)
        | (None, Ok(Err(Unfed::Sandbox(broken))), Ok(_)) => End::of(broken),
        (None, _, Ok((outcome, _))) => over(&outcome),
        (None, _, Err(error)) => End::of(runner::no_sandbox(&error)),
    }
}

/// Resolves when the session is to end, with the reason.
async fn stopped(stop: &mut Stop) -> &'static str {
    let told = stop.wait_for(Option::is_some).await.map(|reason| *reason);
    match told {
        Ok(reason) => reason.unwrap_or_default(),
        // The table has forgotten it, which happens to open sessions at their end only.
        Err(_) => std::future::pending().await,
    }
}

/// A sandbox with a shell.
struct Sandbox {
    run: Run,
    canceler: assay_sandbox::Canceler,
    feeding: JoinHandle<Result<(), Unfed>>,
    /// What there is to say before the shell speaks.
    notes: String,
}

/// Starts what the job ran in; an error is in words for the person.
async fn start(
    debugger: &Debugger,
    session: &Session,
    terminal: &Terminal,
    time: Duration,
) -> Result<Sandbox, String> {
    let runner = &debugger.runner;
    let (job, build, repository) = (&session.job, &session.build, &session.repository);
    if let Some(line) = runner::foreign(job) {
        return Err(line);
    }
    let dist = job.given("dist");
    let chosen = runner.choices.choose(dist, &repository.slug, build.event)?;
    let plan = plan_debug(&JobContext {
        repository,
        build,
        job,
        web: &runner.web,
        dist: chosen.dist.as_deref(),
        arch: host::arch(),
        env: &[],
        versions: runner.versions,
        packages: chosen.profile == Profile::Root,
    });
    let mut notes: String = chosen
        .notes
        .iter()
        .chain(&plan.notes)
        .map(|note| format!("\x1b[33;1m{note}\x1b[0m\r\n"))
        .collect();
    let source = runner::prepare(runner, build, repository.clone(), &plan).await?;
    let looking = {
        let (runner, job) = (Arc::clone(runner), job.clone());
        let (image, plan) = (chosen.name.clone(), plan.clone());
        tokio::task::spawn_blocking(move || {
            let (store, limits) = (&runner.store, &runner.limits);
            Keeping::new(store, runner.caps, limits, &image, &job, &plan)
        })
    };
    let mut keeping = looking.await.unwrap_or_default();
    notes.push_str(&kept::text(&keeping.lines));
    // It begins with the job's cache, and leaves nothing behind.
    keeping.keep.clear();
    let restored = keeping.restored.take();
    let spec = runner::spec(runner, job, &plan, &source, &keeping, chosen);
    let spec = interactive(spec, &session.name, terminal, time, &runner.prefix);
    let (run, tree) = Run::start(&runner.launcher, spec)
        .await
        .map_err(|error: RunError| runner::no_sandbox(&error))?;
    let canceler = run.canceler();
    let feeding = tokio::task::spawn_blocking(move || {
        runner::feed(tree, &source, &plan, restored.as_ref(), None)
    });
    Ok(Sandbox {
        run,
        canceler,
        feeding,
        notes,
    })
}

/// The job's spec, with a shell that reads the script as its start-up file, for a person at their terminal.
fn interactive(
    mut spec: RunSpec,
    name: &str,
    terminal: &Terminal,
    time: Duration,
    prefix: &str,
) -> RunSpec {
    spec.id = format!("{prefix}{name}");
    let script = spec.argv.pop().unwrap_or_default();
    for word in ["--noprofile", "--rcfile", &script, "-i"] {
        spec.argv.push(word.to_owned());
    }
    spec.env.retain(|(name, _)| name != "TERM");
    spec.env.push(("TERM".to_owned(), terminal.kind.clone()));
    spec.terminal = terminal.size;
    // A person may think, and look at much.
    spec.limits.wall = time + SPARE;
    spec.limits.silence = time + SPARE;
    spec.limits.output = u64::MAX;
    spec.limits.grace = GRACE;
    spec
}

impl Sandbox {
    /// Connects person and shell until one of them is gone or the time is up; the reason, unless the shell has ended.
    async fn attend(
        &mut self,
        line: &mut Line,
        stop: &mut Stop,
        until: Instant,
    ) -> Option<&'static str> {
        let keyboard = self.run.keyboard();
        let Line {
            reader,
            writer,
            gone,
            ..
        } = line;
        let showing = show(&mut self.run, &self.notes, writer, until);
        let typing = take(reader, &keyboard);
        let (mut showing, mut typing) = (pin!(showing), pin!(typing));
        tokio::select! {
            shown = &mut showing => shown.err().map(|_| LEFT),
            () = &mut typing => Some(LEFT),
            _ = gone => Some(LEFT),
            reason = stopped(stop) => Some(reason),
            () = tokio::time::sleep_until(until) => Some(TIME_UP),
        }
    }
}

/// Shows the shell's output until it ends; an error when the person is gone.
async fn show(
    run: &mut Run,
    notes: &str,
    line: &ChannelWriteHalf<Msg>,
    until: Instant,
) -> std::io::Result<()> {
    let mut writer = pin!(line.make_writer());
    if !notes.is_empty() {
        writer.write_all(notes.as_bytes()).await?;
    }
    let now = Instant::now();
    // Not at the very beginning of a short session.
    let mut warning = until.checked_sub(WARNING).filter(|at| *at > now + WARNING);
    loop {
        let bytes = tokio::select! {
            event = run.event() => match event {
                Some(RunEvent::Output(bytes)) => bytes,
                Some(RunEvent::Notice(notice)) => format!("\x1b[33;1m{notice}\x1b[0m\r\n").into(),
                Some(RunEvent::Started) => continue,
                None => return Ok(()),
            },
            () = crate::daemon::log::sleep_until(warning) => {
                warning = None;
                b"\r\n\x1b[33;1mThis debug session ends in a minute.\x1b[0m\r\n".to_vec()
            }
        };
        writer.write_all(&bytes).await?;
    }
}

/// Passes on what the person types, until they hang up.
async fn take(reader: &mut ChannelReadHalf, keyboard: &Keyboard) {
    while let Some(message) = reader.wait().await {
        match message {
            ChannelMsg::Data { data } => keyboard.write(data.to_vec()).await,
            ChannelMsg::WindowChange {
                col_width,
                row_height,
                ..
            } => {
                let (columns, rows) = size(col_width, row_height);
                keyboard.resize(columns, rows).await;
            }
            // No more input: what a terminal has for that is a key.
            ChannelMsg::Eof => keyboard.write(vec![END_OF_INPUT]).await,
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}

/// What the shell's end means.
fn over(outcome: &Outcome) -> End {
    let reason = match outcome {
        Outcome::Exited(code) | Outcome::Processes(code) | Outcome::Disk(code) => {
            return End {
                reason: format!("the shell ended with {code}"),
                status: u32::try_from(*code).unwrap_or(ENDED),
            };
        }
        Outcome::Signaled(signal) => format!("the shell was ended by signal {signal}"),
        Outcome::Memory => "it reached its memory limit".to_owned(),
        Outcome::Time | Outcome::Silence => TIME_UP.to_owned(),
        Outcome::Output | Outcome::Canceled => "it was ended".to_owned(),
    };
    End::of(reason)
}

/// What the person must know before anything else.
fn banner(session: &Session, time: Duration) -> String {
    let (job, build) = (&session.job, &session.build);
    let commit = build.commit.id.as_str();
    let lines = [
        format!(
            "{}: {} job {} ({}, commit {}), asked for by {}",
            session.name,
            session.repository.slug,
            job.number,
            build.branch,
            commit.get(..7).unwrap_or(commit),
            session.by
        ),
        format!(
            "This debug session ends after {}, or when you leave or lose the connection.",
            Span::seconds(time.as_secs())
        ),
        "Everything in it is destroyed then. The job's own result and log stay as they are."
            .to_owned(),
        "It is given no secrets. The audit log holds who asked for it, when and from where they"
            .to_owned(),
        "came, and how it ended; what you type and see is not recorded.".to_owned(),
    ];
    let mut text = String::new();
    for line in lines {
        // Branches are named by strangers.
        let plain: String = line.chars().filter(|c| !c.is_control()).collect();
        text.push_str(&format!("\x1b[33;1m{plain}\x1b[0m\r\n"));
    }
    text.push_str("\r\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_taken_with_care() {
        let usual = Terminal {
            kind: "xterm".to_owned(),
            size: (80, 24),
        };
        assert_eq!(Terminal::new("", 0, 0), usual);
        assert_eq!(Terminal::new("x\u{1b}]0;", 70_000, 24), usual);
        let own = Terminal::new("screen-256color", 120, 40);
        assert_eq!(
            (own.kind.as_str(), own.size),
            ("screen-256color", (120, 40))
        );
    }

    #[test]
    fn an_exit_code_is_passed_on() {
        let end = over(&Outcome::Exited(3));
        assert_eq!(
            (end.status, end.reason.as_str()),
            (3, "the shell ended with 3")
        );
        assert_eq!(over(&Outcome::Memory).status, ENDED);
    }
}
