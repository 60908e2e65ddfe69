//! The command line: reads it, sends each command on its way, and turns what comes back into words and an exit code.

pub(crate) mod args;
mod audit;
mod build;
pub(crate) mod client;
mod configuration;
mod debug;
mod doctor;
mod fsck;
mod hook;
mod image;
mod kept;
mod language;
mod logs;
mod man;
pub(crate) mod output;
mod owner;
mod repo;
pub(crate) mod serve;
mod target;
mod token;

use std::process::ExitCode;

use args::{Cli, Command, Global};
use clap::Parser;
use output::Screen;

use crate::daemon;
use crate::exit::{Exit, Outcome};

pub(crate) use doctor::print_checks;
pub(crate) use language::{describe, varying};
pub(crate) use serve::daemon_failure;

/// Runs the command line of this process.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way, too. A closed output is nobody's concern here.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage.into()
            } else {
                Exit::Ok.into()
            };
        }
    };
    let screen = Screen::new(&cli.global);
    finish(dispatch(cli.command, &cli.global, &screen), &screen)
}

fn finish(outcome: Outcome, screen: &Screen) -> ExitCode {
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !failure.is_silent() {
                screen.say(&failure.to_string());
            }
            failure.exit().into()
        }
    }
}

fn dispatch(command: Command, global: &Global, screen: &Screen) -> Outcome {
    match command {
        Command::Demo(args) => daemon::demo(&args, global, screen),
        Command::Run(args) => daemon::run(&args, global, screen),
        Command::Up(args) => serve::up(args, global, screen),
        Command::Serve(args) => serve::serve(args, global, screen),
        Command::Lint(args) => language::lint(&args, screen),
        Command::Expand(args) => language::expand(&args, screen),
        Command::Script(args) => language::script(&args, screen),
        Command::Condition(args) => language::condition(&args, screen),
        Command::Schema(_) => language::schema(screen),
        Command::Repo(args) => repo::run(args.command, global, screen),
        Command::Hook(args) => hook::run(args.command, global, screen),
        Command::Builds(args) => build::builds(&args, global, screen),
        Command::Show(args) => build::show(&args, global, screen),
        Command::Logs(args) => logs::logs(&args, global, screen),
        Command::Restart(args) => build::restart(&args, global, screen),
        Command::Cancel(args) => build::cancel(&args, global, screen),
        Command::Debug(args) => debug::debug(&args, global, screen),
        Command::Audit(args) => audit::audit(&args, global, screen),
        Command::Requests(args) => build::requests(&args, global, screen),
        Command::Branches(args) => build::branches(&args, global, screen),
        Command::Cache(args) => kept::cache(&args, global, screen),
        Command::Artifacts(args) => kept::artifacts(&args, global, screen),
        Command::Token(args) => token::run(args.command, global, screen),
        Command::Whoami(_) => token::whoami(global, screen),
        Command::Config(args) => configuration::run(args.command, screen),
        Command::Doctor(_) => doctor::doctor(global, screen),
        Command::Image(args) => image::run(args.command, global, screen),
        Command::Fsck(args) => fsck::fsck(&args, global, screen),
        Command::Man(args) => man::man(&args, screen),
    }
}
