//! `assay config`: is the daemon's configuration right, and what does it come to.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::ConfigCommand;
use super::output::Screen;
use crate::config::{self, Config, ConfigError};
use crate::exit::{Exit, Failure, Outcome};

/// Runs the command.
pub(crate) fn run(command: ConfigCommand, screen: &Screen) -> Outcome {
    match command {
        ConfigCommand::Check { file } => check(file.as_deref(), screen),
        ConfigCommand::Show { file } => show(file.as_deref(), screen),
    }
}

/// Reads the configuration for a command that needs it.
pub(crate) fn load(file: Option<&Path>) -> Result<(Config, Option<PathBuf>), Failure> {
    Config::find(file).map_err(|error| {
        let failure = Failure::new(Exit::BadConfig, "cannot use the configuration").because(&error);
        match &error {
            ConfigError::Read { .. } => {
                failure.hint("name a readable file with --config, or leave it out")
            }
            ConfigError::Wrong { .. } => {
                failure.hint("assay config check FILE says this again once it is mended")
            }
        }
    })
}

fn check(file: Option<&Path>, screen: &Screen) -> Outcome {
    let path = file.unwrap_or_else(|| Path::new(config::DEFAULT_FILE));
    let problems = match Config::find(file) {
        Ok((_, read)) => {
            if screen.json {
                screen.json(&json!({ "file": path, "problems": [] }))?;
            } else if read.is_some() {
                screen.say(&format!("{} is in order", path.display()));
            } else {
                screen.say(&format!(
                    "{} does not exist: the defaults hold",
                    path.display()
                ));
            }
            return Ok(Exit::Ok);
        }
        Err(ConfigError::Wrong { problems, .. }) => problems,
        Err(error @ ConfigError::Read { .. }) => {
            return Err(
                Failure::new(Exit::BadConfig, "cannot check the configuration").because(&error),
            );
        }
    };
    if screen.json {
        let list: Vec<_> = problems
            .iter()
            .map(|problem| json!({ "line": problem.line, "key": problem.key, "message": problem.text }))
            .collect();
        screen.json(&json!({ "file": path, "problems": list }))?;
        return Ok(Exit::BadConfig);
    }
    for problem in &problems {
        let line = problem
            .line
            .map_or(String::new(), |line| format!("{line}:"));
        let key = if problem.key.is_empty() {
            String::new()
        } else {
            format!("{}: ", problem.key)
        };
        screen.line(&format!("{}:{line} {key}{}", path.display(), problem.text))?;
    }
    Ok(Exit::BadConfig)
}

fn show(file: Option<&Path>, screen: &Screen) -> Outcome {
    let (config, _) = load(file)?;
    if screen.json {
        screen.json(&config)?;
        return Ok(Exit::Ok);
    }
    let text = serde_yaml::to_string(&config).map_err(|error| {
        Failure::new(Exit::Internal, "cannot show the configuration").because(&error)
    })?;
    screen.data(&text)?;
    Ok(Exit::Ok)
}
