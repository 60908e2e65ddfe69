//! The hook's own process: what the installed script becomes on each push.
//!
//! Runs the hook that was there before, tells the daemon which refs changed or leaves that in the spool, prints where
//! the builds are, and with `git push -o assay.wait` stays for the log. Whatever goes wrong is one line of output:
//! nothing here fails a push, and nothing but a waiting push is held up.
//!
//! Rust's runtime ignores SIGPIPE, so a pusher who went away is an error of `write`, seen and borne by [`Talk`].

mod connection;
mod follow;
mod input;
mod previous;
mod talk;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use connection::Connection;
use input::Pushed;
use talk::Talk;

use crate::protocol::{Accepted, Answer, Hint, MAX_OPTIONS, MAX_TEXT, VERSION};
use crate::{identity, spool};

/// The first argument that makes the `assay` binary be the hook. The rest is for [`post_receive`].
pub const POST_RECEIVE: &str = "__post-receive";

/// How long the daemon may take for its answer before the push goes on without it.
const ANSWER_WITHIN: Duration = Duration::from_millis(100);

/// How long it may take when somebody asked to wait.
const WAITING_ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Most refs that get a line of their own in the push's output.
const MAX_LINES: usize = 20;

/// Push option that makes the push wait for the verdict.
const WAIT: &str = "assay.wait";

/// Is Git's `post-receive` hook. `arguments`: path of the daemon's `hook.sock`, path of the hook to run first (empty
/// for none), then the hook's own arguments.
///
/// Reads `OLD NEW REF` lines on standard input and the environment Git gives. The status is that of the hook run first,
/// else 0.
pub fn post_receive(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut arguments = arguments.into_iter();
    let socket = arguments.next().map(PathBuf::from).unwrap_or_default();
    let previous = arguments.next().map(PathBuf::from).unwrap_or_default();
    let mut talk = Talk::new();
    let input = input::read(&mut io::stdin().lock());
    let status = previous::run(&previous, arguments, &input, &mut talk);
    hand_over(&socket, &input, &mut talk);
    ExitCode::from(status)
}

fn hand_over(socket: &Path, input: &[u8], talk: &mut Talk) {
    let pushed = Pushed::parse(input);
    for line in &pushed.malformed {
        talk.say(&format!(
            "ignored a line of the hook's input that is not OLD NEW REF: {line}"
        ));
    }
    if pushed.updates.is_empty() && pushed.left_out == 0 {
        return;
    }
    let repository = match repository() {
        Ok(path) => path,
        Err(error) => return talk.say(&format!("no build: the repository's path: {error}")),
    };
    match hint(&repository, pushed, talk) {
        Ok(hint) => deliver(socket, &repository, &hint, talk),
        Err(error) => talk.say(&format!("no build: {error}")),
    }
}

/// The repository pushed to. Git runs the hook inside it; in a linked work tree, `commondir` names the repository.
fn repository() -> io::Result<PathBuf> {
    let git_dir = fs::canonicalize(env::var_os("GIT_DIR").unwrap_or_else(|| ".".into()))?;
    match fs::read_to_string(git_dir.join("commondir")) {
        Ok(common) => fs::canonicalize(git_dir.join(common.trim_end())),
        Err(_) => Ok(git_dir),
    }
}

fn hint(repository: &Path, pushed: Pushed, talk: &mut Talk) -> io::Result<Hint> {
    let path = repository
        .to_str()
        .ok_or_else(|| io::Error::other("the repository's path is not text"))?;
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    let options = push_options(talk);
    let hint = Hint {
        version: VERSION,
        repository: path.to_owned(),
        delivery: random.iter().map(|byte| format!("{byte:02x}")).collect(),
        updates: pushed.updates,
        left_out: pushed.left_out,
        wait: options.iter().any(|option| option == WAIT),
        options,
        pusher: pusher(),
    };
    hint.check().map_err(io::Error::other)?;
    Ok(hint)
}

fn push_options(talk: &mut Talk) -> Vec<String> {
    let count: usize = env::var("GIT_PUSH_OPTION_COUNT")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(0);
    let given = (0..count.min(MAX_OPTIONS))
        .filter_map(|index| env::var_os(format!("GIT_PUSH_OPTION_{index}")));
    let (short, long): (Vec<_>, Vec<_>) = given
        .map(|option| option.to_string_lossy().into_owned())
        .partition(|option| option.len() <= MAX_TEXT);
    let left_out = long.len() + count.saturating_sub(MAX_OPTIONS);
    if left_out > 0 {
        talk.say(&format!(
            "left out {left_out} push options: at most {MAX_OPTIONS} of {MAX_TEXT} bytes"
        ));
    }
    short
}

/// Who pushed: as the operator's forced command says, then gitolite, Gitea and Forgejo, the web server, the account.
fn pusher() -> Option<String> {
    let told = ["ASSAY_USER", "GL_USER", "GITEA_PUSHER_NAME", "REMOTE_USER"];
    let from = |name: &&str| {
        env::var(name)
            .ok()
            .filter(|value| !value.is_empty() && value.len() <= MAX_TEXT)
    };
    let account =
        || identity::account_of(rustix::process::getuid().as_raw()).map(|account| account.name);
    told.iter()
        .find_map(from)
        .or_else(account)
        .or_else(|| ["USER", "LOGNAME"].iter().find_map(from))
}

fn deliver(socket: &Path, repository: &Path, hint: &Hint, talk: &mut Talk) {
    let deadline = Instant::now() + ANSWER_WITHIN;
    let asked = Connection::open(socket).and_then(|mut connection| {
        let line = hint.encode().map_err(io::Error::other)?;
        connection.send(&line, deadline)?;
        Ok(connection)
    });
    let Ok(mut connection) = asked else {
        return leave_in_spool(repository, hint, "the daemon does not run", talk);
    };
    let mut answer = connection.answer(deadline);
    if answer
        .as_ref()
        .is_err_and(|error| error.kind() == io::ErrorKind::TimedOut)
    {
        leave_in_spool(repository, hint, "the daemon is busy", talk);
        if !hint.wait {
            return;
        }
        answer = connection.answer(Instant::now() + WAITING_ANSWER_WITHIN);
        if answer.is_err() {
            return talk.say("no answer from the daemon; not waiting for the verdict");
        }
    }
    match answer {
        Ok(Answer::Accepted(accepted)) => {
            print_accepted(&accepted, talk);
            if hint.wait {
                follow::until_end(&mut connection, talk);
            }
        }
        Ok(Answer::Refused(refusal)) if refusal.spool => {
            leave_in_spool(repository, hint, &refusal.text, talk)
        }
        Ok(Answer::Refused(refusal)) => talk.say(&format!("no build: {}", refusal.text)),
        _ => leave_in_spool(repository, hint, "the daemon broke off", talk),
    }
}

fn leave_in_spool(repository: &Path, hint: &Hint, why: &str, talk: &mut Talk) {
    match spool::write(repository, hint) {
        Ok(()) => talk.say(&format!("{why}; the push is noted and will be built")),
        Err(error) => {
            let source = std::error::Error::source(&error)
                .map(|source| format!(": {source}"))
                .unwrap_or_default();
            talk.say(&format!(
                "{why}, and the push can't be noted ({error}{source}); it will be found by its ref"
            ));
        }
    }
}

fn print_accepted(accepted: &[Accepted], talk: &mut Talk) {
    for entry in accepted.iter().take(MAX_LINES) {
        let of = if accepted.len() > 1 {
            format!(" ({})", entry.ref_name)
        } else {
            String::new()
        };
        let note = entry.note.as_deref();
        match &entry.url {
            Some(url) => talk.say(&format!(
                "build {url}{of}{}",
                note.map(|note| format!(": {note}")).unwrap_or_default()
            )),
            None => talk.say(&format!(
                "no build{of}: {}",
                note.unwrap_or("no reason given")
            )),
        }
    }
    if accepted.len() > MAX_LINES {
        talk.say(&format!("and {} more refs", accepted.len() - MAX_LINES));
    }
}
