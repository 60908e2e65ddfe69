//! Makes man pages of the definition of the command line.

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use super::{Page, examples};
use crate::config::DEFAULT_FILE;
use crate::exit::Exit;

/// Longest line of a page's source.
const WIDTH: usize = 80;

/// What the environment has to say, on every page.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("ASSAY_STATE", "The state folder, as --state."),
    ("ASSAY_SERVER", "The daemon to talk to, as --server."),
    ("ASSAY_TOKEN", "The access token, as --token."),
    (
        "XDG_STATE_HOME",
        "Where the state folder of an ordinary user is; default ~/.local/state.",
    ),
    (
        "NO_COLOR",
        "If set, there are no colours unless --color always asks for them.",
    ),
];

const FILES: [(&str, &str); 4] = [
    (
        DEFAULT_FILE,
        "The daemon's configuration; see assay.yml(5).",
    ),
    (
        "/var/lib/assay",
        "The state folder of a daemon that runs as root.",
    ),
    (
        "STATE/run/assay.sock",
        "The control socket: for root and the daemon's own user.",
    ),
    ("STATE/run/hook.sock", "Where the hook tells of pushes."),
];

/// All pages: the command itself and every command below it that is not hidden.
pub(super) fn pages(command: &Command) -> Vec<Page> {
    let mut command = command.clone().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    collect(&command, true, &mut pages);
    pages
}

fn collect(command: &Command, top: bool, pages: &mut Vec<Page>) {
    pages.push(page(command, top));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        collect(sub, false, pages);
    }
}

fn page(command: &Command, top: bool) -> Page {
    let name = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
        .to_owned();
    // The global options are told once, in assay(1).
    let shown = if top {
        command.clone()
    } else {
        command.clone().mut_args(hide_global)
    };
    let version = concat!("Assay ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(shown)
        .title(name.to_uppercase())
        .date("2026-01-01")
        .source(version)
        .manual("Assay manual");
    let mut bytes = Vec::new();
    // Writing into memory doesn't fail.
    let _ = man.render_title(&mut bytes);
    let _ = man.render_name_section(&mut bytes);
    let _ = man.render_synopsis_section(&mut bytes);
    let _ = man.render_description_section(&mut bytes);
    let _ = man.render_options_section(&mut bytes);
    if command.get_subcommands().any(|sub| !sub.is_hide_set()) {
        let _ = man.render_subcommands_section(&mut bytes);
    }
    let _ = own_sections(&name, top).to_writer(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    Page {
        file: format!("{name}.1"),
        text: tidy(&text),
    }
}

fn hide_global(argument: Arg) -> Arg {
    let told_elsewhere = argument.is_global_set() || argument.get_id() == "version";
    argument.hide(told_elsewhere)
}

fn own_sections(name: &str, top: bool) -> Roff {
    let mut roff = Roff::new();
    if !top {
        roff.control("PP", []);
        roff.text([roman("The global options of assay(1) are understood, too.")]);
    }
    roff.control("SH", ["EXIT STATUS"]);
    for (exit, meaning) in Exit::TABLE {
        roff.control("TP", []);
        roff.text([bold(exit.code().to_string())]);
        roff.text([roman(meaning)]);
    }
    table(&mut roff, "ENVIRONMENT", &ENVIRONMENT);
    table(&mut roff, "FILES", &FILES);
    roff.control("SH", ["EXAMPLES"]);
    for (command, what) in examples::of(name) {
        roff.control("TP", []);
        roff.text([bold(*command)]);
        roff.text([roman(*what)]);
    }
    roff.control("SH", ["SEE ALSO"]);
    if top {
        roff.text([roman("travis.yml(5), assay.yml(5), assay(8), git-push(1)")]);
    } else {
        roff.text([roman("assay(1), travis.yml(5), assay.yml(5), assay(8)")]);
    }
    roff
}

fn table(roff: &mut Roff, heading: &str, rows: &[(&str, &str)]) {
    roff.control("SH", [heading]);
    for (name, meaning) in rows {
        roff.control("TP", []);
        roff.text([italic(*name)]);
        roff.text([roman(*meaning)]);
    }
}

const APOSTROPHE: [&str; 2] = [".ie \\n(.g .ds Aq \\(aq", ".el .ds Aq '"];

/// Breaks long lines; makes paragraphs of empty lines, which only the help of an option has; drops what mandoc(1) finds
/// superfluous.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines().map(str::trim_end) {
        let line = if line.is_empty() { ".IP" } else { line };
        // Each section brings the definition of the apostrophe with it; once is enough.
        let again = APOSTROPHE.contains(&line) && out.contains(line);
        if again || (line == ".br" && out.ends_with(".br\n")) {
            continue;
        }
        let mut rest = line;
        // Only running text: a macro's line, and a tag below .TP, must stay one line.
        let tag = out.ends_with(".TP\n");
        while rest.len() > WIDTH && !line.starts_with('.') && !tag {
            let Some(at) = break_before(rest) else { break };
            out.push_str(&rest[..at]);
            out.push('\n');
            rest = &rest[at + 1..];
        }
        out.push_str(rest);
        out.push('\n');
    }
    out
}

/// The last space within the width after which no line begins with a dot or an apostrophe, which roff would obey.
fn break_before(text: &str) -> Option<usize> {
    let good = |at: &usize| !text[at + 1..].starts_with(['.', '\'', ' ']);
    let spaces: Vec<usize> = text
        .match_indices(' ')
        .map(|(at, _)| at)
        .filter(good)
        .collect();
    let within = spaces.iter().copied().take_while(|at| *at <= WIDTH).last();
    within
        .filter(|at| *at > 0)
        .or_else(|| spaces.first().copied())
}
