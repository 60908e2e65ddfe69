//! What in a configuration needs root inside the sandbox, which is the operator's to give: for `assay lint`. Travis has no
//! such messages, so they are none of the file's own.

use crate::message::{Level, Message};
use crate::script::{installs_packages, texts};
use crate::value::{Map, Value};

/// Keys whose texts are commands.
const PHASES: [&str; 10] = [
    "before_install",
    "install",
    "before_script",
    "script",
    "before_cache",
    "after_success",
    "after_failure",
    "after_script",
    "before_deploy",
    "after_deploy",
];

/// Words before a command's name.
const BEFORE: [&str; 18] = [
    "!",
    "{",
    "time",
    "if",
    "then",
    "elif",
    "else",
    "while",
    "until",
    "do",
    "exec",
    "eval",
    "command",
    "nohup",
    "env",
    "travis_retry",
    "travis_wait",
    "timeout",
];

/// What `sudo` runs without root, where it is about the job's own services.
const OWN: [&str; 12] = [
    "service",
    "systemctl",
    "mysql",
    "mysqladmin",
    "psql",
    "createdb",
    "createuser",
    "dropdb",
    "dropuser",
    "redis-cli",
    "rabbitmqctl",
    "rabbitmq-plugins",
];

/// One message for each part of the configuration that works only with root. They have no place yet:
/// [`locate`](crate::locate) gives them one.
pub fn needs_root(config: &Map) -> Vec<Message> {
    let mut messages = Vec::new();
    let services = config.get("services").is_some();
    in_section(config, "", services, &mut messages);
    let jobs = config.get("jobs").and_then(Value::as_map);
    if let Some(Value::Seq(rows)) = jobs.and_then(|jobs| jobs.get("include")) {
        for row in rows.iter().filter_map(Value::as_map) {
            let services = services || row.get("services").is_some();
            in_section(row, "jobs.include.", services, &mut messages);
        }
    }
    messages
}

fn in_section(section: &Map, prefix: &str, services: bool, messages: &mut Vec<Message>) {
    let mut say = |key: &str, what: &str, value: Option<String>| {
        let mut args = vec![("needs", Value::from(what.to_owned()))];
        args.extend(value.map(|value| ("value", Value::from(value))));
        let key = format!("{prefix}{key}");
        messages.push(Message::new(Level::Info, key, "needs_root", args));
    };
    for phase in PHASES {
        let commands = texts(section.get(phase));
        if let Some(command) = commands
            .into_iter()
            .find(|command| calls_sudo(command, services))
        {
            say(phase, "sudo", Some(command));
        }
    }
    if installs_packages(section) {
        say("addons.apt", "addons.apt", None);
    }
    let addons = section.get("addons").and_then(Value::as_map);
    if !texts(addons.and_then(|addons| addons.get("hosts"))).is_empty() {
        say("addons.hosts", "addons.hosts", None);
    }
}

/// Whether one of the commands of a line is `sudo`, for more than services that the job has. Quotes are not read: what
/// stands in them is looked at as well.
fn calls_sudo(line: &str, services: bool) -> bool {
    let ends = ['\n', ';', '&', '|', '(', ')', '`'];
    line.split(ends).any(|command| {
        let mut words = command.split_whitespace().skip_while(|word| {
            BEFORE.contains(word)
                || word.starts_with('-')
                || is_assignment(word)
                || word.bytes().all(|byte| byte.is_ascii_digit())
        });
        let is_own = |word: &str| OWN.contains(&word) || word.starts_with("/etc/init.d/");
        words.next() == Some("sudo")
            && !(services
                && words
                    .find(|word| !word.starts_with('-') && *word != "postgres")
                    .is_some_and(is_own))
    })
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::calls_sudo;

    #[test]
    fn sudo_is_found_where_a_command_begins() {
        for line in [
            "sudo make install",
            "make && sudo -E make install",
            "travis_retry sudo apt-get update",
            "travis_wait 30 sudo make",
            "if true; then sudo true; fi",
            "A=b sudo true",
            "x=$(sudo cat /etc/x)",
            "cd x\nsudo make",
        ] {
            assert!(calls_sudo(line, true), "{line}");
        }
        for line in ["echo sudo", "make sudo", "sudoku", "./sudo.sh", ""] {
            assert!(!calls_sudo(line, true), "{line}");
        }
    }
    #[test]
    fn what_is_about_the_jobs_own_services_needs_no_root() {
        for line in [
            "sudo service mysql restart",
            "sudo /etc/init.d/postgresql stop || true",
            "sudo -u postgres psql -c 'create database x'",
        ] {
            assert!(!calls_sudo(line, true) && calls_sudo(line, false), "{line}");
        }
        assert!(calls_sudo("sudo service mysql stop; sudo make", true));
    }
}
