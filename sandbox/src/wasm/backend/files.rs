//! Built-in commands for files: everything through the run's folder, which nothing leads out of.

use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use super::builtins::wrong;
use super::place::name_of;
use super::shell::Shell;
use super::state::{State, Streams, Trouble};

type Tried = Result<i32, Trouble>;

/// Deepest tree of folders that is copied.
const DEEPEST: u32 = 100;

/// Runs the command if it is one of these.
pub(super) fn run(
    shell: &Shell,
    name: &str,
    args: &[String],
    state: &State,
    streams: &Streams,
) -> Option<Tried> {
    let command = match name {
        "cat" => cat,
        "cp" => cp,
        "mkdir" => mkdir,
        "mv" => mv,
        "rm" => rm,
        "touch" => touch,
        _ => return None,
    };
    let (options, paths): (Vec<&String>, Vec<&String>) = args
        .iter()
        .partition(|arg| arg.len() > 1 && arg.starts_with('-'));
    let given = Given {
        shell,
        state,
        streams,
        options: options
            .iter()
            .flat_map(|option| option.trim_start_matches('-').chars())
            .collect(),
        paths: paths.into_iter().map(String::as_str).collect(),
    };
    Some(command(&given).map_err(|Trouble(code, why)| Trouble(code, format!("{name}: {why}"))))
}

/// What a command was called with.
struct Given<'a> {
    shell: &'a Shell,
    state: &'a State,
    streams: &'a Streams,
    /// Letters of its options.
    options: String,
    paths: Vec<&'a str>,
}

impl Given<'_> {
    fn root(&self) -> &Dir {
        self.shell.place.root()
    }

    fn has(&self, option: char) -> bool {
        self.options.contains(option)
    }

    /// Refuses other options than these.
    fn knows(&self, known: &str) -> Result<(), Trouble> {
        match self.options.chars().find(|option| !known.contains(*option)) {
            Some(option) => wrong(format!("-{option} is not known here")).map(drop),
            None => Ok(()),
        }
    }

    fn inside(&self, path: &str) -> Result<PathBuf, Trouble> {
        let inside = self.shell.place.inside(&self.state.cwd, path);
        inside.map_err(|error| Trouble(1, format!("{path}: {error}")))
    }

    /// Does something with each path; the first trouble ends it.
    fn each(&self, action: impl Fn(&Path) -> io::Result<()>) -> Tried {
        for path in &self.paths {
            action(&self.inside(path)?).map_err(|error| Trouble(1, format!("{path}: {error}")))?;
        }
        Ok(0)
    }

    /// Where `from` goes: the last path, or a file of its own name in that folder.
    fn target(&self, from: &Path, to: &Path) -> io::Result<PathBuf> {
        let is_folder = self.root().metadata(to).is_ok_and(|meta| meta.is_dir());
        Ok(if is_folder {
            to.join(name_of(from)?)
        } else {
            to.to_owned()
        })
    }

    /// Does something with each path but the last, and its place below the last.
    fn each_to(&self, action: impl Fn(&Path, &Path) -> io::Result<()>) -> Tried {
        let (Some((to, from)), true) = (self.paths.split_last(), self.paths.len() > 1) else {
            return wrong("needs a source and a target");
        };
        let to = self.inside(to)?;
        for path in from {
            let inside = self.inside(path)?;
            let moved = self
                .target(&inside, &to)
                .and_then(|target| action(&inside, &target));
            moved.map_err(|error| Trouble(1, format!("{path}: {error}")))?;
        }
        Ok(0)
    }
}

fn cat(given: &Given<'_>) -> Tried {
    given.knows("")?;
    let mut out = &given.streams.stdout;
    if given.paths.is_empty() {
        io::copy(&mut &given.streams.stdin, &mut out)?;
    }
    given.each(|path| io::copy(&mut given.root().open(path)?, &mut &given.streams.stdout).map(drop))
}

fn mkdir(given: &Given<'_>) -> Tried {
    given.knows("p")?;
    given.each(|path| match given.has('p') {
        true => given.root().create_dir_all(path),
        false => given.root().create_dir(path),
    })
}

fn rm(given: &Given<'_>) -> Tried {
    given.knows("rRf")?;
    let (whole, forced) = (given.has('r') || given.has('R'), given.has('f'));
    given.each(|path| {
        let meta = match given.root().symlink_metadata(path) {
            Err(error) if forced && error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        match (meta.is_dir(), whole) {
            (true, true) => given.root().remove_dir_all(path),
            (true, false) => Err(io::ErrorKind::IsADirectory.into()),
            (false, _) => given.root().remove_file(path),
        }
    })
}

fn touch(given: &Given<'_>) -> Tried {
    given.knows("")?;
    given.each(|path| {
        let mut options = cap_std::fs::OpenOptions::new();
        options.create(true).append(true);
        let file = given.root().open_with(path, &options)?.into_std();
        file.set_modified(std::time::SystemTime::now())
    })
}

fn mv(given: &Given<'_>) -> Tried {
    given.knows("f")?;
    given.each_to(|from, to| given.root().rename(from, given.root(), to))
}

fn cp(given: &Given<'_>) -> Tried {
    given.knows("rRf")?;
    let whole = given.has('r') || given.has('R');
    given.each_to(|from, to| copy(given.root(), from, to, whole, 0))
}

fn copy(root: &Dir, from: &Path, to: &Path, whole: bool, depth: u32) -> io::Result<()> {
    if !root.metadata(from)?.is_dir() {
        return root.copy(from, root, to).map(drop);
    }
    if !whole || depth > DEEPEST {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // Before the copy is made, which may lie in what is copied.
    let entries: Vec<_> = root
        .open_dir(from)?
        .entries()?
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    root.create_dir_all(to)?;
    for name in entries {
        let inner = from.join(&name);
        if root.symlink_metadata(&inner)?.is_symlink() {
            root.symlink_contents(root.read_link_contents(&inner)?, to.join(&name))?;
        } else {
            copy(root, &inner, &to.join(&name), whole, depth + 1)?;
        }
    }
    Ok(())
}
