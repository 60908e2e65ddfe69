//! Commands that the shell does itself: those that change its state, and the few that command lines can't do without.

use std::io::Write;
use std::time::Duration;

use deno_task_shell::parser::{Word, WordPart};

use super::files;
use super::shell::Shell;
use super::state::{State, Streams, Trouble};

type Tried = Result<i32, Trouble>;

/// Commands whose arguments are assignments: there, a value stays one word.
pub(super) fn takes_assignments(name: &Word) -> bool {
    matches!(name.parts().as_slice(), [WordPart::Text(name)] if name == "export")
}

/// Runs the command if it is one of these.
pub(super) fn run(
    shell: &Shell,
    name: &str,
    args: &[String],
    state: &mut State,
    streams: &Streams,
) -> Option<Tried> {
    let tried = match name {
        ":" | "true" => Ok(0),
        "false" => Ok(1),
        "cd" => cd(shell, args, state),
        "echo" => echo(args, streams),
        "exit" => exit(args, state),
        "export" => export(args, state),
        "pwd" => write(streams, &format!("{}\n", state.cwd)),
        "set" => set(args, state),
        "sleep" => sleep(shell, args),
        "test" => test(shell, args, state),
        "[" => match args.split_last() {
            Some((last, args)) if last == "]" => test(shell, args, state),
            _ => wrong("[: there is no closing ]"),
        },
        "unset" => {
            args.iter()
                .for_each(|name| drop(state.variables.remove(name)));
            Ok(0)
        }
        _ => return files::run(shell, name, args, state, streams),
    };
    Some(tried.map_err(|Trouble(code, why)| Trouble(code, format!("{name}: {why}"))))
}

pub(super) fn wrong(why: impl Into<String>) -> Tried {
    Err(Trouble(2, why.into()))
}

fn write(streams: &Streams, text: &str) -> Tried {
    (&streams.stdout).write_all(text.as_bytes())?;
    Ok(0)
}

fn cd(shell: &Shell, args: &[String], state: &mut State) -> Tried {
    let to = match args {
        [] => state.get("HOME").unwrap_or_default(),
        [to] => to.clone(),
        _ => return wrong("too many arguments"),
    };
    let entered = shell.place.enter(&state.cwd, &to);
    state.enter(entered.map_err(|error| Trouble(1, format!("{to}: {error}")))?);
    Ok(0)
}

fn echo(args: &[String], streams: &Streams) -> Tried {
    let (mut ends, mut escapes, mut args) = (true, false, args);
    while let Some((first, rest)) = args.split_first() {
        match first.as_str() {
            "-n" => ends = false,
            "-e" => escapes = true,
            "-en" | "-ne" => (ends, escapes) = (false, true),
            _ => break,
        }
        args = rest;
    }
    let mut text = args.join(" ");
    if escapes {
        text = unescaped(&text);
    }
    if ends {
        text.push('\n');
    }
    write(streams, &text)
}

fn unescaped(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            result.push(letter);
            continue;
        }
        match letters.next() {
            Some('n') => result.push('\n'),
            Some('t') => result.push('\t'),
            Some('r') => result.push('\r'),
            Some('e') => result.push('\x1b'),
            Some('\\') | None => result.push('\\'),
            Some(other) => result.extend(['\\', other]),
        }
    }
    result
}

fn exit(args: &[String], state: &mut State) -> Tried {
    let code = match args {
        [] => state.last,
        [code] => match code.parse::<i32>() {
            Ok(code) => code & 0xff,
            Err(_) => return wrong(format!("{code} is no number")),
        },
        _ => return wrong("too many arguments"),
    };
    state.exit = Some(code);
    Ok(code)
}

fn export(args: &[String], state: &mut State) -> Tried {
    let mut code = 0;
    for arg in args {
        let (name, value) = arg
            .split_once('=')
            .map_or((arg.as_str(), None), |(n, v)| (n, Some(v)));
        let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if name.is_empty() || !name.bytes().all(letter) || name.as_bytes()[0].is_ascii_digit() {
            code = 1;
            continue;
        }
        match value {
            Some(value) => state.export(name, value),
            None => {
                let value = state.get(name).unwrap_or_default();
                state.export(name, &value);
            }
        }
    }
    match code {
        0 => Ok(0),
        code => Err(Trouble(code, "not the name of a variable".to_owned())),
    }
}

fn set(args: &[String], state: &mut State) -> Tried {
    for arg in args {
        match arg.as_str() {
            "-e" => state.strict = true,
            "+e" => state.strict = false,
            other => return wrong(format!("{other} is not known here; -e and +e are")),
        }
    }
    Ok(0)
}

fn sleep(shell: &Shell, args: &[String]) -> Tried {
    let [time] = args else {
        return wrong("needs one number of seconds");
    };
    match time
        .parse::<f64>()
        .ok()
        .and_then(|time| Duration::try_from_secs_f64(time).ok())
    {
        // An hour at a time: the clock can't count for ever.
        Some(time) if shell.stop.sleep(time.min(Duration::from_secs(1 << 30))) => Ok(0),
        Some(_) => Ok(130),
        None => wrong(format!("{time} is no number of seconds")),
    }
}

fn test(shell: &Shell, args: &[String], state: &State) -> Tried {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let holds = match words.as_slice() {
        ["!", rest @ ..] => {
            let rest: Vec<String> = rest.iter().map(|word| (*word).to_owned()).collect();
            return test(shell, &rest, state).map(|code| i32::from(code == 0));
        }
        [] => false,
        [word] => !word.is_empty(),
        ["-n", word] => !word.is_empty(),
        ["-z", word] => word.is_empty(),
        [
            kind @ ("-e" | "-f" | "-d" | "-s" | "-L" | "-r" | "-w" | "-x"),
            path,
        ] => is_kind(shell, kind, path, state),
        [left, "=" | "==", right] => left == right,
        [left, "!=", right] => left != right,
        [
            left,
            op @ ("-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge"),
            right,
        ] => {
            let number = |word: &str| {
                word.parse::<i64>()
                    .map_err(|_| Trouble(2, format!("{word} is no number")))
            };
            let order = number(left)?.cmp(&number(right)?);
            match *op {
                "-eq" => order.is_eq(),
                "-ne" => order.is_ne(),
                "-lt" => order.is_lt(),
                "-le" => order.is_le(),
                "-gt" => order.is_gt(),
                _ => order.is_ge(),
            }
        }
        _ => return wrong("this test is not known here"),
    };
    Ok(i32::from(!holds))
}

fn is_kind(shell: &Shell, kind: &str, path: &str, state: &State) -> bool {
    let Ok(inside) = shell.place.inside(&state.cwd, path) else {
        return false;
    };
    let root = shell.place.root();
    let found = match kind {
        "-L" => root.symlink_metadata(inside),
        _ => root.metadata(inside),
    };
    found.is_ok_and(|meta| match kind {
        "-f" => meta.is_file(),
        "-d" => meta.is_dir(),
        "-L" => meta.is_symlink(),
        "-s" => meta.len() > 0,
        _ => true,
    })
}
